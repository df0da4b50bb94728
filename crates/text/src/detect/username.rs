//! Names of user accounts written as handles, and those in addresses of social networks.
//!
//! Invariant: every search starts at an at sign or at a host of the list, and reads at most 64 characters. What
//! follows words such as "username:" is found with the credentials, in [`super::secret`].
//! Source: the networks' rules for names (X 1–15, Instagram 1–30, GitHub 1–39, Mastodon with its host).

use memchr::{memchr_iter, memmem};

use super::edge::{word_after, word_before};
use super::network::COMMON_SUFFIXES;
use super::view::View;
use super::{Label, Span};

const LONGEST: usize = 39;

/// Addresses behind which the name of an account stands.
const PROFILES: &[&str] = &[
    "twitter.com/",
    "x.com/",
    "instagram.com/",
    "facebook.com/",
    "github.com/",
    "gitlab.com/",
    "linkedin.com/in/",
    "t.me/",
    "tiktok.com/@",
    "youtube.com/@",
    "medium.com/@",
    "reddit.com/user/",
    "reddit.com/u/",
    "twitch.tv/",
    "threads.net/@",
    "bsky.app/profile/",
    "pinterest.com/",
    "soundcloud.com/",
    "keybase.io/",
    "last.fm/user/",
    "vk.com/",
    "snapchat.com/add/",
    "mastodon.social/@",
];

/// First parts of paths that are pages of the site and no accounts.
const PAGES: &[&str] = &[
    "search",
    "hashtag",
    "home",
    "explore",
    "login",
    "share",
    "sharer",
    "intent",
    "status",
    "help",
    "about",
    "settings",
    "pages",
    "groups",
    "events",
    "watch",
    "p",
    "reel",
    "stories",
    "tags",
    "features",
    "topics",
    "marketplace",
    "orgs",
    "sponsors",
    "pricing",
    "jobs",
    "company",
    "posts",
    "privacy",
    "legal",
    "i",
];

/// Words behind an at sign in style sheets, documentation comments and annotations of programs.
const CODE: &[&str] = &[
    "media",
    "import",
    "charset",
    "keyframes",
    "supports",
    "param",
    "return",
    "returns",
    "throws",
    "see",
    "since",
    "author",
    "deprecated",
    "override",
    "test",
    "property",
    "staticmethod",
    "classmethod",
    "dataclass",
    "autowired",
    "bean",
    "entity",
    "component",
    "service",
    "controller",
    "inject",
    "nullable",
    "notnull",
    "interface",
    "end",
    "font-face",
    "page",
    "type",
    "version",
    "link",
    "code",
    "before",
    "after",
    "beforeeach",
    "aftereach",
];

pub(crate) fn find(view: &View<'_>, out: &mut Vec<Span>) {
    for at in memchr_iter(b'@', view.bytes) {
        out.extend(handle(view, at));
    }
    let mut done = 0;
    for slash in memchr_iter(b'/', view.bytes) {
        if slash >= done
            && let Some(span) = profile(view, slash)
        {
            done = span.end;
            out.push(span);
        }
    }
}

fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The name at `from`: letters, digits and underscores, with single dots or hyphens inside.
fn name(view: &View<'_>, from: usize) -> usize {
    let mut end = from;
    while end < view.bytes.len() && end - from <= LONGEST {
        let joint = matches!(view.bytes[end], b'.' | b'-') && end > from && in_name(view.at(end + 1));
        if !(in_name(view.bytes[end]) || joint && view.bytes[end - 1] != b'.') {
            break;
        }
        end += 1;
    }
    end
}

/// `@name`, `@name@host`.
fn handle(view: &View<'_>, at: usize) -> Option<Span> {
    let before = view.before(at);
    if word_before(view.text, at) || matches!(before, b'@' | b'.' | b'_' | b'-' | b'+' | b'/' | b'%' | b'\\') {
        return None;
    }
    let end = name(view, at + 1);
    let length = end - at - 1;
    if !(2..=LONGEST).contains(&length) || word_after(view.text, end) {
        return None;
    }
    let text = &view.text[at + 1..end];
    if !text.bytes().any(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    // A second at sign: an account of a federated network, with its host.
    if view.at(end) == b'@' {
        let host = name(view, end + 1);
        let whole = view.text[end + 1..host].contains('.') && !word_after(view.text, host);
        return whole.then(|| Span::new(at, host, Label::USERNAME, 0.8));
    }
    let called =
        matches!(view.at(end), b'(' | b'{' | b'<' | b'=') || CODE.contains(&text.to_ascii_lowercase().as_str());
    let package = view.at(end) == b'/' && in_name(view.at(end + 1));
    // "first name @corp.com" tells the host of an e-mail address.
    let suffix = text.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    let host = COMMON_SUFFIXES.contains(&suffix);
    let score = if called || package || host { 0.2 } else { 0.7 };
    Some(Span::new(at, end, Label::USERNAME, score))
}

/// The name of an account in a web address; `slash` is the one before it, or before its `@`.
fn profile(view: &View<'_>, slash: usize) -> Option<Span> {
    if !view.before(slash).is_ascii_alphabetic() {
        return None;
    }
    let window = slash.saturating_sub(24);
    let from = slash + 1 + usize::from(view.at(slash + 1) == b'@');
    let head = &view.bytes[window..from];
    let site = PROFILES.iter().find(|site| {
        head.len() >= site.len() && head[head.len() - site.len()..].eq_ignore_ascii_case(site.as_bytes())
    })?;
    let host = from - site.len();
    if word_before(view.text, host) || view.before(host) == b'-' {
        return None;
    }
    let end = name(view, from);
    let text = view.text.get(from..end)?;
    let page = PAGES.contains(&text.to_ascii_lowercase().as_str()) || memmem::find(text.as_bytes(), b".php").is_some();
    ((2..=LONGEST).contains(&text.len()) && !page).then(|| Span::new(from, end, Label::USERNAME, 0.6))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::detect::{Detector, DetectorOptions, Label, Span};

    fn names<'a>(spans: &[Span], text: &'a str) -> Vec<&'a str> {
        let names = spans.iter().filter(|span| span.label == Label::USERNAME);
        names.map(|span| &text[span.start..span.end]).collect()
    }

    fn found(text: &str) -> Vec<&str> {
        names(&Detector::new(&DetectorOptions::default()).unwrap().detect(text), text)
    }

    fn candidates(text: &str) -> Vec<&str> {
        names(&Detector::new(&DetectorOptions::default()).unwrap().candidates(text), text)
    }

    #[test]
    fn handles_are_found_and_addresses_and_programs_are_not() {
        assert_eq!(found("thanks @quiet_fox77, and RT @b.larsen: no"), ["@quiet_fox77", "@b.larsen"]);
        assert_eq!(found("(@quietfox)."), ["@quietfox"]);
        assert_eq!(found("follow @fox@mastodon.social today"), ["@fox@mastodon.social"]);
        for text in
            ["ana@corp.com", "@Override", "@media (x)", "@app.route('/')", "meet @ 5", "a @@x", "@12", "/@vue/core"]
        {
            assert!(found(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn accounts_in_web_addresses_are_candidates() {
        assert_eq!(candidates("https://github.com/quietfox/repo"), ["quietfox"]);
        assert_eq!(candidates("see linkedin.com/in/ana-ruiz-77"), ["ana-ruiz-77"]);
        assert_eq!(candidates("https://www.tiktok.com/@quiet.fox"), ["quiet.fox"]);
        for text in ["https://github.com/features", "https://netgithub.com/quietfox", "https://corp.com/quietfox"] {
            assert!(candidates(text).is_empty(), "{text}");
        }
    }
}
