//! Pools of threads, with a clock that the tests set.

use std::{
    error::Error,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::Frames;

use super::{Builder, Pool, PoolError, Started};
use crate::{
    CallError, End,
    call::{Client, Fate, Peer, serve},
};

const LONG: Duration = Duration::from_secs(20);

/// What a worker is asked to do.
const ECHO: u8 = 0;
const DIE: u8 = 1;
const PANIC: u8 = 2;
const HANG: u8 = 3;

/// A clock that stands still.
#[derive(Clone)]
struct Clock {
    start: Instant,
    passed: Arc<Mutex<Duration>>,
}

impl Clock {
    fn new() -> Self {
        Self { start: Instant::now(), passed: Arc::default() }
    }

    fn advance(&self, time: Duration) {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }

    fn now(&self) -> Instant {
        self.start + *self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the tests see of the workers.
#[derive(Default)]
struct World {
    started: AtomicUsize,
    alive: AtomicUsize,
    hanging: AtomicUsize,
    failing: AtomicUsize,
}

impl World {
    fn wait_for(&self, what: impl Fn(&Self) -> &AtomicUsize, count: usize) {
        let deadline = Instant::now() + LONG;
        while what(self).load(SeqCst) != count {
            assert!(Instant::now() < deadline, "{} of {count}", what(self).load(SeqCst));
            thread::yield_now();
        }
    }
}

#[derive(Default)]
struct Thread {
    killed: Mutex<bool>,
    change: Condvar,
}

impl Thread {
    fn hang(&self) {
        let killed = self.killed.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.change.wait_while(killed, |killed| !*killed));
    }
}

impl Peer for Thread {
    fn name(&self) -> &'static str {
        "thread"
    }

    fn kill(&self) {
        *self.killed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.change.notify_all();
    }

    fn fate(&self, _within: Duration) -> Option<Fate> {
        Some(Fate::Died(End::Exited(9)))
    }
}

fn start(world: &Arc<World>) -> Result<Started, Box<dyn Error + Send + Sync>> {
    let failing = world.failing.load(SeqCst);
    if failing > 0 {
        world.failing.store(failing - 1, SeqCst);
        return Err("out of processes".into());
    }
    let (frames, there) = Frames::pair()?;
    world.started.fetch_add(1, SeqCst);
    world.alive.fetch_add(1, SeqCst);
    let (peer, world) = (Arc::new(Thread::default()), Arc::clone(world));
    let worker = Arc::clone(&peer);
    thread::spawn(move || {
        let _ = serve(there, |(what, text): (u8, String), turn| match what {
            ECHO => turn.reply(&text),
            // resume_unwind runs no hook: no message among those of the tests.
            PANIC => std::panic::resume_unwind(Box::new(text)),
            HANG => {
                world.hanging.fetch_add(1, SeqCst);
                worker.hang();
                world.hanging.fetch_sub(1, SeqCst);
                Err(capsicum_channel::Error::Closed)
            }
            _ => Err(capsicum_channel::Error::Closed),
        });
        world.alive.fetch_sub(1, SeqCst);
    });
    Ok(Started { frames, peer })
}

fn pool(set: impl FnOnce(Builder) -> Builder) -> (Pool<Client>, Arc<World>, Clock) {
    let (world, clock) = (Arc::new(World::default()), Clock::new());
    let workers = Arc::clone(&world);
    let builder = Pool::builder(move || start(&workers));
    let now = clock.clone();
    let pool = set(builder.clock(move || now.now())).build();
    (pool, world, clock)
}

/// What a call of a worker does.
fn ask(what: u8, text: &str) -> impl Fn(&Client) -> Result<String, CallError> + '_ {
    move |client| {
        client.start(&(what, text), |frame, caps| frame.decode::<String>(caps).map(Ok))?.wait()
    }
}

fn died<T: std::fmt::Debug>(result: Result<T, PoolError>) {
    match result {
        Err(PoolError::Call(CallError::Died { end: End::Exited(9), .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn calls_find_idle_workers_and_start_others_as_they_are_needed() {
    let (pool, world, _) = pool(|pool| pool.workers(3));
    for _ in 0..5 {
        assert_eq!(pool.call(ask(ECHO, "a")).expect("an echo"), "a");
    }
    assert_eq!(world.started.load(SeqCst), 1);
    let nested = pool.call(|client| {
        let inner = pool.call(ask(ECHO, "inner")).expect("another worker");
        assert_eq!(pool.statistics().busy, 1);
        ask(ECHO, &inner)(client)
    });
    assert_eq!(nested.expect("an echo"), "inner");
    let statistics = pool.statistics();
    assert_eq!((statistics.calls, statistics.starts, statistics.restarts), (7, 2, 0));
    assert_eq!((statistics.idle, statistics.busy, statistics.waiting), (2, 0, 0));
    assert_eq!(statistics.latency.count(), 7);
    drop(pool);
    world.wait_for(|world| &world.alive, 0);
}

#[test]
fn a_dead_worker_is_started_again_with_a_back_off() {
    let (pool, world, clock) =
        pool(|pool| pool.back_off(Duration::from_millis(10), Duration::from_millis(35)).queue(0));
    died(pool.call(ask(DIE, "")));
    // The first time at once; then after 10, 20, 35, 35 milliseconds.
    for (number, millis) in [0, 10, 20, 35, 35].into_iter().enumerate() {
        if millis > 0 {
            clock.advance(Duration::from_nanos(millis * 1_000_000 - 1));
            assert!(matches!(pool.try_call(ask(ECHO, "")), Err(PoolError::Full)));
            clock.advance(Duration::from_nanos(1));
        }
        assert_eq!(world.started.load(SeqCst), number + 1);
        died(pool.call(ask(DIE, "")));
    }
    clock.advance(Duration::from_millis(35));
    assert!(pool.call(ask(ECHO, "")).is_ok());
    // One that was well is replaced at once.
    died(pool.call(ask(DIE, "")));
    assert!(pool.call(ask(ECHO, "")).is_ok());
    let statistics = pool.statistics();
    assert_eq!((statistics.deaths, statistics.starts, statistics.restarts), (7, 8, 7));
    assert_eq!((statistics.calls, statistics.full), (9, 4));
}

#[test]
fn a_call_waits_for_the_back_off() {
    let world = Arc::new(World::default());
    let workers = Arc::clone(&world);
    let pool: Pool<Client> = Pool::builder(move || start(&workers))
        .back_off(Duration::from_millis(30), Duration::from_secs(1))
        .deadline(LONG)
        .build();
    died(pool.call(ask(DIE, "")));
    died(pool.call(ask(DIE, "")));
    let started = Instant::now();
    assert_eq!(pool.call(ask(ECHO, "late")).expect("an echo"), "late");
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(29) && took < LONG, "{took:?}");
}

#[test]
fn a_start_that_fails_is_told_and_backs_off() {
    let (pool, world, clock) = pool(|pool| pool.queue(0));
    world.failing.store(2, SeqCst);
    match pool.call(ask(ECHO, "")) {
        Err(PoolError::Start(error)) => assert_eq!(error.to_string(), "out of processes"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(pool.call(ask(ECHO, "")), Err(PoolError::Start(_))));
    assert!(matches!(pool.call(ask(ECHO, "")), Err(PoolError::Full)));
    clock.advance(Duration::from_millis(10));
    assert!(pool.call(ask(ECHO, "")).is_ok());
    let statistics = pool.statistics();
    assert_eq!((statistics.failed_starts, statistics.starts, statistics.calls), (2, 1, 1));
}

#[test]
fn an_input_that_killed_two_workers_is_not_tried_a_third_time() {
    let (pool, world, clock) = pool(|pool| pool.retries(5));
    let minute = Duration::from_secs(60);
    // Two workers in one call: the retries end there.
    let mut tries = 0;
    died(pool.call_with("poison", |client| {
        tries += 1;
        clock.advance(minute);
        ask(DIE, "")(client)
    }));
    assert_eq!((tries, world.started.load(SeqCst)), (2, 2));
    clock.advance(minute);
    let refused = pool.call_with("poison", |_| -> Result<(), CallError> { panic!("tried") });
    assert!(matches!(refused, Err(PoolError::Quarantined)));
    assert_eq!(pool.call_with("food", ask(ECHO, "good")).expect("an echo"), "good");
    assert_eq!(pool.statistics().quarantined, 1);
    // An input that a worker dies of once is tried again, and forgiven.
    let mut tries = 0;
    let result = pool.call_with("unlucky", |client| {
        tries += 1;
        clock.advance(minute);
        ask(if tries == 1 { DIE } else { ECHO }, "back")(client)
    });
    assert_eq!((result.expect("an echo"), tries), ("back".to_owned(), 2));
    let mut tries = 0;
    let result = pool.call_with("unlucky", |client| {
        tries += 1;
        ask(if tries == 1 { DIE } else { ECHO }, "back")(client)
    });
    assert!(result.is_ok());
}

#[test]
fn without_retries_a_death_is_told_at_once() {
    let (pool, _, clock) = pool(|pool| pool);
    for _ in 0..2 {
        died(pool.call_with(&7, ask(DIE, "")));
        clock.advance(Duration::from_secs(60));
    }
    assert!(matches!(pool.call_with(&7, ask(ECHO, "")), Err(PoolError::Quarantined)));
    assert!(pool.call_with(&8, ask(ECHO, "")).is_ok());
    // Where nobody says what the input is, there is no quarantine.
    assert!(pool.call(ask(ECHO, "")).is_ok());
}

#[test]
fn a_worker_is_recycled_after_so_many_calls() {
    let (pool, world, _) = pool(|pool| pool.recycle_after_calls(3));
    for _ in 0..7 {
        pool.call(ask(ECHO, "")).expect("an echo");
    }
    assert_eq!(world.started.load(SeqCst), 3);
    world.wait_for(|world| &world.alive, 1);
    let statistics = pool.statistics();
    assert_eq!((statistics.recycled, statistics.restarts, statistics.starts), (2, 0, 3));
}

#[test]
fn a_worker_is_recycled_after_so_many_bytes() {
    let (pool, world, _) = pool(|pool| pool.recycle_after_bytes(10_000));
    let text = "x".repeat(2_500);
    // Each call takes that much in both directions.
    for _ in 0..4 {
        pool.call(ask(ECHO, &text)).expect("an echo");
    }
    assert_eq!((world.started.load(SeqCst), pool.statistics().recycled), (2, 2));
}

#[test]
fn a_worker_is_recycled_after_a_panic_without_a_back_off() {
    let (pool, world, _) = pool(|pool| pool.queue(0));
    for _ in 0..4 {
        match pool.call(ask(PANIC, "oh")) {
            Err(PoolError::Call(CallError::Panicked { message, .. })) => assert_eq!(message, "oh"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.started.load(SeqCst), 4);
    let statistics = pool.statistics();
    assert_eq!((statistics.panics, statistics.recycled, statistics.restarts), (4, 4, 0));
}

#[test]
fn a_call_that_passes_its_deadline_takes_its_worker_along() {
    let world = Arc::new(World::default());
    let workers = Arc::clone(&world);
    let pool: Pool<Client> =
        Pool::builder(move || start(&workers)).deadline(Duration::from_millis(50)).build();
    let result = pool.call_with("slow", ask(HANG, ""));
    assert!(matches!(result, Err(PoolError::Call(CallError::Deadline { .. }))), "{result:?}");
    world.wait_for(|world| &world.alive, 0);
    assert!(pool.call(ask(ECHO, "")).is_ok());
    let statistics = pool.statistics();
    assert_eq!((statistics.deadlines, statistics.deaths, statistics.restarts), (1, 0, 1));
    assert!(pool.call_with("slow", ask(HANG, "")).is_err());
    assert!(matches!(pool.call_with("slow", ask(HANG, "")), Err(PoolError::Quarantined)));
}

#[test]
fn a_full_pool_refuses_and_a_queue_is_bounded() {
    let (pool, world, _) = pool(|pool| pool.workers(1).queue(2));
    thread::scope(|scope| {
        let busy = scope.spawn(|| pool.call(ask(HANG, "")));
        world.wait_for(|world| &world.hanging, 1);
        assert!(matches!(pool.try_call(ask(ECHO, "")), Err(PoolError::Full)));
        let waiting: Vec<_> =
            (0..2).map(|_| scope.spawn(|| pool.call(ask(ECHO, "waited")))).collect();
        while pool.statistics().waiting < 2 {
            thread::yield_now();
        }
        assert!(matches!(pool.call(ask(ECHO, "")), Err(PoolError::Full)));
        for peer in pool.busy() {
            peer.kill();
        }
        died(busy.join().expect("no panic"));
        for call in waiting {
            assert_eq!(call.join().expect("no panic").expect("an echo"), "waited");
        }
    });
    let statistics = pool.statistics();
    assert_eq!((statistics.full, statistics.calls, statistics.waiting), (2, 3, 0));
}

#[test]
fn waiting_ends_by_the_deadline() {
    let world = Arc::new(World::default());
    let workers = Arc::clone(&world);
    let pool: Pool<Client> = Pool::builder(move || start(&workers)).build();
    thread::scope(|scope| {
        let busy = scope.spawn(|| pool.call(ask(HANG, "")));
        world.wait_for(|world| &world.hanging, 1);
        let by = Some(Instant::now() + Duration::from_millis(20));
        let refused = pool.worker_by(by);
        assert!(matches!(refused, Err(PoolError::Deadline)), "{refused:?}");
        for peer in pool.busy() {
            peer.kill();
        }
        died(busy.join().expect("no panic"));
    });
    // With a worker that is free it has nothing to do, and leaves that one alone.
    assert!(pool.call(ask(ECHO, "")).is_ok());
    let refused = pool.worker_by(Some(Instant::now()));
    assert!(matches!(refused, Err(PoolError::Deadline)), "{refused:?}");
    assert_eq!((pool.statistics().idle, world.alive.load(SeqCst)), (1, 1));
}

#[test]
fn draining_lets_calls_end_and_refuses_others() {
    let (pool, world, _) = pool(|pool| pool.workers(2));
    assert!(pool.call(ask(ECHO, "")).is_ok());
    thread::scope(|scope| {
        let (begun, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (inside, may) = (Arc::clone(&begun), Arc::clone(&go));
        let pool = &pool;
        let running = scope.spawn(move || {
            pool.call(|client| {
                inside.store(1, SeqCst);
                while may.load(SeqCst) == 0 {
                    thread::yield_now();
                }
                ask(ECHO, "last")(client)
            })
        });
        while begun.load(SeqCst) == 0 {
            thread::yield_now();
        }
        let draining = scope.spawn(|| pool.drain(None));
        loop {
            match pool.try_call(ask(ECHO, "")) {
                Err(PoolError::Draining) => break,
                _ => thread::yield_now(),
            }
        }
        assert!(!draining.is_finished());
        go.store(1, SeqCst);
        assert_eq!(running.join().expect("no panic").expect("an echo"), "last");
        assert_eq!(draining.join().expect("no panic"), 0);
    });
    world.wait_for(|world| &world.alive, 0);
    assert!(matches!(pool.call(ask(ECHO, "")), Err(PoolError::Draining)));
    assert_eq!(pool.drain(None), 0);
}

#[test]
fn draining_ends_what_does_not_end_by_the_deadline() {
    let (pool, world, clock) = pool(|pool| pool.workers(1));
    thread::scope(|scope| {
        let stuck = scope.spawn(|| pool.call(ask(HANG, "")));
        world.wait_for(|world| &world.hanging, 1);
        let waiting = scope.spawn(|| pool.call(ask(ECHO, "")));
        while pool.statistics().waiting == 0 {
            thread::yield_now();
        }
        assert_eq!(pool.drain(Some(clock.now())), 1);
        died(stuck.join().expect("no panic"));
        assert!(matches!(waiting.join().expect("no panic"), Err(PoolError::Draining)));
    });
    world.wait_for(|world| &world.alive, 0);
}

#[test]
fn a_caller_that_panics_costs_its_worker() {
    let (pool, world, _) = pool(|pool| pool);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pool.call(|_| -> Result<(), CallError> { std::panic::resume_unwind(Box::new(())) })
    }));
    assert!(caught.is_err());
    world.wait_for(|world| &world.alive, 0);
    assert_eq!(pool.statistics().busy, 0);
    assert!(pool.call(ask(ECHO, "")).is_ok());
}

#[test]
fn many_threads_share_few_workers_some_of_which_die() {
    let world = Arc::new(World::default());
    let workers = Arc::clone(&world);
    let pool: Pool<Client> = Pool::builder(move || start(&workers))
        .workers(3)
        .back_off(Duration::from_micros(10), Duration::from_micros(100))
        .recycle_after_calls(50)
        .deadline(LONG)
        .build();
    thread::scope(|scope| {
        for number in 0..8 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..200 {
                    let text = format!("{number} {round}");
                    if round % 20 == number {
                        died(pool.call(ask(DIE, "")));
                    } else {
                        assert_eq!(pool.call(ask(ECHO, &text)).expect("an echo"), text);
                    }
                }
            });
        }
    });
    let statistics = pool.statistics();
    assert_eq!((statistics.calls, statistics.deaths), (1600, 80));
    assert_eq!((statistics.busy, statistics.waiting, statistics.full), (0, 0, 0));
    assert!(world.alive.load(SeqCst) <= 3 + 80 + 32, "bounded");
    drop(pool);
    world.wait_for(|world| &world.alive, 0);
}

#[test]
fn what_is_being_started_when_a_pool_is_drained_gets_no_call() {
    let (begun, may_end) =
        (Arc::new(std::sync::Barrier::new(2)), Arc::new(std::sync::Barrier::new(2)));
    let world = Arc::new(World::default());
    let (inner, one, two) = (Arc::clone(&world), Arc::clone(&begun), Arc::clone(&may_end));
    let builder = Pool::builder(move || {
        one.wait();
        two.wait();
        start(&inner)
    });
    let pool: Pool<Client> = builder.build();
    thread::scope(|scope| {
        let call = scope.spawn(|| pool.call(ask(ECHO, "too late")));
        begun.wait();
        assert_eq!(pool.drain(Some(Instant::now())), 0);
        may_end.wait();
        let outcome = call.join().expect("no panic");
        assert!(matches!(outcome, Err(PoolError::Draining)), "{outcome:?}");
    });
    world.wait_for(|world| &world.alive, 0);
    assert_eq!(pool.statistics().calls, 0);
}

#[test]
fn a_worker_that_died_without_a_call_is_nobodys_fault() {
    let (pool, world, _) = pool(|builder| builder);
    assert_eq!(pool.call(ask(ECHO, "one")).expect("an answer"), "one");
    for _ in 0..3 {
        // As the system's, out of memory, would.
        pool.hang_up_idle();
        world.wait_for(|world| &world.alive, 0);
        let answer = pool.call_with("innocent", ask(ECHO, "two"));
        assert_eq!(answer.expect("an answer"), "two");
    }
    let statistics = pool.statistics();
    assert_eq!((statistics.deaths, statistics.quarantined), (0, 0), "{statistics:?}");
}

/// Asks the pool how it is whenever something is told of it, as those do who collect figures.
struct Curious(Mutex<Option<std::sync::Weak<Pool<Client>>>>);

impl tracing::Subscriber for Curious {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        let pool = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(pool) = pool.and_then(|pool| pool.upgrade()) {
            let _ = pool.statistics();
        }
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn who_is_told_of_a_pool_may_ask_it() {
    let (done, ended) = std::sync::mpsc::channel();
    // A thread of its own: where it hangs, the test does not.
    thread::spawn(move || {
        let (pool, _, _) = pool(|builder| builder);
        let pool = Arc::new(pool);
        let curious = Curious(Mutex::new(Some(Arc::downgrade(&pool))));
        tracing::subscriber::with_default(curious, || {
            assert_eq!(pool.call(ask(ECHO, "one")).expect("an answer"), "one");
            assert!(pool.call(ask(DIE, "")).is_err());
            assert_eq!(pool.call(ask(ECHO, "two")).expect("an answer"), "two");
        });
        let _ = done.send(());
    });
    ended.recv_timeout(LONG).expect("it hangs");
}
