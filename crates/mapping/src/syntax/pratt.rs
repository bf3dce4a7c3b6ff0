//! Tokens to an expression tree, by precedence climbing.
//!
//! From loose to tight: `or`, `and`, `not`, the comparisons and `in`, `|`, calls and members. Comparisons do not
//! chain: `a < b < c` is a mistake, not a question.

use super::expr::{Argument, BinaryOp, Call, Dollar, Expr, ExprKind};
use super::lexer::{self, Placed, SyntaxFault, Token, fault};
use crate::diagnostics::Span;

/// Deep enough for any rule that a person can read.
const MAX_DEPTH: usize = 48;

/// Reads one whole expression.
pub fn parse(placed: Placed<'_>) -> Result<Expr, SyntaxFault> {
    let tokens = lexer::tokens(placed)?;
    let end = placed.span(placed.text.len(), placed.text.len());
    if tokens.is_empty() {
        return Err(fault(placed.scalar, "an expression must stand here", None));
    }
    let mut parser = Parser { tokens: &tokens, at: 0, end, depth: 0 };
    let expr = parser.or()?;
    match parser.tokens.get(parser.at) {
        None => Ok(expr),
        Some((token, span)) => Err(unexpected_after(token, *span)),
    }
}

fn unexpected_after(token: &Token, span: Span) -> SyntaxFault {
    let help = match token {
        Token::Operator(_) => Some("comparisons do not chain: join them with `and`"),
        Token::Word(word) if matches!(word.as_str(), "AND" | "OR" | "IN" | "NOT") => {
            Some("operators are in lower case")
        }
        Token::Word(word) if word == "is" => Some("write `blank(x)` or `not blank(x)`"),
        _ => None,
    };
    fault(span, format!("{} is not expected here", token.describe()), help)
}

struct Parser<'t> {
    tokens: &'t [(Token, Span)],
    at: usize,
    end: Span,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(t, _)| t)
    }

    fn span(&self) -> Span {
        self.tokens.get(self.at).map_or(self.end, |(_, s)| *s)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(w)) if w == word)
    }

    fn expect(&mut self, wanted: &Token) -> Result<Span, SyntaxFault> {
        let span = self.span();
        if self.peek() == Some(wanted) {
            self.at += 1;
            return Ok(span);
        }
        let found = self.peek().map_or("the end".to_owned(), Token::describe);
        Err(fault(span, format!("{} is expected here, not {found}", wanted.describe()), None))
    }

    fn or(&mut self) -> Result<Expr, SyntaxFault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(fault(self.span(), "the expression is nested too deeply", Some("name parts of it in `let`")));
        }
        let mut left = self.and()?;
        while self.is_word("or") {
            self.at += 1;
            let right = self.and()?;
            left = binary(BinaryOp::Or, left, right);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, SyntaxFault> {
        let mut left = self.not()?;
        while self.is_word("and") {
            self.at += 1;
            let right = self.not()?;
            left = binary(BinaryOp::And, left, right);
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr, SyntaxFault> {
        let mut spans = Vec::new();
        while self.is_word("not") {
            spans.push(self.span());
            self.at += 1;
        }
        if spans.len() > MAX_DEPTH {
            return Err(fault(self.span(), "the expression is nested too deeply", None));
        }
        let mut expr = self.comparison()?;
        for span in spans.into_iter().rev() {
            let whole = span.to(expr.span);
            expr = Expr { kind: ExprKind::Not(Box::new(expr)), span: whole };
        }
        Ok(expr)
    }

    fn comparison(&mut self) -> Result<Expr, SyntaxFault> {
        let left = self.pipeline()?;
        if self.is_word("in") {
            self.at += 1;
            return self.membership(left, false);
        }
        if self.is_word("not") && matches!(self.tokens.get(self.at + 1), Some((Token::Word(w), _)) if w == "in") {
            self.at += 2;
            return self.membership(left, true);
        }
        let Some(Token::Operator(text)) = self.peek() else { return Ok(left) };
        let op = match *text {
            "==" => BinaryOp::Equal,
            "!=" => BinaryOp::NotEqual,
            "<" => BinaryOp::Less,
            "<=" => BinaryOp::LessOrEqual,
            ">" => BinaryOp::Greater,
            _ => BinaryOp::GreaterOrEqual,
        };
        self.at += 1;
        let right = self.pipeline()?;
        Ok(binary(op, left, right))
    }

    fn membership(&mut self, value: Expr, negated: bool) -> Result<Expr, SyntaxFault> {
        if self.peek() != Some(&Token::OpenList) {
            return Err(fault(self.span(), "`in` takes a list", Some("write `in ['a', 'b']`")));
        }
        let (among, span) = self.list()?;
        let span = value.span.to(span);
        Ok(Expr { kind: ExprKind::In { value: Box::new(value), among, negated }, span })
    }

    fn pipeline(&mut self) -> Result<Expr, SyntaxFault> {
        let mut value = self.postfix()?;
        while self.peek() == Some(&Token::Pipe) {
            self.at += 1;
            let function_span = self.span();
            let Some(Token::Word(function)) = self.peek().cloned() else {
                return Err(fault(function_span, "a function must follow `|`", None));
            };
            self.at += 1;
            let mut arguments = vec![Argument { name: None, value: value.clone() }];
            let mut span = value.span.to(function_span);
            if self.peek() == Some(&Token::Open) {
                let (more, close) = self.arguments()?;
                arguments.extend(more);
                span = span.to(close);
            }
            value = Expr { kind: ExprKind::Call(Call { function, function_span, arguments, piped: true }), span };
        }
        Ok(value)
    }

    fn postfix(&mut self) -> Result<Expr, SyntaxFault> {
        let mut expr = self.primary()?;
        while let Some(Token::Member(column)) = self.peek().cloned() {
            let column_span = self.span();
            self.at += 1;
            let span = expr.span.to(column_span);
            expr = Expr { kind: ExprKind::Member { of: Box::new(expr), column, column_span }, span };
        }
        Ok(expr)
    }

    fn primary(&mut self) -> Result<Expr, SyntaxFault> {
        let span = self.span();
        let Some(token) = self.peek().cloned() else {
            return Err(fault(span, "the expression ends too early", None));
        };
        self.at += 1;
        let kind = match token {
            Token::Dollar { first: (first, first_span), second } => {
                ExprKind::Dollar(Dollar { first, first_span, second })
            }
            Token::Text(text) => ExprKind::Text(text),
            Token::Number(digits) => ExprKind::Number(digits),
            Token::Coding { system, code } => ExprKind::Coding { system, code },
            Token::Word(word) if self.peek() == Some(&Token::Open) => {
                let (arguments, close) = self.arguments()?;
                let call = Call { function: word, function_span: span, arguments, piped: false };
                return Ok(Expr { kind: ExprKind::Call(call), span: span.to(close) });
            }
            Token::Word(word) => match word.as_str() {
                "true" => ExprKind::Bool(true),
                "false" => ExprKind::Bool(false),
                "and" | "or" | "in" => {
                    return Err(fault(span, format!("`{word}` needs something on its left"), None));
                }
                _ => ExprKind::Name(word),
            },
            Token::Open => {
                let inner = self.or()?;
                let close = self.expect(&Token::Close)?;
                return Ok(Expr { kind: inner.kind, span: span.to(close) });
            }
            Token::OpenList => {
                self.at -= 1;
                let (items, whole) = self.list()?;
                return Ok(Expr { kind: ExprKind::List(items), span: whole });
            }
            other => return Err(fault(span, format!("{} is not expected here", other.describe()), None)),
        };
        Ok(Expr { kind, span })
    }

    fn list(&mut self) -> Result<(Vec<Expr>, Span), SyntaxFault> {
        let open = self.expect(&Token::OpenList)?;
        let mut items = Vec::new();
        while self.peek() != Some(&Token::CloseList) {
            if !items.is_empty() {
                self.expect(&Token::Comma)?;
            }
            items.push(self.or()?);
        }
        let close = self.expect(&Token::CloseList)?;
        Ok((items, open.to(close)))
    }

    fn arguments(&mut self) -> Result<(Vec<Argument>, Span), SyntaxFault> {
        self.expect(&Token::Open)?;
        let mut arguments = Vec::new();
        while self.peek() != Some(&Token::Close) {
            if self.peek().is_none() {
                self.expect(&Token::Close)?;
            }
            if !arguments.is_empty() {
                self.expect(&Token::Comma)?;
            }
            let mut name = None;
            if let (Some(Token::Word(word)), Some((Token::Colon, _))) = (self.peek(), self.tokens.get(self.at + 1)) {
                name = Some((word.clone(), self.span()));
                self.at += 2;
            }
            arguments.push(Argument { name, value: self.or()? });
        }
        let close = self.expect(&Token::Close)?;
        Ok((arguments, close))
    }
}

fn binary(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    let span = left.span.to(right.span);
    Expr { kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) }, span }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diagnostics::FileId;

    fn read(text: &str) -> Result<String, String> {
        let scalar = Span::new(FileId(0), 0, text.len());
        parse(Placed { text, scalar, start: Some(0) })
            .map(|e| e.to_string())
            .map_err(|e| format!("{}..{} {}", e.span.start, e.span.end, e.message))
    }

    #[test]
    fn precedence_is_or_and_not_comparison_pipe() {
        assert_eq!(
            read("not $A | trim == 'x' and $B in ['1', '2'] or $c.D < 3").unwrap(),
            "(((not (trim($`A`) == 'x')) and ($`B` in ['1', '2'])) or ($`c`.`D` < 3))"
        );
    }

    #[test]
    fn pipes_calls_members_and_names_are_read() {
        assert_eq!(read("first($ep).SPEC_CODE | f(x: 'a''b')").unwrap(), "f(first($`ep`).`SPEC_CODE`, x: 'a''b')");
        assert_eq!(read("period.start <= name[0].family").unwrap(), "(period.start <= name[0].family)");
        assert_eq!(read("$`NHS No`").unwrap(), "$`NHS No`");
        assert_eq!(
            read("if($A == -1.50, loinc#85354-9, v3-ActCode#IMP)").unwrap(),
            "if(($`A` == -1.50), loinc#85354-9, v3-ActCode#IMP)"
        );
        assert_eq!(read("$a not in ['x']").unwrap(), "($`a` not in ['x'])");
        assert_eq!(read("data-absent-reason(error)").unwrap(), "data-absent-reason(error)");
    }

    #[test]
    fn mistakes_are_named_at_their_place() {
        assert_eq!(read("$A = 'x'").unwrap_err(), "3..4 `=` is not an operator");
        assert_eq!(read("$A == \"x\"").unwrap_err(), "6..7 text in an expression stands in single quotes");
        assert_eq!(read("$A == 'x").unwrap_err(), "6..8 the single quote that ends the text is missing");
        assert_eq!(read("f($A").unwrap_err(), "4..4 `)` is expected here, not the end");
        assert_eq!(read("$A < $B < $C").unwrap_err(), "8..9 `<` is not expected here");
        assert_eq!(read("$ == 1").unwrap_err(), "0..1 a column name must follow");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[ $a-cA-C0-9'`().,:|=<>\\[\\]#!&-]{0,40}") {
            let _ = read(&text);
        }

        #[test]
        fn a_printed_expression_reads_as_itself(text in "[ $a-cA-C0-9'`().,:|=<>\\[\\]#-]{0,40}") {
            if let Ok(printed) = read(&text) {
                prop_assert_eq!(read(&printed), Ok(printed.clone()));
            }
        }
    }
}
