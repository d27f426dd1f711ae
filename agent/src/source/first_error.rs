//! One bad item costs one item: it is noted here, the others are read, and the end tells of it.

use super::Error;
use std::cell::Cell;

/// The first of the errors that were met on the way; the later ones are most often more of the same.
#[derive(Default)]
pub struct FirstError(Cell<Option<Error>>);

impl FirstError {
    /// Takes an error in, unless there was one.
    pub fn note(&self, error: Error) {
        let first = self.0.take();
        self.0.set(first.or(Some(error)));
    }

    /// The value, or `None` and its error noted.
    pub fn ok<T>(&self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.note(error)).ok()
    }

    /// The value; `None` where a device has no such value now, which is no error, and where an error was noted.
    pub fn value<T>(&self, result: Result<Option<T>, Error>) -> Option<T> {
        match result {
            Err(error) if error.is_no_value() => None,
            result => self.ok(result).flatten(),
        }
    }

    /// # Errors
    /// The first one that was noted.
    pub fn end(self) -> Result<(), Error> {
        self.0.into_inner().map_or(Ok(()), Err)
    }
}
