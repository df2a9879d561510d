//! The report of a run: one page of HTML for people, made of the run, its summary and its reasons. The page needs no other file, no
//! script and no host.

mod content;
mod figure;
mod page;
mod sections;

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use self::page::Page;

pub use self::content::Report;

/// Name of the report in downloads.
pub const REPORT_FILE: &str = "report.html";

/// How each report begins, by which a later report knows what it may replace.
pub const BEGINNING: &str =
    "<!DOCTYPE html>\n<!-- Report of Loan Engine -->\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";

const STYLE: &str = include_str!("style.css");

/// What a browser may load for the report: nothing but the style in the page.
pub static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; sandbox"
    )
});

impl Report {
    /// The report as one page of HTML.
    pub fn html(&self) -> String {
        let mut page = Page::new();
        page.raw(BEGINNING).raw("<meta http-equiv=\"Content-Security-Policy\" content=\"").text(&POLICY).raw("\">\n");
        page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        page.raw("<meta name=\"color-scheme\" content=\"light dark\">\n<title>Loan Engine report ").text(&self.run.run_id);
        page.raw("</title>\n<style>").raw(STYLE).raw("</style>\n</head>\n<body>\n<main>\n");
        sections::write(&mut page, self);
        page.raw("</main>\n</body>\n</html>\n");
        page.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_allows_the_style_and_nothing_else() {
        assert!(POLICY.starts_with("default-src 'none'; style-src 'sha256-"), "{}", *POLICY);
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
