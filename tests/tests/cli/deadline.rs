//! Children that end, or are ended.

use std::{
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long any command of this suite may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Runs a command to its end.
pub(crate) fn output(command: &mut Command) -> Output {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    finish(child)
}

/// Waits for a child to end and to close its streams; kills it and fails where it does not.
pub(crate) fn finish(child: Child) -> Output {
    let pid = libc::pid_t::try_from(child.id()).expect("a process id");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    if let Ok(output) = receiver.recv_timeout(DEADLINE) {
        return output.expect("the child can be waited for");
    }
    // SAFETY: takes no pointer; the child is not reaped, since its streams are open.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    panic!("the child had not ended after {DEADLINE:?}");
}

/// What a command wrote to standard error.
pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command wrote to standard output.
#[cfg(target_os = "linux")]
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
