import CSQLite
import Foundation
import Synchronization
import Testing

/// A SQLite VFS over the default one that breaks writes on schedule. Every instance has a name of its own.
///
/// It offers version 1 of the I/O methods: no shared memory and no memory maps, which the spool does not use.
final class FaultyDisk: Sendable {
    enum Fault: Sendable, CaseIterable {
        /// Nothing is written, SQLITE_FULL.
        case full
        /// Nothing is written, SQLITE_IOERR_WRITE.
        case ioError
        /// Half is written, SQLITE_FULL: what a write(2) into the last free blocks does.
        case short
        /// Everything is written, and reported as failed.
        case lying
    }

    private struct State {
        var writes = 0
        var fault = Fault.ioError
        var failing: Range<Int> = 0..<0
        var refusesGrowth = false
        var unreadable: (suffix: String, code: Int32)?
        var replaced: (path: String, text: String?)?
        var bytesWritten: [Int32: Int] = [:]
    }

    let name = "faulty-" + UUID().uuidString
    private let state = Mutex(State())
    /// The C structure SQLite keeps a pointer to between register and unregister, that is as long as this lives.
    private nonisolated(unsafe) let vfs: UnsafeMutablePointer<sqlite3_vfs>
    private nonisolated(unsafe) let cName: UnsafeMutablePointer<CChar>

    init() throws {
        let base = try #require(sqlite3_vfs_find(nil))
        vfs = .allocate(capacity: 1)
        vfs.initialize(to: base.pointee)
        cName = name.withCString { strdup($0) }
        vfs.pointee.zName = UnsafePointer(cName)
        vfs.pointee.pNext = nil
        vfs.pointee.szOsFile = Int32(FaultyFile.offset) + base.pointee.szOsFile
        vfs.pointee.pAppData = Unmanaged.passUnretained(self).toOpaque()
        vfs.pointee.xOpen = { vfs, name, file, flags, outFlags in
            guard let vfs, let file, let base = sqlite3_vfs_find(nil) else { return SQLITE_ERROR }
            if let disk = vfs.pointee.pAppData, let name {
                Unmanaged<FaultyDisk>.fromOpaque(disk).takeUnretainedValue().replace(name)
            }
            let real = FaultyFile.real(file)
            real.pointee.pMethods = nil
            let code = base.pointee.xOpen(base, name, real, flags, outFlags)
            let box = UnsafeMutableRawPointer(file).assumingMemoryBound(to: FaultyFile.self)
            box.pointee.base.pMethods = code == SQLITE_OK ? FaultyFile.methods : nil
            box.pointee.disk = vfs.pointee.pAppData
            box.pointee.flags = flags
            box.pointee.path = name
            return code
        }
        sqlite3_vfs_register(vfs, 0)
    }

    deinit {
        sqlite3_vfs_unregister(vfs)
        vfs.deallocate()
        free(cName)
    }

    /// Writes so far, of all files.
    var writes: Int { state.withLock { $0.writes } }

    /// The `number`-th write from now fails, and the `count` - 1 after it.
    func fail(_ fault: Fault, write number: Int, count: Int = 1) {
        state.withLock {
            $0.fault = fault
            $0.failing = ($0.writes + number)..<($0.writes + number + count)
        }
    }

    func heal() {
        state.withLock {
            $0.failing = 0..<0
            $0.refusesGrowth = false
            $0.unreadable = nil
        }
    }

    /// From now every read of a file whose path ends so gives this result code.
    func failReads(of suffix: String, code: Int32) { state.withLock { $0.unreadable = (suffix, code) } }

    fileprivate func readFault(_ path: UnsafePointer<CChar>?) -> Int32? {
        guard let path, let unreadable = state.withLock({ $0.unreadable }) else { return nil }
        return String(cString: path).hasSuffix(unreadable.suffix) ? unreadable.code : nil
    }

    /// Before the file at this path is opened next it is deleted, and this text, if any, put in its place.
    func replaceAtOpen(_ path: String, with text: String?) { state.withLock { $0.replaced = (path, text) } }

    fileprivate func replace(_ path: UnsafePointer<CChar>) {
        let replaced = state.withLock { state in
            guard state.replaced?.path == String(cString: path) else { return nil as (path: String, text: String?)? }
            defer { state.replaced = nil }
            return state.replaced
        }
        guard let replaced else { return }
        unlink(replaced.path)
        if let text = replaced.text {
            _ = FileManager.default.createFile(atPath: replaced.path, contents: Data(text.utf8))
        }
    }

    /// From now no file gets a block it does not have.
    func fillUp() { state.withLock { $0.refusesGrowth = true } }

    fileprivate func write(
        _ file: UnsafeMutablePointer<FaultyFile>, _ bytes: UnsafeRawPointer?, _ count: Int32, _ offset: Int64
    ) -> Int32 {
        let real = FaultyFile.real(UnsafeMutableRawPointer(file).assumingMemoryBound(to: sqlite3_file.self))
        guard let write = real.pointee.pMethods?.pointee.xWrite else { return SQLITE_ERROR }
        let (fault, refusesGrowth) = state.withLock { state -> (Fault?, Bool) in
            state.writes += 1
            return (state.failing.contains(state.writes) ? state.fault : nil, state.refusesGrowth)
        }
        if refusesGrowth, let path = file.pointee.path {
            var status = stat()
            if stat(path, &status) == 0, offset + Int64(count) > Int64(status.st_blocks) * 512 { return SQLITE_FULL }
        }
        switch fault {
        case nil: return write(real, bytes, count, offset)
        case .full: return SQLITE_FULL
        case .ioError: return SQLITE_IOERR | 3 << 8
        case .short:
            _ = write(real, bytes, count / 2, offset)
            return SQLITE_FULL
        case .lying:
            _ = write(real, bytes, count, offset)
            return SQLITE_IOERR | 3 << 8
        }
    }
}

/// What SQLite allocates for one open file: this, then the default VFS's own structure.
struct FaultyFile {
    var base: sqlite3_file
    var disk: UnsafeMutableRawPointer?
    var flags: Int32
    /// SQLite keeps it as long as the file is open.
    var path: UnsafePointer<CChar>?

    static let offset = 64

    static func real(_ file: UnsafeMutablePointer<sqlite3_file>) -> UnsafeMutablePointer<sqlite3_file> {
        (UnsafeMutableRawPointer(file) + offset).assumingMemoryBound(to: sqlite3_file.self)
    }

    /// Written once, before any file is opened; only read afterwards.
    nonisolated(unsafe) static let methods: UnsafePointer<sqlite3_io_methods> = {
        let methods = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        methods.initialize(to: sqlite3_io_methods())
        methods.pointee.iVersion = 1
        methods.pointee.xClose = { file in
            guard let file else { return SQLITE_ERROR }
            let real = FaultyFile.real(file)
            return real.pointee.pMethods?.pointee.xClose(real) ?? SQLITE_OK
        }
        methods.pointee.xRead = { file, bytes, count, offset in
            guard let file else { return SQLITE_ERROR }
            let box = UnsafeMutableRawPointer(file).assumingMemoryBound(to: FaultyFile.self)
            if let disk = box.pointee.disk,
                let fault = Unmanaged<FaultyDisk>.fromOpaque(disk).takeUnretainedValue().readFault(box.pointee.path)
            {
                return fault
            }
            let real = FaultyFile.real(file)
            return real.pointee.pMethods?.pointee.xRead(real, bytes, count, offset) ?? SQLITE_ERROR
        }
        methods.pointee.xWrite = { file, bytes, count, offset in
            guard let file else { return SQLITE_ERROR }
            let box = UnsafeMutableRawPointer(file).assumingMemoryBound(to: FaultyFile.self)
            guard let disk = box.pointee.disk else { return SQLITE_ERROR }
            return Unmanaged<FaultyDisk>.fromOpaque(disk).takeUnretainedValue().write(box, bytes, count, offset)
        }
        methods.pointee.xTruncate = { file, size in
            guard let file else { return SQLITE_ERROR }
            let real = FaultyFile.real(file)
            return real.pointee.pMethods?.pointee.xTruncate(real, size) ?? SQLITE_ERROR
        }
        methods.pointee.xSync = { _, _ in SQLITE_OK }
        methods.pointee.xFileSize = { file, size in
            guard let file else { return SQLITE_ERROR }
            let real = FaultyFile.real(file)
            return real.pointee.pMethods?.pointee.xFileSize(real, size) ?? SQLITE_ERROR
        }
        methods.pointee.xLock = { file, level in
            guard let file else { return SQLITE_ERROR }
            let real = FaultyFile.real(file)
            return real.pointee.pMethods?.pointee.xLock(real, level) ?? SQLITE_ERROR
        }
        methods.pointee.xUnlock = { file, level in
            guard let file else { return SQLITE_ERROR }
            let real = FaultyFile.real(file)
            return real.pointee.pMethods?.pointee.xUnlock(real, level) ?? SQLITE_ERROR
        }
        methods.pointee.xCheckReservedLock = { file, result in
            guard let file else { return SQLITE_ERROR }
            let real = FaultyFile.real(file)
            return real.pointee.pMethods?.pointee.xCheckReservedLock(real, result) ?? SQLITE_ERROR
        }
        methods.pointee.xFileControl = { file, operation, argument in
            guard let file else { return SQLITE_ERROR }
            let real = FaultyFile.real(file)
            return real.pointee.pMethods?.pointee.xFileControl(real, operation, argument) ?? SQLITE_NOTFOUND
        }
        methods.pointee.xSectorSize = { _ in 4096 }
        methods.pointee.xDeviceCharacteristics = { file in
            guard let file else { return 0 }
            let real = FaultyFile.real(file)
            return real.pointee.pMethods?.pointee.xDeviceCharacteristics(real) ?? 0
        }
        return UnsafePointer(methods)
    }()
}
