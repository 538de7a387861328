#if !hasFeature(Embedded)

    // The TPM's service runs as a compartment only; there, `service_main` is its entry.
    print("this program is a service compartment: build it for x86_64-unknown-none-elf")

#endif
