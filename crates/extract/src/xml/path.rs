//! The XPath subset of source specs: child steps, `@a`, `text()`, `.`, `[@a='x']`, `[@a]`, `[not(@a)]`, `[n]`;
//! `//` at the beginning of `record:` only.
//!
//! Namespaces are compared by URI: a prefix stands for what the spec's `ns:` says, whatever the file calls it. A name
//! without a prefix is in no namespace, as in XPath 1.0.

use std::collections::BTreeMap;

use super::record::Element;

/// Prefixes of a spec and the URIs that they stand for.
pub type Prefixes = BTreeMap<String, String>;

/// Why a path is not of the subset: a sentence for the spec's author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PathFault(String);

/// A path that gives text: the value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnPath {
    steps: Vec<Step>,
    take: Take,
}

/// A path that gives elements: `each:` of a child table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementsPath {
    steps: Vec<Step>,
}

/// Where the records of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPath {
    /// `//`: at any depth; else from the root.
    anywhere: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    test: NameTest,
    predicates: Vec<Predicate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum NameTest {
    Any,
    Named { uri: Option<String>, local: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Predicate {
    Equals(Attribute, String),
    Has(Attribute),
    HasNot(Attribute),
    /// From 1.
    Position(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Attribute {
    uri: Option<String>,
    local: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Take {
    /// All text inside the element, as XPath's `string()` gives it.
    StringValue,
    /// The text directly inside the element, not that of its children.
    OwnText,
    Attribute(Attribute),
}

impl ColumnPath {
    pub fn parse(text: &str, prefixes: &Prefixes) -> Result<Self, PathFault> {
        if text.trim() == "." {
            return Ok(Self { steps: Vec::new(), take: Take::StringValue });
        }
        let mut parts = split_steps(text)?;
        let last = parts.pop().unwrap_or_default();
        let take = if last == "text()" {
            Take::OwnText
        } else if let Some(name) = last.strip_prefix('@') {
            Take::Attribute(attribute(name, prefixes)?)
        } else {
            parts.push(last);
            Take::StringValue
        };
        Ok(Self { steps: steps(&parts, prefixes)?, take })
    }

    /// The values in document order; an element without the attribute or without own text gives none.
    pub fn values(&self, from: &Element) -> Vec<String> {
        let mut values = Vec::new();
        for element in select(&self.steps, from) {
            match &self.take {
                Take::StringValue => values.push(element.string_value()),
                Take::OwnText => values.extend(element.own_text()),
                Take::Attribute(a) => {
                    values.extend(element.attribute(a.uri.as_deref(), &a.local).cloned());
                }
            }
        }
        values
    }
}

impl ElementsPath {
    pub fn parse(text: &str, prefixes: &Prefixes) -> Result<Self, PathFault> {
        let parts = split_steps(text)?;
        if parts.last().is_some_and(|last| last.starts_with('@') || last == "text()") {
            return Err(PathFault(format!("`{text}` gives text; `each` needs elements")));
        }
        Ok(Self { steps: steps(&parts, prefixes)? })
    }

    pub fn elements<'e>(&self, from: &'e Element) -> Vec<&'e Element> {
        select(&self.steps, from)
    }
}

impl RecordPath {
    pub fn parse(text: &str, prefixes: &Prefixes) -> Result<Self, PathFault> {
        let (anywhere, rest) = match text.strip_prefix("//") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('/').unwrap_or(text)),
        };
        let parts = split_steps(rest)?;
        if parts.last().is_some_and(|last| last.starts_with('@') || last == "text()") {
            return Err(PathFault(format!("`{text}` gives text; a record is an element")));
        }
        let steps = steps(&parts, prefixes)?;
        if steps.iter().any(|s| s.predicates.iter().any(|p| matches!(p, Predicate::Position(_)))) {
            return Err(PathFault("`[n]` is not allowed in `record`: it would stage one record of many".to_owned()));
        }
        Ok(Self { anywhere, steps })
    }

    /// Whether the innermost of the open elements, given from the root inwards, is a record.
    pub fn matches(&self, open: &[Element]) -> bool {
        let Some(skipped) = open.len().checked_sub(self.steps.len()) else { return false };
        (self.anywhere || skipped == 0)
            && self.steps.iter().zip(&open[skipped..]).all(|(step, e)| step.test.matches(e) && step.holds(e))
    }
}

impl Step {
    /// All predicates but positions, which need the siblings.
    fn holds(&self, element: &Element) -> bool {
        self.predicates.iter().all(|p| p.holds(element))
    }
}

impl Predicate {
    fn holds(&self, element: &Element) -> bool {
        match self {
            Self::Equals(a, value) => element.attribute(a.uri.as_deref(), &a.local) == Some(value),
            Self::Has(a) => element.attribute(a.uri.as_deref(), &a.local).is_some(),
            Self::HasNot(a) => element.attribute(a.uri.as_deref(), &a.local).is_none(),
            Self::Position(_) => true,
        }
    }
}

impl NameTest {
    fn matches(&self, element: &Element) -> bool {
        match self {
            Self::Any => true,
            Self::Named { uri, local } => element.local == *local && element.uri.as_deref() == uri.as_deref(),
        }
    }
}

fn select<'e>(steps: &[Step], from: &'e Element) -> Vec<&'e Element> {
    let mut context = vec![from];
    for step in steps {
        let mut next = Vec::new();
        for parent in context {
            let mut found: Vec<&Element> = parent.children().filter(|c| step.test.matches(c)).collect();
            for predicate in &step.predicates {
                match predicate {
                    Predicate::Position(n) => found = found.get(n - 1).map(|e| vec![*e]).unwrap_or_default(),
                    other => found.retain(|e| other.holds(e)),
                }
            }
            next.extend(found);
        }
        context = next;
    }
    context
}

/// Cuts a path at the slashes that stand outside brackets and quotes.
fn split_steps(text: &str) -> Result<Vec<String>, PathFault> {
    let mut parts = vec![String::new()];
    let (mut quote, mut in_brackets) = (None, false);
    for c in text.trim().chars() {
        match (quote, c) {
            (Some(q), _) if q == c => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') if in_brackets => return Err(PathFault(format!("`{text}`: a bracket inside a bracket"))),
            (None, '[') => in_brackets = true,
            (None, ']') => in_brackets = false,
            (None, '/') if !in_brackets => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("begins with one part").push(c);
    }
    if quote.is_some() || in_brackets {
        return Err(PathFault(format!("`{text}`: a quote or bracket is not closed")));
    }
    if parts.iter().any(String::is_empty) {
        let why = if text.contains("//") {
            "`//` is allowed at the beginning of `record` only; write the steps out"
        } else {
            "a step is empty; a path begins at the record, without `/`"
        };
        return Err(PathFault(format!("`{text}`: {why}")));
    }
    Ok(parts)
}

fn steps(parts: &[String], prefixes: &Prefixes) -> Result<Vec<Step>, PathFault> {
    parts.iter().filter(|p| *p != ".").map(|part| step(part, prefixes)).collect()
}

fn step(part: &str, prefixes: &Prefixes) -> Result<Step, PathFault> {
    let (name, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
    let test = if name == "*" {
        NameTest::Any
    } else {
        let (uri, local) = qualified(name, prefixes)?;
        NameTest::Named { uri, local }
    };
    let mut predicates = Vec::new();
    while !rest.is_empty() {
        // A `]` inside quotes does not close; split_steps has seen that one outside does.
        let end = closing_bracket(rest).ok_or_else(|| PathFault(format!("`{part}`: text after a predicate")))?;
        predicates.push(predicate(rest[1..end].trim(), prefixes)?);
        rest = &rest[end + 1..];
    }
    Ok(Step { test, predicates })
}

fn closing_bracket(text: &str) -> Option<usize> {
    let mut quote = None;
    for (i, c) in text.char_indices() {
        match quote {
            Some(q) if q == c => quote = None,
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if c == ']' => return text.starts_with('[').then_some(i),
            _ => {}
        }
    }
    None
}

fn predicate(text: &str, prefixes: &Prefixes) -> Result<Predicate, PathFault> {
    let refuse = || PathFault(format!("`[{text}]` is not one of [@a='x'], [@a], [not(@a)], [n]"));
    if let Some(name) = text.strip_prefix("not(").and_then(|t| t.strip_suffix(')')) {
        let name = name.trim().strip_prefix('@').ok_or_else(refuse)?;
        return Ok(Predicate::HasNot(attribute(name, prefixes)?));
    }
    let Some(rest) = text.strip_prefix('@') else {
        let n: usize = text.parse().map_err(|_| refuse())?;
        return if n == 0 {
            Err(PathFault("`[0]`: positions count from 1".to_owned()))
        } else {
            Ok(Predicate::Position(n))
        };
    };
    let Some((name, value)) = rest.split_once('=') else {
        return Ok(Predicate::Has(attribute(rest, prefixes)?));
    };
    let value = value.trim();
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or_else(refuse)?;
    let value = value[1..].strip_suffix(quote).filter(|v| !v.contains(quote)).ok_or_else(refuse)?;
    Ok(Predicate::Equals(attribute(name.trim(), prefixes)?, value.to_owned()))
}

fn attribute(name: &str, prefixes: &Prefixes) -> Result<Attribute, PathFault> {
    let (uri, local) = qualified(name, prefixes)?;
    Ok(Attribute { uri, local })
}

fn qualified(name: &str, prefixes: &Prefixes) -> Result<(Option<String>, String), PathFault> {
    let (prefix, local) = match name.split_once(':') {
        Some((prefix, local)) => (Some(prefix), local),
        None => (None, name),
    };
    let is_name = |part: &str| {
        part.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
    };
    if !is_name(local) || prefix.is_some_and(|p| !is_name(p)) {
        return Err(PathFault(format!("`{name}` is not a name")));
    }
    let uri = match prefix {
        None => None,
        // The one prefix that XML itself declares.
        Some("xml") => Some("http://www.w3.org/XML/1998/namespace".to_owned()),
        Some(prefix) => Some(
            prefixes
                .get(prefix)
                .cloned()
                .ok_or_else(|| PathFault(format!("the prefix `{prefix}` is not declared under `ns`")))?,
        ),
    };
    Ok((uri, local.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::record::test_record;
    use super::*;

    fn prefixes() -> Prefixes {
        Prefixes::from([("c".to_owned(), "urn:c".to_owned())])
    }

    fn values(xml: &str, path: &str) -> Vec<String> {
        ColumnPath::parse(path, &prefixes()).unwrap().values(&test_record(xml))
    }

    #[test]
    fn each_form_of_the_subset_gives_what_xpath_gives() {
        let xml = "<r xmlns='urn:c' a='0'><id root='1' n=''/><id root='2'/><id>own<b>in</b>&amp;ner</id><x xmlns=''>y</x></r>";
        for (path, expected) in [
            ("@a", vec!["0"]),
            ("c:id/@root", vec!["1", "2"]),
            ("c:id[2]/@root", vec!["2"]),
            ("c:id[@root='2']/@root", vec!["2"]),
            ("c:id[@root][1]/@n", vec![""]),
            ("c:id[not(@root)]", vec!["owninner"]),
            ("c:id[3]/text()", vec!["own&ner"]),
            ("c:id[not(@root)]/c:b", vec!["in"]),
            ("x", vec!["y"]),
            ("c:x", vec![]),
            ("id", vec![]),
            ("*[4]", vec!["y"]),
            (".", vec!["owninnery"]),
        ] {
            let expected: Vec<String> = expected
                .into_iter()
                .map(|e| if e.starts_with("ownin") { e.replace("owninner", "ownin&ner") } else { e.to_owned() })
                .collect();
            assert_eq!(values(xml, path), expected, "{path}");
        }
    }

    #[test]
    fn what_is_outside_the_subset_says_what_is_inside() {
        for (path, expected) in [
            ("a//b", "`a//b`: `//` is allowed at the beginning of `record` only; write the steps out"),
            ("/a", "`/a`: a step is empty; a path begins at the record, without `/`"),
            ("d:a", "the prefix `d` is not declared under `ns`"),
            ("a[last()]", "`[last()]` is not one of [@a='x'], [@a], [not(@a)], [n]"),
            ("a[0]", "`[0]`: positions count from 1"),
            ("a[@b='x]", "`a[@b='x]`: a quote or bracket is not closed"),
            ("a[1]b", "`a[1]b`: text after a predicate"),
            ("parent::a", "`parent::a` is not a name"),
            ("", "``: a step is empty; a path begins at the record, without `/`"),
        ] {
            assert_eq!(ColumnPath::parse(path, &prefixes()).unwrap_err().to_string(), expected);
        }
        assert!(RecordPath::parse("//c:a[1]", &prefixes()).is_err());
        assert!(ElementsPath::parse("c:a/@b", &prefixes()).is_err());
    }

    proptest! {
        #[test]
        fn no_path_makes_the_reader_panic(path in "[a-c:/@\\[\\]='\"().0-9*é ]{0,24}") {
            let _ = ColumnPath::parse(&path, &prefixes());
            let _ = RecordPath::parse(&path, &prefixes());
        }
    }
}
