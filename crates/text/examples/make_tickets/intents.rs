//! The shape of an intent: what a customer asks, in which words, and the plan that answers it.
//!
//! Slots: `{d}` the detail as the customer puts it, `{a}` the same detail in the answer, `{w}` when, which follows
//! from the tone. Invariant: no person, no place and no identifier in any phrase or step; the held-out phrasings and
//! details occur in the evaluation only.

use crate::identifiers::Kind;
use crate::intents_account::ACCOUNT;
use crate::intents_energy::ENERGY;
use crate::intents_line::LINE;

/// One intent.
pub(crate) struct Intent {
    /// Stands in the reference line.
    pub(crate) code: &'static str,
    /// Personal data that customers tend to give with it.
    pub(crate) likes: &'static [Kind],
    /// The request, for the tickets.
    pub(crate) phrasings: [&'static str; 8],
    /// The request, for the evaluation.
    pub(crate) held_out: [&'static str; 3],
    /// Pairs of `{d}` and `{a}`, for the tickets.
    pub(crate) details: &'static [(&'static str, &'static str)],
    /// Pairs of `{d}` and `{a}`, for the evaluation.
    pub(crate) held_out_details: &'static [(&'static str, &'static str)],
    /// The numbered plan.
    pub(crate) steps: &'static [&'static str],
}

/// All intents.
pub(crate) fn all() -> Vec<&'static Intent> {
    LINE.iter().chain(ENERGY).chain(ACCOUNT).collect()
}

/// A second exchange that fits every intent.
pub(crate) struct FollowUp {
    /// The second message of the customer, for the tickets.
    pub(crate) phrasings: [&'static str; 5],
    /// The second message of the customer, for the evaluation.
    pub(crate) held_out: [&'static str; 2],
    /// The numbered plan.
    pub(crate) steps: &'static [&'static str],
}

/// All second exchanges.
pub(crate) const FOLLOW_UPS: &[FollowUp] = &[
    FollowUp {
        phrasings: [
            "I tried that and nothing changed.",
            "Still the same problem, sorry.",
            "That did not help at all.",
            "Done as you said, no difference.",
            "It came back after an hour.",
        ],
        held_out: ["Your plan had no effect.", "Sadly it is as bad as before."],
        steps: &["We pass the case to the bridge {w}.", "You need to do nothing more."],
    },
    FollowUp {
        phrasings: [
            "When will I hear from you?",
            "How long does that take?",
            "And what date should I expect?",
            "Can you give me a time?",
            "How soon will it be finished?",
        ],
        held_out: ["By when will this be done?", "What is the deadline on your side?"],
        steps: &["We write to you {w}.", "You can follow the case in the app."],
    },
    FollowUp {
        phrasings: [
            "It works now, thank you!",
            "Great, all solved.",
            "Perfect, that was it.",
            "Problem gone, well done.",
            "Good news, it is fixed.",
        ],
        held_out: ["Everything is fine again.", "That solved it, lovely."],
        steps: &["We close the case {w}.", "You can reopen it with the reference."],
    },
    FollowUp {
        phrasings: [
            "On second thought, please stop the request.",
            "I changed my mind, leave it as it is.",
            "Please drop this, I don't need it now.",
            "Forget it, cancel what I asked.",
            "Sorry, ignore my request.",
        ],
        held_out: ["Let us not do this after all.", "Withdraw my request, please."],
        steps: &["We stop the request {w}.", "You keep everything as it was."],
    },
    FollowUp {
        phrasings: [
            "Will that cost me anything?",
            "Is there a fee for this?",
            "What do you charge for that?",
            "Do I have to pay for it?",
            "How much will this be?",
        ],
        held_out: ["Is it free of charge?", "What will you bill me for it?"],
        steps: &["We charge nothing for this.", "You see it as 0.00 on the next bill."],
    },
    FollowUp {
        phrasings: [
            "I would rather talk to a person.",
            "Can somebody call me about this?",
            "Please let me speak to a human.",
            "I don't like writing, please ring me.",
            "Could a colleague phone me?",
        ],
        held_out: ["May I speak with someone?", "A real conversation would be easier."],
        steps: &["We call you from the bridge {w}.", "You keep the reference at hand."],
    },
];
