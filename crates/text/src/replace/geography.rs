//! Places made coarse: the state of an address, the head of a postcode.
//!
//! Sources: 45 CFR 164.514(b)(2)(i)(B) (no subdivision smaller than a state; three digits of a ZIP code where more than
//! 20,000 people live there), and the HHS guidance on it of 26 November 2012 for the areas of fewer people.

use super::dates::Outcome;
use super::draw::folded;
use super::policy::Rule;
use crate::detect::Span;

/// Heads of ZIP codes with 20,000 people or fewer (census of 2000, as the guidance lists them).
const SPARSE: [&str; 17] = [
    "036", "059", "063", "102", "203", "556", "692", "790", "821", "823", "830", "831", "878", "879", "884", "890",
    "893",
];

/// A place without what is smaller than a state.
pub(super) fn coarse(span: &Span, rule: &Rule, value: &str) -> Outcome {
    let postcode =
        matches!(span.label.0, "ZIP_CODE" | "UK_POSTCODE" | "DE_PLZ") || matches!(span.kind, Some("postcode" | "zip"));
    if postcode {
        // A postcode that is a place of unknown country keeps nothing.
        let known = span.label.0 != "LOCATION" || is_zip(value.trim());
        return match head(value, usize::from(rule.keep)).filter(|_| known) {
            Some(new) if new != value => Outcome::New(new),
            _ => Outcome::Unreadable,
        };
    }
    if is_state(value) || is_country(value) {
        return Outcome::Kept;
    }
    match state_and_zip(value) {
        Some((state, zip)) => {
            let zip = head(zip, usize::from(rule.keep)).unwrap_or_default();
            Outcome::New(format!("{state} {zip}").trim_end().to_owned())
        }
        None => Outcome::Unreadable,
    }
}

/// The first characters of a postcode; for a ZIP code of few people, zeros.
fn head(code: &str, keep: usize) -> Option<String> {
    let code = code.trim();
    if is_zip(code) && keep == 3 && SPARSE.contains(&&code[..3]) {
        return Some("000".into());
    }
    // The outward part of a British code says the district.
    let head: String = code.split(' ').next()?.chars().filter(char::is_ascii_alphanumeric).take(keep).collect();
    (!head.is_empty()).then_some(head)
}

fn is_zip(code: &str) -> bool {
    code.len() >= 5 && code.bytes().take(5).all(|b| b.is_ascii_digit())
}

/// State and ZIP code at the end of an American address.
fn state_and_zip(value: &str) -> Option<(&str, &str)> {
    let value = value.trim_end();
    let from = value.rfind(|c: char| !c.is_ascii_digit() && c != '-').map_or(0, |at| at + 1);
    let zip = value.get(from..)?;
    let rest = value[..from].trim_end();
    let fits = zip.len() == 5 || (zip.len() == 10 && zip.as_bytes()[5] == b'-');
    let state = rest.get(rest.len().checked_sub(2)?..)?;
    let apart = rest.len() == 2 || rest[..rest.len() - 2].ends_with([' ', ',']);
    (fits && apart && ABBREVIATIONS.split(' ').any(|known| known == state)).then_some((state, zip))
}

/// Whether a name or abbreviation is that of a state of the USA.
pub(super) fn is_state(value: &str) -> bool {
    ABBREVIATIONS.split(' ').any(|known| known == value) || has(STATES, value)
}

/// Whether a name is that of a country or continent, in English.
pub(super) fn is_country(value: &str) -> bool {
    has(COUNTRIES, value) || has(OTHER_COUNTRIES, value)
}

fn has(list: &str, value: &str) -> bool {
    let folded = folded(value);
    let name = folded.strip_prefix("the ").unwrap_or(&folded);
    list.split(',').any(|known| known.trim().eq_ignore_ascii_case(name))
}

/// Names of a list.
pub(super) fn names(list: &'static str) -> Vec<&'static str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}

const ABBREVIATIONS: &str = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ \
                             NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC";

pub(super) const STATES: &str =
    "Alabama, Alaska, Arizona, Arkansas, California, Colorado, Connecticut, Delaware, Florida,
    Georgia, Hawaii, Idaho, Illinois, Indiana, Iowa, Kansas, Kentucky, Louisiana, Maine, Maryland, Massachusetts,
    Michigan, Minnesota, Mississippi, Missouri, Montana, Nebraska, Nevada, New Hampshire, New Jersey, New Mexico,
    New York State, North Carolina, North Dakota, Ohio, Oklahoma, Oregon, Pennsylvania, Rhode Island, South Carolina,
    South Dakota, Tennessee, Texas, Utah, Vermont, Virginia, Washington State, West Virginia, Wisconsin, Wyoming";

pub(super) const COUNTRIES: &str = "Afghanistan, Albania, Algeria, Argentina, Armenia, Australia, Austria, Azerbaijan,
    Bangladesh, Belarus, Belgium, Bolivia, Bosnia and Herzegovina, Botswana, Brazil, Bulgaria, Cambodia, Cameroon, Canada,
    Chile, China, Colombia, Costa Rica, Croatia, Cuba, Cyprus, Czech Republic, Czechia, Denmark, Dominican Republic,
    Ecuador, Egypt, El Salvador, Estonia, Ethiopia, Finland, France, Germany, Ghana, Greece, Guatemala, Haiti, Honduras,
    Hungary, Iceland, India, Indonesia, Iran, Iraq, Ireland, Israel, Italy, Jamaica, Japan, Jordan, Kazakhstan, Kenya,
    Kuwait, Laos, Latvia, Lebanon, Libya, Lithuania, Luxembourg, Madagascar, Malaysia, Mali, Malta, Mexico, Moldova,
    Mongolia, Montenegro, Morocco, Mozambique, Myanmar, Namibia, Nepal, Netherlands, New Zealand, Nicaragua, Nigeria,
    North Macedonia, Norway, Oman, Pakistan, Panama, Paraguay, Peru, Philippines, Poland, Portugal, Qatar, Romania,
    Russia, Rwanda, Saudi Arabia, Senegal, Serbia, Singapore, Slovakia, Slovenia, Somalia, South Africa, South Korea,
    Spain, Sri Lanka, Sudan, Sweden, Switzerland, Syria, Taiwan, Tanzania, Thailand, Tunisia, Turkey, Uganda, Ukraine,
    Uruguay, Uzbekistan, Venezuela, Vietnam, Yemen, Zambia, Zimbabwe";

/// Known, and never a surrogate.
const OTHER_COUNTRIES: &str = "United Arab Emirates, United Kingdom, England, Scotland, Wales, Northern Ireland,
    Great Britain, United States, United States of America, USA, UK, U.S., US, Africa, Asia, Europe, North America,
    South America, Antarctica, Oceania";

#[cfg(test)]
mod tests {
    use super::super::policy::Policy;
    use super::*;
    use crate::detect::Label;
    use crate::replace::Profile;

    fn run(label: &'static str, kind: Option<&'static str>, keep: u8, value: &str) -> Outcome {
        let rule = Rule { keep, ..*Policy::of(Profile::HipaaSafeHarbor).rule(Label("LOCATION")) };
        coarse(&Span { start: 0, end: value.len(), label: Label(label), score: 1.0, kind }, &rule, value)
    }

    fn new(value: &str) -> Outcome {
        Outcome::New(value.into())
    }

    #[test]
    fn zip_codes_keep_three_digits_unless_few_people_live_there() {
        assert_eq!(run("ZIP_CODE", None, 3, "62704-1234"), new("627"));
        assert_eq!(run("ZIP_CODE", None, 3, "03601"), new("000"));
        assert_eq!(run("ZIP_CODE", None, 2, "03601"), new("03"));
        assert_eq!(run("UK_POSTCODE", None, 3, "EH1 1ST"), new("EH1"));
        assert_eq!(run("LOCATION", Some("postcode"), 3, "EH1 1ST"), Outcome::Unreadable);
        assert_eq!(run("LOCATION", Some("postcode"), 3, "62704"), new("627"));
        assert_eq!(run("DE_PLZ", None, 0, "10115"), Outcome::Unreadable);
    }

    #[test]
    fn nothing_smaller_than_a_state_stays() {
        let address = "12 Main Street, Springfield, IL 62704";
        assert_eq!(run("LOCATION", Some("address"), 3, address), new("IL 627"));
        assert_eq!(run("LOCATION", Some("address"), 3, "1 Elm St, Berlin, NH 03601"), new("NH 000"));
        assert_eq!(run("LOCATION", Some("address"), 3, "MA 02134"), new("MA 021"));
        assert_eq!(run("LOCATION", Some("address"), 3, "Hauptstr. 5, 10115 Berlin"), Outcome::Unreadable);
        assert_eq!(run("LOCATION", None, 3, "Springfield"), Outcome::Unreadable);
        assert_eq!(run("LOCATION", None, 3, "Illinois"), Outcome::Kept);
        assert_eq!(run("LOCATION", None, 3, "the Netherlands"), Outcome::Kept);
        // Ambiguous with the city.
        assert_eq!(run("LOCATION", None, 3, "New York"), Outcome::Unreadable);
    }
}
