//! The services of libcasper.

use std::fmt;

/// A service of libcasper that this crate has wrappers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Names and addresses of hosts: cap_dns(3).
    Dns,
    /// Opening files of a fixed list: cap_fileargs(3).
    FileArgs,
    /// Groups: cap_grp(3).
    Grp,
    /// Connections, and names and addresses of hosts: cap_net(3).
    Net,
    /// Protocols: cap_netdb(3). In FreeBSD since 14.1.
    NetDb,
    /// Users: cap_pwd(3).
    Pwd,
    /// Variables of the kernel: cap_sysctl(3).
    Sysctl,
    /// The system's log: cap_syslog(3).
    Syslog,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Dns,
        Self::FileArgs,
        Self::Grp,
        Self::Net,
        Self::NetDb,
        Self::Pwd,
        Self::Sysctl,
        Self::Syslog,
    ];

    /// The name by which libcasper knows it: `system.dns`, say.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "system.dns",
            Self::FileArgs => "system.fileargs",
            Self::Grp => "system.grp",
            Self::Net => "system.net",
            Self::NetDb => "system.netdb",
            Self::Pwd => "system.pwd",
            Self::Sysctl => "system.sysctl",
            Self::Syslog => "system.syslog",
        }
    }

    /// The library that has it, as FreeBSD 14 and 15 number it (`SHLIB_MAJOR` of its Makefile). The
    /// run-time linker finds it in /lib/casper or /lib.
    #[must_use]
    pub fn library(self) -> &'static str {
        match self {
            Self::Dns => "libcap_dns.so.2",
            Self::FileArgs => "libcap_fileargs.so.1",
            Self::Grp => "libcap_grp.so.1",
            Self::Net => "libcap_net.so.1",
            Self::NetDb => "libcap_netdb.so.1",
            Self::Pwd => "libcap_pwd.so.1",
            Self::Sysctl => "libcap_sysctl.so.2",
            Self::Syslog => "libcap_syslog.so.1",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
