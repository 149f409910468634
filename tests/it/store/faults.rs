//! What happens to the store when the process, the disk or the server goes away under it: nothing acknowledged is
//! lost, nothing is half there, and it comes back by itself where the database does.
//! <https://www.sqlite.org/howtocorrupt.html>, <https://wiki.postgresql.org/wiki/Fsync_Errors>

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use postern::store::{Change, Refused, Store};

use super::{Home, NOW, disclosure, event, on_both, put, verified};

on_both!(
    a_killed_process_leaves_nothing_half_done,
    a_lost_connection_comes_back
);

const URL: &str = "POSTERN_STORE_TEST_URL";

/// One person with three resources and two events, in one change.
fn arrival(name: &str) -> Change {
    let mut change = Change::at(NOW);
    change.expects = vec![(name.to_owned(), 0)];
    let goal = |n| {
        put(
            Some(name),
            "Goal",
            &format!("{name}-{n}"),
            &"{\"x\":\"y\"}".repeat(40),
        )
    };
    change.puts = (0..3).map(goal).collect();
    change.audit = vec![
        event(name, &format!("{name}-a")),
        event(name, &format!("{name}-b")),
    ];
    change
}

/// Not a test: the process that the tests below start and end. Prints the name of each arrival it was promised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests of this file, in a process of its own"]
async fn recording_until_the_end() {
    let Ok(url) = std::env::var(URL) else { return };
    let store = Store::open(&url, Default::default()).await.expect("opens");
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..100_000 {
                    let name = format!("p{task}-{n}");
                    if store.commit(arrival(&name)).await.is_err() {
                        return;
                    }
                    // one write, so that a line is whole or absent
                    std::io::stdout()
                        .write_all(format!("acked {name}\n").as_bytes())
                        .expect("the pipe is open");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
}

fn recorder(home: &Home, shell: &str) -> Command {
    let mut command = Command::new("sh");
    let program = std::env::current_exe().expect("known");
    command
        .args(["-c", &format!("{shell} exec \"$@\""), "sh"])
        .arg(program);
    command.args([
        "--exact",
        "store::faults::recording_until_the_end",
        "--ignored",
        "--nocapture",
    ]);
    command
        .env(URL, &home.url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

fn acked(line: &str) -> Option<&str> {
    line.split_once("acked ").map(|(_, name)| name)
}

/// All acknowledged arrivals are there, each arrival is whole or absent, and the log holds exactly their events.
async fn nothing_half_done(home: &Home, acked: &BTreeSet<String>) {
    let store = home.open().await;
    let events = verified(&store).await;
    let mut whole = BTreeSet::new();
    let mut next = 0;
    while let Some(entry) = store.audit_from(next, 1).await.expect("reads").pop() {
        let patient = entry.columns.patient.expect("each event names its person");
        whole.insert(patient.trim_start_matches("Patient/").to_owned());
        next = entry.seq + 1;
    }
    assert_eq!(events, 2 * whole.len() as u64);
    assert!(acked.is_subset(&whole), "acknowledged and lost");
    for name in &whole {
        let (versions, rows) = store.load_record(name).await.expect("reads");
        assert_eq!((versions.record, rows.len()), (1, 3), "{name}");
        assert_eq!(store.due(name).await, Ok(Some(NOW)), "{name} is to be refreshed");
    }
    store
        .commit(disclosure("p1", "goes on"))
        .await
        .expect("the database works");
}

async fn a_killed_process_leaves_nothing_half_done(home: Home) {
    let mut child = recorder(&home, "").spawn().expect("starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut seen = BTreeSet::new();
    for line in lines.map_while(Result::ok) {
        seen.extend(acked(&line).map(str::to_owned));
        if seen.len() == 200 {
            // SIGKILL; what is in the pipe is still read
            child.kill().expect("runs");
        }
    }
    let status = child.wait().expect("ends");
    assert!(seen.len() >= 200, "{status} after {}", seen.len());
    nothing_half_done(&home, &seen).await;
}

#[tokio::test]
async fn a_write_that_cannot_be_made_durable_ends_the_process() {
    let home = Home::sqlite("fatal");
    drop(home.open().await);
    // files may not grow beyond 2 MiB (ulimit counts blocks of 512 bytes); the signal is ignored, so writing fails
    let done = recorder(&home, "ulimit -f 4096; trap '' XFSZ;")
        .output()
        .expect("runs");
    assert_eq!(done.status.code(), Some(70));
    let output = String::from_utf8_lossy(&done.stdout);
    let seen: BTreeSet<String> = output.lines().filter_map(acked).map(str::to_owned).collect();
    assert!(!seen.is_empty());
    nothing_half_done(&home, &seen).await;
}

/// Twelve times what is left in the WAL before it is moved: it begins anew although changes keep coming.
#[tokio::test]
async fn the_wal_is_moved_into_the_database_while_changes_keep_coming() {
    let home = Home::sqlite("wal");
    let store = home.open().await;
    let size = |name: &str| std::fs::metadata(home.folder.join(name)).map_or(0, |file| file.len());
    for n in 0..320 {
        let mut change = Change::at(NOW);
        change.puts = vec![put(Some("p1"), "Binary", &format!("b{n}"), &"x".repeat(300_000))];
        store.commit(change).await.expect("recorded");
    }
    let (moved, left) = (size("postern.db"), size("postern.db-wal"));
    assert!(moved > 48_000_000, "{moved}");
    assert!(left < 80_000_000, "{left}");
    assert_eq!(store.load_record("p1").await.expect("reads").1.len(), 320);
}

/// Not a test: runs alone on a file system of 2 MiB.
#[tokio::test]
#[ignore = "run by `a_full_disk_refuses_and_recovers`, on a small file system"]
async fn filling_the_disk() {
    let Ok(url) = std::env::var(URL) else { return };
    let store = Store::open(&url, Default::default()).await.expect("opens");
    let ballast = std::path::Path::new(url.trim_start_matches("sqlite:")).with_file_name("ballast");
    std::fs::write(&ballast, vec![1; 512 * 1024]).expect("there is room yet");
    let mut names = Vec::new();
    let refused = loop {
        let name = format!("p{}", names.len());
        match store.commit(arrival(&name)).await {
            Ok(_) => names.push(name),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, Refused::Unavailable);
    assert_eq!(
        store.commit(arrival("again")).await.err(),
        Some(Refused::Unavailable)
    );
    assert_eq!(store.load_record("again").await.expect("reads go on").1.len(), 0);
    std::fs::remove_file(ballast).expect("there");
    store
        .commit(arrival("after"))
        .await
        .expect("recovers without a restart");
    assert_eq!(verified(&store).await, 2 * (names.len() as u64 + 1));
    println!("recovered");
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let home = Home::sqlite("full");
    let folder = home.folder.display();
    // a mount that nobody else sees and that ends with the process
    let script = format!("mount -t tmpfs -o size=2m tmpfs '{folder}' || exit 99; exec \"$@\"");
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", &script, "sh"])
        .arg(std::env::current_exe().expect("known"));
    command.args([
        "--exact",
        "store::faults::filling_the_disk",
        "--ignored",
        "--nocapture",
    ]);
    let done = command.env(URL, &home.url).stdin(Stdio::null()).output();
    let Ok(done) = done else {
        println!("skipped: a full disk (no unshare)");
        return;
    };
    if done.status.code() == Some(99) || String::from_utf8_lossy(&done.stderr).starts_with("unshare:") {
        println!("skipped: a full disk (may not mount)");
        return;
    }
    let output = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && output.contains("recovered"), "{output}");
}

async fn a_lost_connection_comes_back(home: Home) {
    if !home.is_postgres() {
        return;
    }
    let store = home.open().await;
    store.commit(disclosure("p1", "a")).await.expect("recorded");
    store.head().await.expect("reads");
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid()";
    crate::postgres::sql(&home.url, terminate);
    store
        .commit(disclosure("p1", "b"))
        .await
        .expect("a connection lost while idle is replaced");
    store.head().await.expect("readers are replaced, too");
    assert_eq!(verified(&store).await, 2);
    let two: Vec<_> = store.audit_of("Patient/p1", 0, 10).await.expect("reads");
    assert_eq!(two.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_is_refused_soon_and_found_again() {
    let Some(server) = crate::postgres::Server::start() else {
        println!("skipped: a stopped server (no PostgreSQL)");
        return;
    };
    let store = Store::open(&server.database("outage"), Default::default())
        .await
        .expect("opens");
    store.commit(disclosure("p1", "before")).await.expect("recorded");
    store.head().await.expect("reads");
    assert!(server.stop());
    for n in 0..3 {
        let limit = std::time::Duration::from_secs(4);
        let refused = tokio::time::timeout(limit, store.commit(disclosure("p1", &format!("down-{n}")))).await;
        assert_eq!(refused.expect("answered soon").err(), Some(Refused::Unavailable));
        let read = tokio::time::timeout(limit, store.head())
            .await
            .expect("answered soon");
        assert!(read.is_err());
    }
    assert!(server.resume());
    store
        .commit(disclosure("p1", "after"))
        .await
        .expect("found again");
    assert_eq!(verified(&store).await, 2);
}
