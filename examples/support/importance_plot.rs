//! Draws what sizes by importance do to reading.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// Shares of characters right at a number of tokens.
pub(crate) struct Point {
    /// Text tokens per vision token.
    pub(crate) ratio: f64,
    /// Important passages, and the rest, all text being set in one size.
    pub(crate) uniform: [f64; 2],
    /// The same passages set larger, and the rest, which is smaller for it.
    pub(crate) sized: [f64; 2],
}

/// Draws four curves.
pub(crate) fn draw(path: &Path, points: &[Point], larger: f32) -> Result<()> {
    chart(path, points, larger).map_err(|e| anyhow!("cannot draw {}: {e}", path.display()))
}

fn chart(path: &Path, points: &[Point], larger: f32) -> Result<(), Box<dyn std::error::Error>> {
    let _ = plotters::style::register_font(
        "sans-serif",
        FontStyle::Normal,
        include_bytes!("../../glyph-render/assets/fonts/dejavu-sans.ttf"),
    );
    let ratios = points.iter().map(|p| p.ratio);
    let (low, high) = ratios.fold((f64::MAX, 0f64), |(l, h), r| (l.min(r), h.max(r)));
    let lowest = points
        .iter()
        .flat_map(|p| p.uniform.into_iter().chain(p.sized))
        .fold(1f64, f64::min);
    let root = BitMapBackend::new(path, (900, 520)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(
            "Sizes by importance, tokens being equal",
            ("sans-serif", 22),
        )
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(70)
        .build_cartesian_2d(low * 0.97..high * 1.03, (lowest - 0.02).max(0.0)..1.01)?;
    chart
        .configure_mesh()
        .max_light_lines(1)
        .x_desc("text tokens per vision token of 28 x 28 px")
        .y_desc("characters right")
        .x_label_formatter(&|v| format!("{v:.1}"))
        .y_label_formatter(&|v| format!("{:.0} %", 100.0 * v))
        .draw()?;
    type Value = fn(&Point) -> f64;
    let (green, red) = (RGBColor(0, 130, 60), RGBColor(200, 40, 40));
    let name = format!("important passages, {larger} times as large");
    let series: [(&str, RGBColor, Value); 4] = [
        (&name, green, |p| p.sized[0]),
        ("the same, all text in one size", green, |p| p.uniform[0]),
        ("the rest, smaller for it", red, |p| p.sized[1]),
        ("the same, all text in one size", red, |p| p.uniform[1]),
    ];
    for (i, (name, color, value)) in series.into_iter().enumerate() {
        // One size is drawn thin.
        let style = color.stroke_width(if i % 2 == 0 { 3 } else { 1 });
        let line = points.iter().map(|p| (p.ratio, value(p)));
        chart
            .draw_series(LineSeries::new(line.clone(), style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        chart.draw_series(line.map(|at| Circle::new(at, 3, color.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 15))
        .draw()?;
    root.present()?;
    Ok(())
}
