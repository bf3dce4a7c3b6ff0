//! Resource ids, made from source keys by a fixed rule.
//!
//! An id is a UUIDv5 in the project's namespace over length-prefixed fields, so that a re-run gives the same id
//! and a reference needs no look-up of an id that another worker made. Never an NHS number, a name or a date of
//! birth: a UUIDv5 of those is reversible by trying. Source: ARCHITECTURE.md, "Ids".

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Changes when the recipe below changes, so that ids of two recipes cannot meet.
const RECIPE: &[u8] = b"epr-id-1";

/// A resource's logical id; prints as 36 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId([u8; 16]);

impl ResourceId {
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Writes the 36 characters without an allocation.
    pub fn encode<'a>(&self, buffer: &'a mut [u8; 36]) -> &'a str {
        Uuid::from_bytes(self.0).hyphenated().encode_lower(buffer)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; 36]))
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a 36-character hyphenated UUID in lower case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a lower-case hyphenated UUID")]
pub struct NotAResourceId;

impl FromStr for ResourceId {
    type Err = NotAResourceId;

    fn from_str(text: &str) -> Result<Self, NotAResourceId> {
        let id = Self(*Uuid::try_parse(text).map_err(|_| NotAResourceId)?.as_bytes());
        if id.encode(&mut [0; 36]) == text { Ok(id) } else { Err(NotAResourceId) }
    }
}

/// The project's namespace for ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdNamespace(Uuid);

impl FromStr for IdNamespace {
    type Err = NotAResourceId;

    fn from_str(text: &str) -> Result<Self, NotAResourceId> {
        Uuid::try_parse(text).map(Self).map_err(|_| NotAResourceId)
    }
}

/// What does not change from row to row of one map: type, organisation, system, table and `id_part`.
///
/// `id_part` is empty unless several resources of one type come from one row.
#[derive(Debug, Clone)]
pub struct IdRecipe {
    namespace: IdNamespace,
    prefix: Vec<u8>,
}

impl IdRecipe {
    pub fn new(
        namespace: IdNamespace,
        resource_type: &str,
        organisation: &str,
        system: &str,
        table: &str,
        id_part: &str,
    ) -> Self {
        let mut prefix = Vec::with_capacity(96);
        for field in [RECIPE, resource_type.as_bytes(), organisation.as_bytes(), system.as_bytes()] {
            push_field(&mut prefix, Some(field));
        }
        push_field(&mut prefix, Some(table.as_bytes()));
        push_field(&mut prefix, Some(id_part.as_bytes()));
        Self { namespace, prefix }
    }

    /// The id for one key: each key column after its declared trim, then each `.each` key. `None` is a null,
    /// which only a table with `key: row` may hold. `buffer` is scratch space, so that the row loop allocates nothing.
    pub fn id<'k>(&self, key: impl IntoIterator<Item = Option<&'k [u8]>>, buffer: &mut Vec<u8>) -> ResourceId {
        buffer.clear();
        buffer.extend_from_slice(&self.prefix);
        for field in key {
            push_field(buffer, field);
        }
        ResourceId(*Uuid::new_v5(&self.namespace.0, buffer).as_bytes())
    }
}

/// Length first, so that `("ab", "c")` and `("a", "bc")` differ; a null has a length that no text has.
fn push_field(buffer: &mut Vec<u8>, field: Option<&[u8]>) {
    let length = field.map_or(u32::MAX, |f| u32::try_from(f.len()).expect("a key field is below 4 GiB"));
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(field.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recipe(id_part: &str) -> IdRecipe {
        let namespace = "6f1c7b4e-2f0a-4d35-9a0f-3a5a5d0f7c11".parse().unwrap();
        IdRecipe::new(namespace, "Patient", "RK9", "ipm", "PATIENTS", id_part)
    }

    fn id(key: &[Option<&str>]) -> ResourceId {
        recipe("").id(key.iter().map(|k| k.map(str::as_bytes)), &mut Vec::new())
    }

    #[test]
    fn the_recipe_never_changes() {
        // Computed apart from this code, with SHA-1 over the namespace and the length-prefixed fields.
        assert_eq!(id(&[Some("1")]).to_string(), "ba1e7c0d-e0b4-5a2c-95d2-cff4f6aff87d");
    }

    #[test]
    fn an_id_part_makes_another_id() {
        let part = recipe("bp").id([Some(&b"1"[..])], &mut Vec::new());
        assert_ne!(part, id(&[Some("1")]));
    }

    #[test]
    fn upper_case_and_bare_hex_are_not_ids() {
        for text in ["6F1C7B4E-2F0A-4D35-9A0F-3A5A5D0F7C11", "6f1c7b4e2f0a4d359a0f3a5a5d0f7c11", ""] {
            assert_eq!(text.parse::<ResourceId>(), Err(NotAResourceId));
        }
    }

    proptest! {
        #[test]
        fn different_keys_give_different_ids(
            a in proptest::collection::vec(proptest::option::of("[a-z]{0,3}"), 1..4),
            b in proptest::collection::vec(proptest::option::of("[a-z]{0,3}"), 1..4),
        ) {
            let of = |key: &Vec<Option<String>>| id(&key.iter().map(Option::as_deref).collect::<Vec<_>>());
            prop_assert_eq!(a == b, of(&a) == of(&b));
        }

        #[test]
        fn an_id_survives_its_text(bytes: [u8; 16]) {
            let id = ResourceId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }
    }
}
