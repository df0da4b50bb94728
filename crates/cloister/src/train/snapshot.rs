//! Snapshots of an unfinished run: parameters, optimiser state, step, losses on public records, and the lease.
//!
//! Before the first gradient of a block of steps, the snapshot says durably that the block is spent. What a killed run
//! leaves behind therefore never counts fewer steps than were run; steps that were leased and are not in the snapshot
//! are lost, never run again.
//!
//! Invariants: a snapshot is taken between two steps only, so everything in it is covered by the epsilon spent so far;
//! it never holds a random key, an un-noised sum or a record; it appears whole or not at all. It goes on only with the
//! settings, base and data that it was made with (the data by a keyed commitment), and in one process at a time.

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use cloister_dp::{Optimizer, OptimizerState};
use cloister_model::Lora;
use serde_json::{Map, Value, json};

use super::adapter::{TRAINED, WAITING};
use super::corpus::commitment;
use super::evaluate::Loss;
use super::state::{Identity, State};
use super::step::Trainer;
use super::terms::{Keeper, Terms};
use super::{Error, Request};
use crate::files::{Keep, WholeFile, create_private_folder, hex, sync_folder};

const STATE: &str = "state";
const LOCK: &str = "lock";

/// Where the snapshot of one run lies. While this lives, no other process has it.
pub(super) struct Snapshots<'a> {
    folder: PathBuf,
    identity: Identity,
    keeper: &'a dyn Keeper,
    _lock: File,
}

/// What a run goes on from.
pub(super) struct Saved {
    /// Steps of the plan that are spent.
    pub(super) step: u64,
    pub(super) left_in_pass: Option<Vec<u32>>,
    pub(super) parameters: Vec<f32>,
    pub(super) optimizer: OptimizerState,
    pub(super) losses: Vec<(u64, Loss)>,
}

/// Whether a snapshot lies in a folder. A folder without one is what a run leaves that was killed before it began.
#[must_use]
pub fn snapshot_in(folder: &Path) -> bool {
    folder.join(STATE).exists()
}

/// Removes what a run leaves in the folder that was killed before it began. Not while another process has it.
///
/// # Errors
/// [`Error::SnapshotInUse`], [`Error::File`].
pub fn clear_place(folder: &Path) -> Result<(), Error> {
    if folder.exists() && !snapshot_in(folder) {
        let _lock = lock(folder)?;
        clear(folder);
    }
    Ok(())
}

/// Removes the snapshot of a run that is over. One that cannot be removed is in the way of the next run, which says so.
pub fn remove_snapshot(folder: &Path) {
    let _ = std::fs::remove_file(folder.join(STATE));
    clear(folder);
}

impl<'a> Snapshots<'a> {
    /// Takes the folder, and the state to go on from, if `resume`; it must be there then, and must not be there otherwise.
    pub(super) fn open(request: &Request<'_>, terms: &Terms<'a>) -> Result<(Self, Option<Saved>), Error> {
        let folder = request.snapshot.clone();
        match (request.resume, snapshot_in(&folder)) {
            (false, true) => return Err(Error::SnapshotExists { path: folder }),
            (true, false) => return Err(Error::NoSnapshot { path: folder }),
            _ => {}
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| cloister_dp::Error::Randomness(error.to_string()))?;
        let identity = Identity {
            settings: settings(request),
            base: request.ready.base.identity.sha256.clone(),
            key: hex(&key),
            data: commitment(&key, &request.corpus.examples, &request.corpus.units),
            evaluation: request.evaluation.map(|examples| commitment(&key, examples, &[])),
        };
        let lock = if terms.folder_stands { lock_inside(&folder) } else { lock(&folder) }?;
        let snapshots = Self { folder, identity, keeper: terms.keeper, _lock: lock };
        let saved = if request.resume { Some(snapshots.load(request)?) } else { None };
        Ok((snapshots, saved))
    }

    /// Its folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes the state durably, with all steps up to `leased` counted as spent.
    pub(super) fn save(&self, trainer: &Trainer<'_>, losses: &[(u64, Loss)], leased: u64) -> Result<(), Error> {
        let state = State::new(
            self.identity.clone(),
            (trainer.spent(), leased),
            losses.iter().map(|(step, loss)| (*step, loss.nats_per_token, loss.tokens)).collect(),
            trainer.lora().parameters.clone(),
            trainer.optimizer().state().clone(),
            trainer.left_in_pass(),
        );
        let path = self.folder.join(STATE);
        let bytes = state.to_bytes().map_err(|error| crate::Error::write(&path)(error.into()))?;
        let bytes = self.keeper.keep(bytes)?;
        let mut file = WholeFile::create(&path, Keep::PrivateReplacing)?;
        file.write_all(&bytes).map_err(crate::Error::write(&path))?;
        Ok(file.commit()?)
    }

    fn load(&self, request: &Request<'_>) -> Result<Saved, Error> {
        let path = self.folder.join(STATE);
        let bytes = std::fs::read(&path).map_err(crate::Error::read(&path))?;
        let bytes = self.keeper.open(bytes).map_err(|problem| self.damaged(&problem))?;
        let state = State::from_bytes(&bytes).map_err(|problem| self.damaged(&problem))?;
        let identity = &state.header.identity;
        let key = parse_key(&identity.key).ok_or_else(|| self.damaged("its key is not one"))?;
        let data = commitment(&key, &request.corpus.examples, &request.corpus.units);
        let evaluation = request.evaluation.map(|examples| commitment(&key, examples, &[]));
        // Other data often means another number of units: the cause is named before its consequence.
        for (what, same) in [
            ("base", identity.base == self.identity.base),
            ("data set", identity.data == data),
            ("evaluation file", identity.evaluation == evaluation),
        ] {
            if !same {
                return Err(Error::OtherRun { what: what.into() });
            }
        }
        if let Some(what) = first_difference(&identity.settings, &self.identity.settings) {
            return Err(Error::OtherRun { what });
        }
        self.check(request, &state)?;
        let State { header, parameters, optimizer } = state;
        let loss = |(step, nats_per_token, tokens)| (step, Loss { nats_per_token, tokens });
        let losses = header.losses.into_iter().map(loss).collect();
        Ok(Saved { step: header.leased, left_in_pass: header.left_in_pass, parameters, optimizer, losses })
    }

    /// What a step relies on: sizes, finite numbers, and steps that are left or just done.
    fn check(&self, request: &Request<'_>, state: &State) -> Result<(), Error> {
        let expected = Lora::zeros(request.ready.decoder.config(), request.recipe.lora.clone()).parameters.len();
        let OptimizerState { step: applied, first, second } = &state.optimizer;
        let mut values = state.parameters.iter().chain(first).chain(second);
        if state.parameters.len() != expected || !values.all(|value| value.is_finite()) {
            return Err(self.damaged("its parameters do not fit"));
        }
        if ![*applied, state.header.step, state.header.leased, request.built.steps()].is_sorted() {
            return Err(self.damaged("its steps are out of range"));
        }
        Optimizer::new(request.recipe.optimizer, expected)?
            .restore(state.optimizer.clone())
            .map_err(|_| self.damaged("its optimiser does not fit"))
    }

    fn damaged(&self, problem: &str) -> Error {
        Error::DamagedSnapshot { path: self.folder.clone(), problem: problem.into() }
    }
}

/// A folder without a state is of use to nobody.
impl Drop for Snapshots<'_> {
    fn drop(&mut self) {
        if !snapshot_in(&self.folder) {
            clear(&self.folder);
        }
    }
}

fn clear(folder: &Path) {
    sweep(folder);
    let _ = std::fs::remove_file(folder.join(LOCK));
    let _ = std::fs::remove_dir(folder);
}

/// Removes what a killed process was about to write.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        let _ = match () {
            () if name.starts_with(".cloister-") => std::fs::remove_file(path),
            () if name.starts_with(".adapter-") || name == WAITING || name == TRAINED => std::fs::remove_dir_all(path),
            () => Ok(()),
        };
    }
}

/// Whether a name in the folder is one that a run gives.
fn is_ours(name: &str) -> bool {
    name == STATE
        || name == LOCK
        || name == WAITING
        || name == TRAINED
        || [".cloister-", ".adapter-"].iter().any(|own| name.starts_with(own))
}

/// What is not a snapshot's stays untouched: a link, a file, or a folder with anything else in it. A run locks its folder
/// first and writes then, so one without a lock or a state is nobody's snapshot.
fn refuse_foreign(folder: &Path) -> Result<(), Error> {
    let refused = |problem| Err(Error::NotASnapshot { path: folder.into(), problem });
    match std::fs::symlink_metadata(folder) {
        Ok(found) if found.is_symlink() => return refused("a link"),
        Ok(found) if !found.is_dir() => return refused("a file"),
        Ok(_) => {}
        Err(_) => return Ok(()),
    }
    let (mut any, mut marked) = (false, false);
    for entry in std::fs::read_dir(folder).map_err(crate::Error::read(folder))?.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if link || !is_ours(&name) {
            return refused("a folder with other things in it");
        }
        any = true;
        marked |= name == LOCK || name == STATE;
    }
    if any && !marked { refused("a folder with other things in it") } else { Ok(()) }
}

/// Makes the folder this process's own until it ends, however it ends, and clears what a killed write left there. Two
/// processes that went on from one snapshot would spend the same steps twice.
fn lock(folder: &Path) -> Result<File, Error> {
    make_place(folder)?;
    lock_inside(folder)
}

/// Makes the folder of a snapshot, durably, so that another process finds it. What is somebody else's stays as it is.
pub(super) fn make_place(folder: &Path) -> Result<(), Error> {
    refuse_foreign(folder)?;
    create_private_folder(folder)?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(sync_folder(parent).map_err(crate::Error::write(folder))?)
}

/// The lock of a folder that stands.
fn lock_inside(folder: &Path) -> Result<File, Error> {
    refuse_foreign(folder)?;
    let path = folder.join(LOCK);
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.create(true).truncate(false).write(true).open(&path).map_err(crate::Error::write(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::SnapshotInUse { path: folder.into() }),
        // Some network file systems know no locks.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => return Err(crate::Error::write(&path)(error).into()),
    }
    sweep(folder);
    Ok(file)
}

/// The plan as it was asked for, and the recipe, under the names of the settings.
pub(super) fn settings(request: &Request<'_>) -> Map<String, Value> {
    let Request { plan, recipe, .. } = request;
    let value = json!({
        "unit": plan.unit, "number of units": plan.units, "batch": plan.sampling, "number of steps": plan.steps, "clip norm": plan.clip_norm,
        "budget": plan.noise, "delta": plan.delta, "unit cap": plan.unit_cap, "learning rate": recipe.learning_rate,
        "schedule": recipe.schedule.decay.to_string(), "warm-up": recipe.schedule.warmup_steps,
        "targets": recipe.lora.targets.iter().map(|target| target.module()).collect::<Vec<_>>(),
        "protection": request.protection, "base precision": request.ready.precision.to_string(), "rank": recipe.lora.rank, "alpha": recipe.lora.alpha, "optimiser": format!("{:?}", recipe.optimizer),
    });
    match value {
        Value::Object(settings) => settings,
        _ => Map::new(),
    }
}

/// The first setting that is not the same, with both values where they are short.
fn first_difference(then: &Map<String, Value>, now: &Map<String, Value>) -> Option<String> {
    let name = now.keys().chain(then.keys()).find(|&name| then.get(name) != now.get(name))?;
    match (then.get(name), now.get(name)) {
        (Some(then), Some(now)) if !then.is_object() => Some(format!("{name} ({then}, now {now})")),
        _ => Some(name.clone()),
    }
}

fn parse_key(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(key)
}
