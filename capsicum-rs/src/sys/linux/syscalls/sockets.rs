//! Sockets.
//!
//! In capability mode no address names anything: connect(2), bind(2) and messages with an address
//! are refused whatever the rights, as on FreeBSD. Where an address would be in memory, the call
//! is allowed on descriptors only that take none.

use super::{
    super::rule::{Fact, Need, Refusal, Step, When},
    Row, row, rules,
};
use crate::{Rights, program::Names};

pub(super) const ROWS: &[Row] = &[
    row("socket", 41, 198, SOCKET),
    row("socketpair", 53, 199, SOCKETPAIR),
    row("bind", 49, 200, BIND),
    row("connect", 42, 203, CONNECT),
    row("listen", 50, 201, rules!(on 0, LISTEN)),
    row("accept", 43, 202, ACCEPT),
    row("accept4", 288, 242, ACCEPT),
    row("getsockname", 51, 204, rules!(on 0, GETSOCKNAME)),
    row("getpeername", 52, 205, rules!(on 0, GETPEERNAME)),
    row("getsockopt", 55, 209, GETSOCKOPT),
    row("setsockopt", 54, 208, SETSOCKOPT),
    row("shutdown", 48, 210, rules!(on 0, SHUTDOWN)),
    row("recvfrom", 45, 207, rules!(on 0, READ)),
    row("recvmsg", 47, 212, rules!(on 0, READ)),
    row("recvmmsg", 299, 243, rules!(on 0, READ)),
    row("sendto", 44, 206, SENDTO),
    row("sendmsg", 46, 211, SENDMSG),
    row("sendmmsg", 307, 269, SENDMMSG),
];

const UNIX: u32 = libc::AF_UNIX.cast_unsigned();
const FASTOPEN: u32 = libc::MSG_FASTOPEN.cast_unsigned();
/// The type of a socket without `SOCK_NONBLOCK` and `SOCK_CLOEXEC`.
const TYPE: u32 = 0xf;
const STREAM: u32 = libc::SOCK_STREAM.cast_unsigned();
const SEQPACKET: u32 = libc::SOCK_SEQPACKET.cast_unsigned();

/// There is nothing that it could be connected to. A confined program has the families that a
/// network namespace holds, which those of virtual machines are not, and of netlink the routes.
const SOCKET: &[Step] = &[
    Step::Allow(&[
        When::Named(Names::SOCKETS),
        When::OneOf(0, &[UNIX, libc::AF_INET.cast_unsigned(), libc::AF_INET6.cast_unsigned()]),
    ]),
    Step::Allow(&[
        When::Named(Names::SOCKETS),
        When::Is(0, libc::AF_NETLINK.cast_unsigned()),
        When::Is(2, libc::NETLINK_ROUTE.cast_unsigned()),
    ]),
    Step::Refuse(&[], Refusal::Global),
];

/// A datagram socket, paired or not, sends to any address that sendmsg(2) finds in memory.
const SOCKETPAIR: &[Step] = &[
    Step::Allow(&[When::Is(0, UNIX), When::Masked(1, TYPE, STREAM)]),
    Step::Allow(&[When::Is(0, UNIX), When::Masked(1, TYPE, SEQPACKET)]),
    Step::Allow(&[When::Is(0, UNIX), When::Named(Names::SOCKETS)]),
    Step::Refuse(&[], Refusal::Global),
];

const BIND: &[Step] = &[
    Step::Allow(&[When::Named(Names::SOCKETS)]),
    Step::Refuse(&[When::Fact(Fact::Capability)], Refusal::Global),
    Step::Need(&[], Need::Right(0, Rights::BIND)),
    Step::Refuse(&[], Refusal::Global),
];

const CONNECT: &[Step] = &[
    Step::Allow(&[When::Named(Names::SOCKETS)]),
    Step::Refuse(&[When::Fact(Fact::Capability)], Refusal::Global),
    Step::Need(&[], Need::Right(0, Rights::CONNECT)),
    Step::Refuse(&[], Refusal::Global),
];

/// The connection that is accepted gets the ceiling.
const ACCEPT: &[Step] = &[
    Step::Need(&[], Need::Right(0, Rights::ACCEPT)),
    Step::Need(&[], Need::Whole(0)),
    Step::Allow(&[]),
];

/// `SO_PEERPIDFD` makes a descriptor of the process at the other end.
const GETSOCKOPT: &[Step] = &[
    Step::Need(&[], Need::Right(0, Rights::GETSOCKOPT)),
    Step::Refuse(
        &[When::Is(1, libc::SOL_SOCKET.cast_unsigned()), When::Is(2, 77)],
        Refusal::Global,
    ),
    Step::Allow(&[]),
];

/// The levels of sockets and of the internet protocols. Not there: filters (they run code in the
/// kernel), interfaces by name or number, marks, descriptors of peers (`SO_PASSPIDFD`), and the options of packet filtering, which a
/// process of root's could use to rule the whole machine's network.
const SETSOCKOPT: &[Step] = &[
    Step::Need(&[], Need::Right(0, Rights::SETSOCKOPT)),
    Step::Refuse(
        &[
            When::Is(1, libc::SOL_SOCKET.cast_unsigned()),
            When::OneOf(2, &[25, 26, 36, 50, 51, 52, 62, 76]),
        ],
        Refusal::Global,
    ),
    Step::Allow(&[When::OneOf(
        1,
        &[
            libc::SOL_SOCKET.cast_unsigned(),
            libc::IPPROTO_TCP.cast_unsigned(),
            libc::IPPROTO_UDP.cast_unsigned(),
        ],
    )]),
    Step::Allow(&[
        When::OneOf(1, &[libc::IPPROTO_IP.cast_unsigned(), libc::IPPROTO_IPV6.cast_unsigned()]),
        // Packet filtering is at 64 and above.
        When::Clear(2, !63),
    ]),
    Step::Allow(&[
        When::Is(1, libc::IPPROTO_IPV6.cast_unsigned()),
        When::OneOf(2, &[libc::IPV6_TCLASS.cast_unsigned()]),
    ]),
    Step::Refuse(&[], Refusal::Global),
];

/// `MSG_FASTOPEN` connects.
const SENDTO: &[Step] = &[
    Step::Need(&[], Need::Right(0, Rights::WRITE)),
    Step::Allow(&[When::Null(4), When::Clear(3, FASTOPEN)]),
    Step::Allow(&[When::Named(Names::SOCKETS)]),
    Step::Refuse(&[When::Fact(Fact::Capability)], Refusal::Global),
    Step::Need(&[], Need::Right(0, Rights::CONNECT)),
    Step::Refuse(&[], Refusal::Global),
];

/// The message may hold an address, and descriptors: one with less than the ceiling would come
/// out of the other end of a socket pair with the ceiling.
const SENDMSG: &[Step] = &[
    Step::Allow(&[When::Named(Names::SOCKETS)]),
    Step::Need(&[], Need::Message(0)),
    Step::Refuse(&[When::Any(2, FASTOPEN)], Refusal::Global),
    Step::Refuse(
        &[When::Fact(Fact::SomeNarrow), When::Fact(Fact::Capability)],
        Refusal::NotCapable,
    ),
    Step::Allow(&[]),
];

/// The same for several messages, with the flags one argument on.
const SENDMMSG: &[Step] = &[
    Step::Allow(&[When::Named(Names::SOCKETS)]),
    Step::Need(&[], Need::Message(0)),
    Step::Refuse(&[When::Any(3, FASTOPEN)], Refusal::Global),
    Step::Refuse(
        &[When::Fact(Fact::SomeNarrow), When::Fact(Fact::Capability)],
        Refusal::NotCapable,
    ),
    Step::Allow(&[]),
];
