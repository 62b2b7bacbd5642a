//! Of what kind the value of an expression is, as far as the text tells: a condition that is a number, a number compared with a text, a
//! division by nothing, bounds that no number keeps. What the text does not tell is left to the evaluation.
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

use super::parsed::{field, text};
use crate::catalog::ProductSpecification;
use crate::catalog::compiled::walk;
use crate::catalog::expression::{ITEM_FIELDS, ORDER_FIELDS, TASK_FIELDS};
use crate::catalog::specification::ValueType;

/// Kinds that are never equal to one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Truth,
    Number,
    Text,
    List,
    Map,
    Null,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Truth => "true or false",
            Kind::Number => "a number",
            Kind::Text => "a text",
            Kind::List => "a list",
            Kind::Map => "a map",
            Kind::Null => "null",
        })
    }
}

/// What an expression may name, where the kinds of it are known.
#[derive(Clone, Debug)]
pub(super) struct Kinds<'d> {
    /// Whose characteristics are meant.
    pub products: &'d [&'d ProductSpecification],
}

impl Kinds<'_> {
    /// `None`: it depends, or nothing is known of it.
    pub fn of(&self, node: &IdedExpr) -> Option<Kind> {
        match &node.expr {
            Expr::Literal(literal) => of_literal(literal),
            Expr::List(_) => Some(Kind::List),
            Expr::Map(_) => Some(Kind::Map),
            Expr::Ident(name) => (name == "unit").then_some(Kind::Number),
            // `has(a.b)`.
            Expr::Select(select) if select.test => Some(Kind::Truth),
            Expr::Select(_) => self.of_field(node),
            Expr::Call(call) if call.func_name == operators::INDEX => self.of_field(node),
            Expr::Call(call) => self.of_call(call),
            Expr::Unspecified | Expr::Struct(_) | Expr::Comprehension(_) => None,
        }
    }

    fn of_field(&self, node: &IdedExpr) -> Option<Kind> {
        let (variable, name) = field(node)?;
        match (variable, name) {
            ("item", "quantity") | ("order", "priority" | "items") | ("task", "attempt") => {
                Some(Kind::Number)
            }
            ("item", name) => ITEM_FIELDS.contains(&name).then_some(Kind::Text),
            ("order", name) => ORDER_FIELDS.contains(&name).then_some(Kind::Text),
            ("task", name) => TASK_FIELDS.contains(&name).then_some(Kind::Text),
            ("characteristics", _) => {
                let mut kinds = self.products.iter().map(|product| {
                    // Given once it is a value, given several times the list of them.
                    let found = product.characteristic(name).filter(|found| found.cardinality_max <= 1)?;
                    of_type(found.value_type)
                });
                let first = kinds.next()??;
                kinds.all(|kind| kind == Some(first)).then_some(first)
            }
            _ => None,
        }
    }

    fn of_call(&self, call: &CallExpr) -> Option<Kind> {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (
                operators::LOGICAL_AND
                | operators::LOGICAL_OR
                | operators::LOGICAL_NOT
                | operators::EQUALS
                | operators::NOT_EQUALS
                | operators::GREATER_EQUALS
                | operators::LESS_EQUALS
                | operators::GREATER
                | operators::LESS
                | operators::IN
                | "startsWith"
                | "endsWith"
                | "contains"
                | "matches",
                _,
            ) => Some(Kind::Truth),
            (operators::CONDITIONAL, [_, one, other]) => {
                self.of(one).filter(|kind| self.of(other) == Some(*kind))
            }
            // Of anything but numbers they are another matter.
            (
                operators::ADD
                | operators::SUBSTRACT
                | operators::MULTIPLY
                | operators::DIVIDE
                | operators::MODULO,
                [one, other],
            ) => self.of(one).filter(|kind| *kind == Kind::Number && self.of(other) == Some(Kind::Number)),
            ("size" | "int" | "double" | "uint", _) => Some(Kind::Number),
            ("string", _) => Some(Kind::Text),
            _ => None,
        }
    }
}

fn of_literal(literal: &LiteralValue) -> Option<Kind> {
    match literal {
        LiteralValue::Boolean(_) => Some(Kind::Truth),
        LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_) => Some(Kind::Number),
        LiteralValue::String(_) => Some(Kind::Text),
        LiteralValue::Null => Some(Kind::Null),
        LiteralValue::Bytes(_) => None,
    }
}

fn of_type(value_type: ValueType) -> Option<Kind> {
    match value_type {
        ValueType::String | ValueType::Date => Some(Kind::Text),
        ValueType::Integer | ValueType::Number => Some(Kind::Number),
        ValueType::Boolean => Some(Kind::Truth),
        ValueType::Object => Some(Kind::Map),
        ValueType::Array => Some(Kind::List),
    }
}

/// What can never work, whatever the order says; each without the expression itself.
pub(super) fn mistakes(parsed: &IdedExpr, kinds: &Kinds<'_>) -> Vec<String> {
    let mut found = Vec::new();
    walk(parsed, &mut |node, around| {
        let Expr::Call(call) = &node.expr else { return };
        // Within a macro a name may be one that it binds, which is another variable.
        let kind = |node: &IdedExpr| kinds.of(node).filter(|_| around.macros == 0);
        found.extend(mistake(call, &kind));
    });
    found.extend(bounds(parsed));
    found
}

fn mistake(call: &CallExpr, kind: &impl Fn(&IdedExpr) -> Option<Kind>) -> Option<String> {
    match (call.func_name.as_str(), call.args.as_slice()) {
        (
            operators::EQUALS
            | operators::NOT_EQUALS
            | operators::GREATER_EQUALS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::LESS,
            [one, other],
        ) => {
            let (one, other) = (kind(one)?, kind(other)?);
            (one != other && one != Kind::Null && other != Kind::Null)
                .then(|| format!("compares {one} with {other}"))
        }
        (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, operands) => {
            let wrong = operands.iter().filter_map(kind).find(|kind| *kind != Kind::Truth)?;
            Some(format!("takes {wrong} for true or false"))
        }
        (operators::DIVIDE | operators::MODULO, [_, divisor]) => match &divisor.expr {
            Expr::Literal(LiteralValue::Int(number)) if *number.inner() == 0 => {
                Some("divides by 0".to_owned())
            }
            _ => None,
        },
        _ => None,
    }
}

/// The numbers that a field may be by what stands between `&&`.
#[derive(Clone, Copy)]
struct Range {
    min: i64,
    max: i64,
}

/// `a.b > 5 && a.b < 3`: fields for which no number is left.
fn bounds(parsed: &IdedExpr) -> Vec<String> {
    let mut ranges: Vec<((&str, &str), Range)> = Vec::new();
    let mut found = Vec::new();
    for node in conjuncts(parsed) {
        let Some((name, bound)) = bound(node) else { continue };
        let at = ranges.iter().position(|(known, _)| *known == name);
        let before = at.map_or(Range { min: i64::MIN, max: i64::MAX }, |at| ranges[at].1);
        let now = Range { min: before.min.max(bound.min), max: before.max.min(bound.max) };
        if now.min > now.max && before.min <= before.max {
            found.push(format!("wants {}.{} to be what no whole number is", name.0, name.1));
        }
        match at {
            Some(at) => ranges[at].1 = now,
            None => ranges.push((name, now)),
        }
    }
    found
}

fn conjuncts(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Expr::Call(call) if call.func_name == operators::LOGICAL_AND => {
            call.args.iter().flat_map(conjuncts).collect()
        }
        _ => vec![node],
    }
}

/// Of fields that hold whole numbers.
fn bound(node: &IdedExpr) -> Option<((&str, &str), Range)> {
    let Expr::Call(call) = &node.expr else { return None };
    let [one, other] = call.args.as_slice() else { return None };
    let (name, number, is_turned) = match (field(one), whole(other)) {
        (Some(name), Some(number)) => (name, number, false),
        _ => (field(other)?, whole(one)?, true),
    };
    if !matches!(name, ("item", "quantity") | ("order", "priority" | "items") | ("task", "attempt")) {
        return None;
    }
    let (above, below) = (Range { min: number, max: i64::MAX }, Range { min: i64::MIN, max: number });
    let range = match (call.func_name.as_str(), is_turned) {
        (operators::EQUALS, _) => Range { min: number, max: number },
        (operators::GREATER_EQUALS, false) | (operators::LESS_EQUALS, true) => above,
        (operators::LESS_EQUALS, false) | (operators::GREATER_EQUALS, true) => below,
        (operators::GREATER, false) | (operators::LESS, true) => {
            Range { min: number.saturating_add(1), ..above }
        }
        (operators::LESS, false) | (operators::GREATER, true) => {
            Range { max: number.saturating_sub(1), ..below }
        }
        _ => return None,
    };
    Some((name, range))
}

fn whole(node: &IdedExpr) -> Option<i64> {
    match &node.expr {
        Expr::Literal(LiteralValue::Int(number)) => Some(*number.inner()),
        _ => None,
    }
}

/// Every value that an expression may come to, where all of them stand in it: `c ? 'redo' : 'nothing'`.
pub(super) fn texts(node: &IdedExpr) -> Vec<&str> {
    match &node.expr {
        Expr::Call(call) if call.func_name == operators::CONDITIONAL => {
            call.args.iter().skip(1).flat_map(texts).collect()
        }
        _ => text(node).into_iter().collect(),
    }
}
