//! Programs that nobody granted for execution.

use std::ffi::CString;

use capsicum_rs::{Rights, Sandbox};

use super::tools::{AT_FDCWD, RAN, executes, memory, through_procfs};
use crate::{
    attempt::{Attempt, Family, Got, Known, Stop, at, call, holder, open, program},
    native,
    raw::{self, text},
    stage::{Scene, borrowed, tiny_program},
};

/// Landlock sees execve(2) alone.
const MAPPED: &[Known] = &[Known {
    place: "sandbox-spawn, landlock",
    sentence: "At `landlock`, what is written can be mapped as code, though not executed as a program.",
}];

pub(crate) const FAMILY: Family = Family {
    name: "execution",
    attacks: &[
        program("a program by its path", |s| {
            s.enter()?;
            executes(|| exec(&s.path("outside/program")))
        }),
        program("a program by execveat from a granted directory", |s| {
            s.enter()?;
            executes(|| exec_at(s.out, c"../outside/program", 0))
        }),
        program("a program by execveat with AT_FDCWD", |s| {
            s.enter()?;
            executes(|| exec_at(AT_FDCWD, &s.path("outside/program"), 0))
        }),
        program("a script by its interpreter", |s| {
            write(s, "script", b"#!/bin/sh\nexit 77\n")?;
            s.enter()?;
            executes(|| exec(&s.path("out/script")))
        }),
        program("a program in the directory for writing", |s| {
            s.enter_plain()?;
            write(s, "program", &tiny_program())?;
            executes(|| exec(&s.path("out/program")))
        }),
        program("the same by execveat", |s| {
            s.enter_plain()?;
            write(s, "program", &tiny_program())?;
            executes(|| exec_at(s.out, c"program", 0))
        }),
        program("a program by the loader", |s| {
            s.enter_plain()?;
            let loader = if cfg!(target_arch = "x86_64") {
                c"/lib64/ld-linux-x86-64.so.2"
            } else {
                c"/lib/ld-linux-aarch64.so.1"
            };
            let path = s.path("outside/program");
            let command = [text(loader), text(&path), 0];
            executes(|| call!(SYS_execve, loader, at(&command), at(&[0_usize])))
        }),
        program("memory, by fexecve", |s| {
            s.enter_plain()?;
            let fd = memory(&tiny_program())?;
            executes(|| exec_at(fd, c"", libc::AT_EMPTY_PATH))
        }),
        program("memory, through procfs", |s| {
            s.enter_plain()?;
            let fd = memory(&tiny_program())?;
            executes(|| exec(&through_procfs(fd)))
        }),
        holder("a file that was granted without FEXECVE", |s| {
            write(s, "program", &tiny_program())?;
            let file = open!(SYS_openat, s.out, c"program", libc::O_RDONLY)?;
            let grant = borrowed(file);
            s.enter_with(Sandbox::new().grant(&grant, Rights::READ | Rights::FSTAT))?;
            executes(|| exec_at(file, c"", libc::AT_EMPTY_PATH))
        }),
        holder("another file, from a descriptor with FEXECVE", |s| {
            write(s, "granted", &tiny_program())?;
            write(s, "program", &tiny_program())?;
            let file = open!(SYS_openat, s.out, c"granted", libc::O_RDONLY)?;
            let grant = borrowed(file);
            s.enter_with(Sandbox::new().grant(&grant, Rights::FEXECVE | Rights::READ))?;
            let path = s.path("out/program");
            executes(|| exec_at(file, &path, libc::AT_EMPTY_PATH))
        }),
        holder("memory of before, where something may be executed", |s| {
            let fd = memory(&tiny_program())?;
            let again = open!(SYS_openat, AT_FDCWD, through_procfs(fd), libc::O_RDONLY)?;
            call!(SYS_close, fd)?;
            write(s, "granted", &tiny_program())?;
            let file = open!(SYS_openat, s.out, c"granted", libc::O_RDONLY)?;
            let grants = (borrowed(file), borrowed(again));
            s.enter_with(
                Sandbox::new()
                    .grant(&grants.0, Rights::FEXECVE | Rights::READ)
                    .grant(&grants.1, Rights::READ),
            )?;
            let path = through_procfs(again);
            executes(|| exec_at(file, &path, 0))
        }),
        program("a program that is set-user-id", |s| {
            let path = set_id(s)?;
            s.enter()?;
            executes(|| exec(&path))
        }),
        holder("a granted program that is set-user-id", |s| {
            let file = open!(SYS_openat, AT_FDCWD, set_id(s)?, libc::O_RDONLY)?;
            let grant = borrowed(file);
            s.enter_with(Sandbox::new().grant(&grant, Rights::FEXECVE | Rights::READ))?;
            executes(|| exec_at(file, c"", libc::AT_EMPTY_PATH))
        }),
        program("code mapped from a file", |s| {
            s.enter_plain()?;
            write(s, "code", CODE)?;
            let file = open!(SYS_openat, s.out, c"code", libc::O_RDONLY)?;
            let map = call!(SYS_mmap, 0, 4096, 5, 2, file, 0)?;
            runs(map)
        })
        .known(MAPPED),
        program("code mapped from a file, made executable later", |s| {
            s.enter_plain()?;
            write(s, "code", CODE)?;
            let file = open!(SYS_openat, s.out, c"code", libc::O_RDONLY)?;
            let map = call!(SYS_mmap, 0, 4096, 1, 2, file, 0)?;
            call!(SYS_mprotect, map, 4096, 5)?;
            runs(map)
        })
        .known(MAPPED),
        program("the same by pkey_mprotect", |s| {
            s.enter_plain()?;
            write(s, "code", CODE)?;
            let file = open!(SYS_openat, s.out, c"code", libc::O_RDONLY)?;
            let map = call!(SYS_mmap, 0, 4096, 1, 2, file, 0)?;
            call!(SYS_pkey_mprotect, map, 4096, 5, -1)?;
            runs(map)
        })
        .known(MAPPED),
        program("what is readable made executable (personality)", |s| {
            s.enter_plain()?;
            call!(SYS_personality, 0x0040_0000)?;
            write(s, "code", CODE)?;
            let file = open!(SYS_openat, s.out, c"code", libc::O_RDONLY)?;
            let map = call!(SYS_mmap, 0, 4096, 1, 2, file, 0)?;
            runs(map)
        }),
    ],
};

/// A function that returns 77.
const CODE: &[u8] = if cfg!(target_arch = "x86_64") {
    &[0xb8, 77, 0, 0, 0, 0xc3]
} else {
    &[0xa0, 0x09, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6]
};

fn runs(map: usize) -> Attempt {
    let status = super::tools::child(|| native::run(map))?;
    if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == RAN {
        Ok(Got::Did("it ran code of a file"))
    } else {
        Err(Stop::Nothing("the code did not run"))
    }
}

/// Makes a file in the directory for writing, as the program itself.
fn write(s: &Scene, name: &str, content: &[u8]) -> Result<(), Stop> {
    let name = CString::new(name).unwrap_or_default();
    let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
    let fd = open!(SYS_openat, s.out, name, flags, 0o755)?;
    call!(SYS_write, fd, content.as_ptr() as usize, content.len())?;
    call!(SYS_close, fd)?;
    Ok(())
}

/// A program that ends with [`RAN`] where it runs as root.
fn set_id(s: &Scene) -> Result<CString, Stop> {
    if raw::root() {
        return Err(Stop::Unable("root gains nothing".to_owned()));
    }
    if s.set_id == std::path::Path::new("/") {
        return Err(Stop::Unable("there is no program of root's".to_owned()));
    }
    Ok(crate::stage::c_path(&s.set_id))
}

fn exec(path: &std::ffi::CStr) -> Result<usize, Stop> {
    let command = [text(path), 0];
    call!(SYS_execve, path, at(&command), at(&[0_usize]))
}

fn exec_at(from: i32, path: &std::ffi::CStr, flags: i32) -> Result<usize, Stop> {
    let command = [text(c"program"), 0];
    call!(SYS_execveat, from, path, at(&command), at(&[0_usize]), flags)
}
