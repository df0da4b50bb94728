//! A canary: a string that stands in one record only, in both its texts, its id and its subject. Whatever a run does
//! with that record, it may stand in no message, document, report, snapshot or temporary file; nor may its tokens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cloister_model::Base;
use serde_json::{Value, json};

use crate::process::{Place, walk};
use crate::tiny::{base, chat, chats, copy, overflow, public};

const CANARY: &str = "Zq7xWvK~uPfLm3";

/// What to look for: the canary as people and programs write it, and its tokens.
struct Traces(BTreeMap<&'static str, Vec<u8>>);

impl Traces {
    fn new() -> Self {
        let tokens = Base::open(&base("tiny_llama"), cloister_model::Precision::F32)
            .unwrap()
            .0
            .tokenizer
            .encode(CANARY, false)
            .unwrap();
        assert!(tokens.len() > 8, "the canary is many tokens, or they would be found by chance");
        let numbers = |between: &str| tokens.iter().map(u32::to_string).collect::<Vec<_>>().join(between).into_bytes();
        let hex = |upper: bool| {
            let digit = |byte: u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
            CANARY.bytes().map(digit).collect::<String>().into_bytes()
        };
        let escaped: String = CANARY.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
        Self(BTreeMap::from([
            ("plain", CANARY.into()),
            ("lower case", CANARY.to_lowercase().into_bytes()),
            ("first half", CANARY[..8].into()),
            ("second half", CANARY[6..].into()),
            ("escaped", escaped.into_bytes()),
            ("hex", hex(false)),
            ("upper hex", hex(true)),
            ("base64", base64(CANARY.as_bytes())),
            ("base64, one byte later", base64(&CANARY.as_bytes()[2..])),
            ("base64, two bytes later", base64(&CANARY.as_bytes()[1..])),
            ("UTF-16", CANARY.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            ("tokens", numbers(",")),
            ("tokens, spaced", numbers(", ")),
            ("tokens, 32 bit", tokens.iter().flat_map(|token| token.to_le_bytes()).collect()),
            ("tokens, 64 bit", tokens.iter().flat_map(|token| u64::from(*token).to_le_bytes()).collect()),
        ]))
    }

    /// The first trace in these bytes.
    fn in_bytes(&self, bytes: &[u8]) -> Option<&'static str> {
        let found = |trace: &[u8]| bytes.windows(trace.len()).any(|window| window == trace);
        self.0.iter().find(|(_, trace)| found(trace)).map(|(name, _)| *name)
    }

    /// Every file below `folder` with a trace in its content or its name, but for those given.
    fn below(&self, folder: &Path, but: &[PathBuf]) -> Vec<String> {
        let mut found = Vec::new();
        walk(folder, &mut |path| {
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            // a temporary file may vanish while it is looked at
            let content = std::fs::read(path).unwrap_or_default();
            let trace = self.in_bytes(&content).or_else(|| self.in_bytes(name.as_bytes()));
            if let Some(trace) = trace.filter(|_| !but.iter().any(|known| known == path)) {
                found.push(format!("{name}: {trace}"));
            }
        });
        found
    }
}

/// Whole groups of three bytes in base64 (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> Vec<u8> {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        [18, 12, 6, 0].map(|shift| SIGNS[(bits >> shift) as usize & 63])
    };
    bytes.chunks_exact(3).flat_map(group).collect()
}

/// A place with watched folders for everything that a process may write to.
struct Watched {
    place: Place,
    traces: Traces,
    inputs: Vec<PathBuf>,
}

impl Watched {
    fn new() -> Self {
        let place = Place::new();
        std::fs::create_dir_all(place.path("tmp")).unwrap();
        Self { place, traces: Traces::new(), inputs: Vec::new() }
    }

    /// Ten records, one that holds the canary, and one more.
    fn data(&mut self, name: &str, line: &str) {
        let records = format!("{}{line}\n{}\n", chats(10), chat("z", "z", "hello", "good day"));
        assert_eq!(self.traces.in_bytes(records.as_bytes()), Some("first half"), "the search finds what is there");
        self.inputs.push(self.place.file(name, records));
    }

    /// Two public records, one of which holds the canary.
    fn public(&mut self, name: &str) {
        let records = format!("{}{}\n", public(1), record().to_string().replace("help", "please help"));
        self.inputs.push(self.place.file(name, records));
    }

    /// Runs to the end, or to Ctrl-C once it has told of the first loss, and looks everywhere, also meanwhile.
    #[track_caller]
    fn clean(&self, command: Command, code: i32) -> String {
        self.ends(command, &[code])
    }

    /// As [`Watched::clean`], with one of several exit codes.
    #[track_caller]
    fn ends(&self, mut command: Command, codes: &[i32]) -> String {
        let out = |name: &str| std::fs::File::create(self.place.path(name)).unwrap();
        command.env("RUST_BACKTRACE", "1").env("TMPDIR", self.place.path("tmp")).stdin(Stdio::null());
        let mut child = command.stdout(out("stdout")).stderr(out("stderr")).spawn().unwrap();
        let told = || std::fs::read_to_string(self.place.path("stderr")).unwrap();
        let mut pressed = !codes.contains(&130);
        let status = loop {
            assert_eq!(self.traces.below(&self.place.path(""), &self.inputs), Vec::<String>::new());
            if !pressed && told().contains("step 0: ") {
                Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
                pressed = true;
            }
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        assert!(codes.iter().any(|&code| status.code() == Some(code)), "{status}: {}", told());
        assert_eq!(self.traces.below(&self.place.path(""), &self.inputs), Vec::<String>::new());
        assert!(!told().contains("panicked"), "{}", told());
        told()
    }

    fn verb(&self, verb: &str, data: &str, base: &Path, more: &[&str]) -> Command {
        let mut command = self.place.command();
        command.args([verb, data, "--epsilon", "8", "--json", "--base"]).arg(base).args(more);
        command
    }
}

fn record() -> Value {
    let (user, answer) = (format!("I am {CANARY}, help"), format!("yes {CANARY}, we will"));
    chat(&format!("id-{CANARY}"), &format!("subject-{CANARY}"), &user, &answer)
}

#[test]
fn the_search_finds_every_form() {
    let traces = Traces::new();
    for (name, trace) in &traces.0 {
        let found = traces.in_bytes(&[b"before ", &trace[..], b" after"].concat());
        assert!(found.is_some(), "{name}");
    }
    assert_eq!(traces.in_bytes(chats(50).as_bytes()), None);
    let place = Place::new();
    place.file(&format!("deep/{CANARY}"), "x");
    let kept = place.file("kept", record().to_string());
    assert_eq!(traces.below(&place.path(""), &[kept]).len(), 1);
}

#[test]
fn finished_runs_show_no_trace_of_a_record() {
    let mut watched = Watched::new();
    let tiny = base("tiny_llama");
    watched.data("in.jsonl", &record().to_string());
    watched.place.file("public.jsonl", public(4));
    let more = ["--steps", "4", "--batch", "12", "--evaluation", "public.jsonl"];
    watched.clean(watched.verb("train", "in.jsonl", &tiny, &[&more[..], &["--out", "a"]].concat()), 0);
    watched.clean(watched.verb("train", "in.jsonl", &tiny, &[&more[..], &["--dry-run"]].concat()), 0);
    let subject = [&more[..], &["--out", "b", "--unit", "subject"]].concat();
    watched.clean(watched.verb("train", "in.jsonl", &tiny, &subject), 0);
    #[cfg(target_os = "linux")]
    watched.clean(watched.verb("train", "in.jsonl", &tiny, &[&more[..], &["--out", "s", "--sandbox"]].concat()), 0);
    // words of the record may stand in the file that a person declares public: losses are shown, words are not
    watched.public("copy.jsonl");
    let public = ["--steps", "2", "--evaluation", "copy.jsonl", "--out", "c"];
    watched.clean(watched.verb("train", "in.jsonl", &tiny, &public), 0);
    for (profile, out) in [("surrogate", "d"), ("redact", "e")] {
        let more = [&more[..], &["--out", out, "--profile", profile, "--learning-rate", "0.0001"]].concat();
        // the gate of utility may say either on so small a base
        watched.ends(watched.verb("run", "in.jsonl", &tiny, &more), &[0, 3]);
        assert!(watched.place.path(out).join("report.html").exists());
    }
}

#[cfg(unix)]
#[test]
fn interrupted_and_resumed_runs_show_no_trace_of_a_record() {
    let mut watched = Watched::new();
    let tiny = base("tiny_llama");
    watched.data("in.jsonl", &record().to_string());
    watched.place.file("public.jsonl", public(4));
    for (verb, out, state) in [("train", "a", "a.snapshot/state"), ("run", "b", "b/snapshot/state")] {
        let more = ["--steps", "120", "--batch", "12", "--evaluation", "public.jsonl", "--out", out];
        watched.clean(watched.verb(verb, "in.jsonl", &tiny, &more), 130);
        assert!(watched.place.path(state).exists());
        watched.ends(watched.verb(verb, "in.jsonl", &tiny, &[&more[..], &["--resume"]].concat()), &[0, 3]);
        assert!(!watched.place.path(state).exists());
    }
    #[cfg(target_os = "linux")]
    {
        let more = ["--steps", "120", "--batch", "12", "--evaluation", "public.jsonl", "--out", "s", "--sandbox"];
        watched.clean(watched.verb("train", "in.jsonl", &tiny, &more), 130);
        assert!(watched.place.path("s.snapshot/state").exists());
        watched.clean(watched.verb("train", "in.jsonl", &tiny, &[&more[..], &["--resume"]].concat()), 0);
        assert!(!watched.place.path("s.snapshot").exists());
    }
}

#[test]
fn refusals_show_no_trace_of_a_record() {
    let mut watched = Watched::new();
    let tiny = base("tiny_llama");
    let whole = record().to_string();
    let mut other = record();
    other["messages"][1]["role"] = json!(CANARY);
    let mut unfinished = record();
    unfinished["messages"].as_array_mut().unwrap().pop();
    let long = chat(CANARY, CANARY, &CANARY.repeat(20), &CANARY.repeat(20));
    let mut nameless = record();
    nameless.as_object_mut().unwrap().remove("subject");
    for (name, line) in [
        ("cut", whole[..whole.len() - 4].to_owned()),
        ("shape", json!({"id": CANARY, "text": CANARY}).to_string()),
        ("unknown", json!({CANARY: CANARY}).to_string()),
        ("key", json!({"id": CANARY, "messages": {CANARY: CANARY}}).to_string()),
        ("role", other.to_string()),
        ("unfinished", unfinished.to_string()),
        ("array", format!("[\"{CANARY}\"]")),
        ("nul", whole.replace("help", "\\u0000")),
    ] {
        watched.data(name, &line);
        for (verb, out) in [("train", "out"), ("run", "whole")] {
            let told = watched.clean(watched.verb(verb, name, &tiny, &["--out", out]), 2);
            assert!(told.contains("line 11"), "{name}: {told}");
            assert!(!watched.place.path(out).exists(), "{name}");
        }
    }
    watched.data("latin1", &whole);
    let bytes = std::fs::read(watched.place.path("latin1")).unwrap();
    let at = bytes.windows(4).position(|window| window == b"help").unwrap();
    std::fs::write(watched.place.path("latin1"), [&bytes[..at], b"\xff", &bytes[at..]].concat()).unwrap();
    watched.clean(watched.verb("train", "latin1", &tiny, &["--out", "out"]), 2);
    watched.data("long", &long.to_string());
    watched.data("nameless", &nameless.to_string());
    for verb in ["train", "run"] {
        let told = watched.clean(watched.verb(verb, "long", &tiny, &["--out", "out", "--length", "refuse"]), 2);
        assert!(told.contains("line 11: the record has "), "{told}");
        let told = watched.clean(watched.verb(verb, "nameless", &tiny, &["--out", "out", "--unit", "subject"]), 2);
        assert!(told.contains("line 11 names no subject"), "{told}");
        let delta = watched.verb(verb, "long", &tiny, &["--out", "out", "--delta", "0.5"]);
        watched.clean(delta, 2);
        assert!(!watched.place.path("out").exists());
    }
}

#[test]
fn failures_show_no_trace_of_a_record() {
    let mut watched = Watched::new();
    watched.data("in.jsonl", &record().to_string());
    let poisoned = copy(&watched.place, "tiny_llama_untied", "tiny_llama_untied");
    overflow(&poisoned, Some(96));
    // the record's loss and gradient are NaN, in private and in public
    watched.clean(watched.verb("train", "in.jsonl", &poisoned, &["--out", "nan", "--batch", "12"]), 0);
    watched.public("copy.jsonl");
    let public = ["--out", "out", "--evaluation", "copy.jsonl"];
    watched.clean(watched.verb("train", "in.jsonl", &poisoned, &public), 1);
    watched.clean(watched.verb("run", "in.jsonl", &poisoned, &public), 1);
    assert!(!watched.place.path("out").exists());
    overflow(&poisoned, None);
    let tensors = poisoned.join("model-00001-of-00002.safetensors");
    crate::tiny::change(&tensors, "model.embed_tokens.weight", |_| Some(1.0));
    watched.clean(watched.verb("train", "in.jsonl", &poisoned, &["--out", "out"]), 1);

    // templates that complain of what they are given
    let folder = copy(&watched.place, "tiny_llama", "tiny_llama");
    for template in [
        "{{ raise_exception(messages[0]['content']) }}",
        "{{ messages[0]['content'].nonesuch.deeper }}",
        "{{ messages[0]['content'] | int }}{{ nonesuch(messages[0]['content']) }}",
        "{% include messages[0]['content'] %}",
    ] {
        std::fs::write(folder.join("chat_template.jinja"), template).unwrap();
        watched.clean(watched.verb("train", "in.jsonl", &folder, &["--out", "out"]), 2);
        watched.clean(watched.verb("run", "in.jsonl", &folder, &["--out", "out"]), 2);
    }

    // a full disk, while the adapter is written; 512-byte blocks
    for verb in ["train", "run"] {
        let script = format!(
            "trap '' XFSZ; ulimit -f 8; exec \"$0\" {verb} in.jsonl --epsilon 8 --steps 2 --out out --quiet --base \"$1\""
        );
        let mut command = watched.place.shell(&script);
        command.arg(base("tiny_llama"));
        watched.clean(command, 1);
        assert!(!watched.place.path("out").exists());
    }
}
