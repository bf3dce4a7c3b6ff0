//! ID-05: a merge that nobody signed, that leads in a circle, or whose survivor is not in use.
//!
//! Run-wide: a merge lies between two Patients (`crate::stage`).

use epr_fhir::Node;

use super::reading::reference_to;
use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "ID-05",
    HazardSeverity::Major,
    "a merge outside the automatic rule without a signed decision, in a circle, or with an inactive survivor",
    "Two people's records may have become one, or one person's record leads nowhere. A merge that the source itself \
     made is not the project's own: link did not find it by verified number, date of birth and family name. Look at \
     both records; undo the merge in the source, or correct what keeps link from finding it.",
);

/// The record that takes the place of a Patient, as its links say.
pub(crate) fn replaced_by(patient: Node<'_>) -> Option<&str> {
    patient
        .get("link")
        .into_iter()
        .flat_map(Node::items)
        .filter(|l| l.text("type") == Some("replaced-by"))
        .find_map(|l| reference_to(l.get("other")?, "Patient"))
}

/// The records that a Patient takes the place of.
pub(crate) fn replaces(patient: Node<'_>) -> impl Iterator<Item = &str> {
    patient
        .get("link")
        .into_iter()
        .flat_map(Node::items)
        .filter(|l| l.text("type") == Some("replaces"))
        .filter_map(|l| reference_to(l.get("other")?, "Patient"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_05_reads_both_ends_of_a_merge() {
        let link = |kind: &str| {
            format!(
                r#"{{"link":[{{"type":"seealso","other":{{"reference":"Patient/1"}}}},{{"type":"{kind}","other":{{"reference":"Patient/2"}}}}]}}"#
            )
        };
        let read = |json: &str| epr_fhir::Resource::parse_json(json.as_bytes()).unwrap();
        let (by, of) = (read(&link("replaced-by")), read(&link("replaces")));
        assert_eq!(replaced_by(by.root()), Some("2"));
        assert_eq!(replaced_by(of.root()), None);
        assert_eq!(replaces(of.root()).collect::<Vec<_>>(), ["2"]);
    }
}
