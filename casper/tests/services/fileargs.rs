//! `FileArgs`.

use std::{
    ffi::CString,
    fs::{self, File},
    io::{Read, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::{
            ffi::OsStrExt,
            fs::{MetadataExt, PermissionsExt, symlink},
        },
    },
    path::{Path, PathBuf},
};

use capsicum_channel::Frames;
use capsicum_rs::Rights;
use casper::{
    Casper, Error, FileArgs, Limits, Open, Opener,
    fileargs::{Access, FileArgsLimits, Files, OpenFlags, Operations},
};
use proptest::{prelude::*, test_runner::TestRunner};
use sandbox_spawn::{Compartment, Worker};
use tempfile::TempDir;

use crate::{
    harness::{Case, LONG, Outcome, Tested, case, ensure, not_capable, text},
    hostile, worker,
};

pub(crate) const CASES: &[Case] = &[
    case("fileargs_opens_the_list_and_nothing_else", the_list),
    case("fileargs_starts_from_the_working_directory_of_its_start", relative),
    case("fileargs_opens_for_writing_as_it_was_told", writes),
    case("fileargs_makes_files_with_their_mode", makes),
    case("fileargs_tells_of_paths_where_it_may", operations),
    case("fileargs_is_not_led_elsewhere_by_links", links),
    case("fileargs_does_not_follow_where_it_may_not", nofollow),
    case("fileargs_does_not_wait_for_fifos", fifos),
    case("fileargs_gives_directories_where_it_was_told", directories),
    case("fileargs_opens_ahead_each_file_once", ahead),
    case("fileargs_opens_nothing_ahead_that_would_change", nothing_ahead),
    case("fileargs_sends_rights_that_hold", rights),
    case("fileargs_refuses_lists_that_cannot_be_meant", bad_lists),
    case("fileargs_takes_long_lists", long_list),
    case("fileargs_is_not_opened_from_capability_mode", not_from_capability_mode),
    case("fileargs_is_held_to_limits", limits),
    case("fileargs_works_in_capability_mode", confined),
    case("fileargs_works_in_a_worker_that_was_granted_it", |casper| {
        worker::granted::<Args>(casper, "fileargs")
    }),
    case("fileargs_obeys_the_model_of_its_limits", model),
    case("fileargs_does_not_widen", hostile::widening::<Args>),
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

fn the_list(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a", "b", "secret"])?;
    let (a, b, gone) = (scene.path("a"), scene.path("b"), scene.path("gone"));
    let files = FileArgs::from_args(casper, [&a, &b, &gone, &PathBuf::new()]).map_err(text)?;
    let files = files.uncached();
    ensure!(read(&files, &a)? == "a" && read(&files, &b)? == "b", "other content");
    errno(files.open(&gone), libc::ENOENT)?;
    errno(files.open(""), libc::ENOENT)?;
    let written = files.open(&a).map_err(text)?.write(b"x");
    ensure!(written.is_err(), "it is open for writing");
    let other = |path: String| not_capable(files.open(path), NAME);
    let directory = scene.0.path().display();
    for name in
        ["secret", "./a", "/a", "a/", "a/.", "a\0", "a\0secret", "b/../a", "../a", "A", "", "gone/"]
    {
        other(format!("{directory}/{name}"))?;
    }
    other("a".to_owned())?;
    other("/etc/passwd".to_owned())?;
    other("\0".to_owned())?;
    other("x/".repeat(16_000))?;
    not_capable(files.lstat(&a), NAME)?;
    not_capable(files.realpath(&a), NAME)
}

fn relative(casper: &Casper) -> Outcome {
    let (scene, other) = (Scene::new(&["a"])?, Scene::new(&[])?);
    fs::write(other.path("a"), "another").map_err(text)?;
    std::env::set_current_dir(scene.0.path()).map_err(text)?;
    let files = Files::new(["a", "./a", "../a"]).operations(Operations::all());
    let files: FileArgs = casper.open_with(files).map_err(text)?;
    std::env::set_current_dir(other.0.path()).map_err(text)?;
    ensure!(read(&files, "a")? == "a" && read(&files, "./a")? == "a", "another directory's");
    errno(files.open("../a"), libc::ENOENT)?;
    let real = fs::canonicalize(scene.path("a")).map_err(text)?;
    ensure!(files.realpath("a").map_err(text)? == real, "another real path");
    not_capable(files.open(scene.path("a")), NAME)
}

fn writes(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a", "b"])?;
    let paths = [scene.path("a"), scene.path("b"), scene.path("gone")];
    let open = |flags| -> Result<FileArgs, String> {
        let files = Files::new(&paths).access(Access::Write).flags(flags);
        casper.open_with(files).map_err(text)
    };
    let files = open(OpenFlags::empty())?;
    let mut file = files.open(&paths[0]).map_err(text)?;
    file.write_all(b"new").map_err(text)?;
    ensure!(file.read(&mut [0]).is_err(), "it is open for reading");
    errno(files.open(&paths[2]), libc::ENOENT)?;
    let mut file = open(OpenFlags::APPEND)?.open(&paths[0]).map_err(text)?;
    file.write_all(b"er").map_err(text)?;
    ensure!(fs::read(&paths[0]).map_err(text)? == b"newer", "it does not append");
    let _ = open(OpenFlags::TRUNCATE)?.open(&paths[0]).map_err(text)?;
    ensure!(fs::read(&paths[0]).map_err(text)? == b"", "it does not truncate");
    ensure!(fs::read(&paths[1]).map_err(text)? == b"b", "another file is truncated");
    let both = Files::new(&paths).access(Access::ReadWrite);
    let mut file =
        casper.open_with::<FileArgs>(both).map_err(text)?.open(&paths[1]).map_err(text)?;
    file.write_all(b"x").map_err(text)?;
    ensure!(file.read(&mut [0]).is_ok(), "it is not open for both");
    Ok(())
}

fn makes(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["old", "victim"])?;
    let (old, new, deep) = (scene.path("old"), scene.path("new"), scene.path("none/new"));
    let link = scene.path("link");
    symlink(scene.path("victim"), &link).map_err(text)?;
    let make = |flags| {
        let files =
            Files::new([&old, &new, &deep, &link]).access(Access::Write).flags(flags).mode(0o640);
        casper.open_with::<FileArgs>(files).map_err(text)
    };
    let files = make(OpenFlags::CREATE | OpenFlags::EXCLUSIVE)?;
    ensure!(!new.exists(), "it was made before it was asked for");
    files.open(&new).map_err(text)?.write_all(b"new").map_err(text)?;
    let mode = fs::metadata(&new).map_err(text)?.permissions().mode();
    ensure!(mode & 0o777 & !0o640 == 0 && mode & 0o600 == 0o600, "the mode {mode:o}");
    errno(files.open(&new), libc::EEXIST)?;
    errno(files.open(&old), libc::EEXIST)?;
    errno(files.open(&link), libc::EEXIST)?;
    errno(files.open(&deep), libc::ENOENT)?;
    not_capable(files.open(scene.path("other")), NAME)?;
    // What was there is opened, and made no second time.
    let files = make(OpenFlags::CREATE)?;
    files.open(&old).map_err(text)?.write_all(b"OLD").map_err(text)?;
    ensure!(fs::read(&old).map_err(text)? == b"OLD", "it was not written");
    fs::remove_file(&old).map_err(text)?;
    if LINUX {
        errno(files.open(&old), libc::EACCES)
    } else {
        files.open(&old).map(drop).map_err(text)
    }
}

fn operations(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a"])?;
    let (a, link) = (scene.path("a"), scene.path("link"));
    symlink("a", &link).map_err(text)?;
    let files = Files::new([&a, &link]).operations(Operations::LSTAT | Operations::REALPATH);
    let files: FileArgs = casper.open_with(files).map_err(text)?;
    not_capable(files.open(&a), NAME)?;
    let (status, real) = (files.lstat(&a).map_err(text)?, fs::symlink_metadata(&a).map_err(text)?);
    ensure!(status.is_file() && !status.is_symlink() && !status.is_dir(), "its kind");
    ensure!(
        (status.ino, status.size, status.mode, status.uid)
            == (real.ino(), 1, real.mode(), real.uid()),
        "{status:?}"
    );
    ensure!(files.lstat(&link).map_err(text)?.is_symlink(), "it follows the link");
    let leads = fs::canonicalize(&a).map_err(text)?;
    ensure!(files.realpath(&link).map_err(text)? == leads, "another real path");
    not_capable(files.lstat("/etc/passwd"), NAME)?;
    not_capable(files.realpath("/"), NAME)
}

/// What has been put in the place of a listed path since the start is not opened on Linux. libcasper
/// and FreeBSD open what is there.
fn led(result: Result<File, Error>, there: &str) -> Outcome {
    if LINUX {
        return errno(result, libc::EACCES);
    }
    let content = content(result.map_err(text)?)?;
    ensure!(content == there, "{content:?}");
    Ok(())
}

fn links(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a", "secret"])?;
    let (link, plain, under) = (scene.path("link"), scene.path("plain"), scene.path("d/a"));
    symlink("a", &link).map_err(text)?;
    fs::write(&plain, "plain").map_err(text)?;
    fs::create_dir(scene.path("d")).map_err(text)?;
    fs::create_dir(scene.path("e")).map_err(text)?;
    fs::write(&under, "under").map_err(text)?;
    fs::write(scene.path("e/a"), "secret").map_err(text)?;
    let files = FileArgs::from_args(casper, [&link, &plain, &under]).map_err(text)?.uncached();
    ensure!(read(&files, &link)? == "a", "a link is not followed");
    ensure!(read(&files, &under)? == "under", "what is beneath");
    for path in [&link, &plain] {
        fs::remove_file(path).map_err(text)?;
        symlink(scene.path("secret"), path).map_err(text)?;
        led(files.open(path), "secret")?;
    }
    fs::rename(scene.path("d"), scene.path("f")).map_err(text)?;
    symlink("e", scene.path("d")).map_err(text)?;
    led(files.open(&under), "secret")?;
    // What it was at the start can be opened again once it is back.
    fs::remove_file(&link).map_err(text)?;
    symlink("a", &link).map_err(text)?;
    ensure!(read(&files, &link)? == "a", "it is not back");
    fs::remove_file(&link).map_err(text)?;
    symlink("/etc/passwd", &link).map_err(text)?;
    if LINUX {
        led(files.open(&link), "")?;
    }
    Ok(())
}

fn nofollow(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a"])?;
    let (a, link) = (scene.path("a"), scene.path("link"));
    symlink("a", &link).map_err(text)?;
    let files = Files::new([&a, &link]).flags(OpenFlags::NOFOLLOW);
    let files: FileArgs = casper.open_with(files).map_err(text)?;
    ensure!(read(&files, &a)? == "a", "what is no link");
    errno(files.open(&link), if LINUX { libc::ELOOP } else { libc::EMLINK })
}

fn fifo(path: &Path) -> Outcome {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(text)?;
    // SAFETY: the path is a C string.
    ensure!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) } == 0, "no FIFO");
    Ok(())
}

fn waits(file: &File) -> bool {
    // SAFETY: the command takes no argument.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK == 0 }
}

fn fifos(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a", "b"])?;
    let (a, pipe, b) = (scene.path("a"), scene.path("pipe"), scene.path("b"));
    fifo(&pipe)?;
    let null = PathBuf::from("/dev/null");
    let paths = [&a, &pipe, &null, &b];
    let files = FileArgs::from_args(casper, paths).map_err(text)?.within(LONG);
    // The FIFO comes between two files of which the second is opened ahead.
    ensure!(read(&files, &a)? == "a", "before the FIFO");
    fs::remove_file(&b).map_err(text)?;
    ensure!(read(&files, &b)? == "b", "what comes after the FIFO was not opened ahead");
    let mut reader = files.open(&pipe).map_err(text)?;
    ensure!(waits(&reader), "reading would not wait");
    ensure!(content(files.open(&null).map_err(text)?)?.is_empty(), "null has content");
    let writers = casper
        .open_with::<FileArgs>(Files::new(paths).access(Access::Write))
        .map_err(text)?
        .within(LONG);
    let mut writer = writers.open(&pipe).map_err(text)?;
    writer.write_all(b"x").map_err(text)?;
    let mut byte = [0];
    reader.read_exact(&mut byte).map_err(text)?;
    drop(reader);
    errno(writers.open(&pipe), libc::ENXIO)?;
    let nonblock = Files::new(paths).flags(OpenFlags::NONBLOCK);
    let nonblock: FileArgs = casper.open_with(nonblock).map_err(text)?;
    ensure!(!waits(&nonblock.open(&pipe).map_err(text)?), "reading would wait");
    Ok(())
}

fn directories(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a"])?;
    let directory = scene.0.path();
    let files = FileArgs::from_args(casper, [directory]).map_err(text)?;
    // Landlock does not pass what is not asked for.
    let refused = files.open(directory).err().and_then(|error| error.raw_os_error());
    ensure!(refused == Some(libc::EISDIR), "{refused:?}");
    let files = Files::new([directory]).flags(OpenFlags::DIRECTORIES);
    let files: FileArgs = casper.open_with(files).map_err(text)?;
    let opened = files.open(directory).map_err(text)?;
    ensure!(opened.metadata().map_err(text)?.is_dir(), "no directory");
    not_capable(files.open(scene.path("a")), NAME)
}

fn ahead(casper: &Casper) -> Outcome {
    let names: Vec<String> = (0..40).map(|number| format!("f{number:02}")).collect();
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    let scene = Scene::new(&refs)?;
    let paths: Vec<PathBuf> = refs.iter().map(|name| scene.path(name)).collect();
    let files = FileArgs::from_args(casper, &paths).map_err(text)?;
    ensure!(read(&files, &paths[0])? == "f00", "the first");
    // What has come along is what had the name; what was written to it since is seen.
    fs::write(&paths[1], "written").map_err(text)?;
    fs::write(scene.path("new"), "another").map_err(text)?;
    fs::rename(scene.path("new"), &paths[2]).map_err(text)?;
    fs::remove_file(&paths[31]).map_err(text)?;
    fs::remove_file(&paths[32]).map_err(text)?;
    ensure!(read(&files, &paths[1])? == "written", "the content of before");
    ensure!(read(&files, &paths[2])? == "f02", "it was not opened ahead");
    ensure!(read(&files, &paths[31])? == "f31", "the last that comes along");
    errno(files.open(&paths[32]), libc::ENOENT)?;
    // Once each: then it is looked up again.
    errno(files.open(&paths[31]), libc::ENOENT)?;
    // From its start each time.
    ensure!(read(&files, &paths[1])? == "written", "the second time");
    fs::remove_file(&paths[5]).map_err(text)?;
    let clone = files.try_clone().map_err(text)?;
    errno(clone.open(&paths[5]), libc::ENOENT)?;
    // What limits do not allow does not come along, nor stay.
    ensure!(read(&clone, &paths[3])? == "f03", "the clone");
    clone
        .limit(FileArgsLimits::all(Operations::OPEN).paths([&paths[6], &paths[8]]))
        .map_err(text)?;
    not_capable(clone.open(&paths[4]), NAME)?;
    ensure!(read(&clone, &paths[6])? == "f06", "within the limits");
    fs::remove_file(&paths[8]).map_err(text)?;
    ensure!(read(&clone, &paths[8])? == "f08", "it was not opened ahead");
    not_capable(clone.open(&paths[7]), NAME)?;
    let fresh = files.uncached();
    ensure!(read(&fresh, &paths[10])? == "f10", "uncached");
    fs::remove_file(&paths[11]).map_err(text)?;
    errno(fresh.open(&paths[11]), libc::ENOENT)
}

fn nothing_ahead(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a", "b"])?;
    let paths = [scene.path("a"), scene.path("b"), scene.path("c")];
    let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let files = Files::new(&paths).access(Access::ReadWrite).flags(flags);
    let files: FileArgs = casper.open_with(files).map_err(text)?;
    files.open(&paths[0]).map_err(text)?;
    ensure!(fs::read(&paths[0]).map_err(text)? == b"", "not truncated");
    ensure!(fs::read(&paths[1]).map_err(text)? == b"b", "truncated ahead");
    ensure!(!paths[2].exists(), "made ahead");
    Ok(())
}

fn rights(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a"])?;
    let path = scene.path("a");
    let reading = Rights::READ | Rights::SEEK | Rights::FSTAT;
    let files = || Files::new([&path]).rights(reading);
    let open = |files: Files| casper.open_with::<FileArgs>(files);
    if LINUX {
        for (files, expected) in [
            (files(), "state its ceiling"),
            (files().ceiling(reading | Rights::FCHMOD), "FCHMOD"),
            (files().access(Access::ReadWrite).ceiling(reading | Rights::WRITE), "WRITE"),
        ] {
            match open(files) {
                Err(Error::Start { reason, .. }) if reason.contains(expected) => {}
                other => return Err(format!("{expected}: {other:?}")),
            }
        }
    }
    let files = open(files().ceiling(reading | Rights::WRITE)).map_err(text)?;
    let file = files.open(&path).map_err(text)?;
    if !LINUX {
        let has = capsicum_rs::limits_of(&file).map_err(text)?;
        ensure!(has.rights == reading, "{has}");
        return Ok(());
    }
    capsicum_rs::Sandbox::new()
        .grant(&files, casper::RIGHTS)
        .ceiling(reading | Rights::WRITE)
        .enter()
        .map_err(text)?;
    let mut file = files.open(&path).map_err(text)?;
    ensure!(file.write(b"x").is_err() && file.set_len(0).is_err(), "it can be written");
    ensure!(file.set_permissions(PermissionsExt::from_mode(0o666)).is_err(), "its mode changes");
    ensure!(content(file)? == "a", "it cannot be read");
    Ok(())
}

fn bad_lists(casper: &Casper) -> Outcome {
    let bad = [
        (Files::new(["a\0b"]), "NUL"),
        (Files::new(["/dev/stdin"]), "each process"),
        (Files::new(["/proc/self/environ"]), "each process"),
        (Files::new(["a"]).flags(OpenFlags::TRUNCATE), "truncated"),
        (Files::new(["a"]).mode(0o4700), "permissions"),
        (Files::new(vec!["a"; 200_000]), "more than"),
    ];
    for (files, expected) in bad {
        match casper.open_with::<FileArgs>(files) {
            Err(Error::Start { service, reason }) if reason.contains(expected) => {
                ensure!(service == NAME, "{service}");
            }
            other => return Err(format!("{expected}: {other:?}")),
        }
    }
    Ok(())
}

fn long_list(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a", "z"])?;
    let (a, z) = (scene.path("a"), scene.path("z"));
    let between = (0..30_000).map(|number| scene.path(&format!("none{number}")));
    let mut paths: Vec<PathBuf> = between.collect();
    // More that are there than the process may have descriptors.
    for number in 0..600 {
        let path = scene.path(&format!("is{number}"));
        fs::write(&path, "is").map_err(text)?;
        paths.push(path);
    }
    paths.insert(0, a.clone());
    paths.push(z.clone());
    let files = FileArgs::from_args(casper, &paths).map_err(text)?;
    ensure!(read(&files, &a)? == "a" && read(&files, &z)? == "z", "the ends of the list");
    ensure!(read(&files, scene.path("is599"))? == "is", "the middle");
    errno(files.open(&paths[777]), libc::ENOENT)
}

/// Who has entered has a socket to the zygote, and must not get paths by it.
fn not_from_capability_mode(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a"])?;
    let path = scene.path("a");
    let directory = File::open(scene.0.path()).map_err(text)?;
    // What a program that means harm would send by itself: its list ends with the user.
    let files = Files::new([&path]);
    let mut list = postcard::to_allocvec(&files).map_err(text)?;
    list.truncate(list.len() - 2);
    // SAFETY: these take nothing, and always succeed.
    let user = unsafe { (libc::geteuid(), libc::getegid()) };
    list.extend(postcard::to_allocvec(&user).map_err(text)?);
    let list = || crate::keeper::a_file(&list).map_err(text);
    let with = |list: File, root: Option<File>| -> Result<String, String> {
        let all = capsicum_rs::Limits::ALL;
        let mut builder = Compartment::builder(NAME).grant("list", list, all.clone());
        if let Some(root) = root {
            builder = builder.grant("root", root, all);
        }
        let (frames, _process) = builder.spawn_outside().map_err(text)?;
        read(&FileArgs::from(frames).within(LONG), &path)
    };
    // It works as long as the program can open the root directory.
    let root = File::open("/").map_err(text)?;
    ensure!(with(list()?, Some(root))? == "a", "no content");
    let (first, second) = (list()?, list()?);
    capsicum_rs::enter().map_err(text)?;
    ensure!(File::open(&path).is_err(), "it is not confined");
    match casper.open_with::<FileArgs>(files) {
        Err(Error::Start { .. }) => {}
        other => return Err(format!("{other:?}")),
    }
    ensure!(with(first, None).is_err(), "without a root directory");
    ensure!(with(second, Some(directory)).is_err(), "with another directory");
    Ok(())
}

fn limits(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a", "b", "c"])?;
    let [a, b, c] = ["a", "b", "c"].map(|name| scene.path(name));
    let files = Files::new([&a, &b]).operations(Operations::OPEN | Operations::LSTAT);
    let files: FileArgs = casper.open_with(files).map_err(text)?;
    ensure!(files.limits().map_err(text)? == FileArgsLimits::unlimited(), "other limits");
    let limits = FileArgsLimits::all(Operations::all()).paths([&a, &c]);
    files.limit(limits.clone()).map_err(text)?;
    ensure!(files.limits().map_err(text)? == limits, "other limits");
    ensure!(read(&files, &a)? == "a", "within the limits");
    not_capable(files.open(&b), NAME)?;
    // Limits bring nothing that it was not opened with.
    not_capable(files.open(&c), NAME)?;
    not_capable(files.realpath(&a), NAME)?;
    not_capable(files.limit(FileArgsLimits::all(Operations::OPEN)), NAME)?;
    not_capable(files.limit(FileArgsLimits::all(Operations::OPEN).paths([&b])), NAME)?;
    let clone = files.try_clone().map_err(text)?;
    clone.limit(FileArgsLimits::all(Operations::LSTAT).paths([&a])).map_err(text)?;
    clone.lstat(&a).map_err(text)?;
    not_capable(clone.open(&a), NAME)?;
    ensure!(read(&files, &a)? == "a", "the one that it was cloned from");
    Ok(())
}

fn confined(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a", "b", "secret"])?;
    let paths = [scene.path("a"), scene.path("b")];
    let files = FileArgs::from_args(casper, &paths).map_err(text)?;
    capsicum_rs::Sandbox::new()
        .grant(&files, casper::RIGHTS)
        .ceiling(Rights::READ | Rights::FSTAT | Rights::SEEK)
        .enter()
        .map_err(text)?;
    ensure!(File::open(&paths[0]).is_err(), "it is not confined");
    ensure!(read(&files, &paths[0])? == "a" && read(&files, &paths[1])? == "b", "other content");
    not_capable(files.open(scene.path("secret")), NAME)?;
    files.limit(FileArgsLimits::all(Operations::OPEN).paths([&paths[1]])).map_err(text)?;
    not_capable(files.open(&paths[0]), NAME)?;
    not_capable(files.limit(FileArgsLimits::unlimited()), NAME)?;
    ensure!(read(&files, &paths[1])? == "b", "within the limits");
    Ok(())
}

/// What a client does next: which paths, and which operations.
#[derive(Clone, Debug)]
enum Step {
    Limit(Option<Vec<usize>>, u8),
    Ask(usize, u8),
    /// Go on with a clone.
    Clone,
}

/// In the list are the first three; the last is a path of the first one's file.
const PATHS: usize = 5;

fn step() -> impl Strategy<Value = Step> {
    let paths = prop::option::weighted(0.8, prop::collection::vec(0..PATHS, 0..PATHS));
    prop_oneof![
        2 => (paths, 0_u8..16).prop_map(|(paths, operations)| Step::Limit(paths, operations)),
        6 => (0..PATHS, 0_u8..3).prop_map(|(path, operation)| Step::Ask(path, 1 << operation)),
        1 => Just(Step::Clone),
    ]
}

/// What it may do, without any code of the crate's.
struct Model {
    paths: Vec<usize>,
    all: bool,
    operations: u8,
}

impl Model {
    fn limit(&mut self, paths: Option<&[usize]>, operations: u8) -> bool {
        let fewer = match paths {
            None => self.all,
            Some(paths) => self.all || paths.iter().all(|path| self.paths.contains(path)),
        };
        let narrows = fewer && operations & !self.operations == 0;
        if narrows {
            self.all = paths.is_none();
            self.paths = paths.unwrap_or(&[]).to_vec();
            self.operations = operations;
        }
        narrows
    }

    fn allows(&self, path: usize, operation: u8) -> bool {
        path < 3
            && (self.all || self.paths.contains(&path))
            && operation & self.operations == operation
    }
}

fn model(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a", "b", "c", "d"])?;
    let mut paths: Vec<PathBuf> = ["a", "b", "c", "d"].map(|name| scene.path(name)).into();
    paths.push(scene.path("./a"));
    let files = Files::new(&paths[..3]).operations(Operations::all());
    let service: FileArgs = casper.open_with(files).map_err(text)?;
    let service = service.within(LONG);
    let mut runner = TestRunner::deterministic();
    runner
        .run(&prop::collection::vec(step(), 1..24), |steps| {
            let mut client = clone(&service)?;
            let mut model = Model { paths: Vec::new(), all: true, operations: 7 };
            for step in steps {
                let (expected, got) = match &step {
                    Step::Limit(stated, operations) => {
                        let all = FileArgsLimits::all(Operations::from_bits_retain(*operations));
                        let limits = match stated {
                            Some(stated) => all.paths(stated.iter().map(|path| &paths[*path])),
                            None => all,
                        };
                        (model.limit(stated.as_deref(), *operations), client.limit(limits))
                    }
                    Step::Ask(path, operation) => {
                        let name = &paths[*path];
                        let got = match operation {
                            1 => client.open(name).map(drop),
                            2 => client.lstat(name).map(drop),
                            _ => client.realpath(name).map(drop),
                        };
                        (model.allows(*path, *operation), got)
                    }
                    Step::Clone => {
                        client = clone(&client)?;
                        (true, Ok(()))
                    }
                };
                let refused = matches!(got, Err(Error::NotCapable { .. }));
                prop_assert!(refused != expected, "{:?}: {:?}", step, got);
                prop_assert!(refused || got.is_ok(), "{:?}: {:?}", step, got);
            }
            Ok(())
        })
        .map_err(text)
}

fn clone(files: &FileArgs) -> Result<FileArgs, TestCaseError> {
    let deadline = std::time::Instant::now() + LONG;
    loop {
        match files.try_clone() {
            // Those of cases before are not gone yet.
            Err(Error::Busy { .. }) if std::time::Instant::now() < deadline => {
                std::thread::yield_now();
            }
            other => return other.map_err(|error| TestCaseError::fail(error.to_string())),
        }
    }
}
