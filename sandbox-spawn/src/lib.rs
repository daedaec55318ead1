//! Compartments: a program in several processes, each of which holds what it is granted and nothing
//! else.
//!
//! A [`Worker`] is a function that runs in a process of its own, in capability mode. The program
//! names its workers to [`init`] first thing in `main`, and starts one with
//! [`Compartment::builder`]: with *grants*, descriptors that the worker finds by name
//! ([`Inside::grant`]), and with one socket between the two ([`Compartment::frames`]).
//!
//! ```
//! use std::{fs::File, io::Read, process::ExitCode};
//!
//! use capsicum_rs::Rights;
//! use sandbox_spawn::{Compartment, Inside, Worker};
//!
//! const WORKERS: &[Worker] = &[Worker::new("measure", measure)];
//!
//! /// Runs in a process of its own, in capability mode.
//! fn measure(mut inside: Inside) -> u8 {
//!     let Ok(mut file) = inside.grant::<File>("input") else { return 1 };
//!     let mut text = String::new();
//!     let Ok(length) = file.read_to_string(&mut text) else { return 2 };
//!     let sent = inside.frames().encode(0, 0, &(length as u64, File::open("/etc/passwd").is_err()));
//!     sent.and_then(|frame| inside.frames().send(&frame, None)).map_or(3, |()| 0)
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     sandbox_spawn::init(WORKERS)?;
//!     let mut worker = Compartment::builder("measure")
//!         .grant("input", File::open("Cargo.toml")?, Rights::READ)
//!         .spawn()?;
//!     let frame = worker.frames().receive(None)?;
//!     let (length, confined): (u64, bool) = frame.decode(worker.frames().caps())?;
//!     assert!(length > 0 && confined);
//!     assert!(worker.wait()?.success());
//!     Ok(())
//! }
//! ```
//!
//! # How a worker starts
//!
//! By default it is forked from the *zygote*, a process that [`init`] has forked while the program
//! was still small, so that starting one works from a program with many threads and secrets. See
//! [`Start`]. Before its function runs, the worker
//!
//! - has closed every descriptor but its socket and its grants, with /dev/null for the standard
//!   streams; has no environment but what it was given; is a session of its own with `/` for its
//!   working directory; handles no signal; writes no core;
//! - is in [capability mode](capsicum_rs::Sandbox), with the ceiling and at the level that were
//!   asked for;
//! - has no capabilities(7) and `no_new_privs`, and starts no processes (Linux: by a filter; FreeBSD:
//!   by `RLIMIT_NPROC`, which does not hold root), unless [`Builder::processes`] says otherwise.
//!
//! Where any of this fails, the function is not run, and [`Builder::spawn`] returns
//! [`Error::Start`] with the reason.
//!
//! # What cannot be done in capability mode
//!
//! Some code needs names. A worker for it is [outside](Worker::outside) capability mode, and held to a
//! [`Reach`] instead.
//!
//! # How it ends
//!
//! With its function, by a signal, by [`Process::kill`], or when its [`Process`] is dropped. It does
//! not outlive the program, nor the zygote, however these end: see the
//! [book](https://github.com/capsicum-rs/capsicum-rs/blob/main/docs/src/compartments.md).
//!
//! # Graphs of workers
//!
//! A worker can be granted a channel to another one ([`Builder::channel`]), and start others that have
//! less than itself ([`Builder::starts`]).
//!
//! # What it is asked
//!
//! A worker's functions are a trait with the attribute [`service`]; calling them is [`call`]; many
//! workers for one service are a [`pool`].
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bounds;
mod builder;
pub mod call;
mod capture;
mod compartment;
mod end;
mod error;
mod graph;
mod guard;
mod held;
mod init;
mod inside;
mod keeper;
mod outside;
pub mod pool;
mod process;
mod start;
mod sys;
mod task;
mod worker;

pub use builder::{Builder, Resource, Start, Stderr};
pub use call::CallError;
pub use compartment::Compartment;
pub use end::{End, Refusal, Violation};
pub use error::Error;
pub use init::{init, initialized, start_only};
pub use inside::Inside;
pub use outside::{Outside, Path, Reach};
pub use pool::Pool;
pub use process::Process;
pub use sandbox_spawn_macros::service;
pub use worker::Worker;
