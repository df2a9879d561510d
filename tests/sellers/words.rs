//! Words for types, occupancies and purposes, as sellers write them.

use super::*;
use crate::support::tape_rows::tape;

/// Column, canonical word, and the spellings that mean this word. A bar separates the spellings.
const WORDS: [(&str, &str, &str); 11] = [
    (
        "property_type",
        "sfr",
        "SFR Detached|SFR-Detached|SF Detached|SFDetached|SingleFamily|SingleFamilyDetached|Single Family Res|Single Fam|1 Family|\
         One Family|Single Family (1 Unit)",
    ),
    (
        "property_type",
        "condo",
        "High Rise Condominium|HighRiseCondominium|Detached Condominium|DetachedCondo|Condo - Low Rise|Condo (Low Rise)|\
         Condo - High Rise|Mid Rise Condo|Low-rise Condo (up to 4)|Condo Attached|Condo Detached|Warrantable Condo|CND|CoNdO",
    ),
    (
        "property_type",
        "pud",
        "PUD (Detached)|PUD (Attached)|Single Family Detached PUD|Single Family Attached PUD|SFR/PUD|SF PUD|De minimis PUD|\
         Planned Unit Development (PUD)",
    ),
    ("property_type", "townhouse", "Townhomes|Townhouse/Rowhouse|TWNHS"),
    (
        "property_type",
        "2-4_unit",
        "3-4 Units|2-4|2 - 4 Unit|2-4 FAM|2-4 Plex|4-plex|Four-Plex|Quad|Quadruplex|Duplex/Triplex|Multi-Family (2-4)|2-4 Unit Property",
    ),
    (
        "occupancy_status",
        "primary",
        "PrimaryResidence|OwnerOccupied|Owner Occ|O/O|O|PRIM|Primary (Owner Occupied)|Occupied by owner",
    ),
    ("occupancy_status", "second_home", "SecondHome|SecondaryResidence|2nd|Second Home/Vacation|Secondary Home|sr"),
    (
        "occupancy_status",
        "investment",
        "NonOwnerOccupied|Non-Owner Occ|N/O/O|InvestmentProperty|Rental Property|Tenant|Occupied by tenant|Investor (NOO)|ir",
    ),
    (
        "loan_purpose",
        "rate_term_refinance",
        "NoCash-Out Refinance|NoCashOutRefinance|R&T|R & T|R&T Refi|Rate / Term|Refinance Rate/Term|Refi - Rate/Term|Refi R/T|\
         Rate & Term Refi|Rate and Term Refi|Limited Cash Out Refi|LCO|LCOR|NCO|No C/O|RefiRateTerm",
    ),
    (
        "loan_purpose",
        "cash_out_refinance",
        "CashOutRefinance|C/O Refinance|Refi C/O|COR|RefiCashOut|Equity Takeout|Texas Cash Out",
    ),
    ("loan_purpose", "purchase", "PurchaseMoney|New Purchase|Purchase Transaction"),
];

#[test]
fn clear_words_are_read() {
    for (column_name, word, spellings) in WORDS {
        let spellings: Vec<&str> = spellings.split('|').collect();
        for spelling in &spellings {
            for written in [(*spelling).to_owned(), spelling.to_uppercase(), format!(" {spelling}\u{a0}"), format!("'{spelling}")]
            {
                // A spelling in camel case is read only in camel case.
                let letters: Vec<char> = spelling.chars().collect();
                let camel_case =
                    letters.windows(3).any(|of| of[0].is_alphabetic() && of[1].is_uppercase() && of[2].is_lowercase());
                if camel_case && written == spelling.to_uppercase() {
                    continue;
                }
                let finished = run_mapped(tape(&[loan("A", &[(column_name, &written)]), good("B")]), &[]).unwrap();
                assert_eq!(finished.rows("purchase_tape.csv")[0][column_name], word, "{column_name} {written:?}");
                assert_eq!(bought(&finished), ["A", "B"], "{written}");
            }
        }
    }
}

#[test]
fn what_is_not_bought_stays_as_written_and_is_rejected() {
    for (column, spellings) in [
        (
            "property_type",
            "MH|Manufactured|ManufacturedHome|Mobile Home|SFR/MH|SFR (MH)|PUD (Manufactured)|PUD/MH|Manufactured (PUD)|\
             co-op|Co-Op Unit|Cooperative|CoOp|Condotel|Condo Hotel|CondoHotel|Condo (Condotel)|Mixed Use|MixedUse|Mixed-Use (2-4)|\
             2-4 Unit Mixed Use|5+ units|5 Units|5-10 Units|Multifamily 5+|1-4 family|1-4 Unit|1-4|Non-Warrantable Condo|\
             NonWarrantableCondo|Condo (Non-Warrantable)|Condo Non Warrantable|Construction|Land|Lot|Commercial|24 unit|2 4|14 family",
        ),
        ("occupancy_status", "Vacant|Primary/Investor|Unknown|Owner & Tenant|3|1|P/S"),
        ("loan_purpose", "Construction|Construction-Perm|Refinance|Refi|Purchase/Refinance|R/C|HELOC|Home Equity|31|1|2"),
    ] {
        for written in spellings.split('|') {
            let finished = run_mapped(tape(&[loan("A", &[(column, written)]), good("B")]), &[]).unwrap();
            assert_eq!(bought(&finished), ["B"], "{written}");
            assert_eq!(reasons(&finished), [format!("A | {column} | {written}")]);
            assert_eq!(finished.rows("rejection_report.csv")[0][column], written);
        }
    }
}

#[test]
fn none_is_a_kind_of_documentation_and_nothing_elsewhere() {
    let text = format!("{HEADER},Doc Type\n{},None\n{},Full Doc\n{},n/a\n", good("A"), good("B"), good("C"));
    let finished = read(text, 3);
    assert_eq!(column(&facts(&finished), "documentation_type"), ["none", "full", ""]);
    let finished = read(tape(&[loan("A", &[("occupancy_status", "None")]), good("B")]), 2);
    assert_eq!(reasons(&finished), ["A | occupancy_status | missing"]);
}

#[test]
fn states_are_stored_as_codes() {
    let states = [
        ("CA", "CA"),
        ("ca", "CA"),
        ("California", "CA"),
        ("New York", "NY"),
        ("D.C.", "DC"),
        ("Puerto Rico", "PR"),
        ("Cali", ""),
    ];
    let rows: String =
        states.iter().enumerate().map(|(at, (state, _))| format!("{},{state}\n", good(&format!("L{at}")))).collect();
    let finished = read(format!("{HEADER},State\n{rows}"), 7);
    assert_eq!(column(&facts(&finished), "property_state"), states.map(|(_, code)| code));
    assert_eq!((bought(&finished).len(), notices(&finished)), (7, vec!["values_not_read 1".to_owned()]));
}

#[test]
fn units_that_are_five_or_more_make_no_house_of_one_family() {
    for (cell, expected) in [
        ("5+", "5+_unit"),
        ("5 +", "5+_unit"),
        ("5 or more", "5+_unit"),
        ("5 units", "5+_unit"),
        ("5 plus", "5+_unit"),
        (">4", "5+_unit"),
        ("5-10", "5+_unit"),
        ("12", "5+_unit"),
        ("4", "bought"),
        ("1", "bought"),
        ("2+", "bought"),
    ] {
        let text = format!("{HEADER},Number of Units\n{},{cell}\n{},1\n", good("A"), good("B"));
        let finished = read(text, 2);
        let fate = if expected == "bought" { vec!["A", "B"] } else { vec!["B"] };
        assert_eq!(bought(&finished), fate, "{cell}");
        if expected != "bought" {
            let message = &exceptions(&finished)[0]["message"];
            assert!(message.contains(&format!("with {cell} units")), "{message}");
        }
    }
}

#[test]
fn a_date_where_a_word_belongs_is_told_as_what_a_spreadsheet_made() {
    for cell in ["2-Apr", "4-Feb", "Apr-02", "2024-02-04"] {
        let finished = read(tape(&[good("A").replace("sfr", cell), good("B")]), 2);
        assert_eq!(bought(&finished), ["B"], "{cell}");
        let message = &exceptions(&finished)[0]["message"];
        assert!(message.contains(&format!("\"{cell}\", a date that a spreadsheet made of what was typed")), "{message}");
    }
}
