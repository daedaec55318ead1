//! Addresses. The demo listens at each of them.

use std::{
    io::Write as _,
    net::{Ipv4Addr, TcpStream, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixStream},
    },
};

use super::{Arg, Attempt, call, stopped};
use crate::{args::AttackOptions, demo::outcome::Outcome};

fn sent() -> Outcome {
    Outcome::Did("connected".to_owned())
}

pub(super) fn tcp(options: &AttackOptions) -> Attempt {
    let address = (Ipv4Addr::LOCALHOST, options.port);
    let mut stream = TcpStream::connect(address).map_err(stopped("socket, connect"))?;
    stream.write_all(b"out").map_err(stopped("write"))?;
    Ok(sent())
}

pub(super) fn udp(options: &AttackOptions) -> Attempt {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(stopped("socket, bind"))?;
    socket.send_to(b"out", (Ipv4Addr::LOCALHOST, options.port)).map_err(stopped("sendto"))?;
    Ok(sent())
}

pub(super) fn unix_path(options: &AttackOptions) -> Attempt {
    let mut stream = UnixStream::connect(&options.socket).map_err(stopped("socket, connect"))?;
    stream.write_all(b"out").map_err(stopped("write"))?;
    Ok(sent())
}

pub(super) fn unix_abstract(options: &AttackOptions) -> Attempt {
    let address =
        SocketAddr::from_abstract_name(&options.name).map_err(stopped("abstract name"))?;
    let mut stream = UnixStream::connect_addr(&address).map_err(stopped("socket, connect"))?;
    stream.write_all(b"out").map_err(stopped("write"))?;
    Ok(sent())
}

/// No namespace holds these: they lead to the hypervisor.
pub(super) fn vsock(_: &AttackOptions) -> Attempt {
    let stream = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    call(
        "socket",
        libc::SYS_socket,
        &mut [Arg::Int(libc::AF_VSOCK.into()), Arg::Int(stream.into()), Arg::Int(0)],
    )?;
    Ok(Outcome::Did("opened one".to_owned()))
}
