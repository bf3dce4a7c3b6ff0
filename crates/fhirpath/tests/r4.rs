//! The R4 definitions, where the machine has them.

use std::path::PathBuf;
use std::sync::OnceLock;

use epr_fhir::Definitions;
use epr_fhir::package::{PackageCache, PackageId};

/// The folder of the installed package, or none with a notice.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = cache()?.join("hl7.fhir.r4.core#4.0.1/package");
    if !folder.is_dir() {
        println!("skipped: hl7.fhir.r4.core 4.0.1 is not installed in {}", folder.display());
        return None;
    }
    Some(folder)
}

/// The folders that may hold the examples of R4.
pub(crate) fn folders() -> Vec<PathBuf> {
    let names = ["hl7.fhir.r4.core#4.0.1", "hl7.fhir.r4.examples#4.0.1"];
    cache().into_iter().flat_map(|cache| names.map(|name| cache.join(name).join("package"))).collect()
}

fn cache() -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var_os("HOME")?).join(".fhir/packages"))
}

/// The definitions, loaded once.
pub(crate) fn definitions() -> Option<&'static Definitions> {
    static LOADED: OnceLock<Option<Definitions>> = OnceLock::new();
    let loaded = LOADED.get_or_init(|| {
        folder()?;
        let id: PackageId = "hl7.fhir.r4.core@4.0.1".parse().expect("a package id");
        Some(Definitions::load(&PackageCache::at(cache()?), &[id]).expect("the installed package loads"))
    });
    // Until structures can be asked for, types cannot be either.
    loaded.as_ref().filter(|definitions| definitions.structure("Patient").is_some())
}

/// The inputs that the project did not write, where they are at hand.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let full = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(path);
    if full.exists() {
        return Some(full);
    }
    println!("skipped: {} is not there", full.display());
    None
}
