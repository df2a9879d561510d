//! The configuration, read from the environment: the same names on AWS and on a laptop.

use shared::auth::secret::{MIN_SECRET_BYTES, Secret};

/// Environment that the product runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// On a developer's machine.
    Development,
    /// In a test.
    Test,
    /// On AWS, before production.
    Staging,
    /// On AWS, in production.
    Production,
}

impl Environment {
    pub const ALL: [Self; 4] = [Self::Development, Self::Test, Self::Staging, Self::Production];

    /// The word for the environment in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Test => "test",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// Default lifetime of a token, in minutes.
pub const DEFAULT_TOKEN_MINUTES: u32 = 480;
/// Longest lifetime of a token, in minutes: thirty days.
const MAX_TOKEN_MINUTES: u32 = 30 * 24 * 60;

/// Default size of a run's tapes from which on several workers process the run in parts: 1 GiB.
pub const DEFAULT_DISTRIBUTE_ABOVE_BYTES: u64 = 1 << 30;
/// Default number of bytes of a tape in such a part: 128 MiB.
pub const DEFAULT_PART_BYTES: u64 = 128 << 20;

/// The log levels, the most severe first.
pub const LOG_LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// The configuration of a process.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of the DynamoDB table: `TABLE_NAME`.
    pub table_name: String,
    /// Name of the S3 bucket: `BUCKET_NAME`.
    pub bucket_name: String,
    /// Secret that signs tokens: `JWT_SECRET`.
    pub jwt_secret: Secret,
    /// Lifetime of a token, in minutes: `ACCESS_TOKEN_MINUTES`.
    pub access_token_minutes: u32,
    /// Environment that the product runs in: `ENVIRONMENT`.
    pub environment: Environment,
    /// Whether the name of the bucket is in the path of URLs, because S3 is not AWS's own.
    pub s3_path_style: bool,
    /// Bytes of all tapes of a run from which on several workers process it in parts: `DISTRIBUTE_ABOVE_BYTES`.
    pub distribute_above_bytes: u64,
    /// Approximate number of bytes of a tape in such a part: `PART_BYTES`.
    pub part_bytes: u64,
    /// Least severe level that is logged, one of [`LOG_LEVELS`]: `LOG_LEVEL`.
    pub log_level: String,
    /// Origin under which clients reach the product, in lower case and without a slash at the end: `PUBLIC_URL`.
    pub public_url: Option<String>,
}

/// All problems of the environment, in one message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The configuration cannot be used: {}. Set these in the environment and start again.", .0.join("; "))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// [`ConfigError`] with every name that is missing or has an invalid value.
    #[expect(clippy::disallowed_methods, reason = "configuration is read from the environment in this function")]
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads the configuration from the values that `lookup` returns for each name. An empty value counts as missing.
    ///
    /// # Errors
    /// [`ConfigError`] with every name that is missing or has an invalid value.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let given = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let mut required = |name: &str| {
            given(name).unwrap_or_else(|| {
                problems.push(format!("{name} is missing"));
                String::new()
            })
        };
        let (table_name, bucket_name, secret) = (required("TABLE_NAME"), required("BUCKET_NAME"), required("JWT_SECRET"));
        if (1..MIN_SECRET_BYTES).contains(&secret.len()) {
            problems.push(format!("JWT_SECRET is too short: it needs at least {MIN_SECRET_BYTES} bytes"));
        }
        let access_token_minutes = match given("ACCESS_TOKEN_MINUTES").map(|text| text.parse()) {
            None => DEFAULT_TOKEN_MINUTES,
            Some(Ok(minutes)) if (1..=MAX_TOKEN_MINUTES).contains(&minutes) => minutes,
            Some(_) => {
                problems.push(format!("ACCESS_TOKEN_MINUTES must be a whole number from 1 to {MAX_TOKEN_MINUTES}"));
                DEFAULT_TOKEN_MINUTES
            }
        };
        let mut bytes = |name: &str, default: u64| match given(name).map(|text| text.parse()) {
            None => default,
            Some(Ok(bytes @ 1..)) => bytes,
            Some(_) => {
                problems.push(format!("{name} must be a whole number of bytes, at least 1"));
                default
            }
        };
        let distribute_above_bytes = bytes("DISTRIBUTE_ABOVE_BYTES", DEFAULT_DISTRIBUTE_ABOVE_BYTES);
        let part_bytes = bytes("PART_BYTES", DEFAULT_PART_BYTES);
        let environment = match given("ENVIRONMENT") {
            None => Environment::Development,
            Some(word) => Environment::ALL.into_iter().find(|environment| environment.as_str() == word).unwrap_or_else(|| {
                let words = Environment::ALL.map(Environment::as_str).join(", ");
                problems.push(format!("ENVIRONMENT must be one of {words}"));
                Environment::Development
            }),
        };
        let mut endpoint = |name: &str| {
            let address = given(name);
            if address.as_ref().is_some_and(|address| !["http://", "https://"].iter().any(|scheme| address.starts_with(scheme))) {
                problems.push(format!("{name} must be an address that begins with http:// or https://"));
            }
            address
        };
        let (_, s3, both) =
            (endpoint("AWS_ENDPOINT_URL_DYNAMODB"), endpoint("AWS_ENDPOINT_URL_S3"), endpoint("AWS_ENDPOINT_URL"));
        let log_level = given("LOG_LEVEL").map_or_else(|| "info".to_owned(), |word| word.to_ascii_lowercase());
        if !LOG_LEVELS.contains(&log_level.as_str()) {
            problems.push(format!("LOG_LEVEL must be one of {}", LOG_LEVELS.join(", ")));
        }
        let public_url = given("PUBLIC_URL").map(|text| text.trim().to_ascii_lowercase());
        if public_url.as_deref().is_some_and(|text| !is_origin(text)) {
            problems.push(
                "PUBLIC_URL must be an origin without a path, such as https://loans.example.com or http://10.0.0.7:8000"
                    .to_owned(),
            );
        }
        if !problems.is_empty() {
            return Err(ConfigError(problems));
        }
        let jwt_secret = Secret::new(secret);
        Ok(Self {
            table_name,
            bucket_name,
            jwt_secret,
            access_token_minutes,
            environment,
            s3_path_style: s3.or(both).is_some(),
            distribute_above_bytes,
            part_bytes,
            log_level,
            public_url,
        })
    }
}

/// Whether a text consists of `http` or `https`, a host, an optional port, and nothing else.
fn is_origin(text: &str) -> bool {
    let Some(authority) = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme)) else { return false };
    let Ok(parsed) = authority.parse::<http::uri::Authority>() else { return false };
    let port = match parsed.port_u16() {
        Some(port) => format!(":{port}"),
        None => String::new(),
    };
    // Host and port must be the whole text: anything else, such as a user, is not part of an origin.
    !parsed.host().is_empty() && format!("{}{port}", parsed.host()) == authority
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let found = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Config::from_lookup(found)
    }

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn what_is_left_out_has_its_default() {
        let config = read(&[("TABLE_NAME", "t"), ("BUCKET_NAME", "b"), ("JWT_SECRET", SECRET)]).unwrap();
        assert_eq!((config.table_name.as_str(), config.bucket_name.as_str()), ("t", "b"));
        assert_eq!((config.access_token_minutes, config.environment), (480, Environment::Development));
        assert_eq!(config.log_level, "info");
        assert_eq!((config.distribute_above_bytes, config.part_bytes), (1 << 30, 128 << 20));
    }

    #[test]
    fn the_bucket_stands_in_the_path_wherever_s3_is_not_awss_own() {
        let with = |name| {
            let pairs = [("TABLE_NAME", "t"), ("BUCKET_NAME", "b"), ("JWT_SECRET", SECRET), (name, "http://localhost:9000")];
            read(&pairs).unwrap().s3_path_style
        };
        assert!(with("AWS_ENDPOINT_URL_S3") && with("AWS_ENDPOINT_URL"));
        assert!(!with("AWS_ENDPOINT_URL_DYNAMODB"));
    }

    #[test]
    fn everything_missing_or_bad_is_told_in_one_message() {
        let error = read(&[
            ("TABLE_NAME", " "),
            ("JWT_SECRET", "short"),
            ("ACCESS_TOKEN_MINUTES", "0"),
            ("ENVIRONMENT", "prod"),
            ("DISTRIBUTE_ABOVE_BYTES", "1 GiB"),
            ("PART_BYTES", "0"),
            ("AWS_ENDPOINT_URL_S3", "localhost:9000"),
            ("LOG_LEVEL", "loud"),
            ("PUBLIC_URL", "loans.example.com"),
        ]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "The configuration cannot be used: TABLE_NAME is missing; BUCKET_NAME is missing; JWT_SECRET is too short: it \
             needs at least 32 bytes; ACCESS_TOKEN_MINUTES must be a whole number from 1 to 43200; DISTRIBUTE_ABOVE_BYTES must be a whole \
             number of bytes, at least 1; PART_BYTES must be a whole number of bytes, at least 1; ENVIRONMENT must be one of \
             development, test, staging, production; AWS_ENDPOINT_URL_S3 must be an address that begins with http:// or \
             https://; LOG_LEVEL must be one of error, warn, info, debug, trace; PUBLIC_URL must be an origin without a \
             path, such as https://loans.example.com or http://10.0.0.7:8000. Set these in the environment and start again."
        );
    }

    #[test]
    fn a_public_url_is_an_origin_and_nothing_more() {
        let with = |url| read(&[("TABLE_NAME", "t"), ("BUCKET_NAME", "b"), ("JWT_SECRET", SECRET), ("PUBLIC_URL", url)]);
        for (url, origin) in [
            ("https://loans.example.com", Some("https://loans.example.com")),
            ("http://10.0.0.7:8000", Some("http://10.0.0.7:8000")),
            (" HTTP://[::1]:80 ", Some("http://[::1]:80")),
            ("https://Loans.Example.com:8443", Some("https://loans.example.com:8443")),
            (" ", None),
        ] {
            assert_eq!(with(url).unwrap().public_url.as_deref(), origin, "{url}");
        }
        for url in [
            "loans.example.com",
            "ftp://loans.example.com",
            "https://",
            "https://loans.example.com/",
            "https://loans.example.com/console",
            "https://loans.example.com?x",
            "https://loans.example.com#x",
            "https://me@loans.example.com",
            "https://loans.example.com:",
            "https://loans.example.com:0x50",
            "https://loans.example.com:65536",
            "https://loans example.com",
            "https://loans.example.com\r\nx: y",
        ] {
            let error = with(url).unwrap_err().to_string();
            assert!(error.contains("PUBLIC_URL must be an origin without a path, such as https://"), "{url}: {error}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let config = read(&[("TABLE_NAME", "t"), ("BUCKET_NAME", "b"), ("JWT_SECRET", SECRET)]).unwrap();
        assert!(!format!("{config:?}").contains(SECRET));
        assert_eq!(config.jwt_secret.expose(), SECRET);
    }
}
