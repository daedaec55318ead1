//! The process between the wrapper and the program. At the level `directories` it is process 1 of
//! the program's namespace, and everything in there ends with it. At the level `landlock` it is
//! the one that orphans come to, and it kills what is left.

use std::os::fd::{AsRawFd, OwnedFd};

use libc::{pid_t, sigset_t};

use super::{
    calls::{self, Reaped},
    confine,
    level::Means,
    orphans,
    prepared::Prepared,
    report::{Report, Step},
    root, signals, streams,
};

/// What a supervisor is handed.
pub(super) struct Task<'t> {
    pub(super) prepared: &'t Prepared<'t>,
    pub(super) means: Means,
    /// The signal mask that the wrapper was started with.
    pub(super) mask: sigset_t,
    /// Where reports go.
    pub(super) report: OwnedFd,
    /// Hangs up when the wrapper is gone.
    pub(super) alive: OwnedFd,
    /// Room for the mounts.
    pub(super) clones: Vec<Option<OwnedFd>>,
}

/// Sets the sandbox up, starts the program in it, and ends with what the program ended with.
pub(super) fn supervise(mut task: Task<'_>) -> ! {
    match start(&mut task) {
        Ok((program, arrivals, hold)) => {
            // The wrapper takes the end of the reports for the start of the program, and the
            // program starts when nobody else can keep that from it.
            drop(task.report);
            drop(hold);
            // Whoever reads what the program writes must see the end when the program ends.
            let keep = [arrivals.as_raw_fd(), task.alive.as_raw_fd()];
            close_all_but(keep);
            let code = serve(program, &arrivals, &task.alive);
            if task.means == Means::Landlock {
                orphans::kill_all(&[]);
            }
            calls::exit(code.into())
        }
        Err(report) => {
            report.send(&task.report);
            calls::exit(crate::NOTHING_RUN.into())
        }
    }
}

/// Returns the process that becomes the program once the last descriptor is closed, and where
/// signals arrive.
fn start(task: &mut Task<'_>) -> Result<(pid_t, OwnedFd, OwnedFd), Report> {
    let privileges = |errno| Report::new(Step::Privileges, errno);
    if task.means == Means::Landlock {
        calls::control(libc::PR_SET_CHILD_SUBREAPER, 1, 0).map_err(privileges)?;
    } else {
        let kill = libc::SIGKILL.cast_unsigned().into();
        calls::control(libc::PR_SET_PDEATHSIG, kill, 0).map_err(privileges)?;
    }
    // The wrapper may have gone before that was said.
    if signals::ready([task.alive.as_raw_fd()], false)[0] {
        calls::exit(crate::NOTHING_RUN.into());
    }
    match task.means {
        Means::Landlock => {}
        Means::UserNamespace | Means::Namespaces => {
            if task.means == Means::UserNamespace {
                root::map_ids(task.prepared)?;
            }
            calls::set_host_name(b"sandbox").map_err(|errno| Report::new(Step::Root, errno))?;
            root::enter(task.prepared, &mut task.clones)?;
        }
    }
    calls::control(libc::PR_SET_NO_NEW_PRIVS, 1, 0).map_err(privileges)?;
    calls::drop_capabilities().map_err(privileges)?;
    calls::no_core_dumps().map_err(privileges)?;
    // Nothing of this process is to be read through /proc, least of all the environment of the
    // wrapper, which it has a copy of. Execution lifts this for the program.
    calls::control(libc::PR_SET_DUMPABLE, 0, 0).map_err(privileges)?;
    let arrivals = signals::descriptor().map_err(|errno| Report::new(Step::Start, errno))?;
    let (go, hold) = calls::pipe().map_err(|errno| Report::new(Step::Start, errno))?;
    let own = std::process::id();
    match calls::fork_into(0).map_err(|errno| Report::new(Step::Start, errno))? {
        0 => {
            drop(hold);
            while !signals::ready([go.as_raw_fd()], true)[0] {}
            let report = become_program(task, own).unwrap_err();
            report.send(&task.report);
            calls::exit(crate::NOTHING_RUN.into())
        }
        program => Ok((program, arrivals, hold)),
    }
}

/// Returns only if the program could not be executed.
fn become_program(task: &Task<'_>, parent: u32) -> Result<std::convert::Infallible, Report> {
    let privileges = |errno| Report::new(Step::Privileges, errno);
    let kill = libc::SIGKILL.cast_unsigned().into();
    calls::control(libc::PR_SET_PDEATHSIG, kill, 0).map_err(privileges)?;
    if calls::parent().cast_unsigned() != parent {
        calls::exit(crate::NOTHING_RUN.into());
    }
    calls::change_directory(&task.prepared.directory)
        .map_err(|errno| Report::new(Step::Directory, errno))?;
    if task.means != Means::Landlock {
        streams::reopen_devices();
    }
    calls::close_on_exec_from(3).map_err(privileges)?;
    confine::confine(task.prepared, task.means)?;
    signals::restore(&task.mask);
    let errno = confine::execute(task.prepared);
    Err(Report::new(Step::Execute, errno))
}

/// Closes the standard streams and everything else except two descriptors.
fn close_all_but(keep: [i32; 2]) {
    let (low, high) = (keep[0].min(keep[1]), keep[0].max(keep[1]));
    for (first, last) in [(0, low - 1), (low + 1, high - 1), (high + 1, i32::MAX)] {
        if first <= last {
            calls::close_range(first.cast_unsigned(), last.cast_unsigned());
        }
    }
}

/// Reaps, and passes signals on, until the program ends or the wrapper is gone.
fn serve(program: pid_t, arrivals: &OwnedFd, alive: &OwnedFd) -> u8 {
    loop {
        let [signal, gone] = signals::ready([arrivals.as_raw_fd(), alive.as_raw_fd()], true);
        if gone {
            // 128 + SIGKILL; nobody reads it.
            return 137;
        }
        if !signal {
            continue;
        }
        match signals::take(arrivals) {
            Some(arrived) if arrived.signal != libc::SIGCHLD => {
                signals::pass_on_to_program(arrived, program);
            }
            _ => loop {
                match calls::reap(false) {
                    Reaped::Ended(pid, code) if pid == program => return code,
                    Reaped::Ended(..) => {}
                    Reaped::Running | Reaped::NoChildren => break,
                }
            },
        }
    }
}
