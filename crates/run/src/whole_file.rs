//! One file, written under a temporary name and renamed when it is complete.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::RunError;

/// Who may read a file that a run writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// 0600: the file holds, or may hold, values of patients' data.
    Restricted,
    /// 0640: the file is for the group that the project names.
    Group,
}

impl Access {
    pub const fn mode(self) -> u32 {
        match self {
            Self::Restricted => 0o600,
            Self::Group => 0o640,
        }
    }
}

/// Creates a file with the mode that `access` asks for, whatever the umask would widen.
pub fn create(path: &Path, access: Access) -> Result<File, RunError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(access.mode())
        .open(path)
        .map_err(RunError::io("create", path))
}

/// Writes `bytes` to `path` under a temporary name, then renames; a reader sees the old file or the new one.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> Result<(), RunError> {
    let temporary = temporary_name(path);
    let mut file = create(&temporary, access)?;
    file.write_all(bytes).map_err(RunError::io("write", &temporary))?;
    file.sync_all().map_err(RunError::io("flush to disk", &temporary))?;
    drop(file);
    fs::rename(&temporary, path).map_err(RunError::io("rename into place", path))
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".partial");
    path.with_file_name(name)
}
