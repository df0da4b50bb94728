//! Takes records in: checks each, declares where they come from, and commits to them.
//!
//! The inputs are read twice: once to look at every record, once to write those that were not rejected, since only the last
//! record can tell whether the first has a double. Invariants: memory holds hashes and counts of the records, not their
//! text; the second reading must see the bytes of the first; what is written appears whole or not at all; evidence holds
//! codes, counts and places, never text.
//!
//! Source of the declared fields: Articles 4(7), 5(1)(b), (e) and 5(2), 6, 9, 13, 30 and 35 GDPR (controller, purpose,
//! retention, accountability, legal basis, special categories, source, categories of subjects, impact assessment), and the data
//! sheets of Gebru et al. 2021.

mod basis;
mod date;
mod error;
mod input;
mod notice;
mod prove;
mod provenance;
mod stage;

pub use date::{Date, Retention};
pub use error::Error;
pub use input::{Input, Unreadable};
pub use notice::{Notice, notices};
pub use prove::{Membership, Proof, RootOfLines, Tree};
pub use provenance::{Declared, DeclaredField, Field, KeptFrom, Provenance};
pub use stage::{Ingested, Lines, Outputs, Records, Request, Risk, RiskRequest, Taken, ingest};
