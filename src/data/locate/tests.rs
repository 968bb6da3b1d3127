use super::*;
use crate::diagnostic::{Code, Diagnostic};

/// A folder under the system's temporary one that goes away with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("netc-locate-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write<'a>(&self, sub: &str, names: impl IntoIterator<Item = &'a str>) -> PathBuf {
        let folder = if sub.is_empty() { self.0.clone() } else { self.0.join(sub) };
        std::fs::create_dir_all(&folder).unwrap();
        names.into_iter().for_each(|name| std::fs::write(folder.join(name), b"x").unwrap());
        folder
    }

    fn place(&self) -> SearchPlace {
        SearchPlace { origin: "NETC_DATA", folder: self.0.clone() }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn cifar_files() -> impl Iterator<Item = &'static str> {
    cifar::TRAIN_FILES.into_iter().chain([cifar::TEST_FILE])
}

const CIFAR: Request = Request::Named(DataKind::Cifar10);

#[test]
fn every_usual_sub_folder_is_found() {
    for format in FORMATS {
        for (n, sub) in format.folders.iter().enumerate() {
            let root = Folder::new(&format!("sub-{}-{n}", format.kind));
            let folder = match format.kind {
                DataKind::Mnist => root.write(sub, mnist::FILES.into_iter().flatten()),
                _ => root.write(sub, cifar_files()),
            };
            let found = locate(&Request::Named(format.kind), &SearchPlaces(vec![root.place()]), None).unwrap();
            assert_eq!(found, (format.located)(folder.clone()));
            assert_eq!(locate(&Request::Folder(root.0.clone()), &SearchPlaces::default(), None).unwrap(), found);
        }
    }
}

#[test]
fn earlier_places_win_and_later_ones_are_reached() {
    let (first, second) = (Folder::new("first"), Folder::new("second"));
    let places = SearchPlaces(vec![first.place(), second.place()]);
    let found = second.write("cifar10", cifar_files());
    assert_eq!(locate(&CIFAR, &places, None).unwrap(), Located::Cifar10(found));
    // Half a set in an earlier place does not hide a whole one.
    first.write("", ["data_batch_1.bin"]);
    assert!(
        matches!(locate(&CIFAR, &places, None).unwrap(), Located::Cifar10(folder) if folder.starts_with(&second.0))
    );
    let found = first.write("", cifar_files());
    assert_eq!(locate(&CIFAR, &places, None).unwrap(), Located::Cifar10(found));
}

#[test]
fn nothing_found_names_every_place_and_every_way() {
    let root = Folder::new("nothing");
    let places =
        SearchPlaces(vec![root.place(), SearchPlace { origin: "the cache folder", folder: "/nowhere/netc".into() }]);
    let error = locate(&CIFAR, &places, None).unwrap_err();
    let diagnostic = Diagnostic::from(&error);
    assert_eq!((diagnostic.code, diagnostic.labels.len()), (Code::DataNotFound, 0));
    let text = format!("{:?} {:?} {:?}", diagnostic.message, diagnostic.notes, diagnostic.help);
    for part in ["cifar10", &root.0.display().to_string(), "/nowhere/netc", "does not exist", "cifar-10-batches-bin"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for part in ["--data DIR", "cifar-10-binary.tar.gz", "--data shapes"] {
        assert!(diagnostic.help.iter().any(|help| help.contains(part)), "{part}: {text}");
    }
    let places = SearchPlaces(places.0[1..].to_vec());
    let unset = Diagnostic::from(&locate(&Request::Named(DataKind::Mnist), &places, None).unwrap_err());
    assert!(unset.help.iter().any(|help| help.contains("set NETC_DATA")));
    assert!(unset.help.iter().any(|help| help.contains("train-images-idx3-ubyte.gz")));
}

#[test]
fn what_lies_about_is_noticed() {
    let root = Folder::new("noticed");
    root.write("", ["cifar-10-binary.tar.gz"]);
    let noticed = |request: &Request| match locate(request, &SearchPlaces(vec![root.place()]), None) {
        Err(DataError::NotFound { noticed, .. }) => noticed.join("\n"),
        other => panic!("{other:?}"),
    };
    assert!(noticed(&CIFAR).contains("tar xzf cifar-10-binary.tar.gz"));
    assert!(noticed(&Request::Folder(root.0.clone())).contains("tar xzf"));
    assert!(noticed(&Request::Folder(root.0.join("cifar-10-binary.tar.gz"))).contains("tar xzf"));
    root.write("", ["data.bin"]);
    assert!(noticed(&Request::Folder(root.0.join("data.bin"))).contains("is a file"));
}

#[test]
fn half_a_data_set_says_which_files_are_missing() {
    let root = Folder::new("half");
    root.write("cifar-10-batches-bin", ["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"]);
    match locate(&CIFAR, &SearchPlaces(vec![root.place()]), None) {
        Err(DataError::Incomplete { missing, folder, .. }) => {
            assert_eq!(missing, ["data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"]);
            assert!(folder.ends_with("cifar-10-batches-bin"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_net_decides_between_several() {
    let root = Folder::new("several");
    root.write("cifar10", cifar_files());
    root.write("mnist", mnist::FILES.into_iter().flatten());
    let request = Request::Folder(root.0.clone());
    let with = |input| locate(&request, &SearchPlaces::default(), input);
    assert!(matches!(with(Some(Shape::map(1, 28, 28))), Ok(Located::Mnist(_))));
    assert!(matches!(with(Some(Shape::map(3, 32, 32))), Ok(Located::Cifar10(_))));
    assert!(matches!(with(Some(Shape::map(3, 64, 64))), Err(DataError::Ambiguous { .. })));
    assert!(matches!(with(None), Err(DataError::Ambiguous { .. })));
}

#[test]
fn names_win_over_folders_and_unknown_words_get_a_suggestion() {
    assert_eq!(Request::parse("mnist").unwrap(), Request::Named(DataKind::Mnist));
    assert_eq!(Request::parse("shapes").unwrap(), Request::Named(DataKind::Shapes));
    assert_eq!(Request::parse("src").unwrap(), Request::Folder("src".into()));
    assert_eq!(locate(&Request::Named(DataKind::Shapes), &SearchPlaces::default(), None).unwrap(), Located::Shapes);
    let message = |text| match Request::parse(text) {
        Err(DataError::NotFound { noticed, ways, .. }) => noticed.join("\n") + &ways.join("\n"),
        other => panic!("{other:?}"),
    };
    assert!(message("cifar-10").contains("called `cifar10`"));
    assert!(message("cifar").contains("called `cifar10`"));
    assert!(message("no/such/folder").contains("`shapes`"));
    assert!(message("").contains("`mnist`"));
}

#[test]
fn places_come_from_the_environment() {
    let places = |set: &[(&str, &str)]| {
        let lookup = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| PathBuf::from(value));
        SearchPlaces::from_variables(lookup).0.into_iter().map(|place| place.folder).collect::<Vec<_>>()
    };
    let all = places(&[("NETC_DATA", "/d"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]);
    assert_eq!(all, ["/d", "./data", "/x/netc"].map(PathBuf::from));
    assert_eq!(places(&[("HOME", "/h")]), ["./data", "/h/.cache/netc"].map(PathBuf::from));
    assert_eq!(places(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/h")])[1], PathBuf::from("/h/.cache/netc"));
    assert_eq!(places(&[]), [PathBuf::from("./data")]);
}

#[test]
fn what_a_newcomer_without_data_reads() {
    let place = |origin, folder: &str| SearchPlace { origin, folder: folder.into() };
    let places = SearchPlaces(vec![
        place("the working folder", "./no-such-data"),
        place("the cache folder", "/home/someone/.cache/netc"),
    ]);
    let error = locate(&CIFAR, &places, None).unwrap_err();
    let text = crate::diagnostic::render::render(&Diagnostic::from(&error), &Default::default(), false);
    insta::assert_snapshot!(text, @r"
    error[E0601]: the data set `cifar10` was not found
     |
     = note: looked in:
             `./no-such-data` (the working folder), which does not exist
             `/home/someone/.cache/netc` (the cache folder), which does not exist
             and in each of them in `cifar-10-batches-bin`, `cifar10`, `cifar10/cifar-10-batches-bin`, `cifar-10` and `CIFAR10`
     = help: give the folder that holds its files: `--data DIR`
     = help: set NETC_DATA to a folder of data sets
     = help: fetch `cifar-10-binary.tar.gz` from CIFAR-10's home page and unpack it in one of these places
     = help: train on the built-in drawings, which need no files: `--data shapes`
    ");
}
