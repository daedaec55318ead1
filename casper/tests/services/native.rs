//! What is libcasper's own: the provider `native`.

use std::time::Duration;

use casper::{
    Casper, Error, Grp, Limits, Pwd, Sysctl,
    grp::GrpLimits,
    pwd::{Commands, PwdLimits},
    sysctl::{Access, SysctlLimits},
};

use crate::{
    WORKERS,
    harness::{
        Case, NOT_SENT, Outcome, Tested, case, ensure, native, not_capable, of_libcasper,
        only_portable, text,
    },
    host,
    keeper::Keeper,
};

pub(crate) const CASES: &[Case] = &[
    case("without_libcasper_the_error_names_the_library", names_the_library).needs(host::users),
    of_libcasper("casper_is_not_started_too_late", too_late),
    of_libcasper("a_service_that_was_not_named_is_not_opened", not_named).needs(host::users),
    of_libcasper("what_libcasper_does_not_have_is_refused", refused).needs(host::users),
    of_libcasper("a_limit_that_cannot_be_held_is_refused", limits).needs(host::groups),
    only_portable(
        "requests_end_at_their_deadline",
        "libnv waits for its answer as long as it takes",
        deadline,
    )
    .needs(host::users),
    only_portable("channels_are_sent_to_other_processes", NOT_SENT, sent).needs(host::users),
    only_portable(
        "grp_is_held_to_names_and_numbers_at_once",
        "libcap_grp stores both under the same keys",
        names_and_numbers,
    )
    .needs(host::groups),
    only_portable(
        "sysctl_is_limited_to_what_there_is_not",
        "libcap_sysctl is told a MIB, which it has none",
        no_such_sysctl,
    ),
    only_portable(
        "sysctl_is_limited_to_neither_reading_nor_writing",
        "libcap_sysctl limits reading and writing",
        no_access,
    ),
    of_libcasper("a_channel_that_threads_share_has_an_answer_for_each", threads)
        .needs(host::users_and_groups),
    of_libcasper("channels_outlive_who_opened_them", outlives).needs(host::users),
    #[cfg(all(target_os = "freebsd", feature = "native"))]
    of_libcasper("limits_hold_without_this_crate", bare::held).needs(host::users),
    #[cfg(all(target_os = "freebsd", feature = "native"))]
    of_libcasper("limits_of_names_hold_without_this_crate", bare::names).needs(host::localhost),
    #[cfg(all(target_os = "freebsd", feature = "native"))]
    of_libcasper("modes_of_the_network_hold_without_this_crate", bare::modes),
    #[cfg(all(target_os = "freebsd", feature = "native"))]
    of_libcasper("a_list_of_files_holds_without_this_crate", bare::listed).needs(host::services),
];

fn deadline(casper: &Casper) -> Outcome {
    let pwd: Pwd = casper.open().map_err(text)?;
    match pwd.within(Duration::ZERO).by_name("root") {
        Err(error @ Error::Deadline { .. }) if error.service() == Some(Pwd::NAME) => {
            pwd.ask().map_err(text)
        }
        other => Err(format!("{other:?}")),
    }
}

fn sent(casper: &Casper) -> Outcome {
    let pwd: Pwd = casper.open().map_err(text)?;
    let other = Pwd::from(pwd.to_frames().map_err(text)?);
    drop(pwd);
    other.ask().map_err(text)
}

fn names_and_numbers(casper: &Casper) -> Outcome {
    let grp: Grp = casper.open().map_err(text)?;
    let first = grp.by_gid(0).map_err(text)?.and_then(|group| group.name).ok_or("no group")?;
    grp.limit(GrpLimits::unlimited().groups([first.as_str()], [1])).map_err(text)?;
    ensure!(grp.by_name(&first).map_err(text)?.is_some(), "by its name");
    ensure!(grp.by_gid(1).map_err(text)?.is_some(), "by its number");
    ensure!(grp.by_gid(2).map_err(text)?.is_none(), "another group");
    Ok(())
}

fn no_such_sysctl(casper: &Casper) -> Outcome {
    let sysctl: Sysctl = casper.open().map_err(text)?;
    sysctl.limit(SysctlLimits::nothing().name("no.such.sysctl", Access::READ)).map_err(text)?;
    match sysctl.read("no.such.sysctl") {
        Err(Error::System { .. }) => not_capable(sysctl.ask(), Sysctl::NAME),
        other => Err(format!("{other:?}")),
    }
}

fn no_access(casper: &Casper) -> Outcome {
    let sysctl: Sysctl = casper.open().map_err(text)?;
    let limits = SysctlLimits::nothing().name("kern", Access::RECURSIVE);
    sysctl.limit(limits.name("kernel", Access::RECURSIVE)).map_err(text)?;
    not_capable(sysctl.ask(), Sysctl::NAME)
}

fn names_the_library(_: &Casper) -> Outcome {
    let here = cfg!(all(target_os = "freebsd", feature = "native"));
    match Casper::native(WORKERS) {
        Err(Error::Unsupported { what, reason, .. }) => {
            ensure!(what.starts_with("lib") && what.contains(".so."), "{what}");
            // FreeBSD can be built without it, and then the linker says so.
            ensure!(
                here || ["feature", "FreeBSD"].iter().any(|why| reason.contains(why)),
                "{reason}"
            );
            Ok(())
        }
        Ok(casper) if here => casper.open::<Pwd>().map_err(text)?.ask().map_err(text),
        other => Err(format!("{other:?}")),
    }
}

fn too_late(_: &Casper) -> Outcome {
    let not_started = || match Casper::native(WORKERS) {
        Err(Error::NotStarted { .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    };
    let (ends, end) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || end.recv().is_err());
    not_started().map_err(|error| format!("with threads: {error}"))?;
    drop(ends);
    thread.join().map_err(|_| "the thread panicked")?;
    capsicum_rs::enter().map_err(text)?;
    not_started().map_err(|error| format!("in capability mode: {error}"))
}

fn not_named(_: &Casper) -> Outcome {
    let casper = Casper::native(&[casper::worker::<Pwd>()]).map_err(text)?;
    casper.open::<Pwd>().map_err(text)?.ask().map_err(text)?;
    match casper.open::<Sysctl>() {
        Err(error @ Error::Start { .. }) if error.service() == Some(Sysctl::NAME) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn refused(casper: &Casper) -> Outcome {
    ensure!(native(), "another provider");
    let pwd: Pwd = casper.open().map_err(text)?;
    let socket = pwd.to_frames().map(drop);
    ensure!(matches!(socket, Err(Error::Unsupported { .. })), "a socket: {socket:?}");
    let own = casper.open::<Keeper>().map(drop);
    ensure!(matches!(own, Err(Error::Unsupported { .. })), "a service of one's own: {own:?}");
    // There is no deadline, and so no error of one.
    pwd.within(Duration::ZERO).ask().map_err(text)
}

fn limits(casper: &Casper) -> Outcome {
    let unsupported = |limited: Result<(), Error>| match limited {
        Err(Error::Unsupported { .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    };
    let grp: Grp = casper.open().map_err(text)?;
    unsupported(grp.limit(GrpLimits::unlimited().groups(["wheel"], [1])))?;
    ensure!(grp.limits().map_err(text)? == GrpLimits::unlimited(), "some of it was set");
    ensure!(grp.by_gid(1).map_err(text)?.is_some(), "some of it was set");

    let sysctl: Sysctl = casper.open().map_err(text)?;
    let nothing = SysctlLimits::nothing;
    unsupported(sysctl.limit(nothing().name("kern", Access::RECURSIVE)))?;
    unsupported(sysctl.limit(nothing().name("no.such.sysctl", Access::READ)))?;
    sysctl.ask().map_err(text)?;
    sysctl.read("kern.hostname").map(drop).map_err(text)
}

/// Each of some threads has the answers to its own questions, on one channel and on clones.
fn threads(casper: &Casper) -> Outcome {
    let pwd: Pwd = casper.open().map_err(text)?;
    let grp: Grp = casper.open().map_err(text)?;
    let all = (pwd.users().count(), grp.groups().count());
    let ask = |pwd: &Pwd, grp: &Grp| -> Outcome {
        for _ in 0..50 {
            let (root, nobody) = (pwd.by_name("root").map_err(text)?, pwd.by_name("nobody"));
            ensure!(root.and_then(|user| user.uid) == Some(0), "another user's answer");
            let nobody = nobody.map_err(text)?.and_then(|user| user.uid);
            ensure!(nobody == Some(65_534), "another user's answer");
            let wheel = grp.by_name("wheel").map_err(text)?.and_then(|group| group.gid);
            ensure!(wheel == Some(0), "another group's answer");
            let here = (pwd.users().count(), grp.groups().count());
            ensure!(here == all, "the place in the database is not its own: {here:?} of {all:?}");
        }
        Ok(())
    };
    let clone = (pwd.try_clone().map_err(text)?, grp.try_clone().map_err(text)?);
    std::thread::scope(|scope| {
        let channels = [(&pwd, &grp), (&pwd, &grp), (&clone.0, &clone.1), (&clone.0, &clone.1)];
        let threads = channels.map(|(pwd, grp)| scope.spawn(move || ask(pwd, grp)));
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "it panicked")?)
    })
}

fn outlives(_: &Casper) -> Outcome {
    let pwd: Pwd = {
        let casper = Casper::native(WORKERS).map_err(text)?;
        casper.open().map_err(text)?
    };
    pwd.ask().map_err(text)?;
    pwd.limit(PwdLimits::unlimited().commands(Commands::UID)).map_err(text)?;
    not_capable(pwd.by_name("root"), Pwd::NAME)
}

/// What a program that was taken over would do: it asks libcasper, and not this crate.
#[cfg(all(target_os = "freebsd", feature = "native"))]
mod bare {
    use std::{
        net::{Ipv4Addr, SocketAddr, UdpSocket},
        path::Path,
    };

    use casper::{
        Dns, FileArgs, Net,
        dns::{DnsLimits, Families, Types},
        fileargs::{Files, OpenFlags},
        net::{Endpoint, NetLimits},
    };
    use casper_sys::{
        Channel, DnsType, Error, Family, NetModes, Query, Service, SysctlLimit, Variable,
    };

    use super::{
        Access, Casper, Commands, Limits, Outcome, Pwd, PwdLimits, Sysctl, SysctlLimits, ensure,
        text,
    };

    fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> Outcome {
        match result {
            Err(Error::NotCapable { .. }) => Ok(()),
            other => Err(format!("not refused by the service: {other:?}")),
        }
    }

    fn channel(of: &impl std::os::fd::AsFd, service: Service) -> Result<Channel, String> {
        let socket = of.as_fd().try_clone_to_owned().map_err(text)?;
        Channel::from_socket(socket, service).map_err(text)
    }

    fn localhost(family: Option<Family>) -> Query<'static> {
        Query { host: Some("localhost"), family, ..Query::default() }
    }

    pub(super) fn names(casper: &Casper) -> Outcome {
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        let dns: Dns = casper.open().map_err(text)?;
        let limits = DnsLimits::nothing().types(Types::NAME2ADDR);
        dns.limit(limits.families(Families::V4)).map_err(text)?;
        let bare = casper_sys::Dns::from_channel(channel(&dns, Service::Dns)?).map_err(text)?;
        bare.resolve(&localhost(Some(Family::V4))).map_err(text)?;
        refused(bare.resolve(&localhost(Some(Family::V6))))?;
        refused(bare.resolve(&localhost(None)))?;
        refused(bare.name(&local, 0))?;
        refused(bare.limit_families(&[Family::V4, Family::V6]))?;
        refused(bare.limit_types(&[DnsType::NameToAddress, DnsType::AddressToName]))?;
        // Each way in which limits are nothing, on a channel that had limits and on one that had none.
        let new: Dns = casper.open().map_err(text)?;
        for (dns, nothing) in [(&dns, limits), (&new, DnsLimits::nothing().families(Families::V4))]
        {
            dns.limit(nothing).map_err(text)?;
            let bare = casper_sys::Dns::from_channel(channel(dns, Service::Dns)?).map_err(text)?;
            for family in [Some(Family::V4), Some(Family::V6), None] {
                refused(bare.resolve(&localhost(family)))?;
            }
            refused(bare.name(&local, 0))?;
            refused(bare.limit_families(&[Family::V4]))?;
        }
        Ok(())
    }

    pub(super) fn modes(casper: &Casper) -> Outcome {
        let net: Net = casper.open().map_err(text)?;
        let limits = NetLimits::nothing().families(Families::all()).datagrams();
        net.limit(limits.connect(Endpoint::ANY)).map_err(text)?;
        let bare = casper_sys::Net::from_channel(channel(&net, Service::Net)?).map_err(text)?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(text)?;
        let here = socket.local_addr().map_err(text)?;
        bare.connect(&socket, &here).map_err(text)?;
        refused(bare.bind(&socket, &here))?;
        refused(bare.resolve(&localhost(Some(Family::V4))))?;
        refused(bare.name(&here, 0))?;
        let connect = NetModes { connect: true, ..NetModes::default() };
        for modes in [
            NetModes { bind: true, ..connect },
            NetModes { resolve: true, ..connect },
            NetModes { name: true, ..connect },
            NetModes { connect_resolved: true, ..connect },
        ] {
            refused(bare.limit(&casper_sys::NetLimits { modes, ..Default::default() }))?;
        }
        net.limit(NetLimits::nothing()).map_err(text)?;
        refused(bare.connect(&socket, &here))?;
        let modes = connect;
        refused(bare.limit(&casper_sys::NetLimits { modes, ..Default::default() }))
    }

    pub(super) fn held(casper: &Casper) -> Outcome {
        let sysctl: Sysctl = casper.open().map_err(text)?;
        sysctl.limit(SysctlLimits::nothing().name("kern.ostype", Access::READ)).map_err(text)?;
        let (kind, release) = (Variable::Mib(&[1, 1]), Variable::Mib(&[1, 2]));
        let bare = channel(&sysctl, Service::Sysctl)?;
        let bare = casper_sys::Sysctl::from_channel(bare).map_err(text)?;
        ensure!(bare.read(kind).map_err(text)?.starts_with(b"FreeBSD"), "the allowed one");
        refused(bare.read(release))?;
        refused(bare.read(Variable::Name("kern.osrelease")))?;
        refused(bare.write(kind, b"x"))?;
        let wider = SysctlLimit { variable: release, read: true, write: false, recursive: false };
        refused(bare.limit(&[wider]))?;
        refused(bare.limit(&[SysctlLimit { variable: kind, ..wider }, wider]))?;

        let pwd: Pwd = casper.open().map_err(text)?;
        pwd.limit(PwdLimits::unlimited().commands(Commands::UID).users([], [0])).map_err(text)?;
        let bare = casper_sys::Pwd::from_channel(channel(&pwd, Service::Pwd)?).map_err(text)?;
        ensure!(bare.by_id(0).map_err(text)?.is_some(), "the allowed one");
        ensure!(bare.by_id(1).map_err(text)?.is_none(), "another user");
        refused(bare.by_name("root"))?;
        refused(bare.limit_users(&["daemon"], &[]))?;
        refused(bare.limit_lookups(&[casper_sys::Lookup::ByName]))
    }

    /// The list is the first connection's, and must be that of a clone which outlives it.
    pub(super) fn listed(casper: &Casper) -> Outcome {
        let path = |name: &str| Path::new("/etc").join(name);
        let list = Files::new([path("services")]).flags(OpenFlags::DIRECTORIES);
        let files: FileArgs = casper.open_with(list).map_err(text)?;
        let clone = casper_sys::FileArgs::from_channel(channel(&files, Service::FileArgs)?, 0)
            .and_then(|bare| bare.try_clone())
            .map_err(text)?;
        drop(files);
        for _ in 0..100 {
            clone.open(&path("services")).map_err(text)?;
            refused(clone.open(&path("hosts")))?;
            refused(clone.open(&path("../etc/services")))?;
            refused(clone.lstat(&path("services")))?;
            refused(clone.realpath(&path("services")))?;
        }
        Ok(())
    }
}
