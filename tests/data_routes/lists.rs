//! Loans and exceptions of a run under filters and orders.

use serde_json::{Value, json};

use crate::{
    data_routes::{app, followed, member, mixed},
    support::app::{Person, Tape, TestApp, each},
};

/// Two loans to purchase and five that are rejected, with amounts, scores and states of their own.
fn varied() -> Tape {
    Tape::new()
        .with("L-1", &[("ltv_ratio", "85"), ("loan_amount", "300000")])
        .with("L-2", &[("ltv_ratio", "97.8"), ("loan_amount", "200000")])
        .with("M-1", &[("ltv_ratio", "84.999999"), ("property_type", "castle")])
        .with("M-2", &[("ltv_ratio", "120"), ("credit_score", "500")])
        .with("M-3", &[("ltv_ratio", "x"), ("property_type", "")])
        .with("m-4", &[("ltv_ratio", "97.3"), ("loan_amount", "100000")])
        .with("", &[("loan_amount", "5100000")])
}

/// The rows and the total number of loans that a query finds.
async fn found(app: &TestApp, person: &Person, run: &str, query: &str) -> (Vec<u64>, Option<u64>) {
    let answer = app.get(&format!("/api/loans?run_id={run}&{query}")).by(person).send().await;
    let rows = each(&answer.expect(200), "row").into_iter().map(|row| row.as_u64().unwrap()).collect();
    (rows, answer.total())
}

#[tokio::test]
async fn each_filter_finds_its_loans_and_counts_them() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &varied()).await;
    for (query, expected) in [
        ("ltv_ratio=85..97.3", vec![0, 5]),
        ("ltv_ratio=85%3C..97.3", vec![5]),
        ("ltv_ratio=..%3C85", vec![2, 6]),
        ("ltv_ratio=84.999999", vec![2]),
        ("ltv_ratio=missing", vec![4]),
        ("ltv_ratio=90..80", vec![]),
        ("loan_amount=100000..200000", vec![1, 5]),
        ("final_price=missing", vec![1, 2, 3, 4, 5, 6]),
        ("property_type=missing,other", vec![2, 4]),
        ("property_type=castle", vec![2]),
        ("property_type=condo,castle&ltv_ratio=..85", vec![2]),
        ("disposition=to_purchase,projected", vec![0]),
        ("program=missing&search=L-", vec![0, 1]),
        ("search=M", vec![2, 3, 4]),
        ("search=UNKNOWN", vec![6]),
        ("seller_loan_number=L-1", vec![0]),
        ("exception_type=ltv_ratio", vec![1, 3, 5]),
        ("exception_type=ltv_ratio&excess=..0.5", vec![5]),
        ("exception_type=ltv_ratio&excess=0.5%3C..", vec![1, 3]),
        ("only_reason=ltv_ratio", vec![1, 5]),
        ("only_reason=ltv_ratio&excess=..0.3", vec![5]),
        ("exception_type=credit_score&category=credit&severity=hard", vec![3]),
        ("exception_type=credit_score&category=data_quality", vec![]),
    ] {
        let total = Some(expected.len() as u64);
        assert_eq!(found(&app, &ana, &id, query).await, (expected, total), "{query}");
    }
    let within = async |percent: &str| found(&app, &ana, &id, &format!("exception_type=ltv_ratio&excess=..{percent}%25")).await;
    // The limit is 97: 0.8 of it is 0.824… %, and 0.3 is 0.309… %.
    assert_eq!((within("0.83").await, within("0.82").await), ((vec![1, 5], Some(2)), (vec![5], Some(1))));
}

#[tokio::test]
async fn a_sorted_list_ends_with_the_loans_without_a_value() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &varied()).await;
    for (query, expected) in [
        ("sort=ltv_ratio", [6, 2, 0, 5, 1, 3, 4]),
        ("sort=-ltv_ratio", [3, 1, 5, 0, 2, 6, 4]),
        ("sort=line", [0, 1, 2, 3, 4, 5, 6]),
        ("sort=-line", [6, 5, 4, 3, 2, 1, 0]),
        ("sort=final_price", [0, 1, 2, 3, 4, 5, 6]),
        ("sort=property_type", [2, 0, 1, 3, 5, 6, 4]),
    ] {
        assert_eq!(found(&app, &ana, &id, query).await, (expected.to_vec(), Some(7)), "{query}");
    }
    assert_eq!(found(&app, &ana, &id, "sort=-loan_amount&limit=2").await, (vec![6, 0], Some(7)));
}

#[tokio::test]
async fn pages_of_a_list_follow_each_other_in_any_process() {
    let (app, ana) = app().await;
    let tape = (0..40).fold(Tape::new(), |tape, at| match at % 3 {
        0 => tape.with(&format!("F{at}"), &[("credit_score", "500")]),
        _ => tape.with(&format!("G{at}"), &[("ltv_ratio", ["80", "75", "60", ""][at % 4])]),
    });
    let id = app.ended(&ana, &tape).await;
    for query in
        ["credit_score=..600", "ltv_ratio=60..75", "sort=ltv_ratio", "sort=-credit_score&search=F", "exception_type=credit_score"]
    {
        let first = format!("/api/loans?run_id={id}&{query}");
        let all = app.read(&ana, &first).await;
        for limit in [1, 7, 39, 41] {
            assert_eq!(json!(followed(&app, &ana, &format!("{first}&limit={limit}")).await), all, "{query} {limit}");
        }
        // A process that has not found the list goes on from the cursor.
        let page = app.get(&format!("{first}&limit=5")).by(&ana).send().await;
        let next = page.next().unwrap();
        assert!(next.contains("after="), "{next}");
        let (here, there) = (app.get(&next).by(&ana).send().await, app.on_lambda().get(&next).by(&ana).send().await);
        assert_eq!((here.expect(200), here.total()), (there.expect(200), there.total()), "{query}");
        assert_eq!(here.total(), Some(all.as_array().unwrap().len() as u64));
        let skipped = app.get(&format!("{first}&skip=5&limit=5")).by(&ana).send().await;
        assert_eq!((skipped.expect(200), skipped.total()), (here.json(), here.total()), "{query}");
    }
}

#[tokio::test]
async fn a_loan_shows_only_the_fields_that_are_wanted() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &varied()).await;
    let loans = app.read(&ana, &format!("/api/loans?run_id={id}&fields=ltv_ratio&fields=seller_loan_number&limit=1")).await;
    assert_eq!(loans, json!([{"seller_loan_number": "L-1", "ltv_ratio": 85, "row": 0}]));
    let loans = app.read(&ana, &format!("/api/loans?run_id={id}&fields=nothing&search=L-")).await;
    assert_eq!(loans, json!([{"row": 0}, {"row": 1}]));
}

#[tokio::test]
async fn exceptions_are_listed_by_the_filters_of_their_loans() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &varied()).await;
    let types = async |query: &str| {
        let answer = app.get(&format!("/api/exceptions?run_id={id}&{query}")).by(&ana).send().await;
        let exceptions = answer.expect(200);
        assert_eq!(answer.total(), Some(exceptions.as_array().unwrap().len() as u64), "{query}");
        let pair = |exception: &Value| format!("{} {}", exception["row"], exception["exception_type"].as_str().unwrap());
        exceptions.as_array().unwrap().iter().map(pair).collect::<Vec<_>>()
    };
    assert_eq!(types("ltv_ratio=97.5..").await, ["1 ltv_ratio", "3 ltv_ratio", "3 credit_score"]);
    assert_eq!(types("ltv_ratio=97.5..&exception_type=ltv_ratio&excess=..1").await, ["1 ltv_ratio"]);
    assert_eq!(types("only_reason=ltv_ratio").await, ["1 ltv_ratio", "5 ltv_ratio"]);
    assert_eq!(types("search=M-2&severity=hard&exception_category=credit").await, ["3 ltv_ratio", "3 credit_score"]);
    assert_eq!(types("disposition=to_purchase").await, [""; 0]);
    let file = app.get(&format!("/api/exceptions/export?run_id={id}&format=csv&search=L-")).by(&ana).send().await;
    assert_eq!(file.text().lines().count(), 2, "{}", file.text());
    let pages = followed(&app, &ana, &format!("/api/exceptions?run_id={id}&disposition=rejected&limit=1")).await;
    assert_eq!(json!(pages), app.read(&ana, &format!("/api/exceptions?run_id={id}")).await);
}

#[tokio::test]
async fn filters_of_loans_need_a_run() {
    let (app, ana) = app().await;
    app.ended(&ana, &mixed()).await;
    let answer = app.get("/api/exceptions?ltv_ratio=80..&search=A&only_reason=ltv_ratio&severity=hard").by(&ana).send().await;
    assert_eq!(answer.problem(422), "invalid_input");
    let named: Vec<Value> = each(&answer.json()["errors"], "loc").into_iter().cloned().collect();
    assert_eq!(named, [json!(["query", "ltv_ratio"]), json!(["query", "search"]), json!(["query", "only_reason"])]);
}

#[tokio::test]
async fn what_is_no_filter_is_named() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &Tape::of_good(1)).await;
    for (query, name) in [
        ("ltv_ratio=80-85", "ltv_ratio"),
        ("ltv_ratio=..", "ltv_ratio"),
        ("ltv_ratio=80...85", "ltv_ratio"),
        ("ltv_ratio=", "ltv_ratio"),
        ("ltv_ratio=80&ltv_ratio=85", "ltv_ratio"),
        ("dscr=1,25", "dscr"),
        ("property_type=sfr,,condo", "property_type"),
        ("disposition=rejected,bought", "disposition"),
        ("search=", "search"),
        ("excess=..1", "excess"),
        ("excess=missing&exception_type=ltv_ratio", "excess"),
        ("sort=price", "sort"),
        ("sort=%2Bltv_ratio", "sort"),
        ("fields=", "fields"),
        ("exception_typ=ltv_ratio", "exception_typ"),
        ("after=WzFd", "after"),
    ] {
        let answer = app.get(&format!("/api/loans?run_id={id}&{query}")).by(&ana).send().await;
        assert_eq!(answer.problem(422), "invalid_input", "{query}");
        assert_eq!(answer.json()["errors"][0]["loc"], json!(["query", name]), "{query}");
    }
}

#[tokio::test]
async fn a_filter_tells_nothing_about_another_teams_loans() {
    let (app, ana) = app().await;
    let (wes, eve) = (member(&app, "West").await, member(&app, "East").await);
    let id = app.ended(&wes, &varied()).await;
    let address = format!("/api/loans?run_id={id}&only_reason=ltv_ratio&sort=ltv_ratio");
    assert_eq!(app.read(&ana, &address).await, app.read(&wes, &address).await);
    for address in [address, format!("/api/exceptions?run_id={id}&search=L-")] {
        let answer = app.get(&address).by(&eve).send().await;
        assert_eq!((answer.problem(404), answer.total()), ("not_found".to_owned(), None));
    }
}
