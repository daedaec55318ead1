//! What only a FreeBSD kernel can answer.

mod entering;
mod forked;
mod limiting;
mod peer;
mod processes;
mod reporting;
