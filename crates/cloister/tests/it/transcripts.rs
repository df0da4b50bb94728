//! The manual's examples, run: every `console` block in `tests/cmd/*.md` must give what it shows.

#[test]
fn the_manual_tells_the_truth() {
    let home = tempfile::tempdir().unwrap();
    let cases = trycmd::TestCases::new();
    for (name, value) in [
        ("HOME", home.path().to_str().unwrap()),
        ("CLOISTER_HOME", home.path().to_str().unwrap()),
        ("PIP_INDEX_URL", "http://127.0.0.1:9/simple"),
        ("NO_PROXY", "*"),
        ("NO_COLOR", "1"),
        ("CLOISTER_NO_PROGRESS", "1"),
    ] {
        cases.env(name, value);
    }
    cases.case("tests/cmd/*.md");
}
