//! One process with a deadline, and what it printed.

use std::{
    fmt,
    fs::File,
    io::{self, PipeReader, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use crate::sys;

/// How much of the output of one process is kept.
const KEPT_OUTPUT: usize = 64 << 20;

/// How long the output may stay open after the process and its group have ended: only a process
/// that has left the group still holds it then.
const OUTPUT_GRACE: Duration = Duration::from_secs(2);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself or by a signal.
    Status(ExitStatus),
    /// Killed, with its process group, when the deadline had passed.
    Deadline(Duration),
}

impl End {
    /// Whether it exited with 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        matches!(self, Self::Status(status) if status.success())
    }

    /// Whether it came to an end of its own, whatever the exit status.
    #[must_use]
    pub fn is_exit(self) -> bool {
        matches!(self, Self::Status(status) if status.code().is_some())
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline(after) => {
                write!(f, "killed at the deadline of {} s", after.as_secs_f32())
            }
            Self::Status(status) => match (status.code(), status.signal()) {
                (Some(code), _) => write!(f, "exited with {code}"),
                (None, Some(signal)) => write!(f, "killed by signal {signal}"),
                (None, None) => write!(f, "ended with {status}"),
            },
        }
    }
}

/// A process that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// Both its output streams, in the order in which they were written.
    pub output: String,
    /// How long it took.
    pub took: Duration,
    /// Whether something that it started and that had left its process group was still there
    /// and held its output open.
    pub outlived: bool,
}

/// Starts a command in a process group of its own, without input, and waits until it ends; at the
/// deadline it is killed. What is left of its process group is killed in any case.
///
/// # Errors
///
/// The command could not be started or waited for.
pub fn run(command: &mut Command, deadline: Duration) -> io::Result<Finished> {
    let started = Instant::now();
    let (reader, writer) = io::pipe()?;
    command.stdin(nothing()?).stdout(writer.try_clone()?).stderr(writer).process_group(0);
    let child = command.spawn();
    // The command would keep the writing ends open, and the reader would never see the end.
    command.stdout(Stdio::inherit()).stderr(Stdio::inherit());
    let mut child = child?;
    let leader = child.id();

    let (ended, end) = mpsc::channel();
    let waiter = thread::spawn(move || ended.send(sys::wait_without_reaping(leader)));
    let reading = Reading::start(reader);
    let in_time = match end.recv_timeout(deadline) {
        Ok(waited) => waited.map(|()| true),
        Err(RecvTimeoutError::Timeout) => Ok(false),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the waiting thread died")),
    };
    // Nobody has reaped the child yet, so that the group's number is still its own. That a group
    // is gone already (ESRCH) or holds only what has ended (EPERM on some systems) is no error.
    let _ = sys::kill_group(leader);
    let status = child.wait()?;
    let _ = waiter.join();
    let (output, outlived) = reading.finish();
    let end = if in_time? { End::Status(status) } else { End::Deadline(deadline) };
    Ok(Finished { end, output, took: started.elapsed(), outlived })
}

/// An input that is at its end: `/dev/null`, or a pipe where a minimal system lacks it.
fn nothing() -> io::Result<Stdio> {
    match File::open("/dev/null") {
        Ok(null) => Ok(null.into()),
        Err(_) => io::pipe().map(|(reader, _)| reader.into()),
    }
}

/// A thread that collects the output.
struct Reading {
    kept: Arc<Mutex<Vec<u8>>>,
    done: mpsc::Receiver<()>,
}

impl Reading {
    fn start(mut reader: PipeReader) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (finished, done) = mpsc::channel();
        let keep = Arc::clone(&kept);
        thread::spawn(move || {
            let mut buffer = [0; 16 << 10];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                let mut keep = keep.lock().unwrap_or_else(PoisonError::into_inner);
                let room = KEPT_OUTPUT.saturating_sub(keep.len()).min(length);
                keep.extend_from_slice(&buffer[..room]);
            }
            // The receiver is gone when the grace was over; nobody waits then.
            let _ = finished.send(());
        });
        Self { kept, done }
    }

    /// The output, and whether it was still open after the grace.
    fn finish(self) -> (String, bool) {
        let open = self.done.recv_timeout(OUTPUT_GRACE).is_err();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (String::from_utf8_lossy(&kept).into_owned(), open)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const SOON: Duration = Duration::from_millis(200);
    const LATE: Duration = Duration::from_secs(60);

    /// What a script comes to; nothing where there is no shell to run it.
    fn script(text: &str, deadline: Duration) -> Option<Finished> {
        if !Path::new("/bin/sh").exists() {
            println!("SKIPPED: the script `{text}`: no /bin/sh on this host");
            return None;
        }
        let mut command = Command::new("/bin/sh");
        Some(run(command.args(["-c", text]), deadline).expect("the shell starts"))
    }

    #[test]
    fn both_streams_are_read_in_order_and_the_status_is_told() {
        let Some(finished) = script("echo a; echo b >&2; echo c; exit 3", LATE) else { return };
        assert_eq!(finished.output, "a\nb\nc\n");
        assert_eq!(finished.end.to_string(), "exited with 3");
        assert!(finished.end.is_exit() && !finished.end.is_success());
    }

    #[test]
    fn a_process_over_its_deadline_is_killed_and_its_output_kept() {
        let Some(finished) = script("echo begun; exec sleep 600", SOON) else { return };
        assert_eq!(finished.end, End::Deadline(SOON));
        assert_eq!(finished.output, "begun\n");
        assert!(finished.took < LATE);
    }

    #[test]
    fn the_children_of_a_killed_process_are_killed_with_it() {
        let Some(finished) = script("sleep 600 & sleep 600", SOON) else { return };
        assert_eq!(finished.end, End::Deadline(SOON));
        assert!(!finished.outlived);
    }

    #[test]
    fn the_children_that_a_process_leaves_behind_are_killed_when_it_has_ended() {
        let Some(finished) = script("sleep 600 & echo done", LATE) else { return };
        assert!(finished.end.is_success());
        assert_eq!(finished.output, "done\n");
        assert!(!finished.outlived);
    }

    #[test]
    fn a_signal_is_told_from_an_exit() {
        let Some(finished) = script("kill -9 $$", LATE) else { return };
        assert_eq!(finished.end.to_string(), "killed by signal 9");
        assert!(!finished.end.is_exit());
    }

    #[test]
    fn what_cannot_be_started_is_an_error() {
        assert!(run(&mut Command::new("/nonexistent/test"), LATE).is_err());
    }
}
