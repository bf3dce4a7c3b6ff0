//! Every invariant of R4 compiles, and runs over real resources without an error.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use epr_fhir::{Definitions, Node, NodeKind, Resource};
use epr_fhirpath::{ElementNode, Expression, Focus, Host, Item, NotChecked, Verdict, compile, compile_constraint};

use crate::r4;

/// All distinct constraint expressions of all structures in the package, each with a key that has it.
fn expressions() -> Option<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir(r4::folder()?).expect("the package folder can be read") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("StructureDefinition-") {
            continue;
        }
        let resource = Resource::parse_json(&std::fs::read(&path).expect("a file")).expect("JSON");
        for part in ["snapshot", "differential"] {
            let elements = resource.root().get(part).and_then(|part| part.get("element"));
            for element in elements.into_iter().flat_map(Node::items) {
                for constraint in element.get("constraint").into_iter().flat_map(Node::items) {
                    if let (Some(expression), Some(key)) = (constraint.text("expression"), constraint.text("key")) {
                        out.insert(expression.to_owned(), key.to_owned());
                    }
                }
            }
        }
    }
    Some(out)
}

#[test]
fn every_invariant_of_r4_compiles() {
    let Some(expressions) = expressions() else { return };
    let mut faults = Vec::new();
    for (expression, key) in &expressions {
        if let Err(error) = compile(expression) {
            faults.push(format!("{key}: {error}: {expression}"));
        }
    }
    println!("{} distinct expressions", expressions.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(expressions.len() > 180, "only {} expressions", expressions.len());
}

/// Walks a resource and asks the invariants of every element, as a validator would.
struct Walk<'a> {
    host: Host<'a>,
    compiled: &'a BTreeMap<String, Expression>,
    asked: BTreeMap<&'a str, usize>,
    /// Key and verdict of what was not true, each once.
    others: BTreeSet<String>,
    failed: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    fn element(&mut self, focus: &Focus<'a>, constraints: &'a [epr_fhir::definitions::Constraint]) {
        for constraint in constraints {
            let Some(expression) = constraint.expression.as_deref().and_then(|text| self.compiled.get(text)) else {
                continue;
            };
            *self.asked.entry(&constraint.key).or_default() += 1;
            let verdict = expression.check(&self.host, focus);
            // Types looked up or not, the answer is the same: only the cost differs.
            if self.asked[constraint.key.as_str()] <= 500 {
                let typed = expression.evaluate(&self.host, *focus).expect("it evaluates");
                let truth = match typed.items.as_slice() {
                    [] => Verdict::Empty,
                    [Item::Boolean(false)] => Verdict::False,
                    _ => Verdict::True,
                };
                assert_eq!(typed.not_checked.map_or(truth, Verdict::NotChecked), verdict, "{}", constraint.key);
                assert_eq!(expression.check_generally(&self.host, focus), verdict, "{}", constraint.key);
            }
            match verdict {
                Verdict::True => {}
                Verdict::NotChecked(NotChecked::Failed(error)) => {
                    self.failed.insert(format!("{}: {error}", constraint.key));
                }
                other => {
                    self.others.insert(format!("{} on {}: {other:?}", constraint.key, focus.element.type_code()));
                }
            }
        }
    }

    fn resource(&mut self, focus: &Focus<'a>, definitions: &'a Definitions) {
        let Some(structure) = definitions.structure(focus.resource.type_code()) else { return };
        self.element(focus, &structure.elements[0].constraints);
        self.children(focus, structure, &structure.elements[0].path, &structure.type_name, definitions);
    }

    fn children(
        &mut self,
        focus: &Focus<'a>,
        structure: &'a epr_fhir::definitions::Structure,
        path: &str,
        type_code: &str,
        definitions: &'a Definitions,
    ) {
        let Some(node) = focus.element.node().filter(|node| node.kind() == NodeKind::Object) else { return };
        for (name, value) in node.members() {
            if name.starts_with('_') || (name == "resourceType" && !path.contains('.')) {
                continue;
            }
            let Some(child) = definitions.child(structure, path, type_code, name) else {
                self.others.insert(format!("{path}.{name} is not defined"));
                continue;
            };
            let values: Vec<Node<'a>> =
                if value.kind() == NodeKind::Array { value.items().collect() } else { vec![value] };
            for value in values {
                if child.type_code == "Resource" {
                    let inner = ElementNode::resource(value, Some(definitions));
                    let focus = if name == "contained" { focus.on_contained(inner) } else { focus.on_entry(inner) };
                    self.resource(&focus, definitions);
                    continue;
                }
                let element =
                    ElementNode::new(Some(value), None, Some(child.structure), &child.element.path, child.type_code);
                let focus = focus.at(element);
                self.element(&focus, &child.element.constraints);
                self.children(&focus, child.structure, &child.element.path, child.type_code, definitions);
            }
        }
    }
}

#[test]
fn the_invariants_of_r4_run_over_synthea_without_errors() {
    let Some(definitions) = r4::definitions() else { return };
    let Some(folder) = r4::shared("synthea-csv-fhir-pair/fhir") else { return };
    let Some(expressions) = expressions() else { return };
    let compiled: BTreeMap<String, Expression> =
        expressions.keys().filter_map(|text| Some((text.clone(), compile_constraint(text).ok()?))).collect();
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let resources: Vec<Resource> = files
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "gz"))
        .map(|path| {
            let mut bytes = Vec::new();
            let file = std::fs::File::open(path).expect("a file");
            flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).expect("gzip");
            Resource::parse_json(&bytes).expect("JSON")
        })
        .collect();
    assert!(!resources.is_empty());
    let mut walk = Walk {
        host: Host::with_definitions(Some(definitions)),
        compiled: &compiled,
        asked: BTreeMap::new(),
        others: BTreeSet::new(),
        failed: BTreeSet::new(),
    };
    let started = std::time::Instant::now();
    for resource in &resources {
        walk.resource(&Focus::on_resource(resource.root(), Some(definitions)), definitions);
    }
    let n_asked: usize = walk.asked.values().sum();
    let each = started.elapsed().as_nanos() / n_asked as u128;
    println!("{n_asked} evaluations of {} invariants, {each} ns each with the walk", walk.asked.len());
    for other in &walk.others {
        println!("not true: {other}");
    }
    assert!(walk.failed.is_empty(), "{:#?}", walk.failed);
    assert!(n_asked > 100_000, "only {n_asked} evaluations");
    assert!(walk.asked.len() > 20, "only {} invariants were met", walk.asked.len());
}

/// What the published examples of R4 themselves break: narrative is recommended only, names are as they are.
const KNOWN_FALSE: &[&str] = &["dom-6", "csd-0", "pdf-0", "sdf-0", "spd-0", "vsd-0", "txt-1", "txt-2"];

/// The reference implementation published these as valid: an invariant that they break is most likely read wrongly.
#[test]
fn the_examples_of_r4_break_no_other_invariants_than_those_known() {
    let Some(definitions) = r4::definitions() else { return };
    let Some(expressions) = expressions() else { return };
    let compiled: BTreeMap<String, Expression> =
        expressions.keys().filter_map(|text| Some((text.clone(), compile_constraint(text).ok()?))).collect();
    let (mut n_resources, mut asked, mut wrong) = (0, BTreeSet::new(), BTreeSet::new());
    let mut met = BTreeSet::new();
    for path in r4::folders().iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten() {
        let path = path.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with("-example.json") && !name.starts_with("Questionnaire-") || !met.insert(name.clone()) {
            continue;
        }
        let resource = Resource::parse_json(&std::fs::read(&path).expect("a file")).expect("JSON");
        n_resources += 1;
        let mut walk = Walk {
            host: Host::with_definitions(Some(definitions)),
            compiled: &compiled,
            asked: BTreeMap::new(),
            others: BTreeSet::new(),
            failed: BTreeSet::new(),
        };
        walk.resource(&Focus::on_resource(resource.root(), Some(definitions)), definitions);
        asked.extend(walk.asked.keys().map(|key| (*key).to_owned()));
        let known = |other: &String| {
            other.ends_with(": Empty") || KNOWN_FALSE.iter().any(|key| other.starts_with(&format!("{key} ")))
        };
        wrong.extend(walk.others.into_iter().filter(|other| !known(other)).map(|other| format!("{name}: {other}")));
        wrong.extend(walk.failed.into_iter().map(|error| format!("{name}: {error}")));
    }
    println!("{n_resources} examples, {} invariants", asked.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}
