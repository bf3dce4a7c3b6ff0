//! EN-03: an admission or discharge code that is none of the national ones.

use epr_fhir::Node;

use super::reading::{codings, last_segment};
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "EN-03",
    HazardSeverity::Significant,
    "an admission or discharge code that is none of the national ones",
    "Returns and bed reports are wrong. What the source says stands as text, or under a code that the national list \
     does not have. Add the code to the code map, or correct it in the source. Source: NHS Data Dictionary, ADMISSION \
     METHOD, SOURCE OF ADMISSION, DISCHARGE METHOD, DISCHARGE DESTINATION.",
);

const ADMISSION_METHODS: &[&str] = &[
    "11", "12", "13", "21", "22", "23", "24", "25", "28", "2A", "2B", "2C", "2D", "31", "32", "81", "82", "83", "98",
    "99",
];
const DISCHARGE_METHODS: &[&str] = &["1", "2", "3", "4", "5", "6", "7", "8", "9"];
const SOURCES: &[&str] = &[
    "19", "29", "37", "39", "40", "42", "49", "51", "52", "53", "54", "55", "56", "65", "66", "79", "85", "87", "88",
    "98", "99",
];
const DESTINATIONS: &[&str] = &[
    "19", "29", "30", "37", "38", "40", "42", "48", "49", "50", "51", "52", "53", "54", "55", "56", "65", "66", "79",
    "84", "85", "87", "88", "98", "99",
];

pub struct En03;

impl ResourceRule for En03 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Encounter"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        // The lists are those of inpatient care.
        if resource.get("class").and_then(|c| c.text("code")) != Some("IMP") {
            return;
        }
        let stay = resource.get("hospitalization");
        let mut ask = |concept: Option<Node<'_>>, path: String, known: &[&str]| {
            let Some(concept) = concept else { return };
            if codings(concept).filter_map(|c| c.text("code")).any(|code| known.contains(&code)) {
                return;
            }
            let found = if codings(concept).next().is_some() { "another code" } else { "words only" };
            out.push(HazardFinding { path, detail: format!("expected a code of the national list, found {found}") });
        };
        for (prefix, element) in [("", Some(resource)), ("hospitalization.", stay)] {
            let extensions = element.and_then(|e| e.get("extension")).into_iter().flat_map(Node::items);
            for (i, extension) in extensions.enumerate() {
                let known = match extension.text("url").map(last_segment) {
                    Some("Extension-UKCore-AdmissionMethod") => ADMISSION_METHODS,
                    Some("Extension-UKCore-DischargeMethod") => DISCHARGE_METHODS,
                    _ => continue,
                };
                let path = format!("{prefix}extension[{i}].value.ofType(CodeableConcept)");
                ask(extension.get("valueCodeableConcept"), path, known);
            }
        }
        let of_stay = |name: &str| stay.and_then(|s| s.get(name));
        ask(of_stay("admitSource"), "hospitalization.admitSource".to_owned(), SOURCES);
        ask(of_stay("dischargeDisposition"), "hospitalization.dischargeDisposition".to_owned(), DESTINATIONS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    fn of(rest: &str) -> Vec<String> {
        found(&En03, &format!(r#"{{"class":{{"code":"IMP"}},{rest}}}"#))
    }

    fn extension(name: &str, value: &str) -> String {
        format!(
            r#""extension":[{{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-{name}","valueCodeableConcept":{value}}}]"#
        )
    }

    fn coded(code: &str) -> String {
        format!(r#"{{"coding":[{{"code":"{code}"}}]}}"#)
    }

    #[test]
    fn en_03_is_raised_for_local_codes_and_for_words() {
        assert_eq!(
            of(&extension("DischargeMethod", r#"{"text":"ZZ"}"#)),
            ["extension[0].value.ofType(CodeableConcept): expected a code of the national list, found words only"]
        );
        let stay = |inner: &str| of(&format!(r#""hospitalization":{{{inner}}}"#)).len();
        assert_eq!(stay(&extension("AdmissionMethod", &coded("77"))), 1);
        assert_eq!(stay(&format!(r#""admitSource":{},"dischargeDisposition":{}"#, coded("1"), coded("2"))), 2);
    }

    #[test]
    fn en_03_is_silent_for_national_codes_nothing_and_other_classes() {
        let stay = format!(
            r#""hospitalization":{{{},"admitSource":{}}},{}"#,
            extension("AdmissionMethod", &coded("2A")),
            coded("19"),
            extension("DischargeMethod", &coded("4"))
        );
        assert!(of(&stay).is_empty());
        assert!(of(r#""status":"finished""#).is_empty());
        let other = r#"{"class":{"code":"VR"},"hospitalization":{"dischargeDisposition":{"text":"x"}}}"#;
        assert!(found(&En03, other).is_empty());
    }
}
