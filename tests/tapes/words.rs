//! What sellers write for property types, occupancies and purposes.

use super::*;

#[test]
fn what_sellers_write_for_a_word_is_known() {
    for (column, word, spellings) in [
        ("property_type", "sfr", &["sfr", "SFR", "SF", "Single Family", "SFD", "single-family", " sfr "][..]),
        ("property_type", "condo", &["condo", "CO", "Condominium"]),
        ("property_type", "townhouse", &["townhouse", "TH", "Town House"]),
        ("property_type", "pud", &["pud", "PU", "Pud"]),
        ("property_type", "2-4_unit", &["2-4_unit", "2-4 unit", "2-4 UNIT", "Duplex", "Triplex", "Fourplex"]),
        ("occupancy_status", "primary", &["primary", "P", "Owner Occupied", "OO", "owner-occupied", "PRIMARY"]),
        ("occupancy_status", "second_home", &["second_home", "second home", "S", "Second  Home"]),
        ("occupancy_status", "investment", &["investment", "I", "Investor", "NOO", "Non-Owner Occupied"]),
        ("loan_purpose", "purchase", &["purchase", "P", "PURCHASE"]),
        ("loan_purpose", "rate_term_refinance", &["rate_term_refinance", "R", "N", "rate_term_refi", "R/T Refi", "Rate/Term"]),
        ("loan_purpose", "cash_out_refinance", &["cash_out_refinance", "C", "cash_out_refi", "C/O", "Cash-Out", "cash out"]),
    ] {
        for written in spellings {
            assert_eq!(run_cell(column, written).rows("purchase_tape.csv")[0][column], word, "{column} {written:?}");
        }
    }
}

#[test]
fn manufactured_homes_and_cooperatives_do_not_pass() {
    let spellings = "MH|mh|Manufactured|Manufactured Home|manufactured_home|MANUFACTURED HOUSING|Mobile Home|Mfd Home|\
                     CP|Co-op|CO-OP|coop|co_op|Cooperative|Co-operative|Coop Unit|MH Select";
    for written in spellings.split('|') {
        let finished = run_cell("property_type", written);
        assert_eq!(bought(&finished), ["GOOD", "TOO"], "{written}");
        let exception = only_exception(&finished);
        assert_eq!((exception["exception_type"].as_str(), exception["actual"].as_str()), ("property_type", written));
        assert_eq!(finished.rows("rejection_report.csv")[0]["property_type"], written);
    }
}

#[test]
fn what_has_no_alias_stays_as_written_and_fails_its_rule() {
    for (column, written, list) in [
        ("property_type", "Yurt Nr. 5", "sfr, condo, townhouse, pud, 2-4_unit"),
        ("property_type", "24 unit", "2-4_unit"),
        ("occupancy_status", "Weekends Only", "primary, second_home, investment"),
        ("loan_purpose", "HELOC", "purchase, rate_term_refinance, cash_out_refinance"),
        ("loan_purpose", "S", "purchase"),
    ] {
        let finished = run_cell(column, written);
        let exception = only_exception(&finished);
        assert_eq!((exception["exception_type"].as_str(), exception["severity"].as_str()), (column, "hard"));
        assert!(exception["message"].contains(&format!("\"{written}\"")) && exception["message"].contains(list), "{exception:?}");
        assert_eq!(finished.rows("rejection_report.csv")[0][column], written);
    }
}
