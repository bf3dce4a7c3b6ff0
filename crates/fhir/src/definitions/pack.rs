//! The compiled form of a package: what of its definitions is needed, each piece decodable on its own.
//!
//! On disk a pack is a cache and nothing more: one that is torn, foreign or of another layout is passed over and made again.
//! Its name holds a key over the names, sizes and times of change of the package's files, which costs milliseconds; reading
//! 100 MB and more at each start would not. The trade: a change that keeps a file's size and time is not noticed by a start
//! that finds a pack. Such a start does not use the changed file either, since the pack holds what was there before;
//! [`crate::package::PackageCache::verify`] reads everything and finds it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{CodeSystem, DefinitionsError, Derivation, Structure, StructureKind, ValueSet};
use crate::package::{self, PackageCache, PackageError, PackageId, PackageSource};
use crate::resource::{Node, Resource};
use crate::xml::XmlReader;

/// What is at the front of a file: magic, CRC-32 of the body, length of the body.
const MAGIC: &[u8; 8] = b"EPRPACK1";
const HEADER_BYTES: usize = 8 + 4 + 8;

/// The sources that decide what a pack holds: any change of them makes a new key, so that no pack of another layout is read.
const LAYOUT: &[&str] = &[
    include_str!("pack.rs"),
    include_str!("structure.rs"),
    include_str!("element_reader.rs"),
    include_str!("terminology.rs"),
    include_str!("terminology_reader.rs"),
];

/// Resource types kept as they are written, for those who read them themselves.
const KEPT_RAW: &[&str] = &["ConceptMap", "Measure", "NamingSystem", "Questionnaire", "SearchParameter"];

/// A compiled package: an index, and the encoded pieces behind it.
#[derive(Debug)]
pub(super) struct Pack {
    body: Body,
    pieces_start: usize,
    pub(super) index: Index,
}

/// The bytes of a pack: in memory, or those of its file, mapped, so that a start pays for what it asks for.
#[derive(Debug)]
enum Body {
    Owned(Vec<u8>),
    /// With the header.
    Mapped(Mmap),
}

impl Body {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Mapped(file) => &file[HEADER_BYTES..],
        }
    }
}

/// Maps a pack's file.
#[allow(unsafe_code)]
fn map(path: &Path) -> Option<Mmap> {
    let file = fs::File::open(path).ok()?;
    // SAFETY: nobody writes into a pack's file: it is written under another name, renamed when it is whole, and a
    // later one takes its place by a rename. A mapping keeps the bytes of a file whose name is gone.
    unsafe { Mmap::map(&file) }.ok()
}

/// What a pack holds, and where.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Index {
    /// SHA-256 over the files of the package.
    pub(super) sha256: String,
    /// Where the package came from, where recorded.
    pub(super) origin: Option<String>,
    pub(super) structures: Vec<(Head, StructureHead)>,
    pub(super) value_sets: Vec<Head>,
    pub(super) code_systems: Vec<Head>,
    pub(super) raw: Vec<Head>,
}

/// How a piece is asked for, and where it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) url: String,
    pub(super) version: Option<String>,
    start: u32,
    bytes: u32,
}

/// What is asked of structures before they are decoded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StructureHead {
    pub(super) type_name: String,
    pub(super) kind: StructureKind,
    pub(super) is_abstract: bool,
    pub(super) derivation: Derivation,
    pub(super) needs_snapshot: bool,
}

impl StructureHead {
    pub(super) fn of(structure: &Structure) -> Self {
        Self {
            type_name: structure.type_name.clone(),
            kind: structure.kind,
            is_abstract: structure.is_abstract,
            derivation: structure.derivation,
            needs_snapshot: structure.needs_snapshot(),
        }
    }
}

impl Pack {
    /// The pack of a cached package: from disk where there is a sound one, else made and put there.
    pub(super) fn of_package(cache: &PackageCache, id: &PackageId) -> Result<Self, DefinitionsError> {
        let folder = cache.present(id)?;
        let files = package::list_files(&folder.join("package"))?;
        let path = cache.own_folder().join(format!("{}#{}-{}.pack", id.name, id.version, key(&folder, &files)?));
        if let Some(pack) = Self::read(&path) {
            return Ok(pack);
        }
        let mut builder = Builder::default();
        let mut hasher = package::ContentHasher::default();
        for (name, file) in &files {
            let bytes = fs::read(file).map_err(PackageError::disk("read", file))?;
            hasher.add(name, &bytes);
            if package::source::is_json_definition(name) {
                builder.add(file, &bytes)?;
            }
        }
        builder.index.sha256 = hasher.finish();
        let record = package::check_record(id, &folder, &builder.index.sha256)?;
        builder.index.origin = record.map(|record| match record.stands_in {
            Some(stands_in) => format!("conformance resources out of {stands_in}, {}", record.from),
            None => record.from,
        });
        let pack = builder.finish();
        pack.keep(&path, id);
        Ok(pack)
    }

    /// The pack of a package given by path; it is not kept on disk.
    pub(super) fn of_source(source: &PackageSource, xml: &mut XmlReader<'_>) -> Result<Self, DefinitionsError> {
        let mut builder = Builder::default();
        for (name, bytes) in &source.files {
            let file = if source.path.ends_with(name) { source.path.clone() } else { source.path.join(name) };
            if package::source::is_xml(name) {
                let read = xml.read(bytes);
                let resource = read.map_err(|source| DefinitionsError::NotXml { file: file.clone(), source })?;
                builder.add_resource(resource.root());
            } else {
                builder.add(&file, bytes)?;
            }
        }
        builder.index.sha256.clone_from(&source.sha256);
        builder.index.origin = Some(source.path.display().to_string());
        Ok(builder.finish())
    }

    /// The bytes of a piece.
    pub(super) fn piece(&self, head: &Head) -> &[u8] {
        let start = self.pieces_start + head.start as usize;
        &self.body.bytes()[start..start + head.bytes as usize]
    }

    /// Decodes a piece.
    pub(super) fn decode<'p, T: Deserialize<'p>>(&'p self, head: &Head) -> T {
        postcard::from_bytes(self.piece(head)).expect("a piece of a pack with a sound checksum and layout decodes")
    }

    fn read(path: &Path) -> Option<Self> {
        let file = map(path)?;
        let header = file.get(..HEADER_BYTES)?;
        let crc = u32::from_le_bytes(header[8..12].try_into().ok()?);
        let length = u64::from_le_bytes(header[12..20].try_into().ok()?);
        if &header[..8] != MAGIC || length != (file.len() - HEADER_BYTES) as u64 || crc != crc32(&file[HEADER_BYTES..])
        {
            return None;
        }
        Self::open(Body::Mapped(file))
    }

    fn open(body: Body) -> Option<Self> {
        let bytes = body.bytes();
        let index_bytes = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let index: Index = postcard::from_bytes(bytes.get(4..4 + index_bytes)?).ok()?;
        let pieces_start = 4 + index_bytes;
        let room = bytes.len() - pieces_start;
        let heads = index.structures.iter().map(|(head, _)| head);
        let mut heads = heads.chain(&index.value_sets).chain(&index.code_systems).chain(&index.raw);
        let is_sound = heads.all(|head| head.start as usize + head.bytes as usize <= room);
        is_sound.then_some(Self { body, pieces_start, index })
    }

    /// Writes the pack beside its final name and renames it; older packs of the package go.
    ///
    /// A cache that cannot be written is no error: the next start makes the pack again.
    fn keep(&self, path: &Path, id: &PackageId) {
        let Some(folder) = path.parent() else { return };
        let body = self.body.bytes();
        let mut file = Vec::with_capacity(HEADER_BYTES + body.len());
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&crc32(body).to_le_bytes());
        file.extend_from_slice(&(body.len() as u64).to_le_bytes());
        file.extend_from_slice(body);
        let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&temporary, file))
            .and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
            return;
        }
        let prefix = format!("{}#{}-", id.name, id.version);
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&prefix) && entry.path().extension() == path.extension() && entry.path() != path {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// A key over what `stat` says of the files, the integrity record, and the layout of packs.
fn key(folder: &Path, files: &[(String, PathBuf)]) -> Result<String, PackageError> {
    let mut hasher = Sha256::new();
    for source in LAYOUT {
        hasher.update(source);
    }
    for (name, file) in files {
        let stat = fs::metadata(file).map_err(PackageError::disk("look at", file))?;
        let changed = stat.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        hasher.update(format!("{name}\0{}\0{}\n", stat.len(), changed.as_nanos()));
    }
    if let Ok(record) = fs::read(folder.join(package::RECORD)) {
        hasher.update(record);
    }
    Ok(package::hex(&hasher.finalize()[..12]))
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Collects definitions into a pack.
#[derive(Default)]
struct Builder {
    index: Index,
    pieces: Vec<u8>,
    resource: Resource,
}

impl Builder {
    fn add(&mut self, file: &Path, bytes: &[u8]) -> Result<(), DefinitionsError> {
        // Published packages have byte order marks here and there, which resources may not have.
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut resource = std::mem::take(&mut self.resource);
        let read = resource.parse_json_into(bytes);
        if read.is_ok() {
            self.add_resource(resource.root());
        }
        self.resource = resource;
        read.map_err(|source| DefinitionsError::NotJson { file: file.to_owned(), source })
    }

    fn add_resource(&mut self, resource: Node<'_>) {
        match resource.text("resourceType") {
            Some("StructureDefinition") => {
                if let Some(structure) = Structure::read(resource) {
                    let head = self.encode(&structure.url, structure.version.as_deref(), &structure);
                    self.index.structures.push((head, StructureHead::of(&structure)));
                }
            }
            Some("ValueSet") => {
                if let Some(value_set) = ValueSet::read(resource) {
                    let head = self.encode(&value_set.url, value_set.version.as_deref(), &value_set);
                    self.index.value_sets.push(head);
                }
            }
            Some("CodeSystem") => {
                if let Some(system) = CodeSystem::read(resource) {
                    let head = self.encode(&system.url, system.version.as_deref(), &system);
                    self.index.code_systems.push(head);
                }
            }
            Some("Bundle") => {
                for entry in resource.get("entry").into_iter().flat_map(Node::items) {
                    if let Some(resource) = entry.get("resource") {
                        self.add_resource(resource);
                    }
                }
            }
            Some(other) if KEPT_RAW.contains(&other) => {
                if let Some(url) = resource.text("url") {
                    let head = self.place(url, resource.text("version"), resource.raw());
                    self.index.raw.push(head);
                }
            }
            _ => {}
        }
    }

    fn encode<T: Serialize>(&mut self, url: &str, version: Option<&str>, piece: &T) -> Head {
        let bytes = postcard::to_stdvec(piece).expect("definitions are plain data, which always encodes");
        self.place(url, version, &bytes)
    }

    fn place(&mut self, url: &str, version: Option<&str>, bytes: &[u8]) -> Head {
        let start = u32::try_from(self.pieces.len()).expect("the definitions of a package stay far below 4 GiB");
        self.pieces.extend_from_slice(bytes);
        Head { url: url.to_owned(), version: version.map(str::to_owned), start, bytes: bytes.len() as u32 }
    }

    fn finish(self) -> Pack {
        let index = postcard::to_stdvec(&self.index).expect("an index is plain data, which always encodes");
        let mut body = Vec::with_capacity(4 + index.len() + self.pieces.len());
        body.extend_from_slice(&(index.len() as u32).to_le_bytes());
        body.extend_from_slice(&index);
        body.extend_from_slice(&self.pieces);
        Pack { body: Body::Owned(body), pieces_start: 4 + index.len(), index: self.index }
    }
}
