use super::layout::{Placed, Rect, SMALL, TEXT, TITLE, place, wide};
use super::scene::{Cluster, Drawn, Edge, Kind, Row, Scene, Seen, scene};
use super::*;
use crate::compile::{Options, compile, compile_text};
use crate::diagnostic::has_errors;
use crate::graph::shape::Shaped;
use proptest::prelude::*;
use std::path::Path;

/// Branches that leave blocks, blocks in blocks, passes that differ.
const ODD: &str = r#"
block dense(growth: int) { x = bn; relu; conv growth 3x3 pad 1; concat(x) }
block inner(w: int) { conv w 3x3 pad 1; bn; relu }
block inception(w: int) {
  x = conv w 1x1
  a = { conv w 1x1; relu }
  from x
  b = { conv w 3x3 pad 1; inner(w) }
  from x
  c = { max_pool 3x3 stride 1 pad 1; conv w 1x1 }
  concat(a, b, c)
}
net odd {
  input 3x32x32
  start = { conv 16 3x3 pad 1; bn; relu }
  repeat 2 { dense(12) }
  max_pool 2x2
  repeat 3 { inception(16) }
  second = repeat 4 { conv 64 3x3 pad 1; bn; relu }
  from start
  avg_pool 2x2; early = conv 64 1x1
  add(early, second)
  repeat 2 { repeat 2 { inner(64) }; max_pool 2x2 }
  global_avg_pool
  linear 10
}"#;

fn shaped(text: &str) -> Shaped {
    let compiled = compile_text(Path::new("x.net"), text.into(), &Options::default());
    // What is drawn need not be a net that a lint would praise.
    assert!(!has_errors(&compiled.diagnostics), "{:?}", compiled.diagnostics);
    compiled.shaped.unwrap()
}

fn apart(a: &Rect, b: &Rect) -> bool {
    a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y
}

fn holds(outer: &Rect, inner: &Rect) -> bool {
    outer.x <= inner.x
        && outer.y <= inner.y
        && outer.x + outer.width >= inner.x + inner.width
        && outer.y + outer.height >= inner.y + inner.height
}

/// No two boxes overlap, frames hold what is theirs and nothing else, texts fit, and all is inside the picture.
fn sound(scene: &Scene, placed: &Placed) -> Result<(), String> {
    let whole = Rect { x: 0.0, y: 0.0, width: placed.width, height: placed.height };
    for (index, (drawn, rect)) in scene.boxes.iter().zip(&placed.boxes).enumerate() {
        if !holds(&whole, rect) || drawn.rows.iter().any(|row| wide(&row.text, TEXT) > rect.width) {
            return Err(format!("box {index} at {rect:?} in {whole:?}"));
        }
        if let Some(other) = placed.boxes[..index].iter().position(|other| !apart(rect, other)) {
            return Err(format!("boxes {other} and {index}: {:?} {rect:?}", placed.boxes[other]));
        }
        let mut round = Vec::new();
        let mut group = drawn.group;
        while let Some(id) = group {
            round.push(id);
            group = scene.groups[id].parent;
        }
        for (id, frame) in placed.groups.iter().enumerate() {
            if !(if round.contains(&id) { holds(frame, rect) } else { apart(frame, rect) }) {
                return Err(format!("box {index} at {rect:?} and frame {id} at {frame:?}"));
            }
        }
    }
    for (id, (group, rect)) in scene.groups.iter().zip(&placed.groups).enumerate() {
        if !holds(&whole, rect) || wide(&group.title, TITLE) + wide(&group.scope, SMALL) > rect.width {
            return Err(format!("frame {id} at {rect:?}"));
        }
        let siblings = (0..id).filter(|&other| scene.groups[other].parent == group.parent);
        if let Some(other) = siblings.into_iter().find(|&other| !apart(rect, &placed.groups[other])) {
            return Err(format!("frames {other} and {id}"));
        }
    }
    let outside = |&(x, y): &(f64, f64)| x < 0.0 || y < 0.0 || x > whole.width || y > whole.height;
    match placed.routes.iter().find(|route| route.points.iter().any(outside)) {
        Some(route) => Err(format!("{route:?} in {whole:?}")),
        None => Ok(()),
    }
}

/// Every way to look at every spec, and at the odd net.
fn scenes() -> Vec<(String, Scene)> {
    let mut nets = vec![("odd".to_string(), shaped(ODD))];
    for entry in std::fs::read_dir("specs").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "net") {
            nets.push((path.display().to_string(), compile(&path, &Options::default()).shaped.unwrap()));
        }
    }
    assert!(nets.len() > 6);
    let mut scenes = Vec::new();
    for (name, net) in nets {
        for (depth, fold) in [(None, true), (None, false), (Some(0), true), (Some(1), true), (Some(1), false)] {
            scenes.push((format!("{name} {depth:?} {fold}"), scene(&net, Seen { depth, fold })));
        }
    }
    scenes
}

#[test]
fn nothing_overlaps_and_every_text_fits() {
    for (name, scene) in scenes() {
        let placed = place(&scene).unwrap();
        sound(&scene, &placed).unwrap_or_else(|reason| panic!("{name}: {reason}"));
    }
}

#[test]
fn pictures_are_xml_with_every_box_and_edge() {
    for (name, scene) in scenes() {
        let svg = write(&scene, Format::Svg).unwrap();
        let document = roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{name}: {error}"));
        let count = |class| document.descendants().filter(|node| node.attribute("class") == Some(class)).count();
        assert_eq!((count("box"), count("frame")), (scene.boxes.len(), scene.groups.len()), "{name}");
        // Every edge has its shape written once.
        let texts: Vec<&str> =
            document.descendants().filter(|n| n.has_tag_name("text")).filter_map(|n| n.text()).collect();
        for edge in &scene.edges {
            assert!(texts.contains(&edge.shape.as_str()), "{name}: {}", edge.shape);
        }
    }
}

#[test]
fn passes_that_are_the_same_are_drawn_once() {
    let titles = |scene: &Scene| -> Vec<String> { scene.groups.iter().map(|group| group.title.clone()).collect() };
    let folded = scene(&shaped(ODD), Seen::default());
    assert_eq!(
        titles(&folded),
        [
            "dense(growth: 12)",
            "dense(growth: 12)",
            "inception(w: 16)",
            "inner(w: 16)",
            "inception(w: 16) ×2",
            "inner(w: 16)",
            "pass 1 of 4",
            "passes 2 to 4 of 4",
            "pass 1 of 2",
            "inner(w: 64) ×2",
            "pass 2 of 2",
            "inner(w: 64) ×2",
        ]
    );
    let open = scene(&shaped(ODD), Seen { depth: None, fold: false });
    assert!(!titles(&open).iter().any(|title| title.contains('×')));
    assert!(open.boxes.len() > folded.boxes.len());
    let closed = scene(&shaped(ODD), Seen { depth: Some(0), fold: true });
    assert!(closed.groups.is_empty());
    let rows: Vec<&str> = closed.boxes.iter().flat_map(|drawn| &drawn.rows).map(|row| row.text.as_str()).collect();
    assert!(rows.contains(&"inception(w: 16) ×2") && rows.contains(&"passes 2 to 4 of 4"), "{rows:?}");
    // All layers of a pass that something else reads are drawn.
    let read =
        "net x { input 3x8x8; conv 3 1x1; a = repeat 3 { conv 3 1x1 }; b = relu; from a; add(b); flatten; linear 10 }";
    let scene = scene(&shaped(read), Seen::default());
    assert_eq!(titles(&scene), ["repeat ×3"]);
    assert_eq!(scene.edges.iter().filter(|edge| edge.shape == "3x8x8").count(), 6);
}

#[test]
fn a_picture_that_is_no_help_is_refused() {
    let text = "net x { input 3x8x8; repeat 700 { conv 3 1x1; conv 3 3x3 pad 1 }; flatten; linear 10 }";
    let net = shaped(text);
    // Folded, they are two boxes; open, each pass is a frame.
    assert!(place(&scene(&net, Seen::default())).is_ok());
    let open = scene(&net, Seen { depth: None, fold: false });
    assert!(place(&open).is_err_and(|error| matches!(error, TooLarge::Boxes(700..))));
    assert!(write(&open, Format::Dot).is_ok() && write(&open, Format::Mmd).is_ok());
    // Every layer reads all before it.
    let reads = |layer: usize| (0..layer).map(|other| format!("l{other}")).collect::<Vec<_>>().join(", ");
    let layers: Vec<String> = (2..40).map(|layer| format!("l{layer} = add({})", reads(layer))).collect();
    let text = format!("net x {{ l0 = input 3x8x8; l1 = conv 3 1x1; {}; flatten; linear 10 }}", layers.join("; "));
    assert!(matches!(place(&scene(&shaped(&text), Seen::default())), Err(TooLarge::Passed(5001..))));
}

#[test]
fn what_texts_may_hold_is_escaped() {
    let row = Row { kind: Kind::Block, text: "<a & \"b\">".into(), tip: "]]>".into() };
    let scene = Scene {
        title: "x\"y".into(),
        boxes: vec![Drawn { group: Some(0), rows: vec![row] }],
        groups: vec![Cluster { parent: None, title: "f(\"<\")".into(), scope: String::new() }],
        ..Scene::default()
    };
    let svg = write(&scene, Format::Svg).unwrap();
    roxmltree::Document::parse(&svg).unwrap();
    assert!(write(&scene, Format::Dot).unwrap().contains("digraph \"x\\\"y\""));
    assert!(write(&scene, Format::Mmd).unwrap().contains("#lt;a & #quot;b#quot;#gt;"));
}

/// The pictures of docs/draw.md; `NETC_BLESS=1` draws them anew.
#[test]
fn the_pictures_of_the_documentation_are_up_to_date() {
    for (name, depth) in [("lenet5", None), ("resnet56", None), ("resnet56-closed", Some(1))] {
        let spec = format!("specs/{}.net", name.trim_end_matches("-closed"));
        let net = compile(Path::new(&spec), &Options::default()).shaped.unwrap();
        let svg = write(&scene(&net, Seen { depth, fold: true }), Format::Svg).unwrap();
        let path = format!("docs/pictures/{name}.svg");
        if std::env::var_os("NETC_BLESS").is_some() {
            std::fs::write(&path, svg).unwrap();
        } else {
            assert!(std::fs::read_to_string(&path).unwrap() == svg, "{path} is old: run with NETC_BLESS=1");
        }
    }
}

/// Any boxes in any frames, each reading some before it.
fn any_scene() -> impl Strategy<Value = Scene> {
    let count = 2usize..24;
    count
        .prop_flat_map(|count| {
            (
                proptest::collection::vec((1usize..4, 1usize..30), count),
                proptest::collection::vec(proptest::collection::vec(0usize..1000, 1..4), count - 1),
                proptest::collection::vec((0usize..count, 1usize..=count), 0..5),
            )
        })
        .prop_map(|(sizes, reads, mut frames)| {
            let mut scene = Scene { title: "any".into(), facts: "scene".into(), ..Scene::default() };
            // Frames are stretches of boxes, wide ones first; one that would cut another is left out.
            frames.sort_by_key(|&(_, length)| std::cmp::Reverse(length));
            let mut stretches: Vec<(usize, usize)> = Vec::new();
            for (start, length) in frames {
                let end = (start + length).min(sizes.len());
                let cuts = stretches.iter().any(|&(a, b)| !(end <= a || b <= start || (a <= start && end <= b)));
                if !cuts {
                    let parent = stretches.iter().rposition(|&(a, b)| a <= start && end <= b);
                    stretches.push((start, end));
                    let title = format!("frame {}", stretches.len());
                    scene.groups.push(Cluster { parent, title, scope: "scope".into() });
                }
            }
            for (index, (rows, width)) in sizes.into_iter().enumerate() {
                let row = Row { kind: Kind::Conv, text: "x".repeat(width), tip: String::new() };
                let group = stretches.iter().rposition(|&(a, b)| a <= index && index < b);
                scene.boxes.push(Drawn { group, rows: vec![row; rows] });
            }
            for (index, reads) in reads.into_iter().enumerate() {
                for read in reads {
                    scene.edges.push(Edge { from: read % (index + 1), to: index + 1, shape: "16x32x32".into() });
                }
            }
            scene
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn any_scene_has_a_layout(scene in any_scene()) {
        let placed = place(&scene).unwrap();
        prop_assert_eq!(sound(&scene, &placed), Ok(()), "{:?}", scene);
    }
}
