//! What an attack is, and what it says of itself. Whether it got out is for [`stage`](crate::stage)
//! to see; an attack only hands over what it has read, or says what it has done.

use std::{ffi::CStr, io};

use crate::{raw, stage::Scene};

/// A technique: one way to something outside of what is granted.
#[derive(Clone, Copy)]
pub(crate) struct Attack {
    /// What is tried, in a few words.
    pub(crate) name: &'static str,
    /// Who can try it.
    pub(crate) who: Who,
    /// Prepares it, calls one of the scene's `enter`s, and tries it.
    pub(crate) body: fn(&Scene) -> Attempt,
    /// Where it gets through and is documented to.
    pub(crate) known: &'static [Known],
}

/// Something that is documented to get through.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    /// A part of the name of the peers that it is about; nothing for the library's levels.
    pub(crate) place: &'static str,
    /// What the documentation says.
    pub(crate) sentence: &'static str,
}

/// Who can try an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Any program with a directory to read and one to write.
    Program,
    /// One that was handed descriptors with stated rights: only capability mode knows such.
    Holder,
}

/// Attacks of one kind.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) attacks: &'static [Attack],
}

/// What came of it where nothing stopped it.
pub(crate) enum Got {
    /// It has read this: the secret, if it is one.
    Read(Vec<u8>),
    /// It has done something that is forbidden as such.
    Did(&'static str),
    /// All calls worked; what changed can be seen from outside.
    Done,
}

/// What stopped it.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A call failed.
    At(&'static str, io::Error),
    /// The calls worked and nothing came of them.
    Nothing(&'static str),
    /// Capability mode was not entered with these grants: an error that names the reason.
    NotEntered(String),
    /// The host has not what it takes.
    Unable(String),
    /// The suite is at fault.
    Fault(String),
}

pub(crate) type Attempt = Result<Got, Stop>;

/// An attack by any program.
pub(crate) const fn program(name: &'static str, body: fn(&Scene) -> Attempt) -> Attack {
    Attack { name, who: Who::Program, body, known: &[] }
}

/// An attack by one that holds descriptors.
pub(crate) const fn holder(name: &'static str, body: fn(&Scene) -> Attempt) -> Attack {
    Attack { name, who: Who::Holder, body, known: &[] }
}

impl Attack {
    /// It gets through where the documentation says so.
    pub(crate) const fn known(mut self, known: &'static [Known]) -> Self {
        self.known = known;
        self
    }
}

/// A value as an argument of a system call.
pub(crate) trait Word {
    fn word(&self) -> usize;
}

macro_rules! words {
    ($($kind:ty),*) => { $(
        impl Word for $kind {
            #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
            #[allow(clippy::cast_lossless, clippy::cast_possible_wrap)]
            fn word(&self) -> usize {
                *self as isize as usize
            }
        }
    )* };
}
words!(i32, u32, i64, u64, usize, u16);

impl Word for &CStr {
    fn word(&self) -> usize {
        self.as_ptr() as usize
    }
}

impl Word for std::ffi::CString {
    fn word(&self) -> usize {
        self.as_ptr() as usize
    }
}

impl<const N: usize> Word for &[u8; N] {
    fn word(&self) -> usize {
        self.as_ptr() as usize
    }
}

/// The address of something that the kernel reads.
pub(crate) fn at<T: ?Sized>(value: &T) -> usize {
    std::ptr::from_ref(value).cast::<u8>() as usize
}

/// The address of something that the kernel writes.
pub(crate) fn at_mut<T: ?Sized>(value: &mut T) -> usize {
    std::ptr::from_mut(value).cast::<u8>() as usize
}

/// A system call by number.
pub(crate) fn numbered(
    name: &'static str,
    number: libc::c_long,
    words: &[usize],
) -> Result<usize, Stop> {
    raw::call(number, words).map_err(|error| Stop::At(name, error))
}

/// `call!(SYS_openat, fd, path, flags)`: the system call of this name.
macro_rules! call {
    ($name:ident $(, $arg:expr)* $(,)?) => {
        $crate::attempt::numbered(
            stringify!($name),
            libc::$name,
            &[$($crate::attempt::Word::word(&$arg)),*],
        )
    };
}

/// The same where the result is a descriptor.
macro_rules! open {
    ($name:ident $(, $arg:expr)* $(,)?) => {
        call!($name $(, $arg)*).map(|fd| i32::try_from(fd).unwrap_or(-1))
    };
}
pub(crate) use {call, open};
