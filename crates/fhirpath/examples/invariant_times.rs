//! `invariant_times PACKAGE_CACHE FILE…`: how long each invariant of R4 takes, over all elements that ask for it.
//!
//! As a validator meets them: resource after resource, the elements of each in written order, its memory warm because
//! it has just been read. A group is one invariant on all the elements of one resource that ask for it; it is asked
//! until the clock can tell, and the quickest of three passes counts, since other work on the machine is not ours.
//! Every evaluation weighs the same in the mean, whatever resource it belongs to.
//!
//! One line an invariant, sorted by the time that all its evaluations take together, tabs between: key, evaluations,
//! mean in nanoseconds, share of all time and of native answers (both in percent), entries that one evaluation looks
//! at on average (0 where it is not about a Bundle), expression. `cargo xtask bench fhirpath` runs it.

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::io::Read;
use std::path::PathBuf;
use std::time::Instant;

use epr_fhir::definitions::{Constraint, Structure};
use epr_fhir::package::PackageCache;
use epr_fhir::{Definitions, Node, NodeKind, Resource};
use epr_fhirpath::{ElementNode, Expression, Focus, Host, Verdict, compile_constraint};

/// So many evaluations a group at least, so that the clock's own time does not show.
const AT_LEAST: usize = 16;

const PASSES: usize = 3;

/// An invariant, by its key and expression.
type Invariant<'a> = (&'a str, &'a str);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let cache = PackageCache::at(arguments.next().ok_or("invariant_times PACKAGE_CACHE FILE…")?);
    let definitions = Definitions::load(&cache, &["hl7.fhir.r4.core@4.0.1".parse()?])?;
    let host = Host::with_definitions(Some(&definitions));
    let mut compiled: BTreeMap<Invariant<'_>, Expression> = BTreeMap::new();
    let constraints = definitions.structures().flat_map(|s| &s.elements).flat_map(|e| &e.constraints);
    for constraint in constraints {
        if let Some(text) = constraint.expression.as_deref() {
            compiled.insert((&constraint.key, text), compile_constraint(text)?);
        }
    }
    let mut resources = Vec::new();
    for path in arguments {
        let mut bytes = std::fs::read(&path)?;
        if path.extension().is_some_and(|end| end == "gz") {
            let packed = std::mem::take(&mut bytes);
            flate2::read::GzDecoder::new(&*packed).read_to_end(&mut bytes)?;
        }
        resources.push(Resource::parse_json(&bytes)?);
    }
    let mut totals: BTreeMap<Invariant<'_>, Total> = BTreeMap::new();
    for resource in &resources {
        let mut collected = Collected { definitions: &definitions, resources: Vec::new(), open: Vec::new() };
        collected.resource(&Focus::on_resource(resource.root(), Some(&definitions)));
        for asked in &collected.resources {
            asked.time(&host, &compiled, &mut totals);
        }
    }
    let all: f64 = totals.values().map(|total| total.ns).sum();
    let mut lines: Vec<_> = totals.into_iter().collect();
    lines.sort_by(|a, b| b.1.ns.total_cmp(&a.1.ns));
    for ((key, text), total) in lines {
        let n = total.n as f64;
        println!(
            "{key}\t{}\t{:.1}\t{:.2}\t{:.1}\t{:.0}\t{}",
            total.n,
            total.ns / n,
            100.0 * total.ns / all,
            100.0 * total.n_native as f64 / n,
            total.n_entries as f64 / n,
            text.replace(['\t', '\n', '\r'], " ")
        );
    }
    Ok(())
}

/// What all evaluations of an invariant come to.
#[derive(Default)]
struct Total {
    n: usize,
    n_native: usize,
    n_entries: usize,
    ns: f64,
}

/// What one resource asks: by invariant, the elements in written order.
struct Asked<'a> {
    resource: Node<'a>,
    groups: BTreeMap<Invariant<'a>, Vec<Focus<'a>>>,
}

impl<'a> Asked<'a> {
    fn time<'c: 'a>(
        &self,
        host: &Host<'a>,
        compiled: &'c BTreeMap<Invariant<'c>, Expression>,
        totals: &mut BTreeMap<Invariant<'a>, Total>,
    ) {
        let mut quickest = vec![f64::MAX; self.groups.len()];
        for _ in 0..PASSES {
            black_box(touch(self.resource));
            for (quickest, (invariant, focuses)) in quickest.iter_mut().zip(&self.groups) {
                let expression = &compiled[invariant];
                let times = AT_LEAST.div_ceil(focuses.len());
                let begun = Instant::now();
                for _ in 0..times {
                    for focus in focuses {
                        black_box(expression.check(host, black_box(focus)) == Verdict::True);
                    }
                }
                *quickest = quickest.min(begun.elapsed().as_nanos() as f64 / times as f64);
            }
        }
        for (quickest, (invariant, focuses)) in quickest.iter().zip(&self.groups) {
            let total = totals.entry(*invariant).or_default();
            let natively = |focus: &&Focus<'a>| compiled[invariant].check_natively(host, focus).is_some();
            total.n += focuses.len();
            total.n_native += focuses.iter().filter(natively).count();
            total.n_entries += self.resource.get("entry").map_or(0, |entries| entries.items().count());
            total.ns += quickest;
        }
    }
}

/// Looks at every value, as the reading of a resource and its check do.
fn touch(node: Node<'_>) -> usize {
    let below = node.members().map(|(name, child)| name.len() + touch(child)).sum::<usize>();
    below + node.items().map(touch).sum::<usize>() + node.as_str().map_or(0, str::len)
}

struct Collected<'a> {
    definitions: &'a Definitions,
    resources: Vec<Asked<'a>>,
    /// The resources that the one at hand is inside of, and that one.
    open: Vec<Asked<'a>>,
}

impl<'a> Collected<'a> {
    fn ask(&mut self, focus: &Focus<'a>, constraints: &'a [Constraint]) {
        let Some(asked) = self.open.last_mut() else { return };
        for constraint in constraints {
            if let Some(text) = constraint.expression.as_deref() {
                asked.groups.entry((&constraint.key, text)).or_default().push(*focus);
            }
        }
    }

    fn resource(&mut self, focus: &Focus<'a>) {
        let Some(structure) = self.definitions.structure(focus.resource.type_code()) else { return };
        let (Some(root), Some(resource)) = (structure.root(), focus.resource.node()) else { return };
        self.open.push(Asked { resource, groups: BTreeMap::new() });
        self.ask(focus, &root.constraints);
        self.children(focus, structure, &root.path, &structure.type_name);
        self.resources.extend(self.open.pop());
    }

    fn children(&mut self, focus: &Focus<'a>, structure: &'a Structure, path: &str, type_code: &str) {
        let Some(node) = focus.element.node().filter(|node| node.kind() == NodeKind::Object) else { return };
        for (name, value) in node.members() {
            let (bare, is_extra) = name.strip_prefix('_').map_or((name, false), |bare| (bare, true));
            if (is_extra && node.get(bare).is_some()) || (name == "resourceType" && !path.contains('.')) {
                continue;
            }
            let Some(child) = self.definitions.child(structure, path, type_code, bare) else { continue };
            let (value, extra) = if is_extra { (None, Some(value)) } else { (Some(value), None) };
            let extra = extra.or_else(|| node.members().find(|(n, _)| n.strip_prefix('_') == Some(bare)).map(|m| m.1));
            let (values, extras) = (items(value), items(extra));
            for i in 0..values.len().max(extras.len()) {
                let (value, extra) = (values.get(i).copied(), extras.get(i).copied());
                if let (Some(value), "Resource") = (value, child.type_code) {
                    let inner = ElementNode::resource(value, Some(self.definitions));
                    let inner = if name == "contained" { focus.on_contained(inner) } else { focus.on_entry(inner) };
                    self.resource(&inner);
                    continue;
                }
                let structure = Some(child.structure);
                let element = ElementNode::new(value, extra, structure, &child.element.path, child.type_code);
                let focus = focus.at(element);
                self.ask(&focus, &child.element.constraints);
                // What the type asks beyond the element, once.
                let own = self.definitions.structure(child.type_code).and_then(Structure::root);
                for constraint in own.into_iter().flat_map(|root| &root.constraints) {
                    if !child.element.constraints.iter().any(|c| c.key == constraint.key) {
                        self.ask(&focus, std::slice::from_ref(constraint));
                    }
                }
                self.children(&focus, child.structure, &child.element.path, child.type_code);
            }
        }
    }
}

/// The items of an array, or the one value.
fn items(node: Option<Node<'_>>) -> Vec<Node<'_>> {
    match node {
        Some(node) if node.kind() == NodeKind::Array => node.items().collect(),
        node => node.into_iter().collect(),
    }
}
