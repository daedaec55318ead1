//! Opening services.

use std::{fmt, sync::Mutex, time::Duration};

use sandbox_spawn::Worker;

use crate::{
    Error,
    provider::{self, Provider},
    sys::Libcasper,
};

/// Opens services: cap_init(3).
///
/// It is started before capability mode is entered. Services are opened before that too, or after it
/// where the mode leaves the program a way to the zygote: see [`open`](Self::open).
#[derive(Debug)]
pub struct Casper {
    provider: Provider,
}

/// How long opening may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

impl Casper {
    /// Starts opening services that are processes of this program: its workers, which
    /// [`sandbox_spawn::init`] was told of.
    ///
    /// # Errors
    ///
    /// [`Error::NotStarted`]: `init` was not called, or the process is in capability mode already.
    pub fn start() -> Result<Self, Error> {
        let not_started = |reason: &str| Err(Error::NotStarted { reason: reason.to_owned() });
        if capsicum_rs::sandboxed() {
            return not_started(
                "the process is in capability mode: call `Casper::start` before entering it",
            );
        }
        if !sandbox_spawn::initialized() {
            return not_started(
                "there are no processes to start services from: call `sandbox_spawn::init` with \
                 the services (`casper::worker`) first thing in `main`, before there are threads",
            );
        }
        Ok(Self { provider: Provider::Portable })
    }

    /// Starts FreeBSD's libcasper(3), with those of these services that it has: cap_init(3). The
    /// libraries are loaded here, at run time, so that a program starts where they are absent.
    ///
    /// What is opened from it is a channel to a process of libcasper's. Programs choose in one line, and
    /// are the same otherwise:
    ///
    /// ```
    /// use casper::{Casper, Error, Pwd};
    /// use sandbox_spawn::Worker;
    ///
    /// const WORKERS: &[Worker] = &[casper::worker::<Pwd>()];
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     sandbox_spawn::init(WORKERS)?;
    ///     let casper = match Casper::native(WORKERS) {
    ///         Err(Error::Unsupported { .. }) => Casper::start()?,
    ///         native => native?,
    ///     };
    ///     let pwd: Pwd = casper.open()?;
    ///     capsicum_rs::enter()?;
    ///     assert!(pwd.by_name("root")?.is_some());
    ///     Ok(())
    /// }
    /// ```
    ///
    /// cap_init(3) forks: the new process has all descriptors and all memory of this one, so start it early.
    /// A worker that is not a service of libcasper's is passed over, and opening it an error.
    ///
    /// # Where it differs
    ///
    /// - A request has no deadline: it waits for its answer as long as libcasper takes.
    /// - A channel cannot be made a socket ([`to_frames`](crate::Pwd::to_frames)), and services of one's own
    ///   cannot be opened.
    /// - Limits that libcasper cannot hold are [`Error::Unsupported`], and the channel stays as it was.
    /// - Only this value is [limited](Self::limit), and not the program.
    /// - Whoever has this value opens services without limits from it, in capability mode too, and any file by
    ///   [`FileArgs`](crate::FileArgs): drop it, or limit it, before entering.
    ///
    /// The [book](https://github.com/capsicum-rs/capsicum-rs/blob/main/docs/src/casper.md) has the whole list.
    ///
    /// # Errors
    ///
    /// - [`Error::Unsupported`], which names the library: it is absent or lacks a function, the system is not
    ///   FreeBSD, or this crate was built without the feature `native`. Nothing was started.
    /// - [`Error::NotStarted`]: the process is in capability mode already, or has threads.
    pub fn native(services: &[Worker]) -> Result<Self, Error> {
        let libcasper = Libcasper::start(services)?;
        Ok(Self { provider: Provider::Native(Mutex::new(libcasper)) })
    }

    /// Gives up opening all services but these, for good: cap_service_limit(3). It holds for the whole
    /// program, whoever asks, and for [workers](sandbox_spawn::start_only) that are no services too. Those
    /// that are open stay. From [`native`](Self::native) it holds for this value alone.
    ///
    /// Without it, code that takes over a program in capability mode from which services can be opened opens
    /// them without limits.
    ///
    /// ```
    /// use casper::{Casper, Error, Pwd, Sysctl};
    /// use sandbox_spawn::Worker;
    ///
    /// const WORKERS: &[Worker] = &[casper::worker::<Pwd>(), casper::worker::<Sysctl>()];
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     sandbox_spawn::init(WORKERS)?;
    ///     let casper = Casper::start()?;
    ///     casper.limit(&[casper::worker::<Sysctl>()])?;
    ///     capsicum_rs::enter()?;
    ///
    ///     let sysctl: Sysctl = casper.open()?;
    ///     assert!(matches!(casper.open::<Pwd>(), Err(Error::Start { .. })));
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotStarted`], where there is nobody any more who could open any.
    pub fn limit(&self, services: &[Worker]) -> Result<(), Error> {
        if let Provider::Native(libcasper) = &self.provider {
            return provider::lock(libcasper).limit(services);
        }
        let names: Vec<&str> = services.iter().map(Worker::name).collect();
        sandbox_spawn::start_only(&names)
            .map_err(|error| Error::NotStarted { reason: error.to_string() })
    }

    /// Opens a service: cap_service_open(3). Each call starts another process.
    ///
    /// In capability mode this works after [`enter`](capsicum_rs::enter), which leaves descriptors as
    /// they are. After [`Sandbox::enter`](capsicum_rs::Sandbox::enter) it does not, unless the ceiling
    /// has what the sockets to the zygote and to the new process need. A program that has narrowed its
    /// ceiling opens its services before, or clones them.
    ///
    /// # Errors
    ///
    /// [`Error::Start`].
    pub fn open<T: Open<Setup = ()>>(&self) -> Result<T, Error> {
        self.open_with(())
    }

    /// Opens a service that is told something besides.
    ///
    /// # Errors
    ///
    /// [`Error::Start`].
    pub fn open_with<T: Open>(&self, setup: T::Setup) -> Result<T, Error> {
        T::open(Opener { provider: &self.provider }, setup)
    }
}

/// What a [`Casper`] gives to the service that it opens.
pub struct Opener<'a> {
    pub(crate) provider: &'a Provider,
}

impl fmt::Debug for Opener<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.provider.fmt(f)
    }
}

/// What can be opened: the services of this crate, and a [`Channel`](crate::Channel) of any
/// [`Service`](crate::Service).
pub trait Open: Sized {
    /// With what it is opened.
    type Setup;

    /// Its process, for [`sandbox_spawn::init`].
    const WORKER: Worker;

    /// Opens it.
    ///
    /// # Errors
    ///
    /// [`Error::Start`].
    fn open(opener: Opener<'_>, setup: Self::Setup) -> Result<Self, Error>;
}

/// The worker that is the process of a service, for [`sandbox_spawn::init`].
///
/// ```
/// use casper::sysctl::Sysctl;
/// use sandbox_spawn::Worker;
///
/// const WORKERS: &[Worker] = &[casper::worker::<Sysctl>()];
/// assert_eq!(WORKERS[0].name(), "system.sysctl");
/// ```
#[must_use]
pub const fn worker<T: Open>() -> Worker {
    T::WORKER
}
