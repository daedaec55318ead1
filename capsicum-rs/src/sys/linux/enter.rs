//! Entering capability mode.
//!
//! Everything that can be refused is found out first; then `no_new_privs`, the private root,
//! Landlock and the filter are set, in this order. Neither the root nor Landlock can be taken back,
//! so that a process for which a step after them fails is ended: it would be neither as it was nor
//! in capability mode.

use super::{
    bpf::Insn,
    broker::Broker,
    call, directories,
    granted::policy,
    landlock::{Landlock, Rules, conflict},
    limit,
    open::{self, Mounts, Open},
    policy::{Held, Object, Policy},
    probe::{self, Filters},
    process,
    record::{self, Record},
    root::{Failure, Root},
};
use crate::{Containment, Entered, Error, Missing, Rights, sys::Request};

/// What a lookup opens with these gets a descriptor, and so the ceiling.
const OPENS: Rights = Rights::READ.union(Rights::WRITE);

/// What is not to be had: an error, or with `best_effort` a note.
struct Shortfalls {
    best_effort: bool,
    missing: Vec<Missing>,
}

impl Shortfalls {
    fn add(&mut self, what: String, reason: String) -> Result<(), Error> {
        if !self.best_effort {
            return Err(Error::Unenforceable { what, reason });
        }
        self.missing.push(Missing { what, reason });
        Ok(())
    }
}

/// What was found out before anything is changed.
pub(super) struct Checked {
    pub(super) policy: Policy,
    pub(super) containment: Containment,
    pub(super) missing: Vec<Missing>,
    /// The filter.
    pub(super) program: Vec<Insn>,
    /// What Landlock will hold.
    rules: Option<Rules>,
    /// The private root, where there is to be a new one.
    root: Option<Root>,
}

/// Finds out everything that can be refused, and what will hold. Nothing is changed.
pub(super) fn check(request: &Request, record: &Record) -> Result<Checked, Error> {
    let already = probe::filters() == Filters::Capability;
    let open = open::descriptors(already)?;
    if !already {
        open::no_rings(&open)?;
    }
    let mut shortfalls = Shortfalls { best_effort: request.best_effort, missing: Vec::new() };
    let mut policy = policy(request, record, &open)?;
    let landlock = level(request, &policy, &open, &mut shortfalls)?;
    policy.landlock = landlock.is_some();
    policy.brokered = brokered(request, &policy, already, &mut shortfalls)?;
    let root = private_root(request, record, already, &mut policy, &open, &mut shortfalls)?;
    let containment = match (policy.directories, policy.landlock) {
        (true, _) => Containment::Directories,
        (false, true) => Containment::Landlock,
        (false, false) => Containment::Descriptors,
    };
    pinned_stay(&policy, &open)?;
    no_wider(&policy, &open, &mut shortfalls)?;
    // Landlock would keep the process from signalling those that it has descriptors of.
    let kills =
        |open: &Open| policy.limits(open.number).rights.contains(Rights::PDKILL) && open.process();
    let scoped = landlock.is_some_and(Landlock::scopes) && !open.iter().any(kills);
    policy.signal_scope = scoped || record.signal_scope;

    let recursive = !apart(request, &policy, &open, already, &mut shortfalls)?;
    let rules = landlock
        .map(|landlock| {
            beneath(landlock, scoped, &policy, &open, already, recursive, &mut shortfalls)
        })
        .transpose()?;
    let program = limit::program(&policy)?;
    Ok(Checked { policy, containment, missing: shortfalls.missing, program, rules, root })
}

pub(crate) fn enter(request: &Request) -> Result<Entered, Error> {
    let mut record = record::lock();
    match enter_once(request, &mut record) {
        // The root was ready and could not be joined; nothing has changed.
        Err(Error::Containment { required: level @ Containment::Directories, reason, .. })
            if request.require != Some(level) =>
        {
            let mut entered =
                enter_once(&Request { prefer: None, ..request.clone() }, &mut record)?;
            entered.missing.push(Missing { what: format!("the level `{level}`"), reason });
            Ok(entered)
        }
        result => result,
    }
}

fn enter_once(request: &Request, record: &mut Record) -> Result<Entered, Error> {
    let Checked { policy, containment, missing, program, rules, root } = check(request, record)?;

    // Before there is a filter: it is not restricted.
    let broker = policy.brokered.then(Broker::start).transpose()?;
    limit::no_new_privileges()?;
    let held_by_landlock = rules.is_some();
    if held_by_landlock {
        limit::try_out(&program)?;
    }
    // The point of no return, where there is a root; else with Landlock.
    let rooted = root.is_some();
    match root.map_or(Ok(()), Root::enter) {
        Ok(()) => {}
        Err(Failure::Unchanged(reason)) => {
            return Err(Error::Containment {
                required: Containment::Directories,
                offered: Containment::Landlock,
                reason,
            });
        }
        Err(Failure::Halfway(reason)) => end("a private root", &reason),
    }
    if let Err(error) = rules.map_or(Ok(()), Rules::restrict) {
        if rooted {
            end("Landlock", &error.to_string());
        }
        return Err(error);
    }
    // Landlock holds cores back too; without it nothing else keeps the kernel from writing one.
    let cores = if held_by_landlock {
        None
    } else {
        Some(call::core_limit(0).map_err(|error| Error::system("setrlimit(RLIMIT_CORE)", error))?)
    };
    let installed = match &broker {
        None => limit::install(&program).map(|()| None),
        Some(_) => limit::install_supervised(&program).map(Some),
    };
    let listener = match installed {
        Ok(listener) => listener,
        Err(error) => {
            if let Some(soft) = cores {
                let _ = call::core_limit(soft);
            }
            if held_by_landlock {
                end("the filter", &error.to_string());
            }
            return Err(error);
        }
    };
    // It has a listener of its own then; this process must keep none.
    if let (Some(broker), Some(listener)) = (broker, listener)
        && let Err(reason) = broker.take(&listener)
    {
        end("the broker", &reason);
    }

    record.ceiling = policy.ceiling;
    record.numbers = policy.granted;
    record.entered = Some(containment);
    record.signal_scope = policy.signal_scope;
    record.arrives = policy.arrives;
    record.traps = policy.traps;
    Ok(Entered { containment, missing, filter_len: program.len() })
}

/// Ends a process that is neither as it was nor in capability mode.
fn end(what: &str, reason: &str) -> ! {
    eprintln!("capsicum-rs: entering capability mode failed half way, at {what}: {reason}");
    std::process::abort();
}

/// Whether a descriptor is of use only where Landlock holds lookups, and by which right.
fn needs_landlock(policy: &Policy, open: Open) -> Option<Rights> {
    let rights = policy.limits(open.number).rights;
    if open.directory() && rights.contains(Rights::LOOKUP) {
        return Some(Rights::LOOKUP);
    }
    rights.contains(Rights::FEXECVE).then_some(Rights::FEXECVE).filter(|_| {
        // With the ceiling everything may be executed; that it can be is no promise.
        policy.granted.contains_key(&open.number)
    })
}

/// The level: Landlock where it is to be had, unless nothing needs it and it is not.
fn level(
    request: &Request,
    policy: &Policy,
    open: &[Open],
    shortfalls: &mut Shortfalls,
) -> Result<Option<Landlock>, Error> {
    let unmet = |required, offered, reason| Err(Error::Containment { required, offered, reason });
    let needed = open.iter().find_map(|open| Some((*open, needs_landlock(policy, *open)?)));
    let required = request.require.unwrap_or(Containment::Descriptors);
    let probed = Landlock::probe();
    let threads = open::threads()?;
    let held = probed.as_ref().is_ok_and(|landlock| landlock.restricts(threads));
    let offered = if held { Containment::Landlock } else { Containment::Descriptors };
    match required {
        Containment::Capsicum => {
            let root = offered == Containment::Landlock && Root::prepare(&[]).is_ok();
            let offered = if root { Containment::Directories } else { offered };
            return unmet(required, offered, "it is FreeBSD's".to_owned());
        }
        Containment::Directories | Containment::Landlock | Containment::Descriptors => {}
    }
    let threaded = || Error::Threaded { threads, what: "Landlock, which holds lookups," };
    match probed {
        Ok(landlock) if held && (threads == 1 || required < Containment::Directories) => {
            return Ok(Some(landlock));
        }
        Ok(_) if required >= Containment::Landlock => return Err(threaded()),
        Err(reason) if required >= Containment::Landlock => {
            return unmet(required, offered, reason);
        }
        Ok(_) => {
            if let Some((open, right)) = needed {
                if !request.best_effort {
                    return Err(threaded());
                }
                shortfalls.add(on(right, open), threaded().to_string())?;
            }
        }
        Err(reason) => {
            if let Some((open, right)) = needed {
                if !request.best_effort {
                    let reason = format!("{} needs it: {reason}", on(right, open));
                    return unmet(Containment::Landlock, offered, reason);
                }
                shortfalls.add(on(right, open), reason)?;
            }
        }
    }
    Ok(None)
}

/// Whether there is to be a broker.
fn brokered(
    request: &Request,
    policy: &Policy,
    already: bool,
    shortfalls: &mut Shortfalls,
) -> Result<bool, Error> {
    if !request.broker {
        return Ok(false);
    }
    let reason = if already {
        "the process is in capability mode, and can start none".to_owned()
    } else if !policy.landlock {
        "it answers for lookups at the level Landlock, which is not to be had".to_owned()
    } else if open::threads()? > 1 {
        "it answers for one thread: enter before starting threads".to_owned()
    } else if let Some(reason) = process::awaits_first().or_else(process::known_otherwise) {
        reason
    } else if let Err(error) = call::action_available(libc::SECCOMP_RET_USER_NOTIF) {
        format!("the kernel's filters cannot notify it: {error}")
    } else if let Err(error) = limit::try_listening() {
        format!("{error}")
    } else {
        return Ok(true);
    };
    shortfalls.add("a broker".to_owned(), reason)?;
    Ok(false)
}

/// The level `Directories`, where it is asked for: the policy of it, and the root that is to be
/// entered, unless the process has one already.
fn private_root(
    request: &Request,
    record: &Record,
    already: bool,
    policy: &mut Policy,
    open: &[Open],
    shortfalls: &mut Shortfalls,
) -> Result<Option<Root>, Error> {
    let asked = |level: Option<Containment>| level == Some(Containment::Directories);
    let offered = if policy.landlock { Containment::Landlock } else { Containment::Descriptors };
    let mut unmet = |reason: String| {
        let required = Containment::Directories;
        if asked(request.require) {
            return Err(Error::Containment { required, offered, reason });
        }
        if asked(request.prefer) {
            shortfalls.missing.push(Missing { what: format!("the level `{required}`"), reason });
        }
        Ok(None)
    };
    let root = if already {
        if record.entered != Some(Containment::Directories) {
            return unmet("the process is in capability mode at another level".to_owned());
        }
        policy.arrives = record.arrives;
        None
    } else {
        if !asked(request.require) && !asked(request.prefer) {
            return Ok(None);
        }
        if !policy.landlock {
            return unmet("Landlock is needed for the rights beneath each directory".to_owned());
        }
        // Landlock may hold them all, but a mount namespace is entered by one.
        let threads = open::threads()?;
        if threads > 1 {
            return unmet(format!(
                "the process has {threads} threads, and a private root is for one: enter before \
                 starting threads"
            ));
        }
        let prepared = directories::places(policy, open, !request.without_submounts)
            .and_then(|places| Root::prepare(&places).map(|root| (places, root)));
        let (places, root) = match prepared {
            Ok(prepared) => prepared,
            Err(reason) => return unmet(reason),
        };
        policy.arrives = directories::arrive(policy, open);
        for place in places {
            // Of numbers that are not pinned nothing is known for good.
            if let Some(held) = policy.granted.get(&place.fd.cast_unsigned()).cloned()
                && policy.pinned(&held.limits)
            {
                let object = Object { contained: true, ..held.object };
                policy.granted.insert(place.fd.cast_unsigned(), Held { object, ..held });
            }
        }
        Some(root)
    };
    policy.directories = true;
    policy.statable = directories::statable(policy, open);
    // Procfs can then be reached from directories of other processes only.
    policy.reopens &= policy.arrives;
    Ok(root)
}

/// Whether what is mounted beneath directories is no part of them.
fn apart(
    request: &Request,
    policy: &Policy,
    open: &[Open],
    already: bool,
    shortfalls: &mut Shortfalls,
) -> Result<bool, Error> {
    let lookup = |open: &Open| {
        open.directory() && policy.held(open.number).limits.rights.contains(Rights::LOOKUP)
    };
    if !request.without_submounts || !policy.arrives && !open.iter().any(lookup) {
        return Ok(false);
    }
    let reason = if already {
        "that was decided when capability mode was entered"
    } else if !policy.directories {
        "the level `Directories` is needed, which copies them"
    } else if policy.arrives {
        "a directory may arrive over a socket, and lead there by another way"
    } else {
        return Ok(true);
    };
    let what = "directories without what is mounted beneath them".to_owned();
    shortfalls.add(what, reason.to_owned())?;
    Ok(false)
}

fn on(right: Rights, open: Open) -> String {
    format!("{right} on descriptor {}", open.number)
}

/// Executing a program would free the number of a pinned descriptor that is close-on-exec.
fn pinned_stay(policy: &Policy, open: &[Open]) -> Result<(), Error> {
    if !policy.fact(super::rule::Fact::Executes) {
        return Ok(());
    }
    for open in open {
        let limits = policy.limits(open.number);
        if !limits.rights.contains(Rights::FEXECVE) && open.executable_memory() {
            return Err(Error::Unenforceable {
                what: format!("`{limits}` on descriptor {}", open.number),
                reason: "it is memory that may be executed, which Landlock does not hold back: \
                         grant it FEXECVE, or make it with MFD_NOEXEC_SEAL"
                    .to_owned(),
            });
        }
        if policy.pinned(limits) && open.close_on_exec() {
            return Err(Error::Unenforceable {
                what: format!("`{limits}` on descriptor {}", open.number),
                reason: "it has more than the ceiling, and executing a program would give its \
                         number to another object: clear FD_CLOEXEC, or grant no FEXECVE"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// What comes out of a descriptor gets the ceiling, which must not be more than it has.
fn no_wider(policy: &Policy, open: &[Open], shortfalls: &mut Shortfalls) -> Result<(), Error> {
    for open in open {
        let limits = policy.limits(open.number);
        let opens = open.directory()
            && limits.rights.contains(Rights::LOOKUP)
            && limits.rights.intersects(OPENS);
        let accepts = open.socket() && limits.rights.contains(Rights::ACCEPT);
        if policy.narrow(limits) && (opens || accepts) {
            let right = if opens { Rights::LOOKUP } else { Rights::ACCEPT };
            shortfalls.add(
                on(right, *open),
                format!(
                    "what it opens has the ceiling, and the ceiling has `{}` beyond the `{limits}` \
                     of the descriptor: state a ceiling that is no wider",
                    policy.ceiling.rights.difference(limits.rights),
                ),
            )?;
        }
    }
    Ok(())
}

/// The rules of Landlock: each directory that may be looked up from, and what may be executed.
fn beneath(
    landlock: Landlock,
    scoped: bool,
    policy: &Policy,
    open: &[Open],
    already: bool,
    recursive: bool,
    shortfalls: &mut Shortfalls,
) -> Result<Rules, Error> {
    let rules = Rules::new(landlock, scoped)?;
    let mut passed: Vec<(Open, Rights)> = open
        .iter()
        .map(|open| (*open, policy.limits(open.number).rights))
        .filter(|(open, rights)| {
            if open.directory() {
                rights.contains(Rights::LOOKUP)
            } else {
                rights.contains(Rights::FEXECVE)
            }
        })
        .collect();
    // In capability mode no directory leads to procfs: that was seen to on entering it.
    if !already && passed.iter().any(|(open, _)| open.directory()) {
        let mounts = Mounts::read(recursive)?;
        let mut safe = Vec::new();
        for (open, rights) in passed {
            match mounts.reach_procfs(open).filter(|_| open.directory()) {
                Some(reason) => shortfalls.add(on(Rights::LOOKUP, open), reason)?,
                None => safe.push((open, rights)),
            }
        }
        passed = safe;
    }
    // An absolute path starts from no descriptor: the filter takes any number for its start. With a
    // private root it leads nowhere, and only a directory that arrives later leads out of its tree.
    let mut starts: Vec<(Option<u32>, Rights)> = Vec::new();
    let granted = policy.granted.iter().filter(|_| !policy.directories);
    let granted = granted.map(|(number, held)| (Some(*number), held.limits.rights));
    let ceiling = (None, policy.ceiling.rights);
    let ceiling = Some(ceiling).filter(|_| !policy.directories || policy.arrives);
    for (from, more) in granted.chain(ceiling) {
        // Of those with the same rights the first stands for all.
        if starts.iter().all(|(_, known)| *known != more) {
            starts.push((from, more));
        }
    }
    let mut held = Vec::new();
    for (to, rights) in &passed {
        let betrayed =
            starts.iter().find_map(|(from, more)| Some((from, conflict(*more, *rights)?)));
        match betrayed {
            Some((from, right)) => {
                let from =
                    from.map_or_else(|| "the ceiling".to_owned(), |n| format!("descriptor {n}"));
                shortfalls.add(
                    format!("`{rights}` on descriptor {}", to.number),
                    format!(
                        "Landlock cannot hold `{right}` back from it, which {from} has: grant it \
                         to both or to neither",
                    ),
                )?;
            }
            None => held.push((to, rights)),
        }
    }
    for (open, rights) in held {
        rules.pass(open.fd(), open.directory(), *rights)?;
    }
    Ok(rules)
}
