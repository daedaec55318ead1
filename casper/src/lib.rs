//! Services for code in capability mode.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod ambient;
mod casper;
mod channel;
mod client;
mod error;
pub mod fileargs;
mod provider;
mod service;
mod sys;
pub mod sysctl;
pub mod syslog;

pub use casper::{Casper, Open, Opener, worker};
pub use channel::{Channel, RIGHTS};
pub use error::{Error, Failure};
pub use fileargs::FileArgs;
pub use service::{CEILING, Connection, Grants, Limits, MOST_CONNECTIONS, Service};
pub use sysctl::Sysctl;
pub use syslog::Syslog;
