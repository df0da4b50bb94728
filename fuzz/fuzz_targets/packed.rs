//! Every format as its content tells it, and what decompresses to it.
#![no_main]

use std::io::Write as _;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if cloister_fuzz::stalls_parquet(input) {
        return;
    }
    cloister_fuzz::read(input, "");
    // As the content of a whole archive, and of one that is cut short.
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    if packer.write_all(input).is_ok()
        && let Ok(packed) = packer.finish()
    {
        cloister_fuzz::read(&packed, "x.jsonl.gz");
        cloister_fuzz::read(&packed[..packed.len() - packed.len() / 3], "x.jsonl.gz");
    }
});
