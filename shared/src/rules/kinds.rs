//! The kinds of exceptions that occur in a part of a run.

use serde::{Deserialize, Serialize};

use super::ExceptionKind;

/// Kinds of exceptions by their ids. Exceptions are stored with the id alone, and each kind once beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kinds(Vec<Option<ExceptionKind>>);

impl Kinds {
    /// Adds a kind, unless it is there.
    #[inline]
    pub fn note(&mut self, kind: &ExceptionKind) {
        let at = usize::from(kind.id);
        if self.0.get(at).is_none_or(Option::is_none) {
            self.add(at, kind);
        }
    }

    #[cold]
    fn add(&mut self, at: usize, kind: &ExceptionKind) {
        if self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        self.0[at] = Some(kind.clone());
    }

    /// The kind with this id; `None` when it does not occur.
    pub fn get(&self, id: u16) -> Option<&ExceptionKind> {
        self.0.get(usize::from(id))?.as_ref()
    }

    /// The kinds, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &ExceptionKind> {
        self.0.iter().flatten()
    }
}
