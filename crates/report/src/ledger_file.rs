//! `reconciliation.csv`: the three ledgers as one table, for whoever wants to add them up in a spreadsheet.

use epr_run::StageFolder;
use epr_run::whole_file::{self, Access};

use crate::ReportError;
use crate::figures::Report;
use crate::issue_list::inert;

/// Long form: one number a line.
pub(crate) fn write(out: &StageFolder, report: &Report) -> Result<(), ReportError> {
    let path = out.file("reconciliation.csv")?;
    let mut writer = csv::Writer::from_writer(whole_file::create(&path, Access::Group)?);
    let mut row =
        |cells: [&str; 5]| writer.write_record(cells).map_err(|source| ReportError::Csv { path: path.clone(), source });
    row(["ledger", "line", "outcome", "n", "of"])?;
    for (ledger, line, numbers, of) in lines(report) {
        for (outcome, n) in numbers {
            row([ledger, &inert(&line), outcome, &n.to_string(), &of.to_string()])?;
        }
    }
    writer.flush().map_err(epr_run::RunError::io("write", &path))?;
    Ok(())
}

type Line = (&'static str, String, Vec<(&'static str, u64)>, u64);

fn lines(report: &Report) -> Vec<Line> {
    let r = &report.reconciliation;
    let mut lines = Vec::new();
    for l in &r.maps {
        let numbers = vec![
            ("mapped", l.mapped),
            ("refused", l.refused),
            ("excluded", l.excluded),
            ("superseded", l.superseded),
            ("repeated", l.repeated),
            ("empty", l.empty),
            ("residual", l.residual),
        ];
        lines.push(("map", l.map.clone(), numbers, l.in_scope));
    }
    for l in &r.tables {
        let numbers = vec![
            ("in scope", l.in_scope),
            ("look-up only", l.lookup_only),
            ("not used", l.not_used),
            ("residual", l.residual),
        ];
        lines.push(("table", format!("{}/{}", l.source, l.table), numbers, l.rows));
    }
    for l in &r.resources {
        let numbers =
            vec![("delivered", l.delivered), ("merged", l.merged), ("held", l.held), ("residual", l.residual)];
        lines.push(("resource", l.resource_type.clone(), numbers, l.mapped));
    }
    for target in &report.targets {
        for l in &target.lines {
            let numbers = vec![
                ("confirmed", l.confirmed),
                ("unchanged", l.unchanged),
                ("rejected", l.rejected),
                ("in doubt", l.in_doubt),
                ("edited", l.edited),
                ("blocked", l.blocked),
                ("residual", l.residual),
            ];
            lines.push(("target", format!("{}/{}", target.name, l.resource_type), numbers, l.delivered));
        }
    }
    lines
}
