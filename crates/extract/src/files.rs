//! The files of a source: one file or a folder and a pattern, always in the order of their names.

use std::path::{Path, PathBuf};

use crate::ExtractError;
use crate::source::Source;

/// The files below the source's `path` that match `pattern` (`*` stands for any text, `?` for one character), sorted
/// by name. Where `path` is a file it is the only one, whatever the pattern. Folders inside are not entered.
pub fn matching(source: &Source, pattern: &str) -> Result<Vec<PathBuf>, ExtractError> {
    let Some(path) = &source.path else {
        return Err(ExtractError::Project {
            name: source.name.clone(),
            reason: format!("a source of kind {} needs `path`: a folder or a file", source.kind.as_str()),
        });
    };
    if path.is_file() {
        return Ok(vec![path.clone()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(ExtractError::io("list", path))? {
        let file = entry.map_err(ExtractError::io("list", path))?.path();
        if file.is_file() && matches_pattern(pattern, &name(&file)) {
            found.push(file);
        }
    }
    found.sort();
    Ok(found)
}

/// As [`matching`], for files that match one of several patterns whatever their case. What spreadsheet programs leave
/// beside an open workbook (`~$…`, `.~lock…`) and hidden files are no files of a source.
pub fn matching_any(source: &Source, patterns: &[String]) -> Result<Vec<PathBuf>, ExtractError> {
    let patterns: Vec<String> = patterns.iter().map(|pattern| pattern.to_lowercase()).collect();
    let is_file = source.path.as_ref().is_some_and(|path| path.is_file());
    let mut found = matching(source, "*")?;
    found.retain(|file| {
        let name = name(file).to_lowercase();
        let is_wanted = !name.starts_with("~$") && !name.starts_with('.');
        is_file || is_wanted && patterns.iter().any(|pattern| matches_pattern(pattern, &name))
    });
    Ok(found)
}

/// The file's name, for messages and issues.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub(crate) fn matches_pattern(pattern: &str, name: &str) -> bool {
    let mut pattern_rest = pattern.chars();
    match pattern_rest.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = pattern_rest.as_str();
            name.char_indices().map(|(i, _)| i).chain([name.len()]).any(|i| matches_pattern(rest, &name[i..]))
        }
        Some(expected) => {
            let mut name_rest = name.chars();
            name_rest.next().is_some_and(|c| {
                (expected == '?' || c == expected) && matches_pattern(pattern_rest.as_str(), name_rest.as_str())
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_names() {
        for (pattern, name, expected) in [
            ("*.xml", "a.xml", true),
            ("*.xml", "a.xml.bak", false),
            ("*.xml", ".xml", true),
            ("r?f*.csv", "referrals-é.csv", true),
            ("a.csv", "b.csv", false),
            ("*", "", true),
        ] {
            assert_eq!(matches_pattern(pattern, name), expected, "{pattern} {name}");
        }
    }
}
