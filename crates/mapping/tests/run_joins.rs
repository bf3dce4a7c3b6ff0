//! Look-ups, groups, latest versions, several resources a row, asserts; lineage; the tests of a mapping file.

mod run_support;

use std::sync::Arc;

use epr_mapping::explain::{ExplainError, ExplainInput, explain};
use epr_mapping::functions::Function;
use epr_mapping::plan::*;
use epr_mapping::testing::run_pack;
use run_support::*;

const NAME: RowSlot = RowSlot(1);
const PRACTICE: RowSlot = RowSlot(2);
const CANDIDATE: RowSlot = RowSlot(3);

fn people() -> Table {
    Table::new("P", "ID|GP|NAME", &["1|A1|Ann", "2|B2|Bob", "3|~|Cy", "4|C3|Di"])
}

fn names() -> Table {
    Table::new(
        "N",
        "PID|SURNAME|SEQ|KIND",
        &["1|Third|10|x", "1|First|2|x", "2|Only|~|x", "1|Last|~|x", "1|No|1|hidden"],
    )
}

fn practices() -> Table {
    Table::new("G", "CODE|ODS", &["A1|L81001", "B2|L81002", "B2|L81003"])
}

/// `name` from a many-sided look-up in the order of SEQ; `generalPractitioner` from one that takes at most one.
fn person_map(takes: Takes) -> MapPlan {
    let mut plan = map("person", &people(), KeyPlan::Columns(vec![0]));
    plan.tables.extend([names().plan(), practices().plan()]);
    plan.rows.extend([
        RowName { alias: "n".to_owned(), table: TableSlot(1) },
        RowName { alias: "gp".to_owned(), table: TableSlot(2) },
        RowName { alias: "al".to_owned(), table: TableSlot(1) },
    ]);
    plan.lists = vec![ListName { alias: "al".to_owned(), table: TableSlot(1) }];
    let order = OrderKey { by: call(Function::Integer, vec![Expr::column(CANDIDATE, 2)], &[]), descending: false };
    plan.lookups = vec![
        LookupPlan {
            alias: "al".to_owned(),
            table: TableSlot(1),
            pairs: vec![JoinPair { theirs: 0, ours: col(0) }],
            residual: Some(Expr::eq(Expr::column(CANDIDATE, 3), Expr::text("x"))),
            row: CANDIDATE,
            takes: Takes::Many { list: ListSlot(0), order: vec![order] },
            may_spill: false,
            at: AT,
        },
        LookupPlan {
            alias: "gp".to_owned(),
            table: TableSlot(2),
            pairs: vec![JoinPair { theirs: 0, ours: col(1) }],
            residual: None,
            row: PRACTICE,
            takes,
            may_spill: false,
            at: At::new(0, 7),
        },
    ];
    let family = value("family", "Patient.name.family", string(Expr::column(NAME, 1)));
    let each = Each { list: ListSlot(0), row: NAME };
    let name = object(vec![literal("use", "Patient.name.use", "\"old\""), family], "Patient.name").each(each);
    let practice = object(
        vec![value("display", "Patient.generalPractitioner.display", string(Expr::column(PRACTICE, 1)))],
        "Patient.generalPractitioner",
    );
    plan.resources = vec![resource(
        "Patient",
        vec![
            array("name", "Patient.name", vec![name]),
            array("generalPractitioner", "Patient.generalPractitioner", vec![practice]),
        ],
    )];
    plan
}

#[test]
fn look_ups_give_their_rows_in_the_declared_order_and_wrong_counts_refuse() {
    let run = extracted(&[people(), names(), practices()]);
    let stage = run.map(vec![person_map(Takes::Optional)]);
    insta::assert_snapshot!("lookups_resources", resources(&stage, "Patient"));
    insta::assert_snapshot!("lookups_optional", outcomes(&stage) + &issues(&stage));
    let stage = run.map(vec![person_map(Takes::One)]);
    insta::assert_snapshot!("lookups_one", outcomes(&stage));
    let tables = &stage.manifest().ledgers.tables;
    assert_eq!(tables.iter().map(|t| (t.in_scope, t.lookup_only)).collect::<Vec<_>>(), [(4, 0), (0, 5), (0, 3)]);
}

#[test]
fn explain_gives_back_cells_functions_and_lines() {
    let run = extracted(&[people(), names(), practices()]);
    let plan = person_map(Takes::Optional);
    let stage = run.map(vec![plan.clone()]);
    let packs = [pack(vec![plan])];
    let input =
        ExplainInput { plans: &packs, namespace: NAMESPACE.parse().unwrap(), as_of: Some("2026-11-01T00:00:00Z") };
    let id = keys(&stage).iter().find(|k| k.row_no == 1).unwrap().id;
    let explanation = explain(&run.run, input, "Patient", id).unwrap();
    assert!(explanation.is_same);
    let lines: Vec<String> = explanation
        .elements
        .iter()
        .map(|e| {
            let cells: Vec<_> = e.cells.iter().map(|c| format!("{}.{}:{}", c.table, c.column, c.row_no)).collect();
            format!("{} [{}] {} {}:{}\n", e.fhir_path, e.shape, cells.join(" "), e.mapping.0, e.mapping.1)
        })
        .collect();
    insta::assert_snapshot!("explained", lines.concat());
    let unknown = "ba1e7c0d-e0b4-5a2c-95d2-cff4f6aff87d".parse().unwrap();
    assert!(matches!(explain(&run.run, input, "Practitioner", unknown), Err(ExplainError::NotFound { .. })));
}

fn panel_rows() -> Table {
    Table::new(
        "R",
        "PANEL|SEQ|PID|VALUE",
        &["b|2|1|5.10", "a|1|1|1.0", "b|1|1|4.2", "c|1|1|7", "c|2|9|8", "~|1|1|0", "b|10|1|x"],
    )
}

fn panel_map(otherwise: GroupElse) -> MapPlan {
    let mut plan = map("panel", &panel_rows(), KeyPlan::By(vec![col(0)]));
    plan.rows.push(RowName { alias: "r".to_owned(), table: TableSlot::MAIN });
    plan.lists = vec![ListName { alias: "rows".to_owned(), table: TableSlot::MAIN }];
    let seq = |row| call(Function::Integer, vec![Expr::column(row, 1)], &[]);
    plan.group = Some(GroupPlan {
        by: vec![col(0)],
        order: vec![OrderKey { by: seq(RowSlot::MAIN), descending: false }],
        rows: ListSlot(0),
        agree: vec![2],
        otherwise,
        at: AT,
    });
    let path = "Observation.component.valueQuantity";
    let quantity = ValueNode::new(call(Function::Quantity, vec![Expr::column(NAME, 3)], &[]), Shape::Quantity, AT);
    let component = object(vec![value("valueQuantity", path, quantity)], "Observation.component");
    let component = component.each(Each { list: ListSlot(0), row: NAME });
    plan.resources = vec![resource(
        "Observation",
        vec![
            value("id_of_first", "Observation.first", string(col(1))),
            array("component", "Observation.component", vec![component]),
        ],
    )];
    plan
}

#[test]
fn rows_of_a_group_make_one_resource_whatever_the_batches() {
    let run = extracted(&[panel_rows()]);
    let stage = run.map(vec![panel_map(GroupElse::RefuseRow)]);
    insta::assert_snapshot!("group_resources", resources(&stage, "Observation"));
    insta::assert_snapshot!("group_outcomes", outcomes(&stage) + &issues(&stage));
    let kept = run.map(vec![panel_map(GroupElse::Issue)]);
    assert_eq!(resources(&kept, "Observation").lines().count(), 3);
    let expected = hashes(&kept);
    assert_eq!(hashes(&run.map_with(vec![panel_map(GroupElse::Issue)], 1, None).unwrap()), expected);
}

#[test]
fn the_latest_version_wins_and_a_tie_of_different_rows_is_refused() {
    let table = || {
        Table::new(
            "D",
            "SET|VERSION|BODY",
            &["s|1|old", "t|2|same", "s|10|new", "t|2|same", "u|3|one", "u|3|other", "s|~|none", "u|1|old"],
        )
    };
    let run = extracted(&[table()]);
    let mut plan = map("doc", &table(), KeyPlan::By(vec![col(0)]));
    plan.latest = Some(LatestPlan { by: vec![col(0)], max: vec![call(Function::Integer, vec![col(1)], &[])], at: AT });
    plan.resources = vec![resource("Basic", vec![value("body", "Basic.body", string(col(2)))])];
    let stage = run.map(vec![plan]);
    assert!(resources(&stage, "Basic").contains("\"body\":\"new\""));
    insta::assert_snapshot!("latest_outcomes", outcomes(&stage));
}

#[test]
fn one_row_gives_several_resources_and_asserts_look_at_what_was_built() {
    let table = || {
        Table::new(
            "V",
            "ID|SYS|FROM|TO",
            &["1|120|2020-01-01|2020-01-02", "2|~|2020-01-03|2020-01-02", "3|1|2020-01-01|~"],
        )
    };
    let run = extracted(&[table()]);
    let mut plan = map("vital", &table(), KeyPlan::Columns(vec![0]));
    let day = |c, slot| {
        let mut node = primitive(call(Function::Date, vec![col(c)], &[("format", "%Y-%m-%d")]), "date");
        node.capture = Some(CaptureSlot(slot));
        node
    };
    let mut period =
        resource("Basic", vec![value("start", "Basic.start", day(2, 0)), value("end", "Basic.end", day(3, 1))]);
    period.id_part = "period".to_owned();
    period.n_captures = 2;
    let le = Expr::Compare {
        op: CompareOp::Le,
        left: Box::new(Expr::Element(CaptureSlot(0))),
        right: Box::new(Expr::Element(CaptureSlot(1))),
    };
    period.asserts =
        vec![AssertPlan { that: le, otherwise: AssertElse::Issue, hazard: Some("EN-02".to_owned()), at: AT }];
    let mut pressure = resource(
        "Basic",
        vec![value("sys", "Basic.sys", primitive(call(Function::Decimal, vec![col(1)], &[]), "decimal"))],
    );
    pressure.id_part = "bp".to_owned();
    pressure.when = Some(Expr::Not(Box::new(Expr::Blank(Box::new(col(1))))));
    plan.resources = vec![period, pressure];
    let stage = run.map(vec![plan]);
    insta::assert_snapshot!("several_resources", resources(&stage, "Basic") + &outcomes(&stage) + &issues(&stage));
}

#[test]
fn a_list_of_primitives_keeps_extensions_in_step() {
    let table = || Table::new("T", "ID|A|B|C", &["1|x|2|z", "2|~|~|~", "3|~|2|~"]);
    let run = extracted(&[table()]);
    let mut plan = map("t", &table(), KeyPlan::Columns(vec![0]));
    let item = |c, reason: Option<&str>| {
        let mut node = string(col(c));
        node.on_missing = reason.map(|r| policy(Policy::DataAbsentReason(Arc::from(r))));
        EmitNode::new(EmitKind::Value(Box::new(node)), "HumanName.given", AT)
    };
    let extension = object(
        vec![
            literal("url", "url", "\"http://example.org/e\""),
            value("valueInteger", "v", primitive(call(Function::Integer, vec![col(2)], &[]), "integer")),
        ],
        "extension",
    );
    let with_extension = EmitNode::new(
        EmitKind::Primitive { value: Some(Box::new(string(col(0)))), extensions: vec![extension] },
        "Basic.birth",
        AT,
    );
    plan.resources = vec![resource(
        "Basic",
        vec![
            array("given", "Basic.given", vec![item(1, None), item(2, Some("unknown")), item(3, None)]),
            Member::new("birth", with_extension),
        ],
    )];
    let stage = run.map(vec![plan]);
    insta::assert_snapshot!("primitive_lists", resources(&stage, "Basic"));
}

#[test]
fn the_tests_of_a_file_say_what_is_wrong() {
    let mut plan = person_map(Takes::Optional);
    let person = |id: &str| GivenRow { table: TableSlot(0), cells: vec![(0, id.to_owned()), (1, "A1".to_owned())] };
    let name = |text: &str| GivenRow {
        table: TableSlot(1),
        cells: vec![(0, "1".to_owned()), (1, text.to_owned()), (2, "1".to_owned()), (3, "x".to_owned())],
    };
    let practice = || GivenRow { table: TableSlot(2), cells: vec![(0, "A1".to_owned())] };
    let test = |title: &str, given, expect: &[(&str, &str)]| TestPlan {
        name: title.to_owned(),
        given,
        of: None,
        expect: expect.iter().map(|(p, e)| ((*p).to_owned(), (*e).to_owned(), At::new(0, 21))).collect(),
        expect_absent: vec![("generalPractitioner".to_owned(), At::new(0, 22))],
        expect_issue: Some(Vec::new()),
        expect_refused: false,
        expect_none: false,
        at: At::new(0, 20),
    };
    let mut refused = test("two practices", vec![person("1"), practice(), practice()], &[]);
    refused.expect_absent.clear();
    refused.expect_refused = true;
    refused.expect_issue =
        Some(vec![ExpectedIssue { code: "MAP0440".to_owned(), column: Some("p.GP".to_owned()), at: At::new(0, 23) }]);
    plan.tests = vec![
        test("a name", vec![person("1"), name("Ash")], &[("name[0].family", "Ash"), ("name.use", "old")]),
        test("a wrong name", vec![person("1"), name("Ash")], &[("name[0].family", "Oak"), ("name[1].family", "Elm")]),
        test("an unexpected issue", vec![person("1"), practice(), practice()], &[]),
        refused,
    ];
    let results = run_pack(&pack(vec![plan]), NAMESPACE.parse().unwrap(), None);
    let text: String = results
        .iter()
        .flat_map(|r| {
            let head = format!("{}:{} {}: {}\n", r.file, r.line, r.name, if r.passed() { "passed" } else { "failed" });
            std::iter::once(head).chain(r.failures.iter().map(|f| format!("  {}: {}\n", f.line, f.message)))
        })
        .collect();
    insta::assert_snapshot!("tests_of_a_file", text);
}
