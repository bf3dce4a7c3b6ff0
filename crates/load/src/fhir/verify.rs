//! Reading back: whether the target holds what was delivered, each resource with its content.

use std::collections::BTreeMap;

use epr_model::ResourceId;

use crate::fhir::bundle::{self, Entry, Seen};
use crate::fhir::content::Comparison;
use crate::fhir::http::{Client, Reply};
use crate::fhir::{FhirServer, capability, open_journal};
use crate::journal::State;
use crate::sorted::Outgoing;
use crate::{LoadError, LoadInput, StageContext, with_sorter};

/// How often a bundle of reads is tried.
const TRIES: u32 = 5;

/// The resources of one type, as the target gave them back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Confirmed or unchanged, by the journal.
    pub delivered: u64,
    pub equal: u64,
    /// Equal but for the digits of a number.
    pub digits: u64,
    pub different: u64,
    pub missing: u64,
    /// The target did not say.
    pub not_read: u64,
    /// Rejected, blocked, in doubt or edited: not expected to be there as we would have it.
    pub not_delivered: u64,
    /// How many resources of the type the target has, by its own count.
    pub at_target: Option<u64>,
}

impl Verified {
    /// Whether everything that was delivered is there as it was sent.
    pub fn is_whole(&self) -> bool {
        self.different == 0 && self.missing == 0 && self.not_read == 0
    }
}

/// A resource that is not there as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub resource_type: String,
    pub id: ResourceId,
    pub what: Found,
}

/// What is wrong with it; a place is an element's path, without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Missing,
    NotRead,
    Digits(String),
    Different(String),
}

/// Reads every delivered resource back and compares it. Findings come by type and id.
pub fn verify(
    ctx: StageContext<'_>,
    input: &LoadInput,
) -> Result<(BTreeMap<String, Verified>, Vec<Finding>), LoadError> {
    let server = input.server.as_ref().ok_or_else(|| LoadError::NoServer { target: input.target_name.clone() })?;
    let journal = open_journal(server)?;
    let client = Client::new(&server.url, server.token.as_ref(), server.timeout);
    with_sorter(ctx, &format!(".{}-verify", input.target_name), |sorter| {
        let (mut by_type, mut findings) = (BTreeMap::new(), Vec::new());
        for resource_type in epr_run::parts::resource_types(sorter.link) {
            let mut reading = Reading {
                server,
                client: &client,
                resource_type: &resource_type,
                counted: Verified { at_target: count_at_target(&client, &resource_type), ..Verified::default() },
                findings: &mut findings,
                waiting: Vec::new(),
            };
            ctx.progress.begin(&resource_type, None, "resources");
            let mut resources = sorter.sort(&resource_type)?;
            let mut resource = Outgoing::new();
            while resources.next_into(&mut resource)? {
                let known = journal.get(&resource_type, resource.sent.id)?;
                if known.is_some_and(|known| matches!(known.state, State::Confirmed | State::Unchanged)) {
                    reading.push(resource.sent.id, &resource.bytes);
                } else {
                    reading.counted.not_delivered += 1;
                }
                ctx.stop.check()?;
            }
            reading.read();
            ctx.progress.end();
            by_type.insert(resource_type.clone(), reading.counted);
        }
        Ok((by_type, findings))
    })
}

fn count_at_target(client: &Client, resource_type: &str) -> Option<u64> {
    match client.get(&format!("{resource_type}?_summary=count")) {
        Reply::Answer { status: 200..=299, body, .. } => capability::total(&body),
        _ => None,
    }
}

struct Reading<'a> {
    server: &'a FhirServer,
    client: &'a Client,
    resource_type: &'a str,
    counted: Verified,
    findings: &'a mut Vec<Finding>,
    waiting: Vec<(ResourceId, Vec<u8>)>,
}

impl Reading<'_> {
    fn push(&mut self, id: ResourceId, bytes: &[u8]) {
        self.waiting.push((id, bytes.to_vec()));
        if self.waiting.len() >= self.server.max_entries.max(1) {
            self.read();
        }
    }

    fn read(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return;
        }
        let entries: Vec<Entry<'_>> = waiting
            .iter()
            .map(|(id, bytes)| Entry { resource_type: self.resource_type, id: *id, bytes, if_match: None })
            .collect();
        for (entry, seen) in entries.iter().zip(self.ask(&entries)) {
            self.count(entry.id, seen);
        }
    }

    fn ask(&self, entries: &[Entry<'_>]) -> Vec<Seen> {
        let asked = bundle::reads(entries.iter().map(|e| (e.resource_type, e.id)));
        let mut pause = std::time::Duration::from_millis(100);
        for _ in 0..TRIES {
            match self.client.post(&asked) {
                Reply::Answer { status: 200..=299, body, .. } => return bundle::read_reads(entries, &body),
                Reply::Answer { retry_after, .. } => std::thread::sleep(retry_after.unwrap_or(pause).min(pause * 10)),
                Reply::None => std::thread::sleep(pause),
            }
            pause *= 2;
        }
        vec![Seen::Unknown; entries.len()]
    }

    fn count(&mut self, id: ResourceId, seen: Seen) {
        self.counted.delivered += 1;
        let (cell, what) = match seen {
            Seen::Present { compared: Comparison::Equal, .. } => (&mut self.counted.equal, None),
            Seen::Present { compared: Comparison::Digits(place), .. } => {
                (&mut self.counted.digits, Some(Found::Digits(place)))
            }
            Seen::Present { compared: Comparison::Different(place), .. } => {
                (&mut self.counted.different, Some(Found::Different(place)))
            }
            Seen::Absent | Seen::Deleted => (&mut self.counted.missing, Some(Found::Missing)),
            Seen::Unknown => (&mut self.counted.not_read, Some(Found::NotRead)),
        };
        *cell += 1;
        if let Some(what) = what {
            self.findings.push(Finding { resource_type: self.resource_type.to_owned(), id, what });
        }
    }
}
