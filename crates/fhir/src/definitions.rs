//! The definitions of R4 and of the packages loaded beside it: structures, value sets, code systems.
//!
//! In: packages of a [`PackageCache`], or given by path. Out: answers by URL, by type name and by code.
//! A package is parsed once and kept as a compiled pack on disk; what is not asked for is not decoded.
//!
//! | what you want to find | module |
//! |---|---|
//! | structures and elements | `structure`, read by `element_reader` |
//! | value sets and code systems | `terminology`, read by `terminology_reader` |
//! | whether a code belongs to a value set | `membership` |
//! | what a code is in its own system, and its display | `standing` |
//! | lists of codes that a user holds: SNOMED CT, dm+d, ICD-10, ODS | `code_list`, expressions over SNOMED CT `ecl` |
//! | languages, mime types, currencies, countries | `external`, units `ucum` |
//! | the child of an element by its JSON name | `navigation` |
//! | snapshots made from differentials | `snapshot` |
//! | the compiled pack | `pack`, found in by `entries` |

mod code_list;
mod ecl;
mod element_reader;
mod entries;
mod external;
mod membership;
mod navigation;
mod pack;
mod snapshot;
mod standing;
mod structure;
mod terminology;
mod terminology_reader;
mod ucum;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

pub use code_list::{CodeList, CodeListError, Completeness};
pub use navigation::ChildElement;
use sha2::{Digest, Sha256};
pub use snapshot::SnapshotFault;
pub use standing::{Coding, Standing};
pub use structure::*;
pub use terminology::*;

use crate::package::{self, PackageCache, PackageError, PackageId, PackageSource};
use crate::resource::SyntaxError;
use crate::xml::XmlReader;
use entries::{AsWritten, Entries};
use pack::{Head, Pack, StructureHead};
use snapshot::KeptSnapshots;

/// A package that was loaded: its id and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedPackage {
    /// `name@version`, or the path of a package that was given by path.
    pub id: String,
    /// Name and version; absent for a package that was given by path.
    pub package: Option<PackageId>,
    /// SHA-256 over its files, hexadecimal.
    pub sha256: String,
    /// Where its files came from, where that is known.
    pub origin: Option<String>,
    /// Whether its definitions stand in only where no other package has them.
    pub is_fallback: bool,
}

/// The number by which some [`Definitions`] know a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StructureNumber(u32);

/// Whether a code belongs to a value set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// It does.
    In,
    /// It does not.
    NotIn,
    /// It cannot be said here.
    Unknown(WhyUnknown),
}

/// Why it cannot be said whether a code belongs to a value set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum WhyUnknown {
    /// The value set, or one that it imports, is in no loaded package.
    #[error("the value set, or one that it builds on, is in no loaded package")]
    ValueSetNotLoaded,
    /// The code system is in no loaded package.
    #[error("the code system is in no loaded package")]
    SystemNotLoaded,
    /// The packages hold only a part of the code system.
    #[error("the loaded packages hold only a part of the code system")]
    SystemIncomplete,
    /// A filter that is not evaluated here.
    #[error("the value set uses a filter that cannot be evaluated here")]
    FilterNotSupported,
    /// Value sets that import each other.
    #[error("the value set imports itself")]
    Circular,
}

/// Why definitions could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionsError {
    /// A package is absent or altered.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A definition file is no FHIR in XML.
    #[error("the definition file {} is not FHIR in XML; nothing was loaded", file.display())]
    NotXml {
        /// The file.
        file: PathBuf,
        /// Where and why.
        #[source]
        source: SyntaxError,
    },
    /// A definition file is not JSON.
    #[error("the definition file {} is not JSON; nothing was loaded", file.display())]
    NotJson {
        /// The file.
        file: PathBuf,
        /// Where and why.
        #[source]
        source: SyntaxError,
    },
}

/// Everything loaded, ready to be asked; shared by reference between threads.
///
/// A clone shares what was read and decoded so far.
#[derive(Debug, Default, Clone)]
pub struct Definitions {
    packages: Vec<LoadedPackage>,
    packs: Vec<Arc<Pack>>,
    structures: Entries<Structure>,
    value_sets: Entries<ValueSet>,
    code_systems: Entries<CodeSystem>,
    raw: Entries<AsWritten>,
    structures_by_type: HashMap<String, usize>,
    resource_types: BTreeSet<String>,
    code_lists: BTreeMap<String, CodeList>,
    snapshot_faults: Vec<SnapshotFault>,
    /// Structures whose snapshots are still to be made.
    without_snapshot: BTreeSet<usize>,
    kept_snapshots: KeptSnapshots,
}

impl Definitions {
    /// Loads packages from the cache. Where two define the same URL, the package that stands first wins.
    pub fn load(cache: &PackageCache, packages: &[PackageId]) -> Result<Self, DefinitionsError> {
        Self::load_with(cache, packages, &[])
    }

    /// Loads packages from the cache and packages given by path. Where two define the same URL, what was given by path wins,
    /// in its order, then the cached packages in theirs.
    ///
    /// Files in XML are read by the types that the cached packages define.
    pub fn load_with(
        cache: &PackageCache,
        packages: &[PackageId],
        sources: &[PackageSource],
    ) -> Result<Self, DefinitionsError> {
        Self::load_all(cache, packages, sources, &[])
    }

    /// As [`Definitions::load_with`], and last of all definitions by path that count only where nothing else has their URL.
    pub fn load_all(
        cache: &PackageCache,
        packages: &[PackageId],
        sources: &[PackageSource],
        fallbacks: &[PackageSource],
    ) -> Result<Self, DefinitionsError> {
        let packs = open_packs(cache, packages)?;
        let mut base = Self::default();
        if sources.iter().chain(fallbacks).any(PackageSource::has_xml) {
            for (id, pack) in &packs {
                base.take(id.to_string(), Some((*id).clone()), Arc::clone(pack));
            }
        }
        let mut xml = XmlReader::new(&base);
        let mut loaded = Self::default();
        for source in sources {
            let pack = Pack::of_source(source, &mut xml)?;
            loaded.take(source.path.display().to_string(), None, Arc::new(pack));
        }
        for (id, pack) in packs {
            loaded.take(id.to_string(), Some(id.clone()), pack);
        }
        for source in fallbacks {
            let pack = Pack::of_source(source, &mut xml)?;
            loaded.take(source.path.display().to_string(), None, Arc::new(pack));
            if let Some(package) = loaded.packages.last_mut() {
                package.is_fallback = true;
            }
        }
        loaded.make_snapshots_once(cache);
        Ok(loaded)
    }

    /// These definitions with packages by path laid over them: cheap, since what was read and decoded is shared.
    ///
    /// Where two define the same URL, what is laid over wins, in its order. In [`Definitions::packages`] it stands last.
    pub fn with(&self, sources: &[PackageSource]) -> Result<Self, DefinitionsError> {
        let mut xml = XmlReader::new(self);
        let packs: Vec<_> = sources.iter().map(|source| Pack::of_source(source, &mut xml)).collect::<Result<_, _>>()?;
        let mut over = self.clone();
        let structures = over.structures.lift();
        let (value_sets, code_systems, raw) = (over.value_sets.lift(), over.code_systems.lift(), over.raw.lift());
        let types = std::mem::take(&mut over.structures_by_type);
        for (source, pack) in sources.iter().zip(packs) {
            over.take(source.path.display().to_string(), None, Arc::new(pack));
        }
        for (name, at) in types {
            over.structures_by_type.entry(name).or_insert(at);
        }
        over.structures.lay_over(structures);
        over.value_sets.lay_over(value_sets);
        over.code_systems.lay_over(code_systems);
        over.raw.lay_over(raw);
        over.make_snapshots();
        Ok(over)
    }

    /// Adds a structure, or puts it in the place of the one with its URL and version: for snapshots made from differentials.
    pub fn add_structure(&mut self, structure: Structure) {
        let head = StructureHead::of(&structure);
        let (at, before) = self.structures.add(&self.packs, structure);
        if let Some(by_type) = self.structures_by_type.get_mut(&head.type_name)
            && Some(*by_type) == before
        {
            *by_type = at;
        }
        self.index_type(&head, at);
    }

    /// The packages loaded, in the order in which they win.
    pub fn packages(&self) -> &[LoadedPackage] {
        &self.packages
    }

    /// SHA-256, hexadecimal, over all that these definitions answer from: the packages in their order, and lists of codes.
    ///
    /// Two with the same hash answer the same, given the same program.
    pub fn content_hash(&self) -> String {
        let mut hasher = Sha256::new();
        // Each part says how long it is, so that no two lists of parts are the same bytes.
        let mut part = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        for package in &self.packages {
            part(package.id.as_bytes());
            part(package.sha256.as_bytes());
            part(&[u8::from(package.package.is_some()), u8::from(package.is_fallback)]);
        }
        for list in self.code_lists.values() {
            part(list.system().as_bytes());
            part(list.sha256().as_bytes());
            part(&[u8::from(list.completeness() == Completeness::Whole)]);
        }
        for added in self.structures.added() {
            part(&postcard::to_stdvec(added).expect("a structure is plain data, which always encodes"));
        }
        package::hex(&hasher.finalize())
    }

    /// A structure by type name (`Patient`, `HumanName`) or canonical URL, with or without `|version`.
    pub fn structure(&self, url_or_type: &str) -> Option<&Structure> {
        self.structure_index(url_or_type).map(|at| self.structure_at(at))
    }

    /// Every type, by its name: the structure that answers for it, and how large that is. Nothing is decoded for it.
    pub fn types(&self) -> BTreeMap<&str, (StructureNumber, StructureSize)> {
        let types = self.structures_by_type.iter();
        types.map(|(name, at)| (name.as_str(), (StructureNumber(*at as u32), self.size_at(*at)))).collect()
    }

    /// A structure by its number among these definitions.
    pub fn numbered(&self, number: StructureNumber) -> &Structure {
        self.structure_at(number.0 as usize)
    }

    /// The element that a profile is about: its root, or the one whose id stands behind `#`.
    pub fn profile_element(&self, url: &str) -> Option<(&Structure, &Element)> {
        let (url, id) = url.split_once('#').map_or((url, None), |(url, id)| (url, Some(id)));
        let structure = self.structure(url)?;
        let element = id.map_or_else(|| structure.root(), |id| structure.element_by_id(id))?;
        Some((structure, element))
    }

    /// Whether what answers to a canonical URL is a definition that stands in for one that is not loaded.
    pub fn stands_in(&self, url: &str) -> bool {
        let pack = self.structure_index(url).and_then(|at| self.structures.pack_of(at));
        pack.is_some_and(|pack| self.packages[pack].is_fallback)
    }

    fn structure_index(&self, url_or_type: &str) -> Option<usize> {
        match self.structures_by_type.get(url_or_type) {
            Some(at) => Some(*at),
            None => self.structures.find(&self.packs, url_or_type),
        }
    }

    /// Every structure loaded, in the order of the packages; this decodes them all.
    pub fn structures(&self) -> impl Iterator<Item = &Structure> {
        // One that was replaced is no longer reachable by its URL.
        self.structures.reachable().into_iter().map(|at| self.structure_at(at))
    }

    /// The names of the concrete resource types, sorted.
    pub fn resource_types(&self) -> impl Iterator<Item = &str> {
        self.resource_types.iter().map(String::as_str)
    }

    /// Whether a name is that of a concrete resource type.
    pub fn is_resource_type(&self, name: &str) -> bool {
        self.resource_types.contains(name)
    }

    /// A value set by canonical URL, with or without `|version`.
    pub fn value_set(&self, canonical: &str) -> Option<&ValueSet> {
        let at = self.value_sets.find(&self.packs, canonical)?;
        Some(self.value_sets.get(&self.packs, at, |pack, head| pack.decode(head)))
    }

    /// A code system by URL, with or without `|version`.
    pub fn code_system(&self, url: &str) -> Option<&CodeSystem> {
        let at = self.code_systems.find(&self.packs, url)?;
        Some(self.code_systems.get(&self.packs, at, |pack, head| {
            let mut system: CodeSystem = pack.decode(head);
            system.build_index();
            system
        }))
    }

    /// Adds codes that a user holds; they answer for their system in the place of what packages have of it.
    pub fn add_codes(&mut self, list: CodeList) {
        match self.code_lists.get_mut(list.system()) {
            Some(known) => known.extend(&list),
            None => {
                self.code_lists.insert(list.system().to_owned(), list);
            }
        }
    }

    /// The lists of codes that a user holds, by system.
    pub fn code_lists(&self) -> impl Iterator<Item = &CodeList> {
        self.code_lists.values()
    }

    /// The list that a user holds of a system, where there is one.
    pub(crate) fn code_list(&self, system: &str) -> Option<&CodeList> {
        if self.code_lists.is_empty() { None } else { self.code_lists.get(system) }
    }

    /// A ConceptMap, NamingSystem or Questionnaire by canonical URL, as JSON bytes as written.
    pub fn raw(&self, canonical: &str) -> Option<&[u8]> {
        self.raw.bytes(&self.packs, self.raw.find(&self.packs, canonical)?)
    }

    /// The text for people of a code, where its system is loaded.
    pub fn display(&self, system: &str, code: &str) -> Option<&str> {
        self.code_system(system)?.concept(code)?.display.as_deref()
    }

    /// Whether a URL is that of a structure.
    pub(crate) fn knows_structure(&self, url: &str) -> bool {
        self.structures.has(&self.packs, url)
    }

    fn structure_at(&self, at: usize) -> &Structure {
        self.structures.get(&self.packs, at, |pack, head| match self.kept_snapshots.of(at) {
            Some(with_snapshot) => with_snapshot,
            None => pack.decode(head),
        })
    }

    fn size_at(&self, at: usize) -> StructureSize {
        if let Some(decoded) = self.structures.decoded(at) {
            return decoded.size();
        }
        let packed =
            || self.structures.place(at).map(|(pack, place)| self.packs[pack].index.structure_heads[place].size);
        self.kept_snapshots.size_of(at).or_else(packed).unwrap_or_default()
    }

    fn take(&mut self, id: String, package: Option<PackageId>, pack: Arc<Pack>) {
        let first = self.structures.len();
        for (place, structure) in pack.index.structure_heads.iter().enumerate() {
            self.index_type(structure, first + place);
            if structure.needs_snapshot {
                self.without_snapshot.insert(first + place);
            }
        }
        if package.as_ref().is_some_and(|package| package.name.starts_with("hl7.terminology")) {
            self.give_way(&pack);
        }
        // HL7 took the extensions out of R4 into a package of their own: what it says of them is the last word.
        let is_newer = id.starts_with(EXTENSION_PACKAGE);
        let packages = &self.packages;
        // A package may have a URL twice: the first of the two is of this package, which is not among them yet.
        let is_older = |pack: usize| is_newer && packages.get(pack).is_some_and(|of| of.id.starts_with(CORE_PACKAGE));
        let (sha256, origin) = (pack.index.sha256.clone(), pack.index.origin.clone());
        self.packs.push(pack);
        self.structures.list_last(&self.packs, &is_older);
        self.value_sets.list_last(&self.packs, &|_| false);
        // A supplement has the URL of its own; it never answers for the system that it supplements.
        self.code_systems.list_last(&self.packs, &|_| false);
        self.raw.list_last(&self.packs, &|_| false);
        self.packages.push(LoadedPackage { id, package, sha256, origin, is_fallback: false });
    }

    /// HL7's terminology package takes the place of the copies that R4 holds of what is maintained there since.
    fn give_way(&mut self, terminology: &Pack) {
        let packages = &self.packages;
        let is_core = |pack: usize| packages[pack].package.as_ref().is_some_and(|package| package.name == CORE_PACKAGE);
        let theirs = |head: &&Head| head.url.starts_with("http://terminology.hl7.org/");
        for head in terminology.index.value_sets.iter().filter(theirs) {
            self.value_sets.forget(&self.packs, &head.url, &is_core);
        }
        for head in terminology.index.code_systems.iter().filter(theirs) {
            self.code_systems.forget(&self.packs, &head.url, &is_core);
        }
    }

    fn index_type(&mut self, head: &StructureHead, at: usize) {
        if head.derivation == Derivation::Constraint || head.kind == StructureKind::Logical {
            return;
        }
        if head.kind == StructureKind::Resource && !head.is_abstract {
            self.resource_types.insert(head.type_name.clone());
        }
        self.structures_by_type.entry(head.type_name.clone()).or_insert(at);
    }
}

/// The packs of some packages, opened side by side: to look at ten thousand files takes longer than all that comes after.
fn open_packs<'i>(
    cache: &PackageCache,
    packages: &'i [PackageId],
) -> Result<Vec<(&'i PackageId, Arc<Pack>)>, DefinitionsError> {
    std::thread::scope(|scope| {
        let opening: Vec<_> = packages.iter().map(|id| (id, scope.spawn(|| Pack::of_package(cache, id)))).collect();
        let opened = opening.into_iter().map(|(id, pack)| {
            let pack = pack.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok((id, Arc::new(pack)))
        });
        opened.collect()
    })
}

/// The packages of R4 and of the extensions that HL7 took out of it.
const CORE_PACKAGE: &str = "hl7.fhir.r4.core";
const EXTENSION_PACKAGE: &str = "hl7.fhir.uv.extensions";
