//! Ten different mistakes in a copy of the mappings: one `epr check` names all ten, each where it stands.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::binary;
use crate::project::Project;

/// What is written in place of what, and where the finding must point: at `at` within the new text.
struct Mistake {
    file: &'static str,
    from: &'static str,
    to: &'static str,
    at: &'static str,
    code: &'static str,
}

const MISTAKES: [Mistake; 10] = [
    Mistake {
        file: "patient.yaml",
        from: "  birthDate: { .from",
        to: "  birthDay: { .from",
        at: "birthDay",
        code: "MAP0203",
    },
    Mistake { file: "patient.yaml", from: "[ $ADDR_LINE1,", to: "[ $ADDR_LINE9,", at: "$ADDR_LINE9", code: "MAP0118" },
    Mistake {
        file: "patient.yaml",
        from: "use: official, family: $SURNAME | name_case",
        to: "use: official, family: $SURNAME | namecase",
        at: "namecase",
        code: "MAP0105",
    },
    Mistake {
        file: "codes/sex.csv",
        from: "1,http://hl7.org/fhir/administrative-gender,male,",
        to: "1,http://hl7.org/fhir/administrative-gender,males,",
        at: "males",
        code: "MAP0311",
    },
    Mistake {
        file: "patient.yaml",
        from: ".via: codes/ethnic-category.csv, .on_unmapped: omit }",
        to: ".via: codes/ethnic-category.csv }",
        at: "codes/ethnic-category.csv",
        code: "MAP0304",
    },
    Mistake {
        file: "allergy.yaml",
        from: "measure: { patient: \"=ref(patient,",
        to: "measure: { patient: \"=ref(pateint,",
        at: "pateint",
        code: "MAP0113",
    },
    Mistake {
        file: "patient.yaml",
        from: "  active: \"=$ARCHV_FLAG != 'Y'\"",
        to: "  active: $ARCHV_FLAG",
        at: "$ARCHV_FLAG",
        code: "MAP0205",
    },
    Mistake {
        file: "patient.yaml",
        from: "order: \"datetime($al.MODIF_DTTM, '%d/%m/%Y %H:%M')\"",
        to: "order: \"$al.MODIF_DTTM\"",
        at: "$al.MODIF_DTTM",
        code: "MAP0108",
    },
    Mistake {
        file: "spell.yaml",
        from: "=if(not blank($DISCH_DTTM),",
        to: "=if($DISCH_DTTM == '',",
        at: "$DISCH_DTTM ==",
        code: "MAP0011",
    },
    Mistake {
        file: "appointment.yaml",
        from: "  start: \"=instant(concat($START_DTTM, ':00'), '%d/%m/%Y %H:%M:%S')\"",
        to: "  start: [ \"=instant(concat($START_DTTM, ':00'), '%d/%m/%Y %H:%M:%S')\" ]",
        at: "start",
        code: "MAP0206",
    },
];

/// The mistakes made, and where each must be found: `file:line:column code`.
fn seeded(project: &Project) -> BTreeSet<String> {
    for mistake in &MISTAKES {
        project.change(&format!("mappings/rk9/ipm/{}", mistake.file), mistake.from, mistake.to);
    }
    let place = |mistake: &Mistake| {
        let file = format!("mappings/rk9/ipm/{}", mistake.file);
        let text = fs::read_to_string(project.path(&file)).unwrap();
        let offset = text.find(mistake.to).unwrap() + mistake.to.find(mistake.at).unwrap();
        let before = &text[..offset];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        format!("{file}:{line}:{column} {}", mistake.code)
    };
    MISTAKES.iter().map(place).collect()
}

#[test]
fn ten_mistakes_are_named_in_one_run_each_at_its_line_and_column() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    let expected = seeded(&project);
    assert_eq!(expected.len(), 10);
    let output = binary::expect(&mut project.epr(&["check", "--format", "json"]), &[1]);
    let found: Value = serde_json::from_slice(&output.stdout).expect("stdout holds JSON and nothing else");
    let found: BTreeSet<String> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|d| {
            format!("{}:{}:{} {}", d["file"].as_str().unwrap(), d["line"], d["column"], d["code"].as_str().unwrap())
        })
        .collect();
    let lost: Vec<_> = expected.difference(&found).collect();
    assert!(lost.is_empty(), "not found: {lost:#?}\nfound: {found:#?}");

    let output = binary::expect(&mut project.epr(&["check"]), &[1]);
    insta::assert_snapshot!(seeded_findings(&String::from_utf8_lossy(&output.stdout)));
}

/// What is said of the ten, without what else the packs have to hear.
fn seeded_findings(text: &str) -> String {
    let mut kept = Vec::new();
    let mut is_kept = false;
    for line in text.lines() {
        if let Some((code, _)) = line.split_once("]: ") {
            is_kept = MISTAKES.iter().any(|mistake| code.ends_with(mistake.code));
        }
        // The closing line stands at the margin too.
        is_kept &= !line.starts_with(|c: char| c.is_ascii_digit()) || line.contains(" |");
        if is_kept {
            kept.push(line);
        }
    }
    without_line_numbers(&kept.join("\n"))
}

/// The places were proved above; here they would only make every edit of the packs an edit of the snapshot.
fn without_line_numbers(text: &str) -> String {
    let is_number = |text: &str| text.trim().bytes().all(|b| b.is_ascii_digit());
    let line = |line: &str| match (line.split_once(" |"), line.split_once("--> ")) {
        (Some((number, source)), None) if is_number(number) => format!("   |{source}"),
        (None, None) if line.contains("= note:") => line.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned(),
        (None, Some((_, place))) => format!("  --> {}", place.split(':').next().unwrap()),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
