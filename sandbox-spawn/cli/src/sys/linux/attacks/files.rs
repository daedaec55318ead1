//! Paths: what is outside of the grants, and changes to what is granted for reading.

use std::{
    ffi::{CString, OsString},
    fs::{self, File, OpenOptions},
    io::Read,
    os::{fd::AsRawFd, unix::ffi::OsStrExt, unix::fs::PermissionsExt, unix::fs::symlink},
    path::{Path, PathBuf},
};

use super::{Arg, Attempt, Stopped, call, stopped};
use crate::{args::AttackOptions, demo::outcome::Outcome};

/// Reads what is at a path.
pub(super) fn read(path: &Path) -> Attempt {
    let mut file = File::open(path).map_err(stopped("open"))?;
    let mut bytes = vec![0; 4096];
    let length = file.read(&mut bytes).map_err(stopped("read"))?;
    bytes.truncate(length);
    Ok(Outcome::Read(bytes))
}

pub(super) fn passwd(_: &AttackOptions) -> Attempt {
    match read(Path::new("/etc/passwd"))? {
        Outcome::Read(bytes) if !bytes.is_empty() => Ok(Outcome::Did("read it".to_owned())),
        other => Ok(other),
    }
}

pub(super) fn secret(options: &AttackOptions) -> Attempt {
    read(&options.secret)
}

/// A path that climbs above the root and comes down to `path`.
fn climbing(from: &Path, path: &Path) -> PathBuf {
    let mut climbing = from.to_owned();
    climbing.extend(std::iter::repeat_n("..", 40));
    climbing.join(path.strip_prefix("/").unwrap_or(path))
}

pub(super) fn dots(options: &AttackOptions) -> Attempt {
    read(&climbing(&options.tree, &options.secret))
}

pub(super) fn planted_link(options: &AttackOptions) -> Attempt {
    let link = options.out.join("planted");
    let _ = fs::remove_file(&link);
    symlink(&options.secret, &link).map_err(stopped("symlink"))?;
    let outcome = read(&link);
    let _ = fs::remove_file(&link);
    outcome
}

fn beneath(prefix: &str, path: &Path) -> PathBuf {
    let mut joined = OsString::from(prefix);
    joined.push(path);
    joined.into()
}

pub(super) fn proc_root(options: &AttackOptions) -> Attempt {
    read(&beneath("/proc/self/root", &options.secret))
}

pub(super) fn proc_fd(options: &AttackOptions) -> Attempt {
    let tree = File::open(&options.tree).map_err(stopped("open"))?;
    let through = PathBuf::from(format!("/proc/self/fd/{}", tree.as_raw_fd()));
    read(&climbing(&through, &options.secret))
}

pub(super) fn handle(options: &AttackOptions) -> Attempt {
    let path = text(&options.secret)?;
    let mut handle = [0_u8; 8 + 128];
    handle[..4].copy_from_slice(&128_u32.to_ne_bytes());
    let mut mount = [0_u8; 4];
    call(
        "name_to_handle_at",
        libc::SYS_name_to_handle_at,
        &mut [
            Arg::Int(libc::AT_FDCWD.into()),
            Arg::Text(&path),
            Arg::Out(&mut handle),
            Arg::Out(&mut mount),
            Arg::Int(0),
        ],
    )?;
    let out = File::open(&options.out).map_err(stopped("open"))?;
    call(
        "open_by_handle_at",
        libc::SYS_open_by_handle_at,
        &mut [Arg::Int(out.as_raw_fd().into()), Arg::In(&handle), Arg::Int(0)],
    )?;
    Ok(Outcome::Did("opened it".to_owned()))
}

pub(super) fn hard_link(options: &AttackOptions) -> Attempt {
    let link = options.out.join("linked");
    fs::hard_link(&options.secret, &link).map_err(stopped("link"))?;
    let outcome = read(&link);
    let _ = fs::remove_file(&link);
    outcome
}

pub(super) fn rename(options: &AttackOptions) -> Attempt {
    let moved = options.out.join("moved");
    fs::rename(&options.secret, &moved).map_err(stopped("rename"))?;
    let outcome = read(&moved);
    let _ = fs::rename(&moved, &options.secret);
    outcome
}

pub(super) fn chmod_outside(options: &AttackOptions) -> Attempt {
    fs::set_permissions(&options.secret, fs::Permissions::from_mode(0o666))
        .map_err(stopped("chmod"))?;
    Ok(Outcome::Did("changed its mode".to_owned()))
}

pub(super) fn create(options: &AttackOptions) -> Attempt {
    let path = options.tree.join(".sandbox-spawn-demo");
    OpenOptions::new().write(true).create_new(true).open(&path).map_err(stopped("open"))?;
    let _ = fs::remove_file(&path);
    Ok(Outcome::Did("created it".to_owned()))
}

/// Some file of the tree.
fn some_file(options: &AttackOptions) -> Result<PathBuf, Stopped> {
    let mut directories = vec![options.tree.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).map_err(stopped("readdir"))?.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_file() => return Ok(entry.path()),
                Ok(kind) if kind.is_dir() => directories.push(entry.path()),
                _ => {}
            }
        }
    }
    Err(Stopped { call: "readdir", errno: libc::ENOENT })
}

pub(super) fn write(options: &AttackOptions) -> Attempt {
    OpenOptions::new().append(true).open(some_file(options)?).map_err(stopped("open"))?;
    Ok(Outcome::Did("opened it for writing".to_owned()))
}

pub(super) fn truncate(options: &AttackOptions) -> Attempt {
    let path = some_file(options)?;
    let length = fs::metadata(&path).map_err(stopped("stat"))?.len();
    let path = text(&path)?;
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    call("truncate", libc::SYS_truncate, &mut [Arg::Text(&path), Arg::Int(length)])?;
    Ok(Outcome::Did("truncated it (to its own length)".to_owned()))
}

pub(super) fn chmod_inside(options: &AttackOptions) -> Attempt {
    let path = some_file(options)?;
    let permissions = fs::metadata(&path).map_err(stopped("stat"))?.permissions();
    fs::set_permissions(&path, permissions).map_err(stopped("chmod"))?;
    Ok(Outcome::Did("changed its mode (to the same)".to_owned()))
}

pub(super) fn device(options: &AttackOptions) -> Attempt {
    let path = options.out.join("device");
    let name = text(&path)?;
    let device = i64::try_from(libc::makedev(1, 1)).unwrap_or_default();
    let mode = i64::from(libc::S_IFCHR | 0o600);
    call(
        "mknodat",
        libc::SYS_mknodat,
        &mut [Arg::Int(libc::AT_FDCWD.into()), Arg::Text(&name), Arg::Int(mode), Arg::Int(device)],
    )?;
    let _ = fs::remove_file(&path);
    Ok(Outcome::Did("created it".to_owned()))
}

/// A path as the kernel takes it.
pub(super) fn text(path: &Path) -> Result<CString, Stopped> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Stopped { call: "path", errno: libc::EINVAL })
}
