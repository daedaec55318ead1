//! Workers that are not in capability mode, and what they can reach.

use std::{collections::BTreeMap, fmt, os::fd::OwnedFd};

use capsicum_channel::Frames;
use capsicum_rs::{Rights, program::Names};

use crate::Error;

/// What a worker outside capability mode can still reach.
///
/// Some work cannot be done in capability mode: getaddrinfo(3) opens files, loads modules and makes
/// connections as the system is set up. A worker for that is *outside*, and held by other means. Its
/// reach is a constant, named to [`init`](crate::init()) with the worker, so that nobody who asks the
/// zygote for the worker can widen it.
///
/// | | Linux | FreeBSD |
/// |---|---|---|
/// | paths | Landlock: those that are stated, with the stated rights. It does not see stat(2), access(2) and readlink(2), which need [`metadata`](Self::metadata) | **every path** that the user may open |
/// | addresses | none, unless [`sockets`](Self::sockets) says so | **every address** |
/// | processes | none can be started; signals to the own one alone | none can be started, which does not hold root; those that the user may signal |
/// | privileges | no capabilities(7), `no_new_privs` | those of the user, but for set-id programs |
/// | descriptors | its socket and its grants | the same |
/// | everything else | the filter for confined programs ([`Program`](capsicum_rs::program::Program)) | what the user may do |
///
/// On both systems it is what a [`Builder`](crate::Builder) says of limits of resources, and of the user
/// that it becomes. On Linux without Landlock it does not start.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Reach {
    paths: &'static [Path],
    metadata: bool,
    sockets: bool,
}

/// A path in reach.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    pub(crate) name: &'static str,
    pub(crate) rights: Rights,
    pub(crate) optional: bool,
}

impl Path {
    /// This file, or what is beneath this directory, with these rights. What they mean here says
    /// [`Program::beneath`](capsicum_rs::program::Program::beneath). It must be there when the worker
    /// starts.
    #[must_use]
    pub const fn new(path: &'static str, rights: Rights) -> Self {
        Self { name: path, rights, optional: false }
    }

    /// The same, where it is there.
    #[must_use]
    pub const fn if_there(path: &'static str, rights: Rights) -> Self {
        Self { name: path, rights, optional: true }
    }
}

impl Reach {
    /// Nothing.
    pub const NOTHING: Self = Self { paths: &[], metadata: false, sockets: false };

    /// These paths.
    pub const fn paths(self, paths: &'static [Path]) -> Self {
        Self { paths, ..self }
    }

    /// Whether something is there, and what it is, of every path: stat(2) and its like.
    pub const fn metadata(self) -> Self {
        Self { metadata: true, ..self }
    }

    /// Addresses: of the internet's protocols, of Unix sockets, and the routes of netlink(7).
    pub const fn sockets(self) -> Self {
        Self { sockets: true, ..self }
    }

    pub(crate) fn beneath(&self) -> &'static [Path] {
        self.paths
    }

    /// The names that are left alone.
    pub(crate) fn names(&self) -> Names {
        let mut names = Names::empty();
        names.set(Names::PATHS, !self.paths.is_empty());
        names.set(Names::METADATA, self.metadata);
        names.set(Names::SOCKETS, self.sockets);
        names
    }
}

/// What is stated, in a line.
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names();
        let mut nothing = true;
        let mut item = |f: &mut fmt::Formatter<'_>, text: fmt::Arguments<'_>| {
            let comma = if std::mem::take(&mut nothing) { "" } else { ", " };
            write!(f, "{comma}{text}")
        };
        for path in self.paths {
            item(f, format_args!("{} ({})", path.name, path.rights))?;
        }
        if names.contains(Names::METADATA) {
            item(f, format_args!("the metadata of every path"))?;
        }
        if names.contains(Names::SOCKETS) {
            item(f, format_args!("addresses"))?;
        }
        if nothing { f.write_str("nothing") } else { Ok(()) }
    }
}

/// What a worker outside capability mode has: the socket to whoever started it, and its grants.
#[derive(Debug)]
pub struct Outside {
    pub(crate) name: &'static str,
    pub(crate) frames: Frames,
    pub(crate) grants: BTreeMap<String, OwnedFd>,
}

impl Outside {
    /// The worker's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The socket to whoever started the worker.
    #[must_use]
    pub fn frames(&mut self) -> &mut Frames {
        &mut self.frames
    }

    /// The same, to keep.
    #[must_use]
    pub fn into_frames(self) -> Frames {
        self.frames
    }

    /// Takes a grant, as a [`File`](std::fs::File) or whatever a descriptor can become.
    ///
    /// # Errors
    ///
    /// [`Error::NoGrant`].
    pub fn grant<T: From<OwnedFd>>(&mut self, name: &str) -> Result<T, Error> {
        self.grants
            .remove(name)
            .map(T::from)
            .ok_or_else(|| Error::NoGrant { name: self.name.to_owned(), grant: name.to_owned() })
    }
}
