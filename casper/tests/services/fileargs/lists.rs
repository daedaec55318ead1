//! With what the service is opened, and by whom.

use std::{
    fs::{self, File},
    path::PathBuf,
};

use capsicum_rs::Rights;
use casper::{
    Casper, Error, FileArgs,
    fileargs::{Access, Files, OpenFlags, Operations},
};
use sandbox_spawn::Compartment;

use super::{NAME, Scene, errno, listed, read, unsupported};
use crate::harness::{LONG, Outcome, ensure, not_capable, text};

pub(super) fn bad(casper: &Casper) -> Outcome {
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

/// A program without arguments.
pub(super) fn empty(casper: &Casper) -> Outcome {
    let list = listed::<&str>([]).operations(Operations::all());
    let files: FileArgs = casper.open_with(list).map_err(text)?;
    for path in ["", "/etc/passwd", "."] {
        not_capable(files.open(path), NAME)?;
        not_capable(files.lstat(path), NAME)?;
        not_capable(files.realpath(path), NAME)?;
    }
    Ok(())
}

pub(super) fn not_held(casper: &Casper) -> Outcome {
    let open = |files: Files| casper.open_with::<FileArgs>(files);
    unsupported(open(listed(["/etc/passwd"]).rights(Rights::READ)), "rights")?;
    unsupported(open(Files::new(["/etc/passwd"])), "directories")?;
    unsupported(open(listed((0..129).map(|number| format!("/no/{number}")))), "128 paths")?;
    unsupported(open(listed(["/".repeat(1024)])), "1023 bytes")?;
    let writes = Files::new(["/no/such"]).access(Access::Write);
    unsupported(open(writes.flags(OpenFlags::TRUNCATE)), "truncation")?;
    // What nobody opens is no directory that is opened.
    open(Files::new(["/"]).operations(Operations::LSTAT)).map(drop).map_err(text)
}

pub(super) fn long(casper: &Casper) -> Outcome {
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
pub(super) fn not_from_capability_mode(casper: &Casper) -> Outcome {
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
