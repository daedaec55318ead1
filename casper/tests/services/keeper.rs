//! A service of the tests' own, in capability mode: it keeps a secret in a file that it was granted,
//! and tells how many bytes of it are what was guessed.

use std::{
    fs::File,
    io::Read,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use capsicum_channel::Frames;
use capsicum_rs::Rights;
use casper::{Casper, Channel, Connection, Error, Failure, Grants, Limits, Open, Opener, Service};
use sandbox_spawn::{Builder, Worker, call, service};
use serde::{Deserialize, Serialize};

use crate::harness::{LONG, Tested};

#[service]
pub(crate) trait Guess {
    fn guess(&mut self, guess: Vec<u8>) -> Result<usize, Failure>;
    /// Whether the process can open a path, which it must not.
    fn opens(&mut self, path: String) -> bool;
    fn panic(&mut self);
    /// Does not answer before it is given up, nor soon then.
    fn hang(&mut self);
    /// How many guesses there were on this connection, and those that it was cloned from.
    fn guesses(&mut self) -> u32;
}

#[derive(Debug)]
pub(crate) struct Secret(Vec<u8>);

/// How long a guess may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Longest(pub(crate) usize);

impl Limits for Longest {
    fn unlimited() -> Self {
        Self(usize::MAX)
    }

    fn narrows(&self, new: &Self) -> bool {
        new.0 <= self.0
    }
}

impl Service for Secret {
    const NAME: &'static str = "tests.keeper";
    type Calls = GuessServer;
    type Client = GuessClient;
    type Limits = Longest;
    type Session = u32;
    type Setup = Option<File>;

    fn describe(secret: Option<File>, process: Builder) -> Result<Builder, String> {
        let secret = secret.ok_or("it needs a secret")?;
        Ok(process.grant("secret", secret, Rights::READ | casper::CEILING))
    }

    fn start(grants: &mut Grants<'_>) -> Result<Self, String> {
        let mut secret = Vec::new();
        grants
            .take::<File>("secret")?
            .read_to_end(&mut secret)
            .map_err(|error| error.to_string())?;
        if secret.is_empty() { Err("the secret is empty".to_owned()) } else { Ok(Self(secret)) }
    }
}

impl Guess for Connection<Secret> {
    fn guess(&mut self, guess: Vec<u8>) -> Result<usize, Failure> {
        if guess.len() > self.limits().0 {
            return Err(Failure::not_capable(format!("a guess of {} bytes", guess.len())));
        }
        *self.session() += 1;
        let pairs = guess.iter().zip(&self.service().0);
        Ok(pairs.take_while(|(guessed, is)| guessed == is).count())
    }

    fn opens(&mut self, path: String) -> bool {
        File::open(path).is_ok()
    }

    fn panic(&mut self) {
        panic!("as it was asked to");
    }

    fn hang(&mut self) {
        while !call::cancelled() {
            std::thread::yield_now();
        }
        // Also where nobody waits any more. `thread::sleep` is clock_nanosleep(2), which FreeBSD's capability mode
        // does not have.
        let end = Instant::now() + Duration::from_millis(200);
        while Instant::now() < end {
            std::thread::yield_now();
        }
    }

    fn guesses(&mut self) -> u32 {
        *self.session()
    }
}

/// The client, with a secret of its own.
#[derive(Debug)]
pub(crate) struct Keeper(pub(crate) Channel<Secret>);

pub(crate) const SECRET: &[u8] = b"open sesame";

impl Open for Keeper {
    type Setup = ();
    const WORKER: Worker = casper::worker::<Channel<Secret>>();

    fn open(opener: Opener<'_>, (): ()) -> Result<Self, Error> {
        let file = a_file(SECRET).map_err(|error| Error::Start {
            service: Secret::NAME.to_owned(),
            reason: error.to_string(),
        })?;
        Channel::open(opener, Some(file)).map(Self)
    }
}

/// A file for reading.
pub(crate) fn a_file(content: &[u8]) -> std::io::Result<File> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), content)?;
    File::open(file.path())
}

impl From<Frames> for Keeper {
    fn from(frames: Frames) -> Self {
        Self(frames.into())
    }
}

impl AsFd for Keeper {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Tested for Keeper {
    const NAME: &'static str = Secret::NAME;

    fn socket(&self) -> Result<Frames, Error> {
        self.0.to_frames()
    }

    fn another(&self) -> Result<Self, Error> {
        self.0.try_clone().map(Self)
    }

    fn hurried(&self) -> Self {
        Self(self.0.within(Duration::from_millis(50)))
    }

    fn ask(&self) -> Result<(), Error> {
        let right = self.0.within(LONG).guess(b"open says me".to_vec())?;
        if right == 6 {
            return Ok(());
        }
        Err(Error::Invalid { service: Secret::NAME.to_owned(), what: right.to_string() })
    }

    fn ask_everything(&self) {
        let _ = self.0.guess(b"open".to_vec());
        let _ = self.0.guesses();
        let _ = self.0.panic();
        let _ = self.0.opens("/".to_owned());
        let _ = self.0.limit(Longest(4));
        let _ = self.0.limits();
        let _ = self.0.to_frames();
    }

    fn limit_to_nothing(&self) -> Result<(), Error> {
        self.0.limit(Longest(0))
    }

    fn widen(&self) -> Result<(), Error> {
        self.0.limit(Longest(100))
    }
}

pub(crate) fn open(casper: &Casper) -> Result<Channel<Secret>, String> {
    casper.open::<Keeper>().map(|keeper| keeper.0).map_err(|error| error.to_string())
}
