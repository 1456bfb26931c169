import CCurl
import Synchronization

/// Ends a wait of one ``TransferLoop`` from any thread, the next one if none is under way.
package final class TransferLoopWaker: Sendable {
    /// The address of the multi handle; 0 once the loop is gone. The lock keeps the handle alive during a wake.
    private let address: Mutex<UInt>

    init(_ multi: UnsafeMutableRawPointer) {
        address = Mutex(UInt(bitPattern: multi))
    }

    package func wake() {
        address.withLock { address in
            // curl_multi_wakeup is the one function of the multi interface that other threads may call.
            if let multi = UnsafeMutableRawPointer(bitPattern: address) { _ = curl_multi_wakeup(multi) }
        }
    }

    func replace(with multi: UnsafeMutableRawPointer) {
        address.withLock { $0 = UInt(bitPattern: multi) }
    }

    func close() {
        address.withLock { $0 = 0 }
    }
}
