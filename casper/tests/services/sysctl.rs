//! `Sysctl`.

use capsicum_channel::Frames;
use casper::{
    Casper, Error, Limits, Sysctl,
    sysctl::{Access, SysctlLimits},
};
use proptest::prelude::*;

use crate::{
    harness::{
        Case, LONG, NOT_SENT, Outcome, Tested, case, common, ensure, native, not_capable,
        only_portable, text,
    },
    hostile, model, worker,
};

pub(crate) const CASES: &[Case] = &[
    common("sysctl_reads_what_the_system_has", reads),
    common("sysctl_is_held_to_names", limits),
    common("sysctl_writes_what_the_user_may", writes),
    common("sysctl_refuses_names_that_are_paths", names),
    common("sysctl_works_in_capability_mode", confined),
    only_portable("sysctl_works_in_a_worker_that_was_granted_it", NOT_SENT, |casper| {
        worker::granted::<Sysctl>(casper, "sysctl")
    }),
    common("sysctl_obeys_the_model_of_its_limits", obeys),
    common("sysctl_does_not_widen", hostile::widening::<Sysctl>),
    case("sysctl_survives_mutated_frames", hostile::mutated_frames::<Sysctl>),
    case("sysctl_has_room_for_so_many_connections", hostile::many_connections::<Sysctl>),
    case(
        "sysctl_is_not_stopped_by_who_does_not_read",
        hostile::a_client_that_does_not_read::<Sysctl>,
    ),
    case("sysctl_dies_with_its_name", hostile::death::<Sysctl>),
    case("sysctl_ends_with_its_last_connection", hostile::end::<Sysctl>),
];

const NAME: &str = "system.sysctl";

/// Of which there are others beneath the same, and one that can be written.
const TYPE: &str = if cfg!(target_os = "linux") { "kernel.ostype" } else { "kern.ostype" };
const RELEASE: &str = if cfg!(target_os = "linux") { "kernel.osrelease" } else { "kern.osrelease" };
const ABOVE: &str = if cfg!(target_os = "linux") { "kernel" } else { "kern" };
const BESIDE: &str =
    if cfg!(target_os = "linux") { "vm.overcommit_memory" } else { "vm.overcommit" };
const WRITABLE: &str = if cfg!(target_os = "linux") { "vm.swappiness" } else { "kern.coredump" };

impl Tested for Sysctl {
    const NAME: &'static str = NAME;

    fn socket(&self) -> Result<Frames, Error> {
        self.to_frames()
    }

    fn another(&self) -> Result<Self, Error> {
        self.try_clone()
    }

    fn hurried(&self) -> Self {
        self.within(std::time::Duration::from_millis(50))
    }

    fn ask(&self) -> Result<(), Error> {
        let kind = self.within(LONG).text(TYPE)?;
        if ["Linux", "FreeBSD"].contains(&kind.as_str()) {
            return Ok(());
        }
        Err(Error::Invalid { service: NAME.to_owned(), what: kind })
    }

    fn ask_everything(&self) {
        let _ = self.read(TYPE);
        let _ = self.read_mib(&[1, 1]);
        let _ = self.write(TYPE, b"x");
        let _ = self.write_mib(&[1, 1], b"x");
        let _ = self.write_integer(TYPE, 7);
        let _ = self.mib(TYPE);
        let _ =
            self.limit(SysctlLimits::nothing().name(TYPE, Access::READ).mib(&[1, 1], Access::READ));
        let _ = self.limits();
        let _ = self.to_frames();
    }

    fn limit_to_nothing(&self) -> Result<(), Error> {
        self.limit(SysctlLimits::nothing())
    }

    fn widen(&self) -> Result<(), Error> {
        self.limit(SysctlLimits::nothing().name(TYPE, Access::READ))
    }
}

fn reads(casper: &Casper) -> Outcome {
    let sysctl: Sysctl = casper.open().map_err(text)?;
    sysctl.ask().map_err(text)?;
    ensure!(sysctl.integer(BESIDE).map_err(text)? >= 0, "overcommit");
    ensure!(sysctl.text(RELEASE).map_err(text)?.contains('.'), "the release");
    match sysctl.read("no.such.sysctl") {
        Err(error @ Error::System { .. }) if error.raw_os_error() == Some(libc::ENOENT) => {}
        other => return Err(format!("of nothing: {other:?}")),
    }
    match (cfg!(target_os = "linux"), sysctl.mib(TYPE)) {
        (true, Err(Error::Unsupported { .. })) => Ok(()),
        (false, Ok(mib)) => {
            let value = sysctl.read_mib(&mib).map_err(text)?;
            ensure!(value.starts_with(b"FreeBSD"), "{value:?}");
            Ok(())
        }
        (_, other) => Err(format!("the MIB: {other:?}")),
    }
}

fn limits(casper: &Casper) -> Outcome {
    let sysctl: Sysctl = casper.open().map_err(text)?;
    let limits = SysctlLimits::nothing().name(ABOVE, Access::READ | Access::RECURSIVE);
    sysctl.limit(limits.clone()).map_err(text)?;
    ensure!(sysctl.limits().map_err(text)? == limits, "other limits");
    sysctl.ask().map_err(text)?;
    not_capable(sysctl.read(BESIDE), NAME)?;
    not_capable(sysctl.write(TYPE, b"x"), NAME)?;
    not_capable(sysctl.write_integer(TYPE, 1), NAME)?;
    not_capable(sysctl.read_mib(&[1, 1]), NAME)?;
    not_capable(sysctl.mib(BESIDE), NAME)?;
    not_capable(sysctl.limit(SysctlLimits::unlimited()), NAME)?;
    let clone = sysctl.try_clone().map_err(text)?;
    clone.limit(SysctlLimits::nothing().name(RELEASE, Access::READ)).map_err(text)?;
    clone.read(RELEASE).map_err(text)?;
    not_capable(clone.read(TYPE), NAME)?;
    // The one that it was cloned from is as it was.
    sysctl.ask().map_err(text)
}

fn writes(casper: &Casper) -> Outcome {
    let sysctl: Sysctl = casper.open().map_err(text)?;
    let before = sysctl.integer(WRITABLE).map_err(text)?;
    // SAFETY: it always succeeds.
    let root = unsafe { libc::geteuid() } == 0;
    match (root, sysctl.write_integer(WRITABLE, before)) {
        (true, Ok(())) => {}
        (false, Err(Error::System { source, .. }))
            if source.kind() == std::io::ErrorKind::PermissionDenied => {}
        // A container may have /proc/sys for reading only.
        (true, Err(error)) if error.raw_os_error() == Some(libc::EROFS) => {}
        (_, other) => return Err(format!("{other:?}")),
    }
    ensure!(sysctl.integer(WRITABLE).map_err(text)? == before, "another value");
    sysctl.limit(SysctlLimits::nothing().name(WRITABLE, Access::READ)).map_err(text)?;
    not_capable(sysctl.write_integer(WRITABLE, before), NAME)?;
    not_capable(sysctl.write(WRITABLE, b"60"), NAME)
}

fn names(casper: &Casper) -> Outcome {
    let sysctl: Sysctl = casper.open().map_err(text)?;
    let long = "a.".repeat(4_000);
    let names = [
        "",
        ".",
        "..",
        "../version",
        "kernel..ostype",
        "//.version",
        "kernel.//.//.version",
        "kernel.ostype\0x",
        "/proc/version",
        "kernel.ostype.",
        "kernel.os type",
        &long,
    ];
    for name in names {
        match sysctl.read(name) {
            Err(Error::Invalid { .. }) => {}
            Err(error @ Error::System { .. })
                if name.starts_with('/') && error.raw_os_error() == Some(libc::ENOENT) => {}
            other => return Err(format!("{name:?}: {other:?}")),
        }
    }
    for mib in [&[][..], &[1; 25], &vec![1; 5_000]] {
        ensure!(
            matches!(sysctl.read_mib(mib), Err(Error::Invalid { .. })),
            "{} numbers",
            mib.len()
        );
    }
    for value in [&[][..], &vec![b'x'; 40_000]] {
        let written = sysctl.write(TYPE, value);
        ensure!(
            matches!(written, Err(Error::Invalid { .. })),
            "{} bytes: {written:?}",
            value.len()
        );
    }
    sysctl.ask().map_err(text)
}

fn confined(casper: &Casper) -> Outcome {
    let sysctl: Sysctl = casper.open().map_err(text)?;
    sysctl.limit(SysctlLimits::nothing().name(TYPE, Access::READ)).map_err(text)?;
    capsicum_rs::Sandbox::new().grant(&sysctl, casper::RIGHTS).enter().map_err(text)?;
    ensure!(std::fs::File::open("/proc/sys/kernel/ostype").is_err(), "it is not confined");
    sysctl.ask().map_err(text)?;
    not_capable(sysctl.read(BESIDE), NAME)?;
    not_capable(sysctl.widen_by(BESIDE), NAME)
}

trait Widen {
    fn widen_by(&self, name: &str) -> Result<(), Error>;
}

impl Widen for Sysctl {
    fn widen_by(&self, name: &str) -> Result<(), Error> {
        self.limit(SysctlLimits::nothing().name(name, Access::READ))
    }
}

/// Names that exist or not, some beneath others.
const NAMES: &[&str] = &[ABOVE, TYPE, RELEASE, BESIDE, "none", "none.a", "none.a.b", "none.ab"];

/// A sysctl, and the ways as bits.
type Entry = (usize, u8);

/// What may be done, without any code of the crate's.
fn allows(held: Option<&Vec<Entry>>, (name, ways): Entry) -> bool {
    let Some(entries) = held else { return true };
    entries.iter().any(|(above, has)| {
        let (above, name) = (NAMES[*above], NAMES[name]);
        let beneath = has & 4 != 0 && name.starts_with(&format!("{above}."));
        has & ways == ways && (name == above || beneath)
    })
}

fn obeys(casper: &Casper) -> Outcome {
    let service: Sysctl = casper.open().map_err(text)?;
    let service = service.within(LONG);
    // libcasper's are limited to what there is, and to reading or writing at least.
    let known = if native() { 4 } else { NAMES.len() };
    let some_way = |(name, ways)| (name, if native() && ways == 4 { 5 } else { ways });
    model::check(
        &service,
        prop::collection::vec((0..known, 1_u8..8).prop_map(some_way), 0..5),
        (0..NAMES.len(), 1_u8..3),
        &mut |client: &Sysctl, entries: &Vec<Entry>| {
            client.limit(entries.iter().fold(SysctlLimits::nothing(), |limits, (name, ways)| {
                limits.name(NAMES[*name], Access::from_bits_retain(*ways))
            }))
        },
        &mut |held: &mut Option<Vec<Entry>>, entries: &Vec<Entry>| {
            let narrows = entries.iter().all(|entry| allows(held.as_ref(), *entry));
            if narrows {
                *held = Some(entries.clone());
            }
            narrows
        },
        &mut |client: &Sysctl, held: &Option<Vec<Entry>>, asked: &Entry| {
            let got = match *asked {
                (name, 1) => client.read(NAMES[name]).map(drop),
                // A value that no sysctl of these takes.
                (name, _) => client.write(NAMES[name], b"\0"),
            };
            matches!(got, Err(Error::NotCapable { .. })) != allows(held.as_ref(), *asked)
        },
    )
}
