//! The product from outside: the program as a process, the library against servers on this machine, and the tree's own
//! rules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod accountant;
#[cfg(target_os = "linux")]
mod apart;
mod bad_input;
mod canary;
mod classifier;
#[path = "../../../vault/tests/it/server.rs"]
mod database_server;
mod datasets;
mod ingest;
mod ingest_forms;
mod kill;
mod metrics;
#[cfg(feature = "mpi")]
mod mpi;
mod process;
mod project;
mod protect;
mod pull_hub;
mod pull_index;
mod records;
mod release;
mod resume;
mod run;
mod runs;
mod server;
mod step;
mod subject;
mod tidy;
mod tiny;
mod train;
mod transcripts;
mod walk;
