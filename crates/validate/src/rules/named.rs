//! Pages of hazards that no rule of this crate looks for: a mapping file names them (`hazard: DA-01`) where it knows
//! that something is wrong, and the issue then comes under the hazard's id. Severities: the project's catalogue.

use super::{HazardDoc, HazardSeverity};
use HazardSeverity::{Catastrophic as C, Considerable as K, Major as M, Significant as S};

/// By id.
pub const NAMED: &[HazardDoc] = &[
    page(
        "AL-04",
        M,
        "an absence of allergies was turned into \"no known allergies\"",
        "That nobody wrote anything down is not that somebody asked. Map an empty list as empty, never as a denial.",
    ),
    page(
        "AL-05",
        M,
        "an allergy's clinical or verification status was changed",
        "A refuted allergy that is active again keeps a medicine from a patient; an active one that is refuted does \
         not. Compare the code maps of both statuses with the source's words.",
    ),
    page(
        "AP-03",
        S,
        "an appointment without a clinic, or two in one slot",
        "The patient does not know where to go, or somebody waits. Correct the clinic in the source.",
    ),
    page(
        "CO-02",
        K,
        "a code that is inactive, or a description's id where a concept's belongs",
        "Searches and decision support do not see it. Replace it by the concept that the terminology names.",
    ),
    page(
        "CO-03",
        S,
        "an ICD-10 or OPCS-4 code that is not written as such",
        "Coding and returns do not see the entry. Correct it in the source, or map it.",
    ),
    page(
        "DA-01",
        S,
        "a local time without an offset, or read under a rule that the mapping declares",
        "Which hour is meant was decided by the mapping file, not by the source. The issue's line in the mapping says \
         how. Where the hour matters, look at the rows.",
    ),
    page(
        "DA-04",
        S,
        "a value that must be there was not, and the mapping's own stands for it",
        "The default is the mapping's guess. Its line in the mapping says which; have the source completed.",
    ),
    page(
        "DA-05",
        S,
        "a partial date became a whole one",
        "A year became its first of January. Age and order of events may be wrong. Map what is known and no more.",
    ),
    page(
        "DE-04",
        K,
        "the discharge method says that the patient died, and the record does not, or the reverse",
        "Letters go to the dead, or stop for the living. Correct the one that is wrong in the source.",
    ),
    page(
        "DO-01",
        M,
        "a letter is missing, empty, damaged, or another patient's",
        "What was promised to the general practitioner or the patient cannot be read. Find the document in the source.",
    ),
    page(
        "EN-03",
        S,
        "an admission or discharge code that is none of the national ones",
        "Returns and bed reports are wrong. Add the code to the code map, or correct it in the source.",
    ),
    page(
        "EN-04",
        S,
        "an emergency attendance without a site or an arrival time",
        "Waits cannot be counted. Complete the attendance in the source.",
    ),
    page(
        "ID-05",
        M,
        "records were merged outside the automatic rule without a signed decision",
        "Two people's records may have become one. Look at both, and undo the merge or sign it.",
    ),
    page(
        "ID-07",
        M,
        "a local hospital number is lost, or not unique in its assigner",
        "Paper notes and other systems know the patient by it. Map it under the system of its own organisation.",
    ),
    page(
        "ID-11",
        M,
        "a restricted record without its restriction",
        "An address that must stay hidden is shown to all. Do not load such records without the restriction; ask the \
         source's registration team for the list.",
    ),
    page(
        "ID-12",
        M,
        "a baby linked to the wrong mother or to none, or a multiple birth without its order",
        "Results and blood groups of one reach the other. Correct the link in the maternity system.",
    ),
    page(
        "ME-01",
        M,
        "an active medicine is lost, or there twice",
        "A dose is left out, or given twice. Compare with the source's own list of the patient.",
    ),
    page(
        "ME-02",
        C,
        "a dose's unit or size was changed",
        "Ten or a thousand times the dose. Nothing of this kind is loaded before a pharmacist has looked at it.",
    ),
    page(
        "ME-03",
        M,
        "a dose as text and a structured dose say two things",
        "Whoever reads the one gives another than whoever reads the other. A pharmacist decides.",
    ),
    page(
        "ME-04",
        K,
        "a route or a frequency was left out",
        "The order cannot be carried out as it was meant. Map it, or keep the source's words as text.",
    ),
    page(
        "ME-05",
        K,
        "a medicine without a dm+d code",
        "Interactions and allergies are not checked against it. Add it to the code map.",
    ),
    page(
        "OR-01",
        S,
        "an organisation or a person of staff that is closed or unknown",
        "The correct general practice is what carries letters. Look the code up, and correct the registration.",
    ),
    page(
        "RE-01",
        M,
        "a result without its unit, reference range or abnormal flag, or with another",
        "A number without a unit is read as the usual one. Map what the laboratory sent, or keep the result as text.",
    ),
    page(
        "RE-02",
        C,
        "a result at the wrong patient, or whose specimen was taken after the report",
        "A decision is made on another patient's result. Trace the request before anything of it is loaded.",
    ),
    page(
        "RT-03",
        S,
        "a specialty that is no treatment function, or a main specialty in its place",
        "Waiting lists are reported under the wrong specialty. Correct the code map.",
    ),
    page(
        "RT-04",
        M,
        "an urgent or two-week-wait priority was lost",
        "The patient waits in the routine queue. Compare the priorities of the source with the output.",
    ),
];

const fn page(id: &'static str, hazard: HazardSeverity, title: &'static str, explanation: &'static str) -> HazardDoc {
    HazardDoc::new(id, hazard, title, explanation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_sorted_unique_and_as_the_catalogue_has_them() {
        assert!(NAMED.is_sorted_by(|a, b| a.issue.code < b.issue.code));
        for doc in NAMED {
            let code = doc.issue.code;
            assert_eq!(epr_model::hazard::severity(code), Some(doc.hazard), "{code}");
            assert!(super::super::HAZARDS.iter().all(|h| h.issue.code != code), "{code} has a rule");
        }
    }
}
