//! The PTX target.

pub mod ptx_version {
    //! The PTX version that LLVM would emit.

    use core::fmt;

    /// A PTX version. Without LLVM nothing emits PTX from here, so there is none to choose.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct PtxVersion(u32);

    impl PtxVersion {
        /// The newest version that a CUDA driver loads: never known here.
        pub fn for_driver(_driver: i32) -> Option<Self> {
            None
        }
    }

    impl fmt::Display for PtxVersion {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "ptx{}", self.0)
        }
    }
}
