//! The run: steps, faults, and the judgement of each answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::request::RequestInfo;
use silverback_emulator::{Fault, SharedStore};

use crate::support::runtime::{Input, Output, Runtime};
use crate::tables::built::seen;
use crate::tables::oracle::{Ask, Seen, Verdict, agrees, judge};
use crate::tables::random::Gen;
use crate::world::World;

/// Ports of the data plane for everything that a request can ask for.
const LISTENERS: [Option<u16>; 4] = [None, Some(80), Some(81), Some(443)];

const WASM_WORKERS: usize = 4;

/// What a worker has answered so far.
struct Peer {
    runtime: Runtime,
    /// The two newest epochs of its plans, newest first.
    newest: [u64; 2],
}

#[derive(Default)]
struct Totals {
    plans: u64,
    replies: u64,
    unavailable: u64,
    /// Plans of an epoch that was not the newest when the request ended.
    older: u64,
    losses: u64,
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

fn configuration() -> String {
    let mut ports = Vec::new();
    for ingress in [false, true] {
        for listener in LISTENERS {
            let port = port(ingress, listener);
            let listener = listener.map_or(String::new(), |l| format!(r#","listener":{l}"#));
            ports.push(format!(
                r#"{{"port":{port},"ingress":{ingress}{listener}}}"#
            ));
        }
    }
    format!(r#"{{"ports":[{}]}}"#, ports.join(","))
}

fn port(ingress: bool, listener: Option<u16>) -> u16 {
    20_000 + listener.unwrap_or(0) + if ingress { 1_000 } else { 0 }
}

fn input(ask: &Ask) -> Input {
    let info = RequestInfo {
        tls: ask.tls,
        port: port(ask.ingress, ask.listener),
        host: &ask.host,
        path: &ask.target,
        method: &ask.method,
        sni: ask.sni.as_bytes(),
        ..RequestInfo::default()
    };
    let mut message = Vec::new();
    info.encode(&mut message).expect("short fields");
    Input {
        message: Some(message),
        headers: ask.headers.clone(),
        ..Input::default()
    }
}

/// How shared data fails during one request.
fn arm(random: &mut Gen, store: &SharedStore) -> bool {
    let faults = store.faults();
    // A third of the requests see no fault, so that "503 only with faults" is tested too.
    if random.one_in(3) {
        return false;
    }
    let (kind, probability) = *random.pick(&[
        (Fault::TornRead, 0.9),
        (Fault::TornRead, 0.5),
        (Fault::StaleRead, 0.5),
        (Fault::StaleRead, 0.2),
        (Fault::AliasedRead, 0.3),
        (Fault::Missing, 0.3),
    ]);
    faults.set_probability(kind, probability);
    if random.one_in(3) {
        faults.set_probability(Fault::StaleRead, 0.2);
        faults.set_probability(Fault::TornRead, 0.3);
    }
    true
}

/// Publishes once or twice in the middle of the next request.
fn commit_between(world: &Arc<Mutex<World>>, random: &mut Gen, store: &SharedStore) {
    let (skip, commits) = (random.below(8), 1 + random.below(2));
    let gets = AtomicU64::new(0);
    let world = Arc::clone(world);
    store.faults().on_get(move |_| {
        let get = gets.fetch_add(1, Ordering::Relaxed) as usize;
        if get == skip {
            for _ in 0..commits {
                world.lock().expect("the world").commit();
            }
        }
    });
}

/// Judges one answer; what is wrong with it.
fn check(peer: &mut Peer, world: &World, ask: &Ask, output: &Output, faulty: bool) -> Option<u64> {
    let current = world.epoch();
    // A stale epoch record is one epoch old, and the worker may fall back to the view before its
    // newest one; neither is older than the epoch before the last but one that it answered from.
    let floor = peer.newest[1].saturating_sub(1).max(1);
    let wrong = |why: &str| -> ! {
        let verdict = judge(world.current(), ask);
        panic!("{why}\nepochs {floor}..={current}\n{ask:#?}\n{output:#?}\nnewest: {verdict:#?}")
    };
    if output.trapped {
        wrong("the filter trapped");
    }
    if let Some(bytes) = &output.plan {
        let Ok(plan) = OwnedPlan::decode(bytes) else {
            wrong("the plan cannot be read")
        };
        if !(floor..=current).contains(&plan.epoch) {
            wrong("an epoch that cannot be in use");
        }
        let model = &world.epochs[plan.epoch as usize];
        if output.reply.is_some() || !agrees(model, ask, &judge(model, ask), &seen(&plan)) {
            wrong("not what the table of its epoch says");
        }
        if plan.epoch > peer.newest[0] {
            peer.newest = [plan.epoch, peer.newest[0]];
        }
        return Some(plan.rule);
    }
    let Some(reply) = &output.reply else {
        wrong("neither plan nor reply")
    };
    if reply.body.contains("routing table") {
        if reply.status != 503 || !faulty && current > 0 {
            wrong("503 without a fault");
        }
        return None;
    }
    let fits = |epoch: u64| {
        let model = &world.epochs[epoch as usize];
        let answer = Seen::Reply(reply.status);
        agrees(model, ask, &judge(model, ask), &answer)
    };
    if !(floor..=current).any(fits) {
        wrong("a reply that no epoch gives");
    }
    None
}

#[test]
fn every_answer_is_that_of_one_published_epoch_whatever_shared_data_does() {
    let seed = number("SILVERBACK_SEED", 0x5b_e90c);
    let steps = number("SILVERBACK_STEPS", 16_000);
    println!("SILVERBACK_SEED={seed} SILVERBACK_STEPS={steps}");
    let mut random = Gen(seed);
    let world = Arc::new(Mutex::new(World::new(random.next())));
    let store = world.lock().expect("the world").store();
    store.faults().seed(random.next());
    let refused = Arc::new(AtomicU64::new(0));
    let refusing = Arc::new(AtomicU64::new(0));
    let config = configuration();
    let mut peers: Vec<Peer> = (0..=WASM_WORKERS)
        .map(|n| Peer {
            runtime: Runtime::start(n > 0, &config, store.clone(), n).expect("starts"),
            newest: [0, 0],
        })
        .collect();
    if let Runtime::Native(native) = &mut peers[0].runtime {
        let (refused, refusing) = (Arc::clone(&refused), Arc::clone(&refusing));
        native.refuses = Box::new(move || {
            let left = refusing.load(Ordering::Relaxed);
            if left == 0 {
                return false;
            }
            refusing.store(left - 1, Ordering::Relaxed);
            refused.fetch_add(1, Ordering::Relaxed);
            true
        });
    }
    let mut totals = Totals::default();
    let mut between = 0;
    let mut rules: BTreeMap<u64, String> = BTreeMap::new();

    for _ in 0..steps {
        if random.one_in(8) {
            world.lock().expect("the world").commit();
        }
        let at = random.below(peers.len());
        let peer = &mut peers[at];
        if random.one_in(100) {
            peer.runtime.lose_instance(&config);
            totals.losses += 1;
        }
        let ask = {
            let world = world.lock().expect("the world");
            // Also what an older table would have matched.
            let back = random.below(3).min(world.epoch() as usize);
            random.ask(&world.epochs[world.epochs.len() - 1 - back])
        };
        arm(&mut random, &store);
        let before = store.faults().total() + refused.load(Ordering::Relaxed);
        let commits = world.lock().expect("the world").epoch();
        if at == 0 && random.one_in(10) {
            refusing.store(1 + random.below(6) as u64, Ordering::Relaxed);
        }
        if random.one_in(4) {
            commit_between(&world, &mut random, &store);
        }
        let output = peer.runtime.request(&input(&ask));
        store.faults().clear();
        refusing.store(0, Ordering::Relaxed);

        let world = world.lock().expect("the world");
        let faulty = store.faults().total() + refused.load(Ordering::Relaxed) > before;
        between += world.epoch() - commits;
        let faulty = faulty || commits == 0;
        if let Some(rule) = check(peer, &world, &ask, &output, faulty) {
            totals.plans += 1;
            totals.older += u64::from(peer.newest[0] < world.epoch());
            // The rule's id is a name: one rule has one id, and no two have the same.
            let plan = OwnedPlan::decode(output.plan.as_deref().unwrap_or_default());
            let epoch = plan.map_or(0, |plan| plan.epoch) as usize;
            if let Verdict::Found(found) = judge(&world.epochs[epoch], &ask) {
                let r = &found.matched.rule;
                let object = &r.object;
                let name = format!(
                    "{:?} {}/{} {}",
                    object.kind, object.namespace, object.name, r.index
                );
                assert_eq!(rules.entry(rule).or_insert_with(|| name.clone()), &name);
            }
        } else if output
            .reply
            .is_some_and(|r| r.body.contains("no routing table"))
        {
            totals.unavailable += 1;
        } else {
            totals.replies += 1;
        }
    }

    let world = world.lock().expect("the world");
    let count = |fault| store.faults().injected(fault);
    let kinds = [
        ("torn reads", count(Fault::TornRead), steps / 40),
        ("stale reads", count(Fault::StaleRead), steps / 20),
        ("aliased reads", count(Fault::AliasedRead), steps / 60),
        ("missing values", count(Fault::Missing), steps / 60),
        (
            "refused reads",
            refused.load(Ordering::Relaxed),
            steps / 200,
        ),
        ("commits inside a request", between, steps / 40),
        ("lost instances", totals.losses, steps / 250),
    ];
    println!(
        "{} epochs, {} plans ({} not of the newest epoch), {} replies, {} unavailable, {} rules, \
         largest segment {} pages",
        world.epoch(),
        totals.plans,
        totals.older,
        totals.replies,
        totals.unavailable,
        rules.len(),
        world.largest
    );
    for (name, count, minimum) in kinds {
        println!("{name}: {count} (minimum {minimum})");
    }
    for (name, count, minimum) in kinds {
        assert!(count >= minimum, "too few {name}: {count} of {minimum}");
    }
    assert!(
        totals.plans >= steps / 10,
        "too few plans: {}",
        totals.plans
    );
    assert!(world.largest >= 2, "no segment of several pages");
    assert_eq!(store.violations(), [], "strict mode");
    for peer in &peers {
        if let Runtime::Wasm(worker) = &peer.runtime {
            assert_eq!(worker.worker.violations(), []);
        }
    }
}
