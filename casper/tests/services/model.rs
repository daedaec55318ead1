//! Random sequences of limits, requests and clones, against a model of what may come of them.

use std::{fmt::Debug, thread, time::Instant};

use casper::Error;
use proptest::{prelude::*, test_runner::TestRunner};

use crate::harness::{LONG, Outcome, Tested, text};

#[derive(Clone, Debug)]
enum Step<L, A> {
    Limit(L),
    Ask(A),
    /// Go on with a clone.
    Clone,
    /// Go on with a channel made of another one's socket.
    Socket,
}

/// Whether a service does what its model says, whatever it is asked.
///
/// - `limit` limits a channel; `narrows` says whether that may be, and changes the model (`None`: without
///   limits) accordingly;
/// - `ask` asks something, and says whether what came of it is as the model has it.
pub(crate) fn check<T: Tested, M: Clone + Debug, L: Clone + Debug, A: Clone + Debug>(
    service: &T,
    limits: impl Strategy<Value = L>,
    asks: impl Strategy<Value = A>,
    limit: &mut dyn FnMut(&T, &L) -> Result<(), Error>,
    narrows: &mut dyn FnMut(&mut Option<M>, &L) -> bool,
    ask: &mut dyn FnMut(&T, &Option<M>, &A) -> bool,
) -> Outcome {
    let step = prop_oneof![
        3 => limits.prop_map(Step::Limit),
        8 => asks.prop_map(Step::Ask),
        1 => Just(Step::Clone),
        1 => Just(Step::Socket),
    ];
    let mut runner = runner();
    let cells = std::cell::RefCell::new((limit, narrows, ask));
    runner
        .run(&prop::collection::vec(step, 1..24), |steps| {
            let mut cells = cells.borrow_mut();
            let (limit, narrows, ask) = &mut *cells;
            let mut client = again(|| service.another())?;
            let mut model: Option<M> = None;
            for step in steps {
                match &step {
                    Step::Limit(limits) => {
                        let before = model.clone();
                        let expected = narrows(&mut model, limits);
                        let got = limit(&client, limits);
                        let refused = matches!(got, Err(Error::NotCapable { .. }));
                        let right = if expected { got.is_ok() } else { refused };
                        prop_assert!(right, "{:?} within {:?}: {:?}", limits, before, got);
                    }
                    Step::Ask(asked) => {
                        let right = ask(&client, &model, asked);
                        prop_assert!(right, "{:?} within {:?}", asked, model);
                    }
                    Step::Clone => client = again(|| client.another())?,
                    Step::Socket => client = again(|| client.by_socket())?,
                }
            }
            Ok(())
        })
        .map_err(text)
}

/// Connections that were closed are not gone at once.
pub(crate) fn again<C>(connect: impl Fn() -> Result<C, Error>) -> Result<C, TestCaseError> {
    let deadline = Instant::now() + LONG;
    loop {
        match connect() {
            Err(Error::Busy { .. }) if Instant::now() < deadline => thread::yield_now(),
            other => return other.map_err(|error| TestCaseError::fail(error.to_string())),
        }
    }
}

/// The same in every run, of which nothing is kept.
pub(crate) fn runner() -> TestRunner {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let random = proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm);
    TestRunner::new_with_rng(config, random)
}
