//! RA9's cancer tracking: a workbook that the tracking office keeps by hand, one sheet a year.
//!
//! Dates are date cells on one line and text on the next, NHS numbers are numbers, and a total stands below the lines.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::civil::Date;

use super::clock::slashed_date;
use super::model::{Archive, CancerTrack, Exporter, Kind, Organisation, Person, Registration, Setting, Sex, System};
use super::sheets::{Cell, Column, Sheet, column, hidden_column, text, typed_number, write_xlsx};
use super::truth::{At, Truth, rule_note};

/// Lines of a sheet before another workbook is begun.
const MOST_ROWS: usize = 20_000;

const COLUMNS: [Column; 13] = [
    column("Track ID", 12),
    column("Hosp No", 12),
    column("NHS No", 14),
    column("Surname", 18),
    column("Forename", 14),
    column("DOB", 12),
    column("Sex", 5),
    column("Referral received", 12),
    column("Tumour site", 16),
    column("Priority", 10),
    column("First seen", 12),
    hidden_column("Pathway ID", 24),
    column("Status", 8),
];

/// Writes `ra9-cancer/*.xlsx`.
pub(crate) struct Cancer {
    folder: PathBuf,
    n_books: u32,
    year_2025: Vec<Vec<Cell>>,
    year_2026: Vec<Vec<Cell>>,
}

/// Creates the export below `folder`.
pub(crate) fn create(folder: &Path, _setting: &Setting) -> Result<Box<dyn Exporter>> {
    let folder = folder.join("ra9-cancer");
    std::fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    Ok(Box::new(Cancer { folder, n_books: 0, year_2025: Vec::new(), year_2026: Vec::new() }))
}

impl Exporter for Cancer {
    fn person(&mut self, person: &Person, truth: &mut Truth) -> Result<()> {
        for track in &person.tracks {
            let registration = &person.registrations[track.row.holder];
            // The office copies from the PAS. Somebody whose PAS record has something planted is left out, so that one
            // planted fault does not stand in two systems.
            if track.row.archive != Archive::Live
                || !person.is_at(&track.row, Organisation::Ra9)
                || registration.archive == Archive::Deleted
                || registration.defect.is_some()
            {
                continue;
            }
            let key = track_id(track);
            let at = At { system: System::Ra9Cancer, table: "tracking", key: &key };
            truth.record(person, registration, at, rule_note(registration))?;
            truth.defect(person, track.row.defect.as_ref(), at)?;
            let rows = if track.received.year() <= 2025 { &mut self.year_2025 } else { &mut self.year_2026 };
            rows.push(cells(track, registration));
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

impl Cancer {
    fn write(&mut self) -> Result<()> {
        self.n_books += 1;
        let sheet = |year: &str, rows: Vec<Vec<Cell>>| Sheet {
            name: format!("Tracking {year}"),
            titles: vec![
                "Torbay and South Devon: cancer waiting times".to_owned(),
                format!("Patients tracked, referrals received in {year}"),
            ],
            header_row: 4,
            columns: COLUMNS.to_vec(),
            below: vec![vec![text("Total"), typed_number(&rows.len().to_string())]],
            rows,
        };
        let sheets =
            [sheet("2025", std::mem::take(&mut self.year_2025)), sheet("2026", std::mem::take(&mut self.year_2026))];
        write_xlsx(&self.folder.join(format!("cancer-tracking-{}.xlsx", self.n_books)), &sheets)
    }
}

fn track_id(track: &CancerTrack) -> String {
    format!("CT{}", track.row.number)
}

fn cells(track: &CancerTrack, registration: &Registration) -> Vec<Cell> {
    let number = registration.nhs_number.as_deref().unwrap_or_default();
    let is_cut = track.row.defect.as_ref().is_some_and(|defect| defect.kind == Kind::Rt05);
    let typed = track.row.number.is_multiple_of(3);
    vec![
        text(&track_id(track)),
        text(&registration.local_number),
        typed_number(number),
        text(&registration.family.as_deref().unwrap_or_default().to_uppercase()),
        text(registration.given.as_deref().unwrap_or_default()),
        day(registration.birth, typed),
        text(match registration.sex {
            Some(Sex::Male) => "M",
            Some(Sex::Female) => "F",
            Some(Sex::Other) => "I",
            None => "",
        }),
        day(Some(track.received), !typed),
        text(track.site),
        text(track.priority),
        day(track.first_seen, typed),
        // A pathway id that was typed into a number cell has lost all but 15 of its digits.
        if is_cut { typed_number(&track.pathway_id) } else { text(&track.pathway_id) },
        text(if track.is_open { "Open" } else { "Closed" }),
    ]
}

/// A date as a date cell, or as the text that somebody typed. Before 1900 there are no date cells.
pub(super) fn day(date: Option<Date>, typed: bool) -> Cell {
    let Some(date) = date else { return Cell::Blank };
    match (u16::try_from(date.year()), u8::try_from(date.month()), u8::try_from(date.day())) {
        (Ok(year), Ok(month), Ok(day)) if year > 1900 && !typed => Cell::Day { year, month, day },
        _ => Cell::Text(slashed_date(date)),
    }
}

#[cfg(test)]
mod tests {
    use calamine::{Data, Reader, open_workbook_auto};

    use super::super::sample;
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a workbook of a few rows, written just now")]
    fn a_track_stands_below_the_header_of_its_year() {
        let folder = sample::exported(create, &[sample::person()]);
        let mut book = open_workbook_auto(folder.path().join("ra9-cancer/cancer-tracking-1.xlsx")).unwrap();
        assert_eq!(book.sheet_names(), ["Tracking 2025", "Tracking 2026"]);
        let range = book.worksheet_range("Tracking 2026").unwrap();
        assert_eq!(range.get_value((3, 0)), Some(&Data::String("Track ID".to_owned())));
        assert_eq!(range.get_value((4, 0)), Some(&Data::String("CT1050".to_owned())));
        assert_eq!(range.get_value((4, 5)), Some(&Data::String("29/02/1940".to_owned())));
        assert!(matches!(range.get_value((4, 7)), Some(Data::DateTime(at)) if at.to_ymd_hms_milli().0 == 2026));
        assert_eq!(range.get_value((6, 0)), Some(&Data::String("Total".to_owned())));
        // Typed into a number cell: twenty digits do not fit.
        let Some(Data::Float(pathway)) = range.get_value((4, 11)) else { panic!("not a number") };
        assert_ne!(format!("{pathway}"), "10000000000000000017");
        assert_eq!(
            sample::truth_lines(folder.path(), "defects.csv"),
            ["RT-05,RA9,cancer,tracking,CT1050,P0000001,planted,RT-05:P0000001"]
        );
    }

    #[test]
    fn a_record_with_something_planted_is_not_tracked() {
        let mut person = sample::person();
        person.registrations[4].defect =
            Some(super::super::model::Defect { kind: Kind::Id01, note: "planted", of: None });
        let folder = sample::exported(create, &[person]);
        assert!(sample::truth_lines(folder.path(), "records.csv").is_empty());
        assert!(sample::truth_lines(folder.path(), "defects.csv").is_empty());
    }

    #[test]
    fn a_date_before_1900_is_text() {
        assert_eq!(day(Some(jiff::civil::date(1840, 1, 2)), false), Cell::Text("02/01/1840".to_owned()));
        assert_eq!(day(None, false), Cell::Blank);
    }
}
