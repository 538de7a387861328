/// The places where leaving one step out would be a defect that somebody, somewhere, has shipped.
///
/// A machine that simulates can leave one of them out (`Machine.omits`), so that a test shows that
/// it would be noticed; the real machine leaves out none, and the compiler removes the question.
/// `docs/abi/hypercalls.md` lists which published defect each of them brings back.
public enum FaultPoint: UInt8, Equatable, Sendable {
    /// A frame is no longer mapped, and every processor is told to forget it.
    case flushAfterUnmap
    /// A mapping was taken from its holder, and every processor is told to forget it.
    case flushAfterSever
    /// The page tables are changed before the frame is given back, not after.
    case flushBeforeRelease
    /// A reference lies within its table.
    case checkReference
    /// A handle names a mapping of the caller.
    case checkHandle
    /// A handle leaves the list of free ones when it is given out.
    case takeHandle
    /// A handle that one batch names twice is closed once.
    case closeHandleOnce
    /// A read-only mapping is entered read-only.
    case mapReadOnly
    /// A read-only grant is not mapped for writing.
    case checkReadOnlyGrant
    /// Grants of other kinds than whole pages are refused.
    case refuseOtherKinds
    /// A grant is its grantee's alone.
    case checkGrantee
    /// Each mapping is counted, and the grant ends with the last.
    case countEachMapping
    /// What is given back is of the kind that was taken.
    case releaseWhatWasTaken
    /// A copy gives back what it took.
    case releaseAfterCopy
    /// A copy stays within its two frames.
    case checkCopyRange
    /// A map that fails takes back what it marked.
    case undoFailedMap
    /// While a grant is in use, its frame is the one that was looked up first.
    case keepFrame
    /// The guest's word is tried a bounded number of times.
    case boundRetries
    /// A long batch is interrupted.
    case boundBatch
    /// What is left of an interrupted batch is less than it was.
    case advanceBatch
    /// A batch that ends early finishes what it began.
    case finishFailedBatch
    /// Version 2 of the grant table is refused.
    case refuseVersion2
    /// The list of a table's frames holds guest frames only.
    case listGuestFrames
    /// A pair of compartments maps no more pages than its channels have.
    case checkQuota
    /// A frame that another domain granted is not replaced by a page of the hypervisor.
    case keepForeignFrame
    /// The policy is asked before anything is looked up.
    case authorizeFirst
    /// A stopped domain's grants and ports end.
    case retireBoth
    /// Memory is cleared between two owners.
    case scrubMemory
    /// A port that is closed forgets what was pending.
    case forgetPending
    /// A port is reserved after the policy permits it.
    case publishAfterDecision
    /// A refusal for want of a port takes nothing.
    case keepStateWhenFull
    /// An event that is masked wakes nobody.
    case respectMask
    /// Who sends beyond its budget waits.
    case chargeSender
    /// An operation on queues is refused before there are any.
    case requireQueues
    /// An event for a processor without a control block waits for one.
    case requireControlBlock
    /// An event without a word waits for one.
    case requireEventWord
    /// A control block is in use when its call can no longer fail.
    case controlBlockLast
    /// A port stays what it is when its domain changes over to queues.
    case keepPortsValid
    /// An event is pending before its mask is looked at.
    case pendingBeforeMask
    /// No call takes all ports of a domain back at once.
    case refuseReset
    /// The end of a domain looks at each of its ports once.
    case boundEnd
    /// A new policy is measured before it takes effect.
    case measureReload
    /// An event channel that a new policy does not permit ends.
    case revokeChannel
    /// A port that waits for whom a new policy does not permit waits no longer.
    case revokeUnbound
    /// A mapping that a new policy does not permit ends.
    case revokeMapping
    /// A mapping that may only read any more is not kept writable.
    case revokeWriting
    /// A mapping beyond what a new manifest has pages for ends.
    case revokeExcess
    /// An event that a new policy would not let be sent is no longer pending.
    case revokePending
    /// I/O ports that a new policy does not give cannot be used any more.
    case revokePorts
    /// A virtual interrupt that a new policy does not permit rings no more.
    case revokeInterrupt
    /// A processor does not go on the short way while others are to be told of a wake.
    case tellOfWakes
    /// A processor does not go on the short way when a deadline was set or taken back.
    case tellOfDeadlines
    /// A processor does not go on the short way while a policy is being replaced.
    case tellOfReload
    /// A processor does not go on the short way when it waits, pays, or is at its end.
    case tellOfWaits
}
