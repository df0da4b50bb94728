//! A log that shows tampering, and data sealed at rest.
//!
//! ```text
//! who did what ──► log::Entry ──► log::LogWriter ──► folder: bundles, tiles, checkpoint ──► log::verify, log::LogReader
//!                  one form       Merkle tree,        C2SP tlog-tiles                        anyone, offline
//!                  in bytes       never shrinks          └──► log::TlogProof, log::Witness
//!
//! plaintext ──► sealed::ObjectWriter ──► CLO1 file: header, chunks of 16 KiB ──► sealed::ObjectReader
//! records   ──► sealed::ShardWriter  ──► CLO1 file: record by record, index  ──► sealed::ShardReader
//!               data key wrapped by      opens in its tenant, dataset and
//!               a Kek, or a subject's    version only
//!
//! a change  ──► store::Store ──► row, entry and signed checkpoint in one transaction ──► log::LogWriter
//!               ledger::Ledger   SQLite or PostgreSQL; held against the log at opening
//!
//! passphrase, key file, ──► keys::SealedRing ──► keys::UnsealedRing ──► keys::DatasetKeys ──► seal, open, subjects' keys
//! keyring, token, server    a file of wrapped    tenants, datasets,     one dataset, for
//!                           keys                 purposes, rotation     one purpose
//! ```
//!
//! The crate knows files, bytes and rows. It opens no socket but that of PostgreSQL (feature `postgres`), asks nobody for a
//! password, and knows nothing of records but that they are bytes with an id and a subject.
//!
//! ```
//! use cloister_vault::log::{Against, LogReader, LogWriter, SignatureKind, SignerKey, verify};
//!
//! let folder = tempfile::tempdir()?;
//! let signer = SignerKey::generate("example.com/log", SignatureKind::Ed25519)?;
//! let key = signer.verifier().clone();
//! LogWriter::open(folder.path(), signer, None)?.publish(&["first", "second"])?;
//!
//! assert!(verify(folder.path(), &key, &Against::default()).is_intact());
//! let reader = LogReader::open(folder.path(), &key)?;
//! assert_eq!(reader.entry(1)?, b"second");
//! assert_eq!(reader.prove(1)?.verify(b"second", &key)?.size, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod encoding;
mod error;
mod files;
pub mod keys;
pub mod ledger;
pub mod log;
mod random;
pub mod sealed;
pub mod store;

pub use error::{Error, Result};
