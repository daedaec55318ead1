//! Limits only narrow, and capability mode is for ever.

use std::os::fd::OwnedFd;

use capsicum_rs::{Error, Fcntls, Ioctls, Limits, Mode, Rights, limit, limits_of, mode, sandboxed};

use crate::{
    harness::{Case, Done, Outcome, ensure, in_fork, refused, works},
    level,
    level::FREEBSD,
    matrix::Place,
    raw::{self, ENOTCAPABLE},
    scene::Scene,
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("a fresh descriptor has no limits", |scene| {
            let file = works("file", scene.file("file"))?;
            let limits = works("limits_of", limits_of(&file))?;
            ensure(FREEBSD || limits == Limits::ALL, format!("it has {limits}"))?;
            // An older FreeBSD lacks the newest rights.
            let older =
                Rights::ALL.difference(Rights::FCHROOT | Rights::INOTIFY_ADD | Rights::INOTIFY_RM);
            ensure(limits.rights.contains(older), format!("it has {limits}"))?;
            Ok(Done::Held)
        }),
        Case::new("asking for more than a descriptor has changes nothing", widening),
        Case::new("a descriptor can be limited again and again", |scene| {
            let file = works("file", scene.file("file"))?;
            let all = [Rights::READ | Rights::WRITE | Rights::FSTAT, Rights::READ, Rights::NONE];
            for rights in all {
                works("limit", limit(&file, rights))?;
                has(&file, &Limits::from(rights))?;
            }
            refused("read", raw::read(&file, &mut [0]), &[ENOTCAPABLE])?;
            Ok(Done::Held)
        }),
        Case::new("commands and requests only narrow", commands),
    ];
    cases.extend(entering());
    for seed in 1..=8 {
        let case =
            Case::new(format!("no sequence of limits widens, sequence {seed}"), move |scene| {
                random(seed, scene)
            });
        let variant = format!("sequence {seed}");
        cases.push(case.at(Place::rule("no sequence of limits widens", &variant)));
    }
    cases
}

fn entering() -> Vec<Case> {
    vec![
        Case::new("entering twice is no error", |_| {
            works("enter", capsicum_rs::enter())?;
            works("enter again", capsicum_rs::enter())?;
            works("enter with a sandbox", capsicum_rs::Sandbox::new().enter())?;
            ensure(sandboxed(), "sandboxed() says no").map(|()| Done::Held)
        }),
        Case::new("entering again with a lower ceiling narrows", |scene| {
            let file = works("file", scene.file("file"))?;
            works("enter", level::sandbox().ceiling(Rights::READ).enter())?;
            works("read", raw::read(&file, &mut [0]))?;
            works("enter again", level::sandbox().enter())?;
            refused("read", raw::read(&file, &mut [0]), &[ENOTCAPABLE])?;
            Ok(Done::Held)
        }),
        Case::new("entering again with a higher ceiling widens nothing", |scene| {
            let file = works("file", scene.file("file"))?;
            works("enter", level::sandbox().ceiling(Rights::READ).enter())?;
            // Whether it is an error is of no matter here.
            let _ = level::sandbox().ceiling(Limits::ALL).enter();
            let _ = capsicum_rs::enter();
            works("read", raw::read(&file, &mut [0]))?;
            refused("write", raw::write(&file, b"W"), &[ENOTCAPABLE])?;
            Ok(Done::Held)
        }),
        Case::new("entering again with a wider grant is refused", |scene| {
            let file = works("file", scene.file("file"))?;
            works("enter", level::sandbox().ceiling(Rights::READ).enter())?;
            match level::sandbox().grant(&file, Rights::WRITE).enter() {
                Err(Error::NotCapable { .. }) => {}
                other => return Err(format!("{other:?}")),
            }
            refused("write", raw::write(&file, b"W"), &[ENOTCAPABLE])?;
            Ok(Done::Held)
        }),
        Case::new("entering keeps what was limited before", |scene| {
            let file = works("file", scene.file("file"))?;
            works("limit", limit(&file, Rights::READ))?;
            works("enter", level::sandbox().ceiling(Rights::READ | Rights::WRITE).enter())?;
            has(&file, &Limits::from(Rights::READ))?;
            works("read", raw::read(&file, &mut [0]))?;
            refused("write", raw::write(&file, b"W"), &[ENOTCAPABLE])?;
            Ok(Done::Held)
        }),
        Case::new(
            "a grant wider than the limits before is refused, and nothing entered",
            |scene| {
                let file = works("file", scene.file("file"))?;
                works("limit", limit(&file, Rights::READ))?;
                match level::sandbox().grant(&file, Rights::READ | Rights::WRITE).enter() {
                    Err(Error::NotCapable { asked, has, .. }) => {
                        ensure(asked.rights.contains(Rights::WRITE), format!("asked {asked}"))?;
                        ensure(has.rights == Rights::READ, format!("has {has}"))?;
                    }
                    other => return Err(format!("{other:?}")),
                }
                ensure(
                    works("mode", mode())? == Mode::Ambient,
                    "in capability mode after an error",
                )?;
                Ok(Done::Held)
            },
        ),
        Case::new("the mode is known before, after, and in a child", |_| {
            ensure(!sandboxed(), "before")?;
            ensure(works("mode", mode())? == Mode::Ambient, "before")?;
            works("enter", capsicum_rs::enter())?;
            ensure(sandboxed(), "after")?;
            ensure(works("mode", mode())? == Mode::Capability, "after")?;
            in_fork(|| ensure(sandboxed(), "in a child").map(|()| Done::Held))
        }),
        Case::new("limiting does not enter capability mode", |scene| {
            let file = works("file", scene.file("file"))?;
            works("limit", limit(&file, Rights::READ))?;
            ensure(works("mode", mode())? == Mode::Ambient, "in capability mode")?;
            works("opening by path", scene.open("file", libc::O_RDONLY)).map(|_| Done::Held)
        }),
    ]
}

fn has(file: &OwnedFd, limits: &Limits) -> Result<(), String> {
    let found = works("limits_of", limits_of(file))?;
    ensure(found == *limits, format!("it has `{found}` and should have `{limits}`"))
}

fn widening(scene: &Scene) -> Outcome {
    let file = works("file", scene.file("file"))?;
    let narrow = Rights::READ | Rights::SEEK_TELL;
    works("limit", limit(&file, narrow))?;
    for wider in [Rights::READ | Rights::WRITE, Rights::SEEK, Rights::PREAD, Rights::FSTAT] {
        match limit(&file, wider) {
            Err(Error::NotCapable { has, .. }) => {
                ensure(has.rights == narrow, format!("the error says that it has {has}"))?;
            }
            other => return Err(format!("limit to {wider}: {other:?}")),
        }
        has(&file, &Limits::from(narrow))?;
    }
    works("read", raw::read(&file, &mut [0]))?;
    refused("write", raw::write(&file, b"W"), &[ENOTCAPABLE])?;
    Ok(Done::Held)
}

fn commands(scene: &Scene) -> Outcome {
    let file = works("file", scene.file("file"))?;
    let rights = Limits::from(Rights::FCNTL | Rights::IOCTL);
    let narrow = rights.clone().fcntls(Fcntls::GETFL).ioctls(Ioctls::only([1, 2]));
    works("limit", limit(&file, narrow.clone()))?;
    has(&file, &narrow)?;
    for wider in [
        narrow.clone().fcntls(Fcntls::GETFL | Fcntls::SETFL),
        narrow.clone().ioctls(Ioctls::only([1, 2, 3])),
        narrow.clone().ioctls(Ioctls::All),
    ] {
        match limit(&file, wider.clone()) {
            Err(Error::NotCapable { .. }) => has(&file, &narrow)?,
            other => return Err(format!("limit to {wider}: {other:?}")),
        }
    }
    let narrower = narrow.fcntls(Fcntls::NONE).ioctls(Ioctls::only([2]));
    works("limit", limit(&file, narrower.clone()))?;
    has(&file, &narrower)?;
    Ok(Done::Held)
}

/// Numbers that look random and are the same each time: xorshift.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// True in one of so many times.
    fn one_in(&mut self, many: u64) -> bool {
        self.next().is_multiple_of(many)
    }
}

/// Rights that every FreeBSD has.
const POOL: [Rights; 12] = [
    Rights::READ,
    Rights::WRITE,
    Rights::SEEK_TELL,
    Rights::SEEK,
    Rights::MMAP,
    Rights::FSYNC,
    Rights::FTRUNCATE,
    Rights::FSTAT,
    Rights::FCNTL,
    Rights::FLOCK,
    Rights::IOCTL,
    Rights::EVENT,
];

/// Sometimes within what there is, sometimes anything.
fn any(numbers: &mut Numbers, now: &Limits) -> Limits {
    let within = numbers.one_in(2);
    let mut rights = Rights::NONE;
    for right in POOL {
        if !numbers.one_in(6) && (!within || now.rights.contains(right)) {
            rights |= right;
        }
    }
    let mut limits = Limits::from(rights);
    if rights.contains(Rights::FCNTL) {
        let some = Fcntls::from_bits_truncate((numbers.next() as u32) & Fcntls::ALL.bits());
        limits.fcntls = if within { some & now.fcntls } else { some };
    }
    if rights.contains(Rights::IOCTL) && !numbers.one_in(3) {
        let some = Ioctls::only([11, 12, 13].into_iter().filter(|_| !numbers.one_in(3)));
        limits.ioctls = if within { some.intersection(&now.ioctls) } else { some };
    }
    limits
}

/// The limits of a descriptor are those of the last call that asked for no more than it had.
fn random(seed: u64, scene: &Scene) -> Outcome {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
    let file = works("file", scene.file("file"))?;
    let mut now = POOL.into_iter().fold(Rights::NONE, |all, right| all | right).into();
    works("limit", limit(&file, Limits::clone(&now)))?;
    for step in 0..60 {
        let asked = any(&mut numbers, &now);
        let allowed = now.contains(&asked);
        match limit(&file, asked.clone()) {
            Ok(()) if allowed => now = asked,
            Err(Error::NotCapable { .. }) if !allowed => {}
            other => return Err(format!("step {step}: `{asked}` on `{now}`: {other:?}")),
        }
        has(&file, &now).map_err(|error| format!("step {step}: {error}"))?;
    }
    let read = raw::pread(&file, &mut [0], 0);
    if now.rights.contains(Rights::PREAD) {
        works("pread", read)?;
    } else {
        refused("pread", read, &[ENOTCAPABLE])?;
    }
    Ok(Done::Held)
}
