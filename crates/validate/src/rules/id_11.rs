//! ID-11: a record that the source keeps back, delivered to everybody.
//!
//! Run-wide: what the source says of the row (`keep:` of a control) is compared with what is delivered
//! (`crate::stage`).

use epr_fhir::Node;

use super::reading::last_segment;
use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "ID-11",
    HazardSeverity::Major,
    "a restricted record without its restriction",
    "An address that must stay hidden is shown to all; an adopted person's old name, a witness's new one. Map the \
     source's flag to `meta.security` (confidentiality R or V), or leave such records out until the registration team \
     has decided. Source: Records Management Code of Practice, appendix III.",
);

/// Whether a resource carries a confidentiality above the ordinary.
pub(crate) fn is_restricted(resource: Node<'_>) -> bool {
    let labels = resource.get("meta").and_then(|m| m.get("security"));
    labels.into_iter().flat_map(Node::items).any(|label| {
        label.text("system").is_some_and(|s| last_segment(s) == "v3-Confidentiality")
            && matches!(label.text("code"), Some("R" | "V"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_11_takes_r_and_v_of_the_confidentiality_codes_only() {
        let is = |system: &str, code: &str| {
            let json = format!(r#"{{"meta":{{"security":[{{"system":"{system}","code":"{code}"}}]}}}}"#);
            is_restricted(epr_fhir::Resource::parse_json(json.as_bytes()).unwrap().root())
        };
        let system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
        assert!(is(system, "R") && is(system, "V"));
        assert!(!is(system, "N"));
        assert!(!is("urn:x", "R"));
    }
}
