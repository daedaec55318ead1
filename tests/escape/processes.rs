//! Reaching other processes.

use std::{
    fs::File,
    os::fd::{AsRawFd, RawFd},
    path::Path,
    time::{Duration, Instant},
};

use capsicum_rs::{ProcessDescriptor, Rights, Sandbox};

use crate::{
    harness::{Case, Done, Outcome, prepared, refused},
    raw::{self, address, address_mut, call, number},
};

pub(crate) const CASES: &[Case] = &[
    Case { name: "no signal reaches a process that did not enter", body: signals },
    Case { name: "a timer sends no signal to another process's thread", body: timers },
    Case { name: "a terminal sends no signal on behalf of the process", body: terminal },
    Case { name: "a socket gives no descriptor of the process at its other end", body: peer },
    Case {
        name: "a child is not put in the place of the parent's or in a namespace",
        body: children,
    },
    Case { name: "nothing of another process is read, traced or scheduled", body: others },
];

/// A process that waits; it is killed with the case's group.
fn bystander() -> Result<libc::pid_t, String> {
    let pid = prepared("fork", raw::fork())?;
    if pid == 0 {
        loop {
            let _ = call(libc::SYS_rt_sigsuspend, &[address(&0_u64), 8]);
        }
    }
    Ok(pid)
}

fn signals(_: &Path) -> Outcome {
    let pid = bystander()?;
    let parent = std::os::unix::process::parent_id() as usize;
    let fd = prepared("pidfd_open", raw::opened(libc::SYS_pidfd_open, &[number(pid), 0]))?;
    prepared("enter", Sandbox::new().grant(&fd, Rights::PDWAIT).enter())?;
    let info = [
        0_i32, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0,
    ];
    for target in [number(pid), number(-pid), parent, 0, number(-1), 1] {
        refused("kill", call(libc::SYS_kill, &[target, 0]))?;
        refused("rt_sigqueueinfo", call(libc::SYS_rt_sigqueueinfo, &[target, 0, address(&info)]))?;
    }
    for target in [number(pid), parent, 1] {
        refused("tkill", call(libc::SYS_tkill, &[target, 0]))?;
        refused("tgkill", call(libc::SYS_tgkill, &[target, target, 0]))?;
        refused("tgkill of any group", call(libc::SYS_tgkill, &[number(-1), target, 0]))?;
    }
    let fd = number(fd.as_raw_fd());
    for flags in [0, 1, 2, 4] {
        refused("pidfd_send_signal", call(libc::SYS_pidfd_send_signal, &[fd, 0, 0, flags]))?;
    }
    refused("F_SETOWN", call(libc::SYS_fcntl, &[fd, 8, number(pid)]))?;
    Ok(Done::Held)
}

fn timers(_: &Path) -> Outcome {
    let pid = bystander()?;
    prepared("enter", capsicum_rs::enter())?;
    // struct sigevent: value, signo, notify (SIGEV_THREAD_ID), tid.
    let event = [0_i32, 0, libc::SIGKILL, 4, pid, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut timer = 0_i32;
    let made = call(libc::SYS_timer_create, &[1, address(&event), address_mut(&mut timer)]);
    refused("timer_create", made)?;
    let clock = number((!pid) << 3 | 2);
    let mut time = [0_u64; 2];
    refused("another's clock", call(libc::SYS_clock_gettime, &[clock, address_mut(&mut time)]))?;
    let thread = number((!pid) << 3 | 6);
    refused("its thread's", call(libc::SYS_clock_gettime, &[thread, address_mut(&mut time)]))?;
    Ok(Done::Held)
}

fn open_terminal() -> Result<(RawFd, RawFd), String> {
    let (mut master, mut terminal) = (0, 0);
    let null = std::ptr::null_mut();
    // SAFETY: both numbers are written; no name, settings or size are passed.
    let made = unsafe {
        libc::openpty(&raw mut master, &raw mut terminal, null, null.cast(), null.cast())
    };
    if made == 0 {
        Ok((master, terminal))
    } else {
        Err(std::io::Error::last_os_error().to_string())
    }
}

/// A terminal that is watched asynchronously sends SIGIO to its foreground group by itself.
fn terminal(_: &Path) -> Outcome {
    let (master, terminal) = match open_terminal() {
        Ok(ends) => ends,
        Err(error) => return Ok(Done::Skipped(format!("no terminal: {error}"))),
    };
    let victim = prepared("fork", raw::fork())?;
    if victim == 0 {
        // In a session of its own the case's group does not end it.
        let death = libc::PR_SET_PDEATHSIG.cast_unsigned() as usize;
        let _ = call(libc::SYS_prctl, &[death, libc::SIGKILL as usize]);
        let _ = call(libc::SYS_setsid, &[]);
        let _ = call(libc::SYS_ioctl, &[number(terminal), 0x540e, 0]);
        loop {
            let _ = call(libc::SYS_rt_sigsuspend, &[address(&0_u64), 8]);
        }
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut group = 0_i32;
    while group != victim {
        let _ = call(libc::SYS_ioctl, &[number(master), 0x540f, address_mut(&mut group)]);
        if Instant::now() > deadline {
            return Err("not prepared: the terminal has no foreground group".to_owned());
        }
        std::thread::yield_now();
    }
    // A descriptor of a process that may be killed leaves signals to the filter alone.
    let child = prepared("a child", ProcessDescriptor::fork(|| 0))?;
    prepared("enter", capsicum_rs::enter())?;
    for flags in [libc::O_ASYNC, libc::O_ASYNC | libc::O_NONBLOCK] {
        let set = call(libc::SYS_fcntl, &[number(terminal), libc::F_SETFL as usize, number(flags)]);
        refused("O_ASYNC", set)?;
    }
    let on = 1_i32;
    refused("FIOASYNC", call(libc::SYS_ioctl, &[number(terminal), 0x5452, address(&on)]))?;
    refused("TIOCSTI", call(libc::SYS_ioctl, &[number(terminal), 0x5412, address(b"x")]))?;
    refused("TIOCSPGRP", call(libc::SYS_ioctl, &[number(terminal), 0x5410, address(&on)]))?;
    drop(child);
    Ok(Done::Held)
}

fn peer(_: &Path) -> Outcome {
    let mut ends = [0_i32; 2];
    prepared("socketpair", call(libc::SYS_socketpair, &[1, 1, 0, address_mut(&mut ends)]))?;
    prepared("enter", capsicum_rs::enter())?;
    let mut pidfd = -1_i32;
    let mut len = 4_u32;
    let asked = call(
        libc::SYS_getsockopt,
        &[number(ends[0]), 1, 77, address_mut(&mut pidfd), address_mut(&mut len)],
    );
    refused("SO_PEERPIDFD", asked)?;
    let on = 1_i32;
    refused(
        "SO_PASSPIDFD",
        call(libc::SYS_setsockopt, &[number(ends[0]), 1, 76, address(&on), 4]),
    )?;
    Ok(Done::Held)
}

fn children(_: &Path) -> Outcome {
    prepared("enter", capsicum_rs::enter())?;
    let flags = [
        libc::CLONE_PARENT | libc::SIGKILL,
        libc::CLONE_NEWUSER | libc::SIGCHLD,
        libc::CLONE_NEWNS | libc::SIGCHLD,
        libc::CLONE_NEWPID | libc::SIGCHLD,
        libc::CLONE_NEWNET | libc::SIGCHLD,
        libc::CLONE_NEWIPC | libc::SIGCHLD,
        libc::CLONE_NEWUTS | libc::SIGCHLD,
        libc::CLONE_NEWCGROUP | libc::SIGCHLD,
        libc::CLONE_PTRACE | libc::SIGCHLD,
    ];
    for flags in flags {
        let child = call(libc::SYS_clone, &[flags.cast_unsigned() as usize, 0, 0, 0, 0]);
        if matches!(child, Ok(0)) {
            raw::exit(0);
        }
        refused("clone", child)?;
        refused("unshare", call(libc::SYS_unshare, &[(flags & !0xff).cast_unsigned() as usize]))?;
    }
    // struct clone_args, CLONE_NEWTIME
    let args = [0x80_usize, 0, 0, 0, libc::SIGCHLD as usize, 0, 0, 0];
    let child = call(libc::SYS_clone3, &[address(&args), 64]);
    if matches!(child, Ok(0)) {
        raw::exit(0);
    }
    refused("clone3", child)?;
    Ok(Done::Held)
}

fn others(_: &Path) -> Outcome {
    let pid = bystander()?;
    let memory = prepared("open", File::open(format!("/proc/{pid}/status")))?;
    prepared("enter", Sandbox::new().grant(&memory, Rights::FSTAT).enter())?;
    let pid = number(pid);
    let mut bytes = [0_u8; 8];
    let vector = [address_mut(&mut bytes), 8];
    let vectors = address(&vector);
    refused(
        "process_vm_readv",
        call(libc::SYS_process_vm_readv, &[pid, vectors, 1, vectors, 1, 0]),
    )?;
    refused(
        "process_vm_writev",
        call(libc::SYS_process_vm_writev, &[pid, vectors, 1, vectors, 1, 0]),
    )?;
    refused("ptrace", call(libc::SYS_ptrace, &[16, pid, 0, 0]))?;
    refused("PTRACE_SEIZE", call(libc::SYS_ptrace, &[0x4206, pid, 0, 0]))?;
    refused("PTRACE_TRACEME", call(libc::SYS_ptrace, &[0, 0, 0, 0]))?;
    refused("kcmp", call(libc::SYS_kcmp, &[pid, pid, 0, 0, 0]))?;
    refused("prlimit64", call(libc::SYS_prlimit64, &[pid, 4, 0, address_mut(&mut [0_u64; 2])]))?;
    refused("sched_setaffinity", call(libc::SYS_sched_setaffinity, &[pid, 8, address(&1_u64)]))?;
    refused("setpriority", call(libc::SYS_setpriority, &[0, pid, 19]))?;
    refused("setpriority of the user", call(libc::SYS_setpriority, &[2, 0, 19]))?;
    refused("ioprio_set", call(libc::SYS_ioprio_set, &[1, pid, 0]))?;
    refused("get_robust_list", call(libc::SYS_get_robust_list, &[pid, vectors, vectors]))?;
    refused("pidfd_open", call(libc::SYS_pidfd_open, &[pid, 0]))?;
    refused("process_madvise", call(libc::SYS_process_madvise, &[0, vectors, 1, 4, 0]))?;
    refused("move_pages", call(libc::SYS_move_pages, &[pid, 0, 0, 0, 0, 0]))?;
    refused("setpgid", call(libc::SYS_setpgid, &[pid, 0]))?;
    let memory = number(memory.as_raw_fd());
    refused(
        "reading",
        call(libc::SYS_pread64, &[memory, address_mut(&mut bytes), 8, address(&0_u64)]),
    )?;
    Ok(Done::Held)
}
