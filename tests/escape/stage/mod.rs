//! The stage of an attack: files, sockets, a terminal and another process that are outside of what
//! it is granted, the two directories that it is granted, and what of all that has changed at the
//! end. The attack itself runs in a process of its own, forked or executed from here.

mod bystander;
mod effects;
mod elf;
mod objects;
mod scene;

pub(crate) use effects::Before;
pub(crate) use elf::tiny_program;
pub(crate) use objects::Objects;
pub(crate) use scene::{Mode, SECRET, Scene, borrowed, c_path};

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, Instant},
};

use bystander::Bystander;

/// All that surrounds one attempt, in the process that looks on.
pub(crate) struct Stage {
    /// What the attack is told.
    pub(crate) scene: Scene,
    bystander: Bystander,
    sockets: objects::Sockets,
    before: Before,
}

impl Stage {
    /// Everything in its place.
    pub(crate) fn set(base: &Path, objects: &Objects) -> io::Result<Self> {
        let base = tempfile::Builder::new().prefix("scene").tempdir_in(base)?.keep();
        fs::set_permissions(&base, PermissionsExt::from_mode(0o755))?;
        files(&base)?;
        let (sockets, ports) = objects::Sockets::new(&base)?;
        let (bystander, known) = Bystander::start(&base)?;
        let scene = Scene::new(base, known, ports, objects.known());
        let before = Before::look(&scene)?;
        Ok(Self { scene, bystander, sockets, before })
    }

    /// What has changed outside, in words; nothing where nothing has.
    pub(crate) fn effects(&self) -> Vec<String> {
        let mut effects = self.before.changes(&self.scene);
        effects.extend(self.bystander.changes());
        effects.extend(self.sockets.changes());
        effects.extend(self.scene.objects.changes());
        effects
    }

    /// Children of this process that are neither the attack nor the other process, but ended: what
    /// it starts is its own.
    pub(crate) fn strange_children(&self) -> Vec<String> {
        let mut ended = false;
        while crate::raw::any_ended().is_some() {
            ended = true;
        }
        let mut strange = self.outlived(Duration::ZERO);
        if ended {
            strange.push("its starter has a child that it did not make".to_owned());
        }
        strange
    }

    /// Orphans of the attack, which become this process's children, that do not end in this time.
    pub(crate) fn outlived(&self, time: Duration) -> Vec<String> {
        let deadline = Instant::now() + time;
        let own = self.bystander.pid();
        let orphans = || -> Vec<i32> {
            while crate::raw::any_ended().is_some() {}
            let children = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
            let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
            children.filter(|pid| *pid != own).collect()
        };
        let mut alive = orphans();
        while !alive.is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
            alive = orphans();
        }
        for pid in &alive {
            crate::raw::kill(*pid, libc::SIGKILL);
            crate::raw::wait(*pid);
        }
        if alive.is_empty() { Vec::new() } else { vec!["a child outlives it".to_owned()] }
    }

    /// Takes it all away again.
    pub(crate) fn strike(self) {
        self.bystander.end();
        let base = &self.scene.base;
        for mounted in ["out/mounted", "out", "outside/victim"] {
            scene::unmount(&base.join(mounted));
        }
        let _ = fs::remove_dir_all(base);
    }
}

/// A program of root's that is set-user-id, where root has made one.
static SET_ID: OnceLock<PathBuf> = OnceLock::new();

/// Makes it, as root, in a directory that everyone may enter.
pub(crate) fn make_set_id(directory: &Path) -> io::Result<()> {
    let path = directory.join("set-id");
    fs::write(&path, elf::program_of_root())?;
    fs::set_permissions(&path, PermissionsExt::from_mode(0o4755))?;
    let _ = SET_ID.set(path);
    Ok(())
}

/// `in` and `out` are granted, `outside` is not.
fn files(base: &Path) -> io::Result<()> {
    for directory in ["in", "in/sub", "out", "outside", "outside/sub"] {
        fs::create_dir(base.join(directory))?;
    }
    for (file, content) in [
        ("in/inside", "inside\n".as_bytes()),
        ("out/plain", b"plain\n"),
        ("outside/secret", SECRET),
        ("outside/victim", b"unchanged\n"),
    ] {
        fs::write(base.join(file), content)?;
        fs::set_permissions(base.join(file), PermissionsExt::from_mode(0o640))?;
    }
    fs::write(base.join("outside/program"), elf::tiny_program())?;
    fs::set_permissions(base.join("outside/program"), PermissionsExt::from_mode(0o755))?;
    let link = String::from_utf8_lossy(SECRET).into_owned();
    std::os::unix::fs::symlink(link, base.join("outside/link"))?;
    // Not every file system has attributes.
    let _ = scene::set_attribute(&base.join("outside/secret"), c"user.secret", SECRET);
    Ok(())
}
