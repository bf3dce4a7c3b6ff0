//! The stage's files: parts, `keys.parquet` and `refs.parquet` with one Patient a person.
//!
//! A part in which nothing changes is a hard link. In the others, references are replaced by a byte scan, and
//! only Patients of several records are parsed. What the other parts of a person look like is kept in scratch
//! files, and so is what changes in the keys: memory holds one part's keys and a place for each retired record.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use epr_fhir::resource::Resource;
use epr_model::{Action, Issue, ResourceId};
use epr_run::keys_by_part::KeysByPart;
use epr_run::parts::{PartReader, PartWriter, part_number, part_paths, resource_types};
use epr_run::records::{self, KeyRecord, Record, RecordReader, RecordWriter, RefRecord};
use epr_run::whole_file::{self, Access};
use epr_run::{FinishedStage, RunError, StageContext, StageFolder};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::facts::Facts;
use crate::merge::{Composed, Frame, compose, references, retire};
use crate::persons::{Assigned, Person};
use crate::replace::{RetiredIds, mentions, replace};
use crate::{LinkError, Retired, id_of, issue};

/// Scratch space inside the partial folder; gone before the stage is finished.
const SCRATCH: &str = ".scratch";

/// What is to be written, decided before the first part is read again.
pub(crate) struct Plan<'a> {
    map: &'a FinishedStage,
    folder: &'a StageFolder,
    facts: &'a [Facts],
    assigned: &'a Assigned,
    mode: Retired,
    retired: RetiredIds,
    /// For each record of a composed person: the person, and whether the person's record is written in its place.
    roles: HashMap<ResourceId, (usize, Role)>,
    /// Tables of which at least one record says that somebody has died, or has not.
    tells_deaths: BTreeSet<Arc<str>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Place,
    Away,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Rewritten {
    pub(crate) issues: Vec<Issue>,
    /// Mapped Patients that are no resource of their own any more.
    pub(crate) n_merged: u64,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        map: &'a FinishedStage,
        folder: &'a StageFolder,
        facts: &'a [Facts],
        assigned: &'a Assigned,
        mode: Retired,
    ) -> Self {
        let (mut retired, mut roles) = (RetiredIds::new(), HashMap::new());
        for (number, person) in assigned.composed.iter().enumerate() {
            for (i, member) in person.members.iter().enumerate() {
                let id = facts[*member as usize].id;
                roles.insert(id, (number, if i == 0 { Role::Place } else { Role::Away }));
                if id != person.id {
                    retired.insert(id, person.id);
                }
            }
        }
        let tells_deaths = facts.iter().filter(|f| f.tells_death).map(|f| f.lineage.table.clone()).collect();
        Self { map, folder, facts, assigned, mode, retired, roles, tells_deaths }
    }

    fn touches(&self, kind: &str, resource: &[u8]) -> bool {
        (kind == "Patient" && id_of(resource).is_some_and(|id| self.roles.contains_key(&id)))
            || mentions(resource, &self.retired)
    }

    fn person(&self, number: usize) -> &'a Person {
        &self.assigned.composed[number]
    }
}

/// Writes parts, keys and references.
pub(crate) fn rewrite(ctx: StageContext<'_>, plan: &Plan<'_>) -> Result<Rewritten, LinkError> {
    if plan.roles.is_empty() {
        for entry in &plan.map.manifest().files {
            let file = entry.path.as_str();
            if file.ends_with(".ndjson.zst") || file == KeyRecord::FILE || file == RefRecord::FILE {
                take_over(plan, &plan.map.path().join(file), file)?;
            }
        }
        return Ok(Rewritten::default());
    }
    let scratch = plan.folder.path().join(SCRATCH);
    let keys = KeysByPart::split(plan.map, &scratch.join("keys"))?;
    let members = Members::gather(plan, &scratch)?;
    let mut rewritten = Rewritten::default();
    for kind in resource_types(plan.map) {
        ctx.progress.begin(&kind, plan.map.manifest().resources.get(&kind).copied(), "resources");
        let parts = part_paths(plan.map, &kind);
        let done: Vec<Rewritten> = parts
            .par_iter()
            .map(|path| Part { ctx, plan, members: &members, scratch: &scratch, kind: &kind, path }.write())
            .collect::<Result<_, _>>()?;
        ctx.progress.end();
        for part in done {
            rewritten.issues.extend(part.issues);
            rewritten.n_merged += part.n_merged;
        }
    }
    write_keys(plan, &keys, &scratch)?;
    write_refs(plan, &scratch)?;
    fs::remove_dir_all(&scratch).map_err(RunError::io("delete", &scratch))?;
    Ok(rewritten)
}

/// A hard link, or a copy where the folders are on different devices.
fn take_over(plan: &Plan<'_>, from: &Path, relative: &str) -> Result<(), RunError> {
    let to = plan.folder.file(relative)?;
    if fs::hard_link(from, &to).is_err() {
        fs::copy(from, &to).map_err(RunError::io("copy to", &to))?;
    }
    Ok(())
}

/// The bytes of the records that are written in another record's place, references replaced.
struct Members {
    files: HashMap<u32, File>,
    places: HashMap<ResourceId, (u32, u64, usize)>,
    path: PathBuf,
}

impl Members {
    fn gather(plan: &Plan<'_>, scratch: &Path) -> Result<Self, LinkError> {
        let parts = part_paths(plan.map, "Patient");
        let gathered: Vec<_> =
            parts.par_iter().map(|path| Self::gather_part(plan, scratch, path)).collect::<Result<_, _>>()?;
        let mut members = Self { files: HashMap::new(), places: HashMap::new(), path: scratch.to_owned() };
        for (number, file, places) in gathered {
            members.files.insert(number, file);
            members.places.extend(places.into_iter().map(|(id, offset, length)| (id, (number, offset, length))));
        }
        Ok(members)
    }

    #[expect(clippy::type_complexity, reason = "one part's share of the two maps, private to this type")]
    fn gather_part(
        plan: &Plan<'_>,
        scratch: &Path,
        path: &Path,
    ) -> Result<(u32, File, Vec<(ResourceId, u64, usize)>), LinkError> {
        let number = number_of(path)?;
        let to = scratch.join(format!("members-{number}"));
        let mut file = BufWriter::new(whole_file::create(&to, Access::Restricted)?);
        let (mut places, mut bytes, mut offset) = (Vec::new(), Vec::new(), 0);
        let mut reader = PartReader::open(path)?;
        while reader.next_into(&mut bytes)? {
            let Some(id) = id_of(&bytes) else { continue };
            if matches!(plan.roles.get(&id), Some((_, Role::Away))) {
                replace(&mut bytes, &plan.retired);
                file.write_all(&bytes).map_err(RunError::io("write", &to))?;
                places.push((id, offset, bytes.len()));
                offset += bytes.len() as u64;
            }
        }
        file.flush().map_err(RunError::io("write", &to))?;
        drop(file);
        Ok((number, File::open(&to).map_err(RunError::io("open", &to))?, places))
    }

    fn read(&self, id: ResourceId) -> Result<Vec<u8>, RunError> {
        let (number, offset, length) = self.places.get(&id).expect("every record that is away was gathered");
        let mut bytes = vec![0; *length];
        self.files[number].read_exact_at(&mut bytes, *offset).map_err(RunError::io("read", &self.path))?;
        Ok(bytes)
    }
}

/// One part of one type at work.
struct Part<'a> {
    ctx: StageContext<'a>,
    plan: &'a Plan<'a>,
    members: &'a Members,
    scratch: &'a Path,
    kind: &'a str,
    path: &'a Path,
}

impl Part<'_> {
    fn write(&self) -> Result<Rewritten, LinkError> {
        let number = number_of(self.path)?;
        if !self.changes()? {
            let name = self.path.file_name().unwrap_or_default().to_string_lossy();
            take_over(self.plan, self.path, &format!("{}/{name}", self.kind))?;
            return Ok(Rewritten::default());
        }
        let mut writer = PartWriter::replacing(self.plan.folder, self.kind, number)?;
        let mut updates = Updates::create(self.scratch, self.kind, number)?;
        let mut refs = RecordWriter::<RefRecord>::at(&refs_path(self.scratch, self.kind, number))?;
        let mut rewritten = Rewritten::default();
        let mut reader = PartReader::open(self.path)?;
        let (mut bytes, mut n) = (Vec::new(), 0_u64);
        while reader.next_into(&mut bytes)? {
            n += 1;
            if n.is_multiple_of(1024) {
                self.ctx.stop.check()?;
                self.ctx.progress.advance(1024);
            }
            let changed = replace(&mut bytes, &self.plan.retired);
            let role = match self.kind {
                "Patient" => id_of(&bytes).and_then(|id| Some((id, *self.plan.roles.get(&id)?))),
                _ => None,
            };
            match role {
                None => {
                    if changed && let Some(id) = id_of(&bytes) {
                        updates.changed(id, id, &bytes)?;
                    }
                    writer.write(&bytes)?;
                }
                Some((id, (person, Role::Place))) => {
                    let composed = self.compose(person, &bytes)?;
                    let person = self.plan.person(person);
                    rewritten.issues.extend(self.issues(person, &composed));
                    self.push_refs(&composed.bytes, person.id, &mut refs)?;
                    updates.changed(id, person.id, &composed.bytes)?;
                    writer.write(&composed.bytes)?;
                }
                Some((id, (_, Role::Away))) if self.plan.mode == Retired::Omit => {
                    updates.dropped(id)?;
                    rewritten.n_merged += 1;
                }
                Some((id, (person, Role::Away))) => {
                    let person = self.plan.person(person).id.to_string();
                    let stub = retire(&self.parse(&bytes)?, &person);
                    self.push_refs(&stub, id, &mut refs)?;
                    updates.changed(id, id, &stub)?;
                    writer.write(&stub)?;
                }
            }
        }
        writer.finish()?;
        updates.finish()?;
        refs.finish()?;
        Ok(rewritten)
    }

    /// Whether there is anything to replace; stops at the first.
    fn changes(&self) -> Result<bool, LinkError> {
        let mut reader = PartReader::open(self.path)?;
        let (mut bytes, mut n) = (Vec::new(), 0_u64);
        while reader.next_into(&mut bytes)? {
            if self.plan.touches(self.kind, &bytes) {
                return Ok(true);
            }
            n += 1;
            if n.is_multiple_of(1024) {
                self.ctx.stop.check()?;
                self.ctx.progress.advance(1024);
            }
        }
        Ok(false)
    }

    fn compose(&self, number: usize, own: &[u8]) -> Result<Composed, LinkError> {
        let person = self.plan.person(number);
        let mut members = vec![self.parse(own)?];
        let mut replaces = Vec::new();
        for member in &person.members[1..] {
            let id = self.plan.facts[*member as usize].id;
            members.push(self.parse(&self.members.read(id)?)?);
            if self.plan.mode == Retired::Linked {
                replaces.push(id.to_string());
            }
        }
        let tells = |i: &u32| self.plan.tells_deaths.contains(&self.plan.facts[*i as usize].lineage.table);
        let tells_deaths: Vec<bool> = person.members.iter().map(tells).collect();
        Ok(compose(&members, &Frame { id: &person.id.to_string(), replaces: &replaces, tells_deaths: &tells_deaths }))
    }

    fn parse(&self, bytes: &[u8]) -> Result<Resource, LinkError> {
        // Each Patient was parsed once for its facts, so a fault here means that the part changed meanwhile.
        Resource::parse_json(bytes).map_err(|source| LinkError::NotJson { path: self.path.to_owned(), line: 0, source })
    }

    fn issues(&self, person: &Person, composed: &Composed) -> Vec<Issue> {
        let of = |code, action, member: usize, path: &str| {
            let record = &self.plan.facts[person.members[member] as usize];
            let mut issue = issue(code, action, record, person.id);
            issue.fhir_path = Some(path.to_owned());
            issue
        };
        let omitted = composed.omitted.iter().map(|(member, path)| of("LNK0102", Action::Omitted, *member, path));
        let genders = composed.other_genders.iter().map(|i| of("ID-10", Action::Kept, *i, "Patient.gender"));
        let deaths = composed.other_deaths.iter().map(|i| of("DE-01", Action::Kept, *i, "Patient.deceased[x]"));
        omitted.chain(genders).chain(deaths).collect()
    }

    fn push_refs(&self, bytes: &[u8], id: ResourceId, refs: &mut RecordWriter<RefRecord>) -> Result<(), LinkError> {
        let resource = self.parse(bytes)?;
        let mut found = Vec::new();
        references(resource.root(), "Patient", &mut found);
        for (path, to_type, to_id) in found {
            if let Ok(to_id) = to_id.parse() {
                let (from_type, to_type) = ("Patient".to_owned(), to_type.to_owned());
                refs.push(&RefRecord { from_type, from_id: id, to_type, to_id, path })?;
            }
        }
        Ok(())
    }
}

fn number_of(path: &Path) -> Result<u32, RunError> {
    part_number(path).ok_or_else(|| RunError::Malformed {
        path: path.to_owned(),
        reason: "its name is not that of a part".to_owned(),
    })
}

fn refs_path(scratch: &Path, kind: &str, number: u32) -> PathBuf {
    scratch.join(format!("refs-{kind}-{number}"))
}

fn updates_path(scratch: &Path, kind: &str, number: u32) -> PathBuf {
    scratch.join(format!("updates-{kind}-{number}"))
}

/// What becomes of the keys of one part: old id, whether it stays, new id, content hash.
struct Updates {
    path: PathBuf,
    file: BufWriter<File>,
}

const UPDATE: usize = 16 + 1 + 16 + 32;

impl Updates {
    fn create(scratch: &Path, kind: &str, number: u32) -> Result<Self, RunError> {
        let path = updates_path(scratch, kind, number);
        let file = BufWriter::new(whole_file::create(&path, Access::Restricted)?);
        Ok(Self { path, file })
    }

    fn changed(&mut self, old: ResourceId, new: ResourceId, bytes: &[u8]) -> Result<(), RunError> {
        self.push(old, 1, new, &Sha256::digest(bytes))
    }

    fn dropped(&mut self, old: ResourceId) -> Result<(), RunError> {
        self.push(old, 0, old, &[0; 32])
    }

    fn push(&mut self, old: ResourceId, stays: u8, new: ResourceId, hash: &[u8]) -> Result<(), RunError> {
        [old.as_bytes().as_slice(), &[stays], new.as_bytes(), hash]
            .into_iter()
            .try_for_each(|field| self.file.write_all(field))
            .map_err(RunError::io("write", &self.path))
    }

    fn finish(mut self) -> Result<(), RunError> {
        self.file.flush().map_err(RunError::io("write", &self.path))
    }

    /// Old id to new id and hash, or to nothing where the record is no resource of its own any more.
    #[expect(clippy::type_complexity, reason = "read once, in one place")]
    fn read(
        scratch: &Path,
        kind: &str,
        number: u32,
    ) -> Result<HashMap<ResourceId, Option<(ResourceId, [u8; 32])>>, RunError> {
        let path = updates_path(scratch, kind, number);
        if !path.is_file() {
            return Ok(HashMap::new());
        }
        let bytes = fs::read(&path).map_err(RunError::io("read", &path))?;
        let entries = bytes.as_chunks::<UPDATE>().0.iter().map(|entry| {
            let id = |at: usize| ResourceId::from_bytes(entry[at..at + 16].try_into().expect("sixteen bytes"));
            let hash = entry[33..].try_into().expect("thirty-two bytes");
            (id(0), (entry[16] == 1).then(|| (id(17), hash)))
        });
        Ok(entries.collect())
    }
}

fn write_keys(plan: &Plan<'_>, keys: &KeysByPart, scratch: &Path) -> Result<(), RunError> {
    let mut writer = RecordWriter::<KeyRecord>::new(plan.folder)?;
    for (kind, number) in keys.places() {
        let updates = Updates::read(scratch, kind, number)?;
        let mut part = keys.load(kind, number)?;
        if !updates.is_empty() {
            part.retain(|key| updates.get(&key.id) != Some(&None));
            for key in &mut part {
                if let Some(Some((id, hash))) = updates.get(&key.id) {
                    key.id = *id;
                    key.content_hash = *hash;
                }
            }
            part.sort_by_key(|key| key.id);
        }
        part.iter().try_for_each(|key| writer.push(key))?;
    }
    writer.finish().map(|_| ())
}

/// The references of map with retired ids replaced, then those of the records that were composed anew.
fn write_refs(plan: &Plan<'_>, scratch: &Path) -> Result<(), RunError> {
    let mut writer = RecordWriter::<RefRecord>::new(plan.folder)?;
    for reference in records::read::<RefRecord>(plan.map)? {
        let mut reference = reference?;
        if reference.from_type == "Patient" && plan.roles.contains_key(&reference.from_id) {
            continue;
        }
        if reference.to_type == "Patient"
            && let Some(person) = plan.retired.get(&reference.to_id)
        {
            reference.to_id = *person;
        }
        writer.push(&reference)?;
    }
    let mut composed: Vec<RefRecord> = Vec::new();
    for path in part_paths(plan.map, "Patient") {
        let path = refs_path(scratch, "Patient", number_of(&path)?);
        if path.is_file() {
            composed.extend(RecordReader::<RefRecord>::at(&path)?.collect::<Result<Vec<_>, _>>()?);
        }
    }
    composed.sort();
    composed.iter().try_for_each(|reference| writer.push(reference))?;
    writer.finish().map(|_| ())
}
