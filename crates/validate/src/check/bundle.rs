//! Bundles: what each type asks of its entries, links and full URLs, and where references lead inside one.
//!
//! The entries are listed once a Bundle, by full URL and by type and id, so that following a reference costs a look-up.
//! Source: FHIR R4, bundle, "Resource URL & Uniqueness rules in a bundle", "Resolving references in Bundles",
//! documents, messaging, http (search, transaction).

use std::collections::BTreeMap;
use std::rc::Rc;

use epr_fhir::Node;
use epr_model::Severity;

use super::narrative::ids_of;
use super::reference::Followed;
use super::walk::Walk;
use crate::finding::Step;
use crate::hash::FastMap;
use crate::issues;
use crate::primitive;
use crate::tally::BaseRule;

/// One entry, as far as references ask for it.
pub(super) struct Entry<'r> {
    node: Node<'r>,
    pub(super) full_url: Option<&'r str>,
    pub(super) resource: Option<Node<'r>>,
    resource_type: Option<&'r str>,
    id: Option<&'r str>,
    version: Option<&'r str>,
}

/// A Bundle's entries and the ways to find them.
pub(super) struct BundleIndex<'r> {
    pub(super) node: Node<'r>,
    kind: &'r str,
    pub(super) entries: Vec<Entry<'r>>,
    by_url: BTreeMap<&'r str, Vec<u32>>,
    by_id: BTreeMap<(&'r str, &'r str), Vec<u32>>,
}

/// Where the reference of an entry leads, asked as documents and messages ask.
enum Linked {
    To(usize),
    Nowhere,
    /// Something of this type and id is there, but not under the URL that the reference comes to, or more than once.
    Doubtful,
}

impl<'r> BundleIndex<'r> {
    pub(super) fn of(bundle: Node<'r>) -> Self {
        let entries: Vec<Entry<'r>> = bundle.get("entry").into_iter().flat_map(Node::items).map(Entry::of).collect();
        let (mut by_url, mut by_id) = (BTreeMap::<_, Vec<u32>>::new(), BTreeMap::<_, Vec<u32>>::new());
        for (i, entry) in entries.iter().enumerate() {
            if let Some(url) = entry.full_url {
                by_url.entry(url).or_default().push(i as u32);
            }
            if let (Some(resource_type), Some(id)) = (entry.resource_type, entry.id) {
                by_id.entry((resource_type, id)).or_default().push(i as u32);
            }
        }
        Self { node: bundle, kind: bundle.text("type").unwrap_or_default(), entries, by_url, by_id }
    }

    fn is(&self, kinds: &[&str]) -> bool {
        kinds.contains(&self.kind)
    }

    fn is_response(&self) -> bool {
        self.is(&["batch-response", "transaction-response"])
    }

    pub(super) fn is_transaction(&self) -> bool {
        self.kind == "transaction"
    }

    /// The entries under a full URL; a version after it is that of the resource.
    fn under(&self, url: &str) -> Vec<usize> {
        if let Some(found) = self.by_url.get(url) {
            return found.iter().map(|i| *i as usize).collect();
        }
        let Some((before, version)) = url.split_once("/_history/") else { return Vec::new() };
        let found = self.by_url.get(before).into_iter().flatten().map(|i| *i as usize);
        found.filter(|i| self.entries[*i].version == Some(version)).collect()
    }

    /// The resource that a reference leads to, for whoever asks what it is like: by URL, then by type and id.
    pub(super) fn resource(&self, reference: &str, from: Option<usize>) -> Option<Node<'r>> {
        let by_url = || self.under(&self.target(reference, from)?).last().copied();
        let by_id = || {
            let mut parts = reference.split('/');
            let pair = (parts.next()?, parts.next()?);
            self.by_id.get(&pair)?.first().map(|i| *i as usize)
        };
        self.entries[by_url().or_else(by_id)?].resource
    }

    /// The full URL that a reference in an entry comes to; `None` where it has no base.
    fn target(&self, reference: &str, from: Option<usize>) -> Option<String> {
        if primitive::is_absolute(reference) {
            return Some(reference.to_owned());
        }
        let base = self.entries.get(from?)?.full_url?;
        if base.starts_with("urn") {
            let (before, _) = base.rsplit_once(':')?;
            let id = reference.split('/').nth(1)?;
            return Some(format!("{before}:{id}"));
        }
        let (before, _) = base.trim_end_matches('/').rsplit_once('/')?;
        let (before, _) = before.rsplit_once('/')?;
        Some(format!("{before}/{reference}"))
    }

    /// Where a reference leads in a document or message: under its own URL, or nowhere.
    fn linked(&self, reference: &str, from: usize, is_type: impl Fn(&str) -> bool) -> Linked {
        let (reference, _) = reference.split_once('#').unwrap_or((reference, ""));
        let one = |found: &[usize]| match found {
            [only] => Linked::To(*only),
            _ => Linked::Doubtful,
        };
        if primitive::is_absolute(reference) {
            let found = self.under(reference);
            return if found.is_empty() { Linked::Nowhere } else { one(&found) };
        }
        let entry = &self.entries[from];
        let ending = format!("{}/{}", entry.resource_type.unwrap_or_default(), entry.id.unwrap_or_default());
        let base = entry.full_url.filter(|url| is_rest_url(url, &is_type)).and_then(|url| url.strip_suffix(&ending));
        if let Some(base) = base {
            let found = self.under(&format!("{base}{reference}"));
            if !found.is_empty() {
                return one(&found);
            }
        }
        let mut parts = reference.split('/');
        let pair = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        match self.by_id.get(&pair).map(Vec::as_slice) {
            None => Linked::Nowhere,
            Some([only]) => {
                let is_transient = |i: usize| self.entries[i].full_url.is_some_and(|url| url.starts_with("urn:"));
                let only = *only as usize;
                if is_transient(from) && is_transient(only) { Linked::To(only) } else { Linked::Doubtful }
            }
            Some(_) => Linked::Doubtful,
        }
    }
}

impl<'r> Entry<'r> {
    fn of(node: Node<'r>) -> Self {
        let resource = node.get("resource");
        let text = |name: &str| resource.and_then(|r| r.text(name));
        let version = resource.and_then(|r| r.get("meta")).and_then(|m| m.text("versionId"));
        Self {
            node,
            full_url: node.text("fullUrl").filter(|url| !url.is_empty()),
            resource,
            resource_type: text("resourceType"),
            id: text("id"),
            version,
        }
    }
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn in_transaction(&self) -> bool {
        self.bundle.as_ref().is_some_and(|bundle| bundle.is_transaction())
    }

    /// Follows a reference inside the Bundle around it; `None` where it does not lead to an entry.
    pub(super) fn in_bundle(&mut self, reference: &'r str) -> Option<Followed<'r>> {
        let bundle = Rc::clone(self.bundle.as_ref()?);
        let from = self.entry?;
        if !primitive::is_absolute(reference) && !self.has_base(&bundle, from, reference) {
            return Some(Followed::Outside(None));
        }
        let target = bundle.target(reference, Some(from))?;
        let found = bundle.under(&target);
        self.checker.tally.count(BaseRule::Reference, found.len() > 1);
        if found.len() > 1 {
            self.find(issues::VAL_BUNDLE_ENTRY, || {
                "expected one entry under the URL of this reference, found several".to_owned()
            });
        }
        let resource_type = bundle.entries[*found.last()?].resource_type;
        // A URN has no type in it: the one in the reference must be that of the resource.
        let named = reference.split_once('/').map(|(name, _)| name).filter(|_| !primitive::is_absolute(reference));
        if let (Some(named), Some(known)) = (named, resource_type)
            && named != known
            && bundle.entries[from].full_url.is_some_and(|url| url.starts_with("urn"))
        {
            self.checker.tally.count(BaseRule::Reference, true);
            self.find(issues::VAL_REFERENCE_TYPE, || {
                format!("expected the type in the reference to be that of the entry, {known}, found another")
            });
        }
        Some(Followed::To(resource_type))
    }

    /// A relative reference in a Bundle counts from the full URL of its entry.
    fn has_base(&mut self, bundle: &BundleIndex<'r>, from: usize, reference: &str) -> bool {
        if bundle.entries[from].full_url.is_none() {
            if !bundle.is_response() {
                self.find(issues::VAL_BUNDLE_ENTRY, || {
                    "expected a fullUrl in the entry, from which this relative reference counts, found none".to_owned()
                });
            }
            return false;
        }
        let n_slashes = reference.bytes().filter(|b| *b == b'/').count();
        let is_right = matches!(n_slashes, 1 | 3);
        if !is_right {
            self.malformed(Severity::Error, reference);
        }
        is_right
    }

    /// An entry whose resource has references has a full URL, told once an entry.
    pub(super) fn entry_of_references(&mut self) {
        let (Some(bundle), Some(from)) = (self.bundle.as_ref(), self.entry) else { return };
        if bundle.entries[from].full_url.is_some() || bundle.is_response() || self.told_entry == Some(from) {
            return;
        }
        self.told_entry = Some(from);
        self.find(issues::VAL_BUNDLE_ENTRY, || {
            "expected a fullUrl in an entry whose resource has references, found none".to_owned()
        });
    }

    /// What the specification asks of a Bundle beyond its invariants.
    pub(super) fn bundle_rules(&mut self, node: Node<'r>) {
        let Some(bundle) = self.bundle.clone() else { return };
        let n_before = self.issues.len();
        self.bundle_links(node, &bundle);
        if bundle.entries.is_empty() {
            if bundle.is(&["document", "message"]) {
                let detail = "expected a first entry, which a document or message begins with, found none";
                self.find(issues::VAL_BUNDLE_ENTRY, || detail.to_owned());
            }
        } else {
            match bundle.kind {
                "document" => self.first_entry(&bundle, "Composition"),
                "message" => self.first_entry(&bundle, "MessageHeader"),
                "searchset" => self.search_entries(node, &bundle),
                _ => {}
            }
        }
        for (i, entry) in bundle.entries.iter().enumerate() {
            self.steps.push(Step { name: "entry", index: Some(i as u32), of_type: None });
            self.full_url(&bundle, entry);
            self.steps.pop();
        }
        self.checker.tally.count(BaseRule::Bundle, self.issues.len() > n_before);
    }

    fn full_url(&mut self, bundle: &BundleIndex<'r>, entry: &Entry<'r>) {
        let is_optional = bundle.is(&["transaction", "transaction-response", "batch", "batch-response"]);
        let Some(url) = entry.full_url else {
            if !is_optional && entry.node.get("fullUrl").is_none() {
                self.find(issues::VAL_BUNDLE_ENTRY, || "expected a fullUrl, found none".to_owned());
            }
            return;
        };
        if !primitive::is_absolute(url) {
            self.find(issues::VAL_BUNDLE_ENTRY, || {
                format!("expected an absolute URL in fullUrl, found {}", epr_model::shape::of_text(url))
            });
        } else if let Some(resource_type) = entry.resource_type
            && self.is_rest_url(url)
        {
            let ends_right = entry.id.is_some_and(|id| {
                let before = url.strip_suffix(id).and_then(|rest| rest.strip_suffix('/'));
                before.and_then(|rest| rest.strip_suffix(resource_type)).is_some_and(|rest| rest.ends_with('/'))
            });
            if !ends_right {
                self.find(issues::VAL_BUNDLE_ENTRY, || {
                    format!(
                        "expected a fullUrl that ends in {resource_type}/ and the id of the resource, found another"
                    )
                });
            }
        }
        if entry.resource.and_then(|r| r.text("url")) == Some(url) {
            let is_address = self.is_rest_url(url)
                && entry.id.is_some_and(|id| url.strip_suffix(id).is_some_and(|rest| rest.ends_with('/')));
            if !is_address && !url.starts_with("http://hl7.org/fhir/v2/") && !url.starts_with("http://hl7.org/fhir/v3/")
            {
                self.find(issues::VAL_BUNDLE_ENTRY, || {
                    "expected the address of the resource in fullUrl, found the URL that it is known by".to_owned()
                });
            }
        }
    }

    fn is_rest_url(&self, url: &str) -> bool {
        let resources = &self.checker.program.resources;
        is_rest_url(url, |name| resources.contains_key(name))
    }

    /// Links: paging belongs to searches and histories, and one link of a relation is enough.
    fn bundle_links(&mut self, node: Node<'r>, bundle: &BundleIndex<'r>) {
        let is_paged = bundle.is(&["history", "searchset"]);
        let is_known = is_paged
            || bundle.is(&[
                "document",
                "message",
                "collection",
                "transaction",
                "transaction-response",
                "batch",
                "batch-response",
            ]);
        let mut seen: [bool; PAGING.len() + 1] = [false; PAGING.len() + 1];
        for (i, link) in node.get("link").into_iter().flat_map(Node::items).enumerate().filter(|_| is_known) {
            let Some(relation) = link.text("relation") else { continue };
            self.steps.push(Step { name: "link", index: Some(i as u32), of_type: None });
            let paging = PAGING.iter().position(|known| *known == relation);
            let slot = paging.or((relation == "self").then_some(PAGING.len()));
            if let Some(name) = paging.filter(|_| !is_paged).map(|at| PAGING[at]) {
                self.find(issues::VAL_BUNDLE_LINK, || {
                    format!("expected no link of relation {name} in a bundle that has no pages, found one")
                });
            } else if let Some(slot) = slot
                && std::mem::replace(&mut seen[slot], true)
            {
                let name = PAGING.get(slot).copied().unwrap_or("self");
                self.find(issues::VAL_BUNDLE_LINK, || format!("expected one link of relation {name}, found another"));
            }
            if bundle.kind == "document" && relation == "stylesheet" {
                self.stylesheet(link, bundle);
            }
            self.steps.pop();
        }
    }

    fn stylesheet(&mut self, link: Node<'r>, bundle: &BundleIndex<'r>) {
        let Some(url) = link.text("url").filter(|url| !primitive::is_absolute(url)) else { return };
        if !url.split_once('/').is_some_and(|pair| bundle.by_id.contains_key(&pair)) {
            self.find(issues::VAL_BUNDLE_LINK, || {
                "expected the stylesheet to be a resource of this document, found none of that name".to_owned()
            });
        }
    }

    /// Documents and messages begin with the resource that says what the others are for, and lead to all of them.
    fn first_entry(&mut self, bundle: &BundleIndex<'r>, type_name: &'static str) {
        let first = &bundle.entries[0];
        self.steps.push(Step { name: "entry", index: Some(0), of_type: None });
        let mut told = Vec::new();
        match first.resource {
            None => self.find(issues::VAL_BUNDLE_ENTRY, || format!("expected a {type_name} here, found no resource")),
            Some(_) if first.resource_type != Some(type_name) => {
                self.find(issues::VAL_BUNDLE_ENTRY, || format!("expected a {type_name} here, found another resource"));
            }
            Some(resource) => {
                self.steps.push(Step { name: "resource", index: None, of_type: None });
                for reference in if type_name == "Composition" { composed(resource) } else { focused(resource) } {
                    self.leads_inside(bundle, reference, &mut told);
                }
                self.steps.pop();
            }
        }
        self.steps.pop();
        if type_name == "Composition" || first.resource.is_some() {
            self.all_linked(bundle, type_name, &told);
        }
    }

    /// What a document or message is about must be in it.
    fn leads_inside(&mut self, bundle: &BundleIndex<'r>, reference: Node<'r>, told: &mut Vec<usize>) {
        let Some(text) = reference.text("reference").filter(|t| !t.is_empty() && !t.starts_with('#')) else { return };
        let all = self.checker.program;
        let is_type = |name: &str| all.resources.contains_key(name);
        let detail = match bundle.linked(text, 0, is_type) {
            Linked::To(_) => return,
            Linked::Nowhere if self.may_be_elsewhere(text) => return,
            Linked::Nowhere => "expected a reference to an entry of this bundle, found one that leads out of it",
            Linked::Doubtful => {
                "expected a reference to the full URL of one entry, found one that leads to several or to another URL"
            }
        };
        told.push(reference.address());
        self.find(issues::VAL_BUNDLE_ENTRY, || detail.to_owned());
    }

    /// A definition that is loaded, or a type and id that are no resource at all, is nothing a bundle could hold.
    fn may_be_elsewhere(&self, reference: &str) -> bool {
        if primitive::is_absolute(reference) {
            return self.checker.program.definitions.structure(reference).is_some();
        }
        let name = reference.split('/').next().unwrap_or_default();
        !reference.contains('/') || !self.checker.program.resources.contains_key(name)
    }

    /// Each entry is linked with the first, in one direction or the other; in a message that is only advice.
    fn all_linked(&mut self, bundle: &BundleIndex<'r>, type_name: &str, told: &[usize]) {
        let all = self.checker.program;
        let is_type = |name: &str| all.resources.contains_key(name);
        let n = bundle.entries.len();
        let mut links: Vec<Vec<u32>> = vec![Vec::new(); n];
        let mut ids: FastMap<usize, Vec<&str>> = FastMap::default();
        for (i, entry) in bundle.entries.iter().enumerate().filter(|(_, entry)| entry.resource.is_some()) {
            let mut seen = std::collections::BTreeSet::new();
            for Link { text, at, is_of_narrative } in links_of(entry.node) {
                if text.is_empty() || text.starts_with('#') || !seen.insert(text) {
                    continue;
                }
                match bundle.linked(text, i, is_type) {
                    Linked::To(to) => {
                        links[i].push(to as u32);
                        links[to].push(i as u32);
                        if let Some((_, fragment)) = text.split_once('#') {
                            let ids = ids.entry(to).or_insert_with(|| sorted(ids_of(bundle.entries[to].node)));
                            let n =
                                ids.partition_point(|id| *id <= fragment) - ids.partition_point(|id| *id < fragment);
                            if n > 1 || n == 0 && is_of_narrative {
                                self.fragment_of_an_entry(i, n);
                            }
                        }
                    }
                    Linked::Doubtful if !told.contains(&at.address()) => {
                        self.steps.push(Step { name: "entry", index: Some(i as u32), of_type: None });
                        self.find(issues::VAL_BUNDLE_ENTRY, || {
                            "expected references to the full URLs of single entries, found one to several or to another URL"
                                .to_owned()
                        });
                        self.steps.pop();
                    }
                    _ => {}
                }
            }
        }
        let mut is_linked = vec![false; n];
        let mut waiting: Vec<u32> =
            bundle.entries.iter().position(|e| e.resource.is_some()).map(|i| i as u32).into_iter().collect();
        while let Some(at) = waiting.pop() {
            if !std::mem::replace(&mut is_linked[at as usize], true) {
                waiting.extend(links[at as usize].iter().filter(|to| !is_linked[**to as usize]));
            }
        }
        let severity = if type_name == "Composition" { Severity::Error } else { Severity::Warning };
        for (i, entry) in bundle.entries.iter().enumerate() {
            if entry.resource.is_some() && !is_linked[i] {
                self.steps.push(Step { name: "entry", index: Some(i as u32), of_type: None });
                let detail =
                    format!("expected an entry that the {type_name} leads to, found one that nothing leads to");
                self.push(issues::VAL_BUNDLE_ENTRY, severity, detail);
                self.steps.pop();
            }
        }
    }

    /// A link to a part of another entry: by an id that is there `n` times, which should be once.
    fn fragment_of_an_entry(&mut self, from: usize, n: usize) {
        self.steps.push(Step { name: "entry", index: Some(from as u32), of_type: None });
        self.find(issues::VAL_BUNDLE_ENTRY, || {
            format!(
                "expected a link to an id that is once in the entry that it leads to, found one that is there {n} times"
            )
        });
        self.steps.pop();
    }

    /// What was searched for has an id and the type that was asked for; what went wrong is an OperationOutcome.
    fn search_entries(&mut self, node: Node<'r>, bundle: &BundleIndex<'r>) {
        let own = node.get("link").into_iter().flat_map(Node::items).find(|link| link.text("relation") == Some("self"));
        let types = own.and_then(|link| link.text("url")).map(|url| self.searched_types(url)).unwrap_or_default();
        for (i, entry) in bundle.entries.iter().enumerate() {
            self.steps.push(Step { name: "entry", index: Some(i as u32), of_type: None });
            let mode = entry.node.get("search").and_then(|search| search.text("mode"));
            if entry.resource.is_none() {
                self.find(issues::VAL_BUNDLE_ENTRY, || "expected a resource in a result, found none".to_owned());
            } else if let Some(mode) = mode {
                self.search_entry(entry, mode, &types);
            }
            self.steps.pop();
        }
    }

    fn search_entry(&mut self, entry: &Entry<'r>, mode: &str, types: &[&str]) {
        if !matches!(mode, "match" | "include") {
            if entry.resource_type != Some("OperationOutcome") {
                self.find(issues::VAL_BUNDLE_ENTRY, || {
                    "expected an OperationOutcome as the outcome of the search, found another resource".to_owned()
                });
            }
            return;
        }
        if entry.id.is_none() {
            self.find(issues::VAL_BUNDLE_ENTRY, || "expected a resource with an id in a result, found none".to_owned());
        }
        let found = entry.resource_type.unwrap_or_default();
        if mode == "match" && !types.is_empty() && !types.contains(&found) {
            self.find(issues::VAL_BUNDLE_ENTRY, || {
                format!("expected a resource of type {}, which was searched for, found another", types.join(", "))
            });
        }
    }

    /// The types that the address of a search names.
    fn searched_types(&self, url: &'r str) -> Vec<&'r str> {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let last = path.rsplit('/').next().unwrap_or_default();
        if self.checker.program.resources.contains_key(last) {
            return vec![last];
        }
        let named = query.split('&').filter_map(|part| part.strip_prefix("_type="));
        named
            .flat_map(|types| types.split(','))
            .filter(|name| self.checker.program.resources.contains_key(*name))
            .collect()
    }
}

/// Relations of pages.
const PAGING: [&str; 4] = ["first", "previous", "next", "last"];

/// The references of a Composition that must lead to entries.
fn composed(composition: Node<'_>) -> Vec<Node<'_>> {
    fn items<'a>(node: Node<'a>, name: &str) -> Vec<Node<'a>> {
        node.get(name).into_iter().flat_map(Node::items).collect()
    }
    let mut found: Vec<Node<'_>> =
        ["subject", "encounter", "custodian"].iter().filter_map(|n| composition.get(n)).collect();
    found.extend(items(composition, "author"));
    found.extend(items(composition, "attester").iter().filter_map(|attester| attester.get("party")));
    found.extend(items(composition, "event").iter().flat_map(|event| items(*event, "detail")));
    // The reader's limit of depth bounds the sections.
    let mut sections = items(composition, "section");
    while let Some(section) = sections.pop() {
        found.extend(items(section, "author"));
        found.extend(section.get("focus"));
        found.extend(items(section, "entry"));
        sections.extend(items(section, "section"));
    }
    found
}

fn focused(header: Node<'_>) -> Vec<Node<'_>> {
    header.get("focus").into_iter().flat_map(Node::items).collect()
}

/// What leads from an entry to another.
struct Link<'a> {
    text: &'a str,
    at: Node<'a>,
    /// It is an extension narrativeLink: which part of a narrative tells of the element that it stands on.
    is_of_narrative: bool,
}

const NARRATIVE_LINK: &str = "http://hl7.org/fhir/StructureDefinition/narrativeLink";

/// What leads from an entry to others: references, and addresses that are not names of something.
fn links_of(entry: Node<'_>) -> Vec<Link<'_>> {
    let mut found = Vec::new();
    let mut waiting = vec![(entry, false)];
    while let Some((node, is_extension)) = waiting.pop() {
        let is_of_narrative = is_extension && node.text("url") == Some(NARRATIVE_LINK);
        for (name, child) in node.members() {
            let mut link = |text, at| found.push(Link { text, at, is_of_narrative });
            match (name, child.as_str()) {
                ("reference", Some(text)) => link(text, node),
                ("url", Some(text)) if !is_extension => link(text, child),
                ("valueUri" | "valueUrl", Some(text)) => link(text, child),
                // A Bundle inside has links of its own.
                ("resource", None) if child.text("resourceType") == Some("Bundle") => {}
                _ => waiting.push((child, matches!(name, "extension" | "modifierExtension"))),
            }
        }
        waiting.extend(node.items().map(|item| (item, is_extension)));
    }
    found
}

fn sorted(mut ids: Vec<&str>) -> Vec<&str> {
    ids.sort_unstable();
    ids
}

/// Whether a URL is the address of a resource: `[base]/Type/id`, perhaps with a version.
fn is_rest_url(url: &str, is_type: impl Fn(&str) -> bool) -> bool {
    let path = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or(url);
    let (path, version) = path.split_once("/_history/").unwrap_or((path, "1"));
    let mut parts = path.rsplit('/');
    let (Some(id), Some(name)) = (parts.next(), parts.next()) else { return false };
    let plain = |part: &str| {
        part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'\\' | b'.' | b':' | b'%' | b'$' | b'-' | b'_'))
    };
    primitive::is_id(id) && primitive::is_id(version) && is_type(name) && parts.all(plain)
}
