//! `loan-engine compare`.

use serde_json::json;

use crate::support::{
    runs::{GOOD_CELLS, HEADER},
    shell::TestShell,
};

/// Two runs: the loan 1 is the same in both, 2 gets a higher LTV and is rejected, 3 is removed and =4 is added.
fn two_runs() -> TestShell {
    let shell = TestShell::new();
    shell.write("one.csv", format!("{HEADER}\n1,{GOOD_CELLS}\n2,{GOOD_CELLS}\n3,{GOOD_CELLS}\n"));
    let high = GOOD_CELLS.replace(",80,", ",99,");
    shell.write("two.csv", format!("{HEADER}\n2,{high}\n1,{GOOD_CELLS}\n=4,{GOOD_CELLS}\n"));
    for (tape, out) in [("one.csv", "one"), ("two.csv", "two")] {
        let answer = shell.command(&["run", tape, "--out", out, "--pdate", "2026-11-29", "-q"]);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    }
    shell
}

fn printed(shell: &TestShell, more: &[&str]) -> String {
    let answer = shell.command(&[&["compare", "one", "two"], more].concat());
    assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{more:?}");
    answer.out
}

#[test]
fn a_comparison_is_a_table_for_people() {
    let shell = two_runs();
    let table = printed(&shell, &[]);
    assert_eq!(
        table,
        "2 loans are in both runs, 1 of them moved; 1 added, 1 removed\n  A is one, B is two\n\n\
         From A to B\n  \
         From         To           Loans   Balance A   Balance B\n  \
         to_purchase  to_purchase      1  250,000.00  250,000.00\n  \
         to_purchase  rejected         1  250,000.00  250,000.00\n  \
         (added)      to_purchase      1        0.00  250,000.00\n  \
         to_purchase  (removed)        1  250,000.00        0.00\n\n\
         Fields that differ\n  \
         Field      Loans\n  \
         ltv_ratio      1\n\n\
         Prices: 0 higher, 0 lower, 1 unchanged, 0 gained, 1 lost\n\n\
         Loans that differ: 3\n  \
         Loan  A            B            Price A  Price B  What\n  \
         2     to_purchase  rejected     96.1250        -  ltv_ratio: 80 -> 99; +ltv_ratio\n  \
         3     to_purchase  -            96.1250        -\n  \
         =4    -            to_purchase        -  96.1250\n"
    );
}

#[test]
fn a_comparison_is_csv_that_no_spreadsheet_runs() {
    let shell = two_runs();
    assert_eq!(
        printed(&shell, &["--format", "csv"]),
        "seller_loan_number,base_row,with_row,base_disposition,with_disposition,base_final_price,with_final_price,fields,\
         reasons_gone,reasons_new\n\
         2,1,0,to_purchase,rejected,96.1250,,ltv_ratio: 80 -> 99,,ltv_ratio\n\
         3,2,,to_purchase,,96.1250,,,,\n\
         '=4,,2,,to_purchase,,96.1250,,,\n"
    );
}

#[test]
fn a_comparison_is_json_with_every_loan() {
    let shell = two_runs();
    let answer: serde_json::Value = serde_json::from_str(&printed(&shell, &["--format", "json"])).unwrap();
    assert_eq!(answer["settings"], json!([]));
    assert_eq!(answer["moves"]["to_purchase"]["rejected"], json!({"count": 1, "base_balance": 250_000, "with_balance": 250_000}));
    assert_eq!(
        answer["loans"][0],
        json!({
            "seller_loan_number": "2", "base_row": 1, "with_row": 0, "disposition": ["to_purchase", "rejected"],
            "final_price": [96.125, null], "fields": {"ltv_ratio": [80, 99]}, "reasons": {"gone": [], "new": ["ltv_ratio"]}
        })
    );
    assert_eq!((&answer["loans_count"], answer["loans"].as_array().map(Vec::len)), (&json!(3), Some(3)));
    let itself = shell.command(&["compare", "two", "two", "--format", "json"]).json();
    assert_eq!((&itself["loans"], &itself["loans_count"]), (&json!([]), &json!(0)));
}

#[test]
fn a_tolerance_leaves_out_near_numbers() {
    let shell = two_runs();
    let with = |tolerance: &str| printed(&shell, &["--tolerance", tolerance]);
    assert!(with("ltv_ratio=18.9").contains("Fields that differ"));
    assert!(!with("ltv_ratio=19").contains("Fields that differ"));
}

#[test]
fn what_cannot_be_compared_is_named() {
    let shell = two_runs();
    let refused = |call: &[&str], code: u8, says: &str| {
        let answer = shell.command(&[&["compare"], call].concat());
        assert_eq!((answer.code, answer.out.as_str()), (code, ""), "{call:?}");
        assert!(answer.err.contains(says), "{call:?}: {}", answer.err);
    };
    refused(&["one", "absent"], 2, "error: absent holds no results of a run: manifest.json cannot be read");
    refused(&["one", "two", "--tolerance", "rate=1"], 2, "error: --tolerance: there is no field rate to compare; there are ");
    refused(&["one", "two", "--tolerance", "note_rate"], 2, "it must be FIELD=DISTANCE, such as note_rate=0.125");
    refused(&["one", "two", "--tolerance", "note_rate=much"], 2, "the distance `much` is no number");
    shell.write("two/facts.parquet", "nonsense");
    refused(&["one", "two"], 1, "error: The results in two cannot be read: facts.parquet is damaged");
    shell.write("two/manifest.json", "{}");
    refused(&["one", "two"], 1, "two/manifest.json is no manifest of a run");
}

#[test]
fn runs_under_grids_are_compared_with_the_files_of_their_archives() {
    let shell = two_runs();
    for (limit, out) in [("97", "one"), ("60", "two")] {
        shell.write("ltv.csv", format!("credit_score,max ltv_ratio\n*,{limit}\n"));
        shell.write("guide.toml", "[[grid]]\nname = \"max_ltv\"\nfile = \"ltv.csv\"\n");
        let answer = shell.command(&["run", "one.csv", "--rule-set", "guide.toml", "--out", out, "-q"]);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    }
    let answer: serde_json::Value = serde_json::from_str(&printed(&shell, &["--format", "json"])).unwrap();
    let keys: Vec<&str> = answer["settings"].as_array().unwrap().iter().filter_map(|setting| setting["key"].as_str()).collect();
    assert_eq!(keys, ["rule_set.hash", "rule_set.grid.max_ltv.sha256"]);
    assert_eq!(answer["moves"]["to_purchase"]["rejected"]["count"], 3);
    assert_eq!(answer["loans"][0]["reasons"], json!({"gone": [], "new": ["max_ltv"]}));
}
