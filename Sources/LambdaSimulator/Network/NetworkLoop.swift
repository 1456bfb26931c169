import Foundation

/// The thread of a ``FaultyNetwork``: one `poll` over all sockets.
///
/// `@unchecked Sendable`: made by one thread and handed to another before it starts; `links` and `statistics` are touched
/// by ``run()`` alone, which runs once.
final class NetworkLoop: @unchecked Sendable {
    private let listener: NetworkSocket
    private let waker: Int32
    private let target: UInt16
    private let control: @Sendable (NetworkStatistics) -> (resetsAll: Bool, isStopped: Bool)
    private let draw: @Sendable () -> NetworkFault?
    private var links: [NetworkLink] = []
    private var statistics = NetworkStatistics()

    init(
        listener: NetworkSocket, waker: Int32, target: UInt16,
        control: @escaping @Sendable (NetworkStatistics) -> (resetsAll: Bool, isStopped: Bool),
        draw: @escaping @Sendable () -> NetworkFault?
    ) {
        self.listener = listener
        self.waker = waker
        self.target = target
        self.control = control
        self.draw = draw
    }

    func run() {
        defer {
            for index in links.indices { links[index].reset() }
            listener.close()
        }
        while true {
            let order = control(statistics)
            if order.resetsAll || order.isStopped {
                for index in links.indices { links[index].reset() }
                links = []
            }
            if order.isStopped { return }
            turn()
        }
    }

    private func turn() {
        var entries = [
            pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: waker, events: Int16(POLLIN), revents: 0),
        ]
        var counts: [Int] = []
        for link in links {
            let interest = link.interest
            counts.append(interest.count)
            entries += interest
        }
        guard poll(&entries, nfds_t(entries.count), timeout) >= 0 else { return }
        if entries[1].revents != 0 {
            var bytes = [UInt8](repeating: 0, count: 64)
            while read(waker, &bytes, bytes.count) > 0 {}
        }
        var start = 2
        for index in counts.indices {
            let ready = Array(entries[start..<start + counts[index]])
            start += counts[index]
            links[index].move(ready, to: target, &statistics, draw: draw)
        }
        links.removeAll { !$0.isOpen }
        if entries[0].revents != 0 { accept() }
    }

    /// Milliseconds until delayed bytes are due; without any, long.
    private var timeout: Int32 {
        guard let next = links.compactMap(\.wakeAt).min() else { return 1000 }
        return Int32(max(0, min(1000, (next - .now).milliseconds.rounded(.up))))
    }

    private func accept() {
        while let client = listener.accepted() {
            statistics.connections += 1
            guard let server = NetworkSocket.connecting(to: target) else {
                client.reset()
                continue
            }
            links.append(NetworkLink(client: client, server: server))
        }
    }
}
