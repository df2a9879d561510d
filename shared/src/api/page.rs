//! Lists in pages: `skip`, `limit`, and links to the pages beside this one.

use axum::{
    Json,
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::IntoParams;

use super::{
    extract::ApiQuery,
    problem::{ApiError, InputError},
};

/// How many items a page has unless the caller says otherwise, and at most.
pub const DEFAULT_LIMIT: u64 = 100;
/// How many items a page has at most.
pub const MAX_LIMIT: u64 = 1000;
/// How many items there are in all, where that is known without reading them.
pub const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Which page is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Number of items to skip.
    #[param(default = 0)]
    pub skip: Option<u64>,
    /// Largest number of items to return.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    pub limit: Option<u64>,
    /// Cursor of the page, taken from the `next` link of the page before it. With a cursor, every page costs the same.
    #[param(example = "WyIyMDI2LTAyLTAyIl0")]
    pub after: Option<String>,
}

/// A page that may be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// How many items to pass over.
    pub skip: u64,
    /// How many items to give: 1 to 1,000.
    pub limit: u64,
    /// Where the page before this one ended.
    pub after: Option<String>,
}

/// The largest number of items that can be passed over: what any store can count.
const MAX_SKIP: u64 = i64::MAX as u64;

impl PageQuery {
    /// The page, if it is one that may be given.
    ///
    /// # Errors
    /// 422 that names every value out of range.
    pub fn check(&self) -> Result<Page, ApiError> {
        let (skip, limit) = (self.skip.unwrap_or(0), self.limit.unwrap_or(DEFAULT_LIMIT));
        let mut errors = Vec::new();
        if skip > MAX_SKIP {
            errors.push(InputError::query("skip", "It is too large."));
        }
        if !(1..=MAX_LIMIT).contains(&limit) {
            errors.push(InputError::query("limit", format!("It must be from 1 to {MAX_LIMIT}.")));
        }
        if errors.is_empty() { Ok(Page { skip, limit, after: self.after.clone() }) } else { Err(ApiError::Invalid(errors)) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let ApiQuery(query) = ApiQuery::<PageQuery>::from_request_parts(parts, state).await?;
        query.check()
    }
}

impl Page {
    /// Makes sure that there is no cursor, of a list whose pages cost the same wherever they are, and that has none.
    ///
    /// # Errors
    /// 422 for any cursor.
    pub fn without_cursor(self) -> Result<Self, ApiError> {
        match self.after {
            Some(_) => Err(ApiError::invalid(InputError::query("after", "This list has no cursors. Use `skip`."))),
            None => Ok(self),
        }
    }

    /// What the cursor of this page says, when it has one.
    ///
    /// # Errors
    /// 422 for a cursor that is not one of ours.
    pub fn cursor<C: DeserializeOwned>(&self) -> Result<Option<C>, ApiError> {
        let Some(text) = &self.after else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let cursor = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let unknown = || ApiError::invalid(InputError::query("after", "It is no cursor of this list. Take it from a link."));
        cursor.map(Some).ok_or_else(unknown)
    }
}

/// A page of a list, on its way to the caller.
#[derive(Debug)]
pub struct Listing<T> {
    items: Vec<T>,
    links: Vec<String>,
    total: Option<u64>,
}

impl<T> Listing<T> {
    /// The items of a page. `more` says whether there are items after them, and `cursor` where they begin.
    pub fn new<C: Serialize>(uri: &Uri, page: &Page, items: Vec<T>, more: bool, cursor: Option<&C>) -> Self {
        let mut links = Vec::new();
        if more {
            let cursor = cursor.and_then(|cursor| serde_json::to_vec(cursor).ok()).map(|json| URL_SAFE_NO_PAD.encode(json));
            links.push(link(uri, page.skip.saturating_add(page.limit), page.limit, cursor.as_deref(), "next"));
        }
        if page.skip > 0 {
            // The page before may be shorter, so that none of its items are on this page, too.
            let limit = page.limit.min(page.skip);
            links.push(link(uri, page.skip - limit, limit, None, "prev"));
        }
        Self { items, links, total: None }
    }

    /// Tells how many items there are in all.
    #[must_use]
    pub fn with_total(mut self, total: Option<u64>) -> Self {
        self.total = total;
        self
    }

    /// The headers: links, and the number of items where it is known.
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

/// What stays as it is in a query.
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
    use super::*;

    fn page(skip: u64, limit: u64) -> Page {
        Page { skip, limit, after: None }
    }

    fn links(uri: &str, page: &Page, more: bool, cursor: Option<&(u8, &str)>) -> String {
        let listing: Listing<u8> = Listing::new(&uri.parse().unwrap(), page, vec![1], more, cursor);
        let response = listing.into_response();
        response.headers().get(header::LINK).map_or("", |value| value.to_str().unwrap()).to_owned()
    }

    #[test]
    fn a_page_has_its_defaults_and_bounds() {
        assert_eq!(PageQuery::default().check().unwrap(), page(0, 100));
        let asked = |skip, limit| PageQuery { skip, limit, after: None }.check();
        assert_eq!(asked(Some(5), Some(1)).unwrap(), page(5, 1));
        assert_eq!(asked(None, Some(1000)).unwrap().limit, 1000);
        for (skip, limit, wrong) in [(None, Some(0), 1), (None, Some(1001), 1), (Some(u64::MAX), Some(0), 2)] {
            match asked(skip, limit) {
                Err(ApiError::Invalid(errors)) => assert_eq!(errors.len(), wrong),
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
        let next = links("/api/runs", &page(0, 10), true, Some(&(7, "x")));
        let after = next.split("after=").nth(1).unwrap().split('>').next().unwrap();
        let page = Page { after: Some(after.to_owned()), ..page(10, 10) };
        assert_eq!(page.cursor::<(u8, String)>().unwrap(), Some((7, "x".to_owned())));
        for bad in ["!", "AAAA", "e30"] {
            let page = Page { after: Some(bad.to_owned()), ..page.clone() };
            assert!(matches!(page.cursor::<(u8, String)>(), Err(ApiError::Invalid(_))), "{bad}");
        }
    }
}
