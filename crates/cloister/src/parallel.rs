//! The same work on many items, on all cores, with the results in the items' order.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Processors that this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// `work` on every item; results stand in the order of the items.
///
/// Items are handed out one by one, so uneven ones do not leave a core idle.
pub fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = cores().min(items.len());
    if cores <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let mut mine = Vec::new();
                while let Some((index, item)) = take(&next, items) {
                    mine.push((index, work(item)));
                }
                done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).append(&mut mine);
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

fn take<'a, T>(next: &AtomicUsize, items: &'a [T]) -> Option<(usize, &'a T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    items.get(index).map(|item| (index, item))
}

/// `work` on whatever `next` gives, on so many threads; `sink` gets the results in the order of the items, on this thread.
///
/// Few items are under way at a time, so what is held does not grow with their number.
///
/// # Errors
/// The first of `sink`; what is under way then is given up.
pub fn pipeline<T: Send, R: Send, E>(
    threads: usize,
    mut next: impl FnMut() -> Option<T> + Send,
    work: impl Fn(T) -> R + Sync,
    mut sink: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    if threads <= 1 {
        while let Some(item) = next() {
            sink(work(item))?;
        }
        return Ok(());
    }
    let line =
        Line { state: Mutex::new(State { done: BTreeMap::new(), wanted: 0, working: threads }), moved: Condvar::new() };
    let intake = Mutex::new((0_u64, next));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                // Also after a panic in `work`, so that nobody waits for this thread.
                let _leaving = Leaving(&line);
                loop {
                    let (number, item) = {
                        let mut intake = intake.lock().unwrap_or_else(PoisonError::into_inner);
                        let (count, next) = &mut *intake;
                        let Some(item) = next() else { return };
                        *count += 1;
                        (*count - 1, item)
                    };
                    if !line.has_room(number, 4 * threads as u64) {
                        return;
                    }
                    let result = work(item);
                    line.lock().done.insert(number, result);
                    line.moved.notify_all();
                }
            });
        }
        let closing = Closing(&line);
        while let Some(result) = line.take() {
            sink(result)?;
        }
        drop(closing);
        Ok(())
    })
}

/// Results on their way to the sink.
struct Line<R> {
    state: Mutex<State<R>>,
    moved: Condvar,
}

struct State<R> {
    done: BTreeMap<u64, R>,
    /// The number that the sink waits for; [`CLOSED`] when it takes no more.
    wanted: u64,
    working: usize,
}

const CLOSED: u64 = u64::MAX;

impl<R> Line<R> {
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until an item is near enough to the one that the sink waits for; false if no more are taken.
    fn has_room(&self, number: u64, ahead: u64) -> bool {
        let mut state = self.lock();
        while state.wanted != CLOSED && number >= state.wanted + ahead {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.wanted != CLOSED
    }

    /// The next result in order; nothing when nobody works any more.
    fn take(&self) -> Option<R> {
        let mut state = self.lock();
        loop {
            let wanted = state.wanted;
            if let Some(result) = state.done.remove(&wanted) {
                state.wanted += 1;
                self.moved.notify_all();
                return Some(result);
            }
            if state.working == 0 || wanted == CLOSED {
                return None;
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self) {
        self.lock().wanted = CLOSED;
        self.moved.notify_all();
    }
}

/// Counts a thread out.
struct Leaving<'a, R>(&'a Line<R>);

impl<R> Drop for Leaving<'_, R> {
    fn drop(&mut self) {
        self.0.lock().working -= 1;
        if thread::panicking() {
            self.0.close();
        }
        self.0.moved.notify_all();
    }
}

/// Lets nobody wait for a sink that is gone.
struct Closing<'a, R>(&'a Line<R>);

impl<R> Drop for Closing<'_, R> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_keeps_the_order_and_runs_only_a_little_ahead() {
        for threads in [1, 2, 5] {
            let mut given = 0_u64;
            let sunk = AtomicUsize::new(0);
            let mut results = Vec::new();
            let next = || {
                given += 1;
                let ahead = given as usize - sunk.load(Ordering::SeqCst);
                assert!(ahead <= 6 * threads + 2, "{ahead} items are under way");
                (given <= 500).then_some(given)
            };
            let work = |item: u64| (0..(item % 7) * 1000).fold(item, |sum, _| std::hint::black_box(sum));
            let done: Result<(), ()> = pipeline(threads, next, work, |result| {
                results.push(result);
                sunk.fetch_add(1, Ordering::SeqCst);
                Ok(())
            });
            assert!(done.is_ok());
            assert_eq!(results, (1..=500).collect::<Vec<u64>>());
        }
    }

    #[test]
    fn a_pipeline_ends_with_its_sink() {
        for threads in [1, 3] {
            let mut taken = 0;
            let ended = pipeline(
                threads,
                || Some(1),
                |item: u64| item,
                |_| {
                    taken += 1;
                    if taken == 10 { Err("full") } else { Ok(()) }
                },
            );
            assert_eq!((ended, taken), (Err("full"), 10));
        }
    }

    #[test]
    #[should_panic(expected = "scoped thread panicked")]
    fn a_panic_in_the_work_ends_a_pipeline() {
        let mut items = 0..1000;
        let work = |item: u64| assert!(item != 7, "the work breaks");
        let _: Result<(), ()> = pipeline(2, || items.next(), work, |()| Ok(()));
    }

    #[test]
    fn order_is_kept() {
        let items: Vec<u64> = (0..1000).collect();
        // Early items take longest, so that a later one finishes first.
        let results = map(&items, |item| (0..(1000 - item) * 10).fold(*item, |sum, _| std::hint::black_box(sum)));
        assert_eq!(results, items);
        assert!(map(&[] as &[u8], |item| *item).is_empty());
    }
}
