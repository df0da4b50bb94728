//! Surrogates for names of organisations.
//!
//! Invariant: a name is mapped word by word, so "Acme Corp" and "Acme" agree within a scope; legal forms, small words and
//! words for what an organisation does stay; names of people in it go as they go elsewhere, so that a firm follows its
//! founder. The words are made up of two syllables and are names of nothing known.

use super::draw::{Ring, folded};
use super::person::{like_case, part};
use crate::detect::names;

/// Legal forms, small words and words for kinds of organisations, lower case without full stops.
const KEPT: &str = " inc incorporated corp corporation co company llc llp lp ltd limited plc gmbh mbh ag kg kgaa ohg gbr ug se \
                    ev sa sas sarl sasu sci srl spa snc sl slu slp bv nv vof ab as asa oy oyj aps a/s sp zoo sro doo kft zrt \
                    pty pte pvt pt bhd tbk kk sdn jsc ojsc ooo and und et y e & of the for de du des der die das für van la le \
                    les el los las di del della da do dos im am zu zum zur in on at to by with von en \
                    group holding holdings partners associates brothers bros sons international global worldwide national \
                    bank banco banca banque sparkasse trust insurance versicherung assurance capital finance financial \
                    investments investment fund ventures equity credit savings university universität université universidad \
                    college school schule academy institute institut hospital klinikum krankenhaus clinic klinik clinique \
                    medical health healthcare care centre center zentrum foundation stiftung fondation association verein \
                    society union league club church council committee commission ministry ministerium department agency \
                    office authority court police fire government federal state city county town services service solutions \
                    systems system software technologies technology tech labs laboratories research consulting consultants \
                    engineering industries industrial manufacturing energy energie power electric gas oil water telecom \
                    communications media news press publishing books studios entertainment records radio television airlines \
                    airways air motors automotive auto logistics transport shipping foods food restaurant hotel hotels resort \
                    café bar shop store stores market markets supermarket retail trading trade real estate properties \
                    property construction builders design designs fashion sports sport games pharma pharmaceuticals biotech \
                    bioscience chemicals materials steel data digital network networks online web mobile cloud security \
                    law legal museum library theatre theater gallery orchestra team party army navy force north south east \
                    west central northern southern eastern western united royal american european ";

const HEADS: [&str; 40] = [
    "Bral", "Brel", "Cal", "Cor", "Dal", "Dren", "El", "Fal", "Fen", "Gal", "Gren", "Hal", "Hol", "Ir", "Jor", "Kel",
    "Kor", "Lan", "Lor", "Mar", "Mel", "Mor", "Nal", "Nor", "Or", "Pal", "Pren", "Quil", "Ral", "Ren", "Sal", "Sor",
    "Tal", "Tren", "Ul", "Val", "Vor", "Wel", "Yar", "Zel",
];
const TAILS: [&str; 40] = [
    "aby", "acre", "adon", "andis", "anix", "atro", "bane", "bris", "cade", "cott", "dane", "dex", "dora", "emo",
    "ento", "fane", "fex", "gane", "gora", "hane", "igo", "indo", "keth", "lane", "lix", "mere", "mond", "nex", "oby",
    "omar", "onda", "oro", "para", "quin", "ravo", "rix", "tane", "thor", "vane", "zane",
];

/// A surrogate for the name of an organisation.
pub(super) fn organisation(ring: &Ring<'_>, value: &str) -> String {
    let all = split(value);
    let kept = |word: &str| KEPT.contains(&format!(" {} ", folded(word)));
    // A name of kept words alone must still become another one.
    let plain = all.iter().position(|(word, is_word)| *is_word && word.chars().count() > 2);
    let only_kept = all.iter().all(|(word, is_word)| !is_word || kept(word));
    let mut new = String::with_capacity(value.len() + 8);
    for (at, (word, is_word)) in all.iter().enumerate() {
        if !is_word || (kept(word) && !(only_kept && plain == Some(at))) {
            new.push_str(word);
        } else {
            new.push_str(&one(ring, word));
        }
    }
    new
}

/// The words of a name that carry it, in canonical form.
pub(super) fn words(value: &str) -> Vec<String> {
    let carries = |word: &str| word.chars().count() > 2 && !KEPT.contains(&format!(" {} ", folded(word)));
    split(value).into_iter().filter(|(word, is_word)| *is_word && carries(word)).map(|(word, _)| folded(word)).collect()
}

fn one(ring: &Ring<'_>, word: &str) -> String {
    let canonical = folded(word);
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    if letters == 0 || (letters <= 5 && word.chars().all(|c| c.is_uppercase() || c.is_numeric())) {
        // An abbreviation, or a number. Where the data has every one of its form, a made-up word takes its place.
        let mut new = (0..200).map(|n| super::draw::same_form(&mut ring.draw(&["organisation", &canonical], n), word));
        let free = |new: &String| folded(new) != canonical && !ring.is_original(&folded(new));
        return new.find(free).unwrap_or_else(|| made_up(ring, &["organisation", &canonical], &canonical));
    }
    let known = names::shared().look_up(&canonical);
    if known.is_name() && !known.common && !known.ordinary {
        return part(ring, word);
    }
    like_case(word, &made_up(ring, &["organisation", &canonical], &canonical))
}

/// A made-up word of two syllables that is not in the data.
pub(super) fn made_up(ring: &Ring<'_>, seed: &[&str], canonical: &str) -> String {
    let mut words = (0..200).filter_map(|attempt| {
        let mut draw = ring.draw(seed, attempt);
        let (head, tail) = (draw.pick(&HEADS)?, draw.pick(&TAILS)?);
        // Every name of this form may stand in the data: later attempts have three syllables.
        let middle = if attempt > 60 { draw.pick(&["a", "e", "i", "o", "ula", "ero"])? } else { "" };
        Some(format!("{head}{middle}{tail}"))
    });
    let free = |word: &String| folded(word) != canonical && !ring.is_original(&folded(word));
    words.find(free).unwrap_or_default()
}

/// Words (true) and what stands between them (false); an ampersand is a word.
fn split(value: &str) -> Vec<(&str, bool)> {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '&');
    let mut found = Vec::new();
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| inside(c) != inside(first)).unwrap_or(rest.len());
        found.push((&rest[..end], inside(first)));
        rest = &rest[end..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::{Originals, SurrogateKey};
    use super::*;

    #[test]
    fn the_form_of_a_firm_stays() {
        let (key, originals) = (SurrogateKey::from_bytes([7; 32]), Originals::default());
        let ring = Ring::new(&key, None, ("dataset", ""), &originals);
        let run = |value: &str| organisation(&ring, value);
        let full = run("Frobnitz Software Inc.");
        assert!(full.ends_with(" Software Inc.") && !full.contains("Frobnitz"), "{full}");
        assert_eq!(run("Frobnitz"), full.split(' ').next().unwrap_or_default());
        assert!(run("Blechwerk Nord GmbH & Co. KG").ends_with(" GmbH & Co. KG"));
        let firm = run("Henderson, Hicks and Brown");
        assert!(firm.matches(", ").count() == 1 && firm.contains(" and ") && !firm.contains("Hicks"), "{firm}");
        assert!(run("IBM").len() == 3 && run("IBM") != "IBM");
        assert_ne!(run("The University Hospital"), "The University Hospital");
        assert!(run("Bank of Frobnitz").starts_with("Bank of "));
    }
}
