//! From an element to its child by the name that JSON gives it.

use super::{Definitions, Element, Structure};

/// A child element found by its JSON name, and where it is defined.
#[derive(Debug, Clone, Copy)]
pub struct ChildElement<'d> {
    /// The element.
    pub element: &'d Element,
    /// The structure that has it: to go on below, pass it with `element.path` and `type_code`.
    pub structure: &'d Structure,
    /// Its concrete type: `Quantity` for `valueQuantity`.
    pub type_code: &'d str,
}

impl Definitions {
    /// The child of an element by its JSON member name: in the structure itself, behind a content reference, or in the element's type.
    ///
    /// `structure` and `path` say where the parent is defined, `type_code` its concrete type. For a resource inside a resource
    /// (`Bundle.entry.resource`, `contained`) pass the type of the resource that is there. `_birthDate` is `birthDate`, whose
    /// children are those of the type `date`: `id`, `extension`, and `value`, which JSON never writes.
    pub fn child<'d>(
        &'d self,
        structure: &'d Structure,
        path: &str,
        type_code: &str,
        json_name: &str,
    ) -> Option<ChildElement<'d>> {
        let name = json_name.strip_prefix('_').unwrap_or(json_name);
        if let Some(found) = child_inside(structure, path, name) {
            return Some(found);
        }
        let reference = structure.element(path).and_then(|element| element.content_reference.as_deref());
        if let Some(found) = reference.and_then(|path| child_inside(structure, path, name)) {
            return Some(found);
        }
        let own = self.structure(type_code)?;
        child_inside(own, &own.root()?.path, name)
    }
}

fn child_inside<'d>(structure: &'d Structure, path: &str, name: &str) -> Option<ChildElement<'d>> {
    structure.children(path).find_map(|element| {
        let type_code = element.type_for(name)?;
        let reference = element.content_reference.as_deref().and_then(|path| structure.element(path));
        let type_code = match reference.and_then(|element| element.types.first()) {
            Some(referenced) => referenced.code.as_str(),
            None => type_code,
        };
        Some(ChildElement { element, structure, type_code })
    })
}
