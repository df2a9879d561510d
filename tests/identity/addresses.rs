//! Presigned URLs: what they permit, and what an attacker cannot make of them.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::PresigningConfig;
use http::{HeaderName, Method, header};
use shared::auth::permission::Role;

use super::app;
use crate::{
    files_routes::everything,
    support::app::{ADDRESS, Answer, Person, TestApp},
};

async fn signed(app: &TestApp, person: &Person, rest: &str) -> String {
    app.read(person, &format!("/api/files/url/{rest}")).await["url"].as_str().unwrap().to_owned()
}

async fn fetch(app: &TestApp, method: Method, url: &str) -> Answer {
    app.fetch(method, url, &[], "attacker").await
}

#[tokio::test]
async fn an_address_that_was_changed_anywhere_is_good_for_nothing() {
    let (app, root) = app().await;
    for key in ["inputs/mine.csv", "inputs/yours.csv", "inputs/teams/7/a.csv", "archive/run/manifest.json", "outputs/run/a.csv"] {
        app.put(key, "secret").await;
    }
    let before = everything(&app).await;
    let url = signed(&app, &root, "mine.csv?expires_in=60").await;
    assert_eq!(fetch(&app, Method::GET, &url).await.text(), "secret");
    let signature = url.split_once("X-Amz-Signature=").unwrap().1.split('&').next().unwrap();
    let date = url.split_once("X-Amz-Date=").unwrap().1.split('&').next().unwrap();
    let mut changed = vec![
        url.replace("mine.csv", "yours.csv"),
        url.replace("mine.csv", "teams/7/a.csv"),
        url.replace("mine.csv", "mine.csv/../yours.csv"),
        url.replace("mine.csv", "..%2Farchive/run/manifest.json"),
        url.replace("inputs/mine.csv", "archive/run/manifest.json"),
        url.replace("inputs/mine.csv", "outputs/run/a.csv"),
        url.replace("inputs/mine.csv", ""),
        url.replace("mine.csv", "Mine.csv"),
        url.replace("X-Amz-Expires=60", "X-Amz-Expires=604800"),
        url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"),
        url.replace("X-Amz-Expires=60", ""),
        url.replace(date, "20990101T000000Z"),
        url.replace("us-east-1", "eu-west-1"),
        url.replace("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders="),
        url.replace("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=none"),
        url.replace(&format!("X-Amz-Signature={signature}"), "X-Amz-Signature="),
        url.replace(&format!("&X-Amz-Signature={signature}"), ""),
        url.replace("response-content-disposition=attachment", "response-content-disposition=inline"),
        format!("{url}&response-content-type=text%2Fhtml"),
        format!("{url}&versionId=1"),
        format!("{url}&uploads"),
        url.split('?').next().unwrap().to_owned(),
        format!("{ADDRESS}/loans?list-type=2"),
        format!("{ADDRESS}/loans/?list-type=2&prefix=inputs/"),
    ];
    for at in 0..signature.len() {
        let mut other = signature.to_owned();
        let digit = if other.as_bytes()[at] == b'0' { "1" } else { "0" };
        other.replace_range(at..=at, digit);
        changed.push(url.replace(signature, &other));
    }
    assert!(changed.len() > 80);
    for changed in &changed {
        assert_ne!(*changed, url);
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::POST] {
            let answer = fetch(&app, method.clone(), changed).await;
            assert!(answer.status.as_u16() >= 400, "{method} {changed}: {}", answer.status);
            assert!(!answer.text().contains("secret"), "{method} {changed}");
        }
    }
    for method in [Method::PUT, Method::DELETE, Method::POST] {
        assert_eq!(fetch(&app, method.clone(), &url).await.status, 403, "{method}");
    }
    assert_eq!(everything(&app).await, before);
    assert_eq!(app.text("inputs/mine.csv").await, "secret");
}

#[tokio::test]
async fn an_address_to_put_to_is_good_for_its_type_of_content_alone() {
    let (app, root) = app().await;
    let url = signed(&app, &root, "new.csv?method=put").await;
    for kind in ["text/html", "image/svg+xml", "application/javascript", ""] {
        let answer = app.fetch(Method::PUT, &url, &[("content-type".to_owned(), kind.to_owned())], "<script>").await;
        assert_eq!(answer.status, 403, "{kind}");
    }
    assert_eq!(app.fetch(Method::PUT, &url, &[], "<script>").await.status, 403);
    for method in [Method::GET, Method::DELETE, Method::POST, Method::HEAD] {
        assert_eq!(fetch(&app, method.clone(), &url).await.status, 403, "{method}");
    }
    assert!(everything(&app).await.is_empty());
    let kind = ("content-type".to_owned(), "text/csv; charset=utf-8".to_owned());
    assert_eq!(app.fetch(Method::PUT, &url, &[kind], "a,b").await.status, 200);
}

/// Headers that make S3 do something other than the purpose of the URL.
const OBEYED: [(&str, &str); 14] = [
    ("x-amz-copy-source", "/loans/inputs/teams/7/a.csv"),
    ("x-amz-copy-source", "loans/archive/run/manifest.json"),
    ("x-amz-copy-source-range", "bytes=0-5"),
    ("x-amz-metadata-directive", "REPLACE"),
    ("x-amz-acl", "public-read"),
    ("x-amz-grant-read", "uri=http://acs.amazonaws.com/groups/global/AllUsers"),
    ("x-amz-meta-note", "attacker"),
    ("x-amz-tagging", "a=b"),
    ("x-amz-storage-class", "GLACIER"),
    ("x-amz-website-redirect-location", "http://attacker.example"),
    ("x-amz-object-lock-mode", "COMPLIANCE"),
    ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
    ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ("x-amz-security-token", "attacker"),
];

#[tokio::test]
async fn an_address_is_good_for_no_header_that_was_not_signed_with_it() {
    let (app, root) = app().await;
    for key in ["inputs/mine.csv", "inputs/teams/7/a.csv", "archive/run/manifest.json"] {
        app.put(key, "secret").await;
    }
    let before = everything(&app).await;
    let kind = ("content-type".to_owned(), "text/csv; charset=utf-8".to_owned());
    let put = signed(&app, &root, "new.csv?method=put").await;
    let get = signed(&app, &root, "mine.csv").await;
    for (name, value) in OBEYED {
        let signs = |text: &str| {
            ("authorization".to_owned(), format!("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders={text}, Signature=0"))
        };
        let header = (name.to_owned(), value.to_owned());
        for (method, url) in [(Method::PUT, &put), (Method::GET, &get)] {
            let mut headers = vec![kind.clone(), header.clone()];
            let answer = app.fetch(method.clone(), url, &headers, "").await;
            assert_eq!(answer.status, 403, "{method} {headers:?}");
            assert!(answer.text().contains(&format!("{name} is not signed")), "{headers:?}: {}", answer.text());
            // A token in the same request does not sign the header.
            let with_token = [vec![token(&root)], headers.clone()].concat();
            assert_eq!(app.fetch(method.clone(), url, &with_token, "").await.status, 403, "{method} {headers:?}");
            headers.push(signs(name));
            let with_token = [vec![token(&root)], headers.clone()].concat();
            assert_eq!(app.fetch(method.clone(), url, &with_token, "").await.status, 400, "{method} {headers:?}");
            let answer = app.fetch(method.clone(), url, &headers, "").await;
            assert_eq!(answer.status, 400, "{method} {headers:?}");
            assert!(answer.text().contains("Only one way to sign"), "{headers:?}: {}", answer.text());
        }
    }
    assert_eq!(everything(&app).await, before);
    assert_eq!(app.fetch(Method::GET, &get, &[], "").await.text(), "secret");
    assert_eq!(app.fetch(Method::PUT, &put, &[kind], "a,b").await.status, 200);
}

#[tokio::test]
async fn the_signature_of_an_address_is_none_in_a_header() {
    let (app, root) = app().await;
    for key in ["inputs/mine.csv", "inputs/secret.csv"] {
        app.put(key, "secret").await;
    }
    let before = everything(&app).await;
    for (method, url) in
        [(Method::PUT, signed(&app, &root, "new.csv?method=put").await), (Method::GET, signed(&app, &root, "mine.csv").await)]
    {
        let (address, query) = url.split_once('?').unwrap();
        let parameter = |name: &str| {
            let value = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap();
            percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned()
        };
        let [credential, headers, signature, date] =
            ["X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Date"].map(parameter);
        let without = |name: &str| query.split('&').filter(|pair| !pair.starts_with(name)).collect::<Vec<_>>().join("&");
        let rest = format!("Credential={credential}, SignedHeaders={headers}, Signature={signature}");
        let all = "x-amz-date;x-amz-content-sha256;x-amz-copy-source";
        for authorization in [
            format!("AWS4-HMAC-SHA256 {rest}"),
            format!("SignedHeaders={all} {rest}"),
            format!("AWS4-HMAC-SHA256 SignedHeaders={all}, {rest}"),
            format!("AWS4-HMAC-SHA256 {rest}, SignedHeaders={all}"),
        ] {
            for query in ["X-Amz-Signature=", "X-Amz-S", "X-Amz-", "X", ""].map(without) {
                for copy in [None, Some("/loans/inputs/secret.csv")] {
                    let mut sent = vec![
                        ("content-type".to_owned(), "text/csv; charset=utf-8".to_owned()),
                        ("authorization".to_owned(), authorization.clone()),
                        ("x-amz-date".to_owned(), date.clone()),
                        ("x-amz-content-sha256".to_owned(), "UNSIGNED-PAYLOAD".to_owned()),
                    ];
                    sent.extend(copy.map(|from| ("x-amz-copy-source".to_owned(), from.to_owned())));
                    let with_token = [vec![token(&root)], sent.clone()].concat();
                    for sent in [sent, with_token] {
                        let answer = app.fetch(method.clone(), &format!("{address}?{query}"), &sent, "").await;
                        let refused = (400..500).contains(&answer.status.as_u16());
                        assert!(refused, "{method} {query} {authorization}: {}", answer.status);
                        assert_ne!(answer.text(), "secret");
                    }
                }
            }
        }
    }
    assert_eq!(everything(&app).await, before);
}

fn token(person: &Person) -> (String, String) {
    ("authorization".to_owned(), format!("Bearer {}", person.token))
}

/// Clients that follow a redirect of the API may send their token along.
#[tokio::test]
async fn a_token_beside_a_signed_address_is_ignored() {
    let (app, root) = app().await;
    app.put("inputs/mine.csv", "secret").await;
    let (get, put) = (signed(&app, &root, "mine.csv").await, signed(&app, &root, "new.csv?method=put").await);
    let kind = ("content-type".to_owned(), "text/csv; charset=utf-8".to_owned());
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let sent = ("authorization".to_owned(), format!("{scheme} {}", root.token));
        assert_eq!(app.fetch(Method::GET, &get, std::slice::from_ref(&sent), "").await.text(), "secret");
        assert_eq!(app.fetch(Method::PUT, &put, &[sent, kind.clone()], "a,b").await.status, 200);
    }
    // The token does not make an invalid signature valid.
    for url in [get.replace("mine.csv", "new.csv"), get.replace("X-Amz-Signature=", "X-Amz-Signature=0"), put.clone()] {
        let answer = app.fetch(Method::GET, &url, &[token(&root)], "").await;
        assert!((400..500).contains(&answer.status.as_u16()) && answer.text() != "secret", "{url}: {}", answer.status);
    }
    // The redirect of a Lambda leads to such a URL.
    app.put("inputs/large.csv", "x".repeat(4_000_001)).await;
    let redirected = app.on_lambda().get("/api/files/download/large.csv").by(&root).send().await;
    let followed = app.fetch(Method::GET, redirected.header("location"), &[token(&root)], "").await;
    assert_eq!((followed.status.as_u16(), followed.bytes.len()), (200, 4_000_001));
}

#[tokio::test]
async fn a_form_is_refused_before_it_is_read() {
    let (app, _) = app().await;
    for kind in ["multipart/form-data; boundary=b", "Multipart/Form-Data; boundary=b", " multipart/mixed"] {
        // The body never ends, so a handler that reads it never answers.
        let body = axum::body::Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
        let request = http::Request::post(format!("{ADDRESS}/loans")).header("content-type", kind).body(body).unwrap();
        assert_eq!(app.ask_bucket(request).await.status, 405, "{kind}");
    }
}

#[tokio::test]
async fn an_address_ends_when_its_time_is_over() {
    let (app, _) = app().await;
    app.put("inputs/a.csv", "secret").await;
    let storage = &app.resources.storage;
    for (age, lasting, good) in [(0, 60, true), (61, 60, false), (7200, 3600, false), (0, 3600, true), (3000, 3600, true)] {
        let began = SystemTime::from(app_time()) - Duration::from_secs(age);
        let config = PresigningConfig::builder().start_time(began).expires_in(Duration::from_secs(lasting)).build().unwrap();
        let get = storage.client.get_object().bucket(&storage.bucket).key("inputs/a.csv").presigned(config).await.unwrap();
        let answer = fetch(&app, Method::GET, get.uri()).await;
        assert_eq!(answer.status == 200, good, "{lasting} seconds, {age} ago: {}", answer.text());
        assert_eq!(answer.text().contains("secret"), good);
    }
}

/// The time of the machine, with which URLs are signed.
fn app_time() -> jiff::Timestamp {
    shared::clock::Clock::now(&shared::clock::SystemClock)
}

#[tokio::test]
async fn nobody_gets_an_address_of_what_is_not_theirs() {
    let (app, root) = app().await;
    let (west, east) = (app.team("West").await, app.team("East").await);
    let wes = app.person("wes", Role::SalesTeam, Some(west.id)).await;
    let run = crate::files_routes::completed_run(&app, Some(east.id)).await;
    app.put(&format!("inputs/teams/{}/a.csv", east.id), "secret").await;
    app.put(&format!("archive/{run}/x.csv"), "secret").await;
    for path in [
        format!("teams/{}/a.csv", east.id),
        format!("{run}/purchase_tape.csv?area=outputs"),
        format!("{run}/x.csv"),
        format!("archive/{run}/x.csv"),
        format!("results/{run}/facts.parquet"),
    ] {
        assert_eq!(app.get(&format!("/api/files/url/{path}")).by(&wes).send().await.problem(404), "not_found", "{path}");
    }
    for path in [format!("../{}/a.csv", east.id), format!("..%2f{}%2fa.csv", east.id), "..%5c..%5carchive%5cx.csv".to_owned()] {
        for method in ["get", "put"] {
            let answer = app.get(&format!("/api/files/url/{path}?method={method}")).by(&wes).send().await;
            assert_eq!(answer.problem(400), "bad_path", "{path}");
        }
    }
    assert_eq!(
        app.get(&format!("/api/files/url/{run}/x.csv?area=outputs&method=put")).by(&wes).send().await.problem(403),
        "forbidden"
    );
    for area in ["archive", "results", "answers", "teams", "inputs/teams", ""] {
        let answer = app.get(&format!("/api/files/url/x.csv?area={area}")).by(&root).send().await;
        assert!([400, 404].contains(&answer.status.as_u16()), "{area}: {}", answer.text());
    }
    // The URL of a user's own file names the root of that user, and is valid for no other path.
    let own = signed(&app, &wes, "a.csv?method=put").await;
    assert!(own.contains(&format!("/inputs/teams/{}/a.csv?", west.id)), "{own}");
    let other = own.replace(&west.id.to_string(), &east.id.to_string());
    let kind = ("content-type".to_owned(), "text/csv; charset=utf-8".to_owned());
    assert_eq!(app.fetch(Method::PUT, &other, &[kind], "attacker").await.status, 403);
    assert_eq!(app.text(&format!("inputs/teams/{}/a.csv", east.id)).await, "secret");
}

#[tokio::test]
async fn a_token_is_no_key_to_the_bucket() {
    let (app, root) = app().await;
    app.put("inputs/a.csv", "secret").await;
    let bearer = ("authorization".to_owned(), format!("Bearer {}", root.token));
    for url in [format!("{ADDRESS}/loans/inputs/a.csv"), format!("{ADDRESS}/loans?list-type=2"), format!("{ADDRESS}/")] {
        for headers in [vec![], vec![bearer.clone()], vec![("authorization".to_owned(), "AWS x:y".to_owned())]] {
            let answer = app.fetch(Method::GET, &url, &headers, "").await;
            assert!((400..500).contains(&answer.status.as_u16()), "{url}: {}", answer.status);
            assert!(!answer.text().contains("secret"));
        }
    }
}

/// File names that could be more than a name in a header.
#[tokio::test]
async fn the_name_of_a_file_stays_within_its_header() {
    let (app, root) = app().await;
    let mut names = 0;
    for name in [
        "a\"; filename=\"b.exe",
        "a\"b",
        "a'b",
        "a;b",
        "a\\b",
        "a%0d%0aX-Evil: 1",
        "a%22b",
        "a,b",
        "ümläut",
        "貸付",
        "a\u{202e}vsc.exe",
        "a\u{200b}b",
        "🏠",
        "a b",
        "=1+1",
        "a\u{85}b",
        "a\u{2028}b",
    ] {
        let file = format!("{name}.csv");
        app.put(&format!("inputs/{file}"), "content").await;
        let path = percent_encoding::utf8_percent_encode(&file, percent_encoding::NON_ALPHANUMERIC).to_string();
        let direct = app.get(&format!("/api/files/download/{path}")).by(&root).send().await;
        if direct.status == 400 || name.contains('\\') {
            // The rules of paths reject the name altogether, or make a folder of it.
            assert!([400, 404].contains(&direct.status.as_u16()));
            continue;
        }
        names += 1;
        let url = signed(&app, &root, &path).await;
        for answer in [direct, fetch(&app, Method::GET, &url).await] {
            assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "content"), "{name:?}");
            assert!(answer.headers.get("x-evil").is_none());
            let values: Vec<_> = answer.headers.get_all(header::CONTENT_DISPOSITION).iter().collect();
            assert_eq!(values.len(), 1);
            let value = values[0].to_str().unwrap();
            assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value:?}");
            // One quoted name without quotes in it, and perhaps the same name in the extended form.
            let rest = value.strip_prefix("attachment; filename=\"").unwrap();
            let (quoted, rest) = rest.split_once('"').unwrap();
            assert!(!quoted.contains('\\') && !rest.contains('"'), "{value}");
            match rest.strip_prefix("; filename*=UTF-8''") {
                Some(extended) => {
                    let decoded = percent_encoding::percent_decode_str(extended).decode_utf8().unwrap();
                    assert_eq!(decoded, file);
                    assert!(!extended.contains([';', ',', ' ', '\'']), "{value}");
                }
                None => assert_eq!((quoted, rest), (file.as_str(), "")),
            }
        }
    }
    assert!(names > 10, "{names}");
    // Line breaks do not get into names at all.
    for name in ["a%0d%0aX-Evil:%201.csv", "a%0a.csv", "a%00.csv"] {
        for address in [format!("/api/files/download/{name}"), format!("/api/files/url/{name}?method=put")] {
            let answer = app.get(&address).by(&root).header(HeaderName::from_static("x-request-id"), "r").send().await;
            assert_eq!(answer.problem(400), "bad_path", "{address}");
            assert!(answer.headers.get("x-evil").is_none());
        }
    }
}
