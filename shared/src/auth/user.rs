//! Users and sales teams.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::moment;

use super::permission::Role;

/// A user, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: Uuid,
    /// Email address, as it was given.
    pub email: String,
    /// Name to log in with, as it was given.
    pub username: String,
    /// Name for people.
    pub full_name: Option<String>,
    pub role: Role,
    /// Sales team of the user; always set for the role `sales_team`.
    pub sales_team_id: Option<Uuid>,
    /// Whether the user may log in.
    pub is_active: bool,
    /// Time of registration.
    #[serde(with = "moment")]
    pub created_at: Timestamp,
    /// Argon2id hash of the password, in PHC form.
    pub password_hash: String,
    /// Tokens issued before this time are invalid, in seconds since 1970.
    pub tokens_valid_from: i64,
    /// Number of changes, so that concurrent changes do not overwrite each other.
    pub revision: u64,
}

impl User {
    /// Invalidates permanently every token issued up to `now`, also those issued after an earlier call in the same second.
    pub fn void_tokens(&mut self, now: Timestamp) {
        self.tokens_valid_from = self.tokens_valid_from.max(now.as_second()) + 1;
    }

    /// Whether the user is an active administrator.
    pub fn is_administrator(&self) -> bool {
        self.is_active && self.role == Role::Admin
    }

    /// A user with this username, for tests.
    #[cfg(any(test, feature = "test-support"))]
    pub fn example(username: &str) -> Self {
        Self {
            id: Uuid::from_u128(1),
            email: format!("{username}@example.com"),
            username: username.to_owned(),
            full_name: None,
            role: Role::Analyst,
            sales_team_id: None,
            is_active: true,
            created_at: Timestamp::UNIX_EPOCH,
            password_hash: String::new(),
            tokens_valid_from: 0,
            revision: 0,
        }
    }
}

/// A change of a user. A field that is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// Email address.
    pub email: Option<String>,
    /// Name to log in with.
    pub username: Option<String>,
    /// Name for people; `Some(None)` removes it.
    pub full_name: Option<Option<String>>,
    pub role: Option<Role>,
    /// Sales team; `Some(None)` removes it.
    pub sales_team_id: Option<Option<Uuid>>,
    /// Whether the user may log in. `Some(false)` invalidates all earlier tokens permanently.
    pub is_active: Option<bool>,
    /// Hash of a new password. It invalidates all earlier tokens permanently.
    pub password_hash: Option<String>,
}

impl UserChange {
    /// Applies the change to a user. Returns the changed user.
    ///
    /// # Errors
    /// [`NameError`] when a member of a sales team would have no team.
    pub fn apply(&self, old: &User, now: Timestamp) -> Result<User, NameError> {
        let mut new = User {
            email: self.email.as_ref().unwrap_or(&old.email).clone(),
            username: self.username.as_ref().unwrap_or(&old.username).clone(),
            full_name: self.full_name.as_ref().unwrap_or(&old.full_name).clone(),
            role: self.role.unwrap_or(old.role),
            sales_team_id: self.sales_team_id.unwrap_or(old.sales_team_id),
            is_active: self.is_active.unwrap_or(old.is_active),
            password_hash: self.password_hash.as_ref().unwrap_or(&old.password_hash).clone(),
            ..old.clone()
        };
        if self.password_hash.is_some() || self.is_active == Some(false) {
            new.void_tokens(now);
        }
        check_team(new.role, new.sales_team_id).map(|()| new)
    }
}

/// A user. The API never shows a password or its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserObject {
    /// Id of the user.
    pub id: Uuid,
    /// Email address.
    #[schema(example = "ana@example.com")]
    pub email: String,
    /// Name to log in with, in any letter case.
    #[schema(example = "ana")]
    pub username: String,
    /// Name for people. Null: the user has none.
    #[schema(required, example = "Ana Alvarez")]
    pub full_name: Option<String>,
    /// Role of the user.
    pub role: Role,
    /// Sales team of the user. Null: the user belongs to no team.
    #[schema(required)]
    pub sales_team_id: Option<Uuid>,
    /// Whether the user may log in.
    pub is_active: bool,
    /// When the user was registered.
    #[serde(serialize_with = "moment::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<&User> for UserObject {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            email: user.email.clone(),
            username: user.username.clone(),
            full_name: user.full_name.clone(),
            role: user.role,
            sales_team_id: user.sales_team_id,
            is_active: user.is_active,
            created_at: user.created_at,
        }
    }
}

/// A sales team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SalesTeam {
    /// Id of the sales team.
    pub id: Uuid,
    /// Name of the sales team.
    #[schema(example = "West")]
    pub name: String,
}

/// The runs, results and files that a caller may access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those of all teams and of none.
    All,
    /// Those of one team.
    Team(Uuid),
}

impl Scope {
    /// Whether the scope includes something that belongs to `team`, or to no team.
    pub fn covers(self, team: Option<Uuid>) -> bool {
        match self {
            Self::All => true,
            Self::Team(own) => team == Some(own),
        }
    }

    /// The team of a scope of one team.
    pub fn team(self) -> Option<Uuid> {
        match self {
            Self::All => None,
            Self::Team(team) => Some(team),
        }
    }
}

/// Number of characters that a username may have.
pub const USERNAME_LENGTH: std::ops::RangeInclusive<usize> = 3..=50;
/// Largest number of characters of a full name and of the name of a team.
pub const MAX_NAME_CHARACTERS: usize = 200;
/// Largest number of bytes of an email address.
const MAX_EMAIL_BYTES: usize = 254;

/// Why a text is refused as a name, a password or an email address, or a user as a member of a sales team. It is one sentence for
/// the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(String);

/// Checks that a member of a sales team has a team.
///
/// # Errors
/// [`NameError`] for the role `sales_team` without a team.
pub fn check_team(role: Role, team: Option<Uuid>) -> Result<(), NameError> {
    let sentence = || "A user with the role sales_team needs a team.".to_owned();
    if role == Role::SalesTeam && team.is_none() { Err(NameError(sentence())) } else { Ok(()) }
}

/// Checks a username: 3 to 50 ASCII letters, digits and underscores.
///
/// # Errors
/// [`NameError`] for any other text.
pub fn check_username(text: &str) -> Result<(), NameError> {
    let good = USERNAME_LENGTH.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let sentence = || "A username has 3 to 50 characters: letters A to Z, digits and underscores.".to_owned();
    if good { Ok(()) } else { Err(NameError(sentence())) }
}

/// Checks a password: 8 to 128 characters other than NUL, counted in Unicode form NFC, which is the form that is hashed.
///
/// # Errors
/// [`NameError`] for any other text.
pub fn check_password(text: &str) -> Result<(), NameError> {
    let length = super::password::composed(text).chars().count();
    let good = super::password::PASSWORD_LENGTH.contains(&length) && !text.contains('\0');
    if good { Ok(()) } else { Err(NameError("A password has 8 to 128 characters.".to_owned())) }
}

/// Checks an email address: one `@` with a name before it and a domain after it, no whitespace, at most 254 bytes.
///
/// # Errors
/// [`NameError`] for any other text.
pub fn check_email(text: &str) -> Result<(), NameError> {
    let sound = |local: &str, domain: &str| {
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(in_domain)
        };
        !local.is_empty()
            && local.len() <= 64
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local.chars().all(in_local_part)
            && domain.split('.').all(label)
    };
    let good = text.len() <= MAX_EMAIL_BYTES && text.split_once('@').is_some_and(|(local, domain)| sound(local, domain));
    if good { Ok(()) } else { Err(NameError("An email address looks like name@example.com.".to_owned())) }
}

fn in_domain(c: char) -> bool {
    c.is_alphanumeric() || c == '-'
}

fn in_local_part(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
}

/// Checks a name for people, of a user or of a team: 1 to 200 characters, no control characters, not only whitespace.
///
/// # Errors
/// [`NameError`] for any other text.
pub fn check_name(text: &str) -> Result<(), NameError> {
    let count = text.chars().count();
    let good = (1..=MAX_NAME_CHARACTERS).contains(&count) && !text.trim().is_empty() && !text.chars().any(char::is_control);
    if good { Ok(()) } else { Err(NameError("A name has 1 to 200 characters and no control characters.".to_owned())) }
}

/// The form in which usernames, email addresses and names of teams are compared: without whitespace at the ends, in Unicode form
/// NFKC and in lower case.
pub fn folded(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    text.trim().nfkc().collect::<String>().to_lowercase()
}

/// Username and email address of the user that is created with a new data folder.
pub const FIRST_ADMIN: (&str, &str) = ("admin", "admin@localhost");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_short_and_plain() {
        for good in ["ana", "Ana_1", &"x".repeat(50), "___"] {
            assert_eq!(check_username(good), Ok(()), "{good}");
        }
        for bad in ["", "ab", &"x".repeat(51), "an a", "ana-1", "änä", "ana\n", "ana'; --", "ａｎａ"] {
            assert!(check_username(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_count_characters_and_not_bytes() {
        assert_eq!(check_password(&"é".repeat(8)), Ok(()));
        assert_eq!(check_password(&"é".repeat(128)), Ok(()));
        assert!(check_password(&"é".repeat(7)).is_err());
        assert!(check_password(&"é".repeat(129)).is_err());
        assert!(check_password("with\0zero").is_err());
        // A separate accent does not count as a character.
        assert!(check_password(&"e\u{301}".repeat(7)).is_err());
        assert_eq!(check_password(&"e\u{301}".repeat(128)), Ok(()));
    }

    #[test]
    fn addresses_have_a_name_and_a_domain() {
        for good in ["a@b", "ana@example.com", "ana.b+c@ex-ample.co.uk", "änä@exämple.com", FIRST_ADMIN.1] {
            assert_eq!(check_email(good), Ok(()), "{good}");
        }
        for bad in ["", "ana", "@b", "a@", "a@b@c", "a b@c", "a@b..c", "a@-b", ".a@b", "a.@b", "a..b@c", "a@b\r\nBcc: x"] {
            assert!(check_email(bad).is_err(), "{bad}");
        }
        assert!(check_email(&format!("{}@example.com", "a".repeat(65))).is_err());
    }

    #[test]
    fn names_are_not_blank() {
        assert_eq!(check_name("Ana María"), Ok(()));
        for bad in ["", "  ", "a\u{7}", &"x".repeat(201)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn case_and_form_do_not_make_another_name() {
        assert_eq!(folded(" Ana@Example.COM "), "ana@example.com");
        assert_eq!(folded("ＡＮＡ"), "ana");
    }

    #[test]
    fn a_user_is_shown_without_secrets() {
        let user = User { password_hash: "hash".to_owned(), ..User::example("ana") };
        let shown = serde_json::to_value(UserObject::from(&user)).unwrap();
        let names: Vec<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["id", "email", "username", "full_name", "role", "sales_team_id", "is_active", "created_at"]);
    }

    #[test]
    fn a_team_covers_its_own_alone() {
        let (own, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert!(Scope::Team(own).covers(Some(own)));
        assert!(!Scope::Team(own).covers(Some(other)));
        assert!(!Scope::Team(own).covers(None));
        assert!(Scope::All.covers(None) && Scope::All.covers(Some(other)));
    }
}
