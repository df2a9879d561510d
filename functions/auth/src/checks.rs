//! The checks of a user's fields, and the answers when the store rejects a user.

use api::problem::{ApiError, InputError};
use shared::auth::user::{NameError, check_email, check_name, check_password, check_username};
use stores::users::UserWritten;

/// The check of an email address.
pub fn email() -> impl Fn(&String) -> Result<(), NameError> {
    |text| check_email(text)
}

/// The check of a username.
pub fn username() -> impl Fn(&String) -> Result<(), NameError> {
    |text| check_username(text)
}

/// The check of a password.
pub fn password() -> impl Fn(&String) -> Result<(), NameError> {
    |text| check_password(text)
}

/// The check of a full name.
pub fn full_name() -> impl Fn(&String) -> Result<(), NameError> {
    |text| check_name(text)
}

/// The error for a user with the role `sales_team` and without a team.
pub fn no_team(error: NameError) -> InputError {
    InputError::body("sales_team_id", error)
}

/// The answer when the store rejects a user.
pub fn refusal(written: UserWritten) -> ApiError {
    match written {
        UserWritten::EmailTaken => ApiError::Conflict("email_taken", "Another user has this email address.".into()),
        UserWritten::UsernameTaken => ApiError::Conflict("username_taken", "Another user has this username.".into()),
        UserWritten::NoSuchTeam => ApiError::not_found("The sales team"),
        UserWritten::Outdated | UserWritten::Done => ApiError::Conflict(
            "user_changed",
            "Somebody else is changing this user at the same time. Look at the user, then try again.".into(),
        ),
    }
}
