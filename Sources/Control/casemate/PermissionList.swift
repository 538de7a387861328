import PolicySemantics
import SystemManifest

/// What a manifest lets its compartments do, in sentences with the place of their declaration.
struct PermissionList {
    /// One thing that is permitted.
    struct Sentence: Equatable {
        /// What: `` `guard` may signal `mail` ``.
        let text: String
        /// Where it is declared: `system.casemate:31`.
        let place: String
    }

    /// Who uses the TPM, and what that may have it execute.
    struct TPMUser: Equatable {
        /// The compartment's name.
        let compartment: String
        /// The commands, by their names in a source, in the order of the alphabet.
        let commands: [String]
        /// Where the service is declared that passes them on.
        let place: String
    }

    private(set) var sentences: [Sentence] = []
    /// The users of the TPM, in the order of their declarations.
    private(set) var tpmUsers: [TPMUser] = []

    /// Reads a manifest; one that is none permits nothing.
    init(_ bytes: [UInt8]) {
        guard let manifest = try? SystemManifest(validating: bytes.span) else { return }
        let names = (0..<manifest.compartmentCount).map { index in
            PermissionList.text(manifest.compartment(at: index).name)
        }
        addCompartments(manifest, names)
        addTPMUsers(manifest, names)
        addChannels(manifest, names)
        addSubtrees(manifest, names)
        for index in 0..<manifest.deviceCount {
            let device = manifest.device(at: index)
            add(
                "`\(names[device.owner])` may use the device `\(PermissionList.text(device.name))`",
                device.source, manifest)
        }
        for index in 0..<manifest.exemptionCount {
            let exemption = manifest.exemption(at: index)
            add(
                "`\(names[exemption.subject])` may pass on what comes by "
                    + "\(PermissionList.name(of: exemption.from, manifest, names)) to "
                    + PermissionList.name(of: exemption.to, manifest, names),
                exemption.source, manifest)
        }
    }

    /// What is permitted here and not there, in the order of the declarations.
    func beyond(_ other: PermissionList) -> [Sentence] {
        let known = Set(other.sentences.map(\.text))
        return sentences.filter { !known.contains($0.text) }
    }

    private mutating func addCompartments(
        _ manifest: borrowing SystemManifest, _ names: [String]
    ) {
        for index in names.indices {
            let compartment = manifest.compartment(at: index)
            let name = "`\(names[index])`"
            for service in [ServiceKind.store, .console, .control, .tpm, .audit]
            where compartment.uses(service) {
                add("\(name) may use the service `\(service)`", compartment.source, manifest)
            }
            if compartment.mayLoadPolicy {
                add("\(name) may load a policy", compartment.source, manifest)
            }
            if compartment.mayRelabel { add("\(name) may relabel", compartment.source, manifest) }
        }
    }

    /// What users may have the TPM execute is a matter of the service that they use: the same for
    /// all.
    private mutating func addTPMUsers(_ manifest: borrowing SystemManifest, _ names: [String]) {
        let service = names.indices.first { manifest.compartment(at: $0).service == .tpm }
        guard let service else { return }
        var commands: [String] = []
        for name in TPMCommand.names {
            let codes = TPMCommand(name: name)?.codes ?? []
            if codes.contains(where: { manifest.permitsTPMCommand($0) }) { commands.append(name) }
        }
        let source = manifest.compartment(at: service).source
        for index in names.indices where manifest.compartment(at: index).uses(.tpm) {
            for command in commands {
                add("`\(names[index])` may have the TPM execute `\(command)`", source, manifest)
            }
            tpmUsers.append(
                TPMUser(
                    compartment: names[index], commands: commands,
                    place: place(of: source, manifest)))
        }
    }

    private mutating func addChannels(_ manifest: borrowing SystemManifest, _ names: [String]) {
        for index in 0..<manifest.channelCount {
            let channel = manifest.channel(at: index)
            let how: (String, String) =
                switch channel.kind {
                case .signal: ("signal", "")
                case .ring: ("write to", " through a ring")
                case .store: ("write to", " through the store")
                case .block: ("write to", " through a block device")
                case .network: ("write to", " through a network")
                }
            let ways =
                [(channel.from, channel.to)]
                + (channel.isTwoWay ? [(channel.to, channel.from)] : [])
            for (from, to) in ways {
                add(
                    "`\(names[from])` may \(how.0) `\(names[to])`\(how.1), by the channel "
                        + "`\(PermissionList.text(channel.name))`",
                    channel.source, manifest)
            }
        }
    }

    private mutating func addSubtrees(_ manifest: borrowing SystemManifest, _ names: [String]) {
        for index in 0..<manifest.subtreeCount {
            let subtree = manifest.subtree(at: index)
            let name = PermissionList.text(subtree.name)
            for member in names.indices {
                if subtree.isRead(by: member) {
                    add(
                        "`\(names[member])` may read `\(name)` in the store", subtree.source,
                        manifest)
                }
                if subtree.isWritten(by: member) {
                    add(
                        "`\(names[member])` may write `\(name)` in the store", subtree.source,
                        manifest)
                }
            }
        }
    }

    private mutating func add(
        _ text: String, _ source: SourceReference, _ manifest: borrowing SystemManifest
    ) {
        sentences.append(Sentence(text: text, place: place(of: source, manifest)))
    }

    private func place(
        of source: SourceReference, _ manifest: borrowing SystemManifest
    ) -> String {
        "\(PermissionList.text(manifest.source(at: source.source).name)):\(source.line)"
    }

    private static func name(
        of link: ExemptionLink, _ manifest: borrowing SystemManifest, _ names: [String]
    ) -> String {
        switch link {
        case .channel(let index): "`\(text(manifest.channel(at: index).name))`"
        case .use(let service, let user): "`\(names[user]).\(service)`"
        case .subtree(let index): "`\(text(manifest.subtree(at: index).name))`"
        }
    }

    private static func text(_ bytes: borrowing Span<UInt8>) -> String {
        String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
    }
}
