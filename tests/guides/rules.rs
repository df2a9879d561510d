//! Rules of a guide: severity, messages, what an undetermined rule does, and the scope of built-in rules.

use super::*;

/// The only exception.
#[track_caller]
fn only(rules: &RuleSet, cells: &[(&str, &str)]) -> Told {
    let [told] = exceptions(rules, cells).try_into().unwrap();
    told
}

const FLORIDA: &str = r#"
[[rule]]
name = "florida_condo"
when = { property_type = ["condo"], property_state = ["FL", "NY"] }
require = { ltv_ratio = { max = 75.0 } }
"#;

#[test]
fn a_violated_rule_names_value_limit_condition_and_distance() {
    let cells = [("property_type", "condo"), ("property_state", "FL"), ("ltv_ratio", "80")];
    let message = "LTV 80.00 % is above the maximum 75.00 % for property_type condo, property_state FL (by 5.00)";
    assert_eq!(only(&guide(FLORIDA), &cells), ["florida_condo", "hard", "ltv_ratio", "80", "<= 75", "5", message]);
    let at_the_limit = [("property_type", "condo"), ("property_state", "FL"), ("ltv_ratio", "75.0")];
    assert_eq!(exceptions(&guide(FLORIDA), &at_the_limit), Vec::<Told>::new());
    let elsewhere = [("property_type", "condo"), ("property_state", "TX"), ("ltv_ratio", "80")];
    assert_eq!(exceptions(&guide(FLORIDA), &elsewhere), Vec::<Told>::new());
}

#[test]
fn each_form_of_a_requirement_has_its_message() {
    for (require, cell, actual, limit, excess, message) in [
        ("{ min = 700 }", ("credit_score", "680"), "680", ">= 700", "20", "Credit score 680 is below the minimum 700 (by 20)"),
        ("{ above = 700 }", ("credit_score", "700"), "700", "> 700", "0", "Credit score 700 is not above 700"),
        ("{ above = 700 }", ("credit_score", "690"), "690", "> 700", "10", "Credit score 690 is not above 700 (by 10)"),
        ("{ below = 700 }", ("credit_score", "710"), "710", "< 700", "10", "Credit score 710 is not below 700 (by 10)"),
        (
            "{ min = 600, max = 700 }",
            ("credit_score", "710"),
            "710",
            "<= 700",
            "10",
            "Credit score 710 is above the maximum 700 (by 10)",
        ),
        (
            "{ max = 1000000 }",
            ("loan_amount", "1,250,000"),
            "1250000",
            "<= 1000000",
            "250000",
            "Loan amount $1,250,000.00 is above the maximum $1,000,000.00 (by $250,000.00)",
        ),
        ("{ min = 1.25 }", ("dscr", "1.1"), "1.1", ">= 1.25", "0.15", "DSCR 1.10 is below the minimum 1.25 (by 0.15)"),
        (
            "[\"FL\", \"NY\"]",
            ("property_state", "texas"),
            "TX",
            "one of FL, NY",
            "",
            "Property state \"TX\" is not one of FL, NY",
        ),
        ("[\"FL\"]", ("property_state", "Atlantis"), "Atlantis", "one of FL", "", "Property state \"Atlantis\" is not FL"),
        ("{ not = [\"TX\"] }", ("property_state", "TX"), "TX", "none of TX", "", "Property state \"TX\" is not accepted"),
        ("[1]", ("lien_position", "2"), "2", "one of 1", "", "Lien position 2 is not 1"),
        ("{ not = [2] }", ("lien_position", "2"), "2", "none of 2", "", "Lien position 2 is not accepted"),
        ("{ missing = false }", ("dscr", ""), "missing", "present", "", "DSCR is missing"),
        ("{ missing = false }", ("dscr", "soon"), "soon", "present", "", "DSCR \"soon\" cannot be read"),
        ("{ missing = true }", ("dscr", "1.1"), "1.1", "missing", "", "DSCR is 1.10, and must be missing"),
        (
            "{ min = 2025-06-01 }",
            ("origination_date", "5/31/2025"),
            "5/31/2025",
            ">= 2025-06-01",
            "",
            "Origination date 2025-05-31 is before the earliest date 2025-06-01",
        ),
    ] {
        let rules = one_rule(&format!("require = {{ {} = {require} }}", cell.0));
        assert_eq!(only(&rules, &[cell]), ["the_rule", "hard", cell.0, actual, limit, excess, message], "{require}");
    }
}

#[test]
fn a_computed_field_is_reported_by_its_name() {
    let rules = one_rule("require = { age_months = { max = 12 }, seasoning_months = { max = 6 } }");
    let cells = [("original_term", "360"), ("remaining_term", "345"), ("origination_date", "2025-01-02")];
    let fields: Vec<String> = exceptions(&rules, &cells).into_iter().map(|[_, _, field, ..]| field).collect();
    assert_eq!(fields, ["age_months", "seasoning_months"]);
}

#[test]
fn every_field_that_fails_is_reported_though_another_is_missing() {
    let rules = one_rule("require = { dscr = { min = 1 }, ltv_ratio = { max = 70 }, credit_score = { min = 750 } }");
    let fields: Vec<String> = exceptions(&rules, &[]).into_iter().map(|[_, _, field, ..]| field).collect();
    assert_eq!(fields, ["ltv_ratio", "credit_score"]);
    // If no field fails, the missing one decides.
    let told = only(&rules, &[("ltv_ratio", "70"), ("credit_score", "750")]);
    assert_eq!(told[..4], ["undetermined", "soft", "dscr", "missing"]);
}

#[test]
fn a_missing_value_holds_fails_or_passes_the_loan() {
    let cells = [("property_type", "condo"), ("ltv_ratio", "80")];
    let message = "florida_condo cannot be decided: property_state is missing";
    let (told, disposition, reason) = decided(&guide(FLORIDA), &cells, PDATE);
    assert_eq!(told, [["undetermined", "soft", "property_state", "missing", "", "", message].map(str::to_owned)]);
    assert_eq!((disposition, reason.as_deref()), ("projected", Some(&*format!("Held back: {message}"))));

    let (told, disposition, _) = decided(&guide(&format!("{FLORIDA}missing = \"fail\"")), &cells, PDATE);
    assert_eq!(told, [["florida_condo", "hard", "property_state", "missing", "", "", message].map(str::to_owned)]);
    assert_eq!(disposition, "rejected");

    assert_eq!(decided(&guide(&format!("{FLORIDA}missing = \"pass\"")), &cells, PDATE), (vec![], "to_purchase", None));

    // A loan that another rule rejects is not held. A soft rule reports, and does not hold.
    let rejected = [("property_type", "condo"), ("ltv_ratio", "80"), ("credit_score", "500")];
    assert_eq!(decided(&guide(FLORIDA), &rejected, PDATE).1, "rejected");
    let both = guide(&format!("{FLORIDA}[projection]\nhold_on_soft_exceptions = true"));
    assert_eq!(decided(&both, &cells, PDATE).2.as_deref(), Some(&*format!("Held back: {message}")));
    // A soft rule that cannot be decided is a soft exception like any other, beside a policy that holds the loan anyway.
    let soft = guide(&format!("{FLORIDA}severity = \"soft\"\n[projection]\nminimum_price = 98\nhold_on_soft_exceptions = true"));
    let reason = "Held back: price 96.7500 is below the minimum 98.0000; soft exceptions: undetermined";
    assert_eq!(decided(&soft, &cells, PDATE).2.as_deref(), Some(reason));
    let (told, disposition, reason) = decided(&guide(&format!("{FLORIDA}severity = \"soft\"")), &cells, PDATE);
    assert_eq!((told[0][0].as_str(), disposition, reason), ("undetermined", "to_purchase", None));
}

#[test]
fn the_message_names_every_missing_value_and_how_it_was_written() {
    let rules = one_rule(
        "when = { property_state = { not = [\"FL\"] }, dscr = { min = 1 } }\nunless = { lien_position = [1] }\nrequire = { ltv_ratio = { max = 50 } }",
    );
    let cells = [("property_state", "Atlantis"), ("dscr", "soon")];
    let message = "the_rule cannot be decided: property_state \"Atlantis\" is not a known value, dscr \"soon\" cannot be read, \
                   lien_position is missing";
    assert_eq!(only(&rules, &cells), ["undetermined", "soft", "property_state", "Atlantis", "", "", message]);
    // What does not leave the rule open is not named.
    let message = "the_rule cannot be decided: lien_position is missing";
    assert_eq!(messages(&rules, &[("property_state", "TX"), ("dscr", "1.2")]), [message]);
}

#[test]
fn a_rule_is_soft_before_its_date_and_hard_from_it_on() {
    let rules = one_rule("require = { ltv_ratio = { max = 75 } }\nhard_from = 2027-01-01");
    for (pdate, severity, disposition) in [
        (date(2026, 12, 31), "soft", "to_purchase"),
        (date(2027, 1, 1), "hard", "rejected"),
        (date(2030, 1, 1), "hard", "rejected"),
    ] {
        let (told, decision, _) = decided(&rules, &[], pdate);
        assert_eq!((told[0][1].as_str(), decision), (severity, disposition), "{pdate}");
    }
    // A rule that cannot be decided does not hold a loan before that date.
    let open = one_rule("require = { dscr = { min = 1 } }\nhard_from = \"2027-01-01\"");
    assert_eq!(decided(&open, &[], date(2026, 12, 31)).1, "to_purchase");
    assert_eq!(decided(&open, &[], date(2027, 1, 1)).1, "projected");
}

#[test]
fn built_in_rules_apply_where_the_guide_says() {
    let rules = guide("[applies]\ndti_ratio = { unless = { documentation_type = [\"dscr\"] } }\n");
    let without_dti = |documentation| decided(&rules, &[("dti_ratio", ""), ("documentation_type", documentation)], PDATE).1;
    assert_eq!(without_dti("DSCR"), "to_purchase");
    assert_eq!(without_dti("full"), "rejected");
    // If the condition is undetermined, the rule applies.
    assert_eq!(without_dti(""), "rejected");
    let rules = guide("[applies]\ncredit_score = { when = { occupancy_status = [\"primary\"] } }\n");
    let low = |occupancy| decided(&rules, &[("credit_score", "500"), ("occupancy_status", occupancy)], PDATE).1;
    assert_eq!((low("primary"), low("investment")), ("rejected", "to_purchase"));
    let rules = guide("[applies]\ncltv_consistency = { unless = { lien_position = [2] } }\n[rules]\ncltv_consistency = true");
    let lower = |lien| exceptions(&rules, &[("cltv_ratio", "70"), ("lien_position", lien)]).len();
    assert_eq!((lower("1"), lower("2")), (1, 0));
}

#[test]
fn a_list_of_a_rule_set_may_have_the_words_that_the_built_in_list_leaves_out() {
    let rules = guide("[limits]\nproperty_type = [\"sfr\", \"manufactured\", \"5+_unit\", \"co_op\"]");
    for (cell, accepted) in [("MH", true), ("Coop", true), ("5+ units", true), ("Mixed Use", false), ("igloo", false)] {
        assert_eq!(exceptions(&rules, &[("property_type", cell)]).is_empty(), accepted, "{cell}");
        assert!(!exceptions(RuleSet::built_in(), &[("property_type", cell)]).is_empty(), "{cell}");
    }
}

#[test]
fn a_rule_that_is_switched_off_judges_nothing_and_changes_the_hash() {
    let (on, off) = (guide(FLORIDA), guide(&format!("{FLORIDA}[rules]\nflorida_condo = false")));
    let cells = [("property_type", "condo"), ("property_state", "FL"), ("ltv_ratio", "80")];
    assert_eq!((messages(&on, &cells).len(), messages(&off, &cells).len()), (1, 0));
    assert_eq!(off.id().hash, RuleSet::built_in().id().hash);
    assert_ne!(on.id().hash, off.id().hash);
}

#[test]
fn the_hash_follows_what_a_rule_says() {
    let listed = |numbers: &str| one_rule(&format!("require = {{ number_of_units = {numbers} }}")).id().hash;
    assert_eq!(listed("[2, 3]"), listed("[3, 2, 2.0]"));
    let scopes = ["dti_ratio", "credit_score"].map(|rule| format!("{rule} = {{ unless = {{ lien_position = [2] }} }}\n"));
    let [one, other] = &scopes;
    assert_eq!(guide(&format!("[applies]\n{one}{other}")).id().hash, guide(&format!("[applies]\n{other}{one}")).id().hash);
    let hash = |toml: &str| guide(toml).id().hash;
    let base = hash(FLORIDA);
    assert_eq!(hash(&FLORIDA.replace("75.0", "7.5e1").replace("\"condo\"", "\"Condo\"")), base);
    for (from, to) in [
        ("75.0", "75.01"),
        ("max", "below"),
        ("\"FL\", \"NY\"", "\"FL\""),
        ("[\"condo\"]", "{ not = [\"condo\"] }"),
        ("florida_condo", "florida_condos"),
        ("when", "unless"),
        ("require", "missing = \"pass\"\nrequire"),
        ("require", "severity = \"soft\"\nrequire"),
        ("require", "hard_from = 2027-01-01\nrequire"),
        ("require", "category = \"collateral\"\nrequire"),
        ("require", "criteria = \"mine.florida\"\nrequire"),
    ] {
        assert_ne!(hash(&FLORIDA.replace(from, to)), base, "{from} → {to}");
    }
}
