//! Which datasets share records: what a dataset was made from, and what was made from it.
//!
//! Invariant: the relation is one of datasets. A version that names a parent binds the whole dataset of the one to that of the
//! other, for other versions hold the same records. A parent that is not there is an error: a budget would be lost with it.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::{VersionRow, View};
use crate::{Error, Result};

/// The datasets that each dataset was made from and into.
#[derive(Default)]
pub(super) struct Lineage {
    parents: BTreeMap<String, BTreeSet<String>>,
    children: BTreeMap<String, BTreeSet<String>>,
}

impl Lineage {
    /// The lineage of all datasets.
    pub(super) fn read(view: &mut View<'_>) -> Result<Self> {
        let versions = view.all::<VersionRow>()?;
        let of: BTreeMap<&str, &str> =
            versions.iter().map(|version| (version.id.as_str(), version.dataset.as_str())).collect();
        let mut lineage = Self::default();
        for VersionRow { dataset, parents, .. } in &versions {
            for parent in parents.iter() {
                let missing = || Error::NoRow { table: "dataset_version", key: parent.into() };
                lineage.bind(of.get(parent).ok_or_else(missing)?, dataset);
            }
        }
        Ok(lineage)
    }

    fn bind(&mut self, parent: &str, child: &str) {
        self.parents.entry(child.into()).or_default().insert(parent.into());
        self.children.entry(parent.into()).or_default().insert(child.into());
    }

    /// A dataset, its ancestors and its descendants, in one order.
    pub(super) fn related(&self, dataset: &str) -> BTreeSet<String> {
        let mut all = BTreeSet::from([dataset.to_owned()]);
        for direction in [&self.parents, &self.children] {
            let mut seen = BTreeSet::from([dataset]);
            let mut next = vec![dataset];
            while let Some(at) = next.pop() {
                let further = direction.get(at).into_iter().flatten().map(String::as_str);
                next.extend(further.filter(|other| seen.insert(other)));
            }
            all.extend(seen.into_iter().map(str::to_owned));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_is_related_to_its_ancestors_and_descendants_and_to_no_other() {
        let mut lineage = Lineage::default();
        for (parent, child) in [("a", "b"), ("a", "c"), ("b", "d"), ("x", "d"), ("d", "e"), ("e", "d")] {
            lineage.bind(parent, child);
        }
        let related = |dataset: &str| lineage.related(dataset).into_iter().collect::<String>();
        assert_eq!(related("a"), "abcde");
        assert_eq!(related("b"), "abde");
        assert_eq!(related("c"), "ac");
        assert_eq!(related("d"), "abdex");
        assert_eq!(related("x"), "dex");
        assert_eq!(related("?"), "?");
    }
}
