//! Dates in every form that is read, and what only looks like one.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::detect::{Detector, DetectorOptions};

fn dates<'a>(spans: &[Span], text: &'a str) -> Vec<&'a str> {
    let dates = spans.iter().filter(|span| span.label == Label::DATE_TIME);
    dates.map(|span| &text[span.start..span.end]).collect()
}

fn candidates(text: &str) -> Vec<&str> {
    dates(&Detector::new(&DetectorOptions::default()).unwrap().candidates(text), text)
}

fn found(text: &str) -> Vec<&str> {
    dates(&Detector::new(&DetectorOptions::default()).unwrap().detect(text), text)
}

#[test]
fn complete_dates_are_found_in_every_form() {
    for date in [
        "2019-11-30",
        "2019/11/30",
        "30.11.2019",
        "30/11/2019",
        "11/30/2019",
        "11-30-2019",
        "30/11/19",
        "30.11.19",
        "2019-11-30T08:15:00Z",
        "2019-11-30T08:15:00.123456+05:30",
        "2019-11-30 08:15:00",
        "20191130T081500Z",
        "30 November 2019",
        "30th of November, 2019",
        "November 30, 2019",
        "Nov. 30th 2019",
        "Nov 30",
        "30-NOV-2019",
        "30-Nov",
        "Nov-2019",
        "30NOV2019",
        "Saturday, November 30, 2019 at 8:15 pm",
        "Sat, 30 Nov 2019 08:15:00 +0100",
        "Sat Nov 30 08:15:00 2019",
        "30/Nov/2019:08:15:00 +0000",
        "30. November 2019",
        "Samstag, den 30. November 2019",
        "30. 11. 2019",
        "1er décembre 2019",
        "samedi 30 novembre 2019 à 8h15",
        "30 de noviembre de 2019",
        "noviembre de 2019",
        "sábado, 30 de noviembre del 2019",
        "30 novembre 2019",
        "1º de dezembro de 2019",
        "30 november 2019",
        "3-5 May 2019",
        "May 3-5, 2019",
    ] {
        assert_eq!(found(&format!("It was {date}, they say.")), [date]);
        assert_eq!(found(&format!("\u{201c}{date}\u{201d}")), [date]);
    }
}

#[test]
fn intervals_are_two_dates() {
    assert_eq!(found("2019-11-30/2019-12-07"), ["2019-11-30", "2019-12-07"]);
    assert_eq!(found("11/30/2019-12/7/2019"), ["11/30/2019", "12/7/2019"]);
    assert_eq!(found("30.11.2019 - 7.12.2019"), ["30.11.2019", "7.12.2019"]);
}

#[test]
fn what_only_looks_like_a_date_is_not_found() {
    for text in [
        "version 10.4.11",
        "the 1/2 share",
        "call 01.02.03.04.05",
        "at 192.168.10.20",
        "order 2019-113",
        "a ratio of 16:9",
        "31/31/2019",
        "13-13-2019",
        "x2019-11-30",
        "2019-11-301",
        "you may 5",
        "set 5 of them",
        "3 out of 2019 people",
        "the year 2019",
        "at 14:30",
        "on Monday",
        "we march 5 miles",
        "Maybe 5",
        "aged 13-17 may be",
        "on set 5",
        "exon 19 del gen Jagged",
    ] {
        assert!(found(text).is_empty(), "{text}: {:?}", found(text));
    }
}

#[test]
fn words_before_a_date_raise_it() {
    assert_eq!(found("born in 1975"), ["1975"]);
    assert_eq!(found("geb. 1975"), ["1975"]);
    assert_eq!(found("DOB: 3/75 and more"), [] as [&str; 0]);
    assert_eq!(found("Date of birth: 20191130"), ["20191130"]);
    assert_eq!(candidates("since 1975"), ["1975"]);
    assert_eq!(candidates("Friday at 14:30"), ["Friday", "14:30"]);
    assert_eq!(found("comes Out 25th October"), ["25th October"]);
    assert_eq!(candidates("due 5/21"), ["5/21"]);
    assert_eq!(candidates("due 05/2021"), ["05/2021"]);
}

#[test]
fn parts_say_where_the_fields_stand() {
    let fields = |value: &str| {
        let parts = parse(value).unwrap();
        [parts.year, parts.month, parts.day]
            .map(|part| part.map(|part| (value[part.start..part.end].to_owned(), part.value)))
    };
    let field = |text: &str, value: u32| Some((text.to_owned(), value));
    assert_eq!(fields("2019-11-30"), [field("2019", 2019), field("11", 11), field("30", 30)]);
    assert_eq!(fields("30.11.75"), [field("75", 1975), field("11", 11), field("30", 30)]);
    assert_eq!(fields("11/30/2019"), [field("2019", 2019), field("11", 11), field("30", 30)]);
    assert_eq!(fields("1er décembre 2019"), [field("2019", 2019), field("décembre", 12), field("1", 1)]);
    assert_eq!(fields("Sat Nov 30 08:15:00 2019"), [field("2019", 2019), field("Nov", 11), field("30", 30)]);
    assert_eq!(fields("November 2019"), [field("2019", 2019), field("November", 11), None]);
    assert_eq!(fields("2019"), [field("2019", 2019), None, None]);
    let parts = parse("Friday, May 3, 2019 at 8:15 pm").unwrap();
    assert_eq!((parts.weekday.unwrap().value, parts.time), (5, Some(23..30)));
    assert!(parse("5/6/2021").unwrap().ambiguous && !parse("5.6.2021").unwrap().ambiguous);
    assert!(!parse("5/5/2021").unwrap().ambiguous);
}

#[test]
fn what_no_calendar_has_does_not_parse() {
    for value in ["2023-02-29", "31.4.2020", "May 3-5, 2019", "14:30", "Monday", "2019-11-30 or", "", "é", "12"] {
        assert!(parse(value).is_none(), "{value}");
    }
    assert!(parse("29.2.2024").is_some() && parse("29 Feb").is_some());
}

/// The forms that Presidio's table of recognisers lists, each as the one candidate of its sentence.
#[test]
fn every_numeric_form_is_one_candidate() {
    let detector = Detector::new(&DetectorOptions::default()).unwrap();
    let months = ["JAN", "feb", "Mar", "APR", "may", "Jun", "JUL", "aug", "Sep", "OCT", "nov", "Dec"];
    let mut all = Vec::new();
    for (day, month, year) in [(1, 1, 1999), (9, 12, 2004), (13, 2, 2021), (28, 10, 1987), (31, 8, 2030)] {
        let short = year % 100;
        all.extend([
            format!("{month}/{day}/{year}"),
            format!("{month:02}/{day:02}/{short:02}"),
            format!("{day}/{month}/{year}"),
            format!("{day:02}/{month:02}/{short:02}"),
            format!("{year}/{month}/{day:02}"),
            format!("{month}-{day}-{year}"),
            format!("{day:02}-{month:02}-{year}"),
            format!("{year}-{month}-{day}"),
            format!("{day}.{month}.{year}"),
            format!("{day:02}.{month:02}.{short:02}"),
            format!("{day}-{}-{year}", months[month - 1]),
            format!("{day:02}-{}-{short:02}", months[month - 1]),
            format!("{}-{year}", months[month - 1]),
            format!("{}-{short:02}", months[month - 1]),
            format!("{day}-{}", months[month - 1]),
            format!("{month}/{year}"),
            format!("{month:02}/{short:02}"),
            format!("{year}-{month:02}-{day:02}T23:59:07.25+14:00"),
            format!("{year}-{month:02}-{day:02}T00:00Z"),
        ]);
    }
    for date in all {
        for text in [format!("Today is {date}"), date.clone(), format!("({date}),\n")] {
            assert_eq!(dates(&detector.candidates(&text), &text), [date.as_str()], "{text:?}");
        }
        let glued = format!("Today is{date}");
        assert!(dates(&detector.candidates(&glued), &glued).is_empty(), "{glued}");
    }
}
