//! Unpacking a package archive: regular files below `package/` only, bounded in number and size.

use std::io::Read;
use std::path::Component;

use flate2::read::GzDecoder;

/// More files than any package has; the largest known has some 30,000.
const FILES_LIMIT: usize = 200_000;
/// Bytes of one file.
const FILE_LIMIT: u64 = 512 << 20;
/// Bytes of all files.
const TOTAL_LIMIT: u64 = 8 << 30;

/// Calls `each` with the path (with `/`, such as `package/package.json`) and the bytes of every file of a `.tgz`.
///
/// The error says in words what is wrong. A path that leads out of the folder, a link, or a device refuses the whole archive.
pub(super) fn for_each_file(
    tgz: &[u8],
    mut each: impl FnMut(&str, Vec<u8>) -> Result<(), super::PackageError>,
) -> Result<(), ArchiveFault> {
    let mut archive = tar::Archive::new(GzDecoder::new(tgz));
    let broken =
        |error: std::io::Error| ArchiveFault::Unsound(format!("the archive breaks off or is damaged ({error})"));
    let (mut n_files, mut total) = (0_usize, 0_u64);
    for entry in archive.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        if !kind.is_file() {
            return Err(ArchiveFault::Unsound("it holds a link or a special file".to_owned()));
        }
        let path = safe_path(&entry.path().map_err(broken)?)?;
        n_files += 1;
        if n_files > FILES_LIMIT {
            return Err(ArchiveFault::Unsound(format!("it holds more than {FILES_LIMIT} files")));
        }
        let mut bytes = Vec::new();
        entry.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(broken)?;
        total += bytes.len() as u64;
        if bytes.len() as u64 > FILE_LIMIT || total > TOTAL_LIMIT {
            return Err(ArchiveFault::Unsound("it is larger than any package".to_owned()));
        }
        each(&path, bytes).map_err(ArchiveFault::Package)?;
    }
    if n_files == 0 {
        return Err(ArchiveFault::Unsound("it holds no files".to_owned()));
    }
    Ok(())
}

/// Why an archive could not be unpacked.
pub(super) enum ArchiveFault {
    /// It is not sound, in words.
    Unsound(String),
    /// What was done with a file failed.
    Package(super::PackageError),
}

impl ArchiveFault {
    pub(super) fn at(self, origin: &str) -> super::PackageError {
        match self {
            Self::Unsound(what) => super::PackageError::BadArchive { origin: origin.to_owned(), what },
            Self::Package(error) => error,
        }
    }
}

fn safe_path(path: &std::path::Path) -> Result<String, ArchiveFault> {
    let unsafe_path = || ArchiveFault::Unsound("it holds a path that leads out of its folder".to_owned());
    let mut steps = Vec::new();
    for step in path.components() {
        match step {
            Component::Normal(step) => {
                let step = step.to_str().ok_or_else(unsafe_path)?;
                if step.contains(['\\', ':', '\0']) {
                    return Err(unsafe_path());
                }
                steps.push(step);
            }
            Component::CurDir => {}
            _ => return Err(unsafe_path()),
        }
    }
    if steps.is_empty() { Err(unsafe_path()) } else { Ok(steps.join("/")) }
}
