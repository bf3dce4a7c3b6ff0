//! Resources in the order in which they are sent, whatever the order of parts, in bounded memory: by id within a
//! type, or for a target that checks references, what is referred to first.
//!
//! Each part is checked against its keys and cut into chunks; a chunk is sorted in memory and written to a
//! scratch file; the scratch files are merged. So neither the number of threads nor the order of parts can be
//! seen in what is delivered.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use epr_model::ResourceId;
use epr_run::keys_by_part::KeysByPart;
use epr_run::line;
use epr_run::parts::{PartReader, part_number, part_paths};
use epr_run::records::KeyRecord;
use epr_run::whole_file::{self, Access};
use epr_run::{FinishedStage, RunError, StageContext};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::order::{Order, Place};
use crate::target::Sent;
use crate::{Holds, LoadError};

/// Bytes of resources that one thread holds before it sorts and writes them.
const CHUNK_BYTES: usize = 32 << 20;

/// Scratch files merged at once; a process may hold about a thousand open.
const MERGED_AT_ONCE: usize = 256;

/// A resource on its way: its exact bytes, without a line end, and where it came from.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub sent: Sent,
    pub bytes: Vec<u8>,
}

impl Outgoing {
    /// An empty one, to be filled by [`SortedResources::next_into`].
    pub fn new() -> Self {
        let id = ResourceId::from_bytes([0; 16]);
        Self { sent: Sent { id, table: String::new(), row_no: 0 }, bytes: Vec::new() }
    }
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::new()
    }
}

/// What every resource of a load comes before and after, with the number of its type in the list of types.
pub struct Queue {
    paths: Vec<PathBuf>,
}

impl Queue {
    /// Reads it from its beginning; it may be read more than once.
    pub fn open(&self) -> Result<QueueReader, LoadError> {
        Ok(QueueReader { merge: Merge::open(self.paths.clone())?, last: None })
    }
}

/// All resources of a load in the order of [`Order`].
pub struct QueueReader {
    merge: Merge,
    last: Option<Place>,
}

impl QueueReader {
    /// Fills `resource` with the next one and says where it stands; `None` at the end.
    pub fn next_into(&mut self, resource: &mut Outgoing) -> Result<Option<Place>, LoadError> {
        let Some(place) = self.merge.next_into(resource)? else { return Ok(None) };
        if self.last == Some(place) {
            let id = place.id.to_string();
            return Err(LoadError::SameId { resource_type: format!("type {}", place.type_no), id });
        }
        self.last = Some(place);
        Ok(Some(place))
    }
}

/// The resources of one type that are delivered, sorted by id.
pub struct SortedResources {
    resource_type: String,
    merge: Merge,
    last: Option<ResourceId>,
}

impl SortedResources {
    pub fn resource_type(&self) -> &str {
        &self.resource_type
    }

    /// Fills `resource` with the next one; `false` at the end. [`LoadError::SameId`] where two have one id.
    pub fn next_into(&mut self, resource: &mut Outgoing) -> Result<bool, LoadError> {
        if self.merge.next_into(resource)?.is_none() {
            return Ok(false);
        }
        let id = resource.sent.id;
        if self.last == Some(id) {
            return Err(LoadError::SameId { resource_type: self.resource_type.clone(), id: id.to_string() });
        }
        self.last = Some(id);
        Ok(true)
    }

    /// Whether there is still one to come.
    pub fn has_any(&self) -> bool {
        !self.merge.heap.is_empty()
    }
}

/// Where a resource of one type stands in the order.
type PlaceOf<'a> = dyn Fn(ResourceId) -> Place + Sync + 'a;

/// What sorting needs.
#[derive(Clone, Copy)]
pub struct Sorter<'a> {
    pub(crate) ctx: StageContext<'a>,
    pub(crate) link: &'a FinishedStage,
    pub(crate) validate: &'a FinishedStage,
    pub(crate) keys: &'a KeysByPart,
    pub(crate) holds: &'a Holds,
    pub(crate) scratch: &'a Path,
    /// How many resources are delivered.
    pub(crate) n_delivered: u64,
}

impl Sorter<'_> {
    /// Checks and sorts all parts of one type, in parallel.
    pub(crate) fn sort(&self, resource_type: &str) -> Result<SortedResources, LoadError> {
        let chunks = self.sort_parts(resource_type, &Place::by_id)?;
        let folder = self.scratch.join(format!("{resource_type}-merged"));
        let chunks = merge_down(chunks, &folder)?;
        Ok(SortedResources { resource_type: resource_type.to_owned(), merge: Merge::open(chunks)?, last: None })
    }

    /// Checks and sorts all parts of all types, what is referred to first.
    pub(crate) fn queue(&self, order: &Order) -> Result<Queue, LoadError> {
        let mut chunks = Vec::new();
        for (type_no, resource_type) in order.types().iter().enumerate() {
            chunks.extend(self.sort_parts(resource_type, &|id| order.place(type_no as u16, id))?);
        }
        Ok(Queue { paths: merge_down(chunks, &self.scratch.join("queue-merged"))? })
    }

    fn sort_parts(&self, resource_type: &str, place: &PlaceOf<'_>) -> Result<Vec<PathBuf>, LoadError> {
        let parts = part_paths(self.link, resource_type);
        let chunks: Vec<Vec<PathBuf>> =
            parts.par_iter().map(|path| self.sort_part(resource_type, path, place)).collect::<Result<_, _>>()?;
        self.check_no_part_missing(resource_type, &parts)?;
        Ok(chunks.into_iter().flatten().collect())
    }

    fn sort_part(&self, resource_type: &str, path: &Path, place: &PlaceOf<'_>) -> Result<Vec<PathBuf>, LoadError> {
        let number = part_number(path).ok_or_else(|| RunError::Malformed {
            path: path.to_owned(),
            reason: "its name is not that of a part".to_owned(),
        })?;
        let keys = self.keys.load(resource_type, number)?;
        let folder = self.scratch.join(format!("{resource_type}-{number}"));
        fs::create_dir_all(&folder).map_err(RunError::io("create", &folder))?;
        let mut chunk = Chunk { folder, index: Vec::new(), data: Vec::new(), written: Vec::new() };
        let mut reader = PartReader::open(path)?;
        let mut bytes = Vec::new();
        let mut line_no = 0;
        while reader.next_into(&mut bytes)? {
            line_no += 1;
            if line_no % 1024 == 0 {
                self.ctx.stop.check()?;
                self.ctx.progress.advance(1024);
            }
            let key = checked_key(&keys, resource_type, &bytes, path, line_no)?;
            if !self.holds.contains(resource_type, key.id) {
                chunk.push(place(key.id), key, &bytes)?;
            }
        }
        self.ctx.progress.advance(line_no % 1024);
        let n_ids = keys.chunk_by(|a, b| a.id == b.id).count() as u64;
        if line_no < n_ids {
            return Err(LoadError::ResourcesMissing { resource_type: resource_type.to_owned(), n: n_ids - line_no });
        }
        chunk.flush()?;
        Ok(chunk.written)
    }

    /// Keys of a part that is not there at all.
    fn check_no_part_missing(&self, resource_type: &str, parts: &[PathBuf]) -> Result<(), LoadError> {
        let there: Vec<u32> = parts.iter().filter_map(|path| part_number(path)).collect();
        for (kind, part) in self.keys.places() {
            if kind == resource_type && !there.contains(&part) {
                let n = self.keys.load(kind, part)?.len() as u64;
                return Err(LoadError::ResourcesMissing { resource_type: kind.to_owned(), n });
            }
        }
        Ok(())
    }
}

/// The key of a line, after its bytes were compared with the key's content hash.
fn checked_key<'k>(
    keys: &'k [KeyRecord],
    resource_type: &str,
    bytes: &[u8],
    path: &Path,
    line: u64,
) -> Result<&'k KeyRecord, LoadError> {
    let place = || (path.to_owned(), line);
    let id = line::identity(bytes)
        .filter(|identity| identity.resource_type == resource_type)
        .and_then(|identity| identity.id.parse::<ResourceId>().ok());
    let Some(id) = id else {
        let (path, line) = place();
        return Err(LoadError::NotAResource { path, line });
    };
    let first = keys.partition_point(|key| key.id < id);
    let Some(key) = keys.get(first).filter(|key| key.id == id) else {
        let (path, line) = place();
        return Err(LoadError::KeyMissing { path, line });
    };
    if Sha256::digest(bytes)[..] != key.content_hash {
        let (path, line) = place();
        return Err(LoadError::Altered { path, line });
    }
    Ok(key)
}

/// Entries that are sorted in memory before they go to a scratch file.
struct Chunk {
    folder: PathBuf,
    /// Where it stands in the order, and where the entry is in `data`.
    index: Vec<(Place, usize, usize)>,
    data: Vec<u8>,
    written: Vec<PathBuf>,
}

impl Chunk {
    fn push(&mut self, place: Place, key: &KeyRecord, bytes: &[u8]) -> Result<(), RunError> {
        let start = self.data.len();
        encode(place, key.row_no, &key.table, bytes, &mut self.data);
        self.index.push((place, start, self.data.len()));
        if self.data.len() >= CHUNK_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), RunError> {
        if self.index.is_empty() {
            return Ok(());
        }
        self.index.sort_unstable();
        let path = self.folder.join(format!("chunk-{}", self.written.len()));
        let mut file = BufWriter::with_capacity(1 << 18, whole_file::create(&path, Access::Restricted)?);
        self.index
            .iter()
            .try_for_each(|(_, start, end)| file.write_all(&self.data[*start..*end]))
            .and_then(|()| file.flush())
            .map_err(RunError::io("write", &path))?;
        self.written.push(path);
        self.index.clear();
        self.data.clear();
        Ok(())
    }
}

/// Place, row number, length of the table's name, length of the resource; then both.
const HEAD: usize = Place::BYTES + 8 + 8 + 8;

fn encode(place: Place, row_no: u64, table: &str, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&place.to_bytes());
    out.extend_from_slice(&row_no.to_le_bytes());
    out.extend_from_slice(&(table.len() as u64).to_le_bytes());
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(table.as_bytes());
    out.extend_from_slice(bytes);
}

/// One sorted scratch file, with its next entry read.
struct Run {
    path: PathBuf,
    file: BufReader<File>,
    next: Outgoing,
    place: Place,
}

impl Run {
    fn open(path: PathBuf) -> Result<Self, RunError> {
        let file = File::open(&path).map_err(RunError::io("open", &path))?;
        let next = Outgoing::new();
        let place = Place::by_id(next.sent.id);
        Ok(Self { path, file: BufReader::with_capacity(1 << 16, file), next, place })
    }

    fn advance(&mut self) -> Result<bool, RunError> {
        let mut head = [0; HEAD];
        match self.file.read_exact(&mut head) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            Err(e) => return Err(RunError::io("read", &self.path)(e)),
        }
        let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        self.place = Place::from_bytes(head[..Place::BYTES].try_into().expect("the bytes of a place"));
        self.next.sent.id = self.place.id;
        self.next.sent.row_no = number(Place::BYTES);
        let (table, bytes) = (number(Place::BYTES + 8), number(Place::BYTES + 16));
        self.next.sent.table.clear();
        self.next.bytes.clear();
        let read = (&mut self.file)
            .take(table)
            .read_to_string(&mut self.next.sent.table)
            .and_then(|_| (&mut self.file).take(bytes).read_to_end(&mut self.next.bytes))
            .map_err(RunError::io("read", &self.path))?;
        if read as u64 != bytes {
            return Err(RunError::Malformed { path: self.path.clone(), reason: "it ends too early".to_owned() });
        }
        Ok(true)
    }
}

/// The merge of sorted scratch files.
struct Merge {
    runs: Vec<Run>,
    heap: BinaryHeap<Reverse<(Place, usize)>>,
}

impl Merge {
    fn open(paths: Vec<PathBuf>) -> Result<Self, RunError> {
        let mut merge = Self { runs: Vec::with_capacity(paths.len()), heap: BinaryHeap::new() };
        for (i, path) in paths.into_iter().enumerate() {
            let mut run = Run::open(path)?;
            if run.advance()? {
                merge.heap.push(Reverse((run.place, i)));
            }
            merge.runs.push(run);
        }
        Ok(merge)
    }

    fn next_into(&mut self, resource: &mut Outgoing) -> Result<Option<Place>, RunError> {
        let Some(Reverse((place, i))) = self.heap.pop() else { return Ok(None) };
        let run = &mut self.runs[i];
        std::mem::swap(resource, &mut run.next);
        if run.advance()? {
            self.heap.push(Reverse((run.place, i)));
        }
        Ok(Some(place))
    }
}

/// Merges groups of scratch files until there are few enough to be held open together.
fn merge_down(mut paths: Vec<PathBuf>, folder: &Path) -> Result<Vec<PathBuf>, RunError> {
    let mut n_merged = 0;
    while paths.len() > MERGED_AT_ONCE {
        fs::create_dir_all(folder).map_err(RunError::io("create", folder))?;
        let group: Vec<PathBuf> = paths.drain(..MERGED_AT_ONCE).collect();
        let path = folder.join(format!("merged-{n_merged}"));
        n_merged += 1;
        let mut file = BufWriter::with_capacity(1 << 18, whole_file::create(&path, Access::Restricted)?);
        let mut merge = Merge::open(group.clone())?;
        let (mut resource, mut entry) = (Outgoing::new(), Vec::new());
        while let Some(place) = merge.next_into(&mut resource)? {
            entry.clear();
            encode(place, resource.sent.row_no, &resource.sent.table, &resource.bytes, &mut entry);
            file.write_all(&entry).map_err(RunError::io("write", &path))?;
        }
        file.flush().map_err(RunError::io("write", &path))?;
        for old in group {
            fs::remove_file(&old).map_err(RunError::io("delete", &old))?;
        }
        paths.push(path);
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(id: u16) -> KeyRecord {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&id.to_be_bytes());
        KeyRecord {
            resource_type: "Patient".to_owned(),
            id: ResourceId::from_bytes(bytes),
            key_hash: [0; 16],
            content_hash: [0; 32],
            table: format!("RK9/ipm/T{}", id % 3),
            part: 0,
            row_no: u64::from(id) + 1,
            map: String::new(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn many_chunks_come_back_as_one_sorted_stream(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u16>(), 0..6), 0..600),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut expected: Vec<u16> = chunks.iter().flatten().copied().collect();
            expected.sort_unstable();
            let mut chunk =
                Chunk { folder: folder.path().to_owned(), index: Vec::new(), data: Vec::new(), written: Vec::new() };
            for ids in &chunks {
                for id in ids {
                    chunk.push(Place::by_id(key(*id).id), &key(*id), format!("<{id}>").as_bytes()).unwrap();
                }
                chunk.flush().unwrap();
            }
            let paths = merge_down(chunk.written, &folder.path().join("merged")).unwrap();
            prop_assert!(paths.len() <= MERGED_AT_ONCE);
            let mut merge = Merge::open(paths).unwrap();
            let (mut resource, mut found) = (Outgoing::new(), Vec::new());
            while merge.next_into(&mut resource).unwrap().is_some() {
                let id = u16::from_be_bytes(resource.sent.id.as_bytes()[..2].try_into().unwrap());
                prop_assert_eq!(resource.bytes.clone(), format!("<{id}>").into_bytes());
                prop_assert_eq!(&resource.sent.table, &key(id).table);
                prop_assert_eq!(resource.sent.row_no, key(id).row_no);
                found.push(id);
            }
            prop_assert_eq!(found, expected);
        }
    }
}
