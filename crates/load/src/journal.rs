//! What was sent to a live target and what it answered: one SQLite file that outlives every run.
//!
//! An intent is on disk before a bundle goes out, the answer before the next one is counted. So after a kill at any
//! moment the journal names every resource of which it is not known whether the target has it.
//! The file is `state/<target>/journal.sqlite`; it holds ids, hashes and versions, no content.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use epr_model::ResourceId;
use rusqlite::{Connection, OptionalExtension, params};

/// The version of the tables that this version of epr writes.
const SCHEMA: i64 = 1;

/// A journal that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("could not {action} the journal {path}")]
    Sqlite {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("could not make the folder of the journal {path}")]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is a journal of another version of epr")]
    OtherVersion { path: PathBuf },
    #[error("{path} is the journal of another server than the one that the target's address names now")]
    OtherServer { path: PathBuf },
}

/// What became of a resource, as far as the journal knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The intent was written; no answer yet.
    Sent,
    Confirmed,
    /// Confirmed by an earlier load, and the same now.
    Unchanged,
    Rejected,
    InDoubt,
    Edited,
    Blocked,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Confirmed => "confirmed",
            Self::Unchanged => "unchanged",
            Self::Rejected => "rejected",
            Self::InDoubt => "in_doubt",
            Self::Edited => "edited",
            Self::Blocked => "blocked",
        }
    }

    fn from_code(code: &str) -> Option<Self> {
        [Self::Sent, Self::Confirmed, Self::Unchanged, Self::Rejected, Self::InDoubt, Self::Edited, Self::Blocked]
            .into_iter()
            .find(|state| state.as_str() == code)
    }
}

/// Why a target rejected a resource, as far as it may be told: no text of the target's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reason {
    /// The HTTP status.
    pub status: Option<u16>,
    /// `OperationOutcome.issue.code`.
    pub code: Option<String>,
    /// `OperationOutcome.issue.expression`, where it is a plain path.
    pub path: Option<String>,
}

/// What the journal knows of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the target confirmed last: the hash of the content, and its version of it.
    pub confirmed: Option<Confirmed>,
    /// The hash of what was sent and not answered.
    pub sent: Option<[u8; 32]>,
    pub state: State,
    /// The number of the load in which the state was reached.
    pub load: i64,
    pub reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    pub hash: [u8; 32],
    pub version: Option<String>,
}

/// A state to be written.
#[derive(Debug, Clone, Copy)]
pub struct Note<'a> {
    pub resource_type: &'a str,
    pub id: ResourceId,
    pub state: State,
    /// What the target has now: of states confirmed and unchanged.
    pub confirmed: Option<&'a Confirmed>,
    pub reason: Option<&'a Reason>,
}

/// The journal of one target, open.
pub struct Journal {
    path: PathBuf,
    connection: Connection,
    types: HashMap<String, i64>,
    load: i64,
}

impl Journal {
    /// Opens the journal, or makes a new one. `server` is a hash of the target's address.
    pub fn open(path: &Path, server: &str) -> Result<Self, JournalError> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|source| JournalError::Folder { path: path.to_owned(), source })?;
        }
        let failed = |action| {
            let path = path.to_owned();
            move |source| JournalError::Sqlite { action, path, source }
        };
        let connection = Connection::open(path).map_err(failed("open"))?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(failed("open"))?;
        // A power cut may not take back what a target was told: every commit is on disk.
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;").map_err(failed("set up"))?;
        connection.execute_batch(TABLES).map_err(failed("set up"))?;
        let mut journal = Self { path: path.to_owned(), connection, types: HashMap::new(), load: 0 };
        match journal.meta("schema")? {
            None => journal.set_meta("schema", &SCHEMA.to_string())?,
            Some(found) if found == SCHEMA.to_string() => {}
            Some(_) => return Err(JournalError::OtherVersion { path: path.to_owned() }),
        }
        match journal.meta("server")? {
            None => journal.set_meta("server", server)?,
            Some(found) if found == server => {}
            Some(_) => return Err(JournalError::OtherServer { path: path.to_owned() }),
        }
        {
            let mut statement = journal.connection.prepare("SELECT name, no FROM types").map_err(failed("read"))?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed("read"))?;
            journal.types = rows.collect::<Result<_, _>>().map_err(failed("read"))?;
        }
        journal.load = journal.meta("load")?.and_then(|n| n.parse().ok()).unwrap_or(0);
        Ok(journal)
    }

    /// Begins a load of what `key` names, or goes on with the unfinished one of the same key.
    pub fn begin_load(&mut self, key: &str) -> Result<(), JournalError> {
        let unfinished = self.meta("unfinished")?;
        if unfinished.as_deref() != Some(key) {
            self.load += 1;
            self.set_meta("load", &self.load.to_string())?;
            self.set_meta("unfinished", key)?;
        }
        Ok(())
    }

    /// The load is whole: the next one is another.
    pub fn end_load(&mut self) -> Result<(), JournalError> {
        self.set_meta("unfinished", "")
    }

    /// The number of the load at work.
    pub fn load(&self) -> i64 {
        self.load
    }

    pub fn get(&self, resource_type: &str, id: ResourceId) -> Result<Option<Entry>, JournalError> {
        let Some(type_no) = self.types.get(resource_type) else { return Ok(None) };
        self.connection
            .prepare_cached(
                "SELECT hash, version, sent, state, load, status, code, path FROM resources WHERE type = ? AND id = ?",
            )
            .and_then(|mut statement| statement.query_row(params![type_no, id.as_bytes()], read_entry).optional())
            .map_err(self.failed("read"))
    }

    /// The ids of one type of which it is not known whether the target has them.
    pub fn unanswered(&self) -> Result<Vec<(String, ResourceId)>, JournalError> {
        self.connection
            .prepare("SELECT t.name, r.id FROM resources r JOIN types t ON t.no = r.type WHERE r.sent IS NOT NULL")
            .and_then(|mut statement| {
                statement
                    .query_map([], |row| Ok((row.get(0)?, ResourceId::from_bytes(row.get(1)?))))?
                    .collect::<Result<Vec<_>, _>>()
            })
            .map_err(self.failed("read"))
    }

    /// How many resources of each type the target confirmed, ever.
    pub fn n_known(&self, resource_type: &str) -> Result<u64, JournalError> {
        let Some(type_no) = self.types.get(resource_type) else { return Ok(0) };
        self.connection
            .query_row(
                "SELECT count(*) FROM resources WHERE type = ? AND (hash IS NOT NULL OR sent IS NOT NULL)",
                [type_no],
                |row| row.get::<_, i64>(0),
            )
            .map(|n| u64::try_from(n).unwrap_or_default())
            .map_err(self.failed("read"))
    }

    /// The number of the last bundle, over all loads.
    pub fn last_bundle(&self) -> Result<i64, JournalError> {
        self.connection
            .query_row("SELECT coalesce(max(bundle), 0) FROM resources", [], |row| row.get(0))
            .map_err(self.failed("read"))
    }

    /// Writes down that these are about to be sent, with the hashes of what is sent.
    pub fn intend<'a>(
        &mut self,
        bundle: i64,
        resources: impl IntoIterator<Item = (&'a str, ResourceId, &'a [u8; 32])>,
    ) -> Result<(), JournalError> {
        let resources: Vec<_> = resources.into_iter().collect();
        for (resource_type, _, _) in &resources {
            self.type_no(resource_type)?;
        }
        let failed = self.failed("write to");
        let load = self.load;
        let types = &self.types;
        let mut write = || {
            let transaction = self.connection.transaction()?;
            {
                let mut statement = transaction.prepare_cached(
                    "INSERT INTO resources (type, id, sent, state, load, bundle) VALUES (?, ?, ?, 'sent', ?, ?)
                     ON CONFLICT (type, id) DO UPDATE SET sent = excluded.sent, state = excluded.state,
                       load = excluded.load, bundle = excluded.bundle, status = NULL, code = NULL, path = NULL",
                )?;
                for (resource_type, id, hash) in &resources {
                    statement.execute(params![types[*resource_type], id.as_bytes(), hash, load, bundle])?;
                }
            }
            transaction.commit()
        };
        write().map_err(failed)
    }

    /// Writes down what became of resources.
    pub fn note(&mut self, notes: &[Note<'_>]) -> Result<(), JournalError> {
        for note in notes {
            self.type_no(note.resource_type)?;
        }
        let failed = self.failed("write to");
        let load = self.load;
        let types = &self.types;
        let mut write = || {
            let transaction = self.connection.transaction()?;
            {
                // An edited resource keeps what was confirmed, so that the next load finds the edit again.
                let mut statement = transaction.prepare_cached(
                    "INSERT INTO resources (type, id, hash, version, state, load, status, code, path)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                     ON CONFLICT (type, id) DO UPDATE SET
                       hash = coalesce(excluded.hash, hash),
                       version = CASE WHEN excluded.hash IS NULL THEN version ELSE excluded.version END,
                       sent = CASE WHEN excluded.state = 'in_doubt' THEN sent END,
                       state = excluded.state, load = excluded.load,
                       status = excluded.status, code = excluded.code, path = excluded.path",
                )?;
                for note in notes {
                    statement.execute(params![
                        types[note.resource_type],
                        note.id.as_bytes(),
                        note.confirmed.map(|c| &c.hash),
                        note.confirmed.and_then(|c| c.version.as_deref()),
                        note.state.as_str(),
                        load,
                        note.reason.and_then(|r| r.status),
                        note.reason.and_then(|r| r.code.as_deref()),
                        note.reason.and_then(|r| r.path.as_deref()),
                    ])?;
                }
            }
            transaction.commit()
        };
        write().map_err(failed)
    }

    fn type_no(&mut self, resource_type: &str) -> Result<i64, JournalError> {
        if let Some(number) = self.types.get(resource_type) {
            return Ok(*number);
        }
        self.connection
            .execute("INSERT INTO types (name) VALUES (?)", [resource_type])
            .map_err(self.failed("write to"))?;
        let number = self.connection.last_insert_rowid();
        self.types.insert(resource_type.to_owned(), number);
        Ok(number)
    }

    fn meta(&self, key: &str) -> Result<Option<String>, JournalError> {
        self.connection
            .query_row("SELECT value FROM meta WHERE key = ?", [key], |row| row.get(0))
            .optional()
            .map_err(self.failed("read"))
    }

    fn set_meta(&self, key: &str, value: &str) -> Result<(), JournalError> {
        self.connection
            .execute(
                "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [key, value],
            )
            .map(|_| ())
            .map_err(self.failed("write to"))
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(rusqlite::Error) -> JournalError + use<> {
        let path = self.path.clone();
        move |source| JournalError::Sqlite { action, path, source }
    }
}

fn read_entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<Entry> {
    let hash: Option<[u8; 32]> = row.get(0)?;
    let version: Option<String> = row.get(1)?;
    let state: String = row.get(3)?;
    Ok(Entry {
        confirmed: hash.map(|hash| Confirmed { hash, version }),
        sent: row.get(2)?,
        // A state that this version does not know is one that has to be asked for.
        state: State::from_code(&state).unwrap_or(State::InDoubt),
        load: row.get(4)?,
        reason: Reason { status: row.get(5)?, code: row.get(6)?, path: row.get(7)? },
    })
}

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS types (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS resources (
  type INTEGER NOT NULL REFERENCES types (no),
  id BLOB NOT NULL,
  hash BLOB,              -- SHA-256 of the content that the target confirmed last
  version TEXT,           -- the target's version of it
  sent BLOB,              -- SHA-256 of the content that was sent and not answered
  state TEXT NOT NULL,
  load INTEGER NOT NULL,  -- the load in which the state was reached
  bundle INTEGER,         -- the bundle in which it was sent last
  status INTEGER,         -- of a rejection: HTTP status, OperationOutcome.issue.code, .expression
  code TEXT,
  path TEXT,
  PRIMARY KEY (type, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unanswered ON resources (type, id) WHERE sent IS NOT NULL;
";

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ResourceId {
        ResourceId::from_bytes([n; 16])
    }

    #[test]
    fn an_intent_without_an_answer_is_found_again_and_an_answer_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("epr/journal.sqlite");
        let mut journal = Journal::open(&path, "a").unwrap();
        journal.begin_load("one").unwrap();
        journal.intend(1, [("Patient", id(1), &[1; 32]), ("Patient", id(2), &[2; 32])]).unwrap();
        drop(journal);

        let mut journal = Journal::open(&path, "a").unwrap();
        journal.begin_load("one").unwrap();
        assert_eq!(journal.load(), 1, "the unfinished load goes on");
        let unanswered = journal.unanswered().unwrap();
        assert_eq!(unanswered, [("Patient".to_owned(), id(1)), ("Patient".to_owned(), id(2))]);
        let confirmed = Confirmed { hash: [1; 32], version: Some("7".to_owned()) };
        let note = Note {
            resource_type: "Patient",
            id: id(1),
            state: State::Confirmed,
            confirmed: Some(&confirmed),
            reason: None,
        };
        journal.note(&[note]).unwrap();
        assert_eq!(journal.unanswered().unwrap().len(), 1);
        assert_eq!(journal.get("Patient", id(1)).unwrap().unwrap().confirmed, Some(confirmed.clone()));

        // An edit at the target does not make the journal forget what it confirmed.
        journal.note(&[Note { state: State::Edited, confirmed: None, ..note }]).unwrap();
        let entry = journal.get("Patient", id(1)).unwrap().unwrap();
        assert_eq!((entry.state, entry.confirmed), (State::Edited, Some(confirmed)));
        assert_eq!(journal.n_known("Patient").unwrap(), 2);

        journal.end_load().unwrap();
        journal.begin_load("one").unwrap();
        assert_eq!(journal.load(), 2);
    }

    #[test]
    fn a_journal_of_another_server_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite");
        drop(Journal::open(&path, "a").unwrap());
        assert!(matches!(Journal::open(&path, "b"), Err(JournalError::OtherServer { .. })));
    }
}
