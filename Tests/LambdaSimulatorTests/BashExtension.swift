import Foundation
import HTTPTransport

@testable import LambdaSimulator

/// An extension in bash, for tests of processes: registers, subscribes a listener elsewhere when `LISTENER_PORT` is set,
/// loops on `next`. `DIE_AT` exits in that invocation, `HOLD` sleeps so many seconds in each, `STAY` ignores SHUTDOWN.
enum BashExtension {
    static let isAvailable = FileManager.default.isExecutableFile(atPath: "/bin/bash")

    /// A directory with the extension in it under `name`.
    static func install(_ name: String = "bash-extension") throws -> String {
        let directory = try TemporaryDirectory.make("extensions")
        let path = directory + "/" + name
        try script.write(toFile: path, atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        return path
    }

    private static let script = #"""
        #!/bin/bash
        api=$AWS_LAMBDA_RUNTIME_API
        call() { # method path headers body
            local length line
            exec 3<>"/dev/tcp/${api%:*}/${api#*:}" || return 1
            printf '%s %s HTTP/1.1\r\nHost: %s\r\n%bContent-Length: %d\r\n\r\n%s' \
                "$1" "$2" "$api" "$3" "${#4}" "$4" >&3
            read -r line <&3; line=${line#* }; status=${line%% *}
            length=0
            while read -r line <&3; do
                line=${line%$'\r'}
                [ -z "$line" ] && break
                case ${line,,} in
                    content-length:*) length=${line#*: } ;;
                    lambda-extension-identifier:*) id=${line#*: } ;;
                esac
            done
            reply=
            [ "$length" -gt 0 ] && read -r -N "$length" reply <&3
            exec 3>&-
        }
        events=${EVENTS-'"INVOKE","SHUTDOWN"'}
        call POST /2020-01-01/extension/register "Lambda-Extension-Name: ${0##*/}\r\n" "{\"events\":[$events]}"
        [ "$status" = 200 ] || { echo "register: $status $reply" >&2; exit 3; }
        if [ -n "$LISTENER_PORT" ]; then
            call PUT /2022-07-01/telemetry "Lambda-Extension-Identifier: $id\r\n" \
                "{\"schemaVersion\":\"2025-01-29\",\"types\":[\"platform\",\"function\"],\
        \"buffering\":{\"maxItems\":1000,\"maxBytes\":262144,\"timeoutMs\":25},\
        \"destination\":{\"protocol\":\"HTTP\",\"URI\":\"http://sandbox.localdomain:$LISTENER_PORT\"}}"
        fi
        echo "started cwd=$PWD home=${HOME-unset} spool=$PERMAFROST_SPOOL_DIR"
        count=0
        while call GET /2020-01-01/extension/event/next "Lambda-Extension-Identifier: $id\r\n" ""; do
            case $reply in
                *SHUTDOWN*) echo "shutdown after $count: $reply"; [ -n "$STAY" ] && sleep 10; exit 0 ;;
                *)
                    count=$((count + 1))
                    [ "$count" = "$DIE_AT" ] && exit 7
                    [ -n "$HOLD" ] && sleep "$HOLD" ;;
            esac
        done
        """#
}

/// An HTTP server that takes telemetry in place of an extension, and answers as a test wants.
final class TelemetryReceiver: Sendable {
    struct State: Sendable {
        var bodies: [[UInt8]] = []
        var paths: [String] = []
        /// Statuses of the next answers; 200 when it is empty.
        var statuses: [Int] = []
    }

    let state = Monitor(State())
    let server: ServerThread

    init() throws {
        let state = self.state
        server = try ServerThread(name: "receiver") { request, responder in
            let body = request.withBody { Array($0) }
            let status = state.withLock { state in
                state.bodies.append(body)
                state.paths.append(request.path)
                return state.statuses.isEmpty ? 200 : state.statuses.removeFirst()
            }
            responder.respond(status: status)
        }
    }

    deinit {
        server.stop()
    }

    /// Waits for that many bodies.
    func bodies(_ count: Int, timeout: Duration = .seconds(10)) -> [[UInt8]] {
        state.wait(timeout: timeout) { $0.bodies.count >= count ? $0.bodies : nil } ?? state.withLock { $0.bodies }
    }
}
