//! Bytes that are read and written without the right to: the secret file is granted `FSTAT`, and
//! the file outside nothing but `READ`.

use capsicum_rs::{Rights, Sandbox};

use super::tools::{AT_FDCWD, FCHMODAT2, bytes_of, did, done, read_fd, vector, write_fd};
use crate::{
    attempt::{Family, Got, Stop, at, at_mut, call, holder, numbered, open},
    native,
    raw::{number, text},
    stage::{SECRET, Scene, borrowed},
};

pub(crate) const FAMILY: Family = Family {
    name: "rights",
    attacks: &[
        holder("read", |s| read_fd(unreadable(s)?)),
        holder("readv", |s| {
            let fd = unreadable(s)?;
            let mut bytes = [0_u8; 64];
            let vector = vector(&mut bytes);
            call!(SYS_readv, fd, at(&vector), 1)?;
            bytes_of(&bytes)
        }),
        holder("pread", |s| {
            let fd = unreadable(s)?;
            let mut bytes = [0_u8; 64];
            call!(SYS_pread64, fd, at_mut(&mut bytes), 64, 0)?;
            bytes_of(&bytes)
        }),
        holder("preadv2", |s| {
            let fd = unreadable(s)?;
            let mut bytes = [0_u8; 64];
            let vector = vector(&mut bytes);
            call!(SYS_preadv2, fd, at(&vector), 1, 0, 0, 0)?;
            bytes_of(&bytes)
        }),
        holder("a mapping for reading", |s| {
            let fd = unreadable(s)?;
            let map = call!(SYS_mmap, 0, 4096, 1, 2, fd, 0)?;
            Ok(Got::Read(native::peek(map, SECRET.len())))
        }),
        holder("a mapping that is made readable later", |s| {
            let fd = unreadable(s)?;
            let map = call!(SYS_mmap, 0, 4096, 0, 2, fd, 0)?;
            call!(SYS_mprotect, map, 4096, 1)?;
            Ok(Got::Read(native::peek(map, SECRET.len())))
        }),
        holder("sendfile to a pipe", |s| {
            let fd = unreadable(s)?;
            let (read, write) = pipe()?;
            call!(SYS_sendfile, write, fd, 0, SECRET.len())?;
            read_fd(read)
        }),
        holder("splice to a pipe", |s| {
            let fd = unreadable(s)?;
            let (read, write) = pipe()?;
            call!(SYS_splice, fd, 0, write, 0, SECRET.len(), 0)?;
            read_fd(read)
        }),
        holder("copy_file_range", |s| {
            let copy = open!(SYS_openat, s.out, c"plain", libc::O_RDWR)?;
            let secret = open!(SYS_openat, AT_FDCWD, s.secret(), libc::O_RDONLY)?;
            enter(s, secret, Rights::FSTAT, &[copy])?;
            call!(SYS_copy_file_range, secret, 0, copy, 0, SECRET.len(), 0)?;
            call!(SYS_lseek, copy, 0, 0)?;
            read_fd(copy)
        }),
        holder("ioctl: FICLONE", |s| {
            let copy = open!(SYS_openat, s.out, c"plain", libc::O_RDWR)?;
            let secret = open!(SYS_openat, AT_FDCWD, s.secret(), libc::O_RDONLY)?;
            enter(s, secret, Rights::FSTAT, &[copy])?;
            call!(SYS_ioctl, copy, 0x4004_9409, secret)?;
            call!(SYS_lseek, copy, 0, 0)?;
            read_fd(copy)
        }),
        holder("io_submit", |s| {
            let fd = unreadable(s)?;
            let mut context = 0_usize;
            call!(SYS_io_setup, 1, at_mut(&mut context))?;
            let mut bytes = [0_u8; 64];
            // struct iocb: data, key and flags, opcode (PREAD), priority and file, buffer, length
            let request = [
                0,
                0,
                (u64::from(fd.cast_unsigned())) << 32,
                at_mut(&mut bytes) as u64,
                64,
                0,
                0,
                0,
            ];
            let requests = [at(&request)];
            call!(SYS_io_submit, context, 1, at(&requests))?;
            let mut event = [0_u64; 4];
            call!(SYS_io_getevents, context, 1, 1, at_mut(&mut event), 0)?;
            bytes_of(&bytes)
        }),
        holder("getdents of a directory without READ", |s| {
            let outside = open!(SYS_openat, AT_FDCWD, s.path("outside"), libc::O_DIRECTORY)?;
            enter(s, outside, Rights::FSTAT, &[])?;
            let mut names = [0_u8; 1024];
            did("it listed it", call!(SYS_getdents64, outside, at_mut(&mut names), 1024))
        }),
        holder("extended attributes without EXTATTR_GET", |s| {
            let fd = unreadable(s)?;
            let mut bytes = [0_u8; 64];
            call!(SYS_fgetxattr, fd, c"user.secret", at_mut(&mut bytes), 64)?;
            bytes_of(&bytes)
        }),
        holder("write", |s| write_fd(unwritable(s)?)),
        holder("writev", |s| {
            let fd = unwritable(s)?;
            let vector = [at(b"changed"), 7];
            done(call!(SYS_writev, fd, at(&vector), 1))
        }),
        holder("pwrite", |s| {
            let fd = unwritable(s)?;
            done(call!(SYS_pwrite64, fd, b"changed", 7, 0))
        }),
        holder("pwritev2 that appends", |s| {
            let fd = unwritable(s)?;
            let vector = [at(b"changed"), 7];
            done(call!(SYS_pwritev2, fd, at(&vector), 1, 0, 0, 0x10))
        }),
        holder("a mapping for writing", |s| {
            let fd = unwritable(s)?;
            let map = call!(SYS_mmap, 0, 4096, 3, 1, fd, 0)?;
            native::poke(map, b"changed");
            Ok(Got::Done)
        }),
        holder("a shared mapping that is made writable later", |s| {
            let fd = unwritable(s)?;
            let map = call!(SYS_mmap, 0, 4096, 1, 1, fd, 0)?;
            call!(SYS_mprotect, map, 4096, 3)?;
            native::poke(map, b"changed");
            Ok(Got::Done)
        }),
        holder("MAP_SHARED_VALIDATE, made writable later", |s| {
            let fd = unwritable(s)?;
            let map = call!(SYS_mmap, 0, 4096, 1, 3, fd, 0)?;
            call!(SYS_mprotect, map, 4096, 3)?;
            native::poke(map, b"changed");
            Ok(Got::Done)
        }),
        holder("remap_file_pages of a shared mapping", |s| {
            let fd = unwritable(s)?;
            let map = call!(SYS_mmap, 0, 4096, 3, 1, fd, 0)?;
            call!(SYS_remap_file_pages, map, 4096, 0, 0, 0)?;
            native::poke(map, b"changed");
            Ok(Got::Done)
        }),
        holder("sendfile into it", |s| {
            let (source, fd) = (open!(SYS_openat, s.inside, c"inside", 0)?, open_victim(s)?);
            enter(s, fd, Rights::READ, &[source])?;
            done(call!(SYS_sendfile, fd, source, 0, 7))
        }),
        holder("splice into it", |s| {
            let fd = unwritable(s)?;
            let (read, write) = pipe()?;
            call!(SYS_write, write, b"changed", 7)?;
            done(call!(SYS_splice, read, 0, fd, 0, 7, 0))
        }),
        holder("copy_file_range into it", |s| {
            let (source, fd) = (open!(SYS_openat, s.inside, c"inside", 0)?, open_victim(s)?);
            enter(s, fd, Rights::READ, &[source])?;
            done(call!(SYS_copy_file_range, source, 0, fd, 0, 7, 0))
        }),
        holder("ftruncate", |s| {
            let fd = unwritable(s)?;
            done(call!(SYS_ftruncate, fd, 1))
        }),
        holder("fallocate that punches a hole", |s| {
            let fd = unwritable(s)?;
            done(call!(SYS_fallocate, fd, 3, 0, 4))
        }),
        holder("fallocate that makes it longer", |s| {
            let fd = unwritable(s)?;
            done(call!(SYS_fallocate, fd, 0, 0, 4096))
        }),
        holder("mode by fchmodat2 of a descriptor alone", |s| {
            let fd = unwritable(s)?;
            let words =
                [number(fd), text(c""), 0o666, libc::AT_EMPTY_PATH.cast_unsigned() as usize];
            done(numbered("fchmodat2", FCHMODAT2, &words))
        }),
        holder("owner by fchownat of a descriptor alone", |s| {
            let fd = unwritable(s)?;
            done(call!(SYS_fchownat, fd, c"", 12345, 12345, libc::AT_EMPTY_PATH))
        }),
        holder("a directory to stand in without FCHDIR", |s| {
            let outside = open!(SYS_openat, AT_FDCWD, s.path("outside"), libc::O_DIRECTORY)?;
            enter(s, outside, Rights::FSTAT, &[])?;
            did("it stands there", call!(SYS_fchdir, outside))
        }),
        holder("a connection that is shut down without SHUTDOWN", |s| {
            let mut ends = [0_i32; 2];
            call!(SYS_socketpair, 1, 1, 0, at_mut(&mut ends))?;
            enter(s, ends[0], Rights::READ, &[ends[1]])?;
            did("it shut it down", call!(SYS_shutdown, ends[0], 2))
        }),
        holder("a TCP connection that is read by its options", |s| {
            let (client, server) = connection()?;
            call!(SYS_write, client, SECRET.as_ptr() as usize, SECRET.len())?;
            let mut peeked = [0_u8; 64];
            call!(SYS_recvfrom, server, at_mut(&mut peeked), 64, 2, 0, 0)?;
            enter(s, server, Rights::GETSOCKOPT, &[])?;
            let mut copy = [0_u8; 64];
            // struct tcp_zerocopy_receive with a buffer for what is too short to be mapped
            let mut receive = [0_u64, 0, 0, at_mut(&mut copy) as u64, 64, 0, 0, 0];
            let mut len = 64_u32;
            call!(SYS_getsockopt, server, 6, 35, at_mut(&mut receive), at_mut(&mut len))?;
            bytes_of(&copy)
        }),
    ],
};

fn open_victim(s: &Scene) -> Result<i32, Stop> {
    open!(SYS_openat, AT_FDCWD, s.victim(), libc::O_RDWR)
}

/// One descriptor with these rights; all others read, write and are mapped.
fn enter(s: &Scene, fd: i32, rights: Rights, rest: &[i32]) -> Result<(), Stop> {
    let grant = borrowed(fd);
    let rest: Vec<_> = rest.iter().map(|fd| borrowed(*fd)).collect();
    let wide = Rights::READ | Rights::WRITE | Rights::SEEK | Rights::MMAP_RW;
    let mut sandbox = Sandbox::new().grant(&grant, rights).ceiling(wide);
    for other in &rest {
        sandbox = sandbox.grant(other, wide);
    }
    s.enter_with(sandbox)
}

fn unreadable(s: &Scene) -> Result<i32, Stop> {
    let fd = open!(SYS_openat, AT_FDCWD, s.secret(), libc::O_RDONLY)?;
    enter(s, fd, Rights::FSTAT, &[])?;
    Ok(fd)
}

fn unwritable(s: &Scene) -> Result<i32, Stop> {
    let fd = open_victim(s)?;
    enter(s, fd, Rights::READ | Rights::MMAP_R | Rights::SEEK, &[])?;
    Ok(fd)
}

fn pipe() -> Result<(i32, i32), Stop> {
    let mut ends = [0_i32; 2];
    call!(SYS_pipe2, at_mut(&mut ends), 0)?;
    Ok((ends[0], ends[1]))
}

/// (client, server)
fn connection() -> Result<(i32, i32), Stop> {
    let listener = open!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0)?;
    call!(SYS_listen, listener, 1)?;
    let (mut name, mut len) = ([0_u64; 2], 16_u32);
    call!(SYS_getsockname, listener, at_mut(&mut name), at_mut(&mut len))?;
    let client = open!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0)?;
    call!(SYS_connect, client, at(&name), 16)?;
    let server = open!(SYS_accept4, listener, 0, 0, 0)?;
    call!(SYS_close, listener)?;
    Ok((client, server))
}
