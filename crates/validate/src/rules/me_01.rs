//! ME-01: a medicine that is taken, lost or there twice.
//!
//! Run-wide: the source's own count is compared with what is delivered, row by row, and equal entries of one source
//! are seen where all of a patient's medicines are known (`crate::stage`).

use epr_fhir::Node;

use super::dose::is_current;
use super::reading::codings;
use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "ME-01",
    HazardSeverity::Major,
    "an active medicine is lost, or there twice",
    "A dose is left out, or given twice. The source's own count (`controls:` in the source spec, domain `medication`) \
     names a row of which no active medicine came; two current entries of one source with the same product, dose and \
     start are one medicine written twice. Compare with the source's own list of the patient.",
);

/// What makes two entries of one source the same: product, start and dose, where there are a product and a start.
pub(crate) fn sameness(medicine: Node<'_>) -> Option<String> {
    if !is_current(medicine) {
        return None;
    }
    let concept = medicine.get("medicationCodeableConcept")?;
    let product = codings(concept).find_map(|c| c.text("code")).or_else(|| concept.text("text"))?;
    let period = medicine.get("effectivePeriod");
    let start = period.and_then(|p| p.text("start")).or_else(|| medicine.text("authoredOn"))?;
    let dosage = medicine.get("dosage").or_else(|| medicine.get("dosageInstruction"));
    let dose = dosage.map(Node::raw).unwrap_or_default();
    Some(format!("{product}\n{start}\n{}", String::from_utf8_lossy(dose)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn me_01_takes_product_start_and_dose_of_current_medicines() {
        let of = |status: &str, start: &str, dose: &str| {
            let json = format!(
                r#"{{"status":"{status}","medicationCodeableConcept":{{"text":"x"}},"effectivePeriod":{{"start":"{start}"}},"dosage":[{{"text":"{dose}"}}]}}"#
            );
            sameness(epr_fhir::Resource::parse_json(json.as_bytes()).unwrap().root())
        };
        assert_eq!(of("active", "2026", "one"), of("active", "2026", "one"));
        assert_ne!(of("active", "2026", "one"), of("active", "2026", "two"));
        assert_ne!(of("active", "2026", "one"), of("active", "2025", "one"));
        assert_eq!(of("completed", "2026", "one"), None);
    }
}
