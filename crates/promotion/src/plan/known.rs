//! An object while a plan is made: as it was seen, or as it is after the steps so far.

use std::ops::Deref;

#[derive(Debug, Clone)]
pub(crate) enum Known<'a, T> {
    Seen(&'a T),
    Changed(Box<T>),
}

impl<T: Clone> Known<'_, T> {
    /// What changes of it is seen by the rest of the plan, and by nobody else.
    pub(super) fn change(&mut self) -> &mut T {
        match self {
            Self::Changed(own) => own,
            Self::Seen(seen) => {
                *self = Self::Changed(Box::new(seen.clone()));
                self.change()
            }
        }
    }
}

impl<T> Deref for Known<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Seen(seen) => seen,
            Self::Changed(own) => own,
        }
    }
}
