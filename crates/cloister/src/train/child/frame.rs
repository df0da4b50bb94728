//! Messages between a trainer and the process that started it: a kind, a length, and so many bytes.
//!
//! ```text
//! offset bytes
//!      0     1  kind
//!      1     4  bytes of what follows, little end first
//!      5        a record as it is, a key as it is, or JSON
//! ```
//!
//! Invariant: no length is believed beyond what its kind may have, so that neither side makes the other reserve memory; and
//! every number comes out as it went in: floating-point numbers travel as their bits, for JSON readers round.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};
use zeroize::Zeroizing;

const CONTROL_BYTES: usize = 1 << 20;
/// As long as the longest record that is read, with room for what stands around its text.
const RECORD_BYTES: usize = 32 << 20;
/// The member that stands for a floating-point number.
const BITS: &str = "bits";

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// To the trainer: what it shall do. The first of all.
    Job,
    /// To the trainer: the key of its snapshots.
    Key,
    /// To the trainer: a record to measure on.
    Public,
    /// To the trainer: a record to learn from.
    Record,
    /// To the trainer: the end of either.
    End,
    /// To the trainer: go on.
    Go,
    /// To the trainer: so many steps are counted, it may make them.
    Granted,
    /// To the trainer: there are no more.
    Refused,
    /// To the trainer, at any time: end with a snapshot.
    Stop,
    /// From the trainer: it is shut in and has the base.
    Ready,
    /// From the trainer: nothing is in the way of the first step.
    Begin,
    /// From the trainer: it asks for so many steps.
    Lease,
    /// From the trainer: a step is over.
    Step,
    /// From the trainer: a loss on public records.
    Loss,
    /// From the trainer: the adapter is written. The last of all.
    Done,
    /// From the trainer: why there is none. The last of all.
    Failed,
}

impl Kind {
    const ALL: [Self; 16] = [
        Self::Job,
        Self::Key,
        Self::Public,
        Self::Record,
        Self::End,
        Self::Go,
        Self::Granted,
        Self::Refused,
        Self::Stop,
        Self::Ready,
        Self::Begin,
        Self::Lease,
        Self::Step,
        Self::Loss,
        Self::Done,
        Self::Failed,
    ];

    fn most_bytes(self) -> usize {
        match self {
            Self::Public | Self::Record => RECORD_BYTES,
            Self::Key => KEY_BYTES,
            Self::End | Self::Go | Self::Refused | Self::Stop => 0,
            _ => CONTROL_BYTES,
        }
    }
}

/// Bytes of a key with its id.
pub(super) const KEY_BYTES: usize = 48;

/// A message; wiped when it goes, for it may be a record.
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) payload: Zeroizing<Vec<u8>>,
}

impl Frame {
    /// The next message; nothing where the other side has closed its end.
    pub(super) fn read(source: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; 5];
        if source.read(&mut head[..1])? == 0 {
            return Ok(None);
        }
        source.read_exact(&mut head[1..])?;
        let [kind, length @ ..] = head;
        let kind = Kind::ALL.get(usize::from(kind)).copied().ok_or_else(|| astray("a message of no known kind"))?;
        let length = u32::from_le_bytes(length) as usize;
        if length > kind.most_bytes() {
            return Err(astray("a message is too long"));
        }
        let mut payload = Zeroizing::new(vec![0; length]);
        source.read_exact(&mut payload)?;
        Ok(Some(Self { kind, payload }))
    }

    /// What the message says, if it is JSON.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> io::Result<T> {
        let value: Value = serde_json::from_slice(&self.payload)?;
        Ok(serde_json::from_value(unpacked(value))?)
    }
}

/// Sends bytes as they are.
pub(super) fn send_bytes(sink: &mut impl Write, kind: Kind, payload: &[u8]) -> io::Result<()> {
    if payload.len() > kind.most_bytes() {
        return Err(astray("a message is too long"));
    }
    let mut head = [kind as u8, 0, 0, 0, 0];
    head[1..].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    sink.write_all(&head)?;
    sink.write_all(payload)?;
    sink.flush()
}

/// Sends JSON.
pub(super) fn send(sink: &mut impl Write, kind: Kind, message: &impl Serialize) -> io::Result<()> {
    send_bytes(sink, kind, &serde_json::to_vec(&packed(serde_json::to_value(message)?))?)
}

fn astray(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Every floating-point number as an object with its bits.
fn packed(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let bits = number.as_f64().unwrap_or_default().to_bits();
            Value::Object(Map::from_iter([(BITS.to_owned(), bits.into())]))
        }
        Value::Array(values) => values.into_iter().map(packed).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, packed(value))).collect(),
        other => other,
    }
}

fn unpacked(value: Value) -> Value {
    match value {
        Value::Object(members) if members.len() == 1 && members.get(BITS).is_some_and(Value::is_u64) => {
            let bits = members.get(BITS).and_then(Value::as_u64).unwrap_or_default();
            Number::from_f64(f64::from_bits(bits)).map_or(Value::Null, Value::Number)
        }
        Value::Array(values) => values.into_iter().map(unpacked).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, unpacked(value))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn numbers_come_out_as_they_went_in() {
        let numbers = [0.1, 1e-5, 7.123_456_789_012_345, f64::MIN_POSITIVE, 1.0 + f64::EPSILON, -0.0, 5e-324, 3.0];
        let mut bytes = Vec::new();
        send(&mut bytes, Kind::Job, &(numbers, 7_u64, "bits", Some(0.5_f32))).unwrap();
        let frame = Frame::read(&mut &bytes[..]).unwrap().unwrap();
        let (back, seven, word, half): ([f64; 8], u64, String, Option<f32>) = frame.parse().unwrap();
        assert_eq!(back.map(f64::to_bits), numbers.map(f64::to_bits));
        assert_eq!((seven, word.as_str(), half), (7, "bits", Some(0.5)));
    }

    #[test]
    fn a_length_is_not_believed() {
        let refused = |bytes: &[u8]| Frame::read(&mut &bytes[..]).is_err();
        assert!(refused(&[0, 0xff, 0xff, 0xff, 0xff]));
        assert!(refused(&[Kind::Stop as u8, 1, 0, 0, 0, 7]));
        assert!(refused(&[16, 0, 0, 0, 0]));
        assert!(refused(&[Kind::Go as u8, 0, 0]));
        assert!(refused(&[Kind::Lease as u8, 2, 0, 0, 0, b'1']));
        assert!(Frame::read(&mut &[][..]).unwrap().is_none());
        assert!(Kind::ALL.iter().enumerate().all(|(place, kind)| place == *kind as usize));
        assert!(send_bytes(&mut Vec::new(), Kind::Key, &[0; KEY_BYTES + 1]).is_err());
    }
}
