//! The program itself: run to its end, or as a server that a test talks to.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;

use crate::app::text;
use crate::client::Client;
use crate::database::Database;

/// What a run of the program ended with.
pub struct Ended {
    /// Whether it says that it succeeded.
    pub success: bool,
    /// The number it ended with.
    pub code: Option<i32>,
    /// Its output.
    pub out: String,
    /// Its errors and log.
    pub err: String,
}

/// A running server and the credentials of a merchant of it.
pub struct Server {
    child: Child,
    log: JoinHandle<String>,
    out: JoinHandle<String>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its data folder.
    pub data: TempDir,
    /// Its database, where that is PostgreSQL.
    pub database: Option<Database>,
    /// Variables that it and the commands beside it get.
    pub variables: Vec<(String, String)>,
}

/// Runs a test on a server with SQLite.
pub async fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Server) -> F) {
    let data = folder();
    Box::pin(test(Server::start(data, None, &["--log", "debug"]).await)).await;
}

/// Runs a test on a server with PostgreSQL.
pub async fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(Server) -> F) {
    let (data, database) = (folder(), Database::create().await);
    let key = run(&["root-key", "create", "--data-dir", path(&data)], &[]).await;
    assert!(key.success, "{}", key.err);
    Box::pin(test(Server::start(data, Some(database), &["--log", "debug"]).await)).await;
}

impl Server {
    /// Starts a server; answers when it serves.
    pub async fn start(data: TempDir, database: Option<Database>, arguments: &[&str]) -> Self {
        Self::start_with(data, database, arguments, Vec::new()).await
    }

    /// The same with variables of the environment.
    pub async fn start_with(
        data: TempDir,
        database: Option<Database>,
        arguments: &[&str],
        mut variables: Vec<(String, String)>,
    ) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = program();
        command.args(["serve", "--data-dir", path(&data)]).args(arguments);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", &address.to_string()]);
        }
        if let Some(database) = &database {
            variables.retain(|(name, _)| name != "CARDAMOM_DATABASE_URL");
            variables.push(("CARDAMOM_DATABASE_URL".to_owned(), database.url.clone()));
        }
        command.envs(variables.iter().cloned());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = String::new();
        while !seen.contains(" serving ") {
            let line = lines.next_line().await.unwrap();
            let line = line.unwrap_or_else(|| panic!("the server did not start: {seen}"));
            seen.push_str(&line);
            seen.push('\n');
        }
        let log = tokio::spawn(rest::<ChildStderr>(lines, seen));
        let out = tokio::spawn(rest(BufReader::new(child.stdout.take().unwrap()).lines(), String::new()));
        Self { child, log, out, address, data, database, variables }
    }

    /// The number of its process.
    pub fn id(&self) -> String {
        self.child.id().unwrap().to_string()
    }

    /// Nobody's client.
    pub fn anonymous(&self) -> Client {
        Client::of_socket(self.address)
    }

    /// Makes a merchant beside the running server; answers what the command printed.
    pub async fn new_merchant(&self, arguments: &[&str]) -> Value {
        let made = self.beside(&[&["merchant", "create", "--json"], arguments].concat()).await;
        assert!(made.success, "{}", made.err);
        serde_json::from_str(&made.out).unwrap()
    }

    /// Runs a command on the same data and with the same variables.
    pub async fn beside(&self, arguments: &[&str]) -> Ended {
        let variables: Vec<_> =
            self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        run(&[arguments, &["--data-dir", path(&self.data)]].concat(), &variables).await
    }

    /// Ends it at once, as a crash does; answers what starts it again.
    pub async fn kill(mut self) -> (TempDir, Option<Database>, Vec<(String, String)>) {
        self.child.kill().await.unwrap();
        (self.data, self.database, self.variables)
    }

    /// The client of a new merchant that may read security codes.
    pub async fn merchant(&self) -> Client {
        let made = self.new_merchant(&["Shop", "--cvv-read"]).await;
        self.anonymous().with_basic(&text(&made["user"]), &text(&made["password"]))
    }

    /// Kills it as a power cut would, and starts it again over the same data.
    pub async fn crash(mut self, arguments: &[String]) -> Self {
        self.child.kill().await.unwrap();
        let Self { data, database, .. } = self;
        Self::start(data, database, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    /// Asks it to end and waits; answers how it ended and all that it wrote. Fails after five seconds.
    pub async fn stop(&mut self) -> (ExitStatus, String) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        let ended = tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await;
        let status = ended.expect("the server ends within five seconds").unwrap();
        let (log, out) = ((&mut self.log).await.unwrap(), (&mut self.out).await.unwrap());
        (status, log + &out)
    }
}

/// Runs the program to its end.
pub async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let output = program().args(arguments).envs(environment.iter().copied()).output().await.unwrap();
    Ended {
        success: output.status.success(),
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A fresh folder.
pub fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Its path as an argument.
pub fn path(folder: &TempDir) -> &str {
    folder.path().to_str().unwrap()
}

/// A port of this machine that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A variable of the tests' own environment.
#[expect(clippy::disallowed_methods, reason = "a test has no configuration but its environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The program without settings from the tests' own environment.
fn program() -> Command {
    let beside = || std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("cardamom");
    let file = environment("CARDAMOM_BIN").map_or_else(beside, PathBuf::from);
    assert!(
        Path::new(&file).exists(),
        "{} is missing: build it with `cargo build -p backend`, or name it in CARDAMOM_BIN",
        file.display()
    );
    let mut command = Command::new(file);
    command.env_clear().kill_on_drop(true).stdin(Stdio::null());
    command
}

async fn rest<R: AsyncRead + Unpin>(mut lines: Lines<BufReader<R>>, mut seen: String) -> String {
    while let Ok(Some(line)) = lines.next_line().await {
        seen.push_str(&line);
        seen.push('\n');
    }
    seen
}
