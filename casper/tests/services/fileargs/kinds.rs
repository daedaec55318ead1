//! What is opened, and for what: files for writing, new ones, FIFOs, directories.

use std::{
    ffi::CString,
    fs::{self, File},
    io::{Read, Write},
    os::{
        fd::AsRawFd,
        unix::{
            ffi::OsStrExt,
            fs::{PermissionsExt, symlink},
        },
    },
    path::{Path, PathBuf},
};

use casper::{
    Casper, FileArgs,
    fileargs::{Access, Files, OpenFlags},
};

use super::{LINUX, NAME, Scene, content, errno, flagged, listed, read, unsupported};
use crate::harness::{LONG, Outcome, ensure, native, not_capable, text};

pub(super) fn writes(casper: &Casper) -> Outcome {
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
    // libcasper opens ahead what it does not make, and would truncate all of the list.
    let truncate =
        OpenFlags::TRUNCATE | if native() { OpenFlags::CREATE } else { OpenFlags::empty() };
    let _ = open(truncate)?.open(&paths[0]).map_err(text)?;
    ensure!(fs::read(&paths[0]).map_err(text)? == b"", "it does not truncate");
    ensure!(fs::read(&paths[1]).map_err(text)? == b"b", "another file is truncated");
    let both = Files::new(&paths).access(Access::ReadWrite);
    let mut file =
        casper.open_with::<FileArgs>(both).map_err(text)?.open(&paths[1]).map_err(text)?;
    file.write_all(b"x").map_err(text)?;
    ensure!(file.read(&mut [0]).is_ok(), "it is not open for both");
    Ok(())
}

pub(super) fn makes(casper: &Casper) -> Outcome {
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

pub(super) fn fifos(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a", "b"])?;
    let (a, pipe, b) = (scene.path("a"), scene.path("pipe"), scene.path("b"));
    fifo(&pipe)?;
    let null = PathBuf::from("/dev/null");
    let paths = [&a, &pipe, &null, &b];
    let files = casper.open_with::<FileArgs>(listed(paths)).map_err(text)?.within(LONG);
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
    let nonblock = flagged(paths, OpenFlags::NONBLOCK);
    let nonblock: FileArgs = casper.open_with(nonblock).map_err(text)?;
    ensure!(!waits(&nonblock.open(&pipe).map_err(text)?), "reading would wait");
    Ok(())
}

pub(super) fn directories(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a"])?;
    let directory = scene.0.path();
    let files = FileArgs::from_args(casper, [directory]);
    if native() {
        // It cannot be kept from opening them.
        unsupported(files, "directories")?;
    } else {
        // Landlock does not pass what is not asked for.
        let refused = files.map_err(text)?.open(directory);
        let refused = refused.err().and_then(|error| error.raw_os_error());
        ensure!(refused == Some(libc::EISDIR), "{refused:?}");
    }
    let files = Files::new([directory]).flags(OpenFlags::DIRECTORIES);
    let files: FileArgs = casper.open_with(files).map_err(text)?;
    let opened = files.open(directory).map_err(text)?;
    ensure!(opened.metadata().map_err(text)?.is_dir(), "no directory");
    not_capable(files.open(scene.path("a")), NAME)
}

/// In capability mode a directory is more than its list.
pub(super) fn no_directories(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a", "b"])?;
    let paths = [scene.path("a"), scene.path("b")];
    let files = FileArgs::from_args(casper, &paths).map_err(text)?;
    fs::remove_file(&paths[1]).map_err(text)?;
    fs::create_dir(&paths[1]).map_err(text)?;
    ensure!(read(&files, &paths[0])? == "a", "what is no directory");
    let refused = files.open(&paths[1]).err().and_then(|error| error.raw_os_error());
    ensure!(refused == Some(libc::EISDIR), "{refused:?}");
    if !native() {
        // Where files may be made and read, beneath a directory that is passed for that.
        let later = scene.path("later");
        let made = Files::new([&later]).flags(OpenFlags::CREATE);
        let made: FileArgs = casper.open_with(made).map_err(text)?;
        fs::create_dir(&later).map_err(text)?;
        let refused = made.open(&later).err().and_then(|error| error.raw_os_error());
        ensure!(refused == Some(libc::EISDIR), "one that may be made: {refused:?}");
    }
    Ok(())
}
