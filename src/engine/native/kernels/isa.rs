//! Which vector instructions the kernels use, chosen when the program runs.

use std::fmt;
use std::str::FromStr;

/// The variable that forces an instruction set: `NETC_ISA=avx512`, `avx2` or `portable`.
pub const ISA_VARIABLE: &str = "NETC_ISA";

/// A set of vector instructions that the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Isa {
    /// What the compiler's baseline target has; runs everywhere.
    Portable,
    /// AVX2 and FMA3: 8 lanes a register.
    Avx2,
    /// AVX-512F: 16 lanes a register.
    Avx512,
}

/// [`Isa`] that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IsaError {
    /// No such instruction set.
    #[error("`{0}` is no instruction set; `{ISA_VARIABLE}` takes avx512, avx2 or portable")]
    Unknown(String),
    /// This machine lacks it.
    #[error("this machine has no {wanted}; the best it has is {best}")]
    Missing {
        /// What was asked for.
        wanted: Isa,
        /// What there is.
        best: Isa,
    },
}

impl Isa {
    /// All, from the plainest to the widest.
    pub const ALL: [Isa; 3] = [Isa::Portable, Isa::Avx2, Isa::Avx512];

    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        match self {
            Isa::Portable => true,
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Isa::Avx512 => is_x86_feature_detected!("avx512f") && Isa::Avx2.is_available(),
            #[cfg(not(all(target_arch = "x86_64", not(miri))))]
            _ => false,
        }
    }

    /// All that this machine can run, from the plainest to the widest.
    pub fn available() -> impl Iterator<Item = Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The widest that this machine has.
    pub fn best() -> Isa {
        Isa::available().last().unwrap_or(Isa::Portable)
    }

    /// What [`ISA_VARIABLE`] says, or else the best there is.
    ///
    /// # Errors
    /// [`IsaError`] when the variable names something unknown or missing here.
    pub fn detect() -> Result<Isa, IsaError> {
        match std::env::var(ISA_VARIABLE) {
            Ok(name) => Isa::forced(&name),
            Err(_) => Ok(Isa::best()),
        }
    }

    /// The instruction set of this name, if this machine has it.
    ///
    /// # Errors
    /// [`IsaError`] when there is no such set, here or anywhere.
    pub fn forced(name: &str) -> Result<Isa, IsaError> {
        let wanted: Isa = name.parse()?;
        if wanted.is_available() { Ok(wanted) } else { Err(IsaError::Missing { wanted, best: Isa::best() }) }
    }
}

impl FromStr for Isa {
    type Err = IsaError;

    fn from_str(name: &str) -> Result<Isa, IsaError> {
        let found = Isa::ALL.into_iter().find(|isa| isa.to_string().eq_ignore_ascii_case(name.trim()));
        found.ok_or_else(|| IsaError::Unknown(name.to_string()))
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_unknown_ones_refused() {
        for isa in Isa::ALL {
            assert_eq!(isa.to_string().parse(), Ok(isa));
        }
        assert_eq!(Isa::forced("sse9"), Err(IsaError::Unknown("sse9".into())));
        assert_eq!(Isa::forced(" Portable"), Ok(Isa::Portable));
        for isa in Isa::ALL.into_iter().filter(|isa| !isa.is_available()) {
            assert!(Isa::forced(&isa.to_string()).is_err());
        }
    }

    #[test]
    fn the_best_is_available() {
        assert!(Isa::best().is_available());
    }
}
