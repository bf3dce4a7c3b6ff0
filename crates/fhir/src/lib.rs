//! FHIR R4: packages, definitions, and resources read with exact digits.
//!
//! In: bytes of resources; FHIR packages from a cache folder or a registry.
//! Out: resources as flat trees that keep order and digits; the definitions of R4 (and of profiles on it) ready to be asked.
//! Never here: a verdict on a resource (that is `epr-validate`), FHIRPath, a choice of folders, a clock.
//!
//! | what you want to find | module |
//! |---|---|
//! | reading a JSON resource | [`resource`] |
//! | reading an XML resource | [`xml`] |
//! | writing JSON with order and digits kept | [`write`] |
//! | what a narrative may hold | [`narrative`] |
//! | package ids, the package cache, installing from a registry | [`package`] |
//! | structures, elements, value sets, code systems; navigation; code membership | [`definitions`] |

pub mod definitions;
pub mod narrative;
pub mod package;
pub mod resource;
pub mod write;
pub mod xml;

pub use definitions::Definitions;
pub use resource::{Node, NodeKind, Resource};
pub use xml::XmlReader;
