//! `keys.parquet`, split by part, so that whoever reads a part of resources has its keys at hand and no others.
//!
//! The keys of a whole run do not fit in memory; those of one part do. Records go to one scratch file for each
//! type and part, in whatever order `keys.parquet` has them, and come back sorted by id.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use epr_model::ResourceId;

use crate::records::{self, KeyRecord};
use crate::whole_file::Access;
use crate::{FinishedStage, RunError};

/// Bytes held for one part before they go to its file.
const BUFFER_BYTES: usize = 64 * 1024;

/// The keys of a stage, in one scratch file for each type and part. The folder is the caller's to delete.
#[derive(Debug)]
pub struct KeysByPart {
    folder: PathBuf,
    numbers: BTreeMap<(String, u32), usize>,
}

impl KeysByPart {
    /// Splits the `keys.parquet` of `stage` into files below `folder`, which is made here.
    pub fn split(stage: &FinishedStage, folder: &Path) -> Result<Self, RunError> {
        fs::create_dir_all(folder).map_err(RunError::io("create", folder))?;
        let mut split = Self { folder: folder.to_owned(), numbers: BTreeMap::new() };
        let mut buffers: Vec<Vec<u8>> = Vec::new();
        let mut last: Option<((String, u32), usize)> = None;
        for record in records::read::<KeyRecord>(stage)? {
            let record = record?;
            let number = match &last {
                Some(((kind, part), number)) if *kind == record.resource_type && *part == record.part => *number,
                _ => {
                    let place = (record.resource_type.clone(), record.part);
                    let next = split.numbers.len();
                    let number = *split.numbers.entry(place.clone()).or_insert(next);
                    last = Some((place, number));
                    number
                }
            };
            if number == buffers.len() {
                buffers.push(Vec::new());
            }
            encode(&record, &mut buffers[number]);
            if buffers[number].len() >= BUFFER_BYTES {
                split.append(number, &mut buffers[number])?;
            }
        }
        for (number, buffer) in buffers.iter_mut().enumerate() {
            split.append(number, buffer)?;
        }
        Ok(split)
    }

    /// The types and parts that have keys, in order.
    pub fn places(&self) -> impl Iterator<Item = (&str, u32)> {
        self.numbers.keys().map(|(kind, part)| (kind.as_str(), *part))
    }

    /// The keys of one part, sorted by id; none where the part has none.
    pub fn load(&self, resource_type: &str, part: u32) -> Result<Vec<KeyRecord>, RunError> {
        let Some(number) = self.numbers.get(&(resource_type.to_owned(), part)) else { return Ok(Vec::new()) };
        let path = self.path(*number);
        let bytes = fs::read(&path).map_err(RunError::io("read", &path))?;
        let mut rest = bytes.as_slice();
        let mut keys = Vec::new();
        while !rest.is_empty() {
            let key = decode(&mut rest, resource_type, part)
                .ok_or_else(|| RunError::Malformed { path: path.clone(), reason: "it ends too early".to_owned() })?;
            keys.push(key);
        }
        keys.sort_by(|a, b| (a.id, a.row_no, &a.map).cmp(&(b.id, b.row_no, &b.map)));
        Ok(keys)
    }

    fn path(&self, number: usize) -> PathBuf {
        self.folder.join(format!("keys-{number}"))
    }

    /// Opened anew each time: a large run has more parts than a process may hold files open.
    fn append(&self, number: usize, buffer: &mut Vec<u8>) -> Result<(), RunError> {
        let path = self.path(number);
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(Access::Restricted.mode())
            .open(&path)
            .and_then(|mut file| file.write_all(buffer))
            .map_err(RunError::io("write", &path))?;
        buffer.clear();
        Ok(())
    }
}

fn encode(record: &KeyRecord, out: &mut Vec<u8>) {
    out.extend_from_slice(record.id.as_bytes());
    out.extend_from_slice(&record.key_hash);
    out.extend_from_slice(&record.content_hash);
    out.extend_from_slice(&record.row_no.to_le_bytes());
    for text in [&record.table, &record.map] {
        out.extend_from_slice(&(text.len() as u64).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
}

fn decode(rest: &mut &[u8], resource_type: &str, part: u32) -> Option<KeyRecord> {
    Some(KeyRecord {
        resource_type: resource_type.to_owned(),
        id: ResourceId::from_bytes(take(rest)?),
        key_hash: take(rest)?,
        content_hash: take(rest)?,
        row_no: u64::from_le_bytes(take(rest)?),
        table: take_text(rest)?,
        map: take_text(rest)?,
        part,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(u64::from_le_bytes(take(rest)?)).ok()?;
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    String::from_utf8(head.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_scratch_file() {
        let key = KeyRecord {
            resource_type: "Patient".to_owned(),
            id: ResourceId::from_bytes([7; 16]),
            key_hash: [1; 16],
            content_hash: [2; 32],
            table: "RK9/ipm/PATIENTS".to_owned(),
            part: 3,
            row_no: u64::MAX,
            map: "rk9/ipm/patient".to_owned(),
        };
        let mut bytes = Vec::new();
        encode(&key, &mut bytes);
        encode(&key, &mut bytes);
        let mut rest = bytes.as_slice();
        assert_eq!(decode(&mut rest, "Patient", 3), Some(key.clone()));
        assert_eq!(decode(&mut rest, "Patient", 3), Some(key));
        assert!(rest.is_empty());
        assert_eq!(decode(&mut &bytes[..bytes.len() / 2 - 1], "Patient", 3), None);
    }
}
