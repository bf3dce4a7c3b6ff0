//! CO-03: an ICD-10 or OPCS-4 code that is not written as such.

use epr_fhir::Node;
use epr_model::shape;

use super::reading::codings;
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "CO-03",
    HazardSeverity::Significant,
    "an ICD-10 or OPCS-4 code that is not written as such",
    "Coding and returns do not see the entry. ICD-10 is a letter and two digits, then up to two more after a point, X \
     as a filler; OPCS-4 a letter, two digits and one more. Correct it in the source, or map it. Source: NHS Data \
     Dictionary, ICD (4 to 6 characters) and OPCS (4).",
);

const ICD_10: [&str; 2] = ["http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-uk"];

pub struct Co03;

impl ResourceRule for Co03 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Condition", "Procedure"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        for (i, coding) in resource.get("code").into_iter().flat_map(codings).enumerate() {
            let (Some(system), Some(code)) = (coding.text("system"), coding.text("code")) else { continue };
            let (name, is_right): (_, fn(&str) -> bool) = if ICD_10.contains(&system) {
                ("ICD-10", is_icd_10)
            } else if system.to_ascii_lowercase().contains("opcs") {
                ("OPCS-4", is_opcs_4)
            } else {
                continue;
            };
            if !is_right(code) {
                out.push(HazardFinding {
                    path: format!("code.coding[{i}].code"),
                    detail: format!("expected an {name} code, found {}", shape::of_text(code)),
                });
            }
        }
    }
}

/// `A00`, `A009`, `A00.9`, `M45.X0`, with a dagger or an asterisk after it.
fn is_icd_10(code: &str) -> bool {
    let code = code.strip_suffix(['D', 'A', '*', '+', '\u{2020}']).unwrap_or(code);
    let Some((head, rest)) = code.as_bytes().split_at_checked(3) else { return false };
    let rest = rest.strip_prefix(b".").map_or((rest, false), |after| (after, true));
    let (digits, has_point) = rest;
    letter_and_two_digits(head)
        && digits.len() <= 2
        && (!has_point || !digits.is_empty())
        && digits.iter().all(|b| b.is_ascii_digit() || *b == b'X')
}

/// `A01`, `A011`, `A01.1`.
fn is_opcs_4(code: &str) -> bool {
    let Some((head, rest)) = code.as_bytes().split_at_checked(3) else { return false };
    letter_and_two_digits(head)
        && match rest {
            [] => true,
            [b'.', last] | [last] => last.is_ascii_digit(),
            _ => false,
        }
}

fn letter_and_two_digits(head: &[u8]) -> bool {
    matches!(head, [letter, a, b] if letter.is_ascii_uppercase() && a.is_ascii_digit() && b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    #[test]
    fn co_03_knows_how_both_are_written() {
        for code in ["I10", "E11.9", "E119", "M45.X0", "I10X", "A17.0D", "G01.0*", "I10.X"] {
            assert!(is_icd_10(code), "{code}");
        }
        for code in ["", "1O1", "E1", "E11.", "e11.9", "E11.9999", "11.9", "E11 9", "73211009"] {
            assert!(!is_icd_10(code), "{code}");
        }
        for code in ["W37", "W371", "W37.1"] {
            assert!(is_opcs_4(code), "{code}");
        }
        for code in ["W3", "W37.12", "37.1", "w37.1", "W37.X"] {
            assert!(!is_opcs_4(code), "{code}");
        }
    }

    #[test]
    fn co_03_looks_at_these_two_systems_only() {
        let of = |system: &str, code: &str| {
            let coding = format!(r#"{{"system":"{system}","code":"{code}"}}"#);
            found(&Co03, &format!(r#"{{"code":{{"coding":[{coding}]}}}}"#))
        };
        assert_eq!(of(ICD_10[0], "E1I.9"), ["code.coding[0].code: expected an ICD-10 code, found 5 characters, ada.d"]);
        assert_eq!(of("https://fhir.hl7.org.uk/Id/opcs-4", "W3").len(), 1);
        assert!(of("http://snomed.info/sct", "73211009").is_empty());
    }
}
