//! All attacks, as each user.

use std::{io, os::unix::fs::PermissionsExt, path::Path, process::ExitCode};

use crate::{
    campaign::{self, Count},
    harness::{Case, Done, run},
    identity, kernel, native, paths, processes,
    raw::{self, Page},
    sockets, stage,
};

/// The user `nobody`, or at least somebody without privilege.
const NOBODY: u32 = 65534;

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    passed: u32,
    failed: u32,
    skipped: u32,
}

pub(crate) fn main() -> ExitCode {
    let mut list = false;
    let mut filters = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--list" => list = true,
            flag if flag.starts_with('-') => {}
            _ => filters.push(argument),
        }
    }
    let cases: Vec<&Case> =
        [paths::CASES, identity::CASES, processes::CASES, sockets::CASES, kernel::CASES]
            .into_iter()
            .flatten()
            .filter(|case| {
                filters.is_empty() || filters.iter().any(|part| case.name.contains(part))
            })
            .collect();
    if list {
        for case in &cases {
            println!("{}: test", case.name);
        }
        return ExitCode::SUCCESS;
    }
    match everywhere(&cases) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("escape: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Makes them all and prints the sum; how many got through.
fn everywhere(cases: &[&Case]) -> io::Result<u32> {
    // What attacks send to the process that started them.
    native::count_signal(libc::SIGUSR1);
    let mut sum = if raw::root() {
        let open = tempfile::Builder::new().prefix("escape").tempdir()?;
        std::fs::set_permissions(open.path(), PermissionsExt::from_mode(0o755))?;
        stage::make_set_id(open.path())?;
        let base = tempfile::Builder::new().prefix("escape").tempdir()?;
        let first = as_user("root", cases, base.path());
        let second = as_nobody(cases)?;
        Counts {
            passed: first.passed + second.passed,
            failed: first.failed + second.failed,
            skipped: first.skipped + second.skipped,
        }
    } else {
        let base = tempfile::Builder::new().prefix("escape").tempdir()?;
        as_user("user", cases, base.path())
    };
    if !raw::root() {
        println!("skipped: the pass as root: started as an ordinary user");
        sum.skipped += 1;
    }
    println!("{} passed, {} failed, {} skipped", sum.passed, sum.failed, sum.skipped);
    Ok(sum.failed)
}

fn as_user(user: &str, cases: &[&Case], base: &Path) -> Counts {
    let mut counts = Counts::default();
    let filters: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    campaign::run(&campaign::selected(&filters), base, &|_, _, _| Vec::new(), &mut |finding| {
        let what = match finding.count() {
            Count::Passed => {
                counts.passed += 1;
                "ok     "
            }
            Count::Failed => {
                counts.failed += 1;
                "FAILED "
            }
            Count::Skipped => {
                counts.skipped += 1;
                "skipped"
            }
        };
        println!(
            "{what} {user}: {:?}: {}: {}",
            finding.place, finding.attack.name, finding.verdict
        );
    });
    for case in cases {
        match run(case, base) {
            Ok(Done::Held) => {
                counts.passed += 1;
                println!("ok      {user}: {}", case.name);
            }
            Ok(Done::Skipped(reason)) => {
                counts.skipped += 1;
                println!("skipped {user}: {}: {reason}", case.name);
            }
            Err(message) => {
                counts.failed += 1;
                println!("FAILED  {user}: {}: {message}", case.name);
            }
        }
    }
    counts
}

/// The same in a process that has given up root.
fn as_nobody(cases: &[&Case]) -> io::Result<Counts> {
    let base = tempfile::Builder::new().prefix("escape").tempdir()?;
    std::os::unix::fs::chown(base.path(), Some(NOBODY), Some(NOBODY))?;
    let page = Page::new()?;
    let pid = raw::fork()?;
    if pid == 0 {
        if let Err(error) = raw::become_user(NOBODY) {
            eprintln!("to the user {NOBODY}: {error}");
            raw::exit(1);
        }
        let counts = as_user("user", cases, base.path());
        page.write(1, &format!("{} {} {}", counts.passed, counts.failed, counts.skipped));
        raw::exit(0);
    }
    raw::wait(pid);
    let (_, text) = page.read();
    let numbers: Vec<u32> = text.split(' ').filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [passed, failed, skipped] => Ok(Counts { passed, failed, skipped }),
        _ => Err(io::Error::other("the pass as an ordinary user did not end")),
    }
}
