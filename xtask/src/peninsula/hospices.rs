//! The three hospices: a register in Excel, a ledger in LibreOffice, a daybook as CSV.
//!
//! One line is one referral of one person, with the allergy as a word. The books are kept by hand: NHS numbers are
//! numbers, dates of birth are dates on one line and text on the next, and a total stands below the lines.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use csv::{Terminator, Writer, WriterBuilder};

use super::cancer::day;
use super::clock::{iso_date, slashed_date};
use super::model::{
    Allergy, Archive, Exporter, HospiceReferral, Person, Registration, Setting, Sex, Substance, System,
};
use super::sheets::{Cell, Column, Sheet, column, hidden_column, text, typed_number, write_ods, write_xlsx};
use super::truth::{At, Domain, Truth, rule_note};

/// Lines of a sheet before another workbook is begun.
const MOST_ROWS: usize = 20_000;

/// The table of all three.
const TABLE: &str = "referral";

/// Creates HOSP1's export below `folder`.
pub(crate) fn create_register(folder: &Path, _setting: &Setting) -> Result<Box<dyn Exporter>> {
    let folder = made(folder.join("hosp1"))?;
    Ok(Box::new(Register { folder, n_books: 0, year_2025: Vec::new(), year_2026: Vec::new() }))
}

/// Creates HOSP2's export below `folder`.
pub(crate) fn create_ledger(folder: &Path, _setting: &Setting) -> Result<Box<dyn Exporter>> {
    Ok(Box::new(Ledger { folder: made(folder.join("hosp2"))?, n_books: 0, rows: Vec::new() }))
}

/// Creates HOSP3's export below `folder`.
pub(crate) fn create_daybook(folder: &Path, _setting: &Setting) -> Result<Box<dyn Exporter>> {
    let folder = made(folder.join("hosp3"))?;
    Ok(Box::new(Daybook {
        year_2025: daybook_file(&folder.join("daybook-2025.csv"), DaybookStyle::Excel)?,
        year_2026: daybook_file(&folder.join("daybook-2026.csv"), DaybookStyle::Plain)?,
    }))
}

fn made(folder: PathBuf) -> Result<PathBuf> {
    std::fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    Ok(folder)
}

/// One line of a hospice's book, before it has the book's shape.
struct Line<'a> {
    reference: String,
    registration: &'a Registration,
    referral: &'a HospiceReferral,
    allergy: Option<&'a Allergy>,
}

impl Line<'_> {
    fn family(&self) -> &str {
        self.registration.family.as_deref().unwrap_or_default()
    }

    fn given(&self) -> &str {
        self.registration.given.as_deref().unwrap_or_default()
    }

    fn number(&self) -> String {
        self.registration.shown_number().unwrap_or_default()
    }

    fn sex(&self) -> &'static str {
        match self.registration.sex {
            Some(Sex::Male) => "M",
            Some(Sex::Female) => "F",
            Some(Sex::Other) | None => "",
        }
    }

    fn allergy(&self) -> &str {
        let Some(allergy) = self.allergy else { return "" };
        match allergy.substance {
            Some(Substance::Penicillin) => "Penicillin",
            Some(Substance::Peanut) => "Peanut",
            Some(Substance::Latex) => "Latex",
            Some(Substance::Egg) => "Egg",
            Some(Substance::Aspirin) => "Aspirin",
            Some(Substance::NoKnown) => "NKDA",
            Some(Substance::Sulfonamide | Substance::Iodine | Substance::Shellfish) | None => &allergy.text,
        }
    }

    fn died(&self) -> Option<jiff::civil::Date> {
        self.registration.death.map(jiff::civil::DateTime::date)
    }

    /// Whether the date of birth was typed as text: on every third line.
    fn is_typed(&self) -> bool {
        self.referral.row.number.is_multiple_of(3)
    }

    fn is_of_2025(&self) -> bool {
        self.referral.referred.year() <= 2025
    }
}

/// The person's lines in one hospice's book; tells the answer key of each.
fn lines<'a>(person: &'a Person, system: System, truth: &mut Truth) -> Result<Vec<Line<'a>>> {
    let mut lines = Vec::new();
    for (holder, registration) in person.held_by(system.organisation()) {
        let mine = |referral: &&HospiceReferral| referral.row.holder == holder && referral.row.archive == Archive::Live;
        for (n_before, referral) in person.hospice_referrals.iter().filter(mine).enumerate() {
            // Every line has a reference of its own; the allergy and what was planted in the record are on the first.
            let is_first = n_before == 0;
            let reference = match n_before {
                0 => registration.local_number.clone(),
                n => format!("{}/{}", registration.local_number, n + 1),
            };
            let mut allergies = person.allergies.iter().filter(|a| is_first && a.row.holder == holder && a.is_live());
            let allergy = allergies.next();
            anyhow::ensure!(allergies.next().is_none(), "a hospice's line has room for one allergy");
            let at = At { system, table: TABLE, key: &reference };
            if is_first {
                truth.record(person, registration, at, rule_note(registration))?;
            } else {
                let again = Registration { defect: None, ..registration.clone() };
                truth.record(person, &again, at, rule_note(registration))?;
            }
            truth.defect(person, referral.row.defect.as_ref(), at)?;
            if let Some(allergy) = allergy {
                let since = iso_date(referral.referred);
                truth.fact(person, &allergy.row, Domain::Allergy, at, Some(&since))?;
            }
            lines.push(Line { reference, registration, referral, allergy });
        }
    }
    Ok(lines)
}

/// HOSP1: `hosp1/*.xlsx`, a sheet a year.
struct Register {
    folder: PathBuf,
    n_books: u32,
    year_2025: Vec<Vec<Cell>>,
    year_2026: Vec<Vec<Cell>>,
}

/// The columns of 2026; the sheet of 2025 has no `Ethnicity`, the [`ETHNICITY`]th.
const REGISTER_COLUMNS: [Column; 13] = [
    column("Our ref", 12),
    column("Surname", 18),
    column("Forename", 14),
    column("NHS No.", 14),
    column("DOB", 12),
    column("Sex", 5),
    column("Ethnicity", 9),
    column("Postcode", 10),
    // Hidden by whoever printed the list last.
    hidden_column("GP practice", 12),
    column("Referred on", 12),
    column("Reason", 30),
    column("Allergies", 16),
    column("Died on", 12),
];

const ETHNICITY: usize = 6;

impl Exporter for Register {
    fn person(&mut self, person: &Person, truth: &mut Truth) -> Result<()> {
        for line in lines(person, System::Hosp1Register, truth)? {
            let mut cells = vec![
                text(&line.reference),
                text(line.family()),
                text(line.given()),
                typed_number(line.registration.nhs_number.as_deref().unwrap_or_default()),
                day(line.registration.birth, line.is_typed()),
                text(line.sex()),
                text(line.registration.ethnic),
                text(&line.registration.address.postcode),
                text(line.registration.practice.ods),
                day(Some(line.referral.referred), false),
                text(&line.referral.reason),
                text(line.allergy()),
                day(line.died(), !line.is_typed()),
            ];
            let rows = if line.is_of_2025() {
                cells.remove(ETHNICITY);
                &mut self.year_2025
            } else {
                &mut self.year_2026
            };
            rows.push(cells);
            if rows.len() == MOST_ROWS {
                self.write()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if self.n_books == 0 || !self.year_2025.is_empty() || !self.year_2026.is_empty() {
            self.write()?;
        }
        Ok(())
    }
}

impl Register {
    fn write(&mut self) -> Result<()> {
        self.n_books += 1;
        let sheet = |year: &str, rows: Vec<Vec<Cell>>| {
            let mut columns = REGISTER_COLUMNS.to_vec();
            if year == "2025" {
                columns.remove(ETHNICITY);
            }
            Sheet {
                name: format!("Referrals {year}"),
                titles: vec![format!("Hospice register: referrals received in {year}")],
                header_row: 3,
                columns,
                below: vec![vec![text("Total"), Cell::Blank, Cell::Blank, typed_number(&rows.len().to_string())]],
                rows,
            }
        };
        let sheets =
            [sheet("2025", std::mem::take(&mut self.year_2025)), sheet("2026", std::mem::take(&mut self.year_2026))];
        write_xlsx(&self.folder.join(format!("register-{}.xlsx", self.n_books)), &sheets)
    }
}

/// HOSP2: `hosp2/*.ods`.
struct Ledger {
    folder: PathBuf,
    n_books: u32,
    rows: Vec<Vec<Cell>>,
}

const LEDGER_COLUMNS: [Column; 11] = [
    column("Ref", 12),
    column("Name", 28),
    column("NHS Number", 14),
    column("Date of birth", 12),
    column("M/F", 5),
    column("Post code", 10),
    column("Surgery", 28),
    column("Date referred", 12),
    column("Diagnosis", 30),
    column("Known allergies", 16),
    column("Date of death", 12),
];

impl Exporter for Ledger {
    fn person(&mut self, person: &Person, truth: &mut Truth) -> Result<()> {
        for line in lines(person, System::Hosp2Ledger, truth)? {
            self.rows.push(vec![
                text(&line.reference),
                text(&format!("{}, {}", line.family().to_uppercase(), line.given())),
                typed_number(&line.number()),
                day(line.registration.birth, line.is_typed()),
                text(line.sex()),
                text(&line.registration.address.postcode),
                text(line.registration.practice.ods),
                day(Some(line.referral.referred), false),
                text(&line.referral.reason),
                text(line.allergy()),
                day(line.died(), false),
            ]);
            if self.rows.len() == MOST_ROWS {
                self.write()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if self.n_books == 0 || !self.rows.is_empty() {
            self.write()?;
        }
        Ok(())
    }
}

impl Ledger {
    fn write(&mut self) -> Result<()> {
        self.n_books += 1;
        let rows = std::mem::take(&mut self.rows);
        let sheet = Sheet {
            name: "Patients".to_owned(),
            titles: vec!["Hospice ledger".to_owned(), "Kept by the day office; do not sort".to_owned()],
            header_row: 5,
            columns: LEDGER_COLUMNS.to_vec(),
            below: vec![vec![text("Total"), Cell::Blank, typed_number(&rows.len().to_string())]],
            rows,
        };
        write_ods(&self.folder.join(format!("ledger-{}.ods", self.n_books)), &[sheet])
    }
}

/// HOSP3: `hosp3/*.csv`, a file a year.
struct Daybook {
    year_2025: Writer<BufWriter<File>>,
    year_2026: Writer<BufWriter<File>>,
}

/// Which program saved a daybook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DaybookStyle {
    /// A byte order mark, and lines that end as on Windows.
    Excel,
    Plain,
}

const DAYBOOK_COLUMNS: [&str; 11] = [
    "Our ref",
    "Surname",
    "Forename",
    "NHS No",
    "Date of birth",
    "Postcode",
    "Referred on",
    "Reason",
    "Sex",
    "Allergies",
    "Died",
];

fn daybook_file(path: &Path, style: DaybookStyle) -> Result<Writer<BufWriter<File>>> {
    let file = File::create(path).with_context(|| format!("could not create {}", path.display()))?;
    let mut out = BufWriter::new(file);
    let ends = match style {
        DaybookStyle::Excel => {
            out.write_all("\u{feff}".as_bytes())?;
            Terminator::CRLF
        }
        DaybookStyle::Plain => Terminator::Any(b'\n'),
    };
    let mut writer = WriterBuilder::new().terminator(ends).from_writer(out);
    writer.write_record(DAYBOOK_COLUMNS)?;
    Ok(writer)
}

impl Exporter for Daybook {
    fn person(&mut self, person: &Person, truth: &mut Truth) -> Result<()> {
        for line in lines(person, System::Hosp3Daybook, truth)? {
            let born = line.registration.birth.map(slashed_date).unwrap_or_default();
            let died = line.died().map(slashed_date).unwrap_or_default();
            let file = if line.is_of_2025() { &mut self.year_2025 } else { &mut self.year_2026 };
            file.write_record([
                line.reference.as_str(),
                line.family(),
                line.given(),
                &line.number(),
                &born,
                &line.registration.address.postcode,
                &slashed_date(line.referral.referred),
                &line.referral.reason,
                line.sex(),
                line.allergy(),
                &died,
            ])?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.year_2025.flush()?;
        Ok(self.year_2026.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use calamine::{Data, Range, Reader, open_workbook_auto};

    use super::super::sample;
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a workbook of a few rows, written just now")]
    fn sheet(path: &Path, name: &str) -> Range<Data> {
        open_workbook_auto(path).unwrap().worksheet_range(name).unwrap()
    }

    #[test]
    fn the_register_has_a_sheet_a_year_with_numbers_and_dates_as_such() {
        let folder = sample::exported(create_register, &[sample::person()]);
        let path = folder.path().join("hosp1/register-1.xlsx");
        let range = sheet(&path, "Referrals 2026");
        assert_eq!(range.get_value((2, 6)), Some(&Data::String("Ethnicity".to_owned())));
        assert_eq!(range.get_value((3, 0)), Some(&Data::String("L1".to_owned())));
        assert_eq!(range.get_value((4, 0)), Some(&Data::String("L1/2".to_owned())));
        assert_eq!(range.get_value((3, 3)), Some(&Data::Float(9_990_001_472.0)));
        assert!(matches!(range.get_value((3, 4)), Some(Data::DateTime(at)) if at.to_ymd_hms_milli().0 == 1940));
        assert_eq!(range.get_value((4, 4)), Some(&Data::String("29/02/1940".to_owned())));
        assert_eq!(range.get_value((3, 11)), Some(&Data::String("NKDA".to_owned())));
        assert_eq!(range.get_value((6, 0)), Some(&Data::String("Total".to_owned())));
        let range = sheet(&path, "Referrals 2025");
        assert_eq!(range.get_value((2, 6)), Some(&Data::String("Postcode".to_owned())));
    }

    #[test]
    fn the_ledger_has_its_header_in_row_five() {
        let folder = sample::exported(create_ledger, &[sample::person()]);
        let range = sheet(&folder.path().join("hosp2/ledger-1.ods"), "Patients");
        assert_eq!(range.get_value((4, 1)), Some(&Data::String("Name".to_owned())));
        assert_eq!(range.get_value((5, 1)), Some(&Data::String("O'NEILL, Zoë".to_owned())));
        assert_eq!(range.get_value((5, 2)), Some(&Data::Float(9_990_001_472.0)));
        assert_eq!(range.get_value((7, 0)), Some(&Data::String("Total".to_owned())));
        assert_eq!(range.height(), 8);
    }

    #[test]
    fn the_daybook_of_one_year_has_a_mark_and_the_other_has_none() {
        let folder = sample::exported(create_daybook, &[sample::person()]);
        let old = std::fs::read(folder.path().join("hosp3/daybook-2025.csv")).unwrap();
        assert!(old.starts_with("\u{feff}Our ref,".as_bytes()) && old.ends_with(b",Died\r\n"));
        let new = std::fs::read_to_string(folder.path().join("hosp3/daybook-2026.csv")).unwrap();
        let lines: Vec<&str> = new.lines().collect();
        assert_eq!(lines[0], DAYBOOK_COLUMNS.join(","));
        assert_eq!(lines[1], "L6,O'Neill,Zoë,999 000 1472,29/02/1940,EX4 9ZZ,03/04/2026,Pain control,F,,");
    }

    #[test]
    fn every_line_is_a_record_and_the_allergy_a_fact_of_the_first() {
        let folder = sample::exported(create_register, &[sample::person()]);
        assert_eq!(
            sample::truth_lines(folder.path(), "records.csv"),
            [
                "P0000001,HOSP1,register,referral,L1,true,true,meets the rule",
                "P0000001,HOSP1,register,referral,L1/2,true,true,meets the rule"
            ]
        );
        assert_eq!(
            sample::truth_lines(folder.path(), "facts.csv"),
            ["F0000001,P0000001,allergy,HOSP1,register,referral,L1,2026-04-03"]
        );
    }
}
