public import PolicyDatabase

extension String {
    /// The text of a name of the class map.
    public init(_ name: ClassMapName) {
        self.init(decoding: (0..<name.count).map { name[$0] }, as: UTF8.self)
    }
}
