//! Everything that can be proved about a pack before the first row is read; what holds is compiled.
//!
//! In: the files of the mappings folder, the schemas of the source tables, the FHIR definitions. Out: all findings
//! at once, and, where none is an error, the plan. Checking and compiling are one walk, so that nothing is compiled
//! that was not checked.
//!
//! | what you want to find | module |
//! |---|---|
//! | one pack: its maps, unused files, unread columns | this one |
//! | names of rows, lists, columns and `let`s | [`scope`] |
//! | expressions and their types | [`exprs`], [`calls`], [`types`] |
//! | references to other maps | `references` |
//! | elements against the definitions | [`elements`], [`values`], [`formats`], [`extensions`] |
//! | slices by name; what a profile fixes of them | `slices` |
//! | code maps, bindings, literal codes | [`codes`] |
//! | codes that would pass through unmapped | `pass_through` |
//! | values that can be null, elements that can be left out | `absence` |
//! | what happens to missing, invalid and unmapped values | [`policy`] |
//! | resources that the source holds whole | `keep` |
//! | measures: their closed list | [`measures`] |

mod absence;
pub(crate) mod calls;
pub(crate) mod codes;
pub(crate) mod elements;
pub(crate) mod exprs;
pub(crate) mod extensions;
pub(crate) mod formats;
pub(crate) mod keep;
pub mod measures;
mod pass_through;
pub(crate) mod policy;
mod references;
pub(crate) mod scope;
mod slices;
pub(crate) mod types;
pub(crate) mod values;

pub use calls::{FORMS, Form, fn_type, signature};
pub use codes::KNOWN_SYSTEMS;
pub use policy::POLICIES;

use std::collections::{BTreeMap, BTreeSet};

use epr_fhir::definitions::Definitions;
use epr_model::schema::{SystemSchema, TableKey};
use epr_run::digest::Sha256Hex;

use crate::diagnostics::{self, Diagnostic, FileId, Sink, Sources, Span};
use crate::lower;
use crate::pack::relative;
use crate::plan::MappingPlan;
use crate::resolve::{ResolvedMap, Resolver};

/// What a compilation reads; nothing else is looked at.
#[derive(Debug, Clone, Copy)]
pub struct CompileInput<'a> {
    /// `<ods>/<system>`, as the folder is named.
    pub pack: &'a str,
    /// The organisation as ids, issues and ledgers name it.
    pub organisation: &'a str,
    /// The system likewise.
    pub system: &'a str,
    /// All files of the mappings folder: [`crate::load_pack`].
    pub sources: &'a Sources,
    pub schema: &'a SystemSchema,
    /// Systems that `ref('ed/encounter', …)` may reach.
    pub others: &'a [OtherPack<'a>],
    pub definitions: &'a Definitions,
    /// `epr check --strict`: also what must hold before a live load.
    pub strict: bool,
}

/// Another pack, as references reach it.
#[derive(Debug, Clone, Copy)]
pub struct OtherPack<'a> {
    pub pack: &'a str,
    pub organisation: &'a str,
    pub system: &'a str,
    pub schema: &'a SystemSchema,
}

/// What came of a compilation.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// `None` when there is an error.
    pub plan: Option<MappingPlan>,
    /// Sorted by file and place.
    pub diagnostics: Vec<Diagnostic>,
    texts: Vec<(String, String)>,
}

impl Compiled {
    /// The resolved text of the pack: what an approval is given for. Comments, quotes and layout do not show in it;
    /// a rule, an override, a fragment, a row of a code map and a source column do.
    pub fn plan_text(&self) -> String {
        self.texts.iter().flat_map(|(name, text)| ["# ", name.as_str(), "\n", text.as_str(), "\n"]).collect()
    }

    /// How many findings are errors.
    pub fn n_errors(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.is_error()).count()
    }
}

/// A map as references see it.
#[derive(Debug, Clone)]
pub(crate) struct MapSummary {
    pub(crate) organisation: String,
    pub(crate) system: String,
    pub(crate) table: String,
    /// The key's names, for messages; `None` under `key: row`.
    pub(crate) key: Option<Vec<String>>,
    /// It keeps resources that the source holds whole.
    pub(crate) keeps: bool,
    /// Resource type and `id_part` of each resource, and whether a list makes several of it.
    pub(crate) resources: Vec<(String, String, bool)>,
}

/// What one map's compilation tells the pack.
#[derive(Debug, Default)]
pub(crate) struct TableUseRecord {
    /// Columns read or ignored, by table.
    pub(crate) read: BTreeMap<String, BTreeSet<String>>,
    /// Where each table is named first.
    pub(crate) named_at: BTreeMap<String, Span>,
}

/// Checks and compiles a pack.
pub fn compile(input: &CompileInput<'_>) -> Compiled {
    let mut sink = Sink::new(input.sources);
    let mut resolver = Resolver::new(&mut sink, input.strict);
    let names = map_names(input);
    let mut resolved: Vec<(String, ResolvedMap)> = Vec::new();
    for name in &names {
        if let Some(map) = resolver.map(name) {
            resolved.push((name.clone(), map));
        }
    }
    let summaries = summaries(input, &mut resolver, &resolved);
    let mut plans = Vec::new();
    let mut texts = Vec::new();
    let mut tables = TableUseRecord::default();
    for (name, map) in &resolved {
        let before = resolver.sink.n_errors();
        if let Some((plan, text)) = lower::map(input, &mut resolver, &summaries, name, map, &mut tables)
            && resolver.sink.n_errors() == before
        {
            plans.push(plan);
            texts.push((name.clone(), text));
        }
    }
    if input.strict && resolver.sink.n_errors() == 0 {
        unread_columns(input, resolver.sink, &tables);
    }
    let shared = shared_files(input);
    // Where a rule did not compile, what it would send through a code map is not known.
    if resolver.sink.n_errors() == 0 {
        resolver.unused_rows(&format!("{}/", input.pack), &shared);
    }
    let mut used = std::mem::take(&mut resolver.used);
    used.extend(shared);
    unused_files(input, &mut sink, &used);
    let mut diagnostics = sink.found;
    diagnostics::sort(&mut diagnostics);
    let has_error = diagnostics.iter().any(Diagnostic::is_error);
    let compiled = Compiled { plan: None, diagnostics, texts };
    let plan = (!has_error).then(|| MappingPlan {
        pack: input.pack.to_owned(),
        organisation: input.organisation.to_owned(),
        system: input.system.to_owned(),
        plan_hash: Sha256Hex::of_bytes(compiled.plan_text().as_bytes()).as_str().to_owned(),
        maps: plans,
    });
    Compiled { plan, ..compiled }
}

/// The pack's maps: the YAML files directly in its folder.
fn map_names(input: &CompileInput<'_>) -> Vec<String> {
    let folder = format!("{}/", input.pack);
    let in_pack = |path: &str| {
        let name = path.strip_prefix(&folder)?.strip_suffix(".yaml")?;
        (!name.contains('/')).then(|| format!("{folder}{name}"))
    };
    input.sources.paths().filter_map(in_pack).collect()
}

/// How references see the maps of this pack, and of the others of the same mappings folder.
fn summaries(
    input: &CompileInput<'_>,
    resolver: &mut Resolver<'_, '_>,
    resolved: &[(String, ResolvedMap)],
) -> BTreeMap<String, MapSummary> {
    let mut found = BTreeMap::new();
    for (name, map) in resolved {
        if let Some(summary) = lower::summary(input.organisation, input.system, input.schema, map, input.definitions) {
            found.insert(name.clone(), summary);
        }
    }
    for other in input.others {
        let folder = format!("{}/", other.pack);
        let names: Vec<String> = resolver
            .sink
            .sources
            .paths()
            .filter_map(|p| p.strip_prefix(&folder)?.strip_suffix(".yaml"))
            .filter(|n| !n.contains('/'))
            .map(|n| format!("{folder}{n}"))
            .collect();
        for name in names {
            // The other pack's own mistakes are said when it is compiled.
            let n_found = resolver.sink.found.len();
            let map = resolver.map(&name);
            resolver.sink.found.truncate(n_found);
            if let Some(map) = map
                && let Some(summary) =
                    lower::summary(other.organisation, other.system, other.schema, &map, input.definitions)
            {
                found.insert(name, summary);
            }
        }
    }
    found
}

/// A column that no map of the pack reads, nor lists under `ignore:`.
fn unread_columns(input: &CompileInput<'_>, sink: &mut Sink<'_>, tables: &TableUseRecord) {
    for (name, span) in &tables.named_at {
        let Some(table) = input.schema.table(name) else { continue };
        let read = tables.read.get(name);
        let is_key = |column: &str| match &table.key {
            TableKey::Columns(key) => key.iter().any(|k| k == column),
            TableKey::Row => false,
        };
        let unread: Vec<&str> = table
            .columns
            .iter()
            .map(|c| c.name.as_str())
            .filter(|c| !matches!(*c, "_parent" | "_ord") && !is_key(c))
            .filter(|c| !read.is_some_and(|r| r.contains(*c)))
            .collect();
        if !unread.is_empty() {
            let noun = if unread.len() == 1 { "column is" } else { "columns are" };
            sink.error("MAP0111", *span, format!("{} {noun} read by no map: {}", unread.len(), unread.join(", ")))
                .help("read them, or list them with a reason: `ignore: { COLUMN: reason }`");
        }
    }
}

/// The pack's code maps and fragments that files of other packs may use: those that they name, and all of them where
/// another pack extends a map of this one. Only the text is asked, so that another pack's mistakes do not matter here.
fn shared_files(input: &CompileInput<'_>) -> BTreeSet<FileId> {
    let folder = format!("{}/", input.pack);
    let mut shared = BTreeSet::new();
    for path in input.sources.paths().filter(|p| !p.starts_with(&folder) && !p.ends_with("csv")) {
        let Some(file) = input.sources.find(path) else { continue };
        let words = input.sources.text(file).split(|c: char| c.is_whitespace() || "\"',{}[]".contains(c));
        let mut extends = false;
        for word in words.filter(|w| !w.is_empty()) {
            if std::mem::take(&mut extends) && word.starts_with(&folder) {
                let of_pack = input.sources.paths().filter(|p| p.starts_with(&folder));
                shared.extend(of_pack.filter_map(|p| input.sources.find(p)));
            }
            extends = word == "extends:";
            shared.extend(relative(path, word).and_then(|p| input.sources.find(&p)));
        }
    }
    shared
}

/// Code maps and fragments below the pack's folder that no map names.
fn unused_files(input: &CompileInput<'_>, sink: &mut Sink<'_>, used: &BTreeSet<FileId>) {
    let folder = format!("{}/", input.pack);
    let unused: Vec<FileId> = input
        .sources
        .paths()
        .filter(|p| p.strip_prefix(&folder).is_some_and(|rest| rest.contains('/') || !rest.ends_with("yaml")))
        .filter_map(|p| input.sources.find(p))
        .filter(|f| !used.contains(f))
        .collect();
    for file in unused {
        let what = if input.sources.path(file).ends_with("csv") { "code map" } else { "fragment" };
        sink.warning("MAP0307", Span::new(file, 0, 0), format!("no map of the pack uses this {what}"))
            .help("delete it, or name it in a map");
    }
}
