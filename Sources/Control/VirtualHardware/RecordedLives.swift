/// What a machine's own lines on its terminal say about the lives of its compartments.
///
/// For: compartments that the control compartment may not ask about. The terminal is the
/// operator's, who may see everything; only the hypervisor can begin a line with `(casemate)`. Not
/// for: what has to be true now: a line may be on its way.
public struct RecordedLives: Equatable, Sendable {
    /// Where a compartment is in its life.
    public enum State: String, Sendable {
        /// It runs.
        case running
        /// It waits for those that start before it.
        case waiting
        /// It was ordered to start.
        case starting
        /// It is not there.
        case absent
        /// It has stopped by itself.
        case stopped
        /// It has failed.
        case failed
    }

    /// One compartment's life.
    public struct Life: Equatable, Sendable {
        /// Where it is.
        public var state: State
        /// Which life it is, from 1.
        public var number: UInt32 = 1
        /// How often it was started again after a failure.
        public var restarts: UInt32 = 0

        /// Makes a life.
        public init(state: State, number: UInt32 = 1, restarts: UInt32 = 0) {
            self.state = state
            self.number = number
            self.restarts = restarts
        }
    }

    /// The lives, by the order of the names.
    public private(set) var lives: [Life]
    private let names: [String]

    /// Starts as the machine does.
    ///
    /// - Parameter compartments: in the manifest's order, by their domains.
    public init(_ compartments: [(name: String, startsAtOnce: Bool, isManual: Bool)]) {
        names = compartments.map(\.name)
        lives = compartments.map {
            Life(state: $0.isManual ? .absent : $0.startsAtOnce ? .running : .waiting)
        }
    }

    /// Takes the next line of the terminal.
    public mutating func take(_ line: ConsoleLine) {
        guard line.isHypervisor else { return }
        let words = line.text.split(separator: " ").map(String.init)
        if words.count == 2, words[0] == "started" {
            change(words[1]) { $0.state = .running }
        } else if words.count >= 3, words[0] == "domain", let number = Int(words[1]) {
            guard names.indices.contains(number - 1) else { return }
            if words[2] == "crashed:" { lives[number - 1].state = .failed }
            if words[2] == "shut" { lives[number - 1].state = .stopped }
        } else if words.count >= 4, words[0] == "audit" {
            takeRecord(words)
        }
    }

    /// `audit N: NAME …`: what became of a compartment.
    private mutating func takeRecord(_ words: [String]) {
        let rest = words[3...].joined(separator: " ")
        change(words[2]) { life in
            if rest.hasPrefix("was loaded, life "), let number = UInt32(words.last ?? "") {
                life.state = .running
                life.number = number
            } else if rest.hasPrefix("is deployed by ") {
                life.state = .starting
                life.restarts = 0
            } else if rest == "is gone" {
                life.state = .absent
            } else if rest.hasPrefix("failed: ") {
                life.state = .failed
                if rest.contains("it is started again") { life.restarts += 1 }
            } else if rest.hasPrefix("stays down: ") {
                life.state = .failed
            }
        }
    }

    private mutating func change(_ name: String, _ body: (inout Life) -> Void) {
        guard let index = names.firstIndex(of: name) else { return }
        body(&lives[index])
    }
}
