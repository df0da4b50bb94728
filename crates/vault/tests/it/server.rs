//! Servers that tests need: what is said where there is none, and PostgreSQL, the server of `CLOISTER_TEST_POSTGRES` or one of
//! our own in a temporary folder.
//!
//! Tests of the product take this file in too: it uses nothing of the crate that it stands in.

/// Says that a part of a test is left out, or fails where it must not be.
pub(crate) fn missing(what: &str) {
    assert!(std::env::var("CLOISTER_REQUIRE_SERVERS").as_deref() != Ok("1"), "missing: {what}");
    eprintln!("SKIPPED: {what}");
}

#[cfg(feature = "postgres")]
pub(crate) use postgresql::*;

#[cfg(feature = "postgres")]
mod postgresql {
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use tempfile::TempDir;

    use super::missing;

    pub(crate) struct Server {
        /// The URL of its database `postgres`.
        url: String,
        own: Option<Own>,
    }

    struct Own {
        folder: TempDir,
        programs: PathBuf,
        user: Option<(u32, u32)>,
        process: Child,
    }

    impl Server {
        /// A server, or none, which is said.
        pub(crate) fn find() -> Option<Self> {
            if let Ok(url) = std::env::var("CLOISTER_TEST_POSTGRES") {
                return Some(Self { url, own: None });
            }
            match programs() {
                Some(programs) => Some(Self::start(programs)),
                None => {
                    missing("there is no PostgreSQL server; install Debian's package postgresql");
                    None
                }
            }
        }

        fn start(programs: PathBuf) -> Self {
            let folder = tempfile::tempdir().unwrap();
            // The server refuses to run as root.
            let id = |flag: &str| -> Option<u32> {
                let output = Command::new("id").args([flag, "postgres"]).output().ok()?;
                String::from_utf8(output.stdout).ok()?.trim().parse().ok()
            };
            let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
            let user = if root { id("-u").zip(id("-g")) } else { None };
            if let Some((user, group)) = user {
                std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
            }
            let mut command = at(&programs, "initdb", user);
            command.args(["--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-D"]);
            let output = command.arg(folder.path().join("data")).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let url =
                format!("postgresql://postgres@{}/postgres", folder.path().display().to_string().replace('/', "%2F"));
            let process = run(&programs, user, &folder);
            let server = Self { url, own: Some(Own { folder, programs, user, process }) };
            server.wait();
            server
        }

        fn wait(&self) {
            let begin = Instant::now();
            while !sql(&self.url, "SELECT 1") {
                assert!(begin.elapsed() < Duration::from_secs(60), "the server does not come up");
                std::thread::sleep(Duration::from_millis(50));
            }
        }

        /// The URL of an empty database.
        pub(crate) fn new_database(&self) -> String {
            let name = format!("cloister_{}_{}", std::process::id(), rand());
            assert!(sql(&self.url, &format!("CREATE DATABASE {name}")), "no database can be made");
            with_name(&self.url, &name)
        }

        /// Kills the server and starts it again; false if it is not ours.
        #[allow(dead_code, reason = "not every crate that takes this file in kills its server")]
        pub(crate) fn crash(&mut self, meanwhile: impl FnOnce()) -> bool {
            let Some(own) = &mut self.own else { return false };
            own.process.kill().unwrap();
            own.process.wait().unwrap();
            // Its own processes see that it is gone; the lock in the folder names it until then.
            std::thread::sleep(Duration::from_millis(500));
            meanwhile();
            own.process = run(&own.programs, own.user, &own.folder);
            self.wait();
            true
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            if let Some(own) = &mut self.own {
                // SIGQUIT ends the server and all of its processes at once.
                Command::new("kill").args(["-QUIT", &own.process.id().to_string()]).status().ok();
                own.process.wait().ok();
            }
        }
    }

    fn run(programs: &Path, user: Option<(u32, u32)>, folder: &TempDir) -> Child {
        let mut command = at(programs, "postgres", user);
        command.arg("-D").arg(folder.path().join("data")).arg("-k").arg(folder.path());
        for setting in ["listen_addresses=", "max_connections=200", "shared_buffers=16MB"] {
            command.args(["-c", setting]);
        }
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn at(programs: &Path, name: &str, user: Option<(u32, u32)>) -> Command {
        let mut command = Command::new(programs.join(name));
        if let Some((user, group)) = user {
            use std::os::unix::process::CommandExt as _;
            command.uid(user).gid(group).current_dir("/");
        }
        command
    }

    /// The folder of the server's programs.
    fn programs() -> Option<PathBuf> {
        let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        let mut folders: Vec<PathBuf> = debian.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
        folders.sort();
        folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
        folders.into_iter().rev().find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
    }

    /// Runs one statement; whether it could be run.
    fn sql(url: &str, statement: &str) -> bool {
        // Debian's `psql` of the path is a script that looks for this one.
        let program = programs().map(|folder| folder.join("psql")).filter(|program| program.exists());
        let mut psql = Command::new(program.unwrap_or_else(|| "psql".into()));
        psql.args(["--no-psqlrc", "--quiet", "--dbname", url, "--command", statement]);
        psql.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }

    #[allow(dead_code, reason = "as above")]
    pub(crate) fn rand() -> u64 {
        use std::hash::{BuildHasher as _, RandomState};
        RandomState::new().hash_one(0)
    }

    fn with_name(url: &str, name: &str) -> String {
        format!("{}/{name}", url.rsplit_once('/').unwrap().0)
    }

    /// Copies a database over another, while nobody has either open.
    #[allow(dead_code, reason = "as above")]
    pub(crate) fn copy(from: &str, to: &str) {
        let name = |url: &str| url.rsplit_once('/').unwrap().1.to_owned();
        let server = with_name(from, "postgres");
        assert!(sql(&server, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", name(to))), "it cannot be dropped");
        // Connections that were closed a moment ago may still be there.
        let begin = Instant::now();
        while !sql(&server, &format!("CREATE DATABASE {} TEMPLATE {}", name(to), name(from))) {
            assert!(begin.elapsed() < Duration::from_secs(20), "the database is in use");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
