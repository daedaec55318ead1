//! Services for code in capability mode: what it may no longer do itself, it asks of a process that may,
//! within limits that only narrow. After FreeBSD's libcasper(3), on FreeBSD and Linux.
//!
//! ```
//! use casper::{Casper, Error, Limits, Pwd, Sysctl, pwd::{Commands, Fields, PwdLimits}};
//! use sandbox_spawn::Worker;
//!
//! const WORKERS: &[Worker] = &[casper::worker::<Sysctl>(), casper::worker::<Pwd>()];
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // First thing: the services are processes that come from here.
//!     sandbox_spawn::init(WORKERS)?;
//!     let casper = Casper::start()?;
//!     let pwd: Pwd = casper.open()?;
//!     pwd.limit(PwdLimits::unlimited().commands(Commands::NAME).fields(Fields::UID))?;
//!
//!     // From here on the channel is all that is left of the user database.
//!     capsicum_rs::Sandbox::new().grant(&pwd, casper::RIGHTS).enter()?;
//!     assert!(std::fs::File::open("/etc/passwd").is_err());
//!
//!     let root = pwd.by_name("root")?.ok_or("no root")?;
//!     assert_eq!((root.uid, root.shell), (Some(0), None));
//!     assert!(matches!(pwd.limit(PwdLimits::unlimited()), Err(Error::NotCapable { .. })));
//!     Ok(())
//! }
//! ```
//!
//! # Channels and limits
//!
//! [`Casper::open`] starts a *service*, a process of its own, and gives back a *service channel* to it.
//! A channel is [limited](Channel::limit) from before capability mode on or in it, and any number of times. It
//! only narrows: what would allow more is [`Error::NotCapable`], and the limits stay. The process of the
//! service enforces that, for each of its connections.
//!
//! A channel can be [cloned](Channel::try_clone): another connection to the same process, with the same limits,
//! which can be narrowed by itself. A clone can be [sent](Channel::to_frames) to another process or be granted to a
//! worker; its limits stay with it. Channels outlive the [`Casper`] that opened them.
//!
//! Give each process that is not trusted a service of its own: those who share one share its
//! [64 connections](MOST_CONNECTIONS) (of which one clone and its clones have [16](MOST_OF_A_CLONE), and only the first connection is cloned
//! beyond [48](MOST_BY_CLONES)), its memory and its processor time, and what one of them could do
//! to the process by an error in its code (the C library's, say) it would have done to all.
//!
//! # The process of a service
//!
//! It ends with its last connection, and with the program. Where it dies, whoever asks it gets
//! [`Error::Died`] with its name at once; opening the service again starts another one.
//!
//! A service is in capability mode where it can be. One that needs names (the C library's lookups do) is
//! not, and held to a [`Reach`](sandbox_spawn::Reach); on FreeBSD nothing holds such a process but its
//! user and its limits of resources. Which service reaches what, says the
//! [book](https://github.com/capsicum-rs/capsicum-rs/blob/main/docs/src/casper.md).
//!
//! # Providers
//!
//! [`Casper::start`] has services of this program's own. [`Casper::native`] has FreeBSD's libcasper(3), with
//! the feature `native`, behind the same types; what it cannot do is [`Error::Unsupported`], apart from
//! deadlines, of which it has none.
//!
//! # A service of one's own
//!
//! A trait with the attribute [`service`](sandbox_spawn::service) says what can be asked; [`Service`] says
//! what its process holds, and [`Limits`] what a connection is limited by. Here a process signs, and nobody
//! else ever has the key:
//!
//! ```
//! use std::{fs::File, io::Read};
//!
//! use capsicum_rs::Rights;
//! use casper::{Casper, Channel, Connection, Error, Failure, Grants, Limits, Service};
//! use ed25519_compact::{KeyPair, Seed, Signature};
//! use sandbox_spawn::{Builder, Worker, service};
//! use serde::{Deserialize, Serialize};
//!
//! #[service]
//! trait Sign {
//!     fn sign(&mut self, message: Vec<u8>) -> Result<Vec<u8>, Failure>;
//!     fn public_key(&mut self) -> Vec<u8>;
//! }
//!
//! /// A connection signs messages that begin so.
//! #[derive(Clone, Serialize, Deserialize)]
//! struct Prefix(Vec<u8>);
//!
//! impl Limits for Prefix {
//!     fn unlimited() -> Self {
//!         Self(Vec::new())
//!     }
//!
//!     fn narrows(&self, new: &Self) -> bool {
//!         new.0.starts_with(&self.0)
//!     }
//! }
//!
//! /// What the process holds.
//! struct Signer(KeyPair);
//!
//! impl Service for Signer {
//!     const NAME: &'static str = "example.signer";
//!     type Calls = SignServer;
//!     type Client = SignClient;
//!     type Limits = Prefix;
//!     type Session = ();
//!     type Setup = File;
//!
//!     fn describe(key: File, process: Builder) -> Result<Builder, String> {
//!         Ok(process.grant("key", key, Rights::READ | casper::CEILING))
//!     }
//!
//!     fn start(grants: &mut Grants<'_>) -> Result<Self, String> {
//!         let mut seed = [0; Seed::BYTES];
//!         let mut key: File = grants.take("key")?;
//!         key.read_exact(&mut seed).map_err(|error| error.to_string())?;
//!         Ok(Self(KeyPair::from_seed(Seed::new(seed))))
//!     }
//! }
//!
//! impl Sign for Connection<Signer> {
//!     fn sign(&mut self, message: Vec<u8>) -> Result<Vec<u8>, Failure> {
//!         if !message.starts_with(&self.limits().0) {
//!             return Err(Failure::not_capable("a message that begins otherwise"));
//!         }
//!         Ok(self.service().0.sk.sign(message, None).to_vec())
//!     }
//!
//!     fn public_key(&mut self) -> Vec<u8> {
//!         self.service().0.pk.to_vec()
//!     }
//! }
//!
//! const WORKERS: &[Worker] = &[casper::worker::<Channel<Signer>>()];
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     sandbox_spawn::init(WORKERS)?;
//!     # let seed = tempfile::NamedTempFile::new()?;
//!     # std::fs::write(seed.path(), [7; 32])?;
//!     # let path = seed.path();
//!     let signer: Channel<Signer> = Casper::start()?.open_with(File::open(path)?)?;
//!     signer.limit(Prefix(b"invoice ".to_vec()))?;
//!     capsicum_rs::enter()?;
//!
//!     let signature = signer.sign(b"invoice 7".to_vec())?;
//!     let key = ed25519_compact::PublicKey::from_slice(&signer.public_key()?)?;
//!     assert!(key.verify(b"invoice 7", &Signature::from_slice(&signature)?).is_ok());
//!     let other = signer.sign(b"cheque 7".to_vec()).map_err(Error::from);
//!     assert!(matches!(other, Err(Error::NotCapable { .. })));
//!     assert!(signer.limit(Prefix(Vec::new())).is_err());
//!     Ok(())
//! }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod ambient;
mod casper;
mod channel;
mod client;
mod database;
pub mod dns;
mod error;
pub mod fileargs;
pub mod grp;
pub mod net;
pub mod netdb;
mod provider;
pub mod pwd;
mod reach;
mod resolver;
mod service;
mod sys;
pub mod sysctl;
pub mod syslog;

pub use casper::{Casper, Open, Opener, worker};
pub use channel::{Channel, RIGHTS};
pub use dns::Dns;
pub use error::{Error, Failure};
pub use fileargs::FileArgs;
pub use grp::Grp;
pub use net::Net;
pub use netdb::NetDb;
pub use pwd::Pwd;
pub use service::{
    CEILING, Connection, Grants, Limits, MOST_BY_CLONES, MOST_CONNECTIONS, MOST_OF_A_CLONE, Service,
};
pub use sysctl::Sysctl;
pub use syslog::Syslog;
