//! From what is asked, and what is open, to the policy.

use std::collections::BTreeMap;

use super::{
    open::{self, Open},
    policy::{Held, Kind, Object, Policy},
    record::Record,
};
use crate::{Error, Limits, sys::Request};

/// What every number may be used for from here on.
pub(super) fn policy(request: &Request, record: &Record, open: &[Open]) -> Result<Policy, Error> {
    let ceiling = request.ceiling.intersection(&record.ceiling);
    let mut granted: Vec<(u32, Limits)> = Vec::with_capacity(request.grants.len());
    for (fd, limits) in &request.grants {
        let number = fd.cast_unsigned();
        let has = record.limits(number);
        if !has.contains(limits) {
            return Err(Error::NotCapable {
                descriptor: *fd,
                asked: Box::new(limits.clone()),
                has: Box::new(has.clone()),
            });
        }
        granted.push((number, limits.clone()));
    }
    let asked = |number: u32| request.grants.iter().any(|(fd, _)| fd.cast_unsigned() == number);
    for (number, held) in record.numbers.iter().filter(|(number, _)| !asked(**number)) {
        // What was granted before may exceed the ceiling of then, and not what is asked now.
        granted.push((*number, held.limits.intersection(&request.ceiling)));
    }
    let open_at = |number: u32| {
        let found = open.binary_search_by_key(&number, |open| open.number);
        found.ok().map(|at| open[at])
    };
    let mut policy = Policy {
        kind: Kind::Enter,
        granted: BTreeMap::new(),
        ceiling,
        capability: true,
        landlock: false,
        directories: false,
        arrives: false,
        statable: false,
        brokered: false,
        signal_scope: false,
        addressable: false,
        reopens: false,
        traps: request.traps || record.traps,
        pid: std::process::id(),
    };
    policy.granted = granted
        .into_iter()
        .filter(|(_, limits)| *limits != policy.ceiling)
        .map(|(number, limits)| {
            // Only what is pinned keeps its number, so that what is known of it stays true.
            let open = open_at(number).filter(|_| policy.pinned(&limits));
            let object = open.map(|open| open.object(limits.rights));
            let contained = record.numbers.get(&number).is_some_and(|held| held.object.contained);
            let object = Object { contained, ..object.unwrap_or_default() };
            (number, Held { limits, object })
        })
        .collect();
    let narrow = |open: &Open| policy.narrow(policy.limits(open.number));
    policy.reopens = open::some_unmounted(open.iter().copied().filter(narrow));
    policy.addressable =
        open.iter().any(|open| !policy.pinned(policy.limits(open.number)) && open.addressable());
    Ok(policy)
}
