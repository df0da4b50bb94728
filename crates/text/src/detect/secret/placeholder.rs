//! Values that documentation puts where a secret belongs, and how random a value is.
//!
//! Invariant: what is allowed here is published or says of itself that it is none; a real secret is never allowed for
//! its form alone.

/// Whether a value is a placeholder, one of our own replacements, or an example that a vendor publishes.
pub(in crate::detect) fn is_placeholder(text: &str) -> bool {
    let lower = text.to_lowercase();
    let whole = WHOLE.contains(&lower.as_str());
    let marked = MARKS.iter().any(|mark| lower.contains(mark));
    let filled = lower.bytes().all(|b| matches!(b, b'*' | b'x' | b'.' | b'-' | b'_' | b'#'));
    (lower.starts_with('<') && (lower.ends_with('>') || lower.contains("credential")))
        || ["${", "{{", "$(", "%(", "credential_"].iter().any(|start| lower.starts_with(start))
        || (lower.starts_with('%') && lower.ends_with('%'))
        || filled
        || whole
        || marked
        || PUBLISHED.contains(&text)
}

/// Parts of placeholders.
const MARKS: &[&str] = &[
    "example",
    "placeholder",
    "changeme",
    "change_me",
    "change-me",
    "your_",
    "your-",
    "yourpass",
    "yourtoken",
    "yourkey",
    "yoursecret",
    "yourapi",
    "redacted",
    "xxxx",
    "****",
    "…",
    "....",
    "dummy",
    "insert_",
    "insert-",
    "replace_",
    "replaceme",
    "replace-me",
    "my_secret",
    "mysecret",
    "my-secret",
    "not_a_real",
    "notreal",
    "todo",
];

/// Whole values that stand for another.
const WHOLE: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "token",
    "null",
    "none",
    "true",
    "false",
    "string",
    "undefined",
    "required",
    "optional",
    "empty",
    "test",
    "pass",
    "credential",
    "nil",
    "void",
    "str",
    "bool",
    "object",
    "value",
    "username",
    "user",
    "hidden",
    "unknown",
];

/// Examples of vendors' documentation, in pieces so that no scanner takes this file for a leak.
const PUBLISHED: &[&str] = &[
    // Stripe, API reference: the test key of the examples, behind its prefix.
    concat!("4eC39HqLyjW", "Darjt", "T1zdp7dc"),
    // RFC 7519 section 3.1 and jwt.io: payload and signature of the example.
    concat!("dBjftJeZ4CVP", "-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    concat!("SflKxwRJSMeKKF2QT4", "fwpMeJf36POk6yJV_adQssw5c"),
];

/// Whether the last part of a token is that of a published example.
pub(super) fn is_published(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or(text);
    PUBLISHED.contains(&last)
}

/// Shannon entropy in bits per byte.
pub(super) fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let total = bytes.len() as f64;
    counts.iter().filter(|n| **n > 0).map(|n| f64::from(*n) / total).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_values() {
        for text in
            ["<password>", "changeme123", "${TOKEN}", "{{ token }}", "%PASS%", "********", "None", "CREDENTIAL_1a"]
        {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["hunter2", "tundra%Pixel77", "x1", "Tr0ub4dor&3", "%ab12"] {
            assert!(!is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn entropy_of_known_texts() {
        assert_eq!(entropy(b"aaaa"), 0.0);
        assert_eq!(entropy(b"abcd"), 2.0);
        assert_eq!(entropy(b""), 0.0);
    }
}
