//! The privacy ledger: what is refused, what counts, and that nothing gives a budget back.

use std::collections::BTreeMap;

use cloister_vault::Error;
use cloister_vault::ledger::{self, Accountant as _, Ledger, Limit, Mechanism, Plan, ReservationState, Unit};
use cloister_vault::log::LogReader;
use cloister_vault::log::entry::{Entry, Fact, Outcome, Ulid};
use cloister_vault::store::{DatasetRow, Store};

use crate::places::{
    Other, Place, Zcdp, add_dataset, decimal, each_database, furnish, limit, plan, request, tell, version,
};

fn set_limit(store: &Store, dataset: &str, limit: &Limit) {
    let request = request("budget.limit").on("dataset", dataset);
    Ledger::new(store, &Zcdp).set_limit(&request, dataset, limit).unwrap();
}

fn reserve(store: &Store, plan: &Plan) -> cloister_vault::Result<Ulid> {
    let receipt = Ledger::new(store, &Zcdp).reserve(&request("budget.reserve"), plan, None)?;
    Ok(receipt.value.id)
}

fn spent(store: &Store, dataset: &str) -> f64 {
    Ledger::new(store, &Zcdp).standing(dataset, None).unwrap().epsilon.unwrap().get()
}

fn epsilon(sigma: f64, steps: u64) -> f64 {
    Zcdp.epsilon(&[Mechanism { q: 1.0, sigma, steps }], 1e-5).unwrap()
}

#[test]
fn a_reservation_lives_as_it_should() {
    each_database(|place| {
        let store = place.open();
        furnish(&store, &[("a", &[])]);
        let ledger = Ledger::new(&store, &Zcdp);
        let asked = request("train").on("dataset", "a");
        assert!(matches!(reserve(&store, &plan("a", 20.0, 100)), Err(Error::NoLimit { dataset }) if dataset == "a"));
        assert!(matches!(reserve(&store, &plan("nothing", 20.0, 1)), Err(Error::NoRow { .. })));
        set_limit(&store, "a", &limit(4.0));
        let first = ledger.reserve(&asked, &plan("a", 20.0, 100), None).unwrap().value;
        assert_eq!((first.charged, first.leased, first.state), (100, 0, ReservationState::Open));
        assert_eq!(ledger.standing("a", None).unwrap().epsilon, Some(decimal(epsilon(20.0, 100))));
        // Blocks of steps, none beyond what was reserved.
        for block in 0..2 {
            let lease = ledger.lease(&asked, first.id, 30).unwrap().value;
            assert_eq!((lease.first, lease.steps), (30 * block, 30));
        }
        for steps in [0, 41, u64::MAX] {
            assert!(matches!(ledger.lease(&asked, first.id, steps), Err(Error::Reservation { .. })), "{steps}");
        }
        // Whoever is stopped here has spent all that was reserved, until somebody ends it.
        assert_eq!(spent(&store, "a"), epsilon(20.0, 100));
        assert!(matches!(ledger.release(&asked, first.id), Err(Error::Reservation { .. })));
        let ended = ledger.commit(&asked, first.id).unwrap().value;
        assert_eq!((ended.charged, ended.leased, ended.state), (60, 60, ReservationState::Committed));
        assert_eq!(spent(&store, "a"), epsilon(20.0, 60));
        // What is ended stays so.
        assert!(ledger.commit(&asked, first.id).is_err() && ledger.release(&asked, first.id).is_err());
        assert!(ledger.lease(&asked, first.id, 1).is_err());
        // Nothing was leased: it can be given back.
        let second = ledger.reserve(&asked, &plan("a", 20.0, 10), None).unwrap().value.id;
        assert_eq!(spent(&store, "a"), epsilon(20.0, 70));
        assert_eq!(ledger.release(&asked, second).unwrap().value.state, ReservationState::Released);
        assert_eq!(spent(&store, "a"), epsilon(20.0, 60));
        assert_eq!(ledger.reservation(second).unwrap().charged, 0);
        // Steps that are run again after a stop are leased again: a new reservation, charged beside the first.
        let again = reserve(&store, &plan("a", 20.0, 30)).unwrap();
        ledger.lease(&asked, again, 30).unwrap();
        assert_eq!(spent(&store, "a"), epsilon(20.0, 90));
        assert!(matches!(ledger.reservation(Ulid::from_parts(1, 1)), Err(Error::Reservation { .. })));
        store.close().unwrap();
        let store = place.open();
        assert_eq!(spent(&store, "a"), epsilon(20.0, 90));
        assert_eq!(Ledger::new(&store, &Zcdp).reservation(first.id).unwrap().state, ReservationState::Committed);
    });
}

#[test]
fn a_refusal_tells_the_most_steps_that_fit_and_is_in_the_log() {
    each_database(|place| {
        let store = place.open();
        furnish(&store, &[("a", &[])]);
        set_limit(&store, "a", &limit(3.0));
        reserve(&store, &plan("a", 30.0, 50)).unwrap();
        let Err(Error::OverBudget { dataset, steps, spent, would, limit, largest }) =
            reserve(&store, &plan("a", 10.0, 1000))
        else {
            panic!("it was not refused")
        };
        assert_eq!((dataset.as_str(), steps, limit.as_str()), ("a", 1000, "3"));
        // Told with four decimals, never below what it is.
        let above = spent.parse::<f64>().unwrap() - epsilon(30.0, 50);
        assert!((0.0..1e-4).contains(&above) && spent.len() <= 6, "{spent}");
        assert!(would.parse::<f64>().unwrap() > 3.0);
        assert!((1..1000).contains(&largest));
        assert!(matches!(reserve(&store, &plan("a", 10.0, largest + 1)), Err(Error::OverBudget { .. })));
        reserve(&store, &plan("a", 10.0, largest)).unwrap();
        assert!(matches!(reserve(&store, &plan("a", 10.0, 1)), Err(Error::OverBudget { largest: 0, .. })));
        // The policy's limit binds where it is stricter, in each respect.
        let ledger = Ledger::new(&store, &Zcdp);
        let refused = |plan: &Plan, cap: &Limit| ledger.reserve(&request("budget.reserve"), plan, Some(cap)).err();
        furnish_more(&store, "b");
        set_limit(&store, "b", &crate::places::limit(3.0));
        let cap = crate::places::limit(1.0);
        assert!(matches!(refused(&plan("b", 10.0, 50), &cap), Some(Error::OverBudget { limit, .. }) if limit == "1"));
        let strict = Limit { unit: Unit::Subject, ..crate::places::limit(9.0) };
        assert!(matches!(refused(&plan("b", 10.0, 1), &strict), Some(Error::Plan { .. })));
        let strict = Limit { delta: decimal(1e-9), ..crate::places::limit(9.0) };
        assert!(matches!(refused(&plan("b", 10.0, 1), &strict), Some(Error::Plan { .. })));
        assert!(refused(&plan("b", 10.0, 1), &crate::places::limit(9.0)).is_none());
        store.flush().unwrap();
        let log = LogReader::open(&place.log(), &place.key()).unwrap();
        let outcome = |index| Entry::parse(&log.entry(index).unwrap()).unwrap().result;
        let denied = (0..log.checkpoint().size).filter(|index| outcome(*index) == Some(Outcome::Denied)).count();
        assert_eq!(denied, 6);
    });
}

fn furnish_more(store: &Store, dataset: &str) {
    add_dataset(store, dataset, &[]).unwrap();
}

#[test]
fn a_plan_that_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Place::new(folder.path(), None).open();
    furnish(&store, &[("a", &[])]);
    set_limit(&store, "a", &limit(3.0));
    let good = plan("a", 10.0, 1);
    for bad in [
        Plan { q: decimal(0.0), ..good.clone() },
        Plan { q: decimal(1.1), ..good.clone() },
        Plan { sigma: decimal(0.0), ..good.clone() },
        Plan { steps: 0, ..good.clone() },
        Plan { steps: u64::MAX, ..good.clone() },
        Plan { delta: decimal(1.0), ..good.clone() },
        Plan { delta: decimal(1e-4), ..good.clone() },
    ] {
        assert!(matches!(reserve(&store, &bad), Err(Error::Plan { .. })), "{bad:?}");
    }
    // An accountant that fails, or says what no epsilon is, refuses.
    struct Says(f64);
    impl ledger::Accountant for Says {
        fn name(&self) -> &str {
            "says"
        }
        fn epsilon(&self, _: &[Mechanism], _: f64) -> cloister_vault::Result<f64> {
            Ok(self.0)
        }
    }
    for said in [f64::NAN, f64::INFINITY, -1.0, f64::NEG_INFINITY] {
        let accountant = Says(said);
        let refused = Ledger::new(&store, &accountant).reserve(&request("x"), &good, None);
        assert!(matches!(refused, Err(Error::Accountant { .. })), "{said}");
    }
    let sampled = Plan { q: decimal(0.5), ..good.clone() };
    assert!(matches!(reserve(&store, &sampled), Err(Error::Accountant { .. })));
    // Two events of the ledger in one entry would be one too many for it.
    let twice = store.write(&request("x"), |tx| {
        ledger::reserve(tx, &good, None, &Zcdp)?;
        ledger::reserve(tx, &good, None, &Zcdp)
    });
    assert!(matches!(twice, Err(Error::Malformed { .. })));
    let Limit { unit, epsilon, .. } = limit(1.0);
    let bad = Limit { unit, epsilon, delta: decimal(1.0) };
    assert!(matches!(Ledger::new(&store, &Zcdp).set_limit(&request("x"), "a", &bad), Err(Error::Plan { .. })));
    assert_eq!(spent(&store, "a"), 0.0);
}

#[test]
fn making_a_dataset_into_another_gives_no_new_budget() {
    each_database(|place| {
        let store = place.open();
        furnish(&store, &[("raw", &[]), ("safe", &["raw.1"]), ("half", &["raw.1"]), ("mix", &["safe.1", "half.1"])]);
        add_dataset(&store, "other", &[]).unwrap();
        set_limit(&store, "raw", &limit(4.0));
        set_limit(&store, "other", &limit(4.0));
        // Brothers: neither is made from the other, and both hold records of their parent.
        reserve(&store, &plan("safe", 20.0, 60)).unwrap();
        assert_eq!((spent(&store, "raw"), spent(&store, "other")), (epsilon(20.0, 60), 0.0));
        reserve(&store, &plan("half", 20.0, 60)).unwrap();
        assert_eq!(spent(&store, "raw"), epsilon(20.0, 120));
        let refused = reserve(&store, &plan("mix", 20.0, 200));
        let Err(Error::OverBudget { dataset, largest, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(dataset, "raw");
        reserve(&store, &plan("mix", 20.0, largest)).unwrap();
        for dataset in ["raw", "safe", "half", "mix"] {
            assert!(matches!(reserve(&store, &plan(dataset, 20.0, 1)), Err(Error::OverBudget { .. })), "{dataset}");
        }
        // A descendant made later begins where its ancestors stand; so does a later version.
        add_dataset(&store, "late", &["mix.1"]).unwrap();
        assert!(matches!(reserve(&store, &plan("late", 20.0, 1)), Err(Error::OverBudget { .. })));
        let created = store.get::<DatasetRow>("raw").unwrap().unwrap().created;
        store.write(&request("version"), |tx| tx.insert(&version("raw", 2, &["raw.1"], created))).unwrap();
        let second = Plan { version: "raw.2".into(), ..plan("raw", 20.0, 1) };
        assert!(matches!(reserve(&store, &second), Err(Error::OverBudget { .. })));
        // A limit of a descendant binds beside that of its ancestor.
        set_limit(&store, "raw", &limit(50.0));
        set_limit(&store, "late", &limit(4.1));
        let refused = reserve(&store, &plan("raw", 20.0, 200));
        assert!(matches!(refused, Err(Error::OverBudget { ref dataset, .. }) if dataset == "late"), "{refused:?}");
        // What hides subjects hides records, and not the other way round.
        let subjects = Plan { unit: Unit::Subject, ..plan("other", 20.0, 5) };
        reserve(&store, &subjects).unwrap();
        assert_eq!(spent(&store, "other"), epsilon(20.0, 5));
        set_limit(&store, "other", &Limit { unit: Unit::Subject, ..limit(4.0) });
        reserve(&store, &subjects).unwrap();
        assert!(matches!(reserve(&store, &plan("other", 20.0, 5)), Err(Error::Plan { .. })));
        store.close().unwrap();
        assert!(matches!(reserve(&place.open(), &plan("half", 20.0, 90)), Err(Error::OverBudget { .. })));
    });
}

/// What the log tells of a dataset's budget, entry by entry: the epsilon after each, by the facts alone.
fn course(place: &Place, dataset: &str) -> Vec<f64> {
    let log = LogReader::open(&place.log(), &place.key()).unwrap();
    let mut charged: BTreeMap<String, (f64, u64, u64)> = BTreeMap::new();
    let mut course = Vec::new();
    for index in 0..log.checkpoint().size {
        let entry = Entry::parse(&log.entry(index).unwrap()).unwrap();
        assert_eq!(entry.seq, index);
        let text = |name: &str| match entry.facts.get(&format!("budget.{name}")) {
            Some(Fact::Text(text)) => text.clone(),
            _ => String::new(),
        };
        if text("dataset") != dataset || entry.result != Some(Outcome::Ok) {
            continue;
        }
        let Some(Fact::Number(steps)) = entry.facts.get("budget.steps") else { panic!("no steps in entry {index}") };
        let sigma: f64 = text("sigma").parse().unwrap();
        let (_, reserved, leased) = charged.entry(text("reservation")).or_insert((sigma, 0, 0));
        match text("kind").as_str() {
            "reserve" => *reserved = *steps,
            "lease" => *leased += *steps,
            "commit" => {
                assert_eq!(leased, steps);
                *reserved = *steps;
            }
            "release" => *reserved = 0,
            kind => panic!("{kind}"),
        }
        let all: Vec<Mechanism> = charged
            .values()
            .map(|(sigma, reserved, _)| Mechanism { q: 1.0, sigma: *sigma, steps: *reserved })
            .collect();
        course.push(Zcdp.epsilon(&all, 1e-5).unwrap());
    }
    course
}

const LIMIT: f64 = 4.0;

/// Spends until no more is to be had, in plans of its own.
fn spend_all(store: &Store, seed: u64) -> u64 {
    let ledger = Ledger::new(store, &Zcdp);
    let asked = request("train").on("dataset", "a");
    let mut had = 0;
    for round in 0.. {
        let number = seed.wrapping_mul(2_654_435_761).wrapping_add(round * 40_503) % 97;
        let wanted = plan("a", 15.0 + (number % 5) as f64, 1 + number % 7);
        let reservation = match ledger.reserve(&asked, &wanted, None) {
            Ok(receipt) => receipt.value,
            Err(Error::OverBudget { largest: 0, .. }) => break,
            Err(Error::OverBudget { largest, .. }) => {
                // Perhaps others have taken it meanwhile.
                match ledger.reserve(&asked, &Plan { steps: largest, ..wanted }, None) {
                    Ok(receipt) => receipt.value,
                    Err(Error::OverBudget { .. }) => continue,
                    Err(error) => panic!("{error:?}"),
                }
            }
            Err(error) => panic!("{error:?}"),
        };
        had += 1;
        if number.is_multiple_of(11) {
            ledger.release(&asked, reservation.id).unwrap();
        } else if number.is_multiple_of(4) {
            ledger.lease(&asked, reservation.id, 1).unwrap();
            ledger.commit(&asked, reservation.id).unwrap();
        } else {
            ledger.lease(&asked, reservation.id, reservation.plan.steps).unwrap();
        }
    }
    had
}

/// The role of a process that spends.
pub(crate) fn spend(place: &Place) {
    let seed = std::env::var("CLOISTER_CHILD_SEED").unwrap().parse().unwrap();
    let store = place.open();
    let had = spend_all(&store, seed);
    store.close().unwrap();
    tell(&format!("had {had}"));
}

fn never_passed(place: &Place) {
    let course = course(place, "a");
    assert!(course.len() > 20, "{}", course.len());
    assert!(course.iter().all(|epsilon| *epsilon <= LIMIT), "{course:?}");
    // It was used up, not just held.
    assert!(course.last().unwrap() > &(LIMIT * 0.9), "{course:?}");
    let store = place.open();
    assert!(spent(&store, "a") <= LIMIT);
    assert!((spent(&store, "a") - course.last().unwrap()).abs() < 1e-9);
}

#[test]
fn requirement_34_reservations_of_32_threads_never_pass_the_limit() {
    each_database(|place| {
        let store = place.open();
        furnish(&store, &[("a", &[])]);
        set_limit(&store, "a", &limit(LIMIT));
        std::thread::scope(|scope| {
            for seed in 0..32 {
                let store = &store;
                scope.spawn(move || spend_all(store, seed));
            }
        });
        store.close().unwrap();
        never_passed(place);
    });
}

#[test]
fn requirement_34_reservations_of_32_processes_never_pass_the_limit() {
    each_database(|place| {
        let store = place.open();
        furnish(&store, &[("a", &[])]);
        set_limit(&store, "a", &limit(LIMIT));
        drop(store);
        let others: Vec<Other> = (0..32)
            .map(|seed: u64| Other::start(place, "spend", &[("CLOISTER_CHILD_SEED", seed.to_string())]))
            .collect();
        let said: Vec<String> = others.into_iter().flat_map(Other::finish).collect();
        assert_eq!(said.len(), 32, "{said:?}");
        never_passed(place);
    });
}

#[test]
fn requirement_34_no_edit_and_no_backup_gives_a_budget_back() {
    each_database(|place| {
        let store = place.open();
        furnish(&store, &[("a", &[])]);
        set_limit(&store, "a", &limit(LIMIT));
        store.close().unwrap();
        let yesterday = place.back_up();
        let store = place.open();
        let id = reserve(&store, &plan("a", 20.0, 100)).unwrap();
        let ledger = Ledger::new(&store, &Zcdp);
        ledger.lease(&request("train"), id, 50).unwrap();
        let exported = store.checkpoint().unwrap().unwrap();
        store.close().unwrap();
        // The log says in decimal digits what was reserved, and these come back as the same numbers.
        let log = LogReader::open(&place.log(), &place.key()).unwrap();
        let entry = Entry::parse(&log.entry(3).unwrap()).unwrap();
        let expected = [
            ("accountant", "zcdp 1"),
            ("dataset", "a"),
            ("delta", "0.00001"),
            ("epsilon", &epsilon(20.0, 100).to_string()),
            ("kind", "reserve"),
            ("q", "1"),
            ("reservation", &id.to_string()),
            ("sigma", "20"),
            ("unit", "record"),
            ("version", "a.1"),
        ];
        for (name, text) in expected {
            assert_eq!(entry.facts[&format!("budget.{name}")], Fact::Text(text.into()));
        }
        assert_eq!((entry.facts.len(), &entry.facts["budget.steps"]), (11, &Fact::Number(100)));

        let today = place.back_up();
        for sql in [
            "DELETE FROM budget_event WHERE idx = 4",
            "DELETE FROM budget_event",
            "UPDATE budget_event SET steps = 1 WHERE idx = 3",
            "UPDATE budget_event SET sigma = '2000' WHERE idx = 3",
            "UPDATE budget_event SET dataset = 'b' WHERE idx = 3",
            "UPDATE budget_event SET kind = 'release' WHERE idx = 4",
            "UPDATE budget_event SET epsilon = NULL",
            "INSERT INTO budget_event SELECT 5, reservation, 'commit', dataset, version, unit, q, sigma, 0, delta,
                accountant, NULL FROM budget_event WHERE idx = 3",
            "UPDATE budget SET epsilon = '9'",
            "DELETE FROM budget",
        ] {
            place.restore_database(&today);
            place.sql(sql);
            let refused = Store::open(place.settings()).err();
            assert!(matches!(refused, Some(Error::Row { .. })), "{sql}: {refused:?}");
        }
        // Yesterday's database, with and without yesterday's files of the log.
        place.restore_database(&yesterday);
        assert!(matches!(Store::open(place.settings()), Err(Error::NotAppendOnly { signed: 5, size: 3, .. })));
        place.restore_log(&yesterday);
        let seen = Store::open(place.settings().seen(exported));
        assert!(matches!(seen, Err(Error::NotAppendOnly { signed: 5, size: 3, .. })));
    });
}

#[test]
fn requirement_30_events_of_the_ledger_cannot_be_changed_through_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path(), None);
    let store = place.open();
    furnish(&store, &[("a", &[])]);
    set_limit(&store, "a", &limit(LIMIT));
    reserve(&store, &plan("a", 20.0, 100)).unwrap();
    let other = rusqlite::Connection::open(place.file()).unwrap();
    for sql in [
        "UPDATE budget_event SET steps = 1",
        "DELETE FROM budget_event",
        "UPDATE log_entry SET bytes = X'00'",
        "DELETE FROM log_entry",
        "DELETE FROM approval WHERE id = (SELECT 'x' FROM log_entry)",
    ] {
        let done = other.execute_batch(sql);
        // A trigger of SQLite is one of rows; where none is concerned nothing happens.
        assert!(done.is_err() || sql.contains("approval"), "{sql}");
    }
}
