//! What became of a row, and what a map is about.

use serde::{Deserialize, Serialize};

/// What one map made of one row in its scope; each row has exactly one outcome per map (the first ledger).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowOutcome {
    /// At least one resource was made.
    Mapped,
    /// A mapping policy refused the row (also: a null key, two rows of one key with different content).
    Refused,
    /// The map's `where` left it out.
    Excluded,
    /// `latest` found a newer row of the same key.
    Superseded,
    /// An equal row of the same key was mapped already.
    Repeated,
    /// No `.when` held.
    Empty,
}

impl RowOutcome {
    pub const ALL: [Self; 6] =
        [Self::Mapped, Self::Refused, Self::Excluded, Self::Superseded, Self::Repeated, Self::Empty];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::Refused => "refused",
            Self::Excluded => "excluded",
            Self::Superseded => "superseded",
            Self::Repeated => "repeated",
            Self::Empty => "empty",
        }
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == code)
    }
}

/// What became of a row that a source's control names: the source's own count, compared with the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ControlOutcome {
    /// A resource of the expected type is delivered, and says what the source says.
    Delivered,
    /// Validation holds the resource, by name.
    Held,
    /// A mapping policy refused the row or the resource, by name.
    Refused,
    /// `latest` found a newer row of the same key.
    Superseded,
    /// An equal row of the same key was mapped already.
    Repeated,
    /// No resource of the expected type was made, and nothing says why.
    Lost,
    /// A resource is delivered, and says something else than the source.
    Changed,
}

impl ControlOutcome {
    pub const ALL: [Self; 7] =
        [Self::Delivered, Self::Held, Self::Refused, Self::Superseded, Self::Repeated, Self::Lost, Self::Changed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Held => "held",
            Self::Refused => "refused",
            Self::Superseded => "superseded",
            Self::Repeated => "repeated",
            Self::Lost => "lost",
            Self::Changed => "changed",
        }
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == code)
    }
}

macro_rules! domains {
    ($($variant:ident $code:literal $title:literal;)*) => {
        /// What a map is about: the closed list of `domain:`, in the order in which a report shows them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Domain { $(#[serde(rename = $code)] $variant,)* }

        impl Domain {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The name that a report shows.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|d| d.as_str() == code)
            }
        }
    };
}

domains! {
    Pmi "pmi" "Patients";
    Allergy "allergy" "Allergies";
    Alert "alert" "Alerts";
    Problem "problem" "Problems";
    Appointment "appointment" "Appointments";
    Referral "referral" "Referrals";
    Rtt "rtt" "RTT pathways";
    Spell "spell" "Inpatient spells";
    Episode "episode" "Consultant episodes";
    Attendance "attendance" "Attendances and contacts";
    Medication "medication" "Medication";
    Immunisation "immunisation" "Immunisations";
    Procedure "procedure" "Procedures";
    Observation "observation" "Observations and results";
    Imaging "imaging" "Imaging";
    CarePlan "care-plan" "Care plans";
    Device "device" "Devices";
    Document "document" "Letters and documents";
    UrgentCare "urgent-care" "NHS 111 reports";
    Staff "staff" "Staff";
    Location "location" "Locations";
    Organisation "organisation" "Organisations";
}
