//! Codes of the source that would go into an element as they stand: refused where a value set is to be kept to.

use epr_fhir::definitions::BindingStrength;

use super::codes::{binding, short_name};
use super::elements::Place;
use super::scope::MapCompiler;
use super::values::possible_texts;
use crate::diagnostics::Span;
use crate::functions::Function;
use crate::plan::{Expr as PlanExpr, FhirPrimitive, Shape};
use crate::syntax::expr::{Expr, ExprKind};

impl MapCompiler<'_, '_, '_> {
    /// An element whose codes are a closed list takes literals that are in it, or a code map: nothing passes through.
    pub(crate) fn closed_list(
        &mut self,
        possible: Option<&[(String, Span)]>,
        value: &PlanExpr,
        shape: Shape,
        expr: &Expr,
        place: &Place<'_>,
    ) {
        let is_coded = matches!(shape, Shape::Coding | Shape::CodeableConcept);
        if !is_coded && shape != Shape::Primitive(FhirPrimitive::Code) {
            return;
        }
        if let Some(texts) = possible.filter(|_| !is_coded) {
            for (text, span) in texts {
                self.prove_literal(None, text, *span, place);
            }
            return;
        }
        for (system, code, span) in possible_codings(expr) {
            // A short name that is not known was said where the expression was read.
            if let Some(url) = self.known_system(system, span) {
                self.prove_literal(Some(&url), &code, span, place);
            }
        }
        if self.passes_codes(value) || !is_coded && !is_coding(expr) {
            self.passes_through(is_coded, expr, place);
        }
    }

    /// The source's own codes go into an element: refused where it is bound to a value set.
    fn passes_through(&mut self, is_coded: bool, expr: &Expr, place: &Place<'_>) {
        let help = "use a code map: `{ .from: …, .via: codes/….csv, .on_unmapped: … }`, or literals in `if`";
        match binding(place.element) {
            Some((value_set, BindingStrength::Required)) if is_coded => {
                let set = short_name(&value_set);
                let message =
                    format!("`{}` must have a code of {set}, and this passes the source's codes through", place.path);
                self.sink().error("MAP0306", expr.span, message).help(help);
            }
            Some((_, BindingStrength::Required)) if self.is_closed_list(place.element) => {
                let message =
                    format!("`{}` takes codes of a closed list, and this passes the source through", place.path);
                self.sink().error("MAP0306", expr.span, message).help(help);
            }
            Some((value_set, BindingStrength::Extensible)) if is_coded => {
                let set = short_name(&value_set);
                let message = format!(
                    "`{}` has a code of {set} where one fits, and this passes the source's codes through",
                    place.path
                );
                self.sink().warning("MAP0306", expr.span, message).help(help);
            }
            _ => {}
        }
    }

    /// Whether a code that is read from the source can come out of a coding or a code.
    fn passes_codes(&self, value: &PlanExpr) -> bool {
        match value {
            PlanExpr::Let(slot) => self.passes_codes(&self.lets[usize::from(slot.0)].value),
            PlanExpr::If { then, otherwise, .. } => self.passes_codes(then) || self.passes_codes(otherwise),
            PlanExpr::Coalesce(items) | PlanExpr::List(items) => items.iter().any(|i| self.passes_codes(i)),
            PlanExpr::ListMap { body, .. } => self.passes_codes(body),
            PlanExpr::Call(call) => match call.function {
                Function::Coding | Function::Code => call.args.first().is_some_and(|code| !self.is_written(code)),
                Function::Concept => call.args.first().is_some_and(|coding| self.passes_codes(coding)),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether a value can only be one that the file writes.
    fn is_written(&self, value: &PlanExpr) -> bool {
        match value {
            PlanExpr::Literal(_) => true,
            PlanExpr::Let(slot) => self.is_written(&self.lets[usize::from(slot.0)].value),
            PlanExpr::If { then, otherwise, .. } => self.is_written(then) && self.is_written(otherwise),
            PlanExpr::Coalesce(items) => items.iter().all(|i| self.is_written(i)),
            PlanExpr::Call(call) if call.function == Function::Code => call.args.iter().all(|a| self.is_written(a)),
            _ => false,
        }
    }
}

fn is_coding(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Coding { .. } => true,
        ExprKind::Call(call) => matches!(call.function.as_str(), "coding" | "ucum"),
        _ => false,
    }
}

/// The literal codings that an expression can give, through `if`, `coalesce` and `concept`.
fn possible_codings(expr: &Expr) -> Vec<(&str, String, Span)> {
    match &expr.kind {
        ExprKind::Coding { system, code } => vec![(system, code.clone(), expr.span)],
        ExprKind::Argument { value, .. } => possible_codings(value),
        ExprKind::List(items) => items.iter().flat_map(possible_codings).collect(),
        ExprKind::Call(call) if call.function == "coding" => {
            let named = |name: &str, at: usize| {
                let by_name = call.arguments.iter().find(|a| a.name.as_ref().is_some_and(|(n, _)| n == name));
                by_name.or_else(|| call.arguments.get(at).filter(|a| a.name.is_none())).map(|a| &a.value)
            };
            let (Some(system), Some(code)) = (named("system", 0), named("code", 1)) else { return Vec::new() };
            let ExprKind::Text(system) = &system.kind else { return Vec::new() };
            possible_texts(code).into_iter().flatten().map(|(code, span)| (system.as_str(), code, span)).collect()
        }
        ExprKind::Call(call) => {
            let branches = match call.function.as_str() {
                "if" => call.arguments.get(1..).unwrap_or_default(),
                "coalesce" | "concept" => call.arguments.as_slice(),
                _ => &[],
            };
            branches.iter().flat_map(|b| possible_codings(&b.value)).collect()
        }
        _ => Vec::new(),
    }
}
