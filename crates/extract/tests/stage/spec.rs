//! Each `inputs/<kind>_err_*.yaml` is a wrong spec, and the snapshot beside it what its author is told.

use std::path::Path;

use epr_extract::{ExtractError, SourceKind, schema_from_spec};

use super::probe;

#[test]
fn a_wrong_spec_tells_all_its_mistakes_with_line_and_column() {
    insta::glob!("../inputs", "*_err_*.yaml", |path| {
        insta::assert_snapshot!(told(path));
    });
}

#[test]
fn a_right_spec_gives_its_schema() {
    insta::glob!("../inputs", "*_ok_*.yaml", |path| {
        let schema = schema_from_spec(&source(path)).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&schema).unwrap());
    });
}

fn source(path: &Path) -> epr_extract::Source {
    let name = path.file_name().unwrap().to_str().unwrap();
    let kind = SourceKind::from_code(name.split('_').next().unwrap()).unwrap();
    let mut source = probe::source(kind, &std::fs::read_to_string(path).unwrap());
    source.spec_path = name.into();
    source
}

fn told(path: &Path) -> String {
    let error = schema_from_spec(&source(path)).unwrap_err();
    assert!(matches!(error, ExtractError::Spec(_)));
    assert!(!error.is_environment());
    error.to_string()
}
