//! Hashes of archives and folders, and the record that shows whether a package was altered.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};

use super::{PackageError, PackageId};

pub(crate) const RECORD: &str = ".epr-integrity.json";

/// What `epr` wrote beside a package when it installed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrityRecord {
    /// The package, `name@version`.
    pub package: String,
    /// Where the archive came from.
    pub from: String,
    /// The package whose conformance resources stand in for this one, `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_in: Option<String>,
    /// Integrity of the archive, `sha512-<base64>`.
    pub integrity: String,
    /// SHA-256 over the files, hexadecimal; see [`ContentHasher`].
    pub sha256: String,
}

/// A hash over named files: SHA-256 of one line `<sha256 of the file>  <path>` a file, sorted by path, as `sha256sum` writes them.
#[derive(Debug, Default)]
pub(crate) struct ContentHasher {
    lines: Vec<(String, String)>,
}

impl ContentHasher {
    pub(crate) fn add(&mut self, path: &str, bytes: &[u8]) {
        self.lines.push((path.to_owned(), hex(&Sha256::digest(bytes))));
    }

    pub(crate) fn finish(mut self) -> String {
        self.lines.sort_unstable();
        let mut hasher = Sha256::new();
        for (path, hash) in &self.lines {
            hasher.update(format!("{hash}  {path}\n"));
        }
        hex(&hasher.finalize())
    }
}

/// Every file below a folder: path with `/`, and where it is; sorted.
///
/// Names that start with a dot are passed over: other tools write their own indexes (`.index.json`) into packages.
pub(crate) fn list_files(folder: &Path) -> Result<Vec<(String, PathBuf)>, PackageError> {
    let mut files = Vec::new();
    let mut open = vec![(String::new(), folder.to_owned())];
    while let Some((prefix, folder)) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(PackageError::disk("list", &folder))? {
            let entry = entry.map_err(PackageError::disk("list", &folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let kind = entry.file_type().map_err(PackageError::disk("look at", &entry.path()))?;
            if kind.is_dir() {
                open.push((format!("{prefix}{name}/"), entry.path()));
            } else if kind.is_file() {
                files.push((format!("{prefix}{name}"), entry.path()));
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

pub(super) fn hash_folder(folder: &Path) -> Result<String, PackageError> {
    let mut hasher = ContentHasher::default();
    for (path, file) in list_files(folder)? {
        hasher.add(&path, &fs::read(&file).map_err(PackageError::disk("read", &file))?);
    }
    Ok(hasher.finish())
}

pub(super) fn read_record(folder: &Path) -> Result<Option<IntegrityRecord>, PackageError> {
    let path = folder.join(RECORD);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(PackageError::disk("read", &path)(error)),
    };
    match serde_json::from_slice(&bytes) {
        Ok(record) => Ok(Some(record)),
        Err(error) => Err(PackageError::BadFile { path, what: format!("it is no integrity record ({error})") }),
    }
}

pub(super) fn write_record(folder: &Path, record: &IntegrityRecord) -> Result<(), PackageError> {
    let path = folder.join(RECORD);
    let mut text = serde_json::to_vec_pretty(record).expect("a record of strings is always JSON");
    text.push(b'\n');
    fs::write(&path, text).map_err(PackageError::disk("write", &path))
}

/// Compares a content hash with the record of the package, where there is one.
pub(crate) fn check_record(
    id: &PackageId,
    folder: &Path,
    found: &str,
) -> Result<Option<IntegrityRecord>, PackageError> {
    let record = read_record(folder)?;
    if let Some(record) = &record
        && record.sha256 != found
    {
        return Err(PackageError::Altered {
            id: id.to_string(),
            folder: folder.to_owned(),
            recorded: record.sha256.clone(),
            found: found.to_owned(),
        });
    }
    Ok(record)
}

/// The integrity of bytes as npm writes it: `sha512-<base64>`.
pub(super) fn sha512_integrity(bytes: &[u8]) -> String {
    format!("sha512-{}", base64(&Sha512::digest(bytes)))
}

/// The SHA-1 of bytes, hexadecimal: all that some FHIR registries promise.
pub(super) fn shasum(bytes: &[u8]) -> String {
    sha1_smol::Sha1::from(bytes).digest().to_string()
}

/// The `sha512-…` of an integrity text, which may hold several hashes apart by spaces.
pub(super) fn sha512_part(integrity: &str) -> Option<&str> {
    integrity.split_whitespace().find(|part| part.len() == 95 && part.starts_with("sha512-"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().enumerate().fold(0_u32, |group, (at, byte)| group | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_the_rfc_says() {
        let encoded = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn an_integrity_text_may_hold_several_hashes() {
        let ours = sha512_integrity(b"");
        assert_eq!(sha512_part(&format!("sha1-xyz {ours}")), Some(ours.as_str()));
        assert_eq!(sha512_part("sha1-xyz"), None);
    }

    #[test]
    fn the_content_hash_does_not_depend_on_the_order_of_files() {
        let (mut one, mut other) = (ContentHasher::default(), ContentHasher::default());
        one.add("a", b"1");
        one.add("b", b"2");
        other.add("b", b"2");
        other.add("a", b"1");
        assert_eq!(one.finish(), other.finish());
    }
}
