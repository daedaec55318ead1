//! Other processes: signals, memory, descriptors, environments, and what is shared by a key.

use std::{fs, os::unix::fs::FileExt, path::Path};

use super::{Arg, Attempt, call, files, stopped};
use crate::{args::AttackOptions, demo::outcome::Outcome};

fn did(what: &str) -> Outcome {
    Outcome::Did(what.to_owned())
}

pub(super) fn signal(options: &AttackOptions) -> Attempt {
    let arguments = &mut [Arg::Int(options.pid.into()), Arg::Int(libc::SIGUSR1.into())];
    call("kill", libc::SYS_kill, arguments)?;
    Ok(did("signalled"))
}

pub(super) fn ptrace(options: &AttackOptions) -> Attempt {
    let attach = i64::from(libc::PTRACE_SEIZE);
    let arguments = &mut [Arg::Int(attach), Arg::Int(options.pid.into()), Arg::Int(0), Arg::Int(0)];
    call("ptrace", libc::SYS_ptrace, arguments)?;
    Ok(did("attached"))
}

pub(super) fn memory(options: &AttackOptions) -> Attempt {
    let mut bytes = [0_u8; 64];
    let vector =
        |address: usize, length: usize| [address.to_ne_bytes(), length.to_ne_bytes()].concat();
    let local = vector(bytes.as_mut_ptr().expose_provenance(), bytes.len());
    let remote = vector(options.address, bytes.len());
    call(
        "process_vm_readv",
        libc::SYS_process_vm_readv,
        &mut [
            Arg::Int(options.pid.into()),
            Arg::In(&local),
            Arg::Int(1),
            Arg::In(&remote),
            Arg::Int(1),
            Arg::Int(0),
        ],
    )?;
    Ok(Outcome::Read(std::hint::black_box(bytes).to_vec()))
}

pub(super) fn proc_memory(options: &AttackOptions) -> Attempt {
    let file = fs::File::open(format!("/proc/{}/mem", options.pid)).map_err(stopped("open"))?;
    let mut bytes = [0_u8; 64];
    file.read_exact_at(&mut bytes, options.address as u64).map_err(stopped("pread"))?;
    Ok(Outcome::Read(bytes.to_vec()))
}

pub(super) fn descriptor(options: &AttackOptions) -> Attempt {
    let arguments = &mut [Arg::Int(options.pid.into()), Arg::Int(0)];
    let process = call("pidfd_open", libc::SYS_pidfd_open, arguments)?;
    let arguments = &mut [Arg::Int(process), Arg::Int(0), Arg::Int(0)];
    call("pidfd_getfd", libc::SYS_pidfd_getfd, arguments)?;
    Ok(did("took it"))
}

pub(super) fn environment(options: &AttackOptions) -> Attempt {
    readable(&format!("/proc/{}/environ", options.pid))
}

pub(super) fn environment_of_init(_: &AttackOptions) -> Attempt {
    readable("/proc/1/environ")
}

/// Whatever is in it is too much.
fn readable(path: &str) -> Attempt {
    match files::read(Path::new(path))? {
        Outcome::Read(bytes) if !bytes.is_empty() => Ok(did("read it")),
        other => Ok(other),
    }
}

/// Asks for the limits only; setting them needs the same permission.
pub(super) fn limits(options: &AttackOptions) -> Attempt {
    let mut old = [0_u8; 16];
    call(
        "prlimit64",
        libc::SYS_prlimit64,
        &mut [
            Arg::Int(options.pid.into()),
            Arg::Int(i64::from(libc::RLIMIT_NOFILE)),
            Arg::Int(0),
            Arg::Out(&mut old),
        ],
    )?;
    Ok(did("reached it"))
}

pub(super) fn setns(options: &AttackOptions) -> Attempt {
    let arguments = &mut [Arg::Int(options.pid.into()), Arg::Int(0)];
    // A descriptor that is none, where this is refused: setns itself is to be tried anyway.
    let process = call("pidfd_open", libc::SYS_pidfd_open, arguments).unwrap_or(-1);
    let arguments = &mut [Arg::Int(process), Arg::Int(libc::CLONE_NEWNS.into())];
    call("setns", libc::SYS_setns, arguments)?;
    Ok(did("joined them"))
}

pub(super) fn shared_memory(options: &AttackOptions) -> Attempt {
    let arguments = &mut [Arg::Int(options.shm.into()), Arg::Int(0), Arg::Int(0)];
    let id = call("shmget", libc::SYS_shmget, arguments)?;
    let read_only = i64::from(libc::SHM_RDONLY);
    let arguments = &mut [Arg::Int(id), Arg::Int(0), Arg::Int(read_only)];
    let address = call("shmat", libc::SYS_shmat, arguments)?;
    let address = usize::try_from(address).unwrap_or_default();
    // SAFETY: shmat just mapped at least one page here, for reading, and it stays mapped.
    let bytes =
        unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance::<u8>(address), 64) };
    Ok(Outcome::Read(bytes.to_vec()))
}

pub(super) fn message_queue(options: &AttackOptions) -> Attempt {
    let name =
        std::ffi::CString::new(format!("sandbox-spawn-demo-{}", options.pid)).unwrap_or_default();
    let flags = i64::from(libc::O_RDONLY | libc::O_NONBLOCK);
    let arguments = &mut [Arg::Text(&name), Arg::Int(flags), Arg::Int(0), Arg::Int(0)];
    let queue = call("mq_open", libc::SYS_mq_open, arguments)?;
    let mut bytes = vec![0; 8192];
    let length = i64::try_from(bytes.len()).unwrap_or_default();
    let arguments =
        &mut [Arg::Int(queue), Arg::Out(&mut bytes), Arg::Int(length), Arg::Int(0), Arg::Int(0)];
    call("mq_timedreceive", libc::SYS_mq_timedreceive, arguments)?;
    bytes.truncate(64);
    Ok(Outcome::Read(bytes))
}
