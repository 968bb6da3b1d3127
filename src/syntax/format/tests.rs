use super::*;
use crate::syntax::ast::File;
use proptest::prelude::*;
use serde_json::Value;

fn formatted(text: &str) -> String {
    format(FileId(0), text).unwrap_or_else(|error| panic!("{error:?}\n{text}"))
}

/// A tree as JSON without places.
fn meaning(text: &str) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|key, _| !matches!(key.as_str(), "span" | "comments" | "id"));
                map.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let file = parse(FileId(0), text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    let mut value = serde_json::to_value(&file).unwrap();
    strip(&mut value);
    value
}

fn comments(text: &str) -> Vec<String> {
    let File { comments, .. } = parse(FileId(0), text).unwrap();
    comments.iter().map(|span| text[span.range()].trim_end().to_string()).collect()
}

fn assert_sound(text: &str) {
    let once = formatted(text);
    assert_eq!(meaning(&once), meaning(text), "\n-- from\n{text}\n-- to\n{once}");
    assert_eq!(comments(&once), comments(text), "\n-- from\n{text}\n-- to\n{once}");
    assert_eq!(formatted(&once), once, "\n-- from\n{text}\n-- to\n{once}");
    assert!(!once.lines().any(|line| line.ends_with(' ')), "{once}");
}

#[test]
fn messy_becomes_tidy() {
    let text = "\n\n#   c\nuse   \"a.net\"\n\n\n\nnet x (n:int=3,wide : bool=false,) {input 3x32x32\n\n\n conv (2*n) 3x3 \
                stride 2;bn;;relu # why\n   a=repeat n as i{basic(16,stride:if i==0 then 2 else -1)}\n  }";
    let tidy = "#   c\nuse \"a.net\"\n\nnet x(n: int = 3, wide: bool = false) {\n  input 3x32x32\n\n  conv (2 * n) 3x3 \
                stride 2; bn; relu  # why\n  a = repeat n as i { basic(16, stride: if i == 0 then 2 else -1) }\n}\n";
    assert_eq!(formatted(text), tidy);
}

#[test]
fn one_line_is_kept_only_while_it_fits() {
    let long = format!("net x {{\n  {}\n}}\n", ["conv 16 3x3"; 12].join("; "));
    assert_eq!(formatted(&long).lines().count(), 14);
    let call =
        "net x {\n  basic(a_name_of_thirty_two_characters, another: that_goes_on_and_on, third: 3, fourth: 4444)\n}\n";
    assert_eq!(formatted(call), call);
    let longer = call.replace("4444", "444444444444");
    let broken = "net x {\n  basic(\n    a_name_of_thirty_two_characters,\n    another: that_goes_on_and_on,\n    third: 3,\n    \
                  fourth: 444444444444,\n  )\n}\n";
    assert_eq!(formatted(&longer), broken);
    assert_sound(&longer);
    let body = format!("net x {{\n  residual {{ {} }}\n}}\n", ["conv 16 3x3"; 7].join("; "));
    assert_eq!(formatted(&body).lines().count(), 5);
    assert_sound(&body);
}

#[test]
fn a_broken_body_stays_broken() {
    for text in ["net x {\n  if a { relu } else { tanh }\n}\n", "net x {\n  if a {\n    relu\n  } else { tanh }\n}\n"] {
        assert_eq!(formatted(text), text);
    }
    assert_eq!(formatted("net x {\nif a { relu }\n\n else { } }"), "net x {\n  if a { relu } else {}\n}\n");
}

#[test]
fn comments_in_odd_places_stay() {
    let text = "net x { # a\n\n# b\nresidual { relu } # c\n# d\n shortcut { # e\n } # f\n\
                basic( # g\n 1 # h\n , # i\n # j\n 2 # k\n) # l\nexpect params 1, # m\n # n\n macs 2 # o\n# p\n} # q\n# r";
    let tidy = "net x {  # a\n  # b\n  residual { relu }  # c\n  # d\n  shortcut {  # e\n  }  # f\n  basic(  # g\n    \
                1,  # h\n    # i\n    # j\n    2,  # k\n  )  # l\n  expect params 1,  # m\n    # n\n    macs 2  # o\n  \
                # p\n}  # q\n# r\n";
    assert_eq!(formatted(text), tidy);
    assert_sound(text);
}

#[test]
fn the_end_of_a_file() {
    assert_eq!(formatted(""), "");
    assert_eq!(formatted("\n\n"), "");
    assert_eq!(formatted("; # a"), "# a\n");
    assert_sound("net x { relu # carriage return\r 16\r# another\r}");
    assert_sound("net x {\r\n\r\n\r\n  relu\r\n}\r\n");
}

#[test]
fn what_is_no_text_of_ours_is_reported() {
    assert!(format(FileId(0), "net {").is_err());
}

#[test]
fn deep_and_long_texts_take_no_longer() {
    let deep = format!("net x {{ {} relu {} }}", "repeat 2 {".repeat(40), "}".repeat(40));
    assert_sound(&deep);
    let deep = format!("net x {{ {} relu {} }}", "repeat (n + 1) {\n".repeat(40), "}".repeat(40));
    assert_sound(&deep);
    let chain = format!("net x {{ if a {{ relu }} {} }}", "else if a { relu }".repeat(2000));
    assert_sound(&chain);
}

/// Writes a valid text from a list of choices, with white space and comments wherever they may stand.
struct Writer<'c> {
    choices: std::slice::Iter<'c, u16>,
    text: String,
    depth: usize,
    comments: usize,
}

impl Writer<'_> {
    /// A number below `count`; 0 when the choices have run out, which is always a way to end.
    fn choose(&mut self, count: u16) -> u16 {
        self.choices.next().map_or(0, |choice| choice % count)
    }

    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn pick(&mut self, options: &[&str]) {
        let index = usize::from(self.choose(options.len() as u16));
        self.put(options[index]);
    }

    /// White space that may be left out.
    fn space(&mut self) {
        self.pick(&["", " ", "  ", "\t"]);
    }

    fn gap(&mut self) {
        self.pick(&[" ", "  ", " \t "]);
    }

    /// Where a line may end.
    fn newlines(&mut self) {
        match self.choose(6) {
            0 | 1 => self.space(),
            2 => self.put("\n"),
            3 => self.put(" \n\n \n"),
            4 => self.put("\r\n"),
            _ => self.comment(),
        }
    }

    fn comment(&mut self) {
        self.comments += 1;
        self.space();
        let number = self.comments;
        self.put(&std::format!("#{number}"));
        self.pick(&["", "  spaces ", " } ( \" ; {", " größer"]);
        self.pick(&["\n", "\n", "\r\n", "\n\n\n"]);
        if self.choose(4) == 1 {
            self.comment();
        }
    }

    /// Between statements: at least one separator.
    fn separator(&mut self) {
        self.space();
        match self.choose(6) {
            0 | 1 => self.put("\n"),
            2 | 3 => self.put(";"),
            4 => self.put(";;\n\n\n"),
            _ => self.comment(),
        }
        if self.choose(3) == 1 {
            self.newlines();
        }
    }

    fn name(&mut self) {
        self.pick(&["n", "width", "conv", "stride", "_a1", "android", "relu_with_a_very_long_name_indeed", "x3"]);
    }

    fn number(&mut self) {
        self.pick(&["1", "16", "269_722", "0.5", "1e-4", "2.50E+3", "007", "1_0x3", "3x32x32"]);
    }

    fn word(&mut self) {
        match self.choose(6) {
            0 => self.number(),
            1 | 2 => self.name(),
            3 => self.pick(&["true", "false"]),
            4 => self.pick(&["\"\"", "\"a # b; {\"", "\"ü\""]),
            _ => self.group(),
        }
    }

    fn group(&mut self) {
        self.depth += 1;
        self.put("(");
        self.newlines();
        self.expression();
        while self.choose(3) == 1 {
            self.comma();
            self.expression();
        }
        self.newlines();
        self.put(")");
        self.depth -= 1;
    }

    fn comma(&mut self) {
        self.newlines();
        self.put(",");
        self.newlines();
    }

    fn expression(&mut self) {
        if self.depth > 6 {
            return self.number();
        }
        if self.choose(5) == 1 {
            self.put("if ");
            self.operation();
            self.put(" then ");
            self.operation();
            while self.choose(4) == 1 {
                self.put(" else if ");
                self.operation();
                self.put(" then ");
                self.operation();
            }
            self.put(" else ");
        }
        self.operation();
    }

    fn operation(&mut self) {
        self.operand();
        while self.choose(3) == 1 {
            match self.choose(4) {
                0 => self.pick(&[" and ", " or "]),
                _ => {
                    self.space();
                    self.pick(&["+", "-", "*", "/", "%", "==", "!=", "<=", ">=", "<", ">"]);
                    self.space();
                }
            }
            self.operand();
        }
    }

    fn operand(&mut self) {
        match self.choose(6) {
            1 => self.put("-"),
            2 => self.put("not "),
            3 => self.put("- "),
            _ => {}
        }
        self.word();
    }

    fn body(&mut self) {
        self.depth += 1;
        self.put("{");
        self.newlines();
        let count = if self.depth > 5 { 0 } else { self.choose(5) };
        for index in 0..count {
            if index > 0 {
                self.separator();
            }
            self.statement();
        }
        self.newlines();
        self.put("}");
        self.depth -= 1;
    }

    fn statement(&mut self) {
        match self.choose(9) {
            0 => {
                self.put("from ");
                return self.name();
            }
            8 => return self.lint(),
            1 => {
                self.put("expect ");
                self.fact();
                while self.choose(2) == 1 {
                    self.space();
                    self.put(",");
                    self.newlines();
                    self.fact();
                }
                return;
            }
            2 | 3 => {
                self.name();
                self.space();
                self.put("=");
                self.space();
            }
            _ => {}
        }
        match self.choose(6) {
            0 => {
                self.put("repeat ");
                self.expression();
                if self.choose(2) == 1 {
                    self.put(" as ");
                    self.name();
                }
                self.gap();
                self.body();
            }
            1 => {
                self.put("if ");
                self.expression();
                self.gap();
                self.body();
                while self.choose(3) == 1 {
                    self.newlines();
                    self.put("else if ");
                    self.expression();
                    self.space();
                    self.body();
                }
                if self.choose(2) == 1 {
                    self.newlines();
                    self.put("else ");
                    self.body();
                }
            }
            2 => {
                self.put("residual");
                self.space();
                self.body();
                if self.choose(2) == 1 {
                    self.newlines();
                    self.put("shortcut");
                    self.space();
                    self.body();
                }
            }
            3 => {
                self.name();
                self.put("(");
                self.newlines();
                let count = self.choose(4);
                for index in 0..count {
                    if index > 0 {
                        self.comma();
                    }
                    if self.choose(2) == 1 {
                        self.name();
                        self.space();
                        self.put(":");
                        self.space();
                    }
                    self.expression();
                }
                if count > 0 && self.choose(3) == 1 {
                    self.comma();
                }
                self.newlines();
                self.put(")");
            }
            _ => {
                self.name();
                for _ in 0..self.choose(6) {
                    self.gap();
                    self.word();
                }
            }
        }
    }

    fn lint(&mut self) {
        self.pick(&["allow", "warn", "deny"]);
        self.gap();
        self.pick(&["N010", "n003", "bias-before-norm", "unused-block"]);
        if self.choose(3) != 1 {
            self.space();
            self.pick(&["\"\"", "\"why; not # now\"", "\"größer - weil\""]);
        }
    }

    fn fact(&mut self) {
        self.name();
        self.gap();
        self.word();
    }

    fn file(&mut self) {
        self.newlines();
        for index in 0..self.choose(4) + 1 {
            if index > 0 {
                self.separator();
            }
            match self.choose(5) {
                4 => self.lint(),
                0 => {
                    self.pick(&["net", "block"]);
                    self.gap();
                    self.name();
                    self.space();
                    if self.choose(2) == 1 {
                        self.put("(");
                        self.newlines();
                        let count = self.choose(3);
                        for index in 0..count {
                            if index > 0 {
                                self.comma();
                            }
                            self.name();
                            self.space();
                            self.put(":");
                            self.pick(&["int", " bool", "  size "]);
                            if self.choose(2) == 1 {
                                self.put("=");
                                self.expression();
                            }
                        }
                        if count > 0 && self.choose(3) == 1 {
                            self.comma();
                        }
                        self.newlines();
                        self.put(")");
                        self.space();
                    }
                    self.body();
                }
                1 => self.pick(&["use \"a.net\"", "use\"b # c\""]),
                2 => self.put("recipe \"r.yaml\""),
                _ => {
                    self.put("net long ");
                    self.body();
                }
            }
        }
        self.newlines();
        if self.choose(3) == 1 {
            self.put("# the end");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn formatting_changes_no_meaning(choices in proptest::collection::vec(any::<u16>(), 0..400)) {
        let mut writer = Writer { choices: choices.iter(), text: String::new(), depth: 0, comments: 0 };
        writer.file();
        assert_sound(&writer.text);
    }
}
