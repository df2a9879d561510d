//! Runs in parts, in memory: however a tape is cut, all bytes equal those of one worker.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use shared::{
    engine::{
        Tuning,
        distribute::{Plan, Planned, finish, plan, process, refuse, run_in_parts},
        run,
    },
    error::{RunError, RunErrorCode},
};

use crate::support::runs::{Files, GOOD_CELLS, Given, HEADER, MemoryFolder, MemoryParts, given, in_parts, with_job};

const TUNING: Tuning = Tuning { threads: 2, block_bytes: 700 };

fn whole(tapes: &[(&str, &[u8])]) -> Given {
    let folder = MemoryFolder::default();
    given(&folder, with_job(tapes, Some(&folder), TUNING, run))
}

/// The plan for tapes that can be split.
fn planned(tapes: &[(&str, &[u8])], part_bytes: u64) -> Plan {
    match with_job(tapes, None, TUNING, |job| plan(job, part_bytes, &MemoryParts::default())).unwrap() {
        Planned::Parts(plan) => plan,
        Planned::Whole => panic!("one worker was to do it"),
    }
}

/// Asserts that any cut gives what one worker gives.
fn assert_equal(tapes: &[(&str, &[u8])]) {
    let expected = whole(tapes);
    for part_bytes in [1, 60, 97, 250, 1_000, 4_096, 1 << 20] {
        for (threads, block_bytes) in [(1, 64), (3, 700), (2, 1 << 16)] {
            let found = in_parts(tapes, part_bytes, Tuning { threads, block_bytes });
            assert!(
                found == expected,
                "parts of {part_bytes}, {threads} threads, blocks of {block_bytes}: {found:?}\n{expected:?}"
            );
        }
    }
}

fn loans(from: usize, to: usize) -> String {
    (from..to).map(|n| format!("L-{n},{GOOD_CELLS}\n")).collect()
}

#[test]
fn quoted_line_breaks_and_broken_quotes_are_cut_nowhere() {
    let row = "\"L\n1\",250000,6.5,80,35,720,\"s\nf\nr\",primary,purchase,312500,312500\n";
    let mut tape = format!("Portfolio of May\n\n{HEADER}\n");
    for n in 0..8 {
        tape += &format!("{row}\"x\"y,1,2\n\n  \t\nL-{n},{GOOD_CELLS}\ntoo,few\n,,,,,,,,,,\n\"open,{n}\nQ-{n},{GOOD_CELLS}\n");
    }
    // A quotation mark that is never closed, and one that a later line closes by mistake.
    tape += &format!("a,\"b\n{}c,\"d\ne\"f,1\n{}", loans(100, 110), loans(110, 230));
    assert_equal(&[("tape.csv", tape.as_bytes())]);
    assert_equal(&[("tape.csv", tape.replace('\n', "\r\n").as_bytes())]);
    assert_equal(&[("tape.csv", tape.trim_end().as_bytes())]);
}

#[test]
fn a_mark_in_front_and_letters_of_every_alphabet_are_whole() {
    let names = ["Zürich", "🏠 haus", "東京", "e\u{301}"];
    let rows: String = (0..60).map(|n| format!("{}-{},{GOOD_CELLS},{}\n", names[n % 4], n % 50, names[(n + 1) % 4])).collect();
    let tape = format!("{HEADER},\"Ort, Straße\"\n{rows}");
    assert_equal(&[("tape.csv", tape.as_bytes())]);
    assert_equal(&[("tape.csv", format!("\u{feff}{tape}").as_bytes())]);
    assert_equal(&[("tape.csv", format!("\u{feff}\r\n\r\n{tape}").as_bytes())]);
}

#[test]
fn loan_numbers_repeat_over_parts_and_tapes() {
    let first = format!("{HEADER}\n{}{}{}", loans(0, 30), loans(10, 20), loans(10, 12));
    let second = format!("{HEADER}\n\n{}too,few\n\"L-\n3\",{GOOD_CELLS}\n{}", loans(25, 40), loans(39, 41));
    let third = format!("Note;{}\n{}", HEADER.replace(',', ";"), loans(5, 9).replace(',', ";").replace("L-", "x;L-"));
    let tapes = [("b.csv", first.as_bytes()), ("a.csv", second.as_bytes()), ("c.csv", third.as_bytes())];
    assert_equal(&tapes);
    let plan = planned(&tapes, 1);
    assert_eq!(plan.parts.iter().map(|part| part.repeats).sum::<u64>(), 12 + 6 + 4);
    assert_eq!(plan.parts.len() as u64, plan.parts.iter().map(|part| part.rows).sum::<u64>());
    assert!(plan.parts.windows(2).all(|pair| pair[0].end == pair[1].start || pair[1].tape == pair[0].tape + 1));
}

#[test]
fn units_are_those_of_the_whole_tape() {
    // Only the beginning shows that the column holds fractions, and only the first part sees it.
    let rows: String =
        (0..1_050).map(|n| format!("L-{n},250000,0.065,0.8,0.35,720,sfr,primary,purchase,312500,312500\n")).collect();
    let late = "L-x,250000,6.5,80,35,720,sfr,primary,purchase,312500,312500\n".repeat(3);
    assert_equal(&[("tape.csv", format!("{HEADER}\n{rows}{late}").as_bytes())]);
}

#[test]
fn numbers_too_large_for_narrow_sums_are_summed_exactly() {
    let wide = "L-{},123456789012345678901234567890.123456789,6.54321987654321,80.000001192,35,720,sfr,primary,purchase,1,1\n";
    let rows: String = (0..40).map(|n| wide.replace("{}", &n.to_string())).collect();
    assert_equal(&[("tape.csv", format!("{HEADER}\n{rows}{}", loans(50, 60)).as_bytes())]);
}

#[test]
fn a_row_that_is_too_long_is_one_row_of_one_part() {
    let tape = format!("{HEADER}\n{}L-x,{}\n{}", loans(0, 3), "é".repeat(2 << 20), loans(3, 6));
    let (tapes, folder) = ([("tape.csv", tape.as_bytes())], MemoryFolder::default());
    let expected = given(&folder, with_job(&tapes, Some(&folder), Tuning { threads: 1, block_bytes: 8 << 20 }, run));
    assert!(in_parts(&tapes, 200, Tuning { threads: 1, block_bytes: 1 << 20 }) == expected);
}

#[test]
fn a_dry_run_in_parts_has_the_same_summary() {
    let tape = format!("{HEADER}\n{}{}", loans(0, 40), loans(3, 9));
    let tapes = [("tape.csv", tape.as_bytes())];
    let none = MemoryFolder::default();
    let expected = given(&none, with_job(&tapes, None, TUNING, run));
    assert!(expected.is_ok());
    let found = with_job(&tapes, None, TUNING, |job| run_in_parts(job, 100, &MemoryParts::default()));
    assert_eq!(given(&none, found), expected);
}

#[test]
fn tapes_that_cannot_be_split_are_left_to_one_worker() {
    let text = format!("{HEADER}\n{}", loans(0, 50));
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let late = [text.as_bytes(), b"Z\xfcrich,1,2,3,4,5,6,7,8,9,10\n"].concat();
    for tape in [utf16, late] {
        let planned = with_job(&[("tape.csv", &tape)], None, TUNING, |job| plan(job, 100, &MemoryParts::default()));
        assert!(matches!(planned, Ok(Planned::Whole)));
    }
}

#[test]
fn an_unusable_tape_fails_its_plan_as_it_fails_one_worker() {
    let good = format!("{HEADER}\n{}", loans(0, 50));
    let undecodable = [b"\xef\xbb\xbf", good.as_bytes(), b"\xff\n", loans(50, 90).as_bytes()].concat();
    let only_header = format!("Title\n{HEADER}\n\n,,,,,,,,,,\n");
    for bad in [&b""[..], b"\n \n", b"a,b\n1,2\n", b"%PDF-1", only_header.as_bytes(), &undecodable] {
        for tapes in [vec![("bad.csv", bad)], vec![("good.csv", good.as_bytes()), ("bad.csv", bad)]] {
            let expected = whole(&tapes).unwrap_err();
            assert_eq!(in_parts(&tapes, 100, TUNING).unwrap_err(), expected);
        }
    }
}

#[test]
fn what_a_step_kept_is_not_taken_for_whole_when_it_is_not() {
    let tape = format!("{HEADER}\n{}{}", loans(0, 40), loans(0, 4));
    let tapes = [("tape.csv", tape.as_bytes())];
    let (folder, parts) = (MemoryFolder::default(), MemoryParts::default());
    with_job(&tapes, Some(&folder), TUNING, |job| {
        let Planned::Parts(plan) = plan(job, 1_000, &parts).unwrap() else { panic!("one worker was to do it") };
        (0..plan.parts.len()).for_each(|part| process(job, &plan, part, &parts).unwrap());
        assert!(plan.parts.len() > 2);
        let kept = parts.0.lock().unwrap().clone();
        let finished = |change: &dyn Fn(&mut Files)| {
            let mut changed = kept.clone();
            change(&mut changed);
            given(&folder, finish(job, &plan, &MemoryParts(Arc::new(Mutex::new(changed)))))
        };
        let sound = finished(&|_| {});
        let damaged = |change: &dyn Fn(&mut Files)| {
            let Err(error) = finished(change) else { panic!("it was taken for whole") };
            assert_eq!(error.code, RunErrorCode::StorageFailed, "{error}");
            assert!(error.message.starts_with("Part 1 of the run is missing or damaged: "), "{error}");
        };
        damaged(&|kept| drop(kept.remove("part-00001")));
        damaged(&|kept| drop(kept.insert("part-00001".to_owned(), kept["part-00002"].clone())));
        // The frame begins as if another version of the engine, with numbers in another scale, had written it.
        damaged(&|kept| kept.get_mut("part-00001").unwrap()[0] &= 0x0f);
        let length = kept["part-00001"].len();
        for at in (0..length).step_by(7) {
            damaged(&|kept| kept.get_mut("part-00001").unwrap().truncate(at));
            // The flipped bit may be one without meaning: the content is either read correctly or rejected.
            let found = finished(&|kept| kept.get_mut("part-00001").unwrap()[at] ^= 0x40);
            assert!(found == sound || found.is_err_and(|error| error.code == RunErrorCode::StorageFailed), "{at}");
        }
        // Remove the list of repeated loan numbers, which the processing of a part needs.
        let last = plan.parts.iter().rposition(|part| part.repeats > 0).unwrap();
        parts.0.lock().unwrap().remove(&format!("repeats-{last:05}")).unwrap();
        let error = process(job, &plan, last, &parts).unwrap_err();
        assert!(error.message.contains("repeated loan numbers of part"), "{error}");
    });
}

#[test]
fn a_part_that_was_refused_fails_the_run_with_its_reason() {
    let tape = format!("{HEADER}\n{}", loans(0, 40));
    let tapes = [("tape.csv", tape.as_bytes())];
    let (folder, parts) = (MemoryFolder::default(), MemoryParts::default());
    with_job(&tapes, Some(&folder), TUNING, |job| {
        let Planned::Parts(plan) = plan(job, 1_000, &parts).unwrap() else { panic!("one worker was to do it") };
        (0..plan.parts.len()).for_each(|part| process(job, &plan, part, &parts).unwrap());
        let why = RunError::ingest(RunErrorCode::TapeChanged, "tape.csv", Some(7), "It changed.");
        refuse(&parts, 1, &why).unwrap();
        assert_eq!(finish(job, &plan, &parts).unwrap_err(), why);
        // A retry replaces the refusal.
        process(job, &plan, 1, &parts).unwrap();
        finish(job, &plan, &parts).unwrap();
    });
}

#[test]
fn other_tapes_than_those_planned_are_refused() {
    let tape = format!("{HEADER}\n{}", loans(0, 40));
    let plan = planned(&[("tape.csv", tape.as_bytes())], 1_000);
    let longer = tape.clone() + &loans(40, 41);
    with_job(&[("tape.csv", longer.as_bytes())], None, TUNING, |job| {
        assert!(process(job, &plan, 0, &MemoryParts::default()).unwrap_err().message.contains("not those that were planned"));
    });
    with_job(&[("tape.csv", tape.as_bytes())], None, TUNING, |job| {
        let none = plan.parts.len();
        assert!(process(job, &plan, none, &MemoryParts::default()).unwrap_err().message.contains("no part"));
    });
}

#[test]
fn a_plan_is_read_again_as_it_was_kept() {
    let tape = format!("{HEADER},Note,Note\n{}", loans(0, 40).replace('\n', ",a,b\n"));
    let (plan, parts) = (planned(&[("tape.csv", tape.as_bytes())], 1_000), MemoryParts::default());
    plan.keep(&parts).unwrap();
    assert_eq!(Plan::load(&parts).unwrap(), plan);
    assert!(Plan::load(&MemoryParts::default()).unwrap_err().message.starts_with("The plan of the run is missing"));
}

/// A piece of a tape: mostly rows, sometimes text that breaks them.
fn piece() -> impl Strategy<Value = String> {
    let number = (0..30_u32).prop_map(|n| format!("L-{n},{GOOD_CELLS}\n"));
    let odd = "[a,\"\n\r\\\\\u{feff} é;0-9]{0,12}";
    prop_oneof![
        12 => number,
        2 => odd.prop_map(|text| text + "\n"),
        1 => odd.prop_map(|text| format!("\"{}\",250000,6.5,99,35,599,condo,primary,purchase,,\r\n", text.replace('"', "\"\""))),
        // A loan without a price is held, and its row says why.
        1 => Just("H-1,250000,1e25,80,35,720,sfr,primary,purchase,312500,312500\n".to_owned()),
        1 => Just("\n".to_owned()),
        1 => prop::sample::select(vec!["\r", "\r\r\n", "\u{feff}", "ï»¿\u{feff}"]).prop_map(str::to_owned),
        1 => (0..30_u32).prop_map(|n| format!("L-{n},{GOOD_CELLS}\r\u{feff}\"L\\\"-{n}\" ,{GOOD_CELLS}\r\r\n")),
        1 => Just("\"open,1\n".to_owned()),
        1 => Just(",,,,,,,,,,\n".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_cut_changes_a_byte(
        pieces in prop::collection::vec(piece(), 1..80),
        others in prop::collection::vec(piece(), 1..20),
        part_bytes in 1_u64..2_000,
        block_bytes in 1_usize..900,
        threads in 1_usize..4,
    ) {
        let first = format!("{HEADER}\n{}", pieces.concat());
        let second = format!("Title\n{HEADER}\n{}", others.concat());
        let tapes = [("a.csv", first.as_bytes()), ("b.csv", second.as_bytes())];
        let expected = whole(&tapes);
        let found = in_parts(&tapes, part_bytes, Tuning { threads, block_bytes });
        prop_assert!(found == expected, "{:?}\n{:?}", found, expected);
    }
}
