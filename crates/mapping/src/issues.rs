//! The codes of the issues that mapping raises about data, and what `epr explain CODE` says of them.
//!
//! A code never changes its meaning. What is wrong with a mapping file itself is a diagnostic, not an issue.

use epr_model::{IssueDoc, Severity};

const fn doc(code: &'static str, severity: Severity, title: &'static str, explanation: &'static str) -> IssueDoc {
    IssueDoc { code, severity, title, explanation }
}

/// Every issue that the stage can raise, sorted by code. Hazards that a mapping file names (`hazard: EN-02`) come
/// under their own ids.
pub const ISSUES: &[IssueDoc] = &[
    doc(
        "ID-01",
        Severity::Error,
        "a text stands where an NHS number should, and is none",
        "The number has a wrong check digit, is not ten digits, is a placeholder, belongs to another nation's register \
         or to a range that was never issued. Taken for an NHS number it would join the records of two people. The \
         function `nhs_number` gives no value then, and the element follows `.on_invalid`. Keep the text as a local \
         identifier if the source uses it, and have the source corrected.",
    ),
    doc(
        "MAP0401",
        Severity::Warning,
        "a text fits none of the formats given for the date",
        "The element follows `.on_invalid`. The shape in the issue shows how the text looks; add a format if it is one \
         that the source really uses.",
    ),
    doc(
        "MAP0402",
        Severity::Warning,
        "a text has the form of a date and is none of the calendar's",
        "31 June, 29 February of a common year, hour 25. Nothing is moved to a near date. The element follows \
         `.on_invalid`.",
    ),
    doc(
        "MAP0403",
        Severity::Error,
        "a local time has no zone to be read in",
        "FHIR asks for an offset with every time of day. Give `zone:` in the call or under `defaults:`.",
    ),
    doc(
        "MAP0404",
        Severity::Warning,
        "a local time lies in the hour that the clocks leave out in spring",
        "No clock showed it. With `gap: omit` the element follows `.on_invalid`; with `first` or `second` it is kept \
         with the offset before or after the change, and the issue says that this was decided.",
    ),
    doc(
        "MAP0405",
        Severity::Information,
        "a local time lies in the hour that the clocks show twice in autumn",
        "The text does not say which of the two it was. With `ambiguous: omit` the element follows `.on_invalid`; with \
         `first` or `second` it is kept, and the issue says that this was decided.",
    ),
    doc(
        "MAP0406",
        Severity::Warning,
        "the zone's offset at that time is not whole minutes",
        "FHIR cannot write local mean time, which London kept before December 1847. The element follows `.on_invalid`.",
    ),
    doc(
        "MAP0407",
        Severity::Warning,
        "an instant needs seconds and the text has none",
        "Or minutes were to be added to a date without a time. The element follows `.on_invalid`. Where the element may be a dateTime, use `datetime`.",
    ),
    doc(
        "MAP0408",
        Severity::Warning,
        "the century of a two-digit year was taken from the pivot",
        "Each such date is a guess that the mapping file declares; the file names a hazard for it, and the issue then \
         comes under the hazard's id.",
    ),
    doc(
        "MAP0410",
        Severity::Information,
        "a sentinel stands where a value should",
        "The source writes this value for `not known`. It counts as missing and the element follows `.on_missing`.",
    ),
    doc(
        "MAP0411",
        Severity::Warning,
        "a text is not a whole number",
        "Or it does not fit 64 bits. The element follows `.on_invalid`.",
    ),
    doc(
        "MAP0412",
        Severity::Warning,
        "a text is not a decimal",
        "Digits and one point only: no thousands mark, no exponent, no comparator. The element follows `.on_invalid`.",
    ),
    doc("MAP0413", Severity::Information, "a text is not a UK postcode", "The element follows `.on_invalid`."),
    doc(
        "MAP0414",
        Severity::Warning,
        "a value does not have the format of its element",
        "A code with spaces at its ends, an id of more than 64 characters, a number beyond the element's range. The \
         element follows `.on_invalid`.",
    ),
    doc(
        "MAP0415",
        Severity::Warning,
        "a text holds a control character that FHIR does not allow",
        "Only tab, line feed and carriage return may stand in a FHIR text. The element follows `.on_invalid`.",
    ),
    doc(
        "MAP0420",
        Severity::Warning,
        "a code is not in its code map",
        "The element follows `.on_unmapped`; nothing is passed through. The codes themselves and how often each \
         occurs are in the restricted file `unmapped.parquet`. Add a row to the code map.",
    ),
    doc(
        "MAP0421",
        Severity::Information,
        "a code was mapped to one that says less",
        "The code map gives the target as wider or inexact. The report counts it as degraded.",
    ),
    doc(
        "MAP0422",
        Severity::Warning,
        "a code was mapped to one that says more than the source does",
        "The code map gives the target as narrower. A clinician should have decided that this is safe.",
    ),
    doc(
        "MAP0423",
        Severity::Warning,
        "a value is missing and the mapping file says what happens then",
        "The element follows `.on_missing`: the row or resource is refused, a constant takes its place, or the element \
         says why it is absent.",
    ),
    doc(
        "MAP0430",
        Severity::Error,
        "a row has no key",
        "A key column is null or blank, so the row's resources could have no id that a re-run would give again. The \
         row is refused.",
    ),
    doc(
        "MAP0431",
        Severity::Error,
        "two rows of one key have different content",
        "They would make two resources of one id, and nothing says which is right. All rows of the key are refused. \
         Use `latest:` or `group:` if the table keeps versions or parts.",
    ),
    doc(
        "MAP0432",
        Severity::Information,
        "a row is equal to another of its key",
        "It would make the same resource again. It is counted as repeated.",
    ),
    doc(
        "MAP0433",
        Severity::Error,
        "the map's `where` is null for a row",
        "Whether the row is in scope cannot be told, so it is refused rather than left out. Make `where` decide for \
         blanks too.",
    ),
    doc(
        "MAP0434",
        Severity::Error,
        "a row does not have what the map requires",
        "A `require:` of the map is false. The row is refused.",
    ),
    doc(
        "MAP0435",
        Severity::Error,
        "a `require` of the map is null for a row",
        "Whether the row has what the map requires cannot be told. The row is refused.",
    ),
    doc(
        "MAP0436",
        Severity::Error,
        "two different rows are both the latest of their key",
        "The `max` of `latest:` is equal and their content differs. Both are refused; add a second `max`.",
    ),
    doc(
        "MAP0437",
        Severity::Warning,
        "the rows of a group do not agree",
        "A column under `agree:` has different values. With `else: refuse-row` all rows of the group are refused; else \
         the first row's value goes on.",
    ),
    doc(
        "MAP0440",
        Severity::Error,
        "a look-up that takes one row found several",
        "Nothing says which is meant. The row is refused. Use `takes: many` with an order, or mend the data.",
    ),
    doc(
        "MAP0441",
        Severity::Error,
        "a look-up that takes exactly one row found none",
        "The row is refused. Use `takes: optional` if it may be absent.",
    ),
    doc(
        "MAP0450",
        Severity::Warning,
        "an assertion of the map is false",
        "An `assert:` over the resource just built does not hold. It comes under a hazard's id where the file names one.",
    ),
    doc(
        "MAP0451",
        Severity::Information,
        "an assertion of the map could not be checked",
        "A value that it needs is absent. It counts as not checked, never as right.",
    ),
    doc(
        "MAP0460",
        Severity::Error,
        "two resources of one row would have the same id",
        "The key under `.each` does not tell the list's rows apart. The second resource is refused.",
    ),
    doc(
        "MAP0470",
        Severity::Error,
        "a resource that the source holds is not JSON",
        "Or a name stands twice in an object, or it is no object: what it says cannot be told for certain. It is \
         refused. Have the source export it again.",
    ),
    doc(
        "MAP0471",
        Severity::Error,
        "a resource that the source holds is not what its row says",
        "Its `resourceType` is not the map's, or its `id` is not the row's key. It is refused.",
    ),
    doc(
        "MAP0472",
        Severity::Warning,
        "a reference leads to nothing that the pack makes",
        "No map of the pack keeps resources of that type, or the reference has no form that names one. It is kept as \
         an identifier with its display, so that it never leads to another resource or to none.",
    ),
    doc(
        "MAP0473",
        Severity::Warning,
        "an element that R4 does not have",
        "It is left out, since the target would refuse the resource for it. The path ends where it stood; the shape is \
         that of its name. If it matters, map it to an extension.",
    ),
    doc(
        "MAP0474",
        Severity::Warning,
        "the source's id could not be kept",
        "The type takes one identifier, and there was one.",
    ),
];

/// The entry of a code of this crate.
pub fn issue_doc(code: &str) -> Option<&'static IssueDoc> {
    ISSUES.binary_search_by(|doc| doc.code.cmp(code)).ok().map(|i| &ISSUES[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_sorted() {
        assert!(ISSUES.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(ISSUES.iter().all(|doc| issue_doc(doc.code).is_some_and(|found| found.code == doc.code)));
    }
}
