import CXen
import HypervisorCore
import Testing

/// The numbers are compared with the headers that `libxen-dev` installs.
@Suite struct HypercallOperationTests {
    private func decode(_ call: Int32, _ operation: Int32) -> HypercallOperation? {
        HypercallOperation.decode(call: UInt64(call), subOperation: UInt64(operation))
    }

    @Test("event channel operations have Xen's numbers")
    func eventChannels() {
        let call = __HYPERVISOR_event_channel_op
        #expect(decode(call, EVTCHNOP_bind_interdomain) == .bindInterdomain)
        #expect(decode(call, EVTCHNOP_bind_virq) == .bindVIRQ)
        #expect(decode(call, EVTCHNOP_close) == .close)
        #expect(decode(call, EVTCHNOP_send) == .send)
        #expect(decode(call, EVTCHNOP_status) == .status)
        #expect(decode(call, EVTCHNOP_alloc_unbound) == .allocUnbound)
        #expect(decode(call, EVTCHNOP_bind_ipi) == .bindIPI)
        #expect(decode(call, EVTCHNOP_bind_pirq) == .bindPIRQ)
        #expect(decode(call, EVTCHNOP_bind_vcpu) == .bindVCPU)
        #expect(decode(call, EVTCHNOP_unmask) == .unmask)
        #expect(decode(call, EVTCHNOP_init_control) == .initControl)
        #expect(decode(call, EVTCHNOP_expand_array) == .expandArray)
        #expect(decode(call, EVTCHNOP_set_priority) == .setPriority)
    }

    @Test("operations on interrupt lines have Xen's numbers, and structures of its layout")
    func interruptLines() {
        let call = __HYPERVISOR_physdev_op
        #expect(decode(call, PHYSDEVOP_map_pirq) == .mapPIRQ)
        #expect(decode(call, PHYSDEVOP_irq_status_query) == .queryPIRQ)
        #expect(decode(call, PHYSDEVOP_eoi) == .endPIRQ)
        #expect(MemoryLayout<physdev_map_pirq_t>.offset(of: \.type) == 4)
        #expect(MemoryLayout<physdev_map_pirq_t>.offset(of: \.index) == 8)
        #expect(MemoryLayout<physdev_map_pirq_t>.offset(of: \.pirq) == 12)
        #expect(MemoryLayout<physdev_irq_status_query_t>.offset(of: \.flags) == 4)
        #expect(MemoryLayout<physdev_eoi_t>.size == 4)
        #expect(MemoryLayout<evtchn_bind_pirq_t>.offset(of: \.port) == 8)
        #expect(MAP_PIRQ_TYPE_GSI == 1 && XENIRQSTAT_needs_eoi == 1)
        #expect(EVTCHNSTAT_pirq == 3 && XENFEAT_hvm_pirqs == 10)
    }

    @Test("the other operations have Xen's numbers")
    func others() {
        #expect(decode(__HYPERVISOR_xen_version, XENVER_version) == .version)
        #expect(decode(__HYPERVISOR_xen_version, XENVER_extraversion) == .extraVersion)
        #expect(decode(__HYPERVISOR_xen_version, XENVER_get_features) == .features)
        #expect(decode(__HYPERVISOR_memory_op, XENMEM_add_to_physmap) == .addToPhysmap)
        #expect(decode(__HYPERVISOR_memory_op, XENMEM_memory_map) == .memoryMap)
        #expect(decode(__HYPERVISOR_hvm_op, HVMOP_set_param) == .setParameter)
        #expect(decode(__HYPERVISOR_hvm_op, HVMOP_get_param) == .getParameter)
        let vcpu = __HYPERVISOR_vcpu_op
        #expect(decode(vcpu, VCPUOP_register_vcpu_info) == .registerVCPUInfo)
        #expect(decode(vcpu, VCPUOP_register_runstate_memory_area) == .registerRunstateArea)
        #expect(decode(vcpu, VCPUOP_is_up) == .isUp)
        #expect(decode(vcpu, VCPUOP_set_singleshot_timer) == .setSingleshotTimer)
        #expect(decode(vcpu, VCPUOP_stop_singleshot_timer) == .stopSingleshotTimer)
        #expect(decode(vcpu, VCPUOP_stop_periodic_timer) == .stopPeriodicTimer)
        #expect(decode(__HYPERVISOR_sched_op, SCHEDOP_yield) == .yield)
        #expect(decode(__HYPERVISOR_sched_op, SCHEDOP_block) == .block)
        #expect(decode(__HYPERVISOR_sched_op, SCHEDOP_poll) == .poll)
        #expect(decode(__HYPERVISOR_sched_op, SCHEDOP_shutdown) == .shutdown)
        #expect(decode(__HYPERVISOR_console_io, CONSOLEIO_write) == .consoleWrite)
        #expect(decode(__HYPERVISOR_console_io, CONSOLEIO_read) == .consoleRead)
        // These two name their command in the structure that they point to.
        #expect(decode(__HYPERVISOR_domctl, 0x1000) == .domainControl)
        #expect(decode(__HYPERVISOR_sysctl, 0x1000) == .readRecords)
        #expect(decode(__HYPERVISOR_xsm_op, 6) == .accessQuery)
        #expect(decode(__HYPERVISOR_xsm_op, 1) == .loadPolicy)
        #expect(decode(__HYPERVISOR_xsm_op, 0x4353_4d01) == .listRevoked)
        #expect(decode(__HYPERVISOR_xsm_op, 0x4353_4d02) == .readManifest)
        #expect(decode(__HYPERVISOR_xsm_op, 0x4353_4d03) == .orderTPM)
        #expect(decode(__HYPERVISOR_xsm_op, 0x4353_4d04) == .readLog)
        #expect(decode(__HYPERVISOR_xsm_op, 7) == nil)
        // Nothing but the whole number of a command of ours leads to it.
        for near in [0x81, 0x4353_4d81, 0x4353_4c01, 0x4353_4d00, 0x4353_4d05] as [Int32] {
            #expect(decode(__HYPERVISOR_xsm_op, near) == nil)
        }
        #expect(decode(__HYPERVISOR_set_timer_op, 77) == .setTimer)
        #expect(decode(__HYPERVISOR_vm_assist, VMASST_CMD_enable) == .vmAssist)
    }

    @Test("grant table operations have Xen's numbers")
    func grants() {
        let call = __HYPERVISOR_grant_table_op
        #expect(decode(call, GNTTABOP_map_grant_ref) == .mapGrant)
        #expect(decode(call, GNTTABOP_unmap_grant_ref) == .unmapGrant)
        #expect(decode(call, GNTTABOP_setup_table) == .setUpGrantTable)
        #expect(decode(call, GNTTABOP_copy) == .copyGrant)
        #expect(decode(call, GNTTABOP_query_size) == .queryGrantSize)
        #expect(decode(call, GNTTABOP_set_version) == .setGrantVersion)
    }

    @Test("the operations where the advisories are do not exist: transfers, versions, swaps")
    func absentGrants() {
        let call = __HYPERVISOR_grant_table_op
        #expect(decode(call, GNTTABOP_dump_table) == nil)
        #expect(decode(call, GNTTABOP_transfer) == nil)
        #expect(decode(call, GNTTABOP_unmap_and_replace) == nil)
        #expect(decode(call, GNTTABOP_get_status_frames) == nil)
        #expect(decode(call, GNTTABOP_swap_grant_ref) == nil)
        #expect(decode(call, GNTTABOP_cache_flush) == nil)
    }

    @Test("grant statuses have Xen's numbers")
    func statuses() {
        #expect(Int32(GrantStatus.okay.rawValue) == GNTST_okay)
        #expect(Int32(GrantStatus.generalError.rawValue) == GNTST_general_error)
        #expect(Int32(GrantStatus.badReference.rawValue) == GNTST_bad_gntref)
        #expect(Int32(GrantStatus.badHandle.rawValue) == GNTST_bad_handle)
        #expect(Int32(GrantStatus.badAddress.rawValue) == GNTST_bad_virt_addr)
        #expect(Int32(GrantStatus.badDeviceAddress.rawValue) == GNTST_bad_dev_addr)
        #expect(Int32(GrantStatus.noSpace.rawValue) == GNTST_no_device_space)
        #expect(Int32(GrantStatus.permissionDenied.rawValue) == GNTST_permission_denied)
        #expect(Int32(GrantStatus.badPage.rawValue) == GNTST_bad_page)
        #expect(Int32(GrantStatus.badCopyArgument.rawValue) == GNTST_bad_copy_arg)
    }

    @Test("what is not in the table does not exist")
    func unknown() {
        #expect(decode(__HYPERVISOR_event_channel_op, EVTCHNOP_reset) == nil)
        #expect(decode(__HYPERVISOR_memory_op, XENMEM_exchange) == nil)
        #expect(decode(__HYPERVISOR_platform_op, 1) == nil)
        #expect(decode(__HYPERVISOR_multicall, 0) == nil)
        #expect(HypercallOperation.decode(call: .max, subOperation: .max) == nil)
    }

    @Test("every known number leads to exactly one operation, and no other does")
    func exhaustive() {
        var count = 0
        for call in UInt64(0)..<64 {
            for operation in UInt64(0)..<256
            where HypercallOperation.decode(call: call, subOperation: operation) != nil {
                count += 1
            }
        }
        // set_timer_op, vm_assist, sysctl and domctl name none there: each answers for all 256.
        #expect(count == 4 * 256 + 43)
    }
}
