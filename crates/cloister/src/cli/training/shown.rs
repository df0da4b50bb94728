//! What is shown of a plan, a recipe and their cost before training begins.
//!
//! Invariant: what is shown is computed from the plan and the recipe that training uses.

use serde_json::{Value, json};

use super::super::console::{Console, Ink};
use super::super::words::counted;
use super::Prepared;
use crate::files::human_bytes;
use crate::train::cost::Cost;

/// Above this ratio of noise to signal nothing was ever seen to be learnt in the runs of docs/recipe.md, whose ratios are 3 to 7.
const DROWNING_NOISE: f64 = 25.0;

impl Prepared {
    /// The plan and the recipe, as they are printed before training.
    pub(in crate::cli) fn print_plan(&self, console: &Console) {
        console.say(console.ink(Ink::Bold, "privacy plan"));
        for (name, value) in self.plan.describe() {
            console.say(format_args!("  {name:<24} {value}"));
        }
        console.say(console.ink(Ink::Bold, "recipe"));
        for (name, value) in self.recipe_facts() {
            console.say(format_args!("  {name:<24} {value}"));
        }
        let noise = self.noise_to_signal();
        if noise > DROWNING_NOISE {
            console.warn(format_args!(
                "the noise of a step is about {noise:.0} times as long as the longest gradient it can hide: expect to learn \
                 little; take more records, a larger --batch or a larger --epsilon"
            ));
        } else if self.plan.units() < 10_000 {
            console.say(console.ink(Ink::Dim, "  fewer than 10,000 units: expect the noise to cost utility"));
        }
    }

    /// How the adapter is trained, in words.
    fn recipe_facts(&self) -> [(&'static str, String); 5] {
        let (recipe, steps) = (&self.recipe, self.plan.steps());
        let lora = &recipe.lora;
        let targets: Vec<&str> = lora.targets.iter().map(|target| target.module()).collect();
        let (first, last) = (recipe.rate(1, steps), recipe.rate(steps, steps));
        let warmup = match recipe.schedule.warmup_steps {
            0 => String::new(),
            steps => format!(" after {} of warm-up", counted(steps as usize, "step")),
        };
        let cut = match self.corpus.truncated {
            0 => String::new(),
            records => format!(", {} cut", counted(records, "record")),
        };
        [
            ("adapter", format!("rank {}, alpha {}, on {}", lora.rank, lora.alpha, targets.join(", "))),
            ("learning rate", format!("{first} to {last:.3e} ({}{warmup})", recipe.schedule.decay)),
            ("longest example", format!("{} tokens{cut}", self.max_tokens)),
            (
                "evaluations",
                match self.evaluation() {
                    Some(examples) => {
                        let records = counted(examples.len(), "public record");
                        format!("{} on {records}", recipe.evaluations(steps))
                    }
                    None => "none: no --evaluation FILE".into(),
                },
            ),
            ("noise in a step", format!("{:.1} times the longest gradient", self.noise_to_signal())),
        ]
    }

    /// The recipe's part of a document.
    pub(in crate::cli) fn recipe_fields(&self) -> Value {
        let (recipe, lora) = (&self.recipe, &self.recipe.lora);
        json!({
            "targets": lora.targets.iter().map(|target| target.module()).collect::<Vec<_>>(),
            "rank": lora.rank, "alpha": lora.alpha, "learning_rate": recipe.learning_rate,
            "schedule": recipe.schedule.decay.to_string(), "warmup_steps": recipe.schedule.warmup_steps,
            "max_tokens": self.max_tokens, "records_cut": self.corpus.truncated,
            "noise_to_signal": self.noise_to_signal(),
        })
    }

    /// Expected length of a step's noise over that of the longest mean gradient: `sigma sqrt(d) / B`, for `d` parameters get
    /// noise of `sigma C / B` each, and no mean of clipped gradients is longer than `C`.
    fn noise_to_signal(&self) -> f64 {
        let parameters = self.recipe.lora.parameters(self.ready.decoder.config()) as f64;
        self.plan.sigma() * parameters.sqrt() / self.plan.denominator()
    }
}

/// Says what a run will take.
pub(in crate::cli) fn print_cost(console: &Console, cost: &Cost) {
    console.say(console.ink(Ink::Bold, "cost"));
    console.say(format_args!("  {:<24} about {}", "memory", human_bytes(cost.memory_bytes)));
    console.say(format_args!(
        "  {:<24} about {} ({:.0} tokens at {:.0} a second)",
        "training time",
        minutes(cost.seconds),
        cost.tokens,
        cost.tokens_per_second
    ));
    if cost.evaluation_seconds > 0.0 {
        console.say(format_args!("  {:<24} about {}", "evaluations", minutes(cost.evaluation_seconds)));
    }
}

/// An epsilon with three decimals, rounded up: what is shown must not promise more than what was computed.
pub(in crate::cli) fn shown_epsilon(epsilon: f64) -> String {
    // nothing spent would be a negative zero
    format!("{:.3}", (epsilon * 1e3 - 1e-6).ceil() / 1e3 + 0.0)
}

/// Seconds as people read them.
pub(in crate::cli) fn minutes(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min {} s", seconds / 60, seconds % 60) }
}
