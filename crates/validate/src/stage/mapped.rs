//! Hazards that mapping met and told under codes of its own: a code that no map knows, a sentinel in a date of birth
//! or death, a default in the place of a value. They are told again under the hazard's id, at the same row and column.

use std::collections::BTreeMap;

use epr_model::{Action, Issue, Stage};
use epr_run::records;
use epr_run::{RunError, StageContext};

use super::Output;
use super::people::People;
use crate::rules::{HazardDoc, co_04, da_04, de_02, id_09, me_02, rt_04};

/// Writes a hazard for each such issue of mapping; gives how many, by code.
pub(super) fn tell(
    ctx: StageContext<'_>,
    people: &People,
    out: &mut Output,
) -> Result<BTreeMap<&'static str, u64>, RunError> {
    let mut counts = BTreeMap::new();
    let Some(map) = ctx.run.finished(Stage::Map)? else { return Ok(counts) };
    for (n, issue) in records::read::<Issue>(&map)?.enumerate() {
        if n % 65_536 == 0 {
            ctx.stop.check()?;
        }
        let issue = issue?;
        let path = issue.fhir_path.as_deref().unwrap_or_default();
        let defaulted = is_default(&issue.code, issue.action).then_some(&da_04::DOC);
        let is_patient = issue.resource_type.as_deref() == Some("Patient");
        for doc in hazard(&issue.code, path).into_iter().chain(defaulted) {
            *counts.entry(doc.issue.code).or_default() += 1;
            out.push(&Issue {
                code: doc.issue.code.to_owned(),
                severity: doc.issue.severity,
                stage: Stage::Validate,
                resource_id: issue.resource_id.map(|id| if is_patient { people.person(id) } else { id }),
                patient_key: issue.patient_key.map(|id| people.person(id)),
                ..issue.clone()
            })?;
        }
    }
    Ok(counts)
}

/// Whether a value that the mapping declares took the place of one that must be there.
fn is_default(code: &str, action: Action) -> bool {
    action == Action::Defaulted && da_04::MAPPING_CODES.contains(&code)
}

/// The hazard that an issue of mapping stands for: the worst, where it stands for several.
fn hazard(code: &str, path: &str) -> Option<&'static HazardDoc> {
    match code {
        co_04::MAPPING_CODE if path.starts_with(co_04::NOT_HERE) => None,
        co_04::MAPPING_CODE if is_dose(path) => Some(&me_02::DOC),
        co_04::MAPPING_CODE if path.starts_with(rt_04::ELEMENT) => Some(&rt_04::DOC),
        co_04::MAPPING_CODE => Some(&co_04::DOC),
        id_09::MAPPING_CODE if path.starts_with("Patient.birthDate") => Some(&id_09::DOC),
        id_09::MAPPING_CODE if path.starts_with("Patient.deceased") => Some(&de_02::DOC),
        _ => None,
    }
}

fn is_dose(path: &str) -> bool {
    path.starts_with("Medication") && path.contains("doseQuantity")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(mapping: &str, path: &str) -> Option<&'static str> {
        hazard(mapping, path).map(|doc| doc.issue.code)
    }

    #[test]
    fn mapping_issues_become_hazards_where_the_element_matters() {
        assert_eq!(code("MAP0420", "Flag.code.coding[0]"), Some("CO-04"));
        assert_eq!(code("MAP0420", "AllergyIntolerance.criticality"), Some("CO-04"));
        assert_eq!(code("MAP0420", "AllergyIntolerance.code"), None);
        assert_eq!(code("MAP0420", "ServiceRequest.priority"), Some("RT-04"));
        assert_eq!(code("MAP0420", "MedicationStatement.dosage.doseAndRate.doseQuantity.code"), Some("ME-02"));
        assert_eq!(code("MAP0410", "Patient.birthDate"), Some("ID-09"));
        assert_eq!(code("MAP0410", "Patient.deceasedDateTime"), Some("DE-02"));
        assert_eq!(code("MAP0410", "Encounter.period.end"), None);
        assert_eq!(code("MAP0421", "Flag.code"), None);
        assert_eq!(code("MAP0423", "Appointment.status"), None);
    }

    #[test]
    fn a_default_in_the_place_of_a_value_is_da_04() {
        assert!(is_default("MAP0423", Action::Defaulted));
        assert!(is_default("MAP0420", Action::Defaulted));
        assert!(!is_default("MAP0420", Action::Degraded));
        // A rule of reading a time is no default of a value.
        assert!(!is_default("MAP0405", Action::Defaulted));
    }
}
