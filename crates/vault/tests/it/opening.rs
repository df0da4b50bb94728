//! Opening from what an opening before has verified: what it reads, what it finds, and what it leaves to the full comparison.

use std::fs;
use std::path::PathBuf;

use cloister_vault::Error;
use cloister_vault::ledger::Ledger;
use cloister_vault::log::{Against, LogWriter, verify};
use cloister_vault::store::{DatasetRow, DatasetState, Opening, RowKey, Settings, Store};

use crate::places::{Place, Zcdp, add_dataset, each_database, furnish, limit, plan, request};
use crate::signer;

/// Settings under which something is kept after four entries.
fn quick(place: &Place) -> Settings {
    place.settings().keep_every(4)
}

fn thorough(place: &Place) -> Settings {
    quick(place).thorough()
}

/// What an opening found.
fn opening(settings: Settings) -> Opening {
    let store = Store::open(settings).unwrap();
    let opening = store.opening().clone();
    store.close().unwrap();
    opening
}

fn kept(place: &Place) -> PathBuf {
    place.folder.join("log.verified")
}

/// A store with rows of several kinds, one that was changed and one that was removed, with a ledger, and with an act under way.
fn written(place: &Place) -> u64 {
    let store = place.open();
    furnish(&store, &[("a", &[]), ("b", &["a.1"]), ("gone", &[])]);
    let change = request("dataset.change").on("dataset", "b");
    store
        .write(&change, |tx| {
            let row = tx.need::<DatasetRow>("b")?;
            tx.update(&DatasetRow { state: DatasetState::Quarantined, ..row })
        })
        .unwrap();
    store.write(&request("version.remove"), |tx| tx.remove::<cloister_vault::store::VersionRow>("gone.1")).unwrap();
    store.write(&request("dataset.remove"), |tx| tx.remove::<DatasetRow>("gone")).unwrap();
    let ledger = Ledger::new(&store, &Zcdp);
    let train = request("train").on("dataset", "a");
    ledger.set_limit(&train, "a", &limit(4.0)).unwrap();
    let reserved = ledger.reserve(&train, &plan("a", 20.0, 100), None).unwrap().value;
    let _under_way = store.intent(&train).unwrap();
    ledger.lease(&train, reserved.id, 50).unwrap();
    let entries = store.checkpoint().unwrap().unwrap().unverified().size;
    store.close().unwrap();
    entries
}

const TABLES: [&str; 6] = ["dataset", "dataset_version", "budget", "budget_event", "log_state", "log_entry"];

/// Keeps the tables as they are; faster than a copy of the database for every edit.
fn keep_tables(place: &Place) {
    place.sql(&TABLES.map(|table| format!("CREATE TABLE good_{table} AS SELECT * FROM {table};")).concat());
}

fn restore_tables(place: &Place) {
    let restore = |table| format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM good_{table};");
    place.sql(&TABLES.map(restore).concat());
}

#[test]
fn an_opening_goes_on_from_what_was_verified() {
    each_database(|place| {
        let size = written(place);
        // Of a short log nothing is kept.
        assert!(place.open().opening().compared == size && !kept(place).exists());
        let first = opening(quick(place));
        assert!((first.entries, first.compared) == (size, size) && kept(place).exists());
        let second = opening(quick(place));
        assert_eq!((second.entries, second.compared, second.published), (size, 0, size));
        assert_eq!((second.unmatched.len(), &second.unmatched), (1, &first.unmatched));
        assert_eq!(opening(thorough(place)).compared, size);

        // Two entries are too few to be kept anew; two more are not.
        for round in 0..2_u64 {
            let store = Store::open(quick(place)).unwrap();
            assert_eq!(store.opening().compared, 2 * round);
            for name in ["x", "y"] {
                add_dataset(&store, &format!("{name}{round}"), &[]).unwrap();
            }
            store.close().unwrap();
        }
        assert_eq!((opening(quick(place)).compared, opening(quick(place)).compared), (4, 0));

        // A store that was opened so does what any does: its ledger goes on, its log is whole, its acts under way end.
        let store = Store::open(quick(place)).unwrap();
        let ledger = Ledger::new(&store, &Zcdp);
        let asked = request("train").on("dataset", "a");
        assert_eq!(ledger.standing("a", None).unwrap().mechanisms[0].steps, 100);
        assert!(matches!(ledger.reserve(&asked, &plan("a", 20.0, 1000), None), Err(Error::OverBudget { .. })));
        let reserved = ledger.reserve(&asked, &plan("a", 20.0, 10), None).unwrap().value;
        ledger.lease(&asked, reserved.id, 10).unwrap();
        ledger.commit(&asked, reserved.id).unwrap();
        store.close().unwrap();
        let report = verify(&place.log(), &place.key(), &Against { entries: true, ..Against::default() });
        assert!(report.is_intact() && report.checkpoint.unwrap().size == size + 8, "{:?}", report.findings);
        let (quick, full) = (opening(quick(place)), opening(thorough(place)));
        assert_eq!((quick.entries, quick.compared), (size + 8, 4));
        assert_eq!((full.entries, full.compared, full.unmatched), (size + 8, size + 8, quick.unmatched));
    });
}

#[test]
fn requirement_30_an_opening_from_what_was_verified_finds_what_other_hands_did() {
    each_database(|place| {
        let size = written(place);
        place.sql("CREATE TABLE kept AS SELECT * FROM dataset WHERE id = 'b'");
        opening(quick(place));
        let store = Store::open(quick(place)).unwrap();
        add_dataset(&store, "c", &[]).unwrap();
        add_dataset(&store, "d", &[]).unwrap();
        store.close().unwrap();
        assert_eq!(opening(quick(place)).compared, 2);
        keep_tables(place);
        for sql in [
            // Rows and events that old entries tell of.
            "UPDATE dataset SET purposes = 'marketing' WHERE id = 'a'",
            "DELETE FROM dataset_version WHERE id = 'b.1'",
            "DELETE FROM dataset WHERE id = 'b'; INSERT INTO dataset SELECT id, tenant, name, owner, sensitivity, purposes,
                'active', created, entry, mac FROM kept",
            "UPDATE budget_event SET steps = 1 WHERE kind = 'reserve'",
            "DELETE FROM budget_event WHERE kind = 'lease'",
            "UPDATE budget SET epsilon = '100'",
            "UPDATE log_state SET size = size - 1",
            "UPDATE log_state SET signed = NULL",
            // Newer entries.
            &format!("UPDATE log_entry SET bytes = X'7b7d' WHERE idx = {size}"),
            &format!("UPDATE log_entry SET subject = 'dataset:x' WHERE idx = {}", size + 1),
            &format!("DELETE FROM log_entry WHERE idx = {size}"),
            &format!("DELETE FROM log_entry WHERE idx >= {size}"),
            &format!("INSERT INTO log_entry (idx, id, subject, bytes) VALUES ({}, 'x', NULL, X'7b7d')", size + 2),
            &format!("INSERT INTO log_entry (idx, id, subject, bytes) VALUES ({}, 'x', NULL, X'7b7d')", size + 9),
        ] {
            restore_tables(place);
            place.sql(sql);
            let [quick, full] = [quick(place), thorough(place)].map(|settings| Store::open(settings).err());
            // With the words of the full comparison.
            assert!(full.is_some() && format!("{quick:?}") == format!("{full:?}"), "{sql}: {quick:?} {full:?}");
        }
        // Entries that were read before are not read again: what was done to them the full comparison finds, and the files of the
        // log have them as they were.
        for sql in [
            "UPDATE log_entry SET bytes = X'7b7d' WHERE idx = 2",
            "UPDATE log_entry SET subject = 'dataset:x' WHERE idx = 1",
            "DELETE FROM log_entry WHERE idx = 0",
        ] {
            restore_tables(place);
            place.sql(sql);
            assert_eq!(opening(quick(place)).compared, 2, "{sql}");
            assert!(matches!(Store::open(thorough(place)), Err(Error::LogRow { .. })), "{sql}");
            // ... also once nothing is kept any more.
            let bytes = fs::read(kept(place)).unwrap();
            fs::remove_file(kept(place)).unwrap();
            assert!(matches!(Store::open(quick(place)), Err(Error::LogRow { .. })), "{sql}");
            fs::write(kept(place), bytes).unwrap();
            assert!(verify(&place.log(), &place.key(), &Against::default()).is_intact());
        }
        restore_tables(place);
        assert_eq!((opening(quick(place)).compared, opening(thorough(place)).compared), (2, size + 2));
    });
}

#[test]
fn requirement_30_what_was_verified_tells_of_a_restored_database() {
    each_database(|place| {
        let size = written(place);
        let before = place.back_up();
        let store = Store::open(quick(place)).unwrap();
        add_dataset(&store, "c", &[]).unwrap();
        let seen = store.checkpoint().unwrap().unwrap();
        store.close().unwrap();
        fs::remove_file(kept(place)).unwrap();
        assert_eq!(opening(quick(place)).compared, size + 1);
        let newest = fs::read(kept(place)).unwrap();
        // Yesterday's database and yesterday's files: what was verified says that there was more.
        place.restore_database(&before);
        place.restore_log(&before);
        fs::write(kept(place), &newest).unwrap();
        for settings in [quick(place), thorough(place)] {
            let refused = Store::open(settings).err();
            assert!(matches!(refused, Some(Error::NotAppendOnly { .. })), "{refused:?}");
        }
        // ... and that it was another, once somebody has written on. Without it nothing in the house tells.
        fs::remove_file(kept(place)).unwrap();
        let store = place.open();
        for name in ["d", "e", "f"] {
            add_dataset(&store, name, &[]).unwrap();
        }
        store.close().unwrap();
        fs::write(kept(place), &newest).unwrap();
        for settings in [quick(place), thorough(place)] {
            let refused = Store::open(settings).err();
            assert!(matches!(refused, Some(Error::NotAppendOnly { .. })), "{refused:?}");
        }
        fs::remove_file(kept(place)).unwrap();
        assert!(matches!(Store::open(quick(place).seen(seen)), Err(Error::NotAppendOnly { .. })));
    });
}

#[test]
fn an_older_checkpoint_is_compared_with_the_files_of_the_log() {
    each_database(|place| {
        let store = place.open();
        furnish(&store, &[("a", &[])]);
        let seen = store.checkpoint().unwrap().unwrap();
        store.close().unwrap();
        let size = {
            let store = place.open();
            for number in 0..7 {
                add_dataset(&store, &format!("d{number}"), &[]).unwrap();
            }
            store.close().unwrap();
            opening(quick(place)).entries
        };
        let found = opening(quick(place).seen(seen.clone()));
        assert_eq!((found.entries, found.compared), (size, 0));
        // Another history of that length, signed by the same key.
        let folder = tempfile::tempdir().unwrap();
        let entries = vec!["other"; seen.unverified().size as usize];
        let other = LogWriter::open(folder.path(), place.signer(), None).unwrap().publish(&entries).unwrap();
        let refused = Store::open(quick(place).seen(other)).err();
        assert!(matches!(refused, Some(Error::NotAppendOnly { .. })), "{refused:?}");
        // Where the files do not prove it, all is read.
        let tile = place.log().join("tile/0/000.p").join(size.to_string());
        let good = fs::read(&tile).unwrap();
        let mut changed = good.clone();
        changed[0] ^= 1;
        fs::write(&tile, changed).unwrap();
        let full = Store::open(quick(place).seen(seen.clone())).map(|store| store.opening().compared);
        assert_eq!(full.unwrap(), size);
        fs::write(&tile, good).unwrap();
        assert_eq!(opening(quick(place).seen(seen)).compared, 0);
    });
}

#[test]
fn whatever_is_changed_in_what_was_kept_leads_to_the_full_comparison() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path(), None);
    let size = written(&place);
    opening(quick(&place));
    let good = fs::read(kept(&place)).unwrap();
    // What was verified does not name people or things.
    assert!(!good.windows(9).any(|window| window == b"dataset a"));
    let compared = |bytes: &[u8]| {
        fs::write(kept(&place), bytes).unwrap();
        // Nothing is kept anew.
        let store = Store::open(place.settings()).unwrap();
        store.opening().compared
    };
    assert_eq!(compared(&good), 0);
    for at in (0..good.len()).step_by(if crate::long_form() { 1 } else { 29 }) {
        let mut changed = good.clone();
        changed[at] ^= 1 << (at % 8);
        assert_eq!(compared(&changed), size, "byte {at}");
    }
    for length in [0, 1, 31, 32, 33, good.len() - 1] {
        assert_eq!(compared(&good[..length]), size, "{length} bytes");
    }
    assert_eq!(compared(&[&good[..], b" "].concat()), size);
    // That of another key is nobody's.
    fs::write(kept(&place), &good).unwrap();
    let other = Settings::new(place.database(), place.log(), place.signer(), RowKey::random().unwrap());
    assert!(matches!(Store::open(other), Err(Error::Row { .. })));
    let other = Settings::new(place.database(), place.log(), signer("example.com/log"), Place::rows());
    assert!(matches!(Store::open(other), Err(Error::Unsigned)));
    // Who only reads keeps nothing, and may use what is kept.
    fs::remove_file(kept(&place)).unwrap();
    let reading = || Settings::read_only(place.database(), place.log(), place.key(), Place::rows()).keep_every(1);
    assert_eq!(Store::open(reading()).unwrap().opening().compared, size);
    assert!(!kept(&place).exists());
    fs::write(kept(&place), &good).unwrap();
    assert_eq!(Store::open(reading()).unwrap().opening().compared, 0);
}
