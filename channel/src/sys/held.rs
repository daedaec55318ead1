//! A reference that a thread holds while a function runs, for code below that function which cannot be
//! given it.

use std::{cell::Cell, ptr, thread::LocalKey};

/// Where a thread holds one, or none.
pub(crate) struct Held<T: 'static>(Cell<*const T>);

/// Puts back what was held before, also where the function panics.
struct Before<T: 'static> {
    place: &'static LocalKey<Held<T>>,
    value: *const T,
}

impl<T> Drop for Before<T> {
    #[inline]
    fn drop(&mut self) {
        self.place.with(|held| held.0.set(self.value));
    }
}

impl<T> Held<T> {
    pub(crate) const fn none() -> Self {
        Self(Cell::new(ptr::null()))
    }

    /// Runs a function, during which this thread holds the value.
    #[inline]
    pub(crate) fn during<R>(
        place: &'static LocalKey<Self>,
        value: &T,
        run: impl FnOnce() -> R,
    ) -> R {
        let value = place.with(|held| held.0.replace(value));
        let _before = Before { place, value };
        run()
    }

    /// Looks at what this thread holds.
    pub(crate) fn look<R>(place: &'static LocalKey<Self>, look: impl FnOnce(Option<&T>) -> R) -> R {
        let held = place.with(|held| held.0.get());
        // SAFETY: it is null or what `during` was lent, which takes it away again before it returns or
        // unwinds, and so before the loan ends; `look` has it for its own time only.
        look(unsafe { held.as_ref() })
    }
}
