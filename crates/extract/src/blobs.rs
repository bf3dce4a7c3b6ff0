//! Cells too large for a table: files in `1-extract/blobs/`, named by the SHA-256 of what they hold.

use std::path::PathBuf;

use epr_run::whole_file::{self, Access};
use epr_run::{Sha256Hex, StageFolder};

use crate::ExtractError;

/// Cells above this do not stand in a table.
pub const LARGEST_CELL_BYTES: usize = 1024 * 1024;

/// Where the blobs of one run go. Equal content is one file.
#[derive(Debug)]
pub struct BlobStore {
    folder: PathBuf,
}

impl BlobStore {
    pub fn new(stage: &StageFolder) -> Self {
        Self { folder: stage.path().join("blobs") }
    }

    /// Keeps `content`; returns the reference that stands in its place.
    pub fn keep(&self, content: &[u8]) -> Result<String, ExtractError> {
        let name = Sha256Hex::of_bytes(content).to_string();
        let path = self.folder.join(&name);
        if !path.is_file() {
            std::fs::create_dir_all(&self.folder).map_err(ExtractError::io("create", &self.folder))?;
            whole_file::write(&path, content, Access::Restricted)?;
        }
        Ok(name)
    }
}
