import Foundation
import PolicyChecks
import PolicySemantics
import PolicySyntax
import TestSupport
import Testing

@Suite("explaining denials") struct DenialTests {
    private static let sentence =
        "audit 1: denied event { send } from collector to sensor by EVTCHNOP_send; "
        + "system.casemate:24: channel readings goes from sensor to collector"
    private static let message =
        "(XEN) avc:  denied  { send } for domid=2 target=1 "
        + "scontext=label2_u:compartment_r:collector-t:secret "
        + "tcontext=label2_u:object_r:collector-to-sensor:unclassified tclass=event"

    private func system(_ name: String) throws -> (SystemPolicy, DiagnosticRenderer) {
        let file = RepositoryFiles.root.appending(path: "policy/systems/\(name)/system.casemate")
        let source = SourceFile(
            name: "system.casemate", bytes: try RepositoryFiles.bytes(of: file))
        let policy = try #require(CheckResult.check(source).policy)
        return (policy, DiagnosticRenderer(source: source))
    }

    private func explain(_ line: String, in name: String) throws -> (DenialExplanation, String) {
        let (policy, renderer) = try system(name)
        let record = try #require(DenialRecord(line: line))
        let found = try DenialExplanation(of: record, in: policy)
        return (found, found.text(renderer))
    }

    @Test("a sentence of the audit trail is read, whatever stands before it") func sentence() throws
    {
        for line in [
            Self.sentence, "(casemate) " + Self.sentence, "[  3.1] " + Self.sentence + "\r",
        ] {
            let record = try #require(DenialRecord(line: line))
            #expect(record.source == .compartment("collector"))
            #expect(record.target == .compartment("sensor"))
            #expect(record.objectClass == "event" && record.permissions == ["send"])
            #expect(record.operation == "EVTCHNOP_send")
            #expect(record.place?.file == "system.casemate" && record.place?.line == 24)
        }
        let own = try #require(
            DenialRecord(line: "audit 2: denied xen { settime } from a to the hypervisor by X"))
        #expect(own.target == .hypervisor && own.place == nil)
        let absent = try #require(
            DenialRecord(
                line: "audit 2: denied event { create } from a to no domain 9 by X; f:1: y"))
        #expect(absent.target == .unknown && absent.place?.line == 1)
    }

    @Test("a message of Xen is read, by types and else by domains") func message() throws {
        let record = try #require(DenialRecord(line: Self.message))
        #expect(record.source == .compartment("collector"))
        #expect(record.target == .compartment("sensor"))
        #expect(record.objectClass == "event" && record.operation == nil)
        let foreign = try #require(
            DenialRecord(
                line: "avc:  denied  { map_read map_write } for domid=2 target=1 "
                    + "scontext=a:b:domU_t tcontext=a:b:domU_t tclass=grant"))
        #expect(foreign.source == .domain(2) && foreign.target == .domain(1))
        #expect(foreign.permissions == ["map_read", "map_write"])
        let xen = try #require(
            DenialRecord(
                line: "avc: denied { settime } for domid=2 scontext=a:b:collector-t "
                    + "tcontext=u:r:xen_t:s tclass=xen"))
        #expect(xen.target == .hypervisor)
    }

    @Test("what is no denial is none, and no change of a denial makes the reader trap")
    func garbage() throws {
        let none = [
            "", "denied", "denied { send }", "denied event { } from a to b",
            "denied a b { c } from",
            "denied event { send } from a", "denied event { s-d } from a to b by X",
            "avc: denied { send } for scontext=a:b:c-t tclass=event",
            "denied event { send } to a from b", "} denied {", "allowed event { send } from a to b",
        ]
        for line in none { #expect(DenialRecord(line: line) == nil, "\(line)") }
        var generator = SeededGenerator.announced(31_337)
        for line in [Self.sentence, Self.message] {
            let good = [UInt8](line.utf8)
            for _ in 0..<TestLevel.repetitions(5_000) {
                var bytes = good
                for _ in 0..<Int.random(in: 1...3, using: &generator) {
                    let place = Int.random(in: bytes.indices, using: &generator)
                    switch Int.random(in: 0..<3, using: &generator) {
                    case 0: bytes[place] = generator.bytes(1)[0]
                    case 1: bytes.remove(at: place)
                    default: bytes.insert(generator.bytes(1)[0], at: place)
                    }
                }
                _ = DenialRecord(line: String(decoding: bytes, as: UTF8.self))
            }
        }
        #expect(DenialRecord(line: String(repeating: "x ", count: 5_000) + Self.sentence) == nil)
    }

    @Test(
        "a send against a one-way channel is explained by the channel, and the edit breaks claims")
    func minimal() throws {
        for line in [Self.sentence, Self.message] {
            let (found, text) = try explain(line, in: "minimal")
            #expect(found.reasons.map(\.text) == ["`readings` leads from `sensor` to `collector`"])
            #expect(text.contains("system.casemate:24:9: `readings` leads"))
            #expect(text.contains("the levels forbid it"))
            #expect(found.edit?.lines == ["channel …: collector -> sensor signal"])
            let codes = found.edit?.violations.map(\.code) ?? []
            #expect(codes.contains(.channelDown) && codes.contains(.assertionRefuted))
            #expect(text.contains("POL-FLW-001, the added line: "))
            #expect(text.contains("POL-FLW-003, line 26: "))
            #expect(!found.isDeclared && !text.contains("note: "))
        }
    }

    @Test("what an edit would let flow besides is listed, and nothing that flowed before")
    func otherFlows() throws {
        let line = "audit 7: denied event { send } from audit to black_app by EVTCHNOP_send"
        let (found, _) = try explain(line, in: "guard")
        let flows = try #require(found.edit?.otherFlows)
        #expect(flows.contains("audit -> black_net") && !flows.contains("audit -> black_app"))
        #expect(!flows.contains("red_app -> black_app"))
    }

    @Test("adding the edit to the source is what makes the source declare it") func editAllows()
        throws
    {
        let (policy, _) = try system("minimal")
        let edited = policy.adding(
            SystemPolicy.Channel(
                name: "back", from: 1, to: 0, kind: .signal, source: policy.source))
        let record = try #require(DenialRecord(line: Self.sentence))
        let found = try DenialExplanation(of: record, in: edited)
        #expect(found.isDeclared && found.edit == nil)
    }

    @Test(
        "each kind of permission asks for its own declaration",
        arguments: [
            ("event", "create", "sensor", "collector", "channel …: sensor -> collector signal"),
            (
                "grant", "map_read", "collector", "sensor",
                "channel …: sensor -> collector ring 1 pages"
            ),
            (
                "grant", "map_write", "collector", "sensor",
                "channel …: collector -> sensor ring 1 pages"
            ),
            ("xenstore", "read", "collector", "sensor", "channel …: sensor -> collector store"),
            ("xenstore", "write", "collector", "sensor", "channel …: collector -> sensor store"),
            (
                "security", "load_policy", "sensor", "collector",
                "    may load policy    // in `sensor`"
            ),
        ])
    func kinds(objectClass: String, permission: String, from: String, to: String, edit: String)
        throws
    {
        let (policy, _) = try system("minimal")
        let bare = SystemPolicy(
            name: policy.name, version: 1, target: policy.target,
            sensitivities: policy.sensitivities, categories: [],
            compartments: policy.compartments, channels: [], assertions: [],
            source: policy.source)
        let line = "denied \(objectClass) { \(permission) } from \(from) to \(to) by X"
        let found = try DenialExplanation(of: try #require(DenialRecord(line: line)), in: bare)
        #expect(found.edit?.lines.first == edit)
    }

    @Test("what no declaration gives has no edit, and what the source declares says so")
    func edges()
        throws
    {
        let (none, text) = try explain(
            "denied xen { settime } from sensor to the hypervisor by XENPF_settime", in: "minimal")
        #expect(none.edit == nil && text.contains("no edit of the source would allow it"))
        let (declared, says) = try explain(
            "denied event { send } from sensor to collector by EVTCHNOP_send; system.casemate:9: x",
            in: "minimal")
        #expect(declared.isDeclared && says.contains("this source declares it"))
        #expect(says.contains("note: the denial names system.casemate:9"))
        let (policy, _) = try system("minimal")
        let record = try #require(DenialRecord(line: "denied event { send } from x to sensor by X"))
        #expect(throws: DenialExplanation.Failure.unknownCompartment("x")) {
            _ = try DenialExplanation(of: record, in: policy)
        }
    }
}
