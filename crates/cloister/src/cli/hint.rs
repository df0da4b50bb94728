//! From an error to an exit code and one line of advice.
//!
//! | exit | when |
//! | --- | --- |
//! | 1 failed | the work could not be done: no network, a full disk, a status of a server, training that broke |
//! | 2 usage or config | the request makes no sense: flags, `cloister.toml`, a file that is missing, is a folder or exists, data that cannot be read, a base that is not there |
//! | 4 integrity | a digest is not the pinned or recorded one; a snapshot or an adapter just written is damaged; a file of a project is not what was written |
//! | 5 denied | the rules of a project say no; a secret does not open it |
//! | 130 interrupted | Ctrl-C |
//!
//! 0 and 3 are verdicts of finished work, not errors. The first cause in the chain that is known here decides.

mod project;

use std::io;

use super::Exit;
use crate::{Error, budget, ingest, keys, protect, pull, release, sandbox, scan, train};

/// What the shell and the user get for an error.
#[derive(Debug, PartialEq, Eq)]
pub struct Advice {
    /// The exit code.
    pub exit: Exit,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether to say nothing: the reader of stdout is gone.
    pub silent: bool,
}

/// A request that makes no sense, with its advice; for verbs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Usage {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Usage {
    /// An error with exit code 2.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// Exit code and hint for an error.
pub fn advise(error: &anyhow::Error) -> Advice {
    let known = error.chain().find_map(|cause| {
        None.or_else(|| cause.downcast_ref().map(usage))
            .or_else(|| cause.downcast_ref().map(project::project))
            .or_else(|| cause.downcast_ref().map(project::vault))
            .or_else(|| cause.downcast_ref().map(project::access))
            .or_else(|| cause.downcast_ref().map(file))
            .or_else(|| cause.downcast_ref().map(pulling))
            .or_else(|| cause.downcast_ref().map(taking_in))
            .or_else(|| cause.downcast_ref().map(text))
            .or_else(|| cause.downcast_ref().map(gold))
            .or_else(|| cause.downcast_ref().map(key))
            .or_else(|| cause.downcast_ref().map(sealing))
            .or_else(|| cause.downcast_ref().map(question))
            .or_else(|| cause.downcast_ref().map(training))
            .or_else(|| cause.downcast_ref().map(releasing))
            .or_else(|| cause.downcast_ref().map(model))
            .or_else(|| cause.downcast_ref().map(privacy))
    });
    known.unwrap_or_else(|| Advice {
        exit: Exit::Failed,
        hint: None,
        silent: matches!(error.downcast_ref::<io::Error>(), Some(e) if e.kind() == io::ErrorKind::BrokenPipe),
    })
}

fn advice(exit: Exit, hint: impl Into<String>) -> Advice {
    Advice { exit, hint: Some(hint.into()), silent: false }
}

fn bare(exit: Exit) -> Advice {
    Advice { exit, hint: None, silent: false }
}

fn usage(error: &Usage) -> Advice {
    advice(Exit::Usage, &error.hint)
}

fn file(error: &Error) -> Advice {
    match error {
        Error::Interrupted => advice(Exit::Interrupted, "nothing half-written is left; run the command again"),
        Error::IsFolder { .. } => advice(Exit::Usage, "name a file inside it"),
        Error::Exists { .. } => advice(Exit::Usage, "choose another name, or pass --force to replace it"),
        Error::Read { source, .. } => match source.kind() {
            io::ErrorKind::NotFound => advice(Exit::Usage, "check the spelling of the path"),
            io::ErrorKind::PermissionDenied => advice(Exit::Failed, "check the permissions of the file"),
            io::ErrorKind::InvalidData => advice(Exit::Usage, "write it as text in UTF-8"),
            _ => bare(Exit::Failed),
        },
        Error::Write { source, .. } => storage(source),
    }
}

fn storage(source: &io::Error) -> Advice {
    match source.kind() {
        io::ErrorKind::NotFound => advice(Exit::Usage, "create the folder first"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            advice(Exit::Failed, "choose a folder that you may write to")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            advice(Exit::Failed, "free some space; nothing half-written is left")
        }
        _ => bare(Exit::Failed),
    }
}

fn pulling(error: &pull::Error) -> Advice {
    use pull::Error as E;
    match error {
        E::Unreachable { .. } => advice(
            Exit::Failed,
            "check the network and the proxy variables; a mirror is set with PIP_INDEX_URL or HF_ENDPOINT",
        ),
        E::Status { status: 401 | 403, .. } => {
            advice(Exit::Failed, "the model may be gated: accept its terms on the hub and set HF_TOKEN")
        }
        E::Status { status: 404, .. } => advice(Exit::Failed, "check the name and the revision"),
        E::Status { .. } | E::Cut { .. } => advice(Exit::Failed, "the server may be busy; run the command again"),
        E::WrongDigest { .. } | E::TooLong { .. } => advice(
            Exit::Broken,
            "the file was deleted; if it happens again, the source or a proxy on the way is not to be trusted",
        ),
        E::Changed { .. } | E::Record { .. } => advice(Exit::Broken, "remove the folder and pull the base again"),
        E::File(inner) => file(inner),
        E::UnknownBase { .. } => advice(
            Exit::Usage,
            format!(
                "known names: {}; any other must be a hub id `organisation/model`, a .gguf file or a folder",
                pull::known_names().join(", ")
            ),
        ),
        E::NotPulled { name } => advice(Exit::Usage, format!("cloister pull {name}")),
        E::NotABase { .. } => advice(
            Exit::Usage,
            "a base is a .gguf file, or a folder with config.json, tokenizer.json and *.safetensors",
        ),
        E::Pickle { .. } => {
            advice(Exit::Usage, "choose a revision with .safetensors: a pickle can run code when it is loaded")
        }
        E::TokenInClear { .. } => advice(Exit::Usage, "use an https endpoint, or unset the token"),
        E::BadAnswer { .. } | E::NotOffered { .. } => advice(Exit::Failed, "check PIP_INDEX_URL or HF_ENDPOINT"),
        _ => bare(Exit::Failed),
    }
}

fn text(error: &cloister_text::Error) -> Advice {
    use cloister_text::Error as E;
    if let E::InFile { source, .. } = error {
        return text(source);
    }
    let exit = match error {
        E::Read { .. } | E::Open { .. } | E::Detector { .. } | E::Classifier { .. } => Exit::Failed,
        E::Seal { .. } => Exit::Broken,
        _ => Exit::Usage,
    };
    if let E::UnknownLocale { .. } = error {
        return advice(exit, format!("known locales: {}; gb is uk", cloister_text::LOCALES.join(", ")));
    }
    let hint = match error {
        E::MissingFile { .. } => Some("check the spelling of the path"),
        E::UnknownShape { .. } => Some(
            "name the columns, such as --columns text=body; known shapes: messages, prompt and completion, \
                  instruction and output, conversations, text",
        ),
        E::MissingField { .. } => {
            Some("fill the field, or name another column with --columns; a table has its names in the first line")
        }
        E::UnknownRole { .. } => Some("name the role with --columns roles.NAME=user (or system, assistant, tool)"),
        other => other.hint(),
    };
    Advice { exit, hint: hint.map(str::to_owned), silent: false }
}

fn taking_in(error: &ingest::Error) -> Advice {
    use ingest::Error as E;
    match error {
        E::File(inner) => file(inner),
        E::Text(inner) => text(inner),
        E::Input { source, .. } => text(source),
        E::Changed { .. } => advice(Exit::Broken, "let nothing write to the file meanwhile, and run the command again"),
        E::OtherRoot { .. } => advice(
            Exit::Broken,
            "name the key of this dataset (--key; in training --dataset-key); else its records were changed",
        ),
        E::NoRecord | E::NoEvaluation => advice(
            Exit::Usage,
            "name JSON lines, JSON, CSV, Parquet or Arrow, or a folder of them; in a folder, names such as x.csv or x.jsonl.gz tell",
        ),
        E::NotKept { source } => source.downcast_ref().map_or_else(|| bare(Exit::Failed), project::project),
        E::Retention { .. } => {
            advice(Exit::Usage, "write a date such as 2027-12-31, or a period such as 24 months or P2Y")
        }
        E::Day { .. } => advice(Exit::Usage, "write a date such as 2026-11-20"),
        E::UnknownField { .. } => {
            let names: Vec<&str> = ingest::Field::ALL.iter().map(|field| field.name()).collect();
            advice(Exit::Usage, format!("the fields are {}", names.join(", ")))
        }
    }
}

fn key(error: &keys::Error) -> Advice {
    match error {
        keys::Error::File(inner) => file(inner),
        keys::Error::NotAKey { .. } => {
            advice(Exit::Usage, "a key is 64 hexadecimal digits: openssl rand -hex 32 > FILE")
        }
        keys::Error::OpenKey { .. } => advice(Exit::Usage, "chmod 600 it: whoever has the key can undo what it hides"),
        keys::Error::NoRandomness { .. } => bare(Exit::Failed),
    }
}

fn gold(error: &scan::GoldError) -> Advice {
    match error {
        scan::GoldError::Read { .. } => bare(Exit::Failed),
        _ => {
            advice(Exit::Usage, "a line reads {\"id\":\"…\",\"spans\":[{\"start\":0,\"end\":4,\"label\":\"PERSON\"}]}")
        }
    }
}

fn sealing(error: &protect::Error) -> Advice {
    match error {
        protect::Error::File(inner) => file(inner),
        protect::Error::NoKey => advice(Exit::Broken, "give --key the key with which the file was protected"),
        protect::Error::Text(error) => text(error),
    }
}

fn question(error: &budget::Error) -> Advice {
    match error {
        budget::Error::Line { question, .. } => {
            advice(Exit::Usage, format!("see `cloister budget {question} --help` for what a line holds"))
        }
        budget::Error::NoQuestion => advice(Exit::Usage, "write one JSON object per line"),
        budget::Error::Question { source, .. } => privacy(source),
    }
}

fn privacy(error: &cloister_dp::Error) -> Advice {
    use cloister_dp::Error as E;
    match error {
        E::SamplingRate { .. } => advice(Exit::Usage, "q is the share of the data in a mean batch: batch / records"),
        E::Delta { .. } => advice(Exit::Usage, "delta is a probability well below 1 / records, such as 1e-5"),
        E::DeltaAboveUnits { .. } => advice(Exit::Usage, "choose a delta well below 1 / records"),
        E::Epsilon { .. } => advice(Exit::Usage, "epsilon is a number above 0; 1 is strict, 8 is common"),
        E::Unreachable { .. } => advice(Exit::Usage, "allow a larger epsilon, fewer steps or a smaller batch"),
        E::ExpectedBatch { .. } | E::BatchSize { .. } => {
            advice(Exit::Usage, "the batch must not be larger than the data")
        }
        E::CapBelowBatch { .. } => advice(
            Exit::Usage,
            "raise --max-batch, or leave it out: then the plan finds one that costs next to nothing",
        ),
        E::NotAccounted { .. } => advice(
            Exit::Usage,
            "name another \"adjacency\": add-remove, zero-out or replace-one; see docs/guides/budget.md",
        ),
        E::Repetitions { .. } => advice(Exit::Usage, "the mean is from 1 to 1e12, the shape from 0 to 1e6"),
        E::MidPass { .. } | E::PassOrder { .. } => {
            advice(Exit::Broken, "check the disk; remove the folder to start anew")
        }
        E::Sigma { .. } | E::SigmaRange { .. } => advice(Exit::Usage, "--sigma is mostly from 0.5 to 20"),
        E::ClipNorm { .. } => advice(Exit::Usage, "--clip-norm is mostly from 0.1 to 10"),
        E::NoUnits | E::NoSteps => bare(Exit::Usage),
        _ => bare(Exit::Failed),
    }
}

/// Exit code and hint for an error of training.
pub(super) fn training(error: &train::Error) -> Advice {
    use train::Error as E;
    match error {
        E::Record { source, .. } | E::Model(source) => model(source),
        E::Privacy(source) => privacy(source),
        E::File(source) => file(source),
        E::NoSubject { .. } => {
            advice(Exit::Usage, "give each record a subject, name its column with --columns, or use --unit record")
        }
        E::BrokenBase => advice(Exit::Failed, "the base is damaged or not a language model: pull it again"),
        E::NonFiniteLoss { step: 0 } => advice(Exit::Failed, "the base cannot read these records: choose another base"),
        E::NonFiniteLoss { .. } | E::NonFiniteParameters { .. } => advice(Exit::Failed, "lower --learning-rate"),
        E::NotMoved { .. } => advice(Exit::Failed, "raise --learning-rate"),
        E::Memory { .. } => {
            advice(Exit::Usage, "raise --memory, lower --max-tokens, or keep the base in less with --base-precision")
        }
        E::Interrupted { .. } => advice(Exit::Interrupted, "add --resume to the same command to go on"),
        E::Stopped { .. } => advice(Exit::Failed, "mend that rank, then add --resume to the same command to go on"),
        E::NotLeased { .. } | E::Refused { .. } => {
            advice(Exit::Denied, "when steps are granted again, add --resume to go on: none is lost")
        }
        E::NotReserved { source } => match source.downcast_ref() {
            Some(error) => project::project(error),
            None => advice(Exit::Denied, "no record has left; reserve a budget, or renew the grant"),
        },
        E::Records { source } => match source.downcast_ref() {
            Some(error) => text(error),
            None => bare(Exit::Failed),
        },
        E::NotStarted { .. } => bare(Exit::Failed),
        E::TrainerLost { .. } => advice(
            Exit::Failed,
            "add --resume to the same command if there is a snapshot: the steps that were under way are spent",
        ),
        E::TrainerAstray { .. } => advice(Exit::Broken, "do not use what it wrote; check the base and the records"),
        E::Trainer { exit, hint, .. } => Advice { exit: Exit::of(*exit), hint: hint.clone(), silent: false },
        E::OtherPlan { .. } => {
            advice(Exit::Broken, "let nothing change the base or the records meanwhile, and run again")
        }
        E::Sandbox(error) => shut_in(error),
        E::Vault(_) => bare(Exit::Failed),
        E::Rank { .. } => advice(
            Exit::Failed,
            "every rank needs the same program, command, base and records; see docs/guides/ranks.md",
        ),
        E::Differs { .. } => advice(Exit::Usage, "start every rank with the same command, base and records"),
        E::Left | E::Garbled => advice(Exit::Failed, "check the network between the ranks, and run again"),
        E::NoMessagePassing { .. } => {
            advice(Exit::Usage, "build with `--features mpi`, see docs/guides/ranks.md; or start it without mpirun")
        }
        E::SnapshotExists { .. } => advice(
            Exit::Usage,
            "add --resume to go on from it, or remove the folder to start anew: what it spent stays spent",
        ),
        E::NotASnapshot { .. } => advice(Exit::Usage, "move it away, or choose another --out"),
        E::SnapshotInUse { .. } => advice(Exit::Usage, "wait until it ends, or choose another --out"),
        E::AllLost { .. } => {
            advice(Exit::Failed, "remove the folder of the snapshot and start anew: what was spent stays spent")
        }
        E::NoSnapshot { .. } => advice(Exit::Usage, "leave --resume out to start anew"),
        E::OtherRun { .. } => {
            advice(Exit::Usage, "repeat the command with what the run began with, or remove the folder to start anew")
        }
        E::DamagedSnapshot { .. } => advice(Exit::Broken, "check the disk; remove the folder to start anew"),
        E::NotWritten { .. } => {
            advice(Exit::Failed, "make room, then add --resume to the same command: no step is lost")
        }
        E::NotFaithful { .. } => {
            advice(Exit::Broken, "check the disk, then add --resume to the same command: no step is lost")
        }
        E::Identity => advice(Exit::Broken, "check the base, and run again"),
    }
}

fn shut_in(error: &sandbox::Error) -> Advice {
    use sandbox::Error as E;
    match error {
        E::OtherSystem => advice(Exit::Usage, "leave --sandbox out, and trust the machine"),
        E::NoLandlock => advice(
            Exit::Failed,
            "start the kernel with lsm=landlock,… (Linux 5.13 or later), or say --sandbox=weaker: files are open to it then",
        ),
        E::Path { .. } => advice(Exit::Usage, "check the paths of the base and of --out"),
        _ => bare(Exit::Failed),
    }
}

fn releasing(error: &release::Error) -> Advice {
    use release::Error as E;
    match error {
        E::Exists { .. } => advice(Exit::Usage, "choose another --out, or remove it"),
        E::Name { .. } => advice(Exit::Usage, "rename the base, or leave ollama out of --export"),
        E::Identity => advice(Exit::Usage, "name an adapter that was trained"),
        E::Lost { kind: cloister_model::export::FloatType::F32, .. } => {
            advice(Exit::Broken, "what was written was removed; check the disk and run again")
        }
        E::Lost { .. } => advice(Exit::Failed, "rounding loses this adapter: export merged:f32, or gguf"),
        E::Model(source) => model(source),
        E::File(source) => file(source),
    }
}

fn model(error: &cloister_model::Error) -> Advice {
    use cloister_model::Error as E;
    match error {
        E::Io { source, action, .. } => match (*action, source.kind()) {
            (_, io::ErrorKind::DirectoryNotEmpty) => advice(Exit::Usage, "choose another --out"),
            ("write", _) => storage(source),
            (_, io::ErrorKind::NotFound) => advice(Exit::Usage, "check the spelling of the path"),
            _ => bare(Exit::Failed),
        },
        E::Format { .. } => advice(Exit::Usage, "the file is damaged or cut short: pull the base again"),
        E::Unsupported { what: "architecture", .. } => {
            advice(Exit::Usage, format!("supported families: {}", cloister_model::Family::names()))
        }
        E::Unsupported { what: "base of a merged model", .. } => {
            advice(Exit::Usage, "export gguf, or merge the adapter with PEFT")
        }
        E::Unsupported { what: "LoRA target", .. } => {
            advice(Exit::Usage, "--targets takes qv, all, or a list of q, k, v, o, gate, up, down")
        }
        E::Unsupported { .. } => advice(Exit::Usage, "choose another base"),
        E::NoTemplate => advice(Exit::Usage, "choose an instruct base, or records with prompt and completion"),
        E::NoCompletion => advice(Exit::Usage, "each record needs an answer to learn from"),
        E::CompletionCut { .. } => advice(Exit::Usage, "raise --max-tokens, shorten the prompt, or remove the record"),
        E::TooLong { .. } => advice(Exit::Usage, "raise --max-tokens, or --length truncate"),
        E::NonFinite(_) => advice(Exit::Failed, "the base or the adapter overflows on this text: choose another"),
        E::Adapter(_) => advice(Exit::Usage, "the folder must hold a LoRA adapter made for this base"),
        E::Config { field: "rank", .. } => advice(Exit::Usage, "choose another --rank; 8 is common"),
        E::Config { field: "alpha", .. } => advice(Exit::Usage, "choose another --alpha; twice the rank is common"),
        E::Config { .. } | E::Tensor { .. } | E::Tokenizer(_) | E::Template(_) => {
            advice(Exit::Usage, "choose another base, or pull this one again")
        }
        _ => bare(Exit::Failed),
    }
}
