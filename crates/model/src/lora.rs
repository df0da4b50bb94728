//! LoRA factors as one flat vector (Hu et al. 2021, arXiv 2106.09685, section 4.1).
//!
//! Every adapted linear layer computes `W x + (alpha / rank) B A x` with `A: [rank, in]`,
//! `B: [out, rank]`. All factors live in one `Vec<f32>`, so that clipping, noise and the
//! optimiser work on plain slices and never need to know the model.
//!
//! Invariant: `parameters.len() == layout.len()`, and the slots tile it without gaps,
//! by layer, then target, then A before B.

use std::ops::Range;
use std::str::FromStr;

use crate::config::DecoderConfig;
use crate::error::{Error, Result};

/// A linear layer of a decoder block that LoRA can adapt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// `self_attn.q_proj`
    Query,
    /// `self_attn.k_proj`
    Key,
    /// `self_attn.v_proj`
    Value,
    /// `self_attn.o_proj`
    Output,
    /// `mlp.gate_proj`
    Gate,
    /// `mlp.up_proj`
    Up,
    /// `mlp.down_proj`
    Down,
}

impl Target {
    /// All seven, in the order of the layout.
    pub const ALL: [Target; 7] =
        [Target::Query, Target::Key, Target::Value, Target::Output, Target::Gate, Target::Up, Target::Down];

    /// PEFT's name of the module, `q_proj` and so on.
    #[must_use]
    pub fn module(self) -> &'static str {
        match self {
            Target::Query => "q_proj",
            Target::Key => "k_proj",
            Target::Value => "v_proj",
            Target::Output => "o_proj",
            Target::Gate => "gate_proj",
            Target::Up => "up_proj",
            Target::Down => "down_proj",
        }
    }

    /// The block of the decoder that holds the module: `self_attn` or `mlp`.
    #[must_use]
    pub fn block(self) -> &'static str {
        match self {
            Target::Query | Target::Key | Target::Value | Target::Output => "self_attn",
            Target::Gate | Target::Up | Target::Down => "mlp",
        }
    }

    /// `(in, out)` widths of the layer.
    #[must_use]
    pub fn widths(self, config: &DecoderConfig) -> (usize, usize) {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        match self {
            Target::Query => (hidden, config.query_width()),
            Target::Key | Target::Value => (hidden, config.kv_width()),
            Target::Output => (config.query_width(), hidden),
            Target::Gate | Target::Up => (hidden, inner),
            Target::Down => (inner, hidden),
        }
    }
}

impl FromStr for Target {
    type Err = Error;

    /// Takes `q` or `q_proj`, and so on.
    fn from_str(text: &str) -> Result<Self> {
        let name = text.trim();
        Target::ALL
            .into_iter()
            .find(|target| target.module() == name || target.module().strip_suffix("_proj") == Some(name))
            .ok_or_else(|| Error::Unsupported { what: "LoRA target", value: name.into() })
    }
}

/// Which layers are adapted, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoraSpec {
    /// Inner width of the factors.
    pub rank: usize,
    /// Scale: the product is multiplied by `alpha / rank`. A whole number, since other readers parse it as one.
    pub alpha: u32,
    /// Sorted, without repeats, not empty.
    pub targets: Vec<Target>,
}

impl LoraSpec {
    /// A checked spec; `targets` is sorted and freed of repeats.
    ///
    /// # Errors
    /// [`Error::Config`] if the rank is not from 1 to 256, alpha is zero, or no target is named.
    pub fn new(rank: usize, alpha: u32, mut targets: Vec<Target>) -> Result<Self> {
        targets.sort_unstable();
        targets.dedup();
        if !(1..=256).contains(&rank) {
            return Err(Error::Config { field: "rank", rule: format!("is {rank}, must be from 1 to 256") });
        }
        if alpha == 0 {
            return Err(Error::Config { field: "alpha", rule: "must be at least 1".into() });
        }
        if targets.is_empty() {
            return Err(Error::Config { field: "targets", rule: "names no layer".into() });
        }
        Ok(Self { rank, alpha, targets })
    }

    /// `alpha / rank`.
    #[must_use]
    pub fn scale(&self) -> f32 {
        self.alpha as f32 / self.rank as f32
    }

    /// Number of trained parameters of an adapter of this kind for a decoder.
    #[must_use]
    pub fn parameters(&self, config: &DecoderConfig) -> usize {
        let of_layer = |target: &Target| {
            let (input, output) = target.widths(config);
            self.rank * (input + output)
        };
        config.layers * self.targets.iter().map(of_layer).sum::<usize>()
    }
}

/// Where one adapted layer's factors lie in the flat vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Index of the decoder block.
    pub layer: usize,
    /// The adapted linear layer.
    pub target: Target,
    /// Width of the layer's input.
    pub input: usize,
    /// Width of the layer's output.
    pub output: usize,
    /// `A`, row-major `[rank, input]`.
    pub a: Range<usize>,
    /// `B`, row-major `[output, rank]`.
    pub b: Range<usize>,
}

/// The factors of an adapter.
#[derive(Clone)]
pub struct Lora {
    /// What is adapted.
    pub spec: LoraSpec,
    /// One slot per adapted layer, ordered by layer, then target.
    pub slots: Vec<Slot>,
    /// All factors; see [`Slot`] for the layout.
    pub parameters: Vec<f32>,
}

impl Lora {
    /// All factors zero. Use [`Lora::initialise`] before training.
    #[must_use]
    pub fn zeros(config: &DecoderConfig, spec: LoraSpec) -> Self {
        let mut slots = Vec::with_capacity(config.layers * spec.targets.len());
        let mut offset = 0;
        for layer in 0..config.layers {
            for &target in &spec.targets {
                let (input, output) = target.widths(config);
                let a = offset..offset + spec.rank * input;
                let b = a.end..a.end + output * spec.rank;
                offset = b.end;
                slots.push(Slot { layer, target, input, output, a, b });
            }
        }
        Self { spec, slots, parameters: vec![0.0; offset] }
    }

    /// `A` uniform in ±1/sqrt(in), as PEFT's Kaiming initialisation with `a = sqrt(5)` draws it, and `B` zero,
    /// so that the adapted model starts as the base. `uniform` yields numbers in `[0, 1)`.
    pub fn initialise(&mut self, mut uniform: impl FnMut() -> f32) {
        for slot in &self.slots {
            let bound = 1.0 / (slot.input as f32).sqrt();
            for value in &mut self.parameters[slot.a.clone()] {
                *value = (2.0 * uniform() - 1.0) * bound;
            }
            self.parameters[slot.b.clone()].fill(0.0);
        }
    }

    /// The slot of a layer's target, if that is adapted.
    #[must_use]
    pub fn slot(&self, layer: usize, target: Target) -> Option<&Slot> {
        let width = self.spec.targets.len();
        let column = self.spec.targets.iter().position(|&t| t == target)?;
        self.slots.get(layer * width + column)
    }

    /// Whether every `B` is zero, that is, whether the adapter changes nothing.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.slots.iter().all(|slot| self.parameters[slot.b.clone()].iter().all(|&value| value == 0.0))
    }
}
