//! The compiled form of everything in a catalog that is written as text: expressions and patterns, each compiled once.
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr, IdedExpr, operators};
use regex::Regex;
use serde_json::Value;

use super::expression::{self, Expression, ExpressionError, Scope, Variables};
use super::finding::{did_you_mean, shown};
use super::{CatalogDocument, Finding, uses};
use crate::limits;

/// The functions that an expression may call; the operators and the macros `has`, `all`, `exists`, `exists_one`, `map` and
/// `filter` come beside them.
pub const FUNCTIONS: &[&str] =
    &["size", "contains", "startsWith", "endsWith", "string", "int", "uint", "double", "bool", "type", "dyn"];

static ENVIRONMENT: LazyLock<Arc<cel::Env>> = LazyLock::new(|| Arc::new(cel::Env::stdlib()));

#[derive(Default)]
pub(super) struct Compiled {
    programs: HashMap<String, cel::Program>,
    patterns: HashMap<String, Regex>,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} expressions, {} patterns", self.programs.len(), self.patterns.len())
    }
}

impl Compiled {
    /// What compiles, and a finding for each that does not.
    pub(super) fn of(document: &CatalogDocument) -> (Compiled, Vec<Finding>) {
        let mut compiled = Compiled::default();
        let mut findings = Vec::new();
        for one in uses::of(document) {
            if let Err(message) = compiled.add_expression(one.scope, one.expression) {
                findings.push(Finding::new(one.subject(), message));
            }
        }
        for specification in document.product_specifications.values() {
            for characteristic in &specification.characteristics {
                let Some(pattern) = &characteristic.pattern else { continue };
                if let Err(message) = compiled.add_pattern(pattern) {
                    let subject = format!("productSpecification {}", specification.id);
                    findings.push(Finding::new(
                        subject,
                        format!("characteristic {}: {message}", characteristic.name),
                    ));
                }
            }
        }
        (compiled, findings)
    }

    fn add_expression(&mut self, scope: Scope, expression: &Expression) -> Result<(), String> {
        let text = &expression.0;
        if text.len() > limits::EXPRESSION_BYTES_MAX {
            return Err(format!("an expression is longer than {} bytes", limits::EXPRESSION_BYTES_MAX));
        }
        let wrong = |message: String| format!("expression \"{}\" {message}", shown(text));
        let parsed = cel::parser::Parser::new().parse(text).map_err(|errors| wrong(not_cel(&errors)))?;
        Names::of(&parsed).check(scope).map_err(wrong)?;
        let program = cel::Program::compile(text).map_err(|errors| wrong(not_cel(&errors)))?;
        self.programs.insert(text.clone(), program);
        Ok(())
    }

    fn add_pattern(&mut self, pattern: &str) -> Result<(), String> {
        if pattern.len() > limits::EXPRESSION_BYTES_MAX {
            return Err(format!("a pattern is longer than {} bytes", limits::EXPRESSION_BYTES_MAX));
        }
        // The whole value has to match, as people expect of a pattern for a value.
        let regex = Regex::new(&format!("^(?:{pattern})$"));
        let regex = regex.map_err(|error| {
            let error = error.to_string();
            // The library draws the place over several lines, and says what is wrong in the last.
            let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("pattern \"{}\" is no regular expression: {why}", shown(pattern))
        })?;
        self.patterns.insert(pattern.to_owned(), regex);
        Ok(())
    }

    pub(super) fn evaluate(
        &self,
        expression: &Expression,
        variables: &Variables,
    ) -> Result<Value, ExpressionError> {
        let text = &expression.0;
        let program =
            self.programs.get(text).ok_or_else(|| ExpressionError::Unknown { expression: text.clone() })?;
        let mut context = cel::Context::with_env(Arc::clone(&ENVIRONMENT));
        for (name, value) in &variables.0 {
            context.add_variable_from_value(*name, value.clone());
        }
        let failed = |message: String| ExpressionError::Failed {
            expression: text.clone(),
            message: without_values(message),
        };
        let value = program.execute(&context).map_err(|error| failed(error.to_string()))?;
        expression::to_json(&value).ok_or_else(|| failed(format!("{value:?} is no JSON value")))
    }

    pub(super) fn holds(
        &self,
        condition: &Expression,
        variables: &Variables,
    ) -> Result<bool, ExpressionError> {
        match self.evaluate(condition, variables)? {
            Value::Bool(truth) => Ok(truth),
            value => Err(ExpressionError::NotACondition {
                expression: condition.0.clone(),
                value: value.to_string(),
            }),
        }
    }

    pub(super) fn matches(&self, pattern: &str, text: &str) -> bool {
        self.patterns.get(pattern).is_some_and(|regex| regex.is_match(text))
    }
}

/// The first thing that the parser stumbled over; what it says after that follows from it.
fn not_cel(errors: &cel::ParseErrors) -> String {
    match errors.errors.first() {
        Some(error) => {
            let message = error.msg.lines().next().unwrap_or_default();
            format!("is not CEL, at character {}: {message}", error.pos.1.max(1))
        }
        None => "is not CEL".to_owned(),
    }
}

/// Operators are named in symbols (`_&&_`, `@in`), functions in letters.
fn is_function(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_alphabetic()) || FUNCTIONS.contains(&name)
}

/// What an expression uses from outside, which its own macros do not bind; and how much work it can be.
#[derive(Default)]
pub(super) struct Names<'e> {
    variables: BTreeSet<&'e str>,
    functions: BTreeSet<&'e str>,
    /// The operations from the outermost to the innermost.
    depth: usize,
    /// How many lists are gone through within one another. Each multiplies the work by the length of its list, and lists
    /// are bounded by [`limits::VALUE_BYTES_MAX`] alone.
    macros_nested: usize,
    /// The operations within macros, which are done for each element; the macros' own count.
    nodes_in_macros: usize,
    /// Whether lists are added up to go through them: then their bound would be none.
    has_sum_as_range: bool,
}

impl<'e> Names<'e> {
    /// # Errors
    /// What is too much, or not there in this scope.
    fn check(&self, scope: Scope) -> Result<(), String> {
        if self.depth > limits::EXPRESSION_DEPTH_MAX {
            return Err(format!(
                "is {} operations deep, and may be {}; split it",
                self.depth,
                limits::EXPRESSION_DEPTH_MAX
            ));
        }
        if self.macros_nested > limits::EXPRESSION_MACROS_NESTED_MAX {
            return Err(format!(
                "goes through a list for each element of a list; {} at a time is allowed",
                limits::EXPRESSION_MACROS_NESTED_MAX
            ));
        }
        if self.nodes_in_macros > limits::EXPRESSION_MACRO_NODES_MAX {
            return Err(format!(
                "does {} operations for each element of a list, and may do {}; say less",
                self.nodes_in_macros,
                limits::EXPRESSION_MACRO_NODES_MAX
            ));
        }
        if self.has_sum_as_range {
            return Err("goes through a sum of lists; go through one of them".to_owned());
        }
        if let Some(unknown) = self.variables.iter().find(|name| !scope.variables().contains(*name)) {
            let known = scope.variables().join(", ");
            let near = did_you_mean(unknown, scope.variables().iter().copied());
            return Err(format!("names the variable \"{unknown}\"; here there are {known}{near}"));
        }
        if let Some(unknown) = self.functions.iter().find(|name| !is_function(name)) {
            let near = did_you_mean(unknown, FUNCTIONS.iter().copied());
            return Err(format!("calls \"{unknown}\"; there are {}{near}", FUNCTIONS.join(", ")));
        }
        Ok(())
    }

    fn of(expression: &'e IdedExpr) -> Names<'e> {
        let mut names = Names::default();
        walk(expression, &mut |node, around| {
            names.depth = names.depth.max(around.depth);
            names.nodes_in_macros += usize::from(around.macros > 0);
            match &node.expr {
                Expr::Ident(name) if !name.starts_with('@') && !around.bound.contains(&name.as_str()) => {
                    names.variables.insert(name);
                }
                Expr::Call(call) => {
                    names.functions.insert(&call.func_name);
                }
                // Types of messages: there are none here.
                Expr::Struct(value) => {
                    names.functions.insert(&value.type_name);
                }
                Expr::Comprehension(comprehension) => {
                    names.macros_nested = names.macros_nested.max(around.macros + 1);
                    names.has_sum_as_range |= adds(&comprehension.iter_range);
                }
                Expr::Ident(_)
                | Expr::Unspecified
                | Expr::Literal(_)
                | Expr::Select(_)
                | Expr::List(_)
                | Expr::Map(_) => {}
            }
        });
        names
    }
}

/// Whether an expression adds something up, other than a macro its own result.
fn adds(expression: &IdedExpr) -> bool {
    let mut found = false;
    walk(expression, &mut |node, around| {
        if let Expr::Call(call) = &node.expr {
            found |= call.func_name == operators::ADD && around.macros == 0;
        }
    });
    found
}

/// What is around a node of an expression.
#[derive(Clone, Default)]
pub(super) struct Around<'e> {
    pub depth: usize,
    /// The macros whose body it stands in.
    pub macros: usize,
    /// The names that they bind.
    pub bound: Vec<&'e str>,
}

/// Every node of an expression, with what is around it.
pub(super) fn walk<'e>(expression: &'e IdedExpr, look: &mut impl FnMut(&'e IdedExpr, &Around<'e>)) {
    step(expression, &Around { depth: 1, ..Around::default() }, look);
}

fn step<'e>(node: &'e IdedExpr, around: &Around<'e>, look: &mut impl FnMut(&'e IdedExpr, &Around<'e>)) {
    look(node, around);
    let below = Around { depth: around.depth + 1, ..around.clone() };
    let mut entry = |entry: &'e EntryExpr| match entry {
        EntryExpr::StructField(field) => step(&field.value, &below, look),
        EntryExpr::MapEntry(entry) => {
            step(&entry.key, &below, look);
            step(&entry.value, &below, look);
        }
    };
    match &node.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => {}
        Expr::Select(select) => step(&select.operand, &below, look),
        Expr::Call(call) => {
            call.target.iter().for_each(|target| step(target, &below, look));
            call.args.iter().for_each(|argument| step(argument, &below, look));
        }
        Expr::List(list) => list.elements.iter().for_each(|element| step(element, &below, look)),
        Expr::Map(map) => map.entries.iter().for_each(|one| entry(&one.expr)),
        Expr::Struct(value) => value.entries.iter().for_each(|one| entry(&one.expr)),
        Expr::Comprehension(comprehension) => {
            step(&comprehension.iter_range, &below, look);
            step(&comprehension.accu_init, &below, look);
            let mut within = Around { macros: below.macros + 1, ..below };
            within.bound.push(&comprehension.iter_var);
            within.bound.extend(comprehension.iter_var2.as_deref());
            within.bound.push(&comprehension.accu_var);
            step(&comprehension.loop_cond, &within, look);
            step(&comprehension.loop_step, &within, look);
            step(&comprehension.result, &within, look);
        }
    }
}

/// The library shows maps in the sequence of their hashes, which is another each time; equal input must give an equal message.
fn without_values(message: String) -> String {
    match message.find("Map(") {
        Some(at) => format!("{}a map", &message[..at]),
        None => message,
    }
}
