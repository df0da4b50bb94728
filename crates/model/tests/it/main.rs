//! Integration tests of the model engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    unreachable_pub,
    reason = "tests"
)]

mod bert;
mod decoder;
mod families;
mod formats;
mod kernels;
mod peers;
mod shapes;
mod support;
