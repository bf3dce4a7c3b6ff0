//! What JSON and XML allow and FHIR does not: the faults that reading left behind, as findings.

use epr_fhir::Resource;
use epr_fhir::resource::{FaultKind, SourceFault};
use epr_model::Severity;

use super::walk::Walk;
use crate::finding::{Finding, key_for_message};
use crate::issues;
use crate::tally::BaseRule;

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn source_faults(&mut self, resource: &Resource) {
        self.checker.tally.count(BaseRule::Syntax, !resource.faults().is_empty());
        for fault in resource.faults() {
            let code = match fault.kind {
                // Told where the walk meets the second of the two.
                FaultKind::DuplicateKey => continue,
                FaultKind::Element => issues::VAL_UNKNOWN_ELEMENT,
                FaultKind::NoContent => issues::VAL_EMPTY,
                FaultKind::Comment
                | FaultKind::MissingComma
                | FaultKind::ExtraComma
                | FaultKind::UnquotedName
                | FaultKind::UnquotedValue
                | FaultKind::Number
                | FaultKind::Escape
                | FaultKind::ControlCharacter => issues::VAL_NEARLY_JSON,
                _ => issues::VAL_XML,
            };
            let path = if fault.path.is_empty() { self.root_type(resource) } else { fault.path.clone() };
            let detail = format!("{}; line {}, column {}", what(fault), fault.line, fault.column);
            let definition = String::new();
            self.issues.push(Finding { code, severity: Severity::Error, path, detail, definition });
        }
    }

    fn root_type(&self, resource: &Resource) -> String {
        let name = resource.root().text("resourceType");
        name.filter(|name| self.checker.program.resources.contains_key(*name)).unwrap_or_default().to_owned()
    }
}

fn what(fault: &SourceFault) -> String {
    match fault.kind {
        FaultKind::Element => {
            format!("expected an element of {}, found {}", fault.type_name, key_for_message(&fault.name))
        }
        FaultKind::Attribute => {
            format!("expected an attribute that the element has, found {}", key_for_message(&fault.name))
        }
        kind => kind.text().to_owned(),
    }
}
