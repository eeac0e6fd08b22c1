//! Choosing the device that the models run on.
//!
//! A [`DeviceSpec`] is what a user writes (`auto`, `cpu`, `cuda:1`); [`DeviceSpec::resolve`] turns
//! it into a Burn [`Device`], or says in one line why it cannot. Nothing here loads a CUDA
//! library but the driver, and nothing is printed: what the user ought to know comes back as
//! [`ResolvedDevice::note`].
//!
//! ```
//! use glyph_pipeline::DeviceSpec;
//!
//! let spec: DeviceSpec = "cpu".parse()?;
//! # #[cfg(feature = "cpu")]
//! let resolved = spec.resolve()?;
//! # #[cfg(feature = "cpu")]
//! assert!(resolved.note.is_none());
//! # Ok::<(), glyph_pipeline::DeviceError>(())
//! ```

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use burn::tensor::Device;
#[cfg(feature = "wgpu")]
use burn::tensor::DeviceKind;
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::tensor::DeviceType;

// The search is tested in every build, though only one with CUDA uses it.
#[cfg(any(feature = "cuda", test))]
#[cfg_attr(not(feature = "cuda"), allow(dead_code))]
mod toolkit;

/// A device as a user names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceSpec {
    /// The first CUDA device when this build has CUDA and one can be used, else the CPU.
    #[default]
    Auto,
    /// The CPU, by `burn-flex`.
    Cpu,
    /// The CUDA device of this index; `cuda` alone is index 0.
    Cuda(usize),
    /// The GPU that `wgpu` prefers.
    Wgpu,
}

/// A device ready for use.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ResolvedDevice {
    /// The device to hand to the models.
    pub device: Device,
    /// What the user ought to be told once, such as that `auto` fell back to the CPU and why.
    pub note: Option<String>,
}

/// Why a device cannot be used. Every message is one line and says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The text names no device.
    #[error("unknown device `{name}`: expected `auto`, `cpu`, `cuda`, `cuda:N` or `wgpu`")]
    UnknownDevice {
        /// The text as given.
        name: String,
    },
    /// The crate was built without the feature that the device needs.
    #[error(
        "this build cannot run on `{spec}`: build glyph-pipeline with the feature `{feature}`{}",
        if *feature == "cpu" { "" } else { ", or use the device `cpu`" }
    )]
    FeatureMissing {
        /// The device asked for.
        spec: DeviceSpec,
        /// The feature of glyph-pipeline to enable.
        feature: &'static str,
    },
    /// No device of this kind was found.
    #[error(
        "no device found for `{spec}`: check that its driver is installed{}, or use the device \
         `cpu`",
        if matches!(spec, DeviceSpec::Cuda(_)) { " (`nvidia-smi` lists CUDA devices)" } else { "" }
    )]
    NoDevice {
        /// The device asked for.
        spec: DeviceSpec,
    },
    /// There are CUDA devices, but not of this index.
    #[error("no CUDA device {index}: found {found}, numbered from 0")]
    NoSuchIndex {
        /// The index asked for.
        index: usize,
        /// How many CUDA devices there are.
        found: usize,
    },
    /// The library that compiles the CUDA kernels was not found.
    #[error(
        "NVRTC (libnvrtc.so) not found: install the CUDA toolkit or the pip package \
         nvidia-cuda-nvrtc, and put {} in LD_LIBRARY_PATH",
        match folder {
            Some(folder) => folder.display().to_string(),
            None => "its lib folder".to_string(),
        }
    )]
    NvrtcNotFound {
        /// The folder that has NVRTC but which the loader does not search, when there is one.
        folder: Option<PathBuf>,
    },
    /// A header that the CUDA kernels include was not found.
    #[error(
        "the CUDA header {header} was not found{}: install the CUDA toolkit, or the pip packages \
         nvidia-cuda-runtime, nvidia-cuda-crt and nvidia-cuda-cccl, and set CUDA_PATH to the \
         folder that has include/{header}",
        match searched {
            Some(folder) => format!(" in {}", folder.display()),
            None => String::new(),
        }
    )]
    HeadersNotFound {
        /// The header, relative to the folder of headers.
        header: &'static str,
        /// The installation searched; `None` when CUDA_PATH is not set and no usual folder exists.
        searched: Option<PathBuf>,
    },
}

impl DeviceSpec {
    /// Whether a device is the one that [`DeviceSpec::Cpu`] stands for.
    pub(crate) fn is_cpu(device: &Device) -> bool {
        Self::Cpu.resolve().is_ok_and(|cpu| cpu.device == *device)
    }
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(0) => f.write_str("cuda"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Wgpu => f.write_str("wgpu"),
        }
    }
}

impl FromStr for DeviceSpec {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim().to_ascii_lowercase();
        let spec = match name.as_str() {
            "auto" => Some(Self::Auto),
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            "wgpu" => Some(Self::Wgpu),
            _ => name
                .strip_prefix("cuda:")
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .map(Self::Cuda),
        };
        spec.ok_or_else(|| DeviceError::UnknownDevice {
            name: text.to_string(),
        })
    }
}

impl DeviceSpec {
    /// Finds the device.
    ///
    /// [`DeviceSpec::Auto`] falls back to the CPU with a note; a device asked for by name is that
    /// device or an error. For CUDA the kernel compiler (NVRTC) and its headers are looked for
    /// here, because Burn would panic at the first kernel without them.
    ///
    /// # Errors
    ///
    /// [`DeviceError`], when the device is not there, this build cannot run on it, or a part of
    /// CUDA is missing.
    pub fn resolve(&self) -> Result<ResolvedDevice, DeviceError> {
        let device = match *self {
            Self::Auto => return auto(),
            Self::Cpu => cpu(*self)?,
            Self::Cuda(index) => cuda(index)?,
            Self::Wgpu => wgpu()?,
        };
        Ok(ResolvedDevice { device, note: None })
    }
}

fn auto() -> Result<ResolvedDevice, DeviceError> {
    let reason = match cuda(0) {
        Ok(device) => return Ok(ResolvedDevice { device, note: None }),
        // A build for the CPU has nothing to say about other devices.
        Err(DeviceError::FeatureMissing { .. }) => {
            return Ok(ResolvedDevice {
                device: cpu(DeviceSpec::Auto)?,
                note: None,
            });
        }
        Err(DeviceError::NoDevice { .. }) => "no CUDA device found".to_string(),
        Err(error) => format!("a CUDA device was found, but {error}"),
    };
    Ok(ResolvedDevice {
        device: cpu(DeviceSpec::Auto)?,
        note: Some(format!("{reason}; using the CPU")),
    })
}

#[cfg(feature = "cpu")]
fn cpu(_spec: DeviceSpec) -> Result<Device, DeviceError> {
    Ok(Device::flex())
}

#[cfg(not(feature = "cpu"))]
fn cpu(spec: DeviceSpec) -> Result<Device, DeviceError> {
    Err(DeviceError::FeatureMissing {
        spec,
        feature: "cpu",
    })
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Device, DeviceError> {
    let found = Device::enumerate(DeviceType::Cuda).len();
    if found == 0 {
        return Err(DeviceError::NoDevice {
            spec: DeviceSpec::Cuda(index),
        });
    }
    if index >= found {
        return Err(DeviceError::NoSuchIndex { index, found });
    }
    toolkit::Search::from_env().check()?;
    Ok(Device::cuda(index))
}

#[cfg(not(feature = "cuda"))]
fn cuda(index: usize) -> Result<Device, DeviceError> {
    Err(DeviceError::FeatureMissing {
        spec: DeviceSpec::Cuda(index),
        feature: "cuda",
    })
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<Device, DeviceError> {
    if Device::enumerate(DeviceType::Wgpu).is_empty() {
        return Err(DeviceError::NoDevice {
            spec: DeviceSpec::Wgpu,
        });
    }
    Ok(Device::wgpu(DeviceKind::DefaultDevice))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Result<Device, DeviceError> {
    Err(DeviceError::FeatureMissing {
        spec: DeviceSpec::Wgpu,
        feature: "wgpu",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for (text, spec) in [
            ("auto", DeviceSpec::Auto),
            ("cpu", DeviceSpec::Cpu),
            ("cuda", DeviceSpec::Cuda(0)),
            ("cuda:3", DeviceSpec::Cuda(3)),
            ("wgpu", DeviceSpec::Wgpu),
        ] {
            assert_eq!(text.parse(), Ok(spec));
            assert_eq!(spec.to_string(), text);
        }
        assert_eq!(" CUDA:0 ".parse(), Ok(DeviceSpec::Cuda(0)));
        assert_eq!(DeviceSpec::default(), DeviceSpec::Auto);
    }

    #[test]
    fn other_names_are_refused() {
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:+1", "cuda:x", "cuda 0"] {
            let error = text.parse::<DeviceSpec>();
            assert_eq!(
                error,
                Err(DeviceError::UnknownDevice {
                    name: text.to_string()
                })
            );
        }
    }

    #[test]
    fn every_message_is_one_line() {
        let spec = DeviceSpec::Cuda(1);
        for error in [
            DeviceError::UnknownDevice { name: "tpu".into() },
            DeviceError::FeatureMissing {
                spec,
                feature: "cuda",
            },
            DeviceError::NoDevice { spec },
            DeviceError::NoSuchIndex { index: 1, found: 1 },
            DeviceError::NvrtcNotFound { folder: None },
            DeviceError::NvrtcNotFound {
                folder: Some("/cuda/lib64".into()),
            },
            DeviceError::HeadersNotFound {
                header: "cuda_fp16.h",
                searched: None,
            },
            DeviceError::HeadersNotFound {
                header: "cuda_fp16.h",
                searched: Some("/cuda".into()),
            },
        ] {
            let message = error.to_string();
            assert!(
                !message.contains('\n') && !message.contains("  "),
                "{message}"
            );
        }
    }

    #[cfg(feature = "cpu")]
    #[test]
    fn the_cpu_needs_no_note() {
        let resolved = DeviceSpec::Cpu.resolve().expect("the CPU is built in");
        assert_eq!(resolved.device, Device::flex());
        assert_eq!(resolved.note, None);
    }

    #[cfg(all(feature = "cpu", not(feature = "cuda")))]
    #[test]
    fn auto_is_the_cpu_where_nothing_else_is_built() {
        let resolved = DeviceSpec::Auto.resolve().expect("the CPU is built in");
        assert_eq!(resolved.device, Device::flex());
        assert_eq!(resolved.note, None);
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn cuda_without_the_feature_names_the_feature() {
        let error = DeviceSpec::Cuda(0).resolve().expect_err("not built");
        assert_eq!(
            error,
            DeviceError::FeatureMissing {
                spec: DeviceSpec::Cuda(0),
                feature: "cuda"
            }
        );
        assert!(error.to_string().contains("`cuda`"));
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn cuda_is_a_device_or_a_clear_error() {
        match DeviceSpec::Cuda(0).resolve() {
            Ok(resolved) => assert_eq!(resolved.device, Device::cuda(0)),
            Err(error) => assert!(!matches!(error, DeviceError::FeatureMissing { .. })),
        }
    }
}
