//! `report.html`: one file, drawn from the figures; no outside request, no text that is not escaped.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use tera::{Context, Tera, Value};

use crate::ReportError;
use crate::figures::Report;
use crate::numbers::{grouped, percent};
use crate::{Hint, flow};

const PAGE: &str = include_str!("../templates/report.html");
const PARTS: [(&str, &str); 6] = [
    ("verdict.html", include_str!("../templates/verdict.html")),
    ("hazards.html", include_str!("../templates/hazards.html")),
    ("controls.html", include_str!("../templates/controls.html")),
    ("findings.html", include_str!("../templates/findings.html")),
    ("ledgers.html", include_str!("../templates/ledgers.html")),
    ("rest.html", include_str!("../templates/rest.html")),
];
const STYLE: &str = include_str!("../templates/style.css");
const SCRIPT: &str = include_str!("../templates/script.js");

/// Draws the page.
pub(crate) fn render(report: &Report, hints: &[Hint]) -> Result<String, ReportError> {
    let mut tera = Tera::default();
    tera.add_raw_templates(PARTS.into_iter().chain([
        ("style.css", STYLE),
        ("script.js", SCRIPT),
        ("report.html", PAGE),
    ]))
    .map_err(ReportError::Template)?;
    tera.register_filter("n", number);
    tera.register_filter("pct", share);
    tera.register_filter("short", short);
    tera.register_filter("capital", capital);
    tera.register_filter("bar", bar);
    tera.register_filter("rate", rate);
    tera.register_filter("dot", dot);
    let mut context = Context::from_serialize(report).map_err(ReportError::Template)?;
    context.insert("flow", &flow::lay_out(&report.reconciliation.patients));
    context.insert("hints", hints);
    context.insert("scale", &refused_scale(report));
    context.insert("style_hash", &base64_sha256(STYLE));
    context.insert("script_hash", &base64_sha256(SCRIPT));
    tera.render("report.html", &context).map_err(ReportError::Template)
}

fn number(value: &Value, _: &HashMap<String, Value>) -> tera::Result<Value> {
    let n = value.as_u64().ok_or_else(|| tera::Error::msg("only whole numbers are shown"))?;
    Ok(Value::from(grouped(n)))
}

fn share(value: &Value, args: &HashMap<String, Value>) -> tera::Result<Value> {
    let (n, of) = part(value, args)?;
    Ok(Value::from(percent(n, of)))
}

/// The width of a bar, of 100; what is there at all is seen.
fn bar(value: &Value, args: &HashMap<String, Value>) -> tera::Result<Value> {
    let (n, of) = part(value, args)?;
    let width = if n == 0 || of == 0 { 0.0 } else { (100.0 * n as f64 / of as f64).max(1.0) };
    Ok(Value::from(format!("{width:.2}")))
}

/// Per 10,000, with one decimal place.
fn rate(value: &Value, args: &HashMap<String, Value>) -> tera::Result<Value> {
    let (n, of) = part(value, args)?;
    let tenths = if of == 0 { 0 } else { (u128::from(n) * 200_000 + u128::from(of)) / (u128::from(of) * 2) };
    Ok(Value::from(if n > 0 && tenths == 0 {
        "< 0.1".to_owned()
    } else {
        format!("{}.{}", grouped((tenths / 10) as u64), tenths % 10)
    }))
}

/// Where the dot of a rate sits on its line, from 4 to 64.
fn dot(value: &Value, args: &HashMap<String, Value>) -> tera::Result<Value> {
    let (n, of) = part(value, args)?;
    let scale = args.get("scale").and_then(Value::as_u64).unwrap_or(1).max(1);
    let per_10_000 = if of == 0 { 0.0 } else { n as f64 * 10_000.0 / of as f64 };
    Ok(Value::from(format!("{:.1}", 4.0 + 60.0 * per_10_000 / scale as f64)))
}

/// The right end of the scale of refused rows: the highest rate, in a round number.
fn refused_scale(report: &Report) -> u64 {
    let rates = report.reconciliation.maps.iter().filter(|l| l.of > 0).map(|l| (l.refused * 10_000).div_ceil(l.of));
    let highest = rates.max().unwrap_or(0);
    [1, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].into_iter().find(|s| *s >= highest).unwrap_or(10_000)
}

fn part(value: &Value, args: &HashMap<String, Value>) -> tera::Result<(u64, u64)> {
    let of = args.get("of").and_then(Value::as_u64);
    value.as_u64().zip(of).ok_or_else(|| tera::Error::msg("a share needs two whole numbers"))
}

/// The first and last digits of a hash: enough to compare by eye.
#[expect(clippy::unnecessary_wraps, reason = "the signature of a filter")]
fn short(value: &Value, _: &HashMap<String, Value>) -> tera::Result<Value> {
    let text = value.as_str().unwrap_or_default();
    match (text.get(..8), text.len().checked_sub(4).and_then(|i| text.get(i..))) {
        (Some(head), Some(tail)) if text.len() > 16 => Ok(Value::from(format!("{head}…{tail}"))),
        _ => Ok(Value::from(text)),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a filter")]
fn capital(value: &Value, _: &HashMap<String, Value>) -> tera::Result<Value> {
    let mut letters = value.as_str().unwrap_or_default().chars();
    let text: String = letters.next().map_or_else(String::new, |c| c.to_uppercase().chain(letters).collect());
    Ok(Value::from(text))
}

/// The hash by which a Content-Security-Policy allows one inline block.
fn base64_sha256(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let hash = Sha256::digest(text.as_bytes());
    let mut out = String::with_capacity(44);
    for chunk in hash.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0_u32, |bits, (i, b)| bits | u32::from(*b) << (16 - 8 * i));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize] as char;
            out.push(if i <= chunk.len() { digit } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_allowed_by_its_known_hash() {
        assert_eq!(base64_sha256(""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
