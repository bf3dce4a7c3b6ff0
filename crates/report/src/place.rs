//! How a place is written, and the last guard that nothing of a patient's data slips through with it.

use std::borrow::Cow;

use epr_model::Issue;

use crate::figures::PathChain;
use crate::numbers::grouped;

/// `RK9/ipm PATIENTS, row 85,017, column DTTM_OF_BIRTH`.
pub(crate) fn of(issue: &Issue) -> String {
    match (source(issue), issue.row_no, issue.resource_id) {
        (Some(source), Some(row_no), _) => format!("{source}, row {}", grouped(row_no)),
        (None, _, Some(id)) => format!("{}/{id}", issue.resource_type.as_deref().unwrap_or("resource")),
        (Some(source), None, _) => source,
        (None, _, None) => "the run".to_owned(),
    }
}

/// From FHIR element to mapping line to source column, as far as the finding knows them.
pub(crate) fn chain(issue: &Issue) -> PathChain {
    PathChain {
        fhir_path: issue.fhir_path.as_deref().map(|p| masked(p).into_owned()).or_else(|| issue.resource_type.clone()),
        mapping: mapping(issue),
        source: source(issue).map(|s| issue.column.as_ref().map_or(s.clone(), |c| format!("{s}.{c}"))),
    }
}

fn mapping(issue: &Issue) -> Option<String> {
    let map = issue.map.as_ref()?;
    Some(map_line(map, issue.map_line))
}

/// `rk9/ipm/patient.yaml:27`.
pub(crate) fn map_line(map: &str, line: Option<u32>) -> String {
    let file = if map.is_empty() { "–".to_owned() } else { format!("{}.yaml", map.trim_end_matches(".yaml")) };
    line.map_or(file.clone(), |l| format!("{file}:{l}"))
}

fn source(issue: &Issue) -> Option<String> {
    let system = match (&issue.organisation, &issue.system) {
        (Some(organisation), Some(system)) => format!("{organisation}/{system}"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => return issue.table.clone(),
    };
    Some(issue.table.as_ref().map_or(system.clone(), |t| format!("{system} {t}")))
}

/// The text with every long run of digits (a number, a date, however separated) shown as `d`.
///
/// A shape holds no digits but its length, and a path only positions; so this changes nothing that is as it should
/// be. It is here for the day on which another stage writes a value where a shape belongs.
pub(crate) fn masked(text: &str) -> Cow<'_, str> {
    const TELLING: usize = 6;
    if text.bytes().filter(u8::is_ascii_digit).count() < TELLING {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() || (!run.is_empty() && matches!(c, ' ' | '-' | '/' | '.' | ':' | 'T')) {
            run.push(c);
            continue;
        }
        let tells = run.chars().filter(char::is_ascii_digit).count() >= TELLING;
        out.extend(run.drain(..).map(|d| if tells && d.is_ascii_digit() { 'd' } else { d }));
        if c != '\0' {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_a_date_that_slipped_in_is_masked() {
        assert_eq!(masked("999 000 0107"), "ddd ddd dddd");
        assert_eq!(masked("born 1950-06-31 in"), "born dddd-dd-dd in");
        assert_eq!(masked("10 characters, dd/dd/dddd"), "10 characters, dd/dd/dddd");
        assert_eq!(masked("Patient.name[12].given[3]"), "Patient.name[12].given[3]");
    }
}
