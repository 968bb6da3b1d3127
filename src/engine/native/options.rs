//! What a user may choose of the native engine.

use super::kernels::isa::Isa;

/// How convolutions are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Convolution {
    /// By whichever algorithm is faster, Winograd's among them
    #[default]
    Fastest,
    /// By plain sums of products: slower, and nearer to what other frameworks compute
    Direct,
}

impl Convolution {
    /// Both ways.
    pub const ALL: [Convolution; 2] = [Convolution::Fastest, Convolution::Direct];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Convolution::Fastest => "fastest",
            Convolution::Direct => "direct",
        }
    }
}

/// What a user may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Threads; all that the machine offers if none is given.
    pub threads: Option<usize>,
    /// Instruction set; the best there is, or what `NETC_ISA` says, if none is given.
    pub isa: Option<Isa>,
    /// How convolutions are computed.
    pub convolution: Convolution,
}
