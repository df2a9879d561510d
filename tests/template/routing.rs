//! The function to which API Gateway routes a request.

use std::collections::BTreeSet;

use api::routes::Api;
use local::FUNCTIONS;
use serde_json::json;
use stores::resources::Resources;

use crate::support::app::TestApp;

use super::document::{Template, functions, resource_of};

/// A route of the gateway: its method or `ANY`, its path, and its function. The default route has neither method nor path.
type Route = (String, String, String);

fn routes(template: &Template) -> Vec<Route> {
    let mut routes = Vec::new();
    for function in functions() {
        for event in template.resource(&format!("{function}Function"))["Events"].as_object().unwrap().values() {
            if event["Type"] == "HttpApi" {
                let properties = &event["Properties"];
                assert_eq!(properties["ApiId"], json!({"Ref": "Api"}));
                let text = |name: &str| properties[name].as_str().unwrap_or_default().to_owned();
                routes.push((text("Method"), text("Path"), function.clone()));
            }
        }
    }
    routes
}

/// Every function's own routes.
fn apis(resources: &Resources) -> impl Iterator<Item = (String, Api)> {
    FUNCTIONS.into_iter().map(|(function, api)| (resource_of(function), api(resources)))
}

/// The function that gets a request. An exact path wins over one that takes the rest of a path, and the request's own method
/// wins over `ANY`. Otherwise the default route gets the request.
fn goes_to<'r>(routes: &'r [Route], method: &str, path: &str) -> &'r str {
    let matches = |of: &str, greedy: bool| {
        let (of, path): (Vec<&str>, Vec<&str>) = (of.split('/').collect(), path.split('/').collect());
        let takes_rest = of.last().is_some_and(|part| part.ends_with("+}"));
        let same = |(of, part): (&&str, &&str)| of == part || (of.starts_with('{') && !part.is_empty());
        let enough = if takes_rest { path.len() >= of.len() } else { path.len() == of.len() };
        greedy == takes_rest && enough && of.iter().zip(&path).all(same)
    };
    let rank = |(of_method, of_path, _): &&Route| {
        let exact = [false, true].into_iter().position(|greedy| matches(of_path, greedy))?;
        let fixed = of_path.split('/').filter(|part| !part.starts_with('{')).count();
        let any = ["ANY", method].iter().position(|of| of == of_method)?;
        Some((usize::MAX - exact, any, fixed))
    };
    let best = routes.iter().filter_map(|route| Some((rank(&route)?, &route.2))).max_by_key(|(rank, _)| *rank);
    let last_resort = || routes.iter().find(|(method, path, _)| method.is_empty() && path.is_empty()).unwrap();
    best.map_or_else(|| &last_resort().2, |(_, function)| function)
}

#[tokio::test]
async fn the_routes_are_those_of_the_code() {
    let app = TestApp::new().await;
    let template = Template::read();
    let routes = routes(&template);
    for (function, api) in apis(&app.resources) {
        // The gateway has its own notation for the rest of a path.
        let gateway = |path: &str| path.split_once("{*").map_or(path.to_owned(), |(before, _)| format!("{before}{{proxy+}}"));
        let coded: BTreeSet<String> = api.table.iter().map(|route| format!("{} {}", route.verb, gateway(&route.path))).collect();
        let named = routes.iter().filter(|(method, path, of)| *of == function && method != "ANY" && !path.is_empty());
        assert_eq!(named.map(|(method, path, _)| format!("{method} {path}")).collect::<BTreeSet<_>>(), coded, "{function}");
    }
    assert!(routes.iter().all(|(.., function)| function != "Runner"));
}

#[tokio::test]
async fn whatever_is_asked_of_a_path_gets_to_the_function_that_has_it() {
    let app = TestApp::new().await;
    let routes = routes(&Template::read());
    for (function, api) in apis(&app.resources) {
        for route in &api.table {
            let filled = route.path.split('/').map(|part| match part {
                part if part.starts_with("{*") => "folder/x.csv",
                part if part.starts_with('{') => "7",
                part => part,
            });
            let path = filled.collect::<Vec<_>>().join("/");
            // The code answers HEAD like GET, and answers 405 for methods that it does not take.
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                assert_eq!(goes_to(&routes, method, &path), function, "{method} {path}");
            }
        }
    }
    // Folders whose names are also names of routes.
    for path in ["/api/files/list", "/api/files/upload", "/api/files/download/x", "/api/files/url/x/y"] {
        assert_eq!(goes_to(&routes, "DELETE", path), "Files");
    }
    for path in ["/nothing", "/api", "/api/nothing/7", "/health/nothing"] {
        assert_eq!(goes_to(&routes, "GET", path), "Health", "{path}");
    }
}

#[test]
fn throttled_routes_are_routes_and_logging_in_is_the_dearest() {
    let template = Template::read();
    let api = template.resource("Api");
    assert_eq!(api["StageName"], "$default");
    let routes: BTreeSet<String> = routes(&template).into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let limit = |settings: &serde_json::Value| settings["ThrottlingRateLimit"].as_u64().unwrap();
    for (route, settings) in api["RouteSettings"].as_object().unwrap() {
        assert!(routes.contains(route), "{route}");
        assert!(limit(settings) < limit(&api["DefaultRouteSettings"]), "{route}");
    }
    assert!(limit(&api["RouteSettings"]["POST /api/auth/login"]) <= 10);
}
