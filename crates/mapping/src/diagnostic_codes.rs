//! What the findings about mapping files mean, for `epr explain CODE`. A code never changes its meaning.
//!
//! Issues about data, which mapping raises row by row, are in [`crate::issues`]. This file is a table.

use epr_model::{IssueDoc, Severity};

const fn doc(code: &'static str, severity: Severity, title: &'static str, explanation: &'static str) -> IssueDoc {
    IssueDoc { code, severity, title, explanation }
}

/// Every finding that a check can make, sorted by code; the severity is the usual one.
pub const DIAGNOSTICS: &[IssueDoc] = &[
    doc(
        "MAP0001",
        Severity::Error,
        "the file is not of the YAML subset",
        "Mapping files are YAML 1.2 without anchors, aliases, tags and merge keys; every scalar is text and no key stands twice. Write the value out, or put it in quotes.",
    ),
    doc(
        "MAP0002",
        Severity::Error,
        "a key of a file is not one of the language",
        "The head keys are a closed list. A key that is not known would change nothing in silence, so it does not compile.",
    ),
    doc(
        "MAP0003",
        Severity::Error,
        "a key holds the wrong shape, or nothing",
        "A text stands where a mapping or a list must, or the other way round.",
    ),
    doc(
        "MAP0004",
        Severity::Error,
        "something that must be there is not",
        "A map needs `language`, `map`, `domain`, `target`, `source` and rules; look-ups, conditions and tests need their parts.",
    ),
    doc(
        "MAP0005",
        Severity::Error,
        "a word with a point is not a directive",
        "Inside `emit` a key with a point is a directive, and the directives are a closed list.",
    ),
    doc(
        "MAP0006",
        Severity::Error,
        "the language version is missing or not known",
        "Every file says `language: 1`, so that a later version of the program knows how to read it.",
    ),
    doc(
        "MAP0007",
        Severity::Error,
        "directives do not go together",
        "`.via` needs `.from`, `.on_unmapped` needs `.via`, `.with` needs `.fragment`, and `.from` stands alone with its policies.",
    ),
    doc(
        "MAP0009",
        Severity::Error,
        "a policy is not known or does not fit the element",
        "What happens to a missing, invalid or unmapped value is one of a closed set, and some need an element that can hold a text.",
    ),
    doc(
        "MAP0010",
        Severity::Error,
        "a text is not an expression",
        "The message says what was expected at the caret. Text stands in single quotes, columns begin with `$`.",
    ),
    doc(
        "MAP0011",
        Severity::Error,
        "a comparison with the empty text",
        "A column may be null, empty or hold only spaces, and `== ''` would see one of the three. Write `blank(x)`.",
    ),
    doc(
        "MAP0012",
        Severity::Error,
        "YAML would cut the value, or it needs quotes",
        "An expression with a comma, `: `, ` #`, `{` or `[` must be in quotes: YAML would end the value there without a word.",
    ),
    doc(
        "MAP0014",
        Severity::Error,
        "a word is not in a closed list",
        "Domains, measures and time zones are closed lists; hazard ids are two capitals, a hyphen and two digits.",
    ),
    doc(
        "MAP0015",
        Severity::Error,
        "a key is not the name of an element",
        "Write `element`, `element[slice]` or `extension[https://…]`.",
    ),
    doc(
        "MAP0016",
        Severity::Error,
        "a file that is named is not there",
        "Paths in `.via` and `.fragment` count from the file that names them; a base is `<ods>/<system>/<map>`.",
    ),
    doc(
        "MAP0017",
        Severity::Error,
        "files name each other in a circle",
        "A map cannot extend itself, nor a fragment use itself, whatever the way round.",
    ),
    doc(
        "MAP0018",
        Severity::Information,
        "a map was skipped because its base has errors",
        "What the base says is not known, so nothing could be checked of this map. Mend the base first.",
    ),
    doc(
        "MAP0019",
        Severity::Error,
        "a map has both `group` and `latest`",
        "One makes one resource of several rows, the other takes one row of several; what both would mean is not decided.",
    ),
    doc(
        "MAP0101",
        Severity::Error,
        "a table is not in the source",
        "The tables are those of the source's schema file; write it anew with `epr extract --schema` when the source has changed.",
    ),
    doc(
        "MAP0102",
        Severity::Error,
        "no row has this name",
        "Names of rows come from `source`, `lookup`, `join` and `.each`.",
    ),
    doc(
        "MAP0103",
        Severity::Error,
        "a name hides another",
        "A reader must never have to ask which of two things a name means.",
    ),
    doc(
        "MAP0104",
        Severity::Error,
        "two types cannot be compared",
        "`'1'` and `1` are a text and a number. Nothing is converted without being written.",
    ),
    doc("MAP0105", Severity::Error, "a function is not known", "The functions are a closed list: `docs/language.md`."),
    doc(
        "MAP0106",
        Severity::Error,
        "a function's arguments are wrong",
        "Too many, too few, an option that it does not have, a format that cannot be read, or a local time without a zone.",
    ),
    doc(
        "MAP0107",
        Severity::Error,
        "an expression has the wrong type",
        "Conditions are true or false; branches of `if` have one type; arguments have the type that the function takes.",
    ),
    doc(
        "MAP0108",
        Severity::Error,
        "an order by something that has none",
        "Texts have no order: `10` would come before `9`, and `02/01/2020` before `31/12/2019`. Convert first.",
    ),
    doc(
        "MAP0109",
        Severity::Error,
        "the first of a look-up without an order",
        "Which row comes first would differ from run to run.",
    ),
    doc(
        "MAP0110",
        Severity::Error,
        "a look-up, `where` or `by` cannot be carried out",
        "A look-up compares at least one of its columns with this row; `where` and `by` see only the row itself.",
    ),
    doc(
        "MAP0111",
        Severity::Error,
        "columns are read by no map",
        "Under --strict every column is read or listed under `ignore:` with a reason, so that nothing is lost unseen.",
    ),
    doc(
        "MAP0112",
        Severity::Error,
        "a two-digit year without a pivot and a hazard",
        "Whether `45` is 1945 or 2045 is a decision that somebody owns; each use is an issue.",
    ),
    doc(
        "MAP0113",
        Severity::Error,
        "a reference names no map, or no single resource of one",
        "`ref(map, key)` names a map of the pack; with several resources write `map.id_part`.",
    ),
    doc(
        "MAP0114",
        Severity::Error,
        "a reference into another organisation without a reason",
        "Say why under `cross_organisation:`.",
    ),
    doc("MAP0115", Severity::Error, "a row or a list of rows where a value must stand", "Name a column of it."),
    doc(
        "MAP0116",
        Severity::Error,
        "`ignore:` and the rules do not agree",
        "A column that is read is not ignored, and an ignored one has a reason.",
    ),
    doc("MAP0117", Severity::Error, "`rename:` names a column that the base does not read", "It would rename nothing."),
    doc(
        "MAP0118",
        Severity::Error,
        "a column is not in the table",
        "The columns are those of the source's schema file.",
    ),
    doc(
        "MAP0119",
        Severity::Warning,
        "a name that nothing uses",
        "A look-up or a `let` that no rule reads costs time and misleads.",
    ),
    doc("MAP0120", Severity::Error, "a test gives no row of the map's table", "There would be nothing to map."),
    doc(
        "MAP0201",
        Severity::Error,
        "the target is not a resource that a loaded package defines",
        "Name a resource type or the URL of a profile, and install its package.",
    ),
    doc("MAP0203", Severity::Error, "an element is not defined", "The elements are those of the target's snapshot."),
    doc(
        "MAP0204",
        Severity::Error,
        "an element that is not the mapping's to fill",
        "The id is made from the row's key, the type follows from the target, and nothing is contained.",
    ),
    doc(
        "MAP0205",
        Severity::Error,
        "a value does not fit the element",
        "The table of coercions in `docs/language.md` is all that is converted without being written.",
    ),
    doc("MAP0206", Severity::Error, "a list where one value fits, or too many", "The element's cardinality decides."),
    doc(
        "MAP0207",
        Severity::Error,
        "an element that must be there is left out on some branch",
        "A resource without it is not valid, and would be held.",
    ),
    doc(
        "MAP0208",
        Severity::Error,
        "a choice of types is not made, or made wrong",
        "`value[x]` is written `valueQuantity`, `valueString` …",
    ),
    doc(
        "MAP0209",
        Severity::Error,
        "two rules for one element, or one id for two resources",
        "Give both a `.when` that cannot hold together, or each an `.id_part`.",
    ),
    doc("MAP0210", Severity::Error, "a slice that no loaded profile defines", "Slices have names in profiles only."),
    doc(
        "MAP0211",
        Severity::Information,
        "the definition of an extension is not loaded",
        "What it may hold is not checked; the value's element must be named. As an error: it is not named.",
    ),
    doc(
        "MAP0212",
        Severity::Error,
        "a reference to a type that the element does not allow",
        "The definition lists the types that it may refer to.",
    ),
    doc(
        "MAP0213",
        Severity::Error,
        "a literal has not the element's format",
        "Dates are 2015-06-01, booleans `true` and `false`. A URI is written as it stands: the short name of a code system is none, and a `system` begins with its scheme.",
    ),
    doc(
        "MAP0214",
        Severity::Error,
        "a literal code is not in the required value set",
        "The resource would not be valid.",
    ),
    doc("MAP0215", Severity::Error, "no code system has this short name", "Declare it under `systems:`."),
    doc(
        "MAP0216",
        Severity::Error,
        "a code that its code system does not have",
        "The code system is loaded whole, and the code is not in it.",
    ),
    doc(
        "MAP0217",
        Severity::Error,
        "something stands where only values and extensions may",
        "A primitive has `.value` and extensions; an extension has one value, or extensions.",
    ),
    doc(
        "MAP0218",
        Severity::Error,
        "a value that the profile gives otherwise",
        "The profile fixes the value, or gives a pattern that it must hold. In a slice what is fixed is filled in where the map leaves it out. As a warning: the value comes from data, and only validation can tell.",
    ),
    doc(
        "MAP0219",
        Severity::Error,
        "a refusal that can lose a patient has no hazard",
        "Under --strict, refusing a Patient, an AllergyIntolerance, a Flag or an Appointment names the hazard that is accepted.",
    ),
    doc(
        "MAP0220",
        Severity::Warning,
        "the profile is not loaded",
        "The elements are checked against R4's type; slices and the profile's own rules are not.",
    ),
    doc("MAP0221", Severity::Error, "an assert reads an element that no rule fills", "It could never be checked."),
    doc(
        "MAP0230",
        Severity::Error,
        "a label leads to no rule of the base",
        "Labels are elements, `.as` labels and directives: `identifier.pas.system`, `gender..via`.",
    ),
    doc(
        "MAP0231",
        Severity::Error,
        "a change by position",
        "A rule put in above would shift what is changed; give the base's item a label with `.as`.",
    ),
    doc("MAP0232", Severity::Warning, "an override says what the base says", "It changes nothing."),
    doc(
        "MAP0234",
        Severity::Error,
        "the base's text has changed since the override was written",
        "Somebody has to read both again; then write the new pin.",
    ),
    doc(
        "MAP0235",
        Severity::Warning,
        "a change is not pinned to the base's text",
        "Under --strict; with a pin a change of the base is noticed.",
    ),
    doc("MAP0236", Severity::Error, "a map that extends another has rules of its own", "Change the base by label."),
    doc(
        "MAP0237",
        Severity::Error,
        "changes without a base",
        "`rename`, `override`, `add` and `remove` need `extends:`.",
    ),
    doc(
        "MAP0238",
        Severity::Error,
        "nothing says what happens where a value cannot be read",
        "Give `.on_invalid`, or a default in the file's head: nothing is defaulted out of sight.",
    ),
    doc(
        "MAP0240",
        Severity::Error,
        "a resource that the source holds whole cannot be kept so",
        "`from_resource: keep` takes a table with a key of one column and a text column that holds the JSON; one map of the pack keeps a type.",
    ),
    doc(
        "MAP0241",
        Severity::Warning,
        "the source's own id is kept nowhere",
        "Ids are made anew. Give `source_id:`, or an `identifier`, so that people can find the record by the id they know.",
    ),
    doc(
        "MAP0301",
        Severity::Error,
        "the head of a code map is wrong",
        "It is `source,target_system,target,display,equivalence,note`; the last three may be left out.",
    ),
    doc(
        "MAP0302",
        Severity::Error,
        "a row of a code map is wrong",
        "The number of fields, an empty source, an empty target or an equivalence that is not known.",
    ),
    doc("MAP0303", Severity::Error, "a source code stands twice in a code map", "Which row would count?"),
    doc("MAP0304", Severity::Error, "a code map without `.on_unmapped`", "Some day a code comes that nobody mapped."),
    doc(
        "MAP0305",
        Severity::Error,
        "a fragment and what it is given do not agree",
        "Parameters have types, all are given, all are used, and the fragment reads nothing else.",
    ),
    doc(
        "MAP0306",
        Severity::Error,
        "a source code would pass through unmapped",
        "The element takes codes of a value set; an unmapped code is never passed through as if it were mapped. Where the set is only extensible this is a warning.",
    ),
    doc("MAP0307", Severity::Warning, "a code map or a fragment that no map uses", "Delete it, or name it."),
    doc(
        "MAP0308",
        Severity::Warning,
        "a row of a code map that can never be used",
        "Only expressions of literals go through the code map, and none gives this source. Nothing is said of a code map that is shared: of fragments, or named by another pack.",
    ),
    doc(
        "MAP0309",
        Severity::Information,
        "whether codes are in the value set cannot be checked",
        "The value set or a code system is in no loaded package, or uses a filter. It counts as not checked.",
    ),
    doc(
        "MAP0310",
        Severity::Error,
        "a code map gives a code that its code system does not have",
        "The code system is loaded whole, and the code is not in it.",
    ),
    doc(
        "MAP0311",
        Severity::Error,
        "a code map gives a code that is not in the required value set",
        "Every use of the row would make a resource that is not valid.",
    ),
    doc(
        "MAP0312",
        Severity::Warning,
        "a code is not in the extensible value set",
        "Another code may be used only where the value set has none that fits.",
    ),
];

/// The entry of a code.
pub fn diagnostic_doc(code: &str) -> Option<&'static IssueDoc> {
    DIAGNOSTICS.binary_search_by(|doc| doc.code.cmp(code)).ok().map(|i| &DIAGNOSTICS[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_sorted_and_apart_from_those_of_data() {
        assert!(DIAGNOSTICS.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(DIAGNOSTICS.iter().all(|doc| crate::issues::issue_doc(doc.code).is_none()));
    }
}
