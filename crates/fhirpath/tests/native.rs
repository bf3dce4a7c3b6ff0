//! Native answers agree with the evaluator, also where the data are out of the ordinary.

use epr_fhir::Resource;
use epr_fhirpath::{ElementNode, Focus, Host, NotChecked, Verdict, compile_constraint};
use proptest::prelude::*;

use crate::r4;

const ELE_1: &str = "hasValue() or (children().count() > id.count())";
const REF_1: &str = "reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))";
const PER_1: &str = "start.hasValue().not() or end.hasValue().not() or (start <= end)";
const DOM_3: &str = "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | %resource.descendants().as(uri) | %resource.descendants().as(url))) or descendants().where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()";
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
    ])
    .prop_map(str::to_owned)
}

/// An object in which no name stands twice: the two ways may take either then.
fn object(members: &[String]) -> String {
    let name = |member: &String| member.split(':').next().unwrap_or_default().to_owned();
    let mut out: Vec<String> = vec![r#""resourceType":"Basic""#.to_owned()];
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
        for text in [ELE_1, REF_1, DOM_3].iter().chain(OTHERS) {
            agree(text, &host, &focus)?;
        }
        if let Some(definitions) = r4::definitions() {
            let host = Host::with_definitions(Some(definitions));
            let structure = |name: &str| definitions.structure(name).expect("a type of R4");
            let root = Focus::on_resource(resource.root(), Some(definitions));
            for name in ["Period", "Reference"] {
                let element = ElementNode::new(Some(resource.root()), None, Some(structure(name)), name, name);
                for text in [ELE_1, REF_1, PER_1].iter().chain(OTHERS) {
                    agree(text, &host, &root.at(element))?;
                }
            }
            agree(DOM_3, &host, &root)?;
        }
    }
}
