//! Descriptors of the client's that are no sockets to connect or bind.

use std::{
    fs::File,
    net::{TcpStream, UdpSocket},
    os::{
        fd::OwnedFd,
        unix::net::{UnixListener, UnixStream},
    },
};

use casper::{Casper, Error, Net};
use socket2::{Domain, Protocol, Socket, Type};

use super::{NAME, local, open, server};
use crate::{
    harness::{Outcome, Tested, ensure, native, text},
    hostile,
};

/// Whatever else a client can have.
fn zoo() -> Result<Vec<(&'static str, OwnedFd)>, String> {
    let (stream, _) = UnixStream::pair().map_err(text)?;
    let (read, write) = std::io::pipe().map_err(text)?;
    let (listener, address) = server()?;
    let datagrams = UdpSocket::bind(local(0)).map_err(text)?;
    datagrams.connect(local(9)).map_err(text)?;
    let directory = tempfile::tempdir().map_err(text)?;
    let mut zoo: Vec<(&str, OwnedFd)> = vec![
        ("a socket pair", stream.into()),
        ("a pipe to read", read.into()),
        ("a pipe to write", write.into()),
        ("a directory", File::open("/").map_err(text)?.into()),
        ("a file", tempfile::tempfile().map_err(text)?.into()),
        ("a device", File::open("/dev/null").map_err(text)?.into()),
        ("a Unix listener", UnixListener::bind(directory.path().join("s")).map_err(text)?.into()),
        ("a connected socket", TcpStream::connect(address).map_err(text)?.into()),
        ("connected datagrams", datagrams.into()),
        ("a listener", listener.into()),
    ];
    // Those that this system and user can make.
    for (name, family, kind, protocol) in SOCKETS {
        let made =
            Socket::new(Domain::from(*family), Type::from(*kind), Some(Protocol::from(*protocol)));
        match made {
            Ok(socket) => zoo.push((name, socket.into())),
            Err(error) => println!("    not tried: {name}: {error}"),
        }
    }
    Ok(zoo)
}

#[cfg(target_os = "linux")]
const SOCKETS: &[(&str, i32, i32, i32)] = &[
    ("routes", libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE),
    ("kernel events", libc::AF_NETLINK, libc::SOCK_DGRAM, libc::NETLINK_KOBJECT_UEVENT),
    ("a virtual machine's", libc::AF_VSOCK, libc::SOCK_STREAM, 0),
    ("packets", libc::AF_PACKET, libc::SOCK_RAW, 0),
    ("raw IPv4", libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW),
    ("raw IPv6", libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6),
    ("raw TCP", libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_TCP),
    ("pings", libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
    ("multipath", libc::AF_INET, libc::SOCK_STREAM, 262),
    ("light datagrams", libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_UDPLITE),
    ("SCTP", libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP),
    ("an unconnected Unix socket", libc::AF_UNIX, libc::SOCK_STREAM, 0),
];

#[cfg(not(target_os = "linux"))]
const SOCKETS: &[(&str, i32, i32, i32)] = &[
    ("raw IPv4", libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW),
    ("an unconnected Unix socket", libc::AF_UNIX, libc::SOCK_STREAM, 0),
];

/// How many descriptors the service's process has, where that can be told.
fn held_descriptors(net: &Net) -> Result<Option<usize>, String> {
    if native() {
        return Ok(None);
    }
    // What it answered before is closed by the time that it answers this.
    let _ = net.limits().map_err(text)?;
    let processes = hostile::processes()?;
    let Ok(entries) = std::fs::read_dir(format!("/proc/{}/fd", processes[0])) else {
        println!("    not counted: this user cannot see the descriptors of the service");
        return Ok(None);
    };
    Ok(Some(entries.count()))
}

pub(super) fn descriptors(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    net.ask().map_err(text)?;
    let before = held_descriptors(&net)?;
    for (name, descriptor) in zoo()? {
        for done in [net.connect(&descriptor, local(9)), net.bind(&descriptor, local(0))] {
            match done {
                Err(Error::Invalid { service, .. }) if service == NAME => {}
                other => return Err(format!("{name}: {other:?}")),
            }
        }
    }
    net.ask().map_err(text)?;
    let after = held_descriptors(&net)?;
    ensure!(before == after, "{before:?} descriptors, then {after:?}");
    Ok(())
}
