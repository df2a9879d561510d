//! A seller return that comes back.

use std::collections::BTreeMap;

use proptest::{prelude::*, sample::select, test_runner::Config};

use super::{decided, parts, saved};
use crate::support::{
    app::Tape,
    shell::{HEADER, TestShell, good},
};

/// Lines about each loan, by its number.
type LoanLines = BTreeMap<String, Vec<String>>;

/// Runs tapes with these arguments, and runs their return, after a change of its parts, without any arguments. Returns what both
/// decide about the loans that they do not buy.
fn both(
    tapes: &[(&str, String)],
    args: &[&str],
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> (TestShell, LoanLines, LoanLines) {
    let desk = TestShell::new();
    for (name, text) in tapes {
        desk.write(name, text);
    }
    let mut first = vec!["run"];
    first.extend(tapes.iter().map(|(name, _)| *name).filter(|name| !name.ends_with(".toml")));
    first.extend(["--out", "out", "--seller-return", "return.xlsx"]);
    first.extend(args);
    let answer = desk.command(&first);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let mut parts = parts(&std::fs::read(desk.path("return.xlsx")).unwrap());
    change(&mut parts);
    desk.write("back/return.xlsx", saved(&parts));
    let answer = desk.command(&["run", "back/return.xlsx", "--out", "again"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let (before, after) = (decided(&desk, "out"), decided(&desk, "again"));
    (desk, before, after)
}

#[test]
fn a_return_that_nobody_mended_is_decided_as_before() {
    let bad = good("002").replace(",80,", ",97.01,");
    let (desk, before, after) = both(&[("t.csv", format!("{HEADER}{}{bad}", good("001")))], &[], |_| ());
    assert_eq!(before.len(), 1);
    assert_eq!(after, before);
    // The return as the engine wrote it is a tape, too.
    assert_eq!(desk.command(&["run", "return.xlsx", "--out", "again"]).code, 0);
    assert_eq!(decided(&desk, "again"), before);
}

#[test]
fn mending_a_cell_mends_its_loan_and_no_other() {
    let bad = |number: &str| good(number).replace(",80,", ",97.01,");
    let (desk, before, after) = both(&[("t.csv", format!("{HEADER}{}{}", bad("002"), bad("003")))], &[], |parts| {
        let sheet = parts.get_mut("xl/worksheets/sheet2.xml").unwrap();
        *sheet = sheet.replacen("<t>97.01</t>", "<t>80</t>", 1);
    });
    assert_eq!(before.keys().collect::<Vec<_>>(), ["002", "003"]);
    assert_eq!(after.keys().collect::<Vec<_>>(), ["003"]);
    assert!(desk.read("again/purchase_tape.csv").contains("\n002,250000,8.85,80,"), "{}", desk.read("again/purchase_tape.csv"));
}

#[test]
fn a_return_is_read_with_the_units_of_its_tape() {
    // Alone, the one LTV of 1 would be 1 %: the other loans of the tape say that it is a fraction.
    let loans: String = (0..9).map(|at| good(&format!("G{at}")).replace(",80,", ",0.80,")).collect();
    let bad = good("bad").replace(",80,", ",1,").replace("740", "500");
    let (_, before, after) = both(&[("t.csv", format!("{HEADER}{loans}{bad}"))], &[], |_| ());
    assert_eq!(before["bad"].len(), 2);
    assert_eq!(after, before);
}

#[test]
fn a_return_brings_the_profile_and_the_mapping_of_its_run() {
    let profile = "[file]\ndecimal = \",\"\n[columns]\nloan_amount = \"Betrag\"\n\
                   property_type = { header = \"Prop Type\", words = { \"X1\" = \"sfr\" } }\n";
    let header = HEADER.replace(',', ";").replace("UPB", "Betrag");
    let row = |number: &str, ltv: &str| format!("{number};250.000,00;8,85;{ltv};35,5;740;X1;P;purchase;312500;315000;Kings\n");
    let tape = format!("{header}{}{}", row("good", "80,00"), row("bad", "97,01"));
    let tapes = [("t.csv", tape), ("p.toml", profile.to_owned())];
    let (desk, before, after) = both(&tapes, &["--profile", "p.toml"], |parts| {
        let sheet = parts.get_mut("xl/worksheets/sheet2.xml").unwrap();
        *sheet = sheet.replacen("<t>97,01</t>", "<t>96,00</t>", 1);
    });
    assert_eq!((before.len(), after.len()), (1, 0));
    assert!(
        desk.read("again/purchase_tape.csv").contains("\nbad,250000,8.85,96.00,"),
        "{}",
        desk.read("again/purchase_tape.csv")
    );
}

#[test]
fn a_duplicate_of_a_bought_loan_stays_a_duplicate() {
    let (desk, before, after) = both(&[("t.csv", format!("{HEADER}{}{}", good("001"), good("001")))], &[], |_| ());
    assert_eq!(before["001"], ["rejection_report.csv duplicate_loan"]);
    assert_eq!(after, before);
    assert!(desk.read("again/rejection_report.csv").contains("already used on line 2"));
    // A new number mends it.
    let (_, _, after) = both(&[("t.csv", format!("{HEADER}{}{}", good("001"), good("001")))], &[], |parts| {
        let sheet = parts.get_mut("xl/worksheets/sheet2.xml").unwrap();
        *sheet = sheet.replacen("<t>001</t>", "<t>007</t>", 1);
    });
    assert!(after.is_empty(), "{after:?}");
}

#[test]
fn columns_may_move_and_a_column_that_was_read_may_not_go() {
    let bad = good("002").replace(",80,", ",97.01,");
    let desk = TestShell::new();
    desk.write("t.csv", format!("{HEADER}{bad}"));
    assert_eq!(desk.command(&["run", "t.csv", "--out", "out", "--seller-return", "return.xlsx"]).code, 0);
    let mut parts = parts(&std::fs::read(desk.path("return.xlsx")).unwrap());
    let sheet = parts.get_mut("xl/worksheets/sheet2.xml").unwrap();
    *sheet = sheet.replacen("<t>FICO</t>", "<t>Something</t>", 1);
    desk.write("back.xlsx", saved(&parts));
    let answer = desk.command(&["run", "back.xlsx", "--out", "again"]);
    assert_eq!(answer.code, 1);
    assert!(answer.err.contains("The sheet \"1 t.csv\" of the seller return has no column \"FICO\" any more."), "{}", answer.err);
}

/// A row of a tape: mostly of a loan, good or bad, sometimes one that cannot be read.
fn row() -> impl Strategy<Value = String> {
    let number = select(vec!["A", "B", "C", "", "007"]);
    let ltv = select(vec!["80", "97.8", "", "abc", "0.5", "90.25 %"]);
    let score = select(vec!["740", "500", "", "n/a", "9999"]);
    let kind = select(vec!["sfr", "castle", ""]);
    let loan = (number, ltv, score, kind).prop_map(|(number, ltv, score, kind)| {
        let with = [("ltv_ratio", ltv), ("credit_score", score), ("property_type", kind)];
        let tape = Tape::new().with(number, &with);
        tape.text().lines().nth(1).unwrap().to_owned()
    });
    prop_oneof![9 => loan, 1 => Just("cut,off".to_owned()), 1 => Just("\"a\"b,1".to_owned())]
}

proptest! {
    #![proptest_config(Config { cases: 24, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_return_changes_anything_by_itself(rows in prop::collection::vec(row(), 1..14), split in 0_usize..14) {
        let header = Tape::new().text().to_owned();
        let (one, two) = rows.split_at(split.min(rows.len()));
        let tape = |rows: &[String]| format!("{header}{}\n", rows.join("\n"));
        let tapes: Vec<(&str, String)> =
            [("a.csv", one), ("b.csv", two)].into_iter().filter(|(_, rows)| !rows.is_empty()).map(|(name, rows)| (name, tape(rows))).collect();
        let desk = TestShell::new();
        for (name, text) in &tapes {
            desk.write(name, text);
        }
        let mut args = vec!["run"];
        args.extend(tapes.iter().map(|(name, _)| *name));
        args.extend(["--out", "out", "--seller-return", "return.xlsx"]);
        // A tape whose rows leave its units in doubt fails, and there is nothing to return.
        prop_assume!(desk.command(&args).code == 0);
        let before = decided(&desk, "out");
        prop_assume!(!before.is_empty());
        let answer = desk.command(&["run", "return.xlsx", "--out", "again"]);
        prop_assert_eq!(answer.code, 0, "{}", answer.err);
        prop_assert_eq!(decided(&desk, "again"), before);
    }
}
