//! Other programs: said before they are run, and an error when they fail.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A command line as a person would type it, without the environment.
pub(crate) fn line(command: &Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// Says the command and runs it with our own output streams.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    say(command);
    let status = command.stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("could not start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", line(command));
    }
    Ok(())
}

/// The same of a command that is not to warn either: not all that warns can be told to fail.
pub(crate) fn run_without_warning(command: &mut Command) -> Result<()> {
    say(command);
    let output = command.stdin(Stdio::null()).stdout(Stdio::inherit()).output();
    let output = output.with_context(|| format!("could not start `{}`", line(command)))?;
    let said = String::from_utf8_lossy(&output.stderr);
    eprint!("{said}");
    if !output.status.success() {
        bail!("`{}` failed: {}", line(command), output.status);
    }
    if let Some(warning) = said.lines().find(|line| line.starts_with("warning")) {
        bail!("`{}` warns: {warning}", line(command));
    }
    Ok(())
}

/// What the command prints on its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("could not start `{}`", line(command)))?;
    if !output.status.success() {
        bail!("`{}` failed: {}", line(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether the command can be started and succeeds; what it prints is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Says the command.
pub(crate) fn say(command: &Command) {
    eprintln!("+ {}", line(command));
}

/// Whether we are root.
pub(crate) fn is_root() -> Result<bool> {
    Ok(output(Command::new("id").arg("-u"))?.trim() == "0")
}
