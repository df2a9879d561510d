//! The first start creates an administrator. Without one, no user could log in.

use command::error::CommandError;
use shared::auth::{
    permission::Role,
    user::{User, check_password},
};
use stores::{
    passwords,
    resources::Resources,
    users::{UserFilter, UserWritten, Users},
};
use uuid::Uuid;

use crate::store_failure;

/// Username of the first administrator.
const USERNAME: &str = "admin";
const PASSWORD_VARIABLE: &str = "LOAN_ENGINE_ADMIN_PASSWORD";

/// Creates an administrator when there is none, with the given password or a random one. Returns the sentence to print, if any.
///
/// # Errors
/// [`CommandError::Usage`] when the given password breaks the rules for passwords; [`CommandError::Failed`] when the table does
/// not answer, or another user has the username or the email address.
pub async fn make_admin(resources: &Resources, given: Option<String>) -> Result<Option<String>, CommandError> {
    let users = Users::new(resources.table.clone());
    let admins = UserFilter { role: Some(Role::Admin), sales_team_id: None };
    let (there, _) = users.list(admins, None, 0, 1).await.map_err(|error| store_failure(&error))?;
    let given = given.filter(|password| !password.is_empty());
    if !there.is_empty() {
        if given.is_some() {
            tracing::warn!(
                "{PASSWORD_VARIABLE} is ignored, because an administrator exists: \
                 stop serve and run `loan-engine admin set-password {USERNAME}` to change the password"
            );
        }
        return Ok(None);
    }
    if let Some(password) = &given {
        check_password(password)
            .map_err(|error| CommandError::Usage(format!("{PASSWORD_VARIABLE} cannot be used: {error} Set another one.")))?;
    }
    let password = given.clone().unwrap_or_else(|| Uuid::new_v4().simple().to_string());
    let hashed = passwords::hash(password.clone()).await;
    let user = User {
        id: Uuid::new_v4(),
        email: "admin@localhost".to_owned(),
        username: USERNAME.to_owned(),
        full_name: None,
        role: Role::Admin,
        sales_team_id: None,
        is_active: true,
        created_at: resources.clock.now(),
        password_hash: hashed.map_err(|error| CommandError::Failed(format!("No user can be made: {error}.")))?,
        tokens_valid_from: 0,
        revision: 0,
    };
    match users.create(&user).await.map_err(|error| store_failure(&error))? {
        UserWritten::Done if given.is_some() => {
            Ok(Some(format!("First start: log in as {USERNAME} with the password in {PASSWORD_VARIABLE}.")))
        }
        UserWritten::Done => {
            Ok(Some(format!("First start: log in as {USERNAME} with the password {password} (shown this once).")))
        }
        _ => Err(CommandError::Failed(format!(
            "There is no administrator, and the name {USERNAME} or its address is another user's. Make one with \
             `loan-engine admin create-user NAME --email ADDRESS --role admin`, then start again."
        ))),
    }
}
