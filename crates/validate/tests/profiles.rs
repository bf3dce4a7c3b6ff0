//! Profiles: what each way of telling slices apart finds, extensions by their definitions, profiles claimed and assigned.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests too")]

mod r4;

use std::collections::BTreeMap;

use epr_fhir::package::PackageSource;
use epr_fhir::{Definitions, Resource};
use epr_model::Severity;
use epr_validate::{Checker, Program};

const PROFILE: &str = "http://example.org/StructureDefinition/p";

/// A definition on R4 by its differential, as a package.
fn definition(url: &str, type_name: &str, more: &str, elements: &str) -> PackageSource {
    let kind = if type_name == "Extension" { "complex-type" } else { "resource" };
    let json = format!(
        r#"{{ "resourceType": "StructureDefinition", "url": "{url}", "name": "P", "kind": "{kind}", "abstract": false,
             "type": "{type_name}", "derivation": "constraint", {more}
             "baseDefinition": "http://hl7.org/fhir/StructureDefinition/{type_name}",
             "differential": {{ "element": [ {elements} ] }} }}"#
    );
    let name = format!("{}.json", url.rsplit('/').next().unwrap());
    PackageSource { path: name.clone().into(), sha256: String::new(), files: vec![(name, json.into_bytes())] }
}

/// The errors of a resource against the profile, code and path; and the rules that were not checked.
fn judge(definitions: &Definitions, type_name: &str, resource: &str) -> (Vec<String>, Vec<String>) {
    assert_eq!(definitions.snapshot_faults(), []);
    let assigned = BTreeMap::from([(type_name.to_owned(), PROFILE.to_owned())]);
    let program = Program::compile(definitions, &assigned).unwrap();
    let mut checker = Checker::new(&program);
    let findings = checker.check(&Resource::parse_json(resource.as_bytes()).unwrap());
    let errors = findings.issues.iter().filter(|issue| issue.severity >= Severity::Error);
    let errors = errors.map(|issue| format!("{} {}", issue.code, issue.path)).collect();
    let ledger = epr_validate::check::ledger(&program, [&checker]);
    (errors, ledger.not_checked.into_iter().map(|line| line.rule).collect())
}

/// Each resource with the errors that it must have.
fn expect(type_name: &str, elements: &str, cases: &[(&str, &[&str])]) {
    let Some(definitions) = r4::with(&[definition(PROFILE, type_name, "", elements)]) else { return };
    for (members, expected) in cases {
        let resource = format!(r#"{{ "resourceType": "{type_name}", {members} }}"#);
        assert_eq!(judge(&definitions, type_name, &resource).0, *expected, "{members}");
    }
}

const BY_SYSTEM: &str = r#"
    { "id": "Patient.identifier", "path": "Patient.identifier",
      "slicing": { "discriminator": [ { "type": "value", "path": "system" } ], "rules": "open" } },
    { "id": "Patient.identifier:nhs", "path": "Patient.identifier", "sliceName": "nhs", "min": 1, "max": "1" },
    { "id": "Patient.identifier:nhs.system", "path": "Patient.identifier.system", "min": 1, "fixedUri": "urn:nhs" },
    { "id": "Patient.identifier:nhs.value", "path": "Patient.identifier.value", "min": 1 }"#;

#[test]
fn slices_by_value_are_counted_and_checked_each_by_itself() {
    expect(
        "Patient",
        BY_SYSTEM,
        &[
            (r#""identifier": [ { "system": "urn:a" }, { "system": "urn:nhs", "value": "1" } ]"#, &[]),
            (r#""active": true"#, &["VAL0030 Patient.identifier"]),
            (r#""identifier": [ { "system": "urn:nhs" } ]"#, &["VAL0030 Patient.identifier[0].value"]),
            (
                r#""identifier": [ { "system": "urn:nhs", "value": "1" }, { "system": "urn:nhs", "value": "2" } ]"#,
                &["VAL0031 Patient.identifier"],
            ),
        ],
    );
}

#[test]
fn a_closed_list_takes_no_other_item_and_an_ordered_one_no_other_order() {
    let closed = r#"
        { "id": "Patient.name", "path": "Patient.name",
          "slicing": { "discriminator": [ { "type": "value", "path": "use" } ], "ordered": true, "rules": "closed" } },
        { "id": "Patient.name:official", "path": "Patient.name", "sliceName": "official" },
        { "id": "Patient.name:official.use", "path": "Patient.name.use", "min": 1, "fixedCode": "official" },
        { "id": "Patient.name:old", "path": "Patient.name", "sliceName": "old" },
        { "id": "Patient.name:old.use", "path": "Patient.name.use", "min": 1, "fixedCode": "old" }"#;
    expect(
        "Patient",
        closed,
        &[
            (r#""name": [ { "use": "official" , "text": "a" }, { "use": "old", "text": "b" } ]"#, &[]),
            (r#""name": [ { "use": "usual", "text": "a" } ]"#, &["VAL0044 Patient.name[0]"]),
            (
                r#""name": [ { "use": "old", "text": "b" }, { "use": "official" , "text": "a" } ]"#,
                &["VAL0046 Patient.name[1]"],
            ),
        ],
    );
    let open_at_end = BY_SYSTEM.replace("\"open\"", "\"openAtEnd\"");
    let mixed = r#""identifier": [ { "system": "urn:a" }, { "system": "urn:nhs", "value": "1" } ]"#;
    // As the reference validator has it, this is told and is no error.
    expect("Patient", &open_at_end, &[(mixed, &[])]);
}

#[test]
fn slices_by_pattern_by_existence_and_by_type_are_told_apart() {
    let by_pattern = r#"
        { "id": "Observation.category", "path": "Observation.category",
          "slicing": { "discriminator": [ { "type": "pattern", "path": "$this" } ], "rules": "open" } },
        { "id": "Observation.category:lab", "path": "Observation.category", "sliceName": "lab", "min": 1,
          "patternCodeableConcept": { "coding": [ { "system": "urn:c", "code": "lab" } ] } }"#;
    let category = |code: &str| {
        format!(
            r#""status": "final", "code": {{ "text": "x" }}, "category": [ {{ "coding": [ {{ "system": "urn:c", "code": "{code}" }} ] }} ]"#
        )
    };
    let (lab, other) = (category("lab"), category("other"));
    expect("Observation", by_pattern, &[(&lab, &[]), (&other, &["VAL0030 Observation.category"])]);

    let by_existence = r#"
        { "id": "Patient.contact", "path": "Patient.contact",
          "slicing": { "discriminator": [ { "type": "exists", "path": "name" } ], "rules": "open" } },
        { "id": "Patient.contact:named", "path": "Patient.contact", "sliceName": "named", "max": "1" },
        { "id": "Patient.contact:named.name", "path": "Patient.contact.name", "min": 1 }"#;
    let named = r#"{ "name": { "text": "a" } }"#;
    let cases = [format!(r#""contact": [ {named} ]"#), format!(r#""contact": [ {named}, {named} ]"#)];
    expect("Patient", by_existence, &[(&cases[0], &[]), (&cases[1], &["VAL0031 Patient.contact"])]);

    let by_type = r#"
        { "id": "Observation.valueQuantity", "path": "Observation.valueQuantity", "min": 1 },
        { "id": "Observation.valueQuantity.unit", "path": "Observation.valueQuantity.unit", "min": 1 }"#;
    let value = |value: &str| format!(r#""status": "final", "code": {{ "text": "x" }}, {value}"#);
    let cases = [
        value(r#""valueQuantity": { "value": 1, "unit": "m" }"#),
        value(r#""valueQuantity": { "value": 1 }"#),
        value(r#""valueBoolean": true"#),
    ];
    expect(
        "Observation",
        by_type,
        &[
            (&cases[0], &[]),
            (&cases[1], &["VAL0030 Observation.value.ofType(Quantity).unit"]),
            (
                &cases[2],
                &[
                    "VAL0043 Observation.value.ofType(boolean)",
                    "VAL0044 Observation.value.ofType(boolean)",
                    "VAL0030 Observation.value",
                ],
            ),
        ],
    );
}

#[test]
fn what_tells_slices_apart_behind_a_reference_out_of_reach_is_not_checked() {
    let by_target = r#"
        { "id": "Patient.generalPractitioner", "path": "Patient.generalPractitioner",
          "slicing": { "discriminator": [ { "type": "value", "path": "resolve().active" } ], "rules": "closed" } },
        { "id": "Patient.generalPractitioner:live", "path": "Patient.generalPractitioner", "sliceName": "live", "min": 1,
          "type": [ { "code": "Reference", "targetProfile": [ "http://example.org/StructureDefinition/live" ] } ] }"#;
    let live = definition(
        "http://example.org/StructureDefinition/live",
        "Practitioner",
        "",
        r#"{ "id": "Practitioner.active", "path": "Practitioner.active", "min": 1, "fixedBoolean": true }"#,
    );
    let Some(definitions) = r4::with(&[definition(PROFILE, "Patient", "", by_target), live]) else { return };
    let patient = |more: &str| format!(r#"{{ "resourceType": "Patient", {more} }}"#);
    let (errors, open) =
        judge(&definitions, "Patient", &patient(r#""generalPractitioner": [ { "reference": "Practitioner/1" } ]"#));
    assert!(errors.is_empty() && open.iter().any(|rule| rule == "slicing"), "{errors:?} {open:?}");
    let contained = |active: &str| {
        patient(&format!(
            r##""contained": [ {{ "resourceType": "Practitioner", "id": "g", "active": {active} }} ],
                "generalPractitioner": [ {{ "reference": "#g" }} ]"##
        ))
    };
    assert_eq!(judge(&definitions, "Patient", &contained("true")).0, Vec::<String>::new());
    let (errors, _) = judge(&definitions, "Patient", &contained("false"));
    assert_eq!(errors, ["VAL0044 Patient.generalPractitioner[0]", "VAL0030 Patient.generalPractitioner"]);
}

#[test]
fn an_extension_is_checked_by_its_definition() {
    let url = "http://example.org/StructureDefinition/e";
    let context = r#""context": [ { "type": "element", "expression": "Patient.contact" } ],"#;
    let parts = format!(
        r#"{{ "id": "Extension", "path": "Extension" }},
           {{ "id": "Extension.extension:since", "path": "Extension.extension", "sliceName": "since", "min": 1, "max": "1" }},
           {{ "id": "Extension.extension:since.url", "path": "Extension.extension.url", "fixedUri": "since" }},
           {{ "id": "Extension.extension:since.value[x]", "path": "Extension.extension.value[x]", "min": 1, "type": [ {{ "code": "date" }} ] }},
           {{ "id": "Extension.url", "path": "Extension.url", "fixedUri": "{url}" }},
           {{ "id": "Extension.value[x]", "path": "Extension.value[x]", "max": "0" }}"#
    );
    let profile = definition(PROFILE, "Patient", "", r#"{ "id": "Patient.name", "path": "Patient.name" }"#);
    let Some(definitions) = r4::with(&[profile, definition(url, "Extension", context, &parts)]) else { return };
    let part = r#"{ "url": "since", "valueDate": "2020-01-01" }"#;
    let extension = |parts: &str| format!(r#"[ {{ "url": "{url}", "extension": [ {parts} ] }} ]"#);
    let contact = |parts: &str| {
        let extension = extension(parts);
        format!(
            r#"{{ "resourceType": "Patient", "contact": [ {{ "extension": {extension}, "name": {{ "text": "a" }} }} ] }}"#
        )
    };
    let errors = |resource: &str| judge(&definitions, "Patient", resource).0;
    assert_eq!(errors(&contact(part)), Vec::<String>::new());
    let elsewhere = format!(r#"{{ "resourceType": "Patient", "extension": {} }}"#, extension(part));
    assert_eq!(errors(&elsewhere), ["VAL0037 Patient.extension[0]"]);
    let modifier = contact(part).replacen("\"extension\"", "\"modifierExtension\"", 1);
    assert_eq!(errors(&modifier), ["VAL0038 Patient.contact[0].modifierExtension[0]"]);
    let with_more = contact(&format!(r#"{part}, {{ "url": "until", "valueDate": "2021-01-01" }}"#));
    assert_eq!(errors(&with_more), ["VAL0039 Patient.contact[0].extension[0]"]);
    let wrong_type = contact(r#"{ "url": "since", "valueBoolean": true }"#);
    assert_eq!(errors(&wrong_type), ["VAL0043 Patient.contact[0].extension[0].extension[0].value.ofType(boolean)"]);
    let twice = contact(&format!("{part}, {part}"));
    assert_eq!(errors(&twice), ["VAL0031 Patient.contact[0].extension[0].extension"]);
}

#[test]
fn a_profile_that_a_resource_claims_is_checked_and_one_of_another_type_is_a_fault() {
    let asks = r#"{ "id": "Patient.gender", "path": "Patient.gender", "min": 1,
                    "constraint": [ { "key": "t-1", "severity": "error", "human": "known", "expression": "$this != 'unknown'" } ] }"#;
    let Some(definitions) = r4::with(&[definition(PROFILE, "Patient", "", asks)]) else { return };
    let program = Program::compile(&definitions, &BTreeMap::new()).unwrap();
    let errors = |type_name: &str, more: &str| {
        let resource =
            format!(r#"{{ "resourceType": "{type_name}", "meta": {{ "profile": [ "{PROFILE}" ] }} {more} }}"#);
        let findings = Checker::new(&program).check(&Resource::parse_json(resource.as_bytes()).unwrap());
        findings.issues.iter().map(|issue| format!("{} {}", issue.code, issue.path)).collect::<Vec<_>>()
    };
    assert_eq!(errors("Patient", ""), ["VAL0030 Patient.gender"]);
    assert_eq!(errors("Patient", r#", "gender": "female""#), Vec::<String>::new());
    assert_eq!(errors("Patient", r#", "gender": "unknown""#), ["VAL0050 Patient.gender"]);
    assert_eq!(errors("Group", r#", "type": "person", "actual": true"#), ["VAL0048 Group"]);
}

#[test]
fn values_are_held_against_limits_bindings_and_types_of_the_profile() {
    let elements = r#"
        { "id": "Patient.gender", "path": "Patient.gender",
          "binding": { "strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/name-use" } },
        { "id": "Patient.multipleBirth[x]", "path": "Patient.multipleBirth[x]", "type": [ { "code": "integer" } ],
          "minValueInteger": 1 },
        { "id": "Patient.language", "path": "Patient.language", "maxLength": 2 }"#;
    expect(
        "Patient",
        elements,
        &[
            (r#""multipleBirthInteger": 2, "language": "en""#, &[]),
            (r#""multipleBirthInteger": 0"#, &["VAL0049 Patient.multipleBirth.ofType(integer)"]),
            (r#""multipleBirthBoolean": true"#, &["VAL0043 Patient.multipleBirth.ofType(boolean)"]),
            (r#""gender": "female""#, &["VAL0053 Patient.gender", "VAL0040 Patient.gender"]),
            (r#""language": "en-GB""#, &["VAL0023 Patient.language"]),
        ],
    );
}

#[test]
fn a_binding_of_the_profile_takes_the_place_of_the_types() {
    let elements = r#"{ "id": "Patient.maritalStatus", "path": "Patient.maritalStatus",
        "binding": { "strength": "extensible", "valueSet": "http://hl7.org/fhir/ValueSet/name-use" } }"#;
    let Some(definitions) = r4::with(&[definition(PROFILE, "Patient", "", elements)]) else { return };
    let marital = |system: &str, code: &str| {
        format!(
            r#"{{ "resourceType": "Patient",
                 "maritalStatus": {{ "coding": [ {{ "system": "http://hl7.org/fhir/{system}", "code": "{code}" }} ] }} }}"#
        )
    };
    let warnings = |profiles: &[(String, String)], resource: String| {
        let program = Program::compile(&definitions, &profiles.iter().cloned().collect()).unwrap();
        let findings = Checker::new(&program).check(&Resource::parse_json(resource.as_bytes()).unwrap());
        findings.issues.iter().map(|issue| issue.code).collect::<Vec<_>>()
    };
    let assigned = [("Patient".to_owned(), PROFILE.to_owned())];
    assert_eq!(warnings(&[], marital("name-use", "usual")), ["VAL0041"]);
    assert_eq!(warnings(&assigned, marital("name-use", "usual")), Vec::<&str>::new());
    assert_eq!(warnings(&assigned, marital("contact-point-use", "home")), ["VAL0041"]);
}

const OTHER: &str = "http://example.org/StructureDefinition/other";

#[test]
fn an_invariant_may_ask_whether_an_element_meets_a_profile() {
    let asks = |path: &str, expression: &str| {
        format!(
            r#"{{ "id": "{path}", "path": "{path}", "constraint": [
                 {{ "key": "c-1", "severity": "error", "human": "h", "expression": "{expression}" }} ] }}"#
        )
    };
    let other = |type_name: &str, path: &str| {
        definition(OTHER, type_name, "", &format!(r#"{{ "id": "{path}", "path": "{path}", "min": 1 }}"#))
    };
    let broken = |path: &str| vec![format!("VAL0050 {path}")];
    let as_other = format!("conformsTo('{OTHER}')");
    let judged = |expression: &str, other: PackageSource, more: &str| {
        let own = definition(PROFILE, "Patient", "", &asks("Patient", expression));
        let definitions = r4::with(&[own, other])?;
        Some(judge(&definitions, "Patient", &format!(r#"{{ "resourceType": "Patient" {more} }}"#)))
    };
    let Some(found) = judged(&as_other, other("Patient", "Patient.gender"), "") else { return };
    assert_eq!(found.0, broken("Patient"));
    let found = judged(&as_other, other("Patient", "Patient.gender"), r#", "gender": "male""#).unwrap();
    assert_eq!(found, (vec![], vec![]));
    // What the type asks for is asked too.
    let found = judged(&as_other, other("Patient", "Patient.gender"), r#", "gender": "nonsense""#).unwrap();
    assert!(found.0.contains(&broken("Patient")[0]));
    // Of a contained resource, which may refer to its neighbour.
    let contained = format!("contained.ofType(Observation).all({as_other})");
    let neighbours = |more: &str| {
        format!(
            r##", "contained": [ {{ "resourceType": "Practitioner", "id": "p" }},
                 {{ "resourceType": "Observation", "id": "o", "status": "final", "code": {{ "text": "x" }},
                    "performer": [ {{ "reference": "#p" }} ] {more} }} ],
                 "generalPractitioner": [ {{ "reference": "#p" }} ], "link": [ {{ "type": "refer", "other":
                 {{ "type": "Patient", "display": "x", "extension": [ {{ "url": "http://example.org/e", "valueReference":
                 {{ "reference": "#o" }} }} ] }} }} ]"##
        )
    };
    let of = |more: &str| judged(&contained, other("Observation", "Observation.issued"), &neighbours(more)).unwrap().0;
    assert!(of("").contains(&broken("Patient")[0]));
    assert!(!of(r#", "issued": "2020-01-01T00:00:00Z""#).contains(&broken("Patient")[0]));
    // Of a data type.
    let name = |more: &str| judged(&format!("name.all({as_other})"), other_name(), more).unwrap().0;
    assert_eq!(name(r#", "name": [ { "text": "a" } ]"#), broken("Patient"));
    assert_eq!(name(r#", "name": [ { "family": "a" } ]"#), Vec::<String>::new());
    // Without an answer: a profile that asks about itself, at whatever depth; one that nobody has; one that is met as
    // far as can be seen, but has a code of a system that is not loaded. What is broken beside such a code is.
    let not_answered = (vec![], vec!["invariant:c-1".to_owned()]);
    let another = || other("Group", "Group.name");
    for asked in [
        format!("conformsTo('{PROFILE}')"),
        format!("conformsTo('{PROFILE}') and conformsTo('{PROFILE}').not()"),
        "conformsTo('http://example.org/nobodys')".to_owned(),
        "conformsTo('http://example.org/nobodys').not()".to_owned(),
    ] {
        assert_eq!(judged(&asked, another(), "").unwrap(), not_answered, "{asked}");
    }
    assert_eq!(judged(&format!("false and conformsTo('{PROFILE}')"), another(), "").unwrap().0, broken("Patient"));
    let bound = || {
        let elements = r#"{ "id": "Patient.gender", "path": "Patient.gender", "min": 1 },
            { "id": "Patient.maritalStatus", "path": "Patient.maritalStatus",
              "binding": { "strength": "required", "valueSet": "http://example.org/ValueSet/nobodys" } }"#;
        definition(OTHER, "Patient", "", elements)
    };
    let married = r#", "maritalStatus": { "coding": [ { "system": "http://example.org/c", "code": "m" } ] }"#;
    let found = judged(&as_other, bound(), &format!(r#"{married}, "gender": "male""#)).unwrap();
    assert_eq!(found.0, Vec::<String>::new());
    assert!(found.1.contains(&"invariant:c-1".to_owned()));
    assert_eq!(judged(&as_other, bound(), married).unwrap().0, broken("Patient"));
}

fn other_name() -> PackageSource {
    let of =
        definition(OTHER, "HumanName", "", r#"{ "id": "HumanName.family", "path": "HumanName.family", "min": 1 }"#);
    let json = String::from_utf8(of.files[0].1.clone()).unwrap().replace("\"resource\"", "\"complex-type\"");
    PackageSource { files: vec![("other.json".to_owned(), json.into_bytes())], ..of }
}

#[test]
fn who_claims_a_profile_without_a_snapshot_is_not_valid() {
    let of_nothing = definition(PROFILE, "Patient", "", "");
    let json = String::from_utf8(of_nothing.files[0].1.clone()).unwrap();
    let json = json.replace("fhir/StructureDefinition/Patient", "fhir/StructureDefinition/NotLoaded");
    let source = PackageSource { files: vec![("p.json".to_owned(), json.into_bytes())], ..of_nothing };
    let Some(definitions) = r4::with(&[source]) else { return };
    assert_eq!(definitions.snapshot_faults().len(), 1);
    let program = Program::compile(&definitions, &BTreeMap::new()).unwrap();
    let judged = |claimed: &str| {
        let resource = format!(r#"{{ "resourceType": "Patient", "meta": {{ "profile": [ "{claimed}" ] }} }}"#);
        let mut checker = Checker::new(&program);
        let findings = checker.check(&Resource::parse_json(resource.as_bytes()).unwrap());
        let ledger = epr_validate::check::ledger(&program, [&checker]);
        let codes: Vec<&str> = findings.issues.iter().map(|issue| issue.code).collect();
        (codes, ledger.not_checked.len())
    };
    assert_eq!(judged(PROFILE), (vec!["VAL0066"], 0));
    assert_eq!(judged("http://example.org/StructureDefinition/nobodys"), (vec![], 1));
}

#[test]
fn a_rule_of_a_profile_is_asked_under_whatever_key_and_a_rule_of_the_type_once() {
    let own = |key: &str, source: &str, expression: &str| {
        format!(
            r#"{{ "id": "Patient.name", "path": "Patient.name", "constraint": [
                 {{ "key": "{key}", {source} "severity": "error", "human": "h", "expression": "{expression}" }} ] }}"#
        )
    };
    let (family, text) = (r#""name": [ { "family": "a" } ]"#, r#""name": [ { "text": "a" } ]"#);
    let broken = "VAL0050 Patient.name[0]";
    for key in ["x-1", "ele-1", "ext-1", "ref-1", "txt-1"] {
        let rule = own(key, "", "family.exists()");
        expect("Patient", &rule, &[(family, &[]), (text, &[broken])]);
    }
    let reworded = "hasValue() or children().count() > id.count()";
    let of_element = r#""source": "http://hl7.org/fhir/StructureDefinition/Element","#;
    let empty = r#""name": [ { "id": "a" } ]"#;
    for (source, expression) in [("", "hasValue() or (children().count() > id.count())"), (of_element, reworded)] {
        expect("Patient", &own("ele-1", source, expression), &[(empty, &[broken])]);
    }
}

#[test]
fn what_a_type_and_a_profile_both_ask_for_is_told_by_both_unless_the_profile_is_assigned() {
    let asks = r#"{ "id": "Observation.subject", "path": "Observation.subject", "min": 1 }"#;
    let Some(definitions) = r4::with(&[definition(PROFILE, "Observation", "", asks)]) else { return };
    let resource = format!(
        r#"{{ "resourceType": "Observation", "meta": {{ "profile": [ "{PROFILE}" ] }}, "code": {{ "text": "x" }} }}"#
    );
    let missing = |assigned: &[(&str, &str)]| {
        let assigned = assigned.iter().map(|(name, url)| ((*name).to_owned(), (*url).to_owned())).collect();
        let program = Program::compile(&definitions, &assigned).unwrap();
        let findings = Checker::new(&program).check(&Resource::parse_json(resource.as_bytes()).unwrap());
        let errors = findings.issues.iter().filter(|issue| issue.severity >= Severity::Error);
        let mut paths: Vec<String> = errors.map(|issue| issue.path.clone()).collect();
        paths.sort();
        paths
    };
    assert_eq!(missing(&[]), ["Observation.status", "Observation.status", "Observation.subject"]);
    assert_eq!(missing(&[("Observation", PROFILE)]), ["Observation.status", "Observation.subject"]);
}

#[test]
fn slices_that_nothing_tells_apart_are_an_error_on_each_item_and_places_tell_by_number() {
    let open = r#"
        { "id": "Patient.name", "path": "Patient.name",
          "slicing": { "discriminator": [ { "type": "value", "path": "text" } ], "rules": "open" } },
        { "id": "Patient.name:a", "path": "Patient.name", "sliceName": "a", "min": 1 }"#;
    expect("Patient", open, &[(r#""name": [ { "text": "x" } ]"#, &["VAL0055 Patient.name[0]"])]);
    let by_place = r#"
        { "id": "Patient.name", "path": "Patient.name",
          "slicing": { "discriminator": [ { "type": "position", "path": "$this" } ], "rules": "open" } },
        { "id": "Patient.name:first", "path": "Patient.name", "sliceName": "first", "min": 1, "max": "1" },
        { "id": "Patient.name:first.family", "path": "Patient.name.family", "min": 1 },
        { "id": "Patient.name:second", "path": "Patient.name", "sliceName": "second", "max": "1" },
        { "id": "Patient.name:second.given", "path": "Patient.name.given", "min": 1 }"#;
    let name = r#""name": [ { "given": [ "a" ] }, { "family": "b" }, { "text": "c" } ]"#;
    expect("Patient", by_place, &[(name, &["VAL0030 Patient.name[0].family", "VAL0030 Patient.name[1].given"])]);
}

#[test]
fn an_extension_nobody_defines_and_one_without_an_absolute_url_are_errors() {
    let elements = r#"{ "id": "Patient.name", "path": "Patient.name" }"#;
    let extension = |url: &str| format!(r#""extension": [ {{ "url": "{url}", "valueBoolean": true }} ]"#);
    let cases = [extension("http://nowhere.net/e"), extension("e"), extension("http://example.org/e")];
    expect(
        "Patient",
        elements,
        &[
            (&cases[0], &["VAL0057 Patient.extension[0]"]),
            (&cases[1], &["VAL0058 Patient.extension[0]"]),
            (&cases[2], &[]),
        ],
    );
}
