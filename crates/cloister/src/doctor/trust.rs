//! The certificates that `pull` will trust.
//!
//! Source: the search order of `rustls-native-certs`: SSL_CERT_FILE and SSL_CERT_DIR, else the places that Linux
//! distributions use (as collected by `openssl-probe`).

use std::fs;
use std::path::{Path, PathBuf};

use super::Check;

const FILES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
    "/opt/etc/ssl/certs/ca-certificates.crt",
];

/// How many certificates there are, and where.
pub(super) fn store() -> Check {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let (file, folders) = (set("SSL_CERT_FILE"), set("SSL_CERT_DIR"));
    if file.is_none() && folders.is_none() {
        let found = FILES.iter().map(|path| (*path, certificates(Path::new(path)))).find(|(_, count)| *count > 0);
        return match found {
            Some((path, count)) => Check::ok("certificates", format!("{count} in {path}")),
            None if cfg!(target_os = "linux") => {
                Check::fail("certificates", "none found", "install the package ca-certificates, or set SSL_CERT_FILE")
            }
            None => Check::ok("certificates", "the system's store"),
        };
    }
    let from_file = file.as_ref().map_or(0, |path| certificates(Path::new(path)));
    let folders: Vec<PathBuf> = folders.as_ref().map_or(Vec::new(), |list| std::env::split_paths(list).collect());
    let in_folder = |folder: &PathBuf| -> usize {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| certificates(&entry.path())).sum()
    };
    let from_folders: usize = folders.iter().map(in_folder).sum();
    let names: Vec<String> =
        [("SSL_CERT_FILE", from_file, file.is_some()), ("SSL_CERT_DIR", from_folders, !folders.is_empty())]
            .iter()
            .filter(|(_, _, set)| *set)
            .map(|(name, count, _)| format!("{count} in {name}"))
            .collect();
    match from_file + from_folders {
        0 => Check::fail("certificates", names.join(", "), "correct SSL_CERT_FILE or SSL_CERT_DIR, or unset them"),
        _ => Check::ok("certificates", names.join(", ")),
    }
}

/// How many certificates a PEM file holds.
fn certificates(path: &Path) -> usize {
    let text = if path.is_file() { fs::read(path).unwrap_or_default() } else { Vec::new() };
    String::from_utf8_lossy(&text).matches("-----BEGIN CERTIFICATE-----").count()
}
