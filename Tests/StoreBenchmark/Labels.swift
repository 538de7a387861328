import CompilerTestSupport
import Foundation
import PolicyCompiler

/// What deciding by a compiled policy costs: the same requests of a compartment, and of a store
/// without mandatory control.
struct Labels {
    let program: String
    let folder: String

    private static let count = 20_000
    private static let workload = Workload(nodes: 800, top: "/local/domain/2/t")
    private static let source = """
        system measured version 1
        target casemate

        levels low

        service store at low {
            kernel debian
            memory 64 MiB
            vcpus 1
        }

        compartment user at low {
            kernel debian
            memory 64 MiB
            vcpus 1
            uses store
        }

        """

    /// Runs everything; false if the bound was not kept.
    func run(_ rounds: Int) throws -> Bool {
        let compiled = try TestSystem(Labels.source).compiled
        let (policy, manifest) = ("\(folder)/policy", "\(folder)/manifest")
        try Data(compiled.policy).write(to: URL(filePath: policy))
        try Data(compiled.manifest).write(to: URL(filePath: manifest))
        let on = try Served(
            program,
            [
                "--policy", policy, "--manifest", manifest, "--rate", "0", "--socket",
                "user=\(folder)/labels",
            ], socket: "\(folder)/labels")
        let off = try Served(
            program, ["--no-mac", "--socket", "\(folder)/plain"], socket: "\(folder)/plain")
        let fill = Labels.workload.fill(0..<Labels.workload.nodes)
        for served in [on, off] { try served.client.exchange(fill, depth: 8) }
        print("labels beside none, 800 nodes, \(rounds) rounds in turns:")
        var isKept = true
        for kind in Workload.Kind.allCases {
            var processor: [Double] = []
            for round in 0..<rounds {
                func ask(_ served: Served) throws -> Double {
                    let count = kind == .transaction ? Labels.count / 5 : Labels.count
                    return try Labels.workload.measure(
                        kind, count, depth: kind == .transaction ? 1 : 8, seed: UInt64(round + 1),
                        on: served
                    ).processor
                }
                let first = round.isMultiple(of: 2) ? try ask(on) : nil
                let plain = try ask(off)
                processor.append(try (first ?? ask(on)) / plain)
            }
            let kept = report(
                "  \(kind.rawValue): processor", processor, unit: "times", atMost: 1.05)
            isKept = kept && isKept
        }
        return isKept
    }
}
