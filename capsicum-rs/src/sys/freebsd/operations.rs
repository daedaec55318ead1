//! Which system calls each right is about: rights(4) and the kernel's own checks.

use crate::Rights;

/// A right and its system calls.
pub(super) type Row = (Rights, &'static [&'static str]);

/// One row for each right of [`Rights::each`]. aio(4) and `lio_listio(2)` follow the calls that
/// they do; `*at` calls need `LOOKUP` besides. `SEEK_TELL` is a part of `SEEK`, all of which the
/// kernel asks for in every `lseek(2)` (`kern_lseek` of `sys/kern/vfs_syscalls.c`), so that alone
/// it is of no use.
pub(super) const OPERATIONS: &[Row] = &[
    (Rights::READ, &["read", "readv", "recvfrom", "recvmsg", "getdirentries", "openat"]),
    (Rights::WRITE, &["write", "writev", "sendto", "sendmsg", "openat"]),
    (Rights::SEEK_TELL, &["lseek"]),
    (Rights::SEEK, &["lseek", "pread", "preadv", "pwrite", "pwritev"]),
    (Rights::MMAP, &["mmap"]),
    (Rights::MMAP_X, &["mmap", "mprotect"]),
    (Rights::CREATE, &["openat"]),
    (Rights::FEXECVE, &["fexecve", "openat"]),
    (Rights::FSYNC, &["fsync", "fdatasync", "openat"]),
    (Rights::FTRUNCATE, &["ftruncate", "openat"]),
    (Rights::LOOKUP, &["openat", "fstatat", "faccessat", "readlinkat"]),
    (Rights::FCHDIR, &["fchdir"]),
    (Rights::FCHFLAGS, &["fchflags", "chflagsat"]),
    (Rights::FCHMOD, &["fchmod", "fchmodat"]),
    (Rights::FCHOWN, &["fchown", "fchownat"]),
    (Rights::FCNTL, &["fcntl"]),
    (Rights::FLOCK, &["flock", "fcntl", "openat"]),
    (Rights::FPATHCONF, &["fpathconf"]),
    (Rights::FSCK, &["__sysctl"]),
    (Rights::FSTAT, &["fstat", "fstatat", "faccessat"]),
    (Rights::FSTATFS, &["fstatfs"]),
    (Rights::FUTIMES, &["futimens", "futimes", "utimensat", "futimesat"]),
    (Rights::LINKAT_TARGET, &["linkat"]),
    (Rights::MKDIRAT, &["mkdirat"]),
    (Rights::MKFIFOAT, &["mkfifoat"]),
    (Rights::MKNODAT, &["mknodat"]),
    (Rights::RENAMEAT_SOURCE, &["renameat"]),
    (Rights::SYMLINKAT, &["symlinkat"]),
    (Rights::UNLINKAT, &["unlinkat", "funlinkat", "renameat"]),
    (Rights::ACCEPT, &["accept", "accept4"]),
    (Rights::BIND, &["bind"]),
    (Rights::CONNECT, &["connect", "sendto", "sendmsg"]),
    (Rights::GETPEERNAME, &["getpeername"]),
    (Rights::GETSOCKNAME, &["getsockname"]),
    (Rights::GETSOCKOPT, &["getsockopt"]),
    (Rights::LISTEN, &["listen"]),
    (Rights::PEELOFF, &["sctp_peeloff"]),
    (Rights::SETSOCKOPT, &["setsockopt"]),
    (Rights::SHUTDOWN, &["shutdown"]),
    (Rights::BINDAT, &["bindat"]),
    (Rights::CONNECTAT, &["connectat"]),
    (Rights::LINKAT_SOURCE, &["linkat"]),
    (Rights::RENAMEAT_TARGET, &["renameat"]),
    (Rights::FCHROOT, &["fchroot"]),
    (Rights::MAC_GET, &["__mac_get_fd"]),
    (Rights::MAC_SET, &["__mac_set_fd"]),
    (Rights::SEM_GETVALUE, &["ksem_getvalue"]),
    (Rights::SEM_POST, &["ksem_post"]),
    (Rights::SEM_WAIT, &["ksem_wait", "ksem_trywait", "ksem_timedwait"]),
    (Rights::EVENT, &["poll", "ppoll", "select", "pselect", "kevent"]),
    (Rights::KQUEUE_EVENT, &["kevent"]),
    (Rights::IOCTL, &["ioctl"]),
    (Rights::TTYHOOK, &["ioctl"]),
    (Rights::PDGETPID, &["pdgetpid"]),
    (Rights::PDWAIT, &["pdwait"]),
    (Rights::PDKILL, &["pdkill"]),
    (Rights::EXTATTR_DELETE, &["extattr_delete_fd"]),
    (Rights::EXTATTR_GET, &["extattr_get_fd"]),
    (Rights::EXTATTR_LIST, &["extattr_list_fd"]),
    (Rights::EXTATTR_SET, &["extattr_set_fd"]),
    (Rights::ACL_CHECK, &["__acl_aclcheck_fd"]),
    (Rights::ACL_DELETE, &["__acl_delete_fd"]),
    (Rights::ACL_GET, &["__acl_get_fd"]),
    (Rights::ACL_SET, &["__acl_set_fd"]),
    (Rights::KQUEUE_CHANGE, &["kevent"]),
    (Rights::INOTIFY_ADD, &["inotify_add_watch_at"]),
    (Rights::INOTIFY_RM, &["inotify_rm_watch"]),
];

/// The system calls of one right; none for a set that is no right of its own.
pub(super) fn of(right: Rights) -> &'static [&'static str] {
    OPERATIONS.iter().find(|(row, _)| *row == right).map_or(&[], |(_, calls)| calls)
}
