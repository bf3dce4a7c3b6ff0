//! What the sources themselves hold, against what is delivered: `4-validate/controls.parquet`, counted.
//!
//! A control is a row that the source counts whatever a mapping makes of it: an active allergy, a booking to come, an
//! open pathway, somebody in a bed. Here they are counted by domain and organisation, bookings by week and clinic,
//! pathways by how long they have waited. Memory grows with clinics and weeks, not with rows.

use std::collections::BTreeMap;

use epr_model::{ControlOutcome, Domain};
use epr_run::records::{self, ControlOutcomeRecord};
use epr_run::{FinishedStage, RunError, StageContext};
use jiff::civil::Date;

use crate::figures::{ClinicLine, ControlLine, Controls, WaitBand, WeekCell, WeekHead, Weeks};
use crate::numbers::Count;

/// Weeks that the picture of bookings shows; what lies beyond is one more column.
const WEEKS: usize = 26;
/// Clinics that the picture shows, those with losses first.
const CLINICS_SHOWN: usize = 12;
/// How long a pathway has waited, in whole weeks: from (with) to (without).
const BANDS: [(&str, i64, i64); 5] = [
    ("under 18 weeks", i64::MIN, 18),
    ("18 to 51 weeks", 18, 52),
    ("52 to 64 weeks", 52, 65),
    ("65 to 77 weeks", 65, 78),
    ("78 weeks and more", 78, i64::MAX),
];

/// The counts, while they are read.
#[derive(Debug, Default)]
pub(crate) struct ControlTally {
    found: bool,
    lines: BTreeMap<(Domain, String), Outcomes>,
    /// By organisation and clinic.
    clinics: BTreeMap<(String, String), [Outcomes; WEEKS + 1]>,
    bands: [Outcomes; BANDS.len()],
    /// Pathways whose clock start the source does not say.
    unknown_start: Outcomes,
}

/// Rows by what became of them.
#[derive(Debug, Default, Clone, Copy)]
struct Outcomes([u64; ControlOutcome::ALL.len()]);

impl Outcomes {
    fn add(&mut self, outcome: ControlOutcome) {
        self.0[outcome as usize] += 1;
    }

    fn get(self, outcome: ControlOutcome) -> u64 {
        self.0[outcome as usize]
    }

    fn n(self) -> u64 {
        self.0.iter().sum()
    }
}

/// Reads the file, where validate wrote one.
pub(crate) fn read(ctx: StageContext<'_>, validate: &FinishedStage, as_of: &str) -> Result<ControlTally, RunError> {
    let mut tally = ControlTally::default();
    let file = <ControlOutcomeRecord as records::Record>::FILE;
    tally.found = validate.manifest().files.iter().any(|f| f.path == file);
    let today = date_of(as_of);
    for (i, record) in records::read::<ControlOutcomeRecord>(validate)?.enumerate() {
        tally.count(&record?, today);
        if i % 65_536 == 0 {
            ctx.stop.check()?;
        }
    }
    Ok(tally)
}

impl ControlTally {
    fn count(&mut self, record: &ControlOutcomeRecord, today: Option<Date>) {
        self.lines.entry((record.domain, record.organisation.clone())).or_default().add(record.outcome);
        let days = record.at.as_deref().and_then(date_of).zip(today).map(|(at, today)| days_between(today, at));
        match (record.domain, days) {
            (Domain::Appointment, Some(days)) => {
                let place = record.place.clone().unwrap_or_else(|| "no clinic".to_owned());
                let weeks = self.clinics.entry((record.organisation.clone(), place)).or_default();
                let week = usize::try_from(days.max(0) / 7).unwrap_or(WEEKS).min(WEEKS);
                weeks[week].add(record.outcome);
            }
            (Domain::Rtt, Some(days)) => {
                let weeks = (-days).div_euclid(7);
                let band = BANDS.iter().position(|(_, from, to)| (*from..*to).contains(&weeks));
                self.bands[band.expect("the bands leave no gap")].add(record.outcome);
            }
            (Domain::Rtt, None) => self.unknown_start.add(record.outcome),
            _ => {}
        }
    }

    /// The figures. `as_of` is the day on which the first week begins.
    pub(crate) fn figures(&self, as_of: &str) -> Controls {
        let lines: Vec<ControlLine> = self
            .lines
            .iter()
            .map(|((domain, organisation), outcomes)| line(domain_title(*domain), organisation, *outcomes))
            .collect();
        let mut total = Outcomes::default();
        for outcomes in self.lines.values() {
            for (sum, n) in total.0.iter_mut().zip(outcomes.0) {
                *sum += n;
            }
        }
        let bands = BANDS
            .iter()
            .zip(self.bands)
            .map(|((label, ..), outcomes)| band(label, outcomes))
            .chain((self.unknown_start.n() > 0).then(|| band("clock start not said", self.unknown_start)))
            .collect();
        Controls { found: self.found, total: line("All", "", total), lines, weeks: self.weeks(as_of), bands }
    }

    fn weeks(&self, as_of: &str) -> Option<Weeks> {
        if self.clinics.is_empty() {
            return None;
        }
        let mut clinics: Vec<ClinicLine> = self
            .clinics
            .iter()
            .map(|((organisation, place), weeks)| {
                let n = weeks.iter().map(|w| w.n()).sum();
                let cells: Vec<WeekCell> = weeks.iter().map(|w| cell(*w)).collect();
                ClinicLine {
                    organisation: organisation.clone(),
                    place: place.clone(),
                    lost: cells.iter().map(|c| c.lost).sum(),
                    changed: cells.iter().map(|c| c.changed).sum(),
                    cells,
                    of: n,
                }
            })
            .collect();
        let peak = clinics.iter().flat_map(|c| &c.cells).map(|c| c.of).max().unwrap_or(1).max(1);
        for cell in clinics.iter_mut().flat_map(|c| &mut c.cells) {
            // Four shades; a week with one booking is not drawn as an empty one.
            cell.shade = format!("w{}", (cell.of * 4).div_ceil(peak));
        }
        clinics.sort_by(|a, b| {
            (b.lost + b.changed, b.of, &a.organisation, &a.place).cmp(&(
                a.lost + a.changed,
                a.of,
                &b.organisation,
                &b.place,
            ))
        });
        let n_all = clinics.len() as u64;
        let sums = |part: fn(&WeekCell) -> u64| {
            (0..=WEEKS).map(|w| clinics.iter().map(|c| part(&c.cells[w])).sum()).collect::<Vec<u64>>()
        };
        let (of, lost, changed) = (sums(|c| c.of), sums(|c| c.lost), sums(|c| c.changed));
        clinics.truncate(CLINICS_SHOWN);
        let first = date_of(as_of);
        let heads = (0..=WEEKS)
            .zip((0_i64..).step_by(7))
            .map(|(w, days)| WeekHead {
                label: match first.and_then(|d| d.checked_add(jiff::Span::new().days(days)).ok()) {
                    Some(day) if w < WEEKS => day.strftime("%-d %b").to_string(),
                    _ if w == WEEKS => "later".to_owned(),
                    _ => format!("week {}", w + 1),
                },
                of: of[w],
                lost: lost[w],
                changed: changed[w],
            })
            .collect();
        Some(Weeks { heads, n_clinics: Count::new(clinics.len() as u64, n_all, "clinics"), clinics })
    }
}

fn line(domain: &str, organisation: &str, outcomes: Outcomes) -> ControlLine {
    use ControlOutcome::{Changed, Delivered, Held, Lost, Refused, Repeated, Superseded};
    ControlLine {
        domain: domain.to_owned(),
        organisation: organisation.to_owned(),
        delivered: outcomes.get(Delivered),
        held: outcomes.get(Held),
        refused: outcomes.get(Refused),
        set_aside: outcomes.get(Superseded) + outcomes.get(Repeated),
        changed: outcomes.get(Changed),
        lost: outcomes.get(Lost),
        of: outcomes.n(),
    }
}

fn band(label: &str, outcomes: Outcomes) -> WaitBand {
    WaitBand {
        label: label.to_owned(),
        delivered: outcomes.get(ControlOutcome::Delivered),
        changed: outcomes.get(ControlOutcome::Changed),
        lost: outcomes.get(ControlOutcome::Lost),
        of: outcomes.n(),
    }
}

fn cell(outcomes: Outcomes) -> WeekCell {
    WeekCell {
        lost: outcomes.get(ControlOutcome::Lost),
        changed: outcomes.get(ControlOutcome::Changed),
        of: outcomes.n(),
        shade: String::new(),
    }
}

/// What a control of this domain counts, in a reader's words.
fn domain_title(domain: Domain) -> &'static str {
    match domain {
        Domain::Allergy => "Active allergies",
        Domain::Alert => "Active alerts",
        Domain::Appointment => "Appointments to come",
        Domain::Rtt => "Open RTT pathways",
        Domain::Spell => "Patients in a bed",
        Domain::Medication => "Current medicines",
        other => other.title(),
    }
}

/// The day of an instant or a date, as the text has it.
fn date_of(text: &str) -> Option<Date> {
    text.get(..10)?.parse().ok()
}

fn days_between(from: Date, to: Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(domain: Domain, at: &str, place: &str, outcome: ControlOutcome) -> ControlOutcomeRecord {
        ControlOutcomeRecord {
            organisation: "RK9".into(),
            system: "ipm".into(),
            table: "T".into(),
            row_no: 1,
            domain,
            at: (!at.is_empty()).then(|| at.to_owned()),
            specialty: None,
            place: (!place.is_empty()).then(|| place.to_owned()),
            pathway_hash: None,
            outcome,
            rule: None,
            resource_type: None,
            resource_id: None,
            patient_key: None,
            delivered_at: None,
        }
    }

    fn figures(records: &[ControlOutcomeRecord]) -> Controls {
        let mut tally = ControlTally { found: true, ..ControlTally::default() };
        let as_of = "2026-11-01T00:00:00Z";
        for r in records {
            tally.count(r, date_of(as_of));
        }
        tally.figures(as_of)
    }

    #[test]
    fn each_line_adds_up_and_clinics_with_losses_come_first() {
        use ControlOutcome::{Changed, Delivered, Lost};
        let booked = |at: &str, place: &str, outcome| record(Domain::Appointment, at, place, outcome);
        let c = figures(&[
            booked("2026-11-03T09:00:00Z", "BIG", Delivered),
            booked("2026-11-03T09:20:00Z", "BIG", Delivered),
            booked("2026-11-10T09:00:00Z", "SMALL", Lost),
            booked("2027-03-28T09:00:00+01:00", "SMALL", Changed),
            booked("2028-01-01T09:00:00Z", "", Delivered),
            record(Domain::Spell, "2026-10-20T09:00:00+01:00", "BRENT", Delivered),
        ]);
        assert_eq!(c.lines.len(), 2);
        for l in c.lines.iter().chain([&c.total]) {
            assert_eq!(l.delivered + l.held + l.refused + l.set_aside + l.changed + l.lost, l.of);
        }
        let weeks = c.weeks.unwrap();
        assert_eq!(weeks.clinics.iter().map(|l| l.place.as_str()).collect::<Vec<_>>(), ["SMALL", "BIG", "no clinic"]);
        assert_eq!((weeks.heads[0].label.as_str(), weeks.heads[0].of), ("1 Nov", 2));
        assert_eq!((weeks.heads[1].lost, weeks.heads[21].changed, weeks.heads[26].of), (1, 1, 1));
        assert_eq!((weeks.clinics[1].cells[0].shade.as_str(), weeks.clinics[0].cells[0].shade.as_str()), ("w4", "w0"));
    }

    #[test]
    fn a_pathway_falls_into_the_band_of_the_weeks_it_has_waited() {
        let rtt = |at: &str| record(Domain::Rtt, at, "", ControlOutcome::Delivered);
        // 2026-11-01 less 18, 52, 65 and 78 weeks, and a day to either side of the first.
        let c = figures(&[
            rtt("2026-06-29"),
            rtt("2026-06-28"),
            rtt("2025-11-02"),
            rtt("2025-08-03"),
            rtt("2025-05-04"),
            rtt("2026-12-01"),
            rtt(""),
        ]);
        let n: Vec<_> = c.bands.iter().map(|b| (b.label.as_str(), b.of)).collect();
        assert_eq!(
            n,
            [
                ("under 18 weeks", 2),
                ("18 to 51 weeks", 1),
                ("52 to 64 weeks", 1),
                ("65 to 77 weeks", 1),
                ("78 weeks and more", 1),
                ("clock start not said", 1)
            ]
        );
    }
}
