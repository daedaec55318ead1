//! Pools: several workers for one service, started again when they die.
//!
//! A pool has no thread of its own. A call takes an idle worker, or starts one where none is, and gives
//! it back. Each worker answers one call at a time, so that what kills it is known to be that call.
//!
//! - A worker that died, was killed because its call passed the deadline, or broke the protocol is
//!   started anew, at once the first time and after a *back-off* that doubles with each failure in a
//!   row.
//! - An *input* that killed two workers is *quarantined*: [`Pool::call_with`] tries it no third time.
//! - A worker is *recycled*, ended and started anew, after so many calls or bytes, and after a panic.
//! - No more than so many calls wait for a worker; [`Pool::try_call`] does not wait at all.
//! - [`Pool::drain`] lets running calls end, and refuses others.
//!
//! ```
//! use std::{error::Error, sync::Arc, thread, time::Duration};
//!
//! use capsicum_channel::Frames;
//! use sandbox_spawn::{
//!     Pool,
//!     call::{Fate, Peer},
//!     pool::{Start, Started},
//!     service,
//! };
//!
//! #[service]
//! trait Measure {
//!     fn length(&mut self, text: String) -> usize;
//! }
//!
//! struct Plain;
//!
//! impl Measure for Plain {
//!     fn length(&mut self, text: String) -> usize {
//!         text.len()
//!     }
//! }
//!
//! /// Starts a thread, for this example; a program starts a compartment.
//! struct Threads;
//! struct Thread;
//!
//! impl Start for Threads {
//!     fn start(&self) -> Result<Started, Box<dyn Error + Send + Sync>> {
//!         let (frames, there) = Frames::pair()?;
//!         thread::spawn(move || MeasureServer::serve(there, Plain));
//!         Ok(Started { frames, peer: Arc::new(Thread) })
//!     }
//! }
//!
//! impl Peer for Thread {
//!     fn name(&self) -> &str {
//!         "measure"
//!     }
//!     fn kill(&self) {}
//!     fn fate(&self, _within: Duration) -> Option<Fate> {
//!         None
//!     }
//! }
//!
//! let pool: Pool<MeasureClient> =
//!     Pool::builder(Threads).workers(2).deadline(Duration::from_secs(10)).build();
//! assert_eq!(pool.call(|worker| worker.length("four".to_owned()))?, 4);
//! assert_eq!(pool.statistics().calls, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod error;
mod latency;
mod quarantine;
mod slots;
mod start;
mod statistics;
#[cfg(test)]
mod tests;
mod workers;

pub use builder::Builder;
pub use error::PoolError;
pub use latency::Latency;
pub use start::{Start, Started};
pub use statistics::Statistics;
pub use workers::Pool;
