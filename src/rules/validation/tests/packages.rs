//! The packages under `../shared/packages`, read once. <https://hl7.org/fhir/packages.html>

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::validation::{Definitions, Package};

const NAMES: [&str; 7] = [
    "us-core-6.1.0",
    "balp-1.1.5",
    "bser-2.0.0-ballot",
    "eltss-2.0.0",
    "davinci-alerts-1.1.0",
    "pcf-1.1.1",
    "subscriptions-backport-r4-1.2.0-ballot",
];

/// A folder beside the checkout, or beside the place where the worktrees stand.
pub(crate) fn shared(part: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let places = [root.join("../shared"), root.join("../../shared")];
    places
        .iter()
        .map(|place| place.join(part))
        .find(|place| place.is_dir())
}

/// Every `.json` directly in a folder, by name.
pub(crate) fn json_files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .expect("a readable folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            (name, std::fs::read(&path).expect("a readable file"))
        })
        .collect();
    files.sort();
    files
}

fn read(name: &str, differentials: bool) -> Option<Package> {
    let folder = shared(&format!("packages/{name}"))?;
    let mut reader = Package::reader(name);
    if differentials {
        reader = reader.from_differentials();
    }
    for (file, bytes) in json_files(&folder) {
        reader.add(&file, &bytes);
    }
    Some(
        reader
            .finish()
            .unwrap_or_else(|problems| panic!("{name}: {problems:?}")),
    )
}

/// All of them; none, with a printed line, where they are absent.
pub(crate) fn all() -> Option<&'static Definitions> {
    static ALL: LazyLock<Option<Definitions>> = LazyLock::new(|| load(false));
    if ALL.is_none() {
        println!("skipped: no packages under ../shared/packages");
    }
    ALL.as_ref()
}

pub(super) fn load(differentials: bool) -> Option<Definitions> {
    let packages: Option<Vec<Package>> = NAMES.iter().map(|name| read(name, differentials)).collect();
    Some(Definitions::new(
        packages?.into_iter().chain(r4_profiles(differentials)).collect(),
    ))
}

/// R4's own profiles and extensions, where `tests/r4-examples.sh` has put them.
pub(super) fn r4() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Beside what is built, wherever that is.
    let built = option_env!("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let places = [built, root.join("target"), "/work/target".into()];
    let places = places.map(|place| place.join("r4-examples/package"));
    places.into_iter().find(|place| place.is_dir())
}

fn r4_profiles(differentials: bool) -> Option<Package> {
    let mut reader = Package::reader("hl7.fhir.r4.examples");
    if differentials {
        reader = reader.from_differentials();
    }
    for (file, bytes) in json_files(&r4()?) {
        if file.starts_with("StructureDefinition-") {
            reader.add(&file, &bytes);
        }
    }
    Some(reader.finish().unwrap_or_else(|problems| panic!("{problems:?}")))
}
