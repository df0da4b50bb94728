//! Secrets that people give: typed on the terminal without echo, read from a file descriptor, or in a key file.
//!
//! Invariant: no secret stands in an argument or in the environment; what was typed is wiped when it goes; the process is hardened
//! before it asks. The terminal shows what it showed before, whatever happens in between.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use cloister_vault::keys::{KeyFile, Passphrase, Provider};
use zeroize::Zeroizing;

use super::console::Console;
use super::hint::Usage;

/// The longest passphrase that is read, in bytes.
const MOST_BYTES: usize = 4096;
/// The fewest characters of a new passphrase (OWASP ASVS 5.0, 6.2.1).
const FEWEST_LETTERS: usize = 15;

/// Where somebody's secret comes from.
pub(super) enum Source {
    /// Typed on the terminal.
    Terminal,
    /// One line from a file descriptor that is open already.
    Descriptor(File),
    /// A key file.
    KeyFile(PathBuf),
}

impl Source {
    /// The source that flags name: a descriptor, else a key file, else the terminal.
    pub(super) fn of(descriptor: Option<u32>, key_file: Option<PathBuf>) -> anyhow::Result<Self> {
        match (descriptor, key_file) {
            (Some(number), _) => Ok(Self::Descriptor(descriptor_of(number)?)),
            (None, Some(path)) => Ok(Self::KeyFile(path)),
            (None, None) => Ok(Self::Terminal),
        }
    }

    /// A secret that exists.
    pub(super) fn secret(self, asked: &str) -> anyhow::Result<Box<dyn Provider>> {
        match self {
            Self::Terminal => Ok(Box::new(passphrase(&typed(asked)?)?)),
            Self::Descriptor(file) => Ok(Box::new(passphrase(&first_line(file)?)?)),
            Self::KeyFile(path) => Ok(Box::new(KeyFile::open(&path)?)),
        }
    }

    /// A secret that is new: a passphrase that is good enough, typed twice; a key file is made where none is.
    pub(super) fn new_secret(
        self,
        console: &Console,
        asked: &str,
        names: &[&str],
    ) -> anyhow::Result<Box<dyn Provider>> {
        let text = match self {
            Self::KeyFile(path) => return key_file(console, &path),
            Self::Descriptor(file) => first_line(file)?,
            Self::Terminal => {
                let text = typed(asked)?;
                check(&text, names)?;
                if *typed("the same again")? != *text {
                    return Err(Usage::new("the two passphrases differ", "run the command again").into());
                }
                text
            }
        };
        check(&text, names)?;
        Ok(Box::new(passphrase(&text)?))
    }
}

fn key_file(console: &Console, path: &Path) -> anyhow::Result<Box<dyn Provider>> {
    if path.symlink_metadata().is_ok() {
        return Ok(Box::new(KeyFile::open(path)?));
    }
    let made = KeyFile::create(path)?;
    console.say(format_args!("made the key file {}: whoever has it opens the project", path.display()));
    Ok(Box::new(made))
}

fn passphrase(text: &str) -> anyhow::Result<Passphrase> {
    Passphrase::new(text).map_err(|error| match error {
        cloister_vault::Error::Malformed { reason, .. } => {
            Usage::new(format!("the passphrase cannot be one: {reason}"), "give it in one line of 1 to 4096 bytes")
                .into()
        }
        error => error.into(),
    })
}

/// Whether a new passphrase is good enough: long, and not what everybody knows of the project.
fn check(text: &str, names: &[&str]) -> Result<(), Usage> {
    let folded = Zeroizing::new(text.to_lowercase());
    if text.chars().count() < FEWEST_LETTERS {
        let hint = "several words that have nothing to do with each other are long and easy to keep";
        return Err(Usage::new(format!("the passphrase has fewer than {FEWEST_LETTERS} characters"), hint));
    }
    let told = |name: &&str| name.chars().count() > 3 && folded.contains(&name.to_lowercase());
    if names.iter().any(told) {
        return Err(Usage::new("the passphrase contains a name of the project or of its owner", "choose another"));
    }
    let letters: std::collections::BTreeSet<char> = folded.chars().collect();
    if letters.len() < 5 {
        return Err(Usage::new("the passphrase repeats a few characters", "choose another"));
    }
    Ok(())
}

/// A file descriptor of this process, opened before the process is hardened: afterwards its names are root's.
fn descriptor_of(number: u32) -> anyhow::Result<File> {
    let path = format!("/dev/fd/{number}");
    let hint = "open it in the shell, such as --passphrase-fd 3 3<FILE";
    File::open(&path).map_err(|_| Usage::new(format!("there is no file descriptor {number} to read from"), hint).into())
}

/// The first line, without its end.
fn first_line(source: impl Read) -> anyhow::Result<Zeroizing<String>> {
    // With room for all of it, so that no shorter buffer with half a secret is given back to the allocator.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES + 3));
    source.take(MOST_BYTES as u64 + 2).read_to_end(&mut bytes)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok(text) if text.len() <= MOST_BYTES => {
            let mut kept = Zeroizing::new(String::with_capacity(MOST_BYTES));
            kept.push_str(text);
            Ok(kept)
        }
        _ => {
            Err(Usage::new("the passphrase is not one line of UTF-8", "give it in one line of 1 to 4096 bytes").into())
        }
    }
}

/// What a person types on the terminal, without echo.
#[cfg(unix)]
fn typed(asked: &str) -> anyhow::Result<Zeroizing<String>> {
    let missing =
        |_| Usage::new("there is no terminal to ask for a passphrase on", "give --key-file PATH, or --passphrase-fd N");
    let terminal = File::options().read(true).write(true).open("/dev/tty").map_err(missing)?;
    let mut both_ways = &terminal;
    let text = {
        let _quiet = Quiet::begin(&terminal)?;
        write!(both_ways, "{asked}: ")?;
        both_ways.flush()?;
        line_of(&mut both_ways)
    };
    writeln!(both_ways)?;
    text
}

#[cfg(not(unix))]
fn typed(_: &str) -> anyhow::Result<Zeroizing<String>> {
    Err(Usage::new("passphrases cannot be typed on this system", "give --key-file PATH").into())
}

/// A line from a terminal that gives every key as it is pressed.
#[cfg_attr(not(unix), allow(dead_code, reason = "nobody types there"))]
fn line_of(terminal: &mut impl Read) -> anyhow::Result<Zeroizing<String>> {
    const INTERRUPT: u8 = 3;
    const END: u8 = 4;
    const ERASE_ALL: u8 = 21;
    let mut typed = Zeroizing::new(Vec::with_capacity(MOST_BYTES));
    let mut key = [0];
    loop {
        if terminal.read(&mut key)? == 0 {
            break;
        }
        match key[0] {
            b'\r' | b'\n' => break,
            END if typed.is_empty() => break,
            INTERRUPT => return Err(crate::Error::Interrupted.into()),
            ERASE_ALL => typed.clear(),
            // Backspace takes a whole character.
            8 | 127 => while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            byte if typed.len() < MOST_BYTES => typed.push(byte),
            _ => {}
        }
    }
    first_line(&typed[..])
}

/// A terminal that shows nothing of what is typed, until this goes.
#[cfg(unix)]
struct Quiet<'t> {
    terminal: &'t File,
    before: rustix::termios::Termios,
}

#[cfg(unix)]
impl<'t> Quiet<'t> {
    fn begin(terminal: &'t File) -> io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        // Without signals too: Ctrl-C comes as a key, so that the terminal is set back before anything ends.
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

#[cfg(unix)]
impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = rustix::termios::tcsetattr(self.terminal, rustix::termios::OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_line_is_what_was_typed_in_the_end() {
        for (keys, line) in [
            ("correct horse\r", "correct horse"),
            ("corrr\u{7f}ect\n rest", "correct"),
            ("é\u{7f}\u{7f}e\n", "e"),
            ("wrong\u{15}right\n", "right"),
            ("\u{4}", ""),
            ("no end", "no end"),
        ] {
            assert_eq!(line_of(&mut keys.as_bytes()).unwrap().as_str(), line, "{keys:?}");
        }
        let interrupted = line_of(&mut "half\u{3}\n".as_bytes()).unwrap_err();
        assert!(matches!(interrupted.downcast_ref(), Some(crate::Error::Interrupted)));
    }

    #[test]
    fn a_descriptor_gives_its_first_line() {
        assert_eq!(first_line(&b"one two\r\nthree"[..]).unwrap().as_str(), "one two");
        assert!(first_line(&b"\xff\n"[..]).is_err());
        assert!(first_line(&[b'x'; MOST_BYTES + 1][..]).is_err());
        assert_eq!(first_line(&[b'x'; MOST_BYTES][..]).unwrap().len(), MOST_BYTES);
    }

    #[test]
    fn requirement_3_a_new_passphrase_is_long_and_tells_nothing_of_the_project() {
        let names = ["Help desk", "ana", "olga"];
        for good in ["correct horse battery staple", "ana lives by the river", "ÄÖÜ ist kein Wort hier"] {
            assert!(check(good, &names).is_ok(), "{good}");
        }
        for bad in ["", &"short and sweet"[..14], "the HELP DESK of it all", "xolgaxolgaxolga", "aaaaaaaaaaaaaaaaaaaa"]
        {
            assert!(check(bad, &names).is_err(), "{bad}");
        }
        assert!(check(&"名前は秘密で長いもの".repeat(3), &names).is_ok());
    }
}
