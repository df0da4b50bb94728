//! The decoder as plain tensor expressions with automatic differentiation: oracle of the kernels,
//! and the path to other devices.
//!
//! Invariant: this module shares no arithmetic with [`crate::kernels`]; agreement between the two is evidence.
//! Per-example gradients come from factors replicated over the batch, one copy per example, so that one
//! backward of the summed loss leaves each example's gradient in its own copy. Sequences are padded here.

pub mod ops;

use candle_core::{DType, Device, Tensor, Var};

use crate::config::DecoderConfig;
use crate::decoder::ExampleLoss;
use crate::error::Result;
use crate::example::Example;
use crate::family::{RopeScaling, Rotation};
use crate::kernels::frozen::Frozen;
use crate::lora::{Lora, Target};
use crate::weights::Weights;

/// A decoder made of candle tensors.
pub struct Composed {
    config: DecoderConfig,
    embedding: Tensor,
    head: Tensor,
    final_norm: Tensor,
    layers: Vec<Layer>,
    device: Device,
}

struct Layer {
    attention_norm: Tensor,
    mlp_norm: Tensor,
    linear: Vec<Tensor>,
    /// As `linear`.
    biases: Vec<Option<Tensor>>,
    query_norm: Option<Tensor>,
    key_norm: Option<Tensor>,
    post_attention_norm: Option<Tensor>,
    post_mlp_norm: Option<Tensor>,
}

/// The factors of one batch, replicated: `A: [examples, rank, in]`, `B: [examples, out, rank]` for each slot.
struct Replicated {
    factors: Vec<(Var, Var)>,
    scale: f64,
}

/// Where this build computes composed operations: the first CUDA or Metal device under the feature of that name, else
/// the processor.
///
/// # Errors
/// [`crate::Error::Composed`] if there is no such device.
pub fn device() -> Result<Device> {
    Ok(if cfg!(feature = "cuda") {
        Device::new_cuda(0)?
    } else if cfg!(feature = "metal") {
        Device::new_metal(0)?
    } else {
        Device::Cpu
    })
}

impl Composed {
    /// Copies the weights to `device`.
    ///
    /// # Errors
    /// [`crate::Error::Composed`] if the device refuses.
    pub fn new(config: &DecoderConfig, weights: &Weights, device: &Device) -> Result<Self> {
        let matrix = |data: &Frozen| Tensor::from_vec(data.values(), data.shape(), device);
        let vector = |data: &[f32]| Tensor::from_slice(data, data.len(), device);
        let embedding = matrix(&weights.embedding)?;
        let head = match &weights.head {
            Some(head) => matrix(head)?,
            None => embedding.clone(),
        };
        let mut layers = Vec::with_capacity(config.layers);
        for layer in &weights.layers {
            let linear = vec![
                matrix(&layer.query)?,
                matrix(&layer.key)?,
                matrix(&layer.value)?,
                matrix(&layer.output)?,
                matrix(&layer.gate)?,
                matrix(&layer.up)?,
                matrix(&layer.down)?,
            ];
            let optional = |data: Option<&[f32]>| -> Result<Option<Tensor>> { Ok(data.map(vector).transpose()?) };
            let extras = &layer.extras;
            layers.push(Layer {
                attention_norm: vector(&layer.attention_norm)?,
                mlp_norm: vector(&layer.mlp_norm)?,
                linear,
                biases: Target::ALL.into_iter().map(|t| optional(extras.bias(t))).collect::<Result<_>>()?,
                query_norm: optional(extras.query_norm.as_deref())?,
                key_norm: optional(extras.key_norm.as_deref())?,
                post_attention_norm: optional(extras.post_attention_norm.as_deref())?,
                post_mlp_norm: optional(extras.post_mlp_norm.as_deref())?,
            });
        }
        let final_norm = vector(&weights.final_norm)?;
        Ok(Self { config: config.clone(), embedding, head, final_norm, layers, device: device.clone() })
    }

    /// Logits of every position, `[tokens, vocab_size]`.
    ///
    /// # Errors
    /// [`crate::Error::Composed`] from the tensor library.
    pub fn logits(&self, lora: Option<&Lora>, tokens: &[u32]) -> Result<Vec<f32>> {
        let replicated = lora.map(|lora| self.replicate(lora, 1)).transpose()?;
        let ids = Tensor::from_slice(tokens, (1, tokens.len()), &self.device)?;
        let logits = self.forward(&ids, lora, replicated.as_ref())?;
        Ok(logits.flatten_all()?.to_vec1()?)
    }

    /// As [`crate::Decoder::per_example_gradients`].
    ///
    /// # Errors
    /// [`crate::Error::Composed`] from the tensor library.
    pub fn per_example_gradients(&self, lora: &Lora, examples: &[&Example]) -> Result<(Vec<f32>, Vec<ExampleLoss>)> {
        let replicated = self.replicate(lora, examples.len())?;
        let nats = self.nats(Some(lora), Some(&replicated), examples)?;
        let mut total = Tensor::zeros((), DType::F32, &self.device)?;
        for (nats, targets) in &nats {
            total = (total + (nats / *targets as f64)?)?;
        }
        let losses = measured(&nats)?;
        let gradients = total.backward()?;
        let size = lora.parameters.len();
        let mut out = vec![0.0f32; examples.len() * size];
        for (slot, (a, b)) in lora.slots.iter().zip(&replicated.factors) {
            for (range, var) in [(&slot.a, a), (&slot.b, b)] {
                let Some(gradient) = gradients.get(var) else { continue };
                let values: Vec<f32> = gradient.flatten_all()?.to_vec1()?;
                for (example, part) in values.chunks(range.len()).enumerate() {
                    out[example * size + range.start..example * size + range.end].copy_from_slice(part);
                }
            }
        }
        Ok((out, losses))
    }

    /// As [`crate::Decoder::losses`].
    ///
    /// # Errors
    /// [`crate::Error::Composed`] from the tensor library.
    pub fn losses(&self, lora: Option<&Lora>, examples: &[&Example]) -> Result<Vec<ExampleLoss>> {
        let replicated = lora.map(|lora| self.replicate(lora, examples.len())).transpose()?;
        measured(&self.nats(lora, replicated.as_ref(), examples)?)
    }

    /// The summed loss of every example, and its number of targets.
    fn nats(
        &self,
        lora: Option<&Lora>,
        replicated: Option<&Replicated>,
        examples: &[&Example],
    ) -> Result<Vec<(Tensor, usize)>> {
        let length = examples.iter().map(|e| e.tokens.len()).max().unwrap_or(0);
        let mut ids = Vec::new();
        for example in examples {
            ids.extend_from_slice(&example.tokens);
            ids.resize(ids.len() + length - example.tokens.len(), 0);
        }
        let ids = Tensor::from_vec(ids, (examples.len(), length), &self.device)?;
        let logits = self.forward(&ids, lora, replicated)?;
        let of_example = |(row, example): (usize, &&Example)| {
            let targets = (1..example.tokens.len()).filter(|&position| example.is_target[position]);
            let (before, tokens): (Vec<u32>, Vec<u32>) =
                targets.map(|position| (position as u32 - 1, example.tokens[position])).unzip();
            let count = tokens.len();
            let lines = logits.get(row)?.index_select(&Tensor::from_vec(before, count, &self.device)?, 0)?;
            Ok((ops::cross_entropy(&lines, &Tensor::from_vec(tokens, count, &self.device)?)?, count))
        };
        examples.iter().enumerate().map(of_example).collect()
    }

    fn replicate(&self, lora: &Lora, examples: usize) -> Result<Replicated> {
        let rank = lora.spec.rank;
        let mut factors = Vec::with_capacity(lora.slots.len());
        for slot in &lora.slots {
            let copies = |range: std::ops::Range<usize>, rows: usize, columns: usize| {
                let one = Tensor::from_slice(&lora.parameters[range], (1, rows, columns), &self.device)?;
                Var::from_tensor(&one.repeat((examples, 1, 1))?)
            };
            factors.push((copies(slot.a.clone(), rank, slot.input)?, copies(slot.b.clone(), slot.output, rank)?));
        }
        Ok(Replicated { factors, scale: f64::from(lora.spec.scale()) })
    }

    fn forward(&self, ids: &Tensor, lora: Option<&Lora>, replicated: Option<&Replicated>) -> Result<Tensor> {
        let (batch, length) = ids.dims2()?;
        let config = &self.config;
        let (heads, kv_heads, dim) = (config.heads, config.kv_heads, config.head_dim);
        let epsilon = f64::from(config.rms_norm_epsilon);
        let table =
            |scaling: &RopeScaling, theta| ops::rope_table(length, &scaling.frequencies(theta, dim), &self.device);
        let global = table(&config.variant.rope_scaling, config.rope_theta)?;
        let local = config.variant.local_rope_theta.map(|theta| table(&RopeScaling::None, theta)).transpose()?;
        let norm_if = |x: Tensor, gain: &Option<Tensor>| match gain {
            Some(gain) => ops::rms_norm(&x, gain, epsilon),
            None => Ok(x),
        };
        let mut x =
            self.embedding.index_select(&ids.flatten_all()?, 0)?.reshape((batch, length, config.hidden_size))?;
        x = (x * f64::from(config.embedding_scale()))?;
        for (index, layer) in self.layers.iter().enumerate() {
            let project = |x: &Tensor, target: Target| -> Result<Tensor> {
                let mut y = ops::linear(x, &layer.linear[target as usize])?;
                if let Some(bias) = &layer.biases[target as usize] {
                    y = y.broadcast_add(bias)?;
                }
                let Some((lora, replicated)) = lora.zip(replicated) else { return Ok(y) };
                let Some(column) = lora.spec.targets.iter().position(|&t| t == target) else { return Ok(y) };
                let (a, b) = &replicated.factors[index * lora.spec.targets.len() + column];
                Ok((y + ops::low_rank(x, a, b, replicated.scale)?)?)
            };
            let normed = ops::rms_norm(&x, &layer.attention_norm, epsilon)?;
            let split = |y: Tensor, heads: usize| y.reshape((batch, length, heads, dim))?.transpose(1, 2)?.contiguous();
            let rule = config.variant.layer(index);
            let table = match rule.rotation {
                Rotation::Global => Some(&global),
                Rotation::Local => local.as_ref(),
                Rotation::None => None,
            };
            let rotated = |x: Tensor| match table {
                Some((cos, sin)) => ops::rope(&x, cos, sin),
                None => Ok(x),
            };
            let q = norm_if(split(project(&normed, Target::Query)?, heads)?, &layer.query_norm)?;
            let k = norm_if(split(project(&normed, Target::Key)?, kv_heads)?, &layer.key_norm)?;
            let v = split(project(&normed, Target::Value)?, kv_heads)?;
            let attended = ops::attention(&rotated(q)?, &rotated(k)?, &v, rule.window)?;
            let rows = attended.transpose(1, 2)?.contiguous()?.reshape((batch, length, heads * dim))?;
            x = (x + norm_if(project(&rows, Target::Output)?, &layer.post_attention_norm)?)?;
            let normed = ops::rms_norm(&x, &layer.mlp_norm, epsilon)?;
            let (gate, up) = (project(&normed, Target::Gate)?, project(&normed, Target::Up)?);
            let inner = ops::glu(config.traits().activation, &gate, &up)?;
            x = (x + norm_if(project(&inner, Target::Down)?, &layer.post_mlp_norm)?)?;
        }
        ops::linear(&ops::rms_norm(&x, &self.final_norm, epsilon)?, &self.head)
    }
}

fn measured(nats: &[(Tensor, usize)]) -> Result<Vec<ExampleLoss>> {
    let of_example = |(nats, targets): &(Tensor, usize)| {
        Ok(ExampleLoss { nats: f64::from(nats.to_scalar::<f32>()?), targets: *targets })
    };
    nats.iter().map(of_example).collect()
}
