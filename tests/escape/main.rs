//! The escape suite: attacks by code that has entered capability mode or was confined, on what its
//! grants do not allow. Each is a sentence about what holds, and passes where the attack fails.
//!
//! `escape [--list] [FILTER…]`; as root each attack is made twice, the second time as an ordinary
//! user. The last line is `N passed, N failed, N skipped`.

#[cfg(target_os = "linux")]
mod attacks;
#[cfg(target_os = "linux")]
#[macro_use]
mod attempt;
#[cfg(target_os = "linux")]
mod campaign;
#[cfg(target_os = "linux")]
mod harness;
#[cfg(target_os = "linux")]
mod identity;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
mod native;
#[cfg(target_os = "linux")]
mod paths;
#[cfg(target_os = "linux")]
mod peers;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod raw;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod sockets;
#[cfg(target_os = "linux")]
mod stage;
#[cfg(target_os = "linux")]
mod tsv;
#[cfg(target_os = "linux")]
mod verdict;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    run::main()
}

/// The attacks are on the filter and on Landlock: there is none of either here.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("skipped: the attacks on Linux's mechanisms");
    println!("0 passed, 0 failed, 1 skipped");
    ExitCode::SUCCESS
}
