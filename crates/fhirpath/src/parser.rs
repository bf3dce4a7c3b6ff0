//! Tokens to a tree, by operator precedence.
//!
//! The whole grammar of FHIRPath N1. Two liberties, both harmless: any word may follow a `.` as a name
//! (`text.div`, which the grammar wants in backticks), and calendar words may be element names.

use crate::ast::{
    Ast, AstKind, BinaryOp, CALENDAR_WORDS, KEYWORDS, Literal, Sign, TYPE_BINDING, TypeName, TypeOp, Unit,
};
use crate::lexer::{Token, tokens};
use crate::temporal::Temporal;

/// Brackets may nest this deep; a tree may be [`MAX_HEIGHT`] tall. Beyond that a stack could overflow.
const MAX_NESTING: u16 = 100;
const MAX_HEIGHT: u16 = 400;

/// The expression cannot be read; line and column count from 1, in characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at line {line}, column {column}")]
pub struct ParseError {
    pub offset: usize,
    pub line: usize,
    pub column: usize,
    pub fault: ParseFault,
}

/// What is wrong with the text of an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseFault {
    #[error("this character begins nothing in FHIRPath")]
    UnexpectedCharacter,
    #[error("a comment is opened and never closed")]
    OpenComment,
    #[error("a quote is opened and never closed")]
    OpenQuote,
    #[error("unknown escape after a backslash")]
    BadEscape,
    #[error("% must be followed by a name")]
    NamelessConstant,
    #[error("unknown variable; $this, $index and $total exist")]
    UnknownVariable,
    #[error("this is not a date, time or date-time")]
    NotADate,
    #[error("the number has more digits than can be kept exactly")]
    NumberTooLong,
    #[error("expected {expected}")]
    Expected { expected: &'static str },
    #[error("the expression is nested too deeply")]
    TooDeep,
    #[error("unknown function `{name}`")]
    UnknownFunction { name: String },
    #[error("`{name}` takes {expected} arguments, not {found}")]
    Arguments { name: String, expected: &'static str, found: usize },
    #[error("`{name}` needs a type name as its argument")]
    TypeNameNeeded { name: String },
    #[error("unknown constant `%{name}`")]
    UnknownConstant { name: String },
    #[error("`{of}` has no element `{name}`")]
    UnknownMember { name: String, of: String },
    #[error("there is no type `{name}`")]
    UnknownType { name: String },
    #[error("`{name}` asks for an order where there is none")]
    NoOrder { name: String },
    #[error("the criterion of `{name}` can be neither true nor false")]
    NotACriterion { name: String },
}

impl ParseError {
    pub(crate) fn at(text: &str, offset: usize, fault: ParseFault) -> ParseError {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        ParseError { offset, line, column, fault }
    }
}

/// Reads an expression into its tree, without asking whether its functions exist.
pub fn parse(text: &str) -> Result<Ast, ParseError> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, nesting: 0 };
    let ast = parser.expression(0)?;
    if *parser.peek() != Token::End {
        return Err(parser.expected("an operator or the end"));
    }
    Ok(ast)
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<(Token, usize)>,
    at: usize,
    nesting: u16,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn offset(&self) -> usize {
        self.tokens[self.at].1
    }

    /// Takes the present token; the end stays where it is.
    fn take(&mut self) -> Token {
        if self.at + 1 == self.tokens.len() {
            return Token::End;
        }
        self.at += 1;
        std::mem::replace(&mut self.tokens[self.at - 1].0, Token::End)
    }

    fn fault(&self, offset: usize, fault: ParseFault) -> ParseError {
        ParseError::at(self.text, offset, fault)
    }

    fn expected(&self, expected: &'static str) -> ParseError {
        self.fault(self.offset(), ParseFault::Expected { expected })
    }

    fn skip(&mut self, symbol: &'static str) -> bool {
        let found = *self.peek() == Token::Symbol(symbol);
        if found {
            self.take();
        }
        found
    }

    fn need(&mut self, symbol: &'static str) -> Result<(), ParseError> {
        if self.skip(symbol) { Ok(()) } else { Err(self.expected(symbol)) }
    }

    fn ast(&self, kind: AstKind, offset: usize) -> Result<Ast, ParseError> {
        let below = match &kind {
            AstKind::Member(base, _) => base.as_ref().map_or(0, |base| base.height),
            AstKind::Function(base, _, arguments) => {
                arguments.iter().map(|a| a.height).max().unwrap_or(0).max(base.as_ref().map_or(0, |base| base.height))
            }
            AstKind::Indexer(a, b) | AstKind::Binary(_, a, b) => a.height.max(b.height),
            AstKind::Polarity(_, a) | AstKind::Type(_, a, _) => a.height,
            _ => 0,
        };
        if below >= MAX_HEIGHT {
            return Err(self.fault(offset, ParseFault::TooDeep));
        }
        Ok(Ast { kind, offset, height: below + 1 })
    }

    /// An expression whose operators bind at least as tightly as `floor`.
    fn expression(&mut self, floor: u8) -> Result<Ast, ParseError> {
        if self.nesting >= MAX_NESTING {
            return Err(self.fault(self.offset(), ParseFault::TooDeep));
        }
        self.nesting += 1;
        let mut left = self.prefixed()?;
        loop {
            let offset = self.offset();
            if let Some(op) = self.type_operator() {
                if TYPE_BINDING < floor {
                    break;
                }
                self.take();
                let name = self.type_name()?;
                left = self.ast(AstKind::Type(op, Box::new(left), name), offset)?;
            } else if let Some(op) = self.binary_operator() {
                if op.binding() < floor {
                    break;
                }
                self.take();
                let right = self.expression(op.binding() + 1)?;
                left = self.ast(AstKind::Binary(op, Box::new(left), Box::new(right)), offset)?;
            } else {
                break;
            }
        }
        self.nesting -= 1;
        Ok(left)
    }

    /// `+` and `-` bind looser than `.` and `[]` and tighter than everything else.
    fn prefixed(&mut self) -> Result<Ast, ParseError> {
        let offset = self.offset();
        let sign = match self.peek() {
            Token::Symbol("+") => Sign::Plus,
            Token::Symbol("-") => Sign::Minus,
            _ => return self.postfixed(),
        };
        if self.nesting >= MAX_NESTING {
            return Err(self.fault(offset, ParseFault::TooDeep));
        }
        self.nesting += 1;
        self.take();
        let operand = self.prefixed()?;
        self.nesting -= 1;
        self.ast(AstKind::Polarity(sign, Box::new(operand)), offset)
    }

    fn postfixed(&mut self) -> Result<Ast, ParseError> {
        let mut left = self.term()?;
        loop {
            let offset = self.offset();
            if self.skip(".") {
                let offset = self.offset();
                let base = Some(Box::new(left));
                left = match self.peek() {
                    Token::Dollar(_) => {
                        // The grammar allows `a.$this`, and says no more of it than of `$this`.
                        return Err(self.expected("a name"));
                    }
                    _ => self.invocation(base, offset)?,
                };
            } else if self.skip("[") {
                let index = self.expression(0)?;
                self.need("]")?;
                left = self.ast(AstKind::Indexer(Box::new(left), Box::new(index)), offset)?;
            } else {
                return Ok(left);
            }
        }
    }

    /// A name, or a name with arguments, after `base.` or at the start.
    fn invocation(&mut self, base: Option<Box<Ast>>, offset: usize) -> Result<Ast, ParseError> {
        let name = match self.peek() {
            Token::Word(_) | Token::Delimited(_) => match self.take() {
                Token::Word(name) | Token::Delimited(name) => name,
                _ => return Err(self.expected("a name")),
            },
            _ => return Err(self.expected("a name")),
        };
        if !self.skip("(") {
            return self.ast(AstKind::Member(base, name), offset);
        }
        let mut arguments = Vec::new();
        if !self.skip(")") {
            loop {
                arguments.push(self.expression(0)?);
                if self.skip(")") {
                    break;
                }
                self.need(",")?;
            }
        }
        self.ast(AstKind::Function(base, name, arguments), offset)
    }

    fn term(&mut self) -> Result<Ast, ParseError> {
        let offset = self.offset();
        match self.peek() {
            Token::Symbol("(") => {
                self.take();
                let inner = self.expression(0)?;
                self.need(")")?;
                Ok(inner)
            }
            Token::Symbol("{") => {
                self.take();
                self.need("}")?;
                self.ast(AstKind::Empty, offset)
            }
            Token::Dollar(name) => {
                let kind = match name.as_str() {
                    "this" => AstKind::This,
                    "index" => AstKind::Index,
                    "total" => AstKind::Total,
                    _ => return Err(self.fault(offset, ParseFault::UnknownVariable)),
                };
                self.take();
                self.ast(kind, offset)
            }
            Token::External(name) => {
                let kind = AstKind::External(name.clone());
                self.take();
                self.ast(kind, offset)
            }
            Token::Word(word) if word == "true" || word == "false" => {
                let kind = AstKind::Literal(Literal::Boolean(word == "true"));
                self.take();
                self.ast(kind, offset)
            }
            Token::Word(word)
                if KEYWORDS.contains(&word.as_str()) && !matches!(word.as_str(), "as" | "contains" | "in" | "is") =>
            {
                Err(self.expected("a value"))
            }
            Token::Word(_) | Token::Delimited(_) => self.invocation(None, offset),
            Token::Symbol(_) | Token::End => Err(self.expected("a value")),
            _ => {
                let literal = self.literal(offset)?;
                self.ast(AstKind::Literal(literal), offset)
            }
        }
    }

    fn literal(&mut self, offset: usize) -> Result<Literal, ParseError> {
        let not_a_date = |parser: &Self| parser.fault(offset, ParseFault::NotADate);
        match self.take() {
            Token::String(text) => Ok(Literal::String(text)),
            Token::Integer(number) => {
                let fits = number.parse::<i64>().is_ok();
                let literal = self.with_unit(number, Literal::Integer);
                if fits { Ok(literal) } else { Err(self.fault(offset, ParseFault::NumberTooLong)) }
            }
            Token::Decimal(number) => {
                let fits = rust_decimal::Decimal::from_str_exact(&number).is_ok();
                let literal = self.with_unit(number, Literal::Decimal);
                if fits { Ok(literal) } else { Err(self.fault(offset, ParseFault::NumberTooLong)) }
            }
            Token::Date(text) => Temporal::date(&text).map(|_| Literal::Date(text)).ok_or_else(|| not_a_date(self)),
            Token::DateTime(text) => {
                Temporal::date_time(&text).map(|_| Literal::DateTime(text)).ok_or_else(|| not_a_date(self))
            }
            Token::Time(text) => Temporal::time(&text).map(|_| Literal::Time(text)).ok_or_else(|| not_a_date(self)),
            _ => Err(self.fault(offset, ParseFault::Expected { expected: "a value" })),
        }
    }

    fn with_unit(&mut self, number: String, plain: fn(String) -> Literal) -> Literal {
        let unit = match self.peek() {
            Token::String(code) => Unit::Ucum(code.clone()),
            Token::Word(word) if CALENDAR_WORDS.contains(&word.as_str()) => Unit::Calendar(word.clone()),
            _ => return plain(number),
        };
        self.take();
        Literal::Quantity { number, unit }
    }

    fn type_operator(&self) -> Option<TypeOp> {
        match self.peek() {
            Token::Word(word) if word == "is" => Some(TypeOp::Is),
            Token::Word(word) if word == "as" => Some(TypeOp::As),
            _ => None,
        }
    }

    fn type_name(&mut self) -> Result<TypeName, ParseError> {
        let first = self.type_name_part()?;
        if !self.skip(".") {
            return Ok(TypeName { namespace: None, name: first });
        }
        let name = self.type_name_part()?;
        Ok(TypeName { namespace: Some(first), name })
    }

    fn type_name_part(&mut self) -> Result<String, ParseError> {
        match self.peek() {
            Token::Word(name) | Token::Delimited(name) => {
                let name = name.clone();
                self.take();
                Ok(name)
            }
            _ => Err(self.expected("a type name")),
        }
    }

    fn binary_operator(&self) -> Option<BinaryOp> {
        let text = match self.peek() {
            Token::Symbol(symbol) => symbol,
            Token::Word(word) => word.as_str(),
            _ => return None,
        };

        BinaryOp::ALL.iter().copied().find(|op| op.text() == text)
    }
}
