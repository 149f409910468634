//! An npm-format `.tgz`, read through where it is: nothing is unpacked onto the disk, and whatever is in it, so much is read of it
//! and no more. <https://confluence.hl7.org/display/FHIR/NPM+Package+Specification>, <https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html>

use std::io::{Error, Read, Result};
use std::path::{Component, Path};

use flate2::read::GzDecoder;
use tar::{Archive, Entry, EntryType};

use super::packages::{Budget, TakesFiles, hand_over, is_wanted};

/// Bytes of a name that does not fit into its header; the archive reader would take any number of them into memory.
const LONGEST_NAME: u64 = 16 * 1024;

pub(super) fn read_archive(path: &Path, taker: &mut dyn TakesFiles, budget: &mut Budget) -> Result<()> {
    let unpacked = GzDecoder::new(std::fs::File::open(path)?);
    // What is skipped counts as well: the whole stream is bounded, headers and padding included.
    let mut archive = Archive::new(unpacked.take(2 * budget.bytes));
    let mut long_name = None;
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::XHeader => long_name = pax_path(&bounded(&mut entry)?).or(long_name),
            EntryType::GNULongName => long_name = Some(bounded(&mut entry)?),
            EntryType::XGlobalHeader => drop(bounded(&mut entry)?),
            _ => {
                let name = long_name
                    .take()
                    .unwrap_or_else(|| entry.path_bytes().into_owned());
                let name = String::from_utf8_lossy(&name);
                take(name.trim_end_matches('\0'), &mut entry, taker, budget)?;
            }
        }
    }
    Ok(())
}

fn bounded(entry: &mut impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(LONGEST_NAME + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_NAME {
        return Err(Error::other("has a name that is too long"));
    }
    Ok(bytes)
}

fn pax_path(header: &[u8]) -> Option<Vec<u8>> {
    let mut all = tar::PaxExtensions::new(header).flatten();
    let found = all.find(|one| one.key_bytes() == b"path");
    found.map(|one| one.value_bytes().to_vec())
}

/// One entry: only files directly in `package/` are looked at.
fn take(
    inside: &str,
    entry: &mut Entry<'_, impl Read>,
    taker: &mut dyn TakesFiles,
    budget: &mut Budget,
) -> Result<()> {
    let parts: Vec<Component<'_>> = Path::new(inside)
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    if !parts.iter().all(|part| matches!(part, Component::Normal(_))) {
        taker.refuse(inside, "has a path that leads out of the package");
        return budget.spend(entry.size());
    }
    let name = match parts.as_slice() {
        [top, file] if top.as_os_str() == "package" => file.as_os_str().to_string_lossy(),
        _ => return budget.spend(entry.size()),
    };
    if !is_wanted(&name, taker) {
        return budget.spend(entry.size());
    }
    if !entry.header().entry_type().is_file() {
        taker.refuse(&name, "is a link, not a file");
        return budget.spend(entry.size());
    }
    hand_over(&name, entry, taker, budget)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::packages::tests::{read, read_with};
    use super::*;
    use crate::config::{Entropy, list_packages, package_name, temporary_folder};

    /// Any name, as an attacker writes it: the tar crate would refuse some of them.
    fn header(name: &str, size: u64, kind: EntryType) -> tar::Header {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        header
    }

    fn archive(path: &Path, entries: &[(&str, Vec<u8>, EntryType)]) {
        let file = std::fs::File::create(path).expect("a file");
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        for (name, bytes, kind) in entries {
            let head = header(name, bytes.len() as u64, *kind);
            packed.write_all(head.as_bytes()).expect("written");
            packed.write_all(bytes).expect("written");
            let padding = bytes.len().next_multiple_of(512) - bytes.len();
            packed.write_all(&vec![0; padding]).expect("written");
        }
        packed.write_all(&[0; 1024]).expect("written");
        packed.finish().expect("packed");
    }

    #[test]
    fn an_archive_gives_its_definitions_and_nothing_that_leads_out() {
        let folder = temporary_folder(&Entropy::System).expect("a folder");
        let path = folder.path().join("hl7.test-1.0.0.tgz");
        let (file, long) = (EntryType::Regular, format!("ValueSet-{}.json", "a".repeat(150)));
        let pax = |path: &str| {
            let record = format!(" path={path}\n");
            format!("{}{record}", record.len() + 3).into_bytes()
        };
        archive(
            &path,
            &[
                ("package/package.json", b"{}".to_vec(), file),
                ("package/ValueSet-a.json", b"{\"a\":1}".to_vec(), file),
                ("package/Patient-a.json", b"{}".to_vec(), file),
                ("package/example/ValueSet-b.json", b"{}".to_vec(), file),
                ("package/readme.txt", b"x".to_vec(), file),
                ("../ValueSet-out.json", b"{}".to_vec(), file),
                ("/package/ValueSet-root.json", b"{}".to_vec(), file),
                ("package/ValueSet-link.json", Vec::new(), EntryType::Symlink),
                ("PaxHeader", pax(&format!("package/{long}")), EntryType::XHeader),
                ("package/ValueSet-cut.json", b"{  }".to_vec(), file),
                (
                    "long",
                    b"../../ValueSet-far.json\0".to_vec(),
                    EntryType::GNULongName,
                ),
                ("package/ValueSet-b.json", b"{}".to_vec(), file),
            ],
        );
        let taken = read(&path);
        let wanted = [
            ("package.json".to_owned(), 2),
            ("ValueSet-a.json".to_owned(), 7),
            (long, 4),
        ];
        assert_eq!(taken.files, wanted);
        assert_eq!(
            taken.refused,
            [
                "../ValueSet-out.json: has a path that leads out of the package",
                "/package/ValueSet-root.json: has a path that leads out of the package",
                "ValueSet-link.json: is a link, not a file",
                "../../ValueSet-far.json: has a path that leads out of the package",
            ]
        );
        for place in [folder.path(), &path] {
            assert_eq!(
                list_packages(place).expect("packages"),
                std::slice::from_ref(&path)
            );
        }
        assert_eq!(package_name(&path), "hl7.test-1.0.0");
    }

    #[test]
    fn what_is_too_large_or_broken_is_refused() {
        let folder = temporary_folder(&Entropy::System).expect("a folder");
        let path = folder.path().join("large.tgz");
        let bomb = |name: &'static str, bytes: usize, kind: EntryType| [(name, vec![b' '; bytes], kind)];
        for (name, bytes, kind, why) in [
            (
                "package/ValueSet-a.json",
                251_000,
                EntryType::Regular,
                "is larger than",
            ),
            (
                "package/ValueSet-a.txt",
                1_100_000,
                EntryType::Regular,
                "is larger than",
            ),
            (
                "elsewhere/deep/down",
                1_100_000,
                EntryType::Regular,
                "is larger than",
            ),
            ("long", 100_000, EntryType::GNULongName, "a name that is too long"),
            ("pax", 100_000, EntryType::XHeader, "a name that is too long"),
            (
                "pax",
                100_000,
                EntryType::XGlobalHeader,
                "a name that is too long",
            ),
        ] {
            archive(&path, &bomb(name, bytes, kind));
            let taken = read_with(&path, 1_000_000, 10);
            assert_eq!(taken.files, [], "{name}");
            assert_eq!(taken.refused.len(), 1, "{name}: {:?}", taken.refused);
            assert!(taken.refused[0].contains(why), "{name}: {:?}", taken.refused);
        }
        let many: Vec<_> = (0..11)
            .map(|_| ("package/a.txt", Vec::new(), EntryType::Regular))
            .collect();
        archive(&path, &many);
        assert_eq!(read_with(&path, 1_000_000, 10).refused.len(), 1, "too many files");
        // Lies about its size: the stream ends first.
        archive(
            &path,
            &bomb("package/ValueSet-a.json", 200_000, EntryType::Regular),
        );
        let bytes = std::fs::read(&path).expect("bytes");
        std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("written");
        assert_eq!(read(&path).refused.len(), 1, "half an archive");
        std::fs::write(&path, b"no archive").expect("written");
        assert_eq!(read(&path).refused.len(), 1, "no archive");
    }
}
