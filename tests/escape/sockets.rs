//! Addresses, and rights that options of sockets give.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd,
    path::Path,
    time::Duration,
};

use capsicum_rs::{Rights, Sandbox};

use crate::{
    harness::{Case, Done, Outcome, prepared, refused},
    raw::{address, address_mut, call, number},
};

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "no message with an address leaves a socket that was granted CONNECT",
        body: addressed,
    },
    Case { name: "nothing is read from a connection by its options", body: read_by_option },
    Case { name: "no option of a socket leads its packets elsewhere", body: routed },
    Case { name: "no socket is made, bound, connected or disconnected", body: made },
];

fn sockaddr(port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: 2,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be() },
        sin_zero: [0; 8],
    }
}

fn got(receiver: &UdpSocket) -> bool {
    receiver.recv(&mut [0; 8]).is_ok()
}

fn addressed(_: &Path) -> Outcome {
    let receiver = prepared("bind", UdpSocket::bind("127.0.0.1:0"))?;
    prepared("timeout", receiver.set_nonblocking(true))?;
    let port = prepared("port", receiver.local_addr())?.port();
    let sender = prepared("bind", UdpSocket::bind("127.0.0.1:0"))?;
    let rights = Rights::WRITE | Rights::CONNECT;
    prepared(
        "enter",
        Sandbox::new().grant(&sender, rights).grant(&receiver, Rights::READ).enter(),
    )?;
    let to = sockaddr(port);
    let byte = [address(b"x"), 1];
    let message = [address(&to), 16, address(&byte), 1, 0, 0, 0, 0];
    let fd = number(sender.as_raw_fd());
    refused("sendmsg", call(libc::SYS_sendmsg, &[fd, address(&message), 0]))?;
    refused("sendmmsg", call(libc::SYS_sendmmsg, &[fd, address(&message), 1, 0]))?;
    refused("sendto", call(libc::SYS_sendto, &[fd, address(b"x"), 1, 0, address(&to), 16]))?;
    refused("connect", call(libc::SYS_connect, &[fd, address(&to), 16]))?;
    if got(&receiver) { Err("a message arrived".to_owned()) } else { Ok(Done::Held) }
}

/// `TCP_ZEROCOPY_RECEIVE` copies what is too short to be mapped.
fn read_by_option(_: &Path) -> Outcome {
    let listener = prepared("bind", TcpListener::bind("127.0.0.1:0"))?;
    let mut client =
        prepared("connect", TcpStream::connect(prepared("port", listener.local_addr())?))?;
    let (server, _) = prepared("accept", listener.accept())?;
    prepared("write", client.write_all(b"secret"))?;
    let mut peek = [0; 6];
    // It is there before the attack begins.
    while prepared("peek", server.peek(&mut peek))? < 6 {}
    prepared("enter", Sandbox::new().grant(&server, Rights::GETSOCKOPT).enter())?;
    let mut copy = [0_u8; 64];
    // struct tcp_zerocopy_receive: address, length, hint; inq, err; copy address; its length, flags…
    let mut receive = [0_u64, 0, 0, address_mut(&mut copy) as u64, 64, 0, 0, 0];
    let mut len = 64_u32;
    let _ = call(
        libc::SYS_getsockopt,
        &[number(server.as_raw_fd()), 6, 35, address_mut(&mut receive), address_mut(&mut len)],
    );
    if copy.starts_with(b"secret") {
        Err("it was read without READ".to_owned())
    } else {
        Ok(Done::Held)
    }
}

/// With a source route in its options a packet goes first to the address that they name.
fn routed(_: &Path) -> Outcome {
    let sender = prepared("bind", UdpSocket::bind("127.0.0.1:0"))?;
    prepared("connect", sender.connect("127.0.0.1:9"))?;
    prepared("enter", Sandbox::new().grant(&sender, Rights::WRITE | Rights::SETSOCKOPT).enter())?;
    // Loose source route over 127.0.0.2, then no operation.
    let route = [131_u8, 11, 4, 127, 0, 0, 2, 127, 0, 0, 3, 1];
    let fd = number(sender.as_raw_fd());
    refused("IP_OPTIONS", call(libc::SYS_setsockopt, &[fd, 0, 4, address(&route), 12]))?;
    let on = 1_i32;
    for (level, option) in
        [(1, 25), (1, 26), (1, 36), (1, 50), (0, 64), (41, 57), (41, 64), (255, 1)]
    {
        let set = call(libc::SYS_setsockopt, &[fd, level, option, address(&on), 4]);
        refused("an option that rules more", set)?;
    }
    Ok(Done::Held)
}

fn made(_: &Path) -> Outcome {
    let listener = prepared("bind", TcpListener::bind("127.0.0.1:0"))?;
    let to = sockaddr(prepared("port", listener.local_addr())?.port());
    let mut client =
        prepared("connect", TcpStream::connect(prepared("port", listener.local_addr())?))?;
    prepared("timeout", client.set_read_timeout(Some(Duration::from_secs(1))))?;
    prepared("enter", capsicum_rs::enter())?;
    for family in [1, 2, 10, 16, 17, 38, 40] {
        for kind in [1, 2, 3, 5] {
            refused("socket", call(libc::SYS_socket, &[family, kind, 0]))?;
        }
    }
    let mut ends = [0_i32; 2];
    for kind in [2, 3, 2 | 0o2_000_000] {
        refused("socketpair", call(libc::SYS_socketpair, &[1, kind, 0, address_mut(&mut ends)]))?;
    }
    let fd = number(client.as_raw_fd());
    let unspecified = [0_u8; 16];
    refused("connect", call(libc::SYS_connect, &[fd, address(&unspecified), 16]))?;
    refused("bind", call(libc::SYS_bind, &[fd, address(&unspecified), 16]))?;
    let fast = libc::MSG_FASTOPEN as usize;
    refused("MSG_FASTOPEN", call(libc::SYS_sendto, &[fd, address(b"x"), 1, fast, 0, 0]))?;
    refused("sendto", call(libc::SYS_sendto, &[fd, address(b"x"), 1, 0, address(&to), 16]))?;
    drop(listener);
    let _ = client.read(&mut [0]);
    Ok(Done::Held)
}
