//! Ways out that were found by attack: see `tests/escape` for the programs that took them.

use super::*;
use crate::program::Names;

/// `SOL_SOCKET`, `IPPROTO_TCP`, `IPPROTO_IP`, `IPPROTO_IPV6`, `IPPROTO_SCTP`.
const LEVELS: [u64; 5] = [1, 6, 0, 41, 132];

#[test]
fn an_option_of_a_socket_that_reads_needs_read() {
    let [_, tcp, ..] = LEVELS;
    expect(&only(Rights::GETSOCKOPT), "getsockopt", &[3, tcp, 35, POINTER], INCAPABLE);
    expect(&only(Rights::GETSOCKOPT | Rights::READ), "getsockopt", &[3, tcp, 35, POINTER], ALLOWED);
    expect(&only(Rights::READ), "getsockopt", &[3, tcp, 35, POINTER], INCAPABLE);
}

#[test]
fn no_option_of_a_socket_makes_a_descriptor_or_tells_the_packet_filter() {
    let [socket, _, ip, ipv6, sctp] = LEVELS;
    for (level, option) in
        [(ip, 67), (socket, 77), (sctp, 102), (sctp, 122), (ip, 64), (ipv6, 65), (255, 1)]
    {
        let call = [3, level, option, POINTER];
        expect(&policy(Kind::Enter, Rights::ALL), "getsockopt", &call, GLOBAL);
    }
    for (level, option) in [(socket, 35), (socket, 4), (ip, 2), (ipv6, 26), (ipv6, 67), (17, 1)] {
        expect(&only(Rights::GETSOCKOPT), "getsockopt", &[3, level, option, POINTER], ALLOWED);
    }
}

#[test]
fn no_option_of_a_socket_routes_its_packets() {
    let [_, _, ip, ipv6, _] = LEVELS;
    for (level, option) in
        [(ip, 4), (ipv6, 6), (ipv6, 9), (ipv6, 54), (ipv6, 55), (ipv6, 57), (ipv6, 59)]
    {
        let call = [3, level, option, POINTER];
        expect(&policy(Kind::Enter, Rights::ALL), "setsockopt", &call, GLOBAL);
    }
    expect(&only(Rights::SETSOCKOPT), "setsockopt", &[3, ip, 6, POINTER], ALLOWED);
    expect(&only(Rights::SETSOCKOPT), "setsockopt", &[3, ipv6, 4, POINTER], ALLOWED);
}

#[test]
fn a_pinned_socket_that_takes_addresses_sends_no_message_whatever_its_rights() {
    let connects = only(Rights::WRITE | Rights::CONNECT);
    for call in ["sendmsg", "sendmmsg"] {
        expect(&connects, call, &[3, POINTER], INCAPABLE);
        let known = connects.clone().known(3, Object { addressless: true, ..Object::default() });
        expect(&known, call, &[3, POINTER], ALLOWED);
    }
}

#[test]
fn what_may_be_opened_again_through_procfs_is_not_followed_to() {
    let beneath = Rights::LOOKUP | Rights::READ;
    let mut policy = policy(Kind::Enter, Rights::READ).grant(3, beneath);
    expect(&policy, "openat", &[3, POINTER, 0], ALLOWED);
    policy.reopens = true;
    let nofollow = libc::O_NOFOLLOW.cast_unsigned().into();
    expect(&policy, "openat", &[3, POINTER, 0], INCAPABLE);
    expect(&policy, "openat", &[3, POINTER, nofollow], ALLOWED);
}

#[test]
fn a_program_without_names_of_programs_executes_none_by_descriptor() {
    let flags = libc::AT_EMPTY_PATH.cast_unsigned().into();
    let mut program = policy(Kind::Confine(Names::PATHS, Names::empty()), Rights::ALL);
    program.capability = false;
    expect(&program, "execveat", &[3, POINTER, 0, 0, flags], DENIED);
    let limit = policy(Kind::Limit, Rights::ALL).grant(3, Rights::READ).grant(4, Rights::FEXECVE);
    expect(&limit, "execveat", &[3, POINTER, 0, 0, flags], INCAPABLE);
    expect(&limit, "execveat", &[4, POINTER, 0, 0, flags], ALLOWED);
}

#[test]
fn without_landlock_the_limit_of_cores_stays_as_it_is() {
    let core = 4;
    let mut policy = policy(Kind::Enter, Rights::NONE);
    expect(&policy, "setrlimit", &[core, POINTER], ALLOWED);
    expect(&policy, "prlimit64", &[0, core, POINTER, 0], ALLOWED);
    policy.landlock = false;
    expect(&policy, "setrlimit", &[core, POINTER], GLOBAL);
    expect(&policy, "setrlimit", &[core | 1 << 32, POINTER], GLOBAL);
    expect(&policy, "setrlimit", &[7, POINTER], ALLOWED);
    expect(&policy, "prlimit64", &[0, core, POINTER, 0], GLOBAL);
    expect(&policy, "prlimit64", &[0, core, 1 << 32, 0], GLOBAL);
    expect(&policy, "prlimit64", &[0, core, 0, POINTER], ALLOWED);
    expect(&policy, "prlimit64", &[0, 7, POINTER, 0], ALLOWED);
    expect(&policy, "prlimit64", &[9, 7, 0, POINTER], GLOBAL);
    // A confined program's cores go to its private root.
    let mut program = policy.clone();
    program.kind = Kind::Confine(Names::empty(), Names::empty());
    program.capability = false;
    expect(&program, "setrlimit", &[core, POINTER], ALLOWED);
    expect(&program, "prlimit64", &[0, core, POINTER, 0], ALLOWED);
}

#[test]
fn no_terminal_is_watched_asynchronously() {
    let all = policy(Kind::Enter, Rights::ALL);
    let (set, watched) = (4, libc::O_ASYNC.cast_unsigned().into());
    expect(&all, "fcntl", &[3, set, watched], GLOBAL);
    expect(&all, "fcntl", &[3, set, libc::O_NONBLOCK.cast_unsigned().into()], ALLOWED);
    // The argument of other commands is no flag.
    expect(&all, "fcntl", &[3, 2, watched], ALLOWED);
}

#[test]
fn no_page_is_taken_out_of_use() {
    let all = policy(Kind::Enter, Rights::ALL);
    for advice in [100, 101] {
        expect(&all, "madvise", &[POINTER, 4096, advice], GLOBAL);
    }
    expect(&all, "madvise", &[POINTER, 4096, 4], ALLOWED);
}

#[test]
fn an_attribute_that_may_be_the_mode_needs_fchmod() {
    let parts = [Rights::EXTATTR_SET, Rights::FCHMOD];
    let all = parts.into_iter().fold(Rights::NONE, |all, part| all | part);
    expect(&only(all), "fsetxattr", &[3, POINTER], ALLOWED);
    for part in parts {
        expect(&only(all.difference(part)), "fsetxattr", &[3, POINTER], INCAPABLE);
    }
}

#[test]
fn a_process_of_roots_does_not_take_all_time_for_itself() {
    const RESET: u64 = 0x4000_0000;
    let nothing = policy(Kind::Enter, Rights::NONE);
    for usual in [0, 3, 5, RESET, RESET | 3, RESET | 5] {
        expect(&nothing, "sched_setscheduler", &[0, usual, POINTER], ALLOWED);
    }
    for real_time in [1, 2, 6, 7, RESET | 1, RESET | 2] {
        expect(&only(Rights::ALL), "sched_setscheduler", &[0, real_time, POINTER], GLOBAL);
    }
    for nice in [0, 1, 19] {
        expect(&nothing, "setpriority", &[0, 0, nice], ALLOWED);
    }
    for better in [-1_i64, -20] {
        expect(&only(Rights::ALL), "setpriority", &[0, 0, better.cast_unsigned()], GLOBAL);
    }
    for class in [0, 2, 3] {
        expect(&nothing, "ioprio_set", &[1, 0, class << 13 | 7], ALLOWED);
    }
    expect(&only(Rights::ALL), "ioprio_set", &[1, 0, 1 << 13 | 7], GLOBAL);
}
