//! Random limits, names, masks and lines against a model.

use std::{thread, time::Instant};

use casper::{
    Casper, Error, Syslog,
    syslog::{Facility, Options, Priority, Severities, Severity, SyslogLimits},
};
use proptest::{prelude::*, test_runner::TestRunner};

use super::daemon::Daemon;
use crate::harness::{LONG, Outcome, text};

/// What a client does next.
#[derive(Clone, Debug)]
enum Step {
    Limit(Option<Vec<usize>>, Option<Vec<usize>>, u8),
    Open(usize, usize),
    Write(Option<usize>, usize),
    Mask(u8),
    Close,
    /// Go on with a clone.
    Clone,
}

const IDENTS: [&str; 3] = ["a", "b", "c"];
const FACILITIES: [Facility; 3] = [Facility::User, Facility::Daemon, Facility::Auth];
const SEVERITIES: [Severity; 3] = [Severity::Emergency, Severity::Error, Severity::Debug];

fn step() -> impl Strategy<Value = Step> {
    let some = || prop::option::weighted(0.7, prop::collection::vec(0_usize..3, 0..4));
    prop_oneof![
        2 => (some(), some(), prop_oneof![Just(0xff), any::<u8>()])
            .prop_map(|(idents, facilities, mask)| Step::Limit(idents, facilities, mask)),
        3 => (0_usize..3, 0_usize..3).prop_map(|(ident, facility)| Step::Open(ident, facility)),
        6 => (prop::option::of(0_usize..3), 0_usize..3)
            .prop_map(|(facility, severity)| Step::Write(facility, severity)),
        1 => any::<u8>().prop_map(Step::Mask),
        1 => Just(Step::Close),
        1 => Just(Step::Clone),
    ]
}

/// What it may do, without any code of the crate's.
#[derive(Clone)]
struct Model {
    idents: Option<Vec<usize>>,
    facilities: Option<Vec<usize>>,
    severities: u8,
    /// `None`: the program's, which no limits name.
    ident: Option<usize>,
    facility: usize,
    mask: u8,
}

fn within(all: Option<&[usize]>, one: usize) -> bool {
    all.is_none_or(|all| all.contains(&one))
}

fn narrows(old: Option<&[usize]>, new: Option<&[usize]>) -> bool {
    match (old, new) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(old), Some(new)) => new.iter().all(|one| old.contains(one)),
    }
}

impl Model {
    fn limit(&mut self, idents: Option<&[usize]>, facilities: Option<&[usize]>, mask: u8) -> bool {
        let narrower = narrows(self.idents.as_deref(), idents)
            && narrows(self.facilities.as_deref(), facilities)
            && mask & !self.severities == 0;
        if narrower {
            self.idents = idents.map(<[usize]>::to_vec);
            self.facilities = facilities.map(<[usize]>::to_vec);
            self.severities = mask;
        }
        narrower
    }

    fn open(&mut self, ident: usize, facility: usize) -> bool {
        let may =
            within(self.idents.as_deref(), ident) && within(self.facilities.as_deref(), facility);
        if may {
            (self.ident, self.facility) = (Some(ident), facility);
        }
        may
    }

    /// Whether it may, and whether a line comes of it.
    fn write(&self, facility: Option<usize>, severity: usize) -> (bool, bool) {
        let facility = facility.unwrap_or(self.facility);
        let ident =
            self.ident.map_or(self.idents.is_none(), |ident| within(self.idents.as_deref(), ident));
        let bit = 1_u8 << (SEVERITIES[severity] as u8);
        let may =
            ident && within(self.facilities.as_deref(), facility) && self.severities & bit != 0;
        (may, may && self.mask & bit != 0)
    }
}

pub(super) fn obeys(casper: &Casper) -> Outcome {
    let daemon = Daemon::running()?;
    let service = daemon.open(casper)?.within(LONG);
    let fail = |error: String| TestCaseError::fail(error);
    let mut runner = TestRunner::deterministic();
    runner
        .run(&prop::collection::vec(step(), 1..24), |steps| {
            let mut client = clone(&service)?;
            let mut model = Model {
                idents: None,
                facilities: None,
                severities: 0xff,
                ident: None,
                facility: 0,
                mask: 0xff,
            };
            for step in steps {
                let (expected, got) = match &step {
                    Step::Limit(idents, facilities, mask) => {
                        let mut limits =
                            SyslogLimits::all().severities(Severities::from_bits_retain(*mask));
                        if let Some(idents) = idents {
                            limits = limits.idents(idents.iter().map(|ident| IDENTS[*ident]));
                        }
                        if let Some(some) = facilities {
                            limits = limits.facilities(some.iter().map(|one| FACILITIES[*one]));
                        }
                        let narrows = model.limit(idents.as_deref(), facilities.as_deref(), *mask);
                        (narrows, client.limit(limits))
                    }
                    Step::Open(ident, facility) => (
                        model.open(*ident, *facility),
                        client.openlog(IDENTS[*ident], Options::empty(), FACILITIES[*facility]),
                    ),
                    Step::Write(facility, severity) => {
                        let (may, comes) = model.write(*facility, *severity);
                        let severity = SEVERITIES[*severity];
                        let priority = match facility {
                            Some(facility) => Priority::from((FACILITIES[*facility], severity)),
                            None => severity.into(),
                        };
                        let got = client.syslog(priority, "message");
                        if comes {
                            let facility = FACILITIES[facility.unwrap_or(model.facility)];
                            let number = (facility as u8) << 3 | severity as u8;
                            let line = daemon.timeless().map_err(fail)?;
                            prop_assert!(line.starts_with(&format!("<{number}>")), "{}", line);
                            if let Some(ident) = model.ident {
                                let ends = format!(">{}: message", IDENTS[ident]);
                                prop_assert!(line.ends_with(&ends), "{}", line);
                            }
                        }
                        daemon.nothing().map_err(fail)?;
                        (may, got)
                    }
                    Step::Mask(mask) => {
                        let got = client.setlogmask(Severities::from_bits_retain(*mask));
                        if *mask != 0 {
                            model.mask = *mask;
                        }
                        (true, got.map(drop))
                    }
                    Step::Close => {
                        (model.ident, model.facility) = (None, 0);
                        (true, client.closelog())
                    }
                    Step::Clone => {
                        client = clone(&client)?;
                        (true, Ok(()))
                    }
                };
                let refused = matches!(got, Err(Error::NotCapable { .. }));
                prop_assert!(refused != expected, "{:?}: {:?}", step, got);
                prop_assert!(refused || got.is_ok(), "{:?}: {:?}", step, got);
            }
            Ok(())
        })
        .map_err(text)
}

fn clone(syslog: &Syslog) -> Result<Syslog, TestCaseError> {
    let deadline = Instant::now() + LONG;
    loop {
        match syslog.try_clone() {
            // Those of cases before are not gone yet.
            Err(Error::Busy { .. }) if Instant::now() < deadline => thread::yield_now(),
            other => return other.map_err(|error| TestCaseError::fail(error.to_string())),
        }
    }
}
