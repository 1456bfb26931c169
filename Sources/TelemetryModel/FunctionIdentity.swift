/// What is known of the function, from register's answer, the ARN of an INVOKE and the environment: it grows, so a
/// document carries what was known when it was made.
package struct FunctionIdentity: Equatable, Sendable {
    package var name: String
    /// `$LATEST` or a number.
    package var version: String
    /// 12 digits, nil while unknown.
    package var accountID: String?
    package var region: String?

    package init(name: String, version: String, accountID: String? = nil, region: String? = nil) {
        self.name = name
        self.version = version
        self.accountID = accountID
        self.region = region
    }
}
