//! What the databases of users and of groups have in common: which entries limits allow, what can be a name,
//! and entries one after another, some at a time.

use std::{collections::VecDeque, ffi::CString, io};

use serde::{Deserialize, Serialize};

use crate::{Error, Failure};

/// The most names, and the most numbers, that limits have.
pub(crate) const MOST: usize = 1024;

/// Bytes of a name.
const LONGEST: usize = 1 << 10;

/// How many entries a page has at most, how many bytes it may have before another one is put there, and how
/// many one may have. A frame has 64 KiB.
const ENTRIES: usize = 128;
const BYTES: usize = 16 << 10;
const LARGEST: usize = 40 << 10;

/// The entries that limits allow: those with one of these names, or one of these numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen<'a> {
    pub(crate) names: &'a [String],
    pub(crate) numbers: &'a [u32],
}

impl Chosen<'_> {
    /// Whether an entry is one of them. Without, all are.
    pub(crate) fn has(chosen: Option<Self>, name: &[u8], number: u32) -> bool {
        chosen.is_none_or(|chosen| {
            chosen.numbers.contains(&number)
                || chosen.names.iter().any(|allowed| allowed.as_bytes() == name)
        })
    }

    /// Each is compared with each that there was before, and with each entry of the database.
    fn are_few(&self) -> bool {
        self.names.len() <= MOST && self.numbers.len() <= MOST
    }

    /// Whether `new` has no others than `old`, and has an end.
    pub(crate) fn narrow(old: Option<Self>, new: Option<Self>) -> bool {
        match (old, new) {
            (None, None) => true,
            (None, Some(new)) => new.are_few(),
            (Some(_), None) => false,
            (Some(old), Some(new)) => {
                new.are_few()
                    && new.names.iter().all(|name| old.names.contains(name))
                    && new.numbers.iter().all(|number| old.numbers.contains(number))
            }
        }
    }
}

/// What can be a name.
pub(crate) fn checked(name: String) -> Result<CString, Failure> {
    if name.is_empty() || name.len() > LONGEST {
        return Err(Failure::invalid(format!("a name has between 1 and {LONGEST} bytes")));
    }
    CString::new(name).map_err(|_| Failure::invalid("a name with a NUL"))
}

/// Text of an entry. What is no UTF-8 has replacement characters.
pub(crate) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// An entry as it travels.
pub(crate) trait Record: Sized {
    /// What it is of, in errors.
    const OF: &'static str;

    /// How many bytes it travels in, at most.
    fn length(&self) -> usize;

    /// Itself, unless it is too large to be sent.
    fn fitting(self) -> Result<Self, Failure> {
        if self.length() <= LARGEST {
            return Ok(self);
        }
        let failed = Failure::system(format!("a {} of more than {LARGEST} bytes", Self::OF));
        Err(failed(io::Error::from_raw_os_error(libc::EFBIG)))
    }
}

/// Some entries, and where those begin that come after them: how many that are shown come before. A place in
/// the database would tell how many are hidden.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Page<R> {
    entries: Vec<R>,
    next: Option<u64>,
}

impl<R: Record> Page<R> {
    /// The entries that `each` has and that are shown, from this one of them on, as many as fit.
    pub(crate) fn from<E>(
        call: &str,
        from: u64,
        each: impl FnOnce(&mut dyn FnMut(E) -> bool) -> io::Result<()>,
        shown: impl Fn(E) -> Result<Option<R>, Failure>,
    ) -> Result<Self, Failure> {
        let (mut page, mut bytes, mut large) = (Self { entries: Vec::new(), next: None }, 0, None);
        let mut place = 0_u64;
        each(&mut |entry| {
            let Some(shown) = shown(entry).transpose() else { return true };
            let here = place;
            place += 1;
            if here < from {
                return true;
            }
            if page.entries.len() >= ENTRIES || bytes >= BYTES {
                page.next = Some(here);
                return false;
            }
            match shown {
                Ok(record) => {
                    bytes += record.length();
                    page.entries.push(record);
                    true
                }
                // Those before it come first, and it in the next page.
                Err(_) if !page.entries.is_empty() => {
                    page.next = Some(here);
                    false
                }
                Err(error) => {
                    large = Some(error);
                    false
                }
            }
        })
        .map_err(Failure::system(call))?;
        large.map_or(Ok(page), Err)
    }
}

impl<R> Page<R> {
    /// What a client gets of it.
    pub(crate) fn opened<T: From<R>>(self) -> (Vec<T>, Option<u64>) {
        (self.entries.into_iter().map(T::from).collect(), self.next)
    }
}

/// Entries one after another, of a page at a time.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    here: VecDeque<T>,
    next: Option<u64>,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { here: VecDeque::new(), next: Some(0) }
    }
}

impl<T> Pages<T> {
    /// The next one. After an error there are no more.
    pub(crate) fn next(
        &mut self,
        page: impl Fn(u64) -> Result<(Vec<T>, Option<u64>), Error>,
    ) -> Option<Result<T, Error>> {
        while self.here.is_empty() {
            match page(self.next.take()?) {
                Ok((entries, next)) => {
                    self.here = entries.into();
                    self.next = next;
                }
                Err(error) => return Some(Err(error)),
            }
        }
        self.here.pop_front().map(Ok)
    }
}
