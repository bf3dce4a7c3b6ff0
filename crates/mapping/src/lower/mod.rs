//! The head of a map to its plan: tables, look-ups, conditions, groups, resources, measures.
//!
//! Elements and expressions are compiled where they are checked (`check`); this puts them together in the order in
//! which names come into scope.

mod head;
mod tests_block;

use std::collections::{BTreeMap, BTreeSet};

use epr_fhir::definitions::{Definitions, Structure};
use epr_model::Domain;
use epr_model::schema::{SystemSchema, TableKey};
use epr_run::digest::Sha256Hex;

use crate::check::elements::{Parent, children};
use crate::check::exprs::capture_path;
use crate::check::scope::{Binding, MapCompiler};
use crate::check::{CompileInput, MapSummary, TableUseRecord};
use crate::diagnostics::{Span, did_you_mean, nearest};
use crate::pack::relative;
use crate::plan::{
    AssertElse, AssertPlan, CaptureSlot, KeyPlan, MapPlan, ResourceEach, ResourcePlan, RowSlot, TableSlot,
};
use crate::resolve::{ResolvedMap, Resolver};
use crate::syntax::ast::{Directives, Name, Object};
use crate::syntax::expr::ExprKind;
use crate::syntax::print;

/// How references see a map; `None` where it has mistakes that make that unknown.
pub(crate) fn summary(
    organisation: &str,
    system: &str,
    schema: &SystemSchema,
    resolved: &ResolvedMap,
    definitions: &Definitions,
) -> Option<MapSummary> {
    let map = &resolved.map;
    let table = &map.source.as_ref()?.table.text;
    let key = if let Some(group) = &map.group {
        Some(group.by.iter().map(ToString::to_string).collect())
    } else if let Some(latest) = &map.latest {
        Some(latest.by.iter().map(ToString::to_string).collect())
    } else {
        match &schema.table(table)?.key {
            TableKey::Columns(columns) => Some(columns.clone()),
            TableKey::Row => None,
        }
    };
    let type_of = |target: Option<&Name>| {
        let target = target.or(map.target.as_ref())?;
        resource_type(definitions, &target.text)
    };
    let mut resources = Vec::new();
    if map.resources.is_empty() {
        resources.push((type_of(None)?, String::new(), false));
    }
    for resource in &map.resources {
        let d = &resource.directives;
        let part = d.id_part.as_ref().map(|n| n.text.clone()).unwrap_or_default();
        resources.push((type_of(d.target.as_ref())?, part, d.each.is_some()));
    }
    Some(MapSummary {
        organisation: organisation.to_owned(),
        system: system.to_owned(),
        table: table.clone(),
        key,
        keeps: map.from_resource.is_some() && map.resources.is_empty(),
        resources,
    })
}

/// The resource type that a target means, where that can be known.
fn resource_type(definitions: &Definitions, target: &str) -> Option<String> {
    if let Some(structure) = definitions.structure(target) {
        return Some(structure.type_name.clone());
    }
    let tail = target.rsplit(['/', '-']).next()?;
    definitions.structure(tail).map(|s| s.type_name.clone())
}

/// Checks and compiles one map; gives its resolved text too. `None` where it cannot even be begun, which was said.
pub(crate) fn map(
    input: &CompileInput<'_>,
    resolver: &mut Resolver<'_, '_>,
    summaries: &BTreeMap<String, MapSummary>,
    name: &str,
    resolved: &ResolvedMap,
    tables: &mut TableUseRecord,
) -> Option<(MapPlan, String)> {
    let map = &resolved.map;
    let mut c = MapCompiler {
        input,
        resolver,
        summaries,
        resolved,
        files: resolved.files.clone(),
        tables: Vec::new(),
        rows: Vec::new(),
        lists: Vec::new(),
        list_info: Vec::new(),
        lets: Vec::new(),
        names: BTreeMap::new(),
        used_names: BTreeSet::new(),
        ref_targets: Vec::new(),
        systems: map.systems.iter().map(|(n, v)| (n.text.clone(), v.text.clone())).collect(),
        captures: BTreeMap::new(),
        in_assert: false,
        said: BTreeSet::new(),
        reference_of: None,
        from_profile: BTreeMap::new(),
        code_maps: BTreeSet::new(),
        resource_type: String::new(),
        present: Vec::new(),
    };
    let plan = c.whole(name);
    c.record_tables(tables);
    let path_of =
        |name: &Name| relative(input.sources.path(name.span.file), &name.text).unwrap_or_else(|| name.text.clone());
    let mut text = print::map_text(map, &path_of);
    for (what, value) in &c.from_profile {
        text.extend(["profile ", what, ": ", value, "\n"]);
    }
    for file in std::mem::take(&mut c.code_maps) {
        text.extend(["code map ", input.sources.path(file), "\n"]);
        text.push_str(&c.code_map_text(file));
    }
    for table in &c.tables {
        if let Some(schema) = table.schema {
            text.push_str("table ");
            text.push_str(&schema.name);
            match &schema.key {
                TableKey::Row => text.push_str(" key row\n"),
                TableKey::Columns(columns) => text.extend([" key ", &columns.join(", "), "\n"]),
            }
            for column in &table.columns {
                text.extend(["  ", &column.name, " ", column.kind.as_str(), "\n"]);
            }
        }
    }
    let mut plan = plan?;
    Sha256Hex::of_bytes(text.as_bytes()).as_str().clone_into(&mut plan.plan_hash);
    Some((plan, text))
}

impl<'c> MapCompiler<'c, '_, '_> {
    fn whole(&mut self, name: &str) -> Option<MapPlan> {
        let map = &self.resolved.map;
        let head = Span { end: map.span.start, ..map.span };
        let domain = self.head_words(name, head);
        let Some(source) = map.source.clone() else {
            self.sink()
                .error("MAP0004", head, "the map has no `source:`")
                .help("write `source: { p: { table: TABLE } }`");
            return None;
        };
        let table = self.table(&source.table);
        let main = self.row(&source.alias.text, table);
        debug_assert_eq!((table, main), (TableSlot::MAIN, RowSlot::MAIN));
        self.bind(&source.alias, Binding::Row(main));
        let row_key = self.table_key();
        let group_rows = self.group_rows();
        let lookups = self.lookups();
        let lets = &map.lets;
        for (let_name, value) in lets {
            self.let_one(let_name, value);
        }
        let filter = self.filter();
        let require = self.require();
        if let Some(filter) = &filter {
            self.learn(&filter.that);
        }
        for require in &require {
            self.learn(&require.that);
        }
        let group = self.group(group_rows);
        let latest = self.latest();
        // A row with a null in its key makes nothing.
        let by = group.iter().flat_map(|g| &g.by).chain(latest.iter().flat_map(|l| &l.by));
        by.for_each(|key| self.learn_present(key));
        let resources = self.resources(head);
        let measures = self.measures();
        self.ignored();
        self.unused_names();
        let tests = self.tests();
        let key = match (&group, &latest) {
            (Some(group), _) => KeyPlan::By(group.by.clone()),
            (None, Some(latest)) => KeyPlan::By(latest.by.clone()),
            (None, None) => row_key,
        };
        let at = self.at(map.span);
        Some(MapPlan {
            name: name.to_owned(),
            files: self.files.iter().map(|f| self.input.sources.path(*f).to_owned()).collect(),
            domain: domain.unwrap_or(Domain::Pmi),
            owner: map.safety.as_ref().and_then(|s| s.owner.as_ref()).map(|o| o.text.clone()),
            tables: self.plan_tables(),
            rows: std::mem::take(&mut self.rows),
            lists: std::mem::take(&mut self.lists),
            key,
            lookups,
            lets: std::mem::take(&mut self.lets),
            where_: filter,
            require,
            group,
            latest,
            resources,
            measures,
            ref_targets: std::mem::take(&mut self.ref_targets),
            plan_hash: String::new(),
            tests,
            at,
        })
    }

    /// `map`, `domain`, and the words of closed lists.
    fn head_words(&mut self, name: &str, head: Span) -> Option<Domain> {
        let map = &self.resolved.map;
        let file_name = name.rsplit('/').next().unwrap_or(name);
        match &map.map {
            None => {
                self.sink().error("MAP0004", head, "the file has no `map:`").help(format!("write `map: {file_name}`"));
            }
            Some(written) if written.text != file_name => {
                let message = format!("the map is called `{}` and its file `{file_name}.yaml`", written.text);
                self.sink().error("MAP0004", written.span, message).help("call both the same");
            }
            Some(_) => {}
        }
        for hazard in map.safety.iter().flat_map(|s| &s.hazards) {
            if !crate::check::calls::is_hazard(&hazard.text) {
                let message = format!("`{}` is not a hazard id", hazard.text);
                self.sink().error("MAP0014", hazard.span, message).help("hazard ids look like ID-03");
            }
        }
        self.default_words();
        if let Some(from) = &map.from_resource {
            crate::check::keep::check_word(self, from);
        }
        let Some(written) = &map.domain else {
            self.sink().error("MAP0004", head, "the map has no `domain:`").help("such as `domain: pmi`");
            return None;
        };
        let domain = Domain::from_code(&written.text);
        if domain.is_none() {
            let words: Vec<&str> = Domain::ALL.iter().map(|d| d.as_str()).collect();
            let help = did_you_mean(&written.text, words.iter().copied(), || format!("one of: {}", words.join(", ")));
            self.sink().error("MAP0014", written.span, format!("`{}` is not a domain", written.text)).help(help);
        }
        domain
    }

    fn default_words(&mut self) {
        const KEYS: [&str; 5] = ["zone", "ambiguous", "gap", "on_invalid", "on_missing"];
        for (key, value) in &self.resolved.map.defaults {
            let allowed: &[&str] = match key.text.as_str() {
                "ambiguous" | "gap" => &["first", "second", "omit"],
                "on_invalid" | "on_missing" => &["refuse-row", "refuse-resource", "omit"],
                "zone" => {
                    let defaults =
                        crate::functions::BindDefaults { zone: Some(&value.text), ambiguous: None, gap: None };
                    if let Err(fault) = crate::functions::bind(crate::functions::Function::Horolog, &[], &defaults) {
                        self.sink().error("MAP0014", value.span, fault.to_string()).help("such as Europe/London");
                    }
                    continue;
                }
                _ => {
                    let help = nearest(&key.text, KEYS).map(|n| format!("did you mean `{n}`?"));
                    self.sink()
                        .error("MAP0002", key.span, format!("`{}` is not a key of `defaults`", key.text))
                        .help_if(help);
                    continue;
                }
            };
            if !allowed.contains(&value.text.as_str()) {
                let message = format!("`{}` is not a default for `{}`", value.text, key.text);
                self.sink().error("MAP0009", value.span, message).help(format!("one of: {}", allowed.join(", ")));
            }
        }
    }

    fn resources(&mut self, head: Span) -> Vec<ResourcePlan> {
        let map = &self.resolved.map;
        let mut plans = Vec::new();
        match (&map.emit, map.resources.is_empty()) {
            (Some(emit), true) => plans.extend(self.resource(emit, None, head)),
            (None, false) => {
                if let Some(from) = &map.from_resource {
                    self.sink()
                        .error("MAP0007", from.span, "`from_resource` and `resources` do not go together")
                        .help("a kept resource is the row's one; add to it under `emit:`");
                }
                let mut parts: BTreeMap<(String, String), Span> = BTreeMap::new();
                for resource in &map.resources {
                    let Some(emit) = &resource.directives.emit else { continue };
                    let Some(plan) = self.resource(emit, Some(resource), head) else { continue };
                    let key = (plan.resource_type.clone(), plan.id_part.clone());
                    if let Some(first) = parts.get(&key) {
                        let note = self.resolver.sink.note_at("first at", *first);
                        let message = format!(
                            "two resources {} of one row have the same `.id_part`, and so one id",
                            plan.resource_type
                        );
                        let span = self.first_line(resource.span);
                        self.sink()
                            .error("MAP0209", span, message)
                            .note(note)
                            .help("give each an `.id_part` of its own");
                    }
                    parts.insert(key, resource.span);
                    plans.push(plan);
                }
            }
            (Some(emit), false) => {
                let at = Span { end: emit.span.start, ..emit.span };
                self.sink().error("MAP0007", at, "`emit` and `resources` do not go together");
            }
            (None, true) => {
                if let Some(from) = &map.from_resource {
                    let nothing = Object { members: Vec::new(), directives: Directives::default(), span: from.span };
                    plans.extend(self.resource(&nothing, None, head));
                } else if map.resources_span.is_none() {
                    self.sink().error("MAP0004", head, "the map has neither `emit:` nor `resources:`");
                }
            }
        }
        let n_asserts: usize = plans.iter().map(|p: &ResourcePlan| p.asserts.len()).sum();
        if n_asserts == 0 && !map.asserts.is_empty() && !plans.is_empty() && !map.resources.is_empty() {
            let span = map.asserts[0].span;
            self.sink().error("MAP0221", span, "no resource of this map has all the elements that this reads");
        }
        plans
    }

    fn resource(&mut self, emit: &Object, entry: Option<&Object>, head: Span) -> Option<ResourcePlan> {
        let target = entry.and_then(|e| e.directives.target.clone()).or_else(|| self.resolved.map.target.clone());
        let Some(target) = target else {
            self.sink()
                .error("MAP0004", head, "the map has no `target:`")
                .help("a resource type or the URL of a profile");
            return None;
        };
        let (structure, shown) = self.target(&target)?;
        self.resource_type.clone_from(&structure.type_name);
        let each = match entry.and_then(|e| e.directives.each.as_ref()) {
            Some((alias, list)) => {
                let each = self.each(alias, list, true, &structure.type_name)?;
                Some(ResourceEach { key: self.list_key(each.list), each })
            }
            None => None,
        };
        let when = entry.and_then(|e| e.directives.when.as_ref()).map(|when| self.condition(when));
        let parent = Parent {
            structure,
            at: structure.root().map(|r| r.path.clone()).unwrap_or_default(),
            id: structure.root().map(|r| r.id.clone()).unwrap_or_default(),
            type_code: &structure.type_name,
            path: structure.type_name.clone(),
            is_resource: true,
            shown,
        };
        self.begin_captures(&parent);
        let n_present = self.present.len();
        if let Some(Some(when)) = &when {
            self.learn(when);
        }
        let members = self.members(emit, &parent);
        self.present.truncate(n_present);
        let from = self.resolved.map.from_resource.as_ref().filter(|_| entry.is_none());
        let keep = match from {
            Some(from) => Some(self.keep(from, &parent, &members)?),
            None => None,
        };
        let asserts = self.asserts(entry.is_some());
        if let Some((alias, _)) = entry.and_then(|e| e.directives.each.as_ref()) {
            self.names.remove(&alias.text);
        }
        let at = self.at(entry.map_or(emit.span, |e| e.span));
        let when = match when {
            Some(when) => Some(when?),
            None => None,
        };
        Some(ResourcePlan {
            resource_type: structure.type_name.clone(),
            id_part: entry.and_then(|e| e.directives.id_part.as_ref()).map(|n| n.text.clone()).unwrap_or_default(),
            when,
            each,
            emit: members,
            keep,
            n_captures: self.captures.len() as u16,
            asserts,
            at,
        })
    }

    /// The profile or type that is filled. A profile without a snapshot is checked against its type, and that is said.
    fn target(&mut self, target: &Name) -> Option<(&'c Structure, String)> {
        let definitions: &'c Definitions = self.definitions();
        let tail = target.text.rsplit('/').next().unwrap_or(&target.text).to_owned();
        let found = definitions.structure(&target.text);
        let usable = |s: &&Structure| !s.elements.is_empty();
        if let Some(structure) = found.filter(usable) {
            if structure.kind != epr_fhir::definitions::StructureKind::Resource || structure.is_abstract {
                self.sink().error("MAP0201", target.span, format!("`{tail}` is not a resource"));
                return None;
            }
            return Some((structure, tail));
        }
        let type_name =
            found.map_or_else(|| tail.rsplit('-').next().unwrap_or(&tail).to_owned(), |s| s.type_name.clone());
        if let Some(base) = definitions.structure(&type_name).filter(usable)
            && (found.is_some() || target.text.contains('/'))
        {
            let why = if found.is_some() { "has no snapshot" } else { "is in no loaded package" };
            self.sink().warning(
                "MAP0220",
                target.span,
                format!("the profile {tail} {why}: elements are checked against R4's {type_name}"),
            );
            return Some((base, tail));
        }
        let help = nearest(&target.text, definitions.resource_types()).map(|n| format!("did you mean `{n}`?"));
        self.sink().error("MAP0201", target.span, format!("no loaded package defines `{}`", target.text)).help_if(help);
        None
    }

    /// Slots for the elements that the asserts read.
    fn begin_captures(&mut self, parent: &Parent<'c>) {
        self.captures.clear();
        let known: BTreeSet<String> = children(self.definitions(), parent).iter().map(|e| e.name.clone()).collect();
        debug_assert!(!known.is_empty());
        let asserts = &self.resolved.map.asserts;
        let mut paths = BTreeSet::new();
        for assert in asserts {
            assert.that.walk(&mut |e| {
                if let ExprKind::Name(name) = &e.kind {
                    paths.insert(capture_path(name));
                }
            });
        }
        for (slot, path) in paths.into_iter().enumerate() {
            self.captures.insert(path, (CaptureSlot(slot as u16), None));
        }
    }

    /// The asserts that concern the resource just compiled. With several resources, those whose elements it has.
    fn asserts(&mut self, is_one_of_several: bool) -> Vec<AssertPlan> {
        let mut plans = Vec::new();
        let asserts = &self.resolved.map.asserts;
        for assert in asserts {
            if is_one_of_several && !self.has_all_elements(&assert.that) {
                continue;
            }
            self.in_assert = true;
            let that = self.condition(&assert.that);
            self.in_assert = false;
            let otherwise = self.assert_else(assert.otherwise.as_ref(), assert.span);
            if let Some(hazard) = &assert.hazard
                && !crate::check::calls::is_hazard(&hazard.text)
            {
                let message = format!("`{}` is not a hazard id", hazard.text);
                self.sink().error("MAP0014", hazard.span, message).help("hazard ids look like ID-03");
            }
            let at = self.at(assert.span);
            if let (Some(that), Some(otherwise)) = (that, otherwise) {
                plans.push(AssertPlan { that, otherwise, hazard: assert.hazard.as_ref().map(|h| h.text.clone()), at });
            }
        }
        plans
    }

    fn has_all_elements(&self, expr: &crate::syntax::expr::Expr) -> bool {
        let mut all = true;
        expr.walk(&mut |e| {
            if let ExprKind::Name(name) = &e.kind {
                all &= matches!(self.captures.get(&capture_path(name)), Some((_, Some(_))));
            }
        });
        all
    }

    fn assert_else(&mut self, otherwise: Option<&Name>, span: Span) -> Option<AssertElse> {
        let Some(name) = otherwise else {
            let span = self.first_line(span);
            self.sink()
                .error("MAP0004", span, "the assert has no `else:`")
                .help("issue, refuse-resource or refuse-row");
            return None;
        };
        if name.text.starts_with("refuse") {
            self.guard_refusal(name);
        }
        match name.text.as_str() {
            "issue" => Some(AssertElse::Issue),
            "refuse-resource" => Some(AssertElse::RefuseResource),
            "refuse-row" => Some(AssertElse::RefuseRow),
            _ => {
                self.sink()
                    .error("MAP0009", name.span, format!("`{}` is not what an assert can do", name.text))
                    .help("issue, refuse-resource or refuse-row");
                None
            }
        }
    }

    /// The first line of a block, so that a caret does not run over all of it.
    pub(crate) fn first_line(&self, span: Span) -> Span {
        let text = self.input.sources.text(span.file);
        let length = text[span.range()].find('\n').unwrap_or(span.end as usize - span.start as usize);
        Span { end: span.start + length as u32, ..span }
    }

    fn record_tables(&self, record: &mut TableUseRecord) {
        let map = &self.resolved.map;
        for table in &self.tables {
            let read = record.read.entry(table.name.clone()).or_default();
            read.extend(table.columns.iter().map(|c| c.name.clone()));
        }
        if let Some(source) = &map.source {
            record.named_at.entry(source.table.text.clone()).or_insert(source.table.span);
            let read = record.read.entry(source.table.text.clone()).or_default();
            read.extend(map.ignore.iter().filter(|(n, _)| !n.text.contains('.')).map(|(n, _)| n.text.clone()));
        }
        for lookup in map.lookup.iter().chain(&map.join) {
            record.named_at.entry(lookup.table.text.clone()).or_insert(lookup.table.span);
            let read = record.read.entry(lookup.table.text.clone()).or_default();
            let ignored = map.ignore.iter().filter_map(|(n, _)| n.text.split_once('.'));
            read.extend(ignored.filter(|(a, _)| *a == lookup.alias.text).map(|(_, c)| c.to_owned()));
        }
    }

    fn code_map_text(&mut self, file: crate::diagnostics::FileId) -> String {
        let mut lines: Vec<String> = Vec::new();
        let path = self.input.sources.path(file).to_owned();
        let name = Name { text: path.rsplit('/').next().unwrap_or(&path).to_owned(), span: Span::new(file, 0, 0) };
        if let Some(map) = self.resolver.code_map(&name) {
            for row in &map.rows {
                let display = row.display.as_ref().map_or("", |d| d.text.as_str());
                lines.push(format!(
                    "  {:?} -> {:?} {:?} {display:?} {}\n",
                    row.source.text, row.target_system.text, row.target.text, row.equivalence_text
                ));
            }
        }
        lines.sort();
        lines.concat()
    }
}
