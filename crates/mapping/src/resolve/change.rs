//! Changes to a base, by label: never by position, so that a rule put in above does not shift what is changed.

use std::collections::BTreeSet;

use epr_run::digest::Sha256Hex;

use super::Resolver;
use crate::diagnostics::{Span, nearest};
use crate::syntax::ast::{Directives, MapFile, Member, Name, Object, Value, ValueKind};
use crate::syntax::expr::{Expr, ExprKind};
use crate::syntax::print;

/// What is done at a label.
enum Change<'c> {
    Override(&'c Value),
    Add(&'c Value),
    Remove,
}

/// Why a label does not lead to a rule.
struct Lost {
    /// Which step is wrong.
    step: String,
    why: &'static str,
    near: Vec<String>,
}

impl Resolver<'_, '_> {
    /// `rename: { BASE_COLUMN: THIS_COLUMN }`, optionally `alias.COLUMN`, in every expression of the base.
    pub(super) fn rename(&mut self, base: &mut MapFile, rename: &[(Name, Name)]) {
        let mut used = BTreeSet::new();
        let aliases: BTreeSet<String> = base
            .source
            .iter()
            .map(|s| s.alias.text.clone())
            .chain(base.lookup.iter().chain(&base.join).map(|l| l.alias.text.clone()))
            .collect();
        let main = base.source.as_ref().map(|s| s.alias.text.clone()).unwrap_or_default();
        let mut new_name = |alias: &str, column: &str| {
            rename.iter().find_map(|(from, to)| {
                let fits = match from.text.split_once('.') {
                    Some((a, c)) => a == alias && c == column,
                    None => from.text == column,
                };
                fits.then(|| {
                    used.insert(from.text.clone());
                    to.text.clone()
                })
            })
        };
        let mut change = |expr: &mut Expr| {
            expr.walk_mut(&mut |e| match &mut e.kind {
                ExprKind::Dollar(d) => match &mut d.second {
                    Some((column, _)) => {
                        if let Some(new) = new_name(&d.first, column) {
                            *column = new;
                        }
                    }
                    None if !aliases.contains(&d.first) => {
                        if let Some(new) = new_name(&main, &d.first) {
                            d.first = new;
                        }
                    }
                    None => {}
                },
                ExprKind::Member { of, column, .. } => {
                    let mut alias = String::new();
                    of.walk(&mut |inner| {
                        if let ExprKind::Dollar(d) = &inner.kind {
                            alias.clone_from(&d.first);
                        }
                    });
                    if let Some(new) = new_name(&alias, column) {
                        *column = new;
                    }
                }
                _ => {}
            });
        };
        every_expr(base, &mut change);
        if let Some(group) = &mut base.group {
            for column in &mut group.agree {
                if let Some(new) = new_name(&main, &column.text) {
                    column.text = new;
                }
            }
        }
        for (column, _) in &mut base.ignore {
            if let Some(new) = new_name(&main, &column.text) {
                column.text = new;
            }
        }
        for (from, _) in rename {
            if !used.contains(&from.text) {
                let message = format!("the base reads no column `{}`", from.text);
                self.sink.error("MAP0117", from.span, message).label("renames nothing");
            }
        }
    }

    /// The changes of a file, in the order `remove`, `override`, `add`.
    pub(super) fn change(&mut self, base: &mut MapFile, this: &MapFile) {
        for label in &this.remove {
            self.apply(base, label, &Change::Remove);
        }
        for (label, value) in &this.overrides {
            self.apply(base, label, &Change::Override(value));
        }
        for (label, value) in &this.add {
            self.apply(base, label, &Change::Add(value));
        }
    }

    fn apply(&mut self, base: &mut MapFile, label: &Name, change: &Change<'_>) {
        let (text, pin) = split_pin(&label.text);
        let steps = steps(text);
        let result = if base.resources.is_empty() {
            match &mut base.emit {
                Some(emit) => at_label(emit, &steps, change),
                None => return,
            }
        } else {
            in_resources(&mut base.resources, &steps, change)
        };
        match result {
            Ok(before) => {
                // The same relative path names another file where another file says it.
                let is_path = steps.last().is_some_and(|s| s == ".via" || s == ".fragment");
                if !is_path
                    && let (Change::Override(value), Some(before)) = (change, &before)
                    && print::value_text(value) == *before
                {
                    self.sink
                        .warning("MAP0232", label.span, "the override says what the base says")
                        .label("changes nothing");
                }
                self.check_pin(label, pin, before.as_deref());
            }
            Err(lost) => {
                let code = if lost.why.contains("position") { "MAP0231" } else { "MAP0230" };
                let near = nearest(&lost.step, lost.near.iter().map(String::as_str)).filter(|n| *n != lost.step);
                if lost.near.contains(&lost.step) {
                    self.sink.error(code, label.span, format!("`{}`: {}", lost.step, lost.why));
                    return;
                }
                let help = near
                    .map(|n| format!("did you mean `{n}`?"))
                    .or_else(|| (!lost.near.is_empty()).then(|| format!("there is: {}", lost.near.join(", "))));
                let message = format!("`{}`: {}", lost.step, lost.why);
                self.sink.error(code, label.span, message).help_if(help);
            }
        }
    }

    fn check_pin(&mut self, label: &Name, pin: Option<&str>, before: Option<&str>) {
        let Some(before) = before else { return };
        let hash = Sha256Hex::of_bytes(before.as_bytes()).as_str().to_owned();
        let now = &hash[..8];
        match pin {
            Some(pin) if pin != now => {
                self.sink
                    .error("MAP0234", label.span, "the base's text has changed since this was written")
                    .help(format!("read the base again, then write `{}@{now}`", split_pin(&label.text).0));
            }
            None if self.strict => {
                self.sink
                    .warning("MAP0235", label.span, "the change is not pinned to the base's text")
                    .help(format!("write `{}@{now}`", label.text));
            }
            _ => {}
        }
    }
}

/// Every expression of a map.
fn every_expr(map: &mut MapFile, change: &mut impl FnMut(&mut Expr)) {
    map.filter.iter_mut().for_each(&mut *change);
    for lookup in map.lookup.iter_mut().chain(&mut map.join) {
        change(&mut lookup.matching);
        lookup.order.iter_mut().for_each(&mut *change);
    }
    for (_, value) in map.lets.iter_mut().chain(&mut map.measure) {
        value.walk_exprs_mut(change);
    }
    for condition in map.require.iter_mut().chain(&mut map.asserts) {
        change(&mut condition.that);
    }
    if let Some(group) = &mut map.group {
        group.by.iter_mut().for_each(&mut *change);
        group.order.iter_mut().for_each(&mut *change);
    }
    if let Some(latest) = &mut map.latest {
        latest.by.iter_mut().for_each(&mut *change);
        change(&mut latest.max);
    }
    map.emit.iter_mut().for_each(|emit| emit.walk_exprs_mut(change));
    map.resources.iter_mut().for_each(|r| r.walk_exprs_mut(change));
}

/// `label@1a2b3c4d`: the label, and the first eight digits of the hash of the base's text.
fn split_pin(label: &str) -> (&str, Option<&str>) {
    match label.rsplit_once('@') {
        Some((text, pin)) if pin.len() == 8 && pin.bytes().all(|b| b.is_ascii_hexdigit()) => (text, Some(pin)),
        _ => (label, None),
    }
}

/// `identifier.pas.system`, `gender..via`, `extension[https://x.y].valueCode`: points in brackets do not count.
fn steps(label: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut step = String::new();
    let mut depth = 0;
    let mut is_directive = false;
    for c in label.chars() {
        match c {
            '.' if depth == 0 && step.is_empty() && !found.is_empty() => is_directive = true,
            '.' if depth == 0 => {
                found.push(if is_directive { format!(".{step}") } else { step.clone() });
                step.clear();
                is_directive = false;
            }
            c => {
                depth += i32::from(c == '[') - i32::from(c == ']');
                step.push(c);
            }
        }
    }
    found.push(if is_directive { format!(".{step}") } else { step });
    found
}

/// With several resources the first step is the `.id_part` (or `.as`) of one.
fn in_resources(resources: &mut Vec<Object>, steps: &[String], change: &Change<'_>) -> Result<Option<String>, Lost> {
    let name_of = |r: &Object| {
        let d = &r.directives;
        d.label.as_ref().or(d.id_part.as_ref()).map(|n| n.text.clone()).unwrap_or_default()
    };
    let near: Vec<String> = resources.iter().map(name_of).collect();
    let lost = |why| Lost { step: steps[0].clone(), why, near: near.clone() };
    let Some(at) = resources.iter().position(|r| name_of(r) == steps[0]) else {
        return Err(lost("no resource has this `.id_part` or `.as`"));
    };
    if steps.len() == 1 {
        return match change {
            Change::Remove => {
                resources.remove(at);
                Ok(None)
            }
            _ => Err(lost("a whole resource cannot be overridden: name its elements")),
        };
    }
    if steps[1] == ".when" {
        return directive(&mut resources[at].directives, ".when", change);
    }
    match &mut resources[at].directives.emit {
        Some(emit) => at_label(emit, &steps[1..], change),
        None => Ok(None),
    }
}

/// Makes the change; gives the base's text of what was changed, where there was something.
fn at_label(object: &mut Object, steps: &[String], change: &Change<'_>) -> Result<Option<String>, Lost> {
    let step = steps[0].as_str();
    if step.starts_with('.') {
        if step == ".with" && steps.len() == 2 {
            return parameter(&mut object.directives, &steps[1], change);
        }
        return directive(&mut object.directives, step, change);
    }
    let near: Vec<String> = object.members.iter().map(|m| m.key.label()).collect();
    let lost = |why| Lost { step: step.to_owned(), why, near: near.clone() };
    let found = object.members.iter().position(|m| m.key.label() == step);
    if steps.len() == 1 {
        return match (found, change) {
            (Some(at), Change::Override(value)) => {
                let before = print::value_text(&object.members[at].value);
                object.members[at].value = (*value).clone();
                Ok(Some(before))
            }
            (Some(at), Change::Remove) => Ok(Some(print::value_text(&object.members.remove(at).value))),
            (None, Change::Add(value)) => {
                object.members.push(new_member(step, value));
                Ok(None)
            }
            (Some(_), Change::Add(_)) => Err(lost("the base has this already: use `override`")),
            (None, _) => Err(lost("the base has no such rule")),
        };
    }
    let Some(at) = found else { return Err(lost("the base has no such rule")) };
    in_value(&mut object.members[at].value, &steps[1..], change)
}

fn in_value(value: &mut Value, steps: &[String], change: &Change<'_>) -> Result<Option<String>, Lost> {
    let span = value.span;
    match &mut value.kind {
        ValueKind::Object(object) => at_label(object, steps, change),
        ValueKind::List(items) => in_list(items, steps, change),
        ValueKind::Literal(_) | ValueKind::Expr(_) if steps.len() == 1 && steps[0].starts_with('.') => {
            // A bare value is short for `.from`, so that a policy can be put on it.
            let before = value.clone();
            let mut object = Object { members: Vec::new(), directives: Directives::default(), span };
            object.directives.from = Some(before);
            let result = at_label(&mut object, steps, change);
            if result.is_ok() {
                value.kind = ValueKind::Object(Box::new(object));
            }
            result
        }
        _ => Err(Lost {
            step: steps[0].clone(),
            why: "the base has one value here and nothing below it",
            near: Vec::new(),
        }),
    }
}

fn in_list(items: &mut Vec<Value>, steps: &[String], change: &Change<'_>) -> Result<Option<String>, Lost> {
    let label_of = |v: &Value| match &v.kind {
        ValueKind::Object(o) => o.directives.label.as_ref().map(|l| l.text.clone()),
        _ => None,
    };
    let near: Vec<String> = items.iter().filter_map(label_of).collect();
    let lost = |why| Lost { step: steps[0].clone(), why, near: near.clone() };
    let found = items.iter().position(|v| label_of(v).as_deref() == Some(steps[0].as_str()));
    match (found, change) {
        (Some(at), Change::Override(value)) if steps.len() == 1 => {
            let before = print::value_text(&items[at]);
            items[at] = labelled(value, &steps[0]);
            Ok(Some(before))
        }
        (Some(at), Change::Remove) if steps.len() == 1 => Ok(Some(print::value_text(&items.remove(at)))),
        (Some(_), Change::Add(_)) if steps.len() == 1 => Err(lost("the base has this already: use `override`")),
        (Some(at), _) => in_value(&mut items[at], &steps[1..], change),
        (None, Change::Add(value)) if steps.len() == 1 => {
            items.push(labelled(value, &steps[0]));
            Ok(None)
        }
        (None, _) => Err(lost(if steps[0].bytes().all(|b| b.is_ascii_digit()) {
            "a change by position does not compile: give the base's item a label with `.as`"
        } else {
            "no item of the base's list has this label (`.as`)"
        })),
    }
}

/// An item that keeps the label by which it was changed.
fn labelled(value: &Value, label: &str) -> Value {
    let mut value = value.clone();
    let span = value.span;
    if let ValueKind::Object(object) = &mut value.kind
        && object.directives.label.is_none()
    {
        object.directives.label = Some(Name { text: label.to_owned(), span });
    }
    value
}

fn new_member(label: &str, value: &Value) -> Member {
    let (name, slice) = match label.split_once('[') {
        Some((name, rest)) => (name, Some(rest.trim_end_matches(']').to_owned())),
        None => (label, None),
    };
    let key = crate::syntax::ast::ElementKey { name: name.to_owned(), slice, span: value.span };
    Member { key, value: value.clone() }
}

fn parameter(directives: &mut Directives, name: &str, change: &Change<'_>) -> Result<Option<String>, Lost> {
    let near = directives.with.iter().map(|(n, _)| n.text.clone()).collect();
    let found = directives.with.iter().position(|(n, _)| n.text == name);
    match (found, change) {
        (Some(at), Change::Override(value)) => {
            let before = print::value_text(&directives.with[at].1);
            directives.with[at].1 = (*value).clone();
            Ok(Some(before))
        }
        (Some(at), Change::Remove) => Ok(Some(print::value_text(&directives.with.remove(at).1))),
        (None, Change::Add(value)) => {
            directives.with.push((Name { text: name.to_owned(), span: value.span }, (*value).clone()));
            Ok(None)
        }
        _ => Err(Lost { step: name.to_owned(), why: "the base gives the fragment no such parameter", near }),
    }
}

fn directive(directives: &mut Directives, word: &str, change: &Change<'_>) -> Result<Option<String>, Lost> {
    let lost = |why| Lost { step: word.to_owned(), why, near: Vec::new() };
    let value_slot = match word {
        ".from" => Some(&mut directives.from),
        ".value" => Some(&mut directives.value),
        _ => None,
    };
    if let Some(slot) = value_slot {
        let before = slot.as_ref().map(print::value_text);
        *slot = match change {
            Change::Remove => None,
            Change::Override(value) | Change::Add(value) => Some((*value).clone()),
        };
        return Ok(before);
    }
    if word == ".when" {
        return Err(lost("a condition cannot be overridden by label: override the whole rule"));
    }
    let slot = match word {
        ".via" => &mut directives.via,
        ".on_unmapped" => &mut directives.on_unmapped,
        ".on_invalid" => &mut directives.on_invalid,
        ".on_missing" => &mut directives.on_missing,
        ".fragment" => &mut directives.fragment,
        ".id_part" => &mut directives.id_part,
        _ => return Err(lost("this is not a directive")),
    };
    let as_value = |name: &Name| print::value_text(&literal(name.text.clone(), name.span));
    let before = slot.as_ref().map(as_value);
    match (change, &before) {
        (Change::Remove | Change::Override(_), None) => return Err(lost("the base has no such directive here")),
        (Change::Add(_), Some(_)) => return Err(lost("the base has this already: use `override`")),
        (Change::Remove, _) => *slot = None,
        (Change::Override(value) | Change::Add(value), _) => match &value.kind {
            ValueKind::Literal(text) => *slot = Some(Name { text: text.clone(), span: value.span }),
            ValueKind::Poison => {}
            _ => return Err(lost("a text is expected for this directive")),
        },
    }
    Ok(before)
}

fn literal(text: String, span: Span) -> Value {
    Value { kind: ValueKind::Literal(text), span }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_keeps_points_in_brackets_and_the_point_of_a_directive() {
        assert_eq!(steps("identifier.pas.system"), ["identifier", "pas", "system"]);
        assert_eq!(steps("gender..via"), ["gender", ".via"]);
        assert_eq!(steps("extension[https://a.b/c].valueCode"), ["extension[https://a.b/c]", "valueCode"]);
        assert_eq!(steps("identifier.nhs..with.value"), ["identifier", "nhs", ".with", "value"]);
        assert_eq!(split_pin("gender..via@0a1b2c3d"), ("gender..via", Some("0a1b2c3d")));
        assert_eq!(split_pin("extension[mailto:a@b]"), ("extension[mailto:a@b]", None));
    }
}
