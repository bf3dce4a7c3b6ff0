//! Asking a registry that speaks npm's protocol, as the FHIR package registries do.

use std::time::Duration;

use super::PackageId;
use super::install::Progress;

/// A registry that cannot be reached must not hold up the next one.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_mins(1);
const DOWNLOAD_WITHIN: Duration = Duration::from_mins(30);
const METADATA_LIMIT: u64 = 64 << 20;
const ARCHIVE_LIMIT: u64 = 1 << 30;

/// An archive as a registry gave it, with what the registry promised about it.
pub(super) struct Download {
    pub(super) url: String,
    pub(super) bytes: Vec<u8>,
    pub(super) integrity: Option<String>,
    pub(super) shasum: Option<String>,
}

/// The way to registries: one agent, so that connections are used again.
pub(super) struct Client {
    agent: ureq::Agent,
}

impl Client {
    pub(super) fn new() -> Self {
        let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_resolve(Some(CONNECT_WITHIN))
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_recv_response(Some(ANSWER_WITHIN))
            .timeout_global(Some(DOWNLOAD_WITHIN))
            .http_status_as_error(false)
            .user_agent(concat!("epr/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into() }
    }

    /// Downloads the archive of a package from one registry. The error says in words why it could not.
    ///
    /// `<registry>/<name>` lists the versions; some registries answer only `<registry>/<name>/<version>`, with the version's
    /// metadata or with the archive itself.
    pub(super) fn download(
        &self,
        registry: &str,
        id: &PackageId,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Download, String> {
        let registry = registry.trim_end_matches('/');
        progress(Progress::Asking { registry });
        let listed = format!("{registry}/{}", id.name);
        let direct = format!("{listed}/{}", id.version);
        let version = match self.get(&listed, METADATA_LIMIT, &mut |_, _| {})? {
            Some(body) => {
                let metadata = metadata(&listed, &body)?;
                let version = metadata.get("versions").and_then(|versions| versions.get(&id.version));
                version.cloned().ok_or_else(|| format!("{listed} has no version {}", id.version))?
            }
            None => match self.get(&direct, ARCHIVE_LIMIT, &mut |_, _| {})? {
                Some(bytes) if bytes.starts_with(b"\x1f\x8b") => {
                    return Ok(Download { url: direct, bytes, integrity: None, shasum: None });
                }
                Some(body) => metadata(&direct, &body)?,
                None => return Err(format!("{listed} is not there")),
            },
        };
        let dist = |name: &str| Some(version.get("dist")?.get(name)?.as_str()?.to_owned());
        let url = dist("tarball").unwrap_or(direct);
        let bytes = self
            .get(&url, ARCHIVE_LIMIT, &mut |done, total| progress(Progress::Downloading { done, total }))?
            .ok_or_else(|| format!("{url} is not there"))?;
        Ok(Download { url, bytes, integrity: dist("integrity"), shasum: dist("shasum") })
    }

    /// The body behind a URL; `None` where the registry says that there is nothing.
    fn get(
        &self,
        url: &str,
        limit: u64,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<Option<Vec<u8>>, String> {
        use std::io::Read as _;
        let failed = |error: &dyn std::fmt::Display| format!("{url}: {error}");
        let mut response = self.agent.get(url).call().map_err(|error| failed(&error))?;
        match response.status().as_u16() {
            200 => {}
            404 | 405 | 410 => return Ok(None),
            status => return Err(format!("{url} answered with status {status}")),
        }
        let total = response.body().content_length();
        let mut reader = response.body_mut().as_reader().take(limit + 1);
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 256 << 10];
        loop {
            let n = reader.read(&mut chunk).map_err(|error| failed(&error))?;
            if n == 0 {
                break;
            }
            bytes.extend_from_slice(&chunk[..n]);
            progress(bytes.len() as u64, total);
        }
        if bytes.len() as u64 > limit {
            return Err(format!("{url} gave more than {limit} bytes"));
        }
        Ok(Some(bytes))
    }
}

fn metadata(url: &str, body: &[u8]) -> Result<serde_json::Value, String> {
    serde_json::from_slice(body).map_err(|error| format!("{url} did not answer with package metadata ({error})"))
}
