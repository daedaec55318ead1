//! What is asked and answered, in plain types.

use std::{
    ffi::OsString,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// `AF_INET`
    V4,
    /// `AF_INET6`
    V6,
}

/// What a channel to [`Service::Dns`](crate::Service::Dns) may be limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DnsType {
    /// `NAME2ADDR`: addresses of names.
    NameToAddress,
    /// `ADDR2NAME`: names of addresses.
    AddressToName,
}

/// What getaddrinfo(3) is asked. The numbers are those of libc; 0 leaves it open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<'a> {
    /// The host, by name or in numbers.
    pub host: Option<&'a str>,
    /// The service, by name or in numbers.
    pub service: Option<&'a str>,
    /// The family; none stated means any. A channel that is limited to families needs one.
    pub family: Option<Family>,
    /// `SOCK_STREAM` and the like.
    pub socket_type: i32,
    /// `IPPROTO_TCP` and the like.
    pub protocol: i32,
    /// `AI_` flags.
    pub flags: i32,
}

/// An answer of getaddrinfo(3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The address.
    pub address: SocketAddr,
    /// `SOCK_STREAM` and the like.
    pub socket_type: i32,
    /// `IPPROTO_TCP` and the like.
    pub protocol: i32,
    /// The canonical name, in the first answer, where `AI_CANONNAME` asked for it.
    pub canonical: Option<OsString>,
}

/// An answer of gethostbyname(3) or gethostbyaddr(3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its official name.
    pub name: OsString,
    /// Its other names.
    pub aliases: Vec<OsString>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// A user: `struct passwd`. What the limits of the channel hide is empty or `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `pw_name`
    pub name: OsString,
    /// `pw_passwd`; `*` unless root asks.
    pub password: OsString,
    /// `pw_uid`
    pub uid: Option<u32>,
    /// `pw_gid`
    pub gid: Option<u32>,
    /// `pw_change`: when the password must be changed, in seconds since 1970; 0 is never.
    pub change: i64,
    /// `pw_class`
    pub class: OsString,
    /// `pw_gecos`
    pub gecos: OsString,
    /// `pw_dir`
    pub home: PathBuf,
    /// `pw_shell`
    pub shell: PathBuf,
    /// `pw_expire`: when the account expires, in seconds since 1970; 0 is never.
    pub expire: i64,
}

/// A group: `struct group`. What the limits of the channel hide is empty or `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `gr_name`
    pub name: OsString,
    /// `gr_passwd`
    pub password: OsString,
    /// `gr_gid`
    pub gid: Option<u32>,
    /// `gr_mem`
    pub members: Vec<OsString>,
}

/// What channels to users and groups can be limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// One by its name.
    ByName,
    /// One by its number.
    ById,
    /// All of them in turn, and starting over.
    Entries,
}

/// The fields of a [`User`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserField {
    /// `pw_name`
    Name,
    /// `pw_passwd`
    Password,
    /// `pw_uid`
    Uid,
    /// `pw_gid`
    Gid,
    /// `pw_change`
    Change,
    /// `pw_class`
    Class,
    /// `pw_gecos`
    Gecos,
    /// `pw_dir`
    Home,
    /// `pw_shell`
    Shell,
    /// `pw_expire`
    Expire,
}

/// The fields of a [`Group`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupField {
    /// `gr_name`
    Name,
    /// `gr_passwd`
    Password,
    /// `gr_gid`
    Gid,
    /// `gr_mem`
    Members,
}

/// A protocol: `struct protoent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Its name.
    pub name: OsString,
    /// Its other names.
    pub aliases: Vec<OsString>,
    /// Its number.
    pub number: i32,
}

/// What a channel to files can do with them, and what the files are opened for.
#[derive(Clone, Copy, Debug)]
pub struct FileRules {
    /// `FA_OPEN`: they may be opened.
    pub open: bool,
    /// `FA_LSTAT`: lstat(2).
    pub lstat: bool,
    /// `FA_REALPATH`: realpath(3).
    pub realpath: bool,
    /// The flags of open(2). `O_CLOEXEC` is added.
    pub flags: i32,
    /// The mode of files that are created, with `O_CREAT`.
    pub mode: u16,
    /// The rights that each descriptor is limited to: the words of a `cap_rights_t` without version and
    /// index. `None` leaves the descriptor as open(2) gave it.
    pub rights: Option<[u64; 2]>,
}

/// What lstat(2) says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// `st_mode`: type and permissions.
    pub mode: u32,
    /// `st_size`, in bytes.
    pub size: u64,
    /// `st_uid`
    pub uid: u32,
    /// `st_gid`
    pub gid: u32,
    /// `st_dev`
    pub device: u64,
    /// `st_ino`
    pub inode: u64,
    /// `st_nlink`
    pub links: u64,
    /// `st_rdev`
    pub special: u64,
    /// `st_blksize`
    pub block_size: u64,
    /// `st_blocks`, of 512 bytes
    pub blocks: u64,
    /// `st_atim`: seconds since 1970, and nanoseconds.
    pub accessed: (i64, i64),
    /// `st_mtim`
    pub modified: (i64, i64),
    /// `st_ctim`
    pub changed: (i64, i64),
}

/// What a channel to the network can do at all: the modes of cap_net_limit_init(3), without the
/// deprecated ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a mode of its own")]
pub struct NetModes {
    /// `CAPNET_NAME2ADDR`: addresses of names.
    pub resolve: bool,
    /// `CAPNET_ADDR2NAME`: names of addresses.
    pub name: bool,
    /// `CAPNET_CONNECT`: connecting.
    pub connect: bool,
    /// `CAPNET_CONNECTDNS`: connecting to what was resolved on this channel or a clone of it.
    pub connect_resolved: bool,
    /// `CAPNET_BIND`: binding.
    pub bind: bool,
}

/// What a channel to the network is limited to. A list that is `None` is not limited. Who means harm, and has the
/// socket, can undo lists, and not the modes.
///
/// libcap_net keeps the lists that a channel has only where they are stated again: one that is left out
/// is `ENOTCAPABLE`, but for `resolve_families` beside `hosts`, and `name_families` beside `names`.
/// State them anew each time.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetLimits<'a> {
    /// What can be done at all.
    pub modes: NetModes,
    /// Hosts and services that may be resolved; `None` in one stands for any.
    pub hosts: Option<&'a [(Option<&'a str>, Option<&'a str>)]>,
    /// Families that may be resolved to.
    pub resolve_families: Option<&'a [Family]>,
    /// Addresses whose names may be asked for, with the port.
    pub names: Option<&'a [SocketAddr]>,
    /// Families of addresses whose names may be asked for.
    pub name_families: Option<&'a [Family]>,
    /// Addresses that may be connected to.
    pub connect: Option<&'a [SocketAddr]>,
    /// Addresses that may be bound to.
    pub bind: Option<&'a [SocketAddr]>,
}

/// A variable of the kernel, and what may be done with it.
#[derive(Clone, Copy, Debug)]
pub struct SysctlLimit<'a> {
    /// Which.
    pub variable: Variable<'a>,
    /// `CAP_SYSCTL_READ`
    pub read: bool,
    /// `CAP_SYSCTL_WRITE`
    pub write: bool,
    /// `CAP_SYSCTL_RECURSIVE`: with all that is below it.
    pub recursive: bool,
}

/// A variable of the kernel. One that is limited by its number cannot be asked for by its name; one that
/// is limited by its name can be asked for by both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable<'a> {
    /// By its name: `kern.ostype`.
    Name(&'a str),
    /// By its number.
    Mib(&'a [i32]),
}
