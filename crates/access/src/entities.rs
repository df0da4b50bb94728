//! The rows of a directory as the entities that Cedar decides over.
//!
//! Invariant: every attribute comes from a row as it stands, and what policies count (approvals of a grant) is counted here;
//! all entities are checked against the schema. A person is `in` the grants that are for them or that change them; a thing is
//! `in` the grants that open it.

use std::collections::{BTreeMap, HashMap, HashSet};

use cedar_policy::{Entity, EntityUid, RestrictedExpression};

use crate::digest::Digest;
use crate::directory::Directory;
use crate::grant::Grant;
use crate::names::{Id, Kind, Resource, Role};
use crate::proposal::Proposal;
use crate::vocabulary::Vocabulary;
use crate::{Error, Instant, Result};

/// Entities, built once and decided over as often as wanted.
#[derive(Clone, Debug)]
pub struct Entities {
    directory: Directory,
    cedar: cedar_policy::Entities,
    digest: Digest,
}

type Attributes = HashMap<String, RestrictedExpression>;

impl Entities {
    /// Builds the entities of a directory.
    ///
    /// # Errors
    /// [`Error::Entities`] if they do not agree with the schema.
    pub fn new(directory: Directory) -> Result<Self> {
        let vocabulary = Vocabulary::get()?;
        let digest = Digest::of("cloister access entities", [&directory.to_bytes()?[..]]);
        let entities = Builder { vocabulary, parents: parents(&directory, vocabulary) }.build(&directory)?;
        let cedar = cedar_policy::Entities::from_entities(entities, Some(&vocabulary.schema)).map_err(disagree)?;
        Ok(Self { directory, cedar, digest })
    }

    /// The rows.
    #[must_use]
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The digest of the rows. It is not salted, and rows are few and easy to guess: a log that others read takes a keyed hash
    /// of it.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) const fn cedar(&self) -> &cedar_policy::Entities {
        &self.cedar
    }
}

struct Builder<'a> {
    vocabulary: &'a Vocabulary,
    parents: BTreeMap<Resource, HashSet<EntityUid>>,
}

impl Builder<'_> {
    fn build(mut self, directory: &Directory) -> Result<Vec<Entity>> {
        let words = self.vocabulary;
        let mut entities = Vec::new();
        for (id, tenant) in &directory.tenants {
            let four_eyes = RestrictedExpression::new_bool(tenant.four_eyes);
            let attributes = Attributes::from([("four_eyes".into(), four_eyes)]);
            entities.push(Entity::new(words.tenant(id), attributes, HashSet::new()).map_err(disagree)?);
        }
        for (id, user) in &directory.users {
            let mut attributes = self.owned(&user.tenant);
            attributes.insert("disabled".into(), RestrictedExpression::new_bool(user.disabled));
            if let Some(at) = user.mfa_at {
                attributes.insert("mfa_at".into(), datetime(at));
            }
            self.in_roles(Kind::User, id, &user.roles);
            entities.push(self.entity(Kind::User, id, attributes)?);
        }
        for (id, service) in &directory.services {
            let mut attributes = self.owned(&service.tenant);
            attributes.insert("disabled".into(), RestrictedExpression::new_bool(service.disabled));
            self.in_roles(Kind::Service, id, &service.roles);
            entities.push(self.entity(Kind::Service, id, attributes)?);
        }
        for (kind, rows) in [(Kind::Project, &directory.projects), (Kind::Log, &directory.logs)] {
            for (id, owned) in rows {
                entities.push(self.entity(kind, id, self.owned(&owned.tenant))?);
            }
        }
        let holdings =
            [(Kind::Dataset, &directory.datasets), (Kind::Run, &directory.runs), (Kind::Adapter, &directory.adapters)];
        for (kind, rows) in holdings {
            for (id, holding) in rows {
                let mut attributes = self.owned(&holding.tenant);
                attributes.insert("sensitivity".into(), RestrictedExpression::new_long(holding.sensitivity.level()));
                attributes.insert("purposes".into(), texts(holding.purposes.iter().map(Id::as_str)));
                let project = words.entity(Kind::Project, &holding.project);
                self.parents.entry(Resource::new(kind, id.clone())).or_default().insert(project);
                entities.push(self.entity(kind, id, attributes)?);
            }
        }
        for (id, key) in &directory.keys {
            let mut attributes = self.owned(&key.tenant);
            attributes.insert("kind".into(), RestrictedExpression::new_entity_uid(words.key_kind(key.kind)));
            entities.push(self.entity(Kind::Key, id, attributes)?);
        }
        for (id, proposal) in &directory.policy_sets {
            entities.push(self.entity(Kind::PolicySet, id, self.proposal(proposal))?);
        }
        for (id, grant) in &directory.grants {
            entities.push(self.entity(Kind::Grant, id, self.grant(grant)?)?);
        }
        Ok(entities)
    }

    fn entity(&self, kind: Kind, id: &Id, attributes: Attributes) -> Result<Entity> {
        let parents = self.parents.get(&Resource::new(kind, id.clone())).cloned().unwrap_or_default();
        Entity::new(self.vocabulary.entity(kind, id), attributes, parents).map_err(disagree)
    }

    fn in_roles<'a>(&mut self, kind: Kind, id: &Id, roles: impl IntoIterator<Item = &'a Role>) {
        let roles = roles.into_iter().map(|role| self.vocabulary.role(*role));
        self.parents.entry(Resource::new(kind, id.clone())).or_default().extend(roles);
    }

    fn owned(&self, tenant: &Id) -> Attributes {
        Attributes::from([("tenant".into(), RestrictedExpression::new_entity_uid(self.vocabulary.tenant(tenant)))])
    }

    fn person(&self, id: &Id) -> RestrictedExpression {
        RestrictedExpression::new_entity_uid(self.vocabulary.entity(Kind::User, id))
    }

    fn people<'a>(&self, ids: impl Iterator<Item = &'a Id>) -> RestrictedExpression {
        RestrictedExpression::new_set(ids.map(|id| self.person(id)))
    }

    fn proposal(&self, proposal: &Proposal) -> Attributes {
        let mut attributes = self.owned(proposal.tenant());
        attributes.insert("proposed_by".into(), self.person(proposal.proposed_by()));
        attributes.insert("approvers".into(), self.people(proposal.approvals().keys()));
        attributes
    }

    fn grant(&self, grant: &Grant) -> Result<Attributes> {
        let count = i64::try_from(grant.approvals().len()).unwrap_or(i64::MAX);
        let mut attributes = self.owned(grant.tenant());
        attributes.extend([
            ("requested_by".into(), self.person(grant.requested_by())),
            ("requested_at".into(), datetime(grant.requested_at())),
            ("acts".into(), texts(grant.acts().iter().map(|act| act.name()))),
            ("purpose".into(), RestrictedExpression::new_string(grant.purpose().to_string())),
            ("needed".into(), RestrictedExpression::new_long(grant.needed().into())),
            ("approvals".into(), RestrictedExpression::new_long(count)),
            ("approvers".into(), self.people(grant.approvals().keys())),
            ("not_before".into(), datetime(grant.not_before())),
            ("expires".into(), datetime(grant.expires())),
            ("revoked".into(), RestrictedExpression::new_bool(grant.revoked_at().is_some())),
            ("break_glass".into(), RestrictedExpression::new_bool(grant.is_break_glass())),
        ]);
        if let Some([(first, first_at), (second, second_at)]) = grant.opened().filter(|_| grant.is_break_glass()) {
            let opened = RestrictedExpression::new_record([
                ("first".into(), self.person(first)),
                ("first_at".into(), datetime(first_at)),
                ("second".into(), self.person(second)),
                ("second_at".into(), datetime(second_at)),
            ]);
            attributes.insert("opened".into(), opened.map_err(disagree)?);
        }
        Ok(attributes)
    }
}

/// Who and what is in which grant.
fn parents(directory: &Directory, vocabulary: &Vocabulary) -> BTreeMap<Resource, HashSet<EntityUid>> {
    let mut parents: BTreeMap<Resource, HashSet<EntityUid>> = BTreeMap::new();
    for (id, grant) in &directory.grants {
        let who = Resource::new(grant.who().kind(), grant.who().id().clone());
        for inside in [&who, grant.resource()] {
            parents.entry(inside.clone()).or_default().insert(vocabulary.entity(Kind::Grant, id));
        }
    }
    parents
}

pub(crate) fn datetime(at: Instant) -> RestrictedExpression {
    RestrictedExpression::new_datetime(at.to_string())
}

fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> RestrictedExpression {
    RestrictedExpression::new_set(texts.map(|text| RestrictedExpression::new_string(text.into())))
}

fn disagree(error: impl std::fmt::Display) -> Error {
    Error::Entities { reason: error.to_string() }
}
