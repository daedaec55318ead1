//! Rights that a descriptor gains by way of its number.

use std::{
    fs::{self, File},
    os::fd::{AsRawFd, IntoRawFd},
    path::Path,
};

use capsicum_rs::{Limits, Rights, Sandbox};

use crate::{
    harness::{Case, Done, Outcome, in_child, prepared, refused},
    raw::{self, address, address_mut, call, number},
};

pub(crate) const CASES: &[Case] = &[
    Case { name: "a limited descriptor gets no second number", body: second_numbers },
    Case { name: "no other object takes a pinned number", body: pinned },
    Case { name: "a shared mapping for reading is not made writable", body: shared_mapping },
    Case {
        name: "a limited descriptor does not travel to the process itself",
        body: passed_around,
    },
    Case { name: "bytes do not move without READ and WRITE", body: moved_bytes },
    Case {
        name: "the mode of a file is not changed as an extended attribute",
        body: mode_as_attribute,
    },
    Case { name: "entering again keeps what was granted and no more", body: entered_again },
    Case {
        name: "a directory without FSTAT is still one when entering again",
        body: directory_again,
    },
    Case { name: "many limits are an error and not the end of the process", body: many_limits },
];

/// Sealed against execution, where the kernel knows that: entering would ask for it.
fn memory() -> Result<File, String> {
    let name = c"escape".as_ptr() as usize;
    let sealed = raw::opened(libc::SYS_memfd_create, &[name, 8]).or_else(|_| raw::memory());
    prepared("memfd_create", sealed).map(File::from)
}

fn second_numbers(_: &Path) -> Outcome {
    let file = memory()?;
    let fd = number(file.as_raw_fd());
    let wide = Rights::READ | Rights::WRITE | Rights::SEEK | Rights::FCNTL;
    prepared("enter", Sandbox::new().grant(&file, Rights::READ).ceiling(wide).enter())?;
    refused("dup", call(libc::SYS_dup, &[fd]))?;
    refused("dup, high half", call(libc::SYS_dup, &[fd | 1 << 32]))?;
    refused("dup3", call(libc::SYS_dup3, &[fd, 99, 0]))?;
    for command in [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC] {
        refused("fcntl", call(libc::SYS_fcntl, &[fd, command.cast_unsigned() as usize, 0]))?;
    }
    refused("pidfd_getfd", call(libc::SYS_pidfd_getfd, &[0, fd, 0]))?;
    refused("write, high half", call(libc::SYS_write, &[fd | 1 << 32, address(b"x"), 1]))?;
    refused(
        "clone with its own pidfd",
        call(libc::SYS_pidfd_open, &[std::process::id() as usize, 0]),
    )?;
    refused("ftruncate", call(libc::SYS_ftruncate, &[fd, 1]))?;
    Ok(Done::Held)
}

fn pinned(_: &Path) -> Outcome {
    let file = memory()?;
    let fd = number(file.as_raw_fd());
    let other = prepared("memfd", memory())?;
    let other_fd = number(other.as_raw_fd());
    prepared("enter", Sandbox::new().grant(&file, Rights::WRITE).ceiling(Rights::FEXECVE).enter())?;
    refused("close", call(libc::SYS_close, &[fd]))?;
    refused("close, high half", call(libc::SYS_close, &[fd | 0xdead << 32]))?;
    refused("dup3", call(libc::SYS_dup3, &[other_fd, fd, 0]))?;
    refused("dup3, high half", call(libc::SYS_dup3, &[other_fd, fd | 1 << 32, 0]))?;
    for (first, last) in
        [(fd, fd), (0, usize::MAX), (fd, 1 << 32 | fd), (1 << 32, fd), (0, 0xffff_ffff)]
    {
        for flags in [0, 2, 4, 6] {
            refused("close_range", call(libc::SYS_close_range, &[first, last, flags]))?;
        }
    }
    refused("FD_CLOEXEC", call(libc::SYS_fcntl, &[fd, libc::F_SETFD as usize, 1]))?;
    refused("FIOCLEX", call(libc::SYS_ioctl, &[fd, 0x5451]))?;
    #[cfg(target_arch = "x86_64")]
    refused("dup2", call(libc::SYS_dup2, &[other_fd, fd]))?;
    refused("unshare", call(libc::SYS_unshare, &[libc::CLONE_FILES as usize]))?;
    Ok(Done::Held)
}

fn shared_mapping(_: &Path) -> Outcome {
    let file = memory()?;
    prepared("set_len", file.set_len(4096))?;
    let fd = number(file.as_raw_fd());
    prepared("enter", Sandbox::new().grant(&file, Rights::MMAP_R).ceiling(Rights::MMAP_R).enter())?;
    for kind in [1, 3, 1 << 32 | 1] {
        for prot in [0, 1, 2, 3] {
            refused("MAP_SHARED", call(libc::SYS_mmap, &[0, 4096, prot, kind, fd, 0]))?;
        }
    }
    let private = prepared("MAP_PRIVATE", call(libc::SYS_mmap, &[0, 4096, 1, 2, fd, 0]))?;
    refused("execution", call(libc::SYS_mprotect, &[private, 4096, 5]))?;
    refused("execution", call(libc::SYS_mmap, &[0, 4096, 5, 2, fd, 0]))?;
    Ok(Done::Held)
}

#[repr(C)]
struct Passed {
    header: libc::cmsghdr,
    fd: i32,
    padding: i32,
}

fn passed_around(_: &Path) -> Outcome {
    let file = memory()?;
    prepared("enter", Sandbox::new().grant(&file, Rights::READ).ceiling(Limits::ALL).enter())?;
    let mut ends = [0_i32; 2];
    prepared("socketpair", call(libc::SYS_socketpair, &[1, 1, 0, address_mut(&mut ends)]))?;
    let byte = libc::iovec { iov_base: (&raw const ends).cast_mut().cast(), iov_len: 1 };
    let control = Passed {
        header: libc::cmsghdr {
            cmsg_len: 20,
            cmsg_level: libc::SOL_SOCKET,
            cmsg_type: libc::SCM_RIGHTS,
        },
        fd: file.as_raw_fd(),
        padding: 0,
    };
    let message: [usize; 7] = [0, 0, address(&byte), 1, address(&control), 24, 0];
    let sent = number(ends[0]);
    refused("sendmsg", call(libc::SYS_sendmsg, &[sent, address(&message), 0]))?;
    let messages: [usize; 8] = [0, 0, address(&byte), 1, address(&control), 24, 0, 0];
    refused("sendmmsg", call(libc::SYS_sendmmsg, &[sent, address(&messages), 1, 0]))?;
    refused("io_uring", call(libc::SYS_io_uring_setup, &[1, address(&[0_usize; 16])]))?;
    Ok(Done::Held)
}

fn moved_bytes(_: &Path) -> Outcome {
    let (secret, sink) = (memory()?, memory()?);
    prepared("set_len", secret.set_len(10))?;
    let (read, write) = prepared("pipe", raw::pipe())?;
    prepared(
        "enter",
        Sandbox::new()
            .grant(&secret, Rights::FSTAT)
            .grant(&sink, Rights::READ)
            .grant(&read, Rights::READ | Rights::WRITE)
            .grant(&write, Rights::READ | Rights::WRITE)
            .enter(),
    )?;
    let (secret, sink) = (number(secret.as_raw_fd()), number(sink.as_raw_fd()));
    let (read, write) = (number(read.as_raw_fd()), number(write.as_raw_fd()));
    refused("sendfile out", call(libc::SYS_sendfile, &[write, secret, 0, 1]))?;
    refused("sendfile in", call(libc::SYS_sendfile, &[sink, sink, 0, 1]))?;
    refused("splice out", call(libc::SYS_splice, &[secret, 0, write, 0, 1, 0]))?;
    refused("splice in", call(libc::SYS_splice, &[read, 0, sink, 0, 1, 2]))?;
    refused("copy_file_range", call(libc::SYS_copy_file_range, &[secret, 0, sink, 0, 1, 0]))?;
    refused("FICLONE", call(libc::SYS_ioctl, &[sink, 0x4004_9409, secret]))?;
    refused("pread", call(libc::SYS_pread64, &[sink, address_mut(&mut [0_u8; 4]), 1, 0]))?;
    refused("lseek", call(libc::SYS_lseek, &[sink, 0, 0]))?;
    refused("fallocate", call(libc::SYS_fallocate, &[sink, 3, 0, 1]))?;
    refused("mmap", call(libc::SYS_mmap, &[0, 4096, 1, 2, secret, 0]))?;
    refused("readahead", call(libc::SYS_readahead, &[secret, 0, 1]))?;
    Ok(Done::Held)
}

/// POSIX ACLs are attributes, and one that says no more than a mode is the mode.
fn mode_as_attribute(dir: &Path) -> Outcome {
    let path = dir.join("file");
    prepared("write", fs::write(&path, "x"))?;
    prepared(
        "chmod",
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)),
    )?;
    let file = prepared("open", File::options().read(true).write(true).open(&path))?;
    let entered = Sandbox::new().grant(&file, Rights::EXTATTR_SET | Rights::FSTAT).enter();
    if entered.is_err() {
        return Ok(Done::Held);
    }
    // struct posix_acl_xattr_header, then user, group and others with rwx.
    let mut acl = vec![2_u8, 0, 0, 0];
    for tag in [0x01_u8, 0x04, 0x20] {
        acl.extend([tag, 0, 7, 0, 0xff, 0xff, 0xff, 0xff]);
    }
    let fd = number(file.as_raw_fd());
    let name = c"system.posix_acl_access".as_ptr() as usize;
    let _ = call(libc::SYS_fsetxattr, &[fd, name, acl.as_ptr() as usize, acl.len(), 0]);
    let mut stat = [0_u64; 32];
    prepared("fstat", call(libc::SYS_fstat, &[fd, address_mut(&mut stat)]))?;
    // st_mode: at 24 on x86_64, at 16 on aarch64.
    let mode = if cfg!(target_arch = "x86_64") { stat[3] } else { stat[2] } & 0o777;
    if mode == 0o600 { Ok(Done::Held) } else { Err(format!("the mode became {mode:o}")) }
}

fn entered_again(_: &Path) -> Outcome {
    let file = memory()?;
    let fd = number(file.as_raw_fd());
    prepared("enter", Sandbox::new().grant(&file, Rights::WRITE).enter())?;
    capsicum_rs::enter().map_err(|error| format!("entering again failed: {error}"))?;
    call(libc::SYS_write, &[fd, address(b"x"), 1])
        .map_err(|error| format!("WRITE is lost: {error}"))?;
    refused("read", call(libc::SYS_read, &[fd, address_mut(&mut [0_u8; 4]), 1]))?;
    refused("close of a pinned number", call(libc::SYS_close, &[fd]))?;
    let (read, _write) = prepared("pipe", raw::pipe())?;
    let read = number(read.into_raw_fd());
    refused("the ceiling", call(libc::SYS_read, &[read, address_mut(&mut [0_u8; 4]), 0]))?;
    if Sandbox::new().grant(&file, Rights::WRITE | Rights::READ).enter().is_ok() {
        return Err("more was granted the second time".to_owned());
    }
    Ok(Done::Held)
}

fn directory_again(dir: &Path) -> Outcome {
    prepared("write", fs::write(dir.join("file"), "x"))?;
    let directory = prepared("open", File::open(dir))?;
    let sandbox = || Sandbox::new().grant(&directory, Rights::LOOKUP | Rights::READ).enter();
    prepared("enter", sandbox())?;
    prepared("enter again", sandbox())?;
    let fd = number(directory.as_raw_fd());
    let file = call(libc::SYS_openat, &[fd, c"file".as_ptr() as usize, 0]);
    file.map_err(|error| format!("the lookup is lost: {error}"))?;
    Ok(Done::Held)
}

fn many_limits(_: &Path) -> Outcome {
    let files: Vec<File> = (0..80).map(|_| memory()).collect::<Result<_, _>>()?;
    let status = in_child(|| {
        for (most, file) in (0_u8..).zip(&files) {
            let rights = Rights::READ | if most % 2 == 0 { Rights::SEEK } else { Rights::FSTAT };
            if capsicum_rs::limit(file, rights).is_err() {
                break;
            }
        }
        let _ = Sandbox::new().ceiling(Rights::READ).enter();
        true
    })?;
    if status == 0 { Ok(Done::Held) } else { Err(format!("the wait status is {status:#x}")) }
}
