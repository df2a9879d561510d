//! What a sales team sees, and what only administrators may change.

use http::Method;
use serde_json::Value;
use shared::auth::{permission::Role, user::SalesTeam};

use super::{completed_run, everything, listed, upload};
use crate::{
    faults::calls_of,
    support::app::{Person, TestApp},
};

/// Two teams with a member each, and an administrator.
async fn teams() -> (TestApp, [SalesTeam; 2], [Person; 2], Person) {
    let app = TestApp::new().await;
    let (west, east) = (app.team("West").await, app.team("East").await);
    let wes = app.person("wes", Role::SalesTeam, Some(west.id)).await;
    let eva = app.person("eva", Role::SalesTeam, Some(east.id)).await;
    let root = app.person("root", Role::Admin, None).await;
    (app, [west, east], [wes, eva], root)
}

#[tokio::test]
async fn the_root_of_a_team_is_its_own_folder() {
    let (app, [west, _], [wes, eva], root) = teams().await;
    let stored = upload(&app, &wes, "?path=a", "tape.csv", "west").await.expect(200);
    assert_eq!(stored["path"], "a/tape.csv");
    assert_eq!(app.text(&format!("inputs/teams/{}/a/tape.csv", west.id)).await, "west");
    app.put("inputs/everybodys.csv", "x").await;
    assert_eq!(listed(&app, &wes, "?recursive=true").await, ["a/", "a/tape.csv"]);
    assert_eq!(listed(&app, &eva, "?recursive=true").await, [""; 0]);
    assert_eq!(listed(&app, &root, "").await, ["everybodys.csv", "teams/"]);
    let download = app.get("/api/files/download/a/tape.csv").by(&wes).send().await;
    assert_eq!(download.text(), "west");
}

#[tokio::test]
async fn nothing_above_or_beside_the_own_root_can_be_named() {
    let (app, [west, east], [_, eva], _) = teams().await;
    app.put(&format!("inputs/teams/{}/tape.csv", west.id), "west").await;
    app.put(&format!("output_share/teams/{}/tape.csv", west.id), "west").await;
    app.put("inputs/tape.csv", "nobody").await;
    let before = everything(&app).await;
    for area in ["inputs", "output_share"] {
        for path in [format!("teams/{}/tape.csv", west.id), "tape.csv".to_owned(), format!("{}/tape.csv", west.id)] {
            for (method, address) in [(Method::GET, "download/"), (Method::GET, "url/"), (Method::DELETE, "")] {
                let address = format!("/api/files/{address}{path}?area={area}");
                assert_eq!(app.call(method, &address).by(&eva).send().await.problem(404), "not_found", "{address}");
            }
            assert_eq!(listed(&app, &eva, &format!("?area={area}&path={path}")).await, [""; 0]);
        }
        for path in [format!("../{}/tape.csv", west.id), format!("/teams/{}", west.id), format!("a/../../{}", east.id)] {
            let answer = app.get(&format!("/api/files/list?area={area}&path={path}")).by(&eva).send().await;
            assert_eq!(answer.problem(400), "bad_path", "{path}");
        }
    }
    assert_eq!(everything(&app).await, before);
}

#[tokio::test]
async fn an_address_to_put_to_leads_into_the_own_root() {
    let (app, [west, _], [wes, _], _) = teams().await;
    let url = app.get("/api/files/url/incoming/t.csv?method=put").by(&wes).send().await.expect(200);
    assert_eq!(url["path"], "incoming/t.csv");
    let address = url["url"].as_str().unwrap();
    assert!(address.contains(&format!("/inputs/teams/{}/incoming/t.csv?", west.id)), "{address}");
}

#[tokio::test]
async fn a_teams_list_of_the_outputs_reads_the_folders_of_its_runs_and_no_others() {
    let (app, [west, east], [wes, _], _) = teams().await;
    for team in [west.id, west.id, east.id] {
        completed_run(&app, Some(team)).await;
    }
    for address in ["?area=outputs", "?area=outputs&recursive=true"] {
        let (_, calls) = calls_of(&app, listed(&app, &wes, address)).await;
        let lists: Vec<_> = calls.made.iter().filter(|(_, asked)| asked.shape.starts_with("LIST")).collect();
        assert!(lists.len() == 2 && lists.iter().all(|(_, list)| list.shape.ends_with("prefix=outputs%2F{id}%2F")), "{lists:?}");
    }
}

#[tokio::test]
async fn of_the_outputs_a_team_sees_those_of_its_runs() {
    let (app, [west, east], [wes, _], root) = teams().await;
    let own = completed_run(&app, Some(west.id)).await;
    let [of_east, of_nobody] = [completed_run(&app, Some(east.id)).await, completed_run(&app, None).await];
    app.put("outputs/notes.txt", "x").await;
    assert_eq!(listed(&app, &wes, "?area=outputs").await, [format!("{own}/")]);
    let all = listed(&app, &wes, "?area=outputs&recursive=true").await;
    assert!(all.len() == 5 && all.iter().all(|path| path.starts_with(&own.to_string())), "{all:?}");
    assert_eq!(listed(&app, &wes, &format!("?area=outputs&path={own}")).await.len(), 4);
    assert_eq!(listed(&app, &root, "?area=outputs").await.len(), 4);
    for other in [of_east, of_nobody] {
        assert_eq!(listed(&app, &wes, &format!("?area=outputs&path={other}")).await, [""; 0]);
    }
}

#[tokio::test]
async fn an_output_of_another_team_is_as_if_it_were_not_there() {
    let (app, [west, east], [wes, _], _) = teams().await;
    let [own, other] = [completed_run(&app, Some(west.id)).await, completed_run(&app, Some(east.id)).await];
    let mut details: Vec<Value> = Vec::new();
    for kind in ["download", "url"] {
        let ask = |path: String| app.get(&format!("/api/files/{kind}/{path}?area=outputs")).by(&wes).send();
        ask(format!("{own}/purchase_tape.csv")).await;
        for path in [format!("{other}/purchase_tape.csv"), format!("{other}/absent.csv"), "absent/purchase_tape.csv".to_owned()] {
            let answer = ask(path).await;
            assert_eq!(answer.problem(404), "not_found");
            details.push(answer.json()["detail"].clone());
        }
    }
    details.dedup();
    assert_eq!(details.len(), 1, "{details:?}");
    let download = app.get(&format!("/api/files/download/{own}/purchase_tape.csv?area=outputs")).by(&wes).send().await;
    assert!(download.text().contains("\n001,"), "{}", download.text());
}

#[tokio::test]
async fn only_administrators_change_the_outputs() {
    let (app, [west, _], [wes, _], root) = teams().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let run = completed_run(&app, Some(west.id)).await;
    let before = everything(&app).await;
    for person in [&wes, &ana] {
        let file = format!("{run}/purchase_tape.csv");
        assert_eq!(upload(&app, person, &format!("?area=outputs&path={file}"), "t.csv", "x").await.problem(403), "forbidden");
        for (method, address) in [
            (Method::DELETE, format!("{file}?area=outputs")),
            (Method::POST, "mkdir?area=outputs&path=new".to_owned()),
            (Method::GET, format!("url/{file}?area=outputs&method=put")),
        ] {
            let answer = app.call(method, &format!("/api/files/{address}")).by(person).send().await;
            assert_eq!(answer.problem(403), "forbidden", "{address}");
        }
    }
    assert_eq!(everything(&app).await, before);
    upload(&app, &root, &format!("?area=outputs&path={run}"), "note.txt", "x").await.expect(200);
    app.delete(&format!("/api/files/{run}/note.txt?area=outputs")).by(&root).send().await.expect(200);
    assert_eq!(everything(&app).await, before);
}

#[tokio::test]
async fn an_analyst_sees_every_team_and_writes_inputs() {
    let (app, [west, _], _, _) = teams().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    app.put(&format!("inputs/teams/{}/tape.csv", west.id), "west").await;
    let path = format!("teams/{}/tape.csv", west.id);
    assert_eq!(app.get(&format!("/api/files/download/{path}")).by(&ana).send().await.text(), "west");
    upload(&app, &ana, "?area=output_share", "a.csv", "x").await.expect(200);
    app.delete(&format!("/api/files/{path}")).by(&ana).send().await.expect(200);
}

#[tokio::test]
async fn somebody_of_no_team_reaches_no_files() {
    let app = TestApp::new().await;
    let nil = app.person("nil", Role::SalesTeam, None).await;
    for address in ["/api/files/list", "/api/files/list?area=outputs", "/api/files/download/a.csv", "/api/files/url/a.csv"] {
        assert_eq!(app.get(address).by(&nil).send().await.problem(403), "forbidden", "{address}");
    }
    assert_eq!(upload(&app, &nil, "", "a.csv", "x").await.problem(403), "forbidden");
}
