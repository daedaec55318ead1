//! Mounts, as the process sees them: whether procfs can be reached from a directory.

use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    io::{self, Read},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    call,
    open::{Open, failed},
};
use crate::Error;

/// `f_type` of procfs.
const PROC_SUPER_MAGIC: libc::c_long = 0x9fa0;

/// What the process sees of mounts, as far as it was looked at.
pub(super) struct Mounts {
    /// Whether what is mounted beneath a directory can be reached from it.
    recursive: bool,
    /// By mount: where beneath it procfs is mounted; `None` where the kernel does not say.
    beneath: RefCell<BTreeMap<u64, Option<Rc<[PathBuf]>>>>,
    table: OnceCell<Table>,
    /// `/proc/self/fd`.
    links: OnceCell<OwnedFd>,
}

/// The whole of `/proc/self/mountinfo`.
struct Table {
    mounts: Vec<Mount>,
    procfs: Vec<PathBuf>,
}

/// A line of mountinfo.
struct Mount {
    id: u64,
    parent: u64,
    point: PathBuf,
}

impl Table {
    fn read() -> Result<Self, Error> {
        // Files of procfs state no size, and what reads them without one does so in many bits.
        let mut text = Vec::with_capacity(1 << 15);
        File::open("/proc/self/mountinfo")
            .and_then(|mut file| file.read_to_end(&mut text))
            .map_err(failed("/proc/self/mountinfo"))?;
        Ok(Self::parse(&text))
    }

    /// proc(5): `id parent major:minor root point options … - type source options`.
    fn parse(table: &[u8]) -> Self {
        let mut mounts = Self { mounts: Vec::new(), procfs: Vec::new() };
        for line in table.split(|byte| *byte == b'\n') {
            let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
            let number = |at: usize| -> Option<u64> {
                std::str::from_utf8(fields.get(at)?).ok()?.parse().ok()
            };
            let (Some(id), Some(parent), Some(point)) = (number(0), number(1), fields.get(4))
            else {
                continue;
            };
            let point = PathBuf::from(OsString::from_vec(unescape(point)));
            let separator = fields.iter().position(|field| *field == b"-");
            let kind = separator.and_then(|at| fields.get(at + 1));
            if kind.is_some_and(|kind| *kind == b"proc") {
                mounts.procfs.push(point.clone());
            }
            mounts.mounts.push(Mount { id, parent, point });
        }
        mounts
    }

    /// The mount that a lookup of this path, which has no links, ends on: from the root on, the first
    /// mount on its way that is mounted on the one before. Others may be hidden by those above.
    pub(super) fn holder(&self, path: &Path) -> Option<u64> {
        if !path.is_absolute() {
            return None;
        }
        let known = |id: u64| self.mounts.iter().any(|mount| mount.id == id);
        let only = |mut found: Vec<&Mount>| found.pop().filter(|_| found.is_empty()).map(|m| m.id);
        let roots = self.mounts.iter().filter(|mount| mount.point == Path::new("/"));
        let mut holder = only(roots.filter(|mount| !known(mount.parent)).collect())?;
        // Each is further down than the one before: there are no more steps than mounts.
        for _ in &self.mounts {
            let on_it = || {
                let on_it = self.mounts.iter().filter(|mount| mount.parent == holder);
                on_it.filter(|mount| path.starts_with(&mount.point))
            };
            let depth = |mount: &Mount| mount.point.components().count();
            let Some(first) = on_it().map(depth).min() else { return Some(holder) };
            holder = only(on_it().filter(|mount| depth(mount) == first).collect())?;
        }
        None
    }
}

/// Where procfs is mounted beneath a mount: listmount(2) and statmount(2), Linux 6.8. It is an error
/// also where the mount is not one of this process's.
fn procfs_beneath(mount: u64) -> io::Result<Rc<[PathBuf]>> {
    let mut points = Vec::new();
    for mount in call::mounts_beneath(mount)? {
        if call::mounted_kind(mount)? == PROC_SUPER_MAGIC.cast_unsigned() {
            points.push(PathBuf::from(OsString::from_vec(call::mount_point(mount)?)));
        }
    }
    Ok(points.into())
}

impl Mounts {
    /// Nothing is read before it is asked for.
    #[allow(clippy::unnecessary_wraps)]
    pub(super) fn read(recursive: bool) -> Result<Self, Error> {
        let (beneath, table, links) = Default::default();
        Ok(Self { recursive, beneath, table, links })
    }

    fn beneath(&self, mount: u64) -> Option<Rc<[PathBuf]>> {
        let mut beneath = self.beneath.borrow_mut();
        beneath.entry(mount).or_insert_with(|| procfs_beneath(mount).ok()).clone()
    }

    fn table(&self) -> Result<&Table, Error> {
        if let Some(table) = self.table.get() {
            return Ok(table);
        }
        let table = Table::read()?;
        Ok(self.table.get_or_init(|| table))
    }

    /// The mount that a lookup of this path, which has no links, ends on.
    pub(super) fn holder(&self, path: &Path) -> Option<u64> {
        self.table().ok()?.holder(path)
    }

    /// Why a lookup beneath this directory could reach procfs, whose magic links lead to every
    /// descriptor and to the root; `None` where it could not.
    pub(super) fn reach_procfs(&self, directory: Open) -> Option<String> {
        let number = directory.number;
        if call::file_system(directory.fd()).ok() == Some(PROC_SUPER_MAGIC) {
            return Some("it is on procfs, whose links lead to every descriptor".to_owned());
        }
        if !self.recursive {
            return None;
        }
        let mount = call::unique_mount_of(directory.fd()).ok().flatten();
        let beneath = mount.and_then(|mount| self.beneath(mount));
        let points = match &beneath {
            Some(points) => points,
            None => match self.in_table(directory) {
                Ok(points) => points,
                Err(reason) => return Some(reason),
            },
        };
        if points.is_empty() {
            return None;
        }
        let path = self.path(number).unwrap_or_default();
        if !path.as_os_str().as_bytes().starts_with(b"/") {
            return Some("its path cannot be known".to_owned());
        }
        let point = points.iter().find(|point| is_beneath(point, &path))?;
        Some(format!(
            "procfs is mounted beneath it, on {}, and its links lead to every descriptor",
            point.display()
        ))
    }

    /// The path of a descriptor, by its link.
    fn path(&self, number: u32) -> io::Result<PathBuf> {
        let links = if let Some(links) = self.links.get() {
            links
        } else {
            let opened = call::open(c"/proc/self/fd")?;
            self.links.get_or_init(|| opened)
        };
        match call::link_at(links.as_raw_fd(), number) {
            Some(path) => Ok(OsString::from_vec(path).into()),
            None => fs::read_link(format!("/proc/self/fd/{number}")),
        }
    }

    /// Where procfs is mounted at all, by the table, which must have the directory's mount.
    fn in_table(&self, directory: Open) -> Result<&[PathBuf], String> {
        let table = self.table().map_err(|error| format!("mounts cannot be known: {error}"))?;
        let mount = call::mount_of(directory.fd()).ok().flatten().or_else(|| {
            let number = directory.number;
            let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
            info.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
        });
        if mount.is_some_and(|mount| table.mounts.iter().any(|other| other.id == mount)) {
            return Ok(&table.procfs);
        }
        Err("its mount is not one of this process's, so that what is mounted beneath cannot be \
             known"
            .to_owned())
    }
}

/// Whether a mount point is a directory or beneath it: absolute paths as the kernel writes them. `Path`
/// would take them apart name by name, at several times the cost.
fn is_beneath(point: &Path, directory: &Path) -> bool {
    let directory = directory.as_os_str().as_bytes();
    let rest = point.as_os_str().as_bytes().strip_prefix(directory);
    directory == b"/" || rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let octal = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) if *first == b'\\' => {
                plain.push(byte);
                rest = &tail[3..];
            }
            _ => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_names_procfs_also_where_its_path_has_spaces() {
        let mounts = Table::parse(
            b"22 1 8:1 / / rw shared:1 - ext4 /dev/root rw\n\
              23 22 0:5 / /my\\040root/proc rw,nosuid shared:2 master:3 - proc proc rw\n",
        );
        let ids: Vec<u64> = mounts.mounts.iter().map(|mount| mount.id).collect();
        assert_eq!(ids, [22, 23]);
        assert_eq!(mounts.procfs, [PathBuf::from("/my root/proc")]);
    }

    #[test]
    fn a_mount_point_is_beneath_whole_names_only() {
        let beneath = |point: &str, of: &str| is_beneath(Path::new(point), Path::new(of));
        assert!(beneath("/proc", "/") && beneath("/proc", "/proc") && beneath("/a/proc", "/a"));
        assert!(beneath("/", "/"));
        assert!(!beneath("/proc", "/pro") && !beneath("/proc", "/proc/self"));
        assert!(!beneath("/ab/proc", "/a") && !beneath("/", "/a"));
    }

    #[test]
    fn a_path_is_held_by_the_deepest_mount_and_the_last_on_its_point() {
        let mounts = Table::parse(
            b"22 1 8:1 / / rw - ext4 /dev/root rw\n\
              23 22 0:5 / /a rw - tmpfs none rw\n\
              24 23 8:1 /x /a rw - ext4 /dev/root rw\n\
              25 24 8:1 / /a/b\\040c rw - ext4 /dev/root rw\n",
        );
        let holder = |path: &str| mounts.holder(Path::new(path));
        assert_eq!(holder("/"), Some(22));
        assert_eq!(holder("/ab"), Some(22));
        assert_eq!(holder("/a"), Some(24));
        assert_eq!(holder("/a/b"), Some(24));
        assert_eq!(holder("/a/b c/d"), Some(25));
        assert_eq!(holder("relative"), None);
    }

    #[test]
    fn a_mount_that_is_hidden_by_one_above_holds_nothing() {
        let mounts = Table::parse(
            b"22 1 8:1 / / rw - ext4 /dev/root rw\n\
              23 22 8:1 /a/b /a/b ro - ext4 /dev/root rw\n\
              24 22 8:1 /a /a rw - ext4 /dev/root rw\n",
        );
        assert_eq!(mounts.holder(Path::new("/a/b/c")), Some(24));
        assert_eq!(mounts.holder(Path::new("/ab")), Some(22));
        // A root that is no mount is not in the list.
        let changed = Table::parse(b"23 22 0:5 / /proc rw - proc proc rw\n");
        assert_eq!(changed.holder(Path::new("/d")), None);
    }

    #[test]
    fn the_kernel_and_its_table_say_the_same_of_procfs() {
        let root = File::open("/").expect("the root");
        let mount = call::unique_mount_of(root.as_raw_fd()).ok().flatten();
        let Some(Ok(mut asked)) = mount.map(|mount| procfs_beneath(mount).map(|p| p.to_vec()))
        else {
            println!("SKIPPED: listmount(2) and statmount(2) are not to be had (Linux 6.8)");
            return;
        };
        let mut read = Table::read().expect("mountinfo").procfs;
        asked.sort();
        read.sort();
        assert_eq!(asked, read);
        assert!(!read.is_empty(), "this test reads procfs");
    }
}
