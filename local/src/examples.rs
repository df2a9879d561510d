//! The examples at the end of the help texts of `serve`, `stores` and `admin`.

pub const SERVE: &str = "\
Examples:
  loan-engine serve
  loan-engine serve --port 9000 --data-dir /srv/loan-engine

LOAN_ENGINE_ADMIN_PASSWORD is the password of the user admin, on the first start alone.";

pub const STORES: &str = "\
Examples:
  loan-engine stores --env-file .env.local
  loan-engine stores --dynamodb-port 0 --s3-port 0";

pub const ADMIN: &str = "\
Examples:
  loan-engine admin create-team West
  loan-engine admin create-user ana --email ana@example.com --role sales_team --team West
  loan-engine admin list-users --data-dir /srv/loan-engine";

pub const CREATE_USER: &str = "\
Examples:
  loan-engine admin create-user ana --email ana@example.com
  loan-engine admin create-user wes --email wes@example.com --role sales_team --team West --full-name 'Wes Lee'";

pub const UPDATE_USER: &str = "\
Examples:
  loan-engine admin update-user ana --role sales_team --team West
  loan-engine admin update-user ana --role analyst --no-team
  loan-engine admin update-user wes --active false";

pub const SET_PASSWORD: &str = "\
Examples:
  loan-engine admin set-password admin
  loan-engine admin set-password ana < password.txt";

pub const CREATE_TEAM: &str = "\
Examples:
  loan-engine admin create-team West
  loan-engine admin create-team 'West Coast'";

pub const LIST_TEAMS: &str = "\
Examples:
  loan-engine admin list-teams
  loan-engine admin list-teams --format json";

pub const LIST_USERS: &str = "\
Examples:
  loan-engine admin list-users
  loan-engine admin list-users --format json";
