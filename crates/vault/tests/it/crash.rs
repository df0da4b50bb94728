//! `kill -9` at every step: nothing is done without an entry, indices have no gap, the ledger is the fold of the log.
//!
//! `CLOISTER_KILLS` rounds (22) for each database.

use std::sync::atomic::{AtomicU64, Ordering};

use cloister_vault::ledger::Ledger;
use cloister_vault::log::entry::{Entry, Instant, Outcome, Ulid};
use cloister_vault::log::{Against, LogReader, SignedCheckpoint, verify};
use cloister_vault::store::{Store, TenantRow};

use crate::places::{Other, Place, Zcdp, add_dataset, each_database, furnish, limit, plan, request, tell};

/// The places where a process is killed, by their number: what the step is called, and how often it surely comes in one run.
const FAILPOINTS: [(&str, u64); 11] = [
    ("Begin", 6),
    ("Change", 12),
    ("Entries", 6),
    ("Sign", 6),
    ("Commit", 6),
    ("Committed", 6),
    ("Publish(Tile(", 2),
    ("Publish(Sign", 1),
    ("Publish(Checkpoint", 1),
    ("Publish(Prune", 1),
    ("Published", 1),
];

/// The role of the process that is killed: opens the store and does some of everything, from several threads. It says what it
/// was told to be done, and waits to be killed at the step that it was given, when that comes for the given time.
pub(crate) fn work(place: &Place) {
    let at = std::env::var("CLOISTER_CHILD_AT").unwrap();
    let times: u64 = std::env::var("CLOISTER_CHILD_TIMES").unwrap().parse().unwrap();
    let seen = AtomicU64::new(0);
    let settings = place.settings().observed(move |step| {
        let name = format!("{step:?}");
        // `Commit` is not `Committed`.
        let same =
            name.strip_prefix(&at).is_some_and(|rest| at.ends_with('(') || !rest.starts_with(char::is_alphabetic));
        if same && seen.fetch_add(1, Ordering::SeqCst) == times {
            tell(&format!("at {name}"));
            // Other threads go on meanwhile, as they would.
            std::thread::sleep(std::time::Duration::from_secs(600));
        }
        Ok(())
    });
    let store = Store::open(settings).unwrap();
    if store.get::<TenantRow>("t").unwrap().is_none() {
        furnish(&store, &[]);
    }
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| some_of_everything(&store));
        }
    });
    store.close().unwrap();
    tell("not stopped");
}

/// A process that waits to be killed.
fn start(place: &Place, at: &str, times: u64) -> Other {
    Other::start(place, "work", &[("CLOISTER_CHILD_AT", at.into()), ("CLOISTER_CHILD_TIMES", times.to_string())])
}

fn some_of_everything(store: &Store) {
    let dataset = Ulid::fresh(Instant::now().unwrap()).unwrap().to_string();
    let done = |index: u64| tell(&format!("done {index}"));
    done(add_dataset(store, &dataset, &[]).unwrap());
    let ledger = Ledger::new(store, &Zcdp);
    let asked = request("train").on("dataset", &dataset);
    done(ledger.set_limit(&asked, &dataset, &limit(8.0)).unwrap().index);
    let reserved = ledger.reserve(&asked, &plan(&dataset, 20.0, 20), None).unwrap();
    done(reserved.index);
    let intent = store.intent(&asked).unwrap();
    done(intent.receipt().index);
    for _ in 0..2 {
        let leased = ledger.lease(&asked, reserved.value.id, 5).unwrap();
        done(leased.index);
        tell(&format!("leased {} {}", dataset, leased.value.first + 5));
    }
    done(store.outcome(intent, Outcome::Ok).unwrap().index);
    done(ledger.commit(&asked, reserved.value.id).unwrap().index);
}

fn rounds() -> u64 {
    std::env::var("CLOISTER_KILLS").map_or(22, |rounds| rounds.parse().unwrap())
}

#[test]
fn requirement_28_killed_at_every_step_nothing_is_done_without_an_entry() {
    each_database(|place| {
        furnish(&place.open(), &[]);
        let mut last: Option<SignedCheckpoint> = None;
        for round in 0..rounds() {
            let number = round as usize % FAILPOINTS.len();
            let (at, often) = FAILPOINTS[number];
            let mut other = start(place, at, (round / FAILPOINTS.len() as u64) % often);
            let mut said = Vec::new();
            while !said.last().is_some_and(|line: &String| line.starts_with("at ")) {
                said.push(other.say().unwrap_or_else(|| panic!("round {round} was not stopped at {at}: {said:?}")));
            }
            said.extend(other.kill());
            last = Some(check(place, &said, last.as_ref()));
        }
        let size = last.map_or(0, |signed| signed.unverified().size);
        eprintln!("{} kills at {} failpoints; the log has {size} entries", rounds(), FAILPOINTS.len());
    });
}

/// Checks the place after a process was stopped, and gives the checkpoint over it.
fn check(place: &Place, said: &[String], last: Option<&SignedCheckpoint>) -> SignedCheckpoint {
    let published = place.published();
    // Opening compares entries, rows and ledger with each other, and all with what was signed before.
    let settings = match last {
        Some(last) => place.settings().seen(last.clone()),
        None => place.settings(),
    };
    let store = Store::open(settings).unwrap();
    let size = store.opening().entries;
    let sizes = [last, published.as_ref()].map(|signed| signed.map_or(0, |signed| signed.unverified().size));
    assert!(sizes.iter().all(|before| *before <= size), "{sizes:?} and {size}");
    assert_eq!(place.count("SELECT count(*) FROM log_entry"), size as i64);
    assert_eq!(place.count("SELECT COALESCE(MAX(idx) + 1, 0) FROM log_entry"), size as i64);
    // What somebody was told of is there.
    let done = |line: &String| line.strip_prefix("done ").map(|index| index.parse::<u64>().unwrap());
    assert!(said.iter().filter_map(done).all(|index| index < size), "{said:?} of {size}");
    let ledger = Ledger::new(&store, &Zcdp);
    for line in said.iter().filter_map(|line| line.strip_prefix("leased ")) {
        let (dataset, leased) = line.split_once(' ').unwrap();
        let standing = ledger.standing(dataset, None).unwrap();
        assert!(standing.mechanisms[0].steps >= leased.parse().unwrap(), "{line}");
    }
    store.flush().unwrap();
    let signed = store.checkpoint().unwrap().unwrap();
    store.close().unwrap();
    let against = Against { old: last, policy: None, entries: true };
    let report = verify(&place.log(), &place.key(), &against);
    assert!(report.is_intact(), "{:?}", report.findings);
    let log = LogReader::open(&place.log(), &place.key()).unwrap();
    assert_eq!(log.signed().to_string(), signed.to_string());
    // Every dataset has its entry.
    let created = |index: &u64| Entry::parse(&log.entry(*index).unwrap()).unwrap().act == "dataset.create";
    let entries = (0..size).filter(created).count();
    assert_eq!(place.count("SELECT count(*) FROM dataset"), entries as i64);
    signed
}

#[test]
fn requirement_28_killed_while_the_schema_is_made_it_is_made_afterwards() {
    each_database(|place| {
        for number in 1..=cloister_vault::store::newest_schema() {
            for step in [format!("Migrate({number})"), format!("Migrated({number})")] {
                let mut other = start(place, &step, 0);
                assert_eq!(other.say(), Some(format!("at {step}")));
                other.kill();
            }
        }
        furnish(&place.open(), &[("a", &[])]);
        assert_eq!(place.open().opening().entries, 2);
    });
}
