//! The table's answers against an oracle that shares no code with it.
//!
//! `SILVERBACK_SEED` is the first seed, `SILVERBACK_STEPS` how many models there are.

use crate::support::built::Built;
use crate::support::oracle::{Model, Verdict, agrees, judge};
use crate::support::random::Gen;

const MODELS: u64 = 1_500;
const REQUESTS: usize = 60;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// The first request of a model that is answered otherwise than the oracle says.
fn disagreement(model: &Model, requests: &mut Gen, seen: &mut [usize; 4]) -> Option<String> {
    let built = Built::of(model);
    for spin in 0..REQUESTS as u64 {
        let ask = requests.ask(model);
        let verdict = judge(model, &ask);
        let answer = built.answer(&ask, spin);
        let kind = match &verdict {
            Verdict::BadRequest => 0,
            Verdict::NotFound => 1,
            Verdict::Found(_) => 2,
        };
        seen[kind] += 1;
        seen[3] += 1;
        if !agrees(model, &ask, &verdict, &answer) {
            return Some(format!(
                "request {ask:#?}\nanswer {answer:#?}\noracle {verdict:#?}"
            ));
        }
    }
    None
}

/// Takes hosts, matches and services away as long as the model still disagrees.
fn shrunk(mut model: Model, requests: &Gen) -> (Model, String) {
    let fails = |model: &Model| disagreement(model, &mut requests.clone(), &mut [0; 4]);
    loop {
        let hosts = model.hosts.keys().map(|key| {
            let mut less = model.clone();
            less.hosts.remove(key);
            less
        });
        let matches = model.hosts.iter().flat_map(|(key, matches)| {
            (0..matches.len()).map(|at| {
                let mut less = model.clone();
                let list = less.hosts.get_mut(key).expect("the same key");
                list.remove(at);
                if list.is_empty() {
                    less.hosts.remove(key);
                }
                less
            })
        });
        let services = model.services.keys().map(|key| {
            let mut less = model.clone();
            less.services.remove(key);
            less
        });
        let Some(smaller) = hosts
            .chain(matches)
            .chain(services)
            .find(|less| fails(less).is_some())
        else {
            let why = fails(&model).unwrap_or_default();
            return (model, why);
        };
        model = smaller;
    }
}

#[test]
fn every_request_is_answered_as_the_specification_says() {
    let seed = number("SILVERBACK_SEED", 0x51_1be4_bac4);
    let models = number("SILVERBACK_STEPS", MODELS);
    let mut seen = [0; 4];
    for number in 0..models {
        let mut random = Gen(seed.wrapping_add(number));
        let model = random.model();
        let requests = random.clone();
        if disagreement(&model, &mut random, &mut seen).is_some() {
            let (model, why) = shrunk(model, &requests);
            panic!("SILVERBACK_SEED={seed}, model {number}\n{why}\nmodel {model:#?}");
        }
    }
    let [bad, missed, found, all] = seen;
    println!("seed {seed}: {all} requests, {found} matched, {missed} not found, {bad} refused");
    assert!(found > all / 4 && missed > all / 20 && bad > all / 50);
}
