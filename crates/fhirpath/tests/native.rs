//! Native answers agree with the evaluator, also where the data are out of the ordinary.

use epr_fhir::Resource;
use epr_fhirpath::{ElementNode, Focus, Host, NotChecked, Verdict, compile_constraint};
use proptest::prelude::*;

use crate::r4;

const ELE_1: &str = "hasValue() or (children().count() > id.count())";
const REF_1: &str = "reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))";
const PER_1: &str = "start.hasValue().not() or end.hasValue().not() or (start <= end)";
const DOM_3: &str = "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | %resource.descendants().as(uri) | %resource.descendants().as(url))) or descendants().where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()";
const EXT_1: &str = "extension.exists() != value.exists()";
const DOM_2: &str = "contained.contained.empty()";
const DOM_4: &str = "contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()";
const DOM_5: &str = "contained.meta.security.empty()";
const DOM_6: &str = "text.`div`.exists()";
const TXT_1: &str = "htmlChecks()";
const BDL_2: &str = "entry.search.empty() or (type = 'searchset')";
const BDL_3: &str = "entry.all(request.exists() = (%resource.type = 'batch' or %resource.type = 'transaction' or %resource.type = 'history'))";
const BDL_4: &str = "entry.all(response.exists() = (%resource.type = 'batch-response' or %resource.type = 'transaction-response' or %resource.type = 'history'))";
const BDL_5: &str = "resource.exists() or request.exists() or response.exists()";
const BDL_7: &str =
    "(type = 'history') or entry.where(fullUrl.exists()).select(fullUrl&resource.meta.versionId).isDistinct()";
const BDL_8: &str = "fullUrl.contains('/_history/').not()";
const OF_ELEMENTS: &[&str] = &[ELE_1, EXT_1, REF_1, DOM_2, DOM_4, DOM_5, DOM_6, TXT_1];
const OF_BUNDLES: &[&str] = &[ELE_1, BDL_2, BDL_3, BDL_4, BDL_5, BDL_7, BDL_8];

/// Not native, but answered without collections.
const OTHERS: &[&str] = &[
    "extension.exists() != value.exists()",
    "contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()",
    "start.empty() or id = 'a' or reference != '#a'",
    "contained.where(id = 'a' and resourceType.empty()).exists() implies reference.startsWith('#')",
    "contained.all(id.exists()) xor contained.exists(id = 'b')",
    "reference.matches('^#[a-z]$').not() or contained.id.contains('a')",
    "(contained.count() + start.count()) > 1",
    "start.hasValue() = end.hasValue()",
];

/// A member of an object, as JSON, from what an element may hold and from what it may not.
fn member() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        r#""id":"a""#,
        r#""id":null"#,
        r#""id":["a","b"]"#,
        r#""idString":"x""#,
        r#""_id":{"extension":[{"url":"u","valueCode":"c"}]}"#,
        r#""start":"2012""#,
        r#""start":"2012-05""#,
        r#""start":"2012-05-03T10:00:00Z""#,
        r#""start":"2012-05-03T10:00:00+01:00""#,
        r#""start":"nonsense""#,
        r#""start":7"#,
        r#""_start":{"id":"s"}"#,
        r#""end":"2012-05""#,
        r#""end":"2011""#,
        r#""end":"2012-05-03T09:30:00Z""#,
        r#""end":null"#,
        r#""_end":{"extension":[]}"#,
        r#""reference":"Patient/1""#,
        r##""reference":"#a""##,
        r##""reference":"#zz""##,
        r##""reference":"#""##,
        r#""reference":["Patient/1"]"#,
        r#""referenceString":"x""#,
        r#""_reference":{"id":"r"}"#,
        r#""display":"x""#,
        r#""extension":[{"url":"u"}]"#,
        r#""extension":[null]"#,
        r#""extension":[]"#,
        r#""value":{}"#,
        r#""contained":[{"resourceType":"Basic","id":"a"}]"#,
        r##""contained":[{"resourceType":"Basic","id":"a","subject":{"reference":"#"}},{"resourceType":"Basic","id":"b"}]"##,
        r#""contained":[{"resourceType":"Basic"}]"#,
        r#""contained":{"resourceType":"Basic","id":"a"}"#,
        r##""subject":{"reference":"#a"}"##,
        r##""author":{"_reference":{"extension":[{"url":"u","valueReference":{"reference":"#b"}}]}}"##,
        r##""instantiatesUri":["#b"]"##,
        r#""valueString":"x""#,
        r#""valueQuantity":{"value":1}"#,
        r#""valueset":"x""#,
        r#""valueCode":null"#,
        r#""valueList":["x"]"#,
        r#""_valueString":{"id":"v"}"#,
        r#""extensionString":"x""#,
        r#""text":{"status":"empty","div":"<div/>"}"#,
        r#""text":{"status":"empty"}"#,
        r#""text":{"_div":{"id":"d"}}"#,
        r#""text":"x""#,
        r#""contained":[{"resourceType":"Basic","id":"a","contained":[{"resourceType":"Basic"}]}]"#,
        r#""contained":[{"resourceType":"Basic","id":"a","contained":[]}]"#,
        r#""contained":[{"resourceType":"Basic","id":"a","meta":{"versionId":"1"}}]"#,
        r#""contained":[{"resourceType":"Basic","id":"a","meta":{"lastUpdated":"2012-05-03T10:00:00Z"}}]"#,
        r#""contained":[{"resourceType":"Basic","id":"a","meta":{"security":[{"code":"R"}]}},null]"#,
        r#""contained":[{"resourceType":"Basic","id":"a","meta":{"versionIdString":"1","tag":[]}}]"#,
        r#""containedString":"x""#,
    ])
    .prop_map(str::to_owned)
}

/// A member of a Bundle's entry, sound or not.
fn entry_member() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        r#""fullUrl":"urn:uuid:1""#,
        r#""fullUrl":"urn:uuid:2""#,
        r#""fullUrl":"urn:uuid:21""#,
        r#""fullUrl":"http://a/Basic/1/_history/2""#,
        r#""fullUrl":7"#,
        r#""fullUrl":null"#,
        r#""fullUrl":["x"]"#,
        r#""_fullUrl":{"id":"u"}"#,
        r#""fullUrlString":"x""#,
        r#""resource":{"resourceType":"Basic"}"#,
        r#""resource":{"resourceType":"Basic","meta":{"versionId":"1"}}"#,
        r#""resource":{"resourceType":"Basic","meta":{"versionId":"11"}}"#,
        r#""resource":{"resourceType":"Basic","meta":{"versionId":1}}"#,
        r#""resource":{"resourceType":"Basic","meta":[]}"#,
        r#""resource":"x""#,
        r#""request":{"method":"GET"}"#,
        r#""request":{}"#,
        r#""request":[]"#,
        r#""requestString":"x""#,
        r#""response":{"status":"200"}"#,
        r#""response":null"#,
        r#""search":{"mode":"match"}"#,
        r#""_search":{"id":"s"}"#,
    ])
    .prop_map(str::to_owned)
}

fn bundle() -> impl Strategy<Value = String> {
    let kinds = ["history", "batch", "transaction-response", "searchset", "collection"];
    let kind = prop_oneof![
        9 => prop::sample::select(kinds.map(|kind| format!(r#","type":"{kind}""#)).to_vec()),
        1 => prop::sample::select(vec![String::new(), r#","type":1"#.to_owned(), r#","type":"x","typeCode":"y""#.to_owned()]),
    ];
    let entry = prop_oneof![
        9 => prop::collection::vec(entry_member(), 0..4).prop_map(|members| bare_object(&members)),
        1 => prop::sample::select(vec!["null".to_owned(), "7".to_owned(), "[]".to_owned()]),
    ];
    (kind, prop::collection::vec(entry, 0..5))
        .prop_map(|(kind, entries)| format!(r#"{{"resourceType":"Bundle"{kind},"entry":[{}]}}"#, entries.join(",")))
}

/// An object in which no name stands twice: the two ways may take either then.
fn object(members: &[String]) -> String {
    let with_type: Vec<String> = [r#""resourceType":"Basic""#.to_owned()].into_iter().chain(members.to_vec()).collect();
    bare_object(&with_type)
}

/// What a narrative may hold, and what it may not.
fn piece() -> impl Strategy<Value = &'static str> {
    let pieces =
        ["a", "&amp;", "&nbsp;", "&x", "<br/>", "<p>b</p>", "<p>", "</p>", "<ul><li>c</li></ul>", "<ul>d</ul>"];
    let others =
        ["<a href='e'>f</a>", "<a href='javascript:g'/>", "<script/>", "<b><b>h</b></b>", "<i class='j' k='l'/>"];
    prop::sample::select([&pieces[..], &others[..], &[" ", "\\n", "<td>m</td>", "<!-- -->", "<q"]].concat())
}

fn bare_object(members: &[String]) -> String {
    let name = |member: &String| member.split(':').next().unwrap_or_default().to_owned();
    let mut out: Vec<String> = Vec::new();
    for member in members {
        if !out.iter().any(|other| name(other) == name(member)) {
            out.push(member.clone());
        }
    }
    format!("{{{}}}", out.join(","))
}

fn agree(text: &str, host: &Host<'_>, focus: &Focus<'_>) -> Result<(), TestCaseError> {
    let expression = compile_constraint(text).expect("it compiles");
    let native = expression.check(host, focus);
    let general = expression.check_generally(host, focus);
    // An element that no definition knows has no type: dom-3 needs none where a plain reference shows the use.
    if general == Verdict::NotChecked(NotChecked::Type) && native == Verdict::True {
        return Ok(());
    }
    prop_assert_eq!(&native, &general, "{} natively", text);
    let items = match expression.evaluate(host, *focus) {
        Err(error) => Err(Verdict::NotChecked(error.into())),
        Ok(evaluated) => evaluated.not_checked.map_or(Ok(evaluated.items), |why| Err(Verdict::NotChecked(why))),
    };
    let items = match items {
        Ok(items) => items,
        Err(not_checked) => {
            prop_assert_eq!(native, not_checked, "{}", text);
            return Ok(());
        }
    };
    let expected = match items.as_slice() {
        [] => Verdict::Empty,
        [epr_fhirpath::Item::Boolean(false)] => Verdict::False,
        [_] => Verdict::True,
        // Several items are no truth: the check says so itself.
        _ => return Ok(()),
    };
    prop_assert_eq!(native, expected, "{}", text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn every_short_cut_gives_what_the_evaluator_gives(members in prop::collection::vec(member(), 0..6)) {
        let json = object(&members);
        let resource = Resource::parse_json(json.as_bytes()).expect("JSON");
        let host = Host::with_definitions(None);
        let focus = Focus::on_resource(resource.root(), None);
        for text in OF_ELEMENTS.iter().chain([&DOM_3]).chain(OTHERS) {
            agree(text, &host, &focus)?;
        }
        if let Some(definitions) = r4::definitions() {
            let host = Host::with_definitions(Some(definitions));
            let structure = |name: &str| definitions.structure(name).expect("a type of R4");
            let root = Focus::on_resource(resource.root(), Some(definitions));
            for name in ["Period", "Reference"] {
                let element = ElementNode::new(Some(resource.root()), None, Some(structure(name)), name, name);
                for text in OF_ELEMENTS.iter().chain([&PER_1]).chain(OTHERS) {
                    agree(text, &host, &root.at(element))?;
                }
            }
            agree(DOM_3, &host, &root)?;
        }
    }

    #[test]
    fn the_short_cut_of_narratives_gives_what_the_evaluator_gives(pieces in prop::collection::vec(piece(), 0..6)) {
        let json = format!(r#"{{"text":{{"div":"<div xmlns='http://www.w3.org/1999/xhtml'>{}</div>"}}}}"#, pieces.concat());
        let resource = Resource::parse_json(json.as_bytes()).expect("JSON");
        let div = resource.root().get("text").and_then(|text| text.get("div"));
        for definitions in [None, r4::definitions()] {
            let host = Host::with_definitions(definitions);
            let structure = definitions.map(|d| d.structure("Narrative").expect("a type of R4"));
            let focus = Focus::on_resource(resource.root(), definitions);
            agree(TXT_1, &host, &focus.at(ElementNode::new(div, None, structure, "Narrative.div", "xhtml")))?;
        }
    }

    #[test]
    fn every_short_cut_of_bundles_gives_what_the_evaluator_gives(json in bundle()) {
        let resource = Resource::parse_json(json.as_bytes()).expect("JSON");
        let definitions = r4::definitions();
        for definitions in [None, definitions] {
            let host = Host::with_definitions(definitions);
            let focus = Focus::on_resource(resource.root(), definitions);
            for text in OF_BUNDLES {
                agree(text, &host, &focus)?;
            }
            let structure = definitions.map(|d| d.structure("Bundle").expect("a type of R4"));
            for entry in resource.root().get("entry").into_iter().flat_map(epr_fhir::Node::items) {
                let element = ElementNode::new(Some(entry), None, structure, "Bundle.entry", "BackboneElement");
                for text in OF_BUNDLES {
                    agree(text, &host, &focus.at(element))?;
                }
            }
        }
    }
}
