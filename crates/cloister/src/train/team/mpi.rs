//! The ranks of `MPI_COMM_WORLD`. Only the thread that joined calls the library.
//!
//! Source: MPI standard 3.1, chapters 5 (collective communication) and 8.7 (startup).

use std::time::Duration;

use cloister_dp::Parts;
use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator as _, CommunicatorCollectives as _, Root as _};

use super::Ranks;

/// Between two looks at whether everyone has come.
const SHORTEST_PAUSE: Duration = Duration::from_micros(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

pub(super) struct World {
    /// Finalised by [`Ranks::finish`] only: elsewhere that would wait for ranks that never come.
    universe: std::mem::ManuallyDrop<Universe>,
    world: SimpleCommunicator,
}

impl World {
    /// Sets the library up; nothing if it was set up before.
    pub(super) fn join() -> Option<Self> {
        let (universe, _) = mpi::initialize_with_threading(Threading::Funneled)?;
        let world = universe.world();
        Some(Self { universe: std::mem::ManuallyDrop::new(universe), world })
    }
}

impl Ranks for World {
    fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    fn size(&self) -> usize {
        self.world.size() as usize
    }

    fn host(&self) -> String {
        mpi::environment::processor_name().unwrap_or_else(|_| "an unnamed host".into())
    }

    fn meet(&self, give_up: &mut dyn FnMut() -> bool) -> bool {
        let mut barrier = self.world.immediate_barrier();
        let mut pause = SHORTEST_PAUSE;
        loop {
            match barrier.test() {
                Ok(_) => return true,
                Err(pending) if give_up() => {
                    std::mem::forget(pending); // it owns no buffer, and the process ends soon
                    return false;
                }
                Err(pending) => barrier = pending,
            }
            std::thread::sleep(pause);
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    fn gather(&self, words: [u64; 2]) -> Vec<[u64; 2]> {
        let mut all = vec![0; 2 * self.size()];
        self.world.all_gather_into(&words[..], &mut all[..]);
        all.chunks_exact(2).map(|words| [words[0], words[1]]).collect()
    }

    fn broadcast(&self, from: usize, bytes: &mut [u8]) {
        self.world.process_at_rank(from as i32).broadcast_into(bytes);
    }

    fn add(&self, parts: Parts<'_>) {
        let lead = self.world.process_at_rank(0);
        let sum = SystemOperation::sum();
        match (parts, self.rank()) {
            (Parts::Grid { part, total }, 0) => lead.reduce_into_root(part, total, sum),
            (Parts::Grid { part, .. }, _) => lead.reduce_into(part, sum),
            (Parts::Plain { part, total }, 0) => lead.reduce_into_root(part, total, sum),
            (Parts::Plain { part, .. }, _) => lead.reduce_into(part, sum),
        }
    }

    fn finish(self: Box<Self>) {
        drop(std::mem::ManuallyDrop::into_inner(self.universe));
    }
}
