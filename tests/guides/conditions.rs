//! Conditions, against a table of what each says about a loan.

use super::*;

/// What a condition says: it holds, it does not, or a missing value decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Yes,
    No,
    Open,
}

use Says::{No, Open, Yes};

/// What a condition says about the good loan with some cells replaced. A rule that no loan can pass applies when it holds.
fn says(condition: &str, cells: &[(&str, &str)]) -> Says {
    let rules = one_rule(&format!("when = {condition}\nrequire = {{ loan_amount = {{ max = 0 }} }}"));
    let names: Vec<String> = exceptions(&rules, cells).into_iter().map(|[name, ..]| name).collect();
    match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => No,
        ["the_rule"] => Yes,
        ["undetermined"] => Open,
        _ => panic!("{names:?}"),
    }
}

#[test]
fn each_form_of_a_test_holds_where_the_guide_says() {
    let fl = &[("property_state", "FL")][..];
    let none = &[][..];
    for (condition, cells, expected) in [
        ("{ property_state = [\"FL\", \"NY\"] }", fl, Yes),
        ("{ property_state = [\"fl\"] }", &[("property_state", "Florida")], Yes),
        ("{ property_state = [\"NY\"] }", fl, No),
        ("{ property_state = [\"NY\"] }", none, Open),
        ("{ property_state = { not = [\"NY\"] } }", fl, Yes),
        ("{ property_state = { not = [\"FL\"] } }", fl, No),
        ("{ property_state = { not = [\"FL\"] } }", none, Open),
        // A word outside the vocabulary is none of its words, and may be any other.
        ("{ property_state = [\"FL\"] }", &[("property_state", "Atlantis")], No),
        ("{ property_state = { not = [\"FL\"] } }", &[("property_state", "Atlantis")], Open),
        ("{ property_state = { missing = false } }", &[("property_state", "Atlantis")], Yes),
        ("{ property_state = { missing = true } }", none, Yes),
        ("{ property_state = { missing = true } }", fl, No),
        ("{ property_state = { missing = false } }", none, No),
        ("{ number_of_units = [2, 3, 4] }", &[("number_of_units", "3")], Yes),
        ("{ number_of_units = [2, 3, 4] }", &[("number_of_units", "1")], No),
        ("{ number_of_units = { not = [1] } }", &[("number_of_units", "2")], Yes),
        ("{ number_of_units = { not = [1] } }", none, Open),
        ("{ dscr = { min = 1.0 } }", &[("dscr", "1.0")], Yes),
        ("{ dscr = { min = 1.0 } }", &[("dscr", "0.999999")], No),
        // A value between two millionths is compared exactly.
        ("{ dscr = { min = 1.0 } }", &[("dscr", "0.9999999999")], No),
        ("{ dscr = { max = 1.0 } }", &[("dscr", "1.0000000001")], No),
        ("{ dscr = { above = 1.0 } }", &[("dscr", "1.0000000001")], Yes),
        ("{ dscr = { below = 1.0 } }", &[("dscr", "0.9999999999")], Yes),
        ("{ dscr = { above = 1.0 } }", &[("dscr", "1")], No),
        ("{ dscr = { below = 1.0 } }", &[("dscr", "1")], No),
        ("{ dscr = [1] }", &[("dscr", "1.0000000001")], No),
        ("{ dscr = { min = 0, below = 0.5 } }", &[("dscr", "0")], Yes),
        ("{ dscr = { min = 0 } }", &[("dscr", "none given")], Open),
        ("{ loan_amount = { above = 1000000 } }", &[("loan_amount", "1,000,000.01")], Yes),
        ("{ loan_amount = { above = 1000000 } }", &[("loan_amount", "1,000,000.00")], No),
        ("{ loan_amount = { above = 1000000 } }", &[("loan_amount", "99999999999999999999")], Yes),
        ("{ origination_date = { min = 2025-01-31 } }", &[("origination_date", "1/31/2025")], Yes),
        ("{ origination_date = { above = \"2025-01-31\" } }", &[("origination_date", "1/31/2025")], No),
        ("{ origination_date = { below = 2025-01-31 } }", none, Open),
        ("{ seller_loan_number = { missing = false } }", none, Yes),
        ("{ property_type = [\"manufactured\"] }", &[("property_type", "MH")], Yes),
        ("{ property_type = [\"co_op\"] }", &[("property_type", "Co-op")], Yes),
        ("{ property_type = [\"5+_unit\"] }", &[("property_type", "5+ Units")], Yes),
        ("{ property_type = { not = [\"5+_unit\"] } }", &[("property_type", "5+_unit")], No),
        ("{ property_type = { not = [\"manufactured\"] } }", &[("property_type", "igloo")], Open),
        ("{ loan_purpose = [\"purchase\"] }", &[("loan_purpose", "P")], Yes),
    ] {
        let lenient = "[rules]\nproperty_type = false\nloan_purpose = false\nloan_amount_range = false\n";
        let rules = guide(&format!(
            "{lenient}[[rule]]\nname = \"the_rule\"\nwhen = {condition}\nrequire = {{ loan_amount = {{ max = 0 }} }}"
        ));
        let names: Vec<String> = exceptions(&rules, cells).into_iter().map(|[name, ..]| name).collect();
        let expected = match expected {
            Yes => vec!["the_rule"],
            No => vec![],
            Open => vec!["undetermined"],
        };
        assert_eq!(names, expected, "{condition} {cells:?}");
    }
}

#[test]
fn and_any_and_not_follow_the_table_of_three_values() {
    // A cell for each value of "DSCR is at least 1" and of "the state is Florida".
    let dscr = |says| match says {
        Yes => ("dscr", "1.2"),
        No => ("dscr", "0.8"),
        Open => ("dscr", ""),
    };
    let state = |says| match says {
        Yes => ("property_state", "FL"),
        No => ("property_state", "NY"),
        Open => ("property_state", ""),
    };
    let (one, other) = ("dscr = { min = 1 }", "property_state = [\"FL\"]");
    for (a, b, and, any) in [
        (Yes, Yes, Yes, Yes),
        (Yes, No, No, Yes),
        (Yes, Open, Open, Yes),
        (No, Yes, No, Yes),
        (No, No, No, No),
        (No, Open, No, Open),
        (Open, Yes, Open, Yes),
        (Open, No, No, Open),
        (Open, Open, Open, Open),
    ] {
        let cells = [dscr(a), state(b)];
        assert_eq!(says(&format!("{{ {one}, {other} }}"), &cells), and, "{a:?} and {b:?}");
        assert_eq!(says(&format!("[ {{ {one} }}, {{ {other} }} ]"), &cells), any, "{a:?} or {b:?}");
        // A rule applies where `when` holds and `unless` does not.
        let not_b = match b {
            Yes => No,
            No => Yes,
            Open => Open,
        };
        let expected = match (a, not_b) {
            (No, _) | (_, No) => No,
            (Yes, Yes) => Yes,
            _ => Open,
        };
        assert_eq!(says(&format!("{{ {one} }}\nunless = {{ {other} }}"), &cells), expected, "{a:?} and not {b:?}");
    }
}

#[test]
fn age_and_seasoning_are_computed_from_terms_and_dates() {
    let age = |months: i64, cells: &[(&str, &str)]| says(&format!("{{ age_months = [{months}] }}"), cells);
    assert_eq!(age(24, &[("original_term", "360"), ("remaining_term", "336")]), Yes);
    assert_eq!(age(0, &[("original_term", "336"), ("remaining_term", "360")]), Yes);
    // Terms come first; without them, the date of the first payment counts.
    assert_eq!(age(24, &[("original_term", "360"), ("remaining_term", "336"), ("first_payment_date", "2020-01-01")]), Yes);
    assert_eq!(age(12, &[("first_payment_date", "2025-02-02")]), Yes);
    assert_eq!(age(11, &[("first_payment_date", "2025-02-03")]), Yes);
    assert_eq!(age(0, &[("first_payment_date", "2027-02-03")]), Yes);
    assert_eq!(age(0, &[("original_term", "360")]), Open);
    let seasoning =
        |months: i64, date| says(&format!("{{ seasoning_months = {{ min = {months} }} }}"), &[("origination_date", date)]);
    assert_eq!((seasoning(13, "2025-01-02"), seasoning(14, "2025-01-02")), (Yes, No));
    assert_eq!(seasoning(1, ""), Open);
}
