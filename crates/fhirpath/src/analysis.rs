//! What can be said of an expression before any data: names that its types do not have.
//!
//! Types are followed from the context step by step. Where they are not known (below `children()`, `resolve()`, or in
//! what a variable holds) nothing is said: a fault that is found is one whatever the data are.

use epr_fhir::definitions::{Definitions, Element, Structure};

use crate::ast::{Ast, AstKind, BinaryOp, Literal, TypeName, TypeOp};
use crate::compile::type_name;
use crate::functions;
use crate::parser::{ParseError, ParseFault};
use crate::types;

/// What an analysis looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Analysis {
    /// Names and types.
    Names,
    /// Also functions that ask for an order, on what has none (`children().skip(1)`).
    NamesAndOrder,
}

/// Looks for names that cannot be right where the expression begins at `context`, a type by name (`Patient`) or the path
/// of an element (`Patient.contact`).
///
/// Says nothing of a context that the definitions do not have.
pub fn analyse(
    text: &str,
    ast: &Ast,
    context: &str,
    definitions: &Definitions,
    what: Analysis,
) -> Result<(), ParseError> {
    let start = Types::of_context(context, definitions);
    let root = start.clone();
    Analyser { text, definitions, root, what }.of(ast, &start).map(|_| ())
}

/// Where an element is defined.
#[derive(Clone, Copy)]
struct Place<'d> {
    structure: &'d Structure,
    path: &'d str,
    type_code: &'d str,
}

/// The types that the items of a step may have.
#[derive(Clone)]
struct Types<'d> {
    /// `None` where they are not known.
    places: Option<Vec<Place<'d>>>,
    is_ordered: bool,
}

impl<'d> Types<'d> {
    const UNKNOWN: Types<'static> = Types { places: None, is_ordered: true };

    fn of_context(context: &str, definitions: &'d Definitions) -> Types<'d> {
        let type_name = context.split('.').next().unwrap_or(context);
        let Some(structure) = definitions.structure(type_name) else { return Types::UNKNOWN };
        let Some(element) = structure.element(context) else { return Types::UNKNOWN };
        if !context.contains('.') {
            let place = Place { structure, path: &element.path, type_code: &structure.type_name };
            return Types { places: Some(vec![place]), is_ordered: true };
        }
        Types { places: of_element(structure, element), is_ordered: true }
    }

    fn named(name: &str, definitions: &'d Definitions) -> Types<'d> {
        let place = definitions.structure(name).and_then(|structure| {
            Some(Place { structure, path: &structure.root()?.path, type_code: &structure.type_name })
        });
        Types { places: place.map(|place| vec![place]), is_ordered: true }
    }

    fn and(self, other: Types<'d>) -> Types<'d> {
        let places = self.places.zip(other.places).map(|(mut all, more)| {
            all.extend(more);
            all
        });
        Types { places, is_ordered: self.is_ordered && other.is_ordered }
    }
}

/// The places of an element's values, one for each type it may have; `None` where any resource may stand there.
fn of_element<'d>(structure: &'d Structure, element: &'d Element) -> Option<Vec<Place<'d>>> {
    if let Some(path) = &element.content_reference {
        let target = structure.element(path)?;
        let type_code = target.types.first().map_or("", |of| of.code.as_str());
        return Some(vec![Place { structure, path: &target.path, type_code }]);
    }
    let place = |type_code: &'d str| Place { structure, path: &element.path, type_code };
    let open = |code: &str| types::is_abstract_resource(code) || code.contains(':');
    if element.types.iter().any(|of| open(&of.code)) {
        return None;
    }
    Some(element.types.iter().map(|of| place(&of.code)).collect())
}

struct Analyser<'t, 'd> {
    text: &'t str,
    definitions: &'d Definitions,
    root: Types<'d>,
    what: Analysis,
}

type Analysed<'d> = Result<Types<'d>, ParseError>;

impl<'d> Analyser<'_, 'd> {
    fn fault(&self, offset: usize, fault: ParseFault) -> ParseError {
        ParseError::at(self.text, offset, fault)
    }

    fn of(&self, ast: &Ast, this: &Types<'d>) -> Analysed<'d> {
        match &ast.kind {
            AstKind::External(name) if name == "context" => Ok(self.root.clone()),
            AstKind::Empty | AstKind::Literal(_) | AstKind::Index | AstKind::Total | AstKind::External(_) => {
                Ok(Types::UNKNOWN)
            }
            AstKind::This => Ok(this.clone()),
            AstKind::Member(None, name) if is_type_of(name, this, self.definitions) => Ok(this.clone()),
            AstKind::Member(None, name) => self.member(this, name, ast.offset),
            AstKind::Member(Some(base), name) => self.member(&self.of(base, this)?, name, ast.offset),
            AstKind::Function(base, name, arguments) => {
                let base = base.as_deref().map_or(Ok(this.clone()), |base| self.of(base, this))?;
                self.function(base, name, arguments, this, ast.offset)
            }
            AstKind::Indexer(base, index) => {
                let base = self.of(base, this)?;
                self.of(index, this)?;
                self.ordered(&base, "[]", ast.offset)?;
                Ok(base)
            }
            AstKind::Polarity(_, operand) => self.of(operand, this).map(|_| Types::UNKNOWN),
            AstKind::Binary(op, left, right) => {
                let (left, right) = (self.of(left, this)?, self.of(right, this)?);
                Ok(if *op == BinaryOp::Union { left.and(right) } else { Types::UNKNOWN })
            }
            AstKind::Type(op, operand, name) => {
                let operand = self.of(operand, this)?;
                self.typed(&operand, name, ast.offset, *op == TypeOp::Is)
            }
        }
    }

    fn member(&self, base: &Types<'d>, name: &str, offset: usize) -> Analysed<'d> {
        let Some(places) = &base.places else { return Ok(Types::UNKNOWN) };
        let mut found = Vec::new();
        let (mut any, mut open) = (false, false);
        for place in places {
            match self.child(place, name) {
                Child::None => {}
                Child::Unknown => open = true,
                Child::Of(structure, element) => {
                    any = true;
                    match of_element(structure, element) {
                        Some(more) => found.extend(more),
                        None => open = true,
                    }
                }
            }
        }
        if !any && !open && !places.is_empty() {
            let of = places.iter().map(|place| place.type_code).next().unwrap_or_default().to_owned();
            return Err(self.fault(offset, ParseFault::UnknownMember { name: name.to_owned(), of }));
        }
        Ok(Types { places: (!open).then_some(found), is_ordered: base.is_ordered })
    }

    /// The child of that name in FHIRPath, where a choice has its name without a type.
    fn child(&self, place: &Place<'d>, name: &str) -> Child<'d> {
        let is_named = |element: &Element| element.name.strip_suffix("[x]").unwrap_or(&element.name) == name;
        if let Some(element) = place.structure.children(place.path).find(|e| is_named(e)) {
            return Child::Of(place.structure, element);
        }
        let own = self.definitions.structure(place.type_code).and_then(|own| Some((own, own.root()?)));
        let Some((own, root)) = own else { return Child::Unknown };
        own.children(&root.path).find(|e| is_named(e)).map_or(Child::None, |element| Child::Of(own, element))
    }

    fn ordered(&self, base: &Types<'d>, name: &str, offset: usize) -> Result<(), ParseError> {
        if self.what == Analysis::NamesAndOrder && !base.is_ordered {
            return Err(self.fault(offset, ParseFault::NoOrder { name: name.to_owned() }));
        }
        Ok(())
    }

    fn function(
        &self,
        base: Types<'d>,
        name: &str,
        arguments: &[Ast],
        this: &Types<'d>,
        offset: usize,
    ) -> Analysed<'d> {
        if let ("as" | "ofType" | "is", [argument]) = (name, arguments) {
            let needed = || self.fault(offset, ParseFault::TypeNameNeeded { name: name.to_owned() });
            let type_name = type_name(argument).ok_or_else(needed)?;
            return self.typed(&base, &type_name, offset, name == "is");
        }
        if functions::find(name).is_none() {
            return Err(self.fault(offset, ParseFault::UnknownFunction { name: name.to_owned() }));
        }
        if matches!(name, "first" | "last" | "tail" | "skip" | "take") {
            self.ordered(&base, name, offset)?;
        }
        let inner = matches!(name, "where" | "select" | "exists" | "all" | "repeat" | "aggregate" | "iif" | "sort");
        let scope = if inner { &base } else { this };
        let mut of_arguments = Vec::with_capacity(arguments.len());
        for argument in arguments {
            of_arguments.push(self.of(argument, scope)?);
        }
        if name == "iif" && is_not_boolean(arguments.first()) {
            return Err(self.fault(offset, ParseFault::NotACriterion { name: name.to_owned() }));
        }
        Ok(match (name, of_arguments.into_iter().next()) {
            (
                "where" | "first" | "last" | "tail" | "skip" | "take" | "single" | "distinct" | "trace" | "exclude"
                | "intersect" | "sort",
                _,
            ) => base,
            ("select", Some(selected)) => selected,
            ("combine" | "union", Some(other)) => base.and(other),
            ("extension", _) => Types::named("Extension", self.definitions),
            ("children" | "descendants", _) => Types { is_ordered: false, ..Types::UNKNOWN },
            _ => Types::UNKNOWN,
        })
    }

    fn typed(&self, base: &Types<'d>, name: &TypeName, offset: usize, is_test: bool) -> Analysed<'d> {
        let system = types::is_system_type(&name.name) && name.namespace.as_deref() != Some("FHIR");
        if system && name.namespace.is_some() {
            return Ok(Types::UNKNOWN);
        }
        let known = system || self.definitions.structure(&name.name).is_some();
        if !known && name.namespace.as_deref() != Some("System") {
            return Err(self.fault(offset, ParseFault::UnknownType { name: name.name.clone() }));
        }
        if is_test || name.namespace.as_deref() == Some("System") {
            return Ok(Types::UNKNOWN);
        }
        // An element that is defined in place keeps its children; any other has those of the type.
        let kept: Option<Vec<_>> =
            base.places.as_ref().map(|places| places.iter().filter(|p| p.type_code == name.name).copied().collect());
        match kept {
            Some(places) if !places.is_empty() => Ok(Types { places: Some(places), ..*base }),
            _ => Ok(Types { is_ordered: base.is_ordered, ..Types::named(&name.name, self.definitions) }),
        }
    }
}

enum Child<'d> {
    None,
    /// The type's definition is not loaded.
    Unknown,
    Of(&'d Structure, &'d Element),
}

/// `Patient` at the start of a path that begins at a Patient, or at a DomainResource.
fn is_type_of(name: &str, this: &Types<'_>, definitions: &Definitions) -> bool {
    match &this.places {
        None => name.starts_with(|c: char| c.is_ascii_uppercase()),
        Some(places) => places.iter().any(|place| types::is_kind_of(place.type_code, name, Some(definitions))),
    }
}

/// Whether a criterion can never be true or false: several items or a literal of another kind.
fn is_not_boolean(criterion: Option<&Ast>) -> bool {
    match criterion.map(|ast| &ast.kind) {
        Some(AstKind::Literal(literal)) => !matches!(literal, Literal::Boolean(_)),
        Some(AstKind::Binary(op, ..)) => matches!(op, BinaryOp::Concatenate),
        _ => false,
    }
}
