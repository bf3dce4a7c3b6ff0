//! The files of the mappings folder, read once, so that nothing after this touches a disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::diagnostics::Sources;

/// Files beyond this are not mapping files.
const MAX_BYTES: u64 = 16 << 20;

/// Why the mappings folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{path} could not be read; nothing was changed; check `project.mappings` in epr.toml", path = path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is not UTF-8 text; nothing was changed; save it as UTF-8", path = path.display())]
    NotText { path: PathBuf },
    #[error("{path} is {n_bytes} bytes, too many for a mapping or a code map; nothing was changed", path = path.display())]
    TooLong { path: PathBuf, n_bytes: u64 },
    #[error("there is no pack {pack} in {root}; nothing was changed; a pack is a folder <ods>/<system>", root = root.display())]
    NoPack { pack: String, root: PathBuf },
}

/// Reads every `.yaml` and `.csv` below the mappings folder: the pack's own files, and whatever it extends, refers
/// to or shares. `shown_as` is what messages put before the paths, such as `mappings/`.
pub fn load_pack(root: &Path, pack: &str, shown_as: &str) -> Result<Sources, LoadError> {
    if !root.join(pack).is_dir() {
        return Err(LoadError::NoPack { pack: pack.to_owned(), root: root.to_owned() });
    }
    let mut sources = Sources::new(shown_as);
    read_folder(root, "", &mut sources)?;
    Ok(sources)
}

fn read_folder(folder: &Path, below: &str, sources: &mut Sources) -> Result<(), LoadError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| LoadError::Unreadable { path, source }
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail(folder))? {
        entries.push(entry.map_err(fail(folder))?.path());
    }
    entries.sort();
    for path in entries {
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        if name.starts_with('.') {
            continue;
        }
        let shown = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        if path.is_dir() {
            read_folder(&path, &shown, sources)?;
        } else if matches!(path.extension().and_then(|e| e.to_str()), Some("yaml" | "csv")) {
            let n_bytes = fs::metadata(&path).map_err(fail(&path))?.len();
            if n_bytes > MAX_BYTES {
                return Err(LoadError::TooLong { path, n_bytes });
            }
            let bytes = fs::read(&path).map_err(fail(&path))?;
            let text = String::from_utf8(bytes).map_err(|_| LoadError::NotText { path: path.clone() })?;
            sources.add(&shown, &text);
        }
    }
    Ok(())
}

/// The path that `named` means in a file: relative to that file's folder, with `.` and `..` taken away. `None` when
/// it leads out of the mappings folder.
pub(crate) fn relative(from_file: &str, named: &str) -> Option<String> {
    let mut parts: Vec<&str> = from_file.split('/').collect();
    parts.pop();
    for part in named.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_counts_from_the_file_that_names_it() {
        assert_eq!(relative("rk9/ipm/patient.yaml", "codes/sex.csv").as_deref(), Some("rk9/ipm/codes/sex.csv"));
        assert_eq!(relative("rk9/ipm/patient.yaml", "../../codes/sex.csv").as_deref(), Some("codes/sex.csv"));
        assert_eq!(relative("patient.yaml", "../x.csv"), None);
    }
}
