//! Elements: what is written, in which shape, and what happens where there is no value.

use std::sync::Arc;

use super::codes::CodeMapPlan;
use super::{At, CaptureSlot, Expr, ListSlot, RowSlot};

/// A JSON member: an element's name and what it holds.
///
/// A primitive element may need a second member (`_birthDate`) for its extensions; the emitter writes it.
#[derive(Debug, Clone)]
pub struct Member {
    /// The JSON name, choice resolved: `birthDate`, `valueQuantity`.
    pub name: Arc<str>,
    pub node: EmitNode,
}

/// One element, or one item of a list.
#[derive(Debug, Clone)]
pub struct EmitNode {
    pub kind: EmitKind,
    /// Null counts as false: then nothing is written.
    pub when: Option<Expr>,
    /// One item for each row of a list; only for items of an [`EmitKind::Array`].
    pub each: Option<Each>,
    /// The FHIR path without indices: `Patient.name.family`.
    pub path: Arc<str>,
    pub at: At,
}

/// `.each: { a: $al }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Each {
    pub list: ListSlot,
    pub row: RowSlot,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub enum EmitKind {
    /// JSON ready to be written: a subtree without any expression. Stays, whatever stands around it.
    Literal(Arc<[u8]>),
    /// `{…}`. Where `has_expression`, it is left out unless an expression in it gave a value.
    Object { members: Vec<Member>, has_expression: bool },
    /// `[…]`, left out where no item is written. Items are written in order; an item that is a value of type list
    /// gives as many items as it has values.
    Array(Vec<EmitNode>),
    /// One value.
    Value(Box<ValueNode>),
    /// `{ .value: …, extension…: … }`: a primitive with extensions. `extensions` are items of `extension`.
    Primitive { value: Option<Box<ValueNode>>, extensions: Vec<EmitNode> },
}

/// A value: where it comes from, its shape, and the policies.
#[derive(Debug, Clone)]
pub struct ValueNode {
    pub from: Expr,
    /// `.via`: the code map that `from` goes through.
    pub via: Option<Arc<CodeMapPlan>>,
    pub shape: Shape,
    /// `None`: a null is left out and no issue is raised (`omit` does the same: only a sentinel raises one).
    pub on_missing: Option<PolicyAt>,
    /// A value that cannot be read, or that the element's format refuses. Always decided by the file.
    pub on_invalid: PolicyAt,
    /// With `via` only: a code that the map does not know. Always decided by the file.
    pub on_unmapped: Option<PolicyAt>,
    /// The slot under which an `assert` reads it.
    pub capture: Option<CaptureSlot>,
    /// The default policy that can leave the element out; what the checks ask of elements that must be there.
    pub left_out: Option<LeftOut>,
}

/// A policy of `defaults:` that leaves an element out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    Missing,
    Invalid,
}

/// A policy and where it was written (a `defaults:` head counts).
#[derive(Debug, Clone)]
pub struct PolicyAt {
    pub policy: Policy,
    pub at: At,
}

/// What happens to a value that is missing, invalid or unmapped: a closed set.
#[derive(Debug, Clone)]
pub enum Policy {
    RefuseRow,
    RefuseResource,
    /// The element is left out; where the value is invalid or unmapped, with an issue.
    Omit,
    /// The element is there with the data-absent-reason extension; the code is one of FHIR's.
    DataAbsentReason(Arc<str>),
    /// The source text as `CodeableConcept.text` (or the whole of a string element).
    KeepAsText,
    /// UK Core's transfer-degraded code and the original text.
    Degraded {
        coding: Arc<super::CodingLiteral>,
    },
    /// A value that the file gives: JSON in the element's shape, and its text for `assert`.
    Const {
        json: Arc<[u8]>,
        text: Arc<str>,
    },
}

/// The FHIR type of the element and so how a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A coding fills a primitive with its code.
    Primitive(FhirPrimitive),
    Coding,
    /// A coding becomes the one coding of a concept.
    CodeableConcept,
    /// Also SimpleQuantity, Age, Duration …
    Quantity,
    Reference,
}

/// The primitive types of FHIR R4; each has its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FhirPrimitive {
    Boolean,
    Integer,
    UnsignedInt,
    PositiveInt,
    Decimal,
    String,
    Markdown,
    Code,
    Id,
    Uri,
    Url,
    Canonical,
    Oid,
    Uuid,
    Base64Binary,
    Date,
    DateTime,
    Instant,
    Time,
}

impl FhirPrimitive {
    const ALL: [(&'static str, Self); 19] = [
        ("boolean", Self::Boolean),
        ("integer", Self::Integer),
        ("unsignedInt", Self::UnsignedInt),
        ("positiveInt", Self::PositiveInt),
        ("decimal", Self::Decimal),
        ("string", Self::String),
        ("markdown", Self::Markdown),
        ("code", Self::Code),
        ("id", Self::Id),
        ("uri", Self::Uri),
        ("url", Self::Url),
        ("canonical", Self::Canonical),
        ("oid", Self::Oid),
        ("uuid", Self::Uuid),
        ("base64Binary", Self::Base64Binary),
        ("date", Self::Date),
        ("dateTime", Self::DateTime),
        ("instant", Self::Instant),
        ("time", Self::Time),
    ];

    /// By the FHIR type code; `None` for any other type (and for `xhtml`).
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == code).map(|(_, primitive)| *primitive)
    }

    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, p)| *p == self).map_or("", |(name, _)| name)
    }

    /// Written without quotes.
    pub const fn is_bare(self) -> bool {
        matches!(self, Self::Boolean | Self::Integer | Self::UnsignedInt | Self::PositiveInt | Self::Decimal)
    }
}

impl EmitNode {
    /// A node that is always written.
    pub fn new(kind: EmitKind, path: &str, at: At) -> Self {
        Self { kind, when: None, each: None, path: Arc::from(path), at }
    }

    pub fn when(mut self, condition: Expr) -> Self {
        self.when = Some(condition);
        self
    }

    pub fn each(mut self, each: Each) -> Self {
        self.each = Some(each);
        self
    }
}

impl Member {
    pub fn new(name: &str, node: EmitNode) -> Self {
        Self { name: Arc::from(name), node }
    }
}

impl PolicyAt {
    pub const fn new(policy: Policy, at: At) -> Self {
        Self { policy, at }
    }
}

impl ValueNode {
    /// A value without a code map whose faults leave the element out.
    pub const fn new(from: Expr, shape: Shape, at: At) -> Self {
        Self {
            from,
            via: None,
            shape,
            on_missing: None,
            on_invalid: PolicyAt::new(Policy::Omit, at),
            on_unmapped: None,
            capture: None,
            left_out: None,
        }
    }
}
