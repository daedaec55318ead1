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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    thread_local! {
        static PLACE: Held<Cell<u32>> = const { Held::none() };
    }

    /// Counts what is held, and tells.
    fn count() -> Option<u32> {
        Held::look(&PLACE, |held| {
            let held = held?;
            held.set(held.get() + 1);
            Some(held.get())
        })
    }

    #[test]
    fn what_is_held_is_what_was_given_last_and_has_not_ended() {
        assert_eq!(count(), None);
        let outer = Cell::new(10);
        Held::during(&PLACE, &outer, || {
            assert_eq!(count(), Some(11));
            let inner = Cell::new(20);
            Held::during(&PLACE, &inner, || assert_eq!(count(), Some(21)));
            assert_eq!((count(), inner.get()), (Some(12), 21));
            assert_eq!(std::thread::spawn(count).join().ok(), Some(None), "another thread");
        });
        assert_eq!((count(), outer.get()), (None, 12));
    }

    #[test]
    fn a_panic_leaves_nothing_behind() {
        let outer = Cell::new(10);
        Held::during(&PLACE, &outer, || {
            let panics = || {
                let inner = Box::new(Cell::new(20));
                Held::during(&PLACE, &*inner, || panic!("{:?}", count()));
            };
            assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
            assert_eq!(count(), Some(11));
        });
        assert_eq!(count(), None);
    }
}
