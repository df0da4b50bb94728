//! One phase of a question: from its fields to a mechanism.
//!
//! Invariant: a field that the sampling does not take is an error, for a cap that is ignored would be a cap that is not
//! accounted for.

use cloister_dp::{Mechanism, Phase};
use serde::Deserialize;

/// One phase: steps with the same sampling and noise.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Fields")]
pub struct PhaseLine(pub Mechanism);

impl PhaseLine {
    /// Poisson sampling.
    #[must_use]
    pub fn poisson(q: f64, sigma: f64, steps: u64) -> Self {
        Self(Mechanism::Poisson(Phase { q, sigma, steps }))
    }
}

/// The fields of a phase; which of them are needed depends on `sampling`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default)]
    sampling: Sampling,
    sigma: f64,
    steps: u64,
    q: Option<f64>,
    units: Option<u64>,
    batch: Option<u64>,
    cap: Option<u64>,
    group: Option<u32>,
}

/// How the units of a step are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Sampling {
    #[default]
    Poisson,
    TruncatedPoisson,
    Shuffle,
    FixedSize,
}

impl TryFrom<Fields> for PhaseLine {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let Fields { sampling, sigma, steps, q, units, batch, cap, group } = fields;
        fn need<T>(name: &str, value: Option<T>) -> Result<T, String> {
            value.ok_or_else(|| format!("missing field `{name}`"))
        }
        let present = [
            ("q", q.is_some()),
            ("units", units.is_some()),
            ("batch", batch.is_some()),
            ("cap", cap.is_some()),
            ("group", group.is_some()),
        ];
        let (name, takes): (_, &[&str]) = match sampling {
            Sampling::Poisson => ("poisson", &["q", "group"]),
            Sampling::TruncatedPoisson => ("truncated-poisson", &["q", "units", "cap"]),
            Sampling::Shuffle => ("shuffle", &["units", "batch"]),
            Sampling::FixedSize => ("fixed-size", &["units", "batch"]),
        };
        if let Some((field, _)) = present.iter().find(|(field, given)| *given && !takes.contains(field)) {
            return Err(format!("{name} sampling takes no `{field}`"));
        }
        Ok(Self(match sampling {
            Sampling::Poisson => match group {
                None => Mechanism::Poisson(Phase { q: need("q", q)?, sigma, steps }),
                Some(records) => Mechanism::PoissonGroup { q: need("q", q)?, sigma, steps, records },
            },
            Sampling::TruncatedPoisson => {
                let (units, cap) = (need("units", units)?, need("cap", cap)?);
                Mechanism::TruncatedPoisson { q: need("q", q)?, sigma, steps, units, cap }
            }
            Sampling::Shuffle => {
                let (units, batch) = (need("units", units)?, need("batch", batch)?);
                if batch == 0 || batch > units {
                    return Err(format!("a batch of {batch} cannot be drawn from {units} units"));
                }
                Mechanism::Shuffled { sigma, passes: steps.div_ceil(units.div_ceil(batch)) }
            }
            Sampling::FixedSize => {
                Mechanism::FixedSize { batch: need("batch", batch)?, units: need("units", units)?, sigma, steps }
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_phase_is_what_its_fields_say() {
        let phase = |text: &str| serde_json::from_str::<PhaseLine>(text).map(|line| line.0);
        let (sigma, steps) = (1.5, 40);
        for (text, mechanism) in [
            (r#""q":0.1"#, Mechanism::Poisson(Phase { q: 0.1, sigma, steps })),
            (r#""q":0.1,"sampling":"poisson","group":3"#, Mechanism::PoissonGroup { q: 0.1, sigma, steps, records: 3 }),
            (
                r#""q":0.1,"sampling":"truncated-poisson","units":500,"cap":80"#,
                Mechanism::TruncatedPoisson { q: 0.1, sigma, steps, units: 500, cap: 80 },
            ),
            // 15 steps a pass: 40 steps touch three passes
            (r#""sampling":"shuffle","units":500,"batch":35"#, Mechanism::Shuffled { sigma, passes: 3 }),
            (
                r#""sampling":"fixed-size","units":500,"batch":35"#,
                Mechanism::FixedSize { batch: 35, units: 500, sigma, steps },
            ),
        ] {
            assert_eq!(phase(&format!("{{\"sigma\":1.5,\"steps\":40,{text}}}")).unwrap(), mechanism, "{text}");
        }
        for (text, message) in [
            (r#""sampling":"truncated-poisson","units":9,"cap":3"#, "missing field `q`"),
            (r#""q":0.1,"sampling":"truncated-poisson","units":9"#, "missing field `cap`"),
            (r#""q":0.1,"cap":3"#, "poisson sampling takes no `cap`"),
            (r#""sampling":"shuffle","units":9,"batch":3,"q":0.1"#, "shuffle sampling takes no `q`"),
            (r#""sampling":"shuffle","units":9,"batch":0"#, "a batch of 0 cannot be drawn from 9 units"),
            (r#""sampling":"shuffled","units":9,"batch":3"#, "unknown variant `shuffled`"),
            (r#""q":0.1,"rate":3"#, "unknown field `rate`"),
        ] {
            let error = phase(&format!("{{\"sigma\":1.5,\"steps\":40,{text}}}")).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
