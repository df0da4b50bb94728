//! The few HTML patterns of the report.
//!
//! Invariant: arguments named `html` are markup that is already safe; all other text is escaped here.

use super::words::{escape, powers};

pub(super) const STYLE: &str = include_str!("report.css");

/// A whole page of such patterns: complete in itself, and forbidden to load anything.
pub(super) fn frame(title_html: &str, body_html: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         base-uri 'none'; form-action 'none'\"/>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\
         <meta name=\"color-scheme\" content=\"light dark\"/><meta name=\"referrer\" content=\"no-referrer\"/>\
         <title>{title_html}</title><style>\n{STYLE}</style></head>\n<body><main>\n{body_html}</main></body></html>\n"
    )
}

/// One row of a table of facts: name, value (HTML), what it means.
pub(super) struct Fact {
    name: &'static str,
    html: String,
    meaning: String,
}

/// A row whose value is text.
pub(super) fn fact(name: &'static str, value: impl AsRef<str>, meaning: impl Into<String>) -> Fact {
    Fact { name, html: escape(value.as_ref()), meaning: meaning.into() }
}

/// A row whose value is a number as [`super::words`] writes it.
pub(super) fn figure(name: &'static str, value: impl AsRef<str>, meaning: impl Into<String>) -> Fact {
    Fact { name, html: powers(&escape(value.as_ref())), meaning: meaning.into() }
}

/// A row whose value is markup.
pub(super) fn markup(name: &'static str, html: String, meaning: impl Into<String>) -> Fact {
    Fact { name, html, meaning: meaning.into() }
}

/// Facts under each other.
pub(super) fn facts(rows: &[Fact]) -> String {
    let mut html = String::from("<table class=\"facts\"><tbody>");
    for Fact { name, html: value, meaning } in rows {
        let meaning = escape(meaning);
        html += &format!("<tr><th scope=\"row\">{name}</th><td class=\"fact\">{value}</td><td>{meaning}</td></tr>");
    }
    html + "</tbody></table>"
}

/// A table whose cells are safe markup; the first column names the row, the others hold numbers.
pub(super) fn numbers(head: &[&str], rows: &[Vec<String>], foot: Option<&[String]>) -> String {
    let line = |cells: &[String], tag: &str| {
        let cells = cells.iter().enumerate().map(|(column, cell)| match column {
            0 => format!("<th scope=\"row\">{cell}</th>"),
            _ => format!("<td>{cell}</td>"),
        });
        format!("<{tag}>{}</{tag}>", cells.collect::<String>())
    };
    let head: String = head.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape(name))).collect();
    let body: String = rows.iter().map(|cells| line(cells, "tr")).collect();
    let foot = foot.map_or(String::new(), |cells| format!("<tfoot>{}</tfoot>", line(cells, "tr")));
    format!("<table class=\"numbers\"><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table>")
}

/// Checks or gates: a mark, a name, the figures behind it and, if there is something to do, that.
pub(super) fn checks<'a>(
    rows: impl Iterator<Item = (&'a str, bool, &'a str, Option<&'a str>)>,
    words: (&str, &str),
) -> String {
    let mut html = String::from("<table class=\"checks\"><tbody>");
    for (name, passed, detail, remedy) in rows {
        let (class, mark, word) = if passed { ("good", "✓", words.0) } else { ("bad", "✗", words.1) };
        let (name, detail) = (escape(name), escape(detail));
        let remedy = remedy.map_or(String::new(), |remedy| format!("<p class=\"remedy\">{}</p>", escape(remedy)));
        html += &format!(
            "<tr><td class=\"mark {class}\"><span aria-hidden=\"true\">{mark}</span> {word}</td>\
             <th scope=\"row\">{name}</th><td>{detail}{remedy}</td></tr>"
        );
    }
    html + "</tbody></table>"
}

/// A section with its heading.
pub(super) fn section(id: &str, heading: &str, html: &str) -> String {
    let heading = escape(heading);
    format!("<section id=\"{id}\" aria-labelledby=\"{id}-h\"><h2 id=\"{id}-h\">{heading}</h2>{html}</section>\n")
}

/// A chart with its caption and the plotted data.
pub(super) fn drawing(html: &str, caption_html: &str, data_html: &str) -> String {
    let data = match data_html {
        "" => String::new(),
        table => format!("<details><summary>The plotted data</summary>{table}</details>"),
    };
    format!("<figure>{html}<figcaption>{caption_html}</figcaption>{data}</figure>")
}

/// What stands in the place of a measurement that was not made, and how to get it.
pub(super) fn missing(how: &str) -> String {
    absent("Not measured.", how)
}

/// What stands in the place of something else that the evidence lacks.
pub(super) fn absent(what: &str, how: &str) -> String {
    format!("<p class=\"missing\"><strong>{}</strong> {}</p>", escape(what), escape(how))
}

/// What a command prints.
pub(super) fn printed(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(escape).collect();
    format!("<pre class=\"printed\"><code>{}</code></pre>", lines.join("\n"))
}

/// Something to think about before relying on the page.
pub(super) fn caution(html: &str) -> String {
    format!("<p class=\"caution\"><span class=\"sign\" aria-hidden=\"true\">!</span><span>{html}</span></p>")
}

/// A command to copy; lines break between its words, not at the hyphens of a flag.
pub(super) fn command(line: &str) -> String {
    let words: Vec<String> = line.split(' ').map(|word| format!("<span>{}</span>", escape(word))).collect();
    format!("<pre><code>{}</code></pre>", words.join(" "))
}
