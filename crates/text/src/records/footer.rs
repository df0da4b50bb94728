//! How long the footer of a Parquet file may keep its reader busy.
//!
//! The `parquet` crate (60.1) steps over lists, sets and maps of booleans in fields that it does not know one element at a
//! time, and reads no byte for any of them: six bytes of a footer can claim two thousand million elements, and a small
//! file hours. Whatever stands at any place of a footer could be read as such a claim. Their sum is what the reader can be
//! made to do at most, and in files that programs write it is small for their size: random bytes claim 50,000 a byte.
//! Source: Thrift's compact protocol, collections.

/// Elements that any footer may claim: some seconds.
const ANY: u64 = 1 << 33;
/// Elements that it may claim for each of its bytes, twenty times as many as random bytes do.
const PER_BYTE: u64 = 1_000_000;

/// Whether the time that a footer takes is in proportion to its length.
pub(super) fn is_bounded(footer: &[u8]) -> bool {
    let limit = ANY.max(footer.len() as u64 * PER_BYTE);
    let mut claimed = 0;
    for at in 0..footer.len() {
        let Some((count, behind)) = size(&footer[at..]) else { continue };
        // A list or set of many booleans, and a map from booleans to booleans.
        let list = at > 0 && matches!(footer[at - 1], 0xF1 | 0xF2);
        let map = matches!(footer.get(at + behind), Some(0x11 | 0x12 | 0x21 | 0x22));
        claimed += count * (u64::from(list) + u64::from(map));
    }
    claimed <= limit
}

/// A number of elements, and the bytes that it takes; larger ones are refused by the crate.
fn size(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return (value <= i32::MAX as u64).then_some((value, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: [u8; 5] = [0xFF, 0xFF, 0xFF, 0xFF, 0x07];

    #[test]
    fn claims_add_up() {
        let list = [&[0xF1][..], &MANY].concat();
        let map = [&MANY[..], &[0x12]].concat();
        for claim in [list, map] {
            assert!(is_bounded(&claim.repeat(3)), "one or two such bytes happen");
            assert!(!is_bounded(&claim.repeat(8)));
        }
        assert!(is_bounded(&[]) && is_bounded(&[0xF1]) && is_bounded(&[0xF2, 0xFF, 0xFF]));
        assert!(is_bounded(&[0xF5; 10_000]), "a list of strings must have its bytes");
    }

    #[test]
    fn random_bytes_are_far_below_the_limit() {
        let mut state = 1_u64;
        let random: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 56) as u8
        })
        .take(1 << 20)
        .collect();
        assert!(is_bounded(&random));
        assert!(random.chunks(4096).all(is_bounded));
    }
}
