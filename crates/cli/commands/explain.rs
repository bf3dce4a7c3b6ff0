//! `epr explain`: an issue code, or a resource back to its source cells.

use std::fmt::Write;

use anyhow::anyhow;
use epr_mapping::explain::{ExplainInput, ExplainedElement, Explanation, explain};
use epr_model::{IssueDoc, ResourceId, Stage};
use epr_run::RunFolder;
use epr_run::records::{self, LinkRecord};
use serde_json::{Value, json};

use crate::args::{Common, ExplainArgs, Format};
use crate::exit::{Exit, Failure, Outcome, of_stage};
use crate::output::{say, say_json};
use crate::stages::{Open, Session};

/// The pages of all crates' codes, sorted.
pub(crate) fn all_codes() -> Vec<IssueDoc> {
    let crates = [
        epr_extract::ISSUES,
        epr_mapping::issues::ISSUES,
        epr_mapping::diagnostic_codes::DIAGNOSTICS,
        epr_link::ISSUES,
        epr_validate::ISSUES,
        epr_load::ISSUES,
    ];
    let mut docs: Vec<IssueDoc> = crates.into_iter().flatten().copied().collect();
    docs.sort_by_key(|doc| doc.code);
    docs.dedup_by_key(|doc| doc.code);
    docs
}

pub(crate) fn run(common: &Common, args: &ExplainArgs) -> Outcome<Exit> {
    match args.what.split_once('/') {
        Some((resource_type, id)) => resource(common, resource_type, id, args.show_values),
        None => code(&args.what, common.format),
    }
}

fn code(code: &str, format: Format) -> Outcome<Exit> {
    let wanted = code.to_ascii_uppercase();
    let docs = all_codes();
    let Some(doc) = docs.iter().find(|doc| doc.code == wanted) else {
        let near: Vec<_> =
            docs.iter().map(|d| d.code).filter(|c| c.starts_with(wanted.get(..3).unwrap_or(&wanted))).collect();
        let failure = Failure::usage(anyhow!("there is no code {code}"));
        return Err(if near.is_empty() {
            failure
        } else {
            failure.next(format!("codes that begin so: {}", near.join(" ")))
        });
    };
    if format == Format::Json {
        say_json(&json!({
            "code": doc.code, "severity": doc.severity.as_str(), "title": doc.title, "explanation": doc.explanation,
        }))?;
    } else {
        say(format!("{} ({})\n{}\n\n{}", doc.code, doc.severity.as_str(), doc.title, doc.explanation))?;
    }
    Ok(Exit::Done)
}

fn resource(common: &Common, resource_type: &str, id: &str, show_values: bool) -> Outcome<Exit> {
    let id: ResourceId = id.parse().map_err(|_| Failure::usage(anyhow!("`{id}` is not the id of a resource")))?;
    let session = Session::open(common, Open::Existing, false)?;
    let plans = session.workspace.plans();
    let as_of = session.run.info()?.as_of;
    let input = ExplainInput { plans: &plans, namespace: session.workspace.namespace, as_of: Some(&as_of) };
    let ids = source_ids(&session.run, resource_type, id)?;
    let explained = |id| explain(&session.run, input, resource_type, id).map_err(|error| of_stage(error, Exit::Usage));
    if common.format == Format::Json {
        let all = ids.into_iter().map(|id| Ok(document(&explained(id)?, show_values))).collect::<Outcome<Vec<_>>>()?;
        say_json(&all)?;
        return Ok(Exit::Done);
    }
    if ids.len() > 1 {
        say(format!(
            "{resource_type}/{id} is one person out of {} records; each is explained on its own.\n",
            ids.len()
        ))?;
    }
    for id in ids {
        say(render(&explained(id)?, show_values))?;
    }
    Ok(Exit::Done)
}

/// The id itself, and those that link retired in its favour: they stand in `2-map`.
fn source_ids(run: &RunFolder, resource_type: &str, id: ResourceId) -> Outcome<Vec<ResourceId>> {
    let mut ids = vec![id];
    if resource_type == "Patient"
        && let Some(link) = run.finished(Stage::Link)?
    {
        for record in records::read::<LinkRecord>(&link)? {
            let record = record?;
            if record.person_id == id {
                ids.push(record.retired_id);
            }
        }
    }
    Ok(ids)
}

/// One element a line: path, what is there, cells, functions, code-map rows, mapping line.
fn render(found: &Explanation, show_values: bool) -> String {
    let mut text =
        format!("{}/{}\n  from {} row {} by {}\n", found.resource_type, found.id, found.table, found.row_no, found.map);
    if !found.is_same {
        text.push_str("  the replay gave other bytes than the run holds: the plan or the staged rows changed since\n");
    }
    for element in &found.elements {
        let what = if show_values {
            String::from_utf8_lossy(element.value.expose()).into_owned()
        } else {
            element.shape.clone()
        };
        let _ = writeln!(text, "\n  {}  {what}", element.fhir_path);
        for cell in &element.cells {
            let _ = writeln!(text, "    cell     {}.{}, row {}", cell.table, cell.column, cell.row_no);
        }
        if !element.functions.is_empty() {
            let _ = writeln!(text, "    through  {}", element.functions.join(", "));
        }
        for (file, line) in &element.code_map_rows {
            let _ = writeln!(text, "    code map mappings/{file}:{line}");
        }
        let _ = writeln!(text, "    written  mappings/{}:{}", element.mapping.0, element.mapping.1);
    }
    text
}

/// The same for a program. A value is there only where it was asked for; its shape always.
fn document(found: &Explanation, show_values: bool) -> Value {
    let element = |element: &ExplainedElement| {
        let cells: Vec<Value> = element
            .cells
            .iter()
            .map(|cell| json!({ "table": cell.table, "column": cell.column, "row_no": cell.row_no }))
            .collect();
        let line = |(file, line): &(String, u32)| json!({ "file": format!("mappings/{file}"), "line": line });
        let mut document = json!({
            "path": element.fhir_path,
            "shape": element.shape,
            "cells": cells,
            "functions": element.functions,
            "code_map_rows": element.code_map_rows.iter().map(line).collect::<Vec<_>>(),
            "written": line(&element.mapping),
        });
        if show_values {
            document["value"] = String::from_utf8_lossy(element.value.expose()).into();
        }
        document
    };
    json!({
        "resourceType": found.resource_type,
        "id": found.id.to_string(),
        "map": found.map,
        "table": found.table,
        "row_no": found.row_no,
        "is_same": found.is_same,
        "elements": found.elements.iter().map(element).collect::<Vec<_>>(),
    })
}
