import Foundation
import TestSupport
import Testing

/// The judge must be able to find a difference of every kind.
struct Change: Sendable, CustomTestStringConvertible {
    let old: String
    let new: String
    /// How the judge names what differs.
    let says: String
    var source = "linux.conf"

    var testDescription: String { new }

    static let all = [
        Change(
            old: "allow dom0_t self:xen *;", new: "allow dom0_t self:xen a;", says: "decision"),
        Change(old: "t1 == privileged );\nmlsc", new: "t1 == guest_t );\nmlsc", says: "decision"),
        Change(old: "bool is_odd false;", new: "bool is_odd true;", says: "Boolean: is_odd"),
        Change(old: "allow system_r guest_r;", new: "", says: "role allow"),
        Change(
            old: "allowxperm dom0_t guest_t:file ioctl 0x8927;",
            new: "allowxperm dom0_t guest_t:file ioctl 0x8928;", says: "operations"),
        Change(
            old: "type_member dom0_t guest_t:domain loader_t",
            new: "type_member dom0_t guest_t:domain xen_t", says: "member"),
        Change(
            old: "range_transition loader_t guest_t:event s1;",
            new: "range_transition loader_t guest_t:event s2;", says: "transition"),
        Change(
            old: "irq_t \"name\"", new: "irq_t \"other\"", says: "named transition"),
        Change(old: "portcon tcp 80 ", new: "portcon tcp 81 ", says: "port"),
        Change(
            old: "nodecon 10.0.0.0 255.0.0.0", new: "nodecon 10.0.0.0 255.255.0.0", says: "node"),
        Change(old: "genfscon proc /net/tcp", new: "genfscon proc /net/udp", says: "path"),
        Change(old: "fs_use_task pipefs", new: "fs_use_trans pipefs", says: "fs_use"),
        Change(old: "ibendportcon mlx4_0 2", new: "ibendportcon mlx4_0 3", says: "end port"),
        Change(old: "permissive loader_t;", new: "", says: "type: loader_t"),
        Change(old: "policycap network_peer_controls;", new: "", says: "capabilities"),
        Change(old: "pirqcon 33 ", new: "pirqcon 34 ", says: "device", source: "xen.conf"),
    ]
}

@Test("the judge notices one change of each kind", arguments: Change.all)
func canary(change: Change) throws {
    let folder = try TemporaryFolder()
    defer { folder.remove() }
    let isXen = change.source == "xen.conf"
    let corpus = Corpus(
        names: [change.source], target: isXen ? "xen" : "selinux", version: isXen ? 30 : 33)
    let good = try corpus.write(to: folder)
    try corpus.ours(good, to: folder.path("good"))
    let text = try String(contentsOf: URL(filePath: good[0]), encoding: .utf8)
    let place = try #require(text.firstRange(of: change.old), "the source lacks what is replaced")
    let bad = try folder.write(
        text.replacingCharacters(in: place, with: change.new), to: "changed.conf")
    try corpus.ours([bad], to: folder.path("bad"))
    let judge = try Judge(folder.path("good"), folder.path("bad"))
    #expect(judge.status == 1)
    #expect(judge.output.contains("different \(change.says)"), "\(judge.output)")
}

@Test("the judge refuses what is no policy, and a wrong command line")
func judgeRefuses() throws {
    let folder = try TemporaryFolder()
    defer { folder.remove() }
    let file = try folder.write("no policy", to: "file")
    #expect(try Judge(file, file).status == 2)
    #expect(try ToolRun(Built.path("policy-judge"), [file]).status == 64)
    #expect(try ToolRun(Built.path("policy-judge"), ["--decisions", "0", file, file]).status == 64)
}
