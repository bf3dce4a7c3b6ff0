//! The expression as written: what the parser makes and the compiler reads.
//!
//! Printing a tree gives text that parses to an equal tree; positions take no part in equality.

use std::fmt::{self, Write as _};

/// One expression with the byte offset where it begins (for an operator: where the operator stands).
#[derive(Debug, Clone)]
pub struct Ast {
    pub kind: AstKind,
    pub offset: usize,
    /// Height of the tree below, kept so that no text can make a tree too tall for the stack.
    pub(crate) height: u16,
}

impl PartialEq for Ast {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// The forms of an expression, as the grammar of FHIRPath N1 names them.
#[derive(Debug, Clone, PartialEq)]
pub enum AstKind {
    /// `{}`
    Empty,
    Literal(Literal),
    /// `$this`
    This,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// `%name`, `` %`name` ``
    External(String),
    /// `name` or `base.name`
    Member(Option<Box<Ast>>, String),
    /// `name(…)` or `base.name(…)`
    Function(Option<Box<Ast>>, String, Vec<Ast>),
    /// `base[index]`
    Indexer(Box<Ast>, Box<Ast>),
    /// `+x` or `-x`
    Polarity(Sign, Box<Ast>),
    Binary(BinaryOp, Box<Ast>, Box<Ast>),
    /// `x is Type`, `x as Type`
    Type(TypeOp, Box<Ast>, TypeName),
}

/// A literal; numbers, dates and times keep the text as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    Boolean(bool),
    String(String),
    Integer(String),
    Decimal(String),
    /// Without the `@`.
    Date(String),
    /// Without the `@`, with the `T`.
    DateTime(String),
    /// Without the `@T`.
    Time(String),
    Quantity {
        number: String,
        unit: Unit,
    },
}

/// The unit of a quantity literal: a UCUM code in quotes, or a calendar word such as `days`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    Ucum(String),
    Calendar(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Plus,
    Minus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeOp {
    Is,
    As,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOp {
    Multiply,
    Divide,
    Div,
    Mod,
    Add,
    Subtract,
    Concatenate,
    Union,
    LessOrEqual,
    Less,
    Greater,
    GreaterOrEqual,
    Equal,
    Equivalent,
    NotEqual,
    NotEquivalent,
    In,
    Contains,
    And,
    Or,
    Xor,
    Implies,
}

/// How tightly `is` and `as` bind, on the scale of [`BinaryOp::binding`].
pub(crate) const TYPE_BINDING: u8 = 9;

impl BinaryOp {
    /// Every operator.
    pub const ALL: &[BinaryOp] = &[
        Self::Multiply,
        Self::Divide,
        Self::Div,
        Self::Mod,
        Self::Add,
        Self::Subtract,
        Self::Concatenate,
        Self::Union,
        Self::LessOrEqual,
        Self::Less,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Equal,
        Self::Equivalent,
        Self::NotEqual,
        Self::NotEquivalent,
        Self::In,
        Self::Contains,
        Self::And,
        Self::Or,
        Self::Xor,
        Self::Implies,
    ];

    /// How tightly the operator binds: a greater number binds tighter.
    pub(crate) fn binding(self) -> u8 {
        use BinaryOp::*;
        match self {
            Multiply | Divide | Div | Mod => 11,
            Add | Subtract | Concatenate => 10,
            Union => 8,
            LessOrEqual | Less | Greater | GreaterOrEqual => 7,
            Equal | Equivalent | NotEqual | NotEquivalent => 6,
            In | Contains => 5,
            And => 4,
            Or | Xor => 3,
            Implies => 2,
        }
    }

    /// The operator as written in an expression.
    pub fn text(self) -> &'static str {
        use BinaryOp::*;
        match self {
            Multiply => "*",
            Divide => "/",
            Div => "div",
            Mod => "mod",
            Add => "+",
            Subtract => "-",
            Concatenate => "&",
            Union => "|",
            LessOrEqual => "<=",
            Less => "<",
            Greater => ">",
            GreaterOrEqual => ">=",
            Equal => "=",
            Equivalent => "~",
            NotEqual => "!=",
            NotEquivalent => "!~",
            In => "in",
            Contains => "contains",
            And => "and",
            Or => "or",
            Xor => "xor",
            Implies => "implies",
        }
    }
}

/// A type as an expression names it: `Quantity`, `System.String`, `` FHIR.`Patient` ``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeName {
    pub namespace: Option<String>,
    pub name: String,
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            identifier(f, namespace)?;
            f.write_char('.')?;
        }
        identifier(f, &self.name)
    }
}

/// Words that cannot stand as a plain identifier everywhere, so they are printed in backticks.
pub(crate) const KEYWORDS: &[&str] =
    &["and", "as", "contains", "div", "false", "implies", "in", "is", "mod", "or", "true", "xor"];

/// Calendar words that may follow a number.
pub(crate) const CALENDAR_WORDS: &[&str] = &[
    "year",
    "month",
    "week",
    "day",
    "hour",
    "minute",
    "second",
    "millisecond",
    "years",
    "months",
    "weeks",
    "days",
    "hours",
    "minutes",
    "seconds",
    "milliseconds",
];

impl fmt::Display for Ast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(f, self, 0)
    }
}

const POSTFIX_BINDING: u8 = 13;
const POLARITY_BINDING: u8 = 12;

fn print(f: &mut fmt::Formatter<'_>, ast: &Ast, outer: u8) -> fmt::Result {
    let own = match &ast.kind {
        AstKind::Binary(op, ..) => op.binding(),
        AstKind::Type(..) => TYPE_BINDING,
        AstKind::Polarity(..) => POLARITY_BINDING,
        _ => POSTFIX_BINDING,
    };
    if own < outer {
        f.write_char('(')?;
        print(f, ast, 0)?;
        return f.write_char(')');
    }
    match &ast.kind {
        AstKind::Empty => f.write_str("{}"),
        AstKind::Literal(literal) => print_literal(f, literal),
        AstKind::This => f.write_str("$this"),
        AstKind::Index => f.write_str("$index"),
        AstKind::Total => f.write_str("$total"),
        AstKind::External(name) => {
            f.write_char('%')?;
            identifier(f, name)
        }
        AstKind::Member(base, name) => {
            print_base(f, base.as_deref())?;
            identifier(f, name)
        }
        AstKind::Function(base, name, arguments) => {
            print_base(f, base.as_deref())?;
            identifier(f, name)?;
            f.write_char('(')?;
            for (nth, argument) in arguments.iter().enumerate() {
                if nth > 0 {
                    f.write_str(", ")?;
                }
                print(f, argument, 0)?;
            }
            f.write_char(')')
        }
        AstKind::Indexer(base, index) => {
            print(f, base, POSTFIX_BINDING)?;
            f.write_char('[')?;
            print(f, index, 0)?;
            f.write_char(']')
        }
        AstKind::Polarity(sign, operand) => {
            f.write_char(if *sign == Sign::Plus { '+' } else { '-' })?;
            print(f, operand, POLARITY_BINDING)
        }
        AstKind::Binary(op, left, right) => {
            print(f, left, own)?;
            write!(f, " {} ", op.text())?;
            print(f, right, own + 1)
        }
        AstKind::Type(op, operand, name) => {
            print(f, operand, own)?;
            write!(f, " {} {name}", if *op == TypeOp::Is { "is" } else { "as" })
        }
    }
}

fn print_base(f: &mut fmt::Formatter<'_>, base: Option<&Ast>) -> fmt::Result {
    let Some(base) = base else { return Ok(()) };
    print(f, base, POSTFIX_BINDING)?;
    // A date-time may end in `T`, and `1.` before a letter is read as an integer: neither needs a space.
    f.write_char('.')
}

fn print_literal(f: &mut fmt::Formatter<'_>, literal: &Literal) -> fmt::Result {
    match literal {
        Literal::Boolean(value) => write!(f, "{value}"),
        Literal::String(text) => quoted(f, text, '\''),
        Literal::Integer(text) | Literal::Decimal(text) => f.write_str(text),
        Literal::Date(text) | Literal::DateTime(text) => write!(f, "@{text}"),
        Literal::Time(text) => write!(f, "@T{text}"),
        Literal::Quantity { number, unit: Unit::Ucum(code) } => {
            write!(f, "{number} ")?;
            quoted(f, code, '\'')
        }
        Literal::Quantity { number, unit: Unit::Calendar(word) } => write!(f, "{number} {word}"),
    }
}

fn identifier(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let mut letters = name.chars();
    let plain = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !KEYWORDS.contains(&name);
    if plain { f.write_str(name) } else { quoted(f, name, '`') }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    f.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{c}' => f.write_str("\\f")?,
            '\\' => f.write_str("\\\\")?,
            c if c == quote => write!(f, "\\{c}")?,
            c => f.write_char(c)?,
        }
    }
    f.write_char(quote)
}
