import TelemetryModel

/// Makes a ``BulkAnswer`` of what the tokenizer tells.
///
/// The places it knows: `items[].<action>._id`, `.status`, `.error.type`, `.error.reason` at depths 4 and 5, and the
/// root's `error`, `status`, `message`. Anything else passes by.
struct BulkResponseHandler: JSONStreamHandler, Sendable {
    /// OpenSearch refuses longer ids, in bytes.
    static let maximumIDLength = 512
    private static let maximumTypeLength = 128
    /// Of all kept reasons of an answer. Beyond it each keeps 64 bytes.
    private static let reasonBudget = 1 << 20

    let maximumItems: Int
    var answer = BulkAnswer()
    private(set) var rootIsObject = false

    private enum RootKey { case items, error, status, message, other }
    private enum ItemKey { case id, status, error, other }
    private enum ErrorKey { case type, reason, other }

    private var rootKey = RootKey.other
    private var itemKey = ItemKey.other
    private var errorKey = ErrorKey.other
    private var isInItems = false
    private var isInItem = false
    private var isInAction = false
    /// In an item's error object, or in the root's.
    private var isInError = false
    private var item = Item()
    private var root = BulkAnswer.RequestError(type: "", reason: "", status: nil)
    private var rootHasError = false
    private var reasonBytes = 0
    /// Thousands of items fail for one cause: they share one string.
    private var lastType = ""
    private var lastTypeBytes: [UInt8] = []

    private struct Item {
        var actions = 0
        var id: [UInt8] = []
        var ids = 0
        var status: Int?
        var statuses = 0
        var type: [UInt8] = []
        var reason: [UInt8] = []
    }

    init(maximumItems: Int) {
        self.maximumItems = maximumItems
    }

    /// Inside the array `items` and outside any item.
    var isBetweenItems: Bool { isInItems && !isInItem }

    var requestError: BulkAnswer.RequestError? { rootHasError ? root : nil }

    // MARK: Tokens

    var wantsString: Bool {
        if isInError { return errorKey != .other }
        if isInAction { return itemKey == .id || itemKey == .error }
        return !isInItems && (rootKey == .error || rootKey == .message)
    }

    mutating func begin(isObject: Bool, depth: Int) {
        switch depth {
        case 1: rootIsObject = isObject
        case 2:
            isInItems = rootIsObject && rootKey == .items && !isObject
            isInError = rootIsObject && rootKey == .error && isObject
            errorKey = .other
        case 3 where isInItems:
            isInItem = true
            item = Item()
            // An element that is no object is no item of ours, but it is one element of the answer.
            if !isObject { item.actions = 2 }
        case 4 where isInItem:
            isInAction = isObject && item.actions == 1
            itemKey = .other
        case 5 where isInAction:
            isInError = isObject && itemKey == .error
            errorKey = .other
        default: break
        }
    }

    mutating func end(depth: Int) {
        switch depth {
        case 2:
            isInItems = false
            isInError = false
        case 3 where isInItem:
            isInItem = false
            finishItem()
        case 4: isInAction = false
        case 5 where isInItem: isInError = false
        default: break
        }
    }

    mutating func key(_ name: [UInt8], depth: Int) {
        switch depth {
        case 1: rootKey = Self.rootKey(name)
        case 2 where isInError, 5 where isInError: errorKey = Self.errorKey(name)
        case 3 where isInItem: item.actions += 1
        case 4 where isInAction: itemKey = Self.itemKey(name)
        default: break
        }
    }

    mutating func string(_ text: [UInt8], isWhole: Bool, depth: Int) {
        switch depth {
        case 1:
            rootHasError = true
            root.reason = String(decoding: text, as: UTF8.self)
        case 2 where isInError:
            rootHasError = true
            if errorKey == .type { root.type = String(decoding: text.prefix(Self.maximumTypeLength), as: UTF8.self) }
            if errorKey == .reason { root.reason = String(decoding: text, as: UTF8.self) }
        case 4 where isInAction && itemKey == .id:
            item.ids += isWhole && text.count <= Self.maximumIDLength ? 1 : 2
            item.id = text
        case 4 where isInAction && itemKey == .error: item.reason = text
        case 5 where isInError && errorKey == .type: item.type = text
        case 5 where isInError && errorKey == .reason: item.reason = text
        default: break
        }
    }

    mutating func number(_ text: [UInt8], depth: Int) {
        if depth == 1, rootKey == .status {
            root.status = Self.status(text)
        } else if depth == 4, isInAction, itemKey == .status {
            item.status = Self.status(text)
            item.statuses += 1
        }
    }

    mutating func other(depth: Int) {}

    // MARK: Items

    private mutating func finishItem() {
        let position = answer.items
        answer.items += 1
        guard position < maximumItems else { return }
        // Two actions, ids or statuses in one item: nobody can say which of them counts, so none does.
        guard item.actions == 1, item.statuses == 1, item.ids <= 1, let status = item.status else { return }
        let isStoredBefore =
            status == 409 && (item.type.isEmpty || item.type.isText("version_conflict_engine_exception"))
        if isStoredBefore || (200..<300).contains(status) {
            guard item.ids == 1 else { return }
            // Byte by byte: the generic function of another module is not specialised here.
            var hash = DocumentIDHash()
            for byte in item.id { hash.add(byte) }
            answer.good.append(hash.value)
            answer.goodDigest &+= hash.value
            return
        }
        if lastTypeBytes != item.type {
            lastTypeBytes = item.type
            lastType = String(decoding: item.type.prefix(Self.maximumTypeLength), as: UTF8.self)
        }
        let reason = String(decoding: item.reason, as: UTF8.self)
        let verdict = ItemVerdict(status: status, type: lastType, reason: reason)
        answer.failed.append(
            BulkAnswer.FailedItem(
                position: position, id: item.id, status: status, type: lastType,
                reason: verdict.mayReject ? kept(reason) : "", verdict: verdict))
    }

    private mutating func kept(_ reason: String) -> String {
        var kept = reason
        if reasonBytes >= Self.reasonBudget { kept = String(decoding: reason.utf8.prefix(64), as: UTF8.self) }
        reasonBytes += kept.utf8.count
        return kept
    }

    // MARK: Words

    private static func rootKey(_ name: [UInt8]) -> RootKey {
        if name.isText("items") { return .items }
        if name.isText("error") { return .error }
        if name.isText("status") { return .status }
        // The front end of a managed domain writes either.
        if name.isText("message") || name.isText("Message") { return .message }
        return .other
    }

    private static func itemKey(_ name: [UInt8]) -> ItemKey {
        if name.isText("_id") { return .id }
        if name.isText("status") { return .status }
        if name.isText("error") { return .error }
        return .other
    }

    private static func errorKey(_ name: [UInt8]) -> ErrorKey {
        if name.isText("type") { return .type }
        if name.isText("reason") { return .reason }
        return .other
    }

    /// Nil unless the number is a plain one of three digits.
    private static func status(_ text: [UInt8]) -> Int? {
        guard text.count == 3, text.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return text.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
}
