//! The proleptic Gregorian calendar, and names of months and weekdays in five languages.
//!
//! Source: H. Hinnant, "chrono-compatible low-level date algorithms" (days from civil and back), eras of 400 years.

/// A day of the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Date {
    pub(super) year: u16,
    pub(super) month: u8,
    pub(super) day: u8,
}

impl Date {
    /// The day, if there is such a day.
    pub(super) fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let fits = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        fits.then_some(Self { year, month, day })
    }

    /// Days since 1970-01-01.
    pub(super) fn days(self) -> i64 {
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let year = i64::from(self.year) - i64::from(month <= 2);
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    /// The day that is `days` after 1970-01-01, within the years 1 to 9999.
    pub(super) fn from_days(days: i64) -> Option<Self> {
        let days = days.checked_add(719_468)?;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        Self::new(u16::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
    }

    /// 0 for Monday.
    pub(super) fn weekday(self) -> usize {
        usize::try_from((self.days() + 3).rem_euclid(7)).unwrap_or(0)
    }

    /// The day `offset` days later.
    pub(super) fn shifted(self, offset: i64) -> Option<Self> {
        Self::from_days(self.days().checked_add(offset)?)
    }
}

fn days_in(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Where a name stands in its table: language, form (long or short), and number from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) language: usize,
    pub(super) form: usize,
    pub(super) number: usize,
}

/// Months that `word` (lower case) can be, one for each language that has the word.
pub(super) fn months(word: &str) -> impl Iterator<Item = Named> + '_ {
    find(&MONTHS, word)
}

/// Weekdays that `word` (lower case) can be.
pub(super) fn weekdays(word: &str) -> impl Iterator<Item = Named> + '_ {
    find(&WEEKDAYS, word)
}

/// The name of another month in the language and form of `like`.
pub(super) fn month_name(like: Named, month: u8) -> &'static str {
    MONTHS[like.language][like.form][usize::from(month.clamp(1, 12) - 1)]
}

/// The name of another weekday in the language and form of `like`.
pub(super) fn weekday_name(like: Named, weekday: usize) -> &'static str {
    WEEKDAYS[like.language][like.form][weekday % 7]
}

fn find<'a, const N: usize>(
    table: &'static [[[&'static str; N]; FORMS]; LANGUAGES],
    word: &'a str,
) -> impl Iterator<Item = Named> + 'a {
    table.iter().enumerate().flat_map(move |(language, forms)| {
        let mut places = forms.iter().enumerate().flat_map(|(form, names)| {
            names.iter().enumerate().map(move |(number, name)| (Named { language, form, number }, *name))
        });
        places.find(|(_, name)| *name == word).map(|(place, _)| place)
    })
}

/// English, German, French, Spanish, Italian.
const LANGUAGES: usize = 5;
/// Long, short, another short, without diacritics.
const FORMS: usize = 4;

#[rustfmt::skip]
const MONTHS: [[[&str; 12]; FORMS]; LANGUAGES] = [
    [
        ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"],
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
        ["jan", "feb", "mar", "apr", "may", "june", "july", "aug", "sept", "oct", "nov", "dec"],
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    ],
    [
        ["januar", "februar", "märz", "april", "mai", "juni", "juli", "august", "september", "oktober", "november", "dezember"],
        ["jan", "feb", "mär", "apr", "mai", "jun", "jul", "aug", "sep", "okt", "nov", "dez"],
        ["jän", "feb", "mrz", "apr", "mai", "juni", "juli", "aug", "sept", "okt", "nov", "dez"],
        ["jänner", "feber", "maerz", "april", "mai", "juni", "juli", "august", "september", "oktober", "november", "dezember"],
    ],
    [
        ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"],
        ["janv", "févr", "mars", "avr", "mai", "juin", "juil", "août", "sept", "oct", "nov", "déc"],
        ["jan", "fév", "mar", "avr", "mai", "jun", "jul", "aoû", "sep", "oct", "nov", "déc"],
        ["janvier", "fevrier", "mars", "avril", "mai", "juin", "juillet", "aout", "septembre", "octobre", "novembre", "decembre"],
    ],
    [
        ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"],
        ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"],
        ["ene", "febr", "mzo", "abr", "may", "jun", "jul", "agto", "sept", "oct", "nov", "dic"],
        ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "setiembre", "octubre", "noviembre", "diciembre"],
    ],
    [
        ["gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre", "novembre", "dicembre"],
        ["gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic"],
        ["genn", "febbr", "mar", "apr", "magg", "giu", "lugl", "ag", "sett", "ott", "nov", "dic"],
        ["gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic"],
    ],
];

#[rustfmt::skip]
const WEEKDAYS: [[[&str; 7]; FORMS]; LANGUAGES] = [
    [
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        ["mon", "tues", "weds", "thurs", "fri", "sat", "sun"],
        ["mondays", "tuesdays", "wednesdays", "thursdays", "fridays", "saturdays", "sundays"],
    ],
    [
        ["montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag"],
        ["mo", "di", "mi", "do", "fr", "sa", "so"],
        ["montag", "dienstag", "mittwoch", "donnerstag", "freitag", "sonnabend", "sonntag"],
        ["montags", "dienstags", "mittwochs", "donnerstags", "freitags", "samstags", "sonntags"],
    ],
    [
        ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
        ["lun", "mar", "mer", "jeu", "ven", "sam", "dim"],
        ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
        ["lundis", "mardis", "mercredis", "jeudis", "vendredis", "samedis", "dimanches"],
    ],
    [
        ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
        ["lun", "mar", "mié", "jue", "vie", "sáb", "dom"],
        ["lunes", "martes", "miercoles", "jueves", "viernes", "sabado", "domingo"],
        ["lunes", "martes", "miércoles", "jueves", "viernes", "sábados", "domingos"],
    ],
    [
        ["lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"],
        ["lun", "mar", "mer", "gio", "ven", "sab", "dom"],
        ["lunedi", "martedi", "mercoledi", "giovedi", "venerdi", "sabato", "domenica"],
        ["lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabati", "domeniche"],
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_one_to_one() {
        assert_eq!(Date::new(1970, 1, 1).map(Date::days), Some(0));
        assert_eq!(Date::new(2000, 2, 29).map(Date::days), Some(11_016));
        assert_eq!(Date::new(1970, 1, 1).map(Date::weekday), Some(3), "a Thursday");
        for days in (-719_162..2_932_897).step_by(97) {
            let date = Date::from_days(days);
            assert!(date.is_some_and(|date| date.days() == days), "{days}");
        }
        assert_eq!((Date::from_days(-719_163), Date::from_days(2_932_897)), (None, None));
        assert_eq!((Date::new(1900, 2, 29), Date::new(2021, 13, 1)), (None, None));
    }

    #[test]
    fn names_are_found_in_every_language_that_has_them() {
        let languages = |word| months(word).map(|named| named.language).collect::<Vec<_>>();
        assert_eq!(languages("april"), [0, 1]);
        assert_eq!(languages("mars"), [2]);
        assert_eq!(languages("marzo"), [3, 4]);
        assert_eq!(languages("mai"), [1, 2]);
        assert!(weekdays("sonntag").all(|named| (named.language, named.number) == (1, 6)));
    }
}
