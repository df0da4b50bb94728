//! `cloister run`: records to a privately tuned adapter with a report, in one command.
//!
//! The stages in order: read, protect in memory, train, read back, judge. The protected text is never written; what is
//! written is the adapter, `evidence.json`, `report.html` and a folder `private` that stays at home.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cloister_dp::{OptimizerConfig, PrivacyPlan, Unit};
use cloister_text::{Profile, ProtectReport, Replacer, Scope, SurrogateKey};
use serde_json::{Value, json};

use super::Exit;
use super::console::{Console, Ink};
use super::hint::Usage;
use super::ranks::{suit, together};
use super::release;
use super::train::{dry_run, refuse_full};
use super::training::{Draft, Flags, Prepared, Steps, open_base, shown_epsilon};
use super::words::counted;
use crate::evidence::{
    AdapterFacts, BaseFacts, Check, DataFacts, DetectionFacts, Evidence, ExportFacts, Gate, LabelFacts, PersonFacts,
    PrivacyFacts, ProtectionFacts, SCHEMA, Tone, TrainingFacts, UtilityFacts, Verdict, report, screen, shell_word,
};
use crate::files::{Keep, WholeFile, create_private_folder};
use crate::train::{Outcome, Request, Team, assist, clear_place, remove_snapshot, snapshot_in, train};
use crate::{interrupt, keys};

/// How far one person keeps one surrogate.
const SCOPE: Scope = Scope::Subject;
/// Points of the curve of epsilon over steps.
const CURVE_POINTS: usize = 33;

/// Arguments of `run`.
#[derive(clap::Args)]
#[command(
    after_help = "Writes OUT/adapter, OUT/report.html, OUT/evidence.json, and OUT/private with the key of the data's \
                        commitment. Exit 3 if a gate says no. Ctrl-C keeps a snapshot; --resume goes on from it."
)]
pub(super) struct Args {
    /// Records as JSON lines, JSON, CSV, TSV, Parquet or Arrow, also in gzip or zstd; a folder of such
    data: PathBuf,
    #[command(flatten)]
    flags: Flags,
}

/// The places inside the folder of a run.
struct Layout {
    out: PathBuf,
}

impl Layout {
    fn adapter(&self) -> PathBuf {
        self.out.join("adapter")
    }

    fn snapshot(&self) -> PathBuf {
        self.out.join("snapshot")
    }

    fn surrogate_key(&self) -> PathBuf {
        self.out.join("private").join("surrogate.key")
    }

    fn commitment_key(&self) -> PathBuf {
        self.out.join("private").join("commitment.key")
    }

    /// What is in the way of a new run, or missing for one that goes on.
    fn refuse_other(&self, resume: bool) -> anyhow::Result<()> {
        match (resume, snapshot_in(&self.snapshot()), self.surrogate_key().exists()) {
            (true, true, true) => Ok(()),
            (true, true, false) => {
                let message = format!("the surrogates' key of the run in `{}` is gone", self.out.display());
                Err(Usage::new(message, "remove the folder to start anew: other surrogates would be other data").into())
            }
            (true, false, _) => Err(crate::train::Error::NoSnapshot { path: self.snapshot() }.into()),
            (false, true, _) => Err(crate::train::Error::SnapshotExists { path: self.snapshot() }.into()),
            (false, false, _) => {
                self.clear_killed()?;
                refuse_full(&self.out)
            }
        }
    }

    /// A run that was killed before its first snapshot leaves the surrogates' key, perhaps the snapshot's empty place,
    /// and nothing else: nobody can go on with it, and the key must not stay.
    fn clear_killed(&self) -> anyhow::Result<()> {
        let only = |folder: &Path, names: &[&str]| {
            let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.all(|entry| names.iter().any(|name| entry.file_name() == *name))
        };
        if only(&self.out, &["private", "snapshot"])
            && only(&self.out.join("private"), &["surrogate.key"])
            && self.surrogate_key().exists()
        {
            clear_place(&self.snapshot())?;
            let key = self.surrogate_key();
            std::fs::remove_file(&key).map_err(crate::Error::write(&key))?;
            let _ = std::fs::remove_dir(self.out.join("private"));
        }
        Ok(())
    }
}

impl Args {
    pub(super) fn run(self, console: &Console) -> anyhow::Result<Exit> {
        together(console, |console, team| self.work(console, team))
    }

    fn work(mut self, console: &Console, team: &Team) -> anyhow::Result<Exit> {
        self.flags = self.flags.resolve()?;
        suit(&mut self.flags, &self.data, console, team)?;
        let layout = Layout { out: self.flags.out("results")? };
        let metrics = match team.leads() {
            true => self.flags.metrics(&[&layout.adapter(), &layout.snapshot()])?.map(Path::to_owned),
            false => None,
        };
        if team.leads() && !self.flags.dry_run {
            layout.refuse_other(self.flags.resume)?;
        }
        let base = self.flags.settings.find_base()?;
        let profile = self.flags.settings.profile.unwrap_or_default();
        if profile == Profile::Reversible {
            let hint = "train on surrogates; `cloister protect --profile reversible` is for files that must come back";
            return Err(Usage::new("nothing can be learned from encrypted values", hint).into());
        }
        let (detector, detection) = self.flags.settings.detector(console)?;
        let (draft, mut dataset) = Draft::of(console, &self.flags, &self.data)?;
        let ready = open_base(console, &base, &self.flags.settings)?;
        interrupt::watch();
        let key = match self.flags.dry_run {
            true => SurrogateKey::from_bytes(*keys::fresh()?),
            false => match layout.key(self.flags.resume, team) {
                Ok(key) => key,
                Err(error) => {
                    layout.abandon(self.flags.resume, team);
                    return Err(error);
                }
            },
        };
        let protection = cloister_text::protect(&mut dataset, &detector, &Replacer::new(key, profile, SCOPE));
        detector.check()?;
        console.say(format_args!(
            "protected {} of {}, {} replaced, {} left",
            protection.records_changed,
            counted(protection.records, "record"),
            counted(protection.replaced.values().sum(), "item"),
            protection.residual_total()
        ));
        if protection.personal_names > 0 {
            super::protect::warn_of_names(console, protection.personal_names);
        }
        let prepared = interrupt::check()
            .map_err(anyhow::Error::from)
            .and_then(|()| draft.prepare(console, &self.flags.settings, &dataset, ready))
            .and_then(|prepared| interrupt::check().map(|()| prepared).map_err(Into::into));
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                layout.abandon(self.flags.resume, team);
                return Err(error);
            }
        };
        prepared.print_plan(console);
        if self.flags.dry_run && !team.leads() {
            return Ok(Exit::Passed);
        }
        if self.flags.dry_run {
            return dry_run(console, &prepared, serde_json::Map::new());
        }
        let shape = dataset.shape.to_string();
        drop(dataset);
        let request = Request {
            ready: &prepared.ready,
            corpus: &prepared.corpus,
            evaluation: prepared.evaluation(),
            plan: prepared.request.clone(),
            built: &prepared.plan,
            recipe: &prepared.recipe,
            protection: Some(profile.to_string()),
            adapter: layout.adapter(),
            snapshot: layout.snapshot(),
            resume: self.flags.resume,
        };
        if !team.leads() {
            assist(&request, team)?;
            return Ok(Exit::Passed);
        }
        let mut steps = Steps::new(console, &prepared.plan, metrics.as_deref());
        let outcome = match train(&request, team, &mut steps) {
            Ok(outcome) => outcome,
            Err(error) => {
                // Without a snapshot nobody goes on from here, and the key of the surrogates must not stay.
                layout.abandon(self.flags.resume || snapshot_in(&layout.snapshot()), team);
                return Err(error.into());
            }
        };
        steps.finish(&outcome);
        let (settings, ready) = (&self.flags.settings, (&prepared.ready, &base));
        let exported = release::export_trained(console, settings, ready, &layout.adapter(), &layout.out);
        let exports = exported.as_ref().ok().and_then(Option::as_ref).map(export_facts).unwrap_or_default();
        let facts = Facts { args: &self, layout: &layout, prepared: &prepared, outcome: &outcome, shape, exports };
        let evidence = facts.gather(&protection, profile, detection)?;
        write(&layout.out.join("evidence.json"), evidence.to_json()?.as_bytes())?;
        write(&layout.out.join("report.html"), report(&evidence).as_bytes())?;
        remove_snapshot(&layout.snapshot());
        // The surrogates of this run shall not be reproducible: who holds the key can test guesses.
        std::fs::remove_file(layout.surrogate_key()).map_err(crate::Error::write(layout.surrogate_key()))?;
        // Training is done and told of, whatever became of its exports.
        if let Some(exported) = exported? {
            release::tell(console, &exported, &base, &layout.out);
        }
        finish(console, &layout, &evidence)
    }
}

impl Layout {
    /// The key of the surrogates, in a new file unless the run goes on; the lead's for every rank, or they would train on
    /// different texts.
    fn key(&self, resume: bool, team: &Team) -> anyhow::Result<SurrogateKey> {
        let path = self.surrogate_key();
        if !team.leads() {
            let key = keys::of_text(&team.share(Vec::new())?).map(|key| SurrogateKey::from_bytes(*key));
            return Ok(key.ok_or(crate::train::Error::Garbled)?);
        }
        create_private_folder(&self.out.join("private"))?;
        if !resume {
            keys::write(&path, &keys::fresh()?)?;
        }
        let key = SurrogateKey::from_bytes(*keys::read(&path)?);
        team.share(std::fs::read(&path).map_err(crate::Error::read(&path))?)?;
        Ok(key)
    }

    /// Removes the key and the empty folders of a run that cannot go on.
    fn abandon(&self, goes_on: bool, team: &Team) {
        if team.leads() && !goes_on && !self.out.as_os_str().is_empty() {
            // What cannot be removed is in the way of the next run, which says so.
            let _ = std::fs::remove_file(self.surrogate_key());
            let _ = std::fs::remove_dir(self.out.join("private"));
            let _ = std::fs::remove_dir(&self.out);
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut file = WholeFile::create(path, Keep::PrivateReplacing)?;
    file.write_all(bytes).map_err(crate::Error::write(path))?;
    Ok(file.commit()?)
}

fn finish(console: &Console, layout: &Layout, evidence: &Evidence) -> anyhow::Result<Exit> {
    for line in screen(evidence, 96) {
        console.say(match line.tone {
            Tone::Plain => line.text,
            Tone::Strong => console.ink(Ink::Bold, &line.text),
            Tone::Good => console.ink(Ink::Green, &line.text),
            Tone::Warning => console.ink(Ink::Yellow, &line.text),
            Tone::Bad => console.ink(Ink::Red, &line.text),
        });
    }
    let passed = evidence.verdict.passed;
    let mut fields = match serde_json::to_value(evidence)? {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    fields.remove("schema");
    fields.remove("verdict");
    fields.insert("gates".into(), json!(evidence.verdict.gates));
    fields.insert("next".into(), json!(evidence.verdict.next));
    fields.insert("report".into(), json!(layout.out.join("report.html")));
    console.document(if passed { "passed" } else { "refused" }, fields)?;
    Ok(if passed { Exit::Passed } else { Exit::Refused })
}

/// Everything measured, on its way into the evidence.
struct Facts<'a> {
    args: &'a Args,
    layout: &'a Layout,
    prepared: &'a Prepared,
    outcome: &'a Outcome,
    shape: String,
    exports: Vec<ExportFacts>,
}

impl Facts<'_> {
    fn gather(
        &self,
        protection: &ProtectReport,
        profile: Profile,
        detection: DetectionFacts,
    ) -> anyhow::Result<Evidence> {
        let Facts { prepared, outcome, .. } = self;
        let identity = &prepared.ready.base.identity;
        let utility = self.utility();
        let adapter = AdapterFacts {
            path: "adapter".into(),
            sha256: outcome.adapter.sha256.clone(),
            bytes: outcome.adapter.bytes,
            checks: outcome
                .adapter
                .read_back
                .checks()
                .map(|check| Check { name: check.name.into(), passed: true, detail: check.detail })
                .into(),
        };
        let verdict = self.verdict(protection, utility.as_ref());
        Ok(Evidence {
            schema: SCHEMA.into(),
            product: concat!("cloister ", env!("CARGO_PKG_VERSION")).into(),
            created: crate::system::rfc3339(SystemTime::now()),
            base: BaseFacts {
                name: self.base_name(),
                sha256: identity.sha256.clone(),
                format: identity.format.into(),
                parameters: prepared.ready.decoder.parameters() as u64,
                precision: prepared.ready.precision.to_string(),
                weight_bytes: prepared.ready.decoder.weight_bytes() as u64,
                tensor_types: identity.tensor_types.iter().map(|(name, n)| (name.clone(), *n as u64)).collect(),
            },
            data: self.data()?,
            protection: Some(protection_facts(protection, profile, detection)),
            privacy: privacy_facts(&prepared.plan, prepared.most_records)?,
            training: self.training(),
            utility,
            adapter,
            exports: self.exports.clone(),
            verdict,
        })
    }

    /// The base as the user may name it again; for a file or folder, the name it gives itself, since paths stay private.
    fn base_name(&self) -> String {
        let named = self.args.flags.settings.base.as_deref().unwrap_or_default();
        if Path::new(named).exists() { self.prepared.ready.base.identity.name.clone() } else { named.to_owned() }
    }

    fn data(&self) -> anyhow::Result<DataFacts> {
        let corpus = &self.prepared.corpus;
        let (commitment, path) = (&self.prepared.commitment, self.layout.commitment_key());
        if path.exists() {
            // of an attempt that got no further than this
            std::fs::remove_file(&path).map_err(crate::Error::write(&path))?;
        }
        keys::write(&path, &commitment.key)?;
        let file = self.args.data.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(DataFacts {
            file,
            shape: self.shape.clone(),
            records: corpus.examples.len() as u64,
            subjects: corpus.subjects.map(|n| n as u64),
            truncated: corpus.truncated as u64,
            max_tokens: self.prepared.max_tokens as u64,
            commitment: commitment.hmac.clone(),
            provenance: self.prepared.provenance.fields.clone(),
            dataset: self.prepared.provenance.dataset.clone(),
        })
    }

    fn training(&self) -> TrainingFacts {
        let (recipe, outcome) = (&self.prepared.recipe, self.outcome);
        TrainingFacts {
            targets: recipe.lora.targets.iter().map(|target| target.module().to_owned()).collect(),
            rank: recipe.lora.rank as u64,
            alpha: u64::from(recipe.lora.alpha),
            trainable_parameters: outcome.adapter.parameters as u64,
            optimizer: optimizer_name(recipe.optimizer),
            learning_rate: recipe.learning_rate,
            schedule: recipe.schedule.decay.to_string(),
            warmup_steps: recipe.schedule.warmup_steps,
            seconds: outcome.seconds,
            tokens_per_second: outcome.tokens_per_second,
            peak_rss_bytes: outcome.peak_rss_bytes,
            resumed: outcome.resumed,
            steps_lost: outcome.steps_lost,
            ranks: outcome.ranks as u64,
        }
    }

    fn utility(&self) -> Option<UtilityFacts> {
        let evaluation = self.prepared.evaluation.as_ref()?;
        let (first, last) = (self.outcome.losses.first()?, self.outcome.losses.last()?);
        Some(UtilityFacts {
            file: evaluation.file.clone(),
            sha256: evaluation.sha256.clone(),
            records: evaluation.examples.len() as u64,
            tokens: last.1.tokens,
            base_nats_per_token: first.1.nats_per_token,
            tuned_nats_per_token: last.1.nats_per_token,
            curve: self.outcome.losses.iter().map(|(step, loss)| (*step, loss.nats_per_token)).collect(),
        })
    }

    fn verdict(&self, protection: &ProtectReport, utility: Option<&UtilityFacts>) -> Verdict {
        let plan = &self.prepared.plan;
        let gate = |name: &str, passed: bool, detail: String, remedy: &str| {
            let remedy = (!passed && !remedy.is_empty()).then(|| remedy.to_owned());
            Gate { name: name.into(), passed, detail, remedy }
        };
        let residual = protection.residual_total();
        let mut gates = vec![
            gate(
                "personal data",
                residual == 0,
                format!("{} still detected after replacement", counted(residual, "item")),
                "see which types under “Personal data found and replaced”: what is nobody's is named with --keep, the rest is \
                 mended in the records, or replaced with --profile redact",
            ),
            gate(
                "privacy budget",
                self.args.flags.settings.epsilon.is_none_or(|target| plan.epsilon() <= target),
                format!(
                    "epsilon {} at delta {:e}, {} of {} steps{}",
                    shown_epsilon(plan.epsilon()),
                    plan.delta(),
                    plan.steps(),
                    plan.steps(),
                    match self.outcome.steps_lost {
                        0 => String::new(),
                        lost => format!(", {lost} of them lost"),
                    }
                ),
                "give a larger --epsilon only if whoever answers for the data agrees; else train anew with the epsilon that was asked",
            ),
            gate(
                "adapter",
                true,
                format!("{} after reading it back", counted(self.outcome.adapter.read_back.checks().len(), "check")),
                "",
            ),
        ];
        if let Some(utility) = utility {
            let (base, tuned) = (utility.base_nats_per_token, utility.tuned_nats_per_token);
            let detail = format!("{tuned:.3} nats per token, the base {base:.3}");
            let remedy = "more --steps or a larger --batch (the plan raises the noise by itself), a lower --learning-rate, more \
                          records, or a larger --epsilon; every attempt on the same records spends its own epsilon";
            gates.push(gate("utility", tuned < base, detail, remedy));
        }
        let passed = gates.iter().all(|gate| gate.passed);
        let base = self.args.flags.settings.base.as_deref().unwrap_or_default();
        let chat = if matches!(self.shape.as_str(), "messages" | "sharegpt" | "alpaca") { " --chat" } else { "" };
        let next = match passed {
            true => format!(
                "cloister generate --base {} --adapter {}{chat} --prompts FILE",
                shell_word(base),
                shell_word(&self.layout.adapter().display().to_string())
            ),
            false => format!("read {}", shell_word(&self.layout.out.join("report.html").display().to_string())),
        };
        Verdict { passed, gates, next }
    }
}

fn export_facts(exported: &crate::release::Outcome) -> Vec<ExportFacts> {
    let file = |file: &crate::release::Exported| ExportFacts {
        path: file.path.clone(),
        sha256: file.sha256.clone(),
        bytes: file.bytes,
    };
    exported.files.iter().map(file).collect()
}

fn protection_facts(protection: &ProtectReport, profile: Profile, detection: DetectionFacts) -> ProtectionFacts {
    let mut labels: Vec<&cloister_text::Label> =
        [&protection.found, &protection.found_later, &protection.residual].into_iter().flat_map(|n| n.keys()).collect();
    labels.sort_unstable();
    labels.dedup();
    let count = |counts: &std::collections::BTreeMap<_, usize>, label| counts.get(label).copied().unwrap_or(0) as u64;
    ProtectionFacts {
        profile: profile.to_string(),
        scope: SCOPE.to_string(),
        detection,
        labels: labels
            .into_iter()
            .map(|label| LabelFacts {
                label: label.to_string(),
                found: count(&protection.found, label) + count(&protection.found_later, label),
                replaced: count(&protection.replaced, label),
                residual: count(&protection.residual, label),
            })
            .collect(),
    }
}

fn privacy_facts(plan: &PrivacyPlan, most_records: Option<usize>) -> anyhow::Result<PrivacyFacts> {
    Ok(PrivacyFacts {
        unit: plan.unit().to_string(),
        adjacency: plan.adjacency().to_string(),
        units: plan.units(),
        q: plan.q(),
        steps: plan.steps(),
        sigma: plan.sigma(),
        clip_norm: plan.clip_norm(),
        denominator: plan.denominator(),
        delta: plan.delta(),
        epsilon: plan.epsilon(),
        epsilon_pld: plan.epsilon_pld(),
        epsilon_rdp: plan.epsilon_rdp(),
        accountant: plan.accountant().into(),
        sampler: plan.sampler_name().into(),
        largest_batch: plan.cap(),
        unit_cap: u64::from(plan.unit_cap()),
        person: most_records.filter(|_| plan.unit() == Unit::Record).map(|records| person_facts(plan, records)),
        not_covered: plan.not_covered().iter().map(|gap| (*gap).to_owned()).collect(),
        curve: plan.curve(CURVE_POINTS)?,
    })
}

/// What holds for a person with so many records; without a bound where the accountants have none.
fn person_facts(plan: &PrivacyPlan, records: usize) -> PersonFacts {
    let bound = u32::try_from(records).ok().and_then(|units| plan.group_epsilon(units).ok());
    PersonFacts { records: records as u64, epsilon: bound.unwrap_or(f64::INFINITY) }
}

fn optimizer_name(config: OptimizerConfig) -> String {
    match config {
        OptimizerConfig::Adam { beta1, beta2, weight_decay, .. } => {
            format!("DP-Adam (beta {beta1}, {beta2}, weight decay {weight_decay})")
        }
        OptimizerConfig::Sgd { momentum } => format!("DP-SGD (momentum {momentum})"),
    }
}
