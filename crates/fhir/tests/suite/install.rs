//! Installing packages from a made-up registry on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use epr_fhir::package::{
    Fallback, Installed, PackageCache, PackageError, PackageId, PackageSource, R4_CORE_FALLBACK, install,
    install_archive,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha512};

type Pages = BTreeMap<String, Vec<u8>>;

/// A registry that serves pages by path and counts what is asked; it lives as long as the test process.
#[derive(Clone)]
struct Registry {
    url: String,
    pages: Arc<Mutex<Pages>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let registry = Self { url, pages: Arc::default(), asked: Arc::default() };
        let serving = registry.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                serving.answer(stream.unwrap());
            }
        });
        registry
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let Some(Ok(first)) = lines.next() else { return };
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let page = self.pages.lock().unwrap().get(&path).cloned();
        self.asked.lock().unwrap().push(path);
        let (status, body) = page.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    }

    /// Serves an archive as a version of a package, with the `dist` members given.
    fn publish(&self, id: &PackageId, tgz: &[u8], dist: &[(&str, String)]) {
        let tarball = format!("/{}/-/{}.tgz", id.name, id.version);
        let promised: String =
            dist.iter().fold(String::new(), |text, (name, value)| format!("{text},\"{name}\":\"{value}\""));
        let metadata = format!(
            "{{\"versions\":{{\"{}\":{{\"dist\":{{\"tarball\":\"{}{tarball}\"{promised}}}}}}}}}",
            id.version, self.url
        );
        let mut pages = self.pages.lock().unwrap();
        pages.insert(format!("/{}", id.name), metadata.into_bytes());
        pages.insert(tarball, tgz.to_vec());
    }
}

fn integrity(bytes: &[u8]) -> String {
    // The encoding is checked against RFC 4648's examples elsewhere; here it is made by other means.
    let digest = Sha512::digest(bytes);
    let bits: Vec<u8> = digest.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let letters: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*b"+/").collect();
    let mut text: String = bits
        .chunks(6)
        .map(|chunk| {
            let value = (0..6).fold(0, |value, at| value << 1 | chunk.get(at).copied().unwrap_or(0));
            char::from(letters[usize::from(value)])
        })
        .collect();
    text.push_str("==");
    format!("sha512-{text}")
}

fn tgz(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        // Written by hand, because the builder refuses the paths that an attacker would choose.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn id() -> PackageId {
    "test.package@1.2.3".parse().unwrap()
}

const MANIFEST: &str = r#"{"name":"test.package","version":"1.2.3"}"#;
const PATIENT: &str = r#"{"resourceType":"StructureDefinition","url":"http://example.org/p","type":"Patient"}"#;

fn good() -> Vec<u8> {
    tgz(&[("package/package.json", MANIFEST), ("package/StructureDefinition-p.json", PATIENT)])
}

fn cache() -> (tempfile::TempDir, PackageCache) {
    let root = tempfile::tempdir().unwrap();
    let cache = PackageCache::at(root.path().join("packages"));
    (root, cache)
}

fn install_from(cache: &PackageCache, registries: &[&Registry]) -> Result<Installed, PackageError> {
    let urls: Vec<&str> = registries.iter().map(|registry| registry.url.as_str()).collect();
    install(cache, &urls, &id(), &[], None, &mut |_| {})
}

/// After a failure there is no package, and nothing half made.
fn assert_nothing_installed(cache: &PackageCache) {
    assert!(cache.list().unwrap().is_empty());
    let left: Vec<_> =
        fs::read_dir(cache.root().join(".epr")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().ends_with(".lock")), "{left:?}");
}

#[test]
fn a_package_is_installed_recorded_and_not_fetched_twice() {
    let (registry, (_root, cache)) = (Registry::start(), cache());
    registry.publish(&id(), &good(), &[("integrity", integrity(&good()))]);
    let installed = install_from(&cache, &[&registry]).unwrap();
    let record = installed.record.clone().unwrap();
    assert!(!installed.was_there);
    assert_eq!(record.integrity, integrity(&good()));
    assert_eq!(fs::read_to_string(cache.folder(&id()).join("package/package.json")).unwrap(), MANIFEST);
    let n_asked = registry.asked.lock().unwrap().len();
    let again = install_from(&cache, &[&registry]).unwrap();
    assert!(again.was_there);
    assert_eq!((again.sha256, again.record), (installed.sha256, installed.record));
    assert_eq!(registry.asked.lock().unwrap().len(), n_asked);
}

#[test]
fn an_altered_package_is_found() {
    let (registry, (_root, cache)) = (Registry::start(), cache());
    registry.publish(&id(), &good(), &[("integrity", integrity(&good()))]);
    install_from(&cache, &[&registry]).unwrap();
    let file = cache.folder(&id()).join("package/StructureDefinition-p.json");
    fs::write(&file, PATIENT.replace("Patient", "Persona")).unwrap();
    assert!(matches!(cache.verify(&id()).unwrap_err(), PackageError::Altered { .. }));
    let error = epr_fhir::Definitions::load(&cache, &[id()]).unwrap_err().to_string();
    assert!(error.contains("was altered since it was installed"), "{error}");
    assert!(matches!(install_from(&cache, &[&registry]).unwrap_err(), PackageError::Altered { .. }));
    fs::write(&file, PATIENT).unwrap();
    assert!(epr_fhir::Definitions::load(&cache, &[id()]).is_ok());
    fs::write(cache.folder(&id()).join("package/ValueSet-more.json"), "{}").unwrap();
    assert!(matches!(cache.verify(&id()).unwrap_err(), PackageError::Altered { .. }));
}

#[test]
fn an_archive_that_is_not_what_was_promised_is_refused() {
    let (registry, (_root, cache)) = (Registry::start(), cache());
    registry.publish(&id(), &good(), &[("integrity", integrity(b"something else"))]);
    assert!(matches!(install_from(&cache, &[&registry]).unwrap_err(), PackageError::Integrity { .. }));
    registry.publish(&id(), &good(), &[("shasum", "0000000000000000000000000000000000000000".to_owned())]);
    assert!(matches!(install_from(&cache, &[&registry]).unwrap_err(), PackageError::Integrity { .. }));
    assert_nothing_installed(&cache);
}

#[test]
fn the_integrity_that_the_caller_gives_wins_over_the_registry_s() {
    let (registry, (_root, cache)) = (Registry::start(), cache());
    registry.publish(&id(), &good(), &[("integrity", integrity(&good()))]);
    let with = |given: &str| install(&cache, &[&registry.url], &id(), &[], Some(given), &mut |_| {});
    assert!(matches!(with(&integrity(b"other")).unwrap_err(), PackageError::Integrity { .. }));
    assert!(matches!(with("md5-nonsense").unwrap_err(), PackageError::BadIntegrity { .. }));
    assert_nothing_installed(&cache);
    assert!(with(&integrity(&good())).is_ok());
    // Also where the package is there already.
    assert!(matches!(with(&integrity(b"other")).unwrap_err(), PackageError::Integrity { .. }));
}

#[test]
fn an_unsound_archive_is_refused_whatever_its_hash() {
    let whole = good();
    let other_manifest = MANIFEST.replace("1.2.3", "9.9.9");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("truncated", whole[..whole.len() / 2].to_vec()),
        ("not an archive", b"<html>sign in</html>".to_vec()),
        ("path out of the folder", tgz(&[("package/package.json", MANIFEST), ("package/../../evil.json", "{}")])),
        ("absolute path", tgz(&[("package/package.json", MANIFEST), ("/tmp/epr-evil.json", "{}")])),
        ("no manifest", tgz(&[("package/StructureDefinition-p.json", PATIENT)])),
        ("another package", tgz(&[("package/package.json", &other_manifest)])),
        ("empty", tgz(&[])),
    ];
    for (name, archive) in cases {
        let (registry, (root, cache)) = (Registry::start(), cache());
        registry.publish(&id(), &archive, &[("integrity", integrity(&archive))]);
        let error = install_from(&cache, &[&registry]).unwrap_err();
        assert!(matches!(error, PackageError::BadArchive { .. }), "{name}: {error}");
        assert_nothing_installed(&cache);
        assert!(!root.path().join("evil.json").exists(), "{name}");
    }
}

#[test]
fn a_link_in_an_archive_is_refused() {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    archive.append_link(&mut header, "package/package.json", "/etc/passwd").unwrap();
    let archive = archive.into_inner().unwrap().finish().unwrap();
    let (registry, (_root, cache)) = (Registry::start(), cache());
    registry.publish(&id(), &archive, &[]);
    let error = install_from(&cache, &[&registry]).unwrap_err();
    assert!(error.to_string().contains("a link or a special file"), "{error}");
    assert_nothing_installed(&cache);
}

#[test]
fn the_next_registry_is_asked_where_one_cannot_give_the_package() {
    let (empty, older, full, (_root, cache)) = (Registry::start(), Registry::start(), Registry::start(), cache());
    older.publish(&"test.package@1.0.0".parse().unwrap(), &good(), &[]);
    full.publish(&id(), &good(), &[]);
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Registry {
            url: format!("http://{}", listener.local_addr().unwrap()),
            pages: Arc::default(),
            asked: Arc::default(),
        }
    };
    let installed = install_from(&cache, &[&gone, &empty, &older, &full]).unwrap();
    assert_eq!(installed.passed_over.len(), 3);
    assert!(installed.passed_over[2].ends_with("has no version 1.2.3"), "{:?}", installed.passed_over);
    assert!(installed.record.unwrap().from.starts_with(&full.url));
}

#[test]
fn a_package_that_no_registry_has_is_an_error_that_names_each() {
    let (registry, (_root, cache)) = (Registry::start(), cache());
    let error = install_from(&cache, &[&registry]).unwrap_err();
    assert!(matches!(&error, PackageError::NotFound { tried, .. } if tried.len() == 1));
    assert!(error.to_string().contains(&registry.url), "{error}");
    assert_nothing_installed(&cache);
}

#[test]
fn a_registry_that_answers_only_for_a_version_is_understood() {
    let (registry, (_root, cache)) = (Registry::start(), cache());
    registry.pages.lock().unwrap().insert("/test.package/1.2.3".to_owned(), good());
    assert_eq!(install_from(&cache, &[&registry]).unwrap().record.unwrap().integrity, integrity(&good()));
}

#[test]
fn a_fallback_gives_its_conformance_resources_only() {
    let (registry, (_root, cache)) = (Registry::start(), cache());
    let archive = tgz(&[
        ("package/package.json", r#"{"name":"test.examples","version":"1.2.3","license":"CC0-1.0"}"#),
        ("package/StructureDefinition-p.json", PATIENT),
        ("package/Patient-example.json", "{}"),
        ("package/other/StructureDefinition-q.json", "{}"),
    ]);
    registry.publish(&"test.examples@1.2.3".parse().unwrap(), &archive, &[]);
    let fallback = Fallback {
        stands_for: "test.package@1.2.3".into(),
        name: "test.examples".into(),
        version: "1.2.3".into(),
        integrity: integrity(&archive).into(),
    };
    let wrong = Fallback { integrity: integrity(b"").into(), ..fallback.clone() };
    let with = |fallbacks: &[Fallback]| install(&cache, &[&registry.url], &id(), fallbacks, None, &mut |_| {});
    assert!(matches!(with(&[R4_CORE_FALLBACK]).unwrap_err(), PackageError::NotFound { .. }));
    assert!(matches!(with(&[wrong]).unwrap_err(), PackageError::Integrity { .. }));
    assert_nothing_installed(&cache);
    let installed = with(&[fallback]).unwrap();
    assert_eq!(installed.record.unwrap().stands_in.as_deref(), Some("test.examples@1.2.3"));
    let folder = cache.folder(&id()).join("package");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["StructureDefinition-p.json", "package.json"]);
    insta::assert_snapshot!(fs::read_to_string(folder.join("package.json")).unwrap());
}

#[test]
fn an_archive_and_a_folder_are_packages_too() {
    let root = tempfile::tempdir().unwrap();
    let archive = root.path().join("p.tgz");
    fs::write(&archive, good()).unwrap();
    let folder = root.path().join("p/package");
    fs::create_dir_all(folder.join("example")).unwrap();
    fs::write(folder.join("StructureDefinition-p.json"), PATIENT).unwrap();
    fs::write(folder.join("package.json"), MANIFEST).unwrap();
    fs::write(folder.join("example/Patient-x.json"), "{}").unwrap();
    let (archive, folder) =
        (PackageSource::open(&archive).unwrap(), PackageSource::open(&root.path().join("p")).unwrap());
    assert_eq!(archive.files, [("StructureDefinition-p.json".to_owned(), PATIENT.as_bytes().to_vec())]);
    assert_eq!((&folder.files, &folder.sha256), (&archive.files, &archive.sha256));
    fs::write(root.path().join("bad.tgz"), &good()[..60]).unwrap();
    let error = PackageSource::open(&root.path().join("bad.tgz")).unwrap_err();
    assert!(matches!(error, PackageError::BadArchive { .. }), "{error}");
}

#[test]
fn a_package_id_can_name_no_other_folder() {
    for text in ["hl7.fhir.r4.core@4.0.1", "a#1.0.0-ballot-tc1"] {
        assert!(text.parse::<PackageId>().is_ok(), "{text}");
    }
    for text in ["", "a", "a@", "@1", "../a@1", "a@../1", "a/b@1", "a@1/2", "a@1@2", ".epr@1", "a b@1"] {
        assert!(text.parse::<PackageId>().is_err(), "{text}");
    }
    assert_eq!("a#1".parse::<PackageId>().unwrap().to_string(), "a@1");
}

#[test]
fn an_archive_on_disk_is_installed_as_what_it_says_it_is() {
    let (root, cache) = cache();
    let path = root.path().join("given.tgz");
    fs::write(&path, good()).unwrap();
    let wrong = install_archive(&cache, &path, None, Some(&integrity(b"another")), &mut |_| {});
    assert!(matches!(wrong, Err(PackageError::Integrity { .. })), "{wrong:?}");
    assert!(!cache.has(&id()));
    let installed = install_archive(&cache, &path, None, Some(&integrity(&good())), &mut |_| {}).unwrap();
    assert_eq!((&installed.id, installed.was_there), (&id(), false));
    assert!(cache.has(&id()) && install_archive(&cache, &path, None, None, &mut |_| {}).unwrap().was_there);
    let other: PackageId = "other.package@1.0.0".parse().unwrap();
    let refused = install_archive(&cache, &path, Some(&other), None, &mut |_| {});
    assert!(matches!(refused, Err(PackageError::BadArchive { .. })), "{refused:?}");
}
