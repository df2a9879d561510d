//! The examples at the end of each help text. A test parses every line of them as a call.

pub const LOAN_ENGINE: &str = "\
Examples:
  loan-engine run tape.csv --out out
  loan-engine replay out/manifest.json
  loan-engine serve";

pub const RUN: &str = "\
Examples:
  loan-engine run tape.csv -o out
  loan-engine run north.csv south.xlsx --irr-target 7.5 --pdate 2026-12-01 -o out
  loan-engine run tapes --rule-set strict.toml --dry-run --strats
  loan-engine run tape.csv --waivers waivers.csv -o out
  loan-engine run - --format json --no-archive -o out < tape.csv
  loan-engine run seasoned.csv --map loan_amount='Current UPB' --dry-run
  loan-engine run sample.txt --profile freddie_sflld -o out

--out holds the results of the last run, or none: a run that begins withdraws the results of the run before it, and a run \
that fails leaves none. Ctrl-C, SIGTERM and SIGHUP remove what the run had begun; the exit code is then 130, 143 or 129. \
Otherwise it is 0 when the run completed, 1 when it failed, 2 when the call was wrong, and 3 when the run completed and a pool \
test of severity `fail` does not pass.";

pub const REPLAY: &str = "\
Examples:
  loan-engine replay out/manifest.json
  loan-engine replay archive.zip --threads 4

The exit code is 0 when everything is identical, 1 when something differs or cannot be compared, and 2 when the call was wrong.";

pub const REPORT: &str = "\
Examples:
  loan-engine report out
  loan-engine report out -o north.html

The page needs no other file and no network. A browser prints it on two to four A4 pages. The exit code is 0 when the report is \
written, 1 when it cannot be written, and 2 when the folder has no results of a run.";

pub const EXPLAIN: &str = "\
Examples:
  loan-engine explain out 0004100875
  loan-engine explain out 0004100875 --format json

The exit code is 0 when a loan has the number, 1 when no loan has the number or the results cannot be read, and 2 when the call was \
wrong.";

pub const COMPARE: &str = "\
Examples:
  loan-engine compare out.november out.december
  loan-engine compare out.november out.december --tolerance note_rate=0.125 --format json
  loan-engine compare out.november out.december --format csv > changed.csv

Loans are matched by their numbers. The exit code is 0 whether or not anything differs, 1 when the results cannot be read, and 2 when \
the call was wrong.";

pub const INSPECT: &str = "\
Examples:
  loan-engine inspect tape.csv
  loan-engine inspect seasoned.xlsx --sheet Loans --map loan_amount='Current UPB' --write seller.toml

The exit code is 0 also when a run of the tape would fail, 1 when the file is no tape, and 2 when the call was wrong.";

pub const PRICE: &str = "\
Examples:
  loan-engine price --note-rate 6.5 --term 357 --target 8.05 --rule-set deal.toml
  loan-engine price --note-rate 6.5 --term 357 --at-price 98.5 --rule-set deal.toml --segment low_score
  loan-engine price --note-rate 6.5 --term 340 --age 20 --target 6 --cpr 6 --cdr 0.5 --severity 30 --lag 12 --fee 0.25 \
--yield-basis monthly
  loan-engine price --note-rate 8 --term 360 --target 7 --psa 150 --sda 100 --severity 20 --fee 0 --yield-basis monthly \
--cash-flows --balance 250000 > flows.csv

The exit code is 0 when the loan has a price, 1 when no yield from -50 to 200 % brings the price of --at-price, and 2 when the \
call was wrong.";

pub const WHAT_IF: &str = "\
Examples:
  loan-engine what-if out --irr-target 7.5
  loan-engine what-if out --set limits.ltv_ratio.max=98 --set severity.credit_score=soft
  loan-engine what-if out --rule-set strict.toml --format json
  loan-engine what-if out --sweep limits.ltv_ratio.max=95..99:0.5

The command judges the stored loans again and writes nothing. The exit code is 0 with an answer, 1 when the results cannot be read or \
only a run of the tape can answer, and 2 when the call was wrong.";

pub const PROFILES: &str = "\
Examples:
  loan-engine profiles
  loan-engine profiles show asf_rmbs";

pub const PROFILES_SHOW: &str = "\
Examples:
  loan-engine profiles show freddie_sflld
  loan-engine profiles show asf_rmbs > seller.toml";

pub const RULES: &str = "\
Examples:
  loan-engine rules check strict.toml
  loan-engine rules show strict.toml";

pub const RULES_CHECK: &str = "\
Examples:
  loan-engine rules check strict.toml
  loan-engine rules check strict.toml --format json

The exit code is 0 when the rule set has no mistakes, and 2 when it has some or there is no such file. Mistakes go to standard \
error, one a line: the file, the line and what to write instead.";

pub const RULES_SHOW: &str = "\
Examples:
  loan-engine rules show
  loan-engine rules show strict.toml";

pub const COMPLETIONS: &str = "\
Examples:
  loan-engine completions bash > ~/.local/share/bash-completion/completions/loan-engine
  loan-engine completions fish > ~/.config/fish/completions/loan-engine.fish";

pub const MAN: &str = "\
Examples:
  loan-engine man > loan-engine.1
  loan-engine man run > loan-engine-run.1
  loan-engine man admin create-user > loan-engine-admin-create-user.1";
