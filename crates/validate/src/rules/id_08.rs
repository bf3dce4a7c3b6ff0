//! ID-08: a patient without a name, a date of birth or a gender.

use epr_fhir::{Node, NodeKind};

use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "ID-08",
    HazardSeverity::Considerable,
    "a patient without a name, a date of birth or a gender",
    "R4 and UK Core allow a Patient without them; a ward cannot identify such a person. Find them in the source, or \
     let the registration team complete the record before the load.",
);

pub struct Id08;

impl ResourceRule for Id08 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Patient"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        let mut missing = |path: &str, what: &str| {
            out.push(HazardFinding { path: path.to_owned(), detail: format!("expected {what}, found none") });
        };
        if !resource.get("name").is_some_and(|names| names.items().any(has_text)) {
            missing("name", "a family name, a given name or a name as text");
        }
        if resource.text("birthDate").is_none() {
            missing("birthDate", "a date of birth");
        }
        if resource.text("gender").is_none() {
            missing("gender", "a gender");
        }
    }
}

fn has_text(name: Node<'_>) -> bool {
    let given = name.get("given").filter(|g| g.kind() == NodeKind::Array);
    name.text("family").is_some()
        || name.text("text").is_some()
        || given.is_some_and(|g| g.items().any(|i| i.as_str().is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    #[test]
    fn id_08_is_raised_for_each_thing_that_is_missing() {
        assert_eq!(found(&Id08, "{}").len(), 3);
        assert_eq!(
            found(&Id08, r#"{"name":[{"use":"official"}],"birthDate":"1950","gender":"male"}"#),
            ["name: expected a family name, a given name or a name as text, found none"]
        );
    }

    #[test]
    fn id_08_is_silent_where_all_three_are_there() {
        assert!(found(&Id08, r#"{"name":[{"given":["A"]}],"birthDate":"1950","gender":"unknown"}"#).is_empty());
    }
}
