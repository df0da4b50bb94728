//! What the names of members and columns announce is found and replaced under every profile, in strings and in numbers.

use cloister_text::{
    Columns, Dataset, Detector, Field, Label, Profile, ProtectReport, Replacer, Scope, Source, SurrogateKey, protect,
    read_from, read_source, scan,
};
use serde_json::{Value, json};

use crate::detector;

fn dataset(records: &[Value]) -> Dataset {
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    read_from(lines.join("\n").as_bytes(), &Columns::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn protected(records: &[Value], profile: Profile) -> (Vec<Value>, ProtectReport) {
    let mut data = dataset(records);
    let replacer = Replacer::new(SurrogateKey::from_bytes([7; 32]), profile, Scope::Dataset);
    let report = protect(&mut data, &detector(), &replacer);
    let read = |record: &cloister_text::Record| serde_json::from_str(&record.to_json_line()).unwrap();
    (data.records.iter().map(read).collect(), report)
}

fn patient() -> Value {
    json!({
        "text": "", "ssn": "219099999", "phone": "5551234567", "dob": "04121951", "zip": "03601", "mrn": "00482913",
        "accountNumber": "0098213377", "Passport No": "523409187", "first_name": "zhiqiang", "lastName": "OBRIST",
        "city": "Neuwied", "username": "zobrist", "password": "correcthorse", "email": "zobrist@intranet", "age": "93",
        "contact": {"telefon": ["2025550143", "2025550188"], "postleitzahl": "56564"},
    })
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.is_empty() => vec![],
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(members) => members.values().flat_map(strings).collect(),
        _ => vec![],
    }
}

#[test]
fn no_announced_value_stays_under_any_profile() {
    let record = patient();
    for profile in Profile::ALL {
        let (new, report) = protected(std::slice::from_ref(&record), profile);
        assert_eq!(report.residual_total(), 0, "{profile}: {:?}", report.residual);
        assert_eq!(report.found.values().sum::<usize>(), strings(&record).len(), "{profile}: {:?}", report.found);
        let new = strings(&new[0]);
        for value in strings(&record) {
            assert!(!new.contains(&value), "{profile}: {value:?} in {new:?}");
        }
    }
}

#[test]
fn numbers_are_found_and_stay_numbers_where_they_can() {
    let record = json!({
        "text": "seen", "ssn": 219_099_999, "phone": 5_551_234_567_u64, "mobile": 5_551_234_567.0, "age": 93, "zip": 90210,
        "amount": 5_551_234_567_u64, "tokens": [5_551_234_567_u64], "phones": [2_025_550_143_u64, {"n": 2_025_550_143_u64}],
        "balance": -5_551_234_567_i64, "phone_count": 12,
    });
    assert_eq!(scan(&dataset(std::slice::from_ref(&record)), &detector()).found_total(), 6);
    for profile in Profile::ALL {
        let (new, report) = protected(std::slice::from_ref(&record), profile);
        assert_eq!(report.residual_total(), 0, "{profile}");
        assert_eq!(report.replaced.values().sum::<usize>(), 6, "{profile}: {:?}", report.replaced);
        let new = &new[0];
        for name in ["ssn", "phone", "mobile", "age", "zip"] {
            assert_ne!(new[name], record[name], "{profile}: {name}");
        }
        assert_ne!(new["phones"][0], record["phones"][0], "{profile}");
        for name in ["amount", "tokens", "balance", "phone_count"] {
            assert_eq!(new[name], record[name], "{profile}: {name}");
        }
        assert_eq!(new["phones"][1], record["phones"][1], "{profile}");
        match profile {
            Profile::Surrogate => {
                assert!(new["phone"].is_u64() && new["phone"].to_string().len() == 10, "{new}");
                assert!(new["mobile"].is_f64(), "{new}");
            }
            Profile::Redact => assert_eq!(new["ssn"], "<US_SSN>"),
            Profile::Mask => assert_eq!(new["ssn"], "*********"),
            Profile::HipaaSafeHarbor => assert_eq!((&new["zip"], &new["age"]), (&json!("902"), &json!("90+"))),
            _ => {}
        }
    }
}

#[test]
fn a_column_of_a_table_announces_its_values() {
    let table = "Patient Name,SSN,Phone Number,text\nKehinde Obrist,219099999,5551234567,219099999 is a part\n";
    let source = Source::from_reader(table.as_bytes(), "x.csv");
    let mut data = read_source(source, &Columns::default()).unwrap_or_else(|error| panic!("{error}"));
    let replacer = Replacer::new(SurrogateKey::from_bytes([7; 32]), Profile::Redact, Scope::Dataset);
    protect(&mut data, &detector(), &replacer);
    let new: Value = serde_json::from_str(&data.records[0].to_json_line()).unwrap();
    assert_eq!(new["Patient Name"], "<PERSON>");
    assert_eq!(new["SSN"], "<US_SSN>");
    assert_eq!(new["Phone Number"], "<PHONE_NUMBER>");
    assert_eq!(new["text"], "219099999 is a part");
}

#[test]
fn what_tools_and_turns_are_called_is_nobodys() {
    let record = json!({
        "messages": [
            {"role": "user", "content": "what is the weather"},
            {"role": "assistant", "content": null, "tool_calls": [{"type": "function", "id": "call_1",
                "function": {"name": "get_weather", "arguments": "{\"unit\":\"c\"}"}}]},
            {"role": "tool", "name": "get_weather", "content": "{\"degrees\":21}"},
            {"role": "assistant", "content": "It is warm."}
        ],
        "tools": [{"type": "function", "function": {"name": "get_weather", "description": "the weather of a place",
            "parameters": {"type": "object", "properties": {"email": {"type": "string"}, "password": {"type": "string"},
            "age": {"type": "integer", "minimum": 18}}, "required": ["email"]}}}],
    });
    assert_eq!(scan(&dataset(&[record]), &detector()).found, [].into());
}

#[test]
fn texts_that_are_trained_on_are_announced_by_nothing() {
    let line = json!({"id": "a", "email": "219099999"}).to_string();
    let columns = Columns { text: Some("email".into()), ..Columns::default() };
    let data = read_from(line.as_bytes(), &columns).unwrap_or_else(|error| panic!("{error}"));
    assert!(data.records[0].searched().iter().all(|searched| searched.name.is_none()));
    let detector = detector();
    for text in ["219099999", "Zhiqiang", "MA", "5551234567 or 90210"] {
        let alone = detector.detect(text);
        for name in ["text", "content", "value", "prompt", "completion", "instruction", "input", "output", "system"] {
            assert_eq!(detector.detect_fields(&[Field { name: Some(name), text }])[0], alone, "{name}");
        }
    }
}

#[test]
fn names_of_members_are_persons_only_where_they_look_like_one() {
    let personal = |name: &str| !detector().detect_member_name(name).is_empty();
    for name in
        ["meta", "lang", "max", "mark", "lee", "grace", "paris", "Mark", "max_tokens", "firstName", "First Name"]
    {
        assert!(!personal(name), "{name}");
    }
    for name in ["Maria Fernandez", "zq.ruizova@quintacorp.com", "536-22-1834", "+1 212 736 5014"] {
        assert!(personal(name), "{name}");
    }
}

#[test]
fn only_chosen_countries_and_labels_are_announced() {
    let found = |options: cloister_text::DetectorOptions, name: &str, text: &str| {
        let detector = Detector::new(&options).unwrap();
        detector.detect_fields(&[Field { name: Some(name), text }]).pop().unwrap().len()
    };
    let standard = cloister_text::DetectorOptions::default;
    let locales = |names: &[&str]| Some(names.iter().map(|name| (*name).into()).collect());
    assert_eq!(found(standard(), "pesel", "44051401358"), 1);
    assert_eq!(
        found(cloister_text::DetectorOptions { locales: locales(&["us"]), ..standard() }, "pesel", "44051401358"),
        0
    );
    let only = cloister_text::DetectorOptions { labels: Some(vec![Label::PERSON.0.into()]), ..standard() };
    assert_eq!(found(only, "phone", "5551234567"), 0);
    assert_eq!(found(cloister_text::DetectorOptions { threshold: 0.9, ..standard() }, "zip", "02134"), 0);
}
