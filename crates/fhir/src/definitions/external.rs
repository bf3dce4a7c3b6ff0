//! Code systems that are no FHIR resource and need no server: known by their syntax, or by a short list.

use super::{Membership, WhyUnknown};

/// ISO 4217 alphabetic codes, one a line, retired ones since 2000 included.
const CURRENCIES: &str = include_str!("iso_4217.txt");
/// ISO 3166-1, alpha-2 and alpha-3, one a line.
const COUNTRIES: &str = include_str!("iso_3166.txt");

/// Whether a code is one of such a system; `None` where the system is none of these.
///
/// What has the syntax counts as known, since BCP 47 and BCP 13 are composed rather than listed. What has the shape of a listed
/// code but is not on our list is unknown rather than wrong: lists grow.
pub(super) fn contains(system: &str, code: &str) -> Option<Membership> {
    let by_syntax = |is_sound: bool| if is_sound { Membership::In } else { Membership::NotIn };
    Some(match system.split('|').next().unwrap_or(system) {
        "urn:ietf:bcp:47" => by_syntax(is_language_tag(code)),
        // Some elements let short names such as `xml` stand for a mime type, so what is no mime type is not yet wrong.
        "urn:ietf:bcp:13" if is_mime_type(code) => Membership::In,
        "urn:ietf:bcp:13" if code.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !code.is_empty() => {
            Membership::Unknown(WhyUnknown::SystemNotLoaded)
        }
        "urn:ietf:bcp:13" => Membership::NotIn,
        "urn:iso:std:iso:4217" => by_list(CURRENCIES, code, &[3]),
        "urn:iso:std:iso:3166" => by_list(COUNTRIES, code, &[2, 3]),
        _ => return None,
    })
}

fn by_list(list: &str, code: &str, lengths: &[usize]) -> Membership {
    if list.lines().any(|line| line == code) {
        Membership::In
    } else if lengths.contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        Membership::Unknown(WhyUnknown::SystemIncomplete)
    } else if code.bytes().any(|byte| byte == b'-' || byte.is_ascii_digit()) {
        // ISO 3166-2 subdivisions, and the numeric codes of both standards, are not on our lists.
        Membership::Unknown(WhyUnknown::SystemIncomplete)
    } else {
        Membership::NotIn
    }
}

/// Whether a text has the form of a language tag (RFC 5646): language, extended languages, script, region, variants, extensions.
fn is_language_tag(tag: &str) -> bool {
    let mut parts = tag.split('-').peekable();
    let language = parts.next().unwrap_or_default();
    let alphabetic = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let alphanumeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if matches!(language, "x" | "X" | "i" | "I") {
        return parts.peek().is_some() && parts.all(|part| (1..=8).contains(&part.len()) && alphanumeric(part));
    }
    if !(2..=8).contains(&language.len()) || !alphabetic(language) {
        return false;
    }
    let next_is = |parts: &mut std::iter::Peekable<std::str::Split<'_, char>>, fits: &dyn Fn(&str) -> bool| {
        parts.next_if(|part| fits(part)).is_some()
    };
    if language.len() <= 3 {
        for _ in 0..3 {
            if !next_is(&mut parts, &|part| part.len() == 3 && alphabetic(part)) {
                break;
            }
        }
    }
    next_is(&mut parts, &|part| part.len() == 4 && alphabetic(part));
    next_is(&mut parts, &|part| {
        (part.len() == 2 && alphabetic(part)) || (part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let is_variant = |part: &str| {
        alphanumeric(part)
            && ((5..=8).contains(&part.len()) || (part.len() == 4 && part.as_bytes()[0].is_ascii_digit()))
    };
    while next_is(&mut parts, &is_variant) {}
    while let Some(singleton) = parts.next() {
        if singleton.len() != 1 || !alphanumeric(singleton) {
            return false;
        }
        let shortest = if singleton.eq_ignore_ascii_case("x") { 1 } else { 2 };
        let mut n_subtags = 0;
        while next_is(&mut parts, &|part| (shortest..=8).contains(&part.len()) && alphanumeric(part)) {
            n_subtags += 1;
        }
        if n_subtags == 0 {
            return false;
        }
    }
    true
}

/// Whether a text has the form of a media type (RFC 6838): `type/subtype`, perhaps with parameters.
fn is_mime_type(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let is_name = |part: &str| {
        (1..=127).contains(&part.len())
            && part.as_bytes()[0].is_ascii_alphanumeric()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    essence.split_once('/').is_some_and(|(kind, sub)| is_name(kind) && is_name(sub))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_known_by_its_syntax() {
        for tag in [
            "en",
            "en-GB",
            "zh-Hans-CN",
            "de-1996",
            "es-419",
            "sl-rozaj-biske",
            "x-private",
            "en-u-ca-gregory",
            "zh-yue",
        ] {
            assert!(is_language_tag(tag), "{tag}");
        }
        for tag in ["", "e", "en_GB", "English language", "en-", "en-GB-", "-en", "12", "en-u", "en-a-b"] {
            assert!(!is_language_tag(tag), "{tag}");
        }
    }

    #[test]
    fn a_mime_type_is_known_by_its_syntax() {
        assert!(is_mime_type("application/fhir+json; charset=utf-8"));
        assert!(is_mime_type("text/plain"));
        assert!(!is_mime_type("pdf"));
        assert!(!is_mime_type("a/b/c"));
        assert!(!is_mime_type("/plain"));
    }

    #[test]
    fn a_currency_not_on_the_list_is_wrong_only_by_its_shape() {
        assert_eq!(contains("urn:iso:std:iso:4217", "GBP"), Some(Membership::In));
        assert_eq!(contains("urn:iso:std:iso:4217", "QQQ"), Some(Membership::Unknown(WhyUnknown::SystemIncomplete)));
        assert_eq!(contains("urn:iso:std:iso:4217", "pounds"), Some(Membership::NotIn));
        assert_eq!(contains("urn:iso:std:iso:3166", "GB"), Some(Membership::In));
        assert_eq!(contains("urn:iso:std:iso:3166", "GB-ENG"), Some(Membership::Unknown(WhyUnknown::SystemIncomplete)));
        assert_eq!(contains("http://snomed.info/sct", "1"), None);
    }
}
