//! The commands as a shell runs them: the program itself, its exit code, and readers that leave early.
//! <https://pubs.opengroup.org/onlinepubs/9799919799/functions/write.html> (EPIPE)

use std::path::Path;
use std::process::{Command, Stdio};

fn postern(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .stdin(Stdio::null());
    command
}

/// A pipe that nobody reads any more.
fn left() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

const CASE: &str = "mappings/hearthstone/cases/referral.wrong-values.in.json";
const MAPPING: &str = "mappings/hearthstone/referral.map.yaml";

/// Commands that say something, with the code they end with.
const COMMANDS: [(&[&str], i32); 7] = [
    (&["config"], 0),
    (&["config", "--sets"], 0),
    (&["--help"], 0),
    (&["validate", "profiles/primary-care/Patient.json"], 0),
    (&["convert", "--mapping", MAPPING, CASE], 1),
    (&["--config", "nowhere.toml", "config"], 2),
    (&["nothing"], 2),
];

#[test]
fn a_reader_that_has_seen_enough_changes_nothing() {
    for (arguments, code) in COMMANDS {
        let heard = postern(arguments).output().expect("it runs");
        assert_eq!(heard.status.code(), Some(code), "{arguments:?}: {heard:?}");
        let unheard = postern(arguments)
            .stdout(left())
            .stderr(Stdio::piped())
            .output()
            .expect("it runs");
        assert_eq!(unheard.status.code(), Some(code), "{arguments:?}: {unheard:?}");
        assert_eq!(
            unheard.stderr, heard.stderr,
            "{arguments:?}: nothing more is said elsewhere"
        );
        let alone = postern(arguments)
            .stdout(left())
            .stderr(left())
            .status()
            .expect("it runs");
        assert_eq!(alone.code(), Some(code), "{arguments:?} with nobody listening");
    }
}
