//! `cloister trainer`: the process that `train --sandbox` and projects start. It speaks with whoever started it, over its
//! standard input and output, and with nobody else.

use std::error::Error as _;
use std::io;
use std::panic;
use std::sync::{Arc, Mutex, PoisonError};

use super::Exit;
use super::console::Console;
use super::hint;
use crate::train::Error;
use crate::train::child::{Told, serve, serve_defect};

/// Arguments of `trainer`.
#[derive(clap::Args)]
pub(super) struct Args {}

impl Args {
    pub(super) fn run(self, _: &Console) -> anyhow::Result<Exit> {
        let place = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&place);
        // the message of a panic can quote a record; its place cannot
        panic::set_hook(Box::new(move |panic| {
            let at =
                panic.location().map_or_else(|| "an unknown place".into(), |at| format!("{}:{}", at.file(), at.line()));
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = at;
        }));
        match panic::catch_unwind(|| serve(io::stdin(), io::stdout(), &tell)) {
            Ok(served) => served?,
            Err(_) => {
                let at = place.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let message = format!(
                    "a defect of this program at {at}; its message is not shown, for it can hold text of a record"
                );
                let hint = Some("report this place, and leave the record out until it is mended".into());
                serve_defect(io::stdout(), Told { message, exit: Exit::Failed as u8, hint })?;
                return Ok(Exit::Failed);
            }
        }
        Ok(Exit::Passed)
    }
}

/// An error in words, as it would be told here.
fn tell(error: &Error) -> Told {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let told = inner.to_string();
        if !message.ends_with(&told) {
            message = format!("{message}: {told}");
        }
        cause = inner.source();
    }
    let advice = hint::training(error);
    Told { message, exit: advice.exit as u8, hint: advice.hint }
}
