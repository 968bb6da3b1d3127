use super::*;

fn statements(text: &str) -> Vec<Statement> {
    let file = parse(FileId(0), &format!("net x {{\n{text}\n}}")).unwrap();
    match file.items.into_iter().next() {
        Some(Item::Net(net)) => net.body.statements,
        other => panic!("{other:?}"),
    }
}

#[test]
fn words_and_lists_are_two_notations_of_one_call() {
    let both = statements("conv 16 3x3 stride 2; conv(16, 3x3,\n  stride: 2)");
    let StatementKind::Call(Call { arguments: Arguments::Words(words), .. }) = &both[0].kind else { panic!() };
    let StatementKind::Call(Call { arguments: Arguments::List(list), .. }) = &both[1].kind else { panic!() };
    assert_eq!(words.len(), 4);
    assert_eq!(list[1].value.kind, ExprKind::Size(vec![3, 3]));
    assert_eq!(list[2].key.as_ref().unwrap().text, "stride");
    assert_eq!(words[1].kind, list[1].value.kind);
}

#[test]
fn operators_bind_as_usual() {
    let statement = &statements("repeat 1 + 2 * n == 7 and not b { }")[0];
    let StatementKind::Repeat { count, .. } = &statement.kind else { panic!() };
    let ExprKind::Binary(BinaryOp::And, left, right) = &count.kind else { panic!("{count:?}") };
    assert!(matches!(&left.kind, ExprKind::Binary(BinaryOp::Equal, ..)));
    assert!(matches!(&right.kind, ExprKind::Unary(UnaryOp::Not, _)));
}

#[test]
fn keywords_are_whole_words() {
    let all = statements("android = relu\nnotable 3\nfrom android");
    assert_eq!(all[0].label.as_ref().unwrap().text, "android");
    assert!(matches!(&all[2].kind, StatementKind::From(name) if name.text == "android"));
}

#[test]
fn a_statement_ends_before_the_comment_behind_it() {
    let text = "relu # why\n\nconv 16 3x3  # one\r\n# two\n from x # \"three\" #\nrepeat 2 { tanh } # four";
    let found: Vec<String> =
        statements(text).iter().map(|s| text[s.span.range().start - 8..s.span.range().end - 8].into()).collect();
    assert_eq!(found, ["relu", "conv 16 3x3", "from x", "repeat 2 { tanh }"]);
}

#[test]
fn windows_line_ends_and_a_missing_last_newline_are_fine() {
    assert_eq!(statements("relu # why\r\nrelu\r\n\r\ntanh").len(), 3);
}

#[test]
fn numbers_too_large_are_reported() {
    let error = parse(FileId(0), "net x { conv 99999999999999999999 3x3 }").unwrap_err();
    assert_eq!((error.code, error.span().unwrap().start), (Code::BadNumber, 13));
}

#[test]
fn long_expressions_do_not_exhaust_the_stack() {
    let sum = vec!["1"; 100_000].join("+");
    assert_eq!(parse(FileId(0), &format!("net x {{ conv ({sum}) 3x3 }}")).unwrap_err().code, Code::NestedTooDeeply);
    let nots = "not ".repeat(100_000);
    assert!(parse(FileId(0), &format!("net x {{ repeat {nots} true {{ }} }}")).is_err());
    let elses = "if a { relu } else ".repeat(20_000);
    assert!(parse(FileId(0), &format!("net x {{ {elses} {{ }} }}")).is_ok());
}
