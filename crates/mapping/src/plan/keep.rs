//! A resource that the source holds whole (`from_resource: keep`): what is known of its type, and where its references
//! lead.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{At, RefTargetSlot};

/// How a row's own resource is kept.
#[derive(Debug, Clone)]
pub struct KeepPlan {
    /// The column of the main table that holds the JSON.
    pub column: u16,
    /// The key's one column: the resource's id in the source.
    pub id_column: u16,
    /// Under which identifier system the source's id is kept; `None`: the file's own rules keep it.
    pub source_id: Option<Arc<str>>,
    /// Whether the type's `identifier` is a list.
    pub identifier_is_list: bool,
    /// The source's own base URL: absolute references that begin with it are the source's own.
    pub base: Option<Arc<str>>,
    /// By resource type: the map of the pack that makes its resources.
    pub targets: BTreeMap<Box<str>, RefTargetSlot>,
    pub shape: Arc<KeepShape>,
    /// By the name that a rule writes: the other names of the same choice, which it displaces.
    pub displaces: BTreeMap<Box<str>, Vec<Box<str>>>,
    pub at: At,
}

/// The elements of a resource type, as a graph: types refer to each other.
#[derive(Debug, Clone, Default)]
pub struct KeepShape {
    /// The first is the resource.
    pub nodes: Vec<ShapeNode>,
}

/// The members that an object may have, by their JSON names.
#[derive(Debug, Clone, Default)]
pub struct ShapeNode {
    pub members: BTreeMap<Box<str>, ShapeMember>,
}

/// One member.
#[derive(Debug, Clone)]
pub struct ShapeMember {
    /// `None`: what is below is not known here, and kept as it is.
    pub node: Option<u32>,
    /// A primitive has a second member `_name`, of the shape that `node` gives.
    pub is_primitive: bool,
    /// For references: the resource types that they may lead to; empty: any.
    pub targets: Vec<Box<str>>,
}

impl KeepShape {
    /// A member of an object by its JSON name, `_birthDate` as well; `None` where there is none such.
    pub fn member(&self, node: u32, name: &str) -> Option<&ShapeMember> {
        let members = &self.nodes[node as usize].members;
        match name.strip_prefix('_') {
            Some(primitive) => members.get(primitive).filter(|m| m.is_primitive),
            None => members.get(name),
        }
    }
}
