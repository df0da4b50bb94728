//! Everything that can be asked for: one action for every verb of the product.
//!
//! Invariant: this list and the actions of `schema.cedarschema` are the same, with the same principals, resources and groups;
//! a test compares them.

use crate::names::{Kind, names};

names! {
    /// What somebody wants to do.
    Action: "action" {
        /// Make a project.
        Init = "init",
        /// See what is in a project: names, states, counts; no text.
        ProjectRead = "project.read",
        /// Take records in.
        Ingest = "ingest",
        /// Add a person or a program, or change what roles they have.
        MemberChange = "member.change",
        /// Switch an account off.
        MemberDisable = "member.disable",
        /// Look for personal data and secrets.
        Scan = "scan",
        /// Replace personal data and secrets.
        Protect = "protect",
        /// Tune a model on it.
        Train = "train",
        /// See its text.
        DatasetRead = "dataset.read",
        /// Take its text out of the vault.
        DatasetExport = "dataset.export",
        /// Destroy its keys.
        DatasetDestroy = "dataset.destroy",
        /// See what privacy budget is left.
        BudgetRead = "budget.read",
        /// Set the privacy budget.
        BudgetSet = "budget.set",
        /// Find the records of a person (GDPR article 15).
        SubjectFind = "subject.find",
        /// Give a person their records (GDPR articles 15 and 20).
        SubjectExport = "subject.export",
        /// Destroy the keys of a person's records (GDPR article 17).
        SubjectErase = "subject.erase",
        /// Measure what a run leaked.
        Audit = "audit",
        /// Write documents from the evidence of a run.
        Docs = "docs",
        /// Sign an adapter and give it out.
        Release = "release",
        /// Let a tuned model write.
        Generate = "generate",
        /// Let others use a tuned model.
        Serve = "serve",
        /// Ask for a grant.
        GrantRequest = "grant.request",
        /// Approve a grant.
        GrantApprove = "grant.approve",
        /// Revoke a grant, or give it back.
        GrantRevoke = "grant.revoke",
        /// Ask for access in an emergency.
        BreakGlassRequest = "break_glass.request",
        /// Propose other policies.
        PolicyPropose = "policy.propose",
        /// Approve policies that were proposed.
        PolicyApprove = "policy.approve",
        /// Let approved policies hold.
        PolicyApply = "policy.apply",
        /// Replace a key.
        KeyRotate = "key.rotate",
        /// Take a key out of use.
        KeyDisable = "key.disable",
        /// Destroy a key.
        KeyDestroy = "key.destroy",
        /// Read entries of the log.
        LogRead = "log.read",
        /// Prove that an entry is in the log.
        LogProve = "log.prove",
        /// Verify the log.
        LogVerify = "log.verify",
        /// Bring a checkpoint of the log out of the house.
        LogAnchor = "log.anchor",
    }
}

const ANYBODY: &[Kind] = &[Kind::User, Kind::Service];
const PEOPLE: &[Kind] = &[Kind::User];

impl Action {
    /// Who can ask for it: people, or programs too.
    #[must_use]
    pub const fn principals(self) -> &'static [Kind] {
        match self {
            Self::Init
            | Self::ProjectRead
            | Self::Ingest
            | Self::Scan
            | Self::Protect
            | Self::Train
            | Self::BudgetRead
            | Self::Audit
            | Self::Docs
            | Self::Generate
            | Self::Serve
            | Self::LogProve
            | Self::LogVerify => ANYBODY,
            _ => PEOPLE,
        }
    }

    /// What it is done to.
    #[must_use]
    pub const fn resources(self) -> &'static [Kind] {
        match self {
            Self::Init | Self::ProjectRead | Self::Ingest | Self::PolicyPropose => &[Kind::Project],
            Self::MemberChange => &[Kind::User],
            Self::MemberDisable => &[Kind::User, Kind::Service],
            Self::Scan
            | Self::Protect
            | Self::Train
            | Self::DatasetRead
            | Self::DatasetExport
            | Self::DatasetDestroy
            | Self::BudgetRead
            | Self::BudgetSet
            | Self::SubjectFind
            | Self::SubjectExport
            | Self::SubjectErase
            | Self::BreakGlassRequest => &[Kind::Dataset],
            Self::Audit | Self::Docs => &[Kind::Run],
            Self::Release | Self::Generate | Self::Serve => &[Kind::Adapter],
            Self::GrantRequest => &[Kind::Dataset, Kind::Run, Kind::Adapter, Kind::Key, Kind::User],
            Self::GrantApprove | Self::GrantRevoke => &[Kind::Grant],
            Self::PolicyApprove | Self::PolicyApply => &[Kind::PolicySet],
            Self::KeyRotate | Self::KeyDisable | Self::KeyDestroy => &[Kind::Key],
            Self::LogRead | Self::LogProve | Self::LogVerify | Self::LogAnchor => &[Kind::Log],
        }
    }

    /// Whether it uses data, so that a request has to say what for.
    #[must_use]
    pub const fn is_purposeful(self) -> bool {
        matches!(
            self,
            Self::Scan
                | Self::Protect
                | Self::Train
                | Self::DatasetRead
                | Self::DatasetExport
                | Self::Audit
                | Self::Release
                | Self::Generate
                | Self::Serve
        )
    }

    /// Whether somebody sees raw text, so that a fresh second factor is needed.
    #[must_use]
    pub const fn is_raw(self) -> bool {
        matches!(self, Self::DatasetRead | Self::DatasetExport | Self::SubjectExport)
    }

    /// Whether a grant in force is enough to do it, without any role.
    #[must_use]
    pub const fn is_grantable(self) -> bool {
        self.is_purposeful() && !matches!(self, Self::Release)
    }

    /// Whether one person alone cannot do it: it needs a grant, and the role too.
    #[must_use]
    pub const fn needs_four_eyes(self) -> bool {
        matches!(
            self,
            Self::MemberChange
                | Self::DatasetExport
                | Self::DatasetDestroy
                | Self::Release
                | Self::KeyRotate
                | Self::KeyDisable
                | Self::KeyDestroy
        )
    }

    /// Whether it answers what a person asks about their own data.
    #[must_use]
    pub const fn is_for_subjects(self) -> bool {
        matches!(self, Self::SubjectFind | Self::SubjectExport | Self::SubjectErase)
    }
}
