//! Linux: every test runs at each level that the suite can bring about here, as the user it is
//! started by and, where that is root, as an ordinary user too.

mod demo;
mod exit;
mod files;
mod filter;
mod host;
mod levels;
mod lifetime;
mod streams;
mod supervised;
mod terminal;
