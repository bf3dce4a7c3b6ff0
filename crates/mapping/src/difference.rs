//! What differs between two versions of the mappings: by resolved leaves, never by lines.
//!
//! A leaf is one text, expression or directive of a map with its base, its changes and its fragments in place, under
//! the path that `override:` would use (`emit.identifier.pas.system`, `emit.gender..via`, `lookup.al.match`).
//! Layout, comments, quotes, tests and reasons are no leaves. Rows of code maps are told apart from leaves.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::code_map::CodeMapFile;
use crate::diagnostics::{Diagnostic, Sink, Sources};
use crate::pack::relative;
use crate::resolve::{ResolvedMap, Resolver};
use crate::syntax::ast::{Condition, Directives, Lookup, MapFile, Name, Object, Value, ValueKind};

/// One version: the files of a mappings folder, and which pack of them.
#[derive(Debug, Clone, Copy)]
pub struct Version<'v> {
    pub sources: &'v Sources,
    /// `<ods>/<system>`; `None`: every pack of the folder.
    pub pack: Option<&'v str>,
}

/// What differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Maps with at least one changed leaf, by name.
    pub maps: Vec<MapDifference>,
    /// How many maps both versions were compared in.
    pub n_maps: usize,
    pub code_maps: Vec<CodeMapDifference>,
}

/// The changed leaves of one map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MapDifference {
    /// `patient` of two packs, `rk9/ipm/patient` of two folders.
    pub map: String,
    pub leaves: Vec<LeafChange>,
}

/// One leaf; `before` or `after` is absent where it was added or taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeafChange {
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// The rows of a code map that stands at the same leaves of both versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodeMapDifference {
    pub before: String,
    pub after: String,
    pub added: usize,
    pub removed: usize,
    pub changed: usize,
}

impl Difference {
    pub fn n_leaves(&self) -> usize {
        self.maps.iter().map(|m| m.leaves.len()).sum()
    }

    pub fn n_rows(&self) -> usize {
        self.code_maps.iter().map(|c| c.added + c.removed + c.changed).sum()
    }

    pub const fn is_empty(&self) -> bool {
        self.maps.is_empty() && self.code_maps.is_empty()
    }
}

impl LeafChange {
    /// `added`, `removed` or `changed`.
    pub const fn kind(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        }
    }
}

/// Compares two versions. `Err` holds the errors of files that cannot be read so far that their leaves are known.
pub fn difference(before: Version<'_>, after: Version<'_>) -> Result<Difference, Vec<Diagnostic>> {
    let (before, after) = (Read::of(before)?, Read::of(after)?);
    let names: BTreeSet<&String> = before.maps.keys().chain(after.maps.keys()).collect();
    let mut found = Difference { n_maps: names.len(), ..Difference::default() };
    let mut code_maps: BTreeSet<(&str, &str)> = BTreeSet::new();
    let nothing = Leaves::default();
    for name in names {
        let (a, b) = (before.maps.get(name).unwrap_or(&nothing), after.maps.get(name).unwrap_or(&nothing));
        let leaves = changes(a, b);
        if !leaves.is_empty() {
            found.maps.push(MapDifference { map: name.clone(), leaves });
        }
        code_maps.extend(
            a.code_maps.iter().filter_map(|(path, file)| Some((file.as_str(), b.code_maps.get(path)?.as_str()))),
        );
    }
    for (a, b) in code_maps {
        let (Some(rows_a), Some(rows_b)) = (before.codes.get(a), after.codes.get(b)) else { continue };
        let added = rows_b.keys().filter(|k| !rows_a.contains_key(*k)).count();
        let removed = rows_a.keys().filter(|k| !rows_b.contains_key(*k)).count();
        let changed = rows_a.iter().filter(|(k, row)| rows_b.get(*k).is_some_and(|other| other != *row)).count();
        if added + removed + changed > 0 {
            found.code_maps.push(CodeMapDifference {
                before: a.to_owned(),
                after: b.to_owned(),
                added,
                removed,
                changed,
            });
        }
    }
    Ok(found)
}

/// The changed leaves, in the order of the later version; what was taken away stands at the end.
fn changes(a: &Leaves, b: &Leaves) -> Vec<LeafChange> {
    let text = |leaves: &Leaves, path: &str| leaves.by_path.get(path).map(|at| leaves.all[*at].1.clone());
    let mut found = Vec::new();
    for (path, after) in &b.all {
        let before = text(a, path);
        if before.as_ref() != Some(after) {
            found.push(LeafChange { path: path.clone(), before, after: Some(after.clone()) });
        }
    }
    for (path, before) in &a.all {
        if !b.by_path.contains_key(path) {
            found.push(LeafChange { path: path.clone(), before: Some(before.clone()), after: None });
        }
    }
    found
}

/// One version, read.
struct Read {
    maps: BTreeMap<String, Leaves>,
    /// By file: the rows of code maps by their source code.
    codes: BTreeMap<String, BTreeMap<String, [String; 4]>>,
}

impl Read {
    fn of(version: Version<'_>) -> Result<Self, Vec<Diagnostic>> {
        let mut sink = Sink::new(version.sources);
        let mut resolver = Resolver::new(&mut sink, false);
        let mut read = Self { maps: BTreeMap::new(), codes: BTreeMap::new() };
        for name in map_names(version) {
            let Some(map) = resolver.map(&name) else { continue };
            let leaves = Leaves::of(&map, &mut resolver, &mut read.codes);
            let shown = match version.pack {
                Some(pack) => name[pack.len() + 1..].to_owned(),
                None => name,
            };
            read.maps.insert(shown, leaves);
        }
        let errors: Vec<Diagnostic> = sink.found.into_iter().filter(Diagnostic::is_error).collect();
        if errors.is_empty() { Ok(read) } else { Err(errors) }
    }
}

/// The maps of a pack, or of every pack: files directly in a folder `<ods>/<system>`.
fn map_names(version: Version<'_>) -> Vec<String> {
    let is_map = |name: &str| match version.pack {
        Some(pack) => name.strip_prefix(pack).and_then(|r| r.strip_prefix('/')).is_some_and(|r| !r.contains('/')),
        None => name.matches('/').count() == 2,
    };
    version.sources.paths().filter_map(|p| p.strip_suffix(".yaml")).filter(|n| is_map(n)).map(str::to_owned).collect()
}

/// The leaves of one map, in written order.
#[derive(Default)]
struct Leaves {
    all: Vec<(String, String)>,
    by_path: BTreeMap<String, usize>,
    /// By the path of a `.via`: its file.
    code_maps: BTreeMap<String, String>,
}

impl Leaves {
    fn of(
        resolved: &ResolvedMap,
        resolver: &mut Resolver<'_, '_>,
        codes: &mut BTreeMap<String, BTreeMap<String, [String; 4]>>,
    ) -> Self {
        let mut walk = Walk { leaves: Self::default(), resolver, codes };
        walk.map(&resolved.map);
        walk.leaves
    }

    fn push(&mut self, path: String, text: String) {
        self.by_path.insert(path.clone(), self.all.len());
        self.all.push((path, text));
    }
}

struct Walk<'w, 'r, 's> {
    leaves: Leaves,
    resolver: &'w mut Resolver<'r, 's>,
    codes: &'w mut BTreeMap<String, BTreeMap<String, [String; 4]>>,
}

impl Walk<'_, '_, '_> {
    fn map(&mut self, map: &MapFile) {
        for (key, name) in [("domain", &map.domain), ("target", &map.target)] {
            self.name(key, name.as_ref());
        }
        if let Some(from) = &map.from_resource {
            self.leaves.push("from_resource".to_owned(), "keep".to_owned());
            self.name("from_resource.column", from.column.as_ref());
            self.name("from_resource.source_id", from.source_id.as_ref());
            self.name("from_resource.base", from.base.as_ref());
        }
        if let Some(safety) = &map.safety {
            self.name("safety.owner", safety.owner.as_ref());
            for hazard in &safety.hazards {
                self.leaves.push(format!("safety.hazards.{}", hazard.text), hazard.text.clone());
            }
        }
        for (key, pairs) in [("systems", &map.systems), ("defaults", &map.defaults)] {
            for (name, value) in pairs {
                self.name(&format!("{key}.{}", name.text), Some(value));
            }
        }
        if let Some(source) = &map.source {
            self.name("source.alias", Some(&source.alias));
            self.name("source.table", Some(&source.table));
        }
        if let Some(filter) = &map.filter {
            self.leaves.push("where".to_owned(), filter.to_string());
        }
        self.lookups("lookup", &map.lookup);
        self.lookups("join", &map.join);
        for (name, value) in &map.lets {
            self.value(&format!("let.{}", name.text), value);
        }
        self.conditions("require", &map.require);
        if let Some(group) = &map.group {
            let by: Vec<String> = group.by.iter().map(ToString::to_string).collect();
            self.leaves.push("group.by".to_owned(), by.join(", "));
            if let Some(order) = &group.order {
                self.leaves.push("group.order".to_owned(), order.to_string());
            }
            for column in &group.agree {
                self.leaves.push(format!("group.agree.{}", column.text), column.text.clone());
            }
            self.name("group.else", group.otherwise.as_ref());
        }
        if let Some(latest) = &map.latest {
            let by: Vec<String> = latest.by.iter().map(ToString::to_string).collect();
            self.leaves.push("latest.by".to_owned(), by.join(", "));
            self.leaves.push("latest.max".to_owned(), latest.max.to_string());
        }
        if let Some(emit) = &map.emit {
            self.object("emit", emit);
        }
        for (i, resource) in map.resources.iter().enumerate() {
            let d = &resource.directives;
            let label = d.label.as_ref().or(d.id_part.as_ref()).map_or_else(|| format!("[{i}]"), |n| n.text.clone());
            self.object(&format!("resources.{label}"), resource);
        }
        self.conditions("assert", &map.asserts);
        for (name, value) in &map.measure {
            self.value(&format!("measure.{}", name.text), value);
        }
        for (column, _) in &map.ignore {
            self.leaves.push(format!("ignore.{}", column.text), "ignored".to_owned());
        }
    }

    fn name(&mut self, path: &str, name: Option<&Name>) {
        if let Some(name) = name {
            self.leaves.push(path.to_owned(), name.text.clone());
        }
    }

    fn lookups(&mut self, word: &str, lookups: &[Lookup]) {
        for lookup in lookups {
            let path = format!("{word}.{}", lookup.alias.text);
            self.name(&format!("{path}.table"), Some(&lookup.table));
            self.leaves.push(format!("{path}.match"), lookup.matching.to_string());
            self.name(&format!("{path}.takes"), Some(&lookup.takes));
            if let Some(order) = &lookup.order {
                self.leaves.push(format!("{path}.order"), order.to_string());
            }
        }
    }

    fn conditions(&mut self, word: &str, conditions: &[Condition]) {
        for (i, condition) in conditions.iter().enumerate() {
            let path = format!("{word}[{i}]");
            self.leaves.push(format!("{path}.that"), condition.that.to_string());
            self.name(&format!("{path}.else"), condition.otherwise.as_ref());
            self.name(&format!("{path}.hazard"), condition.hazard.as_ref());
        }
    }

    fn value(&mut self, path: &str, value: &Value) {
        match &value.kind {
            ValueKind::Literal(text) => self.leaves.push(path.to_owned(), format!("{text:?}")),
            ValueKind::Expr(expr) => self.leaves.push(path.to_owned(), format!("={expr}")),
            ValueKind::Object(object) => self.object(path, object),
            ValueKind::List(items) => {
                let mut n_unlabelled = 0;
                for item in items {
                    let label = match &item.kind {
                        ValueKind::Object(object) => object.directives.label.as_ref().map(|l| format!(".{}", l.text)),
                        _ => None,
                    };
                    // An item with a label may move, and those without count among themselves.
                    let step = label.unwrap_or_else(|| {
                        n_unlabelled += 1;
                        format!("[{}]", n_unlabelled - 1)
                    });
                    self.value(&format!("{path}{step}"), item);
                }
            }
            ValueKind::Poison => {}
        }
    }

    fn object(&mut self, path: &str, object: &Object) {
        self.directives(path, &object.directives);
        for member in &object.members {
            self.value(&format!("{path}.{}", member.key.label()), &member.value);
        }
    }

    fn directives(&mut self, path: &str, d: &Directives) {
        // A bare value is short for `.from`, and is the same leaf.
        if let Some(from) = &d.from {
            self.value(path, from);
        }
        if let Some(value) = &d.value {
            self.value(&format!("{path}..value"), value);
        }
        if let Some(via) = &d.via {
            let sources = self.resolver.sink.sources;
            let file = relative(sources.path(via.span.file), &via.text).unwrap_or_else(|| via.text.clone());
            if let Some(map) = self.resolver.code_map(via) {
                self.codes.entry(file.clone()).or_insert_with(|| rows(map));
            }
            self.leaves.code_maps.insert(format!("{path}..via"), file.clone());
            self.leaves.push(format!("{path}..via"), file);
        }
        for (word, name) in [
            (".on_unmapped", &d.on_unmapped),
            (".on_invalid", &d.on_invalid),
            (".on_missing", &d.on_missing),
            (".id_part", &d.id_part),
            ("target", &d.target),
        ] {
            self.name(&format!("{path}.{word}"), name.as_ref());
        }
        if let Some(when) = &d.when {
            self.leaves.push(format!("{path}..when"), when.to_string());
        }
        if let Some((alias, list)) = &d.each {
            self.leaves.push(format!("{path}..each"), format!("{}: {list}", alias.text));
        }
        if let Some(emit) = &d.emit {
            self.object(path, emit);
        }
    }
}

/// What a row gives, by its source code.
fn rows(map: &CodeMapFile) -> BTreeMap<String, [String; 4]> {
    let row = |row: &crate::code_map::CodeRow| {
        let display = row.display.as_ref().map(|d| d.text.clone()).unwrap_or_default();
        [row.target_system.text.clone(), row.target.text.clone(), display, row.equivalence_text.clone()]
    };
    map.rows.iter().map(|r| (r.source.text.clone(), row(r))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "language: 1
map: patient
domain: pmi
target: Patient
source: { p: { table: PATIENTS } }
where: \"$ARCHV_FLAG != 'D'\"
emit:
  identifier:
    - { .as: pas, system: \"https://rk9.example/pas\", value: $PASID }
    - { .as: nhs, .fragment: nhs, .with: { value: $NHS } }
  gender: { .from: $SEX, .via: codes/sex.csv, .on_unmapped: omit }
";
    const FRAGMENT: &str = "language: 1
fragment: nhs
takes: { value: text }
gives: Identifier
emit: { system: \"https://fhir.nhs.uk/Id/nhs-number\", value: $value }
";
    const CODES: &str = "source,target_system,target\n1,http://x.org,male\n2,http://x.org,female\n";

    fn sources(files: &[(&str, &str)]) -> Sources {
        let mut sources = Sources::new("mappings/");
        for (path, text) in files {
            sources.add(path, text);
        }
        sources
    }

    fn rk9() -> Vec<(&'static str, &'static str)> {
        vec![("rk9/ipm/patient.yaml", BASE), ("rk9/ipm/fragments/nhs.yaml", FRAGMENT), ("rk9/ipm/codes/sex.csv", CODES)]
    }

    #[test]
    fn layout_quotes_and_comments_are_no_difference() {
        let laid_out = BASE.replace("emit:", "# A comment.\nemit:").replace("domain: pmi", "domain: 'pmi'");
        let (a, mut files) = (sources(&rk9()), rk9());
        files[0].1 = &laid_out;
        let b = sources(&files);
        let found = difference(Version { sources: &a, pack: None }, Version { sources: &b, pack: None }).unwrap();
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(found.n_maps, 1);
    }

    #[test]
    fn an_overlay_differs_in_the_leaves_that_it_changes() {
        let overlay = "language: 1
map: patient
extends: rk9/ipm/patient
rename: { ARCHV_FLAG: ARCHIVED }
override: { identifier.pas.system: \"https://ref.example/pas\", gender..via: codes/sex.csv }
remove: [ identifier.nhs ]
add: { active: true }
tests: []
";
        let codes = CODES.replace("2,http://x.org,female\n", "2,http://x.org,other\n9,http://x.org,unknown\n");
        let mut files = rk9();
        files.extend([("ref/ipm/patient.yaml", overlay), ("ref/ipm/codes/sex.csv", &codes)]);
        let all = sources(&files);
        let side = |pack| Version { sources: &all, pack: Some(pack) };
        let found = difference(side("rk9/ipm"), side("ref/ipm")).unwrap();
        let shown: Vec<String> = found.maps[0].leaves.iter().map(|l| format!("{} {}", l.kind(), l.path)).collect();
        assert_eq!(
            shown,
            [
                "changed where",
                "changed emit.identifier.pas.system",
                "changed emit.gender..via",
                "added emit.active",
                "removed emit.identifier.nhs.system",
                "removed emit.identifier.nhs.value",
            ]
        );
        assert_eq!(found.n_leaves(), 6);
        let rows = &found.code_maps[0];
        assert_eq!((rows.added, rows.removed, rows.changed), (1, 0, 1));
        assert!(difference(side("ref/ipm"), side("ref/ipm")).unwrap().is_empty());
    }

    #[test]
    fn a_map_of_one_version_only_is_all_added_or_removed() {
        let (a, b) = (sources(&rk9()), sources(&[]));
        let found = difference(Version { sources: &a, pack: None }, Version { sources: &b, pack: None }).unwrap();
        assert_eq!(found.maps[0].map, "rk9/ipm/patient");
        assert!(found.maps[0].leaves.iter().all(|l| l.kind() == "removed"));
        assert!(found.n_leaves() >= 9);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_and_not_a_difference() {
        let (a, b) = (sources(&rk9()), sources(&[("rk9/ipm/patient.yaml", "language: 1\nemit: [")]));
        let side = |sources| Version { sources, pack: None };
        assert!(difference(side(&a), side(&b)).is_err());
    }
}
