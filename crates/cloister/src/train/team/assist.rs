//! What a rank does that does not lead: clipped sums of the units it is handed, until the lead leaves.
//!
//! Invariant: it has no sampler, no noise, no optimiser, and writes nothing.

use cloister_model::{Lora, Workspace};

use super::task::{Task, facts};
use super::{Say, Team};
use crate::train::step::clipped_sum;
use crate::train::{Error, Request};

/// Takes part in a run that rank 0 of the team [leads](crate::train::train), to its end.
///
/// # Errors
/// [`Error::Differs`] if this rank was started with something else than the lead; an interruption; whatever stops a
/// step here or in another rank. The caller tells the team with [`Team::leave`].
pub fn assist(request: &Request<'_>, team: &Team) -> Result<(), Error> {
    let rank = team.ranks.as_ref().map_or(0, |ranks| ranks.rank());
    let mut lora = Lora::zeros(request.ready.decoder.config(), request.recipe.lora.clone());
    let (mut workspace, mut gradients) = (Workspace::new(request.recipe.passes.activations), Vec::new());
    while let Some(task) = team.receive()? {
        let units = task.units_of(rank);
        match task {
            Task::Compare { key, facts: theirs } => {
                differ(&theirs, &facts(request, &key))?;
                team.vote(Say::Ready(0))?;
            }
            Task::Step { parameters, .. } => {
                if parameters.len() != lora.parameters.len() || units.iter().any(|&u| u >= request.corpus.units.len()) {
                    return Err(Error::Garbled);
                }
                lora.parameters = parameters;
                let (part, tokens) = clipped_sum(request, &lora, &units, &mut workspace, &mut gradients)?;
                team.join_parts(part, tokens)?;
            }
        }
    }
    Ok(())
}

/// The first thing that is not the same.
fn differ(theirs: &[(String, String)], ours: &[(String, String)]) -> Result<(), Error> {
    let other = ours.iter().zip(theirs).find(|(ours, theirs)| ours != theirs);
    let Some((ours, theirs)) = other else {
        return if ours.len() == theirs.len() {
            Ok(())
        } else {
            Err(Error::Differs { what: "number of settings".into() })
        };
    };
    let short = ours.1.len().max(theirs.1.len()) < 20;
    let what = if short { format!("{} ({}, there {})", ours.0, ours.1, theirs.1) } else { ours.0.clone() };
    Err(Error::Differs { what })
}
