//! What a map may measure: a closed list, so that counts of source against output can be made over all packs.

use crate::plan::Type;

/// One measure: its name, the type it takes, and what it means.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    pub name: &'static str,
    pub takes: MeasureType,
    pub doc: &'static str,
}

/// The type of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureType {
    Patient,
    Encounter,
    Date,
    DateTime,
    Code,
    Text,
    Decimal,
}

impl MeasureType {
    /// As `docs/language.md` writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "ref(Patient)",
            Self::Encounter => "ref(Encounter)",
            Self::Date => "date",
            Self::DateTime => "dateTime",
            Self::Code => "code",
            Self::Text => "text",
            Self::Decimal => "decimal",
        }
    }

    pub(crate) fn fits(self, ty: &Type) -> bool {
        match self {
            Self::Patient => matches!(ty, Type::Ref(t) if &**t == "Patient"),
            Self::Encounter => matches!(ty, Type::Ref(t) if &**t == "Encounter"),
            Self::Date => matches!(ty, Type::Date),
            Self::DateTime => matches!(ty, Type::DateTime | Type::Date | Type::Instant),
            Self::Code => matches!(ty, Type::Code | Type::Text | Type::Coding),
            Self::Text => matches!(ty, Type::Text | Type::Code),
            Self::Decimal => matches!(ty, Type::Decimal | Type::Integer | Type::Double),
        }
    }
}

const fn measure(name: &'static str, takes: MeasureType, doc: &'static str) -> Measure {
    Measure { name, takes, doc }
}

/// All measures.
pub const MEASURES: &[Measure] = &[
    measure("patient", MeasureType::Patient, "Whose row it is."),
    measure("encounter", MeasureType::Encounter, "The contact that it belongs to."),
    measure("born", MeasureType::Date, "Date of birth."),
    measure("died", MeasureType::DateTime, "Death."),
    measure("referred", MeasureType::DateTime, "When the referral was received."),
    measure("clock_start", MeasureType::Date, "Start of the RTT clock."),
    measure("clock_stop", MeasureType::Date, "Stop of the RTT clock."),
    measure("booked", MeasureType::DateTime, "When the appointment is to take place."),
    measure("admitted", MeasureType::DateTime, "Admission."),
    measure("discharged", MeasureType::DateTime, "Discharge."),
    measure("start", MeasureType::DateTime, "Start of anything else."),
    measure("end", MeasureType::DateTime, "End of anything else."),
    measure("recorded", MeasureType::DateTime, "When it was written down."),
    measure("status", MeasureType::Code, "The status in the source's own code."),
    measure("code", MeasureType::Code, "What it is in the source's own code."),
    measure("specialty", MeasureType::Code, "The specialty or treatment function."),
    measure("priority", MeasureType::Code, "The priority, such as two-week wait."),
    measure("site", MeasureType::Code, "Where."),
    measure("pathway", MeasureType::Text, "The RTT pathway."),
    measure("value", MeasureType::Decimal, "A number to be added up."),
];
