//! Descriptors that a process passes to itself, to its child, or takes from others.

use capsicum_rs::{Rights, Sandbox};

use super::tools::{AT_FDCWD, Message, child, did, vector, write_fd};
use crate::{
    attempt::{Attempt, Family, Got, Stop, at, at_mut, call, holder, open, program},
    stage::{Scene, borrowed},
};

pub(crate) const FAMILY: Family = Family {
    name: "descriptor passing",
    attacks: &[
        holder("to itself over a socket pair made after entering", |s| {
            let fd = narrow(s, &[])?;
            let ends = pair(libc::SOCK_STREAM)?;
            send(ends[0], fd)?;
            write_fd(receive(ends[1])?)
        }),
        holder("to itself over a socket pair of before", |s| {
            let ends = pair(libc::SOCK_SEQPACKET)?;
            let fd = narrow(s, &ends)?;
            send(ends[0], fd)?;
            write_fd(receive(ends[1])?)
        }),
        holder("to itself by sendmmsg", |s| {
            let ends = pair(libc::SOCK_STREAM)?;
            let fd = narrow(s, &ends)?;
            let message = Message::new(&[], Some(fd));
            call!(SYS_sendmmsg, ends[0], message.header(), 1, 0)?;
            write_fd(receive(ends[1])?)
        }),
        holder("to a child that writes", |s| {
            let ends = pair(libc::SOCK_STREAM)?;
            let fd = narrow(s, &ends)?;
            send(ends[0], fd)?;
            child(|| i32::from(receive(ends[1]).and_then(write_fd).is_err()))?;
            Ok(Got::Done)
        }),
        holder("queued before entering, received after", |s| {
            let ends = pair(libc::SOCK_STREAM)?;
            let victim = open!(SYS_openat, AT_FDCWD, s.victim(), libc::O_RDWR)?;
            send(ends[0], victim)?;
            call!(SYS_close, victim)?;
            let reader = borrowed(ends[1]);
            s.enter_with(Sandbox::new().grant(&reader, Rights::READ))?;
            write_fd(receive(ends[1])?)
        }),
        holder("a descriptor of the peer's process (SO_PEERPIDFD)", |s| {
            let ends = pair(libc::SOCK_STREAM)?;
            s.enter()?;
            let (mut pidfd, mut len) = (-1_i32, 4_u32);
            let (to, room) = (at_mut(&mut pidfd), at_mut(&mut len));
            did("it has one", call!(SYS_getsockopt, ends[0], 1, 77, to, room))
        }),
        holder("descriptors of senders' processes (SO_PASSPIDFD)", |s| {
            let ends = pair(libc::SOCK_STREAM)?;
            s.enter()?;
            let on = 1_i32;
            did("it gets them", call!(SYS_setsockopt, ends[0], 1, 76, at(&on), 4))
        }),
        program("taken from another process (pidfd_getfd)", |s| {
            s.enter()?;
            let process = open!(SYS_pidfd_open, s.other.pid, 0)?;
            taken(process, s.other.held)
        }),
        holder("taken by a descriptor of another process, held before", |s| {
            let process = open!(SYS_pidfd_open, s.other.pid, 0)?;
            s.enter()?;
            taken(process, s.other.held)
        }),
        holder("taken by a descriptor of the process in procfs", |s| {
            let process = open!(SYS_openat, AT_FDCWD, s.proc(""), libc::O_DIRECTORY)?;
            s.enter_with(Sandbox::new().ceiling(Rights::ALL))?;
            taken(process, s.other.held).or_else(|_| {
                let name = format!("fd/{}", s.other.held);
                let name = std::ffi::CString::new(name).unwrap_or_default();
                super::tools::read(process, &name)
            })
        }),
    ],
};

/// The file outside, granted for reading; all else, these too, reads and writes.
fn narrow(s: &Scene, rest: &[i32]) -> Result<i32, Stop> {
    let fd = open!(SYS_openat, AT_FDCWD, s.victim(), libc::O_RDWR)?;
    let grant = borrowed(fd);
    let rest: Vec<_> = rest.iter().map(|fd| borrowed(*fd)).collect();
    let wide = Rights::READ | Rights::WRITE | Rights::CONNECT;
    let mut sandbox = Sandbox::new().grant(&grant, Rights::READ).ceiling(wide);
    for other in &rest {
        sandbox = sandbox.grant(other, wide);
    }
    s.enter_with(sandbox)?;
    Ok(fd)
}

fn pair(kind: i32) -> Result<[i32; 2], Stop> {
    let mut ends = [0_i32; 2];
    call!(SYS_socketpair, libc::AF_UNIX, kind | libc::SOCK_NONBLOCK, 0, at_mut(&mut ends))?;
    Ok(ends)
}

fn send(socket: i32, fd: i32) -> Result<usize, Stop> {
    let message = Message::new(&[], Some(fd));
    call!(SYS_sendmsg, socket, message.header(), 0)
}

fn receive(socket: i32) -> Result<i32, Stop> {
    let mut byte = [0_u8; 1];
    let byte = vector(&mut byte);
    let mut control = [0_u64; 3];
    let header = [0, 0, at(&byte), 1, at_mut(&mut control), 24, 0];
    call!(SYS_recvmsg, socket, at(&header), 0)?;
    if std::hint::black_box(control)[0] < 20 {
        return Err(Stop::Nothing("no descriptor came"));
    }
    Ok(u32::try_from(control[2] & 0xffff_ffff).unwrap_or(0).cast_signed())
}

fn taken(process: i32, fd: i32) -> Attempt {
    let fd = open!(SYS_pidfd_getfd, process, fd, 0)?;
    let mut bytes = [0_u8; 64];
    call!(SYS_pread64, fd, at_mut(&mut bytes), 64, 0)?;
    super::tools::bytes_of(&bytes)
}
