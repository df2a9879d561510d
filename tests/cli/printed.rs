//! What `loan-engine` prints for people: summaries, completions, manual pages.

use std::path::Path;

use crate::support::shell::{Answer, HEADER, TestShell, good, small_tape};

/// The lines that a run prints. Asserts that the run succeeds and that no line is wider than a page, 100 characters.
fn lines(answer: &Answer) -> Vec<&str> {
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    let lines: Vec<&str> = answer.out.lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() <= 100), "{}", answer.out);
    lines
}

#[test]
fn the_table_explains_the_run() {
    let desk = TestShell::new();
    let fractions = small_tape().replace(",80,", ",0.8,").replace(",97.01,", ",0.9701,").replace("County", "\u{1b}[31mCounty");
    desk.write("t.csv", fractions);
    desk.write("rules.toml", "name = \"strict\"\nversion = \"2026-11\"\n");
    let answer = desk.command(&["run", "t.csv", "--out", "out", "--rule-set", "rules.toml"]);
    let lines = lines(&answer);
    assert_eq!(lines[0], "Buy 1 of 2 loans for $255,000.00; hold 0, reject 1");
    for line in [
        "  purchase date 2026-02-02, IRR target 8.05 %",
        "               Loans   Balance $    To pay $   WAC  WA LTV  WA DTI  WA score  WA price",
        "  to_purchase      1  250,000.00  255,000.00  8.85   80.00   35.50       740    102.00",
        "  projected        0        0.00           -     -       -       -         -         -",
        "  rejected         1  250,000.00           -  8.85   97.01   35.50       740         -",
        "  total            2  500,000.00",
        "Exceptions: 1",
        "  ltv_ratio  hard          1      1  LTV 97.01 % is above the maximum 97.00 % (by 0.01)",
        "Reasons",
        "  Rule       Severity  Loans   Balance $  Alone     Alone $",
        "  ltv_ratio  hard          1  250,000.00      1  250,000.00",
        "Notices",
        "  ltv_ratio holds fractions, which were multiplied by 100",
        "  t.csv",
        "    read as  CSV, commas, UTF-8, header in line 1, 236 bytes",
        "    units    note_rate percent, ltv_ratio fraction (x 100), dti_ratio percent",
        "    kept     \\u{1b}[31mCounty",
        "Files in out",
    ] {
        assert!(lines.contains(&line), "{line}\n{}", answer.out);
    }
    for part in ["rule set strict, version 2026-11, hash ", "renamed  Loan # -> seller_loan_number, UPB -> loan_amount,"] {
        assert!(answer.out.contains(part), "{part}\n{}", answer.out);
    }
    // The output contains no terminal escape sequences, and no strats unless the user asks for them.
    assert!(!answer.out.contains('\u{1b}') && !answer.out.contains("Strats"), "{}", answer.out);
}

#[test]
fn strats_are_printed_when_they_are_asked_for() {
    let desk = TestShell::new();
    desk.write("t.csv", small_tape());
    let answer = desk.command(&["run", "t.csv", "--dry-run", "--strats"]);
    let lines = lines(&answer);
    for line in [
        "    80 to <85                1  250,000.00    50.00  8.85   80.00   35.50       740",
        "    95 to <100               1  250,000.00    50.00  8.85   97.01   35.50       740",
    ] {
        assert!(lines.contains(&line), "{line}\n{}", answer.out);
    }
    // Groups without loans are left out.
    assert!(!answer.out.contains("missing  "), "{}", answer.out);
}

#[test]
fn the_sample_fits_a_screen() {
    let desk = TestShell::new();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../local/sample/tape.csv");
    let answer = desk.command(&["run", sample.to_str().unwrap(), "--out", "out"]);
    let lines = lines(&answer);
    assert!(lines.len() <= 55, "{} lines\n{}", lines.len(), answer.out);
    assert!(lines[0].starts_with("Buy ") && lines[0].contains(" of 201 loans for $"), "{}", lines[0]);
}

#[test]
fn a_verdict_without_a_loan_to_buy_says_so() {
    let desk = TestShell::new();
    desk.write("t.csv", format!("{HEADER}{}", good("1").replace(",740,", ",500,")));
    let answer = desk.command(&["run", "t.csv", "--dry-run"]);
    assert_eq!(lines(&answer)[0], "Buy none of 1 loan; hold 0, reject 1");
    let json = desk.command(&["run", "t.csv", "--dry-run", "--format", "json"]).json();
    assert_eq!(json["summary"]["dispositions"]["to_purchase"]["dollars_to_pay"], 0);
}

#[test]
fn of_more_than_five_tapes_each_has_a_line() {
    let desk = TestShell::new();
    for at in 0..6 {
        let number = |row: &str| row.replace(",80,", if at == 4 { ",0.8," } else { ",80," });
        desk.write(&format!("tapes/{at}.csv"), format!("{HEADER}{}", number(&good(&at.to_string()))));
    }
    let five: Vec<String> = (0..5).map(|at| format!("tapes/{at}.csv")).collect();
    let full = desk.command(&[&["run", "--dry-run"][..], &five.iter().map(String::as_str).collect::<Vec<_>>()].concat());
    assert_eq!(lines(&full).iter().filter(|line| line.starts_with("    renamed  ")).count(), 5);
    let brief = desk.command(&["run", "tapes", "--dry-run"]);
    let lines = lines(&brief);
    let about: Vec<&str> = lines.iter().copied().filter(|line| line.contains("CSV, commas, UTF-8")).collect();
    assert_eq!(about.len(), 6, "{}", brief.out);
    assert_eq!(about[5].split_whitespace().collect::<Vec<_>>(), ["5.csv", "CSV,", "commas,", "UTF-8", "1", "12", "1", "154"]);
    assert!(!brief.out.contains("renamed"), "{}", brief.out);
    assert!(lines.contains(&"  ltv_ratio of 4.csv holds fractions, which were multiplied by 100"), "{}", brief.out);
}

#[test]
fn a_quiet_run_prints_errors_alone() {
    let desk = TestShell::new();
    desk.write("t.csv", small_tape());
    desk.write("bad.csv", "no,header\n1,2\n");
    for quiet in ["-q", "--quiet"] {
        let answer = desk.command(&["run", "t.csv", "-o", "out", quiet]);
        assert_eq!((answer.code, answer.out.as_str(), answer.err.as_str()), (0, "", ""));
        assert!(desk.path("out/manifest.json").is_file());
        let failed = desk.command(&["run", "bad.csv", "-o", "out", quiet]);
        assert_eq!((failed.code, failed.out.as_str()), (1, ""));
        assert!(failed.err.starts_with("error: bad.csv: "), "{}", failed.err);
    }
    assert_eq!(desk.command(&["run", "t.csv", "-q", "--format", "json"]).code, 2);
}

#[test]
fn a_number_used_before_is_told_with_its_tape_where_there_are_several() {
    let desk = TestShell::new();
    desk.write("a.csv", format!("{HEADER}{}", good("1")));
    desk.write("b.csv", format!("{HEADER}{}{}\"x\"y,1\n", good("0004100084"), good("0004100084")));
    let answer = desk.command(&["run", "a.csv", "b.csv", "-o", "out"]);
    let words = answer.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("Loan number 0004100084 was already used on line 2 of b.csv"), "{}", answer.out);
    let report = desk.read("out/rejection_report.csv");
    assert!(report.contains("Line 4 of b.csv cannot be read: "), "{report}");
    assert_eq!(desk.command(&["replay", "out"]).out, "identical\n");
}

#[test]
fn completions_are_there_for_every_shell() {
    let desk = TestShell::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let answer = desk.command(&["completions", shell]);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{shell}");
        for word in ["replay", "no-archive", "create-user"] {
            assert!(answer.out.contains(word), "{shell}: {word}");
        }
    }
    let wrong = desk.command(&["completions", "tcsh"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("bash") && wrong.err.contains("zsh"), "{}", wrong.err);
}

#[test]
fn every_command_has_a_manual_page() {
    let desk = TestShell::new();
    for (words, title, part) in [
        (&[][..], "loan-engine", "Print the manual page"),
        (&["run"], "loan-engine-run", "irr\\-target"),
        (&["admin", "update-user"], "loan-engine-admin-update-user", "data\\-dir"),
    ] {
        let answer = desk.command(&[&["man"], words].concat());
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{words:?}");
        let heading = answer.out.lines().find(|line| line.starts_with(".TH")).unwrap_or_default();
        assert!(heading.contains(&format!("{title} 1")), "{heading}");
        for part in [part, "Examples:"] {
            assert!(answer.out.contains(part), "{words:?}: {part}: {}", answer.out);
        }
    }
    for (words, said) in [
        (&["walk"][..], "There is no command `walk`: `loan-engine` has the commands run, replay, "),
        (&["run", "fast"], "There is no command `fast`: `run` has no commands."),
        (&["help"], "There is no command `help`"),
    ] {
        let answer = desk.command(&[&["man"], words].concat());
        assert_eq!((answer.code, answer.out.as_str()), (2, ""));
        assert!(answer.err.contains(said), "{}", answer.err);
    }
}
