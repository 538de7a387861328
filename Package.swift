// swift-tools-version: 6.2
// The house of Casemate. A module may import only what stands left of it in its room, or in a
// room above; docs/architecture.md explains the rooms. Build with
// `--explicit-target-dependency-import-check error`, as Tests/run does.

import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

/// Also compiled for the bare machine, in Embedded mode. Never on test targets.
let freestanding =
    strict + [
        .enableExperimentalFeature("Lifetimes"),
        .treatWarning("EmbeddedRestrictions", as: .error),
    ]

func room(
    _ room: String, _ name: String, _ dependencies: [Target.Dependency] = [],
    _ settings: [SwiftSetting] = strict
) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Sources/\(room)/\(name)",
        swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["TestSupport"], path: "Tests/\(name)",
        swiftSettings: strict)
}

/// A program of its own, for guests: without a library at run time.
func guest(_ name: String) -> Target {
    .executableTarget(
        name: name, dependencies: ["GuestSystem"], path: "Sources/Guests/\(name)",
        swiftSettings: strict + [.enableExperimentalFeature("Embedded")],
        linkerSettings: [.unsafeFlags(["-Xclang-linker", "-static"])])
}

/// The same with all of Swift's library: for what swift-crypto needs.
func wholeGuest(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: "Sources/Guests/\(name)",
        swiftSettings: strict,
        linkerSettings: [
            .unsafeFlags(["-static-executable", "-Xlinker", "--gc-sections"]),
            .linkedLibrary("_FoundationCollections"), .linkedLibrary("_FoundationCShims"),
            .linkedLibrary("swiftSynchronization"),
        ])
}

let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")

let certificates: [Target.Dependency] = [
    .product(name: "X509", package: "swift-certificates"),
    .product(name: "SwiftASN1", package: "swift-asn1"),
]

let vocabulary: [Target] = [
    room("Vocabulary", "SecurityLattice", [], freestanding),
    .target(name: "CXen", path: "Sources/Vocabulary/CXen"),
    room("Vocabulary", "Digests", [], freestanding),
    room("Vocabulary", "EventLog", ["Digests"], freestanding),
    room("Vocabulary", "ControlFrames", [], freestanding),
]

let kernel: [Target] = [
    room("Kernel", "BootArena", [], freestanding),
    room("Kernel", "PolicyDatabase", ["SecurityLattice"], freestanding),
    room("Kernel", "SystemManifest", ["SecurityLattice", "Digests"], freestanding),
    room("Kernel", "FlowCertificate", ["SecurityLattice"], freestanding),
    room(
        "Kernel", "ReferenceMonitor",
        ["SecurityLattice", "BootArena", "PolicyDatabase", "SystemManifest", "FlowCertificate"],
        freestanding),
    room(
        "Kernel", "HypervisorCore",
        [
            "SecurityLattice", "CXen", "Digests", "BootArena", "PolicyDatabase", "SystemManifest",
            "FlowCertificate", "ReferenceMonitor",
        ], freestanding),
    room("Kernel", "TPMDevice", ["Digests", "EventLog", "BootArena"], freestanding),
    .target(name: "CMachine", path: "Sources/Kernel/CMachine"),
    room(
        "Kernel", "MachineX86", ["CMachine", "BootArena", "HypervisorCore", "TPMDevice"],
        freestanding),
    .executableTarget(
        name: "Hypervisor",
        dependencies: [
            "SecurityLattice", "CXen", "Digests", "EventLog", "ControlFrames", "BootArena",
            "PolicyDatabase", "SystemManifest", "FlowCertificate", "ReferenceMonitor",
            "HypervisorCore", "TPMDevice", "CMachine", "MachineX86",
        ],
        path: "Sources/Kernel/Hypervisor", swiftSettings: freestanding),
]

let services: [Target] = [
    .target(name: "CService", path: "Sources/Services/CService"),
    room(
        "Services", "GuestRuntime",
        ["CService", "BootArena", "PolicyDatabase", "SystemManifest"], freestanding),
    room(
        "Services", "StoreCore",
        ["BootArena", "PolicyDatabase", "SystemManifest", "ReferenceMonitor"], freestanding),
    .executableTarget(
        name: "StoreService",
        dependencies: [
            "CService", "GuestRuntime", "StoreCore", "BootArena", "PolicyDatabase",
            "SystemManifest", "ReferenceMonitor",
        ],
        path: "Sources/Services/StoreService", swiftSettings: freestanding),
    .executableTarget(
        name: "ConsoleService",
        dependencies: ["CService", "GuestRuntime", "BootArena", "SystemManifest"],
        path: "Sources/Services/ConsoleService", swiftSettings: freestanding),
    .executableTarget(
        name: "TPMService",
        dependencies: ["CService", "GuestRuntime", "BootArena", "SystemManifest"],
        path: "Sources/Services/TPMService", swiftSettings: freestanding),
]

let freestandingRooms = vocabulary + kernel + services

let compiler: [Target] = [
    room("Compiler", "PolicySyntax"),
    room("Compiler", "PolicySemantics", ["SecurityLattice", "PolicySyntax"]),
    room(
        "Compiler", "PolicyChecks",
        ["SecurityLattice", "SystemManifest", "PolicySyntax", "PolicySemantics"]),
    room("Compiler", "PolicyDatabaseModel", ["SecurityLattice", "PolicyDatabase"]),
    room("Compiler", "SecurityModel", ["SecurityLattice", "PolicySemantics"]),
    room(
        "Compiler", "PolicyCompiler",
        [
            "SecurityLattice", "Digests", "PolicyDatabase", "SystemManifest", "FlowCertificate",
            "PolicySyntax", "PolicySemantics", "PolicyChecks", "PolicyDatabaseModel",
            "SecurityModel",
        ]),
    room("Compiler", "KernelPolicyLanguage", ["PolicyDatabaseModel"]),
    room(
        "Compiler", "CommonIntermediateLanguage", ["PolicyDatabaseModel", "KernelPolicyLanguage"]),
    room("Compiler", "PolicyAnalysis", ["PolicySyntax", "PolicyDatabaseModel"]),
]

let attestation: [Target] = [
    room("Attestation", "TPMStructures", ["Digests"]),
    room(
        "Attestation", "Appraisal",
        ["Digests", "EventLog", "SystemManifest", "TPMStructures", crypto, cryptoExtras]
            + certificates),
    room("Attestation", "PolicyAuthority", ["Digests", "SystemManifest", crypto]),
    .target(name: "CSQLite", path: "Sources/Attestation/CSQLite"),
    room("Attestation", "VerifierState", ["CSQLite"]),
    .target(name: "CTSS2", path: "Sources/Attestation/CTSS2"),
    .target(name: "CTSPI", path: "Sources/Attestation/CTSPI"),
    room(
        "Attestation", "TPMSoftwareStack",
        ["TPMStructures", "CTSS2", "CTSPI", crypto, cryptoExtras]),
]

/// Programs that run inside guests: Embedded Swift in one static file, for a small initrd.
let guests: [Target] = [
    .target(name: "CGuest", path: "Sources/Guests/CGuest"),
    .target(
        name: "GuestSystem", dependencies: ["CGuest"], path: "Sources/Guests/GuestSystem",
        swiftSettings: strict + [.enableExperimentalFeature("Embedded")]),
    guest("channel-demo"), guest("guard-demo"),
    // The same sources, by a link, for a program with all of Swift's library.
    .target(
        name: "GuestSystemHosted", dependencies: ["CGuest"],
        path: "Sources/Guests/GuestSystemHosted", swiftSettings: strict),
    wholeGuest("crypto-gateway", ["GuestSystemHosted", crypto]),
    .target(name: "CControl", path: "Sources/Guests/CControl"),
    room("Guests", "ControlAgent", ["ControlFrames", "PolicyAuthority"]),
    wholeGuest(
        "casemate-agent", ["CControl", "ControlFrames", "ControlAgent", "PolicyAuthority"]),
]

let control: [Target] = [
    room("Control", "SystemImage", ["Digests", "ControlFrames", "SystemManifest"]),
    room(
        "Control", "VirtualHardware",
        ["Digests", "ControlFrames", "TPMStructures", "SystemImage"]),
    .executableTarget(
        name: "casemate",
        dependencies: [
            "SecurityLattice", "Digests", "EventLog", "ControlFrames", "BootArena",
            "SystemManifest", "PolicyDatabase", "FlowCertificate", "ReferenceMonitor",
            "PolicySyntax", "PolicySemantics", "PolicyChecks", "PolicyDatabaseModel",
            "PolicyCompiler", "KernelPolicyLanguage", "CommonIntermediateLanguage",
            "PolicyAnalysis", "TPMStructures", "Appraisal", "PolicyAuthority", "VerifierState",
            "TPMSoftwareStack", "SystemImage", "VirtualHardware", argumentParser,
        ],
        // With Swift's library inside it starts in half the time. No test may depend on it: what is
        // linked for it would be linked for the tests.
        path: "Sources/Control/casemate", swiftSettings: strict,
        linkerSettings: [
            .unsafeFlags(["-static-stdlib"]), .linkedLibrary("_FoundationCollections"),
            .linkedLibrary("_FoundationCShims"), .linkedLibrary("swiftSynchronization"),
        ]),
]

let storeDaemon: [Target] = [
    .systemLibrary(name: "CEpoll", path: "Sources/Control/CEpoll"),
    .systemLibrary(name: "CSELinux", path: "Sources/Control/CSELinux"),
    .executableTarget(
        name: "casemate-xenstored",
        dependencies: [
            "SecurityLattice", "Digests", "BootArena", "PolicyDatabase", "SystemManifest",
            "ReferenceMonitor", "StoreCore", "PolicyDatabaseModel", "VirtualHardware", "CEpoll",
            "CSELinux",
        ],
        path: "Sources/Control/StoreDaemon", swiftSettings: strict),
]

let measurementTests: [Target] = [
    tests("DigestsTests", ["Digests", crypto]),
    tests("EventLogTests", ["Digests", "EventLog"]),
    tests("ControlFramesTests", ["ControlFrames"]),
    .target(
        name: "AttestationTestSupport",
        dependencies: ["Digests", "TPMStructures", "Appraisal", crypto, cryptoExtras],
        path: "Tests/AttestationTestSupport", swiftSettings: strict),
    .executableTarget(
        name: "attestation-benchmark",
        dependencies: ["AttestationTestSupport", "Digests", "Appraisal"],
        path: "Tests/AttestationBenchmark", exclude: ["Kernel"], swiftSettings: strict),
    tests(
        "AttestationVectorTests",
        [
            "AttestationTestSupport", "Digests", "EventLog", "TPMStructures", "Appraisal", crypto,
            cryptoExtras,
        ] + certificates),
    tests(
        "VirtualHardwareTests",
        [
            "BootArena", "Digests", "EventLog", "ControlFrames", "TPMDevice", "TPMStructures",
            "TPMSoftwareStack", "Appraisal", "VirtualHardware", "ControlAgent", "PolicyAuthority",
        ]),
    tests(
        "PolicyAuthorityTests",
        ["CompilerTestSupport", "Digests", "SystemManifest", "PolicyCompiler", "PolicyAuthority"]),
    tests(
        "ControlAgentTests",
        [
            "CompilerTestSupport", "ControlFrames", "PolicyAuthority", "PolicyCompiler",
            "ControlAgent",
        ]),
    tests("TPMDeviceTests", ["Digests", "EventLog", "BootArena", "TPMDevice"]),
    tests("VerifierStateTests", ["VerifierState"]),
]

let policyTests: [Target] = [
    .target(
        name: "CompilerTestSupport",
        dependencies: [
            "TestSupport", "Digests", "BootArena", "PolicyDatabase", "SystemManifest",
            "ReferenceMonitor", "PolicySyntax", "PolicySemantics", "PolicyChecks", "PolicyCompiler",
            "PolicyDatabaseModel",
        ],
        path: "Tests/CompilerTestSupport", swiftSettings: strict),
    .executableTarget(
        name: "policy-benchmark", dependencies: ["CompilerTestSupport", "PolicyDatabaseModel"],
        path: "Tests/Benchmark", exclude: ["Peers"], swiftSettings: strict),
    tests("BootArenaTests", ["BootArena"]),
    tests(
        "PolicyDatabaseTests",
        [
            "CompilerTestSupport", "SecurityLattice", "PolicyDatabase", "PolicyDatabaseModel",
            "PolicySemantics", "PolicyChecks", "PolicyCompiler",
        ]),
    tests(
        "KernelPolicyLanguageTests",
        ["CompilerTestSupport", "KernelPolicyLanguage", "PolicyDatabaseModel"]),
    tests(
        "CommonIntermediateLanguageTests",
        [
            "CompilerTestSupport", "CommonIntermediateLanguage", "KernelPolicyLanguage",
            "PolicyDatabaseModel",
        ]),
    tests(
        "PolicyAnalysisTests",
        ["PolicyAnalysis", "KernelPolicyLanguage", "PolicyDatabaseModel"]),
    tests(
        "PolicyCompilerTests",
        [
            "CompilerTestSupport", "PolicyDatabase", "PolicyDatabaseModel", "PolicySyntax",
            "PolicySemantics", "PolicyChecks", "PolicyCompiler", "SecurityModel", "SystemManifest",
        ]),
    .testTarget(
        name: "PolicyFileTests",
        dependencies: [
            "TestSupport", "CompilerTestSupport", "PolicyDatabaseModel", "PolicyCompiler",
        ],
        path: "Tests/PolicyFileTests", exclude: ["Policies"], swiftSettings: strict),
    tests(
        "FlowCertificateTests",
        [
            "CompilerTestSupport", "SecurityLattice", "FlowCertificate", "PolicySyntax",
            "PolicySemantics", "PolicyChecks", "PolicyCompiler",
        ]),
    tests(
        "SystemManifestTests",
        [
            "CompilerTestSupport", "Digests", "SecurityLattice", "PolicyDatabase",
            "SystemManifest", "PolicyCompiler",
        ]),
    tests(
        "ReferenceMonitorTests",
        [
            "CompilerTestSupport", "Digests", "SecurityLattice", "BootArena", "PolicyDatabase",
            "PolicyDatabaseModel", "SystemManifest", "FlowCertificate", "ReferenceMonitor",
            "PolicySemantics", "PolicyChecks", "PolicyCompiler",
        ]),
    tests("SystemImageTests", ["Digests", "HypervisorCore", "SystemImage"]),
    .systemLibrary(name: "CSepol", path: "Tests/CSepol"),
    .executableTarget(
        name: "policy-judge", path: "Tests/PolicyJudge", exclude: ["fetch-policies"],
        publicHeadersPath: ".", linkerSettings: [.linkedLibrary(":libsepol.a")]),
    tests("PolicyDecisionTests", ["PolicyAnalysis", "PolicyDatabaseModel"]),
    tests(
        "DifferentialTests",
        [
            "CompilerTestSupport", "CSepol", "SecurityLattice", "BootArena", "PolicyDatabase",
            "PolicyDatabaseModel", "ReferenceMonitor", "PolicySyntax", "PolicySemantics",
            "PolicyChecks", "PolicyCompiler", "SecurityModel",
        ]),
]

/// What `Tests/fuzz` builds with counters and runs; in an ordinary build it only says so.
let fuzzing: [Target] = [
    .target(name: "CCoverage", path: "Tests/CCoverage"),
    .executableTarget(
        name: "decoder-fuzzer",
        dependencies: [
            "CCoverage", "TestSupport", "CompilerTestSupport", "PolicyDatabase", "SystemManifest",
            "FlowCertificate", "SecurityLattice", "ControlFrames", "Digests", "EventLog",
            "TPMStructures", "PolicySyntax", "PolicySemantics", "PolicyChecks",
            "PolicyDatabaseModel", "PolicyCompiler", "KernelPolicyLanguage",
            "CommonIntermediateLanguage", "PolicyAnalysis",
        ],
        path: "Tests/DecoderFuzzer", exclude: ["Corpus"], swiftSettings: strict),
]

let serviceTests: [Target] = [
    tests(
        "StoreCoreTests",
        [
            "CompilerTestSupport", "BootArena", "PolicyDatabase", "SystemManifest",
            "ReferenceMonitor", "StoreCore", "PolicyCompiler",
        ]),
    tests(
        "StoreServiceTests",
        [
            "CompilerTestSupport", "BootArena", "GuestRuntime", "PolicyChecks", "PolicyCompiler",
            "PolicyDatabase", "PolicyDatabaseModel", "PolicySemantics", "ReferenceMonitor",
            "StoreCore", "StoreService", "SystemManifest",
        ]),
    tests(
        "ConsoleServiceTests",
        [
            "CompilerTestSupport", "BootArena", "ConsoleService", "GuestRuntime", "PolicyCompiler",
            "PolicyDatabase", "SystemManifest",
        ]),
    tests(
        "TPMServiceTests",
        [
            "CompilerTestSupport", "BootArena", "GuestRuntime", "PolicyCompiler",
            "PolicyDatabase", "SystemManifest", "TPMService",
        ]),
    .testTarget(
        name: "StoreDaemonTests",
        dependencies: [
            "TestSupport", "CompilerTestSupport", "Digests", "PolicyDatabase",
            "PolicyDatabaseModel", "PolicyCompiler", "StoreCore", "SystemManifest",
            "VirtualHardware", "casemate-xenstored",
        ],
        path: "Tests/StoreDaemonTests", swiftSettings: strict),
    tests("StoreReferenceTests", ["BootArena", "StoreCore", "VirtualHardware"]),
    .executableTarget(
        name: "store-benchmark",
        dependencies: ["CompilerTestSupport", "PolicyCompiler", "VirtualHardware"],
        path: "Tests/StoreBenchmark",
        exclude: ["run"],
        swiftSettings: strict),
]

let moduleTests = measurementTests + policyTests + fuzzing + serviceTests

let package = Package(
    name: "Casemate",
    products: [
        .executable(name: "casemate", targets: ["casemate"]),
        .executable(name: "casemate-xenstored", targets: ["casemate-xenstored"]),
        .executable(name: "Hypervisor", targets: ["Hypervisor"]),
        .executable(name: "StoreService", targets: ["StoreService"]),
        .executable(name: "ConsoleService", targets: ["ConsoleService"]),
        .executable(name: "TPMService", targets: ["TPMService"]),
        .executable(name: "channel-demo", targets: ["channel-demo"]),
        .executable(name: "casemate-agent", targets: ["casemate-agent"]),
        .executable(name: "guard-demo", targets: ["guard-demo"]),
        .executable(name: "crypto-gateway", targets: ["crypto-gateway"]),
        .executable(name: "decoder-fuzzer", targets: ["decoder-fuzzer"]),
        .executable(name: "policy-benchmark", targets: ["policy-benchmark"]),
        .executable(name: "attestation-benchmark", targets: ["attestation-benchmark"]),
        .executable(name: "hypervisor-benchmark", targets: ["hypervisor-benchmark"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-asn1", exact: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", exact: "1.21.1"),
    ],
    targets: freestandingRooms + compiler + attestation + guests + control + storeDaemon
        + moduleTests + [
            .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
            tests("SecurityLatticeTests", ["SecurityLattice"]),
            tests(
                "CommandTests",
                [
                    "AttestationTestSupport", "Appraisal", "ControlFrames", "Digests", "EventLog",
                    "TPMStructures", crypto,
                ]),
            tests("PolicySyntaxTests", ["PolicySyntax"]),
            tests("PolicySemanticsTests", ["SecurityLattice", "PolicySyntax", "PolicySemantics"]),
            tests(
                "PolicyChecksTests",
                ["SecurityLattice", "PolicySyntax", "PolicySemantics", "PolicyChecks"]),
            tests(
                "PolicyConformanceTests",
                ["SystemManifest", "PolicySyntax", "PolicySemantics", "PolicyChecks"]),
            tests("RepositoryTests", []),
            tests("ImageToolTests", []),
            tests("GuestProgramTests", []),
            tests("HypervisorCoreTests", ["CXen", "HypervisorCore"]),
            .executableTarget(
                name: "hypervisor-benchmark",
                dependencies: ["TestSupport", "ControlFrames", "VirtualHardware"],
                path: "Tests/HypervisorBenchmark", exclude: ["Guests", "Stock", "run"],
                swiftSettings: strict),
            tests(
                "HypervisorBootTests",
                [
                    "CompilerTestSupport", "Digests", "ControlFrames", "EventLog", "PolicyCompiler",
                    "PolicyAuthority", "SystemManifest", "VirtualHardware",
                ]),
            tests(
                "HypervisorSimulationTests",
                [
                    "CompilerTestSupport", "Digests", "BootArena", "PolicyDatabase",
                    "SystemManifest", "ReferenceMonitor", "HypervisorCore", "PolicyChecks",
                    "PolicySemantics",
                    "PolicyDatabaseModel", "PolicyCompiler",
                ]),
        ]
)
