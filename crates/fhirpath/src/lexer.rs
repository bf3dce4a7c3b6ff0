//! Text to tokens, with the byte offset of each.

use crate::parser::{ParseError, ParseFault};

/// One token. Words are not told apart from keywords here: the grammar lets some keywords stand as names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Word(String),
    /// An identifier in backticks: never a keyword.
    Delimited(String),
    String(String),
    Integer(String),
    Decimal(String),
    Date(String),
    DateTime(String),
    Time(String),
    /// `$this`, `$index`, `$total`: the word after the dollar.
    Dollar(String),
    /// `%name`
    External(String),
    Symbol(&'static str),
    End,
}

/// Cuts `text` into tokens; the last is always [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, ParseError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut out = Vec::new();
    loop {
        lexer.skip_blank()?;
        let start = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        out.push((token, start));
        if end {
            return Ok(out);
        }
    }
}

/// Two-character symbols come first, so that `<=` is not read as `<`.
const SYMBOLS: &[&str] =
    &["<=", ">=", "!=", "!~", ".", "[", "]", "(", ")", "{", "}", ",", "+", "-", "*", "/", "&", "|", "<", ">", "=", "~"];

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn fault(&self, offset: usize, fault: ParseFault) -> ParseError {
        ParseError::at(self.text, offset, fault)
    }

    fn skip_blank(&mut self) -> Result<(), ParseError> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{feff}', '\u{a0}']).len();
            self.at += blank;
            let rest = self.rest();
            if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                let end = rest.find("*/").ok_or_else(|| self.fault(self.at, ParseFault::OpenComment))?;
                self.at += end + 2;
            } else if blank == 0 {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Token, ParseError> {
        let start = self.at;
        let Some(first) = self.peek() else { return Ok(Token::End) };
        match first {
            '\'' => Ok(Token::String(self.quoted('\'')?)),
            '`' => Ok(Token::Delimited(self.quoted('`')?)),
            '0'..='9' => Ok(self.number()),
            '@' => self.temporal(),
            '$' => {
                self.at += 1;
                Ok(Token::Dollar(self.word().to_owned()))
            }
            '%' => {
                self.at += 1;
                let name = match self.peek() {
                    Some('`') => self.quoted('`')?,
                    Some('\'') => self.quoted('\'')?,
                    _ => self.word().to_owned(),
                };
                if name.is_empty() {
                    return Err(self.fault(start, ParseFault::NamelessConstant));
                }
                Ok(Token::External(name))
            }
            c if c.is_ascii_alphabetic() || c == '_' => Ok(Token::Word(self.word().to_owned())),
            _ => {
                let rest = self.rest();
                let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
                let symbol = symbol.ok_or_else(|| self.fault(start, ParseFault::UnexpectedCharacter))?;
                self.at += symbol.len();
                Ok(Token::Symbol(symbol))
            }
        }
    }

    /// Letters, digits and underscores from here on; empty when there are none.
    fn word(&mut self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn digits(&mut self) -> usize {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        self.at += end;
        end
    }

    fn number(&mut self) -> Token {
        let start = self.at;
        self.digits();
        let fraction =
            self.rest().strip_prefix('.').is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit()));
        if !fraction {
            return Token::Integer(self.text[start..self.at].to_owned());
        }
        self.at += 1;
        self.digits();
        Token::Decimal(self.text[start..self.at].to_owned())
    }

    /// `@2014`, `@2014-01T`, `@2014-01-01T10:00+01:00`, `@T10:00`. Whether the day exists is the parser's question.
    fn temporal(&mut self) -> Result<Token, ParseError> {
        let start = self.at;
        self.at += 1;
        let body = self.at;
        if self.rest().starts_with('T') {
            self.at += 1;
            let body = self.at;
            self.clock();
            return Ok(Token::Time(self.text[body..self.at].to_owned()));
        }
        if self.digits() != 4 {
            return Err(self.fault(start, ParseFault::NotADate));
        }
        for _ in 0..2 {
            let mut after = self.rest().bytes();
            let part = after.next() == Some(b'-')
                && after.next().is_some_and(|b| b.is_ascii_digit())
                && after.next().is_some_and(|b| b.is_ascii_digit());
            if !part {
                break;
            }
            self.at += 3;
        }
        if !self.rest().starts_with('T') {
            return Ok(Token::Date(self.text[body..self.at].to_owned()));
        }
        self.at += 1;
        self.clock();
        let rest = self.rest().as_bytes();
        if rest.first() == Some(&b'Z') {
            self.at += 1;
        } else if let [b'+' | b'-', a, b, b':', c, d, ..] = rest
            && [a, b, c, d].iter().all(|byte| byte.is_ascii_digit())
        {
            self.at += 6;
        }
        Ok(Token::DateTime(self.text[body..self.at].to_owned()))
    }

    /// `HH`, `HH:mm`, `HH:mm:ss`, `HH:mm:ss.fff`; may take nothing.
    fn clock(&mut self) {
        let two = |rest: &[u8]| rest.len() >= 2 && rest[..2].iter().all(u8::is_ascii_digit);
        if !two(self.rest().as_bytes()) {
            return;
        }
        self.at += 2;
        for _ in 0..2 {
            match self.rest().as_bytes() {
                [b':', after @ ..] if two(after) => self.at += 3,
                _ => return,
            }
        }
        if let [b'.', b'0'..=b'9', ..] = self.rest().as_bytes() {
            self.at += 1;
            self.digits();
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, ParseError> {
        let start = self.at;
        self.at += quote.len_utf8();
        let mut out = String::new();
        loop {
            let Some(c) = self.peek() else { return Err(self.fault(start, ParseFault::OpenQuote)) };
            self.at += c.len_utf8();
            if c == quote {
                return Ok(out);
            }
            if c == '\\' {
                out.push(self.escape()?);
            } else {
                out.push(c);
            }
        }
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let start = self.at - 1;
        let c = self.peek().ok_or_else(|| self.fault(start, ParseFault::OpenQuote))?;
        self.at += c.len_utf8();
        Ok(match c {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\u{c}',
            '\\' | '/' | '\'' | '"' | '`' => c,
            'u' => {
                let first = self.unit(start)?;
                let code = if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
                    self.at += 2;
                    let second = self.unit(start)?;
                    0x1_0000 + ((first - 0xd800) << 10) + second.wrapping_sub(0xdc00)
                } else {
                    first
                };
                char::from_u32(code).ok_or_else(|| self.fault(start, ParseFault::BadEscape))?
            }
            _ => return Err(self.fault(start, ParseFault::BadEscape)),
        })
    }

    fn unit(&mut self, start: usize) -> Result<u32, ParseError> {
        let hex = self.rest().get(..4).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok());
        self.at += 4;
        code.ok_or_else(|| {
            // Nothing is read after the error, so the place need not be a character boundary.
            ParseError::at(self.text, start, ParseFault::BadEscape)
        })
    }
}
