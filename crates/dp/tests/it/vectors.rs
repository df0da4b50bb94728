//! Known answers computed with `dp_accounting` 0.6.0 and with 60-digit quadrature.

use std::path::PathBuf;

use cloister_dp::accountant::{Repetitions, epsilon, epsilon_of, epsilon_pld, epsilon_rdp, epsilon_repeat_and_select};
use cloister_dp::{Adjacency, Mechanism, Phase, PrivacyProfile, calibrate_sigma};
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

#[test]
fn vector_replace_one() {
    let Some(vectors) = vectors() else { return };
    for case in cases(&vectors, "replace_one_pld") {
        let id = case["id"].as_str().unwrap();
        let delta = case["delta"].as_f64().unwrap();
        let mechanisms: Vec<Mechanism> = phases(case).into_iter().map(Mechanism::Poisson).collect();
        for (adjacency, field) in
            [(Adjacency::ReplaceOne, "pld_eps_replace_one"), (Adjacency::AddRemove, "pld_eps_add_remove")]
        {
            let actual = epsilon_of(&mechanisms, adjacency, delta).unwrap().epsilon_pld;
            let expected = case[field].as_f64().unwrap();
            assert!(close(actual, expected, 2e-5), "{id} {field}: {actual} is not {expected}");
        }
    }
}

#[test]
fn vector_truncated_poisson() {
    let Some(vectors) = vectors() else { return };
    for case in cases(&vectors, "truncated_poisson_pld") {
        let id = case["id"].as_str().unwrap();
        let number = |name: &str| case[name].as_f64().unwrap();
        let whole = |name: &str| case[name].as_u64().unwrap();
        let (q, sigma, steps) = (number("q"), number("sigma"), whole("steps"));
        let cut = Mechanism::TruncatedPoisson {
            q,
            sigma,
            steps,
            units: whole("dataset_size"),
            cap: whole("truncated_batch_size"),
        };
        for (mechanism, adjacency, field) in [
            (cut, Adjacency::AddRemove, "pld_eps_add_remove"),
            (cut, Adjacency::ZeroOut, "pld_eps_replace_special"),
            (Mechanism::Poisson(Phase { q, sigma, steps }), Adjacency::ZeroOut, "pld_eps_untruncated"),
        ] {
            let actual = epsilon_of(&[mechanism], adjacency, number("delta")).unwrap().epsilon_pld;
            let expected = number(field);
            assert!(close(actual, expected, 2e-5), "{id} {field}: {actual} is not {expected}");
        }
    }
}

/// `sigma` of these cases is the deviation divided by the sensitivity, which is twice the clip norm.
#[test]
fn vector_fixed_size() {
    let Some(vectors) = vectors() else { return };
    for case in cases(&vectors, "fixed_size_wor_rdp") {
        let id = case["id"].as_str().unwrap();
        let number = |name: &str| case[name].as_f64().unwrap();
        let whole = |name: &str| case[name].as_u64().unwrap();
        let mechanism = Mechanism::FixedSize {
            batch: whole("batch"),
            units: whole("dataset_size"),
            sigma: 2.0 * number("sigma"),
            steps: whole("steps"),
        };
        let actual = epsilon_of(&[mechanism], Adjacency::ReplaceOne, number("delta")).unwrap().epsilon_rdp;
        let expected = number("rdp_eps");
        assert!(close(actual, expected, 1e-11), "{id}: {actual} is not {expected}");
    }
}

/// The reference over-estimates divergences of fractional orders, so that ours may be smaller, by a little.
#[test]
fn vector_repeat_and_select() {
    let Some(vectors) = vectors() else { return };
    for case in cases(&vectors, "repeat_and_select_rdp") {
        let id = case["id"].as_str().unwrap();
        let number = |name: &str| case[name].as_f64().unwrap();
        let mean = number("mean");
        let repetitions = match case["shape"].as_f64() {
            Some(shape) => Repetitions::TruncatedNegativeBinomial { mean, shape },
            None => Repetitions::Poisson { mean },
        };
        let actual = epsilon_repeat_and_select(&phases(case), repetitions, number("delta")).unwrap();
        let expected = number("rdp_eps");
        assert!(actual <= expected * (1.0 + 1e-9), "{id}: {actual} is above {expected}");
        assert!(close(actual, expected, 1e-4), "{id}: {actual} is not {expected}");
        let base = epsilon_rdp(&phases(case), number("delta")).unwrap();
        assert!(close(base, number("rdp_eps_base"), 1e-4), "{id}: {base}");
    }
}

#[test]
fn vector_profile() {
    let Some(vectors) = vectors() else { return };
    for section in ["singles", "heterogeneous", "gaussian_only"] {
        for case in cases(&vectors, section) {
            let id = case["id"].as_str().unwrap();
            let Some(expected) = case["pld_eps"].as_f64() else { continue };
            let profile = PrivacyProfile::new(&phases(case), 1e-12).unwrap();
            let actual = profile.epsilon(case["delta"].as_f64().unwrap());
            assert!((actual - expected).abs() <= (1e-4 * expected).max(1e-4), "{id}: {actual} is not {expected}");
            // The reference's own rounding is about 1e-12.
            let (actual, expected) = (profile.delta(1.0), case["pld_delta_at_1"].as_f64().unwrap());
            assert!(
                (actual - expected).abs() <= 2e-3 * expected + 5e-12,
                "{id}: {actual:e} at epsilon 1 is not {expected:e}"
            );
        }
    }
}

/// A section that a later file adds must not go by untested; `extremes` has no cases, that suite is `extremes.rs`.
#[test]
fn vector_sections_are_all_tested() {
    let Some(vectors) = vectors() else { return };
    let known = [
        "singles",
        "heterogeneous",
        "gaussian_only",
        "calibration",
        "replace_one_pld",
        "truncated_poisson_pld",
        "fixed_size_wor_rdp",
        "repeat_and_select_rdp",
    ];
    let lists =
        vectors.as_object().unwrap().iter().filter(|(_, value)| value.as_array().is_some_and(|l| !l.is_empty()));
    let unknown: Vec<&String> = lists.map(|(name, _)| name).filter(|name| !known.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(vectors["format"], "cloister.dp_vectors.v1");
}
