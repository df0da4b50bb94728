//! Providers outside of the process: a transit engine, and a PKCS#11 token.
//!
//! No package of Vault or OpenBao is to be had, so the transit engine here is a small server of our own, written from the API
//! documentation of the transit secrets engine and never compared with the real one. It speaks HTTP without TLS: HTTPS is the
//! part of whoever brings the `Transport`. The token is real: SoftHSM 2 of Debian.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloister_vault::Error;
use cloister_vault::keys::{Provider, ProviderKind, SealedRing, Transit, Transport};
use cloister_vault::sealed::DataKey;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::keys::{Rings, SUPPORT, hardened};

const TOKEN: &str = "hvs.of-the-test";

/// A client of the server below, and the product's part of the work: address and token.
#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    token: &'static str,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Keys by name, each with its versions.
    keys: HashMap<String, Vec<[u8; 32]>>,
    sealed: bool,
    /// What is answered instead, with a status.
    instead: Option<(u16, String)>,
    /// Paths that were asked for.
    asked: Vec<String>,
}

impl Transport for Server {
    fn post(&self, path: &str, body: &[u8]) -> std::io::Result<Zeroizing<Vec<u8>>> {
        let mut stream = TcpStream::connect(self.address)?;
        let length = body.len();
        write!(stream, "POST /{path} HTTP/1.1\r\nX-Vault-Token: {}\r\nContent-Length: {length}\r\n\r\n", self.token)?;
        stream.write_all(body)?;
        let mut answer = Zeroizing::new(Vec::new());
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        match &answer[9..12] {
            b"200" => Ok(Zeroizing::new(answer[end + 4..].to_vec())),
            b"400" => Err(std::io::ErrorKind::InvalidInput.into()),
            status => Err(std::io::Error::other(format!("status {}", String::from_utf8_lossy(status)))),
        }
    }
}

impl Server {
    /// Starts one with a key, as `POST /transit/keys/project` makes it.
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        state.lock().unwrap().keys.insert("project".into(), vec![fresh()]);
        let shared = Arc::clone(&state);
        std::thread::spawn(move || listener.incoming().for_each(|stream| serve(&stream.unwrap(), &shared)));
        Self { address, token: TOKEN, state }
    }

    fn transit(&self) -> Transit<Self> {
        Transit::new(self.clone(), "transit", "project").unwrap()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn fresh() -> [u8; 32] {
    *DataKey::random().unwrap().expose()
}

fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let header = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let mut body = vec![0; header("Content-Length: ").parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let path = lines[0].split(' ').nth(1).unwrap().to_owned();
    let mut state = state.lock().unwrap();
    state.asked.push(path.clone());
    let (status, answer) = match (&state.instead, state.sealed, header("X-Vault-Token: ") == TOKEN) {
        (Some(instead), ..) => instead.clone(),
        (None, true, _) => (503, json!({ "errors": ["Vault is sealed"] }).to_string()),
        (None, false, false) => (403, json!({ "errors": ["permission denied"] }).to_string()),
        (None, false, true) => {
            let answer = answer(&state, &path, &serde_json::from_slice(&body).unwrap());
            match answer {
                Ok(data) => (200, json!({ "request_id": "1", "data": data, "warnings": null }).to_string()),
                Err(reason) => (400, json!({ "errors": [reason] }).to_string()),
            }
        }
    };
    let length = answer.len();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    (&mut &*stream).write_all(&[head.as_bytes(), answer.as_bytes()].concat()).unwrap();
}

/// `/transit/encrypt/:name` and `/transit/decrypt/:name` for keys of the kind `aes256-gcm96`.
fn answer(state: &State, path: &str, body: &Value) -> Result<Value, &'static str> {
    let bytes = |text: &str| STANDARD.decode(text).map_err(|_| "illegal base64 data");
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let associated = bytes(field("associated_data"))?;
    let aead = |key: &[u8; 32]| LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    let parts: Vec<&str> = path.split('/').collect();
    let ["", "v1", "transit", verb, name] = parts[..] else { return Err("unsupported path") };
    let versions = state.keys.get(name).ok_or("encryption key not found")?;
    match verb {
        "encrypt" => {
            let mut sealed = bytes(field("plaintext"))?;
            let nonce: [u8; 12] = fresh()[..12].try_into().unwrap();
            let (version, key) = (versions.len(), versions.last().unwrap());
            aead(key).seal_in_place_append_tag((&nonce).into(), Aad::from(&associated), &mut sealed).unwrap();
            let ciphertext = format!("vault:v{version}:{}", STANDARD.encode([&nonce[..], &sealed].concat()));
            Ok(json!({ "ciphertext": ciphertext, "key_version": version }))
        }
        "decrypt" => {
            let mut parts =
                field("ciphertext").strip_prefix("vault:v").ok_or("invalid ciphertext: no prefix")?.split(':');
            let version: usize = parts.next().unwrap_or_default().parse().map_err(|_| "invalid ciphertext version")?;
            let mut sealed = bytes(parts.next().unwrap_or_default())?;
            let key = version.checked_sub(1).and_then(|at| versions.get(at)).ok_or("invalid key version")?;
            let nonce = Nonce::try_assume_unique_for_key(sealed.get(..12).ok_or("invalid ciphertext")?).unwrap();
            let opened = aead(key).open_in_place(nonce, Aad::from(&associated), &mut sealed[12..]);
            let plaintext = opened.map_err(|_| "cipher: message authentication failed")?;
            Ok(json!({ "plaintext": STANDARD.encode(plaintext) }))
        }
        _ => Err("unsupported path"),
    }
}

#[test]
fn a_transit_engine_opens_a_ring() {
    let server = Server::start();
    let rings = Rings::new();
    let audit = rings.ring.dataset(&SUPPORT).unwrap().audit_key().clone();
    assert_eq!(rings.ring.add_slot(&server.transit()).unwrap().kind, ProviderKind::Transit);
    let sealed = SealedRing::open(&rings.path()).unwrap();
    let opened = || sealed.unseal(&server.transit(), &hardened());
    assert_eq!(opened().unwrap().dataset(&SUPPORT).unwrap().audit_key().expose(), audit.expose());
    assert_eq!(server.state().asked, ["/v1/transit/encrypt/project", "/v1/transit/decrypt/project"]);
    // The server rotates its key: what is there opens, a new slot is under the new version.
    server.state().keys.get_mut("project").unwrap().push(fresh());
    opened().unwrap();
    let payload = server.transit().wrap(&DataKey::random().unwrap(), b"context").unwrap();
    assert!(payload.starts_with(b"vault:v2:"));
    // The old version is trimmed away.
    server.state().keys.get_mut("project").unwrap()[0] = fresh();
    assert!(matches!(opened(), Err(Error::DoesNotUnseal)));
}

#[test]
fn a_ciphertext_opens_under_its_key_and_in_its_slot_only() {
    let server = Server::start();
    let key = DataKey::random().unwrap();
    let transit = server.transit();
    let payload = transit.wrap(&key, b"one slot").unwrap();
    assert_eq!(transit.unwrap(&payload, b"one slot").ok().unwrap().expose(), key.expose());
    assert!(matches!(transit.unwrap(&payload, b"another"), Err(Error::KeyDoesNotOpen)));
    for at in 0..payload.len() {
        let mut changed = payload.clone();
        changed[at] ^= 1;
        let opened = transit.unwrap(&changed, b"one slot");
        assert!(matches!(opened, Err(Error::KeyDoesNotOpen | Error::Malformed { .. })), "byte {at}");
    }
    server.state().keys.insert("other".into(), vec![fresh()]);
    let other = Transit::new(server.clone(), "transit", "other").unwrap();
    assert!(matches!(other.unwrap(&payload, b"one slot"), Err(Error::KeyDoesNotOpen)));
    for (mount, name) in [
        ("", "a"),
        ("a", ""),
        ("/a", "a"),
        ("a/", "a"),
        ("..", "a"),
        ("a/../b", "a"),
        ("a", ".."),
        ("a", "a/b"),
        ("a", "a?b"),
        ("a", "a#b"),
        ("a", "a%2e"),
        ("a b", "a"),
        ("a", "a\r\nX: y"),
    ] {
        assert!(
            matches!(Transit::new(server.clone(), mount, name), Err(Error::Malformed { .. })),
            "{mount:?} {name:?}"
        );
    }
    assert!(Transit::new(server, "team/transit-2", "project_1.key").is_ok());
}

#[test]
fn a_server_that_refuses_or_answers_nonsense_is_an_error_and_never_a_key() {
    let server = Server::start();
    let transit = server.transit();
    let payload = transit.wrap(&DataKey::random().unwrap(), b"context").unwrap();
    let reason = || match transit.unwrap(&payload, b"context") {
        Err(Error::Provider { reason, .. }) => reason,
        other => panic!("{:?}", other.err()),
    };
    server.state().sealed = true;
    assert_eq!(reason(), "status 503");
    server.state().sealed = false;
    let stranger = Transit::new(Server { token: "wrong", ..server.clone() }, "transit", "project").unwrap();
    assert!(
        matches!(stranger.unwrap(&payload, b"context"), Err(Error::Provider { reason, .. }) if reason == "status 403")
    );
    let short = STANDARD.encode([1; 31]);
    for body in [
        "",
        "{}",
        "[]",
        "{\"data\":null}",
        "{\"data\":{\"plaintext\":7}}",
        "<html>",
        "{\"data\":{\"ciphertext\":\"x\"}}",
    ] {
        server.state().instead = Some((200, body.into()));
        assert_eq!(reason(), "its answer is not known", "{body}");
    }
    for plaintext in ["", "!", "AA=", &short] {
        server.state().instead = Some((200, json!({ "data": { "plaintext": plaintext } }).to_string()));
        assert!(matches!(transit.unwrap(&payload, b"context"), Err(Error::KeyDoesNotOpen)), "{plaintext}");
    }
    let long = format!("vault:v1:{}", "A".repeat(1024));
    for ciphertext in ["", "no-colon", "vault:v1:\"", "vault:v1:\\n", &long] {
        server.state().instead = Some((200, json!({ "data": { "ciphertext": ciphertext } }).to_string()));
        let wrapped = transit.wrap(&DataKey::random().unwrap(), b"context");
        assert!(matches!(wrapped, Err(Error::Malformed { .. })), "{ciphertext}");
    }
    server.state().instead = Some((400, "{}".into()));
    assert!(matches!(transit.wrap(&DataKey::random().unwrap(), b""), Err(Error::Provider { .. })));
    // Nobody listens.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = Transit::new(Server { address, ..server.clone() }, "transit", "project").unwrap();
    assert!(matches!(silent.unwrap(&payload, b"context"), Err(Error::Provider { .. })));
}

#[cfg(feature = "pkcs11")]
mod token {
    //! SoftHSM reads its configuration from the environment, so that each test is a process of its own.

    use std::path::{Path, PathBuf};
    use std::process::Command;

    use cloister_vault::keys::Pkcs11Token;
    use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
    use cryptoki::mechanism::Mechanism;
    use cryptoki::object::{Attribute, AttributeType, ObjectClass};
    use cryptoki::session::UserType;
    use cryptoki::types::AuthPin;

    use super::*;
    use crate::keys::child;
    use crate::server::missing;

    const PIN: &str = "24681357";
    const MODULES: [&str; 3] = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    ];

    fn module() -> Option<PathBuf> {
        let found = MODULES.iter().map(PathBuf::from).find(|path| path.exists());
        if found.is_none() {
            missing("there is no PKCS#11 token; install Debian's package softhsm2");
        }
        found
    }

    /// Runs a test in a process that has a token of the label `cloister`.
    fn with_token(test: &str) {
        if module().is_none() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (tokens, configuration) = (folder.path().join("tokens"), folder.path().join("softhsm2.conf"));
        std::fs::create_dir(&tokens).unwrap();
        std::fs::write(&configuration, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()))
            .unwrap();
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", "cloister", "--so-pin", "87654321", "--pin", PIN])
            .env("SOFTHSM2_CONF", &configuration)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let output = child(test).env("SOFTHSM2_CONF", &configuration).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("with a token"),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn token(label: &str, key: &str, pin: &str) -> Pkcs11Token {
        Pkcs11Token::new(&module().unwrap(), label, key, pin).unwrap()
    }

    #[test]
    fn a_token_opens_a_ring() {
        with_token("keys_providers::token::a_ring_and_a_token");
    }

    #[test]
    fn a_key_that_could_leave_its_token_is_refused() {
        with_token("keys_providers::token::a_key_that_could_leave");
    }

    #[test]
    #[ignore = "a part of another test, which starts it in a process of its own"]
    fn a_ring_and_a_token() {
        if std::env::var_os("SOFTHSM2_CONF").is_none() {
            return;
        }
        let hsm = token("cloister", "ring", PIN);
        let rings = Rings::new();
        assert!(matches!(rings.ring.add_slot(&hsm), Err(Error::Provider { .. })), "there is no key yet");
        hsm.make_key().unwrap();
        assert!(matches!(hsm.make_key(), Err(Error::Provider { .. })));
        rings.ring.add_slot(&hsm).unwrap();
        let sealed = SealedRing::open(&rings.path()).unwrap();
        let audit = rings.ring.dataset(&SUPPORT).unwrap().audit_key().clone();
        let opened = sealed.unseal(&hsm, &hardened()).unwrap();
        assert_eq!(opened.dataset(&SUPPORT).unwrap().audit_key().expose(), audit.expose());

        // A wrong PIN is a wrong secret, and counted; a token that is not there is not.
        let tries = rings.folder.path().join("keys.clo.tries");
        assert!(matches!(
            sealed.unseal(&token("cloister", "ring", "11111111"), &hardened()),
            Err(Error::DoesNotUnseal)
        ));
        assert!(tries.exists());
        sealed.unseal(&hsm, &hardened()).unwrap();
        assert!(!tries.exists());
        assert!(matches!(sealed.unseal(&token("absent", "ring", PIN), &hardened()), Err(Error::Provider { .. })));
        assert!(!tries.exists());

        let key = DataKey::random().unwrap();
        let payload = hsm.wrap(&key, b"").unwrap();
        assert_eq!(payload.len(), 40);
        assert_eq!(hsm.unwrap(&payload, b"").ok().unwrap().expose(), key.expose());
        for at in 0..payload.len() {
            let mut changed = payload.clone();
            changed[at] ^= 1;
            assert!(matches!(hsm.unwrap(&changed, b""), Err(Error::KeyDoesNotOpen)), "byte {at}");
            assert!(matches!(hsm.unwrap(&payload[..at], b""), Err(Error::KeyDoesNotOpen)), "cut at {at}");
        }
        let other = token("cloister", "another", PIN);
        other.make_key().unwrap();
        assert!(matches!(other.unwrap(&payload, b""), Err(Error::KeyDoesNotOpen)));
        assert!(Pkcs11Token::new(Path::new("/nonexistent.so"), "a", "b", "c").is_err());
        println!("with a token");
    }

    #[test]
    #[ignore = "a part of another test, which starts it in a process of its own"]
    fn a_key_that_could_leave() {
        if std::env::var_os("SOFTHSM2_CONF").is_none() {
            return;
        }
        let made = token("cloister", "made", PIN);
        made.make_key().unwrap();
        let pkcs11 = Pkcs11::new(module().unwrap()).unwrap();
        drop(pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)));
        let slot = pkcs11.get_slots_with_initialized_token().unwrap()[0];
        let session = pkcs11.open_rw_session(slot).unwrap();
        session.login(UserType::User, Some(&AuthPin::new(PIN.into()))).unwrap();
        let label = |text: &str| Attribute::Label(text.as_bytes().to_vec());
        // What we make stays inside.
        let key = session.find_objects(&[label("made")]).unwrap()[0];
        let wanted = [AttributeType::NeverExtractable, AttributeType::AlwaysSensitive, AttributeType::Decrypt];
        let attributes = session.get_attributes(key, &wanted).unwrap();
        let expected = [Attribute::NeverExtractable(true), Attribute::AlwaysSensitive(true), Attribute::Decrypt(false)];
        assert_eq!(attributes, expected);
        // One that somebody else made so that it can be taken out.
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::Token(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(true),
            Attribute::Wrap(true),
            Attribute::Unwrap(true),
            Attribute::ValueLen(32.into()),
            label("leaky"),
        ];
        session.generate_key(&Mechanism::AesKeyGen, &template).unwrap();
        session.close().unwrap();
        let refused = token("cloister", "leaky", PIN).wrap(&DataKey::random().unwrap(), b"");
        assert!(matches!(refused, Err(Error::Provider { reason, .. }) if reason.contains("taken out")));
        println!("with a token");
    }
}
