//! The words around a request: greetings, tone, sentences that carry personal data, signatures, and the frame of the
//! answer.
//!
//! Invariant: no person, no place and no identifier outside the slots; a password or a key is never followed by a
//! full stop, so that the end of its span is certain.

use crate::identifiers::Kind;

/// Greetings without personal data.
pub(crate) const OPENERS: &[&str] = &["Hi,", "Hello,", "Good evening,", "Hey,", "Dear team,", "Hello there,", "Ahoy,"];
/// Greetings for the evaluation.
pub(crate) const HELD_OUT_OPENERS: &[&str] = &["Good day,", "Hi team,", "Morning,"];

/// Greetings with the full name.
pub(crate) const NAME_OPENERS: &[&str] = &[
    "{name} here.",
    "Hi, I'm {name}.",
    "Hello, my name is {name}.",
    "This is {name}.",
    "Hi, {name} speaking.",
    "Good morning, {name} here.",
    "It's {name} again.",
    "Account of {name}:",
    "My name is {name}.",
    "Dear team, I am {name}.",
];
/// Greetings with the full name and the city.
pub(crate) const NAME_CITY_OPENERS: &[&str] = &[
    "{name} from {city} here.",
    "Hi, I'm {name} and I live in {city}.",
    "Hello from {city}, my name is {name}.",
    "{name}, {city}.",
];
/// Greetings with the given name.
pub(crate) const GIVEN_OPENERS: &[&str] =
    &["{given} here.", "Hi, it's {given}.", "Hey, {given} again.", "I'm {given}."];
/// Signatures with the full name.
pub(crate) const NAME_SIGNATURES: &[&str] = &[
    "Regards, {name}",
    "Thanks, {name}",
    "Best wishes, {name}",
    "Yours, {name}",
    "- {name}",
    "Kind regards\n{name}",
    "Many thanks, {name}",
    "Sincerely, {name}",
    "{name}",
];
/// Signatures with the full name and the telephone number.
pub(crate) const NAME_PHONE_SIGNATURES: &[&str] =
    &["{name}, {phone}", "Regards, {name} ({phone})", "{name}\n{phone}", "Thanks, {name}, tel. {phone}"];
/// Signatures with the full name and the e-mail address.
pub(crate) const NAME_EMAIL_SIGNATURES: &[&str] =
    &["{name}, {email}", "Regards, {name} <{email}>", "{name}\n{email}", "Thanks, {name} ({email})"];
/// Sentences with both e-mail address and telephone number.
pub(crate) const EMAIL_PHONE: &[&str] = &[
    "Reach me at {email} or {phone}.",
    "Contact: {email}, {phone}.",
    "Call {phone} or write to {email}.",
    "My details are {phone} and {email}.",
];

/// Sentences that carry one value.
pub(crate) fn sentences(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Name | Kind::Given => NAME_OPENERS,
        Kind::Email => &[
            "My email is {email}.",
            "Please write to {email}.",
            "You can email me at {email}.",
            "Account email: {email}.",
            "Send the answer to {email} please.",
            "I'm registered as {email}.",
            "Use {email} to reply.",
            "My login is {email}.",
            "The right address is {email}, nothing else.",
        ],
        Kind::Phone => &[
            "My number is {phone}.",
            "Please call me on {phone}.",
            "You can reach me at {phone}.",
            "Phone: {phone}.",
            "Text me at {phone} please.",
            "Call {phone} before you come.",
            "I'm on {phone} all day.",
            "Ring {phone} after five.",
            "My mobile is {phone}, evenings only.",
        ],
        Kind::Card => &[
            "The card is {card}.",
            "Card number {card}.",
            "I paid with {card}.",
            "Please charge {card}.",
            "It was my card {card}.",
            "Use card {card} for it.",
            "My card no. is {card}.",
            "You have my card as {card}, right?",
        ],
        Kind::Iban => &[
            "The IBAN is {iban}.",
            "My account: {iban}.",
            "IBAN {iban}.",
            "Please use {iban}.",
            "My bank account is {iban}.",
            "Pay into {iban}.",
            "Debit {iban} from now on.",
            "The right account is {iban}, please check.",
        ],
        Kind::Ssn => &[
            "My SSN is {ssn}.",
            "SSN {ssn}.",
            "My social security number is {ssn}.",
            "Social: {ssn}.",
            "For the record, SSN {ssn}.",
            "You need my social, it's {ssn}.",
            "I was asked for my SSN: {ssn}.",
            "My SSN {ssn} should be on file.",
        ],
        Kind::Ip => &[
            "My IP is {ip}.",
            "The address is {ip}.",
            "It happens on {ip}.",
            "The hub reports {ip}.",
            "My static IP {ip} is affected.",
            "The host is {ip}.",
            "From {ip} nothing gets through.",
            "I ping {ip} and lose half.",
        ],
        Kind::Url => &[
            "The page is {url}",
            "See {url}",
            "It was about {url}",
            "Look at {url} please.",
            "I found it on {url}",
            "The link: {url}",
            "My own site is {url}",
            "Try {url} and you will see.",
        ],
        Kind::ApiKey => &[
            "The key is {key}",
            "My key: {key}",
            "I use {key} for all calls.",
            "key={key}",
            "We sent {key} in the header.",
            "Our script has {key} inside.",
            "Is {key} still valid?",
            "Our API key {key} is from last year.",
        ],
        Kind::Password => &[
            "My password is {password}",
            "Password: {password}",
            "I use the password {password} for it.",
            "The old password was {password}",
            "I typed {password} as the password.",
            "My pass is {password} if you need it.",
            "I set the password to {password} today.",
            "password = {password}",
        ],
        Kind::Address => &[
            "The address is {address}.",
            "I live at {address}.",
            "Please come to {address}.",
            "It concerns {address}.",
            "Service address: {address}.",
            "We are at {address}.",
            "Send it to {address}.",
            "My home is {address}, second door.",
        ],
        Kind::City => &[
            "I live in {city}.",
            "We are in {city}.",
            "It is the {city} area.",
            "My flat is in {city}.",
            "I'm writing from {city}.",
            "Half of {city} has the same trouble.",
            "You have an office in {city}, right?",
            "My neighbours in {city} say the same.",
        ],
    }
}

/// How pressing a request is. It decides the reference and the time that the answer names.
pub(crate) struct Tone {
    /// Ends the reference.
    pub(crate) priority: &'static str,
    /// Fills `{w}`.
    pub(crate) when: &'static str,
    /// Sentences of this tone, for the tickets; an empty one says nothing.
    pub(crate) phrases: &'static [&'static str],
    /// Sentences of this tone, for the evaluation.
    pub(crate) held_out: &'static [&'static str],
}

/// Urgent, ordinary, patient; drawn in the proportions of `TONE_WEIGHTS`.
pub(crate) const TONES: &[Tone] = &[
    Tone {
        priority: "P1",
        when: "today",
        phrases: &[
            "This is urgent.",
            "I need it sorted today.",
            "Please hurry.",
            "It can't wait.",
            "I am losing work over this!",
            "Really urgent!!",
            "As fast as you can, please.",
            "I'm furious, act now!",
            "ASAP please.",
        ],
        held_out: &["I need help right now.", "Very urgent, please.", "Do it at once!"],
    },
    Tone {
        priority: "P2",
        when: "tomorrow",
        phrases: &["", "", "", "", "Thanks.", "Please help.", "Can you help?", "Thank you.", "Any idea?", "What now?"],
        held_out: &["", "", "Many thanks.", "Could you look into it?"],
    },
    Tone {
        priority: "P3",
        when: "this week",
        phrases: &[
            "No rush.",
            "Whenever you have time.",
            "It's not urgent.",
            "Take your time.",
            "It can wait.",
            "No hurry at all.",
            "Just when it suits you.",
            "No stress, I'm patient.",
        ],
        held_out: &["There is no hurry.", "Any day is fine.", "Not pressing at all."],
    },
];
/// Shares of the tones, in percent.
pub(crate) const TONE_WEIGHTS: &[usize] = &[28, 48, 24];

/// First line of the first answer; `{who}` is the given name or "there".
pub(crate) const FIRST_LINE: &str = "Thanks for reaching out to Harbour Line, {who}.";
/// First line of the second answer.
pub(crate) const SECOND_LINE: &str = "Thanks for writing back, {who}.";
/// Reference; `{code}` is the intent, `{priority}` the tone.
pub(crate) const REFERENCE: &str = "Ref HL-{code}-{priority}";
/// Last line of every answer.
pub(crate) const SIGN_OFF: &str = "Fair winds, the crew";
/// Added step when the customer gave an e-mail address.
pub(crate) const EMAIL_STEP: &str = "We confirm to {email}.";
/// Added step when the customer gave a telephone number; `{last}` is its last four digits.
pub(crate) const PHONE_STEP: &str = "We call the number ending {last}.";
