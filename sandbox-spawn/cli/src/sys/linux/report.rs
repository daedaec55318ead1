//! What a child tells the wrapper through a pipe when the program cannot be started. Execution
//! closes the pipe: the end of it without a report means that the program runs.

use std::{fs::File, io::Read, os::fd::OwnedFd};

use super::calls::{self, Errno};

/// How far the set-up had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    /// Mapping ids in the user namespace.
    Ids = 1,
    /// Making mounts private.
    Private,
    /// Making the root.
    Root,
    /// Cloning a granted path; the index says which.
    Grant,
    /// Showing a granted path in the new root; the index says which.
    Show,
    /// Making /tmp, /dev/shm or /proc; the index says which.
    Fresh,
    /// Taking the new root.
    Pivot,
    /// Giving up privileges.
    Privileges,
    /// Starting the process that becomes the program.
    Start,
    /// Going to the directory.
    Directory,
    /// Referring to a granted path for Landlock; the index says which.
    Refer,
    /// Entering the filter and Landlock; the text says what is wrong.
    Confine,
    /// Executing.
    Execute,
}

impl Step {
    const ALL: [Self; 13] = [
        Self::Ids,
        Self::Private,
        Self::Root,
        Self::Grant,
        Self::Show,
        Self::Fresh,
        Self::Pivot,
        Self::Privileges,
        Self::Start,
        Self::Directory,
        Self::Refer,
        Self::Confine,
        Self::Execute,
    ];
}

/// Why the program cannot be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) step: Step,
    pub(super) index: u16,
    pub(super) errno: Errno,
    pub(super) text: String,
}

impl Report {
    pub(super) fn new(step: Step, errno: Errno) -> Self {
        Self { step, index: 0, errno, text: String::new() }
    }

    pub(super) fn at(step: Step, index: usize, errno: Errno) -> Self {
        Self { index: u16::try_from(index).unwrap_or(u16::MAX), ..Self::new(step, errno) }
    }

    /// Writes it in one go: it is shorter than what a pipe takes at once.
    pub(super) fn send(&self, pipe: &OwnedFd) {
        use std::os::fd::AsRawFd;

        let mut bytes = [0; 1024];
        bytes[0] = self.step as u8;
        bytes[1..3].copy_from_slice(&self.index.to_ne_bytes());
        bytes[3..7].copy_from_slice(&self.errno.to_ne_bytes());
        let text = &self.text.as_bytes()[..self.text.len().min(bytes.len() - 7)];
        bytes[7..7 + text.len()].copy_from_slice(text);
        calls::say(pipe.as_raw_fd(), &bytes[..7 + text.len()]);
    }

    /// Reads until the end; `None` where there was no report.
    pub(super) fn receive(pipe: OwnedFd) -> Option<Self> {
        let mut bytes = Vec::new();
        File::from(pipe).take(1024).read_to_end(&mut bytes).ok()?;
        let (head, text) = bytes.split_at_checked(7)?;
        Some(Self {
            step: *Step::ALL.iter().find(|step| **step as u8 == head[0])?,
            index: u16::from_ne_bytes([head[1], head[2]]),
            errno: Errno::from_ne_bytes([head[3], head[4], head[5], head[6]]),
            text: String::from_utf8_lossy(text).into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_arrives_as_it_was_sent_and_silence_is_none() {
        for step in Step::ALL {
            let (reader, writer) = calls::pipe().unwrap();
            let report = Report { text: "why".to_owned(), ..Report::at(step, 7, libc::ENOENT) };
            report.send(&writer);
            drop(writer);
            assert_eq!(Report::receive(reader), Some(report));
        }
        let (reader, writer) = calls::pipe().unwrap();
        drop(writer);
        assert_eq!(Report::receive(reader), None);
    }
}
