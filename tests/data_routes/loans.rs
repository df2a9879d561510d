//! `GET /api/loans`.

use http::Method;
use serde_json::{Value, json};
use shared::loan::Field;
use uuid::Uuid;

use crate::{
    data_routes::{app, followed, member, mixed},
    support::{
        app::{Person, Tape, TestApp, documented, each, members},
        runs::{GOOD_CELLS, HEADER},
    },
};

/// Runs a tape with exactly this text. Returns the id of the run.
async fn run_of(app: &TestApp, person: &Person, tape: String) -> String {
    let path = format!("{}.csv", Uuid::new_v4());
    app.put(&format!("inputs/{path}"), tape).await;
    let run = app.start(person, &json!({"files": [path]})).await.expect(202);
    app.work().await;
    run["run_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_loan_is_flat_and_says_what_is_done_with_it() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    let loans = app.read(&ana, &format!("/api/loans?run_id={id}")).await;
    assert_eq!(each(&loans, "seller_loan_number"), ["G-1", "A", "B", "UNKNOWN", "G-2"]);
    assert_eq!(each(&loans, "row"), [0, 1, 2, 3, 4]);
    assert_eq!(each(&loans, "disposition"), ["to_purchase", "rejected", "rejected", "rejected", "to_purchase"]);
    let loan = &loans[0];
    assert_eq!((&loan["pricing_spread"], &loan["final_price"]), (&json!(-1.55), &json!(96.125)));
    assert_eq!((&loan["projection_reason"], &loan["line"]), (&Value::Null, &2.into()));
    assert_eq!((&loans[1]["final_price"], &loans[3]["credit_score"]), (&Value::Null, &Value::Null));
    // The document also lists the standard fields, which this tape does not have, and the program, which only programs give.
    let more = Field::STANDARD.map(|field| field.name().to_owned()).into_iter().chain(["program".to_owned()]);
    assert_eq!(documented("Loan"), members(loan).into_iter().chain(more).collect());
}

#[tokio::test]
async fn numbers_are_exact() {
    let (app, ana) = app().await;
    let tape = format!("{HEADER}\n1,\"$1,234,567.12345678\",6.1,80.10,35,720,sfr,P,purchase,1E+20,0.1\n");
    let id = run_of(&app, &ana, tape).await;
    let text = app.get(&format!("/api/loans?run_id={id}")).by(&ana).send().await.text();
    for part in [
        "\"loan_amount\":1234567.12345678,",
        "\"note_rate\":6.1,",
        "\"ltv_ratio\":80.1,",
        "\"purchase_price\":100000000000000000000,",
        "\"appraisal_value\":0.1,",
        "\"pricing_spread\":-1.95,",
        "\"final_price\":95.125,",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn declared_fields_have_typed_values() {
    let (app, ana) = app().await;
    let fields = "[fields.flood_zone]\nkind = \"word\"\nheaders = [\"FEMA Zone\"]\nwords = { high_risk = [\"AE\"] }\n[fields.fee]\nkind = \"number\"\n\
                  unit = \"percent\"\n[fields.lock_date]\nkind = \"date\"\n[fields.reserves]\nkind = \"number\"\nunit = \"months\"\n";
    app.put("inputs/rules/fields.toml", fields).await;
    let tape = format!(
        "{HEADER},County,FEMA Zone,fee,lock date,reserves\n1,{GOOD_CELLS},Kent,ae,0.10%,1/31/2026,6\n2,{GOOD_CELLS},,Q,,soon,half a year\n"
    );
    app.put("inputs/declared.csv", tape).await;
    let wanted = json!({"files": ["declared.csv"], "rule_set": "rules/fields.toml"});
    let run = app.start(&ana, &wanted).await.expect(202);
    app.work().await;
    let loans = app.read(&ana, &format!("/api/loans?run_id={}", run["run_id"].as_str().unwrap())).await;
    let members = |loan: &Value| ["flood_zone", "fee", "lock_date", "reserves", "County"].map(|name| loan[name].clone());
    assert_eq!(members(&loans[0]), [json!("high_risk"), json!(0.1), json!("2026-01-31"), json!(6), json!("Kent")]);
    assert_eq!(members(&loans[1]), [json!("Q"), Value::Null, json!("soon"), json!("half a year"), json!("")]);
    let mapping = &app.read(&ana, &format!("/api/runs/{}", run["run_id"].as_str().unwrap())).await["column_mapping"];
    assert_eq!(mapping[0]["columns"][12]["field"], "flood_zone", "{mapping}");
}

#[tokio::test]
async fn unknown_columns_are_kept_as_text() {
    let (app, ana) = app().await;
    let id = run_of(&app, &ana, format!("{HEADER},County,Disposition\n1,{GOOD_CELLS}, 007 ,mine\n")).await;
    let loans = app.read(&ana, &format!("/api/loans?run_id={id}")).await;
    assert_eq!((&loans[0]["County"], &loans[0]["source_Disposition"]), (&" 007 ".into(), &"mine".into()));
    assert_eq!(loans[0]["disposition"], "to_purchase");
}

#[tokio::test]
async fn no_column_of_a_tape_takes_the_place_of_what_the_product_says_of_a_loan() {
    let (app, ana) = app().await;
    // Loans have a program only under a rule set with programs.
    let is_own = |name: &String| Field::from_name(name).is_none() && name != "program";
    let own: Vec<String> = documented("Loan").into_iter().filter(is_own).collect();
    assert!(own.contains(&"disposition".to_owned()), "{own:?}");
    let (headers, cells) = (own.join(","), vec!["mine"; own.len()].join(","));
    let id = run_of(&app, &ana, format!("{HEADER},{headers}\n1,{GOOD_CELLS},{cells}\n")).await;
    let loan = &app.read(&ana, &format!("/api/loans?run_id={id}")).await[0];
    for name in own {
        assert_eq!(loan[format!("source_{name}")], "mine", "{name}");
        assert_ne!(loan[&name], "mine", "{name}");
    }
}

#[tokio::test]
async fn loans_are_listed_by_disposition_with_their_number() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    for (disposition, expected) in
        [("to_purchase", vec!["G-1", "G-2"]), ("rejected", vec!["A", "B", "UNKNOWN"]), ("projected", vec![])]
    {
        let answer = app.get(&format!("/api/loans?run_id={id}&disposition={disposition}")).by(&ana).send().await;
        assert_eq!(each(&answer.expect(200), "seller_loan_number"), expected, "{disposition}");
        assert_eq!(answer.total(), Some(expected.len() as u64), "{disposition}");
    }
    let all = app.get(&format!("/api/loans?run_id={id}&limit=1&skip=3")).by(&ana).send().await;
    assert_eq!((each(&all.expect(200), "seller_loan_number"), all.total()), (vec![&json!("UNKNOWN")], Some(5)));
}

#[tokio::test]
async fn a_loan_is_found_by_its_number_to_the_letter() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::new().good("007").good("a7").good("A7").good("a7")).await;
    let lines = async |query: &str| {
        let answer = app.get(&format!("/api/loans?run_id={id}&seller_loan_number={query}")).by(&ana).send().await;
        each(&answer.expect(200), "line").into_iter().map(|line| line.as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(lines("007").await, [2]);
    assert_eq!(lines("a7").await, [3, 5]);
    assert_eq!(lines("A7&disposition=to_purchase").await, [4]);
    assert_eq!(lines("a7&disposition=rejected").await, [5]);
    assert_eq!(lines("a7&skip=1&limit=1").await, [5]);
    assert_eq!(lines("7").await, [0; 0]);
}

#[tokio::test]
async fn what_cannot_be_asked_is_named() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(1)).await;
    let run = format!("run_id={id}&");
    for (query, name) in [
        (String::new(), "run_id"),
        ("disposition=rejected".to_owned(), "run_id"),
        ("run_id=7".to_owned(), "run_id"),
        (format!("{run}disposition=bought"), "disposition"),
        (format!("{run}disposition=Rejected"), "disposition"),
        (format!("{run}limit=0"), "limit"),
        (format!("{run}limit=1001"), "limit"),
        (format!("{run}skip=-1"), "skip"),
        (format!("{run}skip=99999999999999999999"), "skip"),
        (format!("{run}after=x"), "after"),
    ] {
        let answer = app.get(&format!("/api/loans?{query}")).by(&ana).send().await;
        assert_eq!(answer.problem(422), "invalid_input", "{query}");
        assert_eq!(answer.json()["errors"][0]["loc"], json!(["query", name]), "{query}");
    }
}

#[tokio::test]
async fn loans_of_another_teams_run_are_not_found() {
    let (app, ana) = app().await;
    let (wes, eve) = (member(&app, "West").await, member(&app, "East").await);
    let id = app.ended(&wes, &Tape::of_good(2)).await;
    let address = format!("/api/loans?run_id={id}");
    assert_eq!(app.read(&ana, &address).await, app.read(&wes, &address).await);
    assert_eq!(app.get(&address).by(&eve).send().await.problem(404), "not_found");
    let nowhere = format!("/api/loans?run_id={}", Uuid::new_v4());
    assert_eq!(app.get(&nowhere).by(&eve).send().await.problem(404), "not_found");
}

#[tokio::test]
async fn a_run_that_has_stored_no_loans_has_none() {
    let (app, ana) = app().await;
    let (pending, failed) = (app.pending(&ana, &Tape::of_good(1)).await, app.ended(&ana, &Tape::new()).await);
    let path = app.put_tape(&ana, &Tape::of_good(1)).await;
    let dry =
        app.start(&ana, &json!({"files": [path], "dry_run": true})).await.expect(202)["run_id"].as_str().unwrap().to_owned();
    for id in [failed, dry] {
        let answer = app.get(&format!("/api/loans?run_id={id}")).by(&ana).send().await;
        assert_eq!((answer.expect(200), answer.total()), (json!([]), Some(0)));
    }
    // By now the pending run has been executed together with the others.
    assert_eq!(app.read(&ana, &format!("/api/loans?run_id={pending}")).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_run_that_is_asked_for_too_early_is_not_kept_as_it_was() {
    let (app, ana) = app().await;
    let id = app.pending(&ana, &Tape::of_good(3)).await;
    let address = format!("/api/loans?run_id={id}");
    assert_eq!(app.read(&ana, &address).await, json!([]));
    app.work().await;
    assert_eq!(app.read(&ana, &address).await.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn pages_follow_each_other_to_the_last_loan() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(25)).await;
    let all = app.read(&ana, &format!("/api/loans?run_id={id}")).await;
    for limit in [1, 7, 25, 26] {
        assert_eq!(json!(followed(&app, &ana, &format!("/api/loans?run_id={id}&limit={limit}")).await), all, "{limit}");
    }
    let middle = app.get(&format!("/api/loans?run_id={id}&skip=5&limit=10")).by(&ana).send().await;
    assert_eq!(
        middle.header("link"),
        format!("</api/loans?run_id={id}&skip=15&limit=10>; rel=\"next\", </api/loans?run_id={id}&skip=0&limit=5>; rel=\"prev\"")
    );
}

#[tokio::test]
async fn a_large_page_is_streamed_unless_a_lambda_answers() {
    let (app, ana) = app().await;
    let mut tape = format!("{HEADER},Notes\n");
    for at in 0..600 {
        tape += &format!("{at},{GOOD_CELLS},{}\n", "n".repeat(8_000));
    }
    let id = run_of(&app, &ana, tape).await;
    let address = format!("/api/loans?run_id={id}&limit=1000");
    let streamed = app.get(&address).by(&ana).send().await;
    assert_eq!((streamed.status.as_u16(), streamed.total()), (200, Some(600)));
    assert!(app.objects(stores::keys::ANSWERS).await.is_empty());
    let answer = app.on_lambda().get(&address).by(&ana).send().await;
    assert_eq!((answer.status.as_u16(), answer.total()), (307, Some(600)));
    let fetched = app.fetch(Method::GET, answer.header("location"), &[], "").await;
    assert_eq!((fetched.json().as_array().unwrap().len(), fetched.header("content-type")), (600, "application/json"));
    assert!(fetched.bytes == streamed.bytes);
    assert_eq!(app.read(&ana, &format!("/api/loans?run_id={id}&limit=100")).await.as_array().unwrap().len(), 100);
}
