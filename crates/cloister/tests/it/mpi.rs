//! One run in several processes, under the real `mpirun`: the same step as one process, one draw of noise, one voice,
//! and a snapshot when a rank is lost.
//!
//! What the command line cannot ask for (no noise, a known start) runs in this test program itself: `mpirun` starts it
//! with the name of [`as_a_rank`].

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cloister::train::corpus::{Grouping, Units};
use cloister::train::{
    Corpus, Error, Loss, Passes, Ready, Recipe, Request, Schedule, StepFigures, Team, Watch, assist, remove_snapshot,
    train,
};
use cloister_dp::{NoiseLevel, OptimizerConfig, PlanRequest, PrivacyPlan, Sampling, Unit};
use cloister_model::{ExampleOptions, Kernels, LengthPolicy, Lora, LoraSpec, Precision, Target, Workspace, peft};

use crate::process::{Place, Ran};
use crate::resume::{config, header, values};
use crate::tiny::{base, chat, chats, leftovers, public, refused};

/// Programs that `mpirun` starts, and how many of each.
fn mpirun(place: &Place, groups: &[(usize, &[&str])]) -> Command {
    let program = place.command().get_program().to_owned();
    let mut command = launcher(place);
    for (index, (ranks, args)) in groups.iter().enumerate() {
        command.args((index > 0).then_some(":")).args(["-n", &ranks.to_string()]).arg(&program).args(*args);
    }
    command
}

/// `mpirun` in the place, for as many ranks as one likes on this machine.
fn launcher(place: &Place) -> Command {
    let mut command = Command::new("mpirun");
    command.current_dir(place.path("")).env_clear().stdin(Stdio::null());
    command.envs(place.command().get_envs().filter_map(|(name, value)| Some((name, value?))));
    // Several launchers at once that make one folder for their sessions get in each other's way.
    std::fs::create_dir_all(place.path("sessions")).unwrap();
    command.env("TMPDIR", place.path("sessions"));
    command.args(["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]);
    command
}

const SHORT: [&str; 12] =
    ["--sigma", "2", "--batch", "20", "--threads", "1", "--json", "--metrics", "metrics", "--out", "out", "--steps"];

fn arguments<'a>(verb: &'a str, data: &'a str, steps: &'a str, base: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&[verb, data][..], &SHORT, &[steps, "--base", base.to_str().unwrap()], more].concat()
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn several_ranks_are_one_run_with_one_voice() {
    let place = Place::new();
    place.file("in.jsonl", chats(60));
    place.file("public.jsonl", public(5));
    let tiny = base("tiny_llama");
    // more ranks than units in many batches
    for (ranks, batch) in [(2, "20"), (3, "2")] {
        let more = ["--evaluation", "public.jsonl", "--batch", batch];
        let mut args = arguments("train", "in.jsonl", "6", &tiny, &more);
        args.drain(4..6); // the other batch
        let ran = Ran::of(mpirun(&place, &[(ranks, &args)]).output().unwrap()).exits(0);
        let document = ran.document();
        assert_eq!(
            (&document["ranks"], &document["steps"], &document["steps_lost"]),
            (&ranks.into(), &6.into(), &0.into())
        );
        assert_eq!(count(&ran.stderr, &format!("team of {ranks} ranks\n")), 1, "{}", ran.stderr);
        assert_eq!(count(&ran.stderr, "privacy plan"), 1, "{}", ran.stderr);
        assert_eq!(document["evaluation"].as_array().unwrap().len(), 4);
        assert!(!peft::read(&place.path("out"), &config()).unwrap().0.is_identity());
        assert!(!place.path("out.snapshot").exists() && leftovers(&place).is_empty());
        std::fs::remove_dir_all(place.path("out")).unwrap();
        std::fs::remove_dir_all(place.path("metrics")).unwrap();
    }
}

/// Every rank replaces personal data by itself: under the lead's key, or their texts would differ and be refused.
#[test]
fn a_whole_run_replaces_personal_data_alike_in_every_rank() {
    let place = Place::new();
    let personal = (0..20).map(|n| {
        let text = format!("write to ana.ruiz{n}@corp.com or call +34 612 345 6{n:02}");
        format!("{}\n", chat(&format!("p{n}"), &format!("s{n}"), &text, "we look into it"))
    });
    place.file("in.jsonl", personal.chain([chats(40)]).collect::<String>());
    let tiny = base("tiny_llama");
    let args = arguments("run", "in.jsonl", "4", &tiny, &["--unit", "subject"]);
    let ran = Ran::of(mpirun(&place, &[(2, &args)]).output().unwrap()).exits(0);
    assert_eq!(count(&ran.stderr, "\nprotected 20 of 60 records"), 1, "{}", ran.stderr);
    assert!(place.path("out/evidence.json").exists() && place.path("out/report.html").exists());
    assert!(!place.path("out/private/surrogate.key").exists() && !place.path("out/snapshot").exists());
}

#[test]
fn ranks_that_do_not_agree_are_refused_before_the_first_step() {
    let place = Place::new();
    place.file("in.jsonl", chats(60));
    place.file("other.jsonl", chats(60).replace("order 7 ", "order 8 "));
    let tiny = base("tiny_llama");
    let lead = arguments("train", "in.jsonl", "6", &tiny, &[]);
    let refuse = |other: &[&str], message: &str, hint: &str| {
        let ran = Ran::of(mpirun(&place, &[(1, &lead), (1, other)]).output().unwrap());
        assert_ne!(ran.code, 0);
        let lines: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(lines.len() == 1 && lines[0].starts_with("error: rank 1 failed on "), "{}", ran.stderr);
        assert!(lines[0].contains(message) && ran.stderr.contains(hint), "expected {message:?}:\n{}", ran.stderr);
        assert_eq!(ran.document()["verdict"], "error");
        assert!(!place.path("out").exists() && !place.path("out.snapshot").exists() && leftovers(&place).is_empty());
    };
    let hint = "hint: every rank needs the same program, command, base and records";
    let with = |data: &'static str, more: &[&'static str]| arguments("train", data, "6", &tiny, more);
    refuse(&with("other.jsonl", &[]), "another data set than rank 0", hint);
    refuse(&with("absent.jsonl", &[]), "absent.jsonl", hint);
    refuse(&with("in.jsonl", &["--rank", "4"]), "another rank (4, there 8) than rank 0", hint);
    refuse(&with("in.jsonl", &["--clip-norm", "5"]), "another clip norm (5.0, there 0.5) than rank 0", hint);
    refuse(&with("in.jsonl", &["--base-precision", "bf16"]), "another base precision (bf16, there f32)", hint);
    let untied = base("tiny_llama_untied");
    refuse(&arguments("train", "in.jsonl", "6", &untied, &[]), "another base than rank 0", hint);

    // a whole run leaves no key behind
    let run = |data| arguments("run", data, "6", &tiny, &[]);
    let ran = Ran::of(mpirun(&place, &[(1, &run("in.jsonl")), (1, &run("absent.jsonl"))]).output().unwrap()).exits(1);
    assert!(ran.stderr.contains("error: rank 1 failed on ") && !place.path("out").exists(), "{}", ran.stderr);

    // what the lead cannot do is told by the lead, once
    place.file("out/file", "x");
    let ran = Ran::of(mpirun(&place, &[(2, &lead)]).output().unwrap()).exits(2);
    assert_eq!(count(&ran.stderr, "error: `out` exists and is not empty"), 1, "{}", ran.stderr);
    assert_eq!(count(&ran.stderr, "error: "), 1, "{}", ran.stderr);
    let ran = Ran::of(mpirun(&place, &[(2, &with("-", &[]))]).output().unwrap()).exits(2);
    assert!(ran.stderr.contains("stdin cannot be read by several ranks"), "{}", ran.stderr);
}

/// Steps that were told of.
fn executed(place: &Place) -> usize {
    std::fs::read_to_string(place.path("metrics/metrics.jsonl"))
        .unwrap_or_default()
        .matches("\"learning_rate\"")
        .count()
}

/// A run, once it has told of some steps.
fn after_steps(place: &Place, steps: usize, mut child: Child) -> Child {
    let begun = Instant::now();
    while executed(place) < steps {
        let (over, late) = (child.try_wait().unwrap().is_some(), begun.elapsed() > Duration::from_secs(120));
        if over || late {
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            let ran = Ran::of(child.wait_with_output().unwrap());
            panic!(
                "{} after {:?}, {} steps:\n{}",
                if late { "stuck" } else { "over" },
                begun.elapsed(),
                executed(place),
                ran.stderr
            );
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// The processes of the ranks, in their order.
fn ranks_of(launcher: &Child) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", launcher.id())).unwrap();
    let children = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default());
    let ids = children.collect::<String>().split_whitespace().map(|id| id.parse::<u32>().unwrap()).collect::<Vec<_>>();
    let rank = |id: &u32| {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let text = String::from_utf8_lossy(&environment).into_owned();
        text.split('\0').find_map(|pair| pair.strip_prefix("OMPI_COMM_WORLD_RANK=")?.parse::<u32>().ok())
    };
    let mut ranks: Vec<(u32, u32)> = ids.iter().filter_map(|id| Some((rank(id)?, *id))).collect();
    ranks.sort_unstable();
    ranks.into_iter().map(|(_, id)| id).collect()
}

/// Whom a signal meets.
enum Victim {
    Launcher,
    Rank(usize),
}

/// A run of three ranks that gets a signal after some steps; then what it printed.
fn signalled(place: &Place, victim: Victim, signal: &str) -> Ran {
    place.file("in.jsonl", chats(60));
    let tiny = base("tiny_llama");
    let args = arguments("train", "in.jsonl", "4000", &tiny, &[]);
    let child = mpirun(place, &[(3, &args)]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let child = after_steps(place, 20, child);
    let ranks = ranks_of(&child);
    assert_eq!(ranks.len(), 3);
    let id = match victim {
        Victim::Launcher => child.id(),
        Victim::Rank(rank) => ranks[rank],
    };
    assert!(Command::new("kill").args([signal, &id.to_string()]).status().unwrap().success());
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_ne!(ran.code, 0);
    let alive = |id: &&u32| Path::new(&format!("/proc/{id}")).exists();
    let gone = Instant::now();
    while ranks.iter().filter(alive).count() > 0 {
        assert!(gone.elapsed() < Duration::from_secs(60), "a rank goes on alone");
        std::thread::sleep(Duration::from_millis(5));
    }
    ran
}

/// The step and the lease of the snapshot that is there.
fn account(place: &Place) -> (u64, u64) {
    let kept = header(&std::fs::read(place.path("out.snapshot/state")).unwrap());
    (kept["step"].as_u64().unwrap(), kept["leased"].as_u64().unwrap())
}

/// Goes on from the snapshot for some steps, in a team or alone, until Ctrl-C: how many steps are charged and lost.
fn resumed(place: &Place, ranks: usize) -> String {
    let _ = std::fs::remove_dir_all(place.path("metrics"));
    let tiny = base("tiny_llama");
    let args = arguments("train", "in.jsonl", "4000", &tiny, &["--resume"]);
    let mut command = match ranks {
        1 => place.command(),
        _ => mpirun(place, &[(ranks, &args)]),
    };
    if ranks == 1 {
        command.args(&args);
    }
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let child = after_steps(place, 3, child);
    let lead = if ranks == 1 { child.id() } else { ranks_of(&child)[0] };
    assert!(Command::new("kill").args(["-INT", &lead.to_string()]).status().unwrap().success());
    let ran = Ran::of(child.wait_with_output().unwrap()).exits(130);
    assert!(ran.stderr.contains("a snapshot is kept in `out.snapshot`"), "{}", ran.stderr);
    ran.stderr
}

#[test]
fn a_lost_rank_ends_the_run_with_a_snapshot() {
    let place = Place::new();
    let ran = signalled(&place, Victim::Rank(1), "-KILL");
    let told = executed(&place) as u64;
    let (step, leased) = account(&place);
    assert!(!place.path("out").exists());
    assert!(leased >= told, "{leased} leased, {told} run: {}", ran.stderr);
    assert!(leased <= told + 4000 / 16 + 1, "{leased} leased, {told} run: {}", ran.stderr);
    // if the lead had the time to keep what was done, only the step under way is lost; none, if it was between two
    let kept = ran.stderr.contains("a snapshot is kept in `out.snapshot`");
    eprintln!("the lead {} a snapshot: {} steps lost", if kept { "kept" } else { "did not tell of" }, leased - told);
    assert!(!kept || leased <= told + 1, "{leased} leased, {told} run: {}", ran.stderr);
    // with fewer ranks, and without any other
    let text = resumed(&place, 2);
    assert!(text.contains(&format!("resumed with {leased} of 4000 steps spent")), "{text}");
    assert_eq!(text.contains(" of 4000 steps w") && text.contains(" charged and lost"), leased > step, "{text}");
    resumed(&place, 1);
}

#[test]
fn a_lost_lead_leaves_the_lease() {
    let place = Place::new();
    signalled(&place, Victim::Rank(0), "-KILL");
    let told = executed(&place) as u64;
    let (step, leased) = account(&place);
    assert!(step <= told && told <= leased && leased <= told + 4000 / 16, "{step} {told} {leased}");
    let text = resumed(&place, 2);
    assert!(text.contains(&format!("resumed with {leased} of 4000 steps spent")), "{text}");
}

#[test]
fn a_signal_to_one_rank_or_to_all_keeps_a_snapshot() {
    for (victim, signal, orderly) in
        [(Victim::Rank(2), "-INT", true), (Victim::Rank(0), "-TERM", true), (Victim::Launcher, "-INT", false)]
    {
        let place = Place::new();
        let ran = signalled(&place, victim, signal);
        let told = executed(&place) as u64;
        let (step, leased) = account(&place);
        if orderly {
            assert_eq!(step, leased);
            assert_eq!(leased, told, "no step is lost: {}", ran.stderr);
            refused(&place, shown(ran), 130, "a snapshot is kept", "add --resume");
        } else {
            // a second after it asks, `mpirun` kills: mostly the lead has kept a snapshot, else its lease is there
            let kept = step == leased;
            assert!(leased >= told && leased <= told + if kept { 1 } else { 4000 / 16 }, "{leased} {told}");
        }
        resumed(&place, 3);
    }
}

/// Without what `mpirun` itself says at the end, a paragraph between lines of dashes.
fn shown(ran: Ran) -> Ran {
    let ours = ran.stderr.split("-----").next().unwrap_or_default().to_owned();
    Ran { stderr: ours, ..ran }
}

/// Keeps the snapshot that lies there when a step is over: of the state before it.
struct Keep {
    from: PathBuf,
    to: PathBuf,
}

impl Watch for Keep {
    fn begin(&mut self, _: Option<(u64, u64)>) -> Result<(), Error> {
        Ok(())
    }
    fn step(&mut self, figures: StepFigures) {
        if figures.step == 1 {
            std::fs::create_dir_all(&self.to).unwrap();
            std::fs::copy(self.from.join("state"), self.to.join("state")).unwrap();
        }
    }
    fn loss(&mut self, _: u64, _: Loss) {}
}

/// A run on every unit in every step, from the environment of a rank or from a test.
struct Case {
    corpus: Corpus,
    plan: PlanRequest,
    built: PrivacyPlan,
    recipe: Recipe,
}

const RATE: f64 = 0.05;
const CLIP_NORM: f64 = 0.5;
/// So little that one unit that is lost or counted twice stands out: its share has the norm `1 / SIGMA` = 50 draws.
const SIGMA: f64 = 0.02;

impl Case {
    /// `plain`: no clipping, no noise, four steps of Adam. `private`: one step of descent.
    fn new(name: &str, ready: &Ready, data: &Path) -> Self {
        let dataset = cloister_text::read(data, &Default::default()).unwrap();
        let options = ExampleOptions { max_tokens: 128, length: LengthPolicy::Truncate };
        let units = Units::of(&dataset, Grouping::Subject).unwrap();
        let corpus = Corpus::build(&dataset, &ready.base, &options, units).unwrap();
        let (steps, count) = (if name == "plain" { 5 } else { 1 }, corpus.units.len() as u64);
        let plan = PlanRequest {
            unit: Unit::Subject,
            units: count,
            sampling: Sampling::ExpectedBatch(count as f64),
            steps,
            clip_norm: CLIP_NORM,
            noise: NoiseLevel::Sigma(SIGMA),
            delta: None,
            unit_cap: 8,
        };
        let built = match name {
            "plain" => PrivacyPlan::non_private(count, count as f64, steps).unwrap(),
            _ => PrivacyPlan::build(&plan).unwrap(),
        };
        let recipe = Recipe {
            lora: LoraSpec::new(4, 8, Target::ALL.to_vec()).unwrap(),
            optimizer: if name == "plain" { OptimizerConfig::adam() } else { OptimizerConfig::sgd() },
            learning_rate: RATE,
            schedule: Schedule::default(),
            passes: Passes { tokens: 256, ..Passes::default() },
            evaluate_every: 1,
        };
        Self { corpus, plan, built, recipe }
    }

    fn train(&self, ready: &Ready, team: Team, place: &Path, out: &str, resume: bool) -> Result<(), Error> {
        let snapshot = place.join(format!("{out}.snapshot"));
        let request = Request {
            ready,
            corpus: &self.corpus,
            evaluation: None,
            plan: self.plan.clone(),
            built: &self.built,
            recipe: &self.recipe,
            protection: None,
            adapter: place.join(out),
            snapshot: snapshot.clone(),
            resume,
        };
        let mut keep = Keep { from: snapshot.clone(), to: place.join(format!("{out}.kept")) };
        let outcome = match team.leads() {
            true => train(&request, &team, &mut keep).map(|_| remove_snapshot(&snapshot)),
            false => assist(&request, &team),
        };
        assert!(team.leave(&outcome));
        outcome
    }
}

/// Subjects with one to three records of different lengths.
fn subjects() -> String {
    (0..16)
        .flat_map(|n| (0..=n % 3).map(move |k| (n, k)))
        .map(|(n, k)| {
            let text = format!("my order {n} is late{}", " again".repeat(k + n % 5));
            format!("{}\n", chat(&format!("r{n}.{k}"), &format!("s{n}"), &text, &"we look ".repeat(1 + n % 4)))
        })
        .collect()
}

/// Not a test: what a rank does that the tests below start.
#[test]
#[ignore = "started by mpirun in other tests"]
fn as_a_rank() {
    let Ok(place) = std::env::var("CLOISTER_RANK_PLACE") else { return };
    let (place, case) = (PathBuf::from(place), std::env::var("CLOISTER_RANK_CASE").unwrap());
    let team = Team::join().unwrap();
    assert_eq!(team.size().to_string(), std::env::var("CLOISTER_RANK_SIZE").unwrap());
    let ready = Ready::open(&base("tiny_llama"), Precision::F32, Kernels::Fused).unwrap();
    let resume = place.join("out.snapshot/state").exists();
    Case::new(&case, &ready, &place.join("in.jsonl")).train(&ready, team, &place, "out", resume).unwrap();
}

fn in_ranks(place: &Place, ranks: usize, case: &str) -> Lora {
    let mut command = launcher(place);
    command.args(["-n", &ranks.to_string()]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "mpi::as_a_rank", "--ignored", "--nocapture"]);
    command.env("CLOISTER_RANK_PLACE", place.path("")).env("CLOISTER_RANK_CASE", case);
    command.env("CLOISTER_RANK_SIZE", ranks.to_string());
    Ran::of(command.output().unwrap()).exits(0);
    peft::read(&place.path("out"), &config()).unwrap().0
}

/// The parameters of a snapshot.
fn parameters(state: &Path) -> Vec<f32> {
    let bytes = std::fs::read(state).unwrap();
    let number = header(&bytes)["parameters"].as_u64().unwrap() as usize;
    values(&bytes)[..4 * number].chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().unwrap())).collect()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

#[test]
fn without_noise_several_ranks_give_what_one_process_gives() {
    let place = Place::new();
    place.file("in.jsonl", subjects());
    let ready = Ready::open(&base("tiny_llama"), Precision::F32, Kernels::Fused).unwrap();
    let case = Case::new("plain", &ready, &place.path("in.jsonl"));
    // All go on from one snapshot of the start, whose first step counts as lost; four are left.
    case.train(&ready, Team::alone(), &place.path(""), "first", false).unwrap();
    let kept = place.path("first.kept/state");
    let start = parameters(&kept);
    let prepare = |out: &str| {
        std::fs::create_dir_all(place.path(&format!("{out}.snapshot"))).unwrap();
        std::fs::copy(&kept, place.path(&format!("{out}.snapshot/state"))).unwrap();
    };
    prepare("alone");
    case.train(&ready, Team::alone(), &place.path(""), "alone", true).unwrap();
    let alone = peft::read(&place.path("alone"), &config()).unwrap().0.parameters;
    let moved = norm(alone.iter().zip(&start).map(|(now, then)| f64::from(now - then)));
    assert!(moved > 0.1, "{moved}");
    for ranks in [2, 3] {
        prepare("out");
        let team = in_ranks(&place, ranks, "plain").parameters;
        let apart = norm(team.iter().zip(&alone).map(|(team, alone)| f64::from(team - alone))) / moved;
        eprintln!("{ranks} ranks: {apart:e} apart, relative to the way of four steps");
        assert!(apart < 1e-5, "{ranks} ranks are {apart:e} apart");
        std::fs::remove_dir_all(place.path("out")).unwrap();
    }
}

/// What a step left in the parameters beside the clipped sum, in units of the planned standard deviation.
fn noise(place: &Place, ready: &Ready, case: &Case, out: &str, after: &Lora) -> Vec<f64> {
    let mut start = after.clone();
    start.parameters = parameters(&place.path(&format!("{out}.kept/state")));
    let (mut workspace, mut gradient) = (Workspace::default(), Vec::new());
    let mut sum = vec![0.0; start.parameters.len()];
    for unit in &case.corpus.units {
        let mut mean = vec![0.0; sum.len()];
        for &index in unit {
            let example = &case.corpus.examples[index];
            ready.decoder.per_example_gradients(&start, &[example], &mut workspace, &mut gradient).unwrap();
            mean.iter_mut().zip(&gradient).for_each(|(mean, g)| *mean += f64::from(*g) / unit.len() as f64);
        }
        let scale = (CLIP_NORM / norm(mean.iter().copied())).min(1.0);
        sum.iter_mut().zip(&mean).for_each(|(sum, value)| *sum += value * scale);
    }
    let moved = after.parameters.iter().zip(&start.parameters).map(|(now, then)| f64::from(*now) - f64::from(*then));
    let scale = -case.built.denominator() / RATE;
    moved.zip(&sum).map(|(moved, sum)| (moved * scale - sum) / (SIGMA * CLIP_NORM)).collect()
}

/// Whether values have variance 1: five standard errors, a false alarm in 1.7 million runs. Two draws have variance 2.
fn is_one_draw(values: &[f64]) -> bool {
    let count = values.len() as f64;
    let variance = values.iter().map(|value| value * value).sum::<f64>() / count;
    let error = (2.0 / count).sqrt();
    assert!(1.0 + 5.0 * error < 2.0 - 5.0 * 2.0 * error, "{count} values cannot tell one draw from two");
    eprintln!("variance {variance:.4} of {count} values, standard error {error:.4}");
    (variance - 1.0).abs() < 5.0 * error
}

#[test]
fn the_noise_on_the_sum_of_several_ranks_is_that_of_one_draw() {
    let place = Place::new();
    place.file("in.jsonl", subjects());
    let ready = Ready::open(&base("tiny_llama"), Precision::F32, Kernels::Fused).unwrap();
    let case = Case::new("private", &ready, &place.path("in.jsonl"));
    let team = in_ranks(&place, 3, "private");
    let team = noise(&place, &ready, &case, "out", &team);
    assert!(is_one_draw(&team));
    // the same judge on one process, and on the draws of both together
    case.train(&ready, Team::alone(), &place.path(""), "alone", false).unwrap();
    let alone = peft::read(&place.path("alone"), &config()).unwrap().0;
    let alone = noise(&place, &ready, &case, "alone", &alone);
    assert!(is_one_draw(&alone));
    let both: Vec<f64> = team.iter().zip(&alone).map(|(team, alone)| team + alone).collect();
    assert!(!is_one_draw(&both));
}
