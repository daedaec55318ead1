//! Files outside, and those that may only be read: what has changed of them.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use super::Scene;
use crate::native;

/// What was there before the attack.
pub(crate) struct Before {
    files: BTreeMap<PathBuf, State>,
    signals: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    inode: u64,
    mode: u32,
    owner: (u32, u32),
    times: (i64, i64, i64, i64),
    links: u64,
    content: Vec<u8>,
}

impl Before {
    pub(super) fn look(scene: &Scene) -> io::Result<Self> {
        Ok(Self { files: files(&scene.base)?, signals: native::SIGNALS.load(Ordering::SeqCst) })
    }

    /// In words.
    pub(super) fn changes(&self, scene: &Scene) -> Vec<String> {
        let mut changes = Vec::new();
        let now = match files(&scene.base) {
            Ok(now) => now,
            Err(error) => return vec![format!("the files cannot be looked at: {error}")],
        };
        for (path, before) in &self.files {
            let what = match now.get(path) {
                None => "is gone",
                Some(after) if after == before => continue,
                Some(after) if after.content != before.content => "has another content",
                Some(after) if after.inode != before.inode => "is another file",
                Some(after) if after.mode != before.mode => "has another mode",
                Some(after) if after.owner != before.owner => "has another owner",
                Some(after) if after.links != before.links => "has another name",
                Some(_) => "was altered",
            };
            changes.push(format!("{} {what}", path.display()));
        }
        for path in now.keys().filter(|path| !self.files.contains_key(*path)) {
            changes.push(format!("{} was made", path.display()));
        }
        if native::SIGNALS.load(Ordering::SeqCst) != self.signals {
            changes.push("its starter got a signal".to_owned());
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        if mounts.contains(&*scene.base.to_string_lossy()) {
            changes.push("something was mounted".to_owned());
        }
        changes.extend(devices(&scene.base.join("out")));
        changes
    }
}

/// Everything in `in` and `outside`, by its path beneath the base.
fn files(base: &Path) -> io::Result<BTreeMap<PathBuf, State>> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![PathBuf::from("in"), PathBuf::from("outside")];
    while let Some(path) = waiting.pop() {
        let full = base.join(&path);
        let about = fs::symlink_metadata(&full)?;
        let kind = about.file_type();
        let content = if kind.is_dir() {
            for entry in fs::read_dir(&full)? {
                waiting.push(path.join(entry?.file_name()));
            }
            Vec::new()
        } else if kind.is_file() && about.mode() & 0o400 != 0 {
            fs::read(&full)?
        } else {
            Vec::new()
        };
        let state = State {
            inode: about.ino(),
            mode: about.mode(),
            owner: (about.uid(), about.gid()),
            times: (about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec()),
            links: about.nlink(),
            content,
        };
        files.insert(path, state);
    }
    Ok(files)
}

/// A device that works is a way to the kernel and to disks.
fn devices(out: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(out) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| {
            entry.file_type().is_ok_and(|kind| kind.is_char_device() || kind.is_block_device())
        })
        .map(|entry| format!("out/{} is a device", entry.file_name().display()))
        .collect()
}
