//! Whether the groups of a recipe's optimizer are those of a network: a pattern that nothing fits would change nothing,
//! and nobody would notice.

use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::lower::program::Program;
use crate::recipe::Recipe;
use crate::recipe::origin::{Origin, Origins};
use crate::recipe::parse::yaml::{Part, find};

/// One error a pattern that fits no parameter.
pub fn check(recipe: &Recipe, origins: &Origins, program: &Program) -> Vec<Diagnostic> {
    let groups = recipe.optimizer.groups.iter().enumerate();
    let fits = |pattern: &dyn Fn(&str) -> bool| program.parameters.iter().any(|parameter| pattern(&parameter.name));
    groups
        .filter(|(_, group)| !fits(&|name| group.contains(name)))
        .map(|(index, group)| unknown(index, &group.pattern, origins, program))
        .collect()
}

fn unknown(index: usize, pattern: &str, origins: &Origins, program: &Program) -> Diagnostic {
    let message = format!("no parameter of the net `{}` fits `{pattern}`", program.net);
    let index = index.to_string();
    // A single group may stand without a list.
    let paths: [&[&str]; 2] = [&["optimizer", "groups", &index, "match"], &["optimizer", "groups", "match"]];
    let origin = origins.of(&["optimizer", "groups"]);
    let place = match &origins.recipe {
        Some(written) if matches!(origin, Origin::Recipe(_)) => {
            paths.iter().find_map(|path| find(&written.text, written.file, path, Part::Value))
        }
        _ => None,
    };
    let code = if matches!(origin, Origin::Set(_)) { Code::RecipeSet } else { Code::RecipeValue };
    let mut diagnostic = Diagnostic::new(code, message);
    if let Some(place) = place {
        diagnostic = diagnostic.at(place, "fits nothing");
    }
    if let Origin::Set(text) = origin {
        diagnostic = diagnostic.note(format!("said by `--set {text}`"));
    }
    let names = names(program);
    // What stands before a star is a name, too.
    let word = pattern.trim_end_matches(['*', '.']);
    match suggest::nearest(word, names.iter().copied()) {
        Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
        None => {
            let tops = names.iter().copied().filter(|name| !name.contains('.'));
            diagnostic.help(format!("its layers and blocks are {}", suggest::list(tops)))
        }
    }
}

/// Every name of a parameter, and of a layer or block round it, outer ones first.
fn names(program: &Program) -> Vec<&str> {
    let mut names = Vec::new();
    for parameter in &program.parameters {
        let name = parameter.name.as_str();
        let ends = name.match_indices('.').map(|(dot, _)| &name[..dot]);
        for name in ends.chain([name]) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::mock;
    use crate::graph::dims::Shape;
    use crate::recipe::{self, RecipeSource};
    use crate::source::SourceMap;
    use std::path::Path;

    fn reported(text: &str, sets: &[&str]) -> Vec<(Code, String, Vec<String>)> {
        let program = mock::program(Shape::Map { channels: 1, height: 2, width: 2 }, 10);
        let mut sources = SourceMap::new();
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        let source = RecipeSource::text(Path::new("r.yaml"), text).with(&sets);
        let resolved = recipe::read(source, &mut sources).unwrap();
        let found = check(&resolved.recipe, &resolved.origins, &program);
        found
            .into_iter()
            .map(|error| {
                let place = error.span().map(|span| sources.location(span)).unwrap_or_default();
                (error.code, place, error.help)
            })
            .collect()
    }

    #[test]
    fn a_pattern_that_fits_nothing_is_shown_where_it_stands() {
        let text =
            "optimizer:\n  groups:\n    - {match: linear1, rate_factor: 2}\n    - {match: liner1.*, rate_factor: 2}\n";
        assert_eq!(
            reported(text, &[]),
            [(Code::RecipeValue, "r.yaml:4:15".into(), vec!["did you mean `linear1`?".into()])]
        );
        let single = "optimizer: {groups: {match: conv, decay_factor: 2}}";
        let help = vec!["its layers and blocks are `linear1`".to_string()];
        assert_eq!(reported(single, &[]), [(Code::RecipeValue, "r.yaml:1:29".into(), help.clone())]);
        let set = "optimizer.groups=[{match: conv, decay_factor: 0}]";
        assert_eq!(reported(single, &[set]), [(Code::RecipeSet, String::new(), help)]);
        assert!(reported("optimizer: {groups: {match: '*.bias', decay_factor: 2}}", &[]).is_empty());
    }
}
