//! Which logs are accepted, and how many witnesses must have seen a checkpoint (C2SP tlog-policy).
//!
//! Invariant: a key counts once. Names stand before they are used, so groups have no circles, and deciding takes time in
//! proportion to the file.

use std::collections::HashMap;

use super::checkpoint::{Checkpoint, SignedCheckpoint};
use super::note::{SignatureKind, VerifierKey};
use crate::encoding::from_decimal;
use crate::{Error, Result};

/// The longest policy that is read, in bytes.
const POLICY_BYTES: usize = 1 << 20;

/// Logs, witnesses and the quorum.
///
/// ```
/// use cloister_vault::log::Policy;
///
/// let policy = Policy::parse(b"log example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\nquorum none\n")?;
/// assert_eq!(policy.logs()[0].name(), "example.com/foo");
/// # Ok::<(), cloister_vault::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    witnesses: Vec<VerifierKey>,
    /// What has a name, in the order of the lines.
    members: Vec<Member>,
    /// The member that decides; none for `quorum none`.
    quorum: Option<usize>,
}

#[derive(Clone, Debug)]
enum Member {
    /// Its place among the witnesses.
    Witness(usize),
    /// How many of the members, which stand before it.
    Group { threshold: usize, members: Vec<usize> },
}

impl Policy {
    /// Reads the content of a policy file.
    ///
    /// # Errors
    /// [`Error::Policy`] with the line.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reading = Reading::default();
        let wrong = |line, reason| Error::Policy { line, reason };
        if bytes.len() > POLICY_BYTES {
            return Err(wrong(0, "the file is longer than a mebibyte"));
        }
        // A last line without its end may be half of one: `quorum all-of-them` cut to `quorum a`.
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate();
        for (line, bytes) in lines.map(|(index, bytes)| (index + 1, bytes)) {
            let bytes = bytes.strip_suffix(b"\n").ok_or_else(|| wrong(line, "it does not end"))?;
            if bytes.iter().any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f) {
                return Err(wrong(line, "it has a control character"));
            }
            let words = bytes.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
            let words: Vec<&[u8]> = words.collect();
            reading.line(&words).map_err(|reason| wrong(line, reason))?;
        }
        let quorum = reading.quorum.ok_or_else(|| wrong(0, "it has no quorum"))?;
        Ok(Self { logs: reading.logs, witnesses: reading.witnesses, members: reading.members, quorum })
    }

    /// The logs that are accepted.
    #[must_use]
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The witnesses that are known.
    #[must_use]
    pub fn witnesses(&self) -> &[VerifierKey] {
        &self.witnesses
    }

    /// The checkpoint, if a log of the policy has signed it and the quorum has cosigned it.
    ///
    /// # Errors
    /// [`Error::OtherLog`], [`Error::Unsigned`], [`Error::BadSignature`], [`Error::NoQuorum`].
    pub fn verify<'a>(&self, signed: &'a SignedCheckpoint) -> Result<&'a Checkpoint> {
        let checkpoint = signed.unverified();
        let of_origin = self.logs.iter().filter(|key| key.name() == checkpoint.origin);
        let logs: Vec<&VerifierKey> = of_origin.collect();
        if logs.is_empty() {
            return Err(Error::OtherLog { expected: "any log of the policy".into() });
        }
        let keys: Vec<&VerifierKey> = logs.iter().copied().chain(&self.witnesses).collect();
        let verified = signed.note().verify(&keys)?;
        if !verified.iter().any(|signature| logs.contains(&signature.key)) {
            return Err(Error::Unsigned);
        }
        let cosigned = |key: &VerifierKey| verified.iter().any(|signature| signature.key == key);
        let mut holds: Vec<bool> = Vec::with_capacity(self.members.len());
        for member in &self.members {
            holds.push(match member {
                Member::Witness(index) => self.witnesses.get(*index).is_some_and(cosigned),
                Member::Group { threshold, members } => {
                    members.iter().filter(|member| holds.get(**member).is_some_and(|holds| *holds)).count()
                        >= *threshold
                }
            });
        }
        match self.quorum {
            Some(member) if !holds.get(member).is_some_and(|holds| *holds) => Err(Error::NoQuorum),
            _ => Ok(checkpoint),
        }
    }
}

/// A policy of which some lines are read.
#[derive(Default)]
struct Reading {
    logs: Vec<VerifierKey>,
    witnesses: Vec<VerifierKey>,
    members: Vec<Member>,
    names: HashMap<Vec<u8>, usize>,
    /// Which members are in a group already.
    grouped: Vec<bool>,
    quorum: Option<Option<usize>>,
}

impl Reading {
    fn line(&mut self, words: &[&[u8]]) -> Result<(), &'static str> {
        match words {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key] | [b"log", key, _] => {
                let key = parse_key(key, SignatureKind::Ed25519)?;
                if self.logs.iter().any(|log| log.public() == key.public()) {
                    return Err("a log's key stands there twice");
                }
                self.logs.push(key);
                Ok(())
            }
            [b"witness", name, key] | [b"witness", name, key, _] => {
                let key = parse_key(key, SignatureKind::Cosignature)?;
                if self.witnesses.iter().any(|witness| witness.public() == key.public()) {
                    return Err("a witness's key stands there twice");
                }
                self.witnesses.push(key);
                self.define(name, Member::Witness(self.witnesses.len() - 1))
            }
            [b"group", name, threshold, members @ ..] if !members.is_empty() => {
                let members = members.iter().map(|member| self.grouped(member)).collect::<Result<Vec<_>, _>>()?;
                let threshold = match *threshold {
                    b"any" => 1,
                    b"all" => members.len(),
                    number => {
                        let number = std::str::from_utf8(number).ok().and_then(from_decimal);
                        let number = number.filter(|number| (1..=members.len() as u64).contains(number));
                        number.ok_or("a group's threshold is not a number from 1 to that of its members")? as usize
                    }
                };
                self.define(name, Member::Group { threshold, members })
            }
            [b"quorum", name] => {
                let quorum = match *name {
                    b"none" => None,
                    name => Some(*self.names.get(name).ok_or("the quorum's name is not defined before")?),
                };
                if self.quorum.replace(quorum).is_some() { Err("there is a second quorum") } else { Ok(()) }
            }
            _ => Err("it is not a log, a witness, a group or a quorum"),
        }
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), &'static str> {
        if name == b"none" {
            return Err("the name `none` is taken");
        }
        if self.names.insert(name.into(), self.members.len()).is_some() {
            return Err("its name is defined before");
        }
        self.members.push(member);
        self.grouped.push(false);
        Ok(())
    }

    fn grouped(&mut self, name: &[u8]) -> Result<usize, &'static str> {
        let member = *self.names.get(name).ok_or("a member's name is not defined before")?;
        let grouped = self.grouped.get_mut(member).ok_or("a member's name is not defined before")?;
        if std::mem::replace(grouped, true) { Err("a member is in a group already") } else { Ok(member) }
    }
}

fn parse_key(text: &[u8], kind: SignatureKind) -> Result<VerifierKey, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "its key is not UTF-8")?;
    let key = VerifierKey::parse(text).map_err(|_| "its key is not one")?;
    if key.kind() == kind { Ok(key) } else { Err("its key is of another kind") }
}
