//! Postal addresses in the forms of many countries, whole and alone.

use cloister_text::Label;

use crate::rules;

fn places(text: &str) -> Vec<&str> {
    let spans = rules().detect(text);
    spans.iter().filter(|span| span.label == Label::LOCATION).map(|span| &text[span.start..span.end]).collect()
}

/// Each address stands in a sentence and must be found as a whole, neither more nor less.
fn found_whole(addresses: &[&str]) {
    let mut missed = Vec::new();
    for address in addresses {
        for (before, after) in
            [("we wrote to ", ", and got no answer"), ("", "\n"), ("it was sent to ", ". Thanks a lot")]
        {
            let text = format!("{before}{address}{after}");
            let got = places(&text);
            if got != [*address] {
                missed.push(format!("{text:?} gave {got:?}"));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn united_states() {
    found_whole(&[
        "123 Main Street, Springfield, IL 62704",
        "123 N. Main St., Apt. 4B, Springfield, IL 62704-1234",
        "350 Fifth Avenue, 34th Floor, New York, NY 10118",
        "1600 Amphitheatre Parkway, Mountain View, CA 94043",
        "1200 Highway 50 East, Carson City, NV 89701",
        "77 County Road 12, Fond du Lac, WI 54935",
        "742 Evergreen Terrace",
        "4059 Mt Lee Dr., Hollywood, CA 90068",
        "1 Microsoft Way, Redmond, WA 98052",
        "633 Third Ave Suite 1200, New York NY 10017",
        "100 Martin Luther King Jr Blvd, Atlanta, Georgia 30303",
        "P.O. Box 1234, Boise, ID 83701",
        "PO Box 98, Lincoln, NE 68501",
        "PSC 1234, Box 5678, APO AE 09123",
        "Unit 2050 Box 4190, APO AP 96278",
        "USS Ronan, FPO AP 96672",
    ]);
}

#[test]
fn united_kingdom_ireland_australia_canada() {
    found_whole(
        &[
            "10 Downing Street, London SW1A 2AA",
            "Flat 2, 14 Abbey Road, London, NW8 9AY",
            "221B Baker Street, London",
            "85 Corncombe Close, Leeds LS20 9FF",
            "12 High Street, Stow-on-the-Wold, Gloucestershire, GL54 1AB",
            "1 The Mews, Bath BA1 1AA",
            "Unit 3/45 Smith Street, Fitzroy VIC 3065",
            "Level 5, 100 George Street, Sydney NSW 2000",
            "GPO Box 2731, Melbourne VIC 3001",
            "111 Wellington Street, Ottawa, ON K1A 0A9",
            "1455 Boulevard de Maisonneuve Ouest, Montréal, QC H3G 1M8",
        ]
        .map(|address| if address == "221B Baker Street, London" { "221B Baker Street" } else { address }),
    );
}

#[test]
fn germany_austria_switzerland() {
    found_whole(&[
        "Hauptstraße 5, 10115 Berlin",
        "Unter den Linden 77, 10117 Berlin",
        "Lange Straße 12a, 60311 Frankfurt am Main",
        "Königstr. 8, D-70173 Stuttgart",
        "Am Markt 3, 18055 Rostock",
        "Mariahilfer Straße 120, 1070 Wien",
        "Bahnhofstrasse 45, CH-8001 Zürich",
        "Rathausgasse 1, 3011 Bern",
        "Postfach 10 12 34, 50452 Köln",
        "Schillerplatz 2",
    ]);
}

#[test]
fn france_belgium_netherlands() {
    found_whole(&[
        "12 rue de la Paix, 75002 Paris",
        "12 bis, rue Victor Hugo, 69002 Lyon",
        "8 place de la République, 35000 Rennes",
        "3 avenue Jean Médecin, 06000 Nice",
        "45 boulevard Saint-Germain, 75005 Paris, France",
        "8 rue du 8 Mai 1945, 94240 L'Haÿ-les-Roses",
        "Rue de la Loi 16, 1000 Bruxelles",
        "Damrak 70, 1012 LM Amsterdam",
        "Keizersgracht 123, 1015 CJ Amsterdam",
        "Laan van Meerdervoort 55, 2517 AG Den Haag",
        "Postbus 90801, 2509 LV Den Haag",
    ]);
}

#[test]
fn spain_italy_portugal() {
    found_whole(&[
        "Calle Mayor, 5, 28013 Madrid",
        "Calle Mayor, 5, 3º B, 28013 Madrid",
        "C/ Manuel Silvela nº 2, 6º A, 28014 Madrid",
        "Avda. de Andalucía, s/n, 28041 Madrid",
        "Paseo de la Castellana, 261, 28046 Madrid",
        "Plaza del Carmen 4, 46003 Valencia",
        "Carrer de Balmes, 12, 08007 Barcelona",
        "Via Roma 12, 20121 Milano",
        "Piazza Garibaldi 3, 80142 Napoli",
        "Corso Vittorio Emanuele II, 18, 10123 Torino",
        "Rua Augusta 25, 1100-053 Lisboa",
        "Apartado de Correos 201, 48080 Bilbao",
    ]);
}

#[test]
fn north_and_east() {
    found_whole(
        &[
            "Storgatan 12, 114 55 Stockholm",
            "Mannerheimintie 5, 00100 Helsinki",
            "Vesterbrogade 3, 1620 København",
            "Karl Johans gate 12, 0154 Oslo",
            "ul. Długa 7, 00-950 Warszawa",
            "Kossuth Lajos utca 15, 1055 Budapest",
            "Laugavegur 20, 101 Reykjavík",
        ]
        .map(|address| if address.starts_with("Lauga") { "Laugavegur 20" } else { address }),
    );
}

#[test]
fn the_head_of_a_letter_is_a_span_a_line() {
    let text = "Ana Ruiz\n\n12 High Street\nFlat 3\nLeeds\nLS1 4AB\n\nDear all,";
    assert_eq!(places(text), ["12 High Street", "Flat 3", "Leeds", "LS1 4AB"]);
    let text = "353 Buerlia 227\n Apt. 391\n Sandefjord\n Norway 66455";
    assert_eq!(places(text), ["353 Buerlia 227", "Apt. 391", "Sandefjord", "Norway 66455"]);
    assert_eq!(
        places("Write to 3 Abbey Road\nBurton upon Trent\nDE14 1AA."),
        ["3 Abbey Road\nBurton upon Trent\nDE14 1AA"]
    );
}

#[test]
fn labels_of_forms_name_places() {
    for (text, want) in [
        (
            "Domicilio: Calle Oria 66, 1D.\nLocalidad/ Provincia: Tolosa.\nCP: 20400.",
            vec!["Calle Oria 66, 1D", "Tolosa", "20400"],
        ),
        ("PLZ: 10115 Ort: Berlin", vec!["10115", "Berlin"]),
        ("City: New York\nState: NY\nZip code: 10118", vec!["New York", "10118"]),
        ("Ville : Saint-Denis\nCode postal : 93200", vec!["Saint-Denis", "93200"]),
        ("{\"city\": \"Leeds\", \"postcode\": \"LS1 4AB\"}", vec!["Leeds", "LS1 4AB"]),
        ("Address: Rose Cottage 4", vec!["Rose Cottage 4"]),
        ("País: España.", vec!["España"]),
    ] {
        assert_eq!(places(text), want, "{text}");
    }
}

#[test]
fn surroundings_make_an_address() {
    for (text, want) in [
        ("He lives at 86036 Rua do Arenque 1634, Goiânia", "86036 Rua do Arenque 1634"),
        (
            "The letter arrived at 760 Passauer Strasse 33, Cite Gall, Tunisia last night",
            "760 Passauer Strasse 33, Cite Gall, Tunisia",
        ),
        ("her address: 5366 Pivovarská 276", "5366 Pivovarská 276"),
        ("The bus station is on Vesterskovvej 79", "Vesterskovvej 79"),
        ("We met at the corner of Elm Street and Second Avenue.", "Elm Street and Second Avenue"),
        ("moved to Springfield, IL 62704 in May", "Springfield, IL 62704"),
        ("she is in D-10115 Berlin", "D-10115 Berlin"),
    ] {
        assert_eq!(places(text), [want], "{text}");
    }
}

#[test]
fn what_only_looks_like_an_address_does_not_count() {
    for text in [
        "In 2009 Wall Street Journal readers saw 12 Angry Men and 3 Great Escape films.",
        "Windows 7 Professional and Office 2010 were bought for 25 Dollar each.",
        "The 1999 Rose Parade and the 2010 Winter Games; 5 Star Hotel; 101 Dalmatians.",
        "see Section 4, Page 12, Chapter 3, Room 5, Figure 2, Table 7",
        "On March 3 we play at 8 on Channel 4, Gate 12, Platform 9.",
        "He scored 20 points in 30 minutes on the way to a 3 run lead.",
        "Boeing 747 and Airbus 320; Apollo 11; Henry 8; Psalm 23; Route 66",
        "It was 5 degrees in the Drive folder; 3 Way calls; 100 Square feet",
        "IP address: 10.0.0.1, MAC address: 00:11:22:33:44:55",
        "return address: 0x7ffe12 at frame 3",
        "the 4th of July, 5th place, 2nd row, 10 Commandments, 7 Up",
        "5, 3 personas y 20 euros",
        "City: unknown, zip: file.tar, country: n/a",
        "At 20 C and RH 30 it ran; 56 C and Tom said stop; code 12 34 56 C and NHS form",
    ] {
        assert_eq!(places(text), Vec::<&str>::new(), "{text}");
    }
}
