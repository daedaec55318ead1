//! What a worker may have those have that it starts: nothing that it has not itself.
//!
//! The request is a hostile worker's. What is not refused here is done by an unconfined process, so
//! that whatever the settings say is either compared, or replaced by what the worker has.

use std::{
    collections::BTreeSet,
    fmt::Display,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use capsicum_channel::Frames;
use capsicum_rs::{Limits, Rights};

use super::{
    Starts,
    request::{Request, Source},
};
use crate::{
    Resource,
    task::{self, Grant, MOST_GRANTS, Settings},
};

/// Rights that lead from a descriptor to others, by name. On Linux which directories they may start
/// from is settled when a process enters: one that has come later leads its holder nowhere, but would
/// lead a worker that starts with it.
const LOOKUPS: Rights = Rights::LOOKUP;

/// What a worker has: its settings, and copies of its descriptors.
pub(super) struct Authority {
    settings: Settings,
    starts: Starts,
    /// In the order of the settings.
    grants: Vec<OwnedFd>,
    directory: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    /// What every descriptor of the worker has at least: it may have sent any of them.
    every: Limits,
}

/// A request that has been found to be within what the worker has.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) settings: Settings,
    pub(super) descriptors: Vec<OwnedFd>,
    pub(super) environment: Vec<u8>,
}

impl Authority {
    /// Of a worker with these settings and, after its socket, these descriptors.
    pub(super) fn new(
        settings: Settings,
        starts: Starts,
        descriptors: &[OwnedFd],
    ) -> std::io::Result<Self> {
        let mut copies =
            descriptors.iter().map(OwnedFd::try_clone).collect::<std::io::Result<Vec<_>>>()?;
        let stderr = if settings.has_stderr { copies.pop() } else { None };
        // What it tells is its own.
        drop(if settings.has_report { copies.pop() } else { None });
        let directory = if settings.has_directory { copies.pop() } else { None };
        let mut every = Limits::from(&settings.ceiling);
        for grant in &settings.grants {
            every = every.intersection(&Limits::from(&grant.limits));
        }
        if settings.inherits_stderr {
            every = every.intersection(&Rights::WRITE.into());
        }
        every = without(&every, LOOKUPS);
        Ok(Self { settings, starts, grants: copies, directory, stderr, every })
    }

    /// Of how many workers that are alive at a time, those that these have started included.
    pub(super) fn most(&self) -> u64 {
        self.starts.most.into()
    }

    /// What is to be started for a request, or what in it is too wide. So many more may live.
    pub(super) fn judge(&self, request: Request, left: u64) -> Result<Judged, String> {
        let Request { mut settings, sources, sent, environment } = request;
        self.worker(&settings, left)?;
        self.confinement(&mut settings)?;
        if !task::is_environment(&environment) {
            return Err("no environment has such a variable".to_owned());
        }
        let descriptors = self.descriptors(&mut settings, &sources, sent)?;
        Ok(Judged { settings, descriptors, environment })
    }

    /// Which worker, and what it may start.
    fn worker(&self, settings: &Settings, left: u64) -> Result<(), String> {
        let own = &self.settings.worker;
        if !self.starts.names.contains(&settings.worker) {
            return Err(format!("`{own}` may not start it"));
        }
        if let Some(Starts { names, .. }) = &settings.starts {
            if let Some(name) = names.iter().find(|name| !self.starts.names.contains(name)) {
                return Err(format!("it may start `{name}`, which `{own}` may not"));
            }
            ceiling_of_starters(&Limits::from(&settings.ceiling))?;
        }
        let weight = Starts::weight(settings.starts.as_ref());
        if weight > left {
            let most = self.starts.most;
            return Err(format!(
                "`{own}` may have {most} workers at a time, of which {left} are left, and it would \
                 take {weight}"
            ));
        }
        Ok(())
    }

    /// Everything that is not a descriptor.
    fn confinement(&self, settings: &mut Settings) -> Result<(), String> {
        let own = &self.settings;
        let name = &own.worker;
        within(
            "its ceiling",
            &Limits::from(&settings.ceiling),
            &format!("that of `{name}`"),
            &Limits::from(&own.ceiling),
        )?;
        match (settings.require, own.require) {
            (Some(level), _) if task::containment(level).is_none() => {
                return Err("it requires a level that is none".to_owned());
            }
            (Some(level), Some(least)) if level < least => {
                return Err(format!("it requires a lower level than `{name}`"));
            }
            (None, least) => settings.require = least,
            _ => {}
        }
        for (resource, most) in &own.resources {
            // All that are said, since the last one counts.
            let mut said = settings.resources.iter().filter(|(other, _)| other == resource);
            if said.any(|(_, asked)| asked > most) {
                return Err(format!("its limit of {resource:?} is above that of `{name}`"));
            }
            if !settings.resources.iter().any(|(other, _)| other == resource) {
                settings.resources.push((*resource, *most));
            }
        }
        // Unless stated it is less than what this process could give: see `sys::leave_descriptors`.
        let stated = |resources: &[(Resource, u64)]| {
            resources.iter().any(|(resource, _)| *resource == Resource::Descriptors)
        };
        if stated(&settings.resources) && !stated(&own.resources) {
            return Err(format!("its limit of descriptors is stated, and that of `{name}` is not"));
        }
        match settings.user {
            Some(user) if own.user != Some(user) => {
                return Err(format!("it becomes another user than `{name}`"));
            }
            _ => settings.user = own.user,
        }
        let wider = [
            (settings.processes && !own.processes, "starts processes"),
            (settings.cores && !own.cores, "writes cores"),
            (settings.execute && !own.execute, "is executed anew"),
        ];
        if let Some((_, what)) = wider.iter().find(|(wider, _)| *wider) {
            return Err(format!("it {what}, and `{name}` does not"));
        }
        settings.ends_at_refusal |= own.ends_at_refusal;
        let (caps, most) = (settings.caps, own.caps);
        if caps.0 > most.0 || caps.1 > most.1 || caps.2 > most.2 {
            return Err(format!("its caps are above those of `{name}`"));
        }
        Ok(())
    }

    /// Its descriptors but for the socket.
    fn descriptors(
        &self,
        settings: &mut Settings,
        sources: &[Source],
        sent: Vec<capsicum_channel::Handle<OwnedFd>>,
    ) -> Result<Vec<OwnedFd>, String> {
        let mut sent = sent.into_iter();
        let names: BTreeSet<_> = settings.grants.iter().map(|grant| &grant.name).collect();
        if settings.grants.len() > MOST_GRANTS || names.len() != settings.grants.len() {
            return Err("grants that are too many, or have the same name".to_owned());
        }
        if settings.grants.len() != sources.len() || settings.has_control || settings.has_report {
            return Err("a request that says other things than it has".to_owned());
        }
        let mut descriptors = Vec::new();
        for (grant, source) in settings.grants.iter().zip(sources) {
            descriptors.push(match source {
                Source::Named(name) => {
                    self.named(grant, name)?.try_clone_to_owned().map_err(text)?
                }
                Source::Sent => {
                    let Some(Ok(sent)) = sent.next().map(capsicum_channel::Handle::into_inner)
                    else {
                        return Err("a grant without a descriptor".to_owned());
                    };
                    self.claimed(grant)?;
                    sent
                }
            });
        }
        if sent.next().is_some() {
            return Err("descriptors that are no grants".to_owned());
        }
        settings.has_directory = self.directory.is_some();
        settings.has_stderr &= self.stderr.is_some();
        settings.inherits_stderr = settings.has_stderr && self.settings.inherits_stderr;
        let stderr = self.stderr.iter().filter(|_| settings.has_stderr);
        for descriptor in self.directory.iter().chain(stderr) {
            descriptors.push(descriptor.try_clone().map_err(text)?);
        }
        Ok(descriptors)
    }

    /// The worker's own grant of this name, if this is within it.
    fn named(&self, grant: &Grant, name: &str) -> Result<BorrowedFd<'_>, String> {
        let own = &self.settings.worker;
        let mut grants = self.settings.grants.iter().zip(&self.grants);
        let (has, descriptor) = grants
            .find(|(has, _)| has.name == name)
            .ok_or_else(|| format!("`{own}` has no grant `{name}`"))?;
        within(
            &format!("its grant `{}`", grant.name),
            &Limits::from(&grant.limits),
            &format!("`{name}` of `{own}`"),
            &Limits::from(&has.limits),
        )?;
        Ok(descriptor.as_fd())
    }

    /// Whether this may be claimed for a descriptor that the worker has sent. Which one of its own it
    /// is cannot be told: so what all of them have.
    fn claimed(&self, grant: &Grant) -> Result<(), String> {
        within(
            &format!("its grant `{}`", grant.name),
            &Limits::from(&grant.limits),
            &format!("what every descriptor of `{}`", self.settings.worker),
            &self.every,
        )
    }
}

/// A worker's sockets to those that it starts come to it in capability mode.
pub(crate) fn ceiling_of_starters(ceiling: &Limits) -> Result<(), String> {
    let lacks = Frames::RIGHTS.difference(ceiling.rights);
    if lacks.is_empty() {
        return Ok(());
    }
    Err(format!(
        "a worker that starts others uses sockets that it is sent, and its ceiling lacks `{lacks}`"
    ))
}

fn without(limits: &Limits, rights: Rights) -> Limits {
    Limits { rights: limits.rights.difference(rights), ..limits.clone() }
}

/// What is wider than it may be, in words.
fn within(what: &str, asked: &Limits, whose: &str, most: &Limits) -> Result<(), String> {
    if most.contains(asked) {
        return Ok(());
    }
    let surplus = asked.rights.difference(most.rights);
    if surplus.is_empty() {
        return Err(format!(
            "{what} has fcntl(2) commands or ioctl(2) requests that {whose} has not"
        ));
    }
    Err(format!("{what} has `{surplus}`, which {whose} has not"))
}

fn text(error: impl Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests;
