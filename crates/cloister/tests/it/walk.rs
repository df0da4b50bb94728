//! The walk-through of the guides, run: every command of its `console` blocks, in one shell, gives what it shows.
//!
//! `[..]` stands for anything on a line, `...` for any lines; `? N` is the exit code where it is not 0.

use std::fs;
use std::path::Path;

use crate::process::{Place, Ran};
use crate::tiny::{base, chats, public};

/// A command, its exit code and what it shows.
struct Step {
    command: String,
    code: i32,
    shows: Vec<String>,
}

fn steps(guide: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in guide.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match (line.strip_prefix("$ "), line.strip_prefix("? "), steps.last_mut()) {
                (Some(command), ..) => steps.push(Step { command: command.into(), code: 0, shows: Vec::new() }),
                (None, Some(code), Some(step)) => step.code = code.parse().unwrap(),
                (None, None, Some(step)) => {
                    let continued = step.command.ends_with('\\') && step.shows.is_empty();
                    match continued {
                        true => step.command += &format!("\n{line}"),
                        false => step.shows.push(line.into()),
                    }
                }
                _ => panic!("no command before `{line}`"),
            },
        }
    }
    steps.iter_mut().for_each(|step| {
        step.shows.truncate(step.shows.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1))
    });
    steps
}

/// Whether a line is as it is shown.
fn same(shown: &str, line: &str) -> bool {
    let mut parts = shown.split("[..]");
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last == Some("")
}

fn matches(shown: &[String], lines: &[&str]) -> bool {
    match (shown.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((first, more)), _) if first == "..." => (0..=lines.len()).any(|skip| matches(more, &lines[skip..])),
        (Some((first, more)), Some((line, rest))) => same(first, line) && matches(more, rest),
        _ => false,
    }
}

#[test]
fn what_is_shown_is_told_apart() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&lines("a [..] c\n...\nend"), &["a b c", "x", "y", "end"]));
    assert!(matches(&lines("r1 done [..]"), &["r1 done at noon"]));
    assert!(
        !matches(&lines("a [..] c"), &["a b d"])
            && !matches(&lines("a"), &["a", "b"])
            && !matches(&lines("a b"), &["a"])
    );
}

#[cfg(unix)]
#[test]
fn the_walk_through_goes_as_it_is_told() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/walk-through.md");
    let steps = steps(&fs::read_to_string(guide).unwrap());
    assert!(steps.len() > 15);
    let place = Place::new();
    place.file("tickets.jsonl", chats(60));
    place.file("public.jsonl", public(4));
    std::os::unix::fs::symlink(base("tiny_llama"), place.path("tiny")).unwrap();
    fs::create_dir(place.path("said")).unwrap();
    let mut script = String::from("cloister() { \"$CLOISTER\" \"$@\"; }\n");
    for (at, step) in steps.iter().enumerate() {
        script += &format!("{{ {}\n}} > said/{at} 2>&1\necho $? > said/{at}.code\n", step.command);
    }
    let mut command = std::process::Command::new("bash");
    command
        .arg("-c")
        .arg(script)
        .current_dir(place.path("."))
        .env_clear()
        .env("CLOISTER", env!("CARGO_BIN_EXE_cloister"));
    command
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", place.path("."))
        .env("CLOISTER_HOME", place.path("home"));
    Ran::of(command.output().unwrap());
    for (at, step) in steps.iter().enumerate() {
        let said = fs::read_to_string(place.path(&format!("said/{at}"))).unwrap();
        let code = fs::read_to_string(place.path(&format!("said/{at}.code"))).unwrap();
        let lines: Vec<&str> = said.trim_end().lines().collect();
        assert_eq!(code.trim(), step.code.to_string(), "{}\n{said}", step.command);
        assert!(matches(&step.shows, &lines), "{}\n{said}\nis not\n{}", step.command, step.shows.join("\n"));
    }
}
