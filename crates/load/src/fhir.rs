//! Target `fhir`: a FHIR R4 server that people may treat patients by.
//!
//! Everything goes as a PUT under the id that map made, in bundles, what is referred to first. The journal
//! ([`crate::journal`]) knows what the server confirmed: what is the same is not sent again, what differs goes with
//! the version that must be there, and what somebody edited at the server stays as they wrote it.
//!
//! | what you want to find | module |
//! |---|---|
//! | what is sent next, and what an answer means | [`delivery`] |
//! | bundles out, answers in | [`bundle`] |
//! | whether two contents are the same | [`content`] |
//! | how many bundles are on their way at once | [`window`] |
//! | references in a resource's bytes | [`references`] |
//! | requests | [`http`] |
//! | what a server can do | [`capability`] |
//! | reading everything back | [`verify`] |
//! | what a load would send | [`forecast`] |

pub mod bundle;
mod capability;
pub mod content;
mod delivery;
pub mod forecast;
mod http;
mod references;
pub mod verify;
mod window;

use std::path::PathBuf;
use std::time::Duration;

use epr_model::Sensitive;
use epr_run::Sha256Hex;

use crate::fhir::bundle::BundleKind;
use crate::fhir::delivery::Delivery as Sending;
use crate::fhir::http::{Client, Reply};
use crate::journal::{Journal, State};
use crate::order::Order;
use crate::receipts::Receipts;
use crate::sorted::{Outgoing, SortedResources, Sorter};
use crate::target::{Answer, Capabilities, Delivery, Target};
use crate::{LoadError, LoadInput};

/// Which resources are looked at although nothing is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// All that earlier loads confirmed: an edit at the target is found even where we have nothing new.
    All,
    /// Only those whose content differs from what was confirmed.
    Changed,
}

impl Look {
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "all" => Some(Self::All),
            "changed" => Some(Self::Changed),
            _ => None,
        }
    }
}

/// A server, and how it wants to be spoken to.
#[derive(Debug, Clone)]
pub struct FhirServer {
    /// The base, as `https://epr.example/fhir`.
    pub url: String,
    /// A bearer token.
    pub token: Option<Sensitive<String>>,
    /// `state/<target>/journal.sqlite`.
    pub journal: PathBuf,
    /// A recorded CapabilityStatement, for a server that has none to give.
    pub capability: Option<PathBuf>,
    /// Whatever the server says of itself.
    pub bundle: Option<BundleKind>,
    /// In one bundle.
    pub max_entries: usize,
    /// Of resources in one bundle; a resource alone may be larger.
    pub max_bytes: usize,
    /// Bundles on their way at once, at most.
    pub in_flight: usize,
    /// For one request.
    pub timeout: Duration,
    /// How long a target may say "not now" before the load ends unfinished, pauses added up.
    pub patience: Duration,
    pub look: Look,
}

/// The target.
pub struct Fhir<'a> {
    server: &'a FhirServer,
    target_name: &'a str,
    journal: Journal,
}

impl<'a> Fhir<'a> {
    /// Opens the journal. [`LoadError::NoServer`] where the input names no server.
    pub fn new(input: &'a LoadInput) -> Result<Self, LoadError> {
        let target_name = input.target_name.as_str();
        let server = input.server.as_ref().ok_or_else(|| LoadError::NoServer { target: target_name.to_owned() })?;
        let journal = open_journal(server)?;
        Ok(Self { server, target_name, journal })
    }

    fn client(&self) -> Client {
        Client::new(&self.server.url, self.server.token.as_ref(), self.server.timeout)
    }
}

/// The journal belongs to one server: that of another address would say "unchanged" of what is not there.
fn open_journal(server: &FhirServer) -> Result<Journal, LoadError> {
    let address = Sha256Hex::of_bytes(server.url.trim_end_matches('/').as_bytes());
    Ok(Journal::open(&server.journal, address.as_str())?)
}

impl Target for Fhir<'_> {
    fn capabilities(&self) -> Capabilities {
        Capabilities { live: true, keeps_ids: true, can_verify: true, can_undo: false }
    }

    fn begin(&mut self, _: &Delivery<'_>) -> Result<(), LoadError> {
        Ok(())
    }

    fn deliver(&mut self, _: &Delivery<'_>, sorter: &Sorter<'_>) -> Result<(), LoadError> {
        let client = self.client();
        let kind = capability::bundle_kind(self.server, &client, self.target_name)?;
        let order = Order::read(sorter.link, &epr_run::parts::resource_types(sorter.link))?;
        let strangers = strangers(&client, &self.journal, order.types(), self.target_name, sorter.ctx)?;
        let key = [sorter.link, sorter.validate].map(|stage| stage.manifest_hash().map(|hash| hash.to_string()));
        let [link, validate] = key;
        self.journal.begin_load(&format!("{} {}", link?, validate?))?;
        let queue = sorter.queue(&order)?;
        sorter.ctx.run.mark_live_load(self.target_name)?;
        sorter.ctx.progress.begin("sending", Some(sorter.n_delivered), "resources");
        let sending = Sending {
            ctx: sorter.ctx,
            server: self.server,
            client: &client,
            kind,
            types: order.types(),
            strangers,
            target_name: self.target_name,
        };
        sending.run(&queue, &mut self.journal)?;
        sorter.ctx.progress.end();
        Ok(())
    }

    fn send(
        &mut self,
        _: &Delivery<'_>,
        resources: &mut SortedResources,
        receipts: &mut Receipts,
    ) -> Result<(), LoadError> {
        let resource_type = resources.resource_type().to_owned();
        let mut resource = Outgoing::new();
        while resources.next_into(&mut resource)? {
            let entry = self.journal.get(&resource_type, resource.sent.id)?;
            let mut id = [0; 36];
            let target_id: &str = resource.sent.id.encode(&mut id);
            // A resource that the journal does not know gets no answer, so the ledger does not balance.
            let Some(entry) = entry.filter(|entry| entry.load == self.journal.load()) else { continue };
            let version = entry.confirmed.as_ref().and_then(|confirmed| confirmed.version.as_deref());
            let answer = match entry.state {
                State::Confirmed => Answer::Confirmed { target_id, version },
                State::Unchanged => Answer::Unchanged { target_id, version },
                State::Edited => Answer::Edited { target_id, version },
                State::Rejected => Answer::Rejected { why: Some(&entry.reason) },
                State::Blocked => Answer::Blocked,
                State::InDoubt | State::Sent => Answer::InDoubt,
            };
            receipts.push(&resource.sent, answer)?;
        }
        Ok(())
    }

    fn finish(&mut self, _: &Delivery<'_>) -> Result<(), LoadError> {
        Ok(self.journal.end_load()?)
    }
}

/// For each type, whether the target holds resources of it that the journal does not know: then ids that are new to
/// the journal are asked for before they are sent. A target that gives no total may hold anything.
fn strangers(
    client: &Client,
    journal: &Journal,
    types: &[String],
    target: &str,
    ctx: epr_run::StageContext<'_>,
) -> Result<Vec<bool>, LoadError> {
    let mut answered = false;
    let mut strangers = Vec::new();
    for resource_type in types {
        ctx.stop.check()?;
        let total = match client.get(&format!("{resource_type}?_summary=count")) {
            Reply::Answer { status: status @ (401 | 403), .. } => {
                return Err(LoadError::NotAllowed { target: target.to_owned(), status });
            }
            Reply::Answer { status: 200..=299, body, .. } => {
                answered = true;
                capability::total(&body)
            }
            Reply::Answer { .. } => {
                answered = true;
                None
            }
            Reply::None if !answered => return Err(LoadError::Unreachable { target: target.to_owned() }),
            Reply::None => None,
        };
        let known = journal.n_known(resource_type)?;
        strangers.push(total.is_none_or(|total| total > known));
    }
    Ok(strangers)
}
