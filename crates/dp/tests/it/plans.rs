//! The plan refuses what it cannot promise, and everything built from it agrees with it.

use cloister_dp::accountant::epsilon;
use cloister_dp::{
    Adjacency, Error, MAX_SIGMA, NoiseLevel, Phase, PlanRequest, PrivacyPlan, Sampling, Unit, calibrate_sigma,
};

fn request() -> PlanRequest {
    PlanRequest {
        unit: Unit::Record,
        units: 2_000,
        sampling: Sampling::ExpectedBatch(100.0),
        steps: 60,
        clip_norm: 0.5,
        noise: NoiseLevel::Sigma(1.2),
        delta: None,
        unit_cap: 1,
    }
}

fn refusal(change: impl FnOnce(&mut PlanRequest)) -> Error {
    let mut request = request();
    change(&mut request);
    PrivacyPlan::build(&request).unwrap_err()
}

#[test]
fn a_plan_agrees_with_the_accountant() {
    let plan = PrivacyPlan::build(&request()).unwrap();
    let phase = Phase { q: 0.05, sigma: 1.2, steps: 60 };
    let found = epsilon(&[phase], plan.delta()).unwrap();
    assert_eq!(
        (plan.epsilon(), plan.epsilon_pld(), plan.epsilon_rdp()),
        (found.epsilon, found.epsilon_pld, found.epsilon_rdp)
    );
    assert_eq!((plan.q(), plan.sigma(), plan.steps(), plan.denominator()), (0.05, 1.2, 60, 100.0));
    assert_eq!(plan.adjacency(), Adjacency::ZeroOut);
    assert!(plan.is_private());
}

#[test]
fn a_target_is_met_and_the_rate_decides_the_adjacency() {
    let mut wanted = request();
    wanted.noise = NoiseLevel::Epsilon(3.0);
    wanted.sampling = Sampling::Rate { q: 0.04, denominator: 77.0 };
    wanted.unit = Unit::Subject;
    wanted.unit_cap = 4;
    let plan = PrivacyPlan::build(&wanted).unwrap();
    assert!(plan.epsilon() <= 3.0 && plan.epsilon() > 2.99);
    assert_eq!(plan.sigma(), calibrate_sigma(3.0, plan.delta(), 0.04, 60).unwrap().sigma);
    assert_eq!((plan.adjacency(), plan.denominator(), plan.unit_cap()), (Adjacency::AddRemove, 77.0, 4));
}

#[test]
fn the_default_delta_is_below_one_over_n() {
    let plan = PrivacyPlan::build(&request()).unwrap();
    assert_eq!(plan.delta(), 1e-5);
    let mut large = request();
    large.units = 1_000_000;
    assert_eq!(PrivacyPlan::build(&large).unwrap().delta(), 1e6_f64.powf(-1.1));
}

#[test]
fn every_value_out_of_range_has_its_own_refusal() {
    let tiny = 1.0 / 2_000.0;
    assert_eq!(refusal(|r| r.delta = Some(tiny)), Error::DeltaAboveUnits { delta: tiny, units: 2_000 });
    assert!(refusal(|r| r.delta = Some(0.01)).to_string().contains("delta > 1/N"));
    assert_eq!(refusal(|r| r.delta = Some(0.0)), Error::Delta { delta: 0.0 });
    assert!(matches!(refusal(|r| r.delta = Some(f64::NAN)), Error::Delta { .. }));
    assert_eq!(refusal(|r| r.units = 0), Error::NoUnits);
    assert!(matches!(refusal(|r| r.units = u64::MAX), Error::TooManyUnits { .. }));
    assert_eq!(refusal(|r| r.steps = 0), Error::NoSteps);
    for batch in [0.0, -3.0, 2_001.0, f64::INFINITY, f64::NAN] {
        assert!(
            matches!(refusal(|r| r.sampling = Sampling::ExpectedBatch(batch)), Error::ExpectedBatch { .. }),
            "{batch}"
        );
    }
    for q in [0.0, 1.5, -0.1, f64::NAN] {
        let sampling = Sampling::Rate { q, denominator: 10.0 };
        assert!(matches!(refusal(|r| r.sampling = sampling), Error::SamplingRate { .. }), "{q}");
    }
    for denominator in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        let sampling = Sampling::Rate { q: 0.1, denominator };
        assert!(matches!(refusal(|r| r.sampling = sampling), Error::Denominator { .. }), "{denominator}");
    }
    for clip_norm in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        assert!(matches!(refusal(|r| r.clip_norm = clip_norm), Error::ClipNorm { .. }), "{clip_norm}");
    }
    for sigma in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(refusal(|r| r.noise = NoiseLevel::Sigma(sigma)), Error::Sigma { .. }), "{sigma}");
    }
    assert!(matches!(refusal(|r| r.noise = NoiseLevel::Sigma(2.0 * MAX_SIGMA)), Error::SigmaRange { .. }));
    for target in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(refusal(|r| r.noise = NoiseLevel::Epsilon(target)), Error::Epsilon { .. }), "{target}");
    }
    assert_eq!(refusal(|r| r.unit_cap = 2), Error::UnitCap { unit: Unit::Record, cap: 2 });
    assert!(matches!(refusal(|r| (r.unit, r.unit_cap) = (Unit::Subject, 0)), Error::UnitCap { .. }));
}

#[test]
fn progress_is_monotone_and_ends_at_epsilon() {
    let plan = PrivacyPlan::build(&request()).unwrap();
    let mut last = plan.epsilon_after(0).unwrap();
    assert_eq!(last, 0.0);
    for step in 1..=60 {
        let here = plan.epsilon_after(step).unwrap();
        let exact = epsilon(&[Phase { q: 0.05, sigma: 1.2, steps: step }], plan.delta()).unwrap().epsilon;
        assert!(here >= last && here >= exact, "step {step}: {here}, before {last}, exact {exact}");
        last = here;
    }
    assert_eq!(last, plan.epsilon());
    assert_eq!(plan.epsilon_after(61), Err(Error::StepOutOfRange { step: 61, steps: 60 }));

    let curve = plan.curve(7).unwrap();
    assert_eq!(curve.len(), 7);
    assert_eq!((curve[0], curve[6]), ((0, 0.0), (60, plan.epsilon())));
    assert!(curve.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
    for (steps, value) in curve {
        assert!(value <= plan.epsilon_after(steps).unwrap());
    }
    assert_eq!(plan.curve(1_000).unwrap().len(), 61);
}

#[test]
fn a_request_survives_its_file_and_a_plan_shows_every_decision() {
    for change in [
        |_: &mut PlanRequest| (),
        |r: &mut PlanRequest| r.sampling = Sampling::Rate { q: 0.01, denominator: 20.0 },
        |r: &mut PlanRequest| (r.unit, r.unit_cap, r.noise) = (Unit::Subject, 5, NoiseLevel::Epsilon(8.0)),
    ] {
        let mut request = request();
        change(&mut request);
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<PlanRequest>(&text).unwrap(), request, "{text}");
    }
    let plan = PrivacyPlan::build(&request()).unwrap();
    let json = serde_json::to_value(&plan).unwrap();
    let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "unit",
            "adjacency",
            "units",
            "q",
            "steps",
            "sigma",
            "clip_norm",
            "denominator",
            "delta",
            "epsilon",
            "epsilon_pld",
            "epsilon_rdp",
            "accountant",
            "unit_cap",
            "sampler",
            "not_covered",
        ]
    );
    assert_eq!((&json["unit"], &json["adjacency"]), (&"record".into(), &"zero-out".into()));
    let printed = plan.to_string();
    for part in ["zero-out", "0.05", "60", "1.2", "0.5", "100", "1e-5", "PLD", "RDP", "Poisson", "hyperparameters"] {
        assert!(printed.contains(part), "{part} is missing in {printed}");
    }
    assert_eq!(plan.describe().iter().filter(|(name, _)| name == "not covered").count(), plan.not_covered().len());
    // the records of one subject together are what a plan by subject covers
    let spread = "records about one subject that are spread over several units";
    let by_subject = PrivacyPlan::build(&PlanRequest { unit: Unit::Subject, unit_cap: 8, ..request() }).unwrap();
    assert!(plan.not_covered().contains(&spread) && !by_subject.not_covered().contains(&spread));
    assert_eq!(plan.not_covered()[1..], by_subject.not_covered()[1..]);
}

#[test]
fn released_noise_has_the_planned_scale() {
    let mut wanted = request();
    wanted.sampling = Sampling::Rate { q: 0.05, denominator: 8.0 };
    let plan = PrivacyPlan::build(&wanted).unwrap();
    let mut noise = plan.noise().unwrap();
    let dimension = 100_000;
    let mean = plan.privatise(plan.accumulator(dimension), &mut noise).unwrap();
    let scale = 1.2 * 0.5 / 8.0;
    let values = mean.as_slice().iter().map(|value| f64::from(*value) / scale);
    let variance = values.map(|value| value * value).sum::<f64>() / dimension as f64;
    assert!((variance - 1.0).abs() < 6.0 * (2.0 / dimension as f64).sqrt(), "{variance}");

    // The same sum with units in it has the same noise around the clipped mean.
    let mut sum = plan.accumulator(dimension);
    let gradient = vec![1.0_f32; dimension];
    (0..40).for_each(|_| sum.add(&gradient).unwrap());
    let mean = plan.privatise(sum, &mut noise).unwrap();
    let clipped = 40.0 * 0.5 / (dimension as f64).sqrt() / 8.0;
    let average = mean.as_slice().iter().map(|value| f64::from(*value)).sum::<f64>() / dimension as f64;
    assert!((average - clipped).abs() < 6.0 * scale / (dimension as f64).sqrt(), "{average} is not {clipped}");
}

#[test]
fn a_release_needs_its_own_plan_and_an_unspent_step() {
    let plan = PrivacyPlan::build(&request()).unwrap();
    let mut other = request();
    other.clip_norm = 5.0;
    let other = PrivacyPlan::build(&other).unwrap();
    let mut noise = plan.noise_after(58).unwrap();
    assert!(matches!(plan.privatise(other.accumulator(2), &mut noise), Err(Error::ForeignSum)));
    for _ in 0..2 {
        plan.privatise(plan.accumulator(2), &mut noise).unwrap();
    }
    assert!(matches!(plan.privatise(plan.accumulator(2), &mut noise), Err(Error::StepsSpent { steps: 60 })));
    assert!(matches!(plan.noise_after(61), Err(Error::StepOutOfRange { .. })));
}

#[test]
fn without_privacy_the_mean_is_plain() {
    let plan = PrivacyPlan::non_private(10, 4.0, 3).unwrap();
    assert!(!plan.is_private() && plan.epsilon().is_infinite() && plan.sigma() == 0.0);
    assert_eq!((plan.q(), plan.denominator()), (0.4, 4.0));
    assert_eq!(plan.epsilon_after(2), Ok(f64::INFINITY));
    let mut sum = plan.accumulator(2);
    sum.add(&[100.0, -2.0]).unwrap();
    sum.add(&[300.0, 1.0]).unwrap();
    let mean = plan.privatise(sum, &mut plan.noise().unwrap()).unwrap();
    assert_eq!(mean.as_slice(), [100.0, -0.25]);
    assert!(PrivacyPlan::non_private(0, 1.0, 1).is_err() && PrivacyPlan::non_private(10, 11.0, 1).is_err());
}

#[test]
fn the_sampler_draws_from_all_units() {
    let mut all = request();
    all.sampling = Sampling::Rate { q: 1.0, denominator: 1.0 };
    let plan = PrivacyPlan::build(&all).unwrap();
    assert_eq!(plan.sampler().unwrap().draw(), (0..2_000).collect::<Vec<_>>());
    let plan = PrivacyPlan::build(&request()).unwrap();
    let mut sampler = plan.sampler().unwrap();
    let drawn: usize = (0..200).map(|_| sampler.draw().len()).sum();
    let (mean, variance) = (20_000.0, 20_000.0 * 0.95_f64);
    assert!((drawn as f64 - mean).abs() < 6.0 * variance.sqrt(), "{drawn}");
}
