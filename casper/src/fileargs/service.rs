//! The process of the service.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::{self, FileType, OpenOptions},
    io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::{OsStrExt, OsStringExt},
            fs::OpenOptionsExt,
        },
    },
    path::Path,
    sync::Arc,
};

use capsicum_channel::Handle;
use capsicum_rs::{Limits, Rights};
use sandbox_spawn::{Builder, Path as Within, Reach, service};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{
    FileArgsLimits, Files, OpenFlags, Operations, Status,
    receipt::{Allowance, Sent},
};
use crate::{
    Failure, Service, ambient,
    service::{Connection, DESCRIPTORS, Grants},
    sys,
};

/// Bytes of the paths that are opened ahead: an answer has at most 64 KiB.
const AHEAD_BYTES: usize = 32 << 10;

/// What a client asks.
#[service]
pub(crate) trait Requests {
    /// With up to so many of those that follow in the list.
    fn open(&mut self, path: ByteBuf, ahead: u8) -> Result<Opened, Failure>;
    fn lstat(&mut self, path: ByteBuf) -> Result<Status, Failure>;
    fn realpath(&mut self, path: ByteBuf) -> Result<ByteBuf, Failure>;
}

/// What was opened, and what was opened ahead.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(super) file: Handle<OwnedFd>,
    pub(super) ahead: Vec<(ByteBuf, Handle<OwnedFd>)>,
    /// To be closed: the client has received it.
    pub(super) receipt: Option<Handle<OwnedFd>>,
}

/// The service `system.fileargs`.
#[derive(Debug)]
pub(crate) struct Serving {
    files: Files,
    /// Where in the list a path is first.
    places: HashMap<Vec<u8>, usize>,
    allowed: Allowance,
}

/// Where the process is until it has read the list, which nobody else has a say in.
const PATHS: &[Within] = &[Within::new(
    "/",
    Rights::READ.union(Rights::WRITE).union(Rights::FTRUNCATE).union(Rights::CREATE),
)];

impl Service for Serving {
    const NAME: &'static str = "system.fileargs";
    const REACH: Option<&'static Reach> = Some(&Reach::NOTHING.paths(PATHS).metadata());
    type Calls = RequestsServer;
    type Client = RequestsClient;
    type Limits = FileArgsLimits;
    type Session = Sent;
    type Setup = Files;

    fn describe(files: Files, process: Builder) -> Result<Builder, String> {
        let files = files.checked()?;
        let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
        let list = files.write().map_err(failed("the list"))?;
        let mut process = ambient::prove(process)?.grant("list", list, Limits::ALL);
        if files.relative() {
            let directory = OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_DIRECTORY | sys::SEARCH)
                .open(".")
                .map_err(failed("the working directory"))?;
            process = process.working_directory(directory);
        }
        Ok(process)
    }

    fn start(grants: &mut Grants<'_>) -> Result<Self, String> {
        ambient::proven(grants)?;
        let files = Files::read(grants.take("list")?)?;
        if !files.is_of(sys::user()) {
            return Err("the program has become another user since it called `init`".to_owned());
        }
        let paths = files.paths.iter().map(|path| Path::new(OsStr::from_bytes(path)));
        sys::keep_to(paths, files.access, files.flags)?;
        let mut places = HashMap::with_capacity(files.paths.len());
        for (place, path) in files.paths.iter().enumerate() {
            places.entry(path.clone()).or_insert(place);
        }
        let allowed = Allowance::of(sys::descriptors_at_most(DESCRIPTORS));
        Ok(Self { files, places, allowed })
    }
}

impl Serving {
    /// open(2) by name, as it is now: the file, and what it is.
    fn open(&self, path: &[u8]) -> io::Result<(OwnedFd, FileType)> {
        let (files, create) = (&self.files, self.files.flags.contains(OpenFlags::CREATE));
        let directories = files.flags.contains(OpenFlags::DIRECTORIES);
        let directory = || io::Error::from_raw_os_error(libc::EISDIR);
        let opened = sys::open(path, files.open_flags(), if create { files.mode } else { 0 });
        let file = opened.map_err(|error| {
            // What Landlock has not passed because it is one.
            let refused = error.kind() == io::ErrorKind::PermissionDenied && !directories;
            let is = || fs::metadata(OsStr::from_bytes(path)).is_ok_and(|data| data.is_dir());
            if refused && is() { directory() } else { error }
        })?;
        let kind = file.metadata()?.file_type();
        if !directories && kind.is_dir() {
            return Err(directory());
        }
        if !files.flags.contains(OpenFlags::NONBLOCK) {
            sys::wait_again(&file, files.open_flags())?;
        }
        Ok((file.into(), kind))
    }

    fn handle(&self, file: OwnedFd) -> Handle<OwnedFd> {
        match self.files.rights {
            Some(rights) => sys::with_rights(file, Rights::from_bits_retain(rights)),
            None => Handle::new(file),
        }
    }

    /// Opens a regular file ahead. Of others opening alone may have an effect.
    fn ahead(&self, path: &[u8]) -> Option<Handle<OwnedFd>> {
        let status = fs::metadata(OsStr::from_bytes(path)).ok()?;
        if !status.is_file() {
            return None;
        }
        let (file, kind) = self.open(path).ok()?;
        kind.is_file().then(|| self.handle(file))
    }
}

impl Connection<Serving> {
    /// The place of the path in the list.
    fn place(&self, path: &[u8], operation: Operations) -> Result<usize, Failure> {
        let service = self.service();
        let place = service.places.get(path);
        let allowed =
            service.files.operations.contains(operation) && self.limits().allows(path, operation);
        match place {
            Some(place) if allowed => Ok(*place),
            _ => Err(Failure::not_capable(format!("{operation:?} of {}", shown(path)))),
        }
    }

    fn ahead(&self, place: usize, most: usize) -> Vec<(ByteBuf, Handle<OwnedFd>)> {
        let service = self.service();
        let mut bytes = 0_usize;
        let next = service.files.paths.iter().enumerate().skip(place.saturating_add(1));
        next.take(most)
            // A path that is in the list twice was opened already.
            .filter(|(place, path)| service.places.get(*path) == Some(place))
            .filter(|(_, path)| self.limits().allows(path, Operations::OPEN))
            .take_while(|(_, path)| {
                bytes = bytes.saturating_add(path.len());
                bytes <= AHEAD_BYTES
            })
            .filter_map(|(_, path)| Some((path.clone().into(), service.ahead(path)?)))
            .collect()
    }
}

/// A path in an error, in at most so many bytes: the client's own, which may be anything.
fn shown(path: &[u8]) -> String {
    const MOST: usize = 256;
    let start = path.get(..MOST).unwrap_or(path);
    format!("\"{}\"{}", start.escape_ascii(), if path.len() > MOST { "…" } else { "" })
}

fn failed(call: &str, path: &[u8]) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure::system(format!("{call} {}", shown(path)))(error)
}

impl Requests for Connection<Serving> {
    fn open(&mut self, path: ByteBuf, ahead: u8) -> Result<Opened, Failure> {
        let place = self.place(&path, Operations::OPEN)?;
        self.session().wait().map_err(Failure::system("poll"))?;
        let (file, _) = self.service().open(&path).map_err(failed("open", &path))?;
        let service = Arc::clone(self.shared());
        let mut room = service.allowed.room(if service.files.idle() { ahead } else { 0 });
        let ahead = self.ahead(place, room.files());
        room.keep(ahead.len());
        let receipt = self.session().along(room, &service.allowed);
        let receipt = receipt.map_err(Failure::system("pipe"))?;
        let file = service.handle(file);
        Ok(Opened { file, ahead, receipt: receipt.map(Handle::new) })
    }

    fn lstat(&mut self, path: ByteBuf) -> Result<Status, Failure> {
        self.place(&path, Operations::LSTAT)?;
        let metadata = fs::symlink_metadata(OsStr::from_bytes(&path));
        metadata.map(|metadata| Status::of(&metadata)).map_err(failed("lstat", &path))
    }

    fn realpath(&mut self, path: ByteBuf) -> Result<ByteBuf, Failure> {
        self.place(&path, Operations::REALPATH)?;
        let real = fs::canonicalize(OsStr::from_bytes(&path)).map_err(failed("realpath", &path))?;
        Ok(real.into_os_string().into_vec().into())
    }
}
