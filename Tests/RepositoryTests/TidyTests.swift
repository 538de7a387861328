import Foundation
import TestSupport
import Testing

/// The rules over the project as it is. What breaks each rule is in `RuleTests`.
@Suite struct TidyTests {
    @Test("lines, files and functions keep their limits") func sizes() {
        expectNone {
            SizeRules.longLines($0) + SizeRules.longFile($0) + SizeRules.longFunctions($0)
        }
    }

    @Test("the Kernel room has no more lines of code than its limit") func kernelSize() {
        let kinds: Set<String> = ["swift", "c", "h", "S"]
        let room = Repository.files.filter { $0.isIn("Sources/Kernel") && kinds.contains($0.kind) }
        let count = room.reduce(0) { $0 + SizeRules.codeLines($1) }
        #expect(count > 5_000, "the room was not found")
        #expect(count <= SizeRules.kernelLines)
    }

    @Test("nothing says that it is unfinished") func unfinishedWords() {
        expectNone(WordRules.unfinishedWords)
    }

    @Test("nothing names a path of one machine") func machinePaths() {
        expectNone(WordRules.machinePaths)
    }

    @Test("lines and files end cleanly") func looseEnds() {
        expectNone(WordRules.looseEnds)
    }

    @Test("generated files say what made them from what") func generatedFiles() {
        expectNone(WordRules.unmarkedGenerated)
    }

    @Test("every test is a sentence") func tests() {
        expectNone(WordRules.namelessTests)
    }

    @Test("the rooms of the bare machine import only their own modules") func imports() {
        let modules = LayerRules.freestandingModules(Repository.files)
        #expect(modules.contains("SecurityLattice"))
        expectNone { LayerRules.imports($0, freestanding: modules) }
    }

    @Test("unsafe code stands only in the files that deviations.md names") func unsafeCode() throws
    {
        let deviations = try #require(
            Repository.files.first { $0.path == "docs/deviations.md" })
        let named = LayerRules.namedFiles(in: deviations.text)
        expectNone { LayerRules.unnamedUnsafe($0, named: named) }
        #expect(LayerRules.idleNames(Repository.files, named: named) == [])
    }

    @Test("the top level is the fixed one") func topLevel() {
        #expect(LayerRules.strangersAtTop(Repository.topLevel) == [])
    }

    @Test("pages start with one title, and their links lead somewhere") func documents() {
        expectNone {
            DocumentRules.title($0) + DocumentRules.deadLinks($0, among: Repository.files)
        }
    }

    @Test("the commands in README can be run") func commands() throws {
        let readme = try #require(Repository.files.first { $0.path == "README.md" })
        let commands = DocumentRules.commands(in: readme)
        #expect(commands.contains("Tests/run") && commands.contains("hypervisor/run"))
        for command in commands where !command.hasPrefix(".build/") {
            let path = Repository.top.appending(path: command).path()
            #expect(FileManager.default.isExecutableFile(atPath: path), "\(command)")
        }
    }

    @Test("Tests/run leaves out no test that boots") func bootTests() throws {
        let script = try #require(Repository.files.first { $0.path == "Tests/run" })
        let filters = script.text.matches(of: /HypervisorBootTests\\\.\(?([A-Za-z|]+)/).flatMap {
            $0.1.split(separator: "|")
        }
        #expect(filters.count > 5)
        let room = Repository.files.filter { $0.isIn("Tests/HypervisorBootTests") }
        let suites = room.flatMap { file in
            file.text.matches(of: /@Suite[^\n]*struct (\w+)/).map { $0.1 }
        }
        #expect(suites.count > 10)
        for suite in suites {
            #expect(filters.contains { suite.hasPrefix($0) }, "\(suite) is run by nobody")
        }
    }

    @Test("shell scripts are well-formed") func shellScripts() throws {
        let scripts = Repository.files.filter { $0.isShellScript }
        #expect(scripts.contains { $0.path == "Tests/run" })
        for script in scripts {
            let check = try ToolRun("/bin/bash", ["-n", "-c", script.text])
            #expect(check.status == 0, "\(script.path): \(check.errors)")
        }
    }

    private func expectNone(_ rule: (TextFile) -> [Finding]) {
        let found = Repository.files.flatMap(rule)
        #expect(found.isEmpty, "\(found.map(\.description).joined(separator: "\n"))")
    }
}
