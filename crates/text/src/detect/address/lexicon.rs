//! The words of postal addresses and what they do in one.
//!
//! Invariant: words are kept in lower case without diacritics, and looked up so.
//! Sources: USPS Publication 28, appendices B (states) and C (street suffixes, unit designators); Canada Post,
//! Addressing Guidelines; Australia Post, Addressing Standards; ISO 3166-1 (countries); UPU S42 (components of an
//! address by country); street words of the European languages.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::OnceLock;

use super::super::names::{ShortKeys, plain};

/// What a word can be in an address: a set.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Role(u32);

impl Role {
    /// `street`: after the name; seldom anything else.
    pub(super) const SUFFIX: Self = Self(1);
    /// `court`: the same, but an ordinary word too.
    pub(super) const WEAK_SUFFIX: Self = Self(1 << 1);
    /// `rue`: before the name; seldom anything else.
    pub(super) const PREFIX: Self = Self(1 << 2);
    /// `place`: the same, but an ordinary word, or one of another language, too.
    pub(super) const WEAK_PREFIX: Self = Self(1 << 3);
    /// `Straße`, `utca`: after the name and before the number.
    pub(super) const MIDDLE: Self = Self(1 << 4);
    /// `north`.
    pub(super) const DIRECTION: Self = Self(1 << 5);
    /// `apt`: before the number of a flat; seldom anything else.
    pub(super) const UNIT: Self = Self(1 << 6);
    /// `room`: the same, but an ordinary word too.
    pub(super) const WEAK_UNIT: Self = Self(1 << 7);
    /// `bajo`, `izq`, `OG`: where in the house.
    pub(super) const SIDE: Self = Self(1 << 8);
    /// `upon`, `de la`: a small word inside names of towns and streets.
    pub(super) const JOINER: Self = Self(1 << 9);
    /// `nº`: before the number of a house.
    pub(super) const NUMBER_SIGN: Self = Self(1 << 10);
    /// `Postfach`: before the number of a post box.
    pub(super) const BOX: Self = Self(1 << 11);
    /// A country of one word.
    pub(super) const COUNTRY: Self = Self(1 << 12);
    /// A word that an address follows, with a colon or a preposition.
    pub(super) const CUE: Self = Self(1 << 13);
    /// A preposition or verb between a cue and its address.
    pub(super) const LINK: Self = Self(1 << 14);
    /// A month or a day of the week.
    pub(super) const DATE: Self = Self(1 << 15);
    /// A word that no street is called by: what numbers count, and small words of sentences.
    pub(super) const COUNTED: Self = Self(1 << 16);
    /// A state or province of one word, in full.
    pub(super) const STATE_NAME: Self = Self(1 << 17);

    /// `ridge`: the same, and seldom a street's.
    pub(super) const RARE_SUFFIX: Self = Self(1 << 18);

    pub(super) fn is(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

const LISTS: &[(Role, &str)] = &[
    (
        Role::SUFFIX,
        "street avenue ave av road rd boulevard blvd lane ln terrace highway hwy parkway pkwy crescent cres alley aly \
         expressway expy turnpike tpke freeway fwy causeway cswy plaza mews gardens gdns grove meadow meadows hollow \
         crossing xing esplanade bypass byway cul-de-sac promenade wharf wynd ginnel boulevards throughway overpass \
         underpass motorway embankment heights hts orchard mount lea croft brae strand junction jct circuit cct parade \
         chase bluff cove landing ridge rdg",
    ),
    (
        Role::WEAK_SUFFIX,
        "st drive dr court ct place pl way circle cir square sq trail trl loop run row path walk close park hill point \
         pike green rise vale view quay track",
    ),
    (
        Role::RARE_SUFFIX,
        "bend bridge brook cape center centre common corner dale dam estate estates extension field fields flat ford \
         forest fork garden gate gateway glen harbor harbour haven inlet island islands isle key knoll lake lakes lodge \
         manor mill mills mission neck oval pine pines plain plains port prairie ranch rapid rapids rest river route \
         shoal shore shores skyway spring springs spur station summit trace tunnel union valley viaduct village villas \
         vista ways wells yard end fold garth walkway bank side cliff cliffs parks courts streets route stravenue \
         turnpike fall falls burg branch tail points greens",
    ),
    (
        Role::PREFIX,
        "rue calle avenida avda avd paseo carrer avinguda passeig placa rua travessa praca alameda viale piazza \
         piazzale piazzetta vicolo chemin allee impasse boulevard ul ulica ulice namesti nam trida carretera ctra crta \
         urbanizacion pza plza glorieta callejon travesia bulevardul soseaua strada calea aleja trg ronda rambla pasaje \
         ruelle venelle lotissement faubourg contrada lungomare rodovia estrada ladeira beco osiedle os kalea \
         corso traversa viela cuesta costanilla praza poligono autovia leoforos odos plateia urb bd pº pso prolongacion",
    ),
    (
        Role::WEAK_PREFIX,
        "via place plaza quai cours route rte square sentier passage voie villa residence cite camino avenue av str \
         al aleja pl plac c r cl pz pg barrio largo borgo salita strada col colonia ave esplanade promenade platz am",
    ),
    (
        Role::MIDDLE,
        "strasse str weg platz allee gasse ring damm ufer chaussee steig promenade utca u ut ter krt korut rkp koz sor \
         setany tee tn mnt gate puiestee kalea pasealekua vej gade alle plads gata vag gatan vagen grand plein kade laan \
         straat singel dreef cesta ulica trg ulice trida caddesi cad sokak sok sokagi mahallesi mah bulvari katu tie iela gatve prospekts street road \
         avenue boulevard lane streets",
    ),
    (Role::DIRECTION, "n s e w ne nw se sw north south east west northeast northwest southeast southwest nord sud est"),
    (
        Role::UNIT,
        "apt apartment suite ste flat unit appt appartement apto apartamento wohnung whg piso puerta pta escalera esc \
         interno scala bloque bloco bldg hinterhaus vorderhaus lokal lok huoneisto as penthouse ph shop level batiment \
         bat etage portal planta kotelec lgh etasje",
    ),
    (
        Role::WEAK_UNIT,
        "floor fl room rm building box lot space spc trailer trlr department dept office ofc slip hangar pier bus door \
         stop int sala local casa etg km block",
    ),
    (
        Role::SIDE,
        "bajo bajos izq izqda izquierda dcha dch der derecha centro atico entlo entresuelo principal pral og eg ug dg \
         rechts links mitte tv th mf kl st bis ter quater fondo frente contrafrente int ext",
    ),
    (
        Role::JOINER,
        "upon on the under in le la les by next of and with cum super sur sous en de du des del della delle dei di da do \
         dos das am an der im ob bei vor den dem aan al el los las y e i u z ze na nad pod ved pri pa og och und op ten \
         ter van von zu zum zur lo l d saint san santa st",
    ),
    (Role::NUMBER_SIGN, "nº n no num numero nr nro č cp c.p n.o number № blok nˆ"),
    (Role::BOX, "postfach postbus postboks postbox apartado apdo casilla postilokero skrytka boite casella caixa"),
    (
        Role::COUNTRY,
        "afghanistan albania algeria andorra angola argentina armenia australia austria azerbaijan bahrain bangladesh \
         barbados belarus belgium belize benin bhutan bolivia botswana brazil brunei bulgaria cambodia cameroon canada \
         chile china colombia croatia cuba cyprus czechia denmark ecuador egypt england eritrea estonia ethiopia fiji \
         finland france gabon gambia georgia germany ghana greece greenland greenlander grenada guatemala guinea guyana haiti honduras \
         hungary iceland india indonesia iran iraq ireland israel italy jamaica japan jordan kazakhstan kenya kosovo \
         kuwait kyrgyzstan laos latvia lebanon lesotho liberia libya liechtenstein lithuania luxembourg madagascar \
         malawi malaysia maldives mali malta mauritania mauritius mexico moldova monaco mongolia montenegro morocco \
         mozambique myanmar namibia nepal netherlands nicaragua nigeria norway oman pakistan panama paraguay peru \
         philippines poland portugal qatar romania russia rwanda scotland senegal serbia singapore slovakia slovenia \
         somalia spain sudan suriname sweden switzerland syria taiwan tajikistan tanzania thailand togo tunisia turkey \
         turkmenistan uganda ukraine uruguay uzbekistan venezuela vietnam wales yemen zambia zimbabwe usa uk \
         deutschland osterreich schweiz espana frankreich italia suisse belgique belgie nederland polska brasil danmark \
         norge sverige suomi hrvatska slovenija magyarorszag cesko portugal allemagne espagne italie",
    ),
    (
        Role::CUE,
        "address addresses addr adress adresse anschrift adressen domicilio direccion indirizzo adres endereco morada live lives \
         lived living located location reside resides resided residing residence residency moved moving move relocated \
         office offices headquarters headquartered hq restaurant station shop store branch hotel clinic warehouse home house \
         property based situated deliver delivered delivery ship shipped shipping mail mailed sent letter parcel \
         package wohnt wohne wohnhaft wohnen habite demeurant domicilie residente vive vivo reside abita abito \
         mieszka woont premises venue site pickup billing street",
    ),
    (Role::LINK, "at in on to is are near from en auf bei"),
    (
        Role::DATE,
        "january february march april may june july august september october november december jan feb mar apr jun jul \
         aug sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thurs fri \
         sat sun januar februar marz mai juni juli oktober dezember janvier fevrier mars avril juin juillet aout \
         septembre octobre novembre decembre enero febrero marzo abril mayo junio julio agosto septiembre octubre \
         noviembre diciembre gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre",
    ),
    (
        Role::COUNTED,
        "the and or a an in on at to of for is are was with by from minutes miles hours days people blocks years times \
         percent different new more other this that these those were has have had will would can not no as but if it \
         he she they we you i am pm million billion thousand dollars euros pounds percent per km kg mg ml mm cm m mph \
         bits bytes mb gb degrees weeks months seconds points copies pages steps ways units cars men women children \
         seats rooms tickets players games goals votes deaths cases items pieces than out then so who which when where \
         while after before between during until its our their his her my your mas menos",
    ),
    (
        Role::STATE_NAME,
        "alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho illinois \
         indiana iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri \
         montana nebraska nevada ohio oklahoma oregon pennsylvania tennessee texas utah vermont virginia washington \
         wisconsin wyoming ontario quebec manitoba saskatchewan alberta victoria queensland tasmania",
    ),
];

/// US states and territories, military regions, Canadian provinces, Australian states.
const STATES: &[&str] = &[
    "AA", "ACT", "AE", "AK", "AL", "AP", "AR", "AS", "AZ", "BC", "AB", "CA", "CO", "CT", "DC", "DE", "FL", "GA", "GU",
    "HI", "IA", "ID", "IL", "IN", "KS", "KY", "LA", "MA", "MB", "MD", "ME", "MI", "MN", "MO", "MP", "MS", "MT", "NB",
    "NC", "ND", "NE", "NH", "NJ", "NL", "NM", "NS", "NSW", "NT", "NU", "NV", "NY", "OH", "OK", "ON", "OR", "PA", "PE",
    "PR", "QC", "QLD", "RI", "SA", "SC", "SD", "SK", "TAS", "TN", "TX", "UT", "VA", "VI", "VIC", "VT", "WA", "WI",
    "WV", "WY", "YT",
];

/// Countries of two words, by both.
const COUNTRIES_OF_TWO: &[(&str, &str)] = &[
    ("united", "kingdom"),
    ("united", "states"),
    ("new", "zealand"),
    ("south", "africa"),
    ("south", "korea"),
    ("north", "macedonia"),
    ("czech", "republic"),
    ("saudi", "arabia"),
    ("sri", "lanka"),
    ("costa", "rica"),
    ("puerto", "rico"),
    ("el", "salvador"),
    ("dominican", "republic"),
    ("hong", "kong"),
    ("great", "britain"),
    ("northern", "ireland"),
    ("sierra", "leone"),
    ("burkina", "faso"),
    ("cape", "verde"),
    ("papua", "guinea"),
    ("san", "marino"),
    ("the", "netherlands"),
];

/// Endings of one-word streets before a number: German, Dutch, Scandinavian, Finnish, Icelandic, Hungarian.
const ENDINGS: &[&str] = &[
    "strasse", "str", "gasse", "platz", "allee", "gatan", "vagen", "gata", "gatu", "veien", "vegen", "gade", "vej",
    "katu", "kuja", "polku", "ntie", "straat", "laan", "plein", "gracht", "weg", "utca", "utja", "damm", "ufer",
    "chaussee", "brucke", "steig", "braut", "vegur", "straeti", "granden", "stigen", "bakken", "svingen", "alleen",
    "kade", "singel", "dreef", "hove", "dijk", "steeg", "stieg", "pfad", "markt",
];

/// Words that end so and are no streets.
const NOT_STREETS: &[&str] = &[
    "brigade",
    "renegade",
    "norweg",
    "halfweg",
    "agata",
    "regatta",
    "juggernaut",
    "auntie",
    "stockade",
    "brocade",
    "arcade",
    "decade",
    "kruka",
];

/// The longest word in the lists, in bytes.
const LONGEST: usize = 16;

struct Lexicon {
    words: HashMap<&'static [u8], Role, BuildHasherDefault<ShortKeys>>,
    /// For each first byte the lengths of its words, as bits: most words of a text are in no list.
    lengths: [u32; 256],
    /// For the last letter of [`ENDINGS`], by its five lowest bits, those before it, as bits.
    endings: [u32; 32],
}

/// The five lowest bits of a letter: the same in both cases.
fn five(letter: u8) -> usize {
    usize::from(letter & 31)
}

fn lexicon() -> &'static Lexicon {
    static LEXICON: OnceLock<Lexicon> = OnceLock::new();
    LEXICON.get_or_init(|| {
        let mut lexicon = Lexicon { words: HashMap::default(), lengths: [0; 256], endings: [0; 32] };
        for (role, list) in LISTS {
            for word in list.split_whitespace().map(str::as_bytes) {
                let known = lexicon.words.entry(word).or_default();
                *known = known.or(*role);
                lexicon.lengths[usize::from(word[0])] |= 1 << word.len().min(LONGEST);
            }
        }
        for ending in ENDINGS {
            if let [.., before, last] = ending.as_bytes() {
                lexicon.endings[five(*last)] |= 1 << five(*before);
            }
        }
        lexicon
    })
}

/// What a word can be, in any case and with or without diacritics.
pub(super) fn role(word: &str) -> Role {
    let lexicon = lexicon();
    let look_up = |lower: &[u8]| lexicon.words.get(lower).copied().unwrap_or_default();
    if !word.is_ascii() {
        return if word.len() > 4 * LONGEST { Role::default() } else { look_up(plain(word).as_bytes()) };
    }
    let mut buffer = [0u8; LONGEST];
    let (Some(first), Some(lower)) = (word.as_bytes().first(), buffer.get_mut(..word.len())) else {
        return Role::default();
    };
    if lexicon.lengths[usize::from(first.to_ascii_lowercase())] & (1 << word.len()) == 0 {
        return Role::default();
    }
    for (lower, byte) in lower.iter_mut().zip(word.as_bytes()) {
        *lower = byte.to_ascii_lowercase();
    }
    look_up(lower)
}

/// Whether a word in capitals is a state or province.
pub(super) fn is_state(word: &str) -> bool {
    (2..=3).contains(&word.len()) && STATES.contains(&word)
}

/// Whether two words are the name of a country.
pub(super) fn is_country_of_two(first: &str, second: &str) -> bool {
    COUNTRIES_OF_TWO.iter().any(|(a, b)| first.eq_ignore_ascii_case(a) && second.eq_ignore_ascii_case(b))
}

/// Whether a word is a street by its ending: `Hauptstraße`, `Koskikatu`.
pub(super) fn ends_as_street(word: &str) -> bool {
    if !(5..=60).contains(&word.len()) {
        return false;
    }
    // Most words end otherwise, which two letters tell.
    if let [.., before, last] = word.as_bytes()
        && word.is_ascii()
        && lexicon().endings[five(*last)] & 1 << five(*before) == 0
    {
        return false;
    }
    let lower = plain(word);
    !NOT_STREETS.contains(&lower.as_str())
        && ENDINGS.iter().any(|ending| lower.len() > ending.len() + 2 && lower.ends_with(ending))
}

/// Words of an address that name no place: street types, directions, units, small words.
pub(crate) fn is_address_word(lower: &str) -> bool {
    const KIND: Role = Role::SUFFIX
        .or(Role::WEAK_SUFFIX)
        .or(Role::RARE_SUFFIX)
        .or(Role::PREFIX)
        .or(Role::WEAK_PREFIX)
        .or(Role::DIRECTION)
        .or(Role::UNIT)
        .or(Role::WEAK_UNIT)
        .or(Role::SIDE)
        .or(Role::JOINER)
        .or(Role::NUMBER_SIGN)
        .or(Role::BOX)
        .or(Role::MIDDLE);
    role(lower).is(KIND) || matches!(lower, "po" | "p" | "o" | "psc" | "cmr" | "apo" | "fpo" | "dpo" | "corner")
}
