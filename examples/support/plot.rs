//! Draws the loss of a training run.

use std::path::Path;

use anyhow::{Result, anyhow};
use glyph_align::StepReport;
use plotters::prelude::*;

/// Draws the loss of each ratio against the step, smoothed, on a logarithmic axis.
pub(crate) fn loss_curve(path: &Path, names: &[String], history: &[StepReport]) -> Result<()> {
    let fail = |e: &dyn std::fmt::Display| anyhow!("cannot draw {}: {e}", path.display());
    let _ = plotters::style::register_font(
        "sans-serif",
        FontStyle::Normal,
        include_bytes!("../../glyph-render/assets/fonts/dejavu-sans.ttf"),
    );
    let smooth = |i: usize| {
        let mut mean = history.first().map_or(0.0, |r| r.loss[i]);
        let mut points = Vec::with_capacity(history.len());
        for report in history {
            mean += 0.05 * (report.loss[i] - mean);
            points.push((report.step as f32, mean.max(1e-5)));
        }
        points
    };
    let colors = [BLUE, RED, RGBColor(0, 130, 60)];
    let series: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(i, name)| (name.clone(), smooth(i), colors[i % colors.len()]))
        .collect();
    let lowest = series
        .iter()
        .flat_map(|s| s.1.iter())
        .map(|p| p.1)
        .fold(1.0f32, f32::min);
    let steps = history.last().map_or(1.0, |r| r.step as f32);
    let root = BitMapBackend::new(path, (900, 520)).into_drawing_area();
    root.fill(&WHITE).map_err(|e| fail(&e))?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Loss of the built-in reader", ("sans-serif", 22))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(70)
        .build_cartesian_2d(0f32..steps, (lowest * 0.8..10f32).log_scale())
        .map_err(|e| fail(&e))?;
    chart
        .configure_mesh()
        .x_desc("step")
        .y_desc("nats a cell")
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
