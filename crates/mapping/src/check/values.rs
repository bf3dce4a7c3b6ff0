//! What fills one element: a literal, an expression, a code map, or an object; with the policies that it needs.

use std::sync::Arc;

use epr_fhir::definitions::{Definitions, Element};
use epr_model::schema::ColumnKind;

use super::elements::{Kind, Place, kind_of};
use super::formats::{format_help, is_absolute_uri, primitive_format};
use super::scope::MapCompiler;
use super::types::{self, Fit};
use crate::apply::json;
use crate::diagnostics::Span;
use crate::functions::Function;
use crate::plan::{
    EmitKind, EmitNode, Expr as PlanExpr, FhirPrimitive, LeftOut, Literal, Policy, PolicyAt, Shape, Type, ValueNode,
};
use crate::syntax::ast::{Directives, Object, Value, ValueKind};
use crate::syntax::expr::{Expr, ExprKind};

impl<'c> MapCompiler<'c, '_, '_> {
    /// A literal or an expression without directives.
    pub(crate) fn leaf(&mut self, value: &Value, place: &Place<'c>, in_list: bool) -> Option<EmitNode> {
        let at = self.at(value.span);
        let shape = match kind_of(place.type_code) {
            Kind::Shaped(shape) => shape,
            Kind::Complex => {
                if !matches!(value.kind, ValueKind::Poison) {
                    self.needs_elements(value.span, place);
                }
                return None;
            }
        };
        let kind = match &value.kind {
            ValueKind::Literal(text) => self.literal_value(text, value.span, shape, place)?,
            ValueKind::Expr(expr) => {
                EmitKind::Value(Box::new(self.value_node(expr, &Directives::default(), shape, place, in_list)?))
            }
            ValueKind::List(_) => {
                self.sink().error("MAP0206", value.span, "a list inside a list");
                return None;
            }
            ValueKind::Object(_) | ValueKind::Poison => return None,
        };
        Some(EmitNode::new(kind, &place.path, at))
    }

    fn needs_elements(&mut self, span: Span, place: &Place<'_>) {
        let message = format!("`{}` is {}: it takes elements, not a value", place.path, a_type(place.type_code));
        self.sink().error("MAP0205", span, message).help("write `{ element: value, … }`");
    }

    /// An object: `.from` makes a value of it, `.value` and extensions a primitive with extensions, else elements.
    pub(crate) fn object(&mut self, object: &Object, span: Span, place: &Place<'c>, in_list: bool) -> Option<EmitKind> {
        let d = &object.directives;
        let kind = kind_of(place.type_code);
        if let Some(from) = &d.from {
            if let Some(member) = object.members.first() {
                self.sink()
                    .error("MAP0007", member.key.span, "an object with `.from` has no elements")
                    .help("a primitive with extensions is written with `.value`");
                return None;
            }
            if d.value.is_some() {
                self.sink().error("MAP0007", from.span, "`.from` and `.value` do not go together");
                return None;
            }
            let Kind::Shaped(shape) = kind else {
                self.needs_elements(from.span, place);
                return None;
            };
            return self.from(from, d, shape, place, in_list);
        }
        let policy = d.present().into_iter().find(|(word, _)| {
            matches!(*word, ".via" | ".on_unmapped")
                || (d.value.is_none() && matches!(*word, ".on_invalid" | ".on_missing"))
        });
        if let Some((word, at)) = policy.filter(|_| d.value.is_none()) {
            self.sink().error("MAP0007", at, format!("`{word}` needs a `.from`")).help("write `.from: $COLUMN`");
            return None;
        }
        match kind {
            Kind::Shaped(Shape::Primitive(primitive)) => self.primitive(object, span, primitive, place, in_list),
            Kind::Shaped(_) | Kind::Complex => {
                if let Some(value) = &d.value {
                    self.sink().error(
                        "MAP0007",
                        value.span,
                        format!("`.value` is for primitives, and `{}` is {}", place.path, a_type(place.type_code)),
                    );
                    return None;
                }
                Some(self.complex(object, place))
            }
        }
    }

    fn from(
        &mut self,
        from: &Value,
        d: &Directives,
        shape: Shape,
        place: &Place<'c>,
        in_list: bool,
    ) -> Option<EmitKind> {
        match &from.kind {
            ValueKind::Expr(expr) => Some(EmitKind::Value(Box::new(self.value_node(expr, d, shape, place, in_list)?))),
            // A literal may come out of a fragment's argument: it goes through the code map as any other value.
            ValueKind::Literal(text) if d.via.is_some() => {
                let expr = Expr { kind: ExprKind::Text(text.clone()), span: from.span };
                Some(EmitKind::Value(Box::new(self.value_node(&expr, d, shape, place, in_list)?)))
            }
            ValueKind::Literal(text) => self.literal_value(text, from.span, shape, place),
            ValueKind::Poison => None,
            _ => {
                self.sink().error("MAP0007", from.span, "`.from` takes a column or an expression");
                None
            }
        }
    }

    /// A primitive with extensions: `{ .value: …, extension[…]: … }`.
    fn primitive(
        &mut self,
        object: &Object,
        span: Span,
        primitive: FhirPrimitive,
        place: &Place<'c>,
        in_list: bool,
    ) -> Option<EmitKind> {
        let d = &object.directives;
        let shape = Shape::Primitive(primitive);
        if d.has_unknown && d.value.is_none() {
            return None;
        }
        if d.value.is_none() && object.members.is_empty() {
            self.sink()
                .error("MAP0007", span, format!("`{}` is {}: nothing fills it", place.path, a_type(place.type_code)))
                .help("write `.from` or `.value`");
            return None;
        }
        let value = match d.value.as_ref().map(|v| (&v.kind, v.span)) {
            None | Some((ValueKind::Poison, _)) => None,
            Some((ValueKind::Expr(expr), _)) => Some(Box::new(self.value_node(expr, d, shape, place, in_list)?)),
            Some((ValueKind::Literal(text), at)) => {
                self.literal_json(text, at, shape, place)?;
                let literal = literal_of(primitive, text);
                let at = self.at(at);
                Some(Box::new(ValueNode::new(PlanExpr::Literal(literal), shape, at)))
            }
            Some((_, at)) => {
                self.sink().error("MAP0007", at, "`.value` takes a text or an expression");
                return None;
            }
        };
        let parent = Self::parent_of(place);
        let mut extensions = Vec::new();
        for member in &object.members {
            if member.key.name != "extension" || member.key.slice.is_none() {
                let message =
                    format!("`{}` is {}: it has no element `{}`", place.path, a_type(place.type_code), member.key.name);
                self.sink()
                    .error("MAP0217", member.key.span, message)
                    .help("only `.value` and `extension[…]` stand here");
                continue;
            }
            extensions.extend(self.extension(member, &parent));
        }
        Some(EmitKind::Primitive { value, extensions })
    }

    /// A literal as bytes; where an `assert` reads it, as a value.
    fn literal_value(&mut self, text: &str, span: Span, shape: Shape, place: &Place<'c>) -> Option<EmitKind> {
        let bytes = self.literal_json(text, span, shape, place)?;
        if let Shape::Primitive(primitive) = shape
            && let Some(slot) = self.capture(shape, place)
        {
            let at = self.at(span);
            let mut node = ValueNode::new(PlanExpr::Literal(literal_of(primitive, text)), shape, at);
            node.capture = Some(slot);
            return Some(EmitKind::Value(Box::new(node)));
        }
        Some(EmitKind::Literal(bytes.into()))
    }

    /// A literal text in an element's shape, as JSON.
    pub(crate) fn literal_json(&mut self, text: &str, span: Span, shape: Shape, place: &Place<'_>) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        match shape {
            Shape::Primitive(primitive) => {
                let text = self.literal_code(text, span, primitive, place)?;
                if !primitive_format(primitive, &text) {
                    let message = format!("`{text}` is not {}", a_type(place.type_code));
                    self.sink().error("MAP0213", span, message).help_if(format_help(primitive));
                    return None;
                }
                self.literal_uri(&text, span, primitive, place)?;
                if primitive.is_bare() {
                    out.extend_from_slice(text.as_bytes());
                } else {
                    json::push_text(&mut out, &text);
                }
            }
            Shape::Coding | Shape::CodeableConcept => {
                let Some((system, code)) = text.split_once('#') else {
                    let message = format!("`{}` is {}: a literal is a coding", place.path, a_type(place.type_code));
                    self.sink().error("MAP0205", span, message).help("write `system#code`, such as `loinc#85354-9`");
                    return None;
                };
                let coding = self.coding(system, code, span)?;
                self.prove_literal(coding.system.as_deref(), code, span, place);
                if shape == Shape::Coding {
                    out.extend_from_slice(&coding.json);
                } else {
                    out.extend_from_slice(b"{\"coding\":[");
                    out.extend_from_slice(&coding.json);
                    out.extend_from_slice(b"]}");
                }
            }
            Shape::Quantity => {
                self.sink()
                    .error("MAP0205", span, format!("`{}` is a quantity, not a text", place.path))
                    .help("write `=quantity(x, ucum('unit'))` or `{ value: …, unit: … }`");
                return None;
            }
            Shape::Reference => {
                self.sink()
                    .error("MAP0205", span, format!("`{}` is a reference, not a text", place.path))
                    .help("write `=ref(map, key)`, or an object with `identifier` or `display`");
                return None;
            }
        }
        Some(out)
    }

    /// A code element takes `code` or `system#code`; its value set is asked.
    fn literal_code(&mut self, text: &str, span: Span, primitive: FhirPrimitive, place: &Place<'_>) -> Option<String> {
        if !matches!(primitive, FhirPrimitive::Code | FhirPrimitive::Uri | FhirPrimitive::String) {
            return Some(text.to_owned());
        }
        let coded = text.split_once('#').filter(|(s, c)| {
            primitive == FhirPrimitive::Code
                && !s.is_empty()
                && !c.is_empty()
                && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
        if let Some((system, code)) = coded {
            let coding = self.coding(system, code, span)?;
            self.prove_literal(coding.system.as_deref(), code, span, place);
            return Some(code.to_owned());
        }
        if primitive == FhirPrimitive::Code {
            self.prove_literal(None, text, span, place);
        }
        Some(text.to_owned())
    }

    /// A literal for a URI is written as it stands: a short name of a code system would be no URI, and a `system`
    /// that is not absolute names nothing. Source: FHIR R4, datatypes, `Coding.system` and `Identifier.system`.
    pub(crate) fn literal_uri(
        &mut self,
        text: &str,
        span: Span,
        primitive: FhirPrimitive,
        place: &Place<'_>,
    ) -> Option<()> {
        if !matches!(primitive, FhirPrimitive::Uri | FhirPrimitive::Url | FhirPrimitive::Canonical)
            || is_absolute_uri(text)
        {
            return Some(());
        }
        if let Some(url) = self.known_system(text, span) {
            let message = format!("`{text}` is the short name of a code system, and `{}` takes a URI", place.path);
            self.sink()
                .error("MAP0213", span, message)
                .help(format!("write `{url}`, or make the coding whole: `coding('{text}', $CODE, $DISPLAY)`"));
            return None;
        }
        if place.element.name == "system" {
            let message = format!("`{text}` is not an absolute URI, and `{}` takes one", place.path);
            self.sink()
                .error("MAP0213", span, message)
                .help("begin with a scheme: `https://…`, `urn:oid:…`, `urn:uuid:…`");
            return None;
        }
        Some(())
    }

    /// An expression that fills an element.
    pub(crate) fn value_node(
        &mut self,
        expr: &Expr,
        d: &Directives,
        shape: Shape,
        place: &Place<'c>,
        in_list: bool,
    ) -> Option<ValueNode> {
        let typed = self.value(expr);
        let possible = possible_texts(expr);
        let via = match &d.via {
            Some(via) => {
                // A fragment's argument says nothing of the fragment's other uses.
                let own = possible.as_ref().filter(|_| via.span.file == expr.span.file && !holds_argument(expr));
                let texts: Option<Vec<String>> = own.map(|p| p.iter().map(|(t, _)| t.clone()).collect());
                Some(self.via(via, shape, place, texts.as_deref()))
            }
            None => None,
        };
        let policies = self.policies(d, shape, place);
        let typed = typed?;
        let mut ty = typed.ty;
        if let Type::List(item) = &ty {
            if !in_list {
                let message = format!("`{}` takes one value, and this is a list", place.path);
                self.sink().error("MAP0206", expr.span, message).help("take one row with `first($alias).COLUMN`");
                return None;
            }
            ty = (**item).clone();
        }
        let is_fallible = if let Some(via_span) = d.via.as_ref().map(|v| v.span) {
            if !matches!(ty, Type::Text | Type::Code | Type::Integer | Type::Bool) {
                let message = format!("a code map takes a text, and this is {}", types::name(&ty));
                self.sink().error("MAP0107", expr.span, message);
                return None;
            }
            self.needs_unmapped(d, via_span)?;
            can_fail(&typed.expr)
        } else {
            if let Some(word) = &d.on_unmapped {
                self.sink().error("MAP0007", word.span, "`.on_unmapped` needs a `.via`");
            }
            let fit = self.fits(&ty, &typed.expr, shape, expr, place)?;
            self.closed_list(possible.as_deref(), &typed.expr, shape, expr, place);
            if let Shape::Primitive(primitive) = shape {
                for (text, span) in possible.iter().flatten() {
                    self.literal_uri(text, *span, primitive, place)?;
                }
            }
            fit == Fit::WhenFormatHolds && possible.is_none() || can_fail(&typed.expr)
        };
        let (on_missing, on_invalid, on_unmapped) = policies?;
        let by_default =
            |own: bool, policy: Option<&PolicyAt>| !own && policy.is_some_and(|p| matches!(p.policy, Policy::Omit));
        let left_out = if by_default(d.on_missing.is_some(), on_missing.as_ref()) && !self.is_never_null(&typed.expr) {
            Some(LeftOut::Missing)
        } else if by_default(d.on_invalid.is_some(), on_invalid.as_ref()) && is_fallible {
            Some(LeftOut::Invalid)
        } else {
            None
        };
        let on_invalid = match on_invalid {
            Some(policy) => policy,
            None if is_fallible => {
                let message = format!("nothing says what happens where the value of `{}` cannot be read", place.path);
                self.sink()
                    .error("MAP0238", expr.span, message)
                    .help("give the element `.on_invalid`, or the file `defaults: { on_invalid: omit }`");
                return None;
            }
            // What cannot be read never comes here; a character that FHIR does not allow is left out, with its issue.
            None => PolicyAt { policy: Policy::Omit, at: self.at(expr.span) },
        };
        let via = match via {
            Some(via) => Some(via?),
            None => None,
        };
        let capture = self.capture(shape, place);
        let from = code_literal(typed.expr, shape);
        Some(ValueNode { from, via, shape, on_missing, on_invalid, on_unmapped, capture, left_out })
    }

    fn needs_unmapped(&mut self, d: &Directives, via: Span) -> Option<()> {
        if d.on_unmapped.is_some() {
            return Some(());
        }
        self.sink()
            .error("MAP0304", via, "a code map without `.on_unmapped` does not compile")
            .help("say what becomes of a code that nobody mapped: omit, keep-as-text, degraded, const(x), refuse-resource or refuse-row");
        None
    }

    /// The three policies: the element's own, else the file's `defaults:`.
    fn policies(
        &mut self,
        d: &Directives,
        shape: Shape,
        place: &Place<'_>,
    ) -> Option<(Option<PolicyAt>, Option<PolicyAt>, Option<PolicyAt>)> {
        let default = |key: &str, map: &crate::syntax::ast::MapFile| {
            map.defaults.iter().find(|(n, _)| n.text == key).map(|(_, v)| v.clone())
        };
        let missing = d.on_missing.clone().or_else(|| default("on_missing", &self.resolved.map));
        let invalid = d.on_invalid.clone().or_else(|| default("on_invalid", &self.resolved.map));
        let mut read = |name: Option<crate::syntax::ast::Name>| match name {
            None => Some(None),
            Some(name) => self.policy(&name, shape, place).map(Some),
        };
        let (missing, invalid, unmapped) = (read(missing), read(invalid), read(d.on_unmapped.clone()));
        Some((missing?, invalid?, unmapped?))
    }

    /// Whether the type fits the element, by the table of coercions; also where a reference may point to.
    fn fits(&mut self, ty: &Type, typed: &PlanExpr, shape: Shape, expr: &Expr, place: &Place<'c>) -> Option<Fit> {
        if let Type::Ref(target) = ty
            && place.element.path == "Reference.reference"
        {
            let holder = self.reference_of?;
            self.target_allowed(target, expr.span, holder, place.path.trim_end_matches(".reference"))?;
            return Some(Fit::Always);
        }
        if *ty == Type::Blob
            && shape == Shape::Primitive(FhirPrimitive::Base64Binary)
            && let Some(column) = self.file_column(typed)
        {
            let message = format!("column `{column}` is a file beside the tables, and its content is not delivered");
            self.sink()
                .error("MAP0205", expr.span, message)
                .help("leave out `class: document` in the source spec: cells of up to 1 MiB stand in the table");
            return None;
        }
        let fit = types::fit(ty, shape);
        if fit == Fit::No {
            let message = format!("{} does not fit `{}` ({})", types::name(ty), place.path, place.type_code);
            let help = types::conversion(ty, shape).map(|c| format!("write {}", ticked(c)));
            self.sink().error("MAP0205", expr.span, message).help_if(help);
            return None;
        }
        if let Type::Ref(target) = ty {
            self.target_allowed(target, expr.span, place.element, &place.path)?;
        }
        Some(fit)
    }

    /// The name of a column that holds names of files, where the expression is such a column.
    fn file_column(&self, expr: &PlanExpr) -> Option<String> {
        let PlanExpr::Column(column) = expr else { return None };
        let table = self.rows[usize::from(column.row.0)].table;
        let read = &self.tables[usize::from(table.0)].columns[usize::from(column.column)];
        (read.kind == ColumnKind::Blob).then(|| read.name.clone())
    }

    fn target_allowed(&mut self, target: &Arc<str>, span: Span, element: &Element, path: &str) -> Option<()> {
        let definitions: &'c Definitions = self.definitions();
        let profiles: Vec<&str> = element
            .types
            .iter()
            .filter(|t| t.code == "Reference")
            .flat_map(|t| t.target_profiles.iter().map(String::as_str))
            .collect();
        let type_of = |url: &str| {
            definitions
                .structure(url)
                .map_or_else(|| url.rsplit('/').next().unwrap_or(url).to_owned(), |s| s.type_name.clone())
        };
        let allowed: Vec<String> = profiles.iter().map(|p| type_of(p)).collect();
        if allowed.is_empty() || allowed.iter().any(|a| a == "Resource" || **a == **target) {
            return Some(());
        }
        let message = format!("`{path}` cannot refer to {target}");
        self.sink().error("MAP0212", span, message).help(format!("it refers to {}", allowed.join(", ")));
        None
    }

    /// The slot of an element that an `assert` reads.
    fn capture(&mut self, shape: Shape, place: &Place<'_>) -> Option<crate::plan::CaptureSlot> {
        let below = place.path.split_once('.').map_or("", |(_, p)| p);
        let entry = self.captures.get_mut(below)?;
        entry.1 = Some(match shape {
            Shape::Primitive(p) => match p {
                FhirPrimitive::Boolean => Type::Bool,
                FhirPrimitive::Integer | FhirPrimitive::UnsignedInt | FhirPrimitive::PositiveInt => Type::Integer,
                FhirPrimitive::Decimal => Type::Decimal,
                FhirPrimitive::Date => Type::Date,
                FhirPrimitive::DateTime => Type::DateTime,
                FhirPrimitive::Instant => Type::Instant,
                FhirPrimitive::Code => Type::Code,
                _ => Type::Text,
            },
            Shape::Coding | Shape::CodeableConcept => Type::Coding,
            Shape::Quantity => Type::Quantity,
            Shape::Reference => Type::Ref(Arc::from("Resource")),
        });
        Some(entry.0)
    }
}

/// A value in backticks unless it holds some already.
fn ticked(text: &str) -> String {
    if text.contains('`') || text.contains(' ') && !text.contains('(') { text.to_owned() } else { format!("`{text}`") }
}

/// The texts that an expression of literals can give, with their places; `None` where it reads data.
pub(crate) fn possible_texts(expr: &Expr) -> Option<Vec<(String, Span)>> {
    match &expr.kind {
        ExprKind::Text(text) => Some(vec![(text.clone(), expr.span)]),
        ExprKind::Argument { value, .. } => possible_texts(value),
        ExprKind::Coding { code, .. } => Some(vec![(code.clone(), expr.span)]),
        ExprKind::Call(call) => {
            let branches = match call.function.as_str() {
                "if" => call.arguments.get(1..)?,
                "coalesce" => &call.arguments,
                _ => return None,
            };
            let mut found = Vec::new();
            for branch in branches {
                found.extend(possible_texts(&branch.value)?);
            }
            Some(found)
        }
        _ => None,
    }
}

fn holds_argument(expr: &Expr) -> bool {
    let mut holds = false;
    expr.walk(&mut |e| holds |= matches!(e.kind, ExprKind::Argument { .. }));
    holds
}

/// Whether reading the value can fail for some data.
fn can_fail(expr: &PlanExpr) -> bool {
    let mut fails = match expr {
        PlanExpr::Call(call) => matches!(
            call.function,
            Function::Date
                | Function::DateTime
                | Function::Instant
                | Function::Time
                | Function::Hl7Date
                | Function::Hl7Ts
                | Function::HorologDate
                | Function::Horolog
                | Function::Integer
                | Function::Decimal
                | Function::Times
                | Function::Later
                | Function::Quantity
                | Function::Postcode
                | Function::NhsNumber
        ),
        _ => false,
    };
    expr.for_each_child(|child| fails = fails || can_fail(child));
    fails
}

/// A text literal for a code element is a code.
fn code_literal(expr: PlanExpr, shape: Shape) -> PlanExpr {
    match expr {
        PlanExpr::Literal(Literal::Text(text)) if shape == Shape::Primitive(FhirPrimitive::Code) => {
            PlanExpr::Literal(Literal::Code(text))
        }
        expr => expr,
    }
}

fn literal_of(primitive: FhirPrimitive, text: &str) -> Literal {
    match primitive {
        FhirPrimitive::Boolean => Literal::Bool(text == "true"),
        FhirPrimitive::Integer | FhirPrimitive::UnsignedInt | FhirPrimitive::PositiveInt | FhirPrimitive::Decimal => {
            super::exprs::number(text).0
        }
        FhirPrimitive::Code => Literal::Code(Arc::from(text.rsplit('#').next().unwrap_or(text))),
        _ => Literal::Text(Arc::from(text)),
    }
}

/// `a date`, `an instant`, `HumanName`.
pub(crate) fn a_type(code: &str) -> String {
    match code.chars().next() {
        Some(c) if c.is_ascii_lowercase() => {
            let article = if matches!(c, 'a' | 'e' | 'i' | 'o') { "an" } else { "a" };
            format!("{article} {code}")
        }
        _ => code.to_owned(),
    }
}
