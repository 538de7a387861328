import Foundation
import PolicyChecks
import PolicySemantics
import PolicySyntax
import TestSupport
import Testing

@Suite("explaining, comparing and drawing systems") struct ExplanationTests {
    private func policy(_ text: String) throws -> SystemPolicy {
        try #require(CheckResult.check(SourceFile(name: "system.casemate", text: text)).policy)
    }

    private func guardText() throws -> String {
        let file = RepositoryFiles.root.appending(path: "policy/systems/guard/system.casemate")
        return String(decoding: try RepositoryFiles.bytes(of: file), as: UTF8.self)
    }

    private func explain(_ text: String, _ from: String, _ to: String) throws -> FlowExplanation {
        let policy = try policy(text)
        let names = policy.compartments.map(\.name)
        return FlowExplanation(
            of: policy, from: try #require(names.firstIndex(of: from)),
            to: try #require(names.firstIndex(of: to)))
    }

    @Test("what flows is explained by its chain, and cut by the fewest statements") func flows()
        throws
    {
        let text = try guardText()
        let found = try explain(text, "red_app", "black_app")
        let policy = try policy(text)
        #expect(found.chain?.map { policy.links[$0.link].name } == ["to_guard", "from_guard"])
        #expect(found.chain?.last?.exemption != nil)
        #expect(found.cut?.count == 2 && found.edit == nil)
        let shown = found.text(
            DiagnosticRenderer(source: SourceFile(name: "system.casemate", text: text)))
        #expect(shown.contains("`content_guard` is exempt"))
    }

    @Test("cutting what is named is enough, and nothing less is") func cut() throws {
        let text = try guardText()
        let found = try explain(text, "red_app", "black_app")
        let cut = try #require(found.cut)
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        for span in cut.reversed() { lines[Int(span.line) - 1] = "" }
        let words = ["exempt", "assert"]
        let rest = lines.filter { line in
            // What refers to a channel that is gone goes with it.
            !(words.contains { line.hasPrefix($0) } && !line.contains("store"))
        }
        let after = try explain(rest.joined(separator: "\n"), "red_app", "black_app")
        #expect(after.chain?.contains { $0.link < 2 } != true)
    }

    @Test("what is kept back needs an exemption, and its other flows are named") func exemption()
        throws
    {
        let found = try explain(try guardText(), "red_app", "admin")
        #expect(found.chain == nil && found.cut == nil)
        let edit = try #require(found.edit)
        #expect(edit.lines == ["exempt store red_app.store -> admin.store reason \"…\""])
        #expect(edit.otherFlows.contains("red_net -> admin"))
        #expect(edit.violations.contains { $0.code == .assertionRefuted })
    }

    @Test("where no channels lead a channel is the edit, and what it breaks is named")
    func channel() throws {
        let edit = try #require(try explain(try guardText(), "audit", "black_app").edit)
        #expect(edit.lines == ["channel …: audit -> black_app signal"])
        #expect(edit.otherFlows.contains("audit -> black_net"))
        #expect(edit.violations.contains { $0.code == .channelDown })
        #expect(edit.violations.contains { $0.code == .pathBypassed })
    }

    @Test("adding a channel leaves the meaning of every other link") func adding() throws {
        let policy = try policy(try guardText())
        let more = policy.adding(
            SystemPolicy.Channel(name: "n", from: 0, to: 1, kind: .signal, source: policy.source))
        #expect(more.links.count == policy.links.count + 1)
        for (old, new) in zip(policy.further.exemptions, more.further.exemptions) {
            #expect(policy.links[old.from].name == more.links[new.from].name)
            #expect(policy.links[old.to].name == more.links[new.to].name)
        }
        for (old, new) in zip(policy.assertions, more.assertions) {
            guard case .control(let before) = old.claim, case .control(let after) = new.claim
            else { continue }
            #expect(
                before.map { policy.links[$0].name } == after.map { more.links[$0].name })
        }
    }

    @Test("systems that differ in order and layout alone permit the same") func sameFlows() throws {
        let text = try guardText()
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("//") }
        let channels = lines.filter { $0.hasPrefix("channel") }
        let rest = lines.filter { !$0.hasPrefix("channel") }
        let other = (channels.reversed() + rest).joined(separator: "\n")
        #expect(FlowDifference(from: try policy(text), to: try policy(other)).lines.isEmpty)
        #expect(FlowDifference(from: try policy(text), to: try policy(text)).lines.isEmpty)
    }

    @Test("a leak is a difference, with its chain, and the way back is its reverse") func leak()
        throws
    {
        let text = try guardText()
        let leaking = try policy(text + "channel leak: audit -> admin signal\n")
        let good = try policy(text)
        let there = FlowDifference(from: good, to: leaking).lines
        #expect(
            there.contains { $0.hasPrefix("+ flow audit -> admin: audit -> admin (leak, line ") })
        let back = FlowDifference(from: leaking, to: good).lines
        #expect(back.count == there.count)
        #expect(back.contains { $0.hasPrefix("- flow audit -> admin") })
    }

    @Test("a drawing has every compartment and every edge, exemptions in red") func drawing()
        throws
    {
        let policy = try policy(try guardText())
        let text = FlowDrawing(of: policy).text
        for compartment in policy.compartments {
            #expect(text.contains("\"\(compartment.name)\" [label="))
        }
        let edges = policy.links.reduce(0) { $0 + $1.edges.count }
        let arrows = text.split(separator: "\n").filter {
            $0.contains("[label=") && $0.contains(" -> ")
        }
        #expect(arrows.reduce(0) { $0 + ($1.contains("dir=both") ? 2 : 1) } == edges)
        #expect(
            text.contains("\"content_guard\" -> \"black_app\" [label=\"from_guard\", color=red"))
        // One band stands on the other: everyone below the point between them, or above it.
        #expect(text.contains("-> \"|0\" -> {"))
        #expect(text.contains("\"to_guard\"") && text.contains("style=dashed, constraint=false"))
        #expect(text.count { $0 == "{" } == text.count { $0 == "}" })
    }
}
