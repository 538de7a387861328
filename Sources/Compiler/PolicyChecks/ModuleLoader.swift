import PolicySemantics
import PolicySyntax

/// A system's source and the modules that it imports, as one tree.
///
/// A module is a source without `system` and `target`. Each is read once, however often it is
/// imported; its statements stand before those of whoever imports it.
struct ModuleLoader {
    /// Returns the content of a file that is named relative to the system's folder; nil when there
    /// is none that can be read.
    typealias Reader = (String) -> SourceFile?

    /// The most files of one system.
    private static let mostFiles = 64

    /// One file that was read.
    private struct Module {
        let source: SourceFile
        let tree: SyntaxTree
        let imports: [Located<String>]
    }

    private(set) var diagnostics: [Diagnostic] = []
    private var modules: [Module] = []

    /// Reads a source and everything that it imports.
    init(_ source: SourceFile, reading read: Reader) {
        add(source, isModule: false)
        var next = 0
        while next < modules.count {
            for file in modules[next].imports { load(file, reading: read) }
            next += 1
        }
        reportCycles()
    }

    /// The files that were imported, in the order in which they were found.
    var imported: [SourceFile] { modules.dropFirst().map(\.source) }

    /// The tree of the system's own source.
    var mainTree: SyntaxTree { modules[0].tree }

    /// All statements: those of a module stand before those of the source that imports it.
    var merged: SyntaxTree {
        SyntaxTree(
            statements: modules.reversed().flatMap(\.tree.statements),
            closingComments: modules[0].tree.closingComments)
    }

    private mutating func add(_ source: SourceFile, isModule: Bool) {
        let parsed = Parser.parse(source)
        diagnostics += parsed.diagnostics
        var imports: [Located<String>] = []
        for statement in parsed.tree.statements {
            switch statement.kind.value {
            case .importModule(let file): imports.append(file)
            case .system, .target:
                guard isModule else { continue }
                diagnostics.append(
                    Diagnostic(
                        .badImport, at: statement.kind.span,
                        "a module cannot say what the system is or who enforces it",
                        help: "leave it to the system that imports the module"))
            default: continue
            }
        }
        modules.append(Module(source: source, tree: parsed.tree, imports: imports))
    }

    private mutating func load(_ file: Located<String>, reading read: Reader) {
        guard !modules.contains(where: { $0.source.name == file.value }) else { return }
        let parts = file.value.split(separator: "/", omittingEmptySubsequences: false)
        guard file.value.utf8.count <= SystemLimits.fileNameBytes,
            parts.allSatisfy({ !["", ".", ".."].contains($0) })
        else {
            return refuse(
                file, "the file `\(file.value)` may lie outside the system's folder",
                help: "name a file relative to the system's folder, without `.` and `..`")
        }
        guard modules.count < ModuleLoader.mostFiles else {
            return refuse(file, "the system has more than \(ModuleLoader.mostFiles) files")
        }
        guard let source = read(file.value) else {
            return refuse(file, "the file `\(file.value)` cannot be read")
        }
        add(source, isModule: true)
    }

    private mutating func refuse(
        _ file: Located<String>, _ message: String, help: String? = nil
    ) {
        diagnostics.append(Diagnostic(.badImport, at: file.span, message, help: help))
    }

    /// Reports each import that leads back to its own file.
    private mutating func reportCycles() {
        let names = modules.map(\.source.name)
        var reached = modules.map { Set($0.imports.map(\.value)) }
        for _ in modules {
            for index in modules.indices {
                for (other, name) in names.enumerated() where reached[index].contains(name) {
                    reached[index].formUnion(reached[other])
                }
            }
        }
        for module in modules {
            for file in module.imports {
                guard let index = names.firstIndex(of: file.value),
                    file.value == module.source.name
                        || reached[index].contains(module.source.name)
                else { continue }
                diagnostics.append(
                    Diagnostic(
                        .importCycle, at: file.span,
                        "`\(file.value)` imports `\(module.source.name)` in turn",
                        help: "move what both need to a third file"))
            }
        }
    }
}
