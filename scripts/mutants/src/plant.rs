//! Which mistakes can be planted in a source file, and the file with all of them in it.
//!
//! Each is behind a switch that is read when the program runs, so that one build has them all. Nothing of the text is
//! copied or moved to another line: what stood there is only wrapped, `a < b` as
//! `(match (&(a), &(b)) { (l, r) => if on(7) { *l <= *r } else { *l < *r } })`, and mistakes nest.

use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, BinOp, Expr, Lit, ReturnType, Stmt, Type, UnOp};

/// Calls whose whole statement is left out as a mistake: they change what they are called on and give nothing back.
const STATEMENTS: [&str; 12] = [
    "push",
    "insert",
    "extend",
    "extend_from_slice",
    "truncate",
    "clear",
    "fill",
    "copy_from_slice",
    "swap",
    "sort",
    "reverse",
    "retain",
];
/// Calls whose arguments decide on speed or wording alone.
const UNSEEN: [&str; 7] = ["with_capacity", "reserve", "help", "note", "context", "label", "expect"];

/// A mistake that can be planted.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// From 1, through all files.
    pub number: usize,
    /// The file, from the root of the tree.
    pub file: String,
    /// Its line.
    pub line: usize,
    /// What becomes of what.
    pub change: String,
    /// The bytes of the planted file that belong to it.
    pub planted: Range<usize>,
}

/// Order at one place in the text: what ends there, then what stands there, then what begins there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Close,
    Instead,
    Open,
}

struct Edit {
    range: Range<usize>,
    rank: Rank,
    text: String,
    /// The mutant that begins or ends with this edit.
    begins: Option<usize>,
    ends: Option<usize>,
}

struct Planter<'a> {
    text: &'a str,
    file: &'a str,
    first: usize,
    dropped: &'a dyn Fn(usize) -> bool,
    mutants: Vec<Mutant>,
    edits: Vec<Edit>,
}

/// The mistakes of a file, numbered from `first` on, and the file with those of them that are not `dropped`.
pub fn plant(
    file: &str,
    text: &str,
    first: usize,
    dropped: &dyn Fn(usize) -> bool,
) -> Result<(Vec<Mutant>, String), syn::Error> {
    let tree = syn::parse_file(text)?;
    let mut planter = Planter { text, file, first, dropped, mutants: Vec::new(), edits: Vec::new() };
    planter.visit_file(&tree);
    let Planter { mut mutants, mut edits, .. } = planter;
    // Stable: outer ones were opened first and closed last.
    edits.sort_by_key(|edit| (edit.range.start, edit.rank));
    let (mut planted, mut at) = (String::with_capacity(2 * text.len()), 0);
    for edit in edits {
        planted.push_str(&text[at..edit.range.start]);
        if let Some(mutant) = edit.begins {
            mutants[mutant - first].planted.start = planted.len();
        }
        planted.push_str(&edit.text);
        if let Some(mutant) = edit.ends {
            mutants[mutant - first].planted.end = planted.len();
        }
        at = edit.range.end;
    }
    planted.push_str(&text[at..]);
    Ok((mutants, planted))
}

/// Code that netc's own build has not, or that only its tests have.
fn elsewhere(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("cfg") || attribute.path().is_ident("test"))
}

/// Whether nothing but words comes out of a function.
fn only_words(name: &syn::Ident, output: &ReturnType) -> bool {
    let ReturnType::Type(_, output) = output else { return false };
    let last = match &**output {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    };
    name == "fmt" || matches!(last.as_deref(), Some("String" | "Diagnostic"))
}

fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

impl Planter<'_> {
    /// A new mistake; none where it was dropped.
    fn mutant(&mut self, span: Range<usize>, line: usize, change: String) -> Option<usize> {
        let number = self.first + self.mutants.len();
        self.mutants.push(Mutant { number, file: self.file.into(), line, change, planted: span });
        (!(self.dropped)(number)).then_some(number)
    }

    fn edit(&mut self, range: Range<usize>, rank: Rank, text: String, begins: Option<usize>, ends: Option<usize>) {
        self.edits.push(Edit { range, rank, text, begins, ends });
    }

    fn open(&mut self, at: usize, text: impl Into<String>, begins: Option<usize>) {
        self.edit(at..at, Rank::Open, text.into(), begins, None);
    }

    fn close(&mut self, at: usize, text: impl Into<String>, ends: Option<usize>) {
        self.edit(at..at, Rank::Close, text.into(), None, ends);
    }

    /// A few words of the source, on one line.
    fn words(&self, range: Range<usize>) -> String {
        let words = self.text[range].split_whitespace().collect::<Vec<_>>().join(" ");
        if words.chars().count() > 70 { words.chars().take(69).collect::<String>() + "…" } else { words }
    }

    fn binary(&mut self, binary: &syn::ExprBinary) {
        let is_text = |expr: &Expr| matches!(expr, Expr::Lit(lit) if matches!(lit.lit, Lit::Str(_)));
        if has_let(&binary.left) || has_let(&binary.right) || is_text(&binary.left) || is_text(&binary.right) {
            return visit::visit_expr_binary(self, binary);
        }
        let (from, to, compares) = match binary.op {
            BinOp::Lt(_) => ("<", "<=", true),
            BinOp::Le(_) => ("<=", "<", true),
            BinOp::Gt(_) => (">", ">=", true),
            BinOp::Ge(_) => (">=", ">", true),
            BinOp::Eq(_) => ("==", "!=", true),
            BinOp::Ne(_) => ("!=", "==", true),
            BinOp::Add(_) => ("+", "-", false),
            BinOp::Sub(_) => ("-", "+", false),
            BinOp::Mul(_) => ("*", "/", false),
            BinOp::Div(_) => ("/", "*", false),
            BinOp::And(_) => ("&&", "||", false),
            BinOp::Or(_) => ("||", "&&", false),
            _ => return visit::visit_expr_binary(self, binary),
        };
        let (whole, op) = (binary.span(), binary.op.span());
        let change = format!("`{from}` is `{to}` in `{}`", self.words(whole.byte_range()));
        let number = self.mutant(whole.byte_range(), op.start().line, change);
        let Some(n) = number else { return visit::visit_expr_binary(self, binary) };
        let on = format!("crate::mutant::on({n})");
        let (start, end) = (whole.byte_range().start, whole.byte_range().end);
        // The second operand of `&&` is looked at or not as before: it stands inside the branch.
        let (opening, between, closing) = match binary.op {
            BinOp::And(_) => ("(match (", format!(") {{ __l => if __l != {on} {{ "), " } else { __l } })".to_string()),
            BinOp::Or(_) => ("(match (", format!(") {{ __l => if __l == {on} {{ "), " } else { __l } })".to_string()),
            _ if compares => (
                "(match (&(",
                "), &(".to_string(),
                format!(")) {{ (__l, __r) => if {on} {{ *__l {to} *__r }} else {{ *__l {from} *__r }} }})"),
            ),
            _ => (
                "(match ((",
                "), (".to_string(),
                format!(")) {{ (__l, __r) => if {on} {{ __l {to} __r }} else {{ __l {from} __r }} }})"),
            ),
        };
        self.open(start, opening, number);
        self.visit_expr(&binary.left);
        self.edit(op.byte_range(), Rank::Instead, between, None, None);
        self.visit_expr(&binary.right);
        self.close(end, closing, number);
    }

    fn unary(&mut self, unary: &syn::ExprUnary) {
        let UnOp::Not(not) = unary.op else { return visit::visit_expr_unary(self, unary) };
        let (whole, not) = (unary.span(), not.span());
        let change = format!("no `!` in `{}`", self.words(whole.byte_range()));
        let number = self.mutant(whole.byte_range(), not.start().line, change);
        let Some(n) = number else { return visit::visit_expr_unary(self, unary) };
        self.edit(not.byte_range(), Rank::Open, "(match (".into(), number, None);
        self.visit_expr(&unary.expr);
        let closing = format!(") {{ __v => if crate::mutant::on({n}) {{ __v }} else {{ !__v }} }})");
        self.close(whole.byte_range().end, closing, number);
    }

    fn literal(&mut self, literal: &syn::ExprLit) {
        let (range, line) = (literal.span().byte_range(), literal.span().start().line);
        match &literal.lit {
            Lit::Int(int) => {
                let Some(more) = int.base10_parse::<u128>().ok().and_then(|value| value.checked_add(1)) else { return };
                let number = self.mutant(range.clone(), line, format!("`{}` is `{more}`", self.words(range.clone())));
                let Some(n) = number else { return };
                let opening = format!("(if crate::mutant::on({n}) {{ {more}{} }} else {{ ", int.suffix());
                self.open(range.start, opening, number);
                self.close(range.end, " })", number);
            }
            Lit::Bool(bool) => {
                let number = self.mutant(range.clone(), line, format!("`{}` is `{}`", bool.value, !bool.value));
                let Some(n) = number else { return };
                self.open(range.start, format!("(crate::mutant::on({n}) != "), number);
                self.close(range.end, ")", number);
            }
            _ => {}
        }
    }

    fn call(&mut self, call: &syn::ExprMethodCall) {
        let (from, to) = match call.method.to_string().as_str() {
            "min" => ("min", "max"),
            "max" => ("max", "min"),
            name if UNSEEN.contains(&name) => return self.visit_expr(&call.receiver),
            _ => return visit::visit_expr_method_call(self, call),
        };
        let (Some(argument), 1) = (call.args.first(), call.args.len()) else {
            return visit::visit_expr_method_call(self, call);
        };
        let whole = call.span().byte_range();
        let change = format!("`{from}` is `{to}` in `{}`", self.words(whole.clone()));
        let number = self.mutant(whole.clone(), call.method.span().start().line, change);
        let Some(n) = number else { return visit::visit_expr_method_call(self, call) };
        let (receiver, inside) = (call.receiver.span().byte_range(), argument.span().byte_range());
        self.open(whole.start, "(match ((", number);
        self.visit_expr(&call.receiver);
        // Line breaks stay, so that lines keep their numbers.
        let lines = |range: Range<usize>| "\n".repeat(self.text[range].matches('\n').count());
        let (before, after) = (lines(receiver.end..inside.start), lines(inside.end..whole.end));
        self.edit(receiver.end..inside.start, Rank::Instead, format!("), ({before}"), None, None);
        self.visit_expr(argument);
        let on = format!("crate::mutant::on({n})");
        let closing = format!("{after})) {{ (__l, __r) => if {on} {{ __l.{to}(__r) }} else {{ __l.{from}(__r) }} }})");
        self.edit(inside.end..whole.end, Rank::Instead, closing, None, number);
    }

    /// A condition that always holds, and one that never does.
    fn condition(&mut self, cond: &Expr) {
        let (range, line) = (cond.span().byte_range(), cond.span().start().line);
        let words = self.words(range.clone());
        let never = self.mutant(range.clone(), line, format!("never `if {words}`"));
        if has_let(cond) {
            self.visit_expr(cond);
            if let Some(n) = never {
                self.open(range.start, "", never);
                self.close(range.end, format!(" && !crate::mutant::on({n})"), never);
            }
            return;
        }
        let always = self.mutant(range.clone(), line, format!("always `if {words}`"));
        self.open(range.start, "(", never);
        self.open(range.start, "(", always);
        self.visit_expr(cond);
        self.close(range.end, always.map_or(")".into(), |n| format!(") || crate::mutant::on({n})")), always);
        self.close(range.end, never.map_or(")".into(), |n| format!(") && !crate::mutant::on({n})")), never);
    }
}

impl<'ast> Visit<'ast> for Planter<'_> {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            Expr::Binary(binary) => self.binary(binary),
            Expr::Unary(unary) => self.unary(unary),
            Expr::Lit(literal) => self.literal(literal),
            Expr::MethodCall(call) => self.call(call),
            Expr::Call(call) => {
                let last = match &*call.func {
                    Expr::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
                    _ => None,
                };
                if last.is_none_or(|name| !UNSEEN.contains(&name.as_str())) {
                    visit::visit_expr_call(self, call);
                }
            }
            Expr::If(branch) => {
                self.condition(&branch.cond);
                self.visit_block(&branch.then_branch);
                if let Some((_, other)) = &branch.else_branch {
                    self.visit_expr(other);
                }
            }
            // Its length is a constant.
            Expr::Repeat(repeat) => self.visit_expr(&repeat.expr),
            Expr::Unsafe(_) | Expr::Const(_) | Expr::Macro(_) => {}
            _ => visit::visit_expr(self, expr),
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if elsewhere(&arm.attrs) {
            return;
        }
        if let Some((_, guard)) = &arm.guard {
            self.condition(guard);
        }
        self.visit_expr(&arm.body);
    }

    fn visit_stmt(&mut self, stmt: &'ast Stmt) {
        let leaves_out = match stmt {
            Stmt::Expr(Expr::Assign(_), Some(_)) => true,
            Stmt::Expr(Expr::Binary(binary), Some(_)) => matches!(
                binary.op,
                BinOp::AddAssign(_)
                    | BinOp::SubAssign(_)
                    | BinOp::MulAssign(_)
                    | BinOp::DivAssign(_)
                    | BinOp::BitOrAssign(_)
                    | BinOp::BitAndAssign(_)
                    | BinOp::BitXorAssign(_)
            ),
            Stmt::Expr(Expr::MethodCall(call), Some(_)) => STATEMENTS.contains(&call.method.to_string().as_str()),
            _ => false,
        };
        if !leaves_out {
            return visit::visit_stmt(self, stmt);
        }
        let range = stmt.span().byte_range();
        let change = format!("without `{}`", self.words(range.clone()));
        let number = self.mutant(range.clone(), stmt.span().start().line, change);
        if let Some(n) = number {
            self.open(range.start, format!("if !crate::mutant::on({n}) {{ "), number);
        }
        visit::visit_stmt(self, stmt);
        if number.is_some() {
            self.close(range.end, " }", number);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !elsewhere(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let sig = &item.sig;
        let constant = sig.constness.is_some() || sig.unsafety.is_some();
        if !constant && !elsewhere(&item.attrs) && !only_words(&sig.ident, &sig.output) {
            self.visit_block(&item.block);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let sig = &item.sig;
        let constant = sig.constness.is_some() || sig.unsafety.is_some();
        if !constant && !elsewhere(&item.attrs) && !only_words(&sig.ident, &sig.output) {
            self.visit_block(&item.block);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let of = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
        let words = of.is_some_and(|of| ["Display", "Debug", "Error"].iter().any(|name| of.ident == name));
        if !words && !elsewhere(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !elsewhere(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    // What has to be a constant, what is no expression, and what is text of macros.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}
    fn visit_variant(&mut self, _: &'ast syn::Variant) {}
    fn visit_type(&mut self, _: &'ast Type) {}
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}
    fn visit_generic_argument(&mut self, _: &'ast syn::GenericArgument) {}
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
    fn visit_macro(&mut self, _: &'ast syn::Macro) {}
}
