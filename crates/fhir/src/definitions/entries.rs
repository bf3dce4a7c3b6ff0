//! What packages define, as it is asked for: by canonical URL, each decoded when it is first needed.
//!
//! A start lists more than ten thousand definitions and asks for a few of them. So an entry is two numbers and an empty
//! place, and no URL is copied: the table holds hashes, and the pack's own index says which URL it is.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hasher};
use std::sync::{Arc, OnceLock};

use super::pack::{Head, Index, Pack};
use super::{CodeSystem, Structure, ValueSet};

/// A kind of definition: where packs list it, and how it is known.
pub(super) trait Definition {
    fn heads(index: &Index) -> &[Head];
    fn url(&self) -> &str;
    fn version(&self) -> Option<&str>;
}

impl Definition for Structure {
    fn heads(index: &Index) -> &[Head] {
        &index.structures
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

impl Definition for ValueSet {
    fn heads(index: &Index) -> &[Head] {
        &index.value_sets
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

impl Definition for CodeSystem {
    fn heads(index: &Index) -> &[Head] {
        &index.code_systems
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

/// A resource that packs keep as it is written; nothing of it is ever decoded.
#[derive(Debug)]
pub(super) enum AsWritten {}

impl Definition for AsWritten {
    fn heads(index: &Index) -> &[Head] {
        &index.raw
    }

    fn url(&self) -> &str {
        match *self {}
    }

    fn version(&self) -> Option<&str> {
        match *self {}
    }
}

/// All definitions of one kind.
#[derive(Debug)]
pub(super) struct Entries<T> {
    list: Vec<Entry<T>>,
    /// By the hash of the URL: those of one URL stand in the order in which they win.
    by_url: ByHash,
}

type ByHash = HashMap<u64, Places, BuildHasherDefault<AsIs>>;

/// Places in the list; nearly always one.
#[derive(Debug, Clone)]
enum Places {
    One(u32),
    Many(Vec<u32>),
}

impl Places {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(at) => std::slice::from_ref(at),
            Self::Many(all) => all,
        }
    }

    fn insert(&mut self, position: usize, at: u32) {
        let mut all = self.as_slice().to_vec();
        all.insert(position, at);
        *self = Self::Many(all);
    }
}

/// One definition: where it is, and itself once it was asked for.
#[derive(Debug)]
struct Entry<T> {
    /// The pack and the place in its list; absent for one that was added decoded.
    place: Option<(u32, u32)>,
    decoded: OnceLock<Arc<T>>,
}

/// What is hashed already.
#[derive(Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers are hashed");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn hash(url: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(url)
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { place: self.place, decoded: self.decoded.clone() }
    }
}

impl<T> Clone for Entries<T> {
    fn clone(&self) -> Self {
        Self { list: self.list.clone(), by_url: self.by_url.clone() }
    }
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self { list: Vec::new(), by_url: ByHash::default() }
    }
}

/// What the URLs led to before a layer was laid over it.
pub(super) struct Under(ByHash);

impl<T: Definition> Entries<T> {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The number of the pack that has an entry, and the place in its list.
    pub(super) fn place(&self, at: usize) -> Option<(usize, usize)> {
        self.list[at].place.map(|(pack, place)| (pack as usize, place as usize))
    }

    /// An entry, where it was decoded before.
    pub(super) fn decoded(&self, at: usize) -> Option<&T> {
        self.list[at].decoded.get().map(Arc::as_ref)
    }

    /// The number of the pack that has an entry; absent for one that was added decoded.
    pub(super) fn pack_of(&self, at: usize) -> Option<usize> {
        self.place(at).map(|(pack, _)| pack)
    }

    fn head<'p>(&self, packs: &'p [Arc<Pack>], at: usize) -> Option<(&'p Pack, &'p Head)> {
        let (pack, place) = self.list[at].place?;
        let pack = packs[pack as usize].as_ref();
        Some((pack, &T::heads(&pack.index)[place as usize]))
    }

    fn url<'p>(&'p self, packs: &'p [Arc<Pack>], at: usize) -> &'p str {
        match self.head(packs, at) {
            Some((_, head)) => &head.url,
            None => self.list[at].decoded.get().map_or("", |added| added.url()),
        }
    }

    pub(super) fn version<'p>(&'p self, packs: &'p [Arc<Pack>], at: usize) -> Option<&'p str> {
        match self.head(packs, at) {
            Some((_, head)) => head.version.as_deref(),
            None => self.list[at].decoded.get().and_then(|added| added.version()),
        }
    }

    /// The entries of a URL, as they win.
    fn of_url<'p>(&'p self, packs: &'p [Arc<Pack>], url: &str) -> impl Iterator<Item = usize> {
        let places = self.by_url.get(&hash(url)).map_or(&[][..], Places::as_slice);
        places.iter().map(|at| *at as usize).filter(move |at| self.url(packs, *at) == url)
    }

    /// Lists what the last pack has of this kind, behind all that is there. `goes_before` says whether a new one wins over
    /// another, by the number of that one's pack.
    pub(super) fn list_last(&mut self, packs: &[Arc<Pack>], goes_before: &dyn Fn(usize) -> bool) {
        let Some(pack) = packs.len().checked_sub(1) else { return };
        let heads = T::heads(&packs[pack].index);
        self.list.reserve(heads.len());
        self.by_url.reserve(heads.len());
        for (place, head) in heads.iter().enumerate() {
            let at = self.list.len() as u32;
            self.list.push(Entry { place: Some((pack as u32, place as u32)), decoded: OnceLock::new() });
            let key = hash(&head.url);
            let Some(known) = self.by_url.get(&key) else {
                self.by_url.insert(key, Places::One(at));
                continue;
            };
            let gives_way = |other: &u32| {
                let other = *other as usize;
                self.pack_of(other).is_some_and(goes_before) && self.url(packs, other) == head.url
            };
            let known = known.as_slice();
            let position = known.iter().position(gives_way).unwrap_or(known.len());
            if let Some(known) = self.by_url.get_mut(&key) {
                known.insert(position, at);
            }
        }
    }

    /// Forgets what stands under a URL, of the packs that are said.
    pub(super) fn forget(&mut self, packs: &[Arc<Pack>], url: &str, is_of: &dyn Fn(usize) -> bool) {
        let key = hash(url);
        let Some(known) = self.by_url.get(&key) else { return };
        let goes = |at: &u32| {
            let at = *at as usize;
            self.pack_of(at).is_some_and(is_of) && self.url(packs, at) == url
        };
        let left: Vec<u32> = known.as_slice().iter().copied().filter(|at| !goes(at)).collect();
        self.by_url.insert(key, Places::Many(left));
    }

    /// Adds one, in the place of the one with its URL and version; gives its own place and that one's.
    pub(super) fn add(&mut self, packs: &[Arc<Pack>], added: T) -> (usize, Option<usize>) {
        let at = self.list.len();
        let before = self.of_url(packs, added.url()).find(|known| self.version(packs, *known) == added.version());
        let places = self.by_url.entry(hash(added.url()));
        let places = places.or_insert_with(|| Places::Many(Vec::new()));
        let mut all = places.as_slice().to_vec();
        match before.and_then(|before| all.iter().position(|known| *known as usize == before)) {
            Some(position) => all[position] = at as u32,
            None => all.push(at as u32),
        }
        *places = Places::Many(all);
        self.list.push(Entry { place: None, decoded: OnceLock::from(Arc::new(added)) });
        (at, before)
    }

    /// Takes the URLs away, so that what is listed next is found by itself.
    pub(super) fn lift(&mut self) -> Under {
        Under(std::mem::take(&mut self.by_url))
    }

    /// Puts URLs that were taken away below those listed since.
    pub(super) fn lay_over(&mut self, under: Under) {
        let added = std::mem::replace(&mut self.by_url, under.0);
        for (key, places) in added {
            let mut all = places.as_slice().to_vec();
            all.extend(self.by_url.get(&key).map_or(&[][..], Places::as_slice));
            self.by_url.insert(key, Places::Many(all));
        }
    }

    /// The first entry of a canonical URL, of the version that it names where it names one: `1.2` is also any `1.2.x`.
    pub(super) fn find(&self, packs: &[Arc<Pack>], canonical: &str) -> Option<usize> {
        if let Some(known) = self.of_url(packs, canonical).next() {
            return Some(known);
        }
        let (url, version) = canonical.rsplit_once('|')?;
        let of_version = |is_it: &dyn Fn(&str) -> bool| {
            self.of_url(packs, url).find(|at| self.version(packs, *at).is_some_and(is_it))
        };
        let is_part_of = |known: &str| known.strip_prefix(version).is_some_and(|rest| rest.starts_with('.'));
        of_version(&|known| known == version).or_else(|| of_version(&is_part_of))
    }

    /// Whether anything has a URL.
    pub(super) fn has(&self, packs: &[Arc<Pack>], url: &str) -> bool {
        self.of_url(packs, url).next().is_some()
    }

    /// The places of all that a URL leads to, in their order.
    pub(super) fn reachable(&self) -> Vec<usize> {
        let mut all: Vec<usize> =
            self.by_url.values().flat_map(|places| places.as_slice().iter().map(|at| *at as usize)).collect();
        all.sort_unstable();
        all
    }

    /// An entry, decoded once.
    pub(super) fn get(&self, packs: &[Arc<Pack>], at: usize, decode: impl FnOnce(&Pack, &Head) -> T) -> &T {
        self.list[at].decoded.get_or_init(|| {
            let (pack, head) = self.head(packs, at).expect("what was added decoded is never decoded again");
            Arc::new(decode(pack, head))
        })
    }

    /// The bytes of an entry as its pack has them.
    pub(super) fn bytes<'p>(&self, packs: &'p [Arc<Pack>], at: usize) -> Option<&'p [u8]> {
        self.head(packs, at).map(|(pack, head)| pack.piece(head))
    }

    /// Puts something else in the place of what the pack has.
    pub(super) fn settle(&mut self, at: usize, decoded: T) {
        self.list[at].decoded = OnceLock::from(Arc::new(decoded));
    }

    /// Those that were added decoded, in their order.
    pub(super) fn added(&self) -> impl Iterator<Item = &T> {
        let added = self.list.iter().filter(|entry| entry.place.is_none());
        added.filter_map(|entry| entry.decoded.get().map(Arc::as_ref))
    }
}
