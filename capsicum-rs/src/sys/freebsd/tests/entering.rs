//! Capability mode, grants and the ceiling.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    sync::mpsc,
    thread,
};

use super::forked::alone;
use crate::{
    Containment, Error, Limits, Rights, Sandbox, enter, is_capability_error, limit, limits_of,
    sandboxed,
    sys::freebsd::{descriptors, threads},
};

fn fresh() -> File {
    tempfile::tempfile().expect("a temporary file")
}

/// A copy of a descriptor on a number of at least this much.
fn copy_above(fd: &File, least: RawFd) -> RawFd {
    // SAFETY: makes a new descriptor, which stays open until the process ends.
    let copy = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least) };
    assert!(copy >= least, "{}", io::Error::last_os_error());
    copy
}

fn limits_of_number(fd: RawFd) -> Limits {
    // SAFETY: the callers name descriptors that stay open until the process ends.
    limits_of(&unsafe { BorrowedFd::borrow_raw(fd) }).unwrap()
}

fn opens_no_path() {
    let error = File::open("/").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ECAPMODE), "{error}");
    assert!(is_capability_error(&error).is_some());
}

#[test]
fn entering_takes_the_paths_and_leaves_the_descriptors() {
    alone(|| {
        let mut file = fresh();
        assert!(!sandboxed());
        let entered = enter().unwrap();
        assert_eq!(entered.containment, Containment::Capsicum);
        assert_eq!(entered.missing, []);
        assert!(sandboxed());
        opens_no_path();
        file.write_all(b"yes").unwrap();
        assert_eq!(limits_of(&file).unwrap(), Limits::ALL);
        enter().unwrap();
    });
}

#[test]
fn every_descriptor_is_under_the_ceiling_and_grants_keep_theirs() {
    alone(|| {
        let (granted, other, narrow) = (fresh(), fresh(), fresh());
        let high = copy_above(&other, 700);
        limit(&narrow, Rights::READ | Rights::FSTAT).unwrap();
        let ceiling = Rights::WRITE | Rights::READ;
        let entered = Sandbox::new()
            .grant(&granted, Rights::READ | Rights::FSTAT)
            .ceiling(ceiling)
            .require(Containment::Directories)
            .enter()
            .unwrap();
        assert_eq!(entered.missing, []);
        assert_eq!(limits_of(&granted).unwrap(), Limits::from(Rights::READ | Rights::FSTAT));
        assert_eq!(limits_of(&narrow).unwrap(), Limits::from(Rights::READ));
        for fd in [0, 1, 2, other.as_raw_fd(), high] {
            assert!(Limits::from(ceiling).contains(&limits_of_number(fd)), "{fd}");
        }
        assert_eq!(limits_of_number(high), Limits::from(ceiling));
        opens_no_path();
    });
}

#[test]
fn the_ceiling_is_nothing_unless_stated() {
    alone(|| {
        let file = fresh();
        Sandbox::new().enter().unwrap();
        assert_eq!(limits_of(&file).unwrap(), Limits::NONE);
    });
}

#[test]
fn a_second_entry_narrows_further() {
    alone(|| {
        let file = fresh();
        Sandbox::new().ceiling(Rights::READ | Rights::WRITE).enter().unwrap();
        Sandbox::new().ceiling(Rights::READ).enter().unwrap();
        assert_eq!(limits_of(&file).unwrap(), Limits::from(Rights::READ));
    });
}

#[test]
fn a_grant_that_is_too_wide_changes_nothing() {
    alone(|| {
        let (good, narrow, other) = (fresh(), fresh(), fresh());
        limit(&narrow, Rights::READ).unwrap();
        let outcome =
            Sandbox::new().grant(&good, Rights::READ).grant(&narrow, Rights::WRITE).enter();
        match outcome {
            Err(Error::NotCapable { descriptor, .. }) => assert_eq!(descriptor, narrow.as_raw_fd()),
            other => panic!("{other:?}"),
        }
        assert!(!sandboxed());
        for file in [&good, &other] {
            assert_eq!(limits_of(file).unwrap(), Limits::ALL);
        }
        File::open("/").unwrap();
    });
}

#[test]
fn a_best_effort_enters_without_the_rights_that_this_release_lacks() {
    alone(|| {
        let file = fresh();
        let asked = Rights::READ | Rights::FCHROOT;
        let strict = Sandbox::new().grant(&file, asked).ceiling(Rights::WRITE).enter();
        let Err(error) = strict else {
            assert_eq!(limits_of(&file).unwrap(), Limits::from(asked));
            return;
        };
        assert!(error.to_string().contains("FCHROOT"), "{error}");
        assert!(!sandboxed());
        let entered = Sandbox::new()
            .grant(&file, asked)
            .ceiling(Rights::WRITE)
            .best_effort()
            .enter()
            .unwrap();
        assert_eq!(entered.missing.len(), 1);
        assert_eq!(limits_of(&file).unwrap(), Limits::from(Rights::READ));
    });
}

/// A thread that opens a path when told to, and tells the error number.
fn opener() -> (mpsc::Sender<()>, mpsc::Receiver<Option<i32>>) {
    let (ask, asked) = mpsc::channel();
    let (answer, answers) = mpsc::channel();
    thread::spawn(move || {
        for () in asked {
            let outcome = File::open("/").err().and_then(|error| error.raw_os_error());
            let _ = answer.send(outcome);
        }
    });
    (ask, answers)
}

#[test]
fn the_mode_holds_for_threads_that_were_there_before() {
    alone(|| {
        let (ask, answers) = opener();
        ask.send(()).unwrap();
        assert_eq!(answers.recv().unwrap(), None);
        enter().unwrap();
        ask.send(()).unwrap();
        assert_eq!(answers.recv().unwrap(), Some(libc::ECAPMODE));
    });
}

#[test]
fn a_ceiling_in_a_threaded_process_is_refused_or_reported() {
    alone(|| {
        let (ask, answers) = opener();
        let file = fresh();
        let error = Sandbox::new().ceiling(Rights::READ).enter().unwrap_err();
        assert!(matches!(&error, Error::Unenforceable { .. }), "{error:?}");
        assert!(error.to_string().contains("2 threads"), "{error}");
        assert!(!sandboxed());
        assert_eq!(limits_of(&file).unwrap(), Limits::ALL);

        let entered = Sandbox::new().ceiling(Rights::READ).best_effort().enter().unwrap();
        assert_eq!(entered.missing.len(), 1);
        assert_eq!(limits_of(&file).unwrap(), Limits::from(Rights::READ));
        ask.send(()).unwrap();
        assert_eq!(answers.recv().unwrap(), Some(libc::ECAPMODE));
    });
}

#[test]
fn exactly_the_open_descriptors_are_found_in_either_mode() {
    alone(|| {
        let file = fresh();
        let high = copy_above(&file, 900);
        let open = |fd| {
            // SAFETY: `F_GETFD` has no third argument and changes nothing.
            unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
        };
        let expected: Vec<_> = (0..=high).filter(|fd| open(*fd)).collect();
        assert!(expected.contains(&file.as_fd().as_raw_fd()));
        assert_eq!(descriptors::open().unwrap(), Ok(expected.clone()));
        enter().unwrap();
        assert_eq!(descriptors::open().unwrap(), Ok(expected));
    });
}

#[test]
fn threads_are_seen_in_either_mode_and_not_after_they_ended() {
    alone(|| {
        for capability_mode in [false, true] {
            if capability_mode {
                enter().unwrap();
            }
            assert_eq!(threads::several(), None);
            let (hold, held) = mpsc::channel::<()>();
            let waiting = thread::spawn(move || held.recv());
            assert_eq!(threads::several(), Some(2));
            drop(hold);
            waiting.join().unwrap().unwrap_err();
            assert_eq!(threads::several(), None);
        }
    });
}
