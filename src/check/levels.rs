//! What a lint is worth: nothing, a warning or an error.
//!
//! The nearest word counts. From far to near: what the lint is by itself, the command line, the recipe's `lints`, the
//! file, the net or block, the braces inside it. `--deny warnings` comes last of all and makes an error of whatever is
//! still a warning, but for lints that the command line itself calls warnings. Errors are not up for decision.

use super::unfulfilled_allow;
use crate::diagnostic::{Code, Diagnostic, Fix, Level, LintLevel};
use crate::graph::layer_graph::LayerGraph;
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::ast::{Item, LintRule, StatementKind};
use crate::syntax::load::Spec;
use crate::syntax::walk;

/// What the command line says of lints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels {
    /// `--allow`
    pub allow: Vec<Code>,
    /// `--warn`
    pub warn: Vec<Code>,
    /// `--deny`
    pub deny: Vec<Code>,
    /// `--deny warnings`
    pub deny_warnings: bool,
}

impl Levels {
    /// Of several words on one lint the strictest counts.
    fn of(&self, code: Code) -> Option<LintLevel> {
        let named = [(&self.deny, LintLevel::Deny), (&self.warn, LintLevel::Warn), (&self.allow, LintLevel::Allow)];
        named.into_iter().find(|(codes, _)| codes.contains(&code)).map(|(_, level)| level)
    }
}

/// A word on one lint, and where it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The lint.
    pub code: Code,
    /// What it is worth.
    pub level: LintLevel,
    /// Where that is said.
    pub span: Span,
    /// Where it counts.
    pub scope: Scope,
}

/// Where a word on a lint counts. The first is the farthest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The recipe that says it, with the spec it trains.
    Recipe,
    /// Everything in one file; in the spec's own also what the recipe is told.
    File(FileId),
    /// What stands in these braces.
    Braces(Span),
}

impl Scope {
    /// How near it is to a message at `span`, if it counts there; more is nearer.
    fn nearness(self, span: Option<Span>, spec: &Spec) -> Option<u64> {
        let root = spec.root().map(|root| root.id);
        let of_a_spec = span.is_some_and(|span| spec.files.iter().any(|file| file.id == span.file));
        match self {
            Scope::Recipe => Some(0),
            Scope::File(file) => {
                (span.is_some_and(|span| span.file == file) || !of_a_spec && Some(file) == root).then_some(1)
            }
            Scope::Braces(braces) => {
                let span = span.filter(|span| span.file == braces.file)?;
                let length = u64::from(braces.end.saturating_sub(braces.start));
                (braces.start <= span.start && span.end <= braces.end).then(|| u64::MAX - length)
            }
        }
    }
}

/// Every `allow`, `warn` and `deny` of the files of a spec. Those that are wrong are reported.
pub fn settings(spec: &Spec, diagnostics: &mut Vec<Diagnostic>) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut add = |rule: &LintRule, scope| match Code::lint(&rule.lint.text) {
        Err(message) => diagnostics.push(unknown(rule, message)),
        Ok(_) if rule.level == LintLevel::Allow && rule.reason.as_deref().is_none_or(|why| why.trim().is_empty()) => {
            diagnostics.push(
                Diagnostic::new(Code::NoReason, "an `allow` gives its reason")
                    .at(rule.span, "why is this meant?")
                    .help(format!("write `allow {} \"…\"` with the reason between the quotes", rule.lint.text)),
            );
        }
        Ok(code) => settings.push(Setting { code, level: rule.level, span: rule.span, scope }),
    };
    for file in &spec.files {
        for item in &file.items {
            match item {
                Item::Lint(rule) => add(rule, Scope::File(file.id)),
                Item::Net(definition) | Item::Block(definition) => walk::bodies(&definition.body, &mut |body| {
                    for statement in &body.statements {
                        if let StatementKind::Lint(rule) = &statement.kind {
                            add(rule, Scope::Braces(body.span));
                        }
                    }
                }),
                Item::Use(_) | Item::Recipe(_) => {}
            }
        }
    }
    settings
}

/// What a recipe says of lints, at a place in it.
pub fn of_recipe(lints: &[(Code, LintLevel)], span: Span) -> impl Iterator<Item = Setting> {
    lints.iter().map(move |&(code, level)| Setting { code, level, span, scope: Scope::Recipe })
}

/// What a lint looks at, as far as it matters for where it can have been reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The syntax trees.
    Tree,
    /// The layers.
    Layers,
    /// The recipe.
    Recipe,
}

fn unknown(rule: &LintRule, (message, meant): (String, Option<String>)) -> Diagnostic {
    let span = rule.lint.span;
    let error = Code::find(&rule.lint.text).is_some();
    let label = if error { "not a lint" } else { "not known" };
    let diagnostic = Diagnostic::new(Code::NoSuchLint, message).at(span, label);
    match meant {
        Some(meant) => diagnostic
            .help(format!("did you mean `{meant}`?"))
            .fix(Fix::replace(format!("write `{meant}`"), span, meant).unsafely()),
        None if error => diagnostic.help("mend what it tells; only lints, whose codes begin with `N`, can be meant"),
        None => diagnostic.help("`netc explain` lists them all"),
    }
}

/// What was looked at, so that an `allow` of what could not be reported is not called needless.
#[derive(Clone, Copy)]
pub struct Coverage<'a> {
    /// The unrolled layers.
    pub graph: Option<&'a LayerGraph>,
    /// Whether the recipe's lints were run.
    pub recipe: bool,
    /// What each lint looks at; none for those that other stages report.
    pub subject: fn(Code) -> Option<Subject>,
}

/// Gives every message its level, drops what is allowed, and reports every `allow` of the spec itself that allows nothing.
pub fn apply(
    spec: &Spec,
    settings: &[Setting],
    levels: &Levels,
    coverage: Coverage<'_>,
    sources: &SourceMap,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let broken = crate::diagnostic::has_errors(diagnostics);
    let mut used = vec![false; settings.len()];
    let resolver = LevelResolver { spec, settings, levels, sources };
    diagnostics.retain_mut(|diagnostic| resolver.keep(diagnostic, &mut used));
    if broken {
        return;
    }
    let root = spec.root().map(|root| root.id);
    let idle = settings.iter().zip(&used).filter(|(setting, used)| {
        let own = Some(setting.span.file) == root && setting.scope != Scope::Recipe;
        own && !**used
            && setting.level == LintLevel::Allow
            && setting.code != Code::UnfulfilledAllow
            && coverage.reported(setting)
    });
    let mut needless: Vec<Diagnostic> = idle.map(|(setting, _)| unfulfilled_allow::tell(setting, sources)).collect();
    let mut unused = vec![false; settings.len()];
    needless.retain_mut(|diagnostic| resolver.keep(diagnostic, &mut unused));
    diagnostics.append(&mut needless);
}

impl Coverage<'_> {
    /// Whether a lint had its chance where a setting counts: a branch that was not taken has no layers.
    fn reported(&self, setting: &Setting) -> bool {
        match ((self.subject)(setting.code), setting.scope) {
            (Some(Subject::Recipe), _) => self.recipe,
            (Some(Subject::Layers), Scope::Braces(braces)) => self.graph.is_some_and(|graph| {
                let inside =
                    |span: Span| span.file == braces.file && braces.start <= span.start && span.end <= braces.end;
                graph.graph.node_weights().any(|node| inside(node.origin.span))
            }),
            _ => self.graph.is_some(),
        }
    }
}

struct LevelResolver<'a> {
    spec: &'a Spec,
    settings: &'a [Setting],
    levels: &'a Levels,
    sources: &'a SourceMap,
}

impl LevelResolver<'_> {
    /// Whether a message is kept; one of a lint gets its level.
    fn keep(&self, diagnostic: &mut Diagnostic, used: &mut [bool]) -> bool {
        if !diagnostic.code.is_lint() {
            return true;
        }
        let (code, span) = (diagnostic.code, diagnostic.span());
        let counting = self.settings.iter().enumerate().filter(|(_, setting)| setting.code == code);
        // Of two words that are equally near the later one counts.
        let nearest = counting
            .filter_map(|(index, setting)| Some((setting.scope.nearness(span, self.spec)?, index, setting)))
            .max_by_key(|(nearness, index, _)| (*nearness, *index));
        let given = self.levels.of(code);
        let level = match nearest {
            Some((_, index, setting)) => {
                if let Some(used) = used.get_mut(index) {
                    *used = true;
                }
                setting.level
            }
            None => given.unwrap_or(LintLevel::Warn),
        };
        match (level, nearest) {
            (LintLevel::Allow, _) => return false,
            (LintLevel::Deny, Some((_, _, setting))) => {
                deny(diagnostic, &format!("denied at {}", self.sources.location(setting.span)));
            }
            (LintLevel::Deny, None) => deny(diagnostic, &format!("denied by `--deny {code}`")),
            (LintLevel::Warn, _) if self.levels.deny_warnings && given != Some(LintLevel::Warn) => {
                deny(diagnostic, "denied by `--deny warnings`");
            }
            (LintLevel::Warn, _) => {}
        }
        true
    }
}

fn deny(diagnostic: &mut Diagnostic, who: &str) {
    diagnostic.level = Level::Error;
    diagnostic.notes.push(format!("{who}: by itself this is a warning"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{compile, file};
    use crate::compile::{Options, compile_text};
    use std::path::Path;

    const TWICE: &str = "conv 4 3x3; relu; relu; flatten; linear 10";

    fn net(body: &str) -> Vec<&'static str> {
        file(&format!("net x {{ input 3x8x8; {body} }}"))
    }

    #[test]
    fn the_nearest_word_counts() {
        assert_eq!(net(TWICE), ["N010"]);
        assert!(net(&format!("allow N010 \"why\"; {TWICE}")).is_empty());
        assert!(net(&format!("{TWICE}; allow repeated-activation \"it counts in all of the braces\"")).is_empty());
        let inside = |words: &str| format!("conv 4 3x3; a = {{ {words}; relu; relu }}; flatten; linear 10");
        assert!(net(&inside("allow n010 \"why\"")).is_empty());
        assert_eq!(net(&format!("allow N010 \"why\"; {}", inside("warn N010"))), ["N003", "N010"]);
        assert_eq!(net(&format!("deny N010; {}", inside("allow N010 \"why\""))), [""; 0]);
        // Another block, another text.
        let block = "block b() { relu; relu }";
        let text = format!("net x {{ input 3x8x8; conv 4 3x3; allow N010 \"why\"; b(); flatten; linear 10 }}\n{block}");
        assert_eq!(file(&text), ["N003", "N010"]);
        assert!(file(&format!("allow N010 \"why\"\n{}", text.replace("allow N010 \"why\"; ", ""))).is_empty());
    }

    #[test]
    fn of_two_words_equally_near_the_later_one_counts() {
        assert!(net(&format!("warn N010; allow N010 \"why\"; {TWICE}")).is_empty());
        // The first word allowed nothing, then.
        assert_eq!(net(&format!("allow N010 \"why\"; warn N010; {TWICE}")), ["N003", "N010"]);
        let plain = format!("net x {{ input 3x8x8; {TWICE} }}");
        assert!(file(&format!("warn N010\nallow N010 \"why\"\n{plain}")).is_empty());
        assert_eq!(file(&format!("allow N010 \"why\"\nwarn N010\n{plain}")), ["N003", "N010"]);
    }

    #[test]
    fn the_recipe_is_farther_than_the_file() {
        let codes = |words: &str, recipe: &str| {
            let text = format!("{words}\nnet x {{ input 3x32x32; {TWICE} }}");
            let compiled = compile(&text, Some(&format!("lints: {{{recipe}}}")));
            let about = compiled.diagnostics.iter().filter(|d| d.code == Code::RepeatedActivation);
            about.map(|d| (d.code, d.level())).collect::<Vec<_>>()
        };
        let (allow, deny) = ("allow: {N010: why}", "deny: [N010]");
        let told = [(Code::RepeatedActivation, Level::Warning)];
        assert!(codes("", allow).is_empty());
        assert_eq!(codes("warn N010", allow), told);
        assert_eq!(codes("warn N010", deny), told);
        assert!(codes("allow N010 \"why\"", deny).is_empty());
        assert_eq!(codes("deny N010", allow), [(Code::RepeatedActivation, Level::Error)]);
    }

    #[test]
    fn what_was_not_looked_at_is_not_needless() {
        assert_eq!(net(&format!("allow N010 \"why\"; {}", TWICE.replace("; relu", ""))), ["N003"]);
        assert!(net("if false { allow N010 \"why\"; relu; relu }; flatten; linear 10").is_empty());
        assert!(net("allow N030 \"there is no recipe\"; flatten; linear 10").is_empty());
        assert_eq!(net("allow N010 \"why\"; linear 10"), ["E0201"]);
        assert!(net("allow N010 \"why\"; allow N003 \"why\"; flatten; linear 10").is_empty());
    }

    #[test]
    fn wrong_words_are_reported() {
        assert_eq!(net(&format!("allow N010; {TWICE}")), ["E0316", "N010"]);
        assert_eq!(net(&format!("allow N010 \" \"; {TWICE}")), ["E0316", "N010"]);
        assert_eq!(net(&format!("allow E0402 \"why\"; {TWICE}")), ["E0315", "N010"]);
        assert_eq!(Code::lint("unused-blok").unwrap_err().1.as_deref(), Some("unused-block"));
    }

    fn level(words: &str, levels: Levels) -> Option<Level> {
        let options = Options { levels, ..Options::default() };
        let text = format!("net x {{ input 3x8x8; {words}; {TWICE} }}");
        let compiled = compile_text(Path::new("x.net"), text, &options);
        assert_eq!(compiled.program.is_none(), compiled.diagnostics.iter().any(|d| d.level() == Level::Error));
        compiled.diagnostics.iter().find(|d| d.code == Code::RepeatedActivation).map(|d| d.level())
    }

    #[test]
    fn the_command_line_is_farther_than_the_text() {
        let n010 = || vec![Code::RepeatedActivation];
        let deny = || Levels { deny: n010(), ..Levels::default() };
        let warnings = || Levels { deny_warnings: true, ..Levels::default() };
        let (plain, allow) = ("expect layers 5", "allow N010 \"why\"");
        assert_eq!(level(plain, deny()), Some(Level::Error));
        assert_eq!(level(allow, deny()), None);
        assert_eq!(level("deny N010", Levels { allow: n010(), ..Levels::default() }), Some(Level::Error));
        assert_eq!(level(plain, Levels { allow: n010(), ..Levels::default() }), None);
        assert_eq!(level(plain, Levels { allow: n010(), ..deny() }), Some(Level::Error));
        assert_eq!(level(plain, warnings()), Some(Level::Error));
        assert_eq!(level("warn N010", warnings()), Some(Level::Error));
        assert_eq!(level(allow, warnings()), None);
        assert_eq!(level(plain, Levels { warn: n010(), ..warnings() }), Some(Level::Warning));
        assert_eq!(level(plain, Levels { allow: n010(), ..warnings() }), None);
    }
}
