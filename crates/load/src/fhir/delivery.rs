//! Sending: which bundle goes next, what its answer means, and what is asked before anything is sent again.
//!
//! One thread decides and writes the journal; others wait for the network. A resource is in one of three hands: still
//! in the queue, in a lot that is ready or on its way, or settled in the journal. Nothing whose fate is not known is
//! sent again before it was read at the target.
//!
//! What goes wrong, and what is done:
//!
//! | the target says | done |
//! |---|---|
//! | 429, 503, 502, 504, 408, or nothing | a smaller window, a pause; what was sent is read; the rest goes again |
//! | 409, 412 | what was sent is read: other content under another version is an edit, and stays |
//! | 413 | two halves, and smaller bundles from now on |
//! | another 4xx to the whole bundle | what was sent is read; then two halves, down to the one that is rejected |
//! | 5xx | as nothing; after the second time two halves |
//!
//! Long because it is one state machine: each answer of the table moves a lot between the same three hands.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use epr_model::ResourceId;
use epr_run::StageContext;
use sha2::{Digest, Sha256};

use crate::LoadError;
use crate::fhir::bundle::{self, BundleKind, Entry, Said, Seen};
use crate::fhir::http::{Client, Reply};
use crate::fhir::references::references;
use crate::fhir::window::{Kind, Window};
use crate::fhir::{FhirServer, Look};
use crate::journal::{Confirmed, Journal, Note, Reason, State};
use crate::order::Place;
use crate::sorted::{Outgoing, Queue, QueueReader};

/// After how many tries a bundle is cut in two, and one resource alone is given up.
const TRIES: u32 = 3;

/// Settled resources are written to the journal in groups of about this many.
const NOTES_AT_ONCE: usize = 500;

/// A resource on its way.
#[derive(Debug)]
struct Item {
    place: Place,
    bytes: Vec<u8>,
    hash: [u8; 32],
    /// What the target confirmed before.
    prior: Option<Confirmed>,
    /// An intent is in the journal: it may be there.
    was_sent: bool,
}

/// Resources that go together: one, or some that refer to each other.
#[derive(Debug, Default)]
struct Unit(Vec<Item>);

/// What goes out as one request.
#[derive(Debug)]
struct Lot {
    units: Vec<Unit>,
    task: Task,
    /// How often it was tried.
    tries: u32,
    /// Cut it in two when it was read.
    split: bool,
    /// Why the target refused it; one unit that is still not there when it was read is rejected with this.
    verdict: Option<Verdict>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// Ask what is there, then go on.
    Read,
    /// Ask what is there, and leave what is not for later.
    ReadOnly,
    Write,
}

#[derive(Debug, Clone)]
enum Verdict {
    Rejected(Reason),
    InDoubt,
}

impl Lot {
    fn new(units: Vec<Unit>, task: Task) -> Self {
        Self { units, task, tries: 0, split: false, verdict: None }
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        self.units.iter().flat_map(|unit| &unit.0)
    }

    fn n_items(&self) -> usize {
        self.units.iter().map(|unit| unit.0.len()).sum()
    }
}

/// A lot comes back from the network.
struct Returned {
    number: u64,
    lot: Lot,
    answer: Answered,
}

enum Answered {
    Written(Vec<Said>),
    Read(Vec<Seen>),
    /// The whole bundle was refused.
    Refused {
        status: u16,
        retry_after: Option<Duration>,
        reason: Reason,
    },
    Nothing,
}

/// What the delivery needs beside the journal.
pub(crate) struct Delivery<'a> {
    pub(crate) ctx: StageContext<'a>,
    pub(crate) server: &'a FhirServer,
    pub(crate) client: &'a Client,
    pub(crate) kind: BundleKind,
    pub(crate) types: &'a [String],
    /// For each type, whether the target holds resources that the journal does not know.
    pub(crate) strangers: Vec<bool>,
    pub(crate) target_name: &'a str,
}

impl Delivery<'_> {
    /// Sends all that the journal does not know as settled in this load.
    pub(crate) fn run(&self, queue: &Queue, journal: &mut Journal) -> Result<(), LoadError> {
        let (jobs, waiting) = channel::<(u64, Lot)>();
        let (returned, returns) = channel::<Returned>();
        let waiting = Mutex::new(waiting);
        std::thread::scope(|scope| {
            for _ in 0..self.server.in_flight.max(1) {
                let (waiting, returned) = (&waiting, returned.clone());
                scope.spawn(move || self.work(waiting, &returned));
            }
            drop(returned);
            let mut sending = Sending {
                delivery: self,
                n_bundles: journal.last_bundle()?,
                journal,
                jobs,
                returns,
                window: Window::new(self.server.in_flight),
                n_in_flight: 0,
                most_entries: self.server.max_entries.max(1),
                n_refused_whole: 0,
                ready: VecDeque::new(),
                to_read: Vec::new(),
                to_write: Vec::new(),
                notes: Vec::new(),
                not_there: HashSet::new(),
                was_read: HashSet::new(),
                anything_answered: false,
                anything_taken: false,
            };
            // The channel of jobs ends with `sending`: so do the workers, whatever the result.
            sending.all(queue)
        })
    }

    /// One worker: takes lots until there are no more.
    fn work(&self, waiting: &Mutex<Receiver<(u64, Lot)>>, returned: &Sender<Returned>) {
        loop {
            let job = waiting.lock().map(|jobs| jobs.recv());
            let Ok(Ok((number, lot))) = job else { return };
            let answer = match lot.task {
                Task::Write => self.write(&lot),
                Task::Read | Task::ReadOnly => self.read(&lot),
            };
            if returned.send(Returned { number, lot, answer }).is_err() {
                return;
            }
        }
    }

    fn entries<'l>(&'l self, lot: &'l Lot) -> Vec<Entry<'l>> {
        lot.items()
            .map(|item| Entry {
                resource_type: &self.types[usize::from(item.place.type_no)],
                id: item.place.id,
                bytes: &item.bytes,
                if_match: item.prior.as_ref().and_then(|prior| prior.version.as_deref()),
            })
            .collect()
    }

    fn write(&self, lot: &Lot) -> Answered {
        let entries = self.entries(lot);
        match self.client.post(&bundle::writes(self.kind, self.client.base(), &entries)) {
            Reply::Answer { status: 200..=299, body, .. } => Answered::Written(bundle::read_writes(&entries, &body)),
            Reply::Answer { status, retry_after, body } => {
                Answered::Refused { status, retry_after, reason: bundle::reason(status, &body) }
            }
            Reply::None => Answered::Nothing,
        }
    }

    fn read(&self, lot: &Lot) -> Answered {
        let entries = self.entries(lot);
        match self.client.post(&bundle::reads(entries.iter().map(|e| (e.resource_type, e.id)))) {
            Reply::Answer { status: 200..=299, body, .. } => Answered::Read(bundle::read_reads(&entries, &body)),
            Reply::Answer { status, retry_after, body } if is_busy(status) || status >= 500 || status == 401 => {
                Answered::Refused { status, retry_after, reason: bundle::reason(status, &body) }
            }
            // A server that takes no bundle of reads is asked for one after the other.
            Reply::Answer { .. } => {
                let mut seen = Vec::with_capacity(entries.len());
                for entry in &entries {
                    seen.push(match self.client.get(&format!("{}/{}", entry.resource_type, entry.id)) {
                        Reply::Answer { status, body, .. } => bundle::read_one(entry, status, &body),
                        Reply::None => Seen::Unknown,
                    });
                }
                Answered::Read(seen)
            }
            Reply::None => Answered::Nothing,
        }
    }
}

/// "Not now", whatever was asked.
fn is_busy(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 502..=504)
}

/// A delivery at work: all that the deciding thread knows.
struct Sending<'a, 'j> {
    delivery: &'a Delivery<'a>,
    journal: &'j mut Journal,
    jobs: Sender<(u64, Lot)>,
    returns: Receiver<Returned>,
    window: Window,
    n_in_flight: usize,
    n_bundles: i64,
    most_entries: usize,
    /// Full bundles refused as a whole, one after the other.
    n_refused_whole: u32,
    ready: VecDeque<Lot>,
    to_read: Vec<Unit>,
    to_write: Vec<Unit>,
    notes: Vec<Settled>,
    /// What is not at the target and will not be: who refers to it waits.
    not_there: HashSet<(u16, ResourceId)>,
    /// Read at the beginning, since an earlier load had no answer, and not there.
    was_read: HashSet<(u16, ResourceId)>,
    anything_answered: bool,
    anything_taken: bool,
}

struct Settled {
    type_no: u16,
    id: ResourceId,
    state: State,
    confirmed: Option<Confirmed>,
    reason: Option<Reason>,
}

/// Reads the queue one unit ahead, so that a wave's end is seen.
struct Intake {
    reader: QueueReader,
    next: Option<(Place, Outgoing)>,
}

impl Intake {
    fn open(queue: &Queue) -> Result<Self, LoadError> {
        let mut intake = Self { reader: queue.open()?, next: None };
        intake.advance()?;
        Ok(intake)
    }

    fn advance(&mut self) -> Result<(), LoadError> {
        let mut resource = Outgoing::new();
        self.next = self.reader.next_into(&mut resource)?.map(|place| (place, resource));
        Ok(())
    }

    fn wave(&self) -> Option<(u16, u32)> {
        self.next.as_ref().map(|(place, _)| place.wave())
    }

    /// The next resource, or all of its group.
    fn take_unit(&mut self) -> Result<Vec<(Place, Vec<u8>)>, LoadError> {
        let mut unit: Vec<(Place, Vec<u8>)> = Vec::new();
        while let Some((place, _)) = &self.next {
            let belongs =
                unit.first().is_none_or(|(first, _)| first.wave() == place.wave() && first.group == place.group);
            if !belongs {
                break;
            }
            let (place, resource) = self.next.take().expect("looked at just now");
            unit.push((place, resource.bytes));
            self.advance()?;
        }
        Ok(unit)
    }
}

impl Sending<'_, '_> {
    fn all(&mut self, queue: &Queue) -> Result<(), LoadError> {
        self.read_what_was_in_flight(queue)?;
        let mut intake = Intake::open(queue)?;
        while let Some(wave) = intake.wave() {
            self.pump(Some((&mut intake, wave)))?;
        }
        self.flush_notes()
    }

    /// What was sent and never answered is read before anything is sent.
    fn read_what_was_in_flight(&mut self, queue: &Queue) -> Result<(), LoadError> {
        let types = self.delivery.types;
        let unanswered: HashSet<(u16, ResourceId)> = self
            .journal
            .unanswered()?
            .into_iter()
            .filter_map(|(kind, id)| Some((types.iter().position(|t| *t == kind)? as u16, id)))
            .collect();
        if unanswered.is_empty() {
            return Ok(());
        }
        let mut reader = queue.open()?;
        let mut resource = Outgoing::new();
        let mut units = Vec::new();
        while let Some(place) = reader.next_into(&mut resource)? {
            if unanswered.contains(&(place.type_no, place.id)) {
                units.push(Unit(vec![self.item(place, std::mem::take(&mut resource.bytes))?.0]));
            }
        }
        while !units.is_empty() {
            let rest = units.split_off(units.len().min(self.most_entries));
            self.ready.push_back(Lot::new(std::mem::replace(&mut units, rest), Task::ReadOnly));
        }
        self.pump(None)?;
        self.flush_notes()
    }

    /// Sends and receives until all of the wave is settled, or, without one, all that is ready.
    fn pump(&mut self, mut source: Option<(&mut Intake, (u16, u32))>) -> Result<(), LoadError> {
        let mut failure: Option<LoadError> = None;
        loop {
            while failure.is_none() && self.n_in_flight < self.window.size() {
                if let Err(stopped) = self.delivery.ctx.stop.check() {
                    failure = Some(stopped.into());
                    break;
                }
                let lot = match self.ready.pop_front() {
                    Some(lot) => Some(lot),
                    None => match &mut source {
                        Some((intake, wave)) => self.next_lot(intake, *wave)?,
                        None => None,
                    },
                };
                let Some(lot) = lot else { break };
                self.dispatch(lot)?;
            }
            if self.n_in_flight == 0 {
                self.flush_notes()?;
                return failure.map_or(Ok(()), Err);
            }
            let returned = self.returns.recv().expect("workers live as long as jobs can be sent");
            self.n_in_flight -= 1;
            // After a failure the bundles that are still on their way are heard out, so that the journal knows.
            match self.handle(returned) {
                Ok(()) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
    }

    /// Takes from the queue until there is a full bundle to read or to write, or the wave ends.
    fn next_lot(&mut self, intake: &mut Intake, wave: (u16, u32)) -> Result<Option<Lot>, LoadError> {
        let mut n = 0_u32;
        while intake.wave() == Some(wave) {
            n += 1;
            if n.is_multiple_of(1000) {
                self.delivery.ctx.stop.check()?;
            }
            let unit = intake.take_unit()?;
            self.take_in(unit)?;
            if is_full(&self.to_write, self.most_entries, self.delivery.server.max_bytes) {
                return Ok(Some(Lot::new(std::mem::take(&mut self.to_write), Task::Write)));
            }
            if is_full(&self.to_read, self.most_entries, self.delivery.server.max_bytes) {
                return Ok(Some(Lot::new(std::mem::take(&mut self.to_read), Task::Read)));
            }
        }
        if !self.to_read.is_empty() {
            return Ok(Some(Lot::new(std::mem::take(&mut self.to_read), Task::Read)));
        }
        if !self.to_write.is_empty() {
            return Ok(Some(Lot::new(std::mem::take(&mut self.to_write), Task::Write)));
        }
        Ok(None)
    }

    /// Decides by the journal alone what is to be done with the resources of one unit.
    fn take_in(&mut self, unit: Vec<(Place, Vec<u8>)>) -> Result<(), LoadError> {
        let waits = !self.not_there.is_empty()
            && unit.iter().any(|(_, bytes)| {
                references(bytes).any(|(kind, id)| {
                    let type_no = self.delivery.types.iter().position(|t| t == kind);
                    type_no.is_some_and(|n| self.not_there.contains(&(n as u16, id)))
                })
            });
        let (mut reads, mut rest) = (false, Unit::default());
        for (place, bytes) in unit {
            let (item, settled) = self.item(place, bytes)?;
            if let Some(state) = settled {
                if matches!(state, State::Rejected | State::Blocked | State::InDoubt) {
                    self.not_there.insert((place.type_no, place.id));
                }
                self.delivery.ctx.progress.advance(1);
                continue;
            }
            if waits {
                self.settle(&item, State::Blocked, None, None);
                continue;
            }
            let unchanged = item.prior.as_ref().is_some_and(|prior| prior.hash == item.hash);
            let read_already = self.was_read.contains(&(place.type_no, place.id));
            if unchanged && !item.was_sent && self.delivery.server.look == Look::Changed {
                let confirmed = item.prior.clone();
                self.settle(&item, State::Unchanged, confirmed, None);
                continue;
            }
            reads |= !read_already
                && match &item.prior {
                    // Without a version no If-Match can guard an update.
                    Some(prior) => item.was_sent || prior.version.is_none() || self.delivery.server.look == Look::All,
                    None => item.was_sent || self.delivery.strangers[usize::from(place.type_no)],
                };
            rest.0.push(item);
        }
        if rest.0.is_empty() {
            return Ok(());
        }
        let to = if reads { &mut self.to_read } else { &mut self.to_write };
        to.push(rest);
        Ok(())
    }

    /// A resource with what the journal knows of it; and its state, where it was settled in this load already.
    fn item(&self, place: Place, bytes: Vec<u8>) -> Result<(Item, Option<State>), LoadError> {
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        let known = self.journal.get(&self.delivery.types[usize::from(place.type_no)], place.id)?;
        let settled = known
            .as_ref()
            .filter(|k| k.load == self.journal.load() && !matches!(k.state, State::Sent | State::InDoubt))
            .map(|k| k.state);
        let was_sent = known.as_ref().is_some_and(|k| k.sent.is_some());
        Ok((Item { place, bytes, hash, prior: known.and_then(|k| k.confirmed), was_sent }, settled))
    }

    fn dispatch(&mut self, mut lot: Lot) -> Result<(), LoadError> {
        if lot.task == Task::Write {
            let limits = (self.most_entries, self.delivery.server.max_bytes);
            if lot.units.len() > 1 && is_over(&lot.units, limits) {
                let rest = halve(&mut lot);
                self.ready.push_front(rest);
            }
            self.n_bundles += 1;
            let types = self.delivery.types;
            let intents =
                lot.items().map(|item| (types[usize::from(item.place.type_no)].as_str(), item.place.id, &item.hash));
            self.journal.intend(self.n_bundles, intents)?;
            for item in lot.units.iter_mut().flat_map(|unit| &mut unit.0) {
                item.was_sent = true;
            }
        }
        let number = self.window.sent();
        self.n_in_flight += 1;
        self.jobs.send((number, lot)).expect("workers live as long as jobs can be sent");
        Ok(())
    }

    fn handle(&mut self, returned: Returned) -> Result<(), LoadError> {
        let Returned { number, lot, answer } = returned;
        let kind = if lot.task == Task::Write { Kind::Write } else { Kind::Read };
        match answer {
            Answered::Written(said) => self.written(number, lot, said),
            Answered::Read(seen) => {
                self.answered(kind);
                self.seen(lot, seen)
            }
            Answered::Nothing => {
                self.pause(kind, number, None)?;
                // A read without an answer says nothing of what is read: that a target is gone is for its patience.
                let lot = if kind == Kind::Read { uncounted(lot) } else { lot };
                self.again(lot, None);
                Ok(())
            }
            Answered::Refused { status: status @ (401 | 403), .. } if status == 401 || !self.anything_taken => {
                Err(LoadError::NotAllowed { target: self.delivery.target_name.to_owned(), status })
            }
            Answered::Refused { status: status @ (404 | 405), .. } if !self.anything_taken => {
                Err(LoadError::NoFhirServer { target: self.delivery.target_name.to_owned(), status })
            }
            Answered::Refused { status: 413, reason, .. } if lot.units.len() > 1 => {
                self.answered(kind);
                self.most_entries = (lot.n_items() / 2).max(1);
                self.read_then_split(lot, reason);
                Ok(())
            }
            Answered::Refused { status, retry_after, reason } if is_busy(status) => {
                self.anything_answered = true;
                self.pause(kind, number, retry_after)?;
                self.again(uncounted(lot), Some(reason));
                Ok(())
            }
            Answered::Refused { status: 409 | 412, reason, .. } => {
                self.answered(kind);
                self.again(lot, Some(reason));
                Ok(())
            }
            Answered::Refused { status: 500.., retry_after, reason } => {
                self.anything_answered = true;
                self.pause(kind, number, retry_after)?;
                self.again(lot, Some(reason));
                Ok(())
            }
            Answered::Refused { reason, .. } => {
                self.answered(kind);
                if lot.n_items() >= self.most_entries {
                    self.n_refused_whole += 1;
                    if self.n_refused_whole >= 2 {
                        // It may be the number of entries that the target does not like.
                        self.most_entries = (self.most_entries / 2).max(10.min(self.most_entries));
                        self.n_refused_whole = 0;
                    }
                }
                self.read_then_split(lot, reason);
                Ok(())
            }
        }
    }

    fn answered(&mut self, kind: Kind) {
        self.anything_answered = true;
        self.window.went_well(kind);
    }

    /// Waits, unless the target has been silent or refusing for too long.
    fn pause(&mut self, kind: Kind, number: u64, retry_after: Option<Duration>) -> Result<(), LoadError> {
        let pause = self.window.refused(kind, number, retry_after);
        if self.window.waited() > self.delivery.server.patience {
            let target = self.delivery.target_name.to_owned();
            return Err(if self.anything_answered {
                LoadError::GaveUp { target, seconds: self.window.waited().as_secs() }
            } else {
                LoadError::Unreachable { target }
            });
        }
        let slice = Duration::from_millis(50);
        let mut left = pause;
        while !left.is_zero() && self.delivery.ctx.stop.check().is_ok() {
            std::thread::sleep(left.min(slice));
            left = left.saturating_sub(slice);
        }
        Ok(())
    }

    /// A lot whose fate is not known: it is read, and what is not there goes again; in halves, when it failed often.
    fn again(&mut self, mut lot: Lot, reason: Option<Reason>) {
        lot.tries += 1;
        if lot.task != Task::Write {
            if lot.tries >= TRIES * 2 {
                self.cannot_read(lot);
            } else {
                self.ready.push_front(lot);
            }
            return;
        }
        lot.task = Task::Read;
        if lot.tries >= TRIES {
            if lot.units.len() > 1 {
                lot.split = true;
            } else {
                lot.verdict = Some(reason.map_or(Verdict::InDoubt, Verdict::Rejected));
            }
        }
        self.ready.push_front(lot);
    }

    /// A lot that the target does not let us read: in halves, down to the one that stays in doubt.
    fn cannot_read(&mut self, mut lot: Lot) {
        lot.tries = TRIES;
        if lot.units.len() > 1 {
            let rest = halve(&mut lot);
            self.ready.push_front(rest);
            self.ready.push_front(lot);
        } else if lot.task == Task::Read {
            for item in lot.units.into_iter().flat_map(|unit| unit.0) {
                self.settle(&item, State::InDoubt, None, None);
            }
        }
        // What was to be read at the beginning is asked for again when its turn comes.
    }

    /// A lot that the target refused as a whole: one of its resources is at fault, or the whole is too much.
    fn read_then_split(&mut self, mut lot: Lot, reason: Reason) {
        lot.task = Task::Read;
        if lot.units.len() > 1 {
            lot.split = true;
        } else {
            lot.verdict = Some(Verdict::Rejected(reason));
        }
        self.ready.push_front(lot);
    }

    fn written(&mut self, number: u64, lot: Lot, said: Vec<Said>) -> Result<(), LoadError> {
        self.n_refused_whole = 0;
        let tries = lot.tries;
        let (mut unclear, mut later, mut reason) = (Vec::new(), false, None);
        let mut said = said.into_iter();
        for unit in lot.units {
            let mut left = Unit::default();
            for item in unit.0 {
                match said.next().unwrap_or(Said::Unknown) {
                    Said::Taken { version } => {
                        self.anything_taken = true;
                        let confirmed = Confirmed { hash: item.hash, version };
                        self.settle(&item, State::Confirmed, Some(confirmed), None);
                    }
                    Said::Rejected(why) => self.settle(&item, State::Rejected, None, Some(why)),
                    Said::Conflict(why) => {
                        reason = Some(why);
                        left.0.push(item);
                    }
                    Said::Later => {
                        later = true;
                        left.0.push(item);
                    }
                    Said::Unknown => left.0.push(item),
                }
            }
            if !left.0.is_empty() {
                unclear.push(left);
            }
        }
        // The answers are on disk before anything else is sent.
        self.flush_notes()?;
        if later {
            self.anything_answered = true;
            self.pause(Kind::Write, number, None)?;
        } else {
            self.answered(Kind::Write);
        }
        if unclear.is_empty() {
            return Ok(());
        }
        self.again(Lot { tries, ..Lot::new(unclear, Task::Write) }, reason);
        Ok(())
    }

    /// What was read: settled, or to be sent.
    fn seen(&mut self, lot: Lot, seen: Vec<Seen>) -> Result<(), LoadError> {
        let Lot { units, task, tries, split, verdict } = lot;
        let mut seen = seen.into_iter();
        let (mut rest, mut unknown) = (Vec::new(), Vec::new());
        for unit in units {
            let (mut left, mut not_known) = (Unit::default(), Unit::default());
            for item in unit.0 {
                match seen.next().unwrap_or(Seen::Unknown) {
                    Seen::Present { version, compared } => {
                        let ours = compared.is_same();
                        let at_prior = item.prior.as_ref().is_some_and(|p| p.version.is_some() && p.version == version);
                        let known = item.prior.as_ref().is_some_and(|prior| prior.hash == item.hash);
                        if known && (at_prior || ours) {
                            // Confirmed before, and nobody changed it. What the server itself left out is for verify.
                            let confirmed = Confirmed { hash: item.hash, version };
                            self.settle(&item, State::Unchanged, Some(confirmed), None);
                        } else if ours {
                            let confirmed = Confirmed { hash: item.hash, version };
                            self.settle(&item, State::Confirmed, Some(confirmed), None);
                        } else if at_prior {
                            left.0.push(item);
                        } else {
                            self.settle(&item, State::Edited, None, None);
                        }
                    }
                    Seen::Absent if item.prior.is_none() => left.0.push(item),
                    Seen::Absent | Seen::Deleted => {
                        self.not_there.insert((item.place.type_no, item.place.id));
                        self.settle(&item, State::Edited, None, None);
                    }
                    Seen::Unknown => not_known.0.push(item),
                }
            }
            for (unit, to) in [(left, &mut rest), (not_known, &mut unknown)] {
                if !unit.0.is_empty() {
                    to.push(unit);
                }
            }
        }
        self.flush_notes()?;
        self.send_what_is_left(rest, task, tries, split, verdict.as_ref());
        if unknown.is_empty() {
            return Ok(());
        }
        if tries >= TRIES * 2 {
            for item in unknown.into_iter().flat_map(|unit| unit.0) {
                self.settle(&item, State::InDoubt, None, None);
            }
            return Ok(());
        }
        self.ready.push_back(Lot { tries: tries + 1, ..Lot::new(unknown, task) });
        Ok(())
    }

    fn send_what_is_left(&mut self, rest: Vec<Unit>, task: Task, tries: u32, split: bool, verdict: Option<&Verdict>) {
        if rest.is_empty() {
            return;
        }
        if task == Task::ReadOnly {
            self.was_read.extend(rest.iter().flat_map(|unit| &unit.0).map(|i| (i.place.type_no, i.place.id)));
            return;
        }
        if let (Some(verdict), [_]) = (verdict, rest.as_slice()) {
            for item in rest.into_iter().flat_map(|unit| unit.0) {
                match verdict {
                    Verdict::Rejected(reason) => self.settle(&item, State::Rejected, None, Some(reason.clone())),
                    Verdict::InDoubt => self.settle(&item, State::InDoubt, None, None),
                }
            }
            return;
        }
        let mut lot = Lot { tries, ..Lot::new(rest, Task::Write) };
        if split && lot.units.len() > 1 {
            // Each half has all its tries again.
            lot.tries = 0;
            let second = halve(&mut lot);
            self.ready.push_front(second);
        }
        self.ready.push_front(lot);
    }

    fn settle(&mut self, item: &Item, state: State, confirmed: Option<Confirmed>, reason: Option<Reason>) {
        let (type_no, id) = (item.place.type_no, item.place.id);
        if matches!(state, State::Rejected | State::Blocked | State::InDoubt) {
            self.not_there.insert((type_no, id));
        }
        self.notes.push(Settled { type_no, id, state, confirmed, reason });
        self.delivery.ctx.progress.advance(1);
    }

    fn flush_notes(&mut self) -> Result<(), LoadError> {
        for settled in self.notes.chunks(NOTES_AT_ONCE) {
            let notes: Vec<Note<'_>> = settled
                .iter()
                .map(|s| Note {
                    resource_type: &self.delivery.types[usize::from(s.type_no)],
                    id: s.id,
                    state: s.state,
                    confirmed: s.confirmed.as_ref(),
                    reason: s.reason.as_ref(),
                })
                .collect();
            self.journal.note(&notes)?;
        }
        self.notes.clear();
        Ok(())
    }
}

fn n_items(units: &[Unit]) -> usize {
    units.iter().map(|unit| unit.0.len()).sum()
}

fn n_bytes(units: &[Unit]) -> usize {
    units.iter().flat_map(|unit| &unit.0).map(|item| item.bytes.len()).sum()
}

fn is_full(units: &[Unit], most_entries: usize, most_bytes: usize) -> bool {
    n_items(units) >= most_entries || n_bytes(units) >= most_bytes
}

fn is_over(units: &[Unit], (most_entries, most_bytes): (usize, usize)) -> bool {
    n_items(units) > most_entries || n_bytes(units) > most_bytes.saturating_mul(2)
}

/// The next try is not counted: "not now" is no verdict on what was sent.
fn uncounted(lot: Lot) -> Lot {
    Lot { tries: lot.tries.saturating_sub(1), ..lot }
}

/// Takes the second half of the units out into a lot of its own.
fn halve(lot: &mut Lot) -> Lot {
    let rest = lot.units.split_off(lot.units.len().div_ceil(2));
    Lot { units: rest, task: lot.task, tries: lot.tries, split: false, verdict: None }
}
