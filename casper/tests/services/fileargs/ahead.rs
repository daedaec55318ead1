//! What comes along with an answer.

use std::{fs, path::PathBuf};

use casper::{
    Casper, FileArgs,
    fileargs::{Access, FileArgsLimits, Files, OpenFlags, Operations},
};

use super::{NAME, Scene, errno, listed, read};
use crate::harness::{Outcome, ensure, not_capable, text};

pub(super) fn once_each(casper: &Casper) -> Outcome {
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

/// The whole list comes with the first answer, and never again.
pub(super) fn of_libcasper(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a", "b", "c", "d"])?;
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| scene.path(name));
    let list = listed([&a, &b, &c, &d]).operations(Operations::all());
    let files: FileArgs = casper.open_with(list).map_err(text)?;
    ensure!(read(&files, &d)? == "d", "the last");
    for path in [&a, &b, &c] {
        fs::remove_file(path).map_err(text)?;
    }
    errno(files.lstat(&a), libc::ENOENT)?;
    ensure!(read(&files, &a)? == "a", "it was not opened ahead");
    errno(files.open(&a), libc::ENOENT)?;
    let clone = files.try_clone().map_err(text)?;
    errno(clone.open(&b), libc::ENOENT)?;
    errno(files.uncached().open(&b), libc::ENOENT)
}

pub(super) fn nothing_that_changes(casper: &Casper) -> Outcome {
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
