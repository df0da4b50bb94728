//! A project: two people, one door, and what happens when files, secrets or rules are not what they should be.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cloister::cli::command;
use cloister::project::{Ask, Closed, Error, Member, Project, Wanted, verbs};
use cloister::pull::Home;
use cloister_access::{Action, Id, Kind, Resource, Role, Sensitivity, Step};
use cloister_vault::keys::{Argon2Cost, Hardened, KeyFile, Passphrase, Provider, SealedRing};
use cloister_vault::log::entry::{Outcome, Phase};
use cloister_vault::log::{Entry, LogReader, TlogProof, VerifierKey};
use cloister_vault::sealed::Kind as Sealed;

use crate::process::{Place, Ran, walk};

const PASSPHRASE: &str = "seven lamps by the harbour";

/// A folder with a project of olga's, its owner, who has a key file.
fn project(preset: &str) -> Place {
    let place = Place::new();
    let made = ["init", "--name", "Help desk", "--owner", "olga", "--preset", preset, "--key-file", "olga.key"];
    place.run(made).exits(0);
    place
}

/// The same with dora, a data protection officer, so that four eyes are on.
fn two() -> Place {
    let place = project("gdpr");
    let added = by(&place, "olga", "access add dora --roles dpo --member-key-file dora.key").exits(0);
    assert!(added.stderr.contains("four eyes are on"), "{}", added.stderr);
    place
}

/// Runs a command line, cut at spaces, as somebody.
fn by(place: &Place, who: &str, line: &str) -> Ran {
    let key = format!("{who}.key");
    place.run(line.split(' ').chain(["--key-file", &key]))
}

#[track_caller]
fn denied(ran: Ran, policy: &str) -> Ran {
    let ran = ran.exits(5);
    assert!(ran.stderr.contains(&format!("({policy})")), "{policy}: {}", ran.stderr);
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    ran
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn folder(place: &Place) -> PathBuf {
    place.path(".cloister")
}

/// The project in this process, as somebody with a key file.
fn open(place: &Place, who: &str) -> Project {
    unseal(place, &KeyFile::open(&place.path(&format!("{who}.key"))).unwrap()).unwrap()
}

fn unseal(place: &Place, provider: &dyn Provider) -> Result<Project, Error> {
    Closed::open(&place.path("."))?.unseal(provider, &Hardened::apply().unwrap(), Home::at(place.path("home")))
}

fn passphrase() -> Passphrase {
    Passphrase::new(PASSPHRASE).unwrap().with_cost(Argon2Cost { kib: 19 << 10, passes: 1, lanes: 1 }).unwrap()
}

/// The entries of the log, from its files.
fn entries(place: &Place) -> Vec<Entry> {
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(folder(place).join("project.json")).unwrap()).unwrap();
    let key = VerifierKey::parse(manifest["log_key"].as_str().unwrap()).unwrap();
    let log = LogReader::open(&folder(place).join("log"), &key).unwrap();
    (0..log.checkpoint().size).map(|index| Entry::parse(&log.entry(index).unwrap()).unwrap()).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => copy(&path, &target),
            false => assert!(fs::copy(&path, &target).is_ok(), "{}", path.display()),
        }
    }
}

/// Puts a copy of the project back.
fn restore(place: &Place, copied: &Path) {
    fs::remove_dir_all(folder(place)).unwrap();
    copy(copied, &folder(place));
}

/// The same where nobody has seen what came after it.
fn restore_unseen(place: &Place, copied: &Path) {
    restore(place, copied);
    // There is none where the try before was refused.
    let _ = fs::remove_dir_all(place.path("home/seen"));
}

#[test]
fn requirement_12_a_grant_is_approved_by_somebody_else() {
    let place = two();
    let add = "access add eva --roles engineer --member-key-file eva.key";
    let alone = denied(by(&place, "olga", add), "four-eyes");
    assert!(alone.stderr.contains("access request --act member.change --on user:eva"), "{}", alone.stderr);
    assert!(!place.path("eva.key").exists() || by(&place, "eva", "access list").code == 5);
    let asked = by(&place, "olga", "access request --act member.change --on user:eva --purpose staffing").exits(0);
    assert_eq!(asked.stdout, "g1\n");
    // Not approved yet; then by the person who asked; then by another, twice.
    denied(by(&place, "olga", &format!("{add} --grant g1")), "grant-approvals");
    denied(by(&place, "olga", "access approve g1"), "no-own-approval");
    let approved = by(&place, "dora", "access approve g1 --json").exits(0).document();
    assert_eq!((&approved["schema"], &approved["missing"]), (&"cloister.access.v1".into(), &0.into()));
    let again = by(&place, "dora", "access approve g1").exits(0);
    assert!(again.stderr.contains("nothing changed"), "{}", again.stderr);
    by(&place, "olga", &format!("{add} --grant g1")).exits(0);
    // It is for that person only, and ends when it is revoked.
    denied(by(&place, "olga", "access add adam --roles admin --member-key-file adam.key --grant g1"), "grant-object");
    by(&place, "olga", "access roles eva --roles engineer,auditor --grant g1").exits(0);
    by(&place, "dora", "access revoke g1").exits(0);
    denied(by(&place, "olga", "access roles eva --roles owner --grant g1"), "grant-revoked");
    let list = by(&place, "eva", "access list --json").exits(0).document();
    assert_eq!(list["project"]["four_eyes"], true);
    assert_eq!(list["members"][1]["roles"], serde_json::json!(["auditor", "engineer"]));
    assert_eq!((&list["grants"][0]["state"], &list["grants"][0]["id"]), (&"revoked".into(), &"g1".into()));
    let text = by(&place, "eva", "access list").exits(0).stdout;
    assert!(text.contains("project Help desk (gdpr, four eyes)") && text.contains("approved by dora"), "{text}");
    // Everything has an entry that says who, what, by which policy and how it ended.
    let entries = entries(&place);
    assert!(entries.iter().zip(0..).all(|(entry, index)| entry.seq == index));
    let denials: Vec<&str> = entries
        .iter()
        .filter(|entry| entry.result == Some(Outcome::Denied))
        .flat_map(|entry| entry.decision.as_ref().unwrap().policies.iter().map(String::as_str))
        .collect();
    assert_eq!(
        denials,
        ["four-eyes", "grant-approvals", "four-eyes", "no-own-approval", "grant-object", "grant-revoked"]
    );
    let intents = entries.iter().filter(|entry| entry.phase == Phase::Intent);
    assert!(intents.clone().count() > 8);
    assert!(intents.clone().all(|intent| entries.iter().filter(|entry| entry.req == intent.req).count() == 2));
}

#[test]
fn minimal_switches_no_four_eyes_on_and_they_never_go_off() {
    let place = project("minimal");
    by(&place, "olga", "access add dora --roles owner --member-key-file dora.key").exits(0);
    by(&place, "olga", "access add eva --roles owner --member-key-file eva.key").exits(0);
    let list = by(&place, "eva", "access list --json").exits(0).document();
    assert_eq!(list["project"]["four_eyes"], false);
    let place = two();
    by(&place, "olga", "access disable dora").exits(0);
    let list = by(&place, "olga", "access list --json").exits(0).document();
    assert_eq!((&list["project"]["four_eyes"], &list["members"][0]["state"]), (&true.into(), &"disabled".into()));
    let last = by(&place, "olga", "access disable olga").exits(2);
    assert!(last.stderr.contains("`olga` is the last owner"), "{}", last.stderr);
    // An engineer may not approve, so one owner goes on alone.
    let place = project("hipaa");
    by(&place, "olga", "access add eva --roles engineer --member-key-file eva.key").exits(0);
    by(&place, "olga", "access add adam --roles admin --member-key-file adam.key").exits(0);
    assert_eq!(by(&place, "eva", "access list --json").exits(0).document()["project"]["four_eyes"], false);
}

#[test]
fn requirement_5_a_disabled_member_is_refused_at_the_next_request() {
    let place = two();
    let before = place.path("before");
    copy(&folder(&place), &before);
    let there = open(&place, "dora");
    there.list().unwrap();
    by(&place, "olga", "access disable dora").exits(0);
    // What goes on of theirs ends, what they begin does not open.
    assert!(matches!(there.list(), Err(Error::Denied(denied)) if denied.is_by("disabled-account")));
    there.close().unwrap();
    let refused = by(&place, "dora", "access list").exits(5);
    assert!(refused.stderr.contains("does not open"), "{}", refused.stderr);
    // The key ring of before, in which their slot was, is older than the project says.
    fs::copy(before.join("keys.clo"), folder(&place).join("keys.clo")).unwrap();
    let refused = by(&place, "dora", "access list").exits(4);
    assert!(refused.stderr.contains("is older than the project"), "{}", refused.stderr);
}

#[test]
fn requirement_24_a_wrong_passphrase_is_denied_and_makes_the_next_one_wait() {
    let place = Place::new();
    place.file("pass", format!("{PASSPHRASE}\n"));
    place.file("guess", "seven lamps by the river\n");
    place.file("short", "too short\n");
    let init = "\"$0\" init --name Desk --owner olga --preset minimal --passphrase-fd 3 3<";
    let short = Ran::of(place.shell(&format!("{init}short")).output().unwrap()).exits(2);
    assert!(short.stderr.contains("fewer than 15 characters"), "{}", short.stderr);
    assert!(!folder(&place).exists());
    Ran::of(place.shell(&format!("{init}pass")).output().unwrap()).exits(0);
    let list =
        |file: &str| Ran::of(place.shell(&format!("\"$0\" access list --passphrase-fd 3 3<{file}")).output().unwrap());
    list("pass").exits(0);
    for _ in 0..3 {
        let wrong = list("guess").exits(5);
        assert!(!wrong.stderr.contains("lamps"), "{}", wrong.stderr);
    }
    // Also with the right one, until the time has passed.
    let waits = list("pass").exits(5);
    assert!(waits.stderr.contains("hint: wait "), "{}", waits.stderr);
    std::thread::sleep(std::time::Duration::from_millis(1300));
    list("pass").exits(0);
    // Without a terminal nobody is asked; a project without this way to open it says so.
    if cfg!(target_os = "linux") {
        let asked = Ran::of(place.shell("setsid -w \"$0\" access list").output().unwrap()).exits(2);
        assert!(asked.stderr.contains("--passphrase-fd"), "{}", asked.stderr);
    }
    let place = project("minimal");
    let asked = place.run(["access", "list"]).exits(2);
    assert!(asked.stderr.contains("hint: give --key-file PATH"), "{}", asked.stderr);
    place.file("pass", format!("{PASSPHRASE}\n"));
    Ran::of(place.shell("\"$0\" access list --passphrase-fd 3 3<pass").output().unwrap()).exits(5);
}

/// A terminal in which a person types: what they type is nowhere to be seen.
#[test]
fn a_passphrase_is_typed_without_echo() {
    let place = Place::new();
    if std::process::Command::new("script").arg("--version").output().is_err() {
        assert!(std::env::var("CLOISTER_REQUIRE_SERVERS").is_err(), "script of util-linux is not here");
        return eprintln!("SKIPPED: script of util-linux is not here");
    }
    place.file("typed", format!("{PASSPHRASE}\r"));
    let typed = "(sleep 2; cat typed; sleep 2; cat typed; sleep 6) | \
                 script -qec \"$0 init --name Desk --owner olga --preset minimal\" /dev/null";
    let ran = Ran::of(place.shell(typed).output().unwrap());
    assert!(folder(&place).exists(), "{}{}", ran.stdout, ran.stderr);
    let seen = ran.stdout + &ran.stderr;
    assert!(seen.contains("new passphrase: ") && !seen.contains("lamps"), "{seen}");
    place.file("pass", format!("{PASSPHRASE}\n"));
    Ran::of(place.shell("\"$0\" access list --passphrase-fd 3 3<pass").output().unwrap()).exits(0);
}

#[test]
fn requirements_6_and_14_raw_text_needs_a_person_and_the_purpose_of_the_data() {
    let place = project("minimal");
    let olga = open(&place, "olga");
    let purposes = BTreeSet::from([id("support")]);
    olga.add_dataset(&id("tickets"), Sensitivity::Personal, &purposes).unwrap();
    assert!(matches!(olga.add_dataset(&id("tickets"), Sensitivity::Public, &purposes), Err(Error::Taken { .. })));
    let (roles, secret) = (BTreeSet::from([Role::Steward]), passphrase());
    olga.add_member(&Member { id: &id("stan"), name: "Stan", roles: &roles, provider: &secret }, None).unwrap();
    // One secret is one person.
    let twice = olga.add_member(&Member { id: &id("sue"), name: "Sue", roles: &roles, provider: &secret }, None);
    assert!(matches!(twice, Err(Error::SecretTaken)));
    let read = |purpose: Option<&str>| {
        Ask::new(Action::DatasetRead, "dataset:tickets".parse().unwrap()).for_purpose(purpose.map(id))
    };
    let decided = |project: &Project, purpose| {
        project.through(&read(purpose), |pass| {
            let mut writer = pass.keys()?.seal_object(Vec::new(), Sealed::Blob, "1")?;
            writer.append(b"text")?;
            let (sealed, _) = writer.finish()?;
            Ok::<u64, Error>(pass.keys()?.open_object(&sealed[..], Sealed::Blob, "1")?.length())
        })
    };
    // A key file lies there by itself; whoever types a passphrase is there.
    assert!(
        matches!(decided(&olga, Some("support")), Err(Error::Denied(denied)) if denied.is_by("fresh-second-factor"))
    );
    olga.close().unwrap();
    let stan = unseal(&place, &secret).unwrap();
    assert_eq!(decided(&stan, Some("support")).unwrap(), 4);
    assert!(matches!(decided(&stan, Some("adverts")), Err(Error::Denied(denied)) if denied.is_by("purpose")));
    assert!(matches!(decided(&stan, None), Err(Error::Denied(denied)) if !denied.decision.errors.is_empty()));
    assert!(stan.alerts().iter().any(|alert| alert.contains("what the data is for")));
    // Work that fails is told of as failed.
    let failed = stan.through(&read(Some("support")), |_| Err::<(), _>(Error::Stranger));
    assert!(matches!(failed, Err(Error::Stranger)));
    stan.close().unwrap();
    let told: Vec<_> = entries(&place).iter().filter(|entry| entry.act == "dataset.read").map(|e| e.result).collect();
    let (ok, no) = (Some(Outcome::Ok), Some(Outcome::Denied));
    assert_eq!(told, [no, None, ok, no, no, None, Some(Outcome::Failed)]);
    // Another project's folder under the same name has other keys: see the swapped files below.
    let read = entries(&place).into_iter().find(|entry| entry.act == "dataset.read" && entry.result == ok).unwrap();
    assert_eq!((read.purpose.as_deref(), read.actor.mfa_age), (Some("support"), Some(0)));
    assert_eq!(read.actor.auth, "passphrase");
}

#[test]
fn requirement_13_a_revoked_grant_stops_what_relies_on_it() {
    let place = two();
    let olga = open(&place, "olga");
    olga.add_dataset(&id("tickets"), Sensitivity::Personal, &[id("support")].into()).unwrap();
    let wanted = |needed| Wanted {
        who: olga.who().clone(),
        resource: "dataset:tickets".parse().unwrap(),
        acts: [Action::Train].into(),
        purpose: id("support"),
        needed,
        term: std::time::Duration::from_secs(3600),
        emergency: false,
        note: Some("why it is needed\n\u{1b}[2J".into()),
    };
    let (grant, _) = olga.request_grant(wanted(1)).unwrap();
    let dora = open(&place, "dora");
    assert_eq!(dora.approve_grant(&grant).unwrap().step, Step::Complete);
    let train = Ask::new(Action::Train, "dataset:tickets".parse().unwrap());
    let train = train.for_purpose(Some(id("support"))).with_grant(Some(grant.clone()));
    let stopped = olga.through(&train, |pass| {
        pass.check()?;
        dora.revoke_grant(&grant)?;
        pass.check()
    });
    assert!(matches!(stopped, Err(Error::Denied(denied)) if denied.is_by("grant-revoked")));
    // Two who approve one grant at one time: each counts once, and it is complete once.
    let (roles, secret) = (BTreeSet::from([Role::Steward]), KeyFile::create(&place.path("stan.key")).unwrap());
    let (staffing, _) = olga
        .request_grant(Wanted {
            resource: "user:stan".parse().unwrap(),
            acts: [Action::MemberChange].into(),
            ..wanted(1)
        })
        .unwrap();
    dora.approve_grant(&staffing).unwrap();
    let stan = Member { id: &id("stan"), name: "Stan", roles: &roles, provider: &secret };
    olga.add_member(&stan, Some(staffing)).unwrap();
    let stan = open(&place, "stan");
    for _ in 0..5 {
        let (grant, _) = olga.request_grant(wanted(2)).unwrap();
        let steps = std::thread::scope(|scope| {
            let approvals: Vec<_> = [&dora, &stan, &dora, &stan]
                .into_iter()
                .map(|who| scope.spawn(|| who.approve_grant(&grant).unwrap().step))
                .collect();
            approvals.into_iter().map(|approval| approval.join().unwrap()).collect::<Vec<_>>()
        });
        let count = |step| steps.iter().filter(|made| **made == step).count();
        assert_eq!((count(Step::Complete), count(Step::Counted { missing: 1 }), count(Step::Unchanged)), (1, 1, 2));
    }
    drop((olga, dora, stan));
    by(&place, "olga", "log fsck").exits(0);
}

#[test]
fn requirement_9_whoever_has_no_role_is_denied_everything_and_each_denial_is_logged() {
    let place = project("minimal");
    let olga = open(&place, "olga");
    olga.add_dataset(&id("tickets"), Sensitivity::Internal, &[id("support")].into()).unwrap();
    let secret = KeyFile::create(&place.path("nemo.key")).unwrap();
    olga.add_member(&Member { id: &id("nemo"), name: "Nemo", roles: &[].into(), provider: &secret }, None).unwrap();
    olga.close().unwrap();
    let nemo = open(&place, "nemo");
    let before = nemo.log_size().unwrap();
    let mut asked = 0;
    for action in Action::ALL {
        for kind in action.resources() {
            let resource = match kind {
                Kind::Project | Kind::Log => Resource::new(*kind, id("main")),
                Kind::Dataset => Resource::new(*kind, id("tickets")),
                Kind::Key => Resource::new(*kind, id("log")),
                Kind::User => Resource::new(*kind, id("olga")),
                _ => Resource::new(*kind, id("x")),
            };
            let ask = Ask::new(*action, resource).for_purpose(Some(id("support")));
            let answer = nemo.through(&ask, |_| Ok::<_, Error>(()));
            assert!(matches!(answer, Err(Error::Denied(_))), "{action}");
            assert!(matches!(nemo.change(&ask, |_, _| Ok(())), Err(Error::Denied(_))), "{action}");
            asked += 2;
        }
    }
    assert_eq!(nemo.log_size().unwrap(), before + asked);
    nemo.close().unwrap();
    let logged = entries(&place).into_iter().filter(|entry| entry.actor.id == "nemo");
    assert_eq!(logged.filter(|entry| entry.result == Some(Outcome::Denied)).count() as u64, asked);
}

/// Actions that no verb serves yet: stages on sealed datasets, subjects' requests, keys.
const UNSERVED: &[Action] = &[
    Action::Scan,
    Action::DatasetRead,
    Action::DatasetDestroy,
    Action::Audit,
    Action::Docs,
    Action::Release,
    Action::Generate,
    Action::Serve,
    Action::KeyRotate,
    Action::KeyDisable,
    Action::KeyDestroy,
];

#[test]
fn requirement_26_every_action_is_served_by_verbs_that_exist_or_is_on_the_list() {
    for action in Action::ALL {
        assert_eq!(verbs(*action).is_empty(), UNSERVED.contains(action), "{action}");
        for line in verbs(*action) {
            let mut at = command();
            for word in line.split(' ') {
                let next = match word.strip_prefix("--") {
                    Some(flag) => at.get_arguments().any(|known| known.get_long() == Some(flag)).then(|| at.clone()),
                    None => at.find_subcommand(word).cloned(),
                };
                at = next.unwrap_or_else(|| panic!("{action}: there is no `cloister {line}`"));
            }
        }
    }
    // Every verb below `access` and `log` is on the list, but for what touches no project.
    for verb in ["access", "log"] {
        let command = command();
        for sub in command.find_subcommand(verb).unwrap().get_subcommands() {
            let line = format!("{verb} {}", sub.get_name());
            let served = Action::ALL.iter().flat_map(|action| verbs(*action)).any(|known| known.starts_with(&line));
            assert!(served || line == "access test", "{line}");
        }
    }
}

#[test]
fn requirement_20_files_of_one_project_do_not_fit_into_another() {
    let (one, other) = (project("gdpr"), project("gdpr"));
    fs::copy(one.path("olga.key"), other.path("one.key")).unwrap();
    let whole = other.path("whole");
    copy(&folder(&other), &whole);
    for (file, code) in [("project.json", 4), ("secrets.clo", 4), ("keys.clo", 5), ("vault.db", 4)] {
        restore_unseen(&other, &whole);
        fs::copy(folder(&one).join(file), folder(&other).join(file)).unwrap();
        let refused = by(&other, "olga", "access list").exits(code);
        assert!(refused.stderr.contains("hint: "), "{file}: {}", refused.stderr);
        fs::remove_file(folder(&other).join(file)).unwrap();
        let code = if file == "project.json" { 2 } else { 4 };
        by(&other, "olga", "access list").exits(code);
    }
    restore_unseen(&other, &whole);
    fs::remove_dir_all(folder(&other).join("log")).unwrap();
    copy(&folder(&one).join("log"), &folder(&other).join("log"));
    by(&other, "olga", "access list").exits(4);
    // As it is, it may lie anywhere.
    restore_unseen(&other, &whole);
    let elsewhere = other.path("elsewhere");
    copy(&whole, &elsewhere.join(".cloister"));
    by(&other, "olga", "access list --project elsewhere").exits(0);
    fs::create_dir(elsewhere.join("below")).unwrap();
    let mut below = other.command();
    below.args(["access", "list", "--key-file", "../../olga.key"]).current_dir(elsewhere.join("below"));
    Ran::of(below.output().unwrap()).exits(0);
    by(&one, "olga", "access list").exits(0);
}

#[test]
fn requirement_30_an_older_database_is_refused_by_the_checkpoint_outside() {
    let place = project("gdpr");
    let old = place.path("old");
    copy(&folder(&place), &old);
    by(&place, "olga", "log anchor first.checkpoint").exits(0);
    by(&place, "olga", "access add dora --roles dpo --member-key-file dora.key").exits(0);
    by(&place, "olga", "log verify --old first.checkpoint").exits(0);
    let new = place.path("new");
    copy(&folder(&place), &new);
    restore(&place, &old);
    let refused = by(&place, "olga", "access list").exits(4);
    assert!(refused.stderr.contains("does not continue the one"), "{}", refused.stderr);
    // Whoever has seen nothing of it cannot know: so checkpoints are kept elsewhere too.
    let elsewhere = place
        .command()
        .env("CLOISTER_HOME", place.path("other home"))
        .args(["access", "list", "--key-file", "olga.key"])
        .output();
    Ran::of(elsewhere.unwrap()).exits(0);
    restore(&place, &new);
    by(&place, "olga", "access list").exits(0);
    let verified = by(&place, "olga", "log verify --old first.checkpoint --json").exits(0).document();
    assert!(verified["size"].as_u64().unwrap() > 4 && verified["findings"].as_array().unwrap().is_empty());
    // A checkpoint of another project is not continued.
    let other = project("minimal");
    by(&other, "olga", "log anchor x.checkpoint").exits(0);
    fs::copy(other.path("x.checkpoint"), place.path("x.checkpoint")).unwrap();
    by(&place, "olga", "log verify --old x.checkpoint").exits(4);
    // What is damaged outside is not believed either.
    let seen = place.path("home/seen").read_dir().unwrap().next().unwrap().unwrap().path();
    fs::write(&seen, "nonsense").unwrap();
    by(&place, "olga", "access list").exits(4);
}

#[test]
fn a_flipped_byte_in_any_file_is_found() {
    let place = two();
    let listed = by(&place, "olga", "access list").exits(0).stdout;
    let whole = place.path("whole");
    copy(&folder(&place), &whole);
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(whole.join("project.json")).unwrap()).unwrap();
    let log_key = manifest["log_key"].as_str().unwrap().to_owned();
    let mut files = Vec::new();
    walk(&whole, &mut |path| files.push(path.strip_prefix(&whole).unwrap().to_owned()));
    assert!(files.len() > 6, "{files:?}");
    for file in files {
        let bytes = fs::read(whole.join(&file)).unwrap();
        let ends =
            [0, 1, bytes.len() / 3, bytes.len() / 2, bytes.len() - bytes.len().min(2), bytes.len().saturating_sub(1)];
        for at in BTreeSet::from(ends).into_iter().filter(|at| *at < bytes.len()) {
            restore_unseen(&place, &whole);
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            fs::write(folder(&place).join(&file), flipped).unwrap();
            let name = file.display();
            if file.starts_with("log") {
                // Before anything is written: what a writer replaces it derives anew.
                let verified = place.run(["log", "verify", ".cloister/log", "--key", log_key.as_str()]);
                assert_eq!(verified.code, 4, "{name} at {at}: {}", verified.stderr);
                continue;
            }
            let (list, fsck) = (by(&place, "olga", "access list"), by(&place, "olga", "log fsck"));
            let told = format!("{name} at {at}: {} {}\n{}", list.code, fsck.code, list.stderr.clone() + &fsck.stderr);
            // A page of the database has bytes that mean nothing.
            let nothing = (list.code, fsck.code) == (0, 0) && list.stdout == listed && file == Path::new("vault.db");
            assert!(nothing || fsck.code == 4, "{told}");
            assert!([0, 4].contains(&list.code), "{told}");
        }
    }
    restore_unseen(&place, &whole);
    by(&place, "olga", "log fsck").exits(0);
}

#[test]
fn requirement_17_policies_are_checked_and_approved_by_another() {
    let place = two();
    place.file(
        "typo.cedar",
        "@id(\"x\")\n@reason(\"y\")\nforbid (principal, action == Action::\"log.anchr\", resource);\n",
    );
    let typo = by(&place, "olga", "access policy propose typo.cedar").exits(2);
    assert!(
        typo.stderr.contains("line 3") && typo.stderr.contains("did you mean `Action::\"log.anchor\"`?"),
        "{}",
        typo.stderr
    );
    place.file(
        "anchor.cedar",
        "@id(\"nothing-leaves\")\n@reason(\"nothing leaves the house\")\nforbid (principal, action == Action::\"log.anchor\", resource);\n",
    );
    assert_eq!(by(&place, "olga", "access policy propose anchor.cedar").exits(0).stdout, "p1\n");
    denied(by(&place, "olga", "access policy apply p1"), "policy-four-eyes");
    denied(by(&place, "olga", "access policy approve p1"), "no-own-policy");
    by(&place, "olga", "log anchor a").exits(0);
    by(&place, "dora", "access policy approve p1").exits(0);
    by(&place, "olga", "access policy apply p1").exits(0);
    let refused = denied(by(&place, "olga", "log anchor b"), "nothing-leaves");
    assert!(refused.stderr.contains("nothing leaves the house"), "{}", refused.stderr);
    assert!(!place.path("b").exists());
    let shown = by(&place, "olga", "access policy show --json").exits(0).document();
    assert_eq!(shown["id"], "p1");
    assert!(shown["policies"].as_array().unwrap().iter().any(|policy| policy["id"] == "nothing-leaves"));
    by(&place, "olga", "access policy apply p1").exits(2);
    by(&place, "olga", "access policy apply p9").exits(5);
    // Proposed against policies that no longer hold.
    place.file("none.cedar", "// nothing of our own\n");
    place.file("other.cedar", "// nothing of our own either\n");
    for file in ["none.cedar", "other.cedar"] {
        by(&place, "dora", &format!("access policy propose {file}")).exits(0);
    }
    for proposal in ["p2", "p3"] {
        by(&place, "olga", &format!("access policy approve {proposal}")).exits(0);
    }
    by(&place, "olga", "access policy apply p2").exits(0);
    by(&place, "olga", "log anchor b").exits(0);
    let outdated = by(&place, "olga", "access policy apply p3").exits(2);
    assert!(outdated.stderr.contains("other policies hold"), "{}", outdated.stderr);
}

#[test]
fn requirement_15_an_unknown_principal_is_denied_and_told_of() {
    let place = project("gdpr");
    let why = by(&place, "olga", "access why ingest project:main --as nobody").exits(0);
    assert_eq!(why.stdout, "denied: there is no user:nobody\n");
    assert!(why.stderr.contains("it would raise an alert"), "{}", why.stderr);
    let why = by(&place, "olga", "access why ingest project:main").exits(0);
    assert!(why.stdout.starts_with("allowed: owners may do everything"), "{}", why.stdout);
    let who = by(&place, "olga", "access who-can member.change user:eva").exits(0);
    assert_eq!(who.stdout, "user:olga (owner)\n");
    by(&place, "olga", "access why ingest dataset:x").exits(0);
    by(&place, "olga", "access why ingst project:main").exits(2);
    // A slot of the key ring that is nobody's.
    let stranger = KeyFile::create(&place.path("stranger.key")).unwrap();
    let ring = SealedRing::open(&folder(&place).join("keys.clo")).unwrap();
    let key = KeyFile::open(&place.path("olga.key")).unwrap();
    ring.unseal(&key, &Hardened::apply().unwrap()).unwrap().add_slot(&stranger).unwrap();
    let refused = by(&place, "stranger", "access list").exits(5);
    assert!(refused.stderr.contains("nobody's of this project"), "{}", refused.stderr);
    let last = entries(&place).pop().unwrap();
    assert_eq!((last.act.as_str(), last.result), ("project.read", Some(Outcome::Denied)));
    by(&place, "olga", "access list").exits(0);
}

#[test]
fn requirement_32_no_name_forges_a_line() {
    let place = Place::new();
    for name in ["a\nb", "\u{1b}[2J", "a\u{202e}b", "", " a", &"x".repeat(1 << 16)] {
        let made = ["init", "--name", name, "--owner", "olga", "--preset", "gdpr", "--key-file", "olga.key"];
        let refused = place.run(made).exits(2);
        assert_eq!(refused.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{name:?}");
        assert!(!folder(&place).exists());
    }
    for owner in ["a b", "a\nb", "é", "", "\u{1b}[2J"] {
        place.run(["init", "--name", "x", "--owner", owner, "--preset", "gdpr", "--key-file", "olga.key"]).exits(2);
    }
    let place = two();
    for name in ["a\nb", "\u{1b}[31m", "a\u{2066}b"] {
        let mut add = place.command();
        add.args(["access", "add", "eva", "--name", name, "--roles", "admin", "--member-key-file", "eva.key"]);
        // No name, so no question for the door: whoever may add members and whoever may not get the same answer.
        Ran::of(add.args(["--key-file", "olga.key"]).output().unwrap()).exits(2);
    }
    let place = project("minimal");
    for name in ["a\nb", "\u{1b}[31m", "a\u{2066}b", "olga"] {
        let mut add = place.command();
        add.args(["access", "add", "eva", "--name", name, "--roles", "admin", "--member-key-file", "eva.key"]);
        Ran::of(add.args(["--key-file", "olga.key"]).output().unwrap()).exits(2);
    }
    // The name of a person stands in the project, never in its log.
    let mut add = place.command();
    add.args(["access", "add", "eva", "--name", "Zq7xWv Qwvu", "--roles", "admin", "--member-key-file", "eva.key"]);
    Ran::of(add.args(["--key-file", "olga.key"]).output().unwrap()).exits(0);
    assert!(by(&place, "olga", "access list").stdout.contains("Zq7xWv Qwvu"));
    let shown = by(&place, "olga", "log show --json").exits(0);
    assert!(!shown.stdout.contains("Zq7xWv"));
    let text = by(&place, "olga", "log show").exits(0).stdout;
    assert!(text.lines().all(|line| line.trim_start().starts_with(|first: char| first.is_ascii_digit())), "{text}");
}

#[test]
fn requirement_33_anyone_verifies_an_exported_log_and_an_auditor_reads_it() {
    let place = two();
    by(&place, "olga", "access request --act member.change --on user:aude --purpose staffing").exits(0);
    by(&place, "dora", "access approve g1").exits(0);
    by(&place, "olga", "access add aude --roles auditor --member-key-file aude.key --grant g1").exits(0);
    by(&place, "aude", "log show").exits(0);
    denied_without_policy(by(&place, "aude", "access disable dora"));
    let proved = by(&place, "aude", "log prove 0 --json").exits(0).document();
    by(&place, "aude", "log prove 0 --out first.tlog-proof").exits(0);
    by(&place, "aude", "log prove 4000").exits(2);
    by(&place, "aude", "log export out").exits(0);
    by(&place, "aude", "log export out").exits(2);
    let key = fs::read_to_string(place.path("out/log.vkey")).unwrap();
    let proof = TlogProof::parse(&fs::read(place.path("first.tlog-proof")).unwrap()).unwrap();
    let entry = proof.extra().unwrap().to_vec();
    let checked = proof.verify(&entry, &VerifierKey::parse(key.trim()).unwrap()).unwrap();
    assert!(checked.size > proved["size"].as_u64().unwrap());
    assert_eq!(Entry::parse(&entry).unwrap().act, "init");
    // A third person, elsewhere, without project, secret or home.
    let third = Place::new();
    copy(&place.path("out"), &third.path("out"));
    let verified = third.run(["log", "verify", "out/log", "--key", "out/log.vkey", "--json"]).exits(0).document();
    assert_eq!((&verified["schema"], &verified["verdict"]), (&"cloister.log.v1".into(), &"passed".into()));
    third.run(["log", "verify", "out/log", "--key", key.trim()]).exits(0);
    let other = fs::read_to_string(folder(&project("minimal")).join("project.json")).unwrap();
    let other: serde_json::Value = serde_json::from_str(&other).unwrap();
    third.run(["log", "verify", "out/log", "--key", other["log_key"].as_str().unwrap()]).exits(4);
    third.run(["log", "verify", "out/log", "--key", "nonsense"]).exits(2);
    third.run(["log", "verify", "nowhere", "--key", key.trim()]).exits(2);
    let mut files = Vec::new();
    walk(&third.path("out/log"), &mut |path| files.push(path.to_owned()));
    assert!(files.len() > 2);
    for file in files {
        let bytes = fs::read(&file).unwrap();
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            fs::write(&file, flipped).unwrap();
            let broken = third.run(["log", "verify", "out/log", "--key", "out/log.vkey", "--json"]).exits(4).document();
            assert_eq!(broken["verdict"], "broken", "{}", file.display());
        }
        fs::write(&file, bytes).unwrap();
    }
    assert!(third.leftovers().is_empty() && !third.path("home").exists());
}

fn denied_without_policy(ran: Ran) {
    let ran = ran.exits(5);
    assert!(ran.stderr.contains("no policy permits it") && ran.stderr.contains("access who-can"), "{}", ran.stderr);
}

#[test]
fn requirement_27_what_cannot_be_written_is_not_done() {
    if cfg!(target_os = "linux") {
        let place = Place::new();
        let made = [
            "init",
            "--name",
            "x",
            "--owner",
            "olga",
            "--preset",
            "gdpr",
            "--key-file",
            "olga.key",
            "--project",
            "/sys",
        ];
        let refused = place.run(made).exits(1);
        assert!(refused.stderr.contains("hint: choose a folder that you may write to"), "{}", refused.stderr);
    }
    let place = project("gdpr");
    let again =
        place.run(["init", "--name", "x", "--owner", "o", "--preset", "gdpr", "--key-file", "olga.key"]).exits(2);
    assert!(again.stderr.contains("there is a project in"), "{}", again.stderr);
    Place::new().run(["access", "list"]).exits(2);
    // The checkpoint outside cannot be kept: what was asked for is done, and that is said.
    let blocked = place.file("blocked", "a file, not a folder");
    let mut list = place.command();
    list.env("CLOISTER_HOME", &blocked).args(["access", "list", "--key-file", "olga.key"]);
    let told = Ran::of(list.output().unwrap()).exits(1);
    assert!(told.stderr.contains("what was asked for is done"), "{}", told.stderr);
    // A key file that others can read opens nothing.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(place.path("olga.key"), fs::Permissions::from_mode(0o644)).unwrap();
        let refused = by(&place, "olga", "access list").exits(2);
        assert!(refused.stderr.contains("can be read by others"), "{}", refused.stderr);
        fs::set_permissions(place.path("olga.key"), fs::Permissions::from_mode(0o600)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder(&place)), 0o700);
        for file in ["keys.clo", "secrets.clo", "vault.db"] {
            assert_eq!(mode(&folder(&place).join(file)), 0o600, "{file}");
        }
    }
    assert!(place.leftovers().is_empty());
}

#[test]
fn cases_of_policies_are_run_without_a_project() {
    let place = Place::new();
    place.file(
        "cases.toml",
        "now = \"2026-11-27T10:00:00.000Z\"\n[directory.tenants.acme]\n[directory.users.ana]\ntenant = \"acme\"\nroles = [\"owner\"]\n\
         [directory.logs.main]\ntenant = \"acme\"\n[[case]]\nname = \"an owner reads the log\"\nprincipal = \"user:ana\"\n\
         action = \"log.read\"\nresource = \"log:main\"\nexpect = \"allow\"\n",
    );
    place.run(["access", "test", "cases.toml"]).exits(0);
    place.file("closed.cedar", "@id(\"closed\")\n@reason(\"the log is closed\")\nforbid (principal, action == Action::\"log.read\", resource);\n");
    let failed = place.run(["access", "test", "cases.toml", "--policies", "closed.cedar"]).exits(3);
    assert!(failed.stderr.contains("expected allow, and it is deny"), "{}", failed.stderr);
    place.file("wrong.toml", "now = \"2026-11-27T10:00:00.000Z\"\ncase = 3\n");
    let wrong = place.run(["access", "test", "wrong.toml"]).exits(2);
    assert!(wrong.stderr.contains("line "), "{}", wrong.stderr);
    place.run(["access", "test", "absent.toml"]).exits(2);
}

/// The guide shows nothing that the transcripts do not run.
#[test]
fn the_guide_of_projects_is_a_true_transcript() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("../../docs/guides/project.md")).unwrap();
    let transcript = fs::read_to_string(root.join("tests/cmd/project.md")).unwrap();
    let blocks: Vec<&str> = guide.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 5);
    for block in blocks {
        assert!(transcript.contains(block.trim_end()), "not in tests/cmd/project.md:\n{block}");
    }
}
