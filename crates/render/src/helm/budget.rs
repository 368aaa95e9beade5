//! How much a chart may hold.

use super::error::HelmError;

/// The largest file of a chart, in bytes, as in Helm 4.2.
const FILE_MAX: u64 = 5 * 1024 * 1024;
/// The largest chart with all its subcharts, unpacked, in bytes.
const CHART_MAX: u64 = 100 * 1024 * 1024;
/// Files of a chart with all its subcharts.
const FILES_MAX: usize = 50_000;
/// Charts within charts.
const DEPTH_MAX: usize = 30;

/// What is left of the limits while one chart is loaded.
#[derive(Debug)]
pub(crate) struct Budget {
    /// For one file.
    pub(crate) file: u64,
    pub(crate) bytes: u64,
    pub(crate) files: usize,
    pub(crate) depth: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { file: FILE_MAX, bytes: CHART_MAX, files: FILES_MAX, depth: DEPTH_MAX }
    }
}

impl Budget {
    /// Takes one file of `size` bytes.
    ///
    /// # Errors
    /// When the chart is too large.
    pub(crate) fn take(&mut self, size: usize) -> Result<(), HelmError> {
        self.bytes = self.bytes.checked_sub(size as u64).ok_or_else(Self::exceeded)?;
        self.files = self.files.checked_sub(1).ok_or_else(Self::exceeded)?;
        Ok(())
    }

    pub(crate) fn exceeded() -> HelmError {
        HelmError::new(format!("the chart is larger than {CHART_MAX} bytes or {FILES_MAX} files"))
            .hint("leave out what is not part of the chart with .helmignore")
    }

    /// Runs `load` for a chart within the current one.
    ///
    /// # Errors
    /// When charts are nested too deeply.
    pub(crate) fn nested<T>(&mut self, load: impl FnOnce(&mut Self) -> Result<T, HelmError>) -> Result<T, HelmError> {
        let deeper = || HelmError::new(format!("charts are nested deeper than {DEPTH_MAX} levels"));
        self.depth = self.depth.checked_sub(1).ok_or_else(deeper)?;
        let loaded = load(self);
        self.depth += 1;
        loaded
    }
}
