//! What the kernel does on behalf of a process, and ways around the filter itself.

use std::{
    fs::{self, File},
    os::fd::AsRawFd,
    path::Path,
    sync::mpsc,
};

use capsicum_rs::{Rights, Sandbox};

use crate::{
    harness::{Case, Done, Outcome, in_child, prepared, refused},
    raw::{self, address, address_mut, call, number, text},
};

pub(crate) const CASES: &[Case] = &[
    Case { name: "a crash writes no core beside what is granted", body: core_with_landlock },
    Case { name: "a crash without Landlock writes no core", body: core_without_landlock },
    Case { name: "no page of the machine's memory is taken out of use", body: poison },
    Case { name: "a filter of the process's own undoes nothing", body: filters },
    Case { name: "no program runs as 32-bit or x32 code", body: other_entries },
    Case { name: "what root may do to the machine is refused", body: machine },
    Case { name: "a ring that is open keeps a process from entering", body: ring_open },
    Case { name: "a ring that is only mapped keeps a process from entering", body: ring_mapped },
    Case {
        name: "a ring with a thread of the kernel keeps a process from entering",
        body: ring_polled,
    },
];

/// `IORING_SETUP_SQPOLL`: a thread of the kernel does what is written to the ring, without a call.
const POLLED: u32 = 2;
/// `IORING_SETUP_NO_MMAP | IORING_SETUP_REGISTERED_FD_ONLY`: the ring is in memory of the process's
/// own, and has no descriptor.
const UNSEEN: u32 = (1 << 14) | (1 << 15);

/// `struct io_uring_params`, as far as it is asked for.
#[repr(C)]
struct Parameters {
    entries: [u32; 2],
    flags: u32,
    rest: [u32; 7],
    submission: [u32; 8],
    submission_address: u64,
    completion: [u32; 8],
    completion_address: u64,
}

fn ring(flags: u32, memory: &mut [usize; 2]) -> Result<usize, Done> {
    let mut parameters = Parameters {
        entries: [0; 2],
        flags,
        rest: [0; 7],
        submission: [0; 8],
        submission_address: memory[0] as u64,
        completion: [0; 8],
        completion_address: memory[1] as u64,
    };
    call(libc::SYS_io_uring_setup, &[4, address_mut(&mut parameters)])
        .map_err(|error| Done::Skipped(format!("io_uring_setup: {error}")))
}

/// Entering must fail for that reason.
fn does_not_enter() -> Outcome {
    match Sandbox::new().ceiling(Rights::READ).enter() {
        Err(error) if error.to_string().contains("io_uring") => Ok(Done::Held),
        other => Err(format!("entering with a ring: {other:?}")),
    }
}

fn ring_open(_: &Path) -> Outcome {
    match ring(0, &mut [0; 2]) {
        Ok(_) => does_not_enter(),
        Err(skipped) => Ok(skipped),
    }
}

fn ring_mapped(_: &Path) -> Outcome {
    let fd = match ring(0, &mut [0; 2]) {
        Ok(fd) => fd,
        Err(skipped) => return Ok(skipped),
    };
    prepared("mmap", call(libc::SYS_mmap, &[0, 4096, 3, 1, fd, 0]))?;
    prepared("close", call(libc::SYS_close, &[fd]))?;
    does_not_enter()
}

fn ring_polled(_: &Path) -> Outcome {
    let page = || prepared("mmap", call(libc::SYS_mmap, &[0, 4096, 3, 0x22, usize::MAX, 0]));
    match ring(POLLED | UNSEEN, &mut [page()?, page()?]) {
        Ok(_) => does_not_enter(),
        Err(skipped) => Ok(skipped),
    }
}

/// Ends in a core dump, if it may, of a child whose working directory is the case's.
fn crashes(enter: impl FnOnce() -> bool, dir: &Path) -> Outcome {
    prepared("chdir", std::env::set_current_dir(dir))?;
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.starts_with(['|', '@', '/']) {
        return Ok(Done::Skipped(format!("cores go to {}", pattern.trim())));
    }
    let limit = [u64::MAX; 2];
    let raised = call(libc::SYS_prlimit64, &[0, 4, address(&limit), 0]);
    let mut now = [0_u64; 2];
    prepared("prlimit64", call(libc::SYS_prlimit64, &[0, 4, 0, address_mut(&mut now)]))?;
    if raised.is_err() && now[1] == 0 {
        return Ok(Done::Skipped("the hard limit of cores is 0".to_owned()));
    }
    let soft = [now[1], now[1]];
    prepared("prlimit64", call(libc::SYS_prlimit64, &[0, 4, address(&soft), 0]))?;
    let status = in_child(|| {
        if enter() {
            // Whatever entering did about it.
            let _ = call(libc::SYS_prlimit64, &[0, 4, address(&soft), 0]);
            let _ = call(libc::SYS_prlimit64, &[1 << 32, 4 | 1 << 32, address(&soft), 0]);
            let _ = call(libc::SYS_setrlimit, &[4, address(&soft)]);
            let _ = call(libc::SYS_prctl, &[libc::PR_SET_DUMPABLE as usize, 1]);
            std::process::abort();
        }
        false
    })?;
    if libc::WIFEXITED(status) {
        return Err("not prepared: it did not crash".to_owned());
    }
    let left: Vec<_> = prepared("readdir", fs::read_dir(dir))?
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .collect();
    if left.is_empty() { Ok(Done::Held) } else { Err(format!("it left {left:?}")) }
}

fn core_with_landlock(dir: &Path) -> Outcome {
    crashes(|| Sandbox::new().ceiling(Rights::READ).enter().is_ok(), dir)
}

fn core_without_landlock(dir: &Path) -> Outcome {
    let enter = || {
        let (up, started) = mpsc::channel();
        let (_hold, wait) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            let _ = up.send(());
            let _ = wait.recv();
        });
        started.recv().is_ok() && Sandbox::new().ceiling(Rights::READ).enter().is_ok()
    };
    crashes(enter, dir)
}

/// `MADV_HWPOISON` and `MADV_SOFT_OFFLINE`: the second is tried, since it destroys nothing.
fn poison(_: &Path) -> Outcome {
    let page = prepared("mmap", call(libc::SYS_mmap, &[0, 4096, 3, 0x22, usize::MAX, 0]))?;
    prepared("enter", capsicum_rs::enter())?;
    refused("MADV_SOFT_OFFLINE", call(libc::SYS_madvise, &[page, 4096, 101]))?;
    Ok(Done::Held)
}

fn filters(_: &Path) -> Outcome {
    prepared("enter", capsicum_rs::enter())?;
    // return ALLOW
    let program = [0x7fff_0000_0000_0006_u64];
    let filter = [1, address(&program)];
    // NEW_LISTENER, alone, with TSYNC, and with WAIT_KILLABLE_RECV.
    for flags in [8, 9, 8 | 16, 8 | 32] {
        refused("a listener", call(libc::SYS_seccomp, &[1, flags, address(&filter)]))?;
    }
    let _ = call(libc::SYS_seccomp, &[1, 0, address(&filter)]);
    let _ = call(libc::SYS_prctl, &[22, 2, address(&filter)]);
    refused("open", call(libc::SYS_openat, &[number(-100), text(c"/etc/passwd"), 0]))?;
    refused("a mode off", call(libc::SYS_prctl, &[22, 0, 0]))?;
    if !capsicum_rs::sandboxed() {
        return Err("it seems to be out of capability mode".to_owned());
    }
    Ok(Done::Held)
}

fn other_entries(_: &Path) -> Outcome {
    prepared("enter", capsicum_rs::enter())?;
    #[cfg(target_arch = "x86_64")]
    for number in [0x4000_0101, 0x4000_0000, 0xffff_ffff_u32] {
        let status = in_child(|| {
            let _ = call(number.into(), &[crate::raw::number(-100), text(c"/etc/passwd"), 0]);
            true
        })?;
        if status != libc::SIGSYS && status != libc::SIGSYS | 0x80 {
            return Err(format!("{number:#x}: the wait status is {status:#x}"));
        }
    }
    refused("a call that is not known", call(9999, &[]))?;
    Ok(Done::Held)
}

fn machine(dir: &Path) -> Outcome {
    let directory = prepared("open", File::open(dir))?;
    prepared("enter", capsicum_rs::enter())?;
    let fd = number(directory.as_raw_fd());
    let zeros = [0_u64; 32];
    let memory = address(&zeros);
    let calls = [
        ("mount", libc::SYS_mount, vec![0, text(c"/"), 0, 0, 0]),
        ("open_tree", libc::SYS_open_tree, vec![fd, text(c""), 0x1000 | 1]),
        ("move_mount", libc::SYS_move_mount, vec![fd, text(c""), fd, text(c""), 4]),
        ("fsopen", libc::SYS_fsopen, vec![text(c"proc"), 0]),
        ("chroot", libc::SYS_chroot, vec![text(c"/")]),
        ("fchdir and chroot", libc::SYS_chroot, vec![text(c".")]),
        ("setns", libc::SYS_setns, vec![fd, 0]),
        ("reboot", libc::SYS_reboot, vec![0, 0, 0]),
        ("sethostname", libc::SYS_sethostname, vec![text(c"x"), usize::MAX]),
        ("settimeofday", libc::SYS_settimeofday, vec![0, 1]),
        ("init_module", libc::SYS_init_module, vec![memory, 0, text(c"")]),
        ("finit_module", libc::SYS_finit_module, vec![fd, text(c""), 0]),
        ("kexec_load", libc::SYS_kexec_load, vec![0, 0, 0, 0]),
        ("swapon", libc::SYS_swapon, vec![text(c"/"), 0]),
        ("quotactl_fd", libc::SYS_quotactl_fd, vec![fd, 0x8000_0100, 0, memory]),
        ("acct", libc::SYS_acct, vec![text(c"/")]),
        ("syslog", libc::SYS_syslog, vec![10, 0, 0]),
        ("bpf", libc::SYS_bpf, vec![0, memory, 128]),
        ("perf_event_open", libc::SYS_perf_event_open, vec![memory, 0, usize::MAX, usize::MAX, 0]),
        ("keyctl", libc::SYS_keyctl, vec![0, 0xffff_fffd, 1]),
        ("add_key", libc::SYS_add_key, vec![text(c"user"), text(c"x"), memory, 1, 0xffff_fffd]),
        ("userfaultfd", libc::SYS_userfaultfd, vec![1]),
        (
            "name_to_handle_at",
            libc::SYS_name_to_handle_at,
            vec![fd, text(c""), memory, memory, 0x1000],
        ),
        ("open_by_handle_at", libc::SYS_open_by_handle_at, vec![fd, memory, 0]),
        ("shmget", libc::SYS_shmget, vec![0, 4096, 0o1600]),
        ("mq_open", libc::SYS_mq_open, vec![text(c"x"), 0o102, 0o600, 0]),
        ("personality", libc::SYS_personality, vec![0x0400_0000]),
        ("vhangup", libc::SYS_vhangup, vec![]),
        ("fanotify_init", libc::SYS_fanotify_init, vec![0, 0]),
        ("PR_SET_MM", libc::SYS_prctl, vec![35, 1, 0, 0, 0]),
        ("PR_SET_PTRACER", libc::SYS_prctl, vec![0x5961_6d61, usize::MAX]),
    ];
    for (name, number, args) in calls {
        let result = call(number, &args);
        match result {
            Err(error) if matches!(error.raw_os_error(), Some(134 | 38)) => {}
            other => return Err(format!("{name}: {other:?}")),
        }
    }
    let _ = raw::root();
    Ok(Done::Held)
}
