//! Known answers computed with `dp_accounting` 0.6.0 and with 60-digit quadrature.

use std::path::PathBuf;

use cloister_dp::accountant::{epsilon, epsilon_pld, epsilon_rdp};
use cloister_dp::{Phase, calibrate_sigma};
use serde_json::Value;

fn vectors() -> Option<Value> {
    let folder = std::env::var_os("CLOISTER_VECTORS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from);
    let path = folder.join("dp_accounting.json");
    match std::fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).expect("vectors are JSON")),
        Err(error) => {
            eprintln!("skipped: {}: {error}", path.display());
            None
        }
    }
}

fn cases<'a>(vectors: &'a Value, section: &str) -> &'a Vec<Value> {
    let cases = vectors[section].as_array().expect("a list of cases");
    assert!(!cases.is_empty());
    cases
}

fn phases(case: &Value) -> Vec<Phase> {
    serde_json::from_value(case["phases"].clone()).expect("phases")
}

fn close(actual: f64, expected: f64, relative: f64) -> bool {
    (actual - expected).abs() <= relative * expected.abs()
}

#[test]
fn vector_rdp() {
    let Some(vectors) = vectors() else { return };
    for section in ["singles", "heterogeneous", "gaussian_only"] {
        for case in cases(&vectors, section) {
            let id = case["id"].as_str().unwrap();
            let delta = case["delta"].as_f64().unwrap();
            let actual = epsilon_rdp(&phases(case), delta).unwrap();
            let reference = case["rdp_eps"].as_f64().unwrap();
            let exact = case["rdp_eps_exact"].as_f64().unwrap();
            assert!(close(actual, exact, 1e-9), "{id}: {actual} is not {exact}");
            assert!(actual <= reference * (1.0 + 1e-9), "{id}: {actual} is above {reference}");
            let order = case["rdp_order"].as_f64().unwrap();
            assert!(
                order.fract() != 0.0 || actual < reference * (1.0 - 1e-7) || close(actual, reference, 1e-7),
                "{id}"
            );
        }
    }
}

#[test]
fn vector_pld() {
    let Some(vectors) = vectors() else { return };
    for section in ["singles", "heterogeneous", "gaussian_only"] {
        for case in cases(&vectors, section) {
            let id = case["id"].as_str().unwrap();
            let delta = case["delta"].as_f64().unwrap();
            let actual = epsilon_pld(&phases(case), delta).unwrap();
            let Some(expected) = case["pld_eps"].as_f64() else { continue };
            let tolerance = (5e-4 * expected).max(2e-4);
            assert!((actual - expected).abs() <= tolerance, "{id}: {actual} is not {expected}");
            if let Some(finer) = case["pld_eps_disc_1e-5"].as_f64() {
                assert!(actual >= finer - 1e-4, "{id}: {actual} is below {finer}");
            }
            if let Some(exact) = case["exact_eps"].as_f64() {
                assert!(actual >= exact * (1.0 - 1e-12) && close(actual, exact, 1e-9), "{id}: {actual} is not {exact}");
            }
        }
    }
}

#[test]
fn vector_calibration() {
    let Some(vectors) = vectors() else { return };
    for case in cases(&vectors, "calibration") {
        let id = case["id"].as_str().unwrap();
        let number = |name: &str| case[name].as_f64().unwrap();
        let (target, delta, q) = (number("target_eps"), number("delta"), number("q"));
        let steps = case["steps"].as_u64().unwrap();
        let found = calibrate_sigma(target, delta, q, steps).unwrap();
        let reference = number("pld_sigma");
        assert!(found.sigma <= reference * (1.0 + 1e-4), "{id}: {} is above {reference}", found.sigma);
        let again = epsilon(&[Phase { q, sigma: found.sigma, steps }], delta).unwrap();
        assert!(again.epsilon <= target, "{id}: {} is above {target}", again.epsilon);
        assert_eq!(again.epsilon, found.epsilon);
    }
}
