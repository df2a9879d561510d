//! Arbitrary rows as the head of a tape: a header that is found is whole, and stays the same in another order and another
//! spelling.

use std::{borrow::Cow, collections::BTreeSet};

use shared::{
    error::RunErrorCode,
    loan::Field,
    tape::{
        aliases::{Aliases, Rank},
        header::{FoundHeader, Header, HeaderReading, HeaderSearch, MAX_COLUMNS, MAX_HEADER_CHARACTERS},
        options::TapeOptions,
    },
};

/// Asserts what holds for the head of every tape. Line breaks separate rows, tabs separate cells.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (mut search, options) = (HeaderSearch::default(), TapeOptions::default());
    let reading = HeaderReading { source_file: "tape.csv", options: &options };
    for (row, line) in text.split('\n').zip(1..) {
        let cells: Vec<Cow<'_, str>> = row.split('\t').map(Cow::Borrowed).collect();
        let found = search.look(&cells, line, &reading);
        let claims = claims(&cells);
        let claimed = |field: Field| claims.iter().any(|(of, _)| *of == field);
        let missing = Field::CANONICAL.into_iter().any(|field| field.info().required && !claimed(field));
        // A coupon column counts only without a column of the gross rate.
        let coupon = claims.iter().all(|(field, rank)| *field != Field::NoteRate || *rank == Rank::Weak);
        match &found {
            Ok(None) => assert!(missing || coupon),
            Ok(Some(found)) => assert_is_whole(&found.header, &cells, line),
            Err(error) if is_too_large(&cells) => {
                assert_eq!((error.code, error.line), (RunErrorCode::HeaderTooLarge, Some(line)));
            }
            Err(error) => {
                assert_eq!((error.code, error.line), (RunErrorCode::DuplicateColumns, Some(line)));
                assert!(claims.iter().collect::<BTreeSet<_>>().len() < claims.len());
            }
        }
        let turned: Vec<Cow<'_, str>> = cells.iter().rev().cloned().collect();
        let again = HeaderSearch::default().look(&turned, line, &reading);
        assert_eq!(
            found.as_ref().map(|header| header.as_ref().map(kept_fields)).map_err(|error| error.code),
            again.as_ref().map(|header| header.as_ref().map(kept_fields)).map_err(|error| error.code)
        );
        for cell in &cells {
            assert_ignores_dress(cell);
        }
    }
    let error = search.failure("tape.csv");
    assert!(matches!(error.code, RunErrorCode::NoHeader | RunErrorCode::MissingColumns), "{error}");
    assert!(error.message.len() < 1_000, "{error}");
}

fn is_too_large(cells: &[Cow<'_, str>]) -> bool {
    cells.len() > MAX_COLUMNS || cells.iter().any(|cell| cell.trim().chars().count() > MAX_HEADER_CHARACTERS)
}

fn claims(cells: &[Cow<'_, str>]) -> Vec<(Field, Rank)> {
    cells.iter().flat_map(|cell| Aliases::built_in().claims(cell)).map(|claim| (claim.field, claim.rank)).collect()
}

fn kept_fields(found: &FoundHeader) -> BTreeSet<(Field, String)> {
    found.header.columns.iter().filter_map(|column| Some((column.known()?, column.header.clone()))).collect()
}

fn assert_is_whole(header: &Header, cells: &[Cow<'_, str>], line: u64) {
    assert_eq!((header.line, header.columns.len()), (line, cells.len()));
    assert!(!is_too_large(cells));
    for (column, cell) in header.columns.iter().zip(cells) {
        assert_eq!(column.header, cell.trim());
        let claims = Aliases::built_in().claims(cell);
        assert!(column.known().is_none_or(|field| claims.iter().any(|claim| claim.field == field)));
    }
    for field in Field::ALL {
        match header.position(field) {
            Some(at) => assert_eq!((header.columns[at].known(), header.columns[at].name.as_str()), (Some(field), field.name())),
            None => assert!(!field.info().required && header.columns.iter().all(|column| column.known() != Some(field))),
        }
    }
    let mut names: BTreeSet<&str> = header.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names.len(), header.columns.len(), "a name is there twice");
    for own in ["disposition", "final_price", "line", "source_file", "run_id"] {
        assert!(!names.contains(own), "{own}");
    }
    let extra = header.extra_name(cells.len());
    assert!(names.insert(&extra), "{extra}");
    assert_eq!(Header::of_columns(line, header.columns.clone()), *header);
    let json = serde_json::to_string(&header.columns).unwrap();
    assert_eq!(serde_json::from_str::<Vec<shared::tape::header::Column>>(&json).unwrap(), header.columns);
}

/// Asserts that a cell means the same in capitals and with marks that do not count.
fn assert_ignores_dress(cell: &str) {
    let meaning = Aliases::built_in().header(cell);
    for dressed in [cell.to_ascii_uppercase(), format!("  {cell}. "), format!("_{cell}#-"), cell.replace(' ', "_")] {
        assert_eq!(Aliases::built_in().header(&dressed), meaning, "{dressed:?}");
    }
}
