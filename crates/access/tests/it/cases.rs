//! Policy tests as data: the files in `tests/policies/`, and what the runner says of wrong ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cloister_access::{Cases, PolicySet};

#[test]
fn requirement_12_to_17_cases_of_the_built_in_policies() {
    let policies = PolicySet::load().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies");
    let mut deciding = BTreeSet::new();
    let mut cases = 0;
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let read = Cases::parse(&fs::read_to_string(&file).unwrap());
        let report = read.unwrap_or_else(|error| panic!("{}: {error}", file.display())).run(&policies).unwrap();
        assert_eq!(report.failures, [], "{}", file.display());
        cases += report.cases;
        deciding.extend(report.deciding);
    }
    eprintln!("{cases} cases");
    let untested: Vec<&str> =
        policies.rules().iter().map(|rule| &rule.id[..]).filter(|id| !deciding.contains(*id)).collect();
    assert_eq!(untested, [""; 0], "no case is decided by these");
}

const HEAD: &str = r#"now = "2026-11-27T10:00:00.000Z"
[directory.tenants.acme]
[directory.users.ana]
tenant = "acme"
roles = ["auditor"]
[directory.logs.main]
tenant = "acme"
"#;
const CASE: &str = r#"[[case]]
name = "reads the log"
principal = "user:ana"
action = "log.read"
resource = "log:main"
expect = "allow"
"#;

#[test]
fn cases_that_cannot_be_read_are_errors() {
    for (text, line, reason) in [
        (HEAD.to_owned(), 1, "there is no `[[case]]`"),
        (format!("{HEAD}{CASE}{CASE}"), 9, "two cases have this name"),
        (format!("{HEAD}{}", CASE.replace("log.read", "log.raed")), 11, "did you mean `log.read`?"),
        (format!("{HEAD}{}", CASE.replace("user:ana", "ana")), 10, "a principal is written as"),
        (format!("{HEAD}{}", CASE.replace("expect", "expects")), 13, "unknown field"),
        (format!("{HEAD}{}", CASE.replace("\"allow\"", "\"maybe\"")), 13, "unknown variant"),
        (format!("{}{CASE}", HEAD.replace("auditor", "auditr")), 5, "did you mean `auditor`?"),
        (format!("{}{CASE}", HEAD.replace(".000Z", "Z")), 1, "not an instant"),
    ] {
        let error = Cases::parse(&text).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        assert!(error.starts_with(&format!("line {line} of the cases")), "{error}\n{text}");
    }
}

#[test]
fn cases_that_fail_say_what_came_instead() {
    let policies = PolicySet::load().unwrap();
    let run = |text: String| Cases::parse(&text).unwrap().run(&policies).unwrap();
    assert_eq!(run(format!("{HEAD}{CASE}by = [\"auditor\"]\nalert = false\n")).failures, []);
    for (case, problem) in [
        (CASE.replace("allow", "deny"), "expected deny, and it is allow"),
        (format!("{CASE}by = [\"owner\"]\n"), r#"expected to be decided by {"owner"}, and it is by {"auditor"}"#),
        (format!("{CASE}alert = true\n"), "expected an alert, and there is none"),
    ] {
        let report = run(format!("{HEAD}{case}"));
        assert_eq!(report.failures[0].problem, problem);
        assert_eq!(report.failures[0].why, "allowed: auditors read the log and the evidence (auditor)\n");
    }
    // The file's own policies decide, where it has any.
    let own = "policies = '''@id(\"shut\") @reason(\"closed\") forbid (principal, action, resource);'''\n";
    let report = run(format!("{own}{HEAD}{CASE}"));
    assert_eq!(report.failures[0].why, "denied: closed (shut)\n");
}
