//! Throughput of single engines on generated input, so that anyone can repeat a figure.

pub mod accountant;
pub mod ingest;
pub mod scan;
pub mod text;
pub mod train;
