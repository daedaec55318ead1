//! Limits of descriptors.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{AsFd, AsRawFd},
};

use crate::{
    Error, Fcntls, Ioctls, Limits, Rights, limit, limits_of,
    sys::freebsd::{
        limits::kernel_rights,
        rights_words::{from_words, to_words},
    },
};

fn fresh() -> File {
    tempfile::tempfile().expect("a temporary file")
}

#[track_caller]
fn is_not_capable(outcome: Result<(), Error>) {
    match outcome {
        Err(error @ Error::NotCapable { .. }) => {
            assert_eq!(error.raw_os_error(), Some(libc::ENOTCAPABLE));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_rights_are_those_of_libc() {
    let table = [
        (Rights::READ, libc::CAP_READ),
        (Rights::WRITE, libc::CAP_WRITE),
        (Rights::SEEK_TELL, libc::CAP_SEEK_TELL),
        (Rights::SEEK, libc::CAP_SEEK),
        (Rights::MMAP, libc::CAP_MMAP),
        (Rights::MMAP_X, libc::CAP_MMAP_X),
        (Rights::MMAP_RWX, libc::CAP_MMAP_RWX),
        (Rights::CREATE, libc::CAP_CREATE),
        (Rights::FEXECVE, libc::CAP_FEXECVE),
        (Rights::LOOKUP, libc::CAP_LOOKUP),
        (Rights::UNLINKAT, libc::CAP_UNLINKAT),
        (Rights::RENAMEAT_TARGET, libc::CAP_RENAMEAT_TARGET),
        (Rights::SOCK_CLIENT, libc::CAP_SOCK_CLIENT),
        (Rights::SOCK_SERVER, libc::CAP_SOCK_SERVER),
        (Rights::MAC_GET, libc::CAP_MAC_GET),
        (Rights::EVENT, libc::CAP_EVENT),
        (Rights::IOCTL, libc::CAP_IOCTL),
        (Rights::PDKILL, libc::CAP_PDKILL),
        (Rights::ACL_SET, libc::CAP_ACL_SET),
        (Rights::KQUEUE, libc::CAP_KQUEUE),
    ];
    let none = to_words(Rights::NONE);
    for (right, constant) in table {
        let index = usize::from(constant >> 58 & 1 == 1);
        assert_eq!(to_words(right)[index], constant, "{right}");
        assert_eq!(to_words(right)[1 - index], none[1 - index], "{right}");
        assert_eq!(from_words(to_words(right)), right);
    }
}

#[test]
fn a_fresh_descriptor_has_every_right() {
    assert_eq!(limits_of(&fresh()).unwrap(), Limits::ALL);
}

#[test]
fn every_right_of_the_kernel_can_be_left_alone_and_is_read_back() {
    for (name, right) in Rights::each() {
        if !kernel_rights().unwrap().contains(right) {
            println!("SKIPPED: this release has no {name}");
            continue;
        }
        let file = fresh();
        limit(&file, right).unwrap();
        assert_eq!(limits_of(&file).unwrap(), Limits::from(right), "{name}");
    }
}

#[test]
fn every_right_can_be_taken_from_all_and_only_that_is_missing() {
    let kernel = kernel_rights().unwrap();
    for (name, right) in Rights::each() {
        let file = fresh();
        let asked = Limits::from(Rights::ALL - right);
        limit(&file, asked.clone()).unwrap();
        let left = limits_of(&file).unwrap();
        let expected = if kernel.contains(right) { kernel - right } else { Rights::ALL };
        assert_eq!(left.rights, expected, "{name}");
        // What is asked for a second time is there.
        limit(&file, asked).unwrap();
    }
}

#[test]
fn a_limit_holds_for_the_file_itself() {
    let mut file = fresh();
    limit(&file, Rights::READ | Rights::SEEK).unwrap();
    let error = file.write_all(b"no").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOTCAPABLE));
    assert_eq!(file.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn a_copy_has_the_limits_of_the_original() {
    let file = fresh();
    limit(&file, Rights::READ).unwrap();
    let copy = file.try_clone().unwrap();
    assert_eq!(limits_of(&copy).unwrap(), Limits::from(Rights::READ));
}

#[test]
fn limiting_twice_narrows_and_never_widens() {
    let file = fresh();
    limit(&file, Rights::READ | Rights::WRITE).unwrap();
    limit(&file, Rights::READ).unwrap();
    limit(&file, Rights::READ).unwrap();
    is_not_capable(limit(&file, Rights::READ | Rights::WRITE));
    is_not_capable(limit(&file, Rights::ALL));
    assert_eq!(limits_of(&file).unwrap(), Limits::from(Rights::READ));
}

#[test]
fn commands_and_requests_narrow_and_never_widen() {
    let file = fresh();
    let rights = Rights::READ | Rights::FCNTL | Rights::IOCTL;
    let first =
        Limits::from(rights).fcntls(Fcntls::GETFL | Fcntls::SETFL).ioctls(Ioctls::only([1, 2, 3]));
    limit(&file, first.clone()).unwrap();
    assert_eq!(limits_of(&file).unwrap(), first);

    let second = first.clone().fcntls(Fcntls::GETFL).ioctls(Ioctls::only([2]));
    limit(&file, second.clone()).unwrap();
    assert_eq!(limits_of(&file).unwrap(), second);

    is_not_capable(limit(&file, second.clone().fcntls(Fcntls::SETFL)));
    is_not_capable(limit(&file, second.clone().ioctls(Ioctls::only([1]))));
    is_not_capable(limit(&file, second.clone().ioctls(Ioctls::All)));
    assert_eq!(limits_of(&file).unwrap(), second);

    let third = second.ioctls(Ioctls::none()).fcntls(Fcntls::NONE);
    limit(&file, third.clone()).unwrap();
    assert_eq!(limits_of(&file).unwrap(), third);
}

#[test]
fn without_the_right_there_are_no_commands_and_no_requests() {
    let file = fresh();
    let asked = Limits::from(Rights::READ).fcntls(Fcntls::ALL).ioctls(Ioctls::only([7]));
    limit(&file, asked).unwrap();
    assert_eq!(limits_of(&file).unwrap(), Limits::from(Rights::READ));
    // SAFETY: `F_GETFL` has no third argument and changes nothing.
    assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) }, -1);
    assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::ENOTCAPABLE));
}

#[test]
fn more_requests_than_the_kernel_takes_are_refused_before_anything_changes() {
    let file = fresh();
    let most = Limits::from(Rights::IOCTL).ioctls(Ioctls::only(1..=256));
    let more = Limits::from(Rights::IOCTL).ioctls(Ioctls::only(1..=257));
    let error = limit(&file, more).unwrap_err();
    assert!(matches!(error, Error::Unenforceable { .. }), "{error:?}");
    assert!(error.to_string().contains("256"), "{error}");
    assert_eq!(limits_of(&file).unwrap(), Limits::ALL);
    limit(&file, most.clone()).unwrap();
    assert_eq!(limits_of(&file).unwrap(), most);
}

#[test]
fn a_right_of_a_later_release_is_refused_by_name_before_anything_changes() {
    let lacking = Rights::ALL - kernel_rights().unwrap();
    if lacking.is_empty() {
        println!("SKIPPED: this release has every right");
    }
    for (name, right) in Rights::each().filter(|(_, right)| lacking.contains(*right)) {
        let file = fresh();
        let error = limit(&file, Rights::READ | right).unwrap_err();
        assert!(matches!(&error, Error::Unenforceable { .. }), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(limits_of(&file).unwrap(), Limits::ALL);
    }
}

#[test]
fn bits_that_are_no_rights_are_refused_before_anything_changes() {
    let file = fresh();
    let error = limit(&file, Rights::from_bits_retain(1 << 50 | 1)).unwrap_err();
    assert!(matches!(error, Error::Unenforceable { .. }), "{error:?}");
    assert_eq!(limits_of(&file).unwrap(), Limits::ALL);
}

#[test]
fn a_closed_descriptor_is_an_error_that_names_it() {
    let file = fresh();
    let number = file.as_fd().as_raw_fd();
    super::forked::alone(|| {
        // SAFETY: closes a descriptor that the body does not use as a file any more.
        assert_eq!(unsafe { libc::close(number) }, 0);
        let error = limits_of(&file).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        assert!(error.to_string().contains(&format!("descriptor {number}")), "{error}");
    });
}
