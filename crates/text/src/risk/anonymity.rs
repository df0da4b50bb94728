//! k-anonymity, l-diversity, t-closeness and the risk of being recognised, of a table of quasi-identifiers.
//!
//! Subjects with equal quasi-identifiers form a class. Definitions:
//! - k-anonymity: the size of the smallest class (Sweeney 2002);
//! - distinct l-diversity: the fewest different sensitive values in a class; entropy l-diversity: the least `exp(H)` over the
//!   classes, `H` in nats (Machanavajjhala, Kifer, Gehrke and Venkitasubramaniam 2007);
//! - t-closeness: the largest earth mover's distance between the sensitive values of a class and those of all, with equal
//!   distances between categories, `½ Σ |p - q|`, and for numbers with ordered distances, `Σ_i |Σ_{j ≤ i} (p_j - q_j)| / (m - 1)`
//!   over the `m` different values (Li, Li and Venkatasubramanian 2007);
//! - prosecutor risk of a subject: 1 over the size of the class; the attacker knows that the subject is in the data. Journalist
//!   risk: 1 over the size that the class has in a population, here the size in the data times population over subjects. Mean
//!   risk: classes over subjects, the share that an attacker who matches everybody gets right (El Emam and Dankar 2008).
//!
//! Invariant: a missing value is a value: it is equal to other missing values only, so suppressing can never look worse than
//! it is. All figures depend on the data and are for its holder.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

/// One subject: the quasi-identifiers, in one order for all subjects, and the sensitive value. Holds what identifies people.
pub struct Subject {
    /// Quasi-identifiers; empty where missing.
    pub quasi: Vec<String>,
    /// What nobody should be able to learn of a subject; `None` where missing.
    pub sensitive: Option<String>,
}

/// How far subjects can be told apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Anonymity {
    /// Subjects that the figures were computed from.
    pub subjects: usize,
    /// Different combinations of quasi-identifiers.
    pub classes: usize,
    /// The size of the smallest class; every subject is like at least `k - 1` others.
    pub k: usize,
    /// Classes by size.
    pub sizes: BTreeMap<usize, usize>,
    /// Subjects in classes smaller than the usual limits of 2, 3, 5 and 11.
    pub subjects_below: BTreeMap<usize, usize>,
    /// The largest risk of a subject, under an attacker who knows that the subject is in the data: `1 / k`.
    pub prosecutor_risk: f64,
    /// The same under one who does not, for a population of this size.
    pub journalist: Option<Journalist>,
    /// The mean risk over subjects.
    pub mean_risk: f64,
    /// What the classes say about a sensitive value, if there is one.
    pub sensitive: Option<Sensitive>,
}

/// The risk under an attacker who does not know who is in the data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Journalist {
    /// People among whom the subjects are a sample.
    pub population: u64,
    /// The largest risk of a subject.
    pub risk: f64,
    /// The mean risk over subjects.
    pub mean_risk: f64,
}

/// What quasi-identifiers tell about a sensitive value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sensitive {
    /// Subjects with such a value; the others are left out of these figures.
    pub subjects: usize,
    /// Different values.
    pub values: usize,
    /// The fewest different values in a class.
    pub distinct_l: usize,
    /// The least effective number of values in a class, `exp(H)`.
    pub entropy_l: f64,
    /// The largest distance of a class from all, values being categories; 0 to 1.
    pub t: f64,
    /// The same for values in order, where all are numbers.
    pub t_ordered: Option<f64>,
}

/// What the quasi-identifiers of `subjects` allow; `None` without subjects. `population` is the number of people among whom
/// they are a sample, if it is known.
pub fn anonymity(subjects: &[Subject], population: Option<u64>) -> Option<Anonymity> {
    let mut classes: HashMap<&[String], Vec<&Subject>> = HashMap::new();
    for subject in subjects {
        classes.entry(&subject.quasi).or_default().push(subject);
    }
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for class in classes.values() {
        *sizes.entry(class.len()).or_default() += 1;
    }
    let k = *sizes.keys().next()?;
    let below = |limit: usize| sizes.range(..limit).map(|(size, classes)| size * classes).sum();
    let mean_risk = classes.len() as f64 / subjects.len() as f64;
    let share = population.map(|population| subjects.len() as f64 / population.max(subjects.len() as u64) as f64);
    Some(Anonymity {
        subjects: subjects.len(),
        classes: classes.len(),
        k,
        subjects_below: [2, 3, 5, 11].into_iter().map(|limit| (limit, below(limit))).collect(),
        sizes,
        prosecutor_risk: 1.0 / k as f64,
        journalist: population.zip(share).map(|(population, share)| Journalist {
            population,
            risk: share / k as f64,
            mean_risk: share * mean_risk,
        }),
        mean_risk,
        sensitive: sensitive(classes.values()),
    })
}

fn sensitive<'a>(classes: impl Iterator<Item = &'a Vec<&'a Subject>>) -> Option<Sensitive> {
    let mut all: BTreeMap<&str, usize> = BTreeMap::new();
    let mut of_classes: Vec<BTreeMap<&str, usize>> = Vec::new();
    for class in classes {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for value in class.iter().filter_map(|subject| subject.sensitive.as_deref()) {
            *counts.entry(value).or_default() += 1;
            *all.entry(value).or_default() += 1;
        }
        if !counts.is_empty() {
            of_classes.push(counts);
        }
    }
    if all.is_empty() {
        return None;
    }
    let most = |distance: &dyn Fn(&BTreeMap<&str, usize>) -> f64| of_classes.iter().map(distance).fold(0.0, f64::max);
    let order = in_order(all.keys().copied());
    Some(Sensitive {
        subjects: all.values().sum(),
        values: all.len(),
        distinct_l: of_classes.iter().map(BTreeMap::len).min().unwrap_or_default(),
        entropy_l: of_classes.iter().map(|counts| entropy(counts).exp()).fold(f64::INFINITY, f64::min),
        t: most(&|class| categorical_distance(class, &all)),
        t_ordered: order.map(|order| most(&|class| ordered_distance(class, &all, &order))),
    })
}

/// Entropy in nats.
fn entropy(counts: &BTreeMap<&str, usize>) -> f64 {
    shares(counts).values().map(|share| -share * share.ln()).sum()
}

fn shares<'a>(counts: &BTreeMap<&'a str, usize>) -> BTreeMap<&'a str, f64> {
    let all: usize = counts.values().sum();
    counts.iter().map(|(value, count)| (*value, *count as f64 / all as f64)).collect()
}

fn categorical_distance(class: &BTreeMap<&str, usize>, all: &BTreeMap<&str, usize>) -> f64 {
    let (p, q) = (shares(class), shares(all));
    q.iter().map(|(value, q)| (p.get(value).unwrap_or(&0.0) - q).abs()).sum::<f64>() / 2.0
}

fn ordered_distance(class: &BTreeMap<&str, usize>, all: &BTreeMap<&str, usize>, order: &[Vec<&str>]) -> f64 {
    let (p, q) = (shares(class), shares(all));
    let share = |of: &BTreeMap<&str, f64>, same: &[&str]| same.iter().filter_map(|value| of.get(value)).sum::<f64>();
    let (mut carried, mut work) = (0.0_f64, 0.0);
    for same in order {
        carried += share(&p, same) - share(&q, same);
        work += carried.abs();
    }
    if order.len() < 2 { 0.0 } else { work / (order.len() - 1) as f64 }
}

/// The values in rising order, those that are the same number together; `None` if one is no number.
fn in_order<'a>(values: impl Iterator<Item = &'a str>) -> Option<Vec<Vec<&'a str>>> {
    let number = |value: &'a str| Some((value.trim().parse::<f64>().ok().filter(|number| number.is_finite())?, value));
    let mut numbers: Vec<(f64, &str)> = values.map(number).collect::<Option<_>>()?;
    numbers.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let groups = numbers.chunk_by(|a, b| a.0 == b.0);
    Some(groups.map(|group| group.iter().map(|(_, value)| *value).collect()).collect())
}

/// Bounds of the first sizes for a chart or a table: 1, 2, 3–4, 5–10, 11–20, above.
pub const SIZE_BANDS: [(usize, usize); 6] = [(1, 1), (2, 2), (3, 4), (5, 10), (11, 20), (21, usize::MAX)];

impl Anonymity {
    /// Subjects in classes of a size within each of [`SIZE_BANDS`].
    pub fn subjects_by_band(&self) -> [usize; SIZE_BANDS.len()] {
        SIZE_BANDS.map(|(from, to)| self.sizes.range(from..=to).map(|(size, classes)| size * classes).sum())
    }
}

/// The different values in which two lists of quasi-identifiers are told apart, for each place: how much a column
/// contributes to telling people apart.
pub fn different_values(subjects: &[Subject]) -> Vec<usize> {
    let columns = subjects.iter().map(|subject| subject.quasi.len()).max().unwrap_or_default();
    let values = |column: usize| subjects.iter().filter_map(move |subject| subject.quasi.get(column));
    (0..columns).map(|column| values(column).collect::<BTreeSet<_>>().len()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn table(rows: &[(&[&str], &str)]) -> Vec<Subject> {
        let subject = |(quasi, sensitive): &(&[&str], &str)| Subject {
            quasi: quasi.iter().map(|value| (*value).to_owned()).collect(),
            sensitive: (!sensitive.is_empty()).then(|| (*sensitive).to_owned()),
        };
        rows.iter().map(subject).collect()
    }

    fn close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 1e-12, "{actual} is not {expected}");
    }

    #[test]
    fn classes_and_risks_by_hand() {
        let rows = table(&[
            (&["476**", "2*"], ""),
            (&["476**", "2*"], ""),
            (&["476**", "2*"], ""),
            (&["4790*", "4*"], ""),
            (&["4790*", "4*"], ""),
            (&["", "4*"], ""),
        ]);
        let found = anonymity(&rows, Some(600)).unwrap();
        assert_eq!((found.subjects, found.classes, found.k), (6, 3, 1));
        assert_eq!(found.sizes, BTreeMap::from([(1, 1), (2, 1), (3, 1)]));
        assert_eq!(found.subjects_below, BTreeMap::from([(2, 1), (3, 3), (5, 6), (11, 6)]));
        assert_eq!(found.subjects_by_band(), [1, 2, 3, 0, 0, 0]);
        close(found.prosecutor_risk, 1.0);
        close(found.mean_risk, 0.5);
        let journalist = found.journalist.unwrap();
        close(journalist.risk, 0.01);
        close(journalist.mean_risk, 0.005);
        assert_eq!(found.sensitive, None);
        assert_eq!(different_values(&rows), [3, 2]);
        assert_eq!(anonymity(&[], None), None);
    }

    #[test]
    fn diversity_by_hand() {
        // A class of 2, 1, 1: H = ½ ln 2 + ½ ln 4 = 1.5 ln 2, so exp(H) = 2^1.5.
        let rows = table(&[
            (&["a"], "flu"),
            (&["a"], "flu"),
            (&["a"], "cancer"),
            (&["a"], "gout"),
            (&["b"], "flu"),
            (&["b"], "gout"),
            (&["b"], "cancer"),
            (&["b"], "ulcer"),
        ]);
        let sensitive = anonymity(&rows, None).unwrap().sensitive.unwrap();
        assert_eq!((sensitive.subjects, sensitive.values, sensitive.distinct_l), (8, 4, 3));
        close(sensitive.entropy_l, 2.0_f64.powf(1.5));
        // class a: (4, 2, 2, 0)/8 against all (3, 2, 2, 1)/8: ½ (1 + 0 + 0 + 1)/8; class b: the same
        close(sensitive.t, 1.0 / 8.0);
        assert_eq!(sensitive.t_ordered, None);
    }

    /// Li, Li and Venkatasubramanian 2007, table 3 and section 4.2: salaries of 3k to 11k, classes {3k, 4k, 5k},
    /// {6k, 8k, 11k} and {7k, 9k, 10k}.
    #[test]
    fn closeness_is_that_of_the_paper() {
        let rows: Vec<(&[&str], &str)> = [
            ("a", "3"),
            ("a", "4"),
            ("a", "5"),
            ("b", "6"),
            ("b", "11"),
            ("b", "8"),
            ("c", "7"),
            ("c", "9"),
            ("c", "10"),
        ]
        .iter()
        .map(|(class, salary)| (std::slice::from_ref(class), *salary))
        .collect();
        let all = anonymity(&table(&rows), None).unwrap().sensitive.unwrap();
        close(all.t_ordered.unwrap(), 0.375);
        close(all.t, 2.0 / 3.0);

        let count = |values: &[&'static str]| values.iter().map(|value| (*value, 1)).collect::<BTreeMap<_, _>>();
        let everybody = count(&["3", "4", "5", "6", "7", "8", "9", "10", "11"]);
        let order = in_order(everybody.keys().copied()).unwrap();
        close(ordered_distance(&count(&["3", "4", "5"]), &everybody, &order), 0.375);
        close(ordered_distance(&count(&["6", "8", "11"]), &everybody, &order), 1.0 / 6.0);
    }

    #[test]
    fn numbers_written_differently_are_the_same_number() {
        let order = in_order(["10", "2", "2.0"].into_iter()).unwrap();
        assert_eq!(order.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        assert!(in_order(["1", "x"].into_iter()).is_none());
        let rows = table(&[(&["a"], "1"), (&["b"], "1")]);
        assert_eq!(anonymity(&rows, None).unwrap().sensitive.unwrap().t_ordered, Some(0.0));
    }

    #[test]
    fn missing_sensitive_values_are_left_out() {
        let rows = table(&[(&["a"], "x"), (&["a"], ""), (&["b"], ""), (&["a"], "y")]);
        let found = anonymity(&rows, None).unwrap();
        assert_eq!(found.k, 1);
        let sensitive = found.sensitive.unwrap();
        assert_eq!((sensitive.subjects, sensitive.distinct_l), (2, 2));
        close(sensitive.t, 0.0);
    }
}
