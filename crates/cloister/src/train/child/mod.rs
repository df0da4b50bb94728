//! Training in another process that is shut in: it gets the records one by one, and only after a reservation; every block of
//! steps against a lease; and it can reach nothing but the base and the folder of its snapshot.
//!
//! ```text
//! this process                                   the trainer (`cloister trainer`)
//!   starts it, no environment, no open file ──►    takes one job from its input
//!                                                  shuts itself in (`crate::sandbox`), opens the base
//!   asks for the reservation            ◄── ready
//!   key of snapshots, records, end      ──►        builds the examples
//!   what is in the way?                 ◄── begin
//!   counts the block                    ◄── lease  asks before each block of steps
//!                                       ──► granted, or refused: ends with a snapshot
//!   shows the course                    ◄── step, loss
//!   takes the adapter over              ◄── done
//! ```
//!
//! Invariants: no record and no key leaves before [`Leases::stands`](super::Leases::stands) said yes; a step that the trainer
//! tells of has a lease, or it is ended; figures that are shown come from the plan of this process; what the trainer writes is
//! taken over only if it is the files of an adapter. A trainer that breaks these rules can still do with the records what is
//! possible inside of its folder: the adapter is a way out for what it knows, and that is what clipping and noise, done
//! honestly, bound.
//!
//! Source: requirement 35 of the design, after MITRE ATLAS AML.T0025 (exfiltration by means of a machine-learning system).

mod frame;
mod job;
mod parent;
mod serve;

pub use job::Told;
pub use parent::{Apart, RecordLine, SnapshotKey, as_line, train_apart};
pub use serve::{serve, serve_defect};
