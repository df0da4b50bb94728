//! Measures how long a decision takes: `cargo run --release -p cloister-access --example decision_time`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people who measure")]

use std::hint::black_box;
use std::time::Instant;

use cloister_access::{Action, Directory, Entities, Id, PolicySet, Request};

/// What one request needs: who asks, the tenant, the dataset, the grant.
const SLICE: &str = r#"
[tenants.acme]
[users.eva]
tenant = "acme"
roles = ["engineer"]
mfa_at = "2026-11-27T09:50:00.000Z"
[datasets.tickets]
tenant = "acme"
project = "help"
sensitivity = "personal"
purposes = ["support", "quality"]
[grants.g]
tenant = "acme"
who = "user:eva"
resource = "dataset:tickets"
acts = ["dataset.read"]
purpose = "support"
requested_by = "eva"
requested_at = "2026-11-27T09:00:00.000Z"
not_before = "2026-11-27T09:30:00.000Z"
expires = "2026-11-27T10:30:00.000Z"
approvals = { stan = "2026-11-27T09:10:00.000Z" }
"#;

fn main() {
    let begin = Instant::now();
    let policies = PolicySet::load().unwrap();
    println!(
        "loading and validating {} policies: {:.1} ms",
        policies.rules().len(),
        begin.elapsed().as_secs_f64() * 1e3
    );

    let directory: Directory = toml::from_str(SLICE).unwrap();
    let entities = Entities::new(directory.clone()).unwrap();
    let asked = |action| {
        let request = Request::new("user:eva".parse().unwrap(), action, "dataset:tickets".parse().unwrap(), now());
        request.for_purpose(Id::new("support").unwrap()).with_grant(Id::new("g").unwrap())
    };
    let (read, export) = (asked(Action::DatasetRead), asked(Action::DatasetExport));
    assert!(policies.decide(&read, &entities).is_allowed());
    assert!(!policies.decide(&export, &entities).is_allowed());

    report("building the entities of a request", || {
        black_box(Entities::new(black_box(&directory).clone()).unwrap());
    });
    report("a decision, allowed by a grant", || {
        let _ = black_box(policies.decide(black_box(&read), &entities));
    });
    report("a decision, denied", || {
        let _ = black_box(policies.decide(black_box(&export), &entities));
    });
}

fn now() -> cloister_access::Instant {
    "2026-11-27T10:00:00.000Z".parse().unwrap()
}

/// Prints the median and the tenth percentile of 21 runs, in microseconds each time.
fn report(what: &str, mut run: impl FnMut()) {
    const ROUND: u32 = 2000;
    let mut times: Vec<f64> = (0..21)
        .map(|_| {
            let begin = Instant::now();
            (0..ROUND).for_each(|_| run());
            begin.elapsed().as_secs_f64() * 1e6 / f64::from(ROUND)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{what}: median {:.1} us, best tenth {:.1} us", times[10], times[2]);
}
