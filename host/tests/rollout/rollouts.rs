//! The rollouts: in each, routes are edited, weights moved, and the pods of two Services replaced one by one;
//! in some, certificates and modules too.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::Size;
use crate::cluster::{Cluster, Condition, REPLICAS};
use crate::objects::{self, FILLERS, Route, Service};
use crate::pace::{Pace, until};
use crate::random::Random;
use crate::report::Report;

/// Every so many rollouts, the first time in this one.
const CERTIFICATES: (u64, u64) = (3, 0);
const FILTERS: (u64, u64) = (4, 1);
const TRANSLATORS: (u64, u64) = (6, 2);

/// One of them.
struct Rollout<'a> {
    cluster: &'a mut Cluster,
    report: &'a Report,
    number: u64,
    random: &'a mut Random,
}

/// All of them, until something fails.
pub(crate) async fn run(cluster: &mut Cluster, pace: &Pace, report: &Report, size: Size) {
    let mut random = Random::new(size.seed, 0);
    for number in 0..size.rollouts {
        pace.before(number, || report.has_failures()).await;
        if report.has_failures() {
            pace.stop();
            return;
        }
        let rollout = Rollout {
            cluster,
            report,
            number,
            random: &mut random,
        };
        rollout.run().await;
        pace.rollout_is_over();
    }
}

impl Rollout<'_> {
    async fn run(mut self) {
        self.edit_routes();
        let pair = usize::try_from(self.number).unwrap() * 2;
        let services = [pair, pair + 1].map(|n| Service::ALL[n % Service::ALL.len()]);
        for replica in 0..REPLICAS {
            self.replace_one_of_each(services).await;
            if replica == 0 {
                self.renew();
            }
        }
    }

    /// Some routes do something else, some are gone and some are new.
    fn edit_routes(&mut self) {
        let cluster = &mut *self.cluster;
        let weights = match self.random.below(6) {
            0 => [100, 0],
            1 => [0, 100],
            2 => [1, 99],
            3 => [1, 1],
            _ => [0, 0].map(|_| 1 + u32::try_from(self.random.below(1000)).unwrap()),
        };
        cluster.config.weights = weights;
        let other = Route::ALL[usize::try_from(self.random.below(5)).unwrap()];
        for route in [Route::Web, other] {
            *cluster.config.revisions.get_mut(&route).unwrap() += 1;
            cluster.apply(&route.object(&cluster.config));
        }
        let extra = cluster.config.extra;
        let api_version = "gateway.networking.k8s.io/v1";
        cluster.delete(api_version, "HTTPRoute", &format!("extra-{extra}"));
        cluster.apply(&objects::extra(extra + 1));
        cluster.config.extra += 1;
        for _ in 0..5 {
            let filler = u32::try_from(self.random.below(FILLERS.into())).unwrap();
            cluster.apply(&objects::filler(
                filler,
                u32::try_from(self.number).unwrap() + 1,
            ));
        }
        self.push();
    }

    /// A new pod of each Service gets ready, then an old one of each ends.
    async fn replace_one_of_each(&mut self, services: [Service; 2]) {
        for service in services {
            self.cluster.add(service).await;
        }
        self.push();
        for service in services {
            self.cluster
                .set(service, |member| member.condition = Condition::Ready);
        }
        self.push();

        // SIGTERM comes with the change of the endpoints, or some time before it is in effect.
        for service in services {
            let mut first = true;
            self.cluster.set(service, |member| {
                if std::mem::take(&mut first) {
                    member.condition = Condition::Terminating;
                    member.pod.terminate();
                }
            });
        }
        let delay = Duration::from_millis(self.random.below(10));
        tokio::time::sleep(delay).await;
        self.push();
        let watch = std::sync::Arc::clone(&self.cluster.watch);
        until(
            "requests that may be on their way to a pod that ends",
            || watch.settled(),
        )
        .await;
        for service in services {
            let members = &self.cluster.members[&service];
            let ending = members
                .iter()
                .find(|m| m.condition == Condition::Terminating);
            let pod = &ending.unwrap().pod;
            pod.close();
            let what = format!("pod {} of {service:?} to end", pod.number);
            until(&what, || pod.is_gone()).await;
            self.cluster.remove_terminating(service);
            count(&self.report.pods);
        }
        self.push();
    }

    fn renew(&mut self) {
        let due = |(every, first): (u64, u64)| self.number % every == first;
        if due(CERTIFICATES) {
            self.cluster.renew_certificate();
            count(&self.report.certificates);
        }
        if due(FILTERS) {
            self.cluster.reload_filter();
            count(&self.report.filters);
        }
        if due(TRANSLATORS) {
            self.cluster.reload_translator();
            count(&self.report.translators);
        }
    }

    fn push(&mut self) {
        self.cluster.push();
        count(&self.report.pushes);
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
