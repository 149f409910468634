//! The deployment's two secrets, each in a file of its own outside the database: the key of resource ids and
//! the seed of the log's signing key. Beside them the keys it signs with as a SMART client (`auth::OwnKeys`).

use std::path::Path;

use super::{ConfigError, Entropy, files};

pub struct Keys {
    /// HMAC key of resource ids. Losing it changes every id: back it up with the database.
    pub id: [u8; 32],
    /// Ed25519 seed that signs checkpoints of the log.
    pub log: [u8; 32],
}

impl Keys {
    /// Reads both keys from `folder`; makes the folder and missing keys when `create` is set (first start).
    pub fn load(folder: &Path, create: bool, entropy: &Entropy) -> Result<Keys, ConfigError> {
        let id = load_one(folder, "id.key", create, entropy)?;
        let log = load_one(folder, "log.key", create, entropy)?;
        Ok(Keys { id, log })
    }
}

/// The files of the keys Postern signs with as a client, by name, in the keys folder.
pub fn read_own_keys(folder: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !(name.starts_with("smart-") && name.ends_with(".json")) {
            continue;
        }
        match std::fs::read_to_string(entry.path()) {
            Ok(text) => found.push((name, text)),
            // Deleted by a rotation between the two calls.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.sort();
    Ok(found)
}

/// Writes one, readable by its owner alone; a reader finds it whole or not at all.
pub fn write_own_key(folder: &Path, kid: &str, text: &str) -> std::io::Result<()> {
    let path = folder.join(own_key(kid));
    let unfinished = path.with_extension("part");
    files::write_private(&unfinished, text.as_bytes())?;
    std::fs::rename(&unfinished, &path)
}

/// Deletes one; that it is gone already is no failure.
pub fn delete_own_key(folder: &Path, kid: &str) -> std::io::Result<()> {
    match std::fs::remove_file(folder.join(own_key(kid))) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn own_key(kid: &str) -> String {
    format!("smart-{kid}.json")
}

fn load_one(folder: &Path, name: &str, create: bool, entropy: &Entropy) -> Result<[u8; 32], ConfigError> {
    let path = folder.join(name);
    let fail = |why: String| ConfigError(format!("{}: {why}", path.display()));
    if !path.exists() {
        if !create {
            return Err(fail("key file is missing; restore it from the backup".to_owned()));
        }
        let key = entropy.bytes(&format!("key {name}"));
        let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        files::write_private(&path, text.as_bytes()).map_err(|e| fail(e.to_string()))?;
        return Ok(key);
    }
    let text = std::fs::read_to_string(&path).map_err(|e| fail(e.to_string()))?;
    from_hex(text.trim()).ok_or_else(|| fail("not a key file: 64 hexadecimal digits expected".to_owned()))
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(key)
}
