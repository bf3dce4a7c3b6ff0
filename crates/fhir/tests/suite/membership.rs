//! Codes and value sets, in three-valued logic.

use epr_fhir::definitions::Membership;

use crate::small;

#[test]
fn a_code_is_in_or_not_in_or_it_cannot_be_said() {
    let definitions = small();
    let cases = [
        ("gender", None, "male"),
        ("gender|1.0", None, "man"),
        ("gender|2.0", None, "male"),
        ("gender", Some("sexes"), "female"),
        ("gender", Some("animals"), "female"),
        ("listed", None, "male"),
        ("listed", None, "female"),
        ("listed", Some("http://snomed.info/sct"), "248153007"),
        ("listed", Some("http://snomed.info/sct"), "248152002"),
        ("cats", None, "cat"),
        ("cats", None, "lion"),
        ("cats", None, "lap-lion"),
        ("cats", None, "bird"),
        ("cats", None, "unicorn"),
        ("below-cats", None, "cat"),
        ("below-cats", None, "lap-lion"),
        ("four-legs", None, "lion"),
        ("four-legs", None, "ostrich"),
        ("by-regex", None, "cat"),
        ("by-regex", None, "unicorn"),
        ("no-birds", None, "stone"),
        ("no-birds", None, "ostrich"),
        ("imports", None, "cat"),
        ("imports", None, "lion"),
        ("imports", None, "male"),
        ("imports", None, "stone"),
        ("circle", None, "x"),
        ("part-of-it", None, "known"),
        ("part-of-it", Some("part"), "other"),
        ("part-of-it", Some("nowhere"), "other"),
        ("part-of-it", Some("animals"), "cat"),
        ("loose", None, "yes"),
        ("loose", None, "no"),
        ("languages", None, "en-GB"),
        ("languages", None, "english language"),
        ("missing-import", None, "male"),
        ("missing-import", None, "cat"),
        ("expanded", None, "b"),
        ("expanded", None, "c"),
        ("page", None, "a"),
        ("page", None, "c"),
        ("only-expanded", Some("nowhere"), "a"),
        ("only-expanded", None, "c"),
        ("excludes-unknown", None, "male"),
        ("excludes-unknown", None, "cat"),
        ("none", None, "male"),
    ];
    let lines: Vec<String> = cases
        .iter()
        .map(|(value_set, system, code)| {
            let url = |part: &str| {
                if part.contains(':') { part.to_owned() } else { format!("http://example.org/{part}") }
            };
            let membership =
                definitions.member(&url(&format!("ValueSet/{value_set}")), system.map(url).as_deref(), code);
            format!("{value_set:16} {:24} {code:18} {membership:?}", system.unwrap_or("-"))
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_display_is_that_of_the_system() {
    let definitions = small();
    assert_eq!(definitions.display("http://example.org/animals", "cat"), Some("Cat"));
    assert_eq!(definitions.display("http://example.org/animals|1.0", "cat"), Some("Cat"));
    assert_eq!(definitions.display("http://example.org/animals", "lion"), None);
    let cat = definitions.code_system("http://example.org/animals").unwrap().concept("cat").unwrap();
    assert_eq!(cat.designations[0].value, "Katze");
    assert_eq!(definitions.has_code("http://example.org/animals", "unicorn"), Membership::NotIn);
}
