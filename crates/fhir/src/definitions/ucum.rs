//! Whether a text is a unit of UCUM: by its grammar and the table of its atoms and prefixes.
//!
//! Source: The Unified Code for Units of Measure, §§2 to 12, case-sensitive codes.

use std::collections::HashMap;
use std::sync::LazyLock;

const ATOMS: &str = include_str!("ucum_atoms.txt");
const PREFIXES: &[&str] = &[
    "da", "Ki", "Mi", "Gi", "Ti", "Q", "R", "Y", "Z", "E", "P", "T", "G", "M", "k", "h", "d", "c", "m", "u", "n", "p",
    "f", "a", "z", "y", "r", "q",
];
const LONGEST: usize = 1_000;
const DEEPEST: u32 = 50;

/// By code: whether it takes a prefix.
static TABLE: LazyLock<HashMap<&'static str, bool>> = LazyLock::new(|| {
    let lines = ATOMS.lines().filter(|line| !line.starts_with("# "));
    lines.map(|line| line.strip_suffix(" *").map_or((line, false), |code| (code, true))).collect()
});

/// Whether a text is a unit.
pub(super) fn is_unit(text: &str) -> bool {
    let mut reader = Reader { rest: text };
    !text.is_empty() && text.len() <= LONGEST && reader.whole() && reader.rest.is_empty()
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn whole(&mut self) -> bool {
        self.takes('/');
        self.term(0)
    }

    fn term(&mut self, depth: u32) -> bool {
        if depth > DEEPEST || !self.component(depth) {
            return false;
        }
        while self.takes('.') || self.takes('/') {
            if !self.component(depth) {
                return false;
            }
        }
        true
    }

    fn component(&mut self, depth: u32) -> bool {
        if self.takes('(') {
            // A term may begin with a solidus, within parentheses too.
            self.takes('/');
            return self.term(depth + 1) && self.takes(')') && self.annotation().is_some();
        }
        match self.annotation() {
            None => return false,
            Some(true) => return true,
            Some(false) => {}
        }
        self.simple() && self.annotation().is_some()
    }

    /// `{…}`: whether there is one; `None` where it is broken.
    fn annotation(&mut self) -> Option<bool> {
        let Some(rest) = self.rest.strip_prefix('{') else { return Some(false) };
        let end = rest.find('}')?;
        if !rest[..end].bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'{') {
            return None;
        }
        self.rest = &rest[end + 1..];
        Some(true)
    }

    /// An atom with its prefix and exponent, or a factor.
    fn simple(&mut self) -> bool {
        let mut depth = 0_u32;
        let end = self.rest.char_indices().find(|(_, char)| {
            match char {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && matches!(char, '.' | '/' | '(' | ')' | '{' | '}')
        });
        let (text, rest) = self.rest.split_at(end.map_or(self.rest.len(), |(at, _)| at));
        self.rest = rest;
        if text.is_empty() {
            return false;
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) || is_atom(text) {
            return true;
        }
        let digits = text.len() - text.trim_end_matches(|char: char| char.is_ascii_digit()).len();
        let bare = &text[..text.len() - digits];
        let bare = bare.strip_suffix(['+', '-']).unwrap_or(bare);
        digits > 0 && is_atom(bare)
    }

    fn takes(&mut self, char: char) -> bool {
        let Some(rest) = self.rest.strip_prefix(char) else { return false };
        self.rest = rest;
        true
    }
}

fn is_atom(text: &str) -> bool {
    TABLE.contains_key(text)
        || PREFIXES.iter().any(|prefix| {
            let atom = text.strip_prefix(prefix);
            atom.is_some_and(|atom| TABLE.get(atom) == Some(&true))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_known_by_grammar_and_atoms() {
        for unit in [
            "mg",
            "kg/m2",
            "mmol/L",
            "10*9/L",
            "10^3",
            "/min",
            "{score}",
            "mm[Hg]",
            "cm[H2O]",
            "[iU]/mL",
            "m[IU]/mL",
            "%",
            "1",
            "mL/min/{1.73_m2}",
            "g.m/(s2.kg)",
            "kat",
            "Cel",
            "[degF]",
            "10*-3",
            "ug/kg{body}",
            "1/(8.h)",
            "meq/L",
            "daL",
            "mol",
            "m/s2",
            "[in_i'H2O]",
            "KiBy",
        ] {
            assert!(is_unit(unit), "{unit}");
        }
        for text in [
            "", "mgg", "MG/", "mg//L", "mg..L", "(mg", "mg)", "{", "{a", "mcg", "cc", "IU", "zzz", "mg L", "k[in_i]",
            "µg", "2-", "mg{a}b", "/",
        ] {
            assert!(!is_unit(text), "{text}");
        }
        assert!(!is_unit(&"(".repeat(100)));
    }
}
