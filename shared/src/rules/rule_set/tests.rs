use super::*;

fn error_of(text: &str) -> Option<RuleSetError> {
    RuleSet::from_toml(text).err()
}

fn only(error: RuleSetError) -> Mistake {
    let [mistake] = error.mistakes.try_into().unwrap();
    mistake
}

/// The only mistake of a rule set.
fn error(text: &str) -> Mistake {
    only(error_of(text).unwrap())
}

#[test]
fn the_built_in_rule_set_says_what_the_contract_says() {
    let rules = RuleSet::built_in();
    let limits: Vec<(&str, &str, String)> =
        rules.rules().iter().map(|r| (r.exception_type().name(), r.severity().as_str(), r.limit().to_owned())).collect();
    let expected = [
        ("loan_amount_range", "hard", ">= 50000 and <= 5000000"),
        ("ltv_ratio", "hard", "> 0 and <= 97.0"),
        ("dti_ratio", "hard", ">= 0 and <= 50.0"),
        ("credit_score", "hard", ">= 620 and <= 850"),
        ("property_type", "hard", "one of sfr, condo, townhouse, pud, 2-4_unit"),
        ("occupancy_status", "hard", "one of primary, second_home, investment"),
        ("loan_purpose", "hard", "one of purchase, rate_term_refinance, cash_out_refinance"),
        ("missing_purchase_price", "soft", "> 0"),
        ("missing_appraisal", "soft", "> 0"),
        ("note_rate_range", "soft", ">= 1.0 and <= 15.0"),
    ];
    assert_eq!(limits, expected.map(|(name, severity, limit)| (name, severity, limit.to_owned())));
    assert_eq!(*rules.projection(), Projection::default());
    assert!(!rules.accepts_small_percentages());
}

#[test]
fn the_table_and_the_file_agree_on_severities() {
    let rules = RuleSet::built_in();
    for rule in rules.rules() {
        assert_eq!(rule.severity(), rule.exception_type().severity());
    }
}

#[test]
fn what_is_left_out_keeps_the_built_in_value() {
    let rules =
        RuleSet::from_toml("name = \"strict\"\n[limits]\nltv_ratio = { max = 80.00 }\ncredit_score = { min = 700 }").unwrap();
    assert_eq!(rules.rule(ExceptionType::LtvRatio).unwrap().limit(), "> 0 and <= 80");
    assert_eq!(rules.rule(ExceptionType::CreditScore).unwrap().limit(), ">= 700 and <= 850");
    assert_eq!(rules.rule(ExceptionType::DtiRatio).unwrap().limit(), ">= 0 and <= 50.0");
}

#[test]
fn a_rule_set_is_called_after_its_file_unless_it_names_itself() {
    let changed = "[limits]\nltv_ratio = { max = 80 }";
    for (path, toml, name, version) in [
        ("rules/strict.toml", changed, "strict", "unversioned"),
        ("2026.11.TOML", "# nothing", "2026.11", "unversioned"),
        ("strict.toml", "version = \"3\"", "strict", "3"),
        ("strict.toml", "name = \"mine\"", "mine", "unversioned"),
        ("strict.toml", "name = \" mine \"\nversion = \"3\"", "mine", "3"),
        ("rules", changed, "rules", "unversioned"),
        (".toml", changed, ".toml", "unversioned"),
        ("built-in.toml", changed, "unnamed", "unversioned"),
        ("copy.toml", RuleSet::BUILT_IN_TOML, "built-in", "1"),
        ("copy.toml", &RuleSet::BUILT_IN_TOML.replace("97.0", "96.0"), "copy", "unversioned"),
    ] {
        let id = RuleSetFile::new(path, toml.to_owned()).rules().unwrap().id();
        assert_eq!((id.name.as_str(), id.version.as_str()), (name, version), "{path} {toml}");
    }
    assert_eq!(RuleSet::from_toml(changed).unwrap().id().name, "unnamed");
    let built_in = RuleSet::built_in().id();
    assert_eq!((built_in.name.as_str(), built_in.version.as_str()), ("built-in", "1"));
}

#[test]
fn a_percentage_that_can_only_be_a_fraction_is_a_mistake() {
    let mut percentages = 0;
    for kind in ExceptionType::ALL {
        let Some(spec) = kind.rule().filter(|spec| spec.requires != Requirement::AboveZero) else { continue };
        let (Some(most), field) = (spec.field.info().zones.map(|zones| zones.fraction_to), spec.field) else { continue };
        percentages += 1;
        let limit = |number: &str| error_of(&format!("# Lines\n\n[limits.{field}]\nmax = {number}"));
        let bound = most.to_string();
        for (number, hundredfold) in [("0.01", "1"), ("4e-1", "40"), (&bound, &most.times_hundred().unwrap().to_string())] {
            let error = only(limit(number).unwrap());
            assert!(error.message.ends_with(&format!("%: write {hundredfold}")), "{field} {number}: {error:?}");
            assert_eq!(error.line, Some(4), "{field} {number}: {error:?}");
        }
        // The next value above the bound, and zero: neither is taken for a fraction.
        for number in [most.checked_add(Decimal::from_micros(1)).unwrap().to_string(), "0".to_owned()] {
            assert!(limit(&number).is_none_or(|error| only(error).message.contains("no loan could pass")), "{field} {number}");
        }
    }
    assert_eq!(percentages, 3);
    assert_eq!(
        error_of("[limits]\nltv_ratio = { max = 0.80 }").unwrap().to_string(),
        "line 2: `max` of ltv_ratio: 0.80 means 0.8 %: write 80"
    );
    assert_eq!(error("[limits]\nnote_rate = { min = 5e-1 }").line, Some(2));
    // Scores and amounts are not percentages, and a spread may be small.
    let small = "[limits]\ncredit_score = { min = 0.5 }\nloan_amount = { min = 1 }\n[projection]\nminimum_spread = 0.25";
    assert!(RuleSet::from_toml(small).is_ok());
}

#[test]
fn severities_switches_and_projection_are_read() {
    let text = "[severity]\nnote_rate_range = \"hard\"\n[rules]\nmissing_purchase_price = false\n[projection]\nminimum_spread = -0.5\nminimum_price = 98\nhold_on_soft_exceptions = true\n[units]\naccept_small_percentages = true";
    let rules = RuleSet::from_toml(text).unwrap();
    assert_eq!(rules.rule(ExceptionType::NoteRateRange).unwrap().severity(), Severity::Hard);
    assert!(rules.rule(ExceptionType::MissingPurchasePrice).is_none());
    let projection = rules.projection();
    assert_eq!(projection.minimum_spread.map(|d| d.to_string()), Some("-0.5".to_owned()));
    assert_eq!(projection.minimum_price, Some(Decimal::from_integer(98)));
    assert!(projection.hold_on_soft_exceptions && rules.accepts_small_percentages());
}

#[test]
fn the_hash_follows_what_is_decided_not_how_it_is_written() {
    let built_in = RuleSet::built_in().id().hash;
    assert_eq!(RuleSet::from_toml("# nothing\n").unwrap().id().hash, built_in);
    for written in ["97.0", "97", "9.7e1", "+97.000", "0.97e+2", "9_7.0_0"] {
        let rules = RuleSet::from_toml(&format!("[limits]\nltv_ratio = {{ max = {written} }} # as ever")).unwrap();
        assert_eq!(rules.id().hash, built_in, "{written}");
        assert_eq!(rules.rule(ExceptionType::LtvRatio).unwrap().limit(), "> 0 and <= 97.0", "{written}");
    }
    assert_eq!(RuleSet::from_toml("name = \"x\"\nversion = \"2\"").unwrap().id().hash, built_in);
    assert_ne!(RuleSet::from_toml("[limits]\nltv_ratio = { max = 96.99 }").unwrap().id().hash, built_in);
    assert_ne!(RuleSet::from_toml("[units]\naccept_small_percentages = true").unwrap().id().hash, built_in);
}

#[test]
fn errors_name_the_line() {
    for (text, line, part) in [
        ("nme = \"x\"", 1, "unknown key `nme`"),
        ("name = \"x\"\n\n[limits]\nltv = { max = 97 }", 4, "unknown key `ltv`"),
        ("[limits]\nltv_ratio = 97", 2, "takes a table"),
        ("[limits]\nltv_ratio = { max = \"97\" }", 2, "must be a number"),
        ("[limits]\nltv_ratio = { min = 1, max = 97 }", 2, "unknown key `min`"),
        ("[limits]\ncredit_score = { min = 900 }", 2, "below its min"),
        ("[limits]\nltv_ratio = { max = 0 }", 2, "no loan could pass"),
        ("[limits]\ncredit_score = { min = nan }", 2, "cannot be used"),
        ("[limits]\nproperty_type = []", 2, "not an empty one"),
        ("[limits]\nproperty_type = [\"sfr\",\n 7]", 3, "text in quotation marks"),
        ("[severity]\nltv_ratio = \"medium\"", 2, "no severity"),
        ("[severity]\nmissing_field = \"soft\"", 2, "unknown key `missing_field`"),
        ("[rules]\nltv_ratio = 0", 2, "true or false"),
        ("[projection]\nminimum = 1", 2, "unknown key `minimum`"),
        ("limits = 5", 1, "must be a table"),
        ("a = 1\na = 2", 2, ""),
        ("name = \"x", 1, ""),
    ] {
        let error = error(text);
        assert_eq!(error.line, Some(line), "{text}: {error:?}");
        assert!(error.message.contains(part), "{text}: {error:?}");
    }
}
