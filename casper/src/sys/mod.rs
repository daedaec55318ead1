//! The platform seam: two modules with the same functions, and the only `unsafe` of the crate.

#[cfg(not(all(target_os = "freebsd", feature = "native")))]
mod absent;
mod files;
#[cfg(target_os = "freebsd")]
mod freebsd;
mod group;
#[cfg(target_os = "linux")]
mod linux;
mod netdb;
mod passwd;
mod posix;
mod resolver;

#[cfg(not(all(target_os = "freebsd", feature = "native")))]
pub(crate) use absent::Libcasper;
#[cfg(all(target_os = "freebsd", feature = "native"))]
pub(crate) use freebsd::native::Libcasper;
#[cfg(target_os = "freebsd")]
pub(crate) use freebsd::*;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

pub(crate) use files::{descriptors_at_most, discard, hung_up, memory, user, wait_again};
pub(crate) use group::{GroupEntry, group_by_gid, group_by_name, groups};
pub(crate) use netdb::{
    RawProtocol, RawService, protocol_by_name, protocol_by_number, service_by_name, service_by_port,
};
pub(crate) use passwd::{Entry, entries, entry_by_name, entry_by_uid};
pub(crate) use posix::{LocalTime, as_ordinary_user, local_time, refuse_root, resolver_message};
#[cfg(all(target_os = "freebsd", feature = "native"))]
pub(crate) use resolver::RawAddress;
pub(crate) use resolver::{RawAddresses, RawHints, Unresolved, getaddrinfo, getnameinfo};
