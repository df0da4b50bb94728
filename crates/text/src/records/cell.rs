//! Values of Arrow's types as JSON.
//!
//! Invariant: what is made of one record passes neither [`LINE_LIMIT_BYTES`] of text nor [`VALUES_LIMIT`] values. Dates and
//! times become text (ISO 8601), so that they are searched as text is; exact numbers stay exact.
//! Source: Arrow's columnar format 1.5; Hinnant, "chrono-compatible low-level date algorithms".

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use serde_json::{Map, Number, Value};

use super::finding::Problem;
use super::{LINE_LIMIT_BYTES, VALUES_LIMIT};
use crate::error::{Error, Result};

/// What one record may still hold.
pub(super) struct Budget {
    line: usize,
    /// The column that is read, counted from 1.
    pub(super) column: usize,
    mend: bool,
    bytes: usize,
    values: usize,
    /// What was mended.
    pub(super) problems: Vec<Problem>,
}

impl Budget {
    pub(super) fn new(line: usize, mend: bool) -> Self {
        Self { line, column: 1, mend, bytes: LINE_LIMIT_BYTES, values: VALUES_LIMIT, problems: Vec::new() }
    }

    pub(super) fn note(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn text(&mut self, text: &str) -> Result<Value> {
        let line = self.line;
        let left = self.bytes.checked_sub(text.len());
        self.bytes = left.ok_or(Error::RecordTooLong { line, limit_bytes: LINE_LIMIT_BYTES })?;
        if text.contains('\0') {
            if !self.mend {
                return Err(Error::CellNul { line, column: self.column });
            }
            self.note(Problem::Nul);
        }
        Ok(Value::String(text.to_owned()))
    }

    /// Bytes that are text are text; others are nothing that can be searched.
    fn bytes(&mut self, bytes: &[u8]) -> Result<Value> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text(text),
            Err(_) => Ok(self.other()),
        }
    }

    fn other(&mut self) -> Value {
        self.note(Problem::OtherType);
        Value::Null
    }
}

/// The value in a row of a column.
pub(super) fn value(column: &ArrayRef, row: usize, budget: &mut Budget) -> Result<Value> {
    budget.values = match budget.values.checked_sub(1) {
        Some(left) => left,
        None => return Err(Error::TooManyValues { line: budget.line, limit: VALUES_LIMIT }),
    };
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Int8 => of::<Int8Type>(column, row).into(),
        DataType::Int16 => of::<Int16Type>(column, row).into(),
        DataType::Int32 => of::<Int32Type>(column, row).into(),
        DataType::Int64 => of::<Int64Type>(column, row).into(),
        DataType::UInt8 => of::<UInt8Type>(column, row).into(),
        DataType::UInt16 => of::<UInt16Type>(column, row).into(),
        DataType::UInt32 => of::<UInt32Type>(column, row).into(),
        DataType::UInt64 => of::<UInt64Type>(column, row).into(),
        DataType::Float16 => float(of::<Float16Type>(column, row).to_f64()),
        DataType::Float32 => float(f64::from(of::<Float32Type>(column, row))),
        DataType::Float64 => float(of::<Float64Type>(column, row)),
        DataType::Utf8 => budget.text(column.as_string::<i32>().value(row))?,
        DataType::LargeUtf8 => budget.text(column.as_string::<i64>().value(row))?,
        DataType::Utf8View => budget.text(column.as_string_view().value(row))?,
        DataType::Binary => budget.bytes(column.as_binary::<i32>().value(row))?,
        DataType::LargeBinary => budget.bytes(column.as_binary::<i64>().value(row))?,
        DataType::BinaryView => budget.bytes(column.as_binary_view().value(row))?,
        DataType::FixedSizeBinary(_) => budget.bytes(column.as_fixed_size_binary().value(row))?,
        DataType::Decimal32(..) => budget.text(&column.as_primitive::<Decimal32Type>().value_as_string(row))?,
        DataType::Decimal64(..) => budget.text(&column.as_primitive::<Decimal64Type>().value_as_string(row))?,
        DataType::Decimal128(..) => budget.text(&column.as_primitive::<Decimal128Type>().value_as_string(row))?,
        DataType::Decimal256(..) => budget.text(&column.as_primitive::<Decimal256Type>().value_as_string(row))?,
        DataType::Date32 => Value::String(date(i64::from(of::<Date32Type>(column, row)))),
        DataType::Date64 => Value::String(moment(of::<Date64Type>(column, row), 1000)),
        DataType::Timestamp(unit, _) => Value::String(match unit {
            TimeUnit::Second => moment(of::<TimestampSecondType>(column, row), 1),
            TimeUnit::Millisecond => moment(of::<TimestampMillisecondType>(column, row), 1000),
            TimeUnit::Microsecond => moment(of::<TimestampMicrosecondType>(column, row), 1_000_000),
            TimeUnit::Nanosecond => moment(of::<TimestampNanosecondType>(column, row), 1_000_000_000),
        }),
        DataType::Time32(TimeUnit::Second) => time(i64::from(of::<Time32SecondType>(column, row))),
        DataType::Time32(_) => time(i64::from(of::<Time32MillisecondType>(column, row)) / 1000),
        DataType::Time64(TimeUnit::Microsecond) => time(of::<Time64MicrosecondType>(column, row) / 1_000_000),
        DataType::Time64(_) => time(of::<Time64NanosecondType>(column, row) / 1_000_000_000),
        DataType::List(_) => list(&column.as_list::<i32>().value(row), budget)?,
        DataType::LargeList(_) => list(&column.as_list::<i64>().value(row), budget)?,
        DataType::ListView(_) => list(&column.as_list_view::<i32>().value(row), budget)?,
        DataType::LargeListView(_) => list(&column.as_list_view::<i64>().value(row), budget)?,
        DataType::FixedSizeList(..) => list(&column.as_fixed_size_list().value(row), budget)?,
        DataType::Struct(_) => {
            let members = column.as_struct();
            let mut object = Map::new();
            for (field, column) in members.fields().iter().zip(members.columns()) {
                object.insert(field.name().clone(), value(column, row, budget)?);
            }
            Value::Object(object)
        }
        DataType::Map(..) => {
            let entries = column.as_map().value(row);
            let (names, values) = (entries.column(0), entries.column(1));
            let mut object = Map::new();
            for entry in 0..entries.len() {
                let name = match value(names, entry, budget)? {
                    Value::String(name) => name,
                    name => name.to_string(),
                };
                object.insert(name, value(values, entry, budget)?);
            }
            Value::Object(object)
        }
        DataType::Dictionary(key, _) => match entry(column, row, key) {
            Some((values, at)) => value(values, at, budget)?,
            None => budget.other(),
        },
        _ => budget.other(),
    })
}

/// About how many bytes the value in a row takes; more than `limit` is not counted to its end.
pub(super) fn weight(column: &ArrayRef, row: usize, limit: usize) -> usize {
    const SCALAR: usize = 8;
    let items = |items: &ArrayRef| {
        let mut total = SCALAR;
        for item in 0..items.len() {
            if total > limit {
                break;
            }
            total += weight(items, item, limit - total);
        }
        total
    };
    if column.is_null(row) {
        return SCALAR;
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value_length(row).unsigned_abs() as usize,
        DataType::LargeUtf8 => usize::try_from(column.as_string::<i64>().value_length(row)).unwrap_or(usize::MAX),
        DataType::Utf8View => column.as_string_view().value(row).len(),
        DataType::List(_) => items(&column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => items(&column.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => items(&column.as_fixed_size_list().value(row)),
        DataType::Map(..) => column.as_map().value(row).columns().iter().map(items).fold(0, usize::saturating_add),
        DataType::Struct(_) => {
            let of = |member: &ArrayRef| weight(member, row, limit);
            column.as_struct().columns().iter().map(of).fold(0, usize::saturating_add)
        }
        // What a dictionary repeats is in memory once, and in every record that it is made into.
        DataType::Dictionary(key, _) => {
            entry(column, row, key).map_or(SCALAR, |(values, at)| weight(values, at, limit))
        }
        _ => SCALAR,
    }
}

fn of<T: ArrowPrimitiveType>(column: &ArrayRef, row: usize) -> T::Native {
    column.as_primitive::<T>().value(row)
}

/// Where a dictionary keeps the value of a row.
fn entry<'a>(column: &'a ArrayRef, row: usize, key: &DataType) -> Option<(&'a ArrayRef, usize)> {
    fn by<K: ArrowDictionaryKeyType>(column: &ArrayRef, row: usize) -> Option<(&ArrayRef, usize)> {
        let dictionary = column.as_dictionary::<K>();
        dictionary.key(row).map(|at| (dictionary.values(), at))
    }
    match key {
        DataType::Int8 => by::<Int8Type>(column, row),
        DataType::Int16 => by::<Int16Type>(column, row),
        DataType::Int32 => by::<Int32Type>(column, row),
        DataType::Int64 => by::<Int64Type>(column, row),
        DataType::UInt8 => by::<UInt8Type>(column, row),
        DataType::UInt16 => by::<UInt16Type>(column, row),
        DataType::UInt32 => by::<UInt32Type>(column, row),
        DataType::UInt64 => by::<UInt64Type>(column, row),
        _ => None,
    }
}

fn list(items: &ArrayRef, budget: &mut Budget) -> Result<Value> {
    let values: Result<Vec<Value>> = (0..items.len()).map(|item| value(items, item, budget)).collect();
    values.map(Value::Array)
}

/// JSON has no infinities; they carry nothing to search.
fn float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

fn date(days: i64) -> String {
    let shifted = days.saturating_add(719_468); // days since 0000-03-01
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

fn clock(seconds: i64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn time(seconds: i64) -> Value {
    Value::String(clock(seconds))
}

/// A moment in units of which there are `per_second`; midnight is written as its date alone.
fn moment(units: i64, per_second: i64) -> String {
    let seconds = units.div_euclid(per_second);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    if rest == 0 { date(days) } else { format!("{}T{}", date(days), clock(rest)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_iso_8601_says() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(moment(951_782_399_000, 1000), "2000-02-28T23:59:59");
        assert_eq!(moment(-1, 1_000_000), "1969-12-31T23:59:59");
        assert_eq!(moment(86_400, 1), "1970-01-02");
        assert!(date(i64::MAX).len() > 10 && moment(i64::MIN, 1).len() > 10, "no overflow");
    }
}
