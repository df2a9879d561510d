//! Pages of loans.

use shared::auth::permission::Role;

use crate::support::app::{Tape, TestApp, each};

#[tokio::test]
async fn test_default_pagination() {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let id = app.ended(&ana, &Tape::of_good(130)).await;
    let page = app.get(&format!("/api/loans?run_id={id}")).by(&ana).send().await;
    let loans = page.expect(200);
    assert_eq!((loans.as_array().unwrap().len(), page.total()), (100, Some(130)));
    assert_eq!((&loans[0]["seller_loan_number"], &loans[99]["seller_loan_number"]), (&"L-00000".into(), &"L-00099".into()));
    let rest = app.get(&page.next().unwrap()).by(&ana).send().await;
    assert_eq!((each(&rest.expect(200), "line")[0], rest.next()), (&102.into(), None));
}

#[tokio::test]
async fn test_disposition_filter_with_pagination() {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let id = app.populated_run(&ana).await;
    for (disposition, from, count) in [("to_purchase", 0, 70), ("rejected", 70, 20), ("projected", 90, 10)] {
        let (mut next, mut found) = (Some(format!("/api/loans?run_id={id}&disposition={disposition}&limit=8")), Vec::new());
        while let Some(address) = next {
            let page = app.get(&address).by(&ana).send().await;
            assert_eq!(page.total(), Some(count), "{disposition}");
            found.extend(
                each(&page.expect(200), "seller_loan_number").into_iter().map(|number| number.as_str().unwrap().to_owned()),
            );
            next = page.next();
        }
        let expected: Vec<String> = (from..from + count).map(|at| format!("L-{at:05}")).collect();
        assert_eq!(found, expected, "{disposition}");
    }
}
