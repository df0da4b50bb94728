//! HTTPS with the system's certificates: texts of limited size, and downloads hashed on the way.
//!
//! Invariants: a request that began with TLS never continues without; a token never follows a redirect; addresses in
//! messages carry neither credentials nor queries. Proxies come from the environment (ALL_PROXY, HTTPS_PROXY,
//! HTTP_PROXY, NO_PROXY), certificates from SSL_CERT_FILE and SSL_CERT_DIR or the system's store.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body};

use super::Error;
use crate::files::{WholeFile, hex};
use crate::interrupt;
use crate::progress::{Progress, Show, Unit};

const TEXT_LIMIT_BYTES: u64 = 32 << 20;
/// The longest file of which nobody says how long it is: configurations and tokenizers.
const MOST_BYTES: u64 = 1 << 30;
const STALL: Duration = Duration::from_secs(60);

/// A client; cheap to keep for a whole pull.
pub(super) struct Http {
    agent: Agent,
}

/// What was received.
pub(super) struct Received {
    pub(super) sha256: String,
    pub(super) bytes: u64,
}

impl Http {
    pub(super) fn new() -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .user_agent(concat!("cloister/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(STALL))
            .timeout_per_read(Some(STALL))
            .build();
        Self { agent: config.new_agent() }
    }

    /// The text at `url` and its media type.
    pub(super) fn text(&self, url: &str, accept: &str, token: Option<&str>) -> Result<(String, String), Error> {
        let mut response = self.get(url, accept, token)?;
        let kind =
            response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        let body = response.body_mut().with_config().limit(TEXT_LIMIT_BYTES).read_to_string();
        Ok((kind, body.map_err(unreachable(url))?))
    }

    /// The file at `url`, written to `target` (not committed) and hashed on the way; no more of it than `known_bytes`, if
    /// it is known how many it has.
    pub(super) fn download(
        &self,
        url: &str,
        token: Option<&str>,
        known_bytes: Option<u64>,
        target: &mut WholeFile,
        (label, show): (&str, Show),
    ) -> Result<Received, Error> {
        let response = self.get(url, "*/*", token)?;
        let expected = response.body().content_length();
        let most = known_bytes.or(expected).unwrap_or(MOST_BYTES);
        let mut progress = Progress::new(show, label, expected.unwrap_or(0), Unit::Bytes);
        let mut reader = response.into_body().into_reader();
        let mut hash = Sha256::new();
        let mut bytes = 0;
        let mut block = vec![0; 1 << 16];
        loop {
            interrupt::check()?;
            let count = match reader.read(&mut block) {
                Ok(0) => break,
                Ok(count) => count,
                Err(_) if interrupt::requested() => return Err(crate::Error::Interrupted.into()),
                Err(error) => return Err(unreachable(url)(error.into())),
            };
            bytes += count as u64;
            if bytes > most {
                return Err(Error::TooLong { url: shown(url), most });
            }
            hash.update(&block[..count]);
            let path = target.target().to_owned();
            target.write_all(&block[..count]).map_err(crate::Error::write(path))?;
            progress.advance(count as u64);
        }
        match expected {
            Some(expected) if expected != bytes => Err(Error::Cut { url: shown(url), expected, found: bytes }),
            _ => Ok(Received { sha256: hex(&hash.finalize()), bytes }),
        }
    }

    fn get(&self, url: &str, accept: &str, token: Option<&str>) -> Result<Response<Body>, Error> {
        interrupt::check()?;
        let mut request = self.agent.get(url).header("accept", accept);
        if let Some(token) = token {
            if !url.starts_with("https://") && !is_loopback(url) {
                return Err(Error::TokenInClear { url: shown(url) });
            }
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.config().https_only(url.starts_with("https://")).build();
        let response = request.call().map_err(unreachable(url))?;
        match response.status().as_u16() {
            200 => Ok(response),
            status => Err(Error::Status { url: shown(url), status }),
        }
    }
}

/// An address without user name, password, query and fragment.
pub(super) fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
            let host = authority.rsplit('@').next().unwrap_or(authority);
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

/// The address that `reference`, found in the page at `base`, stands for (RFC 3986, section 5.2, as far as indexes use it).
pub(super) fn join(base: &str, reference: &str) -> String {
    if reference.starts_with("http://") || reference.starts_with("https://") {
        return reference.to_owned();
    }
    let base = base.split(['?', '#']).next().unwrap_or(base);
    let (scheme, rest) = base.split_once("://").unwrap_or(("https", base));
    if reference.starts_with("//") {
        return format!("{scheme}:{reference}");
    }
    let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    let folder = if reference.starts_with('/') { "" } else { path.rsplit_once('/').map_or("", |(folder, _)| folder) };
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(reference.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let slash = if reference.ends_with('/') { "/" } else { "" };
    format!("{scheme}://{authority}/{}{slash}", parts.join("/"))
}

fn is_loopback(url: &str) -> bool {
    let url = shown(url);
    let host = url.split("://").nth(1).unwrap_or("").split('/').next().unwrap_or("");
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

fn unreachable(url: &str) -> impl FnOnce(ureq::Error) -> Error {
    let url = shown(url);
    move |error| {
        let source: Box<dyn std::error::Error + Send + Sync> = match error {
            ureq::Error::Io(error) => Box::new(error),
            other => Box::new(other),
        };
        Error::Unreachable { url, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_secrets() {
        assert_eq!(shown("https://me:secret@host:8443/simple/x/?token=1#sha256=2"), "https://host:8443/simple/x/");
        assert_eq!(shown("http://127.0.0.1:9"), "http://127.0.0.1:9");
    }

    #[test]
    fn references_resolve() {
        let base = "https://host/simple/package/";
        assert_eq!(join(base, "https://files/x.whl"), "https://files/x.whl");
        assert_eq!(join(base, "//files/x.whl"), "https://files/x.whl");
        assert_eq!(join(base, "/files/x.whl"), "https://host/files/x.whl");
        assert_eq!(join(base, "../../files/./x.whl"), "https://host/files/x.whl");
        assert_eq!(join(base, "x.whl"), "https://host/simple/package/x.whl");
    }

    #[test]
    fn only_this_machine_may_see_a_token_in_clear() {
        assert!(is_loopback("http://127.0.0.1:8080/x") && is_loopback("http://localhost/x"));
        assert!(!is_loopback("http://127.0.0.1.example.org/x") && !is_loopback("http://hub.example/x@localhost"));
    }
}
