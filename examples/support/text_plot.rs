//! Draws seconds and right answers against the length of a text.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// What was measured at one length.
pub(crate) struct Point {
    /// Length of the text in tokens.
    pub(crate) tokens: usize,
    /// Seconds and share of right answers with the whole text; `None` if it does not fit.
    pub(crate) plain: Option<(f64, f64)>,
    /// The same with crops.
    pub(crate) crops: (f64, f64),
    /// Share of the model's drafts from the crops that are right before they are checked.
    pub(crate) drafts: f64,
}

/// Draws two charts side by side.
pub(crate) fn draw(path: &Path, points: &[Point], context: usize) -> Result<()> {
    chart(path, points, context).map_err(|e| anyhow!("cannot draw {}: {e}", path.display()))
}

fn chart(path: &Path, points: &[Point], context: usize) -> Result<(), Box<dyn std::error::Error>> {
    let _ = plotters::style::register_font(
        "sans-serif",
        FontStyle::Normal,
        include_bytes!("../../glyph-render/assets/fonts/dejavu-sans.ttf"),
    );
    let root = BitMapBackend::new(path, (1100, 460)).into_drawing_area();
    root.fill(&WHITE)?;
    let areas = root.split_evenly((1, 2));
    let tokens = points.iter().map(|p| p.tokens as f64);
    let (low, high) = tokens.fold((f64::MAX, 1f64), |(l, h), t| (l.min(t), h.max(t)));
    let (low, high) = (low * 0.8, high * 1.25);
    let seconds = points
        .iter()
        .flat_map(|p| p.plain.map(|p| p.0).into_iter().chain([p.crops.0]));
    let (fast, slow) = seconds.fold((f64::MAX, 0f64), |(f, s), v| (f.min(v), s.max(v)));

    let mut left = ChartBuilder::on(&areas[0])
        .caption("Seconds to the first answer", ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(60)
        .build_cartesian_2d(
            (low..high).log_scale(),
            ((fast * 0.6).max(0.01)..slow * 2.0).log_scale(),
        )?;
    left.configure_mesh()
        .x_labels(4)
        .x_max_light_lines(1)
        .y_max_light_lines(1)
        .x_desc("tokens of the text")
        .y_desc("seconds")
        .x_label_formatter(&|v| format!("{v:.0}"))
        .draw()?;
    let mut right = ChartBuilder::on(&areas[1])
        .caption("Right answers", ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(60)
        .build_cartesian_2d((low..high).log_scale(), 0.0..1.05f64)?;
    right
        .configure_mesh()
        .x_labels(4)
        .x_max_light_lines(1)
        .y_max_light_lines(1)
        .x_desc("tokens of the text")
        .x_label_formatter(&|v| format!("{v:.0}"))
        .y_label_formatter(&|v| format!("{:.0} %", 100.0 * v))
        .draw()?;
    let plain = format!("the whole text as tokens (context {context})");
    for (name, color, values) in [
        (
            plain.as_str(),
            RED,
            points
                .iter()
                .filter_map(|p| Some((p.tokens as f64, p.plain?)))
                .collect::<Vec<_>>(),
        ),
        (
            "crops of its pages",
            BLUE,
            points.iter().map(|p| (p.tokens as f64, p.crops)).collect(),
        ),
    ] {
        let times: Vec<_> = values.iter().map(|(t, v)| (*t, v.0)).collect();
        let shares: Vec<_> = values.iter().map(|(t, v)| (*t, v.1)).collect();
        left.draw_series(LineSeries::new(times.clone(), color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color));
        left.draw_series(times.into_iter().map(|p| Circle::new(p, 3, color.filled())))?;
        right.draw_series(LineSeries::new(shares.clone(), color.stroke_width(2)))?;
        right.draw_series(
            shares
                .into_iter()
                .map(|p| Circle::new(p, 3, color.filled())),
        )?;
    }
    let drafts = points.iter().map(|p| (p.tokens as f64, p.drafts));
    let light = BLUE.mix(0.4);
    right
        .draw_series(LineSeries::new(drafts, light))?
        .label("the model's draft from the crops, unchecked")
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], light));
    right
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .draw()?;
    left.configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    Ok(())
}
