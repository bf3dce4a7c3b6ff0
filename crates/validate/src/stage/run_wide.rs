//! Rules over the whole run: orphans, and what must be held with what is held.

use std::collections::{BTreeMap, VecDeque};

use epr_model::{Action, Issue, ResourceId, Severity, Stage};
use epr_run::records::{self, KeyRecord, RefRecord};
use epr_run::{FinishedStage, RunError, StageContext};

use super::Output;
use super::across::Across;
use super::facts::NONE;
use super::ids::Ids;
use crate::hash::FastMap;
use crate::issues;
use crate::rules::HazardDoc;

/// The resources that a mapping policy or link refused, and the code that says why.
pub(super) type Refused = BTreeMap<(String, ResourceId), String>;

/// What the references say before any resource is read.
pub(super) struct RefFindings {
    /// By the number of the resource that refers: element and type of each target that nobody has.
    pub(super) orphans: FastMap<u32, Vec<(String, String)>>,
    /// Resources that refer to a refused one.
    pub(super) depend_on_refused: BTreeMap<u32, Hold>,
    /// References that were looked up.
    pub(super) n_references: u64,
}

/// Why a resource is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) rule: String,
    /// `Type/id`; none where the resource is itself the root.
    pub(super) root_cause: Option<String>,
}

/// Reads what was refused from the issues of map and link; they name the id that the resource would have had.
pub(super) fn refused(ctx: StageContext<'_>) -> Result<Refused, RunError> {
    let mut refused = Refused::new();
    for stage in [Stage::Map, Stage::Link] {
        let Some(finished) = ctx.run.finished(stage)? else { continue };
        for issue in records::read::<Issue>(&finished)? {
            let issue = issue?;
            if let (Action::Refused, Some(resource_type), Some(id)) =
                (issue.action, issue.resource_type, issue.resource_id)
            {
                refused.entry((resource_type, id)).or_insert(issue.code);
            }
        }
    }
    Ok(refused)
}

/// Looks every reference up among the ids of the run.
pub(super) fn orphans(
    ctx: StageContext<'_>,
    link: &FinishedStage,
    ids: &Ids,
    refused: &Refused,
) -> Result<RefFindings, RunError> {
    let mut found = RefFindings { orphans: FastMap::default(), depend_on_refused: BTreeMap::new(), n_references: 0 };
    for_each_ref(ctx, link, |reference| {
        found.n_references += 1;
        if ids.number(&reference.to_type, reference.to_id).is_some() {
            return;
        }
        let Some(from) = ids.number(&reference.from_type, reference.from_id) else { return };
        let target = (reference.to_type, reference.to_id);
        if let Some(code) = refused.get(&target) {
            let root_cause = Some(format!("{}/{}", target.0, target.1));
            found.depend_on_refused.entry(from).or_insert(Hold { rule: code.clone(), root_cause });
        } else {
            found.orphans.entry(from).or_default().push((reference.path, target.0));
        }
    })?;
    Ok(found)
}

/// Holds whatever refers, over any number of steps, to something held or refused.
///
/// Of several causes the nearest is named, and of equally near ones that of the lowest type and id.
pub(super) fn close(
    ctx: StageContext<'_>,
    link: &FinishedStage,
    ids: &Ids,
    roots: BTreeMap<u32, String>,
    depend_on_refused: &BTreeMap<u32, Hold>,
) -> Result<BTreeMap<u32, Hold>, RunError> {
    let mut holds: BTreeMap<u32, Hold> =
        roots.into_iter().map(|(number, rule)| (number, Hold { rule, root_cause: None })).collect();
    for (number, hold) in depend_on_refused {
        holds.entry(*number).or_insert_with(|| hold.clone());
    }
    if holds.is_empty() {
        return Ok(holds);
    }
    let edges = edges(ctx, link, ids)?;
    let mut queue: VecDeque<u32> = holds.keys().copied().collect();
    while let Some(number) = queue.pop_front() {
        let Hold { rule, root_cause } = holds[&number].clone();
        let cause = root_cause.unwrap_or_else(|| {
            let (resource_type, id) = ids.at(number);
            format!("{resource_type}/{id}")
        });
        let first = edges.partition_point(|(to, _)| *to < number);
        for (_, from) in edges[first..].iter().take_while(|(to, _)| *to == number) {
            holds.entry(*from).or_insert_with(|| {
                queue.push_back(*from);
                Hold { rule: rule.clone(), root_cause: Some(cause.clone()) }
            });
        }
    }
    Ok(holds)
}

/// References inside the run, as numbers: to whom, from whom; sorted.
fn edges(ctx: StageContext<'_>, link: &FinishedStage, ids: &Ids) -> Result<Vec<(u32, u32)>, RunError> {
    let mut edges = Vec::new();
    for_each_ref(ctx, link, |r| {
        if let (Some(from), Some(to)) = (ids.number(&r.from_type, r.from_id), ids.number(&r.to_type, r.to_id)) {
            edges.push((to, from));
        }
    })?;
    edges.sort_unstable();
    edges.dedup();
    Ok(edges)
}

/// Writes what the rules over several resources found, with the lineage of each resource.
pub(super) fn tell_across(
    link: &FinishedStage,
    ids: &Ids,
    found: &[Across],
    holds: &impl Fn(&HazardDoc) -> bool,
    out: &mut Output,
) -> Result<(), RunError> {
    let mut lineages: FastMap<u32, Option<KeyRecord>> = found.iter().map(|a| (a.number, None)).collect();
    if lineages.is_empty() {
        return Ok(());
    }
    for record in records::read::<KeyRecord>(link)? {
        let record = record?;
        if let Some(number) = ids.number(&record.resource_type, record.id)
            && let Some(lineage) = lineages.get_mut(&number)
        {
            lineage.get_or_insert(record);
        }
    }
    for across in found {
        let action = if holds(across.doc) { Action::Held } else { Action::Kept };
        let mut issue = Issue::new(across.doc.issue.code, across.doc.issue.severity, action, Stage::Validate);
        if let Some(Some(key)) = lineages.get(&across.number) {
            super::stream::set_lineage(&mut issue, key);
        }
        let has_type = across.path.starts_with(|c: char| c.is_ascii_uppercase());
        issue.fhir_path = Some(match (&issue.resource_type, has_type) {
            (Some(resource_type), false) => format!("{resource_type}.{}", across.path),
            _ => across.path.clone(),
        });
        issue.shape = Some(across.detail.to_owned());
        issue.patient_key = (across.patient != NONE).then(|| ids.at(across.patient).1);
        out.push(&issue)?;
    }
    Ok(())
}

/// Writes one issue for each resource that is held only because of another, with its lineage and its patient.
pub(super) fn tell_dependants(
    ctx: StageContext<'_>,
    link: &FinishedStage,
    ids: &Ids,
    holds: &BTreeMap<u32, Hold>,
    out: &mut Output,
) -> Result<(), RunError> {
    let dependants: FastMap<u32, &Hold> =
        holds.iter().filter(|(_, h)| h.root_cause.is_some()).map(|(n, h)| (*n, h)).collect();
    if dependants.is_empty() {
        return Ok(());
    }
    let patients = patients_of(ctx, link, ids, &dependants)?;
    let mut told: Vec<Issue> = Vec::new();
    for record in records::read::<KeyRecord>(link)? {
        let record = record?;
        let Some(number) = ids.number(&record.resource_type, record.id) else { continue };
        let Some(hold) = dependants.get(&number) else { continue };
        let mut issue = Issue::new(issues::VAL_HELD_WITH_TARGET, Severity::Information, Action::Held, Stage::Validate);
        let is_patient = record.resource_type == "Patient";
        issue.shape = Some(format!("rule {}", hold.rule));
        issue.fhir_path = Some(record.resource_type.clone());
        issue.patient_key = if is_patient { Some(record.id) } else { patients.get(&number).copied() };
        super::stream::set_lineage(&mut issue, &record);
        told.push(issue);
    }
    told.sort_by(|a, b| (&a.resource_type, &a.resource_id).cmp(&(&b.resource_type, &b.resource_id)));
    told.iter().try_for_each(|issue| out.push(issue))
}

/// The patients of some resources, by the references that R4 uses for it.
fn patients_of(
    ctx: StageContext<'_>,
    link: &FinishedStage,
    ids: &Ids,
    wanted: &FastMap<u32, &Hold>,
) -> Result<FastMap<u32, ResourceId>, RunError> {
    let mut patients: FastMap<u32, ResourceId> = FastMap::default();
    for_each_ref(ctx, link, |r| {
        let is_subject = r.path == "Appointment.participant.actor"
            || r.path.split_once('.').is_some_and(|(_, element)| crate::check::PATIENT_ELEMENTS.contains(&element));
        if r.to_type != "Patient" || !is_subject {
            return;
        }
        if let Some(number) = ids.number(&r.from_type, r.from_id).filter(|n| wanted.contains_key(n)) {
            patients.entry(number).or_insert(r.to_id);
        }
    })?;
    Ok(patients)
}

fn for_each_ref(ctx: StageContext<'_>, link: &FinishedStage, mut each: impl FnMut(RefRecord)) -> Result<(), RunError> {
    for (n, record) in records::read::<RefRecord>(link)?.enumerate() {
        if n % 65_536 == 0 {
            ctx.stop.check()?;
        }
        each(record?);
    }
    Ok(())
}
