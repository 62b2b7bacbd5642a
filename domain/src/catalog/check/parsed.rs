//! Pieces of a parsed expression: the fields that it takes, and the values that stand in it.
use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};
use serde_json::Value;

/// `variable.field`, `variable['field']` and `'field' in variable`.
pub(super) fn field(node: &IdedExpr) -> Option<(&str, &str)> {
    match &node.expr {
        Expr::Select(select) => Some((ident(&select.operand)?, &select.field)),
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::INDEX, [map, key]) | (operators::IN, [key, map]) => Some((ident(map)?, text(key)?)),
            _ => None,
        },
        _ => None,
    }
}

fn ident(node: &IdedExpr) -> Option<&str> {
    let Expr::Ident(name) = &node.expr else { return None };
    Some(name)
}

/// A literal text.
pub(super) fn text(node: &IdedExpr) -> Option<&str> {
    let Expr::Literal(LiteralValue::String(text)) = &node.expr else { return None };
    Some(text.inner())
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
