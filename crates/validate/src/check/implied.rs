//! Profiles that a resource must meet although nobody names them: the vital signs.
//!
//! Source: FHIR R4, observation-vitalsigns: "Any resource that represents a vital sign SHALL conform to the profile".
//! The codes are those by which the reference validator knows a vital sign.

use epr_fhir::Node;

const LOINC: &str = "http://loinc.org";
const SNOMED_CT: &str = "http://snomed.info/sct";

/// Whether a profile is one that a code alone asks for.
pub(crate) fn is_implied(profile: &str) -> bool {
    VITAL_SIGNS.iter().any(|(url, ..)| *url == profile)
}

/// Profile, LOINC codes, SNOMED CT codes. LOINC is asked first, in this order; then SNOMED CT.
const VITAL_SIGNS: &[(&str, &[&str], &[&str])] = &[
    ("http://hl7.org/fhir/StructureDefinition/vitalspanel", &["85353-1"], &["46680005"]),
    (
        "http://hl7.org/fhir/StructureDefinition/resprate",
        &["11291-2", "19840-8", "33438-3", "76170-0", "76171-8", "76172-6", "76270-8", "9279-1"],
        &["271306003", "271625008", "86290005"],
    ),
    (
        "http://hl7.org/fhir/StructureDefinition/heartrate",
        &[
            "11328-2", "40443-4", "55425-3", "60978-4", "68999-2", "69000-8", "73795-7", "73799-9", "76476-1",
            "76477-9", "8867-4", "8886-4", "8889-8", "8890-6", "8891-4", "8892-2", "8893-0",
        ],
        &["249043002", "251670001", "271306003", "399017001", "429525003", "429614003", "444981005"],
    ),
    (
        "http://hl7.org/fhir/StructureDefinition/oxygensat",
        &[
            "19224-5", "20564-1", "2708-6", "2709-4", "2710-2", "2713-6", "51733-4", "59408-5", "59417-6", "89276-0",
            "97549-0",
        ],
        &["431314004", "442476006"],
    ),
    (
        "http://hl7.org/fhir/StructureDefinition/bodytemp",
        &[
            "60834-9", "60835-6", "60836-4", "60838-0", "60955-2", "61009-7", "75539-7", "75987-8", "76010-8",
            "76011-6", "76278-1", "8309-7", "8310-5", "8328-7", "8329-5", "8330-3", "8331-1", "8332-9", "8333-7",
            "8334-5", "91371-5", "98657-0", "98663-8",
        ],
        &[
            "1222808002",
            "276885007",
            "300076005",
            "307047009",
            "364246006",
            "386725007",
            "415882003",
            "415929009",
            "415945006",
            "415974002",
            "431598003",
            "698831002",
            "698832009",
            "708499008",
        ],
    ),
    (
        "http://hl7.org/fhir/StructureDefinition/bodyheight",
        &["3137-7", "3138-5", "8302-2", "8306-3", "8308-9"],
        &["1153637007", "1162392001", "1162417005", "1162418000", "1162419008", "1230278008", "50373000"],
    ),
    (
        "http://hl7.org/fhir/StructureDefinition/headcircum",
        &["8287-5", "9843-4"],
        &["1269262007", "169876006", "363811000", "363812007"],
    ),
    (
        "http://hl7.org/fhir/StructureDefinition/bodyweight",
        &["29463-7", "3141-9", "3142-7", "75292-3", "79348-9", "8350-1", "8351-9"],
        &["1162415002", "1162416001", "424927000", "425024002", "735395000", "784399000"],
    ),
    ("http://hl7.org/fhir/StructureDefinition/bmi", &["39156-5", "89270-3"], &["60621009"]),
    (
        "http://hl7.org/fhir/StructureDefinition/bp",
        &["35094-2", "55284-4", "76534-7", "8459-0", "8480-6", "85354-9"],
        &[
            "163033001",
            "163035008",
            "251076008",
            "271649006",
            "271650006",
            "386534000",
            "386536003",
            "399304008",
            "407554009",
            "407556006",
            "716579001",
        ],
    ),
];

/// The profile of the vital sign that an Observation's code names.
pub(super) fn profile_of(observation: Node<'_>) -> Option<&'static str> {
    let codings = || observation.get("code").and_then(|code| code.get("coding")).into_iter().flat_map(Node::items);
    let has = |system: &str, codes: &[&str]| {
        codings().any(|coding| {
            coding.text("system") == Some(system)
                && coding.text("code").is_some_and(|code| codes.binary_search(&code).is_ok())
        })
    };
    let is_known = codings().any(|coding| matches!(coding.text("system"), Some(LOINC | SNOMED_CT)));
    if !is_known {
        return None;
    }
    let by_loinc = VITAL_SIGNS.iter().find(|(_, codes, _)| has(LOINC, codes));
    by_loinc.or_else(|| VITAL_SIGNS.iter().find(|(_, _, codes)| has(SNOMED_CT, codes))).map(|(url, _, _)| *url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_sorted_for_the_search() {
        assert!(VITAL_SIGNS.iter().all(|(_, loinc, snomed)| loinc.is_sorted() && snomed.is_sorted()));
    }
}
