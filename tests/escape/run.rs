//! All attacks, as each user.

use std::{io, os::unix::fs::PermissionsExt, path::Path, process::ExitCode};

use crate::{
    attempt::Who,
    campaign::{self, Count},
    harness::{Case, Done, run},
    identity, kernel, native, paths,
    peers::{self, Peer},
    processes,
    raw::{self, Page},
    sockets, stage, tsv, verdict,
};

/// The user `nobody`, or at least somebody without privilege: who is an ordinary user unless `--as`
/// names another one, since some confinements know the users that they serve.
const NOBODY: u32 = 65534;

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    list: bool,
    /// Print findings as fields between tabs, and leave out what is no technique.
    tsv: bool,
    peers: Vec<Peer>,
    user: Option<u32>,
    filters: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Counts {
    fn count(&mut self, count: Count) -> &'static str {
        match count {
            Count::Passed => {
                self.passed += 1;
                "ok     "
            }
            Count::Failed => {
                self.failed += 1;
                "FAILED "
            }
            Count::Skipped => {
                self.skipped += 1;
                "skipped"
            }
        }
    }
}

pub(crate) fn main() -> ExitCode {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--attack" => return attack(arguments.next(), arguments.next()),
            "--list" => options.list = true,
            "--tsv" => options.tsv = true,
            "--as" => options.user = arguments.next().and_then(|id| id.parse().ok()),
            "--peers" => {
                let names = arguments.next().unwrap_or_default();
                let names: Vec<String> = names.split(',').map(str::to_owned).collect();
                let (found, missing) = peers::find(&names);
                for (name, reason) in missing {
                    eprintln!("skipped: under {name}: {reason}");
                }
                options.peers = found;
            }
            flag if flag.starts_with('-') => {}
            _ => options.filters.push(argument),
        }
    }
    let cases: Vec<&Case> =
        [paths::CASES, identity::CASES, processes::CASES, sockets::CASES, kernel::CASES]
            .into_iter()
            .flatten()
            .filter(|case| {
                options.filters.is_empty()
                    || options.filters.iter().any(|part| case.name.contains(part))
            })
            .collect();
    if options.list {
        for (_, attack) in campaign::selected(&options.filters) {
            println!("{}: test", attack.name);
        }
        for case in &cases {
            println!("{}: test", case.name);
        }
        return ExitCode::SUCCESS;
    }
    match everywhere(&options, &cases) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("escape: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One attack, by a program that somebody has confined, which tells what came of it.
fn attack(name: Option<String>, scene: Option<String>) -> ExitCode {
    let scene = scene.and_then(|text| stage::Scene::from_argument(&text));
    let (Some(name), Some(mut scene)) = (name, scene) else { return ExitCode::FAILURE };
    let all = campaign::selected(&[]);
    let Some((_, attack)) = all.iter().find(|(_, attack)| attack.name == name) else {
        return ExitCode::FAILURE;
    };
    println!("{}", verdict::make(attack, &mut scene).to_line());
    ExitCode::SUCCESS
}

/// Makes them all and prints the sum; how many got through.
fn everywhere(options: &Options, cases: &[&Case]) -> io::Result<u32> {
    // What attacks send to the process that started them.
    native::count_signal(libc::SIGUSR1);
    if options.tsv {
        tsv::head(&options.peers);
    }
    let mut sum = if raw::root() {
        let open = tempfile::Builder::new().prefix("escape").tempdir()?;
        std::fs::set_permissions(open.path(), PermissionsExt::from_mode(0o755))?;
        stage::make_set_id(open.path())?;
        let base = tempfile::Builder::new().prefix("escape").tempdir()?;
        let first = as_user("root", options, cases, base.path());
        let second = as_nobody(options, cases)?;
        Counts {
            passed: first.passed + second.passed,
            failed: first.failed + second.failed,
            skipped: first.skipped + second.skipped,
        }
    } else {
        let base = tempfile::Builder::new().prefix("escape").tempdir()?;
        as_user("user", options, cases, base.path())
    };
    if options.tsv {
        tsv::end(sum.passed, sum.failed, sum.skipped);
        return Ok(sum.failed);
    }
    if !raw::root() {
        println!("skipped: the pass as root: started as an ordinary user");
        sum.skipped += 1;
    }
    println!("{} passed, {} failed, {} skipped", sum.passed, sum.failed, sum.skipped);
    Ok(sum.failed)
}

fn as_user(user: &str, options: &Options, cases: &[&Case], base: &Path) -> Counts {
    let mut counts = Counts::default();
    // What attacks leave behind becomes this process's.
    let reaper = libc::PR_SET_CHILD_SUBREAPER as usize;
    let _ = raw::call(libc::SYS_prctl, &[reaper, 1]);
    let attacks = campaign::selected(&options.filters);
    campaign::run(&attacks, base, &options.peers, &mut |finding| {
        let what = counts.count(finding.count());
        if options.tsv {
            tsv::finding(user, &finding);
        } else {
            let (place, name) = (&finding.place, finding.attack.name);
            println!("{what} {user}: {place}: {name}: {}", finding.verdict);
        }
    });
    if options.tsv {
        return counts;
    }
    let programs = attacks.iter().filter(|(_, attack)| attack.who == Who::Program).count();
    println!("        {user}: {} techniques, {programs} of them any program's", attacks.len());
    for case in cases {
        match run(case, base) {
            Ok(Done::Held) => {
                println!("{} {user}: {}", counts.count(Count::Passed), case.name);
            }
            Ok(Done::Skipped(reason)) => {
                println!("{} {user}: {}: {reason}", counts.count(Count::Skipped), case.name);
            }
            Err(message) => {
                println!("{} {user}: {}: {message}", counts.count(Count::Failed), case.name);
            }
        }
    }
    counts
}

/// The same in a process that has given up root.
fn as_nobody(options: &Options, cases: &[&Case]) -> io::Result<Counts> {
    let base = tempfile::Builder::new().prefix("escape").tempdir()?;
    let user = options.user.unwrap_or(NOBODY);
    std::os::unix::fs::chown(base.path(), Some(user), Some(user))?;
    let page = Page::new()?;
    let pid = raw::fork()?;
    if pid == 0 {
        if let Err(error) = raw::become_user(user) {
            eprintln!("to the user {user}: {error}");
            raw::exit(1);
        }
        let counts = as_user("user", options, cases, base.path());
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
