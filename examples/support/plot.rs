//! Draws the losses of a training run.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// A curve: its name, and the value at each step from 1 on.
pub(crate) type Curve = (String, Vec<f32>);

/// Draws curves against the step, smoothed, on a logarithmic axis.
pub(crate) fn curves(path: &Path, caption: &str, unit: &str, curves: &[Curve]) -> Result<()> {
    let fail = |e: &dyn std::fmt::Display| anyhow!("cannot draw {}: {e}", path.display());
    let _ = plotters::style::register_font(
        "sans-serif",
        FontStyle::Normal,
        include_bytes!("../../glyph-render/assets/fonts/dejavu-sans.ttf"),
    );
    let smooth = |values: &[f32]| {
        let mut mean = values.first().copied().unwrap_or(0.0);
        let mut points = Vec::with_capacity(values.len());
        for (i, value) in values.iter().enumerate() {
            mean += 0.05 * (value - mean);
            points.push(((i + 1) as f32, mean.max(1e-5)));
        }
        points
    };
    let colors = [BLUE, RED, RGBColor(0, 130, 60)];
    let series: Vec<_> = curves
        .iter()
        .enumerate()
        .map(|(i, (name, values))| (name.clone(), smooth(values), colors[i % colors.len()]))
        .collect();
    let lowest = series
        .iter()
        .flat_map(|s| s.1.iter())
        .map(|p| p.1)
        .fold(1.0f32, f32::min);
    let highest = series
        .iter()
        .flat_map(|s| s.1.iter())
        .map(|p| p.1)
        .fold(lowest, f32::max);
    let steps = series.iter().map(|s| s.1.len()).max().unwrap_or(1) as f32;
    let root = BitMapBackend::new(path, (900, 520)).into_drawing_area();
    root.fill(&WHITE).map_err(|e| fail(&e))?;
    let mut chart = ChartBuilder::on(&root)
        .caption(caption, ("sans-serif", 22))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(70)
        .build_cartesian_2d(0f32..steps, (lowest * 0.8..highest * 1.5).log_scale())
        .map_err(|e| fail(&e))?;
    chart
        .configure_mesh()
        .x_desc("step")
        .y_desc(unit)
        .x_label_formatter(&|v| format!("{v:.0}"))
        .y_label_formatter(&|v| format!("{v:.4}"))
        .draw()
        .map_err(|e| fail(&e))?;
    for (name, points, color) in series {
        chart
            .draw_series(LineSeries::new(points, color))
            .map_err(|e| fail(&e))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(|e| fail(&e))?;
    root.present().map_err(|e| fail(&e))
}
