//! The entries of `keeps:`: what of a row must reach the output unchanged, in the source's own words.
//!
//! ```yaml
//! keeps:
//!   - domain: allergy
//!     table: ALLERGIES
//!     when: { ARCHV_FLAG: [ N ] }
//!     patient: PATNT_REFNO
//!     keep:
//!       status: { column: STATUS, as: { A: active, R: refuted } }   # the words of the output
//!       code: ALLERGY_CODE
//! ```
//!
//! The translation under `as` is written by who knows the source, apart from the code maps of the mapping: a fault of
//! the one is not a fault of the other. A value that `as` does not have is not compared.

use epr_model::Domain;
use epr_model::yaml::Node;
use sha2::{Digest, Sha256};

use super::read::{Reader, list};
use super::{ControlSpec, Named};
use crate::spec::SpecFault;

/// The domains of which something can be kept.
pub const DOMAINS: [Domain; 7] = [
    Domain::Pmi,
    Domain::Allergy,
    Domain::Problem,
    Domain::Referral,
    Domain::Medication,
    Domain::Observation,
    Domain::Document,
];

/// What can be kept: a name, and the domains in which it means something.
pub const NAMES: [(&str, &[Domain]); 13] = [
    ("code", &[Domain::Allergy]),
    ("date", &[Domain::Pmi, Domain::Problem]),
    ("dose", &[Domain::Medication]),
    ("flag", &[Domain::Observation]),
    ("frequency", &[Domain::Medication]),
    ("gender", &[Domain::Pmi]),
    ("number", &[Domain::Pmi]),
    ("priority", &[Domain::Referral]),
    ("range", &[Domain::Observation]),
    ("restricted", &[Domain::Pmi]),
    ("route", &[Domain::Medication]),
    ("status", &[Domain::Allergy]),
    ("unit", &[Domain::Observation]),
];

/// One thing that must be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    pub name: &'static str,
    /// Joined by a space.
    pub columns: Vec<Named>,
    /// The source's words and those of the output; empty where they are the same.
    pub words: Vec<(String, String)>,
}

impl Keep {
    /// What is written of the cells of a row; none where there is nothing to compare.
    pub fn value(&self, cells: &[String]) -> Option<String> {
        let joined = cells.iter().map(|c| c.trim()).filter(|c| !c.is_empty()).collect::<Vec<_>>().join(" ");
        if !self.words.is_empty() {
            return self.words.iter().find(|(source, _)| *source == joined).map(|(_, output)| output.clone());
        }
        match self.name {
            // That nothing is said is what must be kept.
            "code" => Some(joined),
            _ if joined.is_empty() => None,
            "date" => Some(precision(&joined).to_owned()),
            // A number of a person is compared by its hash alone.
            "number" => Some(hash(&joined)),
            _ => Some(joined),
        }
    }
}

/// How much a date says, by the groups of digits in it.
fn precision(text: &str) -> &'static str {
    let day = text.split([' ', 'T']).next().unwrap_or_default();
    let groups: Vec<&str> = day.split(|c: char| !c.is_ascii_digit()).filter(|g| !g.is_empty()).collect();
    match groups[..] {
        [year] if year.len() == 4 => "year",
        [whole] if whole.len() == 6 => "month",
        [_, _] => "month",
        _ => "day",
    }
}

/// The first 16 bytes of a SHA-256, in hex.
pub fn hash(text: &str) -> String {
    use std::fmt::Write;
    Sha256::digest(text.as_bytes())[..16].iter().fold(String::with_capacity(32), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// Reads the list under `keeps:`; `text` is the whole spec, for places.
pub fn read(text: &str, node: &Node) -> (Vec<ControlSpec>, Vec<SpecFault>) {
    list(text, "keeps", node, entry)
}

fn entry(reader: &mut Reader<'_>, node: &Node) -> Option<ControlSpec> {
    let Some(members) = node.as_mapping() else {
        reader.fault(&node.span, format!("an entry of `keeps` must be a mapping, not {}", node.describe()), None);
        return None;
    };
    reader.known_keys(members, &["domain", "table", "when", "patient", "keep"], "an entry of `keeps`");
    let domain = reader.domain(node, &DOMAINS);
    let table = reader.required(node, "table");
    let when = reader.when(node);
    let patient = match node.get("patient") {
        None => Vec::new(),
        Some(value) => reader.names(value, "`patient`"),
    };
    let Some(members) = node.get("keep").and_then(Node::as_mapping) else {
        reader.fault(&node.span, "an entry of `keeps` needs `keep`: names and columns", None);
        return None;
    };
    let (domain, table) = (domain?, table?);
    let mut keeps: Vec<Keep> = Vec::new();
    for (key, value) in members {
        let known = NAMES.iter().find(|(name, of)| *name == key.text && of.contains(&domain));
        let Some((name, _)) = known else {
            let all: Vec<&str> = NAMES.iter().filter(|(_, of)| of.contains(&domain)).map(|(n, _)| *n).collect();
            let help = Some(format!("of {} can be kept: {}", domain.as_str(), all.join(", ")));
            reader.fault(&key.span, format!("`{}` is nothing that can be kept here", key.text), help);
            continue;
        };
        keeps.push(Keep { name, columns: columns(reader, value), words: words(reader, value) });
    }
    keeps.sort_by_key(|k| k.name);
    if keeps.is_empty() && patient.is_empty() {
        reader.fault(&node.span, "an entry of `keeps` needs something under `keep`, or `patient`", None);
        return None;
    }
    Some(ControlSpec {
        domain,
        table,
        when,
        open: None,
        at: None,
        future: false,
        specialty: None,
        place: None,
        pathway: None,
        patient,
        keeps,
        is_counted: false,
    })
}

/// `COLUMN`, `[ COLUMN, … ]` or `{ column: …, as: … }`.
fn columns(reader: &mut Reader<'_>, value: &Node) -> Vec<Named> {
    let Some(members) = value.as_mapping() else { return reader.names(value, "what is kept") };
    reader.known_keys(members, &["column", "as"], "what is kept");
    match value.get("column") {
        Some(column) => reader.names(column, "`column`"),
        None => reader.required(value, "column").into_iter().collect(),
    }
}

fn words(reader: &mut Reader<'_>, value: &Node) -> Vec<(String, String)> {
    let Some(table) = value.as_mapping().and_then(|_| value.get("as")) else { return Vec::new() };
    let Some(members) = table.as_mapping() else {
        reader.fault(&table.span, format!("`as` must be a mapping, not {}", table.describe()), None);
        return Vec::new();
    };
    members.iter().filter_map(|(key, value)| Some((key.text.clone(), value.as_text()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(name: &'static str, words: &[(&str, &str)]) -> Keep {
        let words = words.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Keep { name, columns: Vec::new(), words }
    }

    fn value(keep: &Keep, cells: &[&str]) -> Option<String> {
        keep.value(&cells.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_kept_is_in_the_words_of_the_output() {
        let status = keep("status", &[("A", "active"), ("R", "refuted")]);
        assert_eq!(value(&status, &["R "]).as_deref(), Some("refuted"));
        assert_eq!(value(&status, &["Q"]), None);
        assert_eq!(value(&keep("dose", &[]), &["5", "mg"]).as_deref(), Some("5 mg"));
        assert_eq!(value(&keep("dose", &[]), &[" "]), None);
        assert_eq!(value(&keep("code", &[]), &[]).as_deref(), Some(""));
    }

    #[test]
    fn of_a_date_its_precision_is_kept_and_of_a_number_its_hash() {
        let date = keep("date", &[]);
        for (text, expected) in [
            ("1950", "year"),
            ("07/1950", "month"),
            ("1950-07", "month"),
            ("195007", "month"),
            ("02/07/1950", "day"),
            ("02/07/1950 00:00", "day"),
            ("1950-07-02T00:00", "day"),
            ("19500702", "day"),
        ] {
            assert_eq!(value(&date, &[text]).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(value(&keep("number", &[]), &["D1"]).map(|h| h.len()), Some(32));
    }
}
