//! Draws what sizes by importance do to reading.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// Shares of characters right at a number of tokens.
pub(crate) struct Point {
    /// Text tokens per vision token.
    pub(crate) ratio: f64,
    /// All text in one size.
    pub(crate) uniform: f64,
    /// Important passages, set larger.
    pub(crate) important: f64,
    /// What is set smaller for it.
    pub(crate) rest: f64,
}

/// Draws three curves.
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
        .flat_map(|p| [p.uniform, p.important, p.rest])
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
    let name = format!("important passages, {larger} times as large");
    type Value = fn(&Point) -> f64;
    let series: [(&str, RGBColor, Value); 3] = [
        ("all text in one size", BLUE, |p| p.uniform),
        (&name, RGBColor(0, 130, 60), |p| p.important),
        ("the rest, smaller for it", RED, |p| p.rest),
    ];
    for (name, color, value) in series {
        let line = points.iter().map(|p| (p.ratio, value(p)));
        chart
            .draw_series(LineSeries::new(line.clone(), color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
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
