//! The forms of an export, as the user lists them: `gguf,merged:f32,ollama`.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use cloister_model::export::FloatType;
use serde::{Deserialize, Deserializer, de};

/// Which forms are wanted, and how their values are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exports {
    /// A GGUF adapter, for llama.cpp.
    pub gguf: Option<FloatType>,
    /// A merged Hugging Face folder.
    pub merged: Option<FloatType>,
    /// A Modelfile, for Ollama.
    pub ollama: bool,
}

impl Exports {
    /// With the forms that the wanted ones stand on: a Modelfile names a GGUF base with the GGUF adapter, or else a
    /// merged model.
    #[must_use]
    pub fn with_needs(&self, base: &Path) -> Self {
        let mut all = self.clone();
        if all.ollama && base.is_file() {
            all.gguf = all.gguf.or(Some(FloatType::F32));
        } else if all.ollama {
            all.merged = all.merged.or(Some(FloatType::Bf16));
        }
        all
    }
}

impl FromStr for Exports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut exports = Self::default();
        for item in text.split(',').map(str::trim) {
            let (name, kind) = match item.split_once(':') {
                Some((name, kind)) => {
                    (name, Some(kind.parse::<FloatType>().map_err(|rule| format!("`{kind}` {rule}"))?))
                }
                None => (item, None),
            };
            let twice = match (name, kind) {
                // Factors are small numbers: f16 keeps three more bits of each in the same room.
                ("gguf", Some(FloatType::Bf16)) => return Err("a GGUF adapter is f32 or f16".into()),
                ("gguf", kind) => exports.gguf.replace(kind.unwrap_or(FloatType::F32)).is_some(),
                ("merged", kind) => exports.merged.replace(kind.unwrap_or(FloatType::Bf16)).is_some(),
                ("ollama", None) => std::mem::replace(&mut exports.ollama, true),
                _ => return Err("takes a list of gguf, merged and ollama, such as `gguf,merged:f32`".into()),
            };
            if twice {
                return Err(format!("names {name} twice"));
            }
        }
        Ok(exports)
    }
}

impl fmt::Display for Exports {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gguf = self.gguf.map(|kind| format!("gguf:{kind}"));
        let merged = self.merged.map(|kind| format!("merged:{kind}"));
        let names: Vec<String> = [gguf, merged, self.ollama.then(|| "ollama".into())].into_iter().flatten().collect();
        formatter.write_str(&names.join(","))
    }
}

impl<'de> Deserialize<'de> for Exports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_list_reads_and_prints_the_same() {
        let plain: Exports = "gguf, merged,ollama".parse().unwrap();
        assert_eq!((plain.gguf, plain.merged, plain.ollama), (Some(FloatType::F32), Some(FloatType::Bf16), true));
        let chosen: Exports = "merged:f16,gguf:f16".parse().unwrap();
        assert_eq!(chosen.to_string(), "gguf:f16,merged:f16");
        assert_eq!(plain.to_string().parse::<Exports>(), Ok(plain));
        for wrong in ["", "gguf,", "ggml", "gguf:bf16", "gguf:q8", "ollama:f32", "gguf,gguf:f16", "merged:"] {
            assert!(wrong.parse::<Exports>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_modelfile_brings_what_it_names() {
        let ollama: Exports = "ollama".parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("base.gguf");
        std::fs::write(&file, "").unwrap();
        assert_eq!(ollama.with_needs(&file).to_string(), "gguf:f32,ollama");
        assert_eq!(ollama.with_needs(folder.path()).to_string(), "merged:bf16,ollama");
    }
}
