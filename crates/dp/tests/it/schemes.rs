//! Plans on shuffled data and with a largest batch, groups and caps of a plan: all from the same numbers.

use cloister_dp::accountant::{epsilon, epsilon_of};
use cloister_dp::{
    Adjacency, Error, Mechanism, NoiseLevel, Phase, PlanRequest, PrivacyPlan, Sampling, Unit, calibrate_sigma,
};

fn request(sampling: Sampling) -> PlanRequest {
    PlanRequest {
        unit: Unit::Record,
        units: 1_003,
        sampling,
        steps: 26,
        clip_norm: 1.0,
        noise: NoiseLevel::Sigma(2.5),
        delta: None,
        unit_cap: 1,
    }
}

/// 1,003 units in batches of 100: 11 steps a pass, and 26 steps touch three passes.
#[test]
fn a_shuffled_plan_pays_for_every_pass_in_full() {
    let plan = PrivacyPlan::build(&request(Sampling::Shuffled { batch: 100 })).unwrap();
    let passes = epsilon(&[Phase { q: 1.0, sigma: 2.5, steps: 3 }], plan.delta()).unwrap();
    assert_eq!((plan.epsilon(), plan.epsilon_rdp()), (passes.epsilon, passes.epsilon_rdp));
    let mechanism = Mechanism::Shuffled { sigma: 2.5, passes: 3 };
    assert_eq!(plan.epsilon(), epsilon_of(&[mechanism], plan.adjacency(), plan.delta()).unwrap().epsilon);
    assert_eq!((plan.adjacency(), plan.q(), plan.denominator()), (Adjacency::ZeroOut, 1.0, 100.0));
    assert_eq!((plan.sampler_name(), plan.expected_batch(), plan.steps()), ("shuffled", 100.0, 26));
    // Within a pass nothing more is spent; the first step of the next pass spends all of it.
    let at: Vec<f64> = (0..=26).map(|step| plan.epsilon_after(step).unwrap()).collect();
    assert!(at[0] == 0.0 && at[1] == at[11] && at[12] > at[11] && at[12] == at[22] && at[23] > at[22]);
    assert!(at.is_sorted() && at[26] == plan.epsilon());
    assert!(plan.to_string().contains("without amplification"));
    // Poisson sampling of the same batches is what amplification is worth.
    let poisson = PrivacyPlan::build(&request(Sampling::ExpectedBatch(100.0))).unwrap();
    assert!(poisson.epsilon() < 0.6 * plan.epsilon(), "{} and {}", poisson.epsilon(), plan.epsilon());
}

#[test]
fn the_sampler_of_a_shuffled_plan_takes_each_unit_once_a_pass() {
    let plan = PrivacyPlan::build(&request(Sampling::Shuffled { batch: 100 })).unwrap();
    let mut sampler = plan.sampler().unwrap();
    for _ in 0..2 {
        let mut pass: Vec<usize> = (0..11).flat_map(|_| sampler.draw()).collect();
        assert_eq!(pass.len(), 1_003);
        pass.sort_unstable();
        pass.dedup();
        assert_eq!(pass.len(), 1_003);
    }
}

#[test]
fn a_shuffled_plan_meets_its_target_and_resumes_only_between_passes() {
    let mut wanted = request(Sampling::Shuffled { batch: 100 });
    wanted.noise = NoiseLevel::Epsilon(3.0);
    let plan = PrivacyPlan::build(&wanted).unwrap();
    assert!(plan.epsilon() <= 3.0 && plan.epsilon() > 2.99);
    assert_eq!(plan.sigma(), calibrate_sigma(3.0, plan.delta(), 1.0, 3).unwrap().sigma);
    for step in [0, 11, 22, 26] {
        assert!(plan.noise_after(step).is_ok(), "{step}");
    }
    for step in [1, 10, 25] {
        assert!(matches!(plan.noise_after(step), Err(Error::MidPass { pass: 11, .. })), "{step}");
    }
    assert!(matches!(plan.noise_after(27), Err(Error::StepOutOfRange { .. })));
    for batch in [0, 1_004] {
        let error = PrivacyPlan::build(&request(Sampling::Shuffled { batch })).unwrap_err();
        assert_eq!(error, Error::BatchSize { batch, units: 1_003 });
    }
    let text = serde_json::to_string(&wanted).unwrap();
    assert_eq!(serde_json::from_str::<PlanRequest>(&text).unwrap(), wanted, "{text}");
}

#[test]
fn a_plan_answers_for_groups_caps_and_every_delta() {
    let plan = PrivacyPlan::build(&request(Sampling::ExpectedBatch(100.3))).unwrap();
    let (q, sigma, steps) = (plan.q(), plan.sigma(), plan.steps());
    let group = Mechanism::PoissonGroup { q, sigma, steps, records: 4 };
    let four = epsilon_of(&[group], Adjacency::ZeroOut, plan.delta()).unwrap().epsilon;
    assert_eq!(plan.group_epsilon(4), Ok(four));
    assert_eq!((plan.group_epsilon(0), plan.group_epsilon(1)), (Ok(0.0), Ok(plan.epsilon())));
    assert!(four > plan.epsilon());

    let cap = plan.safe_cap(1e-3).unwrap();
    let cut = Mechanism::TruncatedPoisson { q, sigma, steps, units: 1_003, cap };
    let cost = epsilon_of(&[cut], Adjacency::ZeroOut, plan.delta()).unwrap().epsilon;
    assert!(cap > 100 && cap < 200 && cost <= plan.epsilon_pld() * 1.001, "{cap}: {cost}");

    let profile = plan.profile(1e-9).unwrap();
    assert!((profile.epsilon(plan.delta()) - plan.epsilon_pld()).abs() < 1e-4);

    let shuffled = PrivacyPlan::build(&request(Sampling::Shuffled { batch: 100 })).unwrap();
    let three = epsilon(&[Phase { q: 1.0, sigma: 2.5 / 3.0, steps: 3 }], plan.delta()).unwrap().epsilon;
    assert!((shuffled.group_epsilon(3).unwrap() - three).abs() < 1e-9 * three);
    assert_eq!(shuffled.safe_cap(0.5), Ok(100));

    let open = PrivacyPlan::non_private(10, 4.0, 3).unwrap();
    assert!(open.group_epsilon(2).is_err() && open.safe_cap(0.1).is_err() && open.profile(1e-6).is_err());
}

fn truncated(cap: Option<u64>) -> PlanRequest {
    request(Sampling::TruncatedPoisson { batch: 100.3, cap })
}

#[test]
fn a_truncated_plan_is_accounted_for_as_what_it_draws() {
    let plan = PrivacyPlan::build(&truncated(Some(110))).unwrap();
    let (q, sigma, steps) = (plan.q(), plan.sigma(), plan.steps());
    let mechanism = Mechanism::TruncatedPoisson { q, sigma, steps, units: 1_003, cap: 110 };
    let found = epsilon_of(&[mechanism], Adjacency::ZeroOut, plan.delta()).unwrap();
    assert_eq!((plan.epsilon(), plan.epsilon_pld(), plan.epsilon_rdp()), {
        (found.epsilon, found.epsilon_pld, found.epsilon_rdp)
    });
    let poisson = PrivacyPlan::build(&request(Sampling::ExpectedBatch(100.3))).unwrap();
    assert!(plan.epsilon() > 1.2 * poisson.epsilon(), "a narrow cap costs");
    assert_eq!((plan.adjacency(), plan.q(), plan.denominator()), (Adjacency::ZeroOut, 100.3 / 1_003.0, 100.3));
    assert_eq!((plan.sampler_name(), plan.cap(), plan.expected_batch()), ("truncated-poisson", Some(110), 100.3));
    let mut sampler = plan.sampler().unwrap();
    let sizes: Vec<usize> = (0..200).map(|_| sampler.draw().len()).collect();
    assert!(sizes.iter().all(|size| *size <= 110) && sizes.contains(&110));
    assert!(plan.to_string().contains("more than 110 are cut"));
    assert_eq!(serde_json::to_value(&plan).unwrap()["cap"], 110);

    let at: Vec<f64> = (0..=26).map(|step| plan.epsilon_after(step).unwrap()).collect();
    assert!(at.is_sorted() && at[0] == 0.0 && at[26] == plan.epsilon());
    let curve = plan.curve(5).unwrap();
    assert!(curve.is_sorted_by(|a, b| a.1 <= b.1) && curve[4] == (26, plan.epsilon()));
    assert!(plan.group_epsilon(2).unwrap() > plan.epsilon(), "and it is a bound for two units");
    assert!(plan.profile(1e-9).unwrap().epsilon(plan.delta()) <= plan.epsilon_pld() + 1e-4);
}

#[test]
fn the_plan_finds_a_cap_that_costs_next_to_nothing() {
    let poisson = PrivacyPlan::build(&request(Sampling::ExpectedBatch(100.3))).unwrap();
    let plan = PrivacyPlan::build(&truncated(None)).unwrap();
    assert_eq!(plan.cap(), Some(poisson.safe_cap(1e-3).unwrap()));
    assert!(plan.epsilon() <= 1.001 * poisson.epsilon() + 1e-9, "{} and {}", plan.epsilon(), poisson.epsilon());

    let mut wanted = truncated(None);
    wanted.noise = NoiseLevel::Epsilon(2.0);
    let plan = PrivacyPlan::build(&wanted).unwrap();
    let without = calibrate_sigma(2.0, plan.delta(), plan.q(), 26).unwrap().sigma;
    assert!(plan.epsilon() <= 2.0 && plan.epsilon() > 1.99);
    assert!(plan.sigma() >= without && plan.sigma() < 1.002 * without, "{} and {without}", plan.sigma());
    wanted.sampling = Sampling::TruncatedPoisson { batch: 100.3, cap: plan.cap() };
    assert_eq!(PrivacyPlan::build(&wanted).unwrap(), plan, "the same cap, named");
}

#[test]
fn a_cap_out_of_range_is_refused_and_one_that_is_never_reached_is_free() {
    let refused = |request: &PlanRequest| PrivacyPlan::build(request).unwrap_err();
    assert_eq!(refused(&truncated(Some(100))), Error::CapBelowBatch { cap: 100, batch: 100.3 });
    assert_eq!(refused(&truncated(Some(0))), Error::CapBelowBatch { cap: 0, batch: 100.3 });
    let sampling = Sampling::TruncatedPoisson { batch: 2_000.0, cap: Some(3_000) };
    assert!(matches!(refused(&request(sampling)), Error::ExpectedBatch { .. }));
    let plan = PrivacyPlan::build(&truncated(Some(u64::MAX))).unwrap();
    let poisson = PrivacyPlan::build(&request(Sampling::ExpectedBatch(100.3))).unwrap();
    assert_eq!((plan.epsilon(), plan.cap()), (poisson.epsilon(), Some(1_003)));
    for cap in [None, Some(120)] {
        let wanted = truncated(cap);
        let text = serde_json::to_string(&wanted).unwrap();
        assert_eq!(serde_json::from_str::<PlanRequest>(&text).unwrap(), wanted, "{text}");
    }
}

/// A unit takes part once in a pass, also when the run was interrupted in the middle of it.
#[test]
fn a_resumed_pass_draws_the_units_that_were_left() {
    let plan = PrivacyPlan::build(&request(Sampling::Shuffled { batch: 100 })).unwrap();
    let mut sampler = plan.sampler().unwrap();
    let mut drawn: Vec<usize> = (0..14).flat_map(|_| sampler.draw()).skip(1_003).collect();
    let left = sampler.left_in_pass().unwrap().to_vec();
    let (mut sampler, mut noise) = plan.resume(14, 0, Some(&left)).unwrap();
    drawn.extend((14..22).flat_map(|_| sampler.draw()));
    drawn.sort_unstable();
    assert_eq!(drawn, (0..1_003).collect::<Vec<_>>());
    for _ in 14..26 {
        plan.privatise(plan.accumulator(1), &mut noise).unwrap();
    }
    assert!(matches!(plan.privatise(plan.accumulator(1), &mut noise), Err(Error::StepsSpent { .. })));

    assert_eq!(plan.resume(14, 0, None).err(), Some(Error::MidPass { step: 14, pass: 11 }));
    assert_eq!(plan.resume(15, 0, Some(&left)).err(), Some(Error::PassOrder { expected: 603 }));
    assert!(matches!(plan.resume(27, 0, Some(&left)).err(), Some(Error::StepOutOfRange { .. })));
    // Of the steps done, those that were lost are no part of the pass.
    assert_eq!(plan.resume(17, 3, Some(&left)).unwrap().0.draw().len(), 100);
    assert!(plan.resume(2, 3, Some(&left)).is_err());
    assert!(plan.resume(22, 0, Some(&[])).is_ok() && plan.resume(11, 0, None).is_ok());
    let poisson = PrivacyPlan::build(&request(Sampling::ExpectedBatch(100.3))).unwrap();
    assert!(poisson.sampler().unwrap().left_in_pass().is_none() && poisson.resume(7, 0, None).is_ok());
}
