//! Functions on text. Positions and lengths count characters.

use std::borrow::Cow;
use std::fmt::Write as _;

use regex::Regex;

use super::{Answered, EvalError, Evaluator, LONGEST_TEXT, Scope, boolean, one, what};
use crate::compile::{Call, full_pattern, pattern};
use crate::functions::Function;
use crate::value::{Collection, Item};

fn text<'a>(text: impl Into<Cow<'a, str>>) -> Collection<'a> {
    Collection::one(Item::String(text.into()))
}

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn text_call(&mut self, call: &'a Call, base: &Collection<'a>, scope: &Scope<'_, 'a>) -> Answered<'a> {
        use Function::*;
        if call.function == Join {
            return self.join(call, base, scope);
        }
        let Some(item) = one(base, what(call), call.offset)? else { return Ok(Collection::empty()) };
        let subject: Cow<'a, str> = match item.system() {
            Item::String(text) => text,
            Item::Temporal(_) | Item::Integer(_) | Item::Decimal(_) | Item::Boolean(_)
                if matches!(item, Item::Element(_)) =>
            {
                item.to_text().unwrap_or_default()
            }
            Item::Element(element) if !element.is_object() => return Ok(Collection::empty()),
            other => return Err(EvalError::WrongKind { what: what(call), kind: other.kind(), offset: call.offset }),
        };
        if call.function == Substring {
            return self.substring(call, &subject, scope);
        }
        let mut arguments: [Cow<'a, str>; 2] = Default::default();
        for (nth, op) in call.arguments.iter().enumerate().take(2) {
            // A pattern that is a literal was compiled with the expression.
            if nth == 0 && call.pattern.is_some() {
                continue;
            }
            match self.text(op, scope, what(call), call.offset)? {
                Some(argument) => arguments[nth] = argument,
                None => return Ok(Collection::empty()),
            }
        }
        let [first, second] = arguments;
        if matches!(call.function, Replace | ReplaceMatches)
            && (subject.len() + 1).saturating_mul(second.len()) > LONGEST_TEXT
        {
            return Err(EvalError::TooLong);
        }
        if call.pattern.is_none() && matches!(call.function, Matches | MatchesFull | ReplaceMatches) {
            // To compile a pattern takes about as long as a thousand steps.
            self.spend(1000)?;
        }
        Ok(match call.function {
            IndexOf => position(&subject, subject.find(&*first)),
            LastIndexOf => position(&subject, subject.rfind(&*first)),
            StartsWith => boolean(Some(subject.starts_with(&*first))),
            EndsWith => boolean(Some(subject.ends_with(&*first))),
            ContainsText => boolean(Some(subject.contains(&*first))),
            Upper => text(subject.to_uppercase()),
            Lower => text(subject.to_lowercase()),
            Trim => text(subject.trim().to_owned()),
            Length => Collection::one(Item::count(subject.chars().count())),
            ToChars => subject.chars().map(|c| Item::text(c.to_string())).collect(),
            Replace => text(subject.replace(&*first, &second)),
            Split => subject.split(&*first).map(|part| Item::text(part.to_owned())).collect(),
            Matches => boolean(Some(with_pattern(call, &first, pattern, |regex| regex.is_match(&subject))?)),
            MatchesFull => boolean(Some(with_pattern(call, &first, full_pattern, |regex| regex.is_match(&subject))?)),
            ReplaceMatches => {
                // An empty pattern matches between all letters; the text is left as it is.
                let replaced = with_pattern(call, &first, pattern, |regex| {
                    if regex.as_str().is_empty() {
                        None
                    } else {
                        Some(regex.replace_all(&subject, &*second).into_owned())
                    }
                })?;
                text(replaced.map_or(subject, Cow::Owned))
            }
            Encode => coded(encode(&subject, &first)),
            Decode => coded(decode(&subject, &first)),
            Escape => coded(escape(&subject, &first)),
            _ => coded(unescape(&subject, &first)),
        })
    }

    fn join(&mut self, call: &'a Call, base: &Collection<'a>, scope: &Scope<'_, 'a>) -> Answered<'a> {
        let separator = match call.arguments.first() {
            Some(op) => self.text(op, scope, "join", call.offset)?.unwrap_or_default(),
            None => Cow::Borrowed(""),
        };
        let mut out = String::new();
        for (nth, item) in base.iter().enumerate() {
            let Some(part) = item.to_text() else {
                return Err(EvalError::WrongKind { what: "join", kind: item.kind(), offset: call.offset });
            };
            if nth > 0 {
                out.push_str(&separator);
            }
            out.push_str(&part);
            if out.len() > LONGEST_TEXT {
                return Err(EvalError::TooLong);
            }
        }
        Ok(text(out))
    }

    fn substring(&mut self, call: &'a Call, subject: &str, scope: &Scope<'_, 'a>) -> Answered<'a> {
        let Some(start) = self.integer(&call.arguments[0], scope, "substring", call.offset)? else {
            return Ok(Collection::empty());
        };
        let length = match call.arguments.get(1) {
            Some(op) => self.integer(op, scope, "substring", call.offset)?,
            None => None,
        };
        let Ok(start) = usize::try_from(start) else { return Ok(Collection::empty()) };
        if start >= subject.chars().count() {
            return Ok(Collection::empty());
        }
        let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
        Ok(text(subject.chars().skip(start).take(length).collect::<String>()))
    }
}

fn with_pattern<T>(
    call: &Call,
    argument: &str,
    compile: fn(&str) -> Result<Regex, ()>,
    run: impl FnOnce(&Regex) -> T,
) -> Result<T, EvalError> {
    let bad = |()| EvalError::BadPattern { what: what(call), offset: call.offset };
    match &call.pattern {
        Some(pattern) => pattern.get().map(run).map_err(bad),
        None => compile(argument).map(|regex| run(&regex)).map_err(bad),
    }
}

fn position<'a>(subject: &str, found: Option<usize>) -> Collection<'a> {
    Collection::one(found.map_or(Item::Integer(-1), |at| Item::count(subject[..at].chars().count())))
}

fn coded<'a>(answer: Option<String>) -> Collection<'a> {
    answer.into_iter().map(Item::text).collect()
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(subject: &str, format: &str) -> Option<String> {
    let mut out = String::new();
    match format {
        "hex" => subject.bytes().for_each(|byte| {
            // Writing to a String cannot fail.
            let _ = write!(out, "{byte:02x}");
        }),
        "base64" | "urlbase64" => {
            for chunk in subject.as_bytes().chunks(3) {
                let bits =
                    chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
                for at in 0..4 {
                    let letter = char::from(BASE64[(bits >> (18 - 6 * at) & 63) as usize]);
                    out.push(if at <= chunk.len() { letter } else { '=' });
                }
            }
            if format == "urlbase64" {
                out = out.replace('+', "-").replace('/', "_");
            }
        }
        _ => return None,
    }
    Some(out)
}

fn decode(subject: &str, format: &str) -> Option<String> {
    let bytes = match format {
        "hex" => {
            let digits: Option<Vec<u8>> = subject.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
            let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
            digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
        }
        "base64" | "urlbase64" => {
            let plain = subject.replace('-', "+").replace('_', "/");
            let mut out = Vec::new();
            for chunk in plain.trim_end_matches('=').as_bytes().chunks(4) {
                let mut bits = 0u32;
                for byte in chunk {
                    bits = bits << 6 | BASE64.iter().position(|letter| letter == byte)? as u32;
                }
                bits <<= 6 * (4 - chunk.len());
                let [_, a, b, c] = bits.to_be_bytes();
                out.extend_from_slice(&[a, b, c][..chunk.len().saturating_sub(1)]);
            }
            out
        }
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

const HTML: &[(&str, &str)] = &[("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;")];

fn escape(subject: &str, format: &str) -> Option<String> {
    match format {
        "html" => Some(HTML.iter().fold(subject.to_owned(), |text, (plain, escaped)| text.replace(plain, escaped))),
        "json" => {
            let mut out = String::with_capacity(subject.len());
            for c in subject.chars() {
                match c {
                    '"' => out.push_str("\\\""),
                    '\\' => out.push_str("\\\\"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    c if c < ' ' => {
                        let _ = write!(out, "\\u{:04x}", u32::from(c));
                    }
                    c => out.push(c),
                }
            }
            Some(out)
        }
        _ => None,
    }
}

fn unescape(subject: &str, format: &str) -> Option<String> {
    match format {
        "html" => {
            Some(HTML.iter().rev().fold(subject.to_owned(), |text, (plain, escaped)| text.replace(escaped, plain)))
        }
        "json" => {
            let mut out = String::with_capacity(subject.len());
            let mut letters = subject.chars();
            while let Some(c) = letters.next() {
                if c != '\\' {
                    out.push(c);
                    continue;
                }
                out.push(match letters.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    c @ ('"' | '\\' | '/') => c,
                    'u' => {
                        let hex: String = letters.by_ref().take(4).collect();
                        char::from_u32(u32::from_str_radix(&hex, 16).ok()?)?
                    }
                    _ => return None,
                });
            }
            Some(out)
        }
        _ => None,
    }
}
