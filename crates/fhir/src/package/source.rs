//! A package given by path: an archive, a folder, or one definition file.

use std::fs;
use std::path::{Path, PathBuf};

use super::{PackageError, archive, integrity};

/// The files of a package that is not in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSource {
    /// The path it was read from.
    pub path: PathBuf,
    /// SHA-256 over the files, hexadecimal.
    pub sha256: String,
    /// The definition files: name, and bytes. JSON, and XML where the name ends in `.xml`; sorted by name.
    pub files: Vec<(String, Vec<u8>)>,
}

impl PackageSource {
    /// Reads a `.tgz` or `.tar.gz`, a folder, or a single file.
    ///
    /// Of an archive, the files in `package/` are taken; of a folder, those in its `package/`, or else its own. Folders
    /// further down (`example/`, `other/`) hold no definitions and are passed over.
    pub fn open(path: &Path) -> Result<Self, PackageError> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let kind = fs::metadata(path).map_err(PackageError::disk("look at", path))?;
        let mut files = if kind.is_dir() {
            read_folder(path)?
        } else {
            let bytes = fs::read(path).map_err(PackageError::disk("read", path))?;
            if bytes.starts_with(b"\x1f\x8b") { read_archive(path, &bytes)? } else { vec![(name, bytes)] }
        };
        files.sort_unstable();
        let mut hasher = integrity::ContentHasher::default();
        for (name, bytes) in &files {
            hasher.add(name, bytes);
        }
        Ok(Self { path: path.to_owned(), sha256: hasher.finish(), files })
    }

    /// Whether any of its files is XML.
    pub(crate) fn has_xml(&self) -> bool {
        self.files.iter().any(|(name, _)| is_xml(name))
    }
}

fn read_folder(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, PackageError> {
    let inner = folder.join("package");
    let folder = if inner.is_dir() { &inner } else { folder };
    integrity::list_files(folder)?
        .into_iter()
        .filter(|(name, _)| is_definition_file(name))
        .map(|(name, path)| Ok((name, fs::read(&path).map_err(PackageError::disk("read", &path))?)))
        .collect()
}

fn read_archive(path: &Path, tgz: &[u8]) -> Result<Vec<(String, Vec<u8>)>, PackageError> {
    let mut files = Vec::new();
    archive::for_each_file(tgz, |name, bytes| {
        if let Some(name) = name.strip_prefix("package/").filter(|name| is_definition_file(name)) {
            files.push((name.to_owned(), bytes));
        }
        Ok(())
    })
    .map_err(|fault| fault.at(&path.display().to_string()))?;
    Ok(files)
}

/// Whether a name inside a package may hold a definition: JSON or XML, directly in the folder, and not the manifest.
fn is_definition_file(name: &str) -> bool {
    is_json_definition(name) || (is_xml(name) && !name.contains('/'))
}

/// Whether a file is XML by its name.
pub(crate) fn is_xml(name: &str) -> bool {
    extension(name).eq_ignore_ascii_case("xml")
}

/// Whether a name inside a package may hold a definition in JSON.
pub(crate) fn is_json_definition(name: &str) -> bool {
    extension(name).eq_ignore_ascii_case("json")
        && !name.contains('/')
        && !name.starts_with('.')
        && name != "package.json"
}

fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}
