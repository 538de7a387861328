/// What permissions do, as facts: direction and weight, then names.
///
/// A name means the same in nearly every class of Linux; where it does not, and for Xen, whose
/// names are used for other things, the class says so itself.
enum PermissionFacts {
    /// Permissions of any class.
    ///
    /// - Source: Linux 6.1 `security/selinux/hooks.c` and `include/classmap.h`: what the operation
    ///   that each guards returns or takes.
    static let names = [
        // Contents.
        "r10 read recv recvfrom recv_msg receive view record copy export list_child paste",
        "r10 tcp_recv udp_recv dccp_recv rawip_recv nlmsg_read select listen accept translate",
        "r10 map_read flow_in forward_in ingress get_value get_property load_module module_load",
        "w10 write append send sendto send_msg insert update import add_glyph blend forward_out",
        "w10 tcp_send udp_send dccp_send rawip_send nlmsg_write flow_out egress connectto",
        "w10 map_write set_property set_value map_create transfer enqueue install call",
        "b10 ptrace share rdma access",
        // A program that is run becomes the domain's.
        "r10 execute execute_no_trans entrypoint",
        "w10 transition dyntransition nnp_transition nosuid_transition relabelto",
        "r10 relabelfrom",
        // Attributes.
        "r7 getattr search getpgid getsched getsession getcap getrlimit getopt get_param",
        "r7 list_property getfocus status syslog_read query read_policy audit_read load_policy",
        "r7 getpwd getgrp gethost getserv getstat getnetgrp nlmsg_readpriv saver_getattr",
        "w7 setattr setsched setcap setrlimit setopt set_param setpgid create link rename",
        "w7 unlink add_name remove_name reparent rmdir mounton mount remount unmount quotamod",
        "w7 setcontext setcurrent setexec setfscreate setkeycreate setsockcreate nlmsg_relay",
        "w7 bind connect name_connect node_bind name_bind shutdown destroy drop delete",
        "w7 passwd chfn chsh crontab rootok audit_control nlmsg_tty_audit saver_setattr setfocus",
        "r7 quotaget mount_get", "b7 attach_queue relabel manage admin association",
        // Control and notice.
        "r5 open map watch watch_mount watch_reads watch_sb watch_with_perm use audit_access",
        "r5 shmempwd shmemgrp shmemhost shmemserv unix_read kernel tracepoint cpu",
        "w5 sigkill sigstop signal sigchld unix_write start stop reload enable disable halt",
        "w5 reboot add remove syslog_mod syslog_console implement override_creds sqpoll",
        "w5 manage_subnet show hide show_cursor hide_cursor force_cursor bell freeze grab cmd",
        "w5 saver_show saver_hide add_child remove_child add_color remove_color remove_glyph",
        "w5 install_module uninstall expand next_value prog_load set_context_mgr impersonate",
        "w5 acquire_svc",
        "b3 ioctl lock lease polmatch setcheckreqprot validate_trans compute_av prog_run",
        "w3 execmod associate quotaon ipc_lock debug import_from",
        "r3 check_context compute_create compute_member compute_relabel compute_user integrity",
        "r3 confidentiality module_request contains ipc_info",
        "w3 setenforce setbool setsecparam",
        // What a domain may do to itself, and what only opens a door that another rule guards.
        "n1 fork siginh noatsecure rlimitinh execmem execstack execheap signull mmap_zero",
        "n1 audit_write chown dac_override dac_read_search fowner fsetid kill setgid setuid",
        "n1 setpcap linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_owner",
        "n1 sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice",
        "n1 sys_resource sys_time sys_tty_config mknod setfcap mac_override mac_admin syslog",
        "n1 wake_alarm block_suspend perfmon bpf checkpoint_restore use_as_override",
        "n1 paste_after_confirm create_files_as override unused_perm",
    ]

    /// Permissions whose class decides.
    ///
    /// Xen's: the subject is the first domain of a hypercall, the object the second, or the label
    /// of an event channel. Memory that is mapped for writing is read too, by a check of its own.
    /// - Source: Xen 4.17 `xsm/flask/hooks.c` and `policy/access_vectors`.
    static let classes: [String: [String]] = [
        "event": ["w10 send bind", "r3 status", "w3 reset", "n1 create"],
        "grant": ["r10 map_read", "w10 map_write transfer copy", "r3 query", "n1 unmap setup"],
        "mmu": [
            "r10 map_read", "w10 map_write updatemp remote_remap exchange", "b7 physmap adjust",
            "r7 pageinfo memorymap", "r5 stat", "w5 pinpage mmuext_op", "n1 target_hack",
        ],
        "argo": ["w10 send", "r10 register_single_source register_any_source", "n1 enable"],
        "hvm": [
            "r10 gethvmc", "w10 sethvmc", "b10 dm mem_sharing share_mem", "r7 getparam audit_p2m",
            "w7 setparam hvmctl", "w5 bind_irq nested", "b7 altp2mhvm altp2mhvm_op",
            "w5 trackdirtyvram hvm_set_pci_intx_level inject_trap", "b5 hvmctl gethvmc_partial",
        ],
        "domain": [
            "r10 getvcpucontext getextvcpucontext", "w10 setvcpucontext setextvcpucontext",
            "r7 getdomaininfo getvcpuinfo getaffinity getscheduler getaddrsize getpodtarget",
            "w7 setaffinity setscheduler setdomainmaxmem setdomainhandle setdebugging settime",
            "w7 setaddrsize setpodtarget set_misc_info set_virq_handler setvcpuextstate",
            "r7 getvcpuextstate", "w5 create destroy pause unpause resume shutdown trigger",
            "w5 max_vcpus set_target set_as_target getpagingmempool", "b7 setpagingmempool",
            "n1 transition hypercall",
        ],
        "domain2": [
            "w10 relabelto make_priv_for set_as_target", "r10 relabelfrom", "n1 relabelself",
            "w7 set_cpu_policy settsc setclaim set_vnumainfo set_llc_colors cacheflush",
            "r7 gettsc get_vnumainfo get_cpu_policy get_domain_state",
            "b10 vm_event mem_access mem_paging mem_sharing resource_map", "w5 soft_reset",
            "w5 create_hardware_domain setscheduler dt_overlay", "b5 psr_cmt_op psr_alloc",
        ],
        "resource": [
            "w3 add remove add_irq remove_irq add_ioport remove_ioport add_iomem remove_iomem",
            "w3 add_device remove_device plug unplug setup", "r3 stat_device",
            "b7 use use_iommu use_iommu_nointremap use_noiommu",
        ],
        "shadow": ["r7 logdirty", "w3 enable disable"],
        "security": [
            "w7 load_policy setbool setenforce setsecparam add_ocontext del_ocontext",
            "r3 compute_av compute_create compute_member compute_relabel compute_user",
            "r3 check_context read_policy", "n1 validate_trans setcheckreqprot",
        ],
        "version": [
            "r3 xen_extraversion xen_compile_info xen_capabilities xen_changeset xen_pagesize",
            "r3 xen_guest_handle xen_commandline xen_build_id extraversion compile_info",
            "r3 capabilities changeset pagesize guest_handle commandline build_id",
        ],
        "xen": [
            "r10 readconsole", "w10 writeconsole", "w5 clearconsole", "w7 settime microcode",
            "r7 physinfo getcpuinfo getidle heap getscheduler mtrr_read readapic lockprof",
            "w7 mtrr_add mtrr_del writeapic quirk sleep frequency setscheduler kexec firmware",
            "b7 tbufcontrol perfcontrol privprofile nonprivprofile debug pm_op mca_op",
            "b7 cpupool_op tmem_op tmem_control hypfs_op getmemory",
        ],
        "xen2": [
            "b7 resource_op psr_cmt_op psr_alloc pmu_ctrl pmu_use livepatch_op coverage_op",
            "r7 get_symbol get_cpu_levelling_caps get_cpu_featureset", "b5 get_dom0_console",
        ],
        "xenstore": [
            "r10 read relabelfrom", "w10 write relabelto", "w7 create remove setperms",
            "r7 list watch",
        ],
        "fd": ["b5 use"], "file": ["w10 create"], "key": ["r7 view search", "w7 link"],
        "process": ["w5 fork", "r7 getattr"], "system": ["r10 module_load"],
        "capability": [], "binder": ["w10 call transfer"],
    ]
}
