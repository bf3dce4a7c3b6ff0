//! Calls of functions: values in, a value out; what could not be read is remembered for the element's policy.

use std::borrow::Cow;

use super::columns::split;
use super::eval::{Eval, MarkKind};
use super::value::{CodingValue, ConceptValue, QuantityValue, UnitValue, Value};
use crate::functions::format::Parsed;
use crate::functions::moment::{Moment, PartialDate};
use crate::functions::{Bound, Fault, Function, Note, legacy_time, name_case, number, postcode, text};
use crate::plan::Call;

/// What a temporal function has to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Date,
    DateTime,
    Instant,
}

impl<'a> Eval<'a> {
    pub(crate) fn call(&mut self, call: &'a Call) -> Value<'a> {
        if let Some(trace) = &mut self.trace {
            trace.function(call.function);
        }
        match call.function {
            Function::AsOf => self.program.as_of.map_or(Value::Null, Value::Moment),
            Function::Date => self.temporal(call, Wanted::Date, by_formats),
            Function::DateTime => self.temporal(call, Wanted::DateTime, by_formats),
            Function::Instant => self.temporal(call, Wanted::Instant, by_formats),
            Function::Hl7Date => self.temporal(call, Wanted::Date, |text, _| legacy_time::hl7(text)),
            Function::Hl7Ts => self.temporal(call, Wanted::DateTime, |text, _| legacy_time::hl7(text)),
            Function::HorologDate => self.temporal(call, Wanted::Date, |text, _| legacy_time::horolog(text)),
            Function::Horolog => self.temporal(call, Wanted::DateTime, |text, _| legacy_time::horolog(text)),
            Function::Integer | Function::Decimal | Function::Times => self.number(call),
            Function::Later => self.later(call),
            Function::Size => match self.argument(call, 0) {
                Value::Bytes(bytes) => i64::try_from(bytes.len()).map_or(Value::Null, Value::Int),
                _ => Value::Null,
            },
            Function::Quantity => self.quantity(call),
            Function::Concept => self.concept(call),
            Function::Coding | Function::Ucum => self.coding(call),
            Function::Join => self.join(call),
            Function::Concat => self.concat(call),
            Function::Least => self.extreme(call, std::cmp::Ordering::Less),
            Function::Greatest => self.extreme(call, std::cmp::Ordering::Greater),
            _ => self.of_text(call),
        }
    }

    /// The functions whose first argument is one text; null (and, where nothing can come of it, blank) gives null.
    fn of_text(&mut self, call: &'a Call) -> Value<'a> {
        let Some(value) = self.argument(call, 0).into_text() else { return Value::Null };
        let literal = |i: usize| -> &'a str { call.bound.texts.get(i).map_or("", |t| t) };
        let is_blank = value.trim().is_empty();
        match call.function {
            Function::Text => Value::Text(value),
            Function::Code => null_if(is_blank, || Value::Code(value)),
            Function::ConceptText => {
                null_if(is_blank, || Value::Concept(Box::new(ConceptValue { codings: Vec::new(), text: Some(value) })))
            }
            Function::Trim => Value::Text(slice(value, str::trim)),
            Function::Squeeze => Value::Text(match text::squeeze(&value) {
                Cow::Borrowed(_) => value,
                Cow::Owned(changed) => Cow::Owned(changed),
            }),
            Function::Upper => Value::Text(Cow::Owned(value.to_uppercase())),
            Function::Lower => Value::Text(Cow::Owned(value.to_lowercase())),
            Function::NameCase => Value::Text(Cow::Owned(name_case::name_case(&value))),
            Function::Digits => {
                let digits: String = value.chars().filter(char::is_ascii_digit).collect();
                null_if(digits.is_empty(), || Value::Text(Cow::Owned(digits)))
            }
            Function::Replace => {
                let changed =
                    if value.contains(literal(0)) { Some(value.replace(literal(0), literal(1))) } else { None };
                Value::Text(changed.map_or(value, Cow::Owned))
            }
            Function::Before => optional_slice(value, |t| t.split_once(literal(0)).map(|(before, _)| before)),
            Function::After => optional_slice(value, |t| t.split_once(literal(0)).map(|(_, after)| after)),
            Function::Substring => {
                let (Value::Int(start), length) = (self.argument(call, 1), self.argument(call, 2)) else {
                    return Value::Null;
                };
                let length = if let Value::Int(n) = length { Some(n) } else { None };
                optional_slice(value, |t| text::substring(t, start, length))
            }
            Function::Part => {
                let Value::Int(n) = self.argument(call, 1) else { return Value::Null };
                optional_slice(value, |t| text::part(t, literal(0), n))
            }
            Function::Split => {
                let parts = value.split(literal(0)).map(str::trim).filter(|part| !part.is_empty());
                Value::List(parts.map(|part| Value::Text(Cow::Owned(part.to_owned()))).collect())
            }
            Function::PadLeft => {
                let Value::Int(width) = self.argument(call, 1) else { return Value::Null };
                Value::Text(Cow::Owned(text::pad_left(&value, width, literal(0))))
            }
            Function::Length => Value::Int(value.chars().count().cast_signed() as i64),
            Function::Contains => Value::Bool(value.contains(literal(0))),
            Function::StartsWith => Value::Bool(value.starts_with(literal(0))),
            Function::EndsWith => Value::Bool(value.ends_with(literal(0))),
            Function::Matches => Value::Bool(text::matches(&value, literal(0))),
            Function::IsInteger => Value::Bool(number::integer(&value).is_ok()),
            Function::IsDecimal => Value::Bool(number::decimal(&value).is_ok()),
            Function::ValidNhsNumber => null_if(is_blank, || Value::Bool(epr_model::NhsNumber::parse(&value).is_ok())),
            _ if is_blank => Value::Null,
            Function::Time => self.time(call, &value),
            Function::Postcode => match postcode::postcode(&value) {
                Ok(code) => Value::Text(Cow::Owned(code)),
                Err(fault) => self.fault(call, fault, &value),
            },
            Function::NhsNumber => match epr_model::NhsNumber::parse(&value) {
                Ok(number) => Value::Text(Cow::Owned(number.digits())),
                Err(fault) => self.fault(call, Fault::NhsNumber(fault), &value),
            },
            _ => Value::Null,
        }
    }

    fn temporal(
        &mut self,
        call: &'a Call,
        wanted: Wanted,
        read: fn(&str, &Bound) -> Result<Parsed, Fault>,
    ) -> Value<'a> {
        let value = self.argument(call, 0);
        if value.is_blank() {
            return Value::Null;
        }
        if !call.bound.sentinels.is_empty() {
            let text = value.to_text().unwrap_or_default();
            if is_sentinel(call, &text) {
                let text = text.into_owned();
                return self.note_null(call, &text);
            }
        }
        let parsed = match &value {
            Value::Text(text) => match read(text, &call.bound) {
                Ok(parsed) => parsed,
                Err(fault) => return self.fault(call, fault, text),
            },
            Value::Local(local) => match split(*local) {
                Some((date, time)) => Parsed { date: Some(date), time: Some(time), ..Parsed::default() },
                None => return self.fault(call, Fault::NotACalendarDate, ""),
            },
            Value::Date(date) | Value::Moment(Moment::Date(date)) => Parsed { date: Some(*date), ..Parsed::default() },
            Value::Moment(Moment::Time(date, time, offset)) => {
                Parsed { date: Some(*date), time: Some(*time), offset: Some(*offset), pivot_used: false }
            }
            _ => return Value::Null,
        };
        match finish(&parsed, &call.bound, wanted) {
            Err(fault) => {
                let text = value.to_text().unwrap_or_default().into_owned();
                self.fault(call, fault, &text)
            }
            Ok((result, note)) => {
                let text = if note.is_some() || parsed.pivot_used { value.to_text() } else { None };
                let text = text.unwrap_or_default().into_owned();
                if let Some(note) = note {
                    self.note(call, note, &text);
                }
                if parsed.pivot_used {
                    let hazard = call.bound.pivot.as_ref().map(|p| p.hazard.clone());
                    let whole = &call.args[0];
                    self.mark(MarkKind::Note(Note::PivotUsed), whole, &text, hazard);
                }
                result
            }
        }
    }

    fn time(&mut self, call: &'a Call, value: &str) -> Value<'a> {
        if is_sentinel(call, value) {
            return self.note_null(call, value);
        }
        match by_formats(value, &call.bound).and_then(|parsed| parsed.time.ok_or(Fault::DateFormat)) {
            Ok(time) => {
                let mut out = Vec::with_capacity(8);
                time.write(&mut out);
                Value::Text(Cow::Owned(String::from_utf8(out).expect("a time is ASCII")))
            }
            Err(fault) => self.fault(call, fault, value),
        }
    }

    fn number(&mut self, call: &'a Call) -> Value<'a> {
        let value = self.argument(call, 0);
        if value.is_blank() {
            return Value::Null;
        }
        let Some(text) = value.into_text() else { return Value::Null };
        if is_sentinel(call, &text) {
            return self.note_null(call, &text);
        }
        let read = match call.function {
            Function::Integer => number::integer(&text).map(Value::Int),
            Function::Times => number::decimal(&text).and_then(|digits| {
                let factor = call.bound.texts.first().map_or("1", |t| t);
                let product = number::times(&digits, factor).ok_or(Fault::NotADecimal)?;
                Ok(Value::Decimal(Cow::Owned(product)))
            }),
            _ => digits(&text).map(Value::Decimal),
        };
        match read {
            Ok(value) => value,
            Err(fault) => self.fault(call, fault, &text),
        }
    }

    fn later(&mut self, call: &'a Call) -> Value<'a> {
        let (start, minutes) = (self.argument(call, 0), self.argument(call, 1));
        let (start, Value::Int(minutes)) = (start, minutes) else { return Value::Null };
        let zone = call.bound.zone.as_ref().map(|z| &z.tz);
        let later = match start {
            Value::Moment(moment) => moment.later(minutes, zone),
            Value::Null => return Value::Null,
            _ => None,
        };
        later.map_or_else(|| self.fault(call, Fault::NoSeconds, ""), Value::Moment)
    }

    fn quantity(&mut self, call: &'a Call) -> Value<'a> {
        let value = self.argument(call, 0);
        if value.is_blank() {
            return Value::Null;
        }
        let Some(text) = value.into_text() else { return Value::Null };
        let value = match digits(&text) {
            Ok(digits) => digits,
            Err(fault) => return self.fault(call, fault, &text),
        };
        let unit = match self.argument(call, 1) {
            Value::Coding(coding) => Some(UnitValue::Coded(coding)),
            unit if unit.is_blank() => None,
            unit => unit.into_text().map(UnitValue::Text),
        };
        Value::Quantity(Box::new(QuantityValue { value, unit }))
    }

    fn coding(&mut self, call: &'a Call) -> Value<'a> {
        let code = self.argument(call, 0);
        if code.is_blank() {
            return Value::Null;
        }
        let Some(code) = code.into_text() else { return Value::Null };
        let display = self.argument(call, 1);
        let display = if display.is_blank() { None } else { display.into_text().map(|t| Box::from(&*t)) };
        let system = match call.function {
            Function::Ucum => "http://unitsofmeasure.org",
            _ => call.bound.texts.first().map_or("", |t| t),
        };
        Value::Coding(CodingValue::Made { system, code, display })
    }

    fn concept(&mut self, call: &'a Call) -> Value<'a> {
        let codings = match self.argument(call, 0) {
            Value::Coding(coding) => vec![coding],
            Value::List(items) => items
                .into_iter()
                .filter_map(|item| if let Value::Coding(coding) = item { Some(coding) } else { None })
                .collect(),
            _ => Vec::new(),
        };
        let text = self.argument(call, 1);
        let text = if text.is_blank() { None } else { text.into_text() };
        null_if(codings.is_empty() && text.is_none(), || Value::Concept(Box::new(ConceptValue { codings, text })))
    }

    fn join(&mut self, call: &'a Call) -> Value<'a> {
        let Value::List(items) = self.argument(call, 0) else { return Value::Null };
        let separator = call.bound.texts.first().map_or("", |t| t);
        let texts: Vec<_> = items.iter().filter(|item| !item.is_blank()).filter_map(Value::to_text).collect();
        null_if(texts.is_empty(), || Value::Text(Cow::Owned(texts.join(separator))))
    }

    fn concat(&mut self, call: &'a Call) -> Value<'a> {
        let mut out = String::new();
        for arg in &call.args {
            match self.eval(arg).to_text() {
                Some(text) => out.push_str(&text),
                None => return Value::Null,
            }
        }
        Value::Text(Cow::Owned(out))
    }

    fn extreme(&mut self, call: &'a Call, wanted: std::cmp::Ordering) -> Value<'a> {
        let mut best = Value::Null;
        for arg in &call.args {
            let value = self.eval(arg);
            if value.is_null() {
                continue;
            }
            if best.is_null() || value.compare(&best) == Some(wanted) {
                best = value;
            }
        }
        best
    }

    fn argument(&mut self, call: &'a Call, i: usize) -> Value<'a> {
        call.args.get(i).map_or(Value::Null, |arg| self.eval(arg))
    }

    fn fault(&mut self, call: &'a Call, fault: Fault, text: &str) -> Value<'a> {
        self.mark(MarkKind::Fault(fault), &call.args[0], text, None);
        Value::Null
    }

    fn note(&mut self, call: &'a Call, note: Note, text: &str) {
        self.mark(MarkKind::Note(note), &call.args[0], text, None);
    }

    fn note_null(&mut self, call: &'a Call, text: &str) -> Value<'a> {
        self.note(call, Note::Sentinel, text);
        Value::Null
    }
}

fn is_sentinel(call: &Call, text: &str) -> bool {
    call.bound.sentinels.iter().any(|s| **s == *text || **s == *text.trim())
}

fn by_formats(text: &str, bound: &Bound) -> Result<Parsed, Fault> {
    let pivot = bound.pivot.as_ref().map(|p| p.year);
    let mut fault = Fault::DateFormat;
    for format in &bound.formats {
        match format.read(text, pivot) {
            Ok(parsed) => return Ok(parsed),
            // A text that fits a format and is no date says more than one that fits none.
            Err(Fault::NotACalendarDate) => fault = Fault::NotACalendarDate,
            Err(_) => {}
        }
    }
    Err(fault)
}

fn finish<'v>(parsed: &Parsed, bound: &Bound, wanted: Wanted) -> Result<(Value<'v>, Option<Note>), Fault> {
    let date: PartialDate = parsed.date.ok_or(Fault::DateFormat)?;
    let Some(time) = parsed.time.filter(|_| wanted != Wanted::Date) else {
        return match wanted {
            Wanted::Date => Ok((Value::Date(date), None)),
            Wanted::DateTime => Ok((Value::Moment(Moment::Date(date)), None)),
            Wanted::Instant => Err(Fault::NoSeconds),
        };
    };
    if wanted == Wanted::Instant && time.second.is_none() {
        return Err(Fault::NoSeconds);
    }
    match (parsed.offset, &bound.zone) {
        (Some(offset), _) => Ok((Value::Moment(Moment::Time(date, time, offset)), None)),
        (None, Some(zone)) => zone.resolve(date, time).map(|(moment, note)| (Value::Moment(moment), note)),
        (None, None) => Err(Fault::NoZone),
    }
}

fn digits<'v>(text: &Cow<'v, str>) -> Result<Cow<'v, str>, Fault> {
    match text {
        Cow::Borrowed(text) => number::decimal(text),
        Cow::Owned(text) => number::decimal(text).map(|d| Cow::Owned(d.into_owned())),
    }
}

fn null_if<'v>(is_null: bool, value: impl FnOnce() -> Value<'v>) -> Value<'v> {
    if is_null { Value::Null } else { value() }
}

fn slice<'v>(text: Cow<'v, str>, cut: impl for<'t> Fn(&'t str) -> &'t str) -> Cow<'v, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(cut(text)),
        Cow::Owned(text) => Cow::Owned(cut(&text).to_owned()),
    }
}

fn optional_slice<'v>(text: Cow<'v, str>, cut: impl for<'t> Fn(&'t str) -> Option<&'t str>) -> Value<'v> {
    let part = match text {
        Cow::Borrowed(text) => cut(text).map(Cow::Borrowed),
        Cow::Owned(text) => cut(&text).map(|part| Cow::Owned(part.to_owned())),
    };
    part.filter(|p| !p.is_empty()).map_or(Value::Null, Value::Text)
}
