//! A strict reader of the GGUF container, versions 2 and 3, little-endian
//! (ggml-org/ggml, `docs/gguf.md`).
//!
//! Invariants: no count or length of the file is believed before it is checked against the bytes that are left,
//! all arithmetic on it is checked, and every tensor of a [`Gguf`] that exists lies inside the file, aligned,
//! and overlaps no other. Nothing is copied: keys, texts and arrays borrow from the file's bytes.

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::dequant::TensorType;
use crate::error::{Error, Result};

/// First four bytes of every GGUF file.
pub(crate) const MAGIC: &[u8; 4] = b"GGUF";

/// Bytes that the shortest key-value pair and the shortest tensor entry take.
const SMALLEST_PAIR: u64 = 8 + 1 + 4 + 1;
const SMALLEST_TENSOR: u64 = 8 + 1 + 4 + 8 + 4 + 8;
const LONGEST_KEY: u64 = (1 << 16) - 1;
const MOST_DIMENSIONS: u32 = 4;
const DEFAULT_ALIGNMENT: u64 = 32;
const LARGEST_ALIGNMENT: u64 = 1 << 16;

/// A parsed file.
pub(crate) struct Gguf<'a> {
    path: &'a Path,
    metadata: BTreeMap<&'a str, Value<'a>>,
    tensors: BTreeMap<&'a str, Tensor<'a>>,
}

/// A metadata value.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    /// Any unsigned integer type.
    Unsigned(u64),
    /// Any signed integer type.
    Signed(i64),
    /// Either float type.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// A string.
    Text(&'a str),
    /// An array of one scalar type.
    Array(Array<'a>),
}

/// A metadata array; its elements were checked when the file was parsed.
#[derive(Clone, Copy)]
pub(crate) struct Array<'a> {
    kind: u32,
    count: usize,
    bytes: &'a [u8],
}

/// A tensor's type, shape and bytes.
pub(crate) struct Tensor<'a> {
    /// How values are stored.
    pub(crate) kind: TensorType,
    /// Sizes in ggml's order: the fastest-varying first.
    pub(crate) dimensions: Vec<usize>,
    /// Whole blocks of all values.
    pub(crate) bytes: &'a [u8],
}

struct Entry<'a> {
    name: &'a str,
    kind: TensorType,
    dimensions: Vec<usize>,
    length: u64,
    offset: u64,
    at: usize,
}

impl<'a> Gguf<'a> {
    /// Parses the whole header and checks every tensor's place.
    ///
    /// # Errors
    /// [`Error::Format`] with the offset of what is wrong; [`Error::Unsupported`] for another version,
    /// byte order or tensor type.
    pub(crate) fn parse(bytes: &'a [u8], path: &'a Path) -> Result<Self> {
        let mut reader = Reader { bytes, position: 0, path };
        if reader.take(4)? != MAGIC {
            return Err(reader.malformed(0, "does not start with `GGUF`"));
        }
        match reader.u32()? {
            2 | 3 => {}
            version @ (0x0200_0000 | 0x0300_0000) => {
                let value = format!("big-endian, version {}", version.swap_bytes());
                return Err(Error::Unsupported { what: "GGUF version", value });
            }
            version => return Err(Error::Unsupported { what: "GGUF version", value: version.to_string() }),
        }
        let tensor_count = reader.count(SMALLEST_TENSOR, "tensors")?;
        let pair_count = reader.count(SMALLEST_PAIR, "key-value pairs")?;
        let metadata = reader.pairs(pair_count)?;
        let alignment = alignment(&metadata, &reader)?;
        let entries = reader.entries(tensor_count)?;
        let data_start = reader.position as u64;
        let data_start = data_start.next_multiple_of(alignment);
        let tensors = place(entries, data_start, alignment, &reader)?;
        Ok(Self { path, metadata, tensors })
    }

    /// All tensors by name.
    pub(crate) fn tensors(&self) -> &BTreeMap<&'a str, Tensor<'a>> {
        &self.tensors
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<Value<'a>> {
        self.metadata.get(key).copied()
    }

    /// A text, if the key exists.
    ///
    /// # Errors
    /// [`Error::Format`] if the value has another type; so for all typed readers below.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>> {
        self.typed(key, "a string", |value| if let Value::Text(text) = value { Some(text) } else { None })
    }

    /// A boolean, if the key exists.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "a boolean", |value| if let Value::Bool(flag) = value { Some(flag) } else { None })
    }

    /// A whole number from zero, if the key exists.
    pub(crate) fn size(&self, key: &str) -> Result<Option<usize>> {
        self.typed(key, "a whole number", |value| match value {
            Value::Unsigned(number) => usize::try_from(number).ok(),
            Value::Signed(number) => usize::try_from(number).ok(),
            _ => None,
        })
    }

    /// A number, if the key exists.
    pub(crate) fn number(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number", |value| match value {
            Value::Float(number) => Some(number),
            Value::Unsigned(number) => Some(number as f64),
            Value::Signed(number) => Some(number as f64),
            _ => None,
        })
    }

    /// An array of strings, if the key exists.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<&'a str>>> {
        self.typed(key, "an array of strings", |value| match value {
            Value::Array(array) => array.texts(),
            _ => None,
        })
    }

    /// An array of numbers, if the key exists.
    pub(crate) fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>> {
        self.typed(key, "an array of numbers", |value| match value {
            Value::Array(array) => array.numbers(),
            _ => None,
        })
    }

    /// An [`Error::Format`] about this file.
    pub(crate) fn problem(&self, problem: impl Into<String>) -> Error {
        Error::Format { format: "GGUF", path: self.path.to_path_buf(), problem: problem.into() }
    }

    fn typed<T>(&self, key: &str, wanted: &str, read: impl Fn(Value<'a>) -> Option<T>) -> Result<Option<T>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => {
                read(value).map(Some).ok_or_else(|| self.problem(format!("the value of `{key}` is not {wanted}")))
            }
        }
    }
}

impl<'a> Array<'a> {
    fn texts(self) -> Option<Vec<&'a str>> {
        if self.kind != STRING {
            return None;
        }
        let mut reader = Reader { bytes: self.bytes, position: 0, path: Path::new("") };
        (0..self.count).map(|_| reader.text(u64::MAX).ok()).collect()
    }

    fn numbers(self) -> Option<Vec<f64>> {
        let mut reader = Reader { bytes: self.bytes, position: 0, path: Path::new("") };
        let number = |_| match reader.scalar(self.kind).ok()? {
            Value::Unsigned(number) => Some(number as f64),
            Value::Signed(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            _ => None,
        };
        (0..self.count).map(number).collect()
    }
}

/// Bounds-checked reading with the position for messages.
struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    path: &'a Path,
}

const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

impl<'a> Reader<'a> {
    fn malformed(&self, at: usize, problem: &str) -> Error {
        let problem = format!("{problem} (at byte {at} of {})", self.bytes.len());
        Error::Format { format: "GGUF", path: self.path.to_path_buf(), problem }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.position..];
        let Some(taken) = rest.get(..length) else {
            return Err(self.malformed(self.position, "is cut short"));
        };
        self.position += length;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut fixed = [0; N];
        fixed.copy_from_slice(self.take(N)?);
        Ok(fixed)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.fixed()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.fixed()?))
    }

    /// A count of items that take at least `smallest` bytes each, and so is bounded by what is left.
    fn count(&mut self, smallest: u64, items: &str) -> Result<usize> {
        let at = self.position;
        let count = self.u64()?;
        let left = (self.bytes.len() - self.position) as u64;
        match usize::try_from(count) {
            Ok(small) if count <= left / smallest => Ok(small),
            _ => Err(self.malformed(at, &format!("claims {count} {items}, more than the file can hold"))),
        }
    }

    fn text(&mut self, longest: u64) -> Result<&'a str> {
        let at = self.position;
        let length = self.u64()?;
        let left = self.bytes.len() - self.position;
        let length = match usize::try_from(length) {
            Ok(length) if length <= left => length,
            _ => return Err(self.malformed(at, "is cut short inside a string")),
        };
        if length as u64 > longest {
            return Err(self.malformed(at, "has a name that is too long"));
        }
        std::str::from_utf8(self.take(length)?).map_err(|_| self.malformed(at, "has a string that is not UTF-8"))
    }

    fn name(&mut self) -> Result<&'a str> {
        let at = self.position;
        let name = self.text(LONGEST_KEY)?;
        if name.is_empty() {
            return Err(self.malformed(at, "has an empty name"));
        }
        Ok(name)
    }

    fn scalar(&mut self, kind: u32) -> Result<Value<'a>> {
        Ok(match kind {
            0 => Value::Unsigned(u8::from_le_bytes(self.fixed()?).into()),
            1 => Value::Signed(i8::from_le_bytes(self.fixed()?).into()),
            2 => Value::Unsigned(u16::from_le_bytes(self.fixed()?).into()),
            3 => Value::Signed(i16::from_le_bytes(self.fixed()?).into()),
            4 => Value::Unsigned(self.u32()?.into()),
            5 => Value::Signed(i32::from_le_bytes(self.fixed()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.fixed()?).into()),
            BOOL => match self.fixed::<1>()?[0] {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(self.malformed(self.position - 1, "has a boolean that is neither 0 nor 1")),
            },
            STRING => Value::Text(self.text(u64::MAX)?),
            10 => Value::Unsigned(self.u64()?),
            11 => Value::Signed(i64::from_le_bytes(self.fixed()?)),
            12 => Value::Float(f64::from_le_bytes(self.fixed()?)),
            _ => return Err(self.malformed(self.position, &format!("has a value of unknown type {kind}"))),
        })
    }

    fn array(&mut self) -> Result<Array<'a>> {
        let at = self.position;
        let kind = self.u32()?;
        let smallest = match kind {
            0 | 1 | BOOL => 1,
            2 | 3 => 2,
            4..=6 => 4,
            STRING | 10..=12 => 8,
            ARRAY => return Err(self.malformed(at, "has an array of arrays")),
            _ => return Err(self.malformed(at, &format!("has an array of unknown type {kind}"))),
        };
        let count = self.count(smallest, "array elements")?;
        let start = self.position;
        if matches!(kind, STRING | BOOL) {
            for _ in 0..count {
                self.scalar(kind)?;
            }
        } else {
            self.take(count * smallest as usize)?;
        }
        Ok(Array { kind, count, bytes: &self.bytes[start..self.position] })
    }

    fn pairs(&mut self, count: usize) -> Result<BTreeMap<&'a str, Value<'a>>> {
        let mut pairs = BTreeMap::new();
        for _ in 0..count {
            let at = self.position;
            let key = self.name()?;
            let kind = self.u32()?;
            let value = if kind == ARRAY { Value::Array(self.array()?) } else { self.scalar(kind)? };
            if pairs.insert(key, value).is_some() {
                return Err(self.malformed(at, &format!("has the key `{}` twice", printable(key))));
            }
        }
        Ok(pairs)
    }

    fn entries(&mut self, count: usize) -> Result<Vec<Entry<'a>>> {
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            entries.push(self.entry()?);
        }
        Ok(entries)
    }

    fn entry(&mut self) -> Result<Entry<'a>> {
        let at = self.position;
        let name = self.name()?;
        let dimension_count = self.u32()?;
        if !(1..=MOST_DIMENSIONS).contains(&dimension_count) {
            return Err(self.malformed(at, &format!("has a tensor of {dimension_count} dimensions")));
        }
        let mut dimensions = Vec::with_capacity(dimension_count as usize);
        let mut values: u64 = 1;
        for _ in 0..dimension_count {
            let dimension = self.u64()?;
            match (values.checked_mul(dimension), usize::try_from(dimension)) {
                (Some(product), Ok(size)) if product > 0 => {
                    values = product;
                    dimensions.push(size);
                }
                _ => return Err(self.malformed(at, "has a tensor whose size is zero or too large")),
            }
        }
        let number = self.u32()?;
        let Some(kind) = TensorType::from_ggml(number) else {
            return Err(Error::Unsupported { what: "tensor type", value: format!("ggml type {number}") });
        };
        let block = kind.block_values() as u64;
        if !(dimensions[0] as u64).is_multiple_of(block) {
            return Err(self.malformed(at, "has a tensor whose rows are not whole blocks"));
        }
        let Some(length) = (values / block).checked_mul(kind.block_bytes() as u64) else {
            return Err(self.malformed(at, "has a tensor whose size is too large"));
        };
        let offset = self.u64()?;
        Ok(Entry { name, kind, dimensions, length, offset, at })
    }
}

fn alignment(metadata: &BTreeMap<&str, Value<'_>>, reader: &Reader<'_>) -> Result<u64> {
    match metadata.get("general.alignment") {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(&Value::Unsigned(alignment)) if alignment.is_power_of_two() && alignment <= LARGEST_ALIGNMENT => {
            Ok(alignment)
        }
        Some(_) => Err(reader.malformed(reader.position, "has an alignment that is not a small power of two")),
    }
}

/// Gives every tensor its bytes, after checks of bounds, alignment, overlaps and repeated names.
fn place<'a>(
    mut entries: Vec<Entry<'a>>,
    data_start: u64,
    alignment: u64,
    reader: &Reader<'a>,
) -> Result<BTreeMap<&'a str, Tensor<'a>>> {
    entries.sort_by_key(|entry| entry.offset);
    let mut tensors = BTreeMap::new();
    let mut free_from = 0;
    for entry in entries {
        if !entry.offset.is_multiple_of(alignment) {
            return Err(reader.malformed(entry.at, "has a tensor that is not aligned"));
        }
        if entry.offset < free_from {
            return Err(reader.malformed(entry.at, "has tensors that overlap"));
        }
        let range = entry.offset.checked_add(entry.length).and_then(|end| {
            free_from = end;
            let start = usize::try_from(data_start.checked_add(entry.offset)?).ok()?;
            Some(start..usize::try_from(data_start.checked_add(end)?).ok()?)
        });
        let Some(bytes) = range.and_then(|range| reader.bytes.get(range)) else {
            return Err(reader.malformed(entry.at, "is cut short: a tensor ends outside the file"));
        };
        let tensor = Tensor { kind: entry.kind, dimensions: entry.dimensions, bytes };
        if tensors.insert(entry.name, tensor).is_some() {
            return Err(reader.malformed(entry.at, &format!("has the tensor `{}` twice", printable(entry.name))));
        }
    }
    Ok(tensors)
}

/// A name from the file, fit for a message: short, without control characters.
pub(crate) fn printable(name: &str) -> String {
    name.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
