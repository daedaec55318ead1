//! Filters that take from a process what some hosts lack, as a container's filter does.

use std::{io, mem, ptr};

use libc::{c_long, sock_filter, sock_fprog};

/// Namespace flags of clone(2) and unshare(2), as one mask.
pub(crate) const NAMESPACES: u32 = 0x7e02_0000;

/// `CLONE_NEWUSER`.
pub(crate) const USER_NAMESPACES: u32 = 0x1000_0000;

/// The calls of Landlock.
const LANDLOCK: [c_long; 3] = [444, 445, 446];

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap(), jt: 0, jf: 0, k }
}

fn jump(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { jt, jf, ..statement(libc::BPF_JMP | code | libc::BPF_K, k) }
}

fn load(offset: u32) -> sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

fn answer(errno: i32) -> sock_filter {
    let answer = libc::SECCOMP_RET_ERRNO | errno.cast_unsigned();
    statement(libc::BPF_RET | libc::BPF_K, answer)
}

fn number(call: c_long) -> u32 {
    u32::try_from(call).unwrap()
}

/// Refuses new namespaces of these kinds with `EPERM`; if all kinds, then unshare(2) altogether, as
/// the filters of containers do. With `landlock`, its calls do not exist either.
pub(crate) fn without(namespaces: u32, landlock: bool) -> Vec<sock_filter> {
    let mut filter = vec![load(0)];
    filter.extend([jump(libc::BPF_JEQ, number(libc::SYS_clone3), 0, 1), answer(libc::ENOSYS)]);
    if landlock {
        for call in LANDLOCK {
            filter.extend([jump(libc::BPF_JEQ, number(call), 0, 1), answer(libc::ENOSYS)]);
        }
    }
    if namespaces == NAMESPACES {
        let unshare = number(libc::SYS_unshare);
        filter.extend([jump(libc::BPF_JEQ, unshare, 0, 1), answer(libc::EPERM)]);
    }
    filter.extend([
        jump(libc::BPF_JEQ, number(libc::SYS_clone), 1, 0),
        jump(libc::BPF_JEQ, number(libc::SYS_unshare), 0, 3),
        // The low half of the first argument, on machines with the low byte first.
        load(16),
        jump(libc::BPF_JSET, namespaces, 0, 1),
        answer(libc::EPERM),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ]);
    filter
}

/// Refuses namespaces, and listeners (`SECCOMP_FILTER_FLAG_NEW_LISTENER`) with `EPERM`, as the filter
/// of an outer sandbox does.
pub(crate) fn without_listeners() -> Vec<sock_filter> {
    let flag = u32::try_from(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER).unwrap();
    let mut filter = vec![
        load(0),
        jump(libc::BPF_JEQ, number(libc::SYS_seccomp), 0, 3),
        // The low half of the second argument.
        load(24),
        jump(libc::BPF_JSET, flag, 0, 1),
        answer(libc::EPERM),
    ];
    filter.extend(without(NAMESPACES, false));
    filter
}

/// Installs a filter in the calling process. Async-signal-safe.
pub(crate) fn install(filter: &mut [sock_filter]) -> io::Result<()> {
    let program =
        sock_fprog { len: u16::try_from(filter.len()).unwrap_or(0), filter: filter.as_mut_ptr() };
    // SAFETY: takes integers only.
    let privileges = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    // SAFETY: the program has as many instructions as stated.
    let installed = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    if privileges != 0 || installed != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[test]
fn the_filter_refuses_namespaces_and_nothing_else() {
    let mut filter = without(USER_NAMESPACES, true);
    // SAFETY: the child makes a few system calls and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let installed = install(&mut filter).is_ok();
        // SAFETY: these take integers and null.
        let held = unsafe {
            libc::unshare(libc::CLONE_NEWUSER) == -1
                && libc::unshare(libc::CLONE_FILES) == 0
                && libc::syscall(444, ptr::null::<u8>(), 0, 1) == -1
                && libc::getpid() > 0
        };
        // SAFETY: ends the child.
        unsafe { libc::_exit(i32::from(!(installed && held))) };
    }
    let mut status = 0;
    // SAFETY: the kernel writes one int.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 0));
    assert!(mem::size_of::<sock_filter>() == 8);
}
