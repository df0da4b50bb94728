//! Limits on the text of policies, held before it is parsed.
//!
//! Invariant: what passes here cannot exhaust the stack of whoever parses it. Cedar's evaluator watches its own stack, its
//! parser does not: twenty thousand brackets end the process. Strings and comments are told apart as Cedar's grammar does
//! (`grammar.lalrpop`: a comment ends at a line feed or a carriage return; in a string a backslash takes the next character).

/// How deep brackets of all kinds may stand in one another.
const DEEPEST: usize = 32;
/// The longest text of one policy, its annotations included, and the comments before it not.
const LONGEST_POLICY_BYTES: usize = 8 * 1024;

/// The offset and the name of the first limit that a text passes.
pub(crate) fn check(text: &str) -> Result<(), (usize, &'static str)> {
    let mut bytes = text.bytes().enumerate();
    let (mut depth, mut length) = (0_usize, 0_usize);
    while let Some((at, byte)) = bytes.next() {
        length += 1;
        match byte {
            b'"' => {
                while let Some((_, inside)) = bytes.next() {
                    length += 1;
                    match inside {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'/' if text.as_bytes().get(at + 1) == Some(&b'/') => {
                length -= 1;
                let _ = bytes.by_ref().find(|(_, inside)| matches!(inside, b'\n' | b'\r'));
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b';' => length = 0,
            _ => {}
        }
        if depth > DEEPEST {
            return Err((at, "brackets stand more than 32 deep in one another"));
        }
        if length > LONGEST_POLICY_BYTES {
            return Err((at, "a policy is longer than 8 KiB"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_where_they_are_brackets() {
        let deep = "(".repeat(33);
        assert_eq!(check(&deep).map_err(|(at, _)| at), Err(32));
        assert_eq!(check(&format!("\"{deep}\\\"{deep}\" // {deep}\n")), Ok(()));
        // A comment ends at a carriage return, and what looks like the end of a string or of brackets in one is none.
        assert!(check(&format!("// \"\r{deep}")).is_err());
        assert!(check(&format!("// {}\n{deep}", ")".repeat(99))).is_err());
        assert!(check(&format!("\"\\\\\"{deep}")).is_err());
        assert!(check(&"([{}])".repeat(100)).is_ok());
    }

    #[test]
    fn policies_are_short_and_there_may_be_many() {
        assert!(check(&"true;".repeat(10_000)).is_ok());
        assert_eq!(check(&"a&&".repeat(3000)).map_err(|(at, _)| at), Err(8192));
        assert!(check(&format!("// {}\npermit;", "x".repeat(9000))).is_ok());
    }
}
