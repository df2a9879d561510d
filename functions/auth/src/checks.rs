//! What a user must be like, told for all fields at once, and why the store does not take one.

use shared::{
    api::problem::{ApiError, InputError},
    auth::{
        permission::Role,
        user::{NameError, check_email, check_name, check_password, check_team, check_username},
    },
    stores::users::Written,
};
use uuid::Uuid;

/// Everything that is wrong with the fields of a user.
#[derive(Default)]
pub struct Checks(Vec<InputError>);

impl Checks {
    fn note(&mut self, field: &str, text: Option<&str>, check: fn(&str) -> Result<(), NameError>) {
        self.0.extend(text.and_then(|text| check(text).err()).map(|error| InputError::body(field, error)));
    }

    /// Looks at an address, if there is one.
    pub fn email(&mut self, email: Option<&str>) {
        self.note("email", email, check_email);
    }

    /// Looks at a name to log in with, if there is one.
    pub fn username(&mut self, username: Option<&str>) {
        self.note("username", username, check_username);
    }

    /// Looks at a password, if there is one.
    pub fn password(&mut self, password: Option<&str>) {
        self.note("password", password, check_password);
    }

    /// Looks at a name for people, if there is one.
    pub fn full_name(&mut self, name: Option<&str>) {
        self.note("full_name", name, check_name);
    }

    /// Looks whether a member of a sales team has one.
    pub fn team(&mut self, role: Role, team: Option<Uuid>) {
        self.0.extend(check_team(role, team).err().map(no_team));
    }

    /// Whether everything is as it must be.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::Invalid(self.0)) }
    }
}

/// What is told of a member of a sales team who has none.
pub fn no_team(error: NameError) -> InputError {
    InputError::body("sales_team_id", error)
}

/// The answer when the store does not take a user.
pub fn refusal(written: Written) -> ApiError {
    match written {
        Written::EmailTaken => ApiError::Conflict("email_taken", "Another user has this email address.".into()),
        Written::UsernameTaken => ApiError::Conflict("username_taken", "Another user has this username.".into()),
        Written::NoSuchTeam => ApiError::not_found("The sales team"),
        Written::Outdated | Written::Done => ApiError::Conflict(
            "user_changed",
            "Somebody else is changing this user at the same time. Look at the user, then try again.".into(),
        ),
    }
}
