//! Event files as TensorBoard reads them: scalars by tag and step, nothing else.
//!
//! A file is a row of records: length (`u64`, little-endian), its masked CRC-32C, the bytes, their masked CRC-32C
//! (TensorFlow, `core/lib/io/record_writer.h` and `core/lib/hash/crc32c.h`). A record holds one `Event` message
//! (`core/util/event.proto`, `core/framework/summary.proto`) in the encoding of protocol buffers; the first one names
//! the version of the format. CRC-32C is that of RFC 3720, section 12.1, appendix B.4.
//!
//! Invariant: a file is appended to in whole records; a reader takes a record that was cut off for the end.

/// The record with which a file begins.
pub(super) fn file_version(wall_seconds: f64) -> Vec<u8> {
    let mut event = wall_time(wall_seconds);
    bytes_field(&mut event, 3, b"brain.Event:2");
    record(&event)
}

/// A record with one figure: `Event { wall_time, step, summary { value { tag, simple_value } } }`.
pub(super) fn scalar(wall_seconds: f64, step: u64, tag: &str, value: f64) -> Vec<u8> {
    let mut figure = Vec::new();
    bytes_field(&mut figure, 1, tag.as_bytes());
    figure.push(2 << 3 | FIXED_32);
    figure.extend((value as f32).to_le_bytes());
    let mut summary = Vec::new();
    bytes_field(&mut summary, 1, &figure);
    let mut event = wall_time(wall_seconds);
    event.push(2 << 3 | VARINT);
    varint(&mut event, step);
    bytes_field(&mut event, 5, &summary);
    record(&event)
}

const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const BYTES: u8 = 2;
const FIXED_32: u8 = 5;

fn wall_time(seconds: f64) -> Vec<u8> {
    let mut event = vec![1 << 3 | FIXED_64];
    event.extend(seconds.to_le_bytes());
    event
}

fn bytes_field(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | BYTES);
    varint(message, bytes.len() as u64);
    message.extend(bytes);
}

fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length).to_le_bytes(), data, &masked(data).to_le_bytes()].concat()
}

/// A CRC of bytes that hold CRCs themselves is rotated and shifted (`crc32c.h`, `Mask`).
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Castagnoli's polynomial, bit by bit: records are short and few.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::hex;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, appendix B.4, and the usual check value
        let rising: Vec<u8> = (0..32).collect();
        let falling: Vec<u8> = (0..32).rev().collect();
        let sums = [&[0; 32][..], &[0xff; 32], &rising, &falling, b"123456789"].map(crc32c);
        assert_eq!(sums, [0x8a91_36aa, 0x62a8_ab43, 0x46dd_794e, 0x113f_db5c, 0xe306_9283]);
    }

    /// Bytes that `bench/peers/tfevents.py --vectors` printed: written by the `tensorboard` package for the same
    /// events.
    #[test]
    fn records_are_those_of_tensorboard() {
        assert_eq!(hex(&file_version(1.5)), VERSION);
        assert_eq!(hex(&scalar(1.5, 300, "privacy/epsilon", 7.25)), SCALAR);
    }

    const VERSION: &str = "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c";
    const SCALAR: &str =
        "2600000000000000734fe30009000000000000f83f10ac022a180a160a0f707269766163792f657073696c6f6e150000e840b7319772";
}
