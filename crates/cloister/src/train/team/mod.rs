//! Several processes that train one adapter: rank 0 leads, the others compute gradients of the units it hands them.
//!
//! Invariants: sampler, noise, optimiser, snapshots and everything written are the lead's alone. It decides which rank
//! takes which unit of a batch, so that none is counted twice; the clipped sums are added as integers, exactly, and
//! noise is added to their sum, once. Whatever the ranks do together begins with a vote: a rank that fails, is
//! interrupted or leaves says so there, and all stop at the same place. A rank that is lost without a word does not
//! come to the vote; whatever started the ranks then ends them, and the lead keeps a snapshot when it is told to stop.
//!
//! Source: data-parallel DP-SGD as in Abadi et al. 2016, algorithm 1, with the sum over the lot spread over workers.

mod assist;
#[cfg(feature = "mpi")]
mod mpi;
mod task;

use std::cell::Cell;
use std::fmt::Display;
use std::time::{Duration, Instant};

use cloister_dp::{ClippedSum, Parts};
use cloister_model::Lora;

pub use assist::assist;

use super::{Corpus, Error, Request};
use crate::interrupt;
use task::Task;

/// How long a rank that was asked to stop waits for the others. The lead has a snapshot to write before `mpirun`, which
/// grants a second, ends it; the others have nothing to lose.
const LEAD_PATIENCE: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest message of a failed rank.
const MESSAGE_BYTES: usize = 4096;

/// What a team needs of a message-passing library. Every rank calls the same functions in the same order.
trait Ranks {
    /// This process among [`Ranks::size`].
    fn rank(&self) -> usize;
    /// Number of processes.
    fn size(&self) -> usize;
    /// The machine, as people know it.
    fn host(&self) -> String;
    /// Waits without burning a processor until every rank has called this, or until `give_up`; whether all came.
    fn meet(&self, give_up: &mut dyn FnMut() -> bool) -> bool;
    /// Two numbers from every rank, in the order of ranks.
    fn gather(&self, words: [u64; 2]) -> Vec<[u64; 2]>;
    /// Overwrites everyone's bytes, equally many, by those of one rank.
    fn broadcast(&self, from: usize, bytes: &mut [u8]);
    /// Adds the parts of all ranks into the total of rank 0.
    fn add(&self, parts: Parts<'_>);
    /// Leaves together with the others. Dropped without that, it leaves the connection as it is: the process ends, and
    /// whatever started the ranks sees that one is missing.
    fn finish(self: Box<Self>);
}

/// This process and those that it trains with.
pub struct Team {
    ranks: Option<Box<dyn Ranks>>,
    /// Whether the ranks have agreed to do nothing together any more.
    over: Cell<bool>,
    /// Whether a rank did not come.
    broken: Cell<bool>,
}

/// A rank's part in a vote.
enum Say {
    /// Goes on; a number that is added up.
    Ready(u64),
    /// Has nothing more to do.
    Done,
    /// Was asked to stop.
    Interrupted,
    /// Cannot go on, and why.
    Failed(String),
}

impl Team {
    /// No others.
    #[must_use]
    pub fn alone() -> Self {
        Self { ranks: None, over: Cell::new(false), broken: Cell::new(false) }
    }

    /// The team in which this process was started: by `mpirun`, or else alone. Once in a process.
    ///
    /// # Errors
    /// [`Error::NoMessagePassing`] if others were started with it, and this program was built without MPI, or it
    /// cannot be set up.
    pub fn join() -> Result<Self, Error> {
        let number = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok();
        let size = number("OMPI_COMM_WORLD_SIZE").or_else(|| number("PMI_SIZE")).unwrap_or(1);
        #[cfg(feature = "mpi")]
        if size > 1 || std::env::var_os("PMIX_RANK").is_some() {
            let ranks: Box<dyn Ranks> = Box::new(mpi::World::join().ok_or(Error::NoMessagePassing { size })?);
            return Ok(Self { ranks: Some(ranks), ..Self::alone() });
        }
        if size > 1 {
            return Err(Error::NoMessagePassing { size });
        }
        Ok(Self::alone())
    }

    /// Number of ranks.
    #[must_use]
    pub fn size(&self) -> usize {
        self.ranks.as_ref().map_or(1, |ranks| ranks.size())
    }

    /// Whether this is the rank that draws, writes and speaks.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.ranks.as_ref().is_none_or(|ranks| ranks.rank() == 0)
    }

    /// The lead's bytes, in every rank; what another rank gives is not looked at.
    ///
    /// # Errors
    /// Why the team stopped: [`Error::Rank`], [`Error::Left`], an interruption.
    pub fn share(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.try_share(bytes)?.ok_or(Error::Left)
    }

    /// Whether a rank did not come when it was waited for: the team cannot do anything any more.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// Lead: every rank has the same base, data and settings.
    pub(super) fn compare(&self, request: &Request<'_>) -> Result<(), Error> {
        if self.ranks.is_some() {
            self.share(Task::comparison(request)?.to_bytes())?;
            self.vote(Say::Ready(0))?.ok_or(Error::Left)?;
        }
        Ok(())
    }

    /// Lead: gives every rank its units of a batch and the parameters to take gradients at; the lead's own units.
    pub(super) fn hand_out(&self, batch: &[usize], corpus: &Corpus, lora: &Lora) -> Result<Vec<usize>, Error> {
        if self.ranks.is_none() {
            return Ok(batch.to_vec());
        }
        let task = Task::step(batch, corpus, self.size(), &lora.parameters);
        self.share(task.to_bytes())?;
        Ok(task.units_of(0))
    }

    /// Adds the parts of all ranks: in the lead the sum of the logical batch, and what `amount` comes to in all.
    pub(super) fn join_parts(&self, part: ClippedSum, amount: u64) -> Result<(ClippedSum, u64), Error> {
        let Some(ranks) = &self.ranks else { return Ok((part, amount)) };
        let amount = self.vote(Say::Ready(amount))?.ok_or(Error::Left)?;
        let sum = part.across_processes(|parts| {
            ranks.add(parts);
            Ok::<(), Error>(())
        })?;
        Ok((sum, amount))
    }

    /// Not the lead: what is next; nothing if the lead has left.
    fn receive(&self) -> Result<Option<Task>, Error> {
        self.try_share(Vec::new())?.map(|bytes| Task::from_bytes(&bytes)).transpose()
    }

    /// Leaves the team with the outcome of the work, unless it is over already. Whether the others know how it ended:
    /// then they need not be told by an exit code, and only the lead's counts.
    #[must_use]
    pub fn leave<T, E: Display>(self, outcome: &Result<T, E>) -> bool {
        let _ = self.vote(match outcome {
            Ok(_) => Say::Done,
            Err(_) if interrupt::requested() => Say::Interrupted,
            Err(error) => Say::Failed(format!("{error:#}")),
        });
        let known = !self.broken.get();
        if let Some(ranks) = self.ranks.filter(|_| known) {
            ranks.finish();
        }
        known
    }

    fn try_share(&self, mut bytes: Vec<u8>) -> Result<Option<Vec<u8>>, Error> {
        let Some(ranks) = &self.ranks else { return Ok(Some(bytes)) };
        let length = if self.leads() { bytes.len() as u64 } else { 0 };
        let Some(length) = self.vote(Say::Ready(length))? else { return Ok(None) };
        bytes.resize(length as usize, 0);
        ranks.broadcast(0, &mut bytes);
        Ok(Some(bytes))
    }

    /// The sum of the numbers of all ranks, if all are ready; nothing if one is done. The first bad news of any rank
    /// is everyone's, and the last thing the team does together.
    fn vote(&self, say: Say) -> Result<Option<u64>, Error> {
        let Some(ranks) = self.ranks.as_ref().filter(|_| !self.over.get()) else { return Ok(None) };
        let patience = if self.leads() { LEAD_PATIENCE } else { PATIENCE };
        let mut asked = None;
        let mut give_up = || interrupt::requested() && asked.get_or_insert_with(Instant::now).elapsed() > patience;
        if !ranks.meet(&mut give_up) {
            self.over.set(true);
            self.broken.set(true);
            return Err(crate::Error::Interrupted.into());
        }
        let (word, number, message) = match say {
            Say::Ready(number) => (READY, number, None),
            Say::Done => (DONE, 0, None),
            Say::Interrupted => (INTERRUPTED, 0, None),
            Say::Failed(message) => {
                let message = format!("on {}: {message}", ranks.host());
                let bytes = message.into_bytes().into_iter().take(MESSAGE_BYTES).collect::<Vec<u8>>();
                (FAILED, bytes.len() as u64, Some(bytes))
            }
        };
        let words = ranks.gather([word, number]);
        let worst = words.iter().map(|&[word, _]| word).max().unwrap_or(READY);
        self.over.set(worst != READY);
        match worst {
            READY => Ok(Some(words.iter().map(|&[_, number]| number).sum())),
            DONE => Ok(None),
            INTERRUPTED => Err(crate::Error::Interrupted.into()),
            _ => {
                let rank = words.iter().position(|&[word, _]| word == FAILED).unwrap_or(0);
                let mut text = message.filter(|_| rank == ranks.rank()).unwrap_or_default();
                text.resize(words[rank][1] as usize, 0);
                ranks.broadcast(rank, &mut text);
                Err(Error::Rank { rank, message: String::from_utf8_lossy(&text).into_owned() })
            }
        }
    }
}

/// The words of a vote, the weightier the larger.
const READY: u64 = 0;
const DONE: u64 = 1;
const INTERRUPTED: u64 = 2;
const FAILED: u64 = 3;
