//! A service in the own process: for tests of those who use services.

use std::thread;

use capsicum_channel::{Error, Frames};

use super::Client;

/// Runs a server in a thread of this process, **without any confinement**, and calls it.
///
/// For unit tests. The clients of services have it as `in_process`. What is sent is encoded, sent
/// and decoded as it is between processes.
///
/// # Errors
///
/// [`Error::Unsupported`] in builds without debug assertions, unless the feature `in-process` asks
/// for it: a program that is to confine its service would not. [`Error::System`].
pub fn in_process(
    name: &str,
    server: impl FnOnce(Frames) -> Result<(), Error> + Send + 'static,
) -> Result<Client, Error> {
    allowed(cfg!(debug_assertions), cfg!(feature = "in-process"))?;
    let (here, there) = Frames::pair()?;
    let thread = thread::Builder::new().name(name.to_owned());
    let spawned = thread.spawn(move || {
        if let Err(error) = server(there) {
            tracing::warn!(%error, "a service in this process has ended");
        }
    });
    spawned.map_err(|source| Error::System { operation: "pthread_create", source })?;
    Ok(Client::named(here, name))
}

fn allowed(debug: bool, asked: bool) -> Result<(), Error> {
    if debug || asked {
        return Ok(());
    }
    Err(Error::Unsupported(capsicum_rs::Error::Unenforceable {
        what: "a service in this process".to_owned(),
        reason: "it would not be confined; for tests of release builds there is the feature \
                 `in-process` of sandbox-spawn"
            .to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_build_has_it_only_where_it_is_asked_for() {
        assert!(matches!(allowed(false, false), Err(Error::Unsupported(_))));
        assert!(allowed(true, false).is_ok() && allowed(false, true).is_ok());
    }
}
