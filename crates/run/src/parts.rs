//! Resources on disk between the stages: NDJSON, one zstd frame a part, one folder a resource type.
//!
//! Parts are closed by the number of resources, so where one ends depends neither on threads nor on batches.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::whole_file::{self, Access};
use crate::{FinishedStage, RunError, StageFolder};

/// Resources in one part.
pub const RESOURCES_PER_PART: u64 = 100_000;

/// Measured on mapped resources: levels above 1 cost more than mapping them does.
const ZSTD_LEVEL: i32 = 1;

/// Writes the resources of one type, in the order in which they come.
pub struct PartWriter {
    folder: PathBuf,
    current: Option<Part>,
    n_parts: u32,
    n_resources: u64,
}

struct Part {
    path: PathBuf,
    encoder: zstd::Encoder<'static, BufWriter<File>>,
    n: u64,
}

/// Where a resource was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartPlace {
    /// The number of the part file, from 0.
    pub part: u32,
    /// The line in it, from 0.
    pub line: u64,
}

impl PartWriter {
    pub fn new(stage: &StageFolder, resource_type: &str) -> Result<Self, RunError> {
        let folder = stage.path().join(resource_type);
        std::fs::create_dir_all(&folder).map_err(RunError::io("create", &folder))?;
        Ok(Self { folder, current: None, n_parts: 0, n_resources: 0 })
    }

    /// Writes one part anew under its own number, for a stage that changes some parts and takes over the others.
    pub fn replacing(stage: &StageFolder, resource_type: &str, part: u32) -> Result<Self, RunError> {
        Ok(Self { n_parts: part, ..Self::new(stage, resource_type)? })
    }

    /// Writes one resource: its JSON without a line end.
    pub fn write(&mut self, resource: &[u8]) -> Result<PartPlace, RunError> {
        if self.current.is_none() {
            let path = self.folder.join(part_name(self.n_parts));
            let file = BufWriter::with_capacity(1 << 17, whole_file::create(&path, Access::Restricted)?);
            let encoder = zstd::Encoder::new(file, ZSTD_LEVEL).map_err(RunError::io("write", &path))?;
            self.n_parts += 1;
            self.current = Some(Part { path, encoder, n: 0 });
        }
        let part = self.current.as_mut().expect("set above");
        let place = PartPlace { part: self.n_parts - 1, line: part.n };
        part.encoder
            .write_all(resource)
            .and_then(|()| part.encoder.write_all(b"\n"))
            .map_err(RunError::io("write", &part.path))?;
        part.n += 1;
        self.n_resources += 1;
        if part.n == RESOURCES_PER_PART {
            self.close()?;
        }
        Ok(place)
    }

    /// Ends the last part; returns the number of resources of all parts.
    pub fn finish(mut self) -> Result<u64, RunError> {
        self.close()?;
        Ok(self.n_resources)
    }

    fn close(&mut self) -> Result<(), RunError> {
        let Some(part) = self.current.take() else { return Ok(()) };
        let path = part.path;
        part.encoder
            .finish()
            .and_then(|buffer| buffer.into_inner().map_err(std::io::IntoInnerError::into_error))
            .and_then(|file| file.sync_all())
            .map_err(RunError::io("write", &path))
    }
}

/// The file name of a part.
pub fn part_name(part: u32) -> String {
    format!("part-{part:04}.ndjson.zst")
}

/// The number in the file name of a part; `None` for a name that [`part_name`] does not give.
pub fn part_number(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix("part-")?.strip_suffix(".ndjson.zst")?.parse().ok()
}

/// The resource types that a stage wrote, sorted.
pub fn resource_types(stage: &FinishedStage) -> Vec<String> {
    let mut types: Vec<_> = parts(stage).map(|(kind, _)| kind).collect();
    types.dedup();
    types
}

/// The part files of one type, in order.
pub fn part_paths(stage: &FinishedStage, resource_type: &str) -> Vec<PathBuf> {
    parts(stage).filter(|(kind, _)| kind == resource_type).map(|(_, path)| path).collect()
}

fn parts(stage: &FinishedStage) -> impl Iterator<Item = (String, PathBuf)> + '_ {
    stage.manifest().files.iter().filter_map(|entry| {
        let (kind, name) = entry.path.split_once('/')?;
        name.ends_with(".ndjson.zst").then(|| (kind.to_owned(), stage.path().join(&entry.path)))
    })
}

/// Reads one part line by line.
pub struct PartReader {
    path: PathBuf,
    lines: BufReader<zstd::Decoder<'static, BufReader<File>>>,
}

impl PartReader {
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let file = File::open(path).map_err(RunError::io("open", path))?;
        let decoder = zstd::Decoder::new(file).map_err(RunError::io("read", path))?;
        Ok(Self { path: path.to_owned(), lines: BufReader::with_capacity(1 << 17, decoder) })
    }

    /// Reads the next resource into `line` (emptied first), without its line end; `false` at the end.
    ///
    /// A truncated part is an error: the frame has no end.
    pub fn next_into(&mut self, line: &mut Vec<u8>) -> Result<bool, RunError> {
        line.clear();
        let n = self.lines.read_until(b'\n', line).map_err(RunError::io("read", &self.path))?;
        if n == 0 {
            return Ok(false);
        }
        if line.pop() != Some(b'\n') {
            return Err(RunError::Malformed { path: self.path.clone(), reason: "its last line has no end".to_owned() });
        }
        Ok(true)
    }
}
