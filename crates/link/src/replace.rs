//! RetiredIds ids replaced in place: equal length, a byte scan, no parsing.

use std::collections::HashMap;

use epr_model::ResourceId;

/// What stands before a Patient's id in a reference, the quote included.
const BEFORE: &[u8] = b"\"Patient/";
const ID: usize = 36;

/// Which id takes the place of which.
pub type RetiredIds = HashMap<ResourceId, ResourceId>;

/// Replaces the retired ids in all references to Patients; says whether there was one.
pub fn replace(resource: &mut [u8], retired: &RetiredIds) -> bool {
    let mut changed = false;
    let mut from = 0;
    while let Some((at, id)) = next_reference(resource, from) {
        if let Some(person) = id.and_then(|id| retired.get(&id)) {
            person.encode((&mut resource[at..at + ID]).try_into().expect("36 bytes"));
            changed = true;
        }
        from = at;
    }
    changed
}

/// Whether a reference to a Patient holds a retired id.
pub fn mentions(resource: &[u8], retired: &RetiredIds) -> bool {
    let mut from = 0;
    while let Some((at, id)) = next_reference(resource, from) {
        if id.is_some_and(|id| retired.contains_key(&id)) {
            return true;
        }
        from = at;
    }
    false
}

/// The next place after `"Patient/`, and the id there; no id where something longer or shorter stands.
fn next_reference(resource: &[u8], from: usize) -> Option<(usize, Option<ResourceId>)> {
    let at = from + find(&resource[from..], BEFORE)? + BEFORE.len();
    let id = resource
        .get(at..at + ID)
        .filter(|_| matches!(resource.get(at + ID), Some(b'"' | b'\\' | b'/' | b'#')))
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .and_then(|text| text.parse().ok());
    Some((at, id))
}

/// `/` is rare in resources and a quote is not, so the slash is looked for first.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let last = needle.len() - 1;
    let mut from = last;
    while let Some(step) = haystack.get(from..)?.iter().position(|b| *b == b'/') {
        let end = from + step;
        if &haystack[end - last..=end] == needle {
            return Some(end - last);
        }
        from = end + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(n: u8) -> ResourceId {
        ResourceId::from_bytes([n; 16])
    }

    fn replaced(text: &str) -> String {
        let retired = RetiredIds::from([(id(1), id(2))]);
        let mut bytes = text.as_bytes().to_vec();
        let changed = replace(&mut bytes, &retired);
        assert_eq!(changed, mentions(text.as_bytes(), &retired));
        assert_eq!(changed, bytes != text.as_bytes());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn only_whole_references_to_retired_patients_change() {
        let (old, new) = (id(1), id(2));
        for (text, expected) in [
            (format!(r#"{{"reference":"Patient/{old}"}}"#), format!(r#"{{"reference":"Patient/{new}"}}"#)),
            (format!(r#"["Patient/{old}","Patient/{old}"]"#), format!(r#"["Patient/{new}","Patient/{new}"]"#)),
            (format!(r#""Patient/{old}/_history/1""#), format!(r#""Patient/{new}/_history/1""#)),
        ] {
            assert_eq!(replaced(&text), expected);
        }
        for text in [
            format!(r#"{{"reference":"Patient/{}"}}"#, id(3)),
            format!(r#"{{"id":"{old}"}}"#),
            format!(r#""Group/{old}""#),
            format!(r#""RelatedPatient/{old}""#),
            format!(r#""Patient/{old}0""#),
            format!(r#""Patient/{old}"#),
            r#""Patient/"#.to_owned(),
            "/".to_owned(),
            String::new(),
        ] {
            assert_eq!(replaced(&text), text);
        }
    }

    proptest! {
        #[test]
        fn every_reference_in_any_text_is_found(parts in proptest::collection::vec("[a-z/\"{}:]{0,12}", 1..6)) {
            let old = format!(r#""Patient/{}""#, id(1));
            let new = format!(r#""Patient/{}""#, id(2));
            prop_assert_eq!(replaced(&parts.join(&old)), parts.join(&new));
        }
    }
}
