//! `FileArgs`.

mod ahead;
mod kinds;
mod limits;
mod lists;
mod paths;

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Read,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use capsicum_channel::Frames;
use casper::{
    Error, FileArgs, Open, Opener,
    fileargs::{FileArgsLimits, Files, OpenFlags, Operations},
};
use sandbox_spawn::Worker;
use tempfile::TempDir;

use crate::{
    harness::{
        Case, LONG, NOT_SENT, Outcome, Tested, case, common, native, of_libcasper, only_portable,
        text,
    },
    hostile, worker,
};

const LIMITED_ONCE: &str = "libcap_fileargs is limited when it is opened, and not again";

pub(crate) const CASES: &[Case] = &[
    common("fileargs_opens_the_list_and_nothing_else", paths::the_list),
    common("fileargs_starts_from_the_working_directory_of_its_start", paths::relative),
    common("fileargs_opens_for_writing_as_it_was_told", kinds::writes),
    common("fileargs_makes_files_with_their_mode", kinds::makes),
    common("fileargs_tells_of_paths_where_it_may", paths::operations),
    common("fileargs_is_not_led_elsewhere_by_links", paths::links),
    common("fileargs_does_not_follow_where_it_may_not", paths::nofollow),
    common("fileargs_does_not_wait_for_fifos", kinds::fifos),
    common("fileargs_gives_directories_where_it_was_told", kinds::directories),
    only_portable(
        "fileargs_refuses_directories_where_it_was_not_told",
        "libcap_fileargs opens directories for reading as it does files",
        kinds::no_directories,
    ),
    only_portable(
        "fileargs_opens_ahead_each_file_once",
        "libcap_fileargs opens the whole list ahead, with the first request alone",
        ahead::once_each,
    ),
    of_libcasper("fileargs_of_libcasper_comes_ahead_as_it_was", ahead::of_libcasper),
    common("fileargs_opens_nothing_ahead_that_would_change", ahead::nothing_that_changes),
    only_portable(
        "fileargs_sends_rights_that_hold",
        "libcap_fileargs keeps rights in memory that whoever has the socket can replace",
        limits::rights,
    ),
    common("fileargs_refuses_lists_that_cannot_be_meant", lists::bad),
    common("fileargs_takes_lists_of_nothing", lists::empty),
    only_portable(
        "fileargs_takes_long_lists",
        "libcap_fileargs keeps its place in lists of more than 128 in memory that whoever has the socket can \
         replace",
        lists::long,
    ),
    of_libcasper("fileargs_of_libcasper_refuses_what_it_cannot_hold", lists::not_held),
    only_portable(
        "fileargs_is_not_opened_from_capability_mode",
        "whoever has libcasper opens any file from it",
        lists::not_from_capability_mode,
    ),
    only_portable("fileargs_is_held_to_limits", LIMITED_ONCE, limits::limits),
    common("fileargs_works_in_capability_mode", limits::confined),
    only_portable("fileargs_works_in_a_worker_that_was_granted_it", NOT_SENT, |casper| {
        worker::granted::<Args>(casper, "fileargs")
    }),
    only_portable("fileargs_obeys_the_model_of_its_limits", LIMITED_ONCE, limits::model),
    only_portable("fileargs_does_not_widen", LIMITED_ONCE, hostile::widening::<Args>),
    case("fileargs_survives_mutated_frames", hostile::mutated_frames::<Args>),
    case("fileargs_has_room_for_so_many_connections", hostile::many_connections::<Args>),
    case(
        "fileargs_is_not_stopped_by_who_does_not_read",
        hostile::a_client_that_does_not_read::<Args>,
    ),
    Case {
        lacks: hostile::unread_is_not_told,
        ..case("fileargs_keeps_the_seats_of_who_does_not_read", hostile::broken_off::<Args>)
    },
    case("fileargs_dies_with_its_name", hostile::death::<Args>),
    case("fileargs_ends_with_its_last_connection", hostile::end::<Args>),
];

const NAME: &str = "system.fileargs";
const LINUX: bool = cfg!(target_os = "linux");

/// With files that every host has.
pub(crate) struct Args(FileArgs);

const EVERYWHERE: &[&str] = &["/etc/passwd", "/dev/null", "/etc/group"];

/// Those, and as many more names as are opened ahead.
fn everywhere() -> Vec<String> {
    let more = (1..32).map(|number| format!("/etc/{}hosts", "./".repeat(number)));
    EVERYWHERE.iter().map(|&name| name.to_owned()).chain(more).collect()
}

impl Args {
    /// One file, and what comes along.
    pub(crate) fn open_one(&self) {
        let _ = self.0.open(EVERYWHERE[0]);
    }
}

impl Open for Args {
    type Setup = ();
    const WORKER: Worker = FileArgs::WORKER;

    fn open(opener: Opener<'_>, (): ()) -> Result<Self, Error> {
        let files = Files::new(everywhere()).operations(Operations::all());
        <FileArgs as Open>::open(opener, files).map(Self)
    }
}

impl From<Frames> for Args {
    fn from(frames: Frames) -> Self {
        Self(frames.into())
    }
}

impl AsFd for Args {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Tested for Args {
    const NAME: &'static str = NAME;

    fn socket(&self) -> Result<Frames, Error> {
        self.0.to_frames()
    }

    fn another(&self) -> Result<Self, Error> {
        self.0.try_clone().map(Self)
    }

    fn hurried(&self) -> Self {
        Self(self.0.within(std::time::Duration::from_millis(50)))
    }

    fn ask(&self) -> Result<(), Error> {
        // What was opened ahead is no answer.
        let files = self.0.within(LONG).uncached();
        let mut start = [0];
        let bad = |what: String| Error::Invalid { service: NAME.to_owned(), what };
        let mut file = files.open(EVERYWHERE[0])?;
        file.read_exact(&mut start).map_err(|error| bad(error.to_string()))?;
        if files.lstat(EVERYWHERE[0])?.is_file() { Ok(()) } else { Err(bad("no file".to_owned())) }
    }

    fn ask_everything(&self) {
        let _ = self.0.open(EVERYWHERE[0]);
        let _ = self.0.open(EVERYWHERE[1]);
        let _ = self.0.lstat(EVERYWHERE[0]);
        let _ = self.0.realpath(EVERYWHERE[2]);
        let _ = self.0.limit(FileArgsLimits::all(Operations::OPEN).paths(EVERYWHERE));
        let _ = self.0.limits();
        let _ = self.0.to_frames();
    }

    fn limit_to_nothing(&self) -> Result<(), Error> {
        self.0.limit(FileArgsLimits::nothing())
    }

    fn widen(&self) -> Result<(), Error> {
        self.0.limit(FileArgsLimits::all(Operations::OPEN).paths(EVERYWHERE))
    }
}

/// A directory of the case's own, with files that have their names as content.
struct Scene(TempDir);

impl Scene {
    fn new(names: &[&str]) -> Result<Self, String> {
        let scene = Self(TempDir::new().map_err(text)?);
        for name in names {
            fs::write(scene.path(name), name).map_err(text)?;
        }
        Ok(scene)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn content(mut file: File) -> Result<String, String> {
    let mut content = String::new();
    file.read_to_string(&mut content).map_err(text)?;
    Ok(content)
}

/// Opens and reads.
fn read(files: &FileArgs, path: impl AsRef<Path>) -> Result<String, String> {
    let path = path.as_ref();
    content(files.open(path).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// It must fail with this errno.
fn errno<T: std::fmt::Debug>(result: Result<T, Error>, expected: i32) -> Outcome {
    match result {
        Err(error @ Error::System { .. }) if error.raw_os_error() == Some(expected) => Ok(()),
        other => Err(format!("not the errno {expected}: {other:?}")),
    }
}

/// These paths, for reading. libcasper cannot be kept from opening directories, and wants to be told.
fn listed<P: AsRef<OsStr>>(paths: impl IntoIterator<Item = P>) -> Files {
    flagged(paths, OpenFlags::empty())
}

/// The same, with flags.
fn flagged<P: AsRef<OsStr>>(paths: impl IntoIterator<Item = P>, flags: OpenFlags) -> Files {
    let directories = if native() { OpenFlags::DIRECTORIES } else { OpenFlags::empty() };
    Files::new(paths).flags(flags | directories)
}

/// What cannot be held must be an error that names it.
fn unsupported<T: std::fmt::Debug>(result: Result<T, Error>, named: &str) -> Outcome {
    match result {
        Err(Error::Unsupported { service, what, .. })
            if service == NAME && what.contains(named) =>
        {
            Ok(())
        }
        other => Err(format!("not Unsupported for the {named}: {other:?}")),
    }
}
