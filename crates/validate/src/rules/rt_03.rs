//! RT-03: a specialty that is no treatment function.

use epr_fhir::{Node, NodeKind};
use epr_model::shape;

use super::reading::{codings, last_segment};
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "RT-03",
    HazardSeverity::Significant,
    "a specialty that is no treatment function, or a main specialty in its place",
    "Waiting lists are reported under the wrong specialty. A treatment function is what the service treats; a main \
     specialty is what its consultant is qualified in, and UK Core's practice setting codes are main specialties. \
     Correct the code map. Source: NHS Data Dictionary, TREATMENT FUNCTION CODE and MAIN SPECIALTY CODE.",
);

/// The national treatment functions, retired ones of the last years among them. Source: NHS Data Dictionary.
#[rustfmt::skip]
const TREATMENT_FUNCTIONS: &[u16] = &[
    100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 113, 115, 120, 130, 140, 141, 142, 143, 144, 145,
    150, 160, 161, 170, 171, 172, 173, 174, 180, 190, 191, 192, 199, 200, 211, 212, 213, 214, 215, 216, 217, 218,
    219, 220, 221, 222, 223, 230, 240, 241, 242, 250, 251, 252, 253, 254, 255, 256, 257, 258, 259, 260, 261, 262,
    263, 264, 270, 280, 290, 291, 300, 301, 302, 303, 304, 305, 306, 307, 308, 309, 310, 311, 313, 314, 315, 316,
    317, 318, 319, 320, 321, 322, 323, 324, 325, 326, 327, 328, 329, 330, 331, 333, 335, 340, 341, 342, 343, 344,
    345, 346, 347, 348, 350, 352, 360, 361, 370, 371, 400, 401, 410, 420, 421, 422, 424, 430, 431, 450, 451, 460,
    461, 499, 501, 502, 503, 504, 505, 560, 650, 651, 652, 653, 654, 655, 656, 657, 658, 659, 660, 661, 662, 663,
    670, 673, 675, 677, 700, 710, 711, 712, 713, 715, 720, 721, 722, 723, 724, 725, 726, 727, 730, 800, 811, 812,
    822, 834, 840, 920,
];

/// Last segments of the code systems of treatment functions, and of that of main specialties in UK Core.
const FUNCTION_SYSTEMS: [&str; 3] =
    ["NHSDataModelAndDictionary-treatment-function", "UKCore-TreatmentFunctionCode", "treatment-function"];

pub struct Rt03;

impl ResourceRule for Rt03 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Appointment", "Encounter", "EpisodeOfCare", "ServiceRequest"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        for name in ["serviceType", "specialty", "performerType", "type", "code"] {
            let Some(element) = resource.get(name) else { continue };
            if element.kind() == NodeKind::Array {
                for (i, concept) in element.items().enumerate() {
                    ask(concept, &mut |j| format!("{name}[{i}].coding[{j}].code"), out);
                }
            } else {
                ask(element, &mut |j| format!("{name}.coding[{j}].code"), out);
            }
        }
    }
}

fn ask(concept: Node<'_>, path: &mut dyn FnMut(usize) -> String, out: &mut Vec<HazardFinding>) {
    for (i, coding) in codings(concept).enumerate() {
        let Some(code) = coding.text("code") else { continue };
        let is_function_system = coding.text("system").is_some_and(|s| FUNCTION_SYSTEMS.contains(&last_segment(s)));
        if is_function_system && !is_function(code) {
            out.push(HazardFinding {
                path: path(i),
                detail: format!("expected a national treatment function, found {}", shape::of_text(code)),
            });
        }
    }
}

fn is_function(code: &str) -> bool {
    code.len() == 3 && code.parse().is_ok_and(|code| TREATMENT_FUNCTIONS.binary_search(&code).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    #[test]
    fn rt_03_knows_treatment_functions_in_order() {
        assert!(TREATMENT_FUNCTIONS.is_sorted_by(|a, b| a < b));
        for code in ["100", "320", "502", "834"] {
            assert!(is_function(code), "{code}");
        }
        // Main specialties that are no treatment functions, and what is neither.
        for code in ["500", "600", "601", "823", "900", "901", "999", "0100", "1"] {
            assert!(!is_function(code), "{code}");
        }
    }

    #[test]
    fn rt_03_is_raised_in_each_element_that_holds_a_specialty() {
        let system = "https://fhir.nhs.uk/CodeSystem/NHSDataModelAndDictionary-treatment-function";
        let coding = format!(r#"{{"coding":[{{"system":"{system}","code":"600"}}]}}"#);
        assert_eq!(
            found(&Rt03, &format!(r#"{{"serviceType":[{coding}],"performerType":{coding}}}"#)),
            [
                "serviceType[0].coding[0].code: expected a national treatment function, found 3 characters, ddd",
                "performerType.coding[0].code: expected a national treatment function, found 3 characters, ddd"
            ]
        );
        assert!(found(&Rt03, r#"{"code":{"coding":[{"system":"http://snomed.info/sct","code":"600"}]}}"#).is_empty());
    }
}
