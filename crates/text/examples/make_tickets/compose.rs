//! One conversation: which personal data it holds, in which words, and the answer in the house style.
//!
//! Invariant: every value of personal data is written by `Writer::value`, which records its span; nothing else
//! writes one. Apart from the added confirmation step the answer follows from the customer's message.

use crate::identifiers::{Kind, api_key, ip, password, url};
use crate::intents::{FOLLOW_UPS, FollowUp, Intent};
use crate::phrases as p;
use crate::prng::Prng;
use crate::subjects::Subject;
use crate::writer::{Message, Slots, Style, Writer};

/// Percentages of messages with 0, 1, 2, 3 and 4 values of personal data.
const VALUE_COUNTS: &[usize] = &[27, 34, 24, 11, 4];
/// How often a kind is given when the intent does not suggest it.
const KIND_WEIGHTS: &[(Kind, usize)] = &[
    (Kind::Name, 34),
    (Kind::Email, 18),
    (Kind::Phone, 16),
    (Kind::City, 9),
    (Kind::Address, 7),
    (Kind::Card, 3),
    (Kind::Iban, 3),
    (Kind::Ip, 3),
    (Kind::Url, 3),
    (Kind::Password, 3),
    (Kind::ApiKey, 2),
    (Kind::Ssn, 9),
];

/// A conversation of a subject about an intent, or, without a subject, one of the evaluation: held-out words and
/// details and no personal data.
pub(crate) fn conversation(rng: &mut Prng, intent: &Intent, subject: Option<&Subject>) -> Result<Vec<Message>, String> {
    let held_out = subject.is_none();
    let details = if held_out { intent.held_out_details } else { intent.details };
    let (detail, answer) = details[rng.below(details.len())];
    let tone = &p::TONES[rng.weighted(p::TONE_WEIGHTS)];
    let values = subject.map(|subject| values(rng, intent, subject)).unwrap_or_default();
    let mut slots = Slots { values, words: vec![("d", detail.to_owned()), ("a", answer.to_owned())] };
    let known = slots.value(Kind::Given).is_some();
    slots.words.extend([
        ("w", tone.when.to_owned()),
        ("code", intent.code.to_owned()),
        ("priority", tone.priority.to_owned()),
    ]);

    let request = rng.pick(if held_out { &intent.held_out[..] } else { &intent.phrasings[..] });
    let mood = rng.pick(if held_out { tone.held_out } else { tone.phrases });
    let mut messages = vec![user(rng, request, mood, &slots, held_out)?];
    messages.push(assistant(rng, p::FIRST_LINE, intent.steps, &slots, known)?);
    if rng.chance(10) {
        let follow_up = &FOLLOW_UPS[rng.below(FOLLOW_UPS.len())];
        messages.push(second_request(rng, follow_up, subject, &mut slots, held_out)?);
        messages.push(assistant(rng, p::SECOND_LINE, follow_up.steps, &slots, known)?);
    }
    Ok(messages)
}

/// The personal data that the first message gives.
fn values(rng: &mut Prng, intent: &Intent, subject: &Subject) -> Vec<(Kind, String)> {
    let count = rng.weighted(VALUE_COUNTS);
    let mut kinds: Vec<Kind> = Vec::new();
    if count > 0 && rng.chance(60) {
        kinds.push(intent.likes[rng.below(intent.likes.len())]);
    }
    let weights: Vec<usize> = KIND_WEIGHTS.iter().map(|(_, weight)| *weight).collect();
    let mut values = Vec::new();
    while values.len() < count {
        let kind = kinds.pop().unwrap_or_else(|| KIND_WEIGHTS[rng.weighted(&weights)].0);
        let known = values.iter().any(|(own, _)| *own == kind);
        let value = match kind {
            Kind::Ip => Some(ip(rng)),
            Kind::Url => Some(url(rng)),
            Kind::ApiKey => Some(api_key(rng)),
            Kind::Password => Some(password(rng)),
            _ => subject.value(kind).map(str::to_owned),
        };
        if let (false, Some(value)) = (known, value) {
            values.push((kind, value));
        }
    }
    if values.iter().any(|(kind, _)| *kind == Kind::Name) {
        if rng.chance(12) {
            values.retain(|(kind, _)| *kind != Kind::Name);
        }
        values.extend(subject.value(Kind::Given).map(|given| (Kind::Given, given.to_owned())));
    }
    values
}

/// The first message of the customer.
fn user(rng: &mut Prng, request: &str, mood: &str, slots: &Slots, held_out: bool) -> Result<Message, String> {
    let mut left: Vec<Kind> = slots.values.iter().map(|(kind, _)| *kind).collect();
    let mut take = |kinds: &[Kind]| {
        let all = kinds.iter().all(|kind| left.contains(kind));
        if all {
            left.retain(|kind| !kinds.contains(kind));
        }
        all
    };
    let (mut opener, mut signature, mut sentences) = ("", "", Vec::new());
    if take(&[Kind::Name, Kind::Given]) {
        if rng.chance(50) && take(&[Kind::City]) {
            opener = rng.pick(p::NAME_CITY_OPENERS);
        } else if rng.chance(35) && take(&[Kind::Phone]) {
            signature = rng.pick(p::NAME_PHONE_SIGNATURES);
        } else if rng.chance(35) && take(&[Kind::Email]) {
            signature = rng.pick(p::NAME_EMAIL_SIGNATURES);
        } else if rng.chance(60) {
            opener = rng.pick(p::NAME_OPENERS);
        } else {
            signature = rng.pick(p::NAME_SIGNATURES);
        }
    } else if take(&[Kind::Given]) {
        opener = rng.pick(p::GIVEN_OPENERS);
    }
    if rng.chance(50) && take(&[Kind::Email, Kind::Phone]) {
        sentences.push(rng.pick(p::EMAIL_PHONE));
    }
    sentences.extend(left.iter().map(|kind| rng.pick(p::sentences(*kind))));
    rng.shuffle(&mut sentences);
    if opener.is_empty() && rng.chance(40) {
        opener = rng.pick(if held_out { p::HELD_OUT_OPENERS } else { p::OPENERS });
    }

    let plain = Style::default();
    let style = Style {
        lower_case: rng.chance(9),
        typos: if rng.chance(14) { rng.between(1, 2) } else { 0 },
        no_full_stop: rng.chance(12),
    };
    let early = if rng.chance(20) { sentences.pop() } else { None };
    let gentle = Style { typos: 0, ..style };
    let mut writer = Writer::default();
    writer.sentence(rng, opener, slots, gentle)?;
    writer.sentence(rng, early.unwrap_or_default(), slots, plain)?;
    writer.sentence(rng, request, slots, style)?;
    let mood_first = rng.chance(60);
    writer.sentence(rng, if mood_first { mood } else { "" }, slots, gentle)?;
    for sentence in sentences {
        writer.sentence(rng, sentence, slots, gentle)?;
    }
    writer.sentence(rng, if mood_first { "" } else { mood }, slots, gentle)?;
    if !signature.is_empty() && rng.chance(50) {
        writer.line_break();
    }
    writer.sentence(rng, signature, slots, plain)?;
    Ok(writer.message("user"))
}

/// The second message of the customer, which may add an e-mail address or a telephone number.
fn second_request(
    rng: &mut Prng,
    follow_up: &FollowUp,
    subject: Option<&Subject>,
    slots: &mut Slots,
    held_out: bool,
) -> Result<Message, String> {
    let style = Style { lower_case: rng.chance(15), typos: usize::from(rng.chance(10)), no_full_stop: rng.chance(10) };
    let mut writer = Writer::default();
    let phrasings = if held_out { &follow_up.held_out[..] } else { &follow_up.phrasings[..] };
    let phrasing = rng.pick(phrasings);
    writer.sentence(rng, phrasing, slots, style)?;
    let kind = if rng.chance(50) { Kind::Email } else { Kind::Phone };
    if let Some(value) = subject.and_then(|subject| subject.value(kind))
        && slots.value(kind).is_none()
        && rng.chance(40)
    {
        slots.values.push((kind, value.to_owned()));
        let sentence = rng.pick(p::sentences(kind));
        writer.sentence(rng, sentence, slots, Style::default())?;
    }
    Ok(writer.message("user"))
}

/// An answer in the house style.
fn assistant(rng: &mut Prng, first_line: &str, steps: &[&str], slots: &Slots, known: bool) -> Result<Message, String> {
    let style = Style::default();
    let mut writer = Writer::default();
    let line = first_line.replace("{who}", if known { "{given}" } else { "there" });
    writer.sentence(rng, &line, slots, style)?;
    let mut steps = steps.to_vec();
    let contact = match (slots.value(Kind::Email), slots.value(Kind::Phone)) {
        (Some(_), _) => Some(p::EMAIL_STEP),
        (None, Some(_)) => Some(p::PHONE_STEP),
        (None, None) => None,
    };
    if steps.len() < 3 && rng.chance(33) {
        steps.extend(contact);
    }
    for (index, step) in steps.iter().enumerate() {
        writer.line_break();
        writer.sentence(rng, &format!("{}. {step}", index + 1), slots, style)?;
    }
    for line in [p::REFERENCE, p::SIGN_OFF] {
        writer.line_break();
        writer.sentence(rng, line, slots, style)?;
    }
    Ok(writer.message("assistant"))
}
