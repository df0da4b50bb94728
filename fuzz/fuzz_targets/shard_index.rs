//! The index of a shard, whatever was sealed as one.
#![no_main]

use std::collections::HashMap;

use cloister_vault::sealed::{ShardReader, shard::with_index};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (kek, place) = cloister_fuzz::place();
    let sealed = with_index(kek, &place, input).unwrap_or_else(|error| panic!("{error}"));
    let Ok(shard) = ShardReader::new(&sealed[..], kek, &place) else { return };
    let keys = HashMap::new();
    assert!(shard.count() <= input.len() as u64);
    for row in shard.rows().take(100).flatten() {
        assert!(row.sealed_bytes() == 0 && shard.read_row(&row, &keys).is_err(), "no record is there");
    }
    drop(shard.find(b"id"));
    if shard.count() > 0 {
        assert!(shard.check(&keys).is_err() || shard.rows().all(|row| row.is_ok()));
    }
});
