//! `loan-engine price`.

use shared::decimal::Decimal;

use crate::support::shell::{Answer, TestShell};

/// Assumptions under which nothing prepays, defaults, or is late.
const NONE: &str = "--smm 0 --mdr 0 --severity 0 --fee 0 --yield-basis monthly";
/// Assumptions of a buyer.
const HOUSE: &str = "--cpr 6 --cdr 0.5 --severity 30 --fee 0.25 --lag 12 --yield-basis monthly";
/// Assumptions of the cash flows A that the Bond Market Association published.
const PUBLISHED: &str = "--smm 1 --mdr 1 --severity 20 --fee 0 --lag 12 --advances --yield-basis monthly";

fn run(shell: &TestShell, call: &str) -> Answer {
    let call = format!("price {call}");
    shell.command(&call.split(' ').collect::<Vec<_>>())
}

/// The output of a command that must succeed.
fn printed(shell: &TestShell, call: &str) -> String {
    let answer = run(shell, call);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{call}");
    answer.out
}

/// Asserts how a command fails: its exit code, and how the text begins that says why.
fn fails(shell: &TestShell, call: &str, code: u8, begins: &str) {
    let answer = run(shell, call);
    assert_eq!((answer.code, answer.out.as_str()), (code, ""), "{call}");
    assert!(answer.err.starts_with(begins), "{call}: {}", answer.err);
}

/// Asserts that the parser of the arguments refuses a call, with this text before the usage.
fn refused(shell: &TestShell, call: &str, says: &str) {
    fails(shell, call, 2, &format!("error: {says}\n"));
}

/// The answer as JSON. The numbers are price, WAL, duration and Macaulay duration.
fn json([price, wal, duration, macaulay]: [&str; 4], yield_percent: &str, n: u32, segment: &str) -> String {
    format!(
        "{{\n  \"price\": {price},\n  \"wal\": {wal},\n  \"duration\": {duration},\n  \"macaulay\": {macaulay},\n  \
         \"yield\": {yield_percent},\n  \"n\": {n},\n  \"segment\": {segment}\n}}\n"
    )
}

mod priced {
    use super::*;

    /// A loan, what is assumed of it, its target yield, and its price, WAL, duration and Macaulay duration as they were computed
    /// elsewhere with 60 digits.
    fn computed() -> Vec<(&'static str, String, &'static str, u32, [&'static str; 4])> {
        let none = || NONE.to_owned();
        let one = || NONE.replace("--smm 0", "--smm 1");
        let ten = || one().replace("--mdr 0", "--mdr 10");
        let losing = || ten().replace("--severity 0", "--severity 20");
        let psa = "--psa 150 --mdr 0 --severity 0 --fee 0.5 --delay 14 --yield-basis bond_equivalent".to_owned();
        let six = "--cpr 6 --mdr 0 --severity 0 --fee 0 --yield-basis monthly".to_owned();
        let by_age = "--cpr 0.2,0.4,6 --mdr 0.1,0 --severity 40 --fee 0.25 --lag 6 --delay 24 --yield-basis effective".to_owned();
        let sda = "--psa 150 --sda 100 --severity 20 --fee 0 --lag 12 --advances --yield-basis monthly".to_owned();
        vec![
            ("6.32 --term 357", none(), "5.5", 357, ["109.1921874867", "19.3142148090", "10.9881448254", "11.0385071558"]),
            ("6.32 --term 357", one(), "5.5", 357, ["104.2301898032", "6.9859506262", "5.1471718506", "5.1707630549"]),
            ("6.32 --term 357", one(), "6.32", 357, ["100.0000000000", "6.9859506262", "4.9600385452", "4.9861614148"]),
            ("6.32 --term 357", ten(), "5.5", 357, ["100.1356712845", "0.7514701165", "0.7216553822", "0.7249629694"]),
            ("6.32 --term 357", ten(), "6.32", 357, ["99.5465955565", "0.7514701165", "0.7174133693", "0.7211917464"]),
            ("6.32 --term 357", losing(), "5.5", 357, ["82.8159328386", "0.7515413139", "0.7217149387", "0.7250227988"]),
            ("6.32 --term 357", losing(), "6.32", 357, ["82.3287052970", "0.7515413139", "0.7174721866", "0.7212508734"]),
            ("9.5 --term 360", psa, "9.10675", 360, ["99.9999902563", "9.7784442077", "5.4818591972", "5.7314688034"]),
            ("4 --term 360", six, "8.05", 360, ["76.0817476181", "10.0720223806", "6.0495577607", "6.0901402107"]),
            (
                "6.5 --term 340 --age 20",
                HOUSE.to_owned(),
                "6",
                340,
                ["100.5064380244", "10.0019274976", "6.6211727878", "6.6542786518"],
            ),
            (
                "7.25 --term 120 --amortization-term 360",
                none(),
                "6.5",
                120,
                ["105.2153001672", "9.4029660349", "6.8255075923", "6.8624790917"],
            ),
            (
                "7.25 --term 120 --amortization-term 360",
                HOUSE.to_owned(),
                "6.5",
                120,
                ["101.7668297677", "6.9815712446", "5.2992958795", "5.3280003989"],
            ),
            (
                "7.25 --term 360 --interest-only-term 60",
                none(),
                "6.5",
                360,
                ["108.2923224996", "21.1161461006", "10.8532903028", "10.9120789586"],
            ),
            (
                "7.25 --term 360 --interest-only-term 60",
                HOUSE.to_owned(),
                "6.5",
                360,
                ["102.2308199560", "11.0066696477", "6.8741952562", "6.9114304805"],
            ),
            ("0 --term 120", none(), "6", 120, ["75.0612111060", "5.0416666667", "4.5232831957", "4.5458996117"]),
            (
                "7 --term 300 --age 60 --interest-only-term 120 --amortization-term 480",
                none(),
                "6",
                300,
                ["111.8528640330", "21.7103824506", "11.5214865269", "11.5790939595"],
            ),
            ("6 --term 360 --age 1", by_age, "-2.5", 360, ["210.7595484290", "10.7151299151", "11.6519439052", "11.3606453076"]),
            ("8 --term 360", sda, "7", 360, ["105.6754878677", "9.3568082221", "6.0194082945", "6.0545215095"]),
        ]
    }

    #[test]
    fn prices_are_those_computed_elsewhere_and_bring_their_yields_back() {
        let shell = TestShell::new();
        for (loan, assumed, target, n, numbers) in computed() {
            let loan = format!("--note-rate {loan} {assumed} --format json");
            let yield_percent = target.parse::<Decimal>().unwrap().with_min_decimals(6);
            let expected = json(numbers, &yield_percent, n, "null");
            assert_eq!(printed(&shell, &format!("{loan} --target {target}")), expected, "{loan}");
            let back = printed(&shell, &format!("{loan} --at-price {}", numbers[0]));
            for line in [format!("  \"price\": {},", numbers[0]), format!("  \"yield\": {yield_percent},")] {
                assert!(back.lines().any(|printed| printed == line), "{loan}: {line}\n{back}");
            }
        }
    }

    #[test]
    fn the_text_names_each_number_with_its_unit() {
        let shell = TestShell::new();
        let expected = "Price              100.5064380244  % of the balance\n\
                        Yield                6.000000      %, monthly\n\
                        WAL                 10.0019274976  years\n\
                        Duration             6.6211727878  years, modified\n\
                        Macaulay duration    6.6542786518  years\n";
        assert_eq!(printed(&shell, &format!("--note-rate 6.5 --term 340 --age 20 --target 6.0 {HOUSE}")), expected);
    }

    #[test]
    fn a_yield_is_that_of_its_basis() {
        let shell = TestShell::new();
        let loan = format!("--note-rate 6.5 --term 340 --age 20 --at-price 98.5 {HOUSE}");
        for (basis, yield_percent, duration) in [
            ("monthly", "6.306977", "6.5171610814"),
            ("bond_equivalent", "6.390431", "6.3485637817"),
            ("effective", "6.492525", "6.1519943123"),
        ] {
            let expected = format!(
                "Price              98.5000000000  % of the balance\n\
                 Yield               {yield_percent}      %, {basis}\n\
                 WAL                10.0019274976  years\n\
                 Duration            {duration}  years, modified\n\
                 Macaulay duration   6.5514140690  years\n"
            );
            assert_eq!(printed(&shell, &loan.replace("--yield-basis monthly", &format!("--yield-basis {basis}"))), expected);
        }
    }

    #[test]
    fn a_loan_that_pays_nothing_has_no_life() {
        let shell = TestShell::new();
        let loan = "--note-rate 6 --term 360 --target 6 --smm 0 --mdr 100 --severity 100 --fee 0 --yield-basis monthly";
        let expected = "Price              0.0000000000  % of the balance\n\
                        Yield              6.000000      %, monthly\n\
                        WAL                -             years\n\
                        Duration           -             years, modified\n\
                        Macaulay duration  -             years\n";
        assert_eq!(printed(&shell, loan), expected);
        let expected = json(["0.0000000000", "null", "null", "null"], "6.000000", 360, "null");
        assert_eq!(printed(&shell, &format!("{loan} --format json")), expected);
    }

    #[test]
    fn a_large_price_has_all_its_digits() {
        let shell = TestShell::new();
        let loan = format!("--note-rate 10 --term 600 --interest-only-term 600 --target -50 {NONE} --format json");
        let numbers = ["14764701202741.1714871634", "50.0000000000", "51.8405797102", "49.6805555556"];
        assert_eq!(printed(&shell, &loan), json(numbers, "-50.000000", 600, "null"));
    }

    #[test]
    fn a_price_that_no_yield_brings_is_a_failure() {
        let shell = TestShell::new();
        for price in ["43.5", "138"] {
            let says = format!(
                "error: No yield from -50 to 200 % brings the price {price}: the loan is worth 137.6683 at -50 % and 43.5186 at 200 %.\n"
            );
            fails(&shell, &format!("--note-rate 6 --term 12 --at-price {price} {NONE}"), 1, &says);
        }
    }
}

mod cash_flows {
    use super::*;

    const HEADER: &str = "month,performing,new_defaults,in_foreclosure,scheduled_balance,amortization,prepayments,\
                          amortization_of_defaults,interest,recovery,loss,cash";

    /// The cells of each month.
    fn cells(csv: &str) -> Vec<Vec<&str>> {
        let mut lines = csv.lines();
        assert_eq!(lines.next(), Some(HEADER));
        lines.map(|line| line.split(',').collect()).collect()
    }

    fn decimal(cell: &str) -> Decimal {
        cell.parse().unwrap()
    }

    #[test]
    fn cash_flows_are_those_published() {
        let shell = TestShell::new();
        let csv = printed(&shell, &format!("--note-rate 8 --term 360 --target 7 {PUBLISHED} --cash-flows --balance 100000000"));
        let months = cells(&csv);
        assert_eq!(months.len(), 360);
        // Dollars, with the scheduled balance and the sum of what is paid.
        for expected in [
            "1,97934244,1000000,999329,99932902,66427,999329,671,666667,0,0,1733094",
            "13,76203943,778161,10453093,99091969,56453,777591,7666,589936,791646,200000,2223292",
            "360,0,0,0,0,577,0,0,4,0,7,581",
        ] {
            let at: usize = expected.split(',').next().unwrap().parse().unwrap();
            let dollars: Vec<String> = months[at - 1].iter().map(|cell| decimal(cell).round_half_even(0).to_string()).collect();
            assert_eq!(dollars.join(","), expected);
        }
        // All of the balance is paid, recovered or lost.
        let columns = ["amortization", "prepayments", "amortization_of_defaults", "recovery", "loss"];
        let places = columns.map(|name| HEADER.split(',').position(|column| column == name).unwrap());
        let paid = months.iter().flat_map(|month| places.map(|at| decimal(month[at])));
        let sum = paid.fold(Decimal::ZERO, |sum, amount| sum.checked_add(amount).unwrap());
        assert_eq!(sum.round_half_even(2).to_string(), "100000000");
    }

    #[test]
    fn amounts_have_six_decimals_and_are_those_of_a_balance_of_100() {
        let shell = TestShell::new();
        let csv = printed(&shell, &format!("--note-rate 8 --term 360 --at-price 100 {PUBLISHED} --cash-flows"));
        let lines: Vec<&str> = csv.lines().collect();
        for expected in [
            "1,97.934244,1.000000,0.999329,99.932902,0.066427,0.999329,0.000671,0.666667,0.000000,0.000000,1.733094",
            "13,76.203943,0.778161,10.453093,99.091969,0.056453,0.777591,0.007666,0.589936,0.791646,0.200000,2.223292",
            "360,0.000000,0.000000,0.000000,0.000000,0.000577,0.000000,0.000000,0.000004,0.000000,0.000007,0.000581",
        ] {
            let at: usize = expected.split(',').next().unwrap().parse().unwrap();
            assert_eq!(lines[at], expected);
        }
        assert!(csv.ends_with('\n') && lines.len() == 361, "{} lines", lines.len());
    }
}

mod usage {
    use super::*;

    const LOAN: &str = "--note-rate 6.5 --term 357";

    #[test]
    fn a_loan_without_its_numbers_is_refused() {
        let shell = TestShell::new();
        let says = "the following required arguments were not provided:\n  --note-rate <PERCENT>\n  --term <MONTHS>\n  \
                    <--target <PERCENT>|--at-price <PERCENT>>\n";
        refused(&shell, NONE, says);
        let says = "the argument '--target <PERCENT>' cannot be used with '--at-price <PERCENT>'\n";
        refused(&shell, &format!("{LOAN} --target 6 --at-price 98 {NONE}"), says);
    }

    #[test]
    fn no_assumption_is_silent() {
        let shell = TestShell::new();
        let names = [
            ("--smm 0", "prepayment (--cpr, --psa or --smm)"),
            ("--mdr 0", "default (--cdr, --sda or --mdr)"),
            ("--severity 0", "loss severity (--severity)"),
            ("--fee 0", "servicing fee (--fee)"),
            ("--yield-basis monthly", "yield basis (--yield-basis)"),
        ];
        let says = |missing: &str| {
            format!(
                "There is no silent assumption, and these are missing: {missing}. Give each of them, or a rule set with --rule-set."
            )
        };
        for (option, name) in names {
            let others: Vec<&str> = names.iter().map(|(other, _)| *other).filter(|other| *other != option).collect();
            refused(&shell, &format!("{LOAN} --target 6 {}", others.join(" ")), &says(name));
        }
        let all = names.map(|(_, name)| name).join(", ");
        refused(&shell, &format!("{LOAN} --target 6 --lag 12 --advances --delay 14"), &says(&all));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let shell = TestShell::new();
        let long = vec!["1"; 601].join(",");
        for (option, value, shown, says) in [
            ("--note-rate", "100.01", "PERCENT", "it must be from 0 to 100, in percent, and not 100.01"),
            ("--note-rate", "-1", "PERCENT", "it must be from 0 to 100, in percent, and not -1"),
            ("--term", "0", "MONTHS", "0 is not in 1..=600"),
            ("--term", "601", "MONTHS", "601 is not in 1..=600"),
            ("--amortization-term", "1201", "MONTHS", "1201 is not in 1..=1200"),
            ("--interest-only-term", "-1", "MONTHS", "-1 is not in 0..=1200"),
            ("--age", "1201", "MONTHS", "1201 is not in 0..=1200"),
            ("--target", "-50.01", "PERCENT", "it must be from -50 to 200, in percent, and not -50.01"),
            ("--target", "200.01", "PERCENT", "it must be from -50 to 200, in percent, and not 200.01"),
            ("--target", "high", "PERCENT", "not a number; write a number such as 6.5"),
            ("--at-price", "0", "PERCENT", "it must be above 0, in percent of the balance, and not 0"),
            ("--at-price", "-98.5", "PERCENT", "it must be above 0, in percent of the balance, and not -98.5"),
            ("--balance", "0", "AMOUNT", "it must be above 0 and at most 1000000000000, and not 0"),
            ("--balance", "1e13", "AMOUNT", "it must be above 0 and at most 1000000000000, and not 10000000000000"),
            ("--cpr", "100.5", "LIST", "it must be from 0 to 100, in percent, and not 100.5"),
            ("--smm", "1,2,101", "LIST", "number 3 of the list: it must be from 0 to 100, in percent, and not 101"),
            ("--cdr", "1,,2", "LIST", "number 2 of the list: not a number; write a number such as 6.5"),
            ("--mdr", long.as_str(), "LIST", "a list has at most 600 numbers, and this one has 601"),
            ("--psa", "100,200", "PERCENT", "it takes one number, the percentage of the model, such as 150"),
            ("--psa", "10001", "PERCENT", "it must be from 0 to 10000, in percent, and not 10001"),
            ("--sda", "-1", "PERCENT", "it must be from 0 to 10000, in percent, and not -1"),
            ("--severity", "101", "PERCENT", "it must be from 0 to 100, in percent, and not 101"),
            ("--fee", "5.01", "PERCENT", "it must be from 0 to 5, in percent, and not 5.01"),
            ("--lag", "61", "MONTHS", "61 is not in 0..=60"),
            ("--delay", "91", "DAYS", "91 is not in 0..=90"),
        ] {
            refused(&shell, &format!("{option} {value}"), &format!("invalid value '{value}' for '{option} <{shown}>': {says}"));
        }
        let says = "invalid value 'yearly' for '--yield-basis <BASIS>'\n  [possible values: monthly, bond_equivalent, effective]";
        refused(&shell, "--yield-basis yearly", says);
    }

    #[test]
    fn options_that_exclude_each_other_are_refused() {
        let shell = TestShell::new();
        let loan = format!("{LOAN} --target 6");
        let cannot = |first: &str, second: &str| format!("the argument '{first}' cannot be used with '{second}'");
        for (options, first, second) in [
            ("--cpr 6 --psa 100", "--cpr <LIST>", "--psa <PERCENT>"),
            ("--smm 1 --cpr 6", "--smm <LIST>", "--cpr <LIST>"),
            ("--cdr 6 --sda 100", "--cdr <LIST>", "--sda <PERCENT>"),
            ("--sda 100 --mdr 1", "--sda <PERCENT>", "--mdr <LIST>"),
        ] {
            refused(&shell, &format!("{loan} {options}"), &cannot(first, second));
        }
        for (option, shown) in [
            ("--cpr 6", "--cpr <LIST>"),
            ("--psa 6", "--psa <PERCENT>"),
            ("--smm 6", "--smm <LIST>"),
            ("--cdr 6", "--cdr <LIST>"),
            ("--sda 6", "--sda <PERCENT>"),
            ("--mdr 6", "--mdr <LIST>"),
            ("--severity 30", "--severity <PERCENT>"),
            ("--fee 0.25", "--fee <PERCENT>"),
            ("--yield-basis monthly", "--yield-basis <BASIS>"),
            ("--lag 0", "--lag <MONTHS>"),
            ("--advances", "--advances"),
            ("--delay 0", "--delay <DAYS>"),
        ] {
            refused(&shell, &format!("{loan} --rule-set deal.toml {option}"), &cannot("--rule-set <FILE>", shown));
            refused(&shell, &format!("{loan} --segment low_score {option}"), &cannot("--segment <NAME>", shown));
        }
    }

    #[test]
    fn options_that_need_another_one_are_refused_without_it() {
        let shell = TestShell::new();
        let needs = |needed: &str| format!("the following required arguments were not provided:\n  {needed}\n");
        refused(&shell, &format!("{LOAN} --target 6 --segment low_score"), &needs("--rule-set <FILE>"));
        refused(&shell, &format!("{LOAN} --target 6 --balance 250000 {NONE}"), &needs("--cash-flows"));
        let says = "--cash-flows prints CSV: leave out --format json, or --cash-flows.";
        refused(&shell, &format!("{LOAN} --target 6 {NONE} --cash-flows --format json"), says);
        let csv = printed(&shell, &format!("{LOAN} --target 6 {NONE} --cash-flows"));
        assert_eq!(printed(&shell, &format!("{LOAN} --target 6 {NONE} --cash-flows --format table")), csv);
    }

    #[test]
    fn a_note_rate_below_the_servicing_fee_is_refused() {
        let shell = TestShell::new();
        let says = "The note rate 0.20 % is below the servicing fee 0.25 %: give a higher --note-rate, or assume a lower fee.";
        refused(&shell, &format!("--note-rate 0.2 --term 357 --target 6 {HOUSE}"), says);
        assert_eq!(run(&shell, &format!("--note-rate 0.25 --term 357 --target 6 {HOUSE}")).code, 0);
    }
}

mod rule_sets {
    use super::*;

    const DEAL: &str = "[pricing]\nmethod = \"cash_flow\"\nyield_basis = \"monthly\"\nprepayment = { cpr = 6.0 }\n\
                        default = { cdr = 0.5 }\nloss_severity = 30.0\nservicing_fee = 0.25\nrecovery_lag = 12\n";
    const SEGMENTS: &str = "[[pricing.segment]]\nname = \"low_score\"\nwhen = { credit_score = { max = 660 } }\n\
                            prepayment = { cpr = 4.0 }\ndefault = { cdr = 2.0 }\n\
                            [[pricing.segment]]\nname = \"condo\"\nwhen = { property_type = [\"condo\"] }\nloss_severity = 40.0\n";
    const LOAN: &str = "--note-rate 6.5 --term 340 --age 20 --target 6 --rule-set deal/deal.toml";

    fn shell() -> TestShell {
        let shell = TestShell::new();
        shell.write("deal/deal.toml", format!("{DEAL}{SEGMENTS}"));
        shell
    }

    #[test]
    fn a_rule_set_gives_the_assumptions_and_so_does_its_segment() {
        let shell = shell();
        let all = json(["100.5064380244", "10.0019274976", "6.6211727878", "6.6542786518"], "6.000000", 340, "null");
        assert_eq!(printed(&shell, &format!("{LOAN} --format json")), all);
        let low = json(["96.9378883053", "10.7147296059", "6.9528935840", "6.9876580519"], "6.000000", 340, "\"low_score\"");
        assert_eq!(printed(&shell, &format!("{LOAN} --segment low_score --format json")), low);
        assert_eq!(printed(&shell, &format!("{LOAN} --segment none")), printed(&shell, LOAN));
        let options = format!("--note-rate 6.5 --term 340 --age 20 --target 6 {HOUSE} --cash-flows");
        assert_eq!(printed(&shell, &format!("{LOAN} --cash-flows")), printed(&shell, &options));
    }

    #[test]
    fn a_segment_that_is_not_there_is_refused_with_the_names_of_those_that_are() {
        let shell = shell();
        let says = "The rule set deal/deal.toml has no segment prime: it has low_score, condo, and none for all other loans.";
        refused(&shell, &format!("{LOAN} --segment prime"), says);
        shell.write("deal/deal.toml", DEAL);
        let says = "The rule set deal/deal.toml has no segment prime: it has no segments, so leave --segment out.";
        refused(&shell, &format!("{LOAN} --segment prime"), says);
    }

    #[test]
    fn a_rule_set_without_assumptions_of_its_own_is_refused() {
        let shell = shell();
        shell.write("deal/plain.toml", "name = \"Plain\"\n[pricing]\ncap = 104\n");
        shell.write("deal/acme.toml", format!("name = \"Acme\"\n{DEAL}"));
        shell.write("deal/best.toml", "programs = [\"plain.toml\", \"acme.toml\"]\n");
        let says = "The rule set deal/plain.toml prices linearly, without assumptions: add method = \"cash_flow\" and the \
                    assumptions to its [pricing], or leave --rule-set out and give the assumptions as options.";
        refused(&shell, &LOAN.replace("deal.toml", "plain.toml"), says);
        let says = "The rule set deal/best.toml has programs, each with its own pricing: give --rule-set one of deal/acme.toml, \
                    deal/plain.toml.";
        refused(&shell, &LOAN.replace("deal.toml", "best.toml"), says);
        assert_eq!(run(&shell, &LOAN.replace("deal.toml", "acme.toml")).code, 0);
    }

    #[test]
    fn a_rule_set_with_mistakes_is_refused_with_their_lines() {
        let shell = shell();
        shell.write("deal/deal.toml", DEAL.replace("recovery_lag = 12", "recovery_lag = 61"));
        let says = "The rule set deal/deal.toml has 1 mistake.\n\
                    deal/deal.toml:8: `recovery_lag` must be a whole number from 0 to 60, and not 61";
        refused(&shell, LOAN, says);
        fails(&shell, &LOAN.replace("deal.toml", "absent.toml"), 2, "error: The rule set deal/absent.toml cannot be read: ");
    }

    #[test]
    fn the_note_rate_is_held_to_the_fee_of_the_rule_set() {
        let shell = shell();
        let says = "The note rate 0.00 % is below the servicing fee 0.25 %: give a higher --note-rate, or assume a lower fee.";
        refused(&shell, &LOAN.replace("--note-rate 6.5", "--note-rate 0"), says);
    }
}
