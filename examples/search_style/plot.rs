//! Draws styles by accuracy and ratio.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::search::Found;

/// Draws what was tried, the front, and the built-in style.
pub(crate) fn front(
    path: &Path,
    found: &[Found],
    front: &[Found],
    builtin: (f64, f64),
    objective: &str,
) -> Result<()> {
    let fail = |e: &dyn std::fmt::Display| anyhow!("cannot draw {}: {e}", path.display());
    let _ = plotters::style::register_font(
        "sans-serif",
        FontStyle::Normal,
        include_bytes!("../../glyph-render/assets/fonts/dejavu-sans.ttf"),
    );
    let most = found
        .iter()
        .map(|found| found.trial.ratio)
        .fold(builtin.1, f64::max);
    let least = found
        .iter()
        .map(|found| found.accuracy)
        .fold(builtin.0, f64::min);
    let root = BitMapBackend::new(path, (900, 560)).into_drawing_area();
    root.fill(&WHITE).map_err(|e| fail(&e))?;
    let caption = format!("{} styles; accuracy by {objective}", found.len());
    let mut chart = ChartBuilder::on(&root)
        .caption(caption, ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(62)
        .build_cartesian_2d(0.0..most * 1.08, (least - 0.03)..1.02)
        .map_err(|e| fail(&e))?;
    chart
        .configure_mesh()
        .x_desc("text tokens per vision token of 28 x 28 px")
        .y_desc("read right")
        .draw()
        .map_err(|e| fail(&e))?;
    let tried = found
        .iter()
        .map(|found| (found.trial.ratio, found.accuracy));
    chart
        .draw_series(tried.map(|point| Circle::new(point, 2, BLACK.mix(0.3).filled())))
        .map_err(|e| fail(&e))?
        .label("tried")
        .legend(|(x, y)| Circle::new((x + 9, y), 2, BLACK.mix(0.3).filled()));
    let line: Vec<(f64, f64)> = (front.iter())
        .map(|found| (found.trial.ratio, found.accuracy))
        .collect();
    chart
        .draw_series(LineSeries::new(line.iter().copied(), RED.stroke_width(2)).point_size(3))
        .map_err(|e| fail(&e))?
        .label("Pareto front")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], RED.stroke_width(2)));
    for found in front.iter().step_by(front.len().div_ceil(8)) {
        let genes = found.trial.genes;
        let label = format!("{} pt, {} dpi", genes.size, genes.dpi);
        let place = (found.trial.ratio, found.accuracy);
        let text = EmptyElement::at(place) + Text::new(label, (6, -14), ("sans-serif", 12));
        chart.draw_series([text]).map_err(|e| fail(&e))?;
    }
    chart
        .draw_series([TriangleMarker::new(
            (builtin.1, builtin.0),
            6,
            BLUE.filled(),
        )])
        .map_err(|e| fail(&e))?
        .label("the built-in style")
        .legend(|(x, y)| TriangleMarker::new((x + 9, y), 6, BLUE.filled()));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(|e| fail(&e))?;
    root.present().map_err(|e| fail(&e))
}
