//! The native engine on the five nets, without the compiler in front: `cargo bench --bench native -- resnet20 --batch 128`.

// What the tests share may panic.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../tests/support/mod.rs"]
mod support;

use clap::Parser;
use netc::cli::bench::{BenchArgs, run};
use support::builder::{cifarnet, lenet5, resnet_cifar};

#[derive(Parser)]
struct Args {
    /// lenet5, cifarnet, resnet20, resnet32, resnet56
    net: String,
    #[command(flatten)]
    bench: BenchArgs,
    /// Given by cargo.
    #[arg(long = "bench", hide = true)]
    _cargo: bool,
}

fn main() {
    let args = Args::parse();
    let program = match args.net.as_str() {
        "lenet5" => lenet5(),
        "cifarnet" => cifarnet(),
        "resnet20" => resnet_cifar(3),
        "resnet32" => resnet_cifar(5),
        "resnet56" => resnet_cifar(9),
        other => {
            eprintln!("no net `{other}`");
            std::process::exit(2);
        }
    };
    match run(&program, &args.bench) {
        Ok(text) => print!("{text}"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}
