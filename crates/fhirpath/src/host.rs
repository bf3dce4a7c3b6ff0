//! What the caller lends to an evaluation: definitions, resolvers, the time that is "now", and the place to begin.

use epr_fhir::definitions::Definitions;
use epr_fhir::resource::Node;

use crate::element::ElementNode;
use crate::temporal::Temporal;

/// What the caller lends. Nothing is taken from the environment: without `as_of` there is no `now()`.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    /// Types of elements, and `memberOf`. Without them types are what the JSON shows.
    pub definitions: Option<&'a Definitions>,
    /// Finds what `resolve()` cannot find in the resource or the Bundle at hand.
    pub resolver: Option<&'a dyn Resolver>,
    /// Answers `conformsTo()`.
    pub conformance: Option<&'a dyn Conformance>,
    /// What `now()` and `today()` say: the cut-off of the data, as a date-time.
    pub as_of: Option<Temporal>,
}

impl<'a> Host<'a> {
    /// A host with definitions (or none) and nothing else.
    pub fn with_definitions(definitions: Option<&'a Definitions>) -> Host<'a> {
        Host { definitions, resolver: None, conformance: None, as_of: None }
    }
}

/// Finds resources elsewhere.
pub trait Resolver {
    /// `reference` as written: relative (`Patient/1`), absolute, or a canonical URL.
    fn resolve(&self, reference: &str) -> Resolved<'_>;
}

/// What a [`Resolver`] says.
#[derive(Debug, Clone, Copy)]
pub enum Resolved<'a> {
    Found(Node<'a>),
    /// It is known that there is no such resource.
    Absent,
    /// It cannot be known here.
    Unknown,
}

/// Tells whether an element conforms to a profile.
pub trait Conformance {
    /// `None` where it cannot be told.
    fn conforms(&self, element: ElementNode<'_>, profile: &str) -> Option<bool>;
}

/// Where an evaluation begins.
#[derive(Debug, Clone, Copy)]
pub struct Focus<'a> {
    /// `$this` and `%context`.
    pub element: ElementNode<'a>,
    /// `%resource`: the resource that has the element; inside a contained resource, that one.
    pub resource: ElementNode<'a>,
    /// `%rootResource`: the resource that contains `%resource`, or the same.
    pub root_resource: ElementNode<'a>,
    /// The Bundle around it, in which `resolve()` looks.
    pub bundle: Option<ElementNode<'a>>,
}

impl<'a> Focus<'a> {
    /// The whole of a resource.
    pub fn on_resource(node: Node<'a>, definitions: Option<&'a Definitions>) -> Focus<'a> {
        let resource = ElementNode::resource(node, definitions);
        let bundle = (resource.type_code() == "Bundle").then_some(resource);
        Focus { element: resource, resource, root_resource: resource, bundle }
    }

    /// Another element of the same resource.
    pub fn at(self, element: ElementNode<'a>) -> Focus<'a> {
        Focus { element, ..self }
    }

    /// A resource contained in this one.
    pub fn on_contained(self, contained: ElementNode<'a>) -> Focus<'a> {
        Focus { element: contained, resource: contained, ..self }
    }

    /// A resource in an entry of this Bundle.
    pub fn on_entry(self, resource: ElementNode<'a>) -> Focus<'a> {
        Focus { element: resource, resource, root_resource: resource, bundle: Some(self.root_resource) }
    }
}
