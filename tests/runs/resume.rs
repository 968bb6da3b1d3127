//! Runs that are killed at any moment and gone on with come to the same bytes as one that never was; so does a run that
//! is made again from its record.

use crate::command::{netc, scratch};
use crate::skip::skip;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

const SPEC: &str = "tests/resume/small.net";
const KILLS: u32 = 20;

fn train(folder: &Path, engine: &str, more: &[&str]) -> Command {
    let limit = if engine == "native" { "1500" } else { "600" };
    let mut command = netc(&["train", SPEC, "--limit", limit, "--engine", engine, "--out"]);
    command.arg(folder).args(more);
    command
}

fn finished(output: Output) -> String {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    format!("{stdout}{stderr}")
}

/// What a run leaves that must not depend on how it came there.
fn results(folder: &Path) -> (Vec<u8>, Vec<u8>, Vec<String>) {
    let metrics = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let timeless = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        let line = line.as_object_mut().unwrap();
        for key in ["images_per_second", "seconds", "waited"] {
            line.remove(key).unwrap();
        }
        serde_json::to_string(line).unwrap()
    };
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    (read("weights.safetensors"), read("best.safetensors"), metrics.lines().map(timeless).collect())
}

/// Waits for the end, or kills when the time is up.
fn kill_after(mut child: Child, time: Duration) -> Option<Output> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if child.try_wait().unwrap().is_some() {
            return Some(child.wait_with_output().unwrap());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    // SIGKILL: nothing can be tidied up.
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    output.status.success().then_some(output)
}

fn killed_runs_come_to_the_same_end(engine: &str) {
    let whole = scratch(&format!("{engine}-whole"));
    let begin = Instant::now();
    finished(train(&whole, engine, &[]).output().unwrap());
    let time = begin.elapsed();
    let expected = results(&whole);
    // Thread counts change from one part of a run to the next.
    let threads = ["1", "2", "3"];
    let (mut kills, mut runs, mut from_within) = (0, 0, 0);
    while kills < KILLS {
        let folder = scratch(&format!("{engine}-killed"));
        runs += 1;
        loop {
            let draw = netc::internals::random::uniform(0x1d5, u64::from(kills + 100 * runs));
            let thread = threads[(kills as usize) % threads.len()];
            let child = train(&folder, engine, &["--resume", "--threads", thread]).spawn().unwrap();
            // Short lives: most runs are killed several times before they end.
            match kill_after(child, time.mul_f32(0.05 + 0.5 * draw)) {
                Some(output) => {
                    let reported = finished(output);
                    from_within += u32::from(reported.contains("going on after step"));
                    break;
                }
                None => kills += 1,
            }
            assert!(kills < 40 * KILLS, "no run comes to its end");
        }
        assert!(results(&folder) == expected, "{engine}: another end after {kills} kills");
        let left: Vec<_> = std::fs::read_dir(folder.join("checkpoints")).unwrap().map(|f| f.unwrap().path()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
    assert!(from_within > 0, "no run ever went on from a checkpoint");
}

/// All that an optimizer can keep goes through a checkpoint: both moments of Adam, averages, where the schedule is.
#[test]
fn adam_with_averages_goes_on_to_the_same_bytes() {
    let settings = [
        ["--set", "optimizer={kind: adamw, clip_norm: 1, groups: [{match: conv1, rate_factor: 0.5}]}"],
        ["--set", "schedule={kind: cosine, warmup: 1 epoch}"],
        ["--set", "average={decay: 0.9}"],
        ["--set", "label_smoothing=0.1"],
        ["--limit", "150"],
    ]
    .concat();
    for engine in ["native", "tensor"] {
        let folder = scratch(&format!("{engine}-adam"));
        let train = |more: &[&str]| {
            let mut command = netc(&["train", SPEC, "--engine", engine, "--out"]);
            finished(command.arg(&folder).args(&settings).args(more).output().unwrap())
        };
        let reported = train(&[]);
        assert!(
            reported.contains("with averaged weights") && reported.contains("with those of the last step"),
            "{reported}"
        );
        let expected = results(&folder);
        // As if the run had been killed before its last checkpoint.
        let mut left: Vec<_> =
            std::fs::read_dir(folder.join("checkpoints")).unwrap().map(|f| f.unwrap().path()).collect();
        left.sort();
        std::fs::remove_file(left.last().unwrap()).unwrap();
        assert!(train(&["--resume"]).contains("going on after step"));
        assert!(results(&folder) == expected, "{engine}");
        let again = scratch(&format!("{engine}-adam-again"));
        let rerun = netc(&["rerun"]).arg(&folder).arg("--out").arg(&again).output().unwrap();
        assert!(finished(rerun).contains("byte for byte"));
    }
}

#[test]
fn killed_runs_come_to_the_same_end_on_the_native_engine() {
    killed_runs_come_to_the_same_end("native");
}

#[test]
fn killed_runs_come_to_the_same_end_on_the_tensor_engine() {
    killed_runs_come_to_the_same_end("tensor");
}

#[test]
fn a_run_is_made_again_to_the_byte() {
    let first = scratch("resume-first");
    let reported = finished(
        train(&first, "native", &["--threads", "2", "--set", "optimizer.learning_rate=0.03"]).output().unwrap(),
    );
    assert!(reported.contains("with true averages in batch norm"), "{reported}");
    let record = std::fs::read_to_string(first.join("run.yaml")).unwrap();
    for part in
        ["from: --set optimizer.learning_rate=0.03", "from: tests/resume/small.yaml:3", "from: built-in", "net small"]
    {
        assert!(record.contains(part), "{part}\n{record}");
    }
    let again = scratch("resume-again");
    let output = netc(&["rerun", first.to_str().unwrap(), "--threads", "1", "--out"]).arg(&again).output().unwrap();
    assert!(finished(output).contains("byte for byte"));
    assert!(results(&again) == results(&first));

    // Other data, or a record that was edited, is told before anything is trained.
    std::fs::write(first.join("run.yaml"), record.replace("limit: 1500", "limit: 1499")).unwrap();
    let other = scratch("resume-other");
    let output = netc(&["rerun", first.to_str().unwrap(), "--out"]).arg(&other).output().unwrap();
    let reported = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(reported.contains("it saw 1500 training images, now there are 1499"), "{reported}");
    assert!(!other.exists());
}

fn refused(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_cannot_be_gone_on_with_is_told_and_left_as_it_is() {
    let whole = scratch("resume-whole");
    finished(train(&whole, "native", &[]).output().unwrap());
    // A run that was interrupted after a few checkpoints: killed, that is, as soon as there are two.
    let folder = scratch("resume-broken");
    let mut child = train(&folder, "native", &["--resume"]).spawn().unwrap();
    let checkpoints = folder.join("checkpoints");
    let files = || -> Vec<PathBuf> {
        let mut files: Vec<_> =
            std::fs::read_dir(&checkpoints).into_iter().flatten().map(|f| f.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "safetensors"));
        files.sort();
        files
    };
    while files().len() < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let found = files();
    let (before, last) = (found.first().unwrap().clone(), found.last().unwrap().clone());
    let bytes = |path: &Path| std::fs::read(path).unwrap();
    let (good_before, good) = (bytes(&before), bytes(&last));
    let resume = |more: &[&str]| train(&folder, "native", &[&["--resume"], more].concat()).output().unwrap();

    // Another recipe, another spec, other data.
    let reported = refused(resume(&["--set", "optimizer.momentum=0.8"]));
    assert!(
        reported.contains("E0707") && reported.contains("`optimizer.momentum` was 0.9, now it is 0.8"),
        "{reported}"
    );
    let reported = refused(resume(&["--seed", "3"]));
    assert!(reported.contains("`seed` was 0, now it is 3"), "{reported}");
    let reported = refused(resume(&["--set", "batch_norm.epsilon=1e-4"]));
    assert!(reported.contains("the network is another one since"), "{reported}");
    let out = folder.to_str().unwrap();
    let other = ["train", "specs/lenet5.net", "--data", "shapes", "--limit", "1500", "--out", out, "--resume"];
    let reported = refused(netc(&other).output().unwrap());
    assert!(
        reported.contains("E0707") && reported.contains("it is of the net `small`, the spec's is `lenet5`"),
        "{reported}"
    );
    let reported = refused(netc(&["train", SPEC, "--limit", "1400", "--out", out, "--resume"]).output().unwrap());
    assert!(reported.contains("it saw 1500 training images, now there are 1400"), "{reported}");
    assert!(bytes(&last) == good && bytes(&before) == good_before && files() == found);

    // Half a file, a changed byte, something else.
    let mut changed = good.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    for damaged in [&good[..good.len() / 2], &changed, b"not a checkpoint"] {
        std::fs::write(&last, damaged).unwrap();
        let reported = refused(resume(&[]));
        assert!(
            reported.contains("E0701") && reported.contains("remove it to go on from the one before it"),
            "{reported}"
        );
        assert!(bytes(&last) == damaged && bytes(&before) == good_before);
    }
    std::fs::write(&last, &good).unwrap();

    // A disk that is full, as far as a process can be made to believe it: no file may grow beyond 4 KiB.
    let full = format!(
        "trap '' XFSZ; ulimit -f 8; exec '{}' train {SPEC} --limit 1500 --resume --out '{}'",
        env!("CARGO_BIN_EXE_netc"),
        folder.display()
    );
    let shell = Command::new("sh").args(["-c", &full]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let reported = refused(shell);
    assert!(reported.contains("E0703") && reported.contains("is as it was"), "{reported}");
    assert!(bytes(&last) == good);
    assert_eq!(files(), found);

    // A checkpoint that cannot be used may be removed: the one before it leads to the same end.
    std::fs::remove_file(&last).unwrap();
    let reported = finished(resume(&[]));
    assert!(reported.contains("going on after step"), "{reported}");
    assert!(results(&folder) == results(&whole));
    // A run that has ended stays as it is.
    finished(resume(&[]));
    assert!(results(&folder) == results(&whole));
}

#[test]
fn a_folder_that_cannot_be_written_is_told_at_once() {
    // A file where the folder should be: root may write anywhere else.
    let file = scratch("resume-file");
    std::fs::write(&file, "").unwrap();
    let reported = refused(train(&file.join("run"), "native", &["--resume"]).output().unwrap());
    assert!(reported.contains("E0703") && reported.contains("cannot write to"), "{reported}");
}

/// Makes a run and takes its last checkpoint away; what the one before it is called, and holds.
#[cfg(unix)]
fn one_checkpoint_left(run: &[&str], folder: &Path) -> (PathBuf, Vec<u8>) {
    finished(netc(run).output().unwrap());
    let checkpoints = std::fs::read_dir(folder.join("checkpoints")).unwrap();
    let mut files: Vec<PathBuf> = checkpoints.map(|file| file.unwrap().path()).collect();
    files.sort();
    std::fs::remove_file(files.pop().unwrap()).unwrap();
    let kept = std::fs::read(&files[0]).unwrap();
    (files.swap_remove(0), kept)
}

/// Root may write anywhere, so where the test runs as root netc runs as somebody else.
#[cfg(unix)]
#[test]
fn a_read_only_folder_is_told_and_left_as_it_is() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;

    let folder = scratch("resume-read-only");
    let limit = ["train", SPEC, "--limit", "200", "--epochs", "2", "--resume", "--out", folder.to_str().unwrap()];
    let (checkpoint, kept) = one_checkpoint_left(&limit, &folder);
    let root = std::fs::metadata(&folder).unwrap().uid() == 0;
    let run = |arguments: &[&str]| {
        let mut command = netc(arguments);
        if root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output()
    };
    if !run(&["--version"]).is_ok_and(|output| output.status.success()) {
        return skip("OTHER_USER", "netc cannot be run as another user from where it lies");
    }
    let mode = |mode| {
        for path in [&folder, &folder.join("checkpoints")] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    mode(0o555);
    let reported = refused(run(&limit).unwrap());
    mode(0o755);
    assert!(
        reported.contains("E0703") && reported.contains("cannot write to") && reported.contains("denied"),
        "{reported}"
    );
    assert!(std::fs::read(&checkpoint).unwrap() == kept);
}

/// A disk that is really full, where the test may make one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_the_last_checkpoint_stays() {
    let disk = scratch("resume-full-disk");
    std::fs::create_dir_all(&disk).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "none"]).arg(&disk).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        return skip("SMALL_DISK", "this user may not mount a small disk");
    }
    let folder = disk.join("run");
    let limit = ["train", SPEC, "--limit", "200", "--epochs", "3", "--resume", "--out", folder.to_str().unwrap()];
    let (checkpoint, kept) = one_checkpoint_left(&limit, &folder);
    // Whatever is left of the disk.
    let _ = std::fs::write(disk.join("full"), vec![0; 8 << 20]);
    let output = netc(&limit).output().unwrap();
    let after = std::fs::read(&checkpoint).unwrap();
    let _ = Command::new("umount").arg(&disk).output();
    let reported = refused(output);
    assert!(reported.contains("E0703") && reported.contains("No space left on device"), "{reported}");
    assert!(after == kept);
}
