//! Other processes: their memory, their limits, and what is known of them.

use super::tools::{bytes_of, did, done};
use crate::attempt::{Family, Got, at, at_mut, call, holder, open, program};

pub(crate) const FAMILY: Family = Family {
    name: "other processes",
    attacks: &[
        program("ptrace: attach, and read", |s| {
            s.enter()?;
            call!(SYS_ptrace, 16, s.other.pid, 0, 0)?;
            let mut status = 0_i32;
            call!(SYS_wait4, s.other.pid, at_mut(&mut status), 0x4000_0000, 0)?;
            let mut words = [0_u64; 4];
            for (index, word) in words.iter_mut().enumerate() {
                call!(SYS_ptrace, 2, s.other.pid, s.other.address + index * 8, at_mut(word))?;
            }
            let read = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let _ = call!(SYS_ptrace, 17, s.other.pid, 0, 0);
            Ok(Got::Read(read))
        }),
        program("ptrace: seize", |s| {
            s.enter()?;
            did("it traces it", call!(SYS_ptrace, 0x4206, s.other.pid, 0, 0))
        }),
        program("process_vm_readv", |s| {
            s.enter()?;
            let mut bytes = [0_u8; 32];
            let (own, its) = ([at_mut(&mut bytes), 32], [s.other.address, 32]);
            call!(SYS_process_vm_readv, s.other.pid, at(&own), 1, at(&its), 1, 0)?;
            bytes_of(&bytes)
        }),
        program("process_vm_writev", |s| {
            s.enter()?;
            let (own, its) = ([at(b"changed"), 7], [s.other.address, 7]);
            done(call!(SYS_process_vm_writev, s.other.pid, at(&own), 1, at(&its), 1, 0))
        }),
        program("process_madvise", |s| {
            s.enter()?;
            let process = open!(SYS_pidfd_open, s.other.pid, 0)?;
            let its = [s.other.address, 4096];
            // MADV_COLD
            did("it told of its memory", call!(SYS_process_madvise, process, at(&its), 1, 20, 0))
        }),
        program("kcmp", |s| {
            s.enter()?;
            let own = std::process::id();
            did("it compared", call!(SYS_kcmp, s.other.pid, own, 2, 0, 0))
        }),
        program("perf_event_open of it", |s| {
            s.enter()?;
            let attributes = perf();
            let opened = open!(SYS_perf_event_open, at(&attributes), s.other.pid, -1, -1, 0);
            did("it measures it", opened)
        }),
        program("move_pages", |s| {
            s.enter()?;
            let (pages, mut status) = ([s.other.address], [0_i32; 1]);
            let moved =
                call!(SYS_move_pages, s.other.pid, 1, at(&pages), 0, at_mut(&mut status), 0);
            did("it learnt where its memory is", moved)
        }),
        program("migrate_pages", |s| {
            s.enter()?;
            let nodes = [1_u64];
            did(
                "it moved its memory",
                call!(SYS_migrate_pages, s.other.pid, 2, at(&nodes), at(&nodes)),
            )
        }),
        program("its limit of files", |s| {
            s.enter()?;
            let limit = [17_u64, 18];
            done(call!(SYS_prlimit64, s.other.pid, 7, at(&limit), 0))
        }),
        program("reading its limits", |s| {
            s.enter()?;
            let mut limit = [0_u64; 2];
            did("it learnt them", call!(SYS_prlimit64, s.other.pid, 7, 0, at_mut(&mut limit)))
        }),
        program("its priority", |s| {
            s.enter()?;
            done(call!(SYS_setpriority, 0, s.other.pid, 5))
        }),
        program("the priority of its group", |s| {
            s.enter()?;
            done(call!(SYS_setpriority, 1, s.other.pid, 5))
        }),
        program("its scheduler", |s| {
            s.enter()?;
            done(call!(SYS_sched_setscheduler, s.other.pid, 3, at(&0_i32)))
        }),
        program("its scheduler, by sched_setattr", |s| {
            s.enter()?;
            // struct sched_attr: SCHED_BATCH
            let attributes = [48_u32, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            done(call!(SYS_sched_setattr, s.other.pid, at(&attributes), 0))
        }),
        program("its processors", |s| {
            s.enter()?;
            done(call!(SYS_sched_setaffinity, s.other.pid, 8, at(&1_u64)))
        }),
        program("reading its processors", |s| {
            s.enter()?;
            let mut mask = [0_u64; 16];
            let read = call!(SYS_sched_getaffinity, s.other.pid, 128, at_mut(&mut mask));
            did("it learnt them", read)
        }),
        program("its priority of input and output", |s| {
            s.enter()?;
            done(call!(SYS_ioprio_set, 1, s.other.pid, 3 << 13))
        }),
        program("its list of locks", |s| {
            s.enter()?;
            let (mut head, mut len) = (0_usize, 0_usize);
            let read = call!(SYS_get_robust_list, s.other.pid, at_mut(&mut head), at_mut(&mut len));
            did("it learnt an address", read)
        }),
        program("the clock of its processor time", |s| {
            s.enter()?;
            let mut time = [0_u64; 2];
            let clock = !s.other.pid << 3 | 2;
            did("it learnt it", call!(SYS_clock_gettime, clock, at_mut(&mut time)))
        }),
        program("its session and group", |s| {
            s.enter()?;
            did("it learnt them", call!(SYS_getsid, s.other.pid))
        }),
        program("its capabilities", |s| {
            s.enter()?;
            let header = [0x2008_0522_u32, s.other.pid.cast_unsigned()];
            let mut sets = [0_u32; 6];
            did("it learnt them", call!(SYS_capget, at(&header), at_mut(&mut sets)))
        }),
        holder("a thread in its place (PTRACE_TRACEME)", |s| {
            s.enter()?;
            did("it is traced by its parent", call!(SYS_ptrace, 0, 0, 0, 0))
        }),
        program("naming a tracer (PR_SET_PTRACER)", |s| {
            s.enter()?;
            let any = call!(SYS_prctl, 0x5961_6d61, -1_i64, 0, 0, 0);
            did("anybody may trace it", any)
        }),
    ],
};

/// struct perf_event_attr: a software clock, of user space
pub(super) fn perf() -> [u64; 16] {
    let mut attributes = [0; 16];
    attributes[0] = 1 | 128 << 32;
    attributes[5] = 0x60;
    attributes
}
