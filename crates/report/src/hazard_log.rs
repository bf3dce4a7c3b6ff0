//! `hazard-log.csv`: one line a hazard found, in the columns of a DCB0129 hazard log.
//!
//! What a person has to say (likelihood, rating, controls, owner, status) is left empty on purpose.

use epr_run::StageFolder;
use epr_run::whole_file::{self, Access};

use crate::ReportError;
use crate::figures::Report;
use crate::issue_list::inert;
use crate::matrix;

const HEAD: [&str; 14] = [
    "hazard",
    "name",
    "description",
    "severity proposed",
    "patients",
    "of patients",
    "findings",
    "lowest rating",
    "highest rating",
    "likelihood",
    "initial rating",
    "controls",
    "owner",
    "status",
];

pub(crate) fn write(out: &StageFolder, report: &Report) -> Result<(), ReportError> {
    let path = out.file("hazard-log.csv")?;
    let mut writer = csv::Writer::from_writer(whole_file::create(&path, Access::Group)?);
    let failed = |source| ReportError::Csv { path: path.clone(), source };
    writer.write_record(HEAD).map_err(failed)?;
    for f in &report.findings {
        let Some(severity) = f.hazard_severity else { continue };
        let (lowest, highest) = matrix::range(severity);
        let known = [
            f.code.clone(),
            inert(&f.title).into_owned(),
            inert(&f.explanation).into_owned(),
            severity.as_str().to_owned(),
            f.patients.n.to_string(),
            f.patients.of.to_string(),
            f.findings.n.to_string(),
            lowest.to_string(),
            highest.to_string(),
        ];
        let empty = std::iter::repeat_n(String::new(), HEAD.len() - known.len());
        writer.write_record(known.into_iter().chain(empty)).map_err(failed)?;
    }
    writer.flush().map_err(epr_run::RunError::io("write", &path))?;
    Ok(())
}
