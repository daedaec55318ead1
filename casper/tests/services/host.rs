//! What cases find on most hosts, and not on every one: why this one cannot run them.

use std::{
    ffi::CStr,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket},
    path::Path,
    time::Duration,
};

use crate::net;

fn user(name: &CStr) -> Option<u32> {
    // SAFETY: the name is a C string, and there is one thread; what comes back is null or an entry.
    unsafe { libc::getpwnam(name.as_ptr()).as_ref().map(|user| user.pw_uid) }
}

fn group(name: &CStr) -> Option<u32> {
    // SAFETY: as for users.
    unsafe { libc::getgrnam(name.as_ptr()).as_ref().map(|group| group.gr_gid) }
}

/// FreeBSD's C library reads the users from a database beside /etc/passwd, which pwd_mkdb(8) writes.
pub(crate) fn users() -> Option<String> {
    let known = user(c"root") == Some(0) && user(c"nobody") == Some(65_534);
    (!known)
        .then(|| "the C library of this host does not know the users root and nobody".to_owned())
}

/// Those of which the cases know the numbers, and another one.
pub(crate) fn groups() -> Option<String> {
    let (first, nobody) =
        if cfg!(target_os = "linux") { (c"root", c"nogroup") } else { (c"wheel", c"nobody") };
    let known = group(first) == Some(0) && group(nobody).is_some();
    // SAFETY: as for users.
    let known = known && !unsafe { libc::getgrgid(1) }.is_null();
    (!known).then(|| "the C library of this host does not know the groups of most hosts".to_owned())
}

pub(crate) fn users_and_groups() -> Option<String> {
    users().or_else(groups)
}

/// Also where no server knows it.
pub(crate) fn localhost() -> Option<String> {
    let found = ("localhost", 0).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
    let known = found.is_ok_and(|found| {
        found.iter().all(|found| found.ip().is_loopback())
            && found.iter().any(|found| found.ip() == IpAddr::from(Ipv4Addr::LOCALHOST))
    });
    (!known).then(|| {
        "this host does not know localhost as 127.0.0.1: /etc/hosts does not say it".to_owned()
    })
}

/// A name, and services by theirs.
pub(crate) fn localhost_and_services() -> Option<String> {
    localhost().or_else(services)
}

pub(crate) fn services() -> Option<String> {
    missing(&["/etc/services"])
}

/// Which of these paths this host does not have.
pub(crate) fn missing(paths: &[&str]) -> Option<String> {
    let missing = paths.iter().find(|path| !Path::new(path).exists())?;
    Some(format!("this host has no {missing}"))
}

/// The address of its loopback interface, and so a kernel that has IPv6.
pub(crate) fn ipv6() -> Option<String> {
    let error = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).err()?;
    Some(format!("this host has no ::1: {error}"))
}

/// FreeBSD makes a connection before it looks whether there is room for it, and breaks it off then.
pub(crate) fn full_listener() -> Option<String> {
    let waits = net::waits_for_ever(Duration::from_millis(200));
    (!matches!(waits, Ok(true))).then(|| {
        "connecting to a listener that accepts nobody does not wait on this system".to_owned()
    })
}
