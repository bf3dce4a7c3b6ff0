//! Reading and writing JSON.

use epr_fhir::resource::{DEPTH_LIMIT, FaultKind};
use epr_fhir::write::JsonWriter;
use epr_fhir::{Node, NodeKind, Resource};
use proptest::prelude::*;

fn rewritten(node: Node<'_>, out: &mut JsonWriter) {
    match node.kind() {
        NodeKind::Object => {
            out.begin_object();
            for (key, value) in node.members() {
                out.key(key);
                rewritten(value, out);
            }
            out.end_object();
        }
        NodeKind::Array => {
            out.begin_array();
            node.items().for_each(|item| rewritten(item, out));
            out.end_array();
        }
        NodeKind::String => {
            out.string(node.as_str().unwrap());
        }
        NodeKind::Number => {
            out.raw_number(node.number_text().unwrap());
        }
        NodeKind::Bool => {
            out.bool(node.as_bool().unwrap());
        }
        NodeKind::Null => {
            out.null();
        }
    }
}

fn written_again(text: &str) -> String {
    let resource = Resource::parse_json(text.as_bytes()).unwrap();
    let mut out = JsonWriter::new();
    rewritten(resource.root(), &mut out);
    String::from_utf8(out.finish()).unwrap()
}

#[test]
fn order_digits_and_texts_survive() {
    let text = r#"{"z":1.50,"a":-0.0e+10,"b":[true,false,null,{},[]],"c":"é\u0001\"\\/","d":123456789012345678901234567890.10}"#;
    assert_eq!(written_again(text), text);
    assert_eq!(written_again("[\"\\u0041\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\"]"), "[\"A😀/\\b\\f\\n\\r\\t\"]");
}

#[test]
fn a_node_knows_where_it_stands_and_how_it_was_written() {
    let resource = Resource::parse_json(b" {\"a\" : [ 1 , {\"\\u0062\":\"x\\ty\"} ] } ").unwrap();
    let list = resource.root().get("a").unwrap();
    assert_eq!(list.raw(), b"[ 1 , {\"\\u0062\":\"x\\ty\"} ]");
    assert_eq!(list.offset(), 8);
    let last = list.items().last().unwrap();
    assert_eq!(last.text("b"), Some("x\ty"));
    assert_eq!(last.get("b").unwrap().raw(), b"\"x\\ty\"");
    assert_ne!(last.address(), list.address());
    assert_eq!(list.members().count(), 0);
    assert_eq!(resource.root().items().count(), 0);
    assert_eq!(resource.root().as_str(), None);
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    let inputs: &[&[u8]] = &[
        b"",
        b"  ",
        b"{",
        b"[1,]",
        b"{\"a\":1,}",
        b"{\"a\" 1}",
        b"{a:1}",
        b"[1 2]",
        b"{\"a\":1 \"b\":2}",
        b"1 2",
        b"01",
        b"-",
        b"1.",
        b".5",
        b"+1",
        b"1e",
        b"NaN",
        b"nul",
        b"'a'",
        b"\"a",
        b"\"a\nb\"",
        b"\"\\x\"",
        b"\"\\u12g4\"",
        b"\"\\u12",
        b"\"\\ud800\"",
        b"\"\\ud800\\u0041\"",
        b"\"\\udc00\"",
        b"\"\\",
        b"\xEF\xBB\xBF{}",
        b"{\"a\":\n \"\xC3\xA9\xFF\"}",
        b"[]]",
        b"{\n  \"a\": [1,\n  \"\xC3\xA9\", x]\n}",
        b"/* c */ {}",
    ];
    let lines: Vec<String> = inputs
        .iter()
        .map(|input| format!("{:32} {}", input.escape_ascii(), Resource::parse_json(input).unwrap_err()))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn nesting_is_read_to_the_limit_and_no_deeper() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(Resource::parse_json(nested(DEPTH_LIMIT).as_bytes()).is_ok());
    assert!(Resource::parse_json(nested(DEPTH_LIMIT + 1).as_bytes()).is_err());
    assert!(Resource::parse_json("[".repeat(1_000_000).as_bytes()).is_err());
}

#[test]
fn a_key_written_twice_is_a_fault_and_the_first_is_given() {
    let resource = Resource::parse_json(b"{\"a\":1,\n \"b\":{\"c\":1,\"\\u0063\":2},\"a\":3}").unwrap();
    let places: Vec<_> = resource.faults().iter().map(|fault| (fault.line, fault.column)).collect();
    assert_eq!(places, [(2, 22), (2, 29)]);
    assert!(resource.faults().iter().all(|fault| fault.kind == FaultKind::DuplicateKey));
    assert_eq!(resource.root().get("a").unwrap().number_text(), Some("1"));
    assert_eq!(resource.root().members().count(), 3);
}

#[test]
fn a_key_written_twice_is_found_among_many() {
    let mut members: Vec<String> = (0..1000).map(|n| format!("\"k{n}\":0")).collect();
    assert!(Resource::parse_json(format!("{{{}}}", members.join(",")).as_bytes()).unwrap().faults().is_empty());
    members.push("\"k500\":1".to_owned());
    let text = format!("{{{}}}", members.join(","));
    let resource = Resource::parse_json(text.as_bytes()).unwrap();
    assert_eq!(resource.faults().len(), 1);
    assert_eq!(resource.faults()[0].offset, text.len() - 2);
}

#[test]
fn a_resource_that_is_read_into_again_keeps_nothing_of_the_last() {
    let mut resource = Resource::parse_json(b"{\"a\":1,\"a\":2,\"b\":\"\\n\"}").unwrap();
    resource.parse_json_into(b"[\"\\t\"]").unwrap();
    assert!(resource.faults().is_empty());
    assert_eq!(resource.root().items().next().unwrap().as_str(), Some("\t"));
    assert!(resource.parse_json_into(b"{\"a\":").is_err());
    assert!(resource.root().is_null());
    assert_eq!(resource.root().raw(), b"null");
}

#[test]
fn debug_shows_no_value() {
    let resource = Resource::parse_json(b"{\"family\":\"Secretname\"}").unwrap();
    let shown = format!("{resource:?} {:?}", resource.root().get("family").unwrap());
    assert!(!shown.contains("Secretname"), "{shown}");
}

/// JSON texts without white space whose strings are escaped as our writer does it.
fn json() -> impl Strategy<Value = String> {
    let string = ".{0,12}".prop_map(|text| {
        let mut out = Vec::new();
        epr_fhir::write::escape(&mut out, &text);
        String::from_utf8(out).unwrap()
    });
    let number = "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?";
    let leaf = prop_oneof![string, number, Just("true".to_owned()), Just("false".to_owned()), Just("null".to_owned())];
    leaf.prop_recursive(5, 60, 8, |inner| {
        let members = prop::collection::vec((".{0,6}", inner.clone()), 0..20).prop_map(|members| {
            let mut out = JsonWriter::new();
            out.begin_object();
            for (key, value) in members {
                out.key(&key).raw(value.as_bytes());
            }
            out.end_object();
            String::from_utf8(out.finish()).unwrap()
        });
        let items = prop::collection::vec(inner, 0..8).prop_map(|items| format!("[{}]", items.join(",")));
        prop_oneof![members, items]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Resource::parse_json(&bytes);
    }

    #[test]
    fn json_like_texts_are_judged_as_serde_judges_them(text in "[\\[\\]{}:,\"\\\\u0dD8e+.1a-c tnrlfsue\n]{0,24}") {
        // serde_json keeps to RFC 8259 too, but refuses numbers that f64 cannot hold.
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text);
        let ours = Resource::parse_json(text.as_bytes());
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", text);
    }

    #[test]
    fn what_is_written_and_read_is_equal(text in json()) {
        prop_assert_eq!(written_again(&text), text);
    }

    #[test]
    fn a_damaged_document_never_panics(text in json(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(resource) = Resource::parse_json(&bytes) {
            let mut out = JsonWriter::new();
            rewritten(resource.root(), &mut out);
            prop_assert!(Resource::parse_json(out.as_bytes()).is_ok());
        }
    }

    #[test]
    fn any_text_survives_as_a_string(text in any::<String>()) {
        let mut out = Vec::new();
        epr_fhir::write::escape(&mut out, &text);
        let resource = Resource::parse_json(&out).unwrap();
        prop_assert_eq!(resource.root().as_str(), Some(text.as_str()));
        prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}

#[test]
fn what_is_nearly_json_is_read_on_and_each_departure_is_a_fault() {
    use FaultKind::*;
    let cases: &[(&str, &str, &[FaultKind])] = &[
        ("{\"a\":1}", "{\"a\":1}", &[]),
        ("\u{feff}{\"a\":1}", "{\"a\":1}", &[]),
        ("// x\n{\"a\": [1, // y\n 2]} // z", "{\"a\":[1,2]}", &[Comment, Comment, Comment]),
        ("{\"a\":1,}", "{\"a\":1}", &[ExtraComma]),
        ("{\"a\":[1,],}", "{\"a\":[1]}", &[ExtraComma, ExtraComma]),
        ("{\"a\":1 \"b\":[1 2]}", "{\"a\":1,\"b\":[1,2]}", &[MissingComma, MissingComma]),
        ("{a:b, _c:true}", "{\"a\":\"b\",\"_c\":true}", &[UnquotedName, UnquotedValue, UnquotedName]),
        ("{\"a\":01}", "{\"a\":0}", &[Number]),
        ("{\"a\":\"\\'\"}", "{\"a\":\"'\"}", &[Escape]),
        ("{\"a\":\"x\ny\"}", "{\"a\":\"x\\u000ay\"}", &[ControlCharacter]),
        ("{\"a\":1,\"a\":2 // x\n}", "{\"a\":1,\"a\":2}", &[DuplicateKey, Comment]),
    ];
    let mut resource = Resource::default();
    for (text, json, faults) in cases {
        resource.parse_nearly_json_into(text.as_bytes()).unwrap();
        assert_eq!(std::str::from_utf8(resource.as_bytes()).unwrap(), *json, "{text}");
        let kinds: Vec<_> = resource.faults().iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, *faults, "{text}");
    }
    for text in [
        "",
        "{",
        "[",
        "{]",
        "{\"a\":1]",
        "{\"a\":1}}",
        "{\"a\":1} {}",
        "{\"a\":,}",
        "{\"a\" 1}",
        "{\"a\":'x'}",
        "{/* x */}",
        "{\"a\":+1}",
        "x",
    ] {
        assert!(resource.parse_nearly_json_into(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn a_member_says_whether_its_name_was_there_before() {
    let many: Vec<_> = (0..40).map(|n| format!("\"m{n}\":0,")).collect();
    let many = many.concat();
    for text in ["{\"a\":1,\"b\":2,\"a\":3,\"a\":4}".to_owned(), format!("{{{many}\"m3\":1,\"m3\":2}}")] {
        let resource = Resource::parse_json(text.as_bytes()).unwrap();
        let repeated: Vec<_> = resource.root().members().filter(|(_, value)| value.is_repeated()).collect();
        assert_eq!((repeated.len(), resource.faults().len()), (2, 2));
        assert!(repeated.iter().all(|(name, _)| !resource.root().get(name).unwrap().is_repeated()));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(text in "[\\[\\]{}:,\"'a0\\-.e\\\\/\n ]{0,30}") {
        let mut resource = Resource::default();
        let _ = resource.parse_nearly_json_into(text.as_bytes());
        let _ = resource.parse_nearly_json_into(format!("{{\"a\":{text}}}").as_bytes());
    }
}
