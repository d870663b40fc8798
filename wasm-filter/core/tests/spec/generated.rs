//! Many sets of objects, many requests: what the oracle says is what happens.
//!
//! `SILVERBACK_SEED` is the first seed, `SILVERBACK_STEPS` how many sets there are.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::ask::Ask;
use crate::judge::judge;
use crate::oracle::{Classes, Oracle};
use crate::random::asks;
use crate::random::choices::Choices;
use crate::random::objects;
use crate::shrink::{shrink, yaml};
use crate::subject::{SETS, Subject};

const ASKS: usize = 30;

/// How often each verdict must come in a thousand requests, so that nothing passes for want of cases.
const LEAST: [(&str, usize); 9] = [
    ("400", 5),
    ("404", 50),
    ("426", 1),
    ("redirect", 15),
    ("preflight", 1),
    ("500", 20),
    ("503", 20),
    ("proxy", 200),
    ("several", 20),
];

/// Thousandths of requests: with fewer to expect, none may come.
const RARE: usize = 5000;

pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

fn failure(objects: &[Value], classes: &Classes, ask: &Ask) -> Option<String> {
    let verdict = Oracle::new(objects, classes).verdict(ask);
    let subject = Subject::new(objects, classes);
    judge(&verdict, &subject, ask).err().map(|why| {
        format!(
            "{why}\nwanted: {verdict:#?}\nproblems: {:#?}",
            subject.problems
        )
    })
}

/// The first line of a failure without what differs between requests.
fn reason(failure: &str) -> String {
    let line = failure.lines().next().unwrap_or_default();
    line.split(':').next().unwrap_or_default().to_owned()
}

/// For the search: `SILVERBACK_ONLY=HTTPRoute` leaves one kind of routes.
fn restrict(objects: &mut Vec<Value>) {
    if let Ok(only) = std::env::var("SILVERBACK_ONLY") {
        let route = |object: &Value| {
            let kind = object["kind"].as_str().unwrap_or_default();
            kind == "Ingress" || kind.ends_with("Route")
        };
        objects.retain(|object| !route(object) || object["kind"] == only.as_str());
    }
}

#[test]
fn generated_sets_are_routed_as_the_specifications_say() {
    let seed = number("SILVERBACK_SEED", 1);
    let steps = number("SILVERBACK_STEPS", SETS);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failures: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for seed in seed..seed + steps {
        let mut c = Choices::new(seed);
        let (mut set, classes) = objects(&mut c);
        restrict(&mut set);
        let oracle = Oracle::new(&set, &classes);
        let subject = Subject::new(&set, &classes);
        for _ in 0..ASKS {
            let ask = asks::ask(&mut c, &oracle);
            let verdict = oracle.verdict(&ask);
            *counts.entry(verdict.kind()).or_default() += 1;
            let Err(why) = judge(&verdict, &subject, &ask) else {
                continue;
            };
            let reason = reason(&why);
            if let Some((count, _)) = failures.get_mut(&reason) {
                *count += 1;
                continue;
            }
            let same = |less: &[Value]| {
                failure(less, &classes, &ask).is_some_and(|why| self::reason(&why) == reason)
            };
            let least = shrink(set.clone(), same);
            let why = failure(&least, &classes, &ask).unwrap_or(why);
            let text = format!(
                "seed {seed}\n{}\n# {ask}\n{why}\nclasses: {classes:?}",
                yaml(&least)
            );
            failures.insert(reason, (1, text));
        }
    }
    eprintln!("{counts:?}");
    for (reason, (count, text)) in &failures {
        eprintln!("=== {count} x {reason}\n{text}\n");
    }
    assert!(failures.is_empty(), "{} kinds of failures", failures.len());
    let total: usize = counts.values().sum();
    for (kind, least) in LEAST {
        if least * total < RARE {
            continue;
        }
        let count = counts.get(kind).copied().unwrap_or(0);
        assert!(
            count * 1000 >= least * total,
            "only {count} of {total} requests: {kind}"
        );
    }
}
