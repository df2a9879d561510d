//! How tapes are read on explicit instructions: profiles, columns, and `inspect`, which shows the reading.

use serde_json::Value;

use crate::support::shell::{TestShell, small_tape};

const PROFILE: &str = "name = \"acme\"\nversion = \"7\"\n[file]\ndelimiter = \"|\"\n[columns]\n\
    loan_amount = { header = \"Amount (000)\", times = 1000 }\nltv_ratio = { header = \"OLTV\", unit = \"fraction\" }\n\
    credit_score = { header = \"Score\", missing = [\"0\", \"999\"] }\n\
    property_type = { header = \"Type\", words = { \"1\" = \"sfr\", \"3\" = \"condo\" } }\n\
    [constants]\noccupancy_status = \"primary\"\nloan_purpose = \"purchase\"\n[ignore]\ncolumns = [\"Coupon\"]\n";
const TAPE: &str =
    "Loan|Amount (000)|Rate|OLTV|DTI|Score|Type|Coupon\nA-1|250|6.5|0.8|35|720|1|6\nA-2|310.5|6.75|0.75|40|999|3|6.25\n";

/// The JSON answer of a command.
fn answer(desk: &TestShell, args: &[&str]) -> Value {
    serde_json::from_str(&desk.command(&[args, &["--format", "json"]].concat()).out).unwrap()
}

/// The reading of each column of a tape: header, field, unit.
fn mapping(columns: &Value) -> Vec<(Value, Value, Value)> {
    columns
        .as_array()
        .unwrap()
        .iter()
        .map(|column| (column["header"].clone(), column["field"].clone(), column["unit"].clone()))
        .collect()
}

#[test]
fn a_profile_is_on_record_and_replay_reads_by_it() {
    let desk = TestShell::new();
    desk.write("acme.toml", PROFILE);
    desk.write("t.txt", TAPE);
    let run = answer(&desk, &["run", "t.txt", "--profile", "acme.toml", "--out", "out"]);
    assert_eq!((&run["run"]["profile"]["name"], &run["run"]["profile"]["version"]), (&"acme".into(), &"7".into()));
    assert_eq!(run["summary"]["dispositions"]["to_purchase"]["count"], 1);
    assert_eq!(run["run"]["total_balance"], 560_500);
    let archive = format!("out/archive/{}", run["run"]["run_id"].as_str().unwrap());
    assert_eq!(desk.command(&["replay", &archive]).out, "identical\n");
    let columns = run["run"]["column_mapping"][0]["columns"].as_array().unwrap();
    let origins: Vec<&str> = columns.iter().map(|column| column["origin"].as_str().unwrap_or("-")).collect();
    assert_eq!(origins, ["alias", "profile", "alias", "profile", "alias", "profile", "profile", "-", "constant", "constant"]);
}

#[test]
fn a_map_beats_the_profile_and_is_on_record() {
    let desk = TestShell::new();
    desk.write("t.csv", "Loan,UPB,Other Amount,Rate,LTV,DTI,FICO,Type,Occ,Purpose\n1,250000,90000,6.5,80,35,720,SFR,P,P\n");
    desk.write("p.toml", "[columns]\nloan_amount = \"UPB\"\nproperty_type = \"Type\"\n");
    let run = answer(&desk, &["run", "t.csv", "--profile", "p.toml", "--map", "loan_amount=other amount", "--out", "out"]);
    assert_eq!(run["run"]["total_balance"], 90_000);
    let archive = format!("out/archive/{}", run["run"]["run_id"].as_str().unwrap());
    assert_eq!(desk.command(&["replay", &archive]).out, "identical\n");
    for (map, expected) in [
        (&["--map", "loan_amount=UPB", "--map", "loan_amount=Other Amount"][..], "mapped twice"),
        (&["--map", "amount=UPB"], "there is no field amount"),
        (&["--map", "loan_amount="], "the header is empty"),
    ] {
        let said = desk.command(&[&["run", "t.csv"][..], map].concat());
        assert!(said.code == 2 && said.err.contains(expected), "{map:?}: {}", said.err);
    }
    let absent = desk.command(&["run", "t.csv", "--map", "purchase_price=Balance Now", "--map", "property_type=Type"]);
    assert!(
        absent.code == 1 && absent.err.contains("\"Balance Now\", which the tape does not have. It has: Loan, UPB"),
        "{}",
        absent.err
    );
    let twice =
        desk.command(&["run", "t.csv", "--map", "loan_amount=UPB", "--map", "purchase_price=UPB", "--map", "property_type=Type"]);
    assert!(twice.code == 1 && twice.err.contains("both to be read from column 2"), "{}", twice.err);
}

#[test]
fn a_bad_profile_shows_all_its_mistakes_with_their_lines() {
    let desk = TestShell::new();
    desk.write("t.csv", TAPE);
    desk.write("p.toml", "[columns]\nlone_amount = \"UPB\"\nltv_ratio = { header = \"LTV\", unit = \"percents\" }\n");
    let said = desk.command(&["run", "t.csv", "--profile", "p.toml"]);
    assert_eq!(said.code, 2);
    assert!(
        said.err.contains("line 2: there is no field `lone_amount`") && said.err.contains("line 3: `unit` must be one of"),
        "{}",
        said.err
    );
    assert_eq!(desk.command(&["run", "t.csv", "--profile", "nobody"]).code, 2);
}

#[test]
fn presets_are_listed_shown_and_used() {
    let desk = TestShell::new();
    let listed = desk.command(&["profiles"]).out;
    assert!(listed.lines().any(|line| line.starts_with("freddie_sflld ")), "{listed}");
    assert!(desk.command(&["profiles", "show", "freddie_sflld"]).out.contains("header = \"none\""));
    assert_eq!(desk.command(&["profiles", "show", "acme"]).code, 2);
    let loan = |number: &str, units: &str, purpose: &str| {
        format!(
            "720|202001|N|204912|12345||{units}|P|80|35|250000|80|6.5|R|N|FRM|CA|SF|90000|{number}|{purpose}|360|2|S|S|N||9|N|9|N|N\n"
        )
    };
    desk.write("f.txt", format!("{}{}{}", loan("F1", "1", "P"), loan("F2", "3", "C"), loan("F3", "1", "R")));
    let run = answer(&desk, &["run", "f.txt", "--profile", "freddie_sflld", "--out", "out"]);
    assert_eq!(run["run"]["total_loans"], 3);
    // A refinance without further detail does not count as a rate/term refinance.
    assert_eq!(run["summary"]["dispositions"]["to_purchase"]["count"], 2);
    assert_eq!(run["run"]["notice_counts"]["units_make_type"], 1);
}

#[test]
fn of_a_performance_file_the_latest_month_of_each_loan_is_judged() {
    let desk = TestShell::new();
    let month = |loan: &str, period: &str, balance: &str, purpose: &str| {
        let mut cells = vec![""; 110];
        let given = [
            (2, loan),
            (3, period),
            (8, "7.000"),
            (9, "6.500"),
            (10, "260000.00"),
            (12, balance),
            (13, "360"),
            (14, "092024"),
            (15, "112024"),
            (19, "102054"),
            (20, "80"),
            (21, "80"),
            (23, "35"),
            (24, "720"),
            (27, purpose),
            (28, "SF"),
            (29, "1"),
            (30, "P"),
            (31, "CA"),
            (35, "FRM"),
        ];
        given.into_iter().for_each(|(position, cell)| cells[position - 1] = cell);
        cells.join("|") + "\n"
    };
    let tape = [
        month("100", "112025", "251000.00", "R"),
        month("100", "122025", "250000.00", "R"),
        month("200", "012026", "199000.00", "C"),
        month("200", "122025", "200000.00", "C"),
        month("300", "012026", "180000.00", "U"),
    ];
    desk.write("p.csv", tape.concat());
    let run = answer(&desk, &["run", "p.csv", "--profile", "fannie_sflp", "--out", "out"]);
    assert_eq!((&run["run"]["total_loans"], &run["run"]["superseded_rows"]), (&3.into(), &2.into()));
    assert_eq!(run["run"]["total_balance"], 629_000);
    assert_eq!(run["run"]["notice_counts"]["superseded_rows"], 1);
    // A refinance without further detail does not count as a rate/term refinance.
    assert_eq!(run["summary"]["dispositions"]["to_purchase"]["count"], 2);
    let archive = format!("out/archive/{}", run["run"]["run_id"].as_str().unwrap());
    assert_eq!(desk.command(&["replay", &archive]).out, "identical\n");
}

#[test]
fn inspect_shows_a_tape_and_drafts_a_profile_that_reads_it_alike() {
    let desk = TestShell::new();
    desk.write("acme.toml", PROFILE);
    desk.write("t.txt", TAPE);
    let said = desk.command(&["inspect", "t.txt", "--profile", "acme.toml"]);
    assert!(
        said.code == 0 && said.out.contains("999 = nothing") && said.out.contains("A run can read this tape."),
        "{}",
        said.out
    );
    // The draft for a tape that was read with a profile contains everything that the profile says.
    let given = answer(&desk, &["inspect", "t.txt", "--profile", "acme.toml", "--write", "of_profile.toml"]);
    let mut drafted = answer(&desk, &["inspect", "t.txt", "--profile", "of_profile.toml"]);
    assert_eq!(mapping(&given["mapping"]["columns"]), mapping(&drafted["mapping"]["columns"]));
    let samples = |inspection: &Value| {
        inspection["columns"].as_array().unwrap().iter().map(|column| column["samples"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(samples(&given), samples(&drafted));
    drafted = answer(&desk, &["run", "t.txt", "--profile", "of_profile.toml", "--dry-run"]);
    assert_eq!(drafted["summary"]["dispositions"]["to_purchase"]["count"], 1);
    let map = ["inspect", "t.txt", "--map", "loan_amount=Amount (000)", "--map", "ltv_ratio=OLTV", "--map", "credit_score=Score"];
    let before = answer(&desk, &map);
    assert_eq!(desk.command(&[&map[..], &["--write", "draft.toml"]].concat()).code, 0);
    let after = answer(&desk, &["inspect", "t.txt", "--profile", "draft.toml"]);
    assert_eq!(mapping(&before["mapping"]["columns"]), mapping(&after["mapping"]["columns"]));
    let again = desk.command(&["inspect", "t.txt", "--write", "draft.toml"]);
    assert!(again.code == 2 && again.err.contains("is there already"), "{}", again.err);
}

#[test]
fn inspect_shows_what_a_tape_lacks_that_no_run_could_use() {
    let desk = TestShell::new();
    desk.write("t.csv", "Loan,Amount,Rate,LTV,FICO Grade,Prop Type\nA1,250000,6.5,80,720,MH\nTotal,250000,,,,\n");
    let said = desk.command(&["inspect", "t.csv"]);
    for expected in
        ["Required, and not found", "credit_score", "not known: MH (1)", "rows that are no loans: 1", "A run would fail"]
    {
        assert!(said.code == 0 && said.out.contains(expected), "{expected}: {}", said.out);
    }
    desk.write("x.pdf", "%PDF-1.7\n");
    let said = desk.command(&["inspect", "x.pdf"]);
    assert!(said.code == 1 && said.err.contains("PDF"), "{}", said.err);
}

#[test]
fn a_folder_is_run_as_its_profile_says_unless_another_is_named() {
    let desk = TestShell::new();
    desk.write("in/profile.toml", PROFILE);
    desk.write("in/t.txt", TAPE);
    desk.write("in/incoming/u.txt", TAPE.replace("A-", "B-"));
    desk.write("in/notes.txt", "Dear buyer");
    desk.write("in/offer.pdf", "%PDF-1.7");
    desk.write("in/.hidden.csv", "x");
    for tapes in [&["in"][..], &["in/t.txt"], &["in/incoming"]] {
        let run = answer(&desk, &[&["run"], tapes, &["--out", "out"]].concat());
        assert_eq!(
            (&run["run"]["profile"]["name"], &run["run"]["total_balance"]),
            (&"acme".into(), &560_500.into()),
            "{tapes:?}"
        );
        let left_out = &run["run"]["notice_counts"]["file_not_read"];
        assert_eq!(left_out.as_u64(), (tapes == ["in"]).then_some(2), "{tapes:?}");
        let archive = format!("out/archive/{}", run["run"]["run_id"].as_str().unwrap());
        assert_eq!(desk.command(&["replay", &archive]).out, "identical\n");
    }
    assert_eq!(answer(&desk, &["inspect", "in/t.txt"])["mapping"]["columns"][1]["origin"], "profile");
    desk.write("other.toml", PROFILE.replace("acme", "other"));
    let run = answer(&desk, &["run", "in", "--profile", "other.toml", "--dry-run"]);
    assert_eq!(run["run"]["profile"]["name"], "other");
    desk.write("elsewhere/v.txt", TAPE);
    let several = desk.command(&["run", "in/t.txt", "elsewhere/v.txt", "--dry-run"]);
    assert!(several.code == 2 && several.err.contains("Make a run of each folder, or name a profile"), "{}", several.err);
    desk.write("in/profile.toml", "[columns]\nlone_amount = 1\n");
    let broken = desk.command(&["run", "in", "--dry-run"]);
    assert!(broken.code == 2 && broken.err.contains("line 2: there is no field `lone_amount`"), "{}", broken.err);
    // A text file that the command names is read as a tape.
    assert_eq!(desk.command(&["run", "in/notes.txt", "--profile", "other.toml", "--dry-run"]).code, 1);
}

#[test]
fn a_profile_that_does_not_fit_a_tape_is_told_before_what_the_tape_lacks() {
    let desk = TestShell::new();
    desk.write("t.csv", "Loan,Amount,Rate,LTV,DTI,Score,Property Type\nA-1,250000,6.5,80,35,720,SFR\n");
    desk.write("absent.toml", "[columns]\nloan_amount = \"Current UPB\"\n");
    let said = desk.command(&["run", "t.csv", "--profile", "absent.toml", "--dry-run"]);
    assert!(said.code == 1 && said.err.contains("loan_amount is to be read from a column \"Current UPB\""), "{}", said.err);
    let places = ["seller_loan_number", "loan_amount", "note_rate", "ltv_ratio", "dti_ratio", "credit_score", "property_type"];
    let places: String = (1..).zip(places).map(|(at, field)| format!("{field} = {at}\n")).collect();
    desk.write("none.toml", format!("[file]\nheader = \"none\"\ndelimiter = \",\"\n[columns]\n{places}"));
    for command in ["run", "inspect"] {
        let said = desk.command(&[command, "t.csv", "--profile", "none.toml"]);
        let text = said.err + &said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("Line 1 is a header, and the profile says that the tape has none"), "{command}: {text}");
    }
}

#[test]
fn words_of_a_profile_are_all_that_its_column_knows() {
    let desk = TestShell::new();
    desk.write("acme.toml", PROFILE);
    let row = |number: &str, kind: &str| format!("{number}|250|6.5|0.8|35|720|{kind}|6\n");
    let rows: String = [("A", "1"), ("B", "condo"), ("C", "sfr"), ("D", "3")].map(|(number, kind)| row(number, kind)).concat();
    desk.write("t.csv", format!("{}\n{rows}", TAPE.lines().next().unwrap()));
    let run = answer(&desk, &["run", "t.csv", "--profile", "acme.toml", "--out", "out"]);
    assert_eq!(run["summary"]["dispositions"]["to_purchase"]["count"], 2);
    let report = desk.read("out/rejection_report.csv");
    assert!(
        report.contains("\"\"condo\"\", which the profile does not list") && report.contains("\"\"sfr\"\", which"),
        "{report}"
    );
    for (profile, part) in [
        ("[columns]\nproperty_type = { header = \"T\", words = { SFR = \"sfr\", sfr = \"condo\" } }\n", "there twice"),
        ("[columns]\nproperty_type = { header = \"T\", position = 3 }\n", "a header and a position"),
    ] {
        desk.write("p.toml", profile);
        let said = desk.command(&["run", "t.csv", "--profile", "p.toml"]);
        assert!(said.code == 2 && said.err.contains(part), "{}", said.err);
    }
}

#[test]
fn a_folder_of_tapes_without_headers_leaves_other_texts_out() {
    let desk = TestShell::new();
    let row = "720|202001|N|204912|12345||1|P|80|35|250000|80|6.5|R|N|FRM|CA|SF|90000|F1|P|360|2|S|S|N||9|N|9|N|N\n";
    desk.write("in/q1.txt", row);
    desk.write("in/readme.txt", "Freddie data\n");
    let run = answer(&desk, &["run", "in", "--profile", "freddie_sflld", "--out", "out"]);
    assert_eq!((&run["run"]["total_loans"], &run["run"]["notice_counts"]["file_not_read"]), (&1.into(), &1.into()));
    desk.write("narrow.csv", "1,2,3\n");
    let said = desk.command(&["run", "narrow.csv", "--profile", "freddie_sflld", "--dry-run"]);
    assert!(said.code == 1 && said.err.contains("It has: one column.") && said.err.contains("the delimiter?"), "{}", said.err);
}

#[test]
fn a_folder_may_hold_the_rule_set_and_its_files() {
    let desk = TestShell::new();
    desk.write("in/tape.csv", small_tape());
    desk.write("in/rules.toml", "programs = [\"one.toml\"]\n");
    desk.write("in/one.toml", "name = \"one\"\n[[grid]]\nname = \"least\"\nfile = \"least.csv\"\n");
    desk.write("in/least.csv", "Loan Purpose,Min FICO\n*,700\n");
    let run = answer(&desk, &["run", "in", "--rule-set", "in/rules.toml", "--out", "out"]);
    assert_eq!((&run["run"]["total_loans"], run["run"]["notice_counts"].get("file_not_read")), (&2.into(), None));
    desk.write("in/letter.pdf", "Dear buyer");
    let run = answer(&desk, &["run", "in", "--rule-set", "in/rules.toml", "--out", "out"]);
    assert_eq!(run["run"]["notice_counts"]["file_not_read"], 1);
}
