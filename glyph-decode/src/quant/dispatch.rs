//! Choice of instruction set at run time.

use fearless_simd::Level;

/// Instruction set that kernels run with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Simd(pub(crate) Level);

impl Simd {
    /// The best one that this processor has.
    pub(crate) fn detect() -> Self {
        Self(Level::new())
    }

    /// All that kernels tell apart and this processor has, the plainest first.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Level::baseline()];
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            all.extend(Level::new().as_avx2().map(Level::Avx2));
            all.extend(Level::new().as_avx512().map(Level::Avx512));
        }
        all.into_iter().map(Self).collect()
    }
}

/// Compiles an expression for each instruction set and runs it with the one that is given.
///
/// Functions in the expression must be `#[inline(always)]` to be compiled along.
macro_rules! with_simd {
    ($simd:expr, |$s:pat_param| $e:expr) => {
        fearless_simd::dispatch!($simd.0, $s => $e)
    };
}
pub(crate) use with_simd;
