//! FHIR R4: packages, definitions, and resources read with exact digits.
