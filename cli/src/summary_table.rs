//! The summary of a run, for people.

use std::cmp::Reverse;

use command::{
    plain_text::{count, one_line, short_line, with_commas},
    text_table::{
        Align::{Left, Right},
        TextTable, WIDTH, wrapped,
    },
};
use shared::{
    decimal::{Decimal, ExactSum, Ratio},
    engine::Outcome,
    loan::ColumnUnit,
    manifest::MANIFEST_FILE,
    results::summary::{Averages, ProgramSummary, Summary},
    run::Run,
    tape::{TapeMapping, options::Origin},
};

use crate::staging::Places;

/// Printed where there is no average.
const NONE: &str = "-";
/// Kept columns named for each tape.
const NAMED_COLUMNS: usize = 12;
/// Tapes shown with all details of their columns. When there are more, each tape has one line.
const TAPES_IN_FULL: usize = 5;
/// Characters shown of the first message of a rule. For one tape the message fits into a line beside the longest name of a rule;
/// for several tapes there is room for the name of the tape, too. The summary of exceptions holds the whole message.
const SAMPLE_CHARACTERS: [usize; 2] = [50, 200];
/// Characters that a line about exceptions takes besides the name of the rule and the first message.
const BESIDE_A_NAME: usize = 32;
/// Notices printed. The rest are counted.
const NOTICES: usize = 10;

/// A completed run, and what to show of it.
pub struct Shown<'r> {
    pub run: &'r Run,
    pub summary: &'r Summary,
    pub outcome: &'r Outcome,
    /// Where the files are; `None` for a dry run.
    pub places: Option<&'r Places>,
    /// Whether to show the strats.
    pub strats: bool,
}

/// The whole summary.
pub fn summary_table(shown: &Shown<'_>) -> String {
    let Shown { run, summary, outcome, places, strats } = *shown;
    let mut out = verdict(summary);
    print_run(&mut out, run);
    print_dispositions(&mut out, summary);
    print_programs(&mut out, summary);
    print_exceptions(&mut out, summary, outcome.mappings.len() > 1);
    print_notices(&mut out, outcome);
    if strats {
        print_strats(&mut out, summary);
    }
    print_tapes(&mut out, outcome);
    print_files(&mut out, outcome, places);
    out
}

/// The result in a sentence: how many loans to buy, to hold and to reject.
fn verdict(summary: &Summary) -> String {
    let dispositions = &summary.dispositions;
    let [bought, held, rejected] = [&dispositions.to_purchase, &dispositions.projected, &dispositions.rejected];
    let total = count(summary.total_loans);
    let loans = if summary.total_loans == 1 { "loan" } else { "loans" };
    let buy = match &bought.dollars_to_pay {
        Some(dollars) if bought.totals.count > 0 => {
            format!("Buy {} of {total} {loans} for ${}", count(bought.totals.count), with_commas(&rounded(dollars, 2)))
        }
        _ => format!("Buy none of {total} {loans}"),
    };
    format!("{buy}; hold {}, reject {}\n", count(held.totals.count), count(rejected.totals.count))
}

fn print_run(out: &mut String, run: &Run) {
    let parameters = run.parameters();
    let rules = run.rule_set();
    let milliseconds = run.span().map_or(0, |(start, end)| end.duration_since(start).as_millis());
    let hash = short_hash(&rules.hash);
    out.push_str(&format!(
        "  run {}, {} in {}.{:02} s\n  purchase date {}, IRR target {} %\n  rule set {}, version {}, hash {hash}\n",
        run.run_id(),
        run.status(),
        milliseconds / 1_000,
        milliseconds % 1_000 / 10,
        parameters.pdate,
        parameters.irr_target.percent(),
        one_line(&rules.name),
        one_line(&rules.version),
    ));
}

fn short_hash(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn print_tapes(out: &mut String, outcome: &Outcome) {
    out.push_str("\nTapes\n");
    if outcome.mappings.len() > TAPES_IN_FULL {
        return print_tapes_in_brief(out, outcome);
    }
    for tape in &outcome.mappings {
        out.push_str(&format!("  {}\n", one_line(&tape.source_file)));
        let header = match tape.header_line {
            0 => "no header".to_owned(),
            line => format!("header in line {line}"),
        };
        list(out, "read as", format_of(tape).into_iter().chain([header, format!("{} bytes", count(bytes(outcome, tape)))]));
        let columns = tape.columns.iter();
        let renamed = columns.clone().filter_map(|column| {
            let field = column.field.as_ref().filter(|field| column.header != field.name())?;
            Some(match (column.origin, column.position) {
                (Some(Origin::Constant), _) => format!("{field} is always {}", short_line(&column.header, 40)),
                (_, Some(position)) if column.header.is_empty() => format!("column {position} -> {field}"),
                _ => format!("{} -> {field}", short_line(&column.header, 40)),
            })
        });
        list(out, "renamed", renamed);
        let units = columns.clone().filter_map(|column| {
            let unit = match column.unit? {
                ColumnUnit::Percent => "percent",
                ColumnUnit::Fraction => "fraction (x 100)",
            };
            Some(format!("{} {unit}", column.name))
        });
        list(out, "units", units);
        let kept: Vec<&str> = columns.filter(|column| column.field.is_none()).map(|column| column.name.as_str()).collect();
        let more = kept.len().saturating_sub(NAMED_COLUMNS);
        let more = (more > 0).then(|| format!("and {} more columns", count(more as u64)));
        list(out, "kept", kept.iter().take(NAMED_COLUMNS).map(|name| short_line(name, 40)).chain(more));
    }
}

/// Size of a tape's file in bytes.
fn bytes(outcome: &Outcome, tape: &TapeMapping) -> u64 {
    outcome.inputs.iter().find(|(name, _)| *name == tape.file).map_or(0, |(_, fingerprint)| fingerprint.size)
}

fn print_tapes_in_brief(out: &mut String, outcome: &Outcome) {
    let numbers = ["Header in line", "Columns", "Kept", "Bytes"].map(|name| (name, Right));
    let mut table = TextTable::new(&[&[("", Left), ("Read as", Left)][..], &numbers[..]].concat());
    for tape in &outcome.mappings {
        let kept = tape.columns.iter().filter(|column| column.field.is_none()).count();
        let counts = [tape.header_line, tape.columns.len() as u64, kept as u64, bytes(outcome, tape)].map(count);
        let texts = [short_line(&tape.source_file, 30), short_line(&format_of(tape).join(", "), 30)];
        table.row(texts.into_iter().chain(counts));
    }
    table.print(out, 2);
}

/// Appends the notices of how the tapes were read. When there are several tapes, each notice names its tape.
fn print_notices(out: &mut String, outcome: &Outcome) {
    let several = outcome.mappings.len() > 1;
    let fractions = outcome.mappings.iter().filter_map(|tape| {
        let columns = tape.columns.iter().filter(|column| column.unit == Some(ColumnUnit::Fraction));
        let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
        let of = if several { format!(" of {}", short_line(&tape.source_file, 60)) } else { String::new() };
        let what = "fractions, which were multiplied by 100";
        match names.as_slice() {
            [] => None,
            [name] => Some(format!("{name}{of} holds {what}")),
            names => Some(format!("{}{of} hold {what}", names.join(", "))),
        }
    });
    let told = outcome.notices.kept().iter().map(|notice| {
        let line = notice.line.map_or_else(String::new, |line| format!("line {}: ", count(line)));
        let of = if several { format!("{}, ", short_line(&notice.source_file, 60)) } else { String::new() };
        format!("{of}{line}{}", one_line(&notice.message))
    });
    let notices: Vec<String> = fractions.chain(told).collect();
    if notices.is_empty() {
        return;
    }
    out.push_str("\nNotices\n");
    for notice in notices.iter().take(NOTICES) {
        out.push_str(&format!("  {}\n", wrapped(notice, WIDTH - 2, 4)));
    }
    let all = notices.len() as u64 + outcome.notices.counts().values().sum::<u64>() - outcome.notices.kept().len() as u64;
    let more = all.saturating_sub(NOTICES as u64);
    if more > 0 {
        out.push_str(&format!("  and {} more\n", count(more)));
    }
}

fn format_of(tape: &TapeMapping) -> Vec<String> {
    let delimiter = tape.delimiter.map(|delimiter| match delimiter {
        ',' => "commas".to_owned(),
        ';' => "semicolons".to_owned(),
        '\t' => "tabs".to_owned(),
        '|' => "pipes".to_owned(),
        other => format!("{other:?}"),
    });
    let encoding = tape.encoding.and_then(|encoding| serde_json::to_value(encoding).ok());
    let encoding = encoding.as_ref().and_then(|encoding| encoding.as_str()).map(str::to_uppercase);
    let sheet = tape.sheet.as_ref().map(|sheet| format!("sheet \"{}\"", short_line(sheet, 40)));
    [Some(tape.format.to_uppercase()), delimiter, encoding, sheet].into_iter().flatten().collect()
}

/// Appends a named list, unless the list is empty. Lines break between its parts.
fn list(out: &mut String, name: &str, parts: impl Iterator<Item = String>) {
    let parts: Vec<String> = parts.collect();
    if !parts.is_empty() {
        out.push_str(&format!("    {name:<9}{}\n", wrapped_list(&parts, 13)));
    }
}

/// The parts, separated by commas. Lines break between parts; all lines but the first begin with `indent` spaces.
fn wrapped_list(parts: &[String], indent: usize) -> String {
    const UNBROKEN: &str = "\u{a0}";
    let parts: Vec<String> = parts.iter().map(|part| part.replace(' ', UNBROKEN)).collect();
    wrapped(&parts.join(", "), WIDTH - indent, indent).replace(UNBROKEN, " ")
}

/// A number rounded half to even to this number of decimals, and printed with all of them.
fn rounded(number: &Ratio, decimals: u8) -> String {
    let text = number.to_string();
    // A number with too many digits for a decimal is shown unchanged.
    text.parse().map_or(text, |number: Decimal| number.round_half_even(decimals).with_min_decimals(decimals))
}

pub fn percent(number: Option<&Ratio>) -> String {
    number.map_or_else(|| NONE.to_owned(), |number| rounded(number, 2))
}

fn score(number: Option<&Ratio>) -> String {
    number.map_or_else(|| NONE.to_owned(), |number| rounded(number, 0))
}

/// A fraction of the whole, as a percentage.
fn share(number: Option<&Ratio>) -> String {
    let percent = number.and_then(|number| number.to_string().parse::<Decimal>().ok()?.times_hundred());
    percent.map_or_else(|| NONE.to_owned(), |percent| percent.round_half_even(2).with_min_decimals(2))
}

pub fn dollars(amount: &ExactSum) -> String {
    with_commas(&amount.to_text(2))
}

/// An exact amount in dollars and cents, rounded half to even.
pub fn in_cents(amount: &ExactSum) -> String {
    let mut one = ExactSum::default();
    one.add(1, 0);
    amount.ratio(&one, 2).map_or_else(|| NONE.to_owned(), |amount| with_commas(&rounded(&amount, 2)))
}

/// A table whose first column holds words, and all other columns numbers.
fn table_of_numbers<const N: usize>(names: [&str; N]) -> TextTable {
    TextTable::new(&names.map(|name| (name, if name.is_empty() { Left } else { Right })))
}

fn print_dispositions(out: &mut String, summary: &Summary) {
    out.push_str("\nDispositions\n");
    let dispositions = &summary.dispositions;
    let groups = [
        ("to_purchase", &dispositions.to_purchase),
        ("projected", &dispositions.projected),
        ("rejected", &dispositions.rejected),
    ];
    // Only prices by cash flows come with WAL and duration.
    let has_lives = groups.iter().any(|(_, group)| group.wa_wal.is_some() || group.wa_duration.is_some());
    let names = ["Loans", "Balance $", "To pay $", "WAC", "WA LTV", "WA DTI", "WA score", "WA price", "WA WAL", "WA duration"];
    let names = &names[..if has_lives { names.len() } else { names.len() - 2 }];
    let columns: Vec<_> = [("", Left)].into_iter().chain(names.iter().map(|name| (*name, Right))).collect();
    let mut table = TextTable::new(&columns);
    for (name, group) in groups {
        let Averages { count: loans, balance, wac, wa_ltv, wa_dti, wa_credit_score } = &group.totals;
        let to_pay = group.dollars_to_pay.as_ref().map_or_else(|| NONE.to_owned(), |dollars| with_commas(&rounded(dollars, 2)));
        let [wac, wa_ltv, wa_dti, price] = [wac, wa_ltv, wa_dti, &group.wa_price].map(|number| percent(number.as_ref()));
        let numbers = [count(*loans), dollars(balance), to_pay, wac, wa_ltv, wa_dti, score(wa_credit_score.as_ref()), price];
        let lives = [&group.wa_wal, &group.wa_duration].map(|years| percent(years.as_ref()));
        table.row([name.to_owned()].into_iter().chain(numbers).chain(lives.into_iter().filter(|_| has_lives)));
    }
    table.row(["total".to_owned(), count(summary.total_loans), dollars(&summary.total_balance)]);
    table.print(out, 2);
}

/// Prints what each program of the rule set takes, and the rules for which alone it rejects loans.
fn print_programs(out: &mut String, summary: &Summary) {
    if summary.programs.is_empty() {
        return;
    }
    out.push_str("\nPrograms\n");
    let mut table = TextTable::new(&[
        ("", Left),
        ("Eligible", Right),
        ("Best", Right),
        ("Balance $", Right),
        ("WA price", Right),
        ("Rejected only by", Left),
    ]);
    for ProgramSummary { name, eligible, best, rejected_only_by } in &summary.programs {
        let mut only_by: Vec<_> = rejected_only_by.iter().collect();
        only_by.sort_by_key(|(rule, loans)| (Reverse(**loans), *rule));
        let only_by: Vec<String> = only_by.iter().map(|(rule, loans)| format!("{rule} {}", count(**loans))).collect();
        let price = percent(best.wa_price.as_ref());
        table.row([name.clone(), count(*eligible), count(best.count), dollars(&best.balance), price, only_by.join(", ")]);
    }
    table.print(out, 2);
}

fn print_exceptions(out: &mut String, summary: &Summary, several: bool) {
    if summary.exceptions.is_empty() {
        out.push_str("\nExceptions: none\n");
        return;
    }
    out.push_str(&format!("\nExceptions: {}\n", count(summary.exceptions_count)));
    let columns = [("Rule", Left), ("Severity", Left), ("Count", Right), ("Loans", Right), ("The first one", Left)];
    let mut table = TextTable::new(&columns);
    // The first message of one tape has one line, also beside the long name of a rule that a rule set defines.
    let longest = summary.exceptions.iter().map(|finding| finding.kind.name.chars().count()).max().unwrap_or(0);
    let room = if several { usize::MAX } else { WIDTH.saturating_sub(longest + BESIDE_A_NAME) };
    for finding in &summary.exceptions {
        table.row([
            finding.kind.name.clone().into_owned(),
            finding.severity.as_str().to_owned(),
            count(finding.count),
            count(finding.loans),
            short_line(&finding.sample_message, SAMPLE_CHARACTERS[usize::from(several)].min(room)),
        ]);
    }
    table.print(out, 2);
}

fn print_strats(out: &mut String, summary: &Summary) {
    out.push_str("\nStrats\n");
    let names = ["", "Loans", "Balance $", "Share %", "WAC", "WA LTV", "WA DTI", "WA score"];
    let mut table = table_of_numbers(names);
    for strat in &summary.strats {
        table.row([strat.by.to_owned()]);
        for bucket in strat.buckets.iter().filter(|bucket| bucket.count > 0) {
            let [wac, wa_ltv, wa_dti] = [&bucket.wac, &bucket.wa_ltv, &bucket.wa_dti].map(|number| percent(number.as_ref()));
            let [share, score] = [share(bucket.share.as_ref()), score(bucket.wa_credit_score.as_ref())];
            let label = format!("  {}", bucket.label);
            table.row([label, count(bucket.count), dollars(&bucket.balance), share, wac, wa_ltv, wa_dti, score]);
        }
    }
    table.print(out, 2);
}

fn print_files(out: &mut String, outcome: &Outcome, places: Option<&Places>) {
    let Some(places) = places else {
        out.push_str("\nA dry run: nothing was written.\n");
        return;
    };
    out.push_str(&format!("\nFiles in {}\n", one_line(&places.shown.display().to_string())));
    let outputs = outcome.outputs.iter().map(|(file, is)| (file.file_name, is.size));
    let stored = outcome.stored.iter().map(|(name, is)| (*name, is.size));
    let files = outputs.chain(stored).map(|(name, size)| format!("{name} ({} bytes)", count(size)));
    let files: Vec<String> = files.chain([MANIFEST_FILE.to_owned()]).collect();
    out.push_str(&format!("  {}\n", wrapped_list(&files, 2)));
    match &places.shown_archive {
        Some(archive) => out.push_str(&format!("Archive in {}\n", one_line(&archive.display().to_string()))),
        None => out.push_str("No archive (--no-archive): the run cannot be repeated.\n"),
    }
}
