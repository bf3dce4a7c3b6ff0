//! What XML may hold where: the elements of types, by name, in order, each made when it is first asked for.

use std::collections::HashMap;
use std::sync::Arc;

use crate::Definitions;
use crate::definitions::{Element, Structure, StructureKind};

/// The place of a type, or of an element with children of its own, in [`Schema`].
pub(super) type ShapeId = usize;

/// The types met so far.
pub(super) struct Schema<'d> {
    pub(super) definitions: &'d Definitions,
    shapes: Vec<Slot<'d>>,
    /// By structure and path.
    ids: HashMap<(&'d str, &'d str), ShapeId>,
}

enum Slot<'d> {
    Waiting(&'d Structure, &'d str),
    Ready(Arc<Shape>),
}

/// What an element of one type may hold.
pub(super) struct Shape {
    /// `HumanName`, `Patient.contact`.
    pub(super) type_name: Box<str>,
    names: HashMap<Box<str>, u16>,
    pub(super) members: Vec<Member>,
}

/// One name of XML, which is that of JSON.
pub(super) struct Member {
    pub(super) name: Box<str>,
    /// The element's name without the type of a choice, and the type: for paths.
    pub(super) stem: Box<str>,
    pub(super) choice: Option<Box<str>>,
    /// Its place among the elements of the type; all types of a choice have one place.
    pub(super) order: u16,
    pub(super) is_array: bool,
    pub(super) is_attribute: bool,
    pub(super) form: Form,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Number,
    Bool,
    /// A narrative, kept as its markup.
    Xhtml,
    Object(ShapeId),
    /// An element that holds one resource.
    Resource,
}

impl Shape {
    pub(super) fn member(&self, name: &str) -> Option<(u16, &Member)> {
        self.names.get(name).map(|at| (*at, &self.members[*at as usize]))
    }
}

impl<'d> Schema<'d> {
    pub(super) fn new(definitions: &'d Definitions) -> Self {
        Self { definitions, shapes: Vec::new(), ids: HashMap::new() }
    }

    /// The shape of a type or resource; `None` where no package has it.
    pub(super) fn of_type(&mut self, name: &str) -> Option<ShapeId> {
        let structure = self.definitions.structure(name)?;
        let root = structure.root()?;
        Some(self.id(structure, &root.path))
    }

    pub(super) fn shape(&mut self, id: ShapeId) -> Arc<Shape> {
        match &self.shapes[id] {
            Slot::Ready(shape) => Arc::clone(shape),
            Slot::Waiting(structure, path) => {
                let (structure, path) = (*structure, *path);
                let shape = Arc::new(self.make(structure, path));
                self.shapes[id] = Slot::Ready(Arc::clone(&shape));
                shape
            }
        }
    }

    fn id(&mut self, structure: &'d Structure, path: &'d str) -> ShapeId {
        *self.ids.entry((&structure.url, path)).or_insert_with(|| {
            self.shapes.push(Slot::Waiting(structure, path));
            self.shapes.len() - 1
        })
    }

    fn make(&mut self, structure: &'d Structure, path: &str) -> Shape {
        let mut members: Vec<Member> = Vec::new();
        for (order, element) in structure.children(path).filter(|e| e.slice_name.is_none()).enumerate() {
            let stem = element.name.strip_suffix("[x]").unwrap_or(&element.name);
            if let Some(target) = &element.content_reference {
                let target = structure.element(target).map_or(element.path.as_str(), |t| t.path.as_str());
                let form = Form::Object(self.id(structure, target));
                members.push(member(element, stem, None, order, form));
                continue;
            }
            for of in &element.types {
                let Some(form) = self.form(structure, element, &of.code) else { continue };
                let choice = element.is_choice().then_some(of.code.as_str());
                members.push(member(element, stem, choice, order, form));
            }
        }
        let names = members.iter().enumerate().map(|(at, m)| (m.name.clone(), at as u16)).collect();
        let type_name = if path.contains('.') { path } else { &structure.type_name };
        Shape { type_name: type_name.into(), names, members }
    }

    fn form(&mut self, structure: &'d Structure, element: &'d Element, code: &str) -> Option<Form> {
        match code {
            "xhtml" => return Some(Form::Xhtml),
            "boolean" => return Some(Form::Bool),
            "decimal" | "integer" | "positiveInt" | "unsignedInt" => return Some(Form::Number),
            "Resource" | "DomainResource" => return Some(Form::Resource),
            _ => {}
        }
        if structure.children(&element.path).next().is_some() {
            return Some(Form::Object(self.id(structure, &element.path)));
        }
        let own = self.definitions.structure(code)?;
        match own.kind {
            StructureKind::Primitive => Some(Form::Text),
            StructureKind::Resource => Some(Form::Resource),
            _ => Some(Form::Object(self.id(own, &own.root()?.path))),
        }
    }
}

fn member(element: &Element, stem: &str, choice: Option<&str>, order: usize, form: Form) -> Member {
    let mut name = stem.to_owned();
    if let Some(code) = choice {
        name.extend(code.chars().take(1).map(|c| c.to_ascii_uppercase()));
        name.extend(code.chars().skip(1));
    }
    Member {
        name: name.into(),
        stem: stem.into(),
        choice: choice.map(Into::into),
        order: order as u16,
        is_array: element.is_array(),
        is_attribute: element.is_xml_attribute,
        form,
    }
}
