//! FHIR packages as bytes: folders of JSON, flat or in npm form (`package/`), and npm-format `.tgz`. Nothing here interprets.
//! <https://confluence.hl7.org/display/FHIR/NPM+Package+Specification>

use std::io::Read;
use std::path::{Path, PathBuf};

use super::ConfigError;
use super::package_archive::read_archive;

/// Bytes of one file: what the JSON door takes.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;
/// Bytes of one package, unpacked.
const LARGEST_PACKAGE: u64 = 512 * 1024 * 1024;
/// Files of one package.
const MOST_FILES: usize = 20_000;
/// Packages of one folder.
const MOST_PACKAGES: usize = 100;

/// Who is handed the files of a package.
pub trait TakesFiles {
    /// Is a file of this name wanted at all?
    fn wants(&self, file: &str) -> bool;
    fn take(&mut self, file: &str, bytes: &[u8]);
    /// A file, or the whole, that cannot be read, and why.
    fn refuse(&mut self, file: &str, why: &str);
}

/// The packages in a folder, by name: folders, and files that end in `.tgz`. What is a package itself is the only one: an archive, and a
/// folder that holds `package.json`, `package/`, or definitions and nothing else.
pub fn list_packages(folder: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    if is_archive(folder) {
        return Ok(vec![folder.to_owned()]);
    }
    let failed = |error: std::io::Error| ConfigError(format!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    let (mut is_package, mut has_json) = (false, false);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = name_of(&path);
        is_package |= name == "package.json" || (name == "package" && path.is_dir());
        has_json |= name.ends_with(".json");
        if !name.starts_with('.') && (path.is_dir() || is_archive(&path)) {
            found.push(path);
        }
    }
    if is_package || (found.is_empty() && has_json) {
        return Ok(vec![folder.to_owned()]);
    }
    found.sort();
    match found.len() {
        0 => Err(ConfigError(format!(
            "{}: no package there: neither folders, nor .tgz, nor definitions",
            folder.display()
        ))),
        n if n > MOST_PACKAGES => Err(ConfigError(format!(
            "{}: more than {MOST_PACKAGES} packages",
            folder.display()
        ))),
        _ => Ok(found),
    }
}

/// `hl7.fhir.us.core-6.1.0` of `…/hl7.fhir.us.core-6.1.0.tgz`.
pub fn package_name(path: &Path) -> String {
    let name = name_of(path);
    name.strip_suffix(".tgz").unwrap_or(&name).to_owned()
}

/// Hands every wanted `.json` of a package to `taker`, and everything that keeps it from being read whole.
pub fn read_package(path: &Path, taker: &mut dyn TakesFiles) {
    read_within(path, taker, &mut Budget::default());
}

fn read_within(path: &Path, taker: &mut dyn TakesFiles, budget: &mut Budget) {
    let read = if path.is_dir() {
        read_folder(path, taker, budget)
    } else {
        read_archive(path, taker, budget)
    };
    if let Err(error) = read {
        taker.refuse(&name_of(path), &error.to_string());
    }
}

/// What is left of what one package may take.
pub(super) struct Budget {
    pub bytes: u64,
    pub files: usize,
    pub largest: u64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            bytes: LARGEST_PACKAGE,
            files: MOST_FILES,
            largest: LARGEST_FILE,
        }
    }
}

impl Budget {
    pub fn spend(&mut self, bytes: u64) -> std::io::Result<()> {
        let left = self.bytes.checked_sub(bytes).zip(self.files.checked_sub(1));
        (self.bytes, self.files) = left.ok_or_else(|| {
            let limit = LARGEST_PACKAGE / 1024 / 1024;
            std::io::Error::other(format!(
                "is larger than {limit} MiB or has more than {MOST_FILES} files"
            ))
        })?;
        Ok(())
    }
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn is_archive(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|e| e == "tgz")
}

fn read_folder(folder: &Path, taker: &mut dyn TakesFiles, budget: &mut Budget) -> std::io::Result<()> {
    let inner = folder.join("package");
    let whole = folder.canonicalize()?;
    let folder = if inner.is_dir() { &inner } else { folder };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    for path in files.iter().filter(|path| path.is_file()) {
        let name = name_of(path);
        if !is_wanted(&name, taker) {
            continue;
        }
        // Links within are how some platforms mount files; one that leads out would let anything of this machine be read.
        let inside = path.canonicalize()?;
        if inside.starts_with(&whole) {
            hand_over(&name, &mut std::fs::File::open(inside)?, taker, budget)?;
        } else {
            taker.refuse(&name, "is a link that leads out of the package");
        }
    }
    Ok(())
}

pub(super) fn is_wanted(name: &str, taker: &dyn TakesFiles) -> bool {
    name.ends_with(".json") && !name.starts_with('.') && taker.wants(name)
}

pub(super) fn hand_over(
    name: &str,
    from: &mut dyn Read,
    taker: &mut dyn TakesFiles,
    budget: &mut Budget,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    from.take(budget.largest + 1).read_to_end(&mut bytes)?;
    budget.spend(bytes.len() as u64)?;
    if bytes.len() as u64 > budget.largest {
        let limit = LARGEST_FILE / 1024 / 1024;
        taker.refuse(name, &format!("is larger than {limit} MiB"));
    } else {
        taker.take(name, &bytes);
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::{Entropy, temporary_folder};

    #[derive(Default)]
    pub struct Taken {
        pub files: Vec<(String, usize)>,
        pub refused: Vec<String>,
    }

    impl TakesFiles for Taken {
        fn wants(&self, file: &str) -> bool {
            !file.starts_with("Patient-")
        }

        fn take(&mut self, file: &str, bytes: &[u8]) {
            self.files.push((file.to_owned(), bytes.len()));
        }

        fn refuse(&mut self, file: &str, why: &str) {
            self.refused.push(format!("{file}: {why}"));
        }
    }

    /// Within as many bytes and files, none larger than a quarter.
    pub fn read_with(path: &Path, bytes: u64, files: usize) -> Taken {
        let mut taken = Taken::default();
        let largest = bytes / 4;
        read_within(
            path,
            &mut taken,
            &mut Budget {
                bytes,
                files,
                largest,
            },
        );
        taken
    }

    pub fn read(path: &Path) -> Taken {
        read_with(path, 4 * LARGEST_FILE, 100)
    }

    #[test]
    fn a_folder_is_flat_or_as_npm_unpacks_it() {
        let folder = temporary_folder(&Entropy::System).expect("a folder");
        for (name, inner) in [("flat", "flat"), ("unpacked", "unpacked/package")] {
            let inner = folder.path().join(inner);
            std::fs::create_dir_all(&inner).expect("a folder");
            std::fs::write(inner.join("ValueSet-a.json"), b"{}").expect("written");
            let taken = read(&folder.path().join(name));
            assert_eq!(taken.files, [("ValueSet-a.json".to_owned(), 2)], "{name}");
        }
        let names: Vec<String> = list_packages(folder.path())
            .expect("packages")
            .iter()
            .map(|path| package_name(path))
            .collect();
        assert_eq!(names, ["flat", "unpacked"]);
        for itself in ["unpacked", "flat"] {
            let path = folder.path().join(itself);
            assert_eq!(list_packages(&path).expect("one"), [path]);
        }
        assert!(list_packages(&folder.path().join("nowhere")).is_err());
    }
    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_within_the_package_and_not_out_of_it() {
        let folder = temporary_folder(&Entropy::System).expect("a folder");
        let package = folder.path().join("package");
        std::fs::create_dir_all(package.join("..data")).expect("a folder");
        std::fs::write(folder.path().join("secret.json"), b"{}").expect("written");
        std::fs::write(package.join("..data/ValueSet-a.json"), b"{}").expect("written");
        let link = |to: &Path, name: &str| {
            std::os::unix::fs::symlink(to, package.join(name)).expect("a link");
        };
        link(Path::new("..data/ValueSet-a.json"), "ValueSet-a.json");
        link(&folder.path().join("secret.json"), "ValueSet-b.json");
        let taken = read(&package);
        assert_eq!(taken.files, [("ValueSet-a.json".to_owned(), 2)]);
        assert_eq!(
            taken.refused,
            ["ValueSet-b.json: is a link that leads out of the package"]
        );
    }

    #[test]
    fn a_folder_has_its_limits_too() {
        let folder = temporary_folder(&Entropy::System).expect("a folder");
        for n in 0..5 {
            std::fs::write(folder.path().join(format!("ValueSet-{n}.json")), b"{ }").expect("written");
        }
        assert_eq!(
            read_with(folder.path(), 100, 4).refused.len(),
            1,
            "too many files"
        );
        assert_eq!(read_with(folder.path(), 14, 5).refused.len(), 1, "too many bytes");
        assert_eq!(read_with(folder.path(), 100, 5).files.len(), 5);
    }
}
