//! Rows to resources: what each outcome, policy and shape gives, through the whole stage.

mod run_support;

use std::sync::Arc;

use epr_mapping::functions::Function;
use epr_mapping::plan::*;
use epr_mapping::stage::{Limit, MapError};
use epr_run::records::{RefRecord, UnmappedCodeRecord};
use run_support::*;

fn patients() -> Table {
    Table::new(
        "PATIENTS",
        "REFNO|SURNAME|FORENAMES|SEX|DOB|DOD|ARCHV|NHS",
        &[
            "1|O'NEILL|MARY ANN|2|05/06/1950 00:00|~|N|999 000 0107",
            "2|SMITH|~|9|01/01/1900 00:00|25/10/2020 01:30|N|9990000108",
            "3|~|JO|X|31/06/1950 00:00|29/03/2020 01:30|N|~",
            "4|GONE|A|1|05/06/1950 00:00|~|D|~",
            "~|NOKEY|A|1|05/06/1950 00:00|~|N|~",
        ],
    )
}

fn sex_codes() -> Arc<CodeMapPlan> {
    let row = |line, code| CodeMapRow {
        line,
        coding: Arc::new(CodingLiteral::new(Some("http://hl7.org/fhir/administrative-gender"), code, None)),
        equivalence: Equivalence::Equivalent,
    };
    let rows = [("1", row(2, "male")), ("2", row(3, "female"))];
    Arc::new(CodeMapPlan {
        file: "rk9/ipm/codes/sex.csv".to_owned(),
        rows: rows.into_iter().map(|(source, row)| (Box::from(source), row)).collect(),
    })
}

fn patient_map() -> MapPlan {
    let mut plan = map("patient", &patients(), KeyPlan::Columns(vec![0]));
    plan.where_ = Some(Predicate {
        that: Expr::Compare { op: CompareOp::Ne, left: Box::new(col(6)), right: Box::new(Expr::text("D")) },
        at: AT,
    });
    let format = ("format", "%d/%m/%Y %H:%M");
    let name = object(
        vec![
            literal("use", "Patient.name.use", "\"official\""),
            value("family", "Patient.name.family", string(call(Function::NameCase, vec![col(1)], &[]))),
            array(
                "given",
                "Patient.name.given",
                vec![EmitNode::new(
                    EmitKind::Value(Box::new(string(call(Function::Split, vec![col(2)], &[("separator", " ")])))),
                    "Patient.name.given",
                    AT,
                )],
            ),
        ],
        "Patient.name",
    );
    let identifier = object(
        vec![
            literal("system", "Patient.identifier.system", "\"https://fhir.nhs.uk/Id/nhs-number\""),
            value("value", "Patient.identifier.value", string(call(Function::NhsNumber, vec![col(7)], &[]))),
        ],
        "Patient.identifier",
    );
    let mut gender = primitive(col(3), "code");
    gender.via = Some(sex_codes());
    gender.on_unmapped =
        Some(policy(Policy::Const { json: Arc::from(&b"\"unknown\""[..]), text: Arc::from("unknown") }));
    let mut birth_date =
        primitive(call(Function::Date, vec![col(4)], &[format, ("sentinel", "01/01/1900 00:00")]), "date");
    birth_date.on_invalid = policy(Policy::DataAbsentReason(Arc::from("error")));
    birth_date.on_missing = Some(policy(Policy::Omit));
    let deceased = primitive(call(Function::DateTime, vec![col(5)], &[format]), "dateTime");
    plan.resources = vec![resource(
        "Patient",
        vec![
            array("identifier", "Patient.identifier", vec![identifier]),
            array("name", "Patient.name", vec![name]),
            value("gender", "Patient.gender", gender),
            value("birthDate", "Patient.birthDate", birth_date),
            value("deceasedDateTime", "Patient.deceasedDateTime", deceased),
        ],
    )];
    plan
}

#[test]
fn patients_come_out_with_their_policies_applied_and_every_loss_reported() {
    let run = extracted(&[patients()]);
    let stage = run.map(vec![patient_map()]);
    insta::assert_snapshot!("patients_resources", resources(&stage, "Patient"));
    insta::assert_snapshot!("patients_outcomes", outcomes(&stage));
    insta::assert_snapshot!("patients_issues", issues(&stage));
    let unmapped: Vec<UnmappedCodeRecord> = all(&stage);
    assert_eq!(
        unmapped.iter().map(|u| (u.column.as_str(), u.source_code.as_str(), u.n_rows)).collect::<Vec<_>>(),
        [("SEX", "9", 1), ("SEX", "X", 1)]
    );
    assert_eq!(unmapped[0].table, "RK9/ipm/PATIENTS");
}

#[test]
fn equal_rows_of_a_key_repeat_and_different_ones_are_all_refused() {
    let table = || Table::new("T", "ID|V|FLAG", &["1|a|N", "2|b|N", "1|a|N", "2|c|N", "3|d|N", "3|e|D"]);
    let run = extracted(&[table()]);
    let mut plan = map("t", &table(), KeyPlan::Columns(vec![0]));
    // The plan reads only the key and the flag: content is compared over all columns all the same.
    plan.tables[0].columns.remove(1);
    plan.where_ = Some(Predicate { that: Expr::eq(col(1), Expr::text("N")), at: AT });
    plan.resources = vec![resource("Basic", vec![literal("language", "Basic.language", "\"en\"")])];
    let stage = run.map(vec![plan]);
    insta::assert_snapshot!("doubles_of_a_key", outcomes(&stage));
}

#[test]
fn rows_of_a_table_without_a_key_are_events_of_their_own_in_any_order() {
    let ids = |rows: &[&str]| {
        let table = || Table::new("T", "A|B", rows);
        let run = extracted(&[table()]);
        let mut plan = map("t", &table(), KeyPlan::Row);
        plan.resources = vec![resource("Basic", vec![value("language", "Basic.language", primitive(col(0), "code"))])];
        let mut ids: Vec<_> = keys(&run.map(vec![plan])).iter().map(|k| k.id).collect();
        ids.sort();
        ids
    };
    let forward = ids(&["x|~", "y|1", "x|~", "x|"]);
    assert_eq!(forward.len(), 4);
    assert!(forward.windows(2).all(|pair| pair[0] != pair[1]));
    assert_eq!(forward, ids(&["x|", "x|~", "x|~", "y|1"]));
}

#[test]
fn a_refusing_policy_refuses_the_row_or_the_resource() {
    let table = || Table::new("T", "ID|N", &["1|5", "2|five", "3|~"]);
    let run = extracted(&[table()]);
    for (refusal, name) in [(Policy::RefuseRow, "row"), (Policy::RefuseResource, "resource")] {
        let mut plan = map("t", &table(), KeyPlan::Columns(vec![0]));
        let mut number = primitive(call(Function::Integer, vec![col(1)], &[]), "integer");
        number.on_invalid = policy(refusal.clone());
        number.on_missing = Some(policy(refusal));
        let good = resource("Basic", vec![literal("language", "Basic.language", "\"en\"")]);
        plan.resources =
            vec![good, resource("Observation", vec![value("valueInteger", "Observation.valueInteger", number)])];
        let stage = run.map(vec![plan]);
        insta::assert_snapshot!(format!("refusing_the_{name}"), outcomes(&stage));
        assert_eq!(resources(&stage, "Observation").lines().count(), 1);
    }
}

#[test]
fn an_id_of_a_reference_is_the_id_of_the_resource_it_names() {
    let people = || Table::new("P", "ID", &["1", "2"]);
    let events = || Table::new("E", "ID|P", &["10|1", "11|~", "12|9"]);
    let run = extracted(&[people(), events()]);
    let mut person = map("person", &people(), KeyPlan::Columns(vec![0]));
    person.resources = vec![resource("Patient", Vec::new())];
    let mut event = map("event", &events(), KeyPlan::Columns(vec![0]));
    event.ref_targets = vec![RefTarget {
        resource_type: Arc::from("Patient"),
        organisation: "RK9".to_owned(),
        system: "ipm".to_owned(),
        table: "P".to_owned(),
        id_part: String::new(),
    }];
    let to_person = |key| Expr::Ref(Box::new(RefExpr { target: RefTargetSlot(0), keys: vec![key], at: AT }));
    event.measures = vec![MeasurePlan {
        name: "patient".to_owned(),
        value: to_person(col(1)),
        ty: Type::Ref(Arc::from("Patient")),
        at: AT,
    }];
    event.resources = vec![resource(
        "Encounter",
        vec![value("subject", "Encounter.subject", ValueNode::new(to_person(col(1)), Shape::Reference, AT))],
    )];
    let stage = run.map(vec![person, event]);
    let person_1 = keys(&stage).iter().find(|k| k.resource_type == "Patient" && k.row_no == 1).unwrap().id;
    let refs: Vec<RefRecord> = all(&stage);
    assert_eq!(refs.len(), 2);
    assert_eq!((refs[0].to_id, refs[0].path.as_str()), (person_1, "Encounter.subject"));
    assert!(resources(&stage, "Encounter").contains(&format!("{{\"reference\":\"Patient/{person_1}\"}}")));
    let rows: Vec<epr_run::records::RowRecord> = all(&stage);
    assert_eq!(rows[0].measures.as_deref(), Some(format!("{{\"patient\":\"Patient/{person_1}\"}}").as_str()));
    assert_eq!(rows[1].measures.as_deref(), Some("{}"));
}

#[test]
fn too_many_refused_rows_leave_the_stage_unfinished() {
    let run = extracted(&[patients()]);
    let error = run.map_with(vec![patient_map()], 8192, Some(Limit::Rows(0))).unwrap_err();
    assert!(matches!(error, MapError::TooManyRefused { refused: 1, .. }), "{error}");
    let error = run.map_with(vec![patient_map()], 8192, Some(Limit::Percent(10.0))).unwrap_err();
    assert!(matches!(error, MapError::TooManyRefused { refused: 1, rows: 5, .. }), "{error}");
    assert!(run.run.finished(epr_model::Stage::Map).unwrap().is_none());
    assert!(run.map_with(vec![patient_map()], 8192, Some(Limit::Percent(20.0))).is_ok());
}

#[test]
fn two_maps_that_make_one_id_are_an_error() {
    let table = || Table::new("T", "ID", &["1"]);
    let run = extracted(&[table()]);
    let plan = |name| {
        let mut plan = map(name, &table(), KeyPlan::Columns(vec![0]));
        plan.resources = vec![resource("Basic", Vec::new())];
        plan
    };
    let error = run.map_with(vec![plan("a"), plan("b")], 8192, None).unwrap_err();
    assert!(matches!(error, MapError::DuplicateId { .. }), "{error}");
}

#[test]
fn a_table_that_was_not_staged_is_named() {
    let run = extracted(&[]);
    let error = run.map_with(vec![patient_map()], 8192, None).unwrap_err();
    assert!(error.to_string().starts_with("map rk9/ipm/patient reads table PATIENTS"), "{error}");
}

#[test]
fn a_stop_request_leaves_no_finished_stage_and_the_next_try_is_whole() {
    let run = extracted(&[patients()]);
    run.stop.stop();
    let error = run.map_with(vec![patient_map()], 1, None).unwrap_err();
    assert!(matches!(error, MapError::Run(epr_run::RunError::Stopped)), "{error}");
    assert!(run.run.finished(epr_model::Stage::Map).unwrap().is_none());
    let again = Extracted { stop: epr_run::StopFlag::new(), ..run };
    assert_eq!(resources(&again.map(vec![patient_map()]), "Patient").lines().count(), 3);
}

#[test]
fn an_altered_staged_table_is_not_mapped() {
    let run = extracted(&[patients()]);
    let part = run.folder.path().join("1-extract/rk9_ipm/PATIENTS/part-0000.parquet");
    let mut bytes = std::fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    let error = run.map_with(vec![patient_map()], 1, None).unwrap_err();
    assert!(matches!(error, MapError::Run(epr_run::RunError::Altered { .. })), "{error}");
}

#[test]
fn files_do_not_depend_on_threads_or_batch_size() {
    let rows: Vec<String> = (0..3_000)
        .map(|i| format!("{}|O'NEILL|MARY ANN|{}|{:02}/06/1950 00:00|~|N|~", i % 2_900, i % 4, i % 33))
        .collect();
    let table = Table { rows, ..patients() };
    let run = extracted(&[table]);
    let mut first = None;
    for (threads, batch_rows) in [(1, 65_536), (2, 65_536), (1, 1), (2, 1), (2, 97)] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let stage = pool.install(|| run.map_with(vec![patient_map()], batch_rows, None)).unwrap();
        let hashes = hashes(&stage);
        assert!(hashes.iter().any(|(path, _)| path == "Patient/part-0000.ndjson.zst"));
        assert_eq!(first.get_or_insert_with(|| hashes.clone()), &hashes, "{threads} threads, {batch_rows} rows");
    }
}
