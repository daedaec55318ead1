//! Connecting and binding, by sockets of the service's and of the client's.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use casper::{Casper, Error};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{errno, local, local6, open, server, talk};
use crate::{
    harness::{Outcome, Tested, ensure, text},
    host, hostile,
};

pub(super) fn works(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let (server, address) = server()?;
    let client = net.connect_tcp(address).map_err(text)?;
    talk(&client, &server.accept().map_err(text)?.0)?;
    let bound = net.bind_tcp(local(0)).map_err(text)?;
    let client = TcpStream::connect(bound.local_addr().map_err(text)?).map_err(text)?;
    talk(&client, &bound.accept().map_err(text)?.0)?;
    let receiver = net.bind_udp(local(0)).map_err(text)?;
    let to = receiver.local_addr().map_err(text)?;
    let sender = net.connect_udp(to).map_err(text)?;
    sender.send(b"hello").map_err(text)?;
    hostile::readable(&receiver)?;
    let mut heard = [0; 9];
    let (length, from) = receiver.recv_from(&mut heard).map_err(text)?;
    ensure!(length == 5 && from == sender.local_addr().map_err(text)?, "{length} from {from}");
    // One of every address of IPv6 is of that alone.
    if let Some(why) = host::ipv6() {
        println!("    not tried: {why}");
    } else {
        let v6 = net.bind_tcp((Ipv6Addr::UNSPECIFIED, 0).into()).map_err(text)?;
        ensure!(SockRef::from(&v6).only_v6().map_err(text)?, "it takes IPv4");
    }
    drop(server);
    errno(net.connect_tcp(address), &[libc::ECONNREFUSED])?;
    errno(net.bind_tcp(bound.local_addr().map_err(text)?), &[libc::EADDRINUSE])?;
    errno(net.bind_tcp((Ipv4Addr::new(192, 0, 2, 77), 0).into()), &[libc::EADDRNOTAVAIL])
}

pub(super) fn sent(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let (server, address) = server()?;
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(text);
    let client = socket()?;
    net.connect(&client, address).map_err(text)?;
    ensure!(!client.nonblocking().map_err(text)?, "it does not block any more");
    talk(&client.into(), &server.accept().map_err(text)?.0)?;
    let waiting = socket()?;
    waiting.set_nonblocking(true).map_err(text)?;
    match net.connect(&waiting, address) {
        Ok(()) => {}
        other => errno(other, &[libc::EINPROGRESS])?,
    }
    server.accept().map_err(text)?;
    ensure!(waiting.nonblocking().map_err(text)?, "it blocks");
    let bound = socket()?;
    net.bind(&bound, local(0)).map_err(text)?;
    let at = bound.local_addr().map_err(text)?.as_socket().ok_or("no address")?;
    ensure!(at.ip().is_loopback() && at.port() != 0, "{at}");
    errno(net.bind(&bound, local(0)), &[libc::EINVAL])?;
    let datagrams = UdpSocket::bind(local(0)).map_err(text)?;
    net.connect(&datagrams, local(9)).map_err(text)?;
    ensure!(datagrams.peer_addr().map_err(text)? == local(9), "another peer");
    // A family that the socket is not of.
    errno(net.connect(&socket()?, local6(9)), &[libc::EAFNOSUPPORT, libc::EINVAL])
}

/// A listener to which connecting takes for ever: those that wait to be accepted are as many as can.
fn full() -> Result<(Socket, SocketAddr, Vec<Socket>), String> {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(text)?;
    listener.bind(&local(0).into()).map_err(text)?;
    listener.listen(0).map_err(text)?;
    let address = listener.local_addr().map_err(text)?;
    let at = address.as_socket().ok_or("no address")?;
    let mut waiting = Vec::new();
    for _ in 0..64 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(text)?;
        let done = socket.connect_timeout(&address, Duration::from_millis(200));
        waiting.push(socket);
        if done.is_err() {
            return Ok((listener, at, waiting));
        }
    }
    Err("the listener takes more and more".to_owned())
}

/// Whether there can be such a listener here, to which another connection takes longer than this.
pub(crate) fn waits_for_ever(time: Duration) -> Result<bool, String> {
    let (_listener, address, _waiting) = full()?;
    let another = TcpStream::connect_timeout(&address, time);
    Ok(another.is_err_and(|error| error.kind() == std::io::ErrorKind::TimedOut))
}

pub(super) fn hanging(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let (_listener, address, _waiting) = full()?;
    let short = Duration::from_millis(200);
    errno(net.connect_tcp_timeout(address, short), &[libc::ETIMEDOUT])?;
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(text);
    errno(net.connect_timeout(&socket()?, address, short), &[libc::ETIMEDOUT])?;
    // One that is made to block all the time keeps its own connection for a while, and no other.
    let stubborn = socket()?;
    stubborn.set_write_timeout(None).map_err(text)?;
    let over = AtomicBool::new(false);
    let attacked = net.try_clone().map_err(text)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = stubborn.set_nonblocking(false);
            }
        });
        let attack = scope.spawn(|| attacked.connect_timeout(&stubborn, address, short));
        let mut done = Ok(());
        while done.is_ok() && !attack.is_finished() {
            done = net.ask().map_err(text);
        }
        let attack = attack.join();
        over.store(true, Ordering::Relaxed);
        done?;
        match attack {
            Ok(Err(Error::System { .. })) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    attacked.ask().map_err(text)?;
    // The client gives up before the service does.
    match net.within(short).connect_tcp(address) {
        Err(Error::Deadline { .. }) => {}
        other => return Err(format!("{other:?}")),
    }
    open(casper)?.ask().map_err(text)
}

/// Who waits for a connection that is not made is told when the time is up.
pub(super) fn too_long(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let (_listener, address, _waiting) = full()?;
    let short = Duration::from_millis(200);
    errno(net.connect_tcp_timeout(address, short), &[libc::ETIMEDOUT])?;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(text)?;
    errno(net.connect_timeout(&socket, address, short), &[libc::ETIMEDOUT])?;
    ensure!(!socket.nonblocking().map_err(text)?, "it does not block any more");
    net.ask().map_err(text)
}
