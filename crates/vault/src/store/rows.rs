//! The rows of the store: what they hold, and how they are written and read.
//!
//! Invariant: a guarded row carries a MAC over all of its columns, and the entry that wrote it has that MAC among its facts, so
//! a row that was edited, removed, brought back or put in by other hands is found when the store opens. Ids are ids: they stand
//! in the log, which cannot be erased, so nobody's name is one.

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

pub(crate) use sealed::Guard;

use super::value::{Column, Decimal, Value, Words, words_of};
use crate::encoding::hex;
use crate::log::Hash;
use crate::log::entry::{Instant, Ulid};
use crate::sealed::Id;
use crate::{Error, Result, random};

/// The key under which rows are guarded. Wiped when it goes.
pub struct RowKey(Zeroizing<[u8; RowKey::BYTES]>);

impl RowKey {
    /// How many bytes it has.
    pub const BYTES: usize = 32;

    /// A fresh one.
    ///
    /// # Errors
    /// [`Error::NoRandomness`].
    pub fn random() -> Result<Self> {
        let mut key = Zeroizing::new([0; Self::BYTES]);
        random::fill(key.as_mut())?;
        Ok(Self(key))
    }

    /// One that is there already.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<[u8; Self::BYTES]>) -> Self {
        Self(bytes)
    }

    /// Its bytes: a secret.
    #[must_use]
    pub fn expose(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    fn context(&self, table: &str, values: &[Value], entry: u64) -> hmac::Context {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.0.as_ref()));
        let mut part = |kind: u8, bytes: &[u8]| {
            context.update(&[kind]);
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        part(b'r', b"cloister row v1");
        part(b't', table.as_bytes());
        part(b'e', &entry.to_be_bytes());
        for value in values {
            match value {
                Value::Null => part(b'0', &[]),
                Value::Number(number) => part(b'1', &number.to_be_bytes()),
                Value::Text(text) => part(b'2', text.as_bytes()),
                Value::Bytes(bytes) => part(b'3', bytes),
            }
        }
        context
    }

    /// The MAC of a row that the entry `entry` writes.
    pub(crate) fn mac(&self, table: &str, values: &[Value], entry: u64) -> Vec<u8> {
        self.context(table, values, entry).sign().as_ref().to_vec()
    }
}

/// The fact that names a row in an entry.
pub(crate) fn fact_of(table: &str, key: &str) -> String {
    format!("{FACT}{table}.{key}")
}

/// Facts that the store itself writes begin so.
pub(crate) const FACT: &str = "row.";

/// A kind of row, of this module and of no other.
pub trait Row: sealed::Row {}

pub(crate) mod sealed {
    use super::Value;

    /// How the log knows the rows of a table.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Guard {
        /// Every row has a MAC, and its entry holds it.
        Mac,
        /// Rows authenticate themselves, as wrapped keys do; the log knows which were removed, and none of those comes back.
        Graves,
    }

    pub trait Row: Sized {
        const TABLE: &'static str;
        /// The first is the primary key, a text.
        const COLUMNS: &'static [&'static str];
        const GUARD: Guard;
        fn key(&self) -> String;
        fn values(&self) -> Vec<Value>;
        fn from_values(values: Vec<Value>) -> Option<Self>;
    }
}

macro_rules! rows {
    ($($(#[$doc:meta])* $visibility:vis $name:ident in $table:literal, $guard:ident {
        $(#[$key_doc:meta])* $key:ident: $key_type:ty,
        $($(#[$column_doc:meta])* $column:ident: $type:ty,)+
    })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        $visibility struct $name {
            $(#[$key_doc])* pub $key: $key_type,
            $($(#[$column_doc])* pub $column: $type,)+
        }

        impl Row for $name {}

        impl sealed::Row for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[stringify!($key), $(stringify!($column)),+];
            const GUARD: Guard = Guard::$guard;

            fn key(&self) -> String {
                self.$key.to_string()
            }

            fn values(&self) -> Vec<Value> {
                vec![self.$key.to_value(), $(self.$column.to_value()),+]
            }

            fn from_values(values: Vec<Value>) -> Option<Self> {
                let mut values = values.into_iter();
                let row = Self {
                    $key: Column::from_value(values.next()?)?,
                    $($column: Column::from_value(values.next()?)?,)+
                };
                values.next().is_none().then_some(row)
            }
        }
    )+};
}

rows! {
    /// A tenant: an organisation or a project, apart from all others.
    pub TenantRow in "tenant", Mac {
        /// Its id.
        id: String,
        /// What people call it.
        name: String,
        /// The preset that it began with.
        preset: String,
        /// Whether what one person must not do alone needs a second one.
        four_eyes: bool,
        /// The generation that its key ring had when it was last changed: an older ring was restored by other hands.
        ring: u64,
        /// When it was made.
        created: Instant,
    }

    /// Somebody who acts: a person or a program.
    pub PrincipalRow in "principal", Mac {
        /// Its id.
        id: String,
        /// Its tenant.
        tenant: String,
        /// What people call it. It stays out of the log.
        name: String,
        /// Person or program.
        kind: PrincipalKind,
        /// Its roles.
        roles: Words,
        /// Whether it may act at all.
        state: PrincipalState,
        /// The slot of the key ring that it opens.
        slot: Option<Id>,
        /// When it was made.
        created: Instant,
    }

    /// A named set of records, with its versions.
    pub DatasetRow in "dataset", Mac {
        /// Its id.
        id: String,
        /// Its tenant.
        tenant: String,
        /// What people call it.
        name: String,
        /// The principal who answers for it.
        owner: String,
        /// How sensitive it is, in the policy's words.
        sensitivity: String,
        /// What it may be used for.
        purposes: Words,
        /// Whether it may be used.
        state: DatasetState,
        /// When it was made.
        created: Instant,
    }

    /// One version of a dataset.
    pub VersionRow in "dataset_version", Mac {
        /// Its id.
        id: String,
        /// Its dataset.
        dataset: String,
        /// Which one of the dataset's versions, unique there.
        number: u64,
        /// The Merkle root over commitments to its records.
        root: Hash,
        /// The versions it was made from, of this or of other datasets. The privacy ledger follows them.
        parents: Words,
        /// How many records it has.
        records: u64,
        /// Whether it is whole.
        state: VersionState,
        /// When it was made.
        created: Instant,
    }

    /// A sealed file.
    pub ObjectRow in "object", Graves {
        /// Its id, which stands in the file's header.
        id: Id,
        /// Its tenant.
        tenant: String,
        /// The version that it belongs to.
        version: Option<String>,
        /// What is in it.
        kind: String,
        /// Where it lies, from the root of the objects.
        place: String,
        /// SHA-256 of the sealed file.
        sha256: Hash,
        /// Its length.
        bytes: u64,
        /// The key that wraps its data key.
        kek: Id,
        /// Its data key, wrapped.
        wrapped: Vec<u8>,
        /// When it was made.
        created: Instant,
    }

    /// The key of one subject's records in one dataset. Whoever removes it has destroyed the records.
    pub SubjectKeyRow in "subject_key", Graves {
        /// Its id, which stands in the shards.
        id: Id,
        /// The dataset.
        dataset: String,
        /// The subject, by a keyed pseudonym.
        pseudonym: String,
        /// The key that wraps it.
        kek: Id,
        /// The key, wrapped.
        wrapped: Vec<u8>,
        /// When it was made.
        created: Instant,
    }

    /// A permission that ends, for one purpose. Where it stands follows from what is in it and the instant.
    pub GrantRow in "access_grant", Mac {
        /// Its id.
        id: String,
        /// Its tenant.
        tenant: String,
        /// Who has it.
        who: String,
        /// On what: kind and id, with a colon between.
        resource: String,
        /// For what.
        purpose: String,
        /// Who asked for it.
        requested_by: String,
        /// Until when, this instant not included.
        expires: Instant,
        /// How often it was changed.
        revision: u64,
        /// All of it, in the words of the engine that decides.
        body: String,
    }

    /// Policies of a project's own, from their proposal on.
    pub PolicyRow in "policy_set", Mac {
        /// Its id.
        id: String,
        /// Its tenant.
        tenant: String,
        /// Who proposed them.
        proposed_by: String,
        /// Where they stand.
        state: PolicyState,
        /// How often the proposal was changed.
        revision: u64,
        /// The proposal, in the words of the engine that decides.
        body: String,
        /// Their text.
        policies: String,
    }

    /// What one person decided on a grant, a policy, a rotation, an export or a release. Never changed or removed.
    pub ApprovalRow in "approval", Mac {
        /// Its id.
        id: String,
        /// The kind of thing that is decided on.
        kind: String,
        /// The thing's id. A person decides once on it.
        subject: String,
        /// Who decided.
        who: String,
        /// What.
        decision: ApprovalDecision,
        /// When.
        created: Instant,
    }

    /// One execution of the pipeline.
    pub RunRow in "run", Graves {
        /// Its id.
        id: String,
        /// Its tenant.
        tenant: String,
        /// The version it reads.
        version: String,
        /// SHA-256 of its settings.
        config: Hash,
        /// Its reservation in the ledger.
        reservation: Option<Ulid>,
        /// Where it stands.
        state: RunState,
        /// When it began.
        created: Instant,
    }

    /// The limit of a dataset. Written by the ledger alone.
    pub(crate) BudgetRow in "budget", Mac {
        dataset: String,
        unit: crate::ledger::Unit,
        epsilon: Decimal,
        delta: Decimal,
    }
}

words_of! {
    /// Person or program.
    PrincipalKind {
        /// A person.
        User = "user",
        /// A program with its own key.
        Service = "service",
    }
}

words_of! {
    /// Whether a principal may act.
    PrincipalState {
        /// It may.
        Active = "active",
        /// It may not.
        Disabled = "disabled",
    }
}

words_of! {
    /// Whether a dataset may be used.
    DatasetState {
        /// It may.
        Active = "active",
        /// It waits for somebody's approval.
        Quarantined = "quarantined",
        /// Its keys are gone.
        Destroyed = "destroyed",
    }
}

words_of! {
    /// Whether a version is whole.
    VersionState {
        /// It is being written.
        Draft = "draft",
        /// All of its records are there.
        Whole = "whole",
        /// Keys of some subjects are gone.
        Holed = "holed",
        /// All are gone.
        Destroyed = "destroyed",
    }
}

words_of! {
    /// Where policies of a project's own stand.
    PolicyState {
        /// Proposed, approved or not.
        Proposed = "proposed",
        /// They hold.
        Holds = "holds",
        /// They held, and others do now.
        Replaced = "replaced",
    }
}

words_of! {
    /// What one person decided.
    ApprovalDecision {
        /// Yes.
        Approve = "approve",
        /// No.
        Refuse = "refuse",
    }
}

words_of! {
    /// Where a run stands.
    RunState {
        /// It goes on, or was stopped and can go on.
        Running = "running",
        /// It is done.
        Done = "done",
        /// It stopped and does not go on.
        Failed = "failed",
    }
}

/// Reads a row of `R` as the database gives it: its columns and, if it is guarded, `entry` and `mac`. Checks the MAC, and gives
/// it too.
pub(crate) fn parse<R: Row>(mut values: Vec<Value>, key: &RowKey) -> Result<(R, Option<String>)> {
    let table = R::TABLE;
    let id = match values.first() {
        Some(Value::Text(id)) => id.clone(),
        _ => String::new(),
    };
    let wrong = |reason| Error::Row { table, key: id.clone(), reason };
    let mac = match R::GUARD {
        Guard::Graves => None,
        Guard::Mac => {
            let mac = values.pop().and_then(Vec::from_value).ok_or_else(|| wrong("has no MAC"))?;
            let entry = values.pop().and_then(u64::from_value).ok_or_else(|| wrong("has no entry"))?;
            // In constant time.
            let expected = key.mac(table, &values, entry);
            aws_lc_rs::constant_time::verify_slices_are_equal(&expected, &mac)
                .map_err(|_| wrong("was changed by other hands"))?;
            Some(hex(&mac))
        }
    };
    let row = R::from_values(values).ok_or_else(|| wrong("has a value that cannot be"))?;
    Ok((row, mac))
}
