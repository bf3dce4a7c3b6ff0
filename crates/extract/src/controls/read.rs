//! The keys under `controls:`. Reading goes on after a mistake, so that all are told at once.
//!
//! ```yaml
//! controls:
//!   - domain: appointment
//!     table: SCHEDULES
//!     when: { ARCHV_FLAG: N, ATTND_CODE: [ '0' ] }     # '' is null or blank; { not: [ … ] } turns it round
//!     at: { column: START_DTTM, format: '%d/%m/%Y %H:%M', zone: Europe/London }
//!     future: true                                     # only where `at` is after the run's as_of
//!     specialty: SPEC_CODE
//!     place: CLINIC_CODE
//!     patient: PATNT_REFNO                             # the key of the patient's own row
//! ```

use std::ops::Range;

use epr_model::Domain;
use epr_model::yaml::{self, Key, Node};

use super::time::{TimeFormat, TimeReader};
use super::{ControlSpec, DOMAINS, Named, TimeColumn, When};
use crate::spec::SpecFault;
use crate::spec::fault::nearest;

const KEYS: [&str; 10] =
    ["domain", "table", "when", "open", "at", "future", "specialty", "place", "pathway", "patient"];
const TIME_KEYS: [&str; 3] = ["column", "format", "zone"];

/// Reads the list under `controls:`; `text` is the whole spec, for places.
pub fn read(text: &str, node: &Node) -> (Vec<ControlSpec>, Vec<SpecFault>) {
    list(text, "controls", node, Reader::control)
}

/// Reads the list under `key`, item by item.
pub(super) fn list<'t, T>(
    text: &'t str,
    key: &str,
    node: &Node,
    item: impl Fn(&mut Reader<'t>, &Node) -> Option<T>,
) -> (Vec<T>, Vec<SpecFault>) {
    let mut reader = Reader { text, faults: Vec::new() };
    let Some(items) = node.as_sequence() else {
        reader.fault(&node.span, format!("`{key}` is a list, not {}", node.describe()), None);
        return (Vec::new(), reader.faults);
    };
    let read = items.iter().filter_map(|node| item(&mut reader, node)).collect();
    (read, reader.faults)
}

pub(super) struct Reader<'t> {
    text: &'t str,
    faults: Vec<SpecFault>,
}

impl Reader<'_> {
    pub(super) fn fault(&mut self, span: &Range<usize>, message: impl Into<String>, help: Option<String>) {
        let place = yaml::position(self.text, span.start);
        self.faults.push(SpecFault { line: place.line, column: place.column, message: message.into(), help });
    }

    fn control(&mut self, node: &Node) -> Option<ControlSpec> {
        let Some(members) = node.as_mapping() else {
            self.fault(&node.span, format!("a control must be a mapping, not {}", node.describe()), None);
            return None;
        };
        self.known_keys(members, &KEYS, "a control");
        let domain = self.domain(node, &DOMAINS);
        let table = self.required(node, "table");
        let when = self.when(node);
        let open = self.time(node, "open");
        let at = self.time(node, "at");
        let future = self.flag(node, "future");
        if future && node.get("at").is_none() {
            let span = node.get("future").map_or_else(|| node.span.clone(), |n| n.span.clone());
            self.fault(&span, "`future` needs `at`: the column that says when", None);
        }
        let specialty = self.optional(node, "specialty");
        let place = self.optional(node, "place");
        let pathway = self.optional(node, "pathway");
        let patient = match node.get("patient") {
            None => Vec::new(),
            Some(value) => self.names(value, "`patient`"),
        };
        let (domain, table) = (domain?, table?);
        let (keeps, is_counted) = (Vec::new(), true);
        Some(ControlSpec {
            domain,
            table,
            when,
            open,
            at,
            future,
            specialty,
            place,
            pathway,
            patient,
            keeps,
            is_counted,
        })
    }

    pub(super) fn domain(&mut self, node: &Node, domains: &[Domain]) -> Option<Domain> {
        let named = self.required(node, "domain")?;
        let found = domains.iter().copied().find(|d| d.as_str() == named.name);
        if found.is_none() {
            let all: Vec<&str> = domains.iter().copied().map(Domain::as_str).collect();
            let help = match nearest(&named.name, all.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the domains are {}", all.join(", ")),
            };
            let span = node.get("domain").map_or_else(|| node.span.clone(), |n| n.span.clone());
            self.fault(&span, format!("`{}` is no domain in which a source is counted", named.name), Some(help));
        }
        found
    }

    pub(super) fn when(&mut self, node: &Node) -> Vec<When> {
        let Some(value) = node.get("when") else { return Vec::new() };
        let Some(members) = value.as_mapping() else {
            self.fault(&value.span, format!("`when` must be a mapping, not {}", value.describe()), None);
            return Vec::new();
        };
        members.iter().filter_map(|(key, value)| self.condition(key, value)).collect()
    }

    fn condition(&mut self, key: &Key, value: &Node) -> Option<When> {
        let column = self.named(&key.text, &key.span);
        let (is_not, list) = match value.as_mapping() {
            None => (false, value),
            Some(members) => {
                self.known_keys(members, &["not"], "a condition");
                (true, value.get("not")?)
            }
        };
        let items: Vec<&Node> = list.as_sequence().map_or_else(|| vec![list], |items| items.iter().collect());
        let values: Vec<String> = items.iter().filter_map(|i| i.as_text().map(str::to_owned)).collect();
        if values.len() != items.len() || values.is_empty() {
            let help = Some("'' stands for null or blank".to_owned());
            self.fault(&list.span, "a condition is a text or a list of texts", help);
            return None;
        }
        Some(When { column, values, is_not })
    }

    /// `at: COLUMN`, or `at: { column: COLUMN, format: …, zone: … }`.
    fn time(&mut self, node: &Node, key: &str) -> Option<TimeColumn> {
        let value = node.get(key)?;
        if let Some(name) = value.as_text() {
            let column = self.named(name, &value.span);
            return Some(TimeColumn { column, reader: TimeReader::default() });
        }
        let Some(members) = value.as_mapping() else {
            self.fault(&value.span, format!("`{key}` is a column's name or `{{ column, format, zone }}`"), None);
            return None;
        };
        self.known_keys(members, &TIME_KEYS, &format!("`{key}`"));
        let column = self.required(value, "column");
        let mut reader = TimeReader::default();
        if let Some(format) = value.get("format") {
            reader.formats = self.formats(format);
        }
        if let Some(zone) = value.get("zone") {
            let name = zone.as_text().unwrap_or_default();
            match jiff::tz::TimeZone::get(name) {
                Ok(found) => reader.zone = found,
                Err(_) => self.fault(&zone.span, format!("`{name}` is no zone of the tz database"), None),
            }
        }
        Some(TimeColumn { column: column?, reader })
    }

    fn formats(&mut self, node: &Node) -> Vec<TimeFormat> {
        let items: Vec<&Node> = node.as_sequence().map_or_else(|| vec![node], |items| items.iter().collect());
        let mut formats = Vec::new();
        for item in items {
            let text = item.as_text().unwrap_or_default();
            match TimeFormat::parse(text) {
                Some(format) => formats.push(format),
                None => self.fault(
                    &item.span,
                    format!("`{text}` is no format that gives a day"),
                    Some("for example '%d/%m/%Y %H:%M', or `horolog`; a typed column needs none".to_owned()),
                ),
            }
        }
        formats
    }

    fn flag(&mut self, node: &Node, key: &str) -> bool {
        let Some(value) = node.get(key) else { return false };
        match value.as_text() {
            Some("true") => true,
            Some("false") => false,
            _ => {
                self.fault(&value.span, format!("`{key}` is `true` or `false`"), None);
                false
            }
        }
    }

    pub(super) fn required(&mut self, node: &Node, key: &str) -> Option<Named> {
        if node.get(key).is_none() {
            self.fault(&node.span, format!("a control needs `{key}`"), None);
        }
        self.optional(node, key)
    }

    pub(super) fn optional(&mut self, node: &Node, key: &str) -> Option<Named> {
        let value = node.get(key)?;
        let name = value.as_text().filter(|t| !t.is_empty());
        if name.is_none() {
            self.fault(&value.span, format!("`{key}` must be a name, not {}", value.describe()), None);
        }
        Some(self.named(name?, &value.span))
    }

    pub(super) fn names(&mut self, node: &Node, what: &str) -> Vec<Named> {
        let items: Vec<&Node> = node.as_sequence().map_or_else(|| vec![node], |items| items.iter().collect());
        let names: Vec<Named> = items
            .iter()
            .filter_map(|i| i.as_text().filter(|t| !t.is_empty()).map(|t| self.named(t, &i.span)))
            .collect();
        if names.len() != items.len() || names.is_empty() {
            self.fault(&node.span, format!("{what} is a column's name or a list of names"), None);
        }
        names
    }

    pub(super) fn named(&self, name: &str, span: &Range<usize>) -> Named {
        let place = yaml::position(self.text, span.start);
        Named { name: name.to_owned(), line: place.line, column: place.column }
    }

    pub(super) fn known_keys(&mut self, members: &[(Key, Node)], known: &[&str], what: &str) {
        for (key, _) in members.iter().filter(|(k, _)| !known.contains(&k.text.as_str())) {
            let help = match nearest(&key.text, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("its keys are {}", known.join(", ")),
            };
            self.fault(&key.span, format!("`{}` is not a key of {what}", key.text), Some(help));
        }
    }
}
