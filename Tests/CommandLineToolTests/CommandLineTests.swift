import ExtensionLifecycle
import Testing

@testable import CommandLineTool

@Suite struct CommandLineTests {
    @Test(arguments: ["help", "--help", "-h"])
    func `help names every command and every variable`(word: String) {
        let ran = Ran(word)
        #expect(ran.code == 0)
        for command in ["inspect", "replay", "check", "version", "help"] {
            #expect(ran.output.contains("permafrost \(command)"))
        }
        for key in EnvironmentKey.allCases {
            #expect(ran.output.contains("  \(key.rawValue) ") || ran.output.contains("  \(key.rawValue)\n"))
            #expect(ran.output.contains(key.meaning))
            if let alias = key.alias { #expect(ran.output.contains("alias \(alias)")) }
        }
        #expect(ran.errors.isEmpty)
    }

    @Test func `version is one line`() {
        let ran = Ran("version")
        #expect(ran.code == 0)
        #expect(ran.output == "permafrost \(CommandLineTool.version)\n")
    }

    @Test func `an unknown command is named on standard error`() {
        let ran = Ran("inspekt", "/tmp")
        #expect(ran.code == 2)
        #expect(ran.output.isEmpty)
        #expect(ran.errors == "permafrost: There is no command 'inspekt'. 'permafrost help' lists the commands.\n")
    }

    @Test(arguments: [
        (["inspect"], "Name the spool's directory or file."),
        (["inspect", "a", "b"], "Name one file only."),
        (["inspect", "a", "--verbose"], "There is no option '--verbose'."),
        (["inspect", "a", "-v"], "There is no option '-v'."),
        (["inspect", "a", "--export"], "The option --export needs a value."),
        (["inspect", "a", "--export="], "The option --export needs a value."),
        (["check", "now"], "'check' takes no further words."),
        (["replay", "a"], "Give the URL with --url or in PERMAFROST_OPENSEARCH_URL."),
    ])
    func `a command line that cannot be understood exits with 2`(words: [String], sentence: String) {
        let ran = Ran(words)
        #expect(ran.code == 2)
        #expect(ran.errors.hasPrefix("permafrost: \(sentence)"))
        #expect(ran.output.isEmpty)
    }

    @Test func `what follows an unknown option's equals sign is not shown`() {
        #expect(!Ran("replay", "a", "--password=hunter2").errors.contains("hunter2"))
        #expect(!Ran("replay", "a", "--url=ftp://user:hunter2@host").errors.contains("hunter2"))
        let ran = Ran("replay", "a", environment: ["PERMAFROST_OPENSEARCH_URL": "https://user:hunter2@host?x"])
        #expect(ran.code == 2)
        #expect(!ran.errors.contains("hunter2"))
    }
}
