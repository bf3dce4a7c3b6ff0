//! What a code is in its own code system, and whether its display is one of the texts given for it.
//!
//! Whether it belongs to a value set is another question (`membership`).

use super::{CodeSystem, Concept, Content, Definitions, ValueSet, external};

/// A code as data have it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Coding<'a> {
    /// The code system.
    pub system: &'a str,
    /// Its version, where given.
    pub version: Option<&'a str>,
    /// The code.
    pub code: &'a str,
    /// The text beside it, where given.
    pub display: Option<&'a str>,
}

/// What a code is in its own code system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// One of its codes.
    Known,
    /// One of its codes that is not in use any more.
    Inactive,
    /// One of its codes, with a text that is not given for it.
    WrongDisplay,
    /// Not one of its codes.
    Unknown,
    /// Not among those of its codes that are loaded; there are others.
    NotInPart,
    /// The system is a supplement, in which no code can be.
    Supplement,
    /// The system is not loaded.
    NoSystem,
    /// The system is loaded, in another version.
    NoVersion,
    /// Of the system only the name is loaded, or examples.
    NoContent,
    /// The system is one that nobody ships as a whole: codes of it come from a list that a user holds, or from a server.
    HeldElsewhere,
}

/// Systems that packages name without holding them.
const HELD_ELSEWHERE: &[&str] = &[
    "http://hl7.org/fhir/ndfrt",
    "http://hl7.org/fhir/sid/cvx",
    "http://hl7.org/fhir/sid/icd-10",
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://hl7.org/fhir/sid/icd-9-cm",
    "http://hl7.org/fhir/sid/ndc",
    "http://loinc.org",
    "http://snomed.info/sct",
    "http://www.ama-assn.org/go/cpt",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
];

const IDENTIFIER_TYPES: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";

fn is_national(code: &str) -> bool {
    let country = code.strip_prefix("NN");
    country.is_some_and(|country| external::contains(external::ISO_3166, country) == Some(super::Membership::In))
}

impl Definitions {
    /// What a code is in its own code system. `language` is that of the resource, where it says one.
    pub fn standing(&self, coding: Coding<'_>, language: Option<&str>) -> Standing {
        if let Some(list) = self.code_list(coding.system) {
            return list.standing(coding.code, coding.display);
        }
        if let Some(known) = external::contains(coding.system, coding.code) {
            return match known {
                super::Membership::In => Standing::Known,
                super::Membership::NotIn => Standing::Unknown,
                super::Membership::Unknown(_) => Standing::NotInPart,
            };
        }
        if self.is_held_elsewhere(coding.system) {
            return Standing::HeldElsewhere;
        }
        let Some(any) = self.code_system(coding.system) else {
            // The elements of a structure are codes of its URL: not looked at here.
            return if self.knows_structure(coding.system) { Standing::NoContent } else { Standing::NoSystem };
        };
        let system = match coding.version {
            Some(version) if any.version.as_deref() != Some(version) => {
                match self.code_system(&format!("{}|{version}", coding.system)) {
                    Some(system) => system,
                    None => return Standing::NoVersion,
                }
            }
            _ => any,
        };
        match system.content {
            Content::Supplement => Standing::Supplement,
            // One that says so by its `supplements` alone is one too.
            _ if system.supplements.is_some() => Standing::Supplement,
            Content::NotPresent | Content::Example => Standing::NoContent,
            Content::Complete | Content::Fragment => match system.concept(coding.code) {
                None if system.content == Content::Fragment => Standing::NotInPart,
                // HL7's table of identifier types has one for each country, which it does not list: `NNGBR`.
                None if system.url == IDENTIFIER_TYPES && is_national(coding.code) => Standing::Known,
                None => Standing::Unknown,
                Some(concept) => match coding.display {
                    Some(display) if !is_text_of(system, concept, display, language) => Standing::WrongDisplay,
                    _ if concept.is_inactive() => Standing::Inactive,
                    _ => Standing::Known,
                },
            },
        }
    }

    /// Whether codes of a system are known to servers and to those who hold a list of them only, and no list is loaded.
    pub fn is_held_elsewhere(&self, system: &str) -> bool {
        HELD_ELSEWHERE.contains(&system) && self.code_list(system).is_none()
    }

    /// Whether anything is known of the codes of a system.
    pub fn knows_system(&self, system: &str) -> bool {
        self.code_list(system).is_some()
            || external::contains(system, "").is_some()
            || self.code_system(system).is_some_and(|known| known.content != Content::NotPresent)
            || self.knows_structure(system)
    }

    /// Whether a value set gives a text for a code.
    pub fn is_display_of(&self, value_set: &str, system: &str, code: &str, display: &str) -> bool {
        self.display_within(value_set, system, code, display, 0)
    }

    fn display_within(&self, value_set: &str, system: &str, code: &str, display: &str, depth: u32) -> bool {
        let Some(found) = self.value_set(value_set).filter(|_| depth < 10) else { return false };
        gives(found, system, code, display)
            || found
                .include
                .iter()
                .flat_map(|set| &set.value_sets)
                .any(|imported| self.display_within(imported, system, code, display, depth + 1))
    }
}

fn gives(value_set: &ValueSet, system: &str, code: &str, display: &str) -> bool {
    let sets = value_set.include.iter().filter(|set| set.system.as_deref() == Some(system));
    let texts = sets.filter_map(|set| set.displays.get(code)).flatten();
    texts.chain(value_set.expansion.as_ref().and_then(|e| e.displays.get(code))).any(|text| same_text(text, display))
}

fn is_text_of(system: &CodeSystem, concept: &Concept, display: &str, language: Option<&str>) -> bool {
    let Some(own) = &concept.display else { return concept.designations.is_empty() };
    if same_text(own, display) {
        return true;
    }
    let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let wanted = language.map_or_else(|| "en".to_owned(), primary);
    let fits =
        |of: Option<&str>| of.is_none_or(|of| primary(of) == wanted || of == system.language.as_deref().unwrap_or(""));
    concept.designations.iter().any(|d| fits(d.language.as_deref()) && same_text(&d.value, display))
}

/// Case does not count in texts; white space does.
fn same_text(one: &str, other: &str) -> bool {
    one == other || one.to_lowercase() == other.to_lowercase()
}
