//! Resolving names and addresses by the C library, which `Dns` and `Net` do.

use std::{
    ffi::{CString, c_int},
    io,
    net::{IpAddr, SocketAddr},
};

use capsicum_rs::Rights;
use sandbox_spawn::Path;
use serde::{Deserialize, Serialize};

use crate::{
    Failure, reach,
    sys::{self, RawAddresses, RawHints, Unresolved},
};

bitflags::bitflags! {
    /// Families of addresses. A set without any is none, never all.
    ///
    /// An IPv4 address that is written as an IPv6 one (`::ffff:192.0.2.1`) is one of IPv4, since that is
    /// where it leads.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Families: u8 {
        /// `AF_INET`
        const V4 = 1;
        /// `AF_INET6`
        const V6 = 1 << 1;
    }
}

impl Families {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.to_canonical().is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

bitflags::bitflags! {
    /// What getaddrinfo(3) is to do: its `AI_` flags.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Flags: u16 {
        /// Without a name: the addresses to bind to, rather than those to connect to.
        const PASSIVE = 1;
        /// The canonical name too.
        const CANONNAME = 1 << 1;
        /// The name is an address: nobody is asked.
        const NUMERICHOST = 1 << 2;
        /// The service is a port.
        const NUMERICSERV = 1 << 3;
        /// Only families of which the host has an address.
        const ADDRCONFIG = 1 << 4;
        /// IPv4 addresses, written as IPv6 ones, where there are none of IPv6.
        const V4MAPPED = 1 << 5;
        /// With `V4MAPPED`: besides those of IPv6.
        const ALL = 1 << 6;
    }
}

bitflags::bitflags! {
    /// What getnameinfo(3) is to do: its `NI_` flags.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct NameFlags: u16 {
        /// The name without the domain of this host.
        const NOFQDN = 1;
        /// The address rather than the name: nobody is asked.
        const NUMERICHOST = 1 << 1;
        /// An error where there is no name, rather than the address.
        const NAMEREQD = 1 << 2;
        /// The port rather than the service.
        const NUMERICSERV = 1 << 3;
        /// The service of datagrams rather than of streams.
        const DGRAM = 1 << 4;
    }
}

/// Kinds of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// `SOCK_STREAM`: TCP.
    Stream,
    /// `SOCK_DGRAM`: UDP.
    Datagram,
    /// `SOCK_RAW`
    Raw,
    /// `SOCK_SEQPACKET`: SCTP.
    Sequenced,
}

const KINDS: [(Kind, c_int); 4] = [
    (Kind::Stream, libc::SOCK_STREAM),
    (Kind::Datagram, libc::SOCK_DGRAM),
    (Kind::Raw, libc::SOCK_RAW),
    (Kind::Sequenced, libc::SOCK_SEQPACKET),
];

impl Kind {
    fn number(self) -> c_int {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or(0, |(_, number)| *number)
    }

    fn of(number: c_int) -> Option<Self> {
        KINDS.iter().find(|(_, known)| *known == number).map(|(kind, _)| *kind)
    }
}

/// What is wanted of getaddrinfo(3); by default everything that the channel may ask for.
///
/// ```
/// use casper::dns::{Families, Flags, Hints, Kind};
///
/// let hints = Hints::default().families(Families::V4).kind(Kind::Stream).flags(Flags::NUMERICHOST);
/// # let _ = hints;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Hints {
    pub(crate) families: Option<Families>,
    pub(crate) kind: Option<Kind>,
    pub(crate) flags: Flags,
}

impl Hints {
    /// Addresses of these families, rather than of those that the channel may ask for.
    pub fn families(self, families: Families) -> Self {
        Self { families: Some(families), ..self }
    }

    /// For this kind of sockets, rather than for each.
    pub fn kind(self, kind: Kind) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// With these flags.
    pub fn flags(self, flags: Flags) -> Self {
        Self { flags, ..self }
    }
}

/// An address that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddressInfo {
    /// The address, with the port of the service, or 0.
    #[serde(with = "crate::address")]
    pub address: SocketAddr,
    /// For which kind of sockets.
    pub kind: Kind,
    /// The number of the protocol, such as 6 for TCP.
    pub protocol: i32,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Found {
    /// The addresses, best first, as the C library sorts them.
    pub addresses: Vec<AddressInfo>,
    /// The canonical name, where it was asked for. Whoever answers may have made it up.
    pub canonical: Option<String>,
}

/// Addresses of an answer: those of more are an error, and fit in a frame.
pub(crate) const MOST: usize = 1024;
/// Bytes of the name of a host (`NI_MAXHOST`, with its NUL), and of a service.
const LONGEST_HOST: usize = 1024;
const LONGEST_SERVICE: usize = 64;

fn words(text: Option<&str>, what: &str, longest: usize) -> Result<Option<CString>, Failure> {
    let Some(text) = text else { return Ok(None) };
    if text.len() > longest {
        return Err(Failure::invalid(format!("the name of a {what} has at most {longest} bytes")));
    }
    let words = CString::new(text);
    words.map(Some).map_err(|_| Failure::invalid(format!("the name of a {what} has no NUL")))
}

fn unresolved(call: &str, what: String, why: Unresolved) -> Failure {
    match why {
        Unresolved::Code(code) => Failure::Resolve { what, code },
        Unresolved::System(error) => Failure::system(format!("{call}({what})"))(error),
    }
}

/// The numbers of flags in the C library.
fn numbers<F: bitflags::Flags>(flags: &F, known: &[(F, c_int)]) -> c_int {
    known
        .iter()
        .filter(|(flag, _)| flags.contains(F::from_bits_retain(flag.bits())))
        .fold(0, |all, (_, number)| all | number)
}

/// A question for getaddrinfo(3) that may be asked, whoever asks it.
pub(crate) struct Question {
    name: Option<CString>,
    service: Option<CString>,
    pub(crate) hints: RawHints,
    allowed: Families,
}

impl Question {
    /// Of what is held to these families.
    pub(crate) fn new(
        name: Option<&str>,
        service: Option<&str>,
        hints: Hints,
        allowed: Families,
    ) -> Result<Self, Failure> {
        let (name, service) =
            (words(name, "host", LONGEST_HOST)?, words(service, "service", LONGEST_SERVICE)?);
        let families = hints.families.unwrap_or(allowed);
        if !Flags::all().contains(hints.flags) || !Families::all().contains(families) {
            return Err(Failure::invalid("flags or families that there are not"));
        }
        if hints.families.is_some_and(|families| families.is_empty()) {
            return Err(Failure::invalid("an address has a family"));
        }
        let mapped = hints.flags.contains(Flags::V4MAPPED);
        let needed = if mapped { families | Families::V4 } else { families };
        if needed.is_empty() || !allowed.contains(needed) {
            return Err(Failure::not_capable(format!("addresses of {needed:?}")));
        }
        let hints = RawHints {
            flags: numbers(&hints.flags, FLAGS),
            family: match (families.contains(Families::V4), families.contains(Families::V6)) {
                (true, false) => libc::AF_INET,
                (false, true) => libc::AF_INET6,
                _ => libc::AF_UNSPEC,
            },
            kind: hints.kind.map_or(0, Kind::number),
        };
        Ok(Self { name, service, hints, allowed })
    }

    /// In words, for errors.
    fn what(&self) -> String {
        let (name, service) = (self.name.as_deref(), self.service.as_deref());
        format!("{:?}, service {:?}", name.unwrap_or_default(), service.unwrap_or_default())
    }

    /// What the answer is: the addresses, and whether there are more than [`MOST`].
    pub(crate) fn answer(
        self,
        found: Result<(RawAddresses, bool), Unresolved>,
    ) -> Result<Found, Failure> {
        let (found, more) = found.map_err(|why| unresolved("getaddrinfo", self.what(), why))?;
        if more {
            let what = format!("getaddrinfo({}), of more than {MOST} addresses", self.what());
            return Err(Failure::system(what)(io::Error::from_raw_os_error(libc::EFBIG)));
        }
        let addresses = found.addresses.iter().filter_map(|found| {
            let kind = Kind::of(found.kind)?;
            Some(AddressInfo { address: found.address, kind, protocol: found.protocol })
        });
        let (addresses, others): (Vec<_>, Vec<_>) =
            addresses.partition(|found| self.allowed.contains(Families::of(found.address.ip())));
        if addresses.is_empty() && !others.is_empty() {
            // An address of IPv4 was written as one of IPv6.
            return Err(Failure::not_capable("addresses of Families(V4)"));
        }
        let canonical = found.canonical.map(|name| text(name, "canonical name")).transpose()?;
        Ok(Found { addresses, canonical })
    }
}

/// getaddrinfo(3), held to these families.
pub(crate) fn resolve(
    name: Option<&str>,
    service: Option<&str>,
    hints: Hints,
    allowed: Families,
) -> Result<Found, Failure> {
    let question = Question::new(name, service, hints, allowed)?;
    let (name, service) = (question.name.as_deref(), question.service.as_deref());
    let found = sys::getaddrinfo(name, service, question.hints, MOST);
    question.answer(found)
}

fn text(name: Vec<u8>, what: &str) -> Result<String, Failure> {
    String::from_utf8(name).map_err(|_| Failure::invalid(format!("the {what} is no UTF-8")))
}

/// The flags of a question for getnameinfo(3) that may be asked, in its numbers.
pub(crate) fn name_flags(
    address: SocketAddr,
    flags: NameFlags,
    allowed: Families,
) -> Result<c_int, Failure> {
    if !NameFlags::all().contains(flags) {
        return Err(Failure::invalid("flags that there are not"));
    }
    let family = Families::of(address.ip());
    if !allowed.contains(family) {
        return Err(Failure::not_capable(format!("names of addresses of {family:?}")));
    }
    Ok(numbers(&flags, NAME_FLAGS))
}

/// What the answer is.
pub(crate) fn named(
    address: SocketAddr,
    names: Result<(Vec<u8>, Vec<u8>), Unresolved>,
) -> Result<(String, String), Failure> {
    let (host, service) =
        names.map_err(|why| unresolved("getnameinfo", address.to_string(), why))?;
    Ok((text(host, "name of the host")?, text(service, "name of the service")?))
}

/// getnameinfo(3), held to these families.
pub(crate) fn name(
    address: SocketAddr,
    flags: NameFlags,
    allowed: Families,
) -> Result<(String, String), Failure> {
    let flags = name_flags(address, flags, allowed)?;
    named(address, sys::getnameinfo(address, flags))
}

const FLAGS: &[(Flags, c_int)] = &[
    (Flags::PASSIVE, libc::AI_PASSIVE),
    (Flags::CANONNAME, libc::AI_CANONNAME),
    (Flags::NUMERICHOST, libc::AI_NUMERICHOST),
    (Flags::NUMERICSERV, libc::AI_NUMERICSERV),
    (Flags::ADDRCONFIG, libc::AI_ADDRCONFIG),
    (Flags::V4MAPPED, libc::AI_V4MAPPED),
    (Flags::ALL, libc::AI_ALL),
];

const NAME_FLAGS: &[(NameFlags, c_int)] = &[
    (NameFlags::NOFQDN, libc::NI_NOFQDN),
    (NameFlags::NUMERICHOST, libc::NI_NUMERICHOST),
    (NameFlags::NAMEREQD, libc::NI_NAMEREQD),
    (NameFlags::NUMERICSERV, libc::NI_NUMERICSERV),
    (NameFlags::DGRAM, libc::NI_DGRAM),
];

/// What the resolver reads besides, on Linux: where its configuration leads, and what its modules keep.
/// Their sockets are addresses.
const RESOLVER: &[Path] = &[
    read("/run/systemd/resolve"),
    read("/run/NetworkManager"),
    read("/run/resolvconf"),
    read("/run/connman"),
    read("/mnt/wsl"),
    read("/var/lib/sss/mc"),
    read("/var/cache/nscd"),
];

const fn read(path: &'static str) -> Path {
    Path::if_there(path, Rights::READ)
}

/// What whoever resolves can reach of the file system, on Linux.
pub(crate) const REACH: &[Path] = &joined();

const fn joined() -> [Path; reach::NAME_SERVICE.len() + RESOLVER.len()] {
    let mut all = [RESOLVER[0]; reach::NAME_SERVICE.len() + RESOLVER.len()];
    let mut next = 0;
    while next < all.len() {
        all[next] = if next < reach::NAME_SERVICE.len() {
            reach::NAME_SERVICE[next]
        } else {
            RESOLVER[next - reach::NAME_SERVICE.len()]
        };
        next += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Families = Families::all();

    fn numeric(name: &str, hints: Hints, allowed: Families) -> Result<Found, Failure> {
        resolve(Some(name), None, hints.flags(hints.flags | Flags::NUMERICHOST), allowed)
    }

    fn not_capable<T: std::fmt::Debug>(result: &Result<T, Failure>) {
        assert!(matches!(result, Err(Failure::NotCapable(_))), "{result:?}");
    }

    #[test]
    fn an_ipv4_address_is_one_however_it_is_written() {
        let hints = Hints::default();
        assert!(numeric("192.0.2.1", hints, Families::V4).is_ok());
        assert!(numeric("2001:db8::1", hints, Families::V6).is_ok());
        not_capable(&numeric("::ffff:192.0.2.1", hints, Families::V6));
        not_capable(&numeric("192.0.2.1", hints.flags(Flags::V4MAPPED), Families::V6));
        let all = hints.flags(Flags::V4MAPPED | Flags::ALL).families(Families::V6);
        not_capable(&numeric("192.0.2.1", all, Families::V6));
        assert!(numeric("192.0.2.1", all, ALL).is_ok());
        not_capable(&name(
            "[::ffff:192.0.2.1]:80".parse().unwrap(),
            NameFlags::all(),
            Families::V6,
        ));
    }

    #[test]
    fn no_family_is_none() {
        not_capable(&numeric("192.0.2.1", Hints::default(), Families::empty()));
        not_capable(&numeric("192.0.2.1", Hints::default().families(ALL), Families::V4));
        let none = Hints::default().families(Families::empty());
        assert!(matches!(numeric("192.0.2.1", none, ALL), Err(Failure::Invalid(_))));
    }

    /// Whatever is combined has an answer or an error.
    #[test]
    fn every_combination_of_hints_comes_back() {
        let kinds = [
            None,
            Some(Kind::Stream),
            Some(Kind::Datagram),
            Some(Kind::Raw),
            Some(Kind::Sequenced),
        ];
        let families = [None, Some(0), Some(1), Some(2), Some(3), Some(0xff)];
        for (bits, (kind, families)) in (0..0x100_u16)
            .flat_map(|bits| kinds.map(|kind| (bits, kind)))
            .flat_map(|(bits, kind)| families.map(|families| (bits, (kind, families))))
        {
            let flags = Flags::from_bits_retain(bits) | Flags::NUMERICHOST | Flags::NUMERICSERV;
            let families = families.map(Families::from_bits_retain);
            let hints = Hints { families, kind, flags };
            for (name, service) in [
                (None, None),
                (Some("192.0.2.1"), Some("80")),
                (Some("::1"), Some("99999999999")),
                (None, Some("0")),
                (Some(""), Some("")),
            ] {
                let found = resolve(name, service, hints, ALL);
                let known = Flags::all().contains(flags);
                assert!(known || matches!(found, Err(Failure::Invalid(_))), "{hints:?}: {found:?}");
            }
        }
    }

    #[test]
    fn names_have_an_end() {
        let long = "a".repeat(LONGEST_HOST + 1);
        for (name, service) in [
            (Some("a\0b"), None),
            (Some(long.as_str()), None),
            (None, Some("\0")),
            (None, Some(long.as_str())),
        ] {
            let found = resolve(name, service, Hints::default(), ALL);
            assert!(matches!(found, Err(Failure::Invalid(_))), "{found:?}");
        }
    }

    #[test]
    fn a_code_is_kept() {
        let found = numeric("no.address", Hints::default(), ALL);
        assert!(matches!(found, Err(Failure::Resolve { code: libc::EAI_NONAME, .. })), "{found:?}");
    }
}
