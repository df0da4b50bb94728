//! Owns how a plan is shown: name and value of every decision.
//! Invariant: epsilon is rounded up; what is shown never promises more than what was computed.

use std::fmt;

use super::PrivacyPlan;
use crate::sampler::Scheme;

impl PrivacyPlan {
    /// The plan as it is printed before training: name and value of every decision.
    pub fn describe(&self) -> Vec<(String, String)> {
        let mut lines: Vec<(String, String)> = Vec::new();
        let mut line = |name: &str, value: String| lines.push((name.to_owned(), value));
        let cap = match self.unit_cap {
            1 => "one record".to_owned(),
            cap => format!("at most {cap} records"),
        };
        line("unit", format!("{} ({} units, {cap} each per draw)", self.unit, self.units));
        line("adjacency", self.adjacency.to_string());
        match self.scheme {
            Scheme::Poisson { q } => line("sampling rate q", format!("{q}")),
            Scheme::Truncated { q, cap } => {
                line(
                    "sampling rate q",
                    format!("{q} (batches of more than {cap} are cut at random, and accounted so)"),
                );
            }
            Scheme::Shuffled { batch } => {
                line("sampling rate q", format!("1 (shuffled in batches of {batch}, accounted without amplification)"));
            }
        }
        line("steps", self.steps.to_string());
        line("noise multiplier sigma", format!("{:.6}", self.sigma));
        line("clip norm", format!("{}", self.clip_norm));
        line("denominator", format!("{}", self.denominator));
        line("delta", format!("{:e}", self.delta));
        // rounded up, but for the last bits of the computation (1e-10): what is shown must not promise more
        let up = |epsilon: f64| (epsilon * 1e4 - 1e-6).ceil() / 1e4;
        let (epsilon, pld, rdp) = (up(self.epsilon), up(self.epsilon_pld), up(self.epsilon_rdp));
        line("epsilon", format!("{epsilon:.4} (PLD {pld:.4}, RDP {rdp:.4})"));
        line("accountant", self.accountant.to_owned());
        let sampler = match self.scheme {
            Scheme::Poisson { .. } => "Poisson, as accounted",
            Scheme::Truncated { .. } => "truncated Poisson, as accounted",
            Scheme::Shuffled { .. } => "a fresh order for every pass, each unit once",
        };
        line("sampler", format!("{sampler}; key from the operating system, never stored"));
        for gap in self.not_covered {
            line("not covered", (*gap).to_owned());
        }
        lines
    }
}

impl fmt::Display for PrivacyPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.describe() {
            writeln!(formatter, "{name:<24}{value}")?;
        }
        Ok(())
    }
}
