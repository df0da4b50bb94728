//! What a first pass over the data learned, for the replacement that follows.
//!
//! Invariant: it holds keyed fingerprints and counts, no text. What is learned of a record or a subject is kept under the
//! fingerprint of its scope and serves no other.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::gender::Hint;
use super::mention::Mentions;

/// In which order dates in numbers are written: how many show that they begin with the day, and how many with the month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DateOrders {
    /// `25/12/2020`.
    pub day_first: usize,
    /// `12/25/2020`.
    pub month_first: usize,
}

impl DateOrders {
    /// Whether both orders occur.
    pub fn mixed(self) -> bool {
        self.day_first > 0 && self.month_first > 0
    }

    /// Whether most begin with the day; `None` where as many begin with the month.
    pub(super) fn begin_with_day(self) -> Option<bool> {
        (self.day_first != self.month_first).then_some(self.day_first > self.month_first)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.day_first += other.day_first;
        self.month_first += other.month_first;
    }
}

/// What a first pass over the data learned: which values no surrogate may take, in which order dates are written, of what
/// gender the bearers of given names are, and which names are one person's. Holds no text.
#[derive(Default)]
pub struct Originals {
    pub(super) values: HashSet<u64>,
    pub(super) orders: HashMap<u64, DateOrders>,
    pub(super) order: DateOrders,
    pub(super) hints: HashMap<u64, Hint>,
    pub(super) mentions: Mentions,
}

impl Originals {
    /// How many distinct values are held.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// In which order the dates of the whole file are written. Dates with full stops, which always begin with their day, are
    /// not counted.
    pub fn date_orders(&self) -> DateOrders {
        self.order
    }
}
