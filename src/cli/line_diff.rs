//! What differs between two texts, line by line, as `diff -u` shows it.

/// Lines of context round each change.
const CONTEXT: usize = 2;
/// Above this many pairs of lines the middle is told as taken out and put in whole.
const MOST_PAIRS: usize = 4_000_000;

/// One line of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit<'a> {
    Keep(&'a str),
    Take(&'a str),
    Put(&'a str),
}

/// The changes from one text to another as hunks, each under its line in the old text; empty when nothing differs.
pub fn line_diff(old: &str, new: &str) -> String {
    let edits = edits(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>());
    let changed: Vec<usize> =
        edits.iter().enumerate().filter(|(_, edit)| !matches!(edit, Edit::Keep(_))).map(|(index, _)| index).collect();
    let near = |index: usize| {
        let next = changed.partition_point(|&change| change + CONTEXT < index);
        changed.get(next).is_some_and(|&change| change <= index + CONTEXT)
    };
    let (mut text, mut line, mut inside) = (String::new(), 1, false);
    for (index, edit) in edits.iter().enumerate() {
        let shown = near(index);
        if shown && !inside {
            text.push_str(&format!("@@ line {line}\n"));
        }
        inside = shown;
        let (sign, content) = match edit {
            Edit::Keep(content) => (' ', content),
            Edit::Take(content) => ('-', content),
            Edit::Put(content) => ('+', content),
        };
        if shown {
            text.push_str(format!("{sign}{content}").trim_end_matches(['\r', '\n']));
            text.push('\n');
        }
        line += usize::from(sign != '+');
    }
    text
}

/// The shortest way from one to the other, by the longest common subsequence.
fn edits<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Edit<'a>> {
    let same = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (begin, old) = old.split_at(same);
    let new = new.get(same..).unwrap_or(&[]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, end) = old.split_at(old.len() - tail);
    let new = new.get(..new.len() - tail).unwrap_or(&[]);
    let mut edits: Vec<Edit<'a>> = begin.iter().map(|line| Edit::Keep(line)).collect();
    if old.len().saturating_mul(new.len()) > MOST_PAIRS {
        edits.extend(old.iter().map(|line| Edit::Take(line)));
        edits.extend(new.iter().map(|line| Edit::Put(line)));
    } else {
        middle(old, new, &mut edits);
    }
    edits.extend(end.iter().map(|line| Edit::Keep(line)));
    edits
}

fn middle<'a>(old: &[&'a str], new: &[&'a str], edits: &mut Vec<Edit<'a>>) {
    // common[i][j]: the longest common subsequence of old[i..] and new[j..].
    let mut common = vec![vec![0usize; new.len() + 1]; old.len() + 1];
    let at = |common: &[Vec<usize>], i: usize, j: usize| common.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0);
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let longest =
                if a == b { at(&common, i + 1, j + 1) + 1 } else { at(&common, i + 1, j).max(at(&common, i, j + 1)) };
            if let Some(cell) = common.get_mut(i).and_then(|row| row.get_mut(j)) {
                *cell = longest;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    loop {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => {
                edits.push(Edit::Keep(a));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), b) if b.is_none() || at(&common, i + 1, j) >= at(&common, i, j + 1) => {
                edits.push(Edit::Take(a));
                i += 1;
            }
            (_, Some(b)) => {
                edits.push(Edit::Put(b));
                j += 1;
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_shown() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj";
        assert_eq!(line_diff(old, old), "");
        assert_eq!(
            line_diff(old, &old.replace("b\n", "").replace('i', "I\nJ")),
            "@@ line 1\n a\n-b\n c\n d\n@@ line 7\n g\n h\n-i\n+I\n+J\n j\n"
        );
        assert_eq!(line_diff("", "a\n"), "@@ line 1\n+a\n");
        assert_eq!(line_diff("x\na\nb\ny", "x\nb\nc\ny"), "@@ line 1\n x\n-a\n b\n+c\n y\n");
    }
}
