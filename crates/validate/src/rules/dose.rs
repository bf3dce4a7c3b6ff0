//! Doses in words and in numbers: `Two tablets up to four times a day`, `500 mg`, `{ value: 500, unit: mg }`.

use epr_fhir::Node;

/// What doses are counted in. Two amounts compare where both are of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In milligrams.
    Mass,
    /// In millilitres.
    Volume,
    Units,
    /// Tablets, capsules, puffs, drops: each its own.
    Count(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Amount {
    pub(crate) value: f64,
    pub(crate) kind: Kind,
}

/// Whether two amounts of one kind say the same; a thousandth is rounding.
pub(crate) fn agree(a: f64, b: f64) -> bool {
    agree_within(a, b, 1)
}

/// Whether two amounts of one kind lie at most so many thousandths of the larger apart.
pub(crate) fn agree_within(a: f64, b: f64, per_mille: u32) -> bool {
    (a - b).abs() <= a.abs().max(b.abs()) * f64::from(per_mille) / 1000.0
}

/// Whether one is ten, a hundred, a thousand … times the other.
pub(crate) fn differ_by_tens(a: f64, b: f64) -> bool {
    if a <= 0.0 || b <= 0.0 {
        return false;
    }
    let tens = (a / b).log10();
    tens.abs() > 0.5 && (tens - tens.round()).abs() < 1e-3
}

/// The amount of a Quantity, where its unit is known here.
pub(crate) fn of_quantity(quantity: Node<'_>) -> Option<Amount> {
    let value: f64 = quantity.get("value").and_then(Node::number_text)?.parse().ok()?;
    let (factor, kind) = quantity.text("code").and_then(unit).or_else(|| quantity.text("unit").and_then(unit))?;
    Some(Amount { value: value * factor, kind })
}

/// All amounts that a text names.
pub(crate) fn of_text(text: &str) -> Vec<Amount> {
    let mut amounts = Vec::new();
    let lower = text.to_lowercase();
    let mut number: Option<f64> = None;
    for token in tokens(&lower) {
        if let Some(value) = word_number(token).or_else(|| token.parse::<f64>().ok()) {
            number = Some(value);
        } else if let Some((value, (factor, kind))) = number.take().zip(unit(token)) {
            amounts.push(Amount { value: value * factor, kind });
        }
    }
    amounts
}

/// Words and numbers; `500mg` is two.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')' | '-' | '/')).flat_map(|word| {
        let word = word.trim_matches(|c: char| matches!(c, '.' | ':' | '*'));
        let at = word.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(word.len());
        let (number, rest) = word.split_at(at);
        [number, rest].into_iter().filter(|t| !t.is_empty())
    })
}

fn word_number(word: &str) -> Option<f64> {
    let words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    match word {
        "half" | "½" => Some(0.5),
        _ => words.iter().position(|w| *w == word).map(|i| (i + 1) as f64),
    }
}

/// A unit as it is written in prescriptions, in UCUM or in words: factor and kind.
fn unit(unit: &str) -> Option<(f64, Kind)> {
    let unit = unit.trim().trim_matches(|c| matches!(c, '{' | '}')).to_lowercase();
    Some(match unit.as_str() {
        "g" | "gram" | "grams" => (1000.0, Kind::Mass),
        "mg" | "milligram" | "milligrams" => (1.0, Kind::Mass),
        "ug" | "mcg" | "µg" | "μg" | "microgram" | "micrograms" => (0.001, Kind::Mass),
        "ng" | "nanogram" | "nanograms" => (0.000_001, Kind::Mass),
        "l" | "litre" | "litres" => (1000.0, Kind::Volume),
        "ml" | "millilitre" | "millilitres" => (1.0, Kind::Volume),
        "unit" | "units" | "[iu]" | "iu" | "[u]" | "u" => (1.0, Kind::Units),
        "tablet" | "tablets" | "tab" | "tabs" => (1.0, Kind::Count("tablet")),
        "capsule" | "capsules" | "cap" | "caps" => (1.0, Kind::Count("capsule")),
        "puff" | "puffs" => (1.0, Kind::Count("puff")),
        "drop" | "drops" => (1.0, Kind::Count("drop")),
        "sachet" | "sachets" => (1.0, Kind::Count("sachet")),
        "patch" | "patches" => (1.0, Kind::Count("patch")),
        _ => return None,
    })
}

/// The dosages of a medicine, with their path.
pub(crate) fn dosages(medicine: Node<'_>) -> impl Iterator<Item = (String, Node<'_>)> {
    ["dosage", "dosageInstruction"].into_iter().flat_map(move |name| {
        let dosages = medicine.get(name).into_iter().flat_map(Node::items);
        dosages.enumerate().map(move |(i, dosage)| (format!("{name}[{i}]"), dosage))
    })
}

/// The dose quantities of one dosage, with their path below it.
pub(crate) fn quantities(dosage: Node<'_>) -> impl Iterator<Item = (String, Node<'_>)> {
    dosage
        .get("doseAndRate")
        .into_iter()
        .flat_map(Node::items)
        .enumerate()
        .filter_map(|(i, dose)| Some((format!("doseAndRate[{i}].dose.ofType(Quantity)"), dose.get("doseQuantity")?)))
}

/// The types of medicines that somebody takes or is to take.
pub(crate) const MEDICINES: &[&str] = &["MedicationRequest", "MedicationStatement"];

/// Whether a medicine is taken now, or is to be.
pub(crate) fn is_current(medicine: Node<'_>) -> bool {
    matches!(medicine.text("status"), Some("active" | "intended" | "on-hold" | "draft"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(text: &str) -> Vec<(f64, Kind)> {
        of_text(text).into_iter().map(|a| (a.value, a.kind)).collect()
    }

    #[test]
    fn amounts_are_read_from_words_and_figures() {
        assert_eq!(amounts("Two tablets up to four times a day"), [(2.0, Kind::Count("tablet"))]);
        assert_eq!(amounts("500mg twice a day"), [(500.0, Kind::Mass)]);
        assert_eq!(amounts("0.5 g or 250 micrograms"), [(500.0, Kind::Mass), (0.25, Kind::Mass)]);
        assert_eq!(amounts("Take 10ml, then 20 units."), [(10.0, Kind::Volume), (20.0, Kind::Units)]);
        assert_eq!(amounts("half a tablet"), []);
        assert_eq!(amounts("as directed, 2 days on"), []);
    }

    #[test]
    fn tens_are_told_from_other_differences() {
        assert!(differ_by_tens(5.0, 50.0) && differ_by_tens(500.0, 0.5));
        assert!(!differ_by_tens(5.0, 5.0) && !differ_by_tens(5.0, 10.0) && !differ_by_tens(0.0, 10.0));
        assert!(agree(0.3, 0.1 + 0.2) && !agree(5.0, 5.1));
    }
}
