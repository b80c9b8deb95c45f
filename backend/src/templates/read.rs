//! Reading templates: marks one after the other, and between them nothing but members with filters.

use super::{Part, TemplateError, evaluate};

/// Sections stand in each other at most so deep.
const MAX_DEPTH: usize = 8;
/// The longest text between two marks, in bytes.
const MAX_EXPRESSION: usize = 300;
/// The most marks of a template.
pub(super) const MAX_MARKS: usize = 2_000;

/// Reads a whole template.
pub(super) fn parts(text: &str) -> Result<Vec<Part>, TemplateError> {
    Reader { rest: text, marks: 0 }.parts(None, 0)
}

/// Reads marks one after the other.
struct Reader<'t> {
    rest: &'t str,
    marks: usize,
}

impl<'t> Reader<'t> {
    fn parts(&mut self, open: Option<&str>, depth: usize) -> Result<Vec<Part>, TemplateError> {
        if depth > MAX_DEPTH {
            return Err(TemplateError::TooDeep);
        }
        let mut parts = Vec::new();
        loop {
            let Some((before, _)) = self.rest.split_once("{{") else {
                if open.is_some() {
                    return Err(TemplateError::Unclosed);
                }
                push_text(&mut parts, self.rest);
                return Ok(parts);
            };
            push_text(&mut parts, before);
            self.rest = self.rest.get(before.len()..).unwrap_or_default();
            let (sigil, inner) = self.mark()?;
            match sigil {
                '!' => {}
                '>' => return Err(TemplateError::Partial),
                '#' | '^' => {
                    let inside = self.parts(Some(inner), depth + 1)?;
                    let expression = checked(inner)?;
                    parts.push(Part::Section { expression, inverted: sigil == '^', parts: inside });
                }
                '/' => match open {
                    Some(name) if name == inner => return Ok(parts),
                    Some(_) => return Err(TemplateError::Unclosed),
                    None => return Err(TemplateError::NotOpened),
                },
                _ => parts.push(Part::Value { expression: checked(inner)?, raw: sigil != ' ' }),
            }
        }
    }

    /// The mark at which the rest begins: its kind, and what stands in it.
    fn mark(&mut self) -> Result<(char, &'t str), TemplateError> {
        self.marks += 1;
        if self.marks > MAX_MARKS {
            return Err(TemplateError::TooDeep);
        }
        let (open, close) = if self.rest.starts_with("{{{") { ("{{{", "}}}") } else { ("{{", "}}") };
        let after = self.rest.strip_prefix(open).unwrap_or_default();
        let (inner, rest) = after.split_once(close).ok_or(TemplateError::Unclosed)?;
        self.rest = rest;
        let inner = inner.trim();
        if open.len() == 3 {
            return Ok(('&', inner));
        }
        let sigil = inner.chars().next().filter(|c| matches!(c, '!' | '>' | '#' | '^' | '/' | '&'));
        Ok(match sigil {
            Some(sigil) => (sigil, inner.get(1..).unwrap_or_default().trim()),
            None => (' ', inner),
        })
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

/// A member's name with filters. The library's language could do more; nothing of it is let through.
fn checked(expression: &str) -> Result<String, TemplateError> {
    let mut quote = None;
    for c in expression.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) if c == '\\' => return Err(TemplateError::Expression),
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '|' | '(' | ')' | ',' | ' ') => {}
            None => return Err(TemplateError::Expression),
        }
    }
    let begins = expression.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || quote.is_some() || expression.len() > MAX_EXPRESSION {
        return Err(TemplateError::Expression);
    }
    evaluate::compiled(expression).map(|_| expression.to_owned())
}
