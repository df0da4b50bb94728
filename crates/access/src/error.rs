//! The error of this engine.
//!
//! Invariant: a message carries ids, names of the schema, lines and digests; a policy's own text beyond a name, never.

/// Result of this engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What stops the loading of policies, the building of entities, or a step of a grant. A decision never fails: it denies.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The schema or the policies of this crate are broken.
    #[error("the built-in {what} is broken: {reason}")]
    Embedded {
        /// The schema, or a file of policies.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A policy cannot be read, or does not agree with the schema.
    #[error("line {line} of {file}: {reason}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    Policy {
        /// Whose policies.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
        /// The nearest name, or what else would help.
        hint: Option<String>,
    },
    /// The text of policies is longer than is taken.
    #[error("policies of {bytes} bytes are longer than {limit} bytes")]
    PoliciesTooLong {
        /// Its length.
        bytes: usize,
        /// The longest that is taken.
        limit: usize,
    },
    /// A name that is not one of a closed list.
    #[error("there is no {kind} `{name}`; did you mean `{nearest}`?")]
    UnknownName {
        /// Of what.
        kind: &'static str,
        /// What was given, cut and without control characters.
        name: String,
        /// The name of the list that is most like it.
        nearest: &'static str,
    },
    /// A text that is not an id.
    #[error("an id has 1 to 128 printable ASCII characters without a space")]
    BadId,
    /// A text that does not name a thing.
    #[error("a {what} is written as {form}")]
    BadReference {
        /// Of what.
        what: &'static str,
        /// How it is written.
        form: &'static str,
    },
    /// A text or a number that is not an instant.
    #[error("not an instant: it is not a time in UTC with milliseconds from 1970 to 9999")]
    BadInstant,
    /// What is known of users and things does not agree with the schema.
    #[error("the entities do not agree with the schema: {reason}")]
    Entities {
        /// What is wrong.
        reason: String,
    },
    /// A step of a grant or of a change of policies is not allowed.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// A file of cases cannot be read.
    #[error("line {line} of the cases: {reason}")]
    Cases {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

/// Why a step of a grant or of a change of policies is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The person who requested it approves it.
    #[error("nobody approves what they requested")]
    OwnRequest,
    /// A person who gains from it approves it.
    #[error("nobody approves what they gain from")]
    OwnBenefit,
    /// It was revoked.
    #[error("the grant was revoked")]
    Revoked,
    /// Its time is over.
    #[error("the grant's time is over")]
    Over,
    /// An instant lies before one that was noted already.
    #[error("the clock stands before an earlier step")]
    ClockBack,
    /// The term ends before it begins, or lasts too long.
    #[error("a grant ends after it begins, in the future, and lasts 90 days at most")]
    Term,
    /// No act, or one that no grant can give.
    #[error("a grant gives acts that need one, on a thing that has them")]
    Acts,
    /// The number of approvals.
    #[error("a grant needs 1 to 9 approvals")]
    Approvals,
    /// A change of policies that another person has not approved.
    #[error("another person has not approved the policies")]
    NotApproved,
    /// The policies are not the ones that were approved.
    #[error("the policies are not those that were approved")]
    OtherPolicies,
    /// The policies that were to be replaced no longer hold.
    #[error("other policies hold than when the change was proposed")]
    Outdated,
}

/// A name for an error message: short, and without what could move a cursor.
pub(crate) fn shown(name: &str) -> String {
    const LONGEST: usize = 60;
    name.chars()
        .map(|letter| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' })
        .take(LONGEST)
        .collect()
}
