//! Records put aside on disk in the order of a 16-byte key, so that memory does not grow with the findings.
//!
//! A record goes to one of 64 files by the first bits of its key; each file is then read whole, sorted and
//! handed on. Files stand in key order, so the whole comes out sorted. The folder is deleted at the end.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use epr_run::whole_file::{self, Access};
use epr_run::{RunError, StageFolder};

const BUCKETS: usize = 64;

/// One record put aside.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spilled<'a> {
    pub(crate) key: [u8; 16],
    pub(crate) body: &'a [u8],
}

/// The files that take the records.
pub(crate) struct Spill {
    folder: PathBuf,
    files: Vec<Option<BufWriter<File>>>,
}

impl Spill {
    /// `name` is a hidden folder in the stage's own.
    pub(crate) fn new(stage: &StageFolder, name: &str) -> Result<Self, RunError> {
        let folder = stage.path().join(name);
        fs::create_dir_all(&folder).map_err(RunError::io("create", &folder))?;
        Ok(Self { folder, files: (0..BUCKETS).map(|_| None).collect() })
    }

    pub(crate) fn push(&mut self, key: [u8; 16], body: &[u8]) -> Result<(), RunError> {
        let bucket = usize::from(key[0] >> 2);
        let path = self.path(bucket);
        if self.files[bucket].is_none() {
            let file = whole_file::create(&path, Access::Restricted)?;
            self.files[bucket] = Some(BufWriter::with_capacity(1 << 15, file));
        }
        let file = self.files[bucket].as_mut().expect("set above");
        let length = u32::try_from(body.len()).expect("a finding is below 4 GiB").to_le_bytes();
        [&key[..], &length, body]
            .into_iter()
            .try_for_each(|bytes| file.write_all(bytes))
            .map_err(RunError::io("write", &path))
    }

    /// Hands each key's records on, sorted by key and body, and deletes the files.
    pub(crate) fn drain<E: From<RunError>>(
        mut self,
        mut each: impl FnMut(&[Spilled<'_>]) -> Result<(), E>,
    ) -> Result<(), E> {
        for bucket in 0..BUCKETS {
            let Some(file) = self.files[bucket].take() else { continue };
            let path = self.path(bucket);
            file.into_inner().map_err(|e| RunError::io("write", &path)(e.into_error()))?;
            let bytes = fs::read(&path).map_err(RunError::io("read", &path))?;
            let mut records = split(&bytes);
            records.sort_unstable();
            for same_key in records.chunk_by(|a, b| a.key == b.key) {
                each(same_key)?;
            }
            fs::remove_file(&path).map_err(RunError::io("delete", &path))?;
        }
        fs::remove_dir_all(&self.folder).map_err(RunError::io("delete", &self.folder))?;
        Ok(())
    }

    fn path(&self, bucket: usize) -> PathBuf {
        self.folder.join(format!("{bucket:02}"))
    }
}

/// The records of one file: this process wrote it a moment ago, so its form is certain.
fn split(mut bytes: &[u8]) -> Vec<Spilled<'_>> {
    let mut records = Vec::new();
    while let Some((key, rest)) = bytes.split_first_chunk::<16>()
        && let Some((length, rest)) = rest.split_first_chunk::<4>()
    {
        let (body, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        records.push(Spilled { key: *key, body });
        bytes = rest;
    }
    records
}
