//! Which paths may be asked for, and where they lead.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::{MetadataExt, symlink},
    path::PathBuf,
};

use casper::{
    Casper, Error, FileArgs,
    fileargs::{Files, OpenFlags, Operations},
};

use super::{LINUX, NAME, Scene, content, errno, flagged, listed, read, unsupported};
use crate::{
    WORKERS,
    harness::{Outcome, ensure, native, not_capable, text},
};

pub(super) fn the_list(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a", "b", "secret"])?;
    let (a, b, gone) = (scene.path("a"), scene.path("b"), scene.path("gone"));
    let list = listed([&a, &b, &gone, &PathBuf::new()]);
    let files = casper.open_with::<FileArgs>(list).map_err(text)?.uncached();
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

pub(super) fn relative(casper: &Casper) -> Outcome {
    let (scene, other) = (Scene::new(&["a"])?, Scene::new(&[])?);
    fs::write(other.path("a"), "another").map_err(text)?;
    std::env::set_current_dir(scene.0.path()).map_err(text)?;
    // libcasper stays where the program was when it was started.
    let started = if native() { Some(Casper::native(WORKERS).map_err(text)?) } else { None };
    let casper = started.as_ref().unwrap_or(casper);
    let files = listed(["a", "./a", "../a"]).operations(Operations::all());
    let files: FileArgs = casper.open_with(files).map_err(text)?;
    std::env::set_current_dir(other.0.path()).map_err(text)?;
    ensure!(read(&files, "a")? == "a" && read(&files, "./a")? == "a", "another directory's");
    errno(files.open("../a"), libc::ENOENT)?;
    let real = fs::canonicalize(scene.path("a")).map_err(text)?;
    ensure!(files.realpath("a").map_err(text)? == real, "another real path");
    if native() {
        unsupported(casper.open_with::<FileArgs>(listed(["a"])), "working directory")?;
    }
    not_capable(files.open(scene.path("a")), NAME)
}

pub(super) fn operations(casper: &Casper) -> Outcome {
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

pub(super) fn links(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a", "secret"])?;
    let (link, plain, under) = (scene.path("link"), scene.path("plain"), scene.path("d/a"));
    symlink("a", &link).map_err(text)?;
    fs::write(&plain, "plain").map_err(text)?;
    fs::create_dir(scene.path("d")).map_err(text)?;
    fs::create_dir(scene.path("e")).map_err(text)?;
    fs::write(&under, "under").map_err(text)?;
    fs::write(scene.path("e/a"), "secret").map_err(text)?;
    let list = listed([&link, &plain, &under]);
    let files = casper.open_with::<FileArgs>(list).map_err(text)?.uncached();
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

pub(super) fn nofollow(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a"])?;
    let (a, link) = (scene.path("a"), scene.path("link"));
    symlink("a", &link).map_err(text)?;
    let files = flagged([&a, &link], OpenFlags::NOFOLLOW);
    let files: FileArgs = casper.open_with(files).map_err(text)?;
    ensure!(read(&files, &a)? == "a", "what is no link");
    errno(files.open(&link), if LINUX { libc::ELOOP } else { libc::EMLINK })
}
