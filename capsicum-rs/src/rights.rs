//! The rights of rights(4), FreeBSD 15 included, with FreeBSD's own bit values.
//!
//! A *right* is one bit, or a few where one right implies another: `MKDIRAT` holds the bit of
//! `LOOKUP`, because mkdirat(2) is a lookup. A *composite* has no bit of its own: `PREAD` is
//! `SEEK` and `READ`. The rights of word 0 are the low 64 bits and those of word 1 the high 64,
//! without the two bits by which FreeBSD marks the word: the backend adds them.

mod text;

pub use text::ParseRightsError;

/// Word 1 of `cap_rights_t`.
const fn word1(bits: u128) -> u128 {
    bits << 64
}

bitflags::bitflags! {
    /// A set of rights that a descriptor has or an operation needs.
    ///
    /// [`contains`](Self::contains) is cap_rights_contains(3): a composite is contained when its
    /// parts are. `Display` and `FromStr` use the names of rights(4) without the `CAP_` prefix,
    /// joined by `|`; the empty set is `NONE` and the full one `ALL`.
    ///
    /// ```
    /// use capsicum_rs::Rights;
    ///
    /// let rights: Rights = "READ|SEEK|FSTAT".parse()?;
    /// assert!(rights.contains(Rights::PREAD));
    /// assert!(!rights.contains(Rights::MMAP_R));
    /// assert_eq!(rights.to_string(), "READ|SEEK|FSTAT");
    /// # Ok::<(), capsicum_rs::ParseRightsError>(())
    /// ```
    ///
    /// See rights(4) and `cap_rights_init(3)`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
    pub struct Rights: u128 {
        /// read(2), readv(2), recv(2), `openat` for reading.
        const READ = 0x1;
        /// write(2), writev(2), send(2), `openat` for writing.
        const WRITE = 0x2;
        /// lseek(2) that only asks for the offset: `lseek(fd, 0, SEEK_CUR)`. FreeBSD's kernel wants
        /// all of [`SEEK`](Self::SEEK) for that too.
        const SEEK_TELL = 0x4;
        /// lseek(2); with [`READ`](Self::READ) or [`WRITE`](Self::WRITE) also pread(2) and pwrite(2).
        const SEEK = 0xc;
        /// mmap(2) with no access; the composites say which access.
        const MMAP = 0x10;
        /// mmap(2) with `PROT_EXEC`.
        const MMAP_X = 0x3c;
        /// `openat` with `O_CREAT`.
        const CREATE = 0x40;
        /// fexecve(2), `openat` with `O_EXEC`.
        const FEXECVE = 0x80;
        /// fsync(2), fdatasync(2), `openat` with `O_SYNC`.
        const FSYNC = 0x100;
        /// ftruncate(2), `openat` with `O_TRUNC`.
        const FTRUNCATE = 0x200;
        /// The descriptor may be the starting directory of a lookup.
        const LOOKUP = 0x400;
        /// fchdir(2).
        const FCHDIR = 0x800;
        /// fchflags(2); the `FS_IOC_SETFLAGS` ioctl on Linux.
        const FCHFLAGS = 0x1000;
        /// fchmod(2).
        const FCHMOD = 0x2000;
        /// fchown(2).
        const FCHOWN = 0x4000;
        /// fcntl(2) with the commands of [`Fcntls`](crate::Fcntls).
        const FCNTL = 0x8000;
        /// flock(2) and the locks of fcntl(2).
        const FLOCK = 0x1_0000;
        /// fpathconf(2).
        const FPATHCONF = 0x2_0000;
        /// The background-fsck operations of UFS.
        const FSCK = 0x4_0000;
        /// fstat(2).
        const FSTAT = 0x8_0000;
        /// fstatfs(2).
        const FSTATFS = 0x10_0000;
        /// futimens(2), futimes(2).
        const FUTIMES = 0x20_0000;
        /// linkat(2), on the directory that gets the new name.
        const LINKAT_TARGET = 0x40_0400;
        /// mkdirat(2).
        const MKDIRAT = 0x80_0400;
        /// mkfifoat(2).
        const MKFIFOAT = 0x100_0400;
        /// mknodat(2).
        const MKNODAT = 0x200_0400;
        /// renameat(2), on the directory that loses the name.
        const RENAMEAT_SOURCE = 0x400_0400;
        /// symlinkat(2).
        const SYMLINKAT = 0x800_0400;
        /// unlinkat(2), and renameat(2) onto a name that exists.
        const UNLINKAT = 0x1000_0400;
        /// accept(2), accept4(2).
        const ACCEPT = 0x2000_0000;
        /// bind(2).
        const BIND = 0x4000_0000;
        /// connect(2), and messages that carry an address.
        const CONNECT = 0x8000_0000;
        /// getpeername(2).
        const GETPEERNAME = 0x1_0000_0000;
        /// getsockname(2).
        const GETSOCKNAME = 0x2_0000_0000;
        /// getsockopt(2).
        const GETSOCKOPT = 0x4_0000_0000;
        /// listen(2).
        const LISTEN = 0x8_0000_0000;
        /// sctp_peeloff(2).
        const PEELOFF = 0x10_0000_0000;
        /// setsockopt(2).
        const SETSOCKOPT = 0x20_0000_0000;
        /// shutdown(2).
        const SHUTDOWN = 0x40_0000_0000;
        /// bindat(2).
        const BINDAT = 0x80_0000_0400;
        /// connectat(2).
        const CONNECTAT = 0x100_0000_0400;
        /// linkat(2), on the directory that has the old name.
        const LINKAT_SOURCE = 0x200_0000_0400;
        /// renameat(2), on the directory that gets the name.
        const RENAMEAT_TARGET = 0x400_0000_0400;
        /// fchroot(2) (FreeBSD 15).
        const FCHROOT = 0x800_0000_0000;
        /// mac_get_fd(3).
        const MAC_GET = word1(0x1);
        /// mac_set_fd(3).
        const MAC_SET = word1(0x2);
        /// sem_getvalue(3) on a semaphore descriptor.
        const SEM_GETVALUE = word1(0x4);
        /// sem_post(3) on a semaphore descriptor.
        const SEM_POST = word1(0x8);
        /// sem_wait(3) on a semaphore descriptor.
        const SEM_WAIT = word1(0x10);
        /// Being watched by poll(2), select(2), kevent(2) or epoll(7).
        const EVENT = word1(0x20);
        /// Taking events from a kqueue(2) or epoll(7) descriptor.
        const KQUEUE_EVENT = word1(0x40);
        /// ioctl(2) with the requests of [`Ioctls`](crate::Ioctls).
        const IOCTL = word1(0x80);
        /// Hooking a terminal (snp(4)).
        const TTYHOOK = word1(0x100);
        /// pdgetpid(2).
        const PDGETPID = word1(0x200);
        /// Waiting for a process by its descriptor.
        const PDWAIT = word1(0x400);
        /// pdkill(2), pidfd_send_signal(2).
        const PDKILL = word1(0x800);
        /// extattr_delete_fd(2), fremovexattr(2).
        const EXTATTR_DELETE = word1(0x1000);
        /// extattr_get_fd(2), fgetxattr(2).
        const EXTATTR_GET = word1(0x2000);
        /// extattr_list_fd(2), flistxattr(2).
        const EXTATTR_LIST = word1(0x4000);
        /// extattr_set_fd(2), fsetxattr(2). On Linux [`FCHMOD`](Self::FCHMOD) is needed too: an
        /// attribute may be an access list, and that the mode.
        const EXTATTR_SET = word1(0x8000);
        /// acl_valid_fd_np(3).
        const ACL_CHECK = word1(0x1_0000);
        /// acl_delete_fd_np(3).
        const ACL_DELETE = word1(0x2_0000);
        /// acl_get_fd(3).
        const ACL_GET = word1(0x4_0000);
        /// acl_set_fd(3).
        const ACL_SET = word1(0x8_0000);
        /// Changing what a kqueue(2) or epoll(7) descriptor watches.
        const KQUEUE_CHANGE = word1(0x10_0000);
        /// inotify_add_watch_at(2) (FreeBSD 15).
        const INOTIFY_ADD = word1(0x20_0000);
        /// inotify_rm_watch(2) (FreeBSD 15).
        const INOTIFY_RM = word1(0x40_0000);
        /// pread(2), preadv(2).
        const PREAD = Self::SEEK.bits() | Self::READ.bits();
        /// pwrite(2), pwritev(2).
        const PWRITE = Self::SEEK.bits() | Self::WRITE.bits();
        /// mmap(2) with `PROT_READ`.
        const MMAP_R = Self::MMAP.bits() | Self::SEEK.bits() | Self::READ.bits();
        /// mmap(2) with `PROT_WRITE`.
        const MMAP_W = Self::MMAP.bits() | Self::SEEK.bits() | Self::WRITE.bits();
        /// mmap(2) with `PROT_READ | PROT_WRITE`.
        const MMAP_RW = Self::MMAP_R.bits() | Self::MMAP_W.bits();
        /// mmap(2) with `PROT_READ | PROT_EXEC`.
        const MMAP_RX = Self::MMAP_R.bits() | Self::MMAP_X.bits();
        /// mmap(2) with `PROT_WRITE | PROT_EXEC`.
        const MMAP_WX = Self::MMAP_W.bits() | Self::MMAP_X.bits();
        /// mmap(2) with every access.
        const MMAP_RWX = Self::MMAP_R.bits() | Self::MMAP_W.bits() | Self::MMAP_X.bits();
        /// chflagsat(2).
        const CHFLAGSAT = Self::FCHFLAGS.bits() | Self::LOOKUP.bits();
        /// fchmodat(2).
        const FCHMODAT = Self::FCHMOD.bits() | Self::LOOKUP.bits();
        /// fchownat(2).
        const FCHOWNAT = Self::FCHOWN.bits() | Self::LOOKUP.bits();
        /// fstatat(2), faccessat(2).
        const FSTATAT = Self::FSTAT.bits() | Self::LOOKUP.bits();
        /// utimensat(2).
        const FUTIMESAT = Self::FUTIMES.bits() | Self::LOOKUP.bits();
        /// recv(2): another name for [`READ`](Self::READ).
        const RECV = Self::READ.bits();
        /// send(2): another name for [`WRITE`](Self::WRITE).
        const SEND = Self::WRITE.bits();
        /// What a client does with its socket.
        const SOCK_CLIENT = Self::CONNECT.bits() | Self::GETPEERNAME.bits() | Self::GETSOCKNAME.bits() | Self::GETSOCKOPT.bits() | Self::PEELOFF.bits() | Self::RECV.bits() | Self::SEND.bits() | Self::SETSOCKOPT.bits() | Self::SHUTDOWN.bits();
        /// What a server does with its sockets.
        const SOCK_SERVER = Self::ACCEPT.bits() | Self::BIND.bits() | Self::GETPEERNAME.bits() | Self::GETSOCKNAME.bits() | Self::GETSOCKOPT.bits() | Self::LISTEN.bits() | Self::PEELOFF.bits() | Self::RECV.bits() | Self::SEND.bits() | Self::SETSOCKOPT.bits() | Self::SHUTDOWN.bits();
        /// Every use of a kqueue(2) or epoll(7) descriptor.
        const KQUEUE = Self::KQUEUE_EVENT.bits() | Self::KQUEUE_CHANGE.bits();
    }
}

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self::empty();
    /// Every right that FreeBSD 15 knows.
    pub const ALL: Self = Self::all();

    /// The named rights that are no composites, in the order of their bits.
    pub fn each() -> impl Iterator<Item = (&'static str, Self)> {
        use bitflags::Flags;
        let mut owned = Self::empty();
        Self::FLAGS.iter().filter_map(move |flag| {
            let fresh = !owned.contains(*flag.value());
            owned |= *flag.value();
            fresh.then_some((flag.name(), *flag.value()))
        })
    }
}
