//! What a rule is: the form of a number, what it is worth, and the words that announce it.
//!
//! Invariant: whether a rule fits depends on one [`Window`], which is bounded.
//!
//! Scores. A number whose check digit is one in ten, or in eleven, agrees by chance so often that agreement is worth
//! 0.4 at most where nothing else speaks for it: below the usual threshold of 0.5. Form and check digits that together
//! leave less than about one in a hundred of random strings are worth 0.5 to 0.8, and those that leave next to none 1.0.
//! A word that names the number nearby lifts agreement to 1.0, and a form without check digits to [`Rule::cued`].

use super::super::Label;
use super::window::{Window, kind};

/// What a rule says of characters that have its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The definition forbids them.
    Refuted,
    /// The form fits, and the definition knows no check.
    Fits,
    /// They keep every rule of the definition, but no check digit was compared.
    Sound,
    /// Their check digits agree.
    Agrees,
}

impl Verdict {
    /// [`Self::Agrees`] or [`Self::Refuted`].
    pub(super) fn check(agrees: bool) -> Self {
        if agrees { Self::Agrees } else { Self::Refuted }
    }

    /// [`Self::Fits`] or [`Self::Refuted`].
    pub(super) fn form(fits: bool) -> Self {
        if fits { Self::Fits } else { Self::Refuted }
    }
}

/// The characters of a number without its separators.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// One of these: `A` stands for a letter, `9` for a digit, `*` for either, a small letter for itself.
    Of(&'static [&'static str]),
    /// So many digits.
    Digits(usize, usize),
    /// So many letters and digits, one digit at least.
    Mixed(usize, usize),
    /// So many letters and digits, at least one of each.
    Code(usize, usize),
}

impl Shape {
    /// The alternatives for numbers of `length` characters, all digits or with letters.
    fn alternatives(self, length: usize, letters: bool) -> Vec<Option<&'static str>> {
        let fits = |shape: &str| {
            let fixed = shape.bytes().any(|class| class == b'A' || class.is_ascii_lowercase());
            let digits = shape.bytes().all(|class| class == b'9');
            shape.len() == length && if letters { !digits } else { !fixed }
        };
        let open = match self {
            Self::Of(shapes) => return shapes.iter().copied().filter(|shape| fits(shape)).map(Some).collect(),
            Self::Digits(least, most) => !letters && (least..=most).contains(&length),
            Self::Mixed(least, most) => (least..=most).contains(&length),
            Self::Code(least, most) => letters && (least..=most).contains(&length),
        };
        if open { vec![None] } else { Vec::new() }
    }
}

/// Whether characters are written as an alternative of [`Shape::Of`].
fn is_written(shape: &str, compact: &[u8]) -> bool {
    shape.len() == compact.len()
        && shape.bytes().zip(compact).all(|(class, byte)| match class {
            b'A' => byte.is_ascii_uppercase(),
            b'9' => byte.is_ascii_digit(),
            b'*' => byte.is_ascii_alphanumeric(),
            literal => literal.to_ascii_uppercase() == *byte,
        })
}

/// A rule for numbers of one length, with one way of writing them where the rule fixes it.
#[derive(Clone, Copy)]
pub(super) struct Way {
    /// Its place in the table.
    pub(super) rule: u16,
    /// The separators that may stand in it, as bits.
    joints: u8,
    uniform: bool,
    /// Whether it may follow small letters without a space.
    pub(super) glued: bool,
    /// The places where digits stand, and those where none may, as bits.
    digits: u32,
    others: u32,
    written: Option<&'static str>,
}

impl Way {
    fn new(place: u16, rule: &Rule, written: Option<&'static str>) -> Self {
        let places = |chosen: fn(u8) -> bool| {
            let classes = written.unwrap_or_default().bytes().enumerate();
            classes.filter(|(_, class)| chosen(*class)).fold(0, |places, (at, _)| places | 1 << at)
        };
        Self {
            rule: place,
            joints: rule.separators.iter().fold(0, |joints, separator| joints | kind(*separator)),
            uniform: rule.uniform,
            glued: rule.glued,
            digits: places(|class| class.is_ascii_digit()),
            others: places(|class| class.is_ascii_alphabetic()),
            written,
        }
    }

    /// Whether digits, other characters and separators stand where they should: most ways are out by this alone.
    pub(super) fn admits(&self, window: &Window) -> bool {
        let digits = window.digit_places;
        let misplaced = self.digits & !digits | self.others & digits;
        misplaced == 0 && window.joints & !self.joints == 0 && (!self.uniform || window.joints.count_ones() <= 1)
    }
}

/// Where separators may stand. Places count characters from the left, negative ones from the right.
#[derive(Clone, Copy)]
pub(super) enum Cuts {
    /// Nowhere.
    Nowhere,
    /// At all of these places, or at none.
    All(&'static [isize]),
    /// At any of these places.
    Within(&'static [isize]),
    /// Wherever the check allows, so many at most.
    Anywhere(usize),
}

impl Cuts {
    /// Whether a number may have so many separators.
    fn admits(self, separators: usize) -> bool {
        match self {
            _ if separators == 0 => true,
            Self::Nowhere => false,
            Self::All(cuts) => separators == cuts.len(),
            Self::Within(cuts) => separators <= cuts.len(),
            Self::Anywhere(most) => separators <= most,
        }
    }

    fn fit(self, window: &Window) -> bool {
        let place = |cut: isize| usize::try_from(cut).unwrap_or(window.len().saturating_sub(cut.unsigned_abs()));
        let allowed = |cuts: &[isize]| window.cuts().all(|at| cuts.iter().any(|cut| place(*cut) == at));
        match self {
            Self::Nowhere => window.cuts().next().is_none(),
            Self::All(cuts) => {
                window.separators().is_empty() || window.separators().len() == cuts.len() && allowed(cuts)
            }
            Self::Within(cuts) => allowed(cuts),
            Self::Anywhere(most) => window.separators().len() <= most,
        }
    }
}

/// The score of a number without a word that announces it.
#[derive(Clone, Copy)]
pub(super) struct Worth {
    /// Where only the form fits; 0 for no candidate at all.
    pub(super) form: f32,
    /// Where the check digits agree.
    pub(super) agrees: f32,
}

impl Worth {
    pub(super) const NOTHING: Self = Self::form(0.0);

    /// A form without check digits.
    pub(super) const fn form(form: f32) -> Self {
        Self { form, agrees: form }
    }

    /// A form of which only numbers with the right check digits are believed.
    pub(super) const fn check(agrees: f32) -> Self {
        Self { form: 0.0, agrees }
    }

    pub(super) const fn both(form: f32, agrees: f32) -> Self {
        Self { form, agrees }
    }
}

/// How one kind of number is recognised.
pub(super) struct Rule {
    pub(super) label: Label,
    pub(super) shape: Shape,
    pub(super) cuts: Cuts,
    /// The separators that may stand at the cuts.
    pub(super) separators: &'static [u8],
    /// Whether all separators have to be the same.
    pub(super) uniform: bool,
    /// Score of a number written without separators.
    pub(super) bare: Worth,
    /// Score of a number written with separators.
    pub(super) grouped: Worth,
    /// Score of a form without check digits beside a word that announces it.
    pub(super) cued: f32,
    /// How many bytes before the number such a word may end.
    pub(super) reach: usize,
    /// Whether small letters keep a word from announcing the number: they would be words of their own.
    pub(super) capitals: bool,
    /// Whether the number may follow small letters without a space.
    pub(super) glued: bool,
    pub(super) check: fn(&Window) -> Verdict,
    /// Words that announce the number, in small letters.
    pub(super) cues: &'static [&'static str],
}

impl Rule {
    /// What most rules share.
    pub(super) const BASE: Self = Self {
        label: Label::ACCOUNT_NUMBER,
        shape: Shape::Of(&[]),
        cuts: Cuts::Nowhere,
        separators: b" -",
        uniform: true,
        bare: Worth::NOTHING,
        grouped: Worth::NOTHING,
        cued: 0.75,
        reach: 48,
        capitals: false,
        glued: false,
        check: |_| Verdict::Fits,
        cues: &[],
    };

    /// The verdict on a window that [`Self::ways`] admits, [`None`] where it is written otherwise.
    pub(super) fn verdict(&self, window: &Window, way: Way) -> Option<Verdict> {
        (way.admits(window) && self.fits(window, way)).then(|| (self.check)(window))
    }

    /// Whether a window that a way admits is written so in every character, with its separators at their places.
    pub(super) fn fits(&self, window: &Window, way: Way) -> bool {
        way.written.is_none_or(|shape| is_written(shape, window.compact())) && self.cuts.fit(window)
    }

    /// The ways to write numbers of so many characters, all digits or with letters, and so many separators.
    pub(super) fn ways(&self, rule: u16, length: usize, letters: bool, separators: usize) -> Vec<Way> {
        let worth = if separators == 0 { self.bare } else { self.grouped };
        if !self.cuts.admits(separators) || worth.form <= 0.0 && worth.agrees <= 0.0 && self.cues.is_empty() {
            return Vec::new();
        }
        let alternatives = self.shape.alternatives(length, letters);
        alternatives.into_iter().map(|written| Way::new(rule, self, written)).collect()
    }
}
