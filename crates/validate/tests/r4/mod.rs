//! The R4 definitions for tests, where they are installed.

use std::path::PathBuf;
use std::sync::OnceLock;

use epr_fhir::Definitions;
use epr_fhir::package::{PackageCache, PackageId, PackageSource};

/// The definitions of R4; `None`, with a printed notice, where they are not installed.
///
/// `EPR_REQUIRE` with `r4` in it turns the skip into a failure.
pub(crate) fn definitions() -> Option<&'static Definitions> {
    static LOADED: OnceLock<Option<Definitions>> = OnceLock::new();
    LOADED
        .get_or_init(|| {
            let root = std::env::home_dir().unwrap_or_default().join(".fhir/packages");
            let core: PackageId = "hl7.fhir.r4.core@4.0.1".parse().unwrap();
            let cache = PackageCache::at(root);
            if !cache.has(&core) {
                skip("r4", "hl7.fhir.r4.core@4.0.1 is not in ~/.fhir/packages");
                return None;
            }
            Some(Definitions::load(&cache, &[core]).unwrap())
        })
        .as_ref()
}

/// R4 with what `epr validate` loads beside it where it is cached, and definitions given by path.
#[allow(dead_code, reason = "each test binary takes what it needs")]
pub(crate) fn with(sources: &[PackageSource]) -> Option<Definitions> {
    definitions()?;
    let cache = PackageCache::at(std::env::home_dir().unwrap_or_default().join(".fhir/packages"));
    let names = ["hl7.fhir.r4.core@4.0.1", "hl7.terminology.r4@7.0.1", "hl7.fhir.uv.extensions.r4@5.3.0-ballot-tc1"];
    let ids: Vec<PackageId> = names.iter().map(|name| name.parse().unwrap()).filter(|id| cache.has(id)).collect();
    Some(Definitions::load_with(&cache, &ids, sources).unwrap())
}

/// A path of the shared real inputs; `None`, with a printed notice, where they are absent.
#[allow(dead_code, reason = "each test binary takes what it needs")]
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let at = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(path);
    if !at.exists() {
        skip("shared", &format!("../shared/data/{path} is absent"));
        return None;
    }
    Some(at)
}

fn skip(what: &str, why: &str) {
    let required = std::env::var("EPR_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|r| r == what), "EPR_REQUIRE asks for {what}: {why}");
    println!("skipped: {why}");
}
