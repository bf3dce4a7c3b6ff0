//! What a load would send, by the journal alone: nothing goes over the network.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::fhir::open_journal;
use crate::journal::Journal;
use crate::sorted::Outgoing;
use crate::{LoadError, LoadInput, StageContext, with_sorter};

/// The resources of one type, by what would be done with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forecast {
    /// Not known to the journal.
    pub new: u64,
    /// Confirmed with other content.
    pub changed: u64,
    /// Confirmed with the same content.
    pub unchanged: u64,
    /// Sent and never answered: would be asked for first.
    pub in_doubt: u64,
}

/// What a load would do, by type.
pub fn forecast(ctx: StageContext<'_>, input: &LoadInput) -> Result<BTreeMap<String, Forecast>, LoadError> {
    let server = input.server.as_ref().ok_or_else(|| LoadError::NoServer { target: input.target_name.clone() })?;
    // Without a journal nothing was ever sent; a dry run does not make one.
    let journal = if server.journal.is_file() { Some(open_journal(server)?) } else { None };
    with_sorter(ctx, &format!(".{}-forecast", input.target_name), |sorter| {
        let mut by_type = BTreeMap::new();
        for resource_type in epr_run::parts::resource_types(sorter.link) {
            let mut resources = sorter.sort(&resource_type)?;
            let mut counted = Forecast::default();
            let mut resource = Outgoing::new();
            while resources.next_into(&mut resource)? {
                count(&mut counted, journal.as_ref(), &resource_type, &resource)?;
            }
            by_type.insert(resource_type, counted);
        }
        Ok(by_type)
    })
}

fn count(
    counted: &mut Forecast,
    journal: Option<&Journal>,
    resource_type: &str,
    resource: &Outgoing,
) -> Result<(), LoadError> {
    let known = match journal {
        Some(journal) => journal.get(resource_type, resource.sent.id)?,
        None => None,
    };
    let cell = match known {
        Some(known) if known.sent.is_some() => &mut counted.in_doubt,
        Some(known) => match known.confirmed {
            Some(confirmed) if confirmed.hash == Sha256::digest(&resource.bytes)[..] => &mut counted.unchanged,
            Some(_) => &mut counted.changed,
            None => &mut counted.new,
        },
        None => &mut counted.new,
    };
    *cell += 1;
    Ok(())
}
