//! Extensions: by canonical URL, or by slice where a loaded profile names one.
//!
//! Where the extension's definition is loaded, the type of its value is known and a value can be given directly.
//! Where it is not, the file names the value element (`valueCode: …`), and that nothing was checked is said.

use epr_fhir::definitions::{Definitions, Element, Structure};
use epr_fhir::resource::Resource;

use super::elements::{Parent, Place, cardinality, object_kind};
use super::scope::MapCompiler;
use super::slices::{children_of_id, element_by_id};
use crate::apply::json;
use crate::diagnostics::Span;
use crate::plan::{EmitKind, EmitNode, Member};
use crate::syntax::ast::{Directives, Member as AstMember, Object, Value, ValueKind};

/// What is known of an extension.
struct Known<'d> {
    url: String,
    /// Its definition, and the path prefix of its elements there (`Extension`, or a nested slice's id).
    definition: Option<(&'d Structure, String)>,
    /// The slice of the profile that names it.
    slice: Option<&'d Element>,
}

impl<'c> MapCompiler<'c, '_, '_> {
    /// The items of `extension` that one key gives: one, or those of a written list.
    pub(crate) fn extension(&mut self, member: &AstMember, parent: &Parent<'c>) -> Vec<EmitNode> {
        let slice = member.key.slice.as_deref().unwrap_or_default();
        let span = member.key.span;
        let Some(known) = self.known(&member.key.name, slice, span, parent) else { return Vec::new() };
        let items = match &member.value.kind {
            ValueKind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(&member.value),
        };
        if let Some(element) = known.slice
            && !element.max.allows(items.len())
        {
            let message = format!("`{}` is {}, and here are {}", member.key.label(), cardinality(element), items.len());
            self.sink().error("MAP0206", span, message);
        }
        let mut nodes = Vec::new();
        for item in items {
            nodes.extend(self.extension_item(&known, item, span, &parent.path, &member.key.name));
        }
        nodes
    }

    fn known(&mut self, name: &str, slice: &str, span: Span, parent: &Parent<'c>) -> Option<Known<'c>> {
        let definitions: &'c Definitions = self.definitions();
        if slice.contains(':') {
            let definition = definitions
                .structure(slice)
                .filter(|s| s.type_name == "Extension" && !s.elements.is_empty())
                .map(|s| (s, "Extension".to_owned()));
            if definition.is_none() && self.said.insert(format!("extension {slice}")) {
                self.sink()
                    .information(
                        "MAP0211",
                        span,
                        "the definition of this extension is not loaded: what it may hold is not checked",
                    )
                    .label("not checked");
            }
            return Some(Known { url: slice.to_owned(), definition, slice: None });
        }
        let structure: &'c Structure = parent.structure;
        let of_id: Vec<&'c Element> = children_of_id(structure, &parent.id).filter(|e| e.name == name).collect();
        let named: Vec<&'c Element> = if of_id.is_empty() {
            structure.children(&parent.at).filter(|e| e.name == name && e.slice_name.is_some()).collect()
        } else {
            of_id.into_iter().filter(|e| e.slice_name.is_some()).collect()
        };
        if let Some(element) = named.iter().find(|e| e.slice_name.as_deref() == Some(slice)) {
            let url = element.types.first().and_then(|t| t.profiles.first()).cloned();
            if let Some(url) = url {
                let url = url.split('|').next().unwrap_or(&url);
                self.from_profile.insert(element.id.clone(), url.to_owned());
                let known = self.known(name, url, span, parent)?;
                return Some(Known { slice: Some(element), ..known });
            }
        }
        let names = named.iter().filter_map(|e| e.slice_name.as_deref());
        let help = crate::diagnostics::did_you_mean(slice, names, || {
            "write the extension's canonical URL: `extension[https://…]`".to_owned()
        });
        let message = format!("`extension[{slice}]` names a slice, and {} defines none of that name", parent.shown);
        self.sink().error("MAP0210", span, message).help(help);
        None
    }

    fn extension_item(
        &mut self,
        known: &Known<'c>,
        value: &Value,
        span: Span,
        path: &str,
        name: &str,
    ) -> Option<EmitNode> {
        let at = self.at(span);
        let path = format!("{path}.{name}");
        let ValueKind::Object(object) = &value.kind else {
            let members = self.direct_value(known, value, span, &path)?;
            return Some(Self::finish(known, members, &path, at));
        };
        let each = match &object.directives.each {
            Some((alias, list)) => Some(self.each(alias, list, true, &path)?),
            None => None,
        };
        let when = object.directives.when.as_ref().map(|when| self.condition(when));
        let members = self.extension_object(known, object, value, span, &path);
        if let Some((alias, _)) = &object.directives.each {
            self.names.remove(&alias.text);
        }
        let mut node = Self::finish(known, members?, &path, at);
        if let Some(when) = when {
            node.when = Some(when?);
        }
        node.each = each;
        Some(node)
    }

    /// `{url, …}`: bytes where nothing in it is an expression.
    fn finish(known: &Known<'_>, members: Vec<Member>, path: &str, at: crate::plan::At) -> EmitNode {
        let mut url = Vec::new();
        json::push_text(&mut url, &known.url);
        let url = EmitNode::new(EmitKind::Literal(url.into()), &format!("{path}.url"), at);
        let mut all = vec![Member::new("url", url)];
        all.extend(members);
        EmitNode::new(object_kind(all), path, at)
    }

    fn extension_object(
        &mut self,
        known: &Known<'c>,
        object: &Object,
        value: &Value,
        span: Span,
        path: &str,
    ) -> Option<Vec<Member>> {
        let d = &object.directives;
        if d.from.is_some() {
            return self.direct_value(known, value, span, path);
        }
        let names_value = |m: &&AstMember| m.key.name.starts_with("value") && m.key.name.len() > 5;
        let (values, nested): (Vec<&AstMember>, Vec<&AstMember>) = object.members.iter().partition(names_value);
        if let ([_], []) = (values.as_slice(), nested.as_slice()) {
            return self.named_value(known, values[0], path);
        }
        if !values.is_empty() {
            self.sink().error(
                "MAP0217",
                values.get(1).copied().unwrap_or(values[0]).key.span,
                "an extension has one value, or extensions, not both",
            );
            return None;
        }
        if nested.is_empty() {
            self.sink().error("MAP0217", span, "the extension has no value").help("name it: `{ valueCode: … }`");
            return None;
        }
        let is_complex_value =
            nested.iter().all(|m| m.key.slice.is_none()) && Self::value_types(known).is_some_and(|t| t.len() == 1);
        if is_complex_value {
            return self.direct_value(known, value, span, path);
        }
        let mut items = Vec::new();
        let mut given: Vec<String> = Vec::new();
        for member in nested {
            let sub = match (&member.key.slice, member.key.name.as_str()) {
                (Some(slice), "extension") => slice.clone(),
                (None, name) if known.definition.is_some() => name.to_owned(),
                (_, name) => {
                    self.sink()
                        .error(
                            "MAP0211",
                            member.key.span,
                            format!("the extension's definition is not loaded, so `{name}` is not known"),
                        )
                        .help(format!("write `extension[{name}]: {{ valueCode: … }}`"));
                    continue;
                }
            };
            given.push(sub.clone());
            let Some(inner) = self.nested(known, &sub, member.key.span) else { continue };
            let values = match &member.value.kind {
                ValueKind::List(values) => values.as_slice(),
                _ => std::slice::from_ref(&member.value),
            };
            if let Some(element) = inner.slice
                && !element.max.allows(values.len())
            {
                let message = format!("`{sub}` is {}, and here are {}", cardinality(element), values.len());
                self.sink().error("MAP0206", member.key.span, message);
            }
            for value in values {
                items.extend(self.extension_item(&inner, value, member.key.span, path, "extension"));
            }
        }
        self.required_nested(known, &given, span);
        let at = self.at(span);
        Some(vec![Member::new("extension", EmitNode::new(EmitKind::Array(items), &format!("{path}.extension"), at))])
    }

    /// The extensions that must be inside.
    fn required_nested(&mut self, known: &Known<'c>, given: &[String], span: Span) {
        let Some((structure, prefix)) = &known.definition else { return };
        let wanted = children_of_id(structure, prefix).filter(|e| e.name == "extension" && e.min > 0);
        let missing: Vec<&str> =
            wanted.filter_map(|e| e.slice_name.as_deref()).filter(|name| !given.iter().any(|g| g == name)).collect();
        for name in missing {
            let message = format!("no rule fills `{name}`, which must be in the extension {}", known.url);
            self.sink().error("MAP0207", span, message).help(format!("add `{name}: …`"));
        }
    }

    /// An extension inside an extension: its slice in the definition, where that is loaded.
    fn nested(&mut self, known: &Known<'c>, sub: &str, span: Span) -> Option<Known<'c>> {
        let Some((structure, prefix)) = &known.definition else {
            return Some(Known { url: sub.to_owned(), definition: None, slice: None });
        };
        let id = format!("{prefix}.extension:{sub}");
        if let Some(element) = element_by_id(structure, &id) {
            // The definition may write another `url` than the slice's name.
            let url = element_by_id(structure, &format!("{id}.url")).and_then(|e| e.fixed.as_ref());
            let url = url.and_then(|f| Resource::parse_json(&f.json).ok()?.root().as_str().map(str::to_owned));
            let url = url.unwrap_or_else(|| sub.to_owned());
            return Some(Known { url, definition: Some((structure, id)), slice: Some(element) });
        }
        let slices: Vec<&str> = structure
            .elements
            .iter()
            .filter(|e| e.id.starts_with(&format!("{prefix}.extension:")))
            .filter_map(|e| e.slice_name.as_deref())
            .collect();
        let help = crate::diagnostics::nearest(sub, slices.iter().copied())
            .map(|n| format!("did you mean `{n}`?"))
            .or_else(|| (!slices.is_empty()).then(|| format!("it has: {}", slices.join(", "))));
        self.sink().error("MAP0203", span, format!("`{sub}` is not an extension of {}", known.url)).help_if(help);
        None
    }

    /// The types that the extension's value may have; `None` where nothing is known.
    fn value_types(known: &Known<'c>) -> Option<Vec<&'c str>> {
        let (structure, prefix) = known.definition.as_ref()?;
        let id = format!("{prefix}.value[x]");
        let element = structure.elements.iter().find(|e| e.id == id)?;
        if element.max == epr_fhir::definitions::Max::Count(0) {
            return Some(Vec::new());
        }
        Some(element.types.iter().map(|t| t.code.as_str()).collect())
    }

    /// A value without its element's name: the definition must say its one type.
    fn direct_value(&mut self, known: &Known<'c>, value: &Value, span: Span, path: &str) -> Option<Vec<Member>> {
        if matches!(value.kind, ValueKind::Poison) {
            return None;
        }
        match Self::value_types(known).as_deref() {
            Some([only]) => {
                let mut chars = only.chars();
                let first = chars.next().map(|c| c.to_ascii_uppercase()).unwrap_or_default();
                let name = format!("value{first}{}", chars.as_str());
                let mut inner = value.clone();
                if let ValueKind::Object(object) = &mut inner.kind {
                    object.directives = Directives { each: None, when: None, ..object.directives.clone() };
                }
                let node = self.value_element(known, &name, &inner, span, path)?;
                Some(vec![Member::new(&name, node)])
            }
            Some([]) => {
                self.sink().error("MAP0217", span, "this extension has extensions inside it, and no value");
                None
            }
            Some(several) => {
                let message = format!("the extension's value has several types: {}", several.join(", "));
                self.sink().error("MAP0208", span, message).help("name the element: `{ valueCode: … }`");
                None
            }
            None => {
                self.sink()
                    .error(
                        "MAP0211",
                        span,
                        "the extension's definition is not loaded, so the type of its value is not known",
                    )
                    .help("name the element: `{ valueCode: … }`, `{ valueString: … }`");
                None
            }
        }
    }

    /// `valueCode: …`.
    fn named_value(&mut self, known: &Known<'c>, member: &AstMember, path: &str) -> Option<Vec<Member>> {
        if let Some(types) = Self::value_types(known) {
            let suffix = &member.key.name[5..];
            if !types.iter().any(|t| t.eq_ignore_ascii_case(suffix)) {
                let message = format!("the extension's value is not `{}`", member.key.name);
                let help = if types.is_empty() {
                    "it has extensions inside it, and no value".to_owned()
                } else {
                    format!("it is {}", types.join(" or "))
                };
                self.sink().error("MAP0208", member.key.span, message).help(help);
                return None;
            }
        }
        let node = self.value_element(known, &member.key.name, &member.value, member.key.span, path)?;
        Some(vec![Member::new(&member.key.name, node)])
    }

    fn value_element(
        &mut self,
        known: &Known<'c>,
        name: &str,
        value: &Value,
        span: Span,
        path: &str,
    ) -> Option<EmitNode> {
        let definitions: &'c Definitions = self.definitions();
        let base = definitions.structure("Extension")?;
        let Some(child) = definitions.child(base, "Extension", "Extension", name) else {
            self.sink()
                .error("MAP0208", span, format!("`{name}` is not a value of an extension"))
                .help("such as valueCode, valueString, valueCodeableConcept, valueDateTime");
            return None;
        };
        // The extension's own definition binds the codes; base R4 binds none.
        let own = known
            .definition
            .as_ref()
            .and_then(|(s, prefix)| element_by_id(s, &format!("{prefix}.value[x]")).map(|element| (element, *s)));
        let (element, structure) = own.unwrap_or((child.element, child.structure));
        let place = Place { element, structure, type_code: child.type_code, path: format!("{path}.{name}") };
        if matches!(value.kind, ValueKind::List(_)) {
            self.sink().error("MAP0206", span, format!("`{name}` takes one value, not a list"));
            return None;
        }
        self.item(value, &place, false)
    }
}
