//! Services for code in capability mode.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod casper;
mod channel;
mod client;
pub mod dns;
mod error;
pub mod net;
pub mod netdb;
mod provider;
mod reach;
mod resolver;
mod service;
mod sys;
pub mod sysctl;

pub use casper::{Casper, Open, Opener, worker};
pub use channel::{Channel, RIGHTS};
pub use dns::Dns;
pub use error::{Error, Failure};
pub use net::Net;
pub use netdb::NetDb;
pub use service::{CEILING, Connection, Grants, Limits, MOST_CONNECTIONS, Service};
pub use sysctl::Sysctl;
