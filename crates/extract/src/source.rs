//! What a source is, as the project file gives it.

use std::path::PathBuf;

use epr_model::Sensitive;
use epr_run::Sha256Hex;
use epr_run::folder::OldSignature;

/// What the stage reads.
#[derive(Debug, Clone)]
pub struct ExtractInput {
    pub run_hash: Sha256Hex,
    /// In the order of the project file.
    pub sources: Vec<Source>,
    /// Rows fetched from a database at once, at most. The staged bytes do not depend on it.
    pub batch_rows: usize,
    /// RFC 3339, where a source or the project knows it.
    pub cut_off: Option<String>,
    pub old_signature: OldSignature,
}

/// One `[source.<name>]` of the project.
#[derive(Debug, Clone)]
pub struct Source {
    /// The name in the project, and the folder below `1-extract`.
    pub name: String,
    pub organisation: String,
    pub system: String,
    pub kind: SourceKind,
    /// Databases: a driver's name (`SQLite3`) or the path of its library.
    pub driver: Option<String>,
    /// Databases: the file (SQLite) or the database's name.
    pub database: Option<PathBuf>,
    /// Databases: a whole connection string, from the environment or a file; it may hold a password.
    pub connection: Option<Sensitive<String>>,
    /// Databases: the files that name drivers, see [`crate::odbc::driver::default_configurations`].
    pub odbc_configurations: Vec<PathBuf>,
    /// Files: a folder or one file.
    pub path: Option<PathBuf>,
    /// The source spec, for messages.
    pub spec_path: PathBuf,
    pub spec_text: String,
}

impl Source {
    /// The pack that the source's schema belongs to: `<ods>/<system>`, from the place of its spec.
    pub fn pack(&self) -> String {
        let stem = self.spec_path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match self.spec_path.parent().and_then(|p| p.file_name()) {
            Some(folder) => format!("{}/{stem}", folder.to_string_lossy()),
            None => stem,
        }
    }
}

/// How a source is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    Odbc,
    Xml,
    Csv,
    Sheet,
    Fixed,
    Fhir,
}

impl SourceKind {
    pub const ALL: [Self; 6] = [Self::Odbc, Self::Xml, Self::Csv, Self::Sheet, Self::Fixed, Self::Fhir];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Odbc => "odbc",
            Self::Xml => "xml",
            Self::Csv => "csv",
            Self::Sheet => "sheet",
            Self::Fixed => "fixed",
            Self::Fhir => "fhir",
        }
    }

    /// Reads `kind = "…"` of the project file.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == code)
    }
}
