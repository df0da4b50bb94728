//! The schema, parsed once, and the names of entities in the form that Cedar takes.

use std::collections::HashMap;
use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};

use crate::action::Action;
use crate::digest::Digest;
use crate::names::{KeyKind, Kind, Principal, Resource, Role};
use crate::{Error, Id, Result};

/// The schema as people read it.
pub(crate) const SCHEMA: &str = include_str!("schema.cedarschema");

/// The schema, and its names.
pub(crate) struct Vocabulary {
    pub(crate) schema: Schema,
    kinds: HashMap<Kind, EntityTypeName>,
    actions: HashMap<Action, EntityUid>,
    roles: HashMap<Role, EntityUid>,
    key_kinds: HashMap<KeyKind, EntityUid>,
    tenant: EntityTypeName,
}

impl Vocabulary {
    /// The one vocabulary.
    ///
    /// # Errors
    /// [`Error::Embedded`] if the schema of this crate is broken; the tests load it.
    pub(crate) fn get() -> Result<&'static Self> {
        static VOCABULARY: LazyLock<Result<Vocabulary, String>> = LazyLock::new(Vocabulary::parse);
        VOCABULARY.as_ref().map_err(|reason| Error::Embedded { what: "schema", reason: reason.clone() })
    }

    fn parse() -> Result<Self, String> {
        let (schema, warnings) = Schema::from_cedarschema_str(SCHEMA).map_err(|error| error.to_string())?;
        if let Some(warning) = warnings.into_iter().next() {
            return Err(warning.to_string());
        }
        let entity_type = |name: &str| name.parse::<EntityTypeName>().map_err(|error| error.to_string());
        let (action, role, key_kind) = (entity_type("Action")?, entity_type("Role")?, entity_type("KeyKind")?);
        let mut kinds = HashMap::new();
        for kind in Kind::ALL {
            kinds.insert(*kind, entity_type(kind.entity_type())?);
        }
        Ok(Self {
            schema,
            kinds,
            actions: Action::ALL.iter().map(|of| (*of, uid(&action, of.name()))).collect(),
            roles: Role::ALL.iter().map(|of| (*of, uid(&role, of.name()))).collect(),
            key_kinds: KeyKind::ALL.iter().map(|of| (*of, uid(&key_kind, of.name()))).collect(),
            tenant: entity_type("Tenant")?,
        })
    }

    pub(crate) fn entity(&self, kind: Kind, id: &Id) -> EntityUid {
        uid(&self.kinds[&kind], id.as_str())
    }

    pub(crate) fn resource(&self, resource: &Resource) -> EntityUid {
        self.entity(resource.kind(), resource.id())
    }

    pub(crate) fn principal(&self, principal: &Principal) -> EntityUid {
        self.entity(principal.kind(), principal.id())
    }

    pub(crate) fn tenant(&self, id: &Id) -> EntityUid {
        uid(&self.tenant, id.as_str())
    }

    pub(crate) fn action(&self, action: Action) -> EntityUid {
        self.actions[&action].clone()
    }

    pub(crate) fn role(&self, role: Role) -> EntityUid {
        self.roles[&role].clone()
    }

    pub(crate) fn key_kind(&self, kind: KeyKind) -> EntityUid {
        self.key_kinds[&kind].clone()
    }
}

/// The digest of the schema.
pub(crate) fn schema_digest() -> Digest {
    Digest::of("cloister access schema", [SCHEMA.as_bytes()])
}

fn uid(entity_type: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(entity_type.clone(), EntityId::new(id))
}
