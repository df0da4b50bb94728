//! The hash that the model's tables are addressed by.
//!
//! Invariant: it is part of the format of the weights, so it never changes without training anew. Multiply and fold,
//! as in wyhash; no key, because a collision can only make a word look like another.

const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

/// Hash of a string of bytes.
pub(super) fn of_bytes(bytes: &[u8]) -> u64 {
    let mut state = bytes.len() as u64;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        state = mix(state, u64::from_le_bytes(*chunk));
    }
    let mut last = [0u8; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(state, u64::from_le_bytes(last))
}

/// Joins two hashes; the order counts.
pub(super) fn mix(left: u64, right: u64) -> u64 {
    let product =
        u128::from(left ^ FACTOR) * u128::from(right.wrapping_add(left.rotate_left(23)) ^ 0xA076_1D64_78BD_642F);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_length_and_content_count() {
        let all = ["", "a", "b", "ab", "ba", "abcdefgh", "abcdefgh\0", "abcdefghi"].map(|s| of_bytes(s.as_bytes()));
        for (index, hash) in all.iter().enumerate() {
            assert!(!all[..index].contains(hash));
        }
        assert_ne!(mix(1, 2), mix(2, 1));
        assert_ne!(mix(0, 0), 0);
    }
}
