//! The private root: a mount namespace in which nothing but an empty directory has a path.
//!
//! A process beside this one, with the same memory and descriptors, makes the namespaces, copies
//! the trees of the directories there and puts an empty root in the place of the old one. Whatever
//! the host refuses, it refuses there: the caller is as it was. Then the caller joins. From its
//! first setns(2) into a user namespace on there is no way back, so that an error after it ends the
//! process.

use std::{
    ffi::CString,
    os::fd::{OwnedFd, RawFd},
};

use super::{
    ENOTCAPABLE,
    call::{
        mounts::{self, Errno},
        privilege,
    },
    process,
};

/// A directory that is to be replaced by a copy of its tree.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) fd: RawFd,
    /// Where it is, without links.
    pub(super) path: CString,
    /// `st_dev` and `st_ino`: what it is.
    pub(super) identity: (u64, u64),
    /// `MOUNT_ATTR_*` of the copy.
    pub(super) attributes: u64,
    /// What it was opened with: open(2).
    pub(super) flags: libc::c_int,
}

/// What the root itself is. Nothing is in it, and nothing can be put there.
const SEALED: u64 = libc::MOUNT_ATTR_RDONLY
    | libc::MOUNT_ATTR_NOSUID
    | libc::MOUNT_ATTR_NODEV
    | libc::MOUNT_ATTR_NOEXEC;

/// A step of the set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Namespaces,
    Ids,
    Hold,
    Find(usize),
    Join,
    Private,
    Moved(usize),
    Copy(usize),
    Restrict(usize),
    Root,
    Pivot,
}

/// The set-up, which the process beside does.
struct Work<'a> {
    places: &'a [Place],
    /// The maps of ids, where a user namespace is needed.
    maps: Option<(Vec<u8>, Vec<u8>)>,
    user: Option<OwnedFd>,
    mounts: Option<OwnedFd>,
    /// Of each place, in order. It has the room.
    trees: Vec<OwnedFd>,
    fault: Option<(Step, Errno)>,
}

impl Work<'_> {
    fn run(&mut self) {
        self.fault = self.set_up().err();
    }

    /// Calls the kernel, and allocates nothing.
    fn set_up(&mut self) -> Result<(), (Step, Errno)> {
        let at = |step: Step| move |errno: Errno| (step, errno);
        let user = if self.maps.is_some() { libc::CLONE_NEWUSER } else { 0 };
        mounts::unshare(libc::CLONE_NEWNS | user).map_err(at(Step::Namespaces))?;
        if let Some((uids, gids)) = &self.maps {
            mounts::write_file(c"/proc/self/setgroups", b"deny").map_err(at(Step::Ids))?;
            mounts::write_file(c"/proc/self/uid_map", uids).map_err(at(Step::Ids))?;
            mounts::write_file(c"/proc/self/gid_map", gids).map_err(at(Step::Ids))?;
            self.user = Some(mounts::open(c"/proc/self/ns/user").map_err(at(Step::Hold))?);
        }
        let own = mounts::open(c"/proc/self/ns/mnt").map_err(at(Step::Hold))?;
        for (index, place) in self.places.iter().enumerate() {
            self.trees.push(mounts::refer(&place.path).map_err(at(Step::Find(index)))?);
        }
        // Whoever joins gets the root of the namespace. After chroot(2) that is not the caller's,
        // from which the places were found: the empty root must cover the other one.
        mounts::join(&own, libc::CLONE_NEWNS).map_err(at(Step::Join))?;
        self.mounts = Some(own);
        mounts::make_mounts_private().map_err(at(Step::Private))?;
        for (index, (place, tree)) in self.places.iter().zip(&mut self.trees).enumerate() {
            *tree = mounts::clone_tree(tree).map_err(at(Step::Copy(index)))?;
            let identity = mounts::identity(tree).map_err(at(Step::Find(index)))?;
            if identity != place.identity {
                return Err((Step::Moved(index), 0));
            }
            mounts::restrict_mount(tree, place.attributes).map_err(at(Step::Restrict(index)))?;
        }
        let root = mounts::new_tmpfs(SEALED).map_err(at(Step::Root))?;
        mounts::cover_root(&root).map_err(at(Step::Root))?;
        mounts::take_as_root(&root).map_err(at(Step::Pivot))
    }
}

/// A root that is ready to be entered.
#[derive(Debug)]
pub(super) struct Root {
    user: Option<OwnedFd>,
    mounts: OwnedFd,
    /// What takes each number.
    directories: Vec<(RawFd, OwnedFd, bool)>,
}

/// Why [`Root::enter`] failed.
pub(super) enum Failure {
    /// The caller is as it was.
    Unchanged(String),
    /// It is in a namespace that it cannot leave.
    Halfway(String),
}

impl Root {
    /// Makes the root, and copies of the trees, without any change to the caller. Works in a
    /// process with threads, which cannot enter it.
    ///
    /// # Errors
    ///
    /// The reason why this process can have none, in words.
    pub(super) fn prepare(places: &[Place]) -> Result<Self, String> {
        if let Some(reason) = process::awaits_first() {
            return Err(reason);
        }
        let privileged = privilege::mounts().map_err(|error| format!("capget: {error}"))?;
        let mut work = Work {
            places,
            maps: (!privileged).then(|| {
                let (uid, gid) = privilege::ids();
                (format!("{uid} {uid} 1").into_bytes(), format!("{gid} {gid} 1").into_bytes())
            }),
            user: None,
            mounts: None,
            trees: Vec::with_capacity(places.len()),
            fault: None,
        };
        let done = mounts::beside(Work::run, &mut work)
            .map_err(|errno| format!("clone: {}", message(errno)))?;
        let Work { maps, user, mounts, trees, fault, .. } = work;
        if let Some((step, errno)) = fault {
            return Err(step.reason(errno, places, maps.is_some()));
        }
        let (true, Some(mounts)) = (done, mounts) else {
            return Err("the process that makes the root was killed".to_owned());
        };
        let mut directories = Vec::with_capacity(trees.len());
        for (place, tree) in places.iter().zip(trees) {
            let close_on_exec = place.flags & libc::O_CLOEXEC != 0;
            let directory = if place.flags & libc::O_PATH == 0 {
                // Opened with what the caller may do, not with what the process beside might.
                mounts::open_itself(&tree, place.flags & OPENED).map_err(|errno| {
                    format!("descriptor {} cannot be opened again: {}", place.fd, message(errno))
                })?
            } else {
                tree
            };
            mounts::rehearse_replace(place.fd, &directory).map_err(|errno| {
                let why = match errno {
                    libc::EBADF => " (it is above the limit RLIMIT_NOFILE)",
                    ENOTCAPABLE => " (the number of a closed descriptor is still limited)",
                    _ => "",
                };
                format!("descriptor {} cannot be replaced: {}{why}", place.fd, message(errno))
            })?;
            directories.push((place.fd, directory, close_on_exec));
        }
        Ok(Self { user, mounts, directories })
    }

    /// Enters the root: each directory's number gets the copy, and the capabilities that came with
    /// a user namespace are dropped. The caller has one thread.
    pub(super) fn enter(self) -> Result<(), Failure> {
        let told = |what: &str, errno| format!("{what}: {}", message(errno));
        let alone = self.user.is_none();
        if let Some(user) = &self.user {
            mounts::join(user, libc::CLONE_NEWUSER)
                .map_err(|errno| Failure::Unchanged(told("setns(CLONE_NEWUSER)", errno)))?;
        }
        // The point of no return: here with a user namespace, after this call without one.
        mounts::join(&self.mounts, libc::CLONE_NEWNS).map_err(|errno| {
            let told = told("setns(CLONE_NEWNS)", errno);
            if alone { Failure::Unchanged(told) } else { Failure::Halfway(told) }
        })?;
        for (fd, directory, close_on_exec) in &self.directories {
            mounts::replace(*fd, directory, *close_on_exec)
                .map_err(|errno| Failure::Halfway(told("dup3", errno)))?;
        }
        if !alone {
            privilege::drop_capabilities()
                .map_err(|error| Failure::Halfway(format!("dropping capabilities: {error}")))?;
        }
        Ok(())
    }
}

/// What a directory keeps of the flags that it was opened with.
const OPENED: libc::c_int = libc::O_NONBLOCK | libc::O_NOATIME;

fn message(errno: Errno) -> String {
    std::io::Error::from_raw_os_error(errno).to_string()
}

impl Step {
    fn reason(self, errno: Errno, places: &[Place], user: bool) -> String {
        let error = message(errno);
        let place = |index: usize| {
            places.get(index).map_or_else(String::new, |place| {
                format!("descriptor {} ({})", place.fd, place.path.to_string_lossy())
            })
        };
        match self {
            Self::Namespaces if user => format!(
                "no user namespace: unshare: {error}: see user.max_user_namespaces, \
                 kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns \
                 of sysctl(8), and the container's filter"
            ),
            Self::Namespaces => format!("no mount namespace: unshare: {error}"),
            Self::Ids => format!("the user namespace takes no ids (/proc/self/uid_map): {error}"),
            Self::Hold => format!("/proc/self/ns: {error}"),
            Self::Join => format!("setns(CLONE_NEWNS): {error}"),
            Self::Private => format!("mounts cannot be made private: {error}"),
            Self::Find(index) => format!(
                "{} is not found again by its path: {error}: it has been moved or deleted, or lies \
                 beneath a directory that cannot be searched",
                place(index)
            ),
            Self::Moved(index) => format!(
                "another directory is where {} was: it has been moved or deleted, or something is \
                 mounted over it",
                place(index)
            ),
            Self::Copy(index) => format!("open_tree of {}: {error}", place(index)),
            Self::Restrict(index) => format!("mount_setattr of {}: {error}", place(index)),
            Self::Root => format!("no empty root (tmpfs): {error}"),
            Self::Pivot => format!("pivot_root: {error}"),
        }
    }
}
