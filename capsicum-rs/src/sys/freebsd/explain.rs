//! Explaining what entering would do, without doing it. The kernel decides by the rights of each
//! descriptor, so that what can be told of a call is which rights it may need, and who has them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ECAPMODE, Request,
    enter::{Checked, check},
    operations::OPERATIONS,
};
use crate::{
    CallRule, Containment, Error, Explanation, GrantRule, Limits, Outcome, Rights, SystemCall,
    explain::numbers,
};

pub(crate) fn explain(request: &Request) -> Result<Explanation, Error> {
    let Checked { grants, missing, .. } = check(request)?;
    let mut grants = grants
        .iter()
        .map(|change| {
            let (descriptor, limits) = change.outcome()?;
            Ok(GrantRule { descriptor, limits, pinned: None, narrow: None })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    grants.sort_by_key(|grant| grant.descriptor);
    Ok(Explanation {
        containment: Containment::Capsicum,
        mechanism: format!(
            "the kernel, by the rights(4) of each descriptor; calls that it does not list for \
             capability mode are refused in any case{}",
            if request.traps { "; refusals raise SIGTRAP besides" } else { "" }
        ),
        calls: calls(&grants, &request.ceiling),
        grants,
        ceiling: request.ceiling.clone(),
        missing,
        others: "refused with ECAPMODE where it uses a global name or is not listed, else free"
            .to_owned(),
    })
}

/// Their numbers are not known here.
pub(crate) fn system_call(_number: u32) -> Option<SystemCall> {
    None
}

/// Calls that name an address, which capability mode refuses whatever the rights: it has bindat(2)
/// and connectat(2) in their place.
const GLOBAL: [&str; 2] = ["bind", "connect"];

/// The calls that rights are about, by name.
fn calls(grants: &[GrantRule], ceiling: &Limits) -> Vec<CallRule> {
    let mut needs: BTreeMap<&'static str, Vec<Rights>> = BTreeMap::new();
    for (right, calls) in OPERATIONS {
        for call in *calls {
            needs.entry(call).or_default().push(*right);
        }
    }
    let rule = |(name, rights): (&'static str, Vec<Rights>)| {
        if GLOBAL.contains(&name) {
            return CallRule { name, outcome: Outcome::Refused { errors: vec![ECAPMODE] } };
        }
        let steps = rights.into_iter().map(|right| holders(right, grants, ceiling)).collect();
        CallRule { name, outcome: Outcome::Depends { steps } }
    };
    needs.into_iter().map(rule).collect()
}

/// Which descriptors have a right.
fn holders(right: Rights, grants: &[GrantRule], ceiling: &Limits) -> String {
    let others = ceiling.rights.contains(right);
    let exceptions: BTreeSet<u32> = grants
        .iter()
        .filter(|grant| grant.limits.rights.contains(right) != others)
        .map(|grant| grant.descriptor.cast_unsigned())
        .collect();
    match (others, exceptions.is_empty()) {
        (false, true) => format!("`{right}`, which no descriptor has"),
        (false, false) => format!("`{right}` of descriptors {}", numbers(exceptions)),
        (true, true) => format!("`{right}` of any descriptor that has it already"),
        (true, false) => {
            format!("`{right}` of any descriptor that has it already but {}", numbers(exceptions))
        }
    }
}
