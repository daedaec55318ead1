//! What bindgen makes of the prototypes in `headers/`: `cargo xtask casper`.
#![allow(
    clippy::all,
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    unreachable_pub,
    reason = "generated, and named as in C"
)]

#[rustfmt::skip]
pub(super) mod cap_dns;
#[rustfmt::skip]
pub(super) mod cap_fileargs;
#[rustfmt::skip]
pub(super) mod cap_grp;
#[rustfmt::skip]
pub(super) mod cap_net;
#[rustfmt::skip]
pub(super) mod cap_netdb;
#[rustfmt::skip]
pub(super) mod cap_pwd;
#[rustfmt::skip]
pub(super) mod cap_sysctl;
#[rustfmt::skip]
pub(super) mod cap_syslog;
#[rustfmt::skip]
pub(super) mod casper;
#[rustfmt::skip]
pub(super) mod nv;
