//! Checks that a request is signed, and that the signature covers every header that S3 obeys.

use http::{HeaderMap, HeaderValue, Request, Uri, header};
use percent_encoding::percent_decode_str;
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    s3_error,
};

/// Removes the product's own tokens from a request to a signed URL. A client that follows a redirect of the API may send its
/// token along. The token signs nothing here: only the signature of the URL counts. S3 itself rejects a request with both. Any
/// other `Authorization` stays, and [`AllThatCounts`] rejects it.
pub fn without_token<B>(mut request: Request<B>) -> Request<B> {
    let tokens = |headers: &HeaderMap| headers.get_all(header::AUTHORIZATION).iter().all(is_token);
    if signed_address(request.uri()).is_some() && tokens(request.headers()) {
        request.headers_mut().remove(header::AUTHORIZATION);
    }
    request
}

/// Whether an `Authorization` is a bearer token.
fn is_token(authorization: &HeaderValue) -> bool {
    let scheme = authorization.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"Bearer")
}

/// Accepts only signed requests whose signature covers every header that S3 obeys, as S3 itself does. Otherwise the holder of a
/// URL for uploading one file could turn it into a copy of any other file (`x-amz-copy-source`).
pub struct AllThatCounts;

#[async_trait::async_trait]
impl S3Access for AllThatCounts {
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        if request.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Signature is required"));
        }
        // Otherwise the signature of a URL would also count as that of a header, with other headers and another time.
        if signed_address(request.uri()).is_some() && request.headers().contains_key(header::AUTHORIZATION) {
            return Err(s3_error!(InvalidArgument, "Only one way to sign a request is allowed: an address or a header"));
        }
        match unsigned(request.uri(), request.headers()) {
            None => Ok(()),
            Some(name) => Err(s3_error!(AccessDenied, "The header {name} is not signed: leave it out, or sign it")),
        }
    }
}

/// A header that S3 obeys and the signature does not cover. A signature whose list of headers cannot be read covers nothing.
fn unsigned<'h>(uri: &Uri, headers: &'h HeaderMap) -> Option<&'h str> {
    let signed = signed(uri, headers).unwrap_or_default();
    let signed: Vec<&str> = signed.split(';').collect();
    headers.keys().map(http::HeaderName::as_str).find(|name| name.starts_with("x-amz-") && !signed.contains(name))
}

/// The names of the signed headers, separated by semicolons, from the signature in the URL, or from an `Authorization` header in
/// the form that clients use.
fn signed(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    if let Some(pairs) = signed_address(uri) {
        return pairs.into_iter().find(|(name, _)| name == "X-Amz-SignedHeaders").map(|(_, names)| names);
    }
    let parameters = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("AWS4-HMAC-SHA256 Credential=")?;
    let mut lists = parameters.split("SignedHeaders=").skip(1);
    let (list, more) = (lists.next()?, lists.next());
    if more.is_some() { None } else { list.split([',', ' ']).next().map(str::to_owned) }
}

/// The query parameters of a URL that has any parameter of a signature (`x-amz-…`).
fn signed_address(uri: &Uri) -> Option<Vec<(String, String)>> {
    let pairs = uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let pairs: Vec<_> = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect();
    pairs.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("x-amz-")).then_some(pairs)
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, pairs: &[(&'static str, &'static str)]) -> Option<String> {
        let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        unsigned(&uri.parse().unwrap(), &headers).map(str::to_owned)
    }

    #[test]
    fn a_token_is_taken_from_a_signed_url_and_nothing_else_is() {
        let left = |url: &str, sent: &[&str]| {
            let mut request = Request::get(url);
            for value in sent {
                request = request.header("authorization", *value);
            }
            without_token(request.body(()).unwrap()).headers().get_all("authorization").iter().count()
        };
        let (signed, plain) = ("http://host/loans/key?X-Amz-Signature=0", "http://host/loans/key?list-type=2");
        let aws = "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0";
        assert_eq!((left(signed, &["Bearer eyJ"]), left(signed, &["bearer eyJ", "BEARER x"]), left(signed, &[])), (0, 0, 0));
        assert_eq!((left(plain, &["Bearer eyJ"]), left(signed, &[aws]), left(signed, &["Bearer eyJ", aws])), (1, 1, 2));
        for other in ["BearerAWS a:b", "AWS a:b", "Basic Bearer", "", "Bearer,AWS4-HMAC-SHA256 Credential=a/b"] {
            assert_eq!(left(signed, &[other]), 1, "{other}");
        }
    }

    #[test]
    fn a_header_that_s3_obeys_is_signed_in_the_address_or_in_the_authorization() {
        let url = "http://host/loans/key?X-Amz-SignedHeaders=content-type%3Bhost%3Bx-amz-acl&X-Amz-Signature=0";
        assert_eq!(request(url, &[("content-type", "a"), ("x-other", "b"), ("x-amz-acl", "c")]), None);
        assert_eq!(request(url, &[("x-amz-acl", "a"), ("x-amz-tagging", "b")]).as_deref(), Some("x-amz-tagging"));
        let header = ("authorization", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;x-amz-date, Signature=0");
        assert_eq!(request("http://host/loans/key", &[header, ("x-amz-date", "a")]), None);
        assert_eq!(request("http://host/loans/key", &[header, ("x-amz-acl", "a")]).as_deref(), Some("x-amz-acl"));
    }

    #[test]
    fn a_signature_that_is_written_otherwise_covers_nothing() {
        let amz = ("x-amz-acl", "a");
        for url in ["http://host/k?X-Amz-Signature=0", "http://host/k?X-Amz-Date=0", "http://host/k?x-amz-x"] {
            let header = ("authorization", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;x-amz-acl, Signature=0");
            assert_eq!(request(url, &[header, amz]).as_deref(), Some("x-amz-acl"), "{url}");
        }
        for header in [
            "SignedHeaders=x-amz-acl Credential=a/b, SignedHeaders=host, Signature=0",
            "AWS4-HMAC-SHA256 Credential=a/SignedHeaders=x-amz-acl, SignedHeaders=host, Signature=0",
            "AWS4-HMAC-SHA256 SignedHeaders=x-amz-acl, Credential=a/b, Signature=0",
            "AWS4-HMAC-SHA512 Credential=a/b, SignedHeaders=x-amz-acl, Signature=0",
            "AWS a:SignedHeaders=x-amz-acl",
        ] {
            assert_eq!(request("http://host/k", &[("authorization", header), amz]).as_deref(), Some("x-amz-acl"), "{header}");
        }
    }
}
