//! The tree as written to a tree with every name resolved: functions, constants, types, literals, patterns.

use std::borrow::Cow;
use std::sync::OnceLock;

use regex::Regex;
use rust_decimal::Decimal;

use crate::ast::{Ast, AstKind, BinaryOp, Literal, Sign, TypeName, TypeOp, Unit};
use crate::functions::{self, Function};
use crate::native::Native;
use crate::parser::{ParseError, ParseFault, parse};
use crate::quantity::Quantity;
use crate::temporal::Temporal;
use crate::types;
use crate::value::Item;

/// A compiled expression; shared between threads, evaluated any number of times.
#[derive(Debug)]
pub struct Expression {
    text: Box<str>,
    pub(crate) op: Op,
    pub(crate) needs_types: bool,
    pub(crate) native: Option<Native>,
}

/// Reads and resolves an expression.
///
/// Unknown functions and constants, wrong numbers of arguments and misplaced types are errors with their place.
pub fn compile(text: &str) -> Result<Expression, ParseError> {
    resolve(text, TypeTest::As)
}

fn resolve(text: &str, cast: TypeTest) -> Result<Expression, ParseError> {
    let ast = parse(text)?;
    let mut compiler = Compiler { text, cast, needs_types: false };
    let op = compiler.op(&ast)?;
    Ok(Expression { text: text.into(), op, needs_types: compiler.needs_types, native: None })
}

/// Invariants of R4 that are published with an error, and what they mean.
///
/// `que-7` asks for the system type `Boolean`, which no element has: every valid use of `exists` would break it. The
/// reference validator makes the same correction.
const CORRECTIONS: &[(&str, &str)] =
    &[("operator = 'exists' implies (answer is Boolean)", "operator = 'exists' implies (answer is boolean)")];

/// Reads the expression of a constraint: like [`compile()`], with the known errors of R4 put right.
///
/// `as` takes several items here, like `ofType`: N1 has it an error, but dom-3 and others of R4 rely on it.
pub fn compile_constraint(text: &str) -> Result<Expression, ParseError> {
    let corrected = CORRECTIONS.iter().find(|(wrong, _)| *wrong == text);
    let expression = resolve(corrected.map_or(text, |(_, right)| right), TypeTest::AsEach)?;
    Ok(Expression { native: Native::of(text), ..expression })
}

impl Expression {
    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[derive(Debug)]
pub(crate) enum Op {
    Empty,
    Text(Box<str>),
    Value(Item<'static>),
    This,
    Index,
    Total,
    Resource,
    RootResource,
    Context,
    /// A first step that begins with a capital: the type of the focus, or else an element.
    TypeOrMember(Box<str>),
    Member(Box<Op>, Box<str>),
    Indexer(Box<Op>, Box<Op>, usize),
    Polarity(Sign, Box<Op>, usize),
    Binary(BinaryOp, Box<Op>, Box<Op>, usize),
    Type(TypeTest, Box<Op>, TypeName, usize),
    Call(Box<Call>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeTest {
    Is,
    /// Of one item.
    As,
    /// Of any number of items, as the constraints of R4 use it.
    AsEach,
    OfType,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) base: Op,
    pub(crate) function: Function,
    pub(crate) arguments: Vec<Op>,
    /// The pattern of `matches` and its kin, where it is a literal.
    pub(crate) pattern: Option<Pattern>,
    pub(crate) offset: usize,
}

struct Compiler<'t> {
    text: &'t str,
    /// What `as` is.
    cast: TypeTest,
    needs_types: bool,
}

impl Compiler<'_> {
    fn fault(&self, offset: usize, fault: ParseFault) -> ParseError {
        ParseError::at(self.text, offset, fault)
    }

    fn boxed(&mut self, ast: &Ast) -> Result<Box<Op>, ParseError> {
        self.op(ast).map(Box::new)
    }

    fn op(&mut self, ast: &Ast) -> Result<Op, ParseError> {
        Ok(match &ast.kind {
            AstKind::Empty => Op::Empty,
            AstKind::Literal(literal) => self.literal(literal, ast.offset)?,
            AstKind::This => Op::This,
            AstKind::Index => Op::Index,
            AstKind::Total => Op::Total,
            AstKind::External(name) => self.constant(name, ast.offset)?,
            AstKind::Member(None, name) if name.starts_with(|c: char| c.is_ascii_uppercase()) => {
                Op::TypeOrMember(name.as_str().into())
            }
            AstKind::Member(base, name) => {
                self.needs_types |= types::looks_like_choice(name);
                Op::Member(self.base(base.as_deref())?, name.as_str().into())
            }
            AstKind::Function(base, name, arguments) => self.function(base.as_deref(), name, arguments, ast.offset)?,
            AstKind::Indexer(base, index) => Op::Indexer(self.boxed(base)?, self.boxed(index)?, ast.offset),
            AstKind::Polarity(sign, operand) => Op::Polarity(*sign, self.boxed(operand)?, ast.offset),
            AstKind::Binary(op, left, right) => {
                let (left, right) = (self.boxed(left)?, self.boxed(right)?);
                self.needs_types |= operator_needs_types(*op, &left, &right);
                Op::Binary(*op, left, right, ast.offset)
            }
            AstKind::Type(op, operand, name) => {
                self.needs_types = true;
                let test = if *op == TypeOp::Is { TypeTest::Is } else { self.cast };
                Op::Type(test, self.boxed(operand)?, name.clone(), ast.offset)
            }
        })
    }

    fn base(&mut self, base: Option<&Ast>) -> Result<Box<Op>, ParseError> {
        base.map_or(Ok(Box::new(Op::This)), |base| self.boxed(base))
    }

    fn literal(&self, literal: &Literal, offset: usize) -> Result<Op, ParseError> {
        let too_long = || self.fault(offset, ParseFault::NumberTooLong);
        let not_a_date = || self.fault(offset, ParseFault::NotADate);
        let item = match literal {
            Literal::String(text) => return Ok(Op::Text(text.as_str().into())),
            Literal::Boolean(value) => Item::Boolean(*value),
            Literal::Integer(text) => Item::Integer(text.parse().map_err(|_| too_long())?),
            Literal::Decimal(text) => Item::Decimal(Decimal::from_str_exact(text).map_err(|_| too_long())?),
            Literal::Date(text) => Item::Temporal(Temporal::date(text).ok_or_else(not_a_date)?),
            Literal::DateTime(text) => Item::Temporal(Temporal::date_time(text).ok_or_else(not_a_date)?),
            Literal::Time(text) => Item::Temporal(Temporal::time(text).ok_or_else(not_a_date)?),
            Literal::Quantity { number, unit } => {
                let value = Decimal::from_str_exact(number).map_err(|_| too_long())?;
                let (unit, is_calendar) = match unit {
                    Unit::Ucum(code) => (code, false),
                    Unit::Calendar(word) => (word, true),
                };
                Item::Quantity(Quantity { value, unit: Cow::Owned(unit.clone()), is_calendar })
            }
        };
        Ok(Op::Value(item))
    }

    fn constant(&self, name: &str, offset: usize) -> Result<Op, ParseError> {
        let text = match name {
            "resource" => return Ok(Op::Resource),
            "rootResource" => return Ok(Op::RootResource),
            "context" => return Ok(Op::Context),
            "ucum" => "http://unitsofmeasure.org".to_owned(),
            "sct" => "http://snomed.info/sct".to_owned(),
            "loinc" => "http://loinc.org".to_owned(),
            _ => match (name.strip_prefix("vs-"), name.strip_prefix("ext-")) {
                (Some(rest), _) => format!("http://hl7.org/fhir/ValueSet/{rest}"),
                (_, Some(rest)) => format!("http://hl7.org/fhir/StructureDefinition/{rest}"),
                _ => return Err(self.fault(offset, ParseFault::UnknownConstant { name: name.to_owned() })),
            },
        };
        Ok(Op::Text(text.into()))
    }

    fn function(&mut self, base: Option<&Ast>, name: &str, arguments: &[Ast], offset: usize) -> Result<Op, ParseError> {
        let test = match name {
            "is" => Some(TypeTest::Is),
            "as" => Some(self.cast),
            "ofType" => Some(TypeTest::OfType),
            _ => None,
        };
        if let Some(test) = test {
            self.needs_types = true;
            let name = match arguments {
                [argument] => type_name(argument),
                _ => None,
            };
            let fault = || self.fault(offset, ParseFault::TypeNameNeeded { name: test_name(test).to_owned() });
            let name = name.ok_or_else(fault)?;
            return Ok(Op::Type(test, self.base(base)?, name, offset));
        }
        let Some((function, fewest, most)) = functions::find(name) else {
            return Err(self.fault(offset, ParseFault::UnknownFunction { name: name.to_owned() }));
        };
        if arguments.len() < fewest || arguments.len() > most {
            let expected = match (fewest, most) {
                (0, 0) => "no",
                (0, 1) => "none or one",
                (1, 1) => "one",
                (1, 2) => "one or two",
                (2, 2) => "two",
                (2, 3) => "two or three",
                _ => "fewer",
            };
            let fault = ParseFault::Arguments { name: name.to_owned(), expected, found: arguments.len() };
            return Err(self.fault(offset, fault));
        }
        self.needs_types |= function.needs_types();
        let base = *self.base(base)?;
        let arguments = arguments.iter().map(|argument| self.op(argument)).collect::<Result<Vec<_>, _>>()?;
        let pattern = match (function, arguments.first()) {
            (Function::Matches | Function::ReplaceMatches, Some(Op::Text(text))) => Some(Pattern::new(text, pattern)),
            (Function::MatchesFull, Some(Op::Text(text))) => Some(Pattern::new(text, full_pattern)),
            _ => None,
        };
        Ok(Op::Call(Box::new(Call { base, function, arguments, pattern, offset })))
    }
}

/// A pattern that is a literal: compiled when it is first asked, since most of R4's never are.
#[derive(Debug)]
pub(crate) struct Pattern {
    text: Box<str>,
    compile: fn(&str) -> Result<Regex, ()>,
    compiled: OnceLock<Result<Regex, ()>>,
}

impl Pattern {
    fn new(text: &str, compile: fn(&str) -> Result<Regex, ()>) -> Self {
        Self { text: text.into(), compile, compiled: OnceLock::new() }
    }

    /// The regular expression, or that the text is none.
    pub(crate) fn get(&self) -> Result<&Regex, ()> {
        self.compiled.get_or_init(|| (self.compile)(&self.text)).as_ref().or(Err(()))
    }
}

pub(crate) fn pattern(text: &str) -> Result<Regex, ()> {
    // `.` takes line ends too ("single line"), as FHIRPath 2.1 asks and texts with line ends want.
    regex::RegexBuilder::new(text).dot_matches_new_line(true).build().map_err(|_| ())
}

pub(crate) fn full_pattern(text: &str) -> Result<Regex, ()> {
    pattern(&format!("^(?:{text})$"))
}

fn test_name(test: TypeTest) -> &'static str {
    match test {
        TypeTest::Is => "is",
        TypeTest::As | TypeTest::AsEach => "as",
        TypeTest::OfType => "ofType",
    }
}

/// `Quantity`, `System.String`: a type as an argument is written like a path.
pub(crate) fn type_name(ast: &Ast) -> Option<TypeName> {
    let AstKind::Member(base, name) = &ast.kind else { return None };
    let namespace = match base.as_deref() {
        None => None,
        Some(Ast { kind: AstKind::Member(None, namespace), .. }) => Some(namespace.clone()),
        Some(_) => return None,
    };
    Some(TypeName { namespace, name: name.clone() })
}

/// Text, booleans and whole numbers compare with an element as JSON shows it; dates and quantities do not.
fn operator_needs_types(op: BinaryOp, left: &Op, right: &Op) -> bool {
    use BinaryOp::*;
    let plain = |op: &Op| match op {
        Op::Text(_) | Op::Empty | Op::Value(Item::Boolean(_) | Item::Integer(_) | Item::Decimal(_)) => true,
        Op::Call(call) => matches!(
            call.function,
            Function::Exists
                | Function::Empty
                | Function::Count
                | Function::Not
                | Function::Length
                | Function::HasValue
        ),
        _ => false,
    };
    match op {
        And | Or | Xor | Implies | Union | In | Contains | Concatenate => false,
        _ => !plain(left) && !plain(right),
    }
}
