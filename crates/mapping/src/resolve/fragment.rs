//! Fragments put in place: the fragment's elements, with the caller's arguments for its parameters.
//!
//! A fragment sees its parameters and its own `.each` aliases, and nothing of the map that uses it.

use std::collections::{BTreeMap, BTreeSet};

use super::Resolver;
use crate::diagnostics::{FileId, did_you_mean, nearest};
use crate::pack::relative;
use crate::syntax::ast::{FragmentFile, MapFile, Name, Object, Value, ValueKind};
use crate::syntax::expr::{Expr, ExprKind};
use crate::syntax::fragment_file;

/// Fragments that use fragments: deep enough for a type inside a type inside a type.
const MAX_DEPTH: usize = 6;

/// Types that a parameter may have, beside `policy`.
pub(crate) const PARAMETER_TYPES: [&str; 14] = [
    "text", "bool", "integer", "decimal", "double", "date", "dateTime", "instant", "code", "coding", "concept",
    "quantity", "ref", "policy",
];

impl Resolver<'_, '_> {
    /// Puts every fragment of a map in place.
    pub(super) fn inline(&mut self, map: &mut MapFile, files: &mut Vec<FileId>) {
        if let Some(emit) = &mut map.emit {
            self.inline_object(emit, files, 0);
        }
        for resource in &mut map.resources {
            if let Some(emit) = &mut resource.directives.emit {
                self.inline_object(emit, files, 0);
            }
        }
    }

    fn inline_value(&mut self, value: &mut Value, files: &mut Vec<FileId>, depth: usize) {
        match &mut value.kind {
            ValueKind::Object(object) => self.inline_object(object, files, depth),
            ValueKind::List(items) => items.iter_mut().for_each(|i| self.inline_value(i, files, depth)),
            _ => {}
        }
    }

    fn inline_object(&mut self, object: &mut Object, files: &mut Vec<FileId>, depth: usize) {
        if let Some(name) = object.directives.fragment.take() {
            if depth == MAX_DEPTH {
                let message = format!("fragments use each other more than {MAX_DEPTH} deep");
                self.sink.error("MAP0017", name.span, message).help("a fragment cannot use itself");
                return;
            }
            if let Some(fragment) = self.fragment(&name) {
                files.push(fragment.file);
                self.put(object, &name, &fragment);
            } else {
                object.directives.with.clear();
            }
            // The fragment may itself be made of another.
            self.inline_object(object, files, depth + 1);
        } else {
            if let Some((name, _)) = object.directives.with.first() {
                self.sink.error("MAP0007", name.span, "`.with` gives arguments to a fragment, and none is named here");
            }
            self.inline_members(object, files, depth);
        }
    }

    fn inline_members(&mut self, object: &mut Object, files: &mut Vec<FileId>, depth: usize) {
        for member in &mut object.members {
            self.inline_value(&mut member.value, files, depth);
        }
    }

    /// Beside the file that names it, in a folder `fragments` there, or in `fragments` of the mappings folder.
    fn fragment(&mut self, name: &Name) -> Option<FragmentFile> {
        let sources = self.sink.sources;
        let from = sources.path(name.span.file);
        let file_name =
            if name.text.strip_suffix(".yaml").is_some() { name.text.clone() } else { format!("{}.yaml", name.text) };
        let candidates = [
            relative(from, &file_name),
            relative(from, &format!("fragments/{file_name}")),
            Some(format!("fragments/{file_name}")),
        ];
        let Some(file) = candidates.iter().flatten().find_map(|path| sources.find(path)) else {
            let names = sources.paths().filter_map(|p| p.strip_suffix(".yaml")).filter(|p| p.contains("fragments/"));
            let short: Vec<&str> = names.filter_map(|p| p.rsplit_once('/').map(|(_, n)| n)).collect();
            let help = nearest(&name.text, short).map(|n| format!("did you mean `{n}`?"));
            self.sink.error("MAP0016", name.span, format!("there is no fragment `{}`", name.text)).help_if(help);
            return None;
        };
        self.used.insert(file);
        let path = sources.path(file).to_owned();
        if !self.fragments.contains_key(&path) {
            let fragment = fragment_file(file, self.sink);
            if let Some(fragment) = &fragment {
                self.check_fragment(fragment);
                let systems = fragment.systems.iter().map(|(n, url)| (n.text.clone(), url.text.clone())).collect();
                self.fragment_systems.insert(file, systems);
            }
            self.fragments.insert(path.clone(), fragment);
        }
        self.fragments.get(&path).cloned().flatten()
    }

    /// Parameters have known types and are used; the fragment reads nothing else.
    fn check_fragment(&mut self, fragment: &FragmentFile) {
        let mut known: BTreeSet<String> = BTreeSet::new();
        for (name, kind) in &fragment.takes {
            known.insert(name.text.clone());
            if !PARAMETER_TYPES.contains(&kind.text.as_str()) {
                let help = nearest(&kind.text, PARAMETER_TYPES).map(|n| format!("did you mean `{n}`?"));
                let message = format!("`{}` is not a type that a parameter may have", kind.text);
                self.sink.error("MAP0305", kind.span, message).help_if(help);
            }
        }
        let Some(mut emit) = fragment.emit.clone() else { return };
        let mut used = BTreeSet::new();
        let mut aliases = BTreeSet::new();
        collect(&emit, &mut aliases, &mut used);
        let mut strangers = Vec::new();
        emit.walk_exprs_mut(&mut |expr| {
            expr.walk(&mut |e| {
                if let ExprKind::Dollar(d) = &e.kind {
                    used.insert(d.first.clone());
                    if !known.contains(&d.first) && !aliases.contains(&d.first) {
                        strangers.push((d.first.clone(), e.span));
                    }
                }
            });
        });
        for (name, span) in strangers {
            let help = did_you_mean(&name, known.iter().map(String::as_str), || "declare it under `takes:`".to_owned());
            self.sink.error("MAP0305", span, format!("`${name}` is not a parameter of this fragment")).help(help);
        }
        for (name, _) in &fragment.takes {
            if !used.contains(&name.text) {
                self.sink.error("MAP0305", name.span, format!("the parameter `{}` is not used", name.text));
            }
        }
    }

    /// Replaces the object's `.fragment` by the fragment's elements.
    fn put(&mut self, object: &mut Object, name: &Name, fragment: &FragmentFile) {
        let Some(mut emit) = fragment.emit.clone() else { return };
        let given = std::mem::take(&mut object.directives.with);
        let mut arguments: BTreeMap<String, Value> = BTreeMap::new();
        let mut is_misnamed = false;
        for (parameter, value) in given {
            if !fragment.takes.iter().any(|(n, _)| n.text == parameter.text) {
                let known = fragment.takes.iter().map(|(n, _)| n.text.as_str());
                let help = nearest(&parameter.text, known).map(|n| format!("did you mean `{n}`?"));
                let message = format!("the fragment `{}` has no parameter `{}`", name.text, parameter.text);
                self.sink.error("MAP0305", parameter.span, message).help_if(help);
                is_misnamed = true;
                continue;
            }
            let kind =
                fragment.takes.iter().find(|(n, _)| n.text == parameter.text).map_or("text", |(_, k)| k.text.as_str());
            let value = self.argument(&parameter, kind, value);
            arguments.insert(parameter.text, value);
        }
        for (parameter, kind) in &fragment.takes {
            if !arguments.contains_key(&parameter.text) {
                if is_misnamed {
                    return;
                }
                let message = format!("the fragment `{}` takes `{}` ({})", name.text, parameter.text, kind.text);
                let note = self.sink.note_at("declared at", parameter.span);
                self.sink.error("MAP0305", name.span, message).label("an argument is missing").note(note);
                return;
            }
        }
        substitute(&mut emit, &arguments);
        let mut directives = std::mem::take(&mut object.directives);
        directives.gives.clone_from(&fragment.gives);
        directives.fragment = emit.directives.fragment.take();
        directives.with = std::mem::take(&mut emit.directives.with);
        if emit.directives.from.is_some() || emit.directives.value.is_some() {
            let inner = emit.directives;
            directives.from = directives.from.or(inner.from);
            directives.value = directives.value.or(inner.value);
            directives.via = directives.via.or(inner.via);
            directives.on_unmapped = directives.on_unmapped.or(inner.on_unmapped);
            directives.on_invalid = directives.on_invalid.or(inner.on_invalid);
            directives.on_missing = directives.on_missing.or(inner.on_missing);
            directives.when = directives.when.or(inner.when);
        }
        object.directives = directives;
        let own = std::mem::take(&mut object.members);
        object.members = emit.members;
        object.members.extend(own);
    }
}

impl Resolver<'_, '_> {
    /// An argument that remembers what its parameter takes.
    fn argument(&mut self, parameter: &Name, declared: &str, value: Value) -> Value {
        match value.kind {
            ValueKind::Expr(expr) if declared != "policy" => {
                let span = expr.span;
                let kind = ExprKind::Argument {
                    value: Box::new(expr),
                    parameter: parameter.text.clone(),
                    declared: declared.to_owned(),
                };
                Value { kind: ValueKind::Expr(Expr { kind, span }), span: value.span }
            }
            ValueKind::Literal(_) | ValueKind::Poison => value,
            _ => {
                let wanted = if declared == "policy" { "the name of a policy" } else { "a text or an expression" };
                self.sink.error("MAP0305", value.span, format!("`{}` takes {wanted}", parameter.text));
                Value { kind: ValueKind::Poison, span: value.span }
            }
        }
    }
}

/// The aliases that `.each` binds, and the policy parameters that directives name, at any depth.
fn collect(object: &Object, aliases: &mut BTreeSet<String>, used: &mut BTreeSet<String>) {
    let d = &object.directives;
    if let Some((alias, _)) = &d.each {
        aliases.insert(alias.text.clone());
    }
    for policy in [&d.on_unmapped, &d.on_invalid, &d.on_missing].into_iter().flatten() {
        if let Some(name) = policy.text.strip_prefix('$') {
            used.insert(name.to_owned());
        }
    }
    let values = object.members.iter().map(|m| &m.value).chain(d.from.iter()).chain(d.value.iter());
    for value in values.chain(d.with.iter().map(|(_, v)| v)) {
        collect_value(value, aliases, used);
    }
}

fn collect_value(value: &Value, aliases: &mut BTreeSet<String>, used: &mut BTreeSet<String>) {
    match &value.kind {
        ValueKind::Object(object) => collect(object, aliases, used),
        ValueKind::List(items) => items.iter().for_each(|i| collect_value(i, aliases, used)),
        _ => {}
    }
}

fn substitute(object: &mut Object, arguments: &BTreeMap<String, Value>) {
    let d = &mut object.directives;
    for policy in [&mut d.on_unmapped, &mut d.on_invalid, &mut d.on_missing].into_iter().flatten() {
        if let Some(Value { kind: ValueKind::Literal(text), span }) =
            policy.text.strip_prefix('$').and_then(|name| arguments.get(name))
        {
            *policy = Name { text: text.clone(), span: *span };
        }
    }
    for value in [&mut d.from, &mut d.value].into_iter().flatten() {
        substitute_value(value, arguments);
    }
    d.when.iter_mut().for_each(|e| substitute_expr(e, arguments));
    d.each.iter_mut().for_each(|(_, e)| substitute_expr(e, arguments));
    d.with.iter_mut().for_each(|(_, v)| substitute_value(v, arguments));
    object.members.iter_mut().for_each(|m| substitute_value(&mut m.value, arguments));
}

fn substitute_value(value: &mut Value, arguments: &BTreeMap<String, Value>) {
    match &mut value.kind {
        ValueKind::Expr(Expr { kind: ExprKind::Dollar(d), .. })
            if d.second.is_none() && arguments.contains_key(&d.first) =>
        {
            *value = arguments[&d.first].clone();
        }
        ValueKind::Expr(expr) => substitute_expr(expr, arguments),
        ValueKind::Object(object) => substitute(object, arguments),
        ValueKind::List(items) => items.iter_mut().for_each(|i| substitute_value(i, arguments)),
        _ => {}
    }
}

fn substitute_expr(expr: &mut Expr, arguments: &BTreeMap<String, Value>) {
    expr.walk_mut(&mut |e| {
        let ExprKind::Dollar(d) = &e.kind else { return };
        if d.second.is_some() {
            return;
        }
        match arguments.get(&d.first).map(|v| &v.kind) {
            Some(ValueKind::Literal(text)) => e.kind = ExprKind::Text(text.clone()),
            Some(ValueKind::Expr(argument)) => *e = argument.clone(),
            _ => {}
        }
    });
}
