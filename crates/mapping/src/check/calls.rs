//! Calls: the forms that the language itself knows (`if`, `coalesce`, `blank`, `first`, `ref` …) and the functions
//! of [`crate::functions::FUNCTIONS`].

use super::exprs::{Thing, capture_path};
use super::scope::{Binding, MapCompiler};
use super::types::{self, Typed};
use crate::diagnostics::{Span, nearest};
use crate::functions::{self, ArgKind, ArgSpec, BindDefaults, BindFault, FnType, FunctionSpec, Need};
use crate::plan::{Expr as PlanExpr, Literal, Type};
use crate::syntax::expr::{Argument, Call, Expr, ExprKind};

/// A form of the language itself, for the reference.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    pub name: &'static str,
    pub signature: &'static str,
    pub doc: &'static str,
}

const fn form(name: &'static str, signature: &'static str, doc: &'static str) -> Form {
    Form { name, signature, doc }
}

/// The forms that are not functions: what they take is not evaluated first.
pub const FORMS: &[Form] = &[
    form(
        "if",
        "if(condition, a, b)",
        "`a` where the condition is true, else `b` (null where it is not given); null counts as false.",
    ),
    form("coalesce", "coalesce(a, b, …)", "The first that is not null."),
    form("blank", "blank(x)", "Whether x is null, empty or only spaces; of a list, whether it has no row."),
    form("first", "first($list).COL", "A column of the first row of an ordered look-up; null where there is none."),
    form("last", "last($list).COL", "A column of the last row of an ordered look-up."),
    form("count", "count($list)", "The number of rows."),
    form(
        "exists",
        "exists($list)",
        "Whether there is a row; in `assert`, `exists(path)`: whether the element is there.",
    ),
    form("position", "position($alias)", "The position of an `.each` row in its list, from 1."),
    form(
        "ref",
        "ref(map, key, …)",
        "A reference to the resource that a map makes of the row with this key; null where a key is null.",
    ),
    form("desc", "desc(x)", "In `order` only: from great to small."),
];

impl MapCompiler<'_, '_, '_> {
    pub(crate) fn call(&mut self, call: &Call, span: Span) -> Option<Thing> {
        let value = |typed: Option<Typed>| typed.map(Thing::Value);
        match call.function.as_str() {
            "if" => value(self.if_form(call, span)),
            "coalesce" => value(self.coalesce(call, span)),
            "blank" => value(self.blank(call, span)),
            "first" | "last" => self.one_of(call, span),
            "count" => {
                let list = self.only_list(call, span)?;
                Some(Thing::Value(Typed { expr: PlanExpr::Count(list), ty: Type::Integer }))
            }
            "exists" => value(self.exists(call, span)),
            "position" => value(self.position(call, span)),
            "ref" => value(self.reference(call, span)),
            "desc" => {
                self.sink().error("MAP0106", span, "`desc` stands only at the outside of `order`");
                None
            }
            name => match functions::function(name) {
                Some(spec) => value(self.function(spec, call, span)),
                None => self.unknown_function(call),
            },
        }
    }

    fn unknown_function(&mut self, call: &Call) -> Option<Thing> {
        let names = functions::FUNCTIONS.iter().map(|f| f.name).chain(FORMS.iter().map(|f| f.name));
        let other = match call.function.as_str() {
            "uppercase" | "ucase" | "toUpper" => Some("upper"),
            "lowercase" | "lcase" | "toLower" => Some("lower"),
            "isnull" | "is_null" | "empty" | "is_blank" => Some("blank"),
            "nvl" | "ifnull" | "isnull2" => Some("coalesce"),
            "substr" | "mid" => Some("substring"),
            _ => nearest(&call.function, names),
        };
        let help = other.map(|n| format!("did you mean `{n}`?"));
        let message = format!("`{}` is not a function", call.function);
        self.sink().error("MAP0105", call.function_span, message).help_if(help);
        None
    }

    pub(crate) fn wrong_arguments(&mut self, call: &Call, span: Span, takes: &str) {
        let form = FORMS.iter().find(|f| f.name == call.function);
        let help = form.map(|f| format!("write `{}`", f.signature));
        let message = format!("`{}` takes {takes}", call.function);
        self.sink().error("MAP0106", span, message).help_if(help);
    }

    fn if_form(&mut self, call: &Call, span: Span) -> Option<Typed> {
        let [condition, then, rest @ ..] = call.arguments.as_slice() else {
            self.wrong_arguments(call, span, "a condition and two values");
            return None;
        };
        if rest.len() > 1 {
            self.wrong_arguments(call, span, "a condition and two values");
            return None;
        }
        let condition = self.condition(&condition.value);
        let then = self.value(&then.value);
        let otherwise = match rest.first() {
            Some(otherwise) => self.value(&otherwise.value),
            None => then.clone().map(|t| Typed { expr: PlanExpr::Literal(Literal::Null), ty: t.ty }),
        };
        let (condition, then, otherwise) = (condition?, then?, otherwise?);
        let Some(ty) = types::common(&then.ty, &otherwise.ty) else {
            let message =
                format!("one branch is {} and the other {}", types::name(&then.ty), types::name(&otherwise.ty));
            self.sink().error("MAP0107", span, message);
            return None;
        };
        let expr = PlanExpr::If {
            condition: Box::new(condition),
            then: Box::new(then.expr),
            otherwise: Box::new(otherwise.expr),
        };
        Some(Typed { expr, ty })
    }

    fn coalesce(&mut self, call: &Call, span: Span) -> Option<Typed> {
        if call.arguments.is_empty() {
            self.wrong_arguments(call, span, "one value or more");
            return None;
        }
        let mut ty: Option<Type> = None;
        let mut items = Vec::new();
        for argument in &call.arguments {
            let value = self.value(&argument.value)?;
            ty = Some(match ty {
                None => value.ty,
                Some(before) => {
                    let Some(common) = types::common(&before, &value.ty) else {
                        let message = format!(
                            "the values before are {}, and this is {}",
                            types::name(&before),
                            types::name(&value.ty)
                        );
                        self.sink().error("MAP0107", argument.value.span, message);
                        return None;
                    };
                    common
                }
            });
            items.push(value.expr);
        }
        Some(Typed { expr: PlanExpr::Coalesce(items), ty: ty? })
    }

    fn blank(&mut self, call: &Call, span: Span) -> Option<Typed> {
        let [argument] = call.arguments.as_slice() else {
            self.wrong_arguments(call, span, "one value");
            return None;
        };
        let expr = match self.thing(&argument.value)? {
            Thing::Value(value) => PlanExpr::Blank(Box::new(value.expr)),
            Thing::Rows(list) => PlanExpr::Not(Box::new(PlanExpr::ListExists(list))),
            _ => {
                self.value(&argument.value);
                return None;
            }
        };
        Some(Typed { expr, ty: Type::Bool })
    }

    fn only_list(&mut self, call: &Call, span: Span) -> Option<crate::plan::ListSlot> {
        if let [argument] = call.arguments.as_slice()
            && let Thing::Rows(list) = self.thing(&argument.value)?
        {
            return Some(list);
        }
        self.wrong_arguments(call, span, "a list of rows, such as a look-up that takes many");
        None
    }

    fn one_of(&mut self, call: &Call, span: Span) -> Option<Thing> {
        let list = self.only_list(call, span)?;
        if !self.list_info[usize::from(list.0)].is_ordered {
            let alias = self.lists[usize::from(list.0)].alias.clone();
            self.sink()
                .error("MAP0109", span, format!("`{}` of a look-up without an order", call.function))
                .help(format!("give `{alias}` an `order:`, so that every run takes the same row"));
            return None;
        }
        Some(Thing::OneOf { list, is_last: call.function == "last" })
    }

    fn exists(&mut self, call: &Call, span: Span) -> Option<Typed> {
        if self.in_assert
            && let [Argument { value: Expr { kind: ExprKind::Name(name), span }, .. }] = call.arguments.as_slice()
        {
            let path = capture_path(name);
            if let Some((slot, Some(_))) = self.captures.get(&path).cloned() {
                return Some(Typed { expr: PlanExpr::ElementExists(slot), ty: Type::Bool });
            }
            self.sink().error("MAP0221", *span, format!("no rule of this map fills `{name}`"));
            return None;
        }
        let list = self.only_list(call, span)?;
        Some(Typed { expr: PlanExpr::ListExists(list), ty: Type::Bool })
    }

    fn position(&mut self, call: &Call, span: Span) -> Option<Typed> {
        if let [Argument { value: Expr { kind: ExprKind::Dollar(d), .. }, .. }] = call.arguments.as_slice()
            && let Some((Binding::Row(row), _)) = self.names.get(&d.first).copied()
            && row.0 != 0
        {
            self.used_names.insert(d.first.clone());
            return Some(Typed { expr: PlanExpr::EachPosition(row), ty: Type::Integer });
        }
        self.wrong_arguments(call, span, "the alias of an `.each`");
        None
    }

    /// A function of the table.
    fn function(&mut self, spec: &'static FunctionSpec, call: &Call, span: Span) -> Option<Typed> {
        let mut given: Vec<Vec<&Expr>> = vec![Vec::new(); spec.args.len()];
        let mut options: Vec<(&'static str, &Expr)> = Vec::new();
        let mut next = 0;
        for argument in &call.arguments {
            if let Some((name, name_span)) = &argument.name {
                if let Some(at) = spec.args.iter().position(|a| a.name == name) {
                    given[at].push(&argument.value);
                } else if let Some(option) = spec.options.iter().find(|o| *o == name) {
                    options.push((option, &argument.value));
                } else {
                    let known = spec.options.iter().copied().chain(spec.args.iter().map(|a| a.name));
                    let help = nearest(name, known).map(|n| format!("did you mean `{n}:`?"));
                    let message = format!("`{}` has no option `{name}`", spec.name);
                    self.sink().error("MAP0106", *name_span, message).help_if(help);
                    return None;
                }
            } else {
                let Some(arg) = spec.args.get(next) else {
                    let message = format!("`{}` takes {}", spec.name, signature(spec));
                    self.sink().error("MAP0106", argument.value.span, message).label("one too many");
                    return None;
                };
                given[next].push(&argument.value);
                if arg.need != Need::Repeated {
                    next += 1;
                }
            }
        }
        self.bound_call(spec, &given, &options, call, span)
    }

    fn bound_call(
        &mut self,
        spec: &'static FunctionSpec,
        given: &[Vec<&Expr>],
        options: &[(&'static str, &Expr)],
        call: &Call,
        span: Span,
    ) -> Option<Typed> {
        let mut literals: Vec<(&str, String, Span)> = Vec::new();
        let mut args: Vec<PlanExpr> = Vec::new();
        let mut tys: Vec<Type> = Vec::new();
        let mut lifted = None;
        let mut failed = false;
        let last_given = given.iter().rposition(|g| !g.is_empty()).unwrap_or(0);
        for (at, (arg, values)) in spec.args.iter().zip(given).enumerate() {
            if values.is_empty() {
                if arg.need == Need::Required {
                    let message = format!("`{}` takes {}", spec.name, signature(spec));
                    self.sink().error("MAP0106", span, message).label(format!("`{}` is missing", arg.name));
                    return None;
                }
                if arg.kind == ArgKind::Value && arg.need == Need::Optional && at < last_given {
                    args.push(PlanExpr::Literal(Literal::Null));
                }
                continue;
            }
            for value in values {
                if arg.kind == ArgKind::Literal {
                    match self.literal(arg.name, value) {
                        Some(text) => literals.push((arg.name, text, value.span)),
                        None => failed = true,
                    }
                    continue;
                }
                match self.typed_argument(spec, arg, value) {
                    Some((typed, list)) => {
                        tys.push(typed.ty);
                        args.push(typed.expr);
                        lifted = lifted.or(list);
                    }
                    None => failed = true,
                }
            }
        }
        for (name, value) in options {
            match self.literal(name, value) {
                Some(text) => literals.push((name, text, value.span)),
                None => failed = true,
            }
        }
        if failed {
            return None;
        }
        self.check_format(spec, &literals, tys.first(), span)?;
        let bound = self.bind_literals(spec, &mut literals, call, span)?;
        let ty = match spec.result.as_result() {
            Some(ty) => ty,
            None => self.common_of(&tys, span)?,
        };
        let at = self.at(span);
        let expr = PlanExpr::call(spec.function, args, bound, at);
        Some(match lifted {
            None => Typed { expr, ty },
            Some((list, row)) => {
                Typed { expr: PlanExpr::ListMap { list, row, body: Box::new(expr) }, ty: Type::List(Box::new(ty)) }
            }
        })
    }

    /// An argument of the right type. A column of a list goes through a function of one value item by item.
    fn typed_argument(
        &mut self,
        spec: &FunctionSpec,
        arg: &ArgSpec,
        value: &Expr,
    ) -> Option<(Typed, Option<(crate::plan::ListSlot, crate::plan::RowSlot)>)> {
        let typed = self.value(value)?;
        if arg.ty.takes(&typed.ty) {
            return Some((typed, None));
        }
        if let (Type::List(item), PlanExpr::ListMap { list, row, body }) = (&typed.ty, &typed.expr)
            && arg.ty.takes(item)
        {
            return Some((Typed { expr: (**body).clone(), ty: (**item).clone() }, Some((*list, *row))));
        }
        let message = format!(
            "`{}` of `{}` takes {}, and this is {}",
            arg.name,
            spec.name,
            fn_type(arg.ty),
            types::name(&typed.ty)
        );
        let help = match (arg.ty, &typed.ty) {
            (FnType::Text, Type::Integer | Type::Decimal | Type::Double | Type::Date | Type::DateTime) => {
                Some("write `text(x)`".to_owned())
            }
            (FnType::Integer, Type::Text) => Some("write `integer(x)`".to_owned()),
            (_, Type::List(_)) => Some("take one row with `first($alias).COLUMN`".to_owned()),
            _ => None,
        };
        self.sink().error("MAP0107", value.span, message).help_if(help);
        None
    }

    /// A text in quotes (or a number) that is known before the first row.
    fn literal(&mut self, name: &str, value: &Expr) -> Option<String> {
        let mut inner = value;
        while let ExprKind::Argument { value, .. } = &inner.kind {
            inner = value;
        }
        match &inner.kind {
            ExprKind::Text(text) => Some(text.clone()),
            ExprKind::Number(digits) => Some(digits.clone()),
            ExprKind::Name(word) if matches!(name, "zone" | "ambiguous" | "gap" | "hazard" | "system") => {
                self.sink()
                    .error("MAP0010", inner.span, "text in an expression stands in single quotes")
                    .help(format!("write `'{word}'`"));
                None
            }
            _ => {
                let message = format!("`{name}` must be a literal: it is read before the first row");
                self.sink().error("MAP0106", inner.span, message).help("write it in single quotes");
                None
            }
        }
    }

    /// A text needs a format to be a date; a local timestamp needs a zone to be a dateTime.
    fn check_format(
        &mut self,
        spec: &FunctionSpec,
        literals: &[(&str, String, Span)],
        first: Option<&Type>,
        span: Span,
    ) -> Option<()> {
        if !spec.args.iter().any(|a| a.name == "format") {
            return Some(());
        }
        let has_format = literals.iter().any(|(n, _, _)| *n == "format");
        if matches!(first, Some(Type::Text)) && !has_format {
            self.sink()
                .error("MAP0106", span, "a format is needed for a text")
                .help(format!("write it: `{}(x, '%d/%m/%Y')`", spec.name));
            return None;
        }
        let has_zone = literals.iter().any(|(n, _, _)| *n == "zone") || self.default_of("zone").is_some();
        if matches!(first, Some(Type::LocalTimestamp)) && matches!(spec.name, "datetime" | "instant") && !has_zone {
            self.sink()
                .error("MAP0106", span, "a local time needs a zone")
                .help("write `zone: 'Europe/London'` here, or `defaults: { zone: Europe/London, ambiguous: first, gap: omit }`");
            return None;
        }
        Some(())
    }

    pub(crate) fn default_of(&self, key: &str) -> Option<&str> {
        self.resolved.map.defaults.iter().find(|(n, _)| n.text == key).map(|(_, v)| v.text.as_str())
    }

    fn bind_literals(
        &mut self,
        spec: &'static FunctionSpec,
        literals: &mut [(&str, String, Span)],
        call: &Call,
        span: Span,
    ) -> Option<functions::Bound> {
        for (name, text, at) in literals.iter_mut() {
            if *name == "system" {
                *text = self.system_url(text, *at)?;
            }
            if *name == "hazard" && !is_hazard(text) {
                let message = format!("`{text}` is not a hazard id");
                self.sink().error("MAP0014", *at, message).help("hazard ids look like ID-03");
                return None;
            }
        }
        let pairs: Vec<(&str, &str)> = literals.iter().map(|(n, t, _)| (*n, t.as_str())).collect();
        let defaults = BindDefaults {
            zone: self.default_of("zone"),
            ambiguous: self.default_of("ambiguous"),
            gap: self.default_of("gap"),
        };
        let result = functions::bind(spec.function, &pairs, &defaults);
        match result {
            Ok(bound) => Some(bound),
            Err(fault) => {
                let code = match fault {
                    BindFault::NoPivot { .. } | BindFault::Pivot { .. } => "MAP0112",
                    _ => "MAP0106",
                };
                let wanted = match &fault {
                    BindFault::Format { format, .. } | BindFault::NoPivot { format } | BindFault::NoZone { format } => {
                        Some(format)
                    }
                    BindFault::Pivot { pivot } => Some(pivot),
                    BindFault::Zone { zone } => Some(zone),
                    BindFault::Choice { value, .. } | BindFault::Factor { value } => Some(value),
                    _ => None,
                };
                let place = wanted.and_then(|w| literals.iter().find(|(_, t, _)| t == w)).map_or(span, |(_, _, s)| *s);
                let help = match fault {
                    BindFault::NoPivot { .. } => {
                        Some(format!("write `{}(x, '…', pivot: '30', hazard: 'ID-09')`", call.function))
                    }
                    BindFault::NoZone { .. } => {
                        Some("`defaults: { zone: Europe/London, ambiguous: first, gap: omit }`".to_owned())
                    }
                    _ => None,
                };
                self.sink().error(code, place, fault.to_string()).help_if(help);
                None
            }
        }
    }

    fn common_of(&mut self, tys: &[Type], span: Span) -> Option<Type> {
        let mut common = tys.first()?.clone();
        for ty in &tys[1..] {
            let Some(both) = types::common(&common, ty) else {
                let message =
                    format!("the values before are {}, and this is {}", types::name(&common), types::name(ty));
                self.sink().error("MAP0107", span, message);
                return None;
            };
            common = both;
        }
        Some(common)
    }
}

/// Two capitals, a hyphen, two digits.
pub(crate) fn is_hazard(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 5
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2] == b'-'
        && bytes[3..].iter().all(u8::is_ascii_digit)
}

/// A function's arguments as the reference writes them.
pub fn signature(spec: &FunctionSpec) -> String {
    let mut out = format!("{}(", spec.name);
    for (i, arg) in spec.args.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        let name = if arg.kind == ArgKind::Literal {
            format!("'{}'", arg.name)
        } else {
            format!("{}: {}", arg.name, fn_type(arg.ty))
        };
        match arg.need {
            Need::Required => out.push_str(&name),
            Need::Optional => out.extend(["[", name.as_str(), "]"]),
            Need::Repeated => out.extend([name.as_str(), " …"]),
        }
    }
    for option in spec.options {
        let comma = if out.ends_with('(') { "" } else { ", " };
        out.extend([comma, "[", option, ": '…']"]);
    }
    out.push(')');
    out
}

/// The name of a type in the list of functions.
pub fn fn_type(ty: FnType) -> &'static str {
    match ty {
        FnType::Text => "text",
        FnType::Bool => "bool",
        FnType::Integer => "integer",
        FnType::Number => "a number or a text",
        FnType::Decimal => "decimal",
        FnType::Date => "date",
        FnType::DateTime => "dateTime",
        FnType::Instant => "instant",
        FnType::Code => "code",
        FnType::Coding => "coding",
        FnType::Concept => "concept",
        FnType::Quantity => "quantity",
        FnType::ListOfText => "list<text>",
        FnType::Temporal => "a text, a date or a time",
        FnType::Codings => "codings",
        FnType::Unit => "a UCUM coding or a text",
        FnType::Blob => "a blob",
        FnType::Ordered => "values with an order",
        FnType::Any => "any value",
    }
}
