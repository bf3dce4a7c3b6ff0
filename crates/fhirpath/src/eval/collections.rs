//! Functions on collections: existence, filters, parts, sets, `iif`, trees.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::{Answered, EvalError, Evaluator, Scope, boolean, one, truth, what};
use crate::ast::Sign;
use crate::compare::{self, Answer, Seen};
use crate::compile::{Call, Op};
use crate::functions::Function;
use crate::value::{Collection, Item};

/// `repeat` stops here: no resource has so many elements.
const MOST_REPEATED: usize = 1_000_000;

/// Both collections without repeats.
pub(super) fn union<'a>(left: &Collection<'a>, right: &Collection<'a>) -> Collection<'a> {
    let mut seen = Seen::default();
    left.iter().chain(right).filter(|item| seen.insert(item)).cloned().collect()
}

fn integer<'a>(value: usize) -> Collection<'a> {
    Collection::one(Item::count(value))
}

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn collection_call(
        &mut self,
        call: &'a Call,
        base: Collection<'a>,
        scope: &Scope<'_, 'a>,
    ) -> Answered<'a> {
        use Function::*;
        let argument = |nth: usize| &call.arguments[nth];
        Ok(match call.function {
            Empty => boolean(Some(base.is_empty())),
            Exists if call.arguments.is_empty() => boolean(Some(!base.is_empty())),
            Exists => {
                let mut found = false;
                for (index, item) in base.iter().enumerate() {
                    if self.meets(call, item, index, scope)? == Some(true) {
                        found = true;
                        break;
                    }
                }
                boolean(Some(found))
            }
            All => {
                let mut all = true;
                for (index, item) in base.iter().enumerate() {
                    if self.meets(call, item, index, scope)? != Some(true) {
                        all = false;
                        break;
                    }
                }
                boolean(Some(all))
            }
            AllTrue | AnyTrue | AllFalse | AnyFalse => {
                let mut values = Vec::with_capacity(base.len());
                for item in &base {
                    match item.system() {
                        Item::Boolean(value) => values.push(value),
                        other => {
                            return Err(EvalError::WrongKind {
                                what: what(call),
                                kind: other.kind(),
                                offset: call.offset,
                            });
                        }
                    }
                }
                boolean(Some(match call.function {
                    AllTrue => values.iter().all(|value| *value),
                    AnyTrue => values.iter().any(|value| *value),
                    AllFalse => values.iter().all(|value| !*value),
                    _ => values.iter().any(|value| !*value),
                }))
            }
            SubsetOf => boolean(Some(is_subset(&base, &self.op(argument(0), scope)?))),
            SupersetOf => boolean(Some(is_subset(&self.op(argument(0), scope)?, &base))),
            Count => integer(base.len()),
            Distinct => union(&base, &Collection::EMPTY),
            IsDistinct => {
                let mut seen = Seen::default();
                boolean(Some(base.iter().all(|item| seen.insert(item))))
            }
            Where => {
                let mut out = Collection::empty();
                for (index, item) in base.iter().enumerate() {
                    if self.meets(call, item, index, scope)? == Some(true) {
                        out.push(item.clone());
                    }
                }
                out
            }
            Select => {
                let mut out = Collection::empty();
                for (index, item) in base.iter().enumerate() {
                    out.append(self.with_item(argument(0), item, index, scope)?);
                }
                out
            }
            Repeat => self.repeat(call, base, scope)?,
            Aggregate => self.aggregate(call, &base, scope)?,
            Single => one(&base, "single", call.offset)?.cloned().into_iter().collect(),
            First => base.iter().next().cloned().into_iter().collect(),
            Last => base.iter().next_back().cloned().into_iter().collect(),
            Tail => base.iter().skip(1).cloned().collect(),
            Skip | Take => {
                let n = self.integer(argument(0), scope, what(call), call.offset)?;
                let Some(n) = n else { return Ok(Collection::empty()) };
                let n = usize::try_from(n).unwrap_or(0);
                if call.function == Skip {
                    base.iter().skip(n).cloned().collect()
                } else {
                    base.iter().take(n).cloned().collect()
                }
            }
            Intersect => {
                let other = Seen::of(self.op(argument(0), scope)?.as_slice());
                let mut seen = Seen::default();
                base.iter().filter(|item| other.contains(item) && seen.insert(item)).cloned().collect()
            }
            Exclude => {
                let other = Seen::of(self.op(argument(0), scope)?.as_slice());
                base.iter().filter(|item| !other.contains(item)).cloned().collect()
            }
            Union => union(&base, &self.op(argument(0), scope)?),
            Combine => {
                let mut out = base;
                out.append(self.op(argument(0), scope)?);
                out
            }
            Sort => self.sort(call, base)?,
            Iif => self.iif(call, &base, scope)?,
            Not => boolean(truth(&base, "not", call.offset)?.map(|value| !value)),
            Children => self.children(&base),
            Descendants => self.descendants(&base),
            // What is traced may be patient data and is written nowhere; the projection is not evaluated.
            _ => base,
        })
    }

    /// An argument evaluated for one item of the input.
    pub(super) fn with_item(
        &mut self,
        op: &'a Op,
        item: &Item<'a>,
        index: usize,
        scope: &Scope<'_, 'a>,
    ) -> Answered<'a> {
        let this = std::slice::from_ref(item);
        self.op(op, &Scope { this, index: Some(index), total: scope.total })
    }

    fn iif(&mut self, call: &'a Call, base: &Collection<'a>, scope: &Scope<'_, 'a>) -> Answered<'a> {
        // Called as a function of its own, `iif` is in the scope around it; after a dot, in that of its input.
        let this = if matches!(call.base, Op::This) { scope.this } else { base.as_slice() };
        if this.len() > 1 {
            return Err(EvalError::NotSingle { what: "iif", found: this.len(), offset: call.offset });
        }
        let inner = Scope { this, ..*scope };
        let criterion = self.op(&call.arguments[0], &inner)?;
        if let [item] = criterion.as_slice()
            && !matches!(item.system(), Item::Boolean(_))
        {
            return Err(EvalError::WrongKind { what: "iif", kind: item.kind(), offset: call.offset });
        }
        if truth(&criterion, "iif", call.offset)? == Some(true) {
            return self.op(&call.arguments[1], &inner);
        }
        call.arguments.get(2).map_or(Ok(Collection::empty()), |otherwise| self.op(otherwise, &inner))
    }

    fn children(&self, base: &Collection<'a>) -> Collection<'a> {
        let mut out = Collection::empty();
        for item in base {
            if let Item::Element(element) = item {
                element.children(self.typing, &mut out);
            }
        }
        out
    }

    /// Every element below, each once, parents before children.
    fn descendants(&self, base: &Collection<'a>) -> Collection<'a> {
        let mut out = self.children(base).into_vec();
        let mut at = 0;
        while at < out.len() {
            if let Item::Element(element) = out[at] {
                let mut children = Collection::empty();
                element.children(self.typing, &mut children);
                out.append(&mut children.into_vec());
            }
            at += 1;
        }
        out.into_iter().collect()
    }

    /// Elements are told apart by where they stand, values by what they are.
    fn repeat(&mut self, call: &'a Call, base: Collection<'a>, scope: &Scope<'_, 'a>) -> Answered<'a> {
        let mut out: Vec<Item<'a>> = Vec::new();
        let (mut elements, mut values) = (HashSet::new(), Seen::default());
        let mut waiting = base.into_vec();
        while !waiting.is_empty() {
            let mut next = Vec::new();
            for (index, item) in waiting.iter().enumerate() {
                for found in self.with_item(&call.arguments[0], item, index, scope)?.into_vec() {
                    let is_new = match &found {
                        Item::Element(element) => elements.insert(element.identity()),
                        value => values.insert(value),
                    };
                    if is_new {
                        out.push(found.clone());
                        next.push(found);
                    }
                }
                if out.len() > MOST_REPEATED {
                    return Err(EvalError::Endless { offset: call.offset });
                }
            }
            waiting = next;
        }
        Ok(out.into_iter().collect())
    }

    fn aggregate(&mut self, call: &'a Call, base: &Collection<'a>, scope: &Scope<'_, 'a>) -> Answered<'a> {
        let mut total = match call.arguments.get(1) {
            Some(initial) => self.op(initial, scope)?,
            None => Collection::empty(),
        };
        for (index, item) in base.iter().enumerate() {
            let this = std::slice::from_ref(item);
            total = self.op(&call.arguments[0], &Scope { this, index: Some(index), total: Some(&total) })?;
        }
        Ok(total)
    }

    /// Sorts by the keys in turn; a key behind `-` sorts downwards. Items without a key come first either way.
    fn sort(&mut self, call: &'a Call, base: Collection<'a>) -> Answered<'a> {
        let mut rows = Vec::with_capacity(base.len());
        for (index, item) in base.into_vec().into_iter().enumerate() {
            let mut keys = Vec::with_capacity(call.arguments.len().max(1));
            for key in &call.arguments {
                let (op, down) = match key {
                    Op::Polarity(Sign::Minus, op, _) => (&**op, true),
                    op => (op, false),
                };
                let this = std::slice::from_ref(&item);
                let value = self.op(op, &Scope { this, index: Some(index), total: None })?;
                keys.push((one(&value, "sort", call.offset)?.cloned(), down));
            }
            if call.arguments.is_empty() {
                keys.push((Some(item.clone()), false));
            }
            rows.push((keys, item));
        }
        // By insertion: dates of differing precision have no total order, and `sort_by` may panic without one.
        let mut sorted: Vec<(Keys<'a>, Item<'a>)> = Vec::with_capacity(rows.len());
        for row in rows {
            self.spend(sorted.len())?;
            let at = sorted.iter().rposition(|other| key_order(&other.0, &row.0) != Ordering::Greater);
            sorted.insert(at.map_or(0, |at| at + 1), row);
        }
        Ok(sorted.into_iter().map(|(_, item)| item).collect())
    }
}

/// The keys of an item, each with whether it sorts downwards.
type Keys<'a> = Vec<(Option<Item<'a>>, bool)>;

fn key_order(left: &Keys<'_>, right: &Keys<'_>) -> Ordering {
    for ((a, down), (b, _)) in left.iter().zip(right) {
        let order = match (a, b) {
            (None, None) => Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(a), Some(b)) => match compare::order(a, b) {
                Answer::Known(order) => order,
                _ => Ordering::Equal,
            },
        };
        if order != Ordering::Equal {
            return if *down { order.reverse() } else { order };
        }
    }
    Ordering::Equal
}

fn is_subset<'a>(part: &Collection<'a>, whole: &Collection<'a>) -> bool {
    let whole = Seen::of(whole.as_slice());
    part.iter().all(|item| whole.contains(item))
}
