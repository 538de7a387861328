internal import Digests
internal import EventLog

extension EventLogEntry {
    /// What the event says of itself, in words.
    ///
    /// - Trust: none. Whether a TPM extended it, and whether its data is what was measured, only a
    ///   quote and a replay tell; of what firmware and boot loader log, nothing tells the latter.
    public var summary: String {
        guard QuotePlan.ours.contains(pcr), eventType == eventTypeTag else {
            return printableText(data)
        }
        if let event = CompartmentEvent(eventData: data) {
            return
                "compartment `\(event.name)`, kernel sha384:\(event.kernel), initrd "
                + (event.initrd == "none" ? "none" : "sha384:\(event.initrd)")
        }
        if let event = LifeEvent(eventData: data) {
            let what =
                switch event.change {
                case .restart: "starts again"
                case .deploy: "starts by order"
                case .destroy: "ends by order"
                }
            return "compartment `\(event.name)` \(what), life \(event.generation)"
        }
        if let event = ReloadEvent(eventData: data) {
            return
                "another policy sha384:\(event.policy.hexadecimal), manifest "
                + "sha384:\(event.manifest.hexadecimal), system version \(event.version)"
        }
        if let digest = taggedPayload(data, tag: .policy) {
            return "policy sha384:\(hexadecimalText(digest))"
        }
        if let digest = taggedPayload(data, tag: .manifest) {
            return "manifest sha384:\(hexadecimalText(digest))"
        }
        if let reason = taggedPayload(data, tag: .stop) {
            return "stop: \(printableText(reason))"
        }
        return printableText(data)
    }

    /// The event type's name, as far as it is known here; else its number in hexadecimal.
    ///
    /// - Source: TCG PC Client Platform Firmware Profile 1.05, 10.4.1, table 14.
    public var typeName: String {
        switch eventType {
        case 0x1: "EV_POST_CODE"
        case 0x3: "EV_NO_ACTION"
        case 0x4: "EV_SEPARATOR"
        case 0x5: "EV_ACTION"
        case 0x6: "EV_EVENT_TAG"
        case 0x7: "EV_S_CRTM_CONTENTS"
        case 0x8: "EV_S_CRTM_VERSION"
        case 0xD: "EV_IPL"
        case 0x8000_0001: "EV_EFI_VARIABLE_DRIVER_CONFIG"
        case 0x8000_0002: "EV_EFI_VARIABLE_BOOT"
        case 0x8000_0003: "EV_EFI_BOOT_SERVICES_APPLICATION"
        case 0x8000_0006: "EV_EFI_GPT_EVENT"
        case 0x8000_0007: "EV_EFI_ACTION"
        case 0x8000_0008: "EV_EFI_PLATFORM_FIRMWARE_BLOB"
        default: "0x\(String(eventType, radix: 16))"
        }
    }
}
