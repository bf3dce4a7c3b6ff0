//! The types of R4 that must be known without any package: choice suffixes and primitive kinship.

use epr_fhir::definitions::Definitions;

/// JSON suffix of a choice, and its type. Source: R4, Open Type Element, and the choices of the resources.
const CHOICES: &[(&str, &str)] = &[
    ("Address", "Address"),
    ("Age", "Age"),
    ("Annotation", "Annotation"),
    ("Attachment", "Attachment"),
    ("Base64Binary", "base64Binary"),
    ("Boolean", "boolean"),
    ("Canonical", "canonical"),
    ("Code", "code"),
    ("CodeableConcept", "CodeableConcept"),
    ("Coding", "Coding"),
    ("ContactDetail", "ContactDetail"),
    ("ContactPoint", "ContactPoint"),
    ("Contributor", "Contributor"),
    ("Count", "Count"),
    ("DataRequirement", "DataRequirement"),
    ("Date", "date"),
    ("DateTime", "dateTime"),
    ("Decimal", "decimal"),
    ("Distance", "Distance"),
    ("Dosage", "Dosage"),
    ("Duration", "Duration"),
    ("Expression", "Expression"),
    ("HumanName", "HumanName"),
    ("Id", "id"),
    ("Identifier", "Identifier"),
    ("Instant", "instant"),
    ("Integer", "integer"),
    ("Markdown", "markdown"),
    ("Meta", "Meta"),
    ("Money", "Money"),
    ("Oid", "oid"),
    ("ParameterDefinition", "ParameterDefinition"),
    ("Period", "Period"),
    ("PositiveInt", "positiveInt"),
    ("Quantity", "Quantity"),
    ("Range", "Range"),
    ("Ratio", "Ratio"),
    ("Reference", "Reference"),
    ("RelatedArtifact", "RelatedArtifact"),
    ("SampledData", "SampledData"),
    ("Signature", "Signature"),
    ("String", "string"),
    ("Time", "time"),
    ("Timing", "Timing"),
    ("TriggerDefinition", "TriggerDefinition"),
    ("UnsignedInt", "unsignedInt"),
    ("Uri", "uri"),
    ("Url", "url"),
    ("UsageContext", "UsageContext"),
    ("Uuid", "uuid"),
];

/// The type that a choice's suffix names: `Quantity`, `string` for `String`.
pub(crate) fn choice_suffix(suffix: &str) -> Option<&'static str> {
    let letter = suffix.as_bytes().first().filter(|byte| byte.is_ascii_uppercase())? - b'A';
    let begin = usize::from(BY_LETTER[usize::from(letter)]);
    let end = usize::from(BY_LETTER[usize::from(letter) + 1]);
    CHOICES[begin..end].iter().find(|(name, _)| *name == suffix).map(|(_, of)| *of)
}

/// Where in [`CHOICES`] each letter begins, and where the last one ends: this is asked of every second member.
const BY_LETTER: [u8; 27] = {
    let mut begins = [0; 27];
    let (mut letter, mut at) = (0, 0);
    while letter < 27 {
        while at < CHOICES.len() && CHOICES[at].0.as_bytes()[0] < b'A' + letter as u8 {
            at += 1;
        }
        begins[letter] = at as u8;
        letter += 1;
    }
    begins
};

/// The names of the choices of R4, without the type. Source: the snapshots of R4's types and resources.
const STEMS: &[&str] = &[
    "abatement",
    "additive",
    "age",
    "allowed",
    "amount",
    "answer",
    "asNeeded",
    "author",
    "born",
    "bounds",
    "characteristic",
    "chargeItem",
    "code",
    "collected",
    "content",
    "created",
    "date",
    "deceased",
    "defaultValue",
    "definingSubstance",
    "definition",
    "detail",
    "diagnosis",
    "done",
    "dose",
    "doseNumber",
    "due",
    "effective",
    "entity",
    "event",
    "example",
    "fastingStatus",
    "fixed",
    "identified",
    "indication",
    "item",
    "legallyBinding",
    "location",
    "manufacturer",
    "maxValue",
    "medication",
    "minValue",
    "minimumVolume",
    "module",
    "multipleBirth",
    "name",
    "occurred",
    "occurrence",
    "offset",
    "onset",
    "participantEffective",
    "pattern",
    "performed",
    "probability",
    "procedure",
    "product",
    "quantity",
    "rate",
    "reported",
    "scheduled",
    "seriesDoses",
    "serviced",
    "source",
    "start",
    "statusReason",
    "studyEffective",
    "subject",
    "substance",
    "target",
    "time",
    "timing",
    "topic",
    "used",
    "value",
    "what",
    "when",
    "where",
    "why",
];

/// Whether a name may be the JSON name of a choice: `valueQuantity` is one, `fullUrl` is none.
pub(crate) fn looks_like_choice(name: &str) -> bool {
    let capitals = name.char_indices().filter(|(at, c)| *at > 0 && c.is_ascii_uppercase());
    capitals
        .into_iter()
        .any(|(at, _)| choice_suffix(&name[at..]).is_some() && STEMS.binary_search(&&name[..at]).is_ok())
}

/// What a type builds on, for the types where packages are not needed to know it.
fn parent(type_code: &str) -> Option<&'static str> {
    Some(match type_code {
        "code" | "id" | "markdown" => "string",
        "url" | "canonical" | "uuid" | "oid" => "uri",
        "positiveInt" | "unsignedInt" => "integer",
        "Age" | "Count" | "Distance" | "Duration" | "MoneyQuantity" | "SimpleQuantity" => "Quantity",
        "boolean" | "integer" | "string" | "decimal" | "uri" | "base64Binary" | "instant" | "date" | "dateTime"
        | "time" | "xhtml" | "Quantity" | "BackboneElement" => "Element",
        "DomainResource" | "Bundle" | "Binary" | "Parameters" => "Resource",
        _ => return None,
    })
}

/// Whether the type is a Quantity or a kind of Quantity.
pub(crate) fn is_quantity(type_code: &str) -> bool {
    type_code == "Quantity" || parent(type_code) == Some("Quantity")
}

pub(crate) fn is_abstract_resource(type_code: &str) -> bool {
    matches!(type_code, "Resource" | "DomainResource")
}

/// Types that others build on, where only definitions know which.
pub(crate) fn is_abstract(type_code: &str) -> bool {
    is_abstract_resource(type_code) || matches!(type_code, "Element" | "BackboneElement")
}

/// Without definitions: whether a resource is a Resource or a DomainResource; `None` for anything else.
pub(crate) fn resource_is(resource_type: Option<&str>, wanted: &str) -> Option<bool> {
    match (resource_type?, wanted) {
        ("Bundle" | "Binary" | "Parameters", "DomainResource") => Some(false),
        (_, wanted) => Some(is_abstract_resource(wanted)),
    }
}

pub(crate) fn is_primitive(type_code: &str) -> bool {
    type_code.starts_with(|c: char| c.is_ascii_lowercase())
}

const SYSTEM_TYPES: &[&str] =
    &["Any", "Boolean", "Date", "DateTime", "Decimal", "Integer", "Quantity", "String", "Time"];

pub(crate) fn is_system_type(name: &str) -> bool {
    SYSTEM_TYPES.contains(&name)
}

/// Whether `type_code` is `wanted` or builds on it.
pub(crate) fn is_kind_of(type_code: &str, wanted: &str, definitions: Option<&Definitions>) -> bool {
    let mut at = type_code;
    // No chain of R4 is longer than five; the bound guards against definitions that name each other.
    for _ in 0..16 {
        if at == wanted {
            return true;
        }
        let next = parent(at).or_else(|| {
            let base = definitions?.structure(at)?.base.as_deref()?;
            Some(base.strip_prefix("http://hl7.org/fhir/StructureDefinition/").unwrap_or(base))
        });
        match next {
            Some(next) => at = next,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choices_are_sorted_by_suffix() {
        assert!(CHOICES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(STEMS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn every_choice_is_found_by_its_suffix_and_nothing_else_is() {
        for (suffix, of) in CHOICES {
            assert_eq!(choice_suffix(suffix), Some(*of), "{suffix}");
        }
        for none in ["", "A", "Zz", "quantity", "Quantities", "Quantit", "[", "@", "É"] {
            assert_eq!(choice_suffix(none), None, "{none}");
        }
    }

    #[test]
    fn a_name_is_a_choices_only_with_its_stem_and_a_type() {
        assert!(looks_like_choice("valueQuantity") && looks_like_choice("minimumVolumeString"));
        assert!(looks_like_choice("contentReference") && !looks_like_choice("fullUrl") && !looks_like_choice("value"));
    }
}
