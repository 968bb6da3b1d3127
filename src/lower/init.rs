//! Starting values of the parameters: a pure function of seed, name and element.

use super::program::{Init, Parameter};
use crate::random::{Purpose, key, mix, normal, text_key, uniform};

/// The starting values of one parameter.
pub fn draw(parameter: &Parameter, seed: u64) -> Vec<f32> {
    let key = key(Purpose::Init, &[seed, text_key(&parameter.name)]);
    let elements = 0..parameter.elements() as u64;
    match parameter.init {
        Init::Constant { value } => vec![value; parameter.elements()],
        Init::Normal { std } => elements.map(|i| std * normal(key, i)).collect(),
        Init::Uniform { bound } => elements.map(|i| bound * (2.0 * uniform(key, i) - 1.0)).collect(),
        Init::TruncatedNormal { deviation } => elements.map(|i| deviation * truncated(key, i)).collect(),
    }
}

/// Standard normal within ±2. Each try draws under a key of its own; one in 22 is thrown away, so that the last of them
/// is never reached.
fn truncated(key: u64, index: u64) -> f32 {
    (0..64).map(|attempt| normal(mix(key ^ mix(attempt)), index)).find(|x| x.abs() <= 2.0).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::program::Role;

    fn parameter(init: Init) -> Parameter {
        Parameter { name: "conv1.weight".into(), dims: vec![64, 64, 3, 3], role: Role::ConvWeight, init }
    }

    #[test]
    fn normal_has_the_std_asked_for() {
        let weights = draw(&parameter(Init::Normal { std: 0.1 }), 3);
        let variance = weights.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / weights.len() as f64;
        assert!((variance.sqrt() - 0.1).abs() < 0.002);
    }

    #[test]
    fn truncated_normal_has_its_moments_and_no_tails() {
        let weights = draw(&parameter(Init::TruncatedNormal { deviation: 0.5 }), 3);
        let moment = |n: i32| weights.iter().map(|w| f64::from(*w).powi(n)).sum::<f64>() / weights.len() as f64;
        // Four standard errors over 36 864 numbers. The fourth moment of a normal cut off at ±2 is 1.4162.
        assert!(moment(1).abs() < 0.0092, "{}", moment(1));
        assert!((moment(2).sqrt() / 0.5 - Init::TRUNCATION).abs() < 0.011, "{}", moment(2));
        assert!((moment(4) / 0.5f64.powi(4) - 1.4162).abs() < 0.06, "{}", moment(4));
        let (least, most) = weights.iter().fold((0f32, 0f32), |(low, high), w| (low.min(*w), high.max(*w)));
        assert!((-1.0..-0.98).contains(&least) && most > 0.98 && most <= 1.0, "{least} {most}");
    }

    #[test]
    fn seed_and_name_decide() {
        let one = parameter(Init::Uniform { bound: 0.5 });
        assert_eq!(draw(&one, 3), draw(&one, 3));
        assert_ne!(draw(&one, 3), draw(&one, 4));
        let other = Parameter { name: "conv2.weight".into(), ..one.clone() };
        assert_ne!(draw(&one, 3), draw(&other, 3));
        assert!(draw(&one, 3).iter().all(|w| (-0.5..0.5).contains(w)));
    }
}
