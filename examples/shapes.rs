//! Looks at the built-in data set: `shapes sheet FILE.ppm [CxHxW]` writes ten training images of each class as one
//! picture, `shapes export DIR` writes the whole set in CIFAR-10's binary layout, for other programs.

use netc::internals::data::{Split, cifar, shapes};
use netc::internals::graph::dims::Shape;
use std::error::Error;
use std::path::Path;

const COLUMNS: usize = 10;
const ZOOM: usize = 2;
const GAP: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["sheet", file] => sheet(Path::new(file), shapes::SHAPE),
        ["sheet", file, size] => {
            let sizes = size.split('x').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
            let [channels, height, width] = sizes[..] else { return Err("a size is CxHxW".into()) };
            sheet(Path::new(file), Shape::map(channels, height, width))
        }
        ["export", folder] => export(Path::new(folder)),
        _ => Err("shapes sheet FILE.ppm [CxHxW] | shapes export DIR".into()),
    }
}

/// A row for each class, as a binary PPM file.
fn sheet(file: &Path, shape: Shape) -> Result<(), Box<dyn Error>> {
    let data = shapes::generate(shape, COLUMNS * shapes::CLASSES.len(), 0, shapes::SEED)?;
    let plane = shape.plane();
    let (cell_width, cell_height) = (plane.width * ZOOM + GAP, plane.height * ZOOM + GAP);
    let (width, height) = (COLUMNS * cell_width + GAP, shapes::CLASSES.len() * cell_height + GAP);
    let mut pixels = vec![255u8; width * height * 3];
    for index in 0..data.train.len() {
        let image = data.train.image(index);
        let (row, column) = (index % shapes::CLASSES.len(), index / shapes::CLASSES.len());
        for y in 0..plane.height * ZOOM {
            for x in 0..plane.width * ZOOM {
                let at = ((row * cell_height + GAP + y) * width + column * cell_width + GAP + x) * 3;
                for channel in 0..3 {
                    let source = (channel % shape.channels()) * plane.area();
                    pixels[at + channel] = image[source + y / ZOOM * plane.width + x / ZOOM];
                }
            }
        }
    }
    let mut bytes = format!("P6 {width} {height} 255\n").into_bytes();
    bytes.extend(pixels);
    Ok(std::fs::write(file, bytes)?)
}

fn export(folder: &Path) -> Result<(), Box<dyn Error>> {
    let begin = std::time::Instant::now();
    let data = shapes::generate(shapes::SHAPE, shapes::TRAIN, shapes::TEST, shapes::SEED)?;
    println!("drew {} images in {:.3} s", data.train.len() + data.test.len(), begin.elapsed().as_secs_f64());
    std::fs::create_dir_all(folder)?;
    let part = data.train.len() / cifar::TRAIN_FILES.len();
    for (n, name) in cifar::TRAIN_FILES.into_iter().enumerate() {
        std::fs::write(folder.join(name), cifar::to_bytes(&data.train, n * part..(n + 1) * part)?)?;
    }
    std::fs::write(folder.join(cifar::TEST_FILE), cifar::to_bytes(&data.test, 0..data.test.len())?)?;
    statistics(&data.train)
}

fn statistics(split: &Split) -> Result<(), Box<dyn Error>> {
    let subset = netc::internals::data::Subset::all(&std::sync::Arc::new(split.clone()));
    let (mean, std) = netc::internals::data::normalize::channel_statistics(&subset)?;
    println!("mean {mean:.5?} std {std:.5?}");
    Ok(())
}
