//! The kernel's own ground: rings, programs that it runs, and the machine as a whole.

use super::tools::{AT_FDCWD, did, read_fd};
use crate::{
    attempt::{Attempt, Family, Got, Stop, at, at_mut, call, holder, open, program},
    native,
    stage::Scene,
};

pub(crate) const FAMILY: Family = Family {
    name: "the kernel",
    attacks: &[
        program("io_uring: a file is opened", |s| {
            s.enter()?;
            ring(s, None)
        }),
        holder("io_uring: a file is opened through a ring of before", |s| {
            let ring_of_before = Ring::new()?;
            s.enter_with(capsicum_rs::Sandbox::new().ceiling(capsicum_rs::Rights::ALL))?;
            ring(s, Some(ring_of_before))
        }),
        program("bpf: a map", |s| {
            s.enter()?;
            let mut attributes = [0_u32; 32];
            attributes[..4].copy_from_slice(&[2, 4, 4, 1]);
            did("it made one", open!(SYS_bpf, 0, at(&attributes), 128))
        }),
        program("bpf: a program", |s| {
            s.enter()?;
            // mov r0, 0; exit: a socket filter
            let program = [0xb7_u64, 0x95];
            let (mut attributes, license) = ([0_u64; 16], c"GPL");
            attributes[0] = 1 | 2 << 32;
            attributes[1] = at(&program) as u64;
            attributes[2] = license.as_ptr() as u64;
            did("it loaded one", open!(SYS_bpf, 5, at(&attributes), 128))
        }),
        program("perf_event_open", |s| {
            s.enter()?;
            let attributes = super::others::perf();
            did("it opened one", open!(SYS_perf_event_open, at(&attributes), 0, -1, -1, 0))
        }),
        program("a filter of its own that allows everything", |s| {
            s.enter()?;
            let program = [0x7fff_0000_0000_0006_u64];
            let filter = [1, at(&program)];
            call!(SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)?;
            call!(SYS_seccomp, 1, 0, at(&filter))?;
            read_fd(open!(SYS_openat, AT_FDCWD, s.secret(), libc::O_RDONLY)?)
        }),
        program("the kernel's messages (syslog)", |s| {
            s.enter()?;
            let mut bytes = [0_u8; 64];
            did("it read them", call!(SYS_syslog, 3, at_mut(&mut bytes), 64))
        }),
        program("the host's name", |s| {
            let mut name = [0_u8; 390];
            call!(SYS_uname, at_mut(&mut name))?;
            s.enter()?;
            let len = name[65..].iter().position(|byte| *byte == 0).unwrap_or(0);
            did("it renamed it (to the same)", call!(SYS_sethostname, at(&name[65..]), len))
        }),
        program("the clock", |s| {
            s.enter()?;
            // struct timex: ADJ_STATUS with the status that is there
            let mut timex = [0_u64; 26];
            call!(SYS_clock_adjtime, 0, at_mut(&mut timex))?;
            let status = timex[5] & 0xffff_ffff;
            timex = [0; 26];
            (timex[0], timex[5]) = (0x10, status);
            did("it set it (to the same)", call!(SYS_clock_adjtime, 0, at_mut(&mut timex)))
        }),
        program("process accounting", |s| {
            s.enter()?;
            // A directory is no file for it: whoever may do this at all is told so.
            match call!(SYS_acct, s.path("out")) {
                Err(Stop::At(_, error))
                    if [libc::EACCES, libc::EISDIR]
                        .contains(&error.raw_os_error().unwrap_or(0)) =>
                {
                    Ok(Got::Did("it may switch it"))
                }
                other => did("it may switch it", other),
            }
        }),
        program("swapping", |s| {
            s.enter()?;
            match call!(SYS_swapon, s.path("out/plain"), 0) {
                Err(Stop::At(_, error)) if error.raw_os_error() == Some(libc::EINVAL) => {
                    Ok(Got::Did("it may switch it"))
                }
                other => did("it may switch it", other),
            }
        }),
        holder("quotas", |s| {
            s.enter()?;
            // Q_SYNC of all file systems, which changes nothing
            did("it may sync them", call!(SYS_quotactl, 0x8000_0100_u32, 0, 0, 0))
        }),
        #[cfg(target_arch = "x86_64")]
        program("ports of the machine (iopl)", |s| {
            s.enter()?;
            did("it has them", call!(SYS_iopl, 3))
        }),
        #[cfg(target_arch = "x86_64")]
        program("ports of the machine (ioperm)", |s| {
            s.enter()?;
            did("it has one", call!(SYS_ioperm, 0x80, 1, 1))
        }),
        #[cfg(target_arch = "x86_64")]
        program("segments of its own (modify_ldt)", |s| {
            s.enter()?;
            // struct user_desc: entry 0, base 0, limit 0, a data segment
            let entry = [0_u32, 0, 0, 0x51];
            did("it made one", call!(SYS_modify_ldt, 1, at(&entry), 16))
        }),
        program("no randomness of addresses (personality)", |s| {
            s.enter()?;
            did("it switched it off", call!(SYS_personality, 0x004_0000))
        }),
        program("modules of the kernel", |s| {
            s.enter()?;
            // Of nothing: whoever may do this at all is told so.
            match call!(SYS_init_module, at(&[0_u8; 4]), 4, c"") {
                Err(Stop::At(_, error)) if error.raw_os_error() == Some(libc::ENOEXEC) => {
                    Ok(Got::Did("it may load them"))
                }
                other => did("it may load them", other),
            }
        }),
        program("hanging up the terminal (vhangup)", |s| {
            let _ = call!(SYS_setsid);
            s.enter()?;
            did("it may hang up", call!(SYS_vhangup))
        }),
        holder("security modules (lsm_list_modules)", |s| {
            s.enter()?;
            let (mut ids, mut size) = ([0_u64; 8], 64_u32);
            let words = [at_mut(&mut ids), at_mut(&mut size), 0];
            did("it learnt them", crate::attempt::numbered("lsm_list_modules", 461, &words))
        }),
        holder("the mappings of the own program (PR_SET_MM)", |s| {
            s.enter()?;
            // PR_SET_MM_MAP_SIZE
            let mut size = 0_u32;
            did("it may", call!(SYS_prctl, 35, 15, at_mut(&mut size), 0, 0))
        }),
    ],
};

/// io_uring(7), as far as it takes to open a file.
struct Ring {
    fd: i32,
    rings: usize,
    entries: usize,
    submission: [u32; 10],
    completion: [u32; 10],
}

impl Ring {
    fn new() -> Result<Self, Stop> {
        let mut parameters = [0_u32; 30];
        let fd = open!(SYS_io_uring_setup, 4, at_mut(&mut parameters))?;
        let mut copy = ([0; 10], [0; 10]);
        copy.0.copy_from_slice(&parameters[10..20]);
        copy.1.copy_from_slice(&parameters[20..30]);
        let rings = call!(SYS_mmap, 0, 8192, 3, 1, fd, 0)?;
        let entries = call!(SYS_mmap, 0, 4096, 3, 1, fd, 0x1000_0000)?;
        Ok(Self { fd, rings, entries, submission: copy.0, completion: copy.1 })
    }
}

/// IORING_OP_OPENAT of the secret, then an ordinary read.
fn ring(s: &Scene, ring: Option<Ring>) -> Attempt {
    use std::sync::atomic::Ordering::SeqCst;
    let ring = ring.map_or_else(Ring::new, Ok)?;
    let path = s.secret();
    let mut entry = [0_u8; 64];
    entry[0] = 18;
    entry[4..8].copy_from_slice(&AT_FDCWD.to_ne_bytes());
    entry[16..24].copy_from_slice(&(path.as_ptr() as u64).to_ne_bytes());
    native::poke(ring.entries, &entry);
    let word = |offset: u32| native::kernel_word(ring.rings + offset as usize);
    // head, tail, ring_mask, ring_entries, flags, dropped, array
    let tail = word(ring.submission[1]);
    let slot = tail.load(SeqCst) & word(ring.submission[2]).load(SeqCst);
    word(ring.submission[6] + slot * 4).store(0, SeqCst);
    tail.fetch_add(1, SeqCst);
    call!(SYS_io_uring_enter, ring.fd, 1, 1, 1, 0, 0)?;
    // head, tail, ring_mask, ring_entries, overflow, cqes
    let head = word(ring.completion[0]).load(SeqCst) & word(ring.completion[2]).load(SeqCst);
    let result = word(ring.completion[5] + head * 16 + 8).load(SeqCst).cast_signed();
    if result < 0 {
        return Err(Stop::At("io_uring", std::io::Error::from_raw_os_error(-result)));
    }
    read_fd(result)
}
