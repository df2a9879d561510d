//! Runs over tapes with standard fields: the stored values are those of the tapes, however the work is cut.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    sync::{Arc, Mutex},
};

use bytes::Bytes;

use crate::{
    error::RunError,
    facts::{
        FACTS_FILE,
        read::{FactFilter, FactRow, FactsReader},
    },
    loan::Field,
    phases::pricing::IrrTarget,
    rules::rule_set::RuleSet,
    tape::{
        options::TapeOptions,
        source::{MemorySource, TapeSource},
        standard::DateOrder,
        text::RawCopy,
    },
};

use super::{
    Destination, Job, Outcome, Tuning,
    distribute::{PartStore, run_in_parts},
    run,
};

const HEADER: &str = "Loan ID,UPB,Rate,LTV,DTI,FICO,Prop Type,Occ,Purpose,Sales Price,Appraised Value";
const GOOD: &str = "250000,6.5,80,35,720,sfr,primary,purchase,312500,312500";
const STANDARD: &str = "State,Units,Lien,CLTV,DSCR,Doc Type,Orig Bal,Junior Lien Balance,Orig Rate,Orig Date,Mat Date,Term,IO Term,DPD,\
                        Amort Type";

#[derive(Debug, Clone, Default)]
struct Folder(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

struct Appending(Folder, String);

impl Write for Appending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.0.lock().unwrap().entry(self.1.clone()).or_default().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Folder {
    fn open(&self, name: &str) -> Box<dyn Write + Send> {
        self.0.lock().unwrap().insert(name.to_owned(), Vec::new());
        Box::new(Appending(self.clone(), name.to_owned()))
    }
}

impl Destination for Folder {
    fn create(&self, file_name: &str) -> io::Result<Box<dyn Write + Send>> {
        Ok(self.open(file_name))
    }

    fn archive_tape(&self, _: &str) -> io::Result<Option<RawCopy>> {
        Ok(None)
    }
}

impl PartStore for Folder {
    fn create(&self, name: &str) -> io::Result<Box<dyn Write + Send>> {
        Ok(self.open(name))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let bytes = self.0.lock().unwrap().get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(io::Cursor::new(bytes)))
    }
}

/// Runs the engine over these tapes. Returns the outcome and the facts file.
fn run_tapes(
    tapes: &[(&str, &str)],
    options: &TapeOptions,
    tuning: Tuning,
    how: impl FnOnce(&Job<'_>) -> Result<Outcome, RunError>,
) -> (Outcome, Vec<u8>) {
    let source = |(name, text): &(&str, &str)| Box::new(MemorySource::new(*name, text.as_bytes())) as Box<dyn TapeSource>;
    let tapes: Vec<_> = tapes.iter().map(source).collect();
    let (folder, rules) = (Folder::default(), RuleSet::built_in());
    let destination = Some(&folder as &dyn Destination);
    let irr_target = IrrTarget::DEFAULT;
    let outcome = how(&Job {
        tapes: &tapes,
        options,
        rules,
        irr_target,
        pdate: jiff::civil::date(2026, 2, 2),
        waivers: None,
        destination,
        progress: &|_| {},
        tuning,
    })
    .unwrap();
    let facts = folder.0.lock().unwrap().get(FACTS_FILE).cloned().unwrap();
    (outcome, facts)
}

const ONE: Tuning = Tuning { threads: 1, block_bytes: 1 << 20 };

/// The loans of a run, read back.
fn rows(outcome: &Outcome, facts: Vec<u8>) -> Vec<FactRow> {
    let reader = FactsReader::open(Bytes::from(facts)).unwrap();
    reader.page(&outcome.index, &FactFilter::default(), 0, usize::MAX).unwrap()
}

/// The part of a loan's JSON that holds its standard fields.
fn standard_json(row: &FactRow) -> String {
    let json = serde_json::to_string(row).unwrap();
    let (_, behind) = json.split_once("\"appraisal_value\":").unwrap();
    let (_, behind) = behind.split_once(',').unwrap();
    let (standard, _) = behind.split_once("\"disposition\"").unwrap();
    standard.to_owned()
}

fn tape(rows: &[&str]) -> String {
    let mut tape = format!("{HEADER},{STANDARD}\n");
    rows.iter().enumerate().for_each(|(at, row)| tape.push_str(&format!("L-{at},{GOOD},{row}\n")));
    tape
}

#[test]
fn each_kind_is_stored_and_read_back() {
    let tape = tape(&[
        "California,1,1st,85.5,1.25,None,\"$260,000\",10000.005,6.5,1/31/2024,202402,360,0,0,FRM",
        ",,,,,,,,,,,,,,",
        "Cali,two,third,1.62,1.123456789,dunno,1e15,n/m,0.065,2024-02-30,Feb 2024,30 years,1.5,30+,what",
        "tx,4,Second Lien,999,.9,full doc,0,(5),7,2024-01-31T00:00:00,01/2054,360.0,120,-3,arm",
    ]);
    let (outcome, facts) = run_tapes(&[("t.csv", &tape)], &TapeOptions::default(), ONE, run);
    let rows = rows(&outcome, facts);
    let shown: Vec<String> = rows.iter().map(standard_json).collect();
    assert_eq!(
        shown,
        [
            r#""property_state":"CA","number_of_units":1,"lien_position":1,"cltv_ratio":85.5,"dscr":1.25,"documentation_type":"none","original_balance":260000,"junior_balance":10000.005,"original_rate":6.5,"origination_date":"2024-01-31","maturity_date":"2024-02-01","original_term":360,"interest_only_term":0,"days_past_due":0,"amortization_type":"fixed","#,
            "",
            r#""property_state":"Cali","number_of_units":"two","lien_position":"third","cltv_ratio":"1.62","dscr":1.123456789,"documentation_type":"dunno","original_balance":1000000000000000,"junior_balance":"n/m","original_rate":"0.065","origination_date":"2024-02-30","maturity_date":"Feb 2024","original_term":"30 years","interest_only_term":"1.5","days_past_due":"30+","amortization_type":"what","#,
            r#""property_state":"TX","number_of_units":4,"lien_position":2,"dscr":0.9,"documentation_type":"full","original_balance":0,"junior_balance":-5,"original_rate":7,"origination_date":"2024-01-31","maturity_date":"2054-01-01","original_term":360,"interest_only_term":120,"days_past_due":-3,"amortization_type":"adjustable","#,
        ]
    );
    assert!(rows.iter().all(|row| row.disposition == crate::phases::disposition::Disposition::ToPurchase), "nothing is rejected");
    // One notice for each column, in the order of the fields, and none for a column that could be read.
    let told: Vec<&str> = outcome.notices.kept().iter().map(|notice| notice.message.as_str()).collect();
    let unread = "Values of property_state that could not be read and were kept as written: 1; the first is `Cali`.";
    assert!(told.contains(&unread), "{told:?}");
    assert_eq!(told.iter().filter(|told| told.contains("could not be read")).count(), 13, "{told:?}");
}

#[test]
fn what_cannot_be_read_of_both_kinds_of_fields_stands_in_one_object() {
    let cells = "250000.005,6.5,80,abc,720,sfr,primary,purchase,312500,312500";
    let tape = format!("{HEADER},CLTV,Orig Bal\nL-1,{cells},x,1.005\nL-2,{GOOD},85,1\n");
    let (outcome, facts) = run_tapes(&[("t.csv", &tape)], &TapeOptions::default(), ONE, run);
    let json: Vec<String> = rows(&outcome, facts).iter().map(|row| serde_json::to_string(row).unwrap()).collect();
    for part in [r#""loan_amount":250000.005,"#, r#""dti_ratio":"abc","#, r#""cltv_ratio":"x","original_balance":1.005,"#] {
        assert!(json[0].contains(part), "{}", json[0]);
    }
    assert!(json[1].contains(r#""cltv_ratio":85,"original_balance":1,"#), "{}", json[1]);
}

#[test]
fn tapes_with_and_without_columns_share_row_groups() {
    let with = tape(&["CA,1,1,85,1.25,full,1,2,3,1/2/2024,202402,360,0,0,fixed", "NY,,,,,,,,,,,,,,"]);
    let without = format!("{HEADER}\nN-1,{GOOD}\nN-2,too few\n");
    let other = format!("{HEADER},State,CLTV\nO-1,{GOOD},WA,90\nbad\nO-3,{GOOD},,\n");
    let tapes = [("a.csv", with.as_str()), ("b.csv", without.as_str()), ("c.csv", other.as_str()), ("d.csv", with.as_str())];
    let (outcome, facts) = run_tapes(&tapes, &TapeOptions::default(), ONE, run);
    let rows = rows(&outcome, facts);
    let fields = |row: &FactRow| row.standard.iter().map(|(field, _)| field.name()).collect::<Vec<_>>().join(",");
    let all = "property_state,number_of_units,lien_position,cltv_ratio,dscr,documentation_type,original_balance,junior_balance,\
               original_rate,origination_date,maturity_date,original_term,interest_only_term,days_past_due,amortization_type";
    let expected = [all, "property_state", "", "", "property_state,cltv_ratio", "", "", all, "property_state"];
    assert_eq!(rows.iter().map(fields).collect::<Vec<_>>(), expected);
    let state = |row: &FactRow| row.standard(Field::PropertyState).map(|state| serde_json::to_string(state).unwrap());
    assert_eq!(rows.iter().filter_map(state).collect::<Vec<_>>(), [r#""CA""#, r#""NY""#, r#""WA""#, r#""CA""#, r#""NY""#]);
}

#[test]
fn standard_columns_are_the_same_bytes_however_the_work_is_cut() {
    let kinds = [
        "CA,1,1st,85.5,1.25,None,260000,10000.005,6.5,1/31/2024,202402,360,0,0,FRM",
        "Cali,two,third,1.62,1.123456789,dunno,1e15,n/m,0.065,13/1/x,Feb 2024,30 years,1.5,30+,what",
        ",,,,,,,,,,,,,,",
        "NY,4,2,90,,full,,1,7,2024-01-31,01/2054,180,12,31,arm",
    ];
    let rows: Vec<&str> = (0..3_000).map(|row| kinds[row * row % 7 % 4]).collect();
    let (first, second) = (tape(&rows), format!("{HEADER}\n{}", format!("N,{GOOD}\n").repeat(500)));
    let tapes = [("a.csv", first.as_str()), ("b.csv", second.as_str())];
    let whole = run_tapes(&tapes, &TapeOptions::default(), ONE, run);
    let expected = (format!("{:?}", whole.0.notices), whole.1);
    for (threads, block_bytes) in [(1, 4_000), (3, 9_000)] {
        let tuning = Tuning { threads, block_bytes };
        let (outcome, facts) = run_tapes(&tapes, &TapeOptions::default(), tuning, run);
        assert!((format!("{:?}", outcome.notices), facts) == expected, "{threads} {block_bytes}");
        let store = Folder::default();
        let in_parts = |job: &Job<'_>| run_in_parts(job, 50_000, &store);
        let (outcome, facts) = run_tapes(&tapes, &TapeOptions::default(), tuning, in_parts);
        assert!((format!("{:?}", outcome.notices), facts) == expected, "in parts, {threads} {block_bytes}");
    }
}

#[test]
fn a_column_of_dates_with_the_day_first_is_left_as_it_is_written() {
    let tape = format!("{HEADER},Orig Date,Mat Date\nL-1,{GOOD},1/2/2024,1/2/2054\nL-2,{GOOD},31/1/2024,1/31/2054\n");
    let (outcome, facts) = run_tapes(&[("t.csv", &tape)], &TapeOptions::default(), ONE, run);
    let shown: Vec<String> = rows(&outcome, facts).iter().map(standard_json).collect();
    assert_eq!(
        shown,
        [r#""maturity_date":"2054-01-02","Orig Date":"1/2/2024","#, r#""maturity_date":"2054-01-31","Orig Date":"31/1/2024","#]
    );
    let told: Vec<&str> = outcome.notices.kept().iter().map(|notice| notice.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "origination_date has a day in the month's place: line 3 reads `31/1/2024`. The column was left as it is written. A profile \
          with date = \"DMY\" reads the day first."
        ]
    );
    // An order given in the options holds for all dates.
    let options = TapeOptions { dates: Some(DateOrder::Dmy), ..TapeOptions::default() };
    let (outcome, facts) = run_tapes(&[("t.csv", &tape)], &options, ONE, run);
    let shown: Vec<String> = rows(&outcome, facts).iter().map(standard_json).collect();
    assert_eq!(
        shown,
        [
            r#""origination_date":"2024-02-01","maturity_date":"2054-02-01","#,
            r#""origination_date":"2024-01-31","maturity_date":"1/31/2054","#
        ]
    );
    assert_eq!(outcome.notices.kept().len(), 1);
}

#[test]
fn a_day_first_counts_among_the_first_thousand_dates() {
    for (before, read) in [(999, false), (1_000, true)] {
        let mut tape = format!("{HEADER},Orig Date\n");
        (0..before).for_each(|row| tape.push_str(&format!("L-{row},{GOOD},1/31/2024\nE-{row},{GOOD},\n")));
        tape.push_str(&format!("L-X,{GOOD},31/1/2024\n"));
        let (outcome, facts) = run_tapes(&[("t.csv", &tape)], &TapeOptions::default(), ONE, run);
        let first = &rows(&outcome, facts)[0];
        assert_eq!(first.standard(Field::OriginationDate).is_some(), read, "{before}");
    }
}
