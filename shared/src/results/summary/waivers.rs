//! Waivers in the summary: how many exceptions they waive, and which of them met none.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    phases::disposition::Decided,
    waivers::{UnusedWaivers, Waivers},
};

use super::SummaryBuilder;

/// What a run counts of its waivers.
#[derive(Debug, Clone, Default)]
pub(super) struct WaiverCounts {
    /// The waivers; `None` for a run without a file of waivers, and in the counts of a part that were stored.
    waivers: Option<Arc<Waivers>>,
    /// Number of waived exceptions.
    waived: u64,
    /// The indexes of the waivers that met a failure of a rule, honoured or expired.
    met: BTreeSet<u32>,
}

impl Serialize for WaiverCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.waived, &self.met).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for WaiverCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (waived, met) = Deserialize::deserialize(deserializer)?;
        Ok(Self { waivers: None, waived, met })
    }
}

impl WaiverCounts {
    /// Counts the exceptions of a loan that are waived.
    pub(super) fn add(&mut self, decided: &Decided<'_, '_>) {
        for exception in &decided.exceptions {
            self.waived += u64::from(exception.is_waived());
            self.met.extend(exception.waiver.map(|waiver| waiver.index()));
        }
    }

    pub(super) fn merge(&mut self, next: &Self) {
        self.waived += next.waived;
        self.met.extend(&next.met);
    }

    pub(super) fn waived(&self) -> u64 {
        self.waived
    }

    /// The waivers that met no failure; `None` for a run without a file of waivers.
    pub(super) fn unused(&self) -> Option<UnusedWaivers> {
        Some(UnusedWaivers::of(self.waivers.as_ref()?, &self.met))
    }
}

impl SummaryBuilder {
    /// Prepares the counts of the waivers of a run.
    pub fn begin_waivers(&mut self, waivers: Option<&Arc<Waivers>>) {
        self.waivers = WaiverCounts { waivers: waivers.cloned(), ..WaiverCounts::default() };
    }

    /// Number of exceptions that a waiver waives.
    pub fn waived(&self) -> u64 {
        self.waivers.waived()
    }
}
