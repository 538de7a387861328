/// A colour of a terminal, in which a word is set off.
///
/// - Source: ECMA-48, 5th edition, 8.3.117, SGR.
package enum TerminalColor: Int, Sendable {
    /// What is refused.
    case red = 31
    /// What helps, and what holds.
    case green = 32
    /// What is to be looked at.
    case yellow = 33
    /// What belongs to something else.
    case cyan = 36

    /// Returns a text that is bold and of this colour; as it was unless that is wanted.
    package func marking(_ text: String, _ isColored: Bool) -> String {
        isColored ? "\u{1B}[1;\(rawValue)m\(text)\u{1B}[0m" : text
    }
}
