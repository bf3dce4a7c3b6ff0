//! The compiled form of a package: what of its definitions is needed, each piece decodable on its own.
//!
//! On disk a pack is a cache and nothing more: one that is torn, foreign or of another layout is passed over and made again.
//! Its name holds a key over the names, sizes and times of change of the package's files. To ask the disk for those of ten
//! thousand files, folder by folder, costs three milliseconds; to read their 100 MB and more would cost a second. A look at
//! the folder alone would cost nothing and see nothing where an editor writes into a file that is there. The trade: a change that keeps a file's size and time is not noticed by a start
//! that finds a pack. Such a start does not use the changed file either, since the pack holds what was there before;
//! [`crate::package::PackageCache::verify`] reads everything and finds it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use memmap2::{Mmap, MmapOptions};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{CodeSystem, DefinitionsError, Derivation, Structure, StructureKind, StructureSize, ValueSet};
use crate::package::{self, PackageCache, PackageError, PackageId, PackageSource};
use crate::resource::{Node, Resource};
use crate::xml::XmlReader;

/// What is at the front of a file: magic, CRC-32 of the body, length of the body.
const MAGIC: &[u8; 8] = b"EPRPACK1";
const HEADER_BYTES: usize = 8 + 4 + 8;

/// The sources that decide what a pack holds, with or without snapshots made here: any change of them makes a new key, so that no pack of another layout is read.
const LAYOUT: &[&str] = &[
    include_str!("pack.rs"),
    include_str!("structure.rs"),
    include_str!("element_reader.rs"),
    include_str!("terminology.rs"),
    include_str!("terminology_reader.rs"),
    include_str!("snapshot.rs"),
    include_str!("snapshot/differential.rs"),
    include_str!("snapshot/merge.rs"),
    include_str!("snapshot/tree.rs"),
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
    unsafe { MmapOptions::new().populate().map(&file) }.ok()
}

/// What a pack holds, and where.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Index {
    /// SHA-256 over the files of the package.
    pub(super) sha256: String,
    /// Where the package came from, where recorded.
    pub(super) origin: Option<String>,
    pub(super) structures: Vec<Head>,
    /// One for each of `structures`.
    pub(super) structure_heads: Vec<StructureHead>,
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
    pub(super) size: StructureSize,
}

impl StructureHead {
    pub(super) fn of(structure: &Structure) -> Self {
        Self {
            type_name: structure.type_name.clone(),
            kind: structure.kind,
            is_abstract: structure.is_abstract,
            derivation: structure.derivation,
            needs_snapshot: structure.needs_snapshot(),
            size: structure.size(),
        }
    }
}

impl Pack {
    /// The pack of a cached package: from disk where there is a sound one, else made and put there.
    pub(super) fn of_package(cache: &PackageCache, id: &PackageId) -> Result<Self, DefinitionsError> {
        let folder = cache.present(id)?;
        let path = cache.own_folder().join(format!("{}#{}-{}.pack", id.name, id.version, key(&folder)?));
        if let Some(pack) = Self::read(&path) {
            return Ok(pack);
        }
        let mut builder = Builder::default();
        let mut hasher = package::ContentHasher::default();
        for (name, file) in &package::list_files(&folder.join("package"))? {
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
        let prefix = format!("{}#{}-", id.name, id.version);
        if pack.keep(&path) {
            remove_oldest(&path, &|name| name.starts_with(&prefix), 1);
        }
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

    /// SHA-256 over all that the pack holds.
    pub(super) fn content_hash(&self) -> String {
        package::hex(&Sha256::digest(self.body.bytes()))
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

    /// The pack in a file, where it is there and sound.
    pub(super) fn read(path: &Path) -> Option<Self> {
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
        let heads = index.structures.iter().chain(&index.value_sets);
        let mut heads = heads.chain(&index.code_systems).chain(&index.raw);
        let is_sound = heads.all(|head| head.start as usize + head.bytes as usize <= room)
            && index.structures.len() == index.structure_heads.len();
        is_sound.then_some(Self { body, pieces_start, index })
    }

    /// Writes the pack beside its final name and renames it; says whether that went well.
    ///
    /// A cache that cannot be written is no error: the next start makes the pack again.
    pub(super) fn keep(&self, path: &Path) -> bool {
        let Some(folder) = path.parent() else { return false };
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
        }
        written.is_ok()
    }
}

/// Leaves the newest of the files beside `kept` that are of its kind, itself among them.
pub(super) fn remove_oldest(kept: &Path, is_of_kind: &dyn Fn(&str) -> bool, n_left: usize) {
    let entries = kept.parent().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let alike = entries.filter(|entry| {
        let path = entry.path();
        path != kept && path.extension() == kept.extension() && entry.file_name().to_str().is_some_and(is_of_kind)
    });
    let mut alike: Vec<_> =
        alike.map(|entry| (entry.metadata().and_then(|stat| stat.modified()).ok(), entry.path())).collect();
    alike.sort();
    let n_old = (alike.len() + 1).saturating_sub(n_left);
    for (_, path) in &alike[..n_old.min(alike.len())] {
        let _ = fs::remove_file(path);
    }
}

/// A key over what the disk says of a package's files, the integrity record, and the layout of packs.
fn key(folder: &Path) -> Result<String, PackageError> {
    let mut hasher = DefaultHasher::new();
    layout().hash(&mut hasher);
    fs::read(folder.join(package::RECORD)).ok().hash(&mut hasher);
    Ok(format!("{:016x}{:016x}", hasher.finish(), stamp(&folder.join("package"))?))
}

/// The layout of packs as one number.
pub(super) fn layout() -> u64 {
    static LAYOUT_HASH: OnceLock<u64> = OnceLock::new();
    *LAYOUT_HASH.get_or_init(|| {
        let mut hasher = DefaultHasher::new();
        LAYOUT.hash(&mut hasher);
        hasher.finish()
    })
}

/// Names, sizes and times of change of the files that [`package::list_files`] lists, as one number: a sum, so that the order
/// in which the disk has them does not count.
fn stamp(folder: &Path) -> Result<u64, PackageError> {
    let mut sum = 0_u64;
    let mut open = vec![(String::new(), folder.to_owned())];
    while let Some((prefix, folder)) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(PackageError::disk("list", &folder))? {
            let entry = entry.map_err(PackageError::disk("list", &folder))?;
            let name = entry.file_name();
            if name.as_encoded_bytes().first() == Some(&b'.') {
                continue;
            }
            let looked = |error| PackageError::disk("look at", &entry.path())(error);
            let kind = entry.file_type().map_err(looked)?;
            if kind.is_dir() {
                open.push((format!("{prefix}{}/", name.to_string_lossy()), entry.path()));
            } else if kind.is_file() {
                // Asked of the open folder, by name alone: no path is walked.
                let stat = entry.metadata().map_err(looked)?;
                let changed = stat.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                let mut hasher = DefaultHasher::new();
                (&prefix, &name, stat.len(), changed.unwrap_or_default()).hash(&mut hasher);
                sum = sum.wrapping_add(hasher.finish());
            }
        }
    }
    Ok(sum)
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Collects definitions into a pack.
#[derive(Default)]
pub(super) struct Builder {
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
                    self.add_structure(&structure);
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

    pub(super) fn add_structure(&mut self, structure: &Structure) {
        let head = self.encode(&structure.url, structure.version.as_deref(), structure);
        self.index.structures.push(head);
        self.index.structure_heads.push(StructureHead::of(structure));
    }

    /// Adds something that is no definition, by a name.
    pub(super) fn add_named<T: Serialize>(&mut self, name: &str, piece: &T) {
        let head = self.encode(name, None, piece);
        self.index.raw.push(head);
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

    pub(super) fn finish(self) -> Pack {
        let index = postcard::to_stdvec(&self.index).expect("an index is plain data, which always encodes");
        let mut body = Vec::with_capacity(4 + index.len() + self.pieces.len());
        body.extend_from_slice(&(index.len() as u32).to_le_bytes());
        body.extend_from_slice(&index);
        body.extend_from_slice(&self.pieces);
        Pack { body: Body::Owned(body), pieces_start: 4 + index.len(), index: self.index }
    }
}
