//! Prices held to published tables, to prices computed elsewhere, and to what must hold for every loan.

use proptest::prelude::*;

use super::{
    assumptions::{Assumptions, YieldBasis},
    double::Double,
    flows::{MonthFlows, flows},
    quote::{Model, Valuation},
    speed::{Speed, SpeedUnit},
    value::Schedule,
};
use crate::decimal::Decimal;

const CASH_FLOW_A: &str = include_str!("reference/bma_cash_flow_a.csv");
const CASH_FLOW_B: &str = include_str!("reference/bma_cash_flow_b.csv");
const CUMULATIVE_DEFAULTS: &str = include_str!("reference/bma_cumulative_defaults.csv");
const RATE_CONVERSION: &str = include_str!("reference/bma_rate_conversion.csv");

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn number(text: &str) -> Double {
    Double::from_decimal(decimal(text))
}

fn speed(unit: SpeedUnit, value: &str) -> Speed {
    Speed { unit, values: value.split(',').map(decimal).collect() }
}

/// Nothing prepays, defaults, or is late.
fn none() -> Assumptions {
    Assumptions {
        prepayment: speed(SpeedUnit::Monthly, "0"),
        default: speed(SpeedUnit::Monthly, "0"),
        loss_severity: Decimal::ZERO,
        servicing_fee: Decimal::ZERO,
        recovery_lag: 0,
        advances: false,
        delay_days: 0,
    }
}

/// The assumptions of the published cash flows.
fn published(prepayment: Speed, default: Speed) -> Assumptions {
    Assumptions { prepayment, default, loss_severity: decimal("20"), recovery_lag: 12, advances: true, ..none() }
}

fn level(term: u32) -> Schedule {
    Schedule { term, age: 0, interest_only: 0, amortization: term }
}

/// The rows of a table: for each the cells by heading.
fn rows(table: &str) -> Vec<Vec<(&str, &str)>> {
    let mut lines = table.lines();
    let headings: Vec<&str> = lines.next().unwrap().split(',').collect();
    lines.map(|line| headings.iter().copied().zip(line.split(',')).collect()).collect()
}

/// Whether a value rounds to what a table says, whose cells may have been rounded half up or half to even.
fn is_cell(value: Double, cell: &str) -> bool {
    let decimals = cell.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let half = Double::ratio(1, 2 * 10_i128.pow(u32::try_from(decimals).unwrap()));
    let distance = value - number(if cell.is_empty() { "0" } else { cell });
    distance <= half && -distance <= half
}

#[test]
fn every_month_of_the_published_cash_flows_is_met_to_the_dollar() {
    let (smm, mdr) = (speed(SpeedUnit::Monthly, "1"), speed(SpeedUnit::Monthly, "1"));
    let (psa, sda) = (speed(SpeedUnit::Psa, "150"), speed(SpeedUnit::Sda, "100"));
    for (table, prepayment, default) in [(CASH_FLOW_A, smm, mdr), (CASH_FLOW_B, psa, sda)] {
        let advanced = published(prepayment, default);
        let unadvanced = Assumptions { advances: false, ..advanced.clone() };
        let [with, without] = [&advanced, &unadvanced].map(|assumptions| flows(decimal("8"), &level(360), assumptions));
        let table = rows(table);
        assert_eq!(table.len(), 360);
        for ((row, month), without) in table.iter().zip(with.iter().zip(&without).map(|(with, _)| with)).zip(&without) {
            for (heading, cell) in row {
                let of_one = match *heading {
                    "month" => continue,
                    "perf" => month.performing,
                    "new_def" => month.new_defaults,
                    "fcl" => month.in_foreclosure,
                    "exp_am" => month.amortization + month.amortization_of_defaults,
                    "prepay" => month.prepayments,
                    "am_def" => month.amortization_of_defaults,
                    "act_am" => month.amortization,
                    "exp_int" => month.interest,
                    "lost_int" => month.interest - without.interest,
                    "act_int" => without.interest,
                    "recovery" => month.recovery,
                    "loss" => month.loss,
                    "adb" => month.recovery + month.loss,
                    other => panic!("no amount is called {other}"),
                };
                let dollars = of_one * Double::from_integer(100_000_000);
                assert!(is_cell(dollars, cell), "{row:?}: {heading} is {}", dollars.to_f64());
            }
        }
    }
}

#[test]
fn cumulative_defaults_are_those_published() {
    let mut cells = 0;
    for row in rows(CUMULATIVE_DEFAULTS) {
        let [(_, psa), of_sda @ ..] = row.as_slice() else { panic!("an empty row") };
        for (heading, cell) in of_sda {
            let sda = heading.strip_prefix("sda_").unwrap();
            let assumptions = published(speed(SpeedUnit::Psa, psa), speed(SpeedUnit::Sda, sda));
            let months = flows(decimal("8"), &level(360), &assumptions);
            let defaults = months.iter().fold(Double::ZERO, |sum, month| sum + month.new_defaults);
            assert!(is_cell(defaults * Double::from_integer(100), cell), "{psa} PSA, {sda} SDA: {}", defaults.to_f64());
            cells += 1;
        }
    }
    assert_eq!(cells, 54);
}

#[test]
fn speeds_convert_as_published() {
    for row in rows(RATE_CONVERSION) {
        let [(_, smm), (_, cpr), (_, psa)] = row.as_slice() else { panic!("a row has three cells") };
        let monthly = number(smm) / Double::from_integer(100);
        let yearly = Double::ONE - (Double::ONE - monthly).power(12);
        assert!(is_cell(yearly * Double::from_integer(100), cpr), "SMM {smm}");
        let of_model = yearly * Double::from_integer(100) / number("0.06");
        assert!(is_cell(of_model, psa), "SMM {smm}: {} PSA", of_model.to_f64());
    }
}

/// A loan, what is assumed of it, its target yield, and its price as it was computed elsewhere.
struct Priced {
    rate: &'static str,
    schedule: Schedule,
    assumptions: Assumptions,
    basis: YieldBasis,
    target: &'static str,
    price: &'static str,
    wal: &'static str,
    duration: &'static str,
}

fn priced() -> Vec<Priced> {
    let one = Assumptions { prepayment: speed(SpeedUnit::Monthly, "1"), ..none() };
    let ten = Assumptions { default: speed(SpeedUnit::Monthly, "10"), ..one.clone() };
    let losing = Assumptions { loss_severity: decimal("20"), ..ten.clone() };
    let psa = Assumptions { prepayment: speed(SpeedUnit::Psa, "150"), servicing_fee: decimal("0.5"), delay_days: 14, ..none() };
    let six = Assumptions { prepayment: speed(SpeedUnit::Yearly, "6"), ..none() };
    let house = Assumptions {
        default: speed(SpeedUnit::Yearly, "0.5"),
        loss_severity: decimal("30"),
        recovery_lag: 12,
        servicing_fee: decimal("0.25"),
        ..six.clone()
    };
    let seasoned = Schedule { age: 20, ..level(340) };
    let balloon = Schedule { amortization: 360, ..level(120) };
    let interest_only = Schedule { interest_only: 60, amortization: 300, ..level(360) };
    let monthly = |rate, schedule, assumptions: &Assumptions, target, price, wal, duration| Priced {
        rate,
        schedule,
        assumptions: assumptions.clone(),
        basis: YieldBasis::Monthly,
        target,
        price,
        wal,
        duration,
    };
    vec![
        monthly("6.32", level(357), &none(), "5.5", "109.1921874867", "19.3142148090", ""),
        monthly("6.32", level(357), &one, "5.5", "104.2301898032", "6.9859506262", ""),
        monthly("6.32", level(357), &one, "6.32", "100.0000000000", "6.9859506262", ""),
        monthly("6.32", level(357), &ten, "5.5", "100.1356712845", "", ""),
        monthly("6.32", level(357), &ten, "6.32", "99.5465955565", "", ""),
        monthly("6.32", level(357), &losing, "5.5", "82.8159328386", "0.7515413139", ""),
        monthly("6.32", level(357), &losing, "6.32", "82.3287052970", "0.7515413139", ""),
        Priced {
            basis: YieldBasis::BondEquivalent,
            ..monthly("9.5", level(360), &psa, "9.10675", "99.99999", "9.77844", "5.48186")
        },
        monthly("4", level(360), &six, "8.05", "76.081748", "", ""),
        monthly("6.5", seasoned, &house, "6.0", "100.506438", "10.001927", "6.621173"),
        monthly("7.25", balloon, &none(), "6.5", "105.215300", "9.402966", "6.825508"),
        monthly("7.25", balloon, &house, "6.5", "101.766830", "", ""),
        monthly("7.25", interest_only, &none(), "6.5", "108.292322", "21.116146", "10.853290"),
        monthly("7.25", interest_only, &house, "6.5", "102.230820", "", ""),
    ]
}

#[test]
fn prices_are_those_computed_elsewhere() {
    for Priced { rate, schedule, assumptions, basis, target, price, wal, duration } in priced() {
        let found = Model::new(&assumptions, number(target), basis).valuation(decimal(rate), &schedule);
        let found = [Some(found.price), found.wal, found.duration];
        for (value, expected) in found.into_iter().zip([price, wal, duration]).filter(|(_, expected)| !expected.is_empty()) {
            let decimals = expected.split_once('.').unwrap().1.len();
            assert_eq!(value.and_then(|value| value.text(decimals as u8)).as_deref(), Some(expected), "{rate} % at {target} %");
        }
    }
}

#[test]
fn macaulay_duration_is_that_of_the_standard() {
    let eighth = priced().into_iter().nth(7).unwrap();
    let model = Model::new(&eighth.assumptions, number(eighth.target), eighth.basis);
    let found = model.valuation(decimal(eighth.rate), &eighth.schedule).macaulay;
    assert_eq!(found.and_then(|years| years.text(5)).as_deref(), Some("5.73147"));
}

#[test]
fn a_loan_of_which_nothing_is_paid_has_no_life() {
    let lost = Assumptions { default: speed(SpeedUnit::Monthly, "100"), loss_severity: decimal("100"), ..none() };
    for advances in [false, true] {
        let model = Model::new(&Assumptions { advances, ..lost.clone() }, number("6"), YieldBasis::Monthly);
        let quote = model.quote(decimal("6"), &level(360)).unwrap();
        assert_eq!((quote.wal, quote.price.text().as_str()), (None, if advances { "0.4975" } else { "0.0000" }), "{advances}");
        assert_eq!(quote.duration.is_none(), !advances);
    }
}

#[test]
fn a_model_at_full_speed_pays_everything() {
    // The yearly rate reaches 100 % in month 5, 10 and 20: then nothing is left.
    for (psa, price, wal) in [("10000", "99.1449", "0.3789"), ("5000", "98.4636", "0.6904"), ("2500", "97.4306", "1.1820")] {
        let assumptions = Assumptions { prepayment: speed(SpeedUnit::Psa, psa), servicing_fee: decimal("0.25"), ..none() };
        let quote = Model::new(&assumptions, number("8.05"), YieldBasis::Monthly).quote(decimal("6"), &level(360)).unwrap();
        assert_eq!((quote.price.text().as_str(), quote.wal.unwrap().text().as_str()), (price, wal), "{psa}");
        let left = assumptions.prepayment.monthly().iter().filter(|share| **share < Double::ONE).count();
        assert_eq!(left, 10_000 / psa.parse::<usize>().unwrap() * 5 - 1);
    }
}

#[test]
fn a_loan_of_which_next_to_nothing_is_paid_has_no_life() {
    let schedule = Schedule { interest_only: 600, amortization: 0, ..level(600) };
    for (mdr, wal) in [("40", Some("50.0000")), ("71", None), ("90", None)] {
        let assumptions = Assumptions {
            default: speed(SpeedUnit::Monthly, mdr),
            loss_severity: decimal("100"),
            servicing_fee: decimal("1"),
            ..none()
        };
        let quote = Model::new(&assumptions, number("8.05"), YieldBasis::Monthly).quote(decimal("6.5"), &schedule).unwrap();
        assert_eq!(quote.wal.map(|wal| wal.text()).as_deref(), wal, "{mdr}");
        assert!(quote.duration.is_some());
    }
}

#[test]
fn cash_flows_add_up_at_extreme_rates() {
    for rate in ["0", "30", "100", "1000"] {
        let months = flows(decimal(rate), &level(600), &none());
        let paid = months.iter().fold(Double::ZERO, |sum, month| sum + month.principal());
        assert_eq!(paid.text(14).as_deref(), Some("1.00000000000000"), "{rate}");
        let [first, last] = [&months[0], &months[599]].map(|month| month.cash());
        assert_eq!(first.text(14), last.text(14), "{rate}: payments are level");
    }
}

#[test]
fn a_price_too_large_is_none() {
    let model = Model::new(&none(), number("0.000001"), YieldBasis::Monthly);
    assert!(model.quote(decimal("1e15"), &level(600)).is_none());
    assert_eq!(model.quote(decimal("1000"), &level(600)).unwrap().price.text(), "49999.9875");
}

prop_compose! {
    fn speeds(units: [SpeedUnit; 3])(
        unit in prop::sample::select(units.to_vec()),
        values in prop::collection::vec(0_i64..=100_000_000, 1..40),
        slow in prop::bool::ANY,
    ) -> Speed {
        // Real speeds are a few percent; models go to 10,000.
        let scaled = |micros: i64| if unit.is_model() { micros * 100 } else if slow { micros / 20 } else { micros };
        let values = values.into_iter().map(|micros| Decimal::from_micros(scaled(micros)));
        Speed { unit, values: if unit.is_model() { values.take(1).collect() } else { values.collect() } }
    }
}

prop_compose! {
    fn assumptions()(
        prepayment in speeds(SpeedUnit::OF_PREPAYMENTS.map(|(_, unit)| unit)),
        default in speeds(SpeedUnit::OF_DEFAULTS.map(|(_, unit)| unit)),
        loss_severity in 0_i64..=100,
        fee in 0_i64..=5_000_000,
        recovery_lag in 0_u32..=60,
        advances in prop::bool::ANY,
        delay_days in 0_u32..=90,
    ) -> Assumptions {
        Assumptions {
            prepayment,
            default,
            loss_severity: Decimal::from_integer(loss_severity),
            servicing_fee: Decimal::from_micros(fee),
            recovery_lag,
            advances,
            delay_days,
        }
    }
}

prop_compose! {
    fn schedules()(
        term in 1_u32..=600,
        age in 0_u32..400,
        interest_only in 0_u32..=600,
        balloon in prop::sample::select(vec![0_u32, 0, 1, 60, 240, 600]),
    ) -> Schedule {
        let interest_only = if interest_only % 3 == 0 { interest_only.min(term) } else { 0 };
        Schedule { term, age, interest_only, amortization: term - interest_only + balloon }
    }
}

/// A note rate of at least the servicing fee, in millionths of a percent.
fn rate(assumptions: &Assumptions, above: i64) -> Decimal {
    assumptions.servicing_fee.checked_add(Decimal::from_micros(above)).unwrap()
}

fn bases() -> impl Strategy<Value = YieldBasis> {
    prop::sample::select(YieldBasis::ALL.to_vec())
}

/// Price, WAL and Macaulay duration from the cash flows month by month.
fn from_flows(months: &[MonthFlows], assumptions: &Assumptions, target: Double, basis: YieldBasis) -> [Double; 3] {
    let hundred = Double::from_integer(100);
    let per_year = match basis {
        YieldBasis::Monthly => 12,
        YieldBasis::BondEquivalent => 2,
        YieldBasis::Effective => 1,
    };
    let growth = (Double::ONE + target / (hundred * Double::from_integer(per_year))).root(12 / u32::try_from(per_year).unwrap());
    let delay = Double::ratio(assumptions.delay_days.into(), 30);
    let mut discount = Double::ONE / growth.root(30).power(assumptions.delay_days);
    let [mut worth, mut worth_time, mut principal, mut principal_time] = [Double::ZERO; 4];
    for (month, at) in months.iter().zip(1_i128..) {
        discount = discount / growth;
        let time = (Double::from_integer(at) + delay) / Double::from_integer(12);
        worth = worth + month.cash() * discount;
        worth_time = worth_time + month.cash() * discount * time;
        principal = principal + month.principal();
        principal_time = principal_time + month.principal() * time;
    }
    [hundred * worth, principal_time / principal, worth_time / worth]
}

fn is_near(one: Double, other: Double) -> bool {
    let (one, other) = (one.to_f64(), other.to_f64());
    (one - other).abs() <= 1e-12 * (1.0 + one.abs())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_sums_are_those_of_the_cash_flows(
        assumptions in assumptions(), schedule in schedules(), above in 0_i64..20_000_000, target in 1_i64..30_000_000, basis in bases(),
    ) {
        let rate = rate(&assumptions, above);
        let target = Double::ratio(target.into(), 1_000_000);
        let Valuation { price, wal, macaulay, .. } = Model::new(&assumptions, target, basis).valuation(rate, &schedule);
        let expected = from_flows(&flows(rate, &schedule, &assumptions), &assumptions, target, basis);
        prop_assert!(is_near(price, expected[0]), "{} instead of {}", price.to_f64(), expected[0].to_f64());
        for (found, expected) in [wal, macaulay].into_iter().zip(&expected[1..]).filter_map(|(found, expected)| Some((found?, *expected))) {
            prop_assert!(is_near(found, expected), "{} instead of {}", found.to_f64(), expected.to_f64());
        }
    }

    #[test]
    fn the_quick_quote_is_the_precise_one(
        assumptions in assumptions(), schedule in schedules(), above in 0_i64..20_000_000, target in 1_i64..30_000_000, basis in bases(),
    ) {
        let model = Model::new(&assumptions, Double::ratio(target.into(), 1_000_000), basis);
        let rate = rate(&assumptions, above);
        let precise = model.precise_quote(rate, &schedule);
        prop_assert!(precise.is_some());
        prop_assert_eq!(model.quote(rate, &schedule), precise);
    }

    #[test]
    fn the_error_of_a_quick_price_is_within_its_bound(
        assumptions in assumptions(), schedule in schedules(), above in 0_i64..20_000_000, target in 1_i64..30_000_000, basis in bases(),
    ) {
        let model = Model::new(&assumptions, Double::ratio(target.into(), 1_000_000), basis);
        let error = model.error_of_quick_price(rate(&assumptions, above), &schedule);
        // A quarter of the bound, because the bound allows for more roundings than there are.
        prop_assert!(error < 0.25, "{error} of the bound");
    }

    #[test]
    fn a_target_of_the_net_rate_gives_par_at_any_speed(
        prepayment in speeds(SpeedUnit::OF_PREPAYMENTS.map(|(_, unit)| unit)), schedule in schedules(), fee in 0_i64..5_000_000, net in 1_i64..30_000_000,
    ) {
        let assumptions = Assumptions { prepayment, servicing_fee: Decimal::from_micros(fee), ..none() };
        let model = Model::new(&assumptions, Double::ratio(net.into(), 1_000_000), YieldBasis::Monthly);
        let quote = model.quote(rate(&assumptions, net), &schedule).unwrap();
        prop_assert_eq!(quote.price.text(), "100.0000");
    }

    #[test]
    fn a_price_falls_with_target_and_fee_and_never_rises_with_severity(
        assumptions in assumptions(), schedule in schedules(), above in 0_i64..20_000_000, target in 1_i64..29_000_000, basis in bases(),
    ) {
        let rate = rate(&assumptions, above + 1_000_000);
        let price = |assumptions: &Assumptions, target: i64| {
            Model::new(assumptions, Double::ratio(target.into(), 1_000_000), basis).valuation(rate, &schedule).price
        };
        let base = price(&assumptions, target);
        let dearer = Assumptions { servicing_fee: assumptions.servicing_fee.checked_add(decimal("1")).unwrap(), ..assumptions.clone() };
        let paid = flows(rate, &schedule, &assumptions).iter().any(|month| month.cash() > Double::ratio(1, 1 << 60));
        if paid {
            prop_assert!(price(&assumptions, target + 1_000_000) < base);
            prop_assert!(price(&dearer, target) < base);
        }
        let severe = Assumptions { loss_severity: Decimal::HUNDRED, ..assumptions.clone() };
        prop_assert!(price(&severe, target) <= base);
    }

    #[test]
    fn without_losses_speed_moves_a_price_towards_par(
        schedule in schedules(), slow in 0_i64..50, faster in 1_i64..49, net in 1_i64..30_000_000, target in 1_i64..30_000_000,
    ) {
        // In one month there is no speed, and at the net rate every price is par.
        prop_assume!(schedule.term > 1 && net.abs_diff(target) > 1_000);
        let price = |cpr: i64| {
            let prepayment = Speed { unit: SpeedUnit::Yearly, values: vec![Decimal::from_integer(cpr)] };
            let assumptions = Assumptions { prepayment, ..none() };
            let model = Model::new(&assumptions, Double::ratio(target.into(), 1_000_000), YieldBasis::Monthly);
            model.valuation(Decimal::from_micros(net), &schedule).price
        };
        let (slow, fast) = (price(slow), price(slow + faster));
        let towards_par = if net > target { fast < slow } else { fast > slow };
        prop_assert!(towards_par);
    }

    #[test]
    fn the_yield_of_a_price_is_its_target(
        assumptions in assumptions(), schedule in schedules(), above in 100_000_i64..20_000_000, target in -10_000_000_i64..50_000_000, basis in bases(),
    ) {
        let rate = rate(&assumptions, above);
        let price = Model::new(&assumptions, Double::ratio(target.into(), 1_000_000), basis).valuation(rate, &schedule).price;
        // A price of nothing has any yield.
        prop_assume!(price.to_f64() > 1e-3 && price.to_f64() < 1e9);
        let found = super::yield_of::yield_of(&assumptions, basis, rate, &schedule, price);
        let found = found.and_then(|found| found.text(6));
        prop_assert_eq!(found.as_deref(), Some(&*Double::ratio(target.into(), 1_000_000).text(6).unwrap()));
    }
}

#[test]
fn a_note_without_interest_is_worth_its_payments() {
    let model = Model::new(&none(), number("6"), YieldBasis::Monthly);
    let growth = number("1.005");
    let payments = (1..=120).fold(Double::ZERO, |sum, month| sum + Double::ONE / growth.power(month));
    let expected = payments * Double::from_integer(100) / Double::from_integer(120);
    assert_eq!(model.valuation(Decimal::ZERO, &level(120)).price.text(10), expected.text(10));
    assert_eq!(model.quote(Decimal::ZERO, &level(120)).unwrap().price.text(), expected.text(4).unwrap());
}
