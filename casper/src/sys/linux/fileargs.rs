//! Holding the process of `FileArgs` to its files, and what is sent to rights.

use std::{
    ffi::{CString, c_int},
    fs::File,
    io,
    mem::MaybeUninit,
    os::{
        fd::{FromRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use capsicum_channel::Handle;
use capsicum_rs::Rights;
use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus,
};

use crate::fileargs::{Access, OpenFlags};

/// A directory is opened for lookups alone.
pub(crate) const SEARCH: i32 = libc::O_PATH;

/// openat2(2) of a path that leads through no link to what a process holds (`/proc/PID/fd`, `exe`, `cwd`,
/// `root`), which is something else in each process: `ELOOP`.
pub(crate) fn open(path: &[u8], flags: c_int, mode: u32) -> io::Result<File> {
    let path = CString::new(path)?;
    // SAFETY: zeros are one.
    let mut how: libc::open_how = unsafe { MaybeUninit::zeroed().assume_init() };
    how.flags = u64::from(flags.cast_unsigned());
    how.mode = u64::from(mode);
    how.resolve = libc::RESOLVE_NO_MAGICLINKS;
    loop {
        // SAFETY: the path is a C string, and the kernel reads as much of the other as it is told.
        let fd = unsafe {
            let (path, size) = (path.as_ptr(), size_of::<libc::open_how>());
            libc::syscall(libc::SYS_openat2, libc::AT_FDCWD, path, &raw const how, size)
        };
        if fd >= 0 {
            let fd = RawFd::try_from(fd).map_err(|_| io::ErrorKind::InvalidData)?;
            // SAFETY: the kernel has just made it, and nobody else has it.
            return Ok(unsafe { OwnedFd::from_raw_fd(fd) }.into());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// What a file that is open for no more than this is not good for.
fn lacks(access: Access) -> Rights {
    match access {
        Access::Read => Rights::WRITE.union(Rights::FTRUNCATE),
        Access::Write => Rights::READ.union(Rights::MMAP_X).difference(Rights::SEEK),
        Access::ReadWrite => Rights::empty(),
    }
}

/// Whether what is received has these rights at most: it has those of the ceiling that its mode is
/// good for.
pub(crate) fn rights_hold(
    rights: Rights,
    ceiling: Option<Rights>,
    access: Access,
) -> Result<(), String> {
    let Some(ceiling) = ceiling else {
        return Err(format!(
            "files that are received with `{rights}` at most: rights belong to numbers on Linux, and \
             the receiver is not known to be in capability mode: state its ceiling, or no rights"
        ));
    };
    let surplus = ceiling.difference(lacks(access)).difference(rights);
    if surplus.is_empty() {
        return Ok(());
    }
    Err(format!(
        "files that are received without `{surplus}`: rights belong to numbers on Linux, and the \
         receiver's ceiling has it"
    ))
}

/// It has them, as [`rights_hold`] has found.
pub(crate) fn with_rights(file: OwnedFd, _: Rights) -> Handle<OwnedFd> {
    Handle::new(file)
}

/// Has Landlock hold the process, for good, to what these paths lead to now; and, where files are to be
/// made, to the directories of those that are not there.
pub(crate) fn keep_to<'a>(
    paths: impl Iterator<Item = &'a Path>,
    access: Access,
    flags: OpenFlags,
) -> Result<(), String> {
    let failed = |error: landlock::RulesetError| format!("Landlock: {error}");
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V3))
        .and_then(Ruleset::create)
        .map_err(failed)?;
    for path in paths {
        if let Some((object, passed)) = object(path, access, flags)? {
            rules = pass(rules, object, passed)?;
        }
    }
    let status = rules.restrict_self().map_err(failed)?;
    if status.ruleset == RulesetStatus::FullyEnforced && status.no_new_privs {
        return Ok(());
    }
    Err("Landlock does not hold its files".to_owned())
}

/// What a path leads to, and what is passed there. Where it leads nowhere that can be opened, asking
/// for it says so.
fn object(
    path: &Path,
    access: Access,
    flags: OpenFlags,
) -> Result<Option<(File, BitFlags<AccessFs>)>, String> {
    let mut of_files = BitFlags::empty();
    if access != Access::Write {
        of_files |= AccessFs::ReadFile;
    }
    if access != Access::Read {
        of_files |= AccessFs::WriteFile;
        of_files |= AccessFs::Truncate;
    }
    let nofollow = if flags.contains(OpenFlags::NOFOLLOW) { libc::O_NOFOLLOW } else { 0 };
    let find = |path: &Path, flags| {
        open(path.as_os_str().as_bytes(), libc::O_PATH | libc::O_CLOEXEC | flags, 0)
    };
    match find(path, nofollow) {
        Ok(file) => {
            let kind = file.metadata().map_err(|error| error.to_string())?.file_type();
            let passed = if kind.is_dir() {
                let listed = flags.contains(OpenFlags::DIRECTORIES);
                if listed { AccessFs::ReadDir.into() } else { BitFlags::empty() }
            } else if kind.is_symlink() {
                BitFlags::empty()
            } else {
                of_files
            };
            Ok((!passed.is_empty()).then_some((file, passed)))
        }
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && flags.contains(OpenFlags::CREATE) =>
        {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = find(parent.unwrap_or(Path::new(".")), libc::O_DIRECTORY);
            Ok(parent.ok().map(|parent| (parent, of_files | AccessFs::MakeReg)))
        }
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => Err(error.to_string()),
        Err(_) => Ok(None),
    }
}

fn pass(
    rules: RulesetCreated,
    object: File,
    passed: BitFlags<AccessFs>,
) -> Result<RulesetCreated, String> {
    rules.add_rule(PathBeneath::new(object, passed)).map_err(|error| format!("Landlock: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_through_nothing_that_a_process_holds() {
        let opened = |path: &str| open(path.as_bytes(), libc::O_RDONLY | libc::O_CLOEXEC, 0);
        assert!(opened("/proc/self/status").is_ok());
        for path in ["/proc/self/exe", "/proc/self/root/etc/passwd", "/proc/self/cwd/Cargo.toml"] {
            let refused = opened(path).map_err(|error| error.raw_os_error());
            assert!(matches!(refused, Err(Some(libc::ELOOP))), "{path}: {refused:?}");
        }
    }

    #[test]
    fn rights_hold_where_ceiling_and_mode_say_so() {
        let reading = Rights::READ | Rights::SEEK | Rights::FSTAT;
        assert!(rights_hold(reading, None, Access::Read).is_err());
        assert!(rights_hold(reading, Some(reading), Access::Read).is_ok());
        assert!(rights_hold(reading, Some(reading | Rights::WRITE), Access::Read).is_ok());
        assert!(rights_hold(reading, Some(reading | Rights::WRITE), Access::ReadWrite).is_err());
        let refused = rights_hold(reading, Some(reading | Rights::FCHMOD), Access::Read);
        assert!(refused.unwrap_err().contains("FCHMOD"));
        let writing = Rights::WRITE | Rights::SEEK;
        assert!(rights_hold(writing, Some(writing | Rights::READ), Access::Write).is_ok());
    }
}
