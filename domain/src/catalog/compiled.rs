//! The compiled form of everything in a catalog that is written as text: expressions and patterns, each compiled once.
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use regex::Regex;
use serde_json::Value;

use super::expression::{self, Expression, ExpressionError, Scope, Variables};
use super::{CatalogDocument, ComponentRule, Finding, InputSource, Mapping};
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
        for (subject, scope, expression) in expressions(document) {
            if let Err(message) = compiled.add_expression(scope, expression) {
                findings.push(Finding::new(subject, message));
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
        let parsed = cel::parser::Parser::new().parse(text);
        let parsed = parsed.map_err(|error| format!("expression \"{text}\" is not CEL: {error}"))?;
        let mut names = Names::default();
        names.collect(&parsed, &mut Vec::new());
        if let Some(unknown) = names.variables.iter().find(|name| !scope.variables().contains(&name.as_str()))
        {
            let known = scope.variables().join(", ");
            return Err(format!(
                "expression \"{text}\" names the variable \"{unknown}\"; here there are {known}"
            ));
        }
        if let Some(unknown) = names.functions.iter().find(|name| !is_function(name)) {
            return Err(format!(
                "expression \"{text}\" calls \"{unknown}\"; there are {}",
                FUNCTIONS.join(", ")
            ));
        }
        let program = cel::Program::compile(text)
            .map_err(|error| format!("expression \"{text}\" is not CEL: {error}"))?;
        self.programs.insert(text.clone(), program);
        Ok(())
    }

    fn add_pattern(&mut self, pattern: &str) -> Result<(), String> {
        if pattern.len() > limits::EXPRESSION_BYTES_MAX {
            return Err(format!("a pattern is longer than {} bytes", limits::EXPRESSION_BYTES_MAX));
        }
        // The whole value has to match, as people expect of a pattern for a value.
        let regex = Regex::new(&format!("^(?:{pattern})$"));
        let regex =
            regex.map_err(|error| format!("pattern \"{pattern}\" is no regular expression: {error}"))?;
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
        let failed = |message: String| ExpressionError::Failed { expression: text.clone(), message };
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

/// Operators are named in symbols (`_&&_`, `@in`), functions in letters.
fn is_function(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_alphabetic()) || FUNCTIONS.contains(&name)
}

/// Every expression of a catalog: whose it is, and which variables it sees.
fn expressions(document: &CatalogDocument) -> Vec<(String, Scope, &Expression)> {
    let mut found = Vec::new();
    for offering in document.offerings.values() {
        let rules = offering.eligibility.iter().map(|rule| &rule.condition);
        found.extend(rules.map(|condition| (format!("offering {}", offering.id), Scope::Item, condition)));
    }
    for specification in document.product_specifications.values() {
        let subject = format!("productSpecification {}", specification.id);
        for rule in &specification.components {
            found.extend(
                of_rule(rule).into_iter().map(|expression| (subject.clone(), Scope::Item, expression)),
            );
        }
    }
    for specification in document.service_specifications.values() {
        let subject = format!("serviceSpecification {}", specification.id);
        for rule in &specification.parts {
            found.extend(
                of_rule(rule).into_iter().map(|expression| (subject.clone(), Scope::Service, expression)),
            );
        }
        for task in &specification.tasks {
            let inputs = task.inputs.values().filter_map(|input| match input {
                InputSource::Expression(expression) => Some(expression),
                InputSource::Literal(_)
                | InputSource::Characteristic(_)
                | InputSource::CharacteristicIfGiven(_)
                | InputSource::Service(_)
                | InputSource::ServiceIfGiven(_)
                | InputSource::Order(_)
                | InputSource::OrderIfGiven(_)
                | InputSource::Item(_)
                | InputSource::Output(_) => None,
            });
            let all = task.condition.iter().chain(inputs);
            found.extend(all.map(|expression| (subject.clone(), Scope::Service, expression)));
        }
    }
    for task_type in document.task_types.values() {
        let no_return = task_type.point_of_no_return.as_ref().and_then(|rule| rule.when.as_ref());
        let strategies = [&task_type.when_changed_expression, &task_type.when_not_needed_expression];
        let all = no_return.into_iter().chain(strategies.into_iter().flatten());
        found.extend(all.map(|expression| (format!("taskType {}", task_type.name), Scope::Task, expression)));
    }
    found
}

fn of_rule(rule: &ComponentRule) -> Vec<&Expression> {
    let mappings = rule.characteristics.values().filter_map(|mapping| match mapping {
        Mapping::Expression(expression) => Some(expression),
        Mapping::Literal(_)
        | Mapping::Characteristic(_)
        | Mapping::CharacteristicIfGiven(_)
        | Mapping::Service(_)
        | Mapping::ServiceIfGiven(_) => None,
    });
    rule.condition.iter().chain(mappings).collect()
}

/// The names that an expression uses from outside; those that its own macros bind are not among them.
#[derive(Default)]
struct Names {
    variables: BTreeSet<String>,
    functions: BTreeSet<String>,
}

impl Names {
    fn collect<'e>(&mut self, expression: &'e IdedExpr, bound: &mut Vec<&'e str>) {
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => {
                if !name.starts_with('@') && !bound.contains(&name.as_str()) {
                    self.variables.insert(name.clone());
                }
            }
            Expr::Select(select) => self.collect(&select.operand, bound),
            Expr::Call(call) => {
                self.functions.insert(call.func_name.clone());
                call.target.iter().for_each(|target| self.collect(target, bound));
                call.args.iter().for_each(|argument| self.collect(argument, bound));
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.collect(element, bound)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr, bound)),
            Expr::Struct(value) => {
                // Types of messages: there are none here.
                self.functions.insert(value.type_name.clone());
                value.entries.iter().for_each(|entry| self.entry(&entry.expr, bound));
            }
            Expr::Comprehension(comprehension) => {
                self.collect(&comprehension.iter_range, bound);
                self.collect(&comprehension.accu_init, bound);
                let depth = bound.len();
                bound.push(&comprehension.iter_var);
                bound.extend(comprehension.iter_var2.as_deref());
                bound.push(&comprehension.accu_var);
                self.collect(&comprehension.loop_cond, bound);
                self.collect(&comprehension.loop_step, bound);
                self.collect(&comprehension.result, bound);
                bound.truncate(depth);
            }
        }
    }

    fn entry<'e>(&mut self, entry: &'e EntryExpr, bound: &mut Vec<&'e str>) {
        match entry {
            EntryExpr::StructField(field) => self.collect(&field.value, bound),
            EntryExpr::MapEntry(entry) => {
                self.collect(&entry.key, bound);
                self.collect(&entry.value, bound);
            }
        }
    }
}
