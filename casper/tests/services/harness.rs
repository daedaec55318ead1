//! What the tests of all services use.

use std::{fmt::Display, os::fd::AsFd, time::Duration};

use capsicum_channel::Frames;
use casper::{Casper, Error, Open};

pub(crate) type Outcome = Result<(), String>;

/// A case, in a process of its own.
pub(crate) struct Case {
    /// What holds, as a sentence.
    pub(crate) name: &'static str,
    pub(crate) body: fn(&Casper) -> Outcome,
    /// Why this host cannot run it, if it cannot.
    pub(crate) lacks: fn() -> Option<String>,
    /// With which providers it runs.
    pub(crate) providers: &'static [Provider],
    /// Why libcasper cannot do it, if it cannot.
    pub(crate) beyond: Option<&'static str>,
}

/// Who provides the services of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    /// `Casper::start`
    Portable,
    /// `Casper::native`: where there is no libcasper, the case is skipped.
    Native,
}

impl Provider {
    /// What the names of its cases begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Portable => "",
            Self::Native => "native_",
        }
    }
}

/// The case that this process is.
pub(crate) const CASE: &str = "CASPER_CASE";

/// Whether the services of this case are libcasper's.
pub(crate) fn native() -> bool {
    std::env::var(CASE).is_ok_and(|name| name.starts_with(Provider::Native.prefix()))
}

impl Case {
    /// Not on every host: why not on this one.
    pub(crate) const fn needs(self, lacks: fn() -> Option<String>) -> Self {
        Self { lacks, ..self }
    }
}

pub(crate) const fn case(name: &'static str, body: fn(&Casper) -> Outcome) -> Case {
    Case { name, body, lacks: nothing, providers: &[Provider::Portable], beyond: None }
}

/// One of what libcasper cannot do, for this reason. [`case`] is for what is about this crate's processes.
pub(crate) const fn only_portable(
    name: &'static str,
    beyond: &'static str,
    body: fn(&Casper) -> Outcome,
) -> Case {
    Case { beyond: Some(beyond), ..case(name, body) }
}

/// One that runs with each provider.
pub(crate) const fn common(name: &'static str, body: fn(&Casper) -> Outcome) -> Case {
    Case { providers: &[Provider::Portable, Provider::Native], ..case(name, body) }
}

/// One about libcasper alone.
pub(crate) const fn of_libcasper(name: &'static str, body: fn(&Casper) -> Outcome) -> Case {
    Case { providers: &[Provider::Native], ..case(name, body) }
}

/// Why a channel of libcasper's is not given to another process.
pub(crate) const NOT_SENT: &str = "messages of nv(9) travel on a channel of libcasper's";

fn nothing() -> Option<String> {
    None
}

/// For `?` in cases.
pub(crate) fn text(error: impl Display) -> String {
    error.to_string()
}

/// Ends a case where something is not as it should be.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;

/// It must be refused by the limits, in the name of the service.
pub(crate) fn not_capable<T: std::fmt::Debug>(result: Result<T, Error>, service: &str) -> Outcome {
    match result {
        Err(error @ Error::NotCapable { .. }) if error.service() == Some(service) => Ok(()),
        other => Err(format!("not refused by its limits: {other:?}")),
    }
}

/// There must be nothing of the kind, in the name of the service.
pub(crate) fn unsupported<T: std::fmt::Debug>(result: Result<T, Error>, service: &str) -> Outcome {
    match result {
        Err(error @ Error::Unsupported { .. }) if error.service() == Some(service) => Ok(()),
        other => Err(format!("not refused as something that there is not: {other:?}")),
    }
}

/// Longer than anything takes, unless it hangs.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// What is to be in the memory of every fork of the program.
#[allow(clippy::unnecessary_wraps, reason = "cases of other services lay out scenes here")]
pub(crate) fn before_init() -> Outcome {
    Ok(())
}

/// A service whose tests these are.
pub(crate) trait Tested: Open<Setup = ()> + From<Frames> + AsFd + Send + 'static {
    /// The name in its errors.
    const NAME: &'static str;

    /// How many processes it has.
    const PROCESSES: usize = 1;

    /// Another connection, as a socket.
    fn socket(&self) -> Result<Frames, Error>;

    /// Another connection, by way of a socket where there is one: libcasper's are none that could be sent.
    fn by_socket(&self) -> Result<Self, Error> {
        if native() { self.another() } else { self.socket().map(Self::from) }
    }

    /// Another connection.
    fn another(&self) -> Result<Self, Error>;

    /// The same connection, with a deadline.
    fn hurried(&self) -> Self;

    /// Asks for something that any host has, and looks at the answer.
    fn ask(&self) -> Result<(), Error>;

    /// Makes every kind of request once, whatever comes of it; those of the framework too.
    fn ask_everything(&self);

    /// Limits the connection to nothing.
    fn limit_to_nothing(&self) -> Result<(), Error>;

    /// Tries limits that are wider than nothing.
    fn widen(&self) -> Result<(), Error>;
}
