//! AP-02: an appointment at another time than the source's.
//!
//! Run-wide: the source's own count is compared with what is delivered, row by row (`crate::stage`).

use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "AP-02",
    HazardSeverity::Considerable,
    "an appointment does not begin when the source says",
    "An hour's difference from April to October is a local time read as UTC. Patients come when the clinic is over. \
     The start of the Appointment is compared, as an instant, with what extract reads from the source itself. Look at \
     `zone:` in the map and in the control.",
);
