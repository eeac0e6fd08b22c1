/// What can go wrong in preprocessing pictures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreprocessError {
    /// A picture without pixels.
    #[error("expected a picture with pixels, found {width} x {height}")]
    Empty {
        /// Width of the picture.
        width: u32,
        /// Height of the picture.
        height: u32,
    },
    /// A picture too long for its width.
    #[error("expected a picture at most {limit} times as long as wide, found {width} x {height}")]
    AspectRatio {
        /// Width of the picture.
        width: u32,
        /// Height of the picture.
        height: u32,
        /// How many times the shorter side the longer one may be.
        limit: u32,
    },
    /// A picture that would grow beyond any use.
    #[error(
        "a picture of {width} x {height} would become {to_width} x {to_height}: expected at most \
         {limit} pixels"
    )]
    TooLarge {
        /// Width of the picture.
        width: u32,
        /// Height of the picture.
        height: u32,
        /// Width it would be given.
        to_width: u64,
        /// Height it would be given.
        to_height: u64,
        /// The most pixels.
        limit: u64,
    },
    /// A picture that is not to be resized, and cannot be cut into whole patches.
    #[error(
        "expected sides that are multiples of {factor}, because do_resize is false, found \
         {width} x {height}"
    )]
    NotWholeBlocks {
        /// Width of the picture.
        width: u32,
        /// Height of the picture.
        height: u32,
        /// Pixels that a block of merged patches is wide.
        factor: u32,
    },
    /// Frames of different sizes in one video.
    #[error(
        "frame {frame}: expected {expected_width} x {expected_height} as the first has, found \
         {width} x {height}"
    )]
    FrameSize {
        /// Index of the frame.
        frame: usize,
        /// Width of the first frame.
        expected_width: u32,
        /// Height of the first frame.
        expected_height: u32,
        /// Width of this frame.
        width: u32,
        /// Height of this frame.
        height: u32,
    },
    /// A video too short to be cut into patches.
    #[error("expected at least {expected} frames, found {found}")]
    TooFewFrames {
        /// The fewest.
        expected: usize,
        /// What was found.
        found: usize,
    },
    /// A configuration that is not JSON, or has values of the wrong types.
    #[error("preprocessor configuration: {0}")]
    Json(#[from] serde_json::Error),
    /// A value of a configuration that cannot be used.
    #[error("preprocessor configuration, {key}: expected {expected}, found {found}")]
    Config {
        /// The key in `preprocessor_config.json`.
        key: &'static str,
        /// What it may hold.
        expected: &'static str,
        /// What it holds.
        found: String,
    },
}

/// The most pixels that a resized picture may have: 8,192 squared. No model takes as many; a
/// configuration or a ribbon of a picture could ask for more than there is memory.
const MAX_PIXELS: u64 = 1 << 26;

/// The size that a picture is given, if it has pixels and they are not too many.
pub(super) fn check_size(
    (height, width): (u32, u32),
    (to_height, to_width): (u64, u64),
) -> Result<(u32, u32), PreprocessError> {
    let sides = (u32::try_from(to_height), u32::try_from(to_width));
    match sides {
        (Ok(0), _) | (_, Ok(0)) => Err(PreprocessError::Empty { width, height }),
        (Ok(h), Ok(w)) if u64::from(h) * u64::from(w) <= MAX_PIXELS => Ok((h, w)),
        _ => Err(PreprocessError::TooLarge {
            width,
            height,
            to_width,
            to_height,
            limit: MAX_PIXELS,
        }),
    }
}

/// The sides of a picture that has pixels.
pub(super) fn check_sides(height: u32, width: u32) -> Result<(), PreprocessError> {
    if height == 0 || width == 0 {
        return Err(PreprocessError::Empty { width, height });
    }
    Ok(())
}
