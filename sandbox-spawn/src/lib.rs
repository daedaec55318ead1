//! Compartments: a program in several processes, each of which holds what it is granted and nothing
//! else.
//!
//! A worker's functions are a trait with the attribute [`service`]; calling them is [`call`]; many
//! workers for one service are a [`pool`].
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod call;
mod end;
pub mod pool;

pub use call::CallError;
pub use end::End;
pub use pool::Pool;
pub use sandbox_spawn_macros::service;
