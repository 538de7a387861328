import Foundation
import PolicyDatabaseModel
import TestSupport
import Testing

/// A policy shaped as those are that Xen comes with: its classes in its order, a control domain,
/// two kinds of guests with channels of their own, and a device; in words of ours.
enum StockPolicy {
    /// - Parameter map: the classes and initial identifiers of a version of Xen.
    static func source(_ map: XenClassMap) -> String {
        var lines = map.classes.map { "class \($0.name)" } + map.initialSIDs.map { "sid \($0)" }
        lines += map.classes.map { "class \($0.name) { \($0.permissions.joined(separator: " ")) }" }
        lines += [
            "attribute domain_type;", "attribute event_type;", "attribute resource_type;",
            "type xen_t;", "type xenboot_t, domain_type;", "type dom0_t, domain_type;",
            "type domio_t;", "type domxen_t;", "type unlabeled_t;", "type security_t;",
            "type domU_t, domain_type;", "type isolated_t, domain_type;",
            "type dom0_t_channel, event_type;", "type domU_t_channel, event_type;",
            "type nic_t, resource_type;", "type device_t, resource_type;",
            "bool prot_doms_locked false;", "role system_r;", "role vm_r;",
            "role system_r types { xen_t xenboot_t dom0_t domio_t domxen_t unlabeled_t "
                + "security_t };",
            "role vm_r types { domU_t isolated_t };", "allow system_r vm_r;",
            "allow dom0_t xen_t:xen { physinfo readconsole };",
            "allow dom0_t security_t:security *;",
            "allow dom0_t domU_t:domain { create getdomaininfo pause unpause destroy };",
            "allow dom0_t domU_t:grant { map_read map_write unmap };",
            "allow domU_t dom0_t:grant { map_read copy };",
            "type_transition dom0_t domU_t:event dom0_t_channel;",
            "type_transition domU_t dom0_t:event domU_t_channel;",
            "allow dom0_t dom0_t_channel:event { create send status };",
            "allow dom0_t_channel domU_t:event bind;",
            "allow domU_t domU_t_channel:event { create send status };",
            "allow domU_t_channel dom0_t:event bind;",
            "allow dom0_t isolated_t:domain { create destroy };",
            "allow domU_t nic_t:resource { use use_iommu };",
            "if (prot_doms_locked) { } else { allow dom0_t isolated_t:mmu map_read; }",
            "neverallow isolated_t domain_type:grant { map_write };",
            "user system_u roles system_r;", "user user_1 roles vm_r;",
            "constrain domain transition ( u1 == u2 or t1 == dom0_t );",
        ]
        lines += map.initialSIDs.map { name in
            let type = ["xen": "xen_t", "dom0": "dom0_t", "domio": "domio_t", "domxen": "domxen_t"]
            return "sid \(name) system_u:system_r:\(type[name] ?? "unlabeled_t")"
        }
        lines += [
            "pirqcon 33 system_u:object_r:nic_t", "pcidevicecon 0xc800 system_u:object_r:nic_t",
            "iomemcon 0xfebe0-0xfebff system_u:object_r:nic_t",
            "ioportcon 0xecc0-0xecdf system_u:object_r:device_t",
        ]
        return lines.joined(separator: "\n") + "\n"
    }
}

@Test("a policy as Xen comes with, of any version, is compartments that are proved, and the rest")
func stockPolicy() throws {
    for map in XenClassMap.all {
        let folder = try PolicyFolder()
        defer { folder.remove() }
        let policy = try folder.compile(StockPolicy.source(map), xen: true)
        let file = try PolicyFile(validating: RepositoryFiles.bytes(of: URL(filePath: policy)))
        // It is what that Xen would load.
        #expect(file.objections(of: map).allSatisfy { !$0.reason.isRefusal }, "\(map.version)")
        let source = folder.path("stock.casemate")
        let written = try casemate(["migrate", policy, "--name", "stock", "-o", source])
        try #require(written.status == 0, "\(written.errors)")
        let text = try String(contentsOfFile: source, encoding: .utf8)
        let check = try casemate(["check", source])
        #expect(check.status == 0, "\(map.version): \(check.errors)\n\(text)")
        for said in ["compartment dom0", "compartment domU", "device "] {
            #expect(text.contains(said), "\(said): \(text)")
        }
        let rest = try #require(text.range(of: "// Not said above:\n"))
        for left in ["getdomaininfo", "prot_doms_locked"] {
            #expect(text[rest.upperBound...].contains(left), "\(left): \(text)")
        }
    }
}
