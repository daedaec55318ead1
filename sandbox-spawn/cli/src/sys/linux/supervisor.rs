//! The process between the wrapper and the program. At the level `directories` it is process 1 of
//! the program's namespace, and everything in there ends with it. At the level `landlock` it is
//! the one that orphans come to, and it kills what is left; and it answers the calls that Landlock
//! does not see, see [`mod@supervise`].

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use libc::{pid_t, sigset_t};

use super::{
    calls::{self, Reaped},
    confine,
    level::Means,
    orphans,
    prepared::Prepared,
    processes,
    report::{Report, Step},
    root, signals, streams,
    supervise::{self, Answering, Ready, Trees, handover},
};

/// What it ends with where the program is cut off: 128 + SIGKILL.
pub(super) const CUT_OFF: u8 = 137;

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
    /// What is said about the level.
    pub(super) lesser: Vec<u8>,
    /// Room for the mounts.
    pub(super) clones: Vec<Option<OwnedFd>>,
}

/// Sets the sandbox up, starts the program in it, and ends with what the program ended with.
pub(super) fn supervise(mut task: Task<'_>) -> ! {
    match start(&mut task) {
        Ok(Started { program, arrivals, hold, answers }) => {
            // The wrapper takes the end of the reports for the start of the program, and the
            // program starts when nobody else can keep that from it.
            drop(task.report);
            drop(hold);
            // Whoever reads what the program writes must see the end when the program ends.
            let mut keep = vec![arrivals.as_raw_fd(), task.alive.as_raw_fd()];
            if let Some((socket, ready)) = &answers {
                keep.push(socket.as_raw_fd());
                keep.extend(ready.descriptors());
            }
            close_all_but(keep);
            let code = serve(program, &arrivals, &task.alive, answers);
            if !task.means.are_namespaces() {
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

/// A program that is about to start.
struct Started {
    /// The process that becomes the program once `hold` is closed.
    program: pid_t,
    /// Where signals arrive.
    arrivals: OwnedFd,
    hold: OwnedFd,
    /// Where the listener arrives, and what answers then.
    answers: Option<(OwnedFd, Ready)>,
}

/// What answers the program's calls, and the sockets through which it gets its listener.
fn answers(task: &Task<'_>) -> Result<Option<(OwnedFd, OwnedFd, Ready)>, Report> {
    if task.means != Means::Supervised {
        return Ok(None);
    }
    if let Some(text) = supervise::unavailable() {
        return Err(Report { text, ..Report::new(Step::Confine, 0) });
    }
    let start = |errno| Report::new(Step::Start, errno);
    let ready = Ready::new(Trees::new(task.prepared)?).map_err(start)?;
    let (here, there) = handover::pair().map_err(start)?;
    Ok(Some((here, there, ready)))
}

fn start(task: &mut Task<'_>) -> Result<Started, Report> {
    let privileges = |errno| Report::new(Step::Privileges, errno);
    if task.means.are_namespaces() {
        let kill = libc::SIGKILL.cast_unsigned().into();
        calls::control(libc::PR_SET_PDEATHSIG, kill, 0).map_err(privileges)?;
    } else {
        // The program's memory and what is left of it are found by ids.
        if let Some(text) = processes::misleading() {
            return Err(Report { text, ..Report::new(Step::Confine, 0) });
        }
        calls::control(libc::PR_SET_CHILD_SUBREAPER, 1, 0).map_err(privileges)?;
    }
    // The wrapper may have gone before that was said.
    if signals::ready([task.alive.as_raw_fd()], false)[0] {
        calls::exit(crate::NOTHING_RUN.into());
    }
    match task.means {
        Means::Supervised | Means::Landlock => {}
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
    let answers = answers(task)?;
    let own = std::process::id();
    match calls::fork_into(0).map_err(|errno| Report::new(Step::Start, errno))? {
        0 => {
            drop(hold);
            while !signals::ready([go.as_raw_fd()], true)[0] {}
            let there = answers.as_ref().map(|(_, there, _)| there);
            let report = become_program(task, own, there).unwrap_err();
            report.send(&task.report);
            calls::exit(crate::NOTHING_RUN.into())
        }
        program => {
            let answers = answers.map(|(here, _, ready)| (here, ready));
            Ok(Started { program, arrivals, hold, answers })
        }
    }
}

/// Returns only if the program could not be executed.
fn become_program(
    task: &Task<'_>,
    parent: u32,
    supervisor: Option<&OwnedFd>,
) -> Result<std::convert::Infallible, Report> {
    let privileges = |errno| Report::new(Step::Privileges, errno);
    let kill = libc::SIGKILL.cast_unsigned().into();
    calls::control(libc::PR_SET_PDEATHSIG, kill, 0).map_err(privileges)?;
    if calls::parent().cast_unsigned() != parent {
        calls::exit(crate::NOTHING_RUN.into());
    }
    calls::change_directory(&task.prepared.directory)
        .map_err(|errno| Report::new(Step::Directory, errno))?;
    if task.means.are_namespaces() {
        streams::reopen_devices();
    }
    calls::close_on_exec_from(3).map_err(privileges)?;
    confine::confine(task.prepared, task.means, supervisor)?;
    calls::say(2, &task.lesser);
    signals::restore(&task.mask);
    let errno = confine::execute(task.prepared);
    Err(Report::new(Step::Execute, errno))
}

/// Closes the standard streams and everything else except some descriptors.
fn close_all_but(mut keep: Vec<RawFd>) {
    keep.sort_unstable();
    let mut first = 0;
    for number in keep {
        if first < number {
            calls::close_range(first.cast_unsigned(), (number - 1).cast_unsigned());
        }
        first = number + 1;
    }
    calls::close_range(first.cast_unsigned(), u32::MAX);
}

/// Reaps, and passes signals on, until the program ends or the wrapper is gone. The listener arrives
/// just before the program starts.
fn serve(
    program: pid_t,
    arrivals: &OwnedFd,
    alive: &OwnedFd,
    mut answers: Option<(OwnedFd, Ready)>,
) -> u8 {
    let mut answering: Option<Answering> = None;
    loop {
        // poll(2) looks at no negative number.
        let socket = answers.as_ref().map_or(-1, |(socket, _)| socket.as_raw_fd());
        let timeout = if answering.is_some() { supervise::PATIENCE } else { -1 };
        let [signal, gone, listener] =
            signals::ready_within([arrivals.as_raw_fd(), alive.as_raw_fd(), socket], timeout);
        if gone {
            return CUT_OFF;
        }
        if !(signal || listener)
            && let Some(answering) = &mut answering
        {
            answering.look();
        }
        if listener && let Some((socket, ready)) = answers.take() {
            // Without a listener the program did not start.
            match handover::receive(&socket).map(|listener| ready.start(listener)) {
                None => {}
                Some(Ok(started)) => answering = Some(started),
                // It gets no answers.
                Some(Err(_)) => return CUT_OFF,
            }
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
