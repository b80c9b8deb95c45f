//! What stands between two marks, evaluated by the library.

use std::collections::HashSet;
use std::sync::LazyLock;

use minijinja::{Environment, ErrorKind, Expression, UndefinedBehavior, Value};

use super::{TemplateError, Values, filters};

/// The value of an expression.
pub(super) fn evaluate(expression: &str, context: &Value, values: &Values) -> Result<Value, TemplateError> {
    let compiled = compiled(expression)?;
    let missing = compiled.undeclared_variables(false).into_iter().find(|name| !values.has(name));
    if let Some(missing) = missing.filter(|_| !has_default(expression)) {
        return Err(TemplateError::UnknownMember(told(&missing)));
    }
    let value = compiled.eval(context.clone()).map_err(|error| kind_of(&error, expression))?;
    if value.is_undefined() { Err(TemplateError::UnknownMember(told(expression))) } else { Ok(value) }
}

/// An expression as the library reads it.
pub(super) fn compiled(expression: &str) -> Result<Expression<'static, 'static>, TemplateError> {
    ENVIRONMENT.compile_expression_owned(expression.to_owned()).map_err(|error| kind_of(&error, expression))
}

/// Whether an expression says what stands in the place of a missing value.
pub(super) fn has_default(expression: &str) -> bool {
    expression.contains("default(")
}

/// The names that an expression asks for.
pub(super) fn names_of(expression: &str) -> HashSet<String> {
    compiled(expression).map(|compiled| compiled.undeclared_variables(false)).unwrap_or_default()
}

fn kind_of(error: &minijinja::Error, expression: &str) -> TemplateError {
    match error.kind() {
        ErrorKind::UnknownFilter => TemplateError::UnknownFilter,
        ErrorKind::UndefinedError => TemplateError::UnknownMember(told(expression)),
        ErrorKind::SyntaxError | ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => {
            TemplateError::Expression
        }
        _ => TemplateError::Filter(told(expression)),
    }
}

/// The first name of an expression, as it may be repeated to whoever sent it.
pub(super) fn told(expression: &str) -> String {
    let name: String = expression
        .trim()
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
        .take(60)
        .collect();
    if shared::digits::holds_card_number(&name) { "…".to_owned() } else { name }
}

/// Whether a section is shown for a value.
pub(super) fn is_something(value: &Value) -> bool {
    value.is_true() && value.to_string() != "false"
}

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    filters::add(&mut environment);
    environment
});
