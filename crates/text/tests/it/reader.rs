//! What the reader accepts and refuses.

use std::io::Write;

use cloister_text::{Body, Columns, Dataset, Error, Problem, Reading, Role, Shape, Source, read, read_from};

fn from(bytes: &[u8]) -> Result<Dataset, Error> {
    read_from(bytes, &Columns::default())
}

fn refusal(bytes: &[u8]) -> String {
    from(bytes).err().map_or_else(|| "accepted".to_owned(), |error| error.to_string())
}

fn problems(bytes: &[u8]) -> Vec<(usize, Problem)> {
    from(bytes).ok().unwrap().findings.iter().map(|finding| (finding.line, finding.problem)).collect()
}

#[test]
fn every_shape_is_recognised() {
    for (line, shape) in [
        (r#"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}"#, Shape::Messages),
        (r#"{"prompt":"q","completion":"a"}"#, Shape::PromptCompletion),
        (r#"{"instruction":"q","output":"a"}"#, Shape::Alpaca),
        (r#"{"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"a"}]}"#, Shape::ShareGpt),
        (r#"{"id":"1","text":"t"}"#, Shape::Text),
    ] {
        assert_eq!(from(line.as_bytes()).ok().unwrap().shape, shape);
    }
}

#[test]
fn columns_and_roles_can_be_renamed() {
    let columns = Columns {
        messages: Some("dialog".into()),
        role: Some("who".into()),
        content: Some("says".into()),
        id: Some("ticket".into()),
        subject: Some("customer".into()),
        roles: [("kunde".to_owned(), Role::User), ("berater".to_owned(), Role::Assistant)].into(),
        ..Columns::default()
    };
    let line = r#"{"ticket":7,"customer":"c9","dialog":[{"who":"kunde","says":"q"},{"who":"berater","says":"a"}]}"#;
    let dataset = read_from(line.as_bytes(), &columns).ok().unwrap();
    let record = &dataset.records[0];
    assert_eq!((record.id.as_str(), record.subject.as_deref()), ("7", Some("c9")));
    let Body::Chat(turns) = record.body() else { panic!("not a chat") };
    assert_eq!(turns.iter().map(|turn| turn.role).collect::<Vec<_>>(), [Role::User, Role::Assistant]);
}

#[test]
fn identifiers_subjects_and_line_numbers() {
    let dataset =
        from(b"\xEF\xBB\xBF{\"text\":\"a\",\"user_id\":5}\r\n\r\n{\"id\":12,\"text\":\"b\",\"subject\":\"s\"}\r\n")
            .ok()
            .unwrap();
    let keys: Vec<_> = dataset.records.iter().map(|r| (r.line, r.id.as_str(), r.subject.as_deref())).collect();
    assert_eq!(keys, [(1, "line-1", Some("5")), (3, "12", Some("s"))]);
    let findings: Vec<_> = dataset.findings.iter().map(|finding| (finding.line, finding.problem)).collect();
    assert_eq!(findings, [(1, Problem::ByteOrderMark), (2, Problem::BlankLine)]);
}

#[test]
fn findings_name_what_is_odd() {
    assert_eq!(
        problems(b"{\"id\":\"a\",\"text\":\"x\"}\n{\"id\":\"a\",\"text\":\" \"}\n"),
        [(2, Problem::EmptyText), (2, Problem::DuplicateId)]
    );
    assert_eq!(
        problems(br#"{"prompt":" ","completion":"a","order":4155550132}"#),
        [(1, Problem::EmptyPrompt), (1, Problem::LongNumber)]
    );
    let tools = br#"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":[{"id":"c"}]},{"role":"tool","content":"r"},{"role":"assistant","content":"a"},{"role":"user","content":"thanks"}]}"#;
    assert_eq!(problems(tools), [(1, Problem::ToolCallsOnly), (1, Problem::EndsWithoutAssistant)]);
}

#[test]
fn refusals_name_line_and_place_and_no_content() {
    for (bytes, message) in [
        (&b""[..], "the data set is empty"),
        (b"\n \n", "the data set is empty"),
        (b"{\"text\":\"a\"}\n{\"text\":", "line 2, byte 7: not JSON"),
        (b"{'text':'secret'}", "line 1, byte 1: not JSON"),
        (b"{\"text\":\"a\"}\n[{\"text\":\"secret\"}]", "line 2 is an array, not a JSON object"),
        (b"[[\"secret\"]]", "line 1 is an array, not a JSON object"),
        (b"[{\"text\":\"a\"},\n{\"text\":\"secret\"", "the input ends too early, in line 2"),
        (b"{\"text\":\"secret \\ud800\"}", "line 1, byte 16: half of a surrogate pair"),
        (b"\"secret\"", "line 1 is a string, not a JSON object"),
        (b"{\"secret\":1}", "line 1 has none of the known record shapes"),
        (
            b"{\"text\":\"a\"}\n{\"prompt\":\"secret\",\"completion\":\"b\"}",
            "line 2 has the shape prompt-completion, the lines before it have the shape text",
        ),
        (b"{\"prompt\":\"secret\",\"completion\":\" \\n\"}", "line 1 has no completion"),
        (b"{\"prompt\":\"secret\",\"completion\":null}", "line 1 has no completion"),
        (b"{\"prompt\":\"secret\"}", "line 1: field `completion` is missing"),
        (b"{\"prompt\":\"a\",\"completion\":[\"secret\"]}", "line 1: field `completion` is not a string"),
        (b"{\"instruction\":\"a\"}", "line 1: field `output` is missing"),
        (b"{\"messages\":[{\"role\":\"user\",\"content\":\"secret\"}]}", "line 1 has no completion"),
        (b"{\"messages\":[]}", "line 1 has no completion"),
        (
            b"{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"  \"}]}",
            "line 1 has no completion",
        ),
        (b"{\"messages\":[{\"role\":\"secret\",\"content\":\"q\"}]}", "line 1: turn 1 has an unknown role"),
        (b"{\"messages\":[{\"content\":\"q\"}]}", "line 1: field `role` is missing"),
        (b"{\"messages\":\"secret\"}", "line 1: field `messages` is not a list of turns"),
        (b"{\"text\":\"secret\xFF\"}", "line 1, byte 15: not UTF-8"),
        (b"{\"text\":\"a\"}\n{\"text\":\"\0\"}", "line 2, byte 9: NUL character"),
        (b"{\"text\":\"ab\\u0000\"}", "line 1, byte 11: NUL character"),
        (b"{\"id\":[1],\"text\":\"a\"}", "line 1: field `id` is not a string or a number"),
    ] {
        assert_eq!(refusal(bytes), message);
    }
    assert!(from(br#"{"text":"a backslash \\u0000 is text"}"#).is_ok());
}

#[test]
fn files_that_are_not_there_and_folders_without_any() {
    let folder = tempfile::tempdir().unwrap();
    let missing = read(&folder.path().join("none.jsonl"), &Columns::default());
    assert!(matches!(missing.err(), Some(Error::MissingFile { .. })));
    let error = read(folder.path(), &Columns::default()).err().unwrap();
    assert!(matches!(error, Error::Empty));
    assert!(error.hint().is_some());
    let path = folder.path().join("a.jsonl");
    std::fs::File::create(&path).unwrap().write_all(b"{\"text\":\"a\"}").unwrap();
    assert_eq!(read(&path, &Columns::default()).ok().unwrap().records.len(), 1);
}

#[test]
fn a_line_may_not_pass_the_limit() {
    let limit = cloister_text::records::LINE_LIMIT_BYTES;
    let line = |length: usize| {
        let frame = r#"{"text":""}"#.len();
        format!("{{\"text\":\"{}\"}}\n", "a".repeat(length - frame))
    };
    assert!(from(line(limit).as_bytes()).is_ok());
    assert_eq!(refusal(line(limit + 1).as_bytes()), format!("line 1 is longer than {limit} bytes"));
}

#[test]
fn records_of_any_shape_are_read_whole_or_refused() {
    let read = |bytes: &'static [u8], name: &str| {
        cloister_text::read_as(Source::from_reader(bytes, name), &Reading::whole(&Columns::default()))
    };
    let table = read(b"name,ssn\nAna Ruiz,219-34-5678\n", "people.csv").unwrap();
    assert_eq!((table.shape, table.records.len()), (Shape::Fields, 1));
    assert_eq!(table.records[0].to_json_line(), r#"{"name":"Ana Ruiz","ssn":"219-34-5678"}"#);
    assert_eq!(table.findings.iter().map(|finding| finding.problem).collect::<Vec<_>>(), [Problem::UnknownShape]);
    let mixed = read(b"{\"text\":\"a\"}\n{\"note\":\"b\"}\n{\"prompt\":\"p\",\"completion\":1}\n", "").unwrap();
    assert_eq!((mixed.shape, mixed.records.len()), (Shape::Text, 3));
    assert!(matches!(read(b"{\"text\":\"a\"}\n{\"text\":\n", ""), Err(Error::NotJson { line: 2, .. })));
    assert!(matches!(read(b"", ""), Err(Error::Empty)));
}
