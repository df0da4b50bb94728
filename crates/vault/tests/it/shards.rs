//! Shards: one record at a time, under the key of its subject.

use std::collections::HashMap;

use cloister_vault::Error;
use cloister_vault::keys::SubjectKey;
use cloister_vault::sealed::container::NewFile;
use cloister_vault::sealed::shard::with_index;
use cloister_vault::sealed::{Context, DataKey, Id, Kek, Kind, ObjectReader, ShardReader, ShardWriter};

use crate::keys::{Rings, SUPPORT};

const PLACE: Context<'static> = Context { tenant: "t1", dataset: "d1", version: "v1" };

type Keys = HashMap<Id, DataKey>;

fn subjects(count: usize) -> (Vec<Id>, Keys) {
    let ids: Vec<Id> = (0..count).map(|_| Id::random().unwrap()).collect();
    let keys = ids.iter().map(|id| (*id, DataKey::random().unwrap())).collect();
    (ids, keys)
}

fn id(number: usize) -> String {
    format!("record-{}", number * 7919 % 100_003)
}

fn plaintext(number: usize) -> String {
    format!("canary {number} {}", "text ".repeat(number * 31 % 97))
}

fn shard(kek: &Kek, records: usize, ids: &[Id], keys: &Keys) -> Vec<u8> {
    let mut writer = ShardWriter::new(Vec::new(), kek, &PLACE).unwrap();
    for number in 0..records {
        let subject = ids[number % ids.len()];
        writer.append(id(number).as_bytes(), subject, &keys[&subject], plaintext(number).as_bytes()).unwrap();
    }
    writer.finish().unwrap().0
}

fn open<'a>(sealed: &'a [u8], kek: &Kek) -> Result<ShardReader<&'a [u8]>, Error> {
    ShardReader::new(sealed, kek, &PLACE)
}

#[test]
fn every_record_is_found_and_listed() {
    let (kek, (ids, keys)) = (Kek::random().unwrap(), subjects(10));
    for records in [0, 1, 2, 500, 3000] {
        let sealed = shard(&kek, records, &ids, &keys);
        let shard = open(&sealed, &kek).unwrap();
        assert_eq!(shard.count(), records as u64);
        for number in (0..records).step_by(records / 100 + 1) {
            let text = shard.read(id(number).as_bytes(), &keys).unwrap().unwrap();
            assert!(*text == *plaintext(number).as_bytes());
        }
        for absent in ["", "record-", "record-0x", "zzz", "\u{ff}"] {
            assert!(shard.read(absent.as_bytes(), &keys).unwrap().is_none());
        }
        let listed: Vec<Vec<u8>> = shard.rows().map(|row| row.unwrap().id().to_vec()).collect();
        let mut expected: Vec<Vec<u8>> = (0..records).map(|number| id(number).into_bytes()).collect();
        expected.sort();
        assert_eq!(listed, expected);
        assert_eq!(shard.check(&keys).unwrap(), records as u64);
        // Neither text nor id is in the file.
        for needle in [&b"canary"[..], b"record-", b"text text"] {
            assert!(!sealed.windows(needle.len()).any(|window| window == needle));
        }
    }
}

#[test]
fn all_records_come_in_order_and_one_whose_key_is_gone_is_an_error_in_its_place() {
    let (kek, (ids, mut keys)) = (Kek::random().unwrap(), subjects(7));
    let sealed = shard(&kek, 2000, &ids, &keys);
    let shard = open(&sealed, &kek).unwrap();
    let mut expected: Vec<(String, usize)> = (0..2000).map(|number| (id(number), number)).collect();
    expected.sort();
    let mut count = 0;
    for (record, (id, number)) in shard.records(&keys).zip(&expected) {
        let (row, text) = record.unwrap();
        assert!(row.id() == id.as_bytes() && *text == *plaintext(*number).as_bytes());
        assert_eq!(row.subject(), ids[number % 7]);
        count += 1;
    }
    assert_eq!((count, shard.records(&keys).count()), (2000, 2000));
    keys.remove(&ids[3]);
    for (record, (_, number)) in shard.records(&keys).zip(&expected) {
        match record {
            Err(Error::NoSubjectKey { .. }) => assert_eq!(number % 7, 3),
            record => assert!(number % 7 != 3 && *record.unwrap().1 == *plaintext(*number).as_bytes()),
        }
    }
}

/// What a process does that reads for another: it opens the file with keys of the ring, and the reader goes where it is needed.
#[test]
fn a_file_is_streamed_with_keys_of_a_ring() {
    let rings = Rings::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records");
    let keys = rings.ring.dataset(&SUPPORT).unwrap();
    let subjects = keys.new_subject_keys(5).unwrap();
    let mut writer = keys.seal_shard(NewFile::create(&path).unwrap(), "v1").unwrap();
    for number in 0..300 {
        let SubjectKey { id: subject, key, .. } = &subjects[number % 5];
        writer.append(id(number).as_bytes(), *subject, key, plaintext(number).as_bytes()).unwrap();
    }
    writer.finish().unwrap().0.publish().unwrap();

    let again = rings.again().unwrap();
    let keys = again.dataset(&SUPPORT).unwrap();
    let file = std::sync::Arc::new(std::fs::File::open(&path).unwrap());
    let shard = keys.open_shard(file, "v1").unwrap();
    // The last subject's key was destroyed.
    let kept = subjects.iter().take(4).map(|subject| (subject.id, subject.wrapped)).collect();
    let opening = keys.subject_keys(kept);
    let (lengths, received) = std::sync::mpsc::sync_channel(1);
    let (mut read, mut gone) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for record in shard.records(&opening) {
                lengths.send(record.map(|(_, text)| text.len())).unwrap();
            }
        });
        for record in received {
            match record {
                Ok(length) => read += length,
                Err(error) => {
                    assert!(matches!(error, Error::NoSubjectKey { .. }), "{error:?}");
                    gone += 1;
                }
            }
        }
    });
    let expected: usize = (0..300).filter(|number| number % 5 != 4).map(|number| plaintext(number).len()).sum();
    assert_eq!((read, gone), (expected, 60));
}

#[test]
fn requirement_23_without_its_key_a_subject_is_gone_and_others_are_not() {
    let (kek, (ids, mut keys)) = (Kek::random().unwrap(), subjects(3));
    let sealed = shard(&kek, 30, &ids, &keys);
    let shard = open(&sealed, &kek).unwrap();
    keys.remove(&ids[1]);
    for number in 0..30 {
        let read = shard.read(id(number).as_bytes(), &keys);
        match number % 3 {
            1 => assert!(matches!(read, Err(Error::NoSubjectKey { .. }))),
            _ => assert!(*read.unwrap().unwrap() == *plaintext(number).as_bytes()),
        }
    }
    assert_eq!(shard.check(&keys).unwrap(), 20);
    // A new key under the old id opens nothing.
    keys.insert(ids[1], DataKey::random().unwrap());
    assert!(matches!(shard.read(id(1).as_bytes(), &keys), Err(Error::WrongKeyOrContext)));
}

#[test]
fn requirement_19_every_flipped_byte_and_every_cut_of_a_shard_is_an_error() {
    let (kek, (ids, keys)) = (Kek::random().unwrap(), subjects(2));
    let sealed = shard(&kek, 6, &ids, &keys);
    let whole = |sealed: &[u8]| open(sealed, &kek).and_then(|shard| shard.check(&keys));
    assert_eq!(whole(&sealed).unwrap(), 6);
    for at in 0..sealed.len() {
        for bit in [0, 7] {
            let mut changed = sealed.clone();
            changed[at] ^= 1 << bit;
            assert!(whole(&changed).is_err(), "byte {at}");
            // What still can be read is what was sealed.
            if let Ok(shard) = open(&changed, &kek) {
                for number in 0..6 {
                    if let Ok(text) = shard.read(id(number).as_bytes(), &keys) {
                        assert!(*text.unwrap() == *plaintext(number).as_bytes());
                    }
                }
            }
        }
        assert!(whole(&sealed[..at]).is_err(), "cut at {at}");
    }
    for behind in [&b"\0"[..], &[0; 8], &[0; 16], &sealed] {
        assert!(whole(&[&sealed, behind].concat()).is_err());
    }
}

#[test]
fn requirement_20_a_record_opens_under_its_own_id_in_its_own_file_only() {
    let (kek, (ids, keys)) = (Kek::random().unwrap(), subjects(1));
    // Two records of one subject and one length, swapped in the file.
    let mut writer = ShardWriter::new(Vec::new(), &kek, &PLACE).unwrap();
    for (id, text) in [(b"a", "one"), (b"b", "two")] {
        writer.append(id, ids[0], &keys[&ids[0]], text.as_bytes()).unwrap();
    }
    let sealed = writer.finish().unwrap().0;
    let (first, second) = (81..81 + 75, 81 + 75..81 + 150);
    let mut swapped = sealed.clone();
    swapped[first.clone()].copy_from_slice(&sealed[second.clone()]);
    swapped[second].copy_from_slice(&sealed[first]);
    let shard = open(&swapped, &kek).unwrap();
    assert!(matches!(shard.read(b"a", &keys), Err(Error::WrongKeyOrContext)));
    assert!(matches!(shard.read(b"b", &keys), Err(Error::WrongKeyOrContext)));
    for place in [Context { tenant: "t2", ..PLACE }, Context { version: "v2", ..PLACE }] {
        assert!(matches!(ShardReader::new(&sealed[..], &kek, &place), Err(Error::WrongKeyOrContext)));
    }
    assert!(ObjectReader::new(&sealed[..], Kind::Records, &kek, &PLACE).is_err(), "a shard is no object");
    // One record into the file of another shard.
    let mut writer = ShardWriter::new(Vec::new(), &kek, &PLACE).unwrap();
    writer.append(b"a", ids[0], &keys[&ids[0]], b"six").unwrap();
    let mut other = writer.finish().unwrap().0;
    other[81..81 + 75].copy_from_slice(&sealed[81..81 + 75]);
    assert!(matches!(open(&other, &kek).unwrap().read(b"a", &keys), Err(Error::WrongKeyOrContext)));
}

#[test]
fn ids_are_unique_and_have_an_end() {
    let (kek, (ids, keys)) = (Kek::random().unwrap(), subjects(1));
    let mut writer = ShardWriter::new(Vec::new(), &kek, &PLACE).unwrap();
    let mut append = |id: &[u8]| writer.append(id, ids[0], &keys[&ids[0]], b"");
    append(b"").unwrap();
    append(&[0xff; 65_535]).unwrap();
    assert!(append(&[0xff; 65_536]).is_err());
    append(b"x").unwrap();
    append(b"x").unwrap();
    assert!(matches!(writer.finish(), Err(Error::DuplicateRecord)));
    // Ids longer than a chunk of the index.
    let mut writer = ShardWriter::new(Vec::new(), &kek, &PLACE).unwrap();
    for first in 0..5 {
        writer.append(&[&[first], &[0xff; 65_534][..]].concat(), ids[0], &keys[&ids[0]], &[first]).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard");
    let mut file = NewFile::create(&path).unwrap();
    std::io::Write::write_all(&mut file, &writer.finish().unwrap().0).unwrap();
    file.publish().unwrap();
    let shard = ShardReader::open(&path, &kek, &PLACE).unwrap();
    assert_eq!(shard.check(&keys).unwrap(), 5);
    for first in 0..5 {
        let text = shard.read(&[&[first], &[0xff; 65_534][..]].concat(), &keys).unwrap().unwrap();
        assert!(*text == [first]);
    }
}

/// A row of the index, with the length of its id as it is told.
fn row(offset: u64, length: u64, told: u16, id: &[u8]) -> Vec<u8> {
    [&offset.to_be_bytes()[..], &length.to_be_bytes(), &[0; 16], &told.to_be_bytes(), id].concat()
}

#[test]
fn an_index_that_lies_is_an_error() {
    let (kek, keys) = (Kek::random().unwrap(), Keys::new());
    let whole =
        |index: &[u8]| open(&with_index(&kek, &PLACE, index).unwrap(), &kek).and_then(|shard| shard.check(&keys));
    let table = |count: u64, begins: &[u64], rows: &[u8]| {
        let mut index = count.to_be_bytes().to_vec();
        begins.iter().for_each(|begin| index.extend(begin.to_be_bytes()));
        [&index[..], rows].concat()
    };
    let (good, other) = (row(81, 0, 1, b"a"), row(81, 0, 1, b"b"));
    assert_eq!(whole(&table(0, &[], b"")).unwrap(), 0);
    assert_eq!(whole(&table(1, &[0], &good)).unwrap(), 0, "a record without a key is passed over");
    assert_eq!(whole(&table(2, &[0, 35], &[&good[..], &other].concat())).unwrap(), 0);
    for (index, why) in [
        (vec![], "no count"),
        (vec![0; 7], "half a count"),
        (table(1, &[], b""), "no row"),
        (table(1, &[0], &good[..34]), "an id that is cut"),
        (table(u64::MAX, &[0], &good), "more rows than bytes"),
        (table(1 << 61, &[0], &good), "more rows than bytes"),
        (table(1, &[1], &good), "a row that begins too late"),
        (table(1, &[u64::MAX], &good), "a row beyond all"),
        (table(1, &[0], &row(81, 0, 2, b"a")), "an id beyond the index"),
        (table(1, &[0], &row(80, 0, 1, b"a")), "a record in the header"),
        (table(1, &[0], &row(81, 1, 1, b"a")), "a record in the index"),
        (table(1, &[0], &row(u64::MAX, u64::MAX, 1, b"a")), "a record beyond all"),
        (table(2, &[0, 0], &[&good[..], &good].concat()), "two rows of one id"),
        (table(2, &[0, 35], &[&other[..], &good].concat()), "rows out of order"),
    ] {
        assert!(whole(&index).is_err(), "{why}");
    }
}
