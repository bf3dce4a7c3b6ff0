//! `invariant_times PACKAGE_CACHE FILE…`: how long each invariant of R4 takes, over all elements that ask for it.
//!
//! One line an invariant, sorted by the time that all its evaluations take together: key, evaluations, mean in
//! nanoseconds, expression. `cargo xtask bench fhirpath` runs it.

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use epr_fhir::definitions::{Constraint, Structure};
use epr_fhir::package::PackageCache;
use epr_fhir::{Definitions, Node, NodeKind, Resource};
use epr_fhirpath::{ElementNode, Expression, Focus, Host, Verdict, compile_constraint};

/// Each invariant is asked again until so much time has passed.
const LONG_ENOUGH: Duration = Duration::from_millis(40);

/// How often an element is asked in a row.
const TIMES: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let cache = PackageCache::at(arguments.next().ok_or("invariant_times PACKAGE_CACHE FILE…")?);
    let definitions = Definitions::load(&cache, &["hl7.fhir.r4.core@4.0.1".parse()?])?;
    let mut resources = Vec::new();
    for path in arguments {
        let mut bytes = std::fs::read(&path)?;
        if path.extension().is_some_and(|end| end == "gz") {
            let packed = std::mem::take(&mut bytes);
            flate2::read::GzDecoder::new(&*packed).read_to_end(&mut bytes)?;
        }
        resources.push(Resource::parse_json(&bytes)?);
    }
    let mut collected = Collected { definitions: &definitions, asked: BTreeMap::new() };
    for resource in &resources {
        collected.resource(&Focus::on_resource(resource.root(), Some(&definitions)));
    }
    let host = Host::with_definitions(Some(&definitions));
    let mut lines = Vec::new();
    for ((key, text), focuses) in &collected.asked {
        let expression = compile_constraint(text)?;
        let each = time(&expression, &host, focuses);
        lines.push((each * focuses.len() as f64, *key, focuses.len(), each, *text));
    }
    lines.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (_, key, n, each, text) in lines {
        println!("{key}\t{n}\t{each:.1}\t{}", text.replace(['\t', '\n', '\r'], " "));
    }
    Ok(())
}

/// Mean nanoseconds of one evaluation.
fn time<'a>(expression: &'a Expression, host: &Host<'a>, focuses: &[Focus<'a>]) -> f64 {
    let mut n_true = 0_usize;
    let mut n = 0_usize;
    let begun = Instant::now();
    while begun.elapsed() < LONG_ENOUGH {
        for focus in focuses {
            // A validator has just looked at every member of the element: its memory is warm, as it is here from the
            // second time on.
            for _ in 0..TIMES {
                n_true += usize::from(expression.check(host, focus) == Verdict::True);
            }
        }
        n += focuses.len() * TIMES;
    }
    let all = begun.elapsed().as_nanos() as f64;
    assert!(n_true <= n, "more verdicts than questions");
    all / n as f64
}

/// By key and expression: every element that asks for it.
struct Collected<'a> {
    definitions: &'a Definitions,
    asked: BTreeMap<(&'a str, &'a str), Vec<Focus<'a>>>,
}

impl<'a> Collected<'a> {
    fn ask(&mut self, focus: &Focus<'a>, constraints: &'a [Constraint]) {
        for constraint in constraints {
            if let Some(text) = constraint.expression.as_deref() {
                self.asked.entry((&constraint.key, text)).or_default().push(*focus);
            }
        }
    }

    fn resource(&mut self, focus: &Focus<'a>) {
        let Some(structure) = self.definitions.structure(focus.resource.type_code()) else { return };
        let root = &structure.elements[0];
        self.ask(focus, &root.constraints);
        self.children(focus, structure, &root.path, &structure.type_name);
    }

    fn children(&mut self, focus: &Focus<'a>, structure: &'a Structure, path: &str, type_code: &str) {
        let Some(node) = focus.element.node().filter(|node| node.kind() == NodeKind::Object) else { return };
        for (name, value) in node.members() {
            if name.starts_with('_') || (name == "resourceType" && !path.contains('.')) {
                continue;
            }
            let Some(child) = self.definitions.child(structure, path, type_code, name) else { continue };
            let values: Vec<Node<'a>> =
                if value.kind() == NodeKind::Array { value.items().collect() } else { vec![value] };
            for value in values {
                if child.type_code == "Resource" {
                    let inner = ElementNode::resource(value, Some(self.definitions));
                    let inner = if name == "contained" { focus.on_contained(inner) } else { focus.on_entry(inner) };
                    self.resource(&inner);
                    continue;
                }
                let element =
                    ElementNode::new(Some(value), None, Some(child.structure), &child.element.path, child.type_code);
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
