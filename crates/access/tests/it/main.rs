//! Integration tests of access.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod campaign;
mod cases;
mod decisions;
mod grants;
mod laws;
mod policies;
mod proposals;
mod reference;
mod world;

use std::time::Duration;

use cloister_access::{Action, Directory, Entities, Grant, Id, Instant, PolicySet, Request};

/// The instant of most tests.
const NOW: &str = "2026-11-27T10:00:00.000Z";

/// Two tenants, one person for each role of the first, and one of everything that can be acted on.
const HOUSE: &str = r#"
[tenants.acme]
[tenants.rival]
[tenants.solo]
four_eyes = false

[users.olga]
tenant = "acme"
roles = ["owner"]
mfa_at = "2026-11-27T09:50:00.000Z"
[users.stan]
tenant = "acme"
roles = ["steward"]
mfa_at = "2026-11-27T09:50:00.000Z"
[users.eva]
tenant = "acme"
roles = ["engineer"]
mfa_at = "2026-11-27T09:50:00.000Z"
[users.aude]
tenant = "acme"
roles = ["auditor"]
mfa_at = "2026-11-27T09:50:00.000Z"
[users.dora]
tenant = "acme"
roles = ["dpo"]
mfa_at = "2026-11-27T09:50:00.000Z"
[users.adam]
tenant = "acme"
roles = ["admin"]
mfa_at = "2026-11-27T09:50:00.000Z"
[users.nemo]
tenant = "acme"
mfa_at = "2026-11-27T09:50:00.000Z"
[users.rita]
tenant = "rival"
roles = ["owner", "steward", "engineer", "auditor", "dpo", "admin"]
mfa_at = "2026-11-27T09:50:00.000Z"
[users.sole]
tenant = "solo"
roles = ["owner"]
mfa_at = "2026-11-27T09:50:00.000Z"
[services.trainer]
tenant = "acme"
roles = ["engineer"]

[projects.help]
tenant = "acme"
[datasets.tickets]
tenant = "acme"
project = "help"
sensitivity = "personal"
purposes = ["support", "quality"]
[datasets.clinic]
tenant = "acme"
project = "help"
sensitivity = "special"
purposes = ["support"]
[datasets.diary]
tenant = "solo"
project = "own"
sensitivity = "special"
purposes = ["support"]
[runs.first]
tenant = "acme"
project = "help"
sensitivity = "personal"
purposes = ["support"]
[adapters.helper]
tenant = "acme"
project = "help"
sensitivity = "personal"
purposes = ["support"]
[adapters.own]
tenant = "solo"
project = "own"
sensitivity = "personal"
purposes = ["support"]
[keys.data-1]
tenant = "acme"
kind = "data"
[keys.log-1]
tenant = "acme"
kind = "log"
[logs.main]
tenant = "acme"
"#;

fn house() -> Directory {
    toml::from_str(HOUSE).unwrap()
}

fn entities(directory: &Directory) -> Entities {
    Entities::new(directory.clone()).unwrap()
}

fn now() -> Instant {
    NOW.parse().unwrap()
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn request(principal: &str, action: Action, resource: &str) -> Request {
    Request::new(principal.parse().unwrap(), action, resource.parse().unwrap(), now())
}

/// A request for the purpose of the house, where one is needed.
fn support(principal: &str, action: Action, resource: &str) -> Request {
    request(principal, action, resource).for_purpose(id("support"))
}

/// A grant as a row of a store, whatever it says: valid for the hour around `NOW` unless the fields say otherwise.
fn row(fields: serde_json::Value) -> Grant {
    let mut row = serde_json::json!({
        "tenant": "acme", "who": "user:eva", "resource": "dataset:tickets", "acts": ["train"], "purpose": "support",
        "requested_by": "eva", "requested_at": "2026-11-27T09:00:00.000Z", "needed": 1,
        "not_before": "2026-11-27T09:30:00.000Z", "expires": "2026-11-27T10:30:00.000Z",
        "approvals": { "stan": "2026-11-27T09:10:00.000Z" },
    });
    row.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(row).unwrap()
}

/// The policies that decide a request in the house with one more grant, `g`.
fn decided_with(policies: &PolicySet, grant: Grant, request: &Request) -> cloister_access::Decision {
    let mut directory = house();
    directory.grants.insert(id("g"), grant);
    policies.decide(&request.clone().with_grant(id("g")), &entities(&directory))
}
