//! The items of a streaming answer, where they are made.

use std::fmt;

/// What a method returns that answers with any number of items: see [`Items`](super::Items).
///
/// The iterator may borrow the service. It is asked for an item when there is room to send it, and
/// dropped when the caller has given the call up. An iterator that takes long for one item should
/// ask [`cancelled`](super::cancelled) now and then.
///
/// ```
/// use sandbox_spawn::call::Stream;
///
/// let mut words = Stream::new("a stream of words".split(' '));
/// assert_eq!(words.next(), Some("a"));
/// assert_eq!(words.count(), 3);
/// ```
pub struct Stream<'a, T>(Box<dyn Iterator<Item = T> + 'a>);

impl<'a, T> Stream<'a, T> {
    /// A stream of these items.
    pub fn new(items: impl IntoIterator<Item = T, IntoIter: 'a>) -> Self {
        Self(Box::new(items.into_iter()))
    }
}

impl<T> Iterator for Stream<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> fmt::Debug for Stream<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}
