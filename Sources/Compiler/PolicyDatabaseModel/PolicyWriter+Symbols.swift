import SecurityLattice

extension PolicyWriter {
    mutating func writeClasses(
        _ classes: [PolicyDatabaseModel.Class]
    ) throws(PolicyWriterError) {
        write32(UInt32(classes.count), UInt32(classes.count))
        for (index, entry) in classes.enumerated() {
            let count = UInt32(entry.permissions.count)
            write32(try length(of: entry.name), 0, UInt32(index) + 1, count, count)
            write32(UInt32(entry.constraints.count))
            writeText(entry.name)
            for (bit, permission) in entry.permissions.enumerated() {
                write32(try length(of: permission), UInt32(bit) + 1)
                writeText(permission)
            }
            for constraint in entry.constraints { try write(constraint) }
            // No rules on transitions, then the defaults: none.
            write32(0)
            if version >= 27 { write32(0, 0, 0) }
            if version >= 28 { write32(0) }
        }
    }

    mutating func writeRoles(_ roles: [PolicyDatabaseModel.Role]) throws(PolicyWriterError) {
        write32(UInt32(roles.count), UInt32(roles.count))
        for (index, role) in roles.enumerated() {
            write32(try length(of: role.name), UInt32(index) + 1, 0)
            writeText(role.name)
            writeBitmap(role.dominates)
            writeBitmap(role.types)
        }
    }

    mutating func writeTypes(_ types: [PolicyDatabaseModel.TypeSymbol]) throws(PolicyWriterError) {
        write32(UInt32(types.count))
        write32(UInt32(types.reduce(types.count) { $0 + $1.aliases.count }))
        for (index, type) in types.enumerated() {
            // Properties: bit 0 primary, bit 1 attribute. Bounds: none.
            write32(try length(of: type.name), UInt32(index) + 1, type.isAttribute ? 3 : 1, 0)
            writeText(type.name)
            for alias in type.aliases {
                write32(try length(of: alias), UInt32(index) + 1, 0, 0)
                writeText(alias)
            }
        }
    }

    mutating func writeUsers(_ users: [PolicyDatabaseModel.User]) throws(PolicyWriterError) {
        write32(UInt32(users.count), UInt32(users.count))
        for (index, user) in users.enumerated() {
            write32(try length(of: user.name), UInt32(index) + 1, 0)
            writeText(user.name)
            writeBitmap(user.roles)
            write(user.range)
            write32(user.range.low.sensitivity.databaseValue)
            writeBitmap(user.range.low.categories)
        }
    }

    mutating func writeBooleans(
        _ booleans: [PolicyDatabaseModel.Boolean]
    ) throws(PolicyWriterError) {
        write32(UInt32(booleans.count), UInt32(booleans.count))
        for (index, boolean) in booleans.enumerated() {
            write32(UInt32(index) + 1, boolean.state ? 1 : 0, try length(of: boolean.name))
            writeText(boolean.name)
        }
    }

    mutating func writeSensitivities(
        _ sensitivities: [PolicyDatabaseModel.NamedSensitivity]
    ) throws(PolicyWriterError) {
        write32(UInt32(sensitivities.count))
        write32(UInt32(sensitivities.reduce(sensitivities.count) { $0 + $1.aliases.count }))
        for (index, sensitivity) in sensitivities.enumerated() {
            for (position, name) in ([sensitivity.name] + sensitivity.aliases).enumerated() {
                write32(try length(of: name), position == 0 ? 0 : 1)
                writeText(name)
                write32(UInt32(index) + 1)
                writeBitmap(sensitivity.categories)
            }
        }
    }

    mutating func writeCategories(
        _ categories: [PolicyDatabaseModel.NamedCategory]
    ) throws(PolicyWriterError) {
        write32(UInt32(categories.count))
        write32(UInt32(categories.reduce(categories.count) { $0 + $1.aliases.count }))
        for (index, category) in categories.enumerated() {
            for (position, name) in ([category.name] + category.aliases).enumerated() {
                write32(try length(of: name), UInt32(index) + 1, position == 0 ? 0 : 1)
                writeText(name)
            }
        }
    }
}
