//! What `transformers` gives to chat templates beyond Jinja: `tojson`, `strftime_now`, and namespaces.
//!
//! Invariant: nothing here can be made to hold itself or to nest deeper than a small limit.

use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Enumerator, Kwargs, Object, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

/// Deepest nesting in JSON and in what a namespace holds.
const DEPTH_LIMIT: usize = 32;
/// Longest JSON text, and most values that a namespace is ever given: each is looked at, outside the engine's count of steps.
const JSON_BYTES: usize = 4 << 20;
const NAMESPACE_VALUES: usize = 1_000_000;

/// `json.dumps` as `transformers` calls it: keys in order, nothing escaped that need not be.
pub(super) fn to_json(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let escape: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    if escape == Some(true) {
        return Err(Error::new(ErrorKind::InvalidOperation, "ensure_ascii"));
    }
    let mut json = String::new();
    write_json(value, indent.map(|width| width.min(16)), 0, &mut json)?;
    Ok(Value::from(json))
}

fn write_json(value: &Value, indent: Option<usize>, depth: usize, json: &mut String) -> Result<(), Error> {
    let refused = |why| Err(Error::new(ErrorKind::BadSerialization, why));
    if depth > DEPTH_LIMIT || json.len() > JSON_BYTES {
        return refused("too deep or too long");
    }
    let quote = |text: &str| Value::from(serde_json::Value::from(text).to_string());
    let start_item = |json: &mut String, first: bool| {
        match (indent, first) {
            (None, true) => {}
            (None, false) => json.push_str(", "),
            (Some(_), true) => json.push('\n'),
            (Some(_), false) => json.push_str(",\n"),
        }
        json.push_str(&" ".repeat(indent.map_or(0, |width| width * (depth + 1))));
    };
    let end_items = |json: &mut String, empty: bool| {
        if let (Some(width), false) = (indent, empty) {
            json.push('\n');
            json.push_str(&" ".repeat(width * depth));
        }
    };
    match value.kind() {
        ValueKind::None => json.push_str("null"),
        ValueKind::Bool => json.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => json.push_str(&value.to_string()),
        ValueKind::String => json.push_str(quote(value.as_str().unwrap_or_default()).as_str().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => {
            json.push('[');
            let mut empty = true;
            for item in value.try_iter()? {
                start_item(json, empty);
                write_json(&item, indent, depth + 1, json)?;
                empty = false;
            }
            end_items(json, empty);
            json.push(']');
        }
        ValueKind::Map => {
            json.push('{');
            let mut empty = true;
            for key in value.try_iter()? {
                start_item(json, empty);
                let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                json.push_str(&serde_json::Value::from(name).to_string());
                json.push_str(": ");
                write_json(&value.get_item(&key)?, indent, depth + 1, json)?;
                empty = false;
            }
            end_items(json, empty);
            json.push('}');
        }
        _ => return refused("not a JSON value"),
    }
    Ok(())
}

/// The common fields of C's `strftime`, in UTC.
pub(super) fn strftime(format: &str, seconds: u64) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let (year, month, day) = civil_date(days);
    let (month_name, day_name) = (MONTHS[month as usize - 1], DAYS[(days % 7) as usize]);
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('Y') => text.push_str(&year.to_string()),
            Some('y') => text.push_str(&format!("{:02}", year % 100)),
            Some('m') => text.push_str(&format!("{month:02}")),
            Some('d') => text.push_str(&format!("{day:02}")),
            Some('B') => text.push_str(month_name),
            Some('b' | 'h') => text.push_str(&month_name[..3]),
            Some('A') => text.push_str(day_name),
            Some('a') => text.push_str(&day_name[..3]),
            Some('H') => text.push_str(&format!("{hour:02}")),
            Some('I') => text.push_str(&format!("{:02}", (hour + 11) % 12 + 1)),
            Some('p') => text.push_str(if hour < 12 { "AM" } else { "PM" }),
            Some('M') => text.push_str(&format!("{minute:02}")),
            Some('S') => text.push_str(&format!("{:02}", second % 60)),
            Some('F') => text.push_str(&format!("{year}-{month:02}-{day:02}")),
            Some('T') => text.push_str(&format!("{hour:02}:{minute:02}:{:02}", second % 60)),
            Some('%') => text.push('%'),
            Some(other) => text.extend(['%', other]),
            None => text.push('%'),
        }
    }
    text
}

/// Year, month and day of a number of days since 1970-01-01 (Gregorian calendar).
fn civil_date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month as u64 + 1, days + 1)
}

/// Jinja's `namespace`, whose attributes a template may set.
///
/// The engine's own lets a namespace hold itself, and printing that ends the process by stack overflow. This one
/// takes only values that hold no namespace. Templates reach it by [`super::dialect::translate`].
#[derive(Debug)]
pub(super) struct Namespace(Mutex<Attributes>);

#[derive(Debug)]
struct Attributes {
    values: Vec<(Arc<str>, Value)>,
    /// Values that may still be given.
    left: usize,
}

/// The method that sets an attribute; no template names it by chance.
pub(super) const SET_ATTRIBUTE: &str = "set_namespace_attribute";

/// A namespace with initial attributes.
pub(super) fn namespace(attributes: Kwargs) -> Result<Value, Error> {
    let namespace = Namespace(Mutex::new(Attributes { values: Vec::new(), left: NAMESPACE_VALUES }));
    for name in attributes.args() {
        namespace.set(name, attributes.get(name)?)?;
    }
    Ok(Value::from_object(namespace))
}

impl Namespace {
    fn set(&self, name: &str, value: Value) -> Result<(), Error> {
        let attributes = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = attributes().left;
        if !is_plain(&value, DEPTH_LIMIT, &mut left) {
            let why = "a namespace cannot hold a namespace, or values nested or repeated beyond all use";
            return Err(Error::new(ErrorKind::InvalidOperation, why));
        }
        let mut attributes = attributes();
        attributes.left = left;
        match attributes.values.iter_mut().find(|(known, _)| &**known == name) {
            Some((_, old)) => *old = value,
            None => attributes.values.push((name.into(), value)),
        }
        Ok(())
    }
}

impl Object for Namespace {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let attributes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attributes.values.iter().find(|(name, _)| Some(&**name) == key.as_str()).map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let attributes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Enumerator::Values(attributes.values.iter().map(|(name, _)| Value::from(name.clone())).collect())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        match arguments {
            [name, value] if method == SET_ATTRIBUTE => {
                self.set(name.as_str().unwrap_or_default(), value.clone())?;
                Ok(Value::from(()))
            }
            _ => Err(ErrorKind::UnknownMethod.into()),
        }
    }
}

/// Whether a value holds no namespace, and no more than `left` values at most `depth` deep.
fn is_plain(value: &Value, depth: usize, left: &mut usize) -> bool {
    if depth == 0 || *left == 0 || value.downcast_object_ref::<Namespace>().is_some() {
        return false;
    }
    *left -= 1;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter().is_ok_and(|mut items| items.all(|item| is_plain(&item, depth - 1, left)))
        }
        ValueKind::Map => value.try_iter().is_ok_and(|mut keys| {
            keys.all(|key| value.get_item(&key).is_ok_and(|item| is_plain(&item, depth - 1, left)))
        }),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_calendar() {
        assert_eq!(strftime("%Y-%m-%d %H:%M:%S %A %b", 0), "1970-01-01 00:00:00 Thursday Jan");
        assert_eq!(strftime("%d %B %Y, %I %p, %a", 1_709_208_000), "29 February 2024, 12 PM, Thu");
        assert_eq!(strftime("%F %T %y %q%", 4_102_444_799), "2099-12-31 23:59:59 99 %q%");
    }
}
