//! AL-03: "no known allergies" beside an allergy of the same person.
//!
//! Run-wide, after link: the two often come from two organisations (`crate::stage`).

use epr_fhir::Node;

use super::reading::{SNOMED, codings, has_code};
use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "AL-03",
    HazardSeverity::Major,
    "\"no known allergies\" stands beside an active allergy of the same person",
    "Whoever reads the first does not look for the second. A negated statement must not stand beside what it denies; \
     which of the two is right is for a clinician to say. Correct it in the source that is wrong. Source: UK Core \
     hazard log, FHIR006.",
);

/// What an allergy entry says, as far as this rule goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statement {
    /// Nothing is known, of any kind.
    NoneKnown,
    /// Nothing is known of one kind of substance.
    NoneKnownOf(Kind),
    /// Something is there; its kind, where the entry says it.
    Present(Option<Kind>),
    /// Inactive, refuted or entered in error.
    Nothing,
}

/// The categories of R4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Food,
    Medication,
    Environment,
}

/// "No known allergy" and its descendants. Source: SNOMED CT.
const NONE_KNOWN: [(&str, Option<Kind>); 6] = [
    ("716186003", None),
    ("409137002", Some(Kind::Medication)),
    ("429625007", Some(Kind::Food)),
    ("428607008", Some(Kind::Environment)),
    ("716184000", Some(Kind::Environment)),
    ("428197003", Some(Kind::Environment)),
];

/// Reads an AllergyIntolerance.
pub(crate) fn statement(resource: Node<'_>) -> Statement {
    if has_code(resource, "clinicalStatus", &["inactive", "resolved"])
        || has_code(resource, "verificationStatus", &["refuted", "entered-in-error"])
    {
        return Statement::Nothing;
    }
    let mut codes = resource.get("code").into_iter().flat_map(codings);
    let negated = codes.find_map(|coding| {
        let code = coding.text("code").filter(|_| coding.text("system") == Some(SNOMED))?;
        NONE_KNOWN.iter().find(|(known, _)| *known == code)
    });
    match negated {
        Some((_, None)) => Statement::NoneKnown,
        Some((_, Some(kind))) => Statement::NoneKnownOf(*kind),
        None => Statement::Present(kind_of(resource)),
    }
}

/// Whether a denial and a statement contradict each other.
pub(crate) fn contradicts(denial: Statement, other: Statement) -> bool {
    match (denial, other) {
        (Statement::NoneKnown, Statement::Present(_)) => true,
        // An entry that does not say of which kind it is may be of this one.
        (Statement::NoneKnownOf(kind), Statement::Present(of)) => of.is_none_or(|of| of == kind),
        _ => false,
    }
}

fn kind_of(resource: Node<'_>) -> Option<Kind> {
    let mut categories = resource.get("category").into_iter().flat_map(Node::items).filter_map(Node::as_str);
    categories.find_map(|category| match category {
        "food" => Some(Kind::Food),
        "medication" => Some(Kind::Medication),
        "environment" => Some(Kind::Environment),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rest: &str) -> Statement {
        let resource = epr_fhir::Resource::parse_json(format!("{{{rest}}}").as_bytes()).unwrap();
        statement(resource.root())
    }

    fn code(code: &str) -> String {
        format!(r#""code":{{"coding":[{{"system":"http://snomed.info/sct","code":"{code}"}}]}}"#)
    }

    #[test]
    fn al_03_is_raised_for_a_denial_beside_what_it_denies() {
        let (none, penicillin) = (of(&code("716186003")), of(&code("91936005")));
        assert!(contradicts(none, penicillin));
        assert!(contradicts(none, of(r#""code":{"text":"x"}"#)));
        assert!(contradicts(of(&code("409137002")), penicillin));
        let egg = of(&format!(r#"{},"category":["food"]"#, code("91930004")));
        assert!(contradicts(of(&code("429625007")), egg));
    }

    #[test]
    fn al_03_is_silent_for_other_kinds_two_denials_and_what_does_not_hold() {
        let none = of(&code("716186003"));
        let egg = of(&format!(r#"{},"category":["food"]"#, code("91930004")));
        assert!(!contradicts(of(&code("409137002")), egg));
        assert!(!contradicts(none, of(&code("409137002"))));
        assert!(!contradicts(egg, egg));
        for status in [
            r#""clinicalStatus":{"coding":[{"code":"resolved"}]}"#,
            r#""verificationStatus":{"coding":[{"code":"refuted"}]}"#,
        ] {
            assert!(!contradicts(none, of(&format!("{},{status}", code("91936005")))));
        }
    }
}
