//! What an expression works on: elements of a resource, and the system values of FHIRPath.
//!
//! An element is turned into a system value only where an operator needs one.

use std::borrow::Cow;
use std::fmt;

use rust_decimal::Decimal;

use crate::element::ElementNode;
use crate::quantity::Quantity;
use crate::temporal::Temporal;

/// One item of a collection.
#[derive(Clone)]
pub enum Item<'a> {
    Element(ElementNode<'a>),
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    String(Cow<'a, str>),
    Temporal(Temporal),
    Quantity(Quantity<'a>),
    /// What `type()` gives.
    Type {
        namespace: &'static str,
        name: Cow<'a, str>,
    },
}

// Items are patient data: only their kind may show.
impl fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl<'a> Item<'a> {
    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Item<'a> {
        Item::String(text.into())
    }

    /// A count as an Integer.
    pub(crate) fn count(n: usize) -> Item<'a> {
        Item::Integer(i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// The system type (`Integer`), or `element`; for messages, never a value.
    pub fn kind(&self) -> &'static str {
        use crate::temporal::TemporalKind;
        match self {
            Item::Element(_) => "element",
            Item::Boolean(_) => "Boolean",
            Item::Integer(_) => "Integer",
            Item::Decimal(_) => "Decimal",
            Item::String(_) => "String",
            Item::Temporal(at) => match at.kind() {
                TemporalKind::Date => "Date",
                TemporalKind::DateTime => "DateTime",
                TemporalKind::Time => "Time",
            },
            Item::Quantity(_) => "Quantity",
            Item::Type { .. } => "Type",
        }
    }

    /// The system value of a primitive element or a Quantity; any other item as it is.
    pub fn system(&self) -> Item<'a> {
        match self {
            Item::Element(element) => element.system().unwrap_or(Item::Element(*element)),
            other => other.clone(),
        }
    }

    /// The item as text, as `toString()` gives it; `None` for what has no text form.
    pub fn to_text(&self) -> Option<Cow<'a, str>> {
        match self {
            Item::Element(element) => match element.system()? {
                Item::Element(_) => None,
                // The digits as written, where the element is a number.
                _ if element.number_text().is_some() => element.number_text().map(Cow::Borrowed),
                system => system.to_text(),
            },
            Item::Boolean(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
            Item::Integer(value) => Some(Cow::Owned(value.to_string())),
            Item::Decimal(value) => Some(Cow::Owned(value.to_string())),
            Item::String(text) => Some(text.clone()),
            Item::Temporal(at) => Some(Cow::Owned(at.to_string())),
            Item::Quantity(quantity) => Some(Cow::Owned(quantity.to_string())),
            Item::Type { .. } => None,
        }
    }

    /// A number, whether integer or decimal.
    pub(crate) fn number(&self) -> Option<Decimal> {
        match self {
            Item::Integer(value) => Some(Decimal::from(*value)),
            Item::Decimal(value) => Some(*value),
            _ => None,
        }
    }
}

/// Items in order. None or one item takes no allocation.
#[derive(Clone)]
pub struct Collection<'a>(Repr<'a>);

#[derive(Clone)]
enum Repr<'a> {
    Few(Option<Item<'a>>),
    Many(Vec<Item<'a>>),
}

impl fmt::Debug for Collection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Collection<'a> {
    pub const EMPTY: Collection<'static> = Collection(Repr::Few(None));

    pub fn empty() -> Collection<'a> {
        Collection(Repr::Few(None))
    }

    pub fn one(item: Item<'a>) -> Collection<'a> {
        Collection(Repr::Few(Some(item)))
    }

    pub fn push(&mut self, item: Item<'a>) {
        match &mut self.0 {
            Repr::Few(none @ None) => *none = Some(item),
            Repr::Few(one) => {
                let mut items = Vec::with_capacity(8);
                items.extend(one.take());
                items.push(item);
                self.0 = Repr::Many(items);
            }
            Repr::Many(items) => items.push(item),
        }
    }

    pub fn as_slice(&self) -> &[Item<'a>] {
        match &self.0 {
            Repr::Few(few) => few.as_slice(),
            Repr::Many(items) => items,
        }
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Item<'a>> {
        self.as_slice().iter()
    }

    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    pub(crate) fn into_vec(self) -> Vec<Item<'a>> {
        match self.0 {
            Repr::Few(few) => few.into_iter().collect(),
            Repr::Many(items) => items,
        }
    }

    /// Appends all items of `other`.
    pub(crate) fn append(&mut self, other: Collection<'a>) {
        match other.0 {
            Repr::Few(None) => {}
            Repr::Few(Some(item)) => self.push(item),
            Repr::Many(items) if self.is_empty() => self.0 = Repr::Many(items),
            Repr::Many(items) => items.into_iter().for_each(|item| self.push(item)),
        }
    }
}

impl<'a> FromIterator<Item<'a>> for Collection<'a> {
    fn from_iter<I: IntoIterator<Item = Item<'a>>>(items: I) -> Self {
        let mut out = Collection::empty();
        items.into_iter().for_each(|item| out.push(item));
        out
    }
}

impl<'c, 'a> IntoIterator for &'c Collection<'a> {
    type Item = &'c Item<'a>;
    type IntoIter = std::slice::Iter<'c, Item<'a>>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
