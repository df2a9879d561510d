//! The AWS template, checked against the code that it deploys.

pub mod document;
mod machine;
mod rights;
mod routing;

use std::{cell::RefCell, collections::BTreeSet};

use aws_sdk_dynamodb::types::{KeySchemaElement, ProjectionType};
use serde_json::{Value, json};
use stores::{config::Config, keys, start_run::incoming};

use crate::support::app::TestApp;

use self::document::{Template, functions, texts};

/// Variables of the runner only: the size from which a run is executed in parts, and the size of a part.
const OF_THE_RUNNER: [&str; 2] = ["DISTRIBUTE_ABOVE_BYTES", "PART_BYTES"];
/// Variables that only a stand-in for AWS needs.
const OF_STAND_INS: [&str; 3] = ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// Variables that only `serve` uses; on AWS, presigned URLs name the host of S3.
const OF_SERVE: [&str; 1] = ["PUBLIC_URL"];

#[test]
fn each_function_gets_the_environment_that_its_code_reads_and_nothing_else() {
    let template = Template::read();
    let asked = RefCell::new(BTreeSet::new());
    let config = Config::from_lookup(|name| {
        asked.borrow_mut().insert(name.to_owned());
        Some("0123456789abcdef0123456789abcdef".to_owned())
    });
    assert!(config.is_err(), "no text is good for all of them");
    let mut read = asked.into_inner();
    read.retain(|name| !OF_STAND_INS.contains(&name.as_str()));
    for name in OF_THE_RUNNER.into_iter().chain(OF_SERVE) {
        assert!(read.remove(name), "{name}");
    }
    for function in functions() {
        let mut expected = read.clone();
        if function == "Runner" {
            expected.extend(OF_THE_RUNNER.map(str::to_owned));
        }
        let given: BTreeSet<String> = template.environment(&function).keys().cloned().collect();
        assert_eq!(given, expected, "{function}");
    }
    let shared = template.environment("Auth");
    assert_eq!(shared["TABLE_NAME"], json!({"Ref": "Table"}));
    assert_eq!(shared["BUCKET_NAME"], template.resource("Bucket")["BucketName"]);
    assert!(shared["JWT_SECRET"]["Fn::Sub"].as_str().unwrap().starts_with("{{resolve:secretsmanager:${JwtSecret}:"));
}

#[test]
fn parameters_allow_what_the_configuration_allows() {
    let template = Template::read();
    let of = |name: &str| template.0["Parameters"][name].clone();
    let good = |name: &str, value: &Value| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let pairs = [("TABLE_NAME", "t"), ("BUCKET_NAME", "b"), ("JWT_SECRET", "0123456789abcdef0123456789abcdef")];
        Config::from_lookup(|asked| {
            let given = pairs.iter().find(|(known, _)| *known == asked).map(|(_, value)| (*value).to_owned());
            if asked == name { Some(value.clone()) } else { given }
        })
        .is_ok()
    };
    for (parameter, name) in [("Environment", "ENVIRONMENT"), ("LogLevel", "LOG_LEVEL")] {
        let allowed = of(parameter)["AllowedValues"].as_array().unwrap().clone();
        assert!(allowed.iter().all(|value| good(name, value)), "{parameter}");
        assert!(allowed.contains(&of(parameter)["Default"]), "{parameter}");
    }
    let minutes = of("AccessTokenMinutes");
    assert!(good("ACCESS_TOKEN_MINUTES", &minutes["MinValue"]) && good("ACCESS_TOKEN_MINUTES", &minutes["MaxValue"]));
    assert!(!good("ACCESS_TOKEN_MINUTES", &json!(minutes["MaxValue"].as_u64().unwrap() + 1)));
    assert_eq!(minutes["Default"], stores::config::DEFAULT_TOKEN_MINUTES);
    let length = &template.resource("JwtSecret")["GenerateSecretString"]["PasswordLength"];
    assert!(length.as_u64().unwrap() >= shared::auth::secret::MIN_SECRET_BYTES as u64);
}

#[tokio::test]
async fn the_table_is_the_one_that_the_code_makes_elsewhere() {
    let template = Template::read();
    let table = template.resource("Table");
    let app = TestApp::new().await;
    let (client, name) = (&app.resources.table.client, &app.resources.table.name);
    let made = client.describe_table().table_name(name).send().await.unwrap().table.unwrap();

    let keys_of = |schema: &[KeySchemaElement]| -> Value {
        let key = |key: &KeySchemaElement| json!({"AttributeName": key.attribute_name(), "KeyType": key.key_type().as_str()});
        schema.iter().map(key).collect()
    };
    assert_eq!(table["KeySchema"], keys_of(made.key_schema()));
    let attribute = |value: &Value| format!("{} {}", value["AttributeName"], value["AttributeType"]);
    let given: BTreeSet<String> = table["AttributeDefinitions"].as_array().unwrap().iter().map(attribute).collect();
    let defined = made.attribute_definitions().iter();
    let defined = defined.map(|is| format!("{:?} {:?}", is.attribute_name(), is.attribute_type().as_str()));
    assert_eq!(given, defined.collect());
    let indexes = table["GlobalSecondaryIndexes"].as_array().unwrap();
    assert_eq!(indexes.len(), made.global_secondary_indexes().len());
    for index in made.global_secondary_indexes() {
        let given = indexes.iter().find(|given| given["IndexName"] == index.index_name().unwrap()).unwrap();
        assert_eq!(given["KeySchema"], keys_of(index.key_schema()));
        let all = index.projection().and_then(|projection| projection.projection_type()) == Some(&ProjectionType::All);
        assert_eq!(given["Projection"]["ProjectionType"] == "ALL", all);
    }
    assert_eq!(table["TimeToLiveSpecification"], json!({"AttributeName": keys::EXPIRES_AT, "Enabled": true}));

    assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(table["DeletionProtectionEnabled"], true);
    assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
    assert_eq!(table["SSESpecification"]["SSEEnabled"], true);
    assert_eq!(table["StreamSpecification"]["StreamViewType"], "NEW_IMAGE");
}

#[test]
fn the_bucket_is_private_and_keeps_versions_and_forgets_what_is_to_be_forgotten() {
    let template = Template::read();
    let bucket = template.resource("Bucket");
    let blocked = bucket["PublicAccessBlockConfiguration"].as_object().unwrap();
    assert!(blocked.len() == 4 && blocked.values().all(|blocked| blocked == true), "{blocked:?}");
    assert_eq!(bucket["VersioningConfiguration"]["Status"], "Enabled");
    // With another key, the ETag of an object would not be a hash of its bytes.
    let encryption = &bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"];
    assert_eq!(encryption["SSEAlgorithm"], "AES256");
    let rule = |prefix: &str| {
        let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().unwrap();
        rules.iter().find(|rule| rule["Prefix"] == prefix).unwrap_or_else(|| panic!("{prefix}")).clone()
    };
    assert_eq!(rule(&format!("{}/", keys::ANSWERS))["ExpirationInDays"], 1);
    assert_eq!(rule(&format!("{}/", keys::REQUESTS))["ExpirationInDays"], 30);
    let tried_out = format!("{}/", keys::TRIED_OUT.split('/').next().unwrap());
    assert_eq!(rule(&tried_out)["NoncurrentVersionExpiration"]["NoncurrentDays"], 1);
    let run = uuid::Uuid::nil();
    for folder in [keys::outputs(run), keys::results(run), keys::archive(run)] {
        let top = folder.split('/').next().unwrap();
        assert_eq!(rule(&format!("{top}/"))["ExpirationInDays"], json!({"Ref": "RunRetentionDays"}));
    }
    let denied = &template.resource("BucketPolicy")["PolicyDocument"]["Statement"][0];
    assert_eq!((&denied["Effect"], &denied["Action"]), (&json!("Deny"), &json!("s3:*")));
    assert_eq!(denied["Condition"]["Bool"]["aws:SecureTransport"], "false");
    for kept in ["Table", "Bucket"] {
        assert_eq!(template.0["Resources"][kept]["DeletionPolicy"], "Retain");
    }
}

#[test]
fn the_runner_is_told_of_every_key_that_may_start_a_run() {
    let template = Template::read();
    let events = template.resource("RunnerFunction")["Events"].as_object().unwrap().clone();
    let told = |key: &str| {
        events.values().filter(|event| event["Properties"]["Bucket"] == json!({"Ref": "Bucket"})).any(|event| {
            assert_eq!(event["Properties"]["Events"], "s3:ObjectCreated:*");
            let rules = event["Properties"]["Filter"]["S3Key"]["Rules"].as_array().unwrap();
            assert!(rules.iter().all(|rule| rule["Name"] == "prefix"));
            rules.iter().all(|rule| key.starts_with(rule["Value"].as_str().unwrap()))
        })
    };
    let team = uuid::Uuid::from_u128(7);
    let starting = ["a.csv", "2026/b.XLSX", "offer.pdf", "loans.zip", "tape"].map(|name| format!("inputs/incoming/{name}"));
    let of_team = ["c.csv", "offer.pdf"].map(|name| format!("inputs/teams/{team}/incoming/{name}"));
    for key in starting.into_iter().chain(of_team) {
        assert!(incoming(&key).is_some() && told(&key), "{key}");
    }
    for key in ["inputs/march/a.csv", "inputs/march/incoming/a.csv", "outputs/incoming/a.csv", "archive/x/input/a.csv"] {
        assert!(incoming(key).is_none() && !told(key), "{key}");
    }
}

#[test]
fn each_function_is_built_from_its_folder_and_watched() {
    let template = Template::read();
    let globals = &template.0["Globals"]["Function"];
    assert_eq!((&globals["Runtime"], &globals["Handler"]), (&json!("provided.al2023"), &json!("bootstrap")));
    assert_eq!((&globals["Architectures"], &globals["Tracing"]), (&json!([{"Ref": "Architecture"}]), &json!("Active")));
    // API Gateway gives up after thirty seconds.
    assert!(globals["Timeout"].as_u64().unwrap() < 30);
    for function in functions() {
        let (resource, name) = (format!("{function}Function"), function.to_lowercase());
        let (whole, properties) = (&template.0["Resources"][&resource], template.resource(&resource));
        assert_eq!(whole["Metadata"]["BuildMethod"], "rust-cargolambda");
        assert_eq!(whole["Metadata"]["BuildProperties"]["Binary"], name);
        assert_eq!(properties["CodeUri"], format!("functions/{name}"));
        assert!(properties["MemorySize"].is_u64(), "{function}");
        assert_eq!(properties["Timeout"].is_null(), function != "Runner", "{function}");

        let logs = template.resource(&format!("{function}Logs"));
        assert_eq!(properties["LoggingConfig"]["LogGroup"], json!({"Ref": format!("{function}Logs")}));
        assert_eq!(logs["RetentionInDays"], json!({"Ref": "LogRetentionDays"}));
        let alarm = template.resource(&format!("{function}Alarm"));
        let watched = alarm["Metrics"].as_array().unwrap().iter().map(|metric| &metric["MetricStat"]["Metric"]);
        let watched: Vec<&Value> = watched.filter(|metric| !metric.is_null()).collect();
        let names: Vec<&str> = watched.iter().map(|metric| metric["MetricName"].as_str().unwrap()).collect();
        assert_eq!(names, ["Errors", "Throttles"]);
        assert!(watched.iter().all(|metric| metric["Dimensions"][0]["Value"] == json!({"Ref": resource})), "{function}");
    }
    for alarm in template.of_type("AWS::CloudWatch::Alarm") {
        let actions = json!([{"Fn::If": ["HasAlarmEmail", {"Ref": "AlarmTopic"}, {"Ref": "AWS::NoValue"}]}]);
        assert_eq!(template.resource(&alarm)["AlarmActions"], actions, "{alarm}");
    }
    for queue in template.of_type("AWS::SQS::Queue") {
        assert_eq!(template.resource(&queue)["SqsManagedSseEnabled"], true);
        let metric = &template.resource(&format!("{queue}Alarm"))["Dimensions"][0]["Value"];
        assert_eq!(metric, &json!({"Fn::GetAtt": [queue, "QueueName"]}));
    }
}

#[test]
fn failed_runs_are_counted_by_the_line_that_the_runner_logs() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../functions/runner/src");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap());
    let line = "a run failed";
    assert_eq!(files.collect::<String>().matches(&format!(r#""{line}");"#)).count(), 1, "the runner logs {line}, in one place");
    assert_eq!(Template::read().resource("FailedRunsMetric")["FilterPattern"], format!(r#"{{ $.message = "{line}" }}"#));
}

#[test]
fn everything_that_the_outputs_name_is_there() {
    let template = Template::read();
    for (name, output) in template.0["Outputs"].as_object().unwrap() {
        let found = texts(&output["Value"]).into_iter().any(|text| !template.0["Resources"][text].is_null());
        assert!(found, "{name}");
        assert!(output["Description"].is_string(), "{name}");
    }
}

#[test]
fn the_guide_names_every_parameter_and_asks_only_for_outputs_that_there_are() {
    let template = Template::read();
    let guide = include_str!("../docs/DEPLOY.md");
    for parameter in template.0["Parameters"].as_object().unwrap().keys() {
        assert!(guide.contains(parameter.as_str()), "{parameter}");
    }
    for asked in guide.split("$(out ").skip(1) {
        let name = asked.split(')').next().unwrap();
        assert!(template.0["Outputs"][name].is_object(), "{name}");
    }
    for alarm in template.of_type("AWS::CloudWatch::Alarm") {
        let description = template.resource(&alarm)["AlarmDescription"].as_str().unwrap();
        assert!(description.ends_with('.'), "{alarm} says what is wrong, and where to look");
    }
}

#[test]
fn nothing_is_allowed_that_has_a_star_for_an_action() {
    let template = Template::read();
    let machine = template.statements("RunMachine");
    let pipe = template.resource("RunPipeRole")["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap().clone();
    let functions = functions().flat_map(|function| template.statements(&format!("{function}Function")));
    for statement in functions.chain(machine).chain(pipe) {
        assert!(texts(&statement["Action"]).iter().all(|action| !action.contains('*')), "{statement}");
    }
}
