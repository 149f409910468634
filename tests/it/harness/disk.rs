//! Where databases of tests stand: on a memory disk when the machine has one with room, else in the temporary folder. What
//! is measured or proven about durability opens its own. <https://www.kernel.org/doc/html/latest/filesystems/tmpfs.html>

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

/// A container often has 64 MiB there: too little for a hundred databases.
const WANTED_KIB: u64 = 2 * 1024 * 1024;

pub fn folder() -> PathBuf {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let memory = PathBuf::from("/dev/shm");
        let asked = Command::new("df")
            .args(["-k", "--output=avail"])
            .arg(&memory)
            .output();
        let told = asked.map(|done| String::from_utf8_lossy(&done.stdout).into_owned());
        let free = told
            .unwrap_or_default()
            .lines()
            .last()
            .and_then(|line| line.trim().parse::<u64>().ok());
        match free {
            Some(free) if free >= WANTED_KIB => memory,
            _ => std::env::temp_dir(),
        }
    });
    FOLDER.clone()
}
