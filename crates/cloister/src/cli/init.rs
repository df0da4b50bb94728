//! `cloister init`: a project with its vault, its log and its first owner.

use cloister_access::Id;
use cloister_vault::keys::Hardened;
use serde_json::{Map, json};

use super::Exit;
use super::console::{Console, Ink};
use super::project::{Opening, id};
use crate::project::{Beginning, Preset, Project};
use crate::pull::Home;

/// Arguments of `init`.
#[derive(clap::Args)]
#[command(
    after_help = "Presets: gdpr, hipaa, ccpa, minimal. With all but minimal, what one person must not do alone needs a second \
                        one as soon as there is one who may approve.\nThe owner opens the project with a passphrase, asked on the \
                        terminal, or with --key-file PATH, which is made if it is not there."
)]
pub(super) struct Args {
    #[command(flatten)]
    opening: Opening,
    /// What people call the project
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Id of the first owner; it stands in the log for ever, so an id and no name
    #[arg(long, value_name = "ID", value_parser = id)]
    owner: Id,
    /// What it begins with
    #[arg(long, value_name = "PRESET", value_parser = Preset::NAMES, hide_possible_values = true)]
    preset: String,
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        let Self { opening, name, owner, preset } = self;
        let preset = Preset::named(&preset)?;
        let home = Home::from_env()?;
        let source = opening.source()?;
        let hardened = Hardened::apply()?;
        let secret = source.new_secret(console, "new passphrase", &[&name, owner.as_str()])?;
        let beginning = Beginning { name: &name, owner: &owner, preset: &preset };
        let manifest = Project::create(opening.folder(), &beginning, &*secret, &hardened, &home)?;
        let dim = |text: &str| console.ink(Ink::Dim, text);
        console.say(format_args!("{} made project {name}", console.ink(Ink::Green, "✓")));
        console.say(format_args!("  {}  {}", dim("owner    "), owner));
        console.say(format_args!("  {}  {}", dim("preset   "), preset.name));
        let eyes = match preset.four_eyes {
            true => "from the second person on who may approve",
            false => "not asked for",
        };
        console.say(format_args!("  {}  {eyes}", dim("four eyes")));
        console.say(format_args!("  {}  {}", dim("log key  "), manifest.log_key));
        console.say("keep the log key where others can find it: with it anyone verifies the log, and it is no secret");
        let mut fields = Map::new();
        fields.insert("name".into(), name.into());
        fields.insert("owner".into(), owner.as_str().into());
        fields.insert("preset".into(), preset.name.into());
        fields.insert("tenant".into(), manifest.tenant.into());
        fields.insert("log_key".into(), manifest.log_key.into());
        fields.insert("require".into(), json!(preset.require));
        console.document("passed", fields)?;
        Ok(Exit::Passed)
    }
}
