//! Yes or no without making collections: what an invariant asks is most often whether something is there.
//!
//! Every form that is not known here is left to the evaluator; the answers are the same.

use super::{EvalError, Evaluator, Scope, truth};
use crate::ast::BinaryOp;
use crate::compile::{Call, Op, Pattern};
use crate::functions::Function;
use crate::value::{Collection, Item};

/// What is done with an item: whether to go on.
pub(super) type Sink<'s, 'e, 'a> = &'s mut dyn FnMut(&mut Evaluator<'e, 'a>, &Item<'a>) -> Result<bool, EvalError>;

/// What is said here of a question.
enum Told<T> {
    /// The evaluator must look.
    Nothing,
    /// The answer, which may be the empty collection.
    Answer(Option<T>),
}

impl<T> Told<T> {
    fn map<U>(self, with: impl FnOnce(T) -> U) -> Told<U> {
        match self {
            Told::Nothing => Told::Nothing,
            Told::Answer(answer) => Told::Answer(answer.map(with)),
        }
    }
}

impl Told<bool> {
    fn yes_or_no(yes: bool) -> Self {
        Told::Answer(Some(yes))
    }
}

impl<'e, 'a> Evaluator<'e, 'a> {
    pub(super) fn truth(
        &mut self,
        op: &'a Op,
        scope: &Scope<'_, 'a>,
        what: &'static str,
        offset: usize,
    ) -> Result<Option<bool>, EvalError> {
        use BinaryOp::{And, Equal, Implies, NotEqual, Or, Xor};
        match op {
            Op::Binary(op @ (And | Or | Xor | Implies), left, right, offset) => {
                return self.logic(*op, left, right, scope, *offset);
            }
            Op::Binary(op @ (Equal | NotEqual), left, right, offset) => {
                let same = match &**right {
                    Op::Text(text) if is_path(left) => Some(self.is_text(left, text, scope)?),
                    right if says_yes_or_no(left) && says_yes_or_no(right) => {
                        let left = self.truth(left, scope, op.text(), *offset)?;
                        let right = self.truth(right, scope, op.text(), *offset)?;
                        Some(left.zip(right).map(|(a, b)| a == b))
                    }
                    _ => None,
                };
                if let Some(same) = same {
                    return Ok(same.map(|same| same == (*op == Equal)));
                }
            }
            Op::Call(call) => {
                if let Told::Answer(answer) = self.asks(call, scope)? {
                    return Ok(answer);
                }
            }
            _ => {}
        }
        let items = self.op(op, scope)?;
        truth(&items, what, offset)
    }

    /// The functions that answer yes or no.
    fn asks(&mut self, call: &'a Call, scope: &Scope<'_, 'a>) -> Result<Told<bool>, EvalError> {
        let no_argument = call.arguments.is_empty();
        Ok(match call.function {
            Function::Exists | Function::Empty if no_argument && is_path(&call.base) => {
                // A filter may fail on an item that comes later: all are asked.
                let goes_on = has_filter(&call.base);
                let mut is_empty = true;
                self.each(&call.base, scope, &mut |_, _| {
                    is_empty = false;
                    Ok(goes_on)
                })?;
                Told::yes_or_no(is_empty == (call.function == Function::Empty))
            }
            Function::Exists if !no_argument && is_path(&call.base) && !has_filter(&call.base) => {
                let mut index = 0;
                let none = self.each(&call.base, scope, &mut |me, item| {
                    index += 1;
                    Ok(me.meets(call, item, index - 1, scope)? != Some(true))
                })?;
                Told::yes_or_no(!none)
            }
            Function::All if is_path(&call.base) && !has_filter(&call.base) => {
                let mut index = 0;
                let all = self.each(&call.base, scope, &mut |me, item| {
                    index += 1;
                    Ok(me.meets(call, item, index - 1, scope)? == Some(true))
                })?;
                Told::yes_or_no(all)
            }
            Function::Not => Told::Answer(self.truth(&call.base, scope, "not", call.offset)?.map(|value| !value)),
            Function::HasValue if is_path(&call.base) => {
                let mut met = (0, false);
                self.each(&call.base, scope, &mut |_, item| {
                    met = (met.0 + 1, super::fhir::has_value(item));
                    Ok(true)
                })?;
                Told::yes_or_no(met == (1, true))
            }
            Function::StartsWith | Function::EndsWith | Function::ContainsText if is_path(&call.base) => {
                let [Op::Text(wanted)] = call.arguments.as_slice() else { return Ok(Told::Nothing) };
                self.plain_text(&call.base, scope)?.map(|text| match call.function {
                    Function::StartsWith => text.starts_with(&**wanted),
                    Function::EndsWith => text.ends_with(&**wanted),
                    _ => text.contains(&**wanted),
                })
            }
            Function::Matches | Function::MatchesFull if is_path(&call.base) => {
                let Some(Ok(pattern)) = call.pattern.as_ref().map(Pattern::get) else { return Ok(Told::Nothing) };
                self.plain_text(&call.base, scope)?.map(|text| pattern.is_match(text))
            }
            _ => Told::Nothing,
        })
    }

    /// The one text that a path leads to, or that there is none.
    fn plain_text(&mut self, path: &'a Op, scope: &Scope<'_, 'a>) -> Result<Told<&'a str>, EvalError> {
        let mut met = (0, None);
        self.each(path, scope, &mut |_, item| {
            met = (met.0 + 1, plain(item));
            Ok(true)
        })?;
        Ok(match met {
            (0, _) => Told::Answer(None),
            (1, Some(text)) => Told::Answer(Some(text)),
            _ => Told::Nothing,
        })
    }

    pub(super) fn meets(
        &mut self,
        call: &'a Call,
        item: &Item<'a>,
        index: usize,
        scope: &Scope<'_, 'a>,
    ) -> Result<Option<bool>, EvalError> {
        let scope = Scope { this: std::slice::from_ref(item), index: Some(index), total: scope.total };
        self.truth(&call.arguments[0], &scope, super::what(call), call.offset)
    }

    /// `path = 'text'`: none where nothing is there, false where several are.
    fn is_text(&mut self, path: &'a Op, text: &'a str, scope: &Scope<'_, 'a>) -> Result<Option<bool>, EvalError> {
        let mut met = (0, None);
        self.each(path, scope, &mut |me, item| {
            let same = if let Some(found) = plain(item) {
                Some(found == text)
            } else {
                let right = Collection::one(Item::String(text.into()));
                me.equal(&Collection::one(item.clone()), &right)
            };
            met = (met.0 + 1, same);
            Ok(true)
        })?;
        Ok(match met {
            (0, _) => None,
            (1, same) => same,
            _ => Some(false),
        })
    }

    /// Gives the items of a path in turn, until the sink wants no more; says whether it wanted all.
    pub(super) fn each(
        &mut self,
        op: &'a Op,
        scope: &Scope<'_, 'a>,
        sink: Sink<'_, 'e, 'a>,
    ) -> Result<bool, EvalError> {
        self.spend(1)?;
        match op {
            Op::This => {
                for item in scope.this {
                    if !sink(self, item)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Op::Resource => sink(self, &Item::Element(self.focus.resource)),
            Op::RootResource => sink(self, &Item::Element(self.focus.root_resource)),
            Op::Context => sink(self, &Item::Element(self.focus.element)),
            Op::Member(base, name) => self.each(base, scope, &mut |me, item| {
                let Item::Element(element) = item else {
                    for item in &me.members(std::slice::from_ref(item), name) {
                        if !sink(me, item)? {
                            return Ok(false);
                        }
                    }
                    return Ok(true);
                };
                let mut failed = None;
                let typing = me.typing;
                let all = element.each_member(name, typing, |child| {
                    let went_on = me.spend(1).and_then(|()| sink(me, &Item::Element(child)));
                    went_on.unwrap_or_else(|error| {
                        failed = Some(error);
                        false
                    })
                });
                failed.map_or(Ok(all), Err)
            }),
            Op::Call(call) => {
                let mut index = 0;
                self.each(&call.base, scope, &mut |me, item| {
                    index += 1;
                    if me.meets(call, item, index - 1, scope)? == Some(true) { sink(me, item) } else { Ok(true) }
                })
            }
            _ => Ok(true),
        }
    }
}

/// The text of an element of which JSON alone tells that it is one.
fn plain<'a>(item: &Item<'a>) -> Option<&'a str> {
    match item {
        Item::Element(element) if !element.is_temporal() => element.as_str(),
        _ => None,
    }
}

/// Whether an expression gives a boolean or nothing, and no other item.
fn says_yes_or_no(op: &Op) -> bool {
    use BinaryOp::{And, Equal, Implies, NotEqual, Or, Xor};
    match op {
        Op::Binary(op, ..) => matches!(op, And | Or | Xor | Implies | Equal | NotEqual),
        Op::Call(call) => matches!(
            call.function,
            Function::Exists | Function::Empty | Function::Not | Function::HasValue | Function::All
        ),
        _ => false,
    }
}

fn has_filter(path: &Op) -> bool {
    match path {
        Op::Call(_) => true,
        Op::Member(base, _) => has_filter(base),
        _ => false,
    }
}

/// Whether the items of an expression can be given in turn: names from the focus on, and filters between them.
pub(super) fn is_path(op: &Op) -> bool {
    match op {
        Op::This | Op::Resource | Op::RootResource | Op::Context => true,
        Op::Member(base, _) => is_path(base),
        Op::Call(call) => call.function == Function::Where && is_path(&call.base),
        _ => false,
    }
}
