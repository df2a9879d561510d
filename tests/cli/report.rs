//! `summary.json` and `loan-engine report`.

use std::collections::BTreeSet;

use serde_json::{Value, value::RawValue};
use shared::{decimal::Decimal, report::Report};

use crate::support::shell::{HEADER, TestShell, good, small_tape};

/// All numbers of a JSON value as they are written, and the texts.
fn numbers(json: &str, found: &mut BTreeSet<String>) {
    if let Ok(object) = serde_json::from_str::<std::collections::BTreeMap<String, Box<RawValue>>>(json) {
        object.values().for_each(|value| numbers(value.get(), found));
    } else if let Ok(list) = serde_json::from_str::<Vec<Box<RawValue>>>(json) {
        list.iter().for_each(|value| numbers(value.get(), found));
    } else if let Ok(text) = serde_json::from_str::<String>(json) {
        // Numbers in texts: ids, dates, names, messages, labels.
        found.extend(parts(&text));
    } else if let Ok(number) = json.parse::<Decimal>() {
        found.insert(number.with_thousands(0));
        found.insert(number.with_thousands(2));
        found.insert(json.to_owned());
        // A share is shown in percent.
        found.extend(number.times_hundred().map(|percent| percent.with_min_decimals(2)));
    }
}

/// The numbers in a text.
fn parts(text: &str) -> Vec<String> {
    let is_part = |character: char| character.is_ascii_digit() || matches!(character, '.' | ',');
    let parts = text.split(|character| !is_part(character)).map(|part| part.trim_matches([',', '.']));
    parts.filter(|part| part.contains(|character: char| character.is_ascii_digit())).map(str::to_owned).collect()
}

/// The text of a page without its head and its tags.
fn visible(html: &str) -> String {
    let body = &html[html.find("<body>").unwrap()..];
    let mut text = String::new();
    for piece in body.split('<').skip(1) {
        let (tag, shown) = piece.split_once('>').unwrap();
        // A cell ends here.
        text.push(if tag.starts_with('/') { '\n' } else { ' ' });
        text.push_str(shown);
    }
    text.replace("&#39;", "'").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn assert_numbers_are_of_the_summary(json: &str) {
    let mut known = BTreeSet::new();
    numbers(json, &mut known);
    let html = Report::read(json).unwrap().html();
    let shown: BTreeSet<String> = visible(&html).lines().flat_map(parts).collect();
    assert!(shown.len() > 20, "{shown:?}");
    let foreign: Vec<&String> = shown.difference(&known).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[test]
fn summary_json_is_what_the_run_prints_as_json() {
    let desk = TestShell::new();
    desk.write("t.csv", small_tape());
    let printed = desk.command(&["run", "t.csv", "--out", "out", "--format", "json"]);
    assert_eq!(printed.out, desk.read("out/summary.json"));
    let json = printed.json();
    let members: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(members, ["run", "summary", "reasons"]);
    assert_eq!((&json["run"]["status"], &json["run"]["last_phase"]), (&"completed".into(), &"archive".into()));
    assert_eq!(json["reasons"]["reasons"][0]["exception_type"], "ltv_ratio");
    assert_eq!(json["summary"]["samples"][0]["exceptions"][0]["row"], 1);
    assert_eq!(json["summary"]["strats"][0]["buckets"][5]["filter"], "ltv_ratio=80..<85");
}

#[test]
fn every_number_in_a_report_is_the_summarys() {
    let desk = TestShell::new();
    for (tape, rules) in [
        ("local/sample/tape.csv", None),
        ("guides/agency/tape.csv", Some("guides/agency/agency.toml")),
        ("guides/best_execution/tape.csv", Some("guides/best_execution/best_execution.toml")),
    ] {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let tape = root.join(tape).display().to_string();
        let rules = rules.map(|rules| root.join(rules).display().to_string());
        let rules = rules.iter().flat_map(|rules| ["--rule-set", rules]);
        let args: Vec<&str> = ["run", &tape, "--out", "out", "-q"].into_iter().chain(rules).collect();
        assert_eq!(desk.command(&args).code, 0);
        assert_numbers_are_of_the_summary(&desk.read("out/summary.json"));
    }
}

#[test]
fn a_report_is_one_page_that_no_value_can_change() {
    let desk = TestShell::new();
    let rules = "name = \"<script>alert(1)</script>\"\nversion = \"\\\" onload='x'\"\n";
    desk.write("rules.toml", rules);
    desk.write("t.csv", small_tape());
    desk.run_id(&["run", "t.csv", "--out", "out", "--rule-set", "rules.toml"]);
    let answer = desk.command(&["report", "out", "-o", "r.html"]);
    assert_eq!((answer.code, answer.out.as_str(), answer.err.as_str()), (0, "Report in r.html\n", ""));
    let html = desk.read("r.html");
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{html}");
    for foreign in ["<script", "http://", "https://", "url(", " style=", "onload='"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(html.contains("Buy 1 of 2 loans for $255,000.00; hold 0, reject 1."), "{html}");
    assert_eq!(desk.command(&["report", "out", "-o", "-"]).out, html);
}

#[test]
fn a_report_replaces_an_earlier_report_and_no_other_file() {
    let desk = TestShell::new();
    desk.write("t.csv", format!("{HEADER}{}", good("1")));
    desk.run_id(&["run", "t.csv", "--out", "out"]);
    for _ in 0..2 {
        assert_eq!(desk.command(&["report", "out"]).code, 0);
    }
    desk.write("mine.html", "<!DOCTYPE html>\n<p>mine</p>");
    let refused = desk.command(&["report", "out", "-o", "mine.html"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("mine.html is no report of Loan Engine"), "{}", refused.err);
    assert!(desk.read("mine.html").contains("mine"));
}

#[test]
fn a_folder_without_a_completed_run_has_no_report() {
    let desk = TestShell::new();
    desk.write("empty/x.txt", "");
    let answer = desk.command(&["report", "empty"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("The folder empty has no summary.json."), "{}", answer.err);
    desk.write("broken/summary.json", "{\"run\": {}}");
    let answer = desk.command(&["report", "broken"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("is not the summary of a completed run"), "{}", answer.err);
    let json: Value = serde_json::from_str(&desk.read("broken/summary.json")).unwrap();
    assert!(json["run"].is_object());
}
