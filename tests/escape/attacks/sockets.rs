//! Sockets and addresses.

use capsicum_rs::{Rights, Sandbox};

use super::tools::{Message, did, done, read_fd};
use crate::{
    attempt::{Attempt, Family, Got, Stop, at, at_mut, call, holder, open, program},
    stage::{Scene, borrowed},
};

const STREAM: i32 = libc::SOCK_STREAM;
const DATAGRAM: i32 = libc::SOCK_DGRAM;
const INET: i32 = libc::AF_INET;
const UNIX: i32 = libc::AF_UNIX;

pub(crate) const FAMILY: Family = Family {
    name: "sockets",
    attacks: &[
        program("a connection by TCP", |s| {
            s.enter()?;
            connects(open!(SYS_socket, INET, STREAM, 0)?, &inet(s.ports.tcp))
        }),
        program("a message by UDP", |s| {
            s.enter()?;
            sends_to(open!(SYS_socket, INET, DATAGRAM, 0)?, &inet(s.ports.udp))
        }),
        program("a connection to a Unix socket by path", |s| {
            s.enter()?;
            connects(open!(SYS_socket, UNIX, STREAM, 0)?, &unix(&at_path(s, "stream")))
        }),
        program("a connection to an abstract Unix socket", |s| {
            s.enter()?;
            connects(open!(SYS_socket, UNIX, STREAM, 0)?, &unix(&abstract_name(s, "stream")))
        }),
        program("a message to a Unix socket by path", |s| {
            s.enter()?;
            sends_to(open!(SYS_socket, UNIX, DATAGRAM, 0)?, &unix(&at_path(s, "datagram")))
        }),
        program("a message to an abstract name, from a socket pair", |s| {
            s.enter()?;
            let end = pair(DATAGRAM)?[0];
            sends_to(end, &unix(&abstract_name(s, "datagram")))
        }),
        program("the same by sendmsg, its address in memory", |s| {
            s.enter()?;
            let end = pair(DATAGRAM)?[0];
            sends_message(end, &unix(&abstract_name(s, "datagram")))
        }),
        holder("sendto with an address, on a UDP socket of before", |s| {
            let socket = datagrams(s)?;
            sends_to(socket, &inet(s.ports.udp))
        }),
        holder("sendmsg with an address, on a UDP socket of before", |s| {
            let socket = datagrams(s)?;
            sends_message(socket, &inet(s.ports.udp))
        }),
        holder("sendmmsg with an address, on a UDP socket of before", |s| {
            let socket = datagrams(s)?;
            let to = inet(s.ports.udp);
            let message = Message::new(&to, None);
            done(call!(SYS_sendmmsg, socket, message.header(), 1, 0))
        }),
        holder("a connected UDP socket, connected elsewhere", |s| {
            let socket = datagrams(s)?;
            connects(socket, &inet(s.ports.udp))?;
            done(call!(SYS_write, socket, b"x", 1))
        }),
        holder("AF_UNSPEC, and then elsewhere", |s| {
            let socket = datagrams(s)?;
            call!(SYS_connect, socket, at(&[0_u64; 2]), 16)?;
            connects(socket, &inet(s.ports.udp))?;
            done(call!(SYS_write, socket, b"x", 1))
        }),
        holder("MSG_FASTOPEN by sendto", |s| {
            let socket = open!(SYS_socket, INET, STREAM, 0)?;
            enter(s, socket)?;
            let (to, fast) = (inet(s.ports.tcp), libc::MSG_FASTOPEN);
            done(call!(SYS_sendto, socket, b"x", 1, fast, at(&to), to.len()))
        }),
        holder("MSG_FASTOPEN by sendmsg", |s| {
            let socket = open!(SYS_socket, INET, STREAM, 0)?;
            enter(s, socket)?;
            let to = inet(s.ports.tcp);
            let message = Message::new(&to, None);
            done(call!(SYS_sendmsg, socket, message.header(), libc::MSG_FASTOPEN))
        }),
        holder("a TCP socket of before, connected", |s| {
            let socket = open!(SYS_socket, INET, STREAM, 0)?;
            enter(s, socket)?;
            connects(socket, &inet(s.ports.tcp))
        }),
        holder("a Unix socket of before, connected by path", |s| {
            let socket = open!(SYS_socket, UNIX, STREAM, 0)?;
            enter(s, socket)?;
            connects(socket, &unix(&at_path(s, "stream")))
        }),
        holder("a connected stream, disconnected and connected elsewhere", |s| {
            let socket = open!(SYS_socket, INET, STREAM, 0)?;
            let own = open!(SYS_socket, INET, STREAM, 0)?;
            call!(SYS_listen, own, 1)?;
            let (mut name, mut len) = ([0_u64; 2], 16_u32);
            call!(SYS_getsockname, own, at_mut(&mut name), at_mut(&mut len))?;
            call!(SYS_connect, socket, at(&name), 16)?;
            enter(s, socket)?;
            call!(SYS_connect, socket, at(&[0_u64; 2]), 16)?;
            connects(socket, &inet(s.ports.tcp))
        }),
        holder("a port that others connect to", |s| {
            s.enter()?;
            let socket = open!(SYS_socket, INET, STREAM, 0)?;
            let any = inet(0);
            call!(SYS_bind, socket, at(&any), 16)?;
            did("it listens on a port", call!(SYS_listen, socket, 1))
        }),
        holder("an abstract name that others connect to", |s| {
            s.enter()?;
            let socket = open!(SYS_socket, UNIX, STREAM, 0)?;
            let name = unix(&abstract_name(s, "taken"));
            did("it has the name", call!(SYS_bind, socket, at(&name[..]), name.len()))
        }),
        program("a Unix socket outside", |s| {
            s.enter()?;
            let socket = open!(SYS_socket, UNIX, STREAM, 0)?;
            let name = unix(&at_path(s, "made"));
            done(call!(SYS_bind, socket, at(&name[..]), name.len()))
        }),
        holder("a name for a Unix socket of before", |s| {
            let socket = open!(SYS_socket, UNIX, STREAM, 0)?;
            enter(s, socket)?;
            let name = unix(&abstract_name(s, "taken"));
            did("it has the name", call!(SYS_bind, socket, at(&name[..]), name.len()))
        }),
        holder("a name by itself (autobind of SO_PASSCRED)", |s| {
            let socket = open!(SYS_socket, UNIX, DATAGRAM, 0)?;
            enter(s, socket)?;
            did("it has a name", call!(SYS_bind, socket, at(&[1_u16]), 2))
        }),
        program("netlink: the interfaces", |s| {
            s.enter()?;
            let socket = open!(SYS_socket, libc::AF_NETLINK, libc::SOCK_RAW, 0)?;
            // struct nlmsghdr: RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP; struct ifinfomsg
            let request = [32_u32, 0x12 | 0x301 << 16, 1, 0, 0, 0, 0, 0];
            call!(SYS_write, socket, at(&request), 32)?;
            match read_fd(socket)? {
                Got::Read(bytes) if interface(&bytes) => Ok(Got::Did("it listed interfaces")),
                _ => Err(Stop::Nothing("only the loopback interface, or none")),
            }
        }),
        program("netlink: events of the kernel", |s| {
            s.enter()?;
            let socket = open!(SYS_socket, libc::AF_NETLINK, DATAGRAM, 15)?;
            let name = [16_u32, 0, 1];
            did("it listens to events", call!(SYS_bind, socket, at(&name), 12))
        }),
        program("packets of an interface (AF_PACKET)", |s| {
            s.enter()?;
            did("it has a socket", open!(SYS_socket, libc::AF_PACKET, libc::SOCK_RAW, 0x0300))
        }),
        program("a raw socket", |s| {
            s.enter()?;
            did("it has a socket", open!(SYS_socket, INET, libc::SOCK_RAW, 1))
        }),
        program("a socket of virtual machines (AF_VSOCK)", |s| {
            s.enter()?;
            did("it has a socket", open!(SYS_socket, libc::AF_VSOCK, STREAM, 0))
        }),
        program("a socket of the kernel's ciphers (AF_ALG)", |s| {
            s.enter()?;
            did("it has a socket", open!(SYS_socket, libc::AF_ALG, libc::SOCK_SEQPACKET, 0))
        }),
        holder("the interfaces, by an ioctl of a socket", |s| {
            let socket = open!(SYS_socket, INET, DATAGRAM, 0)?;
            enter(s, socket)?;
            // struct ifreq, SIOCGIFNAME of interface 1
            let mut request = [0_u64; 5];
            request[2] = 1;
            did("it learnt a name", call!(SYS_ioctl, socket, 0x8910, at_mut(&mut request)))
        }),
        holder("a socket bound to an interface", |s| {
            let socket = datagrams(s)?;
            did("it is", call!(SYS_setsockopt, socket, 1, 25, b"lo", 2))
        }),
        holder("a source route in a packet's options", |s| {
            let socket = datagrams(s)?;
            let route = [131_u8, 11, 4, 127, 0, 0, 2, 127, 0, 0, 3, 1];
            did("it has one", call!(SYS_setsockopt, socket, 0, 4, at(&route), 12))
        }),
        holder("a filter of packets on a socket", |s| {
            let socket = datagrams(s)?;
            let program = [6_u64 | 0xffff << 32];
            let filter = [1, at(&program)];
            did("the kernel runs it", call!(SYS_setsockopt, socket, 1, 26, at(&filter), 16))
        }),
    ],
};

/// With all rights; the socket is pinned and so known.
fn enter(s: &Scene, socket: i32) -> Result<(), Stop> {
    let grant = borrowed(socket);
    s.enter_with(Sandbox::new().grant(&grant, Rights::ALL.difference(Rights::FEXECVE)))
}

/// A UDP socket that is connected to its own port.
fn datagrams(s: &Scene) -> Result<i32, Stop> {
    let socket = open!(SYS_socket, INET, DATAGRAM, 0)?;
    let (mut name, mut len) = (inet(0), 16_u32);
    call!(SYS_bind, socket, at(&name), 16)?;
    call!(SYS_getsockname, socket, at_mut(&mut name), at_mut(&mut len))?;
    call!(SYS_connect, socket, at(&name), 16)?;
    enter(s, socket)?;
    Ok(socket)
}

/// struct sockaddr_in of the loopback interface.
fn inet(port: u16) -> [u8; 16] {
    let mut name = [0; 16];
    name[..2].copy_from_slice(&2_u16.to_ne_bytes());
    name[2..4].copy_from_slice(&port.to_be_bytes());
    name[4..8].copy_from_slice(&[127, 0, 0, 1]);
    name
}

/// struct sockaddr_un
fn unix(name: &[u8]) -> Vec<u8> {
    let mut bytes = 1_u16.to_ne_bytes().to_vec();
    bytes.extend(name);
    bytes
}

fn abstract_name(s: &Scene, kind: &str) -> Vec<u8> {
    format!("\0escape-{}-{kind}", s.ports.tcp).into_bytes()
}

fn at_path(s: &Scene, kind: &str) -> Vec<u8> {
    s.path(&format!("outside/{kind}")).into_bytes()
}

fn pair(kind: i32) -> Result<[i32; 2], Stop> {
    let mut ends = [0_i32; 2];
    call!(SYS_socketpair, UNIX, kind, 0, at_mut(&mut ends))?;
    Ok(ends)
}

fn connects(socket: i32, to: &[u8]) -> Attempt {
    done(call!(SYS_connect, socket, at(to), to.len()))
}

fn sends_to(socket: i32, to: &[u8]) -> Attempt {
    done(call!(SYS_sendto, socket, b"x", 1, 0, at(to), to.len()))
}

fn sends_message(socket: i32, to: &[u8]) -> Attempt {
    let message = Message::new(to, None);
    done(call!(SYS_sendmsg, socket, message.header(), 0))
}

/// Whether a dump has more than the loopback interface, whose type is 772 (0x304).
fn interface(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while rest.len() >= 32 {
        let len = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
        if rest[4] == 16 && u16::from_ne_bytes([rest[18], rest[19]]) != 772 {
            return true;
        }
        rest = rest.get((len + 3) & !3..).unwrap_or_default();
        if len == 0 {
            break;
        }
    }
    false
}
