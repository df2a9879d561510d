//! What the workbook shows of a guide: base prices, adjustments and programs.

use calamine::Data;
use shared::{
    phases::disposition::Disposition,
    rules::rule_set::{GuideFiles, RuleSet, RuleSetFile},
};

use serde_json::json;
use shared::auth::permission::Role;

use super::{Book, Decided, digits, text};
use crate::support::{
    app::{Tape, TestApp},
    shell::TestShell,
};

/// Adjusts prices, and holds loans with a price below 90.
const PRICED: &str = "name = \"priced\"\n[pricing]\nfloor = 90\ncap = 96\n[[adjustment]]\nname = \"condo\"\nwhen = { property_type = [\"condo\"] }\npoints = -0.75\n\
                      [[adjustment]]\nname = \"every_loan\"\npoints = 0\n[[adjustment]]\nname = \"investor\"\n\
                      when = { occupancy_status = [\"investment\"] }\npoints = -6.5\n";
/// Takes only loans with a low LTV, at a better price.
const LOW_LTV: &str = "name = \"low_ltv\"\n[limits]\nltv_ratio = { max = 70 }\n";

fn tape() -> String {
    let condo = [("property_type", "condo")];
    let tape =
        Tape::new().good("A").with("C", &condo).with("I", &[("occupancy_status", "investment"), ("property_type", "condo")]);
    tape.with("L", &[("ltv_ratio", "60")]).with("R", &[("ltv_ratio", "98")]).text().to_owned()
}

fn priced() -> Decided {
    Decided::under(RuleSet::from_toml(PRICED).unwrap(), &[("tape.csv", &tape())])
}

fn best() -> Decided {
    let mut files = GuideFiles::default();
    files.insert("priced.toml", PRICED.as_bytes());
    files.insert("low_ltv.toml", LOW_LTV.as_bytes());
    let toml = "programs = [\"priced.toml\", \"low_ltv.toml\"]".to_owned();
    let rules = RuleSetFile { name: "best".to_owned(), toml, files }.rules().unwrap();
    Decided::under(rules, &[("tape.csv", &tape())])
}

#[test]
fn bought_and_held_loans_show_base_price_and_adjustments() {
    let book = priced().book();
    let shown = |sheet: &str| -> Vec<[String; 4]> {
        let cells = ["seller_loan_number", "base_price", "price_adjustments", "final_price"];
        book.table(sheet).iter().map(|row| cells.map(|name| row[name].to_string())).collect()
    };
    let row = |cells: [&str; 4]| cells.map(str::to_owned);
    assert_eq!(
        shown("To purchase"),
        [
            row(["A", "96.125", "every_loan 0.0000\ncap -0.1250", "96"]),
            row(["C", "96.125", "condo -0.7500\nevery_loan 0.0000", "95.375"]),
            row(["L", "96.125", "every_loan 0.0000\ncap -0.1250", "96"]),
        ]
    );
    assert_eq!(shown("Projected"), [row(["I", "96.125", "condo -0.7500\nevery_loan 0.0000\ninvestor -6.5000", "88.875"])]);
    let header = book.header("Rejected");
    for name in ["base_price", "price_adjustments", "program"] {
        assert!(!header.contains(&name.to_owned()), "{name}");
    }
    assert!(!book.header("To purchase").contains(&"program".to_owned()));
}

#[test]
fn loans_and_exceptions_of_programs_name_their_program() {
    let decided = best();
    let book = decided.book();
    for (sheet, disposition) in [("To purchase", Disposition::ToPurchase), ("Projected", Disposition::Projected)] {
        let (rows, facts) = (book.table(sheet), decided.facts(disposition));
        assert_eq!(rows.len(), facts.len());
        for (row, fact) in rows.iter().zip(&facts) {
            assert_eq!(row["program"], text(fact.program.as_ref().unwrap().as_deref().unwrap()));
            assert_eq!(digits(&row["base_price"]), fact.base_price.unwrap().to_string());
        }
    }
    let programs: Vec<Data> = book.table("To purchase").into_iter().map(|mut row| row.remove("program").unwrap()).collect();
    assert_eq!(programs, ["priced", "priced", "low_ltv"].map(text));
    let (rows, exceptions) = (book.table("Exceptions"), decided.exceptions());
    assert!(rows.len() == exceptions.len() && rows.len() > 3);
    for (row, exception) in rows.iter().zip(&exceptions) {
        assert_eq!(row["program"], text(exception.program.as_ref().unwrap().as_deref().unwrap()));
        assert_eq!((&row["source_file"], digits(&row["line"])), (&text(&exception.source_file), exception.line.to_string()));
    }
}

#[test]
fn a_rule_set_without_prices_and_programs_has_none_of_these_columns() {
    let plain = Decided::of(&tape());
    for sheet in ["To purchase", "Projected", "Rejected", "Exceptions"] {
        for name in ["base_price", "price_adjustments", "program"] {
            assert!(!plain.book().header(sheet).contains(&name.to_owned()), "{sheet} {name}");
        }
    }
}

#[tokio::test]
async fn command_and_api_show_them_alike() {
    let desk = TestShell::new();
    desk.write("tape.csv", tape());
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let path = app.put_tape(&ana, &Tape::new()).await;
    app.put(&format!("inputs/{path}"), tape()).await;
    let best = "programs = [\"priced.toml\", \"low_ltv.toml\"]";
    for (name, toml) in [("best.toml", best), ("priced.toml", PRICED), ("low_ltv.toml", LOW_LTV)] {
        desk.write(name, toml);
        app.put(&format!("inputs/{name}"), toml).await;
    }
    for rules in ["best.toml", "priced.toml"] {
        let args = ["run", "tape.csv", "--rule-set", rules, "--out", "out", "--workbook", "book.xlsx", "--pdate", "2026-02-02"];
        assert_eq!(desk.command(&args).code, 0);
        let by_command = Book::new(std::fs::read(desk.path("book.xlsx")).unwrap());
        let run = app.start(&ana, &json!({"files": [path], "rule_set": rules})).await.expect(202);
        app.work().await;
        let address = format!("/api/runs/{}/workbook", run["run_id"].as_str().unwrap());
        let by_api = Book::new(app.get(&address).by(&ana).send().await.bytes.to_vec());
        for sheet in ["To purchase", "Projected"] {
            assert_eq!(by_api.header(sheet), by_command.header(sheet));
            assert!(by_api.header(sheet).contains(&"price_adjustments".to_owned()), "{rules} {sheet}");
            for (one, other) in by_api.table(sheet).iter().zip(by_command.table(sheet)) {
                for name in by_api.header(sheet).iter().filter(|name| *name != "source_file") {
                    assert_eq!(one[name], other[name], "{rules} {sheet} {name}");
                }
            }
        }
        assert_eq!(by_api.header("Exceptions"), by_command.header("Exceptions"));
        assert_eq!(by_api.header("Exceptions").contains(&"program".to_owned()), rules == "best.toml");
    }
}
