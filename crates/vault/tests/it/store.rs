//! The store: what is written is there with its entry, and what other hands did to it is found.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cloister_vault::Error;
use cloister_vault::log::entry::{Entry, Fact, Instant as Moment, Outcome, Phase, Ulid};
use cloister_vault::log::merkle::leaf_hash;
use cloister_vault::log::{Against, LogReader, Note, verify};
use cloister_vault::sealed::{DataKey, Id, Kek};
use cloister_vault::store::{
    ApprovalDecision, ApprovalRow, DatasetRow, DatasetState, Detail, GrantRow, ObjectRow, PolicyRow, PolicyState,
    PrincipalRow, RowKey, RunRow, RunState, Settings, Step, Store, SubjectKeyRow, TenantRow, VersionRow, newest_schema,
};

use crate::places::{Place, actor, add_dataset, each_database, furnish, request, tenant, version};
use crate::{files_below, signer};

/// The entries of the published log.
fn entries(place: &Place, store: &Store) -> Vec<Entry> {
    store.flush().unwrap();
    let log = LogReader::open(&place.log(), &place.key()).unwrap();
    (0..log.checkpoint().size).map(|index| Entry::parse(&log.entry(index).unwrap()).unwrap()).collect()
}

fn grant(store: &Store, revision: u64) -> GrantRow {
    let expires = store.view(|view| view.need::<DatasetRow>("a")).map(|dataset| dataset.created).unwrap();
    GrantRow {
        id: "g1".into(),
        tenant: "t".into(),
        who: "u1".into(),
        resource: "dataset:a".into(),
        purpose: "support".into(),
        requested_by: "u1".into(),
        expires,
        revision,
        body: "{}".into(),
    }
}

#[test]
fn what_is_written_is_there_with_its_entry() {
    each_database(|place| {
        let store = place.open();
        assert_eq!((store.opening().entries, store.checkpoint().unwrap().is_none()), (0, true));
        furnish(&store, &[("a", &[])]);
        let mut asked = request("grant.request").on("grant", "g1").purpose("support");
        asked.facts.insert("days".into(), Fact::Number(30));
        let row = grant(&store, 0);
        let first = store.write(&asked, |tx| tx.insert(&row).map(|()| tx.index())).unwrap();
        assert_eq!((first.index, first.value), (2, 2));
        let row = GrantRow { revision: 1, ..row };
        let approved = request("grant.approve").on("grant", "g1");
        let second = store.write(&approved, |tx| tx.update(&row)).unwrap();
        // An act that is announced, and its end.
        let intent = store.intent(&request("dataset.read").on("dataset", "a")).unwrap();
        let announced = intent.receipt().clone();
        let told = store.outcome(intent, Outcome::Failed).unwrap();
        let intent = store.intent(&request("dataset.retire").on("dataset", "a")).unwrap();
        let retired = store
            .complete(intent, |tx| {
                let dataset = tx.need::<DatasetRow>("a")?;
                tx.update(&DatasetRow { state: DatasetState::Quarantined, ..dataset })
            })
            .unwrap();
        store.record(&request("export").on("dataset", "a"), Outcome::Denied).unwrap();

        assert_eq!(store.get::<GrantRow>("g1").unwrap(), Some(row.clone()));
        assert_eq!(store.list::<GrantRow>("resource", "dataset:a").unwrap(), std::slice::from_ref(&row));
        assert_eq!(store.list::<GrantRow>("resource", "dataset:b").unwrap(), []);
        assert!(matches!(store.list::<GrantRow>("1 = 1 OR resource", "a"), Err(Error::Malformed { .. })));
        assert_eq!(store.get::<DatasetRow>("a").unwrap().unwrap().state, DatasetState::Quarantined);

        let entries = entries(place, &store);
        assert_eq!(entries.len(), 9);
        assert!(entries.iter().zip(0..).all(|(entry, index)| entry.seq == index));
        assert!(entries.is_sorted_by_key(|entry| entry.t));
        assert_eq!(entries[2].facts["days"], Fact::Number(30));
        assert!(matches!(&entries[2].facts["row.access_grant.g1"], Fact::Text(mac) if mac.len() == 64));
        assert_ne!(entries[2].facts["row.access_grant.g1"], entries[3].facts["row.access_grant.g1"]);
        assert_eq!((entries[3].id, entries[3].prev_outcome), (second.id, Some(first.id)));
        assert_eq!((entries[4].phase, entries[4].req), (Phase::Intent, announced.id));
        assert_eq!((entries[5].phase, entries[5].req, entries[5].id), (Phase::Outcome, announced.id, told.id));
        assert_eq!((entries[7].result, entries[7].prev_outcome), (Some(Outcome::Ok), Some(told.id)));
        assert_eq!((entries[8].result, entries[8].prev_outcome), (Some(Outcome::Denied), Some(retired.id)));
        let _open = store.intent(&request("dataset.read").on("dataset", "a")).unwrap();
        store.close().unwrap();

        let store = place.open();
        let opening = store.opening();
        assert_eq!((opening.entries, opening.published, opening.unmatched.len()), (10, 10, 1));
        assert_eq!((opening.unmatched[0].index, opening.unmatched[0].act.as_str()), (9, "dataset.read"));
        let report = verify(&place.log(), &place.key(), &Against { entries: true, ..Against::default() });
        assert!(report.is_intact(), "{:?}", report.findings);
    });
}

#[test]
fn requirement_27_an_error_leaves_neither_change_nor_entry() {
    each_database(|place| {
        let store = place.open();
        furnish(&store, &[("a", &[])]);
        let created = store.get::<DatasetRow>("a").unwrap().unwrap().created;
        let tenant = |id: &str| tenant(id, created);
        let write = |act: &str| {
            store.write(&request(act), |tx| {
                tx.insert(&tenant("x"))?;
                match act {
                    "twice" => tx.insert(&tenant("x")),
                    "unknown parent" => tx.insert(&version("nowhere", 1, &[], created)),
                    "no row" => tx.remove::<TenantRow>("y"),
                    "no update" => tx.update(&tenant("y")),
                    "taken name" => tx.fact("row.tenant.t", Fact::Number(1)),
                    "another name" => tx.fact("budget.kind", Fact::Number(1)),
                    "too long" => tx.fact("long", Fact::Text("x".repeat(17_000))),
                    "too large" => tx.insert(&version("a", u64::MAX, &[], created)),
                    _ => unreachable!(),
                }
            })
        };
        for act in
            ["twice", "unknown parent", "no row", "no update", "taken name", "another name", "too long", "too large"]
        {
            // A reference is looked at when it is written, on both databases.
            assert!(write(act).is_err(), "{act}");
            assert_eq!(store.get::<TenantRow>("x").unwrap(), None, "{act}");
            assert_eq!(store.checkpoint().unwrap().unwrap().unverified().size, 2, "{act}");
        }
        // Triggers: what is decided stays.
        let decided = |id: &str, who: &str| ApprovalRow {
            id: id.into(),
            kind: "grant".into(),
            subject: "g1".into(),
            who: who.into(),
            decision: ApprovalDecision::Approve,
            created,
        };
        store.write(&request("approve"), |tx| tx.insert(&decided("p1", "u1"))).unwrap();
        assert!(store.write(&request("approve"), |tx| tx.insert(&decided("p2", "u1"))).is_err());
        assert!(store.write(&request("change"), |tx| tx.update(&decided("p1", "u1"))).is_err());
        assert!(store.write(&request("forget"), |tx| tx.remove::<ApprovalRow>("p1")).is_err());
        assert_eq!(store.get::<ApprovalRow>("p1").unwrap(), Some(decided("p1", "u1")));
        // A change that hides an error of the database is not done either.
        let hidden = store.write(&request("hidden"), |tx| {
            tx.insert(&tenant("h"))?;
            Ok(tx.insert(&tenant("t")).is_err())
        });
        assert!(matches!(hidden, Err(Error::Database { .. })) && store.get::<TenantRow>("h").unwrap().is_none());
        // An error of one change is not one of the others in the same commit.
        let results: Vec<bool> = std::thread::scope(|scope| {
            let work = |number: usize| {
                let (store, tenant) = (&store, &tenant);
                scope.spawn(move || {
                    let change = |tx: &mut cloister_vault::store::Tx<'_>| {
                        tx.insert(&tenant(&number.to_string()))?;
                        if number.is_multiple_of(3) { tx.insert(&tenant("t")) } else { Ok(()) }
                    };
                    store.write(&request("tenant.create"), change).is_ok()
                })
            };
            let threads: Vec<_> = (0..30).map(work).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (number, ok) in results.iter().enumerate() {
            assert_eq!(*ok, !number.is_multiple_of(3));
            assert_eq!(store.get::<TenantRow>(&number.to_string()).unwrap().is_some(), *ok, "{number}");
        }
        assert_eq!(store.checkpoint().unwrap().unwrap().unverified().size, 3 + 20);
        drop(store);
        assert_eq!(place.open().opening().entries, 23);
    });
}

#[test]
fn requirement_27_without_the_signer_nothing_is_done() {
    each_database(|place| {
        let store = place.open();
        furnish(&store, &[]);
        store.forget_signer();
        assert!(matches!(add_dataset(&store, "a", &[]), Err(Error::NoSigner)));
        assert!(matches!(store.intent(&request("dataset.read")), Err(Error::NoSigner)));
        assert_eq!(store.get::<DatasetRow>("a").unwrap(), None);
        drop(store);
        let settings = Settings::read_only(place.database(), place.log(), place.key(), Place::rows());
        let reading = Store::open(settings).unwrap();
        assert_eq!(reading.opening().entries, 1);
        assert!(reading.get::<TenantRow>("t").unwrap().is_some());
        assert!(matches!(add_dataset(&reading, "a", &[]), Err(Error::NoSigner)));
        // With it again, what was committed is published, and work goes on.
        let store = place.open();
        add_dataset(&store, "a", &[]).unwrap();
        store.close().unwrap();
        assert_eq!(place.published().unwrap().unverified().size, 2);
    });
}

#[test]
fn requirement_27_a_step_that_fails_before_the_commit_undoes_the_change() {
    each_database(|place| {
        furnish(&place.open(), &[]);
        for (number, step) in
            [Step::Begin, Step::Change, Step::Entries, Step::Sign, Step::Commit].into_iter().enumerate()
        {
            let armed = Arc::new(AtomicU64::new(1));
            let ours = Arc::clone(&armed);
            let failing = step.clone();
            let store = Store::open(place.settings().observed(move |step| {
                if *step == failing && ours.swap(0, Ordering::SeqCst) == 1 { Err(Error::Halted) } else { Ok(()) }
            }))
            .unwrap();
            let id = format!("d{number}");
            let before = store.checkpoint().unwrap().unwrap().unverified().size;
            assert!(add_dataset(&store, &id, &[]).is_err(), "{step:?}");
            assert_eq!(store.get::<DatasetRow>(&id).unwrap(), None, "{step:?}");
            assert_eq!(store.checkpoint().unwrap().unwrap().unverified().size, before, "{step:?}");
            // It fails once; the store goes on.
            assert_eq!(add_dataset(&store, &id, &[]).unwrap(), before);
        }
        assert_eq!(place.open().opening().entries, 6);
    });
}

#[test]
fn requirement_27_while_the_log_cannot_be_published_nothing_is_changed() {
    each_database(|place| {
        let store = place.open();
        furnish(&store, &[]);
        store.flush().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        // A file where the writer wants a folder.
        let obstacle = place.log().join(".tmp");
        fs::write(&obstacle, "").unwrap();
        let first = add_dataset(&store, "a", &[]);
        assert_eq!(first.unwrap(), 1, "it was committed before anybody knew");
        assert!(matches!(store.flush(), Err(Error::Unpublished { .. })));
        assert!(matches!(add_dataset(&store, "b", &[]), Err(Error::Unpublished { .. })));
        assert!(matches!(store.intent(&request("dataset.read")), Err(Error::Unpublished { .. })));
        assert_eq!(store.get::<DatasetRow>("b").unwrap(), None);
        assert_eq!(store.checkpoint().unwrap().unwrap().unverified().size, 2);
        fs::remove_file(&obstacle).unwrap();
        assert_eq!(add_dataset(&store, "b", &[]).unwrap(), 2);
        store.close().unwrap();
        assert_eq!(place.published().unwrap().unverified().size, 3);
    });
}

#[test]
fn a_change_that_panics_stops_the_store_and_nothing_of_it_stays() {
    each_database(|place| {
        let store = place.open();
        furnish(&store, &[]);
        let panicked = std::thread::scope(|scope| {
            let work = || {
                store.write(&request("panic"), |tx| {
                    let created = tx.now();
                    tx.insert(&tenant("x", created))?;
                    if tx.index() == 1 { panic!("as the test wants") } else { Ok(()) }
                })
            };
            scope.spawn(work).join().is_err()
        });
        assert!(panicked);
        assert!(matches!(add_dataset(&store, "a", &[]), Err(Error::Halted)));
        drop(store);
        let store = place.open();
        assert_eq!((store.opening().entries, store.get::<TenantRow>("x").unwrap()), (1, None));
    });
}

#[test]
fn many_writers_share_a_commit_and_one_alone_does_not_wait() {
    each_database(|place| {
        let commits = Arc::new(AtomicU64::new(0));
        let ours = Arc::clone(&commits);
        let settings = place.settings().observed(move |step| {
            ours.fetch_add(u64::from(*step == Step::Commit), Ordering::SeqCst);
            Ok(())
        });
        // A window that a lone writer would notice.
        let store = Store::open(settings.window(Duration::from_secs(5))).unwrap();
        let begin = Instant::now();
        let announce =
            |id: usize| store.intent(&request("x").on("y", &id.to_string())).map(|intent| intent.receipt().index);
        for _ in 0..10 {
            announce(0).unwrap();
        }
        assert!(begin.elapsed() < Duration::from_secs(5));
        assert_eq!(commits.swap(0, Ordering::SeqCst), 10);
        drop(store);

        let ours = Arc::clone(&commits);
        let store = Store::open(place.settings().observed(move |step| {
            ours.fetch_add(u64::from(*step == Step::Commit), Ordering::SeqCst);
            Ok(())
        }))
        .unwrap();
        let mut indices: Vec<u64> = std::thread::scope(|scope| {
            let writer = |id: usize| {
                let store = &store;
                scope.spawn(move || {
                    let announce = || store.intent(&request("x").on("y", &id.to_string())).unwrap().receipt().index;
                    (0..50).map(|_| announce()).collect::<Vec<u64>>()
                })
            };
            let threads: Vec<_> = (0..16).map(writer).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        indices.sort_unstable();
        assert!(indices.iter().copied().eq(10..810));
        let commits = commits.load(Ordering::SeqCst);
        assert!(commits < 400, "{commits} commits for 800 entries");
        assert_eq!(entries(place, &store).len(), 810);
    });
}

#[test]
fn two_processes_of_the_store_follow_each_other() {
    each_database(|place| {
        // Two stores share no more than two processes do.
        let (one, two) = (place.open(), place.open());
        furnish(&one, &[("a", &[])]);
        assert_eq!(add_dataset(&two, "b", &[]).unwrap(), 2);
        assert_eq!(add_dataset(&one, "c", &["b.1"]).unwrap(), 3);
        assert!(two.get::<DatasetRow>("c").unwrap().is_some());
        std::thread::scope(|scope| {
            for (store, name) in [(&one, "one"), (&two, "two"), (&one, "three"), (&two, "four")] {
                scope.spawn(move || {
                    for number in 0..10 {
                        add_dataset(store, &format!("{name}-{number}"), &[]).unwrap();
                    }
                });
            }
        });
        one.flush().unwrap();
        two.flush().unwrap();
        assert_eq!(entries(place, &one).len(), 44);
        drop((one, two));
        assert_eq!(place.open().opening().entries, 44);
        let report = verify(&place.log(), &place.key(), &Against { entries: true, ..Against::default() });
        assert!(report.is_intact(), "{:?}", report.findings);
    });
}

#[test]
fn requirement_30_what_other_hands_did_to_the_database_is_found() {
    each_database(|place| {
        let store = place.open();
        furnish(&store, &[("a", &[]), ("b", &["a.1"])]);
        let row = grant(&store, 0);
        store.write(&request("grant.approve").on("grant", "g1"), |tx| tx.insert(&row)).unwrap();
        let old = store.view(|view| view.need::<GrantRow>("g1")).unwrap();
        assert_eq!(old, row);
        store.close().unwrap();
        let before = place.back_up();
        // The row as it is now, with its MAC.
        let keep = "CREATE TABLE kept AS SELECT * FROM access_grant";
        place.sql(keep);
        let store = place.open();
        let revoked = GrantRow { revision: 1, ..row };
        store.write(&request("grant.revoke").on("grant", "g1"), |tx| tx.update(&revoked)).unwrap();
        store.close().unwrap();
        let after = place.back_up();
        let refused = |sql: &str| {
            place.restore_database(&after);
            place.sql(sql);
            Store::open(place.settings()).err()
        };
        let log_row = [
            "UPDATE log_entry SET bytes = (SELECT bytes FROM log_entry WHERE idx = 0) WHERE idx = 1",
            "DELETE FROM log_entry WHERE idx = 1",
            "UPDATE log_entry SET id = 'x' WHERE idx = 1",
            "UPDATE log_entry SET subject = 'dataset:x' WHERE idx = 1",
            "UPDATE log_entry SET subject = NULL WHERE idx = 1",
            "UPDATE log_entry SET bytes = X'7b7d' WHERE idx = 2",
            "INSERT INTO log_entry (idx, id, subject, bytes) VALUES (7, 'x', NULL, X'7b7d')",
            "INSERT INTO log_entry (idx, id, subject, bytes) VALUES (5, 'x', NULL, X'7b7d')",
        ];
        for sql in log_row {
            assert!(matches!(refused(sql), Some(Error::LogRow { .. })), "{sql}: {:?}", refused(sql));
        }
        // Two entries change places: each is whole, and they are not where they were signed.
        let swapped = "UPDATE log_entry SET idx = 9 WHERE idx = 1; UPDATE log_entry SET idx = 1 WHERE idx = 2;
            UPDATE log_entry SET idx = 2 WHERE idx = 9";
        assert!(matches!(refused(swapped), Some(Error::LogRow { .. })));
        let tail = "DELETE FROM log_entry WHERE idx = 4";
        assert!(matches!(refused(tail), Some(Error::NotAppendOnly { signed: 5, size: 4, .. })));
        for sql in [
            "UPDATE log_state SET size = 4",
            "UPDATE log_state SET signed = NULL",
            "DELETE FROM log_state",
            "UPDATE principal SET roles = 'admin owner' WHERE id = 'u1'",
            "UPDATE principal SET entry = 1",
            "UPDATE dataset SET purposes = 'marketing support' WHERE id = 'a'",
            "UPDATE dataset_version SET parents = '' WHERE id = 'b.1'",
            "UPDATE access_grant SET expires = expires + 86400000",
            "UPDATE access_grant SET body = '{ }'",
            "UPDATE tenant SET four_eyes = 0",
            "DELETE FROM access_grant",
            // The row that was revoked, as it was, with the MAC that it had.
            "DELETE FROM access_grant; INSERT INTO access_grant SELECT * FROM kept",
            "INSERT INTO tenant (id, name, preset, four_eyes, ring, created, entry, mac)
                VALUES ('x', 'x', 'gdpr', 1, 1, 0, 0, X'00')",
            "INSERT INTO access_grant SELECT 'g2', tenant, who, resource, purpose, requested_by, expires, revision, body,
                entry, mac FROM access_grant",
        ] {
            assert!(matches!(refused(sql), Some(Error::Row { .. })), "{sql}: {:?}", refused(sql));
        }
        assert!(refused("SELECT 1").is_none());
        // A row that was changed while a process runs gives no answer either.
        let store = place.open();
        place.sql("UPDATE access_grant SET revision = 0");
        assert!(matches!(store.get::<GrantRow>("g1"), Err(Error::Row { .. })));
        assert!(store.write(&request("grant.x"), |tx| tx.update(&revoked)).is_err());
        drop(store);
        // Whoever has another key of rows or of the log can open nothing.
        place.restore_database(&after);
        let other = Settings::new(place.database(), place.log(), place.signer(), RowKey::random().unwrap());
        assert!(matches!(Store::open(other), Err(Error::Row { .. })));
        let other = Settings::new(place.database(), place.log(), signer("example.com/log"), Place::rows());
        assert!(matches!(Store::open(other), Err(Error::Unsigned)));

        // Yesterday's database: the files of the log have more.
        let seen = place.published().unwrap();
        place.restore_database(&before);
        assert!(matches!(Store::open(place.settings()), Err(Error::NotAppendOnly { signed: 5, size: 4, .. })));
        // Yesterday's files too: nothing in the house tells, and the checkpoint that left it does.
        place.restore_log(&before);
        let with_seen = || Store::open(place.settings().seen(seen.clone()));
        assert!(matches!(with_seen(), Err(Error::NotAppendOnly { signed: 5, size: 4, .. })));
        place.open().close().unwrap();
        // ... also once others have written on.
        let store = place.open();
        add_dataset(&store, "c", &[]).unwrap();
        add_dataset(&store, "d", &[]).unwrap();
        store.close().unwrap();
        assert!(matches!(with_seen(), Err(Error::NotAppendOnly { signed: 5, size: 5, .. })));
        // The true one goes on.
        place.restore_database(&after);
        place.restore_log(&after);
        with_seen().unwrap().close().unwrap();
        // Files of the log that are gone: refused, and derived again for who says so.
        fs::remove_dir_all(place.log()).unwrap();
        place.restore_database(&after);
        place.sql("UPDATE log_state SET published = 5");
        assert!(matches!(Store::open(place.settings()), Err(Error::NotAppendOnly { signed: 5, size: 0, .. })));
        Store::open(place.settings().rebuild()).unwrap().close().unwrap();
        assert_eq!(place.published().unwrap().to_string(), seen.to_string());
    });
}

#[test]
fn requirement_23_a_removed_subject_key_is_gone_and_does_not_come_back() {
    each_database(|place| {
        let store = place.open();
        furnish(&store, &[("a", &[])]);
        let kek = Kek::random().unwrap();
        let keys: Vec<SubjectKeyRow> = (0..40)
            .map(|number| SubjectKeyRow {
                id: Id::random().unwrap(),
                dataset: "a".into(),
                pseudonym: format!("p{}", number % 20),
                kek: kek.id(),
                wrapped: kek.wrap(&DataKey::random().unwrap()).unwrap().to_vec(),
                created: store.get::<DatasetRow>("a").unwrap().unwrap().created,
            })
            .collect();
        let insert = |tx: &mut cloister_vault::store::Tx<'_>| keys.iter().try_for_each(|key| tx.insert(key));
        store.write(&request("ingest").on("dataset", "a"), insert).unwrap();
        store.close().unwrap();
        place.sql("CREATE TABLE kept AS SELECT * FROM subject_key");
        let store = place.open();
        let shredded = store.list::<SubjectKeyRow>("pseudonym", "p7").unwrap();
        assert_eq!(shredded.len(), 2);
        let shred = request("subject.shred").on("subject", "p7");
        let remove = |tx: &mut cloister_vault::store::Tx<'_>| {
            let keys = tx.list::<SubjectKeyRow>("pseudonym", "p7")?;
            keys.iter().try_for_each(|key| tx.remove::<SubjectKeyRow>(&key.id.to_string()))
        };
        let receipt = store.write(&shred, remove).unwrap();
        assert!(store.scrub().unwrap());
        assert_eq!(store.list::<SubjectKeyRow>("pseudonym", "p7").unwrap(), []);
        // The others are as they were.
        let left = store.view(|view| view.all::<SubjectKeyRow>()).unwrap();
        assert!(left.len() == 38 && left.iter().all(|key| keys.contains(key)));
        // The receipt can be proved to anybody.
        store.flush().unwrap();
        let log = LogReader::open(&place.log(), &place.key()).unwrap();
        log.prove(receipt.index).unwrap().verify(&log.entry(receipt.index).unwrap(), &place.key()).unwrap();
        store.close().unwrap();

        place.sql("INSERT INTO subject_key SELECT * FROM kept WHERE pseudonym = 'p7'");
        assert!(matches!(Store::open(place.settings()), Err(Error::Row { table: "subject_key", .. })));
    });
}

#[test]
fn requirement_23_nothing_of_a_removed_key_is_left_in_the_files_of_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path(), None);
    let store = place.open();
    furnish(&store, &[("a", &[])]);
    let kek = Kek::random().unwrap();
    let created = store.get::<DatasetRow>("a").unwrap().unwrap().created;
    let key = |pseudonym: &str| SubjectKeyRow {
        id: Id::random().unwrap(),
        dataset: "a".into(),
        pseudonym: pseudonym.into(),
        kek: kek.id(),
        wrapped: kek.wrap(&DataKey::random().unwrap()).unwrap().to_vec(),
        created,
    };
    let (gone, stays) = (key("gone"), key("stays"));
    store.write(&request("ingest"), |tx| tx.insert(&gone).and_then(|()| tx.insert(&stays))).unwrap();
    let found = |bytes: &[u8]| {
        let files = files_below(folder.path());
        let holds = |path: &std::path::PathBuf| fs::read(path).unwrap().windows(bytes.len()).any(|part| part == bytes);
        files.into_iter().filter(holds).count()
    };
    assert!(found(&gone.wrapped) > 0);
    let id = gone.id.to_string();
    store.write(&request("subject.shred"), |tx| tx.remove::<SubjectKeyRow>(&id)).unwrap();
    // A reader that stands on the state before keeps its pages.
    store.view(|view| view.get::<SubjectKeyRow>(&id).map(|row| assert_eq!(row, None))).unwrap();
    assert!(store.scrub().unwrap());
    assert_eq!(found(&gone.wrapped), 0);
    assert!(found(&stays.wrapped) > 0);
}

#[test]
fn details_can_be_destroyed_and_their_entry_stays() {
    each_database(|place| {
        let store = place.open();
        let detail = Detail::new(b"sealed reason".to_vec()).unwrap();
        let commitment = detail.commitment();
        let mut asked = request("grant.request");
        asked.detail = Some(detail);
        let receipt = store.record(&asked, Outcome::Ok).unwrap();
        assert_eq!(place.count("SELECT count(*) FROM log_detail"), 1);
        let destroy = |index| store.write(&request("detail.destroy"), |tx| tx.destroy_detail(index));
        destroy(receipt.index).unwrap();
        assert!(matches!(destroy(receipt.index), Err(Error::NoRow { .. })));
        assert_eq!(place.count("SELECT count(*) FROM log_detail"), 0);
        assert_eq!(entries(place, &store)[0].detail_c, Some(commitment));
        drop(store);
        assert_eq!(place.open().opening().entries, 2);
    });
}

#[test]
fn every_kind_of_row_comes_back() {
    each_database(|place| {
        let store = place.open();
        furnish(&store, &[("a", &[]), ("b", &["a.1"])]);
        let created = store.get::<DatasetRow>("a").unwrap().unwrap().created;
        let object = ObjectRow {
            id: Id::random().unwrap(),
            tenant: "t".into(),
            version: Some("a.1".into()),
            kind: "shard".into(),
            place: "ab/cd".into(),
            sha256: cloister_vault::log::Hash::from_bytes([3; 32]),
            bytes: 1 << 40,
            kek: Id::random().unwrap(),
            wrapped: vec![0, 255, 7],
            created,
        };
        let loose = ObjectRow { id: Id::random().unwrap(), version: None, ..object.clone() };
        let run = RunRow {
            id: "r1".into(),
            tenant: "t".into(),
            version: "a.1".into(),
            config: cloister_vault::log::Hash::from_bytes([4; 32]),
            reservation: None,
            state: RunState::Running,
            created,
        };
        let insert = |tx: &mut cloister_vault::store::Tx<'_>| {
            tx.insert(&object)?;
            tx.insert(&loose)?;
            tx.insert(&run)
        };
        store.write(&request("run"), insert).unwrap();
        assert_eq!(store.get::<ObjectRow>(&object.id.to_string()).unwrap(), Some(object.clone()));
        assert_eq!(store.get::<ObjectRow>(&loose.id.to_string()).unwrap(), Some(loose));
        assert_eq!(store.list::<ObjectRow>("version", "a.1").unwrap(), [object]);
        assert_eq!(store.get::<RunRow>("r1").unwrap(), Some(run.clone()));
        let done = RunRow { state: RunState::Done, ..run };
        store.write(&request("run"), |tx| tx.update(&done)).unwrap();
        assert_eq!(store.get::<RunRow>("r1").unwrap(), Some(done));
        let versions = store.view(|view| view.all::<VersionRow>()).unwrap();
        assert!(versions.len() == 2 && versions[1].parents.contains("a.1"));
        assert!(store.get::<PrincipalRow>("u1").unwrap().unwrap().roles.contains("owner"));
        assert_eq!(store.get::<TenantRow>("nobody").unwrap(), None);
        // One person's slot is nobody else's; policies of the project's own stand with their proposal.
        let slot = Some(Id([5; 16]));
        let member = |id: &str| PrincipalRow {
            id: id.into(),
            name: id.into(),
            slot,
            ..store.get::<PrincipalRow>("u1").unwrap().unwrap()
        };
        store.write(&request("member.change"), |tx| tx.insert(&member("u2"))).unwrap();
        assert_eq!(store.list::<PrincipalRow>("slot", &Id([5; 16]).to_string()).unwrap(), [member("u2")]);
        let taken = store.write(&request("member.change"), |tx| tx.insert(&member("u3")));
        assert!(matches!(taken, Err(Error::Database { .. })));
        let policies = PolicyRow {
            id: "p1".into(),
            tenant: "t".into(),
            proposed_by: "u1".into(),
            state: PolicyState::Proposed,
            revision: 0,
            body: "{}".into(),
            policies: "// \u{202e}\n".into(),
        };
        store.write(&request("policy.propose"), |tx| tx.insert(&policies)).unwrap();
        let holds = PolicyRow { state: PolicyState::Holds, ..policies };
        // A change that is announced and fails is told of as failed.
        let intent = store.intent(&request("policy.apply")).unwrap();
        let refused = store.complete(intent, |tx| {
            tx.update(&holds)?;
            tx.remove::<TenantRow>("nobody")
        });
        assert!(matches!(refused, Err(Error::NoRow { .. })));
        assert_eq!(store.list::<PolicyRow>("state", "holds").unwrap(), []);
        let intent = store.intent(&request("policy.apply")).unwrap();
        store.complete(intent, |tx| tx.update(&holds)).unwrap();
        assert_eq!(store.list::<PolicyRow>("state", "holds").unwrap(), [holds]);
        let told: Vec<_> = entries(place, &store).iter().rev().take(4).map(|entry| entry.result).collect();
        assert_eq!(told, [Some(Outcome::Ok), None, Some(Outcome::Failed), None]);
        assert!(store.last().unwrap().is_some());
        drop(store);
        drop(place.open());
    });
}

#[test]
fn a_migration_that_is_stopped_has_not_begun_and_a_newer_schema_is_refused() {
    each_database(|place| {
        let last = newest_schema();
        for stopped in (1..=last).flat_map(|number| [Step::Migrate(number), Step::Migrated(number)]) {
            let at = stopped.clone();
            let settings = place.settings().observed(move |step| if *step == at { Err(Error::Halted) } else { Ok(()) });
            assert!(matches!(Store::open(settings), Err(Error::Halted)), "{stopped:?}");
        }
        furnish(&place.open(), &[("a", &[])]);
        assert_eq!(place.open().opening().entries, 2);
        place.sql(&format!("UPDATE schema_version SET version = {}", last + 1));
        let refused = Store::open(place.settings()).err();
        assert!(matches!(refused, Some(Error::NewerSchema { found, known }) if (found, known) == (last + 1, last)));
    });
}

#[test]
fn the_clock_of_the_log_does_not_go_back() {
    each_database(|place| {
        place.open().close().unwrap();
        // An entry of tomorrow: what a machine leaves whose clock is set back a day after it.
        let now = Moment::now().unwrap().millis();
        let tomorrow = Moment::from_millis(now + 86_400_000).unwrap();
        let id = Ulid::from_parts(tomorrow.millis(), 7);
        let mut entry = Entry::new("x", actor("u1"), Phase::Outcome, id, 0, tomorrow);
        entry.result = Some(Outcome::Ok);
        let bytes = entry.to_bytes().unwrap();
        let text = format!("example.com/log\n1\n{}\n", leaf_hash(&bytes));
        let signed = Note::sign(&text, &place.signer()).unwrap().to_string();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        place.sql(&format!(
            "INSERT INTO log_entry (idx, id, subject, bytes) VALUES (0, '{id}', NULL, X'{}');
            UPDATE log_state SET size = 1, signed = X'{}'",
            hex(&bytes),
            hex(signed.as_bytes())
        ));
        let store = place.open();
        assert_eq!(store.opening().published, 0);
        let receipt = store.write(&request("x"), |tx| Ok(tx.now())).unwrap();
        assert_eq!((receipt.time, receipt.value), (tomorrow, tomorrow));
        assert_eq!(entries(place, &store)[1].t, tomorrow);
    });
}
