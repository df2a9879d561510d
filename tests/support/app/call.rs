//! Requests that go to the router without a socket, and their answers.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::{Person, TestApp, contract};

/// A request under construction.
pub struct Call<'a> {
    app: &'a TestApp,
    request: Request<Body>,
}

/// An answer, with its body read.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    /// The body, or the part that arrived before it broke off.
    pub bytes: Bytes,
    /// Whether the body broke off before its end.
    pub broken_off: bool,
}

impl TestApp {
    /// Starts a request with an empty body.
    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        Call { app: self, request }
    }

    /// Sends a request and checks the answer against the OpenAPI document.
    pub async fn answer(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = Answer::of(self.router.clone().oneshot(request).await.unwrap()).await;
        contract::hold(&method, &path, &answer);
        answer
    }

    /// Sends a request to the bucket.
    pub async fn ask_bucket(&self, request: Request<Body>) -> Answer {
        Answer::of(self.bucket.clone().oneshot(request).await.unwrap()).await
    }

    /// Sends a request with a presigned URL to the bucket.
    pub async fn fetch(&self, method: Method, url: &str, headers: &[(String, String)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        // An HTTP client sends the URL as a path and a `Host` header, so the test does the same.
        let uri: http::Uri = url.parse().unwrap();
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let length = body.len();
        let request = request.uri(uri.path_and_query().unwrap().as_str()).header(header::HOST, host);
        let request = request.header(header::CONTENT_LENGTH, length).body(Body::from(body.to_owned())).unwrap();
        self.ask_bucket(request).await
    }

    pub fn get(&self, path: &str) -> Call<'_> {
        self.call(Method::GET, path)
    }

    pub fn delete(&self, path: &str) -> Call<'_> {
        self.call(Method::DELETE, path)
    }

    pub fn post(&self, path: &str) -> Call<'_> {
        self.call(Method::POST, path)
    }
}

impl Call<'_> {
    /// Adds the person's token.
    #[must_use]
    pub fn by(self, person: &Person) -> Self {
        self.header(header::AUTHORIZATION, &format!("Bearer {}", person.token))
    }

    /// Appends a header; an earlier one of the same name stays.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Sets a URL-encoded form as the body.
    #[must_use]
    pub fn form(self, body: &str) -> Self {
        self.body("application/x-www-form-urlencoded", body.to_owned())
    }

    /// Sets the body and its content type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self.header(header::CONTENT_TYPE, content_type)
    }

    /// Sets a multipart form with one file, as a browser sends it.
    #[must_use]
    pub fn file(self, filename: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.body("multipart/form-data; boundary=xxxx", form_of(&[("file", filename, bytes.as_ref())]))
    }

    /// Sends the request. Asserts that the body of the answer is complete.
    pub async fn send(self) -> Answer {
        let answer = self.send_anyway().await;
        assert!(!answer.broken_off, "the answer broke off after {} bytes", answer.bytes.len());
        answer
    }

    /// Sends the request. The body of the answer may break off.
    pub async fn send_anyway(self) -> Answer {
        self.app.answer(self.request).await
    }
}

/// A multipart form with the boundary `xxxx`. Each file is a field name, a file name and the bytes.
pub fn form_of(files: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut form = Vec::new();
    for (field, name, bytes) in files {
        let head = format!("--xxxx\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\r\n");
        form.extend([head.as_bytes(), bytes, b"\r\n"].concat());
    }
    form.extend(b"--xxxx--\r\n");
    form
}

impl Answer {
    async fn of(answer: axum::response::Response) -> Self {
        let (parts, mut body) = answer.into_parts();
        let (mut bytes, mut broken_off) = (BytesMut::new(), false);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                Err(_) => {
                    broken_off = true;
                    break;
                }
            }
        }
        Self { status: parts.status, headers: parts.headers, bytes: bytes.freeze(), broken_off }
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The value of a header, or `""` if the answer does not have it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts the status and returns the JSON body.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self.json()
    }

    /// Asserts that the answer is a complete problem document with this status and returns its `code`.
    pub fn problem(&self, status: u16) -> String {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        for member in ["type", "title", "detail", "code"] {
            assert!(problem[member].is_string(), "{member}: {problem}");
        }
        problem["code"].as_str().unwrap().to_owned()
    }
}
