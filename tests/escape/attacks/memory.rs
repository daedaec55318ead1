//! Memory, and objects that processes share by their names.

use super::tools::{bytes_of, did, done};
use crate::{
    attempt::{Family, Got, at, at_mut, call, holder, open, program},
    native,
    raw::number,
    stage::SECRET,
};

pub(crate) const FAMILY: Family = Family {
    name: "memory and shared objects",
    attacks: &[
        program("userfaultfd", |s| {
            s.enter()?;
            did("it handles faults", open!(SYS_userfaultfd, 1))
        }),
        holder("which pages of a file others have read (mincore)", |s| {
            s.enter()?;
            let file = open!(SYS_memfd_create, c"x", 0)?;
            call!(SYS_ftruncate, file, 4096)?;
            let map = call!(SYS_mmap, 0, 4096, 1, 2, file, 0)?;
            let mut pages = [0_u8; 1];
            did("it learnt it", call!(SYS_mincore, map, 4096, at_mut(&mut pages)))
        }),
        holder("which pages, by cachestat", |s| {
            s.enter()?;
            let file = open!(SYS_memfd_create, c"x", 0)?;
            let (range, mut answer) = ([0_u64, 4096], [0_u64; 5]);
            let words = [number(file), at(&range), at_mut(&mut answer), 0];
            did("it learnt it", crate::attempt::numbered("cachestat", 451, &words))
        }),
        program("shared memory by its id (shmat)", |s| {
            s.enter()?;
            let at = call!(SYS_shmat, s.objects.shm, 0, 0o10000)?;
            Ok(Got::Read(native::peek(at, SECRET.len())))
        }),
        program("new shared memory that others find (shmget)", |s| {
            s.enter()?;
            done(call!(SYS_shmget, s.objects.key(), 4096, 0o1600))
        }),
        program("a semaphore by its id (semctl)", |s| {
            s.enter()?;
            did("it learnt its value", call!(SYS_semctl, s.objects.sem, 0, libc::GETVAL))
        }),
        program("changing a semaphore (semop)", |s| {
            s.enter()?;
            let operations = [0_u16, 1, 0o4000];
            did("it changed it", call!(SYS_semop, s.objects.sem, at(&operations), 1))
        }),
        program("a message queue by its id (msgrcv)", |s| {
            s.enter()?;
            let mut message = [0_u8; 72];
            let to = at_mut(&mut message);
            let len = call!(SYS_msgrcv, s.objects.msg, to, 64, 0, 0o4000)?;
            let _ = call!(SYS_msgsnd, s.objects.msg, to, len, 0o4000);
            bytes_of(&message)
        }),
        program("sending to a message queue (msgsnd)", |s| {
            s.enter()?;
            let message = [9_u64, 0];
            did("it sent", call!(SYS_msgsnd, s.objects.msg, at(&message), 1, 0o4000))
        }),
        program("a POSIX message queue by its name (mq_open)", |s| {
            s.enter()?;
            let queue = open!(SYS_mq_open, s.objects.name(), 2 | libc::O_NONBLOCK, 0, 0)?;
            let mut message = [0_u8; 64];
            let to = at_mut(&mut message);
            let len = call!(SYS_mq_timedreceive, queue, to, 64, 0, 0)?;
            let _ = call!(SYS_mq_timedsend, queue, to, len, 0, 0);
            bytes_of(&message)
        }),
        program("removing a POSIX message queue (mq_unlink)", |s| {
            s.enter()?;
            done(call!(SYS_mq_unlink, s.objects.other_name()))
        }),
        program("a key of the session (keyctl)", |s| {
            s.enter()?;
            let name = s.objects.name();
            let key = call!(SYS_keyctl, 10, -3, c"user", name, 0)?;
            let mut bytes = [0_u8; 64];
            call!(SYS_keyctl, 11, key, at_mut(&mut bytes), 64)?;
            bytes_of(&bytes)
        }),
        program("a key of the session (request_key)", |s| {
            s.enter()?;
            let name = s.objects.name();
            did("it found it", call!(SYS_request_key, c"user", name, 0, 0))
        }),
        program("a new key (add_key)", |s| {
            s.enter()?;
            did("it added one", call!(SYS_add_key, c"user", c"escape-made", b"x", 1, -3))
        }),
    ],
};
