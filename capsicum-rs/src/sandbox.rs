//! Entering capability mode with stated grants, in one step.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use crate::{Containment, Error, Explanation, Limits, sys};

/// What a process keeps when it enters capability mode.
///
/// A *grant* names a descriptor and its limits. The *ceiling* limits every other descriptor:
/// nothing, unless stated.
///
/// FreeBSD: the ceiling is set on the descriptors that are open when the mode is entered. A
/// descriptor that is opened through another one has that one's limits, and new objects (pipes,
/// socket pairs) are not limited. Another thread may be opening a descriptor at that moment, so
/// with more than one thread a ceiling other than [`Limits::ALL`] is [`Error::Unenforceable`], or
/// with [`best_effort`](Self::best_effort) among [`Entered::missing`].
///
/// Linux: the ceiling holds for every number that is not granted, now and later. Two rules follow
/// from a filter seeing numbers only:
/// - a grant that has less than the ceiling cannot be duplicated or passed on, nor can a
///   directory or a listening socket with less than the ceiling open or accept anything;
/// - a grant that has more than the ceiling is *pinned*: it cannot be closed or replaced.
///
/// Calls that name descriptors in memory are held to what all descriptors have: poll(2) and
/// select(2) need [`EVENT`](crate::Rights::EVENT) in every grant and in the ceiling (epoll(7) does
/// not), and sendmsg(2) needs a grant that is a connection of Unix or TCP sockets, or
/// [`CONNECT`](crate::Rights::CONNECT) where no socket that takes addresses is open. Memory may be
/// made executable (mprotect(2)) only where every descriptor that may be mapped has
/// [`MMAP_X`](crate::Rights::MMAP_X). fstat(3) of glibc 2.33 to 2.38 is a lookup to the kernel and
/// refused below [`Containment::Directories`]; the system call itself works (rustix makes it).
///
/// An absolute path starts from no descriptor, so that the rights of lookups that Landlock cannot
/// tell apart are held to what every grant and the ceiling have. Pipes and anonymous memory lie
/// beneath no directory, and procfs has links to them that Landlock lets through: where one that is
/// open has less than the ceiling, `openat` needs `O_NOFOLLOW`; otherwise what is open may be opened
/// again with the ceiling, a pipe's other end included. Memory that may be executed needs
/// [`FEXECVE`](crate::Rights::FEXECVE) where anything has it. A socket that takes addresses and is
/// received over another one after entering sends messages to any address where the ceiling has
/// [`CONNECT`](crate::Rights::CONNECT). Without Landlock the soft limit of cores becomes 0.
///
/// At [`Containment::Directories`] the process has an empty root, and each directory is opened anew on
/// its number, as a mount of its own: no path leads out of it, absolute ones lead nowhere, and what the
/// last paragraph says of Landlock's confusions concerns only directories that arrive over a socket
/// after entering. Files of other users show the owner 65534 where that took a user namespace.
///
/// Capability mode limits what is reached, not how much of it is used. What all processes of a user
/// have in common can be used up: inotify instances, memory for pipes, pending signals, processes.
/// Children may outlive the process that started them. Limits (setrlimit(2)), a user of its own and
/// [`ProcessDescriptor`](crate::ProcessDescriptor) are for that. Linux: no process takes a real-time
/// scheduler or a negative nice value.
///
/// Signals reach the processes that entered together, by Landlock (ABI 6). Where a descriptor of a
/// process may be used to kill it ([`PDKILL`](crate::Rights::PDKILL)), Landlock would forbid that
/// too, so that then, as without Landlock, only descriptors send signals: kill(2) and raise(3) are
/// refused, and abort(3) ends the process by other means.
///
/// ```no_run
/// use capsicum_rs::{Rights, Sandbox};
///
/// let input = std::fs::File::open("input")?;
/// let output = std::fs::File::create("output")?;
/// let entered = Sandbox::new()
///     .grant(&input, Rights::READ | Rights::FSTAT)
///     .grant(&output, Rights::WRITE)
///     .grant(&std::io::stderr(), Rights::WRITE)
///     .enter()?;
/// eprintln!("held at the level {}", entered.containment);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[allow(clippy::struct_excessive_bools, reason = "each is asked for by itself")]
#[derive(Clone, Debug)]
#[must_use = "nothing is limited before `enter`"]
pub struct Sandbox<'fd> {
    grants: Vec<(BorrowedFd<'fd>, Limits)>,
    ceiling: Limits,
    require: Option<Containment>,
    prefer: Option<Containment>,
    broker: bool,
    without_submounts: bool,
    traps: bool,
    best_effort: bool,
}

impl Default for Sandbox<'_> {
    fn default() -> Self {
        Self {
            grants: Vec::new(),
            ceiling: Limits::NONE,
            require: None,
            prefer: None,
            broker: false,
            without_submounts: false,
            traps: false,
            best_effort: false,
        }
    }
}

impl<'fd> Sandbox<'fd> {
    /// Keeps nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps this descriptor with these limits; granting the same one again replaces them.
    pub fn grant(mut self, fd: &'fd impl AsFd, limits: impl Into<Limits>) -> Self {
        let fd = fd.as_fd();
        self.grants.retain(|(other, _)| other.as_raw_fd() != fd.as_raw_fd());
        self.grants.push((fd, limits.into()));
        self
    }

    /// Limits every descriptor that is not granted.
    pub fn ceiling(mut self, limits: impl Into<Limits>) -> Self {
        self.ceiling = limits.into();
        self
    }

    /// Refuses to enter at a lower level of containment than this. Of the levels at which all grants
    /// hold, the lowest is entered, since [`Containment::Directories`] changes more of a process:
    /// state it here, or in [`prefer`](Self::prefer).
    pub fn require(mut self, level: Containment) -> Self {
        self.require = Some(level);
        self
    }

    /// Enters at this level of containment where the host offers it, and otherwise at a lower one;
    /// the reason is then in [`Entered::missing`].
    pub fn prefer(mut self, level: Containment) -> Self {
        self.prefer = Some(level);
        self
    }

    /// Leaves out what other file systems are mounted beneath the directories: only
    /// [`Containment::Directories`] can hold that, where no directory can arrive over a socket.
    ///
    /// A directory above procfs can be looked up from then. Where entering takes a user namespace, the
    /// kernel refuses it for directories beneath which something is mounted: what a mount hides must
    /// stay hidden.
    pub fn without_submounts(mut self) -> Self {
        self.without_submounts = true;
        self
    }

    /// Has a call that is refused raise a signal besides, which ends the process unless it has a handler:
    /// what a program does that it should not is found where it does it. The call is refused all the same.
    ///
    /// FreeBSD: `SIGTRAP` with the code `TRAP_CAP`, by procctl(2) `PROC_TRAPCAP_CTL`, for every call that
    /// fails with `ECAPMODE` or `ENOTCAPABLE`, after it. The process can take it back.
    ///
    /// Linux: `SIGSYS` with the code 1 (`SYS_SECCOMP`), instead of the call, with the number of the call in
    /// `si_syscall` and what it would have failed with in `si_errno`; a handler that returns leaves the call
    /// without a result that means anything. Calls fail as before where that tells their caller to use
    /// another way (`ENOSYS`, `EAGAIN`), where a grant that is pinned would be closed, where poll(2) or select(2) is
    /// refused, which name their descriptors in memory, and where Landlock or a private root refuses
    /// (`EACCES`, `EXDEV`, `ENOENT`). Limits that are set afterwards raise it too.
    /// It holds for what the process becomes by execve(2), and for its children, for ever.
    ///
    /// Libraries make calls that are refused, too, and cope with it: the C library, and those of this
    /// project, which ask what a descriptor is that they have received. This is for programs that are tried
    /// out, and for workers whose calls are known.
    ///
    /// ```no_run
    /// use capsicum_rs::Sandbox;
    ///
    /// Sandbox::new().trap_refusals().enter()?;
    /// // Ends the process.
    /// let _ = std::fs::File::open("/etc/hosts");
    /// # Ok::<(), capsicum_rs::Error>(())
    /// ```
    pub fn trap_refusals(mut self) -> Self {
        self.traps = true;
        self
    }

    /// Has a process outside of the sandbox open what lies beneath directories that arrive later.
    ///
    /// On Linux a directory that is received over a socket after entering leads nowhere: Landlock has
    /// no rule for it. With a broker, `openat` on a descriptor that was not granted, and that the
    /// ceiling gives [`LOOKUP`](crate::Rights::LOOKUP) and what else the flags need, is answered by
    /// that process: the path is looked up beneath the directory, on its own mount and not on procfs,
    /// and what was opened has the ceiling. Other calls by path stay as they are, and what was
    /// granted is opened without the broker. It has the user, groups and capabilities of the
    /// caller, and opens nothing for a process that has others; it ends when no process of the
    /// sandbox is left. If it is killed, such calls fail with `ENOSYS`. It costs a fork(2) to start.
    ///
    /// It needs Linux 5.14, [`Containment::Landlock`], one thread, the procfs of the process's own
    /// namespace, and that no other supervisor listens (a container's); what is missing is an error. On
    /// FreeBSD the kernel does all this, and there is no such process. See seccomp_unotify(2).
    pub fn broker(mut self) -> Self {
        self.broker = true;
        self
    }

    /// Enters also where some of the grants cannot be used at the level that this host offers, or
    /// some rule cannot be held, and reports them in [`Entered::missing`].
    pub fn best_effort(mut self) -> Self {
        self.best_effort = true;
        self
    }

    /// Limits the descriptors and enters capability mode: irrevocable, inherited by children.
    ///
    /// # Errors
    ///
    /// - [`Error::NotCapable`]: a grant is wider than what the descriptor has.
    /// - [`Error::Containment`]: the level that was required, or that a grant needs (`LOOKUP` and
    ///   `FEXECVE` need [`Containment::Landlock`]), is not to be had.
    /// - [`Error::Unenforceable`]: a limit that this kernel cannot hold; the message names it.
    /// - [`Error::Threaded`]: this kernel restricts only the calling thread.
    /// - [`Error::TooLarge`]: more grants than a filter can hold.
    ///
    /// After an error the process is as it was, except that Linux may have set `no_new_privs`. A
    /// failure after what cannot be undone (Linux: joining a namespace, Landlock) ends the process
    /// with a message instead.
    pub fn enter(self) -> Result<Entered, Error> {
        sys::enter(&self.into_request())
    }

    /// What [`enter`](Self::enter) would do here and now: the level, what becomes of each
    /// descriptor, and the rule of each system call. Nothing is entered or changed.
    ///
    /// # Errors
    ///
    /// Those that [`enter`](Self::enter) would give before it changes anything. What only the
    /// kernel can refuse, by taking no filter, is not among them.
    ///
    /// ```
    /// use capsicum_rs::{Rights, Sandbox, sandboxed};
    ///
    /// let input = std::fs::File::open("/dev/null")?;
    /// let sandbox = Sandbox::new()
    ///     .grant(&input, Rights::READ | Rights::FSTAT | Rights::EVENT)
    ///     .best_effort();
    /// let explanation = sandbox.explain()?;
    /// println!("{explanation}");
    /// println!("read is {}", explanation.call("read").ok_or("no such call")?.outcome);
    /// assert!(!sandboxed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn explain(&self) -> Result<Explanation, Error> {
        sys::explain(&self.clone().into_request())
    }

    fn into_request(self) -> sys::Request {
        sys::Request {
            grants: self.grants.into_iter().map(|(fd, limits)| (fd.as_raw_fd(), limits)).collect(),
            ceiling: self.ceiling,
            require: self.require,
            prefer: self.prefer,
            broker: self.broker,
            without_submounts: self.without_submounts,
            traps: self.traps,
            best_effort: self.best_effort,
        }
    }
}

/// How capability mode was entered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entered {
    /// The level that holds.
    pub containment: Containment,
    /// What was asked for and is not there; empty unless
    /// [`best_effort`](Sandbox::best_effort) or [`prefer`](Sandbox::prefer) was stated.
    pub missing: Vec<Missing>,
    /// How many instructions the filter has; 0 where the kernel needs none.
    pub filter_len: usize,
}

/// Something that a best effort did not reach.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The right or rule, with its descriptor.
    pub what: String,
    /// Why.
    pub reason: String,
}
