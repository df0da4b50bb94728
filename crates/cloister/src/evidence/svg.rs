//! Charts as inline SVG: a line over steps, and bars by type; no script, no style of their own, no outside resource.
//!
//! Invariants: axes carry round ticks; the data are labelled where they are; only finite coordinates are drawn (what
//! has no finite value is left to the table beside the chart); every chart has a title and a description.
//! Ticks follow the 1-2-5 rule (P. Heckbert, "Nice Numbers for Graph Labels", Graphics Gems, 1990).

use std::fmt::Write as _;

use super::words::{count, escape, fixed};

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 286.0;
const DIGIT_WIDTH: f64 = 7.4;
/// More points than this are a line without dots.
const DOTS_AT_MOST: usize = 26;

/// A number over training steps.
pub(super) struct LineChart<'a> {
    /// Distinguishes the charts of one page; a word.
    pub(super) id: &'a str,
    /// What it shows.
    pub(super) title: &'a str,
    /// What it says, for those who do not see it.
    pub(super) description: &'a str,
    /// What the vertical axis measures, with its unit.
    pub(super) measure: &'a str,
    /// Words before the first and the last value.
    pub(super) ends: (&'a str, &'a str),
    /// How a value at an end is written.
    pub(super) written: fn(f64) -> String,
    /// Whether the vertical axis starts at zero.
    pub(super) from_zero: bool,
    /// Step and value.
    pub(super) points: &'a [(u64, f64)],
}

/// One row of a bar chart.
pub(super) struct Bar<'a> {
    pub(super) label: &'a str,
    pub(super) found: u64,
    pub(super) replaced: u64,
    pub(super) residual: u64,
}

/// Round numbers around or within a range.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ticks {
    /// From the last round number at or below the range to the first at or above it.
    pub(super) values: Vec<f64>,
    /// Decimals that tell them apart.
    pub(super) decimals: usize,
}

/// The chart; `None` if no point has a finite value.
pub(super) fn line(chart: &LineChart<'_>) -> Option<String> {
    let mut points: Vec<(f64, f64)> = chart.points.iter().map(|&(step, value)| (step as f64, value)).collect();
    points.retain(|point| point.1.is_finite() && point.1.abs() < 1e100);
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (&first, &last) = (points.first()?, points.last()?);

    let lowest = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let highest = points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let margin = (highest - lowest) * 0.1;
    let from = if chart.from_zero && lowest >= 0.0 { 0.0 } else { lowest - margin };
    let vertical = ticks(from, highest + margin, 4);
    let steps = ticks(0.0, last.0.max(1.0), 6);
    let names: Vec<String> = vertical.values.iter().map(|&value| fixed(value, vertical.decimals)).collect();
    let name_width = names.iter().map(|name| name.chars().count()).max().unwrap_or(1) as f64 * DIGIT_WIDTH;

    let (left, right, top, bottom) = (name_width + 12.0, WIDTH - 18.0, 36.0, HEIGHT - 44.0);
    let (low, high) = (vertical.values[0], vertical.values[vertical.values.len() - 1]);
    let x = |step: f64| left + step / last.0.max(1.0) * (right - left);
    let y = |value: f64| bottom - (value - low) / (high - low) * (bottom - top);

    let mut svg = open(chart.id, chart.title, chart.description, HEIGHT);
    text(&mut svg, "measure", 0.0, 14.0, "start", chart.measure);
    for (&value, name) in vertical.values.iter().zip(&names) {
        let style = if value == low { "axis" } else { "grid" };
        rule(&mut svg, style, (left, y(value)), (right, y(value)));
        text(&mut svg, "tick", left - 8.0, y(value) + 4.5, "end", name);
    }
    for &step in steps.values.iter().filter(|&&step| step <= last.0.max(1.0) && step.fract() == 0.0) {
        rule(&mut svg, "axis", (x(step), bottom), (x(step), bottom + 5.0));
        text(&mut svg, "tick", x(step), bottom + 20.0, "middle", &fixed(step, 0));
    }
    text(&mut svg, "measure", right, HEIGHT - 3.0, "end", "optimiser steps");

    if points.len() > 1 {
        let path: Vec<String> = points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        let _ = write!(svg, "<polyline class=\"series\" points=\"{}\"/>", path.join(" "));
    }
    let dots = if points.len() <= DOTS_AT_MOST { &points[..] } else { &points[points.len() - 1..] };
    for &(step, value) in dots {
        let _ = write!(svg, "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"/>", x(step), y(value));
    }

    let named = |words: &str, value: f64| format!("{words} {}", (chart.written)(value)).trim().to_owned();
    let rising = last.1 >= first.1;
    let below = |place: f64| if place + 24.0 > bottom { place - 12.0 } else { place + 22.0 };
    let above = |place: f64| if place - 12.0 < top - 12.0 { place + 22.0 } else { place - 12.0 };
    if points.len() > 1 {
        let place = if rising { above(y(last.1)) } else { below(y(last.1)) };
        text(&mut svg, "value", right, place, "end", &named(chart.ends.1, last.1));
    }
    if points.len() == 1 || !chart.from_zero {
        let place = if rising && points.len() > 1 { below(y(first.1)) } else { above(y(first.1)) };
        let words = if first.0 > 0.0 && points.len() == 1 { chart.ends.1 } else { chart.ends.0 };
        let anchor = if x(first.0) > WIDTH / 2.0 { "end" } else { "start" };
        text(&mut svg, "value", x(first.0) + 2.0, place, anchor, &named(words, first.1));
    }
    svg.push_str("</svg>");
    Some(svg)
}

/// Found, replaced and residual entities by type; `None` without rows. At most `most` rows are drawn.
pub(super) fn bars(id: &str, title: &str, description: &str, rows: &[Bar<'_>], most: usize) -> Option<String> {
    const ROW: f64 = 27.0;
    const LABEL_CHARACTERS: usize = 18;
    let rows = &rows[..rows.len().min(most)];
    let longest = rows.iter().map(|row| row.label.chars().count().min(LABEL_CHARACTERS)).max()?;
    let highest = rows.iter().map(|row| row.found.max(row.replaced).max(row.residual)).max()?;
    let axis = ticks(0.0, highest.max(1) as f64, 3);
    let height = rows.len() as f64 * ROW + 50.0;
    let (left, right, bottom) = (longest as f64 * 7.6 + 12.0, WIDTH - 74.0, rows.len() as f64 * ROW + 6.0);
    let end = highest.max(1) as f64;
    let x = |number: f64| left + number / end * (right - left);

    let mut svg = open(id, title, description, height);
    for &value in axis.values.iter().filter(|&&value| value <= end && value.fract() == 0.0) {
        rule(&mut svg, if value == 0.0 { "axis" } else { "grid" }, (x(value), 2.0), (x(value), bottom));
        text(&mut svg, "tick", x(value), bottom + 18.0, "middle", &fixed(value, 0));
    }
    text(&mut svg, "measure", right, height - 3.0, "end", "entities");
    for (index, row) in rows.iter().enumerate() {
        let top = index as f64 * ROW + 6.0;
        let mut label: String = row.label.chars().take(LABEL_CHARACTERS).collect();
        if label.len() < row.label.len() {
            label.pop();
            label.push('…');
        }
        text(&mut svg, "name", left - 9.0, top + 13.5, "end", &label);
        bar(&mut svg, "found", (left, top + 2.0), x(row.found as f64) - left, 14.0);
        bar(&mut svg, "replaced", (left, top + 2.0), x(row.replaced as f64) - left, 14.0);
        bar(&mut svg, "residual", (left, top + 17.5), x(row.residual as f64) - left, 4.0);
        let reach = x(row.found.max(row.replaced).max(row.residual) as f64) + 7.0;
        text(&mut svg, "value", reach, top + 13.5, "start", &count(row.found));
    }
    svg.push_str("</svg>");
    Some(svg)
}

/// Round numbers that enclose `low` to `high`, about `about` intervals; always at least two, in rising order.
pub(super) fn ticks(low: f64, high: f64, about: usize) -> Ticks {
    let (low, high) = if low <= high { (low, high) } else { (high, low) };
    let sane = |bound: f64| bound.is_finite() && bound.abs() <= 1e100;
    let (low, high) = if sane(low) && sane(high) { (low, high) } else { (0.0, 1.0) };
    let least_span = (low.abs().max(high.abs()) * 1e-9).max(1e-90);
    let (low, high) = if high - low >= least_span {
        (low, high)
    } else {
        let half = if low == 0.0 { 0.5 } else { low.abs() * 0.1 };
        (low - half, high + half)
    };
    let rough = (high - low) / about.max(1) as f64;
    let power = 10f64.powi(rough.log10().floor() as i32);
    let step = match rough / power {
        fraction if fraction < 1.5 => power,
        fraction if fraction < 3.5 => 2.0 * power,
        fraction if fraction < 7.5 => 5.0 * power,
        _ => 10.0 * power,
    };
    // A bound that is round up to the last bits is that round number.
    let first = (low / step + 1e-9).floor();
    let intervals = ((high / step - 1e-9).ceil() - first).max(1.0) as usize;
    let values = (0..=intervals).map(|index| (first + index as f64) * step).collect();
    let decimals = (-(step.log10() + 1e-9).floor()).clamp(0.0, 12.0) as usize;
    Ticks { values, decimals }
}

fn open(id: &str, title: &str, description: &str, height: f64) -> String {
    format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-text\">\
         <title id=\"{id}-title\">{}</title><desc id=\"{id}-text\">{}</desc>",
        escape(title),
        escape(description)
    )
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, anchor: &str, words: &str) {
    let words = escape(words);
    let _ = write!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
}

fn rule(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let (x1, y1, x2, y2) = (from.0, from.1, to.0, to.1);
    let _ = write!(svg, "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>");
}

fn bar(svg: &mut String, class: &str, at: (f64, f64), width: f64, height: f64) {
    if width > 0.0 {
        let (x, y, width) = (at.0, at.1, width.max(1.5));
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::sample::well_formed;
    use super::*;

    fn chart(points: &[(u64, f64)], from_zero: bool) -> Option<String> {
        let (id, title, description, measure) = ("c", "a < b", "text & more", "nats per token");
        let written = |value| fixed(value, 3);
        line(&LineChart { id, title, description, measure, ends: ("base", "tuned"), written, from_zero, points })
    }

    #[test]
    fn ticks_are_round_and_enclose_the_range() {
        assert_eq!(ticks(0.0, 8.0, 4), Ticks { values: vec![0.0, 2.0, 4.0, 6.0, 8.0], decimals: 0 });
        let found = ticks(2.386, 3.973, 4);
        assert_eq!(found.decimals, 1);
        assert_eq!(found.values.first().map(|value| (value * 10.0).round()), Some(20.0));
        assert_eq!(found.values.last().map(|value| (value * 10.0).round()), Some(40.0));
        assert_eq!(ticks(0.0, 0.3, 3).values.len(), 4);
    }

    #[test]
    fn ticks_exist_for_every_range() {
        let bounds = [0.0, 1.0, -1.0, 1e-300, 1e-12, 7.25, 1e12, -3e40, 1e308, f64::NAN, f64::INFINITY, -f64::INFINITY];
        for low in bounds {
            for high in bounds {
                let Ticks { values, decimals } = ticks(low, high, 4);
                assert!((2..=12).contains(&values.len()), "{low} to {high}: {values:?}");
                assert!(values.iter().all(|value| value.is_finite()) && values.is_sorted(), "{low} to {high}");
                assert!(values[0] < values[values.len() - 1] && decimals <= 12, "{low} to {high}: {values:?}");
                if low.abs() <= 1e100 && high.abs() <= 1e100 {
                    let slack = (values[1] - values[0]) * 1e-6;
                    assert!(values[0] <= low.min(high) + slack, "{low} to {high}: {values:?}");
                    assert!(values[values.len() - 1] >= low.max(high) - slack, "{low} to {high}: {values:?}");
                }
            }
        }
    }

    #[test]
    fn odd_series_are_drawn_or_left_out() {
        assert_eq!(chart(&[], false), None);
        assert_eq!(chart(&[(0, f64::NAN), (1, f64::INFINITY)], true), None);
        let many: Vec<(u64, f64)> = (0..500).map(|step| (step, 4.0 - step as f64 / 300.0)).collect();
        let cases: [&[(u64, f64)]; 7] = [
            &[(0, 3.973)],
            &[(8, 2.0)],
            &[(0, 0.0), (8, 0.0)],
            &[(3, 1.0), (1, 2.0), (2, f64::NAN)],
            &[(0, 1e-300), (u64::MAX, 1e99)],
            &[(0, -5.0), (1, 5.0)],
            &many,
        ];
        for points in cases {
            for from_zero in [false, true] {
                let svg = chart(points, from_zero).unwrap();
                well_formed(&svg).unwrap();
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
        }
    }

    #[test]
    fn the_ends_of_a_line_carry_their_values() {
        let svg = chart(&[(0, 3.973), (4, 3.097), (8, 2.386)], false).unwrap();
        assert!(svg.contains(">base 3.973<") && svg.contains(">tuned 2.386<"));
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(chart(&[(0, 3.973)], false).unwrap().contains(">base 3.973<"));
        assert!(chart(&[(8, 2.386)], false).unwrap().contains(">tuned 2.386<"));
    }

    #[test]
    fn bars_keep_their_proportions() {
        let row = |label, found, replaced, residual| Bar { label, found, replaced, residual };
        let rows = [row("PERSON", 1000, 1000, 0), row("A<B", 500, 250, 3), row("NONE", 0, 0, 0)];
        let svg = bars("b", "title", "description", &rows, 12).unwrap();
        well_formed(&svg).unwrap();
        let widths: Vec<f64> = svg
            .split("<rect class=\"replaced\"")
            .skip(1)
            .map(|part| part.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(widths.len(), 2);
        assert!((widths[0] - 4.0 * widths[1]).abs() < 0.5);
        assert_eq!(svg.matches("class=\"residual\"").count(), 1);
        assert_eq!(bars("b", "title", "description", &[], 12), None);
    }
}
