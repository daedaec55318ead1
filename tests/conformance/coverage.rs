//! Whether the suite is complete: every right that this kernel enforces has been shown to be.

use std::collections::BTreeSet;

use capsicum_rs::{Enforcement, Rights, Support};

use crate::level::FREEBSD;

/// How many rights have an operation on both systems.
const AT_LEAST: usize = 40;

/// Rights that have an operation which no case tries, and why not.
pub(crate) fn untried() -> Vec<(Rights, &'static str)> {
    if !FREEBSD {
        return Vec::new();
    }
    let policy = "it takes a MAC policy that labels files";
    let semaphore = "POSIX semaphores have had no descriptor since FreeBSD 9";
    let lists = "it takes a file system that is mounted with ACLs";
    vec![
        (Rights::FSCK, "it takes a UFS file system that is being checked"),
        (Rights::PEELOFF, "it takes SCTP, which a minimal kernel does not have"),
        (Rights::BINDAT, "the libc crate does not have bindat(2)"),
        (Rights::CONNECTAT, "the libc crate does not have connectat(2)"),
        (Rights::FCHROOT, "it takes FreeBSD 15"),
        (Rights::MAC_GET, policy),
        (Rights::MAC_SET, policy),
        (Rights::SEM_GETVALUE, semaphore),
        (Rights::SEM_POST, semaphore),
        (Rights::SEM_WAIT, semaphore),
        (Rights::TTYHOOK, "it takes the device of snp(4)"),
        (Rights::PDWAIT, "it takes FreeBSD 16, where pdwait(2) is new"),
        (Rights::ACL_CHECK, lists),
        (Rights::ACL_DELETE, lists),
        (Rights::ACL_GET, lists),
        (Rights::ACL_SET, lists),
        (Rights::INOTIFY_ADD, "it takes FreeBSD 15"),
        (Rights::INOTIFY_RM, "it takes FreeBSD 15"),
    ]
}

/// What the cases of the rights have shown.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// A case held.
    pub(crate) exercised: BTreeSet<Rights>,
    /// The operation worked with the right.
    pub(crate) worked: BTreeSet<Rights>,
    /// This host could not run a case.
    pub(crate) skipped: BTreeSet<Rights>,
}

/// Compares what was shown at the best level with what the library says of this kernel.
pub(crate) fn of(support: &Support, found: &Shown) -> Result<(), String> {
    let Shown { exercised, worked, skipped } = found;
    let mut wrong = Vec::new();
    let untried = untried();
    for row in &support.rights {
        let shown = worked.contains(&row.right);
        match &row.enforcement {
            Enforcement::Enforced { operations } if !shown => {
                match untried.iter().find(|(right, _)| *right == row.right) {
                    Some((_, reason)) => println!("    NO CASE: {}: {reason}", row.name),
                    None if skipped.contains(&row.right) => {
                        println!("    NO CASE: {}: skipped above", row.name);
                    }
                    None => wrong.push(format!(
                        "{} is said to be enforced ({operations:?}) and no case shows it",
                        row.name
                    )),
                }
            }
            Enforcement::Refused { .. } | Enforcement::NoOperation
                if shown && !ambient(row.right) =>
            {
                wrong.push(format!(
                    "{} is said to be of no use ({:?}) and a case uses it",
                    row.name, row.enforcement
                ));
            }
            _ => {}
        }
    }
    println!("    {} rights were exercised, {} of them worked", exercised.len(), worked.len());
    if exercised.len() < AT_LEAST {
        wrong.push(format!("{} rights were exercised, not {AT_LEAST}", exercised.len()));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Of use before capability mode only.
fn ambient(right: Rights) -> bool {
    (Rights::BIND | Rights::CONNECT).contains(right)
}
