//! How inputs are broken: bytes, pieces of other inputs, words of the format, nesting, and JSON by its structure.

use crate::mutants::tree::Tree;
use crate::mutants::{Dice, Kind, faults};

/// Inputs do not grow beyond this.
const LONGEST: usize = 64 * 1024;

/// Breaks text by its bytes; `words` are what the format is made of.
fn text(input: &[u8], corpus: &[Vec<u8>], words: &[&str], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + 1 + dice.below(24)).min(bytes.len());
        match dice.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 => {
                bytes.drain(at..end);
            }
            2 => {
                let piece = bytes[at..end].to_vec();
                let to = dice.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            3 => {
                let other = &corpus[dice.below(corpus.len())];
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(200)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            4 => bytes.truncate(at),
            5 => {
                let odd = ["\u{feff}", "\0", "\u{202e}", "é", "𝄞", "\u{7f}", "\r\n", "\u{2028}", "\u{1b}"];
                bytes.splice(at..at, odd[dice.below(odd.len())].bytes());
            }
            6 => {
                let long = ["0", "9", "a", " ", "é"][dice.below(5)].repeat(1 + dice.below(300));
                bytes.splice(at..at, long.bytes());
            }
            7 => {
                // Deep: the same opening piece over and over, around the limit of 100.
                let opening = words[dice.below(words.len())].repeat(90 + dice.below(40));
                bytes.splice(at..at, opening.bytes());
            }
            _ => {
                bytes.splice(at..end, words[dice.below(words.len())].bytes());
            }
        }
        bytes.truncate(LONGEST);
    }
    bytes
}

/// JSON: by its structure as often as by its bytes.
pub(super) fn json(input: &[u8], corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    const WORDS: &[&str] = &[
        "{\"a\":",
        "[",
        "]",
        "}",
        "{",
        "\"",
        ":",
        ",",
        "null",
        "true",
        "1e999",
        "-0",
        "0.10",
        "1E-400",
        "\\u0000",
        "\\ud800",
        "\"extension\":[{\"url\":",
        "\"contained\":[",
        "\"_given\":[null,",
        "\"resourceType\":\"Bundle\",\"entry\":[",
        "\"reference\":\"#\"",
        "//",
        "/*",
        "'",
        "\"div\":\"<div><b>",
        "\"item\":[{",
        "\"valueDate\":\"2024-02-29\"",
    ];
    let tree =
        if dice.below(2) == 0 { std::str::from_utf8(input).ok().and_then(|t| Tree::parse(t).ok()) } else { None };
    let Some(mut tree) = tree else { return text(input, corpus, WORDS, dice) };
    for _ in 0..=dice.below(3) {
        let kind = Kind::ALL[dice.below(Kind::ALL.len())];
        faults::plant(kind, &mut tree, dice);
    }
    if dice.below(4) == 0 {
        graft(&mut tree, corpus, dice);
    }
    tree.write().into_bytes()
}

/// Puts a value of another input, or of this one, where it does not belong; sometimes nested deeply.
fn graft(tree: &mut Tree, corpus: &[Vec<u8>], dice: &mut Dice) {
    let other = &corpus[dice.below(corpus.len())];
    let other = std::str::from_utf8(other).ok().and_then(|t| Tree::parse(t).ok()).unwrap_or_else(|| tree.clone());
    let from = other.ways(&|_, _| true);
    let to = tree.ways(&|_, _| true);
    let (from, to) = (&from[dice.below(from.len())], &to[dice.below(to.len())]);
    let mut other = other.clone();
    let mut piece = other.at_mut(from).clone();
    if dice.below(3) == 0 {
        for _ in 0..dice.below(120) {
            piece = if dice.below(2) == 0 { Tree::Array(vec![piece]) } else { Tree::object(&[("item", piece)]) };
        }
    }
    *tree.at_mut(to) = piece;
}

pub(super) fn xml(input: &[u8], corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    const WORDS: &[&str] = &[
        "<extension url=\"x\">",
        "<contained>",
        "<a>",
        "</a>",
        "<a/>",
        "</",
        ">",
        "<",
        "/>",
        "value=\"\"",
        "xmlns=\"\"",
        "xmlns:f=\"http://hl7.org/fhir\"",
        "<f:id value=\"1\"/>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?x y?>",
        "&amp;",
        "&#0;",
        "&#x110000;",
        "&lt",
        "<!DOCTYPE a [<!ENTITY b \"&b;&b;\">]>",
        "&b;",
        "<div xmlns=\"http://www.w3.org/1999/xhtml\">",
        "<item><linkId value=\"1\"/>",
        "xml:lang=\"en\"",
        "id=\"a\"",
        "'",
        "\"",
        "encoding=\"UTF-16\"",
    ];
    text(input, corpus, WORDS, dice)
}

pub(super) fn fhirpath(input: &[u8], corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    const WORDS: &[&str] = &[
        "(",
        ")",
        "[",
        "]",
        ".",
        "{}",
        "'",
        "\\'",
        "`",
        "@",
        "@2024-02-29",
        "@T12:00",
        "9999999999999999999999",
        "0.",
        "1.5",
        " and ",
        " or ",
        " implies ",
        " is ",
        " as ",
        " in ",
        " contains ",
        " ~ ",
        " != ",
        " | ",
        " & ",
        " div ",
        " mod ",
        "$this",
        "$index",
        "$total",
        "%resource",
        "%`x`",
        "4 'kg'",
        " years",
        "-",
        "*",
        "/",
        "//",
        "/*",
        "*/",
        ".where(",
        ".select(",
        ".repeat(",
        ".repeat($this)",
        ".aggregate(",
        ".ofType(",
        ".matches('(a+)+$')",
        ".replaceMatches('', 'x')",
        ".children()",
        ".descendants()",
        ".combine($this)",
        ".toQuantity()",
        ".power(",
        ".substring(-1, ",
        ".indexOf('')",
        ".split(",
        ".trace(",
        "iif(",
        ".exists(",
        ".all(",
        ".distinct()",
        ".round(",
        ".ln()",
        ".exp()",
        "\\u12",
        "Patient",
        "name",
        "given",
    ];
    text(input, corpus, WORDS, dice)
}

pub(super) fn packages(input: &[u8], corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    const WORDS: &[&str] = &[
        "\"element\":[",
        "\"path\":\"Patient.contact.name\"",
        "\"id\":\"Patient.name:a/b\"",
        "\"slicing\":{",
        "\"sliceName\":\"a\"",
        "\"contentReference\":\"#Patient.contact\"",
        "\"baseDefinition\":\"http://x.example/StructureDefinition/p\"",
        "\"min\":2",
        "\"max\":\"0\"",
        "\"max\":\"*\"",
        "\"path\":\"\"",
        "\"path\":\"Patient..\"",
        "\"type\":[{\"code\":\"Patient\"}]",
        "\"valueSet\":[\"http://x.example/vs\"]",
        "\"concept\":[{\"code\":\"a\"}]",
        "\"op\":\"regex\",\"value\":\"(a*)*\"",
        "[x]",
        ":",
        "\"discriminator\":[{\"type\":\"value\",\"path\":\"$this.resolve().a\"}]",
        "\"expression\":\"((((\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        "package/../../x",
        "\"differential\":{",
        "\"snapshot\":{\"element\":[]}",
        "\"url\":\"http://hl7.org/fhir/StructureDefinition/Patient\"",
    ];
    let tree =
        if dice.below(2) == 0 { std::str::from_utf8(input).ok().and_then(|t| Tree::parse(t).ok()) } else { None };
    let Some(mut tree) = tree else { return text(input, corpus, WORDS, dice) };
    for _ in 0..=dice.below(2) {
        graft(&mut tree, corpus, dice);
    }
    tree.write().into_bytes()
}
