import CLibFuzzer
import FuzzTargets
import Glibc

// Hands libFuzzer the target that PERMAFROST_FUZZ_TARGET names; the arguments are libFuzzer's own.
// Started by Tests/fuzz, which knows them.

enum Chosen {
    static let target = FuzzTarget.named(getenv("PERMAFROST_FUZZ_TARGET").map { String(cString: $0) } ?? "")
}

guard Chosen.target != nil else {
    print("PERMAFROST_FUZZ_TARGET: one of \(FuzzTarget.all.map(\.name).joined(separator: ", "))")
    exit(64)
}

var count = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
exit(
    LLVMFuzzerRunDriver(&count, &arguments) { bytes, count in
        do {
            try Chosen.target?.check(Array(UnsafeBufferPointer(start: bytes, count: count)))
        } catch {
            // libFuzzer keeps the input of a process that aborts.
            print("finding: \(error)")
            fflush(nil)
            abort()
        }
        return 0
    })
