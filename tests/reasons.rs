//! Reasons with balances, samples and strats: each number equals what the stored facts and exceptions add up to.

#![cfg(test)]

mod recount;
mod steps;

use proptest::prelude::*;
use shared::{
    engine::{Job, Tuning, distribute::run_in_parts},
    phases::pricing::IrrTarget,
    rules::rule_set::RuleSet,
    tape::{
        options::TapeOptions,
        source::{MemorySource, TapeSource},
    },
};

use crate::{
    guides::shipped::{folder, shipped},
    properties::{line, tape},
    support::runs::{Finished, MemoryFolder, MemoryParts, run_tapes, run_tapes_on},
};
use recount::Recount;

/// The purchase date under the shipped guides.
const PDATE: jiff::civil::Date = jiff::civil::date(2026, 12, 1);

const SMALL: Tuning = Tuning { threads: 1, block_bytes: 4_096 };

/// Rules under which loans are held by each policy of `[projection]`.
const CAUTIOUS: &str = "name = \"cautious\"\nversion = \"1\"\n[projection]\nminimum_spread = -2.5\nminimum_price = 97.5\n\
                        hold_on_soft_exceptions = true\n";

fn cautious() -> RuleSet {
    RuleSet::from_toml(CAUTIOUS).unwrap()
}

/// Asserts that reasons, samples and strats say what facts and exceptions add up to.
fn assert_counted(finished: &Finished, rules: &RuleSet) {
    let recount = Recount::of(finished, rules);
    let summary = &finished.outcome.summary;
    let reasons = summary.reasons();
    assert_eq!(recount::told(&reasons), recount.reasons());
    assert_eq!(recount::held(&reasons), recount.held());
    assert_eq!(recount::pairs(&reasons), recount.pairs());
    assert_eq!(recount::samples(&finished.outcome.samples()), recount.samples());
    for strat in summary.finish().strats {
        for bucket in &strat.buckets {
            let told = (bucket.count, bucket.balance.to_text(0));
            assert_eq!(told, recount.filtered(&bucket.filter), "{}", bucket.filter);
        }
        let counted: u64 = strat.buckets.iter().map(|bucket| bucket.count).sum();
        let rejected = summary.count(shared::phases::disposition::Disposition::Rejected);
        let left_out = if strat.by == "final_price" { rejected } else { 0 };
        assert_eq!(counted, summary.total_loans() - left_out, "{}", strat.by);
    }
}

/// Everything about reasons that a run gives, as text.
fn found(outcome: &shared::engine::Outcome) -> [String; 3] {
    let text = |value: serde_json::Result<String>| value.unwrap();
    let strats = serde_json::to_string(&outcome.summary.finish().strats);
    [text(serde_json::to_string(&outcome.summary.reasons())), text(serde_json::to_string(&outcome.samples())), text(strats)]
}

/// What a run in parts finds.
fn found_in_parts(text: &str, rules: &RuleSet, part_bytes: u64) -> [String; 3] {
    let tapes = [Box::new(MemorySource::new("tape.csv", text.as_bytes())) as Box<dyn TapeSource>];
    let (folder, parts) = (MemoryFolder::default(), MemoryParts::default());
    let job = Job {
        tapes: &tapes,
        options: &TapeOptions::default(),
        waivers: None,
        rules,
        irr_target: IrrTarget::DEFAULT,
        pdate: PDATE,
        destination: Some(&folder),
        progress: &|_| {},
        tuning: SMALL,
    };
    found(&run_in_parts(&job, part_bytes, &parts).unwrap())
}

/// The tape of a shipped guide with its rows repeated, and some cells taken from other rows.
fn guide_tape(name: &str, rows: &[(usize, usize, usize)]) -> String {
    let tape = std::fs::read_to_string(folder(name).join("tape.csv")).unwrap();
    let mut lines = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(tape.as_bytes());
    // A tape may have a title above its header.
    let lines: Vec<csv::StringRecord> = lines.records().map(Result::unwrap).filter(|line| line.len() > 1).collect();
    let (header, loans) = lines.split_first().unwrap();
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(header).unwrap();
    // The loans as they are keep the units of the columns clear.
    loans.iter().for_each(|loan| out.write_record(loan).unwrap());
    for (nth, (row, other, column)) in rows.iter().enumerate() {
        let (loan, other) = (&loans[row % loans.len()], &loans[other % loans.len()]);
        let cells = loan.iter().enumerate().map(|(at, cell)| match at {
            0 => format!("N-{nth}"),
            at if at == column % loan.len() => other[at].to_owned(),
            _ => cell.to_owned(),
        });
        out.write_record(cells).unwrap();
    }
    String::from_utf8(out.into_inner().unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reasons_are_what_facts_and_exceptions_add_up_to(lines in prop::collection::vec(line(), 1..120), cautiously: bool) {
        let (text, _) = tape(&lines, "\n");
        let rules = if cautiously { cautious() } else { RuleSet::built_in().clone() };
        assert_counted(&run_tapes(&[("tape.csv", text.as_bytes())], &rules, SMALL).unwrap(), &rules);
    }

    #[test]
    fn reasons_under_a_guide_are_what_facts_and_exceptions_add_up_to(
        rows in prop::collection::vec((0_usize..100, 0_usize..100, 1_usize..60), 1..60), guide in 0_usize..3,
    ) {
        let name = ["agency", "non_qm_dscr", "best_execution"][guide];
        let (text, rules) = (guide_tape(name, &rows), shipped(name));
        assert_counted(&run_tapes_on(&[("tape.csv", text.as_bytes())], &rules, PDATE, SMALL).unwrap(), &rules);
    }

    #[test]
    fn neither_threads_nor_blocks_nor_parts_change_a_reason(
        rows in prop::collection::vec((0_usize..100, 0_usize..100, 1_usize..60), 1..200),
        guide in 0_usize..3, threads in 1_usize..5, block_bytes in 500_usize..5_000, part_bytes in 500_u64..20_000,
    ) {
        let name = ["agency", "non_qm_dscr", "best_execution"][guide];
        let (text, rules) = (guide_tape(name, &rows), shipped(name));
        let run = |tuning| run_tapes_on(&[("tape.csv", text.as_bytes())], &rules, PDATE, tuning).unwrap();
        let whole = found(&run(Tuning { threads: 1, block_bytes: 1 << 20 }).outcome);
        prop_assert_eq!(&whole, &found(&run(Tuning { threads, block_bytes }).outcome));
        prop_assert_eq!(&whole, &found_in_parts(&text, &rules, part_bytes));
    }
}
