//! Looks for the parts of CUDA that kernels are compiled with, without loading any.
//!
//! CubeCL finds them in two different ways, and panics when either fails: the headers in
//! `CUDA_PATH/include` (or a few usual folders), NVRTC wherever the system's loader looks, which
//! does not include `CUDA_PATH`. The search here follows both.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::DeviceError;

/// The names under which the loader is asked for NVRTC.
const NVRTC_NAMES: [&str; 4] = [
    "libnvrtc.so",
    "libnvrtc.so.13",
    "libnvrtc.so.12",
    "libnvrtc.so.11",
];

/// A header of each package that kernels need: `mma.h` is in the runtime's package, but includes
/// `crt/mma.h`, which is not.
const HEADERS: [&str; 2] = ["cuda_fp16.h", "crt/mma.h"];

/// Where to look.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// The CUDA installation, from `CUDA_PATH` or a usual place.
    root: Option<PathBuf>,
    /// The folders that the loader searches.
    library_folders: Vec<PathBuf>,
    /// The loader's cache of libraries, read as bytes.
    loader_cache: Vec<u8>,
    /// Whether NVRTC has the names above on this system.
    knows_library_names: bool,
}

impl Search {
    /// Takes the places from the environment and the file system.
    pub(super) fn from_env() -> Self {
        let mut library_folders: Vec<PathBuf> = env::var_os("LD_LIBRARY_PATH")
            .map(|paths| env::split_paths(&paths).collect())
            .unwrap_or_default();
        library_folders.extend(
            [
                "/lib",
                "/usr/lib",
                "/lib64",
                "/usr/lib64",
                "/usr/lib/x86_64-linux-gnu",
                "/usr/lib/aarch64-linux-gnu",
            ]
            .map(PathBuf::from),
        );
        Self {
            root: root(),
            library_folders,
            loader_cache: fs::read("/etc/ld.so.cache").unwrap_or_default(),
            knows_library_names: cfg!(target_os = "linux"),
        }
    }

    /// Whether NVRTC and the headers are there.
    pub(super) fn check(&self) -> Result<(), DeviceError> {
        if self.knows_library_names && !self.loader_finds_nvrtc() {
            return Err(DeviceError::NvrtcNotFound {
                folder: self.nvrtc_off_the_path(),
            });
        }
        let missing = match &self.root {
            Some(root) => {
                let include = root.join("include");
                HEADERS
                    .into_iter()
                    .find(|header| !include.join(header).is_file())
            }
            None => Some(HEADERS[0]),
        };
        match missing {
            None => Ok(()),
            Some(header) => Err(DeviceError::HeadersNotFound {
                header,
                searched: self.root.clone(),
            }),
        }
    }

    fn loader_finds_nvrtc(&self) -> bool {
        let name = NVRTC_NAMES[0].as_bytes();
        self.library_folders.iter().any(|folder| has_nvrtc(folder))
            || self.loader_cache.windows(name.len()).any(|at| at == name)
    }

    /// A folder of the installation that has NVRTC, though the loader does not search it.
    fn nvrtc_off_the_path(&self) -> Option<PathBuf> {
        let root = self.root.as_ref()?;
        ["lib64", "lib"]
            .into_iter()
            .map(|name| root.join(name))
            .find(|folder| has_nvrtc(folder))
    }
}

fn has_nvrtc(folder: &Path) -> bool {
    NVRTC_NAMES.iter().any(|name| folder.join(name).exists())
}

/// The installation that CubeCL takes the headers from.
fn root() -> Option<PathBuf> {
    if let Some(path) = env::var_os("CUDA_PATH") {
        return Some(PathBuf::from(path));
    }
    if cfg!(target_os = "windows") {
        return Some(PathBuf::from(
            "C:/Program Files/NVIDIA GPU Computing Toolkit/CUDA/",
        ));
    }
    ["/usr/local/cuda", "/opt/cuda"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .or_else(|| {
            Path::new("/usr/bin/nvcc")
                .exists()
                .then(|| PathBuf::from("/usr"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An installation with the given files.
    fn installation(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("the file is in the folder"))
                .expect("the folder can be made");
            fs::write(path, "").expect("the file can be written");
        }
        folder
    }

    fn search(root: &Path, library_folders: &[PathBuf]) -> Search {
        Search {
            root: Some(root.to_path_buf()),
            library_folders: library_folders.to_vec(),
            knows_library_names: true,
            ..Search::default()
        }
    }

    #[test]
    fn a_whole_installation_passes() {
        let cuda = installation(&[
            "lib64/libnvrtc.so.12",
            "include/cuda_fp16.h",
            "include/crt/mma.h",
        ]);
        let search = search(cuda.path(), &[cuda.path().join("lib64")]);
        assert_eq!(search.check(), Ok(()));
    }

    #[test]
    fn the_loader_cache_counts() {
        let cuda = installation(&["include/cuda_fp16.h", "include/crt/mma.h"]);
        let mut search = search(cuda.path(), &[]);
        search.loader_cache = b"..\0libnvrtc.so.12\0/usr/lib..".to_vec();
        assert_eq!(search.check(), Ok(()));
    }

    #[test]
    fn nvrtc_off_the_loaders_path_is_named() {
        let cuda = installation(&["lib/libnvrtc.so.13", "include/cuda_fp16.h"]);
        let error = search(cuda.path(), &[]).check();
        assert_eq!(
            error,
            Err(DeviceError::NvrtcNotFound {
                folder: Some(cuda.path().join("lib"))
            })
        );
    }

    #[test]
    fn missing_parts_are_errors() {
        assert_eq!(
            search(Path::new("/nowhere"), &[]).check(),
            Err(DeviceError::NvrtcNotFound { folder: None })
        );

        for (header, files) in [
            ("cuda_fp16.h", vec!["lib/libnvrtc.so.12"]),
            (
                "crt/mma.h",
                vec!["lib/libnvrtc.so.12", "include/cuda_fp16.h"],
            ),
        ] {
            let cuda = installation(&files);
            assert_eq!(
                search(cuda.path(), &[cuda.path().join("lib")]).check(),
                Err(DeviceError::HeadersNotFound {
                    header,
                    searched: Some(cuda.path().to_path_buf())
                })
            );
        }
    }
}
