//! Cache of the users that this process has read, for a table that no other process writes to.
//!
//! Every request looks up its user. A process that owns the table, such as `serve`, may answer from memory: every change of a
//! user goes through this cache and empties it, so that a change takes effect at the moment it is written.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use shared::auth::user::User;
use uuid::Uuid;

/// Largest number of users in the cache.
const MOST: usize = 10_000;

/// The cached users.
#[derive(Debug, Default)]
pub struct KnownUsers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Number of times that the cache was emptied.
    generation: u64,
    users: HashMap<Uuid, User>,
}

impl KnownUsers {
    /// A cached user. For a user that is not cached, the error is the current generation, which the caller gives to
    /// [`Self::learn`] after reading the user.
    pub fn find(&self, id: Uuid) -> Result<User, u64> {
        let known = self.lock();
        known.users.get(&id).cloned().ok_or(known.generation)
    }

    /// Adds a user that was read from the table, unless a user may have changed since that generation.
    pub fn learn(&self, generation: u64, user: &User) {
        let mut known = self.lock();
        if known.generation == generation {
            if known.users.len() >= MOST {
                known.users.clear();
            }
            known.users.insert(user.id, user.clone());
        }
    }

    /// Empties the cache. Callers do this before they write a change, and again afterwards.
    pub fn forget(&self) {
        let mut known = self.lock();
        known.generation += 1;
        known.users.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_known_until_users_change() {
        let (known, ana) = (KnownUsers::default(), User::example("ana"));
        let generation = known.find(ana.id).unwrap_err();
        known.learn(generation, &ana);
        assert_eq!(known.find(ana.id).unwrap().username, "ana");
        known.forget();
        assert!(known.find(ana.id).is_err());
    }

    #[test]
    fn what_was_read_before_a_change_is_not_learned_after_it() {
        let (known, ana) = (KnownUsers::default(), User::example("ana"));
        let before = known.find(ana.id).unwrap_err();
        known.forget();
        known.learn(before, &ana);
        let during = known.find(ana.id).unwrap_err();
        known.forget();
        known.learn(during, &ana);
        assert!(known.find(ana.id).is_err());
    }

    #[test]
    fn no_more_than_so_many_are_known() {
        let known = KnownUsers::default();
        for at in 0..=MOST {
            let user = User { id: Uuid::from_u128(at as u128 + 1), ..User::example("ana") };
            known.learn(0, &user);
        }
        assert_eq!(known.lock().users.len(), 1);
    }
}
