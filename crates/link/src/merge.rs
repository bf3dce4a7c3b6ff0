//! One Patient composed of several: nothing that can stand beside another value is lost.
//!
//! Every identifier, name, address, telecom, GP, contact and security label of every member is kept; exact
//! duplicates stand once. Where only one value can stand, the founding record's does, and what was not taken
//! over is told. Bytes are copied, never re-written, so digits and the order inside elements stay.

use epr_fhir::resource::{Node, NodeKind, Resource};
use epr_fhir::write::JsonWriter;

use crate::facts::{NHS_NUMBER, is_verified};

/// What stands in the composed record beside what its members say.
pub(crate) struct Frame<'a> {
    pub(crate) id: &'a str,
    /// Ids of retired records that the person's record names as replaced; empty unless the project asks for it.
    pub(crate) replaces: &'a [String],
    /// For each member, whether its source tells of deaths: where it tells of none, silence is not "alive".
    pub(crate) tells_deaths: &'a [bool],
}

/// A composed Patient and what could not be taken into it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Composed {
    pub(crate) bytes: Vec<u8>,
    /// Elements of members that were not taken over: the member's place, the element.
    pub(crate) omitted: Vec<(usize, String)>,
    /// The members whose gender is not that of the first that states one.
    pub(crate) other_genders: Vec<usize>,
    /// Where the person is dead in one record and alive in another: the members on the side that the person's record
    /// does not take.
    pub(crate) other_deaths: Vec<usize>,
}

/// How the values of several members become one.
#[derive(Clone, Copy)]
enum Rule {
    /// Lists: all distinct items, the founding record's first.
    Union,
    /// Lists of extensions that stand once: by URL, the first member that has it.
    ByUrl,
    /// One value: the first member that has it.
    First,
}

/// The code of administrative-gender for a source that does not say.
const UNKNOWN: &str = "unknown";

/// The members of R4 Patient in the order of its definition; what is not named here comes after, by `First`.
const ORDER: &[(&str, Rule)] = &[
    ("implicitRules", Rule::First),
    ("language", Rule::First),
    ("text", Rule::First),
    ("contained", Rule::Union),
    ("extension", Rule::ByUrl),
    ("modifierExtension", Rule::Union),
    ("identifier", Rule::Union),
    ("active", Rule::First),
    ("name", Rule::Union),
    ("telecom", Rule::Union),
    ("gender", Rule::First),
    ("birthDate", Rule::First),
    ("deceasedBoolean", Rule::First),
    ("deceasedDateTime", Rule::First),
    ("address", Rule::Union),
    ("maritalStatus", Rule::First),
    ("multipleBirthBoolean", Rule::First),
    ("multipleBirthInteger", Rule::First),
    ("photo", Rule::Union),
    ("contact", Rule::Union),
    ("communication", Rule::Union),
    ("generalPractitioner", Rule::Union),
    ("managingOrganization", Rule::First),
    ("link", Rule::Union),
];

/// Composes the person's record. `members[0]` is the founding record; there is at least one.
pub(crate) fn compose(members: &[Resource], frame: &Frame<'_>) -> Composed {
    let roots: Vec<Node<'_>> = members.iter().map(Resource::root).collect();
    let mut work = Work { roots: &roots, out: JsonWriter::new(), omitted: Vec::new() };
    work.out.begin_object().member("resourceType", "Patient").member("id", frame.id);
    work.meta();
    let death = Death::of(&roots, frame.tells_deaths);
    for (name, rule) in ORDER {
        if matches!(rule, Rule::Union | Rule::ByUrl) {
            work.omit_malformed(name);
        }
        match (*name, rule) {
            ("identifier", _) => work.identifiers(),
            ("active", _) => work.active(),
            ("deceasedBoolean" | "deceasedDateTime", _) => work.deceased(&death, name),
            ("link", _) => work.links(frame),
            (name, Rule::Union) => work.union(name),
            (name, Rule::ByUrl) => work.by_url(name),
            (name, Rule::First) if name.starts_with("multipleBirth") => work.choice(name, "multipleBirth"),
            ("gender", _) => work.gender(),
            (name, Rule::First) => work.first(name),
        }
    }
    work.rest();
    work.out.end_object();
    let genders = roots.iter().enumerate().filter_map(|(i, root)| Some((i, root.text("gender")?)));
    let mut stated = genders.filter(|(_, gender)| *gender != UNKNOWN);
    let first = stated.next();
    Composed {
        other_genders: stated
            .filter(|(_, gender)| first.is_some_and(|(_, own)| own != *gender))
            .map(|(i, _)| i)
            .collect(),
        other_deaths: death.others,
        omitted: work.omitted,
        bytes: work.out.finish(),
    }
}

/// A retired record as it stands beside its person where the project asks for it: itself, inactive, with a link.
pub(crate) fn retire(record: &Resource, person: &str) -> Vec<u8> {
    let mut out = JsonWriter::new();
    let mut link_written = false;
    let mut active_written = false;
    out.begin_object();
    for (name, value) in record.root().members() {
        match name {
            "active" => {
                active_written = true;
                out.key(name).bool(false);
            }
            "link" => {
                link_written = true;
                out.key(name).begin_array();
                for item in value.items().filter(|item| !refers_to(*item, person)) {
                    out.raw(item.raw());
                }
                link(&mut out, person, "replaced-by");
                out.end_array();
            }
            _ => {
                out.key(name).raw(value.raw());
            }
        }
    }
    if !active_written {
        out.key("active").bool(false);
    }
    if !link_written {
        out.key("link").begin_array();
        link(&mut out, person, "replaced-by");
        out.end_array();
    }
    out.end_object();
    out.finish()
}

struct Work<'a> {
    roots: &'a [Node<'a>],
    out: JsonWriter,
    omitted: Vec<(usize, String)>,
}

impl<'a> Work<'a> {
    /// Profiles, security labels and tags of all members; the rest is the founding record's.
    fn meta(&mut self) {
        let metas: Vec<(usize, Node<'a>)> =
            self.roots.iter().enumerate().filter_map(|(i, root)| Some((i, root.get("meta")?))).collect();
        if metas.is_empty() {
            return;
        }
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in metas.iter().flat_map(|(_, meta)| meta.members()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        self.out.key("meta").begin_object();
        for name in names {
            let values: Vec<(usize, Node<'a>)> =
                metas.iter().filter_map(|(i, meta)| Some((*i, meta.get(name)?))).collect();
            if matches!(name, "profile" | "security" | "tag" | "extension") {
                self.write_union(name, &values);
            } else {
                self.write_first(name, &values, &format!("meta.{name}"));
            }
        }
        self.out.end_object();
    }

    fn values(&self, name: &str) -> Vec<(usize, Node<'a>)> {
        self.roots.iter().enumerate().filter_map(|(i, root)| Some((i, root.get(name)?))).collect()
    }

    fn union(&mut self, name: &str) {
        let values = self.values(name);
        self.write_union(name, &values);
    }

    fn write_union(&mut self, name: &str, values: &[(usize, Node<'a>)]) {
        let mut items: Vec<&[u8]> = Vec::new();
        for item in values.iter().flat_map(|(_, value)| value.items()) {
            if !items.contains(&item.raw()) {
                items.push(item.raw());
            }
        }
        self.write_items(name, &items);
    }

    fn write_items(&mut self, name: &str, items: &[&[u8]]) {
        if items.is_empty() {
            return;
        }
        self.out.key(name).begin_array();
        for item in items {
            self.out.raw(item);
        }
        self.out.end_array();
    }

    /// Every identifier; one NHS number stands once, with the verification that counts most.
    fn identifiers(&mut self) {
        let mut kept: Vec<(usize, Node<'a>)> = Vec::new();
        for (i, value) in self.values("identifier") {
            for item in value.items() {
                if kept.iter().any(|(_, other)| other.raw() == item.raw()) {
                    continue;
                }
                let is_nhs = item.text("system") == Some(NHS_NUMBER) && item.get("value").is_some();
                let same = kept.iter_mut().find(|(_, other)| {
                    is_nhs && other.text("system") == Some(NHS_NUMBER) && other.text("value") == item.text("value")
                });
                match same {
                    None => kept.push((i, item)),
                    Some(known) if is_verified(item) && !is_verified(known.1) => {
                        self.omitted.push((known.0, "Patient.identifier".to_owned()));
                        *known = (i, item);
                    }
                    Some(_) => self.omitted.push((i, "Patient.identifier".to_owned())),
                }
            }
        }
        let items: Vec<&[u8]> = kept.iter().map(|(_, item)| item.raw()).collect();
        self.write_items("identifier", &items);
    }

    fn by_url(&mut self, name: &str) {
        let mut taken: Vec<(usize, Option<&str>, &[u8])> = Vec::new();
        for (i, value) in self.values(name) {
            for item in value.items() {
                let (url, raw) = (item.text("url"), item.raw());
                if taken.iter().any(|(_, _, known)| *known == raw) {
                    continue;
                }
                if taken.iter().any(|(from, known, _)| *from != i && *known == url) {
                    self.omitted.push((i, format!("Patient.{name}")));
                } else {
                    taken.push((i, url, raw));
                }
            }
        }
        let items: Vec<&[u8]> = taken.iter().map(|(_, _, raw)| *raw).collect();
        self.write_items(name, &items);
    }

    /// The first gender that says something: `unknown` in one source is no answer to what another knows.
    fn gender(&mut self) {
        let mut values = self.values("gender");
        // The sort is stable: among those that say something the founding record stays first.
        values.sort_by_key(|(_, value)| value.as_str() == Some(UNKNOWN));
        let silent = |(_, value): &(usize, Node<'a>)| value.as_str() == Some(UNKNOWN);
        if values.first().is_some_and(|value| !silent(value)) {
            values.retain(|value| !silent(value));
        }
        self.write_first("gender", &values, "gender");
        self.sibling("gender", &values);
    }

    fn first(&mut self, name: &str) {
        let values = self.values(name);
        self.write_first(name, &values, name);
        self.sibling(name, &values);
    }

    fn write_first(&mut self, name: &str, values: &[(usize, Node<'a>)], path: &str) {
        let Some((_, chosen)) = values.first() else { return };
        self.out.key(name).raw(chosen.raw());
        let others = values.iter().filter(|(_, value)| value.raw() != chosen.raw());
        self.omitted.extend(others.map(|(i, _)| (*i, format!("Patient.{path}"))));
    }

    /// `_name`, from the first member that has it and whose value is the one that was taken.
    fn sibling(&mut self, name: &str, values: &[(usize, Node<'a>)]) {
        let sibling = format!("_{name}");
        let chosen = values.first().map(|(_, value)| value.raw());
        let mut written: Option<&[u8]> = None;
        for (i, value) in self.values(&sibling) {
            let own = values.iter().find(|(member, _)| *member == i).map(|(_, value)| value.raw());
            match written {
                None if own == chosen => {
                    self.out.key(&sibling).raw(value.raw());
                    written = Some(value.raw());
                }
                Some(taken) if taken == value.raw() => {}
                _ => self.omitted.push((i, format!("Patient.{name}.extension"))),
            }
        }
    }

    /// One member of a choice: only the type that the first member with any of them has.
    fn choice(&mut self, name: &str, stem: &str) {
        let has = |root: &Node<'a>| root.members().find(|(key, _)| key.starts_with(stem)).map(|(key, _)| key);
        let Some(chosen) = self.roots.iter().find_map(has) else { return self.sibling(name, &[]) };
        if chosen == name {
            self.first(name);
        } else {
            self.omit_siblings(name);
            let others = self.values(name);
            self.omitted.extend(others.into_iter().map(|(i, _)| (i, format!("Patient.{stem}[x]"))));
        }
    }

    fn active(&mut self) {
        let values: Vec<bool> = self.values("active").iter().filter_map(|(_, value)| value.as_bool()).collect();
        if !values.is_empty() {
            self.out.key("active").bool(values.contains(&true));
        }
    }

    fn deceased(&mut self, death: &Death<'a>, name: &str) {
        let Some((from, key, value)) = death.chosen else { return self.sibling(name, &[]) };
        if key != name {
            return self.omit_siblings(name);
        }
        self.out.key(key).raw(value.raw());
        let others = self.values(name).into_iter().filter(|(i, _)| *i != from);
        let values: Vec<(usize, Node<'a>)> = std::iter::once((from, value)).chain(others).collect();
        self.sibling(name, &values);
        let lost = death.said.iter().filter(|(_, _, other)| other.raw() != value.raw() && !is_true(*other));
        self.omitted.extend(lost.map(|(i, _, _)| (*i, "Patient.deceased[x]".to_owned())));
    }

    fn omit_siblings(&mut self, name: &str) {
        let lost = self.values(&format!("_{name}"));
        self.omitted.extend(lost.into_iter().map(|(i, _)| (i, format!("Patient.{name}.extension"))));
    }

    /// A list that is no array cannot be joined with others; validation would have refused it anyway.
    fn omit_malformed(&mut self, name: &str) {
        let malformed = self.values(name).into_iter().filter(|(_, value)| value.kind() != NodeKind::Array);
        self.omitted.extend(malformed.map(|(i, _)| (i, format!("Patient.{name}"))));
    }

    /// Links to other Patients; a link of a record to its own person would say nothing.
    fn links(&mut self, frame: &Frame<'_>) {
        let mut items: Vec<&[u8]> = Vec::new();
        for (_, value) in self.values("link") {
            for item in value.items().filter(|item| !refers_to(*item, frame.id)) {
                if !items.contains(&item.raw()) {
                    items.push(item.raw());
                }
            }
        }
        if items.is_empty() && frame.replaces.is_empty() {
            return;
        }
        self.out.key("link").begin_array();
        for item in items {
            self.out.raw(item);
        }
        for retired in frame.replaces {
            link(&mut self.out, retired, "replaces");
        }
        self.out.end_array();
    }

    /// Members that R4 Patient does not define, so that validation sees them too.
    fn rest(&mut self) {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.roots.iter().flat_map(|root| root.members()) {
            let known = |n: &str| matches!(n, "resourceType" | "id" | "meta") || ORDER.iter().any(|(o, _)| *o == n);
            let sibling = name
                .strip_prefix('_')
                .is_some_and(|n| ORDER.iter().any(|(o, rule)| *o == n && matches!(rule, Rule::First)) && n != "active");
            if !known(name) && !sibling && !names.contains(&name) {
                names.push(name);
            }
        }
        for name in names {
            let values = self.values(name);
            self.write_first(name, &values, name.trim_start_matches('_'));
        }
    }
}

/// What the members say of the person's death.
struct Death<'a> {
    /// Member, name and value of each `deceased[x]`.
    said: Vec<(usize, &'a str, Node<'a>)>,
    chosen: Option<(usize, &'a str, Node<'a>)>,
    others: Vec<usize>,
}

impl<'a> Death<'a> {
    fn of(roots: &[Node<'a>], tells_deaths: &[bool]) -> Self {
        let mut said = Vec::new();
        for (i, root) in roots.iter().enumerate() {
            for (name, value) in root.members() {
                if matches!(name, "deceasedBoolean" | "deceasedDateTime") {
                    said.push((i, name, value));
                }
            }
        }
        // "Yes" and a date say the same; the date says more.
        let chosen = match said.first() {
            Some((_, _, value)) if is_true(*value) => {
                said.iter().find(|(_, name, _)| *name == "deceasedDateTime").or(said.first())
            }
            first => first,
        };
        let chosen: Option<(usize, &str, Node<'a>)> = chosen.copied();
        // `None` where the record says nothing and its source never does.
        let dead = |i: usize| match said.iter().find(|(from, _, _)| *from == i) {
            Some((_, _, value)) => Some(!is_false(*value)),
            None => tells_deaths.get(i).copied().unwrap_or_default().then_some(false),
        };
        let is_dead = chosen.is_some_and(|(_, _, value)| !is_false(value));
        let others = (0..roots.len()).filter(|i| dead(*i) == Some(!is_dead)).collect();
        Self { said, chosen, others }
    }
}

fn is_true(value: Node<'_>) -> bool {
    value.as_bool() == Some(true)
}

fn is_false(value: Node<'_>) -> bool {
    value.as_bool() == Some(false)
}

fn refers_to(link: Node<'_>, id: &str) -> bool {
    let reference = link.get("other").and_then(|other| other.text("reference"));
    reference.and_then(|r| r.strip_prefix("Patient/")) == Some(id)
}

fn link(out: &mut JsonWriter, id: &str, kind: &str) {
    out.begin_object().key("other").begin_object();
    out.member("reference", &format!("Patient/{id}"));
    out.end_object().member("type", kind).end_object();
}

/// The references inside a resource: element path without indices, type and id.
pub(crate) fn references<'a>(node: Node<'a>, path: &str, found: &mut Vec<(String, &'a str, &'a str)>) {
    match node.kind() {
        NodeKind::Array => node.items().for_each(|item| references(item, path, found)),
        NodeKind::Object => {
            if let Some((kind, id)) = node.text("reference").and_then(|r| r.split_once('/')) {
                found.push((path.to_owned(), kind, id));
            }
            for (name, value) in node.members() {
                references(value, &format!("{path}.{name}"), found);
            }
        }
        _ => {}
    }
}
