//! Requests that no builder sends, and what they come to.

use std::os::fd::OwnedFd;

use capsicum_channel::{Caps, Handle};
use capsicum_rs::{Containment, Limits, Rights};

use super::{Authority, Judged, Request, Source, Starts};
use crate::{
    Compartment, Resource,
    task::{Grant, Settings},
};

const CEILING: Rights = capsicum_channel::Frames::RIGHTS.union(Rights::LOOKUP);
const FILE: Rights = CEILING.union(Rights::FSTAT);

fn open() -> OwnedFd {
    std::fs::File::open("/dev/null").unwrap().into()
}

fn grant(name: &str, limits: impl Into<Limits>) -> Grant {
    Grant { name: name.to_owned(), limits: limits.into().into(), channel: false }
}

fn settings(worker: &str) -> Settings {
    Compartment::builder(worker).described()
}

fn authority() -> Authority {
    let mut settings = settings("parent");
    settings.ceiling = Limits::from(CEILING).into();
    settings.grants = vec![grant("file", FILE)];
    settings.has_directory = true;
    settings.require = crate::task::level(Containment::Landlock);
    settings.resources = vec![(Resource::Cpu, 5)];
    settings.user = Some((7, 8));
    let starts = Starts { names: vec!["child".to_owned()], most: 3 };
    Authority::new(settings, starts, &[open(), open()]).unwrap()
}

/// A request that the authority allows, but for this change of it.
fn judged(change: impl FnOnce(&mut Request)) -> Result<Judged, String> {
    let mut settings = settings("child");
    settings.grants = vec![grant("own", FILE), grant("sent", Rights::READ)];
    let sources = vec![Source::Named("file".to_owned()), Source::Sent];
    let mut request =
        Request { settings, sources, sent: vec![Handle::new(open())], environment: Vec::new() };
    change(&mut request);
    authority().judge(request, 3)
}

#[test]
fn what_is_not_stated_is_what_the_worker_has() {
    let Judged { settings, descriptors, .. } = judged(|_| ()).unwrap();
    assert_eq!(settings.user, Some((7, 8)));
    assert_eq!(settings.resources, [(Resource::Cpu, 5)]);
    assert_eq!(settings.require, crate::task::level(Containment::Landlock));
    // The two grants, and the directory.
    assert!(settings.has_directory && descriptors.len() == 3);
}

#[test]
fn what_is_said_of_descriptors_is_not_believed() {
    let claims = [
        // Wider than the grants, or than the ceiling; and lookups from what was sent.
        judged(|request| request.settings.grants[0].limits = Limits::ALL.into()),
        judged(|request| request.settings.grants[1].limits = Limits::from(FILE).into()),
        judged(|request| request.settings.grants[1].limits = Limits::from(CEILING).into()),
        judged(|request| {
            request.settings.grants[1].limits = Limits::from(Rights::LOOKUP).into();
        }),
        // Another number of sources, of descriptors, of grants.
        judged(|request| drop(request.sources.pop())),
        judged(|request| request.sources.push(Source::Sent)),
        judged(|request| drop(request.sent.pop())),
        judged(|request| request.sent.push(Handle::new(open()))),
        judged(|request| drop(request.settings.grants.pop())),
        judged(|request| request.settings.grants[1].name = "own".to_owned()),
        judged(|request| request.settings.has_control = true),
        judged(|request| {
            request.settings.grants = (0..100).map(|at| grant(&at.to_string(), FILE)).collect();
            request.sources = vec![Source::Named("file".to_owned()); 100];
        }),
    ];
    for (place, claim) in claims.into_iter().enumerate() {
        assert!(claim.is_err(), "{place}: {claim:?}");
    }
    // What it says is there and the worker has not is left out.
    let Judged { settings, descriptors, .. } = judged(|request| {
        request.settings.has_stderr = true;
        request.settings.inherits_stderr = true;
        request.settings.has_directory = false;
    })
    .unwrap();
    assert!(!settings.has_stderr && !settings.inherits_stderr && descriptors.len() == 3);
}

#[test]
fn what_no_builder_sends_is_refused() {
    let variables = |variables: &[u8]| judged(|request| request.environment = variables.to_owned());
    assert!(variables(b"A=1\0B=\0").is_ok());
    let caps = Caps::default();
    let claims = [
        variables(b"=1\0"),
        variables(b"A\0"),
        variables(b"A=1"),
        variables(b"A=1\0\0"),
        variables(b"\0"),
        judged(|request| request.settings.require = Some(200)),
        judged(|request| request.settings.require = Some(0)),
        judged(|request| request.settings.user = Some((0, 0))),
        judged(|request| {
            // The first one is not all that there is.
            request.settings.resources = vec![(Resource::Cpu, 5), (Resource::Cpu, u64::MAX)];
        }),
        judged(|request| request.settings.resources = vec![(Resource::Descriptors, 1 << 20)]),
        judged(|request| request.settings.caps = (usize::MAX, 0, 0)),
        judged(|request| request.settings.caps = (0, usize::MAX, 0)),
        judged(|request| request.settings.caps = (0, 0, caps.shared + 1)),
        judged(|request| {
            request.settings.ceiling = Limits::from(CEILING).into();
            request.settings.starts = Some(Starts { names: Vec::new(), most: u32::MAX });
        }),
    ];
    for (place, claim) in claims.into_iter().enumerate() {
        assert!(claim.is_err(), "{place}: {claim:?}");
    }
}

#[test]
fn a_worker_counts_with_all_that_it_may_start() {
    let starts = |most| {
        judged(move |request| {
            request.settings.ceiling = Limits::from(CEILING).into();
            request.settings.starts = Some(Starts { names: vec!["child".to_owned()], most });
        })
    };
    assert!(starts(2).is_ok());
    assert!(starts(3).is_err());
}
