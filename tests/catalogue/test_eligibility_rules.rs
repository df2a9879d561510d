//! The built-in rules one by one, to the last digit of their limits, and all of them together on one loan.

#![cfg(test)]

use shared::rules::{ExceptionType, Severity, Verdict, rule_set::RuleSet};

use crate::support::loans::{LoanBuilder, evidence};

/// Texts that mean a missing value, in any column.
const MISSING: [&str; 9] = ["", "   ", "NA", "na", "N/A", "NULL", "null", "-", "NaN"];

/// One built-in rule, applied to a good loan with one cell changed.
struct RuleCase {
    rule: ExceptionType,
    column: &'static str,
    severity: Severity,
    category: &'static str,
    rejection_criteria: &'static str,
}

impl RuleCase {
    fn check(&self, rules: &RuleSet, cell: &str) -> Verdict {
        rules.rule(self.rule).unwrap().check(&LoanBuilder::good().with(self.column, cell).build())
    }

    #[track_caller]
    fn passes(&self, cells: &[&str]) {
        for cell in cells {
            assert_eq!(self.check(RuleSet::built_in(), cell), Verdict::Pass, "{cell:?}");
        }
    }

    /// Asserts that the cell fails, with exactly this evidence and all that identifies the rule.
    #[track_caller]
    fn fails(&self, cell: &str, actual: &str, limit: &str, excess: &str, message: &str) {
        let rules = RuleSet::built_in();
        let expected = evidence(self.column, actual, limit, excess, message);
        assert_eq!(self.check(rules, cell), Verdict::Fail(expected), "{cell:?}");
        assert_eq!(rules.rule(self.rule).unwrap().severity(), self.severity);
        assert_eq!(self.rule.kind().category, self.category);
        assert_eq!(self.rule.kind().rejection_criteria, self.rejection_criteria);
    }

    /// Asserts that a missing value fails, however the tape writes it.
    #[track_caller]
    fn fails_when_missing(&self, limit: &str, message: &str) {
        for cell in MISSING {
            self.fails(cell, "missing", limit, "", message);
        }
    }

    /// Asserts that every spelling passes and means this word: it passes a rule that lists only the word, and it fails as this
    /// word under a rule that lists only the other words.
    #[track_caller]
    fn accepts(&self, word: &str, spellings: &[&str]) {
        let listing = |words: &[&str]| RuleSet::from_toml(&format!("[limits]\n{} = {words:?}", self.column)).unwrap();
        let rules = RuleSet::built_in();
        let limit = rules.rule(self.rule).unwrap().limit();
        let others: Vec<&str> = limit.trim_start_matches("one of ").split(", ").filter(|other| *other != word).collect();
        self.passes(spellings);
        for spelling in spellings {
            assert_eq!(self.check(&listing(&[word]), spelling), Verdict::Pass, "{spelling:?}");
            let verdict = self.check(&listing(&others), spelling);
            assert_eq!(verdict.evidence().map(|evidence| evidence.actual.as_ref()), Some(word), "{spelling:?}");
        }
    }
}

mod test_loan_amount_rule {
    use super::*;

    const RULE: RuleCase = RuleCase {
        rule: ExceptionType::LoanAmountRange,
        column: "loan_amount",
        severity: Severity::Hard,
        category: "credit",
        rejection_criteria: "notebook.loan_amount_out_of_range",
    };
    const AT_LEAST: &str = ">= 50000";
    const AT_MOST: &str = "<= 5000000";

    #[test]
    fn test_valid_amount() {
        RULE.passes(&["250000", "$250,000.00", " 250,000 ", "1.5E+05", "50000.01", "4,999,999.99"]);
    }

    #[test]
    fn test_below_minimum() {
        for (cell, actual, excess, message) in [
            ("49,999.99", "49999.99", "0.01", "Loan amount $49,999.99 is below the minimum $50,000.00 (by $0.01)"),
            ("$1,234", "1234", "48766", "Loan amount $1,234.00 is below the minimum $50,000.00 (by $48,766.00)"),
        ] {
            RULE.fails(cell, actual, AT_LEAST, excess, message);
        }
    }

    #[test]
    fn test_above_maximum() {
        for (cell, actual, excess, message) in [
            ("5,000,000.01", "5000000.01", "0.01", "Loan amount $5,000,000.01 is above the maximum $5,000,000.00 (by $0.01)"),
            ("7.5E6", "7500000", "2500000", "Loan amount $7,500,000.00 is above the maximum $5,000,000.00 (by $2,500,000.00)"),
        ] {
            RULE.fails(cell, actual, AT_MOST, excess, message);
        }
    }

    #[test]
    fn test_at_minimum_boundary() {
        RULE.passes(&["50000", "$50,000.00", "50000.000000000000", "5E4"]);
        let message = "Loan amount $49,999.999999999 is below the minimum $50,000.00 (by $0.000000001)";
        RULE.fails("49999.999999999", "49999.999999999", AT_LEAST, "0.000000001", message);
    }

    #[test]
    fn test_at_maximum_boundary() {
        RULE.passes(&["5000000", "$5,000,000.00", "5000000.000000000000", "5E6"]);
        let message = "Loan amount $5,000,000.00000001 is above the maximum $5,000,000.00 (by $0.00000001)";
        RULE.fails("5000000.00000001", "5000000.00000001", AT_MOST, "0.00000001", message);
    }

    #[test]
    fn test_zero_amount() {
        for cell in ["0", "$0.00", "-0", "0e9"] {
            RULE.fails(cell, "0", AT_LEAST, "50000", "Loan amount $0.00 is below the minimum $50,000.00 (by $50,000.00)");
        }
    }

    #[test]
    fn test_negative_amount() {
        let message = "Loan amount -$250,000.00 is below the minimum $50,000.00 (by $300,000.00)";
        for cell in ["-250000", "(250,000)", "-$250,000.00", "$-250,000.00"] {
            RULE.fails(cell, "-250000", AT_LEAST, "300000", message);
        }
    }

    #[test]
    fn test_missing_amount() {
        let message = "Loan amount is missing; it must be from $50,000.00 to $5,000,000.00";
        RULE.fails_when_missing(">= 50000 and <= 5000000", message);
    }
}

mod test_ltv_ratio_rule {
    use super::*;

    const RULE: RuleCase = RuleCase {
        rule: ExceptionType::LtvRatio,
        column: "ltv_ratio",
        severity: Severity::Hard,
        category: "credit",
        rejection_criteria: "notebook.ltv_exceeds_maximum",
    };
    const AT_MOST: &str = "<= 97.0";

    #[test]
    fn test_valid_ltv() {
        RULE.passes(&["80", "80.00", "95.5%", " 60 % ", "1.51 %", "5", "96.999999999"]);
    }

    #[test]
    fn test_exceeds_maximum() {
        for (cell, actual, excess, message) in [
            ("97.80", "97.8", "0.8", "LTV 97.80 % is above the maximum 97.00 % (by 0.80)"),
            ("125 %", "125", "28", "LTV 125.00 % is above the maximum 97.00 % (by 28.00)"),
        ] {
            RULE.fails(cell, actual, AT_MOST, excess, message);
        }
    }

    #[test]
    fn test_at_boundary() {
        RULE.passes(&["97", "97.0", "97.00 %", "97.000000000000"]);
        for (cell, excess, message) in [
            ("97.01", "0.01", "LTV 97.01 % is above the maximum 97.00 % (by 0.01)"),
            ("97.0000001", "0.0000001", "LTV 97.0000001 % is above the maximum 97.00 % (by 0.0000001)"),
        ] {
            RULE.fails(cell, cell, AT_MOST, excess, message);
        }
    }

    #[test]
    fn test_zero_ltv() {
        RULE.fails("0.00", "0", "> 0", "0", "LTV 0.00 % is not above 0.00 %");
        RULE.fails("(5)", "-5", "> 0", "5", "LTV -5.00 % is not above 0.00 %");
    }

    #[test]
    fn test_missing_ltv() {
        let (limit, message) = ("> 0 and <= 97.0", "LTV is missing; it must be above 0.00 % and at most 97.00 %");
        RULE.fails_when_missing(limit, message);
        for sentinel in ["999", "999.0", "999 %"] {
            RULE.fails(sentinel, "missing", limit, "", message);
        }
        RULE.fails("998", "998", AT_MOST, "901", "LTV 998.00 % is above the maximum 97.00 % (by 901.00)");
    }
}

mod test_dti_ratio_rule {
    use super::*;

    const RULE: RuleCase = RuleCase {
        rule: ExceptionType::DtiRatio,
        column: "dti_ratio",
        severity: Severity::Hard,
        category: "credit",
        rejection_criteria: "notebook.dti_exceeds_maximum",
    };
    const AT_MOST: &str = "<= 50.0";

    #[test]
    fn test_valid_dti() {
        RULE.passes(&["36", "35.5 %", "1.51", "49.999999999"]);
    }

    #[test]
    fn test_exceeds_maximum() {
        for (cell, actual, excess, message) in [
            ("55.50", "55.5", "5.5", "DTI 55.50 % is above the maximum 50.00 % (by 5.50)"),
            ("1050%", "1050", "1000", "DTI 1050.00 % is above the maximum 50.00 % (by 1000.00)"),
        ] {
            RULE.fails(cell, actual, AT_MOST, excess, message);
        }
    }

    #[test]
    fn test_at_boundary() {
        RULE.passes(&["50", "50.0", "50.00 %", "50.000000000000", "0", "0.00 %"]);
        RULE.fails("50.01", "50.01", AT_MOST, "0.01", "DTI 50.01 % is above the maximum 50.00 % (by 0.01)");
        let message = "DTI 50.0000001 % is above the maximum 50.00 % (by 0.0000001)";
        RULE.fails("50.0000001", "50.0000001", AT_MOST, "0.0000001", message);
        RULE.fails("-0.01", "-0.01", ">= 0", "0.01", "DTI -0.01 % is below the minimum 0.00 % (by 0.01)");
    }

    #[test]
    fn test_missing_dti() {
        let (limit, message) = (">= 0 and <= 50.0", "DTI is missing; it must be from 0.00 % to 50.00 %");
        RULE.fails_when_missing(limit, message);
        RULE.fails("999", "missing", limit, "", message);
    }
}

mod test_credit_score_rule {
    use super::*;

    const RULE: RuleCase = RuleCase {
        rule: ExceptionType::CreditScore,
        column: "credit_score",
        severity: Severity::Hard,
        category: "credit",
        rejection_criteria: "notebook.credit_score_below_minimum",
    };
    const AT_LEAST: &str = ">= 620";
    const AT_MOST: &str = "<= 850";

    #[test]
    fn test_valid_score() {
        RULE.passes(&["740", " 680 ", "621", "849", "720.0"]);
    }

    #[test]
    fn test_below_minimum() {
        RULE.fails("619", "619", AT_LEAST, "1", "Credit score 619 is below the minimum 620 (by 1)");
        RULE.fails("300", "300", AT_LEAST, "320", "Credit score 300 is below the minimum 620 (by 320)");
    }

    #[test]
    fn test_at_boundary() {
        RULE.passes(&["620", "620.0", "850", "850.000000000"]);
        RULE.fails("619.99", "619.99", AT_LEAST, "0.01", "Credit score 619.99 is below the minimum 620 (by 0.01)");
        RULE.fails("850.01", "850.01", AT_MOST, "0.01", "Credit score 850.01 is above the maximum 850 (by 0.01)");
        RULE.fails("851", "851", AT_MOST, "1", "Credit score 851 is above the maximum 850 (by 1)");
    }

    #[test]
    fn test_missing_score() {
        let (limit, message) = (">= 620 and <= 850", "Credit score is missing; it must be from 620 to 850");
        RULE.fails_when_missing(limit, message);
        RULE.fails("9999", "missing", limit, "", message);
        RULE.fails("9998", "9998", AT_MOST, "9148", "Credit score 9998 is above the maximum 850 (by 9148)");
    }
}

mod test_property_type_rule {
    use super::*;

    const RULE: RuleCase = RuleCase {
        rule: ExceptionType::PropertyType,
        column: "property_type",
        severity: Severity::Hard,
        category: "collateral",
        rejection_criteria: "notebook.ineligible_property_type",
    };
    const LIMIT: &str = "one of sfr, condo, townhouse, pud, 2-4_unit";

    #[test]
    fn test_sfr() {
        RULE.accepts("sfr", &["sfr", "SF", "Single Family", "Single-Family", "SFD"]);
    }

    #[test]
    fn test_condo() {
        RULE.accepts("condo", &["condo", "CO", "Condominium"]);
    }

    #[test]
    fn test_townhouse() {
        RULE.accepts("townhouse", &["townhouse", "TH", "Townhome"]);
    }

    #[test]
    fn test_pud() {
        RULE.accepts("pud", &["pud", "PU", "Planned Unit Development"]);
    }

    #[test]
    fn test_two_to_four_unit() {
        RULE.accepts("2-4_unit", &["2-4_unit", "2-4 unit", "Duplex", "Triplex", "Fourplex"]);
    }

    #[test]
    fn test_invalid_type() {
        let written =
            ["MH", "Manufactured Home", "CP", "Co-op", "Cooperative", "Multifamily", "24 unit", "5+ unit", "sfr condo", "0"];
        for written in written {
            let message = format!("Property type \"{written}\" is not one of sfr, condo, townhouse, pud, 2-4_unit");
            RULE.fails(&format!(" {written} "), written, LIMIT, "", &message);
        }
    }

    #[test]
    fn test_case_insensitive() {
        for (word, spellings) in [
            ("sfr", ["SFR", "Sfr", "sINGLE fAMILY"]),
            ("condo", ["CONDO", "Condo", "co"]),
            ("townhouse", ["TOWNHOUSE", "TownHouse", "th"]),
            ("pud", ["PUD", "Pud", "pu"]),
            ("2-4_unit", ["2-4_UNIT", "2-4 Unit", "DUPLEX"]),
        ] {
            RULE.accepts(word, &spellings);
        }
    }

    #[test]
    fn test_missing_type() {
        RULE.fails_when_missing(LIMIT, "Property type is missing; it must be one of sfr, condo, townhouse, pud, 2-4_unit");
    }
}

mod test_occupancy_rule {
    use super::*;

    const RULE: RuleCase = RuleCase {
        rule: ExceptionType::OccupancyStatus,
        column: "occupancy_status",
        severity: Severity::Hard,
        category: "collateral",
        rejection_criteria: "notebook.ineligible_occupancy",
    };
    const LIMIT: &str = "one of primary, second_home, investment";

    #[test]
    fn test_primary() {
        RULE.accepts("primary", &["primary", "P", "Owner Occupied", "OO"]);
    }

    #[test]
    fn test_second_home() {
        RULE.accepts("second_home", &["second_home", "second home", "S"]);
    }

    #[test]
    fn test_investment() {
        RULE.accepts("investment", &["investment", "I", "Investor", "NOO"]);
    }

    #[test]
    fn test_invalid_occupancy() {
        for written in ["vacant", "X", "Owner Primary", "9"] {
            let message = format!("Occupancy status \"{written}\" is not one of primary, second_home, investment");
            RULE.fails(written, written, LIMIT, "", &message);
        }
        RULE.fails_when_missing(LIMIT, "Occupancy status is missing; it must be one of primary, second_home, investment");
    }

    #[test]
    fn test_case_insensitive() {
        for (word, spellings) in [
            ("primary", ["PRIMARY", "Primary", "p", "oWNER oCCUPIED"]),
            ("second_home", ["SECOND_HOME", "Second_Home", "s", "SECOND HOME"]),
            ("investment", ["INVESTMENT", "Investment", "i", "noo"]),
        ] {
            RULE.accepts(word, &spellings);
        }
    }
}

mod test_loan_purpose_rule {
    use super::*;

    const RULE: RuleCase = RuleCase {
        rule: ExceptionType::LoanPurpose,
        column: "loan_purpose",
        severity: Severity::Hard,
        category: "compliance",
        rejection_criteria: "notebook.ineligible_loan_purpose",
    };
    const LIMIT: &str = "one of purchase, rate_term_refinance, cash_out_refinance";

    #[test]
    fn test_purchase() {
        RULE.accepts("purchase", &["purchase", "PURCHASE", "P", "p"]);
    }

    #[test]
    fn test_rate_term_refinance() {
        RULE.accepts("rate_term_refinance", &["rate_term_refinance", "Rate_Term_Refi", "R", "N", "R/T Refi"]);
    }

    #[test]
    fn test_cash_out_refinance() {
        RULE.accepts("cash_out_refinance", &["cash_out_refinance", "Cash_Out_Refi", "C", "C/O"]);
    }

    #[test]
    fn test_invalid_purpose() {
        // "Refinance" alone could mean either kind, so it means neither.
        for written in ["construction", "HELOC", "Refinance", "U", "9"] {
            let message = format!("Loan purpose \"{written}\" is not one of purchase, rate_term_refinance, cash_out_refinance");
            RULE.fails(written, written, LIMIT, "", &message);
        }
        let message = "Loan purpose is missing; it must be one of purchase, rate_term_refinance, cash_out_refinance";
        RULE.fails_when_missing(LIMIT, message);
    }
}

/// Soft severity rules create exceptions but don't reject loans.
mod test_soft_rules {
    use shared::phases::disposition::Disposition;

    use super::*;
    use crate::support::loans::{judged, names};

    /// Asserts that failing the rule is this loan's only exception, and that the loan is bought all the same.
    #[track_caller]
    fn is_bought_all_the_same(rule: &RuleCase, cell: &str) {
        let loan = LoanBuilder::good().with(rule.column, cell).build();
        let decided = judged(&loan);
        assert_eq!(names(&decided.exceptions), [(rule.rule.name(), "soft")], "{cell:?}");
        assert_eq!(decided.disposition, Disposition::ToPurchase, "{cell:?}");
        assert!(decided.price.is_some(), "{cell:?}");
    }

    #[test]
    fn test_missing_purchase_price_is_soft() {
        let rule = RuleCase {
            rule: ExceptionType::MissingPurchasePrice,
            column: "purchase_price",
            severity: Severity::Soft,
            category: "data_quality",
            rejection_criteria: "notebook.purchase_price_mismatch",
        };
        rule.passes(&["$312,500.00", "0.01", "0.000000001"]);
        rule.fails_when_missing("> 0", "Purchase price is missing; it must be above $0.00");
        rule.fails("$0", "0", "> 0", "0", "Purchase price $0.00 is not above $0.00");
        rule.fails("(1,234.50)", "-1234.5", "> 0", "1234.5", "Purchase price -$1,234.50 is not above $0.00");
        for cell in ["", "0", "-0.01"] {
            is_bought_all_the_same(&rule, cell);
        }
    }

    #[test]
    fn test_missing_appraisal_is_soft() {
        let rule = RuleCase {
            rule: ExceptionType::MissingAppraisal,
            column: "appraisal_value",
            severity: Severity::Soft,
            category: "data_quality",
            rejection_criteria: "notebook.appraisal_missing",
        };
        rule.passes(&["$315,000.00", "0.01", "0.000000001"]);
        rule.fails_when_missing("> 0", "Appraisal value is missing; it must be above $0.00");
        rule.fails("0.00", "0", "> 0", "0", "Appraisal value $0.00 is not above $0.00");
        rule.fails("-5", "-5", "> 0", "5", "Appraisal value -$5.00 is not above $0.00");
        for cell in ["NA", "0", "-0.01"] {
            is_bought_all_the_same(&rule, cell);
        }
    }

    #[test]
    fn test_note_rate_out_of_range_is_soft() {
        let rule = RuleCase {
            rule: ExceptionType::NoteRateRange,
            column: "note_rate",
            severity: Severity::Soft,
            category: "pricing",
            rejection_criteria: "notebook.note_rate_out_of_range",
        };
        rule.passes(&["6.75", "6.75 %", "1", "1.0", "1.000000000", "15", "15.00%"]);
        rule.fails("0.99", "0.99", ">= 1.0", "0.01", "Note rate 0.99 % is below the minimum 1.00 % (by 0.01)");
        rule.fails("0.5 %", "0.5", ">= 1.0", "0.5", "Note rate 0.50 % is below the minimum 1.00 % (by 0.50)");
        rule.fails("30", "30", "<= 15.0", "15", "Note rate 30.00 % is above the maximum 15.00 % (by 15.00)");
        rule.fails("15.01", "15.01", "<= 15.0", "0.01", "Note rate 15.01 % is above the maximum 15.00 % (by 0.01)");
        let message = "Note rate 15.0000001 % is above the maximum 15.00 % (by 0.0000001)";
        rule.fails("15.0000001", "15.0000001", "<= 15.0", "0.0000001", message);
        rule.fails_when_missing(">= 1.0 and <= 15.0", "Note rate is missing; it must be from 1.00 % to 15.00 %");
        for cell in ["0.99", "15.01", "0.75", "30"] {
            is_bought_all_the_same(&rule, cell);
        }
    }
}

mod test_combined_eligibility {
    use shared::{loan::Loan, phases::disposition::Disposition};

    use super::*;
    use crate::support::loans::{judged, names};

    /// Asserts that the loan is rejected for exactly these exceptions, without a price.
    #[track_caller]
    fn is_rejected(loan: &Loan<'_>, exceptions: &[(&str, &str)]) {
        let decided = judged(loan);
        assert_eq!(names(&decided.exceptions), exceptions);
        assert_eq!(decided.disposition, Disposition::Rejected);
        assert_eq!((decided.price, decided.projection_reason), (None, None));
    }

    #[test]
    fn test_all_rules_pass() {
        let loan = LoanBuilder::good().build();
        let rules = RuleSet::built_in();
        assert_eq!(rules.rules().len(), 10);
        for rule in rules.rules() {
            assert_eq!(rule.check(&loan), Verdict::Pass, "{}", rule.exception_type().name());
        }
        let decided = judged(&loan);
        assert_eq!(decided.exceptions, []);
        assert_eq!(decided.disposition, Disposition::ToPurchase);
        assert!(decided.price.is_some());
    }

    #[test]
    fn test_multiple_hard_failures() {
        let loan = LoanBuilder::good()
            .with("loan_amount", "49,999.99")
            .with("ltv_ratio", "97.01")
            .with("dti_ratio", "50.01")
            .with("credit_score", "619")
            .with("property_type", "MH")
            .with("occupancy_status", "vacant")
            .with("loan_purpose", "construction")
            .build();
        let failed =
            ["loan_amount_range", "ltv_ratio", "dti_ratio", "credit_score", "property_type", "occupancy_status", "loan_purpose"];
        is_rejected(&loan, &failed.map(|name| (name, "hard")));
    }

    #[test]
    fn test_soft_failures_dont_reject() {
        let loan = LoanBuilder::good().with("purchase_price", "").with("appraisal_value", "0").with("note_rate", "15.01").build();
        let decided = judged(&loan);
        let failed = ["missing_purchase_price", "missing_appraisal", "note_rate_range"];
        assert_eq!(names(&decided.exceptions), failed.map(|name| (name, "soft")));
        assert_eq!(decided.disposition, Disposition::ToPurchase);
        assert!(decided.price.is_some());
    }

    #[test]
    fn test_mix_of_hard_and_soft() {
        let loan = LoanBuilder::good().with("ltv_ratio", "97.80").with("appraisal_value", "NA").with("note_rate", "16").build();
        is_rejected(&loan, &[("ltv_ratio", "hard"), ("missing_appraisal", "soft"), ("note_rate_range", "soft")]);
        let messages: Vec<String> = judged(&loan).exceptions.into_iter().map(|exception| exception.evidence.message).collect();
        let expected = [
            "LTV 97.80 % is above the maximum 97.00 % (by 0.80)",
            "Appraisal value is missing; it must be above $0.00",
            "Note rate 16.00 % is above the maximum 15.00 % (by 1.00)",
        ];
        assert_eq!(messages, expected);
    }

    #[test]
    fn test_completely_empty_loan() {
        let loan = LoanBuilder::empty().build();
        for rule in RuleSet::built_in().rules() {
            let verdict = rule.check(&loan);
            let name = rule.exception_type().name();
            let evidence = verdict.evidence().unwrap_or_else(|| panic!("{name} passes an empty loan"));
            assert_eq!((evidence.actual.as_ref(), evidence.excess), ("missing", None), "{name}");
        }
        is_rejected(&loan, &[("missing_field", "hard")]);
        let columns = ["seller_loan_number", "loan_amount", "note_rate", "ltv_ratio", "credit_score", "property_type"];
        let message = format!("Required fields are missing or zero: {}", columns.join(", "));
        assert_eq!(judged(&loan).exceptions[0].evidence.message, message);
        assert_eq!(loan.shown_number(), "UNKNOWN");
    }
}
