//! Headings of a matrix tile: each value has at most one.

use super::*;

/// The cell of a value of a field under these row headings: the index of the heading, or `None`.
fn home(field: &str, ends: &str, headings: &[&str], value: &str) -> Option<usize> {
    let other = if field == "credit_score" { "loan_amount" } else { "credit_score" };
    let toml = format!(
        "[rules]\nloan_amount_range = false\nltv_ratio = false\n[[grid]]\nname = \"llpa\"\nfile = \"llpa.csv\"\nrows = \"{field}\"\ncolumns = \"{other}\"\ngives = \"adjustment\"\n{ends}"
    );
    let rows: String = headings.iter().enumerate().map(|(at, heading)| format!("\"{heading}\",{at}\n")).collect();
    let rules = with_csv(&toml, &[("llpa.csv", &format!(",*\n{rows}"))]);
    let (_, given) = adjusted(&rules, &[(field, value)]);
    given.first().map(|(points, _)| usize::try_from(points / 10_000).unwrap())
}

#[test]
fn each_value_has_the_home_that_the_guide_says() {
    const AMOUNTS: &[&str] = &["≤ 1.0M", "≤ 1.5M", "≤ 2.0M"];
    const SCORES: &[&str] = &["740+", "720+", "700+"];
    const LTVS: &[&str] = &["<= 60", "60.01-70", "70.01 - 75"];
    const DSCRS: &[&str] = &["[1..1.24]", "[1.25..1.5]"];
    const LOWER: &str = "ends = \"lower\"\n";
    for (field, ends, headings, value, expected) in [
        ("loan_amount", "", AMOUNTS, "1", Some(0)),
        ("loan_amount", "", AMOUNTS, "1,000,000", Some(0)),
        ("loan_amount", "", AMOUNTS, "1,000,000.01", Some(1)),
        ("loan_amount", "", AMOUNTS, "1,500,000", Some(1)),
        ("loan_amount", "", AMOUNTS, "2,000,000", Some(2)),
        ("loan_amount", "", AMOUNTS, "2,000,000.01", None),
        ("credit_score", "", SCORES, "850", Some(0)),
        ("credit_score", "", SCORES, "740", Some(0)),
        ("credit_score", "", SCORES, "739.5", Some(1)),
        ("credit_score", "", SCORES, "720", Some(1)),
        ("credit_score", "", SCORES, "719", Some(2)),
        ("credit_score", "", SCORES, "699", None),
        ("ltv_ratio", "", LTVS, "60", Some(0)),
        ("ltv_ratio", "", LTVS, "60.005", Some(1)),
        ("ltv_ratio", "", LTVS, "70", Some(1)),
        ("ltv_ratio", "", LTVS, "70.0000001", Some(2)),
        ("ltv_ratio", "", LTVS, "75.01", None),
        // The lowest band owns its written lower end.
        ("ltv_ratio", "", &["50-60", "60-70"], "50", Some(0)),
        ("ltv_ratio", "", &["50-60", "60-70"], "60", Some(0)),
        ("ltv_ratio", "", &["50-60", "60-70"], "49.99", None),
        ("ltv_ratio", LOWER, &["50-60", "60-70"], "60", Some(1)),
        ("ltv_ratio", LOWER, &["50-60", "60-70"], "70", Some(1)),
        ("dscr", "ends = { dscr = \"lower\" }\n", &["1.00-1.24", "1.25-1.49"], "1.245", Some(0)),
        ("dscr", "ends = { dscr = \"lower\" }\n", &["1.00-1.24", "1.25-1.49"], "1.25", Some(1)),
        ("dscr", "ends = { credit_score = \"lower\" }\n", &["1.00-1.24", "1.25-1.49"], "1.245", Some(1)),
        // Brackets are kept to the letter.
        ("dscr", "", DSCRS, "1.24", Some(0)),
        ("dscr", "", DSCRS, "1.245", None),
        ("dscr", "", DSCRS, "1.25", Some(1)),
        ("dscr", "", &["[1..1.25)", "1.25-1.5"], "1.25", Some(1)),
        ("dscr", "", &["< 1", "1..1.25", "> 1.25"], "0.99", Some(0)),
        ("dscr", "", &["< 1", "1..1.25", "> 1.25"], "1", Some(1)),
        ("dscr", "", &["< 1", "1..1.25", "> 1.25"], "1.25", Some(1)),
        ("dscr", LOWER, &["<= 1", "1..1.25", ">= 1.25"], "1", Some(0)),
        ("dscr", "", &["<= 1", "1..1.25", ">= 1.25"], "1.25", Some(2)),
        // A single number is itself.
        ("number_of_units", "", &["1", "2-4"], "1", Some(0)),
        ("number_of_units", "", &["2-4", "1"], "2", Some(0)),
        ("number_of_units", "", &["1", "2", "3", "4"], "3", Some(2)),
        ("number_of_units", "", &["1", "2", "3", "4"], "5", None),
        ("credit_score", "", &["620-639", "640+"], "639.5", Some(0)),
        ("credit_score", "", &["<= 639", "640+"], "639.5", None),
        ("credit_score", "", &["700+", "760-779"], "760", Some(1)),
        ("credit_score", "", &["700+", "760-779"], "759.9", Some(0)),
        ("property_state", "", &["FL, NY", "Texas", "not FL, NY, TX"], "ny", Some(0)),
        ("property_state", "", &["FL, NY", "Texas", "not FL, NY, TX"], "TX", Some(1)),
        ("property_state", "", &["FL, NY", "Texas", "not FL, NY, TX"], "CA", Some(2)),
        ("property_state", "", &["FL, NY", "Texas", "not FL, NY, TX"], "Atlantis", None),
        ("property_state", "", &["*"], "Atlantis", Some(0)),
        ("property_state", "", &["*"], "", Some(0)),
    ] {
        assert_eq!(home(field, ends, headings, value), expected, "{field} {ends:?} {headings:?} {value}");
    }
}

/// Headings that do not tile, each with the cell and what the message says.
const CLASHES: [(&str, &[&str], &str, &str); 19] = [
    ("credit_score", &["620-639", "641+"], "A2", "\"620-639\" and \"641+\" (A3) leave a gap"),
    ("credit_score", &["740+", "700-719", "720-738"], "A2", "\"740+\" and \"720-738\" (A4) leave a gap"),
    ("credit_score", &["620-640", "639-660"], "A2", "\"620-640\" and \"639-660\" (A3) overlap"),
    ("credit_score", &["<= 640", "640+"], "A2", "overlap"),
    ("credit_score", &["640+", "<= 700"], "A2", "overlap"),
    ("credit_score", &["640+", "640+"], "A2", "overlap"),
    ("credit_score", &["<= 640", "≤ 640"], "A2", "overlap"),
    ("credit_score", &["700", "700"], "A2", "overlap"),
    ("credit_score", &["1", "3"], "A2", "leave a gap"),
    ("ltv_ratio", &["<= 60", "60.02-70"], "A2", "leave a gap"),
    ("ltv_ratio", &["60-80", "<= 70"], "A2", "overlap"),
    ("ltv_ratio", &["[60..70]", "[70..80]"], "A2", "overlap"),
    ("credit_score", &["640+", "*"], "A3", "* is any value, and stands beside other headings"),
    ("credit_score", &["640+", ""], "A3", "the heading is empty"),
    ("credit_score", &["639-620"], "A2", "is turned around"),
    ("credit_score", &["[639..620]"], "A2", "is turned around"),
    ("credit_score", &["(620..620]"], "A2", "no number is in"),
    ("number_of_units", &["2, 4"], "A2", "is a list of numbers: a heading of numbers is one band"),
    ("property_state", &["FL, NY", "NY"], "A2", "\"FL, NY\" and \"NY\" (A3) overlap"),
];

#[test]
fn headings_that_do_not_tile_name_both_cells() {
    for (field, headings, cell, part) in CLASHES {
        let toml = LLPA.replace("\"ltv_ratio\"", "\"loan_amount\"").replace("\"credit_score\"", &format!("\"{field}\""));
        let rows: String = headings.iter().map(|heading| format!("\"{heading}\",1\n")).collect();
        let error = loaded(&toml, &[("llpa.csv", format!(",*\n{rows}").as_bytes())]).unwrap_err();
        let [mistake] = &error.mistakes[..] else { panic!("{headings:?}: {error}") };
        assert_eq!((mistake.cell.as_deref(), mistake.file.as_deref()), (Some(cell), Some("llpa.csv")), "{headings:?}: {error}");
        assert!(mistake.message.contains(part), "{headings:?}: {error}");
    }
}
