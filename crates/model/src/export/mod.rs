//! Adapters in the forms that other programs run: a GGUF adapter, a merged model, a Modelfile.
//!
//! Invariants: equal adapters give equal bytes; names, digests and sizes go into metadata, and nothing else: no path,
//! no text. What one of these formats cannot say of a base is refused, never left out.

pub mod gguf;
pub mod merged;
pub mod modelfile;
mod turns;

use std::fmt;
use std::str::FromStr;

use half::{bf16, f16};

/// How exported values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatType {
    /// 32-bit floats.
    F32,
    /// IEEE 16-bit floats: more digits than bf16, and a range that ends at 65504.
    F16,
    /// 16-bit brain floats: the range of `f32`.
    Bf16,
}

impl FloatType {
    /// Bytes of one value.
    #[must_use]
    pub fn bytes(self) -> usize {
        if self == Self::F32 { 4 } else { 2 }
    }

    /// The value that is read back where `value` was stored; infinite where it does not fit.
    #[must_use]
    pub fn round(self, value: f32) -> f32 {
        match self {
            Self::F32 => value,
            Self::F16 => f16::from_f32(value).to_f32(),
            Self::Bf16 => bf16::from_f32(value).to_f32(),
        }
    }

    /// Appends values, little-endian; `false` if one of them does not fit.
    fn store(self, values: &[f32], out: &mut Vec<u8>) -> bool {
        match self {
            Self::F32 => values.iter().for_each(|value| out.extend(value.to_le_bytes())),
            Self::F16 => values.iter().for_each(|&value| out.extend(f16::from_f32(value).to_le_bytes())),
            Self::Bf16 => values.iter().for_each(|&value| out.extend(bf16::from_f32(value).to_le_bytes())),
        }
        values.iter().all(|&value| self.round(value).is_finite())
    }

    /// The name in safetensors.
    fn safetensors(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }

    /// ggml's number of the type (`enum ggml_type`).
    fn ggml(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Bf16 => 30,
        }
    }
}

impl fmt::Display for FloatType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        })
    }
}

impl FromStr for FloatType {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            "bf16" => Ok(Self::Bf16),
            _ => Err("must be f32, f16 or bf16"),
        }
    }
}
