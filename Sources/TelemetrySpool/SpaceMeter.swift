import TelemetryModel

/// How many bytes the spool's files may still take. Pure but for the question to the file system, which is injected.
struct SpaceMeter {
    /// Free space left to the function: this, or a tenth of the file system, whichever is more.
    static let leftToFunction = 32 << 20
    /// What the spool takes however little is free, its WAL included: with less nothing could be accepted at all.
    static let floor = 4 << 20
    /// Below this much free space nothing grows. What is refused now the platform sends again; what is discarded to make
    /// room for it would be gone.
    static let lastFree = 1 << 20
    static let largestDefault = 256 << 20
    /// Some file systems know no bound of their own and say the greatest number there is.
    private static let endless = 1 << 60

    /// The bound on the files, in bytes.
    let bound: Int
    private let directory: String
    private let ask: @Sendable (String) -> FileSystemSpace?
    private let monotonicMs: @Sendable () -> Int64
    private var space: FileSystemSpace?
    private var askedMs: Int64?
    /// Bytes of what a quarantine left as evidence. A file that is still being salvaged is not in them: its rows are on their
    /// way into the bound, and must make nothing go before they are there.
    var quarantined = 0
    private(set) var walFrames = 0
    private(set) var walFileBytes = SpoolSchema.walRoom
    /// The WAL's file is longer than it has to be, and any commit would cut it.
    private(set) var isWALCutDue = false

    /// - Parameters:
    ///   - files: bytes of the spool's own files, which are free for it: a process that follows another one has the bound
    ///     that the first had, however much lies there.
    ///   - taken: bytes of what a predecessor has taken in. They have their place, whatever the function has taken since:
    ///     only an explicit maximum lowers the bound below them.
    init(directory: String, files: Int, taken: Int, options: SpoolOptions) {
        self.directory = directory
        self.ask = options.fileSystemSpace
        self.monotonicMs = options.monotonicMs
        let space = options.fileSystemSpace(directory)
        self.space = space
        self.askedMs = options.monotonicMs()
        let quarter = (min(space?.free ?? 0, Self.endless) + files) / 4
        self.bound = max(options.maximumBytes ?? min(max(quarter, taken), Self.largestDefault), Self.floor)
    }

    mutating func committed(frames: Int) {
        let bytes = 32 + frames * SpoolSchema.frameSize
        // With its first frame after a checkpoint SQLite cuts the file to the room it always keeps.
        walFileBytes = frames < walFrames ? max(SpoolSchema.walRoom, bytes) : max(walFileBytes, bytes)
        walFrames = frames
        isWALCutDue = false
    }

    /// A checkpoint has emptied the WAL. Its file keeps its size until the next commit, which is counted as done already.
    mutating func checkpointed() {
        walFrames = 0
        isWALCutDue = isWALCutDue || walFileBytes > SpoolSchema.walRoom
        walFileBytes = SpoolSchema.walRoom
    }

    /// Asks the file system at most once a second, unless `now`.
    mutating func measure(now: Bool = false) {
        let time = monotonicMs()
        if !now, let askedMs, time - askedMs < 1000 { return }
        space = ask(directory)
        askedMs = time
    }

    func filesOnDisk(pages: Int) -> Int { pages * SpoolSchema.pageSize + walFileBytes + quarantined }

    /// True when the function (or whoever) has left nothing.
    var isDiskFull: Bool { space.map { $0.free < Self.lastFree } ?? false }

    /// Another file, with a WAL of its own, is in use now.
    mutating func reopened() {
        walFrames = 0
        walFileBytes = SpoolSchema.walRoom
        isWALCutDue = false
    }

    private func left(of space: FileSystemSpace) -> Int { max(Self.leftToFunction, space.total / 10) }

    /// Less is free than the function should have.
    var isShort: Bool { space.map { $0.free < left(of: $0) } ?? false }

    /// Bytes by which the files may grow; below 0 when they have to shrink.
    func growth(pages: Int) -> Int { min(bound - filesOnDisk(pages: pages), spare(pages: pages)) }

    /// Bytes that the disk has left for the files, the bound set aside.
    func spare(pages: Int) -> Int {
        guard let space else { return .max }
        let allowed = max(space.free - left(of: space), Self.floor - filesOnDisk(pages: pages))
        return isDiskFull ? min(allowed, 0) : allowed
    }

    /// Bytes by which the WAL's file grows with this many more frames.
    func walGrowth(frames: Int) -> Int {
        max(0, 32 + (walFrames + frames) * SpoolSchema.frameSize - walFileBytes)
    }
}
