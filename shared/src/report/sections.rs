//! The sections of the report, in order.

use super::{
    content::{Report, ReportDisposition, ReportPoolTest, ReportReason, ReportReasons, ReportRun, ReportStrat, ReportSummary},
    figure::Figure,
    page::{Cell, Page},
};

/// Rows of hard reasons, and of all other lists of reasons. A report has two to four pages.
const HARD_ROWS: usize = 20;
const OTHER_ROWS: usize = 12;
/// Tapes that the report names.
const NAMED_TAPES: usize = 10;
/// The strat that is the distribution of prices.
const FINAL_PRICE: &str = "final_price";

pub(super) fn write(page: &mut Page, report: &Report) {
    let Report { run, summary, reasons } = report;
    head(page, run, summary);
    dispositions(page, summary);
    pool_tests(page, run, summary);
    rejected(page, reasons);
    held(page, reasons);
    prices(page, summary);
    programs(page, summary);
    strats(page, summary);
    parameters(page, run, summary);
    hashes(page, run);
}

/// The result in a sentence.
fn verdict(summary: &ReportSummary) -> String {
    let [bought, held, rejected] =
        [&summary.dispositions.to_purchase, &summary.dispositions.projected, &summary.dispositions.rejected];
    let total = summary.total_loans.with_commas(0);
    let loans = if summary.total_loans.plain() == "1" { "loan" } else { "loans" };
    let buy = match &bought.dollars_to_pay {
        Some(dollars) if bought.count.plain() != "0" => {
            format!("Buy {} of {total} {loans} for {}", bought.count.with_commas(0), dollars.dollars())
        }
        _ => format!("Buy none of {total} {loans}"),
    };
    format!("{buy}; hold {}, reject {}.", held.count.with_commas(0), rejected.count.with_commas(0))
}

fn tapes_of(run: &ReportRun) -> Vec<&str> {
    match (&run.tapes, &run.column_mapping) {
        (Some(tapes), _) if !tapes.is_empty() => tapes.iter().map(|tape| tape.path.as_str()).collect(),
        (_, Some(mappings)) => mappings.iter().map(|mapping| mapping.source_file.as_str()).collect(),
        _ => Vec::new(),
    }
}

fn head(page: &mut Page, run: &ReportRun, summary: &ReportSummary) {
    let tapes = tapes_of(run);
    let count = run.tapes_count.and_then(|count| usize::try_from(count).ok()).unwrap_or(tapes.len());
    let tape = match (tapes.first(), count) {
        (Some(first), 1) => (*first).to_owned(),
        (Some(first), more) => format!("{first} and {} more", more - 1),
        (None, _) => "the tapes of the run".to_owned(),
    };
    page.raw("<header>\n<p class=\"kicker\">Loan Engine · report of a run</p>\n<h1>").text(&verdict(summary)).raw("</h1>\n");
    let what = if run.output_dir.is_none() { "Dry run of" } else { "Run of" };
    page.raw("<p class=\"lead\">").text(&format!("{what} {tape}, purchase date {}, rule set {}", run.pdate, run.rule_set.name));
    page.raw("</p>\n</header>\n");
}

fn dispositions(page: &mut Page, summary: &ReportSummary) {
    let groups = [
        ("To purchase", "good", &summary.dispositions.to_purchase),
        ("Projected", "held", &summary.dispositions.projected),
        ("Rejected", "bad", &summary.dispositions.rejected),
    ];
    page.raw("<section>\n").heading("Dispositions");
    page.raw("<div class=\"whole\">");
    page.bar(&groups.map(|(_, class, group)| (group.balance.thousandths_of(&summary.total_balance), class)));
    page.raw("</div>\n<p class=\"legend\">By balance: ");
    for (name, class, _) in groups {
        page.raw(&format!("<span class=\"key {class}\"></span>")).text(name).raw(" ");
    }
    page.raw("</p>\n");
    let has_lives = groups.iter().any(|(_, _, group)| group.wa_wal.is_some() || group.wa_duration.is_some());
    let headers = ["", "Loans#", "Balance#", "To pay#", "WAC %#", "LTV %#", "DTI %#", "Score#", "Price#", "WAL#", "Duration#"];
    let columns = if has_lives { headers.len() } else { headers.len() - 2 };
    let plain = |figure: &Option<Figure>| Cell::number(figure.as_ref().map(|figure| figure.plain().to_owned()));
    let row = |(name, _, group): (&str, &str, &ReportDisposition)| {
        let dollars = Cell::number(group.dollars_to_pay.as_ref().map(Figure::dollars));
        let first = [Cell::Text(name.to_owned()), count(&group.count), Cell::Number(group.balance.dollars()), dollars];
        let averages = [&group.wac, &group.wa_ltv, &group.wa_dti, &group.wa_credit_score, &group.wa_price];
        let lives = [&group.wa_wal, &group.wa_duration];
        let averages = averages.into_iter().chain(lives.into_iter().filter(|_| has_lives)).map(plain);
        first.into_iter().chain(averages).collect::<Vec<Cell>>()
    };
    let total = [Cell::Text("Total".to_owned()), count(&summary.total_loans), Cell::Number(summary.total_balance.dollars())];
    let rest = (total.len()..columns).map(|_| Cell::Text(String::new()));
    let total = total.into_iter().chain(rest).collect();
    page.table(&headers[..columns], groups.map(row).into_iter().chain([total]));
    page.note("Averages are weighted by balance over the loans that have the value. Prices are in percent of the balance.");
    page.raw("</section>\n");
}

fn count(figure: &Figure) -> Cell {
    Cell::Number(figure.with_commas(0))
}

/// The rows that are shown, and how many are left out.
fn shown<T>(rows: &[T], most: usize) -> (&[T], usize) {
    let kept = rows.len().min(most);
    (&rows[..kept], rows.len() - kept)
}

fn left_out(page: &mut Page, rows: usize) {
    if rows > 0 {
        page.note(&format!("{rows} more with smaller balances are in the reasons of the run."));
    }
}

/// The largest balance, which has the longest bar.
fn largest<'f>(balances: impl Iterator<Item = &'f Figure>) -> Option<&'f Figure> {
    balances.reduce(Figure::max)
}

fn rejected(page: &mut Page, reasons: &ReportReasons) {
    let (hard, soft): (Vec<&ReportReason>, Vec<&ReportReason>) =
        reasons.reasons.iter().partition(|reason| reason.severity == "hard");
    page.raw("<section>\n").heading("Why loans are rejected");
    if hard.is_empty() {
        page.note("No loan fails a hard rule.");
    } else {
        reason_table(page, &hard, HARD_ROWS, true);
        page.note("A loan counts under each of its reasons. “Alone” counts the rejected loans without another reason, and those among them whose excess is at most the number before the colon.");
    }
    page.raw("</section>\n");
    if !reasons.pairs.is_empty() {
        page.raw("<section>\n").heading("Rejected for exactly two reasons");
        let top = largest(reasons.pairs.iter().map(|pair| &pair.balance));
        page.table(
            &["Reasons", "Loans#", "Balance#", ""],
            reasons.pairs.iter().map(|pair| {
                vec![
                    Cell::Text(pair.types.join(" and ")),
                    count(&pair.loans),
                    Cell::Number(pair.balance.dollars()),
                    bar_of(&pair.balance, top, "bad"),
                ]
            }),
        );
        page.raw("</section>\n");
    }
    if !soft.is_empty() {
        page.raw("<section>\n").heading("Conditions: soft exceptions");
        reason_table(page, &soft, OTHER_ROWS, false);
        page.raw("</section>\n");
    }
}

fn bar_of(balance: &Figure, top: Option<&Figure>, class: &'static str) -> Cell {
    Cell::Bar(top.map_or(0, |top| balance.thousandths_of(top)), class)
}

fn reason_table(page: &mut Page, reasons: &[&ReportReason], most: usize, with_alone: bool) {
    let (rows, more) = shown(reasons, most);
    let top = largest(reasons.iter().map(|reason| &reason.balance));
    let class = if with_alone { "bad" } else { "plain" };
    let headers = ["Rule", "Loans#", "Balance#", "", "Alone#", "Alone, balance#", "Alone, by at most"];
    let row = |reason: &&ReportReason| {
        let name = match &reason.program {
            Some(program) => format!("{program}: {}", reason.exception_type),
            None => reason.exception_type.clone(),
        };
        let mut cells = vec![
            Cell::Text(name),
            count(&reason.loans),
            Cell::Number(reason.balance.dollars()),
            bar_of(&reason.balance, top, class),
        ];
        if with_alone {
            let only = &reason.only_reason;
            cells.extend([count(&only.loans), Cell::Number(only.balance.dollars()), Cell::Text(within(reason))]);
        }
        cells
    };
    let columns = if with_alone { headers.len() } else { headers.len() - 3 };
    page.table(&headers[..columns], rows.iter().map(row));
    left_out(page, more);
}

/// How many of the loans without another reason miss the limit by how much; empty when no step has a loan.
fn within(reason: &ReportReason) -> String {
    let steps = reason.by_distance.iter().filter(|step| step.loans.plain() != "0");
    let steps: Vec<String> = steps.map(|step| format!("{}: {}", step.up_to.plain(), step.loans.with_commas(0))).collect();
    let unit = match reason.distance_unit.as_deref() {
        Some("points") => " points",
        Some("percent_of_limit") => " % of the limit",
        _ => "",
    };
    if steps.is_empty() { String::new() } else { steps.join(" · ") + unit }
}

fn held(page: &mut Page, reasons: &ReportReasons) {
    if reasons.held.is_empty() {
        return;
    }
    page.raw("<section>\n").heading("Why loans are held");
    let (rows, more) = shown(&reasons.held, OTHER_ROWS);
    let top = largest(reasons.held.iter().map(|held| &held.balance));
    page.table(
        &["Policy", "Loans#", "Balance#", "", "The first one"],
        rows.iter().map(|held| {
            vec![
                Cell::Text(held.policy.clone()),
                count(&held.loans),
                Cell::Number(held.balance.dollars()),
                bar_of(&held.balance, top, "held"),
                Cell::Text(held.reason.clone()),
            ]
        }),
    );
    left_out(page, more);
    page.raw("</section>\n");
}

fn strat_table(page: &mut Page, strat: &ReportStrat) {
    let filled = || strat.buckets.iter().filter(|bucket| bucket.count.plain() != "0");
    let top = largest(filled().map(|bucket| &bucket.balance));
    let row = |bucket: &super::content::ReportBucket| {
        vec![
            Cell::Text(bucket.label.clone()),
            count(&bucket.count),
            Cell::Number(bucket.balance.dollars()),
            Cell::number(bucket.share.as_ref().map(Figure::percent)),
            bar_of(&bucket.balance, top, "plain"),
        ]
    };
    page.table(&[strat.by.as_str(), "Loans#", "Balance#", "Share %#", ""], filled().map(row));
}

fn prices(page: &mut Page, summary: &ReportSummary) {
    let Some(strat) = summary.strats.iter().find(|strat| strat.by == FINAL_PRICE && !strat.buckets.is_empty()) else { return };
    page.raw("<section>\n").heading("Prices of bought and projected loans");
    strat_table(page, strat);
    page.raw("</section>\n");
}

fn strats(page: &mut Page, summary: &ReportSummary) {
    page.raw("<section>\n").heading("Strats").raw("<div class=\"cards\">\n");
    for strat in summary.strats.iter().filter(|strat| strat.by != FINAL_PRICE) {
        page.raw("<div class=\"card\">\n");
        strat_table(page, strat);
        page.raw("</div>\n");
    }
    page.raw("</div>\n</section>\n");
}

fn programs(page: &mut Page, summary: &ReportSummary) {
    if summary.programs.is_empty() {
        return;
    }
    page.raw("<section>\n").heading("Programs");
    page.table(
        &["Program", "Eligible#", "Best#", "Balance#", "Price#", "Rejected only by"],
        summary.programs.iter().map(|program| {
            let only = program.rejected_only_by.iter();
            let only: Vec<String> = only.map(|(name, loans)| format!("{name} {}", loans.with_commas(0))).collect();
            vec![
                Cell::Text(program.name.clone()),
                count(&program.eligible),
                count(&program.best.count),
                Cell::Number(program.best.balance.dollars()),
                Cell::number(program.best.wa_price.as_ref().map(|price| price.plain().to_owned())),
                Cell::Text(only.join(", ")),
            ]
        }),
    );
    page.raw("</section>\n");
}

fn pool_tests(page: &mut Page, run: &ReportRun, summary: &ReportSummary) {
    let Some(tests) = summary.pool_tests.as_deref().filter(|tests| !tests.is_empty()) else { return };
    page.raw("<section>\n").heading("Pool tests");
    if let Some(status) = &run.pool_status {
        page.note(&format!("Status of the pool: {status}."));
    }
    let row = |test: &ReportPoolTest| {
        let number = |figure: &Option<Figure>| Cell::number(figure.as_ref().map(|figure| figure.with_commas(0)));
        let result = match (test.passed, test.severity.as_str()) {
            (true, _) => "passed",
            (false, "warn") => "warning",
            (false, _) => "FAILED",
        };
        vec![
            Cell::Text(test.name.clone()),
            Cell::Text(test.of.clone()),
            Cell::Text(test.measure.clone().unwrap_or_default()),
            number(&test.value),
            number(&test.min),
            number(&test.max),
            Cell::Text(result.to_owned()),
            number(&test.shortfall),
            Cell::Text(test.mend.clone().unwrap_or_default()),
        ]
    };
    let headers = ["Test", "Of", "Measure", "Value#", "Min#", "Max#", "Result", "Shortfall#", "To mend it"];
    page.table(&headers, tests.iter().map(row));
    page.raw("</section>\n");
}

/// Appends a list of names and values. Values that are absent are left out.
fn list(page: &mut Page, entries: &[(&str, Option<String>)]) {
    page.raw("<dl>\n");
    for (name, value) in entries {
        if let Some(value) = value {
            page.raw("<dt>").text(name).raw("</dt><dd>").text(value).raw("</dd>\n");
        }
    }
    page.raw("</dl>\n");
}

fn parameters(page: &mut Page, run: &ReportRun, summary: &ReportSummary) {
    page.raw("<section>\n").heading("Parameters");
    let named = |set: &super::content::ReportRuleSet| match &set.version {
        Some(version) => format!("{}, version {version}", set.name),
        None => set.name.clone(),
    };
    let (tapes, more) = {
        let all = tapes_of(run);
        let (named, _) = shown(&all, NAMED_TAPES);
        let count = run.tapes_count.and_then(|count| usize::try_from(count).ok()).unwrap_or(all.len());
        (named.join(", "), count.saturating_sub(named.len()))
    };
    let tapes = if more > 0 { format!("{tapes} and {more} more") } else { tapes };
    let rows = |count: u64| (count > 0).then(|| count.to_string());
    list(
        page,
        &[
            ("Run", Some(run.run_id.clone())),
            ("Status", Some(run.status.clone())),
            ("Tapes", Some(tapes).filter(|tapes| !tapes.is_empty())),
            ("Purchase date", Some(run.pdate.clone())),
            ("IRR target", Some(format!("{} %", run.irr_target.plain()))),
            ("Rule set", Some(named(&run.rule_set))),
            ("Profile", run.profile.as_ref().map(named)),
            ("Started by", run.created_by_username.clone()),
            ("Created", Some(run.created_at.clone())),
            ("Completed", run.completed_at.clone()),
            ("Exceptions", Some(summary.exceptions_count.with_commas(0))),
            ("Rows that are no loans", rows(run.ignored_rows)),
            ("Rows that a later row replaces", rows(run.superseded_rows)),
        ],
    );
    page.raw("</section>\n");
}

fn hashes(page: &mut Page, run: &ReportRun) {
    page.raw("<section>\n").heading("Hashes");
    page.raw("<dl class=\"hashes\">\n");
    let mut entry = |name: &str, hash: &str| {
        page.raw("<dt>").text(name).raw("</dt><dd>").text(hash).raw("</dd>\n");
    };
    for (what, set) in [("Rule set", Some(&run.rule_set)), ("Profile", run.profile.as_ref())] {
        if let Some((set, hash)) = set.and_then(|set| Some((set, set.hash.as_ref()?))) {
            entry(&format!("{what} {}", set.name), hash);
        }
    }
    for tape in run.tapes.iter().flatten().take(NAMED_TAPES) {
        let size = tape.size.as_ref().map_or_else(String::new, |size| format!(", {} bytes", size.with_commas(0)));
        if let Some(etag) = &tape.etag {
            entry(&format!("Tape {}{size}", tape.path), etag);
        }
    }
    page.raw("</dl>\n</section>\n");
    page.raw("<footer>").text("Made by Loan Engine from the summary of the run. The numbers are those of the summary, exact.");
    page.raw("</footer>\n");
}
