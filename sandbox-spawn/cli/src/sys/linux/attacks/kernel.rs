//! The kernel's own attack surface: namespaces, mounts, keyrings, loaders, foreign entries.

use super::{Arg, Attempt, call, files};
use crate::{args::AttackOptions, demo::outcome::Outcome};

fn did(what: &str) -> Outcome {
    Outcome::Did(what.to_owned())
}

pub(super) fn mount(options: &AttackOptions) -> Attempt {
    let target = files::text(&options.out)?;
    call(
        "mount",
        libc::SYS_mount,
        &mut [
            Arg::Text(c"none"),
            Arg::Text(&target),
            Arg::Text(c"tmpfs"),
            Arg::Int(0),
            Arg::Int(0),
        ],
    )?;
    let _ = call("umount2", libc::SYS_umount2, &mut [Arg::Text(&target), Arg::Int(0)]);
    Ok(did("mounted"))
}

pub(super) fn unshare(_: &AttackOptions) -> Attempt {
    call("unshare", libc::SYS_unshare, &mut [Arg::Int(libc::CLONE_NEWUSER.into())])?;
    Ok(did("made one"))
}

pub(super) fn clone(_: &AttackOptions) -> Attempt {
    let flags = libc::CLONE_NEWUSER | libc::SIGCHLD;
    if call("clone", libc::SYS_clone, &mut [Arg::Int(flags.into())])? == 0 {
        super::calls::exit(0);
    }
    Ok(did("made one"))
}

pub(super) fn clone3(_: &AttackOptions) -> Attempt {
    // struct clone_args, version 0: eight words, of which the first are the flags and the fifth is
    // the signal.
    let mut arguments = [0_u64; 8];
    arguments[0] = libc::CLONE_NEWUSER as u64;
    arguments[4] = libc::SIGCHLD as u64;
    let arguments: Vec<u8> = arguments.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let length = i64::try_from(arguments.len()).unwrap_or_default();
    if call("clone3", libc::SYS_clone3, &mut [Arg::In(&arguments), Arg::Int(length)])? == 0 {
        super::calls::exit(0);
    }
    Ok(did("made one"))
}

pub(super) fn chroot(options: &AttackOptions) -> Attempt {
    let path = files::text(&options.out)?;
    call("chroot", libc::SYS_chroot, &mut [Arg::Text(&path)])?;
    Ok(did("changed it"))
}

pub(super) fn io_uring(_: &AttackOptions) -> Attempt {
    let mut parameters = [0; 120];
    let arguments = &mut [Arg::Int(4), Arg::Out(&mut parameters)];
    call("io_uring_setup", libc::SYS_io_uring_setup, arguments)?;
    Ok(did("set it up"))
}

/// getpid(2) has the number 20 for 32-bit programs; the kernel takes it from 64-bit ones too.
#[cfg(target_arch = "x86_64")]
pub(super) fn entry_32(_: &AttackOptions) -> Attempt {
    let answer: i64;
    // SAFETY: getpid takes no argument and touches no memory; the entry clobbers what is stated.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inlateout("rax") 20_i64 => answer,
            lateout("r8") _,
            lateout("r9") _,
            lateout("r10") _,
            lateout("r11") _,
        );
    }
    // A kernel without 32-bit support answers with a fault, which kills, or with -ENOSYS.
    match i32::try_from(answer) {
        Ok(errno) if errno < 0 => Err(super::Stopped { call: "int 0x80", errno: -errno }),
        _ => Ok(did("entered")),
    }
}

/// x32 programs have bit 30 set in the numbers of their calls.
#[cfg(target_arch = "x86_64")]
pub(super) fn entry_x32(_: &AttackOptions) -> Attempt {
    call("getpid with bit 30", libc::SYS_getpid | 0x4000_0000, &mut [])?;
    Ok(did("entered"))
}

#[cfg(not(target_arch = "x86_64"))]
#[allow(clippy::unnecessary_wraps, reason = "it stands for an attempt")]
pub(super) fn entry_32(_: &AttackOptions) -> Attempt {
    Ok(Outcome::Absent("this machine has no such entry from 64-bit programs".to_owned()))
}

#[cfg(not(target_arch = "x86_64"))]
#[allow(clippy::unnecessary_wraps, reason = "it stands for an attempt")]
pub(super) fn entry_x32(_: &AttackOptions) -> Attempt {
    Ok(Outcome::Absent("this machine has no x32 programs".to_owned()))
}

/// KEY_SPEC_PROCESS_KEYRING: nothing of this stays when the process ends.
const PROCESS_KEYRING: i64 = -2;

pub(super) fn add_key(_: &AttackOptions) -> Attempt {
    call(
        "add_key",
        libc::SYS_add_key,
        &mut [
            Arg::Text(c"user"),
            Arg::Text(c"sandbox-spawn-demo"),
            Arg::In(b"x"),
            Arg::Int(1),
            Arg::Int(PROCESS_KEYRING),
        ],
    )?;
    Ok(did("added it"))
}

/// KEYCTL_GET_KEYRING_ID (0) of KEY_SPEC_SESSION_KEYRING (-3).
pub(super) fn keyctl(_: &AttackOptions) -> Attempt {
    call("keyctl", libc::SYS_keyctl, &mut [Arg::Int(0), Arg::Int(-3), Arg::Int(0)])?;
    Ok(did("found one"))
}

/// BPF_MAP_CREATE (0) of an array with one element of four bytes.
pub(super) fn bpf(_: &AttackOptions) -> Attempt {
    let mut attributes = [0_u8; 128];
    for (index, value) in [2_u32, 4, 4, 1].into_iter().enumerate() {
        attributes[index * 4..][..4].copy_from_slice(&value.to_ne_bytes());
    }
    call("bpf", libc::SYS_bpf, &mut [Arg::Int(0), Arg::In(&attributes), Arg::Int(128)])?;
    Ok(did("loaded"))
}

/// PERF_TYPE_SOFTWARE (1), PERF_COUNT_SW_CPU_CLOCK (0), of this process, user space only.
pub(super) fn perf(_: &AttackOptions) -> Attempt {
    let mut attributes = [0_u8; 128];
    attributes[..4].copy_from_slice(&1_u32.to_ne_bytes());
    attributes[4..8].copy_from_slice(&128_u32.to_ne_bytes());
    // exclude_kernel and exclude_hv are bits 5 and 6 of the flags.
    attributes[40] = 0x60;
    call(
        "perf_event_open",
        libc::SYS_perf_event_open,
        &mut [Arg::In(&attributes), Arg::Int(0), Arg::Int(-1), Arg::Int(-1), Arg::Int(0)],
    )?;
    Ok(did("opened one"))
}

/// UFFD_USER_MODE_ONLY (1), which needs no privilege.
pub(super) fn userfaultfd(_: &AttackOptions) -> Attempt {
    call("userfaultfd", libc::SYS_userfaultfd, &mut [Arg::Int(1)])?;
    Ok(did("opened one"))
}

pub(super) fn tiocsti(_: &AttackOptions) -> Attempt {
    let request = i64::try_from(libc::TIOCSTI).unwrap_or_default();
    let arguments = &mut [Arg::Int(0), Arg::Int(request), Arg::In(b" ")];
    call("ioctl", libc::SYS_ioctl, arguments)?;
    Ok(did("typed"))
}

pub(super) fn personality(_: &AttackOptions) -> Attempt {
    let flag = i64::from(libc::ADDR_NO_RANDOMIZE);
    call("personality", libc::SYS_personality, &mut [Arg::Int(flag)])?;
    Ok(did("switched it off"))
}

pub(super) fn host_name(_: &AttackOptions) -> Attempt {
    let mut name = [0_u8; 64];
    // SAFETY: the kernel writes at most as many bytes as stated.
    unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
    let length = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    let length = i64::try_from(length).unwrap_or_default();
    call("sethostname", libc::SYS_sethostname, &mut [Arg::In(&name), Arg::Int(length)])?;
    Ok(did("renamed it (to the same)"))
}

pub(super) fn module(_: &AttackOptions) -> Attempt {
    let arguments = &mut [Arg::Int(-1), Arg::Text(c""), Arg::Int(0)];
    call("finit_module", libc::SYS_finit_module, arguments)?;
    Ok(did("loaded"))
}
