//! The part of `cubecl-llvm` that `cubecl-cuda` names, without LLVM.
//!
//! CubeCL can turn a kernel into PTX in two ways: through LLVM, or as CUDA C++ handed to NVRTC.
//! `cubecl-cuda` always depends on the LLVM crate, whose build script downloads a prebuilt LLVM,
//! even when its `cpp` feature has made NVRTC the compiler. Glyph builds with `cpp`, so nothing
//! here runs; `[patch.crates-io]` in the workspace root puts this crate in the other's place so
//! that a build with CUDA needs neither the download nor LLVM.
//!
//! Choosing the LLVM backend at run time gives an error, never a wrong kernel. The CPU and HIP
//! runtimes of CubeCL use more of the real crate and do not compile against this one.

#![forbid(unsafe_code)]

use core::convert::Infallible;
use core::ffi::c_char;
use core::fmt;

use cubecl_core::ir::nvidia::SmArch;
use cubecl_environment::backtrace::BackTrace;
use cubecl_runtime::compiler::{CompilationError, Compiler};
use cubecl_runtime::kernel::{BufferIOAttr, KernelDefinition};

pub mod nvptx;
pub mod shared;

const NO_LLVM: &str = "this build has no LLVM (tools/cubecl-llvm stands in for it): kernels are \
                       compiled by NVRTC, which the feature `cuda-cpp` of cubecl selects";

/// What a kernel is compiled for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LlvmTarget {
    #[default]
    Cpu,
    Nvptx,
}

/// The LLVM compiler: here it refuses every kernel.
#[derive(Clone, Debug, Default)]
pub struct PlironCompiler {
    pub target: LlvmTarget,
}

/// The options of the LLVM compiler, as `cubecl-cuda` fills them in.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// The AMD architecture: always `None` here.
    pub arch: Option<Infallible>,
    pub sm_arch: Option<SmArch>,
    pub ptx_version: Option<nvptx::ptx_version::PtxVersion>,
    pub grid_constants: bool,
    /// Stands for the options that `cubecl-cuda` leaves at their defaults.
    pub other: (),
}

/// A kernel as PTX.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    pub ptx: Vec<c_char>,
    pub entrypoint: String,
    pub ir: String,
    pub shared_memory_size: usize,
    pub io: Vec<BufferIOAttr>,
}

/// What the compiler returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PlironArtifact {
    NvptxCode(NvptxModule),
}

impl fmt::Display for PlironArtifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NvptxCode(module) => f.write_str(&module.ir),
        }
    }
}

impl Compiler for PlironCompiler {
    type Representation = PlironArtifact;
    type CompilationOptions = PlironOptions;

    fn compile(
        &mut self,
        _kernel: KernelDefinition,
        _options: &Self::CompilationOptions,
    ) -> Result<Self::Representation, CompilationError> {
        Err(CompilationError::Generic {
            reason: NO_LLVM.to_string(),
            backtrace: BackTrace::capture(),
        })
    }

    fn extension(&self) -> &'static str {
        "ll"
    }

    fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}
