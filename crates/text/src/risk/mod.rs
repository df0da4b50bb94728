//! How far people can be told apart in data, and how much of what identifies them was found.
//!
//! [`quasi`] gathers quasi-identifiers by subject, from columns or out of the text; [`anonymity`] computes what they allow;
//! [`binomial`] bounds what an audit by hand says; [`tab`] scores spans against labelled entities.
//!
//! Invariants: figures carry the number of subjects, records or spans that they were computed from; values of
//! quasi-identifiers stay in memory and in types without `Debug`; every figure here depends on the data and is for its holder:
//! it is not released with a model.

pub mod anonymity;
pub mod binomial;
mod occupation;
pub mod quasi;
pub mod tab;
