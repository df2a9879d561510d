//! Lists in pages: `skip`, `limit`, and links to the next and the previous page.

use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};
use utoipa::IntoParams;

use super::{
    fields::{Fields, FromFields, any, within},
    values::Cursor,
};

/// Number of items in a page when the client names no limit.
pub const DEFAULT_LIMIT: u64 = 100;
/// Largest number of items in a page.
pub const MAX_LIMIT: u64 = 1000;
/// Header with the number of all items, where it is known without reading them.
pub const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Which page is wanted of a list that has cursors: what [`Page`] reads, for the document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Number of items to skip.
    #[param(default = 0)]
    pub skip: Option<u64>,
    /// Largest number of items to return.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    pub limit: Option<u64>,
    /// Cursor of the page, taken from the `next` link of the page before it. With a cursor, every page costs the same.
    #[param(min_length = 1, example = "WyIyMDI2LTAyLTAyIl0")]
    pub after: Option<String>,
}

/// Which page is wanted of a list that has no cursors.
#[derive(Debug, Clone, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SkipQuery {
    /// Number of items to skip.
    #[param(default = 0)]
    pub skip: Option<u64>,
    /// Largest number of items to return.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    pub limit: Option<u64>,
}

/// Largest number of items to skip: the largest that every store can count.
const MAX_SKIP: u64 = i64::MAX as u64;

crate::read_fields!(SkipQuery { skip: optional(within(0..=MAX_SKIP)), limit: optional(within(1..=MAX_LIMIT)) });

/// A valid request for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<C = ()> {
    /// Number of items to skip.
    pub skip: u64,
    /// Largest number of items to return: 1 to 1,000.
    pub limit: u64,
    /// Where the previous page ended; `None` when the request has no cursor.
    pub after: Option<C>,
}

impl<C> From<SkipQuery> for Page<C> {
    fn from(query: SkipQuery) -> Self {
        Self { skip: query.skip.unwrap_or(0), limit: query.limit.unwrap_or(DEFAULT_LIMIT), after: None }
    }
}

/// Reads the page of a list that has cursors.
impl<C: DeserializeOwned> FromFields for Page<C> {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let query = SkipQuery::from_fields(fields);
        let after = fields.optional::<Cursor<C>, _>("after", any)?;
        Some(Self { after: after.map(|Cursor(after)| after), ..query?.into() })
    }
}

impl<C> Page<C> {
    /// Number of items that the store skips: 0 when a cursor says where the page begins.
    pub fn skipped(&self) -> u64 {
        if self.after.is_some() { 0 } else { self.skip }
    }
}

/// A page of a list, as an answer.
#[derive(Debug)]
pub struct Listing<T> {
    items: Vec<T>,
    links: Vec<String>,
    total: Option<u64>,
}

impl<T> Listing<T> {
    /// The answer with the items of a page. `more` says whether items follow, and `cursor` where they begin.
    pub fn new<C: Serialize>(uri: &Uri, page: &Page<C>, items: Vec<T>, more: bool, cursor: Option<&C>) -> Self {
        let mut links = Vec::new();
        if more {
            let cursor = cursor.and_then(|cursor| serde_json::to_vec(cursor).ok()).map(|json| URL_SAFE_NO_PAD.encode(json));
            links.push(link(uri, page.skip.saturating_add(page.limit), page.limit, cursor.as_deref(), "next"));
        }
        if page.skip > 0 {
            // The previous page may be shorter, so that it repeats no item of this page.
            let limit = page.limit.min(page.skip);
            links.push(link(uri, page.skip - limit, limit, None, "prev"));
        }
        Self { items, links, total: None }
    }

    /// Adds the number of all items.
    #[must_use]
    pub fn with_total(mut self, total: Option<u64>) -> Self {
        self.total = total;
        self
    }

    /// The headers `Link` and, where the number of all items is known, `X-Total-Count`.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(value) = (!self.links.is_empty()).then(|| HeaderValue::try_from(self.links.join(", ")).ok()).flatten() {
            headers.insert(header::LINK, value);
        }
        if let Some(total) = self.total {
            headers.insert(TOTAL_COUNT, total.into());
        }
        headers
    }
}

/// The characters to encode in a query: all but letters, digits and `-_.~`.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn link(uri: &Uri, skip: u64, limit: u64, after: Option<&str>, rel: &str) -> String {
    let pairs: Vec<(String, String)> = uri.query().and_then(|query| serde_urlencoded::from_str(query).ok()).unwrap_or_default();
    let kept = pairs.into_iter().filter(|(name, _)| !["skip", "limit", "after"].contains(&name.as_str()));
    let mut query: Vec<String> = kept
        .map(|(name, value)| format!("{}={}", utf8_percent_encode(&name, QUERY), utf8_percent_encode(&value, QUERY)))
        .collect();
    query.push(format!("skip={skip}&limit={limit}"));
    query.extend(after.map(|after| format!("after={after}")));
    format!("<{}?{}>; rel=\"{rel}\"", uri.path(), query.join("&"))
}

impl<T: Serialize> IntoResponse for Listing<T> {
    fn into_response(self) -> Response {
        (self.headers(), Json(self.items)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use crate::problem::ApiError;

    use super::*;

    type At = (u8, String);

    fn page(skip: u64, limit: u64) -> Page<At> {
        Page { skip, limit, after: None }
    }

    fn asked(query: &str) -> Result<Page<At>, ApiError> {
        Fields::of_query(query).and_then(Fields::read)
    }

    fn links(uri: &str, page: &Page<At>, more: bool, cursor: Option<&At>) -> String {
        let listing: Listing<u8> = Listing::new(&uri.parse().unwrap(), page, vec![1], more, cursor);
        let response = listing.into_response();
        response.headers().get(header::LINK).map_or("", |value| value.to_str().unwrap()).to_owned()
    }

    #[test]
    fn a_page_has_its_defaults_and_bounds() {
        assert_eq!(asked("").unwrap(), page(0, 100));
        assert_eq!(asked("skip=5&limit=1").unwrap(), page(5, 1));
        assert_eq!(asked("limit=1000").unwrap().limit, 1000);
        for (query, wrong) in [("limit=0", 1), ("limit=1001", 1), ("skip=18446744073709551615&limit=0&after=!", 3)] {
            match asked(query) {
                Err(ApiError::Invalid(errors)) => assert_eq!(errors.len(), wrong, "{query}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn links_lead_to_the_pages_beside() {
        assert_eq!(links("/api/runs", &page(0, 10), false, None), "");
        assert_eq!(links("/api/runs", &page(0, 10), true, None), "</api/runs?skip=10&limit=10>; rel=\"next\"");
        assert_eq!(
            links("/api/runs?status=failed&limit=10&skip=5", &page(5, 10), true, None),
            "</api/runs?status=failed&skip=15&limit=10>; rel=\"next\", </api/runs?status=failed&skip=0&limit=5>; rel=\"prev\""
        );
        assert_eq!(links("/api/x?name=a%20%26b", &page(0, 1), true, None), "</api/x?name=a%20%26b&skip=1&limit=1>; rel=\"next\"");
    }

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let next = links("/api/runs", &page(0, 10), true, Some(&(7, "x".to_owned())));
        let query = next.split('?').nth(1).unwrap().split('>').next().unwrap();
        let page = asked(query).unwrap();
        assert_eq!((&page.after, page.skip, page.skipped()), (&Some((7, "x".to_owned())), 10, 0));
        for bad in ["!", "AAAA", "e30"] {
            assert!(matches!(asked(&format!("after={bad}")), Err(ApiError::Invalid(_))), "{bad}");
        }
    }
}
