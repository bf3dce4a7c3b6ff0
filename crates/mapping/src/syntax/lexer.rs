//! Expression text to tokens, each with its place in the file.

use crate::diagnostics::{FileId, Span};

/// An expression's text and how its bytes lie in the file.
///
/// Where the YAML scalar has escapes, the text and the file differ, and every place is the whole scalar.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'t> {
    pub text: &'t str,
    pub scalar: Span,
    /// The file offset of the text's first byte; `None` when the scalar has escapes.
    pub start: Option<u32>,
}

impl Placed<'_> {
    /// The file's stretch for `from..to` of the text.
    pub fn span(&self, from: usize, to: usize) -> Span {
        match self.start {
            Some(start) => Span { file: self.scalar.file, start: start + from as u32, end: start + to as u32 },
            None => self.scalar,
        }
    }

    /// The rest of the text from byte `from` on.
    pub fn skip(self, from: usize) -> Self {
        Self { text: &self.text[from..], start: self.start.map(|s| s + from as u32), ..self }
    }

    pub const fn file(&self) -> FileId {
        self.scalar.file
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// One or two names after a dollar sign.
    Dollar {
        first: (String, Span),
        second: Option<(String, Span)>,
    },
    /// A bare word, `.` and `[n]` included where they join names: `period.start`, `name[0].family`.
    Word(String),
    /// `.COL` after a closing bracket.
    Member(String),
    Text(String),
    Number(String),
    Coding {
        system: String,
        code: String,
    },
    Pipe,
    Comma,
    Colon,
    Open,
    Close,
    OpenList,
    CloseList,
    Operator(&'static str),
}

impl Token {
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Dollar { first, .. } => format!("`${}`", first.0),
            Self::Word(word) => format!("`{word}`"),
            Self::Member(column) => format!("`.{column}`"),
            Self::Text(_) => "a text".to_owned(),
            Self::Number(digits) => format!("`{digits}`"),
            Self::Coding { system, code } => format!("`{system}#{code}`"),
            Self::Pipe => "`|`".to_owned(),
            Self::Comma => "`,`".to_owned(),
            Self::Colon => "`:`".to_owned(),
            Self::Open => "`(`".to_owned(),
            Self::Close => "`)`".to_owned(),
            Self::OpenList => "`[`".to_owned(),
            Self::CloseList => "`]`".to_owned(),
            Self::Operator(op) => format!("`{op}`"),
        }
    }
}

/// Why a text is not an expression: a message, a place and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxFault {
    pub code: &'static str,
    pub message: String,
    pub span: Span,
    pub help: Option<String>,
}

pub(super) fn fault(span: Span, message: impl Into<String>, help: Option<&str>) -> SyntaxFault {
    SyntaxFault { code: "MAP0010", message: message.into(), span, help: help.map(str::to_owned) }
}

/// Cuts the text into tokens.
pub(super) fn tokens(placed: Placed<'_>) -> Result<Vec<(Token, Span)>, SyntaxFault> {
    let mut lexer = Lexer { placed, at: 0 };
    let mut found: Vec<(Token, Span)> = Vec::new();
    loop {
        lexer.skip_spaces();
        let start = lexer.at;
        let Some(c) = lexer.peek() else { return Ok(found) };
        let after_bracket = matches!(found.last(), Some((Token::Close | Token::Member(_), _)));
        let token = lexer.token(c, after_bracket)?;
        let span = placed.span(start, lexer.at);
        found.push((token, span));
    }
}

struct Lexer<'t> {
    placed: Placed<'t>,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.placed.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn token(&mut self, c: char, after_bracket: bool) -> Result<Token, SyntaxFault> {
        const SIMPLE: [(&str, Token); 16] = [
            ("==", Token::Operator("==")),
            ("!=", Token::Operator("!=")),
            ("<=", Token::Operator("<=")),
            (">=", Token::Operator(">=")),
            ("<>", Token::Operator("<>")),
            ("&&", Token::Operator("&&")),
            ("||", Token::Operator("||")),
            ("<", Token::Operator("<")),
            (">", Token::Operator(">")),
            ("|", Token::Pipe),
            (",", Token::Comma),
            (":", Token::Colon),
            ("(", Token::Open),
            (")", Token::Close),
            ("[", Token::OpenList),
            ("]", Token::CloseList),
        ];
        if let Some((text, token)) = SIMPLE.iter().find(|(text, _)| self.rest().starts_with(text)) {
            let (length, token) = (text.len(), token.clone());
            let span = self.placed.span(self.at, self.at + length);
            self.at += length;
            return match token {
                Token::Operator("<>") => Err(fault(span, "`<>` is not an operator", Some("write `!=`"))),
                Token::Operator("&&") => Err(fault(span, "`&&` is not an operator", Some("write `and`"))),
                Token::Operator("||") => {
                    Err(fault(span, "`||` is not an operator", Some("write `or`, or `concat(a, b)` to join texts")))
                }
                token => Ok(token),
            };
        }
        match c {
            '$' => self.dollar(),
            '\'' => self.text(),
            '.' if after_bracket => {
                self.at += 1;
                self.name().map(|(name, _)| Token::Member(name))
            }
            c if c.is_ascii_digit() || (c == '-' && self.rest()[1..].starts_with(|d: char| d.is_ascii_digit())) => {
                Ok(self.number())
            }
            c if c.is_ascii_alphabetic() || c == '_' => Ok(self.word()),
            _ => Err(self.stray(c)),
        }
    }

    fn stray(&self, c: char) -> SyntaxFault {
        let span = self.placed.span(self.at, self.at + c.len_utf8());
        match c {
            '"' => {
                fault(span, "text in an expression stands in single quotes", Some("write 'text', and '' for a quote"))
            }
            '=' => fault(span, "`=` is not an operator", Some("write `==` to compare")),
            '!' => fault(span, "`!` is not an operator", Some("write `not`")),
            '+' => fault(span, "`+` is not an operator", Some("write `concat(a, b)` to join texts")),
            '*' | '/' | '%' | '-' => fault(span, format!("`{c}` is not an operator: there is no arithmetic"), None),
            '`' => fault(span, "a column name in backticks has `$` before it", Some("write $`NHS No`")),
            _ => fault(span, format!("`{c}` has no meaning in an expression"), None),
        }
    }

    fn dollar(&mut self) -> Result<Token, SyntaxFault> {
        self.at += 1;
        let first = self.name()?;
        let mut second = None;
        let follows = self.rest().strip_prefix('.').and_then(|r| r.chars().next());
        if follows.is_some_and(|c| is_name(c) || c == '`') {
            self.at += 1;
            second = Some(self.name()?);
        }
        Ok(Token::Dollar { first, second })
    }

    /// A column or alias name: letters, digits and `_`, or anything in backticks.
    fn name(&mut self) -> Result<(String, Span), SyntaxFault> {
        let start = self.at;
        if let Some(rest) = self.rest().strip_prefix('`') {
            let Some(length) = rest.find('`') else {
                let span = self.placed.span(start, self.placed.text.len());
                return Err(fault(span, "the backtick that ends the column name is missing", None));
            };
            let name = rest[..length].to_owned();
            self.at += length + 2;
            return Ok((name, self.placed.span(start, self.at)));
        }
        let length = self.rest().find(|c| !is_name(c)).unwrap_or(self.rest().len());
        if length == 0 {
            let span = self.placed.span(start.saturating_sub(1), start);
            return Err(fault(span, "a column name must follow", Some("write $COL, $alias.COL or $`NHS No`")));
        }
        let name = self.rest()[..length].to_owned();
        self.at += length;
        Ok((name, self.placed.span(start, self.at)))
    }

    fn text(&mut self) -> Result<Token, SyntaxFault> {
        let start = self.at;
        let mut value = String::new();
        self.at += 1;
        loop {
            let Some(length) = self.rest().find('\'') else {
                let span = self.placed.span(start, self.placed.text.len());
                return Err(fault(span, "the single quote that ends the text is missing", None));
            };
            value.push_str(&self.placed.text[self.at..self.at + length]);
            self.at += length + 1;
            if !self.rest().starts_with('\'') {
                return Ok(Token::Text(value));
            }
            value.push('\'');
            self.at += 1;
        }
    }

    fn number(&mut self) -> Token {
        let rest = self.rest();
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let sign = usize::from(rest.starts_with('-'));
        let mut length = sign + digits(&rest[sign..]);
        if rest[length..].strip_prefix('.').is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit())) {
            length += 1 + digits(&rest[length + 1..]);
        }
        let number = rest[..length].to_owned();
        self.at += length;
        Token::Number(number)
    }

    /// A word, an element path or a coding (`system#code`).
    fn word(&mut self) -> Token {
        let rest = self.rest();
        let system = rest.find(|c: char| !is_name(c) && c != '-').unwrap_or(rest.len());
        if let Some(code) = rest[system..].strip_prefix('#') {
            let length = code.find(|c: char| !is_code(c)).unwrap_or(code.len());
            let token = Token::Coding { system: rest[..system].to_owned(), code: code[..length].to_owned() };
            self.at += system + 1 + length;
            return token;
        }
        let mut length = word_end(rest);
        loop {
            let tail = &rest[length..];
            if tail.strip_prefix('.').is_some_and(|t| t.starts_with(|c: char| c.is_ascii_alphabetic())) {
                length += 1 + word_end(&tail[1..]);
            } else if let Some(index) = tail.strip_prefix('[')
                && let Some(close) = index.find(']')
                && close > 0
                && index[..close].bytes().all(|b| b.is_ascii_digit())
            {
                length += close + 2;
            } else {
                break;
            }
        }
        let word = rest[..length].to_owned();
        self.at += length;
        Token::Word(word)
    }
}

/// Names of policies and functions may hold a hyphen between letters: `data-absent-reason`.
fn word_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let joined = bytes[at] == b'-' && bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic);
        if !(bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_' || joined) {
            break;
        }
        at += 1;
    }
    at
}

const fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

const fn is_code(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/' | '+' | '*' | '%')
}
