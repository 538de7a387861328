public import PolicyDatabase

/// Every operation that the hypervisor knows. What is not here does not exist for a guest.
///
/// The rows are those of `docs/abi/hypercalls.md`, in its order.
public enum HypercallOperation: Equatable {
    case version, features, extraVersion
    case addToPhysmap, memoryMap
    case setParameter, getParameter
    case registerVCPUInfo, registerRunstateArea, isUp, vmAssist
    case setSingleshotTimer, stopSingleshotTimer, stopPeriodicTimer, setTimer
    case yield, block, poll, shutdown
    case consoleWrite, consoleRead
    case bindVIRQ, bindIPI, close, unmask, bindVCPU
    case allocUnbound, bindInterdomain, send, status
    case initControl, expandArray, setPriority
    case mapGrant, unmapGrant, copyGrant
    case setUpGrantTable, queryGrantSize, setGrantVersion
    case domainControl, accessQuery, readRecords, loadPolicy, listRevoked, readManifest

    /// The numbers of Xen's public `xen.h` (`__HYPERVISOR_…`) and of each call's own header.
    ///
    /// - Parameters:
    ///   - call: the hypercall's number, from RAX.
    ///   - subOperation: the first argument, which names the sub-operation where there are any; for
    ///     `xsm_op` the command that the structure begins with.
    /// - Returns: nil for every operation that the hypervisor does not know.
    public static func decode(call: UInt64, subOperation: UInt64) -> HypercallOperation? {
        switch call {
        case 12: subOperation == 7 ? .addToPhysmap : subOperation == 9 ? .memoryMap : nil
        case 15: .setTimer
        case 17: versionOperation(subOperation)
        case 18: subOperation == 0 ? .consoleWrite : subOperation == 1 ? .consoleRead : nil
        case 20: grantOperation(subOperation)
        case 21: .vmAssist
        case 24: vcpuOperation(subOperation)
        case 27: securityOperation(subOperation)
        case 29: scheduleOperation(subOperation)
        case 32: eventChannelOperation(subOperation)
        case 34: hvmOperation(subOperation)
        case 35: .readRecords
        case 36: .domainControl
        default: nil
        }
    }

    private static func securityOperation(_ number: UInt64) -> HypercallOperation? {
        switch number {
        case 1: .loadPolicy
        case 6: .accessQuery
        case 0x4353_4d01: .listRevoked
        case 0x4353_4d02: .readManifest
        default: nil
        }
    }

    private static func versionOperation(_ number: UInt64) -> HypercallOperation? {
        switch number {
        case 0: .version
        case 1: .extraVersion
        case 6: .features
        default: nil
        }
    }

    private static func grantOperation(_ number: UInt64) -> HypercallOperation? {
        switch number {
        case 0: .mapGrant
        case 1: .unmapGrant
        case 2: .setUpGrantTable
        case 5: .copyGrant
        case 6: .queryGrantSize
        case 8: .setGrantVersion
        default: nil
        }
    }

    private static func vcpuOperation(_ number: UInt64) -> HypercallOperation? {
        switch number {
        case 3: .isUp
        case 5: .registerRunstateArea
        case 7: .stopPeriodicTimer
        case 8: .setSingleshotTimer
        case 9: .stopSingleshotTimer
        case 10: .registerVCPUInfo
        default: nil
        }
    }

    private static func scheduleOperation(_ number: UInt64) -> HypercallOperation? {
        switch number {
        case 0: .yield
        case 1: .block
        case 2: .shutdown
        case 3: .poll
        default: nil
        }
    }

    private static func eventChannelOperation(_ number: UInt64) -> HypercallOperation? {
        switch number {
        case 0: .bindInterdomain
        case 1: .bindVIRQ
        case 3: .close
        case 4: .send
        case 5: .status
        case 6: .allocUnbound
        case 7: .bindIPI
        case 8: .bindVCPU
        case 9: .unmask
        case 11: .initControl
        case 12: .expandArray
        case 13: .setPriority
        default: nil
        }
    }

    private static func hvmOperation(_ number: UInt64) -> HypercallOperation? {
        switch number {
        case 0: .setParameter
        case 1: .getParameter
        default: nil
        }
    }

    /// Whether 32-bit code can ask for it: its structures have the same layout there, or one that
    /// is read. The others have pointers in them that nobody who is that narrow needs.
    var isForNarrow: Bool {
        switch self {
        case .copyGrant, .setUpGrantTable, .registerRunstateArea, .domainControl, .accessQuery,
            .readRecords, .loadPolicy, .listRevoked, .readManifest:
            false
        default: true
        }
    }

    /// What the policy must permit before the operation looks at anything.
    public enum Requirement: Equatable {
        /// On the caller's own label.
        case onSelf(Permission)
        /// On the hypervisor's label.
        case onHypervisor(Permission)
        /// Decided by the event channel's label, once the arguments are decoded.
        case onEventChannel
        /// Decided by the labels of the two domains, for each request once it is decoded.
        case onGrant
        /// Decided by the label of the domain that is asked about, once the arguments are decoded.
        case onDomain
        /// On the label of the policy itself, the initial SID `security`.
        case onPolicy(Permission)
    }

    /// The operation's row.
    public var requirement: Requirement {
        switch self {
        case .version, .features: .onHypervisor(HypercallPermission.version)
        case .extraVersion: .onHypervisor(VersionPermission.xenExtraversion)
        case .addToPhysmap: .onSelf(MMUPermission.physmap)
        case .memoryMap: .onSelf(MMUPermission.memorymap)
        case .setParameter: .onSelf(HVMPermission.setparam)
        case .getParameter: .onSelf(HVMPermission.getparam)
        case .registerVCPUInfo, .registerRunstateArea, .isUp, .vmAssist:
            .onSelf(HypercallPermission.vcpu)
        case .setSingleshotTimer, .stopSingleshotTimer, .stopPeriodicTimer, .setTimer:
            .onSelf(HypercallPermission.timer)
        case .yield, .block, .poll: .onSelf(HypercallPermission.schedule)
        case .shutdown: .onSelf(DomainPermission.shutdown)
        case .consoleWrite: .onHypervisor(XenPermission.writeconsole)
        case .consoleRead: .onHypervisor(XenPermission.readconsole)
        case .bindVIRQ: .onSelf(HypercallPermission.virq)
        case .bindIPI: .onSelf(HypercallPermission.ipi)
        case .close, .unmask, .bindVCPU, .initControl, .expandArray, .setPriority:
            .onSelf(HypercallPermission.port)
        case .allocUnbound, .bindInterdomain, .send, .status: .onEventChannel
        case .mapGrant, .unmapGrant, .copyGrant: .onGrant
        case .domainControl: .onDomain
        case .accessQuery, .readManifest: .onHypervisor(SecurityPermission.computeAv)
        case .readRecords: .onHypervisor(XenPermission.clearconsole)
        case .loadPolicy, .listRevoked: .onPolicy(SecurityPermission.loadPolicy)
        case .queryGrantSize: .onSelf(GrantPermission.query)
        case .setUpGrantTable, .setGrantVersion: .onSelf(GrantPermission.setup)
        }
    }

    /// The operation's C name, for audit records.
    public var name: StaticString {
        switch self {
        case .version: "XENVER_version"
        case .features: "XENVER_get_features"
        case .extraVersion: "XENVER_extraversion"
        case .addToPhysmap: "XENMEM_add_to_physmap"
        case .memoryMap: "XENMEM_memory_map"
        case .setParameter: "HVMOP_set_param"
        case .getParameter: "HVMOP_get_param"
        case .registerVCPUInfo: "VCPUOP_register_vcpu_info"
        case .registerRunstateArea: "VCPUOP_register_runstate_memory_area"
        case .isUp: "VCPUOP_is_up"
        case .vmAssist: "vm_assist"
        case .setSingleshotTimer: "VCPUOP_set_singleshot_timer"
        case .stopSingleshotTimer: "VCPUOP_stop_singleshot_timer"
        case .stopPeriodicTimer: "VCPUOP_stop_periodic_timer"
        case .setTimer: "set_timer_op"
        case .yield: "SCHEDOP_yield"
        case .block: "SCHEDOP_block"
        case .poll: "SCHEDOP_poll"
        case .shutdown: "SCHEDOP_shutdown"
        case .consoleWrite: "CONSOLEIO_write"
        case .consoleRead: "CONSOLEIO_read"
        case .bindVIRQ: "EVTCHNOP_bind_virq"
        case .bindIPI: "EVTCHNOP_bind_ipi"
        case .close: "EVTCHNOP_close"
        case .unmask: "EVTCHNOP_unmask"
        case .bindVCPU: "EVTCHNOP_bind_vcpu"
        case .allocUnbound: "EVTCHNOP_alloc_unbound"
        case .bindInterdomain: "EVTCHNOP_bind_interdomain"
        case .send: "EVTCHNOP_send"
        case .status: "EVTCHNOP_status"
        case .initControl: "EVTCHNOP_init_control"
        case .expandArray: "EVTCHNOP_expand_array"
        case .setPriority: "EVTCHNOP_set_priority"
        case .mapGrant: "GNTTABOP_map_grant_ref"
        case .unmapGrant: "GNTTABOP_unmap_grant_ref"
        case .copyGrant: "GNTTABOP_copy"
        case .setUpGrantTable: "GNTTABOP_setup_table"
        case .queryGrantSize: "GNTTABOP_query_size"
        case .setGrantVersion: "GNTTABOP_set_version"
        case .domainControl: "XEN_DOMCTL_getdomaininfo"
        case .readRecords: "XEN_SYSCTL_readconsole"
        case .accessQuery: "FLASK_ACCESS"
        case .loadPolicy: "FLASK_LOAD"
        case .listRevoked: "CASEMATE_REVOKED"
        case .readManifest: "CASEMATE_MANIFEST"
        }
    }
}

/// A hypercall as the guest's registers state it.
public struct HypercallRequest: BitwiseCopyable {
    /// RAX: which call.
    public let call: UInt64
    /// RDI, RSI, RDX, R10: its arguments; of 32-bit code EBX, ECX, EDX, ESI.
    public let arguments: InlineArray<4, UInt64>
    /// Whether 32-bit code makes it: structures then have pointers and `long`s of 4 bytes.
    public let isNarrow: Bool

    /// Makes a request.
    public init(call: UInt64, arguments: InlineArray<4, UInt64>, isNarrow: Bool = false) {
        self.call = call
        self.arguments = arguments
        self.isNarrow = isNarrow
    }
}

/// How a hypercall ended.
public enum HypercallResult: BitwiseCopyable, Equatable {
    /// It is done; this goes to RAX.
    case finished(Int64)
    /// A part of it is done, and the guest may be interrupted now. The guest makes the same call
    /// again, with these as second and third argument.
    case unfinished(second: UInt64, third: UInt64)
}
