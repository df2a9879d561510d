//! Names of columns, as sellers write them.

use super::*;
use crate::support::tape_rows::{fate, fates};

/// Headers that earlier versions did not recognise, by the column that they mean. A bar separates them.
const NAMES: [(&str, &str); 11] = [
    (
        "seller_loan_number",
        "ID|Account Number|InvestorLoan|OriginatorLoanID|ServicerLoanIdentifier|UniversalLoanId|SellerAssetID|assetNumber",
    ),
    (
        "loan_amount",
        "ORIG_AMT|Orig_Amt|original_principal|principal|CURR BAL|NoteBalance|Current Actual UPB|ISSUANCE_UPB|UPBAtIssuance|UPBAmount|\
         Current Loan Amount|Outstanding Principal|NoteAmount|UPB ($)",
    ),
    (
        "note_rate",
        "ORIG_RT|CURR_RATE|Curr_Rate|coupon_rate|note_rate_pct|AnnualInterestRate|OriginalNoteRate|rate_of_interest|Interest Rate (%)|\
         NoteRatePercent",
    ),
    (
        "ltv_ratio",
        "Original Loan-to-Value (LTV)|Original Loan to Value Ratio (LTV)|ltv_pct|OriginalLoanToValueAMTFirst|LTVRatioPercent|\
         ORIGINAL LOAN-TO-VALUE (LTV)",
    ),
    ("dti_ratio", "Originator DTI|Original Debt-to-Income (DTI) Ratio|Debt-To-Income (DTI)|dtir1"),
    (
        "credit_score",
        "CSCORE_B|CLASSIC FICO|Borrower Credit Score at Origination|Original Primary Borrower FICO|Qualifying FICO|\
         LoanLevelCreditScoreValue|FICO Score at Origination|BorrowerCreditScoreAtOrigination",
    ),
    ("property_type", "PROP|PROP_TYP|SubjectPropertyType|GsePropertyType|Property Type Code"),
    ("occupancy_status", "OCC_STAT|Occupancy (P/S/I)|OriginalOccStatus|Owner Occupancy|PropertyUsageType|Occupancy Status Code"),
    ("loan_purpose", "LoanPurposeSummary|Loan Purpose Code"),
    ("purchase_price", "SubjectPropertyPurchasePrice|Orig Sales Price|Sale Price ($)"),
    (
        "appraisal_value",
        "App_Value|CurrentAppraisedValue|Original Appraised Property Value|Orig Appraisal Value|Collateral Value|BPO|\
         Appraised Value at Origination",
    ),
];

#[test]
fn names_of_real_tapes_are_known() {
    for (column, names) in NAMES {
        for name in names.split('|') {
            let finished = run_mapped(renamed(&[(column, name)]), &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(bought(&finished), ["L1", "L2"], "{name}");
            let columns = &finished.outcome.mappings[0].columns;
            assert_eq!(columns.iter().find(|of| of.header == name).unwrap().known().map(Field::name), Some(column), "{name}");
            assert_eq!(notices(&finished), [""; 0], "{name}");
        }
    }
}

#[test]
fn what_does_not_matter_of_a_name_is_folded() {
    for (column, name) in [
        ("loan_amount", "loanAmount"),
        ("loan_amount", "LoanAmount"),
        ("loan_amount", "Loan\u{a0}Amount"),
        ("loan_amount", "Loan\u{2009}Amount"),
        ("loan_amount", "Loan\u{2013}Amount"),
        ("loan_amount", "\u{200b}Loan Amount\u{feff}"),
        ("loan_amount", "Loan Amount*"),
        ("loan_amount", "Loan Amount:"),
        ("loan_amount", "Loan Amount (USD)"),
        ("seller_loan_number", "1. Loan ID"),
        ("note_rate", "12. Note Rate"),
        ("ltv_ratio", "LTV (%)"),
        ("ltv_ratio", "Loan to Value (LTV)"),
        ("dti_ratio", "Debt to Income Ratio (DTI)"),
    ] {
        let finished = run_mapped(renamed(&[(column, name)]), &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        let columns = &finished.outcome.mappings[0].columns;
        let at = HEADER.split(',').position(|of| of == column).unwrap();
        assert_eq!(columns[at].known().map(Field::name), Some(column), "{name}");
        assert_eq!(bought(&finished), ["L1", "L2"], "{name}");
    }
}

#[test]
fn names_of_other_things_are_taken_for_nothing() {
    for (column, names) in [
        (
            "ltv_ratio",
            "CLTV|HCLTV|TLTV|HTLTV|Combined LTV|Current LTV|Updated LTV|LTV (CLTV)|Loan to Value (CLTV)|Original Combined Loan-to-Value (CLTV)",
        ),
        ("credit_score", "Current FICO|Updated FICO|Co-Borrower FICO|Coborrower Credit Score|FICO (Current)"),
        ("loan_amount", "Loan Amount (000)|UPB ($000)|UPB (K)|UPB (M)|Balance (000s)|Loan Amount (CLTV)"),
        ("note_rate", "Rate (bps)|Net Rate|Pass-Through Rate|Note Rate (K)"),
        ("property_type", "Property|Type|Property Value Type"),
    ] {
        for name in names.split('|') {
            let (code, message) = refusal(renamed(&[(column, name)]));
            assert_eq!(code, RunErrorCode::MissingColumns, "{name}");
            assert!(message.contains(column) && message.contains("--map"), "{name}: {message}");
        }
    }
}

#[test]
fn a_header_may_take_two_rows() {
    let upper = "Loan,Loan,Note,Original,,FICO,Property,Occupancy,Loan,Sales,Appraised";
    let lower = "Number,Amount,Rate,LTV,DTI,,Type,Status,Purpose,Price,Value";
    for (titles, line) in [("", 2), ("Portfolio of May\n", 3), ("Portfolio of May,,\n\n", 4)] {
        let finished = read(format!("{titles}{upper}\n{lower}\n{}\n", goods(&["L1", "L2"]).join("\n")), 2);
        let expected = [fate("L1", "to_purchase", line + 1), fate("L2", "to_purchase", line + 2)];
        assert_eq!(fates(&finished), expected, "{titles:?}");
    }
    // The engine does not join a title row with a complete header below it.
    let finished = read(format!("Cover sheet,of,May\n{HEADER}\n{}\n", goods(&["L1", "L2"]).join("\n")), 2);
    assert_eq!((bought(&finished).len(), finished.outcome.mappings[0].header_line), (2, 2));
}

#[test]
fn what_no_header_has_is_said() {
    let (code, message) = refusal("Loan Number^Loan Amount^Note Rate\nL1^250000^6.5\n");
    assert_eq!(code, RunErrorCode::MissingColumns);
    assert!(message.contains("ltv_ratio, credit_score, property_type"), "{message}");
    let (code, message) = refusal("Deal,Sheet\nx,y\nLoans,of,May\n");
    assert_eq!(code, RunErrorCode::NoHeader);
    assert!(message.contains("seller_loan_number"), "{message}");
    let (_, message) = refusal(renamed(&[("credit_score", "Bureau Points")]));
    assert!(message.contains("credit_score") && message.contains("Bureau Points"), "{message}");
}
