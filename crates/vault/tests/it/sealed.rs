//! Sealed streams and objects: what goes in comes out, and nothing else ever does.

use std::collections::HashSet;
use std::fs;
use std::io::{Read as _, Write as _};

use cloister_vault::Error;
use cloister_vault::sealed::cobblestone::{
    self, CHUNK_BYTES, OpeningReader, RandomReader, SealingWriter, TAG_BYTES, sealed_length,
};
use cloister_vault::sealed::container::{HEADER_BYTES, NewFile, open_stream};
use cloister_vault::sealed::{Context, DataKey, Header, Kek, Kind, ObjectReader, ObjectWriter};

const PLACE: Context<'static> = Context { tenant: "t1", dataset: "d1", version: "v1" };
const BORDERS: [usize; 9] = [0, 1, 16383, 16384, 16385, 32767, 32768, 32769, 50_000];

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7) as u8 ^ (at % 251) as u8).collect()
}

fn object(kek: &Kek, plaintext: &[u8]) -> Vec<u8> {
    let mut writer = ObjectWriter::new(Vec::new(), Kind::Snapshot, kek, &PLACE).unwrap();
    writer.append(plaintext).unwrap();
    writer.finish().unwrap().0
}

/// What every reader gives of an object; all must agree.
fn read(kek: &Kek, sealed: &[u8], place: &Context<'_>) -> Result<Vec<u8>, Error> {
    let random = ObjectReader::new(sealed, Kind::Snapshot, kek, place).and_then(|reader| {
        let mut plaintext = vec![0; reader.length() as usize];
        reader.read_at(&mut plaintext, 0).map(|count| {
            assert_eq!(count, plaintext.len());
            plaintext
        })
    });
    let mut streamed = Vec::new();
    let stream = open_stream(sealed, Kind::Snapshot, kek, place)
        .map_err(|_| ())
        .and_then(|mut reader| reader.read_to_end(&mut streamed).map_err(|_| ()));
    assert_eq!(random.is_ok(), stream.is_ok());
    if let Ok(plaintext) = &random {
        assert_eq!(*plaintext, streamed);
    }
    random
}

#[test]
fn what_is_sealed_in_any_pieces_comes_back() {
    let key = DataKey::random().unwrap();
    for length in BORDERS {
        let plaintext = text(length);
        for piece in [1, 1000, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 1 << 20] {
            if piece == 1 && length > 20_000 {
                continue;
            }
            let mut writer = SealingWriter::new(Vec::new(), &key, b"context").unwrap();
            for piece in plaintext.chunks(piece) {
                writer.write_all(piece).unwrap();
            }
            let sealed = writer.finish().unwrap();
            assert_eq!(sealed.len() as u64, sealed_length(length as u64));
            assert!(*cobblestone::open(&key, b"context", &sealed).unwrap() == plaintext[..]);
            let mut reader = OpeningReader::new(&sealed[..], &key, b"context").unwrap();
            let mut streamed = Vec::new();
            reader.read_to_end(&mut streamed).unwrap();
            assert_eq!(streamed, plaintext);
        }
        let sealed = cobblestone::seal(&key, b"context", &plaintext).unwrap();
        let reader = RandomReader::new(&sealed[..], &key, b"context").unwrap();
        assert_eq!(reader.length(), length as u64);
        for offset in BORDERS.into_iter().chain([7, 16380, 60_000]) {
            for count in [0, 1, 10, CHUNK_BYTES, 40_000] {
                let mut buffer = vec![0; count];
                let read = reader.read_at(&mut buffer, offset as u64).unwrap();
                let expected = plaintext.get(offset..).unwrap_or_default();
                assert_eq!(buffer[..read], expected[..count.min(expected.len())]);
            }
        }
    }
}

#[test]
fn requirement_19_every_flip_cut_swap_and_addition_is_an_error() {
    let kek = Kek::random().unwrap();
    // Every byte and every length of a short object.
    let short = object(&kek, &text(100));
    for at in 0..short.len() {
        for bit in 0..8 {
            let mut changed = short.clone();
            changed[at] ^= 1 << bit;
            assert!(read(&kek, &changed, &PLACE).is_err(), "byte {at} bit {bit}");
        }
        assert!(read(&kek, &short[..at], &PLACE).is_err(), "cut at {at}");
    }
    for behind in [&b"\0"[..], &[0; 16], &[0; TAG_BYTES + CHUNK_BYTES], &short] {
        assert!(read(&kek, &[&short, behind].concat(), &PLACE).is_err());
    }
    // One bit of every byte of one with chunks, and every cut near a border.
    let plaintext = text(2 * CHUNK_BYTES + 10);
    let long = object(&kek, &plaintext);
    let sealed_chunk = CHUNK_BYTES + TAG_BYTES;
    let begin = HEADER_BYTES + cobblestone::HEADER_BYTES;
    for at in 0..long.len() {
        let near = (at + sealed_chunk - begin % sealed_chunk) % sealed_chunk;
        if at % 97 != 0 && (40..sealed_chunk - 40).contains(&near) {
            continue;
        }
        let mut changed = long.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(read(&kek, &changed, &PLACE).is_err(), "byte {at}");
        assert!(read(&kek, &long[..at], &PLACE).is_err(), "cut at {at}");
        if at >= begin {
            // Nothing of the chunk that was changed is given out, and the ones before it are.
            let bad = (at - begin) / sealed_chunk;
            let mut given = Vec::new();
            let mut reader = open_stream(&changed[..], Kind::Snapshot, &kek, &PLACE).unwrap();
            assert!(reader.read_to_end(&mut given).is_err());
            assert_eq!(given, plaintext[..bad * CHUNK_BYTES]);
            let mut buffer = vec![0xaa; plaintext.len()];
            if let Ok(reader) = ObjectReader::new(&changed[..], Kind::Snapshot, &kek, &PLACE) {
                assert!(
                    matches!(reader.read_at(&mut buffer, 0), Err(Error::DamagedChunk { chunk }) if chunk == bad as u64)
                );
                assert!(buffer.iter().all(|byte| *byte == 0));
            }
        }
    }
    let (first, second) = (begin..begin + sealed_chunk, begin + sealed_chunk..begin + 2 * sealed_chunk);
    let mut swapped = long.clone();
    swapped[first.clone()].copy_from_slice(&long[second.clone()]);
    swapped[second.clone()].copy_from_slice(&long[first.clone()]);
    assert!(read(&kek, &swapped, &PLACE).is_err());
    let mut doubled = long.clone();
    doubled[second.clone()].copy_from_slice(&long[first]);
    assert!(read(&kek, &doubled, &PLACE).is_err());
    let without = [&long[..second.start], &long[second.end..]].concat();
    assert!(read(&kek, &without, &PLACE).is_err());
    assert_eq!(read(&kek, &long, &PLACE).unwrap(), plaintext);
}

#[test]
fn requirement_20_an_object_opens_in_its_place_only() {
    let kek = Kek::random().unwrap();
    let sealed = object(&kek, b"text");
    for place in [
        Context { tenant: "t2", ..PLACE },
        Context { dataset: "d2", ..PLACE },
        Context { version: "v2", ..PLACE },
        Context { tenant: "t1d", dataset: "1", ..PLACE },
        Context { tenant: "", dataset: "t1d1", ..PLACE },
        Context { tenant: "d1", dataset: "t1", ..PLACE },
        Context { version: "", ..PLACE },
    ] {
        assert!(matches!(read(&kek, &sealed, &place), Err(Error::WrongKeyOrContext)), "{place:?}");
    }
    assert!(matches!(ObjectReader::new(&sealed[..], Kind::Adapter, &kek, &PLACE), Err(Error::Malformed { .. })));
    assert!(matches!(read(&Kek::random().unwrap(), &sealed, &PLACE), Err(Error::OtherKek { .. })));
    // Another key under the same id.
    let impostor = Kek::new(kek.id(), zeroize::Zeroizing::new([7; 32]));
    assert!(matches!(read(&impostor, &sealed, &PLACE), Err(Error::KeyDoesNotOpen)));
    // A message behind the header of another object under the same key.
    let other = object(&kek, b"text");
    let crossed = [&other[..HEADER_BYTES], &sealed[HEADER_BYTES..]].concat();
    assert!(matches!(read(&kek, &crossed, &PLACE), Err(Error::WrongKeyOrContext)));
    let long = "x".repeat(65_536);
    assert!(ObjectWriter::new(Vec::new(), Kind::Blob, &kek, &Context { tenant: &long, ..PLACE }).is_err());
    let longest = Context { tenant: &long[1..], ..PLACE };
    assert!(ObjectWriter::new(Vec::new(), Kind::Blob, &kek, &longest).is_ok());
}

#[test]
fn requirement_21_no_two_sealings_are_alike() {
    let (kek, key) = (Kek::random().unwrap(), DataKey::random().unwrap());
    let mut seen = HashSet::new();
    for _ in 0..50 {
        let sealed = object(&kek, b"equal text");
        let header = Header::parse(&sealed).unwrap();
        assert!(seen.insert(header.object.0.to_vec()) && seen.insert(header.wrapped.to_vec()));
        assert!(seen.insert(sealed[HEADER_BYTES..HEADER_BYTES + 24].to_vec()));
        assert!(seen.insert(sealed[sealed.len() - 26..].to_vec()));
    }
    let salt = |_| *cobblestone::seal(&key, b"", b"").unwrap().first_chunk::<24>().unwrap();
    assert_eq!((0..1_000_000).map(salt).collect::<HashSet<_>>().len(), 1_000_000);
}

#[test]
fn a_file_appears_whole_and_is_its_owners() {
    let folder = tempfile::tempdir().unwrap();
    let kek = Kek::random().unwrap();
    let path = folder.path().join("snapshot");
    let begin = || ObjectWriter::new(NewFile::create(&path).unwrap(), Kind::Snapshot, &kek, &PLACE).unwrap();
    let mut writer = begin();
    writer.write_all(&text(40_000)).unwrap();
    assert!(!path.exists());
    drop(writer);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let mut writer = begin();
    writer.write_all(&text(40_000)).unwrap();
    let (file, header) = writer.finish().unwrap();
    file.publish().unwrap();
    let reader = ObjectReader::open(&path, Kind::Snapshot, &kek, &PLACE).unwrap();
    assert_eq!((reader.length(), reader.header()), (40_000, &header));
    assert_eq!(Header::read(&fs::File::open(&path).unwrap()).unwrap(), header);
    assert!(matches!(begin().finish().unwrap().0.publish(), Err(Error::Exists { .. })));
    assert_eq!(ObjectReader::open(&path, Kind::Snapshot, &kek, &PLACE).unwrap().length(), 40_000);
    begin().finish().unwrap().0.replace().unwrap();
    assert_eq!(ObjectReader::open(&path, Kind::Snapshot, &kek, &PLACE).unwrap().length(), 0);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

/// A sink that fails after some bytes.
struct Failing(usize);

impl std::io::Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn requirement_27_a_full_disk_is_an_error_at_every_byte() {
    let key = DataKey::random().unwrap();
    let length = sealed_length(20_000) as usize;
    for room in [0, 23, 24, 55, 56, 57, 16_000, 16_456, length - 1, length] {
        let sealed = SealingWriter::new(Failing(room), &key, b"").and_then(|mut writer| {
            writer.append(&text(20_000))?;
            writer.finish()
        });
        assert_eq!(sealed.is_ok(), room == length);
    }
}
