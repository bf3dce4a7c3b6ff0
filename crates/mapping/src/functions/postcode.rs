//! UK postcodes.

use super::Fault;

/// Writes a UK postcode in capitals with one space before its last three characters.
///
/// Shapes: `A9 9AA`, `A99 9AA`, `AA9 9AA`, `AA99 9AA`, `A9A 9AA`, `AA9A 9AA`, `GIR 0AA`, and the ZZ99 codes of the
/// NHS. Source: NHS Data Dictionary, POSTCODE; BS 7666.
pub fn postcode(text: &str) -> Result<String, Fault> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect();
    if !(5..=7).contains(&compact.len()) || !compact.is_ascii() {
        return Err(Fault::NotAPostcode);
    }
    let (outward, inward) = compact.split_at(compact.len() - 3);
    let shape = |part: &str| -> String {
        part.chars()
            .map(|c| {
                if c.is_ascii_digit() {
                    '9'
                } else if c.is_ascii_uppercase() {
                    'A'
                } else {
                    '?'
                }
            })
            .collect()
    };
    let outward_fits =
        matches!(shape(outward).as_str(), "A9" | "A99" | "AA9" | "AA99" | "A9A" | "AA9A") || outward == "GIR";
    if !outward_fits || shape(inward) != "9AA" {
        return Err(Fault::NotAPostcode);
    }
    Ok(format!("{outward} {inward}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postcodes_get_their_one_space() {
        for (raw, expected) in [
            ("PL68DH", Ok("PL6 8DH")),
            (" pl6  8dh ", Ok("PL6 8DH")),
            ("W1A 1AA", Ok("W1A 1AA")),
            ("EC1A1BB", Ok("EC1A 1BB")),
            ("ZZ99 3VZ", Ok("ZZ99 3VZ")),
            ("GIR0AA", Ok("GIR 0AA")),
            ("PL6 8D", Err(Fault::NotAPostcode)),
            ("02138", Err(Fault::NotAPostcode)),
            ("PL68DHX", Err(Fault::NotAPostcode)),
            ("", Err(Fault::NotAPostcode)),
            ("ＰＬ６８ＤＨ", Err(Fault::NotAPostcode)),
        ] {
            assert_eq!(postcode(raw).as_deref(), expected.as_ref().copied(), "{raw:?}");
        }
    }
}
