//! The descriptor at which calls arrive, see seccomp_unotify(2).

use std::{
    mem,
    os::fd::{AsRawFd, OwnedFd},
};

use super::super::{
    calls::{Errno, checked},
    signals,
};

/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP` (Linux 6.6): the program's processor goes on with the
/// supervisor, and back.
const SYNC_WAKE_UP: libc::c_ulong = 1;

/// A call that waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// What names it in an answer.
    pub(super) id: u64,
    /// The thread that makes it, as this process numbers threads.
    pub(super) thread: libc::pid_t,
    /// Its number.
    pub(super) number: libc::c_long,
    /// Its arguments.
    pub(super) args: [u64; 6],
}

/// The descriptor at which calls arrive.
#[derive(Debug)]
pub(super) struct Listener {
    descriptor: OwnedFd,
    /// How much a kernel writes that is newer than this.
    size: usize,
}

impl Listener {
    pub(super) fn new(descriptor: OwnedFd) -> Result<Self, Errno> {
        let mut sizes =
            libc::seccomp_notif_sizes { seccomp_notif: 0, seccomp_notif_resp: 0, seccomp_data: 0 };
        // SAFETY: the kernel writes one `seccomp_notif_sizes`.
        checked(unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_NOTIF_SIZES, 0, &raw mut sizes)
        })?;
        // Kernels before 6.6 lack this, and everything works without.
        // SAFETY: the request takes a number.
        unsafe {
            libc::ioctl(descriptor.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP);
        }
        let size = usize::from(sizes.seccomp_notif).max(mem::size_of::<libc::seccomp_notif>());
        Ok(Self { descriptor, size })
    }

    /// `SECCOMP_IOCTL_NOTIF_RECV`: waits for a call. `None` when nobody is left who could make one.
    pub(super) fn receive(&self) -> Option<Waiting> {
        // Words, for the alignment; the kernel wants zeros.
        let mut buffer = vec![0_u64; self.size.div_ceil(8)];
        loop {
            buffer.fill(0);
            // SAFETY: the buffer is as long as what the kernel said that it writes.
            let answer = checked(
                unsafe {
                    libc::ioctl(
                        self.descriptor.as_raw_fd(),
                        libc::SECCOMP_IOCTL_NOTIF_RECV,
                        buffer.as_mut_ptr(),
                    )
                }
                .into(),
            );
            match answer {
                Ok(_) => {
                    // SAFETY: the buffer is at least as large and aligned, and the kernel filled
                    // it; the structure is made of numbers.
                    let call = unsafe { buffer.as_ptr().cast::<libc::seccomp_notif>().read() };
                    return Some(Waiting {
                        id: call.id,
                        thread: libc::pid_t::try_from(call.pid).unwrap_or(0),
                        number: call.data.nr.into(),
                        args: call.data.args,
                    });
                }
                Err(libc::EINTR) => {}
                // The caller is gone, or everybody is.
                Err(libc::ENOENT) if !self.is_over() => {}
                Err(_) => return None,
            }
        }
    }

    /// Whether nobody is left who could make a call.
    fn is_over(&self) -> bool {
        signals::hung_up(self.descriptor.as_raw_fd())
    }

    /// `SECCOMP_IOCTL_NOTIF_ID_VALID`: whether the caller still waits, so that its thread id is
    /// still its own.
    pub(super) fn waits(&self, id: u64) -> Result<(), Errno> {
        // SAFETY: the kernel reads one number.
        checked(
            unsafe {
                libc::ioctl(
                    self.descriptor.as_raw_fd(),
                    libc::SECCOMP_IOCTL_NOTIF_ID_VALID,
                    &raw const id,
                )
            }
            .into(),
        )
        .map(drop)
    }

    /// `SECCOMP_IOCTL_NOTIF_SEND`: answers a call. A caller that is gone needs none.
    pub(super) fn answer(&self, id: u64, result: Result<i64, Errno>) {
        let response = libc::seccomp_notif_resp {
            id,
            val: result.unwrap_or(0),
            error: result.err().map_or(0, |errno| -errno),
            flags: 0,
        };
        // SAFETY: the kernel reads one `seccomp_notif_resp`.
        unsafe {
            libc::ioctl(
                self.descriptor.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SEND,
                &raw const response,
            );
        }
    }

    /// `SECCOMP_IOCTL_NOTIF_ADDFD` with `SECCOMP_ADDFD_FLAG_SEND`: answers a call with a descriptor.
    pub(super) fn answer_with(&self, id: u64, file: &OwnedFd, close_on_exec: bool) {
        let flags = if close_on_exec { libc::O_CLOEXEC.cast_unsigned() } else { 0 };
        let added = libc::seccomp_notif_addfd {
            id,
            flags: u32::try_from(libc::SECCOMP_ADDFD_FLAG_SEND).unwrap_or(0),
            srcfd: file.as_raw_fd().cast_unsigned(),
            newfd: 0,
            newfd_flags: flags,
        };
        // SAFETY: the kernel reads one `seccomp_notif_addfd`.
        let answer = unsafe {
            libc::ioctl(
                self.descriptor.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_ADDFD,
                &raw const added,
            )
        };
        // The caller has no number left, say.
        if let Err(errno) = checked(answer.into()) {
            self.answer(id, Err(errno));
        }
    }
}
