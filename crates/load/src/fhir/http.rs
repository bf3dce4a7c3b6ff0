//! One FHIR server over HTTP: requests that end in an answer, or in none.

use std::time::Duration;

use epr_model::Sensitive;

/// More than any server answers to a bundle; less than what would fill the memory.
const ANSWER_LIMIT: u64 = 1 << 30;

/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// What came back.
#[derive(Debug)]
pub(crate) enum Reply {
    Answer {
        status: u16,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
        body: Vec<u8>,
    },
    /// The connection was not made, or it ended before the answer was whole: nobody knows what the server did.
    None,
}

/// The way to one server; connections are used again. May be shared by threads.
#[derive(Debug)]
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
    authorization: Option<Sensitive<String>>,
}

impl Client {
    /// `url` is the server's base; `token` is sent as a bearer token.
    pub(crate) fn new(url: &str, token: Option<&Sensitive<String>>, timeout: Duration) -> Self {
        let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_connect(Some(CONNECT_WITHIN.min(timeout)))
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            // A redirect would carry patient data to an address that nobody approved.
            .max_redirects(0)
            .user_agent(concat!("epr/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.into(),
            base: url.trim_end_matches('/').to_owned(),
            authorization: token.map(|token| Sensitive::new(format!("Bearer {}", token.expose()))),
        }
    }

    /// The server's base, without a slash at its end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Posts a bundle to the base.
    pub(crate) fn post(&self, body: &[u8]) -> Reply {
        let mut request = self
            .agent
            .post(&self.base)
            .header("Content-Type", "application/fhir+json")
            .header("Accept", "application/fhir+json")
            .header("Prefer", "return=minimal");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization.expose());
        }
        read(request.send(body))
    }

    /// Gets what is below the base.
    pub(crate) fn get(&self, path: &str) -> Reply {
        let mut request = self.agent.get(format!("{}/{path}", self.base)).header("Accept", "application/fhir+json");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization.expose());
        }
        read(request.call())
    }
}

fn read(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Reply {
    let Ok(mut response) = result else { return Reply::None };
    let status = response.status().as_u16();
    let retry_after = response.headers().get("Retry-After").and_then(|value| value.to_str().ok()).map(retry_after);
    match response.body_mut().with_config().limit(ANSWER_LIMIT).read_to_vec() {
        Ok(body) => Reply::Answer { status, retry_after, body },
        Err(_) => Reply::None,
    }
}

/// Seconds; a date, which would ask for a clock, counts as five.
fn retry_after(value: &str) -> Duration {
    value.trim().parse().map_or(Duration::from_secs(5), Duration::from_secs)
}
