//! Quantities and numbers of resources, compared.

use std::cmp::Ordering;
use std::str::FromStr;

use epr_fhir::Node;
use epr_fhirpath::quantity::Quantity;
use rust_decimal::Decimal;

/// The system of UCUM's units.
pub(super) const UCUM: &str = "http://unitsofmeasure.org";

/// A decimal as exactly as it is written.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text)).ok()
}

/// The number that a node is.
pub(super) fn number(node: Node<'_>) -> Option<Decimal> {
    decimal(node.number_text()?)
}

/// How two quantities stand to each other: of one unit, or of units that UCUM converts. `None` where it cannot be said.
pub(super) fn order(one: Node<'_>, other: Node<'_>) -> Option<Ordering> {
    let (left, right) = (number(one.get("value")?)?, number(other.get("value")?)?);
    let system = one.text("system");
    if system != other.text("system") {
        return None;
    }
    let (left_unit, right_unit) = (one.text("code"), other.text("code"));
    if left_unit == right_unit {
        return Some(left.cmp(&right));
    }
    if system != Some(UCUM) {
        return None;
    }
    let quantity =
        |value, unit: Option<&'_ str>| Some(Quantity { value, unit: unit?.to_owned().into(), is_calendar: false });
    quantity(left, left_unit)?.order(&quantity(right, right_unit)?)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::{Equal, Greater, Less};

    use epr_fhir::Resource;

    #[test]
    fn quantities_are_compared_in_units_that_are_multiples_of_each_other() {
        let order = |limit: &str, found: &str| {
            let read = |text: &str| {
                let (value, code) = text.split_once(' ').unwrap();
                let json =
                    format!(r#"{{ "value": {value}, "system": "http://unitsofmeasure.org", "code": "{code}" }}"#);
                Resource::parse_json(json.as_bytes()).unwrap()
            };
            super::order(read(found).root(), read(limit).root())
        };
        assert_eq!(order("0 kg", "-1 g"), Some(Less));
        assert_eq!(order("1 kg", "1000 g"), Some(Equal));
        assert_eq!(order("1 min", "61 s"), Some(Greater));
        assert_eq!(order("1 kg", "1 m"), None);
    }
}
