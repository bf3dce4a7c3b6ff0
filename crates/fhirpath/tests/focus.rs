//! Where an evaluation begins, and what the host lends.

use epr_fhir::Resource;
use epr_fhirpath::{Conformance, ElementNode, Focus, Host, Item, NotChecked, Resolved, Resolver, Verdict, compile};
use epr_fhirpath::{compile_constraint, value::Collection};
use proptest::prelude::*;

const PATIENT: &[u8] = include_bytes!("inputs/patient.json");
const BUNDLE: &[u8] = include_bytes!("inputs/bundle.json");

const REF_1: &str = "reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))";

fn parse(bytes: &[u8]) -> Resource {
    Resource::parse_json(bytes).expect("the input is JSON")
}

/// The single element that an expression reaches from the resource.
fn element<'a>(
    text: &str,
    host: &Host<'a>,
    focus: &Focus<'a>,
    keep: &'a mut Option<epr_fhirpath::Expression>,
) -> ElementNode<'a> {
    let expression = keep.insert(compile(text).expect("it compiles"));
    let found: Collection<'a> = expression.evaluate(host, *focus).expect("it evaluates").items;
    match found.as_slice() {
        [Item::Element(element)] => *element,
        other => panic!("{text} reaches {} items", other.len()),
    }
}

#[test]
fn a_reference_to_what_is_contained_holds_and_one_to_nothing_fails() {
    let resource = parse(PATIENT);
    let host = Host::with_definitions(None);
    let root = Focus::on_resource(resource.root(), None);
    let ref_1 = compile(REF_1).unwrap();
    let (mut a, mut b) = (None, None);
    let good = element("managingOrganization", &host, &root, &mut a);
    assert_eq!(ref_1.check(&host, &root.at(good)), Verdict::True);
    let bad = element("generalPractitioner[1]", &host, &root, &mut b);
    assert_eq!(ref_1.check(&host, &root.at(bad)), Verdict::False);
}

#[test]
fn inside_a_contained_resource_the_root_is_the_container() {
    let resource = parse(PATIENT);
    let host = Host::with_definitions(None);
    let root = Focus::on_resource(resource.root(), None);
    let mut keep = None;
    let contained = root.on_contained(element("contained[0]", &host, &root, &mut keep));
    for (text, expected) in [
        ("%resource.id = 'org'", Verdict::True),
        ("%rootResource.id = 'p1'", Verdict::True),
        ("%context.name = 'Example Trust'", Verdict::True),
        ("'#gp'.resolve().active", Verdict::True),
        ("Organization.name.exists()", Verdict::True),
    ] {
        assert_eq!(compile(text).unwrap().check(&host, &contained), expected, "{text}");
    }
}

#[test]
fn an_entry_is_its_own_root_and_sees_the_bundle() {
    let resource = parse(BUNDLE);
    let host = Host::with_definitions(None);
    let root = Focus::on_resource(resource.root(), None);
    let mut keep = None;
    let entry = root.on_entry(element("entry[2].resource", &host, &root, &mut keep));
    for (text, expected) in [
        ("%rootResource.id = 'c1'", Verdict::True),
        ("subject.resolve().id = 'p1'", Verdict::True),
        ("'Organization/o1/_history/2'.resolve().exists()", Verdict::True),
        ("recorder.resolve().exists()", Verdict::NotChecked(NotChecked::Reference)),
    ] {
        assert_eq!(compile(text).unwrap().check(&host, &entry), expected, "{text}");
    }
}

struct Elsewhere(Resource);

impl Resolver for Elsewhere {
    fn resolve(&self, reference: &str) -> Resolved<'_> {
        match reference {
            "Practitioner/elsewhere" => Resolved::Found(self.0.root()),
            "Practitioner/none" => Resolved::Absent,
            _ => Resolved::Unknown,
        }
    }
}

struct Never;

impl Conformance for Never {
    fn conforms(&self, _: ElementNode<'_>, profile: &str) -> Option<bool> {
        (profile == "known").then_some(false)
    }
}

#[test]
fn the_host_follows_references_and_judges_profiles() {
    let resource = parse(BUNDLE);
    let elsewhere = Elsewhere(parse(br#"{"resourceType":"Practitioner","id":"elsewhere"}"#));
    let host = Host { resolver: Some(&elsewhere), conformance: Some(&Never), ..Host::with_definitions(None) };
    let root = Focus::on_resource(resource.root(), None);
    for (text, expected) in [
        ("entry[2].resource.recorder.resolve().id = 'elsewhere'", Verdict::True),
        ("'Practitioner/none'.resolve().empty()", Verdict::True),
        ("'Practitioner/other'.resolve().empty()", Verdict::NotChecked(NotChecked::Reference)),
        ("conformsTo('known')", Verdict::False),
        (
            "conformsTo('unknown').empty()",
            Verdict::NotChecked(NotChecked::Conformance { profile: "unknown".to_owned() }),
        ),
    ] {
        assert_eq!(compile(text).unwrap().check(&host, &root), expected, "{text}");
    }
}

#[test]
fn without_a_point_in_time_now_is_not_checked() {
    let resource = parse(PATIENT);
    let verdict = compile("birthDate <= today()").unwrap();
    let verdict = verdict.check(&Host::with_definitions(None), &Focus::on_resource(resource.root(), None));
    assert_eq!(verdict, Verdict::NotChecked(NotChecked::Clock));
}

#[test]
fn an_error_is_not_checked_and_an_open_answer_is_empty() {
    let resource = parse(PATIENT);
    let host = Host::with_definitions(None);
    let root = Focus::on_resource(resource.root(), None);
    let check = |text: &str| compile(text).unwrap().check(&host, &root);
    assert!(matches!(check("name.single().exists()"), Verdict::NotChecked(NotChecked::Failed(_))));
    assert_eq!(check("identifier[0].period.start <= identifier[0].period.end"), Verdict::Empty);
    assert_eq!(check("name.exists()"), Verdict::True);
    assert_eq!(check("photo.exists()"), Verdict::False);
}

#[test]
fn que_7_is_read_as_it_was_meant() {
    let item = parse(br#"{"question":"1","operator":"exists","answerBoolean":true}"#);
    let host = Host::with_definitions(None);
    let text = "operator = 'exists' implies (answer is Boolean)";
    let focus = Focus::on_resource(item.root(), None);
    assert_eq!(compile(text).unwrap().check(&host, &focus), Verdict::False);
    assert_eq!(compile_constraint(text).unwrap().check(&host, &focus), Verdict::True);
}

#[test]
fn what_is_shown_of_an_item_is_never_its_value() {
    let resource = parse(PATIENT);
    let expression = compile("name.family | birthDate | birthDate.toDate() | 5 'mg'").unwrap();
    let evaluated =
        expression.evaluate(&Host::with_definitions(None), Focus::on_resource(resource.root(), None)).unwrap();
    let shown = format!("{evaluated:?}");
    for value in ["Testperson", "1980", "mg"] {
        assert!(!shown.contains(value), "{shown}");
    }
}

/// Calls and operands that fit each other, so that random expressions are often meaningful.
fn expression() -> impl Strategy<Value = String> {
    let start = prop::sample::select(vec![
        "name",
        "birthDate",
        "$this",
        "identifier.period.start",
        "1",
        "-2.5",
        "'a1'",
        "@2024-02",
        "@T10:30",
        "5 'mg'",
        "2 days",
        "{}",
        "(1 | 2 | 'a')",
        "extension.value",
        "today()",
        "9223372036854775807",
        "@9999-12-31T23:59:59Z",
        "contained",
        "7922816251426433759354395033.5",
    ]);
    let call = prop::sample::select(vec![
        "",
        ".given",
        ".first()",
        ".toString()",
        ".toInteger()",
        ".toQuantity()",
        ".abs()",
        ".round(30)",
        ".power(50)",
        ".power(-3)",
        ".lowBoundary()",
        ".highBoundary(28)",
        ".precision()",
        ".descendants()",
        ".substring(1, 9999999999)",
        ".sort()",
        ".sort(-$this)",
        ".aggregate($total + $this, 1)",
        ".repeat($this)",
        ".repeat(children())",
        ".take(-1)",
        "[5]",
        ".resolve()",
        ".children()",
        ".length()",
        ".toChars()",
        ".type()",
        ".matches('(a|b)*')",
        ".replaceMatches('.', '$9')",
        ".decode('base64')",
        ".unescape('json')",
        ".sqrt()",
        ".ln()",
        ".distinct()",
        ".where($this > 1)",
        ".iif($this.exists(), 1, 2)",
        ".htmlChecks()",
    ]);
    let operator = prop::sample::select(vec![
        " + ",
        " - ",
        " * ",
        " / ",
        " div ",
        " mod ",
        " & ",
        " | ",
        " = ",
        " ~ ",
        " < ",
        " >= ",
        " in ",
        " contains ",
        " and ",
        " implies ",
    ]);
    let operand =
        (start, prop::collection::vec(call, 0..4)).prop_map(|(start, calls)| format!("({start}){}", calls.concat()));
    (operand.clone(), operator, operand).prop_map(|(left, operator, right)| format!("{left}{operator}{right}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_expression_panics(text in expression()) {
        let resource = parse(PATIENT);
        let host = Host {
            as_of: epr_fhirpath::temporal::Temporal::date_time("2024-03-01T12:00:00Z"),
            ..Host::with_definitions(None)
        };
        let compiled = compile(&text).expect("it is made of pieces that compile");
        // An error is an answer too.
        let _ = compiled.evaluate(&host, Focus::on_resource(resource.root(), None));
    }
}
