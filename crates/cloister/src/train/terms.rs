//! What holds a run besides its plan: who counts its steps before they are made, and how its snapshot lies on the disk.
//!
//! Invariant: a block of steps begins only when it was leased, and a lease is counted by whoever gives it before it is given.
//! From file to file the snapshot itself is the account; in a project the privacy ledger is.

use cloister_vault::sealed::{Context, Kek, Kind, ObjectReader, ObjectWriter};

use super::Error;

/// Why a lease or a reservation is refused, in the words of whoever refuses.
pub type Reason = Box<dyn std::error::Error + Send + Sync>;

/// Who counts the steps of a run.
pub trait Leases {
    /// The reservation for all steps of the plan stands, and nobody has taken it back. Asked once, before the first record is.
    ///
    /// # Errors
    /// Why it does not.
    fn stands(&mut self) -> Result<(), Reason>;

    /// Counts up to `steps` more steps as spent, durably, and gives how many: from 1 to `steps`. Asked before the first
    /// gradient of each block.
    ///
    /// # Errors
    /// Why there are no more: the run then ends with a snapshot.
    fn lease(&mut self, steps: u64) -> Result<u64, Reason>;
}

/// Gives every lease: the snapshot keeps the account.
pub struct Unmetered;

impl Leases for Unmetered {
    fn stands(&mut self) -> Result<(), Reason> {
        Ok(())
    }

    fn lease(&mut self, steps: u64) -> Result<u64, Reason> {
        Ok(steps)
    }
}

/// How a snapshot lies on the disk.
pub trait Keeper {
    /// The bytes to write for a state.
    ///
    /// # Errors
    /// [`Error::Vault`].
    fn keep(&self, state: Vec<u8>) -> Result<Vec<u8>, Error>;

    /// The state that was kept as these bytes.
    ///
    /// # Errors
    /// What is wrong with them.
    fn open(&self, kept: Vec<u8>) -> Result<Vec<u8>, String>;
}

/// As it is: a snapshot holds noised values.
pub struct Plain;

impl Keeper for Plain {
    fn keep(&self, state: Vec<u8>) -> Result<Vec<u8>, Error> {
        Ok(state)
    }

    fn open(&self, kept: Vec<u8>) -> Result<Vec<u8>, String> {
        Ok(kept)
    }
}

/// As a sealed object, which opens in its place alone.
pub struct Sealed {
    /// What wraps the key of each snapshot.
    pub kek: Kek,
    /// The tenant's id.
    pub tenant: String,
    /// The dataset's id.
    pub dataset: String,
    /// What the snapshot belongs to, such as the id of the run.
    pub version: String,
}

impl Sealed {
    fn place(&self) -> Context<'_> {
        Context { tenant: &self.tenant, dataset: &self.dataset, version: &self.version }
    }
}

impl Keeper for Sealed {
    fn keep(&self, state: Vec<u8>) -> Result<Vec<u8>, Error> {
        let mut writer = ObjectWriter::new(Vec::with_capacity(state.len()), Kind::Snapshot, &self.kek, &self.place())?;
        writer.append(&state)?;
        Ok(writer.finish()?.0)
    }

    fn open(&self, kept: Vec<u8>) -> Result<Vec<u8>, String> {
        let open = || -> cloister_vault::Result<Vec<u8>> {
            let reader = ObjectReader::new(&kept[..], Kind::Snapshot, &self.kek, &self.place())?;
            // never longer than what it was sealed to
            let mut state = vec![0; usize::try_from(reader.length()).unwrap_or(0).min(kept.len())];
            let length = reader.read_at(&mut state, 0)?;
            state.truncate(length);
            Ok(state)
        };
        open().map_err(|error| error.to_string())
    }
}

/// On what terms a run is made.
pub struct Terms<'a> {
    /// Who counts its steps.
    pub leases: &'a mut dyn Leases,
    /// How its snapshot lies on the disk.
    pub keeper: &'a dyn Keeper,
    /// Steps of the plan that whoever gives leases counts as spent already. What the snapshot does not hold of them is lost.
    pub charged: u64,
    /// Whether the folder of the snapshot was made, durably, by somebody else: then nothing outside of it is touched.
    pub folder_stands: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn sealed(kek: Kek) -> Sealed {
        Sealed { kek, tenant: "t".into(), dataset: "d".into(), version: "run 1".into() }
    }

    #[test]
    fn a_sealed_state_comes_back_under_its_key_in_its_place_alone() {
        let key = || Kek::new(cloister_vault::sealed::Id([7; 16]), [9; 32].into());
        let state: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        let kept = sealed(key()).keep(state.clone()).unwrap();
        assert!(kept.windows(64).all(|window| window != &state[..64]));
        assert_eq!(sealed(key()).open(kept.clone()).unwrap(), state);
        let elsewhere = Sealed { version: "run 2".into(), ..sealed(key()) };
        assert!(elsewhere.open(kept.clone()).is_err());
        assert!(sealed(Kek::random().unwrap()).open(kept.clone()).is_err());
        for at in [0, 5, 50, 90, 5_000, kept.len() - 1] {
            let mut changed = kept.clone();
            changed[at] ^= 1;
            assert!(sealed(key()).open(changed).is_err(), "byte {at}");
        }
        assert!(sealed(key()).open(kept[..kept.len() - 1].to_vec()).is_err());
        assert_eq!(sealed(key()).open(sealed(key()).keep(Vec::new()).unwrap()).unwrap(), Vec::<u8>::new());
    }
}
