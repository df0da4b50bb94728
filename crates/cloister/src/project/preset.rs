//! What a project begins with: presets for regulations, as files.
//!
//! Invariant: a preset is part of the program and is validated by a test; a project names one, and the log holds which.

use cloister_text::Profile;
use serde::Deserialize;

use super::Error;

/// What a project begins with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Its name.
    #[serde(skip)]
    pub name: &'static str,
    /// Whether four eyes switch on with the second person who may approve.
    pub four_eyes: bool,
    /// How `protect` replaces personal data unless told.
    pub profile: Profile,
    /// How long records are kept unless declared, as `ingest` takes it.
    #[serde(default)]
    pub retention: Option<String>,
    /// What must be declared of a dataset: fields of `ingest`.
    pub require: Vec<String>,
    /// The limit of a dataset's privacy budget.
    pub privacy: Privacy,
}

/// The limit of a dataset's privacy budget.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    /// What one change of the data is: `record` or `subject`.
    pub unit: String,
    /// Epsilon, above 0.
    pub epsilon: f64,
    /// Delta, between 0 and 1.
    pub delta: f64,
}

const PRESETS: [(&str, &str); 4] = [
    ("gdpr", include_str!("presets/gdpr.toml")),
    ("hipaa", include_str!("presets/hipaa.toml")),
    ("ccpa", include_str!("presets/ccpa.toml")),
    ("minimal", include_str!("presets/minimal.toml")),
];

impl Preset {
    /// The names of all presets.
    pub const NAMES: [&'static str; 4] = [PRESETS[0].0, PRESETS[1].0, PRESETS[2].0, PRESETS[3].0];

    /// The preset of a name.
    ///
    /// # Errors
    /// [`Error::NoPreset`].
    pub fn named(name: &str) -> Result<Self, Error> {
        let absent = || Error::NoPreset { name: name.chars().filter(char::is_ascii_graphic).take(40).collect() };
        let (name, text) = PRESETS.into_iter().find(|(known, _)| *known == name).ok_or_else(absent)?;
        let preset: Self = toml::from_str(text).map_err(|_| absent())?;
        Ok(Self { name, ..preset })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::ingest::Field;

    #[test]
    fn every_preset_can_be_read_and_asks_for_what_there_is() {
        for name in Preset::NAMES {
            let preset = Preset::named(name).unwrap();
            assert_eq!((preset.name, preset.four_eyes), (name, name != "minimal"));
            assert!(matches!(&preset.privacy.unit[..], "record" | "subject"));
            assert!(preset.privacy.epsilon > 0.0 && (0.0..0.001).contains(&preset.privacy.delta));
            let known = |field: &String| Field::ALL.iter().any(|known| known.name() == field);
            assert!(preset.require.iter().all(known), "{name}");
            assert_eq!(preset.retention.is_some(), preset.require.contains(&"retention".into()), "{name}");
        }
        assert!(matches!(Preset::named("gdpr\u{1b}[2J"), Err(Error::NoPreset { name }) if name == "gdpr[2J"));
    }
}
