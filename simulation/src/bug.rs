//! Mistakes that can be planted in the simulated log, to prove that the auditor finds them.

use clap::ValueEnum;

/// A deliberate mistake of the log's side of a commit or of a take-over. Production code has no part in any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Bug {
    /// The batch behind one that was aborted is committed all the same, instead of being thrown away with it.
    CommitAfterAbort,
    /// The local store is written when the transaction is sent, before it is known to be committed.
    StoreBeforeCommit,
    /// A batch of timers alone sends no positions, so nothing fences a worker whose partitions are another's by now.
    TimersWithoutPositions,
    /// A take-over asks where the changelog ends first, and then waits for the committed positions to be stable. What a batch changes may
    /// come to the changelog after its positions came to the group, and so behind that end.
    EndBeforeOffsets,
    /// A take-over restores up to the last stable offset, instead of waiting for all that lay in the changelog when it began. An older
    /// transaction that is still open hides what others committed behind it.
    RestoreToLastStable,
    /// A store that was away for longer than the changelog remembers deletions goes on from where it stands.
    TombstonesForgotten,
    /// What is rebuilt is written over what there was, instead of beside it.
    RebuiltOverOld,
    /// A copy goes on being followed once its partition is taken over: two write one partition's state.
    FollowedWhileHeld,
    /// After a crash, the part of a torn store write that reached the disk is kept: the position without the cells.
    TornWriteKept,
}

impl Bug {
    /// All of them, in the sequence in which they are listed.
    pub const ALL: [Bug; 9] = [
        Bug::CommitAfterAbort,
        Bug::StoreBeforeCommit,
        Bug::TimersWithoutPositions,
        Bug::EndBeforeOffsets,
        Bug::RestoreToLastStable,
        Bug::TombstonesForgotten,
        Bug::RebuiltOverOld,
        Bug::FollowedWhileHeld,
        Bug::TornWriteKept,
    ];

    /// As the command line names it.
    pub fn name(self) -> &'static str {
        match self {
            Bug::CommitAfterAbort => "commit-after-abort",
            Bug::StoreBeforeCommit => "store-before-commit",
            Bug::TimersWithoutPositions => "timers-without-positions",
            Bug::EndBeforeOffsets => "end-before-offsets",
            Bug::RestoreToLastStable => "restore-to-last-stable",
            Bug::TombstonesForgotten => "tombstones-forgotten",
            Bug::RebuiltOverOld => "rebuilt-over-old",
            Bug::FollowedWhileHeld => "followed-while-held",
            Bug::TornWriteKept => "torn-write-kept",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No fault: the names of the command line and of the messages are the same.
    #[test]
    fn every_bug_has_the_name_that_the_command_line_takes() {
        for bug in Bug::ALL {
            assert_eq!(bug.to_possible_value().unwrap().get_name(), bug.name());
        }
        assert_eq!(Bug::value_variants(), Bug::ALL);
    }
}
