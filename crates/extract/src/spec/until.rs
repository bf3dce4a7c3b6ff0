//! Where a table of a workbook ends: `blank($surname)`, `$ref == 'Total'`, `starts_with($ref, 'Total')`, joined by
//! `or` or by `and`.
//!
//! A column is what the staged text would be. Comparisons do not see case, nor blanks at the ends: a person wrote it.

use std::fmt;

/// The condition, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Until {
    tests: Vec<Test>,
    /// `and` between the tests; else `or`.
    all: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Blank(String),
    Equals(String, String),
    StartsWith(String, String),
}

/// Why a text is not such a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UntilFault;

impl fmt::Display for UntilFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "write `blank($column)`, `$column == 'Total'` or `starts_with($column, 'Total')`, several joined by `or`, \
             or all by `and`",
        )
    }
}

impl Until {
    pub fn parse(text: &str) -> Result<Self, UntilFault> {
        let mut rest = text.trim();
        let (mut tests, mut all) = (Vec::new(), None);
        loop {
            let test;
            (test, rest) = Test::parse(rest)?;
            tests.push(test);
            rest = rest.trim_start();
            if rest.is_empty() {
                return Ok(Self { tests, all: all.unwrap_or(false) });
            }
            let is_and = if let Some(after) = rest.strip_prefix("and ") {
                rest = after;
                true
            } else {
                rest = rest.strip_prefix("or ").ok_or(UntilFault)?;
                false
            };
            if all.replace(is_and).is_some_and(|before| before != is_and) {
                return Err(UntilFault);
            }
        }
    }

    /// The columns that it asks for.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().map(|test| match test {
            Test::Blank(column) | Test::Equals(column, _) | Test::StartsWith(column, _) => column.as_str(),
        })
    }

    /// Whether a row ends the table; `value` gives the text of a column, nothing where it is blank.
    pub fn holds<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> bool {
        let holds = |test: &Test| match test {
            Test::Blank(column) => value(column).is_none_or(|v| v.trim().is_empty()),
            Test::Equals(column, text) => value(column).is_some_and(|v| lower(v) == lower(text)),
            Test::StartsWith(column, text) => value(column).is_some_and(|v| lower(v).starts_with(&lower(text))),
        };
        if self.all { self.tests.iter().all(holds) } else { self.tests.iter().any(holds) }
    }
}

impl Test {
    fn parse(text: &str) -> Result<(Self, &str), UntilFault> {
        let text = text.trim_start();
        if let Some(rest) = text.strip_prefix("blank(") {
            let (column, rest) = column(rest)?;
            return Ok((Self::Blank(column), after(rest, ")")?));
        }
        if let Some(rest) = text.strip_prefix("starts_with(") {
            let (column, rest) = column(rest)?;
            let (literal, rest) = literal(after(rest, ",")?)?;
            return Ok((Self::StartsWith(column, literal), after(rest, ")")?));
        }
        let (column, rest) = column(text)?;
        let (literal, rest) = literal(after(rest, "==")?)?;
        Ok((Self::Equals(column, literal), rest))
    }
}

/// `$name`, or `` $`a name` `` where it is not a word.
fn column(text: &str) -> Result<(String, &str), UntilFault> {
    let text = text.trim_start().strip_prefix('$').ok_or(UntilFault)?;
    if let Some(quoted) = text.strip_prefix('`') {
        let (name, rest) = quoted.split_once('`').ok_or(UntilFault)?;
        return Ok((name.to_owned(), rest));
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    if end == 0 {
        return Err(UntilFault);
    }
    Ok((text[..end].to_owned(), &text[end..]))
}

fn literal(text: &str) -> Result<(String, &str), UntilFault> {
    let (literal, rest) = text.trim_start().strip_prefix('\'').and_then(|t| t.split_once('\'')).ok_or(UntilFault)?;
    if literal.trim().is_empty() {
        return Err(UntilFault);
    }
    Ok((literal.to_owned(), rest))
}

fn after<'t>(text: &'t str, token: &str) -> Result<&'t str, UntilFault> {
    text.trim_start().strip_prefix(token).ok_or(UntilFault)
}

fn lower(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blank_equal_and_beginning_are_joined_by_or_or_by_and() {
        let row = |name: &str| match name {
            "ref" => Some(" TOTAL of the month"),
            "Our ref" => Some("x"),
            _ => None,
        };
        for (text, expected) in [
            ("blank($surname)", true),
            ("blank($ref)", false),
            ("starts_with($ref, 'total')", true),
            ("$`Our ref` == 'X'", true),
            ("$ref == 'total'", false),
            ("blank($ref) or blank($surname)", true),
            ("blank($ref) and blank($surname)", false),
        ] {
            assert_eq!(Until::parse(text).unwrap().holds(row), expected, "{text}");
        }
    }

    #[test]
    fn what_is_more_than_that_is_refused() {
        for text in [
            "",
            "blank(surname)",
            "blank($a",
            "$a == ''",
            "$a != 'x'",
            "blank($a) or",
            "blank($a) and blank($b) or blank($c)",
        ] {
            assert_eq!(Until::parse(text), Err(UntilFault), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z$`'(),= ]{0,30}") {
            let _ = Until::parse(&text);
        }
    }
}
