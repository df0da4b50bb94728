//! The schema and the policies: what is loaded, what is refused, and that Rust and schema say the same.

use std::collections::BTreeSet;

use cedar_policy::{EntityUid, Schema};
use cloister_access::{Action, Effect, Error, Kind, LONGEST_CUSTOM_BYTES, PolicySet, Role};

const SCHEMA: &str = include_str!("../../src/schema.cedarschema");

fn kinds(kinds: &[Kind]) -> BTreeSet<String> {
    kinds.iter().map(|kind| kind.name().replace("policy-set", "policyset")).collect()
}

#[test]
fn actions_in_rust_are_the_actions_of_the_schema() {
    let (schema, warnings) = Schema::from_cedarschema_str(SCHEMA).unwrap();
    assert_eq!(warnings.count(), 0);
    let groups: BTreeSet<String> = schema.action_groups().map(|uid| uid.id().unescaped().to_owned()).collect();
    assert_eq!(groups, ["four eyes", "grantable", "purposeful", "raw", "subject"].map(String::from).into());
    let actions: BTreeSet<String> = schema.actions().map(|uid| uid.id().unescaped().to_owned()).collect();
    let ours: BTreeSet<String> = Action::ALL.iter().map(|action| action.name().to_owned()).collect();
    assert_eq!(actions.difference(&groups).cloned().collect::<BTreeSet<_>>(), ours);

    let hierarchy = schema.action_entities().unwrap();
    for action in Action::ALL {
        let uid: EntityUid = format!("Action::\"{action}\"").parse().unwrap();
        let names = |types: &mut dyn Iterator<Item = &cedar_policy::EntityTypeName>| {
            types.map(|name| name.basename().to_lowercase()).collect::<BTreeSet<_>>()
        };
        assert_eq!(names(&mut schema.principals_for_action(&uid).unwrap()), kinds(action.principals()), "{action}");
        assert_eq!(names(&mut schema.resources_for_action(&uid).unwrap()), kinds(action.resources()), "{action}");
        let is_in = |group: &str| hierarchy.is_ancestor_of(&format!("Action::\"{group}\"").parse().unwrap(), &uid);
        assert_eq!(is_in("purposeful"), action.is_purposeful(), "{action}");
        assert_eq!(is_in("raw"), action.is_raw(), "{action}");
        assert_eq!(is_in("grantable"), action.is_grantable(), "{action}");
        assert_eq!(is_in("four eyes"), action.needs_four_eyes(), "{action}");
        assert_eq!(is_in("subject"), action.is_for_subjects(), "{action}");
    }
    // The entity types, with their closed lists.
    let types: BTreeSet<String> = schema.entity_types().map(|name| name.basename().to_lowercase()).collect();
    let mut ours = kinds(Kind::ALL);
    ours.extend(["tenant", "role", "keykind"].map(String::from));
    assert_eq!(types, ours);
    let roles = Role::ALL.iter().map(|role| format!("\"{role}\"")).collect::<Vec<_>>().join(", ");
    assert!(SCHEMA.contains(&format!("entity Role enum [{roles}];")));
}

#[test]
fn built_in_policies_say_what_they_decide() {
    let policies = PolicySet::load().unwrap();
    assert!(policies.rules().len() >= 30);
    for rule in policies.rules() {
        assert!(rule.reason.len() > 15 && !rule.actions.is_empty(), "{rule:?}");
        assert_eq!(policies.rule(&rule.id), Some(rule));
    }
    // Whatever nobody is permitted, nobody can do: every action has a permit beside the owner's.
    for action in Action::ALL {
        let permits =
            policies.rules().iter().filter(|rule| rule.effect == Effect::Allow && rule.actions.contains(action));
        let least = if matches!(action, Action::DatasetExport) { 3 } else { 2 };
        assert!(permits.count() >= least, "{action}");
    }
    assert_eq!(policies.digest(), PolicySet::load().unwrap().digest());
    assert_ne!(policies.digest(), PolicySet::none().unwrap().digest());
    assert_ne!(policies.digest(), PolicySet::with_custom("// nothing").unwrap().digest());
}

/// The error of policies: line, reason with hint.
fn refusal(text: &str) -> (usize, String) {
    match PolicySet::with_custom(text) {
        Err(Error::Policy { line, reason, hint, .. }) => (line, format!("{reason} | {}", hint.unwrap_or_default())),
        other => panic!("{other:?}\n{text}"),
    }
}

const HEAD: &str = "// Ours\n\n@id(\"ours\")\n@reason(\"we say so\")\n";

#[test]
fn requirement_17_a_typo_is_one_error_with_its_line_and_the_nearest_name() {
    let mut wrong = Vec::new();
    for (policy, line, reason) in [
        ("forbid (principal, action in Action::\"four_eyes\", resource);", 5, "did you mean `Action::\"four eyes\"`?"),
        (
            "forbid (principal, action, resource is Key) when { resource.kind == KeyKind::\"logs\" };",
            5,
            "KeyKind::\"log\"`?",
        ),
        (
            "permit (principal, action == Action::\"dataset.raed\", resource);",
            5,
            "did you mean `Action::\"dataset.read\"`?",
        ),
        ("permit (principal in Role::\"ownr\", action, resource);", 5, "did you mean `Role::\"owner\"`?"),
        ("permit (principal in Roles::\"owner\", action, resource);", 5, "did you mean `Role`?"),
        (
            "forbid (principal, action in Action::\"purposeful\", resource)\nwhen {\n    resource.purposs.isEmpty()\n};",
            7,
            "did you mean `purposes`?",
        ),
        ("forbid (principal, action, resource)\nwhen { context.nwo < context.now };", 6, "did you mean `now`?"),
        ("forbid (principal is User, action, resource)\nwhen { principal.mfa_at < context.now };", 6, "has mfa_at"),
        ("forbid (principal, action, resource)\nwhen { principal.disabled == 1 };", 6, "not compatible"),
        ("forbid (principal, action, resource)\nwhen { context.now < \"2027\" };", 6, "unexpected type"),
        ("permit (principal, action, resource)", 5, "unexpected end of input"),
        ("permits (principal, action, resource);", 5, "permit"),
        ("permit (principal == ?principal, action, resource);", 3, "templates are not taken"),
        ("permit (principal is Service, action == Action::\"dataset.read\", resource);", 3, "applicable action"),
        ("permit (principal, action, resource) when { false };", 3, "impossible"),
    ] {
        let (found, said) = refusal(&format!("{HEAD}{policy}\n"));
        if !said.contains(reason) || found != line || said.contains('\n') {
            wrong.push(format!("{policy}: line {found}: {said}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn requirement_17_policies_without_a_name_or_under_one_of_ours_are_refused() {
    let permit = "permit (principal, action, resource);";
    for (text, line, reason) in [
        (format!("\n{permit}"), 2, "has an `@id`"),
        (format!("@id(\"a b\") @reason(\"x\") {permit}"), 1, "has an `@id`"),
        (format!("@id(\"a\")\n{permit}"), 1, "has a `@reason`"),
        (format!("@id(\"a\") @reason(\" \")\n{permit}"), 1, "has a `@reason`"),
        (format!("@id(\"no-own-approval\") @reason(\"x\")\n{permit}"), 1, "another policy has this `@id`"),
        (
            format!("@id(\"a\") @reason(\"x\")\n{permit}\n@id(\"a\") @reason(\"x\")\n{permit}"),
            3,
            "another policy has this `@id`",
        ),
    ] {
        let (found, said) = refusal(&text);
        assert!(said.contains(reason), "{text}: {said}");
        assert_eq!(found, line, "{text}: {said}");
    }
    let error = PolicySet::with_custom(&"/".repeat(LONGEST_CUSTOM_BYTES + 1)).unwrap_err();
    assert!(matches!(error, Error::PoliciesTooLong { .. }), "{error}");
}

/// Texts that could exhaust a stack: each is an error or policies, never the end of the process.
#[test]
fn requirement_17_hostile_policies_end_in_an_error() {
    let policy = |condition: &str| format!("{HEAD}permit (principal, action, resource) when {{ {condition} }};");
    let within = |part: &str, last: &str| policy(&format!("{}{last}", part.repeat(7900 / part.len())));
    for deep in [20_000, 33] {
        let text = policy(&format!("{}true{}", "(".repeat(deep), ")".repeat(deep)));
        let (line, said) = refusal(&text);
        assert!(line == 5 && said.contains("brackets stand more than 32 deep"), "{said}");
    }
    let (_, said) = refusal(&policy(&"true && ".repeat(2000)));
    assert!(said.contains("longer than 8 KiB"), "{said}");
    for text in [
        within("true&&", "true"),
        within("true||", "true"),
        within("if true then true else ", "true"),
        within("if ", "true"),
        within("1+", "1 == 1"),
        within("1*", "1 == 1"),
        within("!", "true"),
        within("-", "1 == 1"),
        policy(&format!("resource{}", ".tenant".repeat(1100))),
        policy(&format!("resource{}", "[\"tenant\"]".repeat(700))),
        policy(&format!("A{}", "::A".repeat(2600))),
        format!("{HEAD}{}", "@a ".repeat(2600)),
        format!("{HEAD}permit (principal, action, resource) {};", "when { true } ".repeat(550)),
        format!("{HEAD}permit (principal, action, resource) {};", "when { ".repeat(33)),
        policy(&format!("{}true{}", "[".repeat(31), "]".repeat(31))),
        policy(&format!("{}1{} == 1", "(".repeat(30), ")".repeat(30))),
    ] {
        match PolicySet::with_custom(&text) {
            Ok(policies) => assert!(policies.rule("ours").is_some()),
            Err(error) => assert!(matches!(error, Error::Policy { .. }), "{error}"),
        }
    }
}

#[test]
fn reasons_are_one_line() {
    let text = "@id(\"x\") @reason(\"two\\nlines \\u{1b}[31m red\") permit (principal, action, resource);";
    let policies = PolicySet::with_custom(text).unwrap();
    assert_eq!(policies.rule("x").unwrap().reason, "two lines [31m red");
}
