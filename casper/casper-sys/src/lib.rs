//! FreeBSD's libcasper(3) and its services, loaded at run time.
//!
//! A process in capability mode has no global names: it resolves no host, looks up no user, writes to
//! no log. libcasper is a process that was forked before, and from which *services* are opened that
//! do such things for it. Each service is a process with a channel; what may be asked on a channel
//! can be narrowed, and never widened.
//!
//! ```text
//! use casper_sys::{Casper, DnsType, Service};
//!
//! let casper = Casper::start(&[Service::Dns])?; // with one thread, before capability mode
//! let dns = casper.dns()?;
//! dns.limit_types(&[DnsType::NameToAddress])?;
//! // … enter capability mode …
//! let found = dns.resolve(&casper_sys::Query { host: Some("localhost"), ..Default::default() })?;
//! ```
//!
//! # Nothing is linked
//!
//! A binary that uses this crate starts on systems without libcasper, or without some of its services.
//! [`Casper::start`] loads what is asked for, and where a library or a function is missing it is
//! [`Error::Unsupported`] with the name of it. On systems other than FreeBSD that is always so.
//!
//! The functions come from bindings that bindgen makes of the prototypes in `headers/`; `cargo xtask
//! casper` writes them anew, `cargo xtask casper --check` says whether they are current, and `cargo
//! xtask freebsd headers` compiles the prototypes after FreeBSD's own headers.
//!
//! # The order of things
//!
//! 1. **The libraries are loaded.** A service registers itself in libcasper's list by a constructor
//!    (`CREATE_SERVICE` in libcasper_service.h). libcasper is loaded first and for all to see, since
//!    the libraries of the services call it and yet do not name it as one that they need.
//! 2. **cap_init(3) forks.** The new process has the list as it was then, so that a service whose
//!    library is loaded later is not to be had from it. It also has every descriptor that was open, and
//!    the memory: start it before there are secrets.
//! 3. **Services are opened**, before or after capability mode is entered.
//!
//! The first two are one call, [`Casper::start`], and services can be had from its result alone.
//! cap_init(3) uses pdfork(2), in whose copy there is only the calling thread, while the locks of the
//! others, malloc's among them, stay locked. So it needs a process with one thread.
//!
//! # What a channel is to be trusted with
//!
//! libcasper trusts its services: an answer of theirs that is not of the right form ends the program
//! (nv(9) aborts). Only make a channel of a socket (`Channel::from_socket`) that was one of
//! libcasper's. A call waits for its answer without a deadline.
//!
//! # Beside the crate `casper-sys`
//!
//! The crate [`casper-sys`](https://crates.io/crates/casper-sys) has bindings of libcasper(3) and links
//! it (`links = "casper"`, with libnv by `libnv-sys`): a program that uses it does not start where the
//! library is missing. It has none of the services. Both are what this crate is for, so it cannot be
//! built on that one; the package's name differs so that a program can have both.
#![warn(missing_docs)]

mod error;
mod service;
mod sys;
mod types;

pub use error::Error;
pub use service::Service;
pub use sys::*;
pub use types::*;
