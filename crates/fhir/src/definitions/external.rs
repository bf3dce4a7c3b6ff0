//! Code systems that are no FHIR resource and need no server: known by their syntax, or by a short list.

use super::{Membership, WhyUnknown, ucum};

/// ISO 4217 alphabetic codes, one a line, those retired since 2000 included. Source: iso-codes 4.15.0 (2023-04), and the
/// amendments up to 2025.
const CURRENCIES: &str = include_str!("iso_4217.txt");
/// ISO 3166-1, alpha-2, alpha-3 and numeric, one a line. Source: iso-codes 4.15.0 (2023-04).
const COUNTRIES: &str = include_str!("iso_3166.txt");
/// ISO 639-1 codes and the seven that it has withdrawn, one a line. Source: iso-codes 4.15.0 (2023-04), the IANA registry.
const LANGUAGES: &str = include_str!("iso_639_1.txt");
/// Regions of the IANA registry that ISO 3166-1 does not have (any more).
const OTHER_REGIONS: &[&str] = &[
    "AC", "AN", "BU", "CP", "CQ", "CS", "DD", "DG", "EA", "EU", "EZ", "FX", "IC", "NT", "SU", "TA", "TP", "UN", "XK",
    "YD", "YU", "ZR", "ZZ", "AA",
];
/// The top-level media types of the IANA registry.
const MEDIA_TYPES: &[&str] =
    &["application", "audio", "example", "font", "haptics", "image", "message", "model", "multipart", "text", "video"];

pub(super) const ISO_3166: &str = "urn:iso:std:iso:3166";

/// Whether a code is one of such a system; `None` where the system is none of these.
///
/// BCP 47, BCP 13 and UCUM are composed rather than listed: what has the syntax is known. Currencies and countries are listed.
pub(super) fn contains(system: &str, code: &str) -> Option<Membership> {
    let by_syntax = |is_sound: bool| if is_sound { Membership::In } else { Membership::NotIn };
    let system = if system.starts_with("urn:") || system.starts_with("http://unitsofmeasure.org") {
        system.split('|').next().unwrap_or(system)
    } else {
        return None;
    };
    Some(match system {
        "urn:ietf:bcp:47" => by_syntax(is_language_tag(code)),
        // R4 lets FHIR's own formats stand by their short names.
        "urn:ietf:bcp:13" => by_syntax(is_mime_type(code) || matches!(code, "xml" | "json" | "ttl")),
        "urn:iso:std:iso:4217" => by_syntax(is_listed(CURRENCIES, code)),
        ISO_3166 => match code.split_once('-') {
            None => by_syntax(is_listed(COUNTRIES, code)),
            // Subdivisions are not on our list; what is in no country is none.
            Some((country, part)) => {
                let is_sound = country.len() == 2 && is_listed(COUNTRIES, country) && (1..=3).contains(&part.len());
                if is_sound { Membership::Unknown(WhyUnknown::SystemIncomplete) } else { Membership::NotIn }
            }
        },
        "http://unitsofmeasure.org" => by_syntax(ucum::is_unit(code)),
        _ => return None,
    })
}

/// The lists are sorted.
fn is_listed(list: &str, code: &str) -> bool {
    !code.is_empty() && list.lines().any(|line| line == code)
}

/// Whether a text has the form of a language tag (RFC 5646): language, extended languages, script, region, variants, extensions.
fn is_language_tag(tag: &str) -> bool {
    let mut parts = tag.split('-').peekable();
    let language = parts.next().unwrap_or_default();
    if language.len() == 2 && !is_listed(LANGUAGES, &language.to_ascii_lowercase()) {
        return false;
    }
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
        (part.len() == 2 && is_region(part)) || (part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit()))
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

fn is_region(part: &str) -> bool {
    let part = part.to_ascii_uppercase();
    is_listed(COUNTRIES, &part) || OTHER_REGIONS.contains(&part.as_str())
}

/// Whether a text has the form of a media type (RFC 6838): `type/subtype`, perhaps with parameters.
fn is_mime_type(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let is_name = |part: &str| {
        (1..=127).contains(&part.len())
            && part.as_bytes()[0].is_ascii_alphanumeric()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let is_kind = |kind: &str| {
        let kind = kind.to_ascii_lowercase();
        MEDIA_TYPES.contains(&kind.as_str()) || kind.starts_with("x-")
    };
    essence.split_once('/').is_some_and(|(kind, sub)| is_kind(kind) && is_name(sub))
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
        for tag in ["", "e", "xx", "en-QQ", "en_GB", "English language", "en-", "en-GB-", "-en", "12", "en-u", "en-a-b"]
        {
            assert!(!is_language_tag(tag), "{tag}");
        }
    }

    #[test]
    fn a_mime_type_is_known_by_its_syntax() {
        assert!(is_mime_type("application/fhir+json; charset=utf-8"));
        assert!(is_mime_type("text/plain"));
        assert!(is_mime_type("x-private/thing"));
        assert!(!is_mime_type("pdf"));
        assert!(!is_mime_type("document/pdf"));
        assert!(!is_mime_type("a/b/c"));
        assert!(!is_mime_type("/plain"));
    }

    #[test]
    fn currencies_and_countries_are_known_by_list() {
        assert_eq!(contains("urn:iso:std:iso:4217", "GBP"), Some(Membership::In));
        assert_eq!(contains("urn:iso:std:iso:4217", "QQQ"), Some(Membership::NotIn));
        for code in ["GB", "GBR", "826"] {
            assert_eq!(contains(ISO_3166, code), Some(Membership::In), "{code}");
        }
        for code in ["UK", "gb", "", "ZZ-ENG"] {
            assert_eq!(contains(ISO_3166, code), Some(Membership::NotIn), "{code}");
        }
        assert_eq!(contains(ISO_3166, "GB-ENG"), Some(Membership::Unknown(WhyUnknown::SystemIncomplete)));
        assert_eq!(contains("http://snomed.info/sct", "1"), None);
    }
}
