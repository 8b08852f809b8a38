//! Conditions as written: `when`, `changed_when`, `failed_when`. Evaluates nothing.

use crate::source::{Node, Problem, Problems, Tree};

use super::keys::{Keys, is_template};
use super::program::Expression;
use super::reading::Reading;
use super::scan::Read;

/// The conditions in `node`: one, or a list that must all be true.
pub(super) fn parse(node: &Node, what: &str, problems: &mut Problems) -> Vec<Expression> {
    match &node.tree {
        Tree::List(items) => items.iter().filter_map(|item| one(item, what, problems)).collect(),
        _ => one(node, what, problems).into_iter().collect(),
    }
}

fn one(node: &Node, what: &str, problems: &mut Problems) -> Option<Expression> {
    let text = match &node.tree {
        Tree::Bool(truth) => truth.to_string(),
        Tree::Text(text, _) if is_template(text) => {
            let inner = text.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
            problems.push(
                Problem::error(node.span, format!("{what} is an expression already, without `{{{{ }}}}`"))
                    .label("braces are not needed")
                    .help(format!("write `{}: {inner}`", what.trim_matches('`'))),
            );
            return None;
        }
        Tree::Text(text, _) if !text.trim().is_empty() => text.clone(),
        _ => {
            problems.push(
                Problem::error(node.span, format!("{what} is an expression, not {}", node.kind()))
                    .label("a condition is expected"),
            );
            return None;
        }
    };
    Some(Expression { text, span: node.span })
}

/// The condition in a parameter that is one, unless it is written as a template.
pub(super) fn parse_open(node: &Node) -> Option<Expression> {
    let text = node.as_text().filter(|text| !is_template(text))?;
    Some(Expression { text: text.to_owned(), span: node.span })
}

/// What `when` reads; a condition that reads nothing is always the same.
pub(super) fn reads_of_when(reading: &mut Reading<'_>, when: &[Expression]) -> Vec<Read> {
    let mut all = Vec::new();
    for expression in when {
        let (mut reads, before) = (Vec::new(), reading.problems.len());
        reading.scanner().expression(expression, &mut reads);
        if reads.is_empty() && reading.problems.len() == before {
            reading.problems.push(
                Problem::warning(expression.span, "this `when` is always the same: it reads nothing")
                    .label("never varies")
                    .help("leave it out, or the task"),
            );
        }
        all.extend(reads);
    }
    all
}

/// `changed_when` or `failed_when`: a list means that all must be true.
pub(super) fn outcome(keys: &mut Keys<'_>, name: &'static str, problems: &mut Problems) -> Option<Expression> {
    let node = keys.take(name)?;
    if name == "failed_when" && node.tree == Tree::Bool(false) {
        problems.push(
            Problem::error(node.span, "`failed_when: false` hides every failure")
                .label("nothing would ever fail")
                .help("write `optional: true`: a failure is then reported as degraded"),
        );
        return None;
    }
    let mut all = parse(node, &format!("`{name}`"), problems);
    if all.len() < 2 {
        return all.pop();
    }
    let text = all.iter().map(|one| format!("({})", one.text.trim())).collect::<Vec<_>>().join(" and ");
    Some(Expression { text, span: node.span })
}
