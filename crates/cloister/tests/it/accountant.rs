//! The accountant of the privacy ledger: the figures of `cloister budget epsilon`, above what any observer gets, and limits that
//! 32 callers at once do not pass, on both databases.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use cloister::accountant::LossDistributions;
use cloister_dp::Phase;
use cloister_vault::Error;
use cloister_vault::ledger::{Accountant as _, Ledger, Limit, Mechanism, Plan, Unit};
use cloister_vault::log::entry::{Actor, ActorKind, Entry, Fact, Outcome};
use cloister_vault::log::{Hash, LogReader, SignatureKind, SignerKey};
use cloister_vault::store::{
    Database, DatasetRow, DatasetState, Decimal, PrincipalKind, PrincipalRow, PrincipalState, Request, RowKey,
    Settings, Store, TenantRow, VersionRow, VersionState, Words,
};
use serde_json::Value;

use crate::database_server;
use crate::process::Place;

/// Phases (q, sigma, steps) and a delta.
type Question<'a> = (&'a [(f64, f64, u64)], f64);

const DELTA: f64 = 1e-5;
const LIMIT: f64 = 1.5;

#[test]
fn epsilon_is_what_the_command_says_for_the_same_phases() {
    let asked: [Question<'_>; 5] = [
        (&[(0.01, 1.0, 1000)], 1e-5),
        (&[(0.01, 0.9, 500), (0.05, 1.5, 200), (1.0, 30.0, 5)], 1e-6),
        (&[(0.001, 0.6, 10_000), (0.02, 0.8, 50)], 1e-6),
        (&[(1.0, 4.0, 3), (1.0, 9.0, 7)], 1e-8),
        (&[(0.5, 0.1, 10_000)], 1e-5),
    ];
    let mut lines = String::new();
    for (phases, delta) in asked {
        let phase = |(q, sigma, steps): &(f64, f64, u64)| format!(r#"{{"q":{q},"sigma":{sigma},"steps":{steps}}}"#);
        let phases: Vec<String> = phases.iter().map(phase).collect();
        writeln!(lines, r#"{{"phases":[{}],"delta":{delta}}}"#, phases.join(",")).unwrap();
    }
    let place = Place::new();
    let mut command = place.command();
    command.args(["budget", "epsilon", "--batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), asked.len());
    let accountant = LossDistributions::default();
    for ((phases, delta), answer) in asked.iter().zip(answers) {
        let mechanisms: Vec<Mechanism> =
            phases.iter().map(|&(q, sigma, steps)| Mechanism { q, sigma, steps }).collect();
        let epsilon = accountant.epsilon(&mechanisms, *delta).unwrap();
        // To the last digits: numbers in JSON are read to one unit of the last place.
        let told = answer["epsilon"].as_f64().unwrap_or(f64::INFINITY);
        assert!(told == epsilon || (told / epsilon - 1.0).abs() < 1e-14, "{phases:?}: {answer}, not {epsilon}");
    }
}

/// The tail of the standard normal: a series near zero, a continued fraction beyond (Abramowitz and Stegun 26.2.11, 26.2.14).
fn above(z: f64) -> f64 {
    let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if z < 0.0 {
        return 1.0 - above(-z);
    }
    if z > 2.5 {
        return density / (1..=80).rev().fold(z, |below, number| z + f64::from(number) / below);
    }
    let (mut term, mut sum) = (z, z);
    for number in 1..60 {
        term *= z * z / f64::from(2 * number + 1);
        sum += term;
    }
    0.5 - density * sum
}

/// Probabilities of every number of times that a unit takes part.
fn binomial(steps: u64, q: f64) -> Vec<f64> {
    let mut masses = vec![1.0];
    for _ in 0..steps {
        let mut next = vec![0.0; masses.len() + 1];
        for (number, mass) in masses.iter().enumerate() {
            next[number] += mass * (1.0 - q);
            next[number + 1] += mass * q;
        }
        masses = next;
    }
    masses
}

/// The delta at `epsilon` of an observer who adds up all outcomes, weighed by their noise, and asks whether the sum is above a
/// threshold, the best of many. The true delta is at least this: what the observer does is post-processing.
fn observed_delta(mechanisms: &[Mechanism], epsilon: f64) -> f64 {
    let variance: f64 = mechanisms.iter().map(|m| m.steps as f64 / (m.sigma * m.sigma)).sum();
    let deviation = variance.sqrt();
    // Where the unit is: its part of the sum, with the probability of that.
    let mut shifts = vec![(0.0, 1.0)];
    for mechanism in mechanisms {
        let times = binomial(mechanism.steps, mechanism.q);
        let per_time = 1.0 / (mechanism.sigma * mechanism.sigma);
        let with = |(shift, mass): &(f64, f64)| -> Vec<(f64, f64)> {
            let (shift, mass) = (*shift, *mass);
            let each = times.iter().enumerate().filter(|(_, part)| **part > 1e-15);
            each.map(|(number, part)| (shift + number as f64 * per_time, mass * part)).collect()
        };
        shifts = shifts.iter().flat_map(with).collect();
    }
    let delta = |threshold: f64| {
        let with: f64 = shifts.iter().map(|(shift, mass)| mass * above((threshold - shift) / deviation)).sum();
        with - epsilon.exp() * above(threshold / deviation)
    };
    (0..300).map(|step| delta(deviation * 0.03 * f64::from(step))).fold(0.0, f64::max)
}

#[test]
fn no_epsilon_lies_below_what_an_observer_gets() {
    let accountant = LossDistributions::default();
    let of = |q, sigma, steps| Mechanism { q, sigma, steps };
    let runs: [&[Mechanism]; 4] = [
        &[of(0.2, 1.5, 30), of(0.1, 1.0, 20)],
        &[of(0.5, 4.0, 40), of(1.0, 6.0, 5), of(0.3, 2.0, 8)],
        &[of(0.1, 0.8, 20), of(0.2, 0.9, 10)],
        &[of(1.0, 5.0, 10), of(1.0, 3.0, 2)],
    ];
    for run in runs {
        let epsilon = accountant.epsilon(run, DELTA).unwrap();
        let least = observed_delta(run, epsilon);
        assert!(least <= DELTA * (1.0 + 1e-6), "{run:?}: delta is at least {least:e} at {epsilon}");
        // The observer is no fool: well below, delta is passed for certain.
        assert!(observed_delta(run, 0.6 * epsilon) > DELTA, "{run:?}: {epsilon}");
    }
}

fn request(act: &str) -> Request {
    let actor = Actor { auth: "test".into(), id: "u1".into(), mfa_age: None, session_h: None, kind: ActorKind::User };
    Request::new(act, actor).on("dataset", "d")
}

fn decimal(number: f64) -> Decimal {
    Decimal::new(number).unwrap()
}

/// A tenant, a person, and one dataset with one version.
fn furnish(store: &Store) {
    store
        .write(&request("init"), |tx| {
            let (created, name, tenant) = (tx.now(), String::from("x"), String::from("t"));
            let (preset, four_eyes, ring) = (String::from("minimal"), false, 0);
            tx.insert(&TenantRow { id: tenant.clone(), name: name.clone(), preset, four_eyes, ring, created })?;
            tx.insert(&PrincipalRow {
                id: "u1".into(),
                tenant: tenant.clone(),
                name: name.clone(),
                kind: PrincipalKind::User,
                roles: Words::default(),
                state: PrincipalState::Active,
                slot: None,
                created,
            })?;
            tx.insert(&DatasetRow {
                id: "d".into(),
                tenant,
                name,
                owner: "u1".into(),
                sensitivity: "high".into(),
                purposes: Words::default(),
                state: DatasetState::Active,
                created,
            })?;
            tx.insert(&VersionRow {
                id: "d.1".into(),
                dataset: "d".into(),
                number: 1,
                root: Hash::from_bytes([0; 32]),
                parents: Words::default(),
                records: 1,
                state: VersionState::Whole,
                created,
            })
        })
        .unwrap();
}

/// Reserves, leases and commits in plans of its own, until nothing is left.
fn spend(store: &Store, accountant: &LossDistributions, seed: u64) {
    let ledger = Ledger::new(store, accountant);
    for round in 0..4 {
        let number = (seed * 7 + round * 13) % 40;
        let mut plan = Plan {
            version: "d.1".into(),
            unit: Unit::Record,
            q: decimal(0.05),
            sigma: decimal(4.0 + (seed % 3) as f64),
            steps: 20 + number,
            delta: decimal(DELTA),
        };
        let mut reserved = ledger.reserve(&request("train"), &plan, None);
        if let Err(Error::OverBudget { largest, .. }) = reserved {
            if largest == 0 {
                return;
            }
            // Perhaps others have taken it meanwhile.
            plan.steps = largest;
            reserved = ledger.reserve(&request("train"), &plan, None);
        }
        match reserved {
            Err(Error::OverBudget { .. }) => {}
            Err(error) => panic!("{error:?}"),
            Ok(receipt) => {
                ledger.lease(&request("train"), receipt.value.id, plan.steps.div_ceil(2)).unwrap();
                if number.is_multiple_of(4) {
                    ledger.commit(&request("train"), receipt.value.id).unwrap();
                }
            }
        }
    }
}

/// The epsilon after every event of the ledger, from the facts of the log alone.
fn course(log: &LogReader) -> Vec<f64> {
    let mut charged: BTreeMap<String, Phase> = BTreeMap::new();
    let mut course = Vec::new();
    for index in 0..log.checkpoint().size {
        let entry = Entry::parse(&log.entry(index).unwrap()).unwrap();
        let text = |name: &str| match entry.facts.get(&format!("budget.{name}")) {
            Some(Fact::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let Some(Fact::Number(steps)) = entry.facts.get("budget.steps") else { continue };
        assert_eq!(entry.result, Some(Outcome::Ok));
        let [q, sigma] = ["q", "sigma"].map(|name| text(name).parse().unwrap());
        match text("kind").as_str() {
            "reserve" | "commit" => drop(charged.insert(text("reservation"), Phase { q, sigma, steps: *steps })),
            kind => assert_eq!(kind, "lease"),
        }
        let phases: Vec<Phase> = charged.values().copied().collect();
        course.push(cloister_dp::accountant::epsilon(&phases, DELTA).unwrap().epsilon);
    }
    course
}

fn never_passed(database: Database, folder: &Path) {
    let signer = SignerKey::generate("example.com/log", SignatureKind::Ed25519).unwrap();
    let key = signer.verifier().clone();
    let log = folder.join("log");
    let store = Store::open(Settings::new(database, log.clone(), signer, RowKey::random().unwrap())).unwrap();
    furnish(&store);
    let accountant = LossDistributions::default();
    let limit = Limit { unit: Unit::Record, epsilon: decimal(LIMIT), delta: decimal(DELTA) };
    Ledger::new(&store, &accountant).set_limit(&request("budget.limit"), "d", &limit).unwrap();
    std::thread::scope(|scope| {
        for seed in 0..32 {
            let (store, accountant) = (&store, &accountant);
            scope.spawn(move || spend(store, accountant, seed));
        }
    });
    let standing = Ledger::new(&store, &accountant).standing("d", None).unwrap();
    store.close().unwrap();
    let course = course(&LogReader::open(&log, &key).unwrap());
    assert!(course.len() > 40, "{}", course.len());
    assert!(course.iter().all(|epsilon| *epsilon <= LIMIT + 1e-9), "{course:?}");
    // It was used up, not just held.
    let last = *course.last().unwrap();
    assert!(last > 0.9 * LIMIT && (standing.epsilon.unwrap().get() - last).abs() < 1e-9, "{last} {standing:?}");
}

#[test]
fn requirement_34_the_limit_holds_at_every_prefix_under_the_accountant_of_the_product() {
    let folder = tempfile::tempdir().unwrap();
    never_passed(Database::Sqlite(folder.path().join("vault.db")), folder.path());
    #[cfg(feature = "postgres")]
    if let Some(server) = database_server::Server::find() {
        let folder = tempfile::tempdir().unwrap();
        never_passed(Database::Postgres(server.new_database()), folder.path());
    }
    #[cfg(not(feature = "postgres"))]
    database_server::missing("PostgreSQL: the feature `postgres` is off");
}
