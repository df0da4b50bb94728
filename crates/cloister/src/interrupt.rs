//! Ctrl-C, or the signal with which schedulers end a job, as a question that long work asks between two steps.
//!
//! Invariant: the first Ctrl-C only raises a flag, so that work can stop where its files are whole;
//! a second one ends the process at once, with the same exit code.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Error;

static REQUESTED: AtomicBool = AtomicBool::new(false);
static WATCH: Once = Once::new();

/// Turns Ctrl-C and SIGTERM into a flag from here on. Verbs that never ask should not call this: they just end.
pub fn watch() {
    WATCH.call_once(|| {
        // Without a handler Ctrl-C still ends the process, only less gently: not a reason to refuse the work.
        let _ = ctrlc::set_handler(|| {
            if REQUESTED.swap(true, Ordering::SeqCst) {
                end_now();
            }
        });
    });
}

/// Asks to stop as the user would: for a process that is told so by another.
pub fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// Whether the user asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// [`Error::Interrupted`] if the user asked to stop.
pub fn check() -> Result<(), Error> {
    if requested() { Err(Error::Interrupted) } else { Ok(()) }
}

#[allow(clippy::exit, reason = "the user insists: a handler has no caller to return to")]
fn end_now() -> ! {
    std::process::exit(130)
}
