//! The summary of a run, for people.

use shared::{
    engine::Outcome,
    results::summary::{Averages, Summary},
    run::Run,
    tape::{TapeMapping, text::Fingerprint, units::ColumnUnit},
};

use crate::{
    plain_text::{count, one_line, short_line, with_commas},
    staging::Places,
    text_table::{
        Align::{Left, Right},
        TextTable, WIDTH, wrapped,
    },
};

/// What stands where there is no average.
const NONE: &str = "-";
/// How many kept columns are named.
const NAMED_COLUMNS: usize = 12;

/// The whole summary; `places` says where the files are, of which a dry run has none.
pub fn summary_table(run: &Run, summary: &Summary, outcome: &Outcome, places: Option<&Places>) -> String {
    let mut out = String::new();
    print_run(&mut out, run);
    print_tapes(&mut out, outcome);
    print_dispositions(&mut out, summary);
    print_exceptions(&mut out, summary);
    print_strats(&mut out, summary);
    print_files(&mut out, outcome, places);
    out
}

fn print_run(out: &mut String, run: &Run) {
    let parameters = run.parameters();
    let rules = run.rule_set();
    let milliseconds = run.span().map_or(0, |(start, end)| end.duration_since(start).as_millis());
    let hash = short_hash(&rules.hash);
    out.push_str(&format!(
        "Run {} {} in {}.{:02} s\n  purchase date {}, IRR target {} %\n  rule set {}, version {}, hash {hash}\n",
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
    for (tape, Fingerprint { size, .. }) in outcome.mappings.iter().zip(&outcome.inputs) {
        out.push_str(&format!("  {}\n", one_line(&tape.source_file)));
        let header = format!("header in line {}", tape.header_line);
        list(out, "read as", format_of(tape).into_iter().chain([header, format!("{} bytes", count(*size))]));
        let columns = tape.columns.iter();
        let renamed = columns.clone().filter_map(|column| {
            let field = column.field.filter(|field| column.header != field.name())?;
            Some(format!("{} -> {field}", short_line(&column.header, 40)))
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

/// Appends a named list, unless it is empty. Lines are broken between its parts.
fn list(out: &mut String, name: &str, parts: impl Iterator<Item = String>) {
    const INDENT: usize = 13;
    const UNBROKEN: &str = "\u{a0}";
    let parts: Vec<String> = parts.map(|part| part.replace(' ', UNBROKEN)).collect();
    if !parts.is_empty() {
        let lines = wrapped(&parts.join(", "), WIDTH - INDENT, INDENT);
        out.push_str(&format!("    {name:<9}{}\n", lines.replace(UNBROKEN, " ")));
    }
}

fn average<R: ToString>(ratio: Option<&R>) -> String {
    ratio.map_or_else(|| NONE.to_owned(), |ratio| fixed(&ratio.to_string()))
}

/// A number of at most four decimals, with all four.
fn fixed(number: &str) -> String {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    format!("{whole}.{fraction:0<4}")
}

fn dollars(amount: &shared::decimal::ExactSum) -> String {
    with_commas(&amount.to_text(2))
}

fn print_dispositions(out: &mut String, summary: &Summary) {
    out.push_str("\nDispositions\n");
    let names = ["", "Loans", "Balance $", "WAC", "WA LTV", "WA DTI", "WA score", "WA price"];
    let mut table = TextTable::new(&names.map(|name| (name, if name.is_empty() { Left } else { Right })));
    let dispositions = &summary.dispositions;
    for (name, group) in
        [("to_purchase", &dispositions.to_purchase), ("projected", &dispositions.projected), ("rejected", &dispositions.rejected)]
    {
        let Averages { count: loans, balance, wac, wa_ltv, wa_dti, wa_credit_score } = &group.totals;
        let averages = [wac, wa_ltv, wa_dti, wa_credit_score, &group.wa_price].map(|ratio| average(ratio.as_ref()));
        table.row([name.to_owned(), count(*loans), dollars(balance)].into_iter().chain(averages));
    }
    table.row(["total".to_owned(), count(summary.total_loans), dollars(&summary.total_balance)]);
    table.print(out, 2);
}

fn print_exceptions(out: &mut String, summary: &Summary) {
    if summary.exceptions.is_empty() {
        out.push_str("\nExceptions: none\n");
        return;
    }
    out.push_str(&format!("\nExceptions: {}\n", count(summary.exceptions_count)));
    let columns = [("Rule", Left), ("Severity", Left), ("Exceptions", Right), ("Loans", Right), ("The first one", Left)];
    let mut table = TextTable::new(&columns);
    for finding in &summary.exceptions {
        table.row([
            finding.exception_type.name().to_owned(),
            finding.severity.as_str().to_owned(),
            count(finding.count),
            count(finding.loans),
            short_line(&finding.sample_message, 200),
        ]);
    }
    table.print(out, 2);
}

fn print_strats(out: &mut String, summary: &Summary) {
    out.push_str("\nStrats\n");
    let names = ["", "Loans", "Balance $", "Share", "WAC", "WA LTV", "WA DTI", "WA score"];
    let mut table = TextTable::new(&names.map(|name| (name, if name.is_empty() { Left } else { Right })));
    for strat in &summary.strats {
        table.row([strat.by.to_owned()]);
        for bucket in strat.buckets.iter().filter(|bucket| bucket.count > 0) {
            let averages = [&bucket.share, &bucket.wac, &bucket.wa_ltv, &bucket.wa_dti, &bucket.wa_credit_score];
            let averages = averages.map(|ratio| average(ratio.as_ref()));
            let label = format!("  {}", bucket.label);
            table.row([label, count(bucket.count), dollars(&bucket.balance)].into_iter().chain(averages));
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
    let mut table = TextTable::new(&[("", Left), ("Bytes", Right), ("SHA-256", Left)]);
    let outputs = outcome.outputs.iter().map(|(file, fingerprint)| (file.file_name(), fingerprint));
    for (name, fingerprint) in outputs.chain(outcome.stored.iter().map(|(name, fingerprint)| (*name, fingerprint))) {
        let hash = format!("{}...", short_hash(&fingerprint.sha256));
        table.row([name.to_owned(), count(fingerprint.size), hash]);
    }
    table.print(out, 2);
    out.push_str(&format!("Archive in {}\n", one_line(&places.shown_archive.display().to_string())));
}
