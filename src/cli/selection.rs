//! Where a program runs, as the command line says it.

use crate::engine::native::Convolution;
use crate::engine::select::{CpuEngine, Device, Selection};
use crate::inspect::draw::Format;
use crate::recipe::PopulationVariance;
use clap::ValueEnum;
use clap::builder::PossibleValue;

/// What `train` and `eval` take about where they run.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct SelectionArguments {
    /// Where to run: `cpu`, `cuda`, or `cuda:1` for the second CUDA device
    #[arg(long, default_value_t)]
    pub device: Device,
    /// What runs it on the CPU
    #[arg(long, value_enum, default_value_t)]
    pub engine: CpuEngine,
    /// Threads of the native engine; all cores if not given. The result is the same for any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// How the native engine computes convolutions
    #[arg(long, value_enum, default_value_t)]
    pub convolution: Convolution,
}

impl From<SelectionArguments> for Selection {
    fn from(arguments: SelectionArguments) -> Self {
        let SelectionArguments { device, engine, threads, convolution } = arguments;
        Selection { device, engine, threads, convolution, isa: None }
    }
}

impl ValueEnum for CpuEngine {
    fn value_variants<'a>() -> &'a [Self] {
        &CpuEngine::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(match self {
            CpuEngine::Native => "Compiled ahead for this processor",
            CpuEngine::Tensor => "dfdx tensors, the reference: slow, and derived independently",
        }))
    }
}

impl ValueEnum for Convolution {
    fn value_variants<'a>() -> &'a [Self] {
        &Convolution::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(match self {
            Convolution::Fastest => "By whichever algorithm is faster, Winograd's among them",
            Convolution::Direct => "By plain sums of products: slower, and nearer to what other frameworks compute",
        }))
    }
}

impl ValueEnum for PopulationVariance {
    fn value_variants<'a>() -> &'a [Self] {
        &PopulationVariance::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(match self {
            PopulationVariance::Mean => "The mean of the batches' variances (Ioffe & Szegedy 2015, algorithm 2)",
            PopulationVariance::Pooled => {
                "The variance of all values together, which also counts how far the batches' means lie apart"
            }
        }))
    }
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &Format::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Format::Svg => PossibleValue::new("svg").help("A picture for browsers and documents"),
            Format::Dot => PossibleValue::new("dot").help("Graphviz"),
            Format::Mmd => PossibleValue::new("mmd").help("Mermaid, which code hosts draw in Markdown"),
        })
    }
}
