//! Surrogates for postal addresses and for places by name.
//!
//! Invariants: the shape of an address is kept: numbers stay numbers, street types, directions and unit words stay, names
//! of streets and towns and the state are drawn from pools. A place becomes one of its kind: a country a country, a state a
//! state, a town one whose name belongs to the same language, as far as its spelling tells.

use super::draw::{Draw, Ring, folded};
use super::geography::{COUNTRIES, STATES as STATE_NAMES, is_country, is_state, names};
use super::organisation::made_up;
use super::person::like_case;

/// Streets and towns that exist in many places, so that none points to one.
const NAMES: &[&str] = &[
    "Alder",
    "Ashland",
    "Birchwood",
    "Bayview",
    "Brookside",
    "Cedar",
    "Clearwater",
    "Crestview",
    "Dogwood",
    "Eastgate",
    "Elmwood",
    "Fairview",
    "Ferndale",
    "Foxglove",
    "Glenwood",
    "Greenfield",
    "Hawthorn",
    "Hazelwood",
    "Hillcrest",
    "Juniper",
    "Kingsley",
    "Lakeview",
    "Larkspur",
    "Laurel",
    "Linden",
    "Magnolia",
    "Maple",
    "Meadowbrook",
    "Millbrook",
    "Northfield",
    "Oakdale",
    "Orchard",
    "Parkside",
    "Pinecrest",
    "Poplar",
    "Redwood",
    "Ridgeway",
    "Riverside",
    "Rosewood",
    "Sagebrush",
    "Silverton",
    "Springdale",
    "Stonebridge",
    "Summerfield",
    "Sycamore",
    "Thornton",
    "Walnut",
    "Westbrook",
    "Willow",
    "Woodland",
];

const STATES: &[&str] = &[
    "AL", "AZ", "AR", "CO", "CT", "GA", "IA", "IL", "IN", "KS", "KY", "LA", "MD", "MI", "MN", "MO", "MS", "NC", "NE",
    "NH", "NJ", "NM", "NV", "NY", "OH", "OK", "OR", "PA", "SC", "TN", "TX", "UT", "VA", "WA", "WI",
];

/// Towns by language: what their names begin or end with, and surrogates.
struct Towns {
    begins: &'static [&'static str],
    ends: &'static [&'static str],
    names: &'static [&'static str],
}

const TOWNS: &[Towns] = &[
    Towns {
        begins: &["bad "],
        ends: &[
            "burg", "berg", "dorf", "heim", "hausen", "stadt", "furt", "bach", "feld", "ingen", "kirchen", "au", "rode",
        ],
        names: &[
            "Altenfeld",
            "Birkenau",
            "Buchenrode",
            "Eichstadt",
            "Erlbach",
            "Grünberg",
            "Hirschfeld",
            "Lindenhausen",
            "Mühlheim",
            "Neudorf",
            "Oberkirchen",
            "Rosenfurt",
            "Steinbach",
            "Tannheim",
            "Waldstadt",
            "Weidenau",
        ],
    },
    Towns {
        begins: &["saint-", "sainte-", "st-", "la ", "le ", "les "],
        ends: &["ville", "court", "gny", "ay", "eux", "eaux", "sur-mer", "illy", "ac", "oise"],
        names: &[
            "Beaumont",
            "Belleville",
            "Champigny",
            "Clairval",
            "Fontenay",
            "Grandcourt",
            "Hauteville",
            "Marigny",
            "Montreuil",
            "Neuville",
            "Pontoise",
            "Rochefort",
            "Sauvigny",
            "Valmont",
            "Vernay",
            "Villeneuve",
        ],
    },
    Towns {
        begins: &["san ", "santa ", "villa", "el ", "los ", "las ", "puerto "],
        ends: &["illa", "illo", "ada", "oso", "osa", "anca", "eros", "ares", "ena"],
        names: &[
            "Almendralejo",
            "Arroyo Blanco",
            "Campo Real",
            "El Robledo",
            "Fuente Nueva",
            "La Encina",
            "Los Olivos",
            "Miraflores",
            "Montealegre",
            "Navalmoral",
            "Puente Alto",
            "Río Claro",
            "Santa Rosa",
            "Valdeverde",
            "Villanueva",
            "Vista Hermosa",
        ],
    },
    Towns {
        begins: &["monte ", "castel"],
        ends: &["ino", "ello", "ano", "ate", "asco", "agno", "enza", "ina", "ola"],
        names: &[
            "Borgonuovo",
            "Campolungo",
            "Castelvecchio",
            "Collina",
            "Fontebella",
            "Montebello",
            "Pontevecchio",
            "Roccabianca",
            "San Martino",
            "Serravalle",
            "Torrenova",
            "Valfiorita",
            "Villafranca",
            "Vallelunga",
        ],
    },
    Towns {
        begins: &[],
        ends: &["ton", "ham", "shire", "chester", "mouth", "bury", "pool", "wick", "by", "combe", "ford", "stead"],
        names: &[
            "Ashcombe",
            "Barnwick",
            "Brackford",
            "Coldham",
            "Denbury",
            "Eastcombe",
            "Fernham",
            "Haverstead",
            "Kingsbury",
            "Langford",
            "Marlwick",
            "Netherby",
            "Oakham",
            "Redbury",
            "Stanwick",
            "Thornbury",
            "Westerham",
            "Whitcombe",
        ],
    },
    Towns {
        begins: &[],
        ends: &[""],
        names: &[
            "Ashland",
            "Bayview",
            "Brookfield",
            "Cedar Falls",
            "Clearwater",
            "Fairview",
            "Franklin",
            "Georgetown",
            "Glenwood",
            "Greenville",
            "Lakewood",
            "Lexington",
            "Madison",
            "Oakdale",
            "Oxford",
            "Riverside",
            "Salem",
            "Springdale",
            "Union City",
            "Westfield",
        ],
    },
];

/// A surrogate for a place by name; parts apart by commas are places of their own.
pub(super) fn place(ring: &Ring<'_>, value: &str) -> String {
    let mut new = String::with_capacity(value.len());
    for part in value.split_inclusive([',', ';', '/', '(', ')', '\n']) {
        let mark = part.trim_end_matches([',', ';', '/', '(', ')', '\n']);
        let name = mark.trim();
        let lead = mark.len() - mark.trim_start().len();
        new.push_str(&mark[..lead]);
        if !name.is_empty() {
            new.push_str(&named(ring, name));
        }
        new.push_str(&part[lead + name.len()..]);
    }
    new
}

fn named(ring: &Ring<'_>, name: &str) -> String {
    let canonical = folded(name);
    let cased =
        |new: &str| if name.contains(' ') || new.contains(' ') { like_words(name, new) } else { like_case(name, new) };
    let (states, countries);
    let pool: &[&str] = if name.len() == 2 && is_state(name) {
        STATES
    } else if is_country(name) {
        countries = names(COUNTRIES);
        &countries
    } else if is_state(name) {
        states = names(STATE_NAMES);
        &states
    } else {
        TOWNS.iter().find(|towns| towns.fits(&canonical)).map_or(NAMES, |towns| towns.names)
    };
    let free = |new: &&str| folded(new) != canonical && !ring.is_original(&folded(new));
    let drawn = (0..40).filter_map(|attempt| ring.draw(&["place", &canonical], attempt).pick(pool)).find(free);
    match drawn {
        Some(new) => cased(new),
        None => cased(&made_up(ring, &["place", &canonical], &canonical)),
    }
}

impl Towns {
    fn fits(&self, canonical: &str) -> bool {
        self.begins.iter().any(|begin| canonical.starts_with(begin))
            || self.ends.iter().any(|end| canonical.ends_with(end))
    }
}

/// All capitals or all small letters as in `model`; otherwise as it is.
fn like_words(model: &str, new: &str) -> String {
    match (model.contains(char::is_lowercase), model.contains(char::is_uppercase)) {
        (false, true) => new.to_uppercase(),
        (true, false) => new.to_lowercase(),
        _ => new.to_owned(),
    }
}

pub(super) fn address(draw: &mut Draw, value: &str) -> String {
    let mut result = String::with_capacity(value.len());
    let mut rest = value;
    let mut after_outward = false;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c: char| c.is_alphanumeric() != first.is_alphanumeric()).unwrap_or(rest.len());
        let (token, after) = rest.split_at(length);
        rest = after;
        let letters = token.chars().filter(|c| c.is_alphabetic()).count();
        if !first.is_alphanumeric() || crate::detect::is_address_word(&folded(token)) {
            result.push_str(token);
        } else if letters == 2 && token.chars().all(char::is_uppercase) {
            result.push_str(draw.pick(STATES).unwrap_or("IA"));
        } else if letters == token.chars().count() && letters > 2 {
            result.push_str(&like_case(token, draw.pick(NAMES).unwrap_or("Maple")));
        } else {
            // `1ST` in `EH1 1ST` is the inward code of a postcode.
            number(draw, token, !after_outward, &mut result);
        }
        if first.is_alphanumeric() {
            after_outward = first.is_alphabetic() && letters < token.chars().count();
        }
    }
    result
}

/// A number is drawn with its length; ordinals (`5th`) keep their ending, which must then fit.
fn number(draw: &mut Draw, token: &str, may_be_ordinal: bool, result: &mut String) {
    let ordinal = ["st", "nd", "rd", "th"].iter().any(|end| token.to_ascii_lowercase().ends_with(end));
    if ordinal && may_be_ordinal {
        result.push_str(&format!("{}th", 4 + draw.below(6)));
        return;
    }
    for (place, c) in token.chars().enumerate() {
        result.push(match c {
            '0'..='9' if place == 0 => char::from(b'1' + draw.below(9) as u8),
            c => draw.like(c),
        });
    }
}
