//! `audit.ndjson`: append-only; each line holds the hash of the line before it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::whole_file::Access;
use crate::{RunError, Sha256Hex};

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// From 1.
    pub seq: u64,
    /// RFC 3339.
    pub at: String,
    pub who: String,
    /// `run-begun`, `stage-finished`, `signed` …
    pub event: String,
    /// Counts, hashes and names; never a value of the data.
    pub details: Map<String, Value>,
    /// SHA-256 of the line before, as it stands; 64 zeros for the first.
    pub previous: String,
}

/// Appends an entry to `<run>/audit.ndjson`. The caller holds the run's lock.
pub fn append(run: &Path, at: &str, who: &str, event: &str, details: Map<String, Value>) -> Result<(), RunError> {
    let path = run.join("audit.ndjson");
    let last = verify(run)?;
    let entry = AuditEntry {
        seq: last.n_entries + 1,
        at: at.to_owned(),
        who: who.to_owned(),
        event: event.to_owned(),
        details,
        previous: last.hash,
    };
    let mut line = serde_json::to_vec(&entry).expect("an audit entry has text keys only");
    line.push(b'\n');
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(Access::Group.mode())
        .open(&path)
        .map_err(RunError::io("open", &path))?;
    file.write_all(&line).and_then(|()| file.sync_all()).map_err(RunError::io("append to", &path))
}

/// The end of a chain that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEnd {
    pub n_entries: u64,
    /// SHA-256 of the last line.
    pub hash: String,
}

/// Walks the chain from its first line. [`RunError::Altered`] names the first line that does not fit.
///
/// A last line without an end, as a kill in mid-write leaves it, is an altered log too: nothing is mended in silence.
pub fn verify(run: &Path) -> Result<ChainEnd, RunError> {
    let path = run.join("audit.ndjson");
    let mut end = ChainEnd { n_entries: 0, hash: "0".repeat(64) };
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(end),
        Err(e) => return Err(RunError::io("read", &path)(e)),
    };
    let altered = |n: u64| RunError::Altered { path: path.clone(), what: format!("line {n} does not fit the chain") };
    for line in text.split_inclusive(|b| *b == b'\n') {
        let n = end.n_entries + 1;
        let body = line.strip_suffix(b"\n").ok_or_else(|| altered(n))?;
        let entry: AuditEntry = serde_json::from_slice(body).map_err(|_| altered(n))?;
        if entry.seq != n || entry.previous != end.hash {
            return Err(altered(n));
        }
        end = ChainEnd { n_entries: n, hash: Sha256Hex::of_bytes(body).to_string() };
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_line_breaks_the_chain() {
        let run = tempfile::tempdir().unwrap();
        for event in ["run-begun", "stage-finished", "signed"] {
            append(run.path(), "2026-11-01T00:00:00Z", "tester", event, Map::new()).unwrap();
        }
        assert_eq!(verify(run.path()).unwrap().n_entries, 3);

        let path = run.path().join("audit.ndjson");
        let text = fs::read_to_string(&path).unwrap().replace("stage-finished", "stage-finishes");
        fs::write(&path, text).unwrap();
        let error = verify(run.path()).unwrap_err();
        assert!(error.to_string().ends_with("line 3 does not fit the chain"), "{error}");
    }
}
