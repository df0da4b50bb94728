//! The policies that decide: the built-in ones, and those that a project adds to them.
//!
//! Invariant: the built-in policies are always part of a set, so what they forbid stays forbidden whatever is added (in Cedar
//! a forbid wins over every permit). A set is parsed and strictly validated once, when it is loaded; an error names its line.
//! Every policy has an id and says in words what it decides.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use cedar_policy::{Authorizer, PolicyId, ValidationMode, Validator};
use miette::Diagnostic;

use crate::action::Action;
use crate::bounds;
use crate::decision::Effect;
use crate::digest::Digest;
use crate::names::{Id, KeyKind, Role, nearest};
use crate::vocabulary::{Vocabulary, schema_digest};
use crate::{Error, Result};

/// The longest text of policies that a project adds.
pub const LONGEST_CUSTOM_BYTES: usize = 256 * 1024;

/// The built-in policies, one file for each topic.
const BUILT_IN: &[(&str, &str)] = &[
    ("boundaries.cedar", include_str!("policies/boundaries.cedar")),
    ("purpose.cedar", include_str!("policies/purpose.cedar")),
    ("raw_data.cedar", include_str!("policies/raw_data.cedar")),
    ("roles.cedar", include_str!("policies/roles.cedar")),
    ("grants.cedar", include_str!("policies/grants.cedar")),
    ("four_eyes.cedar", include_str!("policies/four_eyes.cedar")),
    ("policy_changes.cedar", include_str!("policies/policy_changes.cedar")),
    ("break_glass.cedar", include_str!("policies/break_glass.cedar")),
];
const CUSTOM: &str = "the project's policies";

/// A parsed and validated set of policies.
pub struct PolicySet {
    pub(crate) vocabulary: &'static Vocabulary,
    pub(crate) cedar: cedar_policy::PolicySet,
    pub(crate) authorizer: Authorizer,
    rules: Vec<Rule>,
    /// From ids to places in `rules`.
    places: HashMap<String, usize>,
    digest: Digest,
}

/// What is known of one policy beside its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// Whether it permits or forbids.
    pub effect: Effect,
    /// What it decides, in words.
    pub reason: String,
    /// What somebody should be told when it decides.
    pub alert: Option<String>,
    /// Whose policy: a file of this crate, or the project's.
    pub file: &'static str,
    /// What it can be about.
    pub actions: BTreeSet<Action>,
}

impl PolicySet {
    /// The built-in policies.
    ///
    /// # Errors
    /// [`Error::Embedded`] if they are broken; the tests load them.
    pub fn load() -> Result<Self> {
        let mut loader = Loader::new()?;
        loader.built_in()?;
        loader.finish()
    }

    /// The built-in policies and others. A policy of a project has an `@id` that no other has and a `@reason`; with `@alert`
    /// it raises an alert when it decides. Templates are not taken.
    ///
    /// # Errors
    /// [`Error::Policy`] with the line and the nearest name, for the first thing that is wrong: a text that is no policy, a
    /// name that the schema does not have, an attribute that may be missing, a comparison of different types, a policy that
    /// can never apply, brackets more than 32 deep, a policy of more than 8 KiB; [`Error::PoliciesTooLong`] beyond [`LONGEST_CUSTOM_BYTES`].
    pub fn with_custom(text: &str) -> Result<Self> {
        if text.len() > LONGEST_CUSTOM_BYTES {
            return Err(Error::PoliciesTooLong { bytes: text.len(), limit: LONGEST_CUSTOM_BYTES });
        }
        let mut loader = Loader::new()?;
        loader.built_in()?;
        loader.add(CUSTOM, text)?;
        loader.finish()
    }

    /// No policies: everything is denied. What holds before a project has chosen any.
    ///
    /// # Errors
    /// [`Error::Embedded`] if the schema is broken.
    pub fn none() -> Result<Self> {
        Loader::new()?.finish()
    }

    /// The digest of the schema and of every text that was loaded.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The policies, in the order of their files.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// One policy.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.places.get(id).map(|place| &self.rules[*place])
    }

    /// Ids in the order of the policies' files.
    pub(crate) fn sorted<'a>(&self, ids: impl Iterator<Item = &'a PolicyId>) -> Vec<String> {
        let mut places: Vec<usize> = ids.filter_map(|id| self.places.get(id.as_ref() as &str).copied()).collect();
        places.sort_unstable();
        places.into_iter().map(|place| self.rules[place].id.clone()).collect()
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicySet").field("policies", &self.rules.len()).field("digest", &self.digest).finish()
    }
}

struct Loader {
    vocabulary: &'static Vocabulary,
    cedar: cedar_policy::PolicySet,
    rules: Vec<Rule>,
    places: HashMap<String, usize>,
    texts: Vec<(&'static str, String)>,
}

impl Loader {
    fn new() -> Result<Self> {
        let vocabulary = Vocabulary::get()?;
        let cedar = cedar_policy::PolicySet::new();
        Ok(Self { vocabulary, cedar, rules: Vec::new(), places: HashMap::new(), texts: Vec::new() })
    }

    fn built_in(&mut self) -> Result<()> {
        BUILT_IN.iter().try_for_each(|(file, text)| self.add(file, text))
    }

    /// Parses a file and adds its policies under their own ids.
    fn add(&mut self, file: &'static str, text: &str) -> Result<()> {
        bounds::check(text).map_err(|(at, reason)| wrong(file, text, at, reason))?;
        let parsed: cedar_policy::PolicySet = text.parse().map_err(|error| located(file, text, &error))?;
        if let Some(template) = parsed.templates().next() {
            let at = text.find(&template.to_string()).unwrap_or(0);
            return Err(wrong(file, text, at, "a policy with a slot is a template, and templates are not taken"));
        }
        let mut from = 0;
        for place in 0..parsed.num_of_policies() {
            // Cedar numbers the policies of a text in their order.
            let Some(policy) = parsed.policy(&PolicyId::new(format!("policy{place}"))) else {
                return Err(wrong(file, text, from, "its policies cannot be told apart"));
            };
            let own = policy.to_string();
            let at = text.get(from..).and_then(|rest| rest.find(&own)).map_or(from, |at| from + at);
            from = at + own.len();

            let id = policy.annotation("id").and_then(|id| Id::new(id).ok());
            let Some(id) = id.map(|id| id.to_string()) else {
                return Err(wrong(
                    file,
                    text,
                    at,
                    "a policy has an `@id` of printable ASCII characters without a space",
                ));
            };
            let Some(reason) = policy.annotation("reason").filter(|reason| !reason.trim().is_empty()) else {
                return Err(wrong(file, text, at, "a policy has a `@reason` that says in words what it decides"));
            };
            if self.places.contains_key(&id) {
                return Err(wrong(file, text, at, "another policy has this `@id`"));
            }
            let environments = policy.get_valid_request_envs(&self.vocabulary.schema);
            let rule = Rule {
                effect: policy.effect().into(),
                reason: one_line(reason),
                alert: policy.annotation("alert").map(one_line),
                file,
                actions: environments.filter_map(|of| of.action().id().unescaped().parse().ok()).collect(),
                id: id.clone(),
            };
            let named = policy.new_id(PolicyId::new(&id));
            self.cedar.add(named).map_err(|error| wrong(file, text, at, &error.to_string()))?;
            self.places.insert(id, self.rules.len());
            self.rules.push(rule);
        }
        self.texts.push((file, text.into()));
        Ok(())
    }

    /// Validates everything.
    fn finish(self) -> Result<PolicySet> {
        let validator = Validator::new(self.vocabulary.schema.clone());
        let result = validator.validate(&self.cedar, ValidationMode::Strict);
        let errors = result.validation_errors().map(|error| (error.policy_id(), false, error as &dyn Diagnostic));
        let warnings = result.validation_warnings().map(|of| (of.policy_id(), true, of as &dyn Diagnostic));
        // Of the first policy that has one, and its errors before its warnings, which may follow from them.
        let first = errors.chain(warnings).min_by_key(|(policy, is_warning, diagnostic)| {
            (self.places.get(policy.as_ref() as &str).copied(), *is_warning, offset(*diagnostic))
        });
        if let Some((policy, _, diagnostic)) = first {
            return Err(self.invalid(policy.as_ref(), diagnostic));
        }
        let schema = schema_digest();
        let texts = self.texts.iter().flat_map(|(file, text)| [file.as_bytes(), text.as_bytes()]);
        let digest = Digest::of("cloister access policy set", std::iter::once(&schema.0[..]).chain(texts));
        let Self { vocabulary, cedar, rules, places, .. } = self;
        Ok(PolicySet { vocabulary, cedar, authorizer: Authorizer::new(), rules, places, digest })
    }

    fn invalid(&self, policy: &str, diagnostic: &dyn Diagnostic) -> Error {
        let file = self.places.get(policy).map_or(CUSTOM, |place| self.rules[*place].file);
        let text = self.texts.iter().find(|(name, _)| *name == file).map_or("", |(_, text)| text);
        located(file, text, diagnostic)
    }
}

/// The error of something that Cedar found, with its line and what it suggests.
fn located(file: &'static str, text: &str, diagnostic: &dyn Diagnostic) -> Error {
    let at = offset(diagnostic).unwrap_or(0);
    let said = diagnostic.to_string();
    // Cedar begins with the policy, which the line tells.
    let reason = match said.strip_prefix("for policy `").and_then(|rest| rest.split_once('`')) {
        Some((policy, rest)) => format!("policy `{policy}`: {}", rest.trim_start_matches([',', ':', ' '])),
        None => said,
    };
    let hint = member(&reason).or_else(|| diagnostic.help().map(|help| one_line(&help.to_string())));
    problem(file, text, at, one_line(&reason), hint)
}

/// The nearest name for an action, a role or a kind of key that does not exist. Cedar compares actions with their type before
/// them, so that short names are nearest to everything, and lists roles.
fn member(reason: &str) -> Option<String> {
    const GROUPS: &[&str] = &["purposeful", "raw", "grantable", "four eyes", "subject"];
    if !reason.contains("unrecognized action") && !reason.contains("enumerated entity type") {
        return None;
    }
    let of = |list: &str| Some(reason.split_once(&format!("{list}::\""))?.1.split_once('"')?.0);
    let (list, nearest) = if let Some(name) = of("Action") {
        ("Action", nearest(name, Action::ALL.iter().map(|action| action.name()).chain(GROUPS.iter().copied())))
    } else if let Some(name) = of("Role") {
        ("Role", nearest(name, Role::ALL.iter().map(|role| role.name())))
    } else {
        ("KeyKind", nearest(of("KeyKind")?, KeyKind::ALL.iter().map(|kind| kind.name())))
    };
    nearest.map(|nearest| format!("did you mean `{list}::\"{nearest}\"`?"))
}

fn offset(diagnostic: &dyn Diagnostic) -> Option<usize> {
    diagnostic.labels()?.map(|label| label.offset()).min()
}

fn wrong(file: &'static str, text: &str, at: usize, reason: &str) -> Error {
    problem(file, text, at, reason.into(), None)
}

fn problem(file: &'static str, text: &str, at: usize, reason: String, hint: Option<String>) -> Error {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    if file == CUSTOM {
        Error::Policy { file: file.into(), line, reason, hint }
    } else {
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        Error::Embedded { what: file, reason: format!("line {line}: {reason}{hint}") }
    }
}

/// The text in one line, without what could move a cursor.
fn one_line(text: &str) -> String {
    let clean: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl From<cedar_policy::Effect> for Effect {
    fn from(effect: cedar_policy::Effect) -> Self {
        match effect {
            cedar_policy::Effect::Permit => Self::Allow,
            cedar_policy::Effect::Forbid => Self::Deny,
        }
    }
}
