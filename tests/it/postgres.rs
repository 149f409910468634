//! A PostgreSQL server for the tests of this binary: initdb in a temporary folder, a Unix socket and nothing else,
//! never the system's cluster. A shell waits on a pipe that this process holds; however the process ends, the pipe
//! closes, and the shell stops the server and removes the folder.
//! <https://www.postgresql.org/docs/current/app-initdb.html>
#![expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment what must be there"
)]

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// Set it to make a missing PostgreSQL a failure instead of a skipped test.
const REQUIRE: &str = "POSTERN_REQUIRE_POSTGRES";

/// A running server.
pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    /// Held open as long as the server is wanted.
    _watch: Mutex<ChildStdin>,
}

/// The address of a fresh, empty database; `None`, with a printed line, where there is no PostgreSQL.
pub fn database(name: &str) -> Option<String> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let Some(server) = SERVER.get_or_init(Server::start) else {
        assert!(
            std::env::var_os(REQUIRE).is_none(),
            "{REQUIRE} is set and PostgreSQL could not be started"
        );
        println!("skipped on PostgreSQL: {name} (no server programs under /usr/lib/postgresql)");
        return None;
    };
    // template databases can be copied by one at a time
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    Some(server.database(name))
}

/// Runs SQL in the database at this address, as an operator with psql would.
pub fn sql(url: &str, text: &str) -> String {
    let (rest, folder) = url.split_once("?host=").expect("an address made by `database`");
    let name = rest.rsplit('/').next().expect("an address names a database");
    run_sql(
        &programs().expect("the server runs"),
        Path::new(folder),
        name,
        text,
    )
}

impl Server {
    /// A server of one test's own, for what the others must not feel; ends when dropped.
    pub fn start() -> Option<Server> {
        let programs = programs()?;
        let folder = crate::harness::database_folder().join("postern-pg.XXXXXX");
        let folder = output(as_postgres("mktemp").arg("-d").arg(folder))?;
        let folder = PathBuf::from(folder.trim());
        let watch = watchdog(&programs, &folder)?;
        let data = folder.join("data");
        output(
            as_postgres(programs.join("initdb"))
                .args([
                    "--auth=trust",
                    "--username=postern",
                    "--encoding=UTF8",
                    "--no-locale",
                    "--pgdata",
                ])
                .arg(&data),
        )?;
        let server = Server {
            programs,
            folder,
            _watch: Mutex::new(watch),
        };
        server.resume().then_some(server)
    }

    /// Starts it again after `stop`.
    pub fn resume(&self) -> bool {
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' -c fsync=on -c synchronous_commit=on \
             -c max_connections=200",
            self.folder.display()
        );
        let log = self.folder.join("log");
        self.control(&[
            "start",
            "--wait",
            "--silent",
            "--log",
            &log.to_string_lossy(),
            "--options",
            &options,
        ])
    }

    /// Ends it at once, as a power cut would: no connection is told.
    pub fn stop(&self) -> bool {
        self.control(&["stop", "--wait", "--silent", "--mode", "immediate"])
    }

    fn control(&self, args: &[&str]) -> bool {
        let mut command = as_postgres(self.programs.join("pg_ctl"));
        command.args(args).arg("--pgdata").arg(self.folder.join("data"));
        let done = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        done.is_ok_and(|status| status.success())
    }

    /// The address of a fresh, empty database.
    pub fn database(&self, name: &str) -> String {
        self.sql(
            "postgres",
            &format!("CREATE DATABASE \"{name}\" TEMPLATE template0"),
        );
        format!(
            "postgres://postern@localhost/{name}?host={}",
            self.folder.display()
        )
    }

    fn sql(&self, database: &str, text: &str) -> String {
        run_sql(&self.programs, &self.folder, database, text)
    }
}

fn run_sql(programs: &Path, folder: &Path, database: &str, text: &str) -> String {
    let mut psql = Command::new(programs.join("psql"));
    psql.args([
        "--no-psqlrc",
        "--quiet",
        "--tuples-only",
        "--no-align",
        "--set=ON_ERROR_STOP=1",
    ]);
    psql.arg("--host")
        .arg(folder)
        .args(["--username=postern", "--dbname", database, "--command", text]);
    output(&mut psql).expect("psql runs")
}

/// The newest server programs Debian has installed.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|programs| programs.join("initdb").is_file() && programs.join("postgres").is_file())
        .collect();
    found.sort();
    found.pop()
}

/// The server refuses to run as root.
fn as_postgres(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let root = output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0");
    let mut command = if root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/");
    command
}

/// In a process group of its own, so that Ctrl-C at the terminal does not take it along.
fn watchdog(programs: &Path, folder: &Path) -> Option<ChildStdin> {
    let script = "read -r _; \"$1/pg_ctl\" stop -m immediate -D \"$2/data\" -w; rm -rf \"$2\"";
    let mut shell = as_postgres("sh");
    shell.args(["-c", script, "sh"]).arg(programs).arg(folder);
    shell
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    shell.spawn().ok()?.stdin.take()
}

/// What the program prints, if it ends well; what it complains of is shown with the test's output.
fn output(command: &mut Command) -> Option<String> {
    let done = command.stdin(Stdio::null()).output().ok()?;
    if !done.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&done.stderr));
        return None;
    }
    String::from_utf8(done.stdout).ok()
}
