//! The trainer itself: shut in first, then the base, then the records, then the steps that are granted to it.
//!
//! Invariant: nothing is read but the job before the process is shut in; no step begins without a lease; and when the process
//! that started it is gone, the trainer ends with a snapshot.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloister_dp::{PlanRequest, PrivacyPlan, Unit};
use cloister_model::{Base, Example, ExampleOptions, Kernels, Precision};
use cloister_text::{Columns, Dataset, Reading, Source};
use cloister_vault::sealed::{Id, Kek};
use zeroize::Zeroizing;

use super::super::adapter::TRAINED;
use super::super::corpus::{Grouping, Units};
use super::super::{
    Corpus, Error, Keeper, Leases, Loss, Outcome, Plain, Ready, Reason, Request, Sealed, StepFigures, Team, Terms,
    Watch, train_on,
};
use super::frame::{Frame, KEY_BYTES, Kind, send};
use super::job::{self, Begin, Done, Failed, Job, Measured, Told};
use crate::sandbox::Sandbox;
use crate::{Error as FileError, interrupt};

/// Messages that wait; records are the many.
const WAITING: usize = 64;
/// How often it is looked whether the other side is done.
const LAST_WORD: Duration = Duration::from_millis(2);
/// Topology and caches of the processors, by which the products are cut; public, and the same in the parent.
const PROCESSORS: &str = "/sys/devices/system/cpu";

/// Serves the process at the other end. What becomes of the work is told there; `tell` puts an error into words.
///
/// # Errors
/// Those of the connection: nobody is there to be told.
pub fn serve(
    mut input: impl Read + Send + 'static,
    output: impl Write + Send,
    tell: &dyn Fn(&Error) -> Told,
) -> io::Result<()> {
    let output = Mutex::new(output);
    let first = Frame::read(&mut input)?.filter(|frame| frame.kind == Kind::Job);
    let job: Job = first.ok_or_else(|| io::Error::other("nobody gives it a job"))?.parse()?;
    match work(&job, input, &output) {
        Ok(outcome) => {
            send(&mut *lock(&output), Kind::Done, &done(outcome))?;
            // until the other side has seen how much memory this took, and closes its end
            while !interrupt::requested() {
                std::thread::sleep(LAST_WORD);
            }
            Ok(())
        }
        Err(Error::Interrupted { step, steps, .. }) => fail(&output, &Failed::Interrupted { step, steps }),
        Err(Error::Refused { step, steps, .. }) => fail(&output, &Failed::Refused { step, steps }),
        Err(error) => fail(&output, &Failed::Other(tell(&error))),
    }
}

/// Tells the process at the other end of a failure that no error stands for.
///
/// # Errors
/// Those of the connection.
pub fn serve_defect(output: impl Write + Send, told: Told) -> io::Result<()> {
    fail(&Mutex::new(output), &Failed::Other(told))
}

fn fail<W: Write>(output: &Mutex<W>, failed: &Failed) -> io::Result<()> {
    send(&mut *lock(output), Kind::Failed, failed)
}

fn lock<W>(output: &Mutex<W>) -> MutexGuard<'_, W> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work<W: Write + Send>(job: &Job, input: impl Read + Send + 'static, output: &Mutex<W>) -> Result<Outcome, Error> {
    let mut read = vec![job.base.clone()];
    read.extend(job.read.iter().cloned());
    read.extend(Path::new(PROCESSORS).exists().then(|| PROCESSORS.into()));
    let sandbox = Sandbox { read, write: vec![job.folder.clone()], weaker: job.weaker };
    let isolation = sandbox.enter()?;
    interrupt::watch();
    // a pool of one thread more or less is a matter of speed
    let _ = rayon::ThreadPoolBuilder::new().num_threads(job.threads).build_global();
    let mut inbox = Inbox::open(input);
    let other = |what| move || Error::OtherPlan { what };
    let precision: Precision = job.precision.parse().map_err(|_| other("precision")())?;
    let kernels: Kernels = job.kernels.parse().map_err(|_| other("arithmetic")())?;
    let ready = Ready::open(&job.base, precision, kernels)?;
    if ready.base.identity.sha256 != job.base_sha256 {
        return Err(other("base")());
    }
    let recipe = job.recipe.recipe()?;
    let built = PrivacyPlan::build(&job.plan)?;
    if job::digest(&job.plan, &built, &recipe) != job.digest {
        return Err(other("plan")());
    }
    send(&mut *lock(output), Kind::Ready, &job::Ready { isolation }).map_err(gone)?;
    let keeper: Box<dyn Keeper> = match &job.place {
        None => Box::new(Plain),
        Some([tenant, dataset, version]) => Box::new(Sealed {
            kek: inbox.key()?,
            tenant: tenant.clone(),
            dataset: dataset.clone(),
            version: version.clone(),
        }),
    };
    let evaluation = if job.evaluation { Some(public(&mut inbox, &ready.base, &job.options())?) } else { None };
    let corpus = private(&mut inbox, &ready.base, &job.options(), &job.plan)?;
    let request = Request {
        ready: &ready,
        corpus: &corpus,
        evaluation: evaluation.as_deref(),
        plan: job.plan.clone(),
        built: &built,
        recipe: &recipe,
        protection: job.protection.clone(),
        adapter: job.folder.join(TRAINED),
        snapshot: job.folder.clone(),
        resume: job.resume,
    };
    run(&request, job.charged, &*keeper, &inbox, output)
}

fn run<W: Write>(
    request: &Request<'_>,
    charged: u64,
    keeper: &dyn Keeper,
    inbox: &Inbox,
    output: &Mutex<W>,
) -> Result<Outcome, Error> {
    let mut asking = Asking { inbox, output };
    let mut telling = Asking { inbox, output };
    let terms = Terms { leases: &mut asking, keeper, charged, folder_stands: true };
    train_on(request, terms, &Team::alone(), &mut telling)
}

/// What comes from the other side, in its order; a thread takes it in, and hears a stop at any time.
struct Inbox {
    frames: Receiver<Frame>,
}

impl Inbox {
    fn open(input: impl Read + Send + 'static) -> Self {
        let (sender, frames) = sync_channel(WAITING);
        std::thread::spawn(move || take_in(input, &sender));
        Self { frames }
    }

    fn next(&self) -> Result<Frame, Error> {
        self.frames.recv().map_err(|_| FileError::Interrupted.into())
    }

    fn expect(&self, kind: Kind) -> Result<Frame, Error> {
        let frame = self.next()?;
        if frame.kind == kind { Ok(frame) } else { Err(Error::TrainerAstray { what: "a message out of turn" }) }
    }

    fn key(&self) -> Result<Kek, Error> {
        let frame = self.expect(Kind::Key)?;
        let (id, key) = frame.payload.split_first_chunk::<16>().ok_or(Error::TrainerAstray { what: "a short key" })?;
        let mut secret = Zeroizing::new([0; KEY_BYTES - 16]);
        if key.len() != secret.len() {
            return Err(Error::TrainerAstray { what: "a short key" });
        }
        secret.copy_from_slice(key);
        Ok(Kek::new(Id(*id), secret))
    }
}

fn take_in(mut input: impl Read, sender: &SyncSender<Frame>) {
    while let Ok(Some(frame)) = Frame::read(&mut input) {
        if frame.kind == Kind::Stop {
            interrupt::request();
        } else if sender.send(frame).is_err() {
            return;
        }
    }
    // nobody is there any more: what was spent is kept
    interrupt::request();
}

/// The connection is closed: nobody waits for this work any more.
fn gone(_: io::Error) -> Error {
    FileError::Interrupted.into()
}

/// Records as they come, one line each, for a reader of lines.
struct Lines<'a> {
    inbox: &'a mut Inbox,
    kind: Kind,
    line: Zeroizing<Vec<u8>>,
    at: usize,
    count: usize,
    over: bool,
    problem: Option<Error>,
}

impl Lines<'_> {
    fn advance(&mut self) -> Result<(), Error> {
        let frame = self.inbox.next()?;
        match frame.kind {
            Kind::End => self.over = true,
            kind if kind == self.kind => {
                if frame.payload.contains(&b'\n') {
                    return Err(Error::TrainerAstray { what: "a record of several lines" });
                }
                (self.line, self.at) = (frame.payload, 0);
                self.line.push(b'\n');
                self.count += 1;
            }
            _ => return Err(Error::TrainerAstray { what: "a message out of turn" }),
        }
        Ok(())
    }
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.line.len() && !self.over {
            if let Err(error) = self.advance() {
                self.over = true;
                self.problem = Some(error);
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = &self.line[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

fn dataset(inbox: &mut Inbox, kind: Kind) -> Result<Dataset, Error> {
    let mut lines = Lines { inbox, kind, line: Zeroizing::default(), at: 0, count: 0, over: false, problem: None };
    let read = cloister_text::read_as(Source::from_reader(&mut lines, ""), &Reading::strict(&Columns::default()));
    if let Some(error) = lines.problem {
        return Err(error);
    }
    let dataset = read.map_err(|source| Error::Records { source: Box::new(source) })?;
    if dataset.records.len() != lines.count {
        return Err(Error::OtherPlan { what: "number of records" });
    }
    Ok(dataset)
}

fn public(inbox: &mut Inbox, base: &Base, options: &ExampleOptions) -> Result<Vec<Example>, Error> {
    let dataset = dataset(inbox, Kind::Public)?;
    Ok(Corpus::build(&dataset, base, options, Units::of(&dataset, Grouping::Record)?)?.examples)
}

/// The records, which must form as many units as the plan has.
fn private(inbox: &mut Inbox, base: &Base, options: &ExampleOptions, plan: &PlanRequest) -> Result<Corpus, Error> {
    let dataset = dataset(inbox, Kind::Record)?;
    let grouping = match plan.unit {
        Unit::Record => Grouping::Record,
        Unit::Subject => Grouping::Subject,
    };
    let units = Units::of(&dataset, grouping)?;
    if units.groups.len() as u64 != plan.units {
        return Err(Error::OtherPlan { what: "number of units" });
    }
    Corpus::build(&dataset, base, options, units)
}

/// The other side as the one who grants steps, and as the one who wants to know.
struct Asking<'a, W> {
    inbox: &'a Inbox,
    output: &'a Mutex<W>,
}

impl<W: Write> Asking<'_, W> {
    /// Where nobody hears it, the run ends at its next step.
    fn tell(&self, kind: Kind, message: &impl serde::Serialize) {
        if send(&mut *lock(self.output), kind, message).is_err() {
            interrupt::request();
        }
    }
}

impl<W: Write> Leases for Asking<'_, W> {
    fn stands(&mut self) -> Result<(), Reason> {
        Ok(())
    }

    fn lease(&mut self, steps: u64) -> Result<u64, Reason> {
        send(&mut *lock(self.output), Kind::Lease, &steps)?;
        let answer = self.inbox.next()?;
        match answer.kind {
            Kind::Granted => Ok(answer.parse()?),
            _ => Err("no more steps are granted".into()),
        }
    }
}

impl<W: Write> Watch for Asking<'_, W> {
    fn begin(&mut self, resumed: Option<(u64, u64)>) -> Result<(), Error> {
        let (spent, lost) = resumed.unwrap_or_default();
        let begin = Begin { spent, lost, resumed: resumed.is_some() };
        send(&mut *lock(self.output), Kind::Begin, &begin).map_err(gone)?;
        self.inbox.expect(Kind::Go)?;
        Ok(())
    }

    fn step(&mut self, figures: StepFigures) {
        self.tell(Kind::Step, &figures.step);
    }

    fn loss(&mut self, step: u64, Loss { nats_per_token, tokens }: Loss) {
        self.tell(Kind::Loss, &Measured { step, nats_per_token, tokens });
    }
}

fn done(outcome: Outcome) -> Done {
    let Outcome { adapter, losses, seconds, tokens_per_second, resumed, steps_lost, .. } = outcome;
    let measured = |(step, Loss { nats_per_token, tokens }): (u64, Loss)| Measured { step, nats_per_token, tokens };
    Done {
        sha256: adapter.sha256,
        bytes: adapter.bytes,
        parameters: adapter.parameters,
        read_back: adapter.read_back,
        losses: losses.into_iter().map(measured).collect(),
        seconds,
        tokens_per_second,
        resumed,
        steps_lost,
    }
}
