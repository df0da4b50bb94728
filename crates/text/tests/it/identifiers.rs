//! National numbers: what is found alone, what beside the words that name it, and what is left alone.

use cloister_text::{Detector, DetectorOptions, Error, LOCALES, Label, is_valid};

use crate::rules;

/// What is found in a text, with its label.
fn found(text: &str) -> Vec<(&'static str, &str)> {
    let spans = rules().detect(text);
    spans.iter().map(|span| (span.label.0, &text[span.start..span.end])).collect()
}

#[test]
fn strong_forms_are_found_without_a_word_beside_them() {
    for (label, value) in [
        ("FI_PERSONAL_IDENTITY_CODE", "131052-308T"),
        ("IT_FISCAL_CODE", "RSSMRA85T10A562S"),
        ("FR_NIR", "2 55 08 14 168 025 38"),
        ("DE_SOCIAL_SECURITY", "15070649C103"),
        ("DE_VAT_ID", "DE136695976"),
        ("DE_HANDELSREGISTER", "HRB 86891"),
        ("ES_NIE", "X1234567L"),
        ("KR_RRN", "960121-1021413"),
        ("SG_NRIC_FIN", "S2740116C"),
        ("ZA_ID_NUMBER", "8001015009087"),
        ("IN_GSTIN", "27AAPFU0939F1ZV"),
        ("UK_NINO", "AB 12 34 56 C"),
        ("US_MBI", "1EG4-TE5-MK73"),
        ("BR_CPF", "529.982.247-25"),
        ("CN_RESIDENT_ID", "11010519491231002X"),
        ("CH_AHV", "756.9217.0769.85"),
        ("BE_NRN", "85.07.30-033.28"),
        ("LOCATION", "A98 X2Y3"),
        ("LOCATION", "D6W F8K2"),
        ("VEHICLE_ID", "1M8GDM9AXKP042788"),
    ] {
        assert_eq!(found(&format!("It says {value}, nothing else.")), [(label, value)], "{label}");
    }
}

#[test]
fn weak_check_digits_need_a_word_that_names_them() {
    for (label, cue, value) in [
        ("UK_NHS", "NHS number", "943 476 5919"),
        ("NL_BSN", "BSN:", "111222333"),
        ("PL_PESEL", "PESEL", "44051401458"),
        ("AU_TFN", "tax file number", "876 543 210"),
        ("CA_SIN", "my SIN is", "130-692-544"),
        ("DE_TAX_ID", "Steuer-ID", "86095742719"),
        ("TR_NATIONAL_ID", "TC kimlik no", "10000000146"),
        ("IN_AADHAAR", "Aadhaar", "3998 7654 3211"),
        ("ABA_ROUTING_NUMBER", "routing number", "121042882"),
        ("US_NPI", "NPI", "1234567893"),
        ("IL_ID", "teudat zehut", "123456782"),
        ("PT_NIF", "contribuinte", "123456789"),
        ("DEVICE_ID", "IMEI:", "490154203237518"),
        ("VEHICLE_ID", "California license plate", "8KZT291"),
        ("VEHICLE_ID", "matrícula", "4471 KRD"),
        ("ACCOUNT_NUMBER", "Kundennr.", "5512-0937"),
        ("ACCOUNT_NUMBER", "employee ID", "E-009412"),
        ("ACCOUNT_NUMBER", "sort code", "20-45-77"),
        // One digit of the key is wrong.
        ("FR_NIR", "mon numéro de sécu est", "2 55 08 14 168 025 39"),
        ("MEDICAL_LICENSE", "DEA number", "AB1234563"),
        ("US_PASSPORT", "passport number", "A12803456"),
        ("ES_PASSPORT", "pasaporte", "AAA123456"),
        ("UK_PASSPORT", "HMPO passport", "AB1234567"),
        ("MEDICAL_RECORD_NUMBER", "MRN:", "00482-93"),
        ("HEALTH_PLAN_NUMBER", "Member ID", "XKJ204481932"),
        ("UK_VEHICLE_REGISTRATION", "my car, reg", "AB12 CDE"),
        ("DE_KFZ", "Kennzeichen", "HH-AB 1234"),
        ("TR_LICENSE_PLATE", "plaka", "34 ABC 123"),
    ] {
        let labels: Vec<_> = found(&format!("Here: {cue} {value}.")).into_iter().map(|(label, _)| label).collect();
        assert!(found(&format!("Here: {cue} {value}.")).contains(&(label, value)), "{label} {labels:?}");
        let alone: Vec<_> = found(&format!("we counted {value} of them")).into_iter().map(|(label, _)| label).collect();
        assert!(!alone.contains(&label), "{label} alone");
    }
}

#[test]
fn the_nearest_word_says_what_a_number_is() {
    assert_eq!(found("passport expired; SSN 078-05-1123")[0].0, "US_SSN");
    assert_eq!(found("SSN and passport number 219345678"), [("US_PASSPORT", "219345678")]);
    assert_eq!(found("passport and SSN 219345678"), [("US_SSN", "219345678")]);
}

#[test]
fn field_names_announce_their_values() {
    for text in ["{\"passport_number\":\"A12803456\"}", "passportNumber=A12803456", "passport-number: A12803456"] {
        assert!(found(text).contains(&("US_PASSPORT", "A12803456")), "{text}");
    }
    assert_eq!(found("주민등록번호는960121-1021413입니다"), [("KR_RRN", "960121-1021413")]);
    assert_eq!(found("เลขประจำตัวประชาชน3456789012347"), [("TH_TNIN", "3456789012347")]);
}

#[test]
fn parts_of_longer_numbers_amounts_and_words_are_left_alone() {
    for text in [
        "SSN 1-078-05-1123",
        "the passport cost $219345678",
        "passport 0.219345678",
        "passport_219345678",
        "passports of 1,219345678 people",
        "SSNx078-05-1123",
        "order 943 476 5919",
        "call 2019 or 2020",
        "<US_SSN> and <UK_NHS>",
        "my order 219345678 came",
        "12 MAY 2019 and 34 ABC 123",
        "in my 20s, at no 12",
        "Auto war an 12",
        "version 10.0.1234567",
        "3.14159265358979",
    ] {
        let spans = found(text);
        let others = ["PHONE_NUMBER", "IP_ADDRESS", "DATE_TIME"];
        assert!(spans.iter().all(|(label, _)| others.contains(label)), "{text}: {spans:?}");
    }
}

#[test]
fn locales_choose_the_countries() {
    let detector = |names: &[&str]| {
        let locales = Some(names.iter().map(|name| (*name).to_owned()).collect());
        Detector::new(&DetectorOptions { locales, ..DetectorOptions::default() })
    };
    let labels = |names: &[&str], text: &str| -> Vec<&'static str> {
        let spans = detector(names).unwrap_or_else(|e| panic!("{e}")).candidates(text);
        spans.iter().map(|span| span.label.0).collect()
    };
    let text = "111222333";
    assert!(labels(&["nl"], text).contains(&"NL_BSN"));
    assert!(!labels(&["us", "de"], text).contains(&"NL_BSN"));
    assert!(labels(&["us", "nl"], text).contains(&"US_PASSPORT"));
    assert!(!labels(&[], text).contains(&"US_SSN"));
    // Numbers without a country stay.
    assert!(labels(&["de"], "VIN 1M8GDM9AXKP042788").contains(&"VEHICLE_ID"));
    let Err(error) = detector(&["us", "xx"]) else { panic!("xx is no locale") };
    assert!(matches!(error, Error::UnknownLocale { .. }));
    assert_eq!(error.to_string(), "unknown locale `xx`");
    assert!(LOCALES.is_sorted() && LOCALES.contains(&"uk") && !LOCALES.contains(&"xx"));
}

#[test]
fn chosen_locales_make_weak_check_digits_count_more() {
    let score = |locales| {
        let detector = Detector::new(&DetectorOptions { locales, ..DetectorOptions::default() });
        let spans = detector.unwrap_or_else(|e| panic!("{e}")).candidates("44051401458");
        spans.iter().find(|span| span.label == Label::PL_PESEL).map(|span| span.score)
    };
    assert!(score(None) < Some(0.5));
    assert!(score(Some(vec!["pl".into()])) > Some(0.5));
}

#[test]
fn verdicts_on_values() {
    for (label, good, bad) in [
        (Label::CREDIT_CARD, "4111 1111 1111 1111", "4111 1111 1111 1112"),
        (Label::IBAN_CODE, "GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 33"),
        (Label::UK_NHS, "943-476-5919", "943-476-5918"),
        (Label::DE_TAX_ID, "86 095 742 719", "86 095 742 718"),
        (Label::IT_FISCAL_CODE, "rssmra85t10a562s", "rssmra85t32a562s"),
        (Label::ES_NIF, "12.345.678-Z", "12.345.678-A"),
        (Label::FR_SIREN, "732 829 320", "732 829 321"),
        (Label::FR_SIRET, "732 829 320 00074", "732 829 320 00075"),
        (Label::NL_BSN, "111222333", "111222334"),
        (Label::AU_ABN, "51 824 753 556", "51 824 753 557"),
        (Label::BR_CNPJ, "11.222.333/0001-81", "11.222.333/0001-82"),
        (Label::MX_CURP, "HEGG560427MVZRRL04", "HEGG560427MVZRRL4"),
        (Label::CL_RUT, "12.345.678-5", "12.345.678-6"),
        (Label::AR_CUIT, "20-12345678-6", "20-12345678-7"),
        (Label::NO_FODSELSNUMMER, "15021951940", "15021951941"),
        (Label::JP_MY_NUMBER, "1234 5678 9018", "1234 5678 9019"),
        (Label::HK_ID_CARD, "G123456(A)", "G123456(9)"),
        (Label::IE_PPS, "1234567FA", "1234567GA"),
        (Label::NZ_IRD, "49-091-850", "49-091-851"),
        (Label::AT_SVNR, "1237 010180", "1238 010180"),
        (Label::IL_ID, "123456782", "123456783"),
        (Label::SG_UEN, "201434292D", "201434292E"),
    ] {
        assert_eq!(is_valid(label, good), Some(true), "{label} {good}");
        assert_eq!(is_valid(label, bad), Some(false), "{label} {bad}");
    }
    assert_eq!(is_valid(Label::US_SSN, "078-05-1123"), None);
    assert_eq!(is_valid(Label::US_SSN, "666-05-1123"), Some(false));
    assert_eq!(is_valid(Label::US_PASSPORT, "12"), Some(false));
    assert_eq!(is_valid(Label::ACCOUNT_NUMBER, "anything"), None);
    assert_eq!(is_valid(Label::PERSON, "Ana"), None);
    assert_eq!(is_valid(Label::US_SSN, ""), Some(false));
    assert_eq!(is_valid(Label::DE_KFZ, "MÜ-AB 123"), None);
}
