//! DA-02: text that was cut, or read in the wrong encoding.
//!
//! Characters that a wrong encoding leaves behind are seen in the resource, below. That a text was cut is seen when
//! all texts of a column are known (`crate::stage`): none is longer than the width of the column, and this one is
//! exactly that long.

use epr_fhir::{Node, NodeKind};
use epr_model::shape;

use super::reading::each_text;
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "DA-02",
    HazardSeverity::Considerable,
    "text that was cut, or damaged by a wrong encoding",
    "A name that is not the person's finds nobody; half an instruction is another instruction. U+FFFD, `Ã©` and `??` \
     inside a word are what a wrong encoding leaves; a text of exactly the column's width, `column_characters` (10 to \
     4000, default 35) in `[rules]`, where no text of the column is longer, has probably lost its end. Read the source in its own encoding, or have it mended \
     there. Source of the width: NHS Data Dictionary, structured names and address lines.",
);

/// The members of R4 objects that hold words, as a person wrote them.
const WORDS: [&str; 14] = [
    "city",
    "comment",
    "description",
    "display",
    "district",
    "family",
    "given",
    "line",
    "name",
    "patientInstruction",
    "prefix",
    "suffix",
    "text",
    "title",
];
/// Those in which not even a single question mark belongs.
const NAMES: [&str; 3] = ["family", "given", "city"];

pub struct Da02;

impl ResourceRule for Da02 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        super::ALL_TYPES
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        // Most resources hold nothing but ASCII and no question mark, and are done here.
        if !resource.raw().iter().any(|b| *b >= 0x80 || *b == b'?' || *b == b'\\') {
            return;
        }
        each_word(resource, &mut |path, name, text| {
            if let Some(fault) = damage(name, text) {
                out.push(HazardFinding {
                    path: path.to_owned(),
                    detail: format!("expected text as it was written, found {}: {fault}", shape::of_text(text)),
                });
            }
        });
    }
}

/// Calls `visit` with the path, the member's name and the text of every member that holds words.
pub(crate) fn each_word<'a>(resource: Node<'a>, visit: &mut dyn FnMut(&str, &str, &'a str)) {
    each_text(resource, &mut |path, name, text| {
        // Displays of codes are the terminology's words, not the source's.
        if WORDS.binary_search(&name).is_ok() && !(name == "display" && path.contains("oding")) {
            visit(path, name, text);
        }
    });
}

/// Whether any member that holds words has a text of at least so many bytes.
pub(crate) fn has_word_of(node: Node<'_>, n_bytes: usize) -> bool {
    let is_long = |text: Node<'_>| text.as_str().is_some_and(|t| t.len() >= n_bytes);
    match node.kind() {
        NodeKind::Object => node.members().any(|(name, value)| match value.kind() {
            NodeKind::String => is_long(value) && WORDS.binary_search(&name).is_ok(),
            NodeKind::Array => value.items().any(|item| {
                if item.kind() == NodeKind::String {
                    is_long(item) && WORDS.binary_search(&name).is_ok()
                } else {
                    has_word_of(item, n_bytes)
                }
            }),
            NodeKind::Object => has_word_of(value, n_bytes),
            _ => false,
        }),
        _ => false,
    }
}

/// What a wrong encoding left in a text, if anything.
fn damage(name: &str, text: &str) -> Option<&'static str> {
    if text.contains('\u{fffd}') {
        return Some("a replacement character");
    }
    if is_mojibake(text) {
        return Some("letters that are the bytes of another");
    }
    let is_name = NAMES.contains(&name);
    if is_name && text.contains('?') || has_marks_inside_a_word(text) {
        return Some("question marks inside a word");
    }
    None
}

/// Whether the text holds UTF-8 that was read as Windows-1252: a lead byte's letter and what follows it.
fn is_mojibake(text: &str) -> bool {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(next) = chars.peek().copied() else { break };
        let is_pair = match c {
            'Â' | 'Ã' => continues(next),
            // Only with what no word has after such a letter; a name's letters may have changed case on their way.
            'Ä' | 'Å' | 'â' | 'ã' | 'ä' | 'å' => {
                let is_symbol = continues(next) && !next.is_alphabetic() && !"–—’”“‘…»\u{a0}".contains(next);
                let mut rest = chars.clone().skip(1);
                is_symbol || c == 'â' && continues(next) && rest.next().is_some_and(continues)
            }
            _ => false,
        };
        if is_pair {
            return true;
        }
    }
    false
}

/// Whether a character is what Windows-1252 shows for a byte from 0x80 to 0xBF.
fn continues(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{bf}') || "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ".contains(c)
}

/// Two question marks with a letter after them, and a letter or nothing of a word before.
fn has_marks_inside_a_word(text: &str) -> bool {
    let mut before: Option<char> = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let mut ahead = rest.clone();
        if c == '?' && before != Some('?') && ahead.next() == Some('?') {
            let after = ahead.find(|c| *c != '?');
            let word_before = before.is_none_or(|b| b.is_alphabetic() || b.is_whitespace());
            if word_before && after.is_some_and(char::is_alphabetic) {
                // "?? cause" has a space after the marks and is a clinician's doubt.
                return true;
            }
        }
        before = Some(c);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    fn n(name: &str, text: &str) -> usize {
        found(&Da02, &format!(r#"{{"name":[{{"{name}":"{text}"}}]}}"#)).len()
    }

    #[test]
    fn da_02_is_raised_for_what_a_wrong_encoding_leaves() {
        assert!(WORDS.is_sorted());
        for text in ["Ren\u{fffd}e", "RenÃ©e", "ZoÃ«", "Â£5", "donâ€™t", "Å\u{81}ukasz", "Brontã«", "M??ller", "S??N"]
        {
            assert_eq!(n("family", text), 1, "{text}");
            assert_eq!(n("text", text), 1, "{text}");
        }
        assert_eq!(n("family", "O?Neill"), 1);
        assert_eq!(n("text", "??berweisung"), 1);
    }

    #[test]
    fn da_02_is_silent_for_accents_questions_and_doubts() {
        for text in ["Renée", "Åse", "Łukasz", "Ärzte", "São", "Ça va", "5 – 10", "£5", "Šárka", "Pâté"] {
            assert_eq!(n("family", text), 0, "{text}");
        }
        for text in ["Really??", "Query fracture?", "?? cause", "seen?? yes", "Pain? Fever?", "why ?? not", "a?b"] {
            assert_eq!(n("text", text), 0, "{text}");
        }
        // A code's display is the terminology's.
        assert!(found(&Da02, r#"{"code":{"coding":[{"display":"a??b"}]}}"#).is_empty());
    }
}
