//! The decoder families: one graph, and a table of what each family computes besides plain Llama.
//!
//! Invariant: a family is a row of [`Family::traits`] and nothing else; the graph asks for traits, never for a family.
//! What a row cannot say is refused when a base is opened. To add a family: a variant of [`Family`], its row here,
//! and a model in `bench/peers/tiny_families.py`.
//!
//! Sources: the modelling files of `transformers` 5.23 (`models/{llama,smollm3,mistral,qwen2,qwen3,gemma3}`) and its
//! `modeling_rope_utils.py`; for GGUF, the converters and graphs of llama.cpp (`conversion/`, `src/models/`).

/// A line of models that share their arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    /// Llama 1 to 3 and SmolLM2 (Touvron et al. 2023); in GGUF also Mistral.
    #[default]
    Llama,
    /// SmolLM3: some layers do not rotate queries and keys.
    SmolLm3,
    /// Mistral (Jiang et al. 2023): every layer sees a window.
    Mistral,
    /// Qwen2 and Qwen2.5: biases of queries, keys and values.
    Qwen2,
    /// Qwen3: queries and keys are normalised head by head.
    Qwen3,
    /// Gemma 3, text only: local and global layers, norms after each half of a block, GELU.
    Gemma3,
}

/// The non-linearity of the gated feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x σ(x)`.
    Silu,
    /// The tanh approximation of GELU.
    GeluTanh,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Traits {
    /// For people.
    pub name: &'static str,
    /// `model_type` in `config.json`.
    pub model_type: &'static str,
    /// The class in `architectures` of `config.json`.
    pub class: &'static str,
    /// `general.architecture` in GGUF; two families may share one.
    pub gguf: &'static str,
    /// Whether the rows of query and key projections are interleaved in GGUF.
    pub interleaved: bool,
    /// Whether query, key and value projections have biases.
    pub biases: bool,
    /// Whether queries and keys are normalised head by head before they are rotated.
    pub head_norms: bool,
    /// Whether the output of each half of a block is normalised before it is added.
    pub post_norms: bool,
    /// What a Hugging Face folder leaves out of the gains of its norms; GGUF has it in.
    pub gain_offset: f32,
    /// Non-linearity of the feed-forward block.
    pub activation: Activation,
    /// Whether embeddings are multiplied by the root of their width.
    pub scaled_embedding: bool,
    /// `rope_theta` where `config.json` has none.
    pub default_rope_theta: f64,
    /// Width of a head where `config.json` has none; else it is hidden size / heads.
    pub default_head_dim: Option<usize>,
    /// `tie_word_embeddings` where `config.json` has none.
    pub default_tied: bool,
}

const LLAMA: Traits = Traits {
    name: "Llama 2 and 3, SmolLM2",
    model_type: "llama",
    class: "LlamaForCausalLM",
    gguf: "llama",
    interleaved: true,
    biases: false,
    head_norms: false,
    post_norms: false,
    gain_offset: 0.0,
    activation: Activation::Silu,
    scaled_embedding: false,
    default_rope_theta: 10_000.0,
    default_head_dim: None,
    default_tied: false,
};

impl Family {
    /// Every family; the first that fits a GGUF architecture is meant.
    pub const ALL: [Family; 6] =
        [Family::Llama, Family::SmolLm3, Family::Mistral, Family::Qwen2, Family::Qwen3, Family::Gemma3];

    /// The family's row.
    #[must_use]
    pub const fn traits(self) -> Traits {
        match self {
            Family::Llama => LLAMA,
            Family::SmolLm3 => Traits {
                name: "SmolLM3",
                model_type: "smollm3",
                class: "SmolLM3ForCausalLM",
                gguf: "smollm3",
                default_rope_theta: 2_000_000.0,
                default_tied: true,
                ..LLAMA
            },
            Family::Mistral => Traits { name: "Mistral", model_type: "mistral", class: "MistralForCausalLM", ..LLAMA },
            Family::Qwen2 => Traits {
                name: "Qwen2 and 2.5",
                model_type: "qwen2",
                class: "Qwen2ForCausalLM",
                gguf: "qwen2",
                interleaved: false,
                biases: true,
                ..LLAMA
            },
            Family::Qwen3 => Traits {
                name: "Qwen3",
                model_type: "qwen3",
                class: "Qwen3ForCausalLM",
                gguf: "qwen3",
                interleaved: false,
                head_norms: true,
                default_head_dim: Some(128),
                ..LLAMA
            },
            Family::Gemma3 => Traits {
                name: "Gemma 3 (text)",
                model_type: "gemma3_text",
                class: "Gemma3ForCausalLM",
                gguf: "gemma3",
                interleaved: false,
                biases: false,
                head_norms: true,
                post_norms: true,
                gain_offset: 1.0,
                activation: Activation::GeluTanh,
                scaled_embedding: true,
                default_rope_theta: 1_000_000.0,
                default_head_dim: Some(256),
                default_tied: true,
            },
        }
    }

    /// All names, for messages: "Llama 2 and 3, SmolLM2, SmolLM3, …".
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(|family| family.traits().name).join(", ")
    }
}

/// How the frequencies of a rotary embedding differ from `theta^(-2 i / head_dim)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum RopeScaling {
    /// Not at all.
    #[default]
    None,
    /// All divided by one factor.
    Linear(f32),
    /// Llama 3.1: long wavelengths divided by `factor`, short ones kept, those between interpolated.
    Llama3 {
        /// Divides the frequencies whose wavelength exceeds `original_context / low`.
        factor: f32,
        /// See `factor`.
        low: f32,
        /// Frequencies whose wavelength is below `original_context / high` are kept.
        high: f32,
        /// Tokens that the base was first trained on.
        original_context: f32,
    },
    /// Each divided by its own factor, `[head_dim / 2]`: how GGUF stores the frequencies of Llama 3.1.
    Factors(Vec<f32>),
}

impl RopeScaling {
    /// The frequencies, `[head_dim / 2]`, in radians per position, rounded where `transformers` rounds them.
    #[must_use]
    pub fn frequencies(&self, theta: f32, head_dim: usize) -> Vec<f32> {
        let plain = (0..head_dim / 2).map(|i| 1.0 / theta.powf((2 * i) as f32 / head_dim as f32));
        match self {
            Self::None => plain.collect(),
            Self::Linear(factor) => plain.map(|frequency| frequency / factor).collect(),
            Self::Factors(factors) => plain.zip(factors).map(|(frequency, factor)| frequency / factor).collect(),
            &Self::Llama3 { factor, low, high, original_context } => plain
                .map(|frequency| {
                    let wavelength = 2.0 * std::f32::consts::PI / frequency;
                    if wavelength < original_context / high {
                        frequency
                    } else if wavelength > original_context / low {
                        frequency / factor
                    } else {
                        let kept = (original_context / wavelength - low) / (high - low);
                        (1.0 - kept) * frequency / factor + kept * frequency
                    }
                })
                .collect(),
        }
    }
}

/// What turns the queries and keys of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rotation {
    /// The frequencies of `rope_theta`, scaled.
    #[default]
    Global,
    /// The frequencies of `local_rope_theta`, not scaled.
    Local,
    /// Nothing: positions enter through the other layers only.
    None,
}

/// What one layer's attention does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerRule {
    /// Keys that a query sees, its own among them; all before it if there is no window.
    pub window: Option<usize>,
    /// How queries and keys are turned.
    pub rotation: Rotation,
}

/// What one model computes besides plain Llama. The default is plain Llama.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Variant {
    /// The row of the table.
    pub family: Family,
    /// Scaling of the global rotary frequencies.
    pub rope_scaling: RopeScaling,
    /// Base of the local rotary frequencies; only where a layer's rotation is local.
    pub local_rope_theta: Option<f32>,
    /// One rule per layer; none at all means the default rule for every layer.
    pub layers: Vec<LayerRule>,
}

impl Variant {
    /// The rule of a layer.
    #[must_use]
    pub fn layer(&self, index: usize) -> LayerRule {
        self.layers.get(index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frequencies of Llama 3.2 1B from `transformers` 5.23 (head 64, theta 500,000, factor 32, 1 to 4 of 8192).
    #[test]
    fn llama3_frequencies_are_those_of_transformers() {
        let scaling = RopeScaling::Llama3 { factor: 32.0, low: 1.0, high: 4.0, original_context: 8192.0 };
        let frequencies = scaling.frequencies(500_000.0, 64);
        let expected = [
            (0, 1.0),
            (12, 7.292_665e-3),
            (14, 3.211_446e-3),
            (15, 1.290_548e-3),
            (16, 4.295_567e-4),
            (17, 9.708_286e-5),
            (18, 1.946_163_9e-5),
            (31, 9.418_306_5e-8),
        ];
        for (index, value) in expected {
            let got = frequencies[index];
            assert!((got - value).abs() <= 2e-7 * value, "{index}: {got} instead of {value}");
        }
    }

    #[test]
    fn names_and_keys_are_distinct() {
        for (index, family) in Family::ALL.into_iter().enumerate() {
            for other in &Family::ALL[..index] {
                assert_ne!(family.traits().model_type, other.traits().model_type);
                assert_ne!(family.traits().class, other.traits().class);
            }
        }
    }
}
