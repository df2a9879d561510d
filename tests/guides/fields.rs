//! Fields that a rule set declares: tape in, outcome out.

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::{Value, json};
use shared::{
    engine::{Job, Tuning, run},
    error::RunErrorCode,
    loan::ColumnField,
    tape::{
        profile::Profile,
        source::{MemorySource, TapeSource},
    },
};

use super::*;
use crate::support::{
    runs::{Finished, GOOD_CELLS, HEADER, MemoryFolder, run_tapes},
    tape_rows::{bought, facts, noticed},
};

use super::runs::{ONE, gives};

const FLOOD: &str = r#"
[fields.flood_zone]
kind = "word"
headers = ["FEMA Zone"]
words = { high_risk = ["A", "AE", "Zone V"], low_risk = ["X"] }
"#;

/// A tape of good loans with more columns: their header, and the cells of each loan.
fn tape(header: &str, cells: &[&str]) -> String {
    let rows = cells.iter().enumerate().map(|(at, cells)| format!("L{at},{GOOD_CELLS},{cells}\n"));
    format!("{HEADER},{header}\n{}", rows.collect::<String>())
}

#[track_caller]
fn run_of(toml: &str, tape: &str) -> Finished {
    run_tapes(&[("tape.csv", tape.as_bytes())], &guide(toml), ONE).unwrap_or_else(|error| panic!("{error}"))
}

/// Messages of the rejection report, each after the number of its loan.
fn rejected(finished: &Finished) -> Vec<String> {
    finished.rejections().into_iter().map(|(number, kind, message)| format!("{number} {kind}: {message}")).collect()
}

/// Reasons for which loans are held, each after the number of its loan.
fn held(finished: &Finished) -> Vec<String> {
    let rows = finished.rows("projected_tape.csv");
    rows.iter().map(|row| format!("{}: {}", row["seller_loan_number"], row["projection_reason"])).collect()
}

/// The declared fields and kept columns of each loan.
fn stored(finished: &Finished) -> Vec<Value> {
    facts(finished).iter().map(|fact| serde_json::from_str(&fact["source_columns"]).unwrap()).collect()
}

#[test]
fn words_of_a_vocabulary_are_found_by_their_spellings_and_others_are_none_of_them() {
    let guide = format!(
        "{FLOOD}[[rule]]\nname = \"no_flood\"\nrequire = {{ flood_zone = {{ not = [\"HIGH_RISK\"] }} }}\n\
         [[rule]]\nname = \"low_only\"\nseverity = \"soft\"\nrequire = {{ flood_zone = [\"low_risk\"] }}\n"
    );
    let finished = run_of(&guide, &tape("fema zone", &["x", " ae ", "zone-v", "High Risk", "B", ""]));
    assert_eq!(bought(&finished), ["L0"]);
    let told = rejected(&finished);
    assert_eq!(told[0], "L1 no_flood: Flood zone \"high_risk\" is not accepted");
    assert_eq!(told[1], "L1 low_only: Flood zone \"high_risk\" is not low_risk");
    assert!(told[2].starts_with("L2 no_flood") && told[4].starts_with("L3 no_flood"), "{told:?}");
    assert_eq!(
        held(&finished),
        [
            "L4: Held back: no_flood cannot be decided: flood_zone \"B\" is not a known value",
            "L5: Held back: no_flood cannot be decided: flood_zone is missing"
        ]
    );
    assert_eq!(
        stored(&finished).iter().map(|of| of["flood_zone"].clone()).collect::<Vec<_>>(),
        [json!("low_risk"), json!("high_risk"), json!("high_risk"), json!("high_risk"), json!("B"), Value::Null]
    );
    assert_eq!(noticed(&finished), ["values_not_read 6"]);
}

#[test]
fn without_a_vocabulary_words_are_compared_as_they_are_written() {
    let guide = "[fields.channel]\nkind = \"word\"\n[[rule]]\nname = \"channels\"\nrequire = { channel = [\"Retail\", \"Broker-Direct\"] }\n\
                 [[rule]]\nname = \"no_brokers\"\nrequire = { channel = { not = [\"broker\"] } }\nseverity = \"soft\"\n";
    let finished = run_of(guide, &tape("Channel", &["RETAIL", "broker direct", "Wholesale ", "Broker", "n/a"]));
    assert_eq!(bought(&finished), ["L0", "L1"]);
    assert_eq!(
        rejected(&finished),
        [
            "L2 channels: Channel \"Wholesale\" is not one of Broker-Direct, Retail",
            "L3 channels: Channel \"broker\" is not one of Broker-Direct, Retail",
            "L3 no_brokers: Channel \"broker\" is not accepted",
        ]
    );
    assert_eq!(held(&finished), ["L4: Held back: channels cannot be decided: channel is missing"]);
    let words: Vec<Value> = stored(&finished).iter().map(|of| of["channel"].clone()).collect();
    assert_eq!(words, [json!("RETAIL"), json!("broker direct"), json!("Wholesale"), json!("Broker"), Value::Null]);
    assert!(noticed(&finished).is_empty());
}

#[test]
fn numbers_are_what_they_say_in_the_unit_of_their_field() {
    let guide = "[fields.fee]\nkind = \"number\"\nunit = \"percent\"\n[fields.reserves]\nkind = \"number\"\nunit = \"months\"\n\
                 [fields.rent]\nkind = \"number\"\nunit = \"money\"\n[fields.yield_ratio]\nkind = \"number\"\nunit = \"ratio\"\n\
                 [[rule]]\nname = \"fee_limit\"\nrequire = { fee = { max = 0.5 }, reserves = { min = 6 }, rent = { above = 1000 } }\n";
    let rows = ["0.5,6,\"$1,000.01\",1.25", "3,12.0,\"(5)\",0", "50%,6.5,5%,x", "0.6 %,5,2000,-1"];
    let finished = run_of(guide, &tape("Fee (%),Reserves (months),RENT,yield ratio", &rows));
    assert_eq!(bought(&finished), ["L0"]);
    assert_eq!(
        rejected(&finished),
        [
            "L1 fee_limit: Fee 3.00 % is above the maximum 0.50 % (by 2.50)",
            "L1 fee_limit: Rent -$5.00 is not above $1,000.00 (by $1,005.00)",
            "L2 fee_limit: Fee 50.00 % is above the maximum 0.50 % (by 49.50)",
            "L3 fee_limit: Fee 0.60 % is above the maximum 0.50 % (by 0.10)",
            "L3 fee_limit: Reserves 5 is below the minimum 6 (by 1)",
        ]
    );
    let expected = [
        r#"{"fee":0.5,"rent":1000.01,"reserves":6,"yield_ratio":1.25}"#,
        r#"{"fee":3,"rent":-5,"reserves":12,"yield_ratio":0}"#,
        r#"{"fee":50,"rent":"5%","reserves":"6.5","yield_ratio":"x"}"#,
        r#"{"fee":0.6,"rent":2000,"reserves":5,"yield_ratio":-1}"#,
    ];
    let written: Vec<String> = facts(&finished).iter().map(|fact| fact["source_columns"].clone()).collect();
    assert_eq!(written, expected);
}

#[test]
fn zero_is_a_value_and_an_unreadable_cell_is_missing() {
    let guide = "[fields.reserves]\nkind = \"number\"\nunit = \"count\"\n[[rule]]\nname = \"some\"\nrequire = { reserves = { min = 1 } }\n";
    let finished = run_of(guide, &tape("reserves", &["0", "a lot", "-"]));
    assert_eq!(rejected(&finished), ["L0 some: Reserves 0 is below the minimum 1 (by 1)"]);
    assert_eq!(
        held(&finished),
        [
            "L1: Held back: some cannot be decided: reserves \"a lot\" cannot be read",
            "L2: Held back: some cannot be decided: reserves is missing"
        ]
    );
    assert_eq!(noticed(&finished), ["values_not_read 3"]);
}

#[test]
fn dates_are_read_as_those_of_standard_fields() {
    let guide =
        "[fields.lock_date]\nkind = \"date\"\n[[rule]]\nname = \"fresh_lock\"\nrequire = { lock_date = { min = 2026-01-31 } }\n";
    let finished = run_of(guide, &tape("LockDate", &["1/31/2026", "2026-01-30T10:00:00", "202602", "soon"]));
    assert_eq!(bought(&finished), ["L0", "L2"]);
    assert_eq!(rejected(&finished), ["L1 fresh_lock: Lock date 2026-01-30 is before the earliest date 2026-01-31"]);
    let dates: Vec<Value> = stored(&finished).iter().map(|of| of["lock_date"].clone()).collect();
    assert_eq!(dates, [json!("2026-01-31"), json!("2026-01-30"), json!("2026-02-01"), json!("soon")]);
    // A day in the month's place leaves the column as it is written, under a name of its own.
    let finished = run_of(guide, &tape("lock_date", &["31/1/2026", "1/2/2026"]));
    assert_eq!(stored(&finished)[0], json!({"lock_date": null, "source_lock_date": "31/1/2026"}));
    assert_eq!(noticed(&finished), ["values_not_read 2"]);
    let required = guide.replace("kind", "required = true\nkind");
    let error =
        run_tapes(&[("t.csv", tape("lock_date", &["31/1/2026"]).as_bytes())], &self::guide(&required), ONE).err().unwrap();
    assert_eq!((error.code, error.line), (RunErrorCode::MissingColumns, Some(2)));
    assert!(error.message.starts_with("The required column lock_date has a day in the month's place"), "{error}");
}

#[test]
fn texts_are_only_there_or_missing() {
    let guide =
        "[fields.comment]\nkind = \"text\"\n[[rule]]\nname = \"commented\"\nrequire = { comment = { missing = false } }\n";
    let finished = run_of(guide, &tape("Comment", &["fine", ""]));
    assert_eq!(bought(&finished), ["L0"]);
    assert_eq!(rejected(&finished), ["L1 commented: Comment is missing"]);
    assert_eq!(stored(&finished), [json!({"comment": "fine"}), json!({"comment": null})]);
}

const REQUIRED: &str = "[fields.reserves_months]\nkind = \"number\"\nunit = \"months\"\nheaders = [\"reserves\"]\nrequired = true\n\
                        [fields.property_state]\nrequired = true\n[fields.dscr]\nrequired = true\n[fields.channel]\nkind = \"word\"\n\
                        words = { retail = [] }\nrequired = true\n";

#[test]
fn a_tape_without_the_column_of_a_required_field_fails() {
    let failure = |header: &str| {
        let tape = tape(header, &["1,2,3,4"]);
        run_tapes(&[("t.csv", tape.as_bytes())], &guide(REQUIRED), ONE).err().unwrap()
    };
    let error = failure("reserves,channel,a,b");
    assert_eq!(error.code, RunErrorCode::MissingColumns);
    assert!(
        error.message.starts_with("The required columns property_state, dscr are missing from the header.")
            && error.message.contains("--map property_state="),
        "{error}"
    );
    let error = failure("state,dscr,channel,Res");
    assert!(
        error.message.starts_with(
            "The required column reserves_months is missing from the header. Add it, or name the columns that hold the same under \
             [fields.reserves_months] in the rule set."
        ),
        "{error}"
    );
}

#[test]
fn a_loan_without_a_required_value_fails_with_one_exception_for_all_missing_ones() {
    let tape = tape("Reserves,State,DSCR,Channel", &["6,TX,0,retail", ",Tex?,,outlet", "0,,1.1,", "six,CA,x,retail"])
        .replace("L1,250000", "L1,");
    let finished = run_of(REQUIRED, &tape);
    assert_eq!(bought(&finished), ["L0"]);
    let told: Vec<String> =
        rejected(&finished).into_iter().filter(|told| told.contains("_field: ") || told.contains("_value: ")).collect();
    assert_eq!(
        told,
        [
            "L1 missing_field: Required fields are missing or zero: loan_amount, dscr, reserves_months",
            "L2 missing_field: Required fields are missing or zero: property_state, channel",
            "L3 invalid_value: DSCR \"x\" cannot be read as a number",
            "L3 invalid_value: Reserves months \"six\" cannot be read as a whole number",
        ]
    );
    // An unknown word is a value. A cell for which a loan fails needs no notice.
    assert_eq!(noticed(&finished), ["values_not_read 3", "values_not_read 3"]);
}

#[test]
fn columns_of_equal_rank_leave_an_optional_field_unread_and_fail_a_required_one() {
    let tape = tape("flood_zone,FEMA Zone", &["A,X"]);
    let finished = run_of(FLOOD, &tape);
    assert_eq!(noticed(&finished), ["two_claims 1"]);
    assert_eq!(stored(&finished), [json!({"flood_zone": null, "source_flood_zone": "A", "FEMA Zone": "X"})]);
    let required = guide(&FLOOD.replace("kind", "required = true\nkind"));
    let error = run_tapes(&[("t.csv", tape.as_bytes())], &required, ONE).err().unwrap();
    assert_eq!(error.code, RunErrorCode::DuplicateColumns);
    assert!(
        error.message.ends_with("Rename one of them, or name only one under [fields.flood_zone] in the rule set."),
        "{error}"
    );
}

#[test]
fn a_required_standard_field_of_mixed_units_fails_the_tape() {
    let tape = tape("cltv_ratio", &["0.8", "80"]);
    let run_under = |toml: &str| run_tapes(&[("t.csv", tape.as_bytes())], &guide(toml), ONE);
    assert_eq!(noticed(&run_under("").unwrap()), ["values_not_read 3"]);
    assert_eq!(run_under("[fields.cltv_ratio]\nrequired = true\n").err().unwrap().code, RunErrorCode::MixedUnits);
}

#[test]
fn a_profile_says_how_the_numbers_of_declared_fields_are_written() {
    let rules = guide("[fields.rent]\nkind = \"number\"\nunit = \"money\"\n");
    let options = Profile::parse("[file]\ndecimal = \",\"\n", "test").unwrap().options;
    let tapes: Vec<Box<dyn TapeSource>> = vec![Box::new(MemorySource::new(
        "tape.csv",
        format!("{};rent;note\nL0;{};1.250,5;1,5\n", HEADER.replace(',', ";"), GOOD_CELLS.replace(',', ";").replace('.', ","))
            .as_bytes(),
    ))];
    let folder = MemoryFolder::default();
    let job = Job {
        tapes: &tapes,
        options: &options,
        rules: &rules,
        irr_target: IrrTarget::DEFAULT,
        pdate: PDATE,
        waivers: None,
        destination: Some(&folder),
        progress: &|_| {},
        tuning: ONE,
    };
    let outcome = run(&job).unwrap();
    let finished = Finished { outcome, files: folder.files() };
    assert_eq!(stored(&finished), [json!({"rent": 1250.5, "note": "1,5"})]);
}

#[test]
fn the_column_of_a_declared_field_is_mapped_and_no_longer_only_kept() {
    let finished = run_of(FLOOD, &tape("County,FEMA Zone", &["Kent,A"]));
    let columns = &finished.outcome.mappings[0].columns;
    assert_eq!(columns[12].field, Some(ColumnField::Declared("flood_zone".into())));
    assert_eq!((columns[12].name.as_str(), &columns[11].field), ("flood_zone", &None));
    let column = serde_json::to_value(&columns[12]).unwrap();
    assert_eq!((&column["field"], &column["rank"], &column["origin"]), (&json!("flood_zone"), &json!(2), &json!("alias")));
    assert_eq!(stored(&finished), [json!({"flood_zone": "high_risk", "County": "Kent"})]);
    // Without the declaration the column is kept.
    let finished = run_of("", &tape("County,FEMA Zone", &["Kent,A"]));
    assert_eq!(stored(&finished), [json!({"County": "Kent", "FEMA Zone": "A"})]);
    // A tape without the column lacks the value.
    let finished = run_of(FLOOD, &tape("County", &["Kent"]));
    assert_eq!(stored(&finished), [json!({"flood_zone": null, "County": "Kent"})]);
}

#[test]
fn a_workbook_says_percent_and_dates_by_its_formats() {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (at, name) in (0..).zip(HEADER.split(',').chain(["fee", "lock_date"])) {
        sheet.write_string(0, at, name).unwrap();
    }
    for (row, number) in [(1, "A"), (2, "B")] {
        for (at, cell) in (0..).zip([number].into_iter().chain(GOOD_CELLS.split(','))) {
            match cell.parse::<f64>() {
                Ok(number) => sheet.write_number(row, at, number).unwrap(),
                Err(_) => sheet.write_string(row, at, cell).unwrap(),
            };
        }
    }
    let percent = Format::new().set_num_format("0.00%");
    sheet.write_number_with_format(1, 11, 0.03, &percent).unwrap();
    sheet.write_number(2, 11, 0.03).unwrap();
    let date = ExcelDateTime::from_ymd(2026, 1, 31).unwrap();
    sheet.write_datetime_with_format(1, 12, &date, &Format::new().set_num_format("d-mmm-yy")).unwrap();
    let guide = guide("[fields.fee]\nkind = \"number\"\nunit = \"percent\"\n[fields.lock_date]\nkind = \"date\"\n");
    let bytes = workbook.save_to_buffer().unwrap();
    let finished = run_tapes(&[("tape.xlsx", &bytes)], &guide, ONE).unwrap();
    assert_eq!(stored(&finished), [json!({"fee": 3, "lock_date": "2026-01-31"}), json!({"fee": 0.03, "lock_date": null})]);
}

#[test]
fn neither_threads_nor_blocks_nor_parts_change_a_byte_with_declared_fields() {
    let guide = guide(&format!(
        "{FLOOD}[fields.reserves]\nkind = \"number\"\nunit = \"months\"\nrequired = true\n[fields.channel]\nkind = \"word\"\n\
         [fields.lock_date]\nkind = \"date\"\n[[rule]]\nname = \"zone\"\nwhen = {{ channel = [\"retail\"] }}\n\
         require = {{ flood_zone = [\"low_risk\"], reserves = {{ min = 3 }} }}\n"
    ));
    let mut rows = Vec::new();
    for at in 0..700 {
        let zone = ["A", "X", "", "Q"][at % 4];
        rows.push(format!(
            "{zone},{},{},{}",
            ["3", "x", "", "12", "2"][at % 5],
            ["Retail", "broker"][at % 2],
            ["1/2/2026", ""][at % 2]
        ));
    }
    let cells: Vec<&str> = rows.iter().map(String::as_str).collect();
    let tape = tape("flood zone,Reserves,channel,lock date", &cells);
    let expected = gives(&tape, &guide, ONE, None);
    assert!(gives(&tape, &guide, Tuning { threads: 2, block_bytes: 4_096 }, None) == expected);
    assert!(gives(&tape, &guide, Tuning { threads: 2, block_bytes: 2_048 }, Some(9_000)) == expected);
}

#[test]
fn the_hash_is_of_the_meaning_and_not_of_the_spelling() {
    let hash = |toml: &str| guide(toml).id().hash;
    let rule = "[[rule]]\nname = \"one\"\nrequire = { zone_of = [\"HIGH\"] }\n";
    let one = format!(
        "[fields.zone_of]\nkind = \"word\"\nheaders = [\"FEMA Zone\", \"Flood\"]\nwords = {{ high = [\"A\", \"AE\"], low = [\"X\"] }}\n{rule}"
    );
    let other = format!(
        "[fields.zone_of]\nwords = {{ low = [\"x\"], High = [\"ae\", \"a\"] }}\nheaders = [\"flood\", \"fema_zone\", \"zone_of\"]\nkind = \"word\"\n{rule}"
    );
    assert_eq!(hash(&one), hash(&other));
    for (from, to) in [("\"AE\"", "\"AO\""), ("\"Flood\"", "\"Flut\""), ("kind = \"word\"", "kind = \"word\"\nrequired = true")] {
        assert_ne!(hash(&one), hash(&one.replace(from, to)), "{to}");
    }
    assert_ne!(hash(""), hash("[fields.dscr]\nrequired = true\n"));
    let open = |list: &str| {
        hash(&format!("[fields.channel]\nkind = \"word\"\n[[rule]]\nname = \"one\"\nrequire = {{ channel = [{list}] }}\n"))
    };
    assert_eq!(open("\"Retail\", \"broker direct\""), open("\"Broker-Direct\", \"retail\""));
    assert_ne!(open("\"retail\""), open("\"broker\""));
}

/// Rule sets with one mistake each: the text, its line, and a part of the message.
const MISTAKES: [(&str, usize, &str); 37] = [
    ("fields = 1", 1, "must be a table"),
    ("[fields]\nflood = \"word\"", 2, "write [fields.flood]"),
    ("[fields.Flood]\nkind = \"word\"", 1, "no name of a field: 2 to 40"),
    ("[fields.x]\nkind = \"word\"", 1, "no name of a field"),
    ("[fields.\"\"]\nkind = \"word\"", 1, "no name of a field"),
    ("[fields.\"é\"]\nkind = \"word\"", 1, "no name of a field"),
    ("[fields.final_price]\nkind = \"word\"", 1, "is taken"),
    ("[fields.disposition]\nkind = \"word\"", 1, "is taken"),
    ("[fields.program]\nkind = \"word\"", 1, "is taken"),
    ("[fields.base_price]\nkind = \"word\"", 1, "is taken"),
    ("[fields.line]\nkind = \"word\"", 1, "is taken"),
    ("[fields.row]\nkind = \"word\"", 1, "is taken"),
    ("[fields.wal]\nkind = \"word\"", 1, "is taken"),
    ("[fields.duration]\nkind = \"word\"", 1, "is taken"),
    ("[fields.column_7]\nkind = \"word\"", 1, "is taken"),
    ("[fields.ltv_ratio]\nrequired = true", 1, "ltv_ratio is a field of the product: give the field another name"),
    ("[fields.age_months]\nkind = \"number\"", 1, "age_months is a field of the product"),
    ("[fields.note_rate]\nkind = \"number\"", 1, "note_rate is a field of the product"),
    ("[fields.dscr]\nkind = \"number\"\nrequired = true", 2, "`required` is all that it takes, and not `kind`"),
    ("[fields.dscr]\nrequired = 1", 2, "must be true or false"),
    ("[fields.dscr]", 1, "write required = true"),
    ("[fields.upb]\nkind = \"number\"\nunit = \"money\"", 1, "upb is a header of the field loan_amount"),
    (
        "[fields.flood]\nkind = \"word\"\nheaders = [\"Flood Zone\", \"FICO Score\"]",
        3,
        "\"FICO Score\" is a header of the field credit_score",
    ),
    (
        "[fields.flood]\nkind = \"word\"\nheaders = [\"Province\", \"State\"]",
        3,
        "\"State\" is a header of the field property_state",
    ),
    (
        "[fields.flood]\nkind = \"word\"\nheaders = [\"zone\"]\n[fields.fema]\nkind = \"word\"\nheaders = [\"Zone*\"]",
        6,
        "a header of the field flood, too",
    ),
    (
        "[fields.flood]\nkind = \"word\"\nheaders = [\"fe ma\"]\n[fields.fema]\nkind = \"word\"",
        3,
        "a header of the field fema, too",
    ),
    ("[fields.flood]\nkind = \"word\"\nheaders = []", 3, "not an empty one"),
    ("[fields.flood]\nkind = \"word\"\nheaders = [\"#\"]", 3, "is no header"),
    ("[fields.flood]\nrequired = true", 1, "flood has no kind"),
    ("[fields.flood]\nkind = \"words\"", 2, "\"word\", \"number\", \"date\", \"text\""),
    ("[fields.flood]\nkind = \"number\"", 2, "flood is a number without a unit: write unit = \"money\" or"),
    ("[fields.flood]\nkind = \"number\"\nunit = \"years\"", 3, "\"money\", \"percent\", \"ratio\", \"months\", \"count\""),
    ("[fields.flood]\nkind = \"date\"\nunit = \"months\"", 3, "holds no numbers, and has no `unit`"),
    ("[fields.flood]\nkind = \"text\"\nwords = { a = [\"b\"] }", 3, "holds no words, and has no `words`"),
    ("[fields.flood]\nkind = \"word\"\nwords = {}", 3, "not an empty one"),
    ("[fields.flood]\nkind = \"word\"\nwords = { high = [\"A\"], low = [\"a\"] }", 3, "stands twice"),
    ("[fields.flood]\nkind = \"word\"\ncolour = 1", 3, "unknown key `colour`"),
];

#[test]
fn each_mistake_of_a_field_says_where_it_is() {
    for (text, line, part) in MISTAKES {
        // A rule that names the field adds no mistake of its own.
        let text = format!("{text}\n[[rule]]\nname = \"one\"\nrequire = {{ ltv_ratio = {{ max = 75 }} }}\n");
        let error = RuleSet::from_toml(&text).unwrap_err();
        let [mistake] = &error.mistakes[..] else { panic!("{text}: {error}") };
        assert_eq!(mistake.line, Some(line), "{text}: {error}");
        assert!(mistake.message.contains(part), "{text}: {error}");
    }
}

#[test]
fn conditions_on_declared_fields_have_mistakes_of_their_own() {
    let fields =
        format!("{FLOOD}[fields.fee]\nkind = \"number\"\nunit = \"percent\"\nrequired = true\n[fields.note]\nkind = \"text\"\n");
    for (test, part) in [
        ("flood_zone = [\"A\"]", "\"A\" is no word of flood_zone; its words are high_risk, low_risk"),
        ("flood_zone = { not = [\"low_risk\", \"high_risk\"] }", "no flood_zone can meet none of high_risk, low_risk"),
        ("flood_zone = { max = 1 }", "holds no numbers"),
        ("fee = { missing = true }", "no fee can meet missing"),
        ("note = [\"x\"]", "note takes no list"),
        ("note = { min = 1 }", "holds no numbers"),
        ("notes = { missing = true }", "there is no field `notes`; the fields are seller_loan_number"),
    ] {
        let error = RuleSet::from_toml(&format!("{fields}[[rule]]\nname = \"one\"\nrequire = {{ {test} }}\n")).unwrap_err();
        let [mistake] = &error.mistakes[..] else { panic!("{test}: {error}") };
        assert!(mistake.message.contains(part), "{test}: {error}");
    }
    // A bound of a declared field may look like a fraction, and a standard field may be missing unless it is required.
    guide(&format!(
        "{fields}[[rule]]\nname = \"one\"\nrequire = {{ fee = {{ max = 0.5 }} }}\nwhen = {{ dscr = {{ missing = true }} }}\n"
    ));
    let required = "[fields.dscr]\nrequired = true\n[[rule]]\nname = \"one\"\nrequire = { dscr = { missing = true } }\n";
    assert_eq!(RuleSet::from_toml(required).unwrap_err().to_string(), "line 5: no dscr can meet missing");
}

#[test]
fn all_mistakes_of_fields_are_named_at_once_and_a_field_with_one_is_not_unknown() {
    let text = "[fields.flood]\nkind = \"number\"\n[fields.line]\nkind = \"date\"\ncolour = 1\n[[rule]]\nname = \"one\"\n\
                require = { flood = { max = 1 }, line = [\"x\"] }\n";
    let error = RuleSet::from_toml(text).unwrap_err();
    let lines: Vec<usize> = error.mistakes.iter().filter_map(|mistake| mistake.line).collect();
    assert_eq!(lines, [2, 3, 5], "{error}");
}

#[test]
fn a_rule_set_has_at_most_100_fields_and_a_field_64_words() {
    let fields = |count: usize| {
        RuleSet::from_toml(&(0..count).map(|at| format!("[fields.f_{at}]\nkind = \"text\"\n")).collect::<String>())
    };
    assert_eq!(fields(100).unwrap().guide().declared().fields.len(), 100);
    assert!(fields(101).unwrap_err().to_string().contains("a rule set has at most 100 fields, and this one has 101"));
    let list = |count: usize| (0..count).map(|at| format!("w{at}")).collect::<Vec<_>>();
    let words = |count: usize| {
        let words: Vec<String> = list(count).iter().map(|word| format!("{word} = []")).collect();
        RuleSet::from_toml(&format!("[fields.zone]\nkind = \"word\"\nwords = {{ {} }}\n", words.join(", ")))
    };
    assert!(words(64).is_ok());
    assert_eq!(words(65).unwrap_err().to_string(), "line 3: a field has at most 64 words, and this one has 65");
    let named = |count: usize| {
        let words = list(count).join("\", \"");
        RuleSet::from_toml(&format!(
            "[fields.zone]\nkind = \"word\"\n[[rule]]\nname = \"one\"\nrequire = {{ zone = [\"{words}\"] }}\n"
        ))
    };
    assert!(named(64).is_ok());
    assert_eq!(named(65).unwrap_err().to_string(), "line 5: conditions name more than 64 words of zone: \"w64\" is one too many");
}
