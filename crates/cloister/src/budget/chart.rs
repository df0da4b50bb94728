//! The curve of delta over epsilon as one SVG: no script, no font, nothing from elsewhere.
//!
//! Invariant: only finite coordinates are drawn; a delta of 0 has no place on a logarithmic scale and is left out.

/// The curve as a picture: delta on a logarithmic scale over epsilon.
#[must_use]
pub fn chart(points: &[(f64, f64)]) -> String {
    const LEFT: f64 = 64.0;
    const RIGHT: f64 = 464.0;
    const TOP: f64 = 24.0;
    const BOTTOM: f64 = 264.0;
    let drawn: Vec<(f64, f64)> =
        points.iter().filter(|point| point.1 > 0.0).map(|&(epsilon, delta)| (epsilon, delta.log10())).collect();
    let last = drawn.last().map_or(1.0, |point| point.0.max(1e-9));
    let lowest = drawn.iter().map(|point| point.1).fold(-1.0, f64::min).floor();
    let x = |epsilon: f64| LEFT + epsilon / last * (RIGHT - LEFT);
    let y = |exponent: f64| TOP + exponent / lowest * (BOTTOM - TOP);
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 480 300\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>delta over epsilon</title>\n<rect width=\"480\" height=\"300\" fill=\"#fff\"/>\n",
    );
    let every = (lowest.abs() / 6.0).ceil().max(1.0);
    for exponent in (0..).map(|index| -every * f64::from(index)).take_while(|exponent| *exponent >= lowest) {
        let (height, name) = (y(exponent), if exponent == 0.0 { "1".into() } else { format!("1e{exponent}") });
        svg += &format!(
            "<path d=\"M{LEFT} {height:.1}H{RIGHT}\" stroke=\"#ccc\"/>\n<text x=\"56\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>\n",
            height + 4.0
        );
    }
    for quarter in 0..=4 {
        let epsilon = last * f64::from(quarter) / 4.0;
        svg += &format!("<text x=\"{:.1}\" y=\"280\" text-anchor=\"middle\">{epsilon:.2}</text>\n", x(epsilon));
    }
    let line: Vec<String> = drawn.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
    svg += &format!("<polyline fill=\"none\" stroke=\"#06c\" stroke-width=\"2\" points=\"{}\"/>\n", line.join(" "));
    svg + "<text x=\"8\" y=\"16\">delta</text>\n<text x=\"464\" y=\"296\" text-anchor=\"end\">epsilon</text>\n</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_drawn_down_to_its_least_delta() {
        let points: Vec<(f64, f64)> =
            (0..11).map(|i| (0.3 * f64::from(i), 10_f64.powf(-1.0 - 0.8 * f64::from(i)))).collect();
        let svg = chart(&points);
        assert!(svg.starts_with("<svg ") && svg.contains("1e-8") && svg.ends_with("</svg>\n"), "{svg}");
        let drawn = svg.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        assert_eq!(drawn.split(' ').count(), 11);
        // nothing to draw a line through: a frame, and no number that is none
        for few in [vec![], vec![(0.0, 0.0)], vec![(0.0, 1e-7)]] {
            let svg = chart(&few);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
