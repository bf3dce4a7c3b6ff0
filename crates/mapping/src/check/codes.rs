//! Codes: short names of systems, literal codings, code maps compiled, and the value sets that elements are bound to.

use std::collections::HashMap;
use std::sync::Arc;

use epr_fhir::definitions::{BindingStrength, Content, Element, Membership};

use super::elements::Place;
use super::scope::MapCompiler;
use super::slices::fixed_system;
use crate::code_map::CodeRow;
use crate::diagnostics::{Span, did_you_mean, nearest};
use crate::plan::{CodeMapPlan, CodeMapRow, CodingLiteral, FhirPrimitive, Shape};
use crate::syntax::ast::Name;

/// Short names that need no declaration, because every pack uses them and they mean one thing.
pub const KNOWN_SYSTEMS: [(&str, &str); 4] = [
    ("loinc", "http://loinc.org"),
    ("sct", "http://snomed.info/sct"),
    ("ucum", "http://unitsofmeasure.org"),
    ("dmd", "https://dmd.nhs.uk"),
];

/// One code that is to be proved against a binding.
struct Proof<'p> {
    system: Option<&'p str>,
    code: &'p str,
    span: Span,
    /// A row of a code map: its line.
    line: Option<u32>,
}

impl MapCompiler<'_, '_, '_> {
    /// The URL of a code system: by its short name (of the file, or known to all), or a URL as it stands.
    pub(crate) fn system_url(&mut self, written: &str, span: Span) -> Option<String> {
        if let Some(url) = self.known_system(written, span) {
            return Some(url);
        }
        let names: Vec<String> = self.systems.keys().cloned().chain(KNOWN_SYSTEMS.map(|(n, _)| n.to_owned())).collect();
        let help = did_you_mean(written, names.iter().map(String::as_str), || {
            format!("declare it: `systems: {{ {written}: \"http://…\" }}`")
        });
        self.sink().error("MAP0215", span, format!("no code system has the short name `{written}`")).help(help);
        None
    }

    /// The same, without a word where it is not known.
    pub(crate) fn known_system(&self, written: &str, span: Span) -> Option<String> {
        if written.contains(':') {
            return Some(written.to_owned());
        }
        let of_fragment = self.resolver.fragment_systems.get(&span.file).and_then(|s| s.get(written));
        let of_all = || KNOWN_SYSTEMS.iter().find(|(name, _)| *name == written).map(|(_, url)| (*url).to_owned());
        of_fragment.or_else(|| self.systems.get(written)).cloned().or_else(of_all)
    }

    /// `loinc#85354-9`: a coding with the display of its code system.
    pub(crate) fn coding(&mut self, system: &str, code: &str, span: Span) -> Option<Arc<CodingLiteral>> {
        let url = self.system_url(system, span)?;
        if code.is_empty() {
            self.sink().error("MAP0215", span, format!("`{system}#` has no code"));
            return None;
        }
        if !self.code_exists(&url, code) {
            self.sink().error("MAP0216", span, format!("`{code}` is not a code of {url}"));
            return None;
        }
        let display = self.definitions().display(&url, code);
        Some(Arc::new(CodingLiteral::new(Some(&url), code, display)))
    }

    /// Whether a code can be in its system; unknown counts as yes.
    fn code_exists(&self, url: &str, code: &str) -> bool {
        match self.definitions().code_system(url) {
            Some(system) if system.content == Content::Complete => system.concept(code).is_some(),
            _ => true,
        }
    }

    /// A code map for an element: every target is proved, then compiled.
    pub(crate) fn via(
        &mut self,
        named: &Name,
        shape: Shape,
        place: &Place<'_>,
        possible: Option<&[String]>,
    ) -> Option<Arc<CodeMapPlan>> {
        let fits = matches!(
            shape,
            Shape::CodeableConcept
                | Shape::Coding
                | Shape::Primitive(FhirPrimitive::Code | FhirPrimitive::Uri | FhirPrimitive::String)
        );
        if !fits {
            self.sink().error("MAP0205", named.span, "a code map gives a coding, which does not fit this element");
            return None;
        }
        let map = self.resolver.code_map(named)?.clone();
        self.code_maps.insert(map.file);
        self.resolver.send_through(map.file, possible);
        let mut rows = HashMap::new();
        for row in &map.rows {
            if let Some(coding) = self.row_target(row, shape, place, named.span) {
                let plan = CodeMapRow { line: row.line, coding, equivalence: row.equivalence };
                rows.insert(Box::from(row.source.text.as_str()), plan);
            }
        }
        let file = self.input.sources.path(map.file).to_owned();
        Some(Arc::new(CodeMapPlan { file, rows }))
    }

    fn row_target(
        &mut self,
        row: &CodeRow,
        shape: Shape,
        place: &Place<'_>,
        used_at: Span,
    ) -> Option<Arc<CodingLiteral>> {
        let written = row.target_system.text.as_str();
        let system = if written.is_empty() { None } else { Some(self.row_system(row, written, used_at)?) };
        if system.is_none() && !matches!(shape, Shape::Primitive(_)) {
            let message = format!("code map line {} has no target system, and the element is a coding", row.line);
            self.sink().error("MAP0302", row.target_system.span, message);
            return None;
        }
        let code = row.target.text.as_str();
        if let Shape::Primitive(primitive) = shape {
            self.literal_uri(code, row.target.span, primitive, place)?;
        }
        if let (Some(found), Some(wanted)) =
            (&system, fixed_system(place).filter(|_| !matches!(shape, Shape::Primitive(_))))
            && *found != wanted
        {
            let note = self.resolver.sink.note_at("used at", used_at);
            let message =
                format!("code map line {} gives a code of {found}, and the profile asks for {wanted}", row.line);
            self.sink().error("MAP0218", row.target_system.span, message).note(note);
            return None;
        }
        // Where the element's value set refuses the code, that is the message; that it is no code at all comes second.
        let proof = Proof { system: system.as_deref(), code, span: row.target.span, line: Some(row.line) };
        let n_errors = self.resolver.sink.n_errors();
        self.prove(&proof, place, used_at);
        if self.resolver.sink.n_errors() > n_errors {
            return None;
        }
        if let Some(url) = &system
            && !self.code_exists(url, code)
        {
            let note = self.resolver.sink.note_at("used at", used_at);
            let message = format!("code map line {} gives `{code}`, which is not a code of {url}", row.line);
            self.sink().error("MAP0310", row.target.span, message).note(note);
            return None;
        }
        let known = system.as_deref().and_then(|s| self.definitions().display(s, code));
        let display = row.display.as_ref().map(|d| d.text.as_str()).or(known);
        Some(Arc::new(CodingLiteral::new(system.as_deref(), code, display)))
    }

    /// A target system may be a short name of the map that uses the file.
    fn row_system(&mut self, row: &CodeRow, written: &str, used_at: Span) -> Option<String> {
        if written.contains(':') {
            return Some(written.to_owned());
        }
        if let Some(url) = self.systems.get(written) {
            return Some(url.clone());
        }
        if let Some((_, url)) = KNOWN_SYSTEMS.iter().find(|(name, _)| *name == written) {
            return Some((*url).to_owned());
        }
        let note = self.resolver.sink.note_at("used at", used_at);
        let message = format!("code map line {} names the code system `{written}`, which nothing declares", row.line);
        self.sink().error("MAP0215", row.target_system.span, message).note(note);
        None
    }

    /// Proves a literal code of a mapping file.
    pub(crate) fn prove_literal(&mut self, system: Option<&str>, code: &str, span: Span, place: &Place<'_>) {
        self.prove(&Proof { system, code, span, line: None }, place, span);
    }

    fn prove(&mut self, proof: &Proof<'_>, place: &Place<'_>, bound_at: Span) {
        let Some((value_set, strength)) = binding(place.element) else { return };
        let name = short_name(&value_set);
        let gives = match proof.line {
            Some(line) => format!("code map line {line} gives `{}`, which", proof.code),
            None => format!("`{}`", proof.code),
        };
        match self.definitions().member(&value_set, proof.system, proof.code) {
            Membership::In => {}
            Membership::NotIn => {
                let note = proof.line.map(|_| self.resolver.sink.note_at("bound at", bound_at));
                let near = self.near_code(&value_set, proof.code);
                let (code, word) = match (strength, proof.line) {
                    (BindingStrength::Required, Some(_)) => ("MAP0311", "required"),
                    (BindingStrength::Required, None) => ("MAP0214", "required"),
                    _ => ("MAP0312", "extensible"),
                };
                let message = format!("{gives} is not in the {word} value set {name}");
                let sink = self.sink();
                let found = if strength == BindingStrength::Required {
                    sink.error(code, proof.span, message)
                } else {
                    sink.warning(code, proof.span, message)
                };
                found.help_if(near.map(|n| format!("did you mean `{n}`?")));
                found.notes.extend(note);
            }
            Membership::Unknown(why) => {
                if self.said.insert(format!("{value_set}|{}", place.path)) {
                    let message = format!("whether codes are in the value set {name} cannot be checked here: {why}");
                    self.sink().information("MAP0309", proof.span, message);
                }
            }
        }
    }

    fn near_code(&self, value_set: &str, code: &str) -> Option<String> {
        let set = self.definitions().value_set(value_set)?;
        let listed = set.include.iter().flat_map(|i| i.codes.iter().map(String::as_str));
        let of_systems = set
            .include
            .iter()
            .filter(|i| i.codes.is_empty() && i.filters.is_empty())
            .filter_map(|i| self.definitions().code_system(i.system.as_deref()?))
            .flat_map(|s| s.concepts.iter().map(|c| c.code.as_str()));
        nearest(code, listed.chain(of_systems)).filter(|near| *near != code).map(str::to_owned)
    }

    /// Whether an element's codes are a closed list that is known here.
    pub(crate) fn is_closed_list(&self, element: &Element) -> bool {
        match binding(element) {
            Some((value_set, BindingStrength::Required)) => {
                matches!(self.definitions().member(&value_set, None, "\u{1}"), Membership::NotIn)
            }
            _ => false,
        }
    }
}

/// The value set that an element must or should take its codes from.
pub(crate) fn binding(element: &Element) -> Option<(String, BindingStrength)> {
    let binding = element.binding.as_ref()?;
    match binding.strength {
        BindingStrength::Required | BindingStrength::Extensible => Some((binding.value_set.clone()?, binding.strength)),
        _ => None,
    }
}

/// The last part of a value set's URL, without its version.
pub(crate) fn short_name(url: &str) -> String {
    let url = url.split('|').next().unwrap_or(url);
    url.rsplit('/').next().unwrap_or(url).to_owned()
}
