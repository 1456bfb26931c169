import HTTPTransport
import Synchronization

/// A Secrets Manager stand-in on loopback with one secret: `username` and `password`. It checks no signature.
package final class FakeSecretsManager: Sendable {
    private let server: FaultyServer

    package var faults: FaultPlan { server.faults }
    package var url: String { server.url + "/" }
    package var requests: [RequestRecord] { server.requests }

    package init(user: String, password: String) throws {
        let secret = JSONValue.object([.init("username", .string(user)), .init("password", .string(password))])
        let answer = JSONValue.object([
            .init("Name", "login"), .init("SecretString", .string(String(decoding: secret.encoded, as: UTF8.self))),
        ])
        server = try FaultyServer(
            name: "fake-secretsmanager", isDefaultTarget: { _ in true },
            serve: { _, _ in ServiceOutcome(ServiceAnswer(200, json: answer)) })
    }

    package func stop() { server.stopListening() }
}
