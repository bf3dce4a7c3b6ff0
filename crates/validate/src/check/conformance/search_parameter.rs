//! SearchParameter: its expression, its parts, and what it is derived from.

use epr_fhir::Node;
use epr_fhirpath::Ast;
use epr_fhirpath::analysis::{Analysis, analyse};
use epr_fhirpath::ast::{AstKind, BinaryOp};

use crate::check::walk::Walk;

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn search_parameter(&mut self, node: Node<'r>) {
        let bases: Vec<&str> = node.get("base").into_iter().flat_map(Node::items).filter_map(Node::as_str).collect();
        if let Some(expression) = node.text("expression") {
            self.search_expression(expression, &bases);
        }
        if let Some(url) = node.text("derivedFrom")
            && let Some(master) = self.named("SearchParameter.derivedFrom", url)
        {
            let master = master.root();
            let of_master: Vec<&str> =
                master.get("base").into_iter().flat_map(Node::items).filter_map(Node::as_str).collect();
            for base in &bases {
                self.demand(&[], of_master.contains(base) || of_master.contains(&"Resource"), || {
                    format!("expected the resource types of the parameter that this one is derived from, found {base}")
                });
            }
            let types = (node.text("type"), master.text("type"));
            self.demand(&[], types.0.is_none() || types.0 == types.1, || {
                "expected the type of the parameter that this one is derived from, found another".to_owned()
            });
        }
        if node.text("type") == Some("composite") {
            let n = node.get("component").into_iter().flat_map(Node::items).count();
            self.demand(&[], n > 1, || format!("expected at least two components of a composite, found {n}"));
        }
    }

    /// An expression must fit at least one of the types that it is about.
    fn search_expression(&mut self, expression: &str, bases: &[&str]) {
        let way = [("expression", None)];
        let ast = match epr_fhirpath::parse(expression) {
            Ok(ast) => ast,
            Err(fault) => {
                self.demand(&way, false, || format!("expected a FHIRPath expression: {fault}"));
                return;
            }
        };
        let definitions = self.checker.program.definitions;
        let known: Vec<&str> = bases.iter().copied().filter(|base| definitions.is_resource_type(base)).collect();
        if known.is_empty() {
            return;
        }
        // Each branch of a union is about one of the types, seldom about all of them.
        let fits = branches(&ast).into_iter().all(|branch| {
            known.iter().any(|base| analyse(expression, branch, base, definitions, Analysis::Names).is_ok())
        });
        self.demand(&way, fits, || {
            format!("expected an expression on {}, found names that it does not have", known.join(", "))
        });
    }
}

/// What a union is made of; an expression that is none is its only branch.
fn branches(ast: &Ast) -> Vec<&Ast> {
    let (mut open, mut found) = (vec![ast], Vec::new());
    while let Some(ast) = open.pop() {
        match &ast.kind {
            AstKind::Binary(BinaryOp::Union, left, right) => open.extend([right.as_ref(), left.as_ref()]),
            _ => found.push(ast),
        }
    }
    found
}
