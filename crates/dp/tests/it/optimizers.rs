//! Optimisers against trajectories computed independently in double precision.

use cloister_dp::{Error, NoisyMean, Optimizer, OptimizerConfig, OptimizerState, PrivacyPlan};

/// A gradient passed through a plan without privacy, the only way to know it exactly.
fn exact(gradient: &[f32]) -> NoisyMean {
    let plan = PrivacyPlan::non_private(10, 1.0, 1).unwrap();
    let mut sum = plan.accumulator(gradient.len());
    sum.add(gradient).unwrap();
    plan.privatise(sum, &mut plan.noise().unwrap()).unwrap()
}

fn trajectory(config: OptimizerConfig) -> Vec<f32> {
    let mut optimizer = Optimizer::new(config, 1).unwrap();
    let mut parameters = [1.0_f32];
    let step = |gradient: f32| {
        optimizer.step(&mut parameters, &exact(&[gradient]), 0.1).unwrap();
        parameters[0]
    };
    [1.0, -2.0, 0.5, 0.0].into_iter().map(step).collect()
}

fn assert_close(actual: &[f32], expected: &[f32]) {
    assert_eq!(actual.len(), expected.len());
    for (actual, expected) in actual.iter().zip(expected) {
        assert!((actual - expected).abs() < 2e-6, "{actual} is not {expected}");
    }
}

#[test]
fn adam_follows_its_paper() {
    let adam = trajectory(OptimizerConfig::adam());
    assert_close(&adam, &[0.9, 0.936_610_4, 0.950_279_4, 0.961_476_3]);
    let decayed = OptimizerConfig::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 };
    assert_close(&trajectory(decayed), &[0.899, 0.934_711_4, 0.947_445_7, 0.957_695_1]);
}

#[test]
fn sgd_with_and_without_momentum() {
    assert_close(&trajectory(OptimizerConfig::Sgd { momentum: 0.9 }), &[0.9, 1.01, 1.059, 1.1031]);
    assert_close(&trajectory(OptimizerConfig::sgd()), &[0.9, 1.1, 1.05, 1.05]);
}

#[test]
fn a_restored_optimizer_continues_bit_for_bit() {
    for config in [OptimizerConfig::adam(), OptimizerConfig::Sgd { momentum: 0.5 }, OptimizerConfig::sgd()] {
        let gradients = [exact(&[0.3, -1.0]), exact(&[-0.2, 4.0]), exact(&[1.0, 0.01])];
        let mut straight = Optimizer::new(config, 2).unwrap();
        let mut parameters = [0.5, -0.5];
        for gradient in &gradients {
            straight.step(&mut parameters, gradient, 0.01).unwrap();
        }

        let mut before = Optimizer::new(config, 2).unwrap();
        let mut resumed_parameters = [0.5, -0.5];
        before.step(&mut resumed_parameters, &gradients[0], 0.01).unwrap();
        let bytes = before.state().to_bytes();
        let mut after = Optimizer::new(config, 2).unwrap();
        after.restore(OptimizerState::from_bytes(&bytes).unwrap()).unwrap();
        for gradient in &gradients[1..] {
            after.step(&mut resumed_parameters, gradient, 0.01).unwrap();
        }
        assert_eq!(parameters, resumed_parameters);
        assert_eq!(straight, after);
    }
}

#[test]
fn damaged_or_foreign_states_are_refused() {
    let bytes = Optimizer::new(OptimizerConfig::adam(), 3).unwrap().state().to_bytes();
    for length in 0..bytes.len() {
        assert!(matches!(OptimizerState::from_bytes(&bytes[..length]), Err(Error::OptimizerState { .. })));
    }
    let mut huge = bytes.clone();
    huge[8..24].fill(0xff);
    assert_eq!(OptimizerState::from_bytes(&huge), Err(Error::OptimizerState { offset: 24 }));
    let mut other = Optimizer::new(OptimizerConfig::adam(), 2).unwrap();
    let state = OptimizerState::from_bytes(&bytes).unwrap();
    assert_eq!(other.restore(state), Err(Error::Length { expected: 2, actual: 3 }));
    assert_eq!(other.step(&mut [0.0; 3], &exact(&[1.0; 2]), 0.1), Err(Error::Length { expected: 2, actual: 3 }));
    let bad = OptimizerConfig::Adam { beta1: 1.0, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
    assert!(matches!(Optimizer::new(bad, 1), Err(Error::OptimizerParameter { name: "beta1", .. })));
}
