//! What an attack knows, and how it enters the sandbox that it is to get out of.

use std::{
    cell::Cell,
    ffi::{CStr, CString},
    io,
    os::{fd::BorrowedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use capsicum_rs::{Containment, Rights, Sandbox};

use super::{bystander::Other, objects};
use crate::{
    attempt::Stop,
    native,
    raw::{self, number},
};

/// What attacks are after.
pub(crate) const SECRET: &[u8] = b"a-secret-that-nobody-was-given";

/// Where an attack runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nowhere in particular: it must get through, or it shows nothing elsewhere.
    Control,
    /// In capability mode, at this level.
    Level(Containment),
    /// In a program that somebody else has confined.
    Program,
}

/// What an attack knows.
pub(crate) struct Scene {
    pub(crate) mode: Mode,
    pub(crate) base: PathBuf,
    pub(crate) other: Other,
    pub(crate) ports: objects::Ports,
    pub(crate) objects: objects::Known,
    /// A program that is set-user-id for root, or nothing.
    pub(crate) set_id: PathBuf,
    /// The granted directories and the terminal, in the attack's process.
    pub(crate) inside: i32,
    pub(crate) out: i32,
    pub(crate) terminal: i32,
    entered: Cell<bool>,
}

/// What the directory for reading is granted, and the ceiling of that policy.
pub(crate) const READS: Rights =
    Rights::READ.union(Rights::SEEK).union(Rights::FSTAT).union(Rights::EVENT).union(Rights::FCNTL);
const WRITES: Rights = READS
    .union(Rights::LOOKUP)
    .union(Rights::WRITE)
    .union(Rights::CREATE)
    .union(Rights::FTRUNCATE)
    .union(Rights::UNLINKAT)
    .union(Rights::MKDIRAT)
    .union(Rights::MKFIFOAT)
    .union(Rights::MKNODAT)
    .union(Rights::SYMLINKAT)
    .union(Rights::RENAMEAT_SOURCE)
    .union(Rights::RENAMEAT_TARGET)
    .union(Rights::LINKAT_SOURCE)
    .union(Rights::LINKAT_TARGET)
    .union(Rights::FCHDIR);

impl Scene {
    pub(super) fn new(
        base: PathBuf,
        other: Other,
        ports: objects::Ports,
        objects: objects::Known,
    ) -> Self {
        let (mode, entered) = (Mode::Control, Cell::new(false));
        let set_id = super::SET_ID.get().cloned().unwrap_or_else(|| "/".into());
        let (inside, out, terminal) = (-1, -1, -1);
        Self { mode, base, other, ports, objects, set_id, inside, out, terminal, entered }
    }

    /// As one argument of a command.
    pub(crate) fn to_argument(&self) -> String {
        let Self { base, other, ports, objects, set_id, .. } = self;
        format!("{other} {ports} {objects} {} {}", set_id.display(), base.display())
    }

    /// From such an argument, in the process of a confined program.
    pub(crate) fn from_argument(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.splitn(11, ' ').collect();
        let [pid, address, held, term, tcp, udp, shm, sem, msg, set_id, base] = words[..] else {
            return None;
        };
        let other = Other {
            pid: pid.parse().ok()?,
            address: address.parse().ok()?,
            held: held.parse().ok()?,
            terminal: term.parse().ok()?,
        };
        let ports = objects::Ports { tcp: tcp.parse().ok()?, udp: udp.parse().ok()? };
        let objects = objects::Known {
            shm: shm.parse().ok()?,
            sem: sem.parse().ok()?,
            msg: msg.parse().ok()?,
        };
        let mut scene = Self::new(base.into(), other, ports, objects);
        scene.mode = Mode::Program;
        scene.set_id = set_id.into();
        Some(scene)
    }

    /// Opens what is granted, in the attack's process, where nothing else is to be open.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        raw::call(libc::SYS_close_range, &[3, usize::MAX, 0])?;
        let open = |path: &CStr, flags: i32| {
            let flags = flags.cast_unsigned() as usize;
            raw::call(libc::SYS_openat, &[number(-100), raw::text(path), flags])
                .map(|fd| i32::try_from(fd).unwrap_or(-1))
        };
        self.inside = open(&self.path("in"), libc::O_DIRECTORY)?;
        self.out = open(&self.path("out"), libc::O_DIRECTORY)?;
        self.terminal = if self.mode == Mode::Program {
            // Its standard input.
            0
        } else {
            let path = format!("/dev/pts/{}", self.other.terminal);
            let path = CString::new(path).unwrap_or_default();
            open(&path, libc::O_RDWR | libc::O_NOCTTY)?
        };
        Ok(())
    }

    /// A path beneath the scene's directory.
    pub(crate) fn path(&self, name: &str) -> CString {
        c_path(&self.base.join(name))
    }

    pub(crate) fn secret(&self) -> CString {
        self.path("outside/secret")
    }

    pub(crate) fn victim(&self) -> CString {
        self.path("outside/victim")
    }

    /// The other process's directory in procfs.
    pub(crate) fn proc(&self, name: &str) -> CString {
        CString::new(format!("/proc/{}/{name}", self.other.pid)).unwrap_or_default()
    }

    /// Capability mode where every descriptor keeps all rights: what is refused is a global name.
    pub(crate) fn enter(&self) -> Result<(), Stop> {
        self.must_enter(Sandbox::new().ceiling(Rights::ALL))
    }

    /// Capability mode with the one directory for reading and the other for writing.
    pub(crate) fn enter_plain(&self) -> Result<(), Stop> {
        let (inside, out) = (borrowed(self.inside), borrowed(self.out));
        let reads = READS | Rights::LOOKUP | Rights::FCHDIR;
        self.must_enter(Sandbox::new().grant(&inside, reads).grant(&out, WRITES).ceiling(READS))
    }

    fn must_enter(&self, sandbox: Sandbox<'_>) -> Result<(), Stop> {
        // Directories keep their lookups, and it is up to the filter to refuse them.
        let sandbox = match self.mode {
            Mode::Level(Containment::Descriptors) => sandbox.best_effort(),
            _ => sandbox,
        };
        self.enter_with(sandbox).map_err(|stop| match stop {
            Stop::NotEntered(reason) => Stop::Fault(format!("not entered: {reason}")),
            other => other,
        })
    }

    /// Capability mode with other grants; nothing outside of it.
    pub(crate) fn enter_with(&self, sandbox: Sandbox<'_>) -> Result<(), Stop> {
        if self.entered.replace(true) {
            return Err(Stop::Fault("it enters twice".to_owned()));
        }
        let Mode::Level(level) = self.mode else { return Ok(()) };
        match sandbox.require(level).enter() {
            Ok(entered) if entered.containment == level => Ok(()),
            Ok(entered) => {
                Err(Stop::Fault(format!("it is at {}, not at {level}", entered.containment)))
            }
            Err(error) => Err(Stop::NotEntered(error.to_string())),
        }
    }

    /// Whether it was entered, or need not be.
    pub(crate) fn has_entered(&self) -> bool {
        self.entered.get() || !matches!(self.mode, Mode::Level(_))
    }

    /// Whether a host that offers more than this level is made to look as if it did not.
    pub(crate) fn descend(level: Containment) -> io::Result<()> {
        // The best one is entered only where it is required.
        if level < Containment::Landlock {
            native::without(libc::SYS_landlock_create_ruleset)?;
        }
        Ok(())
    }
}

/// A descriptor of the attack's process; it ends without closing any.
pub(crate) fn borrowed(fd: i32) -> BorrowedFd<'static> {
    native::borrowed(fd)
}

pub(crate) fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

pub(super) fn unmount(path: &Path) {
    let path = c_path(path);
    let _ = raw::call(libc::SYS_umount2, &[raw::text(&path), libc::MNT_DETACH as usize]);
}

pub(super) fn set_attribute(path: &Path, name: &CStr, value: &[u8]) -> io::Result<usize> {
    let path = c_path(path);
    let value = (value.as_ptr() as usize, value.len());
    raw::call(libc::SYS_setxattr, &[raw::text(&path), raw::text(name), value.0, value.1, 0])
}
