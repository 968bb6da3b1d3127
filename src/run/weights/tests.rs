use super::*;
use crate::engine::mock;
use crate::graph::dims::Shape;
use crate::run::folder::tests::Scratch;
use proptest::prelude::*;
use safetensors::tensor::TensorView;

const INPUT: Shape = Shape::Map { channels: 1, height: 2, width: 2 };

/// The bytes of a file of weights.
pub fn bytes(program: &Program, about: &About) -> Vec<u8> {
    serialize(program, &start(program, 3), &Normalization::None, about).unwrap()
}

fn start(program: &Program, seed: u64) -> Evaluated {
    Evaluated { state: State::initial(program, seed), ..Evaluated::default() }
}

fn about() -> About {
    About {
        net: "tiny".into(),
        netc: "0.1.0".into(),
        spec: "00ff".into(),
        data: "shapes".into(),
        steps: 7,
        ..About::default()
    }
}

fn all_normalizations() -> [Normalization; 4] {
    [
        Normalization::None,
        Normalization::PerImage,
        Normalization::PerChannel { mean: vec![0.25], std: vec![0.5] },
        Normalization::PerPixelMean { mean: vec![0.1, 0.2, 0.3, 0.4] },
    ]
}

#[test]
fn what_is_written_reads_back() {
    let scratch = Scratch::new("weights-round");
    let program = mock::program(INPUT, 10);
    let mut evaluated = start(&program, 3);
    let state = &mut evaluated.state;
    // Every bit counts, those of odd numbers too.
    state.parameters[1][..4].copy_from_slice(&[f32::MIN_POSITIVE, -0.0, 1e-45, f32::MAX]);
    state.statistics[0] = vec![0.5, -2.0, 9.0];
    evaluated.moving = Some(vec![vec![1.5, 2.5, 3.5]]);
    evaluated.last = Some(State::initial(&program, 4).parameters);
    for normalization in all_normalizations() {
        let path = scratch.0.join(FILE_NAME);
        write(&path, &program, &evaluated, &normalization, &about()).unwrap();
        let weights = read(&path, &program).unwrap();
        assert_eq!(weights.about, Some(about()));
        assert_eq!(weights.normalization, Some(normalization));
        let bits = |tensors: &[Vec<f32>]| tensors.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&weights.parameters), bits(&evaluated.state.parameters));
        assert_eq!(weights.statistics, evaluated.state.statistics);
        assert_eq!(weights.moving, evaluated.moving);
        assert_eq!(weights.last, evaluated.last);
        weights.into_state().validate(&program).unwrap();
    }
    // The temporary file has become the file.
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 1);
}

#[test]
fn the_same_weights_are_the_same_bytes() {
    let program = mock::program(INPUT, 10);
    let bytes = || serialize(&program, &start(&program, 3), &all_normalizations()[2], &about()).unwrap();
    assert!((0..20).all(|_| bytes() == bytes()));
}

#[test]
fn a_file_that_is_not_whole_is_unreadable() {
    let scratch = Scratch::new("weights-cut");
    let program = mock::program(INPUT, 10);
    let bytes = serialize(&program, &start(&program, 3), &Normalization::None, &about()).unwrap();
    let path = scratch.0.join("cut.safetensors");
    for length in [0, 7, 8, 60, bytes.len() - 4, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = read(&path, &program).unwrap_err();
        assert_eq!(error.code, Code::WeightsUnreadable, "{length}");
        assert!(error.message.contains(&format!("({length} bytes)")), "{}", error.message);
    }
    std::fs::write(&path, [bytes.as_slice(), b"more"].concat()).unwrap();
    assert_eq!(read(&path, &program).unwrap_err().code, Code::WeightsUnreadable);
    assert_eq!(read(&scratch.0.join("none"), &program).unwrap_err().code, Code::WeightsUnreadable);
}

#[test]
fn what_does_not_fit_is_named() {
    let scratch = Scratch::new("weights-fit");
    let program = mock::program(INPUT, 10);
    let path = scratch.0.join(FILE_NAME);
    write(&path, &program, &start(&program, 3), &Normalization::None, &about()).unwrap();

    let mut renamed = program.clone();
    renamed.parameters[0].name = "linear2.weight".into();
    let error = read(&path, &renamed).unwrap_err();
    assert_eq!(error.code, Code::WeightsMismatch);
    assert_eq!(
        error.notes,
        [
            "`linear2.weight` is missing; the file has `linear1.weight`",
            "the file has `linear1.weight`, which the network has not"
        ]
    );

    let mut other = mock::program(Shape::map(3, 2, 2), 10);
    other.net = "other".into();
    let error = read(&path, &other).unwrap_err();
    assert_eq!(error.notes, ["`linear1.weight` is 10x4 in the file, 10x12 in the network"]);
    assert_eq!(error.help, ["they were trained for `tiny`"]);

    let mut many = program.clone();
    many.parameters.extend((0..9).map(|i| crate::lower::program::Parameter {
        name: format!("extra{i}.weight"),
        ..program.parameters[1].clone()
    }));
    let error = read(&path, &many).unwrap_err();
    assert_eq!(error.notes.len(), SHOWN + 1);
    assert_eq!(error.notes[SHOWN], "and 4 more");
}

#[test]
fn files_of_other_tools_are_read() {
    let scratch = Scratch::new("weights-other");
    let program = mock::program(INPUT, 1);
    let bytes: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let view = |dims: &[usize], dtype, count: usize| TensorView::new(dtype, dims.to_vec(), &bytes[..count]).unwrap();
    let tensors = [
        ("linear1.weight", view(&[1, 4], Dtype::F32, 16)),
        ("linear1.bias", view(&[1], Dtype::F32, 4)),
        ("bn1.running_mean", view(&[3], Dtype::F32, 12)),
        ("bn1.num_batches_tracked", view(&[], Dtype::I64, 8)),
    ];
    let path = scratch.0.join("torch.safetensors");
    std::fs::write(&path, safetensors::serialize(tensors.clone(), None).unwrap()).unwrap();
    let weights = read(&path, &program).unwrap();
    assert_eq!((weights.about, weights.normalization), (None, None));
    assert_eq!(weights.parameters, [vec![1.0, 2.0, 3.0, 4.0], vec![1.0]]);

    let mut half = tensors;
    half[1].1 = view(&[1], Dtype::F16, 2);
    std::fs::write(&path, safetensors::serialize(half, None).unwrap()).unwrap();
    let error = read(&path, &program).unwrap_err();
    assert_eq!(error.notes, ["`linear1.bias` holds F16 numbers; the network needs F32"]);
}

#[test]
fn a_folder_that_is_not_there_is_said() {
    let program = mock::program(INPUT, 10);
    let error = write(Path::new("/no/such/folder/w"), &program, &start(&program, 0), &Normalization::None, &about());
    assert_eq!(error.unwrap_err().code, Code::OutputFailed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever byte is wrong: an answer, never a panic.
    #[test]
    fn no_damage_panics(at in 0usize..900, with in any::<u8>()) {
        let scratch = Scratch::new("weights-damage");
        let program = mock::program(INPUT, 10);
        let mut bytes = serialize(&program, &start(&program, 3), &all_normalizations()[3], &about()).unwrap();
        let at = at.min(bytes.len() - 1);
        bytes[at] = with;
        let path = scratch.0.join("w");
        std::fs::write(&path, bytes).unwrap();
        let _ = read(&path, &program);
    }
}
