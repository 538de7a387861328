public import SecurityLattice

/// A rule that permits something. Source and target are types or attributes.
public struct AllowRule: BitwiseCopyable, Sendable {
    /// The number of the type or attribute that acts.
    public let source: UInt16
    /// The number of the type or attribute that is acted on.
    public let target: UInt16
    /// The number of the class.
    public let objectClass: UInt16
    /// What is permitted.
    public let permissions: UInt32

    /// Creates a rule.
    public init(source: UInt16, target: UInt16, objectClass: UInt16, permissions: UInt32) {
        self.source = source
        self.target = target
        self.objectClass = objectClass
        self.permissions = permissions
    }
}

/// A rule for the labels of what one type makes in relation to another.
public struct TransitionRule<Result> {
    /// The number of the type that makes it.
    public let source: UInt32
    /// The number of the type that it is made in relation to.
    public let target: UInt32
    /// The type, or the levels, that it then has.
    public let result: Result
}

/// What has to be known of a type or attribute to prepare labels.
public struct PreparedType: BitwiseCopyable, Sendable {
    let attributes: Bitmap
    /// Whether it is an attribute, which no label has.
    public let isAttribute: Bool

    /// What stands for no type.
    public static var none: PreparedType {
        PreparedType(attributes: Bitmap(offset: 0, count: 0, bitCount: 0), isAttribute: true)
    }
}

/// Hands out the rules of one kind that are in force, conditional ones last.
public struct AccessRuleReader: ~Escapable {
    private let kind: UInt32
    private let ignored: UInt32
    private var rules: DatabaseCursor
    private var ruleCount: Int
    private var wanted: UInt32
    private var nodes: DatabaseCursor
    private var nodeCount: Int
    private var otherRules = Table()

    /// - Parameter ignored: `AccessRule.enabled` for conditional rules that are not in force, too.
    @_lifetime(copy policy)
    init(_ policy: PolicyDatabase, _ kind: UInt32, ignoring ignored: UInt32 = 0) {
        self.kind = kind
        self.ignored = ignored
        wanted = kind
        rules = policy.cursor(at: policy.layout.accessRules)
        ruleCount = policy.layout.accessRules.count
        nodes = policy.cursor(at: policy.layout.conditionals)
        nodeCount = policy.layout.conditionals.count
    }

    /// Returns the next rule; nil after the last.
    ///
    /// - Complexity: constant for each rule of the file, over all calls.
    @_lifetime(self: copy self)
    @inline(never) public mutating func next() -> AllowRule? {
        do throws(PolicyDatabaseError) {
            while true {
                while ruleCount > 0 {
                    ruleCount -= 1
                    let rule = try rules.readAccessRule()
                    guard rule.specified & ~ignored == wanted else { continue }
                    return AllowRule(
                        source: UInt16(truncatingIfNeeded: rule.source),
                        target: UInt16(truncatingIfNeeded: rule.target),
                        objectClass: UInt16(truncatingIfNeeded: rule.objectClass),
                        permissions: rule.data)
                }
                guard try advance() else { return nil }
            }
        } catch {
            return nil
        }
    }

    /// Goes on to the next list of rules; returns whether there was one.
    @_lifetime(self: copy self)
    private mutating func advance() throws(PolicyDatabaseError) -> Bool {
        wanted = (kind | AccessRule.enabled) & ~ignored
        var list = otherRules
        otherRules = Table()
        if list.count == 0 {
            guard nodeCount > 0 else { return false }
            nodeCount -= 1
            let node = try nodes.readConditional()
            list = node.whenTrue
            otherRules = node.whenFalse
        }
        ruleCount = list.count
        rules = DatabaseCursor(nodes.bytes, at: list.offset)
        return true
    }
}

/// Hands out the rules for the levels of what is made.
public struct RangeTransitionReader: ~Escapable {
    private var rules: DatabaseCursor
    private var count: Int
    private let objectClass: UInt32

    @_lifetime(copy policy)
    init(_ policy: PolicyDatabase, _ objectClass: ObjectClass) {
        rules = policy.cursor(at: policy.layout.rangeTransitions)
        count = policy.layout.rangeTransitions.count
        self.objectClass = UInt32(objectClass.number)
    }

    /// Returns the next rule of the class; nil after the last.
    @_lifetime(self: copy self)
    public mutating func next() -> TransitionRule<SecurityRange>? {
        do throws(PolicyDatabaseError) {
            while count > 0 {
                count -= 1
                let source = try rules.readUInt32()
                let target = try rules.readUInt32()
                let ruleClass = try rules.readUInt32()
                let range = try rules.readRange()
                guard ruleClass == objectClass else { continue }
                return TransitionRule(source: source, target: target, result: range)
            }
        } catch {}
        return nil
    }
}

/// What `ReferenceMonitor` needs to tabulate all decisions in one pass over the rules.
extension PolicyDatabase {
    /// The rules that permit something and are in force.
    public var allowRules: AccessRuleReader {
        @_lifetime(copy self) get { AccessRuleReader(self, AccessRule.allowed) }
    }

    /// The rules for the levels of new objects of a class.
    @_lifetime(copy self)
    public func rangeTransitions(_ objectClass: ObjectClass) -> RangeTransitionReader {
        RangeTransitionReader(self, objectClass)
    }

    /// The number of unconditional access rules of all kinds.
    public var accessRuleCount: Int { layout.accessRules.count }

    /// Returns the access rule at a place as a type transition of a class; nil when it is none.
    ///
    /// - Precondition: `index` is below `accessRuleCount`.
    public func typeTransition(
        at index: Int, _ objectClass: ObjectClass
    ) -> TransitionRule<UInt32>? {
        let offset = layout.accessRules.offset + index * AccessRule.size
        guard bytes.littleEndian16(at: offset + 6) == UInt16(AccessRule.transition),
            bytes.littleEndian16(at: offset + 4) == UInt16(objectClass.number)
        else { return nil }
        return TransitionRule(
            source: UInt32(bytes.littleEndian16(at: offset)),
            target: UInt32(bytes.littleEndian16(at: offset + 2)),
            result: bytes.littleEndian32(at: offset + 8))
    }

    /// Reads what labels need of each type; number *n* goes to element *n*, element 0 to nobody.
    ///
    /// - Precondition: `types` has `typeCount + 1` elements.
    public func readTypes(into types: inout MutableSpan<PreparedType>) {
        precondition(types.count == typeCount + 1, "there is not one place for each type")
        do throws(PolicyDatabaseError) {
            var attributes = cursor(at: layout.typeAttributes)
            for number in 1..<types.count {
                types[number] = PreparedType(
                    attributes: try attributes.readBitmap(), isAttribute: false)
            }
            var records = cursor(at: layout[.types])
            for _ in 0..<layout[.types].count {
                let record = try records.readType()
                guard record.isPrimary, record.isAttribute else { continue }
                types[Int(record.value)] = PreparedType(
                    attributes: types[Int(record.value)].attributes, isAttribute: true)
            }
        } catch {
            // Of a validated file, all of it can be read.
            for number in types.indices { types[number] = .none }
        }
    }

    /// Prepares a label with types that were read before; nil when it is not valid.
    ///
    /// - Complexity: linear in the levels; for one that acts, in roles and users too.
    @inline(never) public func prepare(
        _ context: SecurityContext, _ types: Span<PreparedType>
    ) -> PreparedContext? {
        guard isType(context.type), Int(context.type) < types.count,
            !types[Int(context.type)].isAttribute,
            (try? isValidExceptType(context)) ?? false
        else { return nil }
        return PreparedContext(
            context: context, attributes: types[Int(context.type)].attributes)
    }

    /// Returns the number of the type or attribute of a label that comes after `number`; nil after
    /// the last. A type is among its own.
    public func symbol(after number: UInt32, of label: PreparedContext) -> UInt32? {
        for index in 0..<label.attributes.count {
            let node = label.attributes.offset + 12 * index
            let start = bytes.littleEndian32(at: node)
            guard number < start + 64 else { continue }
            var map = bytes.littleEndian64(at: node + 4)
            // Number n is bit n - 1: those up to `number` go.
            if number > start { map &= UInt64.max << UInt64(number - start) }
            if map != 0 { return start + UInt32(map.trailingZeroBitCount) + 1 }
        }
        return nil
    }

    /// Returns whether a label's type is, or has, a type or attribute.
    public func belongs(_ label: PreparedContext, to number: UInt16) -> Bool {
        bytes.contains(UInt32(number), in: label.attributes)
    }

    /// Returns what remains of permissions that rules give, after constraints and role rules.
    public func limit(
        _ vector: AccessVector, _ objectClass: ObjectClass, from source: PreparedContext,
        to target: PreparedContext
    ) -> AccessVector {
        do throws(PolicyDatabaseError) {
            let constrained = try constrain(
                vector.bits, UInt32(objectClass.number), from: source.context,
                to: target.context)
            return AccessVector(
                bits: try limitRoles(constrained, objectClass, source.context, target.context))
        } catch {
            return AccessVector(bits: 0)
        }
    }

    // MARK: Object contexts

    /// Returns the context of an initial SID; nil when the policy gives it none.
    public func context(of sid: InitialSID) -> SecurityContext? {
        objectContext(0, UInt64(sid.rawValue), UInt64(sid.rawValue))
    }

    /// Returns the label of an interrupt; nil when the policy has none for it.
    public func context(ofInterrupt number: UInt32) -> SecurityContext? {
        objectContext(1, UInt64(number), UInt64(number))
    }

    /// Returns the label of I/O ports that one statement covers; nil when none does.
    public func context(ofPorts first: UInt64, _ last: UInt64) -> SecurityContext? {
        objectContext(2, first, last)
    }

    /// Returns the label of frames of I/O memory that one statement covers; nil when none does.
    public func context(ofFrames first: UInt64, _ last: UInt64) -> SecurityContext? {
        objectContext(3, first, last)
    }

    /// Returns the label of a PCI function, by segment, bus, device and function; nil: none.
    public func context(ofFunction address: UInt32) -> SecurityContext? {
        objectContext(4, UInt64(address), UInt64(address))
    }

    @inline(never)
    private func objectContext(
        _ kind: Int, _ first: UInt64, _ last: UInt64
    ) -> SecurityContext? {
        do throws(PolicyDatabaseError) {
            let table = layout.objectContexts[kind]
            var contexts = cursor(at: table)
            for _ in 0..<table.count {
                let key = try contexts.readObjectKey(kind, version: version)
                let context = try contexts.readContext()
                if key.first <= first, last <= key.last { return context }
            }
        } catch {}
        return nil
    }
}
