//! Installing a package: from the first registry that has it, checked before anything is written, renamed into place when whole.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use super::registry::{Client, Download};
use super::{IntegrityRecord, PackageCache, PackageError, PackageId, archive, integrity};

/// Where packages are asked for when nobody says otherwise, in this order: the official FHIR registry, then npm's,
/// which holds copies of some packages.
pub const DEFAULT_REGISTRIES: &[&str] = &["https://packages.fhir.org", "https://registry.npmjs.org"];

/// A package whose conformance resources stand in for another that no registry has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// The package that it stands in for, `name@version`.
    pub stands_for: Cow<'static, str>,
    /// Name of the package that is downloaded instead.
    pub name: Cow<'static, str>,
    /// Its version.
    pub version: Cow<'static, str>,
    /// Integrity of its archive, `sha512-<base64>`.
    pub integrity: Cow<'static, str>,
}

/// The definitions of R4 out of the package of its examples, which npm's registry has and which holds them all.
pub const R4_CORE_FALLBACK: Fallback = Fallback {
    stands_for: Cow::Borrowed("hl7.fhir.r4.core@4.0.1"),
    name: Cow::Borrowed("hl7.fhir.r4.examples"),
    version: Cow::Borrowed("4.0.1"),
    integrity: Cow::Borrowed(
        "sha512-DXBdIZOeQaSKIgCU7w6HOC7sw/6BzylmipLkBW4f//pT+Bc94x+8LImwTdvaNThPJoOzpBzvxAzNqjeu3X/zLw==",
    ),
};

/// The types whose resources a fallback keeps.
const CONFORMANCE: &[&str] = &[
    "CapabilityStatement",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "ImplementationGuide",
    "NamingSystem",
    "OperationDefinition",
    "SearchParameter",
    "StructureDefinition",
    "StructureMap",
    "ValueSet",
];

/// How far an installation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'p> {
    /// A registry is asked.
    Asking {
        /// Its URL.
        registry: &'p str,
    },
    /// A registry could not give the package; the next one is asked.
    PassedOver {
        /// Why.
        why: &'p str,
    },
    /// The archive comes in.
    Downloading {
        /// Bytes so far.
        done: u64,
        /// Bytes in all, where known.
        total: Option<u64>,
    },
    /// The archive is unpacked.
    Unpacking {
        /// Files so far.
        n_files: usize,
    },
}

/// A package that is now in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Name and version.
    pub id: PackageId,
    /// SHA-256 over its files, hexadecimal.
    pub sha256: String,
    /// What was recorded; absent where somebody had placed the package there.
    pub record: Option<IntegrityRecord>,
    /// Whether it was there before.
    pub was_there: bool,
    /// Why registries were passed over, in the order asked.
    pub passed_over: Vec<String>,
}

/// Installs one package into the cache, or finds it there and checks it.
///
/// The registries are asked in order. `integrity` (`sha512-<base64>`), where given, must be that of the archive; otherwise what
/// the registry promises must be. Only where no registry has the package is a fallback for it used. After an error the cache
/// is as it was. Several processes may install at once; the second waits for the first.
pub fn install<R: AsRef<str>>(
    cache: &PackageCache,
    registries: &[R],
    wanted: &PackageId,
    fallbacks: &[Fallback],
    integrity: Option<&str>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Installed, PackageError> {
    let expected = integrity
        .map(|text| integrity::sha512_part(text).ok_or(PackageError::BadIntegrity { id: wanted.to_string() }))
        .transpose()?;
    let own = cache.own_folder();
    fs::create_dir_all(&own).map_err(PackageError::disk("make the folder", &own))?;
    let _lock = lock(&own.join(format!("{}#{}.lock", wanted.name, wanted.version)))?;
    if cache.has(wanted) {
        return already_there(cache, wanted, expected);
    }
    let client = Client::new();
    let mut passed_over = Vec::new();
    if let Some(download) = ask(&client, registries, wanted, &mut passed_over, progress) {
        check(wanted, &download, expected)?;
        let record = unpack(cache, wanted, None, &download, progress)?;
        return Ok(Installed {
            id: wanted.clone(),
            sha256: record.sha256.clone(),
            record: Some(record),
            was_there: false,
            passed_over,
        });
    }
    let stands_for = wanted.to_string();
    // An integrity that the caller gives is that of the package itself, which a stand-in can never have.
    for fallback in fallbacks.iter().filter(|fallback| fallback.stands_for == stands_for && expected.is_none()) {
        let other: PackageId = format!("{}@{}", fallback.name, fallback.version).parse()?;
        if let Some(download) = ask(&client, registries, &other, &mut passed_over, progress) {
            let promised = integrity::sha512_part(&fallback.integrity);
            check(&other, &download, Some(promised.ok_or(PackageError::BadIntegrity { id: other.to_string() })?))?;
            let record = unpack(cache, wanted, Some(&other), &download, progress)?;
            return Ok(Installed {
                id: wanted.clone(),
                sha256: record.sha256.clone(),
                record: Some(record),
                was_there: false,
                passed_over,
            });
        }
    }
    Err(PackageError::NotFound { id: wanted.to_string(), tried: passed_over })
}

/// Installs a package from an archive on disk, or finds it in the cache and checks it; the archive itself says which it is.
///
/// `integrity` (`sha512-<base64>`), where given, must be that of the archive, and `wanted`, where given, must be what it is.
/// After an error the cache is as it was.
pub fn install_archive(
    cache: &PackageCache,
    path: &Path,
    wanted: Option<&PackageId>,
    integrity: Option<&str>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Installed, PackageError> {
    let bytes = fs::read(path).map_err(PackageError::disk("read", path))?;
    let download = Download { url: path.display().to_string(), bytes, integrity: None, shasum: None };
    let id = match wanted {
        Some(id) => id.clone(),
        None => id_of(&download)?,
    };
    let expected = integrity
        .map(|text| integrity::sha512_part(text).ok_or(PackageError::BadIntegrity { id: id.to_string() }))
        .transpose()?;
    check(&id, &download, expected)?;
    let own = cache.own_folder();
    fs::create_dir_all(&own).map_err(PackageError::disk("make the folder", &own))?;
    let _lock = lock(&own.join(format!("{}#{}.lock", id.name, id.version)))?;
    if cache.has(&id) {
        return already_there(cache, &id, expected);
    }
    let record = unpack(cache, &id, None, &download, progress)?;
    Ok(Installed { id, sha256: record.sha256.clone(), record: Some(record), was_there: false, passed_over: Vec::new() })
}

/// The package that an archive says it is.
fn id_of(download: &Download) -> Result<PackageId, PackageError> {
    let mut manifest = None;
    archive::for_each_file(&download.bytes, |path, bytes| {
        if path == "package/package.json" {
            manifest = Some(bytes);
        }
        Ok(())
    })
    .map_err(|fault| fault.at(&download.url))?;
    let manifest = manifest.ok_or_else(|| bad_archive(download, "it has no package/package.json".to_owned()))?;
    let manifest = read_manifest(&manifest).map_err(|what| bad_archive(download, what))?;
    let text = |member: &str| manifest.get(member).and_then(|value| value.as_str()).unwrap_or_default();
    format!("{}@{}", text("name"), text("version")).parse()
}

fn already_there(cache: &PackageCache, wanted: &PackageId, expected: Option<&str>) -> Result<Installed, PackageError> {
    let verified = cache.verify(wanted)?;
    if let (Some(expected), Some(record)) = (expected, &verified.record)
        && record.integrity != expected
    {
        return Err(PackageError::Integrity {
            id: wanted.to_string(),
            url: record.from.clone(),
            expected: expected.to_owned(),
            found: record.integrity.clone(),
        });
    }
    Ok(Installed {
        id: wanted.clone(),
        sha256: verified.sha256,
        record: verified.record,
        was_there: true,
        passed_over: Vec::new(),
    })
}

fn ask<R: AsRef<str>>(
    client: &Client,
    registries: &[R],
    id: &PackageId,
    passed_over: &mut Vec<String>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Option<Download> {
    for registry in registries {
        match client.download(registry.as_ref(), id, progress) {
            Ok(download) => return Some(download),
            Err(why) => {
                progress(Progress::PassedOver { why: &why });
                passed_over.push(why);
            }
        }
    }
    None
}

/// Compares an archive with what was promised: by the caller, else by the registry.
fn check(id: &PackageId, download: &Download, expected: Option<&str>) -> Result<(), PackageError> {
    let promised = expected.or_else(|| download.integrity.as_deref().and_then(integrity::sha512_part));
    let (promised, found) = match (promised, &download.shasum) {
        (Some(promised), _) => (promised, integrity::sha512_integrity(&download.bytes)),
        (None, Some(shasum)) => (shasum.as_str(), integrity::shasum(&download.bytes)),
        (None, None) => return Ok(()),
    };
    if promised == found {
        return Ok(());
    }
    Err(PackageError::Integrity { id: id.to_string(), url: download.url.clone(), expected: promised.to_owned(), found })
}

/// Unpacks beside the final place and renames when all is written, the record included.
fn unpack(
    cache: &PackageCache,
    id: &PackageId,
    stand_in: Option<&PackageId>,
    download: &Download,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<IntegrityRecord, PackageError> {
    // The lock makes this process the only one that installs this package, so a folder left here is from a killed one.
    let temporary = cache.own_folder().join(format!("installing-{}#{}", id.name, id.version));
    remove(&temporary)?;
    let unpacked = write_files(&temporary, id, stand_in, download, progress);
    let finished = unpacked.and_then(|record| {
        integrity::write_record(&temporary, &record)?;
        let folder = cache.folder(id);
        remove(&folder)?;
        fs::rename(&temporary, &folder).map_err(PackageError::disk("rename into place", &folder))?;
        Ok(record)
    });
    if finished.is_err() {
        remove(&temporary)?;
    }
    finished
}

fn write_files(
    folder: &Path,
    id: &PackageId,
    stand_in: Option<&PackageId>,
    download: &Download,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<IntegrityRecord, PackageError> {
    let mut n_files = 0;
    let mut manifest = None;
    archive::for_each_file(&download.bytes, |path, mut bytes| {
        if path == "package/package.json" {
            if let Some(stand_in) = stand_in {
                bytes = manifest_of_stand_in(id, stand_in, &bytes).map_err(|what| bad_archive(download, what))?;
            }
            manifest = Some(bytes.clone());
        } else if stand_in.is_some() && !is_conformance(path) {
            return Ok(());
        }
        let target = folder.join(path);
        let parent = target.parent().expect("a file inside a folder has a parent");
        fs::create_dir_all(parent).map_err(PackageError::disk("make the folder", parent))?;
        fs::write(&target, bytes).map_err(PackageError::disk("write", &target))?;
        n_files += 1;
        if n_files % 200 == 0 {
            progress(Progress::Unpacking { n_files });
        }
        Ok(())
    })
    .map_err(|fault| fault.at(&download.url))?;
    let manifest = manifest.ok_or_else(|| bad_archive(download, "it has no package/package.json".to_owned()))?;
    check_manifest(id, &manifest).map_err(|what| bad_archive(download, what))?;
    Ok(IntegrityRecord {
        package: id.to_string(),
        from: download.url.clone(),
        stands_in: stand_in.map(ToString::to_string),
        integrity: integrity::sha512_integrity(&download.bytes),
        sha256: integrity::hash_folder(&folder.join("package"))?,
    })
}

fn bad_archive(download: &Download, what: String) -> PackageError {
    PackageError::BadArchive { origin: download.url.clone(), what }
}

/// An archive that calls itself another package is not the one that was asked for.
fn check_manifest(id: &PackageId, manifest: &[u8]) -> Result<(), String> {
    let manifest = read_manifest(manifest)?;
    let is = |member: &str, expected: &str| manifest.get(member).and_then(|value| value.as_str()) == Some(expected);
    if is("name", &id.name) && is("version", &id.version) {
        Ok(())
    } else {
        Err(format!("its package.json is not that of {id}"))
    }
}

fn manifest_of_stand_in(id: &PackageId, stand_in: &PackageId, manifest: &[u8]) -> Result<Vec<u8>, String> {
    check_manifest(stand_in, manifest)?;
    let mut manifest = read_manifest(manifest)?;
    let members = manifest.as_object_mut().ok_or("its package.json is no object")?;
    members.insert("name".to_owned(), id.name.clone().into());
    members.insert("version".to_owned(), id.version.clone().into());
    members.insert("type".to_owned(), "Core".into());
    members.insert("title".to_owned(), format!("Conformance resources out of {stand_in}").into());
    members.insert(
        "description".to_owned(),
        format!("Made by epr out of {stand_in}, because no registry had {id}: its conformance resources only").into(),
    );
    Ok(serde_json::to_vec_pretty(&manifest).expect("a JSON value is always JSON"))
}

fn read_manifest(bytes: &[u8]) -> Result<serde_json::Value, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("its package.json is not JSON ({error})"))
}

fn is_conformance(path: &str) -> bool {
    let Some(file) = path.strip_prefix("package/") else { return false };
    file.split_once('-').is_some_and(|(resource_type, _)| CONFORMANCE.contains(&resource_type))
}

fn lock(path: &Path) -> Result<fs::File, PackageError> {
    let file = fs::File::create(path).map_err(PackageError::disk("make the lock", path))?;
    file.lock().map_err(PackageError::disk("lock", path))?;
    Ok(file)
}

fn remove(folder: &Path) -> Result<(), PackageError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(PackageError::disk("remove the folder", folder)(error))
        }
        _ => Ok(()),
    }
}
