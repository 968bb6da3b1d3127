//! What can be said of names before anything is unrolled, also in blocks that are never called.

use super::problem::Problem;
use super::{build, catalog};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::syntax::ast::{Definition, Item, Name, StatementKind};
use crate::syntax::foreign;
use crate::syntax::load::Spec;
use crate::syntax::walk;
use std::collections::HashMap;

/// The definitions of a spec.
pub struct Definitions<'a> {
    /// The root's net.
    pub net: &'a Definition,
    /// All blocks by name.
    pub blocks: HashMap<&'a str, &'a Definition>,
}

/// Collects definitions and checks every name of a layer or block, used or not. `None` when there is no single net.
pub fn resolve<'a>(spec: &'a Spec, diagnostics: &mut Vec<Diagnostic>) -> Option<Definitions<'a>> {
    let mut report = |problem: Problem| diagnostics.push(problem.diagnose());
    let root = spec.root()?;
    let mut net: Option<&Definition> = None;
    let mut recipe: Option<Span> = None;
    let mut blocks: HashMap<&str, &Definition> = HashMap::new();
    for item in &root.items {
        match item {
            Item::Net(second) => match net {
                Some(first) => report(Problem::SecondNet { first: first.name.span, second: second.name.span }),
                None => net = Some(second),
            },
            Item::Recipe(path) => match recipe {
                Some(first) => report(Problem::SecondRecipe { first, second: path.span }),
                None => recipe = Some(path.span),
            },
            Item::Use(_) | Item::Block(_) | Item::Lint(_) => {}
        }
    }
    for block in spec.files.iter().flat_map(|file| &file.items).filter_map(block) {
        let name = block.name.text.as_str();
        if catalog::find(name).is_some() {
            report(Problem::NameOfLayer { name: name.to_string(), span: block.name.span });
        } else if let Some(first) = blocks.insert(name, block) {
            blocks.insert(name, first);
            let (name, first, second) = (name.to_string(), first.name.span, block.name.span);
            report(Problem::DefinedTwice { what: "block", name, first, second });
        }
    }
    for definition in own_definitions(spec) {
        parameters(definition, &mut report);
        walk::statements(&definition.body, &mut |statement| {
            if let StatementKind::Call(call) = &statement.kind {
                callee(&call.callee, &blocks, &mut report);
            }
        });
    }
    let Some(net) = net else {
        let span = root.items.iter().find_map(block).map(|block| block.name.span);
        diagnostics.push(Problem::NoNet { span }.diagnose());
        return None;
    };
    Some(Definitions { net, blocks })
}

fn block(item: &Item) -> Option<&Definition> {
    if let Item::Block(block) = item { Some(block) } else { None }
}

/// The definitions that belong to a spec: all blocks, and the root's net. The nets of used files are other specs.
pub fn own_definitions(spec: &Spec) -> impl Iterator<Item = &Definition> {
    let root = spec.root().map(|root| root.id);
    spec.files.iter().flat_map(move |file| {
        file.items.iter().filter_map(move |item| match item {
            Item::Block(block) => Some(block),
            Item::Net(net) if Some(file.id) == root => Some(net),
            _ => None,
        })
    })
}

fn parameters(definition: &Definition, report: &mut impl FnMut(Problem)) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for parameter in &definition.parameters {
        if let Some(first) = seen.insert(&parameter.name.text, parameter.name.span) {
            let (name, second) = (parameter.name.text.clone(), parameter.name.span);
            report(Problem::DefinedTwice { what: "parameter", name, first, second });
        }
        if build::kind_of_type(&parameter.kind.text).is_none() {
            report(Problem::UnknownType { name: parameter.kind.text.clone(), span: parameter.kind.span });
        }
    }
}

fn callee(callee: &Name, blocks: &HashMap<&str, &Definition>, report: &mut impl FnMut(Problem)) {
    if blocks.contains_key(callee.text.as_str()) || catalog::find(&callee.text).is_some() {
        return;
    }
    let (name, span) = (callee.text.clone(), callee.span);
    report(match foreign::layer(&name) {
        Some(answer) => Problem::Foreign { word: name, span, answer },
        None => {
            let known = catalog::LAYERS.iter().map(|entry| entry.name).chain(blocks.keys().copied());
            Problem::UnknownLayer { name, span, known: known.map(str::to_string).collect() }
        }
    });
}
