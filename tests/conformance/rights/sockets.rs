//! Rights to sockets.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
};

use capsicum_rs::Rights;

use super::{Mode, Row, Subject};
use crate::{raw, scene::Scene};

fn pair(_: &Scene) -> io::Result<Subject> {
    let (one, other) = raw::socketpair(libc::SOCK_STREAM)?;
    raw::send(&other, b"hello")?;
    Ok(Subject::new(one).with(other, Rights::READ))
}

fn tcp() -> io::Result<OwnedFd> {
    raw::socket(libc::AF_INET, libc::SOCK_STREAM)
}

/// A socket with an address, which does not listen yet.
fn bound(_: &Scene) -> io::Result<Subject> {
    let socket = tcp()?;
    raw::bind(&socket, &raw::loopback(0))?;
    Ok(Subject::new(socket))
}

/// A listening socket, with a client in its queue.
fn listening(scene: &Scene) -> io::Result<Subject> {
    let mut subject = bound(scene)?;
    raw::listen(subject.fd.as_raw_fd(), 1)?;
    let client = tcp()?;
    raw::connect(&client, &raw::getsockname(&subject.fd)?)?;
    subject.others.push((client, Rights::NONE));
    Ok(subject)
}

/// The client of a listening socket.
fn client(scene: &Scene) -> io::Result<Subject> {
    let mut subject = listening(scene)?;
    let (client, _) = subject.others.remove(0);
    Ok(Subject::new(client).with(subject.fd, Rights::NONE))
}

/// A socket without an address, and the path it is to have.
fn unbound(scene: &Scene) -> io::Result<Subject> {
    // The directory of the case is too long a name for some addresses: relative to it, it is not.
    raw::chdir(&crate::scene::c_path(&scene.dir))?;
    raw::socket(libc::AF_UNIX, libc::SOCK_STREAM).map(Subject::new)
}

fn unconnected(scene: &Scene) -> io::Result<Subject> {
    let listener = unbound(scene)?;
    raw::bind(&listener.fd, &raw::unix_address(c"socket")?)?;
    raw::listen(listener.fd.as_raw_fd(), 1)?;
    let socket = raw::socket(libc::AF_UNIX, libc::SOCK_STREAM)?;
    Ok(Subject::new(socket).with(listener.fd, Rights::NONE))
}

/// A datagram socket, and one to send to.
fn datagram(scene: &Scene) -> io::Result<Subject> {
    raw::chdir(&crate::scene::c_path(&scene.dir))?;
    let to = raw::socket(libc::AF_UNIX, libc::SOCK_DGRAM)?;
    raw::bind(&to, &raw::unix_address(c"socket")?)?;
    let socket = raw::socket(libc::AF_UNIX, libc::SOCK_DGRAM)?;
    Ok(Subject::new(socket).with(to, Rights::READ))
}

fn made(dir: &Path) -> bool {
    dir.join("socket").symlink_metadata().is_ok()
}

/// Whether something can be received at the other end.
fn arrived(s: &Subject) -> bool {
    let mut out = [0; 8];
    raw::recv(s.other(), &mut out, libc::MSG_DONTWAIT).is_ok_and(|n| n > 0)
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("recv", Rights::READ, pair, |s| {
            raw::recv(&s.fd, &mut [0; 8], libc::MSG_DONTWAIT).map(drop)
        }),
        Row::new("recvmsg", Rights::READ, pair, |s| raw::recvmsg(&s.fd).map(drop)),
        Row::new("send", Rights::WRITE, pair, |s| raw::send(&s.fd, b"W").map(drop)),
        Row::new("sendmsg", Rights::WRITE, pair, |s| raw::sendmsg(&s.fd, None).map(drop))
            .mode(Mode::Message),
        Row::new("sendmsg with CONNECT", Rights::WRITE, pair, |s| {
            raw::sendmsg(&s.fd, None).map(drop)
        })
        .and(Rights::CONNECT),
        Row::new("accept", Rights::ACCEPT, listening, |s| raw::accept(&s.fd).map(drop))
            .mode(Mode::Opens),
        Row::new("accept4", Rights::ACCEPT, listening, |s| raw::accept4(&s.fd).map(drop))
            .mode(Mode::Opens),
        Row::new("listen", Rights::LISTEN, bound, |s| raw::listen(s.fd.as_raw_fd(), 1).map(drop)),
        Row::new("getsockname", Rights::GETSOCKNAME, bound, |s| raw::getsockname(&s.fd).map(drop)),
        Row::new("getpeername", Rights::GETPEERNAME, client, |s| raw::getpeername(&s.fd).map(drop)),
        Row::new("getsockopt", Rights::GETSOCKOPT, pair, |s| {
            raw::getsockopt(&s.fd, libc::SO_TYPE).map(drop)
        }),
        Row::new("setsockopt", Rights::SETSOCKOPT, pair, |s| {
            raw::setsockopt(&s.fd, libc::SO_SNDBUF, 8192).map(drop)
        }),
        Row::new("shutdown", Rights::SHUTDOWN, pair, |s| {
            raw::shutdown(s.fd.as_raw_fd(), libc::SHUT_WR).map(drop)
        }),
        Row::new("bind", Rights::BIND, unbound, |s| {
            raw::bind(&s.fd, &raw::unix_address(c"socket")?).map(drop)
        })
        .mode(Mode::Ambient)
        .traced(made),
        Row::new(
            "bind to a port",
            Rights::BIND,
            |_| tcp().map(Subject::new),
            |s| raw::bind(&s.fd, &raw::loopback(0)).map(drop),
        )
        .mode(Mode::Ambient),
        Row::new("connect", Rights::CONNECT, unconnected, |s| {
            raw::connect(&s.fd, &raw::unix_address(c"socket")?).map(drop)
        })
        .mode(Mode::Ambient),
        Row::new("sendto with an address", Rights::CONNECT, datagram, |s| {
            raw::sendto(&s.fd, b"W", &raw::unix_address(c"socket")?).map(drop)
        })
        .and(Rights::WRITE)
        .seen(arrived)
        .mode(Mode::Ambient),
    ]
}
