//! How well the reader's confidences are calibrated: a table and a plot.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use glyph_align::{Corpus, Fonts};
use glyph_encode::Detail;
use glyph_examples::calibration::{BINS, Bin, equal_mass, equal_width, expected_error};
use glyph_examples::rows::{Judged, KnownRow, Reader, foreign_lines, inked, known_rows};
use plotters::prelude::*;

/// Whether a row belongs to a kind.
type Holds = fn(&KnownRow) -> bool;

/// Share of the rows that are worn.
const WORN: f64 = 0.3;
/// Fewer characters than this tell no share.
const FEW: usize = 25;

/// Reads rows that hold natural text, random strings and rare Han, some of them worn; prints the
/// calibration error and draws both diagrams.
pub(crate) fn report(
    texts: &[PathBuf],
    n: usize,
    plot: &Path,
    mut reader: Reader,
    fonts: Option<&Fonts>,
) -> Result<()> {
    let corpora: Vec<Corpus> = texts.iter().map(Corpus::open).collect::<Result<_, _>>()?;
    let rows = known_rows(&corpora, n, WORN, 5)?;
    let foreign = fonts.map(|fonts| foreign_lines(&corpora, n, 6, fonts));
    println!(
        "\n| rows | tokens of | characters | right | mean confidence | calibration error | of equally wide bins |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut panels = Vec::new();
    for size in reader.encoder.available_merge_sizes() {
        reader.encoder = reader.encoder.with_merge_sizes(size, size)?;
        let name = format!("{size} patches");
        let judged = reader.judge(&rows, Detail::Global)?;
        let kinds: [(&str, Holds); 5] = [
            ("all", |_| true),
            ("natural", |r| r.natural && !r.worn),
            ("random", |r| !r.natural && !r.worn),
            ("natural, worn", |r| r.natural && r.worn),
            ("random, worn", |r| !r.natural && r.worn),
        ];
        for (kind, holds) in kinds {
            let of: Vec<usize> = (0..rows.len()).filter(|&i| holds(&rows[i])).collect();
            if of.is_empty() {
                continue;
            }
            let own: Vec<Judged> = of.iter().flat_map(|&i| judged[i].iter().copied()).collect();
            let all: usize = of.iter().map(|&i| inked(&rows[i].sample)).sum();
            line(kind, &name, all, &own);
        }
        if let Some(lines) = &foreign {
            let all = lines.iter().map(|l| l.chars.len()).sum();
            let own = reader.judge_foreign(lines, Detail::Global)?;
            line("other styles", &name, all, &own);
        }
        let judged = judged.concat();
        let error = expected_error(&equal_mass(&judged));
        panels.push((name, equal_width(&judged), error));
    }
    println!(
        "\ncalibration error: expected, {BINS} bins of equally many characters; {:.0} % of the rows are worn",
        100.0 * WORN
    );
    draw(plot, &panels)
}

/// Prints a row about characters that were read, of `all` that stand there.
fn line(kind: &str, name: &str, all: usize, own: &[Judged]) {
    let right = own.iter().filter(|j| j.right).count();
    let mean: f64 =
        own.iter().map(|j| f64::from(j.confidence)).sum::<f64>() / own.len().max(1) as f64;
    println!(
        "| {kind} | {name} | {all} | {:.3} % | {:.2} % | {:.2} % | {:.2} % |",
        100.0 * right as f64 / all.max(1) as f64,
        100.0 * mean,
        100.0 * expected_error(&equal_mass(own)),
        100.0 * expected_error(&equal_width(own)),
    );
}

fn draw(path: &Path, panels: &[(String, Vec<Bin>, f64)]) -> Result<()> {
    let fail = |e: &dyn std::fmt::Display| anyhow!("cannot draw {}: {e}", path.display());
    let _ = plotters::style::register_font(
        "sans-serif",
        FontStyle::Normal,
        include_bytes!("../../glyph-render/assets/fonts/dejavu-sans.ttf"),
    );
    let root = BitMapBackend::new(path, (900, 880)).into_drawing_area();
    root.fill(&WHITE).map_err(|e| fail(&e))?;
    for (area, (name, bins, error)) in root
        .split_evenly((panels.len().div_ceil(2), 2))
        .iter()
        .zip(panels)
    {
        let title = format!("{name}: error {:.2} %", 100.0 * error);
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(48)
            .build_cartesian_2d(0f64..1f64, 0f64..1f64)
            .map_err(|e| fail(&e))?;
        chart
            .configure_mesh()
            .x_desc("confidence")
            .y_desc("share right")
            .x_labels(6)
            .y_labels(6)
            .draw()
            .map_err(|e| fail(&e))?;
        let diagonal = [(0.0, 0.0), (1.0, 1.0)];
        chart
            .draw_series(LineSeries::new(diagonal, BLACK.mix(0.4)))
            .map_err(|e| fail(&e))?;
        let known: Vec<&Bin> = bins.iter().filter(|b| b.n >= FEW).collect();
        let points = known.iter().map(|b| (b.confidence, b.right));
        chart
            .draw_series(LineSeries::new(points, BLUE.stroke_width(2)))
            .map_err(|e| fail(&e))?;
        // An area of a point grows with the logarithm of its characters.
        let circles = known.iter().map(|b| {
            let size = (b.n as f64).log10() * 1.6;
            Circle::new((b.confidence, b.right), size as i32, BLUE.filled())
        });
        chart.draw_series(circles).map_err(|e| fail(&e))?;
    }
    root.present().map_err(|e| fail(&e))
}
