//! `loan-engine rules`.

use serde_json::json;

use crate::support::{
    runs::{GOOD_CELLS, HEADER},
    shell::TestShell,
};

const GUIDE: &str = "name = \"guide\"\nversion = \"3\"\n[[rule]]\nname = \"florida_condo\"\n\
                     when = { property_type = [\"condo\"], property_state = [\"FL\"] }\nunless = { loan_purpose = [\"purchase\"] }\n\
                     require = { ltv_ratio = { max = 75 } }\nhard_from = 2027-01-01\n\
                     [applies]\ndti_ratio = { unless = { documentation_type = [\"dscr\"] } }\n\
                     [rules]\nltv_consistency = true\n[projection]\nminimum_price = 98\n";

#[test]
fn a_rule_set_without_mistakes_is_named_with_its_hash() {
    let desk = TestShell::new();
    desk.write("guide.toml", GUIDE);
    let answer = desk.command(&["rules", "check", "guide.toml"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    assert!(answer.out.starts_with("guide 3 has no mistakes: 12 rules, 1 of its own, hash "), "{}", answer.out);
    let answer = desk.command(&["rules", "check", "guide.toml", "--format", "json"]).json();
    assert_eq!(
        (&answer["valid"], &answer["name"], &answer["version"], &answer["mistakes"]),
        (&json!(true), &json!("guide"), &json!("3"), &json!([]))
    );
    assert_eq!(answer["hash"].as_str().map(str::len), Some(64));
}

#[test]
fn every_mistake_is_a_line_of_its_own() {
    let desk = TestShell::new();
    desk.write("bad.toml", "[limits]\nltv = 1\n[[rule]]\nname = \"x\"\n");
    let answer = desk.command(&["rules", "check", "bad.toml"]);
    assert_eq!((answer.code, answer.out.as_str()), (2, ""));
    let lines: Vec<&str> = answer.err.lines().collect();
    let begins =
        ["bad.toml:2: unknown key `ltv`", "bad.toml:3: the rule requires nothing", "bad.toml:4: \"x\" is no name of a rule"];
    assert_eq!(lines.len(), begins.len(), "{lines:?}");
    assert!(lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{lines:?}");
    let answer = desk.command(&["rules", "check", "bad.toml", "--format", "json"]);
    assert_eq!(answer.code, 2);
    let answer = answer.json();
    assert_eq!(
        (&answer["valid"], &answer["mistakes"][2]["line"], &answer["mistakes"][2]["file"]),
        (&json!(false), &json!(4), &json!("bad.toml"))
    );
    assert_eq!(desk.command(&["rules", "check", "absent.toml"]).code, 2);
}

#[test]
fn the_fields_of_a_rule_set_are_shown_as_a_table() {
    let desk = TestShell::new();
    let fields = "[fields.flood_zone]\nkind = \"word\"\nheaders = [\"FEMA Zone\"]\nwords = { high_risk = [\"AE\"], low_risk = [] }\n\
                  [fields.reserves]\nkind = \"number\"\nunit = \"months\"\nrequired = true\n[fields.channel]\nkind = \"word\"\n\
                  [fields.dscr]\nrequired = true\n";
    desk.write("fields.toml", fields);
    let answer = desk.command(&["rules", "show", "fields.toml"]);
    let expected = "\nFields of this rule set\n  \
                    Field       Kind      Unit    Required  Headers    Words\n  \
                    channel     word              no                   any\n  \
                    flood_zone  word              no        FEMA Zone  high_risk, low_risk\n  \
                    reserves    number    months  yes\n  \
                    dscr        standard          yes\n";
    assert!(answer.out.contains(expected), "{}", answer.out);
}

#[test]
fn a_run_under_declared_fields_can_be_repeated() {
    let desk = TestShell::new();
    desk.write("fields.toml", "[fields.flood_zone]\nkind = \"word\"\nrequired = true\n[[rule]]\nname = \"flood\"\nrequire = { flood_zone = { not = [\"AE\"] } }\n");
    desk.write("tape.csv", format!("{HEADER},Flood Zone\n1,{GOOD_CELLS},X\n2,{GOOD_CELLS},ae\n3,{GOOD_CELLS},\n"));
    let answer = desk.command(&["run", "tape.csv", "--rule-set", "fields.toml", "--out", "out"]);
    assert!(
        answer.code <= 1 && answer.out.contains("flood ") && answer.out.contains("missing_field"),
        "{}{}",
        answer.out,
        answer.err
    );
    let answer = desk.command(&["replay", "out/manifest.json"]);
    assert!(answer.code == 0 && answer.out.contains("identical"), "{}{}", answer.out, answer.err);
}

#[test]
fn the_rules_are_shown_as_tables() {
    let desk = TestShell::new();
    desk.write("guide.toml", GUIDE);
    let answer = desk.command(&["rules", "show", "guide.toml"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    let expected = [
        "guide 3",
        "  dti_ratio               hard      dti_ratio >= 0 and <= 50.0",
        "  ltv_consistency         soft      fields that agree with each other",
        "Built-in rules that apply to some loans only\n  dti_ratio\n    except        documentation_type dscr\n",
        "Rules of this rule set\n  florida_condo (soft, hard from 2027-01-01)\n\
         \x20   applies to    property_type condo, and property_state FL\n    except        loan_purpose purchase\n\
         \x20   requires      ltv_ratio <= 75\n    if undecided  the loan is held\n",
        "An eligible loan is held back when\n  the price is below 98.0000\n",
    ];
    for part in expected {
        assert!(answer.out.contains(part), "{part}\n{}", answer.out);
    }
    assert!(!answer.out.contains("Fields of this rule set"), "{}", answer.out);
    let built_in = desk.command(&["rules", "show"]).out;
    assert!(built_in.starts_with("built-in 1\n") && built_in.contains("ltv_ratio > 0 and <= 97.0"), "{built_in}");
}
