//! What starts the workers of a pool.

use std::{error::Error, sync::Arc};

use capsicum_channel::Frames;

use crate::call::Peer;

/// A worker that has been started.
#[derive(Debug)]
pub struct Started {
    /// The connection to its server, on which nothing has been sent yet.
    pub frames: Frames,
    /// The worker. The pool [kills](Peer::kill) it when it is done with it.
    pub peer: Arc<dyn Peer>,
}

/// Starts workers, all for the same service.
pub trait Start: Send + Sync + 'static {
    /// Starts a worker.
    ///
    /// It is called by whichever thread needs one, and by several at once.
    ///
    /// # Errors
    ///
    /// Why there is none. The pool tries again after a back-off.
    fn start(&self) -> Result<Started, Box<dyn Error + Send + Sync>>;
}

impl<F> Start for F
where
    F: Fn() -> Result<Started, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
{
    fn start(&self) -> Result<Started, Box<dyn Error + Send + Sync>> {
        self()
    }
}
