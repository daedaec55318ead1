//! By procctl(2), sysctl(3) and getfsstat(2): a minimal system has no programs to ask.

use std::{io, ptr};

use super::check;

#[path = "../../support/freebsd_processes.rs"]
mod processes;

/// The children of who dies come here.
pub(crate) fn become_reaper() -> io::Result<()> {
    let own = libc::id_t::from(std::process::id());
    let command = libc::PROC_REAP_ACQUIRE;
    // SAFETY: the command takes no argument.
    check(unsafe { libc::procctl(libc::P_PID, own, command, ptr::null_mut()) })
}

/// The children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let all = processes::all().expect("kern.proc.proc");
    let own = all.iter().filter(|process| process.ki_ppid.cast_unsigned() == pid);
    own.map(|process| process.ki_pid.cast_unsigned()).collect()
}

fn process(pid: u32) -> Option<libc::kinfo_proc> {
    let all = processes::all().expect("kern.proc.proc");
    all.into_iter().find(|process| process.ki_pid.cast_unsigned() == pid)
}

/// What a process is, for messages.
pub(crate) fn describe(pid: u32) -> String {
    let Some(process) = process(pid) else { return format!("{pid}: gone") };
    let name = process.ki_comm.iter().map(|byte| byte.cast_unsigned());
    let name: Vec<u8> = name.take_while(|byte| *byte != 0).collect();
    let name = String::from_utf8_lossy(&name).into_owned();
    format!("{pid}: {name}, child of {}, state {}", process.ki_ppid, process.ki_stat)
}

/// The memory of this process, in bytes.
pub(crate) fn memory() -> u64 {
    let own = process(std::process::id()).expect("this process");
    // SAFETY: takes no pointers.
    let page = unsafe { libc::getpagesize() };
    u64::try_from(own.ki_rssize).unwrap_or(0) * u64::from(page.cast_unsigned())
}

/// The mounts of the system.
pub(crate) fn mounts() -> String {
    let mut mounts = Vec::<libc::statfs>::with_capacity(1024);
    let room = libc::c_long::try_from(mounts.capacity() * size_of::<libc::statfs>()).unwrap_or(0);
    // SAFETY: the kernel writes no more than there is room for.
    let count = unsafe { libc::getfsstat(mounts.as_mut_ptr(), room, libc::MNT_NOWAIT) };
    let count = usize::try_from(count).expect("getfsstat");
    // SAFETY: it has written so many, and no more than there is room for.
    unsafe { mounts.set_len(count.min(mounts.capacity())) };
    let text = |bytes: &[libc::c_char]| {
        let bytes = bytes.iter().map(|byte| byte.cast_unsigned());
        String::from_utf8_lossy(&bytes.take_while(|byte| *byte != 0).collect::<Vec<u8>>())
            .into_owned()
    };
    let line = |mount: &libc::statfs| {
        format!("{} {}\n", text(&mount.f_mntfromname), text(&mount.f_mntonname))
    };
    mounts.iter().map(line).collect()
}
