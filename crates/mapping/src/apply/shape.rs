//! A value in the shape of its element: the one place where values become JSON.

use epr_model::ResourceId;

use super::json::{push_escaped, push_text};
use super::value::{CodingValue, QuantityValue, UnitValue, Value};
use crate::functions::Fault;
use crate::functions::moment::Moment;
use crate::plan::{FhirPrimitive, Shape};

/// Appends a value that is neither null nor a list; on a fault, what was appended is to be cut off.
///
/// `type_of_ref` is the resource type of a reference's target.
pub(crate) fn write(value: &Value<'_>, shape: Shape, type_of_ref: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    match (shape, value) {
        (Shape::Primitive(FhirPrimitive::String), Value::Ref(_, id)) => {
            out.push(b'"');
            push_target(type_of_ref, *id, out);
            out.push(b'"');
            Ok(())
        }
        (Shape::Primitive(primitive), value) => write_primitive(value, primitive, out),
        (Shape::Coding, Value::Coding(coding)) => write_coding(coding, out),
        (Shape::CodeableConcept, Value::Coding(coding)) => write_concept(std::slice::from_ref(coding), None, out),
        (Shape::CodeableConcept, Value::Concept(concept)) => {
            write_concept(&concept.codings, concept.text.as_deref(), out)
        }
        (Shape::CodeableConcept, Value::Text(text)) => write_concept(&[], Some(text), out),
        (Shape::Quantity, Value::Quantity(quantity)) => write_quantity(quantity, out),
        (Shape::Reference, Value::Ref(_, id)) => {
            out.extend_from_slice(b"{\"reference\":\"");
            push_target(type_of_ref, *id, out);
            out.extend_from_slice(b"\"}");
            Ok(())
        }
        _ => Err(Fault::ElementFormat),
    }
}

/// `Patient/<id>`.
fn push_target(type_of_ref: &str, id: ResourceId, out: &mut Vec<u8>) {
    out.extend_from_slice(type_of_ref.as_bytes());
    out.push(b'/');
    out.extend_from_slice(id.encode(&mut [0; 36]).as_bytes());
}

fn write_primitive(value: &Value<'_>, primitive: FhirPrimitive, out: &mut Vec<u8>) -> Result<(), Fault> {
    use FhirPrimitive as P;
    match (primitive, value) {
        (P::Boolean, Value::Bool(b)) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        (P::Integer | P::UnsignedInt | P::PositiveInt | P::Decimal, Value::Int(i)) => {
            let least = match primitive {
                P::UnsignedInt => 0,
                P::PositiveInt => 1,
                P::Decimal => i64::MIN,
                _ => i64::from(i32::MIN),
            };
            let most = if primitive == P::Decimal { i64::MAX } else { i64::from(i32::MAX) };
            if !(least..=most).contains(i) {
                return Err(Fault::ElementFormat);
            }
            out.extend_from_slice(i.to_string().as_bytes());
        }
        (P::Base64Binary, Value::Bytes(bytes)) => quoted(out, |out| super::json::push_base64(out, bytes)),
        (P::Decimal, Value::Decimal(digits)) => {
            // A staged decimal may lack what JSON asks for; what `decimal()` read passes untouched.
            out.extend_from_slice(crate::functions::number::decimal(digits)?.as_bytes());
        }
        (P::Decimal, Value::Double(d)) if d.is_finite() => out.extend_from_slice(d.to_string().as_bytes()),
        (P::Date, Value::Date(date) | Value::Moment(Moment::Date(date))) => {
            quoted(out, |out| date.write(out));
        }
        (P::DateTime, Value::Date(date)) => quoted(out, |out| date.write(out)),
        (P::DateTime, Value::Moment(moment)) => quoted(out, |out| moment.write(out)),
        (P::Instant, Value::Moment(moment)) => {
            if !moment.has_seconds() {
                return Err(Fault::NoSeconds);
            }
            quoted(out, |out| moment.write(out));
        }
        (P::Date | P::DateTime | P::Instant, Value::Text(text)) => {
            let moment = Moment::parse_fhir(text).ok_or(Fault::ElementFormat)?;
            return match (primitive, moment) {
                (P::Date, Moment::Time(..)) | (P::Instant, Moment::Date(_)) => Err(Fault::ElementFormat),
                _ => {
                    quoted(out, |out| moment.write(out));
                    Ok(())
                }
            };
        }
        (P::Code, Value::Coding(CodingValue::Known(coding))) => out.extend_from_slice(&coding.code_json),
        (P::Boolean | P::Integer | P::UnsignedInt | P::PositiveInt | P::Decimal, _) => {
            return Err(Fault::ElementFormat);
        }
        (P::Date | P::DateTime | P::Instant, _) => return Err(Fault::ElementFormat),
        (_, value) => {
            let text = value.to_text().ok_or(Fault::ElementFormat)?;
            check_text(&text, primitive)?;
            push_text(out, &text);
        }
    }
    Ok(())
}

/// Whether a text has the format of a primitive. Source: FHIR R4, datatypes, primitive types.
fn check_text(text: &str, primitive: FhirPrimitive) -> Result<(), Fault> {
    use FhirPrimitive as P;
    let bytes = text.as_bytes();
    if bytes.iter().any(|b| *b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) {
        return Err(Fault::ControlCharacter);
    }
    let fits = match primitive {
        P::Code => {
            // One white space between words, none at the ends.
            !text.starts_with(char::is_whitespace)
                && !text.ends_with(char::is_whitespace)
                && !bytes.windows(2).any(|w| w[0].is_ascii_whitespace() && w[1].is_ascii_whitespace())
        }
        P::Id => bytes.len() <= 64 && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')),
        P::Uri | P::Url | P::Canonical => !text.contains(char::is_whitespace),
        P::Oid => text.strip_prefix("urn:oid:").is_some_and(is_oid),
        P::Uuid => text
            .strip_prefix("urn:uuid:")
            .is_some_and(|id| id.len() == 36 && id.parse::<epr_model::ResourceId>().is_ok()),
        P::Base64Binary => is_base64(bytes),
        P::Time => is_time(bytes),
        _ => true,
    };
    if fits && !text.is_empty() { Ok(()) } else { Err(Fault::ElementFormat) }
}

fn is_oid(text: &str) -> bool {
    let mut arcs = text.split('.');
    let is_arc =
        |arc: &str| !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'));
    matches!(arcs.next(), Some("0" | "1" | "2")) && text.contains('.') && arcs.all(is_arc)
}

fn is_base64(bytes: &[u8]) -> bool {
    let body = bytes.iter().rposition(|b| *b != b'=').map_or(&[][..], |last| &bytes[..=last]);
    bytes.len().is_multiple_of(4)
        && bytes.len() - body.len() <= 2
        && body.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

fn is_time(bytes: &[u8]) -> bool {
    let number = |at: usize, below: u8| {
        let digits = bytes.get(at..at + 2).filter(|d| d.iter().all(u8::is_ascii_digit));
        digits.is_some_and(|d| (d[0] - b'0') * 10 + (d[1] - b'0') < below)
    };
    let fraction = bytes.get(8..).unwrap_or_default();
    number(0, 24)
        && bytes.get(2) == Some(&b':')
        && number(3, 60)
        && bytes.get(5) == Some(&b':')
        && number(6, 61)
        && (fraction.is_empty()
            || fraction.len() > 1 && fraction[0] == b'.' && fraction[1..].iter().all(u8::is_ascii_digit))
}

fn write_coding(coding: &CodingValue<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match coding {
        CodingValue::Known(coding) => out.extend_from_slice(&coding.json),
        CodingValue::Made { system, code, display } => {
            check_text(code, FhirPrimitive::Code)?;
            out.extend_from_slice(b"{\"system\":");
            push_text(out, system);
            out.extend_from_slice(b",\"code\":");
            push_text(out, code);
            if let Some(display) = display {
                check_text(display, FhirPrimitive::String)?;
                out.extend_from_slice(b",\"display\":");
                push_text(out, display);
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// A concept of codings and a text.
pub(crate) fn write_concept(codings: &[CodingValue<'_>], text: Option<&str>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let start = out.len();
    if !codings.is_empty() {
        out.extend_from_slice(b"{\"coding\":[");
        for (i, coding) in codings.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_coding(coding, out)?;
        }
        out.push(b']');
    }
    if let Some(text) = text {
        check_text(text, FhirPrimitive::String)?;
        out.extend_from_slice(if out.len() == start { b"{\"text\":" } else { b",\"text\":" });
        push_text(out, text);
    }
    if out.len() == start {
        return Err(Fault::ElementFormat);
    }
    out.push(b'}');
    Ok(())
}

fn write_quantity(quantity: &QuantityValue<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    out.extend_from_slice(b"{\"value\":");
    out.extend_from_slice(crate::functions::number::decimal(&quantity.value)?.as_bytes());
    match &quantity.unit {
        None => {}
        Some(UnitValue::Text(unit)) => {
            check_text(unit, FhirPrimitive::String)?;
            out.extend_from_slice(b",\"unit\":");
            push_text(out, unit);
        }
        Some(UnitValue::Coded(coding)) => {
            check_text(coding.code(), FhirPrimitive::Code)?;
            out.extend_from_slice(b",\"unit\":");
            push_text(out, coding.display().unwrap_or_else(|| coding.code()));
            if let Some(system) = coding.system() {
                out.extend_from_slice(b",\"system\":");
                push_text(out, system);
            }
            out.extend_from_slice(b",\"code\":");
            push_text(out, coding.code());
        }
    }
    out.push(b'}');
    Ok(())
}

/// Writes the data-absent-reason extension as an item of `extension`.
pub(crate) fn push_absent_reason(out: &mut Vec<u8>, code: &str) {
    out.extend_from_slice(b"{\"url\":\"http://hl7.org/fhir/StructureDefinition/data-absent-reason\",\"valueCode\":\"");
    push_escaped(out, code);
    out.extend_from_slice(b"\"}");
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn text(value: &str, primitive: FhirPrimitive) -> Result<String, Fault> {
        let mut out = Vec::new();
        write(&Value::Text(Cow::Borrowed(value)), Shape::Primitive(primitive), "", &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn each_primitive_has_its_format() {
        use FhirPrimitive as P;
        for (primitive, good, wrong) in [
            (P::Code, "final", " final"),
            (P::Code, "in progress", "in  progress"),
            (P::Id, "a-1.b", "a_1"),
            (P::Uri, "urn:oid:1.2", "a b"),
            (P::Oid, "urn:oid:2.16.840", "2.16.840"),
            (P::Oid, "urn:oid:1.0.3", "urn:oid:1.03"),
            (P::Base64Binary, "QUJD", "QUJ"),
            (P::Time, "08:30:00", "8:30"),
            (P::Date, "1950-06", "06/1950"),
            (P::DateTime, "2020-01-01T00:00:00Z", "2020-01-01T00:00"),
            (P::Instant, "2020-01-01T00:00:00Z", "2020-01-01"),
            (P::String, "a\tb", "a\u{1}b"),
        ] {
            assert!(text(good, primitive).is_ok(), "{primitive:?} {good:?}");
            assert!(text(wrong, primitive).is_err(), "{primitive:?} {wrong:?}");
        }
        assert_eq!(text("1", P::Integer), Err(Fault::ElementFormat));
    }

    #[test]
    fn integers_have_the_range_of_their_type() {
        let int = |i, p| write(&Value::Int(i), Shape::Primitive(p), "", &mut Vec::new());
        assert!(int(0, FhirPrimitive::UnsignedInt).is_ok());
        assert!(int(0, FhirPrimitive::PositiveInt).is_err());
        assert!(int(i64::from(i32::MAX) + 1, FhirPrimitive::Integer).is_err());
        assert!(int(i64::MAX, FhirPrimitive::Decimal).is_ok());
    }
}
