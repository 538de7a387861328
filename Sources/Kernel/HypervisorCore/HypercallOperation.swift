public import PolicyDatabase

/// Every operation that the hypervisor knows. What is not here does not exist for a guest.
///
/// The value is the call's number, as Xen's public `xen.h` has it (`__HYPERVISOR_…`), and in the
/// low byte the sub-operation's, as the call's own header has it; of `xsm_op`, whose structure
/// begins with the command, Casemate's own commands (`0x43534d…`) have bit 7.
public enum HypercallOperation: UInt16 {
    case addToPhysmap = 0x0c07, memoryMap = 0x0c09
    case setTimer = 0x0f00
    case version = 0x1100, extraVersion = 0x1101, features = 0x1106
    case consoleWrite = 0x1200, consoleRead = 0x1201
    case mapGrant = 0x1400, unmapGrant = 0x1401, setUpGrantTable = 0x1402, copyGrant = 0x1405
    case queryGrantSize = 0x1406, setGrantVersion = 0x1408
    case vmAssist = 0x1500
    case isUp = 0x1803, registerRunstateArea = 0x1805, stopPeriodicTimer = 0x1807
    case setSingleshotTimer = 0x1808, stopSingleshotTimer = 0x1809, registerVCPUInfo = 0x180a
    case loadPolicy = 0x1b01, accessQuery = 0x1b06, listRevoked = 0x1b81, readManifest = 0x1b82
    case orderTPM = 0x1b83, readLog = 0x1b84
    case yield = 0x1d00, block = 0x1d01, shutdown = 0x1d02, poll = 0x1d03
    case bindInterdomain = 0x2000, bindVIRQ = 0x2001, bindPIRQ = 0x2002, close = 0x2003, send =
        0x2004
    case status = 0x2005, allocUnbound = 0x2006, bindIPI = 0x2007, bindVCPU = 0x2008
    case unmask = 0x2009, initControl = 0x200b, expandArray = 0x200c, setPriority = 0x200d
    case queryPIRQ = 0x2105, endPIRQ = 0x210c, mapPIRQ = 0x210d
    case setParameter = 0x2200, getParameter = 0x2201
    case readRecords = 0x2300, domainControl = 0x2400

    /// Finds the operation of a call.
    ///
    /// - Parameters:
    ///   - call: the hypercall's number, from RAX.
    ///   - subOperation: the first argument, which names the sub-operation where there are any; for
    ///     `xsm_op` the command that the structure begins with.
    /// - Returns: nil for every operation that the hypervisor does not know.
    public static func decode(call: UInt64, subOperation: UInt64) -> HypercallOperation? {
        guard call < 64 else { return nil }
        var number = subOperation
        switch call {
        // `set_timer_op`, `vm_assist`, `sysctl` and `domctl` name none here.
        case 15, 21, 35, 36: number = 0
        case 27 where number >> 7 == 0x4353_4d00 >> 7: number = number & 0x7f | 0x80
        case 27 where number >= 0x80: return nil
        default: break
        }
        guard number < 256 else { return nil }
        return HypercallOperation(rawValue: UInt16(call << 8 | number))
    }

    /// Whether 32-bit code can ask for it: its structures have the same layout there, or one that
    /// is read. The others have pointers in them that nobody who is that narrow needs.
    var isForNarrow: Bool {
        switch self {
        case .copyGrant, .setUpGrantTable, .registerRunstateArea, .domainControl, .accessQuery,
            .readRecords, .loadPolicy, .listRevoked, .readManifest, .orderTPM, .readLog:
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
        /// Decided by the label of the device's range, once the arguments are decoded.
        case onDevice
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
        case .bindPIRQ, .mapPIRQ, .queryPIRQ, .endPIRQ: .onDevice
        case .accessQuery, .readManifest: .onHypervisor(SecurityPermission.computeAv)
        case .readRecords: .onHypervisor(XenPermission.clearconsole)
        case .orderTPM: .onHypervisor(XenPermission.firmware)
        case .readLog: .onHypervisor(XenPermission.physinfo)
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
        case .bindPIRQ: "EVTCHNOP_bind_pirq"
        case .mapPIRQ: "PHYSDEVOP_map_pirq"
        case .queryPIRQ: "PHYSDEVOP_irq_status_query"
        case .endPIRQ: "PHYSDEVOP_eoi"
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
        case .orderTPM: "CASEMATE_TPM"
        case .readLog: "CASEMATE_LOG"
        }
    }
}

/// A hypercall as the guest's registers state it.
public struct HypercallRequest: BitwiseCopyable {
    /// Whether 32-bit code makes it: structures then have pointers and `long`s of 4 bytes.
    public let isNarrow: Bool
    /// RAX: which call.
    public let call: UInt64
    /// RDI, RSI, RDX, R10: its arguments; of 32-bit code EBX, ECX, EDX, ESI.
    public let arguments: InlineArray<4, UInt64>

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
