//! What services do for their clients, done directly.

use std::{ffi::CString, fs::File, net::ToSocketAddrs};

use anyhow::{Context, Result, ensure};

use crate::sys;

/// What a service does for its client.
#[derive(Clone, Debug)]
pub(crate) enum Direct {
    /// getaddrinfo(3) of a name.
    Resolve(String),
    /// getpwnam_r(3) of a user.
    User(CString),
    /// open(2) and close(2) of a file.
    Open(String),
}

impl Direct {
    /// Does it so often.
    pub(crate) fn times(&self, count: u32) -> Result<()> {
        for _ in 0..count {
            match self {
                Self::Resolve(name) => {
                    ensure!((name.as_str(), 0).to_socket_addrs()?.next().is_some());
                }
                Self::User(name) => {
                    let user = sys::user_by_name(name)?.context("no such user")?;
                    ensure!(user.uid == user.gid && user.strings[0] == name.as_bytes());
                }
                Self::Open(path) => drop(File::open(path)?),
            }
        }
        Ok(())
    }
}
