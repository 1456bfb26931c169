import Foundation

/// `posix_spawn` in a new process group with a clean signal state.
enum Spawn {
    static func run(
        path: String, arguments: [String], variables: [String: String], workingDirectory: String, output: Int32,
        errors: Int32
    ) throws(SimulatorError) -> pid_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setpgroup(&attributes, 0)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
        posix_spawnattr_setflags(&attributes, Int16(flags))

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, errors, 2)
        posix_spawn_file_actions_addchdir_np(&actions, workingDirectory)

        var pid: pid_t = 0
        var code: Int32 = 0
        // ETXTBSY: a process that another thread is just starting holds a descriptor on the file until its own exec.
        for _ in 0..<100 {
            code = withCStrings([path] + arguments) { argv in
                withCStrings(variables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }) { envp in
                    posix_spawn(&pid, path, &actions, &attributes, argv, envp)
                }
            }
            guard code == ETXTBSY else { break }
            usleep(10_000)
        }
        guard code == 0 else { throw .spawn(path: path, errno: code) }
        return pid
    }

    private static func withCStrings<R>(
        _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> R
    ) -> R {
        var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else {
                var empty: UnsafeMutablePointer<CChar>?
                return body(&empty)
            }
            return body(base)
        }
    }
}
