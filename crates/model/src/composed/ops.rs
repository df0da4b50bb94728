//! Each operation of [`crate::kernels`] as a composition of candle's, differentiable by its tape.

use candle_core::{D, DType, Device, Tensor};

use crate::error::Result;
use crate::family::Activation;

/// `x Wᵀ`; `x: [batch, length, in]`, `weight: [out, in]`.
///
/// # Errors
/// [`crate::Error::Composed`] from the tensor library, here and below.
pub fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (batch, length, input) = x.dims3()?;
    let y = x.reshape((batch * length, input))?.matmul(&weight.t()?)?;
    Ok(y.reshape((batch, length, weight.dim(0)?))?)
}

/// `scale (x Aᵀ) Bᵀ` with one pair of factors per example.
pub fn low_rank(x: &Tensor, a: &Tensor, b: &Tensor, scale: f64) -> Result<Tensor> {
    let inner = x.matmul(&a.transpose(1, 2)?.contiguous()?)?;
    Ok((inner.matmul(&b.transpose(1, 2)?.contiguous()?)? * scale)?)
}

/// RMSNorm over the last dimension.
pub fn rms_norm(x: &Tensor, gain: &Tensor, epsilon: f64) -> Result<Tensor> {
    let mean_square = x.sqr()?.mean_keepdim(D::Minus1)?;
    let normed = x.broadcast_div(&(mean_square + epsilon)?.sqrt()?)?;
    Ok(normed.broadcast_mul(gain)?)
}

/// Cosines and sines, `[length, head_dim / 2]` each, of one frequency per pair of a head's values.
pub fn rope_table(length: usize, frequencies: &[f32], device: &Device) -> Result<(Tensor, Tensor)> {
    let frequencies = Tensor::from_slice(frequencies, (1, frequencies.len()), device)?;
    let positions = Tensor::arange(0, length as u32, device)?.to_dtype(DType::F32)?.reshape((length, 1))?;
    let angles = positions.matmul(&frequencies)?;
    Ok((angles.cos()?, angles.sin()?))
}

/// Half-split rotary embedding of `x: [batch, heads, length, head_dim]`.
pub fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let (a, b) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let first = (a.broadcast_mul(cos)? - b.broadcast_mul(sin)?)?;
    let second = (b.broadcast_mul(cos)? + a.broadcast_mul(sin)?)?;
    Ok(Tensor::cat(&[first, second], D::Minus1)?)
}

/// Causal attention; `q: [batch, heads, length, dim]`, `k, v: [batch, kv_heads, length, dim]`. With a window, a query
/// sees that many keys, its own among them.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, window: Option<usize>) -> Result<Tensor> {
    let (batch, heads, length, dim) = q.dims4()?;
    let kv_heads = k.dim(1)?;
    let spread = |x: &Tensor| -> Result<Tensor> {
        let wide = x.unsqueeze(2)?.repeat((1, 1, heads / kv_heads, 1, 1))?;
        Ok(wide.reshape((batch, heads, length, dim))?)
    };
    let scores = (q.matmul(&spread(k)?.transpose(2, 3)?.contiguous()?)? / (dim as f64).sqrt())?;
    let hidden = |query: usize, key: usize| key > query || window.is_some_and(|window| query - key >= window);
    let mask: Vec<f32> =
        (0..length * length).map(|i| if hidden(i / length, i % length) { f32::NEG_INFINITY } else { 0.0 }).collect();
    let scores = scores.broadcast_add(&Tensor::from_vec(mask, (length, length), q.device())?)?;
    let shifted = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
    let probabilities = shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)?;
    Ok(probabilities.matmul(&spread(v)?)?)
}

/// `act(gate) * up`; GELU with the tanh approximation.
pub fn glu(function: Activation, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    let act = match function {
        Activation::Silu => gate.silu()?,
        Activation::GeluTanh => {
            let cubic = (gate + (gate.sqr()? * gate)?.affine(0.044_715, 0.0)?)?;
            let share = (cubic * (2.0 / std::f64::consts::PI).sqrt())?.tanh()?.affine(0.5, 0.5)?;
            (gate * share)?
        }
    };
    Ok((act * up)?)
}

/// The summed loss in nats of `logits: [rows, vocabulary]` against `targets: [rows]`.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    let log_sums = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let chosen = shifted.gather(&targets.unsqueeze(1)?, D::Minus1)?;
    Ok((log_sums - chosen)?.sum_all()?)
}
