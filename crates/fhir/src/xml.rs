//! FHIR in XML, read into the same tree as JSON.
//!
//! In: bytes of one XML document, and the definitions that say which element is a list, a number or an attribute. Out: a
//! [`Resource`] that holds the JSON of the document, with what is wrong with the XML as its faults; or why the document
//! is no resource. Never here: a verdict on what the resource says.
//!
//! | what you want to find | module |
//! |---|---|
//! | well-formedness, namespaces | `tree` |
//! | what may stand where | `schema` |
//! | XML to JSON | `convert` |

mod convert;
mod encoding;
mod schema;
mod tree;

use crate::Definitions;
use crate::resource::{FaultKind, Resource, SourceFault, SyntaxError};
use crate::write::JsonWriter;
use convert::Converter;
use schema::Schema;
use tree::Tree;

/// Reads document after document; what it learned of the definitions is kept between them.
pub struct XmlReader<'d> {
    schema: Schema<'d>,
    json: Vec<u8>,
}

impl std::fmt::Debug for XmlReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("XmlReader")
    }
}

impl<'d> XmlReader<'d> {
    /// A reader by the types of these definitions.
    pub fn new(definitions: &'d Definitions) -> Self {
        Self { schema: Schema::new(definitions), json: Vec::new() }
    }

    /// Reads one document.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Resource, SyntaxError> {
        let mut resource = Resource::default();
        self.read_into(bytes, &mut resource)?;
        Ok(resource)
    }

    /// Reads one document into a resource, using its allocations again. After an error it holds `null`.
    pub fn read_into(&mut self, bytes: &[u8], resource: &mut Resource) -> Result<(), SyntaxError> {
        let read = self.convert(bytes);
        let Converted { text, json, places, faults } = read.inspect_err(|_| resource.clear())?;
        let parsed = resource.parse_json_into(&json);
        self.json = json;
        parsed?;
        resource.comes_from_xml(text, places, faults);
        Ok(())
    }

    fn convert(&mut self, bytes: &[u8]) -> Result<Converted, SyntaxError> {
        let at = |text: &str, (offset, what): (usize, &'static str)| {
            let (line, column) = crate::resource::position(text.as_bytes(), offset);
            SyntaxError { offset, line, column, what }
        };
        let (text, has_encoding_fault) = encoding::decode(bytes)?;
        let tree = Tree::read(&text).map_err(|fault| at(&text, fault))?;
        let mut json = std::mem::take(&mut self.json);
        json.clear();
        let mut converter = Converter::new(&mut self.schema, &tree, JsonWriter::appending_to(json));
        converter.document().map_err(|refusal| at(&text, refusal))?;
        let Converter { json, places, mut faults, .. } = converter;
        if has_encoding_fault {
            faults.push(SourceFault::new(0, FaultKind::Encoding));
        }
        faults.sort_by_key(|fault| fault.offset);
        crate::resource::place(text.as_bytes(), &mut faults);
        let (json, text) = (json.finish(), text.into_owned());
        Ok(Converted { text, json, places, faults })
    }
}

/// A document turned into JSON.
struct Converted {
    text: String,
    json: Vec<u8>,
    places: Vec<(u32, u32)>,
    faults: Vec<SourceFault>,
}
