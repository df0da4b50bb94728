//! A log that shows tampering: a Merkle tree of entries in files, signed checkpoints, proofs, witnesses.
//!
//! Invariant: the formats are public ones (RFC 6962; C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-proof,
//! tlog-cosignature, tlog-witness, tlog-policy), so that anyone verifies a log without this product. What the log does not
//! give: whoever holds the signing key and every copy can write another history, unless a checkpoint left the house.

pub mod checkpoint;
pub mod entry;
pub mod merkle;
pub mod note;
pub mod policy;
pub mod proof;
pub mod tiles;
mod verify;
pub mod witness;

pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use entry::Entry;
pub use merkle::Hash;
pub use note::{Note, SignatureKind, SignerKey, VerifierKey};
pub use policy::Policy;
pub use proof::TlogProof;
pub use tiles::{ENTRY_BYTES, LogReader, LogWriter, TileKind, TilePath};
pub use verify::{Against, Finding, Report, verify};
pub use witness::{AddCheckpoint, Answer, FolderWitnessStore, MemoryWitnessStore, Witness, WitnessStore};
