//! What the targets share.

pub mod lowered_features {
    //! The narrowing of a device's features to what LLVM lowers.

    use cubecl_core::ir::DeviceProperties;

    /// The GPU whose features are narrowed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum GpuTarget {
        Nvptx,
    }

    /// Leaves the properties as they are: `cubecl-cuda` calls this only for the LLVM backend,
    /// which refuses every kernel here.
    pub fn restrict_features(_properties: &mut DeviceProperties, _target: GpuTarget) {}
}
