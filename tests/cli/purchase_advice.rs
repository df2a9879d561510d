//! `loan-engine run --purchase-advice FILE`.

use crate::support::shell::{HEADER, TestShell, good};

/// Three bought loans and one that is rejected. 8.85 % is bought at 102: the first two payments are ties between two cents.
fn tape() -> String {
    let amount = |number: &str, amount: &str| good(number).replace("$250,000.00", amount);
    let rows = [
        amount("001", "250,000.25"),
        amount("=cmd", "250,000.75"),
        good("no").replace(",80,", ",97.01,"),
        amount("\"a,b\"", "300,000"),
    ];
    format!("{HEADER}{}", rows.concat())
}

#[test]
fn an_advice_says_what_is_paid_for_each_bought_loan_and_in_total() {
    let desk = TestShell::new();
    desk.write("t.csv", tape());
    let answer = desk.command(&["run", "t.csv", "--out", "out", "--purchase-advice", "advice.csv"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    assert!(answer.out.contains("\nPurchase advice in advice.csv\n"), "{}", answer.out);
    let expected = "seller_loan_number,loan_amount,final_price,purchase_amount\n\
                    001,250000.25,102.0000,255000.26\n\
                    '=cmd,250000.75,102.0000,255000.76\n\
                    \"a,b\",300000,102.0000,306000.00\n\
                    TOTAL,800001,,816001.02\n";
    assert_eq!(desk.read("advice.csv"), expected);
    // The advice is not a result that the manifest names.
    let manifest = desk.path("out/manifest.json");
    assert_eq!(desk.command(&["replay", manifest.to_str().unwrap()]).out, "identical\n");
}

#[test]
fn a_run_that_buys_nothing_pays_nothing() {
    let desk = TestShell::new();
    desk.write("t.csv", format!("{HEADER}{}", good("no").replace(",80,", ",97.01,")));
    assert_eq!(desk.command(&["run", "t.csv", "--purchase-advice", "advice.csv"]).code, 0);
    assert_eq!(desk.read("advice.csv").lines().last(), Some("TOTAL,0,,0.00"));
}

#[test]
fn an_advice_belongs_to_its_run() {
    let desk = TestShell::new();
    desk.write("t.csv", tape());
    desk.write("bad.csv", "no,header,that,means,anything\n1,2,3,4,5\n");
    for advice in ["advice.csv", "out/advice.csv"] {
        let run = |tape: &str| desk.command(&["run", tape, "--out", "out", "--purchase-advice", advice]).code;
        assert_eq!(run("t.csv"), 0);
        assert_eq!(run("bad.csv"), 1);
        assert!(!desk.list("").iter().any(|file| file.ends_with("advice.csv")), "{advice}");
        assert_eq!(run("t.csv"), 0);
        std::fs::rename(desk.path(advice), desk.path("kept.csv")).unwrap();
    }
    // A later run removes an advice that is among the results that it replaces.
    desk.write("out/advice.csv", desk.read("kept.csv"));
    assert_eq!(desk.command(&["run", "t.csv", "--out", "out"]).code, 0);
    assert!(!desk.path("out/advice.csv").exists());
    desk.write("advice.csv", "mine");
    assert_eq!(desk.command(&["run", "bad.csv", "--out", "out", "--purchase-advice", "advice.csv"]).code, 1);
    assert_eq!(desk.read("advice.csv"), "mine");
}

#[test]
fn an_advice_that_cannot_be_written_is_refused_before_the_run() {
    let desk = TestShell::new();
    desk.write("t.csv", tape());
    let before = desk.list("");
    for (args, part) in [
        (&["--purchase-advice", "a.csv", "--dry-run"][..], "--dry-run"),
        (&["--purchase-advice", "a.xlsx"], "The purchase advice a.xlsx must have a name that ends in .csv"),
        (&["--purchase-advice", "t.csv"], "would replace a tape"),
        (&["--purchase-advice", "out/purchase_tape.csv"], "would replace a tape or a result"),
        (&["--purchase-advice", "none/a.csv"], "folder that is not there"),
    ] {
        let answer = desk.command(&[&["run", "t.csv", "--out", "out"], args].concat());
        assert_eq!(answer.code, 2, "{args:?}");
        assert!(answer.err.contains(part), "{args:?}: {}", answer.err);
        assert_eq!(desk.list(""), before, "{args:?}");
    }
}
