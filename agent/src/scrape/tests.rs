use super::{Busy, Registry, Selection, State, slot::ABSENT_FOR};
use crate::{
    collector::{Collector, Entry, Error, Spec},
    config::{Config, NoConfig},
    exposition::Encoder,
    metric::{Families, Meta, metrics},
    source::Host,
};
use std::{
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

metrics! {
    ANSWER: Gauge "test_answer" ["from"], "Whatever the test wants.";
}

/// A collector that does what its function does.
macro_rules! collectors {
    ($($collector:ident $name:literal = $collect:expr;)*) => {$(
        struct $collector;

        impl Spec for $collector {
            const SUMMARY: &'static str = "";
            const ENABLED: bool = true;
            const METRICS: &'static [Meta] = METRICS;
            type Config = NoConfig;

            fn open(_: NoConfig, _: &Host) -> Result<Self, Error> {
                Ok(Self)
            }
        }

        impl Collector for $collector {
            fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
                let collect: fn(&mut Families) -> Result<(), Error> = $collect;
                collect(out)
            }
        }
    )*

        static ENTRIES: &[Entry] = &[
            $(Entry::of::<$collector>("test", $name, |_, host| Ok(Box::new($collector::open(NoConfig, host)?))),)*
        ];
    };
}

collectors! {
    Hangs "hangs" = |out| {
        out.push(ANSWER, ["hangs"], 1_u64);
        drop(HANG.1.wait_while(HANG.0.lock().unwrap(), |hung| *hung).unwrap());
        Ok(())
    };
    Panics "panics" = |out| {
        out.push(ANSWER, ["panics"], 1_u64);
        panic!("as it does")
    };
    Lacks "lacks" = |_| Err(Error::Absent("no such thing".to_owned()));
    Appears "appears" = |out| {
        N_LOOKS.fetch_add(1, Ordering::Relaxed);
        match HAS_APPEARED.load(Ordering::Relaxed) {
            true => out.push(ANSWER, ["appears"], 1_u64),
            false => return Err(Error::Absent("not yet".to_owned())),
        }
        Ok(())
    };
    Empty "empty" = |_| {
        N_FOUND_EMPTY.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    Fails "fails" = |out| {
        out.push(ANSWER, ["fails"], 1_u64);
        Err(Error::Unavailable { reason: "half of it, found `3`".to_owned(), remedy: String::new() })
    };
    Counts "counts" = |out| {
        out.push(ANSWER, ["counts"], COUNT.fetch_add(1, Ordering::Relaxed) + 1);
        Ok(())
    };
    Many "many" = |out| {
        (0_u64..5).for_each(|it| out.push(ANSWER, [it], 1_u64));
        Ok(())
    };
    Slow "slow" = |out| {
        SLOW_RUNS.fetch_add(1, Ordering::Relaxed);
        let never = (Mutex::new(()), Condvar::new());
        drop(never.1.wait_timeout(never.0.lock().unwrap(), Duration::from_millis(200)).unwrap());
        out.push(ANSWER, ["slow"], 1_u64);
        Ok(())
    };
    Sleeps "sleeps" = |_| {
        drop(SLEEP.1.wait_while(SLEEP.0.lock().unwrap(), |it| *it).unwrap());
        Ok(())
    };
    Works "works" = |out| {
        out.push(ANSWER, ["works"], 1_u64);
        Ok(())
    };
}

static N_FOUND_EMPTY: AtomicU64 = AtomicU64::new(0);
static N_LOOKS: AtomicU64 = AtomicU64::new(0);
static HAS_APPEARED: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);
static SLOW_RUNS: AtomicU64 = AtomicU64::new(0);
static SLEEP: (Mutex<bool>, Condvar) = (Mutex::new(true), Condvar::new());
static HANG: (Mutex<bool>, Condvar) = (Mutex::new(true), Condvar::new());

fn registry(names: &[&str]) -> Registry {
    let config = Config::default();
    let host = Host::new(config.section(), config.section());
    Registry::open(ENTRIES.iter().filter(|entry| names.contains(&entry.name)), &config, &host)
}

/// The sample lines of one scrape, but for durations.
async fn scrape(registry: &Registry, selection: &Selection, limit: Duration) -> Vec<String> {
    let encode = |parts: &[&Families]| {
        let mut body = Vec::new();
        assert_eq!(Encoder::default().write(parts, &mut body), []);
        String::from_utf8(body).unwrap()
    };
    let text = loop {
        match registry.scrape(selection, Instant::now() + limit, encode).await {
            Ok(text) => break text,
            // The one before may be answered a moment before its turn is over.
            Err(Busy) if limit.is_zero() => tokio::task::yield_now().await,
            Err(Busy) => panic!("the scrape before has not ended in {limit:?}"),
        }
    };
    let samples = text.lines().filter(|line| !line.starts_with('#') && !line.contains("duration"));
    samples.map(str::to_owned).collect()
}

const SOON: Duration = Duration::from_secs(1);

/// Longer than any test.
const EVER: Duration = Duration::from_secs(600);

/// Ends the hang also where an assertion fails first: the runtime waits for the thread that hangs.
struct EndsTheHang;

impl Drop for EndsTheHang {
    fn drop(&mut self) {
        *HANG.0.lock().unwrap() = false;
        HANG.1.notify_all();
    }
}

#[tokio::test]
async fn a_hung_collector_costs_only_itself_and_is_asked_again_when_it_is_back() {
    let registry = registry(&["hangs", "works"]);
    let hang = EndsTheHang;
    let state = || {
        let mut all = registry.collectors();
        all.find(|(entry, _)| entry.name == "hangs").and_then(|(_, it)| it).expect("it is enabled").state
    };
    assert_eq!(state(), State::NotRun);
    let late = r#"hostlens_collector_problem{collector="hangs",reason="did not end before the deadline of the scrape",remedy="see what its source waits for, such as a dead network mount, or disable the collector",state="late"} 1"#;
    for _ in 0..2 {
        let start = Instant::now();
        let samples = scrape(&registry, &Selection::All, SOON).await;
        assert!(start.elapsed() < 10 * SOON, "a scrape ends about its deadline");
        assert!(samples.contains(&late.to_owned()), "{samples:#?}");
        assert!(samples.contains(&r#"test_answer{from="works"} 1"#.to_owned()));
        assert!(!samples.contains(&r#"test_answer{from="hangs"} 1"#.to_owned()));
        assert!(samples.contains(&r#"node_scrape_collector_success{collector="hangs"} 0"#.to_owned()));
        assert_eq!(state(), State::Late);
    }
    drop(hang);
    // The run that was hung may still hold the collector for a moment.
    while !scrape(&registry, &Selection::All, EVER)
        .await
        .contains(&r#"test_answer{from="hangs"} 1"#.to_owned())
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(state(), State::Running);
}

#[tokio::test]
async fn a_panic_is_caught_and_the_collector_stays_off() {
    let registry = registry(&["panics", "works"]);
    for _ in 0..2 {
        assert_eq!(
            scrape(&registry, &Selection::All, EVER).await,
            [
                r#"hostlens_collector_problem{collector="panics",reason="panicked: as it does; it stays off until hostlens is restarted or reloaded",remedy="report it, as it is a fault of hostlens; a reload or a restart tries the collector again",state="failed"} 1"#,
                r#"hostlens_collector_state{collector="panics",state="failed"} 1"#,
                r#"hostlens_collector_state{collector="works",state="running"} 1"#,
                r#"node_scrape_collector_success{collector="panics"} 0"#,
                r#"node_scrape_collector_success{collector="works"} 1"#,
                r#"test_answer{from="works"} 1"#,
            ]
        );
    }
}

#[tokio::test]
async fn what_a_failing_collector_pushed_before_stays() {
    // What was found is no label: it may be another thing each time.
    let registry = registry(&["lacks", "fails"]);
    assert_eq!(
        scrape(&registry, &Selection::All, EVER).await,
        [
            r#"hostlens_collector_problem{collector="fails",reason="half of it",remedy="",state="failed"} 1"#,
            r#"hostlens_collector_state{collector="fails",state="failed"} 1"#,
            r#"hostlens_collector_state{collector="lacks",state="absent"} 1"#,
            r#"node_scrape_collector_success{collector="fails"} 0"#,
            r#"node_scrape_collector_success{collector="lacks"} 0"#,
            r#"test_answer{from="fails"} 1"#,
        ]
    );
}

#[tokio::test]
async fn only_what_is_selected_is_asked() {
    let registry = registry(&["works", "lacks"]);
    let only = Selection::Only(vec!["lacks".to_owned()]);
    let except = Selection::Except(vec!["works".to_owned()]);
    for selection in [only, except] {
        assert_eq!(
            scrape(&registry, &selection, EVER).await,
            [
                r#"hostlens_collector_state{collector="lacks",state="absent"} 1"#,
                r#"node_scrape_collector_success{collector="lacks"} 0"#,
            ]
        );
    }
    assert_eq!(scrape(&registry, &Selection::Only(Vec::new()), EVER).await, [""; 0]);
}

#[tokio::test]
async fn a_collector_may_answer_from_what_it_read_before() {
    let mut config = Config::default();
    config.set("collector.counts.min_interval", "1h".into());
    let host = Host::new(config.section(), config.section());
    let registry = Registry::open(ENTRIES.iter().filter(|entry| entry.name == "counts"), &config, &host);
    for _ in 0..3 {
        let samples = scrape(&registry, &Selection::All, EVER).await;
        assert!(samples.contains(&r#"test_answer{from="counts"} 1"#.to_owned()), "{samples:#?}");
        assert!(
            samples.iter().any(|it| it.starts_with(r#"hostlens_collector_age_seconds{collector="counts"} "#))
        );
    }
}

#[tokio::test]
async fn what_a_host_lacks_is_looked_for_now_and_then() {
    let registry = registry(&["appears"]);
    for _ in 0..3 {
        let samples = scrape(&registry, &Selection::All, EVER).await;
        assert!(samples.iter().any(|it| it.contains(r#"state="absent""#)), "{samples:#?}");
    }
    assert_eq!(N_LOOKS.load(Ordering::Relaxed), 1);
    HAS_APPEARED.store(true, Ordering::Relaxed);
    registry.slots[0].ages(ABSENT_FOR);
    let samples = scrape(&registry, &Selection::All, EVER).await;
    assert!(samples.contains(&r#"test_answer{from="appears"} 1"#.to_owned()), "{samples:#?}");
    scrape(&registry, &Selection::All, EVER).await;
    assert_eq!(N_LOOKS.load(Ordering::Relaxed), 3, "what is there is read each time");
}

#[tokio::test]
async fn so_is_what_has_no_device_to_show() {
    let registry = registry(&["empty"]);
    for _ in 0..3 {
        let samples = scrape(&registry, &Selection::All, EVER).await;
        assert!(samples.iter().any(|it| it.contains(r#"state="running""#)), "{samples:#?}");
    }
    assert_eq!(N_FOUND_EMPTY.load(Ordering::Relaxed), 1);
    registry.slots[0].ages(ABSENT_FOR);
    scrape(&registry, &Selection::All, EVER).await;
    assert_eq!(N_FOUND_EMPTY.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn what_exceeds_max_series_is_counted() {
    let mut config = Config::default();
    config.set("collector.many.max_series", 2.into());
    let host = Host::new(config.section(), config.section());
    let registry = Registry::open(ENTRIES.iter().filter(|entry| entry.name == "many"), &config, &host);
    for n_scrapes in 1..3 {
        let samples = scrape(&registry, &Selection::All, EVER).await;
        let dropped = format!(r#"hostlens_series_dropped_total{{collector="many"}} {}"#, 3 * n_scrapes);
        assert!(samples.contains(&dropped), "{samples:#?}");
        let kept = samples.iter().filter(|it| it.starts_with("test_answer"));
        assert_eq!(kept.collect::<Vec<_>>(), [r#"test_answer{from="0"} 1"#, r#"test_answer{from="1"} 1"#]);
    }
}

#[tokio::test]
async fn scrapes_that_meet_share_what_is_read() {
    let registry = registry(&["slow"]);
    let scrapes = [(); 8].map(|()| scrape(&registry, &Selection::All, EVER));
    for samples in futures_of(scrapes).await {
        assert!(samples.contains(&r#"test_answer{from="slow"} 1"#.to_owned()), "{samples:#?}");
    }
    let n_runs = SLOW_RUNS.load(Ordering::Relaxed);
    assert!(n_runs < 8, "{n_runs} runs for 8 scrapes");
}

#[tokio::test]
async fn a_collector_has_no_more_time_than_its_own_limit() {
    let mut config = Config::default();
    config.set("collector.sleeps.timeout", "100ms".into());
    let host = Host::new(config.section(), config.section());
    let registry = Registry::open(ENTRIES.iter().filter(|entry| entry.name == "sleeps"), &config, &host);
    let start = Instant::now();
    let samples = scrape(&registry, &Selection::All, EVER).await;
    assert!(start.elapsed() < EVER / 2);
    assert!(samples.iter().any(|it| it.contains(r#"state="late""#)), "{samples:#?}");
    *SLEEP.0.lock().unwrap() = false;
    SLEEP.1.notify_all();
}

/// The results of all, which run at the same time.
async fn futures_of<F: Future<Output = Vec<String>>, const N: usize>(futures: [F; N]) -> Vec<Vec<String>> {
    let mut futures = futures.map(Box::pin);
    let mut results: Vec<Option<Vec<String>>> = vec![None; N];
    std::future::poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let std::task::Poll::Ready(samples) = future.as_mut().poll(context)
            {
                *result = Some(samples);
            }
        }
        if results.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    results.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_scrape_without_time_says_nothing_of_a_collector() {
    let registry = registry(&["slow"]);
    let hasty = || scrape(&registry, &Selection::All, Duration::ZERO);
    let skipped = "hostlens_collector_problem{collector=\"slow\",reason=\"the deadline of the scrape came before its \
                   turn\",remedy=\"raise scrape_timeout, or see which collector is slow\",state=\"skipped\"} 1";
    // Whether it has begun already or not.
    for _ in 0..20 {
        let samples = hasty().await;
        assert!(samples.contains(&skipped.to_owned()), "{samples:?}");
        assert!(samples.contains(&"node_scrape_collector_success{collector=\"slow\"} 0".to_owned()));
    }
    let samples = scrape(&registry, &Selection::All, EVER).await;
    assert!(samples.contains(&"test_answer{from=\"slow\"} 1".to_owned()), "{samples:?}");
}
