//! What is executed: readers of JSON and XML with everything that is checked behind them, FHIRPath, and packages.

use std::collections::BTreeMap;
use std::path::PathBuf;

use epr_fhir::package::{PackageCache, PackageId, PackageSource};
use epr_fhir::{Definitions, Node, Resource, XmlReader};
use epr_fhirpath::{Focus, Host};
use epr_validate::{Checker, Program};

use super::breaking;
use crate::mutants::Dice;

/// How deep what is read may be.
const DEPTH: usize = 100;

/// What all targets stand on: R4 where it is installed, and a program for it.
pub(super) struct Ground {
    definitions: Definitions,
    program: Option<Program<'static>>,
    /// A resource for expressions.
    patient: Resource,
}

impl Ground {
    /// Lives as long as the process: programs borrow the definitions.
    pub(super) fn prepare() -> &'static Self {
        let cache = PackageCache::at(std::env::home_dir().unwrap_or_default().join(".fhir/packages"));
        let core: PackageId = "hl7.fhir.r4.core@4.0.1".parse().expect("a name and a version");
        let definitions = if cache.has(&core) {
            Definitions::load(&cache, &[core]).unwrap_or_default()
        } else {
            Definitions::default()
        };
        let patient = std::fs::read(crate::root().join("fixtures/fuzz/json/patient.json")).unwrap_or_default();
        let ground = Box::leak(Box::new(Self {
            definitions,
            program: None,
            patient: Resource::parse_json(&patient).unwrap_or_default(),
        }));
        // The program borrows what is leaked beside it.
        let definitions: &'static Definitions = Box::leak(Box::new(ground.definitions.clone()));
        ground.program =
            Program::compile(definitions, &BTreeMap::new()).ok().filter(|_| definitions.structure("Patient").is_some());
        ground
    }

    pub(super) fn has_definitions(&self) -> bool {
        self.program.is_some()
    }
}

/// One execution: it panics, or it does not.
pub(super) type Exec = Box<dyn FnMut(&[u8])>;

/// Makes something broken of one input, with the corpus at hand.
pub(super) type Breaks = fn(&[u8], &[Vec<u8>], &mut Dice) -> Vec<u8>;

/// A reader of bytes from outside.
pub(super) struct Target {
    pub(super) name: &'static str,
    /// Its part of all executions.
    pub(super) share: u64,
    pub(super) prepare: fn(&'static Ground) -> Exec,
    pub(super) breaks: Breaks,
}

pub(super) const TARGETS: &[Target] = &[
    Target { name: "json", share: 3, prepare: json, breaks: breaking::json },
    Target { name: "xml", share: 3, prepare: xml, breaks: breaking::xml },
    Target { name: "fhirpath", share: 3, prepare: fhirpath, breaks: breaking::fhirpath },
    Target { name: "packages", share: 1, prepare: packages, breaks: breaking::packages },
];

fn json(ground: &'static Ground) -> Exec {
    let mut checker = ground.program.as_ref().map(Checker::new);
    let mut resource = Resource::default();
    Box::new(move |bytes| {
        if resource.parse_nearly_json_into(bytes).is_ok() {
            assert!(is_within(resource.root(), DEPTH), "deeper than {DEPTH} levels was read");
            if let Some(checker) = &mut checker {
                checker.check(&resource);
            }
        }
    })
}

fn xml(ground: &'static Ground) -> Exec {
    let mut checker = ground.program.as_ref().map(Checker::new);
    let mut reader = XmlReader::new(&ground.definitions);
    let mut resource = Resource::default();
    Box::new(move |bytes| {
        if reader.read_into(bytes, &mut resource).is_ok() {
            assert!(is_within(resource.root(), DEPTH), "deeper than {DEPTH} levels was read");
            if let Some(checker) = &mut checker {
                checker.check(&resource);
            }
        }
    })
}

/// Whether objects and arrays are nested no deeper than `depth`; what stands in the innermost is no level.
fn is_within(node: Node<'_>, depth: usize) -> bool {
    let mut inside = node.members().map(|(_, n)| n).chain(node.items()).peekable();
    inside.peek().is_none() || (depth > 0 && inside.all(|n| is_within(n, depth - 1)))
}

fn fhirpath(ground: &'static Ground) -> Exec {
    Box::new(move |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let Ok(expression) = epr_fhirpath::compile(text) else { return };
        for definitions in [None, ground.has_definitions().then_some(&ground.definitions)] {
            let host = Host::with_definitions(definitions);
            let focus = Focus::on_resource(ground.patient.root(), definitions);
            // An error of evaluation is an answer.
            let _ = expression.evaluate(&host, focus);
            let _ = expression.check(&host, &focus);
        }
    })
}

fn packages(ground: &'static Ground) -> Exec {
    let scratch = std::env::temp_dir().join(format!("epr-fuzz-{}.tgz", std::process::id()));
    Box::new(move |bytes| {
        let name = if bytes.first() == Some(&b'<') { "package.xml" } else { "one.json" };
        let source = if bytes.starts_with(b"\x1f\x8b") {
            if std::fs::write(&scratch, bytes).is_err() {
                return;
            }
            let opened = PackageSource::open(&scratch);
            let _ = std::fs::remove_file(&scratch);
            let Ok(source) = opened else { return };
            source
        } else {
            PackageSource {
                path: PathBuf::from(name),
                sha256: String::new(),
                files: vec![(name.to_owned(), bytes.to_vec())],
            }
        };
        let Ok(definitions) = ground.definitions.with(&[source]) else { return };
        let url = "http://x.example/StructureDefinition/p";
        let Some(structure) = definitions.structure(url) else { return };
        let about = BTreeMap::from([(structure.type_name.clone(), url.to_owned())]);
        let _ = definitions.snapshot_faults();
        // Compiling is the dear part: for a structure that stands a chance of having a snapshot.
        if bytes.len() % 16 == 0
            && let Ok(program) = Program::compile(&definitions, &about)
        {
            Checker::new(&program).check(&ground.patient);
        }
    })
}
