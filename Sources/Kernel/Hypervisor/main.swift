#if !hasFeature(Embedded)

    // The hypervisor runs on the bare machine only; there, `casemate_start` is its entry.
    print("this program is the hypervisor: build it for x86_64-unknown-none-elf")

#endif
