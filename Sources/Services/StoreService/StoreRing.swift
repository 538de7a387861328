import GuestRuntime
import StoreCore

/// Where the store keeps track of one user and its ring.
///
/// - Layout: Xen public `io/xs_wire.h`, `struct xenstore_domain_interface`: requests at 0 and
///   responses at 1,024, each 1,024 bytes; then 32-bit words: `req_cons` [store], `req_prod`
///   [guest], `rsp_cons` [guest], `rsp_prod` [store], `server_features` [store], `connection`
///   [both], `error` [store].
/// - Trust: the page is the guest's to write, all of it. The store keeps its own two indices here
///   and never reads them back; of the guest's it takes one copy for each turn.
struct StoreRing: BitwiseCopyable {
    /// The size of each half, in bytes.
    static var size: UInt32 { 1024 }
    /// The largest message, in bytes.
    static var messageSize: Int {
        StoreMessageHeader.sizeInBytes + StoreMessageHeader.maximumPayload
    }

    /// Offsets of the words.
    enum Word {
        static var requestConsumer: Int { 2048 }
        static var requestProducer: Int { 2052 }
        static var responseConsumer: Int { 2056 }
        static var responseProducer: Int { 2060 }
        static var features: Int { 2064 }
        static var connection: Int { 2068 }
        static var error: Int { 2072 }
    }

    /// Why a ring is not served any more: the values of the page's `error` word.
    enum Failure: UInt32 {
        /// `XENSTORE_ERROR_RINGIDX`: an index is more than the ring's size away.
        case indices = 2
        /// `XENSTORE_ERROR_PROTO`: a message is longer than any may be.
        case protocolViolation = 3
    }

    /// How far the store is with a user.
    enum State: BitwiseCopyable, Equatable {
        /// Its domain does not run, or was not joined yet.
        case absent
        /// The hypervisor refused the ring of this generation.
        case refused
        /// It is served.
        case serving
        /// It broke the protocol, and is not served until it connects again.
        case broken
    }

    /// The user's domain.
    var domain: UInt16 = 0
    /// The number of its label.
    var label: UInt16 = 0
    /// The index of its compartment in the manifest.
    var compartment = 0
    var state = State.absent
    /// Which domain of that number it is.
    var generation: UInt32 = 0
    var page = SharedPage(number: 0)
    var port: UInt32 = 0
    var client: StoreClient?
    /// The store's own index into the requests.
    var requestConsumer: UInt32 = 0
    /// The store's own index into the responses.
    var responseProducer: UInt32 = 0
    /// How much of a request has come.
    var inputCount = 0
    /// The request is whole, and waits until its domain may make one more.
    var isHeldBack = false
    /// The reply that is to be sent: which of its bytes are not yet; equal when there is none.
    var replyStart = 0
    var replyCount = 0
    /// The event that is being sent, likewise.
    var eventStart = 0
    var eventCount = 0
    /// How many more events go before the reply.
    var eventsBeforeReply = 0

    /// Whether something is to be sent before the next request is taken.
    var hasOutput: Bool { replyStart < replyCount || eventStart < eventCount }

    /// Forgets what was on its way, as for a new connection.
    mutating func reset() {
        requestConsumer = 0
        responseProducer = 0
        inputCount = 0
        isHeldBack = false
        replyStart = 0
        replyCount = 0
        eventStart = 0
        eventCount = 0
        eventsBeforeReply = 0
    }
}
