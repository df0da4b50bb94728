//! Stores in temporary folders, over each database there is; and other processes that use them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cloister_vault::Result;
use cloister_vault::ledger::{Accountant, Limit, Mechanism, Plan, Unit};
use cloister_vault::log::entry::{Actor, ActorKind, Instant as Moment};
use cloister_vault::log::{Hash, LogReader, SignatureKind, SignedCheckpoint, SignerKey, VerifierKey};
use cloister_vault::store::{
    Database, DatasetRow, DatasetState, Decimal, PrincipalKind, PrincipalRow, PrincipalState, Request, RowKey,
    Settings, Store, TenantRow, VersionRow, VersionState, Words,
};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::{copy_folder, server};

/// Where a store lies, so that another process can open it too.
#[derive(Clone)]
pub(crate) struct Place {
    /// With the log, and the database of SQLite.
    pub(crate) folder: PathBuf,
    /// The URL of PostgreSQL's database; none for SQLite.
    pub(crate) url: Option<String>,
    signer: String,
}

const ROW_KEY: [u8; 32] = [7; 32];

impl Place {
    /// A place in which nothing is yet.
    pub(crate) fn new(folder: &Path, url: Option<String>) -> Self {
        let signer = SignerKey::generate("example.com/log", SignatureKind::Ed25519).unwrap();
        Self { folder: folder.into(), url, signer: signer.to_text().to_string() }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("vault.db")
    }

    pub(crate) fn signer(&self) -> SignerKey {
        SignerKey::parse(&self.signer).unwrap()
    }

    pub(crate) fn key(&self) -> VerifierKey {
        self.signer().verifier().clone()
    }

    pub(crate) fn rows() -> RowKey {
        RowKey::from_bytes(Zeroizing::new(ROW_KEY))
    }

    pub(crate) fn database(&self) -> Database {
        match &self.url {
            None => Database::Sqlite(self.file()),
            #[cfg(feature = "postgres")]
            Some(url) => Database::Postgres(url.clone()),
            #[cfg(not(feature = "postgres"))]
            Some(_) => unreachable!("no test asks for it"),
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::new(self.database(), self.log(), self.signer(), Self::rows())
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(self.settings()).unwrap()
    }

    /// The last checkpoint in the folder of the log.
    pub(crate) fn published(&self) -> Option<SignedCheckpoint> {
        LogReader::open(&self.log(), &self.key()).ok().map(|log| log.signed().clone())
    }

    /// Statements by other hands than the store's, past triggers and references.
    pub(crate) fn sql(&self, sql: &str) {
        match &self.url {
            None => {
                let other = rusqlite::Connection::open(self.file()).unwrap();
                let triggers = ["log_entry", "budget_event", "approval"].map(|table| {
                    format!("DROP TRIGGER IF EXISTS {table}_UPDATE; DROP TRIGGER IF EXISTS {table}_DELETE;")
                });
                other.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
                other.execute_batch(&triggers.concat()).unwrap();
                other.execute_batch(sql).unwrap();
            }
            #[cfg(feature = "postgres")]
            Some(url) => {
                let mut other = postgres::Client::connect(url, postgres::NoTls).unwrap();
                other.batch_execute("SET session_replication_role = replica").unwrap();
                other.batch_execute(&sql.replace("X'", "'\\x")).unwrap();
            }
            #[cfg(not(feature = "postgres"))]
            Some(_) => unreachable!("no test asks for it"),
        }
    }

    /// A number that a statement gives.
    pub(crate) fn count(&self, sql: &str) -> i64 {
        match &self.url {
            None => rusqlite::Connection::open(self.file()).unwrap().query_row(sql, [], |row| row.get(0)).unwrap(),
            #[cfg(feature = "postgres")]
            Some(url) => {
                let mut other = postgres::Client::connect(url, postgres::NoTls).unwrap();
                other.query_one(sql, &[]).unwrap().get(0)
            }
            #[cfg(not(feature = "postgres"))]
            Some(_) => unreachable!("no test asks for it"),
        }
    }

    /// A copy of the database and of the log, while nobody has them open.
    pub(crate) fn back_up(&self) -> Backup {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(&self.folder, folder.path());
        #[cfg(feature = "postgres")]
        if let Some(url) = &self.url {
            let copy = format!("{url}_{}", server::rand());
            server::copy(url, &copy);
            return Backup { folder, url: Some(copy) };
        }
        Backup { folder, url: None }
    }

    /// Puts the database of a backup in its place; the log's files stay.
    pub(crate) fn restore_database(&self, backup: &Backup) {
        match &self.url {
            None => {
                for name in ["vault.db-wal", "vault.db-shm"] {
                    fs::remove_file(self.folder.join(name)).ok();
                }
                fs::copy(backup.folder.path().join("vault.db"), self.file()).unwrap();
            }
            #[cfg(feature = "postgres")]
            Some(url) => server::copy(backup.url.as_deref().unwrap(), url),
            #[cfg(not(feature = "postgres"))]
            Some(_) => unreachable!("no test asks for it"),
        }
    }

    /// Puts the files of the log of a backup in their place, and what was kept beside them.
    pub(crate) fn restore_log(&self, backup: &Backup) {
        fs::remove_dir_all(self.log()).unwrap();
        copy_folder(&backup.folder.path().join("log"), &self.log());
        fs::remove_file(self.folder.join("log.verified")).ok();
        fs::copy(backup.folder.path().join("log.verified"), self.folder.join("log.verified")).ok();
    }

    /// The same in environment variables.
    fn export(&self, command: &mut Command) {
        command.env("CLOISTER_CHILD_FOLDER", &self.folder).env("CLOISTER_CHILD_SIGNER", &self.signer);
        if let Some(url) = &self.url {
            command.env("CLOISTER_CHILD_URL", url);
        }
    }

    /// What [`Place::export`] wrote.
    fn import() -> Self {
        let variable = |name: &str| std::env::var(format!("CLOISTER_CHILD_{name}"));
        Self {
            folder: variable("FOLDER").unwrap().into(),
            url: variable("URL").ok(),
            signer: variable("SIGNER").unwrap(),
        }
    }
}

/// Yesterday's state.
pub(crate) struct Backup {
    folder: TempDir,
    /// The copy of PostgreSQL's database.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "there is none"))]
    url: Option<String>,
}

/// Runs a test over SQLite and over PostgreSQL, each in a place of its own.
pub(crate) fn each_database(test: impl Fn(&Place)) {
    let folder = tempfile::tempdir().unwrap();
    eprintln!("over SQLite");
    test(&Place::new(folder.path(), None));
    #[cfg(feature = "postgres")]
    if let Some(server) = server::Server::find() {
        let folder = tempfile::tempdir().unwrap();
        eprintln!("over PostgreSQL");
        test(&Place::new(folder.path(), Some(server.new_database())));
    }
    #[cfg(not(feature = "postgres"))]
    server::missing("PostgreSQL: the feature `postgres` is off");
}

pub(crate) fn actor(id: &str) -> Actor {
    Actor { auth: "test".into(), id: id.into(), mfa_age: None, session_h: None, kind: ActorKind::User }
}

pub(crate) fn request(act: &str) -> Request {
    Request::new(act, actor("u1"))
}

pub(crate) fn tenant(id: &str, created: Moment) -> TenantRow {
    let (name, preset) = (format!("tenant {id}"), "gdpr".into());
    TenantRow { id: id.into(), name, preset, four_eyes: true, ring: 1, created }
}

/// A tenant `t`, a principal `u1`, and datasets with one version each, `a.1` of `a`; `parents` are versions.
pub(crate) fn furnish(store: &Store, datasets: &[(&str, &[&str])]) {
    store
        .write(&request("init"), |tx| {
            let created = tx.now();
            tx.insert(&tenant("t", created))?;
            tx.insert(&PrincipalRow {
                id: "u1".into(),
                tenant: "t".into(),
                name: "One".into(),
                kind: PrincipalKind::User,
                roles: Words::new(["owner"])?,
                state: PrincipalState::Active,
                slot: None,
                created,
            })
        })
        .unwrap();
    for (name, parents) in datasets {
        add_dataset(store, name, parents).unwrap();
    }
}

pub(crate) fn add_dataset(store: &Store, id: &str, parents: &[&str]) -> Result<u64> {
    let request = request("dataset.create").on("dataset", id);
    let receipt = store.write(&request, |tx| {
        let created = tx.now();
        tx.insert(&DatasetRow {
            id: id.into(),
            tenant: "t".into(),
            name: format!("dataset {id}"),
            owner: "u1".into(),
            sensitivity: "high".into(),
            purposes: Words::new(["support"])?,
            state: DatasetState::Active,
            created,
        })?;
        tx.insert(&version(id, 1, parents, created))
    })?;
    Ok(receipt.index)
}

pub(crate) fn version(dataset: &str, number: u64, parents: &[&str], created: Moment) -> VersionRow {
    VersionRow {
        id: format!("{dataset}.{number}"),
        dataset: dataset.into(),
        number,
        root: Hash::from_bytes([1; 32]),
        parents: Words::new(parents.iter().copied()).unwrap(),
        records: 10,
        state: VersionState::Whole,
        created,
    }
}

pub(crate) fn decimal(number: f64) -> Decimal {
    Decimal::new(number).unwrap()
}

pub(crate) fn limit(epsilon: f64) -> Limit {
    Limit { unit: Unit::Record, epsilon: decimal(epsilon), delta: decimal(1e-5) }
}

/// A plan without sampling, on the first version of a dataset.
pub(crate) fn plan(dataset: &str, sigma: f64, steps: u64) -> Plan {
    Plan {
        version: format!("{dataset}.1"),
        unit: Unit::Record,
        q: decimal(1.0),
        sigma: decimal(sigma),
        steps,
        delta: decimal(1e-5),
    }
}

/// Zero-concentrated differential privacy (Bun and Steinke 2016): exact under composition of Gaussians without sampling,
/// rho = steps / (2 sigma^2) each; converted by their proposition 1.3.
pub(crate) struct Zcdp;

impl Accountant for Zcdp {
    fn name(&self) -> &str {
        "zcdp 1"
    }

    fn epsilon(&self, mechanisms: &[Mechanism], delta: f64) -> Result<f64> {
        if mechanisms.iter().any(|mechanism| mechanism.q < 1.0) {
            return Err(cloister_vault::Error::Accountant { reason: "no sampling is accounted for here".into() });
        }
        let rho: f64 =
            mechanisms.iter().map(|mechanism| mechanism.steps as f64 / (2.0 * mechanism.sigma * mechanism.sigma)).sum();
        Ok(rho + 2.0 * (rho * (1.0 / delta).ln()).sqrt())
    }
}

/// Another process of this program that plays a role at a place, and says on its standard output what it did.
pub(crate) struct Other {
    pub(crate) process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Other {
    pub(crate) fn start(place: &Place, role: &str, settings: &[(&str, String)]) -> Self {
        Self::start_under(place, role, settings, &[])
    }

    /// The same, run by another program that takes it as its last arguments.
    pub(crate) fn start_under(place: &Place, role: &str, settings: &[(&str, String)], under: &[&str]) -> Self {
        let own = std::env::current_exe().unwrap();
        let mut command = match under {
            [] => Command::new(&own),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&own);
                command
            }
        };
        command.args(["--exact", "places::another_process", "--ignored", "--nocapture", "--test-threads=1"]);
        place.export(&mut command);
        command.env("CLOISTER_CHILD_ROLE", role).envs(settings.iter().map(|(name, value)| (*name, value.as_str())));
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The next thing that it says, or none when it has ended.
    pub(crate) fn say(&mut self) -> Option<String> {
        // What the harness prints stands before, behind and, on a line that it has begun, in front.
        self.lines
            .by_ref()
            .map_while(std::result::Result::ok)
            .find_map(|line| line.split_once("> ").map(|(_, said)| said.to_owned()))
    }

    /// All that it says until it ends, which must be well.
    pub(crate) fn finish(mut self) -> Vec<String> {
        let said = std::iter::from_fn(|| self.say()).collect();
        assert!(self.process.wait().unwrap().success(), "{said:?}");
        said
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.process.kill().unwrap();
        let said = std::iter::from_fn(|| self.say()).collect();
        self.process.wait().unwrap();
        said
    }
}

/// What a role says; whoever started it reads it.
#[allow(clippy::print_stdout, reason = "how processes of the tests speak")]
pub(crate) fn tell(what: &str) {
    // Whole lines, also when the other end is gone.
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "> {what}").and_then(|()| out.flush());
}

#[test]
#[ignore = "other tests run it, in processes of its own"]
fn another_process() {
    let place = Place::import();
    match std::env::var("CLOISTER_CHILD_ROLE").unwrap().as_str() {
        "spend" => crate::ledger::spend(&place),
        "work" => crate::crash::work(&place),
        "until it fails" => crate::faults::until_it_fails(&place),
        role => panic!("no role {role}"),
    }
}
