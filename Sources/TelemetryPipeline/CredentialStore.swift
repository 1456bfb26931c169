import HTTPTransport
import JSON
import TelemetryModel
import TelemetrySinks

/// Finds out how to authenticate to a sink: from the URL's user-info, from Secrets Manager, or by signing for Amazon's
/// OpenSearch services. Fetches begin with the first flush, never before the first `next`, and are repeated when the back
/// end refuses what they gave. Lives on the flush thread.
final class CredentialStore {
    enum Availability {
        case ready(HTTPAuthentication)
        /// A fetch is under way or waits for its back-off.
        case pending(until: Moment?)
    }

    struct Plan {
        var secretARN: String?
        var source: AWSCredentialSource
        var region: String?
        /// `AWS_ENDPOINT_URL_SECRETS_MANAGER` or `AWS_ENDPOINT_URL`, as all AWS SDKs read them.
        var secretsManagerURL: String?
    }

    private let plan: Plan
    private let loop: TransferLoop
    private let notice: NoticeSink
    private var keys: AWSCredentials?
    private var keysExpire: Moment?
    private var login: (user: String, password: String)?
    private var isLoginRefused = false
    private var keyFetch: WatchedTransfer?
    private var loginFetch: WatchedTransfer?
    private var breaker: CircuitBreaker
    private var loginFetchedAt: Moment?

    init(plan: Plan, loop: TransferLoop, seed: UInt64? = nil, notice: @escaping NoticeSink) {
        self.plan = plan
        self.loop = loop
        self.notice = notice
        self.breaker = CircuitBreaker(seed: seed)
        if case .environment(let keys) = plan.source { self.keys = keys }
    }

    func authentication(for endpoint: Endpoint, _ time: FlushTime) -> Availability {
        let now = time.moment
        if let user = endpoint.user {
            return .ready(.basic(user: user, password: endpoint.password?.value ?? ""))
        }
        if plan.secretARN != nil {
            let until = login == nil || isLoginRefused ? fetchLogin(time) : nil
            // One that was refused goes on until another has come: the refusal may have been the sink's own fault, and
            // Secrets Manager's must not stop a sink that takes it.
            guard let login else { return .pending(until: until) }
            return .ready(.basic(user: login.user, password: login.password))
        }
        if let signing = endpoint.awsService {
            if let keys, areKeysFresh(at: now) {
                return .ready(signature(service: signing.service, region: signing.region, keys))
            }
            if case .none = plan.source { return .ready(.none) }
            return .pending(until: fetchKeys(time))
        }
        return .ready(.none)
    }

    /// The back end refused the credentials that it was sent: ask for them again, at most once a minute.
    func refused(_ time: FlushTime) {
        let now = time.moment
        if case .container = plan.source { keysExpire = now }
        guard let loginFetchedAt, now.passed(since: loginFetchedAt) > .seconds(60) else { return }
        isLoginRefused = true
        _ = fetchLogin(time)
    }

    var hasSecret: Bool { plan.secretARN != nil }

    /// A secret or keys are needed and cannot be had for now.
    var isFailing: Bool { breaker.failures > 0 && login == nil }

    private func areKeysFresh(at now: Moment) -> Bool {
        guard let keysExpire else { return true }
        return now < keysExpire && now.wallMs < keysExpire.wallMs
    }

    func froze(_ time: FlushTime) {
        loginFetch?.froze(time)
        keyFetch?.froze(time)
    }

    /// Ends fetches that stand still.
    func checkStall(_ time: FlushTime) {
        for fetch in [\CredentialStore.loginFetch, \CredentialStore.keyFetch] {
            guard var transfer = self[keyPath: fetch] else { continue }
            let verdict = transfer.check(loop, time)
            self[keyPath: fetch] = transfer
            if case .waiting = verdict { continue }
            loop.cancel(transfer.id)
            self[keyPath: fetch] = nil
            if verdict == .stalled {
                failed("stalled", at: time.moment)
            } else if breaker.lostInFreeze(at: time.moment) {
                report("stalled")
            }
        }
    }

    /// True when the completion was one of ours.
    func handle(_ completion: TransferCompletion, at now: Moment) -> Bool {
        if let fetch = loginFetch, fetch.id == completion.id {
            loginFetch = nil
            loginArrived(completion.result, at: now)
            return true
        }
        if let fetch = keyFetch, fetch.id == completion.id {
            keyFetch = nil
            keysArrived(completion.result, at: now)
            return true
        }
        return false
    }

    private func signature(service: String, region: String, _ keys: AWSCredentials) -> HTTPAuthentication {
        .awsSigV4(
            service: service, region: region, accessKey: keys.accessKey, secretKey: keys.secretKey,
            sessionToken: keys.sessionToken)
    }

    // MARK: Secrets Manager
    // https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html

    private func fetchLogin(_ time: FlushTime) -> Moment? {
        let now = time.moment
        guard loginFetch == nil, let arn = plan.secretARN else { return nil }
        if case .until(let moment)? = breaker.refusal(at: now) { return moment }
        guard let keys, areKeysFresh(at: now) else {
            if case .none = plan.source {
                failed("no_role_credentials", at: now)
                return now + .seconds(30)
            }
            return fetchKeys(time)
        }
        // arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME
        let parts = arn.split(separator: ":", omittingEmptySubsequences: false)
        let region = parts.count > 4 && parts[0] == "arn" ? String(parts[3]) : plan.region ?? "us-east-1"
        let suffix = region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("SecretId")
        writer.string(arn)
        writer.endObject()
        var request = HTTPRequest(
            method: "POST", url: plan.secretsManagerURL ?? "https://secretsmanager.\(region).\(suffix)/")
        request.headers = [
            HTTPHeader(name: "Content-Type", value: "application/x-amz-json-1.1"),
            HTTPHeader(name: "X-Amz-Target", value: "secretsmanager.GetSecretValue"),
        ]
        request.body = writer.bytes
        request.authentication = signature(service: "secretsmanager", region: region, keys)
        request.proxy = .environment
        request.responseLimit = 131_072
        do {
            loginFetch = try WatchedTransfer.start(request, on: loop, time)
            breaker.began()
        } catch {
            failed("transport", at: now)
        }
        return nil
    }

    private func loginArrived(_ result: Result<HTTPResponse, HTTPError>, at now: Moment) {
        guard case .success(let response) = result else { return failed("transport", at: now) }
        guard response.status == 200 else { return failed("status_\(response.status)", at: now) }
        guard let secret = Self.members(of: response.body, named: ["SecretString"]).first ?? nil else {
            return failed("no_secret_string", at: now)
        }
        let members = Self.members(of: Array(secret.utf8), named: ["username", "password"])
        guard let user = members[0], let password = members[1] else {
            return failed("keys_username_and_password_missing", at: now)
        }
        login = (user, password)
        isLoginRefused = false
        loginFetchedAt = now
        breaker.succeeded()
    }

    private func failed(_ cause: String, at now: Moment) {
        breaker.failed(at: now)
        report(cause)
    }

    private func report(_ cause: String) {
        notice(
            Notice(
                .error, "secret_unavailable",
                [
                    ("variable", "PERMAFROST_AUTH_SECRET"), ("cause", cause),
                    ("fix", "let the function's role call secretsmanager:GetSecretValue on it"),
                ]))
    }

    // MARK: The role's keys under SnapStart

    private func fetchKeys(_ time: FlushTime) -> Moment? {
        let now = time.moment
        guard keyFetch == nil, case .container(let uri, let token) = plan.source else { return nil }
        if case .until(let moment)? = breaker.refusal(at: now) { return moment }
        var request = HTTPRequest(method: "GET", url: uri)
        request.headers = [HTTPHeader(name: "Authorization", value: token)]
        request.proxy = .never
        request.responseLimit = 65_536
        do {
            keyFetch = try WatchedTransfer.start(request, on: loop, time)
        } catch {
            failed("transport", at: now)
        }
        return nil
    }

    private func keysArrived(_ result: Result<HTTPResponse, HTTPError>, at now: Moment) {
        guard case .success(let response) = result, response.status == 200 else {
            return failed("role_credentials", at: now)
        }
        let members = Self.members(of: response.body, named: ["AccessKeyId", "SecretAccessKey", "Token"])
        guard let accessKey = members[0], let secretKey = members[1] else {
            return failed("role_credentials", at: now)
        }
        keys = AWSCredentials(accessKey: accessKey, secretKey: secretKey, sessionToken: members[2])
        breaker.succeeded()
        // They are renewed well before the hours after which they expire; asking is a call on the loopback.
        keysExpire = now + .seconds(300)
    }

    /// The string members of a flat JSON object, nil where one is missing.
    private static func members(of bytes: [UInt8], named names: [String]) -> [String?] {
        var values = [String?](repeating: nil, count: names.count)
        // What is not JSON has no members; the caller reports what is missing.
        try? JSONReader.read(bytes) { reader throws(JSONError) in
            try reader.beginObject()
            while let key = try reader.nextKey() {
                guard let index = names.firstIndex(of: key) else {
                    try reader.skip()
                    continue
                }
                values[index] = try reader.optionalString()
            }
        }
        return values
    }
}
