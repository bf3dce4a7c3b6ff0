//! Which resource must be at the target before which: what is referred to comes first.
//!
//! A server that keeps referential integrity refuses a reference to what is not there yet. Types are put in order by
//! who refers to whom. Where types refer to each other in a circle (an encounter to the encounter that it is part
//! of), single resources are: those of one level refer only to lower levels. Resources that form a circle among
//! themselves are one group, and go in one bundle.
//!
//! In memory: one entry for each resource that refers to another inside such a circle of types; nothing for all the
//! others.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use epr_model::ResourceId;
use epr_run::records::{self, RefRecord};
use epr_run::{FinishedStage, RunError};

/// Where a resource stands. Sorted, all that a resource refers to comes before it, but for its own group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Of its type: 0 for types that refer to no other.
    pub depth: u16,
    /// Within the types of one depth.
    pub level: u32,
    /// The lowest id of a group; of a resource alone its own.
    pub group: ResourceId,
    pub type_no: u16,
    pub id: ResourceId,
}

impl Place {
    pub(crate) const BYTES: usize = 2 + 4 + 16 + 2 + 16;

    /// The place of a resource where only the ids count.
    pub(crate) fn by_id(id: ResourceId) -> Self {
        Self { depth: 0, level: 0, group: id, type_no: 0, id }
    }

    /// Resources of one wave do not refer to each other, but within a group.
    pub fn wave(self) -> (u16, u32) {
        (self.depth, self.level)
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..2].copy_from_slice(&self.depth.to_be_bytes());
        bytes[2..6].copy_from_slice(&self.level.to_be_bytes());
        bytes[6..22].copy_from_slice(self.group.as_bytes());
        bytes[22..24].copy_from_slice(&self.type_no.to_be_bytes());
        bytes[24..].copy_from_slice(self.id.as_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let id = |at: usize| ResourceId::from_bytes(bytes[at..at + 16].try_into().expect("sixteen bytes"));
        Self {
            depth: u16::from_be_bytes([bytes[0], bytes[1]]),
            level: u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]),
            group: id(6),
            type_no: u16::from_be_bytes([bytes[22], bytes[23]]),
            id: id(24),
        }
    }
}

/// The order of all resources of a linked set.
#[derive(Debug, Default)]
pub struct Order {
    types: Vec<String>,
    depths: Vec<u16>,
    /// Level and group of the resources that refer to others of a circle of types; all others have level 0.
    levels: HashMap<(u16, ResourceId), (u32, ResourceId)>,
}

/// A resource among those that refer to each other: its type's number and its id.
type Node = (u16, ResourceId);

impl Order {
    /// Reads the references of `3-link` (twice: once for the types, once for the resources of circles).
    pub fn read(link: &FinishedStage, types: &[String]) -> Result<Self, RunError> {
        Self::of(types, || records::read::<RefRecord>(link))
    }

    fn of<I>(types: &[String], references: impl Fn() -> Result<I, RunError>) -> Result<Self, RunError>
    where
        I: Iterator<Item = Result<RefRecord, RunError>>,
    {
        let numbers: BTreeMap<&str, u16> =
            types.iter().enumerate().map(|(i, name)| (name.as_str(), i as u16)).collect();
        let mut between: BTreeSet<(u32, u32)> = BTreeSet::new();
        for reference in references()? {
            let reference = reference?;
            let pair = (numbers.get(reference.from_type.as_str()), numbers.get(reference.to_type.as_str()));
            if let (Some(from), Some(to)) = pair {
                between.insert((u32::from(*from), u32::from(*to)));
            }
        }
        let circles = circles(types.len(), &between.iter().copied().collect::<Vec<_>>());
        let in_circle = |from: u16, to: u16| circles.of[usize::from(from)] == circles.of[usize::from(to)];
        let depths = circles.of.iter().map(|c| circles.level[*c as usize] as u16).collect();

        let mut nodes: HashMap<Node, u32> = HashMap::new();
        let mut edges: Vec<(u32, u32)> = Vec::new();
        if between.iter().any(|(from, to)| circles.of[*from as usize] == circles.of[*to as usize]) {
            for reference in references()? {
                let reference = reference?;
                let pair = (numbers.get(reference.from_type.as_str()), numbers.get(reference.to_type.as_str()));
                let (Some(from), Some(to)) = pair else { continue };
                if in_circle(*from, *to) && (from, reference.from_id) != (to, reference.to_id) {
                    let mut number = |node: Node| {
                        let next = nodes.len() as u32;
                        *nodes.entry(node).or_insert(next)
                    };
                    edges.push((number((*from, reference.from_id)), number((*to, reference.to_id))));
                }
            }
        }
        let found = self::circles(nodes.len(), &edges);
        let mut group: Vec<Option<ResourceId>> = vec![None; found.level.len()];
        for ((_, id), number) in &nodes {
            let lowest = &mut group[found.of[*number as usize] as usize];
            *lowest = Some(lowest.map_or(*id, |other| other.min(*id)));
        }
        let levels = nodes
            .into_iter()
            .map(|(node, number)| {
                let circle = found.of[number as usize] as usize;
                (node, (found.level[circle], group[circle].expect("every circle has a member")))
            })
            .collect();
        Ok(Self { types: types.to_vec(), depths, levels })
    }

    /// The types, by their numbers.
    pub fn types(&self) -> &[String] {
        &self.types
    }

    /// Where a resource stands.
    pub fn place(&self, type_no: u16, id: ResourceId) -> Place {
        let (level, group) = self.levels.get(&(type_no, id)).copied().unwrap_or((0, id));
        Place { depth: self.depths[usize::from(type_no)], level, group, type_no, id }
    }
}

/// The strongly connected sets of a graph, and how long the longest way down from each is.
struct Circles {
    /// The circle of each node.
    of: Vec<u32>,
    /// The level of each circle: 0 for one that refers to no other.
    level: Vec<u32>,
}

/// Tarjan's algorithm, without recursion: chains in data are as long as the data make them.
fn circles(n_nodes: usize, edges: &[(u32, u32)]) -> Circles {
    const UNSEEN: u32 = u32::MAX;
    let mut first = vec![0_usize; n_nodes + 1];
    for (from, _) in edges {
        first[*from as usize + 1] += 1;
    }
    for i in 0..n_nodes {
        first[i + 1] += first[i];
    }
    let mut filled = first.clone();
    let mut to = vec![0_u32; edges.len()];
    for (from, target) in edges {
        to[filled[*from as usize]] = *target;
        filled[*from as usize] += 1;
    }

    let (mut index, mut low) = (vec![UNSEEN; n_nodes], vec![0_u32; n_nodes]);
    let mut of = vec![UNSEEN; n_nodes];
    let mut level: Vec<u32> = Vec::new();
    let (mut stack, mut calls): (Vec<u32>, Vec<(u32, usize)>) = (Vec::new(), Vec::new());
    let mut next = 0;
    for root in 0..n_nodes as u32 {
        if index[root as usize] != UNSEEN {
            continue;
        }
        calls.push((root, first[root as usize]));
        while let Some((node, at)) = calls.pop() {
            let v = node as usize;
            if index[v] == UNSEEN {
                index[v] = next;
                low[v] = next;
                next += 1;
                stack.push(node);
            }
            let edge = (at..first[v + 1]).find(|e| of[to[*e] as usize] == UNSEEN);
            if let Some(e) = edge {
                let w = to[e] as usize;
                if index[w] == UNSEEN {
                    // Looked at again on the way back, when its `low` is known.
                    calls.push((node, e));
                    calls.push((to[e], first[w]));
                } else {
                    low[v] = low[v].min(low[w]);
                    calls.push((node, e + 1));
                }
                continue;
            }
            if low[v] == index[v] {
                // All circles below are whole already: their levels are known.
                let circle = level.len() as u32;
                let mut members = Vec::new();
                while let Some(w) = stack.pop() {
                    of[w as usize] = circle;
                    members.push(w);
                    if w == node {
                        break;
                    }
                }
                let below = members
                    .iter()
                    .flat_map(|w| &to[first[*w as usize]..first[*w as usize + 1]])
                    .map(|w| of[*w as usize])
                    .filter(|c| *c != circle)
                    .map(|c| level[c as usize] + 1)
                    .max();
                level.push(below.unwrap_or(0));
            }
        }
    }
    Circles { of, level }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(n: u16) -> ResourceId {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        ResourceId::from_bytes(bytes)
    }

    fn order(types: &[&str], references: &[(&str, u16, &str, u16)]) -> Order {
        let types: Vec<String> = types.iter().map(|t| (*t).to_owned()).collect();
        let records: Vec<RefRecord> = references
            .iter()
            .map(|(from_type, from, to_type, to)| RefRecord {
                from_type: (*from_type).to_owned(),
                from_id: id(*from),
                to_type: (*to_type).to_owned(),
                to_id: id(*to),
                path: String::new(),
            })
            .collect();
        Order::of(&types, || Ok(records.clone().into_iter().map(Ok))).unwrap()
    }

    #[test]
    fn types_come_after_those_they_refer_to() {
        let order = order(
            &["AllergyIntolerance", "Encounter", "Patient"],
            &[("AllergyIntolerance", 1, "Encounter", 2), ("Encounter", 2, "Patient", 3), ("Patient", 3, "Group", 9)],
        );
        let depth = |t| order.place(t, id(7)).depth;
        assert_eq!([depth(0), depth(1), depth(2)], [2, 1, 0]);
    }

    #[test]
    fn an_encounter_comes_after_the_one_it_is_part_of() {
        let order = order(&["Encounter"], &[("Encounter", 1, "Encounter", 2), ("Encounter", 2, "Encounter", 3)]);
        let level = |n| order.place(0, id(n)).level;
        assert_eq!([level(1), level(2), level(3), level(4)], [2, 1, 0, 0]);
        assert_eq!(order.place(0, id(1)).group, id(1));
    }

    #[test]
    fn resources_that_refer_to_each_other_are_one_group() {
        let order = order(
            &["EpisodeOfCare", "ServiceRequest"],
            &[
                ("EpisodeOfCare", 1, "ServiceRequest", 2),
                ("ServiceRequest", 2, "EpisodeOfCare", 1),
                ("ServiceRequest", 3, "EpisodeOfCare", 1),
                ("ServiceRequest", 4, "ServiceRequest", 4),
            ],
        );
        assert_eq!(order.place(0, id(1)).group, order.place(1, id(2)).group);
        assert_eq!(order.place(0, id(1)).wave(), (0, 0));
        assert_eq!(order.place(1, id(3)).wave(), (0, 1));
        assert_eq!(order.place(1, id(4)).wave(), (0, 0), "a reference to itself is no circle of two");
    }

    proptest! {
        #[test]
        fn whatever_refers_comes_later_or_stands_in_the_same_group(
            references in proptest::collection::vec((0_u16..3, 0_u16..12, 0_u16..3, 0_u16..12), 0..40),
        ) {
            let names = ["A", "B", "C"];
            let named: Vec<_> = references
                .iter()
                .map(|(from_type, from, to_type, to)| {
                    (names[*from_type as usize], *from, names[*to_type as usize], *to)
                })
                .collect();
            let order = order(&names, &named);
            for (from_type, from, to_type, to) in references {
                let (from, to) = (order.place(from_type, id(from)), order.place(to_type, id(to)));
                prop_assert!(from.wave() > to.wave() || from == to || (from.group == to.group && from.wave() == to.wave()));
                prop_assert_eq!(Place::from_bytes(from.to_bytes()), from);
            }
        }
    }
}
