//! Training in a process that is shut in: what it learns, what stops it, what a kill leaves, and what gets out of it.

use std::cell::Cell;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use cloister::cli::{Exit, hint::advise};
use cloister::sandbox::{Error as SandboxError, Isolation, Sandbox};
use cloister::train::child::{Apart, RecordLine, SnapshotKey, as_line, train_apart};
use cloister::train::corpus::{Grouping, Units};
use cloister::train::{
    Corpus, Error, Leases, Loss, Outcome, Passes, Plain, Ready, Reason, Recipe, Request, Schedule, StepFigures, Team,
    Terms, Unmetered, Watch, remove_snapshot, snapshot_in, train, train_on,
};
use cloister_dp::{NoiseLevel, OptimizerConfig, PlanRequest, PrivacyPlan, Sampling, Unit};
use cloister_model::{ExampleOptions, Kernels, LengthPolicy, LoraSpec, Precision, SplitMix64, Target, peft};
use cloister_text::Dataset;
use zeroize::Zeroizing;

use crate::process::{Place, Ran, walk};
use crate::resume::{interrupt, start};
use crate::tiny::{Silent, base, chats, leftovers, public};

/// Settings of a run on the tiny base.
pub(crate) struct Run {
    pub(crate) place: Place,
    pub(crate) program: PathBuf,
    base: PathBuf,
    ready: Ready,
    dataset: Dataset,
    plan: PlanRequest,
    built: PrivacyPlan,
    recipe: Recipe,
}

impl Run {
    pub(crate) fn new(records: usize, steps: u64, sigma: f64) -> Self {
        let place = Place::new();
        let dataset = cloister_text::read(&place.file("in.jsonl", chats(records)), &Default::default()).unwrap();
        let plan = PlanRequest {
            unit: Unit::Record,
            units: records as u64,
            sampling: Sampling::ExpectedBatch(records as f64 / 2.0),
            steps,
            clip_norm: 0.5,
            noise: NoiseLevel::Sigma(sigma),
            delta: None,
            unit_cap: 1,
        };
        let recipe = Recipe {
            lora: LoraSpec::new(8, 16, vec![Target::Query, Target::Value]).unwrap(),
            optimizer: OptimizerConfig::adam(),
            learning_rate: 0.02,
            schedule: Schedule::default(),
            passes: Passes::default(),
            evaluate_every: steps.div_ceil(4),
        };
        let base = base("tiny_llama");
        Self {
            ready: Ready::open(&base, Precision::F32, Kernels::Fused).unwrap(),
            program: env!("CARGO_BIN_EXE_cloister").into(),
            built: PrivacyPlan::build(&plan).unwrap(),
            base,
            place,
            dataset,
            plan,
            recipe,
        }
    }

    pub(crate) fn snapshot(&self) -> PathBuf {
        self.place.path("state")
    }

    fn options() -> ExampleOptions {
        ExampleOptions { max_tokens: 128, length: LengthPolicy::Truncate }
    }

    pub(crate) fn apart(&self) -> Apart<'_> {
        Apart {
            program: self.program.clone(),
            base: &self.base,
            base_sha256: &self.ready.base.identity.sha256,
            precision: Precision::F32,
            kernels: Kernels::Fused,
            plan: &self.plan,
            built: &self.built,
            recipe: &self.recipe,
            options: Self::options(),
            protection: None,
            adapter: self.place.path("out"),
            snapshot: self.snapshot(),
            resume: snapshot_in(&self.snapshot()),
            charged: 0,
            key: None,
            weaker: false,
        }
    }

    fn lines(&self) -> impl Iterator<Item = Result<RecordLine, Reason>> {
        self.dataset.records.iter().map(|record| Ok(as_line(record, None)))
    }

    fn public(&self) -> Vec<RecordLine> {
        let dataset = cloister_text::read_from(public(8).as_bytes(), &Default::default()).unwrap();
        dataset.records.iter().map(|record| as_line(record, None)).collect()
    }

    pub(crate) fn go(
        &self,
        apart: &Apart<'_>,
        leases: &mut dyn Leases,
        watch: &mut dyn Watch,
    ) -> Result<Outcome, Error> {
        train_apart(apart, self.lines(), Some(&self.public()), leases, watch)
    }

    fn corpus(&self, records: &Dataset) -> Corpus {
        let units = Units::of(records, Grouping::Record).unwrap();
        Corpus::build(records, &self.ready.base, &Self::options(), units).unwrap()
    }
}

/// An account of leased steps, as a ledger keeps it.
#[derive(Default)]
struct Account {
    leased: u64,
    /// Steps that are granted at most at once, and in all.
    block: u64,
    most: u64,
}

impl Leases for Account {
    fn stands(&mut self) -> Result<(), Reason> {
        Ok(())
    }

    fn lease(&mut self, steps: u64) -> Result<u64, Reason> {
        if self.leased >= self.most {
            return Err("the grant was revoked".into());
        }
        let granted = steps.min(self.block);
        self.leased += granted;
        Ok(granted)
    }
}

/// What a run showed of itself.
#[derive(Default)]
struct Seen {
    isolation: Option<Isolation>,
    resumed: Option<(u64, u64)>,
    steps: Vec<u64>,
    losses: Vec<f64>,
    /// What the processes of this system say of the trainer, once it trains.
    status: String,
    networks: Vec<PathBuf>,
    environment: Vec<u8>,
    /// Kills it when this step was told of.
    kill_at: Option<u64>,
}

impl Watch for Seen {
    fn begin(&mut self, resumed: Option<(u64, u64)>) -> Result<(), Error> {
        self.resumed = resumed;
        Ok(())
    }

    fn step(&mut self, figures: StepFigures) {
        assert!(figures.epsilon > 0.0 && figures.learning_rate > 0.0);
        self.steps.push(figures.step);
        if self.status.is_empty() {
            let trainer = trainer();
            let of = |name: &str| PathBuf::from(format!("/proc/{trainer}/{name}"));
            self.status = std::fs::read_to_string(of("status")).unwrap();
            self.environment = std::fs::read(of("environ")).unwrap_or_default();
            let networks = [of("ns/net"), "/proc/self/ns/net".into()];
            self.networks = networks.iter().filter_map(|link| std::fs::read_link(link).ok()).collect();
        }
        if self.kill_at.is_some_and(|at| figures.step >= at) {
            self.kill_at = None;
            Command::new("kill").args(["-9", &trainer().to_string()]).status().unwrap();
        }
    }

    fn loss(&mut self, _: u64, loss: Loss) {
        self.losses.push(loss.nats_per_token);
    }

    fn isolated(&mut self, isolation: Isolation) {
        self.isolation = Some(isolation);
    }
}

/// The process id of this process's trainer.
fn trainer() -> u32 {
    let me = std::process::id().to_string();
    let is_ours = |id: &u32| {
        let read = |name: &str| std::fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1).map(str::to_owned));
        parent.is_some_and(|parent| parent == me) && read("cmdline").windows(7).any(|window| window == b"trainer")
    };
    let ids = std::fs::read_dir("/proc").unwrap().flatten();
    ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(is_ours).expect("a trainer runs")
}

#[test]
fn requirement_35_a_trainer_apart_trains_and_is_shut_in() {
    let run = Run::new(40, 8, 0.05);
    let mut seen = Seen::default();
    let mut account = Account { block: 3, most: 8, leased: 0 };
    let outcome = run.go(&run.apart(), &mut account, &mut seen).unwrap();
    assert_eq!((seen.steps, account.leased), ((1..=8).collect(), 8));
    assert!(outcome.tokens_per_second > 0.0 && outcome.peak_rss_bytes > 1 << 20);
    assert_eq!((outcome.resumed, outcome.steps_lost, outcome.adapter.read_back.checks().len()), (false, 0, 4));
    let (lora, metadata) = peft::read(&run.place.path("out"), &run.ready.base.config).unwrap();
    assert!(!lora.is_identity() && metadata["epsilon"] == run.built.epsilon().to_string());
    remove_snapshot(&run.snapshot());
    assert!(!run.snapshot().exists());

    assert!(seen.isolation.unwrap().landlock.is_some());
    let status = |field: &str| {
        let line = seen.status.lines().find_map(|line| line.strip_prefix(field));
        line.unwrap_or_else(|| panic!("{field} in {}", seen.status)).trim().to_owned()
    };
    assert_eq!((status("NoNewPrivs:"), status("Seccomp:")), ("1".into(), "2".into()));
    assert_eq!(u64::from_str_radix(&status("CapEff:"), 16).unwrap(), 0);
    assert_eq!(u64::from_str_radix(&status("CapPrm:"), 16).unwrap(), 0);
    assert!(seen.environment.is_empty(), "it has no environment");
    if let [its, ours] = &seen.networks[..] {
        assert_eq!(its != ours, seen.isolation.unwrap().own_network);
    }

    // it learns as much as training in this process does
    let texts = cloister_text::read_from(public(8).as_bytes(), &Default::default()).unwrap();
    let (corpus, public) = (run.corpus(&run.dataset), run.corpus(&texts));
    let request = request(&run, &corpus, Some(&public), run.place.path("here"), run.place.path("here.snapshot"));
    let here = train(&request, &Team::alone(), &mut Silent).unwrap();
    let fallen = |losses: &[f64]| losses[0] - losses[losses.len() - 1];
    let here: Vec<f64> = here.losses.iter().map(|(_, loss)| loss.nats_per_token).collect();
    assert_eq!((seen.losses.len(), seen.losses[0]), (here.len(), here[0]), "the base is the same in both");
    let (apart, here) = (fallen(&seen.losses), fallen(&here));
    assert!(apart > 0.1 && (apart / here - 1.0).abs() < 0.3, "the loss falls by {apart} apart, by {here} here");
}

fn request<'a>(
    run: &'a Run,
    corpus: &'a Corpus,
    public: Option<&'a Corpus>,
    adapter: PathBuf,
    snapshot: PathBuf,
) -> Request<'a> {
    Request {
        ready: &run.ready,
        corpus,
        evaluation: public.map(|public| &public.examples[..]),
        plan: run.plan.clone(),
        built: &run.built,
        recipe: &run.recipe,
        protection: None,
        adapter,
        snapshot,
        resume: false,
    }
}

/// Starting values, sampler and noise are drawn anew in every process, so two runs differ; what is written from one state
/// must not.
#[test]
fn an_adapter_from_apart_is_the_one_from_here_to_the_bit() {
    let run = Run::new(20, 3, 1.0);
    let corpus = run.corpus(&run.dataset);
    let request = request(&run, &corpus, None, run.place.path("here"), run.snapshot());
    train(&request, &Team::alone(), &mut Silent).unwrap();
    let mut account = Account { block: 1, most: 0, leased: 0 };
    let outcome = train_apart(&run.apart(), run.lines(), None, &mut account, &mut Silent).unwrap();
    assert!(outcome.resumed && outcome.tokens_per_second == 0.0);
    for file in ["adapter_model.safetensors", "adapter_config.json", "tokenizer.json"] {
        let read = |folder: &str| std::fs::read(run.place.path(folder).join(file)).unwrap();
        assert_eq!(read("here"), read("out"), "{file}");
    }
    // who was killed behind the last step begins again, and finds its work done
    let again = train_apart(&run.apart(), run.lines(), None, &mut account, &mut Silent).unwrap();
    assert_eq!(again.adapter.sha256, outcome.adapter.sha256);
    std::fs::write(run.place.path("out/adapter_model.safetensors"), "another").unwrap();
    let error = train_apart(&run.apart(), run.lines(), None, &mut account, &mut Silent).err().unwrap();
    assert!(matches!(&error, Error::NotWritten { .. }), "{error:?}");
}

#[test]
fn requirement_35_no_record_leaves_before_a_reservation_stands() {
    struct None;
    impl Leases for None {
        fn stands(&mut self) -> Result<(), Reason> {
            Err("the budget is spent".into())
        }
        fn lease(&mut self, _: u64) -> Result<u64, Reason> {
            panic!("no step is asked for")
        }
    }
    let run = Run::new(10, 2, 1.0);
    let asked = Rc::new(Cell::new(0));
    let counter = Rc::clone(&asked);
    let lines = run.lines().inspect(move |_| counter.set(counter.get() + 1));
    let error = train_apart(&run.apart(), lines, Some(&run.public()), &mut None, &mut Silent).err().unwrap();
    assert!(
        matches!(&error, Error::NotReserved { source } if source.to_string() == "the budget is spent"),
        "{error:?}"
    );
    assert_eq!(asked.get(), 0);
    assert!(!run.snapshot().exists() && !run.place.path("out").exists());

    // a record that cannot be had ends it before any step, and so does another number of records
    let broken = run.lines().take(3).chain([Err("the key was destroyed".into())]);
    let error = train_apart(&run.apart(), broken, Option::None, &mut Unmetered, &mut Silent).err().unwrap();
    assert!(matches!(error, Error::Records { .. }), "{error:?}");
    let error =
        train_apart(&run.apart(), run.lines().take(9), Option::None, &mut Unmetered, &mut Silent).err().unwrap();
    assert!(error.to_string().contains("another number of units"), "{error:?}");
    assert!(!run.snapshot().exists() && !run.place.path("out").exists());
}

#[test]
fn requirement_35_a_trainer_with_another_plan_gets_no_record() {
    let mut run = Run::new(10, 2, 1.0);
    // the accountant's plan says one thing, the plan of this process another: no noise
    run.built = PrivacyPlan::non_private(10, 5.0, 2).unwrap();
    let error = run.go(&run.apart(), &mut Unmetered, &mut Silent).err().unwrap();
    assert!(matches!(&error, Error::Trainer { exit: 4, .. }), "{error:?}");
    assert!(error.to_string().contains("another plan than was reserved for"), "{error}");
    run.built = PrivacyPlan::build(&run.plan).unwrap();
    let other = Apart { base_sha256: "0", ..run.apart() };
    let error = run.go(&other, &mut Unmetered, &mut Silent).err().unwrap();
    assert!(error.to_string().contains("another base than was reserved for"), "{error}");
}

/// A grant that is revoked while the training runs: the block that was leased is the last.
#[test]
fn requirement_13_a_refused_lease_stops_training_within_one_block() {
    let run = Run::new(30, 20, 1.0);
    let mut account = Account { block: 3, most: 6, leased: 0 };
    let mut seen = Seen::default();
    let error = run.go(&run.apart(), &mut account, &mut seen).err().unwrap();
    let kept = |error: &Error| matches!(error, Error::Refused { step: 6, steps: 20, source, .. } if source.to_string() == "the grant was revoked");
    assert!(kept(&error), "{error:?}");
    assert_eq!((account.leased, seen.steps.last()), (6, Some(&6)));
    let advice = advise(&error.into());
    assert_eq!(advice.exit, Exit::Denied);
    assert!(advice.hint.is_some_and(|hint| hint.contains("--resume")));
    assert!(snapshot_in(&run.snapshot()) && !run.place.path("out").exists());

    // granted again: it goes on where it was, and what the ledger counts and the snapshot has not is lost
    let mut account = Account { block: 5, most: 20, leased: 8 };
    let mut seen = Seen::default();
    let outcome = run.go(&Apart { charged: 8, ..run.apart() }, &mut account, &mut seen).unwrap();
    assert_eq!((seen.resumed, outcome.steps_lost, account.leased), (Some((8, 2)), 2, 20));
    assert_eq!(seen.steps, (9..=20).collect::<Vec<_>>());

    // never granted at all
    let run = Run::new(10, 2, 1.0);
    let error = run.go(&run.apart(), &mut Account::default(), &mut Silent).err().unwrap();
    assert!(matches!(error, Error::Refused { step: 0, .. }), "{error:?}");
}

#[test]
fn requirement_34_a_ledger_that_counts_more_than_there_is_left_ends_it() {
    let run = Run::new(10, 4, 1.0);
    // every step was leased by a trainer that left no snapshot
    let error = run.go(&Apart { charged: 4, ..run.apart() }, &mut Unmetered, &mut Silent).err().unwrap();
    assert!(error.to_string().contains("all 4 steps were charged and lost"), "{error}");
    let mut seen = Seen::default();
    let outcome = run.go(&Apart { charged: 3, ..run.apart() }, &mut Unmetered, &mut seen).unwrap();
    assert_eq!((outcome.steps_lost, seen.steps, seen.resumed), (3, vec![4], Some((3, 3))));
}

#[test]
fn a_sealed_snapshot_opens_under_its_key_alone_and_goes_on() {
    let run = Run::new(20, 6, 1.0);
    let key = |byte: u8, version: &str| SnapshotKey {
        id: [7; 16],
        key: Zeroizing::new([byte; 32]),
        tenant: "t".into(),
        dataset: "tickets".into(),
        version: version.into(),
    };
    let with = |byte, version: &str| Apart { key: Some(key(byte, version)), ..run.apart() };
    let mut account = Account { block: 2, most: 2, leased: 0 };
    let error = run.go(&with(1, "run 1"), &mut account, &mut Silent).err().unwrap();
    assert!(matches!(error, Error::Refused { step: 2, .. }), "{error:?}");
    let kept = std::fs::read(run.snapshot().join("state")).unwrap();
    assert!(kept.starts_with(b"CLO1") && !kept.windows(9).any(|window| window == b"\"version\""));
    for other in [with(2, "run 1"), with(1, "run 2"), run.apart()] {
        let error = run.go(&other, &mut Unmetered, &mut Silent).err().unwrap();
        assert!(
            matches!(&error, Error::Trainer { exit: 4, message, .. } if message.contains("is damaged")),
            "{error:?}"
        );
        assert_eq!(std::fs::read(run.snapshot().join("state")).unwrap(), kept, "it is left as it was");
    }
    let outcome = run.go(&with(1, "run 1"), &mut Unmetered, &mut Silent).unwrap();
    assert!(outcome.resumed && outcome.steps_lost == 0);
}

/// `CLOISTER_KILLS` runs (6), each killed at random steps; `CLOISTER_KILL_SEED` repeats them.
#[test]
fn requirement_34_a_trainer_that_is_killed_was_charged_for_every_step_that_it_made() {
    const STEPS: u64 = 24;
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = setting("CLOISTER_KILL_SEED").unwrap_or_else(|| getrandom::u64().unwrap());
    eprintln!("CLOISTER_KILL_SEED={seed}");
    let mut random = SplitMix64(seed);
    let mut kills = 0;
    for round in 0..setting("CLOISTER_KILLS").unwrap_or(6) {
        let run = Run::new(20, STEPS, 1.0);
        let mut account = Account { block: 1 + (random.uniform() * 4.0) as u64, most: STEPS, leased: 0 };
        let mut executed: Vec<u64> = Vec::new();
        let outcome = loop {
            let charged = account.leased;
            if charged == STEPS {
                break None; // every step is spent: there is nothing to go on with but what the snapshot holds
            }
            let kill_at = charged + 1 + (random.uniform() * 8.0) as u64;
            let mut seen = Seen { kill_at: Some(kill_at), ..Seen::default() };
            let ended = run.go(&Apart { charged, ..run.apart() }, &mut account, &mut seen);
            executed.extend(&seen.steps);
            assert!(executed.is_sorted_by(|a, b| a < b), "round {round}: no step is run twice: {executed:?}");
            assert!(executed.last().is_none_or(|last| *last <= account.leased), "round {round}: {executed:?}");
            match ended {
                Ok(outcome) => break Some(outcome),
                Err(Error::TrainerLost { how }) => assert_eq!(how, "signal 9"),
                Err(error) => panic!("round {round}: {error:?}"),
            }
            kills += 1;
        };
        assert!(account.leased as usize >= executed.len());
        if let Some(outcome) = outcome {
            assert!(STEPS - outcome.steps_lost <= executed.len() as u64, "round {round}");
            assert!(peft::read(&run.place.path("out"), &run.ready.base.config).is_ok());
        }
    }
    assert!(kills > 0);
}

/// A wrapper that puts something into the way of the trainer.
fn wrapped(run: &Run, script: &str) -> PathBuf {
    let program = env!("CARGO_BIN_EXE_cloister");
    let path = run.place.file("wrapped", format!("#!/bin/sh\n{script} exec '{program}' \"$@\"\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

/// Every attempt that `escape.c` makes from inside of a trainer that has the records.
#[test]
fn requirement_35_a_trainer_that_was_taken_over_finds_no_way_out() {
    let mut run = Run::new(20, 4, 1.0);
    let library = run.place.path("escape.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/escape.c");
    let compiled =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-pthread").status();
    assert!(compiled.unwrap().success(), "a C compiler is there, for the program needs one too");
    run.place.file("outside/secret", "a secret");
    let names = |name: &str, path: &Path| format!("{name}='{}'", path.display());
    let script = [
        names("LD_PRELOAD", &library),
        names("ESCAPE_BASE", &run.base),
        names("ESCAPE_OUTSIDE", &run.place.path("outside")),
    ];
    run.program = wrapped(&run, &format!("{}; export LD_PRELOAD ESCAPE_BASE ESCAPE_OUTSIDE;", script.join(" ")));
    let outcome = run.go(&run.apart(), &mut Unmetered, &mut Silent).unwrap();
    assert_eq!(outcome.steps_lost, 0, "the trainer goes on all the same");

    let report = std::fs::read_to_string(run.snapshot().join(".cloister-escape")).unwrap();
    let (mut tried, mut allowed) = (0, 0);
    for line in report.lines() {
        let [name, result, error] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        if name.starts_with("may-") {
            assert_ne!(result, "-1", "{line}");
            allowed += 1;
        } else {
            // EPERM and EACCES; ENOSYS for clone3; EXDEV for names that would cross a border of Landlock
            assert!(result == "-1" && ["1", "13", "38", "18"].contains(&error), "{line}");
            tried += 1;
        }
    }
    assert!(tried >= 80 && allowed == 5, "{tried} attempts, {allowed} of the rest:\n{report}");
    eprintln!("{tried} attempts");
    assert_eq!(std::fs::read_to_string(run.place.path("outside/secret")).unwrap(), "a secret");
    assert_eq!(std::fs::read_dir(run.place.path("outside")).unwrap().count(), 1);
}

#[test]
fn requirement_35_an_open_file_of_somebody_else_is_refused() {
    let mut run = Run::new(10, 2, 1.0);
    run.program = wrapped(&run, "exec 9</etc/passwd;");
    let error = run.go(&run.apart(), &mut Unmetered, &mut Silent).err().unwrap();
    assert!(
        error.to_string().contains("an open file was left to the process that is not its own (descriptor 9)"),
        "{error}"
    );
    // one that is open here does not reach it
    run.program = env!("CARGO_BIN_EXE_cloister").into();
    run.go(&run.apart(), &mut Unmetered, &mut Silent).unwrap();
}

#[test]
fn requirement_35_who_is_not_a_trainer_or_goes_astray_is_found_out() {
    let mut run = Run::new(10, 2, 1.0);
    run.program = "/nonexistent".into();
    let error = run.go(&run.apart(), &mut Unmetered, &mut Silent).err().unwrap();
    assert!(matches!(error, Error::NotStarted { .. }), "{error:?}");
    let says = |run: &Run, script: &str| {
        let path = run.place.file("liar", format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        let apart = Apart { program: path, ..run.apart() };
        run.go(&apart, &mut Unmetered, &mut Silent).err().unwrap()
    };
    let error = says(&run, "exit 7");
    assert!(matches!(&error, Error::TrainerLost { how } if how == "exit 7"), "{error:?}");
    let error = says(&run, "printf 'hello there'; exec sleep 60");
    assert!(matches!(error, Error::TrainerAstray { .. }), "{error:?}");
    // done before it began
    let error = says(&run, "printf '\\016\\002\\000\\000\\000{}'; exec sleep 60");
    assert!(matches!(error, Error::TrainerAstray { .. }), "{error:?}");
    // ready, but not shut in
    let told = r#"{"isolation":{"landlock":null,"own_network":true}}"#;
    let error = says(&run, &format!("printf '\\011\\{:03o}\\000\\000\\000%s' '{told}'; exec sleep 60", told.len()));
    assert!(matches!(&error, Error::TrainerAstray { what } if *what == "it is not shut in"), "{error:?}");
    assert!(!run.snapshot().exists() && !run.place.path("out").exists());
}

#[test]
fn a_run_here_on_terms_is_charged_too() {
    let run = Run::new(20, 6, 1.0);
    let corpus = run.corpus(&run.dataset);
    let request = request(&run, &corpus, None, run.place.path("here"), run.snapshot());
    let mut account = Account { block: 2, most: 4, leased: 0 };
    let terms = Terms { leases: &mut account, keeper: &Plain, charged: 0, folder_stands: false };
    let error = train_on(&request, terms, &Team::alone(), &mut Silent).err().unwrap();
    assert!(matches!(error, Error::Refused { step: 4, .. }), "{error:?}");
    assert_eq!(account.leased, 4);
}

/// Texts of records are in memory only; what the trainer is started with says nothing of them.
#[test]
fn requirement_35_no_text_of_a_record_lies_in_a_file_of_the_run() {
    let run = Run::new(30, 12, 1.0);
    let mut account = Account { block: 4, most: 8, leased: 0 };
    let mut seen = Seen::default();
    run.go(&run.apart(), &mut account, &mut seen).err().unwrap();
    assert!(seen.environment.is_empty() && !seen.steps.is_empty());
    let mut files = 0;
    walk(&run.snapshot(), &mut |path| {
        let content = std::fs::read(path).unwrap();
        for trace in ["my order", "is late", "look into"] {
            assert!(!content.windows(trace.len()).any(|window| window == trace.as_bytes()), "{}", path.display());
        }
        files += 1;
    });
    assert!(files > 0);
}

/// From the command line: the same document, and a snapshot that either way goes on from.
#[test]
fn train_with_a_sandbox_gives_what_train_gives() {
    let place = Place::new();
    place.file("in.jsonl", chats(60));
    place.file("public.jsonl", public(5));
    let train = |out: &str, more: &[&str]| {
        let mut command = place.command();
        command.args(["train", "in.jsonl", "--sigma", "2", "--steps", "4", "--batch", "20", "--json", "--out", out]);
        command
            .args(["--evaluation", "public.jsonl", "--unit", "subject", "--base"])
            .arg(base("tiny_llama"))
            .args(more);
        Ran::of(command.output().unwrap()).exits(0)
    };
    let (plain, apart) = (train("plain", &[]), train("apart", &["--sandbox"]));
    assert!(apart.stderr.contains("\ntrainer shut in: Landlock "), "{}", apart.stderr);
    let (plain, apart) = (plain.document(), apart.document());
    let names = |document: &serde_json::Value| document.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&plain), names(&apart));
    assert_eq!((&plain["plan"], &plain["recipe"]), (&apart["plan"], &apart["recipe"]));
    assert_eq!((&plain["evaluation"][0], apart["adapter"].as_str()), (&apart["evaluation"][0], Some("apart")));
    assert!(place.path("apart/adapter_config.json").exists() && !place.path("apart.snapshot").exists());
    assert!(leftovers(&place).is_empty());

    for (first, second) in [(&["--sandbox"][..], &["--resume"][..]), (&[], &["--resume", "--sandbox"])] {
        let ran = interrupt(start(&place, first), "-INT").exits(130);
        assert!(ran.stderr.contains("a snapshot is kept in `out.snapshot`"), "{}", ran.stderr);
        assert!(place.path("out.snapshot/state").exists() && !place.path("out").exists());
        let document = Ran::of(start(&place, second).wait_with_output().unwrap()).exits(0).document();
        assert_eq!((&document["resumed"], &document["steps_lost"]), (&true.into(), &0.into()));
        assert!(!place.path("out.snapshot").exists());
        std::fs::remove_dir_all(place.path("out")).unwrap();
    }
}

#[test]
fn a_sandbox_is_not_entered_by_a_process_with_threads() {
    std::thread::scope(|scope| {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || wait.recv());
        let error = Sandbox::default().enter().err().unwrap();
        assert!(matches!(error, SandboxError::Threads { threads } if threads > 1), "{error:?}");
        drop(go);
    });
    assert!(std::fs::read("/etc/passwd").is_ok(), "nothing was given up");
}
