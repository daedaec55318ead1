//! Files that the service has opened ahead.

use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    sync::{Mutex, PoisonError},
};

/// Descriptors by path, each of which is taken once.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<HashMap<Vec<u8>, OwnedFd>>);

impl Cache {
    pub(super) fn take(&self, path: &[u8]) -> Option<OwnedFd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(path)
    }

    /// Keeps what came along with an answer, and nothing that came before: it is as fresh as that.
    pub(super) fn replace(&self, files: Vec<(Vec<u8>, OwnedFd)>) {
        let files = files.into_iter().collect();
        let old =
            std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), files);
        drop(old);
    }
}
