//! A mapping file made whole: its base, its changes to it, and its fragments put in place.
//!
//! In: the files of the mappings folder. Out: one tree for each map, as if it had been written in one file, in
//! which every part still knows the file that it came from. Nothing is typed here.
//!
//! | what you want to find | module |
//! |---|---|
//! | `extends`, merging of heads | this one |
//! | `rename`, `override`, `add`, `remove` by label | [`change`] |
//! | fragments | [`fragment`] |

mod change;
mod fragment;

use std::collections::{BTreeMap, BTreeSet};

use crate::code_map::{self, CodeMapFile};
use crate::diagnostics::{FileId, Sink, nearest};
use crate::pack::relative;
use crate::syntax::ast::{FragmentFile, MapFile, Name};
use crate::syntax::map_file;

/// A map with everything in place.
#[derive(Debug, Clone)]
pub(crate) struct ResolvedMap {
    pub(crate) map: MapFile,
    /// The files that took part, the map's own first.
    pub(crate) files: Vec<FileId>,
}

/// Reads each file once, however often it is named.
pub(crate) struct Resolver<'r, 's> {
    pub(crate) sink: &'r mut Sink<'s>,
    pub(crate) strict: bool,
    maps: BTreeMap<String, Option<ResolvedMap>>,
    fragments: BTreeMap<String, Option<FragmentFile>>,
    codes: BTreeMap<FileId, CodeMapFile>,
    /// Short names of code systems by the fragment file that declares them.
    pub(crate) fragment_systems: BTreeMap<FileId, BTreeMap<String, String>>,
    pub(crate) used: BTreeSet<FileId>,
    /// The source codes that rules of literals only can send through a code map; `None` where data goes through it.
    pub(crate) sent_through: BTreeMap<FileId, Option<BTreeSet<String>>>,
}

impl<'r, 's> Resolver<'r, 's> {
    pub(crate) fn new(sink: &'r mut Sink<'s>, strict: bool) -> Self {
        Self {
            sink,
            strict,
            maps: BTreeMap::new(),
            fragments: BTreeMap::new(),
            codes: BTreeMap::new(),
            fragment_systems: BTreeMap::new(),
            used: BTreeSet::new(),
            sent_through: BTreeMap::new(),
        }
    }

    /// The map of a name `<ods>/<system>/<map>`; `None` when it cannot be read, which was said, or is not there.
    pub(crate) fn map(&mut self, name: &str) -> Option<ResolvedMap> {
        self.resolve(name, &mut Vec::new())
    }

    /// The code map that `named` means in the file that names it.
    pub(crate) fn code_map(&mut self, named: &Name) -> Option<&CodeMapFile> {
        let sources = self.sink.sources;
        let path = relative(sources.path(named.span.file), &named.text);
        let Some(file) = path.as_deref().and_then(|p| sources.find(p)) else {
            let folder = sources.path(named.span.file).rsplit_once('/').map_or("", |(f, _)| f);
            let near = sources
                .paths()
                .filter_map(|p| p.strip_prefix(folder).map(|p| p.trim_start_matches('/')))
                .filter(|p| p.strip_suffix(".csv").is_some());
            let help = nearest(&named.text, near).map(|n| format!("did you mean `{n}`?"));
            let message = format!("there is no code map `{}`", named.text);
            self.sink.error("MAP0016", named.span, message).help_if(help);
            return None;
        };
        self.used.insert(file);
        if !self.codes.contains_key(&file) {
            let map = code_map::read(file, self.sink);
            self.codes.insert(file, map);
        }
        self.codes.get(&file)
    }

    /// Remembers what one rule can send through a code map.
    pub(crate) fn send_through(&mut self, file: FileId, possible: Option<&[String]>) {
        let before = self.sent_through.entry(file).or_insert_with(|| Some(BTreeSet::new()));
        match (before.as_mut(), possible) {
            (Some(codes), Some(possible)) => codes.extend(possible.iter().cloned()),
            _ => *before = None,
        }
    }

    /// Rows of the pack's own code maps that no rule can ever use. `shared` are the files that other packs use too.
    pub(crate) fn unused_rows(&mut self, folder: &str, shared: &BTreeSet<FileId>) {
        for (file, codes) in &self.sent_through {
            let (Some(codes), Some(map)) = (codes, self.codes.get(file)) else { continue };
            if shared.contains(file) || !self.sink.sources.path(*file).starts_with(folder) {
                continue;
            }
            for row in map.rows.iter().filter(|r| !codes.contains(&r.source.text)) {
                let source = &row.source;
                let message = format!("code map line {} is not used: no rule ever gives `{}`", row.line, source.text);
                self.sink.warning("MAP0308", source.span, message);
            }
        }
    }

    fn resolve(&mut self, name: &str, stack: &mut Vec<String>) -> Option<ResolvedMap> {
        if let Some(known) = self.maps.get(name) {
            return known.clone();
        }
        let file = self.sink.sources.find(&format!("{name}.yaml"))?;
        self.used.insert(file);
        stack.push(name.to_owned());
        let resolved = map_file(file, self.sink).and_then(|map| self.whole(map, stack));
        stack.pop();
        self.maps.insert(name.to_owned(), resolved.clone());
        resolved
    }

    fn whole(&mut self, map: MapFile, stack: &mut Vec<String>) -> Option<ResolvedMap> {
        let file = map.file;
        let mut files = vec![file];
        let mut map = match map.extends.clone() {
            None => {
                self.refuse_changes(&map);
                map
            }
            Some(extends) => {
                if stack.contains(&extends.text) {
                    let message = format!("`{}` extends itself in a circle", extends.text);
                    self.sink.error("MAP0017", extends.span, message);
                    return None;
                }
                let Some(base) = self.base(&extends, stack) else {
                    // What the base says is not known, so nothing more can be said of this file.
                    if self.sink.sources.find(&format!("{}.yaml", extends.text)).is_some() {
                        let message = format!("skipped: its base `{}` has errors", extends.text);
                        self.sink.information("MAP0018", extends.span, message);
                    }
                    return None;
                };
                files.extend(base.files);
                self.merge(base.map, map)
            }
        };
        self.inline(&mut map, &mut files);
        files.dedup();
        Some(ResolvedMap { map, files })
    }

    fn base(&mut self, extends: &Name, stack: &mut Vec<String>) -> Option<ResolvedMap> {
        if self.sink.sources.find(&format!("{}.yaml", extends.text)).is_none() {
            let names = self.sink.sources.paths().filter_map(|p| p.strip_suffix(".yaml"));
            let help = nearest(&extends.text, names)
                .map(|n| format!("did you mean `{n}`?"))
                .or_else(|| Some("a base is named `<ods>/<system>/<map>`".to_owned()));
            let message = format!("there is no map `{}`", extends.text);
            self.sink.error("MAP0016", extends.span, message).help_if(help);
            return None;
        }
        self.resolve(&extends.text, stack)
    }

    fn refuse_changes(&mut self, map: &MapFile) {
        let first = [
            ("rename", map.rename.first().map(|(n, _)| n.span)),
            ("override", map.overrides.first().map(|(n, _)| n.span)),
            ("add", map.add.first().map(|(n, _)| n.span)),
            ("remove", map.remove.first().map(|n| n.span)),
        ];
        for (word, span) in first {
            if let Some(span) = span {
                self.sink
                    .error("MAP0237", span, format!("`{word}` changes a base, and this map has none"))
                    .help("name the base: `extends: <ods>/<system>/<map>`");
            }
        }
    }

    /// The base with this file's changes and heads.
    fn merge(&mut self, mut base: MapFile, this: MapFile) -> MapFile {
        self.rename(&mut base, &this.rename);
        self.change(&mut base, &this);
        if let Some(span) = this.emit.as_ref().map(|e| e.span).or(this.resources_span) {
            let at = crate::diagnostics::Span { end: span.start, ..span };
            self.sink
                .error("MAP0236", at, "a map that extends another has no rules of its own")
                .help("change the base by label: `override:`, `add:`, `remove:`");
        }
        let mut require = base.require;
        require.extend(this.require);
        let mut asserts = base.asserts;
        asserts.extend(this.asserts);
        MapFile {
            file: this.file,
            span: this.span,
            language: this.language,
            map: this.map,
            extends: this.extends,
            domain: this.domain.or(base.domain),
            target: this.target.or(base.target),
            safety: this.safety.or(base.safety),
            systems: by_name(base.systems, this.systems),
            defaults: by_name(base.defaults, this.defaults),
            source: this.source.or(base.source),
            filter: this.filter.or(base.filter),
            lookup: lookups(base.lookup, this.lookup),
            join: lookups(base.join, this.join),
            lets: by_name(base.lets, this.lets),
            require,
            group: this.group.or(base.group),
            latest: this.latest.or(base.latest),
            emit: base.emit,
            resources: base.resources,
            resources_span: base.resources_span,
            asserts,
            measure: by_name(base.measure, this.measure),
            ignore: by_name(base.ignore, this.ignore),
            tests: this.tests,
            rename: this.rename,
            overrides: Vec::new(),
            add: Vec::new(),
            remove: Vec::new(),
            cross_organisation: this.cross_organisation.or(base.cross_organisation),
            from_resource: this.from_resource.or(base.from_resource),
        }
    }
}

/// The base's entries, each replaced where this file names it too, then the new ones.
fn by_name<T>(base: Vec<(Name, T)>, this: Vec<(Name, T)>) -> Vec<(Name, T)> {
    let mut merged = base;
    for (name, value) in this {
        match merged.iter_mut().find(|(n, _)| n.text == name.text) {
            Some(entry) => *entry = (name, value),
            None => merged.push((name, value)),
        }
    }
    merged
}

fn lookups(
    base: Vec<crate::syntax::ast::Lookup>,
    this: Vec<crate::syntax::ast::Lookup>,
) -> Vec<crate::syntax::ast::Lookup> {
    let mut merged = base;
    for lookup in this {
        match merged.iter_mut().find(|l| l.alias.text == lookup.alias.text) {
            Some(entry) => *entry = lookup,
            None => merged.push(lookup),
        }
    }
    merged
}
