//! Reading the deployment's own files: mappings and profiles as text, inputs as bytes. Nothing here interprets.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::{ConfigError, Paths};

/// Texts of `mappings/` and `profiles/`, by path relative to each folder, in order.
#[derive(Debug, Default)]
pub struct CatalogFiles {
    pub mappings: Vec<(PathBuf, String)>,
    pub profiles: Vec<(PathBuf, String)>,
    /// Code lists of this deployment, by path as the configuration names it.
    pub codes: Vec<(PathBuf, String)>,
}

/// Reads every `.map.yaml`, `codes/*.csv` and profile `.json`; cases, demo records and READMEs are not configuration.
pub fn read_catalog(paths: &Paths) -> Result<CatalogFiles, ConfigError> {
    let is_mapping =
        |path: &Path| ends(path, ".map.yaml") || (ends(path, ".csv") && has_folder(path, "codes"));
    let is_profile = |path: &Path| ends(path, ".json") && !has_folder(path, "cases");
    Ok(CatalogFiles {
        mappings: read_folder(&paths.mappings, &is_mapping)?,
        profiles: read_folder(&paths.profiles, &is_profile)?,
        codes: paths.codes.as_deref().map_or(Ok(Vec::new()), read_codes)?,
    })
}

/// One list, or every `*.tsv` of a folder; a folder without any is a mistake: somebody counts on lists that are not there.
fn read_codes(path: &Path) -> Result<Vec<(PathBuf, String)>, ConfigError> {
    if !path.is_dir() {
        let text = std::fs::read_to_string(path).map_err(|e| failed(path, &e))?;
        return Ok(vec![(path.to_owned(), text)]);
    }
    let found = read_folder(path, &|file| ends(file, ".tsv"))?;
    if found.is_empty() {
        return Err(ConfigError(format!(
            "{}: no .tsv there (paths.codes)",
            path.display()
        )));
    }
    Ok(found
        .into_iter()
        .map(|(file, text)| (path.join(file), text))
        .collect())
}

fn ends(path: &Path, suffix: &str) -> bool {
    path.to_string_lossy().ends_with(suffix)
}

fn has_folder(path: &Path, name: &str) -> bool {
    path.components().any(|part| part.as_os_str() == name)
}

fn read_folder(root: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<Vec<(PathBuf, String)>, ConfigError> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|e| failed(&folder, &e))?;
        for entry in entries {
            let path = entry.map_err(|e| failed(&folder, &e))?.path();
            let relative = path.strip_prefix(root).unwrap_or(&path).to_owned();
            if path.is_dir() {
                open.push(path);
            } else if wanted(&relative) {
                let text = std::fs::read_to_string(&path).map_err(|e| failed(&path, &e))?;
                found.push((relative, text));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn failed(path: &Path, error: &std::io::Error) -> ConfigError {
    ConfigError(format!("{}: {error}", path.display()))
}

/// A file named by a person, or standard input for `-`; at most `limit` bytes.
pub fn read_input(path: &Path, limit: u64) -> Result<Vec<u8>, ConfigError> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
    };
    read.map_err(|e| failed(path, &e))?;
    if bytes.len() as u64 > limit {
        return Err(ConfigError(format!(
            "{}: larger than {limit} bytes",
            path.display()
        )));
    }
    Ok(bytes)
}

/// Writes a file that only its owner can read; makes its folder when missing.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        make_private_folder(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A new file that only its owner can read, in a folder that is there; an error when something has that name already.
pub fn new_private(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// One mapping file and the code maps beside it, by path relative to the folder above its own; with that folder.
pub fn read_mapping(file: &Path) -> Result<(PathBuf, Vec<(PathBuf, String)>), ConfigError> {
    let full = std::fs::canonicalize(file).map_err(|e| failed(file, &e))?;
    let (Some(folder), Some(name)) = (full.parent(), full.file_name()) else {
        return Err(ConfigError(format!("{}: not a mapping file", file.display())));
    };
    let (Some(root), Some(source)) = (folder.parent(), folder.file_name()) else {
        return Err(ConfigError(format!(
            "{}: a mapping stands in a folder named after its source",
            file.display()
        )));
    };
    if !ends(&full, ".map.yaml") {
        return Err(ConfigError(format!(
            "{}: a mapping is called <record>.map.yaml",
            file.display()
        )));
    }
    let text = std::fs::read_to_string(&full).map_err(|e| failed(file, &e))?;
    let mut files = vec![(Path::new(source).join(name), text)];
    let codes = folder.join("codes");
    if codes.is_dir() {
        for (path, text) in read_folder(&codes, &|path| ends(path, ".csv"))? {
            files.push((Path::new(source).join("codes").join(path), text));
        }
    }
    // Problems name the file as the person did.
    let shown = file
        .parent()
        .and_then(Path::parent)
        .map_or_else(|| root.to_owned(), Path::to_owned);
    Ok((shown, files))
}

/// Adds a line to a file that only its owner can read, durably.
pub fn append_line(path: &Path, line: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(line.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Lines of a small file; none when it does not exist.
pub fn read_lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A folder only its owner can enter.
pub fn make_private_folder(path: &Path) -> std::io::Result<()> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Copies the plain files of one folder into a new one.
pub fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    make_private_folder(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            write_private(&to.join(name), &std::fs::read(&path)?)?;
        }
    }
    Ok(())
}

/// A folder of its own that goes away with this value.
pub struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn temporary_folder(entropy: &super::Entropy) -> std::io::Result<TemporaryFolder> {
    let path = std::env::temp_dir().join(format!("postern-{}", entropy.id("temporary folder")));
    make_private_folder(&path)?;
    Ok(TemporaryFolder(path))
}
