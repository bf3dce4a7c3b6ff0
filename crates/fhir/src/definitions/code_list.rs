//! Lists of codes that a user holds in local files: SNOMED CT, dm+d, ICD-10, ODS and their like.
//!
//! In: a CSV file `code,display[,inactive]`, or the snapshot files of SNOMED CT's release format 2 (RF2). Out: whether a code
//! is known, in use, and goes with a text; for SNOMED CT also what it is a kind of, and in which reference sets it is.
//! Memory: a code is a number of 8 bytes where all of the list are, a text is a hash of 8 bytes; no text is kept.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Standing;

/// The relationship "is a" of SNOMED CT.
const IS_A: u64 = 116_680_003;

/// Whether a list is all of its system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// A code that is not on it is wrong.
    Whole,
    /// A code that is not on it is not checked.
    Part,
}

/// Why a list could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CodeListError {
    /// A file or folder could not be read.
    #[error("could not read {}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is not as the format has it.
    #[error("{}, line {line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A folder holds no concept file.
    #[error("{} holds no RF2 snapshot file of concepts (sct2_Concept_Snapshot….txt)", path.display())]
    NoConcepts {
        /// The folder.
        path: PathBuf,
    },
}

/// The codes of one system, sorted; places in one vector are places in all.
#[derive(Debug, Clone)]
pub struct CodeList {
    system: String,
    sha256: String,
    completeness: Completeness,
    codes: Codes,
    is_inactive: Vec<bool>,
    /// Hashes of the texts of each code, between `text_starts[at]` and `text_starts[at + 1]`.
    texts: Vec<u64>,
    text_starts: Vec<u32>,
    /// The places of what each code is a kind of, likewise.
    parents: Vec<u32>,
    parent_starts: Vec<u32>,
    /// The places of the members of each reference set, sorted.
    reference_sets: BTreeMap<u64, Vec<u32>>,
}

#[derive(Debug, Clone)]
enum Codes {
    Numbers(Vec<u64>),
    Texts(Vec<Box<str>>),
}

/// What was read, in the order of the files.
#[derive(Default)]
struct Raw {
    concepts: Vec<(Box<str>, bool)>,
    texts: Vec<(Box<str>, u64)>,
    parents: Vec<(u64, u64)>,
    members: Vec<(u64, u64)>,
}

impl CodeList {
    /// Reads a list: a CSV file, one RF2 concept file, or a folder of RF2 files.
    pub fn read(system: &str, path: &Path, completeness: Completeness) -> Result<Self, CodeListError> {
        let mut raw = Raw::default();
        let mut hasher = Sha256::new();
        let mut files = Vec::new();
        if path.is_dir() {
            rf2_files(path, &mut files, 0)?;
            files.sort();
            if !files.iter().any(|file| kind_of(file) == Some(Rf2::Concept)) {
                return Err(CodeListError::NoConcepts { path: path.to_owned() });
            }
        } else {
            files.push(path.to_owned());
        }
        for file in &files {
            let bytes = std::fs::read(file).map_err(|source| CodeListError::Disk { path: file.clone(), source })?;
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(&bytes);
            let text = std::str::from_utf8(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes))
                .map_err(|_| CodeListError::Line { path: file.clone(), line: 1, what: "expected UTF-8 text" })?;
            match kind_of(file) {
                Some(kind) => raw.rf2(kind, file, text)?,
                None => raw.csv(file, text)?,
            }
        }
        Ok(Self::of(system, crate::package::hex(&hasher.finalize()), completeness, raw))
    }

    fn of(system: &str, sha256: String, completeness: Completeness, mut raw: Raw) -> Self {
        raw.concepts.sort();
        // The same code twice: in use wins, since `false` sorts first.
        raw.concepts.dedup_by(|next, kept| next.0 == kept.0);
        let as_number = |code: &str| code.parse::<u64>().ok().filter(|n| n.to_string() == code);
        let mut numbers: Vec<(u64, bool)> =
            raw.concepts.iter().map_while(|(code, inactive)| Some((as_number(code)?, *inactive))).collect();
        let (codes, is_inactive): (Codes, Vec<bool>) = if numbers.len() == raw.concepts.len() {
            numbers.sort_unstable();
            (Codes::Numbers(numbers.iter().map(|n| n.0).collect()), numbers.iter().map(|n| n.1).collect())
        } else {
            let (codes, inactive) = raw.concepts.into_iter().unzip();
            (Codes::Texts(codes), inactive)
        };
        let n = is_inactive.len();
        let texts = raw.texts.iter().filter_map(|(code, text)| Some((codes.place(code)?, *text)));
        let (text_starts, texts) = grouped(n, texts.collect());
        let at = |id: u64| codes.place(&id.to_string());
        let parents = raw.parents.iter().filter_map(|(child, parent)| Some((at(*child)?, at(*parent)?)));
        let (parent_starts, parents) = grouped(n, parents.collect());
        let mut reference_sets: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (set, member) in raw.members {
            let members = reference_sets.entry(set).or_default();
            members.extend(codes.place(&member.to_string()));
        }
        for members in reference_sets.values_mut() {
            members.sort_unstable();
            members.dedup();
        }
        Self {
            system: system.to_owned(),
            sha256,
            completeness,
            codes,
            is_inactive,
            texts,
            text_starts,
            parents,
            parent_starts,
            reference_sets,
        }
    }

    /// The system of which it lists codes.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// SHA-256 over its files, hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How many codes it has.
    pub fn len(&self) -> usize {
        self.is_inactive.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.is_inactive.is_empty()
    }

    /// Whether it is all of its system.
    pub fn completeness(&self) -> Completeness {
        self.completeness
    }

    /// Whether it says what its codes are kinds of.
    pub fn has_hierarchy(&self) -> bool {
        !self.parents.is_empty()
    }

    /// Adds another list of the same system; together they are whole where one of them is.
    pub(super) fn extend(&mut self, other: &Self) {
        let mut raw = Raw::default();
        let mut hasher = Sha256::new();
        for list in [&*self, other] {
            hasher.update(&list.sha256);
            for at in 0..list.len() as u32 {
                let code: Box<str> = list.codes.text(at).into();
                raw.texts.extend(list.texts_of(at).iter().map(|text| (code.clone(), *text)));
                raw.concepts.push((code, list.is_inactive[at as usize]));
                let number = |at: u32| list.codes.number(at);
                let own = list.parents_of(at).iter().filter_map(|parent| Some((number(at)?, number(*parent)?)));
                raw.parents.extend(own);
            }
            for (set, members) in &list.reference_sets {
                raw.members.extend(members.iter().filter_map(|at| Some((*set, list.codes.number(*at)?))));
            }
        }
        let is_whole = self.completeness == Completeness::Whole || other.completeness == Completeness::Whole;
        let completeness = if is_whole { Completeness::Whole } else { Completeness::Part };
        *self = Self::of(&self.system, crate::package::hex(&hasher.finalize()), completeness, raw);
    }

    pub(super) fn place(&self, code: &str) -> Option<u32> {
        self.codes.place(code)
    }

    /// What a code of it is, and whether a text goes with it. A list without texts has nothing against any.
    pub(super) fn standing(&self, code: &str, display: Option<&str>) -> Standing {
        let Some(at) = self.place(code) else {
            return match self.completeness {
                Completeness::Whole => Standing::Unknown,
                Completeness::Part => Standing::NotInPart,
            };
        };
        let texts = self.texts_of(at);
        match display {
            Some(display) if !texts.is_empty() && !texts.contains(&text_hash(display)) => Standing::WrongDisplay,
            _ if self.is_inactive[at as usize] => Standing::Inactive,
            _ => Standing::Known,
        }
    }

    /// Whether a code is a kind of another, itself not included; each code is looked at once.
    pub(super) fn is_below(&self, lower: u32, upper: u32) -> bool {
        let mut seen = std::collections::HashSet::from([lower]);
        let mut open = vec![lower];
        while let Some(at) = open.pop() {
            for parent in self.parents_of(at) {
                if *parent == upper {
                    return true;
                }
                if seen.insert(*parent) {
                    open.push(*parent);
                }
            }
        }
        false
    }

    /// What a code is directly a kind of.
    pub(super) fn parents_of(&self, at: u32) -> &[u32] {
        &self.parents[self.parent_starts[at as usize] as usize..self.parent_starts[at as usize + 1] as usize]
    }

    /// Whether a code is in a reference set; `None` where the set is not loaded.
    pub(super) fn is_member(&self, set: u64, at: u32) -> Option<bool> {
        Some(self.reference_sets.get(&set)?.binary_search(&at).is_ok())
    }

    fn texts_of(&self, at: u32) -> &[u64] {
        &self.texts[self.text_starts[at as usize] as usize..self.text_starts[at as usize + 1] as usize]
    }
}

impl Codes {
    fn place(&self, code: &str) -> Option<u32> {
        let found = match self {
            Self::Numbers(numbers) => {
                let number = code.parse::<u64>().ok().filter(|_| !code.starts_with(['0', '+']))?;
                numbers.binary_search(&number)
            }
            Self::Texts(texts) => texts.binary_search_by(|text| (**text).cmp(code)),
        };
        found.ok().map(|at| at as u32)
    }

    fn text(&self, at: u32) -> String {
        match self {
            Self::Numbers(numbers) => numbers[at as usize].to_string(),
            Self::Texts(texts) => texts[at as usize].to_string(),
        }
    }

    fn number(&self, at: u32) -> Option<u64> {
        match self {
            Self::Numbers(numbers) => Some(numbers[at as usize]),
            Self::Texts(texts) => texts[at as usize].parse().ok(),
        }
    }
}

/// Case and white space at the ends do not count.
fn text_hash(text: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(text.trim().to_lowercase())
}

/// Pairs of a place and a value as one vector of values with the place where those of each begin.
fn grouped<T: Copy + Ord>(n: usize, mut pairs: Vec<(u32, T)>) -> (Vec<u32>, Vec<T>) {
    pairs.sort_unstable();
    pairs.dedup();
    let mut starts = vec![0_u32; n + 1];
    for (at, _) in &pairs {
        starts[*at as usize + 1] += 1;
    }
    for at in 0..n {
        starts[at + 1] += starts[at];
    }
    (starts, pairs.into_iter().map(|(_, value)| value).collect())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rf2 {
    Concept,
    Description,
    Relationship,
    SimpleReferenceSet,
}

/// What an RF2 file holds, by its name; `None` for a CSV file.
fn kind_of(file: &Path) -> Option<Rf2> {
    let name = file.file_name()?.to_str()?;
    if file.extension().is_none_or(|end| end != "txt") || !name.contains("Snapshot") {
        return None;
    }
    let begins =
        |with: &str| name.starts_with(with) || name.strip_prefix('x').is_some_and(|rest| rest.starts_with(with));
    match () {
        () if begins("sct2_Concept_") => Some(Rf2::Concept),
        () if begins("sct2_Description_") => Some(Rf2::Description),
        () if begins("sct2_Relationship_") => Some(Rf2::Relationship),
        () if begins("der2_Refset_Simple") => Some(Rf2::SimpleReferenceSet),
        () => None,
    }
}

fn rf2_files(folder: &Path, files: &mut Vec<PathBuf>, depth: u32) -> Result<(), CodeListError> {
    let disk = |source| CodeListError::Disk { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(disk)? {
        let path = entry.map_err(disk)?.path();
        if path.is_dir() && depth < 8 {
            rf2_files(&path, files, depth + 1)?;
        } else if kind_of(&path).is_some() {
            files.push(path);
        }
    }
    Ok(())
}

impl Raw {
    fn rf2(&mut self, kind: Rf2, file: &Path, text: &str) -> Result<(), CodeListError> {
        for (n, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
            let fault = |what| CodeListError::Line { path: file.to_owned(), line: n + 1, what };
            let cells: Vec<&str> = line.split('\t').collect();
            let width = if matches!(kind, Rf2::Description | Rf2::Relationship) { 8 } else { 5 };
            if cells.len() < width {
                return Err(fault("expected the columns of RF2, separated by tabs"));
            }
            let is_active = cells[2] == "1";
            let number = |cell: &str| cell.parse::<u64>().map_err(|_| fault("expected an SCTID"));
            match kind {
                Rf2::Concept => {
                    number(cells[0])?;
                    self.concepts.push((cells[0].into(), !is_active));
                }
                _ if !is_active => {}
                Rf2::Description => self.texts.push((cells[4].into(), text_hash(cells[7]))),
                Rf2::Relationship => {
                    if number(cells[7])? == IS_A {
                        self.parents.push((number(cells[4])?, number(cells[5])?));
                    }
                }
                Rf2::SimpleReferenceSet => {
                    if cells.len() < 6 {
                        return Err(fault("expected the columns of RF2, separated by tabs"));
                    }
                    self.members.push((number(cells[4])?, number(cells[5])?));
                }
            }
        }
        Ok(())
    }

    fn csv(&mut self, file: &Path, text: &str) -> Result<(), CodeListError> {
        let mut is_first = true;
        for (n, line) in text.lines().enumerate() {
            let fault = |what| CodeListError::Line { path: file.to_owned(), line: n + 1, what };
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            // The header may stand below what people say of the list.
            if std::mem::take(&mut is_first) && line.to_ascii_lowercase().starts_with("code") {
                continue;
            }
            let cells = csv_cells(line).ok_or_else(|| fault("expected closed quotation marks"))?;
            let code = cells[0].trim();
            if code.is_empty() {
                return Err(fault("expected a code in the first column"));
            }
            let is_inactive = match cells.get(2).map(|cell| cell.trim().to_ascii_lowercase()).as_deref() {
                None | Some("" | "0" | "false" | "no" | "n") => false,
                Some("1" | "true" | "yes" | "y" | "inactive") => true,
                Some(_) => return Err(fault("expected true or false in the third column (inactive)")),
            };
            self.concepts.push((code.into(), is_inactive));
            if let Some(display) = cells.get(1).filter(|cell| !cell.trim().is_empty()) {
                self.texts.push((code.into(), text_hash(display)));
            }
        }
        Ok(())
    }
}

/// The cells of a line of CSV (RFC 4180); a cell does not go over a line's end. `None`: a quotation mark is not closed.
fn csv_cells(line: &str) -> Option<Vec<String>> {
    let mut cells = vec![String::new()];
    let mut chars = line.chars().peekable();
    let mut quoted = false;
    while let Some(char) = chars.next() {
        let cell = cells.last_mut().expect("there is always a cell");
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if quoted || cell.is_empty() => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cell.push(other),
        }
    }
    if quoted { None } else { Some(cells) }
}
