/// Leaks to plant into the smaller systems, each with the rule that must find it and the chain that
/// this rule must show. Those of the guard stand in `LeakTests`.
enum SystemLeaks {
    /// Both compartments of `minimal` use a store.
    private static let bothUseStore = [
        (
            """
                vcpus 1
            }
            """,
            """
                vcpus 1
                uses store
            }
            """
        ),
        (
            """
                vcpus 2
            }
            """,
            """
                vcpus 2
                uses store
            }
            """
        ),
    ]

    static let minimal = [
        Leak(
            system: "minimal", what: "the readings go both ways",
            replacing: [
                ("sensor -> collector signal", "sensor <-> collector signal")
            ],
            code: "POL-FLW-003", path: ["readings"]),
        Leak(
            system: "minimal", what: "the sensor with a high label, and a way down",
            replacing: [
                ("compartment sensor at unclassified", "compartment sensor at secret"),
                ("compartment collector at secret", "compartment collector at unclassified"),
            ],
            code: "POL-FLW-003", path: ["readings"]),
        Leak(
            system: "minimal", what: "a spy between the two",
            adding: """
                compartment spy at secret {
                    kernel debian
                    memory 64 MiB
                    vcpus 1
                }
                channel tap: collector -> spy signal
                channel drop: spy -> sensor signal
                """,
            code: "POL-FLW-003", path: ["tap", "drop"]),
        Leak(
            system: "minimal", what: "a relay of both levels",
            adding: """
                compartment relay at unclassified..secret {
                    kernel debian
                    memory 64 MiB
                    vcpus 1
                }
                channel up: collector -> relay signal
                channel down: relay -> sensor signal
                """,
            code: "POL-FLW-002", path: ["up", "down"]),
        Leak(
            system: "minimal", what: "a relay that is exempt",
            adding: """
                compartment relay at unclassified..secret {
                    kernel debian
                    memory 64 MiB
                    vcpus 1
                }
                channel up: collector -> relay signal
                channel down: relay -> sensor signal
                exempt relay up -> down reason "it is short"
                """,
            code: "POL-FLW-003", path: ["up", "down"]),
        Leak(
            system: "minimal", what: "a second reader below",
            adding: """
                compartment display at unclassified {
                    kernel debian
                    memory 64 MiB
                    vcpus 1
                }
                channel shown: collector -> display signal
                """,
            code: "POL-FLW-003", path: ["shown"]),
        Leak(
            system: "minimal", what: "a store that joins them",
            replacing: bothUseStore,
            adding: """
                service store at unclassified..secret {
                    kernel debian
                    memory 64 MiB
                    vcpus 1
                }
                exempt store collector.store -> sensor.store reason "faster"
                """,
            code: "POL-FLW-003", path: ["collector.store", "sensor.store"]),
        Leak(
            system: "minimal", what: "a store without exemptions",
            replacing: bothUseStore,
            adding: """
                service store at unclassified..secret {
                    kernel debian
                    memory 64 MiB
                    vcpus 1
                }
                """,
            code: "POL-FLW-001", path: []),
        Leak(
            system: "minimal", what: "a lower label of the collector, which knew more",
            replacing: [
                ("compartment collector at secret", "compartment collector at unclassified")
            ],
            adding: """
                compartment vault at secret {
                    kernel debian
                    memory 64 MiB
                    vcpus 1
                }
                channel keys: vault -> collector signal
                """,
            code: "POL-FLW-003", path: ["keys"]),
        Leak(
            system: "minimal", what: "a back channel of bulk data",
            adding: "channel bulk: collector -> sensor ring 4 pages",
            code: "POL-FLW-003", path: ["bulk"]),
    ]

    static let tenants = [
        Leak(
            system: "tenants", what: "a broker between the shops",
            adding: "channel gossip: amber_shop -> birch_shop signal",
            code: "POL-CFL-001", path: ["amber_orders", "gossip", "birch_orders"]),
        Leak(
            system: "tenants", what: "the books side by side",
            adding: "channel ledger: amber_books <-> birch_books ring 1 pages",
            code: "POL-FLW-003", path: ["amber_orders", "ledger"]),
        Leak(
            system: "tenants", what: "the audit trail answers",
            replacing: [
                (
                    "each(compartment at customer) -> audit",
                    "each(compartment at customer) <-> audit"
                )
            ],
            code: "POL-CFL-001", path: ["meter_amber_shop", "meter_birch_shop"]),
        Leak(
            system: "tenants", what: "the audit trail answers, exempt",
            adding: """
                channel bill: audit -> birch_shop signal
                exempt audit meter_amber_shop -> bill reason "an invoice"
                """,
            code: "POL-FLW-003", path: ["meter_amber_shop", "bill", "birch_orders"]),
        Leak(
            system: "tenants", what: "the store without amber's exemption",
            replacing: [
                (
                    "exempt store amber_shop.store -> amber_shop.store "
                        + "reason \"each sees what it wrote\"\n",
                    ""
                )
            ],
            code: "POL-FLW-001", path: []),
        Leak(
            system: "tenants", what: "a wider range of amber's books",
            replacing: [
                (
                    "compartment amber_books at customer:amber",
                    "compartment amber_books at customer:amber..customer:amber,birch"
                )
            ],
            adding: "channel peek: birch_books -> amber_books signal",
            code: "POL-CFL-001", path: ["peek"]),
        Leak(
            system: "tenants", what: "birch's shop asks the mirror",
            adding: "channel ask: birch_shop -> mirror signal",
            code: "POL-FLW-003", path: ["ask", "amber_updates"]),
        Leak(
            system: "tenants", what: "a subtree that both write",
            adding: """
                store shared "/shared" {
                    owner amber_shop
                    readers birch_shop
                    quota 4 nodes
                }
                """,
            code: "POL-CFL-001", path: ["shared"]),
        Leak(
            system: "tenants", what: "somebody may load a policy",
            replacing: [
                (
                    """
                    compartment mirror at open {
                        kernel debian
                    """,
                    """
                    compartment mirror at open {
                        kernel debian
                        may load policy
                    """
                )
            ],
            code: "POL-ADM-001", path: []),
        Leak(
            system: "tenants", what: "the exemption of birch leads to amber",
            replacing: [
                (
                    "exempt store birch_shop.store -> birch_shop.store",
                    "exempt store birch_shop.store -> amber_shop.store"
                )
            ],
            code: "POL-CFL-001", path: ["birch_shop.store", "amber_shop.store"]),
    ]

    static let factory = [
        Leak(
            system: "factory", what: "the checker without its exemption for the sensors",
            replacing: [
                (
                    "exempt checker readings -> approved "
                        + "reason \"plausible within bounds, hazard analysis 7.2\"\n",
                    ""
                )
            ],
            code: "POL-INT-005", path: ["readings", "approved"]),
        Leak(
            system: "factory", what: "the checker without its exemption for the engineer",
            replacing: [
                (
                    "exempt checker set_points -> approved "
                        + "reason \"within bounds, signed, hazard analysis 7.3\"\n",
                    ""
                )
            ],
            code: "POL-INT-005", path: ["set_points", "approved"]),
        Leak(
            system: "factory", what: "the historian sets points",
            adding: "channel tune: historian -> checker signal",
            code: "POL-INT-005", path: ["alarms", "tune", "approved"]),
        Leak(
            system: "factory", what: "the historian sets points, exempt",
            adding: """
                channel tune: historian -> checker signal
                exempt checker tune -> approved reason "remote maintenance"
                """,
            code: "POL-FLW-003", path: ["tune"]),
        Leak(
            system: "factory", what: "the state goes both ways",
            replacing: [
                (
                    "channel state: controller -> historian",
                    "channel state: controller <-> historian"
                )
            ],
            code: "POL-INT-005", path: ["alarms", "state"]),
        Leak(
            system: "factory", what: "less integrity of the checker",
            replacing: [
                (
                    "compartment checker at plant integrity safety",
                    "compartment checker at plant integrity checked"
                )
            ],
            code: "POL-INT-005", path: ["set_points", "approved"]),
        Leak(
            system: "factory", what: "more integrity of the sensors",
            replacing: [
                (
                    "compartment sensors at plant integrity reported",
                    "compartment sensors at plant integrity checked"
                )
            ],
            adding: "channel wire: sensors -> controller signal",
            code: "POL-FLW-003", path: ["wire"]),
        Leak(
            system: "factory", what: "a debugger in the safety domain",
            adding: """
                compartment debugger at plant integrity reported {
                    kernel debian
                    memory 64 MiB
                    vcpus 1
                    schedule fixed slot 1 ms
                }
                channel probe: debugger -> controller signal
                """,
            code: "POL-INT-005", path: ["probe", "shown", "set_points"]),
        Leak(
            system: "factory", what: "a drive with two owners",
            adding: """
                device spare {
                    owner sensors
                    irq 11
                }
                """,
            code: "POL-DEV-001", path: []),
        Leak(
            system: "factory", what: "the engineer may relabel",
            replacing: [
                (
                    "    initrd \"engineer.cpio\"",
                    """
                        initrd "engineer.cpio"
                        may relabel
                    """
                )
            ],
            code: "POL-ADM-001", path: []),
        Leak(
            system: "factory", what: "the office writes the engineer's notes",
            adding: "channel notes: historian -> engineer ring 1 pages",
            code: "POL-FLW-003", path: ["notes"]),
    ]

    static let workstation = [
        Leak(
            system: "workstation", what: "the vault asks the browser",
            adding: "channel look: vault -> browser signal",
            code: "POL-FLW-003", path: ["vault_disk", "look", "uplink"]),
        Leak(
            system: "workstation", what: "the two drivers share a cable",
            adding: "channel cable: disk_driver -> net_driver net",
            code: "POL-FLW-003", path: ["cable"]),
        Leak(
            system: "workstation", what: "downloads go both ways",
            replacing: [
                ("channel downloads: browser -> office", "channel downloads: browser <-> office")
            ],
            code: "POL-FLW-005", path: ["downloads"]),
        Leak(
            system: "workstation", what: "the releaser takes from the vault",
            adding: """
                channel vault_release: vault -> releaser ring 4 pages
                exempt releaser vault_release -> released reason "a person looks"
                """,
            code: "POL-FLW-003", path: ["vault_release", "released"]),
        Leak(
            system: "workstation", what: "the releaser without its exemption",
            replacing: [
                (
                    "exempt releaser release_request -> released "
                        + "reason \"a person looks at each picture\"\n",
                    ""
                )
            ],
            code: "POL-FLW-001", path: []),
        Leak(
            system: "workstation", what: "the releaser's exemption moved to a new way out",
            replacing: [
                (
                    "exempt releaser release_request -> released",
                    "exempt releaser release_request -> quick"
                )
            ],
            adding: "channel quick: releaser -> net_driver signal",
            code: "POL-FLW-001", path: []),
        Leak(
            system: "workstation", what: "a browser with a wider range",
            replacing: [
                ("compartment browser at public", "compartment browser at public..internal")
            ],
            code: "POL-FLW-005", path: ["office_window", "browser_window"]),
        Leak(
            system: "workstation", what: "the office with a lower label",
            replacing: [
                ("compartment office at internal", "compartment office at public")
            ],
            code: "POL-FLW-005", path: ["office_window", "browser_window"]),
        Leak(
            system: "workstation", what: "the office's own cable",
            adding: "channel direct: office -> net_driver net",
            code: "POL-FLW-005", path: ["direct", "uplink"]),
        Leak(
            system: "workstation", what: "the net driver may load a policy",
            replacing: [
                (
                    "    initrd \"network.cpio\"",
                    """
                        initrd "network.cpio"
                        may load policy
                    """
                )
            ],
            code: "POL-ADM-001", path: []),
        Leak(
            system: "workstation", what: "the vault types into the browser",
            replacing: [
                (
                    "exempt screen browser_window -> browser_window",
                    "exempt screen vault_window -> browser_window"
                )
            ],
            code: "POL-FLW-003", path: ["vault_window", "browser_window"]),
    ]
}
