//! The side that has the records: it starts the trainer, hands out records and leases, and ends it when it goes astray.
//!
//! Invariant: the trainer is never left behind. However this ends, it was waited for.

use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use cloister_dp::{PlanRequest, PrivacyPlan};
use cloister_model::{ExampleOptions, Kernels, LengthPolicy, Precision};
use cloister_text::{Body, Record, Role, Shape};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::super::adapter::{TRAINED, WrittenAdapter, in_the_way, is_full, take};
use super::super::snapshot::make_place;
use super::super::{Error, Leases, Loss, Outcome, Reason, Recipe, StepFigures, Watch, clear_place};
use super::frame::{Frame, KEY_BYTES, Kind, send, send_bytes};
use super::job::{Begin, Done, Failed, Job, Measured, Ready, Told, WireRecipe, digest};
use crate::plain::plain;
use crate::{interrupt, sandbox, system};

/// How often it is looked whether the user wants to stop.
const LOOK: Duration = Duration::from_millis(50);
/// The exit code of work that was asked to stop.
const INTERRUPTED: u8 = 130;
/// Messages of a trainer that wait.
const WAITING: usize = 64;
/// Longest message of a trainer that is shown: it has seen records, and an error needs no more.
const MESSAGE_CHARS: usize = 300;

/// A run in a process of its own.
pub struct Apart<'a> {
    /// The program that has the trainer: this one, unless a test says otherwise.
    pub program: PathBuf,
    /// The base: a file or a folder.
    pub base: &'a Path,
    /// Its digest, as [`cloister_model::BaseIdentity`] tells it.
    pub base_sha256: &'a str,
    /// What its weights are kept in.
    pub precision: Precision,
    /// Who computes.
    pub kernels: Kernels,
    /// The privacy decision, as it was reserved for.
    pub plan: &'a PlanRequest,
    /// The plan built from it.
    pub built: &'a PrivacyPlan,
    /// The training decision.
    pub recipe: &'a Recipe,
    /// How records become examples.
    pub options: ExampleOptions,
    /// How the records were protected, if they were.
    pub protection: Option<String>,
    /// Folder of the adapter; it must not exist or be empty.
    pub adapter: PathBuf,
    /// Folder of the snapshot and of nothing else; on one file system with the adapter's.
    pub snapshot: PathBuf,
    /// Whether to go on from a snapshot.
    pub resume: bool,
    /// Steps that whoever gives leases counts as spent already.
    pub charged: u64,
    /// The key of sealed snapshots; without one they lie there as they are.
    pub key: Option<SnapshotKey>,
    /// Whether the trainer may go on where the kernel has no Landlock.
    pub weaker: bool,
}

/// What snapshots are sealed under, and where they belong.
pub struct SnapshotKey {
    /// The key's id.
    pub id: [u8; 16],
    /// The key that wraps the key of each snapshot.
    pub key: Zeroizing<[u8; 32]>,
    /// The tenant's id.
    pub tenant: String,
    /// The dataset's id.
    pub dataset: String,
    /// What the snapshot belongs to, such as the id of the run.
    pub version: String,
}

impl Apart<'_> {
    /// The program that is running.
    ///
    /// # Errors
    /// [`Error::NotStarted`] if the system does not say.
    pub fn this_program() -> Result<PathBuf, Error> {
        // the file that is running, also where another one has taken its name
        let own = Path::new("/proc/self/exe");
        match cfg!(target_os = "linux") && own.exists() {
            true => Ok(own.into()),
            false => std::env::current_exe().map_err(|source| Error::NotStarted { source }),
        }
    }

    fn job(&self) -> Result<Job, Error> {
        Ok(Job {
            base: self.base.into(),
            base_sha256: self.base_sha256.into(),
            precision: self.precision.to_string(),
            kernels: self.kernels.to_string(),
            read: leads_to(self.base)?,
            folder: self.snapshot.clone(),
            plan: self.plan.clone(),
            recipe: WireRecipe::from(self.recipe),
            digest: digest(self.plan, self.built, self.recipe),
            max_tokens: self.options.max_tokens,
            truncate: self.options.length == LengthPolicy::Truncate,
            protection: self.protection.clone(),
            evaluation: false,
            resume: self.resume,
            charged: self.charged,
            place: self.key.as_ref().map(|key| [key.tenant.clone(), key.dataset.clone(), key.version.clone()]),
            threads: rayon::current_num_threads(),
            weaker: self.weaker,
        })
    }
}

/// Where the links in a folder lead: a cache of downloads keeps its files elsewhere.
fn leads_to(base: &Path) -> Result<Vec<PathBuf>, Error> {
    if !base.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(base).map_err(crate::Error::read(base))? {
        let path = entry.map_err(crate::Error::read(base))?.path();
        if path.is_symlink() && path.is_file() {
            found.push(path.canonicalize().map_err(crate::Error::read(&path))?);
        }
    }
    Ok(found)
}

/// Trains in another process, and takes its adapter over. `records` is asked for the first one after the reservation stood;
/// each is one line of JSON, such as [`as_line`] makes. `public` are records to measure on.
///
/// # Errors
/// [`Error::NotReserved`], [`Error::Records`], [`Error::Refused`] and [`Error::Interrupted`] with a snapshot kept,
/// [`Error::NotStarted`], [`Error::TrainerLost`], [`Error::TrainerAstray`]; [`Error::Trainer`] for what it says itself.
/// Leased steps stay spent in every case.
pub fn train_apart<B: Deref<Target = [u8]>>(
    apart: &Apart<'_>,
    records: impl IntoIterator<Item = Result<B, Reason>>,
    public: Option<&[RecordLine]>,
    leases: &mut dyn Leases,
    watch: &mut dyn Watch,
) -> Result<Outcome, Error> {
    let job = Job { evaluation: public.is_some(), ..apart.job()? };
    make_place(&apart.snapshot)?;
    let outcome = Trainer::start(&apart.program).and_then(|mut trainer| {
        let done = trainer.run(apart, &job, records, public, leases, watch);
        trainer.end(done)
    });
    if outcome.is_err() {
        // a folder without a snapshot is of use to nobody; one that another process has stays
        let _ = clear_place(&apart.snapshot);
    }
    outcome
}

/// A trainer that runs.
struct Trainer {
    child: Child,
    input: Option<ChildStdin>,
    frames: Receiver<io::Result<Frame>>,
    /// Whether it was asked to stop.
    stopping: bool,
    peak_rss_bytes: u64,
}

/// Steps that the trainer may tell of.
struct Account {
    /// Spent when it began, and those leased since.
    leased: u64,
    steps: u64,
    lost: u64,
    /// The last that it told of.
    last: u64,
}

impl Trainer {
    fn start(program: &Path) -> Result<Self, Error> {
        sandbox::keep_open_files();
        let mut command = Command::new(program);
        command.arg("trainer").env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|source| Error::NotStarted { source })?;
        let (sender, frames) = sync_channel(WAITING);
        if let Some(mut output) = child.stdout.take() {
            std::thread::spawn(move || {
                // ends with the trainer, or with whoever listens
                while let Some(frame) = Frame::read(&mut output).transpose() {
                    let over = frame.is_err();
                    if sender.send(frame).is_err() || over {
                        return;
                    }
                }
            });
        }
        let input = child.stdin.take();
        Ok(Self { child, input, frames, stopping: false, peak_rss_bytes: 0 })
    }

    /// From the job to the adapter in its place.
    fn run<B: Deref<Target = [u8]>>(
        &mut self,
        apart: &Apart<'_>,
        job: &Job,
        records: impl IntoIterator<Item = Result<B, Reason>>,
        public: Option<&[RecordLine]>,
        leases: &mut dyn Leases,
        watch: &mut dyn Watch,
    ) -> Result<Outcome, Error> {
        self.say(Kind::Job, job)?;
        let Ready { isolation } = self.expect(Kind::Ready, apart)?;
        if isolation.landlock.is_none() && !apart.weaker {
            return Err(Error::TrainerAstray { what: "it is not shut in" });
        }
        watch.isolated(isolation);
        leases.stands().map_err(|source| Error::NotReserved { source })?;
        self.feed(apart, records, public)?;
        let Begin { spent, lost, resumed } = self.expect(Kind::Begin, apart)?;
        let steps = apart.built.steps();
        if spent < apart.charged || spent > steps || lost > spent {
            return Err(Error::TrainerAstray { what: "it forgets steps that are spent" });
        }
        if spent < steps && is_full(&apart.adapter) {
            return Err(in_the_way(&apart.adapter));
        }
        watch.begin(resumed.then_some((spent, lost)))?;
        self.say_bytes(Kind::Go, &[])?;
        let mut account = Account { leased: spent, steps, lost, last: spent };
        let done = self.follow(apart, &mut account, leases, watch)?;
        self.look();
        let snapshot = apart.snapshot.clone();
        outcome(apart, done, self.peak_rss_bytes).map_err(|error| match error {
            Error::TrainerAstray { .. } => error,
            Error::File(crate::Error::Interrupted) => Error::Interrupted { step: steps, steps, snapshot },
            error => Error::NotWritten { snapshot, source: Box::new(error) },
        })
    }

    /// The key and the records, until one is not taken: the trainer has said why, or is gone.
    fn feed<B: Deref<Target = [u8]>>(
        &mut self,
        apart: &Apart<'_>,
        records: impl IntoIterator<Item = Result<B, Reason>>,
        public: Option<&[RecordLine]>,
    ) -> Result<(), Error> {
        if let Some(SnapshotKey { id, key, .. }) = &apart.key {
            let mut bytes = Zeroizing::new([0; KEY_BYTES]);
            bytes[..id.len()].copy_from_slice(id);
            bytes[id.len()..].copy_from_slice(key.as_ref());
            self.say_bytes(Kind::Key, bytes.as_ref())?;
        }
        for line in public.into_iter().flatten() {
            self.say_bytes(Kind::Public, line)?;
        }
        if public.is_some() {
            self.say_bytes(Kind::End, &[])?;
        }
        for record in records {
            interrupt::check()?;
            if !self.say_bytes(Kind::Record, &record.map_err(|source| Error::Records { source })?)? {
                return Ok(());
            }
        }
        self.say_bytes(Kind::End, &[])?;
        Ok(())
    }

    /// The steps, until the trainer is done.
    fn follow(
        &mut self,
        apart: &Apart<'_>,
        account: &mut Account,
        leases: &mut dyn Leases,
        watch: &mut dyn Watch,
    ) -> Result<Done, Error> {
        let mut refusal = None;
        loop {
            let frame = self.next()?;
            match frame.kind {
                Kind::Lease => {
                    self.look();
                    let asked: u64 = parse(&frame)?;
                    if asked == 0 || asked > account.steps - account.leased {
                        return Err(Error::TrainerAstray { what: "it asks for more steps than its plan has" });
                    }
                    match leases.lease(asked) {
                        Ok(granted) if granted > 0 => {
                            account.leased += granted.min(asked);
                            self.say(Kind::Granted, &granted.min(asked))?;
                        }
                        none => {
                            refusal = Some(none.err().unwrap_or_else(|| "none is left".into()));
                            self.say_bytes(Kind::Refused, &[])?;
                        }
                    }
                }
                Kind::Step => {
                    let step: u64 = parse(&frame)?;
                    if step <= account.last || step > account.leased {
                        return Err(Error::TrainerAstray { what: "it made a step that it has no lease for" });
                    }
                    account.last = step;
                    let epsilon = apart.built.epsilon_after(step)?;
                    let learning_rate = apart.recipe.rate(step, account.steps);
                    watch.step(StepFigures { step, lost: account.lost, epsilon, learning_rate });
                }
                Kind::Loss => {
                    let Measured { step, nats_per_token, tokens } = parse(&frame)?;
                    watch.loss(step, Loss { nats_per_token, tokens });
                }
                Kind::Done => return parse(&frame),
                Kind::Failed => return Err(failure(parse(&frame)?, apart, refusal)),
                _ => return Err(Error::TrainerAstray { what: "a message out of turn" }),
            }
        }
    }

    /// Sends JSON; false if nobody takes it any more. The next message, or its absence, tells why.
    fn say(&mut self, kind: Kind, message: &impl serde::Serialize) -> Result<bool, Error> {
        self.sent(|input| send(input, kind, message))
    }

    /// The same with bytes as they are.
    fn say_bytes(&mut self, kind: Kind, payload: &[u8]) -> Result<bool, Error> {
        self.sent(|input| send_bytes(input, kind, payload))
    }

    fn sent(&mut self, send: impl FnOnce(&mut ChildStdin) -> io::Result<()>) -> Result<bool, Error> {
        let Some(input) = &mut self.input else { return Ok(false) };
        match send(input) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Error::Records { source: error.into() }),
            Err(_) => Ok(false),
        }
    }

    /// A message of one kind, or why there is none.
    fn expect<T: serde::de::DeserializeOwned>(&mut self, kind: Kind, apart: &Apart<'_>) -> Result<T, Error> {
        let frame = self.next()?;
        match frame.kind {
            found if found == kind => parse(&frame),
            Kind::Failed => Err(failure(parse(&frame)?, apart, None)),
            _ => Err(Error::TrainerAstray { what: "a message out of turn" }),
        }
    }

    /// The next message, while the user does not want to stop; then the trainer is told, once.
    fn next(&mut self) -> Result<Frame, Error> {
        loop {
            if interrupt::requested() && !self.stopping {
                self.stopping = true;
                self.say_bytes(Kind::Stop, &[])?;
            }
            match self.frames.recv_timeout(LOOK) {
                Ok(Ok(frame)) => return Ok(frame),
                Ok(Err(_)) => return Err(Error::TrainerAstray { what: "a message that is none" }),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let how = self.child.wait().map_or_else(|error| error.to_string(), ended);
                    return Err(Error::TrainerLost { how });
                }
            }
        }
    }

    /// Looks how much memory it took so far.
    fn look(&mut self) {
        let now = system::peak_rss_bytes_of(self.child.id()).unwrap_or(0);
        self.peak_rss_bytes = self.peak_rss_bytes.max(now);
    }

    /// Waits for the end of a trainer that has said its last word, and makes an end of any other.
    fn end(mut self, outcome: Result<Outcome, Error>) -> Result<Outcome, Error> {
        let by_itself = matches!(
            outcome,
            Ok(_)
                | Err(Error::Trainer { .. }
                    | Error::Interrupted { .. }
                    | Error::Refused { .. }
                    | Error::NotWritten { .. })
        );
        self.input = None;
        if !by_itself {
            // if it is gone already, that is what was wanted
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        outcome
    }
}

/// Also where the work of this side panics: a trainer that was waited for is not there any more.
impl Drop for Trainer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ended(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("signal {signal}");
    }
    status.code().map_or_else(|| "unknown".into(), |code| format!("exit {code}"))
}

fn parse<T: serde::de::DeserializeOwned>(frame: &Frame) -> Result<T, Error> {
    frame.parse().map_err(|_| Error::TrainerAstray { what: "a message that is none" })
}

fn failure(failed: Failed, apart: &Apart<'_>, refusal: Option<Reason>) -> Error {
    let snapshot = apart.snapshot.clone();
    match (failed, refusal) {
        (Failed::Interrupted { step, steps }, _) => Error::Interrupted { step, steps, snapshot },
        (Failed::Refused { step, steps }, Some(source)) => Error::Refused { step, steps, snapshot, source },
        (Failed::Refused { .. }, None) => Error::TrainerAstray { what: "it was not refused" },
        (Failed::Other(Told { exit: INTERRUPTED, .. }), _) => crate::Error::Interrupted.into(),
        (Failed::Other(Told { message, exit, hint }), _) => {
            let short = |text: String| plain(&text.chars().take(MESSAGE_CHARS).collect::<String>());
            Error::Trainer { message: short(message), exit, hint: hint.map(short) }
        }
    }
}

fn outcome(apart: &Apart<'_>, done: Done, peak_rss_bytes: u64) -> Result<Outcome, Error> {
    let Done { sha256, bytes, parameters, read_back, losses, seconds, tokens_per_second, resumed, steps_lost } = done;
    take(&apart.snapshot.join(TRAINED), &apart.adapter, &sha256, bytes)?;
    let loss = |Measured { step, nats_per_token, tokens }| (step, Loss { nats_per_token, tokens });
    Ok(Outcome {
        adapter: WrittenAdapter { path: apart.adapter.clone(), sha256, bytes, parameters, read_back },
        losses: losses.into_iter().map(loss).collect(),
        seconds,
        tokens_per_second,
        peak_rss_bytes: peak_rss_bytes.next_multiple_of(1 << 20),
        resumed,
        steps_lost,
        ranks: 1,
    })
}

/// A record on its way to a trainer; wiped when it goes.
pub struct RecordLine(Zeroizing<Vec<u8>>);

impl Deref for RecordLine {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// A record as a trainer takes it: the texts that are learned, and nothing else; `subject` where persons are the units, under
/// any name that is one person's alone.
#[must_use]
pub fn as_line(record: &Record, subject: Option<&str>) -> RecordLine {
    let mut value = match record.body() {
        Body::Text(text) => json!({ "text": text }),
        Body::Completion { prompt, completion } if record.shape() == Shape::Alpaca => {
            json!({ "instruction": prompt, "output": completion })
        }
        Body::Completion { prompt, completion } => json!({ "prompt": prompt, "completion": completion }),
        Body::Chat(turns) => {
            let turn = |role: Role, text: String| json!({ "role": role, "content": text });
            json!({ "messages": turns.into_iter().map(|said| turn(said.role, said.text)).collect::<Vec<_>>() })
        }
    };
    if let (Value::Object(members), Some(subject)) = (&mut value, subject) {
        members.insert("subject".into(), subject.into());
    }
    // a map with string keys always serialises
    RecordLine(Zeroizing::new(serde_json::to_vec(&value).unwrap_or_default()))
}
