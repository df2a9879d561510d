//! Arbitrary bytes as a file of waivers: either every mistake has its place, or a run can honour the waivers.

use shared::{
    rules::rule_set::RuleSet,
    waivers::{MAX_WAIVER_LINES, WaiverFile},
};

/// Asserts what holds for every file of waivers, read as CSV and as a workbook.
pub fn check(input: &[u8]) {
    for name in ["waivers.csv", "waivers.xlsx"] {
        let rules = RuleSet::built_in();
        match WaiverFile::new(name, input.to_vec()).waivers(rules) {
            Ok(waivers) => {
                let types = rules.waivable_types();
                for waiver in waivers.all() {
                    assert!((2..=MAX_WAIVER_LINES).contains(&waiver.line), "{waiver:?}");
                    assert!(types.contains(&waiver.exception_type.as_str()) && !waiver.reason.is_empty(), "{waiver:?}");
                    assert!(waivers.of(&waiver.seller_loan_number).contains(waiver), "{waiver:?}");
                    let json: serde_json::Value = serde_json::from_str(&waiver.json()).unwrap();
                    assert_eq!(json["reason"], waiver.reason.as_str());
                }
            }
            Err(error) => {
                assert!(!error.0.is_empty());
                let placed = error.0.iter().all(|mistake| mistake.place.is_none_or(|(line, column)| line > 0 && column > 0));
                assert!(placed && error.0.iter().all(|mistake| !mistake.message.is_empty()), "{error}");
            }
        }
    }
}
