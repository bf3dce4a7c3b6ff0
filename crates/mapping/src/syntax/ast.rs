//! A mapping file as written: every key and value with its place, nothing resolved, nothing typed.

use crate::diagnostics::{FileId, Span};

use super::expr::Expr;

/// A text of the file and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub text: String,
    pub span: Span,
}

/// A mapping file. Every head key is optional here; what must be there is checked after `extends` is resolved.
#[derive(Debug, Clone)]
pub struct MapFile {
    pub file: FileId,
    pub span: Span,
    pub language: Option<Name>,
    pub map: Option<Name>,
    pub extends: Option<Name>,
    pub domain: Option<Name>,
    pub target: Option<Name>,
    pub safety: Option<Safety>,
    pub systems: Vec<(Name, Name)>,
    pub defaults: Vec<(Name, Name)>,
    pub source: Option<TableUse>,
    pub filter: Option<Expr>,
    pub lookup: Vec<Lookup>,
    pub join: Vec<Lookup>,
    pub lets: Vec<(Name, Value)>,
    pub require: Vec<Condition>,
    pub group: Option<Group>,
    pub latest: Option<Latest>,
    pub emit: Option<Object>,
    pub resources: Vec<Object>,
    pub resources_span: Option<Span>,
    pub asserts: Vec<Condition>,
    pub measure: Vec<(Name, Value)>,
    pub ignore: Vec<(Name, Name)>,
    pub tests: Vec<TestCase>,
    pub rename: Vec<(Name, Name)>,
    pub overrides: Vec<(Name, Value)>,
    pub add: Vec<(Name, Value)>,
    pub remove: Vec<Name>,
    pub cross_organisation: Option<Name>,
    pub from_resource: Option<FromResource>,
}

/// `from_resource: keep`, or `{ keep: COLUMN, source_id: URI, base: URL }`.
#[derive(Debug, Clone)]
pub struct FromResource {
    /// The one word of the short form.
    pub word: Option<Name>,
    /// The column that holds the JSON; `resource` where none is named.
    pub column: Option<Name>,
    /// The identifier system under which the source's id is kept.
    pub source_id: Option<Name>,
    /// The source's own base URL.
    pub base: Option<Name>,
    pub span: Span,
}

/// `safety: { owner: …, hazards: [ … ] }`.
#[derive(Debug, Clone)]
pub struct Safety {
    pub owner: Option<Name>,
    pub hazards: Vec<Name>,
    pub span: Span,
}

/// `alias: { table: TABLE }`.
#[derive(Debug, Clone)]
pub struct TableUse {
    pub alias: Name,
    pub table: Name,
}

/// One entry of `lookup:` or `join:`.
#[derive(Debug, Clone)]
pub struct Lookup {
    pub alias: Name,
    pub table: Name,
    pub matching: Expr,
    pub takes: Name,
    pub order: Option<Expr>,
    pub spill: bool,
}

/// One entry of `require:` or `assert:`.
#[derive(Debug, Clone)]
pub struct Condition {
    pub that: Expr,
    pub otherwise: Option<Name>,
    pub hazard: Option<Name>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Group {
    pub by: Vec<Expr>,
    pub order: Option<Expr>,
    pub agree: Vec<Name>,
    pub otherwise: Option<Name>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Latest {
    pub by: Vec<Expr>,
    pub max: Expr,
    pub span: Span,
}

/// What fills an element, or stands in `let` and `measure`.
#[derive(Debug, Clone)]
pub struct Value {
    pub kind: ValueKind,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum ValueKind {
    /// Text as it stands.
    Literal(String),
    Expr(Expr),
    Object(Box<Object>),
    List(Vec<Value>),
    /// Could not be read; said already.
    Poison,
}

/// A mapping inside `emit`: elements, and directives that begin with a point.
#[derive(Debug, Clone)]
pub struct Object {
    pub members: Vec<Member>,
    pub directives: Directives,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Member {
    pub key: ElementKey,
    pub value: Value,
}

/// `name`, `identifier[nhsNumber]` or `extension[https://…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementKey {
    pub name: String,
    pub slice: Option<String>,
    pub span: Span,
}

impl ElementKey {
    /// The key as a label writes it.
    pub fn label(&self) -> String {
        match &self.slice {
            Some(slice) => format!("{}[{slice}]", self.name),
            None => self.name.clone(),
        }
    }
}

/// The words with a point. Each keeps the place of its value.
#[derive(Debug, Clone, Default)]
pub struct Directives {
    pub from: Option<Value>,
    pub via: Option<Name>,
    pub on_unmapped: Option<Name>,
    pub on_invalid: Option<Name>,
    pub on_missing: Option<Name>,
    pub when: Option<Expr>,
    pub each: Option<(Name, Expr)>,
    pub id_part: Option<Name>,
    pub fragment: Option<Name>,
    pub with: Vec<(Name, Value)>,
    pub label: Option<Name>,
    pub value: Option<Value>,
    /// `emit` of an entry of `resources:`, and its `target` where it is not the map's.
    pub emit: Option<Box<Object>>,
    pub target: Option<Name>,
    /// Set when a fragment was put in place: the FHIR type that it gives, and its file.
    pub gives: Option<Name>,
    /// A word with a point was not understood, which was said: what follows from that is not.
    pub has_unknown: bool,
}

impl Directives {
    /// Each directive that is there, by name, with its place.
    pub fn present(&self) -> Vec<(&'static str, Span)> {
        let names = [
            (".via", &self.via),
            (".on_unmapped", &self.on_unmapped),
            (".on_invalid", &self.on_invalid),
            (".on_missing", &self.on_missing),
            (".id_part", &self.id_part),
            (".fragment", &self.fragment),
            (".as", &self.label),
        ];
        let mut found: Vec<_> = names.into_iter().filter_map(|(n, v)| v.as_ref().map(|v| (n, v.span))).collect();
        found.extend(self.from.as_ref().map(|v| (".from", v.span)));
        found.extend(self.value.as_ref().map(|v| (".value", v.span)));
        found.extend(self.when.as_ref().map(|e| (".when", e.span)));
        found.extend(self.each.as_ref().map(|(n, _)| (".each", n.span)));
        found.extend(self.with.first().map(|(n, _)| (".with", n.span)));
        found
    }
}

/// Rows by alias: `p: { COL: text }`, or a list of such.
pub type GivenRows = (Name, Vec<Vec<(Name, Name)>>);

/// One entry of `tests:`.
#[derive(Debug, Clone)]
pub struct TestCase {
    pub name: Name,
    pub given: Vec<GivenRows>,
    pub expect: Vec<(Name, Name)>,
    pub expect_absent: Vec<Name>,
    /// The complete list, where given.
    pub expect_issue: Option<Vec<Name>>,
    /// The `id_part` or the type of the resource that `expect` looks at.
    pub of: Option<Name>,
    pub expect_refused: Option<Name>,
    pub expect_none: Option<Name>,
}

/// A fragment file: elements of one FHIR type, with parameters.
#[derive(Debug, Clone)]
pub struct FragmentFile {
    pub file: FileId,
    pub fragment: Option<Name>,
    /// Parameter and its type name, or `policy`.
    pub takes: Vec<(Name, Name)>,
    pub gives: Option<Name>,
    pub emit: Option<Object>,
    pub systems: Vec<(Name, Name)>,
}

impl Value {
    /// Calls `change` on every expression, and `directive` on every policy name, at any depth.
    pub fn walk_exprs_mut(&mut self, change: &mut impl FnMut(&mut Expr)) {
        match &mut self.kind {
            ValueKind::Expr(expr) => change(expr),
            ValueKind::Object(object) => object.walk_exprs_mut(change),
            ValueKind::List(items) => items.iter_mut().for_each(|i| i.walk_exprs_mut(change)),
            ValueKind::Literal(_) | ValueKind::Poison => {}
        }
    }
}

impl Object {
    /// Calls `change` on every expression at any depth.
    pub fn walk_exprs_mut(&mut self, change: &mut impl FnMut(&mut Expr)) {
        for member in &mut self.members {
            member.value.walk_exprs_mut(change);
        }
        let d = &mut self.directives;
        for value in [&mut d.from, &mut d.value].into_iter().flatten() {
            value.walk_exprs_mut(change);
        }
        d.when.iter_mut().for_each(&mut *change);
        d.each.iter_mut().for_each(|(_, list)| change(list));
        d.with.iter_mut().for_each(|(_, value)| value.walk_exprs_mut(change));
        d.emit.iter_mut().for_each(|emit| emit.walk_exprs_mut(change));
    }
}
