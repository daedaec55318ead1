//! A set-up that fails leaves the process as it was, or ends it.
//!
//! Each step is made to fail by a filter that refuses its system call.

use std::{fs, io, path::PathBuf, sync::atomic::Ordering::SeqCst};

use capsicum_rs::{Containment, Error, Rights, Sandbox, sandboxed};

use crate::{
    harness::{Case, Done, End, Outcome, ensure, works},
    raw::{self, SharedPage},
    scene::Scene,
};

/// The calls of the set-up before anything changes.
const BEFORE: &[(&str, libc::c_long)] = &[
    ("unshare", libc::SYS_unshare),
    ("mount", libc::SYS_mount),
    ("openat2", libc::SYS_openat2),
    ("open_tree", libc::SYS_open_tree),
    ("mount_setattr", libc::SYS_mount_setattr),
    ("fsopen", libc::SYS_fsopen),
    ("fsconfig", libc::SYS_fsconfig),
    ("fsmount", libc::SYS_fsmount),
    ("move_mount", libc::SYS_move_mount),
    ("fchdir", libc::SYS_fchdir),
    ("pivot_root", libc::SYS_pivot_root),
    ("umount2", libc::SYS_umount2),
    ("setns", libc::SYS_setns),
    ("dup3", libc::SYS_dup3),
];

/// Those after which there is no way back.
const AFTER: &[(&str, libc::c_long)] =
    &[("landlock_restrict_self", libc::SYS_landlock_restrict_self)];

const LOOK: Rights = Rights::LOOKUP.union(Rights::READ).union(Rights::FSTAT);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, number) in BEFORE {
        cases
            .push(Case::new(format!("without {name} the process stays as it was"), move |scene| {
                unchanged(scene, *number)
            }));
    }
    for (name, number) in AFTER {
        let sentence = format!("without {name} the process ends, half way");
        let case =
            Case::new(sentence, move |scene| halfway(scene, || raw::without_syscall(*number)));
        cases.push(case.ends(End::Signal(&[libc::SIGABRT])));
    }
    cases.push(Case::new("a namespace that cannot be joined after another is an error", |scene| {
        let own = works("ids", fs::read_to_string("/proc/self/uid_map"))?;
        let mounts = libc::CLONE_NEWNS.cast_unsigned();
        works("filter", raw::without_call(libc::SYS_setns, 1, mounts))?;
        attempt(scene)?;
        let same = works("ids", fs::read_to_string("/proc/self/uid_map"))? == own;
        ensure(same, "it is in another user namespace").map(|()| Done::Held)
    }));
    cases.push(Case::new("explaining leaves nothing behind", |scene| {
        let dir = works("directory", scene.directory("dir"))?;
        let before = works("state", state())?;
        let sandbox = Sandbox::new().grant(&dir, LOOK).require(Containment::Directories);
        let explained = works("explain", sandbox.explain())?;
        ensure(explained.containment == Containment::Directories, "another level")?;
        ensure(works("state", state())? == before, "it left something").map(|()| Done::Held)
    }));
    cases
}

/// What must not change.
fn state() -> io::Result<Vec<String>> {
    let status = fs::read_to_string("/proc/self/status")?;
    // Not `SigQ`, which counts what is pending for all processes of the user.
    let kept =
        ["Cap", "SigB", "SigC", "SigI", "SigP", "Shd", "Groups", "Uid", "Gid", "Threads", "Umask"];
    let mut state: Vec<String> = status
        .lines()
        .filter(|line| kept.iter().any(|name| line.starts_with(name)))
        .map(str::to_owned)
        .collect();
    let links = ["cwd", "root", "ns/mnt", "ns/user"];
    let mut paths: Vec<PathBuf> =
        links.iter().map(|link| PathBuf::from("/proc/self").join(link)).collect();
    let listing = fs::read_dir("/proc/self/fd")?;
    paths.extend(listing.flatten().map(|entry| entry.path()));
    for path in paths {
        // That of the listing is closed by now.
        if let Ok(target) = fs::read_link(&path) {
            state.push(format!("{} -> {}", path.display(), target.display()));
        }
    }
    state.sort();
    state.push(fs::read_to_string("/proc/thread-self/children")?);
    state.push(fs::read_to_string("/proc/self/uid_map")?);
    Ok(state)
}

fn attempt(scene: &Scene) -> Result<(), String> {
    let dir = works("directory", scene.directory("dir"))?;
    let sandbox = Sandbox::new().grant(&dir, LOOK).require(Containment::Directories);
    match sandbox.enter() {
        Err(Error::Containment { required: Containment::Directories, offered, reason }) => {
            ensure(offered == Containment::Landlock, format!("it says {offered} is offered"))?;
            ensure(!reason.is_empty(), "no reason")?;
            ensure(!sandboxed(), "in capability mode after an error")
        }
        other => Err(format!("{other:?}")),
    }
}

fn unchanged(scene: &Scene, number: libc::c_long) -> Outcome {
    let page: &'static SharedPage = Box::leak(Box::new(works("page", SharedPage::new())?));
    works("handler", raw::count_signals(page, libc::SIGCHLD))?;
    works("filter", raw::without_syscall(number))?;
    let before = works("state", state())?;
    attempt(scene)?;
    let after = works("state", state())?;
    ensure(before == after, format!("{before:#?} became {after:#?}"))?;
    ensure(page.counter().load(SeqCst) == 0, "the handler of SIGCHLD heard of it")?;
    // As it was: it can go on at another level.
    let dir = works("directory", scene.directory("dir"))?;
    let entered = works("enter", Sandbox::new().grant(&dir, LOOK).enter())?;
    ensure(entered.containment == Containment::Landlock, format!("{entered:?}"))?;
    Ok(Done::Held)
}

fn halfway(scene: &Scene, refuse: impl Fn() -> io::Result<()>) -> Outcome {
    works("filter", refuse())?;
    attempt(scene)?;
    Ok(Done::Held)
}
