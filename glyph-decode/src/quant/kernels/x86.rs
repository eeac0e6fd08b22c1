//! Kernels for x86-64 with AVX2, and with the AVX-512 of Ice Lake and later.

#![allow(
    clippy::needless_range_loop,
    reason = "loops of constant length over several arrays, which have to unroll"
)]

#[cfg(target_arch = "x86")]
use std::arch::x86::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
use std::ops::Range;

use fearless_simd::{
    Avx2, Avx512, f32x8, f32x16, i8x16, prelude::*, u8x16, u8x32, u8x64, u16x8, u16x16,
};

use super::{LONG_16, LONG_32, SHORT, SHORT_MIN, for_each_tile};
use crate::quant::{Activations, PackedMatrix, ROWS};

fearless_simd::kernel!(
    pub(super) fn matmul_avx512(
        simd: Avx512,
        w: &PackedMatrix,
        groups: Range<usize>,
        x: &Activations,
        out: &mut [f32],
        stride: usize,
    ) {
        for_each_tile!(w, groups, x, out, stride, tile_avx512(simd));
    }
);

fearless_simd::kernel!(
    pub(super) fn matmul_avx2(
        simd: Avx2,
        w: &PackedMatrix,
        groups: Range<usize>,
        x: &Activations,
        out: &mut [f32],
        stride: usize,
    ) {
        for_each_tile!(w, groups, x, out, stride, tile_avx2(simd));
    }
);

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn halves_512(simd: Avx512, h: &[u16; ROWS]) -> __m512 {
    let bits: u16x16<_> = u16x16::from_slice(simd, h);
    _mm512_cvtph_ps(bits.into())
}

/// One tile: 16 rows of group `g` times `N` tokens from `t0` on.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn tile_avx512<const N: usize, const BITS: usize, const KIND: u8>(
    simd: Avx512,
    w: &PackedMatrix,
    g: usize,
    x: &Activations,
    t0: usize,
) -> [[f32; ROWS]; N] {
    let nibble = _mm512_set1_epi8(0x0f);
    let mut acc = [_mm512_setzero_ps(); N];
    let mut sum = [_mm512_setzero_si512(); N];
    let mut minima = [_mm512_setzero_si512(); N];
    let long = KIND == LONG_32 || KIND == LONG_16;
    let per_block = if long { 8 } else { 1 };
    let groups = x.groups;
    let blocks = groups / per_block;
    let offset = w.layout.offset;
    let codes = &w.codes[g * groups * BITS..][..groups * BITS];
    let d = &w.d[g * blocks..][..blocks];
    let m = if KIND == SHORT_MIN || KIND == LONG_32 {
        &w.m[g * blocks..][..blocks]
    } else {
        &[]
    };
    let mut words: [&[[i32; 8]]; N] = [&[]; N];
    let mut sums: [&[[i32; 2]]; N] = [&[]; N];
    let mut x_scales: [&[f32]; N] = [&[]; N];
    let mut x_sums: [&[f32]; N] = [&[]; N];
    for t in 0..N {
        words[t] = &x.words[(t0 + t) * groups..][..groups];
        sums[t] = &x.sums[(t0 + t) * groups..][..groups];
        x_scales[t] = &x.scales[(t0 + t) * blocks..][..blocks];
        if KIND == SHORT_MIN {
            x_sums[t] = &x.scaled_sums[(t0 + t) * blocks..][..blocks];
        }
    }
    for (i, codes) in codes.chunks_exact(BITS).enumerate() {
        let mut c = [nibble; 8];
        for j in 0..BITS {
            let lanes: __m512i = u8x64::from_slice(simd, &codes[j].0).into();
            if BITS == 4 {
                c[j] = _mm512_and_si512(lanes, nibble);
                c[j + 4] = _mm512_and_si512(_mm512_srli_epi16::<4>(lanes), nibble);
            } else {
                c[j] = lanes;
            }
        }
        let at = g * groups + i;
        for t in 0..N {
            let xw = &words[t][i];
            let [s0, s1] = sums[t][i];
            let (mut low, mut high) = (_mm512_setzero_si512(), _mm512_setzero_si512());
            if KIND == LONG_16 {
                low = _mm512_set1_epi32(-offset * s0);
                high = _mm512_set1_epi32(-offset * s1);
            } else if KIND == SHORT {
                low = _mm512_set1_epi32(-offset * (s0 + s1));
            }
            for j in 0..4 {
                low = _mm512_dpbusd_epi32(low, c[j], _mm512_set1_epi32(xw[j]));
                high = _mm512_dpbusd_epi32(high, c[j + 4], _mm512_set1_epi32(xw[j + 4]));
            }
            let scale = |s: &[i8; ROWS]| {
                let s: i8x16<_> = i8x16::from_slice(simd, s);
                _mm512_cvtepi8_epi32(s.into())
            };
            if KIND == LONG_16 {
                low = _mm512_mullo_epi32(low, scale(&w.scales[2 * at]));
                high = _mm512_mullo_epi32(high, scale(&w.scales[2 * at + 1]));
            }
            let mut ints = _mm512_add_epi32(low, high);
            if KIND == LONG_32 {
                ints = _mm512_mullo_epi32(ints, scale(&w.scales[at]));
                let min = u8x16::from_slice(simd, &w.mins[at]);
                let min = _mm512_cvtepu8_epi32(min.into());
                let min = _mm512_mullo_epi32(min, _mm512_set1_epi32(s0 + s1));
                minima[t] = _mm512_add_epi32(minima[t], min);
            }
            if long {
                sum[t] = _mm512_add_epi32(sum[t], ints);
            } else {
                sum[t] = ints;
            }
        }
        if (i + 1) % per_block != 0 {
            continue;
        }
        let b = i / per_block;
        let scale = halves_512(simd, &d[b]);
        for t in 0..N {
            let xs = _mm512_set1_ps(x_scales[t][b]);
            let value = _mm512_mul_ps(_mm512_mul_ps(scale, xs), _mm512_cvtepi32_ps(sum[t]));
            acc[t] = _mm512_add_ps(acc[t], value);
            if KIND == SHORT_MIN {
                let min = halves_512(simd, &m[b]);
                let value = _mm512_mul_ps(min, _mm512_set1_ps(x_sums[t][b]));
                acc[t] = _mm512_add_ps(acc[t], value);
            } else if KIND == LONG_32 {
                let min = halves_512(simd, &m[b]);
                let value = _mm512_mul_ps(_mm512_mul_ps(min, xs), _mm512_cvtepi32_ps(minima[t]));
                acc[t] = _mm512_sub_ps(acc[t], value);
            }
            sum[t] = _mm512_setzero_si512();
            minima[t] = _mm512_setzero_si512();
        }
    }
    let mut out = [[0.0; ROWS]; N];
    for t in 0..N {
        let values: f32x16<_> = acc[t].simd_into(simd);
        values.store_slice(&mut out[t]);
    }
    out
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
fn halves_256(simd: Avx2, h: &[u16; 8]) -> __m256 {
    let bits: u16x8<_> = u16x8::from_slice(simd, h);
    _mm256_cvtph_ps(bits.into())
}

/// Sums of products of four bytes each: signed activations times unsigned integers, or, with
/// `WIDE`, integers with 128 added that fill all 8 bits.
#[target_feature(enable = "avx2")]
#[inline]
fn dot_avx2<const BITS: usize, const WIDE: bool>(c: &[__m256i; 4], x: &[i32; 4]) -> __m256i {
    let ones = _mm256_set1_epi16(1);
    let product = |j: usize| {
        let x = _mm256_set1_epi32(x[j]);
        if WIDE {
            let c = _mm256_xor_si256(c[j], _mm256_set1_epi8(-128));
            _mm256_maddubs_epi16(_mm256_abs_epi8(c), _mm256_sign_epi8(x, c))
        } else {
            _mm256_maddubs_epi16(c[j], x)
        }
    };
    if BITS == 4 {
        // 4 x 2 x 15 x 127 fits 16 bits.
        let a = _mm256_add_epi16(product(0), product(1));
        let b = _mm256_add_epi16(product(2), product(3));
        _mm256_madd_epi16(_mm256_add_epi16(a, b), ones)
    } else if WIDE {
        let a = _mm256_add_epi32(
            _mm256_madd_epi16(product(0), ones),
            _mm256_madd_epi16(product(1), ones),
        );
        let b = _mm256_add_epi32(
            _mm256_madd_epi16(product(2), ones),
            _mm256_madd_epi16(product(3), ones),
        );
        _mm256_add_epi32(a, b)
    } else {
        // 2 x 2 x 63 x 127 fits 16 bits.
        let a = _mm256_add_epi16(product(0), product(1));
        let b = _mm256_add_epi16(product(2), product(3));
        _mm256_add_epi32(_mm256_madd_epi16(a, ones), _mm256_madd_epi16(b, ones))
    }
}

/// One tile: 16 rows of group `g` times `N` tokens from `t0` on.
#[target_feature(enable = "avx2,f16c")]
#[inline]
fn tile_avx2<const N: usize, const BITS: usize, const KIND: u8>(
    simd: Avx2,
    w: &PackedMatrix,
    g: usize,
    x: &Activations,
    t0: usize,
) -> [[f32; ROWS]; N] {
    let mut out = [[0.0; ROWS]; N];
    for half in 0..2 {
        let rows = if BITS == 8 && w.layout.offset == 128 {
            half_tile_avx2::<N, BITS, KIND, true>(simd, w, g, half, x, t0)
        } else {
            half_tile_avx2::<N, BITS, KIND, false>(simd, w, g, half, x, t0)
        };
        for (out, rows) in out.iter_mut().zip(rows) {
            out[8 * half..8 * half + 8].copy_from_slice(&rows);
        }
    }
    out
}

/// Half of a tile: 8 rows.
#[target_feature(enable = "avx2,f16c")]
#[inline]
fn half_tile_avx2<const N: usize, const BITS: usize, const KIND: u8, const WIDE: bool>(
    simd: Avx2,
    w: &PackedMatrix,
    g: usize,
    half: usize,
    x: &Activations,
    t0: usize,
) -> [[f32; 8]; N] {
    let halves = |h: &[u16; ROWS]| halves_256(simd, &h.as_chunks::<8>().0[half]);
    let nibble = _mm256_set1_epi8(0x0f);
    let mut acc = [_mm256_setzero_ps(); N];
    let mut sum = [_mm256_setzero_si256(); N];
    let mut minima = [_mm256_setzero_si256(); N];
    let long = KIND == LONG_32 || KIND == LONG_16;
    let per_block = if long { 8 } else { 1 };
    let groups = x.groups;
    let blocks = groups / per_block;
    // With 128 added the codes are taken back to signed ones instead.
    let offset = if WIDE { 0 } else { w.layout.offset };
    let codes = &w.codes[g * groups * BITS..][..groups * BITS];
    for (i, codes) in codes.chunks_exact(BITS).enumerate() {
        let mut low_codes = [nibble; 4];
        let mut high_codes = [nibble; 4];
        for j in 0..4 {
            let low: __m256i =
                u8x32::from_slice(simd, &codes[j].0.as_chunks::<32>().0[half]).into();
            if BITS == 4 {
                low_codes[j] = _mm256_and_si256(low, nibble);
                high_codes[j] = _mm256_and_si256(_mm256_srli_epi16::<4>(low), nibble);
            } else {
                low_codes[j] = low;
                let high = &codes[(j + 4) % BITS].0;
                high_codes[j] = u8x32::from_slice(simd, &high.as_chunks::<32>().0[half]).into();
            }
        }
        let at = g * groups + i;
        let scale = |s: &[i8; ROWS]| {
            let mut both = [0i8; 16];
            both[..8].copy_from_slice(&s[8 * half..8 * half + 8]);
            let s: i8x16<_> = i8x16::from_slice(simd, &both);
            _mm256_cvtepi8_epi32(s.into())
        };
        for t in 0..N {
            let xw = &x.words[(t0 + t) * groups + i];
            let [s0, s1] = x.sums[(t0 + t) * groups + i];
            let (x_low, x_high) = ([xw[0], xw[1], xw[2], xw[3]], [xw[4], xw[5], xw[6], xw[7]]);
            let mut low = dot_avx2::<BITS, WIDE>(&low_codes, &x_low);
            let mut high = dot_avx2::<BITS, WIDE>(&high_codes, &x_high);
            if KIND == LONG_16 {
                low = _mm256_add_epi32(low, _mm256_set1_epi32(-offset * s0));
                high = _mm256_add_epi32(high, _mm256_set1_epi32(-offset * s1));
                low = _mm256_mullo_epi32(low, scale(&w.scales[2 * at]));
                high = _mm256_mullo_epi32(high, scale(&w.scales[2 * at + 1]));
            } else if KIND == SHORT && !WIDE {
                low = _mm256_add_epi32(low, _mm256_set1_epi32(-offset * (s0 + s1)));
            }
            let mut ints = _mm256_add_epi32(low, high);
            if KIND == LONG_32 {
                ints = _mm256_mullo_epi32(ints, scale(&w.scales[at]));
                // Minima have 6 bits: as signed bytes they are the same.
                let min = scale(&w.mins[at].map(|m| m as i8));
                let min = _mm256_mullo_epi32(min, _mm256_set1_epi32(s0 + s1));
                minima[t] = _mm256_add_epi32(minima[t], min);
            }
            sum[t] = if long {
                _mm256_add_epi32(sum[t], ints)
            } else {
                ints
            };
        }
        if (i + 1) % per_block != 0 {
            continue;
        }
        let b = i / per_block;
        let d = halves(&w.d[g * blocks + b]);
        for t in 0..N {
            let xs = _mm256_set1_ps(x.scales[(t0 + t) * blocks + b]);
            let value = _mm256_mul_ps(_mm256_mul_ps(d, xs), _mm256_cvtepi32_ps(sum[t]));
            acc[t] = _mm256_add_ps(acc[t], value);
            if KIND == SHORT_MIN {
                let min = halves(&w.m[g * blocks + b]);
                let x_sum = _mm256_set1_ps(x.scaled_sums[(t0 + t) * blocks + b]);
                acc[t] = _mm256_add_ps(acc[t], _mm256_mul_ps(min, x_sum));
            } else if KIND == LONG_32 {
                let min = halves(&w.m[g * blocks + b]);
                let value = _mm256_mul_ps(_mm256_mul_ps(min, xs), _mm256_cvtepi32_ps(minima[t]));
                acc[t] = _mm256_sub_ps(acc[t], value);
            }
            sum[t] = _mm256_setzero_si256();
            minima[t] = _mm256_setzero_si256();
        }
    }
    let mut out = [[0.0; 8]; N];
    for t in 0..N {
        let values: f32x8<_> = acc[t].simd_into(simd);
        values.store_slice(&mut out[t]);
    }
    out
}
