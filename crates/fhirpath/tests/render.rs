//! Items as text that a table can hold.

use epr_fhirpath::{Collection, Item};

/// `{}`, or the items with commas between: `'a'`, `1`, `@2014`, `1 'mg'`, JSON for a complex element.
pub(crate) fn items(items: &Collection<'_>) -> String {
    if items.is_empty() {
        return "{}".to_owned();
    }
    items.iter().map(item).collect::<Vec<_>>().join(", ")
}

pub(crate) fn item(item: &Item<'_>) -> String {
    match item.system() {
        Item::Element(element) => match element.node() {
            Some(node) => String::from_utf8_lossy(node.raw()).into_owned(),
            None => "(no value)".to_owned(),
        },
        Item::String(text) => format!("'{text}'"),
        Item::Temporal(at) => {
            format!("@{}{at}", if at.kind() == epr_fhirpath::temporal::TemporalKind::Time { "T" } else { "" })
        }
        Item::Type { namespace, name } => format!("{namespace}.{name}"),
        other => other.to_text().map(std::borrow::Cow::into_owned).unwrap_or_default(),
    }
}
