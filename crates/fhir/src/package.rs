//! FHIR packages: ids, the cache folder on disk, and installing from a registry.
//!
//! | what you want to find | module |
//! |---|---|
//! | installing, and what stands in for a package that no registry has | [`install`](mod@install) |
//! | asking a registry | `registry` |
//! | unpacking an archive safely | `archive` |
//! | hashes, and the record that shows an altered package | `integrity` |
//! | a package given by path | [`source`] |

mod archive;
pub mod install;
mod integrity;
mod registry;
pub mod source;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use install::{DEFAULT_REGISTRIES, Fallback, Installed, Progress, R4_CORE_FALLBACK, install, install_archive};
pub use integrity::IntegrityRecord;
pub use source::PackageSource;

/// Name and version of a FHIR package, written `hl7.fhir.r4.core@4.0.1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId {
    /// The name, such as `hl7.fhir.r4.core`.
    pub name: String,
    /// The exact version, such as `4.0.1`.
    pub version: String,
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

impl FromStr for PackageId {
    type Err = PackageError;

    /// Reads `name@version` or `name#version`. Both become parts of a folder name, so only safe characters are let in.
    fn from_str(text: &str) -> Result<Self, PackageError> {
        let bad = || PackageError::BadId { text: text.to_owned() };
        let (name, version) = text.split_once(['@', '#']).ok_or_else(bad)?;
        let is_safe = |part: &str| {
            part.len() <= 128
                && part.starts_with(|first: char| first.is_ascii_alphanumeric())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte))
        };
        if is_safe(name) && is_safe(version) {
            Ok(Self { name: name.to_owned(), version: version.to_owned() })
        } else {
            Err(bad())
        }
    }
}

/// Why a package could not be found, installed or trusted.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Not a package id.
    #[error("`{text}` is not a package id; write it as name@version, such as hl7.fhir.r4.core@4.0.1")]
    BadId {
        /// What was given.
        text: String,
    },
    /// The cache does not have the package.
    #[error("the package {id} is not in {}; `epr packages install {id}` fetches it", root.display())]
    NotInstalled {
        /// The package.
        id: String,
        /// The cache.
        root: PathBuf,
    },
    /// The files are not those that were installed.
    #[error(
        "the package {id} in {} was altered since it was installed (its files hash to {found}, the record says {recorded}); \
         nothing was loaded; delete the folder and run `epr packages install {id}`",
        folder.display()
    )]
    Altered {
        /// The package.
        id: String,
        /// Its folder.
        folder: PathBuf,
        /// The recorded SHA-256.
        recorded: String,
        /// The SHA-256 of what is there.
        found: String,
    },
    /// No registry could give the package.
    #[error("no registry has {id}; nothing was installed; tried: {}", tried.join("; "))]
    NotFound {
        /// The package.
        id: String,
        /// Each registry and why it could not.
        tried: Vec<String>,
    },
    /// The archive is not the one that was promised.
    #[error("the archive of {id} from {url} has integrity {found}, not {expected}; nothing was installed")]
    Integrity {
        /// The package.
        id: String,
        /// Where it was downloaded.
        url: String,
        /// What was promised.
        expected: String,
        /// What came.
        found: String,
    },
    /// An integrity text of no known form.
    #[error("the integrity given for {id} is not of the form sha512-<base64>; nothing was installed")]
    BadIntegrity {
        /// The package.
        id: String,
    },
    /// The archive is no sound package.
    #[error("{origin} is not a sound FHIR package: {what}; nothing was installed")]
    BadArchive {
        /// Where the archive came from.
        origin: String,
        /// What is wrong with it.
        what: String,
    },
    /// A file that is not what it should be.
    #[error("{} cannot be used: {what}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The disk failed.
    #[error("could not {doing} {}", path.display())]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl PackageError {
    pub(crate) fn disk(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Disk { doing, path, source }
    }
}

/// A folder of packages in the layout that all FHIR tools share: `<root>/<name>#<version>/package/…`.
///
/// What `epr` adds of its own (compiled packs, locks) is in `<root>/.epr`.
#[derive(Debug, Clone)]
pub struct PackageCache {
    root: PathBuf,
}

/// A package that is in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedPackage {
    /// Name and version.
    pub id: PackageId,
    /// Its folder.
    pub folder: PathBuf,
    /// What `epr` recorded when it installed it; absent for a package that somebody placed there.
    pub record: Option<IntegrityRecord>,
}

/// What a check of the whole content of a cached package found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// SHA-256 over its files, hexadecimal.
    pub sha256: String,
    /// What `epr` recorded when it installed it; absent for a package that somebody placed there, which is accepted as it is.
    pub record: Option<IntegrityRecord>,
}

impl PackageCache {
    /// The cache in a folder, which need not exist yet.
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder of the cache.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a package is, or would be.
    pub fn folder(&self, id: &PackageId) -> PathBuf {
        self.root.join(format!("{}#{}", id.name, id.version))
    }

    /// Whether a package is there.
    pub fn has(&self, id: &PackageId) -> bool {
        self.folder(id).join("package").is_dir()
    }

    /// All packages in the cache, sorted. Folders that are none are passed over.
    pub fn list(&self) -> Result<Vec<CachedPackage>, PackageError> {
        let entries = match std::fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(PackageError::disk("list", &self.root)(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(PackageError::disk("list", &self.root))?;
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if self.has(&id) {
                found.push(CachedPackage { folder: entry.path(), record: integrity::read_record(&entry.path())?, id });
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    /// Reads every file of a package and compares with the record: what `install`, `list` and `doctor` ask.
    ///
    /// Returns [`PackageError::NotInstalled`] and [`PackageError::Altered`].
    pub fn verify(&self, id: &PackageId) -> Result<Verified, PackageError> {
        let folder = self.present(id)?;
        let sha256 = integrity::hash_folder(&folder.join("package"))?;
        let record = integrity::check_record(id, &folder, &sha256)?;
        Ok(Verified { sha256, record })
    }

    /// SHA-256 over the files of a package, hexadecimal, compared with the record as [`PackageCache::verify`] does.
    pub fn content_hash(&self, id: &PackageId) -> Result<String, PackageError> {
        Ok(self.verify(id)?.sha256)
    }

    /// The folder of a package that must be there.
    pub(crate) fn present(&self, id: &PackageId) -> Result<PathBuf, PackageError> {
        if self.has(id) {
            Ok(self.folder(id))
        } else {
            Err(PackageError::NotInstalled { id: id.to_string(), root: self.root.clone() })
        }
    }

    /// The folder for what `epr` adds of its own.
    pub fn own_folder(&self) -> PathBuf {
        self.root.join(".epr")
    }
}

pub(crate) use integrity::{ContentHasher, RECORD, check_record, hex, list_files};
