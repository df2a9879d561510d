//! What a signature has to cover.

use http::{HeaderMap, Uri, header};
use percent_encoding::percent_decode_str;
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    s3_error,
};

/// Lets signed requests alone through, and of these only such whose signature covers every header that S3 obeys, as S3 itself
/// does. Otherwise whoever holds an address to put one file to could make it a copy of any other (`x-amz-copy-source`).
pub struct AllThatCounts;

#[async_trait::async_trait]
impl S3Access for AllThatCounts {
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        if request.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Signature is required"));
        }
        match unsigned(request.uri(), request.headers()) {
            None => Ok(()),
            Some(name) => Err(s3_error!(AccessDenied, "The header {name} is not signed: leave it out, or sign it")),
        }
    }
}

/// A header that S3 obeys and the signature does not cover.
fn unsigned<'h>(uri: &Uri, headers: &'h HeaderMap) -> Option<&'h str> {
    let signed = signed(uri, headers);
    let signed: Vec<&str> = signed.iter().flat_map(|names| names.split(';')).collect();
    headers.keys().map(http::HeaderName::as_str).find(|name| name.starts_with("x-amz-") && !signed.contains(name))
}

/// The names of the signed headers, with semicolons between them. A signature in the address is the one that counts.
fn signed(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let pairs: Vec<(&str, &str)> = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')).collect();
    if pairs.iter().any(|(name, _)| decoded(name) == "X-Amz-Signature") {
        return pairs.iter().find(|(name, _)| decoded(name) == "X-Amz-SignedHeaders").map(|(_, names)| decoded(names));
    }
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    Some(authorization.split_once("SignedHeaders=")?.1.split([',', ' ']).next()?.to_owned())
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
    fn a_header_that_s3_obeys_is_signed_in_the_address_or_in_the_authorization() {
        let url = "http://host/loans/key?X-Amz-SignedHeaders=content-type%3Bhost%3Bx-amz-acl&X-Amz-Signature=0";
        assert_eq!(request(url, &[("content-type", "a"), ("x-other", "b"), ("x-amz-acl", "c")]), None);
        assert_eq!(request(url, &[("x-amz-acl", "a"), ("x-amz-tagging", "b")]).as_deref(), Some("x-amz-tagging"));
        let header = ("authorization", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;x-amz-date, Signature=0");
        assert_eq!(request("http://host/loans/key", &[header, ("x-amz-date", "a")]), None);
        assert_eq!(request("http://host/loans/key", &[header, ("x-amz-acl", "a")]).as_deref(), Some("x-amz-acl"));
    }

    #[test]
    fn what_an_authorization_says_does_not_count_beside_a_signature_in_the_address() {
        let header = ("authorization", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;x-amz-acl, Signature=0");
        for url in ["http://host/k?X-Amz-SignedHeaders=host&X-Amz-Signature=0", "http://host/k?X-Amz-Signature=0"] {
            assert_eq!(request(url, &[header, ("x-amz-acl", "a")]).as_deref(), Some("x-amz-acl"), "{url}");
        }
    }
}
