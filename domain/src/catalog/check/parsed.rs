//! Pieces of a parsed expression: the fields that it takes, and the values that stand in it.
use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};
use serde_json::Value;

/// `variable.field`, `variable['field']` and `'field' in variable`.
pub(super) fn field(node: &IdedExpr) -> Option<(&str, &str)> {
    match &node.expr {
        Expr::Select(select) => Some((ident(&select.operand)?, &select.field)),
        Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [map, key] => Some((ident(map)?, text(key)?)),
            _ => None,
        },
        Expr::Call(call) if call.func_name == operators::IN => match call.args.as_slice() {
            [key, map] => Some((ident(map)?, text(key)?)),
            _ => None,
        },
        Expr::Call(_)
        | Expr::Unspecified
        | Expr::Literal(_)
        | Expr::Ident(_)
        | Expr::List(_)
        | Expr::Map(_)
        | Expr::Struct(_)
        | Expr::Comprehension(_) => None,
    }
}

fn ident(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Ident(name) => Some(name),
        Expr::Unspecified
        | Expr::Literal(_)
        | Expr::Select(_)
        | Expr::Call(_)
        | Expr::List(_)
        | Expr::Map(_)
        | Expr::Struct(_)
        | Expr::Comprehension(_) => None,
    }
}

/// A literal text.
pub(super) fn text(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        Expr::Literal(_)
        | Expr::Unspecified
        | Expr::Ident(_)
        | Expr::Select(_)
        | Expr::Call(_)
        | Expr::List(_)
        | Expr::Map(_)
        | Expr::Struct(_)
        | Expr::Comprehension(_) => None,
    }
}

/// As JSON, where it is one of the values that equal others of their kind only.
pub(super) fn literal(node: &IdedExpr) -> Option<Value> {
    let Expr::Literal(literal) = &node.expr else { return None };
    match literal {
        LiteralValue::Boolean(truth) => Some(Value::Bool(*truth.inner())),
        LiteralValue::Int(number) => Some(Value::from(*number.inner())),
        LiteralValue::String(text) => Some(Value::from(text.inner())),
        // Numbers of several kinds are equal to one another in ways of their own.
        LiteralValue::UInt(_) | LiteralValue::Double(_) | LiteralValue::Bytes(_) | LiteralValue::Null => None,
    }
}
