//! Findings as CSV (RFC 4180): one line a finding, the same columns for every command.

use crate::output::finding::Finding;

/// The first line, without its line end.
pub(crate) const HEAD: &str = "file,line,column,severity,code,resource_type,resource_id,path,message,definition";

/// One line, without its line end.
pub(crate) fn line(finding: &Finding) -> String {
    let column = finding.columns.map(|c| c.start.to_string()).unwrap_or_default();
    let cells = [
        finding.file.as_str(),
        &finding.line.to_string(),
        &column,
        finding.severity.as_str(),
        finding.code,
        finding.resource_type.as_deref().unwrap_or_default(),
        finding.resource_id.as_deref().unwrap_or_default(),
        &finding.path,
        &finding.message,
        &finding.definition,
    ];
    cells.map(cell).join(",")
}

/// Quotes a cell where its text would end it; a text that a spreadsheet would take for a formula gets an apostrophe.
fn cell(text: &str) -> String {
    let guarded =
        if text.starts_with(['=', '+', '-', '@']) && text.len() > 1 { format!("'{text}") } else { text.into() };
    if guarded.contains([',', '"', '\n', '\r']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_comma_a_quote_and_a_formula_stay_one_cell_of_text() {
        assert_eq!(cell("a"), "a");
        assert_eq!(cell("a, \"b\""), "\"a, \"\"b\"\"\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("-"), "-");
    }
}
