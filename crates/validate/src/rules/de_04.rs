//! DE-04: the way of discharge and the record of a death contradict each other.
//!
//! Run-wide: the one stands in the spell, the other in the person's record (`crate::stage`).

use epr_fhir::Node;

use super::reading::extension_code;
use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "DE-04",
    HazardSeverity::Considerable,
    "the discharge method says that the patient died, and the record does not, or the reverse",
    "Letters go to the dead, or stop for the living. Method 4 is a death, 5 a stillbirth; a death within a spell ends \
     it with one of them. Correct the one that is wrong in the source. Source: NHS Data Dictionary, DISCHARGE METHOD.",
);

/// The last segment of the URL of the extension that holds the method.
pub(crate) const METHOD_EXTENSION: &str = "Extension-UKCore-DischargeMethod";

/// How a spell ended, as far as this rule goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discharge {
    Died,
    /// A method that is no death.
    Alive,
}

/// Reads the method of an Encounter; none where it says none, or that it is not known.
pub(crate) fn discharge(encounter: Node<'_>) -> Option<Discharge> {
    let on_stay = || encounter.get("hospitalization").and_then(|h| extension_code(h, METHOD_EXTENSION));
    match extension_code(encounter, METHOD_EXTENSION).or_else(on_stay)? {
        "4" | "5" => Some(Discharge::Died),
        "1" | "2" | "3" | "6" | "7" => Some(Discharge::Alive),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn de_04_reads_the_method_at_either_place() {
        let of = |json: &str| discharge(epr_fhir::Resource::parse_json(json.as_bytes()).unwrap().root());
        let extension = |code: &str| {
            format!(
                r#""extension":[{{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-DischargeMethod","valueCodeableConcept":{{"coding":[{{"code":"{code}"}}]}}}}]"#
            )
        };
        assert_eq!(of(&format!("{{{}}}", extension("4"))), Some(Discharge::Died));
        assert_eq!(of(&format!(r#"{{"hospitalization":{{{}}}}}"#, extension("5"))), Some(Discharge::Died));
        assert_eq!(of(&format!("{{{}}}", extension("1"))), Some(Discharge::Alive));
        assert_eq!(of(&format!("{{{}}}", extension("9"))), None);
        assert_eq!(of("{}"), None);
    }
}
