//! Process descriptors.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{net::UnixStream, process::ExitStatusExt},
    },
    thread,
    time::{Duration, Instant},
};

use super::forked::alone;
use crate::{Error, ProcessDescriptor, Rights, enter, limit, sys::freebsd::threads};

const NEVER: Duration = Duration::from_secs(40);

/// Does nothing until it is killed, or long after every test. `thread::sleep` would panic in
/// capability mode, which has no `clock_nanosleep(2)`.
fn idle() -> u8 {
    let end = Instant::now() + NEVER;
    while Instant::now() < end {
        thread::park_timeout(NEVER);
    }
    0
}

fn sleeper() -> ProcessDescriptor {
    ProcessDescriptor::fork(idle).unwrap()
}

#[test]
fn the_status_of_the_child_is_what_it_returns() {
    alone(|| {
        let mut child = ProcessDescriptor::fork(|| 7).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(7));
        assert_eq!(child.wait().unwrap().code(), Some(7));
    });
}

#[test]
fn a_panic_of_the_child_is_the_status_101() {
    alone(|| {
        let mut child =
            ProcessDescriptor::fork(|| std::panic::resume_unwind(Box::new(()))).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(101));
    });
}

#[test]
fn a_signal_ends_the_child_and_is_its_status() {
    alone(|| {
        let mut child = sleeper();
        child.kill(0).unwrap();
        child.kill(libc::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
        let error = child.kill(libc::SIGTERM).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ESRCH));
    });
}

#[test]
fn a_number_that_is_no_signal_is_refused() {
    alone(|| {
        let error = sleeper().kill(4096).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    });
}

#[test]
fn waiting_ends_with_the_timeout_and_can_be_repeated() {
    alone(|| {
        let mut child = sleeper();
        let start = Instant::now();
        assert_eq!(child.wait_timeout(Duration::from_millis(50)).unwrap(), None);
        assert!(start.elapsed() >= Duration::from_millis(50));
        assert_eq!(child.wait_timeout(Duration::ZERO).unwrap(), None);
        child.kill(libc::SIGKILL).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    });
}

#[test]
fn dropping_the_descriptor_kills_and_reaps_the_child() {
    alone(|| {
        let (mut here, there) = UnixStream::pair().unwrap();
        let child = ProcessDescriptor::fork({
            let there = there.try_clone().unwrap();
            move || {
                let _ = (&there).write_all(b"x");
                idle()
            }
        })
        .unwrap();
        drop(there);
        here.read_exact(&mut [0]).unwrap();
        let pid = child.pid().unwrap().cast_signed();
        drop(child);
        // The last copy of the other end is gone with the child.
        assert_eq!(here.read(&mut [0]).unwrap(), 0);
        // SAFETY: signal 0 does nothing to any process.
        assert_eq!(unsafe { libc::kill(pid, 0) }, -1);
        assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::ESRCH));
    });
}

#[test]
fn the_child_does_not_hold_its_own_descriptor() {
    alone(|| {
        let before = open_descriptors();
        let mut child =
            ProcessDescriptor::fork(|| u8::try_from(open_descriptors()).unwrap_or(255)).unwrap();
        assert_eq!(child.wait().unwrap().code(), i32::try_from(before).ok());
        assert_eq!(open_descriptors(), before + 1);
        drop(child);
        assert_eq!(open_descriptors(), before);
    });
}

fn open_descriptors() -> usize {
    crate::sys::freebsd::sysctl::open_descriptors().unwrap()
}

#[test]
fn the_pid_is_that_of_the_child() {
    alone(|| {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let child = ProcessDescriptor::fork(move || {
            let _ = there.write_all(&std::process::id().to_ne_bytes());
            0
        })
        .unwrap();
        let mut pid = [0; 4];
        here.read_exact(&mut pid).unwrap();
        assert_eq!(child.pid().unwrap(), u32::from_ne_bytes(pid));
    });
}

#[test]
fn children_are_made_killed_and_waited_for_in_capability_mode() {
    alone(|| {
        enter().unwrap();
        let mut quick = ProcessDescriptor::fork(|| u8::from(!crate::sandboxed())).unwrap();
        assert_eq!(quick.wait().unwrap().code(), Some(0));
        let mut child = sleeper();
        child.kill(libc::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
    });
}

#[test]
fn each_operation_needs_its_right() {
    alone(|| {
        let lacks = |error: Error| {
            assert_eq!(error.raw_os_error(), Some(libc::ENOTCAPABLE), "{error}");
        };
        let mut child = sleeper();
        limit(&child, Rights::PDGETPID | Rights::PDKILL | Rights::EVENT).unwrap();
        child.pid().unwrap();
        child.kill(0).unwrap();
        assert_eq!(child.wait_timeout(Duration::ZERO).unwrap(), None);
        limit(&child, Rights::NONE).unwrap();
        lacks(child.pid().unwrap_err());
        lacks(child.kill(0).unwrap_err());
        lacks(child.wait_timeout(Duration::ZERO).unwrap_err());
    });
}

#[test]
fn a_threaded_process_is_not_copied() {
    alone(|| {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let waiting = thread::spawn(move || held.recv());
        let error = ProcessDescriptor::fork(|| 0).unwrap_err();
        assert!(matches!(error, Error::Threaded { threads: 2, .. }), "{error:?}");
        drop(hold);
        waiting.join().unwrap().unwrap_err();
        ProcessDescriptor::fork(|| 0).unwrap().wait().unwrap();
    });
}

#[test]
fn a_child_can_start_threads_that_contend_for_locks() {
    alone(|| {
        let mut child = ProcessDescriptor::fork(|| {
            // SAFETY: asks libthr for the id that it keeps.
            let kept = unsafe { libc::pthread_getthreadid_np() };
            if libc::c_long::from(kept) != threads::own_id() {
                return 1;
            }
            let allocate = || {
                (0..20_000).for_each(|size| drop(std::hint::black_box(vec![0_u8; size % 4096])));
            };
            let others: Vec<_> = (0..4).map(|_| thread::spawn(allocate)).collect();
            allocate();
            u8::from(others.into_iter().any(|other| other.join().is_err()))
        })
        .unwrap();
        assert_eq!(child.wait_timeout(NEVER).unwrap().and_then(|status| status.code()), Some(0));
    });
}

#[test]
fn the_descriptor_is_closed_on_execution() {
    alone(|| {
        let child = sleeper();
        // SAFETY: `F_GETFD` has no third argument and changes nothing.
        let flags = unsafe { libc::fcntl(child.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    });
}

#[test]
fn a_child_that_was_passed_on_is_killed_all_the_same() {
    alone(|| {
        let child = sleeper();
        let copy: OwnedFd = std::os::fd::AsFd::as_fd(&child).try_clone_to_owned().unwrap();
        let pid = child.pid().unwrap().cast_signed();
        drop(child);
        drop(copy);
        // SAFETY: signal 0 does nothing to any process.
        assert_eq!(unsafe { libc::kill(pid, 0) }, -1);
    });
}
