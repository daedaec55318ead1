//! The private root: an empty file system in which just the granted paths are mounted.

use std::os::fd::{AsRawFd, OwnedFd};

use super::{
    calls,
    prepared::{Content, Place, Prepared},
    report::{Report, Step},
};

/// What every mount of the set-up itself is.
const PLAIN: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;

/// Maps the caller's own ids in the new user namespace, and no others.
pub(super) fn map_ids(prepared: &Prepared<'_>) -> Result<(), Report> {
    let fault = |errno| Report::new(Step::Ids, errno);
    calls::write_file(c"/proc/self/setgroups", b"deny").map_err(fault)?;
    calls::write_file(c"/proc/self/uid_map", &prepared.uid_map).map_err(fault)?;
    calls::write_file(c"/proc/self/gid_map", &prepared.gid_map).map_err(fault)
}

/// Makes the root of a new mount namespace and enters it. `clones` has a place for each content.
///
/// Everything is cloned before the new root covers the old one, so that no path is looked up
/// through what is being built.
pub(super) fn enter(prepared: &Prepared<'_>, clones: &mut [Option<OwnedFd>]) -> Result<(), Report> {
    calls::make_mounts_private().map_err(|errno| Report::new(Step::Private, errno))?;
    let made = calls::new_mount(c"tmpfs", &[(c"mode", c"0755")], PLAIN);
    let root = made.map_err(|errno| Report::new(Step::Root, errno))?;
    for (index, (content, clone)) in prepared.contents.iter().zip(&mut *clones).enumerate() {
        let (made, step) = match content {
            Content::Shown(shown) => {
                let tree = calls::clone_tree(&shown.path, shown.directory);
                if shown.optional && tree.is_err() {
                    continue;
                }
                let restricted = tree.and_then(|tree| {
                    calls::restrict_mount(&tree, shown.attributes, shown.directory).map(|()| tree)
                });
                (restricted, Step::Grant)
            }
            Content::Fresh(fresh) => {
                (calls::new_mount(fresh.kind, &[fresh.option], fresh.attributes), Step::Fresh)
            }
        };
        *clone = Some(made.map_err(|errno| Report::at(step, index, errno))?);
    }
    calls::attach(&root, libc::AT_FDCWD, c"/").map_err(|errno| Report::new(Step::Root, errno))?;
    for (index, (content, clone)) in prepared.contents.iter().zip(clones).enumerate() {
        let Some(mount) = clone.take() else { continue };
        let (place, directory) = match content {
            Content::Shown(shown) => (&shown.place, shown.directory),
            Content::Fresh(fresh) => (&fresh.place, true),
        };
        show(&root, place, directory, &mount)
            .map_err(|errno| Report::at(Step::Show, index, errno))?;
    }
    for (place, text) in &prepared.links {
        make_parents(&root, place)
            .and_then(|()| calls::make_link(&root, &place.at, text))
            .map_err(|errno| Report::new(Step::Root, errno))?;
    }
    let seal = PLAIN | libc::MOUNT_ATTR_RDONLY;
    calls::restrict_mount(&root, seal, false).map_err(|errno| Report::new(Step::Root, errno))?;
    calls::take_as_root(&root).map_err(|errno| Report::new(Step::Pivot, errno))
}

fn make_parents(root: &OwnedFd, place: &Place) -> Result<(), calls::Errno> {
    place.parents.iter().try_for_each(|parent| calls::make_directory(root, parent))
}

fn show(
    root: &OwnedFd,
    place: &Place,
    directory: bool,
    mount: &OwnedFd,
) -> Result<(), calls::Errno> {
    make_parents(root, place)?;
    if directory {
        calls::make_directory(root, &place.at)?;
    } else {
        calls::make_file(root, &place.at)?;
    }
    calls::attach(mount, root.as_raw_fd(), &place.at)
}
