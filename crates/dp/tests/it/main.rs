//! The engine against published vectors and against the laws it must obey.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod accountants;
mod exact;
mod extremes;
mod mechanisms;
mod optimistic;
mod optimizers;
mod plans;
mod profiles;
mod schemes;
mod secrets;
mod vectors;
