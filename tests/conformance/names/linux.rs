//! Names that Linux has, by system call: what the C library would call instead does not matter.
//!
//! Pointers are null where a call that is not refused must do no harm.

use std::ffi::c_long;

use super::{Attempt, World};
use crate::raw::{self, Arg, ECAPMODE, ENOTCAPABLE};

const CWD: Arg<'static> = Arg::Int(libc::AT_FDCWD as i64);
const NULL: Arg<'static> = Arg::Int(0);

fn int(value: i32) -> Arg<'static> {
    Arg::Int(value.into())
}

/// A call with these arguments.
fn call(
    name: &'static str,
    number: c_long,
    arguments: for<'w> fn(&'w World) -> Vec<Arg<'w>>,
) -> Attempt {
    Attempt::new(name, move |world| raw::syscall(number, &arguments(world)))
}

/// A call that does harm at most with arguments that it does not get here.
fn bare(name: &'static str, number: c_long) -> Attempt {
    Attempt::new(name, move |_| raw::syscall(number, &[NULL; 6]))
}

pub(super) fn attempts() -> Vec<Attempt> {
    let mut all = paths();
    #[cfg(target_arch = "x86_64")]
    all.extend(old_paths());
    all.extend(mounts());
    all.extend(processes());
    all.extend(keys());
    all.extend(system());
    all.extend(sockets());
    all
}

fn paths() -> Vec<Attempt> {
    vec![
        call("openat2", libc::SYS_openat2, |w| {
            vec![CWD, Arg::Str(&w.file), Arg::Bytes(&[0; 24]), int(24)]
        })
        .refused_with(&[libc::ENOSYS]),
        call("statx by path", libc::SYS_statx, |w| vec![CWD, Arg::Str(&w.file), NULL, NULL, NULL]),
        call("faccessat2 by path", libc::SYS_faccessat2, |w| vec![CWD, Arg::Str(&w.file)]),
        call("fchmodat2 by path", 452, |w| vec![CWD, Arg::Str(&w.file), int(0o777)]),
        call("statfs by path", libc::SYS_statfs, |w| vec![Arg::Str(&w.file), NULL]),
        call("getxattr by path", libc::SYS_getxattr, |w| {
            vec![Arg::Str(&w.file), Arg::Str(c"user.conformance"), NULL, NULL]
        }),
        call("setxattr by path", libc::SYS_setxattr, |w| {
            let name = Arg::Str(c"user.conformance");
            vec![Arg::Str(&w.file), name, Arg::Bytes(b"value"), int(5), NULL]
        }),
        call("lsetxattr by path", libc::SYS_lsetxattr, |w| {
            let name = Arg::Str(c"user.conformance");
            vec![Arg::Str(&w.file), name, Arg::Bytes(b"value"), int(5), NULL]
        }),
        call("listxattr by path", libc::SYS_listxattr, |w| vec![Arg::Str(&w.file), NULL, NULL]),
        call("removexattr by path", libc::SYS_removexattr, |w| {
            vec![Arg::Str(&w.file), Arg::Str(c"user.conformance")]
        }),
        call("inotify_add_watch", libc::SYS_inotify_add_watch, |w| {
            vec![int(-1), Arg::Str(&w.file), int(2)]
        }),
        call("execveat by path", libc::SYS_execveat, |w| {
            vec![CWD, Arg::Str(&w.file), NULL, NULL, NULL]
        }),
        call("name_to_handle_at", libc::SYS_name_to_handle_at, |w| {
            vec![CWD, Arg::Str(&w.file), NULL, NULL, NULL]
        }),
        bare("open_by_handle_at", libc::SYS_open_by_handle_at),
        bare("fanotify_init", libc::SYS_fanotify_init),
        bare("getcwd", libc::SYS_getcwd),
        call("reading /proc", libc::SYS_openat, |_| {
            vec![CWD, Arg::Str(c"/proc/self/environ"), NULL, NULL]
        }),
        call("shm_open's path", libc::SYS_openat, |_| {
            let flags = int(libc::O_CREAT | libc::O_RDWR | libc::O_EXCL);
            vec![CWD, Arg::Str(c"/dev/shm/conformance"), flags, int(0o600)]
        }),
    ]
}

/// The calls that newer architectures are without.
#[cfg(target_arch = "x86_64")]
fn old_paths() -> Vec<Attempt> {
    vec![
        call("open", libc::SYS_open, |w| vec![Arg::Str(&w.file), NULL, NULL]),
        call("creat", libc::SYS_creat, |w| vec![Arg::Str(&w.new), int(0o600)]),
        call("stat", libc::SYS_stat, |w| vec![Arg::Str(&w.file), NULL]),
        call("lstat", libc::SYS_lstat, |w| vec![Arg::Str(&w.file), NULL]),
        call("access", libc::SYS_access, |w| vec![Arg::Str(&w.file), NULL]),
        call("readlink", libc::SYS_readlink, |w| vec![Arg::Str(&w.file), NULL, NULL]),
        call("mkdir", libc::SYS_mkdir, |w| vec![Arg::Str(&w.new), int(0o700)]),
        call("rmdir", libc::SYS_rmdir, |w| vec![Arg::Str(&w.directory)]),
        call("mknod", libc::SYS_mknod, |w| vec![Arg::Str(&w.new), int(0o100_600), NULL]),
        call("unlink", libc::SYS_unlink, |w| vec![Arg::Str(&w.file)]),
        call("rename", libc::SYS_rename, |w| vec![Arg::Str(&w.file), Arg::Str(&w.new)]),
        call("link", libc::SYS_link, |w| vec![Arg::Str(&w.file), Arg::Str(&w.new)]),
        call("symlink", libc::SYS_symlink, |w| vec![Arg::Str(&w.file), Arg::Str(&w.new)]),
        call("chmod", libc::SYS_chmod, |w| vec![Arg::Str(&w.file), int(0o777)]),
        call("chown", libc::SYS_chown, |w| vec![Arg::Str(&w.file), int(-1), int(-1)]),
        call("lchown", libc::SYS_lchown, |w| vec![Arg::Str(&w.file), int(-1), int(-1)]),
        call("utime", libc::SYS_utime, |w| vec![Arg::Str(&w.file), Arg::Bytes(&[0; 16])]),
        call("utimes", libc::SYS_utimes, |w| vec![Arg::Str(&w.file), Arg::Bytes(&[0; 32])]),
        call("futimesat by path", libc::SYS_futimesat, |w| {
            vec![CWD, Arg::Str(&w.file), Arg::Bytes(&[0; 32])]
        }),
    ]
}

fn mounts() -> Vec<Attempt> {
    vec![
        call("mount", libc::SYS_mount, |w| {
            let tmpfs = Arg::Str(c"tmpfs");
            vec![tmpfs, Arg::Str(&w.directory), tmpfs, NULL, NULL]
        }),
        call("umount2", libc::SYS_umount2, |w| vec![Arg::Str(&w.directory), NULL]),
        call("pivot_root", libc::SYS_pivot_root, |w| {
            vec![Arg::Str(&w.directory), Arg::Str(&w.directory)]
        }),
        call("open_tree", libc::SYS_open_tree, |w| vec![CWD, Arg::Str(&w.directory), NULL]),
        bare("move_mount", libc::SYS_move_mount),
        call("fsopen", libc::SYS_fsopen, |_| vec![Arg::Str(c"tmpfs"), NULL]),
        bare("fsconfig", libc::SYS_fsconfig),
        bare("fsmount", libc::SYS_fsmount),
        call("fspick", libc::SYS_fspick, |w| vec![CWD, Arg::Str(&w.directory), NULL]),
        bare("mount_setattr", libc::SYS_mount_setattr),
        bare("statmount", 457),
        bare("listmount", 458),
        call("unshare of users", libc::SYS_unshare, |_| vec![int(libc::CLONE_NEWUSER)]),
        call("unshare of mounts", libc::SYS_unshare, |_| vec![int(libc::CLONE_NEWNS)]),
        call("unshare of the network", libc::SYS_unshare, |_| vec![int(libc::CLONE_NEWNET)]),
        bare("setns", libc::SYS_setns),
        bare("clone3", libc::SYS_clone3).refused_with(&[libc::ENOSYS]),
    ]
}

fn processes() -> Vec<Attempt> {
    let signals = &[ECAPMODE, libc::EPERM];
    vec![
        call("tkill of another process", libc::SYS_tkill, |w| {
            vec![int(w.victim), int(libc::SIGUSR1)]
        })
        .refused_with(signals),
        call("tgkill of another process", libc::SYS_tgkill, |w| {
            vec![int(w.victim), int(w.victim), int(libc::SIGUSR1)]
        })
        .refused_with(signals),
        call("rt_sigqueueinfo to another process", libc::SYS_rt_sigqueueinfo, |w| {
            // A `siginfo_t` with the code SI_QUEUE, which others may send.
            const INFO: [u8; 128] = {
                let mut info = [0; 128];
                let mut at = 8;
                while at < 12 {
                    info[at] = 0xff;
                    at += 1;
                }
                info
            };
            vec![int(w.victim), int(libc::SIGUSR1), Arg::Bytes(&INFO)]
        })
        .refused_with(signals),
        call("pidfd_open", libc::SYS_pidfd_open, |w| vec![int(w.victim), NULL]),
        bare("pidfd_getfd", libc::SYS_pidfd_getfd),
        Attempt::new("process_vm_readv", |w| raw::read_memory_of(w.victim, w.byte)),
        bare("process_vm_writev", libc::SYS_process_vm_writev),
        bare("process_madvise", libc::SYS_process_madvise),
        call("kcmp", libc::SYS_kcmp, |w| vec![int(w.victim), int(w.victim), NULL, NULL, NULL]),
        call("prlimit64 of another process", libc::SYS_prlimit64, |w| vec![int(w.victim)]),
        call("sched_setaffinity of another process", libc::SYS_sched_setaffinity, |w| {
            vec![int(w.victim), int(8), Arg::Bytes(&[0xff; 8])]
        }),
        call("sched_setparam of another process", libc::SYS_sched_setparam, |w| {
            vec![int(w.victim), Arg::Bytes(&[0; 4])]
        }),
        call("sched_setscheduler of another process", libc::SYS_sched_setscheduler, |w| {
            vec![int(w.victim), NULL, Arg::Bytes(&[0; 4])]
        }),
        Attempt::new("setpriority of another process", |w| raw::setpriority(w.victim, 19)),
        call("getpriority of another process", libc::SYS_getpriority, |w| {
            vec![NULL, int(w.victim)]
        }),
        call("ioprio_set of another process", libc::SYS_ioprio_set, |w| {
            vec![int(1), int(w.victim), int(0x4000)]
        }),
        call("setpgid of another process", libc::SYS_setpgid, |w| vec![int(w.victim), NULL]),
        call("getpgid of another process", libc::SYS_getpgid, |w| vec![int(w.victim)]),
        call("getsid of another process", libc::SYS_getsid, |w| vec![int(w.victim)]),
        call("the clock of another process", libc::SYS_clock_gettime, |w| {
            vec![int(!w.victim << 3 | 2), NULL]
        }),
        bare("perf_event_open", libc::SYS_perf_event_open),
        bare("bpf", libc::SYS_bpf),
        bare("userfaultfd", libc::SYS_userfaultfd),
        call("personality", libc::SYS_personality, |_| vec![int(0x040_0000)]),
        bare("io_uring_setup", libc::SYS_io_uring_setup).refused_with(&[ENOTCAPABLE]),
        bare("io_setup", libc::SYS_io_setup).refused_with(&[ENOTCAPABLE]),
        bare("io_submit", libc::SYS_io_submit).refused_with(&[ENOTCAPABLE]),
        // Beyond the table: a call that the filter does not know does not exist.
        bare("a system call that is not known", 1000).refused_with(&[libc::ENOSYS]),
    ]
}

fn keys() -> Vec<Attempt> {
    let create = |number| {
        move |_: &World| raw::syscall(number, &[int(7), int(1), int(libc::IPC_CREAT | 0o600)])
    };
    vec![
        Attempt::new("shmget", create(libc::SYS_shmget)),
        Attempt::new("semget", create(libc::SYS_semget)),
        call("msgget", libc::SYS_msgget, |_| vec![int(7), int(libc::IPC_CREAT | 0o600)]),
        bare("shmat", libc::SYS_shmat),
        bare("shmctl", libc::SYS_shmctl),
        bare("semop", libc::SYS_semop),
        bare("semctl", libc::SYS_semctl),
        bare("msgsnd", libc::SYS_msgsnd),
        bare("msgrcv", libc::SYS_msgrcv),
        bare("msgctl", libc::SYS_msgctl),
        call("mq_open", libc::SYS_mq_open, |_| {
            vec![Arg::Str(c"conformance"), int(libc::O_CREAT | libc::O_RDWR), int(0o600), NULL]
        }),
        call("mq_unlink", libc::SYS_mq_unlink, |_| vec![Arg::Str(c"conformance")]),
        bare("add_key", libc::SYS_add_key),
        bare("request_key", libc::SYS_request_key),
        // KEYCTL_GET_KEYRING_ID of the session's keyring
        call("keyctl", libc::SYS_keyctl, |_| vec![NULL, int(-3), NULL]),
    ]
}

fn system() -> Vec<Attempt> {
    vec![
        call("sethostname", libc::SYS_sethostname, |_| vec![NULL, int(-1)]),
        call("setdomainname", libc::SYS_setdomainname, |_| vec![NULL, int(-1)]),
        call("settimeofday", libc::SYS_settimeofday, |_| vec![Arg::Bytes(&[0xff; 16]), NULL]),
        call("clock_settime", libc::SYS_clock_settime, |_| vec![NULL, Arg::Bytes(&[0xff; 16])]),
        bare("adjtimex", libc::SYS_adjtimex),
        // Without the magic numbers.
        bare("reboot", libc::SYS_reboot),
        bare("kexec_load", libc::SYS_kexec_load),
        bare("init_module", libc::SYS_init_module),
        call("finit_module", libc::SYS_finit_module, |_| vec![int(-1), NULL, NULL]),
        bare("delete_module", libc::SYS_delete_module),
        bare("swapon", libc::SYS_swapon),
        bare("swapoff", libc::SYS_swapoff),
        call("quotactl", libc::SYS_quotactl, |_| vec![int(-1), NULL, NULL, NULL]),
        call("acct", libc::SYS_acct, |w| vec![Arg::Str(&w.directory)]),
        call("syslog", libc::SYS_syslog, |_| vec![int(-1), NULL, NULL]),
        bare("sync", libc::SYS_sync),
        #[cfg(target_arch = "x86_64")]
        bare("iopl", libc::SYS_iopl),
        #[cfg(target_arch = "x86_64")]
        bare("ioperm", libc::SYS_ioperm),
    ]
}

fn sockets() -> Vec<Attempt> {
    let socket = |family, kind| move |_: &World| raw::socket(family, kind);
    vec![
        Attempt::new("a socket of IPv4", socket(libc::AF_INET, libc::SOCK_STREAM)),
        Attempt::new("a socket of IPv6", socket(libc::AF_INET6, libc::SOCK_STREAM)),
        Attempt::new("a local socket", socket(libc::AF_UNIX, libc::SOCK_STREAM)),
        Attempt::new("a socket of netlink", socket(libc::AF_NETLINK, libc::SOCK_RAW)),
        Attempt::new("a socket of a virtual machine", socket(libc::AF_VSOCK, libc::SOCK_STREAM)),
        Attempt::new("a pair of datagram sockets", |_| raw::socketpair(libc::SOCK_DGRAM)),
        Attempt::new("undoing a connection", |w| {
            let mut nowhere = w.address;
            nowhere.sin_family = libc::AF_UNSPEC as _;
            raw::connect(&w.stream, &nowhere)
        }),
    ]
}
