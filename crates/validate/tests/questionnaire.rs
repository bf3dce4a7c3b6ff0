//! Responses against a questionnaire of our own: which codes each of them raises.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests too")]

mod r4;

use std::collections::BTreeMap;

use epr_fhir::Resource;
use epr_fhir::package::PackageSource;
use epr_model::Severity;
use epr_validate::{Checker, Program};

const QUESTIONNAIRE: &str = r#"{"resourceType":"Questionnaire","url":"http://example.org/q","version":"1","status":"active","item":[
    {"linkId":"a","type":"boolean","required":true,"text":"Smokes?"},
    {"linkId":"b","type":"integer","enableWhen":[{"question":"a","operator":"=","answerBoolean":true}],
     "extension":[{"url":"http://hl7.org/fhir/StructureDefinition/maxValue","valueInteger":100}]},
    {"linkId":"g","type":"group","repeats":true,"item":[
        {"linkId":"g1","type":"string","maxLength":3},
        {"linkId":"g2","type":"choice","repeats":true,"answerOption":[{"valueCoding":{"code":"x"}},{"valueString":"y"}],
         "enableWhen":[{"question":"g1","operator":"exists","answerBoolean":true}]}]},
    {"linkId":"d","type":"display","text":"Thank you"}]}"#;

#[test]
fn a_response_is_judged_by_its_questionnaire() {
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    std::fs::write(file.path(), QUESTIONNAIRE).unwrap();
    let Some(definitions) = r4::with(&[PackageSource::open(file.path()).unwrap()]) else { return };
    let program = Program::compile(&definitions, &BTreeMap::new()).unwrap();
    let yes = r#"{"linkId":"a","answer":[{"valueBoolean":true}]}"#;
    let cases: &[(&str, String, &[&str])] = &[
        ("sound", format!(r#"{yes},{{"linkId":"b","answer":[{{"valueInteger":100}}]}}"#), &[]),
        ("required", r#"{"linkId":"d"}"#.to_owned(), &["VAL0082"]),
        ("unknown", format!(r#"{yes},{{"linkId":"z"}}"#), &["VAL0081"]),
        ("order", format!(r#"{{"linkId":"d"}},{yes}"#), &["VAL0081"]),
        ("too great", format!(r#"{yes},{{"linkId":"b","answer":[{{"valueInteger":101}}]}}"#), &["VAL0086"]),
        (
            "two answers",
            format!(r#"{yes},{{"linkId":"b","answer":[{{"valueInteger":1}},{{"valueInteger":2}}]}}"#),
            &["VAL0083"],
        ),
        ("type", r#"{"linkId":"a","answer":[{"valueString":"yes"}]}"#.to_owned(), &["VAL0084"]),
        (
            "not enabled",
            r#"{"linkId":"a","answer":[{"valueBoolean":false}]},{"linkId":"b","answer":[{"valueInteger":1}]}"#
                .to_owned(),
            &["VAL0087"],
        ),
        ("text", r#"{"linkId":"a","text":"Drinks?","answer":[{"valueBoolean":true}]}"#.to_owned(), &["VAL0088"]),
        ("display", format!(r#"{yes},{{"linkId":"d","answer":[{{"valueString":"no"}}]}}"#), &["VAL0081"]),
        (
            "each group has its own conditions",
            format!(
                r#"{yes},{{"linkId":"g","item":[{{"linkId":"g1","answer":[{{"valueString":"abc"}}]}},{{"linkId":"g2","answer":[{{"valueCoding":{{"code":"x"}}}},{{"valueString":"y"}}]}}]}},{{"linkId":"g","item":[{{"linkId":"g2","answer":[{{"valueCoding":{{"code":"x"}}}}]}}]}}"#
            ),
            &["VAL0087"],
        ),
        (
            "no option, too long",
            format!(
                r#"{yes},{{"linkId":"g","item":[{{"linkId":"g1","answer":[{{"valueString":"abcd"}}]}},{{"linkId":"g2","answer":[{{"valueCoding":{{"code":"w"}}}}]}}]}}"#
            ),
            &["VAL0086", "VAL0085"],
        ),
    ];
    for (name, items, expected) in cases {
        let response = format!(
            r#"{{"resourceType":"QuestionnaireResponse","questionnaire":"http://example.org/q|1","status":"completed","item":[{items}]}}"#
        );
        let resource = Resource::parse_json(response.as_bytes()).unwrap();
        let found = Checker::new(&program).check(&resource).issues;
        let errors: Vec<&str> = found.iter().filter(|i| i.severity >= Severity::Error).map(|i| i.code).collect();
        assert_eq!(errors, *expected, "{name}");
    }
}
