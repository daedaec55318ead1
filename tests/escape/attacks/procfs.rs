//! procfs, and its links that lead to objects instead of names.

use capsicum_rs::{Rights, Sandbox};

use super::tools::{AT_FDCWD, by_path, did, memory, read, read_fd, through_procfs, write_fd};
use crate::{
    attempt::{Attempt, Family, Got, Stop, at_mut, call, holder, open, program},
    raw,
    stage::{SECRET, Scene, borrowed},
};

pub(crate) const FAMILY: Family = Family {
    name: "procfs and magic links",
    attacks: &[
        program("/proc/self/root", |s| {
            s.enter()?;
            by_path(&with("/proc/self/root", s))
        }),
        program("/proc/self/cwd", |s| {
            call!(SYS_chdir, s.path("outside"))?;
            s.enter()?;
            by_path(c"/proc/self/cwd/secret")
        }),
        program("the root of another process", |s| {
            s.enter()?;
            by_path(&with(&format!("/proc/{}/root", s.other.pid), s))
        }),
        program("through a granted directory's own link", |s| {
            s.enter()?;
            let mut path = through_procfs(s.out).into_bytes();
            path.extend(b"/../outside/secret");
            by_path(&std::ffi::CString::new(path).unwrap_or_default())
        }),
        program("/dev/fd", |s| {
            s.enter()?;
            let path = format!("/dev/fd/{}/../outside/secret", s.out);
            by_path(&std::ffi::CString::new(path).unwrap_or_default())
        }),
        program("a planted link to /proc/self/root", |s| {
            s.enter()?;
            call!(SYS_symlinkat, with("/proc/self/root", s), s.out, c"planted")?;
            read(s.out, c"planted")
        }),
        program("the memory of another process", |s| {
            s.enter()?;
            let memory = open!(SYS_openat, AT_FDCWD, s.proc("mem"), libc::O_RDONLY)?;
            let mut bytes = [0_u8; 32];
            call!(SYS_pread64, memory, at_mut(&mut bytes), SECRET.len(), s.other.address)?;
            super::tools::bytes_of(&bytes)
        }),
        program("writing the memory of another process", |s| {
            s.enter()?;
            let memory = open!(SYS_openat, AT_FDCWD, s.proc("mem"), libc::O_RDWR)?;
            super::tools::done(call!(SYS_pwrite64, memory, b"changed", 7, s.other.address))
        }),
        program("a descriptor of another process", |s| {
            s.enter()?;
            by_path(&s.proc(&format!("fd/{}", s.other.held)))
        }),
        program("the name of another process", |s| {
            s.enter()?;
            named(by_path(&s.proc("comm"))?)
        }),
        program("the mappings of another process", |s| {
            s.enter()?;
            let Got::Read(bytes) = by_path(&s.proc("maps"))? else { return Ok(Got::Done) };
            if bytes.is_empty() {
                return Err(Stop::Nothing("no mappings"));
            }
            Ok(Got::Did("it learnt addresses"))
        }),
        program("the environment of another process", |s| {
            s.enter()?;
            did("it opened it", open!(SYS_openat, AT_FDCWD, s.proc("environ"), libc::O_RDONLY))
        }),
        program("the other process's badness", |s| {
            s.enter()?;
            let file = open!(SYS_openat, AT_FDCWD, s.proc("oom_score_adj"), libc::O_WRONLY)?;
            super::tools::done(call!(SYS_write, file, b"500", 3))
        }),
        program("a setting of the kernel", |s| {
            s.enter()?;
            let path = c"/proc/sys/kernel/hostname";
            did("it opened it", open!(SYS_openat, AT_FDCWD, path, libc::O_WRONLY))
        }),
        program("a mapped file, from /proc/self/map_files", |s| {
            let file = open!(SYS_openat, AT_FDCWD, s.victim(), libc::O_RDONLY)?;
            let map = call!(SYS_mmap, 0, 4096, 1, 2, file, 0)?;
            s.enter()?;
            let path = format!("/proc/self/map_files/{:x}-{:x}", map, map + 4096);
            let path = std::ffi::CString::new(path).unwrap_or_default();
            write_fd(open!(SYS_openat, AT_FDCWD, path, libc::O_WRONLY)?)
        }),
        holder("the other end of a pipe", |s| {
            let (read, write) = raw::pipe().map_err(|error| Stop::At("pipe2", error))?;
            let _ = call!(SYS_write, number(&write), SECRET.as_ptr() as usize, SECRET.len());
            let end = number(&write);
            let grant = borrowed(end);
            std::mem::forget((read, write));
            let sandbox = Sandbox::new().grant(&grant, Rights::WRITE);
            s.enter_with(sandbox.ceiling(Rights::READ))?;
            let flags = libc::O_RDONLY | libc::O_NONBLOCK;
            read_fd(
                open!(SYS_openat, s.inside, through_procfs(end), flags)
                    .or_else(|_| open!(SYS_openat, AT_FDCWD, through_procfs(end), flags))?,
            )
        }),
        holder("memory for reading, opened for writing", |s| {
            let memory = memory(b"unchanged")?;
            let grant = borrowed(memory);
            let ceiling = Rights::READ | Rights::WRITE | Rights::SEEK;
            s.enter_with(Sandbox::new().grant(&grant, Rights::READ).ceiling(ceiling))?;
            let path = through_procfs(memory);
            let again = open!(SYS_openat, s.out, path, libc::O_RDWR)
                .or_else(|_| open!(SYS_openat, AT_FDCWD, path, libc::O_RDWR))?;
            did("it wrote to memory for reading", call!(SYS_pwrite64, again, b"x", 1, 0))
        }),
        holder("a directory of procfs that is open", |s| {
            let procfs = open!(SYS_openat, AT_FDCWD, c"/proc/self", libc::O_DIRECTORY)?;
            s.enter_with(Sandbox::new().ceiling(Rights::ALL))?;
            let mut path = b"root".to_vec();
            path.extend(s.secret().as_bytes());
            read(procfs, &std::ffi::CString::new(path).unwrap_or_default())
        }),
        holder("the root directory that is open", |s| {
            let root = open!(SYS_openat, AT_FDCWD, c"/", libc::O_DIRECTORY)?;
            s.enter_with(Sandbox::new().ceiling(Rights::ALL))?;
            let path = with("proc/self/root", s);
            read(root, &path)
        }),
    ],
};

fn number(fd: &std::os::fd::OwnedFd) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(fd)
}

fn with(prefix: &str, s: &Scene) -> std::ffi::CString {
    let mut path = prefix.as_bytes().to_vec();
    path.extend(s.secret().as_bytes());
    std::ffi::CString::new(path).unwrap_or_default()
}

/// Whether it is the bystander's.
fn named(got: Got) -> Attempt {
    match got {
        Got::Read(bytes) if bytes.starts_with(b"nobodys-secret") => {
            Ok(Got::Did("it learnt a name"))
        }
        _ => Err(Stop::Nothing("that is not its name")),
    }
}
