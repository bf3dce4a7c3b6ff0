//! A tree in one fixed spelling: the resolved text whose hash is signed. Comments, spaces, quotes and the order of
//! head keys do not show in it; everything that changes what the rows become does.

use std::fmt::Write;

use super::ast::{Condition, Directives, Lookup, MapFile, Name, Object, Value, ValueKind};

/// The text of a resolved map, in which `path_of` gives the file that a path means: head, rules, asserts and measures. Tests and reasons are not part of it.
pub fn map_text(map: &MapFile, path_of: &dyn Fn(&Name) -> String) -> String {
    let mut p = Printer { out: String::new(), depth: 0, path_of };
    p.name("map", map.map.as_ref());
    p.name("domain", map.domain.as_ref());
    p.name("target", map.target.as_ref());
    if let Some(from) = &map.from_resource {
        p.line("from_resource: keep");
        p.name("from_resource.column", from.column.as_ref());
        p.name("from_resource.source_id", from.source_id.as_ref());
        p.name("from_resource.base", from.base.as_ref());
    }
    if let Some(safety) = &map.safety {
        p.name("safety.owner", safety.owner.as_ref());
        for hazard in &safety.hazards {
            p.name("safety.hazard", Some(hazard));
        }
    }
    p.pairs("systems", &map.systems);
    p.pairs("defaults", &map.defaults);
    if let Some(source) = &map.source {
        p.line(&format!("source {}: {}", source.alias.text, source.table.text));
    }
    if let Some(filter) = &map.filter {
        p.line(&format!("where: {filter}"));
    }
    p.lookups(&map.lookup);
    p.lookups(&map.join);
    for (name, value) in &map.lets {
        p.value(&format!("let {}", name.text), value);
    }
    p.conditions("require", &map.require);
    if let Some(group) = &map.group {
        let by: Vec<String> = group.by.iter().map(ToString::to_string).collect();
        let agree: Vec<&str> = group.agree.iter().map(|n| n.text.as_str()).collect();
        let order = group.order.as_ref().map(ToString::to_string).unwrap_or_default();
        let otherwise = group.otherwise.as_ref().map_or("", |n| n.text.as_str());
        p.line(&format!("group by [{}] order {order} agree {agree:?} else {otherwise}", by.join(", ")));
    }
    if let Some(latest) = &map.latest {
        let by: Vec<String> = latest.by.iter().map(ToString::to_string).collect();
        p.line(&format!("latest by [{}] max {}", by.join(", "), latest.max));
    }
    if let Some(emit) = &map.emit {
        p.object("emit", emit);
    }
    for resource in &map.resources {
        p.object("resource", resource);
    }
    p.conditions("assert", &map.asserts);
    for (name, value) in &map.measure {
        p.value(&format!("measure {}", name.text), value);
    }
    for (name, _) in &map.ignore {
        p.line(&format!("ignore {}", name.text));
    }
    p.out
}

/// The text of one value, for pins of overrides.
pub fn value_text(value: &Value) -> String {
    let mut p = Printer { out: String::new(), depth: 0, path_of: &|name| name.text.clone() };
    p.value("value", value);
    p.out
}

struct Printer<'p> {
    out: String,
    depth: usize,
    /// The file that a path means where it stands: below the mappings folder.
    path_of: &'p dyn Fn(&Name) -> String,
}

impl Printer<'_> {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{:indent$}{text}", "", indent = self.depth * 2);
    }

    fn name(&mut self, key: &str, name: Option<&Name>) {
        if let Some(name) = name {
            self.line(&format!("{key}: {:?}", name.text));
        }
    }

    fn pairs(&mut self, key: &str, pairs: &[(Name, Name)]) {
        let mut sorted: Vec<_> = pairs.iter().map(|(k, v)| (&k.text, &v.text)).collect();
        sorted.sort();
        for (name, value) in sorted {
            self.line(&format!("{key}.{name}: {value:?}"));
        }
    }

    fn lookups(&mut self, lookups: &[Lookup]) {
        for l in lookups {
            let word = if l.spill { "join" } else { "lookup" };
            self.line(&format!(
                "{word} {}: {} takes {} match {}",
                l.alias.text, l.table.text, l.takes.text, l.matching
            ));
            if let Some(order) = &l.order {
                self.line(&format!("  order {order}"));
            }
        }
    }

    fn conditions(&mut self, word: &str, conditions: &[Condition]) {
        for c in conditions {
            let text = |n: &Option<Name>| n.as_ref().map(|n| n.text.clone()).unwrap_or_default();
            self.line(&format!("{word}: {} else {} hazard {}", c.that, text(&c.otherwise), text(&c.hazard)));
        }
    }

    fn value(&mut self, key: &str, value: &Value) {
        match &value.kind {
            ValueKind::Literal(text) => self.line(&format!("{key}: {text:?}")),
            ValueKind::Expr(expr) => self.line(&format!("{key}: ={expr}")),
            ValueKind::Object(object) => self.object(key, object),
            ValueKind::List(items) => {
                self.line(&format!("{key}: ["));
                self.depth += 1;
                for item in items {
                    self.value("-", item);
                }
                self.depth -= 1;
                self.line("]");
            }
            ValueKind::Poison => self.line(&format!("{key}: ?")),
        }
    }

    fn object(&mut self, key: &str, object: &Object) {
        self.line(&format!("{key}: {{"));
        self.depth += 1;
        self.directives(&object.directives);
        for member in &object.members {
            self.value(&member.key.label(), &member.value);
        }
        self.depth -= 1;
        self.line("}");
    }

    fn directives(&mut self, d: &Directives) {
        for (word, name) in [
            (".as", &d.label),
            (".id_part", &d.id_part),
            ("target", &d.target),
            (".fragment", &d.fragment),
            (".on_unmapped", &d.on_unmapped),
            (".on_invalid", &d.on_invalid),
            (".on_missing", &d.on_missing),
        ] {
            self.name(word, name.as_ref());
        }
        if let Some(via) = &d.via {
            let path = (self.path_of)(via);
            self.line(&format!(".via: {path:?}"));
        }
        if let Some(when) = &d.when {
            self.line(&format!(".when: {when}"));
        }
        if let Some((alias, list)) = &d.each {
            self.line(&format!(".each {}: {list}", alias.text));
        }
        for (name, value) in &d.with {
            self.value(&format!(".with {}", name.text), value);
        }
        for (word, value) in [(".from", &d.from), (".value", &d.value)] {
            if let Some(value) = value {
                self.value(word, value);
            }
        }
        if let Some(emit) = &d.emit {
            self.object("emit", emit);
        }
    }
}
