//! Every mistake of a guide is named with its line, and all of them at once.

use super::*;

#[test]
fn all_mistakes_are_named_at_once() {
    let text = "[limits]\nltv_ratio = { max = 0.8 }\nltv = 5\n\n[[rule]]\nname = \"x\"\nrequire = { dscr = { mini = 1 }, color = [\"red\"] }\n\
                [[rule]]\nname = \"good_name\"\nseverity = \"medium\"\n\n[severity]\nno_rule = \"soft\"\n[applies]\nbogus = {}\n";
    let lines: Vec<usize> = RuleSet::from_toml(text).unwrap_err().mistakes.iter().filter_map(|mistake| mistake.line).collect();
    assert_eq!(lines, [2, 3, 6, 7, 7, 8, 10, 13, 15]);
}

/// Rule sets with one mistake each: the text, its line, and a part of the message.
const MISTAKES: [(&str, usize, &str); 49] = [
    ("[[rule]]\nname = \"ab\"\nREQUIRE", 2, "no name of a rule: 3 to 40"),
    ("[[rule]]\nname = \"Florida\"\nREQUIRE", 2, "no name of a rule"),
    ("[[rule]]\nname = \"ltv_ratio\"\nREQUIRE", 2, "is taken"),
    ("[[rule]]\nname = \"undetermined\"\nREQUIRE", 2, "is taken"),
    ("[[rule]]\nname = \"final_price\"\nREQUIRE", 2, "is taken"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\n[[rule]]\nname = \"one\"\nREQUIRE", 5, "is taken"),
    ("[[rule]]\nREQUIRE", 1, "the rule has no name"),
    ("[[rule]]\nname = \"one\"", 1, "requires nothing"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhenn = 1", 4, "unknown key `whenn`"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nseverity = \"soft\"\nhard_from = 2027-01-01", 4, "leave `severity` out"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nhard_from = \"soon\"", 4, "must be a date, such as 2026-01-31"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nhard_from = 2027-01-01T00:00:00", 4, "must be a date"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\ncategory = \"odd\"", 4, "\"credit\", \"collateral\", \"compliance\""),
    ("[[rule]]\nname = \"one\"\nREQUIRE\ncriteria = \"Guide X\"", 4, "at most 100 of a-z"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nmissing = \"no\"", 4, "\"hold\", \"fail\", \"pass\""),
    ("[rule]\nname = \"one\"", 1, "write [[rule]]"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = {}", 4, "not an empty one"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = []", 4, "empty list"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { ltv_ratio = 75 }", 4, "takes a list or a table, such as { max = 75 }"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { ltv_ratio = {} }", 4, "says nothing"),
    (
        "[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { ltv_ratio = { min = 60, above = 60 } }",
        4,
        "`above` and `min` are the same end",
    ),
    (
        "[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { ltv_ratio = { max = 60, below = 70 } }",
        4,
        "`below` and `max` are the same end",
    ),
    (
        "[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { ltv_ratio = { min = 80, max = 70 } }",
        4,
        "no ltv_ratio can meet >= 80 and <= 70",
    ),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { ltv_ratio = { above = 80, max = 80 } }", 4, "no ltv_ratio can meet"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { ltv_ratio = { max = 0.8 } }", 4, "0.80 means 0.8 %: write 80"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { note_rate = [0.07] }", 4, "write 7"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { dscr = { max = 1.0000001 } }", 4, "at most 6 decimals"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { loan_amount = { max = 1000000000001 } }", 4, "at most 1,000,000,000,000"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { property_type = [] }", 4, "is empty"),
    (
        "[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { property_type = [\"house\"] }",
        4,
        "is no word of property_type; its words are sfr",
    ),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { property_type = { max = 1 } }", 4, "holds no numbers"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { property_type = { missing = true, not = [\"sfr\"] } }", 4, "stands alone"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { property_type = { not = \"sfr\" } }", 4, "`not` takes a list"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { seller_loan_number = [\"1\"] }", 4, "takes no list"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { origination_date = [2026-01-01] }", 4, "takes no list"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { ltv = { max = 75 } }", 4, "there is no field `ltv`; the fields are"),
    ("[applies]\nltv = { when = { dscr = { min = 1 } } }", 2, "unknown key `ltv`"),
    ("[applies]\nltv_ratio = 5", 2, "takes a table"),
    ("[applies]\nltv_ratio = {}", 2, "needs `when` or `unless`"),
    ("[applies]\nltv_ratio = { where = { dscr = { min = 1 } } }", 2, "unknown key `where`"),
    (
        "[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { occupancy_status = { not = [\"primary\", \"second_home\", \"investment\"] } }",
        4,
        "can meet none of",
    ),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { age_months = { max = -1 } }", 4, "no age_months can meet <= -1"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { age_months = [1.5] }", 4, "no age_months can meet one of 1.5"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { original_term = { above = 3, below = 4 } }", 4, "no original_term can meet"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { credit_score = { missing = true } }", 4, "no credit_score can meet missing"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nhard_from = \"2027-01-01T23:00:00\"", 4, "must be a date"),
    ("[[rule]]\nname = \"one\"\nREQUIRE\nwhen = { loan_amount = [1, \"x\"] }", 4, "each number in the list of loan_amount"),
    ("[rules]\nflorida = false", 2, "unknown key `florida`"),
    ("[limits]\nltv_tolerance = -1", 2, "0 or more"),
];

#[test]
fn each_mistake_says_where_it_is_and_how_to_mend_it() {
    let rule = "require = { ltv_ratio = { max = 75 } }";
    for (text, line, part) in MISTAKES {
        let text = text.replace("REQUIRE", rule);
        let error = RuleSet::from_toml(&text).unwrap_err();
        let [mistake] = &error.mistakes[..] else { panic!("{text}: {error}") };
        assert_eq!(mistake.line, Some(line), "{text}: {error}");
        assert!(mistake.message.contains(part), "{text}: {error}");
    }
}

#[test]
fn a_rule_with_a_mistake_keeps_its_name() {
    let text = "[[rule]]\nname = \"one\"\nrequire = { ltv_ratio = { max = 0.75 } }\n[[rule]]\nname = \"one\"\nrequire = { ltv_ratio = { max = 75 } }\n\
                [rules]\none = false\n";
    let error = RuleSet::from_toml(text).unwrap_err();
    let lines: Vec<usize> = error.mistakes.iter().filter_map(|mistake| mistake.line).collect();
    assert_eq!(lines, [3, 5], "{error}");
}

#[test]
fn a_rule_set_has_at_most_200_rules() {
    let rules = |count: usize| {
        let rule = |at: usize| format!("[[rule]]\nname = \"r_{at}\"\nrequire = {{ ltv_ratio = {{ max = 75 }} }}\n");
        RuleSet::from_toml(&(0..count).map(rule).collect::<String>())
    };
    assert_eq!(rules(200).unwrap().guide().rules().len(), 200);
    assert_eq!(rules(201).unwrap_err().to_string(), "line 1: a rule set has at most 200 rules, and this one has 201");
}
