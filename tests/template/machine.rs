//! The state machine, from the stream of the table to the end of a run.

use std::collections::BTreeSet;

use runner::{events::Event, execute::Executed};
use serde_json::{Map, Value, json};
use shared::auth::permission::Role;
use stores::{
    jobs::JobRequest,
    keys::{self, Key},
    runs::{LEASE, LEASE_IN_PARTS},
};
use uuid::Uuid;

use crate::support::app::{Tape, TestApp};

use super::document::{Template, texts};

fn definition(template: &Template) -> &Value {
    &template.resource("RunMachine")["Definition"]
}

/// Names and states of a machine and of the machines in its maps.
fn states(machine: &Value) -> Vec<(&str, &Value)> {
    let mut all = Vec::new();
    for (name, state) in machine["States"].as_object().unwrap() {
        all.push((name.as_str(), state));
        if state["Type"] == "Map" {
            all.extend(states(&state["ItemProcessor"]));
        }
    }
    all
}

/// Names of the states that may follow a state.
fn next(state: &Value) -> Vec<&str> {
    let mut next: Vec<&str> = ["Next", "Default"].iter().filter_map(|name| state[name].as_str()).collect();
    for branches in ["Choices", "Catch"] {
        next.extend(state[branches].as_array().into_iter().flatten().map(|branch| branch["Next"].as_str().unwrap()));
    }
    next
}

/// The call of the runner that a task makes, with a sample in place of each value that is known only at run time.
fn call(task: &Value) -> Option<Value> {
    let mut payload = task["Arguments"]["Payload"].as_object()?.clone();
    for (name, value) in &mut payload {
        if value.as_str().is_some_and(|text| text.starts_with("{%")) {
            *value = if name == "part" { json!(0) } else { json!(Uuid::nil()) };
        }
    }
    Some(Value::Object(payload))
}

#[test]
fn every_state_is_reached_and_every_way_ends() {
    let template = Template::read();
    fn check(machine: &Value) {
        let all = machine["States"].as_object().unwrap();
        let mut reached = BTreeSet::new();
        let mut ahead = vec![machine["StartAt"].as_str().unwrap()];
        while let Some(name) = ahead.pop() {
            let state = all.get(name).unwrap_or_else(|| panic!("there is a state {name}"));
            if reached.insert(name) {
                let leads = next(state);
                let ends = state["End"] == true || ["Succeed", "Fail"].contains(&state["Type"].as_str().unwrap());
                assert_eq!(leads.is_empty(), ends, "{name}");
                ahead.extend(leads);
            }
            if state["Type"] == "Map" {
                check(&state["ItemProcessor"]);
            }
        }
        assert_eq!(reached, all.keys().map(String::as_str).collect());
    }
    check(definition(&template));
}

/// The `Catch` of a task whose failures all lead to one state.
fn caught_by(state: &str) -> Value {
    json!([{"ErrorEquals": ["States.ALL"], "Next": state}])
}

#[test]
fn every_task_is_tried_again_and_has_a_time_limit() {
    let template = Template::read();
    let machine = definition(&template);
    let limit = template.resource("RunnerFunction")["Timeout"].as_u64().unwrap();
    let mut tasks = 0;
    for (name, state) in states(machine).into_iter().filter(|(_, state)| state["Type"] == "Task") {
        tasks += 1;
        let retries = state["Retry"].as_array().unwrap_or_else(|| panic!("{name} is tried again"));
        let last = retries.last().unwrap();
        assert_eq!(last["ErrorEquals"], json!(["States.ALL"]), "{name}");
        assert!(retries.iter().all(|retry| retry["BackoffRate"].as_f64().unwrap() > 1.0), "{name}");
        let patience = state["TimeoutSeconds"].as_u64().unwrap();
        assert!(call(state).is_none() || patience > limit, "{name} waits for as long as the function may work");
        // `Process` has no `Catch` of its own: the failure of a part is a failure of the map.
        if name == "Process" {
            continue;
        }
        let caught = match name {
            "GiveUp" => "Patience",
            "MakeFile" => "NotMade",
            _ => "Rest",
        };
        assert_eq!(state["Catch"], caught_by(caught), "{name}");
        if ["MakeFile", "Plan", "Execute", "Finish"].contains(&name) {
            let wait = last["IntervalSeconds"].as_i64().unwrap();
            assert!(wait > LEASE.as_secs(), "{name}: a worker that died keeps its run until the lease has run out");
        }
    }
    assert_eq!(tasks, 7);
    let map = &machine["States"]["ProcessParts"];
    assert_eq!(map["Catch"], caught_by("Rest"));
    assert_eq!(map["ItemProcessor"]["ProcessorConfig"]["Mode"], "DISTRIBUTED");
    assert!(machine["States"]["Wait"]["Seconds"].as_i64().unwrap() > LEASE.as_secs());
}

#[test]
fn the_steps_give_up_last_and_call_the_runner_by_names_that_it_knows() {
    let template = Template::read();
    let steps: Vec<String> = states(definition(&template))
        .into_iter()
        .filter_map(|(_, state)| call(state))
        .map(|call| call["step"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(steps, ["make", "plan", "execute", "process", "finish", "give_up"]);
}

#[test]
fn every_call_is_one_that_the_runner_understands() {
    let template = Template::read();
    for (name, state) in states(definition(&template)) {
        if let Some(call) = call(state) {
            let event: Result<Event, _> = serde_json::from_value(call);
            assert!(event.is_ok(), "{name}: {event:?}");
        }
    }
}

/// Maximum number of seconds that a task takes, with all its attempts.
fn longest(state: &Value) -> u64 {
    let whole = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{value} is a whole number"));
    let mut seconds = whole(&state["TimeoutSeconds"]);
    for retry in state["Retry"].as_array().unwrap() {
        // A throttled call has not begun, so it takes no time of its own.
        let each = if retry["ErrorEquals"] == json!(["States.ALL"]) { whole(&state["TimeoutSeconds"]) } else { 0 };
        let most = retry.get("MaxDelaySeconds").map_or(u64::MAX, whole);
        let waits = (0..whole(&retry["MaxAttempts"]))
            .map(|at| whole(&retry["IntervalSeconds"]) * whole(&retry["BackoffRate"]).pow(at as u32));
        seconds += waits.map(|wait| wait.min(most) + each).sum::<u64>();
    }
    seconds
}

#[test]
fn what_one_worker_does_ends_before_the_execution_runs_out_of_time() {
    let template = Template::read();
    let machine = definition(&template);
    let states = &machine["States"];
    let limit = machine["TimeoutSeconds"].as_u64().unwrap();
    let bound = |name: &str| -> u64 {
        let set = states["Begin"]["Assign"][name].as_str().unwrap();
        set.rsplit_once("+ ").unwrap().1.trim_end_matches(" %}").parse::<u64>().unwrap() / 1000
    };
    // The longest path from the last moment at which each choice still leads to its wait.
    for (choice, name, wait, way) in [
        ("Rest", "last_plan", "Wait", &["Plan", "Execute", "Look", "GiveUp"][..]),
        ("Patience", "last_try", "LongWait", &["Look", "GiveUp"]),
    ] {
        let choices = json!([{"Condition": format!("{{% $millis() <= ${name} %}}"), "Next": wait}]);
        assert_eq!(states[choice]["Choices"], choices);
        assert_eq!(states[wait]["Next"], way[0]);
        let wait = states[wait]["Seconds"].as_u64().unwrap();
        let seconds = bound(name) + wait + way.iter().map(|name| longest(&states[*name])).sum::<u64>();
        assert!(seconds < limit, "{name}: {seconds} of {limit}");
    }
    assert_eq!((&states["Rest"]["Default"], &states["Patience"]["Default"]), (&json!("GiveUp"), &json!("NotEnded")));
}

#[test]
fn a_step_of_a_run_in_parts_ends_within_its_lease() {
    let template = Template::read();
    let limit = template.resource("RunnerFunction")["Timeout"].as_i64().unwrap();
    let wait = &definition(&template)["States"]["Finish"]["Retry"][1]["IntervalSeconds"];
    assert!(limit + wait.as_i64().unwrap() < LEASE_IN_PARTS.as_secs());
}

#[test]
fn a_run_is_given_up_by_whoever_has_it() {
    let template = Template::read();
    let states = &definition(&template)["States"];
    let planned = "{% $states.result.Payload.next = 'process' ? $states.result.Payload.owner : null %}";
    assert_eq!(states["Plan"]["Assign"]["owner"], planned);
    for state in ["Finish", "GiveUp"] {
        assert_eq!(states[state]["Arguments"]["Payload"]["owner"], "{% $owner %}", "{state}");
    }
    assert_eq!(states["ProcessParts"]["ItemSelector"]["owner"], "{% $owner %}");
}

#[test]
fn every_end_that_the_runner_tells_leads_where_it_should() {
    let template = Template::read();
    let states = &definition(&template)["States"];
    let word = |ended: Executed| serde_json::to_value(ended).unwrap().as_str().unwrap().to_owned();
    let [completed, failed, given_up] = [Executed::Completed, Executed::Failed, Executed::GivenUp].map(word);
    let ended = json!({"Condition": format!("{{% $states.input.ended in ['{completed}', '{failed}'] %}}"), "Next": "Ended"});
    let gave_up = json!({"Condition": format!("{{% $states.input.ended = '{given_up}' %}}"), "Next": "GivenUp"});
    assert_eq!(states["HasEnded"]["Choices"], json!([ended, gave_up]));
    assert_eq!(states["WasGivenUp"]["Choices"], json!([gave_up]));
    assert_eq!((&states["HasEnded"]["Default"], &states["WasGivenUp"]["Default"]), (&json!("Look"), &json!("Patience")));
}

/// Whether an EventBridge pattern lets an event through. Each member of a pattern is a list of values or a nested pattern.
fn lets_through(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(members) => members.iter().all(|(name, pattern)| lets_through(pattern, &event[name])),
        Value::Array(values) => values.contains(event),
        _ => panic!("{pattern} is no pattern"),
    }
}

/// An item as the stream reports it.
async fn told(app: &TestApp, key: &Key) -> Value {
    let item = app.resources.table.get(key).await.unwrap().unwrap();
    let texts = item.into_iter().filter_map(|(name, value)| Some((name, json!({"S": value.as_s().ok()?}))));
    json!({"eventName": "INSERT", "dynamodb": {"NewImage": Value::Object(texts.collect::<Map<_, _>>())}})
}

#[tokio::test]
async fn a_new_pending_run_or_job_starts_an_execution_and_nothing_else_does() {
    let template = Template::read();
    let pipe = template.resource("RunPipe");
    let pattern = pipe["SourceParameters"]["FilterCriteria"]["Filters"][0]["Pattern"].as_str().unwrap();
    let pattern: Value = serde_json::from_str(pattern).unwrap();
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let id: Uuid = app.pending(&ana, &Tape::of_good(1)).await.parse().unwrap();

    let new = told(&app, &keys::run(id)).await;
    assert!(lets_through(&pattern, &new), "{new}");
    let mut changed = new.clone();
    changed["eventName"] = json!("MODIFY");
    assert!(!lets_through(&pattern, &changed));
    for key in [keys::run_request(id), keys::user(ana.user.id), keys::username("ana")] {
        assert!(!lets_through(&pattern, &told(&app, &key).await), "{key:?}");
    }
    app.work().await;
    assert!(!lets_through(&pattern, &told(&app, &keys::run(id)).await), "a run that was brought back from a backup has ended");

    let zip = JobRequest::ArchiveZip { run_id: id };
    app.resources.jobs().ask(&zip, app.resources.clock.now()).await.unwrap();
    let job = told(&app, &keys::job(zip.id())).await;
    assert!(lets_through(&pattern, &job), "{job}");
    assert_eq!(job["dynamodb"]["NewImage"]["pk"]["S"], format!("JOB#{}", zip.id()));
    let states = &definition(&template)["States"];
    let of_job = json!([{"Condition": "{% $contains($states.input[0].key, 'JOB#') %}", "Next": "MakeFile"}]);
    assert_eq!((&states["RunOrJob"]["Choices"], &states["RunOrJob"]["Default"]), (&of_job, &json!("Begin")));
    let job_id = &states["MakeFile"]["Arguments"]["Payload"]["job_id"];
    assert_eq!(job_id, "{% $substringAfter($states.input[0].key, 'JOB#') %}");

    // The execution gets the key of the item and takes the run's id out of it.
    assert_eq!(pipe["TargetParameters"]["InputTemplate"], r#"{"key": <$.dynamodb.NewImage.pk.S>}"#);
    assert_eq!(new["dynamodb"]["NewImage"]["pk"]["S"], format!("RUN#{id}"));
    let begin = &definition(&template)["States"]["Begin"]["Assign"]["run_id"];
    assert_eq!(begin, "{% $substringAfter($states.input[0].key, 'RUN#') %}");
    let key = &definition(&template)["States"]["Look"]["Arguments"]["Key"];
    assert_eq!(key, &json!({"pk": {"S": "{% 'RUN#' & $run_id %}"}, "sk": {"S": keys::run(id).sk}}));
}

#[test]
fn everything_that_the_machine_is_given_is_used_and_nothing_else() {
    let template = Template::read();
    let given: BTreeSet<String> =
        template.resource("RunMachine")["DefinitionSubstitutions"].as_object().unwrap().keys().cloned().collect();
    let used =
        texts(definition(&template)).into_iter().filter_map(|text| Some(text.split_once("${")?.1.split_once('}')?.0.to_owned()));
    assert_eq!(used.collect::<BTreeSet<_>>(), given);
}
