//! Grids of a guide: tables in files that give limits and adjustments.

mod declared;
mod mistakes;
mod same;
mod tiling;

use shared::rules::{
    guide::grid::Applied,
    rule_set::{GuideFiles, RuleSetError, RuleSetFile},
};

use super::*;

/// The rule set with files in its folder.
fn loaded(toml: &str, files: &[(&str, &[u8])]) -> Result<RuleSet, RuleSetError> {
    let mut given = GuideFiles::default();
    files.iter().for_each(|(name, bytes)| given.insert(name, *bytes));
    RuleSet::load(&RuleSetFile { files: given, ..RuleSetFile::new("guide.toml", toml.to_owned()) })
}

/// A rule set without mistakes, with CSV files in its folder.
#[track_caller]
fn with_csv(toml: &str, files: &[(&str, &str)]) -> RuleSet {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    loaded(toml, &files).unwrap_or_else(|error| panic!("{error}\n{toml}"))
}

/// A workbook whose sheet `LTV` has these cells, as texts.
fn workbook(csv: &[&[&str]]) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet().set_name("LTV").unwrap();
    for (row, cells) in csv.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            match cell.parse::<f64>() {
                Ok(number) => sheet.write_number(row as u32, column as u16, number).unwrap(),
                Err(_) => sheet.write_string(row as u32, column as u16, *cell).unwrap(),
            };
        }
    }
    book.save_to_buffer().unwrap()
}

const MAX_LTV: &str = "[[grid]]\nname = \"max_ltv\"\nfile = \"max_ltv.csv\"\nrows = \"credit_score\"\ncolumns = \"loan_amount\"\n\
                       gives = { max = \"ltv_ratio\" }\n";
const MAX_LTV_CSV: &str = "score by amount,\"<= 1,000,000\",\"<= 1,500,000\",\"≤ 2.0M\"\n\
                           740+,95,85,75\n720+,90,80,X\n700-719,85,80,NA\n620-699,80,,\n";

#[test]
fn a_limit_exceeded_names_grid_cell_and_limit() {
    let cells = [("credit_score", "710"), ("loan_amount", "1,200,000"), ("ltv_ratio", "82")];
    let message =
        "LTV 82.00 % is above the maximum 80.00 % of max_ltv (max_ltv.csv!C4: credit score 700-719, loan amount <= 1,500,000)";
    let told = exceptions(&with_csv(MAX_LTV, &[("max_ltv.csv", MAX_LTV_CSV)]), &cells);
    assert_eq!(told, [["max_ltv", "hard", "ltv_ratio", "82", "<= 80", "2", message].map(str::to_owned)]);
    // In a workbook, the sheet stands in place of the file.
    let rows: [&[&str]; 3] = [&["", "<= 1,500,000"], &["700-719", "80"], &["720+", "85"]];
    let toml = MAX_LTV.replace("max_ltv.csv", "guide.xlsx");
    let told = exceptions(&loaded(&toml, &[("guide.xlsx", &workbook(&rows))]).unwrap(), &cells);
    assert_eq!(told[0][6], message.replace("max_ltv.csv!C4", "LTV!B2"));
    let at_the_limit = [("credit_score", "710"), ("loan_amount", "1,200,000"), ("ltv_ratio", "80")];
    assert!(exceptions(&with_csv(MAX_LTV, &[("max_ltv.csv", MAX_LTV_CSV)]), &at_the_limit).is_empty());
}

#[test]
fn a_loan_without_a_cell_violates_the_grid() {
    let rules = with_csv(MAX_LTV, &[("max_ltv.csv", MAX_LTV_CSV)]);
    for (score, amount, has_cell) in [
        ("612", "1,200,000", false),
        ("699.5", "900,000", true),
        ("700", "2,000,000", false),
        ("720", "2,000,000", false),
        ("740", "2,000,000.01", false),
        ("699", "1,000,000.01", false),
        ("699", "1,000,000", true),
        ("740", "2,000,000", true),
        ("739.5", "900,000", true),
    ] {
        let cells = [("credit_score", score), ("loan_amount", amount), ("ltv_ratio", "10")];
        let told: Vec<Told> = exceptions(&rules, &cells).into_iter().filter(|told| told[0] == "max_ltv").collect();
        assert_eq!(told.is_empty(), has_cell, "{cells:?} {told:?}");
    }
    // No cell is decided by the axes alone: the score is below the built-in minimum, and the grid says so too.
    let told = exceptions(&rules, &[("credit_score", "612"), ("loan_amount", "1,200,000")]);
    let message = "max_ltv has no cell for credit score 612 × loan amount $1,200,000.00";
    let expected = ["max_ltv", "hard", "credit_score", "612 × 1200000", "a cell of max_ltv", "", message].map(str::to_owned);
    assert_eq!(told[1], expected);
}

const LIST: &str = "[[grid]]\nname = \"limits\"\nfile = \"limits.csv\"\n";
const LIST_CSV: &str = "Loan Purpose,units,state,max LTV,min FICO\n\
                        purchase,1,,97,620\n\"purchase, R/T Refi\",2-4,\"FL, NY\",75,700\nnot purchase,*,not TX,80,\nCash-Out,,TX,NA,\n";

#[test]
fn the_first_row_that_fits_decides() {
    let rules = with_csv(LIST, &[("limits.csv", LIST_CSV)]);
    let of = |cells: &[(&str, &str)]| -> Vec<String> { messages(&rules, cells) };
    assert_eq!(of(&[("number_of_units", "1"), ("ltv_ratio", "97"), ("credit_score", "620")]), Vec::<String>::new());
    let two = [("number_of_units", "3"), ("property_state", "FL"), ("ltv_ratio", "80"), ("credit_score", "690")];
    assert_eq!(
        of(&two),
        [
            "LTV 80.00 % is above the maximum 75.00 % of limits (limits.csv!D3: loan purpose purchase, R/T Refi, number of units 2-4, \
         property state FL, NY)",
            "Credit score 690 is below the minimum 700 of limits (limits.csv!E3: loan purpose purchase, R/T Refi, number of units 2-4, \
         property state FL, NY)",
        ]
    );
    // An empty result gives nothing; `*` asks nothing; a refusing row refuses.
    let cash_out = [("loan_purpose", "cash_out_refinance"), ("property_state", "CA"), ("credit_score", "620")];
    assert_eq!(of(&cash_out), Vec::<String>::new());
    assert_eq!(
        of(&[("loan_purpose", "cash_out_refinance"), ("property_state", "TX")]),
        ["limits has no cell for loan purpose cash_out_refinance × number of units missing × property state TX"]
    );
    assert_eq!(
        of(&[("number_of_units", "5")]),
        ["limits has no cell for loan purpose purchase × number of units 5 × property state missing"]
    );
}

#[test]
fn a_missing_value_leaves_a_grid_undetermined_where_it_decides() {
    let rules = with_csv(LIST, &[("limits.csv", LIST_CSV)]);
    let (told, disposition, reason) = decided(&rules, &[], PDATE);
    let message = "limits cannot be decided: number_of_units is missing";
    assert_eq!(told, [["undetermined", "soft", "number_of_units", "missing", "", "", message].map(str::to_owned)]);
    assert_eq!((disposition, reason.as_deref()), ("projected", Some(&*format!("Held back: {message}"))));
    // `not` cannot judge a word outside the vocabulary.
    let unknown = [("loan_purpose", "cash_out_refinance"), ("property_state", "Atlantis")];
    assert_eq!(messages(&rules, &unknown), ["limits cannot be decided: property_state \"Atlantis\" is not a known value"]);
    for (missing, expected) in [("fail", Some(("limits", "hard"))), ("pass", None)] {
        let rules = with_csv(&format!("{LIST}missing = \"{missing}\""), &[("limits.csv", LIST_CSV)]);
        let told = exceptions(&rules, &[]);
        assert_eq!(told.first().map(|told| (told[0].as_str(), told[1].as_str())), expected, "{missing}");
    }
    // The field that a cell limits may be missing, too; one limit that fails is reported though another is open.
    let both = "state,max cltv_ratio,max ltv_ratio\nFL,80,75\nCA,80,90\n";
    let rules = with_csv(LIST, &[("limits.csv", both)]);
    assert_eq!(messages(&rules, &[("property_state", "CA")]), ["limits cannot be decided: cltv_ratio is missing"]);
    let told = messages(&rules, &[("property_state", "FL")]);
    assert_eq!(told, ["LTV 80.00 % is above the maximum 75.00 % of limits (limits.csv!C2: property state FL)"]);
}

#[test]
fn a_matrix_with_a_missing_value_on_an_axis_is_undetermined() {
    let toml = "[[grid]]\nname = \"max_ltv\"\nfile = \"a.csv\"\nrows = \"dscr\"\ncolumns = \"property_state\"\ngives = { max = \"ltv_ratio\" }\n";
    let rules = with_csv(toml, &[("a.csv", ",FL,\"TX, CA\"\n>= 1,70,75\n< 1,NA,60\n")]);
    assert_eq!(messages(&rules, &[]), ["max_ltv cannot be decided: dscr is missing, property_state is missing"]);
    assert_eq!(
        messages(&rules, &[("dscr", "1"), ("property_state", "Atlantis")]),
        ["max_ltv has no cell for DSCR 1.00 × property state Atlantis"]
    );
    assert_eq!(
        messages(&rules, &[("dscr", "0.9"), ("property_state", "FL")])[0],
        "max_ltv has no cell for DSCR 0.90 × property state FL"
    );
    let not = with_csv(toml, &[("a.csv", ",FL,\"not FL, TX\"\n>= 1,80,80\n< 1,NA,60\n")]);
    assert_eq!(
        messages(&not, &[("dscr", "1"), ("property_state", "Atlantis")]),
        ["max_ltv cannot be decided: property_state \"Atlantis\" is not a known value"]
    );
    assert_eq!(messages(&not, &[("dscr", "1"), ("property_state", "CA")]), Vec::<String>::new());
    assert_eq!(messages(&not, &[("dscr", "1"), ("property_state", "TX")]).len(), 1);
}

#[test]
fn a_list_of_unique_rows_holds_a_loan_that_two_of_them_fit() {
    let toml = format!("{LIST}policy = \"unique\"\nseverity = \"soft\"\nmissing = \"pass\"\n");
    let csv = "state,FICO,max LTV\nFL,,80\n,700+,90\nTX,<= 650,60\n";
    let rules = with_csv(&toml, &[("limits.csv", csv)]);
    let (told, disposition, reason) = decided(&rules, &[("property_state", "FL"), ("credit_score", "710")], PDATE);
    let message =
        "limits cannot be decided: the rows of limits.csv!A2 and limits.csv!A3 both fit property state FL × credit score 710";
    assert_eq!(told, [["undetermined", "soft", "property_state", "FL × 710", "", "", message].map(str::to_owned)]);
    assert_eq!((disposition, reason.as_deref()), ("projected", Some(&*format!("Held back: {message}"))));
    assert_eq!(
        rules.guide().notices(),
        ["limits: a loan can fit the rows of limits.csv!A2 and limits.csv!A3, and would be held"]
    );
    assert_eq!(messages(&rules, &[("property_state", "FL"), ("credit_score", "690")]), Vec::<String>::new());
    // A row that may fit besides one that fits leaves the list open.
    assert_eq!(messages(&rules, &[("credit_score", "710")]), Vec::<String>::new());
    let hold = with_csv(&toml.replace("pass", "hold"), &[("limits.csv", csv)]);
    assert_eq!(messages(&hold, &[("credit_score", "710")]), ["limits cannot be decided: property_state is missing"]);
    // `units` are whole numbers: nothing is between 2 and 3.
    let whole = with_csv(&toml, &[("limits.csv", "units,max LTV\n\"1, 2\",80\n(2..4],70\n")]);
    assert_eq!(whole.guide().notices(), Vec::<&str>::new());
}

const LLPA: &str =
    "[[grid]]\nname = \"llpa\"\nfile = \"llpa.csv\"\nrows = \"credit_score\"\ncolumns = \"ltv_ratio\"\ngives = \"adjustment\"\n";

/// What the first adjustment grid does for the good loan with some cells replaced: its outcome, and points with sources.
fn adjusted(rules: &RuleSet, cells: &[(&str, &str)]) -> (Applied, Vec<(i64, String)>) {
    let loan = cells.iter().fold(LoanBuilder::good(), |loan, (column, cell)| loan.with(column, cell)).build();
    let values = rules.guide().values(&loan, PDATE);
    let (grid, mut given) = (&rules.guide().adjustment_grids()[0], Vec::new());
    let applied = grid.adjust(&values, |at| given.push((grid.cells()[at].points, grid.cells()[at].source.to_string())));
    (applied, given)
}

#[test]
fn an_adjustment_grid_gives_points_with_their_cell() {
    let csv = "score by LTV,≤ 30.00%,30.01–60,60.01 to 70,> 70\n>= 740,0,0.25%,(0.375),-\n<= 739,+0.125,$1.5,-0.0625,0.1250\n";
    let rules = with_csv(LLPA, &[("llpa.csv", csv)]);
    for (score, ltv, expected) in [
        ("740", "30", Some((0, "llpa.csv!B2"))),
        ("740", "30.005", Some((2_500, "llpa.csv!C2"))),
        ("740", "60.005", Some((-3_750, "llpa.csv!D2"))),
        ("740", "70.01", None),
        ("739", "20", Some((1_250, "llpa.csv!B3"))),
        ("739", "60", Some((15_000, "llpa.csv!C3"))),
        ("620", "70", Some((-625, "llpa.csv!D3"))),
        ("620", "97", Some((1_250, "llpa.csv!E3"))),
        ("739.5", "97", None),
    ] {
        let (applied, given) = adjusted(&rules, &[("credit_score", score), ("ltv_ratio", ltv)]);
        let expected: Vec<(i64, String)> = expected.into_iter().map(|(points, source)| (points, source.to_owned())).collect();
        assert_eq!(applied, if expected.is_empty() { Applied::Undetermined } else { Applied::Applied }, "{score} {ltv}");
        assert_eq!(given, expected, "{score} {ltv}");
    }
    let deducted = with_csv(&format!("{LLPA}sign = \"deduct\""), &[("llpa.csv", csv)]);
    let points: Vec<i64> = deducted.guide().adjustment_grids()[0].cells().iter().map(|cell| cell.points).collect();
    assert_eq!(points, [0, -2_500, 3_750, -1_250, -15_000, 625, -1_250]);
    let off = with_csv(&format!("{LLPA}when = {{ loan_purpose = [\"cash_out_refinance\"] }}"), &[("llpa.csv", csv)]);
    assert_eq!(adjusted(&off, &[]).0, Applied::OutOfScope);
    assert_eq!(adjusted(&off, &[("loan_purpose", "")]).0, Applied::Undetermined);
}

#[test]
fn a_list_of_sums_gives_every_row_that_fits() {
    let toml = "[[grid]]\nname = \"llpa\"\nfile = \"llpa.csv\"\npolicy = \"sum\"\n";
    let csv = "occupancy,state,FICO,adjustment\ninvestment,,,-1.125\n,FL,,-0.25\n,,>= 740,\n,TX,< 640,NA\n";
    let rules = with_csv(toml, &[("llpa.csv", csv)]);
    let of = |cells: &[(&str, &str)]| adjusted(&rules, cells);
    let both = vec![(-11_250, "llpa.csv!D2".to_owned()), (-2_500, "llpa.csv!D3".to_owned())];
    assert_eq!(of(&[("occupancy_status", "investor"), ("property_state", "FL")]), (Applied::Applied, both));
    assert_eq!(of(&[("property_state", "CA")]), (Applied::Applied, vec![]));
    assert_eq!(of(&[("property_state", "TX"), ("credit_score", "630")]), (Applied::Undetermined, vec![]));
    assert_eq!(of(&[("credit_score", "700")]), (Applied::Undetermined, vec![]));
}

#[test]
fn an_undetermined_adjustment_has_its_evidence() {
    let csv = "DSCR by score,700+\n1.00+,0.5\n";
    let toml = LLPA
        .replace("ltv_ratio", "dscr")
        .replace("rows = \"credit_score\"", "rows = \"dscr\"")
        .replace("columns = \"dscr\"", "columns = \"credit_score\"");
    let rules = with_csv(&toml, &[("llpa.csv", csv)]);
    let evidence = |cells: &[(&str, &str)]| {
        let loan = cells.iter().fold(LoanBuilder::good(), |loan, (column, cell)| loan.with(column, cell)).build();
        let values = rules.guide().values(&loan, PDATE);
        let evidence = rules.guide().undetermined_adjustment(&rules.guide().adjustment_grids()[0], &loan, &values, PDATE);
        [evidence.field.to_string(), evidence.actual.to_string(), evidence.limit.to_string(), evidence.message]
    };
    assert_eq!(evidence(&[]), ["dscr", "missing", "", "llpa cannot be decided: dscr is missing"].map(str::to_owned));
    let message = "llpa has no cell for DSCR 0.50 × credit score 740";
    assert_eq!(evidence(&[("dscr", "0.5")]), ["dscr", "0.5 × 740", "", message].map(str::to_owned));
}

#[test]
fn a_grid_has_the_keys_of_a_rule() {
    let csv = [("max_ltv.csv", MAX_LTV_CSV)];
    let cells = [("credit_score", "620"), ("ltv_ratio", "82")];
    let rules = with_csv(&format!("{MAX_LTV}hard_from = 2027-01-01\ncategory = \"collateral\"\ncriteria = \"mine.ltv\""), &csv);
    assert_eq!(decided(&rules, &cells, date(2026, 12, 31)).1, "to_purchase");
    assert_eq!(decided(&rules, &cells, date(2027, 1, 1)).1, "rejected");
    let kind = rules.guide().limit_grids()[0].kind().unwrap();
    assert_eq!((&*kind.category, &*kind.rejection_criteria), ("collateral", "mine.ltv"));
    let scoped = with_csv(&format!("{MAX_LTV}unless = {{ property_state = [\"FL\"] }}"), &csv);
    assert!(messages(&scoped, &[("property_state", "FL"), ("ltv_ratio", "96")]).is_empty());
    assert_eq!(messages(&scoped, &[("property_state", "TX"), ("ltv_ratio", "96")]).len(), 1);
    assert_eq!(messages(&scoped, &[("ltv_ratio", "96")]), ["max_ltv cannot be decided: property_state is missing"]);
    assert!(messages(&scoped, &[("ltv_ratio", "95")]).is_empty());
    let off = with_csv(&format!("{MAX_LTV}[rules]\nmax_ltv = false"), &csv);
    assert!(off.guide().limit_grids().is_empty());
    assert_eq!(off.id().hash, RuleSet::built_in().id().hash);
}

#[test]
fn grids_come_after_rules_in_reports_and_ids() {
    let rule = |name: &str| format!("[[rule]]\nname = \"{name}\"\nrequire = {{ ltv_ratio = {{ max = 50 }} }}\n");
    let grid = |name: &str| MAX_LTV.replace("max_ltv\"", &format!("{name}\""));
    let toml = grid("grid_b") + &rule("rule_b") + LLPA + &grid("grid_a") + &rule("rule_a");
    let rules = with_csv(&toml, &[("max_ltv.csv", MAX_LTV_CSV), ("llpa.csv", ",*\n*,1\n")]);
    let names: Vec<String> = exceptions(&rules, &[("ltv_ratio", "96")]).into_iter().map(|[name, ..]| name).collect();
    assert_eq!(names, ["rule_b", "rule_a", "grid_b", "grid_a"]);
    let ids = rules
        .guide()
        .rules()
        .iter()
        .map(|rule| &rule.kind)
        .chain(rules.guide().limit_grids().iter().filter_map(|grid| grid.kind()));
    let ids: Vec<(u16, &str)> = ids.map(|kind| (kind.id, &*kind.name)).collect();
    assert_eq!(ids, [(20, "rule_b"), (21, "rule_a"), (22, "grid_b"), (23, "grid_a")]);
}

#[test]
fn a_csv_grid_may_have_other_delimiters_and_encodings() {
    let semicolons = "score;<= 1,000,000;<= 2,000,000\n740+;95;85\n<= 739;80;75\n";
    let rules = with_csv(MAX_LTV, &[("max_ltv.csv", semicolons)]);
    assert_eq!(messages(&rules, &[("ltv_ratio", "96")]).len(), 1);
    let mut utf16 = vec![0xFF, 0xFE];
    utf16.extend(",*\n≥ 740,95\n".encode_utf16().flat_map(u16::to_le_bytes));
    let rules = loaded(MAX_LTV, &[("max_ltv.csv", &utf16)]).unwrap();
    assert_eq!(messages(&rules, &[("ltv_ratio", "96")]).len(), 1);
    // A heading of two lines is one row of a spreadsheet.
    let rules = with_csv(MAX_LTV, &[("max_ltv.csv", "\"score\nby amount\",*\n740+,95\n")]);
    assert!(messages(&rules, &[("ltv_ratio", "96")])[0].contains("(max_ltv.csv!B2: credit score 740+)"));
}

#[test]
fn a_grid_ends_before_the_first_empty_row() {
    let rules = with_csv(MAX_LTV, &[("max_ltv.csv", "\n,,\n,*\n740+,95\n,\nLTVs of 2026,\n")]);
    assert!(messages(&rules, &[("ltv_ratio", "96")])[0].contains("(max_ltv.csv!B4: "));
    assert_eq!(
        rules.guide().notices(),
        ["max_ltv: the grid ends with the row of max_ltv.csv!A4, above an empty row; row 6 and those below are not read"]
    );
}

#[test]
fn a_rule_set_names_its_files() {
    let toml =
        "programs = [\"b.toml\", \"a.toml\"]\n[[grid]]\nfile = \"z.csv\"\n[[grid]]\nfile = \"a.toml\"\n[[grid]]\nfile = 5\n";
    let named = |toml: &str| RuleSetFile::new("guide.toml", toml.to_owned()).named();
    assert_eq!(named(toml), ["a.toml", "b.toml", "z.csv"]);
    assert_eq!(named("no toml ["), Vec::<String>::new());
    assert_eq!(named("grid = 5"), Vec::<String>::new());
    let mut file = RuleSetFile::new("best.toml", toml.to_owned());
    file.files.insert("a.toml", &b"programs = [\"c.toml\"]\n[[grid]]\nfile = \"of_a.csv\"\n"[..]);
    assert_eq!(file.named(), ["a.toml", "b.toml", "of_a.csv", "z.csv"]);
}

#[test]
fn a_workbook_counts_percent_formats_and_stored_values_of_formulas() {
    let mut book = rust_xlsxwriter::Workbook::new();
    let percent = rust_xlsxwriter::Format::new().set_num_format("0.00%");
    book.add_worksheet().set_name("Hidden").unwrap().set_hidden(true);
    let sheet = book.add_worksheet().set_name("LTV").unwrap().set_active(true);
    sheet.write_string(1, 1, "score").unwrap().write_string(1, 2, "*").unwrap();
    sheet.write_string(2, 1, "740+").unwrap().write_number_with_format(2, 2, 0.85, &percent).unwrap();
    sheet.write_string(3, 1, "<= 739").unwrap();
    sheet.write_formula(3, 2, rust_xlsxwriter::Formula::new("=50+25").set_result("75")).unwrap();
    let bytes = book.save_to_buffer().unwrap();
    let rules = loaded(&MAX_LTV.replace("max_ltv.csv", "guide.XLSX"), &[("guide.XLSX", &bytes)]).unwrap();
    let of = |score, ltv| messages(&rules, &[("credit_score", score), ("ltv_ratio", ltv)]);
    assert_eq!(of("740", "85"), Vec::<String>::new());
    assert_eq!(of("740", "86"), ["LTV 86.00 % is above the maximum 85.00 % of max_ltv (LTV!C3: credit score 740+)"]);
    assert_eq!(of("700", "76"), ["LTV 76.00 % is above the maximum 75.00 % of max_ltv (LTV!C4: credit score <= 739)"]);
}
