/// Keys of the function's role. https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
package struct AWSCredentials: Sendable {
    package var accessKey: String
    package var secretKey: String
    package var sessionToken: String?

    package init(accessKey: String, secretKey: String, sessionToken: String?) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
    }
}

/// Where the role's keys come from: the environment, or under SnapStart a local endpoint that has to be asked again
/// before they expire.
package enum AWSCredentialSource: Sendable {
    case environment(AWSCredentials)
    case container(uri: String, token: String)
    case none

    package init(environment: [String: String]) {
        func value(_ name: String) -> String? {
            guard let text = environment[name], !text.isEmpty else { return nil }
            return text
        }
        if let accessKey = value("AWS_ACCESS_KEY_ID"), let secretKey = value("AWS_SECRET_ACCESS_KEY") {
            self = .environment(
                AWSCredentials(
                    accessKey: accessKey, secretKey: secretKey, sessionToken: value("AWS_SESSION_TOKEN")))
        } else if let uri = value("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
            let token = value("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        {
            self = .container(uri: uri, token: token)
        } else {
            self = .none
        }
    }
}
