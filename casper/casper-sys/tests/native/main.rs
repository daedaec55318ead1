//! Every service of libcasper, for real, on FreeBSD.
//!
//! A program of its own: libcasper is started by a process with one thread. Each case runs in a process
//! of its own, this program again, under a deadline. The last line is `N passed, N failed, N skipped`.

#[cfg(target_os = "freebsd")]
mod cases;

use std::process::ExitCode;

#[cfg(target_os = "freebsd")]
fn main() -> ExitCode {
    cases::main()
}

#[cfg(not(target_os = "freebsd"))]
fn main() -> ExitCode {
    println!("SKIPPED: libcasper: this is not FreeBSD");
    println!("0 passed, 0 failed, 1 skipped");
    ExitCode::SUCCESS
}
