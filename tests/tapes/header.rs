//! Which row is the header, and which column fills which field.

use super::*;

/// A tape with these lines above its header.
fn below(titles: &str) -> String {
    format!("{titles}{}\n", tape(&[good("L1"), good("L2")]))
}

#[test]
fn title_rows_above_the_header_are_skipped() {
    for (titles, line) in [
        ("Portfolio of May\n", 2),
        ("sep=,\r\n", 2),
        ("\n  \n,,,,\n", 4),
        ("Loan tape,,,,,,,,,,\nSeller: \"A, B & Co\",\nas of,2026-05-31\n\n", 5),
        ("\"Two\nlines, quoted\",x\n", 3),
        ("Loan ID,UPB,Rate are the columns\n", 2),
        ("stray \"quotes\" in a title\n\"so\" \"many\"\n", 3),
    ] {
        let finished = run_tape(below(titles)).unwrap();
        assert_eq!(finished.outcome.mappings[0].header_line, line, "{titles:?}");
        let line = u32::try_from(line).unwrap();
        assert_eq!(fates(&finished), [fate("L1", "to_purchase", line + 1), fate("L2", "to_purchase", line + 2)], "{titles:?}");
    }
}

#[test]
fn the_header_may_be_on_row_20_but_not_on_row_21() {
    for title in ["Title\n", "Title,a,b\r\n", "\n", "   \n", ",,,\n"] {
        let finished = run_tape(below(&title.repeat(19))).unwrap();
        assert_eq!(finished.outcome.mappings[0].header_line, 20, "{title:?}");
        assert_eq!(fates(&finished)[0], fate("L1", "to_purchase", 21));
        let error = refused(below(&title.repeat(20)));
        assert_eq!(error.code, RunErrorCode::NoHeader, "{title:?}: {error}");
        assert!(error.message.contains("first 20 rows"), "{title:?}: {error}");
    }
}

#[test]
fn a_title_of_many_lines_is_one_row() {
    let finished =
        run_tape(below(&format!("Portfolio\n\"{}\"\n", "Confidential.\n".repeat(30)))).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((finished.outcome.mappings[0].header_line, bought(&finished).len()), (33, 2));
}

#[test]
fn a_quotation_mark_that_stays_open_in_a_title_does_not_hide_the_header() {
    for titles in ["\"Portfolio of May\nas of 2026\n", "\"Portfolio of May\n\"as of, 2026\n"] {
        for rows in [vec![good("L1")], vec![good("L1"), good("\"L2\""), good("L3")]] {
            let finished = run_tape(format!("{titles}{}\n", tape(&rows))).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(finished.outcome.mappings[0].header_line, 3);
            assert_eq!(bought(&finished).len(), rows.len());
        }
    }
}

#[test]
fn a_long_title_row_does_not_hide_the_header() {
    for length in [1_000, 1 << 20, 3 << 20] {
        let finished = run_tape(below(&format!("Portfolio\n{}\n", "x".repeat(length))));
        assert_eq!(bought(&finished.unwrap_or_else(|error| panic!("{length}: {error}"))), ["L1", "L2"]);
    }
}

#[test]
fn the_first_row_that_names_the_required_columns_is_the_header() {
    let finished = run_lines(&[good("L1"), HEADER.to_owned(), good("L2")]);
    assert_eq!(finished.outcome.mappings[0].header_line, 1);
    assert_eq!(fates(&finished), [fate("L1", "to_purchase", 2), fate("L2", "to_purchase", 4)]);
    assert_eq!(found(&finished), [""; 0]);
    assert_eq!(noticed(&finished), ["header_again 3"]);
    assert_eq!(finished.outcome.notices.ignored_rows, 1);
}

#[test]
fn columns_may_stand_in_any_order() {
    let backwards = |line: &str| line.split(',').rev().collect::<Vec<_>>().join(",");
    let lines = [HEADER.to_owned(), good("L1"), loan("L2", &[("dti_ratio", "50.01")])];
    let finished = run_tape(lines.each_ref().map(|line| backwards(line)).join("\n")).unwrap();
    let straight = run_tape(lines.join("\n")).unwrap();
    for file in ["purchase_tape.csv", "rejection_report.csv", "exception_summary.csv"] {
        assert_eq!(finished.files[file], straight.files[file]);
    }
}

/// The canonical column for which the engine takes a header, in a tape with all other canonical columns.
fn taken_for(header: &str, canonical: &str) -> Result<Option<&'static str>, RunError> {
    let columns: Vec<&str> = HEADER.split(',').map(|name| if name == canonical { header } else { name }).collect();
    let at = columns.iter().position(|name| *name == header).unwrap();
    let finished = run_tape(format!("{}\n{}\n", columns.join(","), good("L1")))?;
    Ok(finished.outcome.mappings[0].columns[at].known().map(Field::name))
}

#[test]
fn headers_match_in_any_case_and_after_folding() {
    for name in HEADER.split(',') {
        let words = name.replace('_', " ");
        let spellings = [
            name.to_uppercase(),
            words.clone(),
            words.replace(' ', "-"),
            words.replace(' ', "."),
            words.replace(' ', ""),
            format!(" #{words}#. "),
            format!("\"{}\"", words.to_uppercase().replace(' ', "\n")),
        ];
        for spelling in spellings {
            assert_eq!(taken_for(&spelling, name).unwrap(), Some(name), "{spelling:?}");
        }
    }
}

#[test]
fn what_sellers_write_for_a_column_is_known() {
    for (header, canonical) in [
        ("Loan #", "seller_loan_number"),
        ("LOAN ID", "seller_loan_number"),
        ("loan_number", "seller_loan_number"),
        ("UPB", "loan_amount"),
        ("Orig Bal", "loan_amount"),
        ("Rate", "note_rate"),
        ("Note Rate", "note_rate"),
        ("LTV", "ltv_ratio"),
        ("DTI", "dti_ratio"),
        ("FICO", "credit_score"),
        ("Score", "credit_score"),
        ("Prop Type", "property_type"),
        ("Prop. Type", "property_type"),
        ("Occ", "occupancy_status"),
        ("Purpose", "loan_purpose"),
        ("Sales Price", "purchase_price"),
        ("Appraised Value", "appraisal_value"),
    ] {
        assert_eq!(taken_for(header, canonical).unwrap(), Some(canonical), "{header}");
    }
    for (header, standard) in [("CLTV", Some("cltv_ratio")), ("County", None), ("Servicer Loan Status", None)] {
        assert_eq!(taken_for(header, "dti_ratio").unwrap(), standard, "{header}");
    }
}

#[test]
fn two_columns_for_one_meaning_fail_the_run() {
    for (header, canonical) in [
        ("seller_loan_number", "seller_loan_number"),
        ("Loan ID", "seller_loan_number"),
        ("Balance", "loan_amount"),
        ("Note-Rate", "note_rate"),
        ("DTI", "dti_ratio"),
        ("Appraised Value", "appraisal_value"),
    ] {
        let error = refused(format!("Title\n\n{HEADER},County,{header}\n{},x,1\n", good("L1")));
        assert_eq!((error.code, error.line), (RunErrorCode::DuplicateColumns, Some(3)), "{error}");
        let way_out = format!("--map {canonical}=\"{canonical}\"");
        for part in [format!("\"{canonical}\" and \"{header}\""), format!("both mean {canonical}"), way_out] {
            assert!(error.message.contains(&part), "{error}");
        }
    }
}

#[test]
fn the_mapping_names_every_column_as_written() {
    let text = format!("Loan #,{},County Name,\"Q\"\"x\"\n{},x,y\n", HEADER.split_once(',').unwrap().1, good("L1"));
    let finished = run_tape(text).unwrap();
    let mapping = serde_json::to_value(&finished.outcome.mappings[0]).unwrap();
    assert_eq!(mapping["source_file"], "tape.csv");
    assert_eq!((&mapping["format"], &mapping["delimiter"], &mapping["encoding"]), (&"csv".into(), &",".into(), &"utf-8".into()));
    let column = |at: usize| mapping["columns"][at].to_string();
    let number = r##"{"position":1,"header":"Loan #","field":"seller_loan_number","name":"seller_loan_number","rank":2,"origin":"alias"}"##;
    assert_eq!(column(0), number);
    let rate = r#"{"position":3,"header":"note_rate","field":"note_rate","name":"note_rate","rank":2,"unit":"percent","origin":"alias"}"#;
    assert_eq!(column(2), rate);
    assert_eq!(column(11), r#"{"position":12,"header":"County Name","name":"County Name"}"#);
    assert_eq!(column(12), r#"{"position":13,"header":"Q\"x","name":"Q\"x"}"#);
}

#[test]
fn unknown_columns_are_kept_as_text() {
    let text = format!("{HEADER},County,Opened,Flag,Empty\n{},007,2026-01-31, yes ,\n", good("L1"));
    let kept = kept(&facts(&run_tape(text).unwrap())[0]);
    let expected = [("County", "007"), ("Empty", ""), ("Flag", " yes "), ("Opened", "2026-01-31")];
    assert_eq!(kept, expected.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
}

#[test]
fn columns_named_like_fields_of_the_product_get_source_in_front() {
    let names = ["disposition", "projection_reason", "Pricing_Spread", "FINAL_PRICE", "source_file", "line"];
    let text = format!("{HEADER},{}\n{},a,b,c,d,e,f\n", names.join(","), good("L1"));
    let finished = run_tape(text).unwrap();
    let columns = &finished.outcome.mappings[0].columns[11..];
    assert_eq!(columns.iter().map(|column| column.header.as_str()).collect::<Vec<_>>(), names);
    let fact = &facts(&finished)[0];
    assert_eq!(
        (fact["disposition"].as_str(), fact["source_file"].as_str(), fact["line"].as_str()),
        ("to_purchase", "tape.csv", "2")
    );
    let renamed = names.map(|name| format!("source_{name}"));
    assert_eq!(kept(fact), renamed.into_iter().zip(["a", "b", "c", "d", "e", "f"].map(str::to_owned)).collect());
}

#[test]
fn columns_with_one_header_or_none_are_all_kept() {
    for headers in ["Note,Note,Note", "Note,,", "line,source_line,line", "column_13,,column_13", "Note,note, Note "] {
        let finished = run_tape(format!("{HEADER},{headers}\n{},a,b,c\n", good("L1"))).unwrap();
        let mut values: Vec<String> = kept(&facts(&finished)[0]).into_values().collect();
        values.sort();
        assert_eq!(values, ["a", "b", "c"], "{headers}");
    }
}

#[test]
fn a_tape_may_have_4096_columns() {
    let wide = |columns: usize| {
        let extra = columns - 11;
        format!("{HEADER}{}\n{}{}\n", ",x".repeat(extra), good("L1"), ",v".repeat(extra))
    };
    let finished = run_tape(wide(4_096)).unwrap();
    assert_eq!(kept(&facts(&finished)[0]).len(), 4_096 - 11);
    let error = refused(wide(4_097));
    assert_eq!((error.code, error.line), (RunErrorCode::HeaderTooLarge, Some(1)));
    assert!(error.message.contains("4097 columns") && error.message.contains("at most 4096"), "{error}");
}
