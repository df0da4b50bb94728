//! Who may do what to which data, when and what for.
//!
//! ```text
//! schema.cedarschema ─┐
//! policies/*.cedar ───┼─► PolicySet ──┐
//! a project's own ────┘   validated   │
//!                                     ├─► decide ──► Decision: allow or deny, by which policies
//! rows of a store ──► Entities ───────┤              └──► why: in words
//! Request: who, what, to what, ───────┘
//!          when, what for
//! ```
//!
//! The engine is [Cedar 4](https://www.cedarpolicy.com): deny by default, a forbid wins over every permit, the order of policies
//! does not matter. Added to it: an error anywhere denies (Cedar alone skips a policy that errs), what a request names must
//! exist, and the built-in policies cannot be taken out of a set.
//!
//! The crate stores nothing and reads no clock. The caller gives the rows and the instant, and logs the decision.
//!
//! ```
//! use cloister_access::{Action, Directory, Entities, Id, PolicySet, Request};
//!
//! let directory: Directory = toml::from_str(r#"
//!     [tenants.acme]
//!     [users.ana]
//!     tenant = "acme"
//!     roles = ["steward"]
//!     mfa_at = "2026-11-27T09:50:00.000Z"
//!     [datasets.tickets]
//!     tenant = "acme"
//!     project = "help"
//!     sensitivity = "personal"
//!     purposes = ["support"]
//! "#)?;
//! let (policies, entities) = (PolicySet::load()?, Entities::new(directory)?);
//!
//! let ana = "user:ana".parse()?;
//! let read = Request::new(ana, Action::DatasetRead, "dataset:tickets".parse()?, "2026-11-27T10:00:00.000Z".parse()?);
//! let support = read.clone().for_purpose(Id::new("support")?);
//! assert!(policies.decide(&support, &entities).is_allowed());
//!
//! let advertising = read.clone().for_purpose(Id::new("advertising")?);
//! let decision = policies.decide(&advertising, &entities);
//! assert_eq!(decision.policies, ["purpose"]);
//! let why = policies.why(&advertising, &decision).to_string();
//! assert_eq!(why, "denied: the data was not collected for that purpose (purpose)\n");
//!
//! // No purpose at all is an error, so the answer is no and somebody is told.
//! let decision = policies.decide(&read, &entities);
//! assert!(!decision.is_allowed() && decision.is_alert());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod action;
mod bounds;
mod cases;
mod decision;
mod digest;
mod directory;
mod entities;
mod error;
mod grant;
mod instant;
mod names;
mod policy_set;
mod proposal;
mod replay;
mod request;
mod vocabulary;
mod who_can;

pub use action::Action;
pub use cases::{Cases, Failure, Report};
pub use decision::{Decision, Effect, Fault, Told, Why};
pub use digest::Digest;
pub use directory::{Directory, Holding, Key, Owned, Service, Tenant, User};
pub use entities::Entities;
pub use error::{Error, Refusal, Result};
pub use grant::{Ask, BREAK_GLASS_APPROVALS, BREAK_GLASS_TERM, Grant, LONGEST_TERM, State, Step};
pub use instant::{Clock, Instant, Reading};
pub use names::{Id, KeyKind, Kind, Principal, Resource, Role, Sensitivity};
pub use policy_set::{LONGEST_CUSTOM_BYTES, PolicySet, Rule};
pub use proposal::Proposal;
pub use replay::{Difference, Recorded, Replay};
pub use request::{Request, Situation};
pub use who_can::Who;
