//! The language of the table of system calls.
//!
//! A *rule* is a list of steps, taken in order. A step counts where its *conditions* hold, all of
//! them; conditions look at the 32 low bits of an argument (as the kernel does with descriptors,
//! flags and commands) or at a *fact* about the policy, which is known when the filter is made. A
//! *need* is about a descriptor that an argument names, and refuses where it is not met.

use crate::{Fcntls, Rights, program::Names};

/// The number of an argument, from 0.
pub(super) type Arg = usize;

/// What becomes of a system call, step by step; the last step is unconditional.
pub(super) type Rule = &'static [Step];

/// One step of a rule.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// The call is allowed where the conditions hold.
    Allow(&'static [When]),
    /// The call is refused where the conditions hold.
    Refuse(&'static [When], Refusal),
    /// Where the conditions hold, the call is refused with `ENOTCAPABLE` unless the need is met;
    /// where it is met, the next step decides.
    Need(&'static [When], Need),
}

/// How a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It uses a global name: `ECAPMODE`. Before capability mode such calls are free.
    Global,
    /// It would use a descriptor beyond its rights: `ENOTCAPABLE`.
    NotCapable,
    /// libc has another way where the call does not exist: `ENOSYS`.
    Missing,
    /// The caller has another way where the call has no room just now: `EAGAIN`.
    Busy,
    /// The filter tells that it is there: see [`probe`](super::probe).
    Probe,
}

/// A condition of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// The argument has this value.
    Is(Arg, u32),
    /// The argument has one of these values.
    OneOf(Arg, &'static [u32]),
    /// The argument has some of these bits.
    Any(Arg, u32),
    /// The argument has none of these bits.
    Clear(Arg, u32),
    /// The argument has, of the bits of the mask, just these.
    Masked(Arg, u32, u32),
    /// The argument is a null pointer: all of its 64 bits are zero.
    Null(Arg),
    /// The argument is the id of the process that entered.
    Own(Arg),
    /// The policy is so.
    Fact(Fact),
    /// The policy is not so.
    Unless(Fact),
    /// A confined program may use names of these kinds, all of them. Where it may use one of them
    /// only by way of its supervisor, that answers a call that is allowed so.
    Named(Names),
}

/// What is known when the filter is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// The process is in capability mode.
    Capability,
    /// Landlock holds lookups beneath the directories that are granted.
    Landlock,
    /// The root is private and empty, and directories lead no further than their trees.
    Directories,
    /// A broker looks up what is beneath directories that arrive later.
    Brokered,
    /// The same as `Directories`, and stat by a path that may be empty reaches nothing that the rights would not.
    Statable,
    /// Landlock keeps signals within the processes that entered.
    SignalScope,
    /// Some descriptor may be executed.
    Executes,
    /// Whatever may be mapped may also be mapped for execution.
    MappingsExecute,
    /// Every descriptor may be watched.
    Watched,
    /// What a descriptor is open on may have its mode, owner, times and attributes altered: not by
    /// a confined program without [`Names::ATTRIBUTES`], which opens what it may only read.
    Alters,
    /// A supervisor answers the calls of a confined program that Landlock does not see.
    Supervised,
    /// Some descriptor lacks something that the ceiling has: a second number for it would have it.
    SomeNarrow,
    /// One of those is on no mount, so that Landlock lets it be opened again through procfs.
    Reopens,
}

/// What a call needs of a descriptor.
#[derive(Clone, Copy, Debug)]
pub(super) enum Need {
    /// The descriptor has these rights.
    Right(Arg, Rights),
    /// The descriptor has `FCNTL` and takes this command.
    Fcntl(Arg, Fcntls),
    /// The descriptor has `IOCTL` and takes the request in the second argument.
    Ioctl(Arg, Arg),
    /// The descriptor has all that the ceiling has, so that another one, which gets the ceiling,
    /// may be made of it.
    Whole(Arg),
    /// The descriptor leads no further than its tree: it is known to, or no directory of another
    /// process can arrive.
    Contained(Arg),
    /// The descriptor is a directory that was open at entry, so that Landlock holds lookups from it.
    /// Where it is not, the call is not refused but left to the broker.
    Known(Arg),
    /// The descriptor has `LOOKUP`, or was not limited after entering, which may have allowed paths
    /// that may be empty for the rights of then.
    Emptied(Arg),
    /// The descriptor is not pinned: another object may take its number.
    Loose(Arg),
    /// No pinned descriptor is in the range from the first to the second argument.
    LooseRange(Arg, Arg),
    /// The descriptor may be mapped `MAP_SHARED`: with `MMAP_RW`, since the mapping could be made
    /// writable later; or it is known to be open for reading only.
    MapShared(Arg),
    /// A message may be sent whose address a filter cannot see: the descriptor has `WRITE` and is
    /// known to take no address, or has `CONNECT` too and nothing is open that takes one.
    Message(Arg),
    /// Every descriptor has these rights: the call names its descriptors in memory.
    Everywhere(Rights),
}

impl Need {
    /// The argument that is the descriptor, where it is about one.
    pub(super) fn descriptor(self) -> Option<Arg> {
        match self {
            Self::Right(arg, _)
            | Self::Fcntl(arg, _)
            | Self::Ioctl(arg, _)
            | Self::Whole(arg)
            | Self::Contained(arg)
            | Self::Known(arg)
            | Self::Emptied(arg)
            | Self::Loose(arg)
            | Self::MapShared(arg)
            | Self::Message(arg) => Some(arg),
            Self::LooseRange(..) | Self::Everywhere(_) => None,
        }
    }
}
