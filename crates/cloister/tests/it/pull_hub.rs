//! `pull` of a hub id: against a server on this machine that speaks the hub's API.

use cloister::files::digest_file;
use serde_json::json;

use crate::process::{Place, Ran};
use crate::server::{Answer, Server};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const WEIGHTS: &[u8] = b"pretend these are weights";

fn sha256(bytes: &[u8]) -> String {
    let place = Place::new();
    digest_file(&place.file("x", bytes), |_| {}).unwrap()
}

/// A hub with one model, `acme/tiny`.
fn hub(weights_sha256: &str) -> Server {
    let server = Server::start();
    let files =
        ["README.md", "config.json", "tokenizer.json", "model.safetensors", "pytorch_model.bin", "evil/x.safetensors"];
    let sibling = |name: &&str| match *name {
        "model.safetensors" => {
            let lfs = json!({"sha256": weights_sha256, "size": WEIGHTS.len()});
            json!({"rfilename": name, "size": WEIGHTS.len(), "lfs": lfs})
        }
        name => json!({"rfilename": name}),
    };
    let siblings: Vec<_> = files.iter().map(sibling).collect();
    let model = json!({"sha": COMMIT, "siblings": siblings, "cardData": {"license": "apache-2.0"}});
    server.answer("/api/models/acme/tiny/revision/main?blobs=true", Answer::json(&model));
    server.answer(&format!("/acme/tiny/resolve/{COMMIT}/config.json"), Answer::ok("application/json", "{}"));
    server.answer(&format!("/acme/tiny/resolve/{COMMIT}/tokenizer.json"), Answer::ok("application/json", "{\"a\":1}"));
    server.answer(&format!("/acme/tiny/resolve/{COMMIT}/model.safetensors"), Answer::redirect("/blob"));
    server.answer("/blob", Answer::ok("application/octet-stream", WEIGHTS));
    server
}

fn pull(place: &Place, server: &Server, more: &[(&str, &str)]) -> Ran {
    let mut command = place.command();
    command.args(["pull", "acme/tiny", "--json"]).env("HF_ENDPOINT", &server.url).envs(more.iter().copied());
    Ran::of(command.output().unwrap())
}

#[test]
fn a_model_is_pulled_whole_at_one_commit() {
    let place = Place::new();
    let server = hub(&sha256(WEIGHTS));
    let report = pull(&place, &server, &[]).exits(0).document();
    assert_eq!(report["base"]["revision"], COMMIT);
    assert_eq!(report["base"]["licence"], "apache-2.0");
    let trust = |name: &str| {
        let files = report["base"]["files"].as_array().unwrap();
        files.iter().find(|file| file["path"] == name).map(|file| file["trust"].clone())
    };
    assert_eq!(trust("model.safetensors"), Some(json!("stated")));
    assert_eq!(trust("config.json"), Some(json!("recorded")));
    assert_eq!(trust("pytorch_model.bin"), None);
    assert_eq!(std::fs::read(place.path("home/bases/acme/tiny/model.safetensors")).unwrap(), WEIGHTS);
    assert!(!server.asked().iter().any(|asked| asked.path.contains(".bin") || asked.path.contains("evil")));

    let asked = server.asked().len();
    assert_eq!(pull(&place, &server, &[]).exits(0).document()["fetched"], false);
    assert_eq!(server.asked().len(), asked, "no request");
    let list = place.run(["pull", "--list"]).exits(0);
    assert!(list.stdout.contains("pulled  acme/tiny\n"), "{}", list.stdout);
}

#[test]
fn a_wrong_digest_exits_4_and_what_was_good_is_not_fetched_twice() {
    let place = Place::new();
    let ran = pull(&place, &hub(&"0".repeat(64)), &[]).exits(4);
    assert_eq!(ran.document()["verdict"], "error");
    assert!(!place.path("home/bases/acme/tiny/model.safetensors").exists());
    assert!(place.leftovers().is_empty());
    let ran = place.run(["pull", "--list"]).exits(0);
    assert!(!ran.stdout.contains("acme/tiny"), "an incomplete base counts as absent");
}

#[test]
fn a_file_that_goes_on_after_its_end_is_not_kept() {
    let place = Place::new();
    let server = hub(&sha256(WEIGHTS));
    server.answer("/blob", Answer::ok("application/octet-stream", [WEIGHTS, b"!"].concat()));
    let ran = pull(&place, &server, &[]).exits(4);
    assert!(ran.stderr.contains(&format!("sent more than {} bytes", WEIGHTS.len())), "{}", ran.stderr);
    assert!(!place.path("home/bases/acme/tiny/model.safetensors").exists() && place.leftovers().is_empty());
}

#[test]
fn a_finished_file_is_kept_when_the_pull_goes_on() {
    let place = Place::new();
    let server = hub(&sha256(WEIGHTS));
    place.file("home/bases/acme/tiny/model.safetensors", WEIGHTS);
    pull(&place, &server, &[]).exits(0);
    assert!(!server.asked().iter().any(|asked| asked.path == "/blob"));
}

#[test]
fn a_token_goes_to_the_hub_and_not_along_a_redirect() {
    let place = Place::new();
    let server = hub(&sha256(WEIGHTS));
    place.file("hf/token", "hf_secret\n");
    let home = place.path("hf");
    pull(&place, &server, &[("HF_HOME", home.to_str().unwrap())]).exits(0);
    for asked in server.asked() {
        let token = asked.headers.get("authorization").map(String::as_str);
        assert_eq!(token, (asked.path != "/blob").then_some("Bearer hf_secret"), "{}", asked.path);
    }
}

#[test]
fn a_token_is_not_sent_in_clear() {
    let place = Place::new();
    let mut command = place.command();
    command.args(["pull", "acme/tiny"]).env("HF_ENDPOINT", "http://hub.invalid").env("HF_TOKEN", "hf_secret");
    let ran = Ran::of(command.output().unwrap()).exits(2);
    assert!(ran.stderr.contains("without TLS") && !ran.stderr.contains("hf_secret"), "{}", ran.stderr);
}

#[test]
fn a_model_with_pickles_only_is_refused() {
    let place = Place::new();
    let server = Server::start();
    let siblings = ["config.json", "tokenizer.json", "pytorch_model.bin"].map(|name| json!({"rfilename": name}));
    let model = json!({"sha": COMMIT, "siblings": siblings});
    server.answer("/api/models/acme/tiny/revision/main?blobs=true", Answer::json(&model));
    let ran = pull(&place, &server, &[]).exits(2);
    assert!(ran.stderr.contains("no .safetensors weights at this revision, only pytorch_model.bin"), "{}", ran.stderr);
    assert_eq!(server.asked().len(), 1, "nothing was downloaded");
}

#[test]
fn a_gated_model_asks_for_a_token() {
    let place = Place::new();
    let server = Server::start();
    server.answer("/api/models/acme/tiny/revision/main?blobs=true", Answer::status(401));
    let ran = pull(&place, &server, &[]).exits(1);
    assert!(ran.stderr.contains("hint: the model may be gated"), "{}", ran.stderr);
}

/// The layout of `huggingface_hub`: `refs/main` names the commit, snapshots point to blobs named by digest.
#[cfg(unix)]
#[test]
fn the_hubs_own_cache_is_used_and_checked() {
    for (blob, code) in [(WEIGHTS, 0), (b"tampered".as_slice(), 4)] {
        let place = Place::new();
        let model = "hf/hub/models--acme--tiny";
        place.file(&format!("{model}/refs/main"), COMMIT);
        let snapshot = format!("{model}/snapshots/{COMMIT}");
        place.file(&format!("{snapshot}/config.json"), "{}");
        place.file(&format!("{snapshot}/tokenizer.json"), "{}");
        let blob = place.file(&format!("{model}/blobs/{}", sha256(WEIGHTS)), blob);
        std::os::unix::fs::symlink(blob, place.path(&format!("{snapshot}/model.safetensors"))).unwrap();
        let nobody = Server::start();
        let home = place.path("hf");
        let ran = pull(&place, &nobody, &[("HF_HOME", home.to_str().unwrap())]).exits(code);
        assert!(nobody.asked().is_empty());
        assert_eq!(ran.document()["verdict"], if code == 0 { "passed" } else { "error" });
        assert_eq!(place.path("home/bases/acme/tiny/model.safetensors").exists(), code == 0);
    }
}
