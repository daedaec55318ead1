//! What one client, or one peer of a service, does to the others: seats, descriptors on their way, a syslogd that
//! accepts nobody, and addresses that lead elsewhere.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    os::{
        fd::OwnedFd,
        unix::{fs::symlink, net::UnixListener},
    },
    path::Path,
    thread,
    time::Instant,
};

use capsicum_channel::{Frame, Frames};
use casper::{
    Casper, Error, Grp, Limits, Net, Pwd,
    fileargs::{Access, FileArgs, Files, OpenFlags},
    grp::GrpLimits,
    net::{Endpoint, Families, NetLimits},
    pwd::PwdLimits,
    syslog::{At, Severity, Syslog},
};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tempfile::TempDir;

use crate::{
    harness::{Case, LONG, Outcome, Tested, case, ensure, not_capable, text},
    host,
    hostile::{self, patient},
};

pub(crate) const CASES: &[Case] = &[
    case("attack_clones_of_a_clone_leave_seats_to_others", seats).needs(host::users),
    case("attack_clients_that_clone_together_leave_seats_to_who_opened_it", together)
        .needs(host::users),
    Case {
        lacks: another_user,
        ..case("attack_an_answer_whose_descriptor_cannot_be_sent_is_an_error", on_their_way)
    },
    Case {
        lacks: no_full_listener,
        ..case("attack_a_syslogd_that_accepts_nobody_holds_no_line", accepts_nobody)
    },
    case("attack_connecting_to_no_address_leads_to_no_other_family", no_address).needs(host::ipv6),
    Case {
        lacks: hostile::no_procfs,
        ..case("attack_a_link_to_what_a_process_holds_is_not_opened", held_by_a_process)
    },
    case("attack_pages_do_not_tell_how_many_users_are_hidden", |casper| {
        let limits = PwdLimits::unlimited().users(["nobody"], []);
        pages(casper, |pwd: &Pwd| pwd.limit(limits), |pwd| drop(pwd.users().next()))
    })
    .needs(host::users),
    case("attack_pages_do_not_tell_how_many_groups_are_hidden", |casper| {
        let limits = GrpLimits::unlimited().groups([], [65_534]);
        pages(casper, |grp: &Grp| grp.limit(limits), |grp| drop(grp.groups().next()))
    })
    .needs(host::groups),
];

/// Whoever has a clone, and clones it and its clones, cannot take all seats of the service.
fn seats(casper: &Casper) -> Outcome {
    let service: Pwd = casper.open().map_err(text)?;
    let given = service.another().map_err(text)?;
    let mut held = vec![given];
    let refused = loop {
        // From each of them in turn, the newest first.
        match held.last().map(Tested::another) {
            Some(Ok(another)) => held.push(another),
            Some(Err(error)) => break error,
            None => return Err("nothing is held".to_owned()),
        }
        ensure!(held.len() < 100, "there is no end");
    };
    ensure!(matches!(refused, Error::Busy { .. }), "{refused}");
    ensure!(matches!(held[0].another(), Err(Error::Busy { .. })), "the first has another share");
    let most = held.len();
    // Who opened it, and has others to give channels to, has seats for them.
    let other = service.another().map_err(|error| format!("all seats are taken: {error}"))?;
    other.ask().map_err(text)?;
    let others = other.another().map_err(text)?;
    others.ask().map_err(text)?;
    // What is closed can be had again, by the same.
    held.truncate(1);
    let again = (1..most).map(|_| patient(|| held[0].another()));
    again.collect::<Result<Vec<_>, _>>().map(drop)
}

/// However many have a clone, and clone it as often as they can, whoever opened the service can give another channel to
/// somebody.
fn together(casper: &Casper) -> Outcome {
    let service: Pwd = casper.open().map_err(text)?;
    let given: Result<Vec<_>, _> = (0..8).map(|_| service.another()).collect();
    let given = given.map_err(text)?;
    let mut held = Vec::new();
    for client in &given {
        let refused = loop {
            match client.another() {
                Ok(another) => held.push(another),
                Err(error) => break error,
            }
        };
        ensure!(matches!(refused, Error::Busy { .. }), "{refused}");
    }
    ensure!(held.len() > 30, "only {} connections are held", held.len());
    let mut others = Vec::new();
    for number in 0..16 {
        let other = service.another().map_err(|error| format!("after {number} others: {error}"))?;
        other.ask().map_err(text)?;
        others.push(other);
    }
    // Each of those who have a channel has it still.
    given.iter().try_for_each(|given| given.ask().map_err(text))
}

/// The kernel counts the descriptors on their way for each user, and root may send any number.
fn another_user() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return hostile::unread_is_not_told();
    }
    // SAFETY: it always succeeds.
    let root = unsafe { libc::geteuid() } == 0;
    root.then(|| {
        "what the services send is not counted against root: run it as another user".to_owned()
    })
}

/// Raises what this process may have to what it may be, on its way too: how many.
fn as_many_as_it_may() -> Result<usize, String> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one.
    ensure!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0, "no limit");
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel reads it.
    ensure!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == 0, "it stays");
    usize::try_from(limit.rlim_max).map_err(text)
}

/// Sockets with more descriptors on their way than a service's process may have.
fn full_way() -> Result<Vec<(Frames, Frames)>, String> {
    const ONCE: usize = 64;
    /// As many as a service may have at most.
    const MOST: usize = 4096;
    let null = File::open("/dev/null").map_err(text)?;
    let mut way = Vec::new();
    let most = as_many_as_it_may()?.min(MOST);
    for _ in 0..=most.div_ceil(ONCE) + 1 {
        let (mut one, other) = Frames::pair().map_err(text)?;
        let many: Result<Vec<OwnedFd>, _> =
            (0..ONCE).map(|_| null.try_clone().map(OwnedFd::from)).collect();
        let frame = Frame::new(1, 0, &[], many.map_err(text)?).map_err(text)?;
        // Where that is less, the services have no more than it.
        if one.try_send(&frame).is_err() {
            break;
        }
        way.push((one, other));
    }
    ensure!(way.len() > most / ONCE, "only {} frames are on their way", way.len());
    Ok(way)
}

/// An answer that brings a descriptor, and cannot be sent, is an error of that call: the connection is there for
/// others, and for the same again.
fn on_their_way(casper: &Casper) -> Outcome {
    let net: Net = casper.open().map_err(text)?;
    let net = net.within(LONG);
    net.ask().map_err(text)?;
    let way = full_way()?;
    for _ in 0..3 {
        match net.connect_udp((Ipv4Addr::LOCALHOST, 9).into()) {
            Err(Error::Unanswered { reason, .. }) if reason.contains("sendmsg") => {}
            other => return Err(format!("a socket that could not be sent: {other:?}")),
        }
        match net.try_clone() {
            Err(Error::Unanswered { .. }) => {}
            other => return Err(format!("a clone that could not be sent: {other:?}")),
        }
        let _ = net.limits().map_err(|error| format!("the connection is gone: {error}"))?;
    }
    drop(way);
    // The kernel counts them until it has closed them.
    let until = Instant::now() + LONG;
    while let Err(error) = net.ask() {
        ensure!(matches!(error, Error::Unanswered { .. }), "{error}");
        ensure!(Instant::now() < until, "still {error}");
    }
    net.try_clone().map_err(text)?.ask().map_err(text)?;
    let file = Files::new(["/etc/passwd"]);
    let files: FileArgs = casper.open_with(file).map_err(text)?;
    files.open("/etc/passwd").map(drop).map_err(text)
}

/// Where connecting to a full socket is an error at once.
fn no_full_listener() -> Option<String> {
    (!cfg!(target_os = "linux"))
        .then(|| "connecting to a Unix socket that accepts nobody waits on Linux".to_owned())
}

/// A listener of streams to which connecting takes for ever, and those who wait.
fn full(path: &Path) -> Result<(UnixListener, Vec<Socket>), String> {
    let address = SockAddr::unix(path).map_err(text)?;
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(text)?;
    listener.bind(&address).map_err(text)?;
    listener.listen(0).map_err(text)?;
    let mut waiting = Vec::new();
    loop {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(text)?;
        socket.set_nonblocking(true).map_err(text)?;
        let Ok(()) = socket.connect(&address) else { break };
        waiting.push(socket);
        ensure!(waiting.len() < 100, "it takes everybody");
    }
    Ok((OwnedFd::from(listener).into(), waiting))
}

/// However many wait for a connection, none waits for all those before it; and the first line after it
/// accepts again gets through.
fn accepts_nobody(casper: &Casper) -> Outcome {
    const CLIENTS: usize = 48;
    let directory = TempDir::new().map_err(text)?;
    let path = directory.path().join("log");
    let (listener, waiting) = full(&path)?;
    let At(syslog) = casper.open_with(path.clone()).map_err(text)?;
    let clients: Result<Vec<Syslog>, _> = (0..CLIENTS).map(|_| syslog.try_clone()).collect();
    let clients = clients.map_err(text)?;
    let threads: Vec<_> = clients
        .into_iter()
        // Without a deadline of its own it would wait for ever; none is given up.
        .map(|client| thread::spawn(move || client.within(LONG).syslog(Severity::Notice, "lost")))
        .collect();
    for thread in threads {
        match thread.join().map_err(|_| "a client panicked")? {
            Err(Error::System { source, .. })
                if matches!(source.raw_os_error(), Some(libc::EAGAIN | libc::ETIMEDOUT)) => {}
            other => return Err(format!("of a syslogd that accepts nobody: {other:?}")),
        }
    }
    drop(waiting);
    for _ in 0..2 {
        listener.accept().map_err(text)?;
        listener.set_nonblocking(true).map_err(text)?;
        while listener.accept().is_ok() {}
        listener.set_nonblocking(false).map_err(text)?;
        if let Ok(()) = syslog.within(LONG).syslog(Severity::Notice, "heard") {
            return Ok(());
        }
    }
    Err("it accepts again, and nothing is sent".to_owned())
}

/// On Linux a socket of IPv6 that is bound to an address of IPv4, and is connected to `::`, is connected to
/// 127.0.0.1.
fn no_address(casper: &Casper) -> Outcome {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(text)?;
    let port = server.local_addr().map_err(text)?.port();
    let net: Net = casper.open().map_err(text)?;
    let bound = || -> Result<Socket, String> {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP)).map_err(text)?;
        socket.set_only_v6(false).map_err(text)?;
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 0));
        socket.bind(&here.into()).map_err(text)?;
        Ok(socket)
    };
    let nowhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let by_port = NetLimits::nothing().connect(Endpoint::port(port));
    let v6 = net.try_clone().map_err(text)?;
    v6.limit(by_port.clone().families(Families::V6)).map_err(text)?;
    let socket = bound()?;
    not_capable(v6.connect(&socket, nowhere), Net::NAME)?;
    ensure!(socket.peer_addr().is_err(), "it is connected to {:?}", socket.peer_addr());
    // By address it is the same.
    let one = net.try_clone().map_err(text)?;
    one.limit(NetLimits::nothing().families(Families::all()).connect(nowhere)).map_err(text)?;
    not_capable(one.connect(&bound()?, nowhere), Net::NAME)?;
    // Who may connect to both is not kept from it.
    let both = net.try_clone().map_err(text)?;
    both.limit(by_port.families(Families::all())).map_err(text)?;
    match both.connect(&bound()?, nowhere) {
        Ok(()) | Err(Error::System { .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// A link to what the service's process holds, or to what it is, is no file of the list's; nor is a directory
/// that such a link leads to a place for new files.
fn held_by_a_process(casper: &Casper) -> Outcome {
    let directory = TempDir::new().map_err(text)?;
    let path = |name: &str| directory.path().join(name);
    symlink("/proc/self/exe", path("program")).map_err(text)?;
    symlink("/proc/self/cwd", path("here")).map_err(text)?;
    symlink("/proc/thread-self/root", path("root")).map_err(text)?;
    fs::write(path("file"), "content").map_err(text)?;
    symlink(path("file"), path("link")).map_err(text)?;
    let mut held: Vec<_> = (0..8).map(|number| path(&format!("fd{number}"))).collect();
    for (number, link) in held.iter().enumerate() {
        symlink(format!("/proc/self/fd/{number}"), link).map_err(text)?;
    }
    held.extend([path("program"), path("root").join("etc/passwd")]);
    let listed = held.iter().cloned().chain([path("link")]);
    let files: FileArgs = casper.open_with(Files::new(listed)).map_err(text)?;
    for link in &held {
        match files.open(link) {
            Err(Error::System { source, .. })
                if matches!(source.raw_os_error(), Some(libc::ELOOP | libc::ENOENT)) => {}
            other => return Err(format!("{}: {other:?}", link.display())),
        }
    }
    files.open(path("link")).map_err(|error| format!("a link to a file: {error}"))?;
    let new = path("here").join(format!("new-{}", std::process::id()));
    let made = Files::new([&new]).access(Access::Write).flags(OpenFlags::CREATE);
    let files: FileArgs = casper.open_with(made).map_err(text)?;
    let opened = files.open(&new);
    let (refused, there) = (opened.is_err(), new.exists());
    let _ = fs::remove_file(&new);
    ensure!(refused && !there, "a file was made where the process is: {opened:?}");
    Ok(())
}

/// Of entries one after another a client asks for those from any place on. Where that is one of the database, the
/// first place at which what it may see is not there any more is how many it may not see.
fn pages<T: Tested>(
    casper: &Casper,
    limit: impl FnOnce(&T) -> Result<(), Error>,
    page: fn(&T),
) -> Outcome {
    let service: T = casper.open().map_err(text)?;
    limit(&service).map_err(text)?;
    let mut socket = service.socket().map_err(text)?;
    let (kind, first) = hostile::request(page)?;
    let mut answer = |sequence: u8| {
        let mut asked = first.clone();
        // From there on: a number of one byte.
        let from = asked.last_mut().ok_or("a request of nothing")?;
        *from = sequence;
        let frame = Frame::new(kind, sequence.into(), &asked, Vec::new()).map_err(text)?;
        let deadline = Some(Instant::now() + LONG);
        socket.send(&frame, deadline).map_err(text)?;
        Ok::<_, String>(socket.receive(deadline).map_err(text)?.payload().to_owned())
    };
    let all = answer(0)?;
    let mut places =
        (1..100).map(|from| Ok((from, answer(from)?))).collect::<Result<Vec<_>, String>>()?;
    let (_, none) = places.pop().ok_or("no places")?;
    ensure!(all != none, "there is nothing to see");
    match places.iter().rev().find(|(_, shown)| *shown != none) {
        None => Ok(()),
        Some((place, _)) => Err(format!("{place} entries or more are hidden")),
    }
}
