//! The origin of signed URLs of `serve`: the origin under which the client reaches `serve`.
//!
//! `serve` makes and checks a signature for the address that it listens on, regardless of the host that the client called (see
//! `local/src/serve/http.rs`). The origin of a URL therefore says where the client finds the bucket, and does not affect the
//! signature.

use http::{HeaderMap, header};

/// The names of this machine's loopback address.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The origins under which clients reach `serve`.
#[derive(Debug, Clone)]
pub struct UrlOrigin {
    /// Origin that URLs are signed for: the address that `serve` listens on.
    listening: String,
    /// Origin from the configuration: `PUBLIC_URL`.
    public: Option<String>,
}

impl UrlOrigin {
    /// The origins of a process that listens on an origin such as `http://127.0.0.1:8000`.
    pub fn new(listening: String, public: Option<String>) -> Self {
        Self { listening, public }
    }

    /// A signed URL, rewritten for the client that sent these headers. The URL has the origin `PUBLIC_URL`, where it is
    /// configured. Otherwise it has the client's `Host`, if that is a name of the loopback address, so that a forwarded port
    /// works. Otherwise it stays as signed.
    pub fn for_client(&self, signed: String, headers: &HeaderMap) -> String {
        let Some(rest) = signed.strip_prefix(&self.listening) else { return signed };
        match (&self.public, loopback_host(headers)) {
            (Some(public), _) => format!("{public}{rest}"),
            (None, Some(host)) => format!("http://{host}{rest}"),
            (None, None) => signed,
        }
    }
}

/// The host that a client called, if the request has exactly one `Host` and it is a name of the loopback address.
fn loopback_host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, another) = (hosts.next()?.to_str().ok()?, hosts.next());
    let port = LOOPBACK.iter().find_map(|name| {
        let (called, port) = host.split_at_checked(name.len())?;
        called.eq_ignore_ascii_case(name).then_some(port)
    })?;
    let is_port = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit()) && digits.parse::<u16>().is_ok();
    let good = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    (good && another.is_none()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTENING: &str = "http://127.0.0.1:8000";

    fn url(public: Option<&str>, hosts: &[&str]) -> String {
        let origin = UrlOrigin::new(LISTENING.to_owned(), public.map(str::to_owned));
        let headers = hosts.iter().map(|host| (header::HOST, host.parse().unwrap())).collect();
        origin.for_client(format!("{LISTENING}/loans/a.csv?X-Amz-Signature=0"), &headers)
    }

    #[test]
    fn a_url_begins_with_the_loopback_name_that_the_client_called() {
        for host in ["localhost:8000", "127.0.0.1:1", "[::1]:65535", "localhost", "[::1]", "LocalHost:9"] {
            assert_eq!(url(None, &[host]), format!("http://{host}/loans/a.csv?X-Amz-Signature=0"));
        }
    }

    #[test]
    fn any_other_host_changes_nothing() {
        for hosts in [
            &["attacker.example"][..],
            &["localhost.attacker.example"],
            &["localhost:80@attacker.example"],
            &["localhost:"],
            &["localhost:+80"],
            &["localhost:65536"],
            &["localhost:8a"],
            &["localhost/x"],
            &["127.0.0.1.example"],
            &["127.0.0.2:8000"],
            &["::1"],
            &["[::1"],
            &["192.168.0.7:8000"],
            &[""],
            &[],
            &["localhost:1", "localhost:2"],
        ] {
            assert_eq!(url(None, hosts), format!("{LISTENING}/loans/a.csv?X-Amz-Signature=0"), "{hosts:?}");
        }
    }

    #[test]
    fn a_public_url_is_the_origin_whatever_the_client_called() {
        for hosts in [&["localhost:8000"][..], &["attacker.example"], &[]] {
            assert_eq!(url(Some("https://loans.example.com"), hosts), "https://loans.example.com/loans/a.csv?X-Amz-Signature=0");
        }
    }

    #[test]
    fn a_url_of_another_storage_stays_as_it_is() {
        let origin = UrlOrigin::new(LISTENING.to_owned(), Some("https://loans.example.com".to_owned()));
        let signed = "https://bucket.s3.example.com/a.csv?X-Amz-Signature=0";
        assert_eq!(origin.for_client(signed.to_owned(), &HeaderMap::new()), signed);
    }
}
