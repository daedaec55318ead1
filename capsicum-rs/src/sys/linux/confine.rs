//! Confining a program that knows nothing of capabilities: see [`crate::program`].

use std::collections::BTreeMap;

use super::{
    call,
    landlock::{Landlock, Rules},
    limit, open,
    policy::{Kind, Policy},
};
use crate::{
    Error, Limits,
    program::{Confined, Names},
    sys::Confinement,
};

pub(crate) fn confine(confinement: &Confinement) -> Result<Confined, Error> {
    let threads = open::threads()?;
    if threads > 1 {
        return Err(Error::Threaded { threads, what: "Landlock" });
    }
    // Numbers that the program starts with; in a private root there may be no procfs.
    let open = open::descriptors(false).or_else(|_| open::descriptors(true))?;
    if let Some(ring) = open.iter().find(|open| open.ring()) {
        return Err(Error::Unenforceable {
            what: format!("confinement with descriptor {}", ring.number),
            reason: "it is an io_uring, which no filter sees: close it before".to_owned(),
        });
    }
    can_be_supervised(confinement.supervised)?;
    let landlock = match Landlock::probe() {
        Ok(landlock) => Some(landlock),
        Err(_) if confinement.without_landlock => None,
        Err(reason) => {
            return Err(Error::Unenforceable { what: "containment of paths".to_owned(), reason });
        }
    };
    if !confinement.without_landlock {
        signals_are_held(confinement.names, landlock)?;
    }
    let rules = landlock
        .map(|landlock| {
            let rules = Rules::new(landlock, landlock.scopes())?;
            for (fd, rights) in &confinement.beneath {
                let mode = call::mode_of(*fd)
                    .map_err(|error| Error::system(format!("fstat(descriptor {fd})"), error))?;
                rules.pass(*fd, mode & libc::S_IFMT == libc::S_IFDIR, *rights)?;
            }
            Ok::<_, Error>(rules)
        })
        .transpose()?;
    let program = limit::program(&Policy {
        kind: Kind::Confine(confinement.names, confinement.supervised),
        granted: BTreeMap::new(),
        ceiling: Limits::ALL,
        capability: false,
        landlock: landlock.is_some(),
        directories: false,
        arrives: false,
        statable: false,
        brokered: false,
        signal_scope: landlock.is_some_and(Landlock::scopes),
        addressable: open.into_iter().any(open::Open::addressable),
        reopens: false,
        traps: false,
        pid: std::process::id(),
    })?;
    limit::no_new_privileges()?;
    rules.map_or(Ok(()), Rules::restrict)?;
    let listener = if confinement.supervised.is_empty() {
        limit::install(&program)?;
        None
    } else {
        Some(limit::install_supervised(&program)?)
    };
    Ok(Confined {
        landlock: landlock.map(|landlock| landlock.abi),
        filter_len: program.len(),
        listener,
    })
}

/// The names of which each call carries a path or a descriptor, which a supervisor can look at.
fn can_be_supervised(names: Names) -> Result<(), Error> {
    let others = names.difference(Names::METADATA.union(Names::ATTRIBUTES));
    if !others.is_empty() {
        return Err(Error::Unenforceable {
            what: format!("supervision of {others:?}"),
            reason: "a supervisor answers for `Names::METADATA` and `Names::ATTRIBUTES`".to_owned(),
        });
    }
    if names.is_empty() {
        return Ok(());
    }
    call::action_available(libc::SECCOMP_RET_USER_NOTIF).map_err(|error| Error::Unenforceable {
        what: "supervision".to_owned(),
        reason: format!("the kernel's filters cannot notify a supervisor (Linux 5.0): {error}"),
    })
}

/// Where nothing but Landlock keeps a program from others' processes, it must hold signals too.
fn signals_are_held(names: Names, landlock: Option<Landlock>) -> Result<(), Error> {
    if !names.contains(Names::SIGNALS) || landlock.is_some_and(Landlock::scopes) {
        return Ok(());
    }
    Err(Error::Unenforceable {
        what: "`Names::SIGNALS`, kept to the program's own processes,".to_owned(),
        reason: "Landlock holds signals from ABI 6 (Linux 6.12) on: use a process namespace, or \
                 leave the name out"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_supervisor_can_answer_is_left_to_one() {
        for name in Names::all().iter() {
            let answerable = Names::METADATA.union(Names::ATTRIBUTES).contains(name);
            assert_eq!(can_be_supervised(name).is_ok(), answerable, "{name:?}");
        }
        assert!(can_be_supervised(Names::empty()).is_ok());
    }

    #[test]
    fn signals_that_nothing_holds_are_no_ones_to_send() {
        let older = Some(Landlock { abi: 5 });
        assert!(signals_are_held(Names::SIGNALS, older).is_err());
        assert!(signals_are_held(Names::SIGNALS, None).is_err());
        assert!(signals_are_held(Names::SIGNALS, Some(Landlock { abi: 6 })).is_ok());
        assert!(signals_are_held(Names::PATHS, older).is_ok());
    }
}
