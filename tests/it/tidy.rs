//! The rules of the house that no compiler checks: layer order, homes of crates, sizes, headers, READMEs, cases.

use std::path::{Path, PathBuf};

const RULES: &[&str] = &[
    "fhir",
    "terminology",
    "fhirpath",
    "search",
    "identity",
    "validation",
    "profile",
    "mapping",
    "label",
    "consent",
    "law",
    "log",
    "document",
    "disclosure",
    "referral",
    "write",
    "audit",
];
const SHELL: &[&str] = &[
    "config", "store", "egress", "auth", "gateway", "http", "worker", "cli",
];

/// Outside crates and the only modules that may name them.
const HOMES: &[(&str, &[&str])] = &[
    ("sqlx", &["src/store"]),
    ("axum", &["src/http"]),
    ("axum_server", &["src/http"]),
    ("tower_http", &["src/http"]),
    ("reqwest", &["src/egress"]),
    ("ipnet", &["src/egress", "src/config"]),
    (
        "aws_lc_rs",
        &["src/auth", "src/egress", "src/config/entropy.rs", "src/main.rs"],
    ),
    (
        "rustls",
        &["src/http", "src/egress", "src/auth/certificate.rs", "src/main.rs"],
    ),
    ("tokio_rustls", &["src/http"]),
    ("governor", &["src/gateway/rate.rs"]),
    ("hyper_util", &["src/http"]),
    ("mimalloc", &["src/main.rs"]),
    ("clap", &["src/cli", "src/main.rs"]),
    ("anyhow", &["src/main.rs", "src/cli"]),
    ("toml", &["src/config"]),
    ("flate2", &["src/config"]),
    ("tar", &["src/config"]),
    ("fhirbolt", &["src/rules/fhir"]),
    ("saphyr_parser", &["src/rules/mapping"]),
    ("ed25519_dalek", &["src/rules/log"]),
    ("krilla", &["src/rules/document/pdf"]),
    ("rustybuzz", &["src/rules/document/pdf"]),
    ("notosans", &["src/rules/document/pdf"]),
    ("hmac", &["src/rules/fhir"]),
    ("json_patch", &["src/rules/write"]),
    (
        "csv",
        &["src/rules/mapping", "src/rules/label", "src/rules/terminology"],
    ),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.to_string_lossy().ends_with(suffix) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned()
}

fn rust_files() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for path in files(&root().join(folder), ".rs") {
            let text = std::fs::read_to_string(&path).expect("readable");
            all.push((relative(&path), text));
        }
    }
    all
}

#[test]
fn every_file_says_what_it_is_and_stays_small() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        if !text.starts_with("//!") && !text.starts_with("#![") {
            wrong.push(format!("{path}: no `//!` header"));
        }
        if text.lines().count() > 500 {
            wrong.push(format!("{path}: {} lines, more than 500", text.lines().count()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `crate::x` inside module `y` is allowed only when `x` stands before `y`.
fn upward(order: &[&str], base: &str, wrong: &mut Vec<String>) {
    for (path, text) in rust_files() {
        let Some(inside) = path.strip_prefix(base) else {
            continue;
        };
        let module = inside.split(['/', '.']).next().unwrap_or_default();
        let Some(own) = order.iter().position(|m| *m == module) else {
            continue;
        };
        let production = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (position, other) in order.iter().enumerate().skip(own + 1) {
            let named = production.contains(&format!("crate::{other}::"))
                || production.contains(&format!("crate::{other};"));
            if named && position > own {
                wrong.push(format!(
                    "{path}: `{module}` imports `{other}`, which stands after it"
                ));
            }
        }
    }
}

#[test]
fn modules_import_only_upwards() {
    let mut wrong = Vec::new();
    upward(RULES, "src/rules/", &mut wrong);
    upward(SHELL, "src/", &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn outside_crates_stay_in_their_homes() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files()
        .into_iter()
        .filter(|(path, _)| path.starts_with("src/"))
    {
        let code: String = text
            .lines()
            .filter(|l| !l.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        for (name, homes) in HOMES {
            let named = code.contains(&format!("{name}::")) && !code.contains(&format!("crate::{name}::"));
            if named && !homes.iter().any(|home| path.starts_with(home)) {
                wrong.push(format!("{path}: `{name}` belongs to {}", homes.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn receipts_have_one_maker() {
    let makers: Vec<String> = rust_files()
        .into_iter()
        .filter(|(path, _)| path.starts_with("src/") && !path.ends_with("/tests.rs"))
        .filter(|(_, text)| {
            text.split("#[cfg(test)]")
                .next()
                .unwrap_or_default()
                .contains("Durable for")
        })
        .map(|(path, _)| path)
        .collect();
    assert_eq!(makers.len(), 1, "{makers:?}");
    assert!(makers[0].starts_with("src/store/"), "{makers:?}");
}

#[test]
fn every_folder_has_a_readme() {
    let mut wrong = Vec::new();
    for top in ["src", "profiles", "mappings", "tests", "deploy", "benches"] {
        let mut open = vec![root().join(top)];
        while let Some(folder) = open.pop() {
            let name = folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let entries: Vec<PathBuf> = std::fs::read_dir(&folder)
                .expect("folder")
                .flatten()
                .map(|e| e.path())
                .collect();
            // Folders of data inside a described folder are described there.
            let data = ["cases", "codes", "demo", "r4"].contains(&name.as_str());
            if !data && !entries.iter().any(|e| e.ends_with("README.md")) {
                wrong.push(relative(&folder));
            }
            open.extend(entries.into_iter().filter(|e| {
                e.is_dir()
                    && !["node_modules", "target", "corpus"]
                        .iter()
                        .any(|data| e.ends_with(data))
            }));
        }
    }
    wrong.sort();
    assert!(
        wrong.is_empty(),
        "folders without README.md:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_mapping_has_a_case() {
    for map in files(&root().join("mappings"), ".map.yaml") {
        let record = map
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .replace(".map.yaml", "");
        let cases = files(&map.parent().expect("folder").join("cases"), ".json");
        let own = cases.iter().filter(|c| {
            c.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .starts_with(&format!("{record}."))
        });
        assert!(
            own.count() >= 2,
            "{} has no case (an input and what it must become)",
            relative(&map)
        );
    }
}

#[test]
fn no_folder_is_called_by_what_it_is_not() {
    for (path, _) in rust_files() {
        for vague in ["util", "common", "helpers", "services", "models", "manager"] {
            let named = path.split(['/', '.']).any(|part| part == vague);
            assert!(!named, "{path}: name it after what it does");
        }
    }
}

/// Leaks planted for the tests of two worlds are compiled where debug assertions are, and a release has none.
#[test]
fn planted_leaks_are_in_no_release() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    assert!(!manifest.contains("debug-assertions"), "no profile turns them on");
    let unguarded: Vec<String> = rust_files()
        .into_iter()
        .filter(|(path, _)| !path.ends_with("/planted.rs"))
        .filter(|(_, text)| {
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            let named = |line: &str| {
                !line.starts_with("//") && (line.contains("planted::") || line.ends_with("mod planted;"))
            };
            // A block of a few lines stands under its guard whole.
            let guarded = |at: usize| lines[at.saturating_sub(4)..at].contains(&"#[cfg(debug_assertions)]");
            (0..lines.len()).any(|at| named(lines[at]) && !guarded(at))
        })
        .map(|(path, _)| path)
        .filter(|path| path != "tests/it/tidy.rs")
        .collect();
    assert_eq!(unguarded, Vec::<String>::new());
}

/// `println!` panics when its reader has gone; `src/cli/say.rs` does not.
#[test]
fn commands_outlive_their_readers() {
    let wrong: Vec<String> = rust_files()
        .into_iter()
        .filter(|(path, _)| path.starts_with("src/cli/") || path == "src/main.rs")
        .filter(|(_, text)| {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let mut code = code.map(str::trim_start);
            code.any(|line| {
                ["println!(", "print!(", "eprintln!(", "eprint!("]
                    .iter()
                    .any(|loud| line.contains(loud))
            })
        })
        .map(|(path, _)| path)
        .collect();
    assert_eq!(wrong, Vec::<String>::new(), "say! and complain! instead");
}
