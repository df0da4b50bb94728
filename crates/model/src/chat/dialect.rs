//! Puts into the engine's Jinja what templates write in Python's.
//!
//! - `{% generation %}` marks the assistant's part for trainers; it becomes a transparent block.
//! - `{% set name.attribute = value %}` becomes a call of our [`super::functions::Namespace`].
//!
//! Invariant: text outside tags, white-space control and line numbers stay. What is not recognised is left to the
//! engine, which then refuses it, since it finds no namespace of its own.

use super::functions::SET_ATTRIBUTE;

/// Translates a template.
pub(super) fn translate(source: &str) -> String {
    let mut program = String::with_capacity(source.len() + source.len() / 8);
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start + 2);
        program.push_str(before);
        let body = tag.trim_start_matches(['-', '+']);
        program.push_str(&tag[..tag.len() - body.len()]);
        match generation(body).or_else(|| attribute(body)) {
            Some((statement, after)) => {
                program.push_str(&statement);
                rest = after;
            }
            None => rest = body,
        }
    }
    program.push_str(rest);
    program
}

/// `generation` and `endgeneration`.
fn generation(body: &str) -> Option<(String, &str)> {
    let word = body.trim_start();
    [("endgeneration", " endif "), ("generation", " if true ")].into_iter().find_map(|(name, statement)| {
        let after = word.strip_prefix(name)?;
        let close = after.trim_start().trim_start_matches(['-', '+']);
        close.starts_with("%}").then(|| (statement.to_owned(), after.trim_start()))
    })
}

/// `set name.attribute = value`.
fn attribute(body: &str) -> Option<(String, &str)> {
    let after_set = body.trim_start().strip_prefix("set")?;
    let (name, after_name) = identifier(after_set.strip_prefix(char::is_whitespace)?.trim_start())?;
    let (attribute, after) = identifier(after_name.trim_start().strip_prefix('.')?.trim_start())?;
    let value = after.trim_start().strip_prefix('=').filter(|value| !value.starts_with('='))?;
    let end = tag_end(value)?;
    let (value, after) = value.split_at(end);
    // Lines stay where they are: only the white space around names and signs goes.
    let lines = "\n".repeat(body[..body.len() - value.len() - after.len()].matches('\n').count());
    Some((format!(" do {name}.{SET_ATTRIBUTE}('{attribute}',{lines} ({value})) "), after))
}

fn identifier(text: &str) -> Option<(&str, &str)> {
    let length = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (length > 0 && !text.starts_with(|c: char| c.is_numeric())).then(|| text.split_at(length))
}

/// Where a tag's contents end: before `%}`, `-%}` or `+%}` outside of strings.
fn tag_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut quote) = (0, None);
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
            (None, b'%') if bytes.get(at + 1) == Some(&b'}') => {
                let signed = at > 0 && matches!(bytes[at - 1], b'-' | b'+');
                return Some(at - usize::from(signed));
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generation_marks_keep_their_white_space_control() {
        let program = translate("{%- generation -%}x{% endgeneration %}{% if generation %}");
        assert_eq!(program, "{%- if true -%}x{% endif %}{% if generation %}");
    }

    #[test]
    fn attributes_are_set_by_a_call() {
        let call = |name, attribute, value| format!(" do {name}.{SET_ATTRIBUTE}('{attribute}', ({value})) ");
        let cases = [
            ("{%- set ns.a = 1 -%}", format!("{{%-{}-%}}", call("ns", "a", " 1 "))),
            ("{% set ns.a=x - y%}", format!("{{%{}%}}", call("ns", "a", "x - y"))),
            (
                "{% set ns.a = '%}' ~ \"-%}\" %}{{ a }}",
                format!("{{%{}%}}{{{{ a }}}}", call("ns", "a", " '%}' ~ \"-%}\" ")),
            ),
            ("{% set ns.a == 1 %}", "{% set ns.a == 1 %}".to_owned()),
            ("{% set a = b.c %}{% setns.a = 1 %}", "{% set a = b.c %}{% setns.a = 1 %}".to_owned()),
        ];
        for (source, expected) in cases {
            assert_eq!(translate(source), expected);
        }
        assert_eq!(translate("{% set\nns.a\n= 1 %}").matches('\n').count(), 2);
    }
}
