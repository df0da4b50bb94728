//! Keccak-256, as Ethereum uses it: the sponge of SHA-3 with the padding of the original submission.
//!
//! Source: G. Bertoni et al., "The Keccak reference", version 3.0 (2011); rate 136 bytes, padding `0x01`.

const RATE: usize = 136;
const ROUNDS: usize = 24;

const ROTATIONS: [u32; 24] =
    [1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44];
const LANES: [usize; 24] = [10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1];

/// Digest of a message shorter than one block (136 bytes); longer ones are cut, which no caller does.
pub(super) fn keccak256(message: &[u8]) -> [u8; 32] {
    let mut block = [0u8; RATE];
    let length = message.len().min(RATE - 1);
    block[..length].copy_from_slice(&message[..length]);
    block[length] ^= 0x01;
    block[RATE - 1] ^= 0x80;
    let mut state = [0u64; 25];
    for (lane, bytes) in state.iter_mut().zip(block.chunks_exact(8)) {
        *lane = bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    }
    permute(&mut state);
    let mut digest = [0u8; 32];
    for (bytes, lane) in digest.chunks_exact_mut(8).zip(&state) {
        bytes.copy_from_slice(&lane.to_le_bytes());
    }
    digest
}

fn permute(state: &mut [u64; 25]) {
    let mut register = 1u8;
    for _ in 0..ROUNDS {
        // theta
        let parity: [u64; 5] = std::array::from_fn(|x| (0..5).fold(0, |sum, y| sum ^ state[x + 5 * y]));
        for (index, lane) in state.iter_mut().enumerate() {
            *lane ^= parity[(index + 4) % 5] ^ parity[(index + 1) % 5].rotate_left(1);
        }
        // rho and pi
        let mut carried = state[1];
        for (lane, rotation) in LANES.iter().zip(ROTATIONS) {
            carried = std::mem::replace(&mut state[*lane], carried.rotate_left(rotation));
        }
        // chi
        for row in state.chunks_exact_mut(5) {
            let old: [u64; 5] = std::array::from_fn(|x| row[x]);
            for x in 0..5 {
                row[x] = old[x] ^ (!old[(x + 1) % 5] & old[(x + 2) % 5]);
            }
        }
        // iota: bit 2^j - 1 of the lane is the next bit of the register x^8 + x^6 + x^5 + x^4 + 1
        for j in 0..7 {
            state[0] ^= u64::from(register & 1) << ((1u32 << j) - 1);
            register = register << 1 ^ if register >> 7 == 1 { 0x71 } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_the_reference() {
        let hex = |digest: [u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(keccak256(b"")), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
        assert_eq!(hex(keccak256(b"abc")), "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
    }
}
