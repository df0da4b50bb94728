//! Who is in a project: each member with a slot of their own in the key ring.
//!
//! Invariant: a member and their slot come and go together; two members never share a secret, for the slot tells who is here.
//! Four eyes switch on in the change that brings the second person who may approve, and never off. Somebody always owns the
//! project.

use std::collections::BTreeSet;

use cloister_access::{Action, Id, Kind, Principal, Resource, Role};
use cloister_vault::keys::{Provider, UnsealedRing};
use cloister_vault::log::entry::{Actor, ActorKind, Fact};
use cloister_vault::sealed;
use cloister_vault::store::{PrincipalKind, PrincipalRow, PrincipalState, Request, Store, TenantRow, Tx, View, Words};

use super::door::Ask;
use super::{Beginning, Error, Preset, Project, Result, directory};
use crate::plain::steers;

/// The longest name of a person or of a project, in characters.
const NAME_LETTERS: usize = 100;
/// Who may approve grants: `roles.cedar` of the engine of decisions says the same, and a test compares them.
const APPROVERS: [Role; 3] = [Role::Owner, Role::Steward, Role::Dpo];

/// Somebody who is to become a member.
pub struct Member<'a> {
    /// Their id. It stands in the log for ever: an id, not a name.
    pub id: &'a Id,
    /// What people call them.
    pub name: &'a str,
    /// What they are.
    pub roles: &'a BTreeSet<Role>,
    /// What they open the project with.
    pub provider: &'a dyn Provider,
}

/// Writes the first entry: the tenant and its owner.
pub(super) fn first(store: &Store, ring: &UnsealedRing, tenant: &str, beginning: &Beginning<'_>) -> Result<()> {
    let Beginning { name, owner, preset } = beginning;
    let slot = ring.opened_by();
    let actor = Actor {
        auth: slot.kind.name().into(),
        id: owner.to_string(),
        mfa_age: None,
        session_h: None,
        kind: ActorKind::User,
    };
    let mut request = Request::new(Action::Init.name(), actor).on(Kind::Project.name(), directory::MAIN);
    request.facts.insert("preset".into(), Fact::Text(preset.name.into()));
    let generation = ring.generation()?.0;
    store.write(&request, |tx| {
        let created = tx.now();
        tx.insert(&TenantRow {
            id: tenant.into(),
            name: (*name).into(),
            preset: preset.name.into(),
            four_eyes: false,
            ring: generation,
            created,
        })?;
        let roles = Words::new([Role::Owner.name()])?;
        tx.insert(&row(owner, owner.as_str(), tenant, roles, slot.id, created))
    })?;
    Ok(())
}

fn row(
    id: &Id,
    name: &str,
    tenant: &str,
    roles: Words,
    slot: sealed::Id,
    created: cloister_vault::log::entry::Instant,
) -> PrincipalRow {
    PrincipalRow {
        id: id.to_string(),
        tenant: tenant.into(),
        name: name.into(),
        kind: PrincipalKind::User,
        roles,
        state: PrincipalState::Active,
        slot: Some(slot),
        created,
    }
}

/// A name for people: one line that neither steers a terminal nor turns the direction of text.
pub(super) fn check_name(name: &str) -> Result<()> {
    let fits = (1..=NAME_LETTERS).contains(&name.chars().count()) && name.trim() == name;
    if fits && !name.chars().any(steers) { Ok(()) } else { Err(Error::Name) }
}

impl Project {
    /// Adds a member. Gives whether four eyes were switched on with them.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Name`], [`Error::Taken`], [`Error::SecretTaken`]; those of keys and store.
    pub fn add_member(&self, member: &Member<'_>, grant: Option<Id>) -> Result<bool> {
        let Member { id, name, roles, provider } = member;
        check_name(name)?;
        let ask = Ask::new(Action::MemberChange, Resource::new(Kind::User, (*id).clone()));
        let ask = ask.with("roles", words(roles)?).with("name", name).with_grant(grant);
        let mut added = None;
        let done = self.change(&ask, |tx, _| {
            if tx.get::<PrincipalRow>(id.as_str())?.is_some() {
                return Err(Error::Taken { kind: "member", id: id.to_string() });
            }
            if !tx.list::<PrincipalRow>("name", name)?.is_empty() {
                return Err(Error::Taken { kind: "member of the name", id: (*name).into() });
            }
            if self.ring.slot_of(*provider)?.is_some() {
                return Err(Error::SecretTaken);
            }
            let slot = self.ring.add_slot(*provider)?.id;
            added = Some(slot);
            let (tenant, created) = (&self.manifest().tenant, tx.now());
            tx.insert(&row(id, name, tenant, words(roles)?, slot, created))?;
            tx.fact("roles", Fact::Text(words(roles)?.to_string()))?;
            self.keep_up(tx)
        });
        if done.is_err()
            && let Some(slot) = added
        {
            // A slot that is nobody's opens nothing; it goes all the same.
            let _ = self.ring.remove_slot(slot);
        }
        Ok(done?.value)
    }

    /// Gives a member other roles. Gives whether four eyes were switched on with them.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Unknown`], [`Error::LastOwner`]; those of the store.
    pub fn change_roles(&self, id: &Id, roles: &BTreeSet<Role>, grant: Option<Id>) -> Result<bool> {
        let ask = Ask::new(Action::MemberChange, Resource::new(Kind::User, id.clone()));
        let ask = ask.with("roles", words(roles)?).with_grant(grant);
        let done = self.change(&ask, |tx, _| {
            let before = need(tx, id)?;
            tx.update(&PrincipalRow { roles: words(roles)?, ..before })?;
            check_owned(tx, id)?;
            tx.fact("roles", Fact::Text(words(roles)?.to_string()))?;
            self.keep_up(tx)
        })?;
        Ok(done.value)
    }

    /// Switches an account off, and takes its slot away. Whatever the member has running ends at its next request.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Unknown`], [`Error::LastOwner`]; those of keys and store.
    pub fn disable_member(&self, id: &Id) -> Result<()> {
        let ask = Ask::new(Action::MemberDisable, Resource::new(Kind::User, id.clone()));
        self.change(&ask, |tx, _| {
            let before = need(tx, id)?;
            let slot = before.slot;
            tx.update(&PrincipalRow { state: PrincipalState::Disabled, ..before })?;
            check_owned(tx, id)?;
            match slot.map(|slot| self.ring.remove_slot(slot)) {
                None | Some(Ok(()) | Err(cloister_vault::Error::NoSlot { .. })) => {}
                Some(Err(error)) => return Err(error.into()),
            }
            self.keep_up(tx).map(drop)
        })?;
        Ok(())
    }

    /// Brings the tenant's row up to the key ring and to its members. Gives whether four eyes were switched on.
    pub(super) fn keep_up(&self, tx: &mut Tx<'_>) -> Result<bool> {
        let before = tx.need::<TenantRow>(&self.manifest().tenant)?;
        let wanted = Preset::named(&before.preset)?.four_eyes && approvers(tx)? > 1;
        let four_eyes = before.four_eyes || wanted;
        let switched = four_eyes != before.four_eyes;
        tx.update(&TenantRow { four_eyes, ring: self.ring.generation()?.0, ..before })?;
        if switched {
            tx.fact("four_eyes", Fact::Number(1))?;
        }
        Ok(switched)
    }

    /// The person who is here.
    pub(super) fn person(&self) -> Result<Id> {
        match &self.me.principal {
            Principal::User(id) => Ok(id.clone()),
            Principal::Service(id) => Err(Error::Unknown { kind: "person", id: id.to_string() }),
        }
    }
}

fn words(roles: &BTreeSet<Role>) -> Result<Words> {
    Ok(Words::new(roles.iter().map(|role| role.name()))?)
}

fn need(view: &mut View<'_>, id: &Id) -> Result<PrincipalRow> {
    view.get::<PrincipalRow>(id.as_str())?.ok_or_else(|| Error::Unknown { kind: "member", id: id.to_string() })
}

/// People who may approve, with their accounts on.
fn approvers(view: &mut View<'_>) -> Result<usize> {
    let may = |row: &PrincipalRow| {
        let approves = APPROVERS.iter().any(|role| row.roles.contains(role.name()));
        row.kind == PrincipalKind::User && row.state == PrincipalState::Active && approves
    };
    Ok(view.all::<PrincipalRow>()?.iter().filter(|row| may(row)).count())
}

/// Whether somebody still owns the project.
fn check_owned(view: &mut View<'_>, last: &Id) -> Result<()> {
    let owns = |row: &PrincipalRow| row.state == PrincipalState::Active && row.roles.contains(Role::Owner.name());
    match view.all::<PrincipalRow>()?.iter().any(owns) {
        true => Ok(()),
        false => Err(Error::LastOwner { id: last.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cloister_access::{Directory, Entities, Instant, PolicySet};

    use super::*;

    #[test]
    fn names_are_one_line_that_steers_nothing() {
        for good in ["Ana", "Ana-María Ó", "名 前", "x".repeat(100).as_str()] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in
            ["", " a", "a\n", "a\nb", "\u{1b}[2J", "a\u{202e}b", "a\u{2066}b", "a\0", "\u{feff}a", &"x".repeat(101)]
        {
            assert!(matches!(check_name(bad), Err(Error::Name)), "{bad:?}");
        }
    }

    #[test]
    fn those_who_may_approve_are_those_whom_the_policies_let() {
        let now: Instant = "2026-11-27T10:00:00.000Z".parse().unwrap();
        let policies = PolicySet::load().unwrap();
        for role in Role::ALL {
            let text = format!(
                "[tenants.t]\n[users.ana]\ntenant = \"t\"\nroles = [\"{role}\"]\n[users.eva]\ntenant = \"t\"\n[grants.g]\ntenant = \"t\"\n\
                 who = \"user:eva\"\nresource = \"user:eva\"\nacts = [\"member.change\"]\npurpose = \"p\"\nrequested_by = \"eva\"\n\
                 requested_at = \"{now}\"\nnot_before = \"{now}\"\nexpires = \"2026-11-28T10:00:00.000Z\"\n"
            );
            let entities = Entities::new(toml::from_str::<Directory>(&text).unwrap()).unwrap();
            let (ana, grant) = ("user:ana".parse().unwrap(), "grant:g".parse().unwrap());
            let asked = cloister_access::Request::new(ana, Action::GrantApprove, grant, now);
            assert_eq!(policies.decide(&asked, &entities).is_allowed(), APPROVERS.contains(role), "{role}");
        }
    }
}
