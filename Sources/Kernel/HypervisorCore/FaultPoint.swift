/// The places where leaving one step out would be a defect that somebody, somewhere, has shipped.
///
/// A machine that simulates can leave one of them out (`Machine.omits`), so that a test shows that
/// it would be noticed; the real machine leaves out none, and the compiler removes the question.
/// `docs/abi/hypercalls.md` lists which published defect each of them brings back.
public enum FaultPoint: UInt8, Equatable, Sendable {
    /// - `flushAfterUnmap`: a frame is no longer mapped, and every processor is told to
    ///   forget it.
    /// - `flushAfterSever`: a mapping was taken from its holder, and every processor is
    ///   told to forget it.
    /// - `flushBeforeRelease`: the page tables are changed before the frame is given back,
    ///   not after.
    /// - `checkReference`: a reference lies within its table.
    /// - `checkHandle`: a handle names a mapping of the caller.
    case flushAfterUnmap, flushAfterSever, flushBeforeRelease, checkReference, checkHandle
    /// - `takeHandle`: a handle leaves the list of free ones when it is given out.
    /// - `closeHandleOnce`: a handle that one batch names twice is closed once.
    /// - `mapReadOnly`: a read-only mapping is entered read-only.
    /// - `checkReadOnlyGrant`: a read-only grant is not mapped for writing.
    /// - `refuseOtherKinds`: grants of other kinds than whole pages are refused.
    case takeHandle, closeHandleOnce, mapReadOnly, checkReadOnlyGrant, refuseOtherKinds
    /// - `checkGrantee`: a grant is its grantee's alone.
    /// - `countEachMapping`: each mapping is counted, and the grant ends with the last.
    /// - `releaseWhatWasTaken`: what is given back is of the kind that was taken.
    /// - `releaseAfterCopy`: a copy gives back what it took.
    /// - `checkCopyRange`: a copy stays within its two frames.
    case checkGrantee, countEachMapping, releaseWhatWasTaken, releaseAfterCopy, checkCopyRange
    /// - `undoFailedMap`: a map that fails takes back what it marked.
    /// - `keepFrame`: while a grant is in use, its frame is the one that was looked up
    ///   first.
    /// - `boundRetries`: the guest's word is tried a bounded number of times.
    /// - `boundBatch`: a long batch is interrupted.
    /// - `advanceBatch`: what is left of an interrupted batch is less than it was.
    /// - `finishFailedBatch`: a batch that ends early finishes what it began.
    case undoFailedMap, keepFrame, boundRetries, boundBatch, advanceBatch, finishFailedBatch
    /// - `refuseVersion2`: version 2 of the grant table is refused.
    /// - `listGuestFrames`: the list of a table's frames holds guest frames only.
    /// - `checkQuota`: a pair of compartments maps no more pages than its channels have.
    /// - `keepForeignFrame`: a frame that another domain granted is not replaced by a page
    ///   of the hypervisor.
    /// - `authorizeFirst`: the policy is asked before anything is looked up.
    case refuseVersion2, listGuestFrames, checkQuota, keepForeignFrame, authorizeFirst
    /// - `retireBoth`: a stopped domain's grants and ports end.
    /// - `scrubMemory`: memory is cleared between two owners.
    /// - `forgetPending`: a port that is closed forgets what was pending.
    /// - `publishAfterDecision`: a port is reserved after the policy permits it.
    /// - `keepStateWhenFull`: a refusal for want of a port takes nothing.
    case retireBoth, scrubMemory, forgetPending, publishAfterDecision, keepStateWhenFull
    /// - `checkPort`: a port lies within its domain's table.
    /// - `respectMask`: an event that is masked wakes nobody.
    /// - `chargeSender`: who sends beyond its budget waits.
    /// - `requireQueues`: an operation on queues is refused before there are any.
    /// - `requireControlBlock`: an event for a processor without a control block waits for
    ///   one.
    /// - `requireEventWord`: an event without a word waits for one.
    case checkPort, respectMask, chargeSender, requireQueues, requireControlBlock
    case requireEventWord
    /// - `controlBlockLast`: a control block is in use when its call can no longer fail.
    /// - `keepPortsValid`: a port stays what it is when its domain changes over to queues.
    /// - `pendingBeforeMask`: an event is pending before its mask is looked at.
    /// - `refuseReset`: no call takes all ports of a domain back at once.
    /// - `boundEnd`: the end of a domain looks at each of its ports once.
    case controlBlockLast, keepPortsValid, pendingBeforeMask, refuseReset, boundEnd
    /// - `measureReload`: a new policy is measured before it takes effect.
    /// - `revokeChannel`: an event channel that a new policy does not permit ends.
    /// - `revokeUnbound`: a port that waits for whom a new policy does not permit waits no
    ///   longer.
    /// - `revokeMapping`: a mapping that a new policy does not permit ends.
    /// - `revokeWriting`: a mapping that may only read any more is not kept writable.
    /// - `revokeExcess`: a mapping beyond what a new manifest has pages for ends.
    case measureReload, revokeChannel, revokeUnbound, revokeMapping, revokeWriting, revokeExcess
    /// - `revokePending`: an event that a new policy would not let be sent is no longer
    ///   pending.
    /// - `revokePorts`: i/O ports that a new policy does not give cannot be used any more.
    /// - `revokeInterrupt`: a virtual interrupt that a new policy does not permit rings no
    ///   more.
    case revokePending, revokePorts, revokeInterrupt
}
