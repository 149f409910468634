//! What an expression reads, found without evaluating it: member paths, and resource types at the start of paths.
//! <http://hl7.org/fhirpath/N1/#path-selection>

use super::ast::{Expr, Step, Variable};
use super::function::Function;
use super::types;
use std::collections::BTreeSet;

/// Names of resource types that stand at the start of a path.
pub(super) fn roots(ast: &Expr) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![ast];
    while let Some(expr) = open.pop() {
        if let Expr::Path { head: None, steps } = expr
            && let Some(Step::Member { name, .. }) = steps.first()
            && types::is_resource_name(name)
        {
            found.insert(name.clone());
        }
        below(expr, &mut open);
    }
    found.into_iter().collect()
}

fn below<'e>(expr: &'e Expr, open: &mut Vec<&'e Expr>) {
    match expr {
        Expr::Literal(_) | Expr::Empty | Expr::Variable { .. } => {}
        Expr::Negative { operand, .. } | Expr::Type { operand, .. } => open.push(operand),
        Expr::Binary { left, right, .. } => open.extend([&**left, &**right]),
        Expr::Union { parts, .. } => open.extend(parts),
        Expr::Path { head, steps } => {
            open.extend(head.as_deref());
            for step in steps {
                match step {
                    Step::Member { .. } => {}
                    Step::Index { index, .. } => open.push(index),
                    Step::Call(call) => open.extend(&call.args),
                }
            }
        }
    }
}

pub(super) fn source_paths(ast: &Expr) -> Vec<String> {
    let mut reader = Reader {
        found: BTreeSet::new(),
        left: 100_000,
    };
    let ends = reader.read(ast, &[String::new()]);
    reader.found.extend(ends);
    reader.found.remove("");
    reader.found.into_iter().collect()
}

/// Paths that an expression can yield are returned; paths that end inside it are collected.
struct Reader {
    found: BTreeSet<String>,
    left: usize,
}

impl Reader {
    fn read(&mut self, expr: &Expr, context: &[String]) -> Vec<String> {
        match expr {
            Expr::Literal(_) | Expr::Empty => Vec::new(),
            Expr::Variable { variable, .. } => variable_path(variable).into_iter().collect(),
            Expr::Negative { operand, .. } | Expr::Type { operand, .. } => self.read(operand, context),
            Expr::Union { parts, .. } => parts.iter().flat_map(|part| self.read(part, context)).collect(),
            Expr::Binary { left, right, .. } => {
                for side in [left, right] {
                    let ends = self.read(side, context);
                    self.found.extend(ends);
                }
                Vec::new()
            }
            Expr::Path { head, steps } => {
                let mut current = match head {
                    Some(head) => self.read(head, context),
                    None => context.to_vec(),
                };
                for step in steps {
                    current = self.step(step, current, context);
                }
                current
            }
        }
    }

    fn step(&mut self, step: &Step, current: Vec<String>, context: &[String]) -> Vec<String> {
        self.left = self.left.saturating_sub(current.len() + 1);
        if self.left == 0 {
            return Vec::new();
        }
        match step {
            Step::Member { name, .. } => current.iter().map(|path| joined(path, name)).collect(),
            Step::Index { index, .. } => {
                let ends = self.read(index, context);
                self.found.extend(ends);
                current
            }
            Step::Call(call) => {
                let inner = match call.function {
                    Function::Where | Function::Exists | Function::All | Function::Select | Function::Iif => {
                        &current
                    }
                    _ => context,
                };
                let ends: Vec<Vec<String>> = call.args.iter().map(|arg| self.read(arg, inner)).collect();
                match call.function {
                    Function::Select => ends.concat(),
                    Function::Iif => {
                        self.found.extend(ends.first().into_iter().flatten().cloned());
                        ends.into_iter().skip(1).flatten().collect()
                    }
                    Function::Repeat => [current, ends.concat()].concat(),
                    Function::Children | Function::Descendants => {
                        current.iter().map(|path| joined(path, "*")).collect()
                    }
                    _ => {
                        self.found.extend(ends.into_iter().flatten());
                        current
                    }
                }
            }
        }
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn variable_path(variable: &Variable) -> Option<String> {
    Some(match variable {
        Variable::Source => "%source".to_owned(),
        Variable::Row => "%row".to_owned(),
        Variable::Parent => "%parent".to_owned(),
        Variable::Context => "%context".to_owned(),
        Variable::Resource => "%resource".to_owned(),
        Variable::RootResource => "%rootResource".to_owned(),
        Variable::Named(name) => format!("%{name}"),
        Variable::Index | Variable::Now | Variable::Constant(_) => return None,
    })
}
