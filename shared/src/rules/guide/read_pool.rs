//! Reads pool tests from a rule set's file.

use std::{mem, ops::Range, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    decimal::Decimal,
    rules::reading::{bound, number, sections, words},
};

use super::{
    Reader,
    field::TestedField,
    pool::{PoolLoans, PoolMeasure, PoolSeverity, PoolTest, Pools, is_of_numbers},
    read::{one_of, rule_name},
};

/// Largest number of pool tests of a rule set.
const MAX_POOLS: usize = 50;
/// The measures, with an example of each.
const MEASURES: &str = "share, average, count, balance, largest";

impl Reader<'_> {
    /// Reads `[[pool]]`: tests of whole pools of loans. A program has none.
    pub fn pools(&mut self, value: &Spanned<DeValue<'_>>, is_program: bool) {
        if is_program {
            let message = "a program has no pool tests, because the programs share one pool: write them in the rule set that lists \
                           the program";
            self.mistakes.add(value.span(), message.to_owned());
            return;
        }
        let Some(tables) = self.take(sections(value, "pool")) else { return };
        if tables.len() > MAX_POOLS {
            let message = format!("a rule set has at most {MAX_POOLS} pool tests, and this one has {}", tables.len());
            self.mistakes.add(value.span(), message);
            return;
        }
        // The tests look at fields of their own: judging a loan does not read them.
        let of_rules = mem::take(&mut self.guide.slots);
        let mut tests = Vec::new();
        for table in tables.iter() {
            if let DeValue::Table(keys) = table.get_ref() {
                tests.extend(self.pool(keys, table.span()));
            }
        }
        let slots = mem::replace(&mut self.guide.slots, of_rules);
        self.guide.pools = (!tests.is_empty()).then(|| Arc::new(Pools { slots, tests }));
    }

    /// Removes a pool test.
    pub(super) fn switch_off_pool(&mut self, name: &str) {
        let Some(pools) = &mut self.guide.pools else { return };
        let pools = Arc::make_mut(pools);
        pools.tests.retain(|test| test.name != name);
        if pools.tests.is_empty() {
            self.guide.pools = None;
        }
    }

    fn pool(&mut self, table: &DeTable<'_>, place: Range<usize>) -> Option<PoolTest> {
        let mut of = PoolLoans::ALL[0].1;
        let (mut name, mut measure, mut severity) = (None, None, PoolSeverity::Warn);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => name = self.take(rule_name(value)).map(|name| (name, value.span())),
                "of" => of = self.take(one_of(value, "of", &PoolLoans::ALL)).unwrap_or(of),
                "measure" => measure = self.measure(value),
                "severity" => severity = self.take(one_of(value, "severity", &PoolSeverity::ALL)).unwrap_or(severity),
                "min" | "max" => {}
                _ => self.unknown(key, "name, of, measure, min, max, severity"),
            }
        }
        if !table.contains_key("name") {
            self.mistakes.add(place.clone(), "the pool test has no name: write name = \"california_share\"".to_owned());
        }
        if !table.contains_key("measure") {
            let message =
                "the pool test measures nothing: write measure = { share = { property_state = [\"CA\"] } }, for example";
            self.mistakes.add(place.clone(), message.to_owned());
        }
        let bounds = self.bounds(table, place, measure.as_ref());
        let (name, span) = name?;
        if !self.claim(&name, span, "pool test") {
            return None;
        }
        let ((measure, _), [min, max]) = (measure?, bounds?);
        Some(PoolTest { name, of, measure, min, max, severity })
    }

    /// The bounds of a test. `None` when one of them has a mistake, or there is none.
    fn bounds(
        &mut self,
        table: &DeTable<'_>,
        place: Range<usize>,
        measure: Option<&(PoolMeasure, Option<TestedField>)>,
    ) -> Option<[Option<Decimal>; 2]> {
        let of = |name: &str| table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value);
        let written = ["min", "max"].map(|name| (name, of(name)));
        if written.iter().all(|(_, value)| value.is_none()) {
            self.mistakes.add(place, "the pool test has no bound: write max = 35.0, min = 20.0, or both".to_owned());
            return None;
        }
        let (mut bounds, mut sound) = ([None; 2], true);
        for (bound, (name, value)) in bounds.iter_mut().zip(written) {
            let Some(value) = value else { continue };
            let read = self.take(bound_of(value, name, measure));
            sound &= read.is_some();
            *bound = read;
        }
        if let ([Some(min), Some(max)], Some(value)) = (bounds, of("max"))
            && max < min
        {
            self.mistakes.add(value.span(), format!("the max {max} is below the min {min}: no pool could pass"));
            return None;
        }
        sound.then_some(bounds)
    }

    /// Reads a measure: a table with exactly one key. A measure of a field comes with the field.
    fn measure(&mut self, value: &Spanned<DeValue<'_>>) -> Option<(PoolMeasure, Option<TestedField>)> {
        let mut keys = match value.get_ref() {
            DeValue::Table(table) => table.iter(),
            _ => {
                let message = "`measure` takes a table such as { share = { property_state = [\"CA\"] } }";
                self.mistakes.add(value.span(), message.to_owned());
                return None;
            }
        };
        let (Some((key, inner)), None) = (keys.next(), keys.next()) else {
            let message = format!("`measure` has exactly one of {MEASURES}");
            self.mistakes.add(value.span(), message);
            return None;
        };
        let condition: fn(_) -> _ = match key.get_ref().as_ref() {
            "share" => PoolMeasure::Share,
            "count" => PoolMeasure::Count,
            "balance" => PoolMeasure::Balance,
            "average" => return self.measured_field(inner, "average", PoolMeasure::Average),
            "largest" => return self.measured_field(inner, "largest", PoolMeasure::Largest),
            _ => {
                self.unknown(key, MEASURES);
                return None;
            }
        };
        Some((condition(self.condition(inner, key.get_ref())?), None))
    }

    fn measured_field(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        measure: &str,
        of: fn(usize) -> PoolMeasure,
    ) -> Option<(PoolMeasure, Option<TestedField>)> {
        let name = self.take(words(value, measure))?;
        let named = Spanned::new(value.span(), name.as_str().into());
        let field = self.field(&named)?;
        if !is_of_numbers(&field) {
            let message = format!("{name} holds no numbers: `{measure}` takes a field of numbers, such as \"ltv_ratio\"");
            self.mistakes.add(value.span(), message);
            return None;
        }
        Some((of(self.guide.slot(&field)), Some(field)))
    }
}

/// A bound, in the unit of its measure.
fn bound_of(
    value: &Spanned<DeValue<'_>>,
    name: &str,
    measure: Option<&(PoolMeasure, Option<TestedField>)>,
) -> Result<Decimal, (Range<usize>, String)> {
    let (least, most, what) = match measure {
        Some((_, Some(field))) => return bound(value, name, field.name(), field.fraction_to()),
        Some((PoolMeasure::Share(_), _)) => (Decimal::ZERO, Some(Decimal::HUNDRED), "a share in percent, from 0 to 100"),
        Some((PoolMeasure::Count(_), _)) => (Decimal::ZERO, None, "a number of loans, 0 or more"),
        Some((PoolMeasure::Balance(_), _)) => (Decimal::ZERO, None, "dollars, 0 or more"),
        Some((PoolMeasure::Average(_) | PoolMeasure::Largest(_), None)) | None => return number(value, name),
    };
    let found = number(value, name)?;
    if found >= least && most.is_none_or(|most| found <= most) {
        return Ok(found);
    }
    Err((value.span(), format!("`{name}` must be {what}, and not {found}")))
}
