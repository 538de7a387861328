import KernelPolicyLanguage

/// What holds statements: the files together, a block, a macro, what a call or an inheritance made.
struct Container {
    enum Kind {
        case root, block, macro, optional, inMacroOrBlock
        /// The statements of a macro where it is called, or of a block where it is inherited.
        case call, inherit
        case tunableIf, booleanIf, whenTrue, whenFalse
    }

    var kind: Kind
    /// The container around it; itself for the root.
    var parent: Int
    /// The macro that is called, the block that is inherited; -1 for none.
    var origin = -1
    /// The container whose names its declarations join: itself for root, block and macro.
    var home: Int
    /// Its list in the tree; 0 for the root.
    var list: Int
    /// Statements by their places in the tree; containers as the complement of their indices.
    var items: [Int] = []
    var isAbstract = false
    /// Set while statements are laid out: the innermost `optional`, -1 for none.
    var optional = -1
    /// Two times the conditional, one more where it is false; -1 for none.
    var branch: Int32 = -1
    /// Of an `optional`: it asks for what is not there.
    var isDisabled = false
    /// Whether a macro's own declarations were noted.
    var isNoted = false
    /// Of a call: what the macro's parameters stand for.
    var arguments: [Argument] = []
    /// What stands before names in the policy, with its point; nil for nothing.
    var prefix: Name?

    init(_ kind: Kind, parent: Int, home: Int, list: Int) {
        self.kind = kind
        self.parent = parent
        self.home = home
        self.list = list
    }
}

/// What a parameter of a macro stands for in one call.
struct Argument {
    let space: Namespace
    let kind: Word
    let name: Name
    /// The place of the argument in the tree; it is looked up where the call stands.
    let place: Int
}

/// A statement, and where it stands once everything is expanded.
struct Statement {
    let place: UInt32
    let container: UInt32
}

/// The containers of all files: reads them, expands what copies, and finds names.
///
/// The order of the steps is that of secilc: tunables, `in before`, inheritance, abstract blocks,
/// `in after`, calls.
struct Structure {
    let tree: SourceTree
    let options: CommonIntermediatePolicy.Options
    var names: NameTable
    var containers: [Container] = []
    var symbols = SymbolTable()
    var failures: [SourceFailure] = []
    /// Statements `in`: the container that holds its statements, the block's name.
    var insertions: [(container: Int, name: Name, isAfter: Bool)] = []
    var statements: [Statement] = []
    /// The lists of conditionals, with the containers where they stand.
    var conditionals: [(list: Int, container: Int, isTunable: Bool)] = []
    /// How many statements were copied.
    var copied = 0
    /// For each name whether it has points: 0 not looked at, 1 none, 2 some.
    private var points: [UInt8] = []

    /// How many statements and containers copies may make.
    static let mostCopies = 4_000_000
    /// How deep calls, inheritance and containers may be nested together.
    static let mostNesting = 256

    init(_ tree: SourceTree, _ options: CommonIntermediatePolicy.Options) {
        self.tree = tree
        self.options = options
        names = tree.names
        containers.append(Container(.root, parent: 0, home: 0, list: 0))
    }

    func text(_ name: Name) -> String { names.text(name) }

    func failure(
        _ reason: KernelPolicyError.Reason, _ message: String, _ list: Int
    ) -> SourceFailure {
        SourceFailure(reason, message, at: tree.offset(list))
    }

    /// Does a step, and keeps what is wrong with it.
    mutating func attempt(_ step: (inout Structure) throws(SourceFailure) -> Void) {
        guard failures.count < KernelPolicyRefusal.most else { return }
        do throws(SourceFailure) {
            try step(&self)
        } catch {
            failures.append(error)
        }
    }

    /// Expands everything, or leaves what is wrong in `failures`.
    mutating func build() {
        for list in tree.roots {
            attempt { (it) throws(SourceFailure) in try it.read(list, into: 0) }
        }
        guard failures.isEmpty else { return }
        attempt { (it) throws(SourceFailure) in try it.declareTunables() }
        attempt { (it) throws(SourceFailure) in try it.settleTunables(0) }
        attempt { (it) throws(SourceFailure) in try it.insert(isAfter: false) }
        let last = containers.count
        for index in 0..<last where failures.isEmpty && !containers[index].items.isEmpty {
            attempt { (it) throws(SourceFailure) in try it.inherit(index) }
        }
        attempt { (it) throws(SourceFailure) in try it.markAbstract() }
        attempt { (it) throws(SourceFailure) in try it.insert(isAfter: true) }
        guard failures.isEmpty else { return }
        attempt { (it) throws(SourceFailure) in try it.layOut(0, optional: -1, branch: -1, depth: 0)
        }
    }

    // MARK: Names

    /// Returns whether a name is a path through blocks.
    mutating func isPath(_ name: Name) -> Bool {
        if points.count <= name.place {
            points.append(
                contentsOf: repeatElement(0, count: max(1024, name.place + 1 - points.count)))
        }
        if points[name.place] == 0 {
            points[name.place] = names.bytes(of: name).contains(UInt8(ascii: ".")) ? 2 : 1
        }
        return points[name.place] == 2 && !options.hasQualifiedNames
    }

    /// Returns what a name stands for in a container; nil when nothing declares it.
    mutating func find(_ name: Name, _ space: Namespace, from container: Int) -> Symbol? {
        guard isPath(name) else { return search(name, space, from: container) }
        var parts = names.bytes(of: name).split(separator: UInt8(ascii: "."))
        guard !parts.isEmpty else { return nil }
        let isAbsolute = names.bytes(of: name).first == UInt8(ascii: ".")
        let last = names.name(String(decoding: parts.removeLast(), as: UTF8.self))
        var home = 0
        for (index, part) in parts.enumerated() {
            let word = names.name(String(decoding: part, as: UTF8.self))
            let found =
                index == 0 && !isAbsolute
                ? search(word, .blocks, from: container)
                : symbols.find(home, .blocks, word)
            guard let found, found.kind == .block || space == .blocks
            else { return nil }
            home = containers[found.index].home
        }
        return symbols.find(home, space, last)
    }

    /// Looks a name up in a container, those around it, and the root.
    private mutating func search(
        _ name: Name, _ space: Namespace, from container: Int
    ) -> Symbol? {
        var branched: Set<Int> = []
        switch walk(name, space, from: container, &branched) {
        case .found(let symbol): return symbol
        case .nothing: return nil
        case .elsewhere: return symbols.find(0, space, name)
        }
    }

    /// What a look at some containers came to.
    private enum Look {
        case found(Symbol)
        /// A parameter has the name, and its argument is not there: it is looked for no further.
        case nothing
        /// It is declared elsewhere, if at all.
        case elsewhere
    }

    /// Looks a name up in a container and those around it, but not in the root.
    ///
    /// - Parameter branched: copies that were looked through, each with two ways on: none is twice.
    private mutating func walk(
        _ name: Name, _ space: Namespace, from start: Int, _ branched: inout Set<Int>
    ) -> Look {
        var index = start
        while index != 0 {
            switch containers[index].kind {
            case .block where !containers[index].isAbstract, .macro:
                if let found = symbols.find(containers[index].home, space, name) {
                    return .found(found)
                }
            case .inherit:
                guard branched.insert(index).inserted else { return .elsewhere }
                let found = walk(name, space, from: containers[index].parent, &branched)
                guard case .elsewhere = found else { return found }
                let origin = containers[containers[index].origin].parent
                return walk(name, space, from: origin, &branched)
            case .call:
                let macro = containers[index].origin
                noteDeclarations(of: macro)
                guard symbols.find(macro, space, name) == nil else { break }
                if let argument = argument(name, space, of: index) {
                    return resolve(argument, of: index).map { .found($0) } ?? .nothing
                }
                guard branched.insert(index).inserted else { return .elsewhere }
                let found = walk(name, space, from: containers[macro].parent, &branched)
                guard case .elsewhere = found else { return found }
            default: break
            }
            index = containers[index].parent
        }
        return .elsewhere
    }

    /// Returns the argument for the parameter of a name; nil when the macro has none.
    private func argument(_ name: Name, _ space: Namespace, of call: Int) -> Argument? {
        containers[call].arguments.first { $0.name == name && $0.space == space }
    }

    /// Returns what an argument of a call stands for.
    private mutating func resolve(_ argument: Argument, of call: Int) -> Symbol? {
        let space = argument.space
        let outside = containers[call].parent
        guard let word = tree.atom(argument.place), !Structure.isAddress(word, argument, self)
        else {
            return lazily(argument, call)
        }
        if let found = find(word, space, from: outside) { return found }
        return space == .strings ? Symbol(.string, word.index) : nil
    }

    private static func isAddress(
        _ word: Name, _ argument: Argument, _ structure: Structure
    ) -> Bool {
        argument.space == .addresses
            && structure.names.bytes(of: word).contains {
                $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":")
            }
    }

    /// An argument that is written out: a number for its place and the container where it stands.
    private mutating func lazily(_ argument: Argument, _ call: Int) -> Symbol? {
        let kind: Symbol.Kind? =
            switch argument.space {
            case .classPermissions: .classPermission
            case .levels: .level
            case .ranges: .range
            case .categories: .categorySet
            case .addresses: .address
            default: nil
            }
        guard let kind else { return nil }
        writtenOut.append((argument.place, containers[call].parent))
        return Symbol(kind, UInt32(truncatingIfNeeded: 1 << 31 | (writtenOut.count - 1)))
    }

    /// Arguments that are written out in a call, and where the call stands.
    var writtenOut: [(place: Int, container: Int)] = []

    /// Notes what a macro declares: such names are not looked up around the macro.
    private mutating func noteDeclarations(of macro: Int) {
        guard !containers[macro].isNoted else { return }
        containers[macro].isNoted = true
        var pending = containers[macro].items
        while let item = pending.popLast() {
            if item < 0 {
                pending += containers[~item].items
            } else if let word = tree.head(item),
                let kind = Declaration.of(word, options),
                let name = tree.declared(item)
            {
                symbols.declare(macro, kind.space, name, Symbol(.declaredInMacro, 0))
            }
        }
    }
}
