//! The codes of link's issues. Severities follow the hazard catalogue: catastrophic is fatal, major is error.

use epr_model::{IssueDoc, Severity};

/// Every code that link can raise, sorted.
pub const ISSUES: &[IssueDoc] = &[
    IssueDoc {
        code: "DE-01",
        severity: Severity::Error,
        title: "alive in one source, dead in another",
        explanation: "Records of one person were merged, and not all of them say that the person has died. What \
                      the founding record says stands; where it says nothing, the first record that does. A record \
                      that says nothing counts as alive where other records of its table do say that somebody has \
                      died; a source that never does contradicts nobody. Find out which source is right, and \
                      correct it there.",
    },
    IssueDoc {
        code: "ID-03",
        severity: Severity::Fatal,
        title: "one NHS number on records with different birth dates or family names",
        explanation: "Either two people carry one number or one person's details are wrong; merging would show \
                      one patient's allergies and results in another's record. The records were not merged. Trace \
                      each of them and correct the number or the details in the source.",
    },
    IssueDoc {
        code: "ID-04",
        severity: Severity::Error,
        title: "one record carries two verified NHS numbers",
        explanation: "A person has one number, so at least one is not this person's. The record takes no part in \
                      automatic merges; records that share a number with it are candidates. Trace the patient.",
    },
    IssueDoc {
        code: "ID-10",
        severity: Severity::Warning,
        title: "gender differs between the sources of one person",
        explanation: "Records of one person were merged and give different genders. The founding record's stands. \
                      Each record that gives another is named; unknown contradicts nobody. Ask which source is right.",
    },
    IssueDoc {
        code: "LNK0101",
        severity: Severity::Information,
        title: "two records may be one person",
        explanation: "Some evidence agrees, but not enough for the automatic rule. Nothing was merged; the pair \
                      stands in candidates.parquet with the evidence and the reason, for a person to decide.",
    },
    IssueDoc {
        code: "LNK0102",
        severity: Severity::Information,
        title: "an element of a merged record was not taken over",
        explanation: "The element can stand only once, and the person's record has another value from an earlier \
                      member of the person. The value remains in 2-map and in the source.",
    },
    IssueDoc {
        code: "LNK0103",
        severity: Severity::Warning,
        title: "merged records share no given name",
        explanation: "Number, birth date and family name agree, so the records were merged; twins under one \
                      number look the same. Look at the records, and correct the number in the source if they are \
                      two people.",
    },
    IssueDoc {
        code: "LNK0104",
        severity: Severity::Warning,
        title: "a link of an earlier run does not hold any more",
        explanation: "The record was part of a person in an earlier run and no longer agrees with that person by \
                      the rule. It is a Patient of its own now. What the target holds under the person's id must \
                      be looked at.",
    },
    IssueDoc {
        code: "LNK0105",
        severity: Severity::Warning,
        title: "two persons of an earlier run are one now",
        explanation: "Both had ids of their own in an earlier run. The first in order of organisation, system and \
                      id keeps its id; the other is retired, also at the target.",
    },
];

/// The documented severity of a code.
pub(crate) fn severity_of(code: &str) -> Severity {
    ISSUES.iter().find(|doc| doc.code == code).expect("every code that link raises is documented").severity
}

#[cfg(test)]
mod tests {
    use super::ISSUES;

    #[test]
    fn codes_are_unique_and_sorted() {
        assert!(ISSUES.windows(2).all(|pair| pair[0].code < pair[1].code));
    }
}
