//! XML read by the definitions: what it comes out as, what is a fault, what is refused.

use epr_fhir::resource::FaultKind;
use epr_fhir::{Definitions, Resource, XmlReader};

use crate::r4;

fn patient(inside: &str) -> String {
    format!("<Patient xmlns=\"http://hl7.org/fhir\">{inside}</Patient>")
}

fn json(resource: &Resource) -> &str {
    std::str::from_utf8(resource.as_bytes()).unwrap()
}

/// Each document with the members it comes out as, and the faults of it.
fn expect(definitions: &Definitions, cases: &[(&str, &str, &[FaultKind])]) {
    let mut reader = XmlReader::new(definitions);
    for (inside, members, faults) in cases {
        let read = reader.read(patient(inside).as_bytes()).unwrap();
        let members = if members.is_empty() { String::new() } else { format!(",{members}") };
        assert_eq!(json(&read), format!("{{\"resourceType\":\"Patient\"{members}}}"), "{inside}");
        let kinds: Vec<_> = read.faults().iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, *faults, "{inside}");
    }
}

#[test]
fn members_are_lists_numbers_and_companions_where_the_types_say_so() {
    let Some(definitions) = r4::r4(&[]) else { return };
    expect(
        &definitions,
        &[
            ("<id value='a'/><active value='true'/>", r#""id":"a","active":true"#, &[]),
            ("<multipleBirthInteger value='2'/>", r#""multipleBirthInteger":2"#, &[]),
            ("<multipleBirthInteger value='02'/>", r#""multipleBirthInteger":"02""#, &[]),
            ("<active value='TRUE'/>", r#""active":"TRUE""#, &[]),
            (
                "<name id='n'><given value='A'/><given value='&lt;B&#10;'/></name>",
                r#""name":[{"id":"n","given":["A","<B\n"]}]"#,
                &[],
            ),
            (
                "<name><given value='A'/><given id='g'/></name>",
                r#""name":[{"given":["A",null],"_given":[null,{"id":"g"}]}]"#,
                &[],
            ),
            (
                "<birthDate value='2000'><extension url='u'><valueString value='x\ny'/></extension></birthDate>",
                r#""birthDate":"2000","_birthDate":{"extension":[{"url":"u","valueString":"x y"}]}"#,
                &[],
            ),
            (
                "<contained><Group><actual value='true'/></Group></contained>",
                r#""contained":[{"resourceType":"Group","actual":true}]"#,
                &[],
            ),
            (
                "<text><status value='empty'/><div xmlns='http://www.w3.org/1999/xhtml'>a<b>c</b></div></text>",
                r#""text":{"status":"empty","div":"<div xmlns='http://www.w3.org/1999/xhtml'>a<b>c</b></div>"}"#,
                &[],
            ),
            (
                "<text xmlns:h='http://www.w3.org/1999/xhtml'><h:div>a<h:b>c</h:b></h:div></text>",
                r#""text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a<b>c</b></div>"}"#,
                &[],
            ),
        ],
    );
}

#[test]
fn what_has_no_place_is_a_fault_and_the_rest_is_read() {
    use FaultKind::*;
    let Some(definitions) = r4::r4(&[]) else { return };
    expect(
        &definitions,
        &[
            ("<nonsense value='1'><a/></nonsense><active value='true'/>", r#""active":true"#, &[Element]),
            ("<active value='true' odd='1'/>", r#""active":true"#, &[Attribute]),
            ("<gender value='male'/><active value='true'/>", r#""gender":"male","active":true"#, &[Order]),
            ("<gender value='male'/><gender value='male'/>", r#""gender":"male","gender":"male""#, &[]),
            ("text<active value='true'>more</active>", r#""active":true"#, &[Text, Text]),
            ("<active value='true'/><![CDATA[x]]><?a b?>", r#""active":true"#, &[CData, Instruction]),
            ("<active/>", r#""_active":{}"#, &[NoContent]),
            ("<name> </name>", r#""name":[{}]"#, &[NoContent]),
            ("<active xmlns='urn:x' value='true'/>", r#""active":true"#, &[Namespace]),
            ("<active><value value='true'/></active>", r#""_active":{}"#, &[Element]),
        ],
    );
}

#[test]
fn what_is_no_resource_is_refused_with_its_place() {
    let Some(definitions) = r4::r4(&[]) else { return };
    let mut reader = XmlReader::new(&definitions);
    let deep = "<extension url='u'>".repeat(120) + &"</extension>".repeat(120);
    let cases = [
        ("<Patient/>".to_owned(), "no namespace"),
        ("<Patient xmlns='urn:hl7-org:v3'/>".to_owned(), "another namespace"),
        ("<Nothing xmlns='http://hl7.org/fhir'/>".to_owned(), "not a resource type"),
        ("<!DOCTYPE a><Patient xmlns='http://hl7.org/fhir'/>".to_owned(), "document type"),
        (patient("<a></b>"), "not that of the element"),
        (patient("<a b='1' b='2'/>"), "already has an attribute"),
        (patient("<a b=1/>"), "in quotes"),
        (patient("<a b='<'/>"), "`<` stands"),
        (patient("<a b='&nbsp;'/>"), "other than the five"),
        (patient("<a b='&#1;'/>"), "reference to a character"),
        (patient("&"), "begins no reference"),
        (patient("]]>"), "`]]>`"),
        (patient("<!-- -- -->"), "two hyphens"),
        (patient("<x:a/>"), "not declared"),
        (patient("\u{1}"), "a character that XML"),
        (patient("<contained><Nothing/></contained>"), "not a resource type"),
        (patient("") + "<Patient/>", "second element"),
        (patient("") + "x", "outside the root"),
        (patient(&deep), "nested more than 100"),
        ("<Patient xmlns='http://hl7.org/fhir'>".to_owned(), "no end tag"),
        (String::new(), "no element"),
    ];
    for (text, what) in cases {
        let error = reader.read(text.as_bytes()).unwrap_err();
        assert!(error.what.contains(what), "{text}: {error}");
    }
}

#[test]
fn every_value_is_found_again_in_the_xml_that_was_written() {
    let Some(definitions) = r4::r4(&[]) else { return };
    let text = patient("<active value='true'/>\n<name><given value='A'/><given value='B'/></name>");
    let resource = XmlReader::new(&definitions).read(text.as_bytes()).unwrap();
    let name = resource.root().get("name").unwrap().items().next().unwrap();
    let second = name.get("given").unwrap().items().nth(1).unwrap();
    for (node, begins) in [(resource.root(), "<Patient"), (name, "<name"), (second, "<given value='B'")] {
        let at = resource.written_offset(node.offset());
        assert!(text[at..].starts_with(begins), "{begins}: {}", &text[at..]);
    }
    assert_eq!(resource.written(), text.as_bytes());
}
