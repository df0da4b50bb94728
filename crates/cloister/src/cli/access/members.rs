//! `access add`, `roles` and `disable`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use cloister_access::{Id, Role};

use super::{did, role, told};
use crate::cli::Exit;
use crate::cli::console::Console;
use crate::cli::project::{Opening, id};
use crate::cli::secret::Source;
use crate::project::Member;

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("secret").required(true)))]
pub(super) struct Add {
    /// Their id; it stands in the log for ever, so an id and no name
    #[arg(value_name = "ID", value_parser = id)]
    member: Id,
    /// What people call them [default: the id]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What they are: owner, steward, engineer, auditor, dpo or admin, with commas between
    #[arg(long, value_name = "ROLES", value_delimiter = ',', value_parser = role, required = true)]
    roles: Vec<Role>,
    /// They open the project with a passphrase, which they type now
    #[arg(long, group = "secret")]
    member_passphrase: bool,
    /// They open it with a passphrase that is read from this file descriptor
    #[arg(long, group = "secret", value_name = "N")]
    member_passphrase_fd: Option<u32>,
    /// They open it with this key file, which is made if it is not there
    #[arg(long, group = "secret", value_name = "PATH")]
    member_key_file: Option<PathBuf>,
    /// The grant that allows it, where one person alone cannot
    #[arg(long, value_name = "GRANT", value_parser = id)]
    grant: Option<Id>,
}

#[derive(clap::Args)]
pub(super) struct Change {
    /// Who
    #[arg(value_name = "ID", value_parser = id)]
    member: Id,
    /// What they are from now on, with commas between
    #[arg(long, value_name = "ROLES", value_delimiter = ',', value_parser = role, required = true)]
    roles: Vec<Role>,
    /// The grant that allows it, where one person alone cannot
    #[arg(long, value_name = "GRANT", value_parser = id)]
    grant: Option<Id>,
}

#[derive(clap::Args)]
pub(super) struct Disable {
    /// Who
    #[arg(value_name = "ID", value_parser = id)]
    member: Id,
}

impl Add {
    pub(super) fn run(self, console: &Console, opening: &Opening) -> anyhow::Result<Exit> {
        let Self { member, name, roles, member_passphrase: _, member_passphrase_fd, member_key_file, grant } = self;
        let roles: BTreeSet<Role> = roles.into_iter().collect();
        // The descriptor is opened before the process is hardened.
        let source = Source::of(member_passphrase_fd, member_key_file)?;
        let name = name.unwrap_or_else(|| member.to_string());
        let four_eyes = opening.with(console, |project| {
            let asked = format!("new passphrase of {member}");
            let secret = source.new_secret(console, &asked, &[&name, member.as_str()])?;
            let new = Member { id: &member, name: &name, roles: &roles, provider: &*secret };
            Ok(project.add_member(&new, grant)?)
        })?;
        console.say(format_args!("added {member} as {}", names(&roles)));
        let mut fields = did("add");
        fields.insert("id".into(), member.as_str().into());
        fields.insert("four_eyes_switched_on".into(), four_eyes.into());
        eyes(console, four_eyes);
        told(console, "passed", fields, "")
    }
}

impl Change {
    pub(super) fn run(self, console: &Console, opening: &Opening) -> anyhow::Result<Exit> {
        let Self { member, roles, grant } = self;
        let roles: BTreeSet<Role> = roles.into_iter().collect();
        let four_eyes = opening.with(console, |project| Ok(project.change_roles(&member, &roles, grant)?))?;
        console.say(format_args!("{member} is {} now", names(&roles)));
        let mut fields = did("roles");
        fields.insert("id".into(), member.as_str().into());
        fields.insert("four_eyes_switched_on".into(), four_eyes.into());
        eyes(console, four_eyes);
        told(console, "passed", fields, "")
    }
}

impl Disable {
    pub(super) fn run(self, console: &Console, opening: &Opening) -> anyhow::Result<Exit> {
        let member = self.member;
        opening.with(console, |project| Ok(project.disable_member(&member)?))?;
        console.say(format_args!("disabled {member}: their secret opens the project no more"));
        console.say("who has an older copy of its files still opens that copy");
        let mut fields = did("disable");
        fields.insert("id".into(), member.as_str().into());
        told(console, "passed", fields, "")
    }
}

fn names(roles: &BTreeSet<Role>) -> String {
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ")
}

fn eyes(console: &Console, switched_on: bool) {
    if switched_on {
        console.say(
            "four eyes are on from now: roles, exports, releases and keys need a grant that somebody else approved",
        );
    }
}
