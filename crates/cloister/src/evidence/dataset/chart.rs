//! Bars of counts as inline SVG: no script, no style of its own.
//!
//! Invariants: bars start at zero and stand on one linear scale; every bar carries its name and its count; the chart has a
//! title and a description.

use std::fmt::Write as _;

use super::super::words::{count, escape};

const WIDTH: f64 = 480.0;
const ROW: f64 = 25.0;

/// One row.
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) count: u64,
    /// How it is drawn: a class of the style sheet.
    pub(super) class: &'static str,
}

/// A bar for every row; `None` without rows.
pub(super) fn bars(id: &str, title: &str, description: &str, rows: &[Row<'_>]) -> Option<String> {
    let most = rows.iter().map(|row| row.count).max()?.max(1) as f64;
    let longest = rows.iter().map(|row| row.name.chars().count()).max()?;
    let left = (longest as f64 * 7.2 + 12.0).min(WIDTH / 2.0);
    let right = WIDTH - 70.0;
    let height = rows.len() as f64 * ROW + 8.0;
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-text\">\
         <title id=\"{id}-title\">{}</title><desc id=\"{id}-text\">{}</desc>\
         <line class=\"axis\" x1=\"{left:.1}\" y1=\"2\" x2=\"{left:.1}\" y2=\"{:.1}\"/>",
        escape(title),
        escape(description),
        height - 2.0
    );
    for (index, row) in rows.iter().enumerate() {
        let top = index as f64 * ROW + 4.0;
        let width = row.count as f64 / most * (right - left);
        let width = if row.count > 0 { width.max(1.5) } else { 0.0 };
        let (name, number) = (escape(row.name), count(row.count));
        let (base, reach) = (top + 13.5, left + width + 7.0);
        // Writing to a string cannot fail.
        let _ = write!(
            svg,
            "<text class=\"name\" x=\"{:.1}\" y=\"{base:.1}\" text-anchor=\"end\">{name}</text>\
             <rect class=\"{}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"14\"/>\
             <text class=\"value\" x=\"{reach:.1}\" y=\"{base:.1}\" text-anchor=\"start\">{number}</text>",
            left - 9.0,
            row.class,
            top + 2.0
        );
    }
    svg.push_str("</svg>");
    Some(svg)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::super::sample::well_formed;
    use super::*;

    #[test]
    fn bars_are_in_proportion_and_stay_inside() {
        let rows = [("one", 100), ("<two>", 50), ("none", 0), ("vast", u64::MAX / 2)];
        let rows = rows.map(|(name, count)| Row { name, count, class: "found" });
        let svg = bars("x", "t", "d", &rows[..3]).unwrap();
        well_formed(&svg).unwrap();
        let width = |part: &str| part.split('"').next().unwrap().parse::<f64>().unwrap();
        let widths: Vec<f64> = svg.split("width=\"").skip(1).map(width).collect();
        assert!((widths[0] / widths[1] - 2.0).abs() < 0.01 && widths[2] == 0.0, "{widths:?}");
        assert!(svg.contains("&lt;two&gt;"));
        well_formed(&bars("x", "t", "d", &rows).unwrap()).unwrap();
        assert!(bars("x", "t", "d", &[]).is_none());
    }
}
