//! The programs of a rule set in the summary.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    phases::disposition::Decided,
    rules::{Severity, rule_set::RuleSet},
};

use super::{
    BestLoans, Findings, ProgramSummary, SummaryBuilder, findings_place,
    groups::{Group, Share},
};

/// Counts of one program.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct ProgramCounts {
    name: String,
    eligible: u64,
    best: Group,
    /// By the id of a kind, the number of loans that the program rejects for this kind alone.
    rejected_only_by: BTreeMap<u16, u64>,
}

impl ProgramCounts {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn finish(&self, findings: &[Findings]) -> ProgramSummary {
        let name = |id: u16| {
            let found = findings.get(findings_place(id, Severity::Hard)).and_then(|findings| findings.kind.as_ref());
            found.map(|kind| kind.name.to_string())
        };
        let by_name = self.rejected_only_by.iter().filter_map(|(id, loans)| Some((name(*id)?, *loans)));
        ProgramSummary {
            name: self.name.clone(),
            eligible: self.eligible,
            best: BestLoans { count: self.best.count, balance: self.best.balance(), wa_price: self.best.average_price() },
            rejected_only_by: by_name.collect(),
        }
    }
}

impl SummaryBuilder {
    /// Gives the summary an entry for each program of a rule set.
    pub(super) fn begin_programs(&mut self, rules: &RuleSet) {
        let program = |name: &String| ProgramCounts { name: name.clone(), ..ProgramCounts::default() };
        self.programs = rules.programs().iter().map(|of| program(&of.name)).collect();
    }

    pub(super) fn add_to_programs(&mut self, decided: &Decided<'_, '_>, share: &Share) {
        let Some(eligible) = decided.eligible_in else { return };
        for (index, program) in (0_u16..).zip(&mut self.programs) {
            if eligible >> index & 1 == 1 {
                program.eligible += 1;
                continue;
            }
            let of_program = decided.exceptions.iter().filter(|exception| exception.program.is_some_and(|of| of.index == index));
            let mut hard = of_program.filter(|exception| exception.rejects()).map(|exception| exception.kind.id);
            if let Some(first) = hard.next()
                && hard.all(|other| other == first)
            {
                *program.rejected_only_by.entry(first).or_default() += 1;
            }
        }
        if let Some(program) = decided.program.and_then(|best| self.programs.get_mut(usize::from(best.index))) {
            program.best.add(share);
        }
    }

    /// Adds a loan that every program accepts. `best` is the index of the best program.
    #[inline]
    pub(super) fn add_bought_to_programs(&mut self, best: u16, share: &Share) {
        for program in &mut self.programs {
            program.eligible += 1;
        }
        if let Some(program) = self.programs.get_mut(usize::from(best)) {
            program.best.add(share);
        }
    }

    pub(super) fn merge_programs(&mut self, theirs: &[ProgramCounts]) {
        if self.programs.is_empty() {
            self.programs = theirs.to_vec();
            return;
        }
        for (ours, theirs) in self.programs.iter_mut().zip(theirs) {
            ours.eligible += theirs.eligible;
            ours.best.merge(&theirs.best);
            for (id, loans) in &theirs.rejected_only_by {
                *ours.rejected_only_by.entry(*id).or_default() += loans;
            }
        }
    }
}
