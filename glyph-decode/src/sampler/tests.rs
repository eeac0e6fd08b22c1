use super::*;

fn left(filter: &mut dyn LogitsFilter, values: &[f32], history: History<'_>) -> Vec<TokenId> {
    let mut logits = Logits::new(values.to_vec());
    filter.filter(&mut logits, history);
    let mut left: Vec<TokenId> = logits.iter().map(|(t, _)| t).collect();
    left.sort_unstable();
    left
}

/// Logits of the probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625.
fn halves() -> Vec<f32> {
    [0.5f32, 0.25, 0.125, 0.0625, 0.0625].map(f32::ln).to_vec()
}

fn generated(tokens: &[TokenId]) -> History<'_> {
    History {
        prompt: &[],
        generated: tokens,
    }
}

#[test]
fn truncating_filters_keep_what_their_papers_say() {
    let none = History::default();
    assert_eq!(left(&mut TopK(2), &halves(), none), [0, 1]);
    assert_eq!(left(&mut TopK(0), &halves(), none).len(), 5);
    assert_eq!(left(&mut TopP(0.7), &halves(), none), [0, 1]);
    assert_eq!(left(&mut TopP(0.76), &halves(), none), [0, 1, 2]);
    assert_eq!(left(&mut TopP(0.0), &halves(), none), [0]);
    assert_eq!(left(&mut TopP(1.0), &halves(), none).len(), 5);
    assert_eq!(left(&mut MinP(0.4), &halves(), none), [0, 1]);
    assert_eq!(left(&mut MinP(0.2), &halves(), none), [0, 1, 2]);
    // The entropy is 1.875 bits: the token of 2 bits is the most typical, then those of 1 and 3.
    assert_eq!(left(&mut TypicalP(0.2), &halves(), none), [1]);
    assert_eq!(left(&mut TypicalP(0.3), &halves(), none), [0, 1]);
    assert_eq!(left(&mut TypicalP(0.8), &halves(), none), [0, 1, 2]);
}

/// More tokens than are sorted at first, all equally likely or nearly so.
#[test]
fn a_nucleus_may_be_most_of_a_vocabulary() {
    let even = vec![0.0; 4096];
    let none = History::default();
    let kept = left(&mut TopP(0.25), &even, none);
    assert!(kept.iter().copied().eq(0..1024), "{}", kept.len());
    assert_eq!(left(&mut TopP(0.9999), &even, none).len(), 4096);
    let mut steep = even;
    steep[4000] = 20.0;
    assert_eq!(left(&mut TopP(0.9), &steep, none), [4000]);
}

#[test]
fn temperature_zero_is_greedy_and_others_scale() {
    assert_eq!(
        left(&mut Temperature(0.0), &halves(), History::default()),
        [0]
    );
    let mut logits = Logits::new(vec![1.0, -2.0]);
    Temperature(0.5).filter(&mut logits, History::default());
    assert_eq!((logits.get(0), logits.get(1)), (2.0, -4.0));
}

#[test]
fn penalties_count_as_documented() {
    let history = History {
        prompt: &[0],
        generated: &[1, 1, 2],
    };
    let run = |filter: &mut dyn LogitsFilter| {
        let mut logits = Logits::new(vec![2.0, 2.0, -2.0, 2.0]);
        filter.filter(&mut logits, history);
        (0..4).map(|t| logits.get(t)).collect::<Vec<_>>()
    };
    let mut all = RepetitionPenalty {
        penalty: 2.0,
        include_prompt: true,
    };
    assert_eq!(run(&mut all), [1.0, 1.0, -4.0, 2.0]);
    all.include_prompt = false;
    assert_eq!(run(&mut all), [2.0, 1.0, -4.0, 2.0]);
    assert_eq!(run(&mut PresencePenalty(0.5)), [2.0, 1.5, -2.5, 2.0]);
    assert_eq!(run(&mut FrequencyPenalty(0.5)), [2.0, 1.0, -2.5, 2.0]);
    assert_eq!(
        run(&mut LogitBias(vec![
            (3, f32::NEG_INFINITY),
            (0, 1.0),
            (99, 1.0)
        ])),
        [3.0, 2.0, -2.0, f32::NEG_INFINITY]
    );
}

#[test]
fn ngrams_do_not_repeat() {
    let values = [0.0; 6];
    let free = |n, tokens: &[TokenId]| left(&mut NoRepeatNgram(n), &values, generated(tokens));
    assert_eq!(free(3, &[1, 2, 3, 1, 2]), [0, 1, 2, 4, 5]);
    assert_eq!(free(2, &[1, 2, 1, 3, 1]), [0, 1, 4, 5]);
    assert_eq!(free(1, &[1, 4]), [0, 2, 3, 5]);
    assert_eq!(free(3, &[1]).len(), 6);
    assert_eq!(free(0, &[1, 1]).len(), 6);
}

#[test]
fn draws_follow_the_probabilities_and_the_seed() {
    let draw = |seed: u64| {
        let mut sampler = Sampler::seeded(seed);
        (0..4000)
            .map(|_| {
                sampler
                    .sample(&mut Logits::new(halves()), History::default())
                    .unwrap()
            })
            .collect::<Vec<_>>()
    };
    let tokens = draw(7);
    assert_eq!(tokens, draw(7));
    assert_ne!(tokens, draw(8));
    // The first draws of ChaCha8 with seed 7: they may not change from version to version.
    assert_eq!(tokens[..8], FIRST_DRAWS);
    for (token, p) in [0.5, 0.25, 0.125, 0.0625, 0.0625].into_iter().enumerate() {
        let share = tokens.iter().filter(|t| **t == token as TokenId).count() as f64 / 4000.0;
        // Five standard deviations.
        let far = 5.0 * (p * (1.0 - p) / 4000.0f64).sqrt();
        assert!((share - p).abs() < far, "token {token}: {share} of {p}");
    }
}

const FIRST_DRAWS: [TokenId; 8] = [0, 0, 1, 1, 1, 0, 0, 2];

#[test]
fn filters_run_in_order_and_nothing_left_is_an_error() {
    let mut sampler = Sampler::greedy()
        .with(LogitBias(vec![(0, -9.0)]))
        .with(TopK(1));
    let token = sampler.sample(&mut Logits::new(halves()), History::default());
    assert_eq!(token.unwrap(), 1);
    let nothing = Sampler::greedy().sample(&mut Logits::new(vec![f32::NAN; 3]), generated(&[1, 2]));
    let error = nothing.unwrap_err().to_string();
    assert!(error.contains('2'), "{error}");
}
