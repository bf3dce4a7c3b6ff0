//! The head keys of a mapping file, and the fragment file.

use epr_model::yaml::{Key, Node};

use super::ast::{
    Condition, FragmentFile, FromResource, GivenRows, Group, Latest, Lookup, MapFile, Name, Object, Safety, TableUse,
    TestCase, Value,
};
use super::expr::Expr;
use super::reader::Reader;
use crate::diagnostics::{FileId, Sink, Span, nearest};

/// The head keys of a mapping file: a closed list.
pub const HEAD_KEYS: [&str; 28] = [
    "language",
    "map",
    "extends",
    "domain",
    "target",
    "safety",
    "systems",
    "defaults",
    "source",
    "where",
    "lookup",
    "join",
    "let",
    "require",
    "group",
    "latest",
    "emit",
    "resources",
    "assert",
    "measure",
    "ignore",
    "tests",
    "rename",
    "override",
    "add",
    "remove",
    "cross_organisation",
    "from_resource",
];

/// Reads a mapping file; every fault is said, and what could be read is returned.
pub fn map_file(file: FileId, sink: &mut Sink<'_>) -> Option<MapFile> {
    let (mut reader, node) = Reader::open(file, sink);
    let node = node?;
    if node.as_mapping().is_none() {
        reader.wrong_shape("a mapping file", "head keys such as `map:`", &node);
        return None;
    }
    let mut map = empty(file, reader.span(&node.span));
    for (key, value) in node.as_mapping().unwrap_or_default() {
        reader.head_key(&mut map, key, value);
    }
    reader.language(map.language.as_ref(), map.span);
    Some(map)
}

/// Reads a fragment file.
pub fn fragment_file(file: FileId, sink: &mut Sink<'_>) -> Option<FragmentFile> {
    const KEYS: [&str; 6] = ["language", "fragment", "takes", "gives", "emit", "systems"];
    let (mut reader, node) = Reader::open(file, sink);
    let node = node?;
    let mut found =
        FragmentFile { file, fragment: None, takes: Vec::new(), gives: None, emit: None, systems: Vec::new() };
    let mut language = None;
    for (key, value) in reader.mapping("a fragment file", &node) {
        let word = key.text.as_str();
        match word {
            "language" => language = reader.name(word, value),
            "fragment" => found.fragment = reader.name(word, value),
            "takes" => found.takes = reader.pairs(word, value),
            "gives" => found.gives = reader.name(word, value),
            "systems" => found.systems = reader.pairs(word, value),
            "emit" => found.emit = reader.emit(word, value),
            _ => reader.unknown_key(key, &KEYS, "a fragment file"),
        }
    }
    let span = reader.span(&node.span);
    reader.language(language.as_ref(), span);
    for (missing, is_missing) in
        [("fragment", found.fragment.is_none()), ("gives", found.gives.is_none()), ("emit", found.emit.is_none())]
    {
        if is_missing {
            let at = Span { end: span.start, ..span };
            reader.sink.error("MAP0004", at, format!("the fragment has no `{missing}:`"));
        }
    }
    Some(found)
}

fn empty(file: FileId, span: Span) -> MapFile {
    MapFile {
        file,
        span,
        language: None,
        map: None,
        extends: None,
        domain: None,
        target: None,
        safety: None,
        systems: Vec::new(),
        defaults: Vec::new(),
        source: None,
        filter: None,
        lookup: Vec::new(),
        join: Vec::new(),
        lets: Vec::new(),
        require: Vec::new(),
        group: None,
        latest: None,
        emit: None,
        resources: Vec::new(),
        resources_span: None,
        asserts: Vec::new(),
        measure: Vec::new(),
        ignore: Vec::new(),
        tests: Vec::new(),
        rename: Vec::new(),
        overrides: Vec::new(),
        add: Vec::new(),
        remove: Vec::new(),
        cross_organisation: None,
        from_resource: None,
    }
}

impl Reader<'_, '_> {
    fn head_key(&mut self, map: &mut MapFile, key: &Key, node: &Node) {
        let word = key.text.as_str();
        match word {
            "language" => map.language = self.name(word, node),
            "map" => map.map = self.name(word, node),
            "extends" => map.extends = self.name(word, node),
            "domain" => map.domain = self.name(word, node),
            "target" => map.target = self.name(word, node),
            "cross_organisation" => map.cross_organisation = self.name(word, node),
            "from_resource" => map.from_resource = self.kept_resource(node),
            "safety" => map.safety = Some(self.safety(node)),
            "systems" => map.systems = self.pairs(word, node),
            "defaults" => map.defaults = self.pairs(word, node),
            "ignore" => map.ignore = self.pairs(word, node),
            "rename" => map.rename = self.pairs(word, node),
            "source" => map.source = self.source(node),
            "where" => map.filter = self.expression(word, node),
            "lookup" => map.lookup = self.lookups(word, node),
            "join" => map.join = self.lookups(word, node),
            "let" => map.lets = self.values(word, node),
            "measure" => map.measure = self.values(word, node),
            "override" => map.overrides = self.values(word, node),
            "add" => map.add = self.values(word, node),
            "remove" => map.remove = self.names(word, node),
            "require" => map.require = self.conditions(word, node),
            "assert" => map.asserts = self.conditions(word, node),
            "group" => map.group = self.group(node),
            "latest" => map.latest = self.latest(node),
            "emit" => map.emit = self.emit(word, node),
            "resources" => {
                map.resources_span = Some(self.span(&key.span));
                map.resources = self.resources(node);
            }
            "tests" => map.tests = self.tests(node),
            "key" => {
                let span = self.span(&key.span);
                self.sink
                    .error("MAP0002", span, "`key` is not a head key of a mapping")
                    .help("the key of a table stands in its source spec");
            }
            _ => self.unknown_key(key, &HEAD_KEYS, "a mapping file"),
        }
    }

    fn unknown_key(&mut self, key: &Key, known: &[&'static str], what: &str) {
        let span = self.span(&key.span);
        let help = nearest(&key.text, known.iter().copied()).map(|n| format!("did you mean `{n}`?"));
        self.sink.error("MAP0002", span, format!("`{}` is not a key of {what}", key.text)).help_if(help);
    }

    fn language(&mut self, written: Option<&Name>, whole: Span) {
        match written {
            Some(name) if name.text == "1" => {}
            Some(name) => {
                let message = format!("language {} is not known; this program reads language 1", name.text);
                self.sink.error("MAP0006", name.span, message);
            }
            None => {
                let at = Span { end: whole.start, ..whole };
                self.sink.error("MAP0006", at, "the file has no `language:`").help("write `language: 1` at its head");
            }
        }
    }

    /// Says which keys of a small mapping are not known; gives the rest to `take`.
    fn members<'n>(
        &mut self,
        what: &str,
        node: &'n Node,
        known: &[&'static str],
        mut take: impl FnMut(&mut Self, &str, &'n Node),
    ) {
        for (key, value) in self.mapping(what, node) {
            if known.contains(&key.text.as_str()) {
                take(self, &key.text, value);
            } else {
                self.unknown_key(key, known, &format!("`{what}`"));
            }
        }
    }

    fn missing(&mut self, node: &Node, what: &str, member: &str) {
        let span = self.first_line(self.span(&node.span));
        self.sink.error("MAP0004", span, format!("`{what}` has no `{member}:`"));
    }

    fn safety(&mut self, node: &Node) -> Safety {
        let mut safety = Safety { owner: None, hazards: Vec::new(), span: self.span(&node.span) };
        self.members("safety", node, &["owner", "hazards"], |reader, word, value| match word {
            "owner" => safety.owner = reader.name(word, value),
            _ => safety.hazards = reader.names(word, value),
        });
        safety
    }

    fn kept_resource(&mut self, node: &Node) -> Option<FromResource> {
        let span = self.first_line(self.span(&node.span));
        let mut from = FromResource { word: None, column: None, source_id: None, base: None, span };
        if node.as_mapping().is_none() {
            from.word = Some(self.name("from_resource", node)?);
            return Some(from);
        }
        self.members("from_resource", node, &["keep", "source_id", "base"], |reader, word, value| match word {
            "keep" => from.column = reader.name(word, value),
            "source_id" => from.source_id = reader.name(word, value),
            _ => from.base = reader.name(word, value),
        });
        if node.get("keep").is_none() {
            self.missing(node, "from_resource", "keep");
        }
        Some(from)
    }

    fn source(&mut self, node: &Node) -> Option<TableUse> {
        let members = self.mapping("source", node);
        if let Some((second, _)) = members.get(1) {
            let span = self.span(&second.span);
            self.sink
                .error("MAP0003", span, "a map has one source table")
                .help("the others are look-ups: `lookup: { x: { table: …, match: …, takes: … } }`");
        }
        let (alias, table) = members.first()?;
        let alias = self.key(alias);
        let mut found = None;
        self.members("source", table, &["table"], |reader, word, value| found = reader.name(word, value));
        if found.is_none() && table.as_mapping().is_some() {
            self.missing(table, "source", "table");
        }
        Some(TableUse { alias, table: found? })
    }

    fn lookups(&mut self, what: &str, node: &Node) -> Vec<Lookup> {
        let mut found = Vec::new();
        for (key, value) in self.mapping(what, node) {
            let alias = self.key(key);
            let (mut table, mut matching, mut takes, mut order) = (None, None, None, None);
            let known = ["table", "match", "takes", "order"];
            self.members(&key.text, value, &known, |reader, word, value| match word {
                "table" => table = reader.name(word, value),
                "match" => matching = reader.expression(word, value),
                "takes" => takes = reader.name(word, value),
                _ => order = reader.expression(word, value),
            });
            for (member, is_there) in
                [("table", value.get("table")), ("match", value.get("match")), ("takes", value.get("takes"))]
            {
                if is_there.is_none() && value.as_mapping().is_some() {
                    self.missing(value, &key.text, member);
                }
            }
            if let (Some(table), Some(matching), Some(takes)) = (table, matching, takes) {
                found.push(Lookup { alias, table, matching, takes, order, spill: what == "join" });
            }
        }
        found
    }

    fn values(&mut self, what: &str, node: &Node) -> Vec<(Name, Value)> {
        let mut found = Vec::new();
        for (key, value) in self.mapping(what, node) {
            let value = self.value(value);
            found.push((self.key(key), value));
        }
        found
    }

    fn conditions(&mut self, what: &str, node: &Node) -> Vec<Condition> {
        let mut found = Vec::new();
        for item in Self::one_or_many(node) {
            let (mut that, mut otherwise, mut hazard) = (None, None, None);
            self.members(what, item, &["that", "else", "hazard"], |reader, word, value| match word {
                "that" => that = reader.expression(word, value),
                "else" => otherwise = reader.name(word, value),
                _ => hazard = reader.name(word, value),
            });
            if item.as_mapping().is_some() && item.get("that").is_none() {
                self.missing(item, what, "that");
            }
            if let Some(that) = that {
                found.push(Condition { that, otherwise, hazard, span: self.span(&item.span) });
            }
        }
        found
    }

    fn expressions(&mut self, what: &str, node: &Node) -> Vec<Expr> {
        Self::one_or_many(node).into_iter().filter_map(|n| self.expression(what, n)).collect()
    }

    fn group(&mut self, node: &Node) -> Option<Group> {
        let span = self.first_line(self.span(&node.span));
        let mut group = Group { by: Vec::new(), order: None, agree: Vec::new(), otherwise: None, span };
        self.members("group", node, &["by", "order", "agree", "else"], |reader, word, value| match word {
            "by" => group.by = reader.expressions(word, value),
            "order" => group.order = reader.expression(word, value),
            "agree" => group.agree = reader.names(word, value),
            _ => group.otherwise = reader.name(word, value),
        });
        if node.as_mapping().is_some() && node.get("by").is_none() {
            self.missing(node, "group", "by");
        }
        (!group.by.is_empty()).then_some(group)
    }

    fn latest(&mut self, node: &Node) -> Option<Latest> {
        let (mut by, mut max) = (Vec::new(), None);
        self.members("latest", node, &["by", "max"], |reader, word, value| match word {
            "by" => by = reader.expressions(word, value),
            _ => max = reader.expression(word, value),
        });
        for member in ["by", "max"] {
            if node.as_mapping().is_some() && node.get(member).is_none() {
                self.missing(node, "latest", member);
            }
        }
        let span = self.first_line(self.span(&node.span));
        (!by.is_empty()).then_some(Latest { by, max: max?, span })
    }

    pub(super) fn emit(&mut self, what: &str, node: &Node) -> Option<Object> {
        if node.as_mapping().is_none() {
            self.wrong_shape(what, "elements", node);
            return None;
        }
        Some(self.object(node))
    }

    /// Entries of `resources:`: `.when`, `.id_part`, `emit`, and `target` where it differs.
    fn resources(&mut self, node: &Node) -> Vec<Object> {
        let Some(items) = node.as_sequence() else {
            self.wrong_shape("resources", "a list", node);
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items {
            let mut object = Object {
                members: Vec::new(),
                directives: super::ast::Directives::default(),
                span: self.span(&item.span),
            };
            for (key, value) in self.mapping("resources", item) {
                match key.text.as_str() {
                    "emit" => object.directives.emit = self.emit("emit", value).map(Box::new),
                    "target" => object.directives.target = self.name("target", value),
                    ".when" => object.directives.when = self.expression(".when", value),
                    ".id_part" => object.directives.id_part = self.name(".id_part", value),
                    ".as" => object.directives.label = self.name(".as", value),
                    ".each" => object.directives.each = self.each(value),
                    _ => self.unknown_key(
                        key,
                        &[".when", ".each", ".id_part", ".as", "target", "emit"],
                        "an entry of `resources`",
                    ),
                }
            }
            if item.as_mapping().is_some() && item.get("emit").is_none() {
                self.missing(item, "resources", "emit");
            }
            found.push(object);
        }
        found
    }

    fn tests(&mut self, node: &Node) -> Vec<TestCase> {
        let Some(items) = node.as_sequence() else {
            self.wrong_shape("tests", "a list", node);
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items {
            let mut test = TestCase {
                name: Name { text: String::new(), span: self.first_line(self.span(&item.span)) },
                given: Vec::new(),
                expect: Vec::new(),
                expect_absent: Vec::new(),
                expect_issue: None,
                of: None,
                expect_refused: None,
                expect_none: None,
            };
            let known =
                ["name", "given", "of", "expect", "expect_absent", "expect_issue", "expect_refused", "expect_none"];
            self.members("tests", item, &known, |reader, word, value| match word {
                "name" => test.name = reader.name(word, value).unwrap_or_else(|| test.name.clone()),
                "given" => test.given = reader.given(value),
                "expect" => test.expect = reader.pairs(word, value),
                "expect_absent" => test.expect_absent = reader.names(word, value),
                "expect_issue" => test.expect_issue = Some(reader.names(word, value)),
                "of" => test.of = reader.name(word, value),
                "expect_refused" => test.expect_refused = reader.name(word, value),
                _ => test.expect_none = reader.name(word, value),
            });
            for member in ["name", "given"] {
                if item.as_mapping().is_some() && item.get(member).is_none() {
                    self.missing(item, "tests", member);
                }
            }
            found.push(test);
        }
        found
    }

    /// `{ p: { COL: text }, al: [ { COL: text }, … ] }`.
    fn given(&mut self, node: &Node) -> Vec<GivenRows> {
        let mut found = Vec::new();
        for (key, value) in self.mapping("given", node) {
            let rows = Self::one_or_many(value).into_iter().map(|row| self.pairs(&key.text, row)).collect();
            found.push((self.key(key), rows));
        }
        found
    }
}
