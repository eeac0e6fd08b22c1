//! Choice of instruction set at run time.

use fearless_simd::Level;

/// Instruction set that kernels run with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Simd {
    /// What the program was compiled for.
    Portable,
    /// x86-64-v3: AVX2 and FMA.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    Avx2(fearless_simd::Avx2),
    /// AVX-512 of Ice Lake and later, with VNNI.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    Avx512(fearless_simd::Avx512),
}

impl Simd {
    /// The best one that this processor has.
    pub(crate) fn detect() -> Self {
        *Self::all()
            .last()
            .expect("there is always the portable one")
    }

    /// All that this processor has, the best last.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        let level = Level::new();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            all.extend(level.as_avx2().map(Self::Avx2));
            all.extend(level.as_avx512().map(Self::Avx512));
        }
        let _ = level;
        all
    }
}

/// Compiles an expression for each instruction set and runs it with the one that is given.
///
/// `FMA` is a constant in the expression: whether the set has fused multiplication and addition.
/// Functions in the expression must be `#[inline(always)]` to be compiled along.
macro_rules! with_simd {
    ($simd:expr, |$fma:ident| $e:expr) => {
        match $simd {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            $crate::quant::Simd::Avx512(s) => {
                #[allow(dead_code, reason = "not every expression asks")]
                const $fma: bool = true;
                fearless_simd::Simd::vectorize(
                    s,
                    #[inline(always)]
                    || $e,
                )
            }
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            $crate::quant::Simd::Avx2(s) => {
                #[allow(dead_code, reason = "not every expression asks")]
                const $fma: bool = true;
                fearless_simd::Simd::vectorize(
                    s,
                    #[inline(always)]
                    || $e,
                )
            }
            $crate::quant::Simd::Portable => {
                #[allow(dead_code, reason = "not every expression asks")]
                const $fma: bool = cfg!(target_arch = "aarch64");
                $e
            }
        }
    };
}
pub(crate) use with_simd;
