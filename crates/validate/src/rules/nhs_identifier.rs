//! The identifiers of a Patient that claim to be NHS numbers.

use epr_fhir::Node;

pub(super) const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
const STATUS: &str = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus";

/// One such identifier.
pub(super) struct NhsIdentifier<'a> {
    /// `identifier[i]`.
    pub(super) path: String,
    pub(super) value: Option<&'a str>,
    /// The code of the verification status: `01` is verified.
    pub(super) status: Option<&'a str>,
}

pub(super) fn all(patient: Node<'_>) -> impl Iterator<Item = NhsIdentifier<'_>> {
    let identifiers = patient.get("identifier").into_iter().flat_map(Node::items).enumerate();
    identifiers.filter(|(_, id)| id.text("system") == Some(NHS_NUMBER)).map(|(i, id)| NhsIdentifier {
        path: format!("identifier[{i}]"),
        value: id.text("value"),
        status: status(id),
    })
}

fn status(identifier: Node<'_>) -> Option<&str> {
    let mut extensions = identifier.get("extension")?.items();
    let status = extensions.find(|e| e.text("url") == Some(STATUS))?;
    status.get("valueCodeableConcept")?.get("coding")?.items().find_map(|c| c.text("code"))
}
