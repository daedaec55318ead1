//! FreeBSD, where libcasper is.

mod address;
mod bindings;
mod channel;
mod dns;
mod fileargs;
mod grp;
mod limits;
mod load;
mod names;
mod net;
mod netdb;
mod pwd;
mod resolver;
mod start;
mod sysctl;
mod syslog;
mod text;

pub use channel::Channel;
pub use dns::Dns;
pub use fileargs::FileArgs;
pub use grp::Grp;
pub use limits::{Limit, LimitList};
pub use net::Net;
pub use netdb::NetDb;
pub use pwd::Pwd;
pub use start::Casper;
pub use sysctl::Sysctl;
pub use syslog::Syslog;
