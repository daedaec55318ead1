//! The attacks, a file for each family.

mod entries;
mod granted;
mod kernel;
mod links;
mod memory;
mod metadata;
mod namespaces;
mod numbers;
mod others;
mod outside;
mod passing;
mod procfs;
mod programs;
mod resources;
mod rights;
mod signals;
mod sockets;
mod terminal;
mod tools;

use crate::attempt::Family;

pub(crate) const FAMILIES: &[&Family] = &[
    &outside::FAMILY,
    &links::FAMILY,
    &metadata::FAMILY,
    &granted::FAMILY,
    &procfs::FAMILY,
    &numbers::FAMILY,
    &rights::FAMILY,
    &passing::FAMILY,
    &sockets::FAMILY,
    &signals::FAMILY,
    &others::FAMILY,
    &terminal::FAMILY,
    &namespaces::FAMILY,
    &programs::FAMILY,
    &memory::FAMILY,
    &kernel::FAMILY,
    &entries::FAMILY,
    &resources::FAMILY,
];
