public import SystemManifest

extension SystemManifest {
    /// The index of the compartment that is a service, by which a service knows itself; nil when
    /// there is none.
    public func index(of service: ServiceKind) -> Int? {
        for index in 0..<compartmentCount where compartment(at: index).service == service {
            return index
        }
        return nil
    }

    /// How many compartments use a service.
    public func userCount(of service: ServiceKind) -> Int {
        var count = 0
        for index in 0..<compartmentCount where compartment(at: index).uses(service) { count += 1 }
        return count
    }
}
