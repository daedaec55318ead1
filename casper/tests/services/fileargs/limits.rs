//! What a channel is held to.

use std::{fs::File, io::Write, os::unix::fs::PermissionsExt, path::PathBuf};

use capsicum_rs::Rights;
use casper::{
    Casper, Error, FileArgs, Limits,
    fileargs::{Access, FileArgsLimits, Files, Operations},
};
use proptest::{prelude::*, test_runner::TestRunner};

use super::{LINUX, NAME, Scene, content, listed, read, unsupported};
use crate::harness::{LONG, Outcome, ensure, native, not_capable, text};

pub(super) fn limits(casper: &Casper) -> Outcome {
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

pub(super) fn confined(casper: &Casper) -> Outcome {
    let scene = Scene::new(&["a", "b", "secret"])?;
    let paths = [scene.path("a"), scene.path("b")];
    let files: FileArgs = casper.open_with(listed(&paths)).map_err(text)?;
    capsicum_rs::Sandbox::new()
        .grant(&files, casper::RIGHTS)
        .ceiling(Rights::READ | Rights::FSTAT | Rights::SEEK)
        .enter()
        .map_err(text)?;
    ensure!(File::open(&paths[0]).is_err(), "it is not confined");
    ensure!(read(&files, &paths[0])? == "a" && read(&files, &paths[1])? == "b", "other content");
    not_capable(files.open(scene.path("secret")), NAME)?;
    if native() {
        return unsupported(files.limit(FileArgsLimits::nothing()), "after it was opened");
    }
    files.limit(FileArgsLimits::all(Operations::OPEN).paths([&paths[1]])).map_err(text)?;
    not_capable(files.open(&paths[0]), NAME)?;
    not_capable(files.limit(FileArgsLimits::unlimited()), NAME)?;
    ensure!(read(&files, &paths[1])? == "b", "within the limits");
    Ok(())
}

pub(super) fn rights(casper: &Casper) -> Outcome {
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

pub(super) fn model(casper: &Casper) -> Outcome {
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
