//! `--metrics`: files that other tools read, with public figures only.

use serde_json::Value;

use crate::process::{Place, Ran};
use crate::tiny::{base, chats, public, refused};

fn train(place: &Place, more: &[&str]) -> Ran {
    let mut command = place.command();
    command.args(["train", "in.jsonl", "--sigma", "2", "--steps", "8", "--batch", "10", "--json", "--base"]);
    Ran::of(command.arg(base("tiny_llama")).args(more).output().unwrap())
}

fn lines(place: &Place, folder: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path(folder).join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The scalars of an event file: tag, step, value. Checksums are checked by the encoder's own test, against those of
/// TensorBoard.
fn scalars(bytes: &[u8]) -> Vec<(String, u64, f32)> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<8>() {
        let (data, after) = after[4..].split_at(u64::from_le_bytes(*length) as usize);
        rest = &after[4..];
        // wall time, step, summary with one value: tag, number
        if data[9] == 0x10 {
            let step = u64::from(data[10]);
            let value = &data[16..];
            let (tag, number) = value[1..].split_at(usize::from(value[0]));
            let number = f32::from_le_bytes(number[1..5].try_into().unwrap());
            found.push((String::from_utf8(tag.to_vec()).unwrap(), step, number));
        } else {
            assert!(found.is_empty() && data.ends_with(b"brain.Event:2"));
        }
    }
    found
}

#[test]
fn the_course_of_a_run_is_written_for_other_tools() {
    let place = Place::new();
    place.file("in.jsonl", chats(40));
    place.file("public.jsonl", public(5));
    let cosine = ["--schedule", "cosine", "--warmup", "2", "--learning-rate", "0.01"];
    let out = ["--out", "out", "--metrics", "runs/a", "--evaluation", "public.jsonl"];
    let document = train(&place, &[&out[..], &cosine].concat()).exits(0).document();
    let lines = lines(&place, "runs/a");
    let steps: Vec<&Value> = lines.iter().filter(|line| line.get("epsilon").is_some()).collect();
    assert_eq!(steps.iter().map(|line| line["step"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(steps.iter().all(|line| names(line) == ["step", "steps_lost", "epsilon", "learning_rate"]));
    assert_eq!(steps[7]["epsilon"], document["epsilon"]);
    let rates: Vec<f64> = steps.iter().map(|line| line["learning_rate"].as_f64().unwrap() / 0.01).collect();
    let cosine = |part: f64| (1.0 + (std::f64::consts::PI * part).cos()) / 2.0;
    let expected = [1.0 / 3.0, 2.0 / 3.0].into_iter().chain((0..6).map(|n| cosine(f64::from(n) / 6.0)));
    assert!(rates.iter().zip(expected).all(|(rate, share)| (rate - share).abs() < 1e-12), "{rates:?}");
    let losses: Vec<&Value> = lines.iter().filter(|line| line.get("evaluation_tokens").is_some()).collect();
    assert_eq!(losses.len(), document["evaluation"].as_array().unwrap().len());
    assert_eq!(losses[1]["evaluation_nats_per_token"], document["evaluation"][1]["nats_per_token"]);
    // the only timings, rounded, in the last line
    let last = lines.last().unwrap();
    assert_eq!(names(last), ["step", "seconds", "tokens_per_second", "peak_rss_bytes"]);
    assert_eq!(last["tokens_per_second"], document["tokens_per_second"]);
    assert_eq!(lines.len(), 8 + losses.len() + 1);
    let speed = document["tokens_per_second"].as_f64().unwrap();
    let digits = format!("{speed}").replace('.', "").trim_matches('0').len();
    assert!(speed > 0.0 && digits <= 2, "{speed}");
    assert_eq!(document["peak_rss_bytes"].as_u64().unwrap() % (1 << 20), 0);
    assert_eq!((&document["schedule"], &document["warmup_steps"]), (&"cosine".into(), &2.into()));

    let mut files: Vec<_> =
        std::fs::read_dir(place.path("runs/a")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 2);
    assert!(files[0].file_name().unwrap().to_str().unwrap().starts_with("events.out.tfevents."));
    let scalars = scalars(&std::fs::read(&files[0]).unwrap());
    let of = |tag: &str| {
        scalars.iter().filter(|(name, ..)| name == tag).map(|&(_, step, value)| (step, value)).collect::<Vec<_>>()
    };
    assert_eq!(of("privacy/epsilon").last().unwrap(), &(8, document["epsilon"].as_f64().unwrap() as f32));
    assert_eq!((of("train/learning_rate").len(), of("evaluation/nats_per_token").len()), (8, losses.len()));
    assert_eq!(scalars.len(), 8 + 8 + losses.len() + 2);
}

#[test]
fn metrics_are_refused_where_they_would_do_harm() {
    let place = Place::new();
    place.file("in.jsonl", chats(40));
    let in_the_way = "would be in the way of";
    for (out, metrics) in [("out", "out"), ("out", "out/metrics"), ("out", "./out/"), ("a/out", "a/out.snapshot/x")] {
        let ran = train(&place, &["--out", out, "--metrics", metrics]);
        refused(&place, ran, 2, in_the_way, "choose another --metrics");
    }
    train(&place, &["--out", "out", "--metrics", "m"]).exits(0);
    let ran = train(&place, &["--out", "other", "--metrics", "m"]);
    refused(&place, ran, 2, "`m` holds the metrics of another run", "choose another --metrics");
    place.file("file", "");
    let ran = train(&place, &["--out", "other", "--metrics", "file"]);
    refused(&place, ran, 2, "`file` is not a folder", "choose another --metrics");
    assert!(!place.path("other").exists() && !place.path("other.snapshot").exists());
    // lines of a run that was killed before its first step are in nobody's way
    place.file("n/metrics.jsonl", "{\"step\":0,\"evaluation_nats_per_token\":4.5,\"evaluation_tokens\":9}\n");
    train(&place, &["--out", "other", "--metrics", "n"]).exits(0);
    assert_eq!(lines(&place, "n").len(), 9);
}
