//! What Landlock does not see works by path where a private root holds it, and nowhere else.

use super::*;

/// The calls by path from the directory in an argument: name, arguments, rights.
fn unseen() -> Vec<(&'static str, Vec<u64>, Rights)> {
    let path = libc::O_PATH.cast_unsigned().into();
    let mut calls = vec![
        ("newfstatat", vec![3, POINTER, POINTER, 0], Rights::FSTATAT),
        ("statx", vec![3, POINTER, 0, 0, POINTER], Rights::FSTATAT),
        ("faccessat", vec![3, POINTER, 4], Rights::FSTATAT),
        ("faccessat2", vec![3, POINTER, 4, 0], Rights::FSTATAT),
        ("readlinkat", vec![3, POINTER, POINTER, 64], Rights::LOOKUP),
        ("fchmodat", vec![3, POINTER, 0o777], Rights::FCHMODAT),
        ("fchmodat2", vec![3, POINTER, 0o777, 0], Rights::FCHMODAT),
        ("fchownat", vec![3, POINTER, 1, 1, 0], Rights::FCHOWNAT),
        ("utimensat", vec![3, POINTER, POINTER, 0], Rights::FUTIMESAT),
        ("openat", vec![3, POINTER, path], Rights::LOOKUP | Rights::READ),
    ];
    if cfg!(target_arch = "x86_64") {
        calls.push(("futimesat", vec![3, POINTER, POINTER], Rights::FUTIMESAT));
    }
    calls
}

fn rooted(rights: Rights) -> Policy {
    let mut policy = only(rights);
    policy.directories = true;
    policy
}

#[test]
fn by_path_needs_a_private_root() {
    for (call, args, rights) in unseen() {
        let without = ask(&only(rights), call, &args);
        assert!([GLOBAL, MISSING].contains(&without), "{call}: {without:?}");
        expect(&rooted(rights), call, &args, ALLOWED);
        // Landlock alone is no root.
        let mut landlock = only(rights);
        landlock.landlock = true;
        assert_eq!(ask(&landlock, call, &args), without, "{call}");
    }
}

#[test]
fn by_path_needs_each_right() {
    for (call, args, rights) in unseen() {
        for (_, right) in Rights::each().filter(|(_, right)| rights.contains(*right)) {
            expect(&rooted(rights.difference(right)), call, &args, INCAPABLE);
        }
    }
}

#[test]
fn the_working_directory_is_no_start() {
    for (call, mut args, rights) in unseen() {
        args[0] = CWD;
        expect(&rooted(rights), call, &args, GLOBAL);
    }
}

#[test]
fn where_directories_arrive_only_a_known_one_is_a_start() {
    for (call, args, rights) in unseen() {
        let mut policy = rooted(rights);
        policy.arrives = true;
        expect(&policy, call, &args, INCAPABLE);
        let known = Object { contained: true, ..Object::default() };
        expect(&policy.clone().known(3, known), call, &args, ALLOWED);
        // With the ceiling, whatever it is.
        policy.ceiling = rights.into();
        let mut other = args.clone();
        other[0] = 9;
        expect(&policy, call, &other, INCAPABLE);
        policy.arrives = false;
        expect(&policy, call, &other, ALLOWED);
    }
}

#[test]
fn a_path_that_may_be_empty_needs_that_it_reaches_nothing() {
    let empty = libc::AT_EMPTY_PATH.cast_unsigned().into();
    let stat = [3, POINTER, POINTER, empty];
    let statx = [3, POINTER, empty, 0, POINTER];
    for rights in [Rights::FSTAT, Rights::FSTATAT] {
        expect(&rooted(rights), "newfstatat", &stat, GLOBAL);
        expect(&rooted(rights), "statx", &statx, MISSING);
        let mut policy = rooted(rights);
        policy.statable = true;
        expect(&policy, "newfstatat", &stat, ALLOWED);
        expect(&policy, "statx", &statx, ALLOWED);
        // Without the root the fact says nothing.
        policy.directories = false;
        expect(&policy, "newfstatat", &stat, GLOBAL);
        expect(&policy, "statx", &statx, MISSING);
    }
    // That says nothing of paths that are not.
    let mut policy = rooted(Rights::FSTAT);
    policy.statable = true;
    expect(&policy, "newfstatat", &[3, POINTER, POINTER, 0], INCAPABLE);
    expect(&policy, "statx", &[3, POINTER, 0, 0, POINTER], INCAPABLE);
    let mut policy = rooted(Rights::LOOKUP);
    policy.statable = true;
    expect(&policy, "newfstatat", &stat, INCAPABLE);
    expect(&policy, "statx", &statx, INCAPABLE);
}

#[test]
fn a_reference_needs_the_right_of_what_it_might_become() {
    let path = u64::from(libc::O_PATH.cast_unsigned());
    let beneath = Rights::LOOKUP | Rights::READ;
    // What is opened has the ceiling.
    let mut narrow = rooted(beneath);
    narrow.ceiling = (beneath | Rights::WRITE).into();
    expect(&narrow, "openat", &[3, POINTER, path], INCAPABLE);
    for flag in [libc::O_DIRECTORY, libc::O_NOFOLLOW, libc::O_CLOEXEC] {
        let flags = path | u64::from(flag.cast_unsigned());
        expect(&rooted(beneath), "openat", &[3, POINTER, flags], ALLOWED);
    }
    let temporary = libc::O_TMPFILE.cast_unsigned().into();
    expect(&rooted(Rights::ALL), "openat", &[3, POINTER, temporary], GLOBAL);
    expect(&rooted(Rights::ALL), "openat", &[3, POINTER, path | 3], GLOBAL);
}

#[test]
fn paths_that_start_nowhere_stay_refused() {
    let everything = rooted(Rights::ALL);
    for call in ["chdir", "getcwd", "inotify_add_watch", "getxattr", "setxattr", "statfs"] {
        expect(&everything, call, &[POINTER, POINTER], GLOBAL);
    }
    for call in ["mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "setns"] {
        expect(&everything, call, &[3, POINTER], GLOBAL);
    }
    expect(&everything, "unshare", &[libc::CLONE_NEWNS.cast_unsigned().into()], GLOBAL);
}
