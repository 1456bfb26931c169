import Foundation
import LambdaSimulator
import Testing

/// Functions empty /tmp while we run.
@Suite(.together) struct DeletedFilesTests {
    @Test func `everything acknowledged is delivered though the function deletes all of our files`() throws {
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "1000000"
            setup.variables["PERMAFROST_BATCH_AGE_MS"] = "600000"
        }
        defer { stage.close() }
        for round in 0..<6 {
            try stage.environment.invoke(.logging(30))
            stage.environment.thaw()
            eventually("the files are there again") { FileManager.default.fileExists(atPath: stage.database) }
            // Once this is acknowledged nobody is in the middle of making them.
            try stage.environment.invoke(.warm(1))
            #expect(stage.environment.deliverTelemetry())
            let folder = stage.directory + "/permafrost"
            if round % 2 == 0 {
                try FileManager.default.removeItem(atPath: folder)
            } else {
                for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
                    unlink(folder + "/" + name)
                }
            }
        }
        try stage.environment.invoke(.warm(1))
        #expect(stage.environment.deliverTelemetry())
        #expect(stage.search.documentCount == 0)
        eventually("the files are there again") { FileManager.default.fileExists(atPath: stage.database) }
        // What is on disk now is all there is: the next process has to find it.
        stage.process?.kill()
        try stage.restart()
        stage.sendInvoke()
        stage.expectBalance(try stage.drainToTheEnd())
        #expect(stage.lines(containing: "spool_relocated").count == 1, "\(stage.lines.map(\.text))")
    }

    @Test func `deletions during a drain lose nothing and double nothing`() throws {
        let stage = try Stage { $0.variables["PERMAFROST_BATCH_EVENTS"] = "20" }
        defer { stage.close() }
        stage.search.faults.set([Fault(.delay(.milliseconds(40)))])
        for _ in 0..<8 {
            let invocation = Invocation.warm(25)
            try stage.environment.invoke(invocation)
            try? FileManager.default.removeItem(atPath: stage.directory + "/permafrost")
        }
        #expect(stage.environment.deliverTelemetry())
        let line = try stage.drainToTheEnd()
        stage.expectBalance(line)
        #expect(line.count("delivered") == stage.search.documentCount)
    }

    @Test func `garbage in our place costs what it covered, and nothing that comes after it`() throws {
        let stage = try Stage()
        defer { stage.close() }
        try stage.environment.start()
        stage.process?.kill()
        let garbage = Data("this is no database, but a note that somebody left here".utf8)
        try garbage.write(to: URL(filePath: stage.database))
        unlink(stage.database + "-wal")
        try stage.restart()
        try stage.environment.invoke(.logging(10))
        let line = try stage.drainToTheEnd()
        #expect(stage.audit.isBalanced, "\(stage.audit)")
        // Nobody knows what was in the file that had been there.
        #expect(line.fields["discarded"] == "unknown", "\(line.fields)")
        #expect(line.count("delivered") == stage.search.documentCount)
    }
}
