//! Draws characters right against compression.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// Characters right of one text at each ratio.
pub(crate) struct Curve {
    /// What the text is called.
    pub(crate) name: String,
    /// Text tokens per vision token, and the share of characters right.
    pub(crate) points: Vec<(f64, f64)>,
}

/// DeepSeek-OCR on the Fox benchmark with 100 vision tokens a page (arXiv 2510.18234, table 2).
const DEEPSEEK_100: [(f64, f64); 5] = [
    (6.7, 0.985),
    (7.5, 0.973),
    (9.7, 0.968),
    (10.6, 0.915),
    (12.6, 0.871),
];
/// C3 (Context Cascade Compression), which makes latents of text without a picture.
const C3: [(f64, f64); 1] = [(20.0, 0.98)];
/// Nothing is drawn below this share.
const FLOOR: f64 = 0.80;

/// Draws one curve a text, and published points of other systems on data of their own.
pub(crate) fn draw(path: &Path, curves: &[Curve]) -> Result<()> {
    chart(path, curves).map_err(|e| anyhow!("cannot draw {}: {e}", path.display()))
}

fn chart(path: &Path, curves: &[Curve]) -> Result<(), Box<dyn std::error::Error>> {
    let _ = plotters::style::register_font(
        "sans-serif",
        FontStyle::Normal,
        include_bytes!("../../glyph-render/assets/fonts/dejavu-sans.ttf"),
    );
    let ratios = curves.iter().flat_map(|c| &c.points).map(|p| p.0);
    let right = ratios.fold(21.0, f64::max) * 1.05;
    let root = BitMapBackend::new(path, (900, 520)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Characters right against compression", ("sans-serif", 22))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(70)
        .build_cartesian_2d(0f64..right, FLOOR..1.005)?;
    chart
        .configure_mesh()
        .max_light_lines(1)
        .x_desc("text tokens per vision token")
        .y_desc("characters right")
        .y_label_formatter(&|v| format!("{:.0} %", 100.0 * v))
        .draw()?;
    let colors = [
        BLUE,
        RED,
        RGBColor(0, 130, 60),
        RGBColor(150, 80, 200),
        RGBColor(200, 120, 0),
        RGBColor(0, 150, 170),
        RGBColor(120, 70, 30),
        RGBColor(230, 90, 160),
        RGBColor(110, 140, 0),
    ];
    for (curve, color) in curves.iter().zip(colors.iter().cycle().copied()) {
        let mut points = curve.points.clone();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.retain(|p| p.1 >= FLOOR);
        chart
            .draw_series(LineSeries::new(
                points.iter().copied(),
                color.stroke_width(2),
            ))?
            .label(curve.name.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
        chart.draw_series(points.iter().map(|&p| Circle::new(p, 4, color.filled())))?;
    }
    let grey = RGBColor(110, 110, 110);
    chart
        .draw_series(
            DEEPSEEK_100
                .iter()
                .map(|&p| TriangleMarker::new(p, 6, grey.filled())),
        )?
        .label("DeepSeek-OCR, Fox (other data)")
        .legend(move |(x, y)| TriangleMarker::new((x + 9, y), 6, grey.filled()));
    chart
        .draw_series(C3.iter().map(|&p| Cross::new(p, 6, grey.stroke_width(2))))?
        .label("C3, text latents (other data)")
        .legend(move |(x, y)| Cross::new((x + 9, y), 6, grey.stroke_width(2)));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    Ok(())
}
