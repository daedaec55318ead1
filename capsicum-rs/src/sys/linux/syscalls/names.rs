//! Calls that are all about global names: paths without a directory descriptor, keys, mounts,
//! namespaces, and the system as a whole. Capability mode refuses each.

use super::{
    super::rule::{Fact, Refusal, Step, When},
    NONE, Row,
    files::{SET_ID, makes},
    row, rules,
};
use crate::program::Names;

pub(super) const ROWS: &[Row] = &[
    // Paths that Landlock holds.
    row("open", 2, NONE, OPEN),
    row("creat", 85, NONE, CREAT),
    row("mkdir", 83, NONE, rules!(named PATHS)),
    row("rmdir", 84, NONE, rules!(named PATHS)),
    row("mknod", 133, NONE, CREAT),
    row("unlink", 87, NONE, rules!(named PATHS)),
    row("rename", 82, NONE, rules!(named PATHS)),
    row("link", 86, NONE, rules!(named PATHS)),
    row("symlink", 88, NONE, rules!(named PATHS)),
    row("truncate", 76, 45, rules!(named PATHS)),
    // Paths that Landlock does not see.
    row("stat", 4, NONE, rules!(named METADATA)),
    row("lstat", 6, NONE, rules!(named METADATA)),
    row("access", 21, NONE, rules!(named METADATA)),
    row("readlink", 89, NONE, rules!(named METADATA)),
    row("statfs", 137, 43, rules!(named METADATA)),
    row("getxattr", 191, 8, rules!(named METADATA)),
    row("lgetxattr", 192, 9, rules!(named METADATA)),
    row("listxattr", 194, 11, rules!(named METADATA)),
    row("llistxattr", 195, 12, rules!(named METADATA)),
    row("inotify_add_watch", 254, 27, rules!(named METADATA)),
    row("chdir", 80, 49, rules!(unsupervised METADATA)),
    row("getcwd", 79, 17, rules!(named METADATA)),
    row("chmod", 90, NONE, rules!(named ATTRIBUTES)),
    row("chown", 92, NONE, rules!(named ATTRIBUTES)),
    row("lchown", 94, NONE, rules!(named ATTRIBUTES)),
    row("utime", 132, NONE, rules!(named ATTRIBUTES)),
    row("utimes", 235, NONE, rules!(named ATTRIBUTES)),
    row("setxattr", 188, 5, rules!(named ATTRIBUTES)),
    row("lsetxattr", 189, 6, rules!(named ATTRIBUTES)),
    row("removexattr", 197, 14, rules!(named ATTRIBUTES)),
    row("lremovexattr", 198, 15, rules!(named ATTRIBUTES)),
    // File handles are names of inodes, whatever the path.
    row("name_to_handle_at", 303, 264, rules!(global)),
    row("open_by_handle_at", 304, 265, rules!(global)),
    row("fanotify_init", 300, 262, rules!(global)),
    row("fanotify_mark", 301, 263, rules!(global)),
    // Keys and names of objects that processes share.
    row("shmget", 29, 194, rules!(named IPC)),
    row("shmat", 30, 196, rules!(named IPC)),
    row("shmctl", 31, 195, rules!(named IPC)),
    row("shmdt", 67, 197, rules!(named IPC)),
    row("semget", 64, 190, rules!(named IPC)),
    row("semop", 65, 193, rules!(named IPC)),
    row("semtimedop", 220, 192, rules!(named IPC)),
    row("semctl", 66, 191, rules!(named IPC)),
    row("msgget", 68, 186, rules!(named IPC)),
    row("msgsnd", 69, 189, rules!(named IPC)),
    row("msgrcv", 70, 188, rules!(named IPC)),
    row("msgctl", 71, 187, rules!(named IPC)),
    row("mq_open", 240, 180, rules!(named IPC)),
    row("mq_unlink", 241, 181, rules!(named IPC)),
    row("add_key", 248, 217, rules!(global)),
    row("request_key", 249, 218, rules!(global)),
    row("keyctl", 250, 219, rules!(global)),
    // Other processes.
    row("ptrace", 101, 117, rules!(global)),
    row("kcmp", 312, 272, rules!(global)),
    row("perf_event_open", 298, 241, rules!(global)),
    row("bpf", 321, 280, rules!(global)),
    // Mounts, roots and namespaces.
    row("mount", 165, 40, rules!(global)),
    row("umount2", 166, 39, rules!(global)),
    row("pivot_root", 155, 41, rules!(global)),
    row("chroot", 161, 51, rules!(global)),
    row("open_tree", 428, 428, rules!(global)),
    row("move_mount", 429, 429, rules!(global)),
    row("fsopen", 430, 430, rules!(global)),
    row("fsconfig", 431, 431, rules!(global)),
    row("fsmount", 432, 432, rules!(global)),
    row("fspick", 433, 433, rules!(global)),
    row("mount_setattr", 442, 442, rules!(global)),
    row("statmount", 457, 457, rules!(global)),
    row("listmount", 458, 458, rules!(global)),
    row("unshare", 272, 97, UNSHARE),
    row("setns", 308, 268, rules!(global)),
    // The system.
    row("sync", 162, 81, rules!(named PATHS)),
    row("syncfs", 306, 267, rules!(named PATHS)),
    row("sethostname", 170, 161, rules!(global)),
    row("setdomainname", 171, 162, rules!(global)),
    row("settimeofday", 164, 170, rules!(global)),
    row("clock_settime", 227, 112, rules!(global)),
    row("clock_adjtime", 305, 266, rules!(global)),
    row("adjtimex", 159, 171, rules!(global)),
    row("reboot", 169, 142, rules!(global)),
    row("kexec_load", 246, 104, rules!(global)),
    row("kexec_file_load", 320, 294, rules!(global)),
    row("init_module", 175, 105, rules!(global)),
    row("finit_module", 313, 273, rules!(global)),
    row("delete_module", 176, 106, rules!(global)),
    row("swapon", 167, 224, rules!(global)),
    row("swapoff", 168, 225, rules!(global)),
    row("quotactl", 179, 60, rules!(global)),
    row("quotactl_fd", 443, 443, rules!(global)),
    row("acct", 163, 89, rules!(global)),
    row("syslog", 103, 116, rules!(global)),
    row("vhangup", 153, 58, rules!(global)),
    row("iopl", 172, NONE, rules!(global)),
    row("ioperm", 173, NONE, rules!(global)),
];

/// `O_PATH` is not seen by Landlock, nor is the mode of a file that is made.
const OPEN: &[Step] = &[
    Step::Refuse(&[When::Unless(Fact::Alters), makes(1), When::Any(2, SET_ID)], Refusal::Global),
    Step::Allow(&[When::Named(Names::PATHS), When::Clear(1, libc::O_PATH.cast_unsigned())]),
    Step::Allow(&[When::Named(Names::PATHS.union(Names::METADATA))]),
    Step::Refuse(&[], Refusal::Global),
];

/// creat(2) and mknod(2): who may not alter modes makes no file either that takes on its owner's
/// ids.
const CREAT: &[Step] = &[
    Step::Refuse(&[When::Unless(Fact::Alters), When::Any(1, SET_ID)], Refusal::Global),
    Step::Allow(&[When::Named(Names::PATHS)]),
    Step::Refuse(&[], Refusal::Global),
];

/// Of `CLONE_THREAD` it only tells whether there are other threads; entering again asks that.
const UNSHARE: &[Step] = &[
    Step::Allow(&[When::Is(0, libc::CLONE_THREAD.cast_unsigned())]),
    Step::Refuse(&[], Refusal::Global),
];
