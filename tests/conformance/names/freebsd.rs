//! Names that FreeBSD has.

use super::Attempt;
use crate::raw;

pub(super) fn attempts() -> Vec<Attempt> {
    vec![
        Attempt::new("shm_open of a name", |_| raw::shm_open(c"/conformance")),
        // sysctl(3) has an error of its own for what capability mode does not admit.
        Attempt::new("setting a sysctl by name", |_| {
            raw::set_sysctl(c"kern.hostname", c"conformance")
        })
        .refused_with(&[libc::EPERM]),
        Attempt::new("System V shared memory", |_| raw::shmget(7, 4096, libc::IPC_CREAT | 0o600)),
        Attempt::new("System V semaphores", |_| raw::semget(7, 1, libc::IPC_CREAT | 0o600)),
        Attempt::new("System V messages", |_| raw::msgget(7, libc::IPC_CREAT | 0o600)),
        Attempt::new("unmount", |w| raw::unmount(&w.directory, 0)),
        Attempt::new("a signal to a thread of another process", |w| {
            raw::thr_kill2(w.victim, -1, libc::SIGUSR1)
        }),
        Attempt::new("the affinity of another process", |w| raw::set_affinity(w.victim)),
        Attempt::new("jail_attach", |_| raw::jail_attach(0x7fff_fff0)),
        Attempt::new("fhopen", |w| match &w.handle {
            Ok(handle) => raw::open_handle(handle).map(drop),
            // Only root may ask for a handle: nothing that could be opened.
            Err(_) => Err(std::io::Error::from_raw_os_error(raw::ECAPMODE)),
        }),
        Attempt::new("waiting for a process by its id", |w| raw::wait(w.victim)),
    ]
}
