import Deflate
import Foundation
import JSON
import TelemetryModel
import Testing

@testable import TelemetryIntake

/// Sends random bodies, whole, mutated, cut and glued, through the encoder and checks what must hold for every one: the
/// books balance, every line is JSON of one pair per event, and chunks inflate to what they claim, alone and joined.
///
/// A failure prints its seed; rerun with `INTAKE_SEED=<seed> swift test --filter IntakeFuzzTests`. `INTAKE_ROUNDS` sets
/// the number of bodies.
@Suite struct IntakeFuzzTests {
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
            return z ^ z >> 31
        }

        mutating func pick<Element>(_ elements: [Element], _ fallback: Element) -> Element {
            elements.randomElement(using: &self) ?? fallback
        }

        mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<max(1, bound), using: &self) }
    }

    private func event(_ random: inout Generator) -> String {
        let times = [
            #""2026-07-29T08:00:00.702Z""#, #""2026-07-29T08:00:00.703Z""#, #""x""#, "5",
            #""2026-07-30T08:00:00+02:00""#,
        ]
        let types = [
            "function", "function", "extension", "platform.start", "platform.report", "platform.runtimeDone",
            "platform.logsDropped", "platform.restoreStart", "strange",
        ]
        let records = [
            #""a text line\n""#, #""ünïcode 日本 \u00e9 \" \\ }],{""#,
            #"{"requestId":"r1","status":"success","metrics":{"durationMs":1.5,"memorySizeMB":128}}"#,
            #"{"requestId":"r2","level":"ERROR","message":"permafrost x","n":[1,2,{"time":"y"}]}"#, "{}", "7", "null",
            "[[],{}]",
            #"{"droppedRecords":3}"#, "NaN", #"{"a":01}"#, #""\x""#, #""permafrost own""#, "{\"a\"\n:\u{1}1}",
        ]
        var members = [
            "\"time\":\(random.pick(times, ""))", "\"type\":\"\(random.pick(types, ""))\"",
            "\"record\":\(random.pick(records, ""))",
        ]
        if random.below(8) == 0 { members.append(#""extra":{"a":[1]}"#) }
        if random.below(8) == 0 { members.append(#""time":"again""#) }
        if random.below(6) == 0 { members.shuffle(using: &random) }
        if random.below(12) == 0 { members.removeLast() }
        return "{" + members.joined(separator: ",") + "}"
    }

    private func body(_ random: inout Generator, _ earlier: [[UInt8]]) -> [UInt8] {
        if random.below(10) == 0, !earlier.isEmpty { return random.pick(earlier, []) }
        var elements = (0..<random.below(6)).map { _ in event(&random) }
        if random.below(10) == 0 { elements.append(random.pick(["1", "null", "\"x\"", "[2]", "oops"], "")) }
        var bytes = Array(("[" + elements.joined(separator: random.pick([",", " ,\n"], ",")) + "]").utf8)
        let envelope = "{\"time\":\"2026-07-29T08:00:00.70\(random.below(2))Z\",\"type\":\"function\",\"record\":"
        switch random.below(10) {
        case 0: bytes = Array("[\(envelope)\"head of a text}]".utf8)
        case 1: bytes = Array("[\(envelope)middle}]".utf8)
        case 2: bytes = Array("[\(envelope)tail of a text\"},".utf8) + bytes.dropFirst()
        case 3: bytes = Array("[\(envelope){\"a\":{\"b\":\"x}]".utf8)
        case 4: bytes = Array("[\(envelope)x\"}}},".utf8) + bytes.dropFirst()
        default: break
        }
        switch random.below(4) {
        case 0:
            for _ in 0...random.below(4) where !bytes.isEmpty {
                let index = random.below(bytes.count)
                switch random.below(4) {
                case 0: bytes.remove(at: index)
                case 1: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: index)
                case 2: bytes[index] = UInt8(truncatingIfNeeded: random.next())
                default: bytes[index] = random.pick(Array("{}[]\",:\\".utf8), 0)
                }
            }
        case 1 where random.below(2) == 0: bytes.removeLast(random.below(bytes.count))
        case 2 where random.below(4) == 0: bytes += random.pick(earlier, [])
        default: break
        }
        return bytes
    }

    /// Foundation's parser takes a comma before a closing bracket; ours, which is compared with it elsewhere, does not.
    private func isStrict(_ line: [UInt8]) -> Bool {
        line.withUnsafeBytes { buffer in
            var scanner = JSONScanner(buffer)
            guard case .complete = scanner.scanValue(), scanner.nextToken() == nil else { return false }
            return scanner.repairs.rawValue == 0
        }
    }

    private func check(_ batch: EncodedBatch, _ label: String) throws {
        #expect(batch.ledger.imbalance == 0, "\(label): \(batch.ledger)")
        var joiner = GzipJoiner()
        var all: [UInt8] = []
        var ids: Set<String> = []
        for chunk in batch.chunks {
            let lines = try Inflater.inflate(stored: chunk.stored, length: chunk.linesLength)
            #expect(lines.withUnsafeBytes { CRC32.of($0) } == chunk.linesCRC, "\(label)")
            #expect(chunk.stored.withUnsafeBytes { CRC32.of($0) } == chunk.storedCRC, "\(label)")
            #expect(lines.last == 0x0a, "\(label)")
            joiner.append(stored: chunk.stored, linesCRC: chunk.linesCRC, linesLength: chunk.linesLength)
            all += lines
            let split = lines.dropLast().split(separator: 0x0a, omittingEmptySubsequences: false)
            #expect(split.count == 2 * chunk.events, "\(label)")
            var digest: UInt64 = 0
            for (index, line) in split.enumerated() {
                let object = (try? JSONSerialization.jsonObject(with: Data(line))) as? [String: Any]
                #expect(object != nil, "\(label): \(String(decoding: line, as: UTF8.self))")
                #expect(isStrict(Array(line)), "\(label): \(String(decoding: line, as: UTF8.self))")
                if index % 2 == 0 {
                    let action = try #require(ActionLine.read(Array(line)), "\(label)")
                    #expect(ids.insert(action.id).inserted, "\(label)")
                    #expect(chunk.indices.contains(action.index), "\(label)")
                    digest = digest &+ DocumentIDHash.hash(of: action.id.utf8)
                } else {
                    #expect(object?["record"] is [String: Any], "\(label)")
                    #expect((object?["@timestamp"] as? String)?.utf8.count == 24, "\(label)")
                }
            }
            #expect(digest == chunk.idsDigest, "\(label)")
        }
        if !batch.chunks.isEmpty { #expect(try Inflater.gunzip(joiner.finish(), limit: all.count) == all, "\(label)") }
    }

    @Test func `every body gives balanced books and lines that are JSON`() throws {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["INTAKE_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0...UInt64.max)
        let rounds = environment["INTAKE_ROUNDS"].flatMap { Int($0) } ?? 4_000
        var random = Generator(state: seed)
        let intake = try Intake(Fixtures.configuration(requestBytes: 2_000))
        var earlier: [[UInt8]] = []
        var documents = 0
        for round in 0..<rounds {
            let bytes = body(&random, earlier)
            earlier.append(bytes)
            if earlier.count > 20 { earlier.removeFirst() }
            intake.state.lastAcknowledgementUncertain = random.below(5) == 0
            let batch = intake.post(bytes)
            let label = "seed \(seed), round \(round): \(String(decoding: bytes, as: UTF8.self))"
            try check(batch, label)
            documents += batch.chunks.reduce(0) { $0 + $1.events }
            #expect(batch.ledger.total(.received) == batch.body?.events ?? batch.ledger.total(.duplicate), "\(label)")
            #expect(intake.state.heldParts.count <= CutRecordJoiner.partBound, "\(label)")
            if random.below(50) == 0, let released = intake.release() {
                try check(released, label)
                documents += released.chunks.reduce(0) { $0 + $1.events }
            }
            // Over all batches: what the books call spooled is in chunks or held.
            #expect(intake.ledger.total(.spooled) == documents + intake.state.heldParts.count, "\(label)")
        }
    }

    @Test func `whole events beside a broken one are all spooled`() throws {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["INTAKE_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0...UInt64.max)
        var random = Generator(state: seed)
        for round in 0..<2_000 {
            let whole = (0..<5).map {
                #"{"time":"2026-07-29T08:00:00.70\#($0)Z","type":"function","record":"whole \#($0)"}"#
            }
            var broken = Array(event(&random).utf8)
            for _ in 0...random.below(3) {
                broken[random.below(broken.count)] = random.pick(Array("{}[]\",:x".utf8), 0)
            }
            let bytes =
                Array("[\(whole[0]),\(whole[1]),".utf8) + broken + Array(",\(whole[2]),\(whole[3]),\(whole[4])]".utf8)
            let intake = try Intake()
            let batch = intake.post(bytes)
            let label = "seed \(seed), round \(round): \(String(decoding: bytes, as: UTF8.self))"
            try check(batch, label)
            let records = try batch.records()
            // A broken element may swallow its neighbour (a quote that opens there closes behind it), no more.
            for index in [0, 1, 3, 4] { #expect(records.contains(#"{"message":"whole \#(index)"}"#), "\(label)") }
        }
    }
}
